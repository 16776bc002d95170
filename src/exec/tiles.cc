// SPDX-License-Identifier: Apache-2.0
// A tiles step: blocks around the register tile. Nothing here adds: the order of summation is the
// kernels', and K is only ever cut at multiples of 128.

#include <algorithm>

#include "src/exec/loops.h"
#include "src/exec/panels.h"
#include "src/exec/prefetcher.h"
#include "src/exec/store.h"
#include "src/exec/walk.h"

namespace batchdot {

namespace {

using kernel::Arithmetic;
using kernel::FloatMode;
using kernel::FloatModeGuard;

constexpr std::int64_t kLine = 64;  // bytes of a cache line

const auto& tiles_of(const ContractStep& step) {
  const kernel::ArithmeticKernels& kernels = *step.kernels;
  if (!accumulator_of(step.arithmetic).is_complex()) return kernels.tile;
  const bool is_swapped = step.folded.swapped;
  if (step.packs_rhs) return is_swapped ? kernels.tile_swapped : kernels.tile;
  return is_swapped ? kernels.tile_pairs_swapped : kernels.tile_pairs;
}

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
        memory_(step, task),
        is_complex_(accumulator_of(step.arithmetic).is_complex()),
        tiles_(tiles_of(step)),
        panels_(step, layout, task.scratch),
        prefetcher_(step.asks_apart) {}

  ~TileItem() {
    if (setting_ != 0) kernels_.release();
  }
  TileItem(const TileItem&) = delete;
  TileItem& operator=(const TileItem&) = delete;

  // `next`: where the batch goes after this item, or null. `member`: which one of a group, or 0.
  // False if the run was stopped before the item was done.
  bool run(const Odometer& batch, std::int64_t row_block, std::int64_t column_block,
           const Odometer* next, int member) {
    place(batch, row_block, column_block);
    next_ = next;
    batch_ = &batch;
    to_member(member);
    {
      const FloatModeGuard mode(mode_of(step_.arithmetic));
      if (!multiply()) return false;
    }
    if (step_.groups_out) {
      if (step_.finishes_apart || !step_.finish.is_plain()) finish_sums();
    } else if (!step_.is_direct && !step_.stores_early) {
      store_sums(0, rows_);
    }
    return true;
  }

  // Packs what groups are of for `items` items of the batch from this one on, which become members.
  void pack_group(const Odometer& batch, std::int64_t column_block, int items) {
    place(batch, 0, column_block);
    to_member(0);
    const std::int64_t K = folded_.K;
    if (step_.groups_rhs) {
      rhs_k_ = walk(folded_.k, Side::kRhs, 0, K, scratch(layout_.rhs_k));
      panels_.pack_group_columns({rhs_item_, rhs_columns_, rhs_k_}, items, columns_, K);
    }
    if (step_.groups_lhs) {
      lhs_k_ = walk(folded_.k, Side::kLhs, 0, K, scratch(layout_.lhs_k));
      panels_.pack_group_rows({lhs_item_, lhs_rows_, lhs_k_}, items, rows_, K);
    }
  }

  // Stores what is finished of `items` members, the first of which is this one: element by element
  // those of all items, which lie side by side.
  void store_group(const Odometer& batch, std::int64_t row_block, std::int64_t column_block,
                   int items) {
    place(batch, row_block, column_block);
    to_member(0);
    const std::int64_t bytes = element_bytes(step_.out_dtype);
    kernel::PackCall call{};
    call.row_stride = member_bytes() / bytes;
    call.k_stride = 1;
    call.rows = call.padded = items;
    call.asked = true;
    call.streams = step_.store_streams;
    const kernel::PackFunction transpose = kernels_.transpose[step_.out_dtype.index()];
    for (std::int64_t row = 0; row < rows_; ++row) {
      const std::byte* finished = finished_ + row * finished_row() * bytes;
      for (std::int64_t column = 0; column < columns_; column += call.K) {
        call.K = out_columns_.run(column, columns_);
        call.source = finished + column * bytes;
        call.width = static_cast<int>(call.K > 1 ? out_columns_.step(column) : 0);
        call.panel = out_item_ + (out_rows_.at(row) + out_columns_.at(column)) * bytes;
        if (!step_.store_streams && row + 1 < rows_) ask_for_results(call, row + 1, column);
        transpose(call);
      }
    }
  }

 private:
  std::byte* scratch(std::size_t offset) const { return scratch_ + offset; }

  void to_member(int member) {
    panels_.to_member(member);
    sums_ = scratch(layout_.sums);
    finished_ = step_.finishes_apart ? scratch(layout_.finished) : sums_;
    if (!step_.groups_out) return;
    finished_ += member * member_bytes();
    if (!step_.finishes_apart) sums_ = finished_;
  }
  // Of groups_out: from what is finished of one member to the next, and elements to the next row.
  std::int64_t member_bytes() const {
    return static_cast<std::int64_t>(step_.finishes_apart ? layout_.group_finished
                                                          : layout_.group_sums);
  }
  std::int64_t finished_row() const {
    return step_.finishes_apart ? blocking_.column_block : sum_row_;
  }

  void place(const Odometer& batch, std::int64_t row_block, std::int64_t column_block) {
    row0_ = row_block * blocking_.row_block;
    column0_ = column_block * blocking_.column_block;
    rows_ = std::min(blocking_.row_block, folded_.M - row0_);
    columns_ = std::min(blocking_.column_block, folded_.N - column0_);
    sum_row_ = (columns_ + blocking_.NR - 1) / blocking_.NR * blocking_.NR * (is_complex_ ? 2 : 1);
    lhs_item_ = memory_.lhs + (batch.lhs + base_of(folded_.m, Side::kLhs, row0_)) *
                                  element_bytes(step_.lhs_dtype);
    rhs_item_ = memory_.rhs + (batch.rhs + base_of(folded_.n, Side::kRhs, column0_)) *
                                  element_bytes(step_.rhs_dtype);
    out_item_ = memory_.out + (batch.out + base_of(folded_.m, Side::kOut, row0_) +
                               base_of(folded_.n, Side::kOut, column0_)) *
                                  element_bytes(step_.out_dtype);
    lhs_rows_ = walk(folded_.m, Side::kLhs, row0_, rows_, scratch(layout_.lhs_rows));
    out_rows_ = walk(folded_.m, Side::kOut, row0_, rows_, scratch(layout_.out_rows));
    rhs_columns_ = walk(folded_.n, Side::kRhs, column0_, columns_, scratch(layout_.rhs_columns));
    out_columns_ = walk(folded_.n, Side::kOut, column0_, columns_, scratch(layout_.out_columns));
    scale_block_ = scale_of(step_, memory_, batch.scale,
                            {folded_.m, row0_, rows_, scratch(layout_.scale_rows)},
                            {folded_.n, column0_, columns_, scratch(layout_.scale_columns)});
    bias_block_ =
        bias_of(step_, memory_, batch.bias, {folded_.m, row0_, rows_, scratch(layout_.bias_rows)},
                {folded_.n, column0_, columns_, scratch(layout_.bias_columns)});
  }

  // Blocks of columns, of k, of rows; once for K = 0 too: the sums are zeros then.
  bool multiply() {
    for (std::int64_t column = 0; column < columns_; column += blocking_.NC) {
      const std::int64_t width = std::min(blocking_.NC, columns_ - column);
      std::int64_t k = 0;
      do {
        const std::int64_t depth = std::min(folded_.K - k, blocking_.KP);
        rhs_k_ = walk(folded_.k, Side::kRhs, k, depth, scratch(layout_.rhs_k));
        const std::byte* rhs =
            rhs_item_ + base_of(folded_.k, Side::kRhs, k) * element_bytes(step_.rhs_dtype);
        if (step_.packs_rhs && !step_.groups_rhs) {
          panels_.pack_columns({rhs, rhs_columns_, rhs_k_}, column, width, depth);
        }
        if (!multiply_rows(rhs, column, width, k, depth)) return false;
        k += depth;
        const bool is_part = step_.parts > 1 && k < folded_.K && k % step_.part_K == 0;
        if (is_part && finish_item(control_)) return false;
      } while (k < folded_.K);
    }
    return true;
  }

  // All rows by a packed block of rhs, KC of k at a time. False if the run is stopped.
  bool multiply_rows(const std::byte* rhs, std::int64_t column, std::int64_t width, std::int64_t k,
                     std::int64_t packed_depth) {
    std::int64_t at = 0;
    do {
      const std::int64_t depth = std::min(packed_depth - at, blocking_.KC);
      lhs_k_ = walk(folded_.k, Side::kLhs, k + at, depth, scratch(layout_.lhs_k));
      const std::byte* lhs =
          lhs_item_ + base_of(folded_.k, Side::kLhs, k + at) * element_bytes(step_.lhs_dtype);
      for (std::int64_t row = 0; row < rows_; row += blocking_.MC) {
        const std::int64_t height = std::min(blocking_.MC, rows_ - row);
        if (step_.packs_lhs && !step_.groups_lhs) {
          panels_.pack_rows({lhs, lhs_rows_, lhs_k_}, row, height, depth);
        }
        if (!step_.stores_early || row == 0) {
          // Rows that are stored early are a few, and one block with those after them.
          const std::int64_t block = step_.stores_early ? rows_ : height;
          if (step_.prefetches) prefetch_after(lhs, row + block, column, width);
          prefetcher_.spread(panels_.rows(block).parts * panels_.columns(width).parts);
        }
        multiply_block(
            {lhs, rhs, row, height, column, width, depth, at, packed_depth, k + at == 0});
        if (step_.stores_early) store_sums(row, height);
        if (is_stopped(control_)) return false;
      }
      at += depth;
    } while (at < packed_depth);
    return true;
  }

  // What is read and written after the block that ends before `row`: the next block of rows or of
  // columns, or the first ones of the next item of the batch. Only where KC is all of K.
  void prefetch_after(const std::byte* lhs, std::int64_t row, std::int64_t column,
                      std::int64_t width) {
    prefetcher_.clear();
    if (row < rows_) {
      add_rows(lhs, out_item_, row, std::min(blocking_.MC, rows_ - row), column, width);
    } else if (column + width < columns_) {
      const std::int64_t at = column + width;
      if (rhs_columns_.offsets == nullptr) {
        add(rhs_item_ + rhs_columns_.at(at) * element_bytes(step_.rhs_dtype), rhs_columns_, rhs_k_,
            std::min(blocking_.NC, columns_ - at), folded_.K, element_bytes(step_.rhs_dtype));
      }
    } else if (next_ != nullptr) {
      const std::int64_t lhs_step = (next_->lhs - batch_->lhs) * element_bytes(step_.lhs_dtype);
      const std::int64_t rhs_step = (next_->rhs - batch_->rhs) * element_bytes(step_.rhs_dtype);
      const std::int64_t out_step = (next_->out - batch_->out) * element_bytes(step_.out_dtype);
      add_rows(lhs_step == 0 || step_.groups_lhs ? nullptr : lhs + lhs_step, out_item_ + out_step,
               0, step_.stores_early ? rows_ : std::min(blocking_.MC, rows_), 0,
               std::min(blocking_.NC, columns_));
      if (rhs_step != 0 && !step_.groups_rhs) {
        add(rhs_item_ + rhs_step, rhs_columns_, rhs_k_, std::min(blocking_.NC, columns_), folded_.K,
            element_bytes(step_.rhs_dtype));
      }
    }
  }
  void add_rows(const std::byte* lhs, const std::byte* out, std::int64_t row, std::int64_t height,
                std::int64_t column, std::int64_t width) {
    if (lhs != nullptr && lhs_rows_.offsets == nullptr) {
      add(lhs + lhs_rows_.at(row) * element_bytes(step_.lhs_dtype), lhs_rows_, lhs_k_, height,
          folded_.K, element_bytes(step_.lhs_dtype));
    }
    if (step_.is_direct && !(step_.streams && streams_from(0, 0)) && out_rows_.offsets == nullptr) {
      const std::int64_t bytes = element_bytes(step_.out_dtype);
      prefetcher_.add(out + (out_rows_.at(row) + column) * bytes, height, width * bytes,
                      out_rows_.stride * bytes);
    }
  }
  // One operand's part: `count` positions of one axis by `depth` of k, where they lie without gaps.
  // Rows with gaps between them come faster by themselves.
  void add(const std::byte* base, const AxisWalk& axis, const AxisWalk& k, std::int64_t count,
           std::int64_t depth, std::int64_t bytes) {
    if (axis.offsets != nullptr || k.offsets != nullptr) return;
    if ((k.stride == 1 && axis.stride == depth) || (axis.stride == 1 && k.stride == count)) {
      prefetcher_.add(base, 1, count * depth * bytes, 0);
    }
  }

  // Rows of lhs by columns of rhs, `depth` steps of k from `at` on of those in the packed panels.
  struct Block {
    const std::byte* lhs;
    const std::byte* rhs;
    std::int64_t row, height, column, width, depth, at, packed_depth;
    bool is_first;
  };
  void multiply_block(const Block& block) {
    const EvenSplit tiles = panels_.rows(block.height);
    const EvenSplit panels = panels_.columns(block.width);
    TileRuns runs(*this, block);
    for (std::int64_t near = 0; near < panels.parts; near += step_.near_panels) {
      const std::int64_t end = std::min(panels.parts, near + step_.near_panels);
      if (step_.near_panels == 1 && !step_.gathers) {
        runs.to_panel(panels, near);
        for (std::int64_t i = 0; i < tiles.parts;) i = runs.down(tiles, i);
        continue;
      }
      for (std::int64_t i = 0; i < tiles.parts; ++i) {
        runs.to_row(tiles, i);
        runs.begin_at(panels, near);
        for (std::int64_t j = near; j < end;) j = runs.along(panels, j, end);
        if (step_.gathers) runs.stream_rows(panels, end);
      }
    }
  }

  // Whole lines only: where the first one and the distance of rows are multiples of a line.
  bool streams_from(std::int64_t row, std::int64_t column) const {
    const std::int64_t bytes = element_bytes(step_.out_dtype);
    const auto address = reinterpret_cast<std::uintptr_t>(out_item_) +
                         static_cast<std::uintptr_t>((out_rows_.at(row) + column) * bytes);
    return out_rows_.offsets == nullptr && address % kLine == 0 &&
           out_rows_.stride * bytes % kLine == 0;
  }

  // Calls of the register tile over one block, in runs of tiles that are alike. Everything is
  // linear here: what has other axes has been packed, or is stored later.
  class TileRuns {
   public:
    TileRuns(TileItem& item, const Block& block) : item_(item), block_(block) {
      const ContractStep& step = item.step_;
      const kernel::ArithmeticKernels& kernels = item.kernels_;
      const auto panel_bytes = static_cast<std::int64_t>(kernels.panel_bytes);
      reals_ = item.is_complex_ ? 2 : 1;
      call_.K = kernels.panel_rows(block.depth);
      call_.first = block.is_first;
      call_.setting = &item.setting_;
      call_.prefetches_sums = step.asks_for_sums && block.depth >= kernel::kBlock / 2;
      if (step.packs_lhs) {
        a_ = item.panels_.lhs(0, block.depth);
        row_bytes_ = item.panels_.row_bytes(block.depth);
        call_.a_row = step.widens_rows ? item.layout_.widened_row : kernels.a_along_k ? 0 : reals_;
        call_.a_k = 1;
      } else {
        a_ = block.lhs + item.lhs_rows_.at(block.row) * element_bytes(step.lhs_dtype);
        row_bytes_ = item.lhs_rows_.stride * element_bytes(step.lhs_dtype);
        call_.a_row = item.lhs_rows_.stride * reals_;
        call_.a_k = item.lhs_k_.stride * reals_;
      }
      if (step.packs_rhs) {
        b_ = item.panels_.rhs(0, block.packed_depth);
        column_bytes_ = kernels.panel_rows(block.packed_depth) * panel_bytes;
        // KP is more than KC only where a row of the panel is one k.
        skipped_bytes_ = block.at * panel_bytes;
      } else {
        b_ = block.rhs + (item.rhs_columns_.at(block.column) + item.rhs_k_.at(block.at)) *
                             element_bytes(step.rhs_dtype);
        column_bytes_ = element_bytes(step.rhs_dtype);
        call_.b_k = item.rhs_k_.stride * reals_;
      }
      if (step.is_direct) {
        sum_ = item.out_item_;
        sum_bytes_ = element_bytes(step.out_dtype);
        call_.sum_row = item.out_rows_.stride;
      } else {
        sum_ = item.sums_;
        sum_bytes_ = panel_bytes / reals_;
        call_.sum_row = item.sum_row_;
        call_.sum_plane = item.sum_row_ / 2;
      }
      const std::int64_t first_row = step.stores_early ? 0 : block.row;
      sum_ += (first_row * call_.sum_row + block.column) * sum_bytes_;
      may_stream_ = step.streams && !step.gathers && item.streams_from(block.row, block.column);
      if (step.gathers) {
        gathered_ = item.scratch(item.layout_.gathered);
        out_row_bytes_ = call_.sum_row * sum_bytes_;
        call_.sum_row = step.near_panels * step.blocking.NR;
        call_.prefetches_sums = false;
      }
    }

    // The tile of rows i, or the panel j, that the next runs are of.
    void to_row(const EvenSplit& tiles, std::int64_t i) {
      MR_ = tiles.part(i);
      row_ = tiles.begin(i);
      call_.a = a_ + row_ * row_bytes_;
      if (item_.step_.packs_lhs && !item_.step_.widens_rows) call_.a_k = MR_ * call_.a_row;
    }
    void to_panel(const EvenSplit& panels, std::int64_t j) {
      const std::int64_t lanes = item_.kernels_.lanes;
      NV_ = panels.part(j);
      column_ = panels.begin(j) * lanes;
      const std::int64_t width = NV_ * lanes;
      call_.columns = static_cast<int>(std::min(width, block_.width - column_));
      call_.streams = may_stream_ && call_.columns == width && width * sum_bytes_ % kLine == 0;
      call_.b = b_ + column_ * column_bytes_ + width * skipped_bytes_;
      if (item_.step_.packs_rhs) call_.b_k = width * reals_;
    }
    // The first of the panels that the tile of rows meets before the next one does.
    void begin_at(const EvenSplit& panels, std::int64_t near) {
      first_column_ = panels.begin(near) * item_.kernels_.lanes;
    }
    // What was gathered since then, row by row: memory takes long runs up to 1.6 times as fast as a
    // line of each row in turn, where all of these lie in the same bank.
    void stream_rows(const EvenSplit& panels, std::int64_t end) const {
      const std::int64_t last = std::min(block_.width, panels.begin(end) * item_.kernels_.lanes);
      for (std::int64_t i = 0; i < MR_; ++i) {
        item_.kernels_.stream(gathered_ + i * call_.sum_row * sum_bytes_,
                              sum_ + (row_ + i) * out_row_bytes_ + first_column_ * sum_bytes_,
                              (last - first_column_) * sum_bytes_);
      }
    }
    // Tiles i, i + 1, ... of one height by the panel; panels j, j + 1, ... of one width by the
    // tile of rows. Both give what comes after.
    std::int64_t down(const EvenSplit& tiles, std::int64_t i) {
      to_row(tiles, i);
      call_.a_tile = MR_ * row_bytes_;
      call_.b_tile = 0;
      call_.sum_tile = MR_ * call_.sum_row * sum_bytes_;
      return i + multiply(tiles.run(i, tiles.parts));
    }
    std::int64_t along(const EvenSplit& panels, std::int64_t j, std::int64_t end) {
      to_panel(panels, j);
      const std::int64_t width = NV_ * item_.kernels_.lanes;
      call_.a_tile = 0;
      call_.b_tile = width * column_bytes_;
      call_.sum_tile = width * sum_bytes_;
      // The last panel of all may be partial.
      const bool ends_partly = end == panels.parts && block_.width % item_.kernels_.lanes != 0;
      const std::int64_t run = panels.run(j, end);
      return j + multiply(ends_partly && j + run == end && run > 1 ? run - 1 : run);
    }

   private:
    // What asks for lines is scarce: a few at a time, within the tiles or between them.
    std::int64_t multiply(std::int64_t run) {
      Prefetcher& prefetcher = item_.prefetcher_;
      const std::int64_t asks = item_.kernels_.asks ? call_.K / kernel::kAskK : 0;
      if (prefetcher.is_done() || prefetcher.may_pass(asks)) {
        run = prefetcher.pass_to(call_, run, asks);
      } else {
        run = 1;
        prefetcher.advance();
      }
      call_.sum = gathered_ != nullptr ? gathered_ + (column_ - first_column_) * sum_bytes_
                                       : sum_ + (row_ * call_.sum_row + column_) * sum_bytes_;
      call_.tiles = static_cast<int>(run);
      item_.tiles_[MR_ - 1][NV_ - 1](call_);
      return run;
    }

    TileItem& item_;
    const Block& block_;
    kernel::TileCall call_{};
    const std::byte* a_;
    const std::byte* b_;
    std::byte* sum_;
    std::int64_t row_bytes_, column_bytes_, sum_bytes_, skipped_bytes_ = 0;
    std::int64_t MR_ = 0, NV_ = 0, row_ = 0, column_ = 0;
    std::int64_t reals_;
    bool may_stream_;
    std::byte* gathered_ = nullptr;
    std::int64_t out_row_bytes_ = 0, first_column_ = 0;
  };

  // The lines of a row that a call for another one is like, before they are written.
  void ask_for_results(const kernel::PackCall& call, std::int64_t row, std::int64_t column) const {
    const std::int64_t bytes = element_bytes(step_.out_dtype);
    const std::byte* line = out_item_ + (out_rows_.at(row) + out_columns_.at(column)) * bytes;
    for (std::int64_t i = 0; i < call.K; ++i, line += call.width * bytes) {
      __builtin_prefetch(line, 1, 3);
    }
  }

  // So many rows of sums, whose first one is at the beginning of the scratch, but for where they
  // are stored.
  StoreBlock sums_block(std::int64_t first_row, std::int64_t rows) const {
    StoreBlock block{};
    block.sums = sums_;
    block.sum_row = sum_row_;
    block.sum_plane = sum_row_ / 2;
    block.first_row = first_row;
    block.rows = rows;
    block.columns = columns_;
    block.scale = scale_block_;
    block.bias = bias_block_;
    return block;
  }
  void store_sums(std::int64_t first_row, std::int64_t rows) const {
    const FloatModeGuard mode(FloatMode::kDefault);
    StoreBlock block = sums_block(first_row, rows);
    block.streams = step_.store_streams;
    block.out = out_item_;
    block.out_rows = out_rows_;
    block.out_columns = out_columns_;
    store(step_, block);
  }
  void finish_sums() const {
    const FloatModeGuard mode(FloatMode::kDefault);
    StoreBlock block = sums_block(0, rows_);
    block.out = finished_;
    block.out_rows = {finished_row(), nullptr};
    block.out_columns = {1, nullptr};
    store(step_, block);
  }

  const ContractStep& step_;
  const kernel::ArithmeticKernels& kernels_;
  const Folded& folded_;
  const Blocking& blocking_;
  const TileScratch& layout_;
  std::byte* scratch_;
  const RunControl& control_;
  const StepMemory memory_;
  const bool is_complex_;
  const kernel::TileFunction (&tiles_)[kernel::kMaxMR][kernel::kMaxNV];

  std::int64_t row0_ = 0, column0_ = 0, rows_ = 0, columns_ = 0, sum_row_ = 0;
  const Odometer* batch_ = nullptr;
  const Odometer* next_ = nullptr;
  const std::byte* lhs_item_ = nullptr;
  const std::byte* rhs_item_ = nullptr;
  std::byte* out_item_ = nullptr;
  std::byte* sums_ = nullptr;
  std::byte* finished_ = nullptr;
  StoreSide scale_block_, bias_block_;
  AxisWalk lhs_rows_, out_rows_, rhs_columns_, out_columns_, lhs_k_, rhs_k_;
  Panels panels_;
  Prefetcher prefetcher_;
  std::uint64_t setting_ = 0;  // TileCall::setting
};

// Work items in their plain order: the blocks of one item of the batch, then those of the next.
void run_blocks(const ContractStep& step, const TaskContext& task, TileItem& tile,
                std::int64_t first, std::int64_t last) {
  const std::int64_t row_blocks = step.blocking.row_blocks;
  const std::int64_t per_batch_item = row_blocks * step.blocking.column_blocks;
  const bool looks_ahead = step.prefetches && per_batch_item == 1;
  Odometer batch(step.folded.batch, first / per_batch_item);
  Odometer next = batch;
  for (std::int64_t item = first; item < last; ++item) {
    const std::int64_t within = item % per_batch_item;
    const bool has_next = looks_ahead && item + 1 < last;
    if (has_next) next.next();
    if (!tile.run(batch, within % row_blocks, within / row_blocks, has_next ? &next : nullptr, 0)) {
      return;
    }
    if (within + 1 == per_batch_item) batch.next();
    if (finish_item(*task.control)) return;
  }
}

// Work items in groups of items of the batch that follow each other in a tensor: for each block of
// rows and columns all items of a group, which is packed before the first one is multiplied, or
// stored after the last one.
void run_groups(const ContractStep& step, const TaskContext& task, TileItem& tile,
                std::int64_t first, std::int64_t last) {
  const std::int64_t inner = step.run_of_groups;
  const std::int64_t row_blocks = step.blocking.row_blocks;
  const std::int64_t blocks = row_blocks * step.blocking.column_blocks;
  for (std::int64_t item = first; item < last;) {
    const std::int64_t outer = item / (inner * blocks);
    const std::int64_t within = item % (inner * blocks);
    const std::int64_t begin = within / (step.group * blocks) * step.group;
    const std::int64_t size = std::min<std::int64_t>(step.group, inner - begin);
    const std::int64_t block = (within - begin * blocks) / size;
    const std::int64_t row = block % row_blocks, column = block / row_blocks;
    const std::int64_t member = (within - begin * blocks) % size;
    const int count = static_cast<int>(std::min(size - member, last - item));
    const Odometer head(step.folded.batch, outer * inner + begin + member);
    Odometer batch = head, next = head;
    tile.pack_group(batch, column, count);
    for (int i = 0; i < count; ++i, batch.next()) {
      next.next();
      if (!tile.run(batch, row, column, i + 1 < count ? &next : nullptr, i)) return;
      if (!step.groups_out && finish_item(*task.control)) return;
    }
    if (step.groups_out) {
      tile.store_group(head, row, column, count);
      for (int i = 0; i < count; ++i) {
        if (finish_item(*task.control)) return;
      }
    }
    item += count;
  }
}

}  // namespace

void run_tiles(const ContractStep& step, const TaskContext& task, std::int64_t first,
               std::int64_t last) {
  const TileScratch layout = tile_scratch(step);
  TileItem tile(step, layout, task);
  if (step.group > 1) {
    run_groups(step, task, tile, first, last);
  } else {
    run_blocks(step, task, tile, first, last);
  }
  if (step.streams || step.store_streams) kernel::finish_streams();
}

}  // namespace batchdot
