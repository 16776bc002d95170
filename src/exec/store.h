// SPDX-License-Identifier: Apache-2.0
#pragma once
// From sums to stored elements: scaling, bias, conversion, each one rounding.

#include <cstddef>
#include <cstdint>

#include "src/plan/plan.h"

namespace batchdot {

/// A block of sums on its way to the result. An axis is one stride, or a list of offsets.
struct StoreCall {
  const void* sums;
  std::int64_t sum_row;    ///< panel elements between rows; complex: between re planes
  std::int64_t sum_plane;  ///< complex: from re to im
  std::int64_t rows, columns;
  std::byte* out;
  std::int64_t out_row, out_column;
  const std::int64_t* out_rows;     ///< instead of out_row, if not null
  const std::int64_t* out_columns;  ///< instead of out_column, if not null
  const std::byte* bias;            ///< null: none
  std::int64_t bias_row, bias_column;
  const std::int64_t* bias_rows;
  const std::int64_t* bias_columns;
  double alpha, beta;
};

/// Stores the block.
void store(kernel::Arithmetic arithmetic, DType out_dtype, const StoreCall& call);

}  // namespace batchdot
