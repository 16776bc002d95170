// SPDX-License-Identifier: Apache-2.0
// Puts the facts of a problem together: those of its contraction, its notation, the other dialects,
// its cost and its plan, each from the code that decides it.

#include "batchdot/explain.h"

#include <algorithm>
#include <utility>

#include "batchdot/operation.h"
#include "src/contraction/steps.h"
#include "src/core/checked.h"
#include "src/core/text.h"
#include "src/notation/batch_dot.h"
#include "src/operation/options.h"

namespace batchdot::inline v0 {

namespace {

using Count = std::optional<std::int64_t>;  // nothing: beyond 2^63 - 1

Count operator*(Count a, Count b) { return a && b ? checked_multiply(*a, *b) : std::nullopt; }
Count operator+(Count a, Count b) { return a && b ? checked_add(*a, *b) : std::nullopt; }

// The product of the extents of these labels.
Count points(const Contraction& c, const Labels& labels) {
  Count product = 1;
  for (const Label label : labels) {
    if (c.extents[label] == Dim(0)) return 0;
    product = product * Count(c.extents[label].extent());
  }
  return product;
}

// 2 flop for each multiply-add of the pairwise steps, left to right, and 1 for each element of an
// operand that is summed over labels of its own first. \pre every extent is known
Count flops_of(const Contraction& c, DType dtype) {
  const std::int64_t add = dtype.is_complex() ? 2 : 1;
  const std::int64_t multiply_add = dtype.is_complex() ? 8 : 2;
  Count flops = 0;
  const auto sum_alone = [&](const Labels& summed, const Labels& all) {
    if (points(c, summed) != Count(1)) flops = flops + points(c, all) * Count(add);
  };
  for (const PairwiseStep& step : pairwise_steps(c)) {
    sum_alone(step.lhs_summed, step.lhs);
    sum_alone(step.rhs_summed, step.rhs);
    if (c.inputs.size() == 1) break;
    Labels all = step.result;
    all.insert(all.end(), step.contracting.begin(), step.contracting.end());
    flops = flops + points(c, all) * Count(multiply_add);
  }
  return flops;
}

Count elements(const Shape& shape) {
  Count product = 1;
  for (const Dim& dim : shape) {
    if (dim == Dim(0)) return 0;
    product = product * Count(dim.extent());
  }
  return product;
}

Explanation explain_softmax(const Problem& problem, const Inference& inference) {
  const Shape& shape = problem.shapes[0];
  const int softmax_axis = *inference.softmax_axis;
  // Facts of the contraction that copies: softmax moves no axis.
  Contraction copy;
  copy.inputs.emplace_back();
  copy.inputs[0].shape = shape;
  for (const Dim& dim : shape) copy.inputs[0].labels.push_back(add_output_label(copy, dim));
  Explanation explanation = explain(copy);
  explanation.equivalents.clear();
  for (int axis = 0; axis < shape.rank(); ++axis) {
    explanation.output[static_cast<std::size_t>(axis)].why =
        axis == softmax_axis ? text("axis ", axis, " stays; along it the results sum to 1")
                             : text("axis ", axis, " stays");
  }
  const Dim& extent = shape[softmax_axis];
  const bool may_be_empty = !extent.is_known() || extent == Dim(0);
  const std::string largest = text("operand.max(axis=", softmax_axis, ", keepdims=True",
                                   may_be_empty ? ", initial=-np.inf)" : ")");
  explanation.equivalents = {
      {"batchdot", text("softmax --axis ", softmax_axis)},
      {"numpy", text("np.exp(operand - ", largest, ") / np.exp(operand - ", largest,
                     ").sum(axis=", softmax_axis, ", keepdims=True)")},
      {"tensorflow", text("tf.nn.softmax(operand, axis=", softmax_axis, ")")},
      {"pytorch", text("torch.softmax(operand, dim=", softmax_axis, ")")},
  };
  return explanation;
}

// Of real numbers the conjugate is the number itself, and need not be spoken of.
Explanation explain_contraction(Contraction c, DType dtype) {
  if (!dtype.is_complex()) {
    for (Input& input : c.inputs) input.conjugate = false;
  }
  return explain(c);
}

std::vector<DialectFact> other_dialects(const Problem& problem, const Inference& inference,
                                        DType dtype) {
  std::vector<DialectFact> facts;
  for (const std::string_view name : Dialect::names()) {
    DialectFact fact;
    fact.dialect = name;
    try {
      const Problem there = in_dialect(problem, name);
      const Inference other = infer(there);
      operation::check_dialect_takes(there, dtype);
      fact.shape = other.shape;
      fact.differs = !is_same_computation(inference, other, dtype.is_complex());
      if (fact.differs && other.shape == inference.shape) {
        fact.computation = computation_of(other, dtype.is_complex());
      }
    } catch (const Error& error) {
      fact.error_code = info(error.code()).name;
      fact.message = error.message();
      fact.differs = true;
    }
    facts.push_back(std::move(fact));
  }
  return facts;
}

bool has_known_extents(const Problem& problem) {
  return std::all_of(problem.shapes.begin(), problem.shapes.end(),
                     [](const Shape& shape) { return shape.is_known(); });
}

struct Planned {
  std::optional<Plan> plan;
  std::string refusal;  // why there is none: a fact about what has a shape and cannot be computed
};

// \pre every extent is known
Planned try_plan(const Problem& problem, std::span<const Layout> layouts, DType computed,
                 const PlanOptions& options) {
  try {
    std::vector<Layout> dense;
    if (layouts.empty()) {
      for (const Shape& shape : problem.shapes) dense.emplace_back(computed, shape.extents());
      layouts = dense;
    }
    return {make_plan(problem, layouts, options), {}};
  } catch (const Error& error) {
    constexpr ErrorCode kFacts[] = {ErrorCode::kEmptyReshape, ErrorCode::kOverflow,
                                    ErrorCode::kLimit};
    if (std::find(std::begin(kFacts), std::end(kFacts), error.code()) == std::end(kFacts)) throw;
    return {{}, text("computing it is refused: ", info(error.code()).name, ": ", error.message())};
  }
}

// The dtype of the result: the plan's, or what it would be. What is moved and not computed stays
// what it is.
DType result_of(const std::optional<Plan>& plan, const Inference& inference, DType computed) {
  if (plan) return plan->output_layout().dtype;
  if (inference.softmax_axis) return computed;
  return only_moves(*inference.contraction) ? computed : computed.result();
}

void add_cost(Explanation& explanation, const Problem& problem, const Inference& inference,
              std::span<const DType> dtypes, DType result) {
  Count bytes = elements(inference.shape) * Count(static_cast<std::int64_t>(result.size_bytes()));
  const bool is_empty = std::find(inference.shape.begin(), inference.shape.end(), Dim(0)) !=
                        inference.shape.end();  // then nothing is read
  for (std::size_t i = 0; i < problem.shapes.size() && !is_empty; ++i) {
    bytes = bytes +
            elements(problem.shapes[i]) * Count(static_cast<std::int64_t>(dtypes[i].size_bytes()));
  }
  explanation.bytes = bytes;
  if (inference.softmax_axis) {
    explanation.flops = elements(inference.shape) * Count(4);
    explanation.notes.push_back(
        "each element counts as 4 flop: a difference, an exponential, a sum, a quotient");
    return;
  }
  explanation.flops = flops_of(*inference.contraction, result);
  if (inference.layer && inference.layer->normalize) {
    for (const Shape& shape : problem.shapes) {
      explanation.flops = explanation.flops + elements(shape) * Count(3);
    }
    explanation.notes.push_back(
        "normalizing counts as 3 flop for each element: a multiply-add, a quotient");
  }
}

}  // namespace

Problem in_dialect(Problem problem, std::string_view dialect) {
  const auto is_nested_pair = [](const Axes& axes) {
    return axes.list() && axes.list()->size() == 2 &&
           std::all_of(axes.list()->begin(), axes.list()->end(), [](const Axes::Entry& entry) {
             return entry.is_nested() && std::get<1>(entry.value).size() == 1;
           });
  };
  const auto is_flat_pair = [](const Axes& axes) {
    return axes.list() && axes.list()->size() == 2 &&
           std::none_of(axes.list()->begin(), axes.list()->end(),
                        [](const Axes::Entry& entry) { return entry.is_nested(); });
  };
  const auto takes_lists = [](const Dialect& release) {
    return notation::batch_dot_rules(release).takes_lists;
  };
  const Dialect target(dialect);
  if (const Axes* axes = operation::option<Axes>(problem, "axes");
      axes != nullptr && (problem.operation == "batch_dot" || problem.operation == "dot_layer")) {
    const auto entry = [&](std::size_t i) { return (*axes->list())[i].value; };
    if (takes_lists(target) && is_flat_pair(*axes)) {
      problem.options["axes"] = Axes({Axes::Entry(std::vector{std::get<0>(entry(0))}),
                                      Axes::Entry(std::vector{std::get<0>(entry(1))})});
    } else if (takes_lists(target) && axes->single() && problem.operation == "batch_dot") {
      // The layer of that release took an int, and read a range of axes out of it.
      problem.options["axes"] = Axes(
          {Axes::Entry(std::vector{*axes->single()}), Axes::Entry(std::vector{*axes->single()})});
    } else if (!takes_lists(target) && is_nested_pair(*axes) &&
               takes_lists(operation::dialect_of(problem))) {
      problem.options["axes"] =
          Axes({Axes::Entry(std::get<1>(entry(0))[0]), Axes::Entry(std::get<1>(entry(1))[0])});
    }
  }
  problem.options["dialect"] = std::string(dialect);
  return problem;
}

Plan make_plan(const Problem& problem, std::span<const Layout> operands,
               const PlanOptions& options) {
  const Inference inference = infer(problem);
  PlanOptions chosen = options;
  if (const std::optional<DType> dtype = operation::dtype_of(problem)) {
    chosen.compute_dtype = dtype;
  }
  for (const Layout& layout : operands) operation::check_dialect_takes(problem, layout.dtype);
  if (inference.softmax_axis) {
    if (operands.size() != 1) {
      throw Error(ErrorCode::kFeed, text("softmax: takes 1 operand, got ", operands.size()));
    }
    return Plan::softmax(operands[0], *inference.softmax_axis, {}, chosen);
  }
  std::vector<Extents> extents;
  for (const Layout& layout : operands) extents.push_back(layout.extents);
  if (inference.layer) {
    DotLayer layer = *inference.layer;
    layer.contraction = bind(layer.contraction, extents);
    return Plan::dot_layer(layer, operands, {}, chosen);
  }
  return Plan::make(bind(*inference.contraction, extents), operands, {}, {}, chosen);
}

void check_dtypes(const Problem& problem, std::span<const DType> operands) {
  const Inference inference = infer(problem);
  if (operands.size() != problem.shapes.size()) {
    throw Error(ErrorCode::kFeed, text(problem.operation, ": takes ", problem.shapes.size(),
                                       " operands, got ", operands.size()));
  }
  // Extents are no matter here: the plan that is asked for is of the same axes, all of them 1.
  const auto ones = [](int rank) {
    return Shape(std::vector<Dim>(static_cast<std::size_t>(rank), Dim(1)));
  };
  std::vector<Layout> layouts;
  for (std::size_t i = 0; i < operands.size(); ++i) {
    operation::check_dialect_takes(problem, operands[i]);
    layouts.emplace_back(operands[i], ones(problem.shapes[i].rank()).extents());
  }
  PlanOptions options;
  options.threads = 1;
  options.compute_dtype = operation::dtype_of(problem);
  if (inference.softmax_axis) {
    Plan::softmax(layouts[0], *inference.softmax_axis, {}, options);
    return;
  }
  const auto of_ones = [&](Contraction c) {
    c.conditions.clear();
    std::fill(c.extents.begin(), c.extents.end(), Dim(1));
    for (Input& input : c.inputs) input.shape = ones(input.shape.rank());
    return c;
  };
  if (inference.layer) {
    DotLayer layer = *inference.layer;
    layer.contraction = of_ones(std::move(layer.contraction));
    Plan::dot_layer(layer, layouts, {}, options);
    return;
  }
  Plan::make(of_ones(*inference.contraction), layouts, {}, {}, options);
}

Explanation explain(const Problem& problem, DType dtype, std::span<const Layout> layouts,
                    const PlanOptions& options) {
  const Inference inference = infer(problem);
  const Operation& operation = find_operation(problem.operation);
  if (!layouts.empty()) dtype = layouts[0].dtype;
  const DType computed =
      operation::dtype_of(problem).value_or(options.compute_dtype.value_or(dtype));
  Explanation explanation = inference.softmax_axis
                                ? explain_softmax(problem, inference)
                                : explain_contraction(*inference.contraction, computed);
  const bool is_known = has_known_extents(problem);
  const Planned planned = is_known ? try_plan(problem, layouts, computed, options) : Planned();
  const DType result = result_of(planned.plan, inference, computed);
  explanation.dtype = computed.name();
  explanation.result_dtype = result.name();
  explanation.operation = problem.operation;
  explanation.shape = inference.shape;
  explanation.reported_shape = inference.reported_shape;
  explanation.operand_shapes = problem.shapes;
  std::vector<std::string> notes = operation.notes(problem, inference);
  std::swap(explanation.notes, notes);  // first why this notation does so, then the contraction's
  explanation.notes.insert(explanation.notes.end(), notes.begin(), notes.end());
  if (inference.layer && inference.layer->normalize) {
    explanation.notes.push_back("the equivalents take operands that are normalized already");
  }
  if (result != computed && !explanation.equivalents.empty()) {
    explanation.notes.push_back(text("the equivalents take operands converted to ", result.name(),
                                     ": of ", computed.name(), " the other libraries keep ",
                                     8 * computed.size_bytes(), " bits"));
  }
  if (operation::find_option(operation, "dialect") != nullptr) {
    explanation.dialect = operation::dialect_of(problem).name();
    explanation.dialects = other_dialects(problem, inference, computed);
  }

  if (!is_known) return explanation;

  std::vector<DType> dtypes(problem.shapes.size(), computed);
  for (std::size_t i = 0; i < layouts.size(); ++i) dtypes[i] = layouts[i].dtype;
  add_cost(explanation, problem, inference, dtypes, result);
  if (planned.plan) explanation.plan = planned.plan->facts();
  if (!planned.refusal.empty()) explanation.notes.push_back(planned.refusal);
  return explanation;
}

}  // namespace batchdot::inline v0
