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

HWY_BEFORE_NAMESPACE();
namespace batchdot::kernel::HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

HWY_INLINE std::int64_t row_offset(const PackCall& call, int row) {
  return call.row_offsets != nullptr ? call.row_offsets[row] : row * call.row_stride;
}
HWY_INLINE std::int64_t k_offset(const PackCall& call, std::int64_t k) {
  return call.k_offsets != nullptr ? call.k_offsets[k] : k * call.k_stride;
}

template <class T>
HWY_INLINE void pad_row(T* panel_row, int rows, int width) {
  for (int r = rows; r < width; ++r) panel_row[r] = T{0};
}

// Rows lie side by side: each k is one run of memory.
template <class Packed>
HWY_INLINE void pack_runs(const PackCall& call) {
  const hn::ScalableTag<Packed> d;
  const int lanes = static_cast<int>(hn::Lanes(d));
  const Packed* source = static_cast<const Packed*>(call.source);
  Packed* panel = static_cast<Packed*>(call.panel);
  for (std::int64_t k = 0; k < call.K; ++k, panel += call.width) {
    const Packed* from = source + k_offset(call, k);
    int r = 0;
    for (; r + lanes <= call.rows; r += lanes) hn::StoreU(hn::LoadU(d, from + r), d, panel + r);
    for (; r < call.rows; ++r) panel[r] = from[r];
    pad_row(panel, call.rows, call.width);
  }
}

// k is contiguous: 4 x 4 of 32 bits are transposed in registers.
template <class Packed>
HWY_INLINE void transpose_4x4(const Packed* r0, const Packed* r1, const Packed* r2,
                              const Packed* r3, Packed* to, std::int64_t width) {
#if HWY_TARGET != HWY_SCALAR
  const hn::FixedTag<Packed, 4> d;
  const hn::RepartitionToWide<decltype(d)> wide;
  const auto v0 = hn::LoadU(d, r0);
  const auto v1 = hn::LoadU(d, r1);
  const auto v2 = hn::LoadU(d, r2);
  const auto v3 = hn::LoadU(d, r3);
  const auto low01 = hn::BitCast(wide, hn::InterleaveLower(d, v0, v1));  // 00 10 01 11
  const auto low23 = hn::BitCast(wide, hn::InterleaveLower(d, v2, v3));
  const auto high01 = hn::BitCast(wide, hn::InterleaveUpper(d, v0, v1));  // 02 12 03 13
  const auto high23 = hn::BitCast(wide, hn::InterleaveUpper(d, v2, v3));
  hn::StoreU(hn::BitCast(d, hn::InterleaveLower(wide, low01, low23)), d, to);
  hn::StoreU(hn::BitCast(d, hn::InterleaveUpper(wide, low01, low23)), d, to + width);
  hn::StoreU(hn::BitCast(d, hn::InterleaveLower(wide, high01, high23)), d, to + 2 * width);
  hn::StoreU(hn::BitCast(d, hn::InterleaveUpper(wide, high01, high23)), d, to + 3 * width);
#else
  const Packed* rows[4] = {r0, r1, r2, r3};
  for (int r = 0; r < 4; ++r) {
    for (int k = 0; k < 4; ++k) to[k * width + r] = rows[r][k];
  }
#endif
}

template <class Source, class Packed>
HWY_INLINE void pack_one_by_one(const PackCall& call, int first_row, std::int64_t first_k) {
  const Source* source = static_cast<const Source*>(call.source);
  Packed* panel = static_cast<Packed*>(call.panel);
  for (int r = first_row; r < call.rows; ++r) {
    const Source* from = source + row_offset(call, r);
    for (std::int64_t k = first_k; k < call.K; ++k) {
      panel[k * call.width + r] = convert<Packed>(from[k_offset(call, k)]);
    }
  }
}

/// PackCall for real numbers and integers.
template <class Source, class Packed>
void pack_real(const PackCall& call) {
  if constexpr (std::is_same_v<Source, Packed>) {
    if (call.row_offsets == nullptr && call.row_stride == 1) return pack_runs<Packed>(call);
  }
  Packed* panel = static_cast<Packed*>(call.panel);
  if (call.rows < call.width) {
    for (std::int64_t k = 0; k < call.K; ++k) {
      pad_row(panel + k * call.width, call.rows, call.width);
    }
  }
  if constexpr (std::is_same_v<Source, Packed> && sizeof(Packed) == 4) {
    if (call.k_offsets == nullptr && call.k_stride == 1) {
      const Packed* source = static_cast<const Packed*>(call.source);
      const std::int64_t whole_k = call.K / 4 * 4;
      int r = 0;
      for (; r + 4 <= call.rows; r += 4) {
        const Packed* r0 = source + row_offset(call, r);
        const Packed* r1 = source + row_offset(call, r + 1);
        const Packed* r2 = source + row_offset(call, r + 2);
        const Packed* r3 = source + row_offset(call, r + 3);
        for (std::int64_t k = 0; k < whole_k; k += 4) {
          transpose_4x4(r0 + k, r1 + k, r2 + k, r3 + k, panel + k * call.width + r, call.width);
        }
        for (std::int64_t k = whole_k; k < call.K; ++k) {
          Packed* to = panel + k * call.width + r;
          to[0] = r0[k];
          to[1] = r1[k];
          to[2] = r2[k];
          to[3] = r3[k];
        }
      }
      return pack_one_by_one<Source, Packed>(call, r, 0);
    }
  }
  pack_one_by_one<Source, Packed>(call, 0, 0);
}

// NOLINTNEXTLINE(google-readability-namespace-comments)
}  // namespace batchdot::kernel::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
