// SPDX-License-Identifier: Apache-2.0
// The command-line tool: finds the verb, runs it, prints what was refused.

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdlib>
#include <iostream>
#include <vector>

#include "tools/batchdot/arguments.h"
#include "tools/batchdot/help.h"
#include "tools/batchdot/interrupt.h"
#include "tools/batchdot/report.h"

namespace batchdot::tool {
namespace {

constexpr const Verb* kVerbs[] = {
    &kShapeVerb,    &kExplainVerb, &kRunVerb,  &kBenchVerb,
    &kDialectsVerb, &kInfoVerb,    &kHelpVerb, &kCompletionsVerb,
};

// A closed stdin, stdout or stderr would lend its number to the next file that is opened.
void hold_standard_files() {
  for (const int fd : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) {
    if (::fcntl(fd, F_GETFD) < 0) ::open("/dev/null", fd == STDIN_FILENO ? O_WRONLY : O_RDONLY);
  }
}

bool wants_colour() {
  const char* const no_colour = std::getenv("NO_COLOR");
  const char* const terminal = std::getenv("TERM");
  return ::isatty(STDERR_FILENO) == 1 && (no_colour == nullptr || *no_colour == '\0') &&
         (terminal == nullptr || std::string_view(terminal) != "dumb");
}

bool asks_for_json(std::span<const std::string_view> words) {
  const auto end = std::find(words.begin(), words.end(), "--");
  return std::find(words.begin(), end, "--json") != end;
}

int run_verb(std::span<const std::string_view> words, Session& session) {
  const std::string_view first = words[0];
  if (first == "--version") {
    session.out << "batchdot " << version() << '\n';
    return 0;
  }
  if (first == "--help" || first == "-h") {
    print_overview(session.out, session.verbs);
    return 0;
  }
  const Verb& verb = find_verb(session.verbs, first);
  const Arguments arguments = parse_arguments(verb, words.subspan(1));
  if (!arguments.has("help")) {
    default_target();  // an unknown BATCHDOT_TARGET is refused even where nothing is computed
    return verb.run(arguments, session);
  }
  const Operation* operation = nullptr;
  if (verb.takes_operation && !arguments.words.empty()) {
    operation = &find_operation(arguments.words[0]);
  }
  print_verb(session.out, verb, operation);
  return 0;
}

int run(std::span<const std::string_view> words) {
  Session session = {std::cout, std::cerr};
  session.err_is_terminal = ::isatty(STDERR_FILENO) == 1;
  session.has_colour = wants_colour();
  session.verbs = kVerbs;
  try {
    if (words.empty()) {
      print_overview(session.err, session.verbs);
      throw Error(ErrorCode::kUsage, "batchdot: needs a verb");
    }
    const int code = run_verb(words, session);
    flush(session.out);
    return code;
  } catch (...) {
    return report(as_error(std::current_exception()), session, asks_for_json(words));
  }
}

}  // namespace
}  // namespace batchdot::tool

int main(int count, char** words) {
  batchdot::tool::hold_standard_files();
  batchdot::tool::end_on_interrupt();
  // What cannot be written is an error to tell of (IO), no reason to die without a word.
  std::signal(SIGPIPE, SIG_IGN);
  std::signal(SIGXFSZ, SIG_IGN);
  std::ios::sync_with_stdio(false);
  const std::vector<std::string_view> arguments(words + std::min(count, 1), words + count);
  return batchdot::tool::run(arguments);
}
