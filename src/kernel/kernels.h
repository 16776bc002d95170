// SPDX-License-Identifier: Apache-2.0
#pragma once
// The kernels of one instruction set, as a table. Plans and tests read it; nothing else in the
// library knows what a target is. Elements, strides and panels only: no labels, no shapes.

#include <cstddef>
#include <cstdint>
#include <span>
#include <tuple>

#include "batchdot/dtype.h"

namespace batchdot::kernel {

/// How a product is computed: what panels hold, and what a sum is kept in.
///
///     arithmetic  panel element      from            sum
///     kF32        float              f32 f16 bf16    float
///     kF64        double             f64             double
///     kC64        float, re and im   complex64       float, re and im
///     kC128       double, re and im  complex128      double, re and im
///     kI32        int32              i32 i8          int32, modulo 2^32
///     kI64        int64              i64             int64, modulo 2^64
///     kBF16       float, or a pair   bf16            float, k in pairs, odd first, flush mode
///     kI8         what is fastest    i8              int32, modulo 2^32
enum class Arithmetic : std::uint8_t { kF32, kF64, kC64, kC128, kI32, kI64, kBF16, kI8 };
inline constexpr int kArithmetics = 8;

/// k runs in blocks of this many; one accumulator chain each, the block sums added in order. Part
/// of the result's bits (docs/numerics.md), not a tuning size.
inline constexpr std::int64_t kBlock = 128;

/// One call of a register tile.
///
///     sum[i][j] = (first ? nothing : sum[i][j])  +  block 0  +  block 1 ...
///
/// a: rows, any strides. b: K rows of NV vectors, b_k apart; of the last vector only the columns
/// that exist are read where b is no panel. Complex: a is (re, im) pairs and its strides count
/// reals; a row of b is all re, then all im; sum has its im plane `sum_plane` reals behind the re
/// plane. See also ArithmeticKernels::a_along_k.
struct TileCall {
  /// Rows of b's panel, ArithmeticKernels::panel_rows(depth): one for each k, or so many for each
  /// group of k, and head rows before them.
  std::int64_t K;
  const void* a;
  std::int64_t a_row, a_k;
  const void* b;
  std::int64_t b_k;
  void* sum;
  std::int64_t sum_row;
  std::int64_t sum_plane;
  int columns;  ///< of sum that exist; the rest of the panel is padding and not stored
  bool first;   ///< sum holds nothing yet and is not read
  /// May be set where the call is the first and only one for these sums, K is at most a block,
  /// `columns` fill NV vectors, and sum and its rows are aligned to a vector: lines are written
  /// past the caches, where ArithmeticKernels::streams.
  bool streams;
  bool prefetches_sums;  ///< sum may not be in the first cache
  /// So many tiles one after the other, all alike: the next one begins so many bytes further.
  int tiles = 1;
  std::int64_t a_tile = 0, b_tile = 0, sum_tile = 0;
  /// What the registers of a tile unit are set up for, 0 before the first call of a thread that
  /// ends with ArithmeticKernels::release. Not looked at where there is no such function.
  std::uint64_t* setting = nullptr;
  /// Memory that is read after this, asked for in passing: a line for every kAskK steps of k, so
  /// many bytes apart. Where ArithmeticKernels::asks; null: nothing.
  const void* ask = nullptr;
  std::int64_t ask_step = 0;
};
inline constexpr std::int64_t kAskK = 4;
using TileFunction = void (*)(const TileCall& call);

/// The tiles of a call by a function that knows of one.
template <TileFunction kTile>
void one_by_one(const TileCall& call) {
  TileCall one = call;
  one.tiles = 1;
  for (int left = call.tiles; left > 0; --left) {
    kTile(one);
    one.a = static_cast<const std::byte*>(one.a) + call.a_tile;
    one.b = static_cast<const std::byte*>(one.b) + call.b_tile;
    one.sum = static_cast<std::byte*>(one.sum) + call.sum_tile;
  }
}

/// Copies `rows` x K elements into one micropanel, or a part of its columns, k-major, and puts
/// zeros behind them up to `padded` columns. Panel rows are `width` columns apart.
///
///     source (any strides)            panel, width = 4
///       . . . . . K                     k=0 [s00 s10 s20  0 ]
///       r0 . . .                        k=1 [s01 s11 s21  0 ]
///       r1 . . .        -->             k=2 [ ...           ]
///       r2 . . .
///
/// All that is known of layouts ends here: an axis is one stride, or a list of offsets where it
/// does not fold into one. Strides and offsets count source elements.
struct PackCall {
  const void* source;
  std::int64_t row_stride, k_stride;
  const std::int64_t* row_offsets;  ///< instead of row_stride, if not null
  const std::int64_t* k_offsets;    ///< instead of k_stride, if not null
  int rows;
  std::int64_t K;
  int padded;
  int width;
  void* panel;  ///< of the first column
  bool conjugate;
  bool asked;    ///< the caller has asked for the lines: no others are asked for here
  bool streams;  ///< whole vectors of transposed rows may go past the caches; see finish_streams
};
using PackFunction = void (*)(const PackCall& call);
/// So many panel elements are written at a time where rows are widened as they lie.
inline constexpr int kWidenedAtOnce = 16;

/// `width` dot products: lanes run over the items. a and b are panels of `width` items.
struct DotsCall {
  std::int64_t K;  ///< rows of a panel, as in TileCall
  const void* a;
  const void* b;
  int width;
  void* sum;  ///< width elements; complex: all re, then all im
  bool first;
};
using DotsFunction = void (*)(const DotsCall& call);

/// `items` products of M x K by K x N elements, each far smaller than a cache: an element is one
/// chain over k, so K is at most a block.
///
/// Strides count elements. a may have any; b is contiguous along its columns or, if b_column is not
/// 1, along k; out along its columns. Of complex numbers a is contiguous along k, b along columns.
/// Only elements of the products are touched.
struct TinyCall {
  std::int64_t items;
  /// M <= kTinyM, 1 <= N <= kTinyN, K <= kTinyK; of complex numbers half as many N and K.
  std::int64_t M, N, K;
  const void* a;
  std::int64_t a_item, a_row, a_k;
  const void* b;
  std::int64_t b_item, b_column, b_k;
  void* out;
  std::int64_t out_item, out_row;
  bool asks;  ///< items are far away: the next one is asked for, where one takes several passes
  bool asks_early;  ///< not in the second cache: asked for by passes that do so a few lines at a
                    ///< time
  /// May be set where the result has no gaps and K <= kTinyStreamK: aligned rows of whole vectors
  /// go past the caches where there is code for that.
  bool streams;
  bool a_conjugate, b_conjugate;
};
using TinyFunction = void (*)(const TinyCall& call);
inline constexpr std::int64_t kTinyM = 32, kTinyN = 32, kTinyK = 64;  // tuning sizes
static_assert(kTinyK <= kBlock);
inline constexpr std::int64_t kTinyStreamK = 16;  // a longer K gives the lines time to come
/// Rows of the result of up to so many vectors of `lanes` elements are computed whole: what is read
/// and written lies in the order of addresses then, which the hardware asks for by itself.
inline constexpr int tiny_vectors(std::int64_t lanes) { return lanes == 4 ? 6 : 4; }

/// Dot products of rows that are read where they lie, k contiguous in both, or of columns.
///
///     row_dots      sum[j]               = (first ? nothing : sum[j]) + a[j] . b[j]
///     vector_rows   sum[i * sum_row + j] = ...                          a[i] . b[j]
///     column_dots   as row_dots, but positions j lie side by side, and a_row and b_row are from
///                   one k to the next
///
/// In pieces of K, each but the last a multiple of kBlock. Strides count elements; of complex
/// numbers those of sum count reals, and im lies `sum_plane` behind re.
struct RowsCall {
  std::int64_t K;
  std::int64_t rows;  ///< of b
  const void* a;
  std::int64_t a_row;
  const void* b;
  std::int64_t b_row;
  void* sum;
  std::int64_t sum_row;
  bool first;
  std::int64_t sum_plane = 0;
  bool a_conjugate = false, b_conjugate = false;
};
using RowsFunction = void (*)(const RowsCall& call);
inline constexpr int kMaxVectorRows = 4;

/// The sum of listed block sums, in order:
///
///     sum = list[0] + list[1] + ... + list[count-1] + rest
///
/// Complex: list and rest are (re, im) pairs, sum is re, then im.
struct AddCall {
  std::int64_t count;  ///< at least 1
  const void* list;
  const void* rest;  ///< null: there is none
  void* sum;
};
using AddFunction = void (*)(const AddCall& call);
/// The same on every target: one chain of additions.
AddFunction add_blocks(Arithmetic arithmetic);

/// What an activation does to an element before it is converted; docs/numerics.md has the steps.
enum class Activation : std::uint8_t { kNone, kRelu, kGelu, kGeluTanh, kTanh };
inline constexpr int kActivations = 5;

/// An operand of the store, in elements of out; of a complex out scale is real. Null: none.
struct StoreOperand {
  const void* data;
  std::int64_t row, column;
};

/// A block of sums on its way to the result, each step one rounding:
///
///     t = alpha * sum;  t = t + (beta * out);  t = scale * t;  t = t + bias;  out = activation(t)
///
/// A factor of exactly 1 is skipped, with beta = 0 the old value is not read. Complex: sums are a
/// plane of re and one of im, and there is no activation. Any strides; fast where those of columns
/// are 1, or 0 for operands.
struct StoreCall {
  std::int64_t rows, columns;
  const void* sums;
  std::int64_t sum_row, sum_plane;  ///< in reals
  void* out;
  std::int64_t out_row, out_column;
  double alpha, beta;
  StoreOperand scale, bias;
  Activation activation;
  bool streams;  ///< whole lines of out, of complex numbers vectors, may go past the caches, but
                 ///< for those of beta; see finish_streams
};
using StoreFunction = void (*)(const StoreCall& call);

/// Copies past the caches: whole lines of `to`; what lies before and behind them as usual.
using StreamFunction = void (*)(const void* from, void* to, std::int64_t bytes);

inline constexpr int kMaxMR = 32;
inline constexpr int kMaxNV = 4;

/// The kernels of one arithmetic.
struct ArithmeticKernels {
  int MR, NV;                    ///< the largest register tile: rows of a, vectors of b
  int wide_MR = 0, wide_NV = 0;  ///< one of fewer rows and more vectors; 0: there is none
  int lanes;                     ///< panel elements in a vector
  int dots_width;                ///< DotsCall::width: items of a panel of dots
  std::size_t panel_bytes;       ///< of one element in a panel; complex: re and im
  /// Tiles read rows of a with k side by side: in place, TileCall::a_row bytes apart, or, if that
  /// is 0, in panels that say in their pack how they lie.
  bool a_along_k = false;
  /// Rows of a tile are to stay in the first cache while all panels of a block pass by. A result
  /// that goes past the caches is put together beside them.
  bool rows_stay = false;
  int k_group = 1;  ///< k that belong together in a panel; missing ones of the last group are zero
  int group_rows = 1;                         ///< panel rows of a group
  int head_rows = 0;                          ///< panel rows before the first group
  TileFunction tile[kMaxMR][kMaxNV];          ///< [rows - 1][vectors - 1]
  TileFunction tile_swapped[kMaxMR][kMaxNV];  ///< the same where a is rhs and b is lhs (complex)
  /// Complex: of up to kMaxVectorRows rows, where rows of b are (re, im) pairs as they lie; b_k
  /// counts reals. Null: there is none.
  TileFunction tile_pairs[kMaxMR][kMaxNV];
  TileFunction tile_pairs_swapped[kMaxMR][kMaxNV];
  bool asks = false;            ///< tiles ask for TileCall::ask
  bool streams = false;         ///< tiles take TileCall::streams
  bool loops = false;           ///< plain loops over std::fma, many times slower
  void (*release)() = nullptr;  ///< after the last tile of a thread; null: nothing to do
  StreamFunction stream;
  DotsFunction dots;
  TinyFunction tiny = nullptr;  ///< null: this arithmetic has none
  int tiny_k_group = 1;         ///< k of its operands that belong together; missing ones are zero
  RowsFunction row_dots;        ///< null: there is none
  RowsFunction column_dots;     ///< null: there is none
  RowsFunction vector_rows[kMaxVectorRows];          ///< [rows of a - 1]; null: there is none
  RowsFunction vector_rows_swapped[kMaxVectorRows];  ///< where a is rhs and b is lhs (complex)
  /// [position in DTypes]; null where this arithmetic does not take the dtype. A for rows that are
  /// broadcast, B for rows that are vectors; they differ for complex.
  PackFunction pack_a[std::tuple_size_v<DTypes>];
  PackFunction pack_b[std::tuple_size_v<DTypes>];
  /// Of a dtype that is converted for `tiny`: row r is panel[k * width + r], the k of a group in
  /// the order in which they are multiplied.
  PackFunction pack_tiny[std::tuple_size_v<DTypes>];
  /// PackCall for rows of a as they lie, by dtype; null: there is none. k_stride is 1 and
  /// k_offsets null; row r is panel[r * width + k], as tiles read it in place. It is written up to
  /// the next kWidenedAtOnce elements, with zeros behind K; k of a pair are exchanged, so of an odd
  /// K the last one stands behind a zero.
  PackFunction widen_rows[std::tuple_size_v<DTypes>];
  StoreFunction store[std::tuple_size_v<DTypes>];  ///< by the dtype of out; null: not from here
  /// PackCall for elements as `store` leaves them, where there is a store: row r goes to
  /// panel[k * width + r].
  PackFunction transpose[std::tuple_size_v<DTypes>];

  /// Rows of a panel of `depth` k: TileCall::K, DotsCall::K.
  std::int64_t panel_rows(std::int64_t depth) const {
    return head_rows + (depth + k_group - 1) / k_group * group_rows;
  }
};

/// Softmax of one row, by the definition of docs/numerics.md; in place is fine.
using SoftmaxF32 = void (*)(const float* row, std::int64_t count, float* out);
using SoftmaxF64 = void (*)(const double* row, std::int64_t count, double* out);

/// The kernels of one instruction set and the sizes they were tuned for.
struct Kernels {
  const char* target;  ///< as BATCHDOT_TARGET and `batchdot info` spell it
  ArithmeticKernels arithmetic[kArithmetics];
  SoftmaxF32 softmax_f32;
  SoftmaxF64 softmax_f64;

  ArithmeticKernels& of(Arithmetic a) { return arithmetic[static_cast<std::size_t>(a)]; }
  const ArithmeticKernels& of(Arithmetic a) const {
    return arithmetic[static_cast<std::size_t>(a)];
  }
};

/// Makes what was streamed (TileCall, PackCall, StoreCall::streams; StreamFunction) visible to
/// other threads before anything that this one writes later: such stores are outside the order that
/// release and acquire promise.
void finish_streams();

/// The tables that this CPU can run, best first; the last one is `scalar`.
std::span<const Kernels* const> kernels_that_run_here();

}  // namespace batchdot::kernel
