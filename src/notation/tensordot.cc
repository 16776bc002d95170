// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "batchdot/notation.h"
#include "src/core/axis.h"
#include "src/core/text.h"
#include "src/notation/notation_notes_numpy.h"
#include "src/notation/pairs.h"

namespace batchdot::notation {

namespace {

// "[2, -1]"
std::string in_brackets(std::span<const std::int64_t> axes) {
  return text("[", joined(axes, ", "), "]");
}

// Counted from the front; a negative axis counts from the end, once.
std::vector<int> resolve_axes(int operand, const Shape& lhs, const Shape& rhs,
                              std::span<const std::int64_t> axes) {
  const Shape& shape = operand == 0 ? lhs : rhs;
  const std::string name = name_of(operand);
  std::vector<int> resolved;
  for (const std::int64_t axis : axes) {
    ErrorPlace place = place_of_given(operand, axis, shape);
    place.option = name + "-axes";
    const std::optional<int> from_front = axis_from_front(axis, shape.rank());
    if (!from_front) {
      throw Error(ErrorCode::kAxisRange,
                  text("tensordot: ", name, " axis ", axis, " is out of range: ", name, " ", shape,
                       " has rank ", shape.rank()),
                  place);
    }
    if (std::find(resolved.begin(), resolved.end(), *from_front) != resolved.end()) {
      place.extent = to_string(shape[*from_front]);
      throw Error(
          ErrorCode::kAxesDup,
          text("tensordot: ", name, " axis ", *from_front, " is named twice: ", in_brackets(axes),
               ": extent ", shape[*from_front], "; ", both_shapes(lhs, rhs)),
          place);
    }
    resolved.push_back(*from_front);
  }
  return resolved;
}

AxisPairs pairs_of(const Shape& lhs, const Shape& rhs, std::span<const std::int64_t> lhs_axes,
                   std::span<const std::int64_t> rhs_axes) {
  check_operand_rank("tensordot", lhs, 0, 2);
  check_operand_rank("tensordot", rhs, 1, 2);
  if (lhs_axes.size() != rhs_axes.size()) {
    ErrorPlace place;
    place.option = "rhs-axes";
    throw Error(ErrorCode::kAxesLen,
                text("tensordot: the numbers of axes differ: ", lhs_axes.size(), " of lhs, ",
                     rhs_axes.size(), " of rhs: ", in_brackets(lhs_axes), ", ",
                     in_brackets(rhs_axes), "; ", both_shapes(lhs, rhs)),
                place);
  }
  return {resolve_axes(0, lhs, rhs, lhs_axes), resolve_axes(1, lhs, rhs, rhs_axes)};
}

AxisPairs pairs_of(const Shape& lhs, const Shape& rhs, int count) {
  check_operand_rank("tensordot", lhs, 0, 2);
  check_operand_rank("tensordot", rhs, 1, 2);
  ErrorPlace place;
  place.option = "axes";
  if (count < 0) {
    throw Error(
        ErrorCode::kAxesLen,
        text("tensordot: a number of axes is not negative: ", count, "; ", both_shapes(lhs, rhs)),
        place);
  }
  for (const int operand : {0, 1}) {
    const Shape& shape = operand == 0 ? lhs : rhs;
    if (count <= shape.rank()) continue;
    place.operand = operand;
    const std::string name = name_of(operand);
    throw Error(ErrorCode::kAxesLen,
                text("tensordot: ", count, " axes are to be summed over, ", name, " has ",
                     shape.rank(), "; ", both_shapes(lhs, rhs)),
                place);
  }
  AxisPairs pairs;
  for (int i = 0; i < count; ++i) {
    pairs.lhs.push_back(lhs.rank() - count + i);
    pairs.rhs.push_back(i);
  }
  return pairs;
}

std::vector<std::string> notes_of(const Shape& lhs, const Shape& rhs, const AxisPairs& pairs) {
  const int lhs_free = lhs.rank() - static_cast<int>(pairs.lhs.size());
  const int rhs_free = rhs.rank() - static_cast<int>(pairs.rhs.size());
  std::vector<std::string> notes;
  std::string summed;
  for (std::size_t i = 0; i < pairs.lhs.size(); ++i) {
    summed += text(i > 0 ? ", " : "", "lhs axis ", pairs.lhs[i], " with rhs axis ", pairs.rhs[i]);
  }
  notes.push_back(summed.empty() ? "No axes are paired: an outer product."
                                 : text("Summed over: ", summed, "."));
  notes.push_back(lhs_free + rhs_free == 0
                      ? "No axis is left: a scalar."
                      : text("What is left stands in its own order: ", lhs_free, " of lhs, then ",
                             rhs_free, " of rhs."));
  if (pairs.lhs.size() > 1 && !std::is_sorted(pairs.lhs.begin(), pairs.lhs.end())) {
    notes.push_back(
        "The order in which axes are listed says which belong together; the sum runs in the order "
        "of lhs's axes whatever it is.");
  }
  return notes;
}

}  // namespace

std::vector<std::string> tensordot_notes(const Shape& lhs, const Shape& rhs,
                                         std::span<const std::int64_t> lhs_axes,
                                         std::span<const std::int64_t> rhs_axes) {
  const AxisPairs pairs = pairs_of(lhs, rhs, lhs_axes, rhs_axes);
  contract_pairs("tensordot", lhs, rhs, {}, pairs);
  return notes_of(lhs, rhs, pairs);
}

std::vector<std::string> tensordot_notes(const Shape& lhs, const Shape& rhs, int count) {
  const AxisPairs pairs = pairs_of(lhs, rhs, count);
  contract_pairs("tensordot", lhs, rhs, {}, pairs);
  std::vector<std::string> notes = notes_of(lhs, rhs, pairs);
  if (count > 0) {
    notes.insert(notes.begin(), text("A number of axes (", count,
                                     ") pairs the last ones of lhs with the first ones of rhs."));
  }
  return notes;
}

}  // namespace batchdot::notation

namespace batchdot::inline v0 {

Contraction tensordot(const Shape& lhs, const Shape& rhs, std::span<const std::int64_t> lhs_axes,
                      std::span<const std::int64_t> rhs_axes) {
  return notation::contract_pairs("tensordot", lhs, rhs, {},
                                  notation::pairs_of(lhs, rhs, lhs_axes, rhs_axes));
}

Contraction tensordot(const Shape& lhs, const Shape& rhs, int count) {
  return notation::contract_pairs("tensordot", lhs, rhs, {}, notation::pairs_of(lhs, rhs, count));
}

}  // namespace batchdot::inline v0
