// SPDX-License-Identifier: Apache-2.0
// The few figures of speed that are promised before the great comparison of `make bench` exists:
// share of the FMA peak, cost of a plan and of a call. Everything is measured in one run, beside
// the peak.

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <functional>
#include <vector>

#include "batchdot/batchdot.h"
#include "bench/peak.h"

namespace bd = batchdot;

namespace {

double median_seconds(int repeats, const std::function<void()>& call) {
  using Clock = std::chrono::steady_clock;
  std::vector<double> seconds;
  call();
  for (int i = 0; i < repeats; ++i) {
    const auto begin = Clock::now();
    call();
    seconds.push_back(std::chrono::duration<double>(Clock::now() - begin).count());
  }
  std::nth_element(seconds.begin(), seconds.begin() + repeats / 2, seconds.end());
  return seconds[static_cast<std::size_t>(repeats) / 2];
}

struct Workload {
  const char* name;
  const char* equation;
  std::vector<bd::Shape> shapes;
};

void measure(const Workload& workload, int threads, double peak) {
  const bd::Contraction c = bd::einsum(workload.equation, workload.shapes);
  std::vector<bd::Tensor> operands;
  std::vector<bd::TensorView> views;
  std::vector<bd::Layout> layouts;
  for (const bd::Shape& shape : workload.shapes) {
    operands.emplace_back(bd::F32{}, shape.extents());
    float x = 0.25f;
    for (float& element : operands.back().elements<float>())
      element = x = x > 1 ? x - 1.5f : x + 0.37f;
    layouts.push_back(operands.back().layout());
  }
  for (const bd::Tensor& operand : operands) views.push_back(operand);
  bd::PlanOptions options;
  options.threads = threads;
  const bd::Plan plan = bd::Plan::make(c, layouts, {}, {}, options);
  bd::Tensor out(bd::F32{}, plan.output_layout().extents);
  std::vector<std::byte> memory(plan.workspace_bytes() + 64);
  const auto aligned = (64 - reinterpret_cast<std::uintptr_t>(memory.data()) % 64) % 64;
  const std::span<std::byte> workspace(memory.data() + aligned, plan.workspace_bytes());
  const bd::Executor executor =
      threads == 1 ? bd::Executor::inline_executor() : bd::default_executor();
  const double seconds =
      median_seconds(9, [&] { plan.run(views, out.mutable_view(), workspace, executor); });
  const bd::PlanFacts& facts = plan.facts();
  const double flop = 2.0 * static_cast<double>(facts.batch) * static_cast<double>(facts.M) *
                      static_cast<double>(facts.N) * static_cast<double>(facts.K);
  const double gflops = flop / seconds * 1e-9;
  std::printf("%-8s %2d thread(s)  %9.3f ms  %7.1f Gflop/s  %5.1f %% of peak\n", workload.name,
              threads, seconds * 1e3, gflops, 100 * gflops / (peak * threads));
}

}  // namespace

int main() {
  try {
    const double peak = bd::bench::peak_gflops_f32();
    std::printf("FMA peak of one core, f32: %.1f Gflop/s; target %s, %s\n", peak,
                std::string(bd::default_target()).c_str(), std::string(bd::compiler()).c_str());
    const std::vector<Workload> workloads = {
        {"W1", "bik,bjk->bij", {{768, 128, 64}, {768, 128, 64}}},
        {"W2", "bik,bkj->bij", {{768, 128, 128}, {768, 128, 64}}},
        {"W6", "bk,bk->b", {{65536, 512}, {65536, 512}}},
        {"W7_4", "bik,bkj->bij", {{200000, 4, 4}, {200000, 4, 4}}},
        {"W7_16", "bik,bkj->bij", {{20000, 16, 16}, {20000, 16, 16}}},
        {"W7_64", "bik,bkj->bij", {{1600, 64, 64}, {1600, 64, 64}}},
        {"W9_1024", "bik,bkj->bij", {{2, 1024, 1024}, {2, 1024, 1024}}},
        {"W10", "bthd,bshd->bhts", {{16, 256, 12, 64}, {16, 256, 12, 64}}},
    };
    for (const Workload& workload : workloads) {
      measure(workload, 1, peak);
      if (bd::default_threads() > 1) measure(workload, bd::default_threads(), peak);
    }
    const std::vector<bd::Shape> small = {{4, 4}, {4, 4}};
    const bd::Layout layouts[] = {bd::Layout(bd::F32{}, {4, 4}), bd::Layout(bd::F32{}, {4, 4})};
    bd::PlanOptions one;
    one.threads = 1;
    const int kCalls = 2000;
    const double planning = median_seconds(9, [&] {
      for (int i = 0; i < kCalls; ++i) {
        bd::Plan::make(bd::matmul(small[0], small[1]), layouts, {}, {}, one);
      }
    });
    std::printf("matmul 4x4: notation and plan %.2f us\n", planning / kCalls * 1e6);
    return 0;
  } catch (const bd::Error& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return bd::info(error.code()).exit_code;
  }
}
