// SPDX-License-Identifier: Apache-2.0
#pragma once
// An einsum equation as text and as data. Knows nothing of shapes.

#include <cstddef>
#include <optional>
#include <string_view>
#include <vector>

#include "batchdot/error.h"

namespace batchdot::notation {

/// A label as typed.
struct Letter {
  char32_t code_point = 0;
  std::size_t position = 0;  ///< in the text, in bytes
};

/// The labels of one operand or of the output.
struct EquationTerm {
  std::vector<Letter> letters;
  std::optional<std::size_t> ellipsis;  ///< "..." stands before letters[*ellipsis]
};

/// An einsum equation.
struct Equation {
  std::string_view text;  ///< borrowed from the caller
  std::vector<EquationTerm> operands;
  EquationTerm
      output;  ///< as typed; else "..." if an operand has it, then the letters that stand once
  bool is_implicit = false;
};

/// Reads
///
///     equation = term *("," term) [arrow term]      arrow = "->" / "=" / "→"
///     term     = *(letter / "...")                  "..." at most once; spaces anywhere between
///
/// An empty term is a scalar. Where no output is typed it is "..." if any operand has one, then the
/// letters that stand exactly once, by code point.
/// \throws Error  kSyntax, with the position;  kLabel  an output label that repeats or that no
/// operand
///                has;  kLimit  a text or a number of operands over Limits.
/// Cost: linear in the text but for a logarithm.
Equation read_equation(std::string_view text);

/// Label and position of a letter, for an error.
ErrorPlace place_of_letter(const Letter& letter);

}  // namespace batchdot::notation
