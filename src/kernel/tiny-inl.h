// SPDX-License-Identifier: Apache-2.0
// Many tiny products in one call. Included once for each target; see targets.h.

#if defined(BATCHDOT_TINY_INL_H) == defined(HWY_TARGET_TOGGLE)
#ifdef BATCHDOT_TINY_INL_H
#undef BATCHDOT_TINY_INL_H
#else
#define BATCHDOT_TINY_INL_H
#endif

#include <algorithm>
#include <array>
#include <cstdint>
#include <type_traits>
#include <utility>

#include "hwy/highway.h"
#include "src/kernel/kernels.h"
#include "src/kernel/microkernel-inl.h"
#include "src/kernel/transpose-inl.h"

HWY_BEFORE_NAMESPACE();
namespace batchdot::kernel::HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

#if HWY_TARGET != HWY_SCALAR  // which has one lane, no interleaving, and is not used

// Rows of one pass: as many chains as hide the latency of a multiply-add, as many row pointers and
// sums as there are registers for.
inline constexpr int tiny_rows_of(int NV) {
  if (HWY_TARGET == HWY_AVX2) return NV == 1 ? 8 : 12 / NV;
  return NV == 1 ? 16 : 24 / NV;
}
template <int NV>
inline constexpr int kTinyMR = tiny_rows_of(NV);
template <class T>
inline constexpr int kTinyNV = tiny_vectors(HWY_LANES(T));
// With AVX-512 a masked load costs what a load costs; with AVX2 whole rows get a variant of their
// own. A masked store costs more on both: tiny_dense_rows has none.
inline constexpr bool kMasksAreFree = HWY_TARGET <= HWY_AVX3;

// How the last vector of a row ends. For the CPU a masked vector reaches into what is behind the
// row, often another line; half a vector does not.
enum class RowEnd : std::uint8_t { kMasked, kWhole, kHalf };

// A row of the result: NV vectors, the last of which may end early. Nothing behind it is touched.
template <class D, int NV, RowEnd kEnd>
class TinyRow {
 public:
  using T = hn::TFromD<D>;
  HWY_INLINE explicit TinyRow(std::int64_t columns)
      : last_(hn::FirstN(D(), static_cast<std::size_t>(columns) - (NV - 1) * hn::Lanes(D()))) {}

  HWY_INLINE hn::Vec<D> load(const T* row, int v) const {
    const T* at = row + v * static_cast<std::int64_t>(hn::Lanes(D()));
    if (kEnd == RowEnd::kWhole || v + 1 < NV) return hn::LoadU(D(), at);
    if constexpr (kEnd == RowEnd::kHalf) {
      return hn::ZeroExtendVector(D(), hn::LoadU(hn::Half<D>(), at));
    } else {
      return hn::MaskedLoad(last_, D(), at);
    }
  }
  HWY_INLINE void store(hn::Vec<D> vector, T* row, int v) const {
    T* at = row + v * static_cast<std::int64_t>(hn::Lanes(D()));
    if (kEnd == RowEnd::kWhole || v + 1 < NV) {
      hn::StoreU(vector, D(), at);
    } else if constexpr (kEnd == RowEnd::kHalf) {
      hn::StoreU(hn::LowerHalf(hn::Half<D>(), vector), hn::Half<D>(), at);
    } else {
      hn::BlendedStore(vector, last_, D(), at);
    }
  }

 private:
  hn::Mask<D> last_;
};

// Few rows have a pointer each, and one place along k for all; there are not enough registers for
// more of them.
template <int MR, class T>
struct RowsApart {
  const T* at[MR];
  std::int64_t place = 0;

  HWY_INLINE RowsApart(const T* a, std::int64_t stride) {
    BATCHDOT_UNROLL
    for (int i = 0; i < MR; ++i) at[i] = a + i * stride;
  }
  HWY_INLINE const T* row(int i) const { return at[i] + place; }
  HWY_INLINE void advance(std::int64_t step) { place += step; }
};
inline constexpr int kRowsApart = 8;
// Rows that lie side by side: one pointer, and constants.
template <class T>
struct RowsTogether {
  const T* at;

  HWY_INLINE RowsTogether(const T* a, std::int64_t) : at(a) {}
  HWY_INLINE const T* row(int i) const { return at + i; }
  HWY_INLINE void advance(std::int64_t step) { at += step; }
};

// Rows of kK elements without gaps: likewise. A multiply-add that reads memory by an index register
// would be two operations on Intel's cores, and fewer of the next item's would be under way.
template <int kK, class T>
struct RowsDense {
  const T* at;

  HWY_INLINE RowsDense(const T* a, std::int64_t) : at(a) {}
  HWY_INLINE const T* row(int i) const { return at + i * kK; }
  HWY_INLINE void advance(std::int64_t step) { at += step; }
};

// Along what a is contiguous: the same code for each, but for constants.
enum class LhsAlong : std::uint8_t { kK, kRows, kNeither };
template <int MR, LhsAlong kAlong, class T>
using TinyRows = std::conditional_t<
    kAlong == LhsAlong::kRows, RowsTogether<T>,
    std::conditional_t<(MR <= kRowsApart), RowsApart<MR, T>, RowPointers<MR, T>>>;

// acc (MR x NV vectors) += a[i, k] * b[k, vector v] for one k, which lies a_at further in a.
template <int MR, int NV, class Rows, class Row, class D, class T = hn::TFromD<D>>
HWY_INLINE void tiny_step(D d, const Rows& a, std::int64_t a_at, const T* b, const Row& b_row,
                          hn::Vec<D> (&acc)[MR][NV]) {
  if constexpr (MR < NV) {  // the fewer of the two stay in registers
    hn::Vec<D> a_k[MR];
    BATCHDOT_UNROLL
    for (int i = 0; i < MR; ++i) a_k[i] = hn::Set(d, a.row(i)[a_at]);
    BATCHDOT_UNROLL
    for (int v = 0; v < NV; ++v) {
      const auto b_kv = b_row.load(b, v);
      BATCHDOT_UNROLL
      for (int i = 0; i < MR; ++i) acc[i][v] = MultiplyLanes::add(a_k[i], b_kv, acc[i][v]);
    }
  } else {
    hn::Vec<D> b_k[NV];
    BATCHDOT_UNROLL
    for (int v = 0; v < NV; ++v) b_k[v] = b_row.load(b, v);
    BATCHDOT_UNROLL
    for (int i = 0; i < MR; ++i) {
      const auto a_ik = hn::Set(d, a.row(i)[a_at]);
      BATCHDOT_UNROLL
      for (int v = 0; v < NV; ++v) acc[i][v] = MultiplyLanes::add(a_ik, b_k[v], acc[i][v]);
    }
  }
}

// The same for four k.
template <LhsAlong kAlong, int MR, int NV, class Rows, class Row, class D, class T = hn::TFromD<D>>
HWY_INLINE void tiny_steps(D d, Rows& a, std::int64_t a_k, const T* b, std::int64_t b_k,
                           const Row& b_row, hn::Vec<D> (&acc)[MR][NV]) {
  // Rows that share pointers can be reached by them and a constant, or have to move for each k.
  constexpr bool kMoves =
      kAlong == LhsAlong::kRows || (kAlong == LhsAlong::kNeither && MR > kRowsApart);
  BATCHDOT_UNROLL
  for (int step = 0; step < 4; ++step) {
    tiny_step<MR, NV>(d, a, kMoves ? 0 : step * a_k, b + step * b_k, b_row, acc);
    if (kMoves) a.advance(a_k);
  }
  if (!kMoves) a.advance(4 * a_k);
}

// MR rows of every product: one chain for each element, in the order of k.
template <class T, int MR, std::size_t kLanes, int NV, bool kWhole, LhsAlong kAlong>
void tiny_rows(const TinyCall& call) {
  const hn::CappedTag<T, kLanes> d;
  using D = decltype(d);
  constexpr RowEnd kEnd = kWhole ? RowEnd::kWhole : RowEnd::kMasked;
  const TinyRow<std::remove_const_t<D>, NV, kEnd> row(call.N);
  const std::int64_t K = call.K;
  const std::int64_t a_item = call.a_item, a_row = call.a_row;
  const std::int64_t a_k = kAlong == LhsAlong::kK ? 1 : call.a_k;
  const std::int64_t b_item = call.b_item, b_k = call.b_k;
  const std::int64_t out_item = call.out_item, out_row = call.out_row;
  const T* a = static_cast<const T*>(call.a);
  const T* b = static_cast<const T*>(call.b);
  T* out = static_cast<T*>(call.out);
  for (std::int64_t item = call.items; item > 0; --item) {
    // Without this Clang 14 keeps a pointer of its own for each row from item to item, on the
    // stack.
    asm volatile("" : "+r"(a));
    TinyRows<MR, kAlong, T> a_rows(a, a_row);
    hn::Vec<D> acc[MR][NV];
    BATCHDOT_UNROLL
    for (auto& vectors : acc) {
      BATCHDOT_UNROLL
      for (auto& vector : vectors) vector = hn::Zero(d);
    }
    const T* b_at = b;
    std::int64_t k = K;
    for (; k >= 4; k -= 4, b_at += 4 * b_k) {
      tiny_steps<kAlong>(d, a_rows, a_k, b_at, b_k, row, acc);
    }
    for (; k > 0; --k, b_at += b_k) {
      tiny_step<MR, NV>(d, a_rows, 0, b_at, row, acc);
      a_rows.advance(a_k);
    }
    T* out_at = out;
    BATCHDOT_UNROLL
    for (int i = 0; i < MR; ++i, out_at += out_row) {
      BATCHDOT_UNROLL
      for (int v = 0; v < NV; ++v) row.store(acc[i][v], out_at, v);
    }
    a += a_item;
    b += b_item;
    out += out_item;
  }
}

// What lies item by item is asked for a few lines at a time while the item before it is multiplied:
// many at once would wait for each other, and the products for them.
template <class T>
class NextOperand {
 public:
  HWY_INLINE NextOperand(bool is_dense, std::int64_t elements, std::int64_t parts)
      : lines_(is_dense ? (elements + kLine * parts - 1) / (kLine * parts) : 0) {}
  HWY_INLINE void from(const T* item) { at_ = item; }
  HWY_INLINE void ask() {
    for (std::int64_t line = lines_; line > 0; --line, at_ += kLine) {
      __builtin_prefetch(at_, 0, 3);
    }
  }

 private:
  static constexpr std::int64_t kLine = 64 / sizeof(T);
  std::int64_t lines_;
  const T* at_ = nullptr;
};

// What is smaller comes fast enough by itself.
template <int MR, int NV, int kK>
constexpr bool tiny_asks() {
  return MR * NV > 8 && kK != 8;
}
// What is done about memory: nothing; the next item is asked for, operands and result; or the
// result goes past the caches and the next operands are asked for.
enum class TinyMemory : std::uint8_t { kNear, kAsks, kStreams };

// The same for call.M rows, a multiple of MR, without masks, for K that is a multiple of
// kDenseSteps, and kK where a is contiguous along K: its rows have no gaps then.
inline constexpr int kDenseSteps = 8;
template <class T, int MR, std::size_t kLanes, int NV, RowEnd kEnd, LhsAlong kAlong, int kK,
          TinyMemory kMemory>
void tiny_dense_rows(const TinyCall& call) {
  constexpr bool kAsks = kMemory != TinyMemory::kNear && tiny_asks<MR, NV, kK>();
  constexpr bool kStreams = kMemory == TinyMemory::kStreams;
  constexpr bool kTogether = kAlong == LhsAlong::kRows;
  static_assert(kTogether || (kAlong == LhsAlong::kK && kK > 0 && kK % kDenseSteps == 0));
  const hn::CappedTag<T, kLanes> d;
  using D = decltype(d);
  const TinyRow<std::remove_const_t<D>, NV, kEnd> row(call.N);
  const std::int64_t K = kTogether ? call.K : kK;
  const std::int64_t a_item = call.a_item, a_k = call.a_k;
  const std::int64_t b_item = call.b_item, b_k = call.b_k;
  const std::int64_t out_item = call.out_item, out_row = call.out_row;
  const T* a = static_cast<const T*>(call.a);
  const T* b = static_cast<const T*>(call.b);
  T* out = static_cast<T*>(call.out);
  const std::int64_t parts = call.M / MR * (K / kDenseSteps);
  NextOperand<T> next_a(a_item == call.M * K, a_item, parts);
  NextOperand<T> next_b(b_item == K * call.N, b_item, parts);
  NextOperand<T> next_out(!kStreams && out_item == call.M * call.N, out_item, parts);
  for (std::int64_t item = call.items; item > 0; --item) {
    const T* a_at = a;
    T* out_at = out;
    if (kAsks) {
      next_a.from(a + a_item);
      next_b.from(b + b_item);
      next_out.from(out + out_item);
    }
    for (std::int64_t rows = call.M; rows > 0; rows -= MR) {
      asm volatile("" : "+r"(a_at));  // as above
      std::conditional_t<kTogether, RowsTogether<T>, RowsDense<kK, T>> a_rows(a_at, 0);
      hn::Vec<D> acc[MR][NV];
      BATCHDOT_UNROLL
      for (auto& vectors : acc) {
        BATCHDOT_UNROLL
        for (auto& vector : vectors) vector = hn::Zero(d);
      }
      const T* b_at = b;
      for (std::int64_t k = 0; k < K; k += kDenseSteps) {
        if (kAsks) {
          next_a.ask();
          next_b.ask();
          next_out.ask();
        }
        BATCHDOT_UNROLL
        for (int step = 0; step < kDenseSteps; ++step, b_at += b_k) {
          tiny_step<MR, NV>(d, a_rows, kTogether ? 0 : step, b_at, row, acc);
          if (kTogether) a_rows.advance(a_k);
        }
        if (!kTogether) a_rows.advance(kDenseSteps);
      }
      BATCHDOT_UNROLL
      for (int i = 0; i < MR; ++i, out_at += out_row) {
        BATCHDOT_UNROLL
        for (int v = 0; v < NV; ++v) {
          if constexpr (kStreams) {
            hn::Stream(acc[i][v], d, out_at + v * static_cast<std::int64_t>(hn::Lanes(d)));
          } else {
            row.store(acc[i][v], out_at, v);
          }
        }
      }
      a_at += kTogether ? MR : MR * kK;
    }
    a += a_item;
    b += b_item;
    out += out_item;
  }
}

// 128 bits along k of one column of b. Behind the last column the last one is repeated: those lanes
// are never stored.
template <class T>
class TinyColumns {
 public:
  static constexpr std::int64_t kStep = kPieceLanes<T>;
  using Piece = hn::CappedTag<T, static_cast<std::size_t>(kStep)>;

  HWY_INLINE TinyColumns(const T* b, std::int64_t column_stride, std::int64_t last,
                         std::int64_t left)
      : b_(b),
        column_stride_(column_stride),
        last_(last),
        is_whole_(left >= kStep),
        left_(hn::FirstN(Piece(), static_cast<std::size_t>(std::min(kStep, left)))) {}

  // For every 128 bits of a vector, from columns kStep apart.
  template <class D>
  HWY_INLINE hn::Vec<D> load(D d, std::int64_t column) const {
    if constexpr (hn::MaxLanes(D()) * sizeof(T) <= 16) {
      const T* at = b_ + std::min(column, last_) * column_stride_;
      return is_whole_ ? hn::LoadU(d, at) : hn::MaskedLoad(left_, d, at);
    } else {
      const hn::Half<D> half;
      constexpr auto kPieces = static_cast<std::int64_t>(hn::MaxLanes(D()) * sizeof(T) / 32);
      return hn::Combine(d, load(half, column + kPieces * kStep), load(half, column));
    }
  }

 private:
  const T* b_;
  std::int64_t column_stride_, last_;
  bool is_whole_;
  hn::Mask<Piece> left_;
};

/// Rows of k from columns that are contiguous along k, in registers:
///
///     b: columns, k runs        panel: k, columns run
///       c0 [k0 k1 k2 k3 ...]      k0 [c0 c1 c2 c3 | c4 ... ]
///       c1 [k0 k1 k2 k3 ...]      k1 [c0 c1 c2 c3 | c4 ... ]
///       ...                       ...
///
/// A vector takes 128 bits of every fourth (f64: second) column, so all shuffles stay in their 128
/// bits. The panel has `row` elements for each k, whole vectors.
template <class D, class T = hn::TFromD<D>>
HWY_INLINE void transpose_to_panel(D d, const TinyCall& call, const T* b, std::int64_t row,
                                   T* HWY_RESTRICT panel) {
  constexpr std::int64_t kStep = TinyColumns<T>::kStep;
  constexpr auto kLanes = static_cast<std::int64_t>(hn::MaxLanes(D()));
  for (std::int64_t k = 0; k < call.K; k += kStep, panel += kStep * row) {
    const TinyColumns<T> columns(b + k, call.b_column, call.N - 1, call.K - k);
    for (std::int64_t column = 0; column < row; column += kLanes) {
      T* to = panel + column;
      hn::Vec<D> pieces[kPieceLanes<T>];
      for (int i = 0; i < kPieceLanes<T>; ++i) pieces[i] = columns.load(d, column + i);
      transpose_pieces(d, pieces);
      for (int i = 0; i < kPieceLanes<T>; ++i) hn::StoreU(pieces[i], d, to + i * row);
    }
  }
}

// tiny_rows of 1 to kTinyMR<NV> rows.
template <class T, std::size_t kLanes, int NV, bool kWhole, LhsAlong kAlong>
inline constexpr auto kTinyRows = []<int... kRows>(std::integer_sequence<int, kRows...>) {
  return std::array<TinyFunction, sizeof...(kRows)>{
      tiny_rows<T, kRows + 1, kLanes, NV, kWhole, kAlong>...};
}
(std::make_integer_sequence<int, kTinyMR<NV>>());
// Those for the lhs of a call; integers have one for any, as they take long enough to compile.
template <class T, std::size_t kLanes, int NV, bool kWhole>
const TinyFunction* rows_for(const TinyCall& call) {
  if constexpr (std::is_floating_point_v<T>) {
    if (call.a_k == 1) return kTinyRows<T, kLanes, NV, kWhole, LhsAlong::kK>.data();
    if (call.a_row == 1) return kTinyRows<T, kLanes, NV, kWhole, LhsAlong::kRows>.data();
  }
  return kTinyRows<T, kLanes, NV, kWhole, LhsAlong::kNeither>.data();
}

// Asks for the next item, part by part, while this one is multiplied: what lies item by item. Items
// of several passes take too long for the hardware to ask for in time. With AVX-512 so much is
// asked for at a time that the second cache takes it better, in turns 1.02 to 1.09. After the last
// item of a call comes, as a rule, the first one of the next call.
template <class T>
class NextItem {
 public:
  HWY_INLINE NextItem(const TinyCall& call, std::int64_t parts) : call_(call) {
    if (!call.asks) return;
    lines_[0] = call.a_item == call.M * call.K ? lines_of(call.a_item) : 0;
    lines_[1] = call.b_item == call.K * call.N ? lines_of(call.b_item) : 0;
    lines_[2] = call.out_item == call.M * call.N ? lines_of(call.out_item) : 0;
    share_ = (lines_[0] + lines_[1] + lines_[2] + parts - 1) / parts;
  }
  HWY_INLINE void after(std::int64_t item) {
    if (share_ == 0) return;
    from_[0] = static_cast<const T*>(call_.a) + (item + 1) * call_.a_item;
    from_[1] = static_cast<const T*>(call_.b) + (item + 1) * call_.b_item;
    from_[2] = static_cast<const T*>(call_.out) + (item + 1) * call_.out_item;
    region_ = 0;
    line_ = 0;
  }
  HWY_INLINE void ask() {
    for (std::int64_t left = share_; left > 0 && region_ < 3;) {
      if (line_ == lines_[region_]) {
        ++region_;
        line_ = 0;
        continue;
      }
      __builtin_prefetch(from_[region_] + line_++ * kLine, 0, kMasksAreFree ? 2 : 3);
      --left;
    }
  }

 private:
  static constexpr std::int64_t kLine = 64 / sizeof(T);
  static std::int64_t lines_of(std::int64_t elements) { return (elements + kLine - 1) / kLine; }

  const TinyCall& call_;
  std::int64_t lines_[3] = {}, share_ = 0, line_ = 0;
  const T* from_[3] = {};
  int region_ = 0;
};

template <class T, int MR, std::size_t kLanes, int NV, RowEnd kEnd, LhsAlong kAlong, int kK>
TinyFunction dense_of(const TinyCall& call) {
  using enum TinyMemory;
  if constexpr (kEnd == RowEnd::kWhole && kK <= kTinyStreamK) {
    const auto address = reinterpret_cast<std::uintptr_t>(call.out);
    if (call.streams && address % (kLanes * sizeof(T)) == 0) {
      return tiny_dense_rows<T, MR, kLanes, NV, kEnd, kAlong, kK, kStreams>;
    }
  }
  if constexpr (tiny_asks<MR, NV, kK>()) {
    if (call.asks_early) return tiny_dense_rows<T, MR, kLanes, NV, kEnd, kAlong, kK, kAsks>;
  }
  return tiny_dense_rows<T, MR, kLanes, NV, kEnd, kAlong, kK, kNear>;
}
template <class T, int MR, std::size_t kLanes, int NV, RowEnd kEnd>
TinyFunction dense_of_height(const TinyCall& call) {
  if (call.a_k == 1 && call.a_row == call.K) {
    switch (call.K) {
      case 8:
        return dense_of<T, MR, kLanes, NV, kEnd, LhsAlong::kK, 8>(call);
      case 16:
        return dense_of<T, MR, kLanes, NV, kEnd, LhsAlong::kK, 16>(call);
      case 24:
        return dense_of<T, MR, kLanes, NV, kEnd, LhsAlong::kK, 24>(call);
      case 32:
        return dense_of<T, MR, kLanes, NV, kEnd, LhsAlong::kK, 32>(call);
      default:
        return nullptr;
    }
  }
  if (call.a_row == 1 && call.K > 0 && call.K % kDenseSteps == 0) {
    return dense_of<T, MR, kLanes, NV, kEnd, LhsAlong::kRows, 0>(call);
  }
  return nullptr;
}
template <class T, std::size_t kLanes, int NV, RowEnd kEnd>
TinyFunction dense_of_width(const TinyCall& call) {
  if constexpr (NV == 1) {  // by eights the chains would only just hide each other
    if (call.M % 16 == 0) return dense_of_height<T, 16, kLanes, NV, kEnd>(call);
  }
  constexpr int kRows = NV <= 3 ? 8 : 4;
  return call.M % kRows == 0 ? dense_of_height<T, kRows, kLanes, NV, kEnd>(call) : nullptr;
}
// tiny_dense_rows for a call; null: there is none. Only for AVX-512, reals, and the most common
// sizes: each is one function more.
template <class T, std::size_t kLanes, int NV>
TinyFunction dense_rows(const TinyCall& call) {
  if constexpr (kMasksAreFree && kLanes >= 8 && std::is_floating_point_v<T>) {
    constexpr auto kWhole = static_cast<std::int64_t>(kLanes) * NV;
    constexpr auto kHalf = static_cast<std::int64_t>(kLanes) / 2;
    if (call.N == kWhole) return dense_of_width<T, kLanes, NV, RowEnd::kWhole>(call);
    if constexpr (NV == 2 && std::is_same_v<T, float>) {  // 24 columns
      if (call.N == kWhole - kHalf) return dense_of_width<T, kLanes, NV, RowEnd::kHalf>(call);
    }
  }
  return nullptr;
}

// Rows of NV vectors of kLanes elements at most. More than kTinyMR rows are done in passes of
// nearly equal height; columns along k are put into panels, of a few items at a time, in L1.
template <class T, std::size_t kLanes, int NV, bool kWhole>
void tiny_columns(const TinyCall& call) {
  constexpr auto kRow = static_cast<std::int64_t>(NV * kLanes);
  constexpr std::int64_t kPanels = 16384 / sizeof(T);  // of the widest item
  static_assert(kTinyK * kRow <= kPanels);
  constexpr std::int64_t kRows = kTinyMR<NV>;
  const TinyFunction* const rows_of = rows_for<T, kLanes, NV, kWhole>(call);
  TinyFunction all_rows = dense_rows<T, kLanes, NV>(call);
  if (all_rows == nullptr && call.M <= kRows) all_rows = rows_of[call.M - 1];
  if (all_rows != nullptr && call.b_column == 1) return all_rows(call);

  HWY_ALIGN T panels[kPanels];
  const std::int64_t panel = (call.K + 3) / 4 * 4 * kRow;
  const std::int64_t passes = (call.M + kRows - 1) / kRows;
  // Several passes go over one item at a time: over more, they read in too many places at once.
  const std::int64_t most =
      passes > 1 ? 1
                 : std::clamp<std::int64_t>(kPanels / 2 / std::max<std::int64_t>(1, panel), 1, 32);
  // The first `high` rows are done in passes that are one row higher than the others. Passes of one
  // height are one call, to which they are items.
  const std::int64_t low = call.M / passes, high_passes = call.M % passes;
  const std::int64_t high = high_passes * (low + 1);
  const bool asks = all_rows == nullptr && call.asks;
  NextItem<T> next(call, passes);
  // Not copied for each item: what is stored by vectors comes late to the loads of its parts.
  TinyCall some = call;
  for (std::int64_t item = 0; item < call.items; item += most) {
    next.after(item);
    const std::int64_t items = std::min(most, call.items - item);
    const T* a = static_cast<const T*>(call.a) + item * call.a_item;
    const T* b = static_cast<const T*>(call.b) + item * call.b_item;
    T* out = static_cast<T*>(call.out) + item * call.out_item;
    some.b = b;
    if (call.b_column != 1) {
      for (std::int64_t i = 0; i < items; ++i) {
        transpose_to_panel(hn::CappedTag<T, kLanes>(), call, b + i * call.b_item, kRow,
                           panels + i * panel);
      }
      some.b = panels;
      some.b_item = panel;
      some.b_k = kRow;
    }
    if (all_rows != nullptr) {
      some.items = items;
      some.a = a;
      some.out = out;
      all_rows(some);
      continue;
    }
    some.b_item = 0;
    for (std::int64_t row = 0; row < call.M; row += some.M) {
      const std::int64_t rows = row < high ? low + 1 : low;
      some.items = asks ? 1 : row < high ? high_passes : passes - high_passes;
      some.M = some.items * rows;
      some.a = a + row * call.a_row;
      some.a_item = rows * call.a_row;
      some.out = out + row * call.out_row;
      some.out_item = rows * call.out_row;
      if (asks) next.ask();
      rows_of[rows - 1](some);
    }
  }
}

/// 4x4 of 32 bits that lie together: a vector holds whole rows of the result, four lanes each.
///
///     acc [c00 c01 c02 c03 | c10 ..]  +=  [a0k a0k a0k a0k | a1k ..] * [bk0 bk1 bk2 bk3 | bk0 ..]
///
/// Four multiply-adds make a product with AVX-512, eight with AVX2.
template <class T>
void tiny_4x4(const TinyCall& call) {
  static_assert(sizeof(T) == 4);  // a row is 128 bits
  const hn::ScalableTag<T> d;
  constexpr int kVectors = 16 / static_cast<int>(HWY_LANES(T));
  const T* a = static_cast<const T*>(call.a);
  const T* b = static_cast<const T*>(call.b);
  T* out = static_cast<T*>(call.out);
  for (std::int64_t item = 0; item < call.items; ++item) {
    const auto b0 = hn::LoadDup128(d, b);
    const auto b1 = hn::LoadDup128(d, b + call.b_k);
    const auto b2 = hn::LoadDup128(d, b + 2 * call.b_k);
    const auto b3 = hn::LoadDup128(d, b + 3 * call.b_k);
    for (int v = 0; v < kVectors; ++v) {
      const auto at = static_cast<std::int64_t>(HWY_LANES(T)) * v;
      const auto rows = hn::LoadU(d, a + at);
      auto acc = MultiplyLanes::add(hn::Broadcast<0>(rows), b0, hn::Zero(d));
      acc = MultiplyLanes::add(hn::Broadcast<1>(rows), b1, acc);
      acc = MultiplyLanes::add(hn::Broadcast<2>(rows), b2, acc);
      acc = MultiplyLanes::add(hn::Broadcast<3>(rows), b3, acc);
      hn::StoreU(acc, d, out + at);
    }
    a += call.a_item;
    b += call.b_item;
    out += call.out_item;
  }
}

// Rows of kLanes * NV elements at most; of exactly so many without masks.
template <class T, std::size_t kLanes, int NV>
void tiny_of_width(const TinyCall& call) {
  if (!kMasksAreFree && call.N == static_cast<std::int64_t>(kLanes) * NV) {
    return tiny_columns<T, kLanes, NV, !kMasksAreFree>(call);
  }
  tiny_columns<T, kLanes, NV, false>(call);
}

// Rows of NV to kTinyNV vectors.
template <class T, int NV = 2>
void tiny_whole(const TinyCall& call) {
  constexpr auto kLanes = static_cast<std::int64_t>(HWY_LANES(T));
  if constexpr (NV < kTinyNV<T> && NV * kLanes < kTinyN) {
    if (call.N > NV * kLanes) return tiny_whole<T, NV + 1>(call);
  }
  tiny_of_width<T, HWY_LANES(T), NV>(call);
}

// Rows of the result of at most kTinyNV vectors: by as few and as narrow ones as hold a row.
template <class T>
void tiny_narrow(const TinyCall& call) {
  constexpr auto kWidest = static_cast<std::int64_t>(HWY_LANES(T));
  constexpr std::int64_t kNarrowest = 16 / sizeof(T);
  if (call.N <= kNarrowest) return tiny_of_width<T, kNarrowest, 1>(call);
  if (call.N <= 2 * kNarrowest) return tiny_of_width<T, 2 * kNarrowest, 1>(call);
  if (call.N <= kWidest) return tiny_of_width<T, kWidest, 1>(call);
  tiny_whole<T>(call);
}

// tiny_rows for rows of call.N elements, at most kTinyNV vectors.
template <class T, int NV = 1>
const TinyFunction* rows_of_width(const TinyCall& call) {
  constexpr auto kLanes = static_cast<std::int64_t>(HWY_LANES(T));
  if constexpr (NV < kTinyNV<T>) {
    if (call.N > NV * kLanes) return rows_of_width<T, NV + 1>(call);
  }
  if (!kMasksAreFree && call.N == NV * kLanes) {
    return rows_for<T, HWY_LANES(T), NV, !kMasksAreFree>(call);
  }
  return rows_for<T, HWY_LANES(T), NV, false>(call);
}

// Wider rows, in nearly equal parts of whole vectors, a few rows at a time: the result is written
// along its rows. Columns along k are put into a panel for each part.
template <class T>
void tiny_wide(const TinyCall& call) {
  constexpr auto kLanes = static_cast<std::int64_t>(HWY_LANES(T));
  HWY_ALIGN T panels[kTinyK * kTinyN];
  const bool turns = call.b_column != 1;
  const std::int64_t vectors = (call.N + kLanes - 1) / kLanes;
  const std::int64_t parts = (vectors + kTinyNV<T> - 1) / kTinyNV<T>;
  const std::int64_t part_vectors = (vectors + parts - 1) / parts;
  const std::int64_t width = part_vectors * kLanes;
  const std::int64_t rows = tiny_rows_of(static_cast<int>(part_vectors));
  const std::int64_t passes = (call.M + rows - 1) / rows;
  TinyCall part = call;
  part.items = 1;
  part.N = width;
  const TinyFunction* const whole_rows = rows_of_width<T>(part);
  part.N = call.N - (parts - 1) * width;
  const TinyFunction* const last_rows = rows_of_width<T>(part);
  NextItem<T> next(call, passes * parts);
  for (std::int64_t item = 0; item < call.items; ++item) {
    next.after(item);
    const T* b = static_cast<const T*>(call.b) + item * call.b_item;
    part.b_column = call.b_column;
    for (std::int64_t column = 0; turns && column < call.N; column += width) {
      part.N = std::min(width, call.N - column);
      transpose_to_panel(hn::ScalableTag<T>(), part, b + column * call.b_column, width,
                         panels + column * kTinyK);
    }
    if (turns) {
      part.b_column = 1;
      part.b_k = width;
    }
    std::int64_t row = 0;
    for (std::int64_t pass = passes; pass > 0; --pass) {
      part.M = (call.M - row + pass - 1) / pass;
      part.a = static_cast<const T*>(call.a) + item * call.a_item + row * call.a_row;
      for (std::int64_t column = 0; column < call.N; column += width) {
        const bool is_last = call.N - column <= width;
        part.N = is_last ? call.N - column : width;
        part.b = turns ? panels + column * kTinyK : b + column;
        part.out = static_cast<T*>(call.out) + item * call.out_item + row * call.out_row + column;
        next.ask();
        (is_last ? last_rows : whole_rows)[part.M - 1](part);
      }
      row += part.M;
    }
  }
}

/// TinyCall.
template <class T>
void tiny(const TinyCall& call) {
  if (call.M == 0) return;
  if constexpr (sizeof(T) == 4) {
    if (call.M == 4 && call.N == 4 && call.K == 4 && call.a_k == 1 && call.a_row == 4 &&
        call.b_column == 1 && call.out_row == 4) {
      return tiny_4x4<T>(call);
    }
  }
  if (call.N > kTinyNV<T> * static_cast<std::int64_t>(HWY_LANES(T))) return tiny_wide<T>(call);
  tiny_narrow<T>(call);
}

#endif  // HWY_SCALAR

// NOLINTNEXTLINE(google-readability-namespace-comments)
}  // namespace batchdot::kernel::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
