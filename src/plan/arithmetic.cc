// SPDX-License-Identifier: Apache-2.0
// What operands of two dtypes are multiplied in, and what their sums are kept in.

#include "src/plan/plan.h"

namespace batchdot {

using kernel::Arithmetic;

bool is_narrow_float(DType dtype) { return dtype == DType(F16{}) || dtype == DType(BF16{}); }

bool is_integer(DType dtype) {
  return dtype == DType(I8{}) || dtype == DType(I32{}) || dtype == DType(I64{});
}

DType real_of(DType dtype) {
  if (dtype == DType(C64{})) return F32{};
  if (dtype == DType(C128{})) return F64{};
  return dtype;
}

std::optional<Arithmetic> arithmetic_of(DType lhs, DType rhs) {
  const auto goes_into_f32 = [](DType d) { return d == DType(F32{}) || is_narrow_float(d); };
  const auto goes_into_i32 = [](DType d) { return d == DType(I32{}) || d == DType(I8{}); };
  if (lhs == DType(BF16{}) && rhs == lhs) return Arithmetic::kBF16;
  if (goes_into_f32(lhs) && goes_into_f32(rhs)) return Arithmetic::kF32;
  if (lhs == DType(I8{}) && rhs == lhs) return Arithmetic::kI8;
  if (goes_into_i32(lhs) && goes_into_i32(rhs)) return Arithmetic::kI32;
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
