// SPDX-License-Identifier: Apache-2.0
// Complex numbers: the register tile and its packs. Included once for each target; see targets.h.

#if defined(BATCHDOT_COMPLEX_INL_H) == defined(HWY_TARGET_TOGGLE)
#ifdef BATCHDOT_COMPLEX_INL_H
#undef BATCHDOT_COMPLEX_INL_H
#else
#define BATCHDOT_COMPLEX_INL_H
#endif

#include <algorithm>
#include <array>
#include <complex>
#include <cstdint>
#include <cstring>
#include <type_traits>
#include <utility>

#include "hwy/highway.h"
#include "src/kernel/kernels.h"
#include "src/kernel/microkernel-inl.h"
#include "src/kernel/pack-inl.h"
#include "src/kernel/transpose-inl.h"

HWY_BEFORE_NAMESPACE();
namespace batchdot::kernel::HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

/// re, im (MR x NV vectors each) += a[i, k] * b[k, vector v] for one k: four fused multiply-adds in
/// the order of docs/numerics.md, two to an accumulator.
template <bool kSwapped, int MR, int NV, class Rows, class D, class T = hn::TFromD<D>>
HWY_INLINE void multiply_complex_step(D d, Rows& a, std::int64_t a_k, const T* HWY_RESTRICT b,
                                      hn::Vec<D> (&re)[MR][NV], hn::Vec<D> (&im)[MR][NV]) {
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(d));
  hn::Vec<D> br[NV];
  hn::Vec<D> bi[NV];
  BATCHDOT_UNROLL
  for (int v = 0; v < NV; ++v) br[v] = hn::LoadU(d, b + v * lanes);
  BATCHDOT_UNROLL
  for (int v = 0; v < NV; ++v) bi[v] = hn::LoadU(d, b + (NV + v) * lanes);
  BATCHDOT_UNROLL
  for (int i = 0; i < MR; ++i) {
    const T* a_ik = a.row(i);
    const auto ar = hn::Set(d, a_ik[0]);
    const auto ai = hn::Set(d, a_ik[1]);
    BATCHDOT_UNROLL
    for (int v = 0; v < NV; ++v) {
      re[i][v] = hn::MulAdd(ar, br[v], re[i][v]);
      im[i][v] = kSwapped ? hn::MulAdd(ai, br[v], im[i][v]) : hn::MulAdd(ar, bi[v], im[i][v]);
    }
    BATCHDOT_UNROLL
    for (int v = 0; v < NV; ++v) {
      re[i][v] = hn::NegMulAdd(ai, bi[v], re[i][v]);
      im[i][v] = kSwapped ? hn::MulAdd(ar, bi[v], im[i][v]) : hn::MulAdd(ai, br[v], im[i][v]);
    }
  }
  a.advance(a_k);
}

#if HWY_TARGET != HWY_SCALAR && HWY_TARGET != HWY_EMU128  // which have no pairs of lanes

// A row of complex numbers as rows of reals: what re of a, and then what im of a is multiplied
// with. Both are exact.
//
//     [br0 bi0 br1 bi1 ...]   ->   [ br0 bi0  br1 bi1 ...]
//                                  [-bi0 br0 -bi1 br1 ...]
template <class D>
class DoubledRow {
 public:
  using V = hn::Vec<D>;
  HWY_INLINE DoubledRow(bool a_conjugate, bool b_conjugate) {
    const auto sign = hn::SignBit(d_);
    const auto im = hn::OddEven(sign, hn::Zero(d_));
    const auto re = hn::OddEven(hn::Zero(d_), sign);
    of_re_ = b_conjugate ? im : hn::Zero(d_);
    of_im_ = b_conjugate ? hn::Zero(d_) : re;
    if (a_conjugate) of_im_ = hn::Xor(of_im_, sign);
  }
  HWY_INLINE V of_re(V numbers) const { return hn::Xor(numbers, of_re_); }
  HWY_INLINE V of_im(V numbers) const { return hn::Xor(hn::Reverse2(d_, numbers), of_im_); }

 private:
  D d_;
  V of_re_, of_im_;
};

// One number in all pairs of lanes.
template <class D, class T = hn::TFromD<D>>
HWY_INLINE hn::Vec<D> set_number(D d, const T* number) {
  if constexpr (sizeof(T) == 4) {
    const hn::Repartition<std::uint64_t, D> numbers;
    std::uint64_t bits = 0;
    std::memcpy(&bits, number, sizeof(bits));
    return hn::BitCast(d, hn::Set(numbers, bits));
  } else {
    return hn::LoadDup128(d, number);
  }
}

// Which lanes of the last two vectors of pairs exist.
template <class D>
struct LastPairs {
  HWY_INLINE LastPairs(D d, int columns)
      : low(d, std::min(2 * columns, static_cast<int>(hn::MaxLanes(D())))),
        high(d, std::max(0, 2 * columns - static_cast<int>(hn::MaxLanes(D())))) {}
  FirstLanes<D> low, high;
};

/// multiply_complex_step() for rows of b that lie as (re, im) pairs: of panel vector v, re[i][v]
/// holds the pairs of the first half, im[i][v] those of the second one.
template <bool kSwapped, int MR, int NV, class Rows, class D, class T = hn::TFromD<D>>
HWY_INLINE void multiply_pairs_step(D d, Rows& a, std::int64_t a_k, const T* HWY_RESTRICT b,
                                    const LastPairs<D>* last, hn::Vec<D> (&re)[MR][NV],
                                    hn::Vec<D> (&im)[MR][NV]) {
  constexpr auto kLanes = static_cast<std::int64_t>(HWY_LANES(T));
  const DoubledRow<D> doubled(false, false);
  const auto multiply = [&](int v, hn::Vec<D> numbers, hn::Vec<D>(&to)[MR][NV]) HWY_ATTR {
    const auto first = kSwapped ? hn::DupEven(numbers) : numbers;
    const auto second = kSwapped ? hn::DupOdd(numbers) : doubled.of_im(numbers);
    BATCHDOT_UNROLL
    for (int i = 0; i < MR; ++i) {
      const T* a_ik = a.row(i);
      if constexpr (kSwapped) {
        const auto pair = set_number(d, a_ik);
        to[i][v] = hn::MulAdd(first, pair, to[i][v]);
        to[i][v] = hn::MulAdd(second, doubled.of_im(pair), to[i][v]);
      } else {
        to[i][v] = hn::MulAdd(hn::Set(d, a_ik[0]), first, to[i][v]);
        to[i][v] = hn::MulAdd(hn::Set(d, a_ik[1]), second, to[i][v]);
      }
    }
  };
  BATCHDOT_UNROLL
  for (int v = 0; v < NV; ++v, b += 2 * kLanes) {
    if (v == NV - 1 && last != nullptr) {
      multiply(v, last->low.load(d, b), re);
      multiply(v, last->high.load(d, b + kLanes), im);
    } else {
      multiply(v, hn::LoadU(d, b), re);
      multiply(v, hn::LoadU(d, b + kLanes), im);
    }
  }
  a.advance(a_k);
}

// Pairs of two halves of a panel vector, as re and im of it.
template <int MR, int NV, class D>
HWY_INLINE void separate(D d, hn::Vec<D> (&re)[MR][NV], hn::Vec<D> (&im)[MR][NV]) {
  BATCHDOT_UNROLL
  for (int i = 0; i < MR; ++i) {
    BATCHDOT_UNROLL
    for (int v = 0; v < NV; ++v) {
      const auto low = re[i][v], high = im[i][v];
      re[i][v] = hn::ConcatEven(d, high, low);
      im[i][v] = hn::ConcatOdd(d, high, low);
    }
  }
}

#endif

// A block's sums of one plane on their way to the running sums at `at`.
template <int MR, int NV, class D, class T = hn::TFromD<D>>
HWY_INLINE void add_block(D d, const hn::Vec<D> (&acc)[MR][NV], bool first, bool is_whole,
                          const FirstLanes<D>& last, T* at, std::int64_t row) {
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(d));
  BATCHDOT_UNROLL
  for (int i = 0; i < MR; ++i) {
    BATCHDOT_UNROLL
    for (int v = 0; v < NV; ++v) {
      T* to = at + i * row + v * lanes;
      if (v < NV - 1 || is_whole) {
        hn::StoreU(first ? acc[i][v] : hn::Add(hn::LoadU(d, to), acc[i][v]), d, to);
      } else {
        last.store(d, first ? acc[i][v] : hn::Add(last.load(d, to), acc[i][v]), to);
      }
    }
  }
}

// One tile of a call.
template <class T, int MR, int NV, bool kSwapped, bool kPacked>
HWY_INLINE void tile_complex_of(const TileCall& call, const T* first_a, const T* b, T* sum,
                                const std::byte*& ask) {
  const hn::ScalableTag<T> d;
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(d));
  const FirstLanes<hn::ScalableTag<T>> last(d, call.columns - (NV - 1) * static_cast<int>(lanes));
  const std::int64_t sum_row = call.sum_row;
  if (call.prefetches_sums) {
    prefetch_sums<MR, NV>(sum, sum_row);
    prefetch_sums<MR, NV>(sum + call.sum_plane, sum_row);
  }
  auto a = rows_of_a<kPacked, MR, 2>(first_a, call.a_row);
  const std::int64_t a_k = call.a_k;
  const std::int64_t b_k = kPacked ? 2 * NV * lanes : call.b_k;
  std::int64_t left = call.K;
  bool first = call.first;
  do {
    hn::Vec<decltype(d)> re[MR][NV];
    hn::Vec<decltype(d)> im[MR][NV];
    BATCHDOT_UNROLL
    for (int i = 0; i < MR; ++i) {
      BATCHDOT_UNROLL
      for (int v = 0; v < NV; ++v) re[i][v] = im[i][v] = hn::Zero(d);
    }
    std::int64_t steps = std::min(left, kBlock);
    left -= steps;
    static_assert(kAskK == 4);
    for (; steps >= 4; steps -= 4) {
      __builtin_prefetch(ask, 0, 2);
      ask += call.ask_step;
      // No register is free for more of k.
      BATCHDOT_ROLLED
      for (int pairs = rolled(2); pairs > 0; --pairs) {
        multiply_complex_step<kSwapped, MR, NV>(d, a, a_k, b, re, im);
        multiply_complex_step<kSwapped, MR, NV>(d, a, a_k, b + b_k, re, im);
        b += 2 * b_k;
      }
    }
    for (; steps > 0; --steps) {
      multiply_complex_step<kSwapped, MR, NV>(d, a, a_k, b, re, im);
      b += b_k;
    }
    std::int64_t columns = call.columns;
    // Hides that it is always the same: else Clang makes two copies of the whole loop.
    asm volatile("" : "+r"(columns));
    const bool is_whole = columns == NV * lanes;
    add_block(d, re, first, is_whole, last, sum, sum_row);
    add_block(d, im, first, is_whole, last, sum + call.sum_plane, sum_row);
    first = false;
  } while (left > 0);
}

/// TileCall for complex numbers; a from lhs, or from rhs if kSwapped, which exchanges the im lines.
///
/// Registers: 2 * MR * NV accumulators + 2 * NV of B + 2 of A: 30 of 32 for 6 x 2, 16 of 16 for 6
/// x 1.
template <class T, int MR, int NV, bool kSwapped>
void tile_complex(const TileCall& call) {
  if constexpr (2 * MR * NV >= kLargeTile) {
    constexpr int kWidth = NV * static_cast<int>(HWY_LANES(T));
    if (call.a_row == 2 && call.a_k == 2 * MR && call.b_k == 2 * kWidth) {
      return run_tiles<T, tile_complex_of<T, MR, NV, kSwapped, true>>(call);
    }
  }
  run_tiles<T, tile_complex_of<T, MR, NV, kSwapped, false>>(call);
}

#if HWY_TARGET != HWY_SCALAR && HWY_TARGET != HWY_EMU128

// One tile of a call where b lies as (re, im) pairs.
template <class T, int MR, int NV, bool kSwapped>
HWY_INLINE void tile_pairs_of(const TileCall& call, const T* first_a, const T* b, T* sum,
                              const std::byte*& ask) {
  const hn::ScalableTag<T> d;
  using D = hn::ScalableTag<T>;
  constexpr auto kLanes = static_cast<std::int64_t>(HWY_LANES(T));
  const int columns = call.columns - (NV - 1) * static_cast<int>(kLanes);
  const FirstLanes<D> last(d, columns);
  const LastPairs<D> last_pairs(d, columns);
  const bool is_whole = columns == kLanes;
  auto a = rows_of_a<false, MR, 2>(first_a, call.a_row);
  std::int64_t left = call.K;
  bool first = call.first;
  do {
    hn::Vec<D> re[MR][NV];
    hn::Vec<D> im[MR][NV];
    BATCHDOT_UNROLL
    for (int i = 0; i < MR; ++i) {
      BATCHDOT_UNROLL
      for (int v = 0; v < NV; ++v) re[i][v] = im[i][v] = hn::Zero(d);
    }
    const std::int64_t steps = std::min(left, kBlock);
    left -= steps;
    const auto multiply = [&](const LastPairs<D>* partly) HWY_ATTR {
      for (std::int64_t k = 0; k < steps; ++k, b += call.b_k) {
        if (k % kAskK == 0) {
          __builtin_prefetch(ask, 0, 2);
          ask += call.ask_step;
        }
        multiply_pairs_step<kSwapped, MR, NV>(d, a, call.a_k, b, partly, re, im);
      }
    };
    if (is_whole) {
      multiply(nullptr);
    } else {
      multiply(&last_pairs);
    }
    separate(d, re, im);
    add_block(d, re, first, is_whole, last, sum, call.sum_row);
    add_block(d, im, first, is_whole, last, sum + call.sum_plane, call.sum_row);
    first = false;
  } while (left > 0);
}

/// TileCall for complex numbers where b lies as (re, im) pairs, b_k reals apart.
template <class T, int MR, int NV, bool kSwapped>
void tile_pairs(const TileCall& call) {
  run_tiles<T, tile_pairs_of<T, MR, NV, kSwapped>>(call);
}

#endif

/// PackCall for complex numbers that are broadcast: (re, im) pairs, rows side by side.
template <class T>
void pack_complex_pairs(const PackCall& call) {
  const std::complex<T>* source = static_cast<const std::complex<T>*>(call.source);
  T* panel = static_cast<T*>(call.panel);
  for (std::int64_t k = 0; k < call.K; ++k, panel += 2 * call.width) {
    for (int r = 0; r < call.rows; ++r) {
      const std::complex<T> x = source[row_offset(call, r) + k_offset(call, k)];
      panel[2 * r] = x.real();
      panel[2 * r + 1] = call.conjugate ? -x.imag() : x.imag();
    }
    pad_row(panel, 2 * call.rows, 2 * call.padded);
  }
}

/// The same where there are vectors: a number is moved as one, re and im at once.
template <class T>
void pack_complex_numbers(const PackCall& call);

#if HWY_TARGET != HWY_SCALAR  // its vectors have one lane
template <class T>
void pack_complex_numbers(const PackCall& call) {
  if constexpr (sizeof(T) == 4) {  // as long as a double, and not looked at
    if (!call.conjugate) return pack_real<double, double>(call);
  }
  const hn::FixedTag<T, 2> d;
  constexpr std::int64_t kLine = 64 / (2 * sizeof(T));  // numbers
  const hn::Vec<decltype(d)> sign =
      call.conjugate ? hn::OddEven(hn::Set(d, T{-0.0}), hn::Zero(d)) : hn::Zero(d);
  const T* source = static_cast<const T*>(call.source);
  T* panel = static_cast<T*>(call.panel);
  const bool asks = call.k_offsets == nullptr && call.k_stride == 1 && call.row_offsets == nullptr;
  const std::int64_t next_rows = 2 * call.rows * call.row_stride;
  for (std::int64_t k = 0; k < call.K; ++k, panel += 2 * call.width) {
    for (int r = 0; r < call.rows; ++r) {
      const T* from = source + 2 * (row_offset(call, r) + k_offset(call, k));
      if (asks && k % kLine == 0) __builtin_prefetch(from + next_rows, 0, 3);
      hn::StoreU(hn::Xor(hn::LoadU(d, from), sign), d, panel + 2 * r);
    }
    pad_row(panel, 2 * call.rows, 2 * call.padded);
  }
}
#endif

// Any strides: each k all re, then all im. From `first_row` on.
template <class T>
void pack_planes_from(const PackCall& call, int first_row) {
  const std::complex<T>* source = static_cast<const std::complex<T>*>(call.source);
  T* panel = static_cast<T*>(call.panel);
  for (std::int64_t k = 0; k < call.K; ++k, panel += 2 * call.width) {
    for (int r = first_row; r < call.rows; ++r) {
      const std::complex<T> x = source[row_offset(call, r) + k_offset(call, k)];
      panel[r] = x.real();
      panel[call.width + r] = call.conjugate ? -x.imag() : x.imag();
    }
    const int behind = std::max(first_row, call.rows);
    pad_row(panel, behind, call.padded);
    pad_row(panel + call.width, behind, call.padded);
  }
}
template <class T>
void pack_planes_one_by_one(const PackCall& call) {
  pack_planes_from<T>(call, 0);
}

template <class T>
void pack_complex_planes(const PackCall& call);

#if HWY_TARGET != HWY_SCALAR && HWY_TARGET != HWY_EMU128

// Two vectors of (re, im) pairs as one of re and one of im, of which `count` exist.
template <class D, class V = hn::Vec<D>, class T = hn::TFromD<D>>
HWY_INLINE void store_planes(D d, V low, V high, const PackCall& call, int count, T* to) {
  V re = hn::ConcatEven(d, high, low);
  V im = hn::ConcatOdd(d, high, low);
  if (call.conjugate) im = hn::Neg(im);
  if (count < static_cast<int>(hn::MaxLanes(D()))) {
    const auto exists = hn::FirstN(d, static_cast<std::size_t>(count));
    re = hn::IfThenElseZero(exists, re);
    im = hn::IfThenElseZero(exists, im);
  }
  hn::StoreU(re, d, to);
  hn::StoreU(im, d, to + call.width);
}

// k is contiguous: a vector of rows from r on.
template <class T>
HWY_INLINE void pack_planes_of_columns(const PackCall& call, int r) {
  const hn::ScalableTag<T> d;
  constexpr int N = static_cast<int>(HWY_LANES(T));
  const int count = std::clamp(call.rows - r, 0, N);
  const T* rows[N];
  for (int i = 0; i < N; ++i) {
    rows[i] =
        static_cast<const T*>(call.source) + 2 * row_offset(call, std::min(r + i, call.rows - 1));
  }
  T* to = static_cast<T*>(call.panel) + r;
  const std::int64_t step = 2 * call.width;
  std::int64_t k = 0;
  if constexpr (sizeof(T) == 8) {
    for (; k < call.K; ++k, to += step) {
      store_planes(d, gather_pieces<1>(d, rows, 2 * k), gather_pieces<1>(d, rows + N / 2, 2 * k),
                   call, count, to);
    }
  } else {
    // A block is two k of one row: the second halves change places with the next row's first ones.
    const hn::Repartition<std::uint64_t, decltype(d)> pairs;
    for (; k + 2 <= call.K; k += 2, to += 2 * step) {
      const auto even_low = hn::BitCast(pairs, gather_pieces<2>(d, rows, 2 * k));
      const auto odd_low = hn::BitCast(pairs, gather_pieces<2>(d, rows + 1, 2 * k));
      const auto even_high = hn::BitCast(pairs, gather_pieces<2>(d, rows + N / 2, 2 * k));
      const auto odd_high = hn::BitCast(pairs, gather_pieces<2>(d, rows + N / 2 + 1, 2 * k));
      store_planes(d, hn::BitCast(d, hn::InterleaveLower(pairs, even_low, odd_low)),
                   hn::BitCast(d, hn::InterleaveLower(pairs, even_high, odd_high)), call, count,
                   to);
      store_planes(d, hn::BitCast(d, hn::InterleaveUpper(pairs, even_low, odd_low)),
                   hn::BitCast(d, hn::InterleaveUpper(pairs, even_high, odd_high)), call, count,
                   to + step);
    }
    for (; k < call.K; ++k, to += step) {
      for (int i = 0; i < N; ++i) {
        const T im = i < count ? rows[i][2 * k + 1] : T{0};
        to[i] = i < count ? rows[i][2 * k] : T{0};
        to[call.width + i] = call.conjugate && i < count ? -im : im;
      }
    }
  }
}

/// PackCall for complex numbers that are vectors: each k all re, then all im. Whole vectors up to
/// `padded`, the rest one by one: beyond it lie the columns of somebody else.
template <class T>
void pack_complex_planes(const PackCall& call) {
  const hn::ScalableTag<T> d;
  constexpr int N = static_cast<int>(HWY_LANES(T));
  const int whole = call.padded / N * N;
  if (call.rows == 0 || whole == 0) return pack_planes_from<T>(call, 0);
  if (call.k_offsets == nullptr && call.k_stride == 1) {
    for (int r = 0; r < whole; r += N) pack_planes_of_columns<T>(call, r);
  } else if (call.row_offsets == nullptr && call.row_stride == 1) {
    T* to = static_cast<T*>(call.panel);
    for (std::int64_t k = 0; k < call.K; ++k, to += 2 * call.width) {
      const T* from = static_cast<const T*>(call.source) + 2 * k_offset(call, k);
      int r = 0;
      for (; r + N <= call.rows; r += N) {
        store_planes(d, hn::LoadU(d, from + 2 * r), hn::LoadU(d, from + 2 * r + N), call, N,
                     to + r);
      }
      for (; r < whole; r += N) {
        const int count = std::max(0, call.rows - r);
        HWY_ALIGN T pairs[2 * N] = {};
        for (int i = 0; i < 2 * count; ++i) pairs[i] = from[2 * r + i];
        store_planes(d, hn::Load(d, pairs), hn::Load(d, pairs + N), call, count, to + r);
      }
    }
  } else {
    return pack_planes_from<T>(call, 0);
  }
  if (whole < call.padded) pack_planes_from<T>(call, whole);
}

// TinyCall for MR rows of one vector at most, which are doubled in registers.
template <class T, int MR, bool kWhole>
void tiny_complex_rows(const TinyCall& call) {
  const hn::ScalableTag<T> d;
  using D = std::remove_const_t<decltype(d)>;
  const auto exists = hn::FirstN(d, static_cast<std::size_t>(2 * call.N));
  const DoubledRow<D> doubled(call.a_conjugate, call.b_conjugate);
  const std::int64_t a_row = 2 * call.a_row, b_k = 2 * call.b_k, out_row = 2 * call.out_row;
  const T* a = static_cast<const T*>(call.a);
  const T* b = static_cast<const T*>(call.b);
  T* out = static_cast<T*>(call.out);
  for (std::int64_t item = call.items; item > 0; --item) {
    asm volatile("" : "+r"(a));  // as in tiny_rows
    RowPointers<MR, T> rows(a, a_row);
    hn::Vec<D> acc[MR];
    BATCHDOT_UNROLL
    for (auto& vector : acc) vector = hn::Zero(d);
    const T* b_at = b;
    for (std::int64_t k = 0; k < call.K; ++k, b_at += b_k) {
      const auto numbers = kWhole ? hn::LoadU(d, b_at) : hn::MaskedLoad(exists, d, b_at);
      const auto of_re = doubled.of_re(numbers);
      const auto of_im = doubled.of_im(numbers);
      BATCHDOT_UNROLL
      for (int i = 0; i < MR; ++i) acc[i] = hn::MulAdd(hn::Set(d, rows.row(i)[0]), of_re, acc[i]);
      BATCHDOT_UNROLL
      for (int i = 0; i < MR; ++i) acc[i] = hn::MulAdd(hn::Set(d, rows.row(i)[1]), of_im, acc[i]);
      rows.advance(2);
    }
    T* out_at = out;
    BATCHDOT_UNROLL
    for (int i = 0; i < MR; ++i, out_at += out_row) {
      if constexpr (kWhole) {
        hn::StoreU(acc[i], d, out_at);
      } else {
        hn::BlendedStore(acc[i], exists, d, out_at);
      }
    }
    a += 2 * call.a_item;
    b += 2 * call.b_item;
    out += 2 * call.out_item;
  }
}
inline constexpr int kTinyComplexRows = 8;
template <class T, bool kWhole>
inline constexpr auto kTinyComplexOf = []<int... kRows>(std::integer_sequence<int, kRows...>) {
  return std::array<TinyFunction, sizeof...(kRows)>{tiny_complex_rows<T, kRows + 1, kWhole>...};
}
(std::make_integer_sequence<int, kTinyComplexRows>());

// Compiled in f32.cc and f64.cc.
template <class T>
void tiny(const TinyCall& call);
extern template void tiny<float>(const TinyCall& call);
extern template void tiny<double>(const TinyCall& call);

// Both rows of each row of b. Up to a vector behind the last one is written, too.
template <class T>
HWY_INLINE void double_rows(const TinyCall& call, const T* b, T* to) {
  const hn::ScalableTag<T> d;
  using D = std::remove_const_t<decltype(d)>;
  const DoubledRow<D> doubled(call.a_conjugate, call.b_conjugate);
  constexpr auto kLanes = static_cast<std::int64_t>(HWY_LANES(T));
  const std::int64_t columns = 2 * call.N, whole = columns / kLanes * kLanes;
  const auto rest = hn::FirstN(d, static_cast<std::size_t>(columns - whole));
  const auto for_vectors = [&](const auto& visit) HWY_ATTR {
    for (std::int64_t at = 0; at < whole; at += kLanes) visit(hn::LoadU(d, b + at), to + at);
    if (whole < columns) visit(hn::MaskedLoad(rest, d, b + whole), to + whole);
    to += columns;
  };
  for (std::int64_t k = 0; k < call.K; ++k, b += 2 * call.b_k) {
    for_vectors([&](hn::Vec<D> numbers, T* at)
                    HWY_ATTR { hn::StoreU(doubled.of_re(numbers), d, at); });
    for_vectors([&](hn::Vec<D> numbers, T* at)
                    HWY_ATTR { hn::StoreU(doubled.of_im(numbers), d, at); });
  }
}

/// TinyCall for complex numbers, as products of reals with twice as many columns and k:
///
///     re = fma(ar, br, re), fma(ai, -bi, re);  im = fma(ar, bi, im), fma(ai, br, im)
template <class T>
void tiny_complex(const TinyCall& call) {
  constexpr std::int64_t kPanels = 16384 / sizeof(T);
  constexpr auto kLanes = static_cast<std::int64_t>(HWY_LANES(T));
  static_assert(kTinyK * kTinyN <= kPanels);
  if (call.M == 0) return;
  if (call.M <= kTinyComplexRows && 2 * call.N <= kLanes) {
    const auto& rows = 2 * call.N == kLanes ? kTinyComplexOf<T, true> : kTinyComplexOf<T, false>;
    return rows[static_cast<std::size_t>(call.M - 1)](call);
  }
  HWY_ALIGN T doubled[kPanels + kLanes];
  const std::int64_t item_size = 4 * call.K * call.N;
  const std::int64_t most =
      std::clamp<std::int64_t>(kPanels / std::max<std::int64_t>(1, item_size), 1, 64);
  TinyCall reals = call;
  reals.N = 2 * call.N;
  reals.K = 2 * call.K;
  reals.a_item = 2 * call.a_item;
  reals.a_row = 2 * call.a_row;
  reals.a_k = 1;
  reals.b = doubled;
  reals.b_item = item_size;
  reals.b_column = 1;
  reals.b_k = 2 * call.N;
  reals.out_item = 2 * call.out_item;
  reals.out_row = 2 * call.out_row;
  for (std::int64_t item = 0; item < call.items; item += most) {
    reals.items = std::min(most, call.items - item);
    const T* b = static_cast<const T*>(call.b) + item * 2 * call.b_item;
    for (std::int64_t i = 0; i < reals.items; ++i, b += 2 * call.b_item) {
      double_rows(call, b, doubled + i * item_size);
    }
    reals.a = static_cast<const T*>(call.a) + item * reals.a_item;
    reals.out = static_cast<T*>(call.out) + item * reals.out_item;
    tiny<T>(reals);
  }
}

#endif

// NOLINTNEXTLINE(google-readability-namespace-comments)
}  // namespace batchdot::kernel::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
