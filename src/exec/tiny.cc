// SPDX-License-Identifier: Apache-2.0
// A tiny step: a kernel call runs along the innermost batch axis, these loops along the others.
// Operands that the kernel cannot read as they lie are put together in scratch, a few items at a
// time, and sums that are finished before they are stored wait there.

#include <algorithm>
#include <cstdlib>
#include <limits>
#include <optional>

#include "src/exec/loops.h"
#include "src/exec/panels.h"
#include "src/exec/store.h"
#include "src/exec/walk.h"

namespace batchdot {

namespace {

using kernel::FloatMode;
using kernel::FloatModeGuard;

// The operand of a chunk, put together in scratch without gaps: (item, outer axis, inner axis), or
// (outer axis, item, inner axis) where the inner axes of all items are one run of memory.
class ChunkOperand {
 public:
  ChunkOperand(const ContractStep& step, Side side, const TaskContext& task, std::byte* laid_out,
               std::byte* lines)
      : kernels_(*step.kernels),
        laid_out_(laid_out),
        lines_(tiny_widens_lines(step, side) ? lines : nullptr) {
    const Folded& f = step.folded;
    const bool is_lhs = side == Side::kLhs;
    const Axis k = {f.K, innermost_stride(f.k, side)};
    const Axis other = {is_lhs ? f.M : f.N, innermost_stride(is_lhs ? f.m : f.n, side)};
    k_is_inner_ = tiny_k_is_inner(step, side);
    inner_ = k_is_inner_ ? k : other;
    outer_ = k_is_inner_ ? other : k;
    // One position is followed by what is one step of the outer axis away.
    if (inner_.extent == 1) inner_.stride = outer_.extent == 1 ? 1 : outer_.stride;
    item_ = innermost_stride(f.batch, side);
    item_size_ = other.extent * tiny_depth(step);
    dtype_ = is_lhs ? step.lhs_dtype : step.rhs_dtype;
    accumulator_ = accumulator_of(step.arithmetic);
    is_converted_ = !(dtype_ == accumulator_);
    data_ = address_of(is_lhs ? step.lhs : step.rhs, dtype_, task);
    is_lhs_ = is_lhs;
    is_widened_ = lines_ == nullptr && is_converted_ && inner_.stride == 1 &&
                  kernels_.widen_rows[dtype_.index()] != nullptr &&
                  (k_is_inner_ || kernels_.tiny_k_group == 1);
    outer_is_outermost_ = is_widened_ && outer_.extent > 1 && item_ == inner_.extent &&
                          item_size_ == inner_.extent * outer_.extent;
  }

  // Of `items` of a line of the batch, the first of which has this offset.
  void put(std::int64_t offset, std::int64_t items, kernel::TinyCall& call) const {
    pack(data_ + offset * element_bytes(dtype_), items);
    (is_lhs_ ? call.a : call.b) = laid_out_;
    if (!outer_is_outermost_) return;
    const std::int64_t run = items * inner_.extent;
    (is_lhs_ ? call.a_item : call.b_item) = inner_.extent;
    if (is_lhs_) {
      (k_is_inner_ ? call.a_row : call.a_k) = run;
    } else {
      (k_is_inner_ ? call.b_column : call.b_k) = run;
    }
  }

 private:
  struct Axis {
    std::int64_t extent = 0, stride = 0;
    // If a run of positions `inside` of another axis is followed by the next one.
    bool follows(const Axis& inside) const {
      return extent == 1 || stride == inside.extent * inside.stride;
    }
  };

  void pack(const std::byte* from, std::int64_t items) const {
    kernel::PackCall call{};
    call.source = from;
    call.panel = laid_out_;
    call.asked = true;
    const bool rows_are_one = outer_.follows(inner_);
    const bool items_are_one = Axis{items, item_}.follows(outer_.extent == 1 ? inner_ : outer_) &&
                               item_size_ == inner_.extent * outer_.extent;
    if (is_widened_) {
      const kernel::PackFunction widen = kernels_.widen_rows[dtype_.index()];
      call.k_stride = 1;
      if (rows_are_one && items_are_one) {
        call.rows = 1;
        call.K = items * item_size_;
        return widen(call);
      }
      call.rows = static_cast<int>(outer_.extent);
      call.row_stride = outer_.stride;
      if (outer_is_outermost_) {
        call.K = items * inner_.extent;
        call.width = static_cast<int>(call.K);
        return widen(call);
      }
      call.K = inner_.extent;
      call.width = static_cast<int>(item_size_ / outer_.extent);
      return for_items(call, items, widen);
    }
    if (lines_ != nullptr) return pack_widened(call, items);
    if (item_ == 1 && !is_converted_) return pack_lines(call, items, rows_are_one);
    const auto function =
        is_converted_ ? kernels_.pack_tiny[dtype_.index()] : kernels_.transpose[dtype_.index()];
    call.rows = call.padded = call.width = static_cast<int>(inner_.extent);
    call.row_stride = inner_.stride;
    call.k_stride = outer_.stride;
    if (items_are_one && outer_.extent > 1) {
      call.K = items * outer_.extent;
      return function(call);
    }
    call.K = outer_.extent;
    for_items(call, items, function);
  }

  void for_items(kernel::PackCall& call, std::int64_t items,
                 const kernel::PackFunction function) const {
    const auto* from = static_cast<const std::byte*>(call.source);
    for (std::int64_t i = 0; i < items; ++i) {
      call.source = from + i * item_ * element_bytes(dtype_);
      call.panel = laid_out_ + i * item_size_ * panel_bytes();
      function(call);
    }
  }

  // Each element of all items is a run of memory. The next chunk's are asked for.
  void pack_lines(kernel::PackCall call, std::int64_t items, bool rows_are_one) const {
    const std::int64_t rows = rows_are_one ? 1 : outer_.extent;
    call.row_stride = inner_.stride;
    call.k_stride = 1;
    call.K = items;
    call.rows = call.padded = static_cast<int>(item_size_ / rows);
    call.width = static_cast<int>(item_size_);
    const auto* source = static_cast<const std::byte*>(call.source);
    for (std::int64_t row = 0; row < rows; ++row) {
      call.source = source + row * outer_.stride * panel_bytes();
      call.panel = laid_out_ + row * call.rows * panel_bytes();
      ask_for_lines(call, items * panel_bytes(), panel_bytes());
      kernels_.transpose[dtype_.index()](call);
    }
  }

  // The same of elements that are converted, each run of memory first.
  void pack_widened(kernel::PackCall call, std::int64_t items) const {
    const std::int64_t line = round_up(items, kernel::kWidenedAtOnce);
    kernel::PackCall widening = call;
    widening.row_stride = inner_.stride;
    widening.k_stride = 1;
    widening.rows = static_cast<int>(inner_.extent);
    widening.K = items;
    widening.width = static_cast<int>(line);
    call.source = lines_;
    call.row_stride = line;
    call.k_stride = 1;
    call.K = items;
    call.rows = call.padded = static_cast<int>(inner_.extent);
    call.width = static_cast<int>(item_size_);
    const auto* source = static_cast<const std::byte*>(call.source);
    const auto* from = static_cast<const std::byte*>(widening.source);
    for (std::int64_t row = 0; row < outer_.extent; ++row) {
      widening.source = from + row * outer_.stride * element_bytes(dtype_);
      widening.panel = lines_ + row * inner_.extent * line * panel_bytes();
      kernels_.widen_rows[dtype_.index()](widening);
      call.source = source + row * inner_.extent * line * panel_bytes();
      call.panel = laid_out_ + row * inner_.extent * panel_bytes();
      kernels_.transpose[accumulator_.index()](call);
    }
  }

  std::int64_t panel_bytes() const { return static_cast<std::int64_t>(kernels_.panel_bytes); }

  const kernel::ArithmeticKernels& kernels_;
  Axis inner_, outer_;
  std::int64_t item_;       // from one to the next
  std::int64_t item_size_;  // elements of one that is packed
  DType dtype_, accumulator_;
  bool is_lhs_, k_is_inner_, is_converted_;
  bool is_widened_;          // in runs, as it lies
  bool outer_is_outermost_;  // of all items
  const std::byte* data_;
  std::byte* laid_out_;
  std::byte* lines_;  // null: not converted by lines
};

// (item, row, column) of any strides to where they lie without gaps.
template <class Element>
void lay_out(const Folded& f, Side side, const Element* from, std::int64_t items, Element* to) {
  const std::int64_t item = innermost_stride(f.batch, side);
  const std::int64_t row = innermost_stride(f.m, side), column = innermost_stride(f.n, side);
  const bool rows_are_one = row == f.N * column;
  const std::int64_t rows = rows_are_one ? 1 : f.M;
  const std::int64_t columns = rows_are_one ? f.M * f.N : f.N;
  for (std::int64_t b = 0; b < items; ++b) {
    for (std::int64_t i = 0; i < rows; ++i, to += columns) {
      const Element* at = from + b * item + i * row;
      if (column == 0) {
        std::fill_n(to, columns, *at);
      } else if (column == 1) {
        std::copy_n(at, columns, to);
      } else {
        for (std::int64_t j = 0; j < columns; ++j) to[j] = at[j * column];
      }
    }
  }
}

// Scale or bias, as it meets the sums of a chunk: as long a run as they are, or one element.
class ChunkSide {
 public:
  ChunkSide(const ContractStep& step, Side side, const Place& place, DType dtype,
            const TaskContext& task, std::byte* laid_out, std::int64_t chunk)
      : folded_(step.folded),
        side_(side),
        meets_(meets_sums(step, side)),
        dtype_(dtype),
        data_(address_of(place, dtype, task)),
        laid_out_(laid_out) {
    if (meets_ == MeetsSums::kAgain) copy(data_, chunk);
  }

  // Of `items` of a line of the batch, the first of which has this offset.
  const std::byte* at(std::int64_t offset, std::int64_t items) const {
    if (data_ == nullptr) return nullptr;
    const std::byte* data = data_ + offset * element_bytes(dtype_);
    if (meets_ == MeetsSums::kOne || meets_ == MeetsSums::kInPlace) return data;
    if (meets_ == MeetsSums::kEach) copy(data, items);
    return laid_out_;
  }
  bool is_one() const { return meets_ == MeetsSums::kOne; }

 private:
  void copy(const std::byte* from, std::int64_t items) const {
    dtype_.visit([&](auto record) {
      using Element = typename decltype(record)::Element;
      lay_out(folded_, side_, reinterpret_cast<const Element*>(from), items,
              reinterpret_cast<Element*>(laid_out_));
    });
  }

  const Folded& folded_;
  Side side_;
  MeetsSums meets_;
  DType dtype_;
  const std::byte* data_;
  std::byte* laid_out_;
};

// The store of a chunk, in rows that are as long as the result allows.
class ChunkStore {
 public:
  ChunkStore(const ContractStep& step, const TinyScratch& layout, const TaskContext& task)
      : step_(step),
        sums_(task.scratch + layout.sums),
        planes_(accumulator_of(step.arithmetic).is_complex() ? task.scratch + layout.planes
                                                             : nullptr),
        finished_(task.scratch + (step.finishes_apart ? layout.finished : layout.sums)),
        out_(address_of(step.out, step.out_dtype, task)),
        scale_(step, Side::kScale, step.finish.scale, step.finish.scale_dtype, task,
               task.scratch + layout.scale, layout.chunk),
        bias_(step, Side::kBias, step.finish.bias, step.finish.bias_dtype, task,
              task.scratch + layout.bias, layout.chunk) {
    const Folded& f = step.folded;
    item_ = innermost_stride(f.batch, Side::kOut);
    row_ = innermost_stride(f.m, Side::kOut);
    column_ = f.N > 1 ? innermost_stride(f.n, Side::kOut) : f.M > 1 ? row_ : 1;
    rows_are_one_ = f.M == 1 || row_ == f.N * column_;
    items_are_one_ = rows_are_one_ ? item_ == f.M * f.N * column_ : item_ == f.M * row_;
    const bool goes_by_rows = !step.groups_out && !step.store_streams;
    // PackCall::width is an int.
    const bool is_near = std::llabs(column_) <= std::numeric_limits<int>::max();
    transposes_ = goes_by_rows && column_ != 1 && is_near && f.M > 1 && row_ == 1 &&
                  step.finish.beta == 0 && step.out_dtype == accumulator_of(step.arithmetic);
    rows_are_outermost_ = goes_by_rows && !transposes_ && f.M > 1 && !items_are_one_ &&
                          item_ == f.N * column_ && scale_.is_one() && bias_.is_one();
  }

  // Where the sums of `items` go.
  void place_sums(kernel::TinyCall& call, std::int64_t items) const {
    call.out = sums_;
    if (!rows_are_outermost_) return;
    call.out_item = call.N;
    call.out_row = items * call.N;
  }

  // `items` of a line of the batch.
  void store_sums(const Odometer& batch, std::int64_t items) const {
    const FloatModeGuard mode(FloatMode::kDefault);
    const std::int64_t M = step_.folded.M, N = step_.folded.N;
    const std::int64_t element = element_bytes(step_.out_dtype);
    const std::byte* scale = scale_.at(batch.scale, items);
    const std::byte* bias = bias_.at(batch.bias, items);
    std::byte* out = out_ + batch.out * element;
    if (step_.groups_out || step_.store_streams || transposes_) {
      if (step_.finishes_apart || !step_.finish.is_plain()) {
        store_rows(0, 1, items * M * N, scale, bias, finished_, 0, 1);
      }
      if (step_.groups_out) return store_group(items, out);
      if (transposes_) return store_transposed(items, out);
      return step_.kernels->stream(finished_, out, items * M * N * element);
    }
    if (rows_are_outermost_) {
      for (std::int64_t i = 0; i < M; ++i, out += row_ * element) {
        store_rows(i * items * N, 1, items * N, scale, bias, out, 0, column_);
      }
      return;
    }
    if (rows_are_one_ && (items_are_one_ || items == 1)) {
      return store_rows(0, 1, items * M * N, scale, bias, out, 0, column_);
    }
    if (rows_are_one_) return store_rows(0, items, M * N, scale, bias, out, item_, column_);
    if (items_are_one_) return store_rows(0, items * M, N, scale, bias, out, row_, column_);
    for (std::int64_t item = 0; item < items; ++item, out += item_ * element) {
      store_rows(item * M * N, M, N, scale, bias, out, row_, column_);
    }
  }

 private:
  // Rows of sums without gaps, from the sum `first` on.
  void store_rows(std::int64_t first, std::int64_t rows, std::int64_t columns,
                  const std::byte* scale, const std::byte* bias, std::byte* out,
                  std::int64_t out_row, std::int64_t out_column) const {
    const auto side = [&](const ChunkSide& of, const std::byte* data, DType dtype) -> StoreSide {
      if (data == nullptr || of.is_one()) return {data, {}, {}};
      return {data + first * element_bytes(dtype), {columns}, {1}};
    };
    StoreBlock block{};
    block.sums = sums_ + first * static_cast<std::int64_t>(step_.kernels->panel_bytes);
    if (planes_ != nullptr) block.sums = separated(block.sums, rows * columns);
    block.sum_row = columns;
    block.sum_plane = rows * columns;
    block.rows = rows;
    block.columns = columns;
    block.out = out;
    block.out_rows = {out_row};
    block.out_columns = {out_column};
    block.scale = side(scale_, scale, step_.finish.scale_dtype);
    block.bias = side(bias_, bias, step_.finish.bias_dtype);
    store(step_, block);
  }

  // Complex sums, re and im in turn, as all re and all im.
  const std::byte* separated(const void* sums, std::int64_t count) const {
    kernel::PackCall call{};
    call.source = sums;
    call.row_stride = 1;
    call.rows = call.padded = call.width = static_cast<int>(count);
    call.K = 1;
    call.panel = planes_;
    call.asked = true;
    step_.kernels->pack_b[accumulator_of(step_.arithmetic).index()](call);
    return planes_;
  }

  // What is finished, `rows` of it that lie `row` elements apart, to columns of the result.
  kernel::PackCall transposition(std::int64_t rows, std::int64_t row, std::int64_t columns) const {
    kernel::PackCall call{};
    call.row_stride = row;
    call.k_stride = 1;
    call.rows = call.padded = static_cast<int>(rows);
    call.K = columns;
    call.width = static_cast<int>(column_);
    call.asked = true;
    call.streams = step_.store_streams;
    return call;
  }
  void transpose(kernel::PackCall& call, std::int64_t first, std::byte* out) const {
    call.source = finished_ + first * element_bytes(step_.out_dtype);
    call.panel = out;
    step_.kernels->transpose[step_.out_dtype.index()](call);
  }

  // Rows of an item lie side by side in the result.
  void store_transposed(std::int64_t items, std::byte* out) const {
    const std::int64_t M = step_.folded.M, N = step_.folded.N;
    kernel::PackCall call = transposition(M, N, N);
    for (std::int64_t item = 0; item < items; ++item) {
      transpose(call, item * M * N, out + item * item_ * element_bytes(step_.out_dtype));
    }
  }

  // Items lie side by side in the result: element by element those of all of them.
  void store_group(std::int64_t items, std::byte* out) const {
    const std::int64_t sums = step_.folded.M * step_.folded.N;
    kernel::PackCall call = transposition(items, sums, rows_are_one_ ? sums : step_.folded.N);
    for (std::int64_t first = 0; first < sums; first += call.K) {
      transpose(call, first, out);
      out += row_ * element_bytes(step_.out_dtype);
    }
  }

  const ContractStep& step_;
  std::byte* sums_;
  std::byte* planes_;    // of complex ones; else null
  std::byte* finished_;  // where the sums are, too, or apart
  std::byte* out_;
  ChunkSide scale_, bias_;
  std::int64_t item_, row_, column_;   // strides of the result
  bool rows_are_one_, items_are_one_;  // each with what lies within it: one run
  bool transposes_;                    // rows lie side by side
  bool rows_are_outermost_;            // a row of all items is a run: sums wait so, too
};

// Calls `visit` for items `first` .. `last`-1, at most `most` at a time, each time of one line of
// the batch.
template <class Visit>
void for_each_line(const FoldedAxes& axes, std::int64_t first, std::int64_t last, std::int64_t most,
                   const Visit& visit) {
  std::int64_t items = 0;
  for (std::int64_t at = first; at < last; at += items) {
    items = std::min(most, last - at);
    if (axes.size() > 1) {
      const std::int64_t inner = axes.back().extent;
      items = std::min(items, inner - at % inner);
    }
    visit(Odometer(axes, at), items);
  }
}

}  // namespace

void run_tiny(const ContractStep& step, const TaskContext& task, std::int64_t first,
              std::int64_t last) {
  const FloatModeGuard mode(mode_of(step.arithmetic));
  const FoldedAxes& axes = step.folded.batch;
  const StepMemory memory(step, task);
  const auto bytes = static_cast<std::int64_t>(step.kernels->panel_bytes);
  const TinyScratch layout = tiny_scratch(step);
  std::byte* lines = task.scratch + layout.lines;
  std::optional<ChunkOperand> lhs, rhs;
  std::optional<ChunkStore> chunk;
  if (step.packs_lhs) lhs.emplace(step, Side::kLhs, task, task.scratch + layout.lhs, lines);
  if (step.packs_rhs) rhs.emplace(step, Side::kRhs, task, task.scratch + layout.rhs, lines);
  if (!step.is_direct) chunk.emplace(step, layout, task);
  kernel::TinyCall call = step.tiny;
  for (std::int64_t item = first; item < last; ++item) {
    const std::int64_t begin = item * step.blocking.row_block;
    const std::int64_t end = std::min(step.folded.batch_count, begin + step.blocking.row_block);
    const std::int64_t most = layout.chunk > 0 ? layout.chunk : end - begin;
    for_each_line(axes, begin, end, most, [&](const Odometer& batch, std::int64_t items) {
      call.items = items;
      call.a = memory.lhs + batch.lhs * bytes;
      call.b = memory.rhs + batch.rhs * bytes;
      if (lhs) lhs->put(batch.lhs, items, call);
      if (rhs) rhs->put(batch.rhs, items, call);
      if (chunk) {
        chunk->place_sums(call, items);
      } else {
        call.out = memory.out + batch.out * bytes;
      }
      step.kernels->tiny(call);
      if (chunk) chunk->store_sums(batch, items);
    });
    if (finish_item(*task.control)) break;
  }
  if (call.streams || step.store_streams) kernel::finish_streams();
}

}  // namespace batchdot
