// SPDX-License-Identifier: Apache-2.0
#pragma once
// tanh, erf and the activations at the store, with fixed coefficients: the same bits on every
// target. Scalar form; activation-inl.h has the same steps on vectors. Fused multiply-adds and
// integer steps only, as for exp.

#include <array>
#include <bit>
#include <cmath>
#include <cstdint>

#include "src/kernel/exp.h"
#include "src/kernel/kernels.h"

namespace batchdot::kernel {

/// tanh(a) = m / (m + 2), m = e^2a - 1, for a = |x| up to kTanhHigh, where it has become 1.
///
/// erf(a) = a + a p(a a)               for a < 1, p to 2^-29 (f32) and 2^-62 (f64) of erf
/// erf(a) = 1 - exp(-q(a - 1))         up to kErfHigh, where it has become 1; q to 2^-29 and 2^-59
///
/// p and q are best approximations in the largest relative error of erf, by Remez's exchange in 60
/// digits, their coefficients rounded to nearest.
template <class T>
struct ActivationConstants;

template <>
struct ActivationConstants<float> {
  static constexpr float kTanhHigh = 10.0f, kErfHigh = 4.0f;
  static constexpr std::int32_t kReciprocal = 0x7EF311C7;  // minus the bits of d: 1/d to 12 %
  static constexpr int kReciprocalSteps = 2;               // each leaves the cube of the error
  static constexpr std::array<float, 7> kErfSmall = {
      0x1.06eba8p-3f, -0x1.81273ep-2f,  0x1.ce2cf8p-4f, -0x1.b7f910p-6f,
      0x1.5405bep-8f, -0x1.a3f71ep-11f, 0x1.496a12p-14f};
  static constexpr std::array<float, 7> kErfLarge = {
      0x1.d97fc0p+0f,  0x1.51c9aap+1f,  0x1.afad1cp-1f,  0x1.53ff1ep-5f,
      -0x1.4440f2p-7f, 0x1.df8eb2p-10f, -0x1.86db1ap-13f};
  static constexpr float kRootHalf = 0x1.6a09e6p-1f;     // sqrt(1/2)
  static constexpr float kRootTwoByPi = 0x1.988454p-1f;  // sqrt(2/pi)
  static constexpr float kCubic = 0x1.6e4e26p-5f;        // 0.044715
};

template <>
struct ActivationConstants<double> {
  static constexpr double kTanhHigh = 20.0, kErfHigh = 6.0;
  static constexpr std::int64_t kReciprocal = 0x7FDE6238502484BA;
  static constexpr int kReciprocalSteps = 3;
  static constexpr std::array<double, 13> kErfSmall = {
      0x1.06eba8214db69p-3,  -0x1.812746b0379e6p-2,  0x1.ce2f21a042b21p-4,  -0x1.b82ce312849afp-6,
      0x1.565bcd0db0530p-8,  -0x1.c02db3d8f264ep-11, 0x1.f9a321a195b9dp-14, -0x1.f4d1df40274b3p-17,
      0x1.b9def1de3f8ebp-20, -0x1.5f1d38354a7c9p-23, 0x1.f7a41b6768ef8p-27, -0x1.386acc14bb471p-30,
      0x1.0579a08899394p-34};
  static constexpr std::array<double, 19> kErfLarge = {
      0x1.d97fbf27aa2a1p+0,   0x1.51c9b0006c237p+1,   0x1.afabc11a29554p-1,
      0x1.5477f09c1095ep-5,   -0x1.48c9d3ed58a0ep-7,  0x1.033f65e98a434p-9,
      -0x1.f1b398839d97dp-13, -0x1.b8dd44e70fdcep-16, 0x1.c7a4c35aebcccp-16,
      -0x1.4263b9f5fb8cdp-17, 0x1.1451c874f6d2dp-19,  -0x1.31043b1faffc4p-23,
      -0x1.a528a65985166p-24, 0x1.c0facd44349a3p-25,  -0x1.01797280cdfa8p-26,
      0x1.8c0951ce0d3bap-29,  -0x1.97df511726c6ap-32, 0x1.ff57ecbc4edd5p-36,
      -0x1.276f70d7cd75cp-40};
  static constexpr double kRootHalf = 0x1.6a09e667f3bcdp-1;
  static constexpr double kRootTwoByPi = 0x1.9884533d43651p-1;
  static constexpr double kCubic = 0x1.6e4e26d4801f7p-5;
};

/// At most 2 ulp from the truth; odd to the bit, tanh(+-inf) = +-1, NaN stays NaN.
template <class T>
inline T tanh_scalar(T x) {
  using E = ExpConstants<T>;
  using A = ActivationConstants<T>;
  using Bits = typename E::Bits;
  if (x != x) return x;
  const T magnitude = std::fabs(x);
  const T a = magnitude > A::kTanhHigh ? A::kTanhHigh : magnitude;
  const auto [r, whole] = exp_parts(a + a);
  const T curve = polynomial(E::kCoefficients, r) * (r * r);  // e^r - 1 - r
  const T power = std::bit_cast<T>(static_cast<Bits>((whole + E::kBias) << E::kFractionBits));
  const T m = std::fma(curve, power, std::fma(r, power, power - T{1}));
  const T d = m + T{2};
  const T lost = m - (d - T{2});  // by d's rounding, exact
  T reciprocal = std::bit_cast<T>(static_cast<Bits>(A::kReciprocal - std::bit_cast<Bits>(d)));
  for (int i = 0; i < A::kReciprocalSteps; ++i) {
    const T error = std::fma(-d, reciprocal, T{1});
    reciprocal = std::fma(std::fma(error, error, error), reciprocal, reciprocal);
  }
  const T q = m * reciprocal;
  const T rest = std::fma(-q, lost, std::fma(-q, d, m));
  return std::copysign(std::fma(rest, reciprocal, q), x);
}

/// At most 2 ulp from the truth; odd to the bit, erf(+-inf) = +-1, NaN stays NaN.
template <class T>
inline T erf_scalar(T x) {
  using A = ActivationConstants<T>;
  if (x != x) return x;
  const T magnitude = std::fabs(x);
  if (magnitude < T{1}) {
    return std::fma(polynomial(A::kErfSmall, magnitude * magnitude), x, x);
  }
  const T a = magnitude > A::kErfHigh ? A::kErfHigh : magnitude;
  return std::copysign(T{1} - exp_scalar(-polynomial(A::kErfLarge, a - T{1})), x);
}

// gelu, gelu_tanh, tanh: far from the loops that mostly have nothing to do.
template <class T>
[[gnu::noinline]] T activate_by_function(Activation activation, T x) {
  using A = ActivationConstants<T>;
  switch (activation) {
    case Activation::kTanh:
      return tanh_scalar(x);
    case Activation::kGelu:
      return (T(0.5) * x) * (T{1} + erf_scalar(x * A::kRootHalf));
    case Activation::kGeluTanh: {
      const T stretched = std::fma(x * x, A::kCubic, T{1});
      return (T(0.5) * x) * (T{1} + tanh_scalar((x * A::kRootTwoByPi) * stretched));
    }
    case Activation::kNone:
    case Activation::kRelu:
      break;
  }
  return x;
}

/// One activation. Of integers kNone and kRelu alone.
template <class T>
inline T activate_scalar(Activation activation, T x) {
  if (activation == Activation::kNone) return x;
  if (activation == Activation::kRelu) return x <= T{0} ? T{0} : x;  // NaN stays, -0 becomes +0
  if constexpr (std::is_floating_point_v<T>) return activate_by_function(activation, x);
  return x;
}

}  // namespace batchdot::kernel
