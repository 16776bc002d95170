// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <string_view>

#include "batchdot/notation.h"

namespace batchdot {
namespace {

TEST(Axes, PrintAsTheyWereWritten) {
  const struct {
    Axes axes;
    std::string_view text;
  } kCases[] = {
      {{}, "none"},
      {2, "2"},
      {-1, "-1"},
      {{2, 1}, "[2, 1]"},
      {{{2}, {1}}, "[[2], [1]]"},
      {{1, {1, 2}}, "[1, [1, 2]]"},
      {Axes(std::vector<Axes::Entry>{}), "[]"},
      {Axes(std::vector<Axes::Entry>{3}), "[3]"},
  };
  for (const auto& c : kCases) EXPECT_EQ(to_string(c.axes), c.text);
}

TEST(Axes, OneIntIsNotAPair) {
  EXPECT_TRUE(Axes().is_none());
  EXPECT_EQ(Axes(2).single(), 2);
  EXPECT_FALSE(Axes(2) == (Axes{2, 2}));
  EXPECT_TRUE((Axes{{2}, {1}}).list()->front().is_nested());
}

}  // namespace
}  // namespace batchdot
