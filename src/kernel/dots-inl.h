// SPDX-License-Identifier: Apache-2.0
// Dot products: of packed panels, and of rows that are read where they lie. Included once for each
// target; see targets.h.

#if defined(BATCHDOT_DOTS_INL_H) == defined(HWY_TARGET_TOGGLE)
#ifdef BATCHDOT_DOTS_INL_H
#undef BATCHDOT_DOTS_INL_H
#else
#define BATCHDOT_DOTS_INL_H
#endif

#include <algorithm>
#include <cstdint>

#include "hwy/highway.h"
#include "src/kernel/kernels.h"
#include "src/kernel/microkernel-inl.h"
#include "src/kernel/transpose-inl.h"

HWY_BEFORE_NAMESPACE();
namespace batchdot::kernel::HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

/// Vectors of one dots panel: enough independent chains to hide the latency of a multiply-add.
inline constexpr int kDotsVectors = 4;

/// DotsCall for real numbers and 32-bit integers: lanes are items.
template <class T>
void dots_real(const DotsCall& call) {
  const hn::ScalableTag<T> d;
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(d));
  const T* a = static_cast<const T*>(call.a);
  const T* b = static_cast<const T*>(call.b);
  T* sum = static_cast<T*>(call.sum);
  std::int64_t left = call.K;
  bool first = call.first;
  do {
    const std::int64_t steps = std::min(left, kBlock);
    left -= steps;
    hn::Vec<decltype(d)> acc[kDotsVectors];
    for (auto& vector : acc) vector = hn::Zero(d);
    for (std::int64_t k = 0; k < steps; ++k, a += call.width, b += call.width) {
      for (int v = 0; v < kDotsVectors; ++v) {
        acc[v] =
            MultiplyLanes::add(hn::LoadU(d, a + v * lanes), hn::LoadU(d, b + v * lanes), acc[v]);
      }
    }
    for (int v = 0; v < kDotsVectors; ++v) {
      T* at = sum + v * lanes;
      hn::StoreU(first ? acc[v] : hn::Add(hn::LoadU(d, at), acc[v]), d, at);
    }
    first = false;
  } while (left > 0);
}

#if HWY_TARGET != HWY_SCALAR  // which has one lane, nothing to transpose, and is not used

/// Block sums that wait to be added in order, for one row of a group.
inline constexpr std::int64_t kWaitingBlocks = 32;

/// Rows of a call that the second cache would not hold.
template <class T>
bool rows_are_far(const RowsCall& call) {
  return call.rows * call.K * static_cast<std::int64_t>(sizeof(T)) > (1 << 20);
}

/// Asks for the rows of the next call of block_sums in the order of addresses, as fast as this one
/// reads: 16 or 32 rows at once are more streams than the hardware follows. Lines first, first + 1,
/// ... of them all, `count` of one row. With AVX-512, what the call after that one is expected to
/// read, as much further as the next rows are from these, comes into the second cache if rows are
/// far: in turns on an Emerald Rapids core 1.04 to 1.14 on W6 and W8, 0.86 of what is near.
template <class T>
HWY_INLINE void ask_for_lines(const T* const* now, const T* const* next, std::int64_t first,
                              int count, bool is_far) {
  constexpr std::int64_t kLine = 64 / sizeof(T);
  constexpr std::int64_t kRowLines = kBlock / kLine;
  const T* from = next[first / kRowLines] + first % kRowLines * kLine;
  for (int i = 0; i < count; ++i) __builtin_prefetch(from + i * kLine);
  if (HWY_TARGET <= HWY_AVX3 && is_far) {
    const std::uintptr_t step =
        reinterpret_cast<std::uintptr_t>(next[0]) - reinterpret_cast<std::uintptr_t>(now[0]);
    const std::uintptr_t later = reinterpret_cast<std::uintptr_t>(from) + step;
    for (int i = 0; i < count; ++i) {
      __builtin_prefetch(reinterpret_cast<const T*>(later) + i * kLine, 0, 2);
    }
  }
}
/// The same for rows shorter than a block, all at once.
template <class T>
HWY_INLINE void ask_for_rows(const T* const* rows, int count, std::int64_t depth) {
  for (int r = 0; r < count; ++r) {
    for (std::int64_t k = 0; k < depth; k += 64 / sizeof(T)) __builtin_prefetch(rows[r] + k);
  }
}

/// below[i]: the lanes of the first i + 1 pieces of 128 bits.
template <class D>
struct PieceMasks {
  hn::Mask<D> below[3];
  HWY_INLINE explicit PieceMasks(D d) {
    for (std::size_t i = 0; i < 3; ++i) {
      // Clang knows too much about constant masks: it makes shuffles of the loads under them.
      std::size_t lanes = std::min((i + 1) * (16 / sizeof(hn::TFromD<D>)), hn::Lanes(d));
#if defined(__GNUC__)
      asm("" : "+r"(lanes));
#endif
      below[i] = hn::FirstN(d, lanes);
    }
  }
};

/// 16 bytes of each row from `k` on, as one vector for each k: lane r is rows[r]. Pieces of 128
/// bits are put together while they are loaded, so that only the transposes within the pieces are
/// left to the one port that shuffles: with whole vectors of rows it is twice as many.
template <class D, class T = hn::TFromD<D>, int kPiece = kPieceLanes<T>>
HWY_INLINE void load_transposed(D d, const PieceMasks<D>& masks, const T* const* rows,
                                std::int64_t k, hn::Vec<D> (&v)[kPiece]) {
  constexpr int kPieces = static_cast<int>(HWY_LANES(T)) / kPiece;
  for (int r = 0; r < kPiece; ++r) {
    if constexpr (kPieces == 1) {
      v[r] = hn::LoadU(d, rows[r] + k);
    } else if constexpr (kPieces == 2) {
      const hn::Half<D> half;
      v[r] = hn::Combine(d, hn::LoadU(half, rows[kPiece + r] + k), hn::LoadU(half, rows[r] + k));
    } else {
      v[r] = hn::LoadDup128(d, rows[(kPieces - 1) * kPiece + r] + k);
      for (int piece = kPieces - 2; piece >= 0; --piece) {
        const T* from = rows[piece * kPiece + r] + k;
        v[r] = hn::IfThenElse(masks.below[piece], hn::LoadDup128(d, from), v[r]);
      }
    }
  }
  transpose_pieces(d, v);
}

/// The sums of one block, `depth` <= 128 steps of k, one in each lane. Lane r has row b[r]; of a it
/// has row a[r], or, if kRows > 0, every lane has the same kRows rows a[0] .. a[kRows-1] and there
/// are as many sums. next_a, next_b: the rows of the call
/// after this one; next_a is not used if kRows > 0.
template <int kRows, class D, class T = hn::TFromD<D>>
HWY_INLINE void block_sums(D d, const PieceMasks<D>& masks, const T* const* a, const T* const* b,
                           const T* const* next_a, const T* const* next_b, std::int64_t depth,
                           bool is_far, hn::Vec<D> (&acc)[kRows == 0 ? 1 : kRows]) {
  constexpr int kPiece = kPieceLanes<T>;
  constexpr int kLanes = static_cast<int>(HWY_LANES(T));
  constexpr int kLines = std::max(1, kLanes / 4);  // that a piece reads of each operand
  for (auto& sum : acc) sum = hn::Zero(d);
  const auto piece = [&](std::int64_t from, int first) HWY_ATTR {
    hn::Vec<D> b_k[kPiece];
    load_transposed(d, masks, b, from, b_k);
    if constexpr (kRows == 0) {
      hn::Vec<D> a_k[kPiece];
      load_transposed(d, masks, a, from, a_k);
      for (int i = 0; i < kPiece; ++i) {
        if (i >= first) acc[0] = hn::MulAdd(a_k[i], b_k[i], acc[0]);
      }
    } else {
      for (int i = 0; i < kPiece; ++i) {
        if (i < first) continue;
        for (int row = 0; row < kRows; ++row) {
          acc[row] = hn::MulAdd(hn::Set(d, a[row][from + i]), b_k[i], acc[row]);
        }
      }
    }
  };
  std::int64_t k = 0;
  if (depth == kBlock) {
    constexpr std::int64_t kAll = kLanes * kBlock * static_cast<std::int64_t>(sizeof(T)) / 64;
    for (std::int64_t line = 0; k < kBlock; k += kPiece, line += kLines) {
      if (kLanes >= 4 || line < kAll) {
        if constexpr (kRows == 0) ask_for_lines(a, next_a, line, kLines, is_far);
        ask_for_lines(b, next_b, line, kLines, is_far);
      }
      piece(k, 0);
    }
    return;
  }
  if constexpr (kRows == 0) ask_for_rows(next_a, kLanes, depth);
  ask_for_rows(next_b, kLanes, depth);
  for (; k + kPiece <= depth; k += kPiece) piece(k, 0);
  if (k == depth) return;
  // The last piece of a row begins before the steps that are left: nothing behind a row is read.
  if (depth >= kPiece) return piece(depth - kPiece, static_cast<int>(k + kPiece - depth));
  for (; k < depth; ++k) {
    HWY_ALIGN T column[HWY_LANES(T)];
    const auto load = [&](const T* const* rows) HWY_ATTR {
      for (std::size_t r = 0; r < HWY_LANES(T); ++r) column[r] = rows[r][k];
      return hn::Load(d, column);
    };
    const auto b_k = load(b);
    if constexpr (kRows == 0) {
      acc[0] = hn::MulAdd(load(a), b_k, acc[0]);
    } else {
      for (int row = 0; row < kRows; ++row) {
        acc[row] = hn::MulAdd(hn::Set(d, a[row][k]), b_k, acc[row]);
      }
    }
  }
}

/// RowsCall where each row of b has its own row of a. Lanes run over (row, block of 128) in the
/// order of memory, so that few rows are read as long runs; then over the rows for what is left
/// behind their whole blocks. The block sums wait in a buffer and are added in order.
template <class T>
void row_dots(const RowsCall& call) {
  const hn::ScalableTag<T> d;
  const PieceMasks<hn::ScalableTag<T>> masks(d);
  constexpr int kLanes = static_cast<int>(HWY_LANES(T));
  const T* const a = static_cast<const T*>(call.a);
  const T* const b = static_cast<const T*>(call.b);
  T* const sum = static_cast<T*>(call.sum);
  const bool is_far = rows_are_far<T>(call);
  const std::int64_t whole = call.K / kBlock;
  const std::int64_t rest = call.K % kBlock;
  const T* rows[2][2][kLanes];  // [this call, the next one][a, b]
  HWY_ALIGN T waiting[kLanes * kWaitingBlocks + kLanes];
  for (std::int64_t row = 0; row < call.rows; row += kLanes) {
    const std::int64_t count = std::min<std::int64_t>(kLanes, call.rows - row);
    bool first = call.first;
    for (std::int64_t from = 0; from < whole; from += kWaitingBlocks) {
      const std::int64_t width = std::min(kWaitingBlocks, whole - from);
      // The next kLanes pairs of row and block, row by row. Behind the last one the lanes run on
      // into the rows of the next group, or repeat the last pair.
      std::int64_t at_row = row, at_block = 0;
      const auto next_rows = [&](const T*(&to)[2][kLanes]) {
        for (int lane = 0; lane < kLanes; ++lane) {
          to[0][lane] = a + at_row * call.a_row + (from + at_block) * kBlock;
          to[1][lane] = b + at_row * call.b_row + (from + at_block) * kBlock;
          if (++at_block == width) {
            if (at_row + 1 < call.rows) {
              at_block = 0;
              ++at_row;
            } else {
              --at_block;
            }
          }
        }
      };
      next_rows(rows[0]);
      int now = 0;
      for (std::int64_t s = 0; s < count * width; s += kLanes, now ^= 1) {
        next_rows(rows[now ^ 1]);
        hn::Vec<decltype(d)> acc[1];
        block_sums<0>(d, masks, rows[now][0], rows[now][1], rows[now ^ 1][0], rows[now ^ 1][1],
                      kBlock, is_far, acc);
        hn::Store(acc[0], d, waiting + s);
      }
      for (std::int64_t i = 0; i < count; ++i) {
        const T* blocks = waiting + i * width;
        T t = first ? blocks[0] : sum[row + i] + blocks[0];
        for (std::int64_t j = 1; j < width; ++j) t = t + blocks[j];
        sum[row + i] = t;
      }
      first = false;
    }
    if (rest == 0 && whole > 0) continue;
    for (int lane = 0; lane < kLanes; ++lane) {
      const std::int64_t i = std::min<std::int64_t>(row + lane, call.rows - 1);
      const std::int64_t next = std::min<std::int64_t>(row + kLanes + lane, call.rows - 1);
      rows[0][0][lane] = a + i * call.a_row + whole * kBlock;
      rows[0][1][lane] = b + i * call.b_row + whole * kBlock;
      rows[1][0][lane] = a + next * call.a_row + whole * kBlock;
      rows[1][1][lane] = b + next * call.b_row + whole * kBlock;
    }
    hn::Vec<decltype(d)> acc[1];
    block_sums<0>(d, masks, rows[0][0], rows[0][1], rows[1][0], rows[1][1], rest, is_far, acc);
    hn::Store(acc[0], d, waiting);
    for (std::int64_t i = 0; i < count; ++i) {
      sum[row + i] = first ? waiting[i] : sum[row + i] + waiting[i];
    }
  }
}

/// RowsCall where kRows rows of a meet every row of b: lanes run over the rows of b.
template <class T, int kRows>
void vector_rows(const RowsCall& call) {
  const hn::ScalableTag<T> d;
  const PieceMasks<hn::ScalableTag<T>> masks(d);
  constexpr int kLanes = static_cast<int>(HWY_LANES(T));
  const T* const a = static_cast<const T*>(call.a);
  const T* const b = static_cast<const T*>(call.b);
  const bool is_far = rows_are_far<T>(call);
  HWY_ALIGN T edge[kLanes];
  for (std::int64_t row = 0; row < call.rows; row += kLanes) {
    const std::int64_t count = std::min<std::int64_t>(kLanes, call.rows - row);
    bool first = call.first;
    std::int64_t k = 0;
    do {
      const std::int64_t depth = std::min(call.K - k, kBlock);
      const bool is_last = k + depth >= call.K;
      const T* a_rows[kRows];
      for (int i = 0; i < kRows; ++i) a_rows[i] = a + i * call.a_row + k;
      const T* b_rows[kLanes];
      const T* next[kLanes];
      for (int lane = 0; lane < kLanes; ++lane) {
        const std::int64_t here = std::min<std::int64_t>(row + lane, call.rows - 1);
        const std::int64_t there = is_last ? std::min(here + kLanes, call.rows - 1) : here;
        b_rows[lane] = b + here * call.b_row + k;
        next[lane] = b + there * call.b_row + (is_last ? 0 : k + depth);
      }
      hn::Vec<decltype(d)> acc[kRows];
      block_sums<kRows>(d, masks, a_rows, b_rows, b_rows, next, depth, is_far, acc);
      for (int i = 0; i < kRows; ++i) {
        T* at = static_cast<T*>(call.sum) + i * call.sum_row + row;
        if (count == kLanes) {
          hn::StoreU(first ? acc[i] : hn::Add(hn::LoadU(d, at), acc[i]), d, at);
          continue;
        }
        hn::Store(acc[i], d, edge);
        for (std::int64_t j = 0; j < count; ++j) at[j] = first ? edge[j] : at[j] + edge[j];
      }
      first = false;
      k += depth;
    } while (k < call.K);
  }
}

#endif

// NOLINTNEXTLINE(google-readability-namespace-comments)
}  // namespace batchdot::kernel::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
