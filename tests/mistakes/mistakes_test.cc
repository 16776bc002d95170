// SPDX-License-Identifier: Apache-2.0
// A thousand planted mistakes: every message says what does not fit, and what is said to fit does.

#include <gtest/gtest.h>

#include <iostream>
#include <map>
#include <set>

#include "tests/problems/valid_problem.h"

namespace batchdot {
namespace {

enum class Mistake { kExtent, kSwapped, kAxisNumber, kDropped };
constexpr int kMistakes = 4;

// An extent that nothing else has, so that it is a mistake wherever the axis is paired.
void change_extent(std::mt19937& random, Problem& problem) {
  Shape& shape =
      problem
          .shapes[static_cast<std::size_t>(below(random, static_cast<int>(problem.shapes.size())))];
  if (shape.empty()) return;
  shape[below(random, shape.rank())] = Dim(11 + 2 * below(random, 20));
}

void swap_axes(std::mt19937& random, Problem& problem) {
  Shape& shape =
      problem
          .shapes[static_cast<std::size_t>(below(random, static_cast<int>(problem.shapes.size())))];
  if (shape.rank() < 2) return;
  const int first = below(random, shape.rank());
  const int second = (first + 1 + below(random, shape.rank() - 1)) % shape.rank();
  std::swap(shape[first], shape[second]);
}

void drop_axis(std::mt19937& random, Problem& problem) {
  Shape& shape =
      problem
          .shapes[static_cast<std::size_t>(below(random, static_cast<int>(problem.shapes.size())))];
  if (!shape.empty()) shape.erase(below(random, shape.rank()));
}

// Another number in any option that holds axes; now and then one that no operand has.
void change_axis(std::mt19937& random, Problem& problem) {
  std::vector<std::int64_t*> places;
  std::vector<Axes::Entry> entries;
  Axes* axes = nullptr;
  for (auto& [name, value] : problem.options) {
    if (auto* number = std::get_if<std::int64_t>(&value)) places.push_back(number);
    if (auto* list = std::get_if<std::vector<std::int64_t>>(&value)) {
      for (std::int64_t& each : *list) places.push_back(&each);
    }
    if (auto* given = std::get_if<Axes>(&value)) {
      axes = given;
      entries.clear();
      if (given->single()) {
        entries.assign(2, Axes::Entry(*given->single()));
      } else {
        entries = *given->list();
      }
      for (Axes::Entry& entry : entries) places.push_back(&std::get<0>(entry.value));
    }
  }
  if (places.empty()) return;
  std::int64_t& place =
      *places[static_cast<std::size_t>(below(random, static_cast<int>(places.size())))];
  const std::int64_t before = place;
  while (place == before) place = below(random, 7);
  if (axes != nullptr) *axes = Axes(entries);
}

Problem plant(std::mt19937& random, Problem problem, Mistake mistake) {
  switch (mistake) {
    case Mistake::kExtent:
      change_extent(random, problem);
      break;
    case Mistake::kSwapped:
      swap_axes(random, problem);
      break;
    case Mistake::kAxisNumber:
      change_axis(random, problem);
      break;
    case Mistake::kDropped:
      drop_axis(random, problem);
      break;
  }
  return problem;
}

bool contains(std::string_view text, std::string_view part) {
  return text.find(part) != std::string_view::npos;
}
// A number that stands by itself.
bool contains_number(std::string_view text, std::string_view number) {
  const auto is_digit = [](char c) { return c >= '0' && c <= '9'; };
  for (std::size_t at = text.find(number); at != text.npos; at = text.find(number, at + 1)) {
    const bool starts = at == 0 || !is_digit(text[at - 1]);
    const std::size_t end = at + number.size();
    if (starts && (end == text.size() || !is_digit(text[end]))) return true;
  }
  return false;
}

bool is_about_two_extents(ErrorCode code) {
  return code == ErrorCode::kDim || code == ErrorCode::kBatch || code == ErrorCode::kBatchDim ||
         code == ErrorCode::kBroadcast;
}

// "lhs" or "operand 0": einsum counts, as its equation does.
bool names(std::string_view message, int operand, std::size_t count) {
  if (contains(message, "operand " + std::to_string(operand))) return true;
  return contains(message, count == 1 ? "operand" : operand == 0 ? "lhs" : "rhs");
}

// What the message does not say and should; empty if it says all.
std::string missing_in(const Problem& problem, const Error& error) {
  const ErrorPlace& place = error.place();
  const std::string& message = error.message();
  const std::size_t count = problem.shapes.size();
  if (!place.operand) return "which operand";
  if (!names(message, *place.operand, count)) return "the operand's name";
  const auto shape_text = to_string(problem.shapes[static_cast<std::size_t>(*place.operand)]);
  if (error.code() == ErrorCode::kAxesDup) {  // wrong whatever the extents are
    return place.axis && contains_number(message, std::to_string(*place.axis)) ? "" : "the axis";
  }
  if (!is_about_two_extents(error.code())) {
    // One axis or one rank is wrong: its operand with all its extents.
    if (!contains(message, shape_text)) return "the operand's shape";
    if (error.code() == ErrorCode::kRank) {  // the axis that is missing or too many, both ranks
      const int rank = problem.shapes[static_cast<std::size_t>(*place.operand)].rank();
      if (!place.axis || !contains_number(message, std::to_string(*place.axis))) return "the axis";
      if (!contains(message, "rank " + std::to_string(rank))) return "the rank";
      if (place.extent != std::to_string(rank)) return "the true rank";
      const int needed = place.other_extent.empty() ? rank : std::stoi(place.other_extent);
      if (needed == rank || std::min(rank, needed) != *place.axis) return "the rank that is needed";
    }
    return {};
  }
  if (!place.axis || !place.other_axis || !place.other_operand) return "both axes";
  if (place.extent.empty() || place.other_extent.empty()) return "both extents";
  if (!names(message, *place.other_operand, count)) return "the other operand's name";
  for (const int axis : {*place.axis, *place.other_axis}) {
    if (!contains_number(message, std::to_string(axis))) return "an axis";
  }
  for (const std::string& extent : {place.extent, place.other_extent}) {
    if (!contains_number(message, extent)) return "an extent";
  }
  // And it is true.
  const auto truly = [&](int operand, int axis, const std::string& extent) {
    const Shape& shape = problem.shapes[static_cast<std::size_t>(operand)];
    return axis >= shape.rank() || to_string(shape[axis]) == extent;  // beyond: an appended 1
  };
  if (!truly(*place.operand, *place.axis, place.extent)) return "the true extent";
  if (!truly(*place.other_operand, *place.other_axis, place.other_extent))
    return "the true other extent";
  if (place.extent == place.other_extent) return "a difference";
  return {};
}

TEST(Mistakes, AThousandAreNamedAndEveryFixFits) {
  std::mt19937 random(20267);
  int planted = 0, refused = 0, named = 0, fixed = 0;
  std::map<std::string, int> gaps, by_operation;
  std::set<Mistake> kinds;
  while (refused < 1000) {
    const auto all = operations();
    const Operation& operation = all[static_cast<std::size_t>(planted) % all.size()];
    const auto mistake = static_cast<Mistake>(below(random, kMistakes));
    const Problem problem = plant(random, random_valid_problem(random, operation.name), mistake);
    ++planted;
    try {
      infer(problem);  // a free axis may have any extent: no mistake
    } catch (const Error& error) {
      ++refused;
      kinds.insert(mistake);
      ++by_operation[problem.operation];
      const std::string missing = missing_in(problem, error);
      if (missing.empty()) {
        ++named;
      } else {
        ++gaps[problem.operation + " " + std::string(info(error.code()).name) + ": no " + missing +
               ": " + error.message()];
      }
      EXPECT_EQ(error.message().find('\n'), std::string::npos) << error.message();
      const std::optional<Fix> fix = find_fix(problem, error);
      if (!fix) continue;
      ++fixed;
      EXPECT_NO_THROW(infer(fix->problem)) << to_json(problem) << " -> " << fix->text;
      EXPECT_NO_THROW(infer(parse_problem(to_json(fix->problem)))) << fix->text;
      EXPECT_NE(to_json(fix->problem), to_json(problem));
    }
  }
  std::cout << planted << " planted, " << refused << " refused, " << named << " named, " << fixed
            << " with a fix that fits\n";
  EXPECT_EQ(named, refused);
  for (const auto& [gap, count] : gaps) ADD_FAILURE() << count << " x " << gap;
  EXPECT_EQ(kinds.size(), static_cast<std::size_t>(kMistakes));
  for (const Operation& operation : operations()) {
    EXPECT_GT(by_operation[std::string(operation.name)], 10) << operation.name;
  }
  EXPECT_GT(fixed, refused / 2);
}

}  // namespace
}  // namespace batchdot
