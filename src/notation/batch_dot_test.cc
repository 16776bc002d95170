// SPDX-License-Identifier: Apache-2.0
#include "src/notation/batch_dot.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <string_view>
#include <vector>

#include "batchdot/contraction.h"
#include "batchdot/notation.h"
#include "src/notation/notation_notes.h"
#include "tests/conditions.h"
#include "tests/refusal.h"
#include "tests/sanitized.h"

namespace batchdot {
namespace {

const Dim kUnknown;
const Shape kQuery = {kUnknown, 36, 8, 24};  // Input((36, 8, 24))
const Shape kFixed = {36, 8, 24};            // ones((36, 8, 24))

using Names = std::vector<std::string_view>;
const Names kFamilyA = {"keras-1.0",  "keras-1.2", "keras-2.0",       "keras-2.1.6",
                        "tf.keras-1", "keras-2.2", "keras-2.2-tf1.14"};
const Names kFamilyB = {"keras-2.2.5", "keras-2.3", "tf.keras-2", "keras-3"};
const Names kMerging = {"keras-0.3", "keras-1.0",   "keras-1.2", "keras-2.0",
                        "keras-2.1", "keras-2.1.6", "keras-2.2"};
const Names kBroadcasting = {"tf.keras-1", "keras-2.2-tf1.14", "tfjs"};
const Names kWithSqueeze = {"keras-2.0", "keras-2.1.6", "tf.keras-1", "keras-2.2",
                            "keras-2.2-tf1.14"};

Axes list(std::vector<Axes::Entry> entries) { return Axes(std::move(entries)); }

Names both(const Names& a, const Names& b) {
  Names all = a;
  all.insert(all.end(), b.begin(), b.end());
  return all;
}

// keras-0.3 takes a pair as two lists.
Axes axes_in(std::string_view dialect, const Axes& axes) {
  if (dialect != "keras-0.3" || !axes.list()) return axes;
  std::vector<Axes::Entry> entries;
  for (const Axes::Entry& entry : *axes.list()) {
    if (entry.is_nested()) return axes;
    entries.emplace_back(std::vector<std::int64_t>{std::get<std::int64_t>(entry.value)});
  }
  return Axes(entries);
}

struct Case {
  Names dialects;
  Shape lhs, rhs;
  Axes axes;
  Shape result;
  std::string_view equation;  // empty: not looked at
};

void expect_results(const std::vector<Case>& cases) {
  for (const Case& row : cases) {
    for (const std::string_view name : row.dialects) {
      const Contraction c = batch_dot(row.lhs, row.rhs, axes_in(name, row.axes), Dialect(name));
      EXPECT_NO_THROW(validate(c)) << name;
      EXPECT_EQ(result_shape(c), row.result)
          << name << ' ' << row.lhs << " . " << row.rhs << ' ' << to_string(row.axes);
      if (row.equation.empty()) continue;
      EXPECT_EQ(to_equation(c), row.equation) << name;
    }
  }
}

// --- The question that started it, and the small numbers of docs/semantics.md.

TEST(BatchDot, TheQuestionInEveryDialect) {
  const Names a = both({"keras-0.3"}, kFamilyA);
  expect_results({
      {a, kQuery, kQuery, {1, 1}, {kUnknown, 36, 24, 24}, "abki,abkj->abij"},
      {a, kQuery, kQuery, {2, 2}, {kUnknown, 36, 24, 24}, "abki,abkj->abij"},
      {a, kQuery, kQuery, {3, 3}, {kUnknown, 36, 8, 8}, "abik,abjk->abij"},
      {kFamilyB, kQuery, kQuery, {1, 1}, {kUnknown, 8, 24, 8, 24}, "bkac,bkde->bacde"},
      {kFamilyB, kQuery, kQuery, {2, 2}, {kUnknown, 36, 24, 36, 24}, "bakc,bdke->bacde"},
      {kFamilyB, kQuery, kQuery, {3, 3}, {kUnknown, 36, 8, 36, 8}, "back,bdek->bacde"},
      {both(both(a, kFamilyB), {"tfjs"}), kFixed, kFixed, {1, 1}, {36, 24, 24}, ""},
      {both(both(a, kFamilyB), {"tfjs"}), kFixed, kFixed, {2, 2}, {36, 8, 8}, ""},
      {both(a, {"tfjs"}), kFixed, kFixed, {3, 3}, {36, 24, 24}, "aki,akj->aij"},
  });
  for (const std::string_view name : kFamilyB) {
    EXPECT_EQ(refusal_of([&] {
                batch_dot(kFixed, kFixed, {3, 3}, Dialect(name));
              }).code(),
              ErrorCode::kAxisRange);
  }
}

TEST(BatchDot, FamilyAOnlyAsksWhetherAnAxisIsTheLast) {
  const Names a = both(kFamilyA, {"tfjs"});
  const Shape square = {1, 2, 2};
  expect_results({
      {a, square, square, {2, 1}, square, "aik,akj->aij"},
      {a, square, square, {2, 2}, square, "aik,ajk->aij"},
      {a, square, square, {1, 1}, square, "aki,akj->aij"},
      {a, square, square, {1, 2}, square, "aki,ajk->aij"},
      {a, square, square, {0, 0}, square, "aki,akj->aij"},
      {a, square, square, {0, 1}, square, "aki,akj->aij"},
      {a, square, square, {1, 0}, square, "aki,akj->aij"},
      {a, square, square, {-1, -1}, square, "aki,akj->aij"},
      {a, square, square, -1, square, "aki,akj->aij"},
      {a, square, square, {-7, 9}, square, "aki,akj->aij"},
      {a, square, square, {1, 1, 7}, square, "aki,akj->aij"},
      {a, square, square, {}, square, "aik,akj->aij"},
      {{"keras-0.3"}, square, square, {}, square, "aik,akj->aij"},
      {{"keras-0.3"}, square, square, 0, square, "aik,akj->aij"},
      {{"keras-0.3"}, square, square, list({}), square, "aik,akj->aij"},
      {{"keras-0.3"}, square, square, {2, 2}, square, "aik,ajk->aij"},
      {{"keras-0.3"}, square, square, {-1, 1}, square, "aki,akj->aij"},
      {{"keras-0.3"}, square, square, {{1, 2}, {2, 1}}, square, "aki,ajk->aij"},
  });
}

TEST(BatchDot, FamilyAConjugatesWhatItReadsTransposed) {
  const struct {
    Axes axes;
    bool lhs, rhs;
  } kCases[] = {
      {{2, 1}, false, false}, {{2, 2}, false, true}, {{1, 1}, true, false},
      {{1, 2}, true, true},   {{}, false, false},
  };
  for (const auto& c : kCases) {
    for (const std::string_view name : both({"keras-0.3"}, kFamilyA)) {
      const Contraction product =
          batch_dot({1, 2, 2}, {1, 2, 2}, axes_in(name, c.axes), Dialect(name));
      EXPECT_EQ(product.inputs[0].conjugate, c.lhs) << name << to_string(c.axes);
      EXPECT_EQ(product.inputs[1].conjugate, c.rhs) << name << to_string(c.axes);
    }
    for (const std::string_view name : both(kFamilyB, {"tfjs"})) {
      const Contraction product = batch_dot({1, 2, 2}, {1, 2, 2}, c.axes, Dialect(name));
      EXPECT_FALSE(product.inputs[0].conjugate || product.inputs[1].conjugate) << name;
    }
  }
  const Contraction rank_2 = batch_dot({4, 3}, {3, 4}, {1, 0}, Dialect("keras-2.2"));
  EXPECT_FALSE(rank_2.inputs[0].conjugate || rank_2.inputs[1].conjugate);
  const Contraction early = batch_dot({4, 3}, {4, 3}, 1, Dialect("keras-1.0"));
  EXPECT_TRUE(early.inputs[1].conjugate);
}

TEST(BatchDot, TwoMatricesInEveryDialect) {
  const Names multiplied =
      both({"keras-1.2", "keras-2.0", "keras-2.1.6", "tf.keras-1", "keras-2.2", "keras-2.2-tf1.14"},
           {"tfjs"});
  expect_results({
      // A product of matrices in the first releases: (batch, batch).
      {{"keras-0.3", "keras-1.0"}, {4, 3}, {4, 3}, {1, 1}, {4, 4}, "ik,jk->ij"},
      {{"keras-1.0"}, {4, 3}, {4, 3}, 1, {4, 4}, "ik,jk->ij"},
      {{"keras-1.0"}, {4, 3}, {4, 5}, 0, {3, 5}, "ki,kj->ij"},
      {{"keras-0.3", "keras-1.0"}, {4, 3}, {3, 5}, {}, {4, 5}, "ik,kj->ij"},
      // An elementwise product, then a sum.
      {both(multiplied, kFamilyB), {4, 3}, {4, 3}, 1, {4, 1}, ""},
      {multiplied, {4, 3}, {4, 3}, 1, {4, 1}, "ab,ab->a"},
      {multiplied, {4, 3}, {4, 3}, 0, {3, 1}, "ab,ab->b"},
      {multiplied, {4, 3}, {4, 3}, -1, {4, 1}, "ab,ab->a"},
      {multiplied, {4, 3}, {3, 4}, {1, 0}, {4, 1}, "ab,ba->a"},
      {multiplied, {4, 3}, {3, 4}, {0, 1}, {3, 1}, "ab,ba->b"},
      {multiplied, {3, 3}, {3, 3}, {1, -1}, {3, 1}, "ab,ba->b"},  // 1 and -1 differ as written
      {multiplied, {4, 1}, {4, 3}, 1, {4, 1}, "ab,ab->a"},        // 1 stretches
      {multiplied, {1, 3}, {4, 3}, 1, {4, 1}, "ab,ab->a"},
      {multiplied, {4, 1}, {1, 3}, 0, {3, 1}, "ab,ab->b"},
      {multiplied, {4, 0}, {4, 1}, 1, {4, 1}, "ab,ab->a"},
      // No axes.
      {{"keras-2.1.6", "tf.keras-1", "keras-2.2", "tfjs"}, {4, 3}, {3, 4}, {}, {4, 1}, "ab,ba->a"},
      {kFamilyB, {4, 3}, {4, 3}, {}, {4, 1}, "bk,bk->b"},
  });
}

TEST(BatchDot, NestedAxesInTheReleasesThatTakeThem) {
  const Names early = {"keras-1.0", "keras-1.2", "keras-2.0", "keras-2.1.6", "tf.keras-1", "tfjs"};
  const Names summing = {"keras-1.2", "keras-2.0", "keras-2.1.6", "tf.keras-1"};
  expect_results({
      {early, {2, 3, 4}, {2, 3, 5}, {{2}, {2}}, {2, 4, 5}, "aki,akj->aij"},
      {early, {2, 3, 4}, {2, 3, 5}, {{1}, {2}}, {2, 4, 5}, "aki,akj->aij"},
      {early, {2, 3, 4}, {2, 4, 5}, {2, {2}}, {2, 3, 5}, "aik,akj->aij"},
      {{"keras-1.0"}, {4, 3}, {4, 5}, {{1}, {1}}, {3, 5}, "ki,kj->ij"},
      {summing, {4, 3}, {4, 3}, {{1}, {1}}, {4, 1}, "ab,ab->a"},
      {summing, {4, 3}, {3, 4}, {1, {1}}, {3, 1}, "ab,ba->b"},
      {summing, {4, 3}, {4, 3}, {{0, 1}, {0, 1}}, {}, "ab,ab->"},
      {summing,
       {4, 3},
       {4, 3},
       list({Axes::Entry(std::vector<std::int64_t>{}), Axes::Entry(std::vector<std::int64_t>{})}),
       {4, 3},
       "ab,ab->ab"},
      // Two arrays are never equal in JavaScript, and a missing axis is no error there.
      {{"tfjs"}, {4, 3}, {3, 4}, {{1}, {1}}, {3, 1}, "ab,ba->b"},
      {{"tfjs"}, {4, 3}, {3, 4}, list({1}), {}, "ab,ba->"},
      {{"tfjs"}, {4, 3}, {4, 3}, list({}), {}, "ab,ab->"},
      {{"tfjs"}, {2, 3, 4}, {2, 4, 5}, list({2}), {2, 3, 5}, "aik,akj->aij"},
  });
}

TEST(BatchDot, UnequalRanksGetOnesThatAreSqueezed) {
  const Names squeezing = both(kWithSqueeze, {"tfjs"});
  expect_results({
      {both(squeezing, kFamilyB), {5, 7, 3}, {5, 3}, {2, 1}, {5, 7}, ""},
      {squeezing, {5, 7, 3}, {5, 3}, {2, 1}, {5, 7}, "aik,ak->ai"},
      {both(kWithSqueeze, kFamilyB), {5, 7, 3}, {5, 3}, {}, {5, 7}, ""},
      {both(squeezing, kFamilyB), {5, 3, 7}, {5, 3}, {1, 1}, {5, 7}, ""},
      {both(squeezing, kFamilyB), {5, 3}, {5, 3, 7}, {1, 1}, {5, 7}, ""},
      {squeezing, {5, 3}, {5, 3, 7}, {1, 1}, {5, 7}, "ak,akj->aj"},
      {both(squeezing, kFamilyB), {5, 3}, {5, 7, 3}, {1, 2}, {5, 7}, ""},
      {kWithSqueeze, {2, 3, 4}, {2, 3, 4, 5}, {1, 2}, {2, 3, 5}, "abk,abkj->abj"},
      {kWithSqueeze, {2, 3, 4}, {2, 3, 4, 5}, {2, 2}, {2, 3, 5}, "abk,abkj->abj"},
      {kWithSqueeze, {2, 3, 4}, {2, 3, 5, 4}, {2, 3}, {2, 3, 5}, "abk,abjk->abj"},
      // The free axis of lhs is dropped where it is 1, or may be.
      {kWithSqueeze, {2, 3, 1}, {2, 3, 1, 5}, {3, 2}, {2, 3, 5}, ""},
      {kWithSqueeze, {2, 1}, {2, 1, 1, 5}, {1, 2}, {2, 5}, ""},
      {kWithSqueeze, {1, 1, 1}, {1}, {1, 1}, {1, 1}, ""},  // rank 1 gets an axis of 1
      {kWithSqueeze, {1, 5}, {1}, 1, {}, ""},              // and rank 0 stays
      // BatchMatMul of TensorFlow 1.14 met this, from an issue report.
      {{"tf.keras-1", "keras-2.2-tf1.14"}, {1, 2, 1}, {1, 2, 1, 16}, {2, 2}, {1, 2, 16}, ""},
  });
}

TEST(BatchDot, FamilyBKeepsEveryAxisButTheContractedOnes) {
  expect_results({
      // Keras's docstring and tests.
      {kFamilyB, {100, 20}, {100, 30, 20}, {1, 2}, {100, 30}, "bk,bak->ba"},
      {kFamilyB, {32, 20, 1}, {32, 30, 20}, {1, 2}, {32, 1, 30}, "bka,bck->bac"},
      {kFamilyB, {1, 3, 2}, {1, 1, 2, 3}, {-2, -1}, {1, 2, 1, 2}, "bka,bcdk->bacd"},
      {kFamilyB, {8, 7, 4, 2}, {8, 7, 2, 5}, {}, {8, 7, 4, 7, 5}, "back,bdke->bacde"},
      {kFamilyB, {2, 3, 4}, {2, 5, 4}, -1, {2, 3, 5}, "bak,bck->bac"},
      {kFamilyB, {2, 4}, {2, 3, 4, 5}, {1, 2}, {2, 3, 5}, "bk,bakc->bac"},
      {kFamilyB, {2, 3, 4, 5}, {2, 4}, {2, 1}, {2, 3, 5}, "bakc,bk->bac"},
      {kFamilyB, {0, 3, 4}, {0, 4, 5}, {2, 1}, {0, 3, 5}, ""},
      {kFamilyB, {2, 3, 0}, {2, 0, 5}, {2, 1}, {2, 3, 5}, ""},
  });
}

// --- Unknown and named extents.

TEST(BatchDot, LeadingAxesMergeOrBroadcast) {
  const struct {
    Names dialects;
    Shape lhs, rhs, result;
    std::string_view conditions;
  } kCases[] = {
      {kMerging, {kUnknown, 3, 4}, {1, 4, 5}, {1, 3, 5}, "equal 0.0 1.0"},
      {kMerging, {kUnknown, 3, 4}, {7, 4, 5}, {7, 3, 5}, "equal 0.0 1.0"},
      {kMerging, {kUnknown, 3, 4}, {0, 4, 5}, {0, 3, 5}, "equal 0.0 1.0"},
      {kMerging, {kUnknown, 3, 4}, {kUnknown, 4, 5}, {kUnknown, 3, 5}, "equal 0.0 1.0"},
      {kMerging, {"B", 3, 4}, {kUnknown, 4, 5}, {"B", 3, 5}, "equal 0.0 1.0"},
      {kMerging, {"B", 3, 4}, {"C", 4, 5}, {"B", 3, 5}, "equal 0.0 1.0"},
      {kMerging, {"B", 3, 4}, {"B", 4, 5}, {"B", 3, 5}, ""},
      {kBroadcasting, {kUnknown, 3, 4}, {1, 4, 5}, {kUnknown, 3, 5}, ""},
      {kBroadcasting, {kUnknown, 3, 4}, {7, 4, 5}, {7, 3, 5}, "one_or_equal 0.0 1.0"},
      {kBroadcasting, {kUnknown, 3, 4}, {0, 4, 5}, {kUnknown, 3, 5}, "one_or_equal 0.0 1.0"},
      {kBroadcasting, {1, 3, 4}, {7, 4, 5}, {7, 3, 5}, ""},
      {kBroadcasting, {"B", 3, 4}, {1, 4, 5}, {"B", 3, 5}, ""},
      {kBroadcasting, {"B", 3, 4}, {"C", 4, 5}, {kUnknown, 3, 5}, "one_or_equal 0.0 1.0"},
      {kFamilyB, {kUnknown, 3, 4}, {1, 4, 5}, {kUnknown, 3, 5}, ""},
      {kFamilyB, {kUnknown, 3, 4}, {7, 4, 5}, {7, 3, 5}, "one_or_equal 0.0 1.0"},
      {kFamilyB, {"B", 3, 4}, {"B", 4, 5}, {"B", 3, 5}, ""},
      {kFamilyB, {kUnknown, 3, 4}, {kUnknown, 4, 5}, {kUnknown, 3, 5}, "one_or_equal 0.0 1.0"},
      {{"keras-2.3", "tf.keras-2"},
       {kUnknown, 3, 4},
       {0, 4, 5},
       {kUnknown, 3, 5},
       "one_or_equal 0.0 1.0"},
      {{"keras-3"}, {kUnknown, 3, 4}, {0, 4, 5}, {0, 3, 5}, "one_or_equal 0.0 1.0"},
      // Contracted extents are merged everywhere.
      {both(both(kMerging, kBroadcasting), kFamilyB),
       {2, 3, kUnknown},
       {2, 1, 5},
       {2, 3, 5},
       "equal 0.2 1.1"},
      {both(both(kMerging, kBroadcasting), kFamilyB), {2, 3, "K"}, {2, "K", 5}, {2, 3, 5}, ""},
  };
  for (const auto& row : kCases) {
    for (const std::string_view name : row.dialects) {
      const Contraction c = batch_dot(row.lhs, row.rhs, axes_in(name, {2, 1}), Dialect(name));
      EXPECT_EQ(result_shape(c), row.result) << name << row.lhs << row.rhs;
      EXPECT_EQ(conditions_of(c), row.conditions) << name << row.lhs << row.rhs;
    }
  }
}

TEST(BatchDot, UnknownExtentsOfRank2AndOfSqueezedAxes) {
  const struct {
    Shape lhs, rhs;
    Axes axes;
    Shape result;
    std::string_view conditions;
  } kCases[] = {
      {{kUnknown, 5}, {kUnknown, 5}, 1, {kUnknown, 1}, "one_or_equal 0.0 1.0"},
      {{kUnknown, 5}, {4, kUnknown}, 1, {4, 1}, "one_or_equal 0.0 1.0, one_or_equal 0.1 1.1"},
      {{"B", 5}, {"B", 5}, 1, {"B", 1}, ""},
      {{4, 5}, {kUnknown, 4}, {1, 0}, {4, 1}, "one_or_equal 0.1 1.0"},
      {{kUnknown, 7, 4}, {kUnknown, 4}, {2, 1}, {kUnknown, 7}, "equal 0.0 1.0"},
      // rhs's axis 1 is free where its appended axis is contracted: both must be 1.
      {{3, 7, kUnknown}, {3, kUnknown}, {2, 2}, {3, 7}, "is_one 0.2, is_one 1.1"},
      {{3, 7, 1}, {3, kUnknown}, {2, 2}, {3, 7}, "is_one 1.1"},
      {{2, 3, kUnknown}, {2, 3, 1, 5}, {3, 2}, {2, 3, 5}, "is_one 0.2"},
  };
  for (const auto& c : kCases) {
    const Contraction contraction = batch_dot(c.lhs, c.rhs, c.axes, Dialect("keras-2.2"));
    EXPECT_NO_THROW(validate(contraction));
    EXPECT_EQ(result_shape(contraction), c.result) << c.lhs << c.rhs;
    EXPECT_EQ(conditions_of(contraction), c.conditions) << c.lhs << c.rhs;
  }
}

TEST(BatchDot, ASqueezedAxisCountsAs1) {
  const Contraction c = batch_dot({3, 7, kUnknown}, {3, kUnknown}, {2, 2}, Dialect("keras-2.2"));
  EXPECT_EQ(c.extents[c.inputs[0].labels[2]], Dim(1));
  EXPECT_EQ(c.extents[c.inputs[1].labels[1]], Dim(1));
  const std::array fed = {Extents{3, 7, 1}, Extents{3, 2}};
  EXPECT_EQ(refusal_of([&] { batchdot::bind(c, fed); }).code(), ErrorCode::kCondition);
}

TEST(BatchDot, ABatchThatIsUnknownMayBe1AtRunTimeAndStretches) {
  const std::array fed = {Extents{1, 2, 3}, Extents{4, 3, 5}};
  const Contraction open = batch_dot({kUnknown, 2, 3}, {4, 3, 5}, {2, 1});
  EXPECT_EQ(result_shape(batchdot::bind(open, fed)), (Shape{4, 2, 5}));
  const Contraction both_open = batch_dot({kUnknown, 2, 3}, {kUnknown, 3, 5}, {2, 1});
  EXPECT_EQ(result_shape(batchdot::bind(both_open, fed)), (Shape{4, 2, 5}));
  EXPECT_EQ(refusal_of([] { batch_dot({1, 2, 3}, {4, 3, 5}, {2, 1}); }).code(), ErrorCode::kBatch);
  const Contraction merged =
      batch_dot({kUnknown, 2, 3}, {kUnknown, 3, 5}, {2, 1}, Dialect("keras-2.2"));
  EXPECT_EQ(refusal_of([&] { batchdot::bind(merged, fed); }).code(), ErrorCode::kCondition);
  // What was known and equal does not stretch.
  EXPECT_TRUE(batch_dot({4, 2, 3}, {4, 3, 5}, {2, 1}).inputs[0].may_broadcast.empty());
}

// --- Asked without an exception.

TEST(BatchDot, MayFitWhateverFits) {
  std::vector<Shape> shapes = {{}, {2}, {2, 3}, {3, kUnknown}, {2, 2, 3, 1}, {"B", 2, 3, 2}};
  for (const Dim& b : {Dim(2), Dim(1), kUnknown}) {
    for (const Dim& i : {Dim(2), Dim(3), Dim("I")}) {
      shapes.push_back({b, i, 3});
      shapes.push_back({b, 3, i});
    }
  }
  std::vector<Axes> calls = {Axes(), Axes(1), Axes(-1), Axes{0, 1}};
  for (const std::int64_t lhs : {1, 2}) {
    calls.push_back(list({lhs}));
    for (const std::int64_t rhs : {1, 2, 3}) {
      calls.push_back(list({lhs, rhs}));
      calls.push_back(list({std::vector{lhs}, std::vector{rhs}}));
    }
  }
  constexpr int kPart = BATCHDOT_SANITIZED ? 7 : 1;  // where a sanitizer watches, a part will do
  int asked = 0, ruled_out = 0, refused = 0;
  for (const std::string_view name : Dialect::names()) {
    const Dialect dialect(name);
    for (const Shape& lhs : shapes) {
      for (const Shape& rhs : shapes) {
        for (const Axes& axes : calls) {
          if (++asked % kPart != 0) continue;
          bool fits = true;
          try {
            batch_dot(lhs, rhs, axes, dialect);
          } catch (const Error&) {
            fits = false;
          }
          const bool may = notation::may_fit(lhs, rhs, axes, dialect);
          EXPECT_TRUE(may || !fits)
              << name << ' ' << to_string(lhs) << ' ' << to_string(rhs) << ' ' << to_string(axes);
          refused += !fits;
          ruled_out += !may;
        }
      }
    }
  }
  EXPECT_GT(ruled_out, refused / 3) << refused;  // else little is won by asking
}

// --- Empty tensors.

TEST(BatchDot, AnInferredReshapeFailsWhereItsProductIsNotEmptyAndTheResultIs) {
  const struct {
    Extents lhs, rhs;
    AxisList axes;
    bool fails;
  } kCases[] = {
      {{2, 3, 0, 0}, {2, 0, 5}, {3, 1}, true},     // the example of docs/semantics.md
      {{0, 3, 0, 0}, {0, 0, 5}, {3, 1}, false},    // no batch
      {{2, 3, 4, 0}, {2, 0, 5}, {3, 1}, false},    // no other 0
      {{2, 3, 0, 4}, {2, 4, 5}, {3, 1}, false},    // K is not 0
      {{2, 3, 0, 0}, {2, 0, 0}, {3, 1}, false},    // rhs's free axis, not flattened, is 0 too
      {{2, 3, 0}, {2, 0, 5, 0}, {2, 1}, true},     // rhs's free axes are flattened
      {{2, 0, 0}, {2, 0, 5, 0}, {2, 1}, false},    // lhs's are not
      {{2, 0, 0, 0}, {2, 0, 5, 0}, {3, 1}, true},  // both are
      {{2, 0}, {2, 0, 5, 0}, {1, 1}, true},       {{2, 0, 0}, {2, 0, 5}, {2, 1}, false},  // rank 3
  };
  for (const auto& c : kCases) {
    const Axes axes = {static_cast<int>(c.axes[0]), static_cast<int>(c.axes[1])};
    const std::array operands = {c.lhs, c.rhs};
    Shape unknown_lhs, unknown_rhs;
    for (std::size_t i = 0; i < c.lhs.size(); ++i) unknown_lhs.push_back({});
    for (std::size_t i = 0; i < c.rhs.size(); ++i) unknown_rhs.push_back({});
    for (const std::string_view name : kFamilyB) {
      const bool infers = name == "tf.keras-2" || name == "keras-3";
      const Dialect dialect(name);
      const Contraction known = batch_dot(Shape(c.lhs), Shape(c.rhs), axes, dialect);
      const Contraction open = batch_dot(unknown_lhs, unknown_rhs, axes, dialect);
      EXPECT_EQ(conditions_of(known).empty(), !(c.fails && infers)) << name << to_string(c.lhs);
      for (const Contraction& contraction : {known, open}) {
        if (c.fails && infers) {
          EXPECT_EQ(refusal_of([&] { batchdot::bind(contraction, operands); }).code(),
                    ErrorCode::kEmptyReshape)
              << name << to_string(c.lhs) << to_string(c.rhs);
        } else {
          EXPECT_NO_THROW(batchdot::bind(contraction, operands))
              << name << to_string(c.lhs) << to_string(c.rhs);
        }
      }
    }
  }
}

// --- Refusals.

TEST(BatchDot, RefusesAndSaysWhere) {
  const Names a = kFamilyA, b = kFamilyB;
  const Axes empty_list = list({});
  const struct {
    Names dialects;
    Shape lhs, rhs;
    Axes axes;
    ErrorCode code;
    std::string_view place;
  } kCases[] = {
      // Family B, in its order of checks.
      {b, {3}, {2, 3}, 1, ErrorCode::kRank, "0.1=1 ?=2"},
      {b, {2, 3}, {3}, 1, ErrorCode::kRank, "1.1=1 ?=2"},
      {b, {2, 3, 4}, {5, 4, 3}, 0, ErrorCode::kBatch, "0.0=2 1.0=5"},
      {b, {1, 3, 4}, {5, 4, 3}, {2, 1}, ErrorCode::kBatch, "0.0=1 1.0=5"},
      {b, {2, 3, 4}, {2, 3, 4}, {{1}, {1}}, ErrorCode::kAxesNested, ""},
      {b, {2, 3, 4}, {2, 3, 4}, {0, {1}}, ErrorCode::kAxesNested, ""},
      {b, {2, 3, 4}, {2, 3, 4}, list({0}), ErrorCode::kAxesLen, ""},
      {b, {2, 3, 4}, {2, 3, 4}, empty_list, ErrorCode::kAxesLen, ""},
      {b, {2, 3, 4}, {2, 3, 4}, {0, 1}, ErrorCode::kAxis0, "0.0=2"},
      {b, {2, 3, 4}, {2, 3, 4}, {1, 0}, ErrorCode::kAxis0, "1.0=2"},
      {b, {2, 3, 4}, {2, 3, 4}, -3, ErrorCode::kAxis0, "0.0=2"},
      {b, {2, 3, 4}, {2, 3, 4}, {1, 0, 1}, ErrorCode::kAxis0, "1.0=2"},
      {b, {2, 3, 4}, {2, 3, 4}, {1, 1, 1}, ErrorCode::kAxesLen, ""},
      {b, {2, 3, 4}, {2, 3, 4}, {1, 1, 0}, ErrorCode::kAxesLen, ""},
      {b, {2, 3, 4}, {2, 3, 4}, {3, 1}, ErrorCode::kAxisRange, "0.3=3"},
      {b, {2, 3, 4}, {2, 3, 4}, {1, 3}, ErrorCode::kAxisRange, "1.3=3"},
      {b, {2, 3, 4}, {2, 3, 4}, {-4, 1}, ErrorCode::kAxisRange, "0.-4=3"},  // theirs wraps once
                                                                            // more
      {b, {2, 1, 1}, {2, 2, 1}, {-4, -1}, ErrorCode::kAxisRange, "0.-4=3"},
      {b, {9, 2, 20}, {9, 30, 4}, {2, 1}, ErrorCode::kDim, "0.2=20 1.1=30"},
      {b, {9, 2, 1}, {9, 30, 4}, {2, 1}, ErrorCode::kDim, "0.2=1 1.1=30"},
      // Family A.
      {{"keras-0.3"}, {2, 3, 4}, {2, 4, 3}, 1, ErrorCode::kAxesType, ""},
      {{"keras-0.3"}, {2, 3, 4}, {2, 4, 3}, {2, {1}}, ErrorCode::kAxesType, ""},
      {{"keras-0.3"}, {2, 3, 4}, {2, 4, 3}, list({Axes::Entry({2})}), ErrorCode::kAxesLen, ""},
      {a, {2, 3, 4}, {2, 4, 3}, list({1}), ErrorCode::kAxesLen, ""},
      {a, {2, 3, 4}, {2, 4, 3}, empty_list, ErrorCode::kAxesLen, ""},
      {{"keras-2.2", "keras-2.2-tf1.14"},
       {2, 3, 4},
       {2, 3, 4},
       {{1}, {1}},
       ErrorCode::kAxesNested,
       ""},
      {{"keras-2.2", "keras-2.2-tf1.14"},
       {2, 3, 4},
       {2, 3, 4},
       {1, 1, {1}},
       ErrorCode::kAxesNested,
       ""},
      {kMerging, {2, 3, 4}, {5, 4, 3}, {2, 1}, ErrorCode::kBatchDim, "0.0=2 1.0=5"},
      {kMerging, {1, 3, 4}, {5, 4, 3}, {2, 1}, ErrorCode::kBatchDim, "0.0=1 1.0=5"},
      {kBroadcasting, {2, 3, 4}, {5, 4, 3}, {2, 1}, ErrorCode::kBatchDim, "0.0=2 1.0=5"},
      // Which of two mistakes is named: the later op looks at the contracted axes first.
      {kMerging, {2, 3, 4}, {5, 6, 3}, {2, 1}, ErrorCode::kBatchDim, "0.0=2 1.0=5"},
      {kBroadcasting, {2, 3, 4}, {5, 6, 3}, {2, 1}, ErrorCode::kDim, "0.2=4 1.1=6"},
      {both(a, {"tfjs"}), {2, 3, 4}, {2, 5, 4}, 1, ErrorCode::kDim, "0.1=3 1.1=5"},
      {a, {2, 3, 4, 5}, {2, 7, 4, 5}, 1, ErrorCode::kBatchDim, "0.1=3 1.1=7"},
      {both({"keras-0.3"}, a), {3}, {3}, {}, ErrorCode::kRank, "0.1=1 ?=2"},
      {{"keras-0.3", "keras-1.0", "keras-1.2"},
       {5, 7, 3},
       {5, 3},
       {2, 1},
       ErrorCode::kRank,
       "1.2=2 ?=3"},
      {{"keras-0.3", "keras-1.0", "keras-1.2"},
       {5, 3},
       {5, 3, 7},
       {1, 1},
       ErrorCode::kRank,
       "0.2=2 ?=3"},
      {{"keras-1.2", "keras-2.0", "keras-2.1.5"}, {4, 3}, {4, 3}, {}, ErrorCode::kAxesType, ""},
      {{"keras-1.2", "keras-2.2", "tfjs"}, {4, 3}, {4, 5}, 1, ErrorCode::kBroadcast, "0.1=3 1.1=5"},
      {{"keras-1.2", "keras-2.2", "tfjs"},
       {4, 3},
       {4, 3},
       {1, 0},
       ErrorCode::kBroadcast,
       "0.1=3 1.0=4"},
      {{"keras-2.2"}, {4, 3}, {4, 3}, {}, ErrorCode::kBroadcast, "0.1=3 1.0=4"},
      {{"keras-1.2", "keras-2.2", "tfjs"}, {4, 3}, {4, 3}, 2, ErrorCode::kAxisRange, "0.2=2"},
      {{"keras-1.2", "keras-2.2", "tfjs"},
       {4, 3},
       {3, 4},
       {1, -3},
       ErrorCode::kAxisRange,
       "1.-3=2"},
      {{"keras-2.0"}, {4, 3}, {4, 3}, {{1, -1}, {1, -1}}, ErrorCode::kAxesDup, "0.1=3"},
      {kWithSqueeze, {2, 3, 4, 5}, {2, 3, 4}, {2, 2}, ErrorCode::kSqueeze, "1.3=3 ?=4"},
      {kWithSqueeze, {2, 3, 1, 5}, {2, 3}, {1, 1}, ErrorCode::kSqueeze, "1.2=2 ?=4"},
      {kWithSqueeze, {2, 7, 1}, {2, 4}, {2, 2}, ErrorCode::kSqueeze, "1.1=4"},
      {kWithSqueeze, {2, 7, 3}, {2, 4}, {2, 2}, ErrorCode::kDim, "0.2=3 1.2=1"},
      {kWithSqueeze, {2, 3, 4}, {2, 3, 1, 5}, {3, 2}, ErrorCode::kSqueeze, "0.2=4"},
      {kWithSqueeze, {2, 3}, {2, 3, 1, 5}, {1, 2}, ErrorCode::kSqueeze, "0.1=3"},
      {{"tfjs"}, {3}, {2, 3}, 1, ErrorCode::kRank, "0.1=1 ?=2"},
      {{"tfjs"}, {2, 3, 4, 5}, {2, 3, 5, 4}, {}, ErrorCode::kNotImplemented, "0.3=4 ?=3"},
      {{"tfjs"}, {2, 3, 4}, {2, 3, 5, 4}, {}, ErrorCode::kNotImplemented, "1.3=4 ?=3"},
  };
  for (const auto& c : kCases) {
    for (const std::string_view name : c.dialects) {
      const Axes axes =
          name == "keras-0.3" && c.code != ErrorCode::kAxesType && c.code != ErrorCode::kAxesLen
              ? axes_in(name, c.axes)
              : c.axes;
      const Error error = refusal_of([&] { batch_dot(c.lhs, c.rhs, axes, Dialect(name)); });
      EXPECT_EQ(error.code(), c.code) << name << c.lhs << c.rhs << ' ' << error.message();
      EXPECT_EQ(place_of(error), c.place) << name << ' ' << error.message();
      EXPECT_TRUE(error.message().starts_with("batch_dot: ")) << error.message();
      EXPECT_EQ(error.message().find('\n'), std::string::npos);
    }
  }
}

TEST(BatchDot, MessagesSayWhatTheDialectDoes) {
  const struct {
    std::string_view dialect;
    Shape lhs, rhs;
    Axes axes;
    std::string_view message;
  } kCases[] = {
      {"keras-3",
       {9, 2, 20},
       {9, 30, 4},
       {2, 1},
       "batch_dot: contracting extents differ: lhs axis 2 has 20, rhs axis 1 has 30; lhs (9, 2, "
       "20), "
       "rhs (9, 30, 4)"},
      {"keras-3",
       {2, 3, 4},
       {2, 3, 4},
       0,
       "batch_dot: axis 0 is the batch axis, which keras-3 never contracts: axis 0 of lhs (2, 3, "
       "4), "
       "axes 0; name an axis from 1 on, and put a batch axis of 1 in front of operands that have "
       "none"},
      {"keras-2.2",
       {2, 6, 20, 8},
       {2, 6, 30, 8},
       {1, 1},
       "batch_dot: contracting extents differ: lhs axis 2 has 20, rhs axis 2 has 30 (axis 1 is not "
       "the last axis of lhs, so keras-2.2 contracts the last but one, axis 2; axis 1 is not the "
       "last "
       "axis of rhs, so keras-2.2 contracts the last but one, axis 2); lhs (2, 6, 20, 8), rhs (2, "
       "6, "
       "30, 8)"},
      {"keras-2.2",
       {2, 6, 20, 8},
       {2, 6, 30, 8},
       {2, -1},
       "batch_dot: contracting extents differ: lhs axis 2 has 20, rhs axis 2 has 30 (axis -1, "
       "compared "
       "as it is written, is not the last axis of rhs, so keras-2.2 contracts the last but one, "
       "axis "
       "2); lhs (2, 6, 20, 8), rhs (2, 6, 30, 8)"},
      {"keras-2.2",
       {2, 7, 1},
       {2, 4},
       {2, 2},
       "batch_dot: keras-2.2 appends 1 axis of 1 to rhs, multiplies, and drops as many from the "
       "product, here axis 2, whose extent must be 1: rhs axis 1 has 4; lhs (2, 7, 1), rhs (2, 4)"},
      {"keras-2.2",
       {4, 3},
       {4, 5},
       1,
       "batch_dot: extents differ: lhs axis 1 has 3, rhs axis 1 has 5 (keras-2.2 multiplies two "
       "operands of rank 2 elementwise); lhs (4, 3), rhs (4, 5)"},
      {"keras-2.2",
       {2, 3, 4, 5},
       {2, 7, 4, 5},
       1,
       "batch_dot: leading extents differ: lhs axis 1 has 3, rhs axis 1 has 7 (keras-2.2 takes "
       "every "
       "axis before the last two as batch); lhs (2, 3, 4, 5), rhs (2, 7, 4, 5)"},
  };
  for (const auto& c : kCases) {
    EXPECT_EQ(refusal_of([&] { batch_dot(c.lhs, c.rhs, c.axes, Dialect(c.dialect)); }).message(),
              c.message);
  }
}

TEST(BatchDot, KeepsToTheLimits) {
  const Shape most(Extents(Limits::kRank, 1));
  EXPECT_EQ(result_shape(batch_dot(most, most, {1, 1}, Dialect("keras-2.2"))).rank(),
            Limits::kRank);
  EXPECT_EQ(refusal_of([&] { batch_dot(most, most, {1, 1}); }).code(), ErrorCode::kLimit);
  const Shape more(Extents(Limits::kRank + 1, 1));
  EXPECT_EQ(refusal_of([&] { batch_dot(most, more, {1, 1}); }).place().operand, 1);
}

// --- Why.

TEST(BatchDot, NotesSayWhy) {
  const struct {
    std::string_view dialect;
    Shape lhs, rhs;
    Axes axes;
    std::vector<std::string> notes;
  } kCases[] = {
      {"keras-2.2",
       kQuery,
       kQuery,
       {2, 2},
       {"keras-2.2 multiplies matrices: all axes but the last two are batch, and an axis only says "
        "whether it is the last.",
        "Axis 2 of lhs is not the last (3): lhs is read transposed, its axis 2 is contracted; axis "
        "2 "
        "of rhs is not the last (3): rhs is read as it is, its axis 2 is contracted.",
        "An operand that is read transposed is conjugated if it is complex.",
        "The axes count the batch axis 0: Input((36, 8, 24)) adds it, ones((36, 8, 24)) does "
        "not."}},
      {"keras-3",
       kQuery,
       kQuery,
       {2, 2},
       {"keras-3 takes axis 0 as the batch and sums over one axis of each operand, axis 2 of lhs "
        "with "
        "axis 2 of rhs; the other axes of lhs stay, then those of rhs.",
        "Up to keras-2.2.4 all axes but the last two were batch, and the result had fewer axes.",
        "A batch that is 1 at run time stretches to the other one, as only extents known "
        "beforehand "
        "are compared.",
        "The axes count the batch axis 0: Input((36, 8, 24)) adds it, ones((36, 8, 24)) does "
        "not."}},
      {"keras-3",
       kFixed,
       kFixed,
       {1, 1},
       {"keras-3 takes axis 0 as the batch and sums over one axis of each operand, axis 1 of lhs "
        "with "
        "axis 1 of rhs; the other axes of lhs stay, then those of rhs.",
        "Axis 0, here 36, is the batch: Input((36, 8, 24)) would put another axis in front, and "
        "the "
        "axes would count one further."}},
      {"keras-2.0",
       {4, 3},
       {3, 4},
       {1, 0},
       {"keras-2.0 multiplies two operands of rank 2 elementwise and sums the product over axis 0.",
        "The two axes differ as they are written, so lhs is transposed first.",
        "The result would have rank 1: keras-2.0 adds an axis of 1."}},
  };
  for (const auto& c : kCases) {
    EXPECT_EQ(notation::batch_dot_notes(c.lhs, c.rhs, c.axes, Dialect(c.dialect)), c.notes);
  }
  const auto unequal = notation::batch_dot_notes({5, 7, 3}, {5, 3}, {2, 1}, Dialect("keras-2.2"));
  EXPECT_NE(std::find(unequal.begin(), unequal.end(),
                      "rhs gets 1 axis of 1 at its end, and as many are dropped from the product."),
            unequal.end());
  const auto plain = notation::batch_dot_notes({5, 7, 3}, {5, 3, 2}, {}, Dialect("keras-0.3"));
  EXPECT_EQ(plain[1],
            "No axes are given: the last axis of lhs is contracted with the last but one of rhs.");
  EXPECT_EQ(refusal_of([] {
              notation::batch_dot_notes({2, 3}, {2, 4}, 1, Dialect());
            }).code(),
            ErrorCode::kDim);
}

}  // namespace
}  // namespace batchdot
