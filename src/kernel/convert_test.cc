// SPDX-License-Identifier: Apache-2.0
// Between element types. The judge of the narrow ones works from the definition of a format: the
// candidates around a number, and which of them is nearer.
#include "src/kernel/convert.h"

#include <gtest/gtest.h>

#include <random>

#include "tests/reference.h"

namespace batchdot::kernel {
namespace {

// binary16 and the upper half of binary32, by their definition in reference.h.
struct Format {
  int fraction_bits, bias;
  std::uint16_t infinity;
  long double value(std::uint16_t bits) const {
    return reference::value_of(bits, fraction_bits, bias);
  }
};
constexpr Format kF16 = {10, 15, 0x7C00};
constexpr Format kBF16 = {7, 127, 0x7F80};

// To nearest, ties to the even fraction, by search among all magnitudes. Above the largest number
// the next power of two takes the place of infinity.
std::uint16_t nearest(const Format& format, float x) {
  const std::uint16_t sign = std::signbit(x) ? 0x8000 : 0;
  const long double magnitude = std::fabs(static_cast<long double>(x));
  std::uint16_t low = 0, high = format.infinity;
  const auto value = [&](std::uint16_t bits) {
    return bits == format.infinity
               ? 2 * format.value(static_cast<std::uint16_t>(bits - (1 << format.fraction_bits)))
               : format.value(bits);
  };
  if (magnitude >= value(high)) return sign | high;
  while (high - low > 1) {
    const auto middle = static_cast<std::uint16_t>((low + high) / 2);
    (value(middle) <= magnitude ? low : high) = middle;
  }
  const long double below = magnitude - value(low), above = value(high) - magnitude;
  const bool up = above < below || (above == below && low % 2 == 1);
  return static_cast<std::uint16_t>(sign | (up ? high : low));
}

TEST(Convert, WidensEveryPatternExactlyAndBack) {
  for (int pattern = 0; pattern < 65536; ++pattern) {
    const auto bits = static_cast<std::uint16_t>(pattern);
    const float half = widen(Half{bits});
    const float brain = widen(BFloat16{bits});
    if (std::isnan(kF16.value(bits))) {
      EXPECT_TRUE(std::isnan(half)) << pattern;
      EXPECT_TRUE(std::isnan(widen(round_to_f16(half)))) << pattern;
    } else {
      ASSERT_EQ(half, kF16.value(bits)) << pattern;
      ASSERT_EQ(std::signbit(half), bits >= 0x8000) << pattern;
      ASSERT_EQ(round_to_f16(half).bits, bits) << pattern;
    }
    if (std::isnan(kBF16.value(bits))) {
      EXPECT_TRUE(std::isnan(brain)) << pattern;
      EXPECT_TRUE(std::isnan(widen(round_to_bf16(brain)))) << pattern;
    } else {
      ASSERT_EQ(brain, kBF16.value(bits)) << pattern;
      ASSERT_EQ(std::signbit(brain), bits >= 0x8000) << pattern;
      ASSERT_EQ(round_to_bf16(brain).bits, bits) << pattern;
    }
  }
}

TEST(Convert, RoundsEveryMidpointAndItsNeighboursToNearestEven) {
  for (std::uint16_t bits = 0; bits < 0x7F80; ++bits) {
    for (const Format& format : {kF16, kBF16}) {
      if (bits >= format.infinity) continue;
      const std::uint16_t above = static_cast<std::uint16_t>(bits + 1);
      const long double next =
          above == format.infinity
              ? 2 * format.value(static_cast<std::uint16_t>(above - (1 << format.fraction_bits)))
              : format.value(above);
      const auto middle = static_cast<float>((format.value(bits) + next) / 2);
      for (const float x :
           {std::nextafter(middle, 0.0f), middle, std::nextafter(middle, INFINITY)}) {
        for (const float signed_x : {x, -x}) {
          const std::uint16_t rounded =
              format.bias == 15 ? round_to_f16(signed_x).bits : round_to_bf16(signed_x).bits;
          ASSERT_EQ(rounded, nearest(format, signed_x)) << std::hexfloat << signed_x;
        }
      }
    }
  }
}

TEST(Convert, RoundsRandomNumbersToNearestEven) {
  std::mt19937 random(3);
  for (int i = 0; i < 300000; ++i) {
    const auto bits = static_cast<std::uint32_t>(random());
    // Half of them in the range of binary16.
    const std::uint32_t near = (bits & 0x80FFFFFFu) | ((0x30u + bits % 0x20u) << 24 & 0x7F000000u);
    const float x = std::bit_cast<float>(i % 2 == 0 ? bits : near);
    if (std::isnan(x)) {
      EXPECT_TRUE(std::isnan(widen(round_to_f16(x))));
      EXPECT_TRUE(std::isnan(widen(round_to_bf16(x))));
      continue;
    }
    ASSERT_EQ(round_to_f16(x).bits, nearest(kF16, x)) << std::hexfloat << x;
    ASSERT_EQ(round_to_bf16(x).bits, nearest(kBF16, x)) << std::hexfloat << x;
  }
}

// From a wider type there is one rounding, not one to f32 and then another.
TEST(Convert, WiderNumbersAreRoundedOnce) {
  EXPECT_EQ(convert<Half>(1 + 0x1p-11).bits, 0x3C00);            // a tie
  EXPECT_EQ(convert<Half>(1 + 0x1p-11 + 0x1p-40).bits, 0x3C01);  // above it, f32 sees the tie
  EXPECT_EQ(convert<Half>(1 + 3 * 0x1p-11 - 0x1p-40).bits, 0x3C01);
  EXPECT_EQ(convert<Half>(65520 - 0x1p-20).bits, 0x7BFF);
  EXPECT_EQ(convert<Half>(1e300).bits, 0x7C00);
  EXPECT_EQ(convert<Half>(-1e-300).bits, 0x8000);
  EXPECT_EQ(convert<BFloat16>(1 + 0x1p-8 + 0x1p-40).bits, 0x3F81);
  EXPECT_EQ(convert<BFloat16>(std::numeric_limits<double>::max()).bits, 0x7F80);
  EXPECT_EQ(convert<BFloat16>(-std::numeric_limits<double>::infinity()).bits, 0xFF80);
  EXPECT_TRUE(std::isnan(widen(convert<Half>(std::numeric_limits<double>::quiet_NaN()))));
  // 2^30 + 2^22 is a tie of bf16, one more is not; f32 does not see the one.
  EXPECT_EQ(convert<BFloat16>(std::int32_t{(1 << 30) + (1 << 22)}).bits, 0x4E80);
  EXPECT_EQ(convert<BFloat16>(std::int32_t{(1 << 30) + (1 << 22) + 1}).bits, 0x4E81);
  EXPECT_EQ(convert<BFloat16>((std::int64_t{1} << 60) + (std::int64_t{1} << 52) + 1).bits, 0x5D81);
  std::mt19937_64 random(4);
  for (int i = 0; i < 100000; ++i) {
    // Numbers a hair from where f16 and bf16 round the other way.
    const int exponent = static_cast<int>(random() % 24) - 14;
    const auto step = static_cast<double>(random() % 512);
    const double hair = static_cast<double>(static_cast<int>(random() % 3) - 1) * 0x1p-45;
    const double x = std::ldexp(1 + step / 512 + hair, exponent);
    const double half = std::ldexp(1 + (2 * std::floor(step * 2) + 1) * 0x1p-11 + hair, exponent);
    for (const double y : {x, half}) {
      const auto candidate = convert<Half>(y).bits;
      const long double error = std::fabs(kF16.value(candidate) - y);
      for (const int other : {candidate - 1, candidate + 1}) {
        const long double beside = kF16.value(static_cast<std::uint16_t>(other));
        ASSERT_TRUE(std::isinf(beside) || error < std::fabs(beside - y) ||
                    (error == std::fabs(beside - y) && candidate % 2 == 0))
            << std::hexfloat << y;
      }
    }
  }
}

TEST(Convert, FloatingToIntegerTruncatesAndWhatDoesNotFitIsTheSmallest) {
  EXPECT_EQ(convert<std::int32_t>(1.9f), 1);
  EXPECT_EQ(convert<std::int32_t>(-1.9), -1);
  EXPECT_EQ(convert<std::int8_t>(127.5f), 127);
  EXPECT_EQ(convert<std::int8_t>(128.0f), -128);
  EXPECT_EQ(convert<std::int8_t>(-128.0f), -128);
  EXPECT_EQ(convert<std::int32_t>(2147483648.0), std::numeric_limits<std::int32_t>::min());
  EXPECT_EQ(convert<std::int32_t>(2147483647.0), 2147483647);
  EXPECT_EQ(convert<std::int64_t>(0x1p63), std::numeric_limits<std::int64_t>::min());
  EXPECT_EQ(convert<std::int64_t>(0x1.fffffffffffffp62), 0x7ffffffffffffc00);
  EXPECT_EQ(convert<std::int32_t>(std::numeric_limits<float>::quiet_NaN()),
            std::numeric_limits<std::int32_t>::min());
  EXPECT_EQ(convert<std::int64_t>(-std::numeric_limits<double>::infinity()),
            std::numeric_limits<std::int64_t>::min());
  EXPECT_EQ(convert<std::int8_t>(Half{0x3E00}), 1);  // 1.5
}

TEST(Convert, BetweenTheOthers) {
  EXPECT_EQ(convert<std::int8_t>(std::int32_t{300}), 44);  // modulo 2^8
  EXPECT_EQ(convert<float>(std::complex<double>(1.5, 9)), 1.5f);
  EXPECT_EQ(convert<std::complex<float>>(2), std::complex<float>(2, 0));
  EXPECT_EQ(convert<std::complex<float>>(std::complex<double>(1, -2)), std::complex<float>(1, -2));
  EXPECT_TRUE(convert<bool>(std::numeric_limits<float>::quiet_NaN()));
  EXPECT_TRUE(convert<bool>(0.5));
  EXPECT_FALSE(convert<bool>(-0.0f));
  EXPECT_EQ(convert<float>(true), 1.0f);
  EXPECT_EQ(convert<BFloat16>(-0.0f).bits, 0x8000);
}

}  // namespace
}  // namespace batchdot::kernel
