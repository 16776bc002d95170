// SPDX-License-Identifier: Apache-2.0
#include "src/core/utf8.h"

#include <algorithm>
#include <iterator>
#include <span>

#include "batchdot/error.h"
#include "src/core/checked.h"
#include "src/core/letters.h"

namespace batchdot {

namespace {

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
  const std::span<const LetterRange> ranges = letter_ranges();
  const auto after = std::ranges::upper_bound(ranges, code_point, {}, &LetterRange::first);
  return after != ranges.begin() && code_point <= std::prev(after)->last;
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
