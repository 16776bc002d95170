// SPDX-License-Identifier: Apache-2.0
#include "src/core/text.h"

#include <algorithm>
#include <iterator>
#include <limits>

namespace batchdot {

std::string listed(const std::vector<std::string>& parts) {
  std::string out;
  for (std::size_t i = 0; i < parts.size(); ++i) {
    if (i > 0) out += i + 1 == parts.size() ? " and " : ", ";
    out += parts[i];
  }
  return out;
}

std::string shortest(double number) {
  char digits[32];
  std::string out(digits, std::to_chars(digits, std::end(digits), number).ptr);
  // Exponents are written with two digits at least, people write as few as there are.
  const std::size_t exponent = out.find('e');
  if (exponent != std::string::npos && out[exponent + 2] == '0') out.erase(exponent + 2, 1);
  return out;
}

std::string operand_name(int operand, int count) {
  if (count == 1) return "operand";
  if (count == 2) return operand == 0 ? "lhs" : "rhs";
  return text("operand ", operand);
}

ErrorPlace place_of(int operand, int axis, const Dim& extent, int other_operand, int other_axis,
                    const Dim& other_extent) {
  ErrorPlace place = place_of(operand, axis, &extent);
  place.other_operand = other_operand;
  place.other_axis = other_axis;
  place.other_extent = to_string(other_extent);
  return place;
}

ErrorPlace place_of(int operand, std::optional<int> axis, const Dim* extent) {
  ErrorPlace place;
  place.operand = operand;
  place.axis = axis;
  if (extent != nullptr) place.extent = to_string(*extent);
  return place;
}

ErrorPlace place_of_given(int operand, std::int64_t axis, const Shape& shape) {
  ErrorPlace place = place_of(operand);
  place.extent = text(shape.rank());
  if (axis < std::numeric_limits<int>::min() || axis > std::numeric_limits<int>::max()) {
    return place;  // too far out for a place; the message has it
  }
  place.axis = static_cast<int>(axis);
  if (axis >= 0 && axis < shape.rank()) place.extent = to_string(shape[*place.axis]);
  return place;
}

ErrorPlace place_of_rank(int operand, const Shape& shape, int needed) {
  ErrorPlace place = place_of(operand, std::min(shape.rank(), needed));
  place.extent = text(shape.rank());
  place.other_extent = text(needed);
  return place;
}

std::string wrong_rank(const Shape& shape, int needed) {
  return text("rank ", shape.rank(), shape.rank() < needed ? " and no axis " : " and an axis ",
              std::min(shape.rank(), needed));
}

namespace {

char in_small(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

bool is_same_letter(char a, char b) { return in_small(a) == in_small(b); }

}  // namespace

std::size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> row(b.size() + 1);
  for (std::size_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (std::size_t i = 1; i <= a.size(); ++i) {
    std::size_t diagonal = row[0];
    row[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t replaced = diagonal + (is_same_letter(a[i - 1], b[j - 1]) ? 0 : 1);
      diagonal = row[j];
      row[j] = std::min({row[j] + 1, row[j - 1] + 1, replaced});
    }
  }
  return row[b.size()];
}

std::string hint(std::string_view word, std::span<const std::string_view> names) {
  constexpr std::size_t kLeastBegun = 3, kLongest = 64;
  if (word.size() > kLongest) return {};
  std::string_view meant;
  for (const std::string_view name : names) {
    const bool begins = word.size() >= kLeastBegun && word.size() <= name.size() &&
                        std::equal(word.begin(), word.end(), name.begin(), is_same_letter);
    if (begins && (meant.empty() || name.size() < meant.size())) meant = name;
  }
  std::size_t distance = meant.empty() ? word.size() / 3 + 2 : 0;  // farther is no slip
  for (const std::string_view name : names) {
    if (distance == 0) break;
    const std::size_t edits = edit_distance(word, name);
    if (edits < distance && edits < name.size()) {
      distance = edits;
      meant = name;
    }
  }
  return meant.empty() ? std::string() : text(": did you mean '", meant, "'?");
}

}  // namespace batchdot
