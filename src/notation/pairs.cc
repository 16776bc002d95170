// SPDX-License-Identifier: Apache-2.0
#include "src/notation/pairs.h"

#include <limits>
#include <optional>
#include <span>
#include <utility>

#include "src/core/text.h"

namespace batchdot::notation {

namespace {

Input input_of(const Shape& shape) {
  Input input;
  input.shape = shape;
  input.labels.resize(static_cast<std::size_t>(shape.rank()));
  return input;
}

// Gives one operand its labels: those of the pairs, and a new one in the output for each free axis.
void label_axes(Contraction& c, int operand, std::span<const int> paired_axes,
                const Labels& paired_labels) {
  const Shape& shape = c.inputs[static_cast<std::size_t>(operand)].shape;
  std::vector<std::optional<Label>> labels(static_cast<std::size_t>(shape.rank()));
  for (std::size_t i = 0; i < paired_axes.size(); ++i) {
    labels[static_cast<std::size_t>(paired_axes[i])] = paired_labels[i];
  }
  for (int axis = 0; axis < shape.rank(); ++axis) {
    const std::optional<Label>& paired = labels[static_cast<std::size_t>(axis)];
    c.inputs[static_cast<std::size_t>(operand)].labels[static_cast<std::size_t>(axis)] =
        paired ? *paired : add_output_label(c, shape[axis]);
  }
}

}  // namespace

Contraction contract_pairs(std::string_view function, const Shape& lhs, const Shape& rhs,
                           const AxisPairs& batch, const AxisPairs& contracting) {
  Contraction c;
  c.inputs = {input_of(lhs), input_of(rhs)};
  Labels labels;
  std::vector<int> lhs_axes, rhs_axes;
  const auto add_pairs = [&](const AxisPairs& pairs, ErrorCode code, std::string_view what) {
    for (std::size_t i = 0; i < pairs.lhs.size(); ++i) {
      labels.push_back(add_label(c, lhs[pairs.lhs[i]]));
      unify_or_throw(c, function, code, what, labels.back(), {0, pairs.lhs[i]}, {1, pairs.rhs[i]},
                     UnifyRule::kMerge);
      lhs_axes.push_back(pairs.lhs[i]);
      rhs_axes.push_back(pairs.rhs[i]);
    }
  };
  add_pairs(batch, ErrorCode::kBatch, "batch extents differ");
  c.output = labels;
  add_pairs(contracting, ErrorCode::kDim, "contracting extents differ");
  label_axes(c, 0, lhs_axes, labels);
  label_axes(c, 1, rhs_axes, labels);
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
                   rhs.axis, " has ", rhs_dim, "; lhs ", lhs_shape, ", rhs ", rhs_shape),
              place_of(lhs.operand, lhs.axis, lhs_dim, rhs.operand, rhs.axis, rhs_dim));
}

ErrorPlace place_of_given(int operand, std::int64_t axis, const Shape& shape) {
  ErrorPlace place = place_of_rank(operand, shape);
  if (axis < std::numeric_limits<int>::min() || axis > std::numeric_limits<int>::max()) {
    return place;  // too far out for a place; the message has it
  }
  place.axis = static_cast<int>(axis);
  if (axis >= 0 && axis < shape.rank()) place.extent = to_string(shape[*place.axis]);
  return place;
}

ErrorPlace place_of_rank(int operand, const Shape& shape) {
  ErrorPlace place = place_of(operand);
  place.extent = text(shape.rank());
  return place;
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
