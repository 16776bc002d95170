// SPDX-License-Identifier: Apache-2.0
// A pool with a static split: of n tasks, thread t of T runs those from n*t/T up to n*(t+1)/T.
// There is no queue and no stealing: who is done early takes of what nobody has, in run.cc.
//
// Sleeping threads wait for `Impl::round` to change. A call writes its task, then raises `round`,
// runs the first share itself and waits for `Impl::busy` to fall to 0.

#include "batchdot/executor.h"

#include <pthread.h>
#include <signal.h>

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <cstdlib>
#include <exception>
#include <memory>
#include <mutex>
#include <new>
#include <thread>
#include <vector>

#include "src/core/text.h"
#include "src/exec/cpu_count.h"

namespace batchdot::inline v0 {

namespace {

// Tries before a thread sleeps. Each gives up the CPU to whoever wants it, so a machine with more
// threads than CPUs loses little; on an idle one this is some ten microseconds, longer than the gap
// between two steps of a plan and about what it costs to wake a sleeper.
constexpr int kTriesBeforeSleep = 64;

// Forks that lie between this process and the one that loaded the library. A fork takes only the
// thread that asked for it along, so a pool made before it has no threads in the child.
std::atomic<std::uint64_t> g_forks{0};

std::uint64_t watch_forks() {
  static const int registered =
      pthread_atfork(nullptr, nullptr, [] { g_forks.fetch_add(1, std::memory_order_relaxed); });
  if (registered != 0) {
    throw Error(ErrorCode::kMemory, "threads: no memory to watch for forks");
  }
  return g_forks.load(std::memory_order_relaxed);
}

// True while this thread runs a task of any pool. If a task of one pool could wait for another,
// two such pools could wait for each other.
thread_local bool t_inside_task = false;

// Threads inherit the mask of the thread that starts them: with it ours take no signal of the
// process, and Ctrl-C reaches a thread of the caller's.
class SignalsBlocked {
 public:
  SignalsBlocked() {
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before_);
  }
  ~SignalsBlocked() { pthread_sigmask(SIG_SETMASK, &before_, nullptr); }
  SignalsBlocked(const SignalsBlocked&) = delete;
  SignalsBlocked& operator=(const SignalsBlocked&) = delete;

 private:
  sigset_t before_;
};

void run_tasks(Executor::Task task, void* context, int begin, int end) {
  const bool was_inside = t_inside_task;
  t_inside_task = true;
  for (int i = begin; i < end; ++i) task(context, i);
  t_inside_task = was_inside;
}

// Returns once `value` differs from `old`, with that value.
std::uint32_t wait_for_change(const std::atomic<std::uint32_t>& value, std::uint32_t old) {
  for (int i = 0; i < kTriesBeforeSleep; ++i) {
    const std::uint32_t now = value.load(std::memory_order_acquire);
    if (now != old) return now;
    std::this_thread::yield();
  }
  value.wait(old, std::memory_order_acquire);
  return value.load(std::memory_order_acquire);
}

}  // namespace

struct ThreadPool::Impl {
  const int threads;
  const std::uint64_t forks = watch_forks();

  std::mutex turn;  // held by the caller whose tasks are run

  // What is run. Written by the caller before it raises `round`, when no other thread looks.
  Executor::Task task = nullptr;  // null: the threads end
  void* context = nullptr;
  int count = 0;

  alignas(64) std::atomic<std::uint32_t> round{0};  // calls so far
  alignas(64) std::atomic<std::uint32_t> busy{0};  // threads of ours that have not done their share
  std::vector<std::thread> workers;

  explicit Impl(int threads_) : threads(threads_) {
    const SignalsBlocked signals_blocked;
    workers.reserve(static_cast<std::size_t>(threads - 1));
    try {
      for (int t = 1; t < threads; ++t) workers.emplace_back([this, t] { work(t); });
    } catch (const std::exception&) {
      const std::size_t given = workers.size() + 1;
      end_workers();
      throw Error(ErrorCode::kMemory,
                  text("threads: the system gives no more: ", given, " of ", threads));
    }
  }

  ~Impl() {
    if (is_forked()) {
      // These threads are the parent's. Neither join nor detach may touch them here, and the
      // destructor of a thread that was neither ends the process: so the handles are forgotten.
      for (std::thread& worker : workers) new (&worker) std::thread();
      return;
    }
    end_workers();
  }

  bool is_forked() const { return forks != g_forks.load(std::memory_order_relaxed); }

  void end_workers() {
    task = nullptr;
    round.fetch_add(1, std::memory_order_release);
    round.notify_all();
    for (std::thread& worker : workers) worker.join();
    workers.clear();
  }

  // The share of thread t. With fewer tasks than threads the first threads have one each.
  void run_share(int t) const {
    const std::int64_t shares = std::min(threads, count);
    if (t >= shares) return;
    const auto begin = static_cast<int>(count * static_cast<std::int64_t>(t) / shares);
    const auto end = static_cast<int>(count * (static_cast<std::int64_t>(t) + 1) / shares);
    run_tasks(task, context, begin, end);
  }

  void work(int t) {
    for (std::uint32_t seen = 0;;) {
      seen = wait_for_change(round, seen);
      if (task == nullptr) return;
      run_share(t);
      if (busy.fetch_sub(1, std::memory_order_acq_rel) == 1) busy.notify_one();
    }
  }

  void parallel_for(int task_count, Executor::Task new_task, void* new_context) {
    if (task_count <= 1 || threads == 1 || t_inside_task || is_forked()) {
      run_tasks(new_task, new_context, 0, task_count);
      return;
    }
    const std::lock_guard lock(turn);
    task = new_task;
    context = new_context;
    count = task_count;
    busy.store(static_cast<std::uint32_t>(threads - 1), std::memory_order_relaxed);
    round.fetch_add(1, std::memory_order_release);
    round.notify_all();
    run_share(0);
    for (std::uint32_t left = busy.load(std::memory_order_acquire); left != 0;) {
      left = wait_for_change(busy, left);
    }
  }
};

ThreadPool::ThreadPool(int threads) {
  if (threads < 1) {
    throw Error(ErrorCode::kUsage, text("threads: a pool needs at least 1: ", threads));
  }
  try {
    impl_ = std::make_unique<Impl>(threads);
  } catch (const std::bad_alloc&) {
    throw Error(ErrorCode::kMemory, text("threads: no memory for a pool of ", threads));
  }
}

ThreadPool::~ThreadPool() = default;

int ThreadPool::threads() const { return impl_->threads; }

Executor ThreadPool::executor() {
  Executor executor;
  executor.state = impl_.get();
  executor.parallel_for = [](void* state, int count, Executor::Task task, void* context) {
    static_cast<Impl*>(state)->parallel_for(count, task, context);
  };
  executor.concurrency = impl_->threads;
  return executor;
}

int default_threads() {
  static const int threads = [] {
    if (const char* asked = std::getenv("BATCHDOT_NUM_THREADS")) return parse_thread_count(asked);
    const int cpus = cpus_of_affinity();
    return std::min(cpus, cpus_of_cgroup().value_or(cpus));
  }();
  return threads;
}

Executor default_executor() {
  // Never destroyed: at exit other threads may still be in a call.
  static ThreadPool& pool = *new ThreadPool(default_threads());
  return pool.executor();
}

}  // namespace batchdot::inline v0
