// SPDX-License-Identifier: Apache-2.0
#include "src/exec/store.h"

#include <algorithm>
#include <complex>

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

// Calls of the store whose scale or bias runs along columns with other strides than 0 and 1, some
// rows and columns at a time, before which those are put as they meet the sums.
class StoreAcross {
 public:
  StoreAcross(const ContractStep& step, std::int64_t sum_bytes)
      : kernels_(*step.kernels),
        store_(kernels_.store[step.out_dtype.index()]),
        sum_bytes_(sum_bytes),
        out_bytes_(element_bytes(step.out_dtype)),
        scale_dtype_(step.finish.scale_dtype),
        bias_dtype_(step.finish.bias_dtype) {}

  static bool is_across(const kernel::StoreOperand& operand) {
    return operand.data != nullptr && operand.column != 0 && operand.column != 1;
  }

  void run(const kernel::StoreCall& whole) const {
    kernel::StoreCall call = whole;
    alignas(64) std::byte scale[kBytes], bias[kBytes];
    for (std::int64_t row = 0; row < whole.rows; row += kRows) {
      call.rows = std::min(kRows, whole.rows - row);
      for (std::int64_t column = 0; column < whole.columns; column += kColumns) {
        call.columns = std::min(kColumns, whole.columns - column);
        call.sums =
            static_cast<const std::byte*>(whole.sums) + (row * whole.sum_row + column) * sum_bytes_;
        call.out = static_cast<std::byte*>(whole.out) +
                   (row * whole.out_row + column * whole.out_column) * out_bytes_;
        call.scale = part(whole.scale, scale_dtype_, row, column, call, scale);
        call.bias = part(whole.bias, bias_dtype_, row, column, call, bias);
        store_(call);
      }
    }
  }

 private:
  static constexpr std::int64_t kRows = 16, kColumns = 64;
  static constexpr std::size_t kBytes = kRows * kColumns * sizeof(std::complex<double>);

  kernel::StoreOperand part(const kernel::StoreOperand& operand, DType dtype, std::int64_t row,
                            std::int64_t column, const kernel::StoreCall& call,
                            std::byte* laid_out) const {
    if (operand.data == nullptr) return operand;
    const void* from = static_cast<const std::byte*>(operand.data) +
                       (row * operand.row + column * operand.column) * element_bytes(dtype);
    if (!is_across(operand)) return {from, operand.row, operand.column};
    const std::int64_t rows = operand.row == 0 ? 1 : call.rows;
    lay_out(from, operand, dtype, rows, call.columns, laid_out);
    return {laid_out, operand.row == 0 ? 0 : call.columns, 1};
  }

  void lay_out(const void* from, const kernel::StoreOperand& operand, DType dtype,
               std::int64_t rows, std::int64_t columns, std::byte* to) const {
    if (const auto transpose = kernels_.transpose[dtype.index()]; transpose != nullptr) {
      kernel::PackCall call{};
      call.source = from;
      call.row_stride = operand.column;
      call.k_stride = operand.row;
      call.rows = call.padded = call.width = static_cast<int>(columns);
      call.K = rows;
      call.panel = to;
      call.asked = true;
      return transpose(call);
    }
    dtype.visit([&](auto record) {  // real factors of complex numbers
      using Element = typename decltype(record)::Element;
      for (std::int64_t i = 0; i < rows; ++i) {
        for (std::int64_t j = 0; j < columns; ++j) {
          reinterpret_cast<Element*>(to)[i * columns + j] =
              static_cast<const Element*>(from)[i * operand.row + j * operand.column];
        }
      }
    });
  }

  const kernel::ArithmeticKernels& kernels_;
  kernel::StoreFunction store_;
  std::int64_t sum_bytes_, out_bytes_;
  DType scale_dtype_, bias_dtype_;
};

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
    if (StoreAcross::is_across(call.scale) || StoreAcross::is_across(call.bias)) {
      return StoreAcross(step, sum_bytes).run(call);
    }
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
