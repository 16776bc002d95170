// SPDX-License-Identifier: Apache-2.0
#include "src/operation/json_reader.h"

#include "batchdot/error.h"
#include "src/core/checked.h"
#include "src/core/json_text.h"
#include "src/core/text.h"
#include "src/core/utf8.h"

namespace batchdot::operation {

namespace {

constexpr int kDepth = 64;  // of arrays and objects inside each other; a problem needs four

bool is_digit(char c) { return c >= '0' && c <= '9'; }

}  // namespace

void JsonReader::fail(std::string_view why) const {
  ErrorPlace place;
  place.position = at_;
  throw Error(ErrorCode::kSyntax,
              text("problem: ", why, " at position ", at_, ": ", quoted(text_, at_)), place);
}

void JsonReader::skip_spaces() {
  while (here() == ' ' || here() == '\t' || here() == '\r' || here() == '\n') ++at_;
}

char JsonReader::peek() {
  skip_spaces();
  return here();
}

bool JsonReader::take(char c) {
  if (peek() != c || at_end()) return false;
  ++at_;
  return true;
}

void JsonReader::expect(char c) {
  if (!take(c)) fail(text(at_end() ? "the text ends, expected '" : "expected '", c, "'"));
}

bool JsonReader::take_word(std::string_view word) {
  skip_spaces();
  if (text_.substr(at_, word.size()) != word) return false;
  at_ += word.size();
  return true;
}

std::uint32_t JsonReader::read_hex() {
  std::uint32_t value = 0;
  for (int i = 0; i < 4; ++i, ++at_) {
    const char c = here();
    const int digit = is_digit(c)            ? c - '0'
                      : c >= 'a' && c <= 'f' ? c - 'a' + 10
                      : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                             : -1;
    if (digit < 0) fail("expected four hexadecimal digits");
    value = value * 16 + static_cast<std::uint32_t>(digit);
  }
  return value;
}

void JsonReader::read_escape(std::string& out) {
  constexpr std::string_view kEscapes = "\"\\/bfnrt";
  constexpr std::string_view kMeanings = "\"\\/\b\f\n\r\t";
  const char c = here();
  if (const std::size_t i = kEscapes.find(c); i != std::string_view::npos && !at_end()) {
    out += kMeanings[i];
    ++at_;
    return;
  }
  if (c != 'u') fail("no such escape");
  ++at_;
  std::uint32_t code_point = read_hex();
  if (code_point >= 0xD800 && code_point < 0xDC00 && text_.substr(at_, 2) == "\\u") {
    at_ += 2;
    const std::uint32_t low = read_hex();
    if (low < 0xDC00 || low > 0xDFFF) fail("expected the second half of a surrogate pair");
    code_point = 0x10000 + ((code_point - 0xD800) << 10) + (low - 0xDC00);
  }
  if (code_point >= 0xD800 && code_point < 0xE000) fail("half of a surrogate pair stands alone");
  out += encode_utf8(code_point);
}

std::string JsonReader::read_string() {
  expect('"');
  std::string out;
  while (true) {
    const std::size_t begin = at_;
    while (!at_end() && here() != '"' && here() != '\\' &&
           static_cast<unsigned char>(here()) >= 0x20) {
      if (static_cast<unsigned char>(here()) < 0x80) {
        ++at_;
      } else {
        const auto character = decode_utf8(text_, at_);
        if (!character) fail("no UTF-8");
        at_ += character->bytes;
      }
    }
    out += text_.substr(begin, at_ - begin);
    if (at_end()) fail("the text ends inside a string");
    if (here() == '"') {
      ++at_;
      return out;
    }
    if (here() != '\\') fail("a control character stands in a string");
    ++at_;
    read_escape(out);
  }
}

std::optional<std::int64_t> JsonReader::read_integer() {
  skip_spaces();
  const std::size_t begin = at_;
  const bool negative = here() == '-';
  if (negative) ++at_;
  if (!is_digit(here())) fail("expected a number");
  if (here() == '0' && at_ + 1 < text_.size() && is_digit(text_[at_ + 1])) {
    fail("a number does not begin with 0");
  }
  std::optional<std::int64_t> value = 0;
  for (; is_digit(here()); ++at_) {
    if (value) value = checked_multiply(*value, 10);
    if (value) value = checked_add(*value, here() - '0');
  }
  bool is_whole = true;
  if (here() == '.') {
    is_whole = false;
    ++at_;
    if (!is_digit(here())) fail("expected a digit");
    while (is_digit(here())) ++at_;
  }
  if (here() == 'e' || here() == 'E') {
    is_whole = false;
    ++at_;
    if (here() == '+' || here() == '-') ++at_;
    if (!is_digit(here())) fail("expected a digit");
    while (is_digit(here())) ++at_;
  }
  if (!is_whole) return std::nullopt;
  if (!value) {
    ErrorPlace place;
    place.position = begin;
    throw Error(ErrorCode::kOverflow,
                text("problem: a number of more than 64 bits at position ", begin, ": ",
                     quoted(text_, begin)),
                place);
  }
  return negative ? -*value : *value;
}

std::string_view JsonReader::skip_value() {
  skip_spaces();
  const std::size_t begin = at_;
  std::string closers;  // of the arrays and objects that are open
  do {
    const char c = peek();
    if (!closers.empty() && c == closers.back()) {
      ++at_;
      closers.pop_back();
    } else if (c == '[' || c == '{') {
      ++at_;
      closers += c == '[' ? ']' : '}';
      if (closers.size() > kDepth) fail("arrays are nested too deep");
      if (take(closers.back())) {
        closers.pop_back();
      } else {
        if (c == '{') {
          read_string();
          expect(':');
        }
        continue;  // the first element
      }
    } else if (c == '"') {
      read_string();
    } else if (c == '-' || is_digit(c)) {
      // The value is read again, and refused then, by whoever knows what it is for.
      while (is_digit(here()) || std::string_view("+-.eE").find(here()) < 5) {
        ++at_;
        if (at_end()) break;
      }
    } else if (!take_word("null") && !take_word("true") && !take_word("false")) {
      fail(at_end() ? "the text ends, expected a value" : "expected a value");
    }
    if (!closers.empty() && peek() != closers.back()) {
      expect(',');
      if (closers.back() == '}') {
        read_string();
        expect(':');
      }
      if (peek() == closers.back()) fail("expected a value");
    }
  } while (!closers.empty());
  return text_.substr(begin, at_ - begin);
}

void JsonReader::expect_end() {
  skip_spaces();
  if (!at_end()) fail("there is text after the end");
}

std::string json_string(std::string_view text) {
  std::string out;
  append_quoted(out, text);
  return out;
}

}  // namespace batchdot::operation
