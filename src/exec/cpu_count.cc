// SPDX-License-Identifier: Apache-2.0
#include "src/exec/cpu_count.h"

#include <sched.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstdint>
#include <fstream>
#include <memory>
#include <sstream>
#include <thread>
#include <vector>

#include "src/core/text.h"
#include "src/core/utf8.h"
#include "src/plan/plan.h"

namespace batchdot {

namespace {

std::vector<std::string> split(const std::string& text, char separator) {
  std::vector<std::string> parts;
  std::istringstream in(text);
  for (std::string part; std::getline(in, part, separator);) parts.push_back(part);
  return parts;
}

bool contains(const std::vector<std::string>& parts, std::string_view wanted) {
  return std::find(parts.begin(), parts.end(), wanted) != parts.end();
}

// The kernel writes a blank in a path of mountinfo as \040, and a few others likewise.
std::string unescaped(std::string_view text) {
  std::string result;
  for (std::size_t i = 0; i < text.size(); ++i) {
    int code = 0;
    if (text[i] == '\\' && i + 3 < text.size() &&
        std::from_chars(&text[i + 1], &text[i + 1] + 3, code, 8).ptr == &text[i + 1] + 3) {
      result += static_cast<char>(code);
      i += 3;
    } else {
      result += text[i];
    }
  }
  return result;
}

// One hierarchy of groups as it is mounted, and the group that this process is in.
struct Hierarchy {
  int version = 2;
  std::string group;        // as /proc/self/cgroup names it: "/user.slice/job"
  std::string mount_root;   // the group that the mount point shows
  std::string mount_point;  // "/sys/fs/cgroup"
};

// The hierarchies that can hold a CPU quota and are mounted.
std::vector<Hierarchy> find_hierarchies(const std::string& root) {
  std::vector<Hierarchy> found;
  std::ifstream groups(root + "/proc/self/cgroup");
  for (std::string line; std::getline(groups, line);) {  // 4:cpu,cpuacct:/job and 0::/job
    const auto first = line.find(':');
    const auto second = line.find(':', first + 1);
    if (first == std::string::npos || second == std::string::npos) continue;
    const auto controllers = split(line.substr(first + 1, second - first - 1), ',');
    if (controllers.empty()) {
      found.push_back({2, line.substr(second + 1), "", ""});
    } else if (contains(controllers, "cpu")) {
      found.push_back({1, line.substr(second + 1), "", ""});
    }
  }
  std::ifstream mounts(root + "/proc/self/mountinfo");
  for (std::string line; std::getline(mounts, line);) {
    // 31 23 0:28 /shown /mounted/at rw shared:9 - cgroup cgroup rw,cpu
    const auto dash = line.find(" - ");
    if (dash == std::string::npos) continue;
    const auto before = split(line.substr(0, dash), ' ');
    const auto after = split(line.substr(dash + 3), ' ');
    if (before.size() < 5 || after.size() < 3) continue;
    const int version = after[0] == "cgroup2" ? 2 : after[0] == "cgroup" ? 1 : 0;
    if (version == 1 && !contains(split(after[2], ','), "cpu")) continue;
    for (Hierarchy& hierarchy : found) {
      if (hierarchy.version != version || !hierarchy.mount_point.empty()) continue;
      hierarchy.mount_root = unescaped(before[3]);
      hierarchy.mount_point = unescaped(before[4]);
    }
  }
  std::erase_if(found, [](const Hierarchy& h) { return h.mount_point.empty(); });
  return found;
}

// The quota of one group: microseconds of CPU time in each period.
std::optional<int> cpus_of_group(int version, const std::string& folder) {
  std::string quota_text;
  std::int64_t period = 0;
  if (version == 2) {
    std::ifstream(folder + "/cpu.max") >> quota_text >> period;
  } else {
    std::ifstream(folder + "/cpu.cfs_quota_us") >> quota_text;
    std::ifstream(folder + "/cpu.cfs_period_us") >> period;
  }
  std::int64_t quota = 0;  // "max" and -1 are no quota
  std::from_chars(quota_text.data(), quota_text.data() + quota_text.size(), quota);
  if (quota <= 0 || period <= 0) return std::nullopt;
  const std::int64_t cpus = quota / period + (quota % period > 0 ? 1 : 0);
  return static_cast<int>(std::min<std::int64_t>(cpus, kMostThreads));
}

}  // namespace

int cpus_of_affinity() {
  // The kernel refuses a mask that is shorter than its own.
  for (std::size_t cpus = CPU_SETSIZE; cpus <= (std::size_t{1} << 20); cpus *= 2) {
    std::vector<cpu_set_t> mask((cpus + CPU_SETSIZE - 1) / CPU_SETSIZE);
    const std::size_t bytes = mask.size() * sizeof(cpu_set_t);
    if (sched_getaffinity(0, bytes, mask.data()) == 0) {
      return std::max(1, CPU_COUNT_S(bytes, mask.data()));
    }
    if (errno != EINVAL) break;
  }
  return std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
}

std::optional<int> cpus_of_cgroup(const std::string& root) {
  std::optional<int> least;
  for (const Hierarchy& hierarchy : find_hierarchies(root)) {
    // In a container the group may be named as the host sees it while only a part is mounted.
    std::string below = hierarchy.group;
    if (hierarchy.mount_root != "/") {
      const bool inside =
          below == hierarchy.mount_root ||
          below.compare(0, hierarchy.mount_root.size() + 1, hierarchy.mount_root + "/") == 0;
      below = inside ? below.substr(hierarchy.mount_root.size()) : "";
    }
    for (;;) {
      const auto cpus = cpus_of_group(hierarchy.version, root + hierarchy.mount_point + below);
      if (cpus && (!least || *cpus < *least)) least = cpus;
      const auto slash = below.rfind('/');
      if (slash == std::string::npos) break;
      below.resize(slash);
    }
  }
  return least;
}

int parse_thread_count(std::string_view text_of_count) {
  int threads = 0;
  const char* end = text_of_count.data() + text_of_count.size();
  const auto [stop, error] = std::from_chars(text_of_count.data(), end, threads);
  if (error != std::errc() || stop != end || threads < 1 || threads > kMostThreads) {
    throw Error(ErrorCode::kUsage, text("threads: BATCHDOT_NUM_THREADS is not a number from 1 to ",
                                        kMostThreads, ": ", quoted(text_of_count)));
  }
  return threads;
}

}  // namespace batchdot
