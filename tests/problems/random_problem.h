// SPDX-License-Identifier: Apache-2.0
#pragma once
// Random contractions, and operands of random layout over memory of their own.

#include <cstdint>
#include <random>
#include <vector>

#include "batchdot/contraction.h"
#include "batchdot/tensor.h"

namespace batchdot::bits {

/// Operands that own their memory and show it through any strides.
struct Operand {
  Tensor memory;
  TensorView view;
};

/// What elements look like: kOrdinary is in [-1, 1); kExtreme mixes in zeros of both signs,
/// subnormals, large and tiny numbers, infinities and NaN.
enum class Elements { kOrdinary, kExtreme };

/// A tensor of this dtype and extents with a random layout: axes permuted, reversed, padded.
Operand random_operand(std::mt19937& random, DType dtype, const Extents& extents, Elements elements,
                       bool any_layout = true);

/// A contraction of `operands` operands with random labels, roles and extents; `K_extent` > 0
/// forces one contracted label of that extent (two operands or more).
Contraction random_contraction(std::mt19937& random, int operands, std::int64_t K_extent);

}  // namespace batchdot::bits
