// SPDX-License-Identifier: Apache-2.0
#include <ostream>

#include "tools/batchdot/arguments.h"
#include "tools/batchdot/lines.h"
#include "tools/batchdot/report.h"

namespace batchdot::tool {

namespace {

int run(const Arguments& arguments, Session& session) {
  PlanOptions options;
  options.threads = threads_of(arguments);
  if (arguments.has("lines")) {
    if (!arguments.words.empty()) {
      throw Error(ErrorCode::kUsage,
                  "explain: --lines takes its problems from stdin: " + arguments.words[0]);
    }
    answer_lines(session, [](const Problem& problem) { return to_json(explain(problem)); });
    return 0;
  }
  const Request request = read_request(arguments, session);
  try {
    check_types(request);
    const Explanation explanation = explain(request.problem, F32{}, layouts_of(request), options);
    if (arguments.has("json")) {
      session.out << to_json(explanation) << '\n';
    } else if (!arguments.has("quiet")) {
      session.out << to_text(explanation);
    }
  } catch (const Error& error) {
    if (error.code() == ErrorCode::kDType) session.fix = with_dtype(request);
    throw with_files(error, request.files);
  }
  return 0;
}

constexpr VerbOption kOptions[] = {kThreadsOption, kQuietOption, kJsonOption, kLinesOption};
constexpr std::string_view kExamples[] = {
    "explain batch_dot _,36,8,24 _,36,8,24 --axes 2,2 --dialect keras-2.2",
    "explain einsum bij,bjk=bik 32,128,64 32,64,256 --dtype f32",
    "explain matmul q.npy 12,64,12",
};

}  // namespace

const Verb kExplainVerb = {
    "explain",
    "OPERATION [OPTIONS] SHAPE|FILE...",
    "roles, why each output dim is there, equivalents, plan, cost",
    "Says what the operation does with operands of these shapes: what each axis is for, where each "
    "axis of the result comes from, the same thing in other notations, what other dialects would "
    "give, and, where every extent is known, what it costs and how it would be computed. Of a file "
    "only the header is read.",
    kOptions,
    true,
    {},
    kExamples,
    run,
};

}  // namespace batchdot::tool
