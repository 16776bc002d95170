// SPDX-License-Identifier: Apache-2.0
// Which kernel, which blocks, what is packed, and how the work is cut; of tiny products in
// choose_tiny.cc. A pure function of the problem, the target's table, the number of tasks and the
// size of the last cache.

#include "src/plan/choose_kernel.h"

#include <algorithm>
#include <cstdlib>
#include <limits>

#include "src/plan/plan.h"

namespace batchdot {

namespace {

using kernel::Arithmetic;

// Steps of k that are multiplied at a time. A panel of rhs whose rows are a line is to stay in L1;
// where they are wider it streams from L2.
constexpr std::int64_t kKC = 256, kWideKC = 512, kWideRow = 128;
// Panels of the wide register tile at most. In turns on an Emerald Rapids core: one 1.22, two 1.01
// to 1.17, four 0.90, more 0.96 to 1.00.
constexpr std::int64_t kWidePanels = 2;
// Rows that share a panel while it is near; of complex128 in narrow panels kMC rows would not fit
// the second cache. On a Zen 3 core complex128 1024^3 was 1.05 times as fast with half as many, in
// turns.
constexpr std::int64_t kMC = 144, kLargeElementMC = 72;
// With wide panels blocks are alike, and up to kWholeRows rows are one: what the next item asks for
// is asked for during all of them. In turns on an Emerald Rapids core 128 rows 1.06 to 1.28 of 96
// and 32, 192 1.13 of 96 and 96, 256 1.08; of 1024 rows 104 to 176 a block 0.98 to 1.04. kNearMC
// where rows and a panel stay in the first cache while several panels pass.
constexpr std::int64_t kWholeRows = 264, kNearMC = 96;
constexpr std::size_t kLargeElement = 16;  // bytes
// Of rows that share lines as many are packed at a time as take so much, if a line then holds at
// least so many of them. Measured on a Zen 3 core.
constexpr std::int64_t kSharedLinesBytes = 1 << 20, kRowsOfALine = 4;
// Elements of a packed block of rhs: 2 MiB of f32, or half as many more if that is all. Measured on
// a Zen 3 core.
constexpr std::int64_t kBlockElements = std::int64_t{1} << 19;
// Wide panels come from the second cache anyway: more columns, for which lhs is packed once. 1.15
// on W14e, in turns on an Emerald Rapids core.
constexpr std::int64_t kWideBlockElements = std::int64_t{1} << 20;
// Where rows stay and panels pass, twice as many columns if the block stays in the second cache:
// lhs is packed once for them. In turns on that core i8 1024^3 1.07 and 1.08, once 0.96.
constexpr std::int64_t kPassingBlockBytes = 1 << 20;
// Of a block whose lines are spread over far k more columns pay: their lines lie near each other,
// and lhs is packed once for all of them. Measured on a Zen 3 core.
constexpr std::int64_t kFarLinesBytes = 10 << 20;
// Lines come in pairs: twice as much, where the last cache holds four times that of each task. In
// turns on W14d on an Emerald Rapids core with 300 MB of it 1.09 and, on two threads, 1.04; three
// and four lines 1.0.
constexpr std::int64_t kLinePairCaches = 4;
// Of rhs that is packed at a time, where its lines are spread over far k or over items of the
// batch.
constexpr std::int64_t kMostKP = 8192;
constexpr std::int64_t kGroupBytes = 2 << 20, kLeastGroup = 4;
// Of small items more than one line is packed at a time, up to so much: a page that is visited
// gives several lines. In turns on an Emerald Rapids core W14a.lhs 1.13, 1.24, 1.29, 1.15 and 1.06
// with 330, 440, 660, 1,000 and 1,300 KB, W14a 1.2 with any of them. Not measured elsewhere.
constexpr std::int64_t kGroupNearBytes = 352 << 10, kWideGroupNearBytes = 704 << 10;
constexpr std::int64_t kLineBytes = 64;
constexpr std::int64_t kPageBytes = 4096;
// Multiply-adds of a work item, or of a part of it, at most, some tens of milliseconds: a run can
// be watched between them. It can be stopped between blocks. Without vectors they take so many
// times as long.
constexpr std::int64_t kItemWork = std::int64_t{1} << 32, kScalarSlowness = 64;
// The same where a work item is not cut into blocks.
constexpr std::int64_t kShortWork = std::int64_t{1} << 27;
// An item of one row whose K is longer than this is counted in parts of it.
constexpr std::int64_t kPartK = std::int64_t{1} << 24;
// Rows whose batch does not fold are read in place where so many lie in a line.
constexpr std::int64_t kLeastLine = 32;
// Of blocks that tasks share so many for a task are tried; packing an element takes as long as so
// many multiply-adds, more where its line is spread over far k.
constexpr std::int64_t kBlocksPerTask = 6, kPackWork = 24, kPackLinesWork = 72;
constexpr std::int64_t kScatterRows = 512;  // where sums need scratch, a work item has at most
constexpr std::int64_t kScatterColumns = 384;
// Where the results of a group of items are stored together, a block has about so many rows and
// columns: the sums of sixteen items stay in the second cache. What stores them takes a width of
// int, which may be a step over the end of an axis.
constexpr std::int64_t kGroupSide = 128, kMostWidth = std::numeric_limits<int>::max() / 2;
// Rows that meet so many columns are packed: panels take fewer instructions than rows in place. Of
// rows that lie apart half as many elements are enough.
constexpr std::int64_t kManyColumns = 256, kManyK = kernel::kBlock;
constexpr std::int64_t kTableRows = 4096;  // where offsets stand in tables, a work item has at most
// Of rhs that is read again for each row tile: in the first cache, or in the second one where so
// few rows meet it that packing would not pay. Tuned on a Zen 3 core; on an Emerald Rapids core the
// second cache gives 1.00 to 1.09.
constexpr std::int64_t kL1Bytes = 40 << 10, kL2Bytes = 144 << 10, kL2Rows = 128;
// Of rhs that rows meet one after the other, so that the result is written along its rows. Where
// all columns of a block take more, all rows meet a panel at a time, unless the result is streamed,
// or the block is one of a large product: its sums come from far, and memory gives long runs of a
// row faster than a line of each row in turn. Wide panels of such a block would come from far, too.
constexpr std::int64_t kNearBytes = 16 << 10, kFarBlock = 256 << 10;  // tuned on a Zen 3 core
// Rows that are converted as they lie have so many elements at least.
constexpr std::int64_t kLeastWidened = 16;
// Where all columns take so much in wide panels, rows go by a few at a time: sums that are not kept
// in the result are stored from the first cache. In turns on an Emerald Rapids core W1_f16 1.06 of
// one store for all rows; 6, 18 and 24 rows at a time 0.98 to 1.01.
constexpr std::int64_t kNearColumnsBytes = 32 << 10, kEarlyTiles = 2;
// A result that is larger than this and takes few multiply-adds an element goes past the caches;
// with more of them the lines are fetched in time, and streaming is slower. Wide panels take so
// many in less time. In turns on an Emerald Rapids core, f32: W7_64 1.09 to 1.16, W1 1.03 to 1.1,
// W2 1.03 to 1.06, W7_128 1.02 to 1.05, 64 x 64 by 64 x 144 1.2, W10 and W13 0.97 to 1.0; f64 with
// K = 64 1.15; i8 by AMX: W1 1.13 to 1.5, W2 1.0 to 1.1. Complex numbers have four multiply-adds
// for one, and go there from scratch: complex64 W1 1.09, K of 16 1.29, of 128 1.05, of 256 1.03,
// complex128 W1 1.18; with AVX2 on that core W1 1.08, K of 16 1.18, of 128 1.05.
constexpr std::int64_t kFarBytes = 32 << 20;  // of wide panels: kWideFarBytes
constexpr std::int64_t kStreamK = 32, kWideStreamK = 128;
// Lines of the result that groups store lie far apart. In turns on that core, to results of 13 and
// 190 MB: past the caches 2 and 2.7, asked for before they are written 1.06 and 1.4.
constexpr std::int64_t kGroupFarBytes = 4 << 20;
static_assert(kWideStreamK <= kernel::kBlock);  // TileCall::streams
// Rows that lie a multiple of this apart go there in runs of so many bytes: lines of each in turn
// would meet in the same bank of memory. Tiles of wide panels write runs that are long enough: in
// turns on W11 1.36 on an Emerald Rapids core.
constexpr std::int64_t kBankBytes = 2048, kStreamRun = 1024;
// Items of this size are asked for in advance: smaller ones come by themselves, unless the next one
// is far away, and larger ones leave the cache before they are used.
constexpr std::int64_t kPrefetchLeast = 16 << 10, kPrefetchMost = 1 << 20;
constexpr std::int64_t kPrefetchLeastApart = 8 << 10;
// Lines come in pairs by themselves, and what asks for lines is scarce: every other one is asked
// for. With wide panels every line of small items: in turns on an Emerald Rapids core 1.04 to 1.10,
// of items of 190 KB 0.90 to 1.03.
constexpr std::int64_t kEveryLineMost = 128 << 10;
constexpr std::int64_t kLinePairBytes = 128;
// Elementwise products of a work item: some microseconds.
constexpr std::int64_t kProductsPerItem = 1 << 13;

// `count` in equal shares of at most `most`, each whole units of `unit`.
std::int64_t even_share(std::int64_t count, std::int64_t most, std::int64_t unit) {
  return round_up(ceil_div(count, ceil_div(count, most)), unit);
}

double multiply_adds(std::int64_t rows, std::int64_t columns, std::int64_t depth) {
  return static_cast<double>(rows) * static_cast<double>(columns) * static_cast<double>(depth);
}

bool is_packed_as_it_is(const ContractStep& step, DType dtype) {
  const DType accumulator = accumulator_of(step.arithmetic);
  return dtype == accumulator && !accumulator.is_complex();
}

// If the rows or columns of several items of the batch may be packed together, from the same lines.
bool lies_in_groups(const ContractStep& step, Side side) {
  const DType dtype = side == Side::kLhs ? step.lhs_dtype : step.rhs_dtype;
  return is_along_batch(step.folded, side) && is_packed_as_it_is(step, dtype) &&
         step.blocking.row_blocks == 1 && step.folded.K <= kMostKP;
}
bool rhs_lies_in_groups(const ContractStep& step) {
  return step.packs_rhs && step.folded.N > 1 && lies_in_groups(step, Side::kRhs);
}

// How many items of the batch have all their lhs packed together; 0 if none have.
std::int64_t items_of_lhs(const ContractStep& step) {
  const Folded& f = step.folded;
  const std::int64_t element = element_bytes(step);
  if (!lies_in_groups(step, Side::kLhs) || f.M > kGroupBytes ||
      (step.blocking.column_blocks > 1 && !rhs_lies_in_groups(step))) {
    return 0;
  }
  const std::int64_t bytes = std::max<std::int64_t>(1, f.M * f.K * element);
  const std::int64_t items =
      std::min({f.batch.back().extent, kLineBytes / element, kGroupBytes / bytes});
  return items < kLeastGroup ? 0 : items;
}

// After split_work, which says how many columns a packed row meets at most.
std::string_view why_lhs_is_packed(const ContractStep& step) {
  const Folded& f = step.folded;
  if (step.kernels->a_along_k) {
    if (one_stride(f.k, Side::kLhs) != 1) return "lhs is not contiguous along K";
    if (f.K % step.kernels->k_group != 0) return "the last steps of k are padded while packing";
    if (f.M > 1 && one_stride(f.m, Side::kLhs) == 0) return "the rows of lhs are all one";
  } else if (step.lhs_dtype != accumulator_of(step.arithmetic)) {
    return "lhs is converted while packing";
  }
  if (step.lhs_conjugate) return "lhs is conjugated while packing";
  if (!is_one_stride(f.m, Side::kLhs) || !is_one_stride(f.k, Side::kLhs)) {
    return "the axes of lhs do not fold into M and K";
  }
  const std::int64_t columns = std::min({f.N, step.blocking.NC, step.blocking.column_block});
  const std::int64_t row = std::llabs(one_stride(f.m, Side::kLhs).value_or(0));
  const std::int64_t row_bytes = row * static_cast<std::int64_t>(step.lhs_dtype.size_bytes());
  if (is_along_batch(f, Side::kLhs) && (columns > step.blocking.NR || items_of_lhs(step) > 0)) {
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
  if (step.rhs_dtype != accumulator_of(step.arithmetic)) return "rhs is converted while packing";
  if (accumulator_of(step.arithmetic).is_complex()) {
    if (f.M > kernel::kMaxVectorRows || step.kernels->tile_pairs[0][0] == nullptr) {
      return "complex rhs is split into re and im while packing";
    }
    if (step.rhs_conjugate) return "rhs is conjugated while packing";
  }
  if (!is_one_stride(f.n, Side::kRhs) || !is_one_stride(f.k, Side::kRhs)) {
    return "the axes of rhs do not fold into N and K";
  }
  if (!f.n.empty() && *one_stride(f.n, Side::kRhs) != 1) return "rhs is not contiguous along N";
  const auto row_bytes = std::llabs(one_stride(f.k, Side::kRhs).value_or(0)) * element_bytes(step);
  // Rows that are longer than half a page fall into few lines of the first cache.
  const bool may_be_far = f.M <= kL2Rows && 2 * row_bytes <= kPageBytes;
  const bool is_near = f.K * row_bytes <= (may_be_far ? kL2Bytes : kL1Bytes);
  if (f.M > 4 * step.kernels->MR && row_bytes >= 512 && !is_near) {
    return "rows of rhs lie far apart and are used many times";
  }
  return {};
}

// The same for running sums.
std::string_view why_sums_need_scratch(const ContractStep& step) {
  const std::string_view why = why_result_holds_no_sums(step);
  if (!why.empty() || !accumulator_of(step.arithmetic).is_complex()) return why;
  return "complex sums are kept as re and im apart";
}

// The most steps of k for one panel: as many rows of it as KC says, each of one k or several.
std::int64_t most_KC(const ContractStep& step) {
  return (is_wide(step) ? kWideKC : kKC) * step.kernels->k_group / step.kernels->group_rows;
}

// If a line of lhs holds rows that lie far apart in M, which is ordered by the result, and several
// of them are among `rows`.
bool rows_share_lines(const ContractStep& step, std::int64_t rows) {
  const FoldedAxes& m = step.folded.m;
  if (!(step.lhs_dtype == accumulator_of(step.arithmetic)) || m.size() < 2) return false;
  std::int64_t apart = m.back().extent;
  for (std::size_t i = m.size() - 1; i-- > 0; apart *= m[i].extent) {
    if (std::llabs(m[i].lhs) == 1) return apart <= rows / kRowsOfALine;
  }
  return false;
}

// If rhs is contiguous along the outermost of several axes of K: how far apart in K the elements of
// a line are. Else 0.
std::int64_t lines_of_rhs_are_apart_in_k(const ContractStep& step) {
  const FoldedAxes& k = step.folded.k;
  const bool is_so = step.packs_rhs && is_packed_as_it_is(step, step.rhs_dtype) && k.size() > 1 &&
                     k.front().rhs == 1 && !is_one_stride(k, Side::kRhs);
  return is_so ? step.folded.K / k.front().extent : 0;
}

// How many items of the batch follow each other in each tensor that groups are of.
std::int64_t items_in_a_run(const Folded& f, bool of_lhs, bool of_rhs, bool of_out) {
  std::int64_t items = 1;
  for (std::size_t i = f.batch.size(); i-- > 0; items *= f.batch[i].extent) {
    const FoldedAxis& axis = f.batch[i];
    if ((of_lhs && axis.lhs != items) || (of_rhs && axis.rhs != items) ||
        (of_out && axis.out != items)) {
      break;
    }
  }
  return items;
}

// Where a tensor is contiguous along the batch, several items are packed or stored together, so
// many that they take whole lines: of operands all of K, and of N what leaves the panels near. Of
// small items several lines.
void set_up_group(ContractStep& step, int tasks, std::int64_t most_work) {
  const Folded& f = step.folded;
  Blocking& b = step.blocking;
  const bool of_rhs = rhs_lies_in_groups(step);
  const std::int64_t of_lhs = step.packs_lhs ? items_of_lhs(step) : 0;
  const bool of_out = out_lies_in_groups(step);
  if (of_lhs == 0 && !of_rhs && !of_out) return;
  const std::int64_t element = element_bytes(step);
  const std::int64_t column_bytes = std::max<std::int64_t>(1, f.K) * element;
  const std::int64_t run = items_in_a_run(f, of_lhs > 0, of_rhs, of_out);
  std::int64_t of_a_line = kLineBytes / element;
  std::int64_t items = of_lhs > 0 ? of_lhs : std::min(run, of_a_line);
  std::int64_t columns = b.column_block, bytes = of_lhs > 0 ? f.M * column_bytes : 0;
  if (of_rhs) {
    const std::int64_t most_columns = kGroupBytes / items / column_bytes / b.NR * b.NR;
    columns = std::min(columns, std::max<std::int64_t>(b.NR, most_columns));
    items = std::min(items, kGroupBytes / (round_up(columns, b.NR) * column_bytes));
    bytes += round_up(columns, b.NR) * column_bytes;
  }
  const bool is_apart = of_out && !is_packed_as_it_is(step, step.out_dtype);
  if (of_out) {
    const auto out_element = static_cast<std::int64_t>(step.out_dtype.size_bytes());
    const std::int64_t block = b.row_block * round_up(columns, b.NR);
    const std::int64_t kept = block * (is_apart ? out_element : element);
    if (of_lhs == 0 && !of_rhs) {
      of_a_line = kLineBytes / out_element;
      items = std::min(run, of_a_line);
    }
    items = std::min(items, kGroupBytes / kept);
    bytes += kept;
  }
  // Items whose results are stored together are counted after all of them.
  const double work =
      multiply_adds(b.row_block, columns, f.K) * static_cast<double>(of_out ? items : 1);
  if (items < kLeastGroup || work > static_cast<double>(most_work)) return;
  b.column_blocks = ceil_div(f.N, columns);
  const std::int64_t most =
      std::min({run, (is_wide(step) ? kWideGroupNearBytes : kGroupNearBytes) / bytes,
                f.batch_count * b.row_blocks * b.column_blocks / (kBlocksPerTask * tasks)});
  if (most >= 2 * of_a_line) items = most / of_a_line * of_a_line;
  if (most == run) items = run;
  step.group = static_cast<int>(items);
  step.run_of_groups = run;
  step.groups_lhs = of_lhs > 0;
  step.groups_rhs = of_rhs;
  step.groups_out = of_out;
  step.finishes_apart = is_apart;
  b.column_block = columns;
  if (step.groups_lhs) {
    b.MC = std::max(b.MC, round_up(f.M, b.MR));
    b.KC = std::max(b.KC, f.K);
  }
  if (step.groups_rhs) {
    b.NC = columns;
    b.KP = std::max<std::int64_t>(1, f.K);
  } else if (step.groups_lhs && f.K > b.KP) {  // a member is one panel: rhs meets it whole
    b.KP = f.K;
    b.NC = std::min(b.NC, std::max<std::int64_t>(b.NR, kBlockElements / f.K / b.NR * b.NR));
  }
}

// The same as it is stored.
double stored_bytes(const ContractStep& step) {
  return static_cast<double>(step.folded.batch_count) *
         multiply_adds(step.folded.M, step.folded.N,
                       static_cast<std::int64_t>(step.out_dtype.size_bytes()));
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
  const std::int64_t pack_work = step.packs_lines ? kPackLinesWork : kPackWork;
  for (std::int64_t i = least_row_blocks; i <= most_row_blocks; ++i) {
    const std::int64_t height = round_up(ceil_div(f.M, i), b.MR);
    for (std::int64_t j = least_column_blocks; i * j <= most_blocks && j <= most_column_blocks;
         ++j) {
      const std::int64_t width = round_up(ceil_div(f.N, j), b.NR);
      const std::int64_t blocks = ceil_div(f.M, height) * ceil_div(f.N, width);
      const std::int64_t packing = kPackWork * height + pack_work * width;
      const double time = static_cast<double>(ceil_div(f.batch_count * blocks, tasks)) *
                          static_cast<double>(height * width + packing);
      if (least != 0 && time >= least) continue;
      least = time;
      best_rows = height;
      best_columns = width;
    }
  }
  rows = std::min(rows, best_rows);
  columns = std::min(columns, best_columns);
}

// Cuts a batch item into row_blocks x column_blocks so that `tasks` have equal work, and none has
// more than most_work in `depth` steps of k.
void split_work(ContractStep& step, int tasks, std::int64_t most_work, std::int64_t depth) {
  const Folded& f = step.folded;
  Blocking& b = step.blocking;
  std::int64_t rows = f.M;
  std::int64_t columns = f.N;
  if (!step.is_direct) {
    rows = std::min(rows, kScatterRows);
    columns = std::min(columns, kScatterColumns);
  }
  if (out_lies_in_groups(step)) {
    rows = even_share(f.M, kGroupSide, b.MR);
    columns = even_share(f.N, kGroupSide, b.NR);
  }
  if (f.m.size() > 1) rows = std::min(rows, kTableRows);
  if (f.n.size() > 1) columns = std::min(columns, kTableRows);
  if (tasks > 1 && f.batch_count < 8 * static_cast<std::int64_t>(tasks)) {
    cut_evenly(step, tasks, rows, columns);
  }
  const auto is_too_long = [&] {
    return multiply_adds(rows, columns, depth) > static_cast<double>(most_work);
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

std::string_view why_lines_are_packed(const ContractStep& step) {
  const Folded& f = step.folded;
  const auto line = rows_in_line(f.batch);
  return line < f.batch_count && line < kLeastLine ? "the axes of the batch do not fold" : "";
}

std::string_view why_dots_are_packed(const ContractStep& step) {
  if (step.kernels->row_dots == nullptr) return "the target has no such kernel";
  const std::string_view why = why_lines_are_packed(step);
  return why.empty() ? why_rows_are_not_read_in_place(step) : why;
}

// Items that lie side by side in both operands; products of single elements are put so.
bool takes_columns(const ContractStep& step) {
  const Folded& f = step.folded;
  const DType element = accumulator_of(step.arithmetic);
  if (step.kernels->column_dots == nullptr || f.batch.empty() || f.K > kPartK ||
      step.lhs_dtype != element || step.rhs_dtype != element ||
      !why_lines_are_packed(step).empty()) {
    return false;
  }
  if (f.K == 1) return true;
  return f.batch.back().lhs == 1 && f.batch.back().rhs == 1 && is_one_stride(f.k, Side::kLhs) &&
         is_one_stride(f.k, Side::kRhs) && !why_dots_are_packed(step).empty();
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
  step.takes_columns = takes_columns(step);
  step.is_direct = step.takes_columns && f.batch.back().out == 1 &&
                   !accumulator_of(step.arithmetic).is_complex() &&
                   why_result_holds_no_sums(step).empty();
  const std::string_view why = step.takes_columns ? "" : why_dots_are_packed(step);
  step.packs_lhs = step.takes_columns ? f.batch.back().lhs != 1 : !why.empty();
  step.packs_rhs = step.takes_columns ? f.batch.back().rhs != 1 : !why.empty();
  const bool is_in_place = step.is_direct && !step.packs_lhs && !step.packs_rhs;
  const std::int64_t items_of_item = is_in_place && f.K == 1 ? kProductsPerItem : kDotsPerItem;
  const std::int64_t most = std::max<std::int64_t>(
      1, std::min(items_of_item, kShortWork / std::max<std::int64_t>(1, f.K)));
  const std::int64_t items = round_up(ceil_div(f.batch_count, most), std::max(1, tasks));
  const std::int64_t share = ceil_div(f.batch_count, items);
  if (step.takes_columns) {
    b.row_block = std::min(most, round_up(share, kernels.dots_width));
  } else if (why.empty()) {
    b.KC = std::clamp<std::int64_t>(f.K, 1, kPartK);
    step.part_K = b.KC;
    step.parts = std::max<std::int64_t>(1, ceil_div(f.K, b.KC));
    b.row_block = step.parts > 1 ? 1 : std::min(most, round_up(share, kernels.lanes));
  } else {
    refused.push_back({"rows in place", why});
    b.row_block = round_up(share, kernels.dots_width);
  }
  step.items = ceil_div(f.batch_count, b.row_block);
  step.task_bytes = dots_scratch(step).bytes;
}

std::string_view vector_refuse(const ContractStep& step) {
  const Folded& f = step.folded;
  if (f.M > kernel::kMaxVectorRows) return "M is not 1 to 4";
  if (f.N < step.kernels->lanes) return "N fills no vector";
  if (vector_rows_of(step)[f.M - 1] == nullptr) return "the target has no such kernel";
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
  split_work(step, tasks, kShortWork, step.folded.K);
  b.MC = b.MR;
  b.NC = b.column_block;
  step.items = step.folded.batch_count * b.column_blocks;
  step.task_bytes = vector_scratch(step).bytes;
}

// M and N are not cut further because K is long, as blocks would pack their operands more than
// once: an item counts in parts of K.
void count_in_parts(ContractStep& step, std::int64_t most_work) {
  const Folded& f = step.folded;
  Blocking& b = step.blocking;
  if (f.K <= b.KP ||
      multiply_adds(b.row_block, b.column_block, f.K) <= static_cast<double>(most_work)) {
    return;
  }
  if (b.column_block > b.NC) {  // parts are of one block of columns
    b.column_block = even_share(b.column_block, b.NC, b.NR);
    b.column_blocks = ceil_div(f.N, b.column_block);
  }
  const std::int64_t part = most_work / (b.row_block * b.column_block);
  step.part_K = std::max<std::int64_t>(1, part / b.KP) * b.KP;
  step.parts = ceil_div(f.K, step.part_K);
}

// Rows of lhs are converted as they lie, a vector of k at a time, and tiles read them as in place.
// Tiles of narrow panels lose by that what the conversion gains: in turns with AVX2 0.93 to 1.08.
bool widens_rows(const ContractStep& step) {
  const Folded& f = step.folded;
  return is_wide(step) && step.packs_lhs &&
         step.kernels->widen_rows[step.lhs_dtype.index()] != nullptr && f.K >= kLeastWidened &&
         one_stride(f.k, Side::kLhs) == 1;
}

// A few rows are converted, multiplied by all columns and stored before the next ones are: their
// sums stay in the first cache. Where columns lie apart in the result, a few rows fill no line.
bool stores_early(const ContractStep& step) {
  const Folded& f = step.folded;
  const Blocking& b = step.blocking;
  const std::int64_t element = element_bytes(step);
  return step.widens_rows && !step.is_direct && one_stride(f.n, Side::kOut) == 1 &&
         step.group == 1 && f.K <= b.KC && b.column_block <= b.NC &&
         round_up(b.column_block, b.NR) * b.KC * element <= kNearColumnsBytes;
}

// The wide register tile, where its panels are few, so that all or half of a row of the result is
// read and written at once, and its loop takes fewer instructions: for each k and row of the result
// a multiply-add for each vector, a load of lhs for each panel, and its share of the loads of rhs.
bool takes_wide_tile(const ContractStep& step) {
  const kernel::ArithmeticKernels& kernels = *step.kernels;
  const std::int64_t vectors = ceil_div(step.folded.N, kernels.lanes);
  const auto instructions = [&](int MR, int NV) {
    const std::int64_t height = ceil_div(step.folded.M, ceil_div(step.folded.M, MR));
    return static_cast<double>(vectors + ceil_div(vectors, NV)) +
           static_cast<double>(vectors) / static_cast<double>(height);
  };
  return kernels.wide_NV > 0 && vectors <= kWidePanels * kernels.wide_NV &&
         instructions(kernels.wide_MR, kernels.wide_NV) < instructions(kernels.MR, kernels.NV);
}

// MC of wide panels.
std::int64_t wide_rows(const ContractStep& step) {
  const Folded& f = step.folded;
  const Blocking& b = step.blocking;
  const bool is_near =
      f.N > kWidePanels * b.NR && (kNearMC + b.NR) * b.KC * element_bytes(step) <= kL1Bytes;
  const std::int64_t most = is_near ? kNearMC : kMC;
  if (f.M <= (is_near ? most * 3 / 2 : kWholeRows)) return round_up(f.M, b.MR);
  return even_share(f.M, most, b.MR);
}

// MC, NC and KP, before the work is split.
void size_blocks(ContractStep& step, int tasks) {
  const Folded& f = step.folded;
  Blocking& b = step.blocking;
  b.MC = is_wide(step)                                ? wide_rows(step)
         : step.kernels->panel_bytes >= kLargeElement ? kLargeElementMC
                                                      : kMC;
  b.NC = (is_wide(step) ? kWideBlockElements : kBlockElements) / most_KC(step) / b.NR * b.NR;
  if (step.kernels->rows_stay)
    b.NC = std::clamp(kPassingBlockBytes / b.KC / b.NR * b.NR, b.NC, 2 * b.NC);
  if (f.N > b.NC) {
    b.NC = f.N <= b.NC * 3 / 2 ? round_up(f.N, b.NR) : even_share(f.N, b.NC, b.NR);
  }
  b.KP = b.KC;
  const std::int64_t apart = lines_of_rhs_are_apart_in_k(step);
  // Beyond that a line would be read for fewer than four elements.
  if (apart == 0 || apart > kMostKP / 4) return;
  const std::int64_t element = element_bytes(step);
  step.packs_lines = true;
  const std::int64_t lines = step.last_cache >= kLinePairCaches * tasks * kFarLinesBytes ? 2 : 1;
  const std::int64_t wanted = round_up(lines * apart * (kLineBytes / element), kernel::kBlock);
  b.KP = std::min(f.K, std::clamp(wanted, b.KC, lines * kMostKP));
  const std::int64_t most =
      std::max<std::int64_t>(b.NR, lines * kFarLinesBytes / element / b.KP / b.NR * b.NR);
  b.NC = std::min(b.NC, even_share(f.N, most, b.NR));
}

// What is asked for before it is needed.
void set_up_prefetching(ContractStep& step) {
  const Folded& f = step.folded;
  const Blocking& b = step.blocking;
  const std::int64_t rows = step.stores_early ? b.row_block : std::min(b.MC, b.row_block);
  const std::int64_t columns = std::min(b.NC, b.column_block);
  const std::int64_t near = (rows * b.KC + columns * b.KC + rows * columns) * element_bytes(step);
  const bool is_apart = !f.batch.empty() && static_cast<double>(std::llabs(f.batch.back().lhs)) >
                                                2 * multiply_adds(f.M, 1, f.K);
  step.prefetches = near >= (is_apart ? kPrefetchLeastApart : kPrefetchLeast) &&
                    near <= kPrefetchMost && f.K <= b.KC && total_bytes(step) > kNearTotal;
  step.asks_apart = is_wide(step) && near <= kEveryLineMost ? kLineBytes : kLinePairBytes;
  // Complex sums are twice as large, in scratch that the second cache does not hold. With wide
  // panels sums that are only written need not be there: not to ask was 1.01 to 1.05 in turns on an
  // Emerald Rapids core, of sums that are read again 0.96.
  step.asks_for_sums = accumulator_of(step.arithmetic).is_complex() ||
                       (step.is_direct && (f.K > b.KC || !is_wide(step)));
}

// The most k of a result that goes past the caches.
std::int64_t most_streamed_K(const ContractStep& step) {
  return std::min(is_wide(step) ? kWideStreamK : kStreamK, step.blocking.KC);
}

// What goes past the caches, and how.
void set_up_streams(ContractStep& step) {
  const Folded& f = step.folded;
  const double bytes = result_bytes(step);
  const auto far = static_cast<double>(is_wide(step) ? kWideFarBytes : kFarBytes);
  const bool is_far = bytes > far;
  const bool is_complex = accumulator_of(step.arithmetic).is_complex();
  step.store_streams = step.groups_out
                           ? groups_stream(step)
                           : is_complex && is_far && f.K <= kWideStreamK && step.finish.beta == 0;
  if (!step.is_direct || !is_far || f.K > most_streamed_K(step)) return;
  const std::int64_t row = f.M > 1 ? *one_stride(f.m, Side::kOut) * element_bytes(step) : 0;
  step.gathers = step.kernels->rows_stay ? row % kLineBytes == 0
                                         : !is_wide(step) && f.M > 1 && row % kBankBytes == 0;
  step.streams = step.gathers || step.kernels->streams;
}

// How many panels of rhs meet a tile of rows before the next one does.
void set_up_near_panels(ContractStep& step) {
  const Blocking& b = step.blocking;
  const std::int64_t element = element_bytes(step);
  const std::int64_t columns = std::min(b.NC, b.column_block);
  const std::int64_t near = std::max<std::int64_t>(1, kNearBytes / (b.KC * b.NR * element));
  const std::int64_t run = ceil_div(kStreamRun, b.NR * element);
  const std::int64_t all = ceil_div(columns, b.NR);
  if (step.kernels->rows_stay) {
    step.near_panels = step.gathers ? std::min(run, all) : all;
    step.prefetches = step.prefetches && !step.streams;
  } else if (step.stores_early) {
    step.near_panels = all;
  } else if (step.gathers) {
    step.near_panels = std::max(near, run);
  } else if (step.streams || near >= all) {
    step.near_panels = near;
  } else {
    const bool has_far_sums = (step.is_direct || accumulator_of(step.arithmetic).is_complex()) &&
                              multiply_adds(b.row_block, columns, element) > kFarBlock;
    const bool by_rows = has_far_sums && !is_wide(step) && columns * b.KC * element > kFarBlock;
    step.near_panels = by_rows ? all : 1;
  }
}

// After all else: rows of a work item go by a few tiles.
void set_up_early_stores(ContractStep& step) {
  if (!step.stores_early) return;
  const Folded& f = step.folded;
  Blocking& b = step.blocking;
  b.MC = kEarlyTiles * b.MR;
  // More lines than tiles ask for by themselves would be asked for between them, many at once.
  const std::int64_t columns = std::min(b.NC, b.column_block);
  const auto lhs_bytes = b.row_block * f.K * static_cast<std::int64_t>(step.lhs_dtype.size_bytes());
  const auto rhs_bytes = columns * f.K * static_cast<std::int64_t>(step.rhs_dtype.size_bytes());
  const std::int64_t asks = ceil_div(b.row_block, b.MR) * step.near_panels * (f.K / kernel::kAskK);
  if (ceil_div(lhs_bytes + rhs_bytes, kLineBytes) > asks) step.asks_apart = kLinePairBytes;
  step.store_streams = f.K <= most_streamed_K(step) && stored_bytes(step) > kWideFarBytes;
}

void set_up_tiles(ContractStep& step, int tasks, std::vector<Refusal>& refused) {
  const Folded& f = step.folded;
  Blocking& b = step.blocking;
  if (takes_wide_tile(step)) {
    b.MR = step.kernels->wide_MR;
    b.NR = step.kernels->wide_NV * step.kernels->lanes;
  }
  const auto refuse = [&](std::string_view what, std::string_view why) {
    if (!why.empty()) refused.push_back({what, why});
    return !why.empty();
  };
  step.is_direct = !refuse("sums kept in the result", why_sums_need_scratch(step));
  step.packs_rhs = refuse("rhs in place", why_rhs_is_packed(step));
  size_blocks(step, tasks);
  const std::int64_t most_work = step.kernels->loops ? kItemWork / kScalarSlowness : kItemWork;
  split_work(step, tasks, most_work, b.KP);
  step.packs_lhs = refuse("lhs in place", why_lhs_is_packed(step));
  step.widens_rows = widens_rows(step);
  const std::int64_t element = element_bytes(step);
  const std::int64_t sharing = round_up(kSharedLinesBytes / (b.KC * element), b.MR);
  step.shares_lines = step.packs_lhs && rows_share_lines(step, sharing);
  if (step.shares_lines) b.MC = sharing;
  set_up_group(step, tasks, most_work);
  count_in_parts(step, most_work);
  if (step.group > 1) step.grain = step.group * b.row_blocks * b.column_blocks;
  step.stores_early = stores_early(step);
  set_up_prefetching(step);
  set_up_streams(step);
  set_up_near_panels(step);
  set_up_early_stores(step);
  step.items = f.batch_count * b.row_blocks * b.column_blocks;
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

}  // namespace

std::int64_t element_bytes(const ContractStep& step) {
  return static_cast<std::int64_t>(step.kernels->panel_bytes);
}

bool is_one_stride(const FoldedAxes& axes, Side side) { return one_stride(axes, side).has_value(); }

bool is_along_batch(const Folded& f, Side side) {
  return !f.batch.empty() && stride_in(f.batch.back(), side) == 1 &&
         one_stride(f.k, side).value_or(1) != 1 &&
         one_stride(side == Side::kLhs ? f.m : f.n, side).value_or(1) != 1;
}

bool out_lies_in_groups(const ContractStep& step) {
  const FoldedAxes& batch = step.folded.batch;
  if (step.is_direct || batch.empty() || batch.back().out != 1 ||
      batch.back().extent < kLeastGroup || step.finish.beta != 0) {
    return false;
  }
  const auto is_near = [](const FoldedAxis& axis) {
    return std::llabs(axis.out) <= kMostWidth / axis.extent;
  };
  return std::all_of(step.folded.n.begin(), step.folded.n.end(), is_near) &&
         std::all_of(step.folded.m.begin(), step.folded.m.end(), is_near);
}

bool is_wide(const ContractStep& step) {
  const kernel::ArithmeticKernels& kernels = *step.kernels;
  return static_cast<std::int64_t>(kernels.panel_bytes) * kernels.NV * kernels.lanes >= kWideRow;
}

std::string_view why_result_holds_no_sums(const ContractStep& step) {
  const Folded& f = step.folded;
  if (!step.finish.is_plain()) return "an epilogue finishes the sums";
  if (step.out_dtype != accumulator_of(step.arithmetic)) return "the result is narrower than sums";
  if (!is_one_stride(f.m, Side::kOut) || !is_one_stride(f.n, Side::kOut)) {
    return "the axes of the result do not fold into M and N";
  }
  if (f.N > 1 && *one_stride(f.n, Side::kOut) != 1) return "the result is not contiguous along N";
  return {};
}

double result_bytes(const ContractStep& step) {
  const Folded& f = step.folded;
  return static_cast<double>(f.batch_count) * multiply_adds(f.M, f.N, element_bytes(step));
}

bool groups_stream(const ContractStep& step) {
  const std::int64_t real =
      element_bytes(step) / (accumulator_of(step.arithmetic).is_complex() ? 2 : 1);
  const std::size_t out = step.out_dtype.size_bytes();
  return step.kernels->lanes * real == kLineBytes && (out == 4 || out == 8) &&
         result_bytes(step) > kGroupFarBytes;
}

double total_bytes(const ContractStep& step) {
  const Folded& f = step.folded;
  const auto of = [](std::int64_t extent) { return static_cast<double>(extent); };
  return of(f.batch_count) * (of(f.M) * of(f.K) + of(f.K) * of(f.N) + of(f.M) * of(f.N)) *
         static_cast<double>(step.kernels->panel_bytes);
}

std::string_view why_rows_are_not_read_in_place(const ContractStep& step) {
  const Folded& f = step.folded;
  const DType element = accumulator_of(step.arithmetic);
  if (is_integer(element) || step.arithmetic == Arithmetic::kBF16) {
    return "there is no such kernel for this arithmetic";
  }
  if (!(step.lhs_dtype == element) || !(step.rhs_dtype == element)) return "operands are converted";
  if (one_stride(f.k, Side::kLhs) != 1 || one_stride(f.k, Side::kRhs) != 1) {
    return "K is not contiguous in both operands";
  }
  return {};
}

std::string_view name_of(ContractStep::Form form) { return row_of(form).name; }
bool has_blocks(ContractStep::Form form) { return row_of(form).has_blocks; }

void choose_kernel(ContractStep& step, int tasks, std::vector<Refusal>& refused) {
  const Folded& f = step.folded;
  if (f.batch_count == 0 || f.M == 0 || f.N == 0) {  // nothing is computed: nothing to choose
    step.packs_lhs = step.packs_rhs = false;
    return;
  }
  Blocking& b = step.blocking;
  b.MR = step.kernels->MR;
  b.NR = step.kernels->NV * step.kernels->lanes;
  b.KC = std::clamp<std::int64_t>(f.K, 1, most_KC(step));
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
