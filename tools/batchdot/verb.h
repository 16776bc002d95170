// SPDX-License-Identifier: Apache-2.0
#pragma once
// A verb of the command line: a record and a function. main.cc lists them; help, the manual page
// and the completions are printed from the records.

#include <functional>
#include <iosfwd>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "batchdot/operation.h"

namespace batchdot::tool {

struct Arguments;
struct Verb;

/// What a verb sees of the world.
struct Session {
  std::ostream& out;
  std::ostream& err;
  int input = 0;                         ///< the file descriptor that --lines reads
  bool err_is_terminal = false;          ///< progress is shown
  bool has_colour = false;               ///< on `err`
  std::span<const Verb* const> verbs{};  ///< all of them
  std::optional<Problem> problem{};      ///< what is being asked; a refusal of it may have a fix
  std::vector<std::string> files{};      ///< of its operands, "" where a shape was typed
  std::string verb{};                    ///< that asks it
  std::string output{};                  ///< the file for its result, if any
  std::function<bool(const Problem&)> succeeds{};  ///< whether the verb takes a fix of `problem`
  std::optional<Fix> fix{};  ///< found by the verb, for what only the verb refuses
};

/// An option with the letter that stands for it, if any.
struct VerbOption {
  OptionInfo info;
  char letter = '\0';
};

struct Verb {
  std::string_view name;
  std::string_view usage;        ///< what follows the name
  std::string_view summary;      ///< half a line
  std::string_view description;  ///< sentences; paragraphs end in a line break
  std::span<const VerbOption> options;
  bool takes_operation;                        ///< an operation and its options
  std::span<const std::string_view> words;     ///< what may stand as first word, for completions
  std::span<const std::string_view> examples;  ///< what follows "batchdot"
  int (*run)(const Arguments& arguments, Session& session);
};

inline constexpr VerbOption kJsonOption = {
    {"json", OptionKind::kFlag, "", "print one JSON document, errors too"}};
inline constexpr VerbOption kLinesOption = {
    {"lines", OptionKind::kFlag, "", "read one problem a line as JSON, answer one a line"}};
inline constexpr VerbOption kQuietOption = {
    {"quiet", OptionKind::kFlag, "", "print nothing but errors; --json prints all the same"}};
inline constexpr VerbOption kThreadsOption = {
    {"threads", OptionKind::kInt, "N",
     "threads to use (default: BATCHDOT_NUM_THREADS or all CPUs)"}};
inline constexpr VerbOption kHelpOption = {{"help", OptionKind::kFlag, "", "print help and exit"},
                                           'h'};

extern const Verb kShapeVerb, kExplainVerb, kRunVerb, kBenchVerb, kDialectsVerb, kInfoVerb,
    kHelpVerb, kCompletionsVerb;

}  // namespace batchdot::tool
