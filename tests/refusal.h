// SPDX-License-Identifier: Apache-2.0
#pragma once
// What a call is refused with. Tests compare the code and the place, not that something was thrown.

#include <gtest/gtest.h>

#include <optional>
#include <ostream>
#include <string>
#include <utility>

#include "batchdot/error.h"

namespace batchdot {

/// The Error that `call` throws; if it throws none, a failed test and kInternal.
template <class Call>
Error refusal_of(Call&& call) {
  try {
    std::forward<Call>(call)();
  } catch (const Error& error) {
    return error;
  }
  ADD_FAILURE() << "was not refused";
  return Error(ErrorCode::kInternal, "was not refused");
}

/// The place of an error as a row of a table says it, what is not set left out: "0.2=20 1.0=30 j"
/// is operand 0 axis 2 of extent 20, operand 1 axis 0 of extent 30, label j; an option starts with
/// "--".
inline std::string place_of(const Error& error) {
  const ErrorPlace& place = error.place();
  std::string out;
  const auto add = [&](const std::string& part) { out += (out.empty() ? "" : " ") + part; };
  const auto add_axis = [&](const std::optional<int>& operand, const std::optional<int>& axis,
                            const std::string& extent) {
    if (!operand && !axis && extent.empty()) return;
    add((operand ? std::to_string(*operand) : "?") + (axis ? "." + std::to_string(*axis) : "") +
        (extent.empty() ? "" : "=" + extent));
  };
  add_axis(place.operand, place.axis, place.extent);
  add_axis(place.other_operand, place.other_axis, place.other_extent);
  if (!place.label.empty()) add(place.label);
  if (!place.option.empty()) add("--" + place.option);
  return out;
}

/// Prints a code by its name.
inline void PrintTo(ErrorCode code, std::ostream* out) { *out << info(code).name; }

}  // namespace batchdot
