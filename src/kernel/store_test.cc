// SPDX-License-Identifier: Apache-2.0
// The stores of every target against the loops of reference.h, every width, and not one byte
// beside the elements.
#include <gtest/gtest.h>

#include <bit>
#include <complex>
#include <cstring>
#include <random>
#include <vector>

#include "src/kernel/kernels.h"
#include "src/kernel/reference.h"

namespace batchdot::kernel {
namespace {

template <class T>
bool is_nan(T x) {
  return x != x;
}
bool is_nan(Half x) { return is_nan(widen(x)); }
bool is_nan(BFloat16 x) { return is_nan(widen(x)); }
template <class T>
bool is_nan(std::complex<T>) {
  return false;
}

// The same bytes, every NaN alike.
template <class Out>
bool is_same(const Out& a, const Out& b) {
  if constexpr (kIsComplex<Out>) {
    return is_same(a.real(), b.real()) && is_same(a.imag(), b.imag());
  } else {
    return (is_nan(a) && is_nan(b)) || std::memcmp(&a, &b, sizeof a) == 0;
  }
}

template <class T>
T random_element(std::mt19937& random) {
  if constexpr (kIsComplex<T>) {
    using Real = typename T::value_type;
    const auto re = random_element<Real>(random);
    return T(re, random_element<Real>(random));
  } else if constexpr (std::is_integral_v<T>) {
    return static_cast<T>((static_cast<std::uint64_t>(random()) << 32) | random());
  } else if constexpr (std::is_floating_point_v<T>) {
    // Any pattern of bits now and then: subnormals, infinities, NaN.
    if (random() % 8 == 0) return std::bit_cast<float>(static_cast<std::uint32_t>(random()));
    return static_cast<T>(std::ldexp(static_cast<double>(random()) - 0x1p31, -29));
  } else {
    return T{static_cast<std::uint16_t>(random())};
  }
}

template <class T>
std::vector<T> random_elements(std::mt19937& random, std::int64_t count) {
  std::vector<T> elements(static_cast<std::size_t>(count));
  for (T& x : elements) x = random_element<T>(random);
  return elements;
}

// One store of one target against the reference: a block of 3 rows in the middle of more memory.
template <class T, class Out>
void expect_reference(const Kernels& kernels, StoreFunction store, std::int64_t columns,
                      std::mt19937& random) {
  using Scale = std::conditional_t<kIsComplex<Out>, T, Out>;
  constexpr std::int64_t rows = 3, pad = 2, kLine = 64 / sizeof(Out);
  for (int i = 0; i < 24; ++i) {
    StoreCall call{};
    call.rows = rows;
    call.columns = columns;
    call.sum_row = 2 * columns + 5;
    call.sum_plane = columns + 1;
    call.out_column = i % 6 == 5 ? 2 : 1;
    call.out_row = call.out_column * columns + pad;
    const double factors[] = {1, 3, -7};
    call.alpha = factors[random() % 3];
    call.beta = i % 2 == 0 ? 0 : factors[random() % 3];
    if constexpr (std::is_floating_point_v<T> && !kIsComplex<Out>) {
      call.activation = static_cast<Activation>(random() % kActivations);
    } else if constexpr (std::is_integral_v<T>) {
      call.activation = static_cast<Activation>(random() % 2);
    }
    if (i == 0) {
      call.alpha = 1;
      call.activation = Activation::kNone;
    }
    const std::vector<T> sums = random_elements<T>(random, rows * call.sum_row);
    const std::vector<Scale> scale = random_elements<Scale>(random, 2 * rows * (columns + 1));
    const std::vector<Out> bias = random_elements<Out>(random, 2 * rows * (columns + 1));
    const std::vector<Out> before = random_elements<Out>(random, rows * call.out_row + pad + kLine);
    call.sums = sums.data();
    if (i > 0 && random() % 2 == 0) call.scale = {scale.data(), 1, std::int64_t(random() % 3)};
    if (i > 0 && random() % 2 == 0) call.bias = {bias.data(), columns, std::int64_t(random() % 3)};
    if (call.bias.column == 2) call.bias.row = 1;
    std::vector<Out> expected = before, given = before;
    std::int64_t start = pad;
    if (i % 4 == 0) {  // what goes past the caches begins on a line, in the first row at least
      call.streams = true;
      while (reinterpret_cast<std::uintptr_t>(given.data() + start) % 64 != 0) ++start;
    }
    call.out = expected.data() + start;
    reference_store<T, Out>(call);
    call.out = given.data() + start;
    store(call);
    finish_streams();
    for (std::size_t at = 0; at < before.size(); ++at) {
      ASSERT_TRUE(is_same(expected[at], given[at]))
          << kernels.target << " columns " << columns << " element " << at << " alpha "
          << call.alpha << " beta " << call.beta << " activation "
          << static_cast<int>(call.activation) << " scale " << (call.scale.data != nullptr)
          << " bias " << (call.bias.data != nullptr) << " case " << i;
    }
  }
}

template <class T, class Record>
void expect_reference_everywhere(Arithmetic arithmetic) {
  using Out = typename Record::Element;
  std::mt19937 random(5);
  for (const Kernels* kernels : kernels_that_run_here()) {
    const StoreFunction store =
        kernels->arithmetic[static_cast<std::size_t>(arithmetic)].store[DType(Record{}).index()];
    ASSERT_NE(store, nullptr) << kernels->target;
    for (std::int64_t columns = 1; columns <= 40; ++columns) {
      expect_reference<T, Out>(*kernels, store, columns, random);
    }
    for (const std::int64_t columns : {255, 256, 257, 530}) {
      expect_reference<T, Out>(*kernels, store, columns, random);
    }
  }
}

TEST(Store, EveryTargetGivesTheBitsOfTheReference) {
  for (const Arithmetic arithmetic : {Arithmetic::kF32, Arithmetic::kBF16}) {
    expect_reference_everywhere<float, F32>(arithmetic);
    expect_reference_everywhere<float, F16>(arithmetic);
    expect_reference_everywhere<float, BF16>(arithmetic);
  }
  expect_reference_everywhere<double, F64>(Arithmetic::kF64);
  expect_reference_everywhere<std::int32_t, I32>(Arithmetic::kI32);
  expect_reference_everywhere<std::int32_t, I32>(Arithmetic::kI8);
  expect_reference_everywhere<std::int64_t, I64>(Arithmetic::kI64);
  expect_reference_everywhere<float, C64>(Arithmetic::kC64);
  expect_reference_everywhere<double, C128>(Arithmetic::kC128);
}

// One row of sums, stored as they are.
template <class T, class Out>
StoreCall plain_row(const std::vector<T>& sums, std::vector<Out>& out) {
  StoreCall call{};
  call.rows = 1;
  call.columns = static_cast<std::int64_t>(sums.size());
  call.sums = sums.data();
  call.out = out.data();
  call.out_column = 1;
  call.alpha = 1;
  return call;
}

// Plain conversion of each border of rounding, and of many patterns of bits.
template <class Record>
void expect_conversion() {
  using Out = typename Record::Element;
  std::vector<float> sums;
  for (std::uint32_t high = 0; high < 65536; ++high) {
    for (const std::uint32_t low : {0u, 1u, 0x7FFFu, 0x8000u, 0x8001u, 0xFFFFu}) {
      sums.push_back(std::bit_cast<float>((high << 16) | low));
    }
    for (const std::uint32_t low : {0x0FFFu, 0x1000u, 0x1001u, 0x2FFFu, 0x3000u, 0x3001u}) {
      sums.push_back(std::bit_cast<float>((high << 16) | low));
    }
  }
  for (const Kernels* kernels : kernels_that_run_here()) {
    std::vector<Out> out(sums.size());
    const StoreCall call = plain_row(sums, out);
    kernels->arithmetic[static_cast<std::size_t>(Arithmetic::kF32)].store[DType(Record{}).index()](
        call);
    for (std::size_t i = 0; i < sums.size(); ++i) {
      ASSERT_TRUE(is_same(out[i], convert<Out>(sums[i])))
          << kernels->target << std::hexfloat << ' ' << sums[i] << " gives " << out[i].bits;
    }
  }
}

TEST(Store, NarrowResultsAreConvertedAsOneByOne) {
  expect_conversion<F16>();
  expect_conversion<BF16>();
}

// Past the caches or not: whole lines, rows that begin within one, and ends that fill none.
template <class Record>
void expect_streamed() {
  using Out = typename Record::Element;
  std::mt19937 random(6);
  const std::int64_t rows = 3;
  for (const Kernels* kernels : kernels_that_run_here()) {
    for (const std::int64_t columns : {31, 32, 64, 96, 100}) {
      for (const std::int64_t out_row : {columns, columns + 32, columns + 1}) {
        const std::vector<float> sums = random_elements<float>(random, rows * columns);
        struct alignas(64) Line {
          Out elements[64 / sizeof(Out)];
        };
        std::vector<Line> memory(32);
        StoreCall call{};
        call.sums = sums.data();
        call.out_column = 1;
        call.alpha = 1;
        call.rows = rows;
        call.columns = call.sum_row = columns;
        call.out = memory.data();
        call.out_row = out_row;
        call.streams = true;
        kernels->of(Arithmetic::kF32).store[DType(Record{}).index()](call);
        finish_streams();
        const Out* out = memory.front().elements;
        for (std::int64_t at = 0; at < rows * out_row; ++at) {
          const std::int64_t row = at / out_row, column = at % out_row;
          const Out wanted =
              column < columns
                  ? convert<Out>(sums[static_cast<std::size_t>(row * columns + column)])
                  : Out{};
          ASSERT_TRUE(is_same(out[at], wanted))
              << kernels->target << ' ' << columns << " columns of " << out_row << " at " << at;
        }
      }
    }
  }
}

TEST(Store, NarrowResultsPastTheCachesAreTheSame) {
  expect_streamed<F16>();
  expect_streamed<BF16>();
}

// Every lane of every activation, over numbers of every size.
template <class T, class Record>
void expect_activations(Arithmetic arithmetic) {
  std::mt19937_64 random(9);
  std::vector<T> xs;
  for (int i = 0; i < 20000; ++i) {
    const double unit = static_cast<double>(random() >> 11) * 0x1p-52 - 1;
    xs.push_back(static_cast<T>(std::ldexp(unit, static_cast<int>(random() % 90) - 80)));
    xs.push_back(static_cast<T>(8 * unit));
  }
  using Limits = std::numeric_limits<T>;
  for (const T x : {Limits::infinity(), Limits::quiet_NaN(), Limits::max(), Limits::min(),
                    Limits::denorm_min(), T(0), T(1)}) {
    xs.push_back(x);
    xs.push_back(-x);
  }
  for (const Kernels* kernels : kernels_that_run_here()) {
    for (int code = 1; code < kActivations; ++code) {  // 0 is none
      const auto activation = static_cast<Activation>(code);
      std::vector<T> out(xs.size());
      StoreCall call = plain_row(xs, out);
      call.activation = activation;
      kernels->arithmetic[static_cast<std::size_t>(arithmetic)].store[DType(Record{}).index()](
          call);
      for (std::size_t i = 0; i < xs.size(); ++i) {
        ASSERT_TRUE(is_same(out[i], activate_scalar(activation, xs[i])))
            << kernels->target << std::hexfloat << ' ' << xs[i] << " gives " << out[i]
            << " activation " << static_cast<int>(activation);
      }
    }
  }
}

TEST(Store, ActivationsHaveTheBitsOfTheScalarFormInEveryLane) {
  expect_activations<float, F32>(Arithmetic::kF32);
  expect_activations<double, F64>(Arithmetic::kF64);
}

}  // namespace
}  // namespace batchdot::kernel
