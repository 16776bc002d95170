// SPDX-License-Identifier: Apache-2.0
// What plans are made of: what Plan::make hands on to the steps.
#include <gtest/gtest.h>

#include "batchdot/notation.h"
#include "src/plan/plan.h"

namespace batchdot {
namespace {

// (10, 36, 24) (10, 24, 64), lhs conjugated.
Plan conjugated_product(DType dtype, const PlanOptions& options = {}) {
  Contraction c = einsum("bik,bkj->bij", std::vector<Shape>{{10, 36, 24}, {10, 24, 64}});
  c.inputs[0].conjugate = true;
  const Layout operands[] = {Layout(dtype, {10, 36, 24}), Layout(dtype, {10, 24, 64})};
  return Plan::make(c, operands, {}, {}, options);
}

bool conjugates(const Plan& plan) {
  const Step& step = PlanAccess::impl(plan).steps.back();
  const auto& contraction = std::get<ContractStep>(step);
  return contraction.lhs_conjugate || contraction.rhs_conjugate;
}

TEST(Make, OperandsAreConjugatedWhereTheyAreComplex) {
  for_each_dtype([](auto record) {
    if (!record.kComputes) return;
    EXPECT_EQ(conjugates(conjugated_product(record)), DType(record).is_complex()) << record.kName;
  });
  PlanOptions complex;  // -0 as the imaginary part of what is converted is part of the bits
  complex.compute_dtype = C64{};
  EXPECT_TRUE(conjugates(conjugated_product(F32{}, complex)));
}

// What is called a conjugate and is none is read in place as any other.
TEST(Make, RealOperandsNeedNoPackingToBeConjugated) {
  const Contraction c = batch_dot({10, 24, 36}, {10, 24, 64}, {1, 1}, Dialect("keras-2.2"));
  const Layout operands[] = {Layout(F32{}, {10, 24, 36}), Layout(F32{}, {10, 24, 64})};
  const Plan plan = Plan::make(c, operands);
  EXPECT_FALSE(plan.facts().packs_lhs);
  EXPECT_EQ(plan.workspace_bytes(), 0u);
}

TEST(Make, AWorkspaceIsAlignedAsItsParts) {
  EXPECT_EQ(conjugated_product(F32{}).workspace_alignment(), kScratchAlignment);
}

}  // namespace
}  // namespace batchdot
