// SPDX-License-Identifier: Apache-2.0
#include "tools/batchdot/help.h"

#include <algorithm>
#include <ostream>

#include "tools/batchdot/arguments.h"

namespace batchdot::tool {

namespace {

constexpr std::size_t kColumns = 100;

struct Paragraph {
  std::string_view title;
  std::string text;
};

std::vector<Paragraph> topics() {
  return {
      {"Shapes",
       "B,36,8,24: numbers, names for named dims, _ or ? for unknown ones. (None,36,8,24) and "
       "[36,8,24] are understood when quoted; rank 0 is scalar or \"()\"."},
      {"Files", "A word that ends in " + endings() + " or holds a '/' is a file."},
      {"Equations", "bij,bjk=bik, safe in every shell; -> and \xE2\x86\x92 work too when quoted."},
      {"Axes",
       "2 for both operands, 2,1 for one of each, -1 counts from the end. In dialect keras-0.3 2,1 "
       "means ((2,),(1,)), as that release wrote it."},
  };
}

std::vector<Paragraph> variables() {
  return {
      {"BATCHDOT_TARGET", "The instruction set to use, one of those that batchdot info lists."},
      {"BATCHDOT_NUM_THREADS", "The number of threads where --threads does not say it."},
      {"NO_COLOR", "If set, nothing is printed in colour, on a terminal neither."},
  };
}

std::string wrapped(std::string_view text, std::size_t indent) {
  std::string out, line(indent, ' ');
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = std::min(text.find_first_of(" \n", at), text.size());
    const std::string_view word = text.substr(at, end - at);
    if (line.size() > indent && line.size() + 1 + word.size() > kColumns) {
      out += line + '\n';
      line.assign(indent, ' ');
    }
    if (line.size() > indent) line += ' ';
    line += word;
    if (end < text.size() && text[end] == '\n') {
      out += line + '\n';
      line.assign(indent, ' ');
    }
    at = end + 1;
  }
  return out + line + '\n';
}

// "  spelling      help", the help wrapped in a column of its own.
void print_row(std::ostream& out, std::string_view left, std::string_view right,
               std::size_t width) {
  std::string text = wrapped(right, width + 4);
  if (left.size() <= width) {
    text.replace(2, left.size(), left);
  } else {
    out << "  " << left << '\n';
  }
  out << text;
}

void print_options(std::ostream& out, std::string_view title,
                   const std::vector<VerbOption>& options) {
  if (options.empty()) return;
  std::size_t width = 0;
  for (const VerbOption& option : options) width = std::max(width, spelling(option).size());
  width = std::min<std::size_t>(width, 28);
  out << '\n' << title << ":\n";
  for (const VerbOption& option : options) {
    print_row(out, spelling(option), option.info.help, width);
  }
}

std::vector<VerbOption> options_of(const Operation& operation) {
  std::vector<VerbOption> options;
  for (const OptionInfo& option : operation.options) options.push_back({option});
  return options;
}

std::string usage_of(const Operation& operation, std::string_view operand) {
  std::string out(operation.name);
  for (const OptionInfo& option : operation.options) {
    if (option.positional) out += " " + std::string(option.placeholder);
  }
  out += " [OPTIONS]";
  const char* const each = operation.max_operands == operation.min_operands ? "" : "...";
  for (int i = 0; i < operation.min_operands; ++i) out += " " + std::string(operand) + each;
  return out;
}

std::string list_of_operations() {
  std::string out;
  for (const Operation& operation : operations()) {
    out += (out.empty() ? "" : ", ") + std::string(operation.name);
  }
  return out;
}

// Text for roff: what begins a request or an escape is made harmless.
std::string roff(std::string_view text) {
  constexpr std::string_view kArrow = "\xE2\x86\x92";
  std::string out;
  for (std::size_t at = 0; at < text.size(); ++at) {
    const char c = text[at];
    if (text.substr(at, kArrow.size()) == kArrow) {
      out += "\\(->";
      at += kArrow.size() - 1;
    } else if (c == '\\') {
      out += "\\\\";
    } else if (c == '-') {
      out += "\\-";
    } else {
      if ((c == '.' || c == '\'') && (out.empty() || out.back() == '\n')) out += "\\&";
      out += c;
    }
  }
  return out;
}

void print_manual_options(std::ostream& out, const std::vector<VerbOption>& options) {
  for (const VerbOption& option : options) {
    out << ".TP\n.B " << roff(spelling(option)) << '\n' << roff(option.info.help) << '\n';
  }
}

}  // namespace

std::string spelling(const VerbOption& option) {
  std::string out = option.letter == '\0' ? "" : std::string("-") + option.letter + ", ";
  out += option.info.positional ? "" : "--" + std::string(option.info.name);
  if (!option.info.placeholder.empty()) {
    out += (out.empty() ? "" : " ") + std::string(option.info.placeholder);
  }
  return out;
}

const Verb& find_verb(std::span<const Verb* const> verbs, std::string_view name) {
  std::vector<std::string_view> names;
  std::string all;
  for (const Verb* verb : verbs) {
    if (verb->name == name) return *verb;
    names.push_back(verb->name);
    all += (all.empty() ? "" : ", ") + std::string(verb->name);
  }
  throw Error(ErrorCode::kUsage, "batchdot: no such verb: '" + std::string(name) + "'" +
                                     did_you_mean(name, names) + ": there are " + all);
}

void print_overview(std::ostream& out, std::span<const Verb* const> verbs) {
  out << "batchdot " << version() << ": batched dot products that explain themselves\n\nusage:\n";
  for (const Verb* verb : verbs) {
    print_row(out, "batchdot " + std::string(verb->name) + " " + std::string(verb->usage),
              verb->summary, 56);
  }
  out << '\n' << wrapped("operations: " + list_of_operations(), 0);
  for (const Paragraph& topic : topics()) {
    out << wrapped(std::string(topic.title) + ": " + topic.text, 0);
  }
  out << "\nbatchdot help VERB and batchdot help OPERATION say more.\n";
}

void print_verb(std::ostream& out, const Verb& verb, const Operation* operation) {
  out << "batchdot " << verb.name << ' ' << verb.usage << "\n\n" << wrapped(verb.description, 0);
  std::vector<VerbOption> own(verb.options.begin(), verb.options.end());
  own.push_back(kHelpOption);
  print_options(out, "options", own);
  if (operation != nullptr) {
    print_options(out, "options of " + std::string(operation->name), options_of(*operation));
  } else if (verb.takes_operation) {
    out << "\noperations, with options of their own:\n";
    for (const Operation& each : operations()) print_row(out, each.name, each.summary, 14);
  }
  out << "\nexamples:\n";
  for (const std::string_view example : verb.examples) out << "  batchdot " << example << '\n';
}

void print_operation(std::ostream& out, const Operation& operation) {
  out << operation.name << ": " << operation.summary << "\n\nbatchdot shape|explain "
      << usage_of(operation, "SHAPE") << "\nbatchdot run " << usage_of(operation, "FILE")
      << " -o OUT.npy\n";
  print_options(out, "options", options_of(operation));
}

void print_manual(std::ostream& out, std::span<const Verb* const> verbs) {
  out << ".TH BATCHDOT 1 \"\" \"batchdot " << version() << "\" \"User Commands\"\n"
      << ".SH NAME\nbatchdot \\- batched dot products that explain themselves\n.SH SYNOPSIS\n";
  for (const Verb* verb : verbs) {
    out << ".B batchdot " << roff(verb->name) << '\n' << roff(verb->usage) << "\n.br\n";
  }
  out << ".SH DESCRIPTION\n"
      << "Says what a batched dot product does, in any notation and any historical Keras dialect, "
         "and computes it with the same bits on every machine.\n";
  for (const Paragraph& topic : topics()) {
    out << ".PP\n.B " << topic.title << ".\n" << roff(topic.text) << '\n';
  }
  out << ".SH VERBS\n";
  for (const Verb* verb : verbs) {
    out << ".SS \"batchdot " << roff(verb->name) << ' ' << roff(verb->usage) << "\"\n";
    std::string_view text = verb->description;
    while (!text.empty()) {
      const std::size_t end = std::min(text.find('\n'), text.size());
      out << roff(text.substr(0, end)) << "\n.PP\n";
      text.remove_prefix(std::min(end + 1, text.size()));
    }
    print_manual_options(out, {verb->options.begin(), verb->options.end()});
  }
  out << ".SH OPERATIONS\n";
  for (const Operation& operation : operations()) {
    out << ".SS \"" << roff(usage_of(operation, "SHAPE")) << "\"\n"
        << roff(operation.summary) << ".\n";
    print_manual_options(out, options_of(operation));
  }
  out << ".SH EXIT STATUS\n.TP\n.B 0\nDone.\n";
  for (const ErrorCodeInfo& row : error_codes()) {
    out << ".TP\n.B " << row.exit_code << ' ' << row.name << '\n' << roff(row.when) << '\n';
  }
  out << ".SH ENVIRONMENT\n";
  for (const Paragraph& variable : variables()) {
    out << ".TP\n.B " << variable.title << '\n' << roff(variable.text) << '\n';
  }
  out << ".SH EXAMPLES\n.nf\n";
  for (const Verb* verb : verbs) {
    for (const std::string_view example : verb->examples) {
      out << "batchdot " << roff(example) << '\n';
    }
  }
  out << ".fi\n";
}

}  // namespace batchdot::tool
