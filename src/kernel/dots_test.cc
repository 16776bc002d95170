// SPDX-License-Identifier: Apache-2.0
// Rows read where they lie: every tail of K and of the rows, any distance between rows, judged by
// the order of docs/numerics.md written out.

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <random>
#include <vector>

#include "src/kernel/kernels.h"

namespace batchdot::kernel {
namespace {

template <class T>
T in_order(const T* a, const T* b, std::int64_t K) {
  T sum{};
  for (std::int64_t from = 0; from < std::max<std::int64_t>(K, 1); from += 128) {
    T block = 0;
    for (std::int64_t k = from; k < std::min(K, from + 128); ++k)
      block = std::fma(a[k], b[k], block);
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
    memory.assign(static_cast<std::size_t>(reach + 2), std::numeric_limits<T>::quiet_NaN());
    first = memory.data() + 1 + (stride < 0 ? -stride * (count - 1) : 0);
    for (std::int64_t i = 0; i < count; ++i) {
      for (std::int64_t k = 0; k < K; ++k) {
        first[i * stride + k] =
            static_cast<T>(std::ldexp(static_cast<double>(static_cast<int>(random() % 2001) - 1000),
                                      -static_cast<int>(random() % 20)));
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
  static constexpr Arithmetic kArithmetic = sizeof(T) == 4 ? Arithmetic::kF32 : Arithmetic::kF64;
};
using Reals = ::testing::Types<float, double>;
TYPED_TEST_SUITE(InPlace, Reals);

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
      std::vector<T> sums(static_cast<std::size_t>(count), std::numeric_limits<T>::quiet_NaN());
      call_whole_and_cut<T>(dots,
                            {K, count, a.first, a.stride, b.first, b.stride, sums.data(), 0, true},
                            K > 128 && K % 3 == 0);
      for (std::int64_t i = 0; i < count; ++i) {
        ASSERT_TRUE(same_bits(sums[static_cast<std::size_t>(i)],
                              in_order(a.first + i * a.stride, b.first + i * b.stride, K)))
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
        std::vector<T> sums(static_cast<std::size_t>(count));
        dots({K, count, a.first, a.stride, b.first, b.stride, sums.data(), 0, true});
        for (std::int64_t i = 0; i < count; ++i) {
          ASSERT_TRUE(same_bits(sums[static_cast<std::size_t>(i)],
                                in_order(a.first + i * a.stride, b.first + i * b.stride, K)))
              << kernels->target << " K " << K << " row " << i << " of " << count;
        }
      }
    }
  }
}

TYPED_TEST(InPlace, VectorRowsKeepTheOrderAtEveryTail) {
  using T = TypeParam;
  std::mt19937 random(20303);
  for (const Kernels* kernels : kernels_that_run_here()) {
    const auto& table = kernels->arithmetic[static_cast<std::size_t>(this->kArithmetic)];
    for (std::int64_t K = 0; K <= 300; ++K) {
      const std::int64_t M = 1 + K % kMaxVectorRows;
      const RowsFunction vector = table.vector_rows[M - 1];
      if (vector == nullptr) continue;  // scalar
      const std::int64_t count = 1 + (K * 7 + 3) % 40;
      const std::int64_t sum_row = count + 2;
      const Rows<T> a(random, M, K, distance(K, K)), b(random, count, K, distance(K, K / 5));
      std::vector<T> sums(static_cast<std::size_t>(M * sum_row), T{-7});
      call_whole_and_cut<T>(
          vector, {K, count, a.first, a.stride, b.first, b.stride, sums.data(), sum_row, true},
          K > 128 && K % 3 == 0);
      for (std::int64_t m = 0; m < M; ++m) {
        const T* row = sums.data() + m * sum_row;
        for (std::int64_t i = 0; i < count; ++i) {
          ASSERT_TRUE(
              same_bits(row[i], in_order(a.first + m * a.stride, b.first + i * b.stride, K)))
              << kernels->target << " K " << K << " row " << m << " of " << M << ", " << i << " of "
              << count;
        }
        ASSERT_EQ(row[count], T{-7}) << "behind the sums";
      }
    }
  }
}

}  // namespace
}  // namespace batchdot::kernel
