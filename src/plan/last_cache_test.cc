// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <fstream>
#include <string>

#include "src/plan/plan.h"

namespace batchdot {
namespace {

// The kernel's own reading of the first CPU: the last index that is there.
TEST(LastCache, IsWhatTheSystemSays) {
  if (last_cache_bytes() == 0) GTEST_SKIP() << "the CPU does not say";
  std::int64_t bytes = 0;
  for (int index = 0; index < 8; ++index) {
    std::ifstream file("/sys/devices/system/cpu/cpu0/cache/index" + std::to_string(index) +
                       "/size");
    std::int64_t size = 0;
    char unit = ' ';
    if (!(file >> size >> unit)) break;
    bytes = size * (unit == 'K' ? 1 << 10 : unit == 'M' ? 1 << 20 : 1);
  }
  if (bytes == 0) GTEST_SKIP() << "the system lists no caches";
  EXPECT_EQ(last_cache_bytes(), bytes);
}

}  // namespace
}  // namespace batchdot
