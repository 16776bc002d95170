// SPDX-License-Identifier: Apache-2.0
#pragma once
// Between element types, by integer steps where a rounding is ours to fix.

#if defined(__FAST_MATH__) || (defined(__FINITE_MATH_ONLY__) && __FINITE_MATH_ONLY__)
#error "batchdot promises bits: it cannot be compiled with -ffast-math"
#endif

#include <bit>
#include <cmath>
#include <complex>
#include <cstdint>
#include <limits>
#include <type_traits>

#include "batchdot/dtype.h"

namespace batchdot::kernel {

/// Exact.
inline float widen(BFloat16 x) {
  return std::bit_cast<float>(static_cast<std::uint32_t>(x.bits) << 16);
}

/// Exact; NaN stays NaN.
inline float widen(Half x) {
  const std::uint32_t sign = static_cast<std::uint32_t>(x.bits & 0x8000u) << 16;
  const std::uint32_t exponent = (x.bits >> 10) & 0x1Fu;
  std::uint32_t fraction = x.bits & 0x3FFu;
  if (exponent == 0x1F) return std::bit_cast<float>(sign | 0x7F800000u | (fraction << 13));
  if (exponent != 0)
    return std::bit_cast<float>(sign | ((exponent + 112) << 23) | (fraction << 13));
  if (fraction == 0) return std::bit_cast<float>(sign);
  std::uint32_t shift = 0;  // a subnormal of binary16 is a normal binary32
  while ((fraction & 0x400u) == 0) {
    fraction <<= 1;
    ++shift;
  }
  return std::bit_cast<float>(sign | ((113 - shift) << 23) | ((fraction & 0x3FFu) << 13));
}

/// To nearest even, subnormals kept, NaN quiet.
inline BFloat16 round_to_bf16(float x) {
  const auto bits = std::bit_cast<std::uint32_t>(x);
  if ((bits & 0x7FFFFFFFu) > 0x7F800000u) {
    return {static_cast<std::uint16_t>((bits >> 16) | 0x40u)};
  }
  return {static_cast<std::uint16_t>((bits + 0x7FFFu + ((bits >> 16) & 1u)) >> 16)};
}

/// To nearest even, subnormals kept, overflow to infinity.
inline Half round_to_f16(float x) {
  const auto bits = std::bit_cast<std::uint32_t>(x);
  const auto sign = static_cast<std::uint16_t>((bits >> 16) & 0x8000u);
  const std::uint32_t magnitude = bits & 0x7FFFFFFFu;
  const auto with_sign = [&](std::uint32_t half) {
    return Half{static_cast<std::uint16_t>(sign | half)};
  };
  if (magnitude > 0x7F800000u) return with_sign(0x7E00u);
  if (magnitude >= 0x477FF000u) return with_sign(0x7C00u);  // 65520 and above round to infinity
  if (magnitude >= 0x38800000u) {                           // 2^-14: normal results
    const std::uint32_t rounded = magnitude + 0xFFFu + ((magnitude >> 13) & 1u);
    return with_sign((rounded - 0x38000000u) >> 13);
  }
  if (magnitude < 0x33000000u) return with_sign(0);  // below 2^-25: to zero
  const std::uint32_t exponent = magnitude >> 23;
  const std::uint32_t fraction = (magnitude & 0x7FFFFFu) | 0x800000u;
  const std::uint32_t shift = 126 - exponent;  // 14 .. 24
  const std::uint32_t half = fraction >> shift;
  const std::uint32_t rest = fraction & ((1u << shift) - 1);
  const std::uint32_t middle = 1u << (shift - 1);
  return with_sign(half + (rest > middle || (rest == middle && (half & 1u)) ? 1 : 0));
}

/// To f32, what lies between two numbers to the one whose last bit is set: rounded once more to a
/// narrower type it gives what rounding once would have given.
template <class T>
inline float round_to_odd(T x) {
  if constexpr (std::is_same_v<T, float>) {
    return x;
  } else {
    const float nearest = static_cast<float>(x);
    const auto exact = static_cast<long double>(x);
    const auto reached = static_cast<long double>(nearest);
    const auto bits = std::bit_cast<std::uint32_t>(nearest);
    if (reached == exact || (bits & 1u) != 0 || x != x) return nearest;
    return std::bit_cast<float>(std::fabs(reached) > std::fabs(exact) ? bits - 1 : bits + 1);
  }
}

template <class T>
inline constexpr bool kIsComplex = false;
template <class T>
inline constexpr bool kIsComplex<std::complex<T>> = true;

/// Any element to any: floating types round to nearest even, to an integer they truncate (NaN and
/// what does not fit give the smallest number), integers wrap, complex to real drops im, to bool
/// asks != 0.
template <class To, class From>
To convert(From x) {
  if constexpr (std::is_same_v<To, From>) {
    return x;
  } else if constexpr (std::is_same_v<From, Half> || std::is_same_v<From, BFloat16>) {
    return convert<To>(widen(x));
  } else if constexpr (std::is_same_v<To, bool>) {
    return x != From{};
  } else if constexpr (kIsComplex<From>) {
    if constexpr (kIsComplex<To>) {
      using T = typename To::value_type;
      return To(static_cast<T>(x.real()), static_cast<T>(x.imag()));
    } else {
      return convert<To>(x.real());
    }
  } else if constexpr (kIsComplex<To>) {
    return To(convert<typename To::value_type>(x), 0);
  } else if constexpr (std::is_same_v<To, Half>) {
    return round_to_f16(round_to_odd(x));
  } else if constexpr (std::is_same_v<To, BFloat16>) {
    return round_to_bf16(round_to_odd(x));
  } else if constexpr (std::is_integral_v<To> && std::is_floating_point_v<From>) {
    constexpr From kLow = static_cast<From>(std::numeric_limits<To>::min());
    if (!(x >= kLow && x < -kLow)) return std::numeric_limits<To>::min();
    return static_cast<To>(x);
  } else {
    return static_cast<To>(x);
  }
}

}  // namespace batchdot::kernel
