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

TEST(Steps, AgreeWithTheRolesOfTwoOperands) {
  const Contraction c = einsum("bixk,bkyj->bij", std::vector<Shape>{{2, 3, 4, 5}, {2, 5, 6, 7}});
  const PairwiseStep step = pairwise_steps(c)[0];
  const LabelRoles roles = classify(c);
  EXPECT_EQ(step.contracting, roles.contracting);
  EXPECT_EQ(step.lhs_summed, roles.lhs_summed);
  EXPECT_EQ(step.rhs_summed, roles.rhs_summed);
  for (const Label label : roles.batch) EXPECT_EQ(role_in(step, label), Role::kBatch);
  for (const Label label : roles.lhs_free) EXPECT_EQ(role_in(step, label), Role::kLhsFree);
  for (const Label label : roles.rhs_free) EXPECT_EQ(role_in(step, label), Role::kRhsFree);
  for (const Label label : roles.contracting) EXPECT_EQ(role_in(step, label), Role::kContracting);
  for (const Label label : roles.lhs_summed) EXPECT_EQ(role_in(step, label), Role::kLhsSummed);
  for (const Label label : roles.rhs_summed) EXPECT_EQ(role_in(step, label), Role::kRhsSummed);
}

}  // namespace
}  // namespace batchdot
