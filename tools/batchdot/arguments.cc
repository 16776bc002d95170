// SPDX-License-Identifier: Apache-2.0
#include "tools/batchdot/arguments.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <type_traits>
#include <utility>

namespace batchdot::tool {

namespace {

// An option while it is read: CLI11 writes into it.
struct Slot {
  VerbOption option;
  std::string value;
  CLI::Option* parsed = nullptr;
};

std::string with_dashes(std::string_view name) { return "--" + std::string(name); }

// Whether the verb takes the option with the operation that is asked for, if one is.
bool takes_option(const Verb& verb, const std::string& operation, std::string_view option) {
  const auto is_it = [&](const OptionInfo& info) { return info.name == option; };
  if (std::any_of(verb.options.begin(), verb.options.end(),
                  [&](const VerbOption& own) { return is_it(own.info); })) {
    return true;
  }
  const auto all = operations();
  const auto found = std::find_if(all.begin(), all.end(),
                                  [&](const Operation& known) { return known.name == operation; });
  return found == all.end() || std::any_of(found->options.begin(), found->options.end(), is_it);
}

[[noreturn]] void refuse_option(const Verb& verb, const std::vector<Slot>& slots,
                                const std::string& operation, std::string typed) {
  typed.resize(std::min(typed.find('='), typed.size()));
  std::vector<std::string> dashed;
  for (const Slot& slot : slots) {
    if (takes_option(verb, operation, slot.option.info.name)) {
      dashed.push_back(with_dashes(slot.option.info.name));
    }
  }
  const std::vector<std::string_view> names(dashed.begin(), dashed.end());
  ErrorPlace place;
  place.option = typed.substr(std::min(typed.find_first_not_of('-'), typed.size()));
  throw Error(ErrorCode::kUsage,
              std::string(verb.name) + ": no such option: " + typed + did_you_mean(typed, names) +
                  " (batchdot help " + std::string(verb.name) + " lists them)",
              place);
}

// "--json=yes"
[[noreturn]] void refuse_value(const Verb& verb, std::string_view word) {
  ErrorPlace place;
  place.option = word.substr(2, word.find('=') - 2);
  throw Error(
      ErrorCode::kUsage,
      std::string(verb.name) + ": --" + place.option + " takes no value: " + std::string(word),
      place);
}

// An option without its value, or one that stands twice; CLI11's message begins with its name.
[[noreturn]] void refuse_number_of_values(const Verb& verb, const CLI::ArgumentMismatch& error) {
  const std::string message = error.what();
  const std::string name = message.substr(0, message.find(':'));
  ErrorPlace place;
  place.option = name.substr(std::min(name.find_first_not_of('-'), name.size()));
  throw Error(ErrorCode::kUsage,
              std::string(verb.name) + ": " + name +
                  (message.ends_with("missing") ? " needs a value" : " stands more than once"),
              place);
}

// What the elements of a dtype are.
struct Numbers {
  bool are_whole, are_complex;
  std::size_t bytes;  // of one of the two parts of a complex number

  // As NumPy promotes: whole numbers go into floating ones of twice their bytes, at most eight.
  bool hold(const Numbers& other) const {
    const std::size_t needed =
        other.are_whole && !are_whole ? std::min<std::size_t>(2 * other.bytes, 8) : other.bytes;
    return are_complex >= other.are_complex && are_whole <= other.are_whole && bytes >= needed;
  }
};

Numbers numbers_of(DType dtype) {
  const bool are_whole = dtype.visit(
      [](auto record) { return std::is_integral_v<typename decltype(record)::Accumulator>; });
  return {are_whole, dtype.is_complex(), dtype.size_bytes() / (dtype.is_complex() ? 2 : 1)};
}

// Of every operand. A typed shape has the type of the file beside it, else what is computed in.
std::vector<DType> dtypes_of(const Request& request) {
  DType typed;
  if (const auto given = request.problem.options.find("dtype");
      given != request.problem.options.end()) {
    const auto* const name = std::get_if<std::string>(&given->second);
    typed = (name ? DType::parse(*name) : std::nullopt).value_or(typed);
  }
  for (const auto& array : request.arrays) {
    if (array) typed = array->dtype;
  }
  std::vector<DType> dtypes;
  for (const auto& array : request.arrays) dtypes.push_back(array ? array->dtype : typed);
  return dtypes;
}

// Two opaque bytes are read as bf16 where that is asked for, and the message says how.
ArrayInfo inspect(const std::string& file, std::optional<DType> raw_as) {
  try {
    return inspect_array(file, raw_as);
  } catch (const Error& error) {
    if (error.code() != ErrorCode::kFileFormat || error.place().option != "dtype") throw;
    throw Error(error.code(), error.message() + " (--dtype bf16 asks for it)", error.place());
  }
}

// Options that only some operations have are read by whichever has them; infer() refuses the rest.
OptionValue read_option(const Operation& operation, const std::string& name,
                        const std::string& typed) {
  const auto find = [&](std::span<const OptionInfo> options) {
    return std::find_if(options.begin(), options.end(),
                        [&](const OptionInfo& option) { return option.name == name; });
  };
  if (const auto own = find(operation.options); own != operation.options.end()) {
    return parse_option(*own, typed);
  }
  return typed;
}

}  // namespace

std::string operand_name(std::size_t operand, std::size_t count) {
  if (count == 1) return "operand";
  if (count == 2) return operand == 0 ? "lhs" : "rhs";
  return "operand " + std::to_string(operand);
}

const std::string* Arguments::find(std::string_view name) const {
  const auto found = options.find(name);
  return found == options.end() ? nullptr : &found->second;
}

std::vector<VerbOption> options_of(const Verb& verb) {
  std::vector<VerbOption> all;
  const auto add = [&](const VerbOption& option) {
    const bool is_known = std::any_of(all.begin(), all.end(), [&](const VerbOption& other) {
      return other.info.name == option.info.name;
    });
    if (!is_known && !option.info.positional) all.push_back(option);
  };
  for (const VerbOption& option : verb.options) add(option);
  if (verb.takes_operation) {
    for (const Operation& operation : operations()) {
      for (const OptionInfo& option : operation.options) add({option});
    }
  }
  add(kHelpOption);
  return all;
}

Arguments parse_arguments(const Verb& verb, std::span<const std::string_view> words) {
  std::vector<Slot> slots;
  for (const VerbOption& option : options_of(verb)) slots.push_back({option, {}, nullptr});

  CLI::App app;
  app.set_help_flag();
  app.allow_extras();
  for (Slot& slot : slots) {
    std::string names = with_dashes(slot.option.info.name);
    if (slot.option.letter != '\0') names += std::string(",-") + slot.option.letter;
    slot.parsed = slot.option.info.kind == OptionKind::kFlag
                      ? app.add_flag(names)
                      : app.add_option(names, slot.value)->allow_extra_args(false);
  }
  // After "--" nothing is an option.
  const auto end = std::find(words.begin(), words.end(), "--");
  for (const Slot& slot : slots) {
    const std::string with_value = with_dashes(slot.option.info.name) + "=";
    if (slot.option.info.kind != OptionKind::kFlag) continue;
    for (auto word = words.begin(); word != end; ++word) {
      if (word->starts_with(with_value)) refuse_value(verb, *word);
    }
  }
  std::vector<std::string> options(words.begin(), end);
  std::reverse(options.begin(), options.end());  // as CLI11 wants them
  try {
    app.parse(std::move(options));
  } catch (const CLI::ArgumentMismatch& error) {
    refuse_number_of_values(verb, error);
  } catch (const CLI::ParseError& error) {
    throw Error(ErrorCode::kUsage, std::string(verb.name) + ": " + error.what());
  }

  Arguments arguments;
  arguments.verb = &verb;
  arguments.words = app.remaining();
  const auto is_dashed = [](const std::string& word) { return word.starts_with('-'); };
  const auto operation =
      std::find_if_not(arguments.words.begin(), arguments.words.end(), is_dashed);
  for (const std::string& word : arguments.words) {
    // "-4,64" is no option but a shape, which says what is wrong with it; "->" is an equation.
    const bool is_operand =
        word.size() > 1 && ((word[1] >= '0' && word[1] <= '9') || word[1] == '>');
    if (word.size() > 1 && word[0] == '-' && !is_operand) {
      refuse_option(verb, slots, operation == arguments.words.end() ? "" : *operation, word);
    }
  }
  if (end != words.end()) arguments.words.insert(arguments.words.end(), end + 1, words.end());
  for (const Slot& slot : slots) {
    if (slot.parsed->count() == 0) continue;
    if (slot.option.info.kind == OptionKind::kFlag && !slot.parsed->as<bool>()) continue;
    arguments.options.emplace(std::string(slot.option.info.name), slot.value);
  }
  return arguments;
}

int threads_of(const Arguments& arguments) {
  const std::string* typed = arguments.find("threads");
  if (typed == nullptr) return 0;
  constexpr std::int64_t kMost = 4096;
  const std::int64_t threads = std::get<std::int64_t>(parse_option(kThreadsOption.info, *typed));
  if (threads < 1 || threads > kMost) {
    ErrorPlace place;
    place.option = "threads";
    throw Error(ErrorCode::kUsage, "--threads: takes 1 to 4096: " + *typed, place);
  }
  return static_cast<int>(threads);
}

bool Request::has_files() const {
  return std::any_of(files.begin(), files.end(),
                     [](const std::string& file) { return !file.empty(); });
}

std::vector<Layout> layouts_of(const Request& request) {
  std::vector<Layout> layouts;
  if (!request.has_files()) return layouts;
  const std::vector<DType> dtypes = dtypes_of(request);
  for (std::size_t i = 0; i < request.arrays.size(); ++i) {
    if (const auto& array = request.arrays[i]) {
      layouts.emplace_back(
          array->dtype, array->extents,
          array->fortran_order ? column_major(array->extents) : row_major(array->extents));
    } else if (request.problem.shapes[i].is_known()) {
      layouts.emplace_back(dtypes[i], request.problem.shapes[i].extents());
    } else {
      return {};
    }
  }
  return layouts;
}

void check_types(const Request& request) {
  if (request.has_files()) check_dtypes(request.problem, dtypes_of(request));
}

bool succeeds(const Request& request, const Problem& changed) {
  const bool is_planned =
      request.verb != "shape" && std::all_of(changed.shapes.begin(), changed.shapes.end(),
                                             [](const Shape& shape) { return shape.is_known(); });
  try {
    const std::vector<DType> dtypes = dtypes_of(request);
    if (request.has_files()) check_dtypes(changed, dtypes);
    if (!is_planned) return true;
    std::vector<Layout> layouts;
    for (std::size_t i = 0; i < dtypes.size(); ++i) {
      layouts.emplace_back(dtypes[i], changed.shapes[i].extents());
    }
    make_plan(changed, layouts);
    return true;
  } catch (const Error& error) {
    const bool is_size = info(error.code()).exit_code == info(ErrorCode::kOverflow).exit_code;
    return is_size && request.verb == "explain";  // which says so and answers
  }
}

std::optional<Fix> with_dtype(const Request& request) {
  if (!request.has_files() || request.raw_as) return {};  // with another dtype it would not be read
  const std::vector<DType> dtypes = dtypes_of(request);
  const auto holds_all = [&](const Numbers& numbers) {
    return std::all_of(dtypes.begin(), dtypes.end(),
                       [&](DType dtype) { return numbers.hold(numbers_of(dtype)); });
  };
  std::vector<DType> candidates;
  for (const bool are_whole : {true, false}) {  // whole numbers stay whole if they can
    for_each_dtype([&](auto record) {
      const Numbers numbers = numbers_of(record);
      if (numbers.are_whole == are_whole && holds_all(numbers)) candidates.push_back(record);
    });
  }
  for (const DType dtype : candidates) {
    Fix fix{"use --dtype " + std::string(dtype.name()), request.problem};
    if (const auto given = fix.problem.options.find("dtype"); given != fix.problem.options.end()) {
      fix.text += " in place of " + to_string(given->second);
    }
    fix.problem.options.insert_or_assign("dtype", std::string(dtype.name()));
    if (succeeds(request, fix.problem)) return fix;
  }
  return {};
}

std::string endings() {
  std::string all;
  for (const std::string_view ending : array_endings()) {
    all += (all.empty() ? "" : " or ") + std::string(ending);
  }
  return all;
}

bool is_file(std::string_view word) {
  return has_array_ending(word) || word.find('/') != std::string_view::npos;
}

Request read_request(const Arguments& arguments, Session& session) {
  const std::string verb(arguments.verb->name);
  const std::string usage = "batchdot " + verb + " " + std::string(arguments.verb->usage);
  if (arguments.words.empty()) {
    throw Error(ErrorCode::kUsage, verb + ": needs an operation: " + usage);
  }
  Request request;
  request.verb = verb;
  Problem& problem = request.problem;
  problem.operation = arguments.words[0];
  const Operation& operation = find_operation(problem.operation);
  std::size_t next = 1;
  for (const OptionInfo& option : operation.options) {
    if (!option.positional) continue;
    if (next == arguments.words.size()) {
      throw Error(ErrorCode::kUsage, problem.operation + ": needs " +
                                         std::string(option.placeholder) + ": " +
                                         std::string(option.help));
    }
    problem.options.emplace(std::string(option.name), arguments.words[next++]);
  }
  for (const auto& [name, typed] : arguments.options) {
    const bool is_verbs = std::any_of(
        arguments.verb->options.begin(), arguments.verb->options.end(),
        [&, key = std::string_view(name)](const VerbOption& o) { return o.info.name == key; });
    if (!is_verbs && name != "help") {
      problem.options.emplace(name, read_option(operation, name, typed));
    }
  }
  if (const auto dialect = problem.options.find("dialect"); dialect != problem.options.end()) {
    if (const auto* name = std::get_if<std::string>(&dialect->second)) {
      const std::string release = *name;
      problem = in_dialect(std::move(problem), release);
    }
  }
  if (const auto dtype = problem.options.find("dtype"); dtype != problem.options.end()) {
    const auto* name = std::get_if<std::string>(&dtype->second);
    const std::optional<DType> asked = name ? DType::parse(*name) : std::nullopt;
    if (asked && *asked == BF16{}) request.raw_as = asked;
  }
  for (; next < arguments.words.size(); ++next) {
    const std::string& word = arguments.words[next];
    if (is_file(word)) {
      request.arrays.push_back(inspect(word, request.raw_as));
      request.files.push_back(word);
      problem.shapes.emplace_back(request.arrays.back()->extents);
    } else {
      problem.shapes.push_back(parse_shape(word));
      request.files.emplace_back();
      request.arrays.emplace_back();
    }
  }
  session.problem = problem;
  session.succeeds = [request](const Problem& changed) { return succeeds(request, changed); };
  session.files = request.files;
  session.verb = verb;
  if (const std::string* output = arguments.find("output")) session.output = *output;
  return request;
}

Error with_files(const Error& error, const std::vector<std::string>& files) {
  std::string names;
  for (std::size_t i = 0; i < files.size(); ++i) {
    if (files[i].empty()) continue;
    names += (names.empty() ? "" : ", ") + operand_name(i, files.size()) + " is " + files[i];
  }
  if (names.empty() || info(error.code()).exit_code != info(ErrorCode::kDim).exit_code) {
    return error;
  }
  ErrorPlace place = error.place();
  if (place.operand && static_cast<std::size_t>(*place.operand) < files.size() &&
      place.file.empty()) {
    place.file = files[static_cast<std::size_t>(*place.operand)];
  }
  return Error(error.code(), error.message() + " (" + names + ")", place);
}

}  // namespace batchdot::tool
