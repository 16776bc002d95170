// SPDX-License-Identifier: Apache-2.0
#include "bench/bound.h"

#include <time.h>

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <cstdio>
#include <functional>
#include <limits>
#include <thread>
#include <vector>

#if defined(__x86_64__)
#include <cpuid.h>
#include <immintrin.h>
#if defined(__linux__)
#include <sys/syscall.h>
#include <unistd.h>
#endif
#endif

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "bench/bound.cc"
#include "hwy/foreach_target.h"  // IWYU pragma: keep
#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace bench::HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

// Twelve independent chains: enough to fill two units of five cycles. Returns the flop done.
template <class T, class Step>
double chains(std::int64_t rounds, double* sink, const Step& step) {
  constexpr int kChains = 12;
  const hn::ScalableTag<T> d;
  hn::Vec<decltype(d)> acc[kChains];
  for (int i = 0; i < kChains; ++i) acc[i] = hn::Set(d, static_cast<T>(1 + i));
  const auto a = hn::Set(d, static_cast<T>(sink[0]));
  const auto b = hn::Set(d, static_cast<T>(sink[1]));
  for (std::int64_t round = 0; round < rounds; ++round) {
    for (int i = 0; i < kChains; ++i) acc[i] = step(acc[i], a, b);
  }
  auto sum = acc[0];
  for (int i = 1; i < kChains; ++i) sum = hn::Add(sum, acc[i]);
  sink[2] = static_cast<double>(hn::GetLane(sum));
  return 2.0 * kChains * static_cast<double>(hn::Lanes(d)) * static_cast<double>(rounds);
}

double peak_f32(std::int64_t rounds, double* sink) {
  return chains<float>(rounds, sink,
                       [](auto acc, auto a, auto b) HWY_ATTR { return hn::MulAdd(acc, a, b); });
}
double peak_f64(std::int64_t rounds, double* sink) {
  return chains<double>(rounds, sink,
                        [](auto acc, auto a, auto b) HWY_ATTR { return hn::MulAdd(acc, a, b); });
}
double peak_i32(std::int64_t rounds, double* sink) {
  return chains<std::int32_t>(
      rounds, sink, [](auto acc, auto a, auto b) HWY_ATTR { return hn::Add(hn::Mul(acc, a), b); });
}

double read_bytes(const float* from, float*, std::int64_t count) {
  const hn::ScalableTag<float> d;
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(d));
  constexpr int kSums = 8;
  hn::Vec<decltype(d)> sums[kSums];
  for (auto& sum : sums) sum = hn::Zero(d);
  for (std::int64_t i = 0; i + kSums * lanes <= count; i += kSums * lanes) {
    for (int j = 0; j < kSums; ++j) sums[j] = hn::Add(sums[j], hn::LoadU(d, from + i + j * lanes));
  }
  for (int j = 1; j < kSums; ++j) sums[0] = hn::Add(sums[0], sums[j]);
  volatile float sink = hn::GetLane(sums[0]);
  (void)sink;
  return 4.0 * static_cast<double>(count);
}

template <bool kStream>
double write_bytes(const float*, float* to, std::int64_t count) {
  const hn::ScalableTag<float> d;
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(d));
  const auto value = hn::Set(d, 1.0f);
  for (std::int64_t i = 0; i + lanes <= count; i += lanes) {
    if constexpr (kStream) hn::Stream(value, d, to + i);
    if constexpr (!kStream) hn::Store(value, d, to + i);
  }
  return 4.0 * static_cast<double>(count);
}
double write_stored(const float* from, float* to, std::int64_t count) {
  return write_bytes<false>(from, to, count);
}
double write_streamed(const float* from, float* to, std::int64_t count) {
  return write_bytes<true>(from, to, count);
}

// Half of the memory into the other half.
template <bool kStream>
double copy_bytes(const float* from, float* to, std::int64_t count) {
  const hn::ScalableTag<float> d;
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(d));
  const std::int64_t half = count / 2 / (2 * lanes) * (2 * lanes);
  for (std::int64_t i = 0; i < half; i += 2 * lanes) {
    const auto x = hn::LoadU(d, from + i), y = hn::LoadU(d, from + i + lanes);
    if constexpr (kStream) {
      hn::Stream(x, d, to + half + i);
      hn::Stream(y, d, to + half + i + lanes);
    } else {
      hn::Store(x, d, to + half + i);
      hn::Store(y, d, to + half + i + lanes);
    }
  }
  return 8.0 * static_cast<double>(half);
}
double copy_stored(const float* from, float* to, std::int64_t count) {
  return copy_bytes<false>(from, to, count);
}
double copy_streamed(const float* from, float* to, std::int64_t count) {
  return copy_bytes<true>(from, to, count);
}

// NOLINTNEXTLINE(google-readability-namespace-comments)
}  // namespace bench::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace bench {

HWY_EXPORT(peak_f32);
HWY_EXPORT(peak_f64);
HWY_EXPORT(peak_i32);
HWY_EXPORT(read_bytes);
HWY_EXPORT(write_stored);
HWY_EXPORT(write_streamed);
HWY_EXPORT(copy_stored);
HWY_EXPORT(copy_streamed);

namespace {

using Peak = std::function<double(std::int64_t rounds, double* sink)>;

#if defined(__x86_64__)
constexpr int kChains = 12;

__attribute__((target("avx512f,avx512bf16"))) double peak_bf16(std::int64_t rounds, double* sink) {
  __m512 acc[kChains];
  for (int i = 0; i < kChains; ++i) acc[i] = _mm512_set1_ps(1.0f + static_cast<float>(i));
  const __m512bh a = _mm512_cvtne2ps_pbh(_mm512_set1_ps(static_cast<float>(sink[0])),
                                         _mm512_set1_ps(static_cast<float>(sink[1])));
  for (std::int64_t round = 0; round < rounds; ++round) {
    for (int i = 0; i < kChains; ++i) acc[i] = _mm512_dpbf16_ps(acc[i], a, a);
  }
  for (int i = 1; i < kChains; ++i) acc[0] = _mm512_add_ps(acc[0], acc[i]);
  sink[2] = _mm512_cvtss_f32(acc[0]);
  return 2.0 * kChains * 32 * static_cast<double>(rounds);
}

__attribute__((target("avx512f,avx512vnni"))) double peak_i8(std::int64_t rounds, double* sink) {
  __m512i acc[kChains];
  for (int i = 0; i < kChains; ++i) acc[i] = _mm512_set1_epi32(i);
  const __m512i a = _mm512_set1_epi32(static_cast<int>(sink[0] * 100));
  for (std::int64_t round = 0; round < rounds; ++round) {
    for (int i = 0; i < kChains; ++i) acc[i] = _mm512_dpbusd_epi32(acc[i], a, a);
  }
  for (int i = 1; i < kChains; ++i) acc[0] = _mm512_add_epi32(acc[0], acc[i]);
  sink[2] = _mm_cvtsi128_si32(_mm512_castsi512_si128(acc[0]));
  return 2.0 * kChains * 64 * static_cast<double>(rounds);
}

#if defined(__linux__)
bool may_use_amx_i8() {
  constexpr unsigned kTile = 1u << 24, kInt8 = 1u << 25;
  constexpr long kAskForComponent = 0x1023, kTileData = 18;  // ARCH_REQ_XCOMP_PERM
  unsigned a = 0, b = 0, c = 0, d = 0;
  return __get_cpuid_count(7, 0, &a, &b, &c, &d) != 0 && (d & kTile) != 0 && (d & kInt8) != 0 &&
         syscall(SYS_arch_prctl, kAskForComponent, kTileData) == 0;
}

// By AMX: 16 x 16 sums of 64 products in one instruction.
__attribute__((target("amx-tile,amx-int8"))) double peak_i8_amx(std::int64_t rounds, double* sink) {
  struct alignas(64) {
    std::uint8_t palette = 1, reserved[15] = {};
    std::uint16_t row_bytes[16] = {};
    std::uint8_t rows[16] = {};
  } shapes;
  std::fill_n(shapes.row_bytes, 8, std::uint16_t{64});
  std::fill_n(shapes.rows, 8, std::uint8_t{16});
  alignas(64) std::int32_t sums[256];
  std::fill(std::begin(sums), std::end(sums), static_cast<int>(sink[0] * 100));
  std::atomic_signal_fence(
      std::memory_order_seq_cst);  // GCC's intrinsics do not say what they read
  _tile_loadconfig(&shapes);
  _tile_loadd(0, sums, 64);
  _tile_loadd(1, sums, 64);
  _tile_loadd(2, sums, 64);
  _tile_loadd(3, sums, 64);
  _tile_loadd(4, sums, 64);
  _tile_loadd(5, sums, 64);
  _tile_loadd(6, sums, 64);
  _tile_loadd(7, sums, 64);
  for (std::int64_t round = 0; round < rounds; ++round) {
    _tile_dpbssd(0, 6, 7);
    _tile_dpbssd(1, 6, 7);
    _tile_dpbssd(2, 6, 7);
    _tile_dpbssd(3, 6, 7);
    _tile_dpbssd(4, 6, 7);
    _tile_dpbssd(5, 6, 7);
  }
  _tile_stored(0, sums, 64);
  _tile_release();
  sink[2] = sums[0];
  return 2.0 * 6 * 16 * 16 * 64 * static_cast<double>(rounds);
}
#endif

// The same without VNNI: pairs of 16 bits.
__attribute__((target("avx2"))) double peak_i8_pairs(std::int64_t rounds, double* sink) {
  __m256i acc[kChains];
  for (int i = 0; i < kChains; ++i) acc[i] = _mm256_set1_epi32(i);
  __m256i a = _mm256_set1_epi16(static_cast<short>(sink[0] * 100));
  for (std::int64_t round = 0; round < rounds; ++round) {
    for (int i = 0; i < kChains; ++i) {
      asm("" : "+x"(a));  // else the product is made once
      acc[i] = _mm256_add_epi32(acc[i], _mm256_madd_epi16(a, a));
    }
  }
  for (int i = 1; i < kChains; ++i) acc[0] = _mm256_add_epi32(acc[0], acc[i]);
  sink[2] = _mm_cvtsi128_si32(_mm256_castsi256_si128(acc[0]));
  return 2.0 * kChains * 16 * static_cast<double>(rounds);
}

__attribute__((target("avx512f,avx512dq"))) double peak_i64(std::int64_t rounds, double* sink) {
  __m512i acc[kChains];
  for (int i = 0; i < kChains; ++i) acc[i] = _mm512_set1_epi64(i);
  const __m512i a = _mm512_set1_epi64(static_cast<int>(sink[0] * 100));
  for (std::int64_t round = 0; round < rounds; ++round) {
    for (int i = 0; i < kChains; ++i) {
      acc[i] = _mm512_add_epi64(_mm512_mullo_epi64(acc[i], a), a);
    }
  }
  for (int i = 1; i < kChains; ++i) acc[0] = _mm512_add_epi64(acc[0], acc[i]);
  sink[2] = static_cast<double>(_mm_cvtsi128_si64(_mm512_castsi512_si128(acc[0])));
  return 2.0 * kChains * 8 * static_cast<double>(rounds);
}
#endif

clockid_t clock_used = CLOCK_MONOTONIC;

double now_seconds() {
  timespec time = {};
  ::clock_gettime(clock_used, &time);
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) * 1e-9;
}

// The best of a few tries, each all threads at once, in units of 1e9 a second.
double best_rate(int threads, int tries, const std::function<double(int thread)>& work) {
  double best = 0;
  for (int repeat = 0; repeat < tries; ++repeat) {
    std::vector<double> done(static_cast<std::size_t>(threads));
    std::vector<double> seconds(static_cast<std::size_t>(threads));
    std::atomic<int> waiting = threads;
    const auto run = [&](int thread) {
      --waiting;
      while (waiting > 0) std::this_thread::yield();
      const double begin = now_seconds();
      done[static_cast<std::size_t>(thread)] = work(thread);
      seconds[static_cast<std::size_t>(thread)] = now_seconds() - begin;
    };
    std::vector<std::thread> others;
    for (int thread = 1; thread < threads; ++thread) others.emplace_back(run, thread);
    run(0);
    for (std::thread& other : others) other.join();
    double total = 0;
    for (const double part : done) total += part;
    best = std::max(best, total / *std::max_element(seconds.begin(), seconds.end()) * 1e-9);
  }
  return best;
}

double peak_rate(int threads, const Peak& peak) {
  constexpr std::int64_t kRounds = 500'000;
  volatile double seed = 0.999;
  return best_rate(threads, 9, [&](int) {
    double sink[3] = {seed, 1.0 - seed, 0.0};
    return peak(kRounds, sink);
  });
}

}  // namespace

std::string bounds_as_json(int threads, bool cpu_time) {
  clock_used = cpu_time ? CLOCK_THREAD_CPUTIME_ID : CLOCK_MONOTONIC;
  std::string peaks;
  const auto add = [&](const char* dtypes, double rate) {
    char text[64];
    std::snprintf(text, sizeof text, "%s\"%s\": %.4g", peaks.empty() ? "" : ", ", dtypes, rate);
    peaks += text;
  };
  add("f32", peak_rate(threads, HWY_DYNAMIC_DISPATCH(peak_f32)));
  add("f64", peak_rate(threads, HWY_DYNAMIC_DISPATCH(peak_f64)));
  add("i32", peak_rate(threads, HWY_DYNAMIC_DISPATCH(peak_i32)));
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx512bf16")) add("bf16", peak_rate(threads, peak_bf16));
#if defined(__linux__)
  if (may_use_amx_i8()) add("i8_amx", peak_rate(threads, peak_i8_amx));
#endif
  if (__builtin_cpu_supports("avx512vnni")) {
    add("i8", peak_rate(threads, peak_i8));
  } else if (__builtin_cpu_supports("avx2")) {
    add("i8", peak_rate(threads, peak_i8_pairs));
  }
  if (__builtin_cpu_supports("avx512dq")) add("i64", peak_rate(threads, peak_i64));
#endif

  std::string memory;
  constexpr std::int64_t kKiB = 1024, kMiB = 1024 * kKiB;
  for (const std::int64_t bytes :
       {16 * kKiB, 256 * kKiB, 1 * kMiB, 8 * kMiB, 32 * kMiB, 128 * kMiB, 512 * kMiB}) {
    const std::int64_t count = bytes / 4;
    constexpr std::size_t kAlign = 64;
    std::vector<std::vector<float>> buffers;
    for (int i = 0; i < threads; ++i) {
      buffers.emplace_back(static_cast<std::size_t>(count) + kAlign / 4, 1.0f);
    }
    const auto rate = [&](auto kernel) {
      constexpr std::int64_t kTotal = 96 * kMiB;
      const std::int64_t passes = std::max<std::int64_t>(1, kTotal / bytes);
      return best_rate(threads, 3, [&](int thread) {
        float* at = buffers[static_cast<std::size_t>(thread)].data();
        at += (kAlign - reinterpret_cast<std::uintptr_t>(at) % kAlign) % kAlign / 4;
        double done = 0;
        for (std::int64_t pass = 0; pass < passes; ++pass) done += kernel(at, at, count);
        return done;
      });
    };
    const double read = rate(HWY_DYNAMIC_DISPATCH(read_bytes));
    const double write = std::max(rate(HWY_DYNAMIC_DISPATCH(write_stored)),
                                  rate(HWY_DYNAMIC_DISPATCH(write_streamed)));
    const double mixed = std::max(rate(HWY_DYNAMIC_DISPATCH(copy_stored)),
                                  rate(HWY_DYNAMIC_DISPATCH(copy_streamed)));
    char text[160];
    std::snprintf(text, sizeof text,
                  "%s{\"bytes\": %lld, \"read\": %.4g, \"write\": %.4g, \"mixed\": %.4g}",
                  memory.empty() ? "" : ", ", static_cast<long long>(bytes), read, write, mixed);
    memory += text;
  }
  return "{\"peaks\": {" + peaks + "}, \"memory\": [" + memory + "]}";
}

}  // namespace bench
#endif
