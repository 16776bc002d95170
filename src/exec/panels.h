// SPDX-License-Identifier: Apache-2.0
#pragma once
// The packed operands of a tiles step: where their panels lie, and how they are filled.

#include <cstddef>
#include <cstdint>

#include "src/exec/walk.h"
#include "src/plan/plan.h"

namespace batchdot {

/// A block of an operand where it lies: rows of lhs or columns of rhs, by k.
struct PanelSource {
  const std::byte* data;  ///< of position 0 of a walk with one stride; offsets count from here too
  const AxisWalk& axis;
  const AxisWalk& k;
};

/// Asks for the lines of each row of a call, `offset` bytes from where it reads.
void ask_for_lines(const kernel::PackCall& call, std::int64_t offset, std::int64_t bytes);

/// The panels of one task. A panel is `depth` rows of k, each as wide as a register tile.
class Panels {
 public:
  Panels(const ContractStep& step, const TileScratch& layout, std::byte* scratch)
      : step_(step),
        kernels_(*step.kernels),
        layout_(layout),
        rhs_(scratch + layout.panels_rhs),
        lhs_(scratch + layout.panels_lhs) {}

  /// The columns of a block in vectors, in even shares of at most a tile's; its rows likewise.
  EvenSplit columns(std::int64_t width) const {
    return EvenSplit((width + kernels_.lanes - 1) / kernels_.lanes,
                     step_.blocking.NR / kernels_.lanes);
  }
  EvenSplit rows(std::int64_t height) const { return EvenSplit(height, step_.blocking.MR); }

  /// Where the panel begins whose first column or row this is.
  std::byte* rhs(std::int64_t column, std::int64_t depth) const {
    return rhs_ + (step_.groups_rhs ? static_cast<std::size_t>(member_) * layout_.group_rhs : 0) +
           bytes_of(column, depth);
  }
  std::byte* lhs(std::int64_t row, std::int64_t depth) const {
    return lhs_ + (step_.groups_lhs ? static_cast<std::size_t>(member_) * layout_.group_lhs : 0) +
           (step_.widens_rows ? row * row_bytes(depth) : bytes_of(row, depth));
  }
  /// From one row of lhs to the next.
  std::int64_t row_bytes(std::int64_t depth) const {
    return step_.widens_rows ? layout_.widened_row * panel_bytes() : bytes_of(1, depth);
  }

  /// Columns first .. first + width - 1 of rhs, and rows of lhs.
  void pack_columns(const PanelSource& from, std::int64_t first, std::int64_t width,
                    std::int64_t depth) const;
  void pack_rows(const PanelSource& from, std::int64_t first, std::int64_t height,
                 std::int64_t depth) const;

  /// The same for `items` members of a group from this one on, that is for items of the batch along
  /// which the operand is contiguous.
  void pack_group_columns(const PanelSource& from, int items, std::int64_t width,
                          std::int64_t depth) const;
  void pack_group_rows(const PanelSource& from, int items, std::int64_t height,
                       std::int64_t depth) const;
  /// Whose panels rhs() and lhs() give.
  void to_member(int member) { member_ = member; }

 private:
  enum class Operand : std::uint8_t { kLhs, kRhs };

  std::int64_t panel_bytes() const { return static_cast<std::int64_t>(kernels_.panel_bytes); }
  std::int64_t bytes_of(std::int64_t count, std::int64_t depth) const {
    return count * kernels_.panel_rows(depth) * panel_bytes();
  }
  DType dtype(Operand operand) const {
    return operand == Operand::kRhs ? step_.rhs_dtype : step_.lhs_dtype;
  }
  // Panels that hold something else than elements side by side are packed whole.
  bool takes_pieces(Operand operand) const {
    return dtype(operand) == accumulator_of(step_.arithmetic);
  }
  // Of all others a few steps of k may be packed alone where each of them has rows of its own; it
  // pays where these are two lines or more.
  bool takes_steps() const {
    return kernels_.head_rows == 0 && step_.blocking.NR * panel_bytes() >= 128;
  }
  std::int64_t steps_together(std::int64_t k_bytes, std::int64_t depth) const;
  // Of packs_lines: positions of the axes of k inside the outermost one.
  std::int64_t inner_k() const { return step_.folded.K / step_.folded.k.front().extent; }
  template <class PackPanel>
  void pack_lines(const PanelSource& from, std::int64_t panels, std::int64_t depth,
                  const PackPanel& pack_panel) const;
  template <class PackPanel>
  void pack_in_order(Operand operand, const PanelSource& from, std::int64_t panels,
                     std::int64_t depth, const PackPanel& pack_panel) const;
  void widen_rows(const PanelSource& from, std::int64_t first, std::int64_t height,
                  std::int64_t depth) const;
  void pack(Operand operand, kernel::PackCall call, const PanelSource& from, std::int64_t first,
            std::int64_t count, std::int64_t depth) const;
  void pack_depth(Operand operand, kernel::PackCall& call, const AxisWalk& k,
                  std::int64_t depth) const;
  void pack_members(Operand operand, kernel::PackCall call, const PanelSource& from,
                    std::int64_t first, int items, std::int64_t depth) const;

  const ContractStep& step_;
  const kernel::ArithmeticKernels& kernels_;
  const TileScratch& layout_;
  std::byte* rhs_;
  std::byte* lhs_;
  int member_ = 0;
};

}  // namespace batchdot
