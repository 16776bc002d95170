// SPDX-License-Identifier: Apache-2.0
// Scripts that complete verbs, operations and options in a shell, written from the records.

#include <algorithm>
#include <ostream>

#include "tools/batchdot/arguments.h"
#include "tools/batchdot/help.h"

namespace batchdot::tool {

namespace {

std::string join(const std::vector<std::string>& words) {
  std::string out;
  for (const std::string& word : words) out += (out.empty() ? "" : " ") + word;
  return out;
}

// What may follow the verb as its first word.
std::vector<std::string> first_words(const Verb& verb, std::span<const Verb* const> verbs) {
  std::vector<std::string> words(verb.words.begin(), verb.words.end());
  const bool is_help = &verb == &kHelpVerb;
  if (is_help) {
    for (const Verb* each : verbs) words.emplace_back(each->name);
  }
  if (verb.takes_operation || is_help) {
    for (const Operation& operation : operations()) words.emplace_back(operation.name);
  }
  return words;
}

std::vector<std::string> option_words(const Verb& verb) {
  std::vector<std::string> words;
  for (const VerbOption& option : options_of(verb)) {
    words.push_back("--" + std::string(option.info.name));
    if (option.letter != '\0') words.push_back(std::string("-") + option.letter);
  }
  return words;
}

// The values that an option of this kind can have, where they are a list.
std::vector<std::string> values_of(OptionKind kind) {
  std::vector<std::string> values;
  if (kind == OptionKind::kDialect) {
    for (const std::string_view name : Dialect::names()) values.emplace_back(name);
  } else if (kind == OptionKind::kDType) {
    for_each_dtype([&](auto record) { values.emplace_back(record.kName); });
  }
  return values;
}

void print_bash(std::ostream& out, std::span<const Verb* const> verbs) {
  std::vector<std::string> names;
  for (const Verb* verb : verbs) names.emplace_back(verb->name);
  out << "# bash completion for batchdot\n"
         "_batchdot() {\n"
         "  local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD-1]}\n"
         "  local words= options=\n"
         "  COMPREPLY=()\n"
         "  case $before in\n"
      << "    --dialect) COMPREPLY=($(compgen -W \"" << join(values_of(OptionKind::kDialect))
      << "\" -- \"$word\")); return ;;\n"
      << "    --dtype) COMPREPLY=($(compgen -W \"" << join(values_of(OptionKind::kDType))
      << "\" -- \"$word\")); return ;;\n"
         "  esac\n"
         "  if [ \"$COMP_CWORD\" -eq 1 ]; then\n"
      << "    COMPREPLY=($(compgen -W \"" << join(names)
      << " --version --help\" -- \"$word\"))\n"
         "    return\n"
         "  fi\n"
         "  case ${COMP_WORDS[1]} in\n";
  for (const Verb* verb : verbs) {
    out << "    " << verb->name << ") words=\"" << join(first_words(*verb, verbs))
        << "\" options=\"" << join(option_words(*verb)) << "\" ;;\n";
  }
  out << "  esac\n"
         "  if [[ $word == -* ]]; then\n"
         "    COMPREPLY=($(compgen -W \"$options\" -- \"$word\"))\n"
         "  elif [ \"$COMP_CWORD\" -eq 2 ]; then\n"
         "    COMPREPLY=($(compgen -W \"$words\" -- \"$word\"))\n"
         "  else\n"
         "    COMPREPLY=($(compgen -f -X '!*.npy' -- \"$word\") $(compgen -d -- \"$word\"))\n"
         "  fi\n"
         "}\n"
         "complete -o filenames -F _batchdot batchdot\n";
}

// Text between single quotes in zsh and fish, with what their describing lists take as separators.
std::string described(std::string_view text, std::string_view escaped) {
  std::string out;
  for (const char c : text) {
    if (escaped.find(c) != std::string_view::npos) out += '\\';
    if (c == '\'') {
      out += "'\\''";
    } else {
      out += c;
    }
  }
  return out;
}

void print_zsh(std::ostream& out, std::span<const Verb* const> verbs) {
  out << "#compdef batchdot\n"
         "_batchdot() {\n"
         "  local -a verbs first options\n"
         "  case ${words[CURRENT-1]} in\n"
         "    --dialect) compadd -- "
      << join(values_of(OptionKind::kDialect))
      << "; return ;;\n"
         "    --dtype) compadd -- "
      << join(values_of(OptionKind::kDType))
      << "; return ;;\n"
         "  esac\n"
         "  if (( CURRENT == 2 )); then\n"
         "    verbs=(\n";
  for (const Verb* verb : verbs) {
    out << "      '" << verb->name << ':' << described(verb->summary, ":") << "'\n";
  }
  out << "    )\n"
         "    _describe verb verbs\n"
         "    return\n"
         "  fi\n"
         "  case ${words[2]} in\n";
  for (const Verb* verb : verbs) {
    out << "    " << verb->name << ")\n"
        << "      first=(" << join(first_words(*verb, verbs)) << ")\n"
        << "      options=(\n";
    for (const VerbOption& option : options_of(*verb)) {
      out << "        '--" << option.info.name << ':' << described(option.info.help, ":") << "'\n";
    }
    out << "      ) ;;\n";
  }
  out << "  esac\n"
         "  if [[ ${words[CURRENT]} == -* ]]; then\n"
         "    _describe option options\n"
         "  elif (( CURRENT == 3 )) && (( $#first )); then\n"
         "    compadd -- $first\n"
         "  else\n"
         "    _files -g '*.npy'\n"
         "  fi\n"
         "}\n"
         "_batchdot \"$@\"\n";
}

void print_fish(std::ostream& out, std::span<const Verb* const> verbs) {
  out << "# fish completion for batchdot\n";
  for (const Verb* verb : verbs) {
    out << "complete -c batchdot -n __fish_use_subcommand -f -a " << verb->name << " -d '"
        << described(verb->summary, "") << "'\n";
  }
  for (const Verb* verb : verbs) {
    const std::string only =
        "complete -c batchdot -n '__fish_seen_subcommand_from " + std::string(verb->name) + "'";
    if (const auto words = first_words(*verb, verbs); !words.empty()) {
      out << only << " -a '" << join(words) << "'\n";
    }
    for (const VerbOption& option : options_of(*verb)) {
      out << only << " -l " << option.info.name;
      if (option.letter != '\0') out << " -s " << option.letter;
      if (option.info.kind != OptionKind::kFlag) out << " -r";
      if (const auto values = values_of(option.info.kind); !values.empty()) {
        out << " -f -a '" << join(values) << "'";
      }
      out << " -d '" << described(option.info.help, "") << "'\n";
    }
  }
}

struct Shell {
  std::string_view name;
  void (*print)(std::ostream& out, std::span<const Verb* const> verbs);
};
constexpr Shell kShells[] = {{"bash", print_bash}, {"zsh", print_zsh}, {"fish", print_fish}};
constexpr std::string_view kShellNames[] = {"bash", "zsh", "fish"};

int run(const Arguments& arguments, Session& session) {
  const std::string wanted = arguments.words.size() == 1 ? arguments.words[0] : "";
  for (const Shell& shell : kShells) {
    if (shell.name != wanted) continue;
    shell.print(session.out, session.verbs);
    return 0;
  }
  throw Error(ErrorCode::kUsage, "completions: takes one of bash, zsh, fish" +
                                     (wanted.empty() ? "" : ": '" + wanted + "'") +
                                     did_you_mean(wanted, kShellNames));
}

constexpr std::string_view kExamples[] = {"completions bash > /etc/bash_completion.d/batchdot"};

}  // namespace

const Verb kCompletionsVerb = {
    "completions",
    "bash|zsh|fish",
    "a script that completes verbs, operations and options in a shell",
    "Prints the script for one shell.",
    {},
    false,
    kShellNames,
    kExamples,
    run,
};

}  // namespace batchdot::tool
