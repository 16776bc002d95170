// SPDX-License-Identifier: Apache-2.0
#pragma once
// A pairwise contraction as loops over batch, M, N and K, with as few axes as its strides allow.

#include <cstdint>
#include <optional>
#include <vector>

#include "batchdot/contraction.h"
#include "batchdot/short_list.h"

namespace batchdot {

/// One loop: an extent, and how far it moves in each tensor, in elements.
struct FoldedAxis {
  std::int64_t extent = 1;
  std::int64_t lhs = 0, rhs = 0, out = 0, bias = 0, scale = 0;
  friend bool operator==(const FoldedAxis&, const FoldedAxis&) = default;
};
using FoldedAxes = std::vector<FoldedAxis>;  ///< the last one runs fastest

/// One of the tensors that loops move in.
enum class Side : std::uint8_t { kLhs, kRhs, kOut, kBias, kScale };
inline std::int64_t stride_in(const FoldedAxis& axis, Side side) {
  switch (side) {
    case Side::kLhs:
      return axis.lhs;
    case Side::kRhs:
      return axis.rhs;
    case Side::kOut:
      return axis.out;
    case Side::kBias:
      return axis.bias;
    case Side::kScale:
      return axis.scale;
  }
  return 0;
}

/// The one stride with which all axes together run through a tensor, if they lie so in it. Axes
/// that are apart in one tensor may still be one in another.
inline std::optional<std::int64_t> one_stride(const FoldedAxes& axes, Side side) {
  if (axes.empty()) return 0;
  for (std::size_t i = 1; i < axes.size(); ++i) {
    if (stride_in(axes[i - 1], side) != stride_in(axes[i], side) * axes[i].extent) {
      return std::nullopt;
    }
  }
  return stride_in(axes.back(), side);
}

/// If neighbours along the innermost axis lie side by side, or there is only one position.
inline bool is_contiguous(const FoldedAxes& axes, Side side) {
  return axes.empty() || stride_in(axes.back(), side) == 1;
}

/// From one position of the innermost axis to the next; 0 if there is only one.
inline std::int64_t innermost_stride(const FoldedAxes& axes, Side side) {
  return axes.empty() ? 0 : stride_in(axes.back(), side);
}

/// So many positions follow each other along the last axes with one stride in lhs and one in rhs.
inline std::int64_t rows_in_line(const FoldedAxes& axes) {
  std::int64_t rows = 1;
  for (std::size_t i = axes.size(); i-- > 0; rows *= axes[i].extent) {
    const FoldedAxis& last = axes.back();
    if (rows > 1 && (axes[i].lhs != last.lhs * rows || axes[i].rhs != last.rhs * rows)) break;
  }
  return rows;
}

/// How far a label moves in a tensor.
struct LabelStride {
  Label label;
  std::int64_t stride;
};
using LabelStrides = ShortList<LabelStride, 6>;

/// batch x M x N x K. m has rhs stride 0, n has lhs stride 0, k has out stride 0.
struct Folded {
  FoldedAxes batch, m, n, k;
  std::int64_t batch_count = 1, M = 1, N = 1, K = 1;
  bool swapped = false;  ///< lhs and rhs have changed places
};

/// The strides of the tensors of a pairwise step; a label that does not stand in one of them moves
/// it by 0.
struct PairStrides {
  LabelStrides lhs, rhs, out, bias, scale;
};

/// kTiny: those of tiny products; kTinyComplex: whose N and K count twice. kAll: also others, as
/// the result is written as it is summed.
enum class RowsStay : std::uint8_t { kNone, kTiny, kTinyComplex, kAll };

/// Folds. A batch axis along which one operand does not move becomes M or N, axes that lie together
/// in all tensors become one, axes of extent 1 go. The order of k is kept: it is part of the
/// result.
/// \param order  the summed labels of this step, in the contracting order
/// \param lanes  elements of a vector: N should fill one
/// \param stay  whether rows that fill no vector do, if the result is written row by row
/// \throws Error  kOverflow  a product of extents beyond 2^63 - 1.
Folded fold(const PairStrides& strides, const std::vector<Dim>& extents, const Labels& order,
            int lanes, RowsStay stay);

/// Moves axes of M or N that keep a product from running through its operands in lines to the
/// batch. The elements and their sums stay the same.
/// \param rhs_is_real  not converted, not complex: rhs may be read where it lies
void peel(Folded& folded, int lanes, bool rhs_is_real);

/// The product of the extents. \throws Error kOverflow.
std::int64_t count_of(const FoldedAxes& axes);

}  // namespace batchdot
