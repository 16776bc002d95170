// SPDX-License-Identifier: Apache-2.0
// Plan::run: checks that views and memory are as planned, then lets the tasks run each step.

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <span>
#include <string>
#include <string_view>
#include <variant>

#include "src/core/text.h"
#include "src/exec/loops.h"

namespace batchdot {

namespace {

struct Workspace {
  explicit Workspace(std::size_t bytes) : size(align_up(bytes)) {
    if (size == 0) return;
    memory = static_cast<std::byte*>(std::aligned_alloc(kScratchAlignment, size));
    if (memory == nullptr) {
      throw Error(ErrorCode::kMemory, text("run: no memory for a workspace of ", size, " bytes"));
    }
  }
  ~Workspace() { std::free(memory); }
  Workspace(const Workspace&) = delete;
  Workspace& operator=(const Workspace&) = delete;
  std::span<std::byte> span() const { return {memory, size}; }

  std::size_t size;
  std::byte* memory = nullptr;
};

// Addresses from the first byte to behind the last one.
struct Span {
  std::uintptr_t begin, end;
  Span(const void* data, const Reach& reach)
      : begin(reinterpret_cast<std::uintptr_t>(data) +
              static_cast<std::uintptr_t>(reach.low_bytes)),
        end(reinterpret_cast<std::uintptr_t>(data) +
            static_cast<std::uintptr_t>(reach.high_bytes)) {}
  Span(std::uintptr_t first, std::size_t bytes) : begin(first), end(first + bytes) {}
  bool meets(const Span& other) const { return begin < other.end && other.begin < end; }
};

std::string name_of_operand(const Plan::Impl& plan, int i) {
  if (i < plan.inputs) return operand_name(i, plan.inputs);
  return plan.has_scale && i == plan.inputs ? "scale" : "bias";
}

// operator== of a layout, without a branch for each number.
bool is_same(const Layout& given, const Layout& planned) {
  const std::size_t rank = planned.extents.size();
  if (!(given.dtype == planned.dtype) || given.extents.size() != rank ||
      given.strides.size() != rank) {
    return false;
  }
  const std::int64_t* extents[] = {given.extents.data(), planned.extents.data()};
  const std::int64_t* strides[] = {given.strides.data(), planned.strides.data()};
  std::int64_t difference = 0;
  for (std::size_t axis = 0; axis < rank; ++axis) {
    difference |= (extents[0][axis] ^ extents[1][axis]) | (strides[0][axis] ^ strides[1][axis]);
  }
  return difference == 0;
}

// Says what is wrong with a view that is not as planned.
[[noreturn]] void refuse_view(const Layout& planned, const Layout& given, Device device,
                              const std::string& who, const ErrorPlace& place) {
  if (device != Device::kCpu) {
    throw Error(ErrorCode::kDevice, text("run: ", who, " is in memory that the CPU cannot read"),
                place);
  }
  if (!(given.dtype == planned.dtype)) {
    throw Error(
        ErrorCode::kFeed,
        text("run: ", who, " is ", given.dtype.name(), ", planned for ", planned.dtype.name()),
        place);
  }
  throw Error(ErrorCode::kFeed,
              text("run: ", who, " has extents ", given.extents, " and strides ", given.strides,
                   ", planned for ", planned.extents, " and ", planned.strides),
              place);
}

void check_count(const Plan::Impl& plan, std::size_t given) {
  if (given != plan.operands.size()) {
    throw Error(ErrorCode::kFeed,
                text("run: planned for ", plan.operands.size(), " operands, given ", given));
  }
}

// The addresses of the operands of a run, without an allocation; scale and bias come last.
using Addresses = const void * [Limits::kOperands + 2];

void check_views(const Plan::Impl& plan, std::span<const TensorView> operands,
                 const MutableTensorView& out, Addresses& addresses) {
  check_count(plan, operands.size());
  for (std::size_t i = 0; i < operands.size(); ++i) {
    const TensorView& view = operands[i];
    addresses[i] = view.data;
    if (view.device == Device::kCpu && is_same(view.layout, plan.operands[i])) continue;
    const int at = static_cast<int>(i);
    refuse_view(plan.operands[i], view.layout, view.device, name_of_operand(plan, at),
                place_of(at));
  }
  if (out.device != Device::kCpu || !is_same(out.layout, plan.out)) {
    refuse_view(plan.out, out.layout, out.device, "out", {});
  }
}

bool is_usable(const void* data, const Reach& reach) {
  return reach.is_empty ||
         (data != nullptr && (reinterpret_cast<std::uintptr_t>(data) & reach.misaligned) == 0);
}

[[noreturn]] void refuse_memory(const void* data, const Reach& reach, const std::string& who,
                                const ErrorPlace& place) {
  if (data == nullptr) {
    throw Error(ErrorCode::kFeed, text("run: ", who, " has no memory"), place);
  }
  throw Error(
      ErrorCode::kFeed,
      text("run: ", who, " is not aligned to its element: ", reach.misaligned + 1, " bytes"),
      place);
}

void check_memory(const Plan::Impl& plan, const void* const* operands, const void* out) {
  const std::size_t count = plan.operands.size();
  const Reach& out_reach = plan.reaches[count];
  if (!is_usable(out, out_reach)) refuse_memory(out, out_reach, "out", {});
  const Span written(out, out_reach);
  for (std::size_t i = 0; i < count; ++i) {
    const Reach& reach = plan.reaches[i];
    const int at = static_cast<int>(i);
    if (!is_usable(operands[i], reach)) {
      refuse_memory(operands[i], reach, name_of_operand(plan, at), place_of(at));
    }
    if (reach.is_empty || out_reach.is_empty || !Span(operands[i], reach).meets(written)) continue;
    throw Error(ErrorCode::kOverlap,
                text("run: out overlaps ", name_of_operand(plan, at),
                     ": the result would be written over what is still read"),
                place_of(at));
  }
}

// The workspace is written while operands are read and out is written.
void check_workspace(const Plan::Impl& plan, const void* const* operands, const void* out,
                     std::span<std::byte> workspace) {
  const std::size_t bytes = plan.facts.workspace_bytes;
  if (workspace.size() < bytes) {
    throw Error(ErrorCode::kFeed, text("run: the workspace has ", workspace.size(),
                                       " bytes, the plan needs ", bytes));
  }
  const auto begin = reinterpret_cast<std::uintptr_t>(workspace.data());
  if (begin % kScratchAlignment != 0) {
    throw Error(ErrorCode::kFeed,
                text("run: the workspace is not aligned to ", kScratchAlignment, " bytes"));
  }
  if (bytes == 0) return;
  const Span written(begin, bytes);
  const auto check = [&](const void* data, const Reach& reach, std::string_view who) {
    if (!reach.is_empty && Span(data, reach).meets(written)) {
      throw Error(ErrorCode::kOverlap, text("run: the workspace overlaps ", who));
    }
  };
  check(out, plan.reaches.back(), "out");
  for (std::size_t i = 0; i < plan.operands.size(); ++i) {
    check(operands[i], plan.reaches[i], "an operand");
  }
}

// One step while its tasks run. Each has a share of half of the items; when it is done with that,
// it takes of the other half, the fewer the fewer are left. So a thread whose core does other work,
// too, does less of this one. Where there are few items, all of them are free to take.
struct StepRun {
  const Plan::Impl* plan;
  const Step* step;
  TaskContext context;                // of task 0
  std::int64_t grain = 1;             // items that are better taken together
  std::int64_t share = 0;             // of each task, from item share * index on
  std::atomic<std::int64_t> next{0};  // the first item that nobody has
};

std::int64_t items_of(const Step& step) {
  return std::visit([](const auto& s) { return s.items; }, step);
}

void run_all(const StepRun& run) {
  std::visit([&](const auto& step) { run_items(step, run.context, 0, step.items); }, *run.step);
}

void share_out(StepRun& run) {
  const auto* contraction = std::get_if<ContractStep>(run.step);
  const std::int64_t tasks = run.plan->tasks;
  run.grain = contraction == nullptr ? 1 : contraction->grain;
  run.share = items_of(*run.step) / (2 * tasks) / run.grain * run.grain;
  run.next = tasks * run.share;
}

// Takes some of the `items` that nobody has: gives how many, from `first` on; 0 if there are none.
// What is left for the end is cut finer than the grain, so that all tasks have some of it.
std::int64_t claim(StepRun& run, std::int64_t items, std::int64_t& first) {
  const std::int64_t tasks = run.plan->tasks, grain = run.grain;
  first = run.next.load(std::memory_order_relaxed);
  for (;;) {
    const std::int64_t left = items - first;
    if (left <= 0) return 0;
    const std::int64_t count =
        left < tasks * grain ? std::min(left, std::max(ceil_div(left, tasks), ceil_div(grain, 4)))
                             : std::max(grain, left / (2 * tasks) / grain * grain);
    if (run.next.compare_exchange_weak(first, first + count, std::memory_order_relaxed)) {
      return count;
    }
  }
}

void run_task(void* context, int index) {
  StepRun& run = *static_cast<StepRun*>(context);
  TaskContext task = run.context;
  task.scratch += static_cast<std::size_t>(index) * run.plan->task_bytes;
  std::visit(
      [&](const auto& step) {
        std::int64_t first = run.share * index;
        std::int64_t count = run.share;
        if (count == 0) count = claim(run, step.items, first);
        while (count > 0) {
          run_items(step, task, first, first + count);
          if (is_stopped(*task.control)) return;
          count = claim(run, step.items, first);
        }
      },
      *run.step);
}

void run_shared(StepRun& run, const Executor& executor) {
  const int tasks = run.plan->tasks;
  share_out(run);
  if (executor.parallel_for != nullptr) {
    return executor.parallel_for(executor.state, tasks, run_task, &run);
  }
  for (int task = 0; task < tasks; ++task) run_task(&run, task);
}

void run_steps(const Plan::Impl& plan, const void* const* operands, void* out,
               std::span<std::byte> workspace, const Executor& executor,
               const RunControl& control) {
  check_memory(plan, operands, out);
  check_workspace(plan, operands, out, workspace);
  StepRun run{&plan,
              nullptr,
              {operands, static_cast<std::byte*>(out), workspace.data(),
               workspace.data() + plan.temporary_bytes, &control}};
  for (const Step& step : plan.steps) {
    run.step = &step;
    if (plan.tasks == 1 || items_of(step) <= 1) {
      run_all(run);
    } else {
      run_shared(run, executor);
    }
    if (is_stopped(control)) {
      throw Error(ErrorCode::kInterrupted, "run: stopped; out may be unfinished");
    }
  }
}

Executor executor_of(const Plan::Impl& plan) {
  return plan.tasks == 1 ? Executor::inline_executor() : default_executor();
}

}  // namespace

void run_items(const ContractStep& step, const TaskContext& task, std::int64_t first,
               std::int64_t last) {
  if (first >= last) return;
  switch (step.form) {
    case ContractStep::Form::kTiles:
      return run_tiles(step, task, first, last);
    case ContractStep::Form::kDots:
      return run_dots(step, task, first, last);
    case ContractStep::Form::kTiny:
      return run_tiny(step, task, first, last);
    case ContractStep::Form::kVector:
      return run_vector(step, task, first, last);
  }
}

inline namespace v0 {

void Plan::run(std::span<const void* const> operands, void* out, std::span<std::byte> workspace,
               const Executor& executor, const RunControl& control) const {
  check_count(*impl_, operands.size());
  run_steps(*impl_, operands.data(), out, workspace, executor, control);
}

void Plan::run(std::span<const TensorView> operands, const MutableTensorView& out,
               std::span<std::byte> workspace, const Executor& executor,
               const RunControl& control) const {
  Addresses addresses;
  check_views(*impl_, operands, out, addresses);
  run_steps(*impl_, addresses, out.data, workspace, executor, control);
}

void Plan::run(std::span<const TensorView> operands, const MutableTensorView& out) const {
  Addresses addresses;
  check_views(*impl_, operands, out, addresses);
  const Workspace workspace(workspace_bytes());
  run_steps(*impl_, addresses, out.data, workspace.span(), executor_of(*impl_), {});
}

void Plan::run(std::span<const TensorView> operands, const MutableTensorView& out,
               std::span<std::byte> workspace) const {
  run(operands, out, workspace, executor_of(*impl_));
}

Tensor Plan::run(std::span<const TensorView> operands) const {
  if (impl_->reads_out) {
    throw Error(ErrorCode::kFeed,
                "run: the plan adds to what is in out (beta): give the out it adds to");
  }
  Tensor result = Tensor::uninitialized(impl_->out.dtype, impl_->out.extents);
  if (!(impl_->out.strides == result.layout().strides)) {
    throw Error(ErrorCode::kFeed, "run: the plan's out is not dense: give the memory it goes to");
  }
  run(operands, result.mutable_view());
  return result;
}

const Layout& Plan::output_layout() const { return impl_->out; }
std::size_t Plan::workspace_bytes() const { return impl_->facts.workspace_bytes; }
const PlanFacts& Plan::facts() const { return impl_->facts; }

}  // namespace v0
}  // namespace batchdot
