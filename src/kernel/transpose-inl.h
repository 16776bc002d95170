// SPDX-License-Identifier: Apache-2.0
// Transposition in registers, by pieces of 128 bits: of each row one piece is loaded into a block
// of a vector, so that only exchanges inside blocks are left to do.
//
//     4-byte elements; piece j of vector i: row i + 4 j, k .. k + 3     out t: k + t of all rows
//     [r0 r4 r8 r12] [r1 r5 r9 r13] [r2 r6 r10 r14] [r3 r7 r11 r15]     [r0 r1 r2 r3 r4 ... r15]

#if defined(BATCHDOT_TRANSPOSE_INL_H) == defined(HWY_TARGET_TOGGLE)
#ifdef BATCHDOT_TRANSPOSE_INL_H
#undef BATCHDOT_TRANSPOSE_INL_H
#else
#define BATCHDOT_TRANSPOSE_INL_H
#endif

#include <cstdint>

#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace batchdot::kernel::HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

#if HWY_TARGET != HWY_SCALAR  // which has one lane, no interleaving, and is not used

// Elements of T in a piece, which are also the vectors of a transposition.
template <class T>
inline constexpr int kPieceLanes = 16 / sizeof(T);

// v: of rows, as in the picture; then of k.
template <class D>
HWY_INLINE void transpose_pieces(D d, hn::Vec<D> (&v)[kPieceLanes<hn::TFromD<D>>]) {
  if constexpr (sizeof(hn::TFromD<D>) == 8) {
    const auto v0 = v[0];
    v[0] = hn::InterleaveLower(d, v0, v[1]);
    v[1] = hn::InterleaveUpper(d, v0, v[1]);
  } else {
    const hn::RepartitionToWide<D> wide;
    const auto low01 = hn::BitCast(wide, hn::InterleaveLower(d, v[0], v[1]));
    const auto high01 = hn::BitCast(wide, hn::InterleaveUpper(d, v[0], v[1]));
    const auto low23 = hn::BitCast(wide, hn::InterleaveLower(d, v[2], v[3]));
    const auto high23 = hn::BitCast(wide, hn::InterleaveUpper(d, v[2], v[3]));
    v[0] = hn::BitCast(d, hn::InterleaveLower(wide, low01, low23));
    v[1] = hn::BitCast(d, hn::InterleaveUpper(wide, low01, low23));
    v[2] = hn::BitCast(d, hn::InterleaveLower(wide, high01, high23));
    v[3] = hn::BitCast(d, hn::InterleaveUpper(wide, high01, high23));
  }
}

// A vector of pieces that begin `at` elements into `rows`, kApart rows between one and the next. A
// row may hold another type than the vector.
template <int kApart, class D, class Element>
HWY_INLINE hn::Vec<D> gather_pieces(D d, const Element* const* rows, std::int64_t at) {
  using T = hn::TFromD<D>;
  if constexpr (hn::MaxLanes(D()) * sizeof(T) == 16) {
    return hn::LoadU(d, reinterpret_cast<const T*>(rows[0] + at));
  } else {
    const hn::Half<D> dh;
    constexpr int kHalf = kApart * static_cast<int>(hn::MaxLanes(D()) * sizeof(T) / 32);
    return hn::Combine(d, gather_pieces<kApart>(dh, rows + kHalf, at),
                       gather_pieces<kApart>(dh, rows, at));
  }
}

// Stores the pieces of a vector into rows that begin `stride` elements apart, kApart rows between
// one and the next, as far as there are `count` rows.
template <int kApart, class D, class T>
HWY_INLINE void scatter_pieces(D d, hn::Vec<D> pieces, T* to, std::int64_t stride, int count) {
  if constexpr (hn::MaxLanes(D()) * sizeof(T) == 16) {
    if (count > 0) hn::StoreU(pieces, d, to);
  } else {
    const hn::Half<D> dh;
    constexpr int kHalf = kApart * static_cast<int>(hn::MaxLanes(D()) * sizeof(T) / 32);
    scatter_pieces<kApart>(dh, hn::LowerHalf(dh, pieces), to, stride, count);
    scatter_pieces<kApart>(dh, hn::UpperHalf(dh, pieces), to + kHalf * stride, stride,
                           count - kHalf);
  }
}

#endif  // HWY_SCALAR

// NOLINTNEXTLINE(google-readability-namespace-comments)
}  // namespace batchdot::kernel::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
