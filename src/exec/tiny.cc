// SPDX-License-Identifier: Apache-2.0
// A tiny step: a kernel call runs along the innermost batch axis, these loops along the others.

#include <algorithm>

#include "src/exec/loops.h"
#include "src/exec/walk.h"

namespace batchdot {

namespace {

std::int64_t stride_along(const FoldedAxes& axes, Side side) {
  return axes.empty() ? 0 : stride_in(axes[0], side);
}

}  // namespace

void run_tiny(const ContractStep& step, const TaskContext& task, std::int64_t first,
              std::int64_t last) {
  const Folded& f = step.folded;
  const std::byte* lhs = address_of(step.lhs, step.lhs_dtype, task);
  const std::byte* rhs = address_of(step.rhs, step.rhs_dtype, task);
  std::byte* out = address_of(step.out, step.out_dtype, task);
  const auto bytes = static_cast<std::int64_t>(step.kernels->panel_bytes);  // nothing is converted
  static constexpr FoldedAxis kOneItem;
  const FoldedAxis& inner = f.batch.empty() ? kOneItem : f.batch.back();

  kernel::TinyCall call;
  call.asks = step.prefetches;
  call.M = f.M;
  call.N = f.N;
  call.K = f.K;
  call.a_item = inner.lhs;
  call.a_row = stride_along(f.m, Side::kLhs);
  call.a_k = stride_along(f.k, Side::kLhs);
  call.b_item = inner.rhs;
  call.b_column = f.N == 1 ? 1 : stride_along(f.n, Side::kRhs);
  call.b_k = stride_along(f.k, Side::kRhs);
  call.out_item = inner.out;
  call.out_row = stride_along(f.m, Side::kOut);

  for (std::int64_t item = first; item < last; ++item) {
    std::int64_t at = item * step.blocking.row_block;
    const std::int64_t end = std::min(f.batch_count, at + step.blocking.row_block);
    {
      const kernel::FloatModeGuard mode(mode_of(step.arithmetic));
      while (at < end) {
        const Odometer batch(f.batch, at);
        call.items = end - at;
        if (f.batch.size() > 1) call.items = std::min(call.items, inner.extent - at % inner.extent);
        call.a = lhs + batch.lhs * bytes;
        call.b = rhs + batch.rhs * bytes;
        call.out = out + batch.out * bytes;
        step.kernels->tiny(call);
        at += call.items;
      }
    }
    if (finish_item(*task.control)) return;
  }
}

}  // namespace batchdot
