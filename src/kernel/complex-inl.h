// SPDX-License-Identifier: Apache-2.0
// Complex numbers: the register tile and its packs. Included once for each target; see kernels.cc.

#if defined(BATCHDOT_COMPLEX_INL_H) == defined(HWY_TARGET_TOGGLE)
#ifdef BATCHDOT_COMPLEX_INL_H
#undef BATCHDOT_COMPLEX_INL_H
#else
#define BATCHDOT_COMPLEX_INL_H
#endif

#include <algorithm>
#include <complex>
#include <cstdint>

#include "hwy/highway.h"
#include "src/kernel/kernels.h"
#include "src/kernel/microkernel-inl.h"
#include "src/kernel/pack-inl.h"

HWY_BEFORE_NAMESPACE();
namespace batchdot::kernel::HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

/// TileCall for complex numbers; a from lhs, or from rhs if kSwapped, which exchanges the im lines.
template <class T, int MR, int NV, bool kSwapped>
void tile_complex(const TileCall& call) {
  const hn::ScalableTag<T> d;
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(d));
  constexpr int kWidth = NV * static_cast<int>(HWY_LANES(T));
  TileSum<MR, kWidth, 2, T> running(call);
  const T* a_rows[MR];
  for (int i = 0; i < MR; ++i) a_rows[i] = static_cast<const T*>(call.a) + i * call.a_row;
  const T* b = static_cast<const T*>(call.b);
  std::int64_t a_at = 0;
  std::int64_t left = call.K;
  bool first = call.first;
  do {
    hn::Vec<decltype(d)> re[MR][NV];
    hn::Vec<decltype(d)> im[MR][NV];
    for (int i = 0; i < MR; ++i) {
      for (int v = 0; v < NV; ++v) re[i][v] = im[i][v] = hn::Zero(d);
    }
    const std::int64_t steps = std::min(left, kBlock);
    left -= steps;
    for (std::int64_t k = 0; k < steps; ++k, a_at += call.a_k, b += call.b_k) {
      for (int v = 0; v < NV; ++v) {
        const auto br = hn::LoadU(d, b + v * lanes);
        const auto bi = hn::LoadU(d, b + kWidth + v * lanes);
        for (int i = 0; i < MR; ++i) {
          const auto ar = hn::Set(d, a_rows[i][a_at]);
          const auto ai = hn::Set(d, a_rows[i][a_at + 1]);
          re[i][v] = hn::MulAdd(ar, br, re[i][v]);
          re[i][v] = hn::NegMulAdd(ai, bi, re[i][v]);
          im[i][v] = kSwapped ? hn::MulAdd(ai, br, im[i][v]) : hn::MulAdd(ar, bi, im[i][v]);
          im[i][v] = kSwapped ? hn::MulAdd(ar, bi, im[i][v]) : hn::MulAdd(ai, br, im[i][v]);
        }
      }
    }
    for (int i = 0; i < MR; ++i) {
      for (int v = 0; v < NV; ++v) {
        T* at = running.sum + i * running.row + v * lanes;
        T* at_im = at + running.plane;
        hn::StoreU(first ? re[i][v] : hn::Add(hn::LoadU(d, at), re[i][v]), d, at);
        hn::StoreU(first ? im[i][v] : hn::Add(hn::LoadU(d, at_im), im[i][v]), d, at_im);
      }
    }
    first = false;
  } while (left > 0);
  running.finish(call);
}

/// PackCall for complex numbers that are broadcast: (re, im) pairs, rows side by side.
template <class T>
void pack_complex_pairs(const PackCall& call) {
  const std::complex<T>* source = static_cast<const std::complex<T>*>(call.source);
  T* panel = static_cast<T*>(call.panel);
  for (std::int64_t k = 0; k < call.K; ++k, panel += 2 * call.width) {
    for (int r = 0; r < call.rows; ++r) {
      const std::complex<T> x = source[row_offset(call, r) + k_offset(call, k)];
      panel[2 * r] = x.real();
      panel[2 * r + 1] = call.conjugate ? -x.imag() : x.imag();
    }
    pad_row(panel, 2 * call.rows, 2 * call.padded);
  }
}

/// PackCall for complex numbers that are vectors: each k all re, then all im.
template <class T>
void pack_complex_planes(const PackCall& call) {
  const std::complex<T>* source = static_cast<const std::complex<T>*>(call.source);
  T* panel = static_cast<T*>(call.panel);
  for (std::int64_t k = 0; k < call.K; ++k, panel += 2 * call.width) {
    for (int r = 0; r < call.rows; ++r) {
      const std::complex<T> x = source[row_offset(call, r) + k_offset(call, k)];
      panel[r] = x.real();
      panel[call.width + r] = call.conjugate ? -x.imag() : x.imag();
    }
    pad_row(panel, call.rows, call.padded);
    pad_row(panel + call.width, call.rows, call.padded);
  }
}

// NOLINTNEXTLINE(google-readability-namespace-comments)
}  // namespace batchdot::kernel::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
