// SPDX-License-Identifier: Apache-2.0
#pragma once
// Why the result of a Keras notation has its shape in a dialect, in sentences, from what decides
// it.

#include <string>
#include <vector>

#include "batchdot/notation.h"
#include "batchdot/shape.h"

namespace batchdot::notation {

/// Two to six sentences each. \throws Error  what the notation of the same arguments throws.
std::vector<std::string> batch_dot_notes(const Shape& lhs, const Shape& rhs, const Axes& axes,
                                         const Dialect& dialect);
std::vector<std::string> dot_layer_notes(const Shape& lhs, const Shape& rhs, const Axes& axes,
                                         bool normalize, const Dialect& dialect);
std::vector<std::string> dot_notes(const Shape& lhs, const Shape& rhs, const Dialect& dialect);

}  // namespace batchdot::notation
