// SPDX-License-Identifier: Apache-2.0
#include "src/contraction/softmax.h"

#include <optional>
#include <type_traits>

#include "src/core/axis.h"
#include "src/core/text.h"

namespace batchdot {

int softmax_axis(const Shape& shape, std::int64_t axis) {
  if (shape.empty()) {
    throw Error(ErrorCode::kRank, "softmax: a scalar has no axis: operand has shape () and rank 0",
                place_of_rank(0, shape));
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
  const bool is_real_floating = dtype.visit(
      [](auto record) { return std::is_floating_point_v<typename decltype(record)::Accumulator>; });
  if (is_real_floating) return;
  throw Error(ErrorCode::kDType,
              text("softmax: takes real floating types: operand is ", dtype.name()), place_of(0));
}

}  // namespace batchdot
