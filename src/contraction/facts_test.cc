// SPDX-License-Identifier: Apache-2.0
// Roles, reasons, conditions in words, and what a contraction is called elsewhere. That the
// equivalents give the same values is seen by tests/equivalents, which executes them.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "batchdot/explain.h"
#include "src/contraction/equivalents.h"

namespace batchdot {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

constexpr AxisRef lhs_axis(int axis) { return {0, axis}; }
constexpr AxisRef rhs_axis(int axis) { return {1, axis}; }

// A contraction from shapes and letters; every later axis of a letter is merged or broadcast into
// it.
Contraction make(const std::vector<Shape>& shapes, const std::vector<std::string>& letters,
                 const std::string& output, UnifyRule rule = UnifyRule::kMerge) {
  Contraction c;
  std::string known;
  std::vector<AxisRef> first;
  for (std::size_t i = 0; i < shapes.size(); ++i) {
    c.inputs.emplace_back().shape = shapes[i];
    for (std::size_t axis = 0; axis < letters[i].size(); ++axis) {
      const AxisRef here{static_cast<int>(i), static_cast<int>(axis)};
      const std::size_t at = known.find(letters[i][axis]);
      if (at == std::string::npos) {
        c.inputs[i].labels.push_back(
            add_label(c, shapes[i][here.axis], std::string(1, letters[i][axis])));
        known += letters[i][axis];
        first.push_back(here);
      } else {
        c.inputs[i].labels.push_back(static_cast<Label>(at));
        EXPECT_TRUE(unify_label(c, static_cast<Label>(at), first[at], here, rule));
      }
    }
  }
  for (const char letter : output) {
    const std::size_t at = known.find(letter);
    if (at == std::string::npos) {
      add_output_label(c, Dim(1), std::string(1, letter));
    } else {
      c.output.push_back(static_cast<Label>(at));
    }
  }
  c.contracting_order = default_contracting_order(c);
  return c;
}

std::vector<std::string> roles_of(const Explanation& facts, std::size_t operand) {
  std::vector<std::string> roles;
  for (const OperandAxisFact& axis : facts.operands[operand]) roles.push_back(axis.role);
  return roles;
}

std::vector<std::string> codes_of(const Contraction& c, std::string_view library) {
  std::vector<std::string> codes;
  for (const EquivalentFact& fact : explain(c).equivalents) {
    if (fact.library == library) codes.push_back(fact.code);
  }
  return codes;
}

TEST(Facts, EveryAxisHasTheRoleOfItsLabel) {
  const Explanation facts = explain(make({{2, 3, 4, 5}, {2, 4, 6, 7}}, {"bixk", "bxny"}, "bin"));
  EXPECT_THAT(roles_of(facts, 0), ElementsAre("batch", "lhs_free", "contracting", "lhs_summed"));
  EXPECT_THAT(roles_of(facts, 1), ElementsAre("batch", "contracting", "rhs_free", "rhs_summed"));
  EXPECT_THAT(facts.summed_order, ElementsAre("x", "k", "y"));
}

TEST(Facts, OfOneOperandAreThoseOfLhs) {
  const Explanation facts = explain(make({{3, 3, 4}}, {"iij"}, "i"));
  EXPECT_THAT(roles_of(facts, 0), ElementsAre("lhs_free", "lhs_free", "lhs_summed"));
  EXPECT_EQ(
      facts.output[0].why,
      "free: operand axes 0 and 1 (their diagonal) are the same index; it is not summed over, so "
      "it stays");
}

// a * b first, where j is kept for the third operand; then i, j go.
TEST(Facts, OfManyOperandsRolesBelongToTheStepThatTakesTheOperandIn) {
  const Explanation facts = explain(make({{2, 3}, {3, 4}, {4, 2, 3}}, {"ij", "jk", "kij"}, "k"));
  EXPECT_THAT(roles_of(facts, 0), ElementsAre("lhs_free", "batch"));
  EXPECT_THAT(roles_of(facts, 1), ElementsAre("batch", "rhs_free"));
  EXPECT_THAT(roles_of(facts, 2), ElementsAre("batch", "contracting", "contracting"));
  EXPECT_EQ(facts.output[0].role, "batch");
  EXPECT_THAT(facts.notes, Contains(HasSubstr("left to right")));
}

TEST(Facts, EachOutputAxisSaysWhereItIsFromAndWhy) {
  const Explanation facts =
      explain(make({{{}, 36, 8, 24}, {"B", 36, 8, 24}}, {"abec", "abed"}, "abcd"));
  ASSERT_EQ(facts.output.size(), 4u);
  EXPECT_THAT(facts.output[0].from, ElementsAre(lhs_axis(0), rhs_axis(0)));
  EXPECT_EQ(facts.output[0].extent, Dim("B"));
  EXPECT_EQ(facts.output[0].why,
            "batch: lhs axis 0 and rhs axis 0 are the same index; they stay in place and run "
            "together; B from rhs axis 0; lhs axis 0 is unknown: must turn out equal");
  EXPECT_EQ(
      facts.output[1].why,
      "batch: lhs axis 1 and rhs axis 1 are the same index; they stay in place and run together");
  EXPECT_THAT(facts.output[2].from, ElementsAre(lhs_axis(3)));
  EXPECT_EQ(facts.output[2].why, "free: lhs axis 3 is not summed over, so it stays");
  EXPECT_EQ(facts.output[3].why, "free: rhs axis 3 is not summed over, so it stays");
  ASSERT_EQ(facts.conditions.size(), 1u);
  EXPECT_EQ(facts.conditions[0].text, "lhs axis 0 = rhs axis 0");
}

TEST(Facts, AnAddedAxisIsFromNowhere) {
  const Explanation facts = explain(make({{2, 4}, {2, 4}}, {"bk", "bk"}, "bz"));
  EXPECT_THAT(facts.output[1].from, IsEmpty());
  EXPECT_EQ(facts.output[1].role, "rhs_free");
  EXPECT_EQ(facts.output[1].why,
            "added: both operands have no free axis left; an axis of 1 keeps the rank at 2");
  EXPECT_EQ(explain(make({{2, 3, 4}, {2, 4}}, {"bik", "bk"}, "biz")).output[2].why,
            "added: no operand has this axis; an axis of 1 keeps the rank at 3");
}

TEST(Facts, StretchedAndOpenExtentsAreToldApart) {
  const Explanation stretched =
      explain(make({{1, 3, 4}, {5, 4, 2}}, {"bik", "bkj"}, "bij", UnifyRule::kBroadcast));
  EXPECT_THAT(stretched.output[0].why,
              HasSubstr("; 5 from rhs axis 0; lhs axis 0 has 1 and stretches"));
  const Explanation open =
      explain(make({{{}, 3, 4}, {5, 4, 2}}, {"bik", "bkj"}, "bij", UnifyRule::kBroadcast));
  EXPECT_THAT(
      open.output[0].why,
      HasSubstr(
          "; 5 from rhs axis 0; lhs axis 0 is unknown: must turn out equal, or 1 and stretch"));
  EXPECT_EQ(open.conditions[0].text, "lhs axis 0 = rhs axis 0, or one of them is 1");
  const Explanation both =
      explain(make({{{}, 3, 4}, {{}, 4, 2}}, {"bik", "bkj"}, "bij", UnifyRule::kMerge));
  EXPECT_THAT(both.output[0].why,
              HasSubstr("; lhs axis 0 is unknown and rhs axis 0 is unknown: must "
                        "turn out equal"));
}

TEST(Facts, ConditionsAreSaidInWords) {
  Contraction c = make({{{}, 4}, {4, 2}}, {"ik", "kj"}, "ij");
  Condition is_one{ConditionKind::kIsOne, lhs_axis(0), {}, 1, {}, {}};
  Condition divides{ConditionKind::kDivides, lhs_axis(0), {}, 4, {}, {}};
  Condition reshape{ConditionKind::kReshape, lhs_axis(0), {}, 1, {0}, {1}};
  c.conditions = {is_one, divides, reshape};
  const Explanation facts = explain(c);
  ASSERT_EQ(facts.conditions.size(), 3u);
  EXPECT_EQ(facts.conditions[0].text, "lhs axis 0 = 1");
  EXPECT_EQ(facts.conditions[1].text, "4 divides lhs axis 0");
  EXPECT_EQ(facts.conditions[2].text,
            "lhs is not empty both in i and in k, which this dialect cannot reshape");
}

TEST(Facts, RefusesWhatMakesNoSense) {
  Contraction c = make({{2, 4}, {4, 2}}, {"ik", "kj"}, "ij");
  c.output.push_back(c.output[0]);
  try {
    explain(c);
    FAIL() << "nothing was thrown";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kLabel);
  }
}

TEST(Equivalents, OfABatchedProductInEveryLibrary) {
  const Contraction c = make({{32, 128, 64}, {32, 64, 256}}, {"bij", "bjk"}, "bik");
  EXPECT_THAT(
      codes_of(c, "batchdot"),
      ElementsAre("einsum bij,bjk=bik", "matmul",
                  "dot_general --lhs-batch 0 --rhs-batch 0 --lhs-contract 2 --rhs-contract 1"));
  EXPECT_THAT(codes_of(c, "numpy"),
              ElementsAre("np.einsum('bij,bjk->bik', lhs, rhs)", "np.matmul(lhs, rhs)"));
  EXPECT_THAT(codes_of(c, "tensorflow"),
              ElementsAre("tf.einsum('bij,bjk->bik', lhs, rhs)", "tf.matmul(lhs, rhs)"));
  EXPECT_THAT(codes_of(c, "pytorch"),
              ElementsAre("torch.einsum('bij,bjk->bik', lhs, rhs)", "torch.bmm(lhs, rhs)"));
  EXPECT_THAT(codes_of(c, "jax"),
              ElementsAre("lax.dot_general(lhs, rhs, (((2,), (1,)), ((0,), (0,))))"));
}

TEST(Equivalents, TransposesAreFlagsWhereThereAreFlags) {
  Contraction c = make({{2, 4, 3}, {2, 5, 4}}, {"bki", "bjk"}, "bij");
  EXPECT_THAT(codes_of(c, "batchdot"), Contains("matmul --transpose-lhs --transpose-rhs"));
  EXPECT_THAT(codes_of(c, "tensorflow"),
              Contains("tf.matmul(lhs, rhs, transpose_a=True, transpose_b=True)"));
  c.inputs[0].conjugate = true;
  EXPECT_THAT(codes_of(c, "batchdot"), ElementsAre("matmul --adjoint-lhs --transpose-rhs"));
  EXPECT_THAT(codes_of(c, "tensorflow"),
              Contains("tf.matmul(lhs, rhs, adjoint_a=True, transpose_b=True)"));
  EXPECT_THAT(codes_of(c, "pytorch"), Contains("torch.bmm(lhs.mH, torch.transpose(rhs, -1, -2))"));
  EXPECT_THAT(codes_of(c, "numpy"),
              Contains("np.matmul(np.conj(np.swapaxes(lhs, -1, -2)), np.swapaxes(rhs, -1, -2))"));
}

TEST(Equivalents, WithoutABatchThereIsTensordot) {
  const Contraction c = make({{2, 3, 4}, {4, 3, 5}}, {"ijk", "kjl"}, "il");
  EXPECT_THAT(codes_of(c, "numpy"), Contains("np.tensordot(lhs, rhs, axes=((1, 2), (1, 0)))"));
  EXPECT_THAT(codes_of(c, "batchdot"), Contains("tensordot --lhs-axes 1,2 --rhs-axes 1,0"));
}

TEST(Equivalents, AddedAxesArePutIn) {
  const Contraction c = make({{2, 4}, {2, 4}}, {"bk", "bk"}, "bz");
  EXPECT_THAT(codes_of(c, "batchdot"), IsEmpty());  // no notation but batch_dot adds an axis
  EXPECT_THAT(codes_of(c, "numpy"), ElementsAre("np.einsum('bk,bk->b', lhs, rhs)[:, None]",
                                                "np.matmul(lhs[:, None], rhs[..., None])[..., 0]"));
  EXPECT_THAT(explain(c).notes, Contains(HasSubstr("bk,bk->b gives the same numbers")));
}

// Ours and TensorFlow's einsum stretch an axis of 1 under "..." only.
TEST(Equivalents, StretchedAxesStandUnderAnEllipsisOrAreIndexedAway) {
  const Contraction batch =
      make({{1, 3, 4}, {5, 4, 2}}, {"bik", "bkj"}, "bij", UnifyRule::kBroadcast);
  EXPECT_THAT(codes_of(batch, "batchdot"), ElementsAre("einsum ...ik,...kj=...ij", "matmul"));
  EXPECT_THAT(codes_of(batch, "tensorflow"), Contains("tf.einsum('...ik,...kj->...ij', lhs, rhs)"));
  EXPECT_THAT(codes_of(batch, "jax"),
              ElementsAre("jnp.transpose(lax.dot_general(lhs[0], rhs, (((1,), (1,)), ((), ()))), "
                          "(1, 0, 2))"));
  const Contraction summed = make({{3, 1}, {3, 4}}, {"ak", "ak"}, "a", UnifyRule::kBroadcast);
  EXPECT_THAT(codes_of(summed, "batchdot"), IsEmpty());
  EXPECT_THAT(codes_of(summed, "tensorflow"), Contains("tf.einsum('a,ak->a', lhs[:, 0], rhs)"));
  const Contraction open = make({{3, {}}, {3, 4}}, {"ak", "ak"}, "a", UnifyRule::kBroadcast);
  EXPECT_THAT(codes_of(open, "tensorflow"), IsEmpty());
  EXPECT_THAT(codes_of(open, "jax"), IsEmpty());
  EXPECT_THAT(codes_of(open, "numpy"), ElementsAre("np.einsum('ak,ak->a', lhs, rhs)"));
}

TEST(Equivalents, OfManyOperandsNameThemByNumber) {
  const Contraction c = make({{2, 3}, {3, 4}, {4, 5}}, {"ij", "jk", "kl"}, "il");
  EXPECT_THAT(codes_of(c, "numpy"),
              ElementsAre("np.einsum('ij,jk,kl->il', operands[0], operands[1], operands[2])"));
  EXPECT_THAT(codes_of(c, "batchdot"), ElementsAre("einsum ij,jk,kl=il"));
}

TEST(Equivalents, LettersOfOthersAreAscii) {
  Contraction c = make({{2, 3}, {3, 4}}, {"ij", "jk"}, "ik");
  c.names = {"β", "j", "k"};
  EXPECT_THAT(codes_of(c, "batchdot"), Contains("einsum βj,jk=βk"));
  EXPECT_THAT(codes_of(c, "numpy"), Contains("np.einsum('ab,bc->ac', lhs, rhs)"));
}

TEST(Stretch, NeedsACause) {
  Contraction c = make({{1, {}, 3}, {1, 1, "B"}}, {"abc", "abd"}, "abcd", UnifyRule::kBroadcast);
  EXPECT_EQ(stretch_of(c, lhs_axis(0)), Stretch::kNever);   // 1 beside 1
  EXPECT_EQ(stretch_of(c, lhs_axis(1)), Stretch::kNever);   // unknown beside 1
  EXPECT_EQ(stretch_of(c, rhs_axis(1)), Stretch::kAlways);  // 1 beside unknown
  EXPECT_EQ(stretch_of(c, lhs_axis(2)), Stretch::kNever);   // free
}

}  // namespace
}  // namespace batchdot
