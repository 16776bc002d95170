// SPDX-License-Identifier: Apache-2.0
#include <ostream>

#include "tools/batchdot/arguments.h"
#include "tools/batchdot/lines.h"
#include "tools/batchdot/report.h"

namespace batchdot::tool {

namespace {

int run(const Arguments& arguments, Session& session) {
  threads_of(arguments);  // of no use here, but wrong is wrong
  if (arguments.has("lines")) {
    if (!arguments.words.empty()) {
      throw Error(ErrorCode::kUsage,
                  "shape: --lines takes its problems from stdin: " + arguments.words[0]);
    }
    answer_lines(session, [](const Problem& problem) { return answer_json(infer(problem)); });
    return 0;
  }
  const Request request = read_request(arguments, session);
  try {
    const Inference inference = infer(request.problem);
    check_types(request);
    if (arguments.has("json")) {
      session.out << answer_json(inference) << '\n';
      return 0;
    }
    if (arguments.has("quiet")) return 0;
    session.out << inference.shape;
    if (inference.reported_shape && *inference.reported_shape != inference.shape) {
      session.out << " (reported as " << *inference.reported_shape << ')';
    }
    session.out << '\n';
  } catch (const Error& error) {
    if (error.code() == ErrorCode::kDType) session.fix = with_dtype(request);
    throw with_files(error, request.files);
  }
  return 0;
}

constexpr VerbOption kOptions[] = {kThreadsOption, kQuietOption, kJsonOption, kLinesOption};
constexpr std::string_view kExamples[] = {
    "shape batch_dot _,36,8,24 _,36,8,24 --axes 2,2 --dialect keras-2.2",
    "shape einsum bij,bjk=bik B,3,4 B,4,5",
    "shape matmul 8,128,64 8,128,64 --transpose-rhs --json",
};

}  // namespace

const Verb kShapeVerb = {
    "shape",
    "OPERATION [OPTIONS] SHAPE...",
    "the shape of the result, nothing computed",
    "Prints the shape that the operation gives for operands of these shapes. For dot_layer it is "
    "the shape of what is computed; where that release of Keras reports another one, that is "
    "printed beside it. With --quiet the exit code alone says whether the shapes fit; --threads is "
    "taken as by explain and run, and changes nothing.\n"
    "With --lines each line of standard input is a problem, such as {\"operation\": \"batch_dot\", "
    "\"shapes\": [[null,36,8,24],[\"B\",36,8,24]], \"axes\": [2,2], \"dialect\": \"keras-2.2\"}; "
    "options have '_' for '-'. Each line of output answers one line, in order; a refused line is "
    "answered by {\"error\": ...} with its number.",
    kOptions,
    true,
    {},
    kExamples,
    run,
};

}  // namespace batchdot::tool
