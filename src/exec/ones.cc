// SPDX-License-Identifier: Apache-2.0
// What a lone operand is multiplied with: 1 and -1 of each dtype.

#include <array>

#include "src/exec/loops.h"
#include "src/kernel/convert.h"

namespace batchdot {

namespace {

template <class Element>
std::byte* ones() {
  static std::array<Element, 2> kOnes = {kernel::convert<Element>(1.0),
                                         kernel::convert<Element>(-1.0)};
  return reinterpret_cast<std::byte*>(kOnes.data());
}

}  // namespace

std::byte* ones_of(DType dtype) {
  return dtype.visit([](auto record) { return ones<typename decltype(record)::Element>(); });
}

}  // namespace batchdot
