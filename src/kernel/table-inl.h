// SPDX-License-Identifier: Apache-2.0
// What the tables of a target are put together from: the sizes of its register tiles, and one
// function for each family of arithmetics, in a file of its own.

#if defined(BATCHDOT_TABLE_INL_H) == defined(HWY_TARGET_TOGGLE)
#ifdef BATCHDOT_TABLE_INL_H
#undef BATCHDOT_TABLE_INL_H
#else
#define BATCHDOT_TABLE_INL_H
#endif

#include <cstddef>
#include <utility>

#include "hwy/highway.h"
#include "src/kernel/kernels.h"
#include "src/kernel/targets.h"

HWY_BEFORE_NAMESPACE();
namespace batchdot::kernel::HWY_NAMESPACE {

inline constexpr int kScalarLanes = 4;

// Register tiles. 32 vector registers: 8 x 3, which is at the peak from K = 16 up, and 6 x 4, which
// loads a little less and takes whole rows of the result as one panel; 16 registers: 6 x 2. Complex
// numbers take two accumulators for an element, integers want registers for products, those of 64
// bits on AVX2 for their halves too.
#if HWY_TARGET == HWY_AVX2
inline constexpr int kRealMR = 6, kRealNV = 2, kComplexMR = 6, kComplexNV = 1;
inline constexpr int kWideMR = 0, kWideNV = 0;
inline constexpr int kI32MR = 4, kI32NV = 2, kI64MR = 3, kI64NV = 1;
#else
inline constexpr int kRealMR = 8, kRealNV = 3, kComplexMR = 6, kComplexNV = 2;
inline constexpr int kWideMR = 6, kWideNV = 4;
inline constexpr int kI32MR = 7, kI32NV = 2, kI64MR = 7, kI64NV = 2;
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

// Each fills its entries of the table of this target, or, if kIsScalar, of `scalar`, which is plain
// loops whatever they are compiled for.
template <bool kIsScalar>
void set_f32(Kernels& kernels);  // kF32, kBF16, softmax
template <bool kIsScalar>
void set_f64(Kernels& kernels);  // kF64, softmax
template <bool kIsScalar>
void set_complex(Kernels& kernels);  // kC64, kC128
template <bool kIsScalar>
void set_integers(Kernels& kernels);  // kI32, kI64, kI8

// NOLINTNEXTLINE(google-readability-namespace-comments)
}  // namespace batchdot::kernel::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
