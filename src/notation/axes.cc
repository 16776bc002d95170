// SPDX-License-Identifier: Apache-2.0
#include "batchdot/notation.h"
#include "src/core/text.h"

namespace batchdot::inline v0 {

namespace {

std::string to_string(const Axes::Entry& entry) {
  if (!entry.is_nested()) return text(std::get<0>(entry.value));
  return text("[", joined(std::get<1>(entry.value), ", "), "]");
}

}  // namespace

std::string to_string(const Axes& axes) {
  if (axes.is_none()) return "none";
  if (axes.single()) return text(*axes.single());
  std::string out = "[";
  for (const Axes::Entry& entry : *axes.list()) {
    if (out.size() > 1) out += ", ";
    out += to_string(entry);
  }
  return out + "]";
}

}  // namespace batchdot::inline v0
