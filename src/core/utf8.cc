// SPDX-License-Identifier: Apache-2.0
#include "src/core/utf8.h"

#include <algorithm>

#include "batchdot/error.h"
#include "src/core/checked.h"

namespace batchdot {

namespace {

struct Range {
  char32_t first, last;
};

// From U+00AA on. Names of blocks as the Unicode standard has them.
constexpr Range kNoLetters[] = {
    {0x00AB, 0x00B4},    {0x00B6, 0x00B9}, {0x00BB, 0x00BF},  // Latin-1 punctuation and signs
    {0x00D7, 0x00D7},    {0x00F7, 0x00F7},                    // multiplication and division signs
    {0x0300, 0x036F},                                         // combining diacritical marks
    {0x1680, 0x1680},    {0x180B, 0x180F},                    // spaces and invisible separators
    {0x2000, 0x20FF},  // general punctuation, super- and subscripts, currency, marks for symbols
    {0x2150, 0x2BFF},  // number forms, arrows, mathematical operators, technical, shapes, dingbats
    {0x2E00, 0x2E7F},    {0x3000, 0x3004}, {0x3008, 0x3030},  // punctuation, CJK punctuation
    {0xD800, 0xF8FF},                                         // surrogates, private use
    {0xFE00, 0xFE6F},    {0xFEFF, 0xFEFF},  // variation selectors, half marks, small forms, BOM
    {0xFF00, 0xFF20},    {0xFFE0, 0xFFFF},  // fullwidth punctuation and signs, specials
    {0x1F000, 0x1FAFF},                     // pictures
    {0xE0000, 0x10FFFF},                    // tags, private use
};

bool continues(std::string_view text, std::size_t position) {
  return position < text.size() && (static_cast<unsigned char>(text[position]) & 0xC0) == 0x80;
}

bool prints(char32_t code_point) {
  const bool control = code_point < 0x20 || (code_point >= 0x7F && code_point < 0xA0);
  const bool breaks_line = code_point == 0x2028 || code_point == 0x2029;
  // What changes the direction of text could make a message say something else than it holds.
  const bool turns = code_point == 0x061C || (code_point >= 0x200E && code_point <= 0x200F) ||
                     (code_point >= 0x202A && code_point <= 0x202E) ||
                     (code_point >= 0x2066 && code_point <= 0x2069);
  return !control && !breaks_line && !turns;
}

}  // namespace

std::optional<Utf8Character> decode_utf8(std::string_view text, std::size_t position) {
  const auto lead = static_cast<unsigned char>(text[position]);
  if (lead < 0x80) return Utf8Character{lead, 1};
  const std::size_t bytes = lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : 2;
  if (lead < 0xC2 || lead > 0xF4) return std::nullopt;  // C0, C1 would be overlong
  char32_t code_point = lead & (0xFF >> (bytes + 1));
  for (std::size_t i = 1; i < bytes; ++i) {
    if (!continues(text, position + i)) return std::nullopt;
    code_point = (code_point << 6) | (static_cast<unsigned char>(text[position + i]) & 0x3F);
  }
  constexpr char32_t kSmallest[] = {0, 0, 0x80, 0x800, 0x10000};
  if (code_point < kSmallest[bytes] || code_point > 0x10FFFF) return std::nullopt;
  if (code_point >= 0xD800 && code_point <= 0xDFFF) return std::nullopt;
  return Utf8Character{code_point, bytes};
}

std::string encode_utf8(char32_t code_point) {
  BATCHDOT_ASSERT(code_point <= 0x10FFFF && (code_point < 0xD800 || code_point > 0xDFFF));
  std::string out;
  const auto continuation = [&](int shift) {
    out += static_cast<char>(0x80 | ((code_point >> shift) & 0x3F));
  };
  if (code_point < 0x80) {
    out += static_cast<char>(code_point);
  } else if (code_point < 0x800) {
    out += static_cast<char>(0xC0 | (code_point >> 6));
    continuation(0);
  } else if (code_point < 0x10000) {
    out += static_cast<char>(0xE0 | (code_point >> 12));
    continuation(6);
    continuation(0);
  } else {
    out += static_cast<char>(0xF0 | (code_point >> 18));
    continuation(12);
    continuation(6);
    continuation(0);
  }
  return out;
}

bool is_letter(char32_t code_point) {
  if (code_point < 0x80) {
    return (code_point >= 'a' && code_point <= 'z') || (code_point >= 'A' && code_point <= 'Z');
  }
  if (code_point < 0xAA) return false;
  return std::none_of(std::begin(kNoLetters), std::end(kNoLetters), [&](const Range& range) {
    return code_point >= range.first && code_point <= range.last;
  });
}

std::string quoted(std::string_view text, std::size_t position, std::size_t max_bytes) {
  std::size_t begin = 0;
  std::size_t end = text.size();
  if (text.size() > max_bytes) {
    begin = position > max_bytes / 2 ? std::min(position, text.size()) - max_bytes / 2 : 0;
    end = std::min(text.size(), begin + max_bytes);
    // Never between the bytes of one character, three at most.
    for (int i = 0; i < 3 && begin > 0 && continues(text, begin); ++i) --begin;
    for (int i = 0; i < 3 && continues(text, end); ++i) ++end;
  }
  return (begin > 0 ? "'[...]" : "'") + printable(text.substr(begin, end - begin)) +
         (end < text.size() ? "[...]'" : "'");
}

inline namespace v0 {

std::string printable(std::string_view text) {
  constexpr char kHex[] = "0123456789abcdef";
  std::string out;
  for (std::size_t at = 0; at < text.size();) {
    const auto character = decode_utf8(text, at);
    const std::size_t bytes = character ? character->bytes : 1;
    if (character && prints(character->code_point)) {
      out += text.substr(at, bytes);
    } else {
      for (std::size_t i = 0; i < bytes; ++i) {
        const auto byte = static_cast<unsigned char>(text[at + i]);
        out += "\\x";
        out += kHex[byte >> 4];
        out += kHex[byte & 15];
      }
    }
    at += bytes;
  }
  return out;
}

}  // namespace v0

}  // namespace batchdot
