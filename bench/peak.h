// SPDX-License-Identifier: Apache-2.0
#pragma once

namespace batchdot::bench {

/// The most single-precision flop that one core does in a second here and now, by fused
/// multiply-adds on registers alone, in Gflop/s. A multiply-add is 2 flop. Takes about 50 ms.
double peak_gflops_f32();

}  // namespace batchdot::bench
