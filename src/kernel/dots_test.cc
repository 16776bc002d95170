// SPDX-License-Identifier: Apache-2.0
// Rows read where they lie: every tail of K and of the rows, any distance between rows, judged by
// the order of docs/numerics.md written out.

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <complex>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <random>
#include <type_traits>
#include <vector>

#include "src/kernel/kernels.h"

namespace batchdot::kernel {
namespace {

template <class T>
using RealOf = typename decltype([] {
  if constexpr (std::is_floating_point_v<T>) {
    return std::type_identity<T>();
  } else {
    return std::type_identity<typename T::value_type>();
  }
}())::type;

template <class T>
inline constexpr bool kIsPairs = !std::is_floating_point_v<T>;

// fma(a, b, sum), of complex numbers the four of docs/numerics.md, a from lhs.
template <class T>
T add_product(T a, T b, T sum) {
  return std::fma(a, b, sum);
}
template <class T>
std::complex<T> add_product(std::complex<T> a, std::complex<T> b, std::complex<T> sum) {
  return {std::fma(-a.imag(), b.imag(), std::fma(a.real(), b.real(), sum.real())),
          std::fma(a.imag(), b.real(), std::fma(a.real(), b.imag(), sum.imag()))};
}

template <class T>
T in_order(const T* a, const T* b, std::int64_t K, bool a_conjugate = false,
           bool b_conjugate = false) {
  const auto at = [](const T* x, bool conjugate) {
    if constexpr (std::is_floating_point_v<T>) {
      return *x;
    } else {
      return conjugate ? std::conj(*x) : *x;
    }
  };
  T sum{};
  for (std::int64_t from = 0; from < std::max<std::int64_t>(K, 1); from += 128) {
    T block = 0;
    for (std::int64_t k = from; k < std::min(K, from + 128); ++k) {
      block = add_product(at(a + k, a_conjugate), at(b + k, b_conjugate), block);
    }
    sum = from == 0 ? block : sum + block;
  }
  return sum;
}

// Rows `stride` apart in memory that holds nothing else: NaN stands around them.
template <class T>
struct Rows {
  Rows(std::mt19937& random, std::int64_t count, std::int64_t K, std::int64_t distance)
      : stride(distance) {
    const std::int64_t reach = std::llabs(stride) * (count - 1) + K;
    using Real = RealOf<T>;
    memory.assign(static_cast<std::size_t>(reach + 2), std::numeric_limits<Real>::quiet_NaN());
    first = memory.data() + 1 + (stride < 0 ? -stride * (count - 1) : 0);
    for (std::int64_t i = 0; i < count; ++i) {
      for (std::int64_t k = 0; k < K; ++k) {
        const auto number = [&] {
          return static_cast<Real>(
              std::ldexp(static_cast<double>(static_cast<int>(random() % 2001) - 1000),
                         -static_cast<int>(random() % 20)));
        };
        if constexpr (std::is_floating_point_v<T>) {
          first[i * stride + k] = number();
        } else {
          first[i * stride + k] = {number(), number()};
        }
      }
    }
  }
  std::vector<T> memory;
  T* first;
  std::int64_t stride;
};

template <class T>
bool same_bits(T a, T b) {
  return std::memcmp(&a, &b, sizeof(T)) == 0;
}

template <class T>
class InPlace : public ::testing::Test {
 protected:
  static constexpr Arithmetic kArithmetic = sizeof(RealOf<T>) == 4
                                                ? kIsPairs<T> ? Arithmetic::kC64 : Arithmetic::kF32
                                            : kIsPairs<T> ? Arithmetic::kC128
                                                          : Arithmetic::kF64;
};
using Elements = ::testing::Types<float, double, std::complex<float>, std::complex<double>>;
TYPED_TEST_SUITE(InPlace, Elements);

// The sums of a call, and what they are of: complex ones in two planes, `plane` apart.
template <class T>
struct Sums {
  using Real = RealOf<T>;
  explicit Sums(std::int64_t count)
      : plane(count + 5),
        reals(static_cast<std::size_t>(2 * plane), std::numeric_limits<Real>::quiet_NaN()) {}
  T at(std::int64_t i) const {
    const Real re = reals[static_cast<std::size_t>(i)];
    if constexpr (std::is_floating_point_v<T>) {
      return re;
    } else {
      return {re, reals[static_cast<std::size_t>(plane + i)]};
    }
  }
  std::int64_t plane;
  std::vector<Real> reals;
};

std::int64_t distance(std::int64_t K, std::int64_t i) {
  const std::int64_t kDistances[] = {K, K + 3, 0, -K - 1, 1};
  return kDistances[i % 5];
}

// In one call, or in two where K is cut at a multiple of 128.
template <class T>
void call_whole_and_cut(RowsFunction function, RowsCall call, bool is_cut) {
  call.first = true;
  if (!is_cut) return function(call);
  const std::int64_t K = call.K;
  call.K = 128;
  function(call);
  call.first = false;
  call.K = K - 128;
  call.a = static_cast<const T*>(call.a) + 128;
  call.b = static_cast<const T*>(call.b) + 128;
  function(call);
}

TYPED_TEST(InPlace, RowDotsKeepTheOrderAtEveryTail) {
  using T = TypeParam;
  std::mt19937 random(20301);
  for (const Kernels* kernels : kernels_that_run_here()) {
    const RowsFunction dots =
        kernels->arithmetic[static_cast<std::size_t>(this->kArithmetic)].row_dots;
    if (dots == nullptr) continue;  // scalar
    for (std::int64_t K = 0; K <= 300; ++K) {
      const std::int64_t count = 1 + (K * 7 + 3) % 40;
      const Rows<T> a(random, count, K, distance(K, K)), b(random, count, K, distance(K, K / 5));
      const bool conj_a = kIsPairs<T> && K % 5 == 1, conj_b = kIsPairs<T> && K % 7 == 2;
      Sums<T> sums(count);
      call_whole_and_cut<T>(dots,
                            {K, count, a.first, a.stride, b.first, b.stride, sums.reals.data(), 0,
                             true, sums.plane, conj_a, conj_b},
                            K > 128 && K % 3 == 0);
      for (std::int64_t i = 0; i < count; ++i) {
        ASSERT_TRUE(same_bits(sums.at(i), in_order(a.first + i * a.stride, b.first + i * b.stride,
                                                   K, conj_a, conj_b)))
            << kernels->target << " K " << K << " row " << i << " of " << count;
      }
    }
  }
}

TYPED_TEST(InPlace, LongRowsKeepTheOrderOfTheirBlocks) {
  using T = TypeParam;
  std::mt19937 random(20302);
  for (const Kernels* kernels : kernels_that_run_here()) {
    const RowsFunction dots =
        kernels->arithmetic[static_cast<std::size_t>(this->kArithmetic)].row_dots;
    if (dots == nullptr) continue;
    for (const std::int64_t K : {128 * 31, 128 * 32, 128 * 32 + 1, 128 * 33 + 5, 128 * 70 - 1}) {
      for (const std::int64_t count : {1, 3, 17}) {
        const Rows<T> a(random, count, K, K), b(random, count, K, K + 16);
        Sums<T> sums(count);
        dots({K, count, a.first, a.stride, b.first, b.stride, sums.reals.data(), 0, true,
              sums.plane});
        for (std::int64_t i = 0; i < count; ++i) {
          ASSERT_TRUE(
              same_bits(sums.at(i), in_order(a.first + i * a.stride, b.first + i * b.stride, K)))
              << kernels->target << " K " << K << " row " << i << " of " << count;
        }
      }
    }
  }
}

TYPED_TEST(InPlace, VectorRowsKeepTheOrderAtEveryTail) {
  using T = TypeParam;
  using Real = RealOf<T>;
  constexpr std::int64_t kParts = kIsPairs<T> ? 2 : 1;
  std::mt19937 random(20303);
  for (const Kernels* kernels : kernels_that_run_here()) {
    const auto& table = kernels->arithmetic[static_cast<std::size_t>(this->kArithmetic)];
    for (std::int64_t K = 0; K <= 300; ++K) {
      const std::int64_t M = 1 + K % kMaxVectorRows;
      const bool is_swapped = kIsPairs<T> && K % 3 == 1;
      const RowsFunction vector =
          (is_swapped ? table.vector_rows_swapped : table.vector_rows)[M - 1];
      if (vector == nullptr) continue;  // scalar
      const std::int64_t count = 1 + (K * 7 + 3) % 40;
      const std::int64_t sum_row = count + 2, plane = M * sum_row;
      const bool conj_a = kIsPairs<T> && K % 5 == 1, conj_b = kIsPairs<T> && K % 7 == 2;
      const Rows<T> a(random, M, K, distance(K, K)), b(random, count, K, distance(K, K / 5));
      std::vector<Real> sums(static_cast<std::size_t>(kParts * plane), Real{-7});
      call_whole_and_cut<T>(vector,
                            {K, count, a.first, a.stride, b.first, b.stride, sums.data(), sum_row,
                             true, plane, conj_a, conj_b},
                            K > 128 && K % 3 == 0);
      for (std::int64_t m = 0; m < M; ++m) {
        const Real* row = sums.data() + m * sum_row;
        const T* of_a = a.first + m * a.stride;
        for (std::int64_t i = 0; i < count; ++i) {
          const T* of_b = b.first + i * b.stride;
          const T wanted = is_swapped ? in_order(of_b, of_a, K, conj_b, conj_a)
                                      : in_order(of_a, of_b, K, conj_a, conj_b);
          T computed{};
          if constexpr (std::is_floating_point_v<T>) {
            computed = row[i];
          } else {
            computed = {row[i], row[plane + i]};
          }
          ASSERT_TRUE(same_bits(computed, wanted)) << kernels->target << " K " << K << " row " << m
                                                   << " of " << M << ", " << i << " of " << count;
        }
        for (std::int64_t part = 0; part < kParts; ++part) {
          ASSERT_EQ(row[part * plane + count], Real{-7}) << "behind the sums";
        }
      }
    }
  }
}

}  // namespace
}  // namespace batchdot::kernel
