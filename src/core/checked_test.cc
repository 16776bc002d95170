// SPDX-License-Identifier: Apache-2.0
#include "src/core/checked.h"

#include <gtest/gtest.h>

#include <limits>
#include <vector>

#include "src/core/axis.h"
#include "src/core/text.h"
#include "tests/refusal.h"

namespace batchdot {
namespace {

constexpr std::int64_t kMost = std::numeric_limits<std::int64_t>::max();
constexpr std::int64_t kLeast = std::numeric_limits<std::int64_t>::min();

TEST(Checked, SaysWhenItOverflows) {
  EXPECT_EQ(checked_multiply(3, -4), -12);
  EXPECT_EQ(checked_multiply(kMost, 1), kMost);
  EXPECT_FALSE(checked_multiply(kMost, 2));
  EXPECT_FALSE(checked_multiply(kLeast, -1));
  EXPECT_EQ(checked_multiply(std::int64_t{1} << 31, std::int64_t{1} << 31), std::int64_t{1} << 62);
  EXPECT_FALSE(checked_multiply(std::int64_t{1} << 32, std::int64_t{1} << 31));
  EXPECT_EQ(checked_add(kMost, -1), kMost - 1);
  EXPECT_FALSE(checked_add(kMost, 1));
  EXPECT_FALSE(checked_add(kLeast, -1));
}

TEST(Checked, AProductOfExtents) {
  const auto product = [](std::initializer_list<std::int64_t> extents) {
    return checked_product("test", Extents(extents));
  };
  EXPECT_EQ(product({}), 1);
  EXPECT_EQ(product({2, 3, 4}), 24);
  EXPECT_EQ(product({kMost}), kMost);
  EXPECT_EQ(product({kMost, kMost, 0}), 0);  // nothing there, whatever the rest
  EXPECT_EQ(product({0, kMost, kMost}), 0);
  const Error error = refusal_of([&] { product({kMost, 2}); });
  EXPECT_EQ(error.code(), ErrorCode::kOverflow);
  EXPECT_EQ(error.message(), "test: more than 2^63 - 1 elements: extents (9223372036854775807, 2)");
}

TEST(Axis, IsCountedFromTheFront) {
  EXPECT_EQ(axis_from_front(0, 3), 0);
  EXPECT_EQ(axis_from_front(2, 3), 2);
  EXPECT_EQ(axis_from_front(-1, 3), 2);
  EXPECT_EQ(axis_from_front(-3, 3), 0);
  EXPECT_FALSE(axis_from_front(3, 3));
  EXPECT_FALSE(axis_from_front(-4, 3));  // once, not modulo the rank
  EXPECT_FALSE(axis_from_front(0, 0));
  EXPECT_FALSE(axis_from_front(kMost, 64));
  EXPECT_FALSE(axis_from_front(kLeast, 64));
}

TEST(Text, PutsPartsTogether) {
  EXPECT_EQ(text("axis ", 3, ' ', std::string("of "), Dim("B"), Shape{2, {}}, Extents{4}),
            "axis 3 of B(2, ?)(4,)");
  EXPECT_EQ(text(Strides{-3, 0, 1}, Extents{}), "(-3, 0, 1)()");
  EXPECT_EQ(text(kLeast, ' ', std::size_t{0}), "-9223372036854775808 0");
}

TEST(Text, OperandsAreCalledAsPeopleCallThem) {
  EXPECT_EQ(operand_name(0, 1), "operand");
  EXPECT_EQ(operand_name(0, 2), "lhs");
  EXPECT_EQ(operand_name(1, 2), "rhs");
  EXPECT_EQ(operand_name(2, 3), "operand 2");
}

TEST(Text, ListsAreJoined) {
  EXPECT_EQ(joined(std::vector<std::string>{}, ", "), "");
  EXPECT_EQ(joined(std::vector<std::string>{"", "b", ""}, ","), ",b,");
  EXPECT_EQ(joined(std::vector<std::int64_t>{2, -1}, ", "), "2, -1");
  EXPECT_EQ(listed({}), "");
  EXPECT_EQ(listed({"a"}), "a");
  EXPECT_EQ(listed({"a", "b"}), "a and b");
  EXPECT_EQ(listed({"a", "b", "c"}), "a, b and c");
}

TEST(Text, NumbersAreAsShortAsPeopleWriteThem) {
  EXPECT_EQ(shortest(1e-7), "1e-7");
  EXPECT_EQ(shortest(1e-12), "1e-12");
  EXPECT_EQ(shortest(1e300), "1e+300");
  EXPECT_EQ(shortest(0.5), "0.5");
  EXPECT_EQ(shortest(-3), "-3");
}

TEST(Text, DistanceCountsEdits) {
  EXPECT_EQ(edit_distance("", ""), 0u);
  EXPECT_EQ(edit_distance("", "abc"), 3u);
  EXPECT_EQ(edit_distance("shape", "shpe"), 1u);
  EXPECT_EQ(edit_distance("batch_dot", "batchdot"), 1u);
  EXPECT_EQ(edit_distance("kitten", "sitting"), 3u);
  EXPECT_EQ(edit_distance("Shape", "sHPE"), 1u);
}

TEST(Error, EveryCodeHasItsRow) {
  EXPECT_EQ(error_codes().size(), static_cast<std::size_t>(ErrorCode::kInternal) + 1);
  for (const ErrorCodeInfo& row : error_codes()) {
    EXPECT_EQ(&info(row.code), &row);
    EXPECT_FALSE(row.name.empty());
    EXPECT_FALSE(row.when.empty());
    EXPECT_GT(row.exit_code, 0) << row.name;
  }
}

}  // namespace
}  // namespace batchdot
