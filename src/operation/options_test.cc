// SPDX-License-Identifier: Apache-2.0
#include "src/operation/options.h"

#include <gtest/gtest.h>

namespace batchdot {
namespace {

constexpr OptionInfo kAxes = {"axes", OptionKind::kAxes, "A,B", ""};
constexpr OptionInfo kList = {"lhs-batch", OptionKind::kIntList, "A,B", ""};
constexpr OptionInfo kInt = {"axis", OptionKind::kInt, "A", ""};

Axes nested(std::vector<std::int64_t> lhs, std::vector<std::int64_t> rhs) {
  return Axes(std::vector<Axes::Entry>{Axes::Entry(std::move(lhs)), Axes::Entry(std::move(rhs))});
}

TEST(Options, AxesAreReadInEveryForm) {
  const struct {
    std::string_view text;
    Axes axes;
  } kCases[] = {
      {"2", Axes(2)},
      {"-1", Axes(-1)},
      {"(2)", Axes(2)},  // as in Python, where (2) is 2
      {"none", Axes()},
      {"2,1", Axes({2, 1})},
      {"2,-1", Axes({2, -1})},
      {" 2 , 1 ", Axes({2, 1})},
      {"[2,1]", Axes({2, 1})},
      {"(2, 1)", Axes({2, 1})},
      {"2,", Axes(std::vector<Axes::Entry>{2})},
      {"[2]", Axes(std::vector<Axes::Entry>{2})},
      {"[]", Axes(std::vector<Axes::Entry>{})},
      {"1,2,3", Axes({1, 2, 3})},
      {"[[2],[1]]", nested({2}, {1})},
      {"((2,),(1,))", nested({2}, {1})},
      {"[2],[1]", nested({2}, {1})},
      {"[[1,2],[0,1]]", nested({1, 2}, {0, 1})},
  };
  for (const auto& c : kCases) {
    EXPECT_EQ(std::get<Axes>(parse_option(kAxes, c.text)), c.axes) << c.text;
    const std::string written = to_string(OptionValue(c.axes));
    EXPECT_EQ(std::get<Axes>(parse_option(kAxes, written)), c.axes) << written;
  }
}

TEST(Options, ListsAndNumbersAreRead) {
  using List = std::vector<std::int64_t>;
  EXPECT_EQ(std::get<List>(parse_option(kList, "0,1")), (List{0, 1}));
  EXPECT_EQ(std::get<List>(parse_option(kList, "[-1]")), List{-1});
  EXPECT_EQ(std::get<List>(parse_option(kList, "[]")), List{});
  EXPECT_EQ(std::get<std::int64_t>(parse_option(kInt, "-3")), -3);
}

TEST(Options, WhatCannotBeReadIsRefusedWithItsPosition) {
  const struct {
    const OptionInfo& option;
    std::string_view text;
    ErrorCode code;
    std::optional<std::size_t> position;
  } kCases[] = {
      {kAxes, "x", ErrorCode::kSyntax, 0},
      {kAxes, "", ErrorCode::kSyntax, 0},
      {kAxes, "2,,1", ErrorCode::kSyntax, 2},
      {kAxes, "[2,1", ErrorCode::kSyntax, 4},
      {kAxes, "1.5", ErrorCode::kSyntax, 1},
      {kAxes, "[[[2]]]", ErrorCode::kSyntax, 2},
      {kList, "1;2", ErrorCode::kSyntax, 1},
      {kInt, "1,2", ErrorCode::kSyntax, 1},
      {kInt, "9223372036854775808", ErrorCode::kOverflow, {}},
  };
  for (const auto& c : kCases) {
    try {
      parse_option(c.option, c.text);
      ADD_FAILURE() << c.text << " was read";
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), c.code) << c.text;
      EXPECT_EQ(error.place().position, c.position) << c.text;
    }
  }
}

TEST(Options, AMistypedNameFindsItsNeighbour) {
  constexpr std::string_view kNames[] = {"batch_dot", "matmul", "dot"};
  EXPECT_EQ(did_you_mean("batchdot", kNames), ": did you mean 'batch_dot'?");
  EXPECT_EQ(did_you_mean("mat_mul", kNames), ": did you mean 'matmul'?");
  EXPECT_EQ(did_you_mean("convolution", kNames), "");
  EXPECT_EQ(did_you_mean("MatMul", kNames), ": did you mean 'matmul'?");
  EXPECT_EQ(did_you_mean("batch", kNames), ": did you mean 'batch_dot'?");
  EXPECT_EQ(did_you_mean("ba", kNames), "");
}

TEST(Options, AProblemsOptionsAreThoseOfItsOperation) {
  const auto refusal = [](std::string_view name, OptionValue value) -> std::string {
    Problem problem;
    problem.operation = "batch_dot";
    problem.shapes = {{2, 3}, {2, 3}};
    problem.options.emplace(name, std::move(value));
    try {
      infer(problem);
    } catch (const Error& error) {
      return std::string(info(error.code()).name);
    }
    return "none";
  };
  EXPECT_EQ(refusal("axes", Axes(1)), "none");
  EXPECT_EQ(refusal("axis", std::int64_t{1}), "USAGE");
  EXPECT_EQ(refusal("axes", std::int64_t{1}), "USAGE");  // of another kind
  EXPECT_EQ(refusal("dialect", std::string("keras-9")), "USAGE");
  EXPECT_EQ(refusal("dtype", std::string("f31")), "USAGE");
  EXPECT_EQ(refusal("dtype", std::string("bool")), "DTYPE");
}

}  // namespace
}  // namespace batchdot
