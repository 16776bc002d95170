// SPDX-License-Identifier: Apache-2.0
// A stranger's program: what it uses has to be in the installed headers and visible in the library.

#include <batchdot/batchdot.h>

#include <cstdio>
#include <vector>

namespace bd = batchdot;

int main() {
  const std::vector<float> a = {1, 2, 3, 3, 2, 1}, b = {1, 3, 3, 2, 2, 0};
  const bd::TensorView lhs(a.data(), {1, 2, 3}), rhs(b.data(), {1, 2, 3});

  const bd::Tensor product = bd::batch_dot(lhs, rhs, 2, bd::Dialect("keras-2.2"));
  for (const float element : product.elements<float>()) std::printf("%g ", element);

  const bd::Contraction scores = bd::batch_dot(bd::Shape{"B", 36, 8, 24}, bd::Shape{{}, 36, 8, 24},
                                               {3, 3}, bd::Dialect("keras-2.2"));
  std::printf("%s ", bd::to_string(bd::result_shape(scores)).c_str());

  // An exception of the library has to be caught as what it is on this side of the border.
  try {
    bd::batch_dot(lhs, rhs, {0, 1}, bd::Dialect("keras-3"));
  } catch (const bd::Error& error) {
    std::printf("%s\n", error.code() == bd::ErrorCode::kAxis0 ? "refused" : error.what());
  }
  return bd::version().empty();
}
