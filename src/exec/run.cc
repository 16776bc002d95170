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

// operator== of a layout, without a branch for each number: this is much of what a small run costs.
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

template <class View>
bool is_as_planned(const View& view, const Layout& planned, const Reach& reach) {
  if (view.device != Device::kCpu || !is_same(view.layout, planned)) return false;
  if (reach.is_empty) return true;
  return view.data != nullptr &&
         (reinterpret_cast<std::uintptr_t>(view.data) & reach.misaligned) == 0;
}

// Says what is wrong with a view that is not as planned.
[[noreturn]] void refuse_view(const Layout& planned, const Layout& given, const void* data,
                              Device device, const std::string& who, const ErrorPlace& place) {
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
  if (!(given == planned)) {
    throw Error(ErrorCode::kFeed,
                text("run: ", who, " has extents ", given.extents, " and strides ", given.strides,
                     ", planned for ", planned.extents, " and ", planned.strides),
                place);
  }
  if (data == nullptr) {
    throw Error(ErrorCode::kFeed, text("run: ", who, " has no memory"), place);
  }
  const std::size_t part =
      given.dtype.visit([](auto record) { return alignof(typename decltype(record)::Element); });
  throw Error(ErrorCode::kFeed,
              text("run: ", who, " is not aligned to its element: ", part, " bytes"), place);
}

void check_views(const Plan::Impl& plan, std::span<const TensorView> operands,
                 const MutableTensorView& out) {
  if (operands.size() != plan.operands.size()) {
    throw Error(ErrorCode::kFeed, text("run: planned for ", plan.operands.size(),
                                       " operands, given ", operands.size()));
  }
  for (std::size_t i = 0; i < operands.size(); ++i) {
    const TensorView& view = operands[i];
    if (is_as_planned(view, plan.operands[i], plan.reaches[i])) continue;
    const int at = static_cast<int>(i);
    refuse_view(plan.operands[i], view.layout, view.data, view.device, name_of_operand(plan, at),
                place_of(at));
  }
  const Reach& out_reach = plan.reaches.back();
  if (!is_as_planned(out, plan.out, out_reach)) {
    refuse_view(plan.out, out.layout, out.data, out.device, "out", {});
  }
  if (out_reach.is_empty) return;
  const Span written(out.data, out_reach);
  for (std::size_t i = 0; i < operands.size(); ++i) {
    if (plan.reaches[i].is_empty || !Span(operands[i].data, plan.reaches[i]).meets(written)) {
      continue;
    }
    const int at = static_cast<int>(i);
    throw Error(ErrorCode::kOverlap,
                text("run: out overlaps ", name_of_operand(plan, at),
                     ": the result would be written over what is still read"),
                place_of(at));
  }
}

// The workspace is written while operands are read and out is written.
void check_workspace(const Plan::Impl& plan, std::span<const TensorView> operands,
                     const MutableTensorView& out, std::span<std::byte> workspace) {
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
  check(out.data, plan.reaches.back(), "out");
  for (std::size_t i = 0; i < operands.size(); ++i) {
    check(operands[i].data, plan.reaches[i], "an operand");
  }
}

struct StepRun {
  const Plan::Impl* plan;
  const Step* step;
  TaskContext context;  // of task 0
};

void run_all(const StepRun& run) {
  std::visit([&](const auto& step) { run_items(step, run.context, 0, step.items); }, *run.step);
}

// Task t takes the items t n/T .. (t+1) n/T - 1.
void run_task(void* context, int index) {
  const StepRun& run = *static_cast<const StepRun*>(context);
  TaskContext task = run.context;
  task.scratch += static_cast<std::size_t>(index) * run.plan->task_bytes;
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

void Plan::run(std::span<const TensorView> operands, const MutableTensorView& out,
               std::span<std::byte> workspace, const Executor& executor,
               const RunControl& control) const {
  check_views(*impl_, operands, out);
  check_workspace(*impl_, operands, out, workspace);
  StepRun run{impl_.get(),
              nullptr,
              {operands.data(), static_cast<std::byte*>(out.data), workspace.data(),
               workspace.data() + impl_->temporary_bytes, &control}};
  for (const Step& step : impl_->steps) {
    run.step = &step;
    if (impl_->tasks == 1) {
      run_all(run);
    } else if (executor.parallel_for == nullptr) {
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
