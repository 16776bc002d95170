// SPDX-License-Identifier: Apache-2.0
// tanh, erf and the activations on vectors; the same steps as in activation.h. Included once for
// each target; see targets.h.

#if defined(BATCHDOT_ACTIVATION_INL_H) == defined(HWY_TARGET_TOGGLE)
#ifdef BATCHDOT_ACTIVATION_INL_H
#undef BATCHDOT_ACTIVATION_INL_H
#else
#define BATCHDOT_ACTIVATION_INL_H
#endif

#include <algorithm>
#include <cstdint>
#include <cstring>

#include "hwy/highway.h"
#include "src/kernel/activation.h"
#include "src/kernel/rowwise-inl.h"

HWY_BEFORE_NAMESPACE();
namespace batchdot::kernel::HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

#if HWY_TARGET != HWY_SCALAR && HWY_TARGET != HWY_EMU128

/// tanh_scalar in every lane.
template <class D, class V = hn::Vec<D>>
HWY_INLINE V tanh_lanes(D d, V x) {
  using T = hn::TFromD<D>;
  using E = ExpConstants<T>;
  using A = ActivationConstants<T>;
  const hn::RebindToSigned<D> di;
  const V one = hn::Set(d, T{1});
  const V two = hn::Set(d, T{2});
  const V high = hn::Set(d, A::kTanhHigh);
  const V magnitude = hn::Abs(x);
  const V a = hn::IfThenElse(hn::Gt(magnitude, high), high, magnitude);
  const auto [r, whole] = exp_parts_lanes(d, hn::Add(a, a));
  const V curve = hn::Mul(polynomial_lanes(d, E::kCoefficients, r), hn::Mul(r, r));
  const V power =
      hn::BitCast(d, hn::ShiftLeft<E::kFractionBits>(hn::Add(whole, hn::Set(di, E::kBias))));
  const V m = hn::MulAdd(curve, power, hn::MulAdd(r, power, hn::Sub(power, one)));
  const V sum = hn::Add(m, two);
  const V lost = hn::Sub(m, hn::Sub(sum, two));
  V reciprocal = hn::BitCast(d, hn::Sub(hn::Set(di, A::kReciprocal), hn::BitCast(di, sum)));
  for (int i = 0; i < A::kReciprocalSteps; ++i) {
    const V error = hn::NegMulAdd(sum, reciprocal, one);
    reciprocal = hn::MulAdd(hn::MulAdd(error, error, error), reciprocal, reciprocal);
  }
  const V q = hn::Mul(m, reciprocal);
  const V rest = hn::NegMulAdd(q, lost, hn::NegMulAdd(q, sum, m));
  const V result = hn::CopySign(hn::MulAdd(rest, reciprocal, q), x);
  return hn::IfThenElse(hn::Eq(x, x), result, x);
}

/// erf_scalar in every lane.
template <class D, class V = hn::Vec<D>>
HWY_INLINE V erf_lanes(D d, V x) {
  using T = hn::TFromD<D>;
  using A = ActivationConstants<T>;
  const V one = hn::Set(d, T{1});
  const V high = hn::Set(d, A::kErfHigh);
  const V magnitude = hn::Abs(x);
  const V square = hn::Mul(magnitude, magnitude);
  const V small = hn::MulAdd(polynomial_lanes(d, A::kErfSmall, square), x, x);
  const V a = hn::IfThenElse(hn::Gt(magnitude, high), high, magnitude);
  const V q = polynomial_lanes(d, A::kErfLarge, hn::Sub(a, one));
  const V large = hn::CopySign(hn::Sub(one, exp_lanes(d, hn::Neg(q))), x);
  const V result = hn::IfThenElse(hn::Lt(magnitude, one), small, large);
  return hn::IfThenElse(hn::Eq(x, x), result, x);
}

// x[j] = step(x[j]), `count` of them.
template <class T, class Step>
HWY_INLINE void each_vector(T* x, std::int64_t count, const Step& step) {
  const hn::ScalableTag<T> d;
  constexpr auto N = static_cast<std::int64_t>(HWY_LANES(T));
  HWY_ALIGN T rest[N];
  for (std::int64_t j = 0; j < count; j += N) {
    const bool is_whole = count - j >= N;
    const auto bytes = static_cast<std::size_t>(std::min(N, count - j)) * sizeof(T);
    T* at = x + j;
    if (!is_whole) {
      hn::Store(hn::Zero(d), d, rest);
      at = static_cast<T*>(std::memcpy(rest, x + j, bytes));
    }
    hn::StoreU(step(hn::LoadU(d, at)), d, at);
    if (!is_whole) std::memcpy(x + j, rest, bytes);
  }
}

/// activate_by_function of `count` elements, in place.
template <class T>
void activate_run_by_function(Activation activation, T* x, std::int64_t count) {
  const hn::ScalableTag<T> d;
  using V = hn::Vec<decltype(d)>;
  using A = ActivationConstants<T>;
  const V one = hn::Set(d, T{1});
  const V half = hn::Set(d, T(0.5));
  switch (activation) {
    case Activation::kTanh:
      return each_vector(x, count, [=](V t) HWY_ATTR { return tanh_lanes(d, t); });
    case Activation::kGelu:
      return each_vector(x, count, [=](V t) HWY_ATTR {
        const V e = erf_lanes(d, hn::Mul(t, hn::Set(d, A::kRootHalf)));
        return hn::Mul(hn::Mul(half, t), hn::Add(one, e));
      });
    case Activation::kGeluTanh:
      return each_vector(x, count, [=](V t) HWY_ATTR {
        const V stretched = hn::MulAdd(hn::Mul(t, t), hn::Set(d, A::kCubic), one);
        const V e = tanh_lanes(d, hn::Mul(hn::Mul(t, hn::Set(d, A::kRootTwoByPi)), stretched));
        return hn::Mul(hn::Mul(half, t), hn::Add(one, e));
      });
    case Activation::kNone:
    case Activation::kRelu:
      break;
  }
}

/// activate_scalar of `count` elements, in place.
template <class T>
void activate_run(Activation activation, T* x, std::int64_t count) {
  const hn::ScalableTag<T> d;
  using V = hn::Vec<decltype(d)>;
  const V zero = hn::Zero(d);
  switch (activation) {
    case Activation::kNone:
      return;
    case Activation::kRelu:
      return each_vector(x, count, [=](V t) HWY_ATTR {
        return hn::IfThenElse(hn::Or(hn::Lt(t, zero), hn::Eq(t, zero)), zero, t);
      });
    case Activation::kGelu:
    case Activation::kGeluTanh:
    case Activation::kTanh:
      if constexpr (std::is_floating_point_v<T>) activate_run_by_function(activation, x, count);
  }
}

#endif

// NOLINTNEXTLINE(google-readability-namespace-comments)
}  // namespace batchdot::kernel::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
