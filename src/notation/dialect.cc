// SPDX-License-Identifier: Apache-2.0
#include <array>
#include <charconv>
#include <cstddef>
#include <iterator>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "batchdot/notation.h"
#include "src/core/text.h"
#include "src/core/utf8.h"
#include "src/notation/releases.h"

namespace batchdot::inline v0 {

namespace {

// The releases of Keras from the first with a batch_dot to the newest one judged.
struct Minor {
  int major, minor, first_patch, last_patch;
};
constexpr Minor kMinors[] = {
    {0, 3, 3, 3},  {1, 0, 0, 8},  {1, 1, 0, 2},  {1, 2, 0, 2},  {2, 0, 0, 9},  {2, 1, 0, 6},
    {2, 2, 0, 5},  {2, 3, 0, 1},  {2, 4, 0, 3},  {2, 5, 0, 0},  {2, 6, 0, 0},  {2, 7, 0, 0},
    {2, 8, 0, 0},  {2, 9, 0, 0},  {2, 10, 0, 0}, {2, 11, 0, 0}, {2, 12, 0, 0}, {2, 13, 0, 1},
    {2, 14, 0, 0}, {2, 15, 0, 0}, {3, 0, 0, 5},  {3, 1, 0, 1},  {3, 2, 0, 1},  {3, 3, 0, 3},
    {3, 4, 0, 1},  {3, 5, 0, 0},  {3, 6, 0, 0},  {3, 7, 0, 0},  {3, 8, 0, 0},  {3, 9, 0, 2},
    {3, 10, 0, 0}, {3, 11, 0, 3}, {3, 12, 0, 4}, {3, 13, 0, 2}, {3, 14, 0, 1}, {3, 15, 0, 1}};

constexpr int kFirstRelease = release(kMinors[0].major, kMinors[0].minor, kMinors[0].first_patch);
constexpr const Minor& kLastMinor = kMinors[std::size(kMinors) - 1];
constexpr int kLastRelease = release(kLastMinor.major, kLastMinor.minor, kLastMinor.last_patch);

// What a name means that is no release number, or whose release is not the last of its own X.Y.
struct Meaning {
  Dialect::Product product;
  int version;
  bool tensorflow_broadcasts = false;
};

// The dialects that are shown, oldest first.
struct ShownDialect {
  std::string_view name;
  std::optional<Meaning> meaning = {};  // none: the release that the name spells
};
constexpr ShownDialect kShown[] = {
    {"keras-0.3"},
    {"keras-1.0"},
    {"keras-1.2"},
    {"keras-2.0"},
    {"keras-2.1.6"},
    {"tf.keras-1", Meaning{Dialect::Product::kTfKeras, release(1, 0, 0)}},
    {"keras-2.2", Meaning{Dialect::Product::kKeras, release(2, 2, 4)}},
    {"keras-2.2-tf1.14", Meaning{Dialect::Product::kKeras, release(2, 2, 4), true}},
    {"keras-2.3"},
    {"tf.keras-2", Meaning{Dialect::Product::kTfKeras, release(2, 0, 0)}},
    {"keras-3", Meaning{Dialect::Product::kKeras, kLastRelease}},
    {"tfjs", Meaning{Dialect::Product::kTfjs, 0}},
};
constexpr auto kNames = [] {
  std::array<std::string_view, std::size(kShown)> names;
  for (std::size_t i = 0; i < names.size(); ++i) names[i] = kShown[i].name;
  return names;
}();

constexpr std::string_view kPrefix = "keras-";

// "keras-2.2.4"
std::string release_name(int version) {
  return text(kPrefix, version / 10000, ".", version / 100 % 100, ".", version % 100);
}

// Reads "2.1" or "2.1.4" into numbers; no sign, no leading zero.
struct Numbers {
  int count = 0;
  int value[3] = {};
};
std::optional<Numbers> read_numbers(std::string_view text) {
  Numbers numbers;
  while (numbers.count < 3) {
    int& value = numbers.value[numbers.count];
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    const auto digits = static_cast<std::size_t>(end - text.data());
    if (error != std::errc() || text[0] == '-' || (text[0] == '0' && digits > 1)) return {};
    ++numbers.count;
    text.remove_prefix(digits);
    if (text.empty()) return numbers;
    if (text[0] != '.') return {};
    text.remove_prefix(1);
  }
  return {};
}

// The release that "X.Y" or "X.Y.Z" names, if there was one.
std::optional<int> read_release(std::string_view text) {
  const std::optional<Numbers> numbers = read_numbers(text);
  if (!numbers || numbers->count < 2) return {};
  for (const Minor& row : kMinors) {
    if (row.major != numbers->value[0] || row.minor != numbers->value[1]) continue;
    const int patch = numbers->count == 3 ? numbers->value[2] : row.last_patch;
    if (patch < row.first_patch || patch > row.last_patch) return {};
    return release(row.major, row.minor, patch);
  }
  return {};
}

[[noreturn]] void refuse(std::string_view name) {
  ErrorPlace place;
  place.option = "dialect";
  const std::vector<std::string_view> newest_first(kNames.rbegin(), kNames.rend());
  throw Error(
      ErrorCode::kUsage,
      text("dialect: no such dialect: ", quoted(name), hint(name, newest_first),
           ": the dialects are ", joined(kNames, ", "), ", and every release of Keras from ",
           release_name(kFirstRelease), " to ", release_name(kLastRelease)),
      place);
}

}  // namespace

Dialect::Dialect() : Dialect("keras-3") {}

Dialect::Dialect(std::string_view name) : name_(name) {
  for (const ShownDialect& row : kShown) {
    if (row.name != name || !row.meaning) continue;
    product_ = row.meaning->product;
    version_ = row.meaning->version;
    tensorflow_broadcasts_ = row.meaning->tensorflow_broadcasts;
    return;
  }
  if (!name.starts_with(kPrefix)) refuse(name);
  const std::optional<int> version = read_release(name.substr(kPrefix.size()));
  if (!version) refuse(name);
  // From 2.4 to 2.15 the package `keras` was tf.keras under another name.
  const bool is_tf_keras = *version >= release(2, 4, 0) && *version < release(3, 0, 0);
  product_ = is_tf_keras ? Product::kTfKeras : Product::kKeras;
  version_ = is_tf_keras ? release(2, 0, 0) : *version;
}

std::span<const std::string_view> Dialect::names() { return kNames; }

}  // namespace batchdot::inline v0
