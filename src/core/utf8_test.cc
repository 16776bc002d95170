// SPDX-License-Identifier: Apache-2.0
#include "src/core/utf8.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "batchdot/error.h"
#include "src/core/letters.h"

namespace batchdot {
namespace {

TEST(Utf8, ReadsWhatItWrote) {
  for (const char32_t code_point : {U'\0', U'a', U'\x7F', U'\x80', U'\u07FF', U'\u0800', U'\uD7FF',
                                    U'\uE000', U'\uFFFF', U'\U00010000', U'\U0010FFFF'}) {
    const std::string bytes = encode_utf8(code_point);
    const auto read = decode_utf8("x" + bytes + "y", 1);
    ASSERT_TRUE(read) << std::hex << static_cast<std::uint32_t>(code_point);
    EXPECT_EQ(read->code_point, code_point);
    EXPECT_EQ(read->bytes, bytes.size());
  }
}

TEST(Utf8, RefusesWhatIsNoUtf8) {
  const std::string_view kBad[] = {
      "\x80",              // a continuation byte alone
      "\xC3",              // cut
      "\xC3(",             // no continuation byte
      "\xE2\x82",          // cut after two of three
      "\xC0\xAF",          // '/' in two bytes
      "\xE0\x80\xAF",      // in three
      "\xF0\x80\x80\xAF",  // in four
      "\xED\xA0\x80",      // a surrogate
      "\xF4\x90\x80\x80",  // U+110000
      "\xF8\x88\x80\x80\x80",
      "\xFF",
  };
  for (const std::string_view bytes : kBad) {
    EXPECT_FALSE(decode_utf8(bytes, 0)) << quoted(bytes);
  }
}

TEST(Utf8, TellsLettersFromTheRest) {
  for (const char32_t letter :
       {U'a', U'z', U'A', U'Z', U'\u00AA', U'\u00B5', U'\u00DF', U'\u00F8', U'\u03B1', U'\u0416',
        U'\u05D0', U'\u0639', U'\u0915', U'\u2113', U'\u3042', U'\u4E2D', U'\uD55C', U'\U0001D44E',
        U'\U00020000',
        // Superscripts, subscripts and reversed C; accents in one piece.
        U'\u2071', U'\u207F', U'\u2090', U'\u209C', U'\u2183', U'\u2184', U'\u00E9', U'\u03AC'}) {
    EXPECT_TRUE(is_letter(letter)) << encode_utf8(letter);
  }
  for (const char32_t other :
       {U'\0', U' ', U'0', U'9', U'@', U'[', U'_', U'`', U'{', U'\x7F', U'\u0085', U'\u00A0',
        U'\u00B2', U'\u00D7', U'\u00F7', U'\u0301', U'\u200B', U'\u2026', U'\u202E', U'\u2192',
        U'\u2212', U'\u22C5', U'\u3000', U'\uE000', U'\uFE0F', U'\uFEFF', U'\uFF0C', U'\uFFFD',
        U'\U0001F600', U'\U000E0041', U'\U0010FFFF',
        // Digits, punctuation, signs and what turns text, of the scripts' own blocks.
        U'\u037E', U'\u0600', U'\u061C', U'\u0663', U'\u20AC', U'\u2140', U'\u2160', U'\uFF3B'}) {
    EXPECT_FALSE(is_letter(other)) << std::hex << static_cast<std::uint32_t>(other);
  }
}

TEST(Utf8, FindsEveryLetterOfTheTable) {
  const std::span<const LetterRange> ranges = letter_ranges();
  std::size_t letters = 0;
  auto range = ranges.begin();  // of the code point, or the next one
  for (char32_t code_point = 0; code_point <= 0x10FFFF; ++code_point) {
    const bool expected = range != ranges.end() && code_point >= range->first;
    ASSERT_EQ(is_letter(code_point), expected)
        << std::hex << static_cast<std::uint32_t>(code_point);
    letters += expected;
    if (expected && code_point == range->last) ++range;
  }
  EXPECT_EQ(letters, 131756u);  // of Unicode 14.0.0
}

TEST(Quoted, IsOneLineOfUtf8) {
  EXPECT_EQ(quoted("bij,bjk"), "'bij,bjk'");
  EXPECT_EQ(quoted("α→β"), "'α→β'");
  EXPECT_EQ(quoted(std::string_view("a\nb\0c\x7F", 6)), "'a\\x0ab\\x00c\\x7f'");
  EXPECT_EQ(quoted("a\xFFz"), "'a\\xffz'");
  EXPECT_EQ(quoted("a\u202Eb"), "'a\\xe2\\x80\\xaeb'");  // would turn the rest of the line around
}

TEST(Printable, ShowsNothingThatATerminalActsOn) {
  EXPECT_EQ(printable("a 'q' \\ α→β"), "a 'q' \\ α→β");
  EXPECT_EQ(printable("a\n\x1b[1m\x7f"), "a\\x0a\\x1b[1m\\x7f");
  EXPECT_EQ(printable("a\u0085\u009Bb"), "a\\xc2\\x85\\xc2\\x9bb");
  for (const std::string_view turning :
       {"\u061C", "\u200E", "\u200F", "\u202A", "\u202B", "\u202C", "\u202D", "\u202E", "\u2066",
        "\u2067", "\u2068", "\u2069", "\u2028", "\u2029"}) {
    EXPECT_TRUE(printable(turning).starts_with("\\x")) << printable(turning);
  }
  EXPECT_EQ(printable("a\xFF"), "a\\xff");
}

TEST(Quoted, ShowsALongTextAroundThePosition) {
  const std::string text = std::string(300, 'a') + "!" + std::string(300, 'b');
  EXPECT_EQ(quoted(text, 300, 10), "'[...]aaaaa!bbbb[...]'");
  EXPECT_EQ(quoted(text, 0, 10), "'aaaaaaaaaa[...]'");
  EXPECT_EQ(quoted(text, text.size(), 10), "'[...]bbbbb'");
  EXPECT_EQ(quoted(text, 9999, 10), "'[...]bbbbb'");
  const std::string greek = "ααααααααααβ";  // two bytes each: cut between characters only
  for (std::size_t position = 0; position <= greek.size(); ++position) {
    EXPECT_EQ(quoted(greek, position, 5).find('\\'), std::string::npos) << position;
  }
}

}  // namespace
}  // namespace batchdot
