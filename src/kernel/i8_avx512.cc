// SPDX-License-Identifier: Apache-2.0
#include "src/kernel/i8_avx512.h"

#if defined(__x86_64__)

#include <cpuid.h>
#include <immintrin.h>

#include <algorithm>
#include <cstring>
#include <utility>

namespace batchdot::kernel {

namespace {

// Debian's Highway has no such instruction, and no file of ours is compiled for one CPU.
#define BATCHDOT_VNNI __attribute__((target("avx512f,avx512bw,avx512vl,avx512vnni")))

constexpr int kLanes = 16;
constexpr int kMR = 8, kNV = 3;
static_assert(kMR <= kMaxMR && kNV <= kMaxNV);
constexpr int kDotsVectors = 4;

BATCHDOT_VNNI inline __m512i broadcast_word(const std::uint8_t* at) {
  std::int32_t word = 0;
  std::memcpy(&word, at, sizeof word);
  return _mm512_set1_epi32(word);
}

// TileCall: MR rows of a, NV vectors of b. The head row of b is what the accumulators start from.
template <int MR, int NV>
BATCHDOT_VNNI void tile(const TileCall& call) {
  const std::uint8_t* a = static_cast<const std::uint8_t*>(call.a);
  const std::int32_t* b = static_cast<const std::int32_t*>(call.b);
  const std::int64_t a_row = 4 * call.a_row;
  const std::int64_t a_k = 4 * call.a_k;
  std::int32_t* sum = static_cast<std::int32_t*>(call.sum);
  for (int i = 0; i < MR; ++i) {  // asked for now, needed at the end
    for (int v = 0; v < NV; ++v) __builtin_prefetch(sum + i * call.sum_row + v * kLanes, 1);
  }
  __m512i acc[MR][NV];
  for (int v = 0; v < NV; ++v) {
    const __m512i head = _mm512_loadu_si512(b + v * kLanes);
    for (int i = 0; i < MR; ++i) acc[i][v] = head;
  }
  for (std::int64_t k = 1; k < call.K; ++k) {
    a += a_k;
    b += call.b_k;
    __m512i b_row[NV];
    for (int v = 0; v < NV; ++v) b_row[v] = _mm512_loadu_si512(b + v * kLanes);
    for (int i = 0; i < MR; ++i) {
      const __m512i a_ik = broadcast_word(a + i * a_row);
      for (int v = 0; v < NV; ++v) acc[i][v] = _mm512_dpbusd_epi32(acc[i][v], a_ik, b_row[v]);
    }
  }
  for (int v = 0; v < NV; ++v) {
    const int columns = std::clamp(call.columns - v * kLanes, 0, kLanes);
    const auto exists = static_cast<__mmask16>((1u << columns) - 1);
    for (int i = 0; i < MR; ++i) {
      std::int32_t* at = sum + i * call.sum_row + v * kLanes;
      const __m512i old =
          call.first ? _mm512_setzero_si512() : _mm512_maskz_loadu_epi32(exists, at);
      _mm512_mask_storeu_epi32(at, exists, _mm512_add_epi32(old, acc[i][v]));
    }
  }
}

// DotsCall, behind kHeadRows rows of both panels, which are for tiles. What the + 128 adds is
// counted beside the sums.
template <int kHeadRows>
BATCHDOT_VNNI void dots(const DotsCall& call) {
  const std::int32_t* a = static_cast<const std::int32_t*>(call.a) + kHeadRows * call.width;
  const std::int32_t* b = static_cast<const std::int32_t*>(call.b) + kHeadRows * call.width;
  std::int32_t* sum = static_cast<std::int32_t*>(call.sum);
  const __m512i flip = _mm512_set1_epi32(static_cast<int>(0x80808080u));
  const __m512i ones = _mm512_set1_epi8(1);
  __m512i acc[kDotsVectors], flipped[kDotsVectors];
  for (int v = 0; v < kDotsVectors; ++v) {
    acc[v] = call.first ? _mm512_setzero_si512() : _mm512_loadu_si512(sum + v * kLanes);
    flipped[v] = _mm512_setzero_si512();
  }
  for (std::int64_t k = kHeadRows; k < call.K; ++k, a += call.width, b += call.width) {
    for (int v = 0; v < kDotsVectors; ++v) {
      const __m512i a_k = _mm512_xor_si512(_mm512_loadu_si512(a + v * kLanes), flip);
      const __m512i b_k = _mm512_loadu_si512(b + v * kLanes);
      acc[v] = _mm512_dpbusd_epi32(acc[v], a_k, b_k);
      flipped[v] = _mm512_dpbusd_epi32(flipped[v], ones, b_k);
    }
  }
  for (int v = 0; v < kDotsVectors; ++v) {
    acc[v] = _mm512_sub_epi32(acc[v], _mm512_mullo_epi32(flipped[v], _mm512_set1_epi32(128)));
    _mm512_storeu_si512(sum + v * kLanes, acc[v]);
  }
}

}  // namespace

bool has_avx512_vnni() {
  unsigned a = 0, b = 0, c = 0, d = 0;
  return __get_cpuid_count(7, 0, &a, &b, &c, &d) != 0 && (c & (1u << 11)) != 0;
}

void set_i8_avx512(ArithmeticKernels& kernels) {
  kernels.MR = kMR;
  kernels.NV = kNV;
  kernels.asks = kernels.streams = false;
  kernels.lanes = kLanes;
  kernels.dots_width = kDotsVectors * kLanes;
  kernels.panel_bytes = 4;
  kernels.k_group = 4;
  kernels.group_rows = 1;
  kernels.head_rows = 1;
  [&]<int... I>(std::integer_sequence<int, I...>) {
    ((kernels.tile[I / kNV][I % kNV] = one_by_one<tile<I / kNV + 1, I % kNV + 1>>), ...);
  }
  (std::make_integer_sequence<int, kMR * kNV>{});
  kernels.dots = dots<1>;
}

DotsFunction i8_dots_without_head() { return dots<0>; }

BATCHDOT_VNNI void fill_i8_head(void* panel, std::int64_t rows, int width) {
  std::int32_t* head = static_cast<std::int32_t*>(panel);
  const __m512i ones = _mm512_set1_epi8(1);
  for (int r = 0; r < width; r += kLanes) {
    const std::int32_t* at = head + width + r;
    __m512i sum = _mm512_setzero_si512();
    for (std::int64_t k = 0; k < rows; ++k, at += width) {
      sum = _mm512_dpbusd_epi32(sum, ones, _mm512_loadu_si512(at));
    }
    _mm512_storeu_si512(head + r, _mm512_mullo_epi32(sum, _mm512_set1_epi32(-128)));
  }
}

}  // namespace batchdot::kernel

#endif
