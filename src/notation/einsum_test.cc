// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <string>
#include <string_view>
#include <vector>

#include "batchdot/contraction.h"
#include "batchdot/notation.h"
#include "src/notation/notation_notes_numpy.h"
#include "tests/conditions.h"
#include "tests/refusal.h"

namespace batchdot {
namespace {

const Dim kUnknown;

// The shapes are those of numpy.einsum but where a row says otherwise.
TEST(Einsum, ResultShapeIsThatOfNumpy) {
  const struct {
    std::string_view equation;
    std::vector<Shape> operands;
    Shape result;
    std::string_view contraction;  // as to_equation() prints it
  } kCases[] = {
      {"bij,bjk->bik", {{32, 10, 20}, {32, 20, 5}}, {32, 10, 5}, "bij,bjk->bik"},
      {"bij,bjk=bik", {{2, 3, 4}, {2, 4, 5}}, {2, 3, 5}, "bij,bjk->bik"},
      {"bij,bjk\u2192bik", {{2, 3, 4}, {2, 4, 5}}, {2, 3, 5}, "bij,bjk->bik"},
      {"ij,jk", {{2, 3}, {3, 4}}, {2, 4}, "ij,jk->ik"},
      {"kj,ji", {{2, 3}, {3, 4}}, {4, 2}, "kj,ji->ik"},  // alphabetical
      {"ba", {{2, 3}}, {3, 2}, "ba->ab"},
      {"bA", {{2, 3}}, {3, 2}, "bA->Ab"},
      {"ii", {{3, 3}}, {}, "ii->"},
      {"ii->i", {{3, 3}}, {3}, "ii->i"},
      {"iij->ij", {{3, 3, 4}}, {3, 4}, "iij->ij"},
      {"iii->i", {{3, 3, 3}}, {3}, "iii->i"},
      {"ij->i", {{2, 3}}, {2}, "ij->i"},
      {"ij,k->i", {{2, 3}, {4}}, {2}, "ij,k->i"},  // 'j' and 'k' are summed away, each alone
      {"ij->", {{2, 3}}, {}, "ij->"},
      {"i,j->ij", {{2}, {3}}, {2, 3}, "i,j->ij"},
      {"i,j->ji", {{2}, {3}}, {3, 2}, "i,j->ji"},
      {"i,i->i", {{0}, {0}}, {0}, "i,i->i"},
      {"i,i", {{0}, {0}}, {}, "i,i->"},
      {"", {{}}, {}, "->"},
      {"->", {{}}, {}, "->"},
      {",", {{}, {}}, {}, ",->"},
      {"ij,", {{2, 3}, {}}, {2, 3}, "ij,->ij"},
      {"ij,jk,kl->il", {{2, 3}, {3, 4}, {4, 5}}, {2, 5}, "ij,jk,kl->il"},
      {"i,i,i,i->i", {{7}, {7}, {7}, {7}}, {7}, "i,i,i,i->i"},
      {"αβ,βγ=αγ", {{2, 3}, {3, 4}}, {2, 4}, "αβ,βγ->αγ"},
      {"...ij,...jk", {{7, 2, 3}, {7, 3, 4}}, {7, 2, 4}, "aij,ajk->aik"},
      {"...ij,...jk->...ik", {{7, 1, 2, 3}, {5, 3, 4}}, {7, 5, 2, 4}, "abij,bjk->abik"},
      {"...ij,...jk->ik...", {{1, 2, 3}, {5, 3, 4}}, {2, 4, 5}, "aij,ajk->ika"},
      {"i...,...i", {{2, 3}, {3, 2}}, {3}, "ia,ai->a"},
      {"...,...", {{2}, {3, 2}}, {3, 2}, "a,ba->ba"},
      {"...,...", {{0}, {1}}, {0}, "a,a->a"},
      {"...a,...->...a", {{2, 3}, {}}, {2, 3}, "ba,->ba"},
      {"a...->a", {{4}}, {4}, "a->a"},  // '...' covers no axis
      {"i->...i", {{4}}, {4}, "i->i"},
      {"i...i->i...", {{3, 5, 3}}, {3, 5}, "iai->ia"},
  };
  for (const auto& c : kCases) {
    const Contraction contraction = einsum(c.equation, c.operands);
    EXPECT_NO_THROW(validate(contraction)) << c.equation;
    EXPECT_EQ(result_shape(contraction), c.result) << c.equation;
    EXPECT_EQ(to_equation(contraction), c.contraction);
    EXPECT_TRUE(contraction.conditions.empty()) << c.equation;
    EXPECT_EQ(contraction.contracting_order, default_contracting_order(contraction));
    // What it prints means the same.
    bool stretches = false;
    for (const Input& input : contraction.inputs) stretches |= !input.may_broadcast.empty();
    if (!stretches) {
      EXPECT_EQ(result_shape(einsum(to_equation(contraction), c.operands)), c.result) << c.equation;
    }
  }
}

TEST(Einsum, UnknownAndNamedExtentsMerge) {
  const struct {
    std::string_view equation;
    std::vector<Shape> operands;
    Shape result;
    std::string_view conditions;
  } kCases[] = {
      {"bij,bjk->bik",
       {{kUnknown, 2, kUnknown}, {4, 3, kUnknown}},  // semantics of tf.einsum
       {4, 2, kUnknown},
       "equal 0.0 1.0, equal 0.2 1.1"},
      {"bij,bjk->bik", {{"B", 2, 3}, {kUnknown, 3, "N"}}, {"B", 2, "N"}, "equal 0.0 1.0"},
      {"i,i->i", {{"B"}, {"B"}}, {"B"}, ""},
      {"i,i->i", {{"B"}, {"C"}}, {"B"}, "equal 0.0 1.0"},
      {"ii->i", {{kUnknown, 3}}, {3}, "equal 0.0 0.1"},
      // The condition is on the operand that gave the extent.
      {"i,i,i->i", {{kUnknown}, {5}, {"B"}}, {5}, "equal 0.0 1.0, equal 1.0 2.0"},
      {"...i,...i->...", {{kUnknown, 3}, {4, 3}}, {4}, "one_or_equal 0.0 1.0"},
      {"...,...->...", {{kUnknown}, {1}}, {kUnknown}, ""},
      {"...,...->...", {{"B"}, {"B"}}, {"B"}, ""},
      {"...,...->...", {{"B"}, {"C"}}, {kUnknown}, "one_or_equal 0.0 1.0"},
      // One-or-equal with a third extent does not follow from the two others: all pairs are kept.
      {"...,...,...->...",
       {{"B"}, {kUnknown}, {5}},
       {5},
       "one_or_equal 0.0 1.0, one_or_equal 0.0 2.0, one_or_equal 1.0 2.0"},
  };
  for (const auto& c : kCases) {
    const Contraction contraction = einsum(c.equation, c.operands);
    EXPECT_EQ(result_shape(contraction), c.result) << c.equation;
    EXPECT_EQ(conditions_of(contraction), c.conditions) << c.equation;
  }
}

TEST(Einsum, StretchesWhatStandsUnderTheEllipsisAndNothingElse) {
  const std::vector<Shape> operands = {{1, 2, 3}, {5, 3, 4}};
  const Contraction c = einsum("...ij,...jk", operands);
  EXPECT_EQ(c.inputs[0].may_broadcast, (std::vector<bool>{true, false, false}));
  EXPECT_EQ(c.inputs[1].may_broadcast, (std::vector<bool>{true, false, false}));
  // An axis of 1 of a label is a mistake here, unlike in NumPy.
  const std::vector<Shape> ones = {{2, 1}, {3, 4}};
  EXPECT_EQ(refusal_of([&] { einsum("ij,jk", ones); }).code(), ErrorCode::kDim);
}

TEST(Einsum, SumsInTheOrderOfFirstAppearance) {
  const auto order = [](std::string_view equation, std::vector<Shape> operands) {
    const Contraction c = einsum(equation, operands);
    std::string names;
    for (const Label label : c.contracting_order) names += label_names(c)[label];
    return names;
  };
  EXPECT_EQ(order("zay,yaz->", {{2, 3, 4}, {4, 3, 2}}), "zay");
  EXPECT_EQ(order("ab,cb,cd->a", {{2, 3}, {4, 3}, {4, 5}}), "bcd");
  EXPECT_EQ(order("iji->", {{2, 3, 2}}), "ij");  // a diagonal counts at its first axis
}

TEST(Einsum, RefusesAndSaysWhere) {
  const struct {
    std::string_view equation;
    std::vector<Shape> operands;
    ErrorCode code;
    std::string_view place;
  } kCases[] = {
      {"ij,jk", {{2, 3}}, ErrorCode::kUsage, ""},
      {"ij", {{2, 3}, {3, 4}}, ErrorCode::kUsage, ""},
      {"", {}, ErrorCode::kUsage, ""},
      {"ij,jk", {{2, 3}, {3}}, ErrorCode::kRank, "1.1=1 ?=2"},
      {"ij,jk", {{2, 3, 4}, {3, 4}}, ErrorCode::kRank, "0.2=3 ?=2"},
      {"i...j", {{2}}, ErrorCode::kRank, "0.1=1 ?=2"},
      {"bij,jk->bik", {{4, 5, 20}, {30, 6}}, ErrorCode::kDim, "0.2=20 1.0=30 j"},
      {"ii", {{3, 4}}, ErrorCode::kDim, "0.0=3 0.1=4 i"},
      {"ii", {{1, 4}}, ErrorCode::kDim, "0.0=1 0.1=4 i"},
      {"i,i,i", {{kUnknown}, {5}, {6}}, ErrorCode::kDim, "1.0=5 2.0=6 i"},
      {"β,β", {{0}, {1}}, ErrorCode::kDim, "0.0=0 1.0=1 β"},
      {"...i,i...", {{2, 7}, {7, 3}}, ErrorCode::kBroadcast, "0.0=2 1.1=3"},
      {"...,...,...", {{3}, {1}, {5}}, ErrorCode::kBroadcast, "0.0=3 2.0=5"},
      {"...,...,...", {{kUnknown}, {4}, {5}}, ErrorCode::kBroadcast, "1.0=4 2.0=5"},
      {"...,...", {{0}, {2}}, ErrorCode::kBroadcast, "0.0=0 1.0=2"},
      {"i,...j->ij", {{2}, {4, 3}}, ErrorCode::kBroadcast, "1.0=4"},
  };
  for (const auto& c : kCases) {
    const Error error = refusal_of([&] { einsum(c.equation, c.operands); });
    EXPECT_EQ(error.code(), c.code) << error.message();
    EXPECT_EQ(place_of(error), c.place) << error.message();
  }
}

TEST(Einsum, MessageNamesLabelOperandsAxesAndExtents) {
  const std::vector<Shape> operands = {{4, 5, 20}, {30, 6}};
  EXPECT_EQ(refusal_of([&] { einsum("bij,jk->bik", operands); }).message(),
            "einsum: label 'j' has two extents: 20 on lhs axis 2, 30 on rhs axis 0: "
            "'bij,jk->bik'");
}

TEST(Einsum, KeepsToTheLimits) {
  const std::vector<Shape> most = {Shape(Extents(Limits::kRank, 1))};
  EXPECT_EQ(result_shape(einsum("...", most)).rank(), Limits::kRank);
  const std::vector<Shape> more = {Shape(Extents(Limits::kRank + 1, 1))};
  EXPECT_EQ(refusal_of([&] { einsum("...", more); }).code(), ErrorCode::kLimit);
  std::string equation;
  for (char32_t letter = 0x4E00; letter < 0x4E00 + 2 * 40; ++letter) {
    equation += static_cast<char>(0xE4);
    equation += static_cast<char>(0xB8 + ((letter - 0x4E00) >> 6));
    equation += static_cast<char>(0x80 | (letter & 0x3F));
    if (letter == 0x4E00 + 39) equation += ',';
  }
  const std::vector<Shape> outer(2, Shape(Extents(40, 1)));
  EXPECT_EQ(refusal_of([&] { einsum(equation, outer); }).code(), ErrorCode::kLimit);  // 80 axes
  EXPECT_EQ(result_shape(einsum(equation + "=", outer)).rank(), 0);
}

TEST(Einsum, NotesSayWhatIsNotTyped) {
  const struct {
    std::string_view equation;
    std::vector<Shape> operands;
    std::vector<std::string> notes;
  } kCases[] = {
      {"bij,bjk->bik", {{2, 3, 4}, {2, 4, 5}}, {"The output lacks 'j': summed over."}},
      {"i,j->ij", {{2}, {3}}, {"Every label is in the output: nothing is summed."}},
      {"ii",
       {{3, 3}},
       {"No output is typed, so it is '': the labels that stand once, by code point.",
        "A label that stands twice in one operand takes its diagonal: 'i' of operand.",
        "The output lacks 'i': summed over."}},
      {"...ij,...jk",
       {{7, 1, 2, 3}, {5, 3, 4}},
       {"No output is typed, so it is '...ik': '...' first, then the labels that stand once, by "
        "code point.",
        "'...' covers these axes: 2 of lhs and 1 of rhs; they are aligned at the "
        "right, and an extent of 1 stretches.",
        "The output lacks 'j': summed over."}},
  };
  for (const auto& c : kCases) {
    EXPECT_EQ(notation::einsum_notes(c.equation, c.operands), c.notes) << c.equation;
  }
}

}  // namespace
}  // namespace batchdot
