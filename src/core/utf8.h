// SPDX-License-Identifier: Apache-2.0
#pragma once
// Text as people type it: UTF-8 read strictly, letters told from the rest, text put safely into a
// message.

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace batchdot {

/// One character of a text.
struct Utf8Character {
  char32_t code_point = 0;
  std::size_t bytes = 0;
};

/// The character that begins at `position`.
/// \return  nothing if the bytes there are no UTF-8: a stray or missing continuation byte, an
/// overlong
///          form, a surrogate, a number above U+10FFFF.
/// \pre position < text.size()
std::optional<Utf8Character> decode_utf8(std::string_view text, std::size_t position);

/// The UTF-8 of one code point. \pre it is no surrogate and at most U+10FFFF.
std::string encode_utf8(char32_t code_point);

/// True for the letters of Unicode 14.0, which may stand for a label: general categories Lu, Ll,
/// Lt, Lm and Lo. No digit, mark, punctuation, sign or invisible character is one, of whatever
/// script.
bool is_letter(char32_t code_point);

/// 'text' for a message, as printable() shows it; of a text over `max_bytes` only the part around
/// `position`, with "[...]" where it is cut.
std::string quoted(std::string_view text, std::size_t position = 0, std::size_t max_bytes = 200);

}  // namespace batchdot
