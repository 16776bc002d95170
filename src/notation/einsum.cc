// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "batchdot/notation.h"
#include "src/core/text.h"
#include "src/core/utf8.h"
#include "src/notation/equation.h"
#include "src/notation/notation_notes_numpy.h"
#include "src/notation/pairs.h"

namespace batchdot::notation {

namespace {

int letter_count(const EquationTerm& term) { return static_cast<int>(term.letters.size()); }

// How many axes "..." covers in one operand.
int covered_axes(const EquationTerm& term, const Shape& shape) {
  return shape.rank() - letter_count(term);
}

std::string spelled(const EquationTerm& term) {
  std::string out;
  for (std::size_t i = 0; i <= term.letters.size(); ++i) {
    if (term.ellipsis == i) out += "...";
    if (i < term.letters.size()) out += encode_utf8(term.letters[i].code_point);
  }
  return out;
}

// "lhs (2, 3), rhs (3, 4)"
std::string shapes_of(std::span<const Shape> operands) {
  const int count = static_cast<int>(operands.size());
  std::string out;
  for (int i = 0; i < count; ++i) {
    out +=
        text(i > 0 ? ", " : "", operand_name(i, count), " ", operands[static_cast<std::size_t>(i)]);
  }
  return out;
}

void check_operands(const Equation& equation, std::span<const Shape> operands) {
  if (equation.operands.size() != operands.size()) {
    throw Error(ErrorCode::kUsage, text("einsum: the equation names ", equation.operands.size(),
                                        equation.operands.size() == 1 ? " operand" : " operands",
                                        ", there ", operands.size() == 1 ? "is " : "are ",
                                        operands.size(), ": ", quoted(equation.text)));
  }
  const int count = static_cast<int>(operands.size());
  for (int i = 0; i < count; ++i) {
    const EquationTerm& term = equation.operands[static_cast<std::size_t>(i)];
    const Shape& shape = operands[static_cast<std::size_t>(i)];
    check_operand_rank("einsum", shape, i, count);
    const int covered = covered_axes(term, shape);
    if (covered == 0 || (covered > 0 && term.ellipsis)) continue;
    const int letters = letter_count(term);
    throw Error(ErrorCode::kRank,
                text("einsum: ", operand_name(i, count), " does not fit its labels ",
                     quoted(spelled(term)), ": ", wrong_rank(shape, letters), ", number of labels ",
                     letters, term.ellipsis ? " and '...'" : "", ": ", shapes_of(operands), " in ",
                     quoted(equation.text)),
                place_of_rank(i, shape, letters));
  }
}

// Turns an equation that fits its operands into a Contraction, operand by operand.
class Builder {
 public:
  Builder(const Equation& equation, std::span<const Shape> operands) : equation_(equation) {
    c_.inputs.resize(operands.size());
    int ellipsis_rank = 0;
    for (std::size_t i = 0; i < operands.size(); ++i) {
      c_.inputs[i].shape = operands[i];
      c_.inputs[i].labels.resize(static_cast<std::size_t>(operands[i].rank()));
      ellipsis_rank = std::max(ellipsis_rank, covered_axes(equation.operands[i], operands[i]));
    }
    ellipsis_.resize(static_cast<std::size_t>(ellipsis_rank));
  }

  Contraction build() {
    check_output_ellipsis();
    for (std::size_t i = 0; i < c_.inputs.size(); ++i) add_operand(static_cast<int>(i));
    add_output();
    c_.contracting_order = default_contracting_order(c_);
    check_result_rank("einsum", c_);
    return std::move(c_);
  }

 private:
  // A letter, its label, and the axis that gave the label its extent.
  struct KnownLetter {
    char32_t code_point;
    Label label;
    AxisRef source;
  };
  // One axis under "...", and every axis of an operand that it stands for.
  struct EllipsisAxis {
    Label label = 0;
    std::vector<AxisRef> axes;
  };

  Input& input(int operand) { return c_.inputs[static_cast<std::size_t>(operand)]; }
  std::string name_of(int operand) const {
    return operand_name(operand, static_cast<int>(c_.inputs.size()));
  }
  const Dim& dim_at(AxisRef ref) { return input(ref.operand).shape[ref.axis]; }

  // NumPy refuses this as well; other packages sum over the axes that are left out.
  void check_output_ellipsis() {
    if (equation_.output.ellipsis || ellipsis_.empty()) return;
    for (std::size_t i = 0; i < c_.inputs.size(); ++i) {
      const int covered = covered_axes(equation_.operands[i], c_.inputs[i].shape);
      if (covered == 0) continue;
      const int axis = static_cast<int>(*equation_.operands[i].ellipsis);
      const Dim& extent = c_.inputs[i].shape[axis];
      throw Error(ErrorCode::kBroadcast,
                  text("einsum: '...' covers ", covered, covered == 1 ? " axis" : " axes", " of ",
                       name_of(static_cast<int>(i)), ", from axis ", axis, " with ", extent,
                       " on, and the output has no '...': ", c_.inputs[i].shape, " in ",
                       quoted(equation_.text)),
                  place_of(static_cast<int>(i), axis, &extent));
    }
  }

  void add_operand(int operand) {
    const EquationTerm& term = equation_.operands[static_cast<std::size_t>(operand)];
    const int covered = covered_axes(term, input(operand).shape);
    int axis = 0;
    for (std::size_t i = 0; i <= term.letters.size(); ++i) {
      if (term.ellipsis == i) {
        for (int j = 0; j < covered; ++j, ++axis) {
          const std::size_t from_right = static_cast<std::size_t>(covered - j);
          add_ellipsis_axis(ellipsis_[ellipsis_.size() - from_right], {operand, axis});
        }
      }
      if (i < term.letters.size()) add_letter(term.letters[i], {operand, axis++});
    }
  }

  void add_letter(const Letter& letter, AxisRef here) {
    const auto known = std::find_if(
        letters_.begin(), letters_.end(),
        [&](const KnownLetter& candidate) { return candidate.code_point == letter.code_point; });
    if (known == letters_.end()) {
      const Label label = add_label(c_, dim_at(here), encode_utf8(letter.code_point));
      letters_.push_back({letter.code_point, label, here});
      set_label(here, label);
      return;
    }
    const Dim before = c_.extents[known->label];
    if (!unify_label(c_, known->label, known->source, here, UnifyRule::kMerge)) {
      refuse_extent(letter, known->source, here);
    }
    set_label(here, known->label);
    if (c_.extents[known->label] != before) known->source = here;
  }

  // Extents under "..." fit if every pair does: one-or-equal says nothing about a third extent.
  void add_ellipsis_axis(EllipsisAxis& group, AxisRef here) {
    if (group.axes.empty()) {
      group.label = add_label(c_, dim_at(here));
    } else {
      for (const AxisRef before : group.axes) {
        const auto unified = unify(dim_at(before), dim_at(here), UnifyRule::kBroadcast);
        if (!unified) refuse_broadcast(before, here);
        if (unified->condition) add_condition(*unified->condition, before, here);
      }
      Dim& extent = c_.extents[group.label];
      extent = unify(extent, dim_at(here), UnifyRule::kBroadcast)->dim;
      stretch(group.axes.front());
      stretch(here);
    }
    group.axes.push_back(here);
    set_label(here, group.label);
  }

  void set_label(AxisRef here, Label label) {
    input(here.operand).labels[static_cast<std::size_t>(here.axis)] = label;
  }
  void stretch(AxisRef here) {
    std::vector<bool>& flags = input(here.operand).may_broadcast;
    flags.resize(input(here.operand).labels.size());
    flags[static_cast<std::size_t>(here.axis)] = true;
  }
  void add_condition(ConditionKind kind, AxisRef lhs, AxisRef rhs) {
    Condition condition;
    condition.kind = kind;
    condition.lhs = lhs;
    condition.rhs = rhs;
    c_.conditions.push_back(std::move(condition));
  }

  void add_output() {
    const EquationTerm& term = equation_.output;
    for (std::size_t i = 0; i <= term.letters.size(); ++i) {
      if (term.ellipsis == i) {
        for (const EllipsisAxis& axis : ellipsis_) c_.output.push_back(axis.label);
      }
      if (i == term.letters.size()) break;
      for (const KnownLetter& known : letters_) {
        if (known.code_point == term.letters[i].code_point) c_.output.push_back(known.label);
      }
    }
  }

  [[noreturn]] void refuse_extent(const Letter& letter, AxisRef first, AxisRef second) {
    ErrorPlace place = place_of(first.operand, first.axis, dim_at(first), second.operand,
                                second.axis, dim_at(second));
    place.label = encode_utf8(letter.code_point);
    throw Error(ErrorCode::kDim,
                text("einsum: label '", place.label, "' has two extents: ", dim_at(first), " on ",
                     name_of(first.operand), " axis ", first.axis, ", ", dim_at(second), " on ",
                     name_of(second.operand), " axis ", second.axis, ": ", quoted(equation_.text)),
                place);
  }

  [[noreturn]] void refuse_broadcast(AxisRef first, AxisRef second) {
    throw Error(ErrorCode::kBroadcast,
                text("einsum: extents under '...' do not broadcast: ", dim_at(first), " on ",
                     name_of(first.operand), " axis ", first.axis, ", ", dim_at(second), " on ",
                     name_of(second.operand), " axis ", second.axis, ": ", quoted(equation_.text)),
                place_of(first.operand, first.axis, dim_at(first), second.operand, second.axis,
                         dim_at(second)));
  }

  const Equation& equation_;
  Contraction c_;
  std::vector<KnownLetter> letters_;
  std::vector<EllipsisAxis> ellipsis_;
};

std::string ellipsis_note(const Equation& equation, std::span<const Shape> operands) {
  std::vector<std::string> parts;
  for (std::size_t i = 0; i < operands.size(); ++i) {
    if (!equation.operands[i].ellipsis) continue;
    parts.push_back(text(covered_axes(equation.operands[i], operands[i]), " of ",
                         operand_name(static_cast<int>(i), static_cast<int>(operands.size()))));
  }
  if (parts.empty()) return "'...' stands in the output alone and covers no axis.";
  return text(
      "'...' covers these axes: ", listed(parts),
      parts.size() > 1 ? "; they are aligned at the right, and an extent of 1 stretches." : ".");
}

}  // namespace

std::vector<std::string> einsum_notes(std::string_view equation_text,
                                      std::span<const Shape> operands) {
  const Contraction c = einsum(equation_text, operands);
  const Equation equation = read_equation(equation_text);
  std::vector<std::string> notes;
  if (equation.is_implicit) {
    notes.push_back(text("No output is typed, so it is '", spelled(equation.output),
                         "': ", equation.output.ellipsis ? "'...' first, then " : "",
                         "the labels that stand once, by code point."));
  }
  const bool has_ellipsis =
      equation.output.ellipsis ||
      std::any_of(equation.operands.begin(), equation.operands.end(),
                  [](const EquationTerm& term) { return term.ellipsis.has_value(); });
  if (has_ellipsis) notes.push_back(ellipsis_note(equation, operands));

  std::vector<std::string> diagonals, summed;
  for (std::size_t i = 0; i < c.inputs.size(); ++i) {
    const Labels& labels = c.inputs[i].labels;
    for (std::size_t axis = 0; axis < labels.size(); ++axis) {
      const auto here = labels.begin() + static_cast<std::ptrdiff_t>(axis);
      const bool is_first = std::find(labels.begin(), here, *here) == here;
      if (is_first && std::count(here, labels.end(), *here) > 1) {
        diagonals.push_back(
            text("'", c.names[*here], "' of ",
                 operand_name(static_cast<int>(i), static_cast<int>(c.inputs.size()))));
      }
    }
  }
  if (!diagonals.empty()) {
    notes.push_back(text(
        "A label that stands twice in one operand takes its diagonal: ", listed(diagonals), "."));
  }
  for (const Label label : c.contracting_order) summed.push_back(text("'", c.names[label], "'"));
  notes.push_back(summed.empty()
                      ? "Every label is in the output: nothing is summed."
                      : text("The output lacks ", listed(summed), ": summed over",
                             summed.size() > 1 ? " in this order, the last fastest." : "."));
  return notes;
}

}  // namespace batchdot::notation

namespace batchdot::inline v0 {

Contraction einsum(std::string_view equation_text, std::span<const Shape> operands) {
  const notation::Equation equation = notation::read_equation(equation_text);
  notation::check_operands(equation, operands);
  return notation::Builder(equation, operands).build();
}

}  // namespace batchdot::inline v0
