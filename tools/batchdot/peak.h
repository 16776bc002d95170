// SPDX-License-Identifier: Apache-2.0
#pragma once
// What this machine can compute at most: the measure of every figure of speed.

#include <optional>

#include "batchdot/dtype.h"

namespace batchdot::tool {

/// The most flop that so many threads do in a second here and now, by fused multiply-adds on
/// registers alone, in Gflop/s: in f32 for f32, complex64, f16 and bf16, in f64 for f64 and
/// complex128, nothing for integers. Takes some 50 ms.
std::optional<double> peak_gflops(DType dtype, int threads);

}  // namespace batchdot::tool
