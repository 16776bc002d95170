// SPDX-License-Identifier: Apache-2.0
// What is chosen for made-up problems: a pure function, so nothing is computed here.
#include <gtest/gtest.h>

#include "src/plan/choose_kernel_test_support.h"

namespace batchdot {
namespace {

TEST(ChooseKernel, ASmallDenseProductIsReadAndWrittenInPlace) {
  ContractStep step = product(10, 36, 64, 24);
  const std::vector<Refusal> refused = choose(step);
  EXPECT_EQ(step.form, ContractStep::Form::kTiles);
  EXPECT_TRUE(step.is_direct);
  EXPECT_FALSE(step.packs_lhs);
  EXPECT_FALSE(step.packs_rhs);
  EXPECT_TRUE(is_refused(refused, "dots"));
  EXPECT_FALSE(is_refused(refused, "rhs in place"));
  EXPECT_EQ(step.blocking.MR, 6);
  EXPECT_EQ(step.blocking.NR, 16);
  EXPECT_EQ(step.blocking.KC, 24);
  EXPECT_EQ(step.items, 10);
}

TEST(ChooseKernel, LonelyDotProductsRunOverTheBatch) {
  ContractStep step = product(5000, 1, 1, 64);
  const std::vector<Refusal> refused = choose(step);
  EXPECT_EQ(step.form, ContractStep::Form::kDots);
  EXPECT_FALSE(step.packs_lhs);
  EXPECT_FALSE(is_refused(refused, "rows in place"));
  EXPECT_EQ(step.items, 5);  // kDotsPerItem each
  ContractStep one = product(1, 1, 1, 64);
  choose(one);
  EXPECT_EQ(one.form, ContractStep::Form::kDots);
  EXPECT_EQ(one.items, 1);
  ContractStep shared = product(100, 1, 1, 64);
  choose(shared, 3);
  EXPECT_EQ(shared.items, 3);
}

// Items side by side in both operands; single elements are put so.
TEST(ChooseKernel, DotsOfColumnsAreReadInPlace) {
  const auto columns = [](std::int64_t K, std::int64_t lhs, std::int64_t rhs) {
    ContractStep step = product(5000, 1, 1, K);
    step.folded.batch[0].lhs = lhs;
    step.folded.batch[0].rhs = rhs;
    if (K > 1) step.folded.k[0].lhs = step.folded.k[0].rhs = 5000;
    choose(step, 2);
    EXPECT_EQ(step.form, ContractStep::Form::kDots);
    return step;
  };
  for (const std::int64_t K : {1, 64}) {
    const ContractStep step = columns(K, 1, 1);
    EXPECT_TRUE(step.takes_columns && step.is_direct);
    EXPECT_FALSE(step.packs_lhs || step.packs_rhs);
    EXPECT_EQ(step.task_bytes, 0u);
    EXPECT_EQ(step.items, K == 1 ? 2 : 6);
  }
  const ContractStep across = columns(1, 1, -7);
  EXPECT_TRUE(across.takes_columns && across.packs_rhs);
  EXPECT_FALSE(across.packs_lhs);
  EXPECT_GE(across.task_bytes, static_cast<std::size_t>(across.blocking.row_block) * 4);
  EXPECT_FALSE(columns(64, 1, 2).takes_columns);
  ContractStep finished = product(5000, 1, 1, 1);
  finished.finish.alpha = 2;
  choose(finished);
  EXPECT_TRUE(finished.takes_columns);
  EXPECT_FALSE(finished.is_direct);
  EXPECT_GT(finished.task_bytes, 0u);
  ContractStep converted = product(5000, 1, 1, 1);
  converted.rhs_dtype = F16{};
  choose(converted);
  EXPECT_FALSE(converted.takes_columns);
}

TEST(ChooseKernel, DotsThatCannotBeReadInPlaceArePackedAndSayWhy) {
  const auto packed = [](auto change) {
    ContractStep step = product(5000, 1, 1, 64);
    change(step);
    return is_refused(choose(step), "rows in place") && step.packs_lhs && step.packs_rhs &&
           step.form == ContractStep::Form::kDots && step.task_bytes > 0;
  };
  EXPECT_FALSE(packed([](ContractStep&) {}));
  EXPECT_TRUE(packed([](ContractStep& s) { s.folded.k[0].lhs = 2; }));
  EXPECT_TRUE(packed([](ContractStep& s) { s.folded.k[0].rhs = -1; }));
  EXPECT_TRUE(packed([](ContractStep& s) { s.lhs_dtype = F16{}; }));
  EXPECT_TRUE(packed([](ContractStep& s) { s.arithmetic = kernel::Arithmetic::kI32; }));
  EXPECT_TRUE(packed([](ContractStep& s) {
    s.folded.batch = {{200, 7000, 6400, 25, 0}, {25, 64, 64, 1, 0}};
  }));
  EXPECT_FALSE(packed([](ContractStep& s) {  // lines of rows
    s.folded.batch = {{50, 7000, 6400, 100, 0}, {100, 64, 64, 1, 0}};
  }));
  ContractStep shared = product(1000, 1, 1, 10000);
  shared.folded.k[0].lhs = 2;
  choose(shared, 7);
  EXPECT_GE(shared.items, 7);
  ContractStep one = product(1, 1, 1, 64);
  one.folded.k[0].lhs = 2;
  EXPECT_TRUE(is_refused(choose(one), "dots"));
  EXPECT_EQ(one.form, ContractStep::Form::kTiles);
}

// A row that is too long to be watched as one item counts for several.
TEST(ChooseKernel, LongRowsCountInParts) {
  for (const std::int64_t K : {std::int64_t{1} << 24, (std::int64_t{1} << 24) + 1}) {
    ContractStep step = product(3, 1, 1, K);
    choose(step);
    const bool is_long = K > std::int64_t{1} << 24;
    EXPECT_EQ(step.parts, is_long ? 2 : 1);
    EXPECT_EQ(step.items, is_long ? 3 : 1);
    EXPECT_EQ(step.blocking.KC % kernel::kBlock, 0);
  }
}

TEST(ChooseKernel, FewRowsReadContiguousColumnsInPlace) {
  for (const std::int64_t M : {1, 2, 3, 4}) {
    ContractStep step = rows_and_columns(3, M, 100, 300);
    const std::vector<Refusal> refused = choose(step, 4);
    EXPECT_EQ(step.form, ContractStep::Form::kVector) << M;
    EXPECT_TRUE(step.is_direct);
    EXPECT_FALSE(step.packs_lhs || step.packs_rhs);
    const Blocking& b = step.blocking;
    EXPECT_EQ(b.row_blocks, 1);
    EXPECT_GE(step.items, 4);
    EXPECT_EQ(step.items, 3 * b.column_blocks);
    EXPECT_GE(b.column_block * b.column_blocks, 100);
    EXPECT_LT(b.column_block * (b.column_blocks - 1), 100);
  }
}

TEST(ChooseKernel, VectorsAreRefusedForAReason) {
  const auto refused = [](std::int64_t M, std::int64_t N, auto change) {
    ContractStep step = rows_and_columns(3, M, N, 300);
    change(step);
    return is_refused(choose(step), "vector") && step.form == ContractStep::Form::kTiles;
  };
  const auto nothing = [](ContractStep&) {};
  EXPECT_FALSE(refused(4, 8, nothing));
  EXPECT_TRUE(refused(5, 8, nothing));
  EXPECT_TRUE(refused(4, 7, nothing));
  EXPECT_TRUE(refused(4, 8, [](ContractStep& s) { s.folded.k[0].lhs = 2; }));
  EXPECT_TRUE(refused(4, 8, [](ContractStep& s) { s.folded.k[0].rhs = 2; }));
  EXPECT_TRUE(refused(4, 8, [](ContractStep& s) { s.rhs_dtype = F16{}; }));
  EXPECT_TRUE(refused(4, 8, [](ContractStep& s) { s.arithmetic = kernel::Arithmetic::kI32; }));
  EXPECT_TRUE(refused(4, 8, [](ContractStep& s) {
    s.folded.n = {{2, 0, 9000, 4, 0}, {4, 0, 300, 1, 0}};
  }));
}

TEST(ChooseKernel, WhatCannotBeReadInPlaceIsPackedAndSaysWhy) {
  const auto refused_of = [](auto change) {
    ContractStep step = product(1, 36, 64, 24);
    change(step);
    return choose(step);
  };
  EXPECT_TRUE(is_refused(refused_of([](ContractStep& s) { s.lhs_dtype = F16{}; }), "lhs in place"));
  EXPECT_TRUE(is_refused(refused_of([](ContractStep& s) { s.rhs_dtype = F16{}; }), "rhs in place"));
  EXPECT_TRUE(
      is_refused(refused_of([](ContractStep& s) { s.lhs_conjugate = true; }), "lhs in place"));
  EXPECT_TRUE(
      is_refused(refused_of([](ContractStep& s) { s.folded.n[0].rhs = 3; }), "rhs in place"));
  EXPECT_TRUE(is_refused(refused_of([](ContractStep& s) {
                           s.folded.k = {{4, 60, 7, 0, 0}, {6, 1, 2, 0, 0}};
                         }),
                         "lhs in place"));
  EXPECT_TRUE(is_refused(refused_of([](ContractStep& s) { s.finish.alpha = 2; }),
                         "sums kept in the result"));
  EXPECT_TRUE(is_refused(refused_of([](ContractStep& s) { s.folded.n[0].out = 2; }),
                         "sums kept in the result"));
  EXPECT_TRUE(is_refused(refused_of([](ContractStep& s) { s.out_dtype = F16{}; }),
                         "sums kept in the result"));
}

// rhs whose rows lie apart is read in place while it is near, the longer the fewer rows meet it.
TEST(ChooseKernel, RowsOfRhsThatLieApartArePackedForManyRows) {
  const auto packs_rhs = [](std::int64_t M, std::int64_t N, std::int64_t K) {
    ContractStep step = product(1, M, N, K);
    choose(step);
    return step.packs_rhs;
  };
  EXPECT_FALSE(packs_rhs(1000, 128, 80));  // 40 KiB
  EXPECT_TRUE(packs_rhs(1000, 128, 81));
  EXPECT_FALSE(packs_rhs(128, 128, 288));  // 144 KiB
  EXPECT_TRUE(packs_rhs(128, 128, 289));
  EXPECT_TRUE(packs_rhs(129, 128, 128));
  EXPECT_FALSE(packs_rhs(128, 512, 72));
  EXPECT_TRUE(packs_rhs(128, 513, 70));  // rows of more than half a page
  EXPECT_FALSE(packs_rhs(24, 1000, 1000));
}

TEST(ChooseKernel, WorkIsCutUntilEveryTaskHasSome) {
  for (const int tasks : {1, 2, 3, 4, 8}) {
    for (const std::int64_t batch : {1, 2, 3, 7, 64}) {
      ContractStep step = product(batch, 200, 300, 50);
      choose(step, tasks);
      EXPECT_GE(step.items, std::min<std::int64_t>(tasks, 7)) << tasks << " tasks, batch " << batch;
      const Blocking& b = step.blocking;
      EXPECT_GE(b.row_block * b.row_blocks, 200);
      EXPECT_LT(b.row_block * (b.row_blocks - 1), 200);
      EXPECT_GE(b.column_block * b.column_blocks, 300);
      EXPECT_LT(b.column_block * (b.column_blocks - 1), 300);
      EXPECT_EQ(step.items, batch * b.row_blocks * b.column_blocks);
    }
  }
}

// rhs contiguous along the outer of two axes of K: lines of 16 elements are packed at a time, in
// whole blocks, unless a line would still be read again and again.
TEST(ChooseKernel, LinesThatAreApartInKArePackedOnce) {
  const struct {
    std::int64_t outer, inner, KP;
  } kCases[] = {{40, 50, 896}, {384, 376, 6016}, {4, 10, 40}, {40, 3000, 256}};
  for (const auto& c : kCases) {
    for (const std::int64_t N : {90, 400}) {
      ContractStep step = product(1, 100, N, c.outer * c.inner);
      step.folded.k = {{c.outer, c.inner, 1, 0, 0}, {c.inner, 1, 400 * c.outer, 0, 0}};
      step.folded.n = axis(N, 0, c.outer, 1);
      choose(step);
      const Blocking& b = step.blocking;
      EXPECT_EQ(b.KP, c.KP) << c.outer << ' ' << c.inner;
      EXPECT_TRUE(b.KP == step.folded.K || b.KP % kernel::kBlock == 0);
      EXPECT_EQ(step.packs_lines, c.inner < 3000) << c.outer << ' ' << c.inner;
      EXPECT_EQ(b.row_blocks, 1);
      EXPECT_LE(tile_scratch(step).bytes, std::size_t{12} << 20);
    }
  }
  // What is packed by lines is cut before the rows that meet it.
  ContractStep step = product(1, 384, 376, 384 * 376);
  step.folded.k = {{384, 376, 1, 0, 0}, {376, 1, 400 * 384, 0, 0}};
  step.folded.n = axis(376, 0, 384, 1);
  choose(step, 2);
  EXPECT_EQ(step.blocking.row_blocks, 1);
  EXPECT_EQ(step.blocking.column_blocks, 2);
  // Two lines at a time, where the last cache holds four times what that takes of each task.
  for (const std::int64_t bytes : {std::int64_t{80} << 20, (std::int64_t{80} << 20) - 1}) {
    step.last_cache = bytes;
    choose(step, 2);
    EXPECT_EQ(step.blocking.KP, bytes % 2 == 0 ? 12032 : 6016);
  }
}

// A line of lhs holds 16 rows that are 48 apart: as many are packed at a time as take 1 MB, and
// meet all columns.
TEST(ChooseKernel, RowsThatShareLinesArePackedTogether) {
  ContractStep step = product(1, 48 * 48, 48 * 48, 48 * 48);
  step.folded.m = {{48, 1, 0, 48 * 2304, 0}, {48, 2304, 0, 2304, 0}};
  step.folded.k = {{48, 48, 48, 0, 0}, {48, 48 * 2304, 2304, 0, 0}};
  choose(step);
  EXPECT_TRUE(step.shares_lines);
  EXPECT_EQ(step.blocking.MC, 1026);
  EXPECT_EQ(step.near_panels, 2304 / 16);
  step.lhs_dtype = F16{};  // panels that are converted are packed whole
  choose(step);
  EXPECT_FALSE(step.shares_lines);
}

TEST(ChooseKernel, ColumnsAreCutEvenlyIfTheyAreMuchMoreThanABlock) {
  const std::pair<std::int64_t, std::int64_t> kCases[] = {
      {2048, 2048}, {2304, 2304}, {3072, 3072}, {3073, 1552}, {4096, 2048}, {10000, 2000}};
  for (const auto& [N, NC] : kCases) {
    ContractStep step = product(1, 1000, N, 1000);
    choose(step);
    EXPECT_EQ(step.blocking.NC, NC) << N;
  }
}

// Of 16 KB, or of 8 where the next one is not behind it, and only where all do not lie near.
TEST(ChooseKernel, WhatComesNextIsAskedForFromACertainSizeOn) {
  const auto asks = [](std::int64_t b, std::int64_t n, std::int64_t K, bool apart) {
    ContractStep step = product(b, n, n, K);
    if (apart) step.folded.batch[0].lhs *= 3;
    choose(step);
    return step.prefetches;
  };
  EXPECT_TRUE(asks(5000, 40, 40, false));
  EXPECT_FALSE(asks(5000, 36, 36, false));
  EXPECT_TRUE(asks(5000, 36, 36, true));
  EXPECT_FALSE(asks(5000, 26, 26, true));
  EXPECT_FALSE(asks(50, 40, 40, false));
}

// The sums of a large product come from far: in long runs of a row.
TEST(ChooseKernel, RowsMeetAllPanelsOfALargeBlock) {
  const auto near = [](std::int64_t N, std::int64_t K, std::int64_t NV) {
    ContractStep step = product(1, 1000, N, K);
    kernel::ArithmeticKernels kernels = *step.kernels;
    kernels.NV = static_cast<int>(NV);
    step.kernels = &kernels;
    choose(step);
    return step.near_panels;
  };
  EXPECT_EQ(near(1000, 1000, 2), 63);
  EXPECT_EQ(near(1000, 40, 2), 1);
  EXPECT_EQ(near(256, 256, 2), 1);
  EXPECT_EQ(near(257, 256, 2), 17);
  EXPECT_EQ(near(1000, 1000, 4), 1);  // wide
}

// 8 x 3 and 6 x 4 tiles of vectors of 16 elements: by what their loops would take.
TEST(ChooseKernel, TheWideTileTakesRowsWholeOrInTwo) {
  kernel::ArithmeticKernels kernels = made_up_kernels();
  kernels.MR = 8;
  kernels.NV = 3;
  kernels.lanes = 16;
  const auto tile = [&](std::int64_t M, std::int64_t N) {
    ContractStep step = product(10, M, N, 100);
    step.kernels = &kernels;
    choose(step);
    return std::pair(step.blocking.MR, step.blocking.NR);
  };
  const std::pair kTall(8, 48), kWide(6, 64);
  EXPECT_EQ(tile(100, 64), kTall);  // there is no other
  kernels.wide_MR = 6;
  kernels.wide_NV = 4;
  EXPECT_EQ(tile(100, 64), kWide);
  EXPECT_EQ(tile(100, 50), kWide);
  EXPECT_EQ(tile(100, 48), kTall);   // one panel of both
  EXPECT_EQ(tile(100, 80), kTall);   // two panels of both
  EXPECT_EQ(tile(100, 128), kWide);  // two, where tall ones are three
  EXPECT_EQ(tile(100, 112), kWide);
  EXPECT_EQ(tile(100, 256), kTall);
}

// Of wide panels those that are only written need not be there.
TEST(ChooseKernel, SumsAreAskedForWhereTheyAreReadOrPanelsAreNarrow) {
  kernel::ArithmeticKernels kernels = made_up_kernels();
  const auto asks = [&](std::int64_t K, int NV, bool is_complex) {
    ContractStep step = product(1, 100, 100, K);
    kernels.NV = NV;
    step.kernels = &kernels;
    if (is_complex) {
      step.arithmetic = kernel::Arithmetic::kC64;
      step.lhs_dtype = step.rhs_dtype = step.out_dtype = C64{};
    }
    choose(step);
    return step.asks_for_sums;
  };
  EXPECT_TRUE(asks(100, 2, false));
  EXPECT_FALSE(asks(512, 4, false));
  EXPECT_TRUE(asks(513, 4, false));
  EXPECT_TRUE(asks(100, 4, true));
}

// Vectors that are a line each ask for every line of small items.
TEST(ChooseKernel, WidePanelsAskForEveryLine) {
  kernel::ArithmeticKernels kernels = made_up_kernels();
  const auto apart = [&](std::int64_t n, int NV) {
    ContractStep step = product(1000, n, n, n);
    kernels.NV = NV;
    step.kernels = &kernels;
    choose(step);
    EXPECT_TRUE(step.prefetches);
    return step.asks_apart;
  };
  EXPECT_EQ(apart(64, 2), 128);
  EXPECT_EQ(apart(64, 4), 64);
  EXPECT_EQ(apart(128, 4), 128);
}

TEST(ChooseKernel, RowsThatMeetManyColumnsArePacked) {
  for (const std::int64_t N : {255, 256}) {
    ContractStep step = product(1, 100, N, 150);
    choose(step);
    EXPECT_EQ(step.packs_lhs, N == 256);
  }
  for (const std::int64_t row : {64, 65}) {  // side by side, and apart
    ContractStep step = product(1, 100, 256, 64);
    step.folded.m[0].lhs = row;
    choose(step);
    EXPECT_EQ(step.packs_lhs, row == 65);
  }
}

TEST(ChooseKernel, RowsThatMeetInOneBankAreGatheredBeforeTheyAreStreamed) {
  for (const std::int64_t N : {3072, 3080}) {
    ContractStep step = product(1, 4096, N, 16);
    choose(step);
    EXPECT_TRUE(step.streams);
    EXPECT_EQ(step.gathers, N == 3072);
    EXPECT_EQ(tile_scratch(step).lhs_rows - tile_scratch(step).gathered,
              N == 3072 ? static_cast<std::size_t>(step.blocking.MR) * 1024 : 0u);
  }
  ContractStep wide = product(1, 4096, 3072, 16);
  kernel::ArithmeticKernels kernels = made_up_kernels();
  kernels.NV = 4;
  wide.kernels = &kernels;
  choose(wide);
  EXPECT_TRUE(wide.streams);
  EXPECT_FALSE(wide.gathers);
  ContractStep one = product(1, 1, 3072 * 4096, 16);  // a row alone is a long run already
  one.folded.m.clear();
  choose(one);
  EXPECT_TRUE(one.streams);
  EXPECT_FALSE(one.gathers);
}

// What the next item needs is asked for during a block: it is not a small rest.
TEST(ChooseKernel, BlocksOfRowsOfWidePanelsAreAlike) {
  kernel::ArithmeticKernels kernels = made_up_kernels();
  kernels.NV = 4;
  const auto rows = [&](std::int64_t M, std::int64_t N, std::int64_t K) {
    ContractStep step = product(10, M, N, K);
    step.kernels = &kernels;
    choose(step);
    return step.blocking.MC;
  };
  EXPECT_EQ(rows(100, 64, 128), 102);
  EXPECT_EQ(rows(264, 64, 128), 264);
  EXPECT_EQ(rows(265, 64, 128), 138);
  EXPECT_EQ(rows(1000, 512, 512), 144);
  // Rows and a panel stay near while more than two panels pass.
  EXPECT_EQ(rows(144, 96, 64), 144);
  EXPECT_EQ(rows(200, 96, 64), 72);
  EXPECT_EQ(rows(200, 64, 64), 204);
}

TEST(ChooseKernel, WidePanelsStreamSmallerResultsOfALongerK) {
  kernel::ArithmeticKernels kernels = made_up_kernels();
  kernels.NV = 4;
  const auto streams = [&](std::int64_t batch, std::int64_t K, bool is_wide) {
    ContractStep step = product(batch, 64, 64, K);
    if (is_wide) step.kernels = &kernels;
    choose(step);
    EXPECT_EQ(step.form, ContractStep::Form::kTiles);
    return step.streams;
  };
  EXPECT_TRUE(streams(1025, 128, true));  // a result of more than 16 MiB
  EXPECT_FALSE(streams(1024, 128, true));
  EXPECT_FALSE(streams(1025, 129, true));
  EXPECT_TRUE(streams(2049, 32, false));
  EXPECT_FALSE(streams(2048, 32, false));
  EXPECT_FALSE(streams(2049, 33, false));
}

// Complex sums are kept apart: the store writes past the caches, unless it reads the old result.
TEST(ChooseKernel, ComplexResultsAreStreamedByTheStore) {
  kernel::ArithmeticKernels kernels = made_up_kernels();
  kernels.panel_bytes = 8;
  const auto streams = [&](std::int64_t batch, std::int64_t K, double beta) {
    ContractStep step = product(batch, 64, 64, K);
    step.kernels = &kernels;
    step.arithmetic = kernel::Arithmetic::kC64;
    step.lhs_dtype = step.rhs_dtype = step.out_dtype = C64{};
    step.finish.beta = beta;
    choose(step);
    EXPECT_EQ(step.form, ContractStep::Form::kTiles);
    EXPECT_FALSE(step.streams);
    return step.store_streams;
  };
  EXPECT_TRUE(streams(513, 128, 0));  // more than 16 MiB
  EXPECT_FALSE(streams(512, 128, 0));
  EXPECT_FALSE(streams(513, 129, 0));
  EXPECT_FALSE(streams(513, 128, 1));
}

// What is not written past the caches is asked for before. Rows that are gathered go past them all
// the same.
TEST(ChooseKernel, TilesThatCannotStreamAreNotTold) {
  kernel::ArithmeticKernels kernels = made_up_kernels();
  const auto streams = [&](ContractStep step) {
    step.kernels = &kernels;
    choose(step);
    EXPECT_EQ(step.form, ContractStep::Form::kTiles);
    return std::pair(step.streams, step.gathers);
  };
  for (const bool can_stream : {true, false}) {
    kernels.streams = can_stream;
    kernels.NV = 2;
    EXPECT_EQ(streams(product(1, 4096, 3080, 16)), std::pair(can_stream, false));
    EXPECT_EQ(streams(product(1, 4096, 3072, 16)), std::pair(true, true));
    kernels.NV = 4;
    EXPECT_EQ(streams(product(2000, 64, 64, 64)), std::pair(can_stream, false));
  }
}

// Rows of lhs that AMX reads where they lie, and what it writes, which has to be copied to go past
// the caches.
TEST(ChooseKernel, AmxReadsRowsAlongKAndStreamsWhatIsGathered) {
  kernel::ArithmeticKernels kernels = made_up_kernels();
  kernels.MR = 32;
  kernels.NV = 2;
  kernels.lanes = 16;
  kernels.k_group = 4;
  kernels.a_along_k = kernels.rows_stay = true;
  kernels.streams = false;
  kernels.tiny = nullptr;
  const auto step_of = [&](std::int64_t b, std::int64_t M, std::int64_t N, std::int64_t K) {
    ContractStep step = product(b, M, N, K);
    step.lhs_dtype = step.rhs_dtype = I8{};
    step.out_dtype = I32{};
    step.arithmetic = kernel::Arithmetic::kI8;
    step.kernels = &kernels;
    return step;
  };
  const auto packs_lhs = [&](ContractStep step) {
    choose(step);
    EXPECT_TRUE(step.packs_rhs);
    return step.packs_lhs;
  };
  EXPECT_FALSE(packs_lhs(step_of(100, 128, 128, 64)));
  EXPECT_TRUE(packs_lhs(step_of(100, 128, 128, 63)));
  EXPECT_TRUE(packs_lhs(step_of(1, 512, 256, 512)));
  ContractStep across = step_of(100, 128, 128, 64);
  across.folded.m[0].lhs = 1;
  across.folded.k[0].lhs = 128;
  EXPECT_TRUE(packs_lhs(across));
  ContractStep one_row = step_of(100, 128, 128, 64);
  one_row.folded.m[0].lhs = 0;
  EXPECT_TRUE(packs_lhs(one_row));

  for (const std::int64_t N : {128, 120, 32}) {  // 128: whole lines of 64 bytes
    ContractStep step = step_of(2000, 128, N, 64);
    choose(step);
    const bool streams = N != 120 && 2000 * 128 * N * 4 > 16 << 20;
    EXPECT_EQ(step.streams, streams);
    EXPECT_EQ(step.gathers, streams);
    EXPECT_EQ(step.near_panels, ceil_div(N, 32));
  }
  ContractStep far = step_of(2000, 128, 512, 64);
  choose(far);
  EXPECT_EQ(far.near_panels, 8);  // a run of 1 KiB
  ContractStep deep = step_of(2000, 128, 512, 132);
  choose(deep);
  EXPECT_FALSE(deep.streams);
  EXPECT_EQ(deep.near_panels, 16);

  const auto block_of_rhs = [&](std::int64_t K) {
    ContractStep step = step_of(1, 1024, 4096, K);
    choose(step);
    return step.blocking.NC;
  };
  EXPECT_EQ(block_of_rhs(64), 1024);
  EXPECT_EQ(block_of_rhs(1024), 1024);  // 1 MiB
  EXPECT_EQ(block_of_rhs(2048), 512);
  EXPECT_EQ(block_of_rhs(5000), 512);
}

TEST(ChooseKernel, RowsAreWidenedAsTheyLieWhereTheyAreContiguousAlongK) {
  const auto widens = [](ContractStep step) {
    choose(step);
    EXPECT_EQ(tile_scratch(step).widened_row % kernel::kWidenedAtOnce, 0);
    return step.widens_rows;
  };
  EXPECT_TRUE(widens(f16_product(10, 100, 64, 100)));
  EXPECT_TRUE(widens(f16_product(1, 1000, 1000, 1000)));
  EXPECT_TRUE(widens(f16_product(10, 100, 64, 16)));
  EXPECT_FALSE(widens(f16_product(10, 100, 64, 15)));
  ContractStep across = f16_product(10, 100, 64, 100);
  across.folded.m[0].lhs = 1;
  across.folded.k[0].lhs = 100;
  EXPECT_FALSE(widens(across));
  ContractStep as_it_is = f16_product(10, 100, 64, 100);
  as_it_is.lhs_dtype = F32{};
  EXPECT_FALSE(widens(as_it_is));
  ContractStep by_others = f16_product(10, 100, 64, 100);
  const kernel::ArithmeticKernels kernels = made_up_kernels();
  by_others.kernels = &kernels;
  EXPECT_FALSE(widens(by_others));
  kernel::ArithmeticKernels narrow = widening_kernels();
  narrow.NV = 2;
  by_others.kernels = &narrow;
  EXPECT_FALSE(widens(by_others));
}

// Sums that are not kept in the result, of all columns, all K and a few rows.
TEST(ChooseKernel, SumsOfAFewRowsAreStoredEarlyWhereColumnsAreNear) {
  const auto stores_early = [](ContractStep step) {
    choose(step);
    if (step.stores_early) {
      EXPECT_EQ(step.blocking.MC, 2 * step.blocking.MR);
      EXPECT_EQ(step.near_panels, ceil_div(step.folded.N, step.blocking.NR));
      EXPECT_LE(tile_scratch(step).lhs_rows - tile_scratch(step).sums,
                static_cast<std::size_t>(step.blocking.MC * round_up(step.folded.N, 32) * 4));
    }
    return step.stores_early;
  };
  EXPECT_TRUE(stores_early(f16_product(10, 100, 64, 128)));
  EXPECT_TRUE(stores_early(f16_product(10, 100, 128, 64)));
  EXPECT_FALSE(stores_early(f16_product(10, 100, 64, 129)));
  EXPECT_FALSE(stores_early(f16_product(10, 100, 65, 128)));
  ContractStep direct = f16_product(10, 100, 64, 128);
  direct.out_dtype = F32{};
  EXPECT_FALSE(stores_early(direct));
  direct.finish.alpha = 2;
  EXPECT_TRUE(stores_early(direct));
  ContractStep packed = f16_product(10, 100, 64, 128);  // of a few rows lines would be read again
  packed.folded.m[0].lhs = 1;
  packed.folded.k[0].lhs = 100;
  EXPECT_FALSE(stores_early(packed));
  ContractStep scattered = f16_product(10, 100, 64, 128);
  scattered.folded.m[0].out = 1;
  scattered.folded.n[0].out = 100;
  EXPECT_FALSE(stores_early(scattered));
}

TEST(ChooseKernel, NarrowResultsThatAreStoredEarlyGoPastTheCaches) {
  const auto streams = [](std::int64_t batch, std::int64_t N, std::int64_t K) {
    ContractStep step = f16_product(batch, 64, N, K);
    choose(step);
    EXPECT_FALSE(step.is_direct);
    return step.store_streams;
  };
  EXPECT_TRUE(streams(2049, 64, 128));  // more than 16 MiB
  EXPECT_FALSE(streams(2048, 64, 128));
  EXPECT_TRUE(streams(4200, 32, 128));
  EXPECT_FALSE(streams(4200, 32, 129));
  EXPECT_FALSE(streams(2049, 128, 128));  // stored late
}

// Tiles that have no time to ask for every line ask for every other one.
TEST(ChooseKernel, EarlyRowsAskForWhatTilesHaveTimeFor) {
  const auto apart = [](std::int64_t M, std::int64_t N, std::int64_t K) {
    ContractStep step = f16_product(1000, M, N, K);
    choose(step);
    EXPECT_TRUE(step.stores_early && step.prefetches);
    return step.asks_apart;
  };
  EXPECT_EQ(apart(120, 64, 64), 64);
  EXPECT_EQ(apart(36, 32, 64), 128);
}

// Beyond two threads scheduling is counted, not timed: the busiest task has little more to do than
// the mean, for the shapes of the benchmark's W1 to W13 and for numbers of CPUs that are no powers
// of two.
TEST(ChooseKernel, TasksHaveNearlyEqualShares) {
  const struct {
    std::int64_t batch, M, N, K;
  } kCases[] = {{768, 128, 128, 64}, {768, 128, 64, 128},   {9216, 8, 8, 24},
                {9216, 24, 24, 8},   {64, 864, 864, 8},     {65536, 1, 1, 512},
                {200000, 4, 4, 4},   {5000, 32, 32, 32},    {400, 128, 128, 128},
                {64, 1, 4096, 128},  {8, 1024, 1024, 1024}, {1, 2048, 2048, 2048},
                {192, 256, 256, 64}, {32, 4096, 4096, 16},  {1, 98304, 256, 64},
                {81920, 1, 1, 128},  {1, 1000, 5000, 1800}, {1, 500, 5000, 3500}};
  for (const auto& c : kCases) {
    for (const std::int64_t tasks : {2, 3, 6, 12, 24, 64}) {
      ContractStep step = product(c.batch, c.M, c.N, c.K);
      choose(step, static_cast<int>(tasks));
      const Blocking& b = step.blocking;
      // In multiply-adds of whole blocks: those at the edges are smaller.
      const std::int64_t shares = (step.items + tasks - 1) / tasks;
      const auto is_cut =
          step.form == ContractStep::Form::kTiles || step.form == ContractStep::Form::kVector;
      const double item = is_cut ? static_cast<double>(b.row_block * b.column_block)
                                 : static_cast<double>(b.row_block * c.M * c.N);
      const double busiest = static_cast<double>(shares) * item;
      const double mean = static_cast<double>(c.batch * c.M * c.N) / static_cast<double>(tasks);
      EXPECT_LE(busiest, 1.15 * mean) << c.batch << " x " << c.M << ' ' << c.N << ' ' << c.K << ", "
                                      << tasks << " tasks: " << step.items << " items";
    }
  }
}

TEST(ChooseKernel, NoWorkItemIsTooLongToBeStopped) {
  ContractStep step = product(1, 20000, 20000, 5000);
  const auto expect_parts = [&](std::int64_t most) {
    choose(step, 1);
    const Blocking& b = step.blocking;
    EXPECT_LE(b.row_block * b.column_block * step.part_K, most);
    EXPECT_LE(b.column_block, b.NC);
    EXPECT_EQ(b.row_block % b.MR, 0);
    EXPECT_EQ(step.part_K % b.KP, 0);
    EXPECT_EQ(step.parts, (5000 + step.part_K - 1) / step.part_K);
  };
  expect_parts(std::int64_t{1} << 32);
  kernel::ArithmeticKernels slow = *step.kernels;  // without vectors
  slow.loops = true;
  step.kernels = &slow;
  expect_parts(std::int64_t{1} << 26);
  // A long K is counted in parts rather than cut into small blocks, whose operands are read again.
  step = product(1, 64, 64, std::int64_t{1} << 24);
  choose(step, 1);
  EXPECT_EQ(step.items, 1);
  EXPECT_EQ(step.parts, 16);
}

TEST(ChooseKernel, BlocksOfKAreWholeBlocksOfTheOrder) {
  for (const std::int64_t K : {1, 127, 128, 129, 256, 257, 10000}) {
    ContractStep step = product(1, 100, 100, K);
    choose(step);
    EXPECT_TRUE(step.blocking.KC % kernel::kBlock == 0 || step.blocking.KC == K) << K;
  }
}

TEST(ChooseKernel, AnEmptyResultHasNoItems) {
  for (ContractStep step : {product(0, 3, 4, 5), product(2, 0, 4, 5), product(2, 3, 0, 5)}) {
    EXPECT_TRUE(choose(step, 4).empty());
    EXPECT_EQ(step.items, 0);
    EXPECT_EQ(step.task_bytes, 0U);
  }
}

}  // namespace
}  // namespace batchdot
