// SPDX-License-Identifier: Apache-2.0
// f32, and what is computed as f32: f16, and bf16 in pairs.

#include "src/kernel/targets.h"  // before Highway

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "src/kernel/f32.cc"
#include "hwy/foreach_target.h"  // IWYU pragma: keep
#include "hwy/highway.h"
#include "src/kernel/kernels.h"
#include "src/kernel/narrow-inl.h"
#include "src/kernel/pack-inl.h"
#include "src/kernel/real-inl.h"
#include "src/kernel/reference.h"
#include "src/kernel/rowwise-inl.h"
#include "src/kernel/table-inl.h"

HWY_BEFORE_NAMESPACE();
namespace batchdot::kernel::HWY_NAMESPACE {

#if HWY_TARGET <= HWY_AVX2
template void tiny<float>(const TinyCall& call);
#endif

template <bool kIsScalar>
void set_f32(Kernels& kernels) {
  ArithmeticKernels& f32 = kernels.of(Arithmetic::kF32);
  f32 = real_kernels<float, kIsScalar>();
  set_pack<F32>(f32, pack_real<float, float>);
  set_pack<F16>(f32, pack_narrow<Widened<Half, float>, kIsScalar>());
  set_pack<BF16>(f32, pack_narrow<Widened<BFloat16, float>, kIsScalar>());
  ArithmeticKernels& bf16 = kernels.of(Arithmetic::kBF16);
  bf16 = real_kernels<float, kIsScalar>();
  bf16.k_group = bf16.group_rows = bf16.tiny_k_group = 2;
  // These take k one by one, not in pairs.
  bf16.row_dots = bf16.column_dots = nullptr;
  for (RowsFunction& rows : bf16.vector_rows) rows = nullptr;
  set_pack<BF16>(bf16, pack_narrow<ExchangedBF16, kIsScalar>());
  f32.pack_tiny[index_of<F16>()] = f32.pack_b[index_of<F16>()];
  f32.pack_tiny[index_of<BF16>()] = f32.pack_b[index_of<BF16>()];
  bf16.pack_tiny[index_of<BF16>()] = bf16.pack_b[index_of<BF16>()];
  if constexpr (!kIsScalar) {
    f32.widen_rows[index_of<F16>()] = widen_rows<Widened<Half, float>>;
    f32.widen_rows[index_of<BF16>()] = widen_rows<Widened<BFloat16, float>>;
    bf16.widen_rows[index_of<BF16>()] = widen_rows<ExchangedBF16>;
  }
  if constexpr (kIsScalar) {
    kernels.softmax_f32 = reference_softmax<float>;
  } else {
    kernels.softmax_f32 = softmax_row<float>;
  }
}
#if BATCHDOT_HAS_TABLE
template void set_f32<false>(Kernels&);
#endif
#if BATCHDOT_HAS_SCALAR
template void set_f32<true>(Kernels&);
#endif

// NOLINTNEXTLINE(google-readability-namespace-comments)
}  // namespace batchdot::kernel::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();
