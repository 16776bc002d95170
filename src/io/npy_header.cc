// SPDX-License-Identifier: Apache-2.0
#include "src/io/npy_header.h"

#include <charconv>
#include <cstdint>
#include <optional>

#include "src/core/text.h"
#include "src/core/utf8.h"
#include "src/io/safe_file.h"

namespace batchdot {

namespace {

constexpr std::size_t kAlignment = 64;  // of the elements in the file, so that they can be mapped

// Reads Python's literals, as far as a header has any, from left to right.
class HeaderReader {
 public:
  HeaderReader(std::string_view header, const std::string& path) : text_(header), path_(path) {}

  NpyHeader read() {
    NpyHeader header;
    bool has_descr = false;
    bool has_order = false;
    bool has_shape = false;
    expect('{');
    while (!taken('}')) {
      const std::size_t start = next();
      const std::string key = read_string("a key");
      expect(':');
      bool* const seen = key == "descr"           ? &has_descr
                         : key == "fortran_order" ? &has_order
                         : key == "shape"         ? &has_shape
                                                  : nullptr;
      if (seen == nullptr) refuse(start, text("unknown key ", quoted(key)));
      if (*seen) refuse(start, text("key ", quoted(key), " stands twice"));
      *seen = true;
      if (seen == &has_descr) {
        header.descr = read_descr();
      } else if (seen == &has_order) {
        header.fortran_order = read_bool();
      } else {
        header.extents = read_extents();
      }
      if (!taken(',')) {
        expect('}');
        break;
      }
    }
    if (next() != text_.size()) refuse(position_, "something after the '}'");
    for (const auto& [seen, key] :
         {std::pair(has_descr, "descr"), {has_order, "fortran_order"}, {has_shape, "shape"}}) {
      if (!seen) refuse(text_.size(), text("no key '", key, "'"));
    }
    return header;
  }

 private:
  [[noreturn]] void refuse(std::size_t position, const std::string& what,
                           ErrorCode code = ErrorCode::kFileFormat) const {
    ErrorPlace place;
    place.file = path_;
    place.position = position;
    throw Error(code,
                text("read: header: ", what, " at byte ", position, " of it: ", quoted_path(path_)),
                std::move(place));
  }

  // Steps over blanks. \return the position of what follows.
  std::size_t next() {
    constexpr std::string_view kBlanks = " \t\n\r\f";
    while (position_ < text_.size() && kBlanks.find(text_[position_]) != kBlanks.npos) ++position_;
    return position_;
  }

  bool taken(char wanted) {
    if (next() == text_.size() || text_[position_] != wanted) return false;
    ++position_;
    return true;
  }

  void expect(char wanted) {
    if (!taken(wanted)) refuse(position_, text("expected '", wanted, "'"));
  }

  bool taken_word(std::string_view word) {
    if (text_.substr(next(), word.size()) != word) return false;
    position_ += word.size();
    return true;
  }

  bool read_bool() {
    if (taken_word("True")) return true;
    if (!taken_word("False")) refuse(position_, "expected True or False");
    return false;
  }

  Extents read_extents() {
    Extents extents;
    if (!taken('(')) refuse(position_, "expected '(', a tuple");
    const std::size_t start = position_;
    bool comma = false;
    while (!taken(')')) {
      if (extents.size() == Limits::kRank) {
        refuse(position_, text("more than ", Limits::kRank, " axes"), ErrorCode::kLimit);
      }
      extents.push_back(read_extent());
      comma = taken(',');
      if (!comma) {
        expect(')');
        break;
      }
    }
    // To Python (3) is a number in parentheses.
    if (extents.size() == 1 && !comma) refuse(start, "expected a tuple, as in (3,)");
    return extents;
  }

  std::int64_t read_extent() {
    const std::size_t start = next();
    if (taken('-')) refuse(start, "a negative extent");
    std::int64_t extent = 0;
    const char* const begin = text_.data() + start;
    const char* const end = text_.data() + text_.size();
    const auto [stop, error] = std::from_chars(begin, end, extent);
    if (error == std::errc::invalid_argument) refuse(start, "expected an integer");
    if (error != std::errc()) refuse(start, "an extent above 2^63 - 1", ErrorCode::kOverflow);
    if (*begin == '0' && stop - begin > 1) refuse(start, "an integer that begins with 0");
    position_ = start + static_cast<std::size_t>(stop - begin);
    if (position_ < text_.size() && (text_[position_] == 'L' || text_[position_] == 'l')) {
      ++position_;
    }
    return extent;
  }

  // The descr of a structured type is a list; it is read only to be named.
  std::string read_descr() {
    const std::size_t start = next();
    if (start == text_.size() || (text_[start] != '[' && text_[start] != '(')) {
      return read_string("the descr");
    }
    std::size_t depth = 0;
    do {
      if (next() == text_.size()) refuse(position_, "ends inside the descr");
      const char c = text_[position_];
      if (c == '\'' || c == '"') {
        read_string("a name");
        continue;
      }
      if (c == '[' || c == '(') ++depth;
      if (c == ']' || c == ')') --depth;
      ++position_;
    } while (depth > 0);
    return std::string(text_.substr(start, position_ - start));
  }

  std::string read_string(const char* what) {
    const std::size_t start = next();
    taken('u');  // Python 2 could be made to print it
    const char quote = position_ < text_.size() ? text_[position_] : '\0';
    if (quote != '\'' && quote != '"') refuse(start, text("expected ", what, ", a string"));
    ++position_;
    std::string result;
    for (;;) {
      if (position_ == text_.size()) refuse(start, "a string without an end");
      const char c = text_[position_++];
      if (c == quote) return result;
      if (c == '\n' || c == '\r') refuse(position_ - 1, "a line end in a string");
      if (c == '\0') refuse(position_ - 1, "a NUL in a string");
      if (c == '\\') {
        read_escape(result);
      } else {
        result += c;
      }
    }
  }

  void read_escape(std::string& out) {
    constexpr std::string_view kLetters = "\\'\"abfnrtv";
    constexpr std::string_view kMeanings = "\\'\"\a\b\f\n\r\t\v";
    const std::size_t start = position_ - 1;
    if (position_ == text_.size()) refuse(start, "a string without an end");
    const char c = text_[position_++];
    if (const auto letter = kLetters.find(c); letter != kLetters.npos) {
      out += kMeanings[letter];
    } else if (c == '\n') {
      // the string goes on in the next line
    } else if (c >= '0' && c <= '7') {
      --position_;
      out += encode_utf8(read_code(start, 8, 1, 3));
    } else if (c == 'x' || c == 'u' || c == 'U') {
      const std::size_t digits = c == 'x' ? 2 : c == 'u' ? 4 : 8;
      out += encode_utf8(read_code(start, 16, digits, digits));
    } else if (c == 'N') {
      refuse(start, "a character by its name");
    } else {  // Python keeps what it does not know
      out += '\\';
      out += c;
    }
  }

  char32_t read_code(std::size_t start, int base, std::size_t min_digits, std::size_t max_digits) {
    const std::string_view digits = text_.substr(position_, max_digits);
    std::uint32_t code = 0;
    const auto [stop, error] =
        std::from_chars(digits.data(), digits.data() + digits.size(), code, base);
    const auto count = static_cast<std::size_t>(stop - digits.data());
    const bool surrogate = code >= 0xD800 && code <= 0xDFFF;
    if (error != std::errc() || count < min_digits || surrogate || code > 0x10FFFF) {
      refuse(start, "an escape of no character");
    }
    position_ += count;
    return code;
  }

  std::string_view text_;
  const std::string& path_;
  std::size_t position_ = 0;
};

}  // namespace

NpyHeader parse_npy_header(std::string_view header, const std::string& path) {
  return HeaderReader(header, path).read();
}

std::string print_npy_header(const NpyHeader& header, std::size_t bytes_before) {
  std::string result =
      text("{'descr': '", header.descr,
           "', 'fortran_order': ", header.fortran_order ? "True" : "False", ", 'shape': (");
  for (std::size_t axis = 0; axis < header.extents.size(); ++axis) {
    result += text(axis == 0 ? "" : " ", header.extents[axis], ",");
  }
  // As NumPy prints it: (), (3,), (3, 4).
  if (header.extents.size() > 1) result.pop_back();
  result += "), }";
  const std::size_t bytes = bytes_before + result.size() + 1;
  result.append((kAlignment - bytes % kAlignment) % kAlignment, ' ');
  result += '\n';
  return result;
}

}  // namespace batchdot
