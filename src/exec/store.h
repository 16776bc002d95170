// SPDX-License-Identifier: Apache-2.0
#pragma once
// From sums to stored elements: where a block of the result, its scale and its bias lie. The steps
// are the kernel's.

#include <cstddef>
#include <cstdint>

#include "src/exec/walk.h"
#include "src/plan/plan.h"

namespace batchdot {

/// Scale or bias, as a block of the result meets it.
struct StoreSide {
  const std::byte* data = nullptr;  ///< null: none
  AxisWalk rows, columns;
};

/// A block of sums on its way to the result.
struct StoreBlock {
  const void* sums;        ///< of first_row and the rows after it
  std::int64_t sum_row;    ///< in reals, from one row of sums to the next
  std::int64_t sum_plane;  ///< complex: in reals, from re to im
  std::int64_t first_row;  ///< where the walks of rows begin
  std::int64_t rows, columns;
  bool streams;  ///< StoreCall::streams
  std::byte* out;
  AxisWalk out_rows, out_columns;
  StoreSide scale, bias;
};

/// Rows or columns of a block, with the table for their offsets where they are not one stride.
struct BlockAxis {
  const FoldedAxes& axes;
  std::int64_t first, count;
  std::byte* table;
};

/// The parts of scale and bias that a block meets; `offset` is that of its batch item, in elements.
/// None where the step has none.
StoreSide scale_of(const ContractStep& step, const StepMemory& memory, std::int64_t offset,
                   const BlockAxis& rows, const BlockAxis& columns);
StoreSide bias_of(const ContractStep& step, const StepMemory& memory, std::int64_t offset,
                  const BlockAxis& rows, const BlockAxis& columns);

/// Stores the block, finished as the step says.
void store(const ContractStep& step, const StoreBlock& block);

}  // namespace batchdot
