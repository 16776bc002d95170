// SPDX-License-Identifier: Apache-2.0
// Few elements and a long K: whether K is cut, and what the steps of the parts are.

#include <algorithm>
#include <cstdlib>
#include <utility>

#include "src/plan/plan.h"

namespace batchdot {

namespace {

// Where K is cut it is at least so long, and there are few elements, because each is summed alone
// then. The list of block sums is no longer than 64 MiB of f32.
constexpr std::int64_t kLeastCutK = std::int64_t{1} << 12, kFewElements = 8;
constexpr std::int64_t kMostListed = std::int64_t{1} << 24;

// Back to the order of the caller: dots have the im of complex numbers in no other.
void exchange_operands(ContractStep& part) {
  std::swap(part.lhs, part.rhs);
  std::swap(part.lhs_dtype, part.rhs_dtype);
  std::swap(part.lhs_conjugate, part.rhs_conjugate);
  for (FoldedAxes* axes : {&part.folded.batch, &part.folded.k}) {
    for (FoldedAxis& axis : *axes) std::swap(axis.lhs, axis.rhs);
  }
}

// What a step is before its kernel is chosen, for axes of its own: each element of the result is an
// item of the batch.
ContractStep step_of_elements(const ContractStep& step, FoldedAxes batch, const FoldedAxes& k) {
  ContractStep part;
  part.lhs = step.lhs;
  part.rhs = step.rhs;
  part.out = step.out;
  part.lhs_dtype = step.lhs_dtype;
  part.rhs_dtype = step.rhs_dtype;
  part.out_dtype = step.out_dtype;
  part.lhs_conjugate = step.lhs_conjugate;
  part.rhs_conjugate = step.rhs_conjugate;
  part.arithmetic = step.arithmetic;
  part.kernels = step.kernels;
  part.folded.batch_count = count_of(batch);
  part.folded.batch = std::move(batch);
  part.folded.K = count_of(k);
  part.folded.k = k;
  if (step.folded.swapped) exchange_operands(part);
  return part;
}

// Elements that lie in a list, `apart` of its own elements from each other.
FoldedAxes listed(FoldedAxes elements, std::int64_t apart) {
  for (std::size_t i = elements.size(); i-- > 0; apart *= elements[i].extent) {
    elements[i].out = apart;
    elements[i].bias = elements[i].scale = 0;
  }
  return elements;
}

// Lines run along the first rather than along the second: they are to be read side by side.
bool is_finer(std::int64_t stride, std::int64_t other) {
  return stride != 0 && std::llabs(stride) < std::llabs(other);
}

// Tasks wait while the busiest one works: for more than an eighth of the time.
bool leaves_tasks_idle(const ContractStep& step, int tasks) {
  const bool is_rows = step.form == ContractStep::Form::kDots;
  const std::int64_t busiest =
      ceil_div(step.items, tasks) * (is_rows ? step.blocking.row_block : 1);
  const std::int64_t all = is_rows ? step.folded.batch_count : step.items;
  return static_cast<double>(all) < 7.0 / 8 * static_cast<double>(busiest) * tasks;
}

// A tile of few elements waits for its few chains of multiply-adds; blocks are chains of their own,
// one a lane. Not where packing takes longer than the chains: elements of 8 bytes, or far apart. Of
// packed dots, and of columns, most lanes would be padding.
bool has_few_chains(const ContractStep& step) {
  const Folded& f = step.folded;
  if (step.form == ContractStep::Form::kDots) {
    return (step.packs_lhs || step.takes_columns) && f.batch_count <= step.kernels->dots_width / 4;
  }
  const auto is_near = [](std::int64_t stride) { return stride == 0 || stride == 1; };
  const FoldedAxis& k = f.k.front();
  return step.form == ContractStep::Form::kTiles && f.batch_count <= kFewElements / (f.M * f.N) &&
         is_near(k.lhs) && is_near(k.rhs) && (f.M * f.N > 1 || step.kernels->panel_bytes <= 4);
}

bool gains_by_a_cut(const ContractStep& step, int tasks) {
  const Folded& f = step.folded;
  if (f.K < kLeastCutK || f.k.size() > 1 || step.items == 0) return false;
  // Rows in place: a packed operand would be packed again for each element.
  if (f.M * f.N > 1 &&
      (f.M * f.N > kFewElements || step.form != ContractStep::Form::kTiles ||
       step.kernels->row_dots == nullptr || !why_rows_are_not_read_in_place(step).empty())) {
    return false;
  }
  return has_few_chains(step) || (tasks >= 2 && leaves_tasks_idle(step, tasks));
}

}  // namespace

std::optional<CutOfK> cut_k(const ContractStep& step, int tasks, std::int64_t list_offset) {
  if (!gains_by_a_cut(step, tasks)) return {};
  const Folded& f = step.folded;
  FoldedAxes elements = f.batch;
  elements.insert(elements.end(), f.m.begin(), f.m.end());
  elements.insert(elements.end(), f.n.begin(), f.n.end());
  const std::int64_t count = f.batch_count * f.M * f.N;
  const FoldedAxis k = f.k.front();
  const std::int64_t blocks = f.K / kernel::kBlock, rest = f.K % kernel::kBlock;
  CutOfK cut;
  cut.block_sums = ceil_div(f.K, kernel::kBlock);
  if (count > kMostListed / cut.block_sums) return {};
  const DType sum = accumulator_of(step.arithmetic);
  const auto sum_bytes = static_cast<std::int64_t>(sum.size_bytes());
  const Place list{Place::Where::kWorkspace, 0, list_offset};
  const Place list_of_rests{Place::Where::kWorkspace, 0, list_offset + count * blocks * sum_bytes};
  cut.list_bytes = static_cast<std::size_t>(count * cut.block_sums * sum_bytes);

  FoldedAxes batch = listed(elements, blocks);
  const bool is_along_elements =
      std::any_of(elements.begin(), elements.end(), [&](const FoldedAxis& axis) {
        return is_finer(axis.lhs, k.lhs) || is_finer(axis.rhs, k.rhs);
      });
  batch.insert(is_along_elements ? batch.begin() : batch.end(),
               {blocks, kernel::kBlock * k.lhs, kernel::kBlock * k.rhs, 1});
  cut.whole = step_of_elements(step, std::move(batch), {{kernel::kBlock, k.lhs, k.rhs}});
  cut.whole.out = list;
  cut.whole.out_dtype = sum;
  if (rest > 0) {
    cut.rest = step_of_elements(step, listed(elements, 1), {{rest, k.lhs, k.rhs}});
    const std::int64_t behind = f.K - rest;
    const FoldedAxis& of_rest = cut.rest->folded.k.front();
    cut.rest->lhs.offset_bytes +=
        behind * of_rest.lhs * static_cast<std::int64_t>(cut.rest->lhs_dtype.size_bytes());
    cut.rest->rhs.offset_bytes +=
        behind * of_rest.rhs * static_cast<std::int64_t>(cut.rest->rhs_dtype.size_bytes());
    cut.rest->out = list_of_rests;
    cut.rest->out_dtype = sum;
  }
  cut.addition = step_of_elements(step, std::move(elements), {{blocks, 1, 0}});
  ContractStep& addition = cut.addition;
  addition.form = ContractStep::Form::kDots;
  addition.lhs = list;
  addition.rhs = rest > 0 ? list_of_rests : Place{};
  addition.finish = step.finish;
  addition.packs_lhs = addition.packs_rhs = false;
  addition.adds_blocks = true;
  addition.blocking.row_block = 1;
  addition.items = count;
  addition.task_bytes = dots_scratch(addition).bytes;
  return cut;
}

}  // namespace batchdot
