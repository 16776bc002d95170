// SPDX-License-Identifier: Apache-2.0
// The targets by name. BATCHDOT_TARGET is read here, once.

#include <cstdlib>
#include <string>

#include "src/core/text.h"
#include "src/plan/plan.h"

namespace batchdot {

namespace {

const kernel::Kernels* find_or_null(std::string_view target) {
  for (const kernel::Kernels* table : kernel::kernels_that_run_here()) {
    if (table->target == target) return table;
  }
  return nullptr;
}

[[noreturn]] void refuse_target(std::string_view target, std::string_view from) {
  std::string known;
  for (const std::string_view name : targets()) known += text(known.empty() ? "" : ", ", name);
  throw Error(ErrorCode::kUsage, text("plan: no such target: ", from, target, ", this CPU runs ",
                                      known, hint(target, targets())));
}

}  // namespace

inline namespace v0 {

std::span<const std::string_view> targets() {
  static const std::vector<std::string_view> kNames = [] {
    std::vector<std::string_view> names;
    for (const kernel::Kernels* table : kernel::kernels_that_run_here()) {
      names.emplace_back(table->target);
    }
    return names;
  }();
  return kNames;
}

std::string_view default_target() {
  static const std::string kAsked = [] {
    const char* asked = std::getenv("BATCHDOT_TARGET");
    return std::string(asked == nullptr ? "" : asked);
  }();
  if (kAsked.empty()) return targets().front();
  const kernel::Kernels* table = find_or_null(kAsked);
  if (table == nullptr) refuse_target(kAsked, "BATCHDOT_TARGET=");
  return table->target;
}

}  // namespace v0

const kernel::Kernels& find_kernels(std::string_view target) {
  const std::string_view name = target.empty() ? default_target() : target;
  const kernel::Kernels* table = find_or_null(name);
  if (table == nullptr) refuse_target(name, "");
  return *table;
}

}  // namespace batchdot
