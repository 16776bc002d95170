// SPDX-License-Identifier: Apache-2.0
#pragma once
// The loops around the kernels: what a task does of a step.

#include <array>
#include <cstddef>
#include <cstdint>

#include "src/plan/plan.h"

namespace batchdot {

/// What a task needs beside the step.
struct TaskContext {
  const void* const* operands;
  std::byte* out;
  std::byte* temporaries;  ///< the part of the workspace that steps share
  std::byte* scratch;      ///< this task's own
  const RunControl* control;
};

/// Computes items first .. last-1 of a step. Returns early if the run is stopped.
void run_items(const ContractStep& step, const TaskContext& task, std::int64_t first,
               std::int64_t last);
void run_items(const RowwiseStep& step, const TaskContext& task, std::int64_t first,
               std::int64_t last);
void run_items(const CopyStep& step, const TaskContext& task, std::int64_t first,
               std::int64_t last);

/// The forms of a contraction, each in a file of its own: tiles.cc, dots.cc, tiny.cc, vector.cc.
void run_tiles(const ContractStep& step, const TaskContext& task, std::int64_t first,
               std::int64_t last);
void run_dots(const ContractStep& step, const TaskContext& task, std::int64_t first,
              std::int64_t last);
void run_tiny(const ContractStep& step, const TaskContext& task, std::int64_t first,
              std::int64_t last);
void run_vector(const ContractStep& step, const TaskContext& task, std::int64_t first,
                std::int64_t last);

/// 1, -1 of a dtype.
std::byte* ones_of(DType dtype);

/// The memory of a place.
inline std::byte* address_of(const Place& place, DType dtype, const TaskContext& task) {
  switch (place.where) {
    case Place::Where::kOperand:
      // Operands are only read; one pointer type serves both.
      return static_cast<std::byte*>(const_cast<void*>(task.operands[place.index])) +
             place.offset_bytes;
    case Place::Where::kWorkspace:
      return task.temporaries + place.offset_bytes;
    case Place::Where::kOut:
      return task.out;
    case Place::Where::kOnes:
      return ones_of(dtype);
    case Place::Where::kNone:
      return nullptr;
  }
  return nullptr;
}

/// True if somebody asked the run to stop.
inline bool is_stopped(const RunControl& control) {
  return control.stop != nullptr && control.stop->load(std::memory_order_relaxed);
}

/// Counts one item as done; true if the run is to stop.
inline bool finish_item(const RunControl& control) {
  if (control.items_done != nullptr) {
    control.items_done->fetch_add(1, std::memory_order_relaxed);
  }
  return is_stopped(control);
}

/// Steps through the index space of axes and keeps the offsets of all tensors.
class Odometer {
 public:
  Odometer(const FoldedAxes& axes, std::int64_t start) : axes_(axes) {
    for (std::size_t i = axes.size(); i-- > 0;) {
      index_[i] = 0;
      if (start == 0) continue;
      index_[i] = start % axes[i].extent;
      start /= axes[i].extent;
      lhs += index_[i] * axes[i].lhs;
      rhs += index_[i] * axes[i].rhs;
      out += index_[i] * axes[i].out;
      bias += index_[i] * axes[i].bias;
      scale += index_[i] * axes[i].scale;
    }
  }
  void next() {
    for (std::size_t i = axes_.size(); i-- > 0;) {
      const FoldedAxis& axis = axes_[i];
      lhs += axis.lhs;
      rhs += axis.rhs;
      out += axis.out;
      bias += axis.bias;
      scale += axis.scale;
      if (++index_[i] < axis.extent) return;
      index_[i] = 0;
      lhs -= axis.extent * axis.lhs;
      rhs -= axis.extent * axis.rhs;
      out -= axis.extent * axis.out;
      bias -= axis.extent * axis.bias;
      scale -= axis.extent * axis.scale;
    }
  }

  std::int64_t lhs = 0, rhs = 0, out = 0, bias = 0, scale = 0;  ///< offsets in elements

 private:
  const FoldedAxes& axes_;
  std::array<std::int64_t, Limits::kRank> index_;  // no operand or result has more axes
};

}  // namespace batchdot
