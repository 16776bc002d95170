// SPDX-License-Identifier: Apache-2.0
#include "src/operation/options.h"

#include <algorithm>
#include <utility>

#include "src/core/checked.h"
#include "src/core/text.h"
#include "src/core/utf8.h"
#include "src/notation/batch_dot.h"

namespace batchdot::inline v0 {

namespace {

// Reads integers and lists of them, as Python or the shell's user writes them. Keeps the position.
class NumberReader {
 public:
  NumberReader(const OptionInfo& option, std::string_view text) : option_(option), text_(text) {}

  std::int64_t read_int() {
    const std::int64_t value = number();
    expect_end();
    return value;
  }

  // "1,2", "[1,2]", "(1,2)"; "[]", "()", "none" and nothing at all are the empty list.
  std::vector<std::int64_t> read_list() {
    skip_spaces();
    if (at_end() || text_.substr(at_) == "none") return {};
    std::vector<std::int64_t> values;
    if (peek() == '[' || peek() == '(') {
      values = bracketed();
    } else {
      values.push_back(number());
      while (take(',') && !at_end()) values.push_back(number());
    }
    expect_end();
    return values;
  }

  // "2" and "(2)" are one int; "2,1", "2,", "[2]", "[[2],[1]]", "((2,),(1,))" are lists.
  Axes read_axes() {
    skip_spaces();
    if (text_.substr(at_) == "none" || text_.substr(at_) == "None") return {};
    std::vector<Axes::Entry> entries;
    bool is_list = false;
    const char close = closing_bracket();
    if (close != '\0' && is_outermost(close)) {
      is_list = close == ']';
      ++at_;
      skip_spaces();
      if (take(close)) {
        expect_end();
        return Axes(std::move(entries));
      }
      entries.push_back(entry());
      while (take(',')) {
        is_list = true;
        if (peek() == close) break;
        entries.push_back(entry());
      }
      if (!take(close)) fail(text("expected ',' or '", close, "'"));
    } else {
      entries.push_back(entry());
      while (take(',')) {
        is_list = true;
        if (at_end()) break;
        entries.push_back(entry());
      }
    }
    expect_end();
    if (!is_list && entries.size() == 1 && !entries[0].is_nested()) {
      return Axes(std::get<0>(entries[0].value));
    }
    return Axes(std::move(entries));
  }

 private:
  bool at_end() const { return at_ >= text_.size(); }
  char peek() const { return at_end() ? '\0' : text_[at_]; }
  void skip_spaces() {
    while (peek() == ' ') ++at_;
  }
  bool take(char c) {
    skip_spaces();
    if (peek() != c) return false;
    ++at_;
    skip_spaces();
    return true;
  }
  char closing_bracket() const { return peek() == '[' ? ']' : peek() == '(' ? ')' : '\0'; }

  // True if the bracket here is closed by the text's last character, as in [[2],[1]], not [2],[1].
  bool is_outermost(char close) const {
    const char open = text_[at_];
    int depth = 0;
    for (std::size_t i = at_; i < text_.size(); ++i) {
      if (text_[i] == open) ++depth;
      if (text_[i] == close && --depth == 0) {
        return text_.find_first_not_of(' ', i + 1) == std::string_view::npos;
      }
    }
    return true;  // never closed: reading it will say so
  }

  Axes::Entry entry() {
    skip_spaces();
    if (closing_bracket() != '\0') return Axes::Entry(bracketed());
    return Axes::Entry(number());
  }

  std::vector<std::int64_t> bracketed() {
    const char close = closing_bracket();
    ++at_;
    std::vector<std::int64_t> values;
    if (take(close)) return values;
    values.push_back(number());
    while (take(',')) {
      if (peek() == close) break;
      values.push_back(number());
    }
    if (!take(close)) fail(text("expected ',' or '", close, "'"));
    return values;
  }

  std::int64_t number() {
    skip_spaces();
    const std::size_t begin = at_;
    const bool negative = peek() == '-';
    if (negative || peek() == '+') ++at_;
    if (peek() < '0' || peek() > '9') {
      fail(at_end() ? "ends where a number should stand" : "expected a whole number");
    }
    std::int64_t value = 0;
    for (; peek() >= '0' && peek() <= '9'; ++at_) {
      const auto shifted = checked_multiply(value, 10);
      const int digit = peek() - '0';
      const auto next = shifted ? checked_add(*shifted, negative ? -digit : digit)
                                : std::optional<std::int64_t>();
      if (!next) {
        throw Error(ErrorCode::kOverflow,
                    text("--", option_.name, ": a number of more than 64 bits", " at position ",
                         begin, ": '", text_, "'"));
      }
      value = *next;
    }
    if (peek() == '.' || peek() == 'e') fail("expected a whole number");
    return value;
  }

  void expect_end() {
    skip_spaces();
    if (!at_end()) fail("has text that does not belong to it");
  }
  [[noreturn]] void fail(std::string_view why) const {
    ErrorPlace place;
    place.position = at_;
    place.option = option_.name;
    throw Error(ErrorCode::kSyntax,
                text("--", option_.name, ": ", why, " at position ", at_, ": '", text_, "'"),
                place);
  }

  const OptionInfo& option_;
  std::string_view text_;
  std::size_t at_ = 0;
};

std::string_view words_for(OptionKind kind) {
  switch (kind) {
    case OptionKind::kFlag:
      return "true or false";
    case OptionKind::kInt:
      return "one whole number";
    case OptionKind::kIntList:
      return "a list of whole numbers";
    case OptionKind::kAxes:
      return "axes: one number, or a list of two";
    case OptionKind::kText:
    case OptionKind::kDialect:
    case OptionKind::kDType:
      return "a text";
  }
  return "";
}

bool fits(OptionKind kind, const OptionValue& value) {
  switch (kind) {
    case OptionKind::kFlag:
      return std::holds_alternative<bool>(value);
    case OptionKind::kInt:
      return std::holds_alternative<std::int64_t>(value);
    case OptionKind::kIntList:
      return std::holds_alternative<std::vector<std::int64_t>>(value);
    case OptionKind::kAxes:
      return std::holds_alternative<Axes>(value);
    case OptionKind::kText:
    case OptionKind::kDialect:
    case OptionKind::kDType:
      return std::holds_alternative<std::string>(value);
  }
  return false;
}

}  // namespace

OptionValue parse_option(const OptionInfo& option, std::string_view typed) {
  if (typed.size() > Limits::kTextBytes) {
    throw Error(ErrorCode::kLimit, text("--", option.name, ": text is longer than ",
                                        Limits::kTextBytes, " bytes: ", typed.size(), " bytes"));
  }
  switch (option.kind) {
    case OptionKind::kFlag:
      return true;
    case OptionKind::kInt:
      return NumberReader(option, typed).read_int();
    case OptionKind::kIntList:
      return NumberReader(option, typed).read_list();
    case OptionKind::kAxes:
      return NumberReader(option, typed).read_axes();
    case OptionKind::kText:
    case OptionKind::kDialect:
    case OptionKind::kDType:
      break;
  }
  return std::string(typed);
}

std::string to_string(const OptionValue& value) {
  struct Writer {
    std::string operator()(bool given) const { return given ? "true" : "false"; }
    std::string operator()(std::int64_t number) const { return text(number); }
    std::string operator()(const std::vector<std::int64_t>& list) const {
      return list.empty() ? "[]" : joined(list, ",");
    }
    std::string operator()(const std::string& words) const { return words; }
    std::string operator()(const Axes& axes) const {
      if (axes.is_none()) return "none";
      if (axes.single()) return text(*axes.single());
      const std::vector<Axes::Entry>& entries = *axes.list();
      const bool is_flat = std::none_of(entries.begin(), entries.end(),
                                        [](const Axes::Entry& e) { return e.is_nested(); });
      std::string out;
      for (const Axes::Entry& entry : entries) {
        if (!out.empty()) out += ',';
        out += entry.is_nested() ? text("[", joined(std::get<1>(entry.value), ","), "]")
                                 : text(std::get<0>(entry.value));
      }
      return is_flat && entries.size() > 1 ? out : text("[", out, "]");
    }
  };
  return std::visit(Writer(), value);
}

std::string did_you_mean(std::string_view word, std::span<const std::string_view> names) {
  return hint(word, names);
}

}  // namespace batchdot::inline v0

namespace batchdot::operation {

namespace {

std::string list_of_options(const Operation& operation) {
  std::string out;
  for (const OptionInfo& option : operation.options) {
    if (!out.empty()) out += ", ";
    out += option.positional ? "" : "--";
    out += option.name;
  }
  return out;
}

}  // namespace

const OptionInfo* find_option(const Operation& operation, std::string_view name) {
  for (const OptionInfo& option : operation.options) {
    if (option.name == name) return &option;
  }
  return nullptr;
}

const OptionInfo* find_option_by_key(const Operation& operation, std::string_view key) {
  const auto same = [](char of_name, char of_key) {
    return (of_name == '-' ? '_' : of_name) == of_key;
  };
  for (const OptionInfo& option : operation.options) {
    if (std::equal(option.name.begin(), option.name.end(), key.begin(), key.end(), same)) {
      return &option;
    }
  }
  return nullptr;
}

std::string key_of(const OptionInfo& option) {
  std::string key(option.name);
  std::replace(key.begin(), key.end(), '-', '_');
  return key;
}

void check_options(const Operation& operation, const Problem& problem) {
  for (const auto& [name, value] : problem.options) {
    ErrorPlace place;
    const OptionInfo* found = find_option(operation, name);
    if (found == nullptr) {
      std::vector<std::string_view> names;
      for (const OptionInfo& option : operation.options) names.push_back(option.name);
      place.option = name;
      throw Error(ErrorCode::kUsage,
                  text(operation.name, ": has no option --", name, did_you_mean(name, names),
                       ": its options are ", list_of_options(operation)),
                  place);
    }
    if (!fits(found->kind, value)) {
      place.option = name;
      throw Error(ErrorCode::kUsage,
                  text(operation.name, ": --", name, " takes ", words_for(found->kind), ": ",
                       to_string(value)),
                  place);
    }
  }
}

std::optional<DType> dtype_of(const Problem& problem) {
  const std::string* name = option<std::string>(problem, "dtype");
  if (name == nullptr) return {};
  if (const std::optional<DType> dtype = DType::parse(*name)) return dtype;
  std::vector<std::string_view> names;
  for_each_dtype([&](auto record) { names.push_back(record.kName); });
  ErrorPlace place;
  place.option = "dtype";
  throw Error(ErrorCode::kUsage,
              text("--dtype: no such dtype: ", quoted(*name), did_you_mean(*name, names),
                   ": there are ", joined(names, ", ")),
              place);
}

Dialect dialect_of(const Problem& problem) {
  const std::string* name = option<std::string>(problem, "dialect");
  return name == nullptr ? Dialect() : Dialect(*name);
}

void check_dialect_takes(const Problem& problem, DType dtype) {
  const bool has_dialect = find_option(find_operation(problem.operation), "dialect") != nullptr;
  if (!has_dialect || !dtype.is_complex()) return;
  const Dialect dialect = dialect_of(problem);
  if (notation::batch_dot_rules(dialect).takes_complex) return;
  throw Error(ErrorCode::kNotImplemented,
              text(problem.operation, ": ", dialect.name(),
                   " multiplies no complex numbers: operands are ", dtype.name()));
}

}  // namespace batchdot::operation
