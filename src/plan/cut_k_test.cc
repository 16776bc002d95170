// SPDX-License-Identifier: Apache-2.0
// Which K is cut, and where.
#include <gtest/gtest.h>

#include <optional>

#include "src/plan/choose_kernel_test_support.h"

namespace batchdot {
namespace {

std::optional<CutOfK> cut_of(ContractStep step, int tasks) {
  choose(step, tasks);
  return cut_k(step, tasks, 640);
}

TEST(CutK, AKThatLeavesTasksIdleIsCutInWholeBlocks) {
  ContractStep step = product(3, 1, 1, 100'000);
  step.folded.batch[0] = {3, 100'004, -200'000, 7, 11, 13};
  step.folded.k[0] = {100'000, 1, -2};
  step.lhs.where = step.rhs.where = Place::Where::kOperand;
  step.lhs.offset_bytes = 8;
  step.out.where = Place::Where::kOut;
  step.finish.beta = 2;
  auto cut = cut_of(step, 2);
  ASSERT_TRUE(cut && cut->rest);
  EXPECT_EQ(cut->block_sums, 782);
  EXPECT_EQ(cut->list_bytes, 3u * 782 * 4);

  const Folded& whole = cut->whole.folded;
  EXPECT_EQ(whole.batch_count, 3 * 781);
  EXPECT_EQ(whole.batch, (FoldedAxes{{3, 100'004, -200'000, 781}, {781, 128, -256, 1}}));
  EXPECT_EQ(whole.k, (FoldedAxes{{128, 1, -2}}));
  EXPECT_EQ(cut->whole.out.where, Place::Where::kWorkspace);
  EXPECT_EQ(cut->whole.out.offset_bytes, 640);
  EXPECT_TRUE(cut->whole.finish.is_plain());

  const Folded& rest = cut->rest->folded;
  EXPECT_EQ(rest.batch, (FoldedAxes{{3, 100'004, -200'000, 1}}));
  EXPECT_EQ(rest.k, (FoldedAxes{{32, 1, -2}}));
  EXPECT_EQ(cut->rest->lhs.offset_bytes, 8 + 4 * 99'968);
  EXPECT_EQ(cut->rest->rhs.offset_bytes, -8 * 99'968);
  EXPECT_EQ(cut->rest->out.offset_bytes, 640 + 4 * 3 * 781);

  const ContractStep& addition = cut->addition;
  EXPECT_EQ(addition.folded.batch, step.folded.batch);
  EXPECT_EQ(addition.folded.K, 781);
  EXPECT_EQ(addition.lhs.offset_bytes, cut->whole.out.offset_bytes);
  EXPECT_EQ(addition.rhs.offset_bytes, cut->rest->out.offset_bytes);
  EXPECT_EQ(addition.out.where, Place::Where::kOut);
  EXPECT_EQ(addition.finish.beta, 2);
  EXPECT_EQ(addition.items, 3);

  step.folded.K = step.folded.k[0].extent = 1280 * 128;
  cut = cut_of(step, 2);
  ASSERT_TRUE(cut);
  EXPECT_FALSE(cut->rest);
  EXPECT_EQ(cut->addition.rhs.where, Place::Where::kNone);
}

TEST(CutK, KIsNotCutWhereTasksHaveWorkOrTheListIsLong) {
  constexpr std::int64_t kLong = 1'000'000;
  const auto is_cut = [](const ContractStep& step, int tasks) {
    return cut_of(step, tasks).has_value();
  };
  EXPECT_TRUE(is_cut(product(1, 1, 1, kLong), 2));
  EXPECT_FALSE(is_cut(product(1, 1, 1, kLong), 1));
  EXPECT_FALSE(is_cut(product(1, 1, 1, 4095), 2));
  EXPECT_FALSE(is_cut(product(1, 1, 1, 0), 2));
  EXPECT_FALSE(is_cut(product(0, 1, 1, kLong), 2));
  EXPECT_FALSE(is_cut(product(16, 1, 1, kLong), 2));  // two items of eight rows
  EXPECT_TRUE(is_cut(product(17, 1, 1, kLong), 2));
  EXPECT_TRUE(is_cut(product(1, 1, 1, std::int64_t{1} << 31), 2));
  EXPECT_FALSE(is_cut(product(1, 1, 1, (std::int64_t{1} << 31) + 1), 2));
  ContractStep apart = product(1, 1, 1, kLong);
  apart.folded.k = {{1000, 1, 1000, 0}, {1000, 1000, 1, 0}};
  EXPECT_FALSE(is_cut(apart, 2));
}

// One task, too: a lone dot product that is packed is a tile with one chain. Where elements take
// longer to pack, two tasks have to share it.
TEST(CutK, KIsCutWhereATileWouldHaveFewChains) {
  const auto is_cut = [](DType dtype, kernel::Arithmetic arithmetic, int tasks,
                         std::int64_t rhs_stride = 0) {
    ContractStep step = product(1, 1, 1, 5000);
    step.folded.k[0] = {5000, 1, rhs_stride};
    step.lhs_dtype = step.rhs_dtype = dtype;
    step.arithmetic = arithmetic;
    kernel::ArithmeticKernels kernels = *step.kernels;
    kernels.panel_bytes = accumulator_of(arithmetic).size_bytes();
    step.kernels = &kernels;
    return cut_of(step, tasks).has_value();
  };
  using kernel::Arithmetic;
  EXPECT_TRUE(is_cut(F32{}, Arithmetic::kF32, 1));
  EXPECT_TRUE(is_cut(F16{}, Arithmetic::kF32, 1, 1));
  EXPECT_FALSE(is_cut(F16{}, Arithmetic::kF32, 1, 2));
  EXPECT_TRUE(is_cut(F16{}, Arithmetic::kF32, 2, 2));
  EXPECT_TRUE(is_cut(I8{}, Arithmetic::kI8, 1));
  EXPECT_FALSE(is_cut(F64{}, Arithmetic::kF64, 1));
  EXPECT_TRUE(is_cut(F64{}, Arithmetic::kF64, 2));
  EXPECT_FALSE(is_cut(C64{}, Arithmetic::kC64, 1));
  for (const std::int64_t batch : {2, 3}) {  // of eight in a panel
    ContractStep step = product(batch, 1, 1, 5000);
    step.folded.batch[0] = {batch, 1, 1, 1};
    step.folded.k[0] = {5000, batch, batch};
    const auto cut = cut_of(step, 1);
    ASSERT_EQ(cut.has_value(), batch == 2);
    if (cut) {  // lines run along the batch: it stays innermost
      EXPECT_EQ(cut->whole.folded.batch, (FoldedAxes{{39, 256, 256, 1}, {2, 1, 1, 39}}));
    }
  }
  EXPECT_TRUE(is_cut(C64{}, Arithmetic::kC64, 2));
}

// A row of lhs against a few of rhs: dot products that share an operand.
TEST(CutK, FewRowsWithALongKBecomeDotProducts) {
  for (const int tasks : {1, 3}) {
    for (const std::int64_t N : {2, 7, 8}) {
      ContractStep step = product(1, 1, N, 100'000);
      step.folded.n[0] = {N, 0, 100'000, 1};
      step.folded.k[0] = {100'000, 1, 1};
      auto cut = cut_of(step, tasks);
      ASSERT_EQ(cut.has_value(), N < 8) << N;  // eight fill a vector
      if (!cut) continue;
      EXPECT_EQ(cut->whole.folded.batch, (FoldedAxes{{N, 0, 100'000, 781}, {781, 128, 128, 1}}));
      choose(cut->whole, tasks);
      EXPECT_EQ(cut->whole.form, ContractStep::Form::kDots);
      EXPECT_FALSE(cut->whole.packs_lhs);
      EXPECT_GE(cut->whole.items, tasks);
      step.folded.k[0].rhs = 2;  // packed, they would be packed again for each
      EXPECT_FALSE(cut_of(step, tasks));
    }
  }
}

// The kernels of the parts know of no exchanged operands.
TEST(CutK, PartsOfExchangedOperandsAreInTheOrderOfTheCaller) {
  ContractStep step = product(1, 1, 3, 100'001);
  step.folded.n[0] = {3, 0, 100'001, 1};
  step.folded.k[0] = {100'001, 1, 1};
  step.folded.swapped = true;
  step.lhs = {Place::Where::kOperand, 1, 0};
  step.rhs = {Place::Where::kOperand, 0, 0};
  step.lhs_conjugate = true;
  step.lhs_dtype = F32{};
  const auto cut = cut_of(step, 2);
  ASSERT_TRUE(cut && cut->rest);
  for (const ContractStep* part : {&cut->whole, &*cut->rest}) {
    EXPECT_EQ(part->lhs.index, 0);
    EXPECT_EQ(part->rhs.index, 1);
    EXPECT_FALSE(part->lhs_conjugate);
    EXPECT_TRUE(part->rhs_conjugate);
    EXPECT_FALSE(part->folded.swapped);
  }
  EXPECT_EQ(cut->whole.folded.batch, (FoldedAxes{{3, 100'001, 0, 781}, {781, 128, 128, 1}}));
  EXPECT_EQ(cut->rest->lhs.offset_bytes, 781 * 128 * 4);
}

}  // namespace
}  // namespace batchdot
