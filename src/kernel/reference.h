// SPDX-License-Identifier: Apache-2.0
#pragma once
// The kernels of the target `scalar`: the order of docs/numerics.md as plain loops. Every other
// target must give the same bits.

#include <algorithm>
#include <cmath>
#include <complex>
#include <cstdint>
#include <limits>
#include <type_traits>

#include "src/kernel/activation.h"
#include "src/kernel/convert.h"
#include "src/kernel/exp.h"
#include "src/kernel/kernels.h"

namespace batchdot::kernel {

/// a * b + c: one rounding for floating types, modulo 2^n for integers.
template <class T>
inline T multiply_add(T a, T b, T c) {
  if constexpr (std::is_floating_point_v<T>) {
    return std::fma(a, b, c);
  } else {
    using U = std::make_unsigned_t<T>;
    return static_cast<T>(static_cast<U>(a) * static_cast<U>(b) + static_cast<U>(c));
  }
}
template <class T>
inline T plain_add(T a, T b) {
  if constexpr (std::is_floating_point_v<T>) {
    return a + b;
  } else {
    using U = std::make_unsigned_t<T>;
    return static_cast<T>(static_cast<U>(a) + static_cast<U>(b));
  }
}

template <class T>
inline T plain_multiply(T a, T b) {
  if constexpr (std::is_floating_point_v<T>) {
    return a * b;
  } else {
    return multiply_add(a, b, T{0});
  }
}

/// TileCall for real numbers and integers: MR rows, NR columns.
template <class T, int MR, int NR>
void reference_tile(const TileCall& call) {
  const T* a = static_cast<const T*>(call.a);
  const T* b = static_cast<const T*>(call.b);
  T* sum = static_cast<T*>(call.sum);
  bool first = call.first;
  std::int64_t k = 0;
  do {
    T block[MR][NR] = {};
    const std::int64_t end = std::min(call.K, k + kBlock);
    for (; k < end; ++k) {
      for (int i = 0; i < MR; ++i) {
        const T a_ik = a[i * call.a_row + k * call.a_k];
        for (int j = 0; j < call.columns; ++j) {
          block[i][j] = multiply_add(a_ik, b[k * call.b_k + j], block[i][j]);
        }
      }
    }
    for (int i = 0; i < MR; ++i) {
      for (int j = 0; j < call.columns; ++j) {
        T& s = sum[i * call.sum_row + j];
        s = first ? block[i][j] : plain_add(s, block[i][j]);
      }
    }
    first = false;
  } while (k < call.K);
}

/// TileCall for complex numbers: a from lhs, or from rhs if kSwapped.
template <class T, int MR, int NR, bool kSwapped>
void reference_tile_complex(const TileCall& call) {
  const T* a = static_cast<const T*>(call.a);
  const T* b = static_cast<const T*>(call.b);
  T* sum = static_cast<T*>(call.sum);
  bool first = call.first;
  std::int64_t k = 0;
  do {
    T re[MR][NR] = {};
    T im[MR][NR] = {};
    const std::int64_t end = std::min(call.K, k + kBlock);
    for (; k < end; ++k) {
      for (int i = 0; i < MR; ++i) {
        const T ar = a[i * call.a_row + k * call.a_k];
        const T ai = a[i * call.a_row + k * call.a_k + 1];
        for (int j = 0; j < NR; ++j) {
          const T br = b[k * call.b_k + j];
          const T bi = b[k * call.b_k + NR + j];
          re[i][j] = std::fma(ar, br, re[i][j]);
          re[i][j] = std::fma(-ai, bi, re[i][j]);
          im[i][j] = kSwapped ? std::fma(ai, br, im[i][j]) : std::fma(ar, bi, im[i][j]);
          im[i][j] = kSwapped ? std::fma(ar, bi, im[i][j]) : std::fma(ai, br, im[i][j]);
        }
      }
    }
    for (int i = 0; i < MR; ++i) {
      for (int j = 0; j < call.columns; ++j) {
        T& s_re = sum[i * call.sum_row + j];
        T& s_im = sum[i * call.sum_row + call.sum_plane + j];
        s_re = first ? re[i][j] : s_re + re[i][j];
        s_im = first ? im[i][j] : s_im + im[i][j];
      }
    }
    first = false;
  } while (k < call.K);
}

/// DotsCall for real numbers and integers.
template <class T>
void reference_dots(const DotsCall& call) {
  const T* a = static_cast<const T*>(call.a);
  const T* b = static_cast<const T*>(call.b);
  T* sum = static_cast<T*>(call.sum);
  bool first = call.first;
  std::int64_t begin = 0;
  do {
    const std::int64_t end = std::min(call.K, begin + kBlock);
    for (int j = 0; j < call.width; ++j) {
      T block{};
      for (std::int64_t k = begin; k < end; ++k) {
        block = multiply_add(a[k * call.width + j], b[k * call.width + j], block);
      }
      sum[j] = first ? block : plain_add(sum[j], block);
    }
    first = false;
    begin = end;
  } while (begin < call.K);
}

/// DotsCall for complex numbers; a from lhs, b from rhs, both rows of all re, then all im.
template <class T>
void reference_dots_complex(const DotsCall& call) {
  const T* a = static_cast<const T*>(call.a);
  const T* b = static_cast<const T*>(call.b);
  T* sum = static_cast<T*>(call.sum);
  const int width = call.width;
  bool first = call.first;
  std::int64_t begin = 0;
  do {
    const std::int64_t end = std::min(call.K, begin + kBlock);
    for (int j = 0; j < width; ++j) {
      T re{};
      T im{};
      for (std::int64_t k = begin; k < end; ++k) {
        const T ar = a[2 * k * width + j], ai = a[(2 * k + 1) * width + j];
        const T br = b[2 * k * width + j], bi = b[(2 * k + 1) * width + j];
        re = std::fma(ar, br, re);
        re = std::fma(-ai, bi, re);
        im = std::fma(ar, bi, im);
        im = std::fma(ai, br, im);
      }
      sum[j] = first ? re : sum[j] + re;
      sum[width + j] = first ? im : sum[width + j] + im;
    }
    first = false;
    begin = end;
  } while (begin < call.K);
}

/// AddCall: kParts is 2 for complex numbers.
template <class T, int kParts>
void reference_add_blocks(const AddCall& call) {
  const T* list = static_cast<const T*>(call.list);
  const T* rest = static_cast<const T*>(call.rest);
  T* sum = static_cast<T*>(call.sum);
  for (int part = 0; part < kParts; ++part) {
    T t = list[part];
    for (std::int64_t j = 1; j < call.count; ++j) t = plain_add(t, list[j * kParts + part]);
    sum[part] = rest == nullptr ? t : plain_add(t, rest[part]);
  }
}

/// A factor of a StoreCall: of integers a whole number of at most 2^53 in size, modulo 2^n.
template <class T>
inline T factor(double x) {
  if constexpr (std::is_integral_v<T>) {
    return static_cast<T>(static_cast<std::int64_t>(x));
  } else {
    return static_cast<T>(x);
  }
}

/// True if sums are only converted.
inline bool is_plain_store(const StoreCall& call) {
  return call.alpha == 1 && call.beta == 0 && call.scale.data == nullptr &&
         call.bias.data == nullptr && call.activation == Activation::kNone;
}

/// StoreCall: sums in T, complex ones as planes of re and im.
template <class T, class Out>
void reference_store(const StoreCall& call) {
  using Scale = std::conditional_t<kIsComplex<Out>, T, Out>;
  const T alpha = factor<T>(call.alpha);
  const T beta = factor<T>(call.beta);
  const bool is_plain = is_plain_store(call);
  const bool has_alpha = call.alpha != 1;
  const bool has_beta = call.beta != 0;
  const bool is_beta_1 = call.beta == 1;
  const Activation activation = call.activation;
  for (std::int64_t i = 0; i < call.rows; ++i) {
    const T* sums = static_cast<const T*>(call.sums) + i * call.sum_row;
    Out* out = static_cast<Out*>(call.out) + i * call.out_row;
    const auto* scale = static_cast<const Scale*>(call.scale.data);
    const auto* bias = static_cast<const Out*>(call.bias.data);
    const auto finish = [&](std::int64_t j, T t, T old, T b) {
      if (has_alpha) t = plain_multiply(alpha, t);
      if (has_beta) t = plain_add(t, is_beta_1 ? old : plain_multiply(beta, old));
      if (scale != nullptr) {
        t = plain_multiply(convert<T>(scale[i * call.scale.row + j * call.scale.column]), t);
      }
      if (bias != nullptr) t = plain_add(t, b);
      return activate_scalar(activation, t);
    };
    for (std::int64_t j = 0; j < call.columns; ++j, out += call.out_column) {
      if (is_plain) {
        if constexpr (kIsComplex<Out>) {
          *out = Out(sums[j], sums[call.sum_plane + j]);
        } else {
          *out = convert<Out>(sums[j]);
        }
        continue;
      }
      const Out old = has_beta ? *out : Out{};
      const Out b = bias == nullptr ? Out{} : bias[i * call.bias.row + j * call.bias.column];
      if constexpr (kIsComplex<Out>) {
        *out = Out(finish(j, sums[j], old.real(), b.real()),
                   finish(j, sums[call.sum_plane + j], old.imag(), b.imag()));
      } else {
        *out = convert<Out>(finish(j, sums[j], convert<T>(old), convert<T>(b)));
      }
    }
  }
}

/// Maximum as softmax needs it: NaN if either is NaN, max(-0, +0) = +0.
template <class T>
inline T maximum(T a, T b) {
  if (a != a) return a;
  if (b != b) return b;
  if (a == b) return std::signbit(a) ? b : a;
  return a > b ? a : b;
}

/// (M, L) of a row: its keys in blocks of 256, each with its own maximum, folded in order.
template <class T>
struct SoftmaxState {
  T M = -std::numeric_limits<T>::infinity();
  T L = 0;
  bool empty = true;

  /// Takes in one block's maximum and sum.
  void fold(T m, T l) {
    if (empty) {
      M = m;
      L = l;
      empty = false;
      return;
    }
    const T M_new = maximum(M, m);
    const T f = exp_scalar(M - M_new);
    const T g = exp_scalar(m - M_new);
    L = std::fma(L, f, l * g);
    M = M_new;
  }
};

inline constexpr std::int64_t kSoftmaxBlock = 256;

template <class T>
void reference_softmax(const T* row, std::int64_t count, T* out) {
  constexpr T kMinusInfinity = -std::numeric_limits<T>::infinity();
  SoftmaxState<T> state;
  for (std::int64_t begin = 0; begin < count; begin += kSoftmaxBlock) {
    const std::int64_t end = std::min(count, begin + kSoftmaxBlock);
    T m = kMinusInfinity;
    for (std::int64_t j = begin; j < end; ++j) m = maximum(m, row[j]);
    if (m == kMinusInfinity) continue;  // no key of this block counts
    T sums[16] = {};
    for (std::int64_t j = begin; j < end; ++j) {
      T& s = sums[(j - begin) % 16];
      s = s + (row[j] == kMinusInfinity ? T{0} : exp_scalar(row[j] - m));
    }
    for (int half = 8; half > 0; half /= 2) {
      for (int c = 0; c < half; ++c) sums[c] = sums[c] + sums[c + half];
    }
    state.fold(m, sums[0]);
  }
  for (std::int64_t j = 0; j < count; ++j) {
    const bool counts = !state.empty && row[j] != kMinusInfinity;
    out[j] = counts ? exp_scalar(row[j] - state.M) / state.L : T{0};
  }
}

}  // namespace batchdot::kernel
