// SPDX-License-Identifier: Apache-2.0
#pragma once
// A contraction said in the words of other libraries.

#include <vector>

#include "batchdot/contraction.h"
#include "batchdot/explain.h"

namespace batchdot {

/// How an axis may differ from the extent of its label.
enum class Stretch : std::uint8_t {
  kNever,   ///< it has the extent of its label
  kAlways,  ///< its extent is 1 and stretches
  kMaybe,   ///< not known before run time
};
Stretch stretch_of(const Contraction& c, AxisRef ref);

/// Expressions over `lhs` and `rhs` (of one operand: `operand`; of more: `operands[0]`, ...) that
/// give the same shape and, but for rounding, the same values, for all extents that `c` allows.
/// Those of the library "batchdot" are what follows `batchdot run` before the files.
std::vector<EquivalentFact> equivalents_of(const Contraction& c);

}  // namespace batchdot
