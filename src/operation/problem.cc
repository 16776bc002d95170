// SPDX-License-Identifier: Apache-2.0
// A problem as a line of JSON, and as a command.

#include <algorithm>
#include <utility>

#include "batchdot/operation.h"
#include "src/core/text.h"
#include "src/operation/json_reader.h"
#include "src/operation/options.h"

namespace batchdot::inline v0 {

namespace {

using operation::json_string;
using operation::JsonReader;

// A key whose value is read once the operation is known.
struct Member {
  std::string key;
  std::size_t key_position;
  std::size_t value_position;
};

[[noreturn]] void refuse(ErrorCode code, std::string_view key, std::string_view wanted,
                         std::string_view value) {
  ErrorPlace place;
  place.option = key;
  constexpr std::size_t kShown = 80;
  throw Error(code,
              text("problem: \"", key, "\" takes ", wanted, ": ", value.substr(0, kShown),
                   value.size() > kShown ? "..." : ""),
              place);
}

bool is_number(char c) { return c == '-' || (c >= '0' && c <= '9'); }

std::optional<std::int64_t> read_number(JsonReader& reader) {
  if (!is_number(reader.peek())) return std::nullopt;
  return reader.read_integer();
}

// One of Keras's axes: a whole number, or true and false, which are ints in Python and which Keras
// takes as such.
std::optional<std::int64_t> read_axis(JsonReader& reader) {
  if (reader.take_word("true")) return 1;
  if (reader.take_word("false")) return 0;
  return read_number(reader);
}

// Reads `[` element `,` element ... `]`.
template <class ReadElement>
void read_array(JsonReader& reader, ReadElement read_element) {
  reader.expect('[');
  if (reader.take(']')) return;
  do {
    read_element();
  } while (reader.take(','));
  reader.expect(']');
}

Axes read_axes(JsonReader& reader, std::string_view key) {
  const std::size_t begin = reader.position();
  const auto refuse_type = [&] {
    reader.set_position(begin);
    refuse(ErrorCode::kAxesType, key, "whole numbers: one, or a list of two", reader.skip_value());
  };
  if (reader.peek() != '[') {
    const std::optional<std::int64_t> single = read_axis(reader);
    if (!single) refuse_type();
    return Axes(*single);
  }
  std::vector<Axes::Entry> entries;
  read_array(reader, [&] {
    if (reader.peek() != '[') {
      const std::optional<std::int64_t> axis = read_axis(reader);
      if (!axis) refuse_type();
      entries.emplace_back(*axis);
      return;
    }
    std::vector<std::int64_t> nested;
    read_array(reader, [&] {
      const std::optional<std::int64_t> axis = read_axis(reader);
      if (!axis) refuse_type();
      nested.push_back(*axis);
    });
    entries.emplace_back(std::move(nested));
  });
  return Axes(std::move(entries));
}

OptionValue read_value(JsonReader& reader, const OptionInfo& option, std::string_view key) {
  const std::size_t begin = reader.position();
  const auto refuse_value = [&](ErrorCode code, std::string_view wanted) {
    reader.set_position(begin);
    refuse(code, key, wanted, reader.skip_value());
  };
  switch (option.kind) {
    case OptionKind::kFlag:
      if (reader.take_word("true")) return true;
      if (reader.take_word("false")) return false;
      refuse_value(ErrorCode::kSyntax, "true or false");
      break;
    case OptionKind::kInt: {
      const std::optional<std::int64_t> number = read_number(reader);
      if (!number) refuse_value(ErrorCode::kAxesType, "a whole number");
      return *number;
    }
    case OptionKind::kIntList: {
      std::vector<std::int64_t> list;
      const auto read_one = [&] {
        const std::optional<std::int64_t> number = read_number(reader);
        if (!number) refuse_value(ErrorCode::kAxesType, "a list of whole numbers");
        list.push_back(*number);
      };
      if (reader.peek() == '[') {
        read_array(reader, read_one);
      } else {
        read_one();
      }
      return list;
    }
    case OptionKind::kAxes:
      return read_axes(reader, key);
    case OptionKind::kText:
    case OptionKind::kDialect:
    case OptionKind::kDType:
      if (reader.peek() != '"') refuse_value(ErrorCode::kSyntax, "a text");
      break;
  }
  return reader.read_string();
}

Dim read_dim(JsonReader& reader) {
  if (reader.take_word("null")) return {};
  const std::size_t begin = reader.position();
  if (reader.peek() == '"') {
    const std::string name = reader.read_string();
    if (name == "?" || name == "_") return {};
    return Dim(name);
  }
  if (!is_number(reader.peek())) reader.fail("expected an extent: a number, a name or null");
  const std::optional<std::int64_t> extent = reader.read_integer();
  if (!extent || *extent < 0) {
    reader.set_position(begin);
    reader.fail("an extent is a whole number, 0 or more");
  }
  return Dim(*extent);
}

std::vector<Shape> read_shapes(JsonReader& reader) {
  std::vector<Shape> shapes;
  if (reader.peek() != '[') reader.fail("expected a list of shapes");
  read_array(reader, [&] {
    if (shapes.size() == Limits::kOperands) {
      throw Error(ErrorCode::kLimit, text("problem: more than ", Limits::kOperands, " shapes"));
    }
    if (reader.peek() != '[') reader.fail("expected a shape: a list of extents");
    std::vector<Dim> dims;
    read_array(reader, [&] {
      if (dims.size() == Limits::kRank) {
        throw Error(ErrorCode::kLimit, text("problem: shape ", shapes.size(), " has more than ",
                                            Limits::kRank, " axes"));
      }
      dims.push_back(read_dim(reader));
    });
    shapes.emplace_back(std::move(dims));
  });
  return shapes;
}

[[noreturn]] void refuse_key(const Operation& operation, const Member& member) {
  std::vector<std::string> keys = {"operation", "shapes"};
  for (const OptionInfo& option : operation.options) keys.push_back(operation::key_of(option));
  const std::vector<std::string_view> names(keys.begin(), keys.end());
  std::string all;
  for (const std::string& key : keys) all += text(all.empty() ? "" : ", ", key);
  ErrorPlace place;
  place.option = member.key;
  place.position = member.key_position;
  throw Error(ErrorCode::kUsage,
              text("problem: ", operation.name, " has no ", json_string(member.key),
                   did_you_mean(member.key, names), ": there are ", all),
              place);
}

// Words that a shell takes as they are.
bool is_plain(std::string_view word) {
  constexpr std::string_view kPlain = "_-+=,./:@%";
  return !word.empty() && std::all_of(word.begin(), word.end(), [&](char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
           static_cast<unsigned char>(c) >= 0x80 || kPlain.find(c) != std::string_view::npos;
  });
}

// An equation with the arrow that every shell leaves alone.
std::string equation_word(std::string equation) {
  if (const std::size_t arrow = equation.find("->"); arrow != std::string::npos) {
    equation.replace(arrow, 2, "=");
  }
  return equation;
}

std::string shape_word(const Shape& shape) {
  if (shape.empty()) return "scalar";
  std::string out;
  for (const Dim& dim : shape) {
    if (!out.empty()) out += ',';
    out += dim.is_unknown() ? "_" : to_string(dim);
  }
  // A lone name may be one of the words that mean something else.
  return shape.rank() == 1 && shape[0].is_named() ? text("(", out, ",)") : out;
}

}  // namespace

Problem parse_problem(std::string_view json) {
  if (json.size() > Limits::kTextBytes) {
    throw Error(ErrorCode::kLimit, text("problem: longer than ", Limits::kTextBytes,
                                        " bytes: ", json.size(), " bytes"));
  }
  JsonReader reader(json);
  Problem problem;
  bool has_operation = false, has_shapes = false;
  std::vector<Member> members;
  if (reader.peek() != '{') reader.fail("expected an object: {\"operation\": ...}");
  reader.expect('{');
  if (!reader.take('}')) {
    do {
      if (reader.peek() != '"') reader.fail("expected a key");
      const std::size_t key_position = reader.position();
      std::string key = reader.read_string();
      reader.expect(':');
      const auto refuse_second = [&] {
        reader.set_position(key_position);
        reader.fail(text("a second ", json_string(key)));
      };
      if (key == "operation") {
        if (has_operation) refuse_second();
        has_operation = true;
        if (reader.peek() != '"') reader.fail("expected the name of an operation");
        problem.operation = reader.read_string();
      } else if (key == "shapes") {
        if (has_shapes) refuse_second();
        has_shapes = true;
        problem.shapes = read_shapes(reader);
      } else {
        for (const Member& member : members) {
          if (member.key == key) refuse_second();
        }
        reader.peek();
        const std::size_t value_position = reader.position();
        reader.skip_value();
        members.push_back({std::move(key), key_position, value_position});
      }
    } while (reader.take(','));
    reader.expect('}');
  }
  reader.expect_end();

  if (!has_operation) throw Error(ErrorCode::kUsage, "problem: has no \"operation\"");
  const Operation& operation = find_operation(problem.operation);
  if (!has_shapes) throw Error(ErrorCode::kUsage, "problem: has no \"shapes\"");
  for (const Member& member : members) {
    const OptionInfo* option = operation::find_option_by_key(operation, member.key);
    if (option == nullptr) refuse_key(operation, member);
    reader.set_position(member.value_position);
    if (reader.take_word("null")) continue;  // as good as not given
    problem.options.emplace(std::string(option->name), read_value(reader, *option, member.key));
  }
  return problem;
}

std::string to_json(const Problem& problem) {
  struct Writer {
    std::string operator()(bool given) const { return given ? "true" : "false"; }
    std::string operator()(std::int64_t number) const { return text(number); }
    std::string operator()(const std::vector<std::int64_t>& list) const {
      std::string out;
      for (const std::int64_t value : list) out += text(out.empty() ? "" : ", ", value);
      return text("[", out, "]");
    }
    std::string operator()(const std::string& words) const { return json_string(words); }
    std::string operator()(const Axes& axes) const {
      if (axes.is_none()) return "null";
      if (axes.single()) return text(*axes.single());
      std::string out;
      for (const Axes::Entry& entry : *axes.list()) {
        if (!out.empty()) out += ", ";
        out +=
            entry.is_nested() ? (*this)(std::get<1>(entry.value)) : text(std::get<0>(entry.value));
      }
      return text("[", out, "]");
    }
  };
  std::string out = text("{\"operation\": ", json_string(problem.operation), ", \"shapes\": [");
  for (std::size_t i = 0; i < problem.shapes.size(); ++i) {
    if (i > 0) out += ", ";
    out += '[';
    for (int axis = 0; axis < problem.shapes[i].rank(); ++axis) {
      const Dim& dim = problem.shapes[i][axis];
      if (axis > 0) out += ", ";
      out += dim.is_unknown() ? "null"
             : dim.is_named() ? json_string(dim.name())
                              : text(dim.extent());
    }
    out += ']';
  }
  out += ']';
  for (const auto& [name, value] : problem.options) {
    std::string key = name;
    std::replace(key.begin(), key.end(), '-', '_');
    out += text(", ", json_string(key), ": ", std::visit(Writer(), value));
  }
  return out + "}";
}

std::string shell_word(std::string_view word) {
  const bool prints = printable(word) == word;
  if (prints && is_plain(word)) return std::string(word);
  std::string out;
  for (const char c : word) {
    if (prints && c == '\'') {
      out += "'\\''";
    } else {
      if (!prints && (c == '\'' || c == '\\')) out += '\\';
      out += c;
    }
  }
  return prints ? text("'", out, "'") : text("$'", printable(out), "'");
}

std::string to_command(const Problem& problem, std::span<const std::string> operands) {
  const Operation& operation = find_operation(problem.operation);
  std::string out = problem.operation;
  const auto is_positional = [&](std::string_view name) {
    const OptionInfo* option = operation::find_option(operation, name);
    return option != nullptr && option->positional;
  };
  for (const auto& [name, value] : problem.options) {
    if (is_positional(name)) out += text(" ", shell_word(equation_word(to_string(value))));
  }
  for (std::size_t i = 0; i < problem.shapes.size(); ++i) {
    const bool has_word = i < operands.size() && !operands[i].empty();
    out += text(" ", shell_word(has_word ? operands[i] : shape_word(problem.shapes[i])));
  }
  for (const auto& [name, value] : problem.options) {
    if (is_positional(name)) continue;
    if (const bool* given = std::get_if<bool>(&value)) {
      if (*given) out += text(" --", name);
    } else {
      out += text(" --", name, " ", shell_word(to_string(value)));
    }
  }
  return out;
}

}  // namespace batchdot::inline v0
