// SPDX-License-Identifier: Apache-2.0
// complex64 and complex128.

#include <type_traits>

#include "src/kernel/targets.h"  // before Highway

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "src/kernel/complex.cc"
#include "hwy/foreach_target.h"  // IWYU pragma: keep
#include "hwy/highway.h"
#include "src/kernel/complex-dots-inl.h"
#include "src/kernel/complex-inl.h"
#include "src/kernel/kernels.h"
#include "src/kernel/reference.h"
#include "src/kernel/store-inl.h"
#include "src/kernel/table-inl.h"

HWY_BEFORE_NAMESPACE();
namespace batchdot::kernel::HWY_NAMESPACE {

template <class T, bool kIsScalar>
ArithmeticKernels complex_kernels() {
  ArithmeticKernels kernels{};
  kernels.panel_bytes = 2 * sizeof(T);
  fill_complex_stores<T, kIsScalar>(kernels);
  if constexpr (kIsScalar) {
    kernels.MR = 4;
    kernels.NV = 1;
    kernels.lanes = kScalarLanes;
    kernels.loops = true;
    fill_tiles<4, 1>(kernels.tile, []<int MR, int NV>() {
      return &one_by_one<reference_tile_complex<T, MR, NV * kScalarLanes, false>>;
    });
    fill_tiles<4, 1>(kernels.tile_swapped, []<int MR, int NV>() {
      return &one_by_one<reference_tile_complex<T, MR, NV * kScalarLanes, true>>;
    });
    kernels.dots_width = kernels.lanes;
    kernels.dots = reference_dots_complex<T>;
  } else {
    kernels.MR = kComplexMR;
    kernels.NV = kComplexNV;
    kernels.lanes = static_cast<int>(HWY_LANES(T));
    kernels.asks = true;
    fill_tiles<kComplexMR, kComplexNV>(
        kernels.tile, []<int MR, int NV>() { return &tile_complex<T, MR, NV, false>; });
    fill_tiles<kComplexMR, kComplexNV>(
        kernels.tile_swapped, []<int MR, int NV>() { return &tile_complex<T, MR, NV, true>; });
#if HWY_TARGET != HWY_SCALAR && HWY_TARGET != HWY_EMU128
    kernels.dots_width = kDotsVectors * kernels.lanes;
    kernels.dots = dots_complex<T>;
    kernels.row_dots = row_dots<ComplexRows<T, false>>;
    kernels.column_dots = column_dots_complex<T>;
    [&]<int... I>(std::integer_sequence<int, I...>) {
      ((kernels.vector_rows[I] = vector_rows<ComplexRows<T, false>, I + 1>), ...);
      ((kernels.vector_rows_swapped[I] = vector_rows<ComplexRows<T, true>, I + 1>), ...);
    }
    (std::make_integer_sequence<int, kMaxVectorRows>{});
    fill_tiles<kMaxVectorRows, kComplexNV>(
        kernels.tile_pairs, []<int MR, int NV>() { return &tile_pairs<T, MR, NV, false>; });
    fill_tiles<kMaxVectorRows, kComplexNV>(
        kernels.tile_pairs_swapped, []<int MR, int NV>() { return &tile_pairs<T, MR, NV, true>; });
#endif
#if HWY_TARGET <= HWY_AVX2
    kernels.tiny = tiny_complex<T>;
#endif
  }
  using Record = std::conditional_t<std::is_same_v<T, float>, C64, C128>;
  if constexpr (kIsScalar) {
    kernels.pack_a[index_of<Record>()] = pack_complex_pairs<T>;
    kernels.pack_b[index_of<Record>()] = pack_planes_one_by_one<T>;
  } else {
    kernels.pack_a[index_of<Record>()] = pack_complex_numbers<T>;
    kernels.pack_b[index_of<Record>()] = pack_complex_planes<T>;
  }
  return kernels;
}

template <bool kIsScalar>
void set_complex(Kernels& kernels) {
  kernels.of(Arithmetic::kC64) = complex_kernels<float, kIsScalar>();
  kernels.of(Arithmetic::kC128) = complex_kernels<double, kIsScalar>();
}
#if BATCHDOT_HAS_TABLE
template void set_complex<false>(Kernels&);
#endif
#if BATCHDOT_HAS_SCALAR
template void set_complex<true>(Kernels&);
#endif

// NOLINTNEXTLINE(google-readability-namespace-comments)
}  // namespace batchdot::kernel::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();
