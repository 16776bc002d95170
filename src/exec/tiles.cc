// SPDX-License-Identifier: Apache-2.0
// A tiles step: blocks around the register tile. Nothing here adds: the order of summation is the
// kernels', and K is only ever cut at multiples of 128.

#include <algorithm>

#include "src/exec/loops.h"
#include "src/exec/store.h"
#include "src/exec/walk.h"

namespace batchdot {

namespace {

using kernel::Arithmetic;
using kernel::FloatMode;
using kernel::FloatModeGuard;

// One work item of a tiles step: rows x columns of one batch item.
class TileItem {
 public:
  TileItem(const ContractStep& step, const TileScratch& layout, const TaskContext& task)
      : step_(step),
        kernels_(*step.kernels),
        folded_(step.folded),
        blocking_(step.blocking),
        layout_(layout),
        scratch_(task.scratch),
        control_(*task.control),
        lhs_(address_of(step.lhs, step.lhs_dtype, task)),
        rhs_(address_of(step.rhs, step.rhs_dtype, task)),
        out_(address_of(step.out, step.out_dtype, task)),
        bias_(step.scale.bias.where == Place::Where::kNone
                  ? nullptr
                  : address_of(step.scale.bias, step.out_dtype, task)),
        is_complex_(step.arithmetic == Arithmetic::kC64 || step.arithmetic == Arithmetic::kC128),
        tiles_(step.folded.swapped && is_complex_ ? kernels_.tile_swapped : kernels_.tile) {}

  void run(const Odometer& batch, std::int64_t row_block, std::int64_t column_block) {
    row0_ = row_block * blocking_.row_block;
    column0_ = column_block * blocking_.column_block;
    rows_ = std::min(blocking_.row_block, folded_.M - row0_);
    columns_ = std::min(blocking_.column_block, folded_.N - column0_);
    place(batch);
    sum_row_ = (columns_ + blocking_.NR - 1) / blocking_.NR * blocking_.NR * (is_complex_ ? 2 : 1);
    {
      const FloatModeGuard mode(mode_of(step_.arithmetic));
      std::int64_t k = 0;
      do {  // once for K = 0 too: the sums are zeros then
        const std::int64_t depth = std::min(folded_.K - k, blocking_.KC);
        multiply_depth(k, depth);
        k += depth;
      } while (k < folded_.K && !is_stopped(control_));
    }
    if (!step_.is_direct) {
      const FloatModeGuard mode(FloatMode::kDefault);
      store_sums();
    }
  }

 private:
  std::byte* scratch(std::size_t offset) const { return scratch_ + offset; }

  void place(const Odometer& batch) {
    lhs_item_ =
        lhs_ + (batch.lhs + base_of(folded_.m, Tensor4::kLhs, row0_)) * element(step_.lhs_dtype);
    rhs_item_ =
        rhs_ + (batch.rhs + base_of(folded_.n, Tensor4::kRhs, column0_)) * element(step_.rhs_dtype);
    out_item_ = out_ + (batch.out + base_of(folded_.m, Tensor4::kOut, row0_) +
                        base_of(folded_.n, Tensor4::kOut, column0_)) *
                           element(step_.out_dtype);
    lhs_rows_ = walk(folded_.m, Tensor4::kLhs, row0_, rows_, scratch(layout_.lhs_rows));
    out_rows_ = walk(folded_.m, Tensor4::kOut, row0_, rows_, scratch(layout_.out_rows));
    rhs_columns_ = walk(folded_.n, Tensor4::kRhs, column0_, columns_, scratch(layout_.rhs_columns));
    out_columns_ = walk(folded_.n, Tensor4::kOut, column0_, columns_, scratch(layout_.out_columns));
    if (bias_ == nullptr) return;
    bias_item_ = bias_ + (batch.bias + base_of(folded_.m, Tensor4::kBias, row0_) +
                          base_of(folded_.n, Tensor4::kBias, column0_)) *
                             element(step_.out_dtype);
    bias_rows_ = walk(folded_.m, Tensor4::kBias, row0_, rows_, scratch(layout_.bias_rows));
    bias_columns_ =
        walk(folded_.n, Tensor4::kBias, column0_, columns_, scratch(layout_.bias_columns));
  }

  static std::int64_t element(DType dtype) { return static_cast<std::int64_t>(dtype.size_bytes()); }

  void multiply_depth(std::int64_t k, std::int64_t depth) {
    lhs_k_ = walk(folded_.k, Tensor4::kLhs, k, depth, scratch(layout_.lhs_k));
    rhs_k_ = walk(folded_.k, Tensor4::kRhs, k, depth, scratch(layout_.rhs_k));
    const std::byte* lhs =
        lhs_item_ + base_of(folded_.k, Tensor4::kLhs, k) * element(step_.lhs_dtype);
    const std::byte* rhs =
        rhs_item_ + base_of(folded_.k, Tensor4::kRhs, k) * element(step_.rhs_dtype);
    for (std::int64_t column = 0; column < columns_; column += blocking_.NC) {
      const std::int64_t width = std::min(blocking_.NC, columns_ - column);
      pack_columns(rhs, column, width, depth);
      for (std::int64_t row = 0; row < rows_; row += blocking_.MC) {
        const std::int64_t height = std::min(blocking_.MC, rows_ - row);
        if (step_.packs_lhs) pack_rows(lhs, row, height, depth);
        multiply_block(lhs, rhs, row, height, column, width, depth, k == 0);
      }
    }
  }

  // Panels of columns: `vectors` vectors in even shares of at most NV.
  EvenSplit column_panels(std::int64_t width) const {
    return EvenSplit((width + kernels_.lanes - 1) / kernels_.lanes, kernels_.NV);
  }
  EvenSplit row_tiles(std::int64_t height) const { return EvenSplit(height, kernels_.MR); }

  bool is_whole(std::int64_t column, std::int64_t panel_width, std::int64_t width) const {
    return column + panel_width <= width;
  }

  std::byte* rhs_panel(std::int64_t column, std::int64_t depth) const {
    const std::int64_t at = step_.packs_rhs ? column * kernels_.panel_rows(depth) : 0;
    return scratch(layout_.panels_rhs) + at * static_cast<std::int64_t>(kernels_.panel_bytes);
  }
  std::byte* lhs_panel(std::int64_t row, std::int64_t depth) const {
    return scratch(layout_.panels_lhs) +
           row * kernels_.panel_rows(depth) * static_cast<std::int64_t>(kernels_.panel_bytes);
  }

  // Packs all panels, or, where rhs is read in place, the last one if it is not whole.
  void pack_columns(const std::byte* rhs, std::int64_t first, std::int64_t width,
                    std::int64_t depth) {
    const EvenSplit panels = column_panels(width);
    std::int64_t column = 0;
    for (std::int64_t i = 0; i < panels.parts; ++i) {
      const std::int64_t panel_width = panels.part(i) * kernels_.lanes;
      if (step_.packs_rhs || !is_whole(column, panel_width, width)) {
        kernel::PackCall call{};
        const AxisWalk at = rhs_columns_.from(first + column);
        const std::int64_t start = at.offsets == nullptr ? (first + column) * at.stride : 0;
        call.source = rhs + start * element(step_.rhs_dtype);
        call.row_stride = at.stride;
        call.row_offsets = at.offsets;
        call.k_stride = rhs_k_.stride;
        call.k_offsets = rhs_k_.offsets;
        call.rows = static_cast<int>(std::min(panel_width, width - column));
        call.K = depth;
        call.width = static_cast<int>(panel_width);
        call.panel = rhs_panel(column, depth);
        call.conjugate = step_.rhs_conjugate;
        kernels_.pack_b[step_.rhs_dtype.index()](call);
      }
      column += panel_width;
    }
  }

  void pack_rows(const std::byte* lhs, std::int64_t first, std::int64_t height,
                 std::int64_t depth) {
    const EvenSplit tiles = row_tiles(height);
    std::int64_t row = 0;
    for (std::int64_t i = 0; i < tiles.parts; ++i) {
      kernel::PackCall call{};
      const AxisWalk at = lhs_rows_.from(first + row);
      const std::int64_t start = at.offsets == nullptr ? (first + row) * at.stride : 0;
      call.source = lhs + start * element(step_.lhs_dtype);
      call.row_stride = at.stride;
      call.row_offsets = at.offsets;
      call.k_stride = lhs_k_.stride;
      call.k_offsets = lhs_k_.offsets;
      call.rows = call.width = static_cast<int>(tiles.part(i));
      call.K = depth;
      call.panel = lhs_panel(row, depth);
      call.conjugate = step_.lhs_conjugate;
      kernels_.pack_a[step_.lhs_dtype.index()](call);
      row += tiles.part(i);
    }
  }

  // Rows outside, columns inside: a panel of rhs is read by every row tile, from L1 or L2.
  void multiply_block(const std::byte* lhs, const std::byte* rhs, std::int64_t first_row,
                      std::int64_t height, std::int64_t first_column, std::int64_t width,
                      std::int64_t depth, bool is_first) const {
    const EvenSplit tiles = row_tiles(height);
    const EvenSplit panels = column_panels(width);
    const std::int64_t reals = is_complex_ ? 2 : 1;
    kernel::TileCall call{};
    call.K = kernels_.panel_rows(depth);
    call.first = is_first;
    std::int64_t row = 0;
    for (std::int64_t i = 0; i < tiles.parts; ++i) {
      const std::int64_t MR = tiles.part(i);
      if (step_.packs_lhs) {
        call.a = lhs_panel(row, depth);
        call.a_row = reals;
        call.a_k = MR * reals;
      } else {
        call.a = lhs + lhs_rows_.at(first_row + row) * element(step_.lhs_dtype);
        call.a_row = lhs_rows_.stride * reals;
        call.a_k = lhs_k_.stride * reals;
      }
      std::int64_t column = 0;
      for (std::int64_t j = 0; j < panels.parts; ++j) {
        const std::int64_t panel_width = panels.part(j) * kernels_.lanes;
        call.columns = static_cast<int>(std::min(panel_width, width - column));
        if (step_.packs_rhs || call.columns < panel_width) {
          call.b = rhs_panel(column, depth);
          call.b_k = panel_width * reals;
        } else {
          call.b = rhs + rhs_columns_.at(first_column + column) * element(step_.rhs_dtype);
          call.b_k = rhs_k_.stride;
        }
        place_sums(call, first_row + row, first_column + column);
        tiles_[MR - 1][panels.part(j) - 1](call);
        column += panel_width;
      }
      row += MR;
    }
  }

  void place_sums(kernel::TileCall& call, std::int64_t row, std::int64_t column) const {
    if (step_.is_direct) {
      call.sum = out_item_ + (out_rows_.at(row) + column) * element(step_.out_dtype);
      call.sum_row = out_rows_.stride;
      return;
    }
    const auto real_bytes = static_cast<std::int64_t>(kernels_.panel_bytes) / (is_complex_ ? 2 : 1);
    call.sum = scratch(layout_.sums) + (row * sum_row_ + column) * real_bytes;
    call.sum_row = sum_row_;
    call.sum_plane = sum_row_ / 2;
  }

  void store_sums() const {
    StoreCall call{};
    call.sums = scratch(layout_.sums);
    call.sum_row = sum_row_;
    call.sum_plane = sum_row_ / 2;
    call.rows = rows_;
    call.columns = columns_;
    call.out = out_item_;
    call.out_row = out_rows_.stride;
    call.out_rows = out_rows_.offsets;
    call.out_column = out_columns_.stride;
    call.out_columns = out_columns_.offsets;
    call.bias = bias_ == nullptr ? nullptr : bias_item_;
    call.bias_row = bias_rows_.stride;
    call.bias_rows = bias_rows_.offsets;
    call.bias_column = bias_columns_.stride;
    call.bias_columns = bias_columns_.offsets;
    call.alpha = step_.scale.alpha;
    call.beta = step_.scale.beta;
    store(step_.arithmetic, step_.out_dtype, call);
  }

  const ContractStep& step_;
  const kernel::ArithmeticKernels& kernels_;
  const Folded& folded_;
  const Blocking& blocking_;
  const TileScratch& layout_;
  std::byte* scratch_;
  const RunControl& control_;
  const std::byte* lhs_;
  const std::byte* rhs_;
  std::byte* out_;
  const std::byte* bias_;
  const bool is_complex_;
  const kernel::TileFunction (&tiles_)[kernel::kMaxMR][kernel::kMaxNV];

  std::int64_t row0_ = 0, column0_ = 0, rows_ = 0, columns_ = 0, sum_row_ = 0;
  const std::byte* lhs_item_ = nullptr;
  const std::byte* rhs_item_ = nullptr;
  std::byte* out_item_ = nullptr;
  const std::byte* bias_item_ = nullptr;
  AxisWalk lhs_rows_, out_rows_, bias_rows_, rhs_columns_, out_columns_, bias_columns_, lhs_k_,
      rhs_k_;
};

}  // namespace

void run_tiles(const ContractStep& step, const TaskContext& task, std::int64_t first,
               std::int64_t last) {
  const TileScratch layout = tile_scratch(step);
  TileItem tile(step, layout, task);
  const std::int64_t row_blocks = step.blocking.row_blocks;
  const std::int64_t per_batch_item = row_blocks * step.blocking.column_blocks;
  Odometer batch(step.folded.batch, first / per_batch_item);
  for (std::int64_t item = first; item < last; ++item) {
    const std::int64_t within = item % per_batch_item;
    tile.run(batch, within % row_blocks, within / row_blocks);
    if (within + 1 == per_batch_item) batch.next();
    if (finish_item(*task.control)) return;
  }
}

}  // namespace batchdot
