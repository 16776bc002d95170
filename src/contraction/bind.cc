// SPDX-License-Identifier: Apache-2.0
// From declared extents to those at run time: every unknown replaced, every condition checked.

#include <map>
#include <string>

#include "batchdot/contraction.h"
#include "src/core/checked.h"
#include "src/core/text.h"

namespace batchdot::inline v0 {

namespace {

// Where an extent was met first, for the message about the second one.
struct Seen {
  std::int64_t extent;
  AxisRef where;
};

class Binder {
 public:
  Binder(const Contraction& declared, std::span<const Extents> operands)
      : declared_(declared), operands_(operands), bound_(declared) {}

  Contraction bind() {
    validate(declared_);
    check_declared_shapes();
    bind_labels();
    check_conditions();
    return std::move(bound_);
  }

 private:
  std::string axis_name(AxisRef ref) const {
    return text(operand_name(ref.operand, count()), " axis ", ref.axis);
  }
  int count() const { return static_cast<int>(declared_.inputs.size()); }
  std::int64_t extent_at(AxisRef ref) const {
    return operands_[static_cast<std::size_t>(ref.operand)][static_cast<std::size_t>(ref.axis)];
  }
  const Dim& declared_at(AxisRef ref) const {
    return declared_.inputs[static_cast<std::size_t>(ref.operand)].shape[ref.axis];
  }

  [[noreturn]] void fail_condition(std::string_view what, AxisRef lhs, AxisRef rhs) const {
    throw Error(
        ErrorCode::kCondition,
        text("bind: ", what, ": ", axis_name(lhs), " (declared ", declared_at(lhs), ") has ",
             extent_at(lhs), ", ", axis_name(rhs), " (declared ", declared_at(rhs), ") has ",
             extent_at(rhs)),
        place_of(lhs.operand, lhs.axis, extent_at(lhs), rhs.operand, rhs.axis, extent_at(rhs)));
  }

  void check_declared_shapes() {
    if (operands_.size() != declared_.inputs.size()) {
      throw Error(ErrorCode::kFeed, text("bind: takes ", declared_.inputs.size(),
                                         " operands, given ", operands_.size()));
    }
    std::map<std::string_view, AxisRef> names;
    for (int operand = 0; operand < count(); ++operand) {
      const Shape& shape = declared_.inputs[static_cast<std::size_t>(operand)].shape;
      const Extents& extents = operands_[static_cast<std::size_t>(operand)];
      if (extents.size() != static_cast<std::size_t>(shape.rank())) {
        throw Error(ErrorCode::kFeed,
                    text("bind: ", operand_name(operand, count()), " has rank ", extents.size(),
                         ", declared ", shape.rank(), ": ", extents, ", declared ", shape),
                    place_of(operand));
      }
      for (int axis = 0; axis < shape.rank(); ++axis) {
        const AxisRef here{operand, axis};
        const Dim& dim = shape[axis];
        if (dim.is_known() && dim.extent() != extent_at(here)) {
          ErrorPlace place = place_of(operand, axis);
          place.extent = text(extent_at(here));
          place.other_extent = to_string(dim);
          throw Error(ErrorCode::kFeed,
                      text("bind: ", axis_name(here), " has ", extent_at(here), ", declared ", dim,
                           ": ", extents, ", declared ", shape),
                      place);
        }
        if (!dim.is_named()) continue;
        const auto [first, is_new] = names.emplace(dim.name(), here);
        if (!is_new && extent_at(first->second) != extent_at(here)) {
          fail_condition(text("one name, '", dim.name(), "', two extents"), first->second, here);
        }
      }
    }
    for (int operand = 0; operand < count(); ++operand) {
      bound_.inputs[static_cast<std::size_t>(operand)].shape =
          Shape(operands_[static_cast<std::size_t>(operand)]);
    }
  }

  // An extent of 1 on an axis that may broadcast says nothing about its label unless no axis does.
  void bind_labels() {
    ShortList<std::optional<Seen>, 8> firm(declared_.extents.size(), std::nullopt);
    ShortList<std::optional<Seen>, 8> ones(declared_.extents.size(), std::nullopt);
    for (int operand = 0; operand < count(); ++operand) {
      const Input& input = declared_.inputs[static_cast<std::size_t>(operand)];
      for (int axis = 0; axis < input.shape.rank(); ++axis) {
        const AxisRef here{operand, axis};
        const auto a = static_cast<std::size_t>(axis);
        const Label label = input.labels[a];
        const std::int64_t extent = extent_at(here);
        const bool stretches = a < input.may_broadcast.size() && input.may_broadcast[a];
        if (stretches && extent == 1) {
          if (!ones[label]) ones[label] = Seen{extent, here};
        } else if (!firm[label]) {
          firm[label] = Seen{extent, here};
        } else if (firm[label]->extent != extent) {
          fail_condition(
              stretches ? "extents must be equal or one of them 1" : "extents must be equal",
              firm[label]->where, here);
        }
      }
    }
    for (std::size_t label = 0; label < declared_.extents.size(); ++label) {
      if (firm[label]) {
        bound_.extents[label] = Dim(firm[label]->extent);
      } else if (ones[label]) {
        bound_.extents[label] = Dim(1);
      }
    }
  }

  void check_conditions() {
    for (const Condition& condition : declared_.conditions) {
      switch (condition.kind) {
        case ConditionKind::kEqual:
          if (extent_at(condition.lhs) != extent_at(condition.rhs)) {
            fail_condition("extents must be equal", condition.lhs, condition.rhs);
          }
          break;
        case ConditionKind::kOneOrEqual: {
          const std::int64_t lhs = extent_at(condition.lhs);
          const std::int64_t rhs = extent_at(condition.rhs);
          if (lhs != rhs && lhs != 1 && rhs != 1) {
            fail_condition("extents must be equal or one of them 1", condition.lhs, condition.rhs);
          }
          break;
        }
        case ConditionKind::kIsOne:
          if (extent_at(condition.lhs) != 1) fail_one_axis("must be 1", condition.lhs);
          break;
        case ConditionKind::kDivides:
          if (extent_at(condition.lhs) % condition.divisor != 0) {
            fail_one_axis(text("must be a multiple of ", condition.divisor), condition.lhs);
          }
          break;
        case ConditionKind::kReshape:
          check_reshape(condition);
          break;
      }
    }
  }

  [[noreturn]] void fail_one_axis(std::string_view what, AxisRef ref) const {
    const Dim extent(extent_at(ref));
    throw Error(ErrorCode::kCondition,
                text("bind: ", axis_name(ref), " ", what, ": it has ", extent, " (declared ",
                     declared_at(ref), ")"),
                place_of(ref.operand, ref.axis, &extent));
  }

  void check_reshape(const Condition& condition) const {
    const auto empty_one = [&](const Labels& labels) {
      return std::find_if(labels.begin(), labels.end(),
                          [&](Label label) { return bound_.extents[label] == Dim(0); });
    };
    const auto is_empty = [&](const Labels& labels) { return empty_one(labels) != labels.end(); };
    const bool fails =
        is_empty(condition.kept) && is_empty(condition.flattened) && !is_empty(condition.others);
    if (!fails) return;
    const auto axis_of = [&](Label label) {
      const Labels& labels = bound_.inputs[static_cast<std::size_t>(condition.lhs.operand)].labels;
      return static_cast<int>(std::find(labels.begin(), labels.end(), label) - labels.begin());
    };
    const int kept = axis_of(*empty_one(condition.kept));
    throw Error(
        ErrorCode::kEmptyReshape,
        text("bind: ", operand_name(condition.lhs.operand, count()), " has 0 in contracted axis ",
             kept, " and in free axis ", axis_of(*empty_one(condition.flattened)),
             ", which this dialect cannot reshape: shape ",
             operands_[static_cast<std::size_t>(condition.lhs.operand)]),
        place_of(condition.lhs.operand, kept, &bound_.extents[*empty_one(condition.kept)]));
  }

  const Contraction& declared_;
  std::span<const Extents> operands_;
  Contraction bound_;
};

}  // namespace

Contraction bind(const Contraction& c, std::span<const Extents> operands) {
  return Binder(c, operands).bind();
}

}  // namespace batchdot::inline v0
