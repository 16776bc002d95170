// SPDX-License-Identifier: Apache-2.0
#include "src/notation/pairs.h"

#include "src/core/text.h"

namespace batchdot::notation {

Contraction unlabelled(const Shape& lhs, const Shape& rhs) {
  Contraction c;
  c.inputs.resize(2);
  for (const int operand : {0, 1}) {
    Input& input = c.inputs[static_cast<std::size_t>(operand)];
    input.shape = operand == 0 ? lhs : rhs;
    input.labels.assign(static_cast<std::size_t>(input.shape.rank()), kNoLabel);
  }
  c.extents.reserve(static_cast<std::size_t>(lhs.rank() + rhs.rank()));
  return c;
}

void label_free_axes(Contraction& c, int operand) {
  Input& input = c.inputs[static_cast<std::size_t>(operand)];
  for (int axis = 0; axis < input.shape.rank(); ++axis) {
    Label& label = input.labels[static_cast<std::size_t>(axis)];
    if (label == kNoLabel) label = add_output_label(c, input.shape[axis]);
  }
}

Contraction contract_pairs(std::string_view function, const Shape& lhs, const Shape& rhs,
                           const AxisPairs& batch, const AxisPairs& contracting) {
  Contraction c = unlabelled(lhs, rhs);
  const auto add_pairs = [&](const AxisPairs& pairs, ErrorCode code, std::string_view what) {
    for (std::size_t i = 0; i < pairs.lhs.size(); ++i) {
      const Label label = add_label(c, lhs[pairs.lhs[i]]);
      unify_or_throw(c, function, code, what, label, {0, pairs.lhs[i]}, {1, pairs.rhs[i]},
                     UnifyRule::kMerge);
      c.inputs[0].labels[static_cast<std::size_t>(pairs.lhs[i])] = label;
      c.inputs[1].labels[static_cast<std::size_t>(pairs.rhs[i])] = label;
    }
  };
  add_pairs(batch, ErrorCode::kBatch, "batch extents differ");
  for (const int axis : batch.lhs) {
    c.output.push_back(c.inputs[0].labels[static_cast<std::size_t>(axis)]);
  }
  add_pairs(contracting, ErrorCode::kDim, "contracting extents differ");
  label_free_axes(c, 0);
  label_free_axes(c, 1);
  c.contracting_order = default_contracting_order(c);
  check_result_rank(function, c);
  return c;
}

void unify_or_throw(Contraction& c, std::string_view function, ErrorCode code,
                    std::string_view what, Label label, AxisRef lhs, AxisRef rhs, UnifyRule rule) {
  if (unify_label(c, label, lhs, rhs, rule)) return;
  const Shape& lhs_shape = c.inputs[static_cast<std::size_t>(lhs.operand)].shape;
  const Shape& rhs_shape = c.inputs[static_cast<std::size_t>(rhs.operand)].shape;
  const Dim& lhs_dim = lhs_shape[lhs.axis];
  const Dim& rhs_dim = rhs_shape[rhs.axis];
  throw Error(code,
              text(function, ": ", what, ": lhs axis ", lhs.axis, " has ", lhs_dim, ", rhs axis ",
                   rhs.axis, " has ", rhs_dim, "; ", both_shapes(lhs_shape, rhs_shape)),
              place_of(lhs.operand, lhs.axis, lhs_dim, rhs.operand, rhs.axis, rhs_dim));
}

std::string name_of(int operand) { return operand_name(operand, 2); }

std::string both_shapes(const Shape& lhs, const Shape& rhs) {
  return text("lhs ", lhs, ", rhs ", rhs);
}

void refuse_axes(ErrorCode code, std::string_view function, std::string_view why,
                 const Axes& axes) {
  throw Error(code, text(function, ": ", why, ": axes ", to_string(axes)));
}

void refuse_number_of_axes(std::string_view function, const Shape& lhs, const Shape& rhs,
                           const Axes& axes) {
  throw Error(ErrorCode::kAxesLen, text(function, ": axes must be two, one of lhs and one of rhs: ",
                                        to_string(axes), "; ", both_shapes(lhs, rhs)));
}

void refuse_range(std::string_view function, int operand, std::int64_t given, const Shape& shape) {
  throw Error(ErrorCode::kAxisRange,
              text(function, ": axis ", given, " of ", name_of(operand), " is out of range: rank ",
                   shape.rank(), ", shape ", shape),
              place_of_given(operand, given, shape));
}

void check_operand_rank(std::string_view function, const Shape& shape, int operand, int count) {
  if (shape.rank() <= Limits::kRank) return;
  throw Error(ErrorCode::kLimit,
              text(function, ": ", operand_name(operand, count), " has more than ", Limits::kRank,
                   " axes: ", shape.rank()),
              place_of(operand));
}

void check_result_rank(std::string_view function, const Contraction& c) {
  if (c.output.size() <= Limits::kRank) return;
  throw Error(ErrorCode::kLimit, text(function, ": the result would have more than ", Limits::kRank,
                                      " axes: ", c.output.size()));
}

}  // namespace batchdot::notation
