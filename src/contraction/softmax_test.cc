// SPDX-License-Identifier: Apache-2.0
#include "src/contraction/softmax.h"

#include <gtest/gtest.h>

#include <string>

#include "batchdot/plan.h"
#include "tests/refusal.h"

namespace batchdot {
namespace {

TEST(Softmax, CountsItsAxisFromTheFront) {
  EXPECT_EQ(softmax_axis({3, {}}, -1), 1);
  EXPECT_EQ(softmax_axis({3, {}}, 0), 0);
}

// Inferring and planning say the same.
TEST(Softmax, RefusesWhatItDoesNotHave) {
  const Error scalar = refusal_of([] { softmax_axis({}, -1); });
  EXPECT_EQ(scalar.code(), ErrorCode::kRank);
  EXPECT_EQ(refusal_of([] { Plan::softmax(Layout(F32{}, {}), -1); }).message(), scalar.message());
  for (const int axis : {-3, 2}) {
    const Error outside = refusal_of([&] { softmax_axis({3, 4}, axis); });
    EXPECT_EQ(outside.code(), ErrorCode::kAxisRange);
    EXPECT_EQ(refusal_of([&] {
                Plan::softmax(Layout(F32{}, {3, 4}), axis);
              }).message(),
              outside.message());
  }
  EXPECT_EQ(refusal_of([] {
              softmax_axis({3, 4}, std::int64_t{1} << 40);
            }).code(),
            ErrorCode::kAxisRange);
}

TEST(Softmax, TakesRealFloatingTypes) {
  for_each_dtype([](auto record) {
    const DType dtype(record);
    if (dtype == F32{} || dtype == F64{} || dtype == F16{} || dtype == BF16{}) {
      EXPECT_NO_THROW(check_softmax_dtype(dtype)) << dtype.name();
      return;
    }
    const Error refusal = refusal_of([&] { check_softmax_dtype(dtype); });
    EXPECT_EQ(refusal.code(), ErrorCode::kDType) << dtype.name();
    EXPECT_EQ(refusal.message(),
              "softmax: takes real floating types, f32, f64, f16 and bf16: "
              "operand is " +
                  std::string(dtype.name()));
    if (!dtype.computes()) return;  // every plan refuses it
    EXPECT_EQ(refusal_of([&] {
                Plan::softmax(Layout(dtype, {3, 4}), 1);
              }).message(),
              refusal.message());
  });
}

}  // namespace
}  // namespace batchdot
