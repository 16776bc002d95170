// SPDX-License-Identifier: Apache-2.0
// What an epilogue is refused for, and which form takes one.
#include <gtest/gtest.h>

#include "batchdot/notation.h"
#include "src/plan/plan.h"
#include "tests/refusal.h"

namespace batchdot {
namespace {

// (2, 3) (3, 4) -> (2, 4), labels of the output first.
Contraction product() { return einsum("ik,kj->ij", std::vector<Shape>{{2, 3}, {3, 4}}); }

Plan plan_of(DType dtype, const Epilogue& epilogue) {
  const Layout operands[] = {Layout(dtype, {2, 3}), Layout(dtype, {3, 4})};
  return Plan::make(product(), operands, {}, epilogue);
}

ErrorCode refused(DType dtype, const Epilogue& epilogue) {
  return refusal_of([&] { plan_of(dtype, epilogue); }).code();
}

Label row() { return product().output[0]; }
Label column() { return product().output[1]; }
Label summed() { return product().contracting_order[0]; }

TEST(Epilogue, OperandsCarryLabelsOfTheOutputWithItsExtents) {
  for (const bool is_scale : {true, false}) {
    const auto with = [&](Layout layout, Labels labels) {
      Epilogue epilogue;
      (is_scale ? epilogue.scale : epilogue.bias) =
          Epilogue::Operand{std::move(layout), std::move(labels)};
      return epilogue;
    };
    EXPECT_NO_THROW(plan_of(F32{}, with(Layout(F32{}, {4}), {column()})));
    EXPECT_NO_THROW(plan_of(F32{}, with(Layout(F32{}, {4, 2}), {column(), row()})));
    EXPECT_NO_THROW(plan_of(F32{}, with(Layout(F32{}, {}), {})));
    EXPECT_EQ(refused(F32{}, with(Layout(F32{}, {4}), {row()})), ErrorCode::kFeed);
    EXPECT_EQ(refused(F32{}, with(Layout(F32{}, {1}), {row()})), ErrorCode::kFeed);
    EXPECT_EQ(refused(F32{}, with(Layout(F32{}, {4, 2}), {column()})), ErrorCode::kFeed);
    EXPECT_EQ(refused(F32{}, with(Layout(F32{}, {3}), {summed()})), ErrorCode::kLabel);
    EXPECT_EQ(refused(F32{}, with(Layout(F32{}, {2, 2}), {row(), row()})), ErrorCode::kLabel);
    EXPECT_EQ(refused(F32{}, with(Layout(F64{}, {4}), {column()})), ErrorCode::kDType);
    EXPECT_EQ(refused(BF16{}, with(Layout(F32{}, {4}), {column()})), ErrorCode::kDType);
  }
}

TEST(Epilogue, TheScaleOfAComplexResultIsRealAndItsBiasComplex) {
  Epilogue epilogue;
  epilogue.scale = Epilogue::Operand{Layout(F32{}, {4}), {column()}};
  EXPECT_NO_THROW(plan_of(C64{}, epilogue));
  EXPECT_EQ(refused(C128{}, epilogue), ErrorCode::kDType);
  epilogue.scale->layout.dtype = C64{};
  EXPECT_EQ(refused(C64{}, epilogue), ErrorCode::kDType);
  epilogue.scale.reset();
  epilogue.bias = Epilogue::Operand{Layout(F32{}, {4}), {column()}};
  EXPECT_EQ(refused(C64{}, epilogue), ErrorCode::kDType);
  epilogue.bias->layout.dtype = C64{};
  EXPECT_NO_THROW(plan_of(C64{}, epilogue));
}

TEST(Epilogue, ActivationsAreOfRealNumbersAndReluOfIntegersToo) {
  const DType floating[] = {F32{}, F64{}, F16{}, BF16{}};
  const DType integers[] = {I8{}, I32{}, I64{}};
  for (int i = 1; i < kernel::kActivations; ++i) {  // 0 is none
    const auto activation = static_cast<Activation>(i);
    Epilogue epilogue;
    epilogue.activation = activation;
    for (const DType dtype : floating) EXPECT_NO_THROW(plan_of(dtype, epilogue));
    for (const DType dtype : integers) {
      if (activation == Activation::kRelu) {
        EXPECT_NO_THROW(plan_of(dtype, epilogue));
      } else {
        EXPECT_EQ(refused(dtype, epilogue), ErrorCode::kDType) << dtype.name();
      }
    }
    for (const DType dtype : {DType(C64{}), DType(C128{})}) {
      EXPECT_EQ(refused(dtype, epilogue), ErrorCode::kDType) << dtype.name();
    }
  }
  Epilogue epilogue;
  epilogue.activation = static_cast<Activation>(99);
  EXPECT_EQ(refused(F32{}, epilogue), ErrorCode::kUsage);
}

TEST(Epilogue, FactorsOfIntegersAreWhole) {
  for (const double factor : {0.5, 0x1p54, std::numeric_limits<double>::quiet_NaN()}) {
    Epilogue alpha, beta;
    alpha.alpha = beta.beta = factor;
    for (const DType dtype : {DType(I8{}), DType(I64{})}) {
      EXPECT_EQ(refused(dtype, alpha), ErrorCode::kDType) << factor;
      EXPECT_EQ(refused(dtype, beta), ErrorCode::kDType) << factor;
    }
    EXPECT_NO_THROW(plan_of(F32{}, alpha));
  }
}

TEST(Epilogue, OperandsOfARunAreTheInputsThenScaleThenBias) {
  Epilogue epilogue;
  epilogue.scale = Epilogue::Operand{Layout(F32{}, {2}), {row()}};
  epilogue.bias = Epilogue::Operand{Layout(F32{}, {4}), {column()}};
  const Plan plan = plan_of(F32{}, epilogue);
  const Plan::Impl& impl = PlanAccess::impl(plan);
  ASSERT_EQ(impl.operands.size(), 4u);
  EXPECT_EQ(impl.operands[2].extents, Extents({2}));
  EXPECT_EQ(impl.operands[3].extents, Extents({4}));
  EXPECT_TRUE(impl.has_scale);
  epilogue.scale.reset();
  EXPECT_FALSE(PlanAccess::impl(plan_of(F32{}, epilogue)).has_scale);
}

// Small products keep their form: their sums wait in scratch, and explain says why.
TEST(Epilogue, TinyProductsAreFinishedFromScratch) {
  if (find_kernels({}).of(kernel::Arithmetic::kF32).tiny == nullptr) {
    GTEST_SKIP() << "the target has no tiny kernel";
  }
  const Contraction c = einsum("bmk,bkn->bmn", std::vector<Shape>{{900, 8, 8}, {900, 8, 4}});
  const Layout operands[] = {Layout(F32{}, {900, 8, 8}), Layout(F32{}, {900, 8, 4})};
  PlanOptions options;
  options.threads = 1;
  const auto facts_of = [&](const Epilogue& epilogue) {
    return Plan::make(c, operands, {}, epilogue, options).facts();
  };
  const auto expect_tiny = [&](const Epilogue& epilogue, std::size_t workspace) {
    const PlanFacts facts = facts_of(epilogue);
    EXPECT_EQ(facts.kernel, "tiny");
    EXPECT_FALSE(facts.swapped);  // rows of four stay rows
    EXPECT_EQ(facts.workspace_bytes, workspace);
    const auto& last = facts.refused.back();
    EXPECT_EQ(last.what, "sums kept in the result");
    EXPECT_EQ(last.why, "an epilogue finishes the sums");
  };
  EXPECT_EQ(facts_of({}).workspace_bytes, 0u);
  Epilogue alpha, beta, relu, bias, both;
  alpha.alpha = 0.5;
  expect_tiny(alpha, 4096);
  beta.beta = 1;
  expect_tiny(beta, 4096);
  relu.activation = Activation::kRelu;
  expect_tiny(relu, 4096);
  bias.bias = Epilogue::Operand{Layout(F32{}, {4}), {c.output[2]}};
  expect_tiny(bias, 2 * 4096);
  bias.bias = Epilogue::Operand{Layout(F32{}, {}), {}};
  expect_tiny(bias, 4096);  // one element for all
  both.scale = Epilogue::Operand{Layout(F32{}, {8}), {c.output[1]}};
  both.bias = Epilogue::Operand{Layout(F32{}, {900}), {c.output[0]}};
  expect_tiny(both, 3 * 4096);
}

// A lone operand that nothing is summed of is a copy only if nothing else is done to it.
TEST(Epilogue, AnEndingMakesACopyAProduct) {
  const Contraction c = einsum("ij->ji", std::vector<Shape>{{2, 3}});
  const Layout operand[] = {Layout(F32{}, {2, 3})};
  Epilogue epilogue;
  EXPECT_EQ(Plan::make(c, operand, {}, epilogue).facts().kernel, "copy");
  epilogue.activation = Activation::kTanh;
  EXPECT_NE(Plan::make(c, operand, {}, epilogue).facts().kernel, "copy");
  epilogue.activation = Activation::kNone;
  epilogue.scale = Epilogue::Operand{Layout(F32{}, {}), {}};
  EXPECT_NE(Plan::make(c, operand, {}, epilogue).facts().kernel, "copy");
}

}  // namespace
}  // namespace batchdot
