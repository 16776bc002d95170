// SPDX-License-Identifier: Apache-2.0
#pragma once
// The floating-point mode of the calling thread: set around kernels, put back after.

#include <cstdint>
#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace batchdot::kernel {

enum class FloatMode : std::uint8_t {
  kDefault,  ///< round to nearest even, subnormals kept
  kFlush,    ///< subnormal inputs count as zero, results below 2^-126 flush to zero after rounding
};

/// Sets a mode while it lives, if the thread's mode differs; restores the caller's.
class FloatModeGuard {
 public:
#if defined(__x86_64__)
  explicit FloatModeGuard(FloatMode mode) : saved_(_mm_getcsr()) {
    // Bits: 0-5 flags, 6 DAZ, 7-12 masks (all set: no traps), 13-14 rounding, 15 FTZ.
    const unsigned wanted = mode == FloatMode::kFlush ? 0x9FC0u : 0x1F80u;
    changed_ = (saved_ & ~0x3Fu) != wanted;
    if (changed_) _mm_setcsr(wanted);
  }
  ~FloatModeGuard() {
    if (changed_) _mm_setcsr(saved_);
  }
#elif defined(__aarch64__)
  explicit FloatModeGuard(FloatMode mode) {
    asm volatile("mrs %0, fpcr" : "=r"(saved_));
    // FZ (24) with AH (1), which flushes after rounding as x86 does.
    const std::uint64_t wanted = mode == FloatMode::kFlush ? (1u << 24) | 3u : 0u;
    changed_ = saved_ != wanted;
    if (changed_) asm volatile("msr fpcr, %0" : : "r"(wanted));
  }
  ~FloatModeGuard() {
    if (changed_) asm volatile("msr fpcr, %0" : : "r"(saved_));
  }
#else
#error "batchdot: no floating-point mode for this architecture"
#endif
  FloatModeGuard(const FloatModeGuard&) = delete;
  FloatModeGuard& operator=(const FloatModeGuard&) = delete;

 private:
#if defined(__aarch64__)
  std::uint64_t saved_ = 0;
#else
  unsigned saved_;
#endif
  bool changed_;
};

}  // namespace batchdot::kernel
