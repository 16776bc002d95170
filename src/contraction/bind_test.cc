// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include "batchdot/contraction.h"
#include "tests/refusal.h"

namespace batchdot {
namespace {

// bij,bjk->bik; b as `rule` says, j merged.
Contraction declared(const Shape& lhs, const Shape& rhs, UnifyRule rule) {
  Contraction c;
  const Label b = add_label(c, lhs[0], "b"), i = add_label(c, lhs[1], "i");
  const Label j = add_label(c, lhs[2], "j"), k = add_label(c, rhs[2], "k");
  c.inputs = {{lhs, {b, i, j}, {}, false}, {rhs, {b, j, k}, {}, false}};
  c.output = {b, i, k};
  c.contracting_order = {j};
  EXPECT_TRUE(unify_label(c, b, {0, 0}, {1, 0}, rule));
  EXPECT_TRUE(unify_label(c, j, {0, 2}, {1, 1}, UnifyRule::kMerge));
  return c;
}

Contraction bound(const Contraction& c, const std::vector<Extents>& extents) {
  return batchdot::bind(c, extents);
}
std::string bound_shape(const Contraction& c, const std::vector<Extents>& extents) {
  return to_string(result_shape(bound(c, extents)));
}

TEST(Bind, PutsExtentsInTheirPlaces) {
  const Contraction c = declared({{}, {}, "K"}, {{}, "K", 5}, UnifyRule::kMerge);
  const Contraction now = bound(c, {{2, 3, 4}, {2, 4, 5}});
  EXPECT_EQ(result_shape(now), (Shape{2, 3, 5}));
  EXPECT_EQ(now.inputs[0].shape, (Shape{2, 3, 4}));
  EXPECT_EQ(now.extents[2], Dim(4));
  EXPECT_EQ(now.contracting_order, c.contracting_order);
  // Bound again with the same extents it is what it was.
  EXPECT_EQ(result_shape(bound(now, {{2, 3, 4}, {2, 4, 5}})), result_shape(now));
}

TEST(Bind, AnAxisThatMayStretchDoes) {
  const Contraction c = declared({{}, 3, 4}, {{}, 4, 5}, UnifyRule::kBroadcast);
  EXPECT_EQ(bound_shape(c, {{1, 3, 4}, {7, 4, 5}}), "(7, 3, 5)");
  EXPECT_EQ(bound_shape(c, {{7, 3, 4}, {1, 4, 5}}), "(7, 3, 5)");
  EXPECT_EQ(bound_shape(c, {{1, 3, 4}, {1, 4, 5}}), "(1, 3, 5)");
  EXPECT_EQ(bound_shape(c, {{0, 3, 4}, {1, 4, 5}}), "(0, 3, 5)");
}

TEST(Bind, AnAxisThatWasMergedDoesNotStretchBecauseItIs1Now) {
  const Contraction c = declared({{}, 3, 4}, {{}, 4, 5}, UnifyRule::kMerge);
  const Error error = refusal_of([&] { bound(c, {{1, 3, 4}, {7, 4, 5}}); });
  EXPECT_EQ(error.code(), ErrorCode::kCondition);
  EXPECT_EQ(place_of(error), "0.0=1 1.0=7");
}

TEST(Bind, AConditionThatFailsNamesBothSides) {
  const struct {
    UnifyRule rule;
    Shape lhs, rhs;
    std::vector<Extents> extents;
    ErrorCode code;
    std::string_view place;
  } kCases[] = {
      {UnifyRule::kMerge,
       {{}, 3, 4},
       {{}, 4, 5},
       {{2, 3, 4}, {3, 4, 5}},
       ErrorCode::kCondition,
       "0.0=2 1.0=3"},
      {UnifyRule::kBroadcast,
       {{}, 3, 4},
       {{}, 4, 5},
       {{2, 3, 4}, {3, 4, 5}},
       ErrorCode::kCondition,
       "0.0=2 1.0=3"},
      {UnifyRule::kMerge,
       {2, 3, {}},
       {2, {}, 5},
       {{2, 3, 4}, {2, 1, 5}},
       ErrorCode::kCondition,
       "0.2=4 1.1=1"},
      // One name, two extents.
      {UnifyRule::kMerge,
       {"B", 3, 4},
       {"B", 4, 5},
       {{2, 3, 4}, {3, 4, 5}},
       ErrorCode::kCondition,
       "0.0=2 1.0=3"},
      {UnifyRule::kMerge,
       {"B", "B", 4},
       {"B", 4, 5},
       {{2, 3, 4}, {2, 4, 5}},
       ErrorCode::kCondition,
       "0.0=2 0.1=3"},
      // What was declared as a number is that number.
      {UnifyRule::kBroadcast,
       {1, 3, 4},
       {{}, 4, 5},
       {{7, 3, 4}, {7, 4, 5}},
       ErrorCode::kFeed,
       "0.0=7 ?=1"},
      {UnifyRule::kMerge,
       {{}, 3, 4},
       {{}, 4, 5},
       {{2, 3, 4}, {2, 4, 6}},
       ErrorCode::kFeed,
       "1.2=6 ?=5"},
      {UnifyRule::kMerge, {{}, 3, 4}, {{}, 4, 5}, {{2, 3}, {2, 4, 5}}, ErrorCode::kFeed, "0"},
      {UnifyRule::kMerge, {{}, 3, 4}, {{}, 4, 5}, {{2, 3, 4}}, ErrorCode::kFeed, ""},
  };
  for (const auto& row : kCases) {
    const Contraction c = declared(row.lhs, row.rhs, row.rule);
    const Error error = refusal_of([&] { bound(c, row.extents); });
    EXPECT_EQ(error.code(), row.code) << error.what();
    EXPECT_EQ(place_of(error), row.place) << error.what();
    const ErrorPlace& place = error.place();
    EXPECT_NE(error.message().find(place.extent), std::string::npos) << error.what();
    EXPECT_NE(error.message().find(place.other_extent), std::string::npos) << error.what();
  }
}

TEST(Bind, ChecksWhatUnifyNeverAsks) {
  Contraction c = declared({{}, 3, 4}, {{}, 4, 5}, UnifyRule::kMerge);
  Condition one;
  one.kind = ConditionKind::kIsOne;
  one.lhs = {0, 0};
  c.conditions.push_back(one);
  EXPECT_EQ(bound_shape(c, {{1, 3, 4}, {1, 4, 5}}), "(1, 3, 5)");
  EXPECT_EQ(place_of(refusal_of([&] { bound(c, {{2, 3, 4}, {2, 4, 5}}); })), "0.0=2");

  Condition& divides = c.conditions.back();
  divides.kind = ConditionKind::kDivides;
  divides.divisor = 4;
  EXPECT_EQ(bound_shape(c, {{8, 3, 4}, {8, 4, 5}}), "(8, 3, 5)");
  EXPECT_EQ(bound_shape(c, {{0, 3, 4}, {0, 4, 5}}), "(0, 3, 5)");
  const Error error = refusal_of([&] { bound(c, {{6, 3, 4}, {6, 4, 5}}); });
  EXPECT_EQ(error.code(), ErrorCode::kCondition);
  EXPECT_NE(error.message().find("multiple of 4"), std::string::npos) << error.what();
}

// docs/semantics.md, empty tensors: zeros in both parts of what is reshaped, and none elsewhere.
TEST(Bind, ReshapeFailsOnlyWhereTheProductHasElementsAndTheTargetNone) {
  Contraction c = declared({{}, {}, {}}, {{}, {}, {}}, UnifyRule::kMerge);
  Condition reshape;
  reshape.kind = ConditionKind::kReshape;
  reshape.lhs = {0, 0};
  reshape.kept = {2};
  reshape.flattened = {1};
  reshape.others = {0, 3};
  c.conditions.push_back(reshape);
  const auto is_refused = [&](std::int64_t b, std::int64_t i, std::int64_t j, std::int64_t k) {
    try {
      bound(c, {{b, i, j}, {b, j, k}});
      return false;
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::kEmptyReshape);
      EXPECT_EQ(place_of(error), "0.2=0");
      return true;
    }
  };
  EXPECT_TRUE(is_refused(2, 0, 0, 5));
  EXPECT_FALSE(is_refused(2, 3, 0, 5));
  EXPECT_FALSE(is_refused(2, 0, 4, 5));
  EXPECT_FALSE(is_refused(0, 0, 0, 5));
  EXPECT_FALSE(is_refused(2, 0, 0, 0));
}

}  // namespace
}  // namespace batchdot
