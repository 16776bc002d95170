// SPDX-License-Identifier: Apache-2.0
#pragma once
// What dot decides, as data: the Contraction and which rules it came from.

#include "batchdot/notation.h"
#include "src/notation/releases.h"

namespace batchdot::notation {

/// How a range of releases multiplies in K.dot.
enum class DotForm : std::uint8_t {
  kMatrices,        ///< two operands of rank 2
  kFlattenedKnown,  ///< as kFlattened, but only the first extent of lhs may be unknown
  kFlattened,       ///< both operands become matrices and the product is unfolded
  kNumPy,           ///< numpy.dot: scalars and vectors too
  kScript,          ///< tfjs: as kFlattened, without vectors
};

/// One row of the table of dot.
struct KerasDotRules {
  Releases releases;
  DotForm form;
};

/// dot decided.
struct KerasDotReading {
  const KerasDotRules* rules = nullptr;
  Contraction contraction;
  int lhs_axis = -1, rhs_axis = -1;  ///< contracted; -1 where a scalar multiplies
};

/// \throws Error  as dot.
KerasDotReading read_keras_dot(const Shape& lhs, const Shape& rhs, const Dialect& dialect);

}  // namespace batchdot::notation
