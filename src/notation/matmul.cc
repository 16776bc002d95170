// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "batchdot/notation.h"
#include "src/core/text.h"
#include "src/notation/notation_notes_numpy.h"
#include "src/notation/pairs.h"

namespace batchdot::notation {

namespace {

constexpr int kNone = -1;

// Where the axes of one operand's matrix stand; the axes before it are leading ones.
struct Side {
  int leading = 0;   // axes before the matrix
  int inner = 0;     // summed over
  int free = kNone;  // the row of lhs, the column of rhs; a vector has none
  bool conjugate = false;
};

struct Sides {
  Side lhs, rhs;
};

Side side_of(int operand, const Shape& shape, bool transpose, bool adjoint) {
  const std::string name = name_of(operand);
  check_operand_rank("matmul", shape, operand, 2);
  if (transpose && adjoint) {
    ErrorPlace place = place_of(operand);
    place.option = "adjoint-" + name;
    throw Error(ErrorCode::kUsage,
                text("matmul: transpose and adjoint of one operand exclude each other: ", name),
                place);
  }
  if (shape.empty()) {
    throw Error(ErrorCode::kRank,
                text("matmul: an operand is a scalar: ", name, " has ", wrong_rank(shape, 1),
                     ", at least 1 is needed: shape ()"),
                place_of_rank(operand, shape, 1));
  }
  const bool swapped = transpose || adjoint;
  if (shape.rank() == 1) {
    if (swapped) {
      ErrorPlace place = place_of_rank(operand, shape, 2);
      place.option = (adjoint ? "adjoint-" : "transpose-") + name;
      throw Error(ErrorCode::kRank,
                  text("matmul: a vector has no two axes to swap: ", name, " has ",
                       wrong_rank(shape, 2), ": shape ", shape, " with ", place.option),
                  place);
    }
    return {};
  }
  Side side;
  side.leading = shape.rank() - 2;
  const bool inner_is_last = (operand == 0) != swapped;
  side.inner = shape.rank() - (inner_is_last ? 1 : 2);
  side.free = shape.rank() - (inner_is_last ? 2 : 1);
  side.conjugate = adjoint;
  return side;
}

Sides sides_of(const Shape& lhs, const Shape& rhs, const MatmulFlags& flags) {
  return {side_of(0, lhs, flags.transpose_lhs, flags.adjoint_lhs),
          side_of(1, rhs, flags.transpose_rhs, flags.adjoint_rhs)};
}

Label& label_at(Contraction& c, AxisRef ref) {
  return c.inputs[static_cast<std::size_t>(ref.operand)].labels[static_cast<std::size_t>(ref.axis)];
}

// Leading axes are aligned at the right: those that only the longer operand has pass through.
void add_leading_axes(Contraction& c, const Shape& lhs, const Shape& rhs, const Sides& sides) {
  const int count = std::max(sides.lhs.leading, sides.rhs.leading);
  for (int i = 0; i < count; ++i) {
    const AxisRef left{0, i - (count - sides.lhs.leading)};
    const AxisRef right{1, i - (count - sides.rhs.leading)};
    if (left.axis < 0) {
      label_at(c, right) = add_output_label(c, rhs[right.axis]);
      continue;
    }
    const Label label = add_output_label(c, lhs[left.axis]);
    label_at(c, left) = label;
    if (right.axis < 0) continue;
    label_at(c, right) = label;
    unify_or_throw(c, "matmul", ErrorCode::kBroadcast, "leading extents do not broadcast", label,
                   left, right, UnifyRule::kBroadcast);
  }
}

void add_free_axis(Contraction& c, int operand, const Side& side, const char* name) {
  if (side.free == kNone) return;
  const AxisRef ref{operand, side.free};
  const Shape& shape = c.inputs[static_cast<std::size_t>(operand)].shape;
  label_at(c, ref) = add_output_label(c, shape[side.free], name);
}

std::string vector_note(const Side& lhs, const Side& rhs) {
  if (lhs.free == kNone && rhs.free == kNone) {
    return "Both operands are vectors: the row and the column of 1 that they stand for are dropped "
           "from the result, which leaves a scalar.";
  }
  if (lhs.free == kNone) {
    return "lhs is a vector: it counts as one row, (1, k), and that 1 is dropped from the result.";
  }
  return "rhs is a vector: it counts as one column, (k, 1), and that 1 is dropped from the result.";
}

std::string leading_note(const Contraction& c, const Sides& sides) {
  const int more = std::max(sides.lhs.leading, sides.rhs.leading);
  const int less = std::min(sides.lhs.leading, sides.rhs.leading);
  std::string note = text("The axes before the matrix are the batch: ", sides.lhs.leading,
                          " of lhs and ", sides.rhs.leading, " of rhs, aligned at the right");
  if (less < more) {
    note += text("; ", sides.lhs.leading == more ? "lhs" : "rhs", "'s surplus at the left (",
                 more - less, ") is kept as it is");
  }
  bool stretches = false;
  for (const Input& input : c.inputs) {
    for (std::size_t axis = 0; axis < input.may_broadcast.size(); ++axis) {
      const Dim& dim = input.shape[static_cast<int>(axis)];
      stretches = stretches || (input.may_broadcast[axis] && dim == Dim(1) &&
                                c.extents[input.labels[axis]] != Dim(1));
    }
  }
  if (stretches) note += "; an extent of 1 stretches to the other operand's";
  return note + ".";
}

}  // namespace

std::vector<std::string> matmul_notes(const Shape& lhs, const Shape& rhs,
                                      const MatmulFlags& flags) {
  const Contraction c = matmul(lhs, rhs, flags);
  const Sides sides = sides_of(lhs, rhs, flags);
  std::vector<std::string> notes;
  notes.push_back(
      text("lhs axis ", sides.lhs.inner, " and rhs axis ", sides.rhs.inner, " are summed over."));
  if (sides.lhs.free == kNone || sides.rhs.free == kNone) {
    notes.push_back(vector_note(sides.lhs, sides.rhs));
  }
  if (sides.lhs.leading > 0 || sides.rhs.leading > 0) notes.push_back(leading_note(c, sides));
  if (sides.lhs.conjugate || sides.rhs.conjugate) {
    notes.push_back(text("Adjoint: the last two axes of ",
                         !sides.rhs.conjugate   ? "lhs"
                         : !sides.lhs.conjugate ? "rhs"
                                                : "both operands",
                         " are swapped, and complex elements conjugated."));
  }
  return notes;
}

}  // namespace batchdot::notation

namespace batchdot::inline v0 {

Contraction matmul(const Shape& lhs, const Shape& rhs, const MatmulFlags& flags) {
  const auto [left, right] = notation::sides_of(lhs, rhs, flags);
  Contraction c = notation::unlabelled(lhs, rhs);
  c.inputs[0].conjugate = left.conjugate;
  c.inputs[1].conjugate = right.conjugate;
  const AxisRef left_inner{0, left.inner};
  const AxisRef right_inner{1, right.inner};
  const Label inner = add_label(c, lhs[left.inner], "k");
  notation::label_at(c, left_inner) = inner;
  notation::label_at(c, right_inner) = inner;
  notation::unify_or_throw(c, "matmul", ErrorCode::kDim, "contracting extents differ", inner,
                           left_inner, right_inner, UnifyRule::kMerge);
  notation::add_leading_axes(c, lhs, rhs, {left, right});
  notation::add_free_axis(c, 0, left, "i");
  notation::add_free_axis(c, 1, right, "j");
  c.contracting_order = default_contracting_order(c);
  return c;
}

}  // namespace batchdot::inline v0
