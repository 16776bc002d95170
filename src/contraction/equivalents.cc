// SPDX-License-Identifier: Apache-2.0
#include "src/contraction/equivalents.h"

#include <algorithm>
#include <optional>
#include <string>
#include <utility>

#include "src/contraction/array_expression.h"
#include "src/contraction/labels.h"
#include "src/core/text.h"

namespace batchdot {

namespace {

// Labels of axes that a form adds for itself and drops again.
constexpr Label kDummy = Limits::kLabels;

class Speaker {
 public:
  explicit Speaker(const Contraction& c) : c_(c) {
    for (const Input& input : c.inputs) {
      for (const Label label : input.labels) {
        if (!holds(in_inputs_, label)) in_inputs_.push_back(label);
      }
    }
    for (const Label label : c.output) {
      (holds(in_inputs_, label) ? kept_ : added_).push_back(label);
    }
    for (int i = 0; i < count(); ++i) {
      const Input& input = c.inputs[static_cast<std::size_t>(i)];
      for (int axis = 0; axis < input.shape.rank(); ++axis) {
        const Label label = input.labels[static_cast<std::size_t>(axis)];
        const Stretch stretch = stretch_of(c, {i, axis});
        if (stretch != Stretch::kNever && !holds(stretched_, label)) stretched_.push_back(label);
        if (stretch == Stretch::kMaybe && !holds(open_, label)) open_.push_back(label);
      }
    }
  }

  std::vector<EquivalentFact> speak() {
    say_einsum_of_ours();
    if (count() == 2) {
      say_matmul_of_ours();
      say_tensordot_of_ours();
      say_dot_general_of_ours();
    }
    for (const Library* library : {&kNumpy, &kTensorflow, &kPytorch}) {
      say_einsum(*library);
      if (count() != 2) continue;
      say_matmul(*library);
      if (library == &kNumpy) say_tensordot();
    }
    if (count() == 2) say_dot_general();
    return std::move(facts_);
  }

 private:
  int count() const { return static_cast<int>(c_.inputs.size()); }
  const Input& input(int i) const { return c_.inputs[static_cast<std::size_t>(i)]; }
  std::string name_of(int i) const {
    return count() > 2 ? text("operands[", i, "]") : operand_name(i, count());
  }
  bool has_conjugate() const {
    return std::any_of(c_.inputs.begin(), c_.inputs.end(),
                       [](const Input& input) { return input.conjugate; });
  }
  void say(std::string_view library, std::string code) {
    facts_.push_back({std::string(library), std::move(code)});
  }

  // --- einsum -----------------------------------------------------------------------------------

  // One letter a label, of those that every library reads.
  std::optional<std::vector<std::string>> ascii_letters() const {
    std::vector<std::string> names = label_names(c_);
    const auto is_ascii = [&](Label label) {
      const std::string& name = names[label];
      return name.size() == 1 && ((name[0] | 0x20) >= 'a' && (name[0] | 0x20) <= 'z');
    };
    if (std::all_of(in_inputs_.begin(), in_inputs_.end(), is_ascii)) return names;
    if (in_inputs_.size() > 52) return std::nullopt;
    int next = 0;
    for (const Label label : in_inputs_) {
      names[label] = std::string(1, static_cast<char>(next < 26 ? 'a' + next : 'A' + next - 26));
      ++next;
    }
    return names;
  }

  // The run of output labels that "..." can stand for, so that axes of 1 stretch under it: from the
  // first to the last label that stretches. Nothing where an operand has them in another order, or
  // has one and lacks a later one.
  std::optional<Labels> ellipsis() const {
    const auto stretches = [&](Label label) { return holds(stretched_, label); };
    for (const Label label : stretched_) {
      if (!holds(kept_, label)) return std::nullopt;
    }
    const auto first = std::find_if(kept_.begin(), kept_.end(), stretches);
    const auto last = std::find_if(kept_.rbegin(), kept_.rend(), stretches).base();
    // An added axis between them would have to stand inside the "...".
    const auto begin = std::find(c_.output.begin(), c_.output.end(), *first);
    if (!std::equal(first, last, begin)) return std::nullopt;
    const Labels run(first, last);
    for (const Input& input : c_.inputs) {
      Labels found;
      std::size_t first_axis = 0;
      for (std::size_t axis = 0; axis < input.labels.size(); ++axis) {
        if (!holds(run, input.labels[axis])) continue;
        if (found.empty()) first_axis = axis;
        if (axis != first_axis + found.size()) return std::nullopt;
        found.push_back(input.labels[axis]);
      }
      if (found.size() > run.size() || !std::equal(found.rbegin(), found.rend(), run.rbegin())) {
        return std::nullopt;
      }
    }
    return run;
  }

  static std::string letters(const Labels& labels, const std::vector<std::string>& names,
                             const Labels& under_ellipsis) {
    std::string out;
    bool is_said = false;
    for (const Label label : labels) {
      if (!holds(under_ellipsis, label)) {
        out += names[label];
      } else if (!is_said) {
        out += "...";
        is_said = true;
      }
    }
    return out;
  }

  std::string equation(const std::vector<Labels>& operands, const std::vector<std::string>& names,
                       const Labels& under_ellipsis, std::string_view arrow) const {
    std::string out;
    for (std::size_t i = 0; i < operands.size(); ++i) {
      if (i > 0) out += ',';
      out += letters(operands[i], names, under_ellipsis);
    }
    return out + std::string(arrow) + letters(kept_, names, under_ellipsis);
  }

  void say_einsum_of_ours() {
    if (has_conjugate() || !added_.empty()) return;
    Labels under_ellipsis;
    if (!stretched_.empty()) {
      const std::optional<Labels> run = ellipsis();
      if (!run) return;
      under_ellipsis = *run;
    }
    std::vector<Labels> operands;
    for (const Input& input : c_.inputs) operands.push_back(input.labels);
    say("batchdot", text("einsum ", equation(operands, label_names(c_), under_ellipsis, "=")));
  }

  void say_einsum(const Library& library) {
    const std::optional<std::vector<std::string>> names = ascii_letters();
    if (!names) return;
    // NumPy and PyTorch stretch an axis of 1 under any letter, TensorFlow under "..." only.
    Labels under_ellipsis;
    bool drops = false;
    if (library.name == kTensorflow.name && !stretched_.empty()) {
      if (const std::optional<Labels> run = ellipsis()) {
        under_ellipsis = *run;
      } else if (open_.empty()) {
        drops = true;
      } else {
        return;
      }
    }
    std::string arguments;
    std::vector<Labels> operands;
    for (int i = 0; i < count(); ++i) {
      Term term{name_of(i), input(i).labels};
      if (drops) drop_stretched(term, i);
      operands.push_back(term.labels);
      if (input(i).conjugate) term.code = text(library.conj, term.code, ")");
      arguments += text(", ", term.code);
    }
    Term result{text(library.einsum, "('", equation(operands, *names, under_ellipsis, "->"), "'",
                     arguments, ")"),
                kept_};
    reindex(result, {}, c_.output);
    say(library.name, std::move(result.code));
  }

  // --- products of two --------------------------------------------------------------------------

  // Indexes away the axes that stretch; the other operand has their labels.
  void drop_stretched(Term& term, int operand) const {
    Labels drop;
    for (int axis = 0; axis < input(operand).shape.rank(); ++axis) {
      if (stretch_of(c_, {operand, axis}) == Stretch::kAlways) {
        drop.push_back(term.labels[static_cast<std::size_t>(axis)]);
      }
    }
    Labels rest;
    for (const Label label : term.labels) {
      if (!holds(drop, label)) rest.push_back(label);
    }
    reindex(term, drop, rest);
  }

  // An operand with every label once, none that it alone is summed over, and none that stretches
  // but for those of `may_stretch`. Nothing where that cannot be had.
  std::optional<Term> prepared(const Library& library, int operand,
                               const Labels& may_stretch) const {
    Term term{name_of(operand), input(operand).labels};
    const Input& in = input(operand);
    for (int axis = 0; axis < in.shape.rank(); ++axis) {
      const Label label = term.labels[static_cast<std::size_t>(axis)];
      if (std::count(term.labels.begin(), term.labels.end(), label) > 1) return std::nullopt;
      if (holds(open_, label) && !holds(may_stretch, label)) return std::nullopt;
    }
    Labels drop;
    Labels rest;
    for (int axis = 0; axis < in.shape.rank(); ++axis) {
      const Label label = term.labels[static_cast<std::size_t>(axis)];
      const bool stretches = stretch_of(c_, {operand, axis}) == Stretch::kAlways;
      const bool is_one = c_.extents[label] == Dim(1) && !is_shared(label) && !holds(kept_, label);
      (is_one || (stretches && !holds(may_stretch, label)) ? drop : rest).push_back(label);
    }
    reindex(term, drop, rest);
    std::vector<std::size_t> summed;
    Labels left;
    for (std::size_t axis = 0; axis < term.labels.size(); ++axis) {
      const Label label = term.labels[axis];
      if (!holds(kept_, label) && !is_shared(label)) {
        summed.push_back(axis);
      } else {
        left.push_back(label);
      }
    }
    if (!summed.empty()) {
      term.code = text(library.sum, term.code, library.sum_axes, tuple(summed), ")");
      term.labels = std::move(left);
      ++term.edits;
    }
    return term;
  }

  // True if both operands have the label, on axes that do not stretch away.
  bool is_shared(Label label) const {
    for (int i = 0; i < 2; ++i) {
      bool is_here = false;
      for (int axis = 0; axis < input(i).shape.rank(); ++axis) {
        if (input(i).labels[static_cast<std::size_t>(axis)] == label) {
          is_here |= stretch_of(c_, {i, axis}) != Stretch::kAlways;
        }
      }
      if (!is_here) return false;
    }
    return true;
  }

  // The result of a form in the order of the output, with its added axes.
  std::string finished(const Library& library, Term term) const {
    Labels wanted;
    for (const Label label : c_.output) {
      if (holds(term.labels, label)) wanted.push_back(label);
    }
    Labels rest;
    Labels drop;
    for (const Label label : term.labels) (label >= kDummy ? drop : rest).push_back(label);
    if (rest == wanted) {
      reindex(term, drop, c_.output);
      return std::move(term.code);
    }
    reindex(term, drop, rest);
    permute(library, term, wanted);
    reindex(term, {}, c_.output);
    return std::move(term.code);
  }

  static std::vector<std::size_t> positions(const Labels& of, const Labels& in) {
    std::vector<std::size_t> result;
    for (const Label label : of) {
      result.push_back(
          static_cast<std::size_t>(std::find(in.begin(), in.end(), label) - in.begin()));
    }
    return result;
  }

  // What DotGeneral needs: batch in the order of the output, contracting in theirs.
  struct DotGeneral {
    Term lhs, rhs;
    Labels batch, contracting, result;
  };
  std::optional<DotGeneral> as_dot_general(const Library& library) const {
    std::optional<Term> lhs = prepared(library, 0, {});
    std::optional<Term> rhs = prepared(library, 1, {});
    if (!lhs || !rhs) return std::nullopt;
    DotGeneral form{std::move(*lhs), std::move(*rhs), {}, {}, {}};
    for (const Label label : kept_) {
      if (holds(form.lhs.labels, label) && holds(form.rhs.labels, label)) {
        form.batch.push_back(label);
      }
    }
    for (const Label label : c_.contracting_order) {
      if (holds(form.lhs.labels, label) && holds(form.rhs.labels, label)) {
        form.contracting.push_back(label);
      }
    }
    form.result = form.batch;
    for (const Labels* labels : {&form.lhs.labels, &form.rhs.labels}) {
      for (const Label label : *labels) {
        if (!holds(form.batch, label) && !holds(form.contracting, label)) {
          form.result.push_back(label);
        }
      }
    }
    return form;
  }
  bool is_said_plainly(const DotGeneral& form) const {
    return form.lhs.edits == 0 && form.rhs.edits == 0 && form.result == c_.output &&
           !has_conjugate();
  }
  std::string conjugated(const Library& library, const Term& term, int operand) const {
    return input(operand).conjugate ? text(library.conj, term.code, ")") : term.code;
  }

  void say_dot_general_of_ours() {
    const std::optional<DotGeneral> form = as_dot_general(kJax);
    if (!form || !is_said_plainly(*form)) return;
    std::string code = "dot_general";
    const auto add = [&](std::string_view option, const Labels& labels, const Term& term) {
      if (labels.empty()) return;
      code += text(" ", option, " ", list(positions(labels, term.labels)));
    };
    add("--lhs-batch", form->batch, form->lhs);
    add("--rhs-batch", form->batch, form->rhs);
    add("--lhs-contract", form->contracting, form->lhs);
    add("--rhs-contract", form->contracting, form->rhs);
    say("batchdot", std::move(code));
  }

  void say_tensordot_of_ours() {
    const std::optional<DotGeneral> form = as_dot_general(kJax);
    if (!form || !is_said_plainly(*form) || !form->batch.empty() || form->contracting.empty()) {
      return;
    }
    say("batchdot",
        text("tensordot --lhs-axes ", list(positions(form->contracting, form->lhs.labels)),
             " --rhs-axes ", list(positions(form->contracting, form->rhs.labels))));
  }

  static std::string list(const std::vector<std::size_t>& numbers) {
    std::vector<std::string> parts;
    for (const std::size_t number : numbers) parts.push_back(text(number));
    return joined(parts, ",");
  }

  void say_dot_general() {
    const std::optional<DotGeneral> form = as_dot_general(kJax);
    if (!form) return;
    const auto pair = [&](const Labels& labels) {
      return text("(", tuple(positions(labels, form->lhs.labels)), ", ",
                  tuple(positions(labels, form->rhs.labels)), ")");
    };
    Term result{text("lax.dot_general(", conjugated(kJax, form->lhs, 0), ", ",
                     conjugated(kJax, form->rhs, 1), ", (", pair(form->contracting), ", ",
                     pair(form->batch), "))"),
                form->result};
    say(kJax.name, finished(kJax, std::move(result)));
  }

  void say_tensordot() {
    const std::optional<DotGeneral> form = as_dot_general(kNumpy);
    if (!form || !form->batch.empty()) return;
    const std::string axes =
        form->contracting.empty()
            ? "0"
            : text("(", tuple(positions(form->contracting, form->lhs.labels)), ", ",
                   tuple(positions(form->contracting, form->rhs.labels)), ")");
    Term result{text("np.tensordot(", conjugated(kNumpy, form->lhs, 0), ", ",
                     conjugated(kNumpy, form->rhs, 1), ", axes=", axes, ")"),
                form->result};
    say(kNumpy.name, finished(kNumpy, std::move(result)));
  }

  // --- matmul -----------------------------------------------------------------------------------

  // One operand of a matrix product: the axes before the last two, then the last two; a dummy M or
  // N where it has none. How it gets there is the library's business.
  struct Side {
    Term term;
    Labels wanted;  // with dummies
    Labels without_dummies;
    Order order = Order::kSame;
    bool conjugate = false;
    bool is_vector = false;
  };
  struct Matmul {
    Side lhs, rhs;
    Labels result;  // with dummies; without the axes of vectors
    int edits = 0;
  };

  // matmul of operand `first` and the other one; nothing where one does not have one contracting
  // label, or its batch axes are not the last ones of the result's.
  std::optional<Matmul> as_matmul(const Library& library, int first, bool takes_vectors) const {
    std::optional<Term> lhs = prepared(library, first, kept_);
    std::optional<Term> rhs = prepared(library, 1 - first, kept_);
    if (!lhs || !rhs) return std::nullopt;
    Label contracting = kDummy;
    for (const Label label : c_.contracting_order) {
      if (!holds(lhs->labels, label) || !holds(rhs->labels, label)) continue;
      if (contracting != kDummy) return std::nullopt;
      contracting = label;
    }
    if (contracting == kDummy) return std::nullopt;
    Label M = kDummy + 1;
    Label N = kDummy + 2;
    for (const Label label : kept_) {
      const bool in_lhs = holds(lhs->labels, label);
      const bool in_rhs = holds(rhs->labels, label);
      if (in_lhs && !in_rhs) M = label;
      if (in_rhs && !in_lhs) N = label;
    }
    const bool lacks_M = M > kDummy;
    const bool lacks_N = N > kDummy;
    Labels batch;
    for (const Label label : kept_) {
      if (label != M && label != N) batch.push_back(label);
    }
    Matmul form{side(std::move(*lhs), batch), side(std::move(*rhs), batch), batch, 0};
    if (!ends_with(batch, form.lhs.wanted) || !ends_with(batch, form.rhs.wanted)) {
      return std::nullopt;
    }
    // matmul takes a vector as it is, and leaves out the axis it gives it.
    form.lhs.is_vector = takes_vectors && lacks_M && form.lhs.wanted.empty();
    form.rhs.is_vector = takes_vectors && lacks_N && form.rhs.wanted.empty();
    // An added axis takes the place of a missing one, as far as the order of the output allows.
    std::size_t added = 0;
    if (lacks_N && !form.rhs.is_vector && !added_.empty() && c_.output.back() == added_.back() &&
        !lacks_M) {
      N = added_[added++];
    } else if (lacks_M && !form.lhs.is_vector && !added_.empty()) {
      M = added_[added++];
    }
    form.lhs.without_dummies = form.lhs.wanted;
    form.rhs.without_dummies = form.rhs.wanted;
    if (!lacks_M) form.lhs.without_dummies.push_back(M);
    form.lhs.without_dummies.push_back(contracting);
    form.rhs.without_dummies.push_back(contracting);
    if (!lacks_N) form.rhs.without_dummies.push_back(N);
    if (!form.lhs.is_vector) {
      form.lhs.wanted.push_back(M);
      form.result.push_back(M);
    }
    form.lhs.wanted.push_back(contracting);
    form.rhs.wanted.push_back(contracting);
    if (!form.rhs.is_vector) {
      form.rhs.wanted.push_back(N);
      form.result.push_back(N);
    }
    for (Side* s : {&form.lhs, &form.rhs}) {
      s->order = order_of(s->term.labels, s->without_dummies);
      s->conjugate = input(s == &form.lhs ? first : 1 - first).conjugate;
      form.edits += s->term.edits + (s->order != Order::kSame) + (s->order == Order::kOther) +
                    (s->wanted != s->without_dummies);
    }
    Labels wanted;
    for (const Label label : c_.output) {
      if (holds(form.result, label)) wanted.push_back(label);
    }
    Labels rest;
    for (const Label label : form.result) {
      if (label < kDummy) rest.push_back(label);
    }
    form.edits += rest == wanted ? 0 : 2;
    return form;
  }

  static Side side(Term term, const Labels& batch) {
    Side side;
    for (const Label label : batch) {
      if (holds(term.labels, label)) side.wanted.push_back(label);
    }
    side.term = std::move(term);
    return side;
  }
  static bool ends_with(const Labels& labels, const Labels& end) {
    return end.size() <= labels.size() && std::equal(end.rbegin(), end.rend(), labels.rbegin());
  }

  // The form with fewer detours: a product, or its transpose from the operands the other way round.
  std::optional<Matmul> best_matmul(const Library& library, bool takes_vectors, int& first) const {
    std::optional<Matmul> straight = as_matmul(library, 0, takes_vectors);
    std::optional<Matmul> turned = as_matmul(library, 1, takes_vectors);
    first = 0;
    if (!turned || (straight && straight->edits <= turned->edits)) return straight;
    first = 1;
    return turned;
  }

  void say_matmul_of_ours() {
    const std::optional<Matmul> form = as_matmul(kNumpy, 0, true);
    if (!form || form->result != c_.output) return;
    std::string code = "matmul";
    for (const Side* side : {&form->lhs, &form->rhs}) {
      const bool is_swapped = side->order == Order::kLastTwoSwapped;
      if (side->term.edits > 0 || side->order == Order::kOther ||
          side->wanted != side->without_dummies || (side->conjugate && !is_swapped)) {
        return;
      }
      if (is_swapped) {
        code += text(side->conjugate ? " --adjoint-" : " --transpose-",
                     side == &form->lhs ? "lhs" : "rhs");
      }
    }
    say("batchdot", std::move(code));
  }

  void say_matmul(const Library& library) {
    const bool is_tensorflow = library.name == kTensorflow.name;
    const bool is_pytorch = library.name == kPytorch.name;
    int first = 0;
    std::optional<Matmul> form = best_matmul(library, !is_tensorflow, first);
    if (!form) return;
    std::string flags;
    for (Side* side : {&form->lhs, &form->rhs}) {
      Term& term = side->term;
      const bool is_swapped =
          side->order == Order::kLastTwoSwapped && side->wanted == side->without_dummies;
      if (is_swapped && is_tensorflow) {
        flags += text(side->conjugate ? ", adjoint_" : ", transpose_",
                      side == &form->lhs ? "a" : "b", "=True");
        continue;
      }
      if (is_swapped && is_pytorch && side->conjugate) {
        term.code += ".mH";
        continue;
      }
      permute(library, term, side->without_dummies);
      reindex(term, {}, side->wanted);
      if (side->conjugate) term.code = text(library.conj, term.code, ")");
    }
    const auto is_rank_3 = [&](const Side& side) {
      return side.wanted.size() == 3 && stretched_.empty();
    };
    const std::string_view function = is_tensorflow ? "tf.matmul"
                                      : !is_pytorch ? "np.matmul"
                                      : is_rank_3(form->lhs) && is_rank_3(form->rhs)
                                          ? "torch.bmm"
                                          : "torch.matmul";
    Term result{text(function, "(", form->lhs.term.code, ", ", form->rhs.term.code, flags, ")"),
                form->result};
    say(library.name, finished(library, std::move(result)));
  }

  const Contraction& c_;
  Labels in_inputs_;  // every label of an operand, by first appearance
  Labels kept_;       // of the output, without
  Labels added_;      // those that no operand has
  Labels stretched_;  // labels with an axis of 1 that stretches, or may
  Labels open_;       // those of them where it is not known
  std::vector<EquivalentFact> facts_;
};

}  // namespace

Stretch stretch_of(const Contraction& c, AxisRef ref) {
  const Input& input = c.inputs[static_cast<std::size_t>(ref.operand)];
  const auto axis = static_cast<std::size_t>(ref.axis);
  if (axis >= input.may_broadcast.size() || !input.may_broadcast[axis]) return Stretch::kNever;
  const Label label = input.labels[axis];
  const Dim& dim = input.shape[ref.axis];
  if (dim.is_known() && dim != Dim(1)) return Stretch::kNever;
  // It stretches to another axis of the same label; one of 1 or of the same extent gives no cause.
  bool has_cause = false;
  for (int i = 0; i < static_cast<int>(c.inputs.size()); ++i) {
    const Input& other = c.inputs[static_cast<std::size_t>(i)];
    for (int j = 0; j < other.shape.rank(); ++j) {
      if (other.labels[static_cast<std::size_t>(j)] != label || AxisRef{i, j} == ref) continue;
      has_cause |= other.shape[j] != Dim(1) && (dim.is_unknown() || other.shape[j] != dim);
    }
  }
  if (!has_cause) return Stretch::kNever;
  return dim.is_known() ? Stretch::kAlways : Stretch::kMaybe;
}

std::vector<EquivalentFact> equivalents_of(const Contraction& c) { return Speaker(c).speak(); }

}  // namespace batchdot
