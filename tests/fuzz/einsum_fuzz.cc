// SPDX-License-Identifier: Apache-2.0
// Any bytes as an equation, on the first line, and shapes, one on each line after it. Without
// shapes some are made that fit, so that what can be read is also built.

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "batchdot/contraction.h"
#include "batchdot/notation.h"
#include "src/core/utf8.h"
#include "src/notation/equation.h"
#include "src/notation/notation_notes_numpy.h"

namespace batchdot {
namespace {

void expect(bool holds, const char* what, std::string_view input) {
  if (holds) return;
  std::fprintf(stderr, "einsum_fuzz: %s: %s\n", what, quoted(input, 0, 4096).c_str());
  std::abort();
}

bool is_utf8(std::string_view text) {
  for (std::size_t at = 0; at < text.size();) {
    const auto character = decode_utf8(text, at);
    if (!character) return false;
    at += character->bytes;
  }
  return true;
}

void check_error(const Error& error, std::string_view input) {
  expect(is_utf8(error.message()), "a message is no UTF-8", input);
  expect(error.message().find('\n') == std::string::npos, "a message of two lines", input);
  expect(error.place().position.value_or(0) <= input.size(), "a position past the end", input);
  expect(error.code() != ErrorCode::kInternal, "an internal error", input);
}

std::vector<Shape> fitting_shapes(const notation::Equation& equation) {
  std::vector<Shape> shapes;
  for (const notation::EquationTerm& term : equation.operands) {
    const std::size_t covered = term.ellipsis ? shapes.size() % 3 : 0;
    shapes.push_back(Shape(Extents(term.letters.size() + covered, 2)));
  }
  return shapes;
}

void check_contraction(const Contraction& c, const std::vector<Shape>& shapes,
                       std::string_view input) {
  validate(c);  // throws where einsum built nonsense
  expect(result_shape(c).rank() <= Limits::kRank, "a result over the limit", input);
  for (const Input& operand : c.inputs) {
    // One that stretches an axis is written without the "..." that allows it.
    if (!operand.may_broadcast.empty()) return;
  }
  const Contraction again = einsum(to_equation(c), shapes);
  expect(result_shape(again) == result_shape(c), "the equation it prints means another", input);
}

void fuzz(std::string_view input) {
  const std::size_t line_end = input.find('\n');
  const std::string_view text = input.substr(0, line_end);
  notation::Equation equation;
  std::vector<Shape> shapes;
  try {
    equation = notation::read_equation(text);
    std::string_view rest = line_end == input.npos ? "" : input.substr(line_end + 1);
    while (!rest.empty()) {
      const std::size_t end = rest.find('\n');
      shapes.push_back(parse_shape(rest.substr(0, end)));
      rest = end == rest.npos ? "" : rest.substr(end + 1);
    }
  } catch (const Error& error) {
    check_error(error, input);
    return;
  }
  if (shapes.empty()) shapes = fitting_shapes(equation);
  Contraction c;
  try {
    c = einsum(text, shapes);
  } catch (const Error& error) {
    check_error(error, input);
    return;
  }
  check_contraction(c, shapes, input);
  expect(!notation::einsum_notes(text, shapes).empty(), "nothing to say", input);
}

}  // namespace
}  // namespace batchdot

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  batchdot::fuzz({reinterpret_cast<const char*>(data), size});
  return 0;
}
