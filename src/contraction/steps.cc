// SPDX-License-Identifier: Apache-2.0
#include "src/contraction/steps.h"

#include <algorithm>

#include "src/contraction/labels.h"

namespace batchdot {

namespace {

// True if the output or an operand from `first` on has the label.
bool is_needed(const Contraction& c, std::size_t first, Label label) {
  if (holds(c.output, label)) return true;
  for (std::size_t i = first; i < c.inputs.size(); ++i) {
    if (holds(c.inputs[i].labels, label)) return true;
  }
  return false;
}

}  // namespace

std::vector<PairwiseStep> pairwise_steps(const Contraction& c) {
  const std::size_t count = std::max<std::size_t>(c.inputs.size(), 2) - 1;
  std::vector<PairwiseStep> steps(count);
  for (std::size_t i = 0; i < count; ++i) {
    PairwiseStep& step = steps[i];
    const std::size_t next = i + 1;
    const Labels& so_far = i == 0 ? c.inputs[0].labels : steps[i - 1].result;
    for (const Label label : so_far) add_once(step.lhs, label);
    if (next < c.inputs.size()) {
      for (const Label label : c.inputs[next].labels) add_once(step.rhs, label);
    }
    for (const Labels* side : {&step.lhs, &step.rhs}) {
      for (const Label label : *side) {
        if (is_needed(c, next + 1, label)) add_once(step.result, label);
      }
    }
    for (const Label label : c.contracting_order) {
      const bool in_lhs = holds(step.lhs, label);
      const bool in_rhs = holds(step.rhs, label);
      if ((!in_lhs && !in_rhs) || holds(step.result, label)) continue;
      (in_lhs && in_rhs ? step.contracting
       : in_lhs         ? step.lhs_summed
                        : step.rhs_summed)
          .push_back(label);
    }
  }
  return steps;
}

bool only_moves(const Contraction& c) {
  return c.inputs.size() == 1 && c.contracting_order.empty();
}

Role role_in(const PairwiseStep& step, Label label) {
  const bool in_lhs = holds(step.lhs, label);
  const bool in_rhs = holds(step.rhs, label);
  const bool is_summed = (in_lhs || in_rhs) && !holds(step.result, label);
  if (is_summed) {
    return in_lhs && in_rhs ? Role::kContracting : in_lhs ? Role::kLhsSummed : Role::kRhsSummed;
  }
  return in_lhs && in_rhs ? Role::kBatch : in_lhs ? Role::kLhsFree : Role::kRhsFree;
}

}  // namespace batchdot
