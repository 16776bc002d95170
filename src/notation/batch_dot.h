// SPDX-License-Identifier: Apache-2.0
#pragma once
// What batch_dot decides, as data: the Contraction and why it is that one. The notes are told from
// it.

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "batchdot/notation.h"
#include "src/notation/releases.h"

namespace batchdot::notation {

/// What axes=None means where two matrices are multiplied.
enum class NoAxes : std::uint8_t {
  kPlainProduct,            ///< last of lhs, last but one of rhs
  kPlainProductAboveRank2,  ///< the same, but two operands of rank 2 are refused
  kPair,  ///< [rank of lhs - 1, rank of rhs - 2], before anything else is looked at
};

/// One row of the table of batch_dot: the rules of a range of releases.
struct BatchDotRules {
  Releases releases;
  bool per_sample = false;  ///< family B; else A, a matrix product over the last two axes
  // Family A.
  bool takes_lists = false;  ///< axes are a pair of lists, of which the first entries count
  NoAxes no_axes = NoAxes::kPair;
  bool multiplies_rank_2 = true;  ///< rank 2 by rank 2 is an elementwise product, then a sum
  bool appends_ones = true;       ///< unequal ranks: ones are appended, and squeezed afterwards
  bool refuses_nested = false;    ///< a list among the axes
  bool broadcasts = false;        ///< leading axes of 1 stretch
  bool conjugates = true;         ///< a transposed complex operand is conjugated
  bool takes_complex = true;
  bool is_script = false;  ///< JavaScript: a missing axis is no error, two lists never equal
  int max_rank = Limits::kRank;
  // Family B.
  UnifyRule batch = UnifyRule::kBroadcast;
  bool infers_reshape = false;  ///< several free axes become one through a reshape to -1
};

/// How family A reads one operand.
struct OperandReading {
  std::optional<Axes::Entry> named;  ///< the axis that was asked for
  int contracted = 0;  ///< the axis that is contracted; at or above the rank: appended
  bool transposed = false;
};

/// batch_dot decided.
struct BatchDotReading {
  enum class Path : std::uint8_t { kMatrixProduct, kElementwise, kPerSample };

  const BatchDotRules* rules = nullptr;
  Path path = Path::kPerSample;
  Contraction contraction;
  OperandReading lhs, rhs;
  int rank = 0;               ///< family A: of both operands, appended ones included
  std::vector<int> summed;    ///< kElementwise: positions of the product that are summed
  std::vector<int> squeezed;  ///< positions of the product that are dropped
  bool added_axis = false;    ///< an axis of 1 was put at the end
};

/// \throws Error  as batch_dot; the message starts with `function`.
BatchDotReading read_batch_dot(std::string_view function, const Shape& lhs, const Shape& rhs,
                               const Axes& axes, const Dialect& dialect);

/// The row of the table for this dialect.
const BatchDotRules& batch_dot_rules(const Dialect& dialect);

/// False only where read_batch_dot() refuses: because the two axes that it would contract, or those
/// before them, do not fit. Says so without an exception and without words, for who tries many
/// calls.
bool may_fit(const Shape& lhs, const Shape& rhs, const Axes& axes, const Dialect& dialect);

/// Family A: the axis of an operand that is contracted. It is the last one if that was named.
inline int contracted_axis(int rank, bool last_is_named) {
  return last_is_named ? rank - 1 : rank - 2;
}

/// Family A: fills all of `reading` but `rules`. `reading.rules` is set.
void read_matrix_product(BatchDotReading& reading, std::string_view function, const Shape& lhs,
                         const Shape& rhs, const Axes& axes, const Dialect& dialect);

/// True where the extent is 0, or may turn out to be.
inline bool may_be_zero(const Dim& dim) { return !dim.is_known() || dim.extent() == 0; }

/// The rule without its mark on the operands where the two dims are one already: nothing stretches.
UnifyRule rule_between(const Dim& lhs, const Dim& rhs, UnifyRule rule);

}  // namespace batchdot::notation
