// SPDX-License-Identifier: Apache-2.0
// What would fit: single changes to a refused problem, each tried through the same shape rule
// and by whoever asks.

#include <algorithm>
#include <cstdlib>
#include <tuple>
#include <utility>

#include "batchdot/operation.h"
#include "src/core/text.h"
#include "src/notation/batch_dot.h"
#include "src/operation/options.h"

namespace batchdot::inline v0 {

namespace {

// A hostile problem of many operands and axes has millions of single changes; a slip has a near
// one.
constexpr int kMostTries = 64;

// Asks whoever wants the fix.
struct Succeeds {
  bool (*ask)(const Problem& changed, const void* context);
  const void* context;
};

class Search {
 public:
  Search(const Problem& problem, const Error& error, const Succeeds& succeeds)
      : problem_(problem),
        error_(error),
        succeeds_(succeeds),
        operation_(find_operation(problem.operation)) {
    // The operand that did not fit the other comes first: its predecessor is taken as meant.
    const ErrorPlace& place = error.place();
    const auto add = [&](int operand) {
      if (operand >= 0 && operand < count() &&
          std::find(operands_.begin(), operands_.end(), operand) == operands_.end()) {
        operands_.push_back(operand);
      }
    };
    if (place.other_operand) add(*place.other_operand);
    if (place.operand) add(*place.operand);
    for (int operand = count() - 1; operand >= 0; --operand) add(operand);
  }

  std::optional<Fix> run() {
    switch (error_.code()) {
      case ErrorCode::kAxisRange:
      case ErrorCode::kNegAxis:
      case ErrorCode::kAxis0:
      case ErrorCode::kAxesType:
      case ErrorCode::kAxesLen:
      case ErrorCode::kAxesNested:
      case ErrorCode::kAxesDup:
        another_axis();
        another_length();
        axis_of_one();
        swap_axes();
        another_dialect();
        break;
      case ErrorCode::kDim:
        transpose();
        another_axis();
        swap_axes();
        axis_of_one();
        another_dialect();
        swap_batch_axis();
        break;
      case ErrorCode::kRank:
      case ErrorCode::kNotImplemented:
        axis_of_one();
        transpose();
        another_axis();
        another_dialect();
        swap_axes();
        break;
      case ErrorCode::kBatch:
      case ErrorCode::kBatchDim:
      case ErrorCode::kBroadcast:
      case ErrorCode::kSqueeze:
        swap_axes();
        axis_of_one();
        transpose();
        another_axis();
        another_dialect();
        break;
      default:
        break;
    }
    return found_ ? std::move(found_) : std::move(doubtful_);
  }

 private:
  int count() const { return static_cast<int>(problem_.shapes.size()); }
  const Shape& shape(int operand) const {
    return problem_.shapes[static_cast<std::size_t>(operand)];
  }
  bool done() const { return found_.has_value() || tries_ >= kMostTries; }

  // False only where infer() refuses; an exception costs more than the question.
  static bool may_fit(const Problem& candidate) {
    const auto* axes = operation::option<Axes>(candidate, "axes");
    if (candidate.operation != "batch_dot" || axes == nullptr || candidate.shapes.size() != 2) {
      return true;
    }
    return notation::may_fit(candidate.shapes[0], candidate.shapes[1], *axes,
                             operation::dialect_of(candidate));
  }

  void try_it(Problem candidate, const std::string& what) {
    if (done() || !may_fit(candidate)) return;
    ++tries_;
    Inference inference;
    try {
      inference = infer(candidate);
    } catch (const Error&) {
      return;
    }
    if (succeeds_.ask != nullptr && !succeeds_.ask(candidate, succeeds_.context)) return;
    if (!is_doubtful(candidate, inference)) {
      found_ = Fix{what, std::move(candidate)};
    } else if (!doubtful_) {
      doubtful_ = Fix{what, std::move(candidate)};
    }
  }

  // True where it fits only if an unknown dim turns out to be the number that it meets.
  static bool is_doubtful(const Problem& candidate, const Inference& inference) {
    if (!inference.contraction) return false;
    const auto is_known = [&](AxisRef ref) {
      return candidate.shapes[static_cast<std::size_t>(ref.operand)][ref.axis].is_known();
    };
    const std::vector<Condition>& conditions = inference.contraction->conditions;
    return std::any_of(conditions.begin(), conditions.end(), [&](const Condition& condition) {
      switch (condition.kind) {
        case ConditionKind::kEqual:
        case ConditionKind::kOneOrEqual:
          return is_known(condition.lhs) != is_known(condition.rhs);
        default:
          return false;
      }
    });
  }

  // True where two extents were to be the same and still are not. Which axes meet depends on ranks
  // and options alone, so this says nothing of a shape of another rank.
  bool still_differs(int operand, const Shape& changed) const {
    const ErrorPlace& place = error_.place();
    if (!place.operand || !place.axis || !place.other_operand || !place.other_axis) return false;
    if (changed.rank() != shape(operand).rank()) return false;
    const auto dim_at = [&](int at, int axis) -> const Dim* {
      const Shape& whole = at == operand ? changed : shape(at);
      return axis >= 0 && axis < whole.rank() ? &whole[axis] : nullptr;
    };
    const Dim* lhs = dim_at(*place.operand, *place.axis);
    const Dim* rhs = dim_at(*place.other_operand, *place.other_axis);
    return lhs != nullptr && rhs != nullptr && !unify(*lhs, *rhs, UnifyRule::kBroadcast);
  }

  void try_shape(int operand, Shape changed, std::string_view what) {
    if (done() || still_differs(operand, changed)) return;
    Problem candidate = problem_;
    const std::string words = text(what, operand_name(operand, count()), ": ", to_string(changed));
    candidate.shapes[static_cast<std::size_t>(operand)] = std::move(changed);
    try_it(std::move(candidate), words);
  }

  void try_option(const OptionInfo& option, OptionValue value) {
    const auto given = problem_.options.find(option.name);
    Problem candidate = problem_;
    candidate.options.insert_or_assign(std::string(option.name), std::move(value));
    const auto* dialect = operation::option<std::string>(problem_, "dialect");
    if (option.kind == OptionKind::kAxes && dialect != nullptr) {
      candidate = in_dialect(std::move(candidate), *dialect);  // as its users write axes
    }
    const OptionValue& changed = candidate.options.find(option.name)->second;
    if (given != problem_.options.end() && given->second == changed) return;
    std::string words = text("use --", option.name, " ", to_string(changed));
    if (given != problem_.options.end()) words += text(" in place of ", to_string(given->second));
    try_it(std::move(candidate), words);
  }

  // The axes of an operand, those nearest to a mistyped one first.
  static std::vector<std::int64_t> near(std::int64_t axis, int rank) {
    std::vector<std::int64_t> axes;
    for (int i = 0; i < rank; ++i) axes.push_back(i);
    if (axis < 0) axis += rank;
    const std::int64_t meant = std::clamp<std::int64_t>(axis, 0, std::max(rank - 1, 0));
    std::stable_sort(axes.begin(), axes.end(), [&](std::int64_t a, std::int64_t b) {
      return std::abs(a - meant) < std::abs(b - meant);
    });
    return axes;
  }

  int most_axes() const {
    int most = 0;
    for (const Shape& each : problem_.shapes) most = std::max(most, each.rank());
    return most;
  }

  // Another axis in any option that holds axes: one of them changed.
  void another_axis() {
    for (const OptionInfo& option : operation_.options) {
      if (done()) return;
      const auto given = problem_.options.find(option.name);
      const OptionValue* value = given == problem_.options.end() ? nullptr : &given->second;
      if (option.kind == OptionKind::kInt) {
        const auto* axis = value == nullptr ? nullptr : std::get_if<std::int64_t>(value);
        for (const std::int64_t other : near(axis == nullptr ? -1 : *axis, most_axes())) {
          try_option(option, other);
        }
      } else if (option.kind == OptionKind::kIntList && value != nullptr) {
        another_in_list(option, std::get<std::vector<std::int64_t>>(*value));
      } else if (option.kind == OptionKind::kAxes) {
        const auto* axes = value == nullptr ? nullptr : std::get_if<Axes>(value);
        another_in_axes(option, axes == nullptr ? Axes() : *axes);
      }
    }
  }

  void another_in_list(const OptionInfo& option, const std::vector<std::int64_t>& list) {
    const int operand = option.name.starts_with("rhs") ? 1 : 0;
    if (operand >= count()) return;
    for (std::size_t i = list.size(); i-- > 0;) {
      for (const std::int64_t axis : near(list[i], shape(operand).rank())) {
        std::vector<std::int64_t> changed = list;
        changed[i] = axis;
        try_option(option, std::move(changed));
      }
    }
  }

  void another_in_axes(const OptionInfo& option, const Axes& axes) {
    if (count() != 2) return;
    if (!axes.list() || axes.list()->empty()) {
      const std::int64_t given = axes.single().value_or(-1);
      if (axes.single()) {
        for (const std::int64_t axis : near(given, most_axes())) try_option(option, Axes(axis));
      }
      // A number of axes (tensordot) is no axis that could be paired with another one.
      if (problem_.operation == "tensordot") {
        if (!axes.single()) try_option(option, Axes(1));  // two are summed unless it is said
        return;
      }
      for (const std::int64_t rhs : near(axes.single() ? given : -2, shape(1).rank())) {
        for (const std::int64_t lhs : near(given, shape(0).rank())) {
          const bool changes_one = !axes.single() || lhs == given || rhs == given;
          if (changes_one) try_option(option, Axes{lhs, rhs});
        }
      }
      return;
    }
    try_option(option, axes);  // written as the dialect takes them
    const std::vector<Axes::Entry>& entries = *axes.list();
    // The same axes in another form: each list of one as the number in it, a lone entry as itself.
    std::vector<Axes::Entry> flat = entries;
    bool has_lists = false;
    for (Axes::Entry& entry : flat) {
      if (!entry.is_nested() || std::get<1>(entry.value).size() != 1) continue;
      entry = Axes::Entry(std::get<1>(entry.value)[0]);
      has_lists = true;
    }
    if (has_lists) try_option(option, Axes(flat));
    if (flat.size() == 1 && !flat[0].is_nested()) {
      const std::int64_t only = std::get<0>(flat[0].value);
      try_option(option, Axes(only));
      for (const std::int64_t axis : near(only, shape(1).rank())) {
        try_option(option, Axes{only, axis});
      }
      for (const std::int64_t axis : near(only, shape(0).rank())) {
        try_option(option, Axes{axis, only});
      }
    }
    if (flat.size() > 2) try_option(option, Axes({flat[0], flat[1]}));
    if (entries.size() != 2) return;
    for (const int operand : {1, 0}) {
      Axes::Entry entry = entries[static_cast<std::size_t>(operand)];
      const auto try_entry = [&](Axes::Entry changed) {
        std::vector<Axes::Entry> list = entries;
        list[static_cast<std::size_t>(operand)] = std::move(changed);
        try_option(option, Axes(std::move(list)));
      };
      if (!entry.is_nested()) {
        for (const std::int64_t axis : near(std::get<0>(entry.value), shape(operand).rank())) {
          try_entry(Axes::Entry(axis));
        }
        continue;
      }
      const std::vector<std::int64_t>& list = std::get<1>(entry.value);
      for (std::size_t i = list.size(); i-- > 0;) {
        for (const std::int64_t axis : near(list[i], shape(operand).rank())) {
          std::vector<std::int64_t> changed = list;
          changed[i] = axis;
          try_entry(Axes::Entry(std::move(changed)));
        }
      }
    }
  }

  // Lists of axes that must be equally long: what the one has more, put at the end of the other.
  void missing_axes() {
    for (const OptionInfo& option : operation_.options) {
      const bool is_of_lhs = option.name.starts_with("lhs-");
      if (option.kind != OptionKind::kIntList || (!is_of_lhs && !option.name.starts_with("rhs-"))) {
        continue;
      }
      const int other = is_of_lhs ? 1 : 0;
      const OptionInfo* pair = operation::find_option(
          operation_, text(is_of_lhs ? "rhs-" : "lhs-", option.name.substr(4)));
      const auto* more = operation::option<std::vector<std::int64_t>>(problem_, option.name);
      if (pair == nullptr || more == nullptr || other >= count()) continue;
      const auto* given = operation::option<std::vector<std::int64_t>>(problem_, pair->name);
      std::vector<std::int64_t> fewer = given == nullptr ? std::vector<std::int64_t>() : *given;
      if (more->size() <= fewer.size()) continue;
      const auto missing = more->begin() + static_cast<std::ptrdiff_t>(fewer.size());
      if (missing + 1 != more->end()) {
        fewer.insert(fewer.end(), missing, more->end());
        try_option(*pair, std::move(fewer));
        continue;
      }
      for (const std::int64_t axis : near(*missing, shape(other).rank())) {
        std::vector<std::int64_t> changed = fewer;
        changed.push_back(axis);
        try_option(*pair, std::move(changed));
      }
    }
  }

  // Lists of axes that must be equally long, or hold an axis twice: one axis left out.
  void another_length() {
    if (error_.code() != ErrorCode::kAxesLen && error_.code() != ErrorCode::kAxesDup) return;
    if (error_.code() == ErrorCode::kAxesLen) missing_axes();
    for (const OptionInfo& option : operation_.options) {
      const auto given = problem_.options.find(option.name);
      if (option.kind != OptionKind::kIntList || given == problem_.options.end()) continue;
      const auto& list = std::get<std::vector<std::int64_t>>(given->second);
      for (std::size_t i = list.size(); i-- > 0;) {
        std::vector<std::int64_t> changed = list;
        changed.erase(changed.begin() + static_cast<std::ptrdiff_t>(i));
        try_option(option, std::move(changed));
      }
    }
  }

  // Keras's batch axis stands first; nobody swaps it by mistake unless it is what does not fit.
  bool keeps_batch() const {
    return operation::find_option(operation_, "dialect") != nullptr &&
           problem_.operation != "dot" &&  // which has no batch
           error_.code() != ErrorCode::kBatch && error_.code() != ErrorCode::kBatchDim;
  }

  void swap_axes() {
    for (const int operand : operands_) {
      const Shape& given = shape(operand);
      const std::optional<int> blamed = blamed_axis(operand);
      // Pairs that hold the axis to blame come first, then neighbours, then the last axes.
      std::vector<std::pair<int, int>> pairs;
      for (int i = keeps_batch() ? 1 : 0; i < given.rank(); ++i) {
        for (int j = i + 1; j < given.rank(); ++j) {
          if (given[i] != given[j]) pairs.emplace_back(i, j);
        }
      }
      const auto rank_of = [&](const std::pair<int, int>& pair) {
        const bool holds = blamed && (pair.first == *blamed || pair.second == *blamed);
        return std::tuple(!holds, pair.first == 0, pair.second - pair.first, -pair.second);
      };
      std::stable_sort(pairs.begin(), pairs.end(),
                       [&](const auto& a, const auto& b) { return rank_of(a) < rank_of(b); });
      for (const auto& [i, j] : pairs) {
        if (done()) return;
        Shape changed = given;
        std::swap(changed[i], changed[j]);
        try_shape(operand, std::move(changed), text("swap axes ", i, " and ", j, " of "));
      }
    }
  }

  // Where nothing else fits: some dialects look at the contracted extents first, and batch axes
  // that differ too are not spoken of. Unknown extents would fit anything.
  void swap_batch_axis() {
    if (!keeps_batch()) return;
    for (const int operand : operands_) {
      const Shape& given = shape(operand);
      const std::optional<int> blamed = blamed_axis(operand);
      if (!blamed || *blamed <= 0 || *blamed >= given.rank()) continue;
      if (!given[0].is_known() || !given[*blamed].is_known()) continue;
      Shape changed = given;
      std::swap(changed[0], changed[*blamed]);
      try_shape(operand, std::move(changed), text("swap axes 0 and ", *blamed, " of "));
    }
  }

  std::optional<int> blamed_axis(int operand) const {
    const ErrorPlace& place = error_.place();
    if (place.other_operand == operand && place.other_axis) return place.other_axis;
    if (place.operand == operand && place.axis) return place.axis;
    return {};
  }

  void axis_of_one() {
    for (const int operand : operands_) {
      const Shape& given = shape(operand);
      for (int axis = 0; axis < given.rank() && !done(); ++axis) {
        if (given[axis] != Dim(1)) continue;
        Shape changed = given;
        changed.erase(axis);
        try_shape(operand, std::move(changed), text("drop axis ", axis, ", which is 1, of "));
      }
    }
    for (const int operand : operands_) {
      const Shape& given = shape(operand);
      if (given.rank() == Limits::kRank) continue;
      for (int axis = 0; axis <= given.rank() && !done(); ++axis) {
        Shape changed = given;
        changed.insert(axis, Dim(1));
        try_shape(operand, std::move(changed), text("insert an axis of 1 as axis ", axis, " of "));
      }
    }
  }

  void transpose() {
    for (const int operand : {1, 0}) {
      for (const OptionInfo& option : operation_.options) {
        if (option.kind != OptionKind::kFlag ||
            !option.name.ends_with(operand == 1 ? "-rhs" : "-lhs")) {
          continue;
        }
        if (operation::flag(problem_, option.name)) {
          Problem candidate = problem_;
          candidate.options.erase(candidate.options.find(option.name));
          try_it(std::move(candidate), text("leave out --", option.name));
        } else if (option.name.starts_with("transpose")) {
          Problem candidate = problem_;
          candidate.options.insert_or_assign(std::string(option.name), true);
          try_it(std::move(candidate), text("use --", option.name));
        }
      }
    }
  }

  void another_dialect() {
    if (operation::find_option(operation_, "dialect") == nullptr) return;
    const auto try_dialect = [&](std::string_view name) {
      if (done()) return;
      Problem candidate = in_dialect(problem_, name);
      std::string words = text("use --dialect ", name);
      if (const auto* axes = operation::option<Axes>(candidate, "axes");
          axes != nullptr && *axes != *operation::option<Axes>(problem_, "axes")) {
        words += text(", where the same is --axes ", to_string(OptionValue(*axes)));
      }
      try_it(std::move(candidate), words);
    };
    const std::span<const std::string_view> known = Dialect::names();
    std::vector<std::string_view> names(known.rbegin(), known.rend());  // the newest first
    // A script refuses the least: fitting there says little.
    const auto scripts = std::stable_partition(names.begin(), names.end(), [](auto name) {
      return !notation::batch_dot_rules(Dialect(name)).is_script;
    });
    std::for_each(names.begin(), scripts, try_dialect);
    if (!doubtful_) std::for_each(scripts, names.end(), try_dialect);
  }

  const Problem& problem_;
  const Error& error_;
  const Succeeds succeeds_;
  const Operation& operation_;
  std::vector<int> operands_;  // in the order in which they are doubted
  std::optional<Fix> found_;
  std::optional<Fix> doubtful_;  // the first one that depends on unknown dims
  int tries_ = 0;
};

}  // namespace

std::optional<Fix> find_fix(const Problem& problem, const Error& error,
                            bool (*succeeds)(const Problem&, const void*), const void* context) {
  try {
    return Search(problem, error, {succeeds, context}).run();
  } catch (const Error&) {
    return {};  // the problem names no operation
  }
}

}  // namespace batchdot::inline v0
