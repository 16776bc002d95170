// SPDX-License-Identifier: Apache-2.0
#pragma once
// Reads JSON from the front, one value at a time, and says where it stopped. Builds no tree: a
// problem is read a hundred thousand times a second.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace batchdot::operation {

class JsonReader {
 public:
  explicit JsonReader(std::string_view text) : text_(text) {}

  /// The first character of the next value, '\0' at the end.
  char peek();
  /// Reads `c` if it comes next.
  bool take(char c);
  /// \throws Error  kSyntax  something else comes next.
  void expect(char c);
  /// Reads the literal (`null`, `true`) if it comes next.
  bool take_word(std::string_view word);
  /// A string with its escapes resolved.
  std::string read_string();
  /// A whole number, nothing if it is written with a fraction or an exponent.
  /// \throws Error  kSyntax  no number;  kOverflow  beyond 64 bits.
  std::optional<std::int64_t> read_integer();
  /// Reads any value and gives its text.
  std::string_view skip_value();
  /// \throws Error  kSyntax  there is more.
  void expect_end();

  std::size_t position() const { return at_; }
  void set_position(std::size_t position) { at_ = position; }
  [[noreturn]] void fail(std::string_view why) const;

 private:
  bool at_end() const { return at_ >= text_.size(); }
  char here() const { return at_end() ? '\0' : text_[at_]; }
  void skip_spaces();
  void read_escape(std::string& out);
  std::uint32_t read_hex();

  std::string_view text_;
  std::size_t at_ = 0;
};

/// The text as a JSON string, quoted; bytes that are no UTF-8 become U+FFFD.
std::string json_string(std::string_view text);

}  // namespace batchdot::operation
