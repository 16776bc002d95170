// SPDX-License-Identifier: Apache-2.0
#include <ostream>

#include "tools/batchdot/arguments.h"
#include "tools/batchdot/help.h"

namespace batchdot::tool {

namespace {

int run(const Arguments& arguments, Session& session) {
  if (arguments.has("man")) {
    print_manual(session.out, session.verbs);
    return 0;
  }
  if (arguments.words.empty()) {
    print_overview(session.out, session.verbs);
    return 0;
  }
  if (arguments.words.size() > 1) {
    throw Error(ErrorCode::kUsage,
                "help: takes one verb or operation, got " + std::to_string(arguments.words.size()));
  }
  const std::string& topic = arguments.words[0];
  for (const Operation& operation : operations()) {
    if (operation.name != topic) continue;
    print_operation(session.out, operation);
    return 0;
  }
  print_verb(session.out, find_verb(session.verbs, topic));
  return 0;
}

constexpr VerbOption kOptions[] = {
    {{"man", OptionKind::kFlag, "", "print the manual page, for man"}},
};
constexpr std::string_view kExamples[] = {"help run", "help batch_dot", "help --man"};

}  // namespace

const Verb kHelpVerb = {
    "help",
    "[VERB|OPERATION]",
    "what the verbs and operations do and take",
    "Prints help for one verb or operation, or an overview of all.",
    kOptions,
    false,
    {},
    kExamples,
    run,
};

}  // namespace batchdot::tool
