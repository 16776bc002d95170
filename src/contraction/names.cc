// SPDX-License-Identifier: Apache-2.0
// Labels as people read them: one letter each, and the einsum equation made of them.

#include <algorithm>
#include <set>

#include "batchdot/contraction.h"
#include "src/core/utf8.h"

namespace batchdot::inline v0 {

namespace {

bool is_one_character(std::string_view name) {
  if (name.empty()) return false;
  const std::optional<Utf8Character> first = decode_utf8(name, 0);
  return first && first->bytes == name.size();
}

// a..z, A..Z, then letters beyond ASCII: there are more of them than Limits::kLabels.
std::string letter(std::size_t i) {
  if (i < 26) return std::string(1, static_cast<char>('a' + i));
  if (i < 52) return std::string(1, static_cast<char>('A' + i - 26));
  return encode_utf8(static_cast<char32_t>(0x4E00 + i - 52));
}

}  // namespace

std::vector<std::string> label_names(const Contraction& c) {
  validate(c);
  std::vector<std::string> names(c.extents.size());
  std::set<std::string> taken;
  for (std::size_t label = 0; label < c.names.size(); ++label) {
    const std::string& given = c.names[label];
    if (is_one_character(given) && taken.insert(given).second) names[label] = given;
  }
  std::size_t next = 0;
  const auto give = [&](Label label) {
    if (!names[label].empty()) return;
    while (taken.count(letter(next)) != 0) ++next;
    names[label] = letter(next);
    taken.insert(names[label]);
  };
  for (const Input& input : c.inputs) std::for_each(input.labels.begin(), input.labels.end(), give);
  std::for_each(c.output.begin(), c.output.end(), give);
  for (std::size_t label = 0; label < names.size(); ++label) give(static_cast<Label>(label));
  return names;
}

std::string to_equation(const Contraction& c) {
  const std::vector<std::string> names = label_names(c);
  std::set<Label> in_inputs;
  std::string equation;
  for (std::size_t i = 0; i < c.inputs.size(); ++i) {
    if (i > 0) equation += ',';
    for (const Label label : c.inputs[i].labels) {
      equation += names[label];
      in_inputs.insert(label);
    }
  }
  equation += "->";
  for (const Label label : c.output) {
    if (in_inputs.count(label) != 0) equation += names[label];
  }
  return equation;
}

}  // namespace batchdot::inline v0
