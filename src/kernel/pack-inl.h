// SPDX-License-Identifier: Apache-2.0
// Packing into micropanels, with transposition and conversion fused. See PackCall.

#if defined(BATCHDOT_PACK_INL_H) == defined(HWY_TARGET_TOGGLE)
#ifdef BATCHDOT_PACK_INL_H
#undef BATCHDOT_PACK_INL_H
#else
#define BATCHDOT_PACK_INL_H
#endif

#include <cstdint>
#include <type_traits>

#include "hwy/highway.h"
#include "src/kernel/convert.h"
#include "src/kernel/kernels.h"
#include "src/kernel/transpose-inl.h"

HWY_BEFORE_NAMESPACE();
namespace batchdot::kernel::HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

HWY_INLINE std::int64_t row_offset(const PackCall& call, int row) {
  return call.row_offsets != nullptr ? call.row_offsets[row] : row * call.row_stride;
}
HWY_INLINE std::int64_t k_offset(const PackCall& call, std::int64_t k) {
  return call.k_offsets != nullptr ? call.k_offsets[k] : k * call.k_stride;
}

// Zeros behind the columns of one k. `row` counts panel elements.
template <class T>
HWY_INLINE void pad_row(T* row, int from, int to) {
  for (int r = from; r < to; ++r) row[r] = T{0};
}

// Rows lie side by side: each k is one run of memory.
template <class Packed>
HWY_INLINE void pack_runs(const PackCall& call) {
  const hn::ScalableTag<Packed> d;
  const int lanes = static_cast<int>(hn::Lanes(d));
  const hn::CappedTag<Packed, 16 / sizeof(Packed)> half;
  constexpr int kHalf = static_cast<int>(hn::MaxLanes(half));
  const Packed* source = static_cast<const Packed*>(call.source);
  Packed* panel = static_cast<Packed*>(call.panel);
  constexpr std::int64_t kAhead = 16;
  constexpr int kLine = 64 / sizeof(Packed);
  int r = 0;
  for (std::int64_t k = 0; k < call.K; ++k, panel += call.width) {
    const Packed* from = source + k_offset(call, k);
    if (call.k_offsets == nullptr) {
      // Rows of k may lie pages apart, where no hardware looks ahead.
      const Packed* ahead = from + kAhead * call.k_stride;
      for (r = 0; r < call.rows; r += kLine) __builtin_prefetch(ahead + r, 0, 3);
      __builtin_prefetch(ahead + call.rows - 1, 0, 3);
    }
    for (r = 0; r + lanes <= call.rows; r += lanes) {
      hn::StoreU(hn::LoadU(d, from + r), d, panel + r);
    }
    for (; r + kHalf <= call.rows; r += kHalf) {
      hn::StoreU(hn::LoadU(half, from + r), half, panel + r);
    }
    for (; r < call.rows; ++r) panel[r] = from[r];
    pad_row(panel, call.rows, call.padded);
  }
}

template <class Source, class Packed>
HWY_INLINE void pack_one_by_one(const PackCall& call, int first_row) {
  const Source* source = static_cast<const Source*>(call.source);
  Packed* panel = static_cast<Packed*>(call.panel);
  for (int r = first_row; r < call.rows; ++r) {
    const Source* from = source + row_offset(call, r);
    for (std::int64_t k = 0; k < call.K; ++k) {
      panel[k * call.width + r] = convert<Packed>(from[k_offset(call, k)]);
    }
  }
}

#if HWY_TARGET != HWY_SCALAR  // which has one lane, no interleaving, and is not used
// A vector of pieces for transpose_pieces. With AVX-512 by blends, which other ports do than
// shuffles.
template <class D, class T = hn::TFromD<D>>
HWY_INLINE hn::Vec<D> load_pieces(D d, const T* const* rows, std::int64_t k) {
  constexpr int kStep = kPieceLanes<T>;
  constexpr std::size_t kBytes = hn::MaxLanes(D()) * sizeof(T);
  if constexpr (kBytes == 64) {
    const auto block = [&](int j) { return hn::LoadDup128(d, rows[j * kStep] + k); };
    const auto only = [&](int j) {  // the lanes of block j
      return hn::Xor(hn::FirstN(d, static_cast<std::size_t>(j * kStep)),
                     hn::FirstN(d, static_cast<std::size_t>((j + 1) * kStep)));
    };
    auto v = hn::IfThenElse(only(1), block(1), block(0));
    v = hn::IfThenElse(only(2), block(2), v);
    return hn::IfThenElse(only(3), block(3), v);
  } else if constexpr (kBytes == 32) {
    const hn::Half<D> half;
    return hn::Combine(d, hn::LoadU(half, rows[kStep] + k), hn::LoadU(half, rows[0] + k));
  } else {
    return hn::LoadU(d, rows[0] + k);
  }
}

template <class D, class T = hn::TFromD<D>>
HWY_INLINE void transpose_rows(D d, const T* const* rows, std::int64_t k, T* to, std::int64_t width,
                               bool streams) {
  hn::Vec<D> v[kPieceLanes<T>];
  for (int i = 0; i < kPieceLanes<T>; ++i) v[i] = load_pieces(d, rows + i, k);
  transpose_pieces(d, v);
  for (int i = 0; i < kPieceLanes<T>; ++i) {
    if (streams) {
      hn::Stream(v[i], d, to + i * width);
    } else {
      hn::StoreU(v[i], d, to + i * width);
    }
  }
}

// If vectors at `to` and at multiples of `width` from there are whole lines.
template <class D, class T = hn::TFromD<D>>
HWY_INLINE bool are_lines(D, const T* to, std::int64_t width) {
  constexpr std::uintptr_t kLine = 64;
  return hn::MaxLanes(D()) * sizeof(T) == kLine &&
         (reinterpret_cast<std::uintptr_t>(to) | (static_cast<std::uintptr_t>(width) * sizeof(T))) %
                 kLine ==
             0;
}

// Rows of a panel that lie a page apart or more are not there when they are written. To ask for
// them was 1.06 to 1.09 on W14d in turns on an Emerald Rapids core.
inline constexpr bool kAsksForFarRows = HWY_TARGET <= HWY_AVX3;
inline constexpr int kFarRow = 1024;

// k is contiguous. A vector of rows at a time, then half a vector, and so on down to 128 bits.
template <class D, class T = hn::TFromD<D>>
HWY_INLINE void pack_transposed(D d, const PackCall& call, int first_row) {
  constexpr int kLanes = static_cast<int>(hn::MaxLanes(D()));
  constexpr int kStep = kPieceLanes<T>;
  const T* source = static_cast<const T*>(call.source);
  T* panel = static_cast<T*>(call.panel);
  int r = first_row;
  for (; r + kLanes <= call.rows; r += kLanes) {
    const T* rows[kLanes];
    for (int i = 0; i < kLanes; ++i) rows[i] = source + row_offset(call, r + i);
    const bool asks = call.row_offsets == nullptr && !call.asked;
    const std::int64_t next_rows = kLanes * call.row_stride;
    if (kAsksForFarRows && !call.asked && call.width >= kFarRow) {
      const T* next = panel + r + call.padded;  // what the next call of a run writes there
      for (std::int64_t k = 0; k < call.K; ++k) __builtin_prefetch(next + k * call.width, 1, 3);
    }
    const bool streams = call.streams && are_lines(d, panel + r, call.width);
    std::int64_t k = 0;
    for (; k + kStep <= call.K; k += kStep) {
      if (asks && k % (64 / static_cast<int>(sizeof(T))) == 0) {  // the rows that are packed next
        for (int i = 0; i < kLanes; ++i) __builtin_prefetch(rows[i] + next_rows + k, 0, 3);
      }
      transpose_rows(d, rows, k, panel + k * call.width + r, call.width, streams);
    }
    for (; k < call.K; ++k) {
      for (int i = 0; i < kLanes; ++i) panel[k * call.width + r + i] = rows[i][k];
    }
  }
  if (r == call.rows) return;
  if constexpr (kLanes > kStep) {
    pack_transposed(hn::Half<D>(), call, r);
  } else {
    pack_one_by_one<T, T>(call, r);
  }
}
#endif  // HWY_SCALAR

/// PackCall for real numbers and integers.
template <class Source, class Packed>
void pack_real(const PackCall& call) {
  if constexpr (std::is_same_v<Source, Packed>) {
    if (call.row_offsets == nullptr && call.row_stride == 1) return pack_runs<Packed>(call);
  }
  if (call.rows < call.padded) {
    Packed* panel = static_cast<Packed*>(call.panel);
    for (std::int64_t k = 0; k < call.K; ++k) {
      pad_row(panel + k * call.width, call.rows, call.padded);
    }
  }
#if HWY_TARGET != HWY_SCALAR
  if constexpr (std::is_same_v<Source, Packed>) {
    if (call.k_offsets == nullptr && call.k_stride == 1) {
      return pack_transposed(hn::ScalableTag<Packed>(), call, 0);
    }
  }
#endif
  pack_one_by_one<Source, Packed>(call, 0);
}

/// PackCall for elements that are only moved.
template <class Element>
void transpose_elements(const PackCall& call) {
  if constexpr (sizeof(Element) == 4) {
    pack_real<std::int32_t, std::int32_t>(call);
  } else if constexpr (sizeof(Element) == 8) {
    pack_real<std::int64_t, std::int64_t>(call);
  } else {
    const Element* source = static_cast<const Element*>(call.source);
    Element* panel = static_cast<Element*>(call.panel);
    for (std::int64_t k = 0; k < call.K; ++k) {
      Element* to = panel + k * call.width;
      for (int r = 0; r < call.rows; ++r) to[r] = source[row_offset(call, r) + k_offset(call, k)];
    }
  }
}

// NOLINTNEXTLINE(google-readability-namespace-comments)
}  // namespace batchdot::kernel::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
