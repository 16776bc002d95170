// SPDX-License-Identifier: Apache-2.0
// Keras batch_dot: the table of its releases, and family B. Family A is in matrix_product.cc.

#include "src/notation/batch_dot.h"

#include <algorithm>

#include "src/core/axis.h"
#include "src/core/text.h"
#include "src/notation/pairs.h"

namespace batchdot::notation {

namespace {

// Oldest first. The letters are those of docs/semantics.md. A new dialect is a row.
constexpr BatchDotRules kRules[] = {
    {.releases = keras(release(0, 3, 3), release(0, 3, 3)),  // A0
     .takes_lists = true,
     .no_axes = NoAxes::kPlainProduct,
     .multiplies_rank_2 = false,
     .appends_ones = false},
    {.releases = keras(release(1, 0, 0), release(1, 2, 1)),  // A1
     .no_axes = NoAxes::kPlainProduct,
     .multiplies_rank_2 = false,
     .appends_ones = false},
    {.releases = keras(release(1, 2, 2), release(2, 0, 3)),  // A2
     .no_axes = NoAxes::kPlainProductAboveRank2,
     .appends_ones = false},
    {.releases = keras(release(2, 0, 4), release(2, 1, 5)),  // A3
     .no_axes = NoAxes::kPlainProductAboveRank2},
    {.releases = keras(release(2, 1, 6), release(2, 1, 6))},                          // A4
    {.releases = tf_keras(1), .broadcasts = true},                                    // A4
    {.releases = keras(release(2, 2, 0), release(2, 2, 4)), .refuses_nested = true},  // A5
    {.releases = keras(release(2, 2, 5), release(2, 3, 1)), .per_sample = true},      // B1
    {.releases = tf_keras(2), .per_sample = true, .infers_reshape = true},            // B2
    {.releases = keras(release(3, 0, 0), kNewest),                                    // B3
     .per_sample = true,
     .batch = UnifyRule::kBroadcastKeras3,
     .infers_reshape = true},
    {.releases = tfjs(),
     .broadcasts = true,
     .conjugates = false,
     .takes_complex = false,
     .is_script = true,
     .max_rank = 3},
};

// Family B's two axes, counted from 0 and in range.
struct AxisPair {
  int lhs, rhs;
};

[[noreturn]] void refuse_axis_0(std::string_view function, int operand, std::int64_t given,
                                const Shape& shape, const Axes& axes, const Dialect& dialect) {
  throw Error(ErrorCode::kAxis0,
              text(function, ": axis 0 is the batch axis, which ", dialect.name(),
                   " never contracts: axis ", given, " of ", name_of(operand), " ", shape,
                   ", axes ", to_string(axes),
                   "; name an axis from 1 on, and put a batch axis of 1 in front of operands that "
                   "have none"),
              place_of(operand, 0, &shape[0]));
}

// In Keras's order: the form first, then axis 0 anywhere, then the length, then the range.
AxisPair resolve_axes(std::string_view function, const Shape& lhs, const Shape& rhs,
                      const Axes& axes, const Dialect& dialect) {
  AxisList given;
  if (axes.single()) {
    given = {*axes.single(), *axes.single()};
  } else if (axes.is_none()) {
    given = {lhs.rank() - 1, rhs.rank() == 2 ? 1 : rhs.rank() - 2};
  } else {
    for (const Axes::Entry& entry : *axes.list()) {
      if (entry.is_nested()) {
        throw Error(ErrorCode::kAxesNested,
                    text(function, ": ", dialect.name(),
                         " sums over one axis of each operand, lists inside axes are refused: ",
                         to_string(axes)));
      }
      given.push_back(std::get<std::int64_t>(entry.value));
    }
  }
  if (given.size() < 2) refuse_number_of_axes(function, lhs, rhs, axes);
  const std::optional<int> lhs_axis = axis_from_front(given[0], lhs.rank());
  const std::optional<int> rhs_axis = axis_from_front(given[1], rhs.rank());
  if (lhs_axis == 0) refuse_axis_0(function, 0, given[0], lhs, axes, dialect);
  if (rhs_axis == 0) refuse_axis_0(function, 1, given[1], rhs, axes, dialect);
  if (given.size() > 2) refuse_number_of_axes(function, lhs, rhs, axes);
  // Below -rank the original wraps once more and transposes nonsense; this is refused on purpose.
  if (!lhs_axis) refuse_range(function, 0, given[0], lhs);
  if (!rhs_axis) refuse_range(function, 1, given[1], rhs);
  return {*lhs_axis, *rhs_axis};
}

// TensorFlow leaves zeros out when it infers a -1. Where K is 0, several free axes with a 0 among
// them thus become one axis that is not empty, and the last reshape does not fit: unless another
// axis of the result is empty too.
void add_reshape_condition(Contraction& c, AxisPair contracted) {
  Condition condition;
  condition.kind = ConditionKind::kReshape;
  condition.kept = {c.inputs[0].labels[static_cast<std::size_t>(contracted.lhs)]};
  condition.others = {c.output[0]};
  bool may_fail = false;
  for (int operand = 0; operand < 2; ++operand) {
    const Input& input = c.inputs[static_cast<std::size_t>(operand)];
    const int contracted_axis = operand == 0 ? contracted.lhs : contracted.rhs;
    for (int axis = 1; axis < input.shape.rank(); ++axis) {
      if (axis == contracted_axis) continue;
      const Label label = input.labels[static_cast<std::size_t>(axis)];
      const bool is_flattened = input.shape.rank() > 3;
      (is_flattened ? condition.flattened : condition.others).push_back(label);
      if (!is_flattened || !may_be_zero(c.extents[label]) || may_fail) continue;
      may_fail = true;
      condition.lhs = {operand, contracted_axis};
    }
  }
  const bool is_spared = std::any_of(condition.others.begin(), condition.others.end(),
                                     [&](Label label) { return c.extents[label] == Dim(0); });
  if (!may_fail || is_spared || !may_be_zero(c.extents[condition.kept[0]])) return;
  c.conditions.push_back(std::move(condition));
}

void read_per_sample(BatchDotReading& reading, std::string_view function, const Shape& lhs,
                     const Shape& rhs, const Axes& axes, const Dialect& dialect) {
  for (const int operand : {0, 1}) {
    const Shape& shape = operand == 0 ? lhs : rhs;
    if (shape.rank() >= 2) continue;
    throw Error(ErrorCode::kRank,
                text(function, ": ", name_of(operand), " has ", wrong_rank(shape, 2), ", ",
                     dialect.name(), " needs a batch axis and another: ", both_shapes(lhs, rhs)),
                place_of_rank(operand, shape, 2));
  }
  if (lhs[0].is_known() && rhs[0].is_known() && !(lhs[0] == rhs[0])) {
    throw Error(ErrorCode::kBatch,
                text(function, ": batch extents differ: lhs axis 0 has ", lhs[0],
                     ", rhs axis 0 has ", rhs[0], "; ", both_shapes(lhs, rhs)),
                place_of(0, 0, lhs[0], 1, 0, rhs[0]));
  }
  const AxisPair contracted = resolve_axes(function, lhs, rhs, axes, dialect);
  reading.path = BatchDotReading::Path::kPerSample;
  reading.lhs.contracted = contracted.lhs;
  reading.rhs.contracted = contracted.rhs;

  Contraction& c = reading.contraction;
  c = unlabelled(lhs, rhs);
  const Label batch = add_output_label(c, lhs[0], "b");
  const Label k = add_label(c, lhs[contracted.lhs], "k");
  for (const int operand : {0, 1}) {
    Labels& labels = c.inputs[static_cast<std::size_t>(operand)].labels;
    labels[0] = batch;
    labels[static_cast<std::size_t>(operand == 0 ? contracted.lhs : contracted.rhs)] = k;
  }
  unify_or_throw(c, function, ErrorCode::kBatch, "batch extents differ", batch, {0, 0}, {1, 0},
                 rule_between(lhs[0], rhs[0], reading.rules->batch));
  unify_or_throw(c, function, ErrorCode::kDim, "contracting extents differ", k, {0, contracted.lhs},
                 {1, contracted.rhs}, UnifyRule::kMerge);
  label_free_axes(c, 0);
  label_free_axes(c, 1);
  if (reading.rules->infers_reshape && std::max(lhs.rank(), rhs.rank()) > 3) {
    add_reshape_condition(c, contracted);
  }
  if (c.output.size() == 1) {  // Keras keeps the rank at 2: (batch, 1).
    add_output_label(c, 1);
    reading.added_axis = true;
  }
}

// The axes of a call that names one of each operand, in the form that these releases take.
std::optional<AxisList> one_of_each(const Axes& axes, bool takes_lists) {
  if (axes.single() && !takes_lists) return AxisList{*axes.single(), *axes.single()};
  if (!axes.list() || axes.list()->size() != 2) return {};
  AxisList named;
  for (const Axes::Entry& entry : *axes.list()) {
    if (entry.is_nested() != takes_lists) return {};
    if (!takes_lists) {
      named.push_back(std::get<std::int64_t>(entry.value));
    } else if (const auto& list = std::get<1>(entry.value); !list.empty()) {
      named.push_back(list[0]);
    } else {
      return {};
    }
  }
  return named;
}

}  // namespace

bool may_fit(const Shape& lhs, const Shape& rhs, const Axes& axes, const Dialect& dialect) {
  const BatchDotRules& rules = batch_dot_rules(dialect);
  const std::optional<AxisList> named = one_of_each(axes, rules.takes_lists);
  if (!named) return true;                                // for the reader to say
  const auto dim_at = [](const Shape& shape, int axis) {  // family A appends axes of 1
    return axis < shape.rank() ? shape[axis] : Dim(1);
  };
  const auto go_together = [&](int lhs_axis, int rhs_axis, UnifyRule rule) {
    return unify(dim_at(lhs, lhs_axis), dim_at(rhs, rhs_axis), rule).has_value();
  };
  if (rules.per_sample) {
    const std::optional<int> lhs_axis = axis_from_front((*named)[0], lhs.rank());
    const std::optional<int> rhs_axis = axis_from_front((*named)[1], rhs.rank());
    return lhs_axis.value_or(0) != 0 && rhs_axis.value_or(0) != 0 &&
           go_together(0, 0, UnifyRule::kMerge) &&
           go_together(*lhs_axis, *rhs_axis, UnifyRule::kMerge);
  }
  const int rank = std::max(lhs.rank(), rhs.rank());
  if (rank < 3) return true;
  const bool broadcasts = rules.broadcasts || dialect.tensorflow_broadcasts();
  for (int axis = 0; axis < rank - 2; ++axis) {
    const UnifyRule rule = broadcasts ? UnifyRule::kBroadcast : UnifyRule::kMerge;
    if (!go_together(axis, axis, rule)) return false;
  }
  return go_together(contracted_axis(rank, (*named)[0] == rank - 1),
                     contracted_axis(rank, (*named)[1] == rank - 1), UnifyRule::kMerge);
}

const BatchDotRules& batch_dot_rules(const Dialect& dialect) { return row_of(kRules, dialect); }

UnifyRule rule_between(const Dim& lhs, const Dim& rhs, UnifyRule rule) {
  return lhs == rhs && !lhs.is_unknown() ? UnifyRule::kMerge : rule;
}

BatchDotReading read_batch_dot(std::string_view function, const Shape& lhs, const Shape& rhs,
                               const Axes& axes, const Dialect& dialect) {
  check_operand_rank(function, lhs, 0, 2);
  check_operand_rank(function, rhs, 1, 2);
  BatchDotReading reading;
  reading.rules = &batch_dot_rules(dialect);
  if (reading.rules->per_sample) {
    read_per_sample(reading, function, lhs, rhs, axes, dialect);
  } else {
    read_matrix_product(reading, function, lhs, rhs, axes, dialect);
  }
  reading.contraction.contracting_order = default_contracting_order(reading.contraction);
  check_result_rank(function, reading.contraction);
  return reading;
}

}  // namespace batchdot::notation

namespace batchdot::inline v0 {

Contraction batch_dot(const Shape& lhs, const Shape& rhs, const Axes& axes,
                      const Dialect& dialect) {
  return notation::read_batch_dot("batch_dot", lhs, rhs, axes, dialect).contraction;
}

}  // namespace batchdot::inline v0
