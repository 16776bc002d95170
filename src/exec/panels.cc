// SPDX-License-Identifier: Apache-2.0
// Packing, in the order in which an operand lies in memory as far as that can be had: a line that
// is fetched is used whole, and one that comes later is asked for.

#include "src/exec/panels.h"

#include <algorithm>
#include <cstdlib>

namespace batchdot {

namespace {

// Axes that are no single stride are packed by runs of one stride if these are at least so long,
// else by tables.
constexpr std::int64_t kShortRunOfRows = 4, kShortRunOfK = 8;

// Where the rows of lhs or the columns of rhs lie side by side: so many steps of k of so many
// panels at a time, so that of each page more than one line is read while it is near.
constexpr std::int64_t kRowsTogether = 8, kPanelsTogether = 4, kTilesTogether = 12;

// Words of several k are whole, and there are fewer of them: where rows of k lie so many bytes
// apart as many words are packed at a time, elsewhere all. In turns on an Emerald Rapids core i8
// 1024^3 1.05, rows of 64 bytes 0.95, of 256 bytes 0.97.
constexpr std::int64_t kRowsApart = 512;

// Where rows that are far apart share lines, all of them are packed so many steps of k at a time:
// the lines stay in the second cache meanwhile.
constexpr std::int64_t kLinesTogether = 16;

// Where lines follow each other pages apart, no hardware looks ahead: so many positions of k later
// is what is asked for. Of so many rows at a time, fewer where they would not stay in the first
// cache, as they lie a multiple of kAliasBytes apart. In turns 16 rows are 1.08 to 1.10 of 8.
constexpr std::int64_t kLinesAhead = 2;
constexpr int kRowsNear = 16, kAliasedRowsNear = 8;
constexpr std::int64_t kAliasBytes = 1024, kLineBytes = 64;

}  // namespace

void ask_for_lines(const kernel::PackCall& call, std::int64_t offset, std::int64_t bytes) {
  const std::byte* ahead = static_cast<const std::byte*>(call.source) + offset;
  for (int row = 0; row < call.rows; ++row) {
    const std::int64_t at =
        call.row_offsets == nullptr ? row * call.row_stride : call.row_offsets[row];
    const std::byte* line = ahead + at * bytes;
    const std::byte* last = line + (call.K - 1) * bytes;
    for (; line < last; line += kLineBytes) __builtin_prefetch(line, 0, 3);
    __builtin_prefetch(last, 0, 3);
  }
}

void Panels::pack(Operand operand, kernel::PackCall call, const PanelSource& from,
                  std::int64_t first, std::int64_t count, std::int64_t depth) const {
  const std::int64_t bytes = element_bytes(dtype(operand));
  const AxisWalk& axis = from.axis;
  const std::int64_t last = first + count;
  if (axis.offsets != nullptr &&
      (!takes_pieces(operand) || axis.run(first, last) < std::min(kShortRunOfRows, count))) {
    call.source = from.data;
    call.row_offsets = axis.offsets + first;
    call.rows = static_cast<int>(count);
    return pack_depth(operand, call, from.k, depth);
  }
  // Of complex rhs, re and im of a row of the panel lie apart.
  const std::int64_t column_bytes =
      panel_bytes() /
      (operand == Operand::kRhs && accumulator_of(step_.arithmetic).is_complex() ? 2 : 1);
  const int padded = call.padded;
  auto* panel = static_cast<std::byte*>(call.panel);
  for (std::int64_t at = first; at < last;) {
    const std::int64_t run = axis.run(at, last);
    call.source = from.data + axis.at(at) * bytes;
    call.row_stride = run > 1 || axis.offsets == nullptr ? axis.step(at) : 0;
    call.rows = static_cast<int>(run);
    call.padded = at + run == last ? padded - static_cast<int>(at - first) : call.rows;
    call.panel = panel + (at - first) * column_bytes;
    pack_depth(operand, call, from.k, depth);
    at += run;
  }
}

void Panels::pack_depth(Operand operand, kernel::PackCall& call, const AxisWalk& k,
                        std::int64_t depth) const {
  const std::size_t dtype_index = dtype(operand).index();
  const kernel::PackFunction function =
      operand == Operand::kRhs ? kernels_.pack_b[dtype_index] : kernels_.pack_a[dtype_index];
  if (operand == Operand::kRhs && step_.packs_lines) {
    call.k_offsets = nullptr;
    call.k_stride = step_.folded.k.front().rhs;
    call.K = depth;
    const int width = call.width;
    call.width = static_cast<int>(inner_k() * width);
    function(call);
    call.width = width;
    return;
  }
  if (k.offsets == nullptr || !takes_pieces(operand) ||
      k.run(0, depth) < std::min(kShortRunOfK, depth)) {
    call.k_stride = k.stride;
    call.k_offsets = k.offsets;
    call.K = depth;
    return function(call);
  }
  call.k_offsets = nullptr;
  const auto* source = static_cast<const std::byte*>(call.source);
  auto* panel = static_cast<std::byte*>(call.panel);
  for (std::int64_t at = 0; at < depth;) {
    const std::int64_t run = k.run(at, depth);
    call.source = source + k.at(at) * element_bytes(dtype(operand));
    call.k_stride = run > 1 ? k.step(at) : 0;
    call.K = run;
    call.panel = panel + at * call.width * panel_bytes();
    function(call);
    at += run;
  }
}

// rhs is contiguous along the outermost axis of k: at each position of the inner ones the elements
// of a line go to rows of the panel that lie as far apart as the inner axes have positions. Lines
// are read in the order in which they lie in memory: all columns at a position, or all positions of
// a panel.
template <class PackPanel>
void Panels::pack_lines(const PanelSource& from, std::int64_t panels, std::int64_t depth,
                        const PackPanel& pack_panel) const {
  const std::int64_t inner = inner_k();
  const std::int64_t positions = std::min(inner, depth);
  const auto pack = [&](std::int64_t panel, std::int64_t at) {
    const PanelSource lines = {from.data + from.k.at(at) * element_bytes(step_.rhs_dtype),
                               from.axis, from.k};
    pack_panel(panel, lines, at, ceil_div(depth - at, inner));
  };
  const Folded& f = step_.folded;
  if (!f.n.empty() && std::llabs(f.n.back().rhs) > std::llabs(f.k.back().rhs)) {
    for (std::int64_t i = 0; i < panels; ++i) {
      for (std::int64_t at = 0; at < positions; ++at) pack(i, at);
    }
  } else {
    for (std::int64_t at = 0; at < positions; ++at) {
      for (std::int64_t i = 0; i < panels; ++i) pack(i, at);
    }
  }
}

// Steps of k of takes_steps.
std::int64_t Panels::steps_together(std::int64_t k_bytes, std::int64_t depth) const {
  const std::int64_t word = kernels_.k_group / kernels_.group_rows;
  return word == 1 || std::llabs(k_bytes) >= kRowsApart ? kRowsTogether * word : depth;
}

template <class PackPanel>
void Panels::pack_in_order(Operand operand, const PanelSource& from, std::int64_t panels,
                           std::int64_t depth, const PackPanel& pack_panel) const {
  if (operand == Operand::kRhs && step_.packs_lines) {
    return pack_lines(from, panels, depth, pack_panel);
  }
  const bool lies_in_rows = from.axis.offsets == nullptr && from.axis.stride == 1 &&
                            from.k.offsets == nullptr &&
                            (takes_pieces(operand) || (operand == Operand::kRhs && takes_steps()));
  const std::int64_t k_bytes = from.k.stride * element_bytes(dtype(operand));
  std::int64_t panels_together = panels, k_together = depth;
  if (lies_in_rows) {
    panels_together = operand == Operand::kRhs ? kPanelsTogether : kTilesTogether;
    k_together = takes_pieces(operand) ? kRowsTogether : steps_together(k_bytes, depth);
  } else if (operand == Operand::kLhs && step_.shares_lines) {
    k_together = kLinesTogether;
  }
  for (std::int64_t i = 0; i < panels; i += panels_together) {
    const std::int64_t end = std::min(panels, i + panels_together);
    std::int64_t k = 0;
    do {
      const AxisWalk later = from.k.from(k);
      const PanelSource rows = {from.data + k * k_bytes, from.axis, later};
      const std::int64_t steps = std::min(k_together, depth - k);
      for (std::int64_t j = i; j < end; ++j) pack_panel(j, rows, k, steps);
      k += steps;
    } while (k < depth);
  }
}

void Panels::pack_columns(const PanelSource& from, std::int64_t first, std::int64_t width,
                          std::int64_t depth) const {
  const EvenSplit panels = columns(width);
  pack_in_order(Operand::kRhs, from, panels.parts, depth,
                [&](std::int64_t i, const PanelSource& source, std::int64_t k, std::int64_t steps) {
                  const std::int64_t column = panels.begin(i) * kernels_.lanes;
                  const std::int64_t panel_width = panels.part(i) * kernels_.lanes;
                  const std::int64_t row = k / kernels_.k_group * kernels_.group_rows;
                  kernel::PackCall call{};
                  call.width = call.padded = static_cast<int>(panel_width);
                  call.panel = rhs(column, depth) + row * panel_width * panel_bytes();
                  call.conjugate = step_.rhs_conjugate;
                  pack(Operand::kRhs, call, source, first + column,
                       std::min(panel_width, width - column), steps);
                });
}

void Panels::pack_rows(const PanelSource& from, std::int64_t first, std::int64_t height,
                       std::int64_t depth) const {
  if (step_.widens_rows) return widen_rows(from, first, height, depth);
  const EvenSplit tiles = rows(height);
  pack_in_order(Operand::kLhs, from, tiles.parts, depth,
                [&](std::int64_t i, const PanelSource& source, std::int64_t k, std::int64_t steps) {
                  kernel::PackCall call{};
                  call.width = call.padded = static_cast<int>(tiles.part(i));
                  call.panel = lhs(tiles.begin(i), depth) + k * tiles.part(i) * panel_bytes();
                  call.conjugate = step_.lhs_conjugate;
                  pack(Operand::kLhs, call, source, first + tiles.begin(i), tiles.part(i), steps);
                });
}

void Panels::widen_rows(const PanelSource& from, std::int64_t first, std::int64_t height,
                        std::int64_t depth) const {
  const AxisWalk& axis = from.axis;
  kernel::PackCall call{};
  call.source = from.data;
  if (axis.offsets == nullptr) {
    call.source = from.data + axis.at(first) * element_bytes(step_.lhs_dtype);
    call.row_stride = axis.stride;
  } else {
    call.row_offsets = axis.offsets + first;
  }
  call.k_stride = 1;
  call.rows = static_cast<int>(height);
  call.K = depth;
  call.width = static_cast<int>(layout_.widened_row);
  call.panel = lhs(0, depth);
  kernels_.widen_rows[step_.lhs_dtype.index()](call);
}

// At each k the items are what k is elsewhere, and their panels what rows of a panel are. `call`
// has the rows, what they are padded to and the panel of the first member; `first` is their first
// one.
void Panels::pack_members(Operand operand, kernel::PackCall call, const PanelSource& from,
                          std::int64_t first, int items, std::int64_t depth) const {
  const bool is_rhs = operand == Operand::kRhs;
  const std::int64_t bytes = panel_bytes();
  const std::size_t dtype_index = dtype(operand).index();
  const kernel::PackFunction function =
      is_rhs ? kernels_.pack_b[dtype_index] : kernels_.pack_a[dtype_index];
  auto* panel = static_cast<std::byte*>(call.panel);
  call.row_stride = from.axis.stride;
  call.K = items;
  call.k_stride = 1;
  call.width =
      static_cast<int>((is_rhs ? layout_.group_rhs : layout_.group_lhs) / kernels_.panel_bytes);
  call.asked = true;
  const int rows = call.rows, padded = call.padded;
  const int near = call.row_stride * bytes % kAliasBytes == 0 ? kAliasedRowsNear : kRowsNear;
  for (int row = 0; row < rows; row += near) {
    call.rows = std::min(near, rows - row);
    call.padded = row + call.rows == rows ? padded - row : call.rows;
    for (std::int64_t k = 0; k < depth; ++k) {
      call.source = from.data + (from.axis.at(first + row) + from.k.at(k)) * bytes;
      call.panel = panel + (k * padded + row) * bytes;
      if (k + kLinesAhead < depth) {
        ask_for_lines(call, (from.k.at(k + kLinesAhead) - from.k.at(k)) * bytes, bytes);
      }
      function(call);
    }
  }
}

void Panels::pack_group_columns(const PanelSource& from, int items, std::int64_t width,
                                std::int64_t depth) const {
  const EvenSplit panels = columns(width);
  for (std::int64_t i = 0; i < panels.parts; ++i) {
    const std::int64_t column = panels.begin(i) * kernels_.lanes;
    kernel::PackCall call{};
    call.padded = static_cast<int>(panels.part(i) * kernels_.lanes);
    call.rows = static_cast<int>(std::min<std::int64_t>(call.padded, width - column));
    call.panel = rhs(column, depth);
    pack_members(Operand::kRhs, call, from, column, items, depth);
  }
}

void Panels::pack_group_rows(const PanelSource& from, int items, std::int64_t height,
                             std::int64_t depth) const {
  const EvenSplit tiles = rows(height);
  for (std::int64_t i = 0; i < tiles.parts; ++i) {
    kernel::PackCall call{};
    call.rows = call.padded = static_cast<int>(tiles.part(i));
    call.panel = lhs(tiles.begin(i), depth);
    pack_members(Operand::kLhs, call, from, tiles.begin(i), items, depth);
  }
}

}  // namespace batchdot
