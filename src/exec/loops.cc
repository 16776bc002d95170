// SPDX-License-Identifier: Apache-2.0
// Blocks around the register tile. Nothing here adds: the order of summation is the kernels', and K
// is only ever cut at multiples of 128.

#include "src/exec/loops.h"

#include <algorithm>
#include <array>
#include <complex>

#include "src/exec/store.h"
#include "src/kernel/convert.h"
#include "src/kernel/float_mode.h"

namespace batchdot {

namespace {

using kernel::Arithmetic;
using kernel::FloatMode;
using kernel::FloatModeGuard;

FloatMode mode_of(Arithmetic arithmetic) {
  return arithmetic == Arithmetic::kBF16 ? FloatMode::kFlush : FloatMode::kDefault;
}

// An axis as kernels take it: one stride, or offsets in a table.
struct AxisWalk {
  std::int64_t stride = 0;
  const std::int64_t* offsets = nullptr;

  AxisWalk from(std::int64_t index) const {
    return {stride, offsets == nullptr ? nullptr : offsets + index};
  }
  std::int64_t at(std::int64_t index) const {
    return offsets == nullptr ? index * stride : offsets[index];
  }
};

enum class Tensor4 : std::uint8_t { kLhs, kRhs, kOut, kBias };

std::int64_t stride_in(const FoldedAxis& axis, Tensor4 tensor) {
  switch (tensor) {
    case Tensor4::kLhs:
      return axis.lhs;
    case Tensor4::kRhs:
      return axis.rhs;
    case Tensor4::kOut:
      return axis.out;
    case Tensor4::kBias:
      return axis.bias;
  }
  return 0;
}

// The offsets of positions first .. first+count-1 along axes; a table only where they do not fold.
AxisWalk walk(const FoldedAxes& axes, Tensor4 tensor, std::int64_t first, std::int64_t count,
              std::byte* table) {
  if (axes.empty()) return {};
  if (axes.size() == 1) return {stride_in(axes[0], tensor), nullptr};
  auto* offsets = reinterpret_cast<std::int64_t*>(table);
  Odometer at(axes, first);
  for (std::int64_t i = 0; i < count; ++i, at.next()) {
    offsets[i] = tensor == Tensor4::kLhs   ? at.lhs
                 : tensor == Tensor4::kRhs ? at.rhs
                 : tensor == Tensor4::kOut ? at.out
                                           : at.bias;
  }
  return {0, offsets};
}

// With one stride, position `first` is an offset of the base; with a table it is in the table.
std::int64_t base_of(const FoldedAxes& axes, Tensor4 tensor, std::int64_t first) {
  return axes.size() == 1 ? first * stride_in(axes[0], tensor) : 0;
}

// Cuts `count` into ceil(count / most) parts of nearly equal size.
struct EvenSplit {
  std::int64_t parts, size, larger;  // the first `larger` parts have size + 1
  EvenSplit(std::int64_t count, std::int64_t most)
      : parts((count + most - 1) / most),
        size(parts == 0 ? 0 : count / parts),
        larger(parts == 0 ? 0 : count % parts) {}
  std::int64_t part(std::int64_t i) const { return size + (i < larger ? 1 : 0); }
};

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

  // K as the tile sees it: bf16 takes pairs.
  std::int64_t panel_depth(std::int64_t depth) const {
    return step_.arithmetic == Arithmetic::kBF16 ? depth + depth % 2 : depth;
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
    const std::int64_t at = step_.packs_rhs ? column * panel_depth(depth) : 0;
    return scratch(layout_.panels_rhs) + at * static_cast<std::int64_t>(kernels_.panel_bytes);
  }
  std::byte* lhs_panel(std::int64_t row, std::int64_t depth) const {
    return scratch(layout_.panels_lhs) +
           row * panel_depth(depth) * static_cast<std::int64_t>(kernels_.panel_bytes);
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
    call.K = panel_depth(depth);
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

// A dots step: M = N = 1, lanes run over the batch. a is lhs, b is rhs, both packed as vectors.
class DotsItems {
 public:
  DotsItems(const ContractStep& step, const DotsScratch& layout, const TaskContext& task)
      : step_(step),
        kernels_(*step.kernels),
        layout_(layout),
        scratch_(task.scratch),
        control_(*task.control),
        lhs_(address_of(step.lhs, step.lhs_dtype, task)),
        rhs_(address_of(step.rhs, step.rhs_dtype, task)),
        out_(address_of(step.out, step.out_dtype, task)),
        bias_(step.scale.bias.where == Place::Where::kNone
                  ? nullptr
                  : address_of(step.scale.bias, step.out_dtype, task)) {}

  // Items first .. last-1 of the batch.
  void run(std::int64_t first, std::int64_t last) {
    const FoldedAxes& batch = step_.folded.batch;
    for (std::int64_t at = first; at < last; at += kernels_.dots_width) {
      const std::int64_t count = std::min<std::int64_t>(kernels_.dots_width, last - at);
      const AxisWalk lhs = walk(batch, Tensor4::kLhs, at, count, scratch_ + layout_.lhs_items);
      const AxisWalk rhs = walk(batch, Tensor4::kRhs, at, count, scratch_ + layout_.rhs_items);
      sum(at, count, lhs, rhs);
      store_sums(at, count);
    }
  }

 private:
  void sum(std::int64_t at, std::int64_t count, const AxisWalk& lhs, const AxisWalk& rhs) {
    const Folded& f = step_.folded;
    const FloatModeGuard mode(mode_of(step_.arithmetic));
    kernel::DotsCall call{};
    call.a = scratch_ + layout_.panels_lhs;
    call.b = scratch_ + layout_.panels_rhs;
    call.width = kernels_.dots_width;
    call.sum = scratch_ + layout_.sums;
    call.first = true;
    std::int64_t k = 0;
    do {
      const std::int64_t depth = std::min(f.K - k, step_.blocking.KC);
      const AxisWalk lhs_k = walk(f.k, Tensor4::kLhs, k, depth, scratch_ + layout_.lhs_k);
      const AxisWalk rhs_k = walk(f.k, Tensor4::kRhs, k, depth, scratch_ + layout_.rhs_k);
      pack(lhs_, step_.lhs_dtype, step_.lhs_conjugate, lhs, lhs_k,
           base_of(f.batch, Tensor4::kLhs, at) + base_of(f.k, Tensor4::kLhs, k), count, depth,
           layout_.panels_lhs);
      pack(rhs_, step_.rhs_dtype, step_.rhs_conjugate, rhs, rhs_k,
           base_of(f.batch, Tensor4::kRhs, at) + base_of(f.k, Tensor4::kRhs, k), count, depth,
           layout_.panels_rhs);
      call.K = step_.arithmetic == Arithmetic::kBF16 ? depth + depth % 2 : depth;
      kernels_.dots(call);
      call.first = false;
      k += depth;
    } while (k < f.K && !is_stopped(control_));
  }

  void pack(const std::byte* source, DType dtype, bool conjugate, const AxisWalk& items,
            const AxisWalk& k, std::int64_t base, std::int64_t count, std::int64_t depth,
            std::size_t panel) const {
    kernel::PackCall call{};
    call.source = source + base * static_cast<std::int64_t>(dtype.size_bytes());
    call.row_stride = items.stride;
    call.row_offsets = items.offsets;
    call.k_stride = k.stride;
    call.k_offsets = k.offsets;
    call.rows = static_cast<int>(count);
    call.K = depth;
    call.width = kernels_.dots_width;
    call.panel = scratch_ + panel;
    call.conjugate = conjugate;
    kernels_.pack_b[dtype.index()](call);
  }

  void store_sums(std::int64_t at, std::int64_t count) const {
    const FloatModeGuard mode(FloatMode::kDefault);
    const FoldedAxes& batch = step_.folded.batch;
    const auto out_bytes = static_cast<std::int64_t>(step_.out_dtype.size_bytes());
    const AxisWalk out = walk(batch, Tensor4::kOut, at, count, scratch_ + layout_.out_items);
    StoreCall call{};
    call.sums = scratch_ + layout_.sums;
    call.sum_plane = kernels_.dots_width;
    call.rows = 1;
    call.columns = count;
    call.out = out_ + base_of(batch, Tensor4::kOut, at) * out_bytes;
    call.out_column = out.stride;
    call.out_columns = out.offsets;
    if (bias_ != nullptr) {
      const AxisWalk bias = walk(batch, Tensor4::kBias, at, count, scratch_ + layout_.bias_items);
      call.bias = bias_ + base_of(batch, Tensor4::kBias, at) * out_bytes;
      call.bias_column = bias.stride;
      call.bias_columns = bias.offsets;
    }
    call.alpha = step_.scale.alpha;
    call.beta = step_.scale.beta;
    store(step_.arithmetic, step_.out_dtype, call);
  }

  const ContractStep& step_;
  const kernel::ArithmeticKernels& kernels_;
  const DotsScratch& layout_;
  std::byte* scratch_;
  const RunControl& control_;
  const std::byte* lhs_;
  const std::byte* rhs_;
  std::byte* out_;
  const std::byte* bias_;
};

// 1, -1 of each dtype: what a lone operand is multiplied with.
template <class Element>
std::byte* ones() {
  static std::array<Element, 2> kOnes = {kernel::convert<Element>(1.0),
                                         kernel::convert<Element>(-1.0)};
  return reinterpret_cast<std::byte*>(kOnes.data());
}

}  // namespace

std::byte* address_of(const Place& place, DType dtype, const TaskContext& task) {
  switch (place.where) {
    case Place::Where::kOperand:
      // Operands are only read; one pointer type serves both.
      return static_cast<std::byte*>(const_cast<void*>(task.operands[place.index].data));
    case Place::Where::kWorkspace:
      return task.temporaries + place.offset_bytes;
    case Place::Where::kOut:
      return task.out;
    case Place::Where::kOnes:
      return dtype.visit([](auto record) { return ones<typename decltype(record)::Element>(); });
    case Place::Where::kNone:
      return nullptr;
  }
  return nullptr;
}

void run_items(const ContractStep& step, const TaskContext& task, std::int64_t first,
               std::int64_t last) {
  if (first >= last) return;
  if (step.form == ContractStep::Form::kDots) {
    const DotsScratch layout = dots_scratch(step);
    DotsItems dots(step, layout, task);
    for (std::int64_t item = first; item < last; ++item) {
      dots.run(item * step.blocking.row_block,
               std::min(step.folded.batch_count, (item + 1) * step.blocking.row_block));
      if (finish_item(*task.control)) return;
    }
    return;
  }
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
