// SPDX-License-Identifier: Apache-2.0
// What the CPU says of its caches.

#if defined(__x86_64__)
#include <cpuid.h>
#endif

#include "src/plan/plan.h"

namespace batchdot {

namespace {

#if defined(__x86_64__)
// Leaf 4, on AMD 0x8000001D, lists caches: ways, partitions, bytes of a line and sets, each less
// one. The last one is what a group of cores shares; sysconf gives the sum of all groups on AMD.
std::int64_t ask_for_last_cache() {
  unsigned a = 0, b = 0, c = 0, d = 0;
  const bool is_amd = __get_cpuid(0, &a, &b, &c, &d) != 0 && b == signature_AMD_ebx;
  const unsigned leaf = is_amd ? 0x8000001D : 4;
  std::int64_t bytes = 0;
  for (unsigned cache = 0; cache < 8; ++cache) {
    constexpr unsigned kKind = 0x1f, kInstructions = 2;
    if (__get_cpuid_count(leaf, cache, &a, &b, &c, &d) == 0 || (a & kKind) == 0) break;
    if ((a & kKind) == kInstructions) continue;
    bytes = ((b >> 22) + std::int64_t{1}) * ((b >> 12 & 0x3ff) + 1) * ((b & 0xfff) + 1) *
            (std::int64_t{c} + 1);
  }
  return bytes;
}
#else
std::int64_t ask_for_last_cache() { return 0; }
#endif

}  // namespace

std::int64_t last_cache_bytes() {
  static const std::int64_t kBytes = ask_for_last_cache();
  return kBytes;
}

}  // namespace batchdot
