// SPDX-License-Identifier: Apache-2.0
#pragma once
// The normal form: every notation becomes one, every plan starts from one.

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "batchdot/error.h"
#include "batchdot/export.h"
#include "batchdot/shape.h"

namespace batchdot::inline v0 {

using Label = std::uint16_t;  ///< Names an index. A number, so einsum's 52 letters are no limit.
using Labels = ShortList<Label, 12>;

/// An axis of an operand.
struct AxisRef {
  int operand = 0;
  int axis = 0;
  friend bool operator==(AxisRef, AxisRef) = default;
};

/// What unknown extents must satisfy at run time, and who says so.
struct Condition {
  ConditionKind kind = ConditionKind::kEqual;
  AxisRef lhs;
  AxisRef rhs;               ///< kEqual, kOneOrEqual
  std::int64_t divisor = 1;  ///< kDivides
  /// kReshape: free axes of lhs.operand become one by a reshape to (kept..., -1), and TensorFlow
  /// leaves zeros out when it infers the -1. Fails exactly where a label of `kept` (contracted) has
  /// extent 0, a label of `flattened` (free, flattened) has extent 0, and no label of `others` (all
  /// else in the output) has: then the product has elements and what it is reshaped to has none.
  Labels kept, flattened;
  Labels others = {};
};

/// One operand of a contraction.
struct Input {
  Shape shape;                      ///< as declared; unknown dims stay unknown here
  Labels labels;                    ///< labels[axis]; a label that stands twice takes the diagonal
  std::vector<bool> may_broadcast;  ///< may_broadcast[axis]: extent 1 stretches; empty: none may
  bool conjugate = false;           ///< complex: the conjugate is multiplied
};

/// The normal form.
///
///     out[output] = sum over contracting_order of  in_0[inputs[0].labels] * in_1[inputs[1].labels]
///     * ...
///
/// Plain data: anyone may read it, validate() says whether it makes sense.
struct Contraction {
  std::vector<Input> inputs;
  Labels output;                      ///< output[axis]: the label of that axis of the result
  Labels contracting_order;           ///< the order in which summed labels run: part of the meaning
  std::vector<Dim> extents;           ///< extents[label]: shared by every axis with that label
  std::vector<Condition> conditions;  ///< what must hold at run time
  std::vector<std::string> names;     ///< names[label], for people; empty: labels get letters
};

/// What a label is for between two operands. Every label has exactly one role.
///
///     role          in lhs  in rhs  in output   becomes
///     batch           x       x        x        the loop around the matrix product
///     contracting     x       x                 K
///     lhs_free        x                x        M
///     rhs_free                x        x        N
///     lhs_summed      x                         summed away while lhs is read
///     rhs_summed              x                 summed away while rhs is read
///
/// A label in the output alone has extent 1 and counts as rhs_free.
/// Terms: XLA DotGeneral (batch, contracting; free is what remains).
enum class Role : std::uint8_t { kBatch, kContracting, kLhsFree, kRhsFree, kLhsSummed, kRhsSummed };
/// "batch", "contracting", "lhs_free", ...
BATCHDOT_API std::string_view name(Role role);

/// \throws Error  kLabel  a label has no extent, stands twice in the output, or is in no input
///                        and has an extent other than 1;
///                kLimit  over Limits::kOperands or kLabels.
BATCHDOT_API void validate(const Contraction& c);

/// Every summed label by first appearance: inputs left to right, axes ascending.
BATCHDOT_API Labels default_contracting_order(const Contraction& c);

/// A new label of this extent.
BATCHDOT_API Label add_label(Contraction& c, Dim extent, std::string name = {});
/// Adds a label of this extent at the end of the output and returns it.
BATCHDOT_API Label add_output_label(Contraction& c, Dim extent, std::string name = {});

/// Makes `rhs`'s dim part of the extent of `label`, which so far came from `lhs`; records a
/// condition where one is left open. Under a broadcasting rule both axes are marked as such that
/// may be 1. \return  false if the two can never fit (nothing is changed then).
BATCHDOT_API bool unify_label(Contraction& c, Label label, AxisRef lhs, AxisRef rhs,
                              UnifyRule rule);

/// The shape of the result: the extents of c.output. The one place that infers a shape.
/// \throws Error  kLabel  the output has a label without an extent.
BATCHDOT_API Shape result_shape(const Contraction& c);

/// The names of all labels: c.names where given, else letters a, b, ... in the order of appearance.
/// \throws Error  as validate().
BATCHDOT_API std::vector<std::string> label_names(const Contraction& c);

/// The contraction as an einsum equation: "bij,bjk->bik". \throws Error  as validate().
BATCHDOT_API std::string to_equation(const Contraction& c);

/// The contraction for these extents: every unknown dim replaced, every condition checked. Made
/// from the declared contraction, never by a new inference: an axis that did not broadcast when it
/// was declared does not broadcast now because it turned out to be 1. \throws Error  kFeed  number
/// of operands, rank, or a declared extent differs;
///                kCondition  a condition fails, or one name gets two extents; names both sides;
///                kEmptyReshape  a condition of kReshape fails.
BATCHDOT_API Contraction bind(const Contraction& c, std::span<const Extents> operands);

}  // namespace batchdot::inline v0
