// SPDX-License-Identifier: Apache-2.0
// What a contraction is, as data for an explanation: roles, reasons, conditions in words.
// Its cost depends on dtypes and layouts, which are the operation room's business.

#include <algorithm>
#include <string>
#include <utility>

#include "batchdot/explain.h"
#include "src/contraction/equivalents.h"
#include "src/contraction/labels.h"
#include "src/contraction/steps.h"
#include "src/core/text.h"

namespace batchdot::inline v0 {

namespace {

class Facts {
 public:
  explicit Facts(const Contraction& c)
      : c_(c),
        count_(static_cast<int>(c.inputs.size())),
        names_(label_names(c)),
        steps_(pairwise_steps(c)) {}

  Explanation gather() {
    Explanation facts;
    facts.shape = result_shape(c_);
    facts.equation = to_equation(c_);
    for (int i = 0; i < count_; ++i) {
      facts.operand_shapes.push_back(input(i).shape);
      facts.conjugate.push_back(input(i).conjugate);
      facts.operands.push_back(operand_axes(i));
    }
    for (const Label label : c_.output) facts.output.push_back(output_axis(label));
    for (const Label label : c_.contracting_order) facts.summed_order.push_back(names_[label]);
    for (const Condition& condition : c_.conditions) {
      facts.conditions.push_back({in_words(condition), condition});
    }
    facts.equivalents = equivalents_of(c_);
    facts.notes = notes();
    return facts;
  }

 private:
  const Input& input(int i) const { return c_.inputs[static_cast<std::size_t>(i)]; }
  const Dim& dim_at(AxisRef ref) const { return input(ref.operand).shape[ref.axis]; }
  bool may_broadcast(AxisRef ref) const {
    const std::vector<bool>& may = input(ref.operand).may_broadcast;
    return static_cast<std::size_t>(ref.axis) < may.size() &&
           may[static_cast<std::size_t>(ref.axis)];
  }
  std::string axis_name(AxisRef ref) const {
    return text(operand_name(ref.operand, count_), " axis ", ref.axis);
  }

  std::vector<OperandAxisFact> operand_axes(int operand) const {
    // The first two operands meet in the first step, each later one in its own.
    const PairwiseStep& step = steps_[static_cast<std::size_t>(std::max(operand - 1, 0))];
    std::vector<OperandAxisFact> axes;
    for (int axis = 0; axis < input(operand).shape.rank(); ++axis) {
      const Label label = input(operand).labels[static_cast<std::size_t>(axis)];
      axes.push_back(
          {names_[label], std::string(name(role_in(step, label))), input(operand).shape[axis]});
    }
    return axes;
  }

  OutputAxisFact output_axis(Label label) const {
    OutputAxisFact fact;
    fact.label = names_[label];
    fact.role = name(role_in(steps_.back(), label));
    fact.extent = c_.extents[label];
    for (int i = 0; i < count_; ++i) {
      for (int axis = 0; axis < input(i).shape.rank(); ++axis) {
        if (input(i).labels[static_cast<std::size_t>(axis)] == label) {
          fact.from.push_back({i, axis});
        }
      }
    }
    fact.why = why(fact.from) + about_extent(label, fact.from);
    return fact;
  }

  // Which axes make an axis of the output, and the rule.
  std::string why(const std::vector<AxisRef>& from) const {
    if (from.empty()) return why_added();
    std::vector<std::string> groups;  // "lhs axis 0", "rhs axes 1 and 2 (their diagonal)"
    for (int i = 0; i < count_; ++i) {
      std::vector<std::string> axes;
      for (const AxisRef ref : from) {
        if (ref.operand == i) axes.push_back(text(ref.axis));
      }
      if (axes.empty()) continue;
      groups.push_back(text(operand_name(i, count_), axes.size() > 1 ? " axes " : " axis ",
                            listed(axes), axes.size() > 1 ? " (their diagonal)" : ""));
    }
    const std::string axes = listed(groups);
    if (groups.size() == 1) {
      return text("free: ", axes,
                  from.size() == 1 ? " is not summed over, so it stays"
                                   : " are the same index; it is not summed over, so it stays");
    }
    return text("batch: ", axes, " are the same index; ",
                count_ == 2 ? "they stay in place and run together"
                            : "it is in the output, so they run together and stay");
  }

  std::string why_added() const {
    bool has_free = false;
    for (const Label label : c_.output) {
      const Role role = role_in(steps_.back(), label);
      const bool is_of_an_input = holds(steps_.back().result, label);
      has_free |= is_of_an_input && role != Role::kBatch;
    }
    const std::string_view rank = "; an axis of 1 keeps the rank at ";
    if (!has_free) {
      return text(
          "added: ", count_ == 2 ? "both operands have no free axis left" : "no free axis is left",
          rank, c_.output.size());
    }
    return text("added: no operand has this axis", rank, c_.output.size());
  }

  // Where the extent is from, if the axes were declared differently.
  std::string about_extent(Label label, const std::vector<AxisRef>& from) const {
    if (from.size() < 2) return {};
    const Dim& extent = c_.extents[label];
    const auto stands_alone = [&](AxisRef ref) {
      return !extent.is_unknown() && dim_at(ref) == extent;
    };
    std::string out;
    const auto source = std::find_if(from.begin(), from.end(), stands_alone);
    if (std::all_of(from.begin(), from.end(), stands_alone)) return {};
    if (source != from.end()) out = text("; ", extent, " from ", axis_name(*source));
    std::vector<std::string> open;
    bool may_be_one = false;
    for (const AxisRef ref : from) {
      if (stands_alone(ref)) continue;
      if (stretch_of(c_, ref) == Stretch::kAlways) {
        out += text("; ", axis_name(ref), " has 1 and stretches");
        continue;
      }
      const Dim& dim = dim_at(ref);
      open.push_back(text(axis_name(ref), " is ", dim.is_unknown() ? "unknown" : to_string(dim)));
      may_be_one |= stretch_of(c_, ref) == Stretch::kMaybe;
    }
    const bool decides_alone = source == from.end() && open.size() == 1;
    if (decides_alone) return out + text("; the extent is known at run time: ", open[0]);
    if (!open.empty()) {
      out +=
          text("; ", listed(open), ": must turn out equal", may_be_one ? ", or 1 and stretch" : "");
    }
    return out;
  }

  std::string in_words(const Condition& condition) const {
    const std::string lhs = axis_name(condition.lhs);
    switch (condition.kind) {
      case ConditionKind::kEqual:
        return text(lhs, " = ", axis_name(condition.rhs));
      case ConditionKind::kOneOrEqual:
        return text(lhs, " = ", axis_name(condition.rhs), ", or one of them is 1");
      case ConditionKind::kIsOne:
        return text(lhs, " = 1");
      case ConditionKind::kDivides:
        return text(condition.divisor, " divides ", lhs);
      case ConditionKind::kReshape:
        break;
    }
    const auto axes_named = [&](const Labels& labels) {
      std::vector<std::string> parts;
      for (const Label label : labels) parts.push_back(names_[label]);
      return listed(parts);
    };
    return text(operand_name(condition.lhs.operand, count_), " is not empty both in ",
                axes_named(condition.kept), " and in ", axes_named(condition.flattened),
                ", which this dialect cannot reshape");
  }

  std::vector<std::string> notes() const {
    std::vector<std::string> notes;
    if (count_ > 2) {
      notes.push_back(
          "The operands are multiplied left to right; the role of an axis is the one it has in the "
          "step that takes its operand in, those of the output belong to the last step.");
    }
    if (std::any_of(c_.output.begin(), c_.output.end(),
                    [&](Label label) { return !holds(steps_.back().result, label); })) {
      notes.push_back(text("An equation cannot add an axis: ", to_equation(c_),
                           " gives the same numbers without the axis of 1."));
    }
    return notes;
  }

  const Contraction& c_;
  int count_;
  std::vector<std::string> names_;
  std::vector<PairwiseStep> steps_;
};

}  // namespace

Explanation explain(const Contraction& c) {
  validate(c);
  return Facts(c).gather();
}

}  // namespace batchdot::inline v0
