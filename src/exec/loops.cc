// SPDX-License-Identifier: Apache-2.0
// What a task needs of a step, and the form that computes a contraction.

#include "src/exec/loops.h"

#include <array>

#include "src/kernel/convert.h"

namespace batchdot {

namespace {

// 1, -1 of each dtype: what a lone operand is multiplied with.
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

void run_items(const ContractStep& step, const TaskContext& task, std::int64_t first,
               std::int64_t last) {
  if (first >= last) return;
  switch (step.form) {
    case ContractStep::Form::kTiles:
      return run_tiles(step, task, first, last);
    case ContractStep::Form::kDots:
      return run_dots(step, task, first, last);
    case ContractStep::Form::kTiny:
      return run_tiny(step, task, first, last);
    case ContractStep::Form::kVector:
      return run_vector(step, task, first, last);
  }
}

}  // namespace batchdot
