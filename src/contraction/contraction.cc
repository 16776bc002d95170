// SPDX-License-Identifier: Apache-2.0
#include "batchdot/contraction.h"

#include <algorithm>
#include <array>
#include <utility>

#include "src/contraction/labels.h"
#include "src/core/checked.h"
#include "src/core/text.h"

namespace batchdot::inline v0 {

namespace {

bool is_in_an_input(const Contraction& c, Label label) {
  return std::any_of(c.inputs.begin(), c.inputs.end(),
                     [&](const Input& input) { return holds(input.labels, label); });
}

[[noreturn]] void refuse_label(Label label, std::string_view where) {
  throw Error(ErrorCode::kLabel,
              text("contraction: label ", label, " of ", where, " has no extent"));
}

// A known axis has its label's extent, or 1 where it may stretch.
void check_extents(const Contraction& c, int operand) {
  const Input& input = c.inputs[static_cast<std::size_t>(operand)];
  for (int axis = 0; axis < input.shape.rank(); ++axis) {
    const auto at = static_cast<std::size_t>(axis);
    const Dim& dim = input.shape[axis];
    const Dim& extent = c.extents[input.labels[at]];
    if (!dim.is_known() || !extent.is_known() || dim == extent) continue;
    const bool stretches = at < input.may_broadcast.size() && input.may_broadcast[at];
    if (stretches && dim == Dim(1)) continue;
    throw Error(ErrorCode::kLabel,
                text("contraction: ", operand_name(operand, static_cast<int>(c.inputs.size())),
                     " axis ", axis, " has ", dim, ", its label ", extent),
                place_of(operand, axis, &dim));
  }
}

void check_condition(const Contraction& c, const Condition& condition) {
  const auto is_axis = [&](AxisRef ref) {
    return ref.operand >= 0 && static_cast<std::size_t>(ref.operand) < c.inputs.size() &&
           ref.axis >= 0 && ref.axis < c.inputs[static_cast<std::size_t>(ref.operand)].shape.rank();
  };
  const bool names_axis = condition.kind != ConditionKind::kReshape;
  const bool names_two =
      condition.kind == ConditionKind::kEqual || condition.kind == ConditionKind::kOneOrEqual;
  if ((names_axis && !is_axis(condition.lhs)) || (names_two && !is_axis(condition.rhs)) ||
      condition.divisor < 1) {
    throw Error(ErrorCode::kLabel, "contraction: a condition names an axis that is not there");
  }
  for (const Labels* labels : {&condition.kept, &condition.flattened, &condition.others}) {
    for (const Label label : *labels) {
      if (label >= c.extents.size()) refuse_label(label, "a condition");
    }
  }
}

void mark_broadcast(Input& input, int axis) {
  input.may_broadcast.resize(input.labels.size(), false);
  input.may_broadcast[static_cast<std::size_t>(axis)] = true;
}

}  // namespace

std::string_view name(Role role) {
  constexpr std::array<std::string_view, 6> kNames = {"batch",    "contracting", "lhs_free",
                                                      "rhs_free", "lhs_summed",  "rhs_summed"};
  return kNames[static_cast<std::size_t>(role)];
}

void validate(const Contraction& c) {
  if (c.inputs.empty() || c.inputs.size() > Limits::kOperands) {
    throw Error(ErrorCode::kLimit, text("contraction: takes 1 to ", Limits::kOperands,
                                        " operands, not ", c.inputs.size()));
  }
  if (c.extents.size() > Limits::kLabels) {
    throw Error(ErrorCode::kLimit, text("contraction: has ", c.extents.size(),
                                        " labels, the limit is ", Limits::kLabels));
  }
  if (c.names.size() > c.extents.size()) {
    throw Error(ErrorCode::kLabel, text("contraction: has ", c.names.size(), " names for ",
                                        c.extents.size(), " labels"));
  }
  for (const Condition& condition : c.conditions) check_condition(c, condition);
  for (std::size_t i = 0; i < c.inputs.size(); ++i) {
    const Input& input = c.inputs[i];
    const auto operand = [&] {
      return operand_name(static_cast<int>(i), static_cast<int>(c.inputs.size()));
    };
    for (const Label label : input.labels) {
      if (label >= c.extents.size()) refuse_label(label, operand());
    }
    if (input.labels.size() != static_cast<std::size_t>(input.shape.rank())) {
      throw Error(ErrorCode::kLabel,
                  text("contraction: ", operand(), " has rank ", input.shape.rank(), " and ",
                       input.labels.size(), " labels"));
    }
    check_extents(c, static_cast<int>(i));
  }
  for (std::size_t i = 0; i < c.output.size(); ++i) {
    const Label label = c.output[i];
    if (label >= c.extents.size()) refuse_label(label, "the output");
    if (std::count(c.output.begin(), c.output.end(), label) > 1) {
      throw Error(ErrorCode::kLabel,
                  text("contraction: label ", label, " stands twice in the output"));
    }
    if (!is_in_an_input(c, label) && c.extents[label] != Dim(1)) {
      throw Error(ErrorCode::kLabel, text("contraction: label ", label,
                                          " is in no operand and has extent ", c.extents[label]));
    }
  }
  Labels summed = default_contracting_order(c);
  if (summed == c.contracting_order) return;
  Labels given = c.contracting_order;
  std::sort(summed.begin(), summed.end());
  std::sort(given.begin(), given.end());
  if (summed != given) {
    throw Error(ErrorCode::kLabel,
                "contraction: the contracting order is not the list of all summed labels");
  }
}

Labels default_contracting_order(const Contraction& c) {
  Labels order;
  for (const Input& input : c.inputs) {
    for (const Label label : input.labels) {
      if (!holds(c.output, label) && !holds(order, label)) order.push_back(label);
    }
  }
  return order;
}

Label add_label(Contraction& c, Dim extent, std::string name) {
  c.extents.push_back(std::move(extent));
  if (!name.empty()) {
    c.names.reserve(c.extents.capacity());
    c.names.resize(c.extents.size());
    c.names.back() = std::move(name);
  }
  return static_cast<Label>(c.extents.size() - 1);
}

Label add_output_label(Contraction& c, Dim extent, std::string name) {
  const Label label = add_label(c, std::move(extent), std::move(name));
  c.output.push_back(label);
  return label;
}

bool unify_label(Contraction& c, Label label, AxisRef lhs, AxisRef rhs, UnifyRule rule) {
  Input& right = c.inputs[static_cast<std::size_t>(rhs.operand)];
  std::optional<Unified> unified = unify(c.extents[label], right.shape[rhs.axis], rule);
  if (!unified) return false;
  c.extents[label] = std::move(unified->dim);
  if (rule != UnifyRule::kMerge) {
    mark_broadcast(c.inputs[static_cast<std::size_t>(lhs.operand)], lhs.axis);
    mark_broadcast(right, rhs.axis);
  }
  if (unified->condition) {
    Condition condition;
    condition.kind = *unified->condition;
    condition.lhs = lhs;
    condition.rhs = rhs;
    c.conditions.push_back(std::move(condition));
  }
  return true;
}

Shape result_shape(const Contraction& c) {
  Shape shape;
  for (const Label label : c.output) {
    if (label >= c.extents.size()) refuse_label(label, "the output");
    shape.push_back(c.extents[label]);
  }
  return shape;
}

}  // namespace batchdot::inline v0
