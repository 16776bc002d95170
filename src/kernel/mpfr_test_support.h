// SPDX-License-Identifier: Apache-2.0
#pragma once
// Functions to 140 bits, over a range of exponents that no double has.

#include <mpfr.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <type_traits>

namespace batchdot::kernel {

class MpfrTruth {
 public:
  using Function = int (*)(mpfr_ptr, mpfr_srcptr, mpfr_rnd_t);

  MpfrTruth() { mpfr_inits2(140, x_, result_, nullptr); }
  ~MpfrTruth() { mpfr_clears(x_, result_, nullptr); }
  MpfrTruth(const MpfrTruth&) = delete;
  MpfrTruth& operator=(const MpfrTruth&) = delete;

  // How far `computed` is from f(x), in units of the last place of T at f(x).
  template <class T>
  double ulps(Function f, T x, T computed) {
    using Limits = std::numeric_limits<T>;
    mpfr_set_d(x_, static_cast<double>(x), MPFR_RNDN);
    f(result_, x_, MPFR_RNDN);
    const long exponent = std::max<long>(mpfr_get_exp(result_), Limits::min_exponent);
    mpfr_sub_d(result_, result_, static_cast<double>(computed), MPFR_RNDN);
    mpfr_mul_2si(result_, result_, Limits::digits - exponent, MPFR_RNDN);
    return std::fabs(mpfr_get_d(result_, MPFR_RNDN));
  }

  // f(x) rounded to nearest.
  template <class T>
  T rounded(Function f, T x) {
    mpfr_set_d(x_, static_cast<double>(x), MPFR_RNDN);
    f(result_, x_, MPFR_RNDN);
    return std::is_same_v<T, float> ? static_cast<T>(mpfr_get_flt(result_, MPFR_RNDN))
                                    : static_cast<T>(mpfr_get_d(result_, MPFR_RNDN));
  }

 private:
  mpfr_t x_, result_;
};

}  // namespace batchdot::kernel
