// SPDX-License-Identifier: Apache-2.0
#include "src/exec/cpu_count.h"

#include <gtest/gtest.h>
#include <sched.h>
#include <stdlib.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <map>
#include <string>
#include <thread>

#include "batchdot/error.h"
#include "batchdot/executor.h"

namespace batchdot {
namespace {

namespace fs = std::filesystem;

using Files = std::map<std::string, std::string>;  // path under the root: what it holds

std::optional<int> cpus_with(const Files& files) {
  std::string root = (fs::temp_directory_path() / "cpu_count_XXXXXX").string();
  EXPECT_NE(mkdtemp(root.data()), nullptr);
  for (const auto& [path, text] : files) {
    const fs::path file = root + path;
    fs::create_directories(file.parent_path());
    std::ofstream(file) << text;
  }
  const auto cpus = cpus_of_cgroup(root);
  fs::remove_all(root);
  return cpus;
}

constexpr const char* kGroup = "/proc/self/cgroup";
constexpr const char* kMounts = "/proc/self/mountinfo";
constexpr const char* kMountsV2 =
    "22 1 8:1 / / rw,relatime - ext4 /dev/vda rw\n"
    "31 22 0:26 / /sys/fs/cgroup rw,nosuid shared:9 master:3 - cgroup2 cgroup2 rw,nsdelegate\n";
constexpr const char* kMountsV1 =
    "30 22 0:25 / /sys/fs/cgroup ro - tmpfs tmpfs ro,mode=755\n"
    "33 30 0:29 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n"
    "34 30 0:30 / /sys/fs/cgroup/cpu,cpuacct rw shared:12 - cgroup cgroup rw,cpu,cpuacct\n";

TEST(CpusOfCgroup, TakesTheSmallestQuotaFromTheGroupUpwards) {
  const struct {
    const char* why;
    Files files;
    std::optional<int> cpus;
  } kCases[] = {
      {"no cgroups at all", {}, {}},
      {"a container: the group is the root of what is seen",
       {{kGroup, "0::/\n"}, {kMounts, kMountsV2}, {"/sys/fs/cgroup/cpu.max", "150000 100000\n"}},
       2},
      {"no quota",
       {{kGroup, "0::/\n"}, {kMounts, kMountsV2}, {"/sys/fs/cgroup/cpu.max", "max 100000\n"}},
       {}},
      {"less than one CPU is one",
       {{kGroup, "0::/a\n"}, {kMounts, kMountsV2}, {"/sys/fs/cgroup/a/cpu.max", "2500 100000\n"}},
       1},
      {"the group around it has less",
       {{kGroup, "0::/user.slice/a b/job\n"},
        {kMounts, kMountsV2},
        {"/sys/fs/cgroup/user.slice/a b/job/cpu.max", "800000 100000\n"},
        {"/sys/fs/cgroup/user.slice/a b/cpu.max", "max 100000\n"},
        {"/sys/fs/cgroup/user.slice/cpu.max", "300000 100000\n"}},
       3},
      {"version 1",
       {{kGroup, "12:memory:/job\n4:cpu,cpuacct:/job\n1:name=systemd:/x\n0::/x\n"},
        {kMounts, kMountsV1},
        {"/sys/fs/cgroup/cpu,cpuacct/job/cpu.cfs_quota_us", "400000\n"},
        {"/sys/fs/cgroup/cpu,cpuacct/job/cpu.cfs_period_us", "100000\n"},
        {"/sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us", "-1\n"},
        {"/sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us", "100000\n"}},
       4},
      {"cpuacct and cpuset are not cpu",
       {{kGroup, "4:cpuacct:/job\n5:cpuset:/job\n"},
        {kMounts, "34 30 0:30 / /cg rw - cgroup cgroup rw,cpuacct\n"},
        {"/cg/job/cpu.cfs_quota_us", "100000\n"},
        {"/cg/job/cpu.cfs_period_us", "100000\n"}},
       {}},
      {"version 1 in a container: the group has the host's name, its part is mounted",
       {{kGroup, "4:cpu:/docker/123/sub\n"},
        {kMounts, "34 30 0:30 /docker/123 /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu\n"},
        {"/sys/fs/cgroup/cpu/sub/cpu.cfs_quota_us", "-1\n"},
        {"/sys/fs/cgroup/cpu/sub/cpu.cfs_period_us", "100000\n"},
        {"/sys/fs/cgroup/cpu/cpu.cfs_quota_us", "250000\n"},
        {"/sys/fs/cgroup/cpu/cpu.cfs_period_us", "100000\n"}},
       3},
      {"a mount of another part shows its own group",
       {{kGroup, "0::/docker/12\n"},
        {kMounts, "34 30 0:30 /docker/1 /cg rw - cgroup2 cgroup2 rw\n"},
        {"/cg/cpu.max", "200000 100000\n"}},
       2},
      {"a blank in the mount point",
       {{kGroup, "0::/\n"},
        {kMounts, "34 30 0:30 / /my\\040groups rw - cgroup2 cgroup2 rw\n"},
        {"/my groups/cpu.max", "500000 100000\n"}},
       5},
      {"nonsense",
       {{kGroup, "0::/\nx\n:\n"},
        {kMounts, "34 30\n - \n - cgroup2 x\n34 30 0:30 / /cg rw - cgroup2 cgroup2 rw\n"},
        {"/cg/cpu.max", "lots 0\n"}},
       {}},
      {"more than anyone has",
       {{kGroup, "0::/\n"},
        {kMounts, kMountsV2},
        {"/sys/fs/cgroup/cpu.max", "9000000000000000000 1\n"}},
       4096},
  };
  for (const auto& c : kCases) EXPECT_EQ(cpus_with(c.files), c.cpus) << c.why;
}

TEST(CpusOfCgroup, ReadsThisMachine) {
  const auto cpus = cpus_of_cgroup();
  EXPECT_GE(cpus.value_or(1), 1);
}

TEST(CpusOfAffinity, FollowsTheMask) {
  const int all = cpus_of_affinity();
  EXPECT_GE(all, 1);
  std::thread([&] {  // the mask belongs to a thread
    cpu_set_t mask;
    CPU_ZERO(&mask);
    CPU_SET(sched_getcpu(), &mask);
    ASSERT_EQ(sched_setaffinity(0, sizeof mask, &mask), 0);
    EXPECT_EQ(cpus_of_affinity(), 1);
  })
      .join();
  EXPECT_EQ(cpus_of_affinity(), all);
}

TEST(ParseThreadCount, TakesNumbersFrom1To4096) {
  EXPECT_EQ(parse_thread_count("1"), 1);
  EXPECT_EQ(parse_thread_count("4096"), 4096);
  for (const char* text :
       {"", "0", "-1", "4097", "99999999999999999999", "2 ", " 2", "two", "2.0", "0x2", "+2"}) {
    try {
      parse_thread_count(text);
      ADD_FAILURE() << text;
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::kUsage);
      EXPECT_EQ(error.message(), "threads: BATCHDOT_NUM_THREADS is not a number from 1 to 4096: '" +
                                     std::string(text) + "'");
    }
  }
}

// default_threads() reads the variable once in a process, so each case has a process of its own.
TEST(DefaultThreadsDeathTest, FollowsTheVariableThenMaskAndQuota) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  const auto print_threads = [] {
    try {
      const int threads = default_threads();
      setenv("BATCHDOT_NUM_THREADS", "99", 1);
      fprintf(stderr, "threads %d then %d\n", threads, default_threads());
    } catch (const Error& error) {
      fprintf(stderr, "%s\n", error.what());
    }
    exit(0);
  };
  EXPECT_EXIT(
      {
        setenv("BATCHDOT_NUM_THREADS", "5", 1);
        print_threads();
      },
      testing::ExitedWithCode(0), "threads 5 then 5\n");
  EXPECT_EXIT(
      {
        setenv("BATCHDOT_NUM_THREADS", "many", 1);
        print_threads();
      },
      testing::ExitedWithCode(0), "not a number from 1 to 4096: 'many'");
  const int here = std::min(cpus_of_affinity(), cpus_of_cgroup().value_or(cpus_of_affinity()));
  EXPECT_EXIT(
      {
        unsetenv("BATCHDOT_NUM_THREADS");
        print_threads();
      },
      testing::ExitedWithCode(0),
      "threads " + std::to_string(here) + " then " + std::to_string(here));
}

}  // namespace
}  // namespace batchdot
