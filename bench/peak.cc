// SPDX-License-Identifier: Apache-2.0
#include "bench/peak.h"

#include <chrono>
#include <cstdint>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "bench/peak.cc"
#include "hwy/foreach_target.h"  // IWYU pragma: keep
#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace batchdot::bench::HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

// Twelve independent chains of multiply-adds: enough to fill two units of four cycles.
double run(std::int64_t rounds, float* sink) {
  constexpr int kChains = 12;
  const hn::ScalableTag<float> d;
  hn::Vec<decltype(d)> acc[kChains];
  for (int i = 0; i < kChains; ++i) acc[i] = hn::Set(d, 1.0f + static_cast<float>(i));
  const auto a = hn::Set(d, sink[0]);
  const auto b = hn::Set(d, sink[1]);
  for (std::int64_t round = 0; round < rounds; ++round) {
    for (int i = 0; i < kChains; ++i) acc[i] = hn::MulAdd(acc[i], a, b);
  }
  auto sum = acc[0];
  for (int i = 1; i < kChains; ++i) sum = hn::Add(sum, acc[i]);
  sink[2] = hn::GetLane(sum);
  return 2.0 * kChains * static_cast<double>(hn::Lanes(d)) * static_cast<double>(rounds);
}

// NOLINTNEXTLINE(google-readability-namespace-comments)
}  // namespace batchdot::bench::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace batchdot::bench {

HWY_EXPORT(run);

double peak_gflops_f32() {
  using Clock = std::chrono::steady_clock;
  volatile float seed = 0.999f;
  float sink[3] = {seed, 1.0f - seed, 0.0f};
  double best = 0;
  for (int repeat = 0; repeat < 8; ++repeat) {
    const auto begin = Clock::now();
    const double flop = HWY_DYNAMIC_DISPATCH(run)(2'000'000, sink);
    const std::chrono::duration<double> seconds = Clock::now() - begin;
    best = flop / seconds.count() * 1e-9 > best ? flop / seconds.count() * 1e-9 : best;
  }
  return best;
}

}  // namespace batchdot::bench
#endif
