// SPDX-License-Identifier: Apache-2.0
// Which items of the batch are packed or stored together.
#include <gtest/gtest.h>

#include "src/plan/choose_kernel_test_support.h"

namespace batchdot {
namespace {

// rhs contiguous along the batch: the items of a line are packed together, all of K and so many
// columns that the panels stay near.
TEST(ChooseGroups, ItemsOfALineArePackedTogether) {
  const struct {
    std::int64_t batch, M, N, K;
    int group;
    bool cuts_columns;
  } kCases[] = {{64, 20, 40, 100, 16, false},  {64, 20, 200, 400, 16, true},
                {64, 20, 1000, 500, 16, true}, {64, 20, 40, 6000, 5, true},
                {6, 20, 40, 100, 6, false},    {64, 20, 40, 9000, 1, false}};
  for (const auto& c : kCases) {
    ContractStep step = product(c.batch, c.M, c.N, c.K);
    step.folded.batch[0].rhs = 1;
    step.folded.n[0].rhs = c.batch;
    step.folded.k[0].rhs = c.batch * c.N;
    choose(step);
    const Blocking& b = step.blocking;
    ASSERT_EQ(step.form, ContractStep::Form::kTiles);
    EXPECT_EQ(step.group, c.group) << c.N << ' ' << c.K;
    EXPECT_EQ(b.column_blocks > 1, c.cuts_columns) << c.N << ' ' << c.K;
    EXPECT_GE(b.column_block * b.column_blocks, c.N);
    EXPECT_LT(b.column_block * (b.column_blocks - 1), c.N);
    if (step.group > 1) {
      EXPECT_EQ(b.KP, c.K);
    }
    EXPECT_EQ(step.grain, step.group > 1 ? step.group * b.column_blocks : 1);
    EXPECT_EQ(step.items, c.batch * b.column_blocks);
    EXPECT_LE(tile_scratch(step).bytes, std::size_t{8} << 20);
  }
}

// If lhs is, too, theirs are, all rows and all of K; also lhs alone. Unless four items take too
// much: then its rows are packed only if they meet more than a panel.
TEST(ChooseGroups, ItemsOfALineHaveTheirLhsPackedTogetherToo) {
  const auto choice = [](std::int64_t M, std::int64_t N, std::int64_t K, Lost lost) {
    ContractStep step = along_batch(64, M, N, K, lost);
    choose(step);
    EXPECT_LE(tile_scratch(step).bytes, std::size_t{8} << 20);
    EXPECT_EQ(step.groups_rhs, lost == Lost::kBoth);
    if (step.groups_lhs) {
      EXPECT_TRUE(step.packs_lhs);
      EXPECT_GE(step.blocking.MC, M);
      EXPECT_GE(step.blocking.KC, K);
      EXPECT_GE(step.blocking.KP, K);
    }
    return std::pair(step.group, step.groups_lhs);
  };
  for (const Lost lost : {Lost::kLhs, Lost::kBoth}) {
    EXPECT_EQ(choice(128, 128, 64, lost), std::pair(16, true));
    EXPECT_EQ(choice(20, 40, 257, lost), std::pair(16, true));   // more than KC
    EXPECT_EQ(choice(145, 40, 64, lost), std::pair(16, true));   // more than MC
    EXPECT_EQ(choice(128, 7, 64, lost), std::pair(16, true));    // they meet less than a panel
    EXPECT_EQ(choice(144, 40, 240, lost), std::pair(15, true));  // no more stays near
  }
  EXPECT_EQ(choice(512, 16, 256, Lost::kLhs), std::pair(4, true));
  EXPECT_EQ(choice(513, 16, 256, Lost::kLhs), std::pair(1, false));
  EXPECT_EQ(choice(513, 16, 256, Lost::kBoth), std::pair(16, false));
  for (const std::int64_t N : {16, 17}) {
    ContractStep step = along_batch(64, 513, N, 256, Lost::kLhs);
    choose(step);
    EXPECT_EQ(step.packs_lhs, N == 17);
  }
  ContractStep step = along_batch(64, 128, 33, 64, Lost::kBoth);
  choose(step);
  const TileScratch scratch = tile_scratch(step);
  for (const std::size_t member : {scratch.group_lhs, scratch.group_rhs}) {
    EXPECT_EQ(member % 4096 % 64, 0u);
    EXPECT_NE(member % 4096, 0u);  // members would meet in the same lines of the first cache
  }
}

// A result that is contiguous along the batch: the sums of a line of items are stored together, in
// blocks whose sums stay near, past the caches if there are many.
TEST(ChooseGroups, ResultsThatRunAlongTheBatchAreStoredInGroups) {
  const auto product_of = [](std::int64_t batch, std::int64_t M, std::int64_t N, double beta) {
    ContractStep step = product(batch, M, N, 8);
    step.folded.batch[0].out = 1;
    step.folded.n[0].out = batch;
    step.folded.m[0].out = batch * N;
    step.finish.beta = beta;
    choose(step);
    EXPECT_FALSE(step.is_direct);
    EXPECT_LE(tile_scratch(step).bytes, std::size_t{4} << 20);
    return step;
  };
  ContractStep step = product_of(256, 40, 50, 0);
  EXPECT_TRUE(step.groups_out);
  EXPECT_FALSE(step.groups_lhs || step.groups_rhs);
  EXPECT_EQ(step.group, 32);
  EXPECT_FALSE(step.store_streams);
  step = product_of(64, 864, 400, 0);
  EXPECT_EQ(step.group, 16);
  EXPECT_EQ(step.blocking.row_block, 126);  // 7 blocks, whole tiles
  EXPECT_EQ(step.blocking.column_block, 112);
  EXPECT_EQ(step.grain, 16 * 7 * 4);
  EXPECT_FALSE(step.store_streams);
  kernel::ArithmeticKernels lines = made_up_kernels();  // whose vectors are lines
  lines.lanes = 16;
  step.kernels = &lines;
  choose(step);
  EXPECT_TRUE(step.store_streams);
  step.kernels = product(1, 2, 2, 2).kernels;
  choose(step);
  EXPECT_FALSE(step.finishes_apart);
  EXPECT_FALSE(product_of(64, 40, 50, 1).groups_out);
  EXPECT_FALSE(product_of(3, 40, 50, 0).groups_out);
  const TileScratch scratch = tile_scratch(step);
  EXPECT_NE(scratch.group_sums % 4096, 0u);  // members would meet in the same lines of a cache
  EXPECT_GE(scratch.bytes, scratch.sums + 16 * scratch.group_sums);
  step.out_dtype = F16{};  // narrower than the sums: a line holds twice as many
  choose(step);
  EXPECT_TRUE(step.finishes_apart);
  EXPECT_EQ(step.group, 32);
  const TileScratch narrow = tile_scratch(step);
  EXPECT_GE(narrow.group_finished, std::size_t{2 * 126 * 112});
  EXPECT_GE(narrow.bytes, narrow.finished + 32 * narrow.group_finished);
  // A group ends where results no longer follow each other.
  for (const std::int64_t outer : {10, 10 * 40 * 50}) {
    ContractStep two = product(10, 40, 50, 8);
    two.folded.batch = {{300, 10 * 320, 10 * 400, outer, 0}, {10, 320, 400, 1, 0}};
    two.folded.batch_count = 3000;
    two.folded.n[0].out = outer == 10 ? 3000 : 10;
    two.folded.m[0].out = two.folded.n[0].out * 50;
    choose(two);
    EXPECT_EQ(two.run_of_groups, outer == 10 ? 3000 : 10);
    EXPECT_EQ(two.group, outer == 10 ? 32 : 10);
  }
  // K is packed in blocks, as ever, and the items of a group are counted together: not too many.
  for (const std::int64_t K : {700, 30'000, 200'000, 2'000'000}) {
    ContractStep deep = product(64, 40, 50, K);
    deep.folded.batch[0].out = 1;
    deep.folded.n[0].out = 64;
    deep.folded.m[0].out = 64 * 50;
    choose(deep);
    EXPECT_EQ(deep.blocking.KP, 256);
    EXPECT_EQ(deep.groups_out, K <= 30'000);
    EXPECT_LE(tile_scratch(deep).bytes, std::size_t{2} << 20);
  }
}

// Several lines of small items are packed at a time, as long as each task has six groups: whole
// lines, or all items that follow each other, also along two axes where the operand has them so.
TEST(ChooseGroups, SmallItemsArePackedByMoreThanALine) {
  const auto group = [](std::int64_t batch, std::int64_t K, int tasks, Lost lost) {
    ContractStep step = along_batch(batch, 33, 34, K, lost);
    choose(step, tasks);
    EXPECT_EQ(step.run_of_groups, batch);
    EXPECT_EQ(step.grain, step.group);
    return step.group;
  };
  EXPECT_EQ(group(6000, 20, 1, Lost::kBoth), 48);  // 352 KiB
  EXPECT_EQ(group(6000, 20, 1, Lost::kLhs), 128);
  EXPECT_EQ(group(6000, 80, 1, Lost::kBoth), 16);
  EXPECT_EQ(group(200, 20, 1, Lost::kBoth), 32);
  EXPECT_EQ(group(200, 20, 2, Lost::kBoth), 16);
  ContractStep step = along_batch(20, 33, 34, 20, Lost::kBoth);
  step.folded.batch_count = 20 * 1000;
  for (const std::int64_t rhs : {20, 100000}) {
    step.folded.batch = {{1000, 20, rhs, 1, 0}, {20, 1, 1, 33 * 34 * 1000, 0}};
    choose(step);
    EXPECT_EQ(step.group, rhs == 20 ? 48 : 20);
    EXPECT_EQ(step.run_of_groups, rhs == 20 ? 20000 : 20);
  }
}

}  // namespace
}  // namespace batchdot
