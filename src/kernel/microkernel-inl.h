// SPDX-License-Identifier: Apache-2.0
// The register tile's inner loop. Included once for each target; see targets.h.

#if defined(BATCHDOT_MICROKERNEL_INL_H) == defined(HWY_TARGET_TOGGLE)
#ifdef BATCHDOT_MICROKERNEL_INL_H
#undef BATCHDOT_MICROKERNEL_INL_H
#else
#define BATCHDOT_MICROKERNEL_INL_H
#endif

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "hwy/highway.h"
#include "src/kernel/kernels.h"

HWY_BEFORE_NAMESPACE();
namespace batchdot::kernel::HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

// Before a loop over accumulators: unrolled at once, whatever its size. Else a compiler may leave
// arrays of accumulators in memory and store each after each multiply-add.
#if defined(__clang__)
#define BATCHDOT_UNROLL _Pragma("clang loop unroll(full)")
#else
#define BATCHDOT_UNROLL _Pragma("GCC unroll 16")
#endif

// For a loop over k that is to stay one: where registers are short, compilers load or multiply what
// the next k need too early, and spill.
#if defined(__clang__)
#define BATCHDOT_ROLLED _Pragma("clang loop unroll(disable)")
#else
#define BATCHDOT_ROLLED
#endif
HWY_INLINE int rolled(int count) {
  asm("" : "+r"(count));  // hides it: GCC unrolls what it can count
  return count;
}

// The lower 64 bits of products of 64 bits, where Highway has no such product for every target.
template <class V>
HWY_INLINE V multiply_i64(V a, V b) {
  const hn::DFromV<V> d;
  const hn::RebindToUnsigned<decltype(d)> du;
  const auto ua = hn::BitCast(du, a);
  const auto ub = hn::BitCast(du, b);
#if HWY_TARGET == HWY_AVX3
  return hn::BitCast(d, hn::Mul(ua, ub));
#elif HWY_TARGET == HWY_AVX2
  const hn::Repartition<std::uint32_t, decltype(d)> halves;
  const auto a32 = hn::BitCast(halves, ua);
  const auto b32 = hn::BitCast(halves, ub);
  const auto a_high = hn::BitCast(halves, hn::ShiftRight<32>(ua));
  const auto b_high = hn::BitCast(halves, hn::ShiftRight<32>(ub));
  auto cross = hn::Add(hn::MulEven(a32, b_high), hn::MulEven(a_high, b32));
  // Hides that only its lower half counts: else Clang drops the masks that make these products of
  // 32 bits, and takes four for what three do.
  asm("" : "+x"(cross.raw));
  return hn::BitCast(d, hn::Add(hn::MulEven(a32, b32), hn::ShiftLeft<32>(cross)));
#else
  return hn::BitCast(d, hn::Add(ua, ub));  // never called: the plain loops run there
#endif
}

// What tiles and dots do with an element of a, one of b and their sum so far: here one product in
// each lane.
struct MultiplyLanes {
  static constexpr int kUnrolled = 4;  // steps of k in a loop
  // If so, b is always a panel. Else columns that do not exist are not read.
  static constexpr bool kReadsWholeVectors = false;
  template <class V>
  static HWY_INLINE V add(V a, V b, V c) {
    if constexpr (hwy::IsFloat<hn::TFromV<V>>()) {
      return hn::MulAdd(a, b, c);
    } else if constexpr (sizeof(hn::TFromV<V>) == 8) {
      return hn::Add(multiply_i64(a, b), c);
    } else {
      return hn::Add(hn::Mul(a, b), c);
    }
  }
};

// The last vector of a tile may be partial: its first `count` lanes exist, and no other is touched
// in memory. AVX-512 has masks for that; elsewhere a store goes through a copy, as masked stores
// are slow on some CPUs. The mask is made once: made at each load, it is a branch in Clang's inner
// loop, and accumulators are spilled for it.
template <class D, class T = hn::TFromD<D>>
class FirstLanes {
 public:
  HWY_INLINE FirstLanes(D d, int count)
      : exists_(hn::FirstN(d, static_cast<std::size_t>(count))), count_(count) {}

  HWY_INLINE hn::Vec<D> load(D d, const T* from) const {
#if HWY_ARCH_X86
    return hn::MaskedLoad(exists_, d, from);
#else  // a masked load elsewhere may read all lanes
    HWY_ALIGN T copy[HWY_LANES(T)] = {};
    for (int i = 0; i < count_; ++i) copy[i] = from[i];
    return hn::Load(d, copy);
#endif
  }
  HWY_INLINE void store(D d, hn::Vec<D> v, T* to) const {
#if HWY_TARGET == HWY_AVX3
    hn::BlendedStore(v, exists_, d, to);
#else
    HWY_ALIGN T copy[HWY_LANES(T)];
    hn::Store(v, d, copy);
    static_assert(HWY_LANES(T) <= 8);  // what the pieces make up, less than a vector
    const T* from = copy;
    copy_piece<4>(from, to);
    copy_piece<2>(from, to);
    copy_piece<1>(from, to);
#endif
  }

 private:
  // As the bits of a number make it up, the count is made up of halves, quarters, eighths.
  template <int kLanes>
  HWY_INLINE void copy_piece(const T*& from, T*& to) const {
    if constexpr (kLanes < HWY_LANES(T)) {
      if ((count_ & kLanes) == 0) return;
      std::memcpy(to, from, kLanes * sizeof(T));
      from += kLanes;
      to += kLanes;
    }
  }

  hn::Mask<D> exists_;
  int count_;
};

// Rows of a tile at one k: a pointer for every three rows, so that each is one of p, p + row, p + 2
// row, which an instruction can address by itself.
template <int MR, class T>
struct RowPointers {
  static constexpr int kCount = (MR + 2) / 3;
  const T* at[kCount];
  std::int64_t stride;

  HWY_INLINE RowPointers(const T* a, std::int64_t row_stride) : stride(row_stride) {
    for (int i = 0; i < kCount; ++i) at[i] = a + 3 * i * row_stride;
  }
  HWY_INLINE const T* row(int i) const { return at[i / 3] + i % 3 * stride; }
  HWY_INLINE void advance(std::int64_t step) {
    for (const T*& pointer : at) {
      pointer += step;
      // Hides where it came from: else Clang makes one chain of additions of all rows, which takes
      // longer than the multiply-adds of a narrow tile.
      asm("" : "+r"(pointer));
    }
  }
};

// The same in a packed panel: all addresses are one pointer and constants.
template <int MR, int kReals, class T>
struct PanelRows {
  const T* at;

  HWY_INLINE const T* row(int i) const { return at + kReals * i; }
  HWY_INLINE void advance(std::int64_t) { at += kReals * MR; }
};

template <bool kPacked, int MR, int kReals, class T>
HWY_INLINE auto rows_of_a(const T* a, std::int64_t row_stride) {
  if constexpr (kPacked) {
    return PanelRows<MR, kReals, T>{a};
  } else {
    return RowPointers<MR, T>(a, row_stride);
  }
}

/// acc (MR x NV vectors) += a[i, k] * b[k, vector v] for one k. kTail: of the last vector only the
/// lanes `last` exist.
template <class Multiply, int MR, int NV, bool kTail, class Rows, class D, class T = hn::TFromD<D>>
HWY_INLINE void multiply_step(D d, Rows& a, std::int64_t a_k, const T* HWY_RESTRICT b,
                              [[maybe_unused]] const FirstLanes<D>& last,
                              hn::Vec<D> (&acc)[MR][NV]) {
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(d));
  hn::Vec<D> b_row[NV];
  BATCHDOT_UNROLL
  for (int v = 0; v < NV; ++v) {
    b_row[v] = kTail && !Multiply::kReadsWholeVectors && v == NV - 1 ? last.load(d, b + v * lanes)
                                                                     : hn::LoadU(d, b + v * lanes);
  }
  BATCHDOT_UNROLL
  for (int i = 0; i < MR; ++i) {
    const auto a_ik = hn::Set(d, *a.row(i));
    BATCHDOT_UNROLL
    for (int v = 0; v < NV; ++v) acc[i][v] = Multiply::add(a_ik, b_row[v], acc[i][v]);
  }
  a.advance(a_k);
}

// The running sums of a tile, asked for before they are needed: the products hide the way.
template <int MR, int NV, class T>
HWY_INLINE void prefetch_sums(const T* sum, std::int64_t row) {
  constexpr int kLine = 64 / sizeof(T);
  constexpr int kWidth = NV * static_cast<int>(HWY_LANES(T));
  for (int i = 0; i < MR; ++i) {
    for (int j = 0; j < kWidth; j += kLine) __builtin_prefetch(sum + i * row + j, 1, 3);
  }
}

// How a tile finds its operands: by the strides of the call, of the last vector only a part; by the
// strides; or in packed panels, whose strides are constants. Those take a tenth fewer instructions.
// Tiles of so many vectors have that form: large products consist of them.
enum class Access : std::uint8_t { kPartly, kStrided, kPacked };
inline constexpr int kLargeTile = 10;  // tests/loops/check_loops.py has it too

// One tile of a call.
template <class T, int MR, int NV, class Multiply, Access kAccess>
HWY_INLINE void tile_real_of(const TileCall& call, const T* first_a, const T* b, T* sum,
                             const std::byte*& ask) {
  constexpr bool kTail = kAccess == Access::kPartly;
  constexpr bool kPacked = kAccess == Access::kPacked;
  const hn::ScalableTag<T> d;
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(d));
  const FirstLanes<hn::ScalableTag<T>> last(d, call.columns - (NV - 1) * static_cast<int>(lanes));
  if (call.prefetches_sums) prefetch_sums<MR, NV>(sum, call.sum_row);
  auto a = rows_of_a<kPacked, MR, 1>(first_a, call.a_row);
  const std::int64_t a_k = call.a_k;
  const std::int64_t b_k = kPacked ? NV * lanes : call.b_k;
  const std::int64_t sum_row = call.sum_row;
  std::int64_t left = call.K;
  bool first = call.first;
  do {
    hn::Vec<decltype(d)> acc[MR][NV];
    BATCHDOT_UNROLL
    for (auto& row : acc) {
      BATCHDOT_UNROLL
      for (auto& vector : row) vector = hn::Zero(d);
    }
    std::int64_t steps = std::min(left, kBlock);
    left -= steps;
    static_assert(kAskK == 4);
    for (; steps >= 4; steps -= 4) {
      __builtin_prefetch(ask, 0, 2);
      ask += call.ask_step;
      BATCHDOT_ROLLED
      for (int rest = Multiply::kUnrolled == 4 ? 4 : rolled(4); rest > 0;
           rest -= Multiply::kUnrolled) {
        BATCHDOT_UNROLL
        for (int step = 0; step < Multiply::kUnrolled; ++step) {
          multiply_step<Multiply, MR, NV, kTail>(d, a, a_k, b + step * b_k, last, acc);
        }
        b += Multiply::kUnrolled * b_k;
      }
    }
    for (; steps > 0; --steps) {
      multiply_step<Multiply, MR, NV, kTail>(d, a, a_k, b, last, acc);
      b += b_k;
    }
    if (!kTail && call.streams) {
      BATCHDOT_UNROLL
      for (int i = 0; i < MR; ++i) {
        BATCHDOT_UNROLL
        for (int v = 0; v < NV; ++v) hn::Stream(acc[i][v], d, sum + i * sum_row + v * lanes);
      }
      return;
    }
    BATCHDOT_UNROLL
    for (int i = 0; i < MR; ++i) {
      BATCHDOT_UNROLL
      for (int v = 0; v < NV; ++v) {
        T* at = sum + i * sum_row + v * lanes;
        if (kTail && v == NV - 1) {
          if (!first) acc[i][v] = hn::Add(last.load(d, at), acc[i][v]);
          last.store(d, acc[i][v], at);
        } else {
          if (!first) acc[i][v] = hn::Add(hn::LoadU(d, at), acc[i][v]);
          hn::StoreU(acc[i][v], d, at);
        }
      }
    }
    first = false;
  } while (left > 0);
}

// All tiles of a call, each by kTile.
template <class T, auto kTile>
HWY_INLINE void run_tiles(const TileCall& call) {
  const auto* a = static_cast<const std::byte*>(call.a);
  const auto* b = static_cast<const std::byte*>(call.b);
  auto* sum = static_cast<std::byte*>(call.sum);
  // Asking for what is there already is free; for an address that is not there it is not.
  const auto* ask = call.ask == nullptr ? b : static_cast<const std::byte*>(call.ask);
  for (int left = call.tiles; left > 0; --left) {
    kTile(call, reinterpret_cast<const T*>(a), reinterpret_cast<const T*>(b),
          reinterpret_cast<T*>(sum), ask);
    a += call.a_tile;
    b += call.b_tile;
    sum += call.sum_tile;
  }
}

// All tiles of a call, each operand by the way that is fastest.
template <class T, int MR, int NV, class Multiply>
HWY_INLINE void tiles_real(const TileCall& call) {
  constexpr int kWidth = NV * static_cast<int>(HWY_LANES(T));
  if (call.columns != kWidth) {
    return run_tiles<T, tile_real_of<T, MR, NV, Multiply, Access::kPartly>>(call);
  }
  if constexpr (MR * NV >= kLargeTile) {
    if (call.a_row == 1 && call.a_k == MR && call.b_k == kWidth) {
      return run_tiles<T, tile_real_of<T, MR, NV, Multiply, Access::kPacked>>(call);
    }
  }
  run_tiles<T, tile_real_of<T, MR, NV, Multiply, Access::kStrided>>(call);
}

/// TileCall for real numbers and 32-bit integers.
///
///     a: MR rows, any strides           b: K rows of NV vectors, b_k elements apart
///
/// One fused multiply-add for each k, in the order of k, into one accumulator for each element; a
/// block ends after 128 and is added to the running sum. Nothing but K decides the order, so the
/// bits do not depend on MR, NV, M, N, the batch or the threads.
///
/// Registers: MR * NV accumulators + NV of B + 1 of A. 6 x 2 takes 15 of the 16 that AVX2 has; 8 x
/// 3 takes 28 of 32 with AVX-512, 6 x 4 takes 29. k is unrolled by four: without it GCC 12 loses up
/// to 40 % for small K. Source: Goto and van de Geijn, "Anatomy of High-Performance Matrix
/// Multiplication" (2008).
template <class T, int MR, int NV>
void tile_real(const TileCall& call) {
  tiles_real<T, MR, NV, MultiplyLanes>(call);
}

// NOLINTNEXTLINE(google-readability-namespace-comments)
}  // namespace batchdot::kernel::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
