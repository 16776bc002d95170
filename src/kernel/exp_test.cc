// SPDX-License-Identifier: Apache-2.0
// exp against MPFR, and softmax rows of every target against their definition.
#include "src/kernel/exp.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <limits>
#include <random>
#include <vector>

#include "src/kernel/kernels.h"
#include "src/kernel/mpfr_test_support.h"
#include "tests/reference.h"

namespace batchdot::kernel {
namespace {

template <class T>
class Exp : public ::testing::Test {};
using Types = ::testing::Types<float, double>;
TYPED_TEST_SUITE(Exp, Types);

template <class T>
constexpr T kInfinity = std::numeric_limits<T>::infinity();

template <class T>
void expect_near_truth(MpfrTruth& truth, T x, double* worst) {
  const T computed = exp_scalar(x);
  const T rounded = truth.rounded(mpfr_exp, x);
  if (rounded == kInfinity<T> || computed == kInfinity<T>) {
    EXPECT_EQ(computed, rounded) << x;
    return;
  }
  const double ulps = truth.ulps(mpfr_exp, x, computed);
  *worst = std::max(*worst, ulps);
  EXPECT_LE(ulps, 2) << x;
}

TYPED_TEST(Exp, IsWithinTwoUnitsOfTheLastPlaceOfMpfr) {
  using T = TypeParam;
  constexpr bool kIsFloat = std::is_same_v<T, float>;
  const T low = kIsFloat ? T(-104) : T(-746);    // below: +0
  const T high = kIsFloat ? T(88.7) : T(709.7);  // above: infinity
  MpfrTruth truth;
  double worst = 0;
  std::mt19937_64 random(1);
  std::uniform_real_distribution<T> wide(low, high), small(-1, 1);
  for (int i = 0; i < 100000; ++i) expect_near_truth(truth, wide(random), &worst);
  for (int i = 0; i < 50000; ++i) expect_near_truth(truth, small(random), &worst);
  for (int i = 0; i < 20000; ++i) {
    expect_near_truth(truth, std::ldexp(small(random), -static_cast<int>(random() % 70)), &worst);
  }
  // Around the borders: of reduction (multiples of ln 2 / 2), of subnormals, of zero and infinity.
  for (int n = kIsFloat ? -302 : -2152; n < (kIsFloat ? 258 : 2050); ++n) {
    T x = static_cast<T>(n * 0.34657359027997264);
    for (int step = -3; step <= 3; ++step) {
      T near = x;
      for (int i = 0; i < std::abs(step); ++i)
        near = std::nextafter(near, step < 0 ? -kInfinity<T> : kInfinity<T>);
      expect_near_truth(truth, near, &worst);
    }
  }
  ::testing::Test::RecordProperty("worst_ulps", std::to_string(worst));
}

TYPED_TEST(Exp, KeepsSpecialValuesAndSubnormals) {
  using T = TypeParam;
  using Limits = std::numeric_limits<T>;
  EXPECT_EQ(exp_scalar(T(0)), 1);
  EXPECT_EQ(exp_scalar(-T(0)), 1);
  EXPECT_EQ(exp_scalar(Limits::denorm_min()), 1);
  EXPECT_EQ(exp_scalar(kInfinity<T>), kInfinity<T>);
  EXPECT_EQ(exp_scalar(Limits::max()), kInfinity<T>);
  for (const T x : {-kInfinity<T>, Limits::lowest()}) {
    EXPECT_EQ(exp_scalar(x), 0) << x;
    EXPECT_FALSE(std::signbit(exp_scalar(x))) << x;
  }
  EXPECT_TRUE(std::isnan(exp_scalar(Limits::quiet_NaN())));
  // The logarithm of the smallest numbers: a subnormal comes out, rounded to nearest or beside it.
  MpfrTruth truth;
  int subnormals = 0;
  const T first = std::log(Limits::min());
  const T last = std::log(Limits::denorm_min());
  for (T x = first; x > last; x -= T(0.0625)) {
    const T computed = exp_scalar(x);
    subnormals += std::fpclassify(computed) == FP_SUBNORMAL ? 1 : 0;
    EXPECT_LE(std::fabs(computed - truth.rounded(mpfr_exp, x)), Limits::denorm_min()) << x;
  }
  EXPECT_GT(subnormals, 100);
}

// Rows of every length around the vectors and the blocks of 256, keys near and far from each other.
TYPED_TEST(Exp, SoftmaxRowsKeepTheirBoundOnEveryTarget) {
  using T = TypeParam;
  std::mt19937 random(2);
  const reference::Rounding rounding =
      std::is_same_v<T, float> ? reference::rounding_of(F32{}) : reference::rounding_of(F64{});
  for (const Kernels* kernels : kernels_that_run_here()) {
    for (const std::size_t count :
         {1, 2, 3, 15, 16, 17, 31, 33, 100, 255, 256, 257, 511, 513, 1031}) {
      for (const T spread : {T(0), T(0.01), T(1), T(20), T(300)}) {
        std::uniform_real_distribution<T> keys(-1, 1);
        std::vector<T> row(count), out(count);
        for (T& t : row) t = random() % 11 == 0 ? -kInfinity<T> : spread * keys(random);
        if constexpr (std::is_same_v<T, float>) {
          kernels->softmax_f32(row.data(), static_cast<std::int64_t>(count), out.data());
        } else {
          kernels->softmax_f64(row.data(), static_cast<std::int64_t>(count), out.data());
        }
        const std::vector<long double> exact_row(row.begin(), row.end());
        const std::vector<long double> weights = reference::softmax(exact_row);
        for (std::size_t j = 0; j < count; ++j) {
          const long double allowed = reference::softmax_bound(rounding, exact_row, weights, j);
          ASSERT_LE(std::fabs(out[j] - weights[j]), allowed)
              << kernels->target << " count " << count << " spread " << spread << " key " << j;
        }
        // In place is fine.
        std::vector<T> same = row;
        if constexpr (std::is_same_v<T, float>) {
          kernels->softmax_f32(same.data(), static_cast<std::int64_t>(count), same.data());
        } else {
          kernels->softmax_f64(same.data(), static_cast<std::int64_t>(count), same.data());
        }
        ASSERT_EQ(0, std::memcmp(same.data(), out.data(), count * sizeof(T))) << kernels->target;
      }
    }
  }
}

}  // namespace
}  // namespace batchdot::kernel
