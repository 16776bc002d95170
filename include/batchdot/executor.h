// SPDX-License-Identifier: Apache-2.0
#pragma once
// Who runs the threads: ours, or the caller's.

#include <memory>

#include "batchdot/export.h"

namespace batchdot::inline v0 {

/// Runs `task(context, i)` for every i in 0 .. count-1 and returns when all are done. Tasks do not
/// wait for each other and do not throw; they may run in any order, on any thread, also inline.
/// They share their work through memory: all run in the calling process.
struct Executor {
  using Task = void (*)(void* context, int index);
  using ParallelFor = void (*)(void* state, int count, Task task, void* context);

  void* state = nullptr;
  ParallelFor parallel_for = nullptr;  ///< null: every task runs on the calling thread
  int concurrency = 1;                 ///< how many tasks may run at once

  /// No threads at all.
  static Executor inline_executor() { return {}; }
};

/// A small pool with a static split of the tasks. Its threads start in the constructor and end in
/// the destructor. A call from inside a task runs inline; a forked child runs everything inline on
/// the pool of its parent. May be used by several threads at once (their calls take turns).
class BATCHDOT_API ThreadPool {
 public:
  /// \param threads  tasks that run at once, the caller's thread included; 1 starts none.
  /// \throws Error  kUsage  threads < 1;  kMemory  the system gives no more threads.
  explicit ThreadPool(int threads);
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  int threads() const;
  Executor executor();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

/// How many threads are used where the caller does not say: BATCHDOT_NUM_THREADS if set (read
/// once), else the CPUs of the affinity mask, limited by the cgroup's quota. \throws Error kUsage
/// if the variable is not a number from 1 to 4096.
BATCHDOT_API int default_threads();

/// The process's pool of default_threads(), started at its first use.
BATCHDOT_API Executor default_executor();

}  // namespace batchdot::inline v0
