// SPDX-License-Identifier: Apache-2.0
#pragma once
// What this machine can do at most, here and now: arithmetic on registers alone, and memory.

#include <string>

namespace bench {

/// {"peaks": {"f32": Gflop/s, ...}, "memory": [{"bytes": ..., "read": GB/s, "write": ..., "mixed":
/// ...}]}, of so many threads at once. Takes a second or two. A dtype whose instruction this CPU
/// lacks, or for which none is written here, is left out. `bytes` is the working set of each
/// thread, `mixed` a copy, its reads and writes together.
/// \param cpu_time  measure processor time: what matters where other work shares the cores
std::string bounds_as_json(int threads, bool cpu_time);

}  // namespace bench
