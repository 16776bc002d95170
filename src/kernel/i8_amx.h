// SPDX-License-Identifier: Apache-2.0
#pragma once
// i8 x i8 -> i32 by TDPBSSD of AMX, where the CPU and the system have it: sixteen rows by sixteen
// columns by 64 k in one instruction.

#include "src/kernel/kernels.h"

namespace batchdot::kernel {

/// True if the CPU has the instruction, AVX-512 VBMI as well, and the system lets this process use
/// it, which Linux wants to be asked for: the first call asks. Ask only where AVX-512 itself is
/// known to work.
bool may_use_amx_i8();

/// Sets tiles and sizes of `kernels`, which are those of set_i8_avx512; the packs are the caller's:
///
///     a, a panel for tiles: rows one after the other, k side by side, each padded with zeros to
///                           words of four
///     b, and both of dots:  words of four elements
///
/// Exact modulo 2^32: products are added without saturation.
void set_i8_amx(ArithmeticKernels& kernels);

/// PackCall for b and dots, where columns lie side by side; false, and nothing is done, elsewhere.
bool pack_words_of_rows(const PackCall& call);

}  // namespace batchdot::kernel
