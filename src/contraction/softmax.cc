// SPDX-License-Identifier: Apache-2.0
#include "src/contraction/softmax.h"

#include <algorithm>
#include <optional>
#include <string>
#include <type_traits>
#include <vector>

#include "src/core/axis.h"
#include "src/core/text.h"

namespace batchdot {

int softmax_axis(const Shape& shape, std::int64_t axis) {
  if (shape.empty()) {
    throw Error(ErrorCode::kRank,
                text("softmax: operand has ", wrong_rank(shape, 1), ": a scalar, of shape ()"),
                place_of_rank(0, shape, 1));
  }
  const std::optional<int> from_front = axis_from_front(axis, shape.rank());
  if (!from_front) {
    ErrorPlace place = place_of_given(0, axis, shape);
    place.option = "axis";
    throw Error(ErrorCode::kAxisRange,
                text("softmax: axis ", axis, " is out of range: operand has shape ", shape,
                     " and rank ", shape.rank()),
                place);
  }
  return *from_front;
}

void check_softmax_dtype(DType dtype) {
  std::vector<std::string> taken;
  for_each_dtype([&](auto record) {
    using Accumulator = typename decltype(record)::Accumulator;
    if (std::is_floating_point_v<Accumulator>) taken.emplace_back(record.kName);
  });
  if (std::find(taken.begin(), taken.end(), dtype.name()) != taken.end()) return;
  throw Error(
      ErrorCode::kDType,
      text("softmax: takes real floating types, ", listed(taken), ": operand is ", dtype.name()),
      place_of(0));
}

void check_normalize_dtype(DType dtype) {
  const bool is_real = dtype.visit(
      [](auto record) { return std::is_floating_point_v<typename decltype(record)::Accumulator>; });
  if (is_real) return;
  throw Error(ErrorCode::kDType,
              text("dot_layer: normalize takes real floating types, not ", dtype.name()));
}

}  // namespace batchdot
