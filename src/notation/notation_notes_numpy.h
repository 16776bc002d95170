// SPDX-License-Identifier: Apache-2.0
#pragma once
// Why the result of a NumPy-like notation has its shape, in sentences, from the code that decides
// it.

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "batchdot/notation.h"
#include "batchdot/shape.h"

namespace batchdot::notation {

/// One to four sentences each. \throws Error  what the notation of the same arguments throws.
std::vector<std::string> einsum_notes(std::string_view equation, std::span<const Shape> operands);
std::vector<std::string> matmul_notes(const Shape& lhs, const Shape& rhs,
                                      const MatmulFlags& flags = {});
std::vector<std::string> tensordot_notes(const Shape& lhs, const Shape& rhs,
                                         std::span<const std::int64_t> lhs_axes,
                                         std::span<const std::int64_t> rhs_axes);
std::vector<std::string> tensordot_notes(const Shape& lhs, const Shape& rhs, int count);
std::vector<std::string> dot_general_notes(const Shape& lhs, const Shape& rhs,
                                           const DotDimensionNumbers& numbers);

}  // namespace batchdot::notation
