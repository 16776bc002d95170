// SPDX-License-Identifier: Apache-2.0
#pragma once
// Builds the steps of a plan: each call adds one tensor computed from others.

#include <memory>
#include <utility>
#include <vector>

#include "src/plan/plan.h"

namespace batchdot {

/// A tensor while a plan is being made: where it lies and how its labels move in it.
struct Value {
  Place place;
  DType dtype;
  LabelStrides strides;  ///< each label once: a diagonal is the sum of its strides
  bool conjugate = false;
  bool is_widened = false;  ///< f16 or bf16 that is computed in f32, in the order of f32
};

/// What is done at the store, with the strides of its operands.
struct Finishing {
  Finish finish;
  LabelStrides scale, bias;
};

/// Collects steps and workspace.
class Builder {
 public:
  Builder(const PlanOptions& options, std::vector<Dim> extents);

  /// Space in the workspace for a dense tensor over these labels.
  /// \throws Error  kOverflow.
  Value temporary(DType dtype, const Labels& labels);
  /// An operand without these labels of its own, over which it is summed before its product, into
  /// the accumulator's type; the operand itself if there are none.
  Value sum_alone(const Value& operand, const Labels& summed);
  /// out = sum over `contracting`, labels of both, of lhs * rhs. `out`'s labels are the labels of
  /// the result.
  void contract(const Value& lhs, const Value& rhs, const Value& out, const Labels& contracting,
                const Finishing& last = {});
  /// out = sum over `order` of operand.
  void reduce(const Value& operand, const Value& out, const Labels& order,
              const Finishing& last = {});
  /// The elements as they are, or converted to out's dtype.
  void copy(const Value& in, const Value& out);
  /// Softmax or normalisation along `axis`.
  void rowwise(RowwiseStep step, const Value& in, const Value& out, Label axis);

  /// The finished plan's insides; `path` for the facts.
  std::shared_ptr<const Plan::Impl> finish(std::vector<Layout> operands, int inputs, Layout out,
                                           std::vector<std::pair<int, int>> path);

 private:
  /// Adds a step whose kernel is chosen.
  void add(ContractStep step);

  const kernel::Kernels& kernels_;
  bool threads_are_given_ = false;
  std::vector<Dim> extents_;
  std::shared_ptr<Plan::Impl> impl_;
};

/// The labels of a value.
Labels labels_of(const Value& value);

}  // namespace batchdot
