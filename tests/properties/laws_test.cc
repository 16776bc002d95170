// SPDX-License-Identifier: Apache-2.0
// Laws of products on random problems: contractions of any labels, operands of any layout.

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <numeric>
#include <set>

#include "batchdot/notation.h"
#include "batchdot/plan.h"
#include "src/kernel/convert.h"
#include "tests/problems/random_problem.h"
#include "tests/problems/scalar_program.h"
#include "tests/reference.h"

namespace batchdot {
namespace {

using bits::Elements;
using bits::Operand;

struct RandomProblem {
  std::mt19937 random;
  DType dtype;
  Contraction c;
  std::vector<Operand> operands;
  std::vector<TensorView> views;
  std::string_view target;
  int threads = 1;

  int below(int count) { return static_cast<int>(random() % static_cast<unsigned>(count)); }

  Tensor run(const Contraction& contraction, const std::vector<TensorView>& given) const {
    std::vector<Layout> layouts;
    for (const TensorView& view : given) layouts.push_back(view.layout);
    PlanOptions options;
    options.target = target;
    options.threads = threads;
    return Plan::make(contraction, layouts, {}, {}, options).run(given);
  }
  Tensor run() const { return run(c, views); }
};

std::vector<DType> computing_dtypes() {
  std::vector<DType> dtypes;
  for_each_dtype([&](auto record) {
    if (record.kComputes) dtypes.push_back(record);
  });
  return dtypes;
}

// RapidCheck picks a number, and everything follows from it.
RandomProblem random_problem(int operands, Elements elements = Elements::kOrdinary) {
  RandomProblem problem;
  problem.random.seed(*rc::gen::arbitrary<std::uint32_t>());
  const std::vector<DType> dtypes = computing_dtypes();
  problem.dtype = dtypes[static_cast<std::size_t>(problem.below(static_cast<int>(dtypes.size())))];
  constexpr std::int64_t kExtents[] = {0, 0, 1, 2, 127, 128, 129, 300};  // 0: nothing is forced
  problem.c = bits::random_contraction(problem.random, operands, kExtents[problem.below(8)]);
  for (const Input& input : problem.c.inputs) {
    problem.operands.push_back(
        bits::random_operand(problem.random, problem.dtype, input.shape.extents(), elements));
    problem.views.push_back(problem.operands.back().view);
  }
  problem.target =
      targets()[static_cast<std::size_t>(problem.below(static_cast<int>(targets().size())))];
  problem.threads = 1 + problem.below(4);
  RC_LOG() << to_equation(problem.c) << ' ' << problem.dtype.name() << ' ' << problem.target
           << " threads " << problem.threads;
  for (const TensorView& view : problem.views) {
    RC_LOG() << ' ' << to_string(view.extents()) << " strides " << to_string(view.strides());
  }
  return problem;
}

bool is_complex(DType dtype) { return dtype == DType(C64{}) || dtype == DType(C128{}); }

RC_GTEST_PROP(Laws, ResultsKeepTheBound, ()) {
  const RandomProblem p = random_problem(2);
  const reference::Sums exact = reference::multiply(reference::meaning_of(p.c), p.views);
  RC_ASSERT(reference::first_beyond(p.run(), exact, p.dtype) == "");
}

RC_GTEST_PROP(Laws, ResultsOfManyOperandsKeepTheBound, ()) {
  const RandomProblem p = random_problem(*rc::gen::inRange(3, 5));
  const reference::Sums exact = reference::multiply(reference::meaning_of(p.c), p.views);
  RC_ASSERT(reference::first_beyond(p.run(), exact, p.dtype) == "");
}

// Swapped with the contracting order kept: the same bits in real numbers, where products commute.
RC_GTEST_PROP(Laws, LhsAndRhsMaySwapPlaces, ()) {
  const RandomProblem p = random_problem(2);
  Contraction swapped = p.c;
  std::swap(swapped.inputs[0], swapped.inputs[1]);
  const std::vector<TensorView> views = {p.views[1], p.views[0]};
  const Tensor result = p.run(swapped, views);
  if (!is_complex(p.dtype)) RC_ASSERT(bits::same_bits(result, p.run()));
  // A user's swap is another contraction: by its own order the values stay within the bound.
  swapped.contracting_order = default_contracting_order(swapped);
  const reference::Sums exact = reference::multiply(reference::meaning_of(swapped), views);
  RC_ASSERT(reference::first_beyond(p.run(swapped, views), exact, p.dtype) == "");
}

// The part of a contraction where `label` runs over first .. first + count - 1 alone.
struct Part {
  Contraction c;
  std::vector<TensorView> views;
};
Part part_of(const RandomProblem& p, Label label, std::int64_t first, std::int64_t count) {
  Part part{p.c, p.views};
  part.c.extents[label] = count;
  for (std::size_t i = 0; i < part.views.size(); ++i) {
    const Input& input = part.c.inputs[i];
    TensorView& view = part.views[i];
    for (std::size_t axis = 0; axis < input.labels.size(); ++axis) {
      if (input.labels[axis] != label ||
          (view.extents()[axis] == 1 && p.c.extents[label] != Dim(1)))
        continue;
      view.data = static_cast<const std::byte*>(view.data) +
                  first * view.strides()[axis] * static_cast<std::int64_t>(p.dtype.size_bytes());
      view.layout.extents[axis] = count;
      part.c.inputs[i].shape[static_cast<int>(axis)] = count;
    }
  }
  return part;
}

// The part of a result: `extents` elements from `first` on along `axis`.
Tensor slice(const Tensor& tensor, std::size_t axis, std::int64_t first, std::int64_t count) {
  Extents extents = tensor.extents();
  extents[axis] = count;
  Tensor part(tensor.dtype(), extents);
  std::size_t inner = tensor.dtype().size_bytes();
  for (std::size_t i = axis + 1; i < extents.size(); ++i)
    inner *= static_cast<std::size_t>(extents[i]);
  std::size_t outer = 1;
  for (std::size_t i = 0; i < axis; ++i) outer *= static_cast<std::size_t>(extents[i]);
  const std::size_t run = inner * static_cast<std::size_t>(count);
  const std::size_t step = inner * static_cast<std::size_t>(tensor.extents()[axis]);
  for (std::size_t i = 0; i < outer; ++i) {
    std::memcpy(static_cast<std::byte*>(part.data()) + i * run,
                static_cast<const std::byte*>(tensor.data()) + i * step +
                    inner * static_cast<std::size_t>(first),
                run);
  }
  return part;
}

// A batch of one, a split batch, one row, some columns: any part of any label of the result.
RC_GTEST_PROP(Laws, APartAloneHasTheBitsOfThatPart, ()) {
  RandomProblem p = random_problem(*rc::gen::inRange(1, 4), Elements::kExtreme);
  RC_PRE(!p.c.output.empty());
  const auto axis = static_cast<std::size_t>(p.below(static_cast<int>(p.c.output.size())));
  const Label label = p.c.output[axis];
  const auto extent = static_cast<int>(p.c.extents[label].extent());
  const std::int64_t first = p.below(extent);
  const std::int64_t count = 1 + p.below(extent - static_cast<int>(first));
  const Part part = part_of(p, label, first, count);
  RC_ASSERT(bits::same_bits(p.run(part.c, part.views), slice(p.run(), axis, first, count)));
}

// The same elements in memory of another layout.
Operand elsewhere(RandomProblem& p, const TensorView& from) {
  Operand copy = bits::random_operand(p.random, p.dtype, from.extents(), Elements::kOrdinary);
  p.dtype.visit([&](auto record) {
    using Element = typename decltype(record)::Element;
    auto* to = static_cast<Element*>(const_cast<void*>(copy.view.data));
    const auto* data = static_cast<const Element*>(from.data);
    const std::int64_t count = element_count(from.extents());
    for (std::int64_t at = 0; at < count; ++at) {
      std::int64_t rest = at, there = 0, here = 0;
      for (std::size_t axis = from.extents().size(); axis-- > 0;) {
        const std::int64_t index = rest % from.extents()[axis];
        rest /= from.extents()[axis];
        there += index * copy.view.strides()[axis];
        here += index * from.strides()[axis];
      }
      to[there] = data[here];
    }
  });
  return copy;
}

// The same elements elsewhere: axes permuted, reversed or padded in memory.
RC_GTEST_PROP(Laws, LayoutsChangeNoBit, ()) {
  RandomProblem p = random_problem(*rc::gen::inRange(1, 4), Elements::kExtreme);
  const Tensor expected = p.run();
  const std::vector<TensorView> original = p.views;
  for (int round = 0; round < 4; ++round) {
    for (std::size_t i = 0; i < original.size(); ++i) {
      p.operands.push_back(elsewhere(p, original[i]));
      p.views[i] = p.operands.back().view;
    }
    RC_ASSERT(bits::same_bits(p.run(), expected));
  }
}

// The result written through any strides is the result.
RC_GTEST_PROP(Laws, TheLayoutOfTheResultChangesNoBit, ()) {
  RandomProblem p = random_problem(*rc::gen::inRange(1, 4), Elements::kExtreme);
  const Tensor expected = p.run();
  Operand out =
      bits::random_operand(p.random, expected.dtype(), expected.extents(), Elements::kOrdinary);
  std::vector<Layout> layouts;
  for (const TensorView& view : p.views) layouts.push_back(view.layout);
  PlanOptions options;
  options.target = p.target;
  options.threads = p.threads;
  Plan::make(p.c, layouts, out.view.layout, {}, options)
      .run(p.views, MutableTensorView(const_cast<void*>(out.view.data), out.view.layout));
  Contraction copy;
  copy.inputs.emplace_back();
  for (const std::int64_t extent : expected.extents()) {
    copy.inputs[0].labels.push_back(add_output_label(copy, extent));
    copy.inputs[0].shape.push_back(extent);
  }
  RC_ASSERT(bits::same_bits(evaluate(copy, std::span(&out.view, 1)), expected));
}

template <class Element, class Change>
Tensor changed(const TensorView& view, const Change& change) {
  Tensor tensor(view.dtype(), view.extents());
  const auto elements = reference::read(view);
  for (std::size_t i = 0; i < elements.size(); ++i) {
    tensor.elements<Element>()[i] = static_cast<Element>(change(elements[i].re, i));
  }
  return tensor;
}

// Powers of two come out of a product as they went in, bit by bit.
RC_GTEST_PROP(Laws, PowersOfTwoAreExact, ()) {
  RandomProblem p = random_problem(2);
  RC_PRE(p.dtype == DType(F32{}) || p.dtype == DType(F64{}));
  const int power = p.below(40) - 20;
  p.dtype.visit([&](auto record) {
    using Element = typename decltype(record)::Element;
    if constexpr (std::is_floating_point_v<Element>) {
      const auto scaled = [&](long double x, std::size_t) { return std::ldexp(x, power); };
      const Tensor lhs = changed<Element>(p.views[0], scaled);
      const Tensor result = p.run();
      RC_ASSERT(bits::same_bits(p.run(p.c, {lhs, p.views[1]}), changed<Element>(result, scaled)));
    }
  });
}

// f(a + a') = f(a) + f(a'), each of the three within its own bound.
RC_GTEST_PROP(Laws, SumsGoThroughWithinTheBounds, ()) {
  RandomProblem p = random_problem(2);
  RC_PRE(p.dtype == DType(F32{}) || p.dtype == DType(F64{}));
  p.dtype.visit([&](auto record) {
    using Element = typename decltype(record)::Element;
    if constexpr (std::is_floating_point_v<Element>) {
      // On a grid whose sums are exact.
      const auto on_grid = [](long double x, std::size_t) {
        return std::nearbyint(x * 1024) / 1024;
      };
      const Tensor a = changed<Element>(p.views[0], on_grid);
      const Tensor more = changed<Element>(a, [&](long double, std::size_t i) {
        return std::nearbyint(std::sin(static_cast<long double>(i)) * 1024) / 1024;
      });
      const Tensor sum = changed<Element>(a, [&](long double x, std::size_t i) {
        return x + static_cast<long double>(more.elements<Element>()[i]);
      });
      const reference::Meaning meaning = reference::meaning_of(p.c);
      long double allowed = 0, difference = 0;
      std::vector<long double> left;
      std::vector<long double> bounds;
      for (const Tensor* lhs : {&sum, &a, &more}) {
        const std::vector<TensorView> views = {*lhs, p.views[1]};
        const reference::Sums exact = reference::multiply(meaning, views);
        const auto result = reference::read(p.run(p.c, views));
        left.resize(result.size());
        bounds.resize(result.size());
        for (std::size_t i = 0; i < result.size(); ++i) {
          left[i] += lhs == &sum ? result[i].re : -result[i].re;
          bounds[i] += reference::bound(reference::rounding_of(record), exact.elements[i].re,
                                        exact.elements[i].re_size, exact.n, exact.K);
        }
      }
      for (std::size_t i = 0; i < left.size(); ++i) {
        difference = std::fabs(left[i]);
        allowed = bounds[i];
        RC_ASSERT(difference <= allowed);
      }
    }
  });
}

// Without stretched axes the equation says all there is.
RC_GTEST_PROP(Laws, AnEquationSaysTheContraction, ()) {
  RandomProblem p = random_problem(*rc::gen::inRange(1, 5));
  std::vector<Shape> shapes;
  for (std::size_t i = 0; i < p.c.inputs.size(); ++i) {
    for (const bool may : p.c.inputs[i].may_broadcast) RC_PRE(!may);
    p.c.inputs[i].conjugate = false;
    shapes.push_back(p.c.inputs[i].shape);
  }
  const Contraction again = einsum(to_equation(p.c), shapes);
  RC_ASSERT(to_equation(again) == to_equation(p.c));
  RC_ASSERT(result_shape(again) == result_shape(p.c));
  RC_ASSERT(bits::same_bits(p.run(again, p.views), p.run()));
}

}  // namespace
}  // namespace batchdot
