// SPDX-License-Identifier: Apache-2.0
// Every case of tests/conformance/*.txt: its shape, and in every dtype and on every target its
// values.

#include <gtest/gtest.h>

#include <cmath>
#include <map>
#include <set>

#include "batchdot/plan.h"
#include "tests/conformance/case_file.h"
#include "tests/problems/random_problem.h"
#include "tests/refusal.h"

namespace batchdot::conformance {
namespace {

const std::vector<Case>& cases() {
  static const std::vector<Case> kCases = read_cases();
  return kCases;
}

TEST(Conformance, EveryCaseHasItsShapeOrItsRefusal) {
  std::set<std::string> operations_seen, dialects_seen;
  for (const Case& row : cases()) {
    operations_seen.insert(row.problem.operation);
    if (const auto at = row.problem.options.find("dialect"); at != row.problem.options.end()) {
      dialects_seen.insert(std::get<std::string>(at->second));
    }
    if (!row.shape) {
      const Error error = refusal_of([&] { infer(row.problem); });
      EXPECT_EQ(info(error.code()).name, row.error) << row.where << ": " << error.what();
      continue;
    }
    try {
      const Inference inference = infer(row.problem);
      EXPECT_EQ(inference.shape, *row.shape) << row.where;
      if (row.reported) {
        EXPECT_EQ(inference.reported_shape, row.reported) << row.where;
      }
    } catch (const Error& error) {
      ADD_FAILURE() << row.where << ": " << error.what();
    }
  }
  for (const Operation& operation : operations()) {
    EXPECT_TRUE(operations_seen.contains(std::string(operation.name))) << operation.name;
  }
  for (const std::string_view dialect : Dialect::names()) {
    EXPECT_TRUE(dialects_seen.contains(std::string(dialect))) << dialect;
  }
}

// True if the dtype has each of these numbers; complex infinities are a matter of their own.
bool has_all(DType dtype, const std::vector<double>& elements) {
  return dtype.visit([&](auto record) {
    using Element = typename decltype(record)::Element;
    for (const double x : elements) {
      if constexpr (std::is_integral_v<Element>) {
        if (!std::isfinite(x) || x != std::nearbyint(x) || std::signbit(x) != (x < 0)) return false;
      } else if constexpr (!std::is_same_v<Element, float> && !std::is_same_v<Element, double> &&
                           !std::is_same_v<Element, Half> && !std::is_same_v<Element, BFloat16>) {
        if (!std::isfinite(x) || std::signbit(x) != (x < 0)) return false;
      }
    }
    return true;
  });
}

// The elements, as the library itself converts them.
Tensor tensor_of(DType dtype, const Extents& extents, const std::vector<double>& elements) {
  const Tensor source = Tensor::from(std::span<const double>(elements), extents);
  Contraction copy;
  Input input;
  input.shape = Shape(extents);
  for (std::size_t axis = 0; axis < extents.size(); ++axis) {
    input.labels.push_back(add_output_label(copy, extents[axis]));
  }
  copy.inputs.push_back(std::move(input));
  PlanOptions options;
  options.compute_dtype = dtype;
  options.threads = 1;
  const TensorView view = source;
  return Plan::make(copy, std::span(&view.layout, 1), Layout(dtype, extents), {}, options)
      .run(std::span(&view, 1));
}

struct Fed {
  std::vector<bits::Operand> operands;
  std::vector<TensorView> views;
  std::vector<Layout> layouts;
  std::vector<Extents> extents;
};

Fed feed(const Case& row, DType dtype) {
  std::mt19937 random(static_cast<unsigned>(std::hash<std::string>()(row.where)));
  Fed fed;
  for (const CaseOperand& operand : row.operands) {
    if (operand.elements.empty()) {
      fed.operands.push_back(
          bits::random_operand(random, dtype, operand.fed, bits::Elements::kOrdinary));
    } else {
      fed.operands.push_back({tensor_of(dtype, operand.fed, operand.elements), {}});
      fed.operands.back().view = fed.operands.back().memory;
    }
    fed.views.push_back(fed.operands.back().view);
    fed.layouts.push_back(fed.views.back().layout);
    fed.extents.push_back(operand.fed);
  }
  return fed;
}

// From what was declared to what is fed, as a user with unknown extents does it.
Plan plan_of(const Case& row, const Fed& fed, const PlanOptions& options) {
  Inference inference = infer(row.problem);
  if (inference.softmax_axis) {
    return Plan::softmax(fed.layouts[0], *inference.softmax_axis, {}, options);
  }
  if (inference.layer) {
    inference.layer->contraction = batchdot::bind(inference.layer->contraction, fed.extents);
    return Plan::dot_layer(*inference.layer, fed.layouts, {}, options);
  }
  return Plan::make(batchdot::bind(*inference.contraction, fed.extents), fed.layouts, {}, {},
                    options);
}

// Each element over the norm of its row along `label`. The row's sum of squares has a relative
// error of gamma(n), its root half of that and 1 more, the quotient 1: together not above n + 3.
std::int64_t normalize(const Normalization& normalization, const Labels& labels, Label label,
                       const Extents& extents, std::vector<reference::Exact>& elements) {
  const auto axis =
      static_cast<std::size_t>(std::find(labels.begin(), labels.end(), label) - labels.begin());
  std::int64_t stride = 1;
  for (std::size_t i = axis + 1; i < extents.size(); ++i) stride *= extents[i];
  for (std::int64_t i = 0; i < static_cast<std::int64_t>(elements.size()); ++i) {
    if (i / stride % extents[axis] != 0) continue;
    long double sum = 0;
    const auto at = [&](std::int64_t k) -> reference::Exact& {
      return elements[static_cast<std::size_t>(i + k * stride)];
    };
    for (std::int64_t k = 0; k < extents[axis]; ++k) sum += at(k).re * at(k).re;
    const long double norm = normalization.is_norm
                                 ? std::max(std::sqrt(sum), normalization.epsilon)
                                 : std::sqrt(std::max(sum, normalization.epsilon));
    for (std::int64_t k = 0; k < extents[axis]; ++k) {
      at(k).re /= norm;
      at(k).re_size /= norm;
    }
  }
  return reference::detail::chain(extents[axis]) + 3;
}

std::string product_error(const Case& row, const Fed& fed, const Tensor& result, DType dtype) {
  std::vector<std::vector<reference::Exact>> operands;
  for (const TensorView& view : fed.views) operands.push_back(reference::read(view));
  std::int64_t more = 0;
  if (row.normalization) {
    const auto& labels = row.meaning->operands;
    more += normalize(*row.normalization, labels[0], row.normalization->lhs, fed.extents[0],
                      operands[0]);
    more += normalize(*row.normalization, labels[1], row.normalization->rhs, fed.extents[1],
                      operands[1]);
  }
  reference::Sums sums = reference::multiply(*row.meaning, operands, fed.extents);
  sums.n += more;
  return reference::first_beyond(result, sums, dtype);
}

std::string softmax_error(const Case& row, const Fed& fed, const Tensor& result, DType dtype) {
  const auto axis = static_cast<std::size_t>(*row.softmax_axis);
  const Extents& extents = fed.extents[0];
  const reference::Rounding rounding =
      dtype.visit([](auto record) { return reference::rounding_of(record); });
  const auto in = reference::read(fed.views[0]);
  const auto out = reference::read(result);
  std::int64_t stride = 1;
  for (std::size_t i = axis + 1; i < extents.size(); ++i) stride *= extents[i];
  for (std::size_t i = 0; i < in.size(); ++i) {
    const auto first = static_cast<std::int64_t>(i);
    if (first / stride % extents[axis] != 0) continue;
    std::vector<long double> keys;
    const auto at = [&](std::size_t j) { return i + j * static_cast<std::size_t>(stride); };
    for (std::size_t j = 0; j < static_cast<std::size_t>(extents[axis]); ++j)
      keys.push_back(in[at(j)].re);
    const std::vector<long double> weights = reference::softmax(keys);
    for (std::size_t j = 0; j < keys.size(); ++j) {
      const long double got = out[at(j)].re;
      const bool fits =
          std::isnan(weights[j])
              ? std::isnan(got)
              : std::fabs(got - weights[j]) <= reference::softmax_bound(rounding, keys, weights, j);
      if (fits) continue;
      std::ostringstream wrong;
      wrong.precision(20);
      wrong << "element " << at(j) << " is " << got << ", exact " << weights[j];
      return wrong.str();
    }
  }
  return {};
}

class EveryDType : public ::testing::TestWithParam<DType> {};

TEST_P(EveryDType, HasTheValuesOfEveryCaseOnEveryTarget) {
  const DType dtype = GetParam();
  const bool is_real = dtype == DType(F32{}) || dtype == DType(F64{}) || dtype == DType(F16{}) ||
                       dtype == DType(BF16{});
  std::size_t computed = 0, skipped = 0;
  for (const Case& row : cases()) {
    if (!row.shape) continue;
    bool is_storable = has_all(dtype, row.elements);
    for (const CaseOperand& operand : row.operands) {
      is_storable = is_storable && has_all(dtype, operand.elements);
    }
    if (!is_storable) {
      ++skipped;
      continue;
    }
    const Fed fed = feed(row, dtype);
    int threads = 0;
    for (const std::string_view target : targets()) {
      PlanOptions options;
      options.target = target;
      options.threads = 1 + threads++ % 2;
      const std::string where =
          row.where + " " + std::string(dtype.name()) + " " + std::string(target);
      if (!is_real && (row.normalization || row.softmax_axis)) {
        EXPECT_EQ(refusal_of([&] { plan_of(row, fed, options); }).code(), ErrorCode::kDType)
            << where;
        continue;
      }
      if (!row.error.empty()) {
        const Error error = refusal_of([&] { plan_of(row, fed, options).run(fed.views); });
        EXPECT_EQ(info(error.code()).name, row.error) << where << ": " << error.what();
        continue;
      }
      try {
        const Tensor result = plan_of(row, fed, options).run(fed.views);
        ++computed;
        const bool is_copy = row.meaning && row.meaning->operands.size() == 1 &&
                             infer(row.problem).contraction->contracting_order.empty();
        EXPECT_EQ(result.dtype(), is_copy ? dtype : dtype.result()) << where;
        const std::string wrong = row.softmax_axis ? softmax_error(row, fed, result, dtype)
                                                   : product_error(row, fed, result, dtype);
        EXPECT_EQ(wrong, "") << where;
        if (row.elements.empty()) continue;
        ASSERT_EQ(static_cast<std::size_t>(result.size()), row.elements.size()) << where;
        const Tensor expected = tensor_of(result.dtype(), result.extents(), row.elements);
        const auto got = reference::read(result);
        const auto wanted = reference::read(expected);
        for (std::size_t i = 0; i < got.size(); ++i) {
          const bool same = std::isnan(wanted[i].re)
                                ? std::isnan(got[i].re)
                                : got[i].re == wanted[i].re && got[i].im == wanted[i].im &&
                                      got[i].whole == wanted[i].whole &&
                                      std::signbit(got[i].re) == std::signbit(wanted[i].re);
          EXPECT_TRUE(same) << where << ": element " << i << " is " << got[i].re << ", not "
                            << wanted[i].re;
        }
      } catch (const Error& error) {
        ADD_FAILURE() << where << ": " << error.what();
      }
    }
  }
  // What is not in the type (fractions and infinities in integers) is a small part.
  EXPECT_GT(computed, 100 * targets().size());
  EXPECT_LT(skipped, cases().size() / 5);
}

std::vector<DType> computing_dtypes() {
  std::vector<DType> dtypes;
  for_each_dtype([&](auto record) {
    if (record.kComputes) dtypes.push_back(record);
  });
  return dtypes;
}
INSTANTIATE_TEST_SUITE_P(AllDTypes, EveryDType, ::testing::ValuesIn(computing_dtypes()),
                         [](const auto& row) { return std::string(row.param.name()); });

}  // namespace
}  // namespace batchdot::conformance
