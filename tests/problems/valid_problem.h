// SPDX-License-Identifier: Apache-2.0
#pragma once
// Random problems that fit, of every operation: what mistakes are planted in, and what laws hold
// for.

#include <random>

#include "batchdot/operation.h"

namespace batchdot {

/// A number from 0 to count - 1, the same on every machine.
inline int below(std::mt19937& random, int count) {
  return static_cast<int>(random() % static_cast<unsigned>(count));
}

/// A problem of this operation that infer() takes; all extents known, 2 to 9 or now and then 1.
Problem random_valid_problem(std::mt19937& random, std::string_view operation);

}  // namespace batchdot
