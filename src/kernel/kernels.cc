// SPDX-License-Identifier: Apache-2.0
// One table of kernels for each target: Highway compiles this file once for each of them. What the
// tables hold is compiled in a file for each family of arithmetics, see table-inl.h.

#include "src/kernel/kernels.h"

#include <algorithm>
#include <cstring>
#include <vector>

#include "src/kernel/targets.h"  // before Highway

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "src/kernel/kernels.cc"
#include "hwy/cache_control.h"
#include "hwy/foreach_target.h"  // IWYU pragma: keep
#include "hwy/highway.h"
#include "src/kernel/bf16_avx512.h"
#include "src/kernel/i8_amx.h"
#include "src/kernel/narrow-inl.h"
#include "src/kernel/reference.h"
#include "src/kernel/table-inl.h"

HWY_BEFORE_NAMESPACE();
namespace batchdot::kernel::HWY_NAMESPACE {

/// StreamFunction.
void stream(const void* from, void* to, std::int64_t bytes) {
  namespace hn = hwy::HWY_NAMESPACE;
  const hn::ScalableTag<std::uint8_t> d;
  constexpr std::int64_t kLine = 64;
  constexpr auto kVector = static_cast<std::int64_t>(HWY_LANES(std::uint8_t));
  const auto* source = static_cast<const std::uint8_t*>(from);
  auto* target = static_cast<std::uint8_t*>(to);
  const auto misaligned = static_cast<std::int64_t>(reinterpret_cast<std::uintptr_t>(to) % kLine);
  if (misaligned != 0) {
    const std::int64_t head = std::min(bytes, kLine - misaligned);
    std::memcpy(target, source, static_cast<std::size_t>(head));
    source += head;
    target += head;
    bytes -= head;
  }
  for (; bytes >= kLine; bytes -= kLine, source += kLine, target += kLine) {
    for (std::int64_t i = 0; i < kLine; i += kVector) {
      hn::Stream(hn::LoadU(d, source + i), d, target + i);
    }
  }
  if (bytes > 0) std::memcpy(target, source, static_cast<std::size_t>(bytes));
}

// The table of this target, or of `scalar`.
template <bool kIsScalar>
const Kernels* make_kernels() {
  static const Kernels kKernels = [] {
    Kernels k{};
    k.target = kIsScalar ? "scalar" : hwy::TargetName(HWY_TARGET);
    set_f32<kIsScalar>(k);
    set_f64<kIsScalar>(k);
    set_complex<kIsScalar>(k);
    set_integers<kIsScalar>(k);
    for (ArithmeticKernels& arithmetic : k.arithmetic) arithmetic.stream = stream;
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
    ArithmeticKernels& bf16 = k.of(Arithmetic::kBF16);
    set_bf16_avx512(bf16);
    set_pack<BF16>(bf16, pack_words<Words<BFloat16, false>>);
    bf16.widen_rows[index_of<BF16>()] = nullptr;
    return k;
  }();
  return &kKernels;
}

// The pack of set_i8_amx for b: words.
void pack_amx_b(const PackCall& call) {
  if (!pack_words_of_rows(call)) pack_words<Words<std::int8_t, false>>(call);
}

// The same with i8 by AMX. A target of its own: what CPUs without AMX run is tested beside it.
const Kernels* make_amx_kernels() {
  static const Kernels kKernels = [] {
    Kernels k = *make_kernels<false>();
    k.target = "AVX3_AMX";
    ArithmeticKernels& i8 = k.of(Arithmetic::kI8);
    set_i8_amx(i8);
    i8.pack_a[index_of<I8>()] = pack_along_k<std::int8_t>;
    i8.pack_b[index_of<I8>()] = pack_amx_b;
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

AddFunction add_blocks(Arithmetic arithmetic) {
  switch (arithmetic) {
    case Arithmetic::kF32:
    case Arithmetic::kBF16:
      return reference_add_blocks<float, 1>;
    case Arithmetic::kF64:
      return reference_add_blocks<double, 1>;
    case Arithmetic::kC64:
      return reference_add_blocks<float, 2>;
    case Arithmetic::kC128:
      return reference_add_blocks<double, 2>;
    case Arithmetic::kI32:
    case Arithmetic::kI8:
      return reference_add_blocks<std::int32_t, 1>;
    case Arithmetic::kI64:
      return reference_add_blocks<std::int64_t, 1>;
  }
  return nullptr;
}

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
      if (may_use_amx_i8()) tables.insert(tables.begin(), N_AVX3::make_amx_kernels());
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
