// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "batchdot/notation.h"
#include "src/core/text.h"
#include "src/notation/notation_notes_numpy.h"
#include "src/notation/pairs.h"

namespace batchdot::notation {

namespace {

// One of the four lists, with what a message says about it.
struct AxesOfOperand {
  int operand;
  const char* option;
  const Shape& shape;
  std::span<const std::int64_t> axes;
  std::string_view shapes;  // of both operands
};

// `seen`: the axes that the operand's other list names already; this one's are added.
std::vector<int> resolve_axes(const AxesOfOperand& list, std::vector<int>& seen) {
  const std::string name = name_of(list.operand);
  std::vector<int> resolved;
  for (const std::int64_t axis : list.axes) {
    const auto refuse = [&](ErrorCode code, const std::string& message) {
      ErrorPlace place = place_of_given(list.operand, axis, list.shape);
      place.option = list.option;
      throw Error(code, message, place);
    };
    if (axis < 0) {
      refuse(ErrorCode::kNegAxis,
             text("dot_general: axes are counted from 0 up: ", list.option, " has ", axis, ": ",
                  name, " has rank ", list.shape.rank(), "; ", list.shapes));
    }
    if (axis >= list.shape.rank()) {
      refuse(ErrorCode::kAxisRange,
             text("dot_general: ", name, " axis ", axis, " is out of range: ", name, " ",
                  list.shape, " has rank ", list.shape.rank()));
    }
    const int known = static_cast<int>(axis);
    if (std::find(seen.begin(), seen.end(), known) != seen.end()) {
      refuse(ErrorCode::kAxesDup,
             text("dot_general: ", name, " axis ", axis,
                  " is named twice among its batch and contracting axes: extent ",
                  list.shape[known], "; ", list.shapes));
    }
    seen.push_back(known);
    resolved.push_back(known);
  }
  return resolved;
}

void check_lengths(std::string_view what, const char* option, std::size_t lhs, std::size_t rhs,
                   std::string_view shapes) {
  if (lhs == rhs) return;
  ErrorPlace place;
  place.option = option;
  throw Error(ErrorCode::kAxesLen,
              text("dot_general: the numbers of ", what, " axes differ: ", lhs, " of lhs, ", rhs,
                   " of rhs; ", shapes),
              place);
}

struct Numbers {
  AxisPairs batch, contracting;
};

Numbers resolve(const Shape& lhs, const Shape& rhs, const DotDimensionNumbers& numbers) {
  check_operand_rank("dot_general", lhs, 0, 2);
  check_operand_rank("dot_general", rhs, 1, 2);
  const std::string shapes = both_shapes(lhs, rhs);
  check_lengths("batch", "rhs-batch", numbers.lhs_batch.size(), numbers.rhs_batch.size(), shapes);
  check_lengths("contracting", "rhs-contract", numbers.lhs_contract.size(),
                numbers.rhs_contract.size(), shapes);
  Numbers resolved;
  std::vector<int> seen;
  resolved.batch.lhs = resolve_axes({0, "lhs-batch", lhs, numbers.lhs_batch, shapes}, seen);
  resolved.contracting.lhs =
      resolve_axes({0, "lhs-contract", lhs, numbers.lhs_contract, shapes}, seen);
  seen.clear();
  resolved.batch.rhs = resolve_axes({1, "rhs-batch", rhs, numbers.rhs_batch, shapes}, seen);
  resolved.contracting.rhs =
      resolve_axes({1, "rhs-contract", rhs, numbers.rhs_contract, shapes}, seen);
  return resolved;
}

// "lhs axis 0 with rhs axis 1, lhs axis 2 with rhs axis 0"
std::string listed(const AxisPairs& pairs) {
  std::string out;
  for (std::size_t i = 0; i < pairs.lhs.size(); ++i) {
    out += text(i > 0 ? ", " : "", "lhs axis ", pairs.lhs[i], " with rhs axis ", pairs.rhs[i]);
  }
  return out;
}

}  // namespace

std::vector<std::string> dot_general_notes(const Shape& lhs, const Shape& rhs,
                                           const DotDimensionNumbers& numbers) {
  const Numbers resolved = resolve(lhs, rhs, numbers);
  contract_pairs("dot_general", lhs, rhs, resolved.batch, resolved.contracting);
  const int paired = static_cast<int>(resolved.batch.lhs.size() + resolved.contracting.lhs.size());
  std::vector<std::string> notes;
  if (!resolved.batch.lhs.empty()) {
    notes.push_back(
        text("Batch, first in the result, in the order listed: ", listed(resolved.batch), "."));
  }
  if (!resolved.contracting.lhs.empty()) {
    notes.push_back(text("Summed over: ", listed(resolved.contracting), "."));
  }
  notes.push_back(text("Axes in no list are free: ", lhs.rank() - paired, " of lhs, then ",
                       rhs.rank() - paired, " of rhs."));
  return notes;
}

}  // namespace batchdot::notation

namespace batchdot::inline v0 {

Contraction dot_general(const Shape& lhs, const Shape& rhs, const DotDimensionNumbers& numbers) {
  const notation::Numbers resolved = notation::resolve(lhs, rhs, numbers);
  return notation::contract_pairs("dot_general", lhs, rhs, resolved.batch, resolved.contracting);
}

}  // namespace batchdot::inline v0
