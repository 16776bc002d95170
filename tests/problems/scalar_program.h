// SPDX-License-Identifier: Apache-2.0
#pragma once
// The order of summation (docs/numerics.md, section 2) as a short scalar program: the judge of
// bits. It knows nothing of plans, kernels or panels: it walks every element by its labels, one
// fused multiply-add at a time. Used by tests only.

#include <cmath>
#include <complex>
#include <cstdint>
#include <map>
#include <span>
#include <vector>

#include "batchdot/contraction.h"
#include "batchdot/plan.h"
#include "batchdot/tensor.h"

namespace batchdot::bits {

/// What one element of this dtype is kept in between steps.
enum class Rule { kPlain, kPairs };  ///< kPairs: both operands are bf16, k in pairs in flush mode

/// A tensor by labels, dense, in its accumulator type.
template <class T>
struct Labelled {
  Labels labels;
  std::vector<T> elements;  ///< last label fastest
  bool is_bf16 = false;     ///< as it came, not an intermediate
};

/// An epilogue with the elements of its operands.
struct LastSteps {
  Epilogue epilogue;
  TensorView old, scale, bias;  ///< read where the epilogue says
};

/// The result of a bound contraction, converted to the dtype of a product; left to right.
/// \pre every extent is known, all operands have one dtype.
Tensor scalar_program(const Contraction& c, std::span<const TensorView> operands,
                      const LastSteps& last = {});

/// The elements of a view as a dense tensor.
Tensor dense(const TensorView& view);

/// FNV-1a over the elements; every NaN counts as one value.
std::uint64_t digest(const Tensor& tensor);

/// The same bits, every NaN alike.
bool same_bits(const Tensor& a, const Tensor& b);

}  // namespace batchdot::bits
