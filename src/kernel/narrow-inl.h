// SPDX-License-Identifier: Apache-2.0
// Packing of elements narrower than a panel's 32 bits: f16, bf16, i8. Whatever lies in memory is
// taken by words of 32 bits, two or four k of one row, or by vectors of elements. See PackCall.

#if defined(BATCHDOT_NARROW_INL_H) == defined(HWY_TARGET_TOGGLE)
#ifdef BATCHDOT_NARROW_INL_H
#undef BATCHDOT_NARROW_INL_H
#else
#define BATCHDOT_NARROW_INL_H
#endif

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <type_traits>

#include "hwy/highway.h"
#include "src/kernel/convert.h"
#include "src/kernel/kernels.h"
#include "src/kernel/pack-inl.h"
#include "src/kernel/transpose-inl.h"

HWY_BEFORE_NAMESPACE();
namespace batchdot::kernel::HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

// A format says how the kPerWord elements of a word become kRows rows of a panel.
//
//     put(panel, width, k, r, x)   one element
//     store(d, words, to, width, present)   a vector of words, of which `present` k exist
//     widen(d, from)               a vector of elements, each as 32 bits, for rows in memory order;
//                                  row_of(k) is the row of a word that the k-th of them goes to
//     along_k(d, halves)           those of 16 bits for k side by side, in the order of a panel's
//     rows
//
// kPads: rows of a k that does not exist hold zeros; otherwise there are none.

// The panel holds each element alone, as Packed.
template <class SourceElement, class PackedElement>
struct Widened {
  using Source = SourceElement;
  using Packed = PackedElement;
  static constexpr int kPerWord = 4 / sizeof(Source);
  static constexpr int kRows = kPerWord;
  static constexpr bool kPads = false;
  static constexpr int row_of(int k) { return k; }
  static HWY_INLINE void put(void* panel, std::int64_t width, std::int64_t k, int r, Source x) {
    static_cast<Packed*>(panel)[k * width + r] = convert<Packed>(x);
  }
};

// bf16 as f32, the elements of a pair exchanged: the plain order of the tile takes the odd one
// first. A missing last element counts as zero.
struct ExchangedBF16 : Widened<BFloat16, float> {
  static constexpr bool kPads = true;
  static constexpr int row_of(int k) { return 1 - k; }
  static HWY_INLINE void put(void* panel, std::int64_t width, std::int64_t k, int r, BFloat16 x) {
    static_cast<float*>(panel)[(k ^ 1) * width + r] = widen(x);
  }
};

// Words as they are: pairs of bf16, or four i8, for the instructions that take them so. kFlip: i8 +
// 128, unsigned.
template <class SourceElement, bool kFlip>
struct Words {
  using Source = SourceElement;
  static constexpr int kPerWord = 4 / sizeof(Source);
  static constexpr int kRows = 1;
  static constexpr bool kPads = true;
  static HWY_INLINE void put(void* panel, std::int64_t width, std::int64_t k, int r, Source x) {
    if constexpr (kFlip) x = static_cast<Source>(static_cast<std::uint8_t>(x) ^ 0x80u);
    static_cast<Source*>(panel)[(k / kPerWord * width + r) * kPerWord + k % kPerWord] = x;
  }
};

// i8 as pairs of i16: a word of memory is two words of a panel.
struct PairsOfI16 {
  using Source = std::int8_t;
  static constexpr int kPerWord = 4;
  static constexpr int kRows = 2;
  static constexpr bool kPads = true;
  static HWY_INLINE void put(void* panel, std::int64_t width, std::int64_t k, int r, Source x) {
    static_cast<std::int16_t*>(panel)[(k / 2 * width + r) * 2 + k % 2] = x;
  }
};

// Any strides, one element at a time.
template <class Format>
void pack_words_one_by_one(const PackCall& call) {
  constexpr int P = Format::kPerWord;
  using Source = typename Format::Source;
  const Source* source = static_cast<const Source*>(call.source);
  const std::int64_t whole = Format::kPads ? (call.K + P - 1) / P * P : call.K;
  if (call.rows < call.width || whole != call.K) {
    const auto bytes = static_cast<std::size_t>(whole * Format::kRows / P * call.width * 4);
    if (bytes != 0) std::memset(call.panel, 0, bytes);
    if (Format::kPads && whole != call.K) {
      // What a format makes of a missing element is what it makes of zero.
      for (std::int64_t k = call.K; k < whole; ++k) {
        for (int r = 0; r < call.rows; ++r) Format::put(call.panel, call.width, k, r, Source{});
      }
    }
  }
  for (int r = 0; r < call.rows; ++r) {
    const Source* from = source + row_offset(call, r);
    for (std::int64_t k = 0; k < call.K; ++k) {
      Format::put(call.panel, call.width, k, r, from[k_offset(call, k)]);
    }
  }
}

template <class Format>
void pack_words(const PackCall& call);
template <class Format>
void widen_rows(const PackCall& call);

#if HWY_TARGET != HWY_SCALAR && HWY_TARGET != HWY_EMU128

// Elements of 16 bits for a vector of words.
template <class D>
using Halves = hn::Vec<hn::Rebind<std::uint16_t, D>>;
template <class D, class Source>
HWY_INLINE Halves<D> load_halves(D, const Source* from) {
  static_assert(sizeof(Source) == 2);
  return hn::LoadU(hn::Rebind<std::uint16_t, D>(), reinterpret_cast<const std::uint16_t*>(from));
}
// The first `count` of them, less than a vector; the others are zero.
template <class D, class Source>
HWY_INLINE Halves<D> load_halves(D d, const Source* from, std::size_t count) {
#if HWY_TARGET == HWY_AVX3
  (void)d;
  const hn::Rebind<std::uint16_t, D> halves;
  return hn::MaskedLoad(hn::FirstN(halves, count), halves,
                        reinterpret_cast<const std::uint16_t*>(from));
#else
  Source copy[hn::MaxLanes(D())] = {};
  std::memcpy(static_cast<void*>(copy), from, count * sizeof(Source));
  return load_halves(d, copy);
#endif
}

// What the vectors of a format are: `store`, `widen` and `along_k`.
template <class Format>
struct WordVectors;

template <>
struct WordVectors<Widened<Half, float>> {
  template <class D>
  static HWY_INLINE hn::Vec<D> halves(D d, hn::Vec<D> words) {
    const hn::Rebind<std::int32_t, D> di;
    const hn::Rebind<std::uint16_t, D> dh;
    const hn::Rebind<hwy::float16_t, D> df16;
    const hn::Rebind<float, D> df;
    const auto bits = hn::DemoteTo(dh, hn::BitCast(di, words));
    return hn::BitCast(d, hn::PromoteTo(df, hn::BitCast(df16, bits)));
  }
  template <class D>
  static HWY_INLINE void store(D d, hn::Vec<D> words, std::uint32_t* to, std::int64_t width,
                               int present) {
    hn::StoreU(halves(d, hn::And(words, hn::Set(d, 0xFFFFu))), d, to);
    if (present > 1) hn::StoreU(halves(d, hn::ShiftRight<16>(words)), d, to + width);
  }
  template <class D>
  static HWY_INLINE hn::Vec<D> along_k(D d, Halves<D> bits) {
    const hn::Rebind<hwy::float16_t, D> df16;
    const hn::Rebind<float, D> df;
    return hn::BitCast(d, hn::PromoteTo(df, hn::BitCast(df16, bits)));
  }
  template <class D>
  static HWY_INLINE hn::Vec<D> widen(D d, const Half* from) {
    return along_k(d, load_halves(d, from));
  }
};

template <>
struct WordVectors<Widened<BFloat16, float>> {
  template <class D>
  static HWY_INLINE void store(D d, hn::Vec<D> words, std::uint32_t* to, std::int64_t width,
                               int present) {
    hn::StoreU(hn::ShiftLeft<16>(words), d, to);
    if (present > 1) hn::StoreU(hn::And(words, hn::Set(d, 0xFFFF0000u)), d, to + width);
  }
  template <class D>
  static HWY_INLINE hn::Vec<D> along_k(D d, Halves<D> bits) {
    return hn::ShiftLeft<16>(hn::PromoteTo(d, bits));
  }
  template <class D>
  static HWY_INLINE hn::Vec<D> widen(D d, const BFloat16* from) {
    return along_k(d, load_halves(d, from));
  }
};

template <>
struct WordVectors<ExchangedBF16> : WordVectors<Widened<BFloat16, float>> {
  template <class D>
  static HWY_INLINE void store(D d, hn::Vec<D> words, std::uint32_t* to, std::int64_t width, int) {
    hn::StoreU(hn::And(words, hn::Set(d, 0xFFFF0000u)), d, to);
    hn::StoreU(hn::ShiftLeft<16>(words), d, to + width);
  }
  template <class D>
  static HWY_INLINE hn::Vec<D> along_k(D d, Halves<D> bits) {
    return hn::Shuffle2301(WordVectors<Widened<BFloat16, float>>::along_k(d, bits));
  }
};

template <>
struct WordVectors<Widened<std::int8_t, std::int32_t>> {
  template <int kByte, class D>
  static HWY_INLINE hn::Vec<D> byte(D d, hn::Vec<D> words) {
    const hn::Rebind<std::int32_t, D> di;
    const auto high = hn::BitCast(di, hn::ShiftLeft<24 - 8 * kByte>(words));
    return hn::BitCast(d, hn::ShiftRight<24>(high));
  }
  template <class D>
  static HWY_INLINE void store(D d, hn::Vec<D> words, std::uint32_t* to, std::int64_t width,
                               int present) {
    hn::StoreU(byte<0>(d, words), d, to);
    if (present > 1) hn::StoreU(byte<1>(d, words), d, to + width);
    if (present > 2) hn::StoreU(byte<2>(d, words), d, to + 2 * width);
    if (present > 3) hn::StoreU(byte<3>(d, words), d, to + 3 * width);
  }
  template <class D>
  static HWY_INLINE hn::Vec<D> widen(D d, const std::int8_t* from) {
    const hn::Rebind<std::int8_t, D> db;
    const hn::Rebind<std::int32_t, D> di;
    return hn::BitCast(d, hn::PromoteTo(di, hn::LoadU(db, from)));
  }
};

template <class Source, bool kFlip>
struct WordVectors<Words<Source, kFlip>> {
  template <class D>
  static HWY_INLINE void store(D d, hn::Vec<D> words, std::uint32_t* to, std::int64_t, int) {
    if constexpr (kFlip) words = hn::Xor(words, hn::Set(d, 0x80808080u));
    hn::StoreU(words, d, to);
  }
};

template <>
struct WordVectors<PairsOfI16> {
  template <class D>
  static HWY_INLINE void store(D d, hn::Vec<D> words, std::uint32_t* to, std::int64_t width, int) {
    const hn::Repartition<std::int16_t, D> dh;
    const auto bytes = hn::BitCast(dh, words);
    const auto even = hn::BitCast(d, hn::ShiftRight<8>(hn::ShiftLeft<8>(bytes)));
    const auto odd = hn::BitCast(d, hn::ShiftRight<8>(bytes));
    const auto low = hn::Set(d, 0xFFFFu);
    hn::StoreU(hn::Or(hn::And(even, low), hn::ShiftLeft<16>(odd)), d, to);
    hn::StoreU(hn::Or(hn::ShiftRight<16>(even), hn::AndNot(low, odd)), d, to + width);
  }
};

// Less than 16 bytes, by two copies that overlap.
HWY_INLINE void copy_short(const std::uint8_t* from, std::size_t bytes, std::uint8_t* to) {
  if (bytes >= 8) {
    std::memcpy(to, from, 8);
    std::memcpy(to + bytes - 8, from + bytes - 8, 8);
  } else if (bytes >= 4) {
    std::memcpy(to, from, 4);
    std::memcpy(to + bytes - 4, from + bytes - 4, 4);
  } else if (bytes >= 2) {
    std::memcpy(to, from, 2);
    to[bytes - 1] = from[bytes - 1];
  } else {
    *to = *from;
  }
}

// k is contiguous: N rows from r on, of which `count` exist, 4 words at a time.
template <class Format, class D>
HWY_INLINE void pack_columns_chunk(D d, const PackCall& call, int r, int count) {
  using Vectors = WordVectors<Format>;
  using Source = typename Format::Source;
  constexpr int N = static_cast<int>(hn::MaxLanes(D()));
  constexpr int P = Format::kPerWord;
  const std::uint8_t* rows[N];
  for (int i = 0; i < N; ++i) {
    const int row = std::max(0, std::min(r + i, call.rows - 1));
    rows[i] = reinterpret_cast<const std::uint8_t*>(static_cast<const Source*>(call.source) +
                                                    row_offset(call, row));
  }
  const auto exists =
      hn::BitCast(d, hn::VecFromMask(d, hn::FirstN(d, static_cast<std::size_t>(count))));
  const std::int64_t width = call.width;
  const std::int64_t words = call.K / P;
  std::uint32_t* to = static_cast<std::uint32_t*>(call.panel) + r;
  const std::int64_t step = Format::kRows * width;
  std::int64_t w = 0;
  for (; w + 4 <= words; w += 4, to += 4 * step) {
    hn::Vec<D> v[4];
    for (int i = 0; i < 4; ++i) v[i] = gather_pieces<4>(d, rows + i, 4 * w);
    transpose_pieces(d, v);
    if (count < N) {
      for (auto& words_of_rows : v) words_of_rows = hn::And(words_of_rows, exists);
    }
    for (int i = 0; i < 4; ++i) Vectors::store(d, v[i], to + i * step, width, P);
  }
  if (w * P == call.K) return;
  // What is left of each row, less than a piece, is put where a whole one may be read.
  const auto rest = static_cast<std::size_t>(call.K - w * P) * sizeof(Source);
  HWY_ALIGN std::uint8_t pieces[N][16] = {};
  const std::uint8_t* copies[N];
  for (int i = 0; i < N; ++i) copies[i] = pieces[i];
  for (int i = 0; i < count; ++i) copy_short(rows[i] + 4 * w, rest, pieces[i]);
  hn::Vec<D> v[4];
  for (int i = 0; i < 4; ++i) v[i] = gather_pieces<4>(d, copies + i, 0);
  transpose_pieces(d, v);
  for (int i = 0; w * P < call.K; ++i, ++w, to += step) {
    const int present = static_cast<int>(std::min<std::int64_t>(P, call.K - w * P));
    Vectors::store(d, v[i], to, width, present);
  }
}

// Rows lie side by side: a vector of N rows for each of the P elements of a word.
template <class Format, class D>
HWY_INLINE void store_runs(D d, const typename Format::Source* const* from, int at,
                           std::uint32_t* to, std::int64_t width, int present) {
  using Vectors = WordVectors<Format>;
  constexpr int P = Format::kPerWord;
  if constexpr (Format::kRows == P) {
    for (int k = 0; k < P; ++k) {
      if (!Format::kPads && k >= present) break;
      hn::StoreU(Vectors::widen(d, from[k] + at), d, to + Format::row_of(k) * width);
    }
  } else {
    using Unsigned = std::conditional_t<P == 2, std::uint16_t, std::uint8_t>;
    const hn::Rebind<Unsigned, D> narrow;
    const auto load = [&](int k) HWY_ATTR {
      return hn::PromoteTo(d, hn::LoadU(narrow, reinterpret_cast<const Unsigned*>(from[k] + at)));
    };
    if constexpr (P == 2) {
      Vectors::store(d, hn::Or(load(0), hn::ShiftLeft<16>(load(1))), to, width, present);
    } else {
      const auto low = hn::Or(load(0), hn::ShiftLeft<8>(load(1)));
      const auto high = hn::Or(load(2), hn::ShiftLeft<8>(load(3)));
      Vectors::store(d, hn::Or(low, hn::ShiftLeft<16>(high)), to, width, present);
    }
  }
}

// As store_runs, where only `count` of the N rows may be read; the others count as zero.
template <class Format, class D>
HWY_INLINE void store_short_runs(D d, const typename Format::Source* const* from, int at, int count,
                                 std::uint32_t* to, std::int64_t width, int present) {
  constexpr int P = Format::kPerWord;
  typename Format::Source copies[P][hn::MaxLanes(D())] = {};
  const typename Format::Source* rows[P];
  for (int k = 0; k < P; ++k) {
    for (int i = 0; i < count; ++i) copies[k][i] = from[k][at + i];
    rows[k] = copies[k];
  }
  store_runs<Format>(d, rows, 0, to, width, present);
}

// Calls chunk(tag, r, count) until every row of the panel is written: vectors of N rows, `count` of
// which exist. False if it is a shape that chunks do not cover.
template <class Chunk>
HWY_INLINE bool for_row_chunks(const PackCall& call, const Chunk& chunk) {
  constexpr int N = static_cast<int>(HWY_LANES(std::uint32_t));
  const hn::FixedTag<std::uint32_t, N> d;
  const hn::FixedTag<std::uint32_t, 4> d4;
  if (call.width % N == 0) {
    for (int r = 0; r < call.width; r += N) chunk(d, r, std::clamp(call.rows - r, 0, N));
    return true;
  }
  if (call.rows < 4 || call.rows != call.width) return false;
  int r = 0;
  for (; r + N <= call.rows; r += N) chunk(d, r, N);
  if constexpr (N > 8) {
    for (; r + 8 <= call.rows; r += 8) chunk(hn::FixedTag<std::uint32_t, 8>(), r, 8);
  }
  for (; r + 4 <= call.rows; r += 4) chunk(d4, r, 4);
  if (r < call.rows) chunk(d4, call.rows - 4, 4);  // some once more
  return true;
}

/// PackCall for narrow elements.
template <class Format>
void pack_words(const PackCall& call) {
  using Source = typename Format::Source;
  constexpr int P = Format::kPerWord;
  if (call.k_offsets == nullptr && call.k_stride == 1) {
    const auto chunk = [&](auto d, int r, int count)
                           HWY_ATTR { pack_columns_chunk<Format>(d, call, r, count); };
    if (for_row_chunks(call, chunk)) return;
  }
  if (call.row_offsets == nullptr && call.row_stride == 1) {
    // Rows of k may lie pages apart, where no hardware looks ahead. Of f16 in wide panels to ask
    // for them was 1.04 on W9_1024 in turns on an Emerald Rapids core, in narrow ones W2 0.89 with
    // it; of words nothing is measured.
    constexpr int kWide = 32;
    const bool asks = Format::kRows == P && call.k_offsets == nullptr && call.width >= kWide;
    constexpr std::int64_t kAhead = 8;
    constexpr int kLine = 64 / sizeof(Source);
    static constexpr Source kNothing[256] = {};  // wider than any panel
    const Source* source = static_cast<const Source*>(call.source);
    const std::int64_t step = Format::kRows * call.width;
    std::uint32_t* to = static_cast<std::uint32_t*>(call.panel);
    bool is_covered = true;
    for (std::int64_t k = 0; k < call.K && is_covered; k += P, to += step) {
      const int present = static_cast<int>(std::min<std::int64_t>(P, call.K - k));
      const Source* from[P];
      if (asks) {
        for (int j = 0; j < P; ++j) {
          const Source* ahead = source + (k + j + kAhead) * call.k_stride;
          for (int r = 0; r < call.rows; r += kLine) __builtin_prefetch(ahead + r, 0, 3);
          __builtin_prefetch(ahead + call.rows - 1, 0, 3);
        }
      }
      for (int j = 0; j < P; ++j) {
        from[j] = j < present ? source + k_offset(call, k + j) : kNothing;
      }
      const auto chunk = [&](auto d, int r, int count) HWY_ATTR {
        if (count == static_cast<int>(hn::MaxLanes(d))) {
          store_runs<Format>(d, from, r, to + r, call.width, present);
        } else {
          store_short_runs<Format>(d, from, count == 0 ? 0 : r, count, to + r, call.width, present);
        }
      };
      is_covered = for_row_chunks(call, chunk);
    }
    if (is_covered) return;
  }
  pack_words_one_by_one<Format>(call);
}

/// PackCall for ArithmeticKernels::widen_rows.
template <class Format>
void widen_rows(const PackCall& call) {
  using Source = typename Format::Source;
  using Vectors = WordVectors<Format>;
  const hn::ScalableTag<std::uint32_t> d;
  constexpr auto N = static_cast<std::int64_t>(HWY_LANES(std::uint32_t));
  static_assert(kWidenedAtOnce % N == 0);
  const std::int64_t written = (call.K + kWidenedAtOnce - 1) / kWidenedAtOnce * kWidenedAtOnce;
  for (int r = 0; r < call.rows; ++r) {
    const Source* from = static_cast<const Source*>(call.source) + row_offset(call, r);
    auto* to = static_cast<std::uint32_t*>(call.panel) + r * call.width;
    std::int64_t k = 0;
    for (; k + N <= call.K; k += N) {
      hn::StoreU(Vectors::along_k(d, load_halves(d, from + k)), d, to + k);
    }
    if (k < call.K) {
      const auto rest = static_cast<std::size_t>(call.K - k);
      hn::StoreU(Vectors::along_k(d, load_halves(d, from + k, rest)), d, to + k);
      k += N;
    }
    for (; k < written; k += N) hn::StoreU(hn::Zero(d), d, to + k);
  }
}

/// PackCall for ArithmeticKernels::a_along_k: of sixteen rows sixteen words of each, one row after
/// the other, then the next words; what a row lacks to a whole word is zero.
template <class Source>
void pack_along_k(const PackCall& call) {
  constexpr int P = 4 / sizeof(Source);
  constexpr int kRows = 16, kWords = 16;
  const std::int64_t words = (call.K + P - 1) / P;
  const auto* source = static_cast<const Source*>(call.source);
  auto* panel = static_cast<std::uint32_t*>(call.panel);
  const bool lies_so = call.k_offsets == nullptr && call.k_stride == 1;
  constexpr int N = static_cast<int>(HWY_LANES(std::uint32_t));
  const hn::FixedTag<std::uint32_t, N> d;
  HWY_ALIGN std::uint32_t across[kWords * kRows];  // as b's panels have them
  for (int row = 0; row < call.rows; row += kRows, panel += kRows * words) {
    const int rows = std::min(kRows, call.rows - row);
    std::uint32_t* to = panel;
    if (lies_so) {
      for (int r = 0; r < rows; ++r) {
        const Source* from = source + row_offset(call, row + r);
        const std::int64_t whole = call.K / (P * kWords);
        for (std::int64_t i = 0; i < whole; ++i, from += P * kWords) {
          std::memcpy(to + (i * rows + r) * kWords, from, 4 * kWords);
        }
        const std::int64_t rest = words - whole * kWords;
        if (rest == 0) continue;
        std::uint32_t* last = to + whole * rows * kWords + r * rest;
        last[rest - 1] = 0;
        std::memcpy(last, from, static_cast<std::size_t>(call.K % (P * kWords)) * sizeof(Source));
      }
      continue;
    }
    PackCall part = call;
    part.rows = rows;
    part.padded = part.width = kRows;
    part.panel = across;
    part.row_offsets = call.row_offsets == nullptr ? nullptr : call.row_offsets + row;
    part.source = source + (call.row_offsets == nullptr ? row * call.row_stride : 0);
    for (std::int64_t at = 0; at < words; at += kWords) {
      const auto count = static_cast<int>(std::min<std::int64_t>(kWords, words - at));
      part.K = std::min<std::int64_t>(kWords * P, call.K - at * P);
      pack_words<Words<Source, false>>(part);
      if (call.k_offsets == nullptr) {
        part.source = static_cast<const Source*>(part.source) + kWords * P * call.k_stride;
      } else {
        part.k_offsets += kWords * P;
      }
      int w = 0;
      for (; w + 4 <= count; w += 4) {
        for (int r = 0; r < rows; r += N) {
          hn::Vec<decltype(d)> v[4];
          for (int i = 0; i < 4; ++i) v[i] = hn::Load(d, across + (w + i) * kRows + r);
          transpose_pieces(d, v);
          for (int i = 0; i < 4; ++i) {
            scatter_pieces<4>(d, v[i], to + (r + i) * count + w, count, rows - r - i);
          }
        }
      }
      for (; w < count; ++w) {
        for (int r = 0; r < rows; ++r) to[r * count + w] = across[w * kRows + r];
      }
      to += rows * count;
    }
  }
}

#endif

// NOLINTNEXTLINE(google-readability-namespace-comments)
}  // namespace batchdot::kernel::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
