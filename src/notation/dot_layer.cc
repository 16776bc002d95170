// SPDX-License-Identifier: Apache-2.0
// The Dot layer of Keras, and Merge(mode='dot') before it: their own checks, then batch_dot.

#include "src/notation/dot_layer.h"

#include <algorithm>

#include "src/core/axis.h"
#include "src/core/text.h"
#include "src/notation/pairs.h"

namespace batchdot::notation {

namespace {

using Entry = Axes::Entry;

constexpr DotLayerRules kRules[] = {
    {keras(release(0, 3, 3), release(0, 3, 3)), LayerKind::kMergeOfRanges, -1, true},
    {keras(release(1, 0, 0), release(1, 0, 7)), LayerKind::kMergeUnresolved, -1, false},
    {keras(release(1, 0, 8), release(1, 2, 2)), LayerKind::kMerge, -1, false},
    {keras(release(2, 0, 0), release(2, 3, 1)), LayerKind::kDot, {}, true},
    {tf_keras(1), LayerKind::kDot, {}, false},
    {tf_keras(2), LayerKind::kDot, {}, false},
    {keras(release(3, 0, 0), kNewest), LayerKind::kDot, -1, true},
    {tfjs(), LayerKind::kScript, {}, true},
};

struct NormalizeRules {
  Releases releases;
  DotLayer::Floor floor;
  double epsilon;
};
constexpr NormalizeRules kNormalize[] = {
    {keras(release(2, 0, 0), release(2, 3, 1)), DotLayer::Floor::kUnderRoot, 1e-12},
    {tf_keras(1), DotLayer::Floor::kUnderRoot, 1e-12},
    {tf_keras(2), DotLayer::Floor::kUnderRoot, 1e-12},
    {keras(release(3, 0, 0), release(3, 0, 4)), DotLayer::Floor::kUnderRoot, 1e-7},
    {keras(release(3, 0, 5), kNewest), DotLayer::Floor::kNorm, 1e-7},
    {tfjs(), DotLayer::Floor::kUnderRoot, 1e-7},
};

std::int64_t remainder(std::int64_t value, int modulus) {  // of Python's %
  const std::int64_t rest = value % modulus;
  return rest < 0 ? rest + modulus : rest;
}

// The two axes as the caller wrote them, one int standing for both.
struct AxisPair {
  std::int64_t lhs, rhs;
};

class Reader {
 public:
  Reader(const Shape& lhs, const Shape& rhs, const Axes& axes, bool normalize,
         const Dialect& dialect)
      : lhs_(lhs), rhs_(rhs), axes_(axes), normalize_(normalize), dialect_(dialect) {}

  DotLayerReading read() {
    check_operand_rank(kFunction, lhs_, 0, 2);
    check_operand_rank(kFunction, rhs_, 1, 2);
    reading_.rules = &row_of(kRules, dialect_);
    set_default_axes();
    if (normalize_) set_normalize();
    switch (reading_.rules->kind) {
      case LayerKind::kMergeOfRanges:
        read_merge_of_ranges();
        break;
      case LayerKind::kMergeUnresolved:
      case LayerKind::kMerge:
        read_merge();
        break;
      case LayerKind::kDot:
        read_dot();
        break;
      case LayerKind::kScript:
        read_script();
        break;
    }
    layer().contraction = reading_.product.contraction;
    if (!reading_.rules->reports_formula) {
      layer().reported_shape = result_shape(layer().contraction);
    }
    return std::move(reading_);
  }

 private:
  static constexpr std::string_view kFunction = "dot_layer";

  DotLayer& layer() { return reading_.layer; }
  const Shape& shape_of(int operand) const { return operand == 0 ? lhs_ : rhs_; }

  void set_default_axes() {
    if (!axes_.is_none()) return;
    if (!reading_.rules->default_axis) {
      ErrorPlace place;
      place.option = "axes";
      throw Error(ErrorCode::kUsage,
                  text(kFunction, ": the Dot layer of ", dialect_.name(),
                       " has no default axes: give one axis, or one of each operand; ",
                       both_shapes(lhs_, rhs_)),
                  place);
    }
    axes_ = Axes(*reading_.rules->default_axis);
  }

  void set_normalize() {
    for (const NormalizeRules& row : kNormalize) {
      if (!holds(row.releases, dialect_)) continue;
      layer().normalize = true;
      layer().floor = row.floor;
      layer().epsilon = row.epsilon;
      return;
    }
    ErrorPlace place;
    place.option = "normalize";
    throw Error(ErrorCode::kNotImplemented,
                text(kFunction, ": ", dialect_.name(),
                     " does not normalize: its Merge(mode='cos') is another formula, the Dot layer "
                     "came with keras-2.0"),
                place);
  }

  void set_normalized_axes(std::int64_t lhs_axis, std::int64_t rhs_axis) {
    layer().lhs_axis = static_cast<int>(lhs_axis);
    layer().rhs_axis = static_cast<int>(rhs_axis);
  }

  // --- the checks that several layers share

  // Two ints, or one; the constructor's check.
  AxisPair two_ints() const {
    if (axes_.single()) return {*axes_.single(), *axes_.single()};
    const std::vector<Entry>& list = *axes_.list();
    if (list.size() != 2) refuse_number_of_axes(kFunction, lhs_, rhs_, axes_);
    for (const Entry& entry : list) {
      if (!entry.is_nested()) continue;
      refuse_axes(ErrorCode::kAxesNested, kFunction,
                  text("the layer of ", dialect_.name(), " takes ints, not lists inside axes"),
                  axes_);
    }
    return {std::get<std::int64_t>(list[0].value), std::get<std::int64_t>(list[1].value)};
  }

  void check_not_scalar(int operand) const {
    if (shape_of(operand).rank() > 0) return;
    throw Error(ErrorCode::kRank,
                text(kFunction, ": ", name_of(operand), " has ", wrong_rank(shape_of(operand), 1),
                     " to contract; ", both_shapes(lhs_, rhs_)),
                place_of_rank(operand, shape_of(operand), 1));
  }

  // A list is indexed as Python indexes: from the end where negative, never twice around.
  int index(int operand, std::int64_t axis) const {
    const std::optional<int> from_front = axis_from_front(axis, shape_of(operand).rank());
    if (!from_front) refuse_range(kFunction, operand, axis, shape_of(operand));
    return *from_front;
  }

  // Compared as declared: unknown equals unknown, and differs from every number.
  void check_extents(int lhs_axis, int rhs_axis, const std::string& why = {}) const {
    const Dim& lhs_dim = lhs_[lhs_axis];
    const Dim& rhs_dim = rhs_[rhs_axis];
    const bool both_known = lhs_dim.is_known() && rhs_dim.is_known();
    const bool equal = both_known ? lhs_dim == rhs_dim : lhs_dim.is_known() == rhs_dim.is_known();
    if (equal) return;
    throw Error(ErrorCode::kDim,
                text(kFunction, ": contracting extents differ: lhs axis ", lhs_axis, " has ",
                     lhs_dim, ", rhs axis ", rhs_axis, " has ", rhs_dim,
                     both_known ? "" : " (the layer compares what is declared)", why, "; ",
                     both_shapes(lhs_, rhs_)),
                place_of(0, lhs_axis, lhs_dim, 1, rhs_axis, rhs_dim));
  }

  // compute_output_shape: lhs without its axis, then rhs without its axis and without what is first
  // then. Where axis 0 of rhs is contracted, its axis 1 is lost too.
  Shape formula(int lhs_axis, int rhs_axis) const {
    Shape reported = lhs_;
    reported.erase(lhs_axis);
    Shape rest = rhs_;
    rest.erase(rhs_axis);
    if (rest.empty()) {
      throw Error(
          ErrorCode::kRank,
          text(kFunction, ": rhs has ", wrong_rank(rhs_, 2), ", ", dialect_.name(),
               " takes a batch axis and the contracted one off it; ", both_shapes(lhs_, rhs_)),
          place_of_rank(1, rhs_, 2));
    }
    rest.erase(0);
    for (const Dim& dim : rest) reported.push_back(dim);
    if (reported.rank() == 1) reported.push_back(1);
    return reported;
  }

  void multiply(Axes axes) {
    reading_.axes = std::move(axes);
    reading_.product = read_batch_dot(kFunction, lhs_, rhs_, reading_.axes, dialect_);
  }

  // --- the layers

  // One negative int is taken modulo each rank, however far below it lies; a pair is indexed.
  void read_dot() {
    const AxisPair given = two_ints();
    check_not_scalar(0);
    check_not_scalar(1);
    const bool wraps = axes_.single() && given.lhs < 0;
    const int lhs_axis =
        wraps ? static_cast<int>(remainder(given.lhs, lhs_.rank())) : index(0, given.lhs);
    const int rhs_axis =
        wraps ? static_cast<int>(remainder(given.rhs, rhs_.rank())) : index(1, given.rhs);
    check_extents(lhs_axis, rhs_axis);
    set_normalized_axes(lhs_axis, rhs_axis);
    multiply(Axes{lhs_axis, rhs_axis});
    if (reading_.rules->reports_formula) layer().reported_shape = formula(lhs_axis, rhs_axis);
  }

  void read_merge() {
    const AxisPair given = two_ints();
    check_not_scalar(0);
    check_not_scalar(1);
    AxisPair checked = given;  // whose extents are compared
    AxisPair passed = given;   // what batch_dot gets
    if (axes_.single() && given.lhs < 0) {
      checked = {remainder(given.lhs, lhs_.rank()), remainder(given.rhs, rhs_.rank())};
      if (reading_.rules->kind == LayerKind::kMerge) passed = checked;
    } else if (axes_.single() && reading_.rules->kind == LayerKind::kMergeUnresolved) {
      checked = {lhs_.rank() - given.lhs, rhs_.rank() - given.rhs};
    }
    check_extents(index(0, checked.lhs), index(1, checked.rhs));
    index(0, passed.lhs);  // its output shape is made by the formula, if only to be thrown away
    index(1, passed.rhs);
    multiply(Axes(std::vector<Entry>{Entry(passed.lhs), Entry(passed.rhs)}));
  }

  void read_script() {
    for (const int operand : {0, 1}) {
      if (shape_of(operand).rank() <= reading_limit()) continue;
      throw Error(ErrorCode::kNotImplemented,
                  text(kFunction, ": ", name_of(operand), " has ",
                       wrong_rank(shape_of(operand), reading_limit()), ", ", dialect_.name(),
                       " takes up to rank ", reading_limit(), "; ", both_shapes(lhs_, rhs_)),
                  place_of_rank(operand, shape_of(operand), reading_limit()));
    }
    const AxisPair given = two_ints();
    check_not_scalar(0);
    check_not_scalar(1);
    const auto wrapped = [&](int operand, std::int64_t axis) {
      return axis < 0 ? remainder(axis, shape_of(operand).rank()) : axis;
    };
    const AxisPair used = {wrapped(0, given.lhs), wrapped(1, given.rhs)};
    // An array is looked up as it is: a negative axis, or one out of range, is undefined there, and
    // two undefined extents are equal.
    const bool is_array = axes_.list().has_value();
    const auto is_undefined = [&](int operand, std::int64_t axis) {
      return axis < 0 || axis >= shape_of(operand).rank();
    };
    const bool lhs_undefined = is_undefined(0, is_array ? given.lhs : used.lhs);
    const bool rhs_undefined = is_undefined(1, is_array ? given.rhs : used.rhs);
    if (lhs_undefined != rhs_undefined) {
      const int operand = lhs_undefined ? 0 : 1;
      throw Error(ErrorCode::kAxisRange,
                  text(kFunction, ": axis ", operand == 0 ? given.lhs : given.rhs, " of ",
                       name_of(operand), " has no extent to compare in ", dialect_.name(),
                       ": rank ", shape_of(operand).rank(), ", shape ", shape_of(operand)),
                  place_of_given(operand, operand == 0 ? given.lhs : given.rhs, shape_of(operand)));
    }
    if (!lhs_undefined) check_extents(static_cast<int>(used.lhs), static_cast<int>(used.rhs));
    if (used.lhs < lhs_.rank() && used.rhs < rhs_.rank()) {
      set_normalized_axes(used.lhs, used.rhs);
    } else if (normalize_) {
      index(0, used.lhs);
      index(1, used.rhs);
    }
    multiply(Axes(std::vector<Entry>{Entry(used.lhs), Entry(used.rhs)}));
    layer().reported_shape = spliced(is_array ? given : used);
  }
  int reading_limit() const { return batch_dot_rules(dialect_).max_rank; }

  // The formula in JavaScript: splice counts a negative axis from the end and stops at the start;
  // beyond the end it takes nothing off.
  Shape spliced(AxisPair axes) const {
    const auto splice = [](Shape& shape, std::int64_t axis) {
      if (axis < 0) axis = std::max<std::int64_t>(0, axis + shape.rank());
      if (axis < shape.rank()) shape.erase(static_cast<int>(axis));
    };
    Shape reported = lhs_, rest = rhs_;
    splice(reported, axes.lhs);
    splice(rest, axes.rhs);
    splice(rest, 0);
    for (const Dim& dim : rest) reported.push_back(dim);
    if (reported.rank() == 1) reported.push_back(1);
    return reported;
  }

  // --- keras-0.3

  static std::vector<std::int64_t> range(std::int64_t first, std::int64_t end) {
    std::vector<std::int64_t> axes;
    for (std::int64_t axis = first; axis < end; ++axis) axes.push_back(axis);
    return axes;
  }

  // The two lists of axes that 0.3 makes of what it is given.
  std::pair<std::vector<std::int64_t>, std::vector<std::int64_t>> two_lists() const {
    if (axes_.single()) {
      const std::int64_t axis = *axes_.single();
      const int n1 = lhs_.rank(), n2 = rhs_.rank();
      if (axis < 0) return {range(remainder(axis, n1), n1), range(remainder(axis, n2), n2)};
      if (axis > Limits::kRank) refuse_range(kFunction, 0, axis, lhs_);
      return {range(n1 - axis, n2), range(1, axis + 1)};  // n2, not n1: as it was written
    }
    const std::vector<Entry>& list = *axes_.list();
    if (list.size() != 2) {
      refuse_axes(ErrorCode::kAxesLen, kFunction,
                  "axes must be two lists, one of lhs and one of rhs", axes_);
    }
    if (!list[0].is_nested() || !list[1].is_nested()) {
      refuse_axes(ErrorCode::kAxesType, kFunction,
                  text(dialect_.name(), " takes an int or two lists of axes"), axes_);
    }
    return {std::get<1>(list[0].value), std::get<1>(list[1].value)};
  }

  // np.tensordot over the axes without the batch, whose shape the result is reshaped to. Each axis
  // less 1 is looked up as Python does: axis 0 is the last one, -1 the last but one.
  Shape tensordot_shape(const std::vector<std::int64_t>& lhs_axes,
                        const std::vector<std::int64_t>& rhs_axes) const {
    Shape reported{lhs_[0]};
    std::vector<int> contracted[2];
    for (const int operand : {0, 1}) {
      const Shape& shape = shape_of(operand);
      for (const std::int64_t given : operand == 0 ? lhs_axes : rhs_axes) {
        contracted[operand].push_back(unbatched_axis(operand, given, contracted[operand]));
      }
      for (int axis = 1; axis < shape.rank(); ++axis) {
        if (!shape[axis].is_known()) {
          throw Error(ErrorCode::kNotImplemented,
                      text(kFunction, ": ", name_of(operand), " axis ", axis, " has ", shape[axis],
                           ", ", dialect_.name(), " needs to know every extent but the batch; ",
                           both_shapes(lhs_, rhs_)),
                      place_of(operand, axis, &shape[axis]));
        }
        const std::vector<int>& own = contracted[operand];
        if (std::count(own.begin(), own.end(), axis) == 0) reported.push_back(shape[axis]);
      }
    }
    for (std::size_t i = 0; i < contracted[0].size(); ++i) {
      check_extents(contracted[0][i], contracted[1][i], unbatched());
    }
    if (reported.rank() == 1) reported.push_back(1);
    return reported;
  }
  std::string unbatched() const {
    return text(", as ", dialect_.name(), " counts axes without the batch");
  }
  int unbatched_axis(int operand, std::int64_t given, const std::vector<int>& before) const {
    const Shape& shape = shape_of(operand);
    const std::optional<int> axis = axis_from_front(given - 1, shape.rank() - 1);
    if (!axis) {
      throw Error(ErrorCode::kAxisRange,
                  text(kFunction, ": axis ", given, " of ", name_of(operand), " is out of range",
                       unbatched(), ": rank ", shape.rank(), " with it; ", both_shapes(lhs_, rhs_)),
                  place_of_given(operand, given, shape));
    }
    if (std::count(before.begin(), before.end(), *axis + 1) != 0) {
      throw Error(
          ErrorCode::kAxesDup,
          text(kFunction, ": ", name_of(operand), " axis ", *axis + 1, " is contracted twice",
               unbatched(), ": axes ", to_string(axes_), "; ", both_shapes(lhs_, rhs_)),
          place_of_given(operand, *axis + 1, shape));
    }
    return *axis + 1;
  }

  void read_merge_of_ranges() {
    const auto [lhs_axes, rhs_axes] = two_lists();
    for (const int operand : {0, 1}) {
      if (shape_of(operand).rank() >= 2) continue;
      throw Error(
          ErrorCode::kRank,
          text(kFunction, ": ", name_of(operand), " has ", wrong_rank(shape_of(operand), 2), ", ",
               dialect_.name(), " contracts no batch axis; ", both_shapes(lhs_, rhs_)),
          place_of_rank(operand, shape_of(operand), 2));
    }
    if (lhs_axes.empty() || lhs_axes.size() != rhs_axes.size()) {
      refuse_axes(ErrorCode::kAxesLen, kFunction,
                  text(dialect_.name(), " makes ", lhs_axes.size(), " axes of lhs and ",
                       rhs_axes.size(), " of rhs of it"),
                  axes_);
    }
    for (std::size_t i = 0; i < lhs_axes.size(); ++i) {
      check_extents(index(0, lhs_axes[i]), index(1, rhs_axes[i]));
    }
    layer().reported_shape = tensordot_shape(lhs_axes, rhs_axes);
    multiply(Axes(std::vector<Entry>{Entry(lhs_axes), Entry(rhs_axes)}));
    reshape_to_reported();
  }

  // The result of batch_dot is reshaped to (-1, reported...). That is a contraction only where the
  // two differ in axes of 1.
  void reshape_to_reported() {
    Contraction& c = reading_.product.contraction;
    const Labels computed = c.output;
    c.output = {computed[0]};
    std::size_t next = 1;
    const auto extent_is = [&](const Dim& wanted) {
      return next < computed.size() && c.extents[computed[next]] == wanted;
    };
    bool fits = true;
    for (int axis = 1; axis < layer().reported_shape.rank(); ++axis) {
      const Dim& wanted = layer().reported_shape[axis];
      while (wanted != Dim(1) && extent_is(1)) ++next;
      if (extent_is(wanted)) {
        c.output.push_back(computed[next++]);
      } else if (wanted == Dim(1)) {
        add_output_label(c, 1);
      } else {
        fits = false;
      }
    }
    while (extent_is(1)) ++next;
    if (!fits || next != computed.size()) {
      Shape product;
      for (const Label label : computed) product.push_back(c.extents[label]);
      Shape target = layer().reported_shape;
      throw Error(ErrorCode::kNotImplemented,
                  text(kFunction, ": ", dialect_.name(), " multiplies to ", product,
                       " and reshapes that to ", target,
                       " with the batch as what is left, which mixes samples or axes; ",
                       both_shapes(lhs_, rhs_)));
    }
    c.contracting_order = default_contracting_order(c);
  }

  const Shape& lhs_;
  const Shape& rhs_;
  Axes axes_;
  bool normalize_;
  const Dialect& dialect_;
  DotLayerReading reading_;
};

}  // namespace

DotLayerReading read_dot_layer(const Shape& lhs, const Shape& rhs, const Axes& axes, bool normalize,
                               const Dialect& dialect) {
  return Reader(lhs, rhs, axes, normalize, dialect).read();
}

}  // namespace batchdot::notation

namespace batchdot::inline v0 {

DotLayer dot_layer(const Shape& lhs, const Shape& rhs, const Axes& axes, bool normalize,
                   const Dialect& dialect) {
  return notation::read_dot_layer(lhs, rhs, axes, normalize, dialect).layer;
}

}  // namespace batchdot::inline v0
