// SPDX-License-Identifier: Apache-2.0
#pragma once
// Integer arithmetic on extents that says when it overflows, and our assertion.

#include <cassert>
#include <cstdint>
#include <optional>

#include "batchdot/error.h"
#include "batchdot/shape.h"

// A macro, so that the condition is not evaluated in release builds and the message shows its text.
#define BATCHDOT_ASSERT(condition) assert(condition)

namespace batchdot {

inline std::optional<std::int64_t> checked_multiply(std::int64_t a, std::int64_t b) {
  std::int64_t result;
  if (__builtin_mul_overflow(a, b, &result)) return std::nullopt;
  return result;
}
inline std::optional<std::int64_t> checked_add(std::int64_t a, std::int64_t b) {
  std::int64_t result;
  if (__builtin_add_overflow(a, b, &result)) return std::nullopt;
  return result;
}

/// The product of the extents, 1 if there is none. A zero anywhere gives 0, whatever the rest.
/// \throws Error  kOverflow  above 2^63 - 1; `function` starts the message.
std::int64_t checked_product(const char* function, std::span<const std::int64_t> extents);

}  // namespace batchdot
