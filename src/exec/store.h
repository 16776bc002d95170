// SPDX-License-Identifier: Apache-2.0
#pragma once
// From sums to stored elements: scaling, bias, conversion, each one rounding.

#include <cstddef>
#include <cstdint>

#include "src/exec/walk.h"
#include "src/plan/plan.h"

namespace batchdot {

/// A block of sums on its way to the result.
struct StoreCall {
  const void* sums;
  std::int64_t sum_row;    ///< panel elements between rows; complex: between re planes
  std::int64_t sum_plane;  ///< complex: from re to im
  std::int64_t rows, columns;
  std::byte* out;
  AxisWalk out_rows, out_columns;
  const std::byte* bias;  ///< null: none
  AxisWalk bias_rows, bias_columns;
};

/// Stores the block, scaled as the step says.
void store(const ContractStep& step, const StoreCall& call);

}  // namespace batchdot
