// SPDX-License-Identifier: Apache-2.0
#include "src/kernel/i8_amx.h"

#if defined(__x86_64__) && defined(__linux__)

#include <cpuid.h>
#include <immintrin.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <utility>

#include "src/kernel/i8_avx512.h"

namespace batchdot::kernel {

namespace {

// Debian's Highway has no such instruction, and no file of ours is compiled for one CPU.
#define BATCHDOT_AMX __attribute__((target("amx-tile,amx-int8,avx512f")))
#define BATCHDOT_SHUFFLES_OF "avx512f,avx512bw,avx512vl,avx512dq,avx512vbmi"
#define BATCHDOT_SHUFFLES __attribute__((target(BATCHDOT_SHUFFLES_OF)))

// A register of AMX: rows of 64 bytes, which are words of four k or sums.
constexpr int kRows = 16, kWords = 16;
constexpr std::int64_t kRowBytes = 64;
constexpr int kMR = 2 * kRows, kNV = 2;
static_assert(kMR <= kMaxMR && kNV <= kMaxNV);

// The operand of LDTILECFG.
struct alignas(64) Shapes {
  std::uint8_t palette = 1;
  std::uint8_t reserved[15] = {};
  std::uint16_t row_bytes[16] = {};
  std::uint8_t rows[16] = {};

  void set(int tile, int height, std::int64_t bytes) {
    row_bytes[tile] = static_cast<std::uint16_t>(bytes);
    rows[tile] = static_cast<std::uint8_t>(height);
  }
};
static_assert(sizeof(Shapes) == 64);

// Which register is what. The last vector of columns is always in those of B1. GCC's intrinsics
// want literals, and do not say that they read memory: a fence of the compiler stands before them
// where something was written for them.
#define BATCHDOT_SUM00 0
#define BATCHDOT_SUM01 1
#define BATCHDOT_SUM10 2
#define BATCHDOT_SUM11 3
#define BATCHDOT_A0 4
#define BATCHDOT_A1 5
#define BATCHDOT_B0 6
#define BATCHDOT_B1 7
inline void fence() { std::atomic_signal_fence(std::memory_order_seq_cst); }

// The words of rows that do not fill a register, from `a` on, behind zeros for those before them.
BATCHDOT_AMX inline void copy_rest(const std::uint8_t* a, std::int64_t a_row, int height,
                                   std::int64_t rest, std::uint8_t* to) {
  const auto last = static_cast<__mmask16>(0xFFFFu << (kWords - rest));
  const std::uint8_t* from = a - 4 * (kWords - rest);  // nothing before a is read
  for (int i = 0; i < height; ++i) {
    _mm512_store_si512(to + i * kRowBytes, _mm512_maskz_loadu_epi32(last, from + i * a_row));
  }
}

// Sets the registers up for tiles of a height and a depth in words, which takes some hundred
// cycles.
BATCHDOT_AMX void set_shapes(int height, int depth) {
  Shapes shapes;
  const int upper = std::min(height, kRows), lower = height - upper;
  shapes.set(BATCHDOT_SUM00, upper, kRowBytes);
  shapes.set(BATCHDOT_SUM01, upper, kRowBytes);
  shapes.set(BATCHDOT_A0, upper, 4 * depth);
  if (lower > 0) {
    shapes.set(BATCHDOT_SUM10, lower, kRowBytes);
    shapes.set(BATCHDOT_SUM11, lower, kRowBytes);
    shapes.set(BATCHDOT_A1, lower, 4 * depth);
  }
  shapes.set(BATCHDOT_B0, depth, kRowBytes);
  shapes.set(BATCHDOT_B1, depth, kRowBytes);
  fence();
  _tile_loadconfig(&shapes);
}

// Sums of the columns that exist, of a vector that has others too.
BATCHDOT_AMX inline void copy_columns(const std::uint8_t* from, std::int64_t from_row,
                                      std::uint8_t* to, std::int64_t to_row, int height,
                                      __mmask16 columns) {
  for (int i = 0; i < height; ++i, from += from_row, to += to_row) {
    _mm512_mask_storeu_epi32(to, columns, _mm512_maskz_loadu_epi32(columns, from));
  }
}

BATCHDOT_AMX void release() { _tile_release(); }

// Where the words of a register's rows are: in place, or in a panel, which has all rows of sixteen
// words, then those of the next sixteen.
struct Rows {
  const std::uint8_t* at;
  std::int64_t row, step;          // bytes from one row to the next, and to the next sixteen words
  std::int64_t rest_at, rest_row;  // of the words that are left

  Rows(const TileCall& call, int i, int height) {
    const std::int64_t words = call.K, rest = words % kWords;
    at = static_cast<const std::uint8_t*>(call.a);
    if (call.a_row != 0) {
      row = rest_row = call.a_row;
      at += i * kRows * row;
      step = kRowBytes;
      rest_at = 4 * (words - rest);
    } else {
      row = words < kWords ? 4 * words : kRowBytes;
      at += i * kRows * 4 * words;
      step = height * kRowBytes;
      rest_at = 4 * height * (words - rest);
      rest_row = 4 * rest;
    }
  }
};

// TileCall: `height` rows of a in kRowTiles registers, kVectors vectors of b.
template <int kRowTiles, int kVectors>
BATCHDOT_AMX void multiply(const TileCall& call, int height) {
  const std::int64_t words = call.K;
  const auto depth = static_cast<int>(std::clamp<std::int64_t>(words, 1, kWords));
  if (const auto setting = static_cast<std::uint64_t>(height << 8 | depth);
      *call.setting != setting) {
    *call.setting = setting;
    set_shapes(height, depth);
  }
  const std::int64_t b_row = 4 * call.b_k;
  const std::int64_t sum_row = 4 * call.sum_row;
  const int upper = std::min(height, kRows), lower = height - upper;
  const Rows rows0(call, 0, upper), rows1(call, kRowTiles - 1, lower);
  const auto* b = static_cast<const std::uint8_t*>(call.b);
  auto* sum = static_cast<std::uint8_t*>(call.sum);
  constexpr std::int64_t kLastAt = (kVectors - 1) * kRowBytes;
  const int last_columns = call.columns - (kVectors - 1) * kWords;
  const bool is_whole = last_columns >= kWords;
  const auto columns = static_cast<__mmask16>((1u << last_columns) - 1);
  const std::int64_t last_row = is_whole ? sum_row : kRowBytes;
  alignas(64) std::uint8_t part[kMR * kRowBytes];
  alignas(64) std::uint8_t rest[kMR * kRowBytes];
  // Sixteen words of k.
  const auto step = [&](const std::uint8_t* a0, std::int64_t a0_row, const std::uint8_t* a1,
                        std::int64_t a1_row, const std::uint8_t* b_at)
      __attribute__((always_inline, target("amx-tile,amx-int8,avx512f"))) {
    _tile_loadd(BATCHDOT_A0, a0, a0_row);
    if constexpr (kRowTiles > 1) _tile_loadd(BATCHDOT_A1, a1, a1_row);
    if constexpr (kVectors > 1) {
      _tile_loadd(BATCHDOT_B0, b_at, b_row);
      _tile_dpbssd(BATCHDOT_SUM00, BATCHDOT_A0, BATCHDOT_B0);
      if constexpr (kRowTiles > 1) _tile_dpbssd(BATCHDOT_SUM10, BATCHDOT_A1, BATCHDOT_B0);
    }
    _tile_loadd(BATCHDOT_B1, b_at + kLastAt, b_row);
    _tile_dpbssd(BATCHDOT_SUM01, BATCHDOT_A0, BATCHDOT_B1);
    if constexpr (kRowTiles > 1) _tile_dpbssd(BATCHDOT_SUM11, BATCHDOT_A1, BATCHDOT_B1);
  };
  // The same of several, where each register is loaded as soon as it has been multiplied: the
  // next multiplications are of the others.
  const auto steps = [&](const std::uint8_t* a0, const std::uint8_t* a1, const std::uint8_t* b_at,
                         std::int64_t count)
      __attribute__((always_inline, target("amx-tile,amx-int8,avx512f"))) {
    const std::int64_t a0_row = rows0.row, a1_row = rows1.row;
    const std::int64_t a0_step = rows0.step, a1_step = rows1.step, b_step = kWords * b_row;
    _tile_loadd(BATCHDOT_A0, a0, a0_row);
    _tile_loadd(BATCHDOT_B0, b_at, b_row);
    _tile_loadd(BATCHDOT_A1, a1, a1_row);
    _tile_loadd(BATCHDOT_B1, b_at + kLastAt, b_row);
    while (true) {
      _tile_dpbssd(BATCHDOT_SUM00, BATCHDOT_A0, BATCHDOT_B0);
      _tile_dpbssd(BATCHDOT_SUM10, BATCHDOT_A1, BATCHDOT_B0);
      if (count == 1) {
        _tile_dpbssd(BATCHDOT_SUM11, BATCHDOT_A1, BATCHDOT_B1);
        _tile_dpbssd(BATCHDOT_SUM01, BATCHDOT_A0, BATCHDOT_B1);
        break;
      }
      b_at += b_step, a0 += a0_step, a1 += a1_step;
      _tile_loadd(BATCHDOT_B0, b_at, b_row);
      _tile_dpbssd(BATCHDOT_SUM11, BATCHDOT_A1, BATCHDOT_B1);
      _tile_loadd(BATCHDOT_A1, a1, a1_row);
      _tile_dpbssd(BATCHDOT_SUM01, BATCHDOT_A0, BATCHDOT_B1);
      _tile_loadd(BATCHDOT_A0, a0, a0_row);
      _tile_loadd(BATCHDOT_B1, b_at + kLastAt, b_row);
      _tile_dpbssd(BATCHDOT_SUM10, BATCHDOT_A1, BATCHDOT_B0);
      _tile_dpbssd(BATCHDOT_SUM00, BATCHDOT_A0, BATCHDOT_B0);
      if (count == 2) {
        _tile_dpbssd(BATCHDOT_SUM01, BATCHDOT_A0, BATCHDOT_B1);
        _tile_dpbssd(BATCHDOT_SUM11, BATCHDOT_A1, BATCHDOT_B1);
        break;
      }
      count -= 2;
      b_at += b_step, a0 += a0_step, a1 += a1_step;
      _tile_loadd(BATCHDOT_B0, b_at, b_row);
      _tile_dpbssd(BATCHDOT_SUM01, BATCHDOT_A0, BATCHDOT_B1);
      _tile_loadd(BATCHDOT_A0, a0, a0_row);
      _tile_dpbssd(BATCHDOT_SUM11, BATCHDOT_A1, BATCHDOT_B1);
      _tile_loadd(BATCHDOT_A1, a1, a1_row);
      _tile_loadd(BATCHDOT_B1, b_at + kLastAt, b_row);
    }
  };
  std::int64_t a_tile = 0;
  for (int left = call.tiles; left > 0; --left) {
    // Where the sums of the last vector are read and written.
    std::uint8_t* last = is_whole ? sum + kLastAt : part;
    std::uint8_t* below = sum + kRows * sum_row;
    std::uint8_t* last_below = last + kRows * last_row;
    if (call.first) {
      _tile_zero(BATCHDOT_SUM00);
      _tile_zero(BATCHDOT_SUM01);
      if constexpr (kRowTiles > 1) {
        _tile_zero(BATCHDOT_SUM10);
        _tile_zero(BATCHDOT_SUM11);
      }
    } else {
      if (!is_whole) copy_columns(sum + kLastAt, sum_row, part, last_row, height, columns);
      fence();
      if constexpr (kVectors > 1) _tile_loadd(BATCHDOT_SUM00, sum, sum_row);
      _tile_loadd(BATCHDOT_SUM01, last, last_row);
      if constexpr (kRowTiles > 1 && kVectors > 1) _tile_loadd(BATCHDOT_SUM10, below, sum_row);
      if constexpr (kRowTiles > 1) _tile_loadd(BATCHDOT_SUM11, last_below, last_row);
    }
    if (call.prefetches_sums && left > 1) {  // the next tile's
      const std::uint8_t* next = sum + call.sum_tile;
      for (int i = 0; i < height; ++i, next += sum_row) {
        for (int v = 0; v < kVectors; ++v) __builtin_prefetch(next + v * kRowBytes, 1);
      }
    }
    const std::uint8_t* a0 = rows0.at + a_tile;
    const std::uint8_t* a1 = rows1.at + a_tile;
    if (words > 0 && words < kWords) {
      step(a0, rows0.row, a1, rows1.row, b);
    } else {
      const std::int64_t whole = words / kWords;
      if constexpr (kRowTiles > 1 && kVectors > 1) {
        if (whole > 0) steps(a0, a1, b, whole);
      } else {
        for (std::int64_t i = 0; i < whole; ++i) {
          step(a0 + i * rows0.step, rows0.row, a1 + i * rows1.step, rows1.row,
               b + i * kWords * b_row);
        }
      }
      if (const std::int64_t left_over = words % kWords; left_over > 0) {
        std::uint8_t* const lower_rest = rest + kRows * kRowBytes;
        copy_rest(rows0.at + a_tile + rows0.rest_at, rows0.rest_row, upper, left_over, rest);
        copy_rest(rows1.at + a_tile + rows1.rest_at, rows1.rest_row, lower, left_over, lower_rest);
        fence();
        step(rest, kRowBytes, lower_rest, kRowBytes, b + (words - kWords) * b_row);
      }
    }
    if constexpr (kVectors > 1) _tile_stored(BATCHDOT_SUM00, sum, sum_row);
    _tile_stored(BATCHDOT_SUM01, last, last_row);
    if constexpr (kRowTiles > 1 && kVectors > 1) _tile_stored(BATCHDOT_SUM10, below, sum_row);
    if constexpr (kRowTiles > 1) _tile_stored(BATCHDOT_SUM11, last_below, last_row);
    fence();
    if (!is_whole) copy_columns(part, last_row, sum + kLastAt, sum_row, height, columns);
    a_tile += call.a_tile;
    b += call.b_tile;
    sum += call.sum_tile;
  }
}

template <int MR, int NV>
void amx_tile(const TileCall& call) {
  multiply<(MR + kRows - 1) / kRows, NV>(call, MR);
}

bool has_amx_i8() {
  unsigned a = 0, b = 0, c = 0, d = 0;
  constexpr unsigned kTile = 1u << 24, kInt8 = 1u << 25, kVbmi = 1u << 1;
  return __get_cpuid_count(7, 0, &a, &b, &c, &d) != 0 && (d & kTile) != 0 && (d & kInt8) != 0 &&
         (c & kVbmi) != 0;
}

// Rows of k may lie pages apart, where no hardware looks ahead: those that come so many k later are
// asked for. In turns on 1024^3 1.00 to 1.06.
constexpr std::int64_t kAhead = 16;

// Columns that are put together at a time, and k of a word.
constexpr int kTogether = 32, kWordK = 4;

// Where the bytes of two k of kTogether columns, all of the first and then all of the second, go:
// pairs, in each piece of 128 bits those of four columns and of the four that lie sixteen further
// on, so that two such vectors give two of words.
struct alignas(64) Pairs {
  std::uint8_t from[2 * kTogether];
};
constexpr Pairs kPairs = [] {
  Pairs pairs{};
  for (int i = 0; i < kTogether; ++i) {
    const int piece = i / 8, at = i % 8;
    const int column = 4 * piece + at % 4 + (at < 4 ? 0 : kWords);
    pairs.from[2 * i] = static_cast<std::uint8_t>(column);
    pairs.from[2 * i + 1] = static_cast<std::uint8_t>(column + kTogether);
  }
  return pairs;
}();

// Words of kTogether columns, or of half as many, from their k. GCC 12 warns of intrinsics without
// a mask: they are built on undefined values.
BATCHDOT_SHUFFLES inline void put_together(const __m256i (&k)[kWordK], std::uint8_t* to,
                                           bool is_whole) {
  constexpr __mmask8 kAll = 0xFF;
  constexpr auto kAllPairs = static_cast<__mmask32>(-1);
  constexpr auto kAllBytes = static_cast<__mmask64>(-1);
  const __m512i order = _mm512_load_si512(kPairs.from);
  const __m512i first = _mm512_maskz_inserti64x4(kAll, _mm512_castsi256_si512(k[0]), k[1], 1);
  const __m512i second = _mm512_maskz_inserti64x4(kAll, _mm512_castsi256_si512(k[2]), k[3], 1);
  const __m512i low = _mm512_maskz_permutexvar_epi8(kAllBytes, order, first);
  const __m512i high = _mm512_maskz_permutexvar_epi8(kAllBytes, order, second);
  _mm512_storeu_si512(to, _mm512_maskz_unpacklo_epi16(kAllPairs, low, high));
  if (!is_whole) return;
  _mm512_storeu_si512(to + kRowBytes, _mm512_maskz_unpackhi_epi16(kAllPairs, low, high));
}

}  // namespace

bool may_use_amx_i8() {
  static const bool kMay = [] {
    constexpr long kAskForComponent = 0x1023, kTileData = 18;  // ARCH_REQ_XCOMP_PERM
    return has_amx_i8() && has_avx512_vnni() &&
           syscall(SYS_arch_prctl, kAskForComponent, kTileData) == 0;
  }();
  return kMay;
}

BATCHDOT_SHUFFLES bool pack_words_of_rows(const PackCall& call) {
  if (call.row_offsets != nullptr || call.row_stride != 1 || call.width % kWords != 0) return false;
  const std::int64_t step = kRowBytes / kWords * call.width;
  for (int column = 0; column < call.width; column += kTogether) {
    const auto* from = static_cast<const std::int8_t*>(call.source) + column;
    auto* to = static_cast<std::uint8_t*>(call.panel) + kRowBytes / kWords * column;
    const int count = std::clamp(call.rows - column, 0, kTogether);
    std::int64_t k = 0;
    __m256i bytes[kWordK];
    if (count == kTogether && call.k_offsets == nullptr) {
      const std::int64_t stride = call.k_stride, ahead = kAhead * stride;
      for (; k + kWordK <= call.K; k += kWordK, to += step) {
        for (__m256i& row : bytes) {
          __builtin_prefetch(from + ahead, 0, 3);
          row = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(from));
          from += stride;
        }
        put_together(bytes, to, true);
      }
      from -= k * stride;
    }
    // Others, and the last k of a word that lacks some: what does not exist is not read.
    const auto columns = static_cast<__mmask32>((std::uint64_t{1} << count) - 1);
    const bool is_whole = column + kTogether <= call.width;
    for (; k < call.K; k += kWordK, to += step) {
      for (int i = 0; i < kWordK; ++i) {
        const bool exists = k + i < call.K && count > 0;
        const std::int64_t at = !exists                     ? 0
                                : call.k_offsets == nullptr ? (k + i) * call.k_stride
                                                            : call.k_offsets[k + i];
        bytes[i] = _mm256_maskz_loadu_epi8(exists ? columns : 0, exists ? from + at : from);
      }
      put_together(bytes, to, is_whole);
    }
  }
  return true;
}

void set_i8_amx(ArithmeticKernels& kernels) {
  set_i8_avx512(kernels);
  kernels.MR = kMR;
  kernels.NV = kNV;
  kernels.head_rows = 0;
  kernels.a_along_k = kernels.rows_stay = true;
  kernels.release = release;
  kernels.dots = i8_dots_without_head();
  [&]<int... I>(std::integer_sequence<int, I...>) {
    ((kernels.tile[I / kNV][I % kNV] = amx_tile<I / kNV + 1, I % kNV + 1>), ...);
  }
  (std::make_integer_sequence<int, kMR * kNV>{});
}

}  // namespace batchdot::kernel

#else

namespace batchdot::kernel {
bool may_use_amx_i8() { return false; }
}  // namespace batchdot::kernel

#endif
