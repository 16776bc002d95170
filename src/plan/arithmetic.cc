// SPDX-License-Identifier: Apache-2.0
// What operands of two dtypes are multiplied in, and what their sums are kept in.

#include "src/plan/plan.h"

namespace batchdot {

using kernel::Arithmetic;

std::optional<Arithmetic> arithmetic_of(DType lhs, DType rhs) {
  const auto is_narrow_float = [](DType d) {
    return d == DType(F32{}) || d == DType(F16{}) || d == DType(BF16{});
  };
  const auto is_narrow_integer = [](DType d) { return d == DType(I32{}) || d == DType(I8{}); };
  if (lhs == DType(BF16{}) && rhs == lhs) return Arithmetic::kBF16;
  if (is_narrow_float(lhs) && is_narrow_float(rhs)) return Arithmetic::kF32;
  if (lhs == DType(I8{}) && rhs == lhs) return Arithmetic::kI8;
  if (is_narrow_integer(lhs) && is_narrow_integer(rhs)) return Arithmetic::kI32;
  if (!(lhs == rhs)) return std::nullopt;
  if (lhs == DType(F64{})) return Arithmetic::kF64;
  if (lhs == DType(C64{})) return Arithmetic::kC64;
  if (lhs == DType(C128{})) return Arithmetic::kC128;
  if (lhs == DType(I64{})) return Arithmetic::kI64;
  return std::nullopt;
}

DType accumulator_of(Arithmetic arithmetic) {
  switch (arithmetic) {
    case Arithmetic::kF32:
    case Arithmetic::kBF16:
      return F32{};
    case Arithmetic::kF64:
      return F64{};
    case Arithmetic::kC64:
      return C64{};
    case Arithmetic::kC128:
      return C128{};
    case Arithmetic::kI32:
    case Arithmetic::kI8:
      return I32{};
    case Arithmetic::kI64:
      return I64{};
  }
  return F32{};
}

}  // namespace batchdot
