// SPDX-License-Identifier: Apache-2.0
#pragma once
// exp, with fixed coefficients: the same bits on every target. Scalar form; rowwise-inl.h has the
// same steps on vectors.
//
//     n = round(x log2 e)      r = x - n ln 2 (in two parts)      exp(x) = 2^n p(r), |r| <= 0.3466
//
// p is Taylor's polynomial: its remainder is below 2^-27 (degree 7) and 2^-57 (degree 13),
// relative. 2^n is multiplied in as two factors, so that a subnormal result is rounded once, at the
// end.

#include <array>
#include <bit>
#include <cmath>
#include <cstdint>

namespace batchdot::kernel {

template <class T>
struct ExpConstants;

template <>
struct ExpConstants<float> {
  using Bits = std::int32_t;
  static constexpr float kLow = -110.0f, kHigh = 90.0f;  // beyond: 0 and infinity all the same
  static constexpr float kLog2E = 0x1.715476p+0f;
  static constexpr float kMagic = 0x1.8p+23f;  // adding it rounds to an integer
  static constexpr float kLn2High = 0x1.62e400p-1f, kLn2Low = 0x1.7f7d1cp-20f;
  static constexpr int kFractionBits = 23, kBias = 127;
  // 1/2!, 1/3!, ... 1/7!, rounded to nearest
  static constexpr std::array<float, 6> kCoefficients = {
      0x1p-1f, 0x1.555556p-3f, 0x1.555556p-5f, 0x1.111112p-7f, 0x1.6c16c2p-10f, 0x1.a01a02p-13f};
};

template <>
struct ExpConstants<double> {
  using Bits = std::int64_t;
  static constexpr double kLow = -760.0, kHigh = 720.0;
  static constexpr double kLog2E = 0x1.71547652b82fep+0;
  static constexpr double kMagic = 0x1.8p+52;
  static constexpr double kLn2High = 0x1.62e42fee00000p-1, kLn2Low = 0x1.a39ef35793c76p-33;
  static constexpr int kFractionBits = 52, kBias = 1023;
  // 1/2!, 1/3!, ... 1/13!, rounded to nearest
  static constexpr std::array<double, 12> kCoefficients = {0x1p-1,
                                                           0x1.5555555555555p-3,
                                                           0x1.5555555555555p-5,
                                                           0x1.1111111111111p-7,
                                                           0x1.6c16c16c16c17p-10,
                                                           0x1.a01a01a01a01ap-13,
                                                           0x1.a01a01a01a01ap-16,
                                                           0x1.71de3a556c734p-19,
                                                           0x1.27e4fb7789f5cp-22,
                                                           0x1.ae64567f544e4p-26,
                                                           0x1.1eed8eff8d898p-29,
                                                           0x1.6124613a86d09p-33};
};

/// c[0] + c[1] x + c[2] x^2 ..., Horner's form.
template <class T, std::size_t kCount>
inline T polynomial(const std::array<T, kCount>& c, T x) {
  T sum = c[kCount - 1];
  for (std::size_t i = kCount - 1; i-- > 0;) sum = std::fma(sum, x, c[i]);
  return sum;
}

/// x = n ln 2 + r.
template <class T>
struct ExpParts {
  T r;
  typename ExpConstants<T>::Bits n;
};
template <class T>
inline ExpParts<T> exp_parts(T x) {
  using C = ExpConstants<T>;
  using Bits = typename C::Bits;
  const T shifted = std::fma(x, C::kLog2E, C::kMagic);
  const T n = shifted - C::kMagic;
  T r = std::fma(n, -C::kLn2High, x);
  r = std::fma(n, -C::kLn2Low, r);
  return {r, static_cast<Bits>(std::bit_cast<Bits>(shifted) - std::bit_cast<Bits>(C::kMagic))};
}

/// e^x: at most 1 ulp from the truth where normal; exp(+-0) = 1, exp(-inf) = +0, NaN stays NaN.
template <class T>
inline T exp_scalar(T x) {
  using C = ExpConstants<T>;
  using Bits = typename C::Bits;
  if (x != x) return x;
  const T clamped = x < C::kLow ? C::kLow : x > C::kHigh ? C::kHigh : x;
  const auto [r, whole] = exp_parts(clamped);
  const T p = std::fma(std::fma(polynomial(C::kCoefficients, r), r, T{1}), r, T{1});
  const Bits half = whole >> 1;
  const T two_half = std::bit_cast<T>(static_cast<Bits>((half + C::kBias) << C::kFractionBits));
  const T two_rest =
      std::bit_cast<T>(static_cast<Bits>((whole - half + C::kBias) << C::kFractionBits));
  return p * two_half * two_rest;
}

}  // namespace batchdot::kernel
