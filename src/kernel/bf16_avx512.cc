// SPDX-License-Identifier: Apache-2.0
#include "src/kernel/bf16_avx512.h"

#if defined(__x86_64__)

#include <cpuid.h>
#include <immintrin.h>

#include <algorithm>
#include <cstdint>
#include <utility>

namespace batchdot::kernel {

namespace {

// Debian's Highway has no such instruction, and no file of ours is compiled for one CPU.
#define BATCHDOT_BF16 __attribute__((target("avx512f,avx512bw,avx512vl,avx512bf16")))

constexpr int kLanes = 16;
constexpr int kMR = 8, kNV = 3;
static_assert(kMR <= kMaxMR && kNV <= kMaxNV);
constexpr int kDotsVectors = 4;
constexpr std::int64_t kBlockRows = kBlock / 2;  // of pairs

// The bits of sixteen words as the instruction's operand.
BATCHDOT_BF16 inline __m512 multiply_add(__m512 acc, __m512i a, __m512i b) {
  return _mm512_dpbf16_ps(acc, reinterpret_cast<__m512bh>(a), reinterpret_cast<__m512bh>(b));
}

BATCHDOT_BF16 inline __m512i broadcast_word(const std::uint32_t* at) {
  return _mm512_set1_epi32(static_cast<int>(*at));
}

// TileCall: MR rows of a, NV vectors of b. The additions of block sums follow the thread's mode,
// which the caller has set to flush; the instruction itself always does.
template <int MR, int NV>
BATCHDOT_BF16 void tile(const TileCall& call) {
  const std::uint32_t* a = static_cast<const std::uint32_t*>(call.a);
  const std::uint32_t* b = static_cast<const std::uint32_t*>(call.b);
  float* sum = static_cast<float*>(call.sum);
  std::int64_t left = call.K;
  bool first = call.first;
  do {
    __m512 acc[MR][NV];
    for (auto& row : acc) {
      for (auto& vector : row) vector = _mm512_setzero_ps();
    }
    const std::int64_t steps = std::min(left, kBlockRows);
    left -= steps;
    for (std::int64_t k = 0; k < steps; ++k, a += call.a_k, b += call.b_k) {
      __m512i b_row[NV];
      for (int v = 0; v < NV; ++v) b_row[v] = _mm512_loadu_si512(b + v * kLanes);
      for (int i = 0; i < MR; ++i) {
        const __m512i a_ik = broadcast_word(a + i * call.a_row);
        for (int v = 0; v < NV; ++v) acc[i][v] = multiply_add(acc[i][v], a_ik, b_row[v]);
      }
    }
    for (int v = 0; v < NV; ++v) {
      const int columns = std::clamp(call.columns - v * kLanes, 0, kLanes);
      const auto exists = static_cast<__mmask16>((1u << columns) - 1);
      for (int i = 0; i < MR; ++i) {
        float* at = sum + i * call.sum_row + v * kLanes;
        __m512 total = acc[i][v];
        if (!first) total = _mm512_add_ps(_mm512_maskz_loadu_ps(exists, at), total);
        _mm512_mask_storeu_ps(at, exists, total);
      }
    }
    first = false;
  } while (left > 0);
}

BATCHDOT_BF16 void dots(const DotsCall& call) {
  const std::uint32_t* a = static_cast<const std::uint32_t*>(call.a);
  const std::uint32_t* b = static_cast<const std::uint32_t*>(call.b);
  float* sum = static_cast<float*>(call.sum);
  std::int64_t left = call.K;
  bool first = call.first;
  do {
    __m512 acc[kDotsVectors];
    for (auto& vector : acc) vector = _mm512_setzero_ps();
    const std::int64_t steps = std::min(left, kBlockRows);
    left -= steps;
    for (std::int64_t k = 0; k < steps; ++k, a += call.width, b += call.width) {
      for (int v = 0; v < kDotsVectors; ++v) {
        acc[v] = multiply_add(acc[v], _mm512_loadu_si512(a + v * kLanes),
                              _mm512_loadu_si512(b + v * kLanes));
      }
    }
    for (int v = 0; v < kDotsVectors; ++v) {
      float* at = sum + v * kLanes;
      _mm512_storeu_ps(at, first ? acc[v] : _mm512_add_ps(_mm512_loadu_ps(at), acc[v]));
    }
    first = false;
  } while (left > 0);
}

}  // namespace

bool has_avx512_bf16() {
  unsigned a = 0, b = 0, c = 0, d = 0;
  return __get_cpuid_count(7, 1, &a, &b, &c, &d) != 0 && (a & (1u << 5)) != 0;
}

bool is_avx512_bf16_fast() {
  unsigned a = 0, b = 0, c = 0, d = 0;
  return has_avx512_bf16() && __get_cpuid(0, &a, &b, &c, &d) != 0 && b == signature_AMD_ebx;
}

void set_bf16_avx512(ArithmeticKernels& kernels) {
  kernels.MR = kMR;
  kernels.NV = kNV;
  kernels.wide_MR = kernels.wide_NV = 0;
  kernels.asks = kernels.streams = false;
  kernels.lanes = kLanes;
  kernels.dots_width = kDotsVectors * kLanes;
  kernels.panel_bytes = 4;
  kernels.k_group = 2;
  kernels.group_rows = 1;
  [&]<int... I>(std::integer_sequence<int, I...>) {
    ((kernels.tile[I / kNV][I % kNV] = one_by_one<tile<I / kNV + 1, I % kNV + 1>>), ...);
  }
  (std::make_integer_sequence<int, kMR * kNV>{});
  kernels.dots = dots;
}

}  // namespace batchdot::kernel

#endif
