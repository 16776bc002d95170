// SPDX-License-Identifier: Apache-2.0
#pragma once
// A view of any strides, read in the order in which files keep arrays.

#include <cstddef>
#include <cstdint>

#include "batchdot/tensor.h"

namespace batchdot {

/// Copies the elements first .. first + count - 1 of a view, counted with the last axis fastest.
/// \param out  count elements. \pre they exist, and the view's memory can be read.
void copy_row_major(const TensorView& view, std::int64_t first, std::int64_t count, std::byte* out);

/// True if the elements lie in memory in that order, with no gap.
bool is_row_major(const Layout& layout);

}  // namespace batchdot
