// SPDX-License-Identifier: Apache-2.0
#pragma once
// Building one-line messages.

#include <charconv>
#include <concepts>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "batchdot/error.h"
#include "batchdot/shape.h"

namespace batchdot {

namespace text_detail {
inline void append(std::string& out, std::string_view part) { out += part; }
inline void append(std::string& out, const char* part) { out += part; }
inline void append(std::string& out, const std::string& part) { out += part; }
inline void append(std::string& out, char part) { out += part; }
inline void append(std::string& out, const Dim& part) { out += to_string(part); }
inline void append(std::string& out, const Shape& part) { out += to_string(part); }
inline void append(std::string& out, const Extents& part) { out += to_string(part); }
template <std::integral T>
void append(std::string& out, T part) {
  char digits[24];
  out.append(digits, std::to_chars(digits, digits + sizeof digits, part).ptr);
}
}  // namespace text_detail

/// All parts one after the other: strings, numbers, dims, shapes. Out of line and apart from the
/// rest: messages are for refusals, and a function through which one is thrown is left the faster
/// the less of them stands in it.
template <class... Parts>
[[gnu::noinline, gnu::cold]] std::string text(const Parts&... parts) {
  std::string out;
  (text_detail::append(out, parts), ...);
  return out;
}

/// All parts one after the other, with `between` between them.
template <class Parts>
std::string joined(const Parts& parts, std::string_view between) {
  std::string out;
  std::string_view before;
  for (const auto& part : parts) {
    text_detail::append(out, before);
    text_detail::append(out, part);
    before = between;
  }
  return out;
}

/// "a", "a and b", "a, b and c"
std::string listed(const std::vector<std::string>& parts);

/// The shortest text that reads back as this number: "0.5", "1e-7".
std::string shortest(double number);

/// "lhs" and "rhs" where there are two operands, else "operand 2"; of one alone "operand".
std::string operand_name(int operand, int count);

/// The place of two axes that do not fit, for Error: operands, axes, both extents.
ErrorPlace place_of(int operand, int axis, const Dim& extent, int other_operand, int other_axis,
                    const Dim& other_extent);
/// The place of one axis.
ErrorPlace place_of(int operand, std::optional<int> axis = {}, const Dim* extent = nullptr);

/// The place of an axis as it was given: in range with its extent, else with the rank it exceeds.
ErrorPlace place_of_given(int operand, std::int64_t axis, const Shape& shape);
/// The place of an operand whose rank is not `needed`: the first axis that it lacks or has too
/// many, and the two ranks where extents would stand.
ErrorPlace place_of_rank(int operand, const Shape& shape, int needed);
/// The same in words: "rank 1 and no axis 1", "rank 3 and an axis 2".
std::string wrong_rank(const Shape& shape, int needed);

/// The number of edits between two words, capitals aside; for hint().
std::size_t edit_distance(std::string_view a, std::string_view b);

/// The name that a mistyped word may stand for, as ": did you mean 'x'?"; empty if none is near.
/// The shortest name that the word begins, else the nearest; of equals the first.
std::string hint(std::string_view word, std::span<const std::string_view> names);

}  // namespace batchdot
