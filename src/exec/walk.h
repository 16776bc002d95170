// SPDX-License-Identifier: Apache-2.0
#pragma once
// Axes as kernels take them, and what the forms of a contraction share in their loops.

#include <cstddef>
#include <cstdint>

#include "src/exec/loops.h"
#include "src/kernel/float_mode.h"

namespace batchdot {

inline std::int64_t element_bytes(DType dtype) {
  return static_cast<std::int64_t>(dtype.size_bytes());
}

// Where the operands and the result of a step lie; null: there is none.
struct StepMemory {
  const std::byte* lhs;
  const std::byte* rhs;
  std::byte* out;
  const std::byte* scale;
  const std::byte* bias;

  StepMemory(const ContractStep& step, const TaskContext& task)
      : lhs(address_of(step.lhs, step.lhs_dtype, task)),
        rhs(address_of(step.rhs, step.rhs_dtype, task)),
        out(address_of(step.out, step.out_dtype, task)),
        scale(address_of(step.finish.scale, step.finish.scale_dtype, task)),
        bias(address_of(step.finish.bias, step.finish.bias_dtype, task)) {}
};

inline kernel::FloatMode mode_of(kernel::Arithmetic arithmetic) {
  return arithmetic == kernel::Arithmetic::kBF16 ? kernel::FloatMode::kFlush
                                                 : kernel::FloatMode::kDefault;
}

// An axis as kernels take it: one stride, or offsets in a table.
struct AxisWalk {
  std::int64_t stride = 0;
  const std::int64_t* offsets = nullptr;

  std::int64_t at(std::int64_t index) const {
    return offsets == nullptr ? index * stride : offsets[index];
  }
  // How many positions from `first` on, up to `last`, follow each other with one stride.
  std::int64_t run(std::int64_t first, std::int64_t last) const {
    if (offsets == nullptr || last - first < 3) return offsets == nullptr ? last - first : 1;
    const std::int64_t step = offsets[first + 1] - offsets[first];
    std::int64_t end = first + 2;
    while (end < last && offsets[end] - offsets[end - 1] == step) ++end;
    return end - first;
  }
  // The same from position `first` on. With one stride, that is for the base to say.
  AxisWalk from(std::int64_t first) const {
    return {stride, offsets == nullptr ? nullptr : offsets + first};
  }
  std::int64_t step(std::int64_t first) const {
    return offsets == nullptr ? stride : offsets[first + 1] - offsets[first];
  }
};

// The offsets of positions first .. first+count-1 along axes, in one tensor; a table only where the
// axes are not one there.
inline AxisWalk walk(const FoldedAxes& axes, Side side, std::int64_t first, std::int64_t count,
                     std::byte* table) {
  if (const auto stride = one_stride(axes, side)) return {*stride, nullptr};
  auto* offsets = reinterpret_cast<std::int64_t*>(table);
  Odometer at(axes, first);
  for (std::int64_t i = 0; i < count; ++i, at.next()) {
    offsets[i] = side == Side::kLhs    ? at.lhs
                 : side == Side::kRhs  ? at.rhs
                 : side == Side::kOut  ? at.out
                 : side == Side::kBias ? at.bias
                                       : at.scale;
  }
  return {0, offsets};
}

// With one stride, position `first` is an offset of the base; with a table it is in the table.
inline std::int64_t base_of(const FoldedAxes& axes, Side side, std::int64_t first) {
  const auto stride = one_stride(axes, side);
  return stride ? first * *stride : 0;
}

// Cuts `count` into ceil(count / most) parts of nearly equal size.
struct EvenSplit {
  std::int64_t parts, size, larger;  // the first `larger` parts have size + 1
  EvenSplit(std::int64_t count, std::int64_t most)
      : parts((count + most - 1) / most),
        size(parts == 0 ? 0 : count / parts),
        larger(parts == 0 ? 0 : count % parts) {}
  std::int64_t part(std::int64_t i) const { return size + (i < larger ? 1 : 0); }
  std::int64_t begin(std::int64_t i) const { return i * size + (i < larger ? i : larger); }
  // How many parts from i on, up to `end`, have the same size.
  std::int64_t run(std::int64_t i, std::int64_t end) const {
    return i < larger && larger < end ? larger - i : end - i;
  }
};

}  // namespace batchdot
