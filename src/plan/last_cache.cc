// SPDX-License-Identifier: Apache-2.0
// What the machine says of its caches.

#include <unistd.h>

#include <algorithm>

#include "src/plan/plan.h"

namespace batchdot {

std::int64_t last_cache_bytes() {
#ifdef _SC_LEVEL3_CACHE_SIZE
  static const std::int64_t kBytes = std::max<std::int64_t>(0, sysconf(_SC_LEVEL3_CACHE_SIZE));
  return kBytes;
#else
  return 0;
#endif
}

}  // namespace batchdot
