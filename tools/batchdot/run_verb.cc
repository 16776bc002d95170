// SPDX-License-Identifier: Apache-2.0
#include <unistd.h>

#include <chrono>
#include <condition_variable>
#include <mutex>
#include <nlohmann/json.hpp>
#include <ostream>
#include <thread>

#include "tools/batchdot/arguments.h"
#include "tools/batchdot/interrupt.h"
#include "tools/batchdot/report.h"
#include "tools/batchdot/workspace.h"

namespace batchdot::tool {

namespace {

using Clock = std::chrono::steady_clock;
using Seconds = std::chrono::duration<double>;

// What a run is doing, for those who watch it.
struct Progress {
  std::atomic<std::int64_t> items_done = 0;
  std::atomic<std::int64_t> items = 0;  // 0: not computing yet
  std::atomic<Clock::rep> began{};      // computing, as ticks of the clock
};

// "0:12"
std::string clock(double seconds) {
  const auto whole = static_cast<std::int64_t>(seconds + 0.5);
  const std::string rest = std::to_string(whole % 60);
  return std::to_string(whole / 60) + ":" + (rest.size() < 2 ? "0" : "") + rest;
}

// "43 %, 0:12 left"; before the first of the items is done, how long it takes already.
std::string progress_line(const Progress& progress, Clock::time_point now) {
  const std::int64_t items = progress.items.load();
  const std::int64_t done = std::min(progress.items_done.load(), items);
  if (items == 0) return "reading";
  const Clock::time_point began{Clock::duration(progress.began.load())};
  const double spent = Seconds(now - began).count();
  if (done == 0) return "0 %, " + clock(spent) + " so far";
  const double left = spent * static_cast<double>(items - done) / static_cast<double>(done);
  return std::to_string(100 * done / items) + " %, " + clock(left) + " left";
}

// What is told of a run that has ended.
struct Outcome {
  Layout layout;
  PlanFacts facts;
};

Outcome compute(const Request& request, const std::string& out_file, int threads,
                const std::atomic<bool>& stop, Progress& progress) {
  const auto check = [&] {
    if (stop.load()) throw Error(ErrorCode::kInterrupted, "run: interrupted, nothing was written");
  };
  std::vector<LoadedArray> arrays;
  std::vector<Layout> layouts;
  std::vector<TensorView> views;
  for (const std::string& file : request.files) {
    check();
    arrays.push_back(read_array(file, request.raw_as));
    layouts.push_back(arrays.back().layout);
    views.push_back(arrays.back().view());
  }
  PlanOptions options;
  options.threads = threads;
  const Plan plan = make_plan(request.problem, layouts, options);
  Tensor result = Tensor::uninitialized(plan.output_layout().dtype, plan.output_layout().extents);
  const Workspace workspace(plan);
  std::optional<ThreadPool> pool;
  if (threads > 1) pool.emplace(threads);
  const Executor executor = pool           ? pool->executor()
                            : threads == 1 ? Executor::inline_executor()
                                           : default_executor();
  progress.began.store(Clock::now().time_since_epoch().count());
  progress.items.store(std::max<std::int64_t>(plan.facts().work_items, 1));
  try {
    plan.run(views, result.mutable_view(), workspace.span(), executor,
             {&stop, &progress.items_done});
  } catch (const Error& error) {
    if (error.code() != ErrorCode::kInterrupted) throw;
  }
  check();
  write_array(out_file, result);
  return {plan.output_layout(), plan.facts()};
}

// Runs on a thread of its own, so that this one can show progress and see Ctrl-C at any time.
Outcome compute_watched(const Request& request, const std::string& out_file, int threads,
                        Session& session, bool shows_progress, bool json) {
  const InterruptWatch watch;
  Progress progress;
  Outcome outcome;
  std::exception_ptr thrown;
  std::mutex mutex;
  std::condition_variable ended;
  bool has_ended = false;
  std::thread worker([&] {
    try {
      outcome = compute(request, out_file, threads, watch.stop(), progress);
    } catch (...) {
      thrown = std::current_exception();
    }
    const std::lock_guard lock(mutex);
    has_ended = true;
    ended.notify_one();
  });

  constexpr auto kStep = std::chrono::milliseconds(100);
  constexpr auto kPatience = std::chrono::seconds(1);
  const Clock::time_point began = Clock::now();
  std::string shown;
  {
    std::unique_lock lock(mutex);
    while (!ended.wait_for(lock, kStep, [&] { return has_ended; })) {
      const Clock::time_point now = Clock::now();
      if (watch.stop().load() && progress.items.load() == 0) {
        // Still reading, which nothing can stop; there is nothing to leave behind either.
        report(Error(ErrorCode::kInterrupted, "run: interrupted"), session, json);
        ::_exit(info(ErrorCode::kInterrupted).exit_code);
      }
      if (!shows_progress || now - began < kPatience) continue;
      const std::string line = progress_line(progress, now);
      if (line == shown) continue;
      session.err << "\r\033[K" << line << std::flush;
      shown = line;
    }
  }
  worker.join();
  if (!shown.empty()) session.err << "\r\033[K" << std::flush;
  if (thrown) std::rethrow_exception(thrown);
  return outcome;
}

int run(const Arguments& arguments, Session& session) {
  const std::string* out_file = arguments.find("output");
  if (out_file == nullptr) {
    throw Error(ErrorCode::kUsage,
                "run: needs a file for the result: batchdot run OPERATION FILE... -o OUT.npy");
  }
  if (!has_array_ending(*out_file)) {
    ErrorPlace place;
    place.option = "output";
    place.file = *out_file;
    throw Error(ErrorCode::kUsage,
                "run: -o takes a file that ends in " + endings() + ": " + *out_file, place);
  }
  const int threads = threads_of(arguments);
  const Request request = read_request(arguments, session);
  for (std::size_t i = 0; i < request.files.size(); ++i) {
    if (!request.files[i].empty()) continue;
    throw Error(ErrorCode::kUsage, "run: takes files, which end in " + endings() +
                                       " or hold a '/': " + operand_name(i, request.files.size()) +
                                       " is the shape " + to_string(request.problem.shapes[i]));
  }
  Outcome outcome;
  try {
    infer(request.problem);  // refused before anything is read
    const bool shows_progress = session.err_is_terminal && !arguments.has("quiet");
    outcome = compute_watched(request, *out_file, threads, session, shows_progress,
                              arguments.has("json"));
  } catch (const Error& error) {
    if (error.code() == ErrorCode::kDType) session.fix = with_dtype(request);
    throw with_files(error, request.files);
  }
  if (arguments.has("json")) {
    nlohmann::ordered_json document;
    document["operation"] = request.problem.operation;
    document["shape"] = nlohmann::ordered_json::parse(to_json(Shape(outcome.layout.extents)));
    document["dtype"] = outcome.layout.dtype.name();
    document["file"] = *out_file;
    document["target"] = outcome.facts.target;
    document["kernel"] = outcome.facts.kernel;
    document["threads"] = outcome.facts.threads;
    session.out << document.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace) << '\n';
  } else if (!arguments.has("quiet")) {
    session.out << printable(*out_file) << ": " << outcome.layout.dtype.name() << ' '
                << to_string(outcome.layout.extents) << '\n';
  }
  return 0;
}

constexpr VerbOption kOptions[] = {
    {{"output", OptionKind::kText, "OUT.npy",
      "the file for the result; may be one of the operands"},
     'o'},
    kThreadsOption,
    kQuietOption,
    kJsonOption,
};
constexpr std::string_view kExamples[] = {
    "run batch_dot q.npy k.npy --axes 2,2 -o scores.npy",
    "run softmax scores.npy -o weights.npy --threads 4",
    "run einsum bij,bjk=bik a.npy b.npy -o c.npy --dtype f64",
};

}  // namespace

const Verb kRunVerb = {
    "run",
    "OPERATION [OPTIONS] FILE... -o OUT.npy",
    "compute",
    "Computes the operation on arrays in .npy files and writes the result, whole or not at all. "
    "Operands of different types are refused unless --dtype says what to compute in. bfloat16 has "
    "no name in this format: files of type |V2 are read as bf16 with --dtype bf16 alone, and "
    "written so. A run of more than a second shows progress on a terminal; Ctrl-C ends it and "
    "leaves nothing behind.",
    kOptions,
    true,
    {},
    kExamples,
    run,
};

}  // namespace batchdot::tool
