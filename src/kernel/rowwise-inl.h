// SPDX-License-Identifier: Apache-2.0
// Softmax of a row, on vectors; the definition is reference_softmax in reference.h.

#if defined(BATCHDOT_ROWWISE_INL_H) == defined(HWY_TARGET_TOGGLE)
#ifdef BATCHDOT_ROWWISE_INL_H
#undef BATCHDOT_ROWWISE_INL_H
#else
#define BATCHDOT_ROWWISE_INL_H
#endif

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <limits>

#include "hwy/highway.h"
#include "src/kernel/exp.h"
#include "src/kernel/reference.h"

HWY_BEFORE_NAMESPACE();
namespace batchdot::kernel::HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

/// polynomial() in every lane.
template <class D, class V = hn::Vec<D>, std::size_t kCount>
HWY_INLINE V polynomial_lanes(D d, const std::array<hn::TFromD<D>, kCount>& c, V x) {
  V sum = hn::Set(d, c[kCount - 1]);
  for (std::size_t i = kCount - 1; i-- > 0;) sum = hn::MulAdd(sum, x, hn::Set(d, c[i]));
  return sum;
}

/// exp_parts() in every lane.
template <class D>
struct ExpPartsLanes {
  hn::Vec<D> r;
  hn::Vec<hn::RebindToSigned<D>> n;
};
template <class D, class V = hn::Vec<D>>
HWY_INLINE ExpPartsLanes<D> exp_parts_lanes(D d, V x) {
  using C = ExpConstants<hn::TFromD<D>>;
  const hn::RebindToSigned<D> di;
  const V magic = hn::Set(d, C::kMagic);
  const V shifted = hn::MulAdd(x, hn::Set(d, C::kLog2E), magic);
  const V n = hn::Sub(shifted, magic);
  V r = hn::MulAdd(n, hn::Set(d, -C::kLn2High), x);
  r = hn::MulAdd(n, hn::Set(d, -C::kLn2Low), r);
  return {r, hn::Sub(hn::BitCast(di, shifted), hn::BitCast(di, magic))};
}

/// exp_scalar, the same steps in every lane.
template <class D, class V = hn::Vec<D>>
HWY_INLINE V exp_lanes(D d, V x) {
  using T = hn::TFromD<D>;
  using C = ExpConstants<T>;
  const hn::RebindToSigned<D> di;
  const V low = hn::Set(d, C::kLow);
  const V high = hn::Set(d, C::kHigh);
  V clamped = hn::IfThenElse(hn::Lt(x, low), low, x);
  clamped = hn::IfThenElse(hn::Gt(x, high), high, clamped);
  const auto [r, whole] = exp_parts_lanes(d, clamped);
  const V one = hn::Set(d, T{1});
  const V q = polynomial_lanes(d, C::kCoefficients, r);
  const V p = hn::MulAdd(hn::MulAdd(q, r, one), r, one);
  // An arithmetic shift by one, which 64-bit lanes lack before AVX-512: |whole| < 2^11, so an
  // offset makes it a logical one.
  const auto offset = hn::Set(di, 4096);
  const auto half = hn::Sub(hn::ShiftRight<1>(hn::Add(whole, offset)), hn::Set(di, 2048));
  const auto bias = hn::Set(di, C::kBias);
  const V two_half = hn::BitCast(d, hn::ShiftLeft<C::kFractionBits>(hn::Add(half, bias)));
  const V two_rest =
      hn::BitCast(d, hn::ShiftLeft<C::kFractionBits>(hn::Add(hn::Sub(whole, half), bias)));
  const V result = hn::Mul(hn::Mul(p, two_half), two_rest);
  return hn::IfThenElse(hn::Eq(x, x), result, x);
}

/// SoftmaxF32, SoftmaxF64.
template <class T>
void softmax_row(const T* row, std::int64_t count, T* out) {
  const hn::ScalableTag<T> d;
  constexpr int kSums = 16;
  const int lanes = static_cast<int>(std::min<std::size_t>(hn::Lanes(d), kSums));
  constexpr T kMinusInfinity = -std::numeric_limits<T>::infinity();
  const auto minus_infinity = hn::Set(d, kMinusInfinity);
  SoftmaxState<T> state;
  for (std::int64_t begin = 0; begin < count; begin += kSoftmaxBlock) {
    const std::int64_t size = std::min(count - begin, kSoftmaxBlock);
    const std::int64_t padded = (size + kSums - 1) / kSums * kSums;
    HWY_ALIGN T block[kSoftmaxBlock];
    T m = kMinusInfinity;
    for (std::int64_t j = 0; j < size; ++j) {
      block[j] = row[begin + j];
      m = maximum(m, block[j]);
    }
    for (std::int64_t j = size; j < padded; ++j) block[j] = kMinusInfinity;
    if (m == kMinusInfinity) continue;
    HWY_ALIGN T sums[kSums] = {};
    const auto m_lanes = hn::Set(d, m);
    for (int c = 0; c < kSums; c += lanes) {
      auto sum = hn::Zero(d);
      for (std::int64_t j = c; j < padded; j += kSums) {
        const auto t = hn::Load(d, block + j);
        const auto p = exp_lanes(d, hn::Sub(t, m_lanes));
        sum = hn::Add(sum, hn::IfThenElse(hn::Eq(t, minus_infinity), hn::Zero(d), p));
      }
      hn::Store(sum, d, sums + c);
    }
    for (int half = kSums / 2; half > 0; half /= 2) {
      for (int c = 0; c < half; ++c) sums[c] = sums[c] + sums[c + half];
    }
    state.fold(m, sums[0]);
  }
  if (state.empty) {
    for (std::int64_t j = 0; j < count; ++j) out[j] = T{0};
    return;
  }
  const auto M = hn::Set(d, state.M);
  const auto L = hn::Set(d, state.L);
  const auto weights = [&](auto t) HWY_ATTR {
    const auto w = hn::Div(exp_lanes(d, hn::Sub(t, M)), L);
    return hn::IfThenElse(hn::Eq(t, minus_infinity), hn::Zero(d), w);
  };
  std::int64_t j = 0;
  for (; j + lanes <= count; j += lanes) hn::StoreU(weights(hn::LoadU(d, row + j)), d, out + j);
  if (j < count) {
    HWY_ALIGN T rest[HWY_LANES(T)] = {};
    for (std::int64_t i = j; i < count; ++i) rest[i - j] = row[i];
    hn::Store(weights(hn::Load(d, rest)), d, rest);
    for (std::int64_t i = j; i < count; ++i) out[i] = rest[i - j];
  }
}

// NOLINTNEXTLINE(google-readability-namespace-comments)
}  // namespace batchdot::kernel::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
