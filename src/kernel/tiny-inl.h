// SPDX-License-Identifier: Apache-2.0
// Many tiny products in one call. Included once for each target; see kernels.cc.

#if defined(BATCHDOT_TINY_INL_H) == defined(HWY_TARGET_TOGGLE)
#ifdef BATCHDOT_TINY_INL_H
#undef BATCHDOT_TINY_INL_H
#else
#define BATCHDOT_TINY_INL_H
#endif

#include <algorithm>
#include <cstdint>
#include <type_traits>

#include "hwy/highway.h"
#include "src/kernel/kernels.h"

HWY_BEFORE_NAMESPACE();
namespace batchdot::kernel::HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

// Rows of one pass: as many chains as hide the latency of a multiply-add, as many row pointers as
// there are registers for.
inline constexpr int kTinyMR = 8;
inline constexpr int kTinyNV = 2;
// With AVX-512 a masked load costs what a load costs; with AVX2 whole rows get a variant of their
// own.
inline constexpr bool kMasksAreFree = HWY_TARGET <= HWY_AVX3;

// A row of the result: NV vectors, the last of which may end early. Nothing behind it is touched.
template <class D, int NV, bool kWhole>
class TinyRow {
 public:
  using T = hn::TFromD<D>;
  HWY_INLINE explicit TinyRow(std::int64_t columns)
      : last_(hn::FirstN(D(), static_cast<std::size_t>(columns) - (NV - 1) * hn::Lanes(D()))) {}

  HWY_INLINE hn::Vec<D> load(const T* row, int v) const {
    const T* at = row + v * static_cast<std::int64_t>(hn::Lanes(D()));
    return kWhole || v + 1 < NV ? hn::LoadU(D(), at) : hn::MaskedLoad(last_, D(), at);
  }
  HWY_INLINE void store(hn::Vec<D> vector, T* row, int v) const {
    T* at = row + v * static_cast<std::int64_t>(hn::Lanes(D()));
    if (kWhole || v + 1 < NV) {
      hn::StoreU(vector, D(), at);
    } else {
      hn::BlendedStore(vector, last_, D(), at);
    }
  }

 private:
  hn::Mask<D> last_;
};

// MR rows of one product: one chain for each element, in the order of k. K is at most one block.
template <int MR, int NV, class BRow, class OutRow, class D, class T = hn::TFromD<D>>
HWY_INLINE void tiny_rows(D d, const TinyCall& call, const T* a, const T* b, std::int64_t b_k,
                          T* out, const BRow& b_row, const OutRow& out_row) {
  const T* a_rows[MR];
  for (int i = 0; i < MR; ++i) a_rows[i] = a + i * call.a_row;
  hn::Vec<D> acc[MR][NV];
  for (auto& row : acc) {
    for (auto& vector : row) vector = hn::Zero(d);
  }
  std::int64_t a_at = 0;
  const auto step = [&]() HWY_ATTR {
    hn::Vec<D> b_vectors[NV];
    for (int v = 0; v < NV; ++v) b_vectors[v] = b_row.load(b, v);
    for (int i = 0; i < MR; ++i) {
      const auto a_ik = hn::Set(d, a_rows[i][a_at]);
      for (int v = 0; v < NV; ++v) acc[i][v] = hn::MulAdd(a_ik, b_vectors[v], acc[i][v]);
    }
    a_at += call.a_k;
    b += b_k;
  };
  std::int64_t k = call.K;
  for (; k >= 4; k -= 4) {
    step();
    step();
    step();
    step();
  }
  for (; k > 0; --k) step();
  for (int i = 0; i < MR; ++i) {
    for (int v = 0; v < NV; ++v) out_row.store(acc[i][v], out + i * call.out_row, v);
  }
}

// All rows of one product, in passes of nearly equal height.
template <int NV, class BRow, class OutRow, class D, class T = hn::TFromD<D>>
HWY_INLINE void tiny_product(D d, const TinyCall& call, std::int64_t passes, const T* a, const T* b,
                             std::int64_t b_k, T* out, const BRow& b_row, const OutRow& out_row) {
  std::int64_t row = 0;
  for (; passes > 0; --passes) {
    const std::int64_t rows = (call.M - row + passes - 1) / passes;
    const T* a_pass = a + row * call.a_row;
    T* out_pass = out + row * call.out_row;
    const auto run = [&](auto count) HWY_ATTR {
      tiny_rows<decltype(count)::value, NV>(d, call, a_pass, b, b_k, out_pass, b_row, out_row);
    };
    switch (rows) {
      case 1:
        run(std::integral_constant<int, 1>());
        break;
      case 2:
        run(std::integral_constant<int, 2>());
        break;
      case 3:
        run(std::integral_constant<int, 3>());
        break;
      case 4:
        run(std::integral_constant<int, 4>());
        break;
      case 5:
        run(std::integral_constant<int, 5>());
        break;
      case 6:
        run(std::integral_constant<int, 6>());
        break;
      case 7:
        run(std::integral_constant<int, 7>());
        break;
      default:
        run(std::integral_constant<int, 8>());
        break;
    }
    row += rows;
  }
}

// 128 bits of a column of b for every 128 bits of a vector, from columns `step` apart.
template <class D, class T = hn::TFromD<D>, class Load>
HWY_INLINE hn::Vec<D> gather_blocks(D d, std::int64_t column, std::int64_t step, const Load& load) {
  if constexpr (hn::MaxLanes(D()) * sizeof(T) <= 16) {
    return load(column);
  } else {
    const hn::Half<D> half;
    constexpr auto kBlocks = static_cast<std::int64_t>(hn::MaxLanes(D()) * sizeof(T) / 32);
    return hn::Combine(d, gather_blocks(half, column + kBlocks * step, step, load),
                       gather_blocks(half, column, step, load));
  }
}

/// Rows of k from columns that are contiguous along k, in registers:
///
///     b: columns, k runs        panel: k, columns run
///       c0 [k0 k1 k2 k3 ...]      k0 [c0 c1 c2 c3 | c4 ... ]
///       c1 [k0 k1 k2 k3 ...]      k1 [c0 c1 c2 c3 | c4 ... ]
///       ...                       ...
///
/// A vector takes 128 bits of every fourth (f64: second) column, so all shuffles stay in their 128
/// bits. Behind the last column the last one is repeated: those lanes are never stored.
template <int NV, class D, class T = hn::TFromD<D>>
HWY_INLINE void transpose_to_panel(D d, const TinyCall& call, const T* b, T* HWY_RESTRICT panel) {
  constexpr auto kStep = static_cast<std::int64_t>(16 / sizeof(T));
  constexpr auto kLanes = static_cast<std::int64_t>(hn::MaxLanes(D()));
  const hn::CappedTag<T, static_cast<std::size_t>(kStep)> block;
  const std::int64_t last = call.N - 1;
  for (std::int64_t k = 0; k < call.K; k += kStep) {
    const auto left = hn::FirstN(block, static_cast<std::size_t>(std::min(kStep, call.K - k)));
    const bool is_whole = call.K - k >= kStep;
    const auto load = [&](std::int64_t column) HWY_ATTR {
      const T* at = b + std::min(column, last) * call.b_column + k;
      return is_whole ? hn::LoadU(block, at) : hn::MaskedLoad(left, block, at);
    };
    for (int v = 0; v < NV; ++v) {
      T* to = panel + k * NV * kLanes + v * kLanes;
      const std::int64_t column = v * kLanes;
      if constexpr (kStep == 4) {
        const auto c0 = gather_blocks(d, column + 0, kStep, load);
        const auto c1 = gather_blocks(d, column + 1, kStep, load);
        const auto c2 = gather_blocks(d, column + 2, kStep, load);
        const auto c3 = gather_blocks(d, column + 3, kStep, load);
        const auto low_even = hn::InterleaveLower(d, c0, c2);
        const auto low_odd = hn::InterleaveLower(d, c1, c3);
        const auto high_even = hn::InterleaveUpper(d, c0, c2);
        const auto high_odd = hn::InterleaveUpper(d, c1, c3);
        hn::StoreU(hn::InterleaveLower(d, low_even, low_odd), d, to);
        hn::StoreU(hn::InterleaveUpper(d, low_even, low_odd), d, to + NV * kLanes);
        hn::StoreU(hn::InterleaveLower(d, high_even, high_odd), d, to + 2 * NV * kLanes);
        hn::StoreU(hn::InterleaveUpper(d, high_even, high_odd), d, to + 3 * NV * kLanes);
      } else {
        const auto c0 = gather_blocks(d, column + 0, kStep, load);
        const auto c1 = gather_blocks(d, column + 1, kStep, load);
        hn::StoreU(hn::InterleaveLower(d, c0, c1), d, to);
        hn::StoreU(hn::InterleaveUpper(d, c0, c1), d, to + NV * kLanes);
      }
    }
  }
}

// Products whose rows are NV vectors of at most kLanes elements.
template <class T, std::size_t kLanes, int NV, bool kWhole>
void tiny_columns(const TinyCall& call) {
  const hn::CappedTag<T, kLanes> d;
  const TinyRow<decltype(d), NV, kWhole> row(call.N);
  const std::int64_t passes = (call.M + kTinyMR - 1) / kTinyMR;
  const T* a = static_cast<const T*>(call.a);
  const T* b = static_cast<const T*>(call.b);
  T* out = static_cast<T*>(call.out);
  if (call.b_column == 1) {
    for (std::int64_t item = 0; item < call.items; ++item) {
      tiny_product<NV>(d, call, passes, a, b, call.b_k, out, row, row);
      a += call.a_item;
      b += call.b_item;
      out += call.out_item;
    }
    return;
  }
  HWY_ALIGN T panel[kTinyK * NV * static_cast<std::int64_t>(kLanes)];
  const TinyRow<decltype(d), NV, true> whole(static_cast<std::int64_t>(NV * kLanes));
  for (std::int64_t item = 0; item < call.items; ++item) {
    transpose_to_panel<NV>(d, call, b, panel);
    tiny_product<NV>(d, call, passes, a, panel, static_cast<std::int64_t>(NV * kLanes), out, whole,
                     row);
    a += call.a_item;
    b += call.b_item;
    out += call.out_item;
  }
}

/// 4x4 of f32 that lie together: a vector holds whole rows of the result, four lanes each.
///
///     acc  [c00 c01 c02 c03 | c10 ...]  +=  [a0k a0k a0k a0k | a1k ...] * [bk0 bk1 bk2 bk3 | bk0
///     ...]
///
/// Four multiply-adds make a product with AVX-512, eight with AVX2.
template <class T>
void tiny_4x4(const TinyCall& call) {
  static_assert(sizeof(T) == 4);  // a row is 128 bits
  const hn::ScalableTag<T> d;
  constexpr int kVectors = 16 / static_cast<int>(HWY_LANES(T));
  const T* a = static_cast<const T*>(call.a);
  const T* b = static_cast<const T*>(call.b);
  T* out = static_cast<T*>(call.out);
  for (std::int64_t item = 0; item < call.items; ++item) {
    const auto b0 = hn::LoadDup128(d, b);
    const auto b1 = hn::LoadDup128(d, b + call.b_k);
    const auto b2 = hn::LoadDup128(d, b + 2 * call.b_k);
    const auto b3 = hn::LoadDup128(d, b + 3 * call.b_k);
    for (int v = 0; v < kVectors; ++v) {
      const auto at = static_cast<std::int64_t>(HWY_LANES(T)) * v;
      const auto rows = hn::LoadU(d, a + at);
      auto acc = hn::MulAdd(hn::Broadcast<0>(rows), b0, hn::Zero(d));
      acc = hn::MulAdd(hn::Broadcast<1>(rows), b1, acc);
      acc = hn::MulAdd(hn::Broadcast<2>(rows), b2, acc);
      acc = hn::MulAdd(hn::Broadcast<3>(rows), b3, acc);
      hn::StoreU(acc, d, out + at);
    }
    a += call.a_item;
    b += call.b_item;
    out += call.out_item;
  }
}

/// TinyCall: the narrowest vectors that hold a row, two of the widest at most.
template <class T>
void tiny(const TinyCall& call) {
  constexpr auto kWidest = static_cast<std::int64_t>(HWY_LANES(T));
  if constexpr (std::is_same_v<T, float>) {
    if (call.M == 4 && call.N == 4 && call.K == 4 && call.a_k == 1 && call.a_row == 4 &&
        call.b_column == 1 && call.out_row == 4) {
      return tiny_4x4<T>(call);
    }
  }
  const auto of_width = [&]<std::int64_t kLanes, int NV>() {
    if (!kMasksAreFree && call.N == kLanes * NV) {
      return tiny_columns<T, kLanes, NV, !kMasksAreFree>(call);
    }
    return tiny_columns<T, kLanes, NV, false>(call);
  };
  constexpr std::int64_t kNarrowest = 16 / sizeof(T);
  if (call.N <= kNarrowest) return of_width.template operator()<kNarrowest, 1>();
  if (call.N <= 2 * kNarrowest) return of_width.template operator()<2 * kNarrowest, 1>();
  if (call.N <= kWidest) return of_width.template operator()<kWidest, 1>();
  return of_width.template operator()<kWidest, kTinyNV>();
}

// NOLINTNEXTLINE(google-readability-namespace-comments)
}  // namespace batchdot::kernel::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
