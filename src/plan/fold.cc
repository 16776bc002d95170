// SPDX-License-Identifier: Apache-2.0
#include "src/plan/fold.h"

#include <algorithm>
#include <cstdlib>
#include <utility>

#include "src/core/checked.h"
#include "src/kernel/kernels.h"

namespace batchdot {

namespace {

std::int64_t stride_of(const LabelStrides& strides, Label label) {
  for (const LabelStride& entry : strides) {
    if (entry.label == label) return entry.stride;
  }
  return 0;
}

bool is_in(const LabelStrides& strides, Label label) {
  return std::any_of(strides.begin(), strides.end(),
                     [&](const LabelStride& entry) { return entry.label == label; });
}

FoldedAxis axis_of(const PairStrides& strides, const std::vector<Dim>& extents, Label label) {
  return {extents[label].extent(),        stride_of(strides.lhs, label),
          stride_of(strides.rhs, label),  stride_of(strides.out, label),
          stride_of(strides.bias, label), stride_of(strides.scale, label)};
}

// Merges neighbours that move as one in every tensor.
void merge(FoldedAxes& axes) {
  std::size_t merged = 0;
  for (const FoldedAxis axis : axes) {
    if (axis.extent == 1) continue;
    if (merged > 0) {
      FoldedAxis& outer = axes[merged - 1];
      const auto nests = [&](std::int64_t outer_stride, std::int64_t inner_stride) {
        const auto whole = checked_multiply(inner_stride, axis.extent);
        return whole && *whole == outer_stride;
      };
      if (nests(outer.lhs, axis.lhs) && nests(outer.rhs, axis.rhs) && nests(outer.out, axis.out) &&
          nests(outer.bias, axis.bias) && nests(outer.scale, axis.scale) &&
          checked_multiply(outer.extent, axis.extent)) {
        const std::int64_t extent = outer.extent * axis.extent;
        outer = axis;
        outer.extent = extent;
        continue;
      }
    }
    axes[merged++] = axis;
  }
  axes.resize(merged);
}

// The order of these loops is free: the one that moves least in the result runs fastest. Axes that
// are equal in that keep their order; there are few, and std::stable_sort would allocate.
void sort_and_merge(FoldedAxes& axes) {
  const auto key = [](const FoldedAxis& axis) {
    return std::pair(std::llabs(axis.out), std::llabs(axis.lhs) + std::llabs(axis.rhs));
  };
  for (auto next = axes.begin(); next != axes.end(); ++next) {
    const auto place =
        std::upper_bound(axes.begin(), next, *next,
                         [&](const FoldedAxis& a, const FoldedAxis& b) { return key(a) > key(b); });
    std::rotate(place, next, next + 1);
  }
  merge(axes);
}

std::int64_t finest(const FoldedAxes& axes) {
  return axes.empty() ? 0 : std::llabs(axes.back().out);
}

void swap_operands(Folded& folded) {
  for (FoldedAxes* axes : {&folded.batch, &folded.m, &folded.n, &folded.k}) {
    for (FoldedAxis& axis : *axes) std::swap(axis.lhs, axis.rhs);
  }
  std::swap(folded.m, folded.n);
  std::swap(folded.M, folded.N);
  folded.swapped = !folded.swapped;
}

// The lines of an operand run along the outermost of several axes of K: where that is rhs, they are
// read once.
bool runs_in_lines_along_outer_k(const FoldedAxes& k, Side side) {
  return k.size() > 1 && stride_in(k.front(), side) == 1 && !one_stride(k, side);
}

bool is_tiny(const Folded& folded, RowsStay stay) {
  if (stay == RowsStay::kNone) return false;
  const int reals = stay == RowsStay::kTinyComplex ? 2 : 1;
  return folded.M <= kernel::kTinyM && reals * folded.N <= kernel::kTinyN &&
         reals * folded.K <= kernel::kTinyK;
}

// N fills no vector, yet vectors run over it: a result that is written row by row is worth more
// than full vectors whose elements go to as many rows. Not where N fills little of a vector, where
// rows of lhs are vectors as they lie, or where few columns and all rows are read in place along K.
bool narrow_rows_stay(const Folded& folded, int lanes, RowsStay stay) {
  if (stay == RowsStay::kNone) return false;
  if (!one_stride(folded.m, Side::kOut) || one_stride(folded.n, Side::kOut) != 1) return false;
  if (is_tiny(folded, stay)) return true;
  if (stay != RowsStay::kAll) return false;
  if (folded.N <= kernel::kMaxVectorRows && one_stride(folded.k, Side::kLhs) == 1 &&
      one_stride(folded.k, Side::kRhs) == 1) {
    return false;
  }
  return 3 * folded.N >= lanes && one_stride(folded.m, Side::kLhs) != 1;
}

// Vectors run over N: that should be the axis that is contiguous in the result, and wide enough.
bool wants_swap(const Folded& folded, int lanes, RowsStay stay) {
  if (folded.M <= 1) return false;
  if (folded.N <= 1) return true;
  if (is_tiny(folded, stay) && one_stride(folded.m, Side::kOut) == 1 &&
      one_stride(folded.n, Side::kOut) != 1) {
    // im of exchanged operands has another order, for which there is no tiny kernel: such results
    // are transposed while they are stored.
    return stay != RowsStay::kTinyComplex && folded.M <= kernel::kTinyN;
  }
  if (folded.N < lanes && folded.M > folded.N) {
    return !narrow_rows_stay(folded, lanes, stay);
  }
  if (folded.M < lanes && folded.N >= folded.M) return false;
  const bool is_in_lhs = runs_in_lines_along_outer_k(folded.k, Side::kLhs);
  const bool is_in_rhs = runs_in_lines_along_outer_k(folded.k, Side::kRhs);
  if (is_in_lhs != is_in_rhs && folded.K > folded.M + folded.N) return is_in_lhs;
  return finest(folded.m) < finest(folded.n);
}

// If items of the batch may meet rhs again and again where it lies: in the first cache.
bool rhs_stays(const Folded& folded) {
  constexpr std::int64_t kNear = 4096;  // elements
  const auto k = one_stride(folded.k, Side::kRhs);
  return k && one_stride(folded.n, Side::kRhs) == 1 && folded.K <= kNear &&
         folded.K * std::max<std::int64_t>(std::llabs(*k), folded.N) <= kNear;
}

// Rows that do not run through lhs and the result with one stride each: one axis is kept, the one
// along which lhs is closest, and the others become batch, where rhs does not move. So lines of lhs
// are read once, and the result is written in several places.
// Fewer than kRows would not be worth the packing of rhs for each item. If lhs counts, as it meets
// few columns and its lines run along that axis, kFewRows are enough where rhs is not packed; else
// the rows stay, and that axis runs fastest among them.
void peel_rows(Folded& folded, bool rhs_is_real) {
  constexpr std::int64_t kRows = 128, kFewRows = 24, kFewColumns = 256;
  FoldedAxes& m = folded.m;
  if (one_stride(m, Side::kLhs) && one_stride(m, Side::kOut)) return;
  const auto close = std::min_element(m.begin(), m.end(), [](const auto& a, const auto& b) {
    return std::pair(a.extent < kRows, std::llabs(a.lhs)) <
           std::pair(b.extent < kRows, std::llabs(b.lhs));
  });
  if (close->extent < kRows) {
    if (std::llabs(close->lhs) != 1 || folded.N >= kFewColumns) return;
    if (close->extent < kFewRows || !rhs_is_real || !rhs_stays(folded) ||
        !one_stride(folded.k, Side::kLhs)) {
      std::rotate(close, close + 1, m.end());
      return;
    }
  }
  const FoldedAxis kept = *close;
  m.erase(close);
  folded.batch.insert(folded.batch.end(), m.begin(), m.end());
  folded.batch_count = count_of(folded.batch);
  m = {kept};
  folded.M = kept.extent;
}

// Columns of which rhs is contiguous along an axis that is not the last one of the result: the last
// one is kept and the others become batch, where lhs does not move, the contiguous one fastest.
// Several items are then packed from the same lines. Not where lhs would be packed for each of
// them.
void peel_columns(Folded& folded, int lanes) {
  FoldedAxes& n = folded.n;
  if (n.size() < 2 || n.back().out != 1 || n.back().extent < lanes) return;
  if (!one_stride(folded.m, Side::kLhs) || !one_stride(folded.k, Side::kLhs)) return;
  const auto close = std::find_if(n.begin(), n.end() - 1, [&](const FoldedAxis& axis) {
    return axis.rhs == 1 && axis.extent >= lanes;
  });
  if (close == n.end() - 1) return;
  std::rotate(close, close + 1, n.end() - 1);
  folded.batch.insert(folded.batch.end(), n.begin(), n.end() - 1);
  folded.batch_count = count_of(folded.batch);
  n.erase(n.begin(), n.end() - 1);
  folded.N = n.back().extent;
}

}  // namespace

std::int64_t count_of(const FoldedAxes& axes) {
  Extents extents;
  for (const FoldedAxis& axis : axes) extents.push_back(axis.extent);
  return checked_product("plan", extents);
}

Folded fold(const PairStrides& strides, const std::vector<Dim>& extents, const Labels& order,
            int lanes, RowsStay stay) {
  Folded folded;
  for (const LabelStride& entry : strides.out) {
    const FoldedAxis axis = axis_of(strides, extents, entry.label);
    const bool in_lhs = is_in(strides.lhs, entry.label) && axis.lhs != 0;
    const bool in_rhs = is_in(strides.rhs, entry.label) && axis.rhs != 0;
    (in_lhs && in_rhs ? folded.batch : in_rhs ? folded.n : folded.m).push_back(axis);
  }
  for (const Label label : order) folded.k.push_back(axis_of(strides, extents, label));
  folded.batch_count = count_of(folded.batch);
  folded.M = count_of(folded.m);
  folded.N = count_of(folded.n);
  folded.K = count_of(folded.k);
  sort_and_merge(folded.batch);
  sort_and_merge(folded.m);
  sort_and_merge(folded.n);
  if (folded.K == 0) folded.k.clear();
  merge(folded.k);
  if (wants_swap(folded, lanes, stay)) swap_operands(folded);
  return folded;
}

void peel(Folded& folded, int lanes, bool rhs_is_real) {
  peel_rows(folded, rhs_is_real);
  peel_columns(folded, lanes);
}

}  // namespace batchdot
