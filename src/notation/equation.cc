// SPDX-License-Identifier: Apache-2.0
#include "src/notation/equation.h"

#include <map>
#include <set>
#include <string>

#include "batchdot/shape.h"
#include "src/core/text.h"
#include "src/core/utf8.h"

namespace batchdot::notation {

namespace {

constexpr std::string_view kEllipsis = "...";
constexpr std::string_view kUnicodeArrow = "\u2192";

class EquationReader {
 public:
  explicit EquationReader(std::string_view text) : text_(text) {}

  Equation read() {
    Equation equation;
    equation.text = text_;
    if (text_.size() > Limits::kTextBytes) {
      throw Error(ErrorCode::kLimit, text("einsum: the equation is longer than ",
                                          Limits::kTextBytes, " bytes: ", text_.size(), " bytes"));
    }
    do {
      equation.operands.push_back(read_term());
      if (equation.operands.size() > Limits::kOperands) {
        throw Error(ErrorCode::kLimit, text("einsum: the equation names more than ",
                                            Limits::kOperands, " operands: ", quoted(text_)));
      }
    } while (skip(","));
    if (at_end()) {
      equation.is_implicit = true;
      equation.output = implied_output(equation.operands);
      return equation;
    }
    skip_arrow();
    equation.output = read_term();
    if (!at_end()) fail(peek() == ',' ? "an output is one term" : "a second arrow");
    check_output(equation);
    return equation;
  }

 private:
  bool at_end() const { return at_ >= text_.size(); }
  char peek() const { return text_[at_]; }
  bool is_next(std::string_view expected) const {
    return text_.substr(at_, expected.size()) == expected;
  }
  bool skip(std::string_view expected) {
    if (!is_next(expected)) return false;
    at_ += expected.size();
    return true;
  }
  void skip_spaces() {
    while (!at_end() && (peek() == ' ' || (peek() >= '\t' && peek() <= '\r'))) ++at_;
  }
  bool stands_at_arrow() const { return is_next("-") || is_next("=") || is_next(kUnicodeArrow); }

  [[noreturn]] void fail(std::string_view why) const {
    ErrorPlace place;
    place.position = at_;
    throw Error(ErrorCode::kSyntax,
                text("einsum: ", why, " at position ", at_, ": ", quoted(text_, at_)), place);
  }

  void skip_arrow() {
    if (skip("->") || skip("=") || skip(kUnicodeArrow)) return;
    // Only '-' is left, see read_term().
    const std::size_t dash = at_++;
    skip_spaces();
    const bool is_cut = at_end();
    at_ = dash;
    if (is_cut) {
      fail(
          "the equation was cut at '>', which the shell took for itself; type '=' for '->', or put "
          "the equation in quotes: it ends in '-'");
    }
    fail("'-' without '>'; the arrow is '->' or '='");
  }

  // Up to a comma, an arrow or the end.
  EquationTerm read_term() {
    EquationTerm term;
    for (skip_spaces(); !at_end() && peek() != ',' && !stands_at_arrow(); skip_spaces()) {
      if (is_next(kEllipsis)) {
        if (term.ellipsis) fail("a second '...' in one term");
        term.ellipsis = term.letters.size();
        at_ += kEllipsis.size();
        continue;
      }
      const std::optional<Utf8Character> character = decode_utf8(text_, at_);
      if (!character) fail("not UTF-8");
      if (!is_letter(character->code_point)) refuse(character->bytes);
      term.letters.push_back({character->code_point, at_});
      at_ += character->bytes;
    }
    return term;
  }

  [[noreturn]] void refuse(std::size_t bytes) const {
    if (peek() == '.') fail("'.' stands only in '...'");
    if (peek() == '>') fail("'>' without '-'; the arrow is '->' or '='");
    fail(text(quoted(text_.substr(at_, bytes)), " is no label; labels are letters"));
  }

  static EquationTerm implied_output(const std::vector<EquationTerm>& operands) {
    EquationTerm output;
    struct Count {
      Letter first;
      int times = 0;
    };
    std::map<char32_t, Count> counts;  // by code point: the order of the output
    for (const EquationTerm& term : operands) {
      if (term.ellipsis) output.ellipsis = 0;
      for (const Letter& letter : term.letters) {
        Count& count = counts[letter.code_point];
        if (count.times++ == 0) count.first = letter;
      }
    }
    for (const auto& [code_point, count] : counts) {
      if (count.times == 1) output.letters.push_back(count.first);
    }
    return output;
  }

  static void check_output(const Equation& equation) {
    std::set<char32_t> known, met;
    for (const EquationTerm& term : equation.operands) {
      for (const Letter& letter : term.letters) known.insert(letter.code_point);
    }
    for (const Letter& letter : equation.output.letters) {
      const bool is_known = known.count(letter.code_point) != 0;
      if (is_known && met.insert(letter.code_point).second) continue;
      throw Error(
          ErrorCode::kLabel,
          text("einsum: output label '", encode_utf8(letter.code_point),
               is_known ? "' stands twice in the output" : "' is in no operand", " at position ",
               letter.position, ": ", quoted(equation.text, letter.position)),
          place_of_letter(letter));
    }
  }

  std::string_view text_;
  std::size_t at_ = 0;
};

}  // namespace

Equation read_equation(std::string_view text) { return EquationReader(text).read(); }

ErrorPlace place_of_letter(const Letter& letter) {
  ErrorPlace place;
  place.label = encode_utf8(letter.code_point);
  place.position = letter.position;
  return place;
}

}  // namespace batchdot::notation
