// SPDX-License-Identifier: Apache-2.0
#pragma once
// Where a negative axis points.

#include <cstdint>
#include <optional>

namespace batchdot {

/// The axis counted from the front; a negative one counts from the end, once. Nothing if there is
/// no such axis.
constexpr std::optional<int> axis_from_front(std::int64_t axis, int rank) {
  if (axis < -rank || axis >= rank) return std::nullopt;
  return static_cast<int>(axis < 0 ? axis + rank : axis);
}

}  // namespace batchdot
