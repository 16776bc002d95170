// SPDX-License-Identifier: Apache-2.0
#pragma once
// The conditions of a contraction as a row of a table says them.

#include <string>

#include "batchdot/contraction.h"

namespace batchdot {

/// "equal 0.2 1.0, one_or_equal 0.0 1.0": operand.axis of both sides, in the order of c.conditions.
inline std::string conditions_of(const Contraction& c) {
  const auto axis = [](AxisRef ref) {
    return " " + std::to_string(ref.operand) + "." + std::to_string(ref.axis);
  };
  std::string out;
  for (const Condition& condition : c.conditions) {
    if (!out.empty()) out += ", ";
    switch (condition.kind) {
      case ConditionKind::kEqual:
        out += "equal" + axis(condition.lhs) + axis(condition.rhs);
        break;
      case ConditionKind::kOneOrEqual:
        out += "one_or_equal" + axis(condition.lhs) + axis(condition.rhs);
        break;
      case ConditionKind::kIsOne:
        out += "is_one" + axis(condition.lhs);
        break;
      case ConditionKind::kDivides:
        out += "divides " + std::to_string(condition.divisor) + axis(condition.lhs);
        break;
      case ConditionKind::kReshape:
        out += "reshape" + axis(condition.lhs);
        break;
    }
  }
  return out;
}

}  // namespace batchdot
