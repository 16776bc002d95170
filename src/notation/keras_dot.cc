// SPDX-License-Identifier: Apache-2.0
// Keras K.dot, which is not batched, and keras.ops.dot, which is NumPy's dot.

#include "src/notation/keras_dot.h"

#include <algorithm>

#include "src/core/text.h"
#include "src/notation/batch_dot.h"
#include "src/notation/pairs.h"

namespace batchdot::notation {

namespace {

constexpr KerasDotRules kRules[] = {
    {keras(release(0, 3, 3), release(0, 3, 3)), DotForm::kMatrices},
    {keras(release(1, 0, 0), release(1, 1, 2)), DotForm::kFlattenedKnown},
    {keras(release(1, 2, 0), release(2, 3, 1)), DotForm::kFlattened},
    {tf_keras(1), DotForm::kFlattened},
    {tf_keras(2), DotForm::kFlattened},
    {keras(release(3, 0, 0), kNewest), DotForm::kNumPy},
    {tfjs(), DotForm::kScript},
};

class Reader {
 public:
  Reader(const Shape& lhs, const Shape& rhs, const Dialect& dialect)
      : lhs_(lhs), rhs_(rhs), dialect_(dialect) {}

  KerasDotReading read() {
    check_operand_rank("dot", lhs_, 0, 2);
    check_operand_rank("dot", rhs_, 1, 2);
    reading_.rules = &row_of(kRules, dialect_);
    c() = unlabelled(lhs_, rhs_);
    const bool is_product =
        reading_.rules->form == DotForm::kNumPy && (lhs_.rank() == 0 || rhs_.rank() == 0);
    if (!is_product) {
      check_ranks();
      reading_.lhs_axis = lhs_.rank() - 1;
      reading_.rhs_axis = rhs_.rank() == 1 ? 0 : rhs_.rank() - 2;
      check_known();
      contract();
    }
    label_free_axes(c(), 0);
    label_free_axes(c(), 1);
    if (flattens()) add_reshape_condition();
    c().contracting_order = default_contracting_order(c());
    check_result_rank("dot", c());
    return std::move(reading_);
  }

 private:
  Contraction& c() { return reading_.contraction; }
  const Shape& shape_of(int operand) const { return operand == 0 ? lhs_ : rhs_; }
  bool is_above_matrices() const { return lhs_.rank() > 2 || rhs_.rank() > 2; }
  bool flattens() const {
    const DotForm form = reading_.rules->form;
    return is_above_matrices() && (form == DotForm::kFlattened || form == DotForm::kFlattenedKnown);
  }

  [[noreturn]] void refuse_rank(ErrorCode code, int operand, int needed,
                                std::string_view why) const {
    throw Error(code,
                text("dot: ", name_of(operand), " has ", wrong_rank(shape_of(operand), needed),
                     ", ", dialect_.name(), " ", why, "; ", both_shapes(lhs_, rhs_)),
                place_of_rank(operand, shape_of(operand), needed));
  }

  void check_ranks() const {
    for (const int operand : {0, 1}) {
      const int rank = shape_of(operand).rank();
      switch (reading_.rules->form) {
        case DotForm::kMatrices:
          if (rank != 2) refuse_rank(ErrorCode::kRank, operand, 2, "multiplies matrices only");
          break;
        case DotForm::kFlattenedKnown:
        case DotForm::kFlattened: {
          // A vector on the left is understood beside a tensor of rank 3 or more, by accident.
          const bool takes_vector =
              operand == 0 && is_above_matrices() && reading_.rules->form == DotForm::kFlattened;
          const int needed = takes_vector ? 1 : 2;
          if (rank < needed) {
            refuse_rank(ErrorCode::kRank, operand, needed,
                        takes_vector ? "multiplies no scalars"
                                     : "multiplies matrices and tensors, not vectors");
          }
          break;
        }
        case DotForm::kScript:
          if (rank < 2)
            refuse_rank(ErrorCode::kNotImplemented, operand, 2, "needs rank 2 at least");
          break;
        case DotForm::kNumPy:
          break;
      }
    }
  }

  // Keras 1.0 and 1.1 write the extents into the reshapes; only the first of lhs may be missing.
  void check_known() const {
    if (reading_.rules->form != DotForm::kFlattenedKnown || !is_above_matrices()) return;
    for (const int operand : {0, 1}) {
      for (int axis = operand == 0 ? 1 : 0; axis < shape_of(operand).rank(); ++axis) {
        const Dim& dim = shape_of(operand)[axis];
        if (dim.is_known()) continue;
        throw Error(
            ErrorCode::kNotImplemented,
            text("dot: ", name_of(operand), " axis ", axis, " has ", dim, ", ", dialect_.name(),
                 " needs to know every extent but the first of lhs; ", both_shapes(lhs_, rhs_)),
            place_of(operand, axis, &dim));
      }
    }
  }

  void contract() {
    const AxisRef lhs{0, reading_.lhs_axis}, rhs{1, reading_.rhs_axis};
    const Dim& lhs_dim = lhs_[lhs.axis];
    const Dim& rhs_dim = rhs_[rhs.axis];
    // keras.ops.dot compares what is declared where rhs is a vector: unknown with 3 differ.
    const bool compares = reading_.rules->form == DotForm::kNumPy && rhs_.rank() == 1 &&
                          lhs_.rank() > 1 && lhs_dim.is_known() != rhs_dim.is_known();
    if (compares) {
      throw Error(
          ErrorCode::kDim,
          text("dot: contracting extents differ as they are declared: lhs axis ", lhs.axis, " has ",
               lhs_dim, ", rhs axis ", rhs.axis, " has ", rhs_dim, "; ", both_shapes(lhs_, rhs_)),
          place_of(0, lhs.axis, lhs_dim, 1, rhs.axis, rhs_dim));
    }
    const Label k = add_label(c(), lhs_dim, "k");
    c().inputs[0].labels[static_cast<std::size_t>(lhs.axis)] = k;
    c().inputs[1].labels[static_cast<std::size_t>(rhs.axis)] = k;
    unify_or_throw(c(), "dot", ErrorCode::kDim, "contracting extents differ", k, lhs, rhs,
                   UnifyRule::kMerge);
  }

  // Both operands become matrices by a reshape to -1, which leaves zeros out.
  void add_reshape_condition() {
    const Label k = c().inputs[0].labels[static_cast<std::size_t>(reading_.lhs_axis)];
    const auto is_open = [&](Label label) { return may_be_zero(c().extents[label]); };
    if (!is_open(k) || std::none_of(c().output.begin(), c().output.end(), is_open)) return;
    Condition condition;
    condition.kind = ConditionKind::kReshape;
    condition.lhs = {0, reading_.lhs_axis};
    condition.kept = {k};
    condition.flattened = c().output;
    c().conditions.push_back(std::move(condition));
  }

  const Shape& lhs_;
  const Shape& rhs_;
  const Dialect& dialect_;
  KerasDotReading reading_;
};

}  // namespace

KerasDotReading read_keras_dot(const Shape& lhs, const Shape& rhs, const Dialect& dialect) {
  return Reader(lhs, rhs, dialect).read();
}

}  // namespace batchdot::notation

namespace batchdot::inline v0 {

Contraction dot(const Shape& lhs, const Shape& rhs, const Dialect& dialect) {
  return notation::read_keras_dot(lhs, rhs, dialect).contraction;
}

}  // namespace batchdot::inline v0
