// SPDX-License-Identifier: Apache-2.0
#include "batchdot/contraction.h"

#include <gtest/gtest.h>

#include <set>
#include <string>
#include <vector>

#include "tests/conditions.h"
#include "tests/refusal.h"

namespace batchdot {
namespace {

// bij,bjk->bik with these shapes.
Contraction batched(const Shape& lhs, const Shape& rhs) {
  Contraction c;
  const Label b = add_label(c, lhs[0], "b"), i = add_label(c, lhs[1], "i");
  const Label j = add_label(c, lhs[2], "j"), k = add_label(c, rhs[2], "k");
  c.inputs = {{lhs, {b, i, j}, {}, false}, {rhs, {b, j, k}, {}, false}};
  c.output = {b, i, k};
  c.contracting_order = {j};
  return c;
}

TEST(Validate, TakesWhatMakesSense) {
  EXPECT_NO_THROW(validate(batched({2, 3, 4}, {2, 4, 5})));
  Contraction added = batched({2, 3, 4}, {2, 4, 5});
  add_output_label(added, 1);
  EXPECT_NO_THROW(validate(added));
}

TEST(Validate, RefusesTheRest) {
  const auto code = [](auto change) {
    Contraction c = batched({2, 3, 4}, {2, 4, 5});
    change(c);
    return refusal_of([&] { validate(c); }).code();
  };
  EXPECT_EQ(code([](Contraction& c) { c.inputs[0].labels[1] = 9; }), ErrorCode::kLabel);
  EXPECT_EQ(code([](Contraction& c) { c.output[0] = 9; }), ErrorCode::kLabel);
  EXPECT_EQ(code([](Contraction& c) { c.output[0] = c.output[1]; }), ErrorCode::kLabel);
  EXPECT_EQ(code([](Contraction& c) { c.inputs[0].labels.pop_back(); }), ErrorCode::kLabel);
  EXPECT_EQ(code([](Contraction& c) { add_output_label(c, 2); }), ErrorCode::kLabel);
  EXPECT_EQ(code([](Contraction& c) { c.contracting_order.clear(); }), ErrorCode::kLabel);
  EXPECT_EQ(code([](Contraction& c) { c.contracting_order.push_back(0); }), ErrorCode::kLabel);
  EXPECT_EQ(code([](Contraction& c) { c.inputs.clear(); }), ErrorCode::kLimit);
  EXPECT_EQ(code([](Contraction& c) { c.inputs.resize(Limits::kOperands + 1); }),
            ErrorCode::kLimit);
  EXPECT_EQ(code([](Contraction& c) { c.extents.resize(Limits::kLabels + 1); }), ErrorCode::kLimit);
}

TEST(DefaultContractingOrder, IsByFirstAppearance) {
  Contraction c;
  for (int i = 0; i < 5; ++i) add_label(c, 2);
  c.inputs = {{{2, 2, 2}, {3, 1, 3}, {}, false}, {{2, 2, 2}, {4, 1, 0}, {}, false}};
  c.output = {4};
  EXPECT_EQ(default_contracting_order(c), (Labels{3, 1, 0}));
}

TEST(UnifyLabel, RecordsWhatIsLeftOpen) {
  Contraction c = batched({{}, 3, 4}, {5, 4, 6});
  EXPECT_TRUE(unify_label(c, 0, {0, 0}, {1, 0}, UnifyRule::kMerge));
  EXPECT_EQ(conditions_of(c), "equal 0.0 1.0");
  EXPECT_EQ(result_shape(c), (Shape{5, 3, 6}));
  EXPECT_TRUE(c.inputs[0].may_broadcast.empty());

  Contraction stretched = batched({{}, 3, 4}, {5, 4, 6});
  EXPECT_TRUE(unify_label(stretched, 0, {0, 0}, {1, 0}, UnifyRule::kBroadcast));
  EXPECT_EQ(conditions_of(stretched), "one_or_equal 0.0 1.0");
  EXPECT_EQ(stretched.inputs[0].may_broadcast, (std::vector<bool>{true, false, false}));
  EXPECT_EQ(stretched.inputs[1].may_broadcast, (std::vector<bool>{true, false, false}));

  Contraction refused = batched({2, 3, 4}, {5, 4, 6});
  EXPECT_FALSE(unify_label(refused, 0, {0, 0}, {1, 0}, UnifyRule::kBroadcast));
  EXPECT_EQ(result_shape(refused), (Shape{2, 3, 6}));
  EXPECT_TRUE(refused.inputs[0].may_broadcast.empty());
  EXPECT_TRUE(refused.conditions.empty());
}

TEST(Names, OwnLettersComeFirstAndTheRestGetFreeOnes) {
  Contraction c = batched({2, 3, 4}, {2, 4, 5});
  EXPECT_EQ(to_equation(c), "bij,bjk->bik");
  c.names = {"batch", "", "a", "a"};  // no letter, nothing, a letter twice
  EXPECT_EQ(label_names(c), (std::vector<std::string>{"b", "c", "a", "d"}));
  EXPECT_EQ(to_equation(c), "bca,bad->bcd");
  c.names = {"\xC3(", "i", "\x80", "k"};  // no UTF-8: no letters
  EXPECT_EQ(label_names(c), (std::vector<std::string>{"a", "i", "b", "k"}));
  c.names = {"β", "i", "長", "k"};
  EXPECT_EQ(to_equation(c), "βi長,β長k->βik");
  add_output_label(c, 1);  // an axis that no operand has cannot be said in an equation
  EXPECT_EQ(to_equation(c), "βi長,β長k->βik");
}

TEST(Names, EveryLabelHasItsOwnBeyondTheAlphabet) {
  Contraction c;
  c.inputs.emplace_back();
  for (int i = 0; i < Limits::kLabels; ++i) add_label(c, 1);
  const std::vector<std::string> names = label_names(c);
  EXPECT_EQ(std::set<std::string>(names.begin(), names.end()).size(), names.size());
}

TEST(Names, ALabelWithoutAnExtentIsRefused) {
  Contraction c;
  c.inputs.emplace_back();
  c.output.push_back(999);
  EXPECT_EQ(refusal_of([&] { to_equation(c); }).code(), ErrorCode::kLabel);
  EXPECT_EQ(refusal_of([&] { result_shape(c); }).code(), ErrorCode::kLabel);
}

}  // namespace
}  // namespace batchdot
