// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <string>
#include <tuple>
#include <vector>

#include "batchdot/operation.h"
#include "src/core/text.h"

namespace batchdot {

namespace {

// Labels numbered by first appearance. Those of extent 1 move nothing and are left out.
class Numbering {
 public:
  explicit Numbering(const Contraction& c) : c_(c) {}

  std::vector<std::size_t> numbers(const Labels& labels) {
    std::vector<std::size_t> out;
    for (const Label label : labels) {
      if (c_.extents[label] == Dim(1)) continue;
      const auto at = std::find(seen_.begin(), seen_.end(), label);
      out.push_back(static_cast<std::size_t>(at - seen_.begin()));
      if (at == seen_.end()) seen_.push_back(label);
    }
    return out;
  }

 private:
  const Contraction& c_;
  std::vector<Label> seen_;
};

bool is_same_contraction(const Contraction& a, const Contraction& b, bool is_complex) {
  if (a.inputs.size() != b.inputs.size()) return false;
  Numbering of_a(a), of_b(b);
  for (std::size_t i = 0; i < a.inputs.size(); ++i) {
    if (is_complex && a.inputs[i].conjugate != b.inputs[i].conjugate) return false;
    if (of_a.numbers(a.inputs[i].labels) != of_b.numbers(b.inputs[i].labels)) return false;
  }
  return of_a.numbers(a.output) == of_b.numbers(b.output) &&
         of_a.numbers(a.contracting_order) == of_b.numbers(b.contracting_order);
}

bool is_same_layer(const DotLayer& a, const DotLayer& b) {
  if (a.normalize != b.normalize) return false;
  const auto norms = [](const DotLayer& layer) {
    return std::tuple(layer.lhs_axis, layer.rhs_axis, layer.floor, layer.epsilon);
  };
  return !a.normalize || norms(a) == norms(b);
}

}  // namespace

inline namespace v0 {

bool is_same_computation(const Inference& a, const Inference& b, bool is_complex) {
  if (!(a.shape == b.shape) || a.softmax_axis != b.softmax_axis ||
      a.contraction.has_value() != b.contraction.has_value() ||
      a.layer.has_value() != b.layer.has_value()) {
    return false;
  }
  if (a.contraction && !is_same_contraction(*a.contraction, *b.contraction, is_complex)) {
    return false;
  }
  return !a.layer || is_same_layer(*a.layer, *b.layer);
}

std::string computation_of(const Inference& inference, bool is_complex) {
  if (!inference.contraction) return {};
  std::string out = to_equation(*inference.contraction);
  const std::vector<Input>& inputs = inference.contraction->inputs;
  for (std::size_t i = 0; is_complex && i < inputs.size(); ++i) {
    if (!inputs[i].conjugate) continue;
    out += text(", ", operand_name(static_cast<int>(i), static_cast<int>(inputs.size())),
                " conjugated");
  }
  if (inference.layer && inference.layer->normalize) {
    const bool is_norm = inference.layer->floor == DotLayer::Floor::kNorm;
    out += text(", epsilon ", shortest(inference.layer->epsilon),
                is_norm ? " of the norm" : " of its square");
  }
  return out;
}

}  // namespace v0
}  // namespace batchdot
