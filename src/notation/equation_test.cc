// SPDX-License-Identifier: Apache-2.0
#include "src/notation/equation.h"

#include <gtest/gtest.h>

#include <string>
#include <string_view>

#include "batchdot/shape.h"
#include "src/core/utf8.h"
#include "tests/refusal.h"

namespace batchdot::notation {
namespace {

std::string spelled(const EquationTerm& term) {
  std::string out;
  for (std::size_t i = 0; i <= term.letters.size(); ++i) {
    if (term.ellipsis == i) out += "...";
    if (i < term.letters.size()) out += encode_utf8(term.letters[i].code_point);
  }
  return out;
}

std::string spelled(const Equation& equation) {
  std::string out;
  for (const EquationTerm& term : equation.operands)
    out += (out.empty() ? "" : ",") + spelled(term);
  return out + (equation.is_implicit ? "=>" : "->") + spelled(equation.output);
}

TEST(Equation, IsReadAsTyped) {
  const struct {
    std::string_view text, meaning;  // "=>": the output is not typed
  } kCases[] = {
      {"bij,bjk->bik", "bij,bjk->bik"},
      {"bij,bjk=bik", "bij,bjk->bik"},
      {"bij,bjk\u2192bik", "bij,bjk->bik"},
      {"  b i j ,\tbjk  ->\n b i k ", "bij,bjk->bik"},
      {"ij,jk", "ij,jk=>ik"},
      {"ba", "ba=>ab"},           // by code point, not as typed
      {"bA", "bA=>Ab"},           // capitals come first
      {"ii", "ii=>"},             // twice in one operand is twice
      {"ij,ij,k", "ij,ij,k=>k"},  // twice anywhere is twice
      {"i...,...j", "i...,...j=>...ij"},
      {"...", "...=>..."},
      {"zα", "zα=>zα"},
      {"βα,βγ", "βα,βγ=>αγ"},
      {"i->...i", "i->...i"},
      {"", "=>"},
      {"->", "->"},
      {"i,", "i,=>i"},  // the second operand is a scalar
      {"ij->", "ij->"},
  };
  for (const auto& c : kCases) EXPECT_EQ(spelled(read_equation(c.text)), c.meaning) << c.text;
}

TEST(Equation, KnowsWhereItsLettersStand) {
  const Equation equation = read_equation(" αb , c=");
  EXPECT_EQ(equation.operands[0].letters[0].position, 1u);
  EXPECT_EQ(equation.operands[0].letters[1].position, 3u);  // α takes two bytes
  EXPECT_EQ(equation.operands[1].letters[0].position, 7u);
}

TEST(Equation, RefusesWhatItCannotReadAndSaysWhere) {
  const struct {
    std::string_view text;
    ErrorCode code;
    std::size_t position;
    std::string_view says;
  } kCases[] = {
      {"bij,bjk-", ErrorCode::kSyntax, 7, "cut at '>'"},
      {"bij,bjk - ", ErrorCode::kSyntax, 8, "type '=' for '->'"},
      {"-", ErrorCode::kSyntax, 0, "cut at '>'"},
      {"ij-ji", ErrorCode::kSyntax, 2, "'-' without '>'"},
      {"ij>ji", ErrorCode::kSyntax, 2, "'>' without '-'"},
      {"ij->j->i", ErrorCode::kSyntax, 5, "second arrow"},
      {"ij->j=", ErrorCode::kSyntax, 5, "second arrow"},
      {"ij->j-", ErrorCode::kSyntax, 5, "second arrow"},
      {"ij->i,j", ErrorCode::kSyntax, 5, "an output is one term"},
      {"i.j", ErrorCode::kSyntax, 1, "'.' stands only in '...'"},
      {"i..j", ErrorCode::kSyntax, 1, "'.' stands only in '...'"},
      {"....", ErrorCode::kSyntax, 3, "'.' stands only in '...'"},
      {". . .", ErrorCode::kSyntax, 0, "'.' stands only in '...'"},
      {"...i...", ErrorCode::kSyntax, 4, "a second '...'"},
      {"i,j=......", ErrorCode::kSyntax, 7, "a second '...'"},
      {"i1", ErrorCode::kSyntax, 1, "'1' is no label"},
      {"i_", ErrorCode::kSyntax, 1, "'_' is no label"},
      {"i\u00D7j", ErrorCode::kSyntax, 1, "'\u00D7' is no label"},
      {"i\u200Bj", ErrorCode::kSyntax, 1, "is no label"},  // a space that nobody sees
      {"i\xFFj", ErrorCode::kSyntax, 1, "not UTF-8"},
      {"i\xE2\x86", ErrorCode::kSyntax, 1, "not UTF-8"},  // an arrow cut short
      {"ij->ik", ErrorCode::kLabel, 5, "'k' is in no operand"},
      {"ij->iji", ErrorCode::kLabel, 6, "'i' stands twice in the output"},
      {"ij->\u03B1", ErrorCode::kLabel, 4, "'\u03B1' is in no operand"},
  };
  for (const auto& c : kCases) {
    const Error error = refusal_of([&] { read_equation(c.text); });
    EXPECT_EQ(error.code(), c.code) << c.text;
    EXPECT_EQ(error.place().position, c.position) << error.message();
    EXPECT_NE(error.message().find(c.says), std::string::npos) << error.message();
    EXPECT_EQ(error.message().find('\n'), std::string::npos) << error.message();
  }
}

TEST(Equation, KeepsToTheLimits) {
  EXPECT_EQ(read_equation(std::string(Limits::kOperands - 1, ',')).operands.size(),
            static_cast<std::size_t>(Limits::kOperands));
  EXPECT_EQ(refusal_of([] { read_equation(std::string(Limits::kOperands, ',')); }).code(),
            ErrorCode::kLimit);
  EXPECT_EQ(read_equation(std::string(Limits::kTextBytes, ' ')).operands.size(), 1u);
  EXPECT_EQ(refusal_of([] { read_equation(std::string(Limits::kTextBytes + 1, ' ')); }).code(),
            ErrorCode::kLimit);
}

}  // namespace
}  // namespace batchdot::notation
