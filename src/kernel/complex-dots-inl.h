// SPDX-License-Identifier: Apache-2.0
// Dot products of complex numbers: of packed panels, and of rows that are read where they lie.
// Included once for each target; see targets.h.

#if defined(BATCHDOT_COMPLEX_DOTS_INL_H) == defined(HWY_TARGET_TOGGLE)
#ifdef BATCHDOT_COMPLEX_DOTS_INL_H
#undef BATCHDOT_COMPLEX_DOTS_INL_H
#else
#define BATCHDOT_COMPLEX_DOTS_INL_H
#endif

#include <algorithm>
#include <cstdint>

#include "hwy/highway.h"
#include "src/kernel/complex-inl.h"
#include "src/kernel/dots-inl.h"
#include "src/kernel/kernels.h"
#include "src/kernel/transpose-inl.h"

HWY_BEFORE_NAMESPACE();
namespace batchdot::kernel::HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

#if HWY_TARGET != HWY_SCALAR && HWY_TARGET != HWY_EMU128

/// DotsCall for complex numbers: lanes are items, rows of a panel all re, then all im.
template <class T>
void dots_complex(const DotsCall& call) {
  const hn::ScalableTag<T> d;
  constexpr auto kLanes = static_cast<std::int64_t>(HWY_LANES(T));
  constexpr std::int64_t kWidth = kDotsVectors * kLanes;
  const T* a = static_cast<const T*>(call.a);
  const T* b = static_cast<const T*>(call.b);
  T* sum = static_cast<T*>(call.sum);
  std::int64_t left = call.K;
  bool first = call.first;
  do {
    const std::int64_t steps = std::min(left, kBlock);
    left -= steps;
    hn::Vec<decltype(d)> re[kDotsVectors], im[kDotsVectors];
    for (int v = 0; v < kDotsVectors; ++v) re[v] = im[v] = hn::Zero(d);
    for (std::int64_t k = 0; k < steps; ++k, a += 2 * kWidth, b += 2 * kWidth) {
      for (int v = 0; v < kDotsVectors; ++v) {
        const auto ar = hn::LoadU(d, a + v * kLanes), ai = hn::LoadU(d, a + kWidth + v * kLanes);
        const auto br = hn::LoadU(d, b + v * kLanes), bi = hn::LoadU(d, b + kWidth + v * kLanes);
        re[v] = hn::NegMulAdd(ai, bi, hn::MulAdd(ar, br, re[v]));
        im[v] = hn::MulAdd(ai, br, hn::MulAdd(ar, bi, im[v]));
      }
    }
    for (int v = 0; v < kDotsVectors; ++v) {
      T* at = sum + v * kLanes;
      T* at_im = at + kWidth;
      hn::StoreU(first ? re[v] : hn::Add(hn::LoadU(d, at), re[v]), d, at);
      hn::StoreU(first ? im[v] : hn::Add(hn::LoadU(d, at_im), im[v]), d, at_im);
    }
    first = false;
  } while (left > 0);
}

/// What RealRows is for reals: a number takes two lanes, re and im. If kSwapped, a is rhs.
template <class T, bool kSwapped>
class ComplexRows {
 public:
  using Real = T;
  using D = hn::ScalableTag<T>;
  using V = hn::Vec<D>;
  static constexpr int kReals = 2;
  static constexpr int kPiece = kPieceLanes<T> / 2;

  HWY_INLINE explicit ComplexRows(const RowsCall& call)
      : doubled_(kSwapped ? call.b_conjugate : call.a_conjugate,
                 kSwapped ? call.a_conjugate : call.b_conjugate) {}
  /// A number of 64 bits moves as a double.
  HWY_INLINE void transpose(V (&v)[kPiece]) const {
    if constexpr (kPiece == 2) {
      const hn::Repartition<double, D> numbers;
      hn::Vec<decltype(numbers)> moved[2] = {hn::BitCast(numbers, v[0]),
                                             hn::BitCast(numbers, v[1])};
      transpose_pieces(numbers, moved);
      v[0] = hn::BitCast(D(), moved[0]);
      v[1] = hn::BitCast(D(), moved[1]);
    }
  }
  HWY_INLINE V add(V a, V b, V acc) const {
    acc = hn::MulAdd(hn::DupEven(a), doubled_.of_re(b), acc);
    return hn::MulAdd(hn::DupOdd(a), doubled_.of_im(b), acc);
  }
  HWY_INLINE V add_row(const T* a, V b, V acc) const {
    if constexpr (kSwapped) {
      return add(b, set_number(D(), a), acc);
    } else {
      acc = hn::MulAdd(hn::Set(D(), a[0]), doubled_.of_re(b), acc);
      return hn::MulAdd(hn::Set(D(), a[1]), doubled_.of_im(b), acc);
    }
  }
  HWY_INLINE void store(V acc, bool first, std::int64_t count, T* sum, std::int64_t plane) const {
    const D d;
    constexpr std::int64_t kNumbersOfVector = static_cast<std::int64_t>(HWY_LANES(T)) / 2;
    if (count == kNumbersOfVector) {
      const hn::Half<D> half;
      const auto store_part = [&](hn::Vec<hn::Half<D>> part, T* to) HWY_ATTR {
        hn::StoreU(first ? part : hn::Add(hn::LoadU(half, to), part), half, to);
      };
      store_part(hn::LowerHalf(half, hn::ConcatEven(d, acc, acc)), sum);
      store_part(hn::LowerHalf(half, hn::ConcatOdd(d, acc, acc)), sum + plane);
      return;
    }
    HWY_ALIGN T edge[HWY_LANES(T)];
    hn::Store(acc, d, edge);
    for (std::int64_t j = 0; j < count; ++j) {
      sum[j] = first ? edge[2 * j] : sum[j] + edge[2 * j];
      T& im = sum[plane + j];
      im = first ? edge[2 * j + 1] : im + edge[2 * j + 1];
    }
  }

 private:
  DoubledRow<D> doubled_;
};

/// column_dots for complex numbers.
template <class T>
void column_dots_complex(const RowsCall& call) {
  using Numbers = ComplexRows<T, false>;
  using V = typename Numbers::V;
  const typename Numbers::D d;
  constexpr auto kLanes = static_cast<std::int64_t>(HWY_LANES(T));
  const Numbers numbers(call);
  const T* const a = static_cast<const T*>(call.a);
  const T* const b = static_cast<const T*>(call.b);
  T* const sum = static_cast<T*>(call.sum);
  const std::int64_t a_row = 2 * call.a_row, b_row = 2 * call.b_row;
  // A vector of columns: two of pairs.
  const auto columns = [&](std::int64_t at, int count, const auto& low, const auto& high) HWY_ATTR {
    const FirstLanes<typename Numbers::D> exist(d, count);
    std::int64_t from = 0;
    do {
      const std::int64_t end = std::min(call.K, from + kBlock);
      const T* a_k = a + from * a_row + 2 * at;
      const T* b_k = b + from * b_row + 2 * at;
      V re[1][1] = {{hn::Zero(d)}}, im[1][1] = {{hn::Zero(d)}};
      for (std::int64_t k = from; k < end; ++k, a_k += a_row, b_k += b_row) {
        re[0][0] = numbers.add(low(a_k), low(b_k), re[0][0]);
        im[0][0] = numbers.add(high(a_k + kLanes), high(b_k + kLanes), im[0][0]);
      }
      separate(d, re, im);
      const bool first = call.first && from == 0;
      add_block(d, re, first, count == kLanes, exist, sum + at, 0);
      add_block(d, im, first, count == kLanes, exist, sum + call.sum_plane + at, 0);
      from = end;
    } while (from < call.K);
  };
  const auto load = [&](const T* from) HWY_ATTR { return hn::LoadU(d, from); };
  std::int64_t at = 0;
  for (; at + kLanes <= call.rows; at += kLanes) columns(at, kLanes, load, load);
  if (at == call.rows) return;
  const int count = static_cast<int>(call.rows - at);
  const LastPairs<typename Numbers::D> last(d, count);
  columns(
      at, count, [&](const T* from) HWY_ATTR { return last.low.load(d, from); },
      [&](const T* from) HWY_ATTR { return last.high.load(d, from); });
}

#endif

// NOLINTNEXTLINE(google-readability-namespace-comments)
}  // namespace batchdot::kernel::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
