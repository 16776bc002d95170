// SPDX-License-Identifier: Apache-2.0
// Plan::make and its relatives: from a Contraction and layouts to steps.

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <iterator>
#include <utility>

#include "src/contraction/labels.h"
#include "src/contraction/softmax.h"
#include "src/contraction/steps.h"
#include "src/core/checked.h"
#include "src/core/text.h"
#include "src/plan/lower.h"

namespace batchdot::inline v0 {

namespace {

void check_layout(const Layout& layout, std::string_view who) {
  if (layout.extents.size() != layout.strides.size()) {
    throw Error(ErrorCode::kFeed, text("plan: ", who, " has ", layout.extents.size(),
                                       " extents and ", layout.strides.size(), " strides"));
  }
  if (layout.extents.size() > Limits::kRank) {
    throw Error(ErrorCode::kLimit, text("plan: ", who, " has more than ", Limits::kRank, " axes"));
  }
  for (const std::int64_t extent : layout.extents) {
    if (extent < 0) {
      throw Error(ErrorCode::kFeed, text("plan: ", who, " has a negative extent: ", extent));
    }
  }
  const std::int64_t count = checked_product("plan", layout.extents);
  if (count == 0) return;
  std::int64_t reach = 1;  // the span of addresses, in elements, must be a number too
  for (std::size_t axis = 0; axis < layout.extents.size(); ++axis) {
    if (layout.strides[axis] == INT64_MIN) {
      throw Error(ErrorCode::kOverflow, text("plan: ", who, " axis ", axis, " has stride -2^63"));
    }
    const auto far = checked_multiply(std::llabs(layout.strides[axis]), layout.extents[axis] - 1);
    const auto next = far ? checked_add(reach, *far) : far;
    const auto bytes =
        next ? checked_multiply(*next, 2 * static_cast<std::int64_t>(layout.dtype.size_bytes()))
             : next;
    if (!bytes) {
      throw Error(ErrorCode::kOverflow,
                  text("plan: ", who, " reaches beyond 2^63 - 1 bytes: extents ", layout.extents,
                       ", strides ", layout.strides));
    }
    reach = *next;
  }
}

// Two elements at one address: refused for a result. Axes sorted by stride must each step over all
// of the finer ones together.
void check_no_self_overlap(const Layout& out) {
  std::vector<std::pair<std::int64_t, std::int64_t>> axes;  // |stride|, extent
  for (std::size_t axis = 0; axis < out.extents.size(); ++axis) {
    if (out.extents[axis] == 0) return;
    if (out.extents[axis] > 1) axes.emplace_back(std::llabs(out.strides[axis]), out.extents[axis]);
  }
  std::sort(axes.begin(), axes.end());
  std::int64_t reach = 1;
  for (const auto& [stride, extent] : axes) {
    if (stride < reach) {
      throw Error(ErrorCode::kOverlap, text("plan: out overlaps itself: extents ", out.extents,
                                            ", strides ", out.strides, " (in elements)"));
    }
    reach += stride * (extent - 1);
  }
}

// An axis of one element goes nowhere, whatever stride it was given; nor does any axis where there
// is no element at all.
std::int64_t stride_or_0(const Layout& layout, std::size_t axis) {
  const Extents& extents = layout.extents;
  const bool is_empty = std::find(extents.begin(), extents.end(), 0) != extents.end();
  return is_empty || extents[axis] == 1 ? 0 : layout.strides[axis];
}

Value operand_value(int index, const Layout& layout, const Labels& labels) {
  Value value;
  value.place = {Place::Where::kOperand, index, 0};
  value.dtype = layout.dtype;
  for (std::size_t axis = 0; axis < labels.size(); ++axis) {
    const Label label = labels[axis];
    const std::int64_t stride = stride_or_0(layout, axis);
    const auto same = std::find_if(value.strides.begin(), value.strides.end(),
                                   [&](const LabelStride& entry) { return entry.label == label; });
    if (same != value.strides.end()) {
      same->stride += stride;
    } else {
      value.strides.push_back({label, stride});
    }
  }
  return value;
}

Value out_value(const Layout& layout, const Labels& labels) {
  Value value;
  value.place.where = Place::Where::kOut;
  value.dtype = layout.dtype;
  for (std::size_t axis = 0; axis < labels.size(); ++axis) {
    value.strides.push_back({labels[axis], stride_or_0(layout, axis)});
  }
  return value;
}

void refuse_dtype(std::string message, int operand) {
  throw Error(ErrorCode::kDType, std::move(message), place_of(operand));
}

// The dtype that the problem is computed in. Operands of different types need one to be named.
DType choose_dtype(std::span<const Layout> operands, const PlanOptions& options, bool computes) {
  const int count = static_cast<int>(operands.size());
  if (options.compute_dtype) {
    if (computes && !options.compute_dtype->computes()) {
      throw Error(ErrorCode::kDType, text("plan: ", options.compute_dtype->name(),
                                          " is for storage, not for products"));
    }
    for (int i = 0; i < count; ++i) {
      const DType dtype = operands[static_cast<std::size_t>(i)].dtype;
      if (dtype.is_complex() && !options.compute_dtype->is_complex()) {
        refuse_dtype(
            text("plan: ", operand_name(i, count), " is ", dtype.name(), ", whose imaginary part ",
                 options.compute_dtype->name(), " would lose: name a complex dtype to compute in"),
            i);
      }
    }
    return *options.compute_dtype;
  }
  for (int i = 0; i < count; ++i) {
    const DType dtype = operands[static_cast<std::size_t>(i)].dtype;
    if (computes && !dtype.computes()) {
      refuse_dtype(text("plan: ", operand_name(i, count), " is ", dtype.name(),
                        ", which is stored but not computed with: name a dtype to compute in"),
                   i);
    }
    if (!(dtype == operands[0].dtype)) {
      refuse_dtype(text("plan: element types differ: ", operand_name(0, count), " is ",
                        operands[0].dtype.name(), ", ", operand_name(i, count), " is ",
                        dtype.name(), ": name a dtype to compute in"),
                   i);
    }
  }
  return operands[0].dtype;
}

// An operand in the dtype that is computed in. Narrow floating types go into f32 products as they
// are.
Value in_dtype(Builder& builder, Value value, DType dtype) {
  if (value.dtype == dtype) return value;
  if (is_narrow_float(value.dtype) && dtype == DType(F32{})) {
    value.is_widened = true;
    return value;
  }
  Value converted = builder.temporary(dtype, labels_of(value));
  builder.copy(value, converted);
  converted.conjugate = value.conjugate;
  return converted;
}

Layout checked_out(std::optional<Layout> out, DType result, DType accumulator,
                   const Extents& extents) {
  if (!out) return Layout(result, extents);
  check_layout(*out, "out");
  if (!(out->extents == extents)) {
    throw Error(ErrorCode::kFeed,
                text("plan: out has extents ", out->extents, ", the result has ", extents));
  }
  if (!(out->dtype == result) && !(out->dtype == accumulator)) {
    throw Error(ErrorCode::kDType,
                text("plan: out is ", out->dtype.name(), ", the result is ", result.name()));
  }
  check_no_self_overlap(*out);
  return *out;
}

// The strides of scale or bias, of which each axis carries a label of the output.
LabelStrides checked_operand(std::string_view who, const Epilogue::Operand& operand,
                             const Contraction& c, DType dtype) {
  check_layout(operand.layout, who);
  if (!(operand.layout.dtype == dtype)) {
    throw Error(ErrorCode::kDType, text("plan: ", who, " is ", operand.layout.dtype.name(),
                                        ", the result takes ", dtype.name()));
  }
  if (operand.labels.size() != operand.layout.extents.size()) {
    throw Error(ErrorCode::kFeed, text("plan: ", who, " has ", operand.layout.extents.size(),
                                       " axes and ", operand.labels.size(), " labels"));
  }
  LabelStrides strides;
  for (std::size_t axis = 0; axis < operand.labels.size(); ++axis) {
    const Label label = operand.labels[axis];
    const bool twice = std::count(operand.labels.begin(), operand.labels.end(), label) > 1;
    if (!holds(c.output, label) || twice) {
      throw Error(ErrorCode::kLabel,
                  text("plan: ", who, " axis ", axis, " carries label ", label,
                       twice ? ", which stands twice" : ", which is no label of the output"));
    }
    if (c.extents[label] != Dim(operand.layout.extents[axis])) {
      throw Error(ErrorCode::kFeed,
                  text("plan: ", who, " axis ", axis, " has ", operand.layout.extents[axis],
                       ", the result ", c.extents[label]));
    }
    strides.push_back({label, stride_or_0(operand.layout, axis)});
  }
  return strides;
}

struct ActivationRow {
  Activation activation;
  kernel::Activation kernel;
  std::string_view name;
};
constexpr ActivationRow kActivations[] = {
    {Activation::kNone, kernel::Activation::kNone, "none"},
    {Activation::kRelu, kernel::Activation::kRelu, "relu"},
    {Activation::kGelu, kernel::Activation::kGelu, "gelu"},
    {Activation::kGeluTanh, kernel::Activation::kGeluTanh, "gelu_tanh"},
    {Activation::kTanh, kernel::Activation::kTanh, "tanh"},
};
static_assert(std::size(kActivations) == kernel::kActivations);

kernel::Activation checked_activation(Activation activation, DType out) {
  const auto* row =
      std::find_if(std::begin(kActivations), std::end(kActivations),
                   [&](const ActivationRow& r) { return r.activation == activation; });
  if (row == std::end(kActivations)) {
    throw Error(ErrorCode::kUsage,
                text("plan: no such activation: ", static_cast<int>(activation)));
  }
  const bool is_relu_or_none = activation == Activation::kNone || activation == Activation::kRelu;
  if (out.is_complex() && activation != Activation::kNone) {
    throw Error(ErrorCode::kDType,
                text("plan: ", out.name(), " takes no activation, given ", row->name));
  }
  if (is_integer(out) && !is_relu_or_none) {
    throw Error(ErrorCode::kDType,
                text("plan: ", out.name(), " takes relu as activation, not ", row->name));
  }
  return row->kernel;
}

// Scale and bias have the result's dtype; the scale of a complex result is real.
Finishing checked_epilogue(const Epilogue& epilogue, const Contraction& c, DType out,
                           int operands) {
  Finishing last;
  Finish& finish = last.finish;
  finish.alpha = epilogue.alpha;
  finish.beta = epilogue.beta;
  const auto is_whole = [](double x) { return std::nearbyint(x) == x && std::fabs(x) <= 0x1p53; };
  if (is_integer(out) && !(is_whole(finish.alpha) && is_whole(finish.beta))) {
    throw Error(ErrorCode::kDType,
                text("plan: ", out.name(), " takes whole numbers as alpha and beta"));
  }
  finish.activation = checked_activation(epilogue.activation, out);
  if (epilogue.scale) {
    finish.scale_dtype = real_of(out);
    last.scale = checked_operand("scale", *epilogue.scale, c, finish.scale_dtype);
    finish.scale = {Place::Where::kOperand, operands++, 0};
  }
  if (epilogue.bias) {
    finish.bias_dtype = out;
    last.bias = checked_operand("bias", *epilogue.bias, c, out);
    finish.bias = {Place::Where::kOperand, operands, 0};
  }
  return last;
}

void check_operands(const Contraction& c, std::span<const Layout> operands) {
  const int count = static_cast<int>(c.inputs.size());
  if (operands.size() != c.inputs.size()) {
    throw Error(ErrorCode::kFeed,
                text("plan: takes ", count, " operands, given ", operands.size()));
  }
  for (int i = 0; i < count; ++i) {
    const auto at = static_cast<std::size_t>(i);
    check_layout(operands[at], operand_name(i, count));
    if (!(Shape(operands[at].extents) == c.inputs[at].shape)) {
      throw Error(ErrorCode::kFeed,
                  text("plan: ", operand_name(i, count), " has extents ", operands[at].extents,
                       ", the contraction was made for ", c.inputs[at].shape),
                  place_of(i));
    }
  }
}

}  // namespace

Plan Plan::make(const Contraction& c, std::span<const Layout> operands, std::optional<Layout> out,
                const Epilogue& epilogue, const PlanOptions& options) {
  validate(c);
  check_operands(c, operands);
  for (const Dim& extent : c.extents) {
    if (!extent.is_known()) {
      throw Error(ErrorCode::kFeed, "plan: the contraction has unknown extents: bind() it first");
    }
  }
  const bool is_copy = only_moves(c) && !c.inputs[0].conjugate && epilogue.alpha == 1 &&
                       epilogue.beta == 0 && !epilogue.scale && !epilogue.bias &&
                       epilogue.activation == Activation::kNone;
  const DType dtype = choose_dtype(operands, options, !is_copy);
  const DType result = is_copy ? dtype : dtype.result();
  const auto arithmetic = arithmetic_of(dtype, dtype);
  const DType accumulator = is_copy ? dtype : accumulator_of(*arithmetic);
  const Layout target = checked_out(std::move(out), result, accumulator, result_shape(c).extents());
  const Finishing last =
      checked_epilogue(epilogue, c, target.dtype, static_cast<int>(operands.size()));

  const int count = static_cast<int>(operands.size());
  Builder builder(options, c.extents);
  std::vector<Layout> fed(operands.begin(), operands.end());
  if (epilogue.scale) fed.push_back(epilogue.scale->layout);
  if (epilogue.bias) fed.push_back(epilogue.bias->layout);
  const Value final_out = out_value(target, c.output);
  const auto input = [&](std::size_t i) {
    Value value = operand_value(static_cast<int>(i), operands[i], c.inputs[i].labels);
    value.conjugate = c.inputs[i].conjugate;
    value = in_dtype(builder, std::move(value), dtype);
    value.conjugate = value.conjugate && value.dtype.is_complex();
    return value;
  };

  if (is_copy) {
    builder.copy(operand_value(0, operands[0], c.inputs[0].labels), final_out);
    return PlanAccess::make(builder.finish(std::move(fed), count, target, {}));
  }
  std::vector<std::pair<int, int>> path;
  Value current = input(0);
  if (count == 1) {
    builder.reduce(current, final_out, c.contracting_order, last);
    return PlanAccess::make(builder.finish(std::move(fed), count, target, {}));
  }
  for (const PairwiseStep& step : pairwise_steps(c)) {
    const Value next = input(path.size() + 1);
    path.emplace_back(0, 1);
    const bool is_last = path.size() + 1 == c.inputs.size();
    const Value lhs = builder.sum_alone(current, step.lhs_summed);
    const Value rhs = builder.sum_alone(next, step.rhs_summed);
    const Value product = is_last ? final_out : builder.temporary(accumulator, step.result);
    builder.contract(lhs, rhs, product, step.contracting, is_last ? last : Finishing{});
    current = product;
  }
  // opt_einsum's form: operands are taken out and the product is put at the end of the list.
  for (std::size_t i = 1; i < path.size(); ++i) {
    path[i] = {0, static_cast<int>(c.inputs.size() - i) - 1};
  }
  return PlanAccess::make(builder.finish(std::move(fed), count, target, std::move(path)));
}

Plan Plan::softmax(const Layout& operand, int axis, std::optional<Layout> out,
                   const PlanOptions& options) {
  check_layout(operand, "operand");
  const int resolved = softmax_axis(Shape(operand.extents), axis);
  // Complex operands are refused whatever is named to compute in: no dtype would help.
  if (operand.dtype.is_complex()) check_softmax_dtype(operand.dtype);
  const DType dtype = choose_dtype(std::span(&operand, 1), options, true);
  check_softmax_dtype(dtype);
  const auto arithmetic = arithmetic_of(dtype, dtype);
  const DType accumulator = accumulator_of(*arithmetic);
  const Layout target = checked_out(std::move(out), dtype, accumulator, operand.extents);
  Labels labels;
  std::vector<Dim> extents;
  for (const std::int64_t extent : operand.extents) {
    labels.push_back(static_cast<Label>(labels.size()));
    extents.emplace_back(extent);
  }
  Builder builder(options, extents);
  const Value in = in_dtype(builder, operand_value(0, operand, labels), dtype);
  builder.rowwise({}, in, out_value(target, labels), static_cast<Label>(resolved));
  return PlanAccess::make(builder.finish({operand}, 1, target, {}));
}

Plan Plan::dot_layer(const DotLayer& layer, std::span<const Layout> operands,
                     std::optional<Layout> out, const PlanOptions& options) {
  if (!layer.normalize) return make(layer.contraction, operands, std::move(out), {}, options);
  const Contraction& c = layer.contraction;
  validate(c);
  const auto has_axis = [&](std::size_t i, int axis) {
    return axis >= 0 && axis < c.inputs[i].shape.rank();
  };
  if (c.inputs.size() != 2 || !has_axis(0, layer.lhs_axis) || !has_axis(1, layer.rhs_axis)) {
    throw Error(ErrorCode::kInputs, "dot_layer: needs two operands and an axis of each");
  }
  check_operands(c, operands);
  for (int i = 0; i < 2; ++i) {
    const DType given = operands[static_cast<std::size_t>(i)].dtype;
    if (!given.is_complex()) continue;
    refuse_dtype(text("dot_layer: normalize takes real floating types: ", operand_name(i, 2),
                      " is ", given.name()),
                 i);
  }
  const DType dtype = choose_dtype(operands, options, true);
  check_normalize_dtype(dtype);
  const auto arithmetic = arithmetic_of(dtype, dtype);
  const DType accumulator = accumulator_of(*arithmetic);
  const Layout target = checked_out(std::move(out), dtype, accumulator, result_shape(c).extents());
  // An axis of 1 that is stretched is normalised as it is, and stretched afterwards.
  std::vector<Dim> extents = c.extents;
  extents.emplace_back(1);
  const auto unstretched = static_cast<Label>(extents.size() - 1);
  Builder builder(options, extents);
  Value normalized[2];
  for (std::size_t i = 0; i < 2; ++i) {
    Labels labels = c.inputs[i].labels;
    Labels stretched;
    for (std::size_t axis = 0; axis < labels.size(); ++axis) {
      if (operands[i].extents[axis] != 1 || c.extents[labels[axis]] == Dim(1)) continue;
      stretched.push_back(std::exchange(labels[axis], unstretched));
    }
    const int operand = static_cast<int>(i);
    const Value in = in_dtype(builder, operand_value(operand, operands[i], labels), dtype);
    normalized[i] = builder.temporary(accumulator, labels_of(in));
    RowwiseStep step;
    step.kind = RowwiseStep::Kind::kNormalize;
    step.floor = layer.floor;
    step.epsilon = layer.epsilon;
    const int axis = i == 0 ? layer.lhs_axis : layer.rhs_axis;
    builder.rowwise(std::move(step), in, normalized[i], labels[static_cast<std::size_t>(axis)]);
    for (const Label label : stretched) normalized[i].strides.push_back({label, 0});
  }
  builder.contract(normalized[0], normalized[1], out_value(target, c.output), c.contracting_order);
  return PlanAccess::make(builder.finish({operands.begin(), operands.end()}, 2, target, {{0, 1}}));
}

}  // namespace batchdot::inline v0
