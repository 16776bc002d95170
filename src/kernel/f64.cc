// SPDX-License-Identifier: Apache-2.0
// f64.

#include "src/kernel/targets.h"  // before Highway

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "src/kernel/f64.cc"
#include "hwy/foreach_target.h"  // IWYU pragma: keep
#include "hwy/highway.h"
#include "src/kernel/kernels.h"
#include "src/kernel/pack-inl.h"
#include "src/kernel/real-inl.h"
#include "src/kernel/reference.h"
#include "src/kernel/rowwise-inl.h"
#include "src/kernel/table-inl.h"

HWY_BEFORE_NAMESPACE();
namespace batchdot::kernel::HWY_NAMESPACE {

#if HWY_TARGET <= HWY_AVX2
template void tiny<double>(const TinyCall& call);
#endif

template <bool kIsScalar>
void set_f64(Kernels& kernels) {
  ArithmeticKernels& f64 = kernels.of(Arithmetic::kF64);
  f64 = real_kernels<double, kIsScalar>();
  set_pack<F64>(f64, pack_real<double, double>);
  if constexpr (kIsScalar) {
    kernels.softmax_f64 = reference_softmax<double>;
  } else {
    kernels.softmax_f64 = softmax_row<double>;
  }
}
#if BATCHDOT_HAS_TABLE
template void set_f64<false>(Kernels&);
#endif
#if BATCHDOT_HAS_SCALAR
template void set_f64<true>(Kernels&);
#endif

// NOLINTNEXTLINE(google-readability-namespace-comments)
}  // namespace batchdot::kernel::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();
