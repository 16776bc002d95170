// SPDX-License-Identifier: Apache-2.0
#include "tests/conformance/case_file.h"

#include <filesystem>
#include <fstream>
#include <map>
#include <sstream>
#include <stdexcept>

namespace batchdot::conformance {

namespace {

using Words = std::vector<std::string>;

Words words_of(const std::string& text, char separator = ' ') {
  Words words;
  std::istringstream in(text);
  for (std::string word; std::getline(in, word, separator);) {
    if (!word.empty()) words.push_back(word);
  }
  return words;
}

// Columns stand two or more spaces apart.
Words columns_of(const std::string& line) {
  Words columns;
  std::size_t at = 0;
  while (at < line.size()) {
    const std::size_t end = std::min(line.find("  ", at), line.size());
    columns.push_back(line.substr(at, end - at));
    at = line.find_first_not_of(' ', end);
  }
  return columns;
}

std::vector<double> numbers_of(const std::string& text) {
  std::vector<double> numbers;
  for (const std::string& word : words_of(text, ',')) numbers.push_back(std::stod(word));
  return numbers;
}

// "1,2=3,4": the shape and the elements.
std::pair<std::string, std::vector<double>> split(const std::string& word) {
  const std::size_t equals = word.find('=');
  if (equals == std::string::npos) return {word, {}};
  return {word.substr(0, equals), numbers_of(word.substr(equals + 1))};
}

CaseOperand operand_of(const std::string& word) {
  CaseOperand operand;
  const auto [shape, elements] = split(word);
  operand.elements = elements;
  std::string declared;
  for (const std::string& dim : words_of(shape == "scalar" ? "" : shape, ',')) {
    const std::size_t at = dim.find('@');
    const Dim known = parse_shape(dim.substr(0, at))[0];
    operand.declared.push_back(known);
    operand.fed.push_back(known.is_known()          ? known.extent()
                          : at == std::string::npos ? 2
                                                    : std::stoll(dim.substr(at + 1)));
  }
  return operand;
}

void read_options(const Words& words, Case& row) {
  const Operation& operation = find_operation(row.problem.operation);
  std::string dialect;
  for (std::size_t i = 0; i < words.size(); ++i) {
    if (words[i] == "-") continue;
    const bool is_named = words[i].starts_with("--");
    const OptionInfo* found = nullptr;
    for (const OptionInfo& option : operation.options) {
      if (is_named ? words[i].substr(2) == option.name : option.positional) found = &option;
    }
    if (found == nullptr) throw std::runtime_error("no such option: " + words[i]);
    const std::string name(found->name);
    if (found->kind == OptionKind::kFlag) {
      row.problem.options.insert_or_assign(name, true);
    } else if (found->kind == OptionKind::kDialect) {
      dialect = words.at(++i);
    } else {
      const std::string& text = is_named ? words.at(++i) : words[i];
      row.problem.options.insert_or_assign(name, parse_option(*found, text));
    }
  }
  if (!dialect.empty()) row.problem = in_dialect(std::move(row.problem), dialect);
}

void read_result(const Words& words, Case& row) {
  for (std::size_t i = 0; i < words.size(); ++i) {
    if (words[i] == "error") {
      row.error = words.at(++i);
    } else if (words[i] == "reported") {
      row.reported = parse_shape(words.at(++i));
    } else {
      const auto [shape, elements] = split(words[i]);
      row.shape = parse_shape(shape);
      row.elements = elements;
    }
  }
}

void read_meaning(const Words& words, Case& row) {
  if (row.problem.operation == "softmax") {
    row.softmax_axis = std::stoi(words.at(0));
    return;
  }
  row.meaning = reference::parse_meaning(words.at(0));
  if (words.size() == 1) return;
  const std::string& labels = words.at(1);
  row.normalization =
      Normalization{static_cast<Label>(labels.at(0)), static_cast<Label>(labels.at(2)),
                    words.at(2) == "norm", std::stold(words.at(3))};
}

Case case_of(const Words& columns, const std::string& options) {
  Case row;
  row.problem.operation = columns.at(0);
  for (const std::string& word : words_of(columns.at(2))) {
    row.operands.push_back(operand_of(word));
    row.problem.shapes.push_back(row.operands.back().declared);
  }
  read_options(words_of(options), row);
  read_result(words_of(columns.at(3)), row);
  if (columns.size() > 4) read_meaning(words_of(columns[4]), row);
  const bool computes = row.shape && row.error.empty();
  if (computes && !row.meaning && !row.softmax_axis) {
    throw std::runtime_error("a result without its meaning");
  }
  return row;
}

void read_file(const std::filesystem::path& path, std::vector<Case>& cases) {
  std::ifstream in(path);
  std::map<std::string, Words> groups;
  int number = 0;
  for (std::string line; std::getline(in, line);) {
    ++number;
    if (line.empty() || line[0] == '#') continue;
    const std::string where = path.filename().string() + ":" + std::to_string(number);
    try {
      if (line.starts_with("let ")) {
        Words words = words_of(line);
        const std::string name = words.at(1);
        words.erase(words.begin(), words.begin() + 2);
        groups[name] = words;
        continue;
      }
      const Words columns = columns_of(line);
      const std::string& options = columns.at(1);
      const std::size_t group = options.find('@');
      if (group == std::string::npos) {
        cases.push_back(case_of(columns, options));
        cases.back().where = where;
        continue;
      }
      const std::string name = options.substr(group, options.find(' ', group) - group);
      for (const std::string& dialect : groups.at(name)) {
        std::string one = options;
        one.replace(group, name.size(), dialect);
        cases.push_back(case_of(columns, one));
        cases.back().where = where + " " + dialect;
      }
    } catch (const std::exception& error) {
      throw std::runtime_error(where + ": " + error.what() + ": " + line);
    }
  }
}

}  // namespace

std::vector<Case> read_cases() {
  std::vector<std::filesystem::path> paths;
  for (const auto& entry :
       std::filesystem::directory_iterator(BATCHDOT_SOURCE_DIR "/tests/conformance")) {
    if (entry.path().extension() != ".txt" || entry.path().filename() == "CMakeLists.txt") continue;
    paths.push_back(entry.path());
  }
  std::sort(paths.begin(), paths.end());
  std::vector<Case> cases;
  for (const std::filesystem::path& path : paths) read_file(path, cases);
  return cases;
}

}  // namespace batchdot::conformance
