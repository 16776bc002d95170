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

/// column_dots for real numbers and integers.
template <class T>
void column_dots(const RowsCall& call) {
  const hn::ScalableTag<T> d;
  using D = hn::ScalableTag<T>;
  constexpr auto kLanes = static_cast<std::int64_t>(HWY_LANES(T));
  const T* const a = static_cast<const T*>(call.a);
  const T* const b = static_cast<const T*>(call.b);
  T* const sum = static_cast<T*>(call.sum);
  const auto columns = [&]<int NV>(std::int64_t at, const auto& load, const auto& store) HWY_ATTR {
    std::int64_t from = 0;
    do {
      const std::int64_t end = std::min(call.K, from + kBlock);
      const T* a_k = a + from * call.a_row + at;
      const T* b_k = b + from * call.b_row + at;
      hn::Vec<D> acc[NV];
      for (auto& vector : acc) vector = hn::Zero(d);
      for (std::int64_t k = from; k < end; ++k, a_k += call.a_row, b_k += call.b_row) {
        for (int v = 0; v < NV; ++v) {
          acc[v] = MultiplyLanes::add(load(a_k + v * kLanes), load(b_k + v * kLanes), acc[v]);
        }
      }
      for (int v = 0; v < NV; ++v) {
        T* to = sum + at + v * kLanes;
        store(call.first && from == 0 ? acc[v] : hn::Add(load(to), acc[v]), to);
      }
      from = end;
    } while (from < call.K);
  };
  const auto load = [&](const T* from) HWY_ATTR { return hn::LoadU(d, from); };
  const auto store = [&](hn::Vec<D> v, T* to) HWY_ATTR { hn::StoreU(v, d, to); };
  std::int64_t at = 0;
  for (; at + kDotsVectors * kLanes <= call.rows; at += kDotsVectors * kLanes) {
    columns.template operator()<kDotsVectors>(at, load, store);
  }
  for (; at + kLanes <= call.rows; at += kLanes) columns.template operator()<1>(at, load, store);
  if (at == call.rows) return;
  const FirstLanes<D> last(d, static_cast<int>(call.rows - at));
  columns.template operator()<1>(
      at, [&](const T* from) HWY_ATTR { return last.load(d, from); },
      [&](hn::Vec<D> v, T* to) HWY_ATTR { last.store(d, v, to); });
}

#if HWY_TARGET != HWY_SCALAR  // which has one lane, nothing to transpose, and is not used

/// What the rows of a call hold, and how that is multiplied: real numbers. ComplexRows is the same
/// for complex ones, of which `kReals` lanes hold one.
template <class T>
class RealRows {
 public:
  using Real = T;
  using D = hn::ScalableTag<T>;
  using V = hn::Vec<D>;
  static constexpr int kReals = 1;
  static constexpr int kPiece = kPieceLanes<T>;  // numbers in 128 bits

  HWY_INLINE explicit RealRows(const RowsCall& /*call*/) {}
  HWY_INLINE void transpose(V (&v)[kPiece]) const { transpose_pieces(D(), v); }
  HWY_INLINE V add(V a, V b, V acc) const { return hn::MulAdd(a, b, acc); }
  /// One number of a for all lanes.
  HWY_INLINE V add_row(const T* a, V b, V acc) const {
    return hn::MulAdd(hn::Set(D(), *a), b, acc);
  }
  /// Whole vectors of sums, or `count` of them.
  HWY_INLINE void store(V acc, bool first, std::int64_t count, T* sum,
                        std::int64_t /*plane*/) const {
    const D d;
    if (count == static_cast<std::int64_t>(HWY_LANES(T))) {
      return hn::StoreU(first ? acc : hn::Add(hn::LoadU(d, sum), acc), d, sum);
    }
    HWY_ALIGN T edge[HWY_LANES(T)];
    hn::Store(acc, d, edge);
    for (std::int64_t j = 0; j < count; ++j) sum[j] = first ? edge[j] : sum[j] + edge[j];
  }
};
template <class Rows>
inline constexpr int kNumbers = static_cast<int>(HWY_LANES(typename Rows::Real)) / Rows::kReals;

/// Block sums that wait to be added in order, for one row of a group.
inline constexpr std::int64_t kWaitingBlocks = 32;

/// Rows of a call that the second cache would not hold.
template <class Rows>
bool rows_are_far(const RowsCall& call) {
  constexpr auto kBytes = static_cast<std::int64_t>(Rows::kReals * sizeof(typename Rows::Real));
  return call.rows * call.K * kBytes > (1 << 20);
}

/// Asks for the rows of the next call of block_sums in the order of addresses, as fast as this one
/// reads: 16 or 32 rows at once are more streams than the hardware follows. Lines first, first + 1,
/// ... of them all, `count` of one row. With AVX-512, what the call after that one is expected to
/// read, as much further as the next rows are from these, comes into the second cache if rows are
/// far: in turns on an Emerald Rapids core 1.04 to 1.14 on W6 and W8, 0.86 of what is near.
template <int kReals, class T>
HWY_INLINE void ask_for_lines(const T* const* now, const T* const* next, std::int64_t first,
                              int count, bool is_far) {
  constexpr std::int64_t kLine = 64 / sizeof(T);
  constexpr std::int64_t kRowLines = kBlock * kReals / kLine;
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
HWY_INLINE void ask_for_rows(const T* const* rows, int count, std::int64_t reals) {
  for (int r = 0; r < count; ++r) {
    for (std::int64_t at = 0; at < reals; at += 64 / sizeof(T)) __builtin_prefetch(rows[r] + at);
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

/// 16 bytes of each row, `at` reals from its start, as one vector for each k: lane r is rows[r].
/// Pieces of 128 bits are put together while they are loaded, so that only the transposes within
/// the pieces are left to the one port that shuffles: with whole vectors of rows it is twice as
/// many.
template <class Rows, class T = typename Rows::Real, class D = typename Rows::D>
HWY_INLINE void load_transposed(const Rows& numbers, const PieceMasks<D>& masks,
                                const T* const* rows, std::int64_t at,
                                hn::Vec<D> (&v)[Rows::kPiece]) {
  constexpr int kPiece = Rows::kPiece;
  constexpr int kPieces = static_cast<int>(HWY_LANES(T)) / kPieceLanes<T>;
  const D d;
  for (int r = 0; r < kPiece; ++r) {
    if constexpr (kPieces == 1) {
      v[r] = hn::LoadU(d, rows[r] + at);
    } else if constexpr (kPieces == 2) {
      const hn::Half<D> half;
      v[r] = hn::Combine(d, hn::LoadU(half, rows[kPiece + r] + at), hn::LoadU(half, rows[r] + at));
    } else {
      v[r] = hn::LoadDup128(d, rows[(kPieces - 1) * kPiece + r] + at);
      for (int piece = kPieces - 2; piece >= 0; --piece) {
        const T* from = rows[piece * kPiece + r] + at;
        v[r] = hn::IfThenElse(masks.below[piece], hn::LoadDup128(d, from), v[r]);
      }
    }
  }
  numbers.transpose(v);
}

/// The sums of one block, `depth` <= 128 steps of k, one in each lane. Lane r has row b[r]; of a it
/// has row a[r], or, if kRows > 0, every lane has the same kRows rows a[0] .. a[kRows-1] and there
/// are as many sums. next_a, next_b: the rows of the call after this one; next_a is not used if
/// kRows > 0.
template <int kRows, class Rows, class T = typename Rows::Real, class D = typename Rows::D>
HWY_INLINE void block_sums(const Rows& numbers, const PieceMasks<D>& masks, const T* const* a,
                           const T* const* b, const T* const* next_a, const T* const* next_b,
                           std::int64_t depth, bool is_far,
                           hn::Vec<D> (&acc)[kRows == 0 ? 1 : kRows]) {
  constexpr int kReals = Rows::kReals, kPiece = Rows::kPiece, kLanes = kNumbers<Rows>;
  constexpr int kLines = std::max(1, kLanes / 4);  // that a piece reads of each operand
  const D d;
  for (auto& sum : acc) sum = hn::Zero(d);
  const auto piece = [&](std::int64_t from, int first) HWY_ATTR {
    hn::Vec<D> b_k[kPiece];
    load_transposed(numbers, masks, b, from * kReals, b_k);
    if constexpr (kRows == 0) {
      hn::Vec<D> a_k[kPiece];
      load_transposed(numbers, masks, a, from * kReals, a_k);
      for (int i = 0; i < kPiece; ++i) {
        if (i >= first) acc[0] = numbers.add(a_k[i], b_k[i], acc[0]);
      }
    } else {
      for (int i = 0; i < kPiece; ++i) {
        if (i < first) continue;
        for (int row = 0; row < kRows; ++row) {
          acc[row] = numbers.add_row(a[row] + (from + i) * kReals, b_k[i], acc[row]);
        }
      }
    }
  };
  std::int64_t k = 0;
  if (depth == kBlock) {
    constexpr std::int64_t kAll =
        kLanes * kReals * kBlock * static_cast<std::int64_t>(sizeof(T)) / 64;
    for (std::int64_t line = 0; k < kBlock; k += kPiece, line += kLines) {
      if (kLanes >= 4 || line < kAll) {
        if constexpr (kRows == 0) ask_for_lines<kReals>(a, next_a, line, kLines, is_far);
        ask_for_lines<kReals>(b, next_b, line, kLines, is_far);
      }
      piece(k, 0);
    }
    return;
  }
  if constexpr (kRows == 0) ask_for_rows(next_a, kLanes, depth * kReals);
  ask_for_rows(next_b, kLanes, depth * kReals);
  for (; k + kPiece <= depth; k += kPiece) piece(k, 0);
  if (k == depth) return;
  // The last piece of a row begins before the steps that are left: nothing behind a row is read.
  if (depth >= kPiece) return piece(depth - kPiece, static_cast<int>(k + kPiece - depth));
  for (; k < depth; ++k) {
    HWY_ALIGN T column[HWY_LANES(T)];
    const auto load = [&](const T* const* rows) HWY_ATTR {
      for (int lane = 0; lane < kLanes * kReals; ++lane) {
        column[lane] = rows[lane / kReals][k * kReals + lane % kReals];
      }
      return hn::Load(d, column);
    };
    const auto b_k = load(b);
    if constexpr (kRows == 0) {
      acc[0] = numbers.add(load(a), b_k, acc[0]);
    } else {
      for (int row = 0; row < kRows; ++row) {
        acc[row] = numbers.add_row(a[row] + k * kReals, b_k, acc[row]);
      }
    }
  }
}

/// RowsCall where each row of b has its own row of a. Lanes run over (row, block of 128) in the
/// order of memory, so that few rows are read as long runs; then over the rows for what is left
/// behind their whole blocks. The block sums wait in a buffer and are added in order.
template <class Rows>
void row_dots(const RowsCall& call) {
  using T = typename Rows::Real;
  constexpr int kReals = Rows::kReals, kLanes = kNumbers<Rows>;
  const typename Rows::D d;
  const Rows numbers(call);
  const PieceMasks<typename Rows::D> masks(d);
  const T* const a = static_cast<const T*>(call.a);
  const T* const b = static_cast<const T*>(call.b);
  const std::int64_t a_row = call.a_row * kReals, b_row = call.b_row * kReals;
  T* const sum = static_cast<T*>(call.sum);
  const bool is_far = rows_are_far<Rows>(call);
  const std::int64_t whole = call.K / kBlock;
  const std::int64_t rest = call.K % kBlock;
  const T* rows[2][2][kLanes];  // [this call, the next one][a, b]
  HWY_ALIGN T waiting[(kLanes * kWaitingBlocks + kLanes) * kReals];
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
          to[0][lane] = a + at_row * a_row + (from + at_block) * kBlock * kReals;
          to[1][lane] = b + at_row * b_row + (from + at_block) * kBlock * kReals;
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
        block_sums<0>(numbers, masks, rows[now][0], rows[now][1], rows[now ^ 1][0],
                      rows[now ^ 1][1], kBlock, is_far, acc);
        hn::Store(acc[0], d, waiting + s * kReals);
      }
      for (std::int64_t i = 0; i < count; ++i) {
        for (int part = 0; part < kReals; ++part) {
          const T* blocks = waiting + i * width * kReals + part;
          T& to = sum[row + i + part * call.sum_plane];
          T t = first ? blocks[0] : to + blocks[0];
          for (std::int64_t j = 1; j < width; ++j) t = t + blocks[j * kReals];
          to = t;
        }
      }
      first = false;
    }
    if (rest == 0 && whole > 0) continue;
    for (int lane = 0; lane < kLanes; ++lane) {
      const std::int64_t i = std::min<std::int64_t>(row + lane, call.rows - 1);
      const std::int64_t next = std::min<std::int64_t>(row + kLanes + lane, call.rows - 1);
      rows[0][0][lane] = a + i * a_row + whole * kBlock * kReals;
      rows[0][1][lane] = b + i * b_row + whole * kBlock * kReals;
      rows[1][0][lane] = a + next * a_row + whole * kBlock * kReals;
      rows[1][1][lane] = b + next * b_row + whole * kBlock * kReals;
    }
    hn::Vec<decltype(d)> acc[1];
    block_sums<0>(numbers, masks, rows[0][0], rows[0][1], rows[1][0], rows[1][1], rest, is_far,
                  acc);
    numbers.store(acc[0], first, count, sum + row, call.sum_plane);
  }
}

/// RowsCall where kRows rows of a meet every row of b: lanes run over the rows of b.
template <class Rows, int kRows>
void vector_rows(const RowsCall& call) {
  using T = typename Rows::Real;
  constexpr int kReals = Rows::kReals, kLanes = kNumbers<Rows>;
  const Rows numbers(call);
  const PieceMasks<typename Rows::D> masks{typename Rows::D()};
  const T* const a = static_cast<const T*>(call.a);
  const T* const b = static_cast<const T*>(call.b);
  const bool is_far = rows_are_far<Rows>(call);
  for (std::int64_t row = 0; row < call.rows; row += kLanes) {
    const std::int64_t count = std::min<std::int64_t>(kLanes, call.rows - row);
    bool first = call.first;
    std::int64_t k = 0;
    do {
      const std::int64_t depth = std::min(call.K - k, kBlock);
      const bool is_last = k + depth >= call.K;
      const T* a_rows[kRows];
      for (int i = 0; i < kRows; ++i) a_rows[i] = a + (i * call.a_row + k) * kReals;
      const T* b_rows[kLanes];
      const T* next[kLanes];
      for (int lane = 0; lane < kLanes; ++lane) {
        const std::int64_t here = std::min<std::int64_t>(row + lane, call.rows - 1);
        const std::int64_t there = is_last ? std::min(here + kLanes, call.rows - 1) : here;
        b_rows[lane] = b + (here * call.b_row + k) * kReals;
        next[lane] = b + (there * call.b_row + (is_last ? 0 : k + depth)) * kReals;
      }
      typename Rows::V acc[kRows];
      block_sums<kRows>(numbers, masks, a_rows, b_rows, b_rows, next, depth, is_far, acc);
      for (int i = 0; i < kRows; ++i) {
        T* at = static_cast<T*>(call.sum) + i * call.sum_row + row;
        numbers.store(acc[i], first, count, at, call.sum_plane);
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
