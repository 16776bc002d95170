// SPDX-License-Identifier: Apache-2.0
// A vector step: few rows of lhs against columns of rhs that are read once, where they lie.

#include <algorithm>

#include "src/exec/loops.h"
#include "src/exec/store.h"
#include "src/exec/walk.h"

namespace batchdot {

namespace {

using kernel::FloatMode;
using kernel::FloatModeGuard;

// One work item: all rows, a range of columns, of one batch item.
class VectorItem {
 public:
  VectorItem(const ContractStep& step, const VectorScratch& layout, const TaskContext& task)
      : step_(step),
        folded_(step.folded),
        layout_(layout),
        scratch_(task.scratch),
        control_(*task.control),
        element_(static_cast<std::int64_t>(step.kernels->panel_bytes)),
        out_element_(element_bytes(step.out_dtype)),
        memory_(step, task) {}

  void run(const Odometer& batch, std::int64_t column_block) {
    const std::int64_t column = column_block * step_.blocking.column_block;
    const std::int64_t columns = std::min(step_.blocking.column_block, folded_.N - column);
    StoreBlock block{};
    block.rows = folded_.M;
    block.columns = columns;
    block.out = memory_.out + (batch.out + base_of(folded_.m, Side::kOut, 0) +
                               base_of(folded_.n, Side::kOut, column)) *
                                  out_element_;
    if (step_.is_direct) {
      return multiply(batch, column, columns, block.out,
                      folded_.M == 1 ? 0 : *one_stride(folded_.m, Side::kOut));
    }
    multiply(batch, column, columns, scratch_ + layout_.sums, columns);
    store_sums(batch, column, block);
  }

 private:
  void multiply(const Odometer& batch, std::int64_t column, std::int64_t columns, std::byte* sum,
                std::int64_t sum_row) const {
    const FloatModeGuard mode(mode_of(step_.arithmetic));
    kernel::RowsCall call{};
    call.rows = columns;
    call.a_row = *one_stride(folded_.m, Side::kLhs);
    call.b_row = *one_stride(folded_.n, Side::kRhs);
    call.sum = sum;
    call.sum_row = sum_row;
    call.sum_plane = folded_.M * sum_row;
    call.a_conjugate = step_.lhs_conjugate;
    call.b_conjugate = step_.rhs_conjugate;
    call.first = true;
    std::int64_t k = 0;
    do {
      call.K = std::min(folded_.K - k, step_.blocking.KC);
      call.a = memory_.lhs + (batch.lhs + k) * element_;
      call.b = memory_.rhs + (batch.rhs + column * call.b_row + k) * element_;
      vector_rows_of(step_)[folded_.M - 1](call);
      call.first = false;
      k += call.K;
    } while (k < folded_.K && !is_stopped(control_));
  }

  void store_sums(const Odometer& batch, std::int64_t column, StoreBlock& block) const {
    const FloatModeGuard mode(FloatMode::kDefault);
    block.sums = scratch_ + layout_.sums;
    block.sum_row = block.columns;
    block.sum_plane = block.rows * block.columns;
    block.out_rows = walk(folded_.m, Side::kOut, 0, block.rows, scratch_ + layout_.out_rows);
    block.out_columns =
        walk(folded_.n, Side::kOut, column, block.columns, scratch_ + layout_.out_columns);
    block.scale = scale_of(step_, memory_, batch.scale,
                           {folded_.m, 0, block.rows, scratch_ + layout_.scale_rows},
                           {folded_.n, column, block.columns, scratch_ + layout_.scale_columns});
    block.bias = bias_of(step_, memory_, batch.bias,
                         {folded_.m, 0, block.rows, scratch_ + layout_.bias_rows},
                         {folded_.n, column, block.columns, scratch_ + layout_.bias_columns});
    store(step_, block);
  }

  const ContractStep& step_;
  const Folded& folded_;
  const VectorScratch& layout_;
  std::byte* scratch_;
  const RunControl& control_;
  std::int64_t element_, out_element_;
  const StepMemory memory_;
};

}  // namespace

void run_vector(const ContractStep& step, const TaskContext& task, std::int64_t first,
                std::int64_t last) {
  const VectorScratch layout = vector_scratch(step);
  VectorItem vector(step, layout, task);
  const std::int64_t column_blocks = step.blocking.column_blocks;
  Odometer batch(step.folded.batch, first / column_blocks);
  for (std::int64_t item = first; item < last; ++item) {
    const std::int64_t within = item % column_blocks;
    vector.run(batch, within);
    if (within + 1 == column_blocks) batch.next();
    if (finish_item(*task.control)) return;
  }
}

}  // namespace batchdot
