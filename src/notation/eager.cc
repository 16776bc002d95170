// SPDX-License-Identifier: Apache-2.0
// The notations on tensors: the Contraction of their extents, computed at once.

#include <array>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "batchdot/notation.h"

namespace batchdot::inline v0 {

namespace {

Tensor evaluate_pair(const Contraction& c, const TensorView& lhs, const TensorView& rhs) {
  return evaluate(c, std::array{lhs, rhs});
}

}  // namespace

Tensor batch_dot(const TensorView& lhs, const TensorView& rhs, const Axes& axes,
                 const Dialect& dialect) {
  return evaluate_pair(batch_dot(Shape(lhs.extents()), Shape(rhs.extents()), axes, dialect), lhs,
                       rhs);
}

Tensor dot(const TensorView& lhs, const TensorView& rhs, const Dialect& dialect) {
  return evaluate_pair(dot(Shape(lhs.extents()), Shape(rhs.extents()), dialect), lhs, rhs);
}

Tensor matmul(const TensorView& lhs, const TensorView& rhs, const MatmulFlags& flags) {
  return evaluate_pair(matmul(Shape(lhs.extents()), Shape(rhs.extents()), flags), lhs, rhs);
}

Tensor tensordot(const TensorView& lhs, const TensorView& rhs,
                 std::span<const std::int64_t> lhs_axes, std::span<const std::int64_t> rhs_axes) {
  return evaluate_pair(tensordot(Shape(lhs.extents()), Shape(rhs.extents()), lhs_axes, rhs_axes),
                       lhs, rhs);
}

Tensor tensordot(const TensorView& lhs, const TensorView& rhs, int count) {
  return evaluate_pair(tensordot(Shape(lhs.extents()), Shape(rhs.extents()), count), lhs, rhs);
}

Tensor dot_general(const TensorView& lhs, const TensorView& rhs,
                   const DotDimensionNumbers& numbers) {
  return evaluate_pair(dot_general(Shape(lhs.extents()), Shape(rhs.extents()), numbers), lhs, rhs);
}

Tensor einsum(std::string_view equation, std::span<const TensorView> operands) {
  std::vector<Shape> shapes;
  shapes.reserve(operands.size());
  for (const TensorView& operand : operands) shapes.push_back(Shape(operand.extents()));
  return evaluate(einsum(equation, shapes), operands);
}

}  // namespace batchdot::inline v0
