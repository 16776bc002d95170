// SPDX-License-Identifier: Apache-2.0
#pragma once
// How many CPUs this process may use.

#include <optional>
#include <string>
#include <string_view>

namespace batchdot {

/// The CPUs of this thread's affinity mask; of the machine where the mask cannot be read.
int cpus_of_affinity();

/// The CPUs that the quota of the process's cgroup amounts to, rounded up; the smallest of the
/// group and those around it, versions 1 and 2. Nothing where there is no quota or it cannot be
/// read. \param root  stands before every path that is read: "" but in tests.
std::optional<int> cpus_of_cgroup(const std::string& root = "");

/// The value of BATCHDOT_NUM_THREADS as a number. \throws Error kUsage if it is none from 1 to
/// 4096.
int parse_thread_count(std::string_view text);

}  // namespace batchdot
