// SPDX-License-Identifier: Apache-2.0
#pragma once
// Made-up problems, for tests of what is planned.

#include <cstdint>
#include <string_view>
#include <vector>

#include "src/plan/plan.h"

namespace batchdot {
inline kernel::ArithmeticKernels made_up_kernels() {
  kernel::ArithmeticKernels kernels{};
  kernels.MR = 6;
  kernels.NV = 2;
  kernels.lanes = 8;
  kernels.dots_width = 8;
  kernels.panel_bytes = 4;
  kernels.streams = true;
  kernels.row_dots = kernels.column_dots = [](const kernel::RowsCall&) {};
  for (auto& vector : kernels.vector_rows) vector = kernels.row_dots;
  return kernels;
}

inline FoldedAxes axis(std::int64_t extent, std::int64_t lhs, std::int64_t rhs, std::int64_t out) {
  if (extent == 1) return {};
  return {{extent, lhs, rhs, out, 0}};
}

// b x (M K)(K N), dense f32.
inline ContractStep product(std::int64_t b, std::int64_t M, std::int64_t N, std::int64_t K) {
  static const kernel::ArithmeticKernels kKernels = made_up_kernels();
  ContractStep step;
  step.lhs_dtype = step.rhs_dtype = step.out_dtype = F32{};
  step.kernels = &kKernels;
  step.folded.batch = axis(b, M * K, K * N, M * N);
  step.folded.m = axis(M, K, 0, N);
  step.folded.n = axis(N, 0, 1, 1);
  step.folded.k = axis(K, 1, N, 0);
  step.folded.batch_count = b;
  step.folded.M = M;
  step.folded.N = N;
  step.folded.K = K;
  return step;
}

// Kernels of wide panels that widen rows of f16, and a product of f16.
inline kernel::ArithmeticKernels widening_kernels() {
  kernel::ArithmeticKernels kernels = made_up_kernels();
  kernels.NV = 4;
  kernels.widen_rows[DType(F16{}).index()] = [](const kernel::PackCall&) {};
  return kernels;
}
inline ContractStep f16_product(std::int64_t b, std::int64_t M, std::int64_t N, std::int64_t K) {
  static const kernel::ArithmeticKernels kKernels = widening_kernels();
  ContractStep step = product(b, M, N, K);
  step.lhs_dtype = step.rhs_dtype = step.out_dtype = F16{};
  step.kernels = &kKernels;
  return step;
}

inline std::vector<Refusal> choose(ContractStep& step, int tasks = 1) {
  std::vector<Refusal> refused;
  choose_kernel(step, tasks, refused);
  return refused;
}

inline bool is_refused(const std::vector<Refusal>& refused, std::string_view what) {
  for (const Refusal& refusal : refused) {
    if (refusal.what == what) return !refusal.why.empty();
  }
  return false;
}

// M x K rows against N x K columns, K contiguous in both.
inline ContractStep rows_and_columns(std::int64_t b, std::int64_t M, std::int64_t N,
                                     std::int64_t K) {
  ContractStep step = product(b, M, N, K);
  step.folded.n = axis(N, 0, K, 1);
  step.folded.k = axis(K, 1, 1, 0);
  return step;
}

// An operand of which the innermost axis of the batch is the fastest one.
enum class Lost : std::uint8_t { kNone, kLhs, kBoth };

inline ContractStep along_batch(std::int64_t batch, std::int64_t M, std::int64_t N, std::int64_t K,
                                Lost lost) {
  ContractStep step = product(batch, M, N, K);
  if (lost != Lost::kNone) {
    step.folded.batch[0].lhs = 1;
    step.folded.m[0].lhs = batch;
    step.folded.k[0].lhs = batch * M;
  }
  if (lost == Lost::kBoth) {
    step.folded.batch[0].rhs = 1;
    step.folded.n[0].rhs = batch;
    step.folded.k[0].rhs = batch * N;
  }
  return step;
}

}  // namespace batchdot
