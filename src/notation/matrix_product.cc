// SPDX-License-Identifier: Apache-2.0
// Family A of batch_dot: a matrix product over the last two axes. An axis only says whether it is
// the last one; all axes before the last two are batch. Where the ranks differ, axes of 1 are
// appended to the smaller operand and dropped from the result: here such an axis is one that the
// operand lacks.

#include <algorithm>
#include <utility>

#include "src/core/axis.h"
#include "src/core/text.h"
#include "src/notation/batch_dot.h"
#include "src/notation/pairs.h"

namespace batchdot::notation {

namespace {

using Entry = Axes::Entry;
using Positions = std::vector<std::optional<Label>>;  // of a product; none: an extent of 1

// The axes of the call. Without axes the first releases take the plain product.
struct AxesOfCall {
  bool plain_product = false;
  std::optional<Entry> lhs, rhs;  // none: missing, which only JavaScript takes
};

// keras-0.3 looks at the first entry of each of two lists, and takes anything empty for "no axes".
AxesOfCall first_entries(std::string_view function, const Axes& axes, const Dialect& dialect) {
  AxesOfCall call;
  const bool is_empty = axes.is_none() || (axes.single() && *axes.single() == 0) ||
                        (axes.list() && axes.list()->empty());
  if (is_empty) {
    call.plain_product = true;
    return call;
  }
  const std::string why = text(dialect.name(),
                               " takes a list of axes for each operand, as in "
                               "[[2], [1]]");
  if (axes.single()) refuse_axes(ErrorCode::kAxesType, function, why, axes);
  const auto first = [&](const Entry& entry) -> Entry {
    if (!entry.is_nested()) refuse_axes(ErrorCode::kAxesType, function, why, axes);
    const auto& list = std::get<std::vector<std::int64_t>>(entry.value);
    if (list.empty()) refuse_axes(ErrorCode::kAxesLen, function, why, axes);
    return Entry(list.front());
  };
  call.lhs = first((*axes.list())[0]);
  if (axes.list()->size() < 2) refuse_axes(ErrorCode::kAxesLen, function, why, axes);
  call.rhs = first((*axes.list())[1]);
  return call;
}

AxesOfCall axes_of_call(std::string_view function, const BatchDotRules& rules, const Shape& lhs,
                        const Shape& rhs, const Axes& axes, const Dialect& dialect) {
  if (rules.takes_lists) return first_entries(function, axes, dialect);
  AxesOfCall call;
  if (axes.single()) {
    call.lhs = call.rhs = Entry(*axes.single());
  } else if (axes.is_none()) {
    call.plain_product = rules.no_axes != NoAxes::kPair;
    if (!call.plain_product) {
      call.lhs = Entry(std::int64_t{lhs.rank() - 1});
      call.rhs = Entry(std::int64_t{rhs.rank() - 2});
    }
  } else {
    const std::vector<Entry>& list = *axes.list();
    for (const Entry& entry : list) {
      if (!rules.refuses_nested || !entry.is_nested()) continue;
      refuse_axes(ErrorCode::kAxesNested, function,
                  text(dialect.name(), " refuses lists inside axes"), axes);
    }
    if (list.size() < 2 && !rules.is_script) refuse_number_of_axes(function, lhs, rhs, axes);
    if (!list.empty()) call.lhs = list[0];
    if (list.size() > 1) call.rhs = list[1];  // the rest is never looked at
  }
  return call;
}

// Compared as given: 1 and -1 are different axes here, and a list is never a number.
bool is_axis(const std::optional<Entry>& entry, std::int64_t axis) {
  return entry && !entry->is_nested() && std::get<std::int64_t>(entry->value) == axis;
}

// "axis 1", "[1, 2]".
std::string entry_text(const Entry& entry) {
  const std::string list = to_string(Axes(std::vector<Entry>{entry}));  // [1] or [[1, 2]]
  const std::string inside = list.substr(1, list.size() - 2);
  if (entry.is_nested()) return inside;
  return text("axis ", inside, inside[0] == '-' ? ", compared as it is written," : "");
}

// Builds the one Contraction of a call.
class Product {
 public:
  Product(BatchDotReading& reading, std::string_view function, const Shape& lhs, const Shape& rhs,
          const Dialect& dialect)
      : reading_(reading),
        c_(reading.contraction),
        function_(function),
        lhs_(lhs),
        rhs_(rhs),
        dialect_(dialect),
        broadcasts_(reading.rules->broadcasts || dialect.tensorflow_broadcasts()) {
    c_ = unlabelled(lhs, rhs);
    reading_.rank = std::max(lhs.rank(), rhs.rank());
  }

  void read(const AxesOfCall& call, const Axes& axes) {
    check_ranks();
    Positions product;
    if (reading_.rank == 2 && rules().multiplies_rank_2) {
      product = multiply_elementwise(call, axes);
    } else {
      product = multiply_matrices(call);
    }
    squeeze(product);
    if (product.size() == 1) {
      product.push_back({});
      reading_.added_axis = true;
    }
    for (const std::optional<Label>& label : product) {
      if (label) {
        c_.output.push_back(*label);
      } else {
        add_output_label(c_, 1);
      }
    }
  }

 private:
  const BatchDotRules& rules() const { return *reading_.rules; }
  const Shape& shape_of(int operand) const { return operand == 0 ? lhs_ : rhs_; }

  void check_ranks() const {
    if (rules().is_script && lhs_.rank() < 2) refuse_rank(0, 2, "needs rank 2 at least");
    for (const int operand : {0, 1}) {
      if (shape_of(operand).rank() <= rules().max_rank) continue;
      refuse_rank(operand, rules().max_rank, text("multiplies up to rank ", rules().max_rank),
                  ErrorCode::kNotImplemented);
    }
    if (lhs_.rank() != rhs_.rank() && !rules().appends_ones) {
      const int smaller = lhs_.rank() < rhs_.rank() ? 0 : 1;
      refuse_rank(
          smaller, reading_.rank,
          text("multiplies operands of one rank, ", name_of(1 - smaller), " has ", reading_.rank));
    }
    if (reading_.rank < 2) refuse_rank(0, 2, "multiplies matrices");
  }
  [[noreturn]] void refuse_rank(int operand, int needed, std::string_view why,
                                ErrorCode code = ErrorCode::kRank) const {
    throw Error(
        code,
        text(function_, ": ", name_of(operand), " has ", wrong_rank(shape_of(operand), needed),
             ", ", dialect_.name(), " ", why, ": ", both_shapes(lhs_, rhs_)),
        place_of_rank(operand, shape_of(operand), needed));
  }

  bool has(int operand, int axis) const { return axis < shape_of(operand).rank(); }
  Label& label_at(int operand, int axis) {
    return c_.inputs[static_cast<std::size_t>(operand)].labels[static_cast<std::size_t>(axis)];
  }
  // "lhs axis 2 has 20", also of an axis that was appended.
  std::string axis_text(int operand, int axis) const {
    if (has(operand, axis)) {
      return text(name_of(operand), " axis ", axis, " has ", shape_of(operand)[axis]);
    }
    return text(name_of(operand), " axis ", axis, ", appended, has 1");
  }

  // One label for an axis of lhs and one of rhs; none if both are appended.
  std::optional<Label> pair(int lhs_axis, int rhs_axis, UnifyRule rule, ErrorCode code,
                            std::string_view what, const std::string& why, std::string name = {}) {
    if (has(0, lhs_axis) && has(1, rhs_axis)) {
      const Label label = add_label(c_, lhs_[lhs_axis], std::move(name));
      label_at(0, lhs_axis) = label_at(1, rhs_axis) = label;
      if (!unify_label(c_, label, {0, lhs_axis}, {1, rhs_axis},
                       rule_between(lhs_[lhs_axis], rhs_[rhs_axis], rule))) {
        throw Error(code,
                    text(function_, ": ", what, ": ", axis_text(0, lhs_axis), ", ",
                         axis_text(1, rhs_axis), why, "; ", both_shapes(lhs_, rhs_)),
                    place_of(0, lhs_axis, lhs_[lhs_axis], 1, rhs_axis, rhs_[rhs_axis]));
      }
      return label;
    }
    if (!has(0, lhs_axis) && !has(1, rhs_axis)) return {};
    const AxisRef ref = has(0, lhs_axis) ? AxisRef{0, lhs_axis} : AxisRef{1, rhs_axis};
    const Dim& dim = shape_of(ref.operand)[ref.axis];
    const Label label = add_label(c_, dim, std::move(name));
    label_at(ref.operand, ref.axis) = label;
    if (rule == UnifyRule::kMerge && !must_be_one(label)) {
      ErrorPlace place = place_of(ref.operand, ref.axis, &dim);
      place.other_operand = 1 - ref.operand;
      place.other_axis = ref.operand == 0 ? rhs_axis : lhs_axis;
      place.other_extent = "1";
      throw Error(code,
                  text(function_, ": ", what, ": ", axis_text(0, lhs_axis), ", ",
                       axis_text(1, rhs_axis), why, "; ", both_shapes(lhs_, rhs_)),
                  place);
    }
    return label;
  }

  // Records that every axis with this label has extent 1; false if one has another.
  bool must_be_one(Label label) {
    if (c_.extents[label].is_known() && c_.extents[label] != Dim(1)) return false;
    for (const int operand : {0, 1}) {
      for (int axis = 0; axis < shape_of(operand).rank(); ++axis) {
        if (label_at(operand, axis) != label || shape_of(operand)[axis].is_known()) continue;
        Condition condition;
        condition.kind = ConditionKind::kIsOne;
        condition.lhs = {operand, axis};
        c_.conditions.push_back(std::move(condition));
      }
    }
    c_.extents[label] = Dim(1);
    return true;
  }

  std::optional<Label> free_label(int operand, int axis, std::string name) {
    if (!has(operand, axis)) return {};
    return label_at(operand, axis) = add_label(c_, shape_of(operand)[axis], std::move(name));
  }

  // How the axes of the call choose the contracted ones.
  void choose_contracted(const AxesOfCall& call) {
    const int last = reading_.rank - 1;
    reading_.lhs.named = call.lhs;
    reading_.rhs.named = call.rhs;
    reading_.lhs.transposed = !call.plain_product && !is_axis(call.lhs, last);
    reading_.rhs.transposed = !call.plain_product && is_axis(call.rhs, last);
    reading_.lhs.contracted = contracted_axis(reading_.rank, !reading_.lhs.transposed);
    reading_.rhs.contracted = contracted_axis(reading_.rank, reading_.rhs.transposed);
  }

  // Where an axis was named that is not the one that is contracted, says so.
  std::string why_contracted() const {
    std::string out;
    for (const int operand : {0, 1}) {
      const OperandReading& side = operand == 0 ? reading_.lhs : reading_.rhs;
      if (!side.named || is_axis(side.named, side.contracted)) continue;
      out += text(out.empty() ? " (" : "; ", entry_text(*side.named), " is not the last axis of ",
                  name_of(operand), ", so ", dialect_.name(), " contracts the last but one, axis ",
                  side.contracted);
    }
    return out.empty() ? out : out + ")";
  }

  Positions multiply_matrices(const AxesOfCall& call) {
    reading_.path = BatchDotReading::Path::kMatrixProduct;
    choose_contracted(call);
    c_.inputs[0].conjugate = reading_.lhs.transposed && rules().conjugates;
    c_.inputs[1].conjugate = reading_.rhs.transposed && rules().conjugates;
    Positions product;
    const auto pair_leading = [&] {
      const std::string why =
          text(" (", dialect_.name(), " takes every axis before the last two as batch)");
      for (int axis = 0; axis < reading_.rank - 2; ++axis) {
        product.push_back(pair(axis, axis, broadcasts_ ? UnifyRule::kBroadcast : UnifyRule::kMerge,
                               ErrorCode::kBatchDim, "leading extents differ", why));
      }
    };
    const auto pair_contracted = [&] {
      pair(reading_.lhs.contracted, reading_.rhs.contracted, UnifyRule::kMerge, ErrorCode::kDim,
           "contracting extents differ", why_contracted(), "k");
    };
    // TensorFlow's later op looks at the contracted axes first.
    if (broadcasts_) {
      pair_contracted();
      pair_leading();
    } else {
      pair_leading();
      pair_contracted();
    }
    const int matrix = reading_.rank - 2;  // the free one of the last two is the one not contracted
    product.push_back(free_label(0, matrix + (reading_.lhs.contracted == matrix ? 1 : 0), "i"));
    product.push_back(free_label(1, matrix + (reading_.rhs.contracted == matrix ? 1 : 0), "j"));
    return product;
  }

  // out[i, j] = lhs[i, j] * rhs[i, j], or lhs[j, i] where the axes differ; then summed.
  Positions multiply_elementwise(const AxesOfCall& call, const Axes& axes) {
    reading_.path = BatchDotReading::Path::kElementwise;
    if (call.plain_product) {
      refuse_axes(ErrorCode::kAxesType, function_,
                  text(dialect_.name(), " needs axes for two operands of rank 2, say 1"), axes);
    }
    reading_.lhs.named = call.lhs;
    reading_.rhs.named = call.rhs;
    const bool lists_differ = rules().is_script && call.lhs && call.lhs->is_nested();
    const bool same = call.lhs == call.rhs && !lists_differ;
    reading_.lhs.transposed = !same;
    const std::string why =
        text(" (", dialect_.name(), " multiplies two operands of rank 2 elementwise",
             same ? ")" : ", lhs transposed as the axes differ)");
    Positions product;
    for (const int position : {0, 1}) {
      product.push_back(pair(same ? position : 1 - position, position, UnifyRule::kBroadcast,
                             ErrorCode::kBroadcast, "extents differ", why));
    }
    reading_.summed = summed_positions(same ? call.lhs : call.rhs, axes);
    Positions kept;
    for (const int position : {0, 1}) {
      const bool is_summed = std::count(reading_.summed.begin(), reading_.summed.end(), position);
      if (!is_summed) kept.push_back(product[static_cast<std::size_t>(position)]);
    }
    return kept;
  }

  std::vector<int> summed_positions(const std::optional<Entry>& entry, const Axes& axes) const {
    if (!entry) return {0, 1};  // JavaScript: a sum without an axis is over all
    std::vector<std::int64_t> given;
    if (entry->is_nested()) {
      given = std::get<std::vector<std::int64_t>>(entry->value);
    } else {
      given = {std::get<std::int64_t>(entry->value)};
    }
    std::vector<int> positions;
    for (const std::int64_t axis : given) {
      const std::optional<int> position = axis_from_front(axis, 2);
      if (!position) {
        throw Error(ErrorCode::kAxisRange,
                    text(function_, ": axis ", axis, " of ", name_of(same_operand(entry)),
                         " is out of range: ", dialect_.name(),
                         " sums the elementwise product, which has rank 2, over it: axes ",
                         to_string(axes), "; ", both_shapes(lhs_, rhs_)),
                    place_of_given(same_operand(entry), axis, shape_of(same_operand(entry))));
      }
      if (std::count(positions.begin(), positions.end(), *position) != 0) {
        const int operand = same_operand(entry);
        throw Error(ErrorCode::kAxesDup,
                    text(function_, ": axis ", axis, " is summed twice: axes ", to_string(axes),
                         "; ", both_shapes(lhs_, rhs_)),
                    place_of_given(operand, *position, shape_of(operand)));
      }
      positions.push_back(*position);
    }
    return positions;
  }
  // The operand whose axis is summed over, for the place of an error.
  int same_operand(const std::optional<Entry>& entry) const {
    return entry == reading_.lhs.named ? 0 : 1;
  }

  // Drops the positions that stand for appended axes, as the original finds them.
  void squeeze(Positions& product) {
    const int appended = std::max(lhs_.rank(), rhs_.rank()) - std::min(lhs_.rank(), rhs_.rank());
    if (appended == 0) return;
    const int start = lhs_.rank() > rhs_.rank() ? lhs_.rank() + rhs_.rank() - 3 : lhs_.rank() - 1;
    const int rank = static_cast<int>(product.size());
    for (int i = start; i < start + appended; ++i) {
      const std::optional<int> position = axis_from_front(i, rank);
      if (!position) refuse_squeeze_range(i, rank, appended);
      if (std::count(reading_.squeezed.begin(), reading_.squeezed.end(), *position) == 0) {
        reading_.squeezed.push_back(*position);
      }
    }
    Positions kept;
    for (int position = 0; position < rank; ++position) {
      const std::optional<Label>& label = product[static_cast<std::size_t>(position)];
      if (std::count(reading_.squeezed.begin(), reading_.squeezed.end(), position) == 0) {
        kept.push_back(label);
      } else if (label && !must_be_one(*label)) {
        refuse_squeeze(position, *label, appended);
      }
    }
    product = std::move(kept);
  }

  std::string appended_text(int appended) const {
    const int smaller = lhs_.rank() < rhs_.rank() ? 0 : 1;
    return text(dialect_.name(), " appends ", appended, appended == 1 ? " axis" : " axes",
                " of 1 to ", name_of(smaller), ", multiplies, and drops as many from the product");
  }
  [[noreturn]] void refuse_squeeze_range(int position, int rank, int appended) const {
    const int smaller = lhs_.rank() < rhs_.rank() ? 0 : 1;
    throw Error(ErrorCode::kSqueeze,
                text(function_, ": ", appended_text(appended), ", but axis ", position,
                     " to drop is not among its ", rank, ": ", name_of(smaller), " has rank ",
                     shape_of(smaller).rank(), ", ", name_of(1 - smaller), " has ",
                     shape_of(1 - smaller).rank(), "; ", both_shapes(lhs_, rhs_)),
                place_of_rank(smaller, shape_of(smaller), shape_of(1 - smaller).rank()));
  }
  [[noreturn]] void refuse_squeeze(int position, Label label, int appended) const {
    for (const int operand : {0, 1}) {
      const Labels& labels = c_.inputs[static_cast<std::size_t>(operand)].labels;
      const auto found = std::find(labels.begin(), labels.end(), label);
      if (found == labels.end()) continue;
      const int axis = static_cast<int>(found - labels.begin());
      if (shape_of(operand)[axis] != c_.extents[label]) continue;
      throw Error(ErrorCode::kSqueeze,
                  text(function_, ": ", appended_text(appended), ", here axis ", position,
                       ", whose extent must be 1: ", axis_text(operand, axis), "; ",
                       both_shapes(lhs_, rhs_)),
                  place_of(operand, axis, &shape_of(operand)[axis]));
    }
    throw Error(ErrorCode::kInternal, text(function_, ": a squeezed label is in no operand"));
  }

  BatchDotReading& reading_;
  Contraction& c_;
  std::string_view function_;
  const Shape& lhs_;
  const Shape& rhs_;
  const Dialect& dialect_;
  bool broadcasts_;
};

}  // namespace

void read_matrix_product(BatchDotReading& reading, std::string_view function, const Shape& lhs,
                         const Shape& rhs, const Axes& axes, const Dialect& dialect) {
  const AxesOfCall call = axes_of_call(function, *reading.rules, lhs, rhs, axes, dialect);
  Product(reading, function, lhs, rhs, dialect).read(call, axes);
}

}  // namespace batchdot::notation
