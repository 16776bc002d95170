// SPDX-License-Identifier: Apache-2.0
// Packs, tiles and dots of every target against the order of docs/numerics.md as plain loops, at
// every height and width of a tile and for every kind of layout.
#include "src/kernel/kernels.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <random>
#include <span>
#include <sstream>
#include <string_view>
#include <vector>

#include "src/kernel/convert.h"
#include "src/kernel/float_mode.h"

namespace batchdot::kernel {
namespace {

// How elements of `rows` x K lie in memory.
enum class Lie : std::uint8_t { kContiguousK, kContiguousRows, kApart, kTables, kBackwards };
constexpr Lie kLies[] = {Lie::kContiguousK, Lie::kContiguousRows, Lie::kApart, Lie::kTables,
                         Lie::kBackwards};

template <class T>
T random_element(std::mt19937& random) {
  if constexpr (std::is_same_v<T, BFloat16> || std::is_same_v<T, Half>) {
    // A number of ordinary size; now and then one that is subnormal or nearly so.
    const bool is_tiny = random() % 16 == 0;
    if constexpr (std::is_same_v<T, BFloat16>) {
      const auto exponent = static_cast<unsigned>(is_tiny ? random() % 3 : 120 + random() % 10);
      return {static_cast<std::uint16_t>((random() & 0x807Fu) | (exponent << 7))};
    } else {
      const auto exponent = static_cast<unsigned>(is_tiny ? 0 : 10 + random() % 10);
      return {static_cast<std::uint16_t>((random() & 0x83FFu) | (exponent << 10))};
    }
  } else if constexpr (kIsComplex<T>) {
    using Real = typename T::value_type;
    std::uniform_real_distribution<Real> part(-2, 2);
    const Real re = part(random);
    return T(re, part(random));
  } else if constexpr (std::is_floating_point_v<T>) {
    return std::uniform_real_distribution<T>(-2, 2)(random);
  } else {
    return static_cast<T>((static_cast<std::uint64_t>(random()) << 32) | random());
  }
}

template <class T>
struct Matrix {
  std::vector<T> memory;
  std::vector<std::int64_t> row_table, k_table;
  std::int64_t first = 0, row_stride = 0, k_stride = 0;
  bool has_tables = false;

  Matrix(std::mt19937& random, int rows, std::int64_t K, Lie lie) {
    const auto count = static_cast<std::size_t>((2 * rows + 3) * (2 * K + 3));
    for (std::size_t i = 0; i < count; ++i) memory.push_back(random_element<T>(random));
    row_stride = lie == Lie::kContiguousRows ? 1 : lie == Lie::kContiguousK ? K + 1 : 2 * K + 1;
    k_stride = lie == Lie::kContiguousRows ? rows + 2 : lie == Lie::kContiguousK ? 1 : 2;
    if (lie == Lie::kBackwards) {
      first = (rows - 1) * row_stride;
      row_stride = -row_stride;
    }
    has_tables = lie == Lie::kTables;
    for (int r = 0; has_tables && r < rows; ++r) row_table.push_back((r ^ 1) * (2 * K + 1));
    for (std::int64_t k = 0; has_tables && k < K; ++k) k_table.push_back(K - 1 - k);
  }
  const T* source() const { return memory.data() + first; }
  T at(int row, std::int64_t k) const {
    return has_tables ? source()[row_table[static_cast<std::size_t>(row)] +
                                 k_table[static_cast<std::size_t>(k)]]
                      : source()[row * row_stride + k * k_stride];
  }
  // Of rows from `from` on.
  PackCall call(int from, int rows, std::int64_t K, int width, void* panel, bool conjugate) const {
    PackCall call{};
    call.source = source() + (has_tables ? 0 : from * row_stride);
    call.row_stride = row_stride;
    call.k_stride = k_stride;
    call.row_offsets = has_tables ? row_table.data() + from : nullptr;
    call.k_offsets = has_tables ? k_table.data() : nullptr;
    call.rows = rows;
    call.K = K;
    call.width = call.padded = width;
    call.panel = panel;
    call.conjugate = conjugate;
    return call;
  }
};

template <class Real>
Real add(Real a, Real b) {
  if constexpr (std::is_integral_v<Real>) {
    return static_cast<Real>(static_cast<std::uint64_t>(a) + static_cast<std::uint64_t>(b));
  } else {
    return a + b;
  }
}
template <class Real>
Real multiply_then_add(Real a, Real b, Real sum) {
  if constexpr (std::is_integral_v<Real>) {
    return static_cast<Real>(static_cast<std::uint64_t>(a) * static_cast<std::uint64_t>(b) +
                             static_cast<std::uint64_t>(sum));
  } else {
    return std::fma(a, b, sum);
  }
}

template <class Real>
struct Element {
  Real re = 0, im = 0;
};

// A row of lhs or a column of rhs.
template <class T>
struct Line {
  const Matrix<T>& matrix;
  int at;
  bool is_conjugated;
  T element(std::int64_t k) const {
    if constexpr (kIsComplex<T>) {
      if (is_conjugated) return std::conj(matrix.at(at, k));
    }
    return matrix.at(at, k);
  }
};

// One element of the result, for k = 0 .. K-1.
template <class Real, class T>
Element<Real> expected(Arithmetic arithmetic, const Line<T>& lhs, const Line<T>& rhs,
                       std::int64_t K, Element<Real> sum, bool first) {
  for (std::int64_t begin = 0; begin < K || first; begin += kBlock) {
    Element<Real> block;
    const std::int64_t end = std::min(K, begin + kBlock);
    for (std::int64_t k = begin; k < end; ++k) {
      if constexpr (kIsComplex<T>) {
        const T x = lhs.element(k);
        const T y = rhs.element(k);
        block.re = std::fma(x.real(), y.real(), block.re);
        block.re = std::fma(-x.imag(), y.imag(), block.re);
        block.im = std::fma(x.real(), y.imag(), block.im);
        block.im = std::fma(x.imag(), y.real(), block.im);
      } else {
        const std::int64_t at = arithmetic == Arithmetic::kBF16 ? k ^ 1 : k;
        const bool exists = at < K;  // a missing one is +0 * +0, and comes first
        if (!exists) block.re = multiply_then_add<Real>(0, 0, block.re);
        const std::int64_t there = exists ? at : k;
        block.re = multiply_then_add(convert<Real>(lhs.element(there)),
                                     convert<Real>(rhs.element(there)), block.re);
      }
    }
    sum.re = first ? block.re : add(sum.re, block.re);
    sum.im = first ? block.im : add(sum.im, block.im);
    first = false;
  }
  return sum;
}

struct AlignedBytes {
  explicit AlignedBytes(std::size_t bytes) : memory(bytes / 64 + 2) {
    std::memset(memory.data(), 0x5A, memory.size() * 64);
  }
  void* data() { return memory.data(); }
  struct alignas(64) Line {
    std::byte bytes[64];
  };
  std::vector<Line> memory;
};

template <class Real>
void expect_same(Real computed, Real wanted, const std::string& where) {
  ASSERT_EQ(0, std::memcmp(&computed, &wanted, sizeof(Real)))
      << where << ": " << +computed << " is not " << +wanted;
}

// Runs two tiles in one call, one below or beside the other, and compares every element; what lies
// beyond stays untouched. Operands are packed, or lie in place now and then where they may; results
// go past the caches now and then where they may; of complex numbers a may be rhs.
template <class Real, class Record>
void check_tile(std::mt19937& random, const Kernels& target, Arithmetic arithmetic, int MR, int NV,
                int columns, std::int64_t K, Lie a_lie, Lie b_lie, bool first) {
  using T = typename Record::Element;
  constexpr bool kComplex = kIsComplex<T>;
  constexpr bool kTakenAsTheyAre = std::is_same_v<T, Real>;
  constexpr int kPlanes = kComplex ? 2 : 1;
  const auto now_and_then = [&] { return random() % 2 == 0; };
  const ArithmeticKernels& kernels = target.arithmetic[static_cast<std::size_t>(arithmetic)];
  const DType dtype = Record{};
  const FloatModeGuard mode(arithmetic == Arithmetic::kBF16 ? FloatMode::kFlush
                                                            : FloatMode::kDefault);
  const int width = NV * kernels.lanes;
  const bool is_below = now_and_then();
  const int a_tiles = is_below ? 2 : 1, b_tiles = is_below ? 1 : 2;
  const bool is_swapped = kComplex && now_and_then();
  const bool streams = !kComplex && first && K <= kBlock && columns == width && now_and_then();
  const Matrix<T> a(random, a_tiles * MR, K, a_lie);
  const Matrix<T> b(random, b_tiles * columns, K, b_lie);
  const bool may_leave_a = kernels.a_along_k
                               ? a_lie == Lie::kContiguousK && K % kernels.k_group == 0
                               : (kTakenAsTheyAre || kComplex) && a_lie != Lie::kTables;
  const bool has_pairs = kComplex && kernels.tile_pairs[MR - 1][NV - 1] != nullptr;
  const bool may_leave_b = (kTakenAsTheyAre || has_pairs) && b_lie == Lie::kContiguousRows;
  const bool packs_a = !may_leave_a || now_and_then();
  const bool packs_b = !may_leave_b || now_and_then();
  const bool conjugates_a = kComplex && packs_a;
  const std::string where = [&] {
    std::ostringstream out;
    out << target.target << ' ' << dtype.name() << " arithmetic " << static_cast<int>(arithmetic)
        << " tile " << MR << " x " << columns << " of " << width << " K " << K << " lies "
        << static_cast<int>(a_lie) << static_cast<int>(b_lie) << " first " << first << " below "
        << is_below << " swapped " << is_swapped << " streams " << streams << " packs " << packs_a
        << packs_b;
    return out.str();
  }();
  const auto bytes_of = [&](int rows) {
    return static_cast<std::size_t>(rows * kernels.panel_rows(K)) * kernels.panel_bytes;
  };
  AlignedBytes a_panels(bytes_of(a_tiles * MR)), b_panels(bytes_of(b_tiles * width));
  const auto at = [](AlignedBytes& panels, std::size_t offset) {
    return static_cast<std::byte*>(panels.data()) + offset;
  };
  for (int i = 0; i < a_tiles; ++i) {
    void* panel = at(a_panels, static_cast<std::size_t>(i) * bytes_of(MR));
    kernels.pack_a[dtype.index()](a.call(i * MR, MR, K, MR, panel, kComplex));
  }
  for (int i = 0; i < b_tiles; ++i) {
    void* panel = at(b_panels, static_cast<std::size_t>(i) * bytes_of(width));
    kernels.pack_b[dtype.index()](b.call(i * columns, columns, K, width, panel, false));
  }
  ASSERT_EQ(*at(a_panels, bytes_of(a_tiles * MR)), std::byte{0x5A}) << where;
  ASSERT_EQ(*at(b_panels, bytes_of(b_tiles * width)), std::byte{0x5A}) << where;

  const int plane = width + (streams ? kernels.lanes : 3);
  const int sum_row = kPlanes * plane;
  const auto count = static_cast<std::size_t>(2 * MR * sum_row);
  AlignedBytes memory(count * sizeof(Real));
  const std::span sums(static_cast<Real*>(memory.data()), count);
  for (Real& sum : sums) sum = static_cast<Real>(static_cast<int>(random() % 17) - 8);
  const std::vector<Real> before(sums.begin(), sums.end());
  TileCall call{};
  call.K = kernels.panel_rows(K);
  if (packs_a) {
    call.a = a_panels.data();
    call.a_row = kernels.a_along_k ? 0 : kPlanes;
    call.a_k = MR * kPlanes;
    call.a_tile = is_below ? static_cast<std::int64_t>(bytes_of(MR)) : 0;
  } else {
    call.a = a.source();
    call.a_row = a.row_stride * kPlanes;
    call.a_k = a.k_stride * kPlanes;
    call.a_tile = is_below ? MR * a.row_stride * static_cast<std::int64_t>(sizeof(T)) : 0;
  }
  if (packs_b) {
    call.b = b_panels.data();
    call.b_k = width * kPlanes;
    call.b_tile = is_below ? 0 : static_cast<std::int64_t>(bytes_of(width));
  } else {
    call.b = b.source();
    call.b_k = b.k_stride * kPlanes;
    call.b_tile = is_below ? 0 : columns * static_cast<std::int64_t>(sizeof(T));
  }
  call.sum = sums.data();
  call.sum_row = sum_row;
  call.sum_plane = plane;
  call.columns = columns;
  call.first = first;
  call.streams = streams;
  call.prefetches_sums = now_and_then();
  call.tiles = 2;
  call.sum_tile = MR * sum_row * static_cast<std::int64_t>(sizeof(Real));
  std::uint64_t setting = 0;
  call.setting = &setting;
  const auto check_sums = [&] {
    const bool takes_pairs = kComplex && !packs_b;
    const auto& tile = takes_pairs  ? is_swapped ? kernels.tile_pairs_swapped : kernels.tile_pairs
                       : is_swapped ? kernels.tile_swapped
                                    : kernels.tile;
    tile[MR - 1][NV - 1](call);
    if (kernels.release != nullptr) kernels.release();
    if (streams) finish_streams();
    for (int row = 0; row < 2 * MR; ++row) {
      const bool is_second = row >= MR;
      for (int j = 0; j < plane; ++j) {
        const auto re = static_cast<std::size_t>(row * sum_row + j);
        const std::size_t im = re + static_cast<std::size_t>(kComplex ? plane : 0);
        if (j >= columns) {
          expect_same(sums[re], before[re], where + " behind the last column");
          continue;
        }
        const Line<T> of_a{a, is_below ? row : row % MR, conjugates_a};
        const Line<T> of_b{b, is_second && !is_below ? columns + j : j, false};
        const Element<Real> wanted =
            expected<Real>(arithmetic, is_swapped ? of_b : of_a, is_swapped ? of_a : of_b, K,
                           {before[re], before[im]}, first);
        ASSERT_NO_FATAL_FAILURE(expect_same(sums[re], wanted.re, where));
        if (kComplex) {
          ASSERT_NO_FATAL_FAILURE(expect_same(sums[im], wanted.im, where));
        }
      }
    }
  };
  ASSERT_NO_FATAL_FAILURE(check_sums());
  if (kernels.widen_rows[dtype.index()] == nullptr || a_lie != Lie::kContiguousK) return;
  // The same with the rows of a widened as they lie, by one stride or by a table.
  const std::int64_t apart = (kernels.panel_rows(K) / kWidenedAtOnce + 2) * kWidenedAtOnce;
  const std::size_t row_bytes = static_cast<std::size_t>(apart) * kernels.panel_bytes;
  const int count_of_rows = a_tiles * MR;
  AlignedBytes rows(static_cast<std::size_t>(count_of_rows) * row_bytes);
  PackCall widening = a.call(0, count_of_rows, K, static_cast<int>(apart), rows.data(), false);
  std::vector<std::int64_t> table;
  for (int row = 0; row < count_of_rows; ++row) table.push_back(row * a.row_stride);
  if (K % 2 == 0) {
    widening.row_offsets = table.data();
    widening.row_stride = 0;
  }
  kernels.widen_rows[dtype.index()](widening);
  for (int row = 0; row < count_of_rows; ++row) {  // a vector that no row reaches is nobody's
    const auto last = static_cast<std::size_t>(row + 1) * row_bytes - 1;
    ASSERT_EQ(static_cast<const unsigned char*>(rows.data())[last], 0x5A) << where;
  }
  call.a = rows.data();
  call.a_row = apart;
  call.a_k = 1;
  call.a_tile = is_below ? static_cast<std::int64_t>(MR * row_bytes) : 0;
  std::copy(before.begin(), before.end(), sums.begin());
  ASSERT_NO_FATAL_FAILURE(check_sums());
}

// Packs both operands, runs the dots of a panel, and compares each, but for those of the padding.
template <class Real, class Record>
void check_dots(std::mt19937& random, const Kernels& target, Arithmetic arithmetic, int count,
                std::int64_t K, Lie a_lie, Lie b_lie, bool first) {
  using T = typename Record::Element;
  constexpr bool kComplex = kIsComplex<T>;
  const ArithmeticKernels& kernels = target.arithmetic[static_cast<std::size_t>(arithmetic)];
  const DType dtype = Record{};
  const FloatModeGuard mode(arithmetic == Arithmetic::kBF16 ? FloatMode::kFlush
                                                            : FloatMode::kDefault);
  const int width = kernels.dots_width;
  const Matrix<T> a(random, count, K, a_lie), b(random, count, K, b_lie);
  const auto bytes = static_cast<std::size_t>(width * kernels.panel_rows(K)) * kernels.panel_bytes;
  AlignedBytes a_panel(bytes), b_panel(bytes);
  kernels.pack_b[dtype.index()](a.call(0, count, K, width, a_panel.data(), kComplex));
  kernels.pack_b[dtype.index()](b.call(0, count, K, width, b_panel.data(), false));
  const auto planes = static_cast<std::size_t>(kComplex ? 2 : 1);
  std::vector<Real> sums(planes * static_cast<std::size_t>(width));
  for (Real& sum : sums) sum = static_cast<Real>(static_cast<int>(random() % 17) - 8);
  const std::vector<Real> before = sums;
  kernels.dots({kernels.panel_rows(K), a_panel.data(), b_panel.data(), width, sums.data(), first});
  for (int i = 0; i < count; ++i) {
    const auto at = static_cast<std::size_t>(i);
    const std::size_t im = at + (kComplex ? static_cast<std::size_t>(width) : 0);
    const Element<Real> wanted =
        expected<Real>(arithmetic, Line<T>{a, i, kComplex}, Line<T>{b, i, false}, K,
                       {before[at], before[im]}, first);
    std::ostringstream where;
    where << target.target << ' ' << dtype.name() << " dot " << i << " of " << count << " K " << K
          << " first " << first;
    ASSERT_NO_FATAL_FAILURE(expect_same(sums[at], wanted.re, where.str()));
    if (kComplex) {
      ASSERT_NO_FATAL_FAILURE(expect_same(sums[im], wanted.im, where.str()));
    }
  }
}

template <class Real, class Record>
void check_tiles(Arithmetic arithmetic) {
  std::mt19937 random(20270);
  for (const Kernels* target : kernels_that_run_here()) {
    const ArithmeticKernels& kernels = target->arithmetic[static_cast<std::size_t>(arithmetic)];
    int turn = 0;
    for (int MR = 1; MR <= kernels.MR; ++MR) {
      const int most = MR <= kernels.wide_MR ? kernels.wide_NV : kernels.NV;
      for (int NV = 1; NV <= most; ++NV) {
        for (const std::int64_t K :
             {0, 1, 2, 3, 4, 5, 7, 15, 16, 18, 33, 66, 127, 128, 129, 193, 261}) {
          // Layouts and columns in turn: every pair comes up with every K and many tiles. A quarter
          // of the panels are full.
          const int missing = turn % 4 == 1 ? 0 : (turn * 5) % kernels.lanes;
          const Lie a_lie = kLies[turn % 5];
          const Lie b_lie = kLies[turn / 5 % 5];
          ASSERT_NO_FATAL_FAILURE((check_tile<Real, Record>(random, *target, arithmetic, MR, NV,
                                                            NV * kernels.lanes - missing, K, a_lie,
                                                            b_lie, turn % 3 != 0)));
          ++turn;
        }
      }
    }
    for (const std::int64_t K : {0, 1, 3, 4, 5, 33, 128, 129, 261}) {
      const int missing = (turn * 5) % kernels.dots_width;
      ASSERT_NO_FATAL_FAILURE(
          (check_dots<Real, Record>(random, *target, arithmetic, kernels.dots_width - missing, K,
                                    kLies[turn % 5], kLies[turn / 5 % 5], turn % 3 != 0)));
      ++turn;
    }
    // Every tail of the last vector, in every layout.
    for (const Lie lie : kLies) {
      for (int columns = 1; columns <= kernels.NV * kernels.lanes; ++columns) {
        const int NV = (columns + kernels.lanes - 1) / kernels.lanes;
        ASSERT_NO_FATAL_FAILURE((check_tile<Real, Record>(random, *target, arithmetic, kernels.MR,
                                                          NV, columns, 39, lie, lie, true)));
      }
    }
  }
}

TEST(Kernels, F32) { check_tiles<float, F32>(Arithmetic::kF32); }
TEST(Kernels, F16InF32) { check_tiles<float, F16>(Arithmetic::kF32); }
TEST(Kernels, BF16InF32) { check_tiles<float, BF16>(Arithmetic::kF32); }
TEST(Kernels, F64) { check_tiles<double, F64>(Arithmetic::kF64); }
TEST(Kernels, C64) { check_tiles<float, C64>(Arithmetic::kC64); }
TEST(Kernels, C128) { check_tiles<double, C128>(Arithmetic::kC128); }
TEST(Kernels, I32) { check_tiles<std::int32_t, I32>(Arithmetic::kI32); }
TEST(Kernels, I8InI32) { check_tiles<std::int32_t, I8>(Arithmetic::kI32); }
TEST(Kernels, I64) { check_tiles<std::int64_t, I64>(Arithmetic::kI64); }
TEST(Kernels, BF16) { check_tiles<float, BF16>(Arithmetic::kBF16); }
TEST(Kernels, I8) { check_tiles<std::int32_t, I8>(Arithmetic::kI8); }

// Sums that end beside 2^-126: one that rounds to it stays, one that is below it after rounding to
// 24 bits flushes, also where fused multiply-add alone would have kept it.
TEST(Kernels, BF16FlushesAfterRounding) {
  const auto bf16 = [](double x) { return round_to_bf16(static_cast<float>(x)); };
  struct Case {
    double a0, b0, a1, b1;
    const char* what;
  };
  // even k second: fma(a0, b0, a1 * b1)
  const Case kCases[] = {
      {0x1p-75, 0x1p-75, 0x1p-63, 0x1p-63, "2^-126 + 2^-150"},
      {-0x1p-75, 0x1p-75, 0x1p-63, 0x1p-63, "2^-126 - 2^-150"},
      {0x1p-75, 0x1p-75, -0x1p-63, 0x1p-63, "-2^-126 + 2^-150"},
      {-0x1p-75, 0x1p-75, -0x1p-63, 0x1p-63, "-2^-126 - 2^-150"},
      {-0x1p-75, 0x1p-74, 0x1p-63, 0x1p-63, "2^-126 - 2^-149"},
      {-0x1p-76, 0x1p-75, 0x1p-63, 0x1p-63, "2^-126 - 2^-151"},
      {-0x1.8p-76, 0x1p-75, 0x1p-63, 0x1p-63, "2^-126 - 1.5 * 2^-151"},
      {0x1p-64, 0x1p-63, 0, 0, "2^-127"},
      {0x1p-126, 1, 0x1p-126, -1, "2^-126 - 2^-126"},
      {0x1p-127, 1, 0, 0, "a subnormal operand"},
      {0x1p-127, 0x1p120, 0x1p-63, -0x1p-64, "both"},
  };
  for (const Kernels* target : kernels_that_run_here()) {
    const ArithmeticKernels& kernels =
        target->arithmetic[static_cast<std::size_t>(Arithmetic::kBF16)];
    for (const Case& c : kCases) {
      const FloatModeGuard mode(FloatMode::kFlush);
      const BFloat16 a[2] = {bf16(c.a0), bf16(c.a1)}, b[2] = {bf16(c.b0), bf16(c.b1)};
      const volatile float even = widen(a[0]), odd = widen(a[1]);
      const float wanted =
          std::fma(float{even}, widen(b[0]), std::fma(float{odd}, widen(b[1]), 0.0f));
      AlignedBytes a_panel(64), b_panel(static_cast<std::size_t>(kernels.lanes) * 16);
      PackCall pack{};
      pack.k_stride = 1;
      pack.rows = 1;
      pack.K = 2;
      pack.source = a;
      pack.width = pack.padded = 1;
      pack.panel = a_panel.data();
      kernels.pack_a[DType(BF16{}).index()](pack);
      pack.source = b;
      pack.width = pack.padded = kernels.lanes;
      pack.panel = b_panel.data();
      kernels.pack_b[DType(BF16{}).index()](pack);
      float sum = 1;
      TileCall call{};
      call.K = kernels.panel_rows(2);
      call.a = a_panel.data();
      call.a_row = call.a_k = 1;
      call.b = b_panel.data();
      call.b_k = kernels.lanes;
      call.sum = &sum;
      call.columns = 1;
      call.first = true;
      kernels.tile[0][0](call);
      ASSERT_NO_FATAL_FAILURE(expect_same(sum, wanted, target->target + std::string(" ") + c.what));
    }
  }
}

// Wherever it begins and however long it is: nothing beside it is written.
TEST(Stream, CopiesWhatItIsToldAndNoMore) {
  constexpr std::int64_t kMost = 300, kAround = 64;
  std::vector<std::uint8_t> from(kMost);
  for (std::size_t i = 0; i < from.size(); ++i) from[i] = static_cast<std::uint8_t>(i + 1);
  for (const Kernels* target : kernels_that_run_here()) {
    const StreamFunction stream = target->arithmetic[0].stream;
    for (std::int64_t begin = 0; begin < kAround; ++begin) {
      for (const std::int64_t bytes : {0, 1, 4, 63, 64, 65, 127, 128, 200, 300}) {
        std::vector<std::uint8_t> to(kAround + kMost + kAround, 0);
        std::vector<std::uint8_t> expected = to;
        std::copy_n(from.begin(), bytes, expected.begin() + begin);
        stream(from.data(), to.data() + begin, bytes);
        finish_streams();
        ASSERT_EQ(to, expected) << target->target << ' ' << begin << ' ' << bytes;
      }
    }
  }
}

// Rows that are transposed into lines far apart, past the caches or not, on lines or beside them.
TEST(Stream, TransposedRowsAreTheSame) {
  constexpr std::int64_t K = 21, kWidth = 48, kLine = 64 / sizeof(float);
  for (const Kernels* kernels : kernels_that_run_here()) {
    const PackFunction pack = kernels->arithmetic[static_cast<std::size_t>(Arithmetic::kF32)]
                                  .pack_b[DType(F32{}).index()];
    for (const int rows : {5, 16, 19, 40}) {
      std::vector<float> source(static_cast<std::size_t>(rows * K));
      for (std::size_t i = 0; i < source.size(); ++i) source[i] = static_cast<float>(i + 1);
      for (const std::int64_t beside : {0, 3}) {
        std::vector<float> panel(static_cast<std::size_t>(kWidth * K + 2 * kLine), -1.0F);
        std::int64_t start = 0;
        while (reinterpret_cast<std::uintptr_t>(panel.data() + start) % 64 != 0) ++start;
        start += beside;
        PackCall call{};
        call.source = source.data();
        call.row_stride = K;
        call.k_stride = 1;
        call.rows = call.padded = rows;
        call.K = K;
        call.width = kWidth;
        call.panel = panel.data() + start;
        call.asked = call.streams = true;
        pack(call);
        finish_streams();
        for (std::int64_t at = 0; at < std::ssize(panel); ++at) {
          const std::int64_t k = (at - start) / kWidth, row = (at - start) % kWidth;
          const bool is_written = at >= start && k < K && row < rows;
          ASSERT_EQ(panel[static_cast<std::size_t>(at)],
                    is_written ? source[static_cast<std::size_t>(row * K + k)] : -1.0F)
              << kernels->target << " rows " << rows << " beside " << beside << " at " << at;
        }
      }
    }
  }
}

// Where f16 and bf16 are converted, rows can be as they lie.
TEST(Kernels, NarrowRowsAreWidenedAsTheyLie) {
  const std::size_t f16 = DType(F16{}).index(), bf16 = DType(BF16{}).index();
  for (const Kernels* kernels : kernels_that_run_here()) {
    const ArithmeticKernels& f32 = kernels->of(Arithmetic::kF32);
    EXPECT_EQ(f32.widen_rows[f16] != nullptr, !f32.loops) << kernels->target;
    EXPECT_EQ(f32.widen_rows[bf16] != nullptr, !f32.loops) << kernels->target;
    const ArithmeticKernels& pairs = kernels->of(Arithmetic::kBF16);
    const bool converts = !pairs.loops && pairs.group_rows == pairs.k_group;
    EXPECT_EQ(pairs.widen_rows[bf16] != nullptr, converts) << kernels->target;
  }
}

// What limits a work item asks for this.
TEST(Kernels, TheScalarOnesSayThatTheyAreLoops) {
  for (const Kernels* target : kernels_that_run_here()) {
    const bool is_scalar = std::string_view(target->target) == "scalar";
    for (const Arithmetic arithmetic : {Arithmetic::kF32, Arithmetic::kF64, Arithmetic::kBF16,
                                        Arithmetic::kI8, Arithmetic::kC64, Arithmetic::kC128}) {
      EXPECT_EQ(target->of(arithmetic).loops, is_scalar) << target->target;
      EXPECT_FALSE(target->of(arithmetic).streams && is_scalar);
    }
  }
}

}  // namespace
}  // namespace batchdot::kernel
