// SPDX-License-Identifier: Apache-2.0
#pragma once
// Memory for the workspace of a plan.

#include <algorithm>
#include <cstddef>
#include <new>
#include <span>

#include "batchdot/plan.h"

namespace batchdot::tool {

/// As much as the plan wants, aligned as it wants it.
class Workspace {
 public:
  explicit Workspace(const Plan& plan)
      : bytes_(plan.workspace_bytes()),
        alignment_(std::align_val_t(plan.workspace_alignment())),
        memory_(
            static_cast<std::byte*>(::operator new(std::max<std::size_t>(bytes_, 1), alignment_))) {
  }
  ~Workspace() { ::operator delete(memory_, alignment_); }
  Workspace(const Workspace&) = delete;
  Workspace& operator=(const Workspace&) = delete;

  std::span<std::byte> span() const { return {memory_, bytes_}; }

 private:
  std::size_t bytes_;
  std::align_val_t alignment_;
  std::byte* memory_;
};

}  // namespace batchdot::tool
