// SPDX-License-Identifier: Apache-2.0
// Every operation with its options as data. The command line, --lines, Python, tests and docs walk
// this list.

#include <algorithm>
#include <limits>
#include <utility>

#include "batchdot/operation.h"
#include "src/contraction/softmax.h"
#include "src/core/text.h"
#include "src/core/utf8.h"
#include "src/notation/notation_notes.h"
#include "src/notation/notation_notes_numpy.h"
#include "src/operation/options.h"

namespace batchdot::inline v0 {

namespace {

using operation::dialect_of;
using operation::flag;
using operation::option;

constexpr OptionInfo kDialect = {"dialect", OptionKind::kDialect, "NAME",
                                 "the release whose rules hold, e.g. keras-2.2 (default keras-3)"};
constexpr OptionInfo kDType = {"dtype", OptionKind::kDType, "TYPE",
                               "the type to compute in: f32, f64, complex64, bf16, ..."};

constexpr OptionInfo kBatchDotOptions[] = {
    {"axes", OptionKind::kAxes, "A,B",
     "the axes that are summed over: one number for both operands, or one of lhs and one of rhs"},
    kDialect,
    kDType,
};
constexpr OptionInfo kDotLayerOptions[] = {
    {"axes", OptionKind::kAxes, "A,B",
     "the axes that are summed over: one number for both operands, or one of lhs and one of rhs"},
    {"normalize", OptionKind::kFlag, "", "L2-normalize both operands along their axes first"},
    kDialect,
    kDType,
};
constexpr OptionInfo kDotOptions[] = {kDialect, kDType};
constexpr OptionInfo kMatmulOptions[] = {
    {"transpose-lhs", OptionKind::kFlag, "", "swap the last two axes of lhs"},
    {"transpose-rhs", OptionKind::kFlag, "", "swap the last two axes of rhs"},
    {"adjoint-lhs", OptionKind::kFlag, "", "swap the last two axes of lhs and conjugate it"},
    {"adjoint-rhs", OptionKind::kFlag, "", "swap the last two axes of rhs and conjugate it"},
    kDType,
};
constexpr OptionInfo kTensordotOptions[] = {
    {"axes", OptionKind::kAxes, "N",
     "sum the last N axes of lhs with the first N of rhs (default 2); or two lists, [[1,2],[0,1]]"},
    {"lhs-axes", OptionKind::kIntList, "A,B", "the axes of lhs that are summed over"},
    {"rhs-axes", OptionKind::kIntList, "A,B",
     "the axes of rhs they are paired with, in this order"},
    kDType,
};
constexpr OptionInfo kDotGeneralOptions[] = {
    {"lhs-batch", OptionKind::kIntList, "A,B", "the batch axes of lhs"},
    {"rhs-batch", OptionKind::kIntList, "A,B", "the axes of rhs they are paired with"},
    {"lhs-contract", OptionKind::kIntList, "A,B", "the axes of lhs that are summed over"},
    {"rhs-contract", OptionKind::kIntList, "A,B", "the axes of rhs they are paired with"},
    kDType,
};
constexpr OptionInfo kSoftmaxOptions[] = {
    {"axis", OptionKind::kInt, "A", "the axis whose elements sum to 1 (default -1, the last)"},
    kDType,
};
constexpr OptionInfo kEinsumOptions[] = {
    {"equation", OptionKind::kText, "EQUATION",
     "labels of each operand and of the result: bij,bjk=bik", true},
    kDType,
};

Axes axes_of(const Problem& problem) {
  const Axes* axes = option<Axes>(problem, "axes");
  return axes == nullptr ? Axes() : *axes;
}

Inference of_contraction(Contraction c) {
  Inference inference;
  inference.shape = result_shape(c);
  inference.contraction = std::move(c);
  return inference;
}

Inference infer_batch_dot(const Problem& problem) {
  return of_contraction(
      batch_dot(problem.shapes[0], problem.shapes[1], axes_of(problem), dialect_of(problem)));
}

std::vector<std::string> batch_dot_notes(const Problem& problem, const Inference&) {
  return notation::batch_dot_notes(problem.shapes[0], problem.shapes[1], axes_of(problem),
                                   dialect_of(problem));
}

Inference infer_dot_layer(const Problem& problem) {
  DotLayer layer = dot_layer(problem.shapes[0], problem.shapes[1], axes_of(problem),
                             flag(problem, "normalize"), dialect_of(problem));
  const std::optional<DType> dtype = operation::dtype_of(problem);
  if (dtype && layer.normalize) check_normalize_dtype(*dtype);
  Inference inference = of_contraction(layer.contraction);
  inference.reported_shape = layer.reported_shape;
  inference.layer = std::move(layer);
  return inference;
}

std::vector<std::string> dot_layer_notes(const Problem& problem, const Inference&) {
  return notation::dot_layer_notes(problem.shapes[0], problem.shapes[1], axes_of(problem),
                                   flag(problem, "normalize"), dialect_of(problem));
}

Inference infer_dot(const Problem& problem) {
  return of_contraction(dot(problem.shapes[0], problem.shapes[1], dialect_of(problem)));
}

std::vector<std::string> dot_notes(const Problem& problem, const Inference&) {
  return notation::dot_notes(problem.shapes[0], problem.shapes[1], dialect_of(problem));
}

MatmulFlags flags_of(const Problem& problem) {
  MatmulFlags flags;
  flags.transpose_lhs = flag(problem, "transpose-lhs");
  flags.transpose_rhs = flag(problem, "transpose-rhs");
  flags.adjoint_lhs = flag(problem, "adjoint-lhs");
  flags.adjoint_rhs = flag(problem, "adjoint-rhs");
  return flags;
}

Inference infer_matmul(const Problem& problem) {
  return of_contraction(matmul(problem.shapes[0], problem.shapes[1], flags_of(problem)));
}

std::vector<std::string> matmul_notes(const Problem& problem, const Inference&) {
  return notation::matmul_notes(problem.shapes[0], problem.shapes[1], flags_of(problem));
}

std::vector<std::int64_t> list_of(const Axes::Entry& entry) {
  if (entry.is_nested()) return std::get<1>(entry.value);
  return {std::get<0>(entry.value)};
}

// Calls `by_lists` with the axes of lhs and of rhs, or `by_count` with their number, whichever the
// options say.
template <class ByLists, class ByCount>
auto with_tensordot_axes(const Problem& problem, ByLists by_lists, ByCount by_count) {
  const auto* lhs_axes = option<std::vector<std::int64_t>>(problem, "lhs-axes");
  const auto* rhs_axes = option<std::vector<std::int64_t>>(problem, "rhs-axes");
  const Axes axes = axes_of(problem);
  if (lhs_axes != nullptr || rhs_axes != nullptr) {
    if (!axes.is_none()) {
      throw Error(ErrorCode::kUsage,
                  text("tensordot: --axes and --", lhs_axes != nullptr ? "lhs" : "rhs",
                       "-axes exclude each other"));
    }
    if (lhs_axes == nullptr || rhs_axes == nullptr) {
      throw Error(ErrorCode::kUsage, text("tensordot: --lhs-axes and --rhs-axes go together: --",
                                          lhs_axes == nullptr ? "lhs" : "rhs", "-axes is missing"));
    }
    return by_lists(*lhs_axes, *rhs_axes);
  }
  if (!axes.list()) {
    constexpr std::int64_t kMost = std::numeric_limits<int>::max();
    const std::int64_t count = std::clamp(axes.single().value_or(2), -kMost, kMost);
    return by_count(static_cast<int>(count));
  }
  if (axes.list()->size() != 2) {
    ErrorPlace place;
    place.option = "axes";
    throw Error(ErrorCode::kAxesLen,
                text("tensordot: axes are one number or two lists, one of each operand: ",
                     to_string(axes), " has ", axes.list()->size()),
                place);
  }
  return by_lists(list_of((*axes.list())[0]), list_of((*axes.list())[1]));
}

Inference infer_tensordot(const Problem& problem) {
  const Shape& lhs = problem.shapes[0];
  const Shape& rhs = problem.shapes[1];
  return of_contraction(with_tensordot_axes(
      problem,
      [&](const auto& lhs_axes, const auto& rhs_axes) {
        return tensordot(lhs, rhs, lhs_axes, rhs_axes);
      },
      [&](int axis_count) { return tensordot(lhs, rhs, axis_count); }));
}

std::vector<std::string> tensordot_notes(const Problem& problem, const Inference&) {
  const Shape& lhs = problem.shapes[0];
  const Shape& rhs = problem.shapes[1];
  return with_tensordot_axes(
      problem,
      [&](const auto& lhs_axes, const auto& rhs_axes) {
        return notation::tensordot_notes(lhs, rhs, lhs_axes, rhs_axes);
      },
      [&](int axis_count) { return notation::tensordot_notes(lhs, rhs, axis_count); });
}

DotDimensionNumbers numbers_of(const Problem& problem) {
  const auto list = [&](std::string_view name) {
    const auto* given = option<std::vector<std::int64_t>>(problem, name);
    return given == nullptr ? std::vector<std::int64_t>() : *given;
  };
  DotDimensionNumbers numbers;
  numbers.lhs_batch = list("lhs-batch");
  numbers.rhs_batch = list("rhs-batch");
  numbers.lhs_contract = list("lhs-contract");
  numbers.rhs_contract = list("rhs-contract");
  return numbers;
}

Inference infer_dot_general(const Problem& problem) {
  return of_contraction(dot_general(problem.shapes[0], problem.shapes[1], numbers_of(problem)));
}

std::vector<std::string> dot_general_notes(const Problem& problem, const Inference&) {
  return notation::dot_general_notes(problem.shapes[0], problem.shapes[1], numbers_of(problem));
}

const std::string& equation_of(const Problem& problem) {
  const std::string* equation = option<std::string>(problem, "equation");
  if (equation == nullptr) {
    throw Error(ErrorCode::kUsage, "einsum: needs an equation: bij,bjk=bik");
  }
  return *equation;
}

Inference infer_einsum(const Problem& problem) {
  return of_contraction(einsum(equation_of(problem), problem.shapes));
}

std::vector<std::string> einsum_notes(const Problem& problem, const Inference&) {
  return notation::einsum_notes(equation_of(problem), problem.shapes);
}

Inference infer_softmax(const Problem& problem) {
  const Shape& shape = problem.shapes[0];
  const std::int64_t* given = option<std::int64_t>(problem, "axis");
  const std::int64_t axis = given == nullptr ? -1 : *given;
  const int from_front = softmax_axis(shape, axis);
  if (const std::optional<DType> dtype = operation::dtype_of(problem)) check_softmax_dtype(*dtype);
  Inference inference;
  inference.shape = shape;
  inference.softmax_axis = from_front;
  return inference;
}

std::vector<std::string> softmax_notes(const Problem& problem, const Inference& inference) {
  const int axis = *inference.softmax_axis;
  return {text("softmax changes no shape: along axis ", axis, ", of extent ",
               problem.shapes[0][axis], ", the results sum to 1"),
          "where all elements along it are -inf the results are 0; the numpy line gives NaN there"};
}

constexpr int kMany = Limits::kOperands;

constexpr Operation kOperations[] = {
    {"batch_dot", "Keras batch_dot, in the rules of any release", kBatchDotOptions, 2, 2,
     infer_batch_dot, batch_dot_notes},
    {"dot_layer", "the Keras Dot layer: batch_dot behind its own checks", kDotLayerOptions, 2, 2,
     infer_dot_layer, dot_layer_notes, ErrorCode::kInputs},
    {"dot", "Keras K.dot, not batched: last axis of lhs, last but one of rhs", kDotOptions, 2, 2,
     infer_dot, dot_notes},
    {"matmul", "NumPy's and TensorFlow's matmul: leading axes broadcast", kMatmulOptions, 2, 2,
     infer_matmul, matmul_notes},
    {"tensordot", "NumPy's tensordot: pairs of axes are summed over", kTensordotOptions, 2, 2,
     infer_tensordot, tensordot_notes},
    {"dot_general", "XLA's dot_general: batch and contracting axes by number", kDotGeneralOptions,
     2, 2, infer_dot_general, dot_general_notes},
    {"softmax", "exp(x) / sum exp(x) along one axis", kSoftmaxOptions, 1, 1, infer_softmax,
     softmax_notes},
    {"einsum", "an equation of labels, any number of operands", kEinsumOptions, 1, kMany,
     infer_einsum, einsum_notes},
};

void check_operand_count(const Operation& operation, const Problem& problem) {
  const int count = static_cast<int>(problem.shapes.size());
  if (count > Limits::kOperands) {
    throw Error(ErrorCode::kLimit,
                text(operation.name, ": more than ", Limits::kOperands, " operands: ", count));
  }
  if (count >= operation.min_operands && count <= operation.max_operands) return;
  const std::string wanted =
      operation.min_operands == operation.max_operands
          ? text(operation.min_operands, operation.min_operands == 1 ? " operand" : " operands")
          : text(operation.min_operands, " to ", operation.max_operands, " operands");
  throw Error(operation.wrong_number, text(operation.name, ": takes ", wanted, ", got ", count));
}

}  // namespace

std::span<const Operation> operations() { return kOperations; }

const Operation& find_operation(std::string_view name) {
  for (const Operation& operation : kOperations) {
    if (operation.name == name) return operation;
  }
  std::vector<std::string_view> names;
  for (const Operation& operation : kOperations) names.push_back(operation.name);
  throw Error(ErrorCode::kUsage,
              text("no such operation: ", quoted(name), did_you_mean(name, names), ": there are ",
                   joined(names, ", ")));
}

Inference infer(const Problem& problem) {
  const Operation& operation = find_operation(problem.operation);
  operation::check_options(operation, problem);
  check_operand_count(operation, problem);
  const std::optional<DType> dtype = operation::dtype_of(problem);
  Inference inference = operation.infer(problem);
  if (dtype && !dtype->computes()) {
    throw Error(ErrorCode::kDType,
                text(operation.name, ": ", dtype->name(),
                     " is stored but not computed with: --dtype ", dtype->name()));
  }
  if (dtype) operation::check_dialect_takes(problem, *dtype);
  return inference;
}

}  // namespace batchdot::inline v0
