// SPDX-License-Identifier: Apache-2.0
#include "src/plan/lower.h"

#include <algorithm>
#include <utility>

#include "src/contraction/labels.h"
#include "src/core/checked.h"
#include "src/core/text.h"

namespace batchdot {

namespace {

// The same memory as real numbers: every stride twice as long, and a new fastest axis over re and
// im.
Value as_reals(Value value, Label parts) {
  for (LabelStride& entry : value.strides) entry.stride *= 2;
  value.strides.push_back({parts, 1});
  value.dtype = real_of(value.dtype);
  return value;
}

// Waking a thread costs microseconds: a task has at least this many multiply-adds to do.
constexpr double kWorkPerTask = 1 << 18;

// A copy that is one run is cut into work items of this many elements.
constexpr std::int64_t kCopyRun = 1 << 16;

double work_of(const ContractStep& step) {
  const Folded& f = step.folded;
  return static_cast<double>(f.batch_count) * static_cast<double>(f.M) * static_cast<double>(f.N) *
         static_cast<double>(std::max<std::int64_t>(1, f.K));
}
// exp and divisions count as twenty multiply-adds, a moved element as four.
double work_of(const RowwiseStep& step) {
  return 20.0 * static_cast<double>(step.items) * static_cast<double>(step.axis.extent);
}
double work_of(const CopyStep& step) {
  return 4.0 * static_cast<double>(step.items) * static_cast<double>(count_of(step.middle)) *
         static_cast<double>(step.inner.extent);
}

// The axes of a step with one operand: they are M, or N after a swap.
FoldedAxes axes_of_one(const Folded& folded) {
  FoldedAxes axes = folded.m.empty() ? folded.n : folded.m;
  if (folded.swapped) {
    for (FoldedAxis& axis : axes) std::swap(axis.lhs, axis.rhs);
  }
  return axes;
}

Reach reach_of(const Layout& layout) {
  const auto element = static_cast<std::int64_t>(layout.dtype.size_bytes());
  Reach reach;
  reach.high_bytes = element;
  for (std::size_t axis = 0; axis < layout.extents.size(); ++axis) {
    if (layout.extents[axis] == 0) reach.is_empty = true;
  }
  if (reach.is_empty) return reach;
  for (std::size_t axis = 0; axis < layout.extents.size(); ++axis) {
    const std::int64_t far = (layout.extents[axis] - 1) * layout.strides[axis] * element;
    (far < 0 ? reach.low_bytes : reach.high_bytes) += far;
  }
  reach.misaligned = layout.dtype.visit([](auto record) {
    return alignof(typename decltype(record)::Element);
  }) - 1;
  return reach;
}

}  // namespace

Labels labels_of(const Value& value) {
  Labels labels;
  for (const LabelStride& entry : value.strides) labels.push_back(entry.label);
  return labels;
}

Builder::Builder(const PlanOptions& options, std::vector<Dim> extents)
    : kernels_(find_kernels(options.target)),
      extents_(std::move(extents)),
      impl_(std::make_shared<Plan::Impl>()) {
  if (options.threads < 0 || options.threads > kMostThreads) {
    throw Error(ErrorCode::kUsage,
                text("plan: threads are 1 to ", kMostThreads, ": ", options.threads));
  }
  threads_are_given_ = options.threads != 0;
  impl_->tasks = threads_are_given_ ? options.threads : default_threads();
  impl_->facts.target = kernels_.target;
}

Value Builder::temporary(DType dtype, const Labels& labels) {
  Value value;
  value.dtype = dtype;
  std::int64_t stride = 1;
  Extents all;
  for (const Label label : labels) all.push_back(extents_[label].extent());
  const std::int64_t count = checked_product("plan", all);
  for (std::size_t i = labels.size(); i-- > 0;) {
    value.strides.insert(value.strides.begin(), {labels[i], stride});
    stride = checked_multiply(stride, extents_[labels[i]].extent()).value_or(0);
  }
  const auto bytes = checked_multiply(count, static_cast<std::int64_t>(dtype.size_bytes()));
  const auto end =
      bytes ? checked_add(static_cast<std::int64_t>(impl_->temporary_bytes + kScratchAlignment),
                          *bytes)
            : bytes;
  if (!end)
    throw Error(ErrorCode::kOverflow, text("plan: an intermediate of more than 2^63 - 1 bytes"));
  value.place = {Place::Where::kWorkspace, 0, static_cast<std::int64_t>(impl_->temporary_bytes)};
  impl_->temporary_bytes += align_up(static_cast<std::size_t>(*bytes));
  return value;
}

Value Builder::sum_alone(const Value& operand, const Labels& summed) {
  if (summed.empty()) return operand;
  const auto arithmetic = arithmetic_of(operand.dtype, operand.dtype);
  BATCHDOT_ASSERT(arithmetic);
  Labels kept;
  for (const LabelStride& entry : operand.strides) {
    if (!holds(summed, entry.label)) kept.push_back(entry.label);
  }
  Value sums = temporary(accumulator_of(*arithmetic), kept);
  reduce(operand, sums, summed);
  return sums;
}

void Builder::contract(const Value& a, const Value& b, const Value& out, const Labels& contracting,
                       const Finishing& last) {
  ContractStep step;
  const auto arithmetic = arithmetic_of(a.dtype, b.dtype);
  BATCHDOT_ASSERT(arithmetic);
  step.arithmetic = *arithmetic;
  if (step.arithmetic == kernel::Arithmetic::kBF16 && (a.is_widened || b.is_widened)) {
    step.arithmetic = kernel::Arithmetic::kF32;
  }
  step.kernels = &kernels_.of(step.arithmetic);
  const DType element = accumulator_of(step.arithmetic);
  const bool is_complex = element.is_complex();
  const RowsStay stay = step.kernels->tiny != nullptr && is_complex ? RowsStay::kTinyComplex
                        : !is_complex && out.dtype == element && last.finish.is_plain()
                            ? RowsStay::kAll
                        : step.kernels->tiny != nullptr ? RowsStay::kTiny
                                                        : RowsStay::kNone;
  step.folded = fold({a.strides, b.strides, out.strides, last.bias, last.scale}, extents_,
                     contracting, step.kernels->lanes, stay);
  step.last_cache = last_cache_bytes();
  const Value& first = step.folded.swapped ? b : a;
  const Value& second = step.folded.swapped ? a : b;
  step.lhs = first.place;
  step.rhs = second.place;
  step.lhs_dtype = first.dtype;
  step.rhs_dtype = second.dtype;
  peel(step.folded, step.kernels->lanes, step.rhs_dtype == element && !element.is_complex());
  step.lhs_conjugate = first.conjugate;
  step.rhs_conjugate = second.conjugate;
  step.out = out.place;
  step.out_dtype = out.dtype;
  step.finish = last.finish;
  impl_->reads_out = impl_->reads_out || last.finish.beta != 0;
  impl_->has_scale = impl_->has_scale || last.finish.has_scale();
  std::vector<Refusal> refused;
  choose_kernel(step, impl_->tasks, refused);

  PlanFacts& facts = impl_->facts;
  facts.batch = step.folded.batch_count;
  facts.M = step.folded.M;
  facts.N = step.folded.N;
  facts.K = step.folded.K;
  facts.swapped = step.folded.swapped;
  facts.block_sums = 0;
  const double fed = std::min(work_of(step) / kWorkPerTask, static_cast<double>(impl_->tasks));
  auto cut = cut_k(step, static_cast<int>(fed), static_cast<std::int64_t>(impl_->temporary_bytes));
  if (cut) {
    impl_->temporary_bytes += align_up(cut->list_bytes);
    facts.block_sums = cut->block_sums;
    facts.block_sum_bytes += align_up(cut->list_bytes);
    refused.clear();
    choose_kernel(cut->whole, impl_->tasks, refused);
    step = std::move(cut->whole);
  }
  facts.kernel = name_of(step.form);
  facts.refused = std::move(refused);
  facts.packs_lhs = step.packs_lhs;
  facts.packs_rhs = step.packs_rhs;
  const Blocking blocking = has_blocks(step.form) ? step.blocking : Blocking{};
  facts.MR = blocking.MR;
  facts.NR = blocking.NR;
  facts.MC = static_cast<int>(std::min(blocking.MC, facts.M));
  facts.KC = static_cast<int>(std::min(blocking.KC, facts.K));
  facts.NC = static_cast<int>(std::min(blocking.NC, facts.N));
  add(std::move(step));
  if (!cut) return;
  if (cut->rest) {
    std::vector<Refusal> of_rest;
    choose_kernel(*cut->rest, impl_->tasks, of_rest);
    add(std::move(*cut->rest));
  }
  add(std::move(cut->addition));
}

void Builder::add(ContractStep step) {
  impl_->facts.work_items += step.items * step.parts;
  impl_->task_bytes = std::max(impl_->task_bytes, step.task_bytes);
  impl_->steps.emplace_back(std::move(step));
}

// fma(x, 1, .) for each element: a product with ones that do not move.
void Builder::reduce(const Value& operand, const Value& out, const Labels& order,
                     const Finishing& last) {
  Value ones;
  ones.place.where = Place::Where::kOnes;
  if (!operand.dtype.is_complex()) {
    ones.dtype = is_narrow_float(operand.dtype) ? DType(F32{}) : operand.dtype;
    // Each summed label stands in both, so that it is contracted.
    for (const Label label : order) ones.strides.push_back({label, 0});
    return contract(operand, ones, out, order, last);
  }
  // Complex: re and im each alone. A conjugate turns the sign of im on its way in: fma(x, -1, .).
  extents_.push_back(Dim(2));
  const auto parts = static_cast<Label>(extents_.size() - 1);
  Value in = as_reals(operand, parts);
  in.conjugate = false;
  Value result = as_reals(out, parts);
  ones.dtype = in.dtype;
  for (const Label label : order) ones.strides.push_back({label, 0});
  ones.strides.push_back({parts, operand.conjugate ? 1 : 0});
  Finishing real = last;  // its scale is real and does not move along `parts`
  for (LabelStride& entry : real.bias) entry.stride *= 2;
  if (real.finish.has_bias()) real.bias.push_back({parts, 1});
  real.finish.bias_dtype = result.dtype;
  contract(in, ones, result, order, real);
}

void Builder::copy(const Value& in, const Value& out) {
  CopyStep step;
  step.in = in.place;
  step.out = out.place;
  step.in_dtype = in.dtype;
  step.out_dtype = out.dtype;
  const Folded folded =
      fold({in.strides, {}, out.strides, {}, {}}, extents_, {}, 1, RowsStay::kAll);
  step.middle = axes_of_one(folded);
  if (!step.middle.empty()) {
    step.inner = step.middle.back();
    step.middle.pop_back();
  }
  if (!step.middle.empty()) {
    step.outer = step.middle.front();
    step.middle.erase(step.middle.begin());
  }
  if (step.outer.extent == 1 && step.inner.extent > kCopyRun) {
    const FoldedAxis whole = step.inner;
    step.total = whole.extent;
    step.inner.extent = kCopyRun;
    step.outer = {(whole.extent + kCopyRun - 1) / kCopyRun, whole.lhs * kCopyRun, 0,
                  whole.out * kCopyRun};
  }
  step.items = folded.M * folded.N == 0 ? 0 : step.outer.extent;
  PlanFacts& facts = impl_->facts;
  facts.kernel = "copy";
  facts.M = folded.M * folded.N;
  facts.work_items += step.items;
  impl_->steps.emplace_back(std::move(step));
}

void Builder::rowwise(RowwiseStep step, const Value& in, const Value& out, Label axis) {
  step.in = in.place;
  step.out = out.place;
  step.in_dtype = in.dtype;
  step.out_dtype = out.dtype;
  step.kernels = &kernels_;
  PairStrides rows{in.strides, {}, out.strides, {}, {}};
  PairStrides along;
  const auto split = [&](LabelStrides& all, LabelStrides& one) {
    const auto at = std::find_if(all.begin(), all.end(),
                                 [&](const LabelStride& entry) { return entry.label == axis; });
    BATCHDOT_ASSERT(at != all.end());
    one.push_back(*at);
    all.erase(at);
  };
  split(rows.lhs, along.lhs);
  split(rows.out, along.out);
  step.axis = {extents_[axis].extent(), along.lhs[0].stride, 0, along.out[0].stride};
  const Folded folded = fold(rows, extents_, {}, 1, RowsStay::kAll);
  step.rows = axes_of_one(folded);
  step.items = step.axis.extent == 0 ? 0 : folded.M * folded.N;
  // A row is widened into scratch.
  const std::int64_t element = step.in_dtype == DType(F64{}) ? sizeof(double) : sizeof(float);
  const auto row_bytes = checked_multiply(step.axis.extent, element);
  if (!row_bytes || !checked_add(*row_bytes, kScratchAlignment)) {
    throw Error(ErrorCode::kOverflow, text("plan: a row of ", step.axis.extent,
                                           " elements takes more than 2^63 - 1 bytes"));
  }
  step.task_bytes = align_up(static_cast<std::size_t>(*row_bytes));
  PlanFacts& facts = impl_->facts;
  facts.kernel = step.kind == RowwiseStep::Kind::kSoftmax ? "softmax rows" : "normalize rows";
  facts.M = folded.M * folded.N;
  facts.N = step.axis.extent;
  facts.work_items += step.items;
  impl_->task_bytes = std::max(impl_->task_bytes, step.task_bytes);
  impl_->steps.emplace_back(std::move(step));
}

std::shared_ptr<const Plan::Impl> Builder::finish(std::vector<Layout> operands, int inputs,
                                                  Layout out,
                                                  std::vector<std::pair<int, int>> path) {
  double tasks =
      1;  // as many as the largest step can feed; a caller's own number is not argued with
  for (const Step& step : impl_->steps) {
    const auto fed = [&](const auto& s) {
      const auto items = static_cast<double>(s.items);
      return threads_are_given_ ? items : std::min(work_of(s) / kWorkPerTask, items);
    };
    tasks = std::max(tasks, std::visit(fed, step));
  }
  impl_->tasks = static_cast<int>(std::min(tasks, static_cast<double>(impl_->tasks)));
  impl_->operands = std::move(operands);
  impl_->inputs = inputs;
  impl_->out = std::move(out);
  impl_->reaches.reserve(impl_->operands.size() + 1);
  for (const Layout& operand : impl_->operands) impl_->reaches.push_back(reach_of(operand));
  impl_->reaches.push_back(reach_of(impl_->out));
  impl_->facts.work_items -= 1;  // it starts at 1, for a plan without steps
  impl_->facts.threads = impl_->tasks;
  impl_->facts.temporary_bytes = impl_->temporary_bytes - impl_->facts.block_sum_bytes;
  impl_->facts.path = std::move(path);
  const auto scratch = checked_multiply(impl_->tasks, static_cast<std::int64_t>(impl_->task_bytes));
  const auto workspace =
      scratch ? checked_add(static_cast<std::int64_t>(impl_->temporary_bytes), *scratch) : scratch;
  if (!workspace) {
    throw Error(ErrorCode::kOverflow, "plan: a workspace of more than 2^63 - 1 bytes");
  }
  impl_->facts.workspace_bytes = static_cast<std::size_t>(*workspace);
  return impl_;
}

}  // namespace batchdot
