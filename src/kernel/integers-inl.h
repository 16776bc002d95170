// SPDX-License-Identifier: Apache-2.0
// i8 without VNNI: pairs of 16 bits, multiplied and added exactly. Included once for each target;
// see targets.h.

#if defined(BATCHDOT_INTEGERS_INL_H) == defined(HWY_TARGET_TOGGLE)
#ifdef BATCHDOT_INTEGERS_INL_H
#undef BATCHDOT_INTEGERS_INL_H
#else
#define BATCHDOT_INTEGERS_INL_H
#endif

#include <cstdint>

#include "hwy/highway.h"
#include "src/kernel/dots-inl.h"
#include "src/kernel/kernels.h"
#include "src/kernel/microkernel-inl.h"

HWY_BEFORE_NAMESPACE();
namespace batchdot::kernel::HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

#if HWY_TARGET <= HWY_AVX2  // x86 with 256 bits and more: VPMADDWD, whose lanes stay where they are

// Two products in each lane, of the i16 that are halves of a word.
struct MultiplyPairs {
  // Products take a register before they are added: Clang has enough for two steps, GCC, which
  // multiplies all before it adds any, for one.
#if defined(__clang__)
  static constexpr int kUnrolled = 2;
#else
  static constexpr int kUnrolled = 1;
#endif
  static constexpr bool kReadsWholeVectors = true;
  template <class V>
  static HWY_INLINE V add(V a, V b, V c) {
    const hn::DFromV<V> d;
    const hn::Repartition<std::int16_t, decltype(d)> pairs;
    V unused = hn::Zero(d);
    return hn::ReorderWidenMulAccumulate(d, hn::BitCast(pairs, a), hn::BitCast(pairs, b), c,
                                         unused);
  }
};

/// TileCall where a word of a panel is two k as i16. Exact modulo 2^32, so in any order.
template <int MR, int NV>
void tile_i16_pairs(const TileCall& call) {
  tiles_real<std::int32_t, MR, NV, MultiplyPairs>(call);
}

/// DotsCall of the same words.
inline void dots_i16_pairs(const DotsCall& call) {
  const hn::ScalableTag<std::int32_t> d;
  constexpr int kLanes = static_cast<int>(HWY_LANES(std::int32_t));
  const std::int32_t* a = static_cast<const std::int32_t*>(call.a);
  const std::int32_t* b = static_cast<const std::int32_t*>(call.b);
  std::int32_t* sum = static_cast<std::int32_t*>(call.sum);
  hn::Vec<decltype(d)> acc[kDotsVectors];
  for (int v = 0; v < kDotsVectors; ++v) {
    acc[v] = call.first ? hn::Zero(d) : hn::LoadU(d, sum + v * kLanes);
  }
  for (std::int64_t k = 0; k < call.K; ++k, a += call.width, b += call.width) {
    for (int v = 0; v < kDotsVectors; ++v) {
      acc[v] =
          MultiplyPairs::add(hn::LoadU(d, a + v * kLanes), hn::LoadU(d, b + v * kLanes), acc[v]);
    }
  }
  for (int v = 0; v < kDotsVectors; ++v) hn::StoreU(acc[v], d, sum + v * kLanes);
}

#endif

// NOLINTNEXTLINE(google-readability-namespace-comments)
}  // namespace batchdot::kernel::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
