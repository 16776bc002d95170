// SPDX-License-Identifier: Apache-2.0
// A tiny step: a kernel call runs along the innermost batch axis, these loops along the others.

#include <algorithm>

#include "src/exec/loops.h"
#include "src/exec/walk.h"

namespace batchdot {

void run_tiny(const ContractStep& step, const TaskContext& task, std::int64_t first,
              std::int64_t last) {
  const kernel::FloatModeGuard mode(mode_of(step.arithmetic));
  const FoldedAxes& axes = step.folded.batch;
  const StepMemory memory(step, task);
  const auto bytes = static_cast<std::int64_t>(step.kernels->panel_bytes);  // nothing is converted
  kernel::TinyCall call = step.tiny;
  for (std::int64_t item = first; item < last; ++item) {
    std::int64_t at = item * step.blocking.row_block;
    const std::int64_t end = std::min(step.folded.batch_count, at + step.blocking.row_block);
    while (at < end) {
      const Odometer batch(axes, at);
      call.items = end - at;
      if (axes.size() > 1) {
        const std::int64_t inner = axes.back().extent;
        call.items = std::min(call.items, inner - at % inner);
      }
      call.a = memory.lhs + batch.lhs * bytes;
      call.b = memory.rhs + batch.rhs * bytes;
      call.out = memory.out + batch.out * bytes;
      step.kernels->tiny(call);
      at += call.items;
    }
    if (finish_item(*task.control)) break;
  }
  if (call.streams) kernel::finish_streams();
}

}  // namespace batchdot
