// SPDX-License-Identifier: Apache-2.0
#pragma once
// bf16 by VDPBF16PS, where the CPU has it: a pair of k in one instruction, in the order and with
// the flushing that docs/numerics.md gives to bf16 everywhere.

#include "src/kernel/kernels.h"

namespace batchdot::kernel {

/// True if the CPU has the instruction. Ask only where AVX-512 itself is known to work.
bool has_avx512_bf16();

/// True if it is also faster than two fused multiply-adds on widened operands. Zen 4 does one a
/// cycle, twice the rate of its multiply-adds; Intel's cores up to Emerald Rapids do one in two
/// cycles and more, half the rate of theirs (measured: 83 Gflop/s against 180).
bool is_avx512_bf16_fast();

/// Sets tiles, dots and sizes of `kernels`. Panels hold pairs as words of 32 bits, the even k low.
void set_bf16_avx512(ArithmeticKernels& kernels);

}  // namespace batchdot::kernel
