// SPDX-License-Identifier: Apache-2.0
#pragma once
// What a plan is made of: a list of steps over one workspace. Plain data; exec runs it.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "batchdot/plan.h"
#include "src/kernel/kernels.h"
#include "src/plan/fold.h"

namespace batchdot {

/// Where a tensor of a step lies.
struct Place {
  enum class Where : std::uint8_t {
    kOperand,    ///< `offset_bytes` from the element at 0 of operands[index]
    kWorkspace,  ///< `offset_bytes` into the workspace
    kOut,
    kOnes,  ///< 1 and -1 of the dtype, in this order: what a lone operand is multiplied with
    kNone,
  };
  Where where = Where::kNone;
  int index = 0;
  std::int64_t offset_bytes = 0;
};

/// What happens between a sum and the stored element. Operands lie where the places say, with the
/// strides in FoldedAxis::scale and FoldedAxis::bias.
struct Finish {
  double alpha = 1;
  double beta = 0;
  Place scale, bias;
  DType scale_dtype, bias_dtype;
  kernel::Activation activation = kernel::Activation::kNone;
  bool has_scale() const { return scale.where != Place::Where::kNone; }
  bool has_bias() const { return bias.where != Place::Where::kNone; }
  bool is_plain() const {
    return alpha == 1 && beta == 0 && !has_scale() && !has_bias() &&
           activation == kernel::Activation::kNone;
  }
};

/// Sizes in elements: how a work item is cut to fit the caches and the register tile.
struct Blocking {
  int MR = 0, NR = 0;
  std::int64_t MC = 0, KC = 0, NC = 0;
  std::int64_t KP = 0;  ///< k of rhs that is packed at a time: KC, or more where lines ask for it
  std::int64_t row_blocks = 1, column_blocks = 1;  ///< work items of one batch item
  std::int64_t row_block = 0, column_block = 0;    ///< their extents; the last may be smaller
};

/// A pairwise contraction.
struct ContractStep {
  /// kTiles: register tiles over M x N. kDots: M = N = 1, lanes run over the batch or over blocks
  /// of K. kTiny: small M, N and K, many products a call. kVector: few rows of lhs against
  /// contiguous columns of rhs, which are read once where they lie. The order in which they are
  /// tried stands in choose_kernel.cc, the loops in src/exec, a file each.
  enum class Form : std::uint8_t { kTiles, kDots, kTiny, kVector };

  Form form = Form::kTiles;
  Place lhs, rhs, out;  ///< after the swap, if Folded::swapped
  DType lhs_dtype, rhs_dtype, out_dtype;
  bool lhs_conjugate = false, rhs_conjugate = false;
  kernel::Arithmetic arithmetic = kernel::Arithmetic::kF32;
  const kernel::ArithmeticKernels* kernels = nullptr;
  Folded folded;
  std::int64_t last_cache = 0;  ///< last_cache_bytes()
  Blocking blocking;
  Finish finish;
  bool is_direct = false;  ///< sums are kept in the result itself
  bool packs_lhs = true, packs_rhs = true;
  bool takes_columns = false;  ///< kDots: items lie side by side and are read where they do
  bool widens_rows = false;    ///< rows of lhs are packed as they lie, k side by side
  bool stores_early = false;   ///< sums of MC rows are stored before the next rows are multiplied
  bool packs_lines = false;    ///< a line of rhs goes to rows of a panel that lie far apart in k
  bool shares_lines = false;   ///< a line of lhs goes to rows that lie far apart in m
  int group = 1;               ///< items of the batch that share lines: packed or stored together
  bool groups_lhs = false, groups_rhs = false;  ///< of these operands; else item by item
  bool groups_out = false;      ///< their results are stored together, after they were finished
  bool finishes_apart = false;  ///< beside the sums, as they are narrower or have re and im apart
  std::int64_t run_of_groups = 1;  ///< items that follow each other there: no group crosses its end
  std::int64_t near_panels = 1;    ///< of rhs that meet all rows of a block before the next ones do
  bool prefetches = false;       ///< kTiles: what comes next is asked for while this is multiplied
  std::int64_t asks_apart = 64;  ///< a line for every so many bytes
  bool asks_for_sums = false;    ///< tiles ask for their sums before they need them
  bool streams = false;  ///< kTiles: the result goes past the caches, where it lies on whole lines
  bool gathers = false;  ///< its rows are put together in the first cache before that
  bool store_streams = false;  ///< what is stored from scratch goes past the caches
  kernel::TinyCall tiny{};     ///< kTiny: a call, but for addresses and the number of products
  bool adds_blocks = false;    ///< kDots: of each item lhs lists K block sums, rhs one more or none
  std::int64_t parts = 1;      ///< kDots, kTiles: each item counts for so many, one for each part_K
  std::int64_t part_K = 0;     ///< where parts is more than 1: steps of k; kTiles: a multiple of KP
  std::int64_t items = 0;
  std::int64_t grain = 1;      ///< items that are better taken together by one task
  std::size_t task_bytes = 0;  ///< scratch of one task
};

/// One row at a time along an axis: softmax, or division by a norm.
struct RowwiseStep {
  enum class Kind : std::uint8_t { kSoftmax, kNormalize };
  Kind kind = Kind::kSoftmax;
  Place in, out;
  DType in_dtype, out_dtype;
  FoldedAxes rows;  ///< lhs strides: in; out strides: out
  FoldedAxis axis;
  DotLayer::Floor floor = DotLayer::Floor::kUnderRoot;
  double epsilon = 0;
  const kernel::Kernels* kernels = nullptr;
  std::int64_t items = 0;
  std::size_t task_bytes = 0;
};

/// Elements moved as they are, or converted.
struct CopyStep {
  Place in, out;
  DType in_dtype, out_dtype;
  FoldedAxis outer;  ///< a work item is one position of it; lhs strides: in; out strides: out
  FoldedAxes middle;
  FoldedAxis inner;        ///< one run
  std::int64_t total = 0;  ///< elements of a copy that is one run, cut into `outer`; else 0
  std::int64_t items = 0;
};

/// What a run asks of a view's memory, counted once.
struct Reach {
  std::int64_t low_bytes = 0, high_bytes = 0;  ///< from the element at 0: the first byte, the end
  std::uintptr_t misaligned = 0;               ///< address bits that must be 0
  bool is_empty = false;                       ///< no element: no memory is needed
};

using Step = std::variant<ContractStep, RowwiseStep, CopyStep>;

struct Plan::Impl {
  std::vector<Layout> operands;  ///< of run(): the inputs, then scale, then bias
  std::vector<Reach> reaches;    ///< of the operands, then of out
  int inputs = 0;                ///< operands that are neither scale nor bias
  bool has_scale = false;        ///< the first operand after the inputs is scale
  bool reads_out = false;        ///< beta is not 0
  Layout out;
  std::vector<Step> steps;
  int tasks = 1;                    ///< that share the items of every step
  std::size_t temporary_bytes = 0;  ///< of the workspace, before the tasks' scratch
  std::size_t task_bytes = 0;
  PlanFacts facts;
};

inline namespace v0 {
/// Lets the rooms below the API reach the steps.
struct PlanAccess {
  static const Plan::Impl& impl(const Plan& plan) { return *plan.impl_; }
  static Plan make(std::shared_ptr<const Plan::Impl> impl) { return Plan(std::move(impl)); }
};
}  // namespace v0

/// The kernels of a target by name; empty: the default target. \throws Error kUsage.
const kernel::Kernels& find_kernels(std::string_view target);

/// Decides form, blocking, packing and work items of a step whose places, dtypes and folding are
/// set.
void choose_kernel(ContractStep& step, int tasks, std::vector<Refusal>& refused);

/// Why kernels that take no offsets cannot read rows of both operands where they lie; empty: they
/// can.
std::string_view why_rows_are_not_read_in_place(const ContractStep& step);

/// For the facts: the form's name, and whether its blocks say how it goes.
std::string_view name_of(ContractStep::Form form);
bool has_blocks(ContractStep::Form form);

/// A step of few elements and a long K, cut along K: its block sums are listed in the workspace and
/// added in order. So tasks share it, blocks are chains of their own, and the bits stay.
struct CutOfK {
  ContractStep whole;  ///< lists the sums of whole blocks, which are a batch axis here
  std::optional<ContractStep> rest;  ///< lists those of what is left of K behind them
  ContractStep addition;             ///< has its kernel already; the others get theirs as any step
  std::int64_t block_sums = 0;       ///< of each element
  std::size_t list_bytes = 0;
};
/// The cut of a step whose kernel is chosen, where without it `tasks` wait for more than an eighth
/// of the time, or multiply-adds for each other. \param list_offset  of the list in the workspace.
std::optional<CutOfK> cut_k(const ContractStep& step, int tasks, std::int64_t list_offset);

/// f16 and bf16, which go into products of f32 as they are.
bool is_narrow_float(DType dtype);
bool is_integer(DType dtype);
/// What re and im of a complex dtype are; of others the dtype itself.
DType real_of(DType dtype);

/// The arithmetic of a product of these dtypes, if there is one.
std::optional<kernel::Arithmetic> arithmetic_of(DType lhs, DType rhs);
/// The dtype that sums of this arithmetic are kept in between steps; operands of it are packed as
/// they are.
DType accumulator_of(kernel::Arithmetic arithmetic);

/// Kernels for few rows of lhs, by their number - 1.
inline const kernel::RowsFunction* vector_rows_of(const ContractStep& step) {
  const bool is_swapped = step.folded.swapped && accumulator_of(step.arithmetic).is_complex();
  return is_swapped ? step.kernels->vector_rows_swapped : step.kernels->vector_rows;
}

/// Bytes of the last cache that the cores beside this one share, as the CPU says; 0 if it does
/// not say.
std::int64_t last_cache_bytes();

/// Tasks of a plan at most. The command line says the same number.
inline constexpr int kMostThreads = 4096;

inline constexpr std::int64_t ceil_div(std::int64_t a, std::int64_t b) { return (a + b - 1) / b; }
inline constexpr std::int64_t round_up(std::int64_t a, std::int64_t b) {
  return ceil_div(a, b) * b;
}

inline constexpr std::size_t kScratchAlignment = 64;  // Plan::workspace_alignment()
/// Items of a tiny step that are packed or stored together are multiples of this where there are
/// many: whole lines.
inline constexpr std::int64_t kTinyGroup = 16;
inline constexpr std::size_t align_up(std::size_t bytes) {
  return (bytes + kScratchAlignment - 1) / kScratchAlignment * kScratchAlignment;
}

/// How one task's scratch of a tiles step is laid out, in bytes from its start. The one place that
/// knows; plan counts with it, exec addresses with it.
struct TileScratch {
  std::size_t panels_lhs = 0, panels_rhs = 0, sums = 0;
  std::int64_t widened_row = 0;              ///< panel elements from one of widens_rows to the next
  std::size_t gathered = 0;                  ///< rows of the result that go past the caches next
  std::size_t group_lhs = 0, group_rhs = 0;  ///< the panels of one item of a group
  std::size_t group_sums = 0;                ///< its sums
  std::size_t finished = 0, group_finished = 0;  ///< what of groups is stored; of one item
  std::size_t lhs_rows = 0, out_rows = 0, bias_rows = 0, scale_rows = 0;  ///< offset tables over M
  std::size_t rhs_columns = 0, out_columns = 0, bias_columns = 0, scale_columns = 0;  ///< over N
  std::size_t lhs_k = 0, rhs_k = 0;  ///< lhs: over K of one KC; rhs: of one KP
  std::size_t bytes = 0;
};
TileScratch tile_scratch(const ContractStep& step);
/// The same for a dots step.
struct DotsScratch {
  std::size_t panels_lhs = 0, panels_rhs = 0, sums = 0;
  std::size_t lhs_items = 0, rhs_items = 0, out_items = 0, bias_items = 0, scale_items = 0;
  std::size_t lhs_k = 0, rhs_k = 0;
  std::int64_t chunk = 0;  ///< items summed at a time
  std::size_t bytes = 0;
};
DotsScratch dots_scratch(const ContractStep& step);
/// The same for a vector step.
struct VectorScratch {
  std::size_t sums = 0;
  std::size_t out_rows = 0, bias_rows = 0, scale_rows = 0;
  std::size_t out_columns = 0, bias_columns = 0, scale_columns = 0;
  std::size_t bytes = 0;
};
VectorScratch vector_scratch(const ContractStep& step);
/// The same for a tiny step that goes through scratch, some items at a time: their operands that
/// are packed, their sums if they are finished from there, and what meets these, each as the sums
/// lie, (item, M, N) without gaps.
struct TinyScratch {
  std::size_t lhs = 0, rhs = 0;
  std::size_t lines = 0;  ///< of one of them, along the batch: converted, before they are packed
  std::size_t sums = 0;
  std::size_t planes = 0;    ///< complex ones with re and im apart, as the store takes them
  std::size_t finished = 0;  ///< what is narrower than sums, before it is stored together
  std::size_t scale = 0, bias = 0;
  std::int64_t chunk = 0;  ///< items at a time
  std::size_t bytes = 0;
};
TinyScratch tiny_scratch(const ContractStep& step);
/// K of a tiny step as it is multiplied, and whether a packed operand of it has k side by side: it
/// keeps the axis that is contiguous, but rows of several k that belong together are widened as
/// they lie or go by k, and re and im stay together.
std::int64_t tiny_depth(const ContractStep& step);
bool tiny_k_is_inner(const ContractStep& step, Side side);
/// If lines of a packed operand, along the batch, are converted before they are packed.
bool tiny_widens_lines(const ContractStep& step, Side side);
/// How scale or bias of a tiny step meets the sums of items along the last axis of the batch.
enum class MeetsSums : std::uint8_t {
  kOne,      ///< one element for all of them, or there is none
  kInPlace,  ///< it lies as they do
  kAgain,    ///< the same for each item: laid out beside them once
  kEach,     ///< laid out for each chunk
};
MeetsSums meets_sums(const ContractStep& step, Side side);

/// Items of a dots step that one work item takes at most; Blocking::row_block says how many it
/// does.
inline constexpr std::int64_t kDotsPerItem = 1024;

}  // namespace batchdot
