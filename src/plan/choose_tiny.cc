// SPDX-License-Identifier: Apache-2.0
// Whether a step is tiny, what of it is packed, and how its items are shared out.

#include <algorithm>

#include "src/plan/choose_kernel.h"

namespace batchdot {

namespace {

// Items of fewer bytes come by themselves.
constexpr std::int64_t kTinyPrefetchLeast = 3500;
// Beside kNearTotal, which stands for L2: where rows are computed whole they may lie in L3, too, of
// which others have their part: in turns on an Emerald Rapids core with 300 MB of it not to ask
// was 1.16 to 1.23 up to 60 MB, 0.92 of 600 MB.
constexpr double kWholeRowsNearTotal = 16 << 20, kPartOfLastCache = 0.25;
// Passes that ask for a few lines at a time do so in L3, too: in turns on that core 1.1 to 1.3
// there, 0.88 to 0.96 in L2.
constexpr double kTinyNearTotal = 2 << 20;
// Multiply-adds of a work item of tiny products, some microseconds. A fourth of it was 0.97 to
// 0.99.
constexpr std::int64_t kTinyWork = 1 << 18;
// Of the groups that are packed or stored together a task has so many, or they are cut: of a few
// whole ones some tasks would have one more than others.
constexpr std::int64_t kTinyGroupsOfTask = 4;
// An operand that runs along the batch is put together first: rhs up to so many bytes, lhs, which
// is broadcast from any strides, from so many elements of 32 bits on, and where 4 x 4 x 4 is a
// vector. In turns on that core rhs of f32 and f64 in place of tiles, 4 KiB 1.24 and 1.36, 8 KiB
// 0.9 and 1.17, with AVX2 0.96 and 0.86; lhs in place of one that stays, f32 2.0 of 16
// elements, 1.1 of 64, 0.93 of 144, 1.25 of 576, 1.9 of 2048, from the second cache 0.6 of 64 and
// 256, f64 0.8 to 1.2.
constexpr std::int64_t kTinyLinesOfRhsBytes = 6 << 10, kTinyLinesOfLhs = 512;
// Multiply-adds of a tiny product at most, by the k of a word, where tiles multiply words. In turns
// on that core i8 10 x 10 3.5 of tiles, 12 x 12 2, 16 x 16 0.86; with AVX2 16 x 16 1.6, 32 x 32
// 0.6.
constexpr std::int64_t kTinyWordWork = 8192;

std::string_view why_tiny_lhs_is_packed(const ContractStep& step) {
  const DType accumulator = accumulator_of(step.arithmetic);
  if (!(step.lhs_dtype == accumulator)) return "lhs is converted while packing";
  if (accumulator.is_complex() && !is_contiguous(step.folded.k, Side::kLhs)) {
    return "complex lhs is not contiguous along K";
  }
  const Folded& f = step.folded;
  const bool is_large = f.M * f.K >= kTinyLinesOfLhs;
  const bool is_4x4 = f.M == 4 && f.N == 4 && f.K == 4;
  if (is_along_batch(f, Side::kLhs) && accumulator.size_bytes() == 4 && (is_large || is_4x4)) {
    return "lhs is contiguous along the batch";
  }
  return {};
}

std::string_view why_tiny_rhs_is_packed(const ContractStep& step) {
  const Folded& f = step.folded;
  const DType accumulator = accumulator_of(step.arithmetic);
  if (!(step.rhs_dtype == accumulator)) return "rhs is converted while packing";
  if (is_contiguous(f.n, Side::kRhs)) return {};
  if (accumulator.is_complex()) return "complex rhs is not contiguous along N";
  return is_contiguous(f.k, Side::kRhs) ? "" : "rhs is contiguous neither along N nor along K";
}

// Items of an operand that is packed have no gaps.
void lay_out_packed(const ContractStep& step, kernel::TinyCall& call) {
  const Folded& f = step.folded;
  call.K = tiny_depth(step);
  if (step.packs_lhs) {
    const bool k_is_inner = tiny_k_is_inner(step, Side::kLhs);
    call.a_item = f.M * call.K;
    call.a_row = k_is_inner ? call.K : 1;
    call.a_k = k_is_inner ? 1 : f.M;
  }
  if (step.packs_rhs) {
    const bool k_is_inner = tiny_k_is_inner(step, Side::kRhs);
    call.b_item = call.K * f.N;
    call.b_column = k_is_inner ? call.K : 1;
    call.b_k = k_is_inner ? 1 : f.N;
  }
}

}  // namespace

// One chain for an element: K within a block. Operands are read as they lie, or are put together
// first, some items at a time; sums are those of the result, or wait in scratch where something is
// done to them or columns of the result lie apart.
std::string_view tiny_refuses(const ContractStep& step) {
  const Folded& f = step.folded;
  const DType accumulator = accumulator_of(step.arithmetic);
  if (step.kernels->tiny == nullptr) return "this arithmetic has no tiny kernel";
  if (accumulator.is_complex()) {
    if (2 * f.N > kernel::kTinyN || 2 * f.K > kernel::kTinyK) {
      return "N is over 16, or K over 32";
    }
    if (f.swapped) return "the operands are exchanged: im has its products in another order";
    if (!(step.lhs_dtype == accumulator && step.rhs_dtype == accumulator)) {
      return "an operand is converted while packing";
    }
  }
  if (f.M > kernel::kTinyM || f.N > kernel::kTinyN || f.K > kernel::kTinyK) {
    static_assert(kernel::kTinyM == 32 && kernel::kTinyN == 32 && kernel::kTinyK == 64);
    return "M or N is over 32, or K over 64";
  }
  if (f.M * f.N == 1) return "M * N = 1";
  const int word = step.kernels->k_group / step.kernels->group_rows;
  if (word > 1 && f.M * f.N * f.K > kTinyWordWork / word) {
    return "tiles have instructions that take several k, and there is work for them";
  }
  if (f.m.size() > 1 || f.n.size() > 1 || f.k.size() > 1) {
    return "the axes do not fold into M, N and K";
  }
  if (is_along_batch(f, Side::kRhs) && f.K * f.N * element_bytes(step) > kTinyLinesOfRhsBytes) {
    return "lines of rhs, which is contiguous along the batch, are packed for a group of items";
  }
  return {};
}

void set_up_tiny(ContractStep& step, int tasks, std::vector<Refusal>& refused) {
  const Folded& f = step.folded;
  Blocking& b = step.blocking;
  const std::string_view why = why_result_holds_no_sums(step);
  if (!why.empty()) refused.push_back({"sums kept in the result", why});
  step.is_direct = why.empty();
  const std::string_view why_lhs = why_tiny_lhs_is_packed(step);
  const std::string_view why_rhs = why_tiny_rhs_is_packed(step);
  if (!why_lhs.empty()) refused.push_back({"lhs in place", why_lhs});
  if (!why_rhs.empty()) refused.push_back({"rhs in place", why_rhs});
  step.packs_lhs = !why_lhs.empty();
  step.packs_rhs = !why_rhs.empty();
  kernel::TinyCall& call = step.tiny;
  call.M = f.M;
  call.N = f.N;
  call.a_conjugate = step.lhs_conjugate;
  call.b_conjugate = step.rhs_conjugate;
  call.a_item = innermost_stride(f.batch, Side::kLhs);
  call.a_row = innermost_stride(f.m, Side::kLhs);
  call.a_k = innermost_stride(f.k, Side::kLhs);
  call.b_item = innermost_stride(f.batch, Side::kRhs);
  call.b_column = f.N == 1 ? 1 : innermost_stride(f.n, Side::kRhs);
  call.b_k = innermost_stride(f.k, Side::kRhs);
  lay_out_packed(step, call);
  const std::int64_t out_item = innermost_stride(f.batch, Side::kOut);
  const std::int64_t out_row = innermost_stride(f.m, Side::kOut);
  call.out_item = step.is_direct ? out_item : f.M * f.N;
  call.out_row = step.is_direct ? out_row : f.N;
  const std::int64_t element = element_bytes(step);
  const bool rows_are_whole =
      f.N <= kernel::tiny_vectors(step.kernels->lanes) * step.kernels->lanes;
  const double near_total =
      std::max(kWholeRowsNearTotal, kPartOfLastCache * static_cast<double>(step.last_cache));
  const bool is_near = step.packs_lhs && step.packs_rhs && !step.is_direct;
  call.asks = (f.M * f.K + f.K * f.N + f.M * f.N) * element >= kTinyPrefetchLeast && !is_near &&
              total_bytes(step) > (rows_are_whole ? near_total : kNearTotal);
  call.asks_early = !is_near && total_bytes(step) > kTinyNearTotal;
  const bool has_gaps = (f.N > 1 && innermost_stride(f.n, Side::kOut) != 1) ||
                        (f.M > 1 && out_row != f.N) || out_item != f.M * f.N;
  // From scratch whatever K is: no multiply-adds pass while lines of the result come. In turns on
  // an Emerald Rapids core, results of 20 to 160 MB with K of 20 to 64 1.00 to 1.21.
  const bool may_stream = f.K <= kernel::kTinyStreamK || !step.is_direct;
  const bool streams = is_wide(step) && may_stream && !has_gaps && step.finish.beta == 0 &&
                       result_bytes(step) > kWideFarBytes;
  call.streams = step.is_direct && streams;
  step.groups_out = out_lies_in_groups(step);
  step.store_streams = step.groups_out ? groups_stream(step) : !step.is_direct && streams;
  step.finishes_apart = (step.groups_out || step.store_streams) &&
                        !(step.out_dtype == accumulator_of(step.arithmetic));
  const std::int64_t work = std::max<std::int64_t>(1, f.M * f.N * f.K);
  const std::int64_t share = ceil_div(f.batch_count, std::max(1, tasks));
  b.row_block = std::clamp<std::int64_t>(share, 1, std::max<std::int64_t>(1, kTinyWork / work));
  const bool has_groups = step.groups_out || step.packs_lhs || step.packs_rhs;
  if (has_groups && share >= kTinyGroupsOfTask * kTinyGroup) {
    b.row_block = round_up(b.row_block, kTinyGroup);
  }
  step.items = ceil_div(f.batch_count, b.row_block);
  step.task_bytes = tiny_scratch(step).bytes;
}

}  // namespace batchdot
