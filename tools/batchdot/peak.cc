// SPDX-License-Identifier: Apache-2.0
// The only place of the tool with vectors: the library hands out no peak, as nothing of it needs
// one.

#include "tools/batchdot/peak.h"

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <vector>

#include "batchdot/executor.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "tools/batchdot/peak.cc"
#include "hwy/foreach_target.h"  // IWYU pragma: keep
#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace batchdot::tool::HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

// Twelve independent chains of multiply-adds: enough to fill two units of five cycles. Returns the
// flop done.
template <class T>
double multiply_add(std::int64_t rounds, double* sink) {
  constexpr int kChains = 12;
  const hn::ScalableTag<T> d;
  hn::Vec<decltype(d)> acc[kChains];
  for (int i = 0; i < kChains; ++i) acc[i] = hn::Set(d, static_cast<T>(1 + i));
  const auto a = hn::Set(d, static_cast<T>(sink[0]));
  const auto b = hn::Set(d, static_cast<T>(sink[1]));
  for (std::int64_t round = 0; round < rounds; ++round) {
    for (int i = 0; i < kChains; ++i) acc[i] = hn::MulAdd(acc[i], a, b);
  }
  for (int i = 1; i < kChains; ++i) acc[0] = hn::Add(acc[0], acc[i]);
  sink[2] = static_cast<double>(hn::GetLane(acc[0]));
  return 2.0 * kChains * static_cast<double>(hn::Lanes(d)) * static_cast<double>(rounds);
}

double multiply_add_f32(std::int64_t rounds, double* sink) {
  return multiply_add<float>(rounds, sink);
}
double multiply_add_f64(std::int64_t rounds, double* sink) {
  return multiply_add<double>(rounds, sink);
}

// NOLINTNEXTLINE(google-readability-namespace-comments)
}  // namespace batchdot::tool::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace batchdot::tool {

HWY_EXPORT(multiply_add_f32);
HWY_EXPORT(multiply_add_f64);

namespace {

// What each thread keeps for itself, a cache line apart.
struct alignas(64) Share {
  double sink[3] = {};
  double flop = 0;
};

struct Work {
  bool is_double = false;
  std::int64_t rounds = 0;
  std::vector<Share> shares;
};

void run_share(void* context, int index) {
  Work& work = *static_cast<Work*>(context);
  Share& share = work.shares[static_cast<std::size_t>(index)];
  share.flop = work.is_double ? HWY_DYNAMIC_DISPATCH(multiply_add_f64)(work.rounds, share.sink)
                              : HWY_DYNAMIC_DISPATCH(multiply_add_f32)(work.rounds, share.sink);
}

}  // namespace

std::optional<double> peak_gflops(DType dtype, int threads) {
  if (dtype == I8{} || dtype == I32{} || dtype == I64{} || !dtype.computes()) return {};
  constexpr std::int64_t kRounds = 400'000;
  constexpr int kTries = 10;
  Work work;
  work.is_double = dtype == F64{} || dtype == C128{};
  work.rounds = kRounds;
  work.shares.resize(static_cast<std::size_t>(threads));
  volatile double seed = 0.999;  // nothing may be computed by the compiler
  for (Share& share : work.shares) share.sink[0] = seed, share.sink[1] = 1.0 - seed;
  ThreadPool pool(threads);
  const Executor executor = pool.executor();
  double best = 0;
  for (int i = 0; i < kTries; ++i) {
    const auto begin = std::chrono::steady_clock::now();
    executor.parallel_for(executor.state, threads, run_share, &work);
    const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - begin;
    double flop = 0;
    for (const Share& share : work.shares) flop += share.flop;
    best = std::max(best, flop / seconds.count() * 1e-9);
  }
  return best;
}

}  // namespace batchdot::tool
#endif
