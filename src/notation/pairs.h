// SPDX-License-Identifier: Apache-2.0
#pragma once
// What the notations of two operands share: axes resolved, paired, and turned into a Contraction;
// how they are refused.

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "batchdot/contraction.h"
#include "batchdot/error.h"
#include "batchdot/notation.h"
#include "batchdot/shape.h"

namespace batchdot::notation {

/// Axes of lhs and of rhs that stand for one label, pair by pair; each in range, none twice.
struct AxisPairs {
  std::vector<int> lhs, rhs;
};

constexpr Label kNoLabel = 0xFFFF;  ///< of an axis that has not got its label yet

/// A contraction of these operands whose axes all have kNoLabel.
Contraction unlabelled(const Shape& lhs, const Shape& rhs);
/// Labels the axes of one operand that have kNoLabel still: they are free, the output carries them
/// in turn.
void label_free_axes(Contraction& c, int operand);

/// DotGeneral: out = batch, the free axes of lhs, the free axes of rhs. No extent broadcasts.
/// \throws Error  kBatch, kDim  a pair of extents that differ;  kLimit as check_result_rank.
Contraction contract_pairs(std::string_view function, const Shape& lhs, const Shape& rhs,
                           const AxisPairs& batch, const AxisPairs& contracting);

/// "lhs" or "rhs".
std::string name_of(int operand);
/// "lhs (2, 3), rhs (3, 4)"
std::string both_shapes(const Shape& lhs, const Shape& rhs);

/// \throws Error  `code`, with `why` and the axes as they were given.
[[noreturn]] void refuse_axes(ErrorCode code, std::string_view function, std::string_view why,
                              const Axes& axes);
/// \throws Error  kAxesLen  axes that are not two.
[[noreturn]] void refuse_number_of_axes(std::string_view function, const Shape& lhs,
                                        const Shape& rhs, const Axes& axes);
/// \throws Error  kAxisRange  an axis, as it was given, that the operand does not have.
[[noreturn]] void refuse_range(std::string_view function, int operand, std::int64_t given,
                               const Shape& shape);

/// Makes the extent at `rhs` part of `label`, which so far came from `lhs`; under kMerge or a
/// broadcast. \throws Error  `code` if they cannot be the same, naming both axes, extents and
/// shapes after `what`.
void unify_or_throw(Contraction& c, std::string_view function, ErrorCode code,
                    std::string_view what, Label label, AxisRef lhs, AxisRef rhs, UnifyRule rule);

/// \throws Error  kLimit  operand number `operand` of `count` has more axes than Limits::kRank.
void check_operand_rank(std::string_view function, const Shape& shape, int operand, int count);
/// \throws Error  kLimit  the result has.
void check_result_rank(std::string_view function, const Contraction& c);

}  // namespace batchdot::notation
