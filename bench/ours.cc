// SPDX-License-Identifier: Apache-2.0
// The worker of batchdot itself: einsum, as a plan that is made once.

#include <memory>

#include "batchdot/batchdot.h"
#include "bench/worker.h"

namespace bd = batchdot;

namespace bench {

namespace {

struct Loaded {
  bd::Plan plan;
  std::vector<bd::TensorView> operands;
  bd::MutableTensorView out;
  std::vector<std::byte> memory;
  std::span<std::byte> workspace;
  std::unique_ptr<bd::ThreadPool> pool;
  bd::Executor executor;
};

bd::Extents extents_of(const std::vector<std::int64_t>& shape) {
  return bd::Extents(std::span<const std::int64_t>(shape));
}

// `checks_views`: with the layouts of the operands, which are compared at each run; else with their
// addresses alone, which is what other libraries take.
std::vector<Way> find_way(const Problem& problem, int threads, bool checks_views) {
  const std::string name = problem.dtype;
  const bd::DType dtype = bd::DType::parse(name).value();
  const std::string equation = problem.equation;
  const bd::Contraction contraction = bd::einsum(
      equation,
      {bd::Shape(extents_of(problem.shapes[0])), bd::Shape(extents_of(problem.shapes[1]))});
  const std::vector<bd::Layout> layouts = {bd::Layout(dtype, extents_of(problem.shapes[0])),
                                           bd::Layout(dtype, extents_of(problem.shapes[1]))};
  bd::PlanOptions options;
  options.threads = threads;
  auto loaded = std::make_shared<Loaded>(
      Loaded{bd::Plan::make(contraction, layouts, {}, {}, options), {}, {}, {}, {}, {}, {}});
  loaded->operands = {bd::TensorView(problem.lhs, layouts[0]),
                      bd::TensorView(problem.rhs, layouts[1])};
  loaded->out = bd::MutableTensorView(problem.out, loaded->plan.output_layout());
  const std::size_t alignment = loaded->plan.workspace_alignment();
  loaded->memory.resize(loaded->plan.workspace_bytes() + alignment);
  const auto at = reinterpret_cast<std::uintptr_t>(loaded->memory.data());
  loaded->workspace =
      std::span<std::byte>(loaded->memory.data() + (alignment - at % alignment) % alignment,
                           loaded->plan.workspace_bytes());
  loaded->executor = bd::Executor::inline_executor();
  if (threads > 1) {
    loaded->pool = std::make_unique<bd::ThreadPool>(threads);
    loaded->executor = loaded->pool->executor();
  }
  const bd::PlanFacts& facts = loaded->plan.facts();
  const std::string how = facts.target + ' ' + facts.kernel + ", " + std::to_string(facts.threads) +
                          " thread(s), " + std::to_string(facts.batch) +
                          " x (M=" + std::to_string(facts.M) + ",N=" + std::to_string(facts.N) +
                          ",K=" + std::to_string(facts.K) + ")";
  if (checks_views) {
    const auto run = [loaded] {
      loaded->plan.run(loaded->operands, loaded->out, loaded->workspace, loaded->executor);
    };
    return {{how + ", views", run, [] {}, {}}};
  }
  const auto run = [loaded, lhs = problem.lhs, rhs = problem.rhs, out = problem.out] {
    const void* const operands[] = {lhs, rhs};
    loaded->plan.run(operands, out, loaded->workspace, loaded->executor);
  };
  return {{how, run, [] {}, {}}};
}

std::vector<Way> find_ways(const Problem& problem, int threads) {
  return find_way(problem, threads, false);
}
std::vector<Way> find_views(const Problem& problem, int threads) {
  return find_way(problem, threads, true);
}

// What a call costs that has to plan: batch_dot of two shapes, and a plan for it.
std::vector<Way> find_planning(const Problem& problem, int threads) {
  const bd::DType dtype = bd::DType::parse(problem.dtype).value();
  const auto run = [=, lhs = extents_of(problem.shapes[0]), rhs = extents_of(problem.shapes[1])] {
    const bd::Layout layouts[] = {bd::Layout(dtype, lhs), bd::Layout(dtype, rhs)};
    bd::PlanOptions options;
    options.threads = threads;
    bd::Plan::make(bd::batch_dot(bd::Shape(lhs), bd::Shape(rhs), {2, 1}), layouts, {}, {}, options);
  };
  return {{"batch_dot and Plan::make", run, [] {}, {}}};
}

}  // namespace

}  // namespace bench

int main(int count, char** words) {
  // `bench_batchdot planning ...` measures the making of plans, `views` runs that compare layouts.
  const std::string_view mode = count > 1 ? words[1] : "";
  if (mode == "planning") return bench::serve(count - 1, words + 1, bench::find_planning);
  if (mode == "views") return bench::serve(count - 1, words + 1, bench::find_views);
  return bench::serve(count, words, bench::find_ways);
}
