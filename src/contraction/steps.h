// SPDX-License-Identifier: Apache-2.0
#pragma once
// Which labels are summed when: a contraction of n operands as products of two.

#include <vector>

#include "batchdot/contraction.h"

namespace batchdot {

/// One product of two: what came out of the operands before, times the next operand.
///
///     result = sum over contracting of (sum over lhs_summed of lhs) * (sum over rhs_summed of rhs)
///
/// Each list has each label once.
struct PairwiseStep {
  Labels lhs, rhs;                             ///< by first appearance
  Labels contracting, lhs_summed, rhs_summed;  ///< in the contracting order
  Labels result;  ///< what the output or a later operand needs: those of lhs, then rhs's own
};

/// The steps of a contraction, left to right. A label is summed in the first step after which
/// nothing needs it. Of one operand alone the only step has no labels of rhs.
/// \pre validate(c)
std::vector<PairwiseStep> pairwise_steps(const Contraction& c);

/// True if nothing is multiplied or summed: one operand, whose elements find other places.
bool only_moves(const Contraction& c);

/// What a label of a step is for; one that neither side has counts as rhs_free.
Role role_in(const PairwiseStep& step, Label label);

}  // namespace batchdot
