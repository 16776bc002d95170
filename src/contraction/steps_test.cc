// SPDX-License-Identifier: Apache-2.0
#include "src/contraction/steps.h"

#include <gtest/gtest.h>

#include <string>

#include "batchdot/notation.h"

namespace batchdot {
namespace {

// "bij * bjk -> bik, sums j | lhs x | rhs y", with the letters of the equation.
std::string in_letters(const Contraction& c, const PairwiseStep& step) {
  const std::vector<std::string> names = label_names(c);
  const auto letters = [&](const Labels& labels) {
    std::string out;
    for (const Label label : labels) out += names[label];
    return out;
  };
  return letters(step.lhs) + "*" + letters(step.rhs) + "=" + letters(step.result) + " " +
         letters(step.contracting) + "|" + letters(step.lhs_summed) + "|" +
         letters(step.rhs_summed);
}

TEST(Steps, SumALabelWhenNothingNeedsItAnyMore) {
  const struct {
    const char* equation;
    std::vector<int> ranks;
    std::vector<std::string> steps;
  } kCases[] = {
      {"bij,bjk->bik", {3, 3}, {"bij*bjk=bik j||"}},
      {"ijk->k", {3}, {"ijk*=k |ij|"}},
      {"ij->ji", {2}, {"ij*=ij ||"}},
      {"->", {0}, {"*= ||"}},
      // Each side's own sums; a diagonal has its label once.
      {"iix,jy->ij", {3, 2}, {"ix*jy=ij |x|y"}},
      {"xk,yk->", {2, 2}, {"xk*yk= k|x|y"}},
      // A later operand needs j; the output needs i.
      {"ij,jk,jl->il", {2, 2, 2}, {"ij*jk=ij ||k", "ij*jl=il j||"}},
      {"ij,jk,kl->il", {2, 2, 2}, {"ij*jk=ik j||", "ik*kl=il k||"}},
      {"a,b,c->", {1, 1, 1}, {"a*b= |a|b", "*c= ||c"}},
      // In the contracting order, which is that of first appearance here.
      {"kj,jk->", {2, 2}, {"kj*jk= kj||"}},
  };
  for (const auto& row : kCases) {
    std::vector<Shape> shapes;
    for (const int rank : row.ranks) {
      shapes.emplace_back(Extents(static_cast<std::size_t>(rank), 2));
    }
    const Contraction c = einsum(row.equation, shapes);
    std::vector<std::string> steps;
    for (const PairwiseStep& step : pairwise_steps(c)) steps.push_back(in_letters(c, step));
    EXPECT_EQ(steps, row.steps) << row.equation;
  }
}

TEST(Steps, GiveEveryLabelOfTwoOperandsOneRole) {
  Contraction c;
  for (int i = 0; i < 7; ++i) add_label(c, i == 6 ? 1 : 2);
  // b0 m1 k2 lone3 . k2 n4 lone5 b0 -> n4 b0 m1 added6
  c.inputs = {{{2, 2, 2, 2}, {0, 1, 2, 3}, {}, false}, {{2, 2, 2, 2}, {2, 4, 5, 0}, {}, false}};
  c.output = {4, 0, 1, 6};
  c.contracting_order = {5, 2, 3};
  const PairwiseStep step = pairwise_steps(c)[0];
  constexpr Role kRoles[] = {Role::kBatch,   Role::kLhsFree,   Role::kContracting, Role::kLhsSummed,
                             Role::kRhsFree, Role::kRhsSummed, Role::kRhsFree};
  for (Label label = 0; label < 7; ++label) EXPECT_EQ(role_in(step, label), kRoles[label]) << label;
  EXPECT_EQ(step.contracting, (Labels{2}));
  EXPECT_EQ(step.lhs_summed, (Labels{3}));
  EXPECT_EQ(step.rhs_summed, (Labels{5}));
}

TEST(Steps, OneOperandIsLhs) {
  const PairwiseStep step = pairwise_steps(einsum("ij->j", std::vector<Shape>{{2, 3}}))[0];
  EXPECT_EQ(role_in(step, 0), Role::kLhsSummed);
  EXPECT_EQ(role_in(step, 1), Role::kLhsFree);
}

TEST(Steps, OnlyOneOperandOfWhichNothingIsSummedMoves) {
  const auto moves = [](std::string_view equation, const std::vector<Shape>& shapes) {
    return only_moves(einsum(equation, shapes));
  };
  EXPECT_TRUE(moves("ij->ji", {{2, 3}}));
  EXPECT_TRUE(moves("ii->i", {{2, 2}}));
  EXPECT_FALSE(moves("ij->i", {{2, 3}}));
  EXPECT_FALSE(moves("i,j->ij", {{2}, {3}}));
}

}  // namespace
}  // namespace batchdot
