// SPDX-License-Identifier: Apache-2.0
#pragma once
// What softmax and normalizing take: the one check for whoever infers a shape and whoever plans.

#include <cstdint>

#include "batchdot/dtype.h"
#include "batchdot/shape.h"

namespace batchdot {

/// The axis of a softmax over an operand of this shape, counted from the front.
/// \throws Error  kRank  a scalar;  kAxisRange  the operand does not have it.
int softmax_axis(const Shape& shape, std::int64_t axis);

/// \throws Error  kDType  not a real floating type.
void check_softmax_dtype(DType dtype);

/// Of what a Dot layer normalizes in. \throws Error  kDType  not a real floating type.
void check_normalize_dtype(DType dtype);

}  // namespace batchdot
