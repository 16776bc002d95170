// SPDX-License-Identifier: Apache-2.0
// Plan::run among threads, without allocations, and stopped from outside.

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstdlib>
#include <new>
#include <random>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "batchdot/notation.h"
#include "batchdot/plan.h"
#include "tests/problems/random_problem.h"
#include "tests/problems/scalar_program.h"
#include "tests/refusal.h"
#include "tests/sanitized.h"

namespace {

std::atomic<bool> is_counting{false};
std::atomic<int> allocations{0};

}  // namespace

#if !BATCHDOT_SANITIZED
namespace {
void count_allocation() {
  if (is_counting.load(std::memory_order_relaxed))
    allocations.fetch_add(1, std::memory_order_relaxed);
}
}  // namespace

// The C library's own allocator under its other names; operator new calls malloc.
extern "C" {
void* __libc_malloc(std::size_t);
void* __libc_calloc(std::size_t, std::size_t);
void* __libc_realloc(void*, std::size_t);
void* __libc_memalign(std::size_t, std::size_t);

__attribute__((visibility("default"))) void* malloc(std::size_t bytes) {
  count_allocation();
  return __libc_malloc(bytes);
}
__attribute__((visibility("default"))) void* calloc(std::size_t count, std::size_t bytes) {
  count_allocation();
  return __libc_calloc(count, bytes);
}
__attribute__((visibility("default"))) void* realloc(void* memory, std::size_t bytes) {
  count_allocation();
  return __libc_realloc(memory, bytes);
}
__attribute__((visibility("default"))) void* aligned_alloc(std::size_t alignment,
                                                           std::size_t bytes) {
  count_allocation();
  return __libc_memalign(alignment, bytes);
}
__attribute__((visibility("default"))) int posix_memalign(void** memory, std::size_t alignment,
                                                          std::size_t bytes) {
  count_allocation();
  *memory = __libc_memalign(alignment, bytes);
  return *memory == nullptr ? ENOMEM : 0;
}
}
#endif

namespace batchdot {
namespace {

struct Workspace {
  explicit Workspace(const Plan& plan)
      : size(plan.workspace_bytes()),
        memory(static_cast<std::byte*>(std::aligned_alloc(64, size + 64 - size % 64))) {}
  ~Workspace() { std::free(memory); }
  Workspace(const Workspace&) = delete;
  Workspace& operator=(const Workspace&) = delete;
  std::span<std::byte> span() const { return {memory, size}; }
  std::size_t size;
  std::byte* memory;
};

struct Problem {
  Contraction c;
  std::vector<bits::Operand> operands;
  std::vector<TensorView> views;  ///< of a run: the operands, then what the epilogue takes
  std::vector<Layout> layouts;    ///< of the operands
  Epilogue epilogue;
};

Problem problem_of(std::string_view equation, const std::vector<Shape>& shapes, DType dtype,
                   bool may_be_strided = true) {
  std::mt19937 random(20272);
  Problem problem;
  problem.c = einsum(equation, shapes);
  for (const Shape& shape : shapes) {
    problem.operands.push_back(bits::random_operand(random, dtype, shape.extents(),
                                                    bits::Elements::kOrdinary, may_be_strided));
    problem.views.push_back(problem.operands.back().view);
    problem.layouts.push_back(problem.views.back().layout);
  }
  return problem;
}

Plan plan_of(const Problem& problem, int threads, std::string_view target = {}) {
  PlanOptions options;
  options.threads = threads;
  options.target = target;
  return Plan::make(problem.c, problem.layouts, {}, problem.epilogue, options);
}

struct Kind {
  std::string_view equation;
  std::vector<Shape> shapes;
  DType dtype;
  bool is_finished = false;  ///< by a bias along the last axis of the result, and relu
};
std::vector<Kind> every_kind() {
  return {
      {"bmk,bkn->bmn", {{5, 37, 70}, {5, 70, 41}}, F32{}},
      {"bmk,bkn->bmn", {{3, 20, 130}, {3, 130, 9}}, BF16{}},
      {"mk,kn->mn", {{40, 50}, {50, 60}}, C64{}},
      {"mk,kn->nm", {{40, 50}, {50, 60}}, F16{}},
      {"bk,bk->b", {{3000, 20}, {3000, 20}}, F64{}},
      {"bk,bk->b", {{3, 300'001}, {3, 300'001}}, F32{}},
      {"ij,jk,kl->il", {{20, 30}, {30, 40}, {40, 10}}, F32{}},
      {"ijk->k", {{20, 30, 40}}, I8{}},
      {"ij->ji", {{70, 50}}, I64{}},
      {"ij,kl->ik", {{30, 20}, {30, 20}}, F32{}},
      {"bmk,bkn->bmn", {{900, 4, 7}, {900, 7, 5}}, F32{}},
      {"mk,nk->mn", {{1, 128}, {300, 128}}, F32{}},
      {"bmk,bkn->bmn", {{4, 40, 50}, {4, 50, 60}}, I8{}},
      {"bmk,bkn->bmn", {{900, 4, 7}, {900, 7, 5}}, F32{}, true},
      {"bmk,bkn->bmn", {{5, 37, 70}, {5, 70, 41}}, F64{}, true},
      {"mk,nk->mn", {{1, 128}, {300, 128}}, F32{}, true},
  };
}

Problem problem_of(const Kind& kind) {
  // Tiny products and vectors ask for operands that lie in lines.
  const bool may_be_strided = !kind.is_finished && kind.shapes[0].extents()[0] != 1;
  Problem problem = problem_of(kind.equation, kind.shapes, kind.dtype, may_be_strided);
  if (!kind.is_finished) return problem;
  const Label last = problem.c.output.back();
  std::mt19937 random(20278);
  problem.operands.push_back(bits::random_operand(
      random, kind.dtype, {problem.c.extents[last].extent()}, bits::Elements::kOrdinary, false));
  problem.views.push_back(problem.operands.back().view);
  problem.epilogue.bias = Epilogue::Operand{problem.views.back().layout, {last}};
  problem.epilogue.activation = Activation::kRelu;
  return problem;
}

TEST(Run, EveryKindHasEachForm) {
  for (const bool is_finished : {false, true}) {
    std::set<std::string> forms;
    for (const Kind& kind : every_kind()) {
      if (kind.is_finished != is_finished) continue;
      for (const std::string_view target : targets()) {
        forms.insert(plan_of(problem_of(kind), 2, target).facts().kernel);
      }
    }
    if (targets().size() == 1) GTEST_SKIP() << "`scalar` has tiles and dots alone";
    EXPECT_TRUE(forms.contains("tiles"));
    EXPECT_TRUE(forms.contains("tiny"));
    EXPECT_TRUE(forms.contains("vector"));
    EXPECT_TRUE(forms.contains("dots") || is_finished);
  }
}

TEST(Run, OnePlanServesEightThreadsAtOnce) {
  for (const Kind& kind : every_kind()) {
    const Problem problem = problem_of(kind);
    const Plan plan = plan_of(problem, 2);
    const Tensor expected = plan.run(problem.views);
    std::atomic<int> wrong{0};
    std::vector<std::thread> threads;
    for (int i = 0; i < 8; ++i) {
      threads.emplace_back([&, i] {
        const Workspace workspace(plan);
        Tensor out(expected.dtype(), expected.extents());
        for (int round = 0; round < 5; ++round) {
          std::memset(out.data(), 0xFF, out.size_bytes());
          const Executor executor = i % 2 == 0 ? Executor::inline_executor() : default_executor();
          plan.run(problem.views, out.mutable_view(), workspace.span(), executor);
          if (!bits::same_bits(out, expected)) ++wrong;
        }
      });
    }
    for (std::thread& thread : threads) thread.join();
    EXPECT_EQ(wrong, 0) << kind.equation << ' ' << kind.dtype.name();
  }
}

TEST(Run, ManyThreadsMayPlanAndRunTheSameFamily) {
  PlanFamily family(matmul(Shape{{}, 30}, Shape{30, {}}), {}, 3);
  std::atomic<int> wrong{0};
  std::vector<std::thread> threads;
  for (int i = 0; i < 8; ++i) {
    threads.emplace_back([&, i] {
      for (int round = 0; round < 20; ++round) {
        const std::int64_t rows = 1 + (i + round) % 5;
        const Tensor lhs(F32{}, {rows, 30}), rhs(F32{}, {30, 4});
        if (!(family.run(std::vector<TensorView>{lhs, rhs}).extents() == Extents{rows, 4})) ++wrong;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(wrong, 0);
}

TEST(Run, AllocatesNothingWithAWorkspace) {
  if (BATCHDOT_SANITIZED) GTEST_SKIP() << "the sanitizer's allocator is not counted";
  is_counting = true;
  void* volatile memory = ::operator new(64);  // the counter counts
  ::operator delete(memory);
  memory = std::aligned_alloc(64, 64);
  std::free(memory);
  is_counting = false;
  EXPECT_EQ(allocations.exchange(0), 2);
  ThreadPool pool(2);
  for (const std::string_view target : targets()) {
    for (const Kind& kind : every_kind()) {
      const Problem problem = problem_of(kind);
      const Plan plan = plan_of(problem, 2, target);
      const Workspace workspace(plan);
      Tensor out = Tensor::uninitialized(plan.output_layout().dtype, plan.output_layout().extents);
      const MutableTensorView view = out.mutable_view();
      for (const Executor& executor : {Executor::inline_executor(), pool.executor()}) {
        is_counting = true;
        plan.run(problem.views, view, workspace.span(), executor);
        is_counting = false;
        EXPECT_EQ(allocations.exchange(0), 0)
            << kind.equation << ' ' << kind.dtype.name() << ' ' << target;
      }
    }
    PlanOptions options;
    options.target = target;
    const Tensor in(F16{}, {30, 300});
    Tensor out(F16{}, {30, 300});
    const Plan plan = Plan::softmax(in.layout(), 1, {}, options);
    const Workspace workspace(plan);
    const TensorView view = in;
    const MutableTensorView out_view = out.mutable_view();
    is_counting = true;
    plan.run(std::span(&view, 1), out_view, workspace.span(), Executor::inline_executor());
    is_counting = false;
    EXPECT_EQ(allocations.exchange(0), 0) << "softmax " << target;
  }
}

TEST(Run, TakesAddressesOfWhatLiesAsPlanned) {
  for (const Kind& kind : every_kind()) {
    const Problem problem = problem_of(kind);
    const Plan plan = plan_of(problem, 1);
    const Workspace workspace(plan);
    const Tensor wanted = plan.run(problem.views);
    Tensor out = Tensor::uninitialized(plan.output_layout().dtype, plan.output_layout().extents);
    std::vector<const void*> addresses;
    for (const TensorView& view : problem.views) addresses.push_back(view.data);
    void* const to = out.data();
    is_counting = true;
    plan.run(addresses, to, workspace.span(), Executor::inline_executor());
    is_counting = false;
    EXPECT_EQ(allocations.exchange(0), 0) << kind.equation;
    EXPECT_TRUE(bits::same_bits(out, wanted)) << kind.equation;

    const auto code_of = [&](std::span<const void* const> operands, void* result) {
      return refusal_of(
                 [&] { plan.run(operands, result, workspace.span(), Executor::inline_executor()); })
          .code();
    };
    const std::vector<const void*> good = addresses;
    EXPECT_EQ(code_of(std::span(addresses).first(addresses.size() - 1), to), ErrorCode::kFeed);
    EXPECT_EQ(code_of(good, nullptr), ErrorCode::kFeed);
    addresses.back() = nullptr;
    EXPECT_EQ(code_of(addresses, to), ErrorCode::kFeed);
    if (kind.dtype.size_bytes() == 1) continue;  // any byte is aligned, but not to the result
    EXPECT_EQ(code_of(good, const_cast<void*>(good[0])), ErrorCode::kOverlap);
    addresses.back() = static_cast<const std::byte*>(good.back()) + 1;
    EXPECT_EQ(code_of(addresses, to), ErrorCode::kFeed);
  }
}

TEST(Run, CountsItsItemsAndStopsWhenItIsTold) {
  const Problem problem = problem_of("bmk,bkn->bmn", {{160, 30, 50}, {160, 50, 30}}, F32{});
  const Plan plan = plan_of(problem, 4);
  ASSERT_GE(plan.facts().work_items, 16);  // a task has more than the one after which it stops
  const Workspace workspace(plan);
  Tensor out(F32{}, {160, 30, 30});
  std::atomic<std::int64_t> done{0};
  std::atomic<bool> stop{false};
  RunControl control;
  control.items_done = &done;
  control.stop = &stop;
  const auto run = [&](const Executor& executor) {
    plan.run(problem.views, out.mutable_view(), workspace.span(), executor, control);
  };
  run(Executor::inline_executor());
  EXPECT_EQ(done.exchange(0), plan.facts().work_items);

  stop = true;  // before it begins: each task ends after one item
  EXPECT_EQ(refusal_of([&] { run(Executor::inline_executor()); }).code(), ErrorCode::kInterrupted);
  EXPECT_LE(done.exchange(0), 4);

  // In its midst: the executor itself asks after the first task.
  stop = false;
  Executor asking;
  asking.state = &stop;
  asking.concurrency = 1;
  asking.parallel_for = [](void* state, int count, Executor::Task task, void* context) {
    for (int i = 0; i < count; ++i) {
      task(context, i);
      *static_cast<std::atomic<bool>*>(state) = true;
    }
  };
  EXPECT_EQ(refusal_of([&] { run(asking); }).code(), ErrorCode::kInterrupted);
  EXPECT_GE(done, plan.facts().work_items / 4);
  EXPECT_LT(done, plan.facts().work_items);

  stop = false;  // and the plan is as good as before
  run(Executor::inline_executor());
  EXPECT_TRUE(bits::same_bits(out, plan.run(problem.views)));
}

// Half of the items are shared out; the other half goes to whoever asks, here to the first task, as
// the others have not begun.
TEST(Run, ATaskThatIsDoneTakesOfTheItemsThatNobodyHas) {
  const Problem problem = problem_of("bmk,bkn->bmn", {{41, 30, 50}, {41, 50, 30}}, F32{});
  const Plan plan = plan_of(problem, 4);
  const std::int64_t items = plan.facts().work_items;
  ASSERT_GE(items, 8);
  const Workspace workspace(plan);
  Tensor out(F32{}, {41, 30, 30});
  std::atomic<std::int64_t> done{0};
  RunControl control;
  control.items_done = &done;
  struct Seen {
    std::atomic<std::int64_t>& done;
    std::vector<std::int64_t> after;  // each task
  } seen{done, {}};
  Executor watching;
  watching.state = &seen;
  watching.concurrency = 1;
  watching.parallel_for = [](void* state, int count, Executor::Task task, void* context) {
    Seen& into = *static_cast<Seen*>(state);
    for (int i = 0; i < count; ++i) {
      task(context, i);
      into.after.push_back(into.done);
    }
  };
  plan.run(problem.views, out.mutable_view(), workspace.span(), watching, control);
  const std::int64_t share = items / 8;
  EXPECT_EQ(seen.after, (std::vector{items - 3 * share, items - 2 * share, items - share, items}));
  EXPECT_TRUE(bits::same_bits(out, plan.run(problem.views)));
}

// Each item is counted once. Told to stop before it begins, a run does one part at most.
void expect_counted_and_stopped(const Plan& plan, const std::vector<TensorView>& views,
                                Tensor out) {
  const Workspace workspace(plan);
  std::atomic<std::int64_t> done{0};
  std::atomic<bool> stop{false};
  RunControl control;
  control.items_done = &done;
  control.stop = &stop;
  const auto run = [&] {
    plan.run(views, out.mutable_view(), workspace.span(), Executor::inline_executor(), control);
  };
  run();
  EXPECT_EQ(done.exchange(0), plan.facts().work_items);
  stop = true;
  EXPECT_EQ(refusal_of(run).code(), ErrorCode::kInterrupted);
  EXPECT_LE(done, plan.facts().threads);
}

// A lone dot product, shared by threads and on one.
TEST(Run, CountsTheItemsOfALongDotProductAndStopsInItsMidst) {
  const std::int64_t K = (std::int64_t{1} << 25) + 77;
  const Tensor row(F32{}, {K});
  const std::vector<TensorView> views = {row, row};
  const std::vector<Layout> layouts = {row.layout(), row.layout()};
  for (const int threads : {1, 2}) {
    PlanOptions options;
    options.threads = threads;
    const Plan plan = Plan::make(einsum("k,k->", {Shape{K}, Shape{K}}), layouts, options);
    EXPECT_EQ(plan.facts().threads, threads);
    EXPECT_EQ(plan.facts().block_sums, threads == 1 ? 0 : K / 128 + 1);
    EXPECT_EQ(plan.facts().block_sum_bytes > 0, threads == 2);
    EXPECT_GE(plan.facts().work_items, 3);
    expect_counted_and_stopped(plan, views, Tensor(F32{}, {}));
  }
}

// A block of tiles whose K is long counts in parts of it, here of memory that overlaps.
TEST(Run, CountsThePartsOfALongBlockAndStopsInItsMidst) {
  const std::int64_t M = 96, K = std::int64_t{1} << 19;
  const Tensor memory(F32{}, {M + K});
  const std::vector<Layout> layouts = {Layout(F32{}, Extents{M, K}, Strides{1, 1}),
                                       Layout(F32{}, Extents{K, M}, Strides{1, 1})};
  const std::vector<TensorView> views = {TensorView(memory.data(), layouts[0]),
                                         TensorView(memory.data(), layouts[1])};
  PlanOptions options;
  options.threads = 1;
  const Plan plan = Plan::make(einsum("ik,kj->ij", {Shape{M, K}, Shape{K, M}}), layouts, options);
  EXPECT_EQ(plan.facts().work_items, 2);
  expect_counted_and_stopped(plan, views, Tensor(F32{}, {M, M}));
}

// Also where items are packed, or stored, in groups of 16: of 70 two tasks have a group each
// beforehand, four take all from what nobody has.
TEST(Run, CountsEachItemOfAGroupOnce) {
  for (const char* equation : {"bmk,nkb->bmn", "bmk,bkn->mnb"}) {
    const bool is_rhs = equation[4] == 'n';
    const Problem problem = problem_of(
        equation, {{70, 50, 100}, is_rhs ? Shape{90, 100, 70} : Shape{70, 100, 90}}, F32{}, false);
    for (const int threads : {2, 4}) {
      const Plan plan = plan_of(problem, threads);
      EXPECT_EQ(plan.facts().threads, threads);
      const Workspace workspace(plan);
      ThreadPool pool(threads);
      Tensor out(F32{}, is_rhs ? Extents{70, 50, 90} : Extents{50, 90, 70});
      std::atomic<std::int64_t> done{0};
      RunControl control;
      control.items_done = &done;
      for (const Executor& executor : {Executor::inline_executor(), pool.executor()}) {
        plan.run(problem.views, out.mutable_view(), workspace.span(), executor, control);
        EXPECT_EQ(done.exchange(0), plan.facts().work_items);
      }
    }
  }
}

// Tasks may come in any order, or all at once on other threads.
TEST(Run, AnyExecutorGivesTheSameBits) {
  for (const Kind& kind : every_kind()) {
    const Problem problem = problem_of(kind);
    const Plan plan = plan_of(problem, 5);
    const Tensor expected = plan_of(problem, 1).run(problem.views);
    const Workspace workspace(plan);
    Executor backwards, each_alone;
    backwards.parallel_for = [](void*, int count, Executor::Task task, void* context) {
      for (int i = count; i-- > 0;) task(context, i);
    };
    each_alone.parallel_for = [](void*, int count, Executor::Task task, void* context) {
      std::vector<std::thread> threads;
      for (int i = 0; i < count; ++i) threads.emplace_back([=] { task(context, i); });
      for (std::thread& thread : threads) thread.join();
    };
    for (const Executor& executor : {backwards, each_alone}) {
      Tensor out(expected.dtype(), expected.extents());
      plan.run(problem.views, out.mutable_view(), workspace.span(), executor);
      EXPECT_TRUE(bits::same_bits(out, expected)) << kind.equation << ' ' << kind.dtype.name();
    }
  }
}

TEST(PlanFamily, KeepsItsPlansAndItsPromise) {
  PlanFamily family(matmul(Shape{"B", 3}, Shape{3, 4}), {}, 2);
  const auto plan_for = [&](std::int64_t rows) {
    return family.plan(std::vector<Layout>{Layout(F32{}, {rows, 3}), Layout(F32{}, {3, 4})});
  };
  const PlanFacts* first = &plan_for(5).facts();
  EXPECT_EQ(&plan_for(5).facts(), first);
  const Plan kept = plan_for(5);
  plan_for(6);
  plan_for(7);  // 5 is forgotten, but a copy lives on
  EXPECT_NE(&plan_for(5).facts(), &kept.facts());
  EXPECT_EQ(kept.output_layout().extents, (Extents{5, 4}));
  EXPECT_EQ(refusal_of([&] {
              family.plan(std::vector<Layout>{Layout(F32{}, {5, 2}), Layout(F32{}, {3, 4})});
            }).code(),
            ErrorCode::kFeed);
}

}  // namespace
}  // namespace batchdot
