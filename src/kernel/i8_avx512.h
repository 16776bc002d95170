// SPDX-License-Identifier: Apache-2.0
#pragma once
// i8 x i8 -> i32 by VPDPBUSD, where the CPU has AVX-512 VNNI: four k in one instruction.

#include <cstdint>

#include "src/kernel/kernels.h"

namespace batchdot::kernel {

/// True if the CPU has the instruction. Ask only where AVX-512 itself is known to work.
bool has_avx512_vnni();

/// Sets tiles, dots and sizes of `kernels`; the packs are the caller's:
///
///     a, a panel for tiles: words of four elements + 128, unsigned; its head row is not read
///     b, and both of dots:  words of four elements; the head row, which dots do not read, holds
///                           what each column owes for the + 128, -128 * sum(b), see fill_i8_head
///
/// Exact modulo 2^32: the instruction multiplies u8 by i8 and does not saturate.
void set_i8_avx512(ArithmeticKernels& kernels);

/// Dots of panels that have no head row.
DotsFunction i8_dots_without_head();

/// Writes the head row of a panel of b, whose `rows` rows of words are already there.
void fill_i8_head(void* panel, std::int64_t rows, int width);

}  // namespace batchdot::kernel
