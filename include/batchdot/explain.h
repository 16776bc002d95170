// SPDX-License-Identifier: Apache-2.0
#pragma once
// An explanation as data, and its renderings. The rooms that decide fill it; the explain room draws
// it.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "batchdot/contraction.h"
#include "batchdot/error.h"
#include "batchdot/export.h"
#include "batchdot/plan.h"
#include "batchdot/shape.h"

namespace batchdot::inline v0 {

/// One axis of an operand.
struct OperandAxisFact {
  std::string label;
  std::string role;  ///< "batch", "contracting", "lhs_free", "rhs_free", "lhs_summed", "rhs_summed"
  Dim extent;
};
/// One axis of the result: where it comes from, and why it is there.
struct OutputAxisFact {
  std::string label;
  std::string role;
  Dim extent;
  std::vector<AxisRef> from;  ///< empty: added
  std::string why;
};
/// A condition in words, with the axes it is about.
struct ConditionFact {
  std::string text;  ///< "lhs axis 2 = rhs axis 1"
  Condition condition;
};
/// The same thing said elsewhere: {"numpy", "np.einsum('bij,bjk->bik', lhs, rhs)"}.
struct EquivalentFact {
  std::string library;
  std::string code;
};
/// What another dialect would give for the same call.
struct DialectFact {
  std::string dialect;
  std::optional<Shape> shape;  ///< none: it refuses
  std::string error_code, message;
  bool differs = false;  ///< from the dialect asked for
  /// Of the same shape and yet another computation: which one.
  std::string computation = {};
};

struct Explanation {
  std::string operation;
  std::string dialect;  ///< empty where the operation has none
  Shape shape;
  std::optional<Shape> reported_shape;
  std::string equation;
  std::vector<Shape> operand_shapes;
  std::vector<std::vector<OperandAxisFact>> operands;
  std::vector<bool> conjugate;  ///< conjugate[operand]: its conjugate is multiplied
  std::vector<OutputAxisFact> output;
  std::vector<std::string> summed_order;  ///< labels summed over, in order
  std::vector<ConditionFact> conditions;
  std::vector<EquivalentFact> equivalents;
  std::vector<DialectFact> dialects;
  std::vector<std::string> notes;
  std::string dtype;                         ///< what is computed in
  std::string result_dtype;                  ///< what the result is stored as
  std::optional<std::int64_t> flops, bytes;  ///< where every extent is known
  std::optional<PlanFacts> plan;
};

/// The facts of a contraction: roles, output axes with reasons, conditions, equation, equivalents.
BATCHDOT_API Explanation explain(const Contraction& c);

BATCHDOT_API std::string to_text(const Explanation& explanation);
BATCHDOT_API std::string to_text(const PlanFacts& facts);
/// One JSON document without line breaks.
BATCHDOT_API std::string to_json(const Explanation& explanation);
/// {"error": {...}}; `line` is that of --lines, `fix_text` and `fix_problem` (JSON) may be empty.
BATCHDOT_API std::string to_json(const Error& error, std::optional<std::int64_t> line = {},
                                 std::string_view fix_text = {}, std::string_view fix_problem = {});
/// [null, 36, "B"]
BATCHDOT_API std::string to_json(const Shape& shape);

}  // namespace batchdot::inline v0
