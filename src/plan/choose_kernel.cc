// SPDX-License-Identifier: Apache-2.0
// Which kernel, which blocks, what is packed, and how the work is cut. A pure function of the
// problem.

#include <algorithm>
#include <cstdlib>

#include "src/plan/plan.h"

namespace batchdot {

namespace {

using kernel::Arithmetic;

// Steps of k that are multiplied at a time. A panel of rhs whose rows are a line is to stay in L1;
// where they are wider it streams from L2.
constexpr std::int64_t kKC = 256, kWideKC = 512, kWideRow = 128;
// Rows that share a panel while it is near: of narrow panels, of wide ones, and of narrow ones of
// complex128, where kMC rows would not fit the second cache. On a Zen 3 core complex128 1024^3 was
// 1.05 times as fast with half as many, in turns.
constexpr std::int64_t kMC = 144, kWideMC = 96, kLargeElementMC = 72;
constexpr std::size_t kLargeElement = 16;  // bytes
// Elements of a packed block of rhs: 2 MB of f32.
constexpr std::int64_t kBlockElements = std::int64_t{1} << 19;
// Of rhs that is packed at a time, where its lines are spread over far k or over items of the
// batch.
constexpr std::int64_t kMostKP = 8192;
constexpr std::int64_t kGroupBytes = 2 << 20;
constexpr std::int64_t kLineElements = 16;  // of f32
constexpr std::int64_t kPageBytes = 4096;
// Multiply-adds of a work item at most, some tens of milliseconds: a run can be watched between
// them. It can be stopped between blocks. Without vectors they take so many times as long.
constexpr std::int64_t kItemWork = std::int64_t{1} << 32, kScalarSlowness = 64;
// The same where a work item is not cut into blocks.
constexpr std::int64_t kShortWork = std::int64_t{1} << 27;
// An item of one row whose K is longer than this is counted in parts of it.
constexpr std::int64_t kPartK = std::int64_t{1} << 24;
// Where K is cut it is at least so long, and there are few elements, because each is summed alone
// then. Of complex numbers so many tasks make up for dots that have no vectors. The list of block
// sums is no longer than 64 MiB of f32.
constexpr std::int64_t kLeastCutK = std::int64_t{1} << 12, kFewElements = 8;
constexpr int kTasksForComplexDots = 4;
constexpr std::int64_t kMostListed = std::int64_t{1} << 24;
// Rows whose batch does not fold are read in place where so many lie in a line.
constexpr std::int64_t kLeastLine = 32;
// Of blocks that tasks share so many for a task are tried; packing an element takes as long as so
// many multiply-adds.
constexpr std::int64_t kBlocksPerTask = 6, kPackWork = 24;
constexpr std::int64_t kScatterRows = 512;  // where sums need scratch, a work item has at most
constexpr std::int64_t kScatterColumns = 384;
// Rows that meet so many columns are packed: panels take fewer instructions than rows in place. Of
// rows that lie apart half as many elements are enough.
constexpr std::int64_t kManyColumns = 256, kManyK = kernel::kBlock;
constexpr std::int64_t kTableRows = 4096;  // where offsets stand in tables, a work item has at most
constexpr std::int64_t kL1Bytes = 40 << 10;  // of rhs that is read again for each row tile
// Of rhs that rows meet one after the other, so that the result is written along its rows. Where
// all columns of a block take more, all rows meet a panel at a time, unless the result is streamed.
constexpr std::int64_t kNearBytes = 16 << 10;
// A result that is larger than this and takes few multiply-adds an element goes past the caches;
// with more of them the lines are fetched in time, and streaming is slower.
constexpr std::int64_t kFarBytes = 32 << 20;
constexpr std::int64_t kStreamK = 32;
// Rows that lie a multiple of this apart go there in runs of so many bytes: lines of each in turn
// would meet in the same bank of memory.
constexpr std::int64_t kBankBytes = 2048, kStreamRun = 1024;
// Items of this size are asked for in advance: smaller ones come by themselves, larger ones leave
// the cache before they are used.
constexpr std::int64_t kPrefetchLeast = 24 << 10, kPrefetchMost = 1 << 20;
constexpr std::int64_t kTinyPrefetchLeast = 3500;
// Nothing is asked for in advance if all operands and the result take less: they may lie in L2.
// Where rows are computed whole they may lie in L3, too.
constexpr double kNearTotal = 1 << 20, kWholeRowsNearTotal = 16 << 20;
// Multiply-adds of a work item of tiny products, some microseconds.
constexpr std::int64_t kTinyWork = 1 << 16;

std::int64_t ceil_div(std::int64_t a, std::int64_t b) { return (a + b - 1) / b; }
std::int64_t round_up(std::int64_t a, std::int64_t b) { return ceil_div(a, b) * b; }

// The dtype whose elements lie in memory as a panel's do.
DType panel_dtype(Arithmetic arithmetic) {
  switch (arithmetic) {
    case Arithmetic::kF32:
      return F32{};
    case Arithmetic::kF64:
      return F64{};
    case Arithmetic::kC64:
      return C64{};
    case Arithmetic::kC128:
      return C128{};
    case Arithmetic::kI32:
    case Arithmetic::kI8:
      return I32{};
    case Arithmetic::kI64:
      return I64{};
    case Arithmetic::kBF16:
      return F32{};
  }
  return F32{};
}

bool is_one_stride(const FoldedAxes& axes, Side side) { return one_stride(axes, side).has_value(); }

// An operand whose lines run through the items of the batch.
bool is_along_batch(const Folded& f, Side side) {
  return !f.batch.empty() && stride_in(f.batch.back(), side) == 1 &&
         one_stride(f.k, side).value_or(1) != 1 &&
         one_stride(side == Side::kLhs ? f.m : f.n, side).value_or(1) != 1;
}

// After NC is known, which says how many columns a packed row meets.
std::string_view why_lhs_is_packed(const ContractStep& step) {
  const Folded& f = step.folded;
  if (step.lhs_dtype != panel_dtype(step.arithmetic)) return "lhs is converted while packing";
  if (step.lhs_conjugate) return "lhs is conjugated while packing";
  if (!is_one_stride(f.m, Side::kLhs) || !is_one_stride(f.k, Side::kLhs)) {
    return "the axes of lhs do not fold into M and K";
  }
  const std::int64_t columns = std::min(f.N, step.blocking.NC);
  const std::int64_t row = std::llabs(one_stride(f.m, Side::kLhs).value_or(0));
  const std::int64_t row_bytes = row * static_cast<std::int64_t>(step.kernels->panel_bytes);
  if (columns > step.blocking.NR && is_along_batch(f, Side::kLhs)) {
    return "lhs is contiguous along the batch";
  }
  if (columns >= kManyColumns && f.K >= (row > f.K ? kManyK / 2 : kManyK)) {
    return "rows of lhs are used many times";
  }
  if (columns >= 4 * step.blocking.NR && row_bytes > 0 && row_bytes % kPageBytes == 0) {
    return "rows of lhs lie whole pages apart, in the same lines of a cache, and are used many "
           "times";
  }
  return {};
}

std::string_view why_rhs_is_packed(const ContractStep& step) {
  const Folded& f = step.folded;
  if (step.rhs_dtype != panel_dtype(step.arithmetic)) return "rhs is converted while packing";
  if (panel_dtype(step.arithmetic).is_complex())
    return "complex rhs is split into re and im while packing";
  if (!is_one_stride(f.n, Side::kRhs) || !is_one_stride(f.k, Side::kRhs)) {
    return "the axes of rhs do not fold into N and K";
  }
  if (!f.n.empty() && *one_stride(f.n, Side::kRhs) != 1) return "rhs is not contiguous along N";
  const auto row_bytes = std::llabs(one_stride(f.k, Side::kRhs).value_or(0)) *
                         static_cast<std::int64_t>(step.kernels->panel_bytes);
  if (f.M > 4 * step.kernels->MR && row_bytes >= 512 && f.K * row_bytes > kL1Bytes) {
    return "rows of rhs lie far apart and are used many times";
  }
  return {};
}

// The result may hold running sums: same type, unit stride along N, nothing to be done at the
// store.
std::string_view why_sums_need_scratch(const ContractStep& step) {
  const Folded& f = step.folded;
  if (!step.finish.is_plain()) return "something is done to the sums before they are stored";
  if (panel_dtype(step.arithmetic).is_complex()) return "complex sums are kept as re and im apart";
  if (step.out_dtype != accumulator_of(step.arithmetic)) return "the result is narrower than sums";
  if (!is_one_stride(f.m, Side::kOut) || !is_one_stride(f.n, Side::kOut)) {
    return "the axes of the result do not fold into M and N";
  }
  if (f.N > 1 && *one_stride(f.n, Side::kOut) != 1) return "the result is not contiguous along N";
  return {};
}

// Rows of a panel of rhs are so wide that many of them do not stay in L1.
bool is_wide(const ContractStep& step) {
  const kernel::ArithmeticKernels& kernels = *step.kernels;
  return static_cast<std::int64_t>(kernels.panel_bytes) * kernels.NV * kernels.lanes >= kWideRow;
}

// The most steps of k for one panel: as many rows of it as KC says, each of one k or several.
std::int64_t most_KC(const ContractStep& step) {
  return (is_wide(step) ? kWideKC : kKC) * step.kernels->k_group / step.kernels->group_rows;
}

bool is_packed_as_it_is(const ContractStep& step) {
  return step.packs_rhs && step.rhs_dtype == panel_dtype(step.arithmetic) &&
         !panel_dtype(step.arithmetic).is_complex();
}

// If rhs is contiguous along the outermost of several axes of K: how far apart in K the elements of
// a line are. Else 0.
std::int64_t lines_of_rhs_are_apart_in_k(const ContractStep& step) {
  const FoldedAxes& k = step.folded.k;
  const bool is_so = is_packed_as_it_is(step) && k.size() > 1 && k.front().rhs == 1 &&
                     !is_one_stride(k, Side::kRhs);
  return is_so ? step.folded.K / k.front().extent : 0;
}

// Where rhs is contiguous along the batch, several items are packed together, so many that they
// take whole lines: all of K, and of N what leaves the panels near.
void set_up_group(ContractStep& step) {
  const Folded& f = step.folded;
  Blocking& b = step.blocking;
  if (!is_packed_as_it_is(step) || b.row_blocks != 1 || f.K > kMostKP || f.batch.empty() ||
      f.batch.back().rhs != 1 || f.N <= 1 || one_stride(f.n, Side::kRhs).value_or(1) == 1 ||
      !is_one_stride(f.k, Side::kRhs)) {
    return;
  }
  const auto element = static_cast<std::int64_t>(step.kernels->panel_bytes);
  const std::int64_t column_bytes = std::max<std::int64_t>(1, f.K) * element;
  const std::int64_t wanted = std::min(f.batch.back().extent, kLineElements * 4 / element);
  const std::int64_t columns = std::min(
      b.column_block, std::max<std::int64_t>(1, kGroupBytes / wanted / column_bytes / b.NR) * b.NR);
  const std::int64_t items =
      std::min(wanted, kGroupBytes / (round_up(columns, b.NR) * column_bytes));
  if (items < 4) return;
  step.group = static_cast<int>(items);
  b.KP = std::max<std::int64_t>(1, f.K);
  b.NC = b.column_block = columns;
  b.column_blocks = ceil_div(f.N, columns);
  step.groups_lhs = step.packs_lhs && step.lhs_dtype == step.rhs_dtype &&
                    is_along_batch(f, Side::kLhs) && f.M <= b.MC && f.K <= b.KC &&
                    items * f.M * column_bytes <= kGroupBytes;
}

// Bytes of all operands and the result, each position of M, N and K counted once.
double total_bytes(const ContractStep& step) {
  const Folded& f = step.folded;
  const auto of = [](std::int64_t extent) { return static_cast<double>(extent); };
  return of(f.batch_count) * (of(f.M) * of(f.K) + of(f.K) * of(f.N) + of(f.M) * of(f.N)) *
         static_cast<double>(step.kernels->panel_bytes);
}

// Of all ways to cut an item of the batch into blocks of at most rows x columns the one whose
// busiest task is done first: it has so many blocks, each of so many multiply-adds, and what it
// packs.
void cut_evenly(const ContractStep& step, int tasks, std::int64_t& rows, std::int64_t& columns) {
  const Folded& f = step.folded;
  const Blocking& b = step.blocking;
  const std::int64_t most_blocks = ceil_div(kBlocksPerTask * tasks, f.batch_count);
  const std::int64_t most_row_blocks = std::min(most_blocks, ceil_div(f.M, b.MR));
  const std::int64_t most_column_blocks = std::min(most_blocks, ceil_div(f.N, b.NR));
  const std::int64_t least_row_blocks = ceil_div(f.M, rows);
  const std::int64_t least_column_blocks = ceil_div(f.N, columns);
  std::int64_t best_rows = rows, best_columns = columns;
  double least = 0;
  for (std::int64_t i = least_row_blocks; i <= most_row_blocks; ++i) {
    const std::int64_t height = round_up(ceil_div(f.M, i), b.MR);
    for (std::int64_t j = least_column_blocks; i * j <= most_blocks && j <= most_column_blocks;
         ++j) {
      const std::int64_t width = round_up(ceil_div(f.N, j), b.NR);
      const std::int64_t blocks = ceil_div(f.M, height) * ceil_div(f.N, width);
      const double time = static_cast<double>(ceil_div(f.batch_count * blocks, tasks)) *
                          static_cast<double>(height * width + kPackWork * (height + width));
      if (least != 0 && time >= least) continue;
      least = time;
      best_rows = height;
      best_columns = width;
    }
  }
  rows = std::min(rows, best_rows);
  columns = std::min(columns, best_columns);
}

// Cuts a batch item into row_blocks x column_blocks so that `tasks` have equal work.
void split_work(ContractStep& step, int tasks, std::int64_t most_work) {
  const Folded& f = step.folded;
  Blocking& b = step.blocking;
  if (f.batch_count == 0 || f.M == 0 || f.N == 0) {
    b.row_block = b.column_block = 1;
    b.row_blocks = b.column_blocks = 0;
    return;
  }
  std::int64_t rows = f.M;
  std::int64_t columns = f.N;
  if (!step.is_direct) {
    rows = std::min(rows, kScatterRows);
    columns = std::min(columns, kScatterColumns);
  }
  if (f.m.size() > 1) rows = std::min(rows, kTableRows);
  if (f.n.size() > 1) columns = std::min(columns, kTableRows);
  if (tasks > 1 && f.batch_count < 8 * static_cast<std::int64_t>(tasks)) {
    cut_evenly(step, tasks, rows, columns);
  }
  const auto is_too_long = [&] {
    return static_cast<double>(rows) * static_cast<double>(columns) * static_cast<double>(f.K) >
           static_cast<double>(most_work);
  };
  while (is_too_long()) {
    const bool may_cut_rows = rows > b.MR;
    const bool may_cut_columns = columns > b.NR;
    if (!may_cut_rows && !may_cut_columns) break;
    if (may_cut_rows && (rows >= columns || !may_cut_columns)) {
      rows = round_up(ceil_div(rows, 2), b.MR);
    } else {
      columns = round_up(ceil_div(columns, 2), b.NR);
    }
  }
  b.row_block = rows;
  b.column_block = columns;
  b.row_blocks = ceil_div(f.M, rows);
  b.column_blocks = ceil_div(f.N, columns);
}

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

std::optional<Arithmetic> arithmetic_of(DType lhs, DType rhs) {
  const auto is_narrow_float = [](DType d) {
    return d == DType(F32{}) || d == DType(F16{}) || d == DType(BF16{});
  };
  const auto is_narrow_integer = [](DType d) { return d == DType(I32{}) || d == DType(I8{}); };
  if (lhs == DType(BF16{}) && rhs == lhs) return Arithmetic::kBF16;
  if (is_narrow_float(lhs) && is_narrow_float(rhs)) return Arithmetic::kF32;
  if (lhs == DType(I8{}) && rhs == lhs) return Arithmetic::kI8;
  if (is_narrow_integer(lhs) && is_narrow_integer(rhs)) return Arithmetic::kI32;
  if (!(lhs == rhs)) return std::nullopt;
  if (lhs == DType(F64{})) return Arithmetic::kF64;
  if (lhs == DType(C64{})) return Arithmetic::kC64;
  if (lhs == DType(C128{})) return Arithmetic::kC128;
  if (lhs == DType(I64{})) return Arithmetic::kI64;
  return std::nullopt;
}

DType accumulator_of(Arithmetic arithmetic) { return panel_dtype(arithmetic); }

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
  s.group_lhs = elements(std::min(b.MC, b.row_block), KC) * element;
  const auto lhs_items = static_cast<std::size_t>(step.groups_lhs ? step.group : 1);
  s.panels_lhs = take(at, step.packs_lhs ? s.group_lhs * lhs_items : 0);
  s.group_rhs = elements(padded_NC, step.kernels->panel_rows(b.KP)) * element;
  s.panels_rhs = take(at, step.packs_rhs ? s.group_rhs * static_cast<std::size_t>(step.group) : 0);
  s.sums = take(
      at, step.is_direct ? 0 : elements(b.row_block, round_up(b.column_block, b.NR)) * element);
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
  const auto width = static_cast<std::size_t>(step.kernels->dots_width);
  const std::size_t panel =
      step.packs_lhs
          ? width * static_cast<std::size_t>(step.kernels->panel_rows(step.blocking.KC)) *
                step.kernels->panel_bytes
          : 0;
  DotsScratch s;
  std::size_t at = 0;
  s.panels_lhs = take(at, panel);
  s.panels_rhs = take(at, panel);
  s.chunk = step.packs_lhs ? step.kernels->dots_width : step.blocking.row_block;
  s.sums = take(at, static_cast<std::size_t>(s.chunk) * step.kernels->panel_bytes);
  const std::size_t table = static_cast<std::size_t>(s.chunk) * sizeof(std::int64_t);
  s.lhs_items = take(at, step.packs_lhs ? table : 0);
  s.rhs_items = take(at, step.packs_lhs ? table : 0);
  s.out_items = take(at, table);
  s.bias_items = take(at, step.finish.has_bias() ? table : 0);
  s.scale_items = take(at, step.finish.has_scale() ? table : 0);
  s.lhs_k = take(at, step.packs_lhs ? table_bytes(f.k, step.blocking.KC) : 0);
  s.rhs_k = take(at, step.packs_lhs ? table_bytes(f.k, step.blocking.KC) : 0);
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

namespace {

// Rows of both operands can be read where they lie, by kernels that take no offsets.
std::string_view why_rows_are_not_read_in_place(const ContractStep& step) {
  const Folded& f = step.folded;
  const DType element = panel_dtype(step.arithmetic);
  if (step.arithmetic != Arithmetic::kF32 && step.arithmetic != Arithmetic::kF64) {
    return "there is no such kernel for this arithmetic";
  }
  if (!(step.lhs_dtype == element) || !(step.rhs_dtype == element)) return "operands are converted";
  if (one_stride(f.k, Side::kLhs) != 1 || one_stride(f.k, Side::kRhs) != 1) {
    return "K is not contiguous in both operands";
  }
  return {};
}

std::string_view why_dots_are_packed(const ContractStep& step) {
  const Folded& f = step.folded;
  if (step.kernels->row_dots == nullptr) return "the target has no such kernel";
  if (const auto line = rows_in_line(f.batch); line < f.batch_count && line < kLeastLine) {
    return "the axes of the batch do not fold";
  }
  return why_rows_are_not_read_in_place(step);
}

std::string_view dots_refuse(const ContractStep& step) {
  const Folded& f = step.folded;
  if (f.M != 1 || f.N != 1) return "M * N > 1";
  if (f.batch_count <= 1 && !why_dots_are_packed(step).empty()) return "one item alone";
  return {};
}

void set_up_dots(ContractStep& step, int tasks, std::vector<Refusal>& refused) {
  const kernel::ArithmeticKernels& kernels = *step.kernels;
  const Folded& f = step.folded;
  Blocking& b = step.blocking;
  const std::string_view why = why_dots_are_packed(step);
  step.packs_lhs = step.packs_rhs = !why.empty();
  const std::int64_t most = std::max<std::int64_t>(
      1, std::min(kDotsPerItem, kShortWork / std::max<std::int64_t>(1, f.K)));
  const std::int64_t items = round_up(ceil_div(f.batch_count, most), std::max(1, tasks));
  const std::int64_t share = items == 0 ? 1 : ceil_div(f.batch_count, items);
  if (why.empty()) {
    b.KC = std::clamp<std::int64_t>(f.K, 1, kPartK);
    step.parts = std::max<std::int64_t>(1, ceil_div(f.K, b.KC));
    b.row_block = step.parts > 1 ? 1 : std::min(most, round_up(share, kernels.lanes));
  } else {
    refused.push_back({"rows in place", why});
    b.row_block = round_up(share, kernels.dots_width);
  }
  step.items = ceil_div(f.batch_count, b.row_block);
  step.task_bytes = dots_scratch(step).bytes;
  b.MC = b.NC = 1;
}

// One chain for an element, no scratch: K within a block, operands and result as they lie.
std::string_view tiny_refuses(const ContractStep& step) {
  const Folded& f = step.folded;
  if (step.kernels->tiny == nullptr) return "this arithmetic has no tiny kernel";
  if (f.M > kernel::kTinyM || f.N > kernel::kTinyN || f.K > kernel::kTinyK) {
    static_assert(kernel::kTinyM == 32 && kernel::kTinyN == 32 && kernel::kTinyK == 64);
    return "M or N is over 32, or K over 64";
  }
  if (f.M * f.N == 1) return "M * N = 1";
  if (const auto why = why_sums_need_scratch(step); !why.empty()) return why;
  if (step.lhs_dtype != panel_dtype(step.arithmetic) || step.rhs_dtype != step.lhs_dtype) {
    return "an operand is converted while packing";
  }
  if (f.m.size() > 1 || f.n.size() > 1 || f.k.size() > 1) {
    return "the axes do not fold into M, N and K";
  }
  if (f.n.empty() || f.n[0].rhs == 1) return {};
  if (!f.k.empty() && f.k[0].rhs != 1) return "rhs is contiguous neither along N nor along K";
  return {};
}

void set_up_tiny(ContractStep& step, int tasks, std::vector<Refusal>&) {
  const Folded& f = step.folded;
  Blocking& b = step.blocking;
  step.is_direct = true;
  step.packs_lhs = step.packs_rhs = false;
  b.MC = f.M;
  b.NC = f.N;
  const auto stride_along = [](const FoldedAxes& axes, Side side) {
    return axes.empty() ? 0 : stride_in(axes.back(), side);
  };
  kernel::TinyCall& call = step.tiny;
  call.M = f.M;
  call.N = f.N;
  call.K = f.K;
  call.a_item = stride_along(f.batch, Side::kLhs);
  call.a_row = stride_along(f.m, Side::kLhs);
  call.a_k = stride_along(f.k, Side::kLhs);
  call.b_item = stride_along(f.batch, Side::kRhs);
  call.b_column = f.N == 1 ? 1 : stride_along(f.n, Side::kRhs);
  call.b_k = stride_along(f.k, Side::kRhs);
  call.out_item = stride_along(f.batch, Side::kOut);
  call.out_row = stride_along(f.m, Side::kOut);
  const auto element = static_cast<std::int64_t>(step.kernels->panel_bytes);
  const bool rows_are_whole =
      f.N <= kernel::tiny_vectors(step.kernels->lanes) * step.kernels->lanes;
  step.prefetches = (f.M * f.K + f.K * f.N + f.M * f.N) * element >= kTinyPrefetchLeast &&
                    total_bytes(step) > (rows_are_whole ? kWholeRowsNearTotal : kNearTotal);
  call.asks = step.prefetches;
  const std::int64_t work = std::max<std::int64_t>(1, f.M * f.N * f.K);
  const std::int64_t share = ceil_div(f.batch_count, std::max(1, tasks));
  b.row_block = std::clamp<std::int64_t>(share, 1, std::max<std::int64_t>(1, kTinyWork / work));
  step.items = f.M * f.N == 0 ? 0 : ceil_div(f.batch_count, b.row_block);
}

std::string_view vector_refuse(const ContractStep& step) {
  const Folded& f = step.folded;
  if (f.M < 1 || f.M > kernel::kMaxVectorRows) return "M is not 1 to 4";
  if (f.N < step.kernels->lanes) return "N fills no vector";
  if (step.kernels->vector_rows[f.M - 1] == nullptr) return "the target has no such kernel";
  if (!is_one_stride(f.m, Side::kLhs) || !is_one_stride(f.n, Side::kRhs)) {
    return "the axes of the operands do not fold into M and N";
  }
  return why_rows_are_not_read_in_place(step);
}

void set_up_vector(ContractStep& step, int tasks, std::vector<Refusal>& refused) {
  Blocking& b = step.blocking;
  const std::string_view why = why_sums_need_scratch(step);
  if (!why.empty()) refused.push_back({"sums kept in the result", why});
  step.is_direct = why.empty();
  step.packs_lhs = step.packs_rhs = false;
  b.MR = static_cast<int>(step.folded.M);
  b.NR = step.kernels->lanes;
  b.KC = std::clamp<std::int64_t>(step.folded.K, 1, kShortWork / kernel::kMaxVectorRows / b.NR);
  b.KC = b.KC < step.folded.K ? b.KC / kernel::kBlock * kernel::kBlock : b.KC;
  split_work(step, tasks, kShortWork);
  b.MC = b.MR;
  b.NC = b.column_block;
  step.items = step.folded.batch_count * b.column_blocks;
  step.task_bytes = vector_scratch(step).bytes;
}

void set_up_tiles(ContractStep& step, int tasks, std::vector<Refusal>& refused) {
  Blocking& b = step.blocking;
  const auto refuse = [&](std::string_view what, std::string_view why) {
    if (!why.empty()) refused.push_back({what, why});
    return !why.empty();
  };
  step.is_direct = !refuse("sums kept in the result", why_sums_need_scratch(step));
  step.packs_rhs = refuse("rhs in place", why_rhs_is_packed(step));
  b.MC = is_wide(step)                                ? kWideMC
         : step.kernels->panel_bytes >= kLargeElement ? kLargeElementMC
                                                      : kMC;
  b.NC = kBlockElements / most_KC(step);
  b.KP = b.KC;
  const std::int64_t apart = lines_of_rhs_are_apart_in_k(step);
  if (apart > 0 &&
      apart <= kMostKP / 4) {  // else a line would be read for fewer than four elements
    b.KP = std::min({step.folded.K, round_up(apart * kLineElements, kernel::kBlock), kMostKP});
    const std::int64_t most = std::max<std::int64_t>(b.NR, kBlockElements / b.KP / b.NR * b.NR);
    const std::int64_t blocks = std::max<std::int64_t>(1, ceil_div(step.folded.N, most));
    b.NC = std::max<std::int64_t>(b.NR, round_up(ceil_div(step.folded.N, blocks), b.NR));
  }
  step.packs_lhs = refuse("lhs in place", why_lhs_is_packed(step));
  split_work(step, tasks, step.kernels->lanes > 1 ? kItemWork : kItemWork / kScalarSlowness);
  set_up_group(step);
  const Folded& f = step.folded;
  const auto element = static_cast<std::int64_t>(step.kernels->panel_bytes);
  const std::int64_t width = std::min(b.NC, b.column_block);
  const std::int64_t rows = std::min(b.MC, b.row_block);
  const std::int64_t near = (rows * b.KC + width * b.KC + rows * width) * element;
  step.prefetches = near >= kPrefetchLeast && near <= kPrefetchMost && f.K <= b.KC &&
                    total_bytes(step) > kNearTotal;
  const double out_bytes = static_cast<double>(f.batch_count) * static_cast<double>(f.M) *
                           static_cast<double>(f.N) * static_cast<double>(element);
  step.streams = step.is_direct && f.K <= std::min(kStreamK, b.KC) && out_bytes > kFarBytes;
  const std::int64_t near_panels = std::max<std::int64_t>(1, kNearBytes / (b.KC * b.NR * element));
  step.gathers =
      step.streams && f.M > 1 && *one_stride(f.m, Side::kOut) * element % kBankBytes == 0;
  const std::int64_t run = ceil_div(kStreamRun, b.NR * element);
  step.near_panels = step.gathers                                  ? std::max(near_panels, run)
                     : step.streams || near_panels * b.NR >= width ? near_panels
                                                                   : 1;
  step.items = step.folded.batch_count * b.row_blocks * b.column_blocks;
  step.task_bytes = tile_scratch(step).bytes;
}

// The forms in order of preference: the first that does not refuse is taken, and what the others
// said is kept. The last one takes everything.
constexpr struct {
  ContractStep::Form form;
  std::string_view name;
  std::string_view (*refuses)(const ContractStep& step);  ///< empty: it may run
  void (*set_up)(ContractStep& step, int tasks, std::vector<Refusal>& refused);
  bool has_blocks;  ///< Blocking's MR to NC say how it goes
} kForms[] = {
    {ContractStep::Form::kDots, "dots", dots_refuse, set_up_dots, false},
    {ContractStep::Form::kTiny, "tiny", tiny_refuses, set_up_tiny, false},
    {ContractStep::Form::kVector, "vector", vector_refuse, set_up_vector, true},
    {ContractStep::Form::kTiles, "tiles", nullptr, set_up_tiles, true},
};

const auto& row_of(ContractStep::Form form) {
  for (const auto& row : kForms) {
    if (row.form == form) return row;
  }
  return kForms[0];  // each form has a row
}

// What a step is before its kernel is chosen, for axes of its own: each element of the result is an
// item of the batch.
ContractStep step_of_elements(const ContractStep& step, FoldedAxes batch, const FoldedAxes& k) {
  ContractStep part;
  part.lhs = step.lhs;
  part.rhs = step.rhs;
  part.out = step.out;
  part.lhs_dtype = step.lhs_dtype;
  part.rhs_dtype = step.rhs_dtype;
  part.out_dtype = step.out_dtype;
  part.lhs_conjugate = step.lhs_conjugate;
  part.rhs_conjugate = step.rhs_conjugate;
  part.arithmetic = step.arithmetic;
  part.kernels = step.kernels;
  part.folded.batch_count = count_of(batch);
  part.folded.batch = std::move(batch);
  part.folded.K = count_of(k);
  part.folded.k = k;
  return part;
}

// Elements that lie in a list, `apart` of its own elements from each other.
FoldedAxes listed(FoldedAxes elements, std::int64_t apart) {
  for (std::size_t i = elements.size(); i-- > 0; apart *= elements[i].extent) {
    elements[i].out = apart;
    elements[i].bias = elements[i].scale = 0;
  }
  return elements;
}

// Lines run along the first rather than along the second: they are to be read side by side.
bool is_finer(std::int64_t stride, std::int64_t other) {
  return stride != 0 && std::llabs(stride) < std::llabs(other);
}

// Tasks wait while the busiest one works: for more than an eighth of the time.
bool leaves_tasks_idle(const ContractStep& step, int tasks) {
  const bool is_rows = step.form == ContractStep::Form::kDots;
  const std::int64_t busiest =
      ceil_div(step.items, tasks) * (is_rows ? step.blocking.row_block : 1);
  const std::int64_t all = is_rows ? step.folded.batch_count : step.items;
  return static_cast<double>(all) < 7.0 / 8 * static_cast<double>(busiest) * tasks;
}

// A tile of few elements waits for its few chains of multiply-adds; blocks are chains of their own,
// one a lane. Not where packing takes longer than the chains: elements of 8 bytes, or far apart. Of
// packed dots most lanes of a panel would be padding.
bool has_few_chains(const ContractStep& step) {
  const Folded& f = step.folded;
  if (step.form == ContractStep::Form::kDots) {
    return step.packs_lhs && f.batch_count <= step.kernels->dots_width / 4;
  }
  const auto is_near = [](std::int64_t stride) { return stride == 0 || stride == 1; };
  const FoldedAxis& k = f.k.front();
  return step.form == ContractStep::Form::kTiles && step.kernels->lanes > 1 &&
         f.batch_count <= kFewElements / (f.M * f.N) && is_near(k.lhs) && is_near(k.rhs) &&
         (f.M * f.N > 1 || step.kernels->panel_bytes <= 4);
}

bool gains_by_a_cut(const ContractStep& step, int tasks) {
  const Folded& f = step.folded;
  if (f.K < kLeastCutK || f.k.size() > 1 || step.items == 0) return false;
  // Rows in place: a packed operand would be packed again for each element.
  if (f.M * f.N > 1 &&
      (f.M * f.N > kFewElements || step.form != ContractStep::Form::kTiles ||
       step.kernels->row_dots == nullptr || !why_rows_are_not_read_in_place(step).empty())) {
    return false;
  }
  const int least = panel_dtype(step.arithmetic).is_complex() ? kTasksForComplexDots : 2;
  return has_few_chains(step) || (tasks >= least && leaves_tasks_idle(step, tasks));
}

}  // namespace

std::optional<CutOfK> cut_k(const ContractStep& step, int tasks, std::int64_t list_offset) {
  if (!gains_by_a_cut(step, tasks)) return {};
  const Folded& f = step.folded;
  FoldedAxes elements = f.batch;
  elements.insert(elements.end(), f.m.begin(), f.m.end());
  elements.insert(elements.end(), f.n.begin(), f.n.end());
  const std::int64_t count = f.batch_count * f.M * f.N;
  const FoldedAxis k = f.k.front();
  const std::int64_t blocks = f.K / kernel::kBlock, rest = f.K % kernel::kBlock;
  CutOfK cut;
  cut.block_sums = ceil_div(f.K, kernel::kBlock);
  if (count > kMostListed / cut.block_sums) return {};
  const DType sum = panel_dtype(step.arithmetic);
  const auto sum_bytes = static_cast<std::int64_t>(sum.size_bytes());
  const Place list{Place::Where::kWorkspace, 0, list_offset};
  const Place list_of_rests{Place::Where::kWorkspace, 0, list_offset + count * blocks * sum_bytes};
  cut.list_bytes = static_cast<std::size_t>(count * cut.block_sums * sum_bytes);

  FoldedAxes batch = listed(elements, blocks);
  const bool is_along_elements =
      std::any_of(elements.begin(), elements.end(), [&](const FoldedAxis& axis) {
        return is_finer(axis.lhs, k.lhs) || is_finer(axis.rhs, k.rhs);
      });
  batch.insert(is_along_elements ? batch.begin() : batch.end(),
               {blocks, kernel::kBlock * k.lhs, kernel::kBlock * k.rhs, 1});
  cut.whole = step_of_elements(step, std::move(batch), {{kernel::kBlock, k.lhs, k.rhs}});
  cut.whole.out = list;
  cut.whole.out_dtype = sum;
  if (rest > 0) {
    cut.rest = step_of_elements(step, listed(elements, 1), {{rest, k.lhs, k.rhs}});
    const std::int64_t behind = f.K - rest;
    cut.rest->lhs.offset_bytes +=
        behind * k.lhs * static_cast<std::int64_t>(step.lhs_dtype.size_bytes());
    cut.rest->rhs.offset_bytes +=
        behind * k.rhs * static_cast<std::int64_t>(step.rhs_dtype.size_bytes());
    cut.rest->out = list_of_rests;
    cut.rest->out_dtype = sum;
  }
  cut.addition = step_of_elements(step, std::move(elements), {{blocks, 1, 0}});
  ContractStep& addition = cut.addition;
  addition.form = ContractStep::Form::kDots;
  addition.lhs = list;
  addition.rhs = rest > 0 ? list_of_rests : Place{};
  addition.finish = step.finish;
  addition.packs_lhs = addition.packs_rhs = false;
  addition.adds_blocks = true;
  addition.blocking.row_block = 1;
  addition.items = count;
  addition.task_bytes = dots_scratch(addition).bytes;
  return cut;
}

std::string_view name_of(ContractStep::Form form) { return row_of(form).name; }
bool has_blocks(ContractStep::Form form) { return row_of(form).has_blocks; }

void choose_kernel(ContractStep& step, int tasks, std::vector<Refusal>& refused) {
  Blocking& b = step.blocking;
  b.MR = step.kernels->MR;
  b.NR = step.kernels->NV * step.kernels->lanes;
  b.KC = std::clamp<std::int64_t>(step.folded.K, 1, most_KC(step));
  for (const auto& form : kForms) {
    const std::string_view refusal = form.refuses == nullptr ? "" : form.refuses(step);
    if (refusal.empty()) {
      step.form = form.form;
      return form.set_up(step, tasks, refused);
    }
    refused.push_back({form.name, refusal});
  }
}

}  // namespace batchdot
