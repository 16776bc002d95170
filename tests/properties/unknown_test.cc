// SPDX-License-Identifier: Apache-2.0
// Laws of unknown and named extents: what is said when a shape is declared holds when it is bound.

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <array>
#include <map>

#include "src/contraction/steps.h"
#include "tests/problems/valid_problem.h"

namespace batchdot {
namespace {

constexpr UnifyRule kRules[] = {UnifyRule::kMerge, UnifyRule::kBroadcast,
                                UnifyRule::kBroadcastKeras3};

UnifyRule any_rule() { return *rc::gen::element(kRules[0], kRules[1], kRules[2]); }
Dim any_dim() {
  switch (*rc::gen::inRange(0, 6)) {
    case 0:
      return {};
    case 1:
      return "B";
    case 2:
      return "C";
    default:
      return *rc::gen::inRange(0, 5);
  }
}

// `dim` where names and unknowns have become these numbers.
Dim known(const Dim& dim, std::int64_t b, std::int64_t c, std::int64_t unknown) {
  if (dim.is_named()) return dim.name() == "B" ? b : c;
  return dim.is_known() ? dim : Dim(unknown);
}

RC_GTEST_PROP(Unify, IsCommutativeButForTheNameThatIsKept, ()) {
  const Dim a = any_dim(), b = any_dim();
  const UnifyRule rule = any_rule();
  const auto one = unify(a, b, rule), other = unify(b, a, rule);
  RC_ASSERT(one.has_value() == other.has_value());
  if (!one) return;
  RC_ASSERT(one->condition == other->condition);
  const bool keeps_lhs = rule == UnifyRule::kMerge && a.is_named() && b.is_named();
  RC_ASSERT(one->dim == (keeps_lhs ? a : other->dim));
}

RC_GTEST_PROP(Unify, WithItselfChangesNothing, ()) {
  const Dim a = any_dim();
  const auto same = unify(a, a, any_rule());
  RC_ASSERT(same.has_value());
  RC_ASSERT(same->dim == a);
  if (!a.is_unknown()) RC_ASSERT(!same->condition);
}

// What is left open is exactly what the condition says, and what was known stays.
RC_GTEST_PROP(Unify, KnowingMoreIsDecidedByTheCondition, ()) {
  const Dim a = any_dim(), b = any_dim();
  const UnifyRule rule = any_rule();
  const auto declared = unify(a, b, rule);
  const std::int64_t of_b = *rc::gen::inRange(0, 5), of_c = *rc::gen::inRange(0, 5);
  const Dim lhs = known(a, of_b, of_c, *rc::gen::inRange(0, 5));
  const Dim rhs = known(b, of_b, of_c, *rc::gen::inRange(0, 5));
  const auto now = unify(lhs, rhs, rule);
  RC_LOG() << to_string(a) << ' ' << to_string(b) << " now " << to_string(lhs) << ' '
           << to_string(rhs);
  if (!declared) {
    RC_ASSERT(!now);
    return;
  }
  const bool equal = lhs == rhs;
  const bool holds = !declared->condition || (*declared->condition == ConditionKind::kEqual
                                                  ? equal
                                                  : equal || lhs == Dim(1) || rhs == Dim(1));
  RC_ASSERT(now.has_value() == holds);
  if (!now) return;
  RC_ASSERT(now->dim.is_known());
  RC_ASSERT(!now->condition);
  if (declared->dim.is_known()) RC_ASSERT(now->dim == declared->dim);
}

// --- Declared problems of every operation, and what they are bound to.

struct Declared {
  Problem problem;               // some extents unknown or named
  std::vector<Extents> extents;  // that it is bound to
};

Declared random_declared() {
  std::mt19937 random(*rc::gen::arbitrary<std::uint32_t>());
  const auto all = operations();
  std::string_view name;
  do {
    name = all[static_cast<std::size_t>(below(random, static_cast<int>(all.size())))].name;
  } while (name == "softmax");
  Declared declared{random_valid_problem(random, name), {}};
  const int share = below(random, 3);
  std::map<std::int64_t, std::string> names;  // one name, one extent
  for (Shape& shape : declared.problem.shapes) {
    declared.extents.push_back(shape.extents());
    for (int axis = 0; axis < shape.rank(); ++axis) {
      const std::int64_t extent = shape[axis].extent();
      const int kind = below(random, 4);
      if (kind > share) continue;
      if (kind == 0) {
        const auto at = names.emplace(extent, "N" + std::to_string(names.size())).first;
        shape[axis] = Dim(at->second);
      } else {
        shape[axis] = Dim();
      }
    }
  }
  // And now and then other numbers in the open places, 0 and 1 among them.
  if (below(random, 2) == 0) {
    std::map<std::string, std::int64_t, std::less<>> of_name;
    for (std::size_t i = 0; i < declared.extents.size(); ++i) {
      const Shape& shape = declared.problem.shapes[i];
      for (int axis = 0; axis < shape.rank(); ++axis) {
        std::int64_t& extent = declared.extents[i][static_cast<std::size_t>(axis)];
        if (shape[axis].is_known() || (shape[axis].is_unknown() && below(random, 3) > 0)) continue;
        const std::int64_t other = below(random, 4) == 0 ? extent : below(random, 3);
        if (shape[axis].is_unknown()) {
          extent = other;
        } else {
          extent = of_name.emplace(std::string(shape[axis].name()), other).first->second;
        }
      }
    }
  }
  RC_LOG() << to_command(declared.problem) << " bound to";
  for (const Extents& extents : declared.extents) RC_LOG() << ' ' << to_string(extents);
  return declared;
}

std::optional<Inference> inferred(const Problem& problem) {
  try {
    return infer(problem);
  } catch (const Error& error) {
    RC_LOG() << " refused: " << error.what();
    return {};
  }
}

std::optional<Contraction> bound(const Contraction& c, const std::vector<Extents>& extents,
                                 std::optional<ErrorCode>* code = nullptr) {
  try {
    return batchdot::bind(c, extents);
  } catch (const Error& error) {
    RC_LOG() << " not bound: " << error.what();
    if (code != nullptr) *code = error.code();
    return {};
  }
}

RC_GTEST_PROP(Bind, GivesWhatInferenceFromTheNumbersGives, ()) {
  const Declared declared = random_declared();
  const auto symbolic = inferred(declared.problem);
  RC_PRE(symbolic.has_value());
  const auto now = bound(*symbolic->contraction, declared.extents);
  Problem concrete = declared.problem;
  for (std::size_t i = 0; i < concrete.shapes.size(); ++i)
    concrete.shapes[i] = Shape(declared.extents[i]);
  const auto direct = inferred(concrete);
  RC_PRE(now && direct);
  RC_ASSERT(result_shape(*now) == direct->shape);
  RC_ASSERT(now->inputs.size() == direct->contraction->inputs.size());
  if (now->inputs.size() > 2) return;
  // The same product: as much of each role.
  const auto sizes = [](const Contraction& c) {
    const PairwiseStep step = pairwise_steps(c)[0];
    std::array<std::int64_t, 6> products;
    products.fill(1);
    for (std::size_t label = 0; label < c.extents.size(); ++label) {
      const Role role = role_in(step, static_cast<Label>(label));
      products[static_cast<std::size_t>(role)] *= c.extents[label].extent();
    }
    return products;
  };
  RC_ASSERT(sizes(*now) == sizes(*direct->contraction));
}

RC_GTEST_PROP(Bind, TheDeclaredShapeIsKept, ()) {
  const Declared declared = random_declared();
  const auto symbolic = inferred(declared.problem);
  RC_PRE(symbolic.has_value());
  const auto now = bound(*symbolic->contraction, declared.extents);
  RC_PRE(now.has_value());
  const Shape shape = result_shape(*now);
  RC_ASSERT(shape.rank() == symbolic->shape.rank());
  RC_ASSERT(shape.is_known());
  for (int axis = 0; axis < shape.rank(); ++axis) {
    const Dim& said = symbolic->shape[axis];
    if (said.is_known()) RC_ASSERT(shape[axis] == said);
    if (!said.is_named()) continue;
    for (std::size_t i = 0; i < declared.extents.size(); ++i) {
      const Shape& operand = declared.problem.shapes[i];
      for (int at = 0; at < operand.rank(); ++at) {
        if (operand[at] == said)
          RC_ASSERT(shape[axis] == Dim(declared.extents[i][static_cast<std::size_t>(at)]));
      }
    }
  }
}

// Bound or not: the conditions that were reported decide, and nothing else.
RC_GTEST_PROP(Bind, TheReportedConditionsAreWhatFails, ()) {
  const Declared declared = random_declared();
  const auto symbolic = inferred(declared.problem);
  RC_PRE(symbolic.has_value());
  const auto at = [&](AxisRef ref) {
    return declared
        .extents[static_cast<std::size_t>(ref.operand)][static_cast<std::size_t>(ref.axis)];
  };
  bool holds = true, may_reshape = false;
  for (const Condition& condition : symbolic->contraction->conditions) {
    switch (condition.kind) {
      case ConditionKind::kEqual:
        holds = holds && at(condition.lhs) == at(condition.rhs);
        break;
      case ConditionKind::kOneOrEqual:
        holds = holds && (at(condition.lhs) == at(condition.rhs) || at(condition.lhs) == 1 ||
                          at(condition.rhs) == 1);
        break;
      case ConditionKind::kIsOne:
        holds = holds && at(condition.lhs) == 1;
        break;
      case ConditionKind::kDivides:
        holds = holds && at(condition.lhs) % condition.divisor == 0;
        break;
      case ConditionKind::kReshape:
        may_reshape = true;
        break;
    }
  }
  std::optional<ErrorCode> code;
  const auto now = bound(*symbolic->contraction, declared.extents, &code);
  if (!holds) {
    RC_ASSERT(code == ErrorCode::kCondition);
  } else if (!now) {
    RC_ASSERT(may_reshape);
    RC_ASSERT(code == ErrorCode::kEmptyReshape);
  }
}

}  // namespace
}  // namespace batchdot
