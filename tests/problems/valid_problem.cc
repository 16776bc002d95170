// SPDX-License-Identifier: Apache-2.0
#include "tests/problems/valid_problem.h"

#include <algorithm>
#include <numeric>
#include <stdexcept>

namespace batchdot {

namespace {

class Maker {
 public:
  explicit Maker(std::mt19937& random) : random_(random) {}

  Problem make(std::string_view operation) {
    problem_ = Problem{std::string(operation), {}, {}};
    if (operation == "batch_dot" || operation == "dot_layer") {
      make_keras();
    } else if (operation == "dot") {
      const std::int64_t k = extent();
      problem_.shapes = {shape(below(2), {k}), shape(below(2), {k, extent()})};
      if (problem_.shapes[0].rank() == 1 && problem_.shapes[1].rank() == 2)
        problem_.shapes[0].insert(0, extent());
    } else if (operation == "matmul") {
      make_matmul();
    } else if (operation == "tensordot") {
      make_pairs("lhs-axes", "rhs-axes", 1 + below(2), {});
    } else if (operation == "dot_general") {
      make_dot_general();
    } else if (operation == "softmax") {
      problem_.shapes = {shape(1 + below(4), {})};
      const int rank = problem_.shapes[0].rank();
      problem_.options["axis"] = std::int64_t{below(2 * rank) - rank};
    } else if (operation == "einsum") {
      make_einsum();
    } else {
      throw std::logic_error("no maker for " + problem_.operation);
    }
    return problem_;
  }

 private:
  using Axis = std::int64_t;

  int below(int count) { return batchdot::below(random_, count); }
  std::int64_t extent() { return below(12) == 0 ? 1 : 2 + below(8); }
  // `more` free axes, then these.
  Shape shape(int more, std::vector<std::int64_t> last) {
    Shape result;
    for (int i = 0; i < more; ++i) result.push_back(extent());
    for (const std::int64_t each : last) result.push_back(each);
    return result;
  }

  void make_keras() {
    static constexpr std::string_view kNames[] = {"keras-3",   "keras-2.3",  "tf.keras-2",
                                                  "keras-2.2", "tf.keras-1", "keras-2.0",
                                                  "keras-1.2", "tfjs"};
    const std::string_view name = kNames[below(8)];
    const bool is_late = name == "keras-3" || name == "keras-2.3" || name == "tf.keras-2";
    const std::int64_t batch = extent(), k = extent();
    Shape lhs{batch}, rhs{batch};
    Axis lhs_axis, rhs_axis;
    if (is_late) {
      const int lhs_rank = 2 + below(3), rhs_rank = 2 + below(3);
      lhs_axis = 1 + below(lhs_rank - 1);
      rhs_axis = 1 + below(rhs_rank - 1);
      for (Axis i = 1; i < lhs_rank; ++i) lhs.push_back(i == lhs_axis ? k : extent());
      for (Axis i = 1; i < rhs_rank; ++i) rhs.push_back(i == rhs_axis ? k : extent());
    } else {
      const int leading = name == "tfjs" ? 0 : below(2);
      for (int i = 0; i < leading; ++i) {
        lhs.push_back(extent());
        rhs.push_back(lhs[1 + i]);
      }
      const int rank = 3 + leading;
      lhs_axis = rank - 1 - below(2);
      rhs_axis = rank - 1 - below(2);
      for (int i = rank - 2; i < rank; ++i) lhs.push_back(i == lhs_axis ? k : extent());
      for (int i = rank - 2; i < rank; ++i) rhs.push_back(i == rhs_axis ? k : extent());
    }
    problem_.shapes = {lhs, rhs};
    problem_.options["dialect"] = std::string(name);
    const bool one = lhs_axis == rhs_axis && below(2) == 0;
    problem_.options["axes"] = one ? Axes(lhs_axis) : Axes({lhs_axis, rhs_axis});
    if (problem_.operation == "dot_layer" && below(3) == 0 && name != "keras-1.2") {
      problem_.options["normalize"] = true;
    }
  }

  void make_matmul() {
    const int leading = below(3);
    const std::int64_t k = extent();
    Shape lhs = shape(leading, {}), rhs = lhs;
    for (int i = 0; i < leading; ++i) {
      if (below(6) == 0) (below(2) == 0 ? lhs : rhs)[i] = Dim(1);
    }
    if (leading == 2 && below(4) == 0) rhs.erase(0);
    const auto add = [&](Shape& to, std::int64_t first, std::int64_t second,
                         std::string_view flag) {
      const int turned = below(3);
      if (turned > 0)
        problem_.options[std::string(turned == 1 ? "transpose" : "adjoint") + std::string(flag)] =
            true;
      to.push_back(turned > 0 ? second : first);
      to.push_back(turned > 0 ? first : second);
    };
    add(lhs, extent(), k, "-lhs");
    add(rhs, k, extent(), "-rhs");
    problem_.shapes = {lhs, rhs};
  }

  std::vector<Axis> distinct(int rank, int count) {
    std::vector<Axis> axes(static_cast<std::size_t>(rank));
    std::iota(axes.begin(), axes.end(), Axis{0});
    for (std::size_t i = axes.size(); i > 1; --i) {
      std::swap(axes[i - 1], axes[static_cast<std::size_t>(below(static_cast<int>(i)))]);
    }
    axes.resize(static_cast<std::size_t>(count));
    return axes;
  }

  // `count` pairs of equal extents on axes that are not in `taken`.
  void make_pairs(const char* lhs_name, const char* rhs_name, int count,
                  const std::vector<std::pair<Axis, Axis>>& taken) {
    if (taken.empty() && problem_.shapes.empty()) {
      problem_.shapes = {shape(count + below(2), {}), shape(count + below(2), {})};
    }
    std::vector<Axis> lhs, rhs;
    const auto free_axes = [&](int operand) {
      std::vector<Axis> axes = distinct(problem_.shapes[static_cast<std::size_t>(operand)].rank(),
                                        problem_.shapes[static_cast<std::size_t>(operand)].rank());
      std::erase_if(axes, [&](Axis axis) {
        return std::any_of(taken.begin(), taken.end(), [&](const auto& pair) {
          return axis == (operand == 0 ? pair.first : pair.second);
        });
      });
      return axes;
    };
    const std::vector<Axis> lhs_free = free_axes(0), rhs_free = free_axes(1);
    for (std::size_t i = 0; i < static_cast<std::size_t>(count); ++i) {
      lhs.push_back(lhs_free.at(i));
      rhs.push_back(rhs_free.at(i));
      problem_.shapes[1][static_cast<int>(rhs[i])] = problem_.shapes[0][static_cast<int>(lhs[i])];
    }
    problem_.options[lhs_name] = lhs;
    problem_.options[rhs_name] = rhs;
  }

  void make_dot_general() {
    const int batch = below(3), contract = 1 + below(2);
    problem_.shapes = {shape(batch + contract + below(2), {}),
                       shape(batch + contract + below(2), {})};
    make_pairs("lhs-batch", "rhs-batch", batch, {});
    std::vector<std::pair<Axis, Axis>> taken;
    const auto& lhs = std::get<std::vector<Axis>>(problem_.options["lhs-batch"]);
    const auto& rhs = std::get<std::vector<Axis>>(problem_.options["rhs-batch"]);
    for (std::size_t i = 0; i < lhs.size(); ++i) taken.emplace_back(lhs[i], rhs[i]);
    make_pairs("lhs-contract", "rhs-contract", contract, taken);
  }

  void make_einsum() {
    const int operands = 1 + below(3), labels = 3 + below(3);
    std::vector<std::int64_t> extents;
    for (int i = 0; i < labels; ++i) extents.push_back(2 + below(8));
    std::string equation, output;
    for (int operand = 0; operand < operands; ++operand) {
      if (operand > 0) equation += ',';
      Shape now;
      const int rank = 2 + below(3);
      for (int axis = 0; axis < rank; ++axis) {
        // A label that stands already, more often than not: something to disagree about.
        const int label = below(labels);
        equation += static_cast<char>('a' + label);
        now.push_back(extents[static_cast<std::size_t>(label)]);
        const char letter = static_cast<char>('a' + label);
        if (output.find(letter) == std::string::npos && below(3) > 0) output += letter;
      }
      problem_.shapes.push_back(now);
    }
    problem_.options["equation"] = equation + "->" + output;
  }

  std::mt19937& random_;
  Problem problem_;
};

}  // namespace

Problem random_valid_problem(std::mt19937& random, std::string_view operation) {
  for (;;) {
    Problem problem = Maker(random).make(operation);
    try {
      infer(problem);
      return problem;
    } catch (const Error&) {
      // e.g. an extent of 1 that a dialect reads in its own way: another one
    }
  }
}

}  // namespace batchdot
