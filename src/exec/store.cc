// SPDX-License-Identifier: Apache-2.0
#include "src/exec/store.h"

#include <algorithm>

namespace batchdot {

namespace {

// A run of positions that each tensor goes through with one stride.
struct Run {
  std::int64_t first, count;
  std::int64_t step(const AxisWalk& walk) const {
    return count > 1 ? walk.step(first) : walk.offsets == nullptr ? walk.stride : 0;
  }
};

template <class Visit>
void for_each_run(const AxisWalk& out, const StoreSide& scale, const AxisWalk& along_scale,
                  const StoreSide& bias, const AxisWalk& along_bias, std::int64_t first,
                  std::int64_t last, const Visit& visit) {
  while (first < last) {
    std::int64_t run = out.run(first, last);
    if (scale.data != nullptr) run = std::min(run, along_scale.run(first, last));
    if (bias.data != nullptr) run = std::min(run, along_bias.run(first, last));
    visit(Run{first, run});
    first += run;
  }
}

kernel::StoreOperand operand_of(const StoreSide& side, DType dtype, const Run& rows,
                                const Run& columns) {
  if (side.data == nullptr) return {};
  const std::int64_t offset = side.rows.at(rows.first) + side.columns.at(columns.first);
  return {side.data + offset * element_bytes(dtype), rows.step(side.rows),
          columns.step(side.columns)};
}

StoreSide place_side(const std::byte* base, DType dtype, Side side, std::int64_t offset,
                     const BlockAxis& rows, const BlockAxis& columns) {
  if (base == nullptr) return {};
  offset += base_of(rows.axes, side, rows.first) + base_of(columns.axes, side, columns.first);
  return {base + offset * element_bytes(dtype),
          walk(rows.axes, side, rows.first, rows.count, rows.table),
          walk(columns.axes, side, columns.first, columns.count, columns.table)};
}

}  // namespace

StoreSide scale_of(const ContractStep& step, const StepMemory& memory, std::int64_t offset,
                   const BlockAxis& rows, const BlockAxis& columns) {
  return place_side(memory.scale, step.finish.scale_dtype, Side::kScale, offset, rows, columns);
}

StoreSide bias_of(const ContractStep& step, const StepMemory& memory, std::int64_t offset,
                  const BlockAxis& rows, const BlockAxis& columns) {
  return place_side(memory.bias, step.finish.bias_dtype, Side::kBias, offset, rows, columns);
}

void store(const ContractStep& step, const StoreBlock& block) {
  const Finish& finish = step.finish;
  const kernel::StoreFunction store_block = step.kernels->store[step.out_dtype.index()];
  const std::int64_t out_bytes = element_bytes(step.out_dtype);
  // Of complex sums a panel element is a pair, and lies as re and im apart.
  const auto sum_bytes =
      static_cast<std::int64_t>(step.kernels->panel_bytes) / (step.out_dtype.is_complex() ? 2 : 1);
  kernel::StoreCall call{};
  call.sum_row = block.sum_row;
  call.sum_plane = block.sum_plane;
  call.alpha = finish.alpha;
  call.beta = finish.beta;
  call.activation = finish.activation;
  call.streams = block.streams;
  const auto store_runs = [&](const Run& rows, const Run& columns) {
    call.rows = rows.count;
    call.columns = columns.count;
    call.sums = static_cast<const std::byte*>(block.sums) +
                ((rows.first - block.first_row) * block.sum_row + columns.first) * sum_bytes;
    call.out = block.out +
               (block.out_rows.at(rows.first) + block.out_columns.at(columns.first)) * out_bytes;
    call.out_row = rows.step(block.out_rows);
    call.out_column = columns.step(block.out_columns);
    call.scale = operand_of(block.scale, finish.scale_dtype, rows, columns);
    call.bias = operand_of(block.bias, finish.bias_dtype, rows, columns);
    store_block(call);
  };
  for_each_run(block.out_columns, block.scale, block.scale.columns, block.bias, block.bias.columns,
               0, block.columns, [&](const Run& columns) {
                 for_each_run(block.out_rows, block.scale, block.scale.rows, block.bias,
                              block.bias.rows, block.first_row, block.first_row + block.rows,
                              [&](const Run& rows) { store_runs(rows, columns); });
               });
}

}  // namespace batchdot
