// SPDX-License-Identifier: Apache-2.0
// Tiny products of every target against plain loops, at every size and layout that they take.
#include <gtest/gtest.h>

#include <cmath>
#include <complex>
#include <limits>
#include <random>
#include <span>
#include <string_view>
#include <type_traits>
#include <vector>

#include "src/kernel/kernels.h"

namespace batchdot::kernel {
namespace {

struct Sizes {
  std::int64_t items, M, N, K;
};

template <class T>
constexpr bool is_complex = !std::is_arithmetic_v<T>;

// One step of the chain, as docs/numerics.md has it.
template <class T>
T multiply_add(T a, T b, T sum) {
  if constexpr (is_complex<T>) {
    const auto re = std::fma(-a.imag(), b.imag(), std::fma(a.real(), b.real(), sum.real()));
    const auto im = std::fma(a.imag(), b.real(), std::fma(a.real(), b.imag(), sum.imag()));
    return {re, im};
  } else if constexpr (std::is_floating_point_v<T>) {
    return std::fma(a, b, sum);
  } else {
    using Unsigned = std::make_unsigned_t<T>;
    return static_cast<T>(static_cast<Unsigned>(a) * static_cast<Unsigned>(b) +
                          static_cast<Unsigned>(sum));
  }
}

template <class T>
T random_element(std::mt19937& random) {
  if constexpr (is_complex<T>) {
    using Real = typename T::value_type;
    const auto re = random_element<Real>(random);
    return {re, random_element<Real>(random)};
  } else if constexpr (std::is_floating_point_v<T>) {
    return std::uniform_real_distribution<T>(-1, 1)(random);
  } else {
    using Limits = std::numeric_limits<T>;
    return std::uniform_int_distribution<T>(Limits::min(), Limits::max())(random);
  }
}

// How operands lie: every stride a little more than it must be, so that gaps can be watched; with
// kNoGap item by item.
enum class LayoutOf { kRows, kColumns, kSpread };
constexpr std::int64_t kNoGap = -1;

template <class T>
class TinyProducts {
 public:
  TinyProducts(const Sizes& sizes, LayoutOf a, LayoutOf b, std::int64_t gap_or_none, bool asks)
      : sizes_(sizes) {
    if (is_complex<T>) {  // the one layout that it takes
      call_.a_conjugate = a == LayoutOf::kColumns;
      call_.b_conjugate = b == LayoutOf::kColumns;
      a = b = LayoutOf::kRows;
    }
    const auto [items, M, N, K] = sizes;
    const std::int64_t gap = gap_or_none == kNoGap ? 0 : gap_or_none;
    call_.items = items;
    call_.asks = call_.asks_early = asks;
    call_.M = M;
    call_.N = N;
    call_.K = K;
    call_.a_k = a == LayoutOf::kRows ? 1 : a == LayoutOf::kColumns ? M + gap : 2;
    call_.a_row = a == LayoutOf::kRows ? K + gap : a == LayoutOf::kColumns ? 1 : 2 * K + 1;
    call_.a_item = (M + gap) * (2 * K + gap + 1);
    call_.b_k = b == LayoutOf::kRows ? N + gap : 1;
    call_.b_column = b == LayoutOf::kRows ? 1 : K + gap + 2;
    call_.b_item = (N + gap) * (K + gap + 2) + 1;
    call_.out_row = N + gap;
    call_.out_item = M * (N + gap);
    if (gap_or_none == kNoGap) {
      call_.b_column = b == LayoutOf::kRows ? 1 : K;
      call_.a_item = M * K;
      call_.b_item = K * N;
    }
    fill(a_, items * call_.a_item);
    fill(b_, items * call_.b_item);
    call_.streams = asks && gap == 0 && K <= kTinyStreamK;
    constexpr std::size_t kLine = 64 / sizeof(T);
    memory_.assign(static_cast<std::size_t>(items * call_.out_item) + 2 * kLine, kUntouched);
    const auto misaligned = reinterpret_cast<std::uintptr_t>(memory_.data()) % 64 / sizeof(T);
    out_ = std::span(memory_).subspan(kLine - misaligned, memory_.size() - 2 * kLine);
    call_.a = a_.data();
    call_.b = b_.data();
    call_.out = out_.data();
  }

  void run(TinyFunction tiny) {
    tiny(call_);
    finish_streams();
  }

  std::vector<T> expected() const {
    std::vector<T> out(out_.size(), kUntouched);
    for (std::int64_t item = 0; item < sizes_.items; ++item) {
      for (std::int64_t i = 0; i < sizes_.M; ++i) {
        for (std::int64_t j = 0; j < sizes_.N; ++j) {
          T sum = 0;
          for (std::int64_t k = 0; k < sizes_.K; ++k) {
            const T a = at(a_, item * call_.a_item + i * call_.a_row + k * call_.a_k);
            const T b = at(b_, item * call_.b_item + j * call_.b_column + k * call_.b_k);
            sum = multiply_add(conjugated(a, call_.a_conjugate), conjugated(b, call_.b_conjugate),
                               sum);
          }
          out[static_cast<std::size_t>(item * call_.out_item + i * call_.out_row + j)] = sum;
        }
      }
    }
    return out;
  }
  std::vector<T> out() const { return {out_.begin(), out_.end()}; }

 private:
  static constexpr T kUntouched = 12345;
  static T at(const std::vector<T>& elements, std::int64_t i) {
    return elements[static_cast<std::size_t>(i)];
  }
  static T conjugated(T x, bool is_so) {
    if constexpr (is_complex<T>) return is_so ? std::conj(x) : x;
    return x;
  }
  void fill(std::vector<T>& elements, std::int64_t count) {
    elements.resize(static_cast<std::size_t>(count));
    for (T& element : elements) element = random_element<T>(random_);
  }

  Sizes sizes_;
  TinyCall call_{};
  std::mt19937 random_{20264};
  std::vector<T> a_, b_, memory_;
  std::span<T> out_;  // of memory_, on whole lines
};

template <class T>
void expect_plain_loops(Arithmetic arithmetic) {
  constexpr int kReals = is_complex<T> ? 2 : 1;
  for (const Kernels* table : kernels_that_run_here()) {
    const ArithmeticKernels& kernels = table->arithmetic[static_cast<std::size_t>(arithmetic)];
    if (kernels.tiny == nullptr) continue;
    for (std::int64_t M = 0; M <= 17; ++M) {
      for (std::int64_t N = 1; kReals * N <= kTinyN; N += N < 17 ? 1 : 5) {
        for (const std::int64_t K : {0, 1, 2, 3, 4, 5, 7, 8, 16, 17, 32, 64}) {
          if (kReals * K > kTinyK) continue;
          const std::int64_t any = M + 5 * N + 7 * K;
          const auto a = static_cast<LayoutOf>(any % 3);
          const auto b = static_cast<LayoutOf>(any / 3 % 2);
          TinyProducts<T> products({any % 8 == 0 ? 37 : 2, M, N, K}, a, b, any % 5 == 0 ? 1 : 0,
                                   any % 7 != 0);
          products.run(kernels.tiny);
          ASSERT_EQ(products.out(), products.expected())
              << table->target << ' ' << M << 'x' << N << 'x' << K << " a " << any % 3 << " b "
              << static_cast<int>(b);
        }
      }
    }
  }
}

// Sizes with code of their own, and those whose passes differ in height.
template <class T>
void expect_plain_loops_in_passes(Arithmetic arithmetic) {
  for (const Kernels* table : kernels_that_run_here()) {
    const ArithmeticKernels& kernels = table->arithmetic[static_cast<std::size_t>(arithmetic)];
    if (kernels.tiny == nullptr) continue;
    for (const std::int64_t M : {8, 12, 16, 23, 24, 32}) {
      for (const std::int64_t N : {8, 16, 20, 24, 32}) {
        for (const std::int64_t K : {6, 8, 16, 24, 32, 40}) {
          for (int i = 0; i < 12; ++i) {
            const auto a = i % 2 == 0 ? LayoutOf::kRows : LayoutOf::kColumns;
            const auto b = i / 2 % 2 == 0 ? LayoutOf::kRows : LayoutOf::kColumns;
            const std::int64_t gap = i / 4 - 1;
            TinyProducts<T> products({2, M, N, K}, a, b, gap, (M + N + K + i) / 4 % 2 == 0);
            products.run(kernels.tiny);
            ASSERT_EQ(products.out(), products.expected())
                << table->target << ' ' << M << 'x' << N << 'x' << K << " case " << i;
          }
        }
      }
    }
  }
}

TEST(Tiny, F32IsThePlainLoopsInPasses) { expect_plain_loops_in_passes<float>(Arithmetic::kF32); }
TEST(Tiny, F64IsThePlainLoopsInPasses) { expect_plain_loops_in_passes<double>(Arithmetic::kF64); }

TEST(Tiny, I32IsThePlainLoopsInPasses) {
  expect_plain_loops_in_passes<std::int32_t>(Arithmetic::kI32);
}
TEST(Tiny, I64IsThePlainLoopsInPasses) {
  expect_plain_loops_in_passes<std::int64_t>(Arithmetic::kI64);
}

TEST(Tiny, F32IsThePlainLoopsAtEverySize) { expect_plain_loops<float>(Arithmetic::kF32); }
TEST(Tiny, F64IsThePlainLoopsAtEverySize) { expect_plain_loops<double>(Arithmetic::kF64); }
TEST(Tiny, I32IsThePlainLoopsAtEverySize) { expect_plain_loops<std::int32_t>(Arithmetic::kI32); }
TEST(Tiny, I64IsThePlainLoopsAtEverySize) { expect_plain_loops<std::int64_t>(Arithmetic::kI64); }
TEST(Tiny, C64IsThePlainLoopsAtEverySize) {
  expect_plain_loops<std::complex<float>>(Arithmetic::kC64);
}
TEST(Tiny, C128IsThePlainLoopsAtEverySize) {
  expect_plain_loops<std::complex<double>>(Arithmetic::kC128);
}

TEST(Tiny, EveryVectorTargetHasIt) {
  for (const Kernels* table : kernels_that_run_here()) {
    const bool is_scalar = std::string_view(table->target) == "scalar";
    for (const ArithmeticKernels& kernels : table->arithmetic) {
      EXPECT_EQ(kernels.tiny == nullptr, is_scalar) << table->target;
    }
  }
}

}  // namespace
}  // namespace batchdot::kernel
