// SPDX-License-Identifier: Apache-2.0
#pragma once
// The instruction sets that kernels are compiled for. Included before Highway by every file that it
// compiles once for each of them.

// SSE4 and SSSE3 have no fused multiply-add; AVX3_DL would be AVX3 again. Sanitizers watch AVX2 and
// the scalar target: AVX-512 would take them minutes more to compile.
#if defined(BATCHDOT_SANITIZED)
#define HWY_DISABLED_TARGETS (HWY_SSE4 | HWY_SSSE3 | HWY_AVX3_DL | HWY_AVX3)
#else
#define HWY_DISABLED_TARGETS (HWY_SSE4 | HWY_SSSE3 | HWY_AVX3_DL)
#endif

// True, while a target is compiled, if it gets a table of its own: it has a fused multiply-add.
#define BATCHDOT_HAS_TABLE (HWY_TARGET & (HWY_AVX3 | HWY_AVX2 | HWY_NEON))
// True, while a target is compiled, if `scalar` is compiled for it: the baseline, which every CPU
// of the architecture runs.
#define BATCHDOT_HAS_SCALAR (HWY_TARGET == HWY_STATIC_TARGET)
