// SPDX-License-Identifier: Apache-2.0
#include "batchdot/shape.h"

#include <gtest/gtest.h>

#include <string>
#include <string_view>

#include "tests/refusal.h"

namespace batchdot {
namespace {

TEST(ParseShape, ReadsAShapeAsPeopleTypeIt) {
  const struct {
    std::string_view text;
    Shape shape;
  } kCases[] = {
      {"B,36,8,24", {"B", 36, 8, 24}},
      {"_,36", {Dim(), 36}},
      {"?,36", {Dim(), 36}},
      {"(None, 36, 8, 24)", {Dim(), 36, 8, 24}},
      {"[36,8,24]", {36, 8, 24}},
      {"[null, 3]", {Dim(), 3}},
      {"(5,)", {5}},
      {"5,", {5}},
      {"5", {5}},
      {"()", {}},
      {"[]", {}},
      {"scalar", {}},
      {" ( 2 , 3 ) ", {2, 3}},
      {"0,9223372036854775807", {0, 9223372036854775807}},
      {"_heads,T2", {"_heads", "T2"}},
      {"β,größe,長さ", {"β", "größe", "長さ"}},
  };
  for (const auto& c : kCases) EXPECT_EQ(parse_shape(c.text), c.shape) << c.text;
}

TEST(ParseShape, RefusesTheRestAndSaysWhere) {
  const struct {
    std::string_view text;
    ErrorCode code;
    std::size_t position;
  } kCases[] = {
      {"", ErrorCode::kSyntax, 0},         {"2,,3", ErrorCode::kSyntax, 2},
      {"2,3)", ErrorCode::kSyntax, 3},     {"(2,3", ErrorCode::kSyntax, 4},
      {"(2,3]", ErrorCode::kSyntax, 4},    {"(2) 3", ErrorCode::kSyntax, 4},
      {"-1,3", ErrorCode::kSyntax, 0},     {"2.5", ErrorCode::kSyntax, 1},
      {"2x", ErrorCode::kSyntax, 1},       {"2 3", ErrorCode::kSyntax, 2},
      {"B\xFF", ErrorCode::kSyntax, 1},    {"\xC3", ErrorCode::kSyntax, 0},
      {"2\xA0", ErrorCode::kSyntax, 1},    {"B×T", ErrorCode::kSyntax, 1},
      {"a\u200Bb", ErrorCode::kSyntax, 1},
  };
  for (const auto& c : kCases) {
    const Error error = refusal_of([&] { parse_shape(c.text); });
    EXPECT_EQ(error.code(), c.code) << error.message();
    EXPECT_EQ(error.place().position, c.position) << error.message();
  }
  EXPECT_EQ(refusal_of([] { parse_shape("9223372036854775808"); }).code(), ErrorCode::kOverflow);
  std::string ones = "1";
  for (int axis = 1; axis < Limits::kRank; ++axis) ones += ",1";
  EXPECT_EQ(parse_shape(ones).rank(), Limits::kRank);
  EXPECT_EQ(refusal_of([&] { parse_shape(ones + ",1"); }).code(), ErrorCode::kLimit);
}

TEST(Dim, NameIsAWord) {
  EXPECT_EQ(Dim("größe").name(), "größe");
  for (const std::string_view name : {"", "_", "2T", "a b", "a-b", "\xFF", "a\xE2\x86", "×"}) {
    EXPECT_EQ(refusal_of([&] { Dim{name}; }).code(), ErrorCode::kSyntax) << name;
  }
}

}  // namespace
}  // namespace batchdot
