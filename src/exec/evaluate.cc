// SPDX-License-Identifier: Apache-2.0
// The eager calls, and plans kept for unknown extents.

#include <list>
#include <mutex>
#include <utility>

#include "batchdot/notation.h"
#include "batchdot/plan.h"

namespace batchdot::inline v0 {

namespace {

std::vector<Layout> layouts_of(std::span<const TensorView> operands) {
  std::vector<Layout> layouts;
  for (const TensorView& view : operands) layouts.push_back(view.layout);
  return layouts;
}

std::vector<Extents> extents_of(std::span<const Layout> layouts) {
  std::vector<Extents> extents;
  for (const Layout& layout : layouts) extents.push_back(layout.extents);
  return extents;
}

}  // namespace

Tensor evaluate(const Contraction& c, std::span<const TensorView> operands) {
  const std::vector<Layout> layouts = layouts_of(operands);
  return Plan::make(bind(c, extents_of(layouts)), layouts).run(operands);
}

Tensor dot_layer(const TensorView& lhs, const TensorView& rhs, const Axes& axes, bool normalize,
                 const Dialect& dialect) {
  DotLayer layer = dot_layer(Shape(lhs.extents()), Shape(rhs.extents()), axes, normalize, dialect);
  const TensorView operands[] = {lhs, rhs};
  const std::vector<Layout> layouts = layouts_of(operands);
  layer.contraction = bind(layer.contraction, extents_of(layouts));
  return Plan::dot_layer(layer, layouts).run(operands);
}

Tensor softmax(const TensorView& operand, int axis) {
  return Plan::softmax(operand.layout, axis).run(std::span(&operand, 1));
}

struct PlanFamily::Impl {
  Contraction declared;
  PlanOptions options;
  std::size_t capacity;
  std::mutex mutex;
  std::list<std::pair<std::vector<Layout>, Plan>> plans;  // the latest first
};

PlanFamily::PlanFamily(Contraction declared, PlanOptions options, std::size_t capacity)
    : impl_(new Impl{std::move(declared), std::move(options), capacity, {}, {}}) {
  validate(impl_->declared);
}
PlanFamily::~PlanFamily() = default;
PlanFamily::PlanFamily(PlanFamily&&) noexcept = default;
PlanFamily& PlanFamily::operator=(PlanFamily&&) noexcept = default;

const Contraction& PlanFamily::declared() const { return impl_->declared; }

Plan PlanFamily::plan(std::span<const Layout> operands) {
  const std::vector<Layout> layouts(operands.begin(), operands.end());
  const std::lock_guard lock(impl_->mutex);
  auto& plans = impl_->plans;
  for (auto at = plans.begin(); at != plans.end(); ++at) {
    if (at->first != layouts) continue;
    plans.splice(plans.begin(), plans, at);
    return plans.front().second;
  }
  Plan made =
      Plan::make(bind(impl_->declared, extents_of(layouts)), layouts, {}, {}, impl_->options);
  plans.emplace_front(layouts, made);
  if (plans.size() > impl_->capacity) plans.pop_back();
  return made;
}

Tensor PlanFamily::run(std::span<const TensorView> operands) {
  return plan(layouts_of(operands)).run(operands);
}

}  // namespace batchdot::inline v0
