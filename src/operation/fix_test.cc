// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <random>

#include "batchdot/operation.h"

namespace batchdot {
namespace {

std::optional<Fix> fix_of(std::string_view line) {
  const Problem problem = parse_problem(line);
  try {
    infer(problem);
  } catch (const Error& error) {
    return find_fix(problem, error);
  }
  ADD_FAILURE() << line << " is not refused";
  return {};
}

TEST(Fix, IsTheNearestSingleChange) {
  const struct {
    std::string_view line, text, command;
  } kCases[] = {
      {R"({"operation":"batch_dot","shapes":[[2,8,5],[2,7,5]],"axes":[2,1]})",
       "use --axes 2,2 in place of 2,1", "batch_dot 2,8,5 2,7,5 --axes 2,2"},
      {R"({"operation":"batch_dot","shapes":[[1,2,3],[1,2,3]],"axes":0})",
       "use --axes 1 in place of 0", "batch_dot 1,2,3 1,2,3 --axes 1"},
      {R"({"operation":"matmul","shapes":[[2,3,4],[2,3,4]]})", "use --transpose-rhs",
       "matmul 2,3,4 2,3,4 --transpose-rhs"},
      {R"({"operation":"matmul","shapes":[[3,4],[4,3]],"transpose_rhs":true})",
       "leave out --transpose-rhs", "matmul 3,4 4,3"},
      {R"({"operation":"einsum","equation":"bij,bjk->bik","shapes":[[2,3,4],[2,5,4]]})",
       "swap axes 1 and 2 of rhs: (2, 4, 5)", "einsum bij,bjk=bik 2,3,4 2,4,5"},
      {R"({"operation":"einsum","equation":"ij,ij->i","shapes":[[2,3],[1,2,3]]})",
       "drop axis 0, which is 1, of rhs: (2, 3)", "einsum ij,ij=i 2,3 2,3"},
      {R"({"operation":"softmax","shapes":[[2,3]],"axis":2})", "use --axis 1 in place of 2",
       "softmax 2,3 --axis 1"},
      {R"({"operation":"dot_general","shapes":[[2,3],[3,4]],"lhs_contract":[-1],)"
       R"("rhs_contract":[0]})",
       "use --lhs-contract 1 in place of -1",
       "dot_general 2,3 3,4 --lhs-contract 1 --rhs-contract 0"},
      {R"({"operation":"tensordot","shapes":[[2,3],[3,4]],"lhs_axes":[1],"rhs_axes":[1]})",
       "use --rhs-axes 0 in place of 1", "tensordot 2,3 3,4 --lhs-axes 1 --rhs-axes 0"},
      {R"({"operation":"batch_dot","shapes":[[2,3],[2,3]],"axes":[[1],[1]]})",
       "use --axes 1,1 in place of [[1],[1]]", "batch_dot 2,3 2,3 --axes 1,1"},
      {R"({"operation":"batch_dot","shapes":[[2,3,4,5],[2,3,5,6]],"dialect":"tfjs"})",
       "use --dialect keras-3", "batch_dot 2,3,4,5 2,3,5,6 --dialect keras-3"},
      {R"({"operation":"dot_layer","shapes":[[2,3,4],[2,4,5]],"axes":[2,1],"dialect":"keras-0.3"})",
       "use --axes [[2],[1]] in place of 2,1",
       "dot_layer 2,3,4 2,4,5 --axes '[[2],[1]]' --dialect keras-0.3"},
      {R"({"operation":"batch_dot","shapes":[[2,3,4],[2,4,5]],"axes":[]})",
       "use --axes 2,1 in place of []", "batch_dot 2,3,4 2,4,5 --axes 2,1"},
      {R"({"operation":"batch_dot","shapes":[[2,3,4],[2,4,5]],"axes":[2]})",
       "use --axes 2,1 in place of [2]", "batch_dot 2,3,4 2,4,5 --axes 2,1"},
      {R"({"operation":"dot_layer","shapes":[[2,5,9],[9,6,2]],"axes":[2,2]})",
       "swap axes 0 and 2 of rhs: (2, 6, 9)", "dot_layer 2,5,9 2,6,9 --axes 2,2"},
      {R"({"operation":"batch_dot","shapes":[[6,3,7,8],[8,3,9,6]],"axes":[3,3],)"
       R"("dialect":"tf.keras-1"})",
       "swap axes 0 and 3 of rhs: (6, 3, 9, 8)",
       "batch_dot 6,3,7,8 6,3,9,8 --axes 3,3 --dialect tf.keras-1"},
      {R"({"operation":"dot_general","shapes":[[2,3,4],[2,5,4]],"lhs_batch":[0],)"
       R"("lhs_contract":[2],"rhs_contract":[2]})",
       "use --rhs-batch 0",
       "dot_general 2,3,4 2,5,4 --lhs-batch 0 --lhs-contract 2 --rhs-batch 0 --rhs-contract 2"},
      {R"({"operation":"dot_general","shapes":[[2,3,4],[3,2,4]],"lhs_contract":[1],)"
       R"("rhs_contract":[0,2]})",
       "use --lhs-contract 1,2 in place of 1",
       "dot_general 2,3,4 3,2,4 --lhs-contract 1,2 --rhs-contract 0,2"},
      {R"({"operation":"tensordot","shapes":[[2,3,4],[2,3,5]],"lhs_axes":[0,1],"rhs_axes":[]})",
       "use --rhs-axes 0,1 in place of []", "tensordot 2,3,4 2,3,5 --lhs-axes 0,1 --rhs-axes 0,1"},
  };
  for (const auto& c : kCases) {
    const std::optional<Fix> fix = fix_of(c.line);
    ASSERT_TRUE(fix) << c.line;
    EXPECT_EQ(fix->text, c.text) << c.line;
    EXPECT_EQ(to_command(fix->problem), c.command) << c.line;
  }
}

TEST(Fix, IsNotInventedWhereNothingFits) {
  EXPECT_FALSE(fix_of(R"({"operation":"dot","shapes":[[3,5],[7,11]]})"));
  EXPECT_FALSE(fix_of(R"({"operation":"dot_layer","shapes":[[3,5]],"axes":1})"));
  EXPECT_FALSE(fix_of(R"({"operation":"einsum","equation":"i,j->k","shapes":[[3],[5]]})"));
}

TEST(Fix, IsAskedOfTheCaller) {
  const Problem problem = parse_problem(R"({"operation":"softmax","shapes":[[2,3]],"axis":2})");
  const auto differs_from = [](const Problem& changed, const void* refused) {
    return to_json(changed) != *static_cast<const std::string*>(refused);
  };
  const auto never = [](const Problem&, const void*) { return false; };
  try {
    infer(problem);
    FAIL();
  } catch (const Error& error) {
    const std::optional<Fix> nearest = find_fix(problem, error);
    ASSERT_TRUE(nearest);
    const std::string refused = to_json(nearest->problem);
    const std::optional<Fix> next = find_fix(problem, error, differs_from, &refused);
    ASSERT_TRUE(next);
    EXPECT_EQ(next->text, "use --axis 0 in place of 2");
    EXPECT_FALSE(find_fix(problem, error, never));
  }
}

// Random problems with slips in them: whatever is refused, its fix is not.
TEST(Fix, AlwaysFits) {
  std::mt19937 random(7);
  const auto below = [&](int count) {
    return static_cast<int>(random() % static_cast<unsigned>(count));
  };
  constexpr std::string_view kNames[] = {"batch_dot", "dot_layer", "dot", "matmul", "tensordot"};
  int refused = 0, fixed = 0;
  for (int i = 0; i < 2000; ++i) {
    Problem problem;
    problem.operation = kNames[below(std::size(kNames))];
    for (int operand = 0; operand < 2; ++operand) {
      Shape shape;
      for (int axes = below(5); axes > 0; --axes) {
        const int extent = below(5);
        shape.push_back(extent == 4 ? Dim() : Dim(extent + 1));
      }
      problem.shapes.push_back(std::move(shape));
    }
    if (problem.operation == "tensordot") {
      problem.options["lhs-axes"] = std::vector<std::int64_t>{below(4)};
      problem.options["rhs-axes"] = std::vector<std::int64_t>{below(4)};
    } else if (find_operation(problem.operation).options[0].name == "axes") {
      problem.options["axes"] = Axes({below(5) - 1, below(5) - 1});
      const auto names = Dialect::names();
      problem.options["dialect"] =
          std::string(names[static_cast<std::size_t>(below(static_cast<int>(names.size())))]);
    }
    try {
      infer(problem);
    } catch (const Error& error) {
      ++refused;
      const std::optional<Fix> fix = find_fix(problem, error);
      if (!fix) continue;
      ++fixed;
      EXPECT_NE(to_json(fix->problem), to_json(problem));
      EXPECT_NO_THROW(infer(fix->problem)) << to_json(fix->problem);
      EXPECT_NO_THROW(infer(parse_problem(to_json(fix->problem)))) << to_json(fix->problem);
    }
  }
  EXPECT_GT(refused, 300);
  EXPECT_GT(fixed, refused / 4);
}

}  // namespace
}  // namespace batchdot
