// SPDX-License-Identifier: Apache-2.0
#include "src/core/checked.h"

#include "src/core/text.h"

namespace batchdot {

std::int64_t checked_product(const char* function, std::span<const std::int64_t> extents) {
  for (const std::int64_t extent : extents) {
    if (extent == 0) return 0;
  }
  std::int64_t product = 1;
  for (const std::int64_t extent : extents) {
    const auto next = checked_multiply(product, extent);
    if (!next) {
      throw Error(ErrorCode::kOverflow, text(function, ": more than 2^63 - 1 elements: extents ",
                                             to_string(Extents(extents))));
    }
    product = *next;
  }
  return product;
}

}  // namespace batchdot
