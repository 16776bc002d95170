// SPDX-License-Identifier: Apache-2.0
#pragma once
// Axes as kernels take them, and what the forms of a contraction share in their loops.

#include <cstddef>
#include <cstdint>

#include "src/exec/loops.h"
#include "src/kernel/float_mode.h"

namespace batchdot {

inline kernel::FloatMode mode_of(kernel::Arithmetic arithmetic) {
  return arithmetic == kernel::Arithmetic::kBF16 ? kernel::FloatMode::kFlush
                                                 : kernel::FloatMode::kDefault;
}

// An axis as kernels take it: one stride, or offsets in a table.
struct AxisWalk {
  std::int64_t stride = 0;
  const std::int64_t* offsets = nullptr;

  AxisWalk from(std::int64_t index) const {
    return {stride, offsets == nullptr ? nullptr : offsets + index};
  }
  std::int64_t at(std::int64_t index) const {
    return offsets == nullptr ? index * stride : offsets[index];
  }
};

enum class Tensor4 : std::uint8_t { kLhs, kRhs, kOut, kBias };

inline std::int64_t stride_in(const FoldedAxis& axis, Tensor4 tensor) {
  switch (tensor) {
    case Tensor4::kLhs:
      return axis.lhs;
    case Tensor4::kRhs:
      return axis.rhs;
    case Tensor4::kOut:
      return axis.out;
    case Tensor4::kBias:
      return axis.bias;
  }
  return 0;
}

// The offsets of positions first .. first+count-1 along axes; a table only where they do not fold.
inline AxisWalk walk(const FoldedAxes& axes, Tensor4 tensor, std::int64_t first, std::int64_t count,
                     std::byte* table) {
  if (axes.empty()) return {};
  if (axes.size() == 1) return {stride_in(axes[0], tensor), nullptr};
  auto* offsets = reinterpret_cast<std::int64_t*>(table);
  Odometer at(axes, first);
  for (std::int64_t i = 0; i < count; ++i, at.next()) {
    offsets[i] = tensor == Tensor4::kLhs   ? at.lhs
                 : tensor == Tensor4::kRhs ? at.rhs
                 : tensor == Tensor4::kOut ? at.out
                                           : at.bias;
  }
  return {0, offsets};
}

// With one stride, position `first` is an offset of the base; with a table it is in the table.
inline std::int64_t base_of(const FoldedAxes& axes, Tensor4 tensor, std::int64_t first) {
  return axes.size() == 1 ? first * stride_in(axes[0], tensor) : 0;
}

// Cuts `count` into ceil(count / most) parts of nearly equal size.
struct EvenSplit {
  std::int64_t parts, size, larger;  // the first `larger` parts have size + 1
  EvenSplit(std::int64_t count, std::int64_t most)
      : parts((count + most - 1) / most),
        size(parts == 0 ? 0 : count / parts),
        larger(parts == 0 ? 0 : count % parts) {}
  std::int64_t part(std::int64_t i) const { return size + (i < larger ? 1 : 0); }
};

}  // namespace batchdot
