// SPDX-License-Identifier: Apache-2.0
// tanh, erf and the activations against MPFR.
#include "src/kernel/activation.h"

#include <gtest/gtest.h>
#include <mpfr.h>

#include <cmath>
#include <limits>
#include <random>
#include <string>
#include <vector>

#include "src/kernel/mpfr_test_support.h"

namespace batchdot::kernel {
namespace {

template <class T>
constexpr T kInfinity = std::numeric_limits<T>::infinity();

// The gelus to 140 bits.
class GeluTruth {
 public:
  GeluTruth() { mpfr_inits2(140, x_, y_, result_, nullptr); }
  ~GeluTruth() { mpfr_clears(x_, y_, result_, nullptr); }
  GeluTruth(const GeluTruth&) = delete;
  GeluTruth& operator=(const GeluTruth&) = delete;

  // |computed - activation(x)| / |x|, in units of u.
  template <class T>
  double units_of_x(Activation activation, T x, T computed) {
    mpfr_set_d(x_, static_cast<double>(x), MPFR_RNDN);
    if (activation == Activation::kGelu) {
      mpfr_set_ui(y_, 2, MPFR_RNDN);
      mpfr_sqrt(y_, y_, MPFR_RNDN);
      mpfr_div(y_, x_, y_, MPFR_RNDN);
      mpfr_erf(y_, y_, MPFR_RNDN);
    } else {
      mpfr_sqr(y_, x_, MPFR_RNDN);
      mpfr_mul_ui(y_, y_, 44715, MPFR_RNDN);
      mpfr_div_ui(y_, y_, 1000000, MPFR_RNDN);
      mpfr_add_ui(y_, y_, 1, MPFR_RNDN);
      mpfr_mul(y_, y_, x_, MPFR_RNDN);
      mpfr_const_pi(result_, MPFR_RNDN);
      mpfr_ui_div(result_, 2, result_, MPFR_RNDN);
      mpfr_sqrt(result_, result_, MPFR_RNDN);
      mpfr_mul(y_, y_, result_, MPFR_RNDN);
      mpfr_tanh(y_, y_, MPFR_RNDN);
    }
    mpfr_add_ui(y_, y_, 1, MPFR_RNDN);
    mpfr_mul(y_, y_, x_, MPFR_RNDN);
    mpfr_div_ui(y_, y_, 2, MPFR_RNDN);
    mpfr_sub_d(y_, y_, static_cast<double>(computed), MPFR_RNDN);
    mpfr_div(y_, y_, x_, MPFR_RNDN);
    mpfr_mul_2si(y_, y_, std::numeric_limits<T>::digits, MPFR_RNDN);
    return std::fabs(mpfr_get_d(y_, MPFR_RNDN));
  }

 private:
  mpfr_t x_, y_, result_;
};

template <class T>
class Activations : public ::testing::Test {};
using Types = ::testing::Types<float, double>;
TYPED_TEST_SUITE(Activations, Types);

// Numbers where the functions bend, tiny ones, and those around every border of the evaluation.
template <class T>
std::vector<T> arguments(T high) {
  std::mt19937_64 random(11);
  std::uniform_real_distribution<T> wide(0, high), unit(0, 1);
  std::vector<T> xs;
  for (int i = 0; i < 20000; ++i) {
    xs.push_back(wide(random));
    xs.push_back(unit(random));
    xs.push_back(std::ldexp(unit(random), -static_cast<int>(random() % 60)));
  }
  for (int n = 0; n < 120; ++n) {  // multiples of ln 2 / 4 and 1 / 4
    for (const T border : {static_cast<T>(n * 0.17328679513998632), static_cast<T>(n * 0.25)}) {
      for (const T x : {std::nextafter(border, T(0)), border, std::nextafter(border, high)}) {
        if (x > 0 && x < high) xs.push_back(x);
      }
    }
  }
  for (const T x : {std::numeric_limits<T>::denorm_min(), 3 * std::numeric_limits<T>::denorm_min(),
                    std::numeric_limits<T>::min(), 5 * std::numeric_limits<T>::min()}) {
    xs.push_back(x);
  }
  return xs;
}

TYPED_TEST(Activations, TanhAndErfAreWithinTwoUnitsOfTheLastPlaceOfMpfr) {
  using T = TypeParam;
  MpfrTruth truth;
  double worst_tanh = 0, worst_erf = 0;
  for (const T x : arguments<T>(T(21))) {
    const double of_tanh = truth.ulps(mpfr_tanh, x, tanh_scalar(x));
    const double of_erf = truth.ulps(mpfr_erf, x, erf_scalar(x));
    ASSERT_LE(of_tanh, 2) << std::hexfloat << x;
    ASSERT_LE(of_erf, 2) << std::hexfloat << x;
    ASSERT_LE(tanh_scalar(x), 1) << std::hexfloat << x;
    ASSERT_LE(erf_scalar(x), 1) << std::hexfloat << x;
    ASSERT_EQ(tanh_scalar(-x), -tanh_scalar(x));
    ASSERT_EQ(erf_scalar(-x), -erf_scalar(x));
    worst_tanh = std::max(worst_tanh, of_tanh);
    worst_erf = std::max(worst_erf, of_erf);
  }
  ::testing::Test::RecordProperty("worst_tanh", std::to_string(worst_tanh));
  ::testing::Test::RecordProperty("worst_erf", std::to_string(worst_erf));
}

TYPED_TEST(Activations, TanhAndErfKeepSpecialValues) {
  using T = TypeParam;
  for (const auto f : {tanh_scalar<T>, erf_scalar<T>}) {
    EXPECT_EQ(f(T(0)), 0);
    EXPECT_FALSE(std::signbit(f(T(0))));
    EXPECT_TRUE(std::signbit(f(-T(0))));
    for (const T large : {T(25), std::numeric_limits<T>::max(), kInfinity<T>}) {
      EXPECT_EQ(f(large), 1);
      EXPECT_EQ(f(-large), -1);
    }
    EXPECT_TRUE(std::isnan(f(std::numeric_limits<T>::quiet_NaN())));
  }
}

TYPED_TEST(Activations, ReluIsAMaximumWithPlusZero) {
  using T = TypeParam;
  const auto relu = [](T x) { return activate_scalar(Activation::kRelu, x); };
  EXPECT_EQ(relu(T(3)), 3);
  EXPECT_EQ(relu(kInfinity<T>), kInfinity<T>);
  EXPECT_EQ(relu(std::numeric_limits<T>::denorm_min()), std::numeric_limits<T>::denorm_min());
  for (const T x : {T(0), -T(0), T(-3), -kInfinity<T>}) {
    EXPECT_EQ(relu(x), 0) << x;
    EXPECT_FALSE(std::signbit(relu(x))) << x;
  }
  EXPECT_TRUE(std::isnan(relu(std::numeric_limits<T>::quiet_NaN())));
}

// The bounds of docs/numerics.md: 3 u |x| for gelu, 4 u |x| for gelu_tanh, and the smallest numbers
// apart, whose halves are rounded.
TYPED_TEST(Activations, GelusKeepTheirBound) {
  using T = TypeParam;
  GeluTruth truth;
  for (const T magnitude : arguments<T>(T(21))) {
    if (magnitude < 64 * std::numeric_limits<T>::min()) continue;
    for (const T x : {magnitude, -magnitude}) {
      const T gelu = activate_scalar(Activation::kGelu, x);
      const T gelu_tanh = activate_scalar(Activation::kGeluTanh, x);
      ASSERT_LE(truth.units_of_x(Activation::kGelu, x, gelu), 3) << std::hexfloat << x;
      ASSERT_LE(truth.units_of_x(Activation::kGeluTanh, x, gelu_tanh), 4) << std::hexfloat << x;
    }
  }
  for (const Activation activation : {Activation::kGelu, Activation::kGeluTanh}) {
    const auto gelu = [&](T x) { return activate_scalar(activation, x); };
    EXPECT_EQ(gelu(T(0)), 0);
    EXPECT_EQ(gelu(T(40)), 40);
    EXPECT_EQ(gelu(T(-40)), 0);
    EXPECT_EQ(gelu(std::numeric_limits<T>::max()), std::numeric_limits<T>::max());
    EXPECT_EQ(gelu(kInfinity<T>), kInfinity<T>);
    EXPECT_TRUE(std::isnan(gelu(-kInfinity<T>)));  // -inf times 0
    EXPECT_TRUE(std::isnan(gelu(std::numeric_limits<T>::quiet_NaN())));
  }
}

}  // namespace
}  // namespace batchdot::kernel
