// SPDX-License-Identifier: Apache-2.0
// The table entries that f32, f64 and integers have in common.

#if defined(BATCHDOT_REAL_INL_H) == defined(HWY_TARGET_TOGGLE)
#ifdef BATCHDOT_REAL_INL_H
#undef BATCHDOT_REAL_INL_H
#else
#define BATCHDOT_REAL_INL_H
#endif

#include <cstdint>
#include <type_traits>
#include <utility>

#include "hwy/highway.h"
#include "src/kernel/dots-inl.h"
#include "src/kernel/kernels.h"
#include "src/kernel/microkernel-inl.h"
#include "src/kernel/narrow-inl.h"
#include "src/kernel/reference.h"
#include "src/kernel/store-inl.h"
#include "src/kernel/table-inl.h"
#include "src/kernel/tiny-inl.h"

HWY_BEFORE_NAMESPACE();
namespace batchdot::kernel::HWY_NAMESPACE {

// Narrow elements, by the target's vectors or by plain loops.
template <class Format, bool kIsScalar>
PackFunction pack_narrow() {
  if constexpr (kIsScalar) {
    return pack_words_one_by_one<Format>;
  } else {
    return pack_words<Format>;
  }
}

template <class T, bool kIsScalar>
ArithmeticKernels real_kernels() {
  constexpr bool kLoops = kIsScalar || (std::is_same_v<T, std::int64_t> && HWY_TARGET > HWY_AVX2);
  ArithmeticKernels kernels{};
  kernels.panel_bytes = sizeof(T);
  fill_stores<T, kIsScalar>(kernels);
  if constexpr (kLoops) {
    kernels.MR = 4;
    kernels.NV = 1;
    kernels.lanes = kScalarLanes;
    kernels.loops = true;
    kernels.dots_width = kScalarLanes;
    fill_tiles<4, 1>(kernels.tile, []<int MR, int NV>() {
      return &one_by_one<reference_tile<T, MR, NV * kScalarLanes>>;
    });
    kernels.dots = reference_dots<T>;
  } else {
    constexpr bool kIsFloat = std::is_floating_point_v<T>;
    constexpr int kMR = kIsFloat ? kRealMR : sizeof(T) == 4 ? kI32MR : kI64MR;
    constexpr int kNV = kIsFloat ? kRealNV : sizeof(T) == 4 ? kI32NV : kI64NV;
    kernels.MR = kMR;
    kernels.NV = kNV;
    kernels.lanes = static_cast<int>(HWY_LANES(T));
    kernels.dots_width = kDotsVectors * kernels.lanes;
    constexpr auto kTile = []<int MR, int NV>() { return &tile_real<T, MR, NV>; };
    fill_tiles<kMR, kNV>(kernels.tile, kTile);
    if constexpr (kIsFloat && kWideNV > 0) {
      kernels.wide_MR = kWideMR;
      kernels.wide_NV = kWideNV;
      fill_tiles<kWideMR, kWideNV>(kernels.tile, kTile);
    }
    kernels.asks = true;
    kernels.streams = true;
    kernels.dots = dots_real<T>;
    kernels.column_dots = column_dots<T>;
#if HWY_TARGET != HWY_SCALAR
#if HWY_ARCH_X86  // elsewhere a masked load may read what lies behind the end
    kernels.tiny = tiny<T>;
#endif
    if constexpr (kIsFloat) {
      kernels.row_dots = row_dots<RealRows<T>>;
      [&]<int... I>(std::integer_sequence<int, I...>) {
        ((kernels.vector_rows[I] = vector_rows<RealRows<T>, I + 1>), ...);
      }
      (std::make_integer_sequence<int, kMaxVectorRows>{});
    }
#endif
  }
  return kernels;
}

// NOLINTNEXTLINE(google-readability-namespace-comments)
}  // namespace batchdot::kernel::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
