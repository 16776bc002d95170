// SPDX-License-Identifier: Apache-2.0
// The layouts of the scratch.
#include <gtest/gtest.h>

#include "src/plan/choose_kernel_test_support.h"

namespace batchdot {
namespace {

// A part of a task's scratch, and what exec writes there.
struct Part {
  std::size_t begin, bytes;
};

void expect_apart(const std::vector<Part>& parts, std::size_t end) {
  for (std::size_t i = 0; i < parts.size(); ++i) {
    const std::size_t next = i + 1 < parts.size() ? parts[i + 1].begin : end;
    ASSERT_LE(parts[i].begin, next) << i;
    EXPECT_GE(next - parts[i].begin, parts[i].bytes) << i;
    EXPECT_EQ(parts[i].begin % kScratchAlignment, 0u) << i;
  }
}

std::size_t elements(std::int64_t count) { return static_cast<std::size_t>(4 * count); }
std::size_t offsets(const FoldedAxes& axes, std::int64_t count) {
  return axes.size() > 1 ? static_cast<std::size_t>(count) * sizeof(std::int64_t) : 0;
}

void add_scale_and_bias(ContractStep& step) {
  step.finish.scale.where = step.finish.bias.where = Place::Where::kOperand;
}

std::size_t expect_tile_parts_apart(const ContractStep& step) {
  const TileScratch s = tile_scratch(step);
  EXPECT_EQ(step.task_bytes, s.bytes);
  const Folded& f = step.folded;
  const Blocking& b = step.blocking;
  const std::int64_t height = std::min(b.MC, b.row_block), width = std::min(b.NC, b.column_block);
  const std::int64_t lanes = step.kernels->lanes;
  const auto members = [&](bool is_grouped, std::size_t member, std::size_t bytes) {
    EXPECT_TRUE(!is_grouped || member >= bytes);
    return is_grouped ? member * static_cast<std::size_t>(step.group - 1) + bytes : bytes;
  };
  const std::size_t lhs = elements(height * b.KC), rhs = elements(round_up(width, lanes) * b.KP);
  const std::size_t sums = elements(b.row_block * round_up(b.column_block, b.NR));
  const std::size_t finished =
      static_cast<std::size_t>(b.row_block * b.column_block) * step.out_dtype.size_bytes();
  const bool keeps_sums = step.groups_out && !step.finishes_apart;
  const bool has_scale = step.finish.has_scale(), has_bias = step.finish.has_bias();
  expect_apart({{s.panels_lhs, step.packs_lhs ? members(step.groups_lhs, s.group_lhs, lhs) : 0},
                {s.panels_rhs, step.packs_rhs ? members(step.groups_rhs, s.group_rhs, rhs) : 0},
                {s.sums, step.is_direct ? 0 : members(keeps_sums, s.group_sums, sums)},
                {s.finished, step.finishes_apart ? members(true, s.group_finished, finished) : 0},
                {s.gathered, step.gathers ? elements(b.MR * step.near_panels * b.NR) : 0},
                {s.lhs_rows, offsets(f.m, b.row_block)},
                {s.out_rows, offsets(f.m, b.row_block)},
                {s.bias_rows, has_bias ? offsets(f.m, b.row_block) : 0},
                {s.scale_rows, has_scale ? offsets(f.m, b.row_block) : 0},
                {s.rhs_columns, offsets(f.n, b.column_block)},
                {s.out_columns, offsets(f.n, b.column_block)},
                {s.bias_columns, has_bias ? offsets(f.n, b.column_block) : 0},
                {s.scale_columns, has_scale ? offsets(f.n, b.column_block) : 0},
                {s.lhs_k, offsets(f.k, b.KC)},
                {s.rhs_k, offsets(f.k, b.KP)}},
               s.bytes);
  return s.bytes;
}

// The layouts of the scratch: each part has room for what exec writes there, aligned, and the end
// is where bytes says.
TEST(Scratch, ScratchPartsDoNotOverlap) {
  for (const std::int64_t K : {0, 1, 24, 1000}) {
    ContractStep step = product(3, 100, 70, K);
    step.finish.alpha = 2;
    step.lhs_dtype = F16{};
    step.rhs_dtype = F16{};
    step.folded.m = {{10, 1000, 0, 700, 0}, {10, 7, 0, 70, 0}};
    choose(step, 2);
    const std::size_t bytes = expect_tile_parts_apart(step);
    add_scale_and_bias(step);
    step.folded.n = {{7, 0, 10, 10, 0}, {10, 0, 3, 1, 0}};
    if (K == 1000) step.folded.k = {{10, 100, 9000, 0, 0}, {100, 1, 70, 0, 0}};
    choose(step, 2);
    EXPECT_GT(expect_tile_parts_apart(step), bytes);
  }
  ContractStep group = along_batch(64, 128, 33, 64, Lost::kBoth);
  choose(group);
  EXPECT_GT(group.group, 1);
  expect_tile_parts_apart(group);
  ContractStep gathered = product(1, 4096, 3072, 16);
  choose(gathered);
  EXPECT_TRUE(gathered.gathers);
  expect_tile_parts_apart(gathered);
  for (const DType dtype : {DType(F32{}), DType(F16{})}) {
    ContractStep results = product(64, 864, 400, 8);
    results.folded.batch[0].out = 1;
    results.folded.n[0].out = 64;
    results.folded.m[0].out = 64 * 400;
    results.out_dtype = dtype;
    choose(results);
    EXPECT_TRUE(results.groups_out);
    expect_tile_parts_apart(results);
  }
}

TEST(Scratch, ScratchPartsOfDotsAndVectorsDoNotOverlap) {
  ContractStep dots = product(5000, 1, 1, 1000);
  dots.folded.k = {{10, 100, 9000, 0, 0}, {100, 1, 70, 0, 0}};
  add_scale_and_bias(dots);
  choose(dots);
  EXPECT_EQ(dots.form, ContractStep::Form::kDots);
  EXPECT_TRUE(dots.packs_lhs);
  const DotsScratch d = dots_scratch(dots);
  EXPECT_EQ(dots.task_bytes, d.bytes);
  const std::int64_t KC = dots.blocking.KC;
  const std::size_t panel = elements(dots.kernels->dots_width * KC);
  const std::size_t items = static_cast<std::size_t>(d.chunk) * sizeof(std::int64_t);
  expect_apart({{d.panels_lhs, panel},
                {d.panels_rhs, panel},
                {d.sums, elements(d.chunk)},
                {d.lhs_items, items},
                {d.rhs_items, items},
                {d.out_items, items},
                {d.bias_items, items},
                {d.scale_items, items},
                {d.lhs_k, offsets(dots.folded.k, KC)},
                {d.rhs_k, offsets(dots.folded.k, KC)}},
               d.bytes);

  ContractStep vector = rows_and_columns(3, 4, 100, 300);
  vector.folded.m = {{2, 600, 0, 900, 0}, {2, 300, 0, 100, 0}};  // one in lhs, two in the result
  vector.folded.n = {{10, 0, 3000, 11, 0}, {10, 0, 300, 1, 0}};
  add_scale_and_bias(vector);
  choose(vector);
  EXPECT_EQ(vector.form, ContractStep::Form::kVector);
  const VectorScratch v = vector_scratch(vector);
  EXPECT_EQ(vector.task_bytes, v.bytes);
  const std::int64_t columns = vector.blocking.column_block;
  const std::size_t of_rows = offsets(vector.folded.m, 4);
  const std::size_t of_columns = offsets(vector.folded.n, columns);
  expect_apart({{v.sums, elements(4 * columns)},
                {v.out_rows, of_rows},
                {v.bias_rows, of_rows},
                {v.scale_rows, of_rows},
                {v.out_columns, of_columns},
                {v.bias_columns, of_columns},
                {v.scale_columns, of_columns}},
               v.bytes);
}

}  // namespace
}  // namespace batchdot
