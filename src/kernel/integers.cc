// SPDX-License-Identifier: Apache-2.0
// i8, i32 and i64.

#include <cstdint>

#include "src/kernel/targets.h"  // before Highway

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "src/kernel/integers.cc"
#include "hwy/foreach_target.h"  // IWYU pragma: keep
#include "hwy/highway.h"
#include "src/kernel/i8_avx512.h"
#include "src/kernel/integers-inl.h"
#include "src/kernel/kernels.h"
#include "src/kernel/narrow-inl.h"
#include "src/kernel/pack-inl.h"
#include "src/kernel/real-inl.h"
#include "src/kernel/table-inl.h"

HWY_BEFORE_NAMESPACE();
namespace batchdot::kernel::HWY_NAMESPACE {

#if HWY_TARGET == HWY_AVX3
// The packs of set_i8_avx512: a head row, then words.
void pack_i8_a(const PackCall& call) {
  PackCall body = call;
  body.panel = static_cast<std::uint32_t*>(call.panel) + call.width;
  pack_words<Words<std::int8_t, true>>(body);
}
void pack_i8_b(const PackCall& call) {
  PackCall body = call;
  body.panel = static_cast<std::uint32_t*>(call.panel) + call.width;
  pack_words<Words<std::int8_t, false>>(body);
  fill_i8_head(call.panel, (call.K + 3) / 4, call.width);
}
#endif

// i8: by VNNI, by pairs of 16 bits, or widened to 32.
template <bool kIsScalar>
ArithmeticKernels i8_kernels() {
  ArithmeticKernels kernels = real_kernels<std::int32_t, kIsScalar>();
  set_pack<I8>(kernels, pack_narrow<Widened<std::int8_t, std::int32_t>, kIsScalar>());
  kernels.pack_tiny[index_of<I8>()] = kernels.pack_b[index_of<I8>()];
  if constexpr (kIsScalar) return kernels;
#if HWY_TARGET == HWY_AVX3
  if (has_avx512_vnni()) {
    set_i8_avx512(kernels);
    kernels.pack_a[index_of<I8>()] = pack_i8_a;
    kernels.pack_b[index_of<I8>()] = pack_i8_b;
    return kernels;
  }
#endif
#if HWY_TARGET <= HWY_AVX2
  kernels.MR = kRealMR;
  kernels.NV = kRealNV;
  fill_tiles<kRealMR, kRealNV>(kernels.tile,
                               []<int MR, int NV>() { return &tile_i16_pairs<MR, NV>; });
  kernels.dots = dots_i16_pairs;
  kernels.k_group = 4;
  kernels.group_rows = 2;
  set_pack<I8>(kernels, pack_words<PairsOfI16>);
#endif
  return kernels;
}

template <bool kIsScalar>
void set_integers(Kernels& kernels) {
  ArithmeticKernels& i32 = kernels.of(Arithmetic::kI32);
  i32 = real_kernels<std::int32_t, kIsScalar>();
  set_pack<I32>(i32, pack_real<std::int32_t, std::int32_t>);
  set_pack<I8>(i32, pack_narrow<Widened<std::int8_t, std::int32_t>, kIsScalar>());
  i32.pack_tiny[index_of<I8>()] = i32.pack_b[index_of<I8>()];
  ArithmeticKernels& i64 = kernels.of(Arithmetic::kI64);
  i64 = real_kernels<std::int64_t, kIsScalar>();
  set_pack<I64>(i64, pack_real<std::int64_t, std::int64_t>);
  kernels.of(Arithmetic::kI8) = i8_kernels<kIsScalar>();
}
#if BATCHDOT_HAS_TABLE
template void set_integers<false>(Kernels&);
#endif
#if BATCHDOT_HAS_SCALAR
template void set_integers<true>(Kernels&);
#endif

// NOLINTNEXTLINE(google-readability-namespace-comments)
}  // namespace batchdot::kernel::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();
