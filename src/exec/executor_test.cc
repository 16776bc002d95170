// SPDX-License-Identifier: Apache-2.0
#include "batchdot/executor.h"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "batchdot/error.h"
#include "tests/sanitized.h"

namespace batchdot {
namespace {

// Runs `body(i)` for every i in 0 .. count-1.
template <class Body>
void run(const Executor& executor, int count, Body body) {
  executor.parallel_for(
      executor.state, count, [](void* context, int i) { (*static_cast<Body*>(context))(i); },
      &body);
}

// How often each of `count` tasks ran. Plain integers: ThreadSanitizer sees a pool that returns
// before its threads are done.
std::vector<int> times_run(const Executor& executor, int count) {
  std::vector<int> times(static_cast<std::size_t>(count));
  run(executor, count, [&](int i) { ++times[static_cast<std::size_t>(i)]; });
  return times;
}

// The exit status of `body` in a forked child. The child has as long as a test has.
template <class Body>
int status_of_child(Body body) {
  const pid_t child = fork();
  if (child == 0) {
    alarm(60);  // a child that waits for threads it does not have ends here
    _exit(body());
  }
  int status = 0;
  EXPECT_EQ(waitpid(child, &status, 0), child);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

TEST(ThreadPool, RunsEveryTaskOnce) {
  for (const int threads : {1, 2, 3, 8}) {
    ThreadPool pool(threads);
    EXPECT_EQ(pool.threads(), threads);
    EXPECT_EQ(pool.executor().concurrency, threads);
    for (const int count : {0, 1, 2, 3, 7, 8, 9, 64, 1000}) {
      EXPECT_EQ(times_run(pool.executor(), count), std::vector<int>(count, 1))
          << threads << " threads, " << count << " tasks";
    }
  }
}

TEST(ThreadPool, GivesEachThreadOneRangeInOrder) {
  ThreadPool pool(3);
  for (const int count : {2, 3, 10}) {
    std::mutex mutex;
    std::vector<std::pair<std::thread::id, std::vector<int>>> ranges;
    run(pool.executor(), count, [&](int i) {
      const std::lock_guard lock(mutex);
      for (auto& [thread, range] : ranges) {
        if (thread == std::this_thread::get_id()) return range.push_back(i);
      }
      ranges.push_back({std::this_thread::get_id(), {i}});
    });
    EXPECT_EQ(ranges.size(), static_cast<std::size_t>(std::min(count, 3)));
    for (const auto& [thread, range] : ranges) {
      EXPECT_EQ(range.back() - range.front() + 1, static_cast<int>(range.size()));
      EXPECT_EQ(range.front() == 0, thread == std::this_thread::get_id());
      EXPECT_NEAR(static_cast<double>(range.size()), count / static_cast<double>(ranges.size()), 1);
    }
  }
}

// All tasks of a round wait for each other, so no thread may have two of them.
TEST(ThreadPool, RunsAsManyTasksAtOnceAsItHasThreads) {
  ThreadPool pool(4);
  for (int round = 0; round < 20; ++round) {
    std::atomic<int> arrived{0};
    run(pool.executor(), 4, [&](int) {
      ++arrived;
      while (arrived < 4) std::this_thread::yield();
    });
    EXPECT_EQ(arrived, 4);
  }
}

TEST(ThreadPool, GoesOnAfterItsThreadsHaveSlept) {
  ThreadPool pool(3);
  for (int round = 0; round < 5; ++round) {
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    EXPECT_EQ(times_run(pool.executor(), 9), std::vector<int>(9, 1));
    run(pool.executor(), 3, [&](int i) {  // and the caller sleeps, waiting for them
      if (i > 0) std::this_thread::sleep_for(std::chrono::milliseconds(20));
    });
  }
}

TEST(ThreadPool, SurvivesManyShortCalls) {
  ThreadPool pool(4);
  std::vector<std::int64_t> sums(4);
  for (int round = 0; round < 20000; ++round) {
    run(pool.executor(), 4, [&](int i) { sums[static_cast<std::size_t>(i)] += i; });
  }
  EXPECT_EQ(sums, (std::vector<std::int64_t>{0, 20000, 40000, 60000}));
}

TEST(ThreadPool, RunsACallFromInsideATaskInline) {
  ThreadPool pool(3);
  ThreadPool other(2);
  for (const int outer_count : {1, 6}) {
    std::atomic<int> inner{0};
    std::atomic<int> strangers{0};
    run(pool.executor(), outer_count, [&](int i) {
      const auto thread = std::this_thread::get_id();
      const auto inner_task = [&](int) {
        ++inner;
        if (std::this_thread::get_id() != thread) ++strangers;
      };
      run(i % 2 == 0 ? pool.executor() : other.executor(), 5, inner_task);
    });
    EXPECT_EQ(inner, 5 * outer_count);
    EXPECT_EQ(strangers, 0);
  }
}

TEST(ThreadPool, TwoPoolsThatCallEachOtherDoNotWaitForever) {
  ThreadPool one(2);
  ThreadPool two(2);
  std::atomic<int> ran{0};
  const auto call = [&](ThreadPool& outer, ThreadPool& inner) {
    for (int round = 0; round < 200; ++round) {
      run(outer.executor(), 2, [&](int) { run(inner.executor(), 2, [&](int) { ++ran; }); });
    }
  };
  std::thread first([&] { call(one, two); });
  std::thread second([&] { call(two, one); });
  first.join();
  second.join();
  EXPECT_EQ(ran, 2 * 200 * 4);
}

TEST(ThreadPool, CallersTakeTurns) {
  ThreadPool pool(3);
  std::vector<std::thread> callers;
  std::atomic<int> wrong{0};
  for (int caller = 0; caller < 4; ++caller) {
    callers.emplace_back([&, caller] {
      for (int round = 0; round < 300; ++round) {
        const int count = 1 + (caller * 7 + round) % 20;
        if (times_run(pool.executor(), count) != std::vector<int>(count, 1)) ++wrong;
      }
    });
  }
  for (std::thread& caller : callers) caller.join();
  EXPECT_EQ(wrong, 0);
}

TEST(ThreadPool, StartsItsThreadsAtOnceAndEndsThem) {
#if BATCHDOT_SANITIZED
  GTEST_SKIP() << "a sanitizer starts threads of its own";
#endif
  const auto threads_now = [] {
    int count = 0;
    for (const auto& entry : std::filesystem::directory_iterator("/proc/self/task")) {
      count += entry.exists() ? 1 : 0;
    }
    return count;
  };
  const int before = threads_now();
  {
    ThreadPool none(1);
    EXPECT_EQ(threads_now(), before);
    ThreadPool pool(4);
    EXPECT_EQ(threads_now(), before + 3);
  }
  // A joined thread leaves the list a moment later.
  for (int i = 0; i < 1000 && threads_now() > before; ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  EXPECT_EQ(threads_now(), before);
}

TEST(ThreadPool, RefusesLessThanOneThread) {
  for (const int threads : {0, -3}) {
    try {
      ThreadPool pool(threads);
      FAIL() << threads;
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::kUsage);
      EXPECT_EQ(error.message(), "threads: a pool needs at least 1: " + std::to_string(threads));
    }
  }
}

TEST(ThreadPool, SignalsGoToTheCallersThreads) {
  ThreadPool pool(3);
  std::atomic<int> unblocked{0};
  const auto caller = std::this_thread::get_id();
  run(pool.executor(), 3, [&](int) {
    sigset_t mask;
    pthread_sigmask(SIG_SETMASK, nullptr, &mask);
    if (std::this_thread::get_id() != caller && sigismember(&mask, SIGINT) != 1) ++unblocked;
  });
  EXPECT_EQ(unblocked, 0);
  sigset_t mask;
  pthread_sigmask(SIG_SETMASK, nullptr, &mask);
  EXPECT_EQ(sigismember(&mask, SIGINT), 0);
}

// ThreadSanitizer ends a child of a process with threads that starts threads of its own.
#if defined(__SANITIZE_THREAD__)
constexpr bool kChildMayStartThreads = false;
#elif defined(__has_feature)
constexpr bool kChildMayStartThreads = !__has_feature(thread_sanitizer);
#else
constexpr bool kChildMayStartThreads = true;
#endif

TEST(ThreadPool, AForkedChildRunsInlineAndMayMakeItsOwn) {
  auto pool = std::make_unique<ThreadPool>(4);
  ASSERT_EQ(times_run(pool->executor(), 9), std::vector<int>(9, 1));
  const auto child = [&] {
    const auto thread = std::this_thread::get_id();
    int ran = 0;
    run(pool->executor(), 9, [&](int) { ran += std::this_thread::get_id() == thread ? 1 : 0; });
    if (ran != 9) return 1;
    pool.reset();  // joins nobody
    if (!kChildMayStartThreads) return 0;
    ThreadPool own(3);
    std::atomic<int> arrived{0};
    run(own.executor(), 3, [&](int) {
      ++arrived;
      while (arrived < 3) std::this_thread::yield();
    });
    return arrived == 3 ? 0 : 2;
  };
  EXPECT_EQ(status_of_child(child), 0);
  EXPECT_EQ(times_run(pool->executor(), 9), std::vector<int>(9, 1)) << "the parent goes on";
}

TEST(ThreadPool, MayBeForkedWhileItRuns) {
  ThreadPool pool(3);
  std::atomic<bool> stop{false};
  std::thread busy([&] {
    while (!stop) run(pool.executor(), 3, [](int) {});
  });
  for (int i = 0; i < 20; ++i) {
    EXPECT_EQ(status_of_child(
                  [&] { return times_run(pool.executor(), 5) == std::vector<int>(5, 1) ? 0 : 1; }),
              0);
  }
  stop = true;
  busy.join();
}

TEST(DefaultExecutor, HasDefaultThreads) {
  const Executor executor = default_executor();
  EXPECT_EQ(executor.concurrency, default_threads());
  EXPECT_EQ(executor.state, default_executor().state);
  EXPECT_EQ(times_run(executor, 100), std::vector<int>(100, 1));
}

TEST(Executor, WithoutAPoolHasNoState) {
  const Executor executor = Executor::inline_executor();
  EXPECT_EQ(executor.parallel_for, nullptr);
  EXPECT_EQ(executor.concurrency, 1);
}

}  // namespace
}  // namespace batchdot
