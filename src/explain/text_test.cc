// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <sstream>

#include "batchdot/contraction.h"
#include "batchdot/explain.h"

namespace batchdot {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

// out[b,i,k] = sum_j lhs[b,i,j] * rhs[b,j,k]
Contraction product(const Dim& batch, std::int64_t I, std::int64_t J, std::int64_t K) {
  Contraction c;
  c.extents = {batch, Dim(I), Dim(J), Dim(K)};
  c.names = {"b", "i", "j", "k"};
  c.inputs.resize(2);
  c.inputs[0].shape = {batch, I, J};
  c.inputs[0].labels = {0, 1, 2};
  c.inputs[1].shape = {batch, J, K};
  c.inputs[1].labels = {0, 2, 3};
  c.output = {0, 1, 3};
  c.contracting_order = {2};
  return c;
}

PlanFacts plan_facts() {
  PlanFacts facts;
  facts.target = "AVX2";
  facts.kernel = "packed tiles";
  facts.refused = {{"dot", "N > 1"}, {"tiny", "M * N > 64"}};
  facts.batch = 32;
  facts.M = 128;
  facts.N = 256;
  facts.K = 64;
  facts.packs_lhs = true;
  facts.packs_rhs = true;
  facts.MR = 6;
  facts.NR = 16;
  facts.MC = 144;
  facts.KC = 256;
  facts.NC = 4080;
  facts.threads = 8;
  facts.work_items = 64;
  facts.workspace_bytes = 800'000;
  facts.path = {{0, 1}};
  return facts;
}

TEST(Text, OfABatchedProduct) {
  Explanation explanation = explain(product(32, 128, 64, 256));
  explanation.operation = "einsum";
  explanation.dtype = "f32";
  explanation.result_dtype = "f32";
  explanation.flops = 134'217'728;
  explanation.bytes = 7'340'032;
  explanation.plan = plan_facts();
  EXPECT_EQ(to_text(explanation), R"(operation    einsum
operands     lhs (32, 128, 64), rhs (32, 64, 256)
shape        (32, 128, 256)
contraction  out[b,i,k] = sum_j lhs[b,i,j] * rhs[b,j,k]
roles        batch {b=32}  contracting {j=64}  lhs_free {i=128}  rhs_free {k=256}
output       axis 0  b=32   batch: lhs axis 0 and rhs axis 0 are the same index; they stay in place
                            and run together
             axis 1  i=128  free: lhs axis 1 is not summed over, so it stays
             axis 2  k=256  free: rhs axis 2 is not summed over, so it stays
the same     batchdot    einsum bij,bjk=bik
                         matmul
                         dot_general --lhs-batch 0 --rhs-batch 0 --lhs-contract 2 --rhs-contract 1
             numpy       np.einsum('bij,bjk->bik', lhs, rhs)
                         np.matmul(lhs, rhs)
             tensorflow  tf.einsum('bij,bjk->bik', lhs, rhs)
                         tf.matmul(lhs, rhs)
             pytorch     torch.einsum('bij,bjk->bik', lhs, rhs)
                         torch.bmm(lhs, rhs)
             jax         lax.dot_general(lhs, rhs, (((2,), (1,)), ((0,), (0,))))
work         134 Mflop, 7.34 MB touched, result 4.19 MB of f32, 18.3 flop/byte
fold         32 x (M=128, N=256, K=64); packs panels of lhs and rhs, never a whole operand
kernel       packed tiles (refused: dot: N > 1; tiny: M * N > 64), target AVX2
blocking     MR NR = 6 16   MC KC NC = 144 256 4080
threads      8, over 64 work items
workspace    800 kB
)");
}

TEST(Text, OfAPlanIsTheEndOfThatOfTheWhole) {
  Explanation explanation = explain(product(32, 128, 64, 256));
  explanation.plan = plan_facts();
  const std::string plan = to_text(plan_facts());
  const std::string whole = to_text(explanation);
  EXPECT_EQ(whole.substr(whole.size() - plan.size()), plan);
}

TEST(Text, SmallAmountsHaveTheirOwnWords) {
  PlanFacts facts;
  facts.target = "scalar";
  facts.kernel = "reference";
  facts.swapped = true;
  facts.path = {{0, 1}, {0, 1}};
  EXPECT_EQ(
      to_text(facts),
      R"(fold         1 x (M=1, N=1, K=1); no operand is copied; lhs and rhs change places, bits are the same
kernel       reference, target scalar
threads      1, over 1 work item
workspace    0 bytes
path         (0, 1) (0, 1)
)");
}

TEST(Text, OperandsThatAreWrittenAnewAreNotSaidToStay) {
  PlanFacts facts = plan_facts();
  EXPECT_THAT(to_text(facts), HasSubstr("never a whole operand"));
  facts.temporary_bytes = 500'000;
  EXPECT_THAT(to_text(facts), Not(HasSubstr("never a whole operand")));
  EXPECT_THAT(to_text(facts),
              HasSubstr("workspace    800 kB, of these 500 kB for operands that are "
                        "converted, normalised or summed first"));
  facts.packs_lhs = facts.packs_rhs = false;
  EXPECT_THAT(to_text(facts), Not(HasSubstr("no operand is copied")));
}

TEST(Text, ACutOfKIsSaidWithTheListOfBlockSums) {
  PlanFacts facts = plan_facts();
  EXPECT_THAT(to_text(facts), Not(HasSubstr("block sums")));
  facts.block_sums = 782;
  facts.block_sum_bytes = 300'000;
  EXPECT_THAT(to_text(facts),
              HasSubstr("; K is cut, its 782 block sums are added in order; packs"));
  EXPECT_THAT(to_text(facts), HasSubstr("workspace    800 kB, of these 300 kB for block sums\n"));
}

// Amounts just below a step are not printed as 1e+03.
TEST(Text, AmountsHaveThreeDigits) {
  const std::pair<std::size_t, const char*> kAmounts[] = {
      {1, "1 byte"},     {999, "999 bytes"},      {1000, "1 kB"},        {999'499, "999 kB"},
      {999'500, "1 MB"}, {12'345'678, "12.3 MB"}, {999'999'999, "1 GB"}, {7'340'032, "7.34 MB"},
  };
  for (const auto& [bytes, words] : kAmounts) {
    PlanFacts facts;
    facts.workspace_bytes = bytes;
    EXPECT_THAT(to_text(facts), HasSubstr(std::string("workspace    ") + words + "\n"));
  }
}

TEST(Text, UnknownExtentsDialectsAndConditions) {
  Contraction c = product({}, 36, 8, 24);
  c.extents[0] = Dim("B");
  c.inputs[1].shape[0] = Dim("B");
  c.inputs[0].conjugate = true;
  Condition condition;
  condition.rhs = {1, 0};
  c.conditions = {condition};
  Explanation explanation = explain(c);
  explanation.operation = "batch_dot";
  explanation.dialect = "keras-2.2";
  explanation.reported_shape = Shape{"B", 1};
  explanation.equivalents.clear();
  explanation.notes = {"a note"};
  const Shape same{"B", 36, 24};
  explanation.dialects = {{"keras-1.0", same, "", "", false},
                          {"keras-2.0", Shape{"B", 8}, "", "", true},
                          {"keras-2.2", same, "", "", false},
                          {"keras-3", std::nullopt, "AXIS0", "the batch axis", true}};
  EXPECT_EQ(to_text(explanation), R"(operation    batch_dot in the dialect keras-2.2
operands     lhs (?, 36, 8), rhs (B, 8, 24)
shape        (B, 36, 24)
reported     (B, 1), which is not what is computed
contraction  out[b,i,k] = sum_j conj(lhs[b,i,j]) * rhs[b,j,k]
roles        batch {b=B}  contracting {j=8}  lhs_free {i=36}  rhs_free {k=24}
output       axis 0  b=B   batch: lhs axis 0 and rhs axis 0 are the same index; they stay in place
                           and run together; B from rhs axis 0; lhs axis 0 is unknown: must turn out
                           equal
             axis 1  i=36  free: lhs axis 1 is not summed over, so it stays
             axis 2  k=24  free: rhs axis 2 is not summed over, so it stays
conditions   lhs axis 0 = rhs axis 0
notes        a note
dialects     (B, 36, 24)     also in keras-1.0
             (B, 8)          in keras-2.0
             refused: AXIS0  in keras-3
)");
}

TEST(Text, OfASummedLabelTheFirstNameOrTheNumberIsShown) {
  const auto roles = [](const Dim& in_lhs, const Dim& in_rhs) {
    Contraction c;
    c.extents = {2, in_lhs, 3};
    c.inputs.resize(2);
    c.inputs[0].labels = {0, 1};
    c.inputs[0].shape = {2, in_lhs};
    c.inputs[1].labels = {1, 2};
    c.inputs[1].shape = {in_rhs, 3};
    c.output = {0, 2};
    c.contracting_order = {1};
    const std::string text = to_text(explain(c));
    const std::size_t at = text.find("contracting {");
    return text.substr(at, text.find('}', at) - at + 1);
  };
  EXPECT_EQ(roles("B", "C"), "contracting {b=B}");
  EXPECT_EQ(roles("B", {}), "contracting {b=B}");
  EXPECT_EQ(roles({}, "C"), "contracting {b=C}");
  EXPECT_EQ(roles("B", 7), "contracting {b=7}");
}

TEST(Text, OfManyOperandsHasARowOfRolesForEach) {
  Contraction c;
  c.extents = {2, 3, 4, 5};
  c.inputs.resize(3);
  for (std::size_t i = 0; i < 3; ++i) {
    const auto first = static_cast<Label>(i);
    c.inputs[i].labels = {first, static_cast<Label>(first + 1)};
    c.inputs[i].shape = {c.extents[i], c.extents[i + 1]};
  }
  c.output = {0, 3};
  c.contracting_order = {1, 2};
  const std::string found = to_text(explain(c));
  EXPECT_THAT(found, HasSubstr(R"(
contraction  out[a,d] = sum_{b,c} operand_0[a,b] * operand_1[b,c] * operand_2[c,d]
roles        operand 0: a=2 lhs_free, b=3 contracting
             operand 1: b=3 contracting, c=4 rhs_free
             operand 2: c=4 contracting, d=5 rhs_free
)"));
}

TEST(Text, OfAScalarSaysThatNothingIsLeft) {
  Contraction c;
  c.extents = {2};
  c.inputs.resize(1);
  c.inputs[0].shape = {2};
  c.inputs[0].labels = {0};
  c.contracting_order = {0};
  EXPECT_THAT(to_text(explain(c)), HasSubstr("\noutput       one number: no axis is left\n"));
}

// What can be broken between words stays within 100 columns, and no line ends in a space.
TEST(Text, LinesAreWrapped) {
  Explanation explanation = explain(product(2, 3, 4, 5));
  explanation.dialect = "keras-3";
  for (int i = 0; i < 40; ++i)
    explanation.notes.push_back(std::string(static_cast<std::size_t>(i) * 3, 'x') + " word");
  std::string long_note;
  for (int i = 0; i < 60; ++i) long_note += "wörd ";
  explanation.notes.push_back(long_note);
  for (int i = 0; i < 30; ++i) {
    explanation.dialects.push_back({"keras-2." + std::to_string(i), Shape{2}, "", "", false});
  }
  std::istringstream lines(to_text(explanation));
  for (std::string line; std::getline(lines, line);) {
    const auto continuation = [](char c) { return (static_cast<unsigned char>(c) & 0xC0) == 0x80; };
    const auto columns = static_cast<std::ptrdiff_t>(line.size()) -
                         std::count_if(line.begin(), line.end(), continuation);
    const bool is_one_long_word = line.find(std::string(80, 'x')) != std::string::npos;
    EXPECT_LE(columns, is_one_long_word ? 135 : 100) << line;
    EXPECT_FALSE(line.empty());
    EXPECT_NE(line.back(), ' ') << line;
  }
}

}  // namespace
}  // namespace batchdot
