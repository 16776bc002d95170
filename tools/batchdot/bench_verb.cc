// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <functional>
#include <nlohmann/json.hpp>
#include <ostream>

#include "tools/batchdot/arguments.h"
#include "tools/batchdot/interrupt.h"
#include "tools/batchdot/peak.h"
#include "tools/batchdot/report.h"
#include "tools/batchdot/workspace.h"

namespace batchdot::tool {

namespace {

double seconds_of(const std::function<void()>& call) {
  const auto begin = std::chrono::steady_clock::now();
  call();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
}

struct Timing {
  double median_seconds = 0;
  int samples = 0;
};

// The median of one call, after one that warms up: of at least seven samples and half a second, or
// of what is done after ten seconds. What is short is called many times a sample.
Timing time(const std::function<void()>& call) {
  constexpr double kTotal = 0.5, kMost = 10, kSample = 0.002;
  constexpr std::size_t kLeast = 7;
  call();
  const double once = std::max(seconds_of(call), 1e-9);
  const int calls = static_cast<int>(std::max(1.0, kSample / once));
  std::vector<double> samples;
  double spent = 0;
  if (calls == 1) {
    samples.push_back(once);
    spent = once;
  }
  while (samples.empty() || (spent < kMost && (samples.size() < kLeast || spent < kTotal))) {
    const double seconds = seconds_of([&] {
      for (int i = 0; i < calls; ++i) call();
    });
    samples.push_back(seconds / calls);
    spent += seconds;
  }
  const auto middle = samples.begin() + static_cast<std::ptrdiff_t>(samples.size() / 2);
  std::nth_element(samples.begin(), middle, samples.end());
  return {*middle, static_cast<int>(samples.size())};
}

// Numbers between -1 and 1, the same in every run; none is subnormal, which would be slower.
class Random {
 public:
  float next() {
    state_ = state_ * 6364136223846793005u + 1442695040888963407u;  // Knuth's MMIX
    return static_cast<float>(static_cast<std::int64_t>(state_ >> 53)) / 1024.0f - 0.9995f;
  }

 private:
  std::uint64_t state_ = 1;
};

// The numbers that an element is made of, and how large they are at most.
struct Parts {
  DType dtype;
  std::int64_t count;
  float most;
};

Parts parts_of(DType dtype) {
  return dtype.visit([](auto record) -> Parts {
    using Element = typename decltype(record)::Element;
    if constexpr (requires { typename Element::value_type; }) {
      return {DType::of<typename Element::value_type>(), 2, 1};  // re and im
    } else {
      return {DType(record), 1, std::is_integral_v<Element> ? 100.0f : 1.0f};
    }
  });
}

// Drawn as f32, a piece at a time, and converted by the library, which knows every dtype.
void fill(Tensor& tensor, Random& random) {
  constexpr std::int64_t kPiece = 4096;
  const Parts parts = parts_of(tensor.dtype());
  const std::int64_t count = parts.count * tensor.size();
  auto* to = static_cast<std::byte*>(tensor.data());
  PlanOptions options;
  options.threads = 1;
  options.compute_dtype = parts.dtype;
  for (std::int64_t left = count; left > 0; left -= kPiece) {
    const Extents extents = {std::min(left, kPiece)};
    Tensor drawn = Tensor::uninitialized(F32{}, extents);
    for (float& x : drawn.elements<float>()) x = parts.most * random.next();
    const std::vector<Shape> shapes = {Shape(extents)};
    const Plan plan = Plan::make(einsum("i=i", shapes), {drawn.layout()}, options);
    const MutableTensorView piece(to, Layout(parts.dtype, extents));
    const Workspace workspace(plan);
    plan.run(std::vector<TensorView>{drawn}, piece, workspace.span(), Executor::inline_executor());
    to += static_cast<std::size_t>(drawn.size()) * parts.dtype.size_bytes();
  }
}

// The same problem with numbers for what is unknown: those of the other operands where they have
// one, else 32; nothing if no such choice fits.
std::optional<Problem> with_numbers(const Problem& problem) {
  constexpr std::int64_t kUsual = 32;
  for (const bool copies : {true, false}) {
    Problem fixed = problem;
    for (Shape& shape : fixed.shapes) {
      for (int axis = 0; axis < shape.rank(); ++axis) {
        if (shape[axis].is_known()) continue;
        std::int64_t extent = kUsual;
        for (const Shape& other : problem.shapes) {
          if (copies && axis < other.rank() && other[axis].is_known())
            extent = other[axis].extent();
        }
        shape[axis] = Dim(extent);
      }
    }
    try {
      infer(fixed);
      return fixed;
    } catch (const Error&) {
      continue;
    }
  }
  return {};
}

void require_numbers(const Problem& problem, Session& session) {
  for (std::size_t operand = 0; operand < problem.shapes.size(); ++operand) {
    const Shape& shape = problem.shapes[operand];
    for (int axis = 0; axis < shape.rank(); ++axis) {
      if (shape[axis].is_known()) continue;
      if (const std::optional<Problem> fixed = with_numbers(problem)) {
        session.fix = Fix{"type a number for every extent", *fixed};
      }
      ErrorPlace place;
      place.operand = static_cast<int>(operand);
      place.axis = axis;
      throw Error(ErrorCode::kUsage,
                  "bench: measures where every extent is a number: " +
                      operand_name(operand, problem.shapes.size()) + " axis " +
                      std::to_string(axis) + " is " + to_string(shape[axis]) + " in " +
                      to_string(shape),
                  place);
    }
  }
}

// Three significant digits.
std::string number(double amount) {
  char text[32];
  std::snprintf(text, sizeof text, "%.3g", amount);
  return text;
}

std::string duration(double seconds) {
  if (seconds < 1e-6) return number(seconds * 1e9) + " ns";
  if (seconds < 1e-3) return number(seconds * 1e6) + " us";
  if (seconds < 1) return number(seconds * 1e3) + " ms";
  constexpr double kMinute = 60, kHour = 3600;
  if (seconds < 3 * kMinute) return number(seconds) + " s";
  if (seconds < 3 * kHour) return number(seconds / kMinute) + " min";
  return number(seconds / kHour) + " h";
}

struct Outcome {
  Layout layout;
  PlanFacts facts;
  Timing run, plan;
  std::optional<double> gflops, peak, gigabytes;  // a second
};

// Gflop/s that a large problem reaches at the least, whatever the machine does besides.
double cautious_gflops(DType dtype, const Outcome& outcome) {
  constexpr double kScalar = 0.2;  // of one thread
  if (outcome.facts.target == "scalar") return kScalar * outcome.facts.threads;
  if (outcome.peak) return *outcome.peak / 2;
  const double part = dtype == I64{} ? 64 : dtype == I32{} ? 8 : 2;  // of the peak of f32
  return peak_gflops(F32{}, outcome.facts.threads).value_or(1) / part;
}

// Says so where a run may take longer than time() has: it is done twice then.
void announce(const Explanation& explanation, DType dtype, const Outcome& outcome,
              std::ostream& err) {
  constexpr double kLong = 10;
  if (!explanation.flops) return;
  const double seconds =
      static_cast<double>(*explanation.flops) / (cautious_gflops(dtype, outcome) * 1e9);
  if (seconds <= kLong) return;
  err << "bench: may take " << duration(2 * seconds) << ": " << duration(seconds)
      << " a run, and one that warms up" << std::endl;
}

// What is said beforehand goes to `err`, if there is one.
Outcome measure(const Problem& problem, DType dtype, int threads, std::ostream* err) {
  std::vector<Layout> layouts;
  for (const Shape& shape : problem.shapes) layouts.emplace_back(dtype, shape.extents());
  PlanOptions options;
  options.threads = threads;
  const Plan plan = make_plan(problem, layouts, options);
  const Explanation explanation = explain(problem, dtype, layouts, options);
  Outcome outcome = {plan.output_layout(), plan.facts(), {}, {}, {}, {}, {}};
  outcome.peak = peak_gflops(dtype, outcome.facts.threads);
  if (err != nullptr) announce(explanation, dtype, outcome, *err);

  Random random;
  std::vector<Tensor> operands;
  for (const Layout& layout : layouts) {
    operands.push_back(Tensor::uninitialized(dtype, layout.extents));
    fill(operands.back(), random);
  }
  const std::vector<TensorView> views(operands.begin(), operands.end());
  Tensor out = Tensor::uninitialized(plan.output_layout().dtype, plan.output_layout().extents);
  const Workspace workspace(plan);
  const int used = threads == 0 ? default_threads() : threads;
  ThreadPool pool(used);
  const Executor executor = used == 1 ? Executor::inline_executor() : pool.executor();

  outcome.plan = time([&] { make_plan(problem, layouts, options); });
  outcome.run = time([&] { plan.run(views, out.mutable_view(), workspace.span(), executor); });
  // Once more, as a busy moment is no peak.
  outcome.peak = std::max(outcome.peak, peak_gflops(dtype, outcome.facts.threads));
  const auto billions_a_second = [&](std::optional<std::int64_t> count) {
    return count ? std::optional(static_cast<double>(*count) / outcome.run.median_seconds * 1e-9)
                 : std::nullopt;
  };
  outcome.gflops = billions_a_second(explanation.flops);
  outcome.gigabytes = billions_a_second(explanation.bytes);
  return outcome;
}

std::optional<double> percent_of_peak(const Outcome& outcome) {
  if (!outcome.gflops || !outcome.peak) return {};
  return 100 * *outcome.gflops / *outcome.peak;
}

void print(const Outcome& outcome, DType dtype, std::ostream& out) {
  out << "run       " << duration(outcome.run.median_seconds) << ", the median of "
      << outcome.run.samples << '\n';
  out << "plan      " << duration(outcome.plan.median_seconds) << '\n';
  if (outcome.gflops == 0.0 && outcome.gigabytes) {  // what only moves elements
    out << "speed     " << number(*outcome.gigabytes) << " GB/s read and written\n";
  } else if (outcome.gflops) {
    out << "speed     " << number(*outcome.gflops) << " Gflop/s";
    if (const std::optional<double> percent = percent_of_peak(outcome)) {
      out << ", " << number(*percent) << " % of the peak of multiply-adds here and now, "
          << number(*outcome.peak) << " Gflop/s";
    }
    out << '\n';
  }
  out << "kernel    " << outcome.facts.kernel << " in " << dtype.name() << ", target "
      << outcome.facts.target << '\n';
  out << "threads   " << outcome.facts.threads << '\n';
}

void print_json(const Outcome& outcome, const Problem& problem, DType dtype, std::ostream& out) {
  const auto or_null = [](const std::optional<double>& value) {
    return value ? nlohmann::ordered_json(*value) : nlohmann::ordered_json(nullptr);
  };
  nlohmann::ordered_json document;
  document["operation"] = problem.operation;
  document["shape"] = nlohmann::ordered_json::parse(to_json(Shape(outcome.layout.extents)));
  document["dtype"] = dtype.name();
  document["threads"] = outcome.facts.threads;
  document["target"] = outcome.facts.target;
  document["kernel"] = outcome.facts.kernel;
  document["samples"] = outcome.run.samples;
  document["median_seconds"] = outcome.run.median_seconds;
  document["plan_seconds"] = outcome.plan.median_seconds;
  document["gigabytes_per_second"] = or_null(outcome.gigabytes);
  document["gflops"] = or_null(outcome.gflops);
  document["percent_of_peak"] = or_null(percent_of_peak(outcome));
  document["peak_gflops"] = or_null(outcome.peak);
  out << document.dump() << '\n';
}

int run(const Arguments& arguments, Session& session) {
  const int threads = threads_of(arguments);
  const Request request = read_request(arguments, session);
  for (std::size_t i = 0; i < request.files.size(); ++i) {
    if (request.files[i].empty()) continue;
    throw Error(ErrorCode::kUsage, "bench: takes shapes and makes up the elements: " +
                                       operand_name(i, request.files.size()) + " is the file " +
                                       request.files[i]);
  }
  infer(request.problem);  // what does not fit is refused before what is not known
  require_numbers(request.problem, session);
  DType dtype;
  if (const auto found = request.problem.options.find("dtype");
      found != request.problem.options.end()) {
    const auto* const name = std::get_if<std::string>(&found->second);
    dtype = (name ? DType::parse(*name) : std::nullopt).value_or(DType{});
  }
  const Outcome outcome = [&] {
    const Error interrupted(ErrorCode::kInterrupted, "bench: interrupted");
    const LastWords words(arguments.has("json") ? to_json(interrupted) + "\n" : "",
                          error_line(interrupted, session));
    return measure(request.problem, dtype, threads,
                   arguments.has("quiet") ? nullptr : &session.err);
  }();
  if (arguments.has("json")) {
    print_json(outcome, request.problem, dtype, session.out);
  } else {
    print(outcome, dtype, session.out);
  }
  return 0;
}

constexpr VerbOption kOptions[] = {
    kThreadsOption,
    {{"quiet", OptionKind::kFlag, "", "do not say beforehand that it may take long"}},
    kJsonOption};
constexpr std::string_view kExamples[] = {
    "bench einsum bhqd,bhkd=bhqk 8,12,256,64 8,12,256,64",
    "bench batch_dot 32,36,8,24 32,36,8,24 --axes 3,3 --dialect keras-2.2 --threads 1",
    "bench matmul 512,512 512,512 --dtype f64 --json",
};

}  // namespace

const Verb kBenchVerb = {
    "bench",
    "OPERATION [OPTIONS] SHAPE...",
    "measure one problem",
    "Makes up operands of these shapes, f32 unless --dtype says otherwise, and measures planning "
    "and running: the median of at least seven times, or of as many as ten seconds allow. If one "
    "run may take longer than that, standard error says beforehand for how long, by what such "
    "products reach at the least; --quiet leaves that out. Speed "
    "counts the useful operations alone, and where there are none the bytes of operands and "
    "result. Beside it stands the peak of fused multiply-adds on "
    "registers, measured before and after with as many threads as have work, the better of both; "
    "for integers there is none.",
    kOptions,
    true,
    {},
    kExamples,
    run,
};

}  // namespace batchdot::tool
