// SPDX-License-Identifier: Apache-2.0
#include "src/exec/store.h"

#include <complex>
#include <cstring>
#include <type_traits>

#include "src/kernel/convert.h"

namespace batchdot {

namespace {

using kernel::Arithmetic;

// a * b and a + b as the order fixes them: modulo 2^n for integers.
template <class T>
T times(T factor, T x) {
  if constexpr (std::is_integral_v<T>) {
    using U = std::make_unsigned_t<T>;
    return static_cast<T>(static_cast<U>(factor) * static_cast<U>(x));
  } else {
    return factor * x;
  }
}
template <class T>
T plus(T a, T b) {
  if constexpr (std::is_integral_v<T>) {
    using U = std::make_unsigned_t<T>;
    return static_cast<T>(static_cast<U>(a) + static_cast<U>(b));
  } else {
    return a + b;
  }
}

// A whole number of at most 2^53 in size, modulo 2^n for integers.
template <class T>
T factor(double x) {
  if constexpr (std::is_integral_v<T>) {
    return static_cast<T>(static_cast<std::int64_t>(x));
  } else {
    return static_cast<T>(x);
  }
}

// t = alpha * sum; t = t + (beta * old); t = t + bias. A factor of exactly 1 is skipped, with beta
// = 0 the old value is not read.
template <class Real, class Out>
void store_row(const StoreScale& scale, const StoreCall& call, std::int64_t row) {
  constexpr bool kComplex = kernel::kIsComplex<Out>;
  const Real* sums = static_cast<const Real*>(call.sums) + row * call.sum_row;
  Out* out = reinterpret_cast<Out*>(call.out) + call.out_rows.at(row);
  const Out* bias = call.bias == nullptr
                        ? nullptr
                        : reinterpret_cast<const Out*>(call.bias) + call.bias_rows.at(row);
  const bool is_plain = scale.is_plain();
  if constexpr (std::is_same_v<Real, Out>) {
    if (is_plain && call.out_columns.offsets == nullptr && call.out_columns.stride == 1) {
      std::memcpy(out, sums, static_cast<std::size_t>(call.columns) * sizeof(Out));
      return;
    }
  }
  const Real alpha = factor<Real>(scale.alpha);
  const Real beta = factor<Real>(scale.beta);
  const auto finish = [&](Real t, Real old, Real b) {
    if (scale.alpha != 1) t = times(alpha, t);
    if (scale.beta != 0) t = plus(t, scale.beta == 1 ? old : times(beta, old));
    return bias == nullptr ? t : plus(t, b);
  };
  for (std::int64_t column = 0; column < call.columns; ++column) {
    Out& to = out[call.out_columns.at(column)];
    if constexpr (kComplex) {
      const Real re = sums[column];
      const Real im = sums[call.sum_plane + column];
      if (is_plain) {
        to = Out(re, im);
        continue;
      }
      const Out old = scale.beta != 0 ? to : Out{};
      const Out b = bias == nullptr ? Out{} : bias[call.bias_columns.at(column)];
      to = Out(finish(re, old.real(), b.real()), finish(im, old.imag(), b.imag()));
    } else {
      if (is_plain) {
        to = kernel::convert<Out>(sums[column]);
        continue;
      }
      const Real old = scale.beta != 0 ? kernel::convert<Real>(to) : Real{};
      const Real b =
          bias == nullptr ? Real{} : kernel::convert<Real>(bias[call.bias_columns.at(column)]);
      to = kernel::convert<Out>(finish(sums[column], old, b));
    }
  }
}

template <class Real, class Out>
void store_rows(const StoreScale& scale, const StoreCall& call) {
  for (std::int64_t row = 0; row < call.rows; ++row) store_row<Real, Out>(scale, call, row);
}

}  // namespace

void store(const ContractStep& step, const StoreCall& call) {
  const StoreScale& scale = step.scale;
  switch (step.arithmetic) {
    case Arithmetic::kF32:
    case Arithmetic::kBF16:
      if (step.out_dtype == DType(F16{})) return store_rows<float, Half>(scale, call);
      if (step.out_dtype == DType(BF16{})) return store_rows<float, BFloat16>(scale, call);
      return store_rows<float, float>(scale, call);
    case Arithmetic::kF64:
      return store_rows<double, double>(scale, call);
    case Arithmetic::kC64:
      return store_rows<float, std::complex<float>>(scale, call);
    case Arithmetic::kC128:
      return store_rows<double, std::complex<double>>(scale, call);
    case Arithmetic::kI32:
    case Arithmetic::kI8:
      return store_rows<std::int32_t, std::int32_t>(scale, call);
    case Arithmetic::kI64:
      return store_rows<std::int64_t, std::int64_t>(scale, call);
  }
}

}  // namespace batchdot
