// SPDX-License-Identifier: Apache-2.0
// random_contractions COUNT [SEED]: explanations of random contractions, one line of JSON each.
// They hold what no single notation can write: conjugates, diagonals, added axes, axes of 1 that
// stretch, unknown extents, orders of every kind.

#include <algorithm>
#include <cstdlib>
#include <iostream>
#include <random>
#include <string>

#include "batchdot/contraction.h"
#include "batchdot/explain.h"

namespace {

using batchdot::AxisRef;
using batchdot::Contraction;
using batchdot::Dim;
using batchdot::Input;
using batchdot::Label;
using batchdot::Labels;
using batchdot::UnifyRule;

class Generator {
 public:
  explicit Generator(unsigned seed) : random_(seed) {}

  Contraction next() {
    Contraction c;
    const int kind = below(20);
    std::vector<Labels> operands;
    Labels output;
    if (kind < 13) {
      make_product(operands, output);
    } else {
      make_anything(operands, output, kind < 15 ? 1 : kind < 18 ? 2 : 3 + below(2));
    }
    give_extents(c, operands, output);
    if (chance(15)) add_axis(c);
    c.contracting_order = default_contracting_order(c);
    std::shuffle(c.contracting_order.begin(), c.contracting_order.end(), random_);
    for (Input& input : c.inputs) input.conjugate = chance(20);
    return c;
  }

 private:
  int below(int n) { return std::uniform_int_distribution<int>(0, n - 1)(random_); }
  bool chance(int percent) { return below(100) < percent; }

  // As it is, with its last two axes swapped, or in any order.
  void reorder(Labels& labels) {
    const int kind = below(10);
    if (kind >= 5 && kind < 8 && labels.size() >= 2) {
      std::swap(labels[labels.size() - 1], labels[labels.size() - 2]);
    }
    if (kind >= 8) std::shuffle(labels.begin(), labels.end(), random_);
  }

  // Two operands in the form of a batched matrix product, more or less.
  void make_product(std::vector<Labels>& operands, Labels& output) {
    Label next = 0;
    const auto take = [&](int count) {
      Labels labels;
      for (int i = 0; i < count; ++i) labels.push_back(next++);
      return labels;
    };
    const auto append = [](Labels& to, const Labels& from) {
      to.insert(to.end(), from.begin(), from.end());
    };
    const Labels batch = take(below(3));
    const Labels lhs_free = take(chance(60) ? 1 : below(3));
    const Labels rhs_free = take(chance(60) ? 1 : below(3));
    const Labels contracting = take(chance(75) ? 1 : below(3));
    const Labels lhs_summed = take(chance(12) ? 1 : 0);
    const Labels rhs_summed = take(chance(12) ? 1 : 0);
    Labels lhs, rhs;
    for (const Labels* part : {&batch, &lhs_free, &lhs_summed, &contracting}) append(lhs, *part);
    for (const Labels* part : {&batch, &contracting, &rhs_summed, &rhs_free}) append(rhs, *part);
    for (const Labels* part : {&batch, &lhs_free, &rhs_free}) append(output, *part);
    reorder(lhs);
    reorder(rhs);
    reorder(output);
    operands = {lhs, rhs};
  }

  // Any labels anywhere.
  void make_anything(std::vector<Labels>& operands, Labels& output, int count) {
    const int labels = 1 + below(5);
    for (int i = 0; i < count; ++i) {
      Labels& operand = operands.emplace_back();
      for (Label label = 0; label < labels; ++label) {
        if (chance(50)) operand.push_back(label);
        if (chance(8)) operand.push_back(label);
      }
      std::shuffle(operand.begin(), operand.end(), random_);
    }
    for (Label label = 0; label < labels; ++label) {
      const bool is_in_an_input =
          std::any_of(operands.begin(), operands.end(), [&](const Labels& operand) {
            return std::find(operand.begin(), operand.end(), label) != operand.end();
          });
      if (is_in_an_input && chance(60)) output.push_back(label);
    }
    std::shuffle(output.begin(), output.end(), random_);
  }

  // An extent as a user may declare it.
  Dim declared(std::int64_t extent, Label label) {
    if (chance(10)) return Dim();
    if (chance(8)) return Dim("n" + std::to_string(label));
    return Dim(extent);
  }

  // The labels of `operands` are 0, 1, ... with gaps; those of `c` get an extent from their first
  // axis, then every further axis is made part of it.
  void give_extents(Contraction& c, const std::vector<Labels>& operands, const Labels& output) {
    Label count = 0;
    for (const Labels& operand : operands) {
      for (const Label label : operand)
        count = std::max<Label>(count, static_cast<Label>(label + 1));
    }
    std::vector<std::int64_t> extents;
    std::vector<bool> stretches;
    for (Label label = 0; label < count; ++label) {
      extents.push_back(chance(4) ? 0 : chance(15) ? 1 : 2 + below(3));
      const bool has_diagonal =
          std::any_of(operands.begin(), operands.end(), [&](const Labels& operand) {
            return std::count(operand.begin(), operand.end(), label) > 1;
          });
      stretches.push_back(!has_diagonal && chance(15));
      add_label(c, Dim(1));
    }
    std::vector<int> first_operand(count, -1);
    std::vector<int> first_axis(count, -1);
    for (std::size_t i = 0; i < operands.size(); ++i) {
      Input& input = c.inputs.emplace_back();
      input.labels = operands[i];
      for (std::size_t axis = 0; axis < operands[i].size(); ++axis) {
        const Label label = operands[i][axis];
        const bool is_one = stretches[label] && chance(40);
        input.shape.push_back(is_one ? Dim(1) : declared(extents[label], label));
        const AxisRef here{static_cast<int>(i), static_cast<int>(axis)};
        if (first_operand[label] < 0) {
          first_operand[label] = here.operand;
          first_axis[label] = here.axis;
          c.extents[label] = input.shape[here.axis];
          continue;
        }
        const AxisRef first{first_operand[label], first_axis[label]};
        const UnifyRule rule = stretches[label] ? UnifyRule::kBroadcast : UnifyRule::kMerge;
        if (!unify_label(c, label, first, here, rule)) std::abort();
      }
    }
    c.output = output;
  }

  void add_axis(Contraction& c) {
    const Label label = add_output_label(c, Dim(1));
    if (chance(40)) {
      c.output.pop_back();
      c.output.insert(c.output.begin() + below(static_cast<int>(c.output.size()) + 1), label);
    }
  }

  std::mt19937 random_;
};

// Labels that no operand and no output has would make the JSON hard to read back.
bool has_gaps(const Contraction& c) {
  for (std::size_t label = 0; label < c.extents.size(); ++label) {
    const auto holds = [&](const Labels& labels) {
      return std::find(labels.begin(), labels.end(), label) != labels.end();
    };
    if (!holds(c.output) && std::none_of(c.inputs.begin(), c.inputs.end(),
                                         [&](const Input& input) { return holds(input.labels); })) {
      return true;
    }
  }
  return false;
}

}  // namespace

int main(int argc, char** argv) {
  const int count = argc > 1 ? std::atoi(argv[1]) : 0;
  Generator generator(argc > 2 ? static_cast<unsigned>(std::atoi(argv[2])) : 1);
  for (int made = 0; made < count;) {
    const Contraction c = generator.next();
    if (has_gaps(c)) continue;
    std::cout << to_json(explain(c)) << '\n';
    ++made;
  }
}
