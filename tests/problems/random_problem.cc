// SPDX-License-Identifier: Apache-2.0
#include "tests/problems/random_problem.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>
#include <numeric>

#include "src/kernel/convert.h"

namespace batchdot::bits {

namespace {

std::int64_t below(std::mt19937& random, std::int64_t n) {
  return static_cast<std::int64_t>(random() % static_cast<std::uint64_t>(n));
}

// The library's own distributions differ between C++ runtimes; digests need one that does not.
double in_unit(std::mt19937& random) {
  return static_cast<double>(static_cast<std::int64_t>(random() >> 8) - (1 << 23)) / (1 << 23);
}

template <class T>
T extreme(std::mt19937& random) {
  using Limits = std::numeric_limits<T>;
  switch (below(random, 24)) {
    case 0:
      return T{0};
    case 1:
      return -T{0};
    case 2:
      return Limits::denorm_min();
    case 3:
      return -Limits::min() / 2;
    case 4:
      return Limits::min();
    case 5:
      return std::sqrt(Limits::min());
    case 6:
      return std::sqrt(Limits::max());
    case 7:
      return below(random, 8) == 0 ? Limits::infinity() : T{1};
    case 8:
      return below(random, 8) == 0 ? Limits::quiet_NaN() : T{-1};
    case 9:
      return std::sqrt(Limits::min()) * static_cast<T>(in_unit(random));
    default:
      return static_cast<T>(in_unit(random));
  }
}

template <class Element>
Element random_element(std::mt19937& random, Elements elements) {
  const bool is_extreme = elements == Elements::kExtreme;
  if constexpr (kernel::kIsComplex<Element>) {
    using T = typename Element::value_type;
    const T re = random_element<T>(random, elements);
    return Element(re, random_element<T>(random, elements));
  } else if constexpr (std::is_floating_point_v<Element>) {
    return is_extreme ? extreme<Element>(random) : static_cast<Element>(in_unit(random));
  } else if constexpr (std::is_same_v<Element, Half>) {
    if (is_extreme && below(random, 4) == 0) return Half{static_cast<std::uint16_t>(random())};
    return kernel::round_to_f16(static_cast<float>(in_unit(random)));
  } else if constexpr (std::is_same_v<Element, BFloat16>) {
    if (is_extreme && below(random, 4) == 0) return BFloat16{static_cast<std::uint16_t>(random())};
    return kernel::round_to_bf16(static_cast<float>(in_unit(random)));
  } else if constexpr (std::is_same_v<Element, bool>) {
    return (random() & 1) != 0;
  } else {
    const std::uint64_t high = random();
    return static_cast<Element>((high << 32) | random());
  }
}

}  // namespace

Operand random_operand(std::mt19937& random, DType dtype, const Extents& extents, Elements elements,
                       bool any_layout) {
  const std::size_t rank = extents.size();
  std::vector<std::size_t> order(rank);
  std::iota(order.begin(), order.end(), std::size_t{0});
  if (any_layout) {
    for (std::size_t i = rank; i > 1; --i) {
      std::swap(order[i - 1],
                order[static_cast<std::size_t>(below(random, static_cast<std::int64_t>(i)))]);
    }
  }
  Strides strides(rank, 1);
  std::int64_t stride = any_layout && below(random, 4) == 0 ? 2 : 1;
  std::int64_t first = 0;
  for (std::size_t i = rank; i-- > 0;) {
    const std::size_t axis = order[i];
    const std::int64_t padded = extents[axis] + (any_layout && below(random, 3) == 0 ? 3 : 0);
    const bool is_reversed = any_layout && below(random, 5) == 0;
    strides[axis] = is_reversed ? -stride : stride;
    if (is_reversed && extents[axis] > 0) first += stride * (extents[axis] - 1);
    stride *= std::max<std::int64_t>(1, padded);
  }
  Operand operand;
  operand.memory = Tensor(dtype, Extents{stride});
  dtype.visit([&](auto record) {
    using Element = typename decltype(record)::Element;
    for (Element& x : operand.memory.elements<Element>()) {
      x = random_element<Element>(random, elements);
    }
    operand.view = TensorView(operand.memory.elements<Element>().data() + first,
                              Layout(dtype, extents, strides));
  });
  return operand;
}

Contraction random_contraction(std::mt19937& random, int operands, std::int64_t K_extent) {
  constexpr std::int64_t kExtents[] = {1, 2, 3, 4, 5, 7, 8, 9, 13, 17, 19, 33};
  Contraction c;
  const int labels = 2 + static_cast<int>(below(random, 4));
  std::int64_t size = 1;
  for (int label = 0; label < labels; ++label) {
    std::int64_t extent = kExtents[below(random, 12)];
    // The scalar program walks the whole index space.
    if (size * extent * std::max<std::int64_t>(K_extent, 40) > 240000)
      extent = 1 + below(random, 2);
    size *= extent;
    add_label(c, extent);
  }
  std::vector<bool> seen(static_cast<std::size_t>(labels), false);
  for (int i = 0; i < operands; ++i) {
    Input input;
    for (int label = 0; label < labels; ++label) {
      if (below(random, 5) < 3) {
        input.labels.push_back(static_cast<Label>(label));
        seen[static_cast<std::size_t>(label)] = true;
      }
    }
    for (std::size_t j = input.labels.size(); j > 1; --j) {
      std::swap(
          input.labels[j - 1],
          input.labels[static_cast<std::size_t>(below(random, static_cast<std::int64_t>(j)))]);
    }
    // Now and then a diagonal.
    if (!input.labels.empty() && below(random, 8) == 0) input.labels.push_back(input.labels[0]);
    c.inputs.push_back(std::move(input));
  }
  if (K_extent > 0 && operands > 1) {
    const Label k = add_label(c, K_extent);
    for (std::size_t i = 0; i < 2; ++i) {
      Labels& at = c.inputs[i].labels;
      at.insert(at.begin() + below(random, static_cast<std::int64_t>(at.size()) + 1), k);
    }
  }
  for (int label = 0; label < labels; ++label) {
    if (seen[static_cast<std::size_t>(label)] && below(random, 5) < 3) {
      c.output.insert(
          c.output.begin() + below(random, static_cast<std::int64_t>(c.output.size()) + 1),
          static_cast<Label>(label));
    }
  }
  for (Input& input : c.inputs) {
    input.conjugate = below(random, 4) == 0;
    for (const Label label : input.labels) {
      // Now and then an axis of 1 that stretches.
      const bool is_diagonal = std::count(input.labels.begin(), input.labels.end(), label) > 1;
      const bool stretches = !is_diagonal && below(random, 10) == 0;
      input.shape.push_back(stretches ? Dim(1) : c.extents[label]);
      input.may_broadcast.push_back(stretches);
    }
  }
  if (c.inputs.size() == 1) c.inputs[0].conjugate = false;
  c.contracting_order = default_contracting_order(c);
  return c;
}

}  // namespace batchdot::bits
