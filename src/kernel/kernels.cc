// SPDX-License-Identifier: Apache-2.0
// One table of kernels for each target: Highway compiles this file once for each of them.

#include "src/kernel/kernels.h"

#include <utility>
#include <vector>

// SSE4 and SSSE3 have no fused multiply-add; AVX3_DL would be AVX3 again.
#define HWY_DISABLED_TARGETS (HWY_SSE4 | HWY_SSSE3 | HWY_AVX3_DL)
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "src/kernel/kernels.cc"
#include "hwy/cache_control.h"
#include "hwy/foreach_target.h"  // IWYU pragma: keep
#include "hwy/highway.h"
#include "src/kernel/bf16_avx512.h"
#include "src/kernel/complex-inl.h"
#include "src/kernel/dots-inl.h"
#include "src/kernel/i8_avx512.h"
#include "src/kernel/integers-inl.h"
#include "src/kernel/microkernel-inl.h"
#include "src/kernel/narrow-inl.h"
#include "src/kernel/pack-inl.h"
#include "src/kernel/reference.h"
#include "src/kernel/rowwise-inl.h"
#include "src/kernel/store-inl.h"
#include "src/kernel/tiny-inl.h"

HWY_BEFORE_NAMESPACE();
namespace batchdot::kernel::HWY_NAMESPACE {

inline constexpr int kScalarLanes = 4;

// Register tiles. 32 vector registers: 8 x 3, which loads least for each multiply-add and is at the
// peak from K = 16 up; 16 registers: 6 x 2. Complex numbers take two accumulators for an element.
#if HWY_TARGET == HWY_AVX2
inline constexpr int kRealMR = 6, kRealNV = 2, kComplexMR = 6, kComplexNV = 1;
#else
inline constexpr int kRealMR = 8, kRealNV = 3, kComplexMR = 6, kComplexNV = 2;
#endif

// Fills tile[i][v] for every height 1 .. MR and width 1 .. NV.
template <int MR, int NV, class Maker>
void fill_tiles(TileFunction (&tile)[kMaxMR][kMaxNV], Maker maker) {
  [&]<int... I>(std::integer_sequence<int, I...>) {
    ((tile[I / NV][I % NV] = maker.template operator()<I / NV + 1, I % NV + 1>()), ...);
  }
  (std::make_integer_sequence<int, MR * NV>{});
}

template <class Record>
constexpr std::size_t index_of() {
  return detail::index_in_dtypes<Record>();
}

// Both packs of a dtype.
template <class Record>
void set_pack(ArithmeticKernels& kernels, PackFunction pack) {
  kernels.pack_a[index_of<Record>()] = kernels.pack_b[index_of<Record>()] = pack;
}

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
    kernels.dots_width = kScalarLanes;
    fill_tiles<4, 1>(kernels.tile,
                     []<int MR, int NV>() { return &reference_tile<T, MR, NV * kScalarLanes>; });
    kernels.dots = reference_dots<T>;
  } else {
    kernels.MR = kRealMR;
    kernels.NV = kRealNV;
    kernels.lanes = static_cast<int>(HWY_LANES(T));
    kernels.dots_width = kDotsVectors * kernels.lanes;
    fill_tiles<kRealMR, kRealNV>(kernels.tile,
                                 []<int MR, int NV>() { return &tile_real<T, MR, NV>; });
    kernels.dots = dots_real<T>;
#if HWY_TARGET != HWY_SCALAR
    if constexpr (std::is_floating_point_v<T>) {
#if HWY_ARCH_X86  // elsewhere a masked load may read what lies behind the end
      kernels.tiny = tiny<T>;
      kernels.tiny_columns = kTinyNV * kernels.lanes;
#endif
      kernels.row_dots = row_dots<T>;
      [&]<int... I>(std::integer_sequence<int, I...>) {
        ((kernels.vector_rows[I] = vector_rows<T, I + 1>), ...);
      }
      (std::make_integer_sequence<int, kMaxVectorRows>{});
    }
#endif
  }
  return kernels;
}

template <class T, bool kIsScalar>
ArithmeticKernels complex_kernels() {
  ArithmeticKernels kernels{};
  kernels.panel_bytes = 2 * sizeof(T);
  fill_complex_stores<T, kIsScalar>(kernels);
  if constexpr (kIsScalar) {
    kernels.MR = 4;
    kernels.NV = 1;
    kernels.lanes = kScalarLanes;
    fill_tiles<4, 1>(kernels.tile, []<int MR, int NV>() {
      return &reference_tile_complex<T, MR, NV * kScalarLanes, false>;
    });
    fill_tiles<4, 1>(kernels.tile_swapped, []<int MR, int NV>() {
      return &reference_tile_complex<T, MR, NV * kScalarLanes, true>;
    });
  } else {
    kernels.MR = kComplexMR;
    kernels.NV = kComplexNV;
    kernels.lanes = static_cast<int>(HWY_LANES(T));
    fill_tiles<kComplexMR, kComplexNV>(
        kernels.tile, []<int MR, int NV>() { return &tile_complex<T, MR, NV, false>; });
    fill_tiles<kComplexMR, kComplexNV>(
        kernels.tile_swapped, []<int MR, int NV>() { return &tile_complex<T, MR, NV, true>; });
  }
  kernels.dots_width = kernels.lanes;
  kernels.dots = reference_dots_complex<T>;
  constexpr std::size_t kIndex = std::is_same_v<T, float> ? index_of<C64>() : index_of<C128>();
  kernels.pack_a[kIndex] = pack_complex_pairs<T>;
  if constexpr (kIsScalar) {
    kernels.pack_b[kIndex] = pack_planes_one_by_one<T>;
  } else {
    kernels.pack_b[kIndex] = pack_complex_planes<T>;
  }
  return kernels;
}

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
#if HWY_TARGET == HWY_AVX3
  if (has_avx512_vnni()) {
    set_i8_avx512(kernels);
    kernels.pack_a[index_of<I8>()] = pack_i8_a;
    kernels.pack_b[index_of<I8>()] = pack_i8_b;
    return kernels;
  }
#endif
#if HWY_TARGET <= HWY_AVX2
  fill_tiles<kRealMR, kRealNV>(kernels.tile,
                               []<int MR, int NV>() { return &tile_i16_pairs<MR, NV>; });
  kernels.dots = dots_i16_pairs;
  kernels.k_group = 4;
  kernels.group_rows = 2;
  set_pack<I8>(kernels, pack_words<PairsOfI16>);
#else
  set_pack<I8>(kernels, pack_narrow<Widened<std::int8_t, std::int32_t>, kIsScalar>());
#endif
  return kernels;
}

// The table of this target, or of `scalar`, which is plain loops whatever they are compiled for.
template <bool kIsScalar>
const Kernels* make_kernels() {
  static const Kernels kKernels = [] {
    Kernels k{};
    k.target = kIsScalar ? "scalar" : hwy::TargetName(HWY_TARGET);
    const auto of = [&](Arithmetic arithmetic) -> ArithmeticKernels& {
      return k.arithmetic[static_cast<std::size_t>(arithmetic)];
    };
    of(Arithmetic::kF32) = real_kernels<float, kIsScalar>();
    set_pack<F32>(of(Arithmetic::kF32), pack_real<float, float>);
    set_pack<F16>(of(Arithmetic::kF32), pack_narrow<Widened<Half, float>, kIsScalar>());
    set_pack<BF16>(of(Arithmetic::kF32), pack_narrow<Widened<BFloat16, float>, kIsScalar>());
    of(Arithmetic::kBF16) = real_kernels<float, kIsScalar>();
    of(Arithmetic::kBF16).k_group = of(Arithmetic::kBF16).group_rows = 2;
    set_pack<BF16>(of(Arithmetic::kBF16), pack_narrow<ExchangedBF16, kIsScalar>());
    of(Arithmetic::kF64) = real_kernels<double, kIsScalar>();
    set_pack<F64>(of(Arithmetic::kF64), pack_real<double, double>);
    of(Arithmetic::kI32) = real_kernels<std::int32_t, kIsScalar>();
    set_pack<I32>(of(Arithmetic::kI32), pack_real<std::int32_t, std::int32_t>);
    set_pack<I8>(of(Arithmetic::kI32),
                 pack_narrow<Widened<std::int8_t, std::int32_t>, kIsScalar>());
    of(Arithmetic::kI64) = real_kernels<std::int64_t, kIsScalar>();
    set_pack<I64>(of(Arithmetic::kI64), pack_real<std::int64_t, std::int64_t>);
    of(Arithmetic::kI8) = i8_kernels<kIsScalar>();
    of(Arithmetic::kC64) = complex_kernels<float, kIsScalar>();
    of(Arithmetic::kC128) = complex_kernels<double, kIsScalar>();
    if constexpr (kIsScalar) {
      k.softmax_f32 = reference_softmax<float>;
      k.softmax_f64 = reference_softmax<double>;
    } else {
      k.softmax_f32 = softmax_row<float>;
      k.softmax_f64 = softmax_row<double>;
    }
    return k;
  }();
  return &kKernels;
}

#if HWY_TARGET == HWY_AVX3
// The same with bf16 by its own instruction. A target of its own: on some CPUs the instruction is
// there and slower, and tests reach both.
const Kernels* make_bf16_kernels() {
  static const Kernels kKernels = [] {
    Kernels k = *make_kernels<false>();
    k.target = "AVX3_BF16";
    ArithmeticKernels& bf16 = k.arithmetic[static_cast<std::size_t>(Arithmetic::kBF16)];
    set_bf16_avx512(bf16);
    set_pack<BF16>(bf16, pack_words<Words<BFloat16, false>>);
    return k;
  }();
  return &kKernels;
}
#endif

// NOLINTNEXTLINE(google-readability-namespace-comments)
}  // namespace batchdot::kernel::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace batchdot::kernel {

void finish_streams() { hwy::FlushStream(); }

std::span<const Kernels* const> kernels_that_run_here() {
  static const std::vector<const Kernels*> kTables = [] {
    const auto supported = hwy::SupportedTargets();
    std::vector<const Kernels*> tables;
    (void)supported;
#if HWY_TARGETS & HWY_AVX3
    if (supported & HWY_AVX3) {
      tables.push_back(N_AVX3::make_kernels<false>());
      if (has_avx512_bf16()) {
        tables.insert(is_avx512_bf16_fast() ? tables.begin() : tables.end(),
                      N_AVX3::make_bf16_kernels());
      }
    }
#endif
#if HWY_TARGETS & HWY_AVX2
    if (supported & HWY_AVX2) tables.push_back(N_AVX2::make_kernels<false>());
#endif
#if HWY_TARGETS & HWY_NEON
    if (supported & HWY_NEON) tables.push_back(N_NEON::make_kernels<false>());
#endif
    // The baseline target cannot be switched off; on x86 it has no fused multiply-add and is used
    // for the plain loops alone.
    tables.push_back(HWY_STATIC_DISPATCH(make_kernels<true>)());
    return tables;
  }();
  return kTables;
}

}  // namespace batchdot::kernel
#endif
