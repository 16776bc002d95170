// SPDX-License-Identifier: Apache-2.0
#pragma once
// Lists of labels as sets.

#include <algorithm>

#include "batchdot/contraction.h"

namespace batchdot {

/// True if the label is among them.
inline bool holds(const Labels& labels, Label label) {
  return std::find(labels.begin(), labels.end(), label) != labels.end();
}

/// Puts the label at the end unless it is there already.
inline void add_once(Labels& labels, Label label) {
  if (!holds(labels, label)) labels.push_back(label);
}

}  // namespace batchdot
