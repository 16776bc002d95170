// SPDX-License-Identifier: Apache-2.0
// Plan::run: checks that the views are those of the plan, then lets the tasks run each step.

#include <algorithm>
#include <cstdlib>
#include <functional>
#include <string_view>
#include <utility>

#include "batchdot/notation.h"
#include "src/core/checked.h"
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

// The bytes from the first to behind the last element, as addresses.
std::pair<std::uintptr_t, std::uintptr_t> reach(const void* data, const Layout& layout) {
  const auto element = static_cast<std::int64_t>(layout.dtype.size_bytes());
  std::int64_t low = 0;
  std::int64_t high = element;
  for (std::size_t axis = 0; axis < layout.extents.size(); ++axis) {
    const std::int64_t far = (layout.extents[axis] - 1) * layout.strides[axis] * element;
    (far < 0 ? low : high) += far;
  }
  const auto base = reinterpret_cast<std::uintptr_t>(data);
  return {base + static_cast<std::uintptr_t>(low), base + static_cast<std::uintptr_t>(high)};
}

bool is_empty(const Layout& layout) {
  return std::find(layout.extents.begin(), layout.extents.end(), 0) != layout.extents.end();
}

void check_view(const Layout& planned, const Layout& given, const void* data, Device device,
                const std::string& who, std::optional<int> operand) {
  const ErrorPlace place = operand ? place_of(*operand) : ErrorPlace{};
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
  if (!(given.extents == planned.extents) || !(given.strides == planned.strides)) {
    throw Error(ErrorCode::kFeed,
                text("run: ", who, " has extents ", given.extents, " and strides ", given.strides,
                     ", planned for ", planned.extents, " and ", planned.strides),
                place);
  }
  if (is_empty(given)) return;
  if (data == nullptr) {
    throw Error(ErrorCode::kFeed, text("run: ", who, " has no memory"), place);
  }
  const std::size_t part =
      given.dtype.visit([](auto record) { return alignof(typename decltype(record)::Element); });
  if (reinterpret_cast<std::uintptr_t>(data) % part != 0) {
    throw Error(ErrorCode::kFeed,
                text("run: ", who, " is not aligned to its element: ", part, " bytes"), place);
  }
}

void check_views(const Plan::Impl& plan, std::span<const TensorView> operands,
                 const MutableTensorView& out) {
  if (operands.size() != plan.operands.size()) {
    throw Error(ErrorCode::kFeed, text("run: planned for ", plan.operands.size(),
                                       " operands, given ", operands.size()));
  }
  const int count = static_cast<int>(operands.size());
  const auto name = [&](int i) {
    return i < plan.inputs ? operand_name(i, plan.inputs) : std::string("bias");
  };
  for (int i = 0; i < count; ++i) {
    const TensorView& view = operands[static_cast<std::size_t>(i)];
    check_view(plan.operands[static_cast<std::size_t>(i)], view.layout, view.data, view.device,
               name(i), i);
  }
  check_view(plan.out, out.layout, out.data, out.device, "out", {});
  if (is_empty(plan.out)) return;
  const auto [out_low, out_high] = reach(out.data, out.layout);
  for (int i = 0; i < count; ++i) {
    const TensorView& view = operands[static_cast<std::size_t>(i)];
    if (is_empty(view.layout)) continue;
    const auto [low, high] = reach(view.data, view.layout);
    if (low < out_high && out_low < high) {
      throw Error(ErrorCode::kOverlap,
                  text("run: out overlaps ", name(i),
                       ": the result would be written over what is still read"),
                  place_of(i));
    }
  }
}

// The workspace is written while operands are read and out is written.
void check_workspace(const Plan::Impl& plan, std::span<const TensorView> operands,
                     const MutableTensorView& out, std::span<std::byte> workspace) {
  if (plan.facts.workspace_bytes == 0) return;
  const auto begin = reinterpret_cast<std::uintptr_t>(workspace.data());
  const auto end = begin + plan.facts.workspace_bytes;
  const auto check = [&](const void* data, const Layout& layout, std::string_view who) {
    if (is_empty(layout)) return;
    const auto [low, high] = reach(data, layout);
    if (low < end && begin < high) {
      throw Error(ErrorCode::kOverlap, text("run: the workspace overlaps ", who));
    }
  };
  check(out.data, out.layout, "out");
  for (const TensorView& view : operands) check(view.data, view.layout, "an operand");
}

struct StepRun {
  const Plan::Impl* plan;
  const Step* step;
  TaskContext context;
  std::byte* scratch;
};

// Task t takes the items t n/T .. (t+1) n/T - 1.
void run_task(void* context, int index) {
  const StepRun& run = *static_cast<const StepRun*>(context);
  TaskContext task = run.context;
  task.scratch = run.scratch + static_cast<std::size_t>(index) * run.plan->task_bytes;
  std::visit(
      [&](const auto& step) {
        const std::int64_t tasks = run.plan->tasks;
        const std::int64_t share = step.items / tasks;
        const std::int64_t rest = step.items % tasks;
        const std::int64_t first = share * index + std::min<std::int64_t>(index, rest);
        run_items(step, task, first, first + share + (index < rest ? 1 : 0));
      },
      *run.step);
}

}  // namespace

inline namespace v0 {

void Plan::run(std::span<const TensorView> operands, const MutableTensorView& out,
               std::span<std::byte> workspace, const Executor& executor,
               const RunControl& control) const {
  check_views(*impl_, operands, out);
  if (workspace.size() < workspace_bytes()) {
    throw Error(ErrorCode::kFeed, text("run: the workspace has ", workspace.size(),
                                       " bytes, the plan needs ", workspace_bytes()));
  }
  if (reinterpret_cast<std::uintptr_t>(workspace.data()) % kScratchAlignment != 0) {
    throw Error(ErrorCode::kFeed,
                text("run: the workspace is not aligned to ", kScratchAlignment, " bytes"));
  }
  check_workspace(*impl_, operands, out, workspace);
  StepRun run{impl_.get(), nullptr, {}, workspace.data() + impl_->temporary_bytes};
  run.context.operands = operands.data();
  run.context.out = static_cast<std::byte*>(out.data);
  run.context.temporaries = workspace.data();
  run.context.control = &control;
  for (const Step& step : impl_->steps) {
    run.step = &step;
    if (impl_->tasks == 1 || executor.parallel_for == nullptr) {
      for (int task = 0; task < impl_->tasks; ++task) run_task(&run, task);
    } else {
      executor.parallel_for(executor.state, impl_->tasks, run_task, &run);
    }
    if (is_stopped(control)) {
      throw Error(ErrorCode::kInterrupted, "run: stopped; out may be unfinished");
    }
  }
}

void Plan::run(std::span<const TensorView> operands, const MutableTensorView& out) const {
  check_views(*impl_, operands, out);
  const Workspace workspace(workspace_bytes());
  run(operands, out, workspace.span());
}

void Plan::run(std::span<const TensorView> operands, const MutableTensorView& out,
               std::span<std::byte> workspace) const {
  run(operands, out, workspace,
      impl_->tasks == 1 ? Executor::inline_executor() : default_executor());
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
