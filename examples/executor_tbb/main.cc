// SPDX-License-Identifier: Apache-2.0
// A program that has threads already, oneTBB's, lets batchdot run on them.

#include <tbb/parallel_for.h>
#include <tbb/task_arena.h>

#include <array>
#include <atomic>
#include <cstring>
#include <iostream>
#include <memory>
#include <span>
#include <vector>

#include "batchdot/batchdot.h"

namespace bd = batchdot;

namespace {

/// Tasks run in `arena`, which must outlive the executor. oneTBB gives a thread that waits for its
/// tasks other tasks meanwhile, so a call from inside a task neither blocks nor needs more threads.
bd::Executor executor_in(tbb::task_arena& arena) {
  bd::Executor executor;
  executor.state = &arena;
  executor.parallel_for = [](void* state, int count, bd::Executor::Task task, void* context) {
    static_cast<tbb::task_arena*>(state)->execute(
        [=] { tbb::parallel_for(0, count, [=](int i) { task(context, i); }); });
  };
  executor.concurrency = arena.max_concurrency();
  return executor;
}

std::atomic<int> g_tasks_seen{0};

// The same, counting, to show that the work goes through it.
void counting_parallel_for(void* inner, int count, bd::Executor::Task task, void* context) {
  g_tasks_seen += count;
  const auto& executor = *static_cast<const bd::Executor*>(inner);
  executor.parallel_for(executor.state, count, task, context);
}

}  // namespace

int main() {
  constexpr std::int64_t kBatch = 48, kRows = 96, kColumns = 80, kDepth = 300;
  std::vector<float> lhs(kBatch * kRows * kDepth), rhs(kBatch * kDepth * kColumns);
  for (std::size_t i = 0; i < lhs.size(); ++i) lhs[i] = static_cast<float>(i % 97) / 31 - 1;
  for (std::size_t i = 0; i < rhs.size(); ++i) rhs[i] = static_cast<float>(i % 89) / 29 - 1;
  const std::array<bd::TensorView, 2> operands = {
      bd::TensorView(lhs.data(), {kBatch, kRows, kDepth}),
      bd::TensorView(rhs.data(), {kBatch, kDepth, kColumns})};
  const std::array<bd::Layout, 2> layouts = {operands[0].layout, operands[1].layout};

  tbb::task_arena arena;  // as many threads as oneTBB finds good
  bd::Executor on_tbb = executor_in(arena);
  bd::Executor counted = on_tbb;
  counted.state = &on_tbb;
  counted.parallel_for = counting_parallel_for;

  try {
    const std::array<bd::Shape, 2> shapes = {operands[0].extents(), operands[1].extents()};
    const bd::Contraction product = bd::einsum("bij,bjk=bik", shapes);
    bd::PlanOptions options;
    options.threads = counted.concurrency;
    const bd::Plan plan = bd::Plan::make(product, layouts, {}, {}, options);

    std::vector<std::byte> workspace(plan.workspace_bytes() + plan.workspace_alignment());
    void* start = workspace.data();
    std::size_t room = workspace.size();
    std::align(plan.workspace_alignment(), plan.workspace_bytes(), start, room);
    const std::span<std::byte> aligned(static_cast<std::byte*>(start), plan.workspace_bytes());

    bd::Tensor by_tbb(bd::F32{}, {kBatch, kRows, kColumns});
    plan.run(operands, by_tbb.mutable_view(), aligned, counted);
    bd::Tensor alone(bd::F32{}, {kBatch, kRows, kColumns});
    plan.run(operands, alone.mutable_view(), aligned, bd::Executor::inline_executor());

    const bool same = std::memcmp(by_tbb.data(), alone.data(), alone.size_bytes()) == 0;
    std::cout << g_tasks_seen << " tasks on oneTBB, up to " << counted.concurrency
              << " at once: " << (same ? "the same bits" : "OTHER BITS") << " as without threads\n";
    return same && g_tasks_seen > 0 ? 0 : 1;
  } catch (const bd::Error& error) {
    std::cerr << error.what() << '\n';
    return bd::info(error.code()).exit_code;
  }
}
