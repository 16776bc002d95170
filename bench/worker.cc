// SPDX-License-Identifier: Apache-2.0
#include "bench/worker.h"

#include <sys/mman.h>
#include <time.h>

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <exception>
#include <iostream>
#include <limits>
#include <memory>

#include "batchdot/executor.h"

namespace bench {

namespace {

clockid_t clock_used = CLOCK_MONOTONIC;

double now_seconds() {
  timespec time = {};
  ::clock_gettime(clock_used, &time);
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) * 1e-9;
}

double seconds_of(const std::function<void()>& run, std::int64_t calls) {
  const double begin = now_seconds();
  for (std::int64_t i = 0; i < calls; ++i) run();
  return now_seconds() - begin;
}

// Seconds of one call: of many together where one is short. A way that is far from the best one is
// not looked at twice.
double quick_look(const Way& way, double best_of_others) {
  way.prepare();
  const double first = seconds_of(way.run, 1);
  constexpr double kEnough = 0.01;
  if (first > 100 * kEnough || (first > kEnough && first > 4 * best_of_others)) return first;
  double best = std::numeric_limits<double>::infinity();
  for (int repeat = 0; repeat < 3; ++repeat) {
    const double once = std::min(best, std::max(first, 1e-8));
    const auto calls = static_cast<std::int64_t>(std::max(1.0, kEnough / 3 / once));
    best = std::min(best, seconds_of(way.run, calls) / static_cast<double>(calls));
  }
  return best;
}

void answer(const std::string& line) { std::cout << line << std::endl; }

// Copies a tensor into another order. Axes: extent, stride in the source, stride in the target.
struct Axis {
  std::int64_t extent, from, to;
};

template <class T>
void permute(const T* source, T* target, std::vector<Axis> axes, int threads) {
  std::sort(axes.begin(), axes.end(), [](const Axis& x, const Axis& y) { return x.to > y.to; });
  if (axes.empty()) axes.push_back({1, 1, 1});
  const Axis inner = axes.back();
  axes.pop_back();
  Axis fast = {1, 0, 0};  // along which the source runs, if that is another axis
  const auto found =
      std::find_if(axes.begin(), axes.end(), [](const Axis& axis) { return axis.from == 1; });
  if (inner.from != 1 && found != axes.end()) {
    fast = *found;
    axes.erase(found);
  }
  Modes outer;
  for (const Axis& axis : axes) outer.push_back({axis.extent, axis.from, axis.to, 0});
  const std::int64_t items = extent_of(outer);
  const auto plane = [&](std::int64_t from, std::int64_t to, std::int64_t) {
    const T* const s = source + from;
    T* const t = target + to;
    if (inner.from == 1 && inner.to == 1) {
      std::memcpy(t, s, static_cast<std::size_t>(inner.extent) * sizeof(T));
      return;
    }
    constexpr std::int64_t kTile = 16;  // elements: a line of f32
    for (std::int64_t i0 = 0; i0 < fast.extent; i0 += kTile) {
      const std::int64_t i1 = std::min(i0 + kTile, fast.extent);
      for (std::int64_t j0 = 0; j0 < inner.extent; j0 += kTile) {
        const std::int64_t j1 = std::min(j0 + kTile, inner.extent);
        for (std::int64_t i = i0; i < i1; ++i) {
          for (std::int64_t j = j0; j < j1; ++j) {
            t[i * fast.to + j * inner.to] = s[i * fast.from + j * inner.from];
          }
        }
      }
    }
  };
  const int parts = static_cast<int>(std::min<std::int64_t>(threads, items));
  parallel_for(threads, parts, [&](int part) {
    for_items(outer, items * part / parts, items * (part + 1) / parts, plane);
  });
}

void permute_bytes(std::size_t size, const std::byte* source, std::byte* target,
                   const std::vector<Axis>& axes, int threads) {
  const auto run = [&](auto element) {
    using T = decltype(element);
    permute(reinterpret_cast<const T*>(source), reinterpret_cast<T*>(target), axes, threads);
  };
  struct Sixteen {
    std::uint64_t parts[2];
  };
  if (size == 1) run(std::uint8_t{});
  if (size == 2) run(std::uint16_t{});
  if (size == 4) run(std::uint32_t{});
  if (size == 8) run(std::uint64_t{});
  if (size == 16) run(Sixteen{});
}

using Stride = std::int64_t Mode::*;

struct Group {
  std::int64_t extent = 1;
  std::int64_t stride = 1;
};

// These modes, in this order, as one in a tensor; nothing if its strides do not allow it.
std::optional<Group> group(const Modes& modes, Stride stride) {
  if (modes.empty()) return Group{};
  Group result = {modes.back().extent, modes.back().*stride};
  for (std::size_t i = modes.size() - 1; i-- > 0;) {
    if (modes[i].*stride != result.stride * result.extent) return {};
    result.extent *= modes[i].extent;
  }
  return result;
}

Modes sorted(Modes modes, Stride stride) {
  std::sort(modes.begin(), modes.end(),
            [&](const Mode& x, const Mode& y) { return x.*stride > y.*stride; });
  return modes;
}

struct Copy {
  std::vector<Axis> axes;  // from the tensor to the copy
  std::shared_ptr<std::byte[]> memory;
  std::int64_t count = 0;
  explicit operator bool() const { return count > 0; }
};

// The strides of a dense copy in the order batch, rows, columns; sets those of the modes.
Copy dense(Modes& batch, Modes& rows, Modes& columns, Stride stride, std::size_t size) {
  Copy copy;
  std::int64_t next = 1;
  for (Modes* modes : {&columns, &rows, &batch}) {
    for (std::size_t i = modes->size(); i-- > 0;) {
      Mode& mode = (*modes)[i];
      if (mode.*stride == 0) continue;  // a batch mode that this operand lacks
      copy.axes.push_back({mode.extent, mode.*stride, next});
      mode.*stride = next;
      next *= mode.extent;
    }
  }
  copy.count = next;
  constexpr std::size_t kAlign = 64;
  const auto raw = std::make_shared<std::vector<std::byte>>(next * size + kAlign);
  std::byte* const at =
      raw->data() + (kAlign - reinterpret_cast<std::uintptr_t>(raw->data()) % kAlign) % kAlign;
  copy.memory = std::shared_ptr<std::byte[]>(raw, at);
  return copy;
}

}  // namespace

void parallel_for(int threads, int count, const std::function<void(int)>& task) {
  if (threads == 1 || count <= 1) {
    for (int i = 0; i < count; ++i) task(i);
    return;
  }
  static batchdot::ThreadPool pool(threads);
  const batchdot::Executor executor = pool.executor();
  executor.parallel_for(
      executor.state, count,
      [](void* context, int i) { (*static_cast<const std::function<void(int)>*>(context))(i); },
      const_cast<std::function<void(int)>*>(&task));
}

std::string result_dtype(const std::string& dtype) { return dtype == "i8" ? "i32" : dtype; }

std::vector<Way> ways_with_copies(
    const Problem& problem, int threads,
    const std::function<std::vector<Way>(const Problem& problem, const Gemm& gemm)>& make) {
  std::vector<Way> ways;
  const std::size_t size = bytes_of(problem.dtype);
  struct Order {
    Stride m, n, k;
  };
  std::vector<std::string> seen;
  for (const Stride m_by : {&Mode::c, &Mode::a}) {
    for (const Stride n_by : {&Mode::c, &Mode::b}) {
      for (const Stride k_by : {&Mode::a, &Mode::b}) {
        Modes batch = sorted(problem.batch, &Mode::c), m = sorted(problem.m, m_by);
        Modes n = sorted(problem.n, n_by), k = sorted(problem.k, k_by);
        const auto lies_well = [](const Modes& rows, const Modes& columns, Stride stride) {
          const auto r = group(rows, stride), c = group(columns, stride);
          return r && c && as_blas(r->extent, c->extent, r->stride, c->stride);
        };
        Copy a, b, c;
        std::string how;
        if (!lies_well(m, k, &Mode::a)) {
          a = dense(batch, m, k, &Mode::a, size);
          how += " lhs";
        }
        if (!lies_well(k, n, &Mode::b)) {
          b = dense(batch, k, n, &Mode::b, size);
          how += " rhs";
        }
        if (!lies_well(m, n, &Mode::c)) {
          c = dense(batch, m, n, &Mode::c, size);
          how += " out";
        }
        if (how.empty()) continue;  // among gemms_of()
        std::string key = how;
        for (const Modes* modes : {&m, &n, &k}) {
          for (const Mode& mode : *modes) {
            key += '/' + std::to_string(mode.a) + '.' + std::to_string(mode.b) + '.' +
                   std::to_string(mode.c);
          }
        }
        if (std::find(seen.begin(), seen.end(), key) != seen.end()) continue;
        seen.push_back(key);

        Problem copied = problem;
        if (a) copied.lhs = a.memory.get();
        if (b) copied.rhs = b.memory.get();
        if (c) copied.out = c.memory.get();
        copied.batch = fused(batch);
        copied.m = fused(m), copied.n = fused(n), copied.k = fused(k);
        if (copied.m.size() > 1 || copied.n.size() > 1 || copied.k.size() > 1) continue;
        for (const Gemm& gemm : gemms_of(copied)) {
          for (Way& inner : make(copied, gemm)) {
            Way way = inner;
            way.how += ", copies of" + how;
            way.run = [=, run = inner.run] {
              if (a) permute_bytes(size, problem.lhs, a.memory.get(), a.axes, threads);
              if (b) permute_bytes(size, problem.rhs, b.memory.get(), b.axes, threads);
              run();
              if (c) {
                std::vector<Axis> back = c.axes;
                for (Axis& axis : back) std::swap(axis.from, axis.to);
                permute_bytes(size, c.memory.get(), problem.out, back, threads);
              }
            };
            ways.push_back(way);
          }
        }
      }
    }
  }
  return ways;
}

int serve(int count, char** words, FindWays find_ways) {
  if (count != 4) {
    std::fprintf(stderr, "usage: %s FILE_DESCRIPTOR BYTES THREADS\n", words[0]);
    return 2;
  }
  const std::size_t bytes = std::stoull(words[2]);
  const int threads = std::stoi(words[3]);
  void* const memory =
      ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, std::stoi(words[1]), 0);
  if (memory == MAP_FAILED) {
    std::perror("mmap");
    return 1;
  }
  Way way;
  for (std::string line; std::getline(std::cin, line);) {
    const std::string word = line.substr(0, line.find(' '));
    try {
      if (word == "load") {
        way = {};
        const Problem problem =
            read_problem(line.substr(5), static_cast<std::byte*>(memory), bytes);
        double best = std::numeric_limits<double>::infinity();
        std::string why = "no way";
        for (const Way& candidate : find_ways(problem, threads)) {
          try {
            const double seconds = quick_look(candidate, best);
            if (seconds >= best) continue;
            best = seconds;
            way = candidate;
          } catch (const std::exception& error) {
            why = error.what();
          }
        }
        if (!way.run) {
          answer("no " + why);
          continue;
        }
        way.prepare();
        const std::string out = way.out_dtype.empty() ? result_dtype(problem.dtype) : way.out_dtype;
        answer("ok " + std::to_string(best) + ' ' + out + ' ' + way.how);
      } else if (word == "run" && way.run) {
        char text[32];
        std::snprintf(text, sizeof text, "%.9g", seconds_of(way.run, std::stoll(line.substr(4))));
        answer(text);
      } else if (word == "cpu-time") {
        clock_used = CLOCK_PROCESS_CPUTIME_ID;
        answer("ok");
      } else if (word == "store") {
        answer("ok");
      } else if (word == "quit") {
        break;
      } else {
        answer("no such command: " + line);
      }
    } catch (const std::exception& error) {
      answer(std::string("no ") + error.what());
    }
  }
  return 0;
}

}  // namespace bench
