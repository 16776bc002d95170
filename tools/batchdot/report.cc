// SPDX-License-Identifier: Apache-2.0
#include "tools/batchdot/report.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <new>
#include <ostream>

namespace batchdot::tool {

namespace {

constexpr std::string_view kRed = "\033[1;31m", kGreen = "\033[1;32m", kPlain = "\033[0m";

std::string in_colour(std::string_view words, std::string_view colour, const Session& session) {
  if (!session.has_colour) return std::string(words);
  return std::string(colour) + std::string(words) + std::string(kPlain);
}

// What would fit: found by the verb that refused, else by trying near changes of the problem.
std::optional<Fix> fix_of(const Error& error, const Session& session) {
  if (session.fix) return session.fix;
  if (!session.problem) return {};
  const auto succeeds = [](const Problem& changed, const void* context) {
    const auto& asked = static_cast<const Session*>(context)->succeeds;
    return !asked || asked(changed);
  };
  return find_fix(*session.problem, error, succeeds, &session);
}

std::string json_of(const Error& error, const std::optional<Fix>& fix,
                    std::optional<std::int64_t> line = {}) {
  if (!fix) return to_json(error, line);
  return to_json(error, line, fix->text, to_json(fix->problem));
}

// The command that asks `fixed`: of the same files, unless it is their shapes that are changed.
std::string command_of(const Problem& fixed, const Session& session) {
  const bool has_files = std::any_of(session.files.begin(), session.files.end(),
                                     [](const std::string& file) { return !file.empty(); });
  if (!has_files) return "batchdot " + session.verb + " " + to_command(fixed);
  if (fixed.shapes != session.problem->shapes) return "batchdot shape " + to_command(fixed);
  std::string out = "batchdot " + session.verb + " " + to_command(fixed, session.files);
  if (!session.output.empty()) out += " -o " + shell_word(session.output);
  return out;
}

}  // namespace

std::string answer_json(const Inference& inference) {
  std::string out = "{\"shape\": " + to_json(inference.shape);
  if (inference.reported_shape) {
    out += ", \"reported_shape\": " + to_json(*inference.reported_shape);
  }
  return out + "}";
}

Error as_error(std::exception_ptr thrown) {
  try {
    std::rethrow_exception(thrown);
  } catch (const Error& error) {
    return error;
  } catch (const std::bad_alloc&) {
    return Error(ErrorCode::kMemory, "batchdot: out of memory");
  } catch (const std::exception& exception) {
    return Error(ErrorCode::kInternal, std::string("batchdot: unexpected: ") + exception.what());
  } catch (...) {
    return Error(ErrorCode::kInternal, "batchdot: unexpected: an unknown exception");
  }
}

std::string refusal_json(const Error& error, const std::optional<Problem>& problem,
                         std::optional<std::int64_t> line) {
  return json_of(error, problem ? find_fix(*problem, error) : std::nullopt, line);
}

std::string error_line(const Error& error, const Session& session) {
  return in_colour("error:", kRed, session) + " " + printable(error.message()) + " (" +
         std::string(info(error.code()).name) + ")\n";
}

int report(const Error& error, Session& session, bool json) {
  const std::optional<Fix> fix = fix_of(error, session);
  std::optional<Error> unwritten;  // who reads the JSON must learn that it is not there
  if (json && error.code() != ErrorCode::kIo) {
    session.out << json_of(error, fix) << '\n';
    try {
      flush(session.out);
    } catch (const Error& failure) {
      unwritten = failure;
    }
  } else if (json) {
    session.out << json_of(error, fix) << '\n';
    session.out.flush();  // often it is this that has failed already
  }
  session.err << error_line(error, session);
  if (fix) {
    session.err << in_colour("fix:", kGreen, session) << ' ' << printable(fix->text)
                << ", as in: " << printable(command_of(fix->problem, session)) << '\n';
  }
  if (unwritten) {
    session.err << error_line(*unwritten, session);
  }
  session.err.flush();
  return info(unwritten ? ErrorCode::kIo : error.code()).exit_code;
}

void flush(std::ostream& out) {
  errno = 0;
  out.flush();
  if (out) return;
  const int reason = errno;
  throw Error(ErrorCode::kIo, std::string("standard output: cannot be written: ") +
                                  (reason == 0 ? "write failed" : std::strerror(reason)));
}

}  // namespace batchdot::tool
