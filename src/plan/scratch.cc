// SPDX-License-Identifier: Apache-2.0
// How the scratch of a task is laid out: what plan counts with and exec addresses with.

#include <algorithm>

#include "src/plan/plan.h"

namespace batchdot {

namespace {

// Sums of tiny products that are finished at a time, if there are several; they stay in the first
// cache with what meets them.
constexpr std::int64_t kTinyChunkBytes = 4 << 10;

std::size_t take(std::size_t& at, std::size_t bytes) {
  const std::size_t here = at;
  at += align_up(bytes);
  return here;
}

std::size_t table_bytes(const FoldedAxes& axes, std::int64_t count) {
  return axes.size() <= 1 ? 0 : static_cast<std::size_t>(count) * sizeof(std::int64_t);
}

// The same for scale or bias, where there is one.
std::size_t table_bytes(const Place& side, const FoldedAxes& axes, std::int64_t count) {
  return side.where == Place::Where::kNone ? 0 : table_bytes(axes, count);
}

}  // namespace

TileScratch tile_scratch(const ContractStep& step) {
  const Folded& f = step.folded;
  const Blocking& b = step.blocking;
  const std::size_t element = step.kernels->panel_bytes;
  const std::int64_t padded_NC = round_up(std::min(b.NC, b.column_block), b.NR) + b.NR;
  const auto elements = [](std::int64_t rows, std::int64_t columns) {
    return static_cast<std::size_t>(rows * columns);
  };
  TileScratch s;
  std::size_t at = 0;
  const std::int64_t KC = step.kernels->panel_rows(b.KC);
  // Members of a group are written together: a line more, and they do not meet in the same lines of
  // a cache.
  const std::size_t apart = step.group > 1 ? kScratchAlignment : 0;
  s.widened_row = round_up(KC, kernel::kWidenedAtOnce) + kernel::kWidenedAtOnce;
  s.group_lhs =
      elements(std::min(b.MC, b.row_block), step.widens_rows ? s.widened_row : KC) * element +
      apart;
  const auto members = [&](bool is_grouped) {
    return static_cast<std::size_t>(is_grouped ? step.group : 1);
  };
  s.panels_lhs = take(at, step.packs_lhs ? s.group_lhs * members(step.groups_lhs) : 0);
  s.group_rhs = elements(padded_NC, step.kernels->panel_rows(b.KP)) * element + apart;
  s.panels_rhs = take(at, step.packs_rhs ? s.group_rhs * members(step.groups_rhs) : 0);
  const std::int64_t summed_rows = step.stores_early ? std::min(b.MC, b.row_block) : b.row_block;
  s.group_sums = elements(summed_rows, round_up(b.column_block, b.NR)) * element + apart;
  const bool keeps_sums = step.groups_out && !step.finishes_apart;
  s.sums = take(at, step.is_direct ? 0 : s.group_sums * members(keeps_sums));
  s.group_finished =
      align_up(elements(b.row_block, b.column_block) * step.out_dtype.size_bytes()) + apart;
  s.finished = take(at, step.finishes_apart ? s.group_finished * members(true) : 0);
  s.gathered = take(at, step.gathers ? elements(b.MR, step.near_panels * b.NR) * element : 0);
  s.lhs_rows = take(at, table_bytes(f.m, b.row_block));
  s.out_rows = take(at, table_bytes(f.m, b.row_block));
  s.bias_rows = take(at, table_bytes(step.finish.bias, f.m, b.row_block));
  s.scale_rows = take(at, table_bytes(step.finish.scale, f.m, b.row_block));
  s.rhs_columns = take(at, table_bytes(f.n, b.column_block));
  s.out_columns = take(at, table_bytes(f.n, b.column_block));
  s.bias_columns = take(at, table_bytes(step.finish.bias, f.n, b.column_block));
  s.scale_columns = take(at, table_bytes(step.finish.scale, f.n, b.column_block));
  s.lhs_k = take(at, table_bytes(f.k, b.KC));
  s.rhs_k = take(at, table_bytes(f.k, b.KP));
  s.bytes = at;
  return s;
}

DotsScratch dots_scratch(const ContractStep& step) {
  const Folded& f = step.folded;
  const bool has_panels = step.packs_lhs && !step.takes_columns;
  DotsScratch s;
  s.chunk = has_panels ? step.kernels->dots_width : step.blocking.row_block;
  const std::size_t sums = static_cast<std::size_t>(s.chunk) * step.kernels->panel_bytes;
  const std::size_t panel =
      step.takes_columns
          ? sums
          : sums * static_cast<std::size_t>(step.kernels->panel_rows(step.blocking.KC));
  std::size_t at = 0;
  s.panels_lhs = take(at, step.packs_lhs ? panel : 0);
  s.panels_rhs = take(at, step.packs_rhs ? panel : 0);
  s.bytes = at;
  if (step.is_direct) return s;
  s.sums = take(at, sums);
  const std::size_t table = static_cast<std::size_t>(s.chunk) * sizeof(std::int64_t);
  s.lhs_items = take(at, has_panels ? table : 0);
  s.rhs_items = take(at, has_panels ? table : 0);
  s.out_items = take(at, table);
  s.bias_items = take(at, step.finish.has_bias() ? table : 0);
  s.scale_items = take(at, step.finish.has_scale() ? table : 0);
  s.lhs_k = take(at, has_panels ? table_bytes(f.k, step.blocking.KC) : 0);
  s.rhs_k = take(at, has_panels ? table_bytes(f.k, step.blocking.KC) : 0);
  s.bytes = at;
  return s;
}

VectorScratch vector_scratch(const ContractStep& step) {
  const Folded& f = step.folded;
  const std::int64_t columns = step.blocking.column_block;
  VectorScratch s;
  std::size_t at = 0;
  s.sums = take(
      at, step.is_direct ? 0 : static_cast<std::size_t>(f.M * columns) * step.kernels->panel_bytes);
  s.out_rows = take(at, table_bytes(f.m, f.M));
  s.bias_rows = take(at, table_bytes(step.finish.bias, f.m, f.M));
  s.scale_rows = take(at, table_bytes(step.finish.scale, f.m, f.M));
  s.out_columns = take(at, table_bytes(f.n, columns));
  s.bias_columns = take(at, table_bytes(step.finish.bias, f.n, columns));
  s.scale_columns = take(at, table_bytes(step.finish.scale, f.n, columns));
  s.bytes = at;
  return s;
}

MeetsSums meets_sums(const ContractStep& step, Side side) {
  const Folded& f = step.folded;
  const Place& place = side == Side::kScale ? step.finish.scale : step.finish.bias;
  if (place.where == Place::Where::kNone) return MeetsSums::kOne;
  const auto moves = [&](const FoldedAxis& axis) { return stride_in(axis, side) != 0; };
  const auto lies_apart = [&](const FoldedAxes& axes, std::int64_t apart) {
    return axes.empty() || axes.back().extent == 1 || stride_in(axes.back(), side) == apart;
  };
  const bool is_same = std::none_of(f.batch.begin(), f.batch.end(), moves);
  const bool is_one = std::none_of(f.m.begin(), f.m.end(), moves) &&
                      std::none_of(f.n.begin(), f.n.end(), moves) && lies_apart(f.batch, 0);
  if (is_one) return MeetsSums::kOne;
  if (lies_apart(f.n, 1) && lies_apart(f.m, f.N) && lies_apart(f.batch, f.M * f.N)) {
    return MeetsSums::kInPlace;
  }
  return is_same ? MeetsSums::kAgain : MeetsSums::kEach;
}

std::int64_t tiny_depth(const ContractStep& step) {
  return round_up(step.folded.K, step.kernels->tiny_k_group);
}

bool tiny_k_is_inner(const ContractStep& step, Side side) {
  const Folded& f = step.folded;
  const bool is_lhs = side == Side::kLhs;
  if (accumulator_of(step.arithmetic).is_complex()) return is_lhs;
  const DType dtype = is_lhs ? step.lhs_dtype : step.rhs_dtype;
  const bool along_k = is_contiguous(f.k, side);
  if (step.kernels->tiny_k_group > 1 &&
      (f.K == 1 || !along_k || step.kernels->widen_rows[dtype.index()] == nullptr)) {
    return false;
  }
  return is_lhs ? along_k || !is_contiguous(f.m, side) : along_k && !is_contiguous(f.n, side);
}

bool tiny_widens_lines(const ContractStep& step, Side side) {
  const Folded& f = step.folded;
  const bool is_lhs = side == Side::kLhs;
  const DType dtype = is_lhs ? step.lhs_dtype : step.rhs_dtype;
  return (is_lhs ? step.packs_lhs : step.packs_rhs) && step.kernels->tiny_k_group == 1 &&
         !(dtype == accumulator_of(step.arithmetic)) && !f.batch.empty() &&
         stride_in(f.batch.back(), side) == 1 &&
         step.kernels->widen_rows[dtype.index()] != nullptr && f.batch.back().extent >= kTinyGroup;
}

TinyScratch tiny_scratch(const ContractStep& step) {
  const Folded& f = step.folded;
  TinyScratch s;
  const bool is_packed = step.packs_lhs || step.packs_rhs;
  if (step.is_direct && !is_packed) return s;
  const std::int64_t K = tiny_depth(step);
  const auto element = static_cast<std::int64_t>(step.kernels->panel_bytes);
  const std::int64_t largest = std::max(
      {std::int64_t{1}, f.M * f.N, step.packs_lhs ? f.M * K : 0, step.packs_rhs ? K * f.N : 0});
  const std::int64_t unit = step.groups_out || is_packed ? kTinyGroup : 1;
  const std::int64_t wanted = std::max(kTinyChunkBytes / (largest * element) / unit * unit, unit);
  s.chunk = std::min(wanted, step.blocking.row_block);
  std::size_t at = 0;
  const auto bytes_of = [&](std::int64_t elements) {
    return static_cast<std::size_t>(s.chunk * elements * element);
  };
  const std::size_t behind = kernel::kWidenedAtOnce * step.kernels->panel_bytes;
  s.lhs = take(at, step.packs_lhs ? bytes_of(f.M * K) + behind : 0);
  s.rhs = take(at, step.packs_rhs ? bytes_of(K * f.N) + behind : 0);
  const std::int64_t line = round_up(s.chunk, kernel::kWidenedAtOnce);
  const auto lines_of = [&](Side side, std::int64_t elements) {
    return tiny_widens_lines(step, side) ? static_cast<std::size_t>(line * elements * element) : 0;
  };
  s.lines = take(at, std::max(lines_of(Side::kLhs, f.M * K), lines_of(Side::kRhs, K * f.N)));
  if (!step.is_direct) {
    const std::size_t sums = bytes_of(f.M * f.N);
    const auto if_laid_out = [&](Side side) {
      const MeetsSums meets = meets_sums(step, side);
      return meets == MeetsSums::kAgain || meets == MeetsSums::kEach ? sums : 0;
    };
    s.sums = take(at, sums);
    s.planes = take(at, accumulator_of(step.arithmetic).is_complex() ? sums : 0);
    s.finished = take(at, step.finishes_apart ? sums : 0);
    s.scale = take(at, if_laid_out(Side::kScale));
    s.bias = take(at, if_laid_out(Side::kBias));
  }
  s.bytes = at;
  return s;
}

}  // namespace batchdot
