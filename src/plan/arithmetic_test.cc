// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <optional>

#include "src/plan/plan.h"

namespace batchdot {
namespace {

TEST(Arithmetic, OfEveryPairOfDTypes) {
  using kernel::Arithmetic;
  const struct {
    DType lhs, rhs;
    std::optional<Arithmetic> arithmetic;
  } kCases[] = {
      {F32{}, F32{}, Arithmetic::kF32},
      {F16{}, F16{}, Arithmetic::kF32},
      {F16{}, F32{}, Arithmetic::kF32},
      {BF16{}, BF16{}, Arithmetic::kBF16},
      {BF16{}, F32{}, Arithmetic::kF32},
      {F64{}, F64{}, Arithmetic::kF64},
      {C64{}, C64{}, Arithmetic::kC64},
      {C128{}, C128{}, Arithmetic::kC128},
      {I8{}, I8{}, Arithmetic::kI8},
      {I32{}, I8{}, Arithmetic::kI32},
      {I64{}, I64{}, Arithmetic::kI64},
      {F32{}, F64{}, {}},
      {Bool{}, Bool{}, {}},
      {I32{}, I64{}, {}},
      {F32{}, C64{}, {}},
  };
  for (const auto& c : kCases) {
    EXPECT_EQ(arithmetic_of(c.lhs, c.rhs), c.arithmetic) << c.lhs.name() << ' ' << c.rhs.name();
  }
  for_each_dtype([](auto record) {
    EXPECT_EQ(arithmetic_of(record, record).has_value(), bool(record.kComputes)) << record.kName;
  });
}

}  // namespace
}  // namespace batchdot
