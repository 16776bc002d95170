// SPDX-License-Identifier: Apache-2.0
// A dots step: M = N = 1, lanes run over the batch, or over blocks of K where rows are long. Or the
// addition of block sums that other steps have listed.

#include <algorithm>

#include "src/exec/loops.h"
#include "src/exec/store.h"
#include "src/exec/walk.h"

namespace batchdot {

namespace {

using kernel::FloatMode;
using kernel::FloatModeGuard;

// a is lhs, b is rhs; both read where they lie, or packed as vectors of items.
class DotsItems {
 public:
  DotsItems(const ContractStep& step, const DotsScratch& layout, const TaskContext& task)
      : step_(step),
        kernels_(*step.kernels),
        layout_(layout),
        line_(step.is_direct ? step.folded.batch.back().extent : rows_in_line(step.folded.batch)),
        scratch_(task.scratch),
        control_(*task.control),
        memory_(step, task) {}

  // Items first .. last-1 of the batch. False if the run was stopped before they were done.
  bool run(std::int64_t first, std::int64_t last) {
    const FoldedAxes& batch = step_.folded.batch;
    std::int64_t count = 0;
    for (std::int64_t at = first; at < last; at += count) {
      count = std::min(layout_.chunk, last - at);
      if (step_.adds_blocks) {
        add_blocks(at);
      } else if (step_.takes_columns || !step_.packs_lhs) {
        if (line_ < last) count = std::min(count, line_ - at % line_);
        if (step_.takes_columns) {
          sum_columns(at, count);
          if (step_.is_direct) continue;
        } else if (!sum_in_place(at, count)) {
          return false;
        }
      } else {
        const AxisWalk lhs = walk(batch, Side::kLhs, at, count, scratch_ + layout_.lhs_items);
        const AxisWalk rhs = walk(batch, Side::kRhs, at, count, scratch_ + layout_.rhs_items);
        if (!sum(at, count, lhs, rhs)) return false;
      }
      store_sums(at, count);
    }
    return true;
  }

 private:
  // One item: its chunk is 1.
  void add_blocks(std::int64_t at) const {
    const FloatModeGuard mode(mode_of(step_.arithmetic));
    const std::int64_t bytes = element_bytes(accumulator_of(step_.arithmetic));
    kernel::AddCall call{};
    call.count = step_.folded.K;
    call.list = memory_.lhs + at * call.count * bytes;
    call.rest = memory_.rhs == nullptr ? nullptr : memory_.rhs + at * bytes;
    call.sum = scratch_ + layout_.sums;
    kernel::add_blocks(step_.arithmetic)(call);
  }

  // Of one line.
  void sum_columns(std::int64_t at, std::int64_t count) const {
    const Folded& f = step_.folded;
    const FloatModeGuard mode(mode_of(step_.arithmetic));
    const auto element = static_cast<std::int64_t>(kernels_.panel_bytes);
    const Odometer column(f.batch, at);
    kernel::RowsCall call = call_of(count);
    call.K = f.K;
    call.a = memory_.lhs + column.lhs * element;
    call.a_row = one_stride(f.k, Side::kLhs).value_or(0);
    if (step_.packs_lhs) call.a = side_by_side(Side::kLhs, call.a, count, layout_.panels_lhs);
    call.b = memory_.rhs + column.rhs * element;
    call.b_row = one_stride(f.k, Side::kRhs).value_or(0);
    if (step_.packs_rhs) call.b = side_by_side(Side::kRhs, call.b, count, layout_.panels_rhs);
    if (step_.is_direct) call.sum = memory_.out + column.out * element;
    kernels_.column_dots(call);
  }

  // Single elements of an operand that lie apart.
  const void* side_by_side(Side side, const void* from, std::int64_t count,
                           std::size_t panel) const {
    const std::int64_t stride = stride_in(step_.folded.batch.back(), side);
    accumulator_of(step_.arithmetic).visit([&](auto record) {
      using Element = typename decltype(record)::Element;
      const Element* element = static_cast<const Element*>(from);
      Element* to = reinterpret_cast<Element*>(scratch_ + panel);
      for (std::int64_t i = 0; i < count; ++i) to[i] = element[i * stride];
    });
    return scratch_ + panel;
  }

  kernel::RowsCall call_of(std::int64_t count) const {
    kernel::RowsCall call{};
    call.rows = count;
    call.sum = scratch_ + layout_.sums;
    call.sum_plane = layout_.chunk;
    call.a_conjugate = step_.lhs_conjugate;
    call.b_conjugate = step_.rhs_conjugate;
    call.first = true;
    return call;
  }

  // Rows of one line.
  bool sum_in_place(std::int64_t at, std::int64_t count) {
    const Folded& f = step_.folded;
    const FloatModeGuard mode(mode_of(step_.arithmetic));
    const auto element = static_cast<std::int64_t>(kernels_.panel_bytes);
    const Odometer row(f.batch, at);
    kernel::RowsCall call = call_of(count);
    call.a_row = f.batch.empty() ? 0 : f.batch.back().lhs;
    call.b_row = f.batch.empty() ? 0 : f.batch.back().rhs;
    std::int64_t k = 0;
    do {
      call.K = std::min(f.K - k, step_.blocking.KC);
      call.a = memory_.lhs + (row.lhs + k) * element;
      call.b = memory_.rhs + (row.rhs + k) * element;
      kernels_.row_dots(call);
      call.first = false;
      k += call.K;
    } while (k < f.K && !finish_item(control_));  // ContractStep::parts
    return k == f.K;
  }

  bool sum(std::int64_t at, std::int64_t count, const AxisWalk& lhs, const AxisWalk& rhs) {
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
      const AxisWalk lhs_k = walk(f.k, Side::kLhs, k, depth, scratch_ + layout_.lhs_k);
      const AxisWalk rhs_k = walk(f.k, Side::kRhs, k, depth, scratch_ + layout_.rhs_k);
      pack(memory_.lhs, step_.lhs_dtype, step_.lhs_conjugate, lhs, lhs_k,
           base_of(f.batch, Side::kLhs, at) + base_of(f.k, Side::kLhs, k), count, depth,
           layout_.panels_lhs);
      pack(memory_.rhs, step_.rhs_dtype, step_.rhs_conjugate, rhs, rhs_k,
           base_of(f.batch, Side::kRhs, at) + base_of(f.k, Side::kRhs, k), count, depth,
           layout_.panels_rhs);
      call.K = kernels_.panel_rows(depth);
      kernels_.dots(call);
      call.first = false;
      k += depth;
    } while (k < f.K && !is_stopped(control_));
    return k == f.K;
  }

  void pack(const std::byte* source, DType dtype, bool conjugate, const AxisWalk& items,
            const AxisWalk& k, std::int64_t base, std::int64_t count, std::int64_t depth,
            std::size_t panel) const {
    kernel::PackCall call{};
    call.source = source + base * element_bytes(dtype);
    call.row_stride = items.stride;
    call.row_offsets = items.offsets;
    call.k_stride = k.stride;
    call.k_offsets = k.offsets;
    call.rows = static_cast<int>(count);
    call.K = depth;
    call.width = call.padded = kernels_.dots_width;
    call.panel = scratch_ + panel;
    call.conjugate = conjugate;
    kernels_.pack_b[dtype.index()](call);
  }

  void store_sums(std::int64_t at, std::int64_t count) const {
    const FloatModeGuard mode(FloatMode::kDefault);
    const FoldedAxes& batch = step_.folded.batch;
    const std::int64_t out_bytes = element_bytes(step_.out_dtype);
    StoreBlock block{};
    block.sums = scratch_ + layout_.sums;
    block.sum_plane = layout_.chunk;
    block.rows = 1;
    block.columns = count;
    block.out = memory_.out + base_of(batch, Side::kOut, at) * out_bytes;
    block.out_columns = walk(batch, Side::kOut, at, count, scratch_ + layout_.out_items);
    block.scale = scale_of(step_, memory_, 0, {step_.folded.m, 0, 1, {}},
                           {batch, at, count, scratch_ + layout_.scale_items});
    block.bias = bias_of(step_, memory_, 0, {step_.folded.m, 0, 1, {}},
                         {batch, at, count, scratch_ + layout_.bias_items});
    store(step_, block);
  }

  const ContractStep& step_;
  const kernel::ArithmeticKernels& kernels_;
  const DotsScratch& layout_;
  std::int64_t line_;
  std::byte* scratch_;
  const RunControl& control_;
  const StepMemory memory_;
};

}  // namespace

void run_dots(const ContractStep& step, const TaskContext& task, std::int64_t first,
              std::int64_t last) {
  const DotsScratch layout = dots_scratch(step);
  DotsItems dots(step, layout, task);
  for (std::int64_t item = first; item < last; ++item) {
    const std::int64_t end =
        std::min(step.folded.batch_count, (item + 1) * step.blocking.row_block);
    if (!dots.run(item * step.blocking.row_block, end)) return;
    if (finish_item(*task.control)) return;
  }
}

}  // namespace batchdot
