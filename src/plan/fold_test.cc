// SPDX-License-Identifier: Apache-2.0
#include "src/plan/fold.h"

#include <gtest/gtest.h>

#include <ostream>

#include "tests/refusal.h"

namespace batchdot {

void PrintTo(const FoldedAxis& axis, std::ostream* out) {
  *out << axis.extent << " (" << axis.lhs << ' ' << axis.rhs << ' ' << axis.out << ' ' << axis.bias
       << ')';
}

namespace {

constexpr Label kB = 0, kM = 1, kN = 2, kK = 3, kH = 4;

// b,m,k . b,k,n -> b,m,n with these extents, all dense.
Folded fold_dense(std::int64_t b, std::int64_t m, std::int64_t n, std::int64_t k, int lanes = 8,
                  RowsStay stay = RowsStay::kAll) {
  const PairStrides strides = {{{kB, m * k}, {kM, k}, {kK, 1}},
                               {{kB, k * n}, {kK, n}, {kN, 1}},
                               {{kB, m * n}, {kM, n}, {kN, 1}},
                               {}};
  return fold(strides, {b, m, n, k}, {kK}, lanes, stay);
}

TEST(Fold, SortsLabelsByTheTensorsThatTheyMove) {
  const Folded f = fold_dense(2, 30, 40, 5);
  EXPECT_EQ(f.batch, (FoldedAxes{{2, 150, 200, 1200, 0}}));
  EXPECT_EQ(f.m, (FoldedAxes{{30, 5, 0, 40, 0}}));
  EXPECT_EQ(f.n, (FoldedAxes{{40, 0, 1, 1, 0}}));
  EXPECT_EQ(f.k, (FoldedAxes{{5, 1, 40, 0, 0}}));
  EXPECT_EQ(f.batch_count, 2);
  EXPECT_EQ(f.M, 30);
  EXPECT_EQ(f.N, 40);
  EXPECT_EQ(f.K, 5);
  EXPECT_FALSE(f.swapped);
}

TEST(Fold, ABatchAxisThatOneOperandStandsStillOnIsARowOrAColumn) {
  // rhs is the same for every b: one product of b * m rows.
  const Folded rows = fold({{{kB, 150}, {kM, 5}, {kK, 1}},
                            {{kB, 0}, {kK, 40}, {kN, 1}},
                            {{kB, 1200}, {kM, 40}, {kN, 1}},
                            {}},
                           {2, 30, 40, 5}, {kK}, 8, RowsStay::kAll);
  EXPECT_EQ(rows.batch_count, 1);
  EXPECT_EQ(rows.m, (FoldedAxes{{60, 5, 0, 40, 0}}));  // and b and m lie together: one axis
  EXPECT_EQ(rows.M, 60);
}

TEST(Fold, MergesOnlyWhatMovesAsOneInEveryTensor) {
  const auto with_out_of_h = [](std::int64_t out) {
    return fold(
        {{{kH, 30}, {kM, 5}, {kK, 1}}, {{kK, 40}, {kN, 1}}, {{kH, out}, {kM, 40}, {kN, 1}}, {}},
        {1, 6, 40, 5, 3}, {kK}, 8, RowsStay::kAll);
  };
  EXPECT_EQ(with_out_of_h(240).m, (FoldedAxes{{18, 5, 0, 40, 0}}));
  EXPECT_EQ(with_out_of_h(400).m, (FoldedAxes{{3, 30, 0, 400, 0}, {6, 5, 0, 40, 0}}));
  // A bias that stands still on one of the two keeps them apart.
  const Folded biased = fold({{{kH, 30}, {kM, 5}, {kK, 1}},
                              {{kK, 40}, {kN, 1}},
                              {{kH, 240}, {kM, 40}, {kN, 1}},
                              {{kM, 1}}},
                             {1, 6, 40, 5, 3}, {kK}, 8, RowsStay::kAll);
  EXPECT_EQ(biased.m.size(), 2u);
}

TEST(Fold, MergesTheInnerOnesOfThree) {
  const Folded f = fold({{{kH, 30}, {kB, 1000}, {kM, 5}, {kK, 1}},
                         {{kK, 40}, {kN, 1}},
                         {{kB, 5000}, {kM, 40}, {kH, 240}, {kN, 1}},
                         {}},
                        {2, 6, 40, 5, 3}, {kK}, 8, RowsStay::kAll);
  EXPECT_EQ(f.m, (FoldedAxes{{2, 1000, 0, 5000, 0}, {18, 5, 0, 40, 0}}));
}

TEST(Fold, AxesOfOneGo) {
  const Folded f = fold_dense(1, 1, 64, 1);
  EXPECT_TRUE(f.batch.empty());
  EXPECT_TRUE(f.m.empty());
  EXPECT_TRUE(f.k.empty());
  EXPECT_EQ(f.K, 1);
  EXPECT_EQ(f.n, (FoldedAxes{{64, 0, 1, 1, 0}}));
}

TEST(Fold, TheOrderOfKIsKeptWhateverItsStrides) {
  // Two contracted labels, k outer. In lhs h is the outer one: nothing may be sorted.
  const Folded f =
      fold({{{kM, 12}, {kK, 1}, {kH, 3}}, {{kK, 80}, {kH, 20}, {kN, 1}}, {{kM, 20}, {kN, 1}}, {}},
           {1, 9, 20, 3, 4}, {kK, kH}, 8, RowsStay::kAll);
  EXPECT_EQ(f.k, (FoldedAxes{{3, 1, 80, 0, 0}, {4, 3, 20, 0, 0}}));
  EXPECT_EQ(f.K, 12);
  // The other way round lhs folds, rhs does not.
  const Folded other =
      fold({{{kM, 12}, {kK, 1}, {kH, 3}}, {{kK, 80}, {kH, 20}, {kN, 1}}, {{kM, 20}, {kN, 1}}, {}},
           {1, 9, 20, 3, 4}, {kH, kK}, 8, RowsStay::kAll);
  EXPECT_EQ(other.k, (FoldedAxes{{4, 3, 20, 0, 0}, {3, 1, 80, 0, 0}}));
  // Together they are one only where both operands agree.
  const Folded one =
      fold({{{kM, 12}, {kK, 4}, {kH, 1}}, {{kK, 80}, {kH, 20}, {kN, 1}}, {{kM, 20}, {kN, 1}}, {}},
           {1, 9, 20, 3, 4}, {kK, kH}, 8, RowsStay::kAll);
  EXPECT_EQ(one.k, (FoldedAxes{{12, 1, 20, 0, 0}}));
}

TEST(Fold, SwapsWhereTheResultIsContiguousAlongM) {
  // out is n x m in memory.
  const Folded f = fold({{{kM, 5}, {kK, 1}}, {{kK, 40}, {kN, 1}}, {{kM, 1}, {kN, 30}}, {}},
                        {1, 30, 40, 5}, {kK}, 8, RowsStay::kAll);
  EXPECT_TRUE(f.swapped);
  EXPECT_EQ(f.M, 40);
  EXPECT_EQ(f.N, 30);
  EXPECT_EQ(f.m, (FoldedAxes{{40, 1, 0, 30, 0}}));  // lhs is the caller's rhs now
  EXPECT_EQ(f.n, (FoldedAxes{{30, 0, 5, 1, 0}}));
  EXPECT_EQ(f.k, (FoldedAxes{{5, 40, 1, 0, 0}}));
}

// lhs[k1, k0, m] with k1 contiguous: as rhs its lines are packed once.
TEST(Fold, SwapsWhereLhsRunsInLinesAlongTheOuterOfTwoAxesOfALongK) {
  const auto swapped = [](std::int64_t outer, std::int64_t inner) {
    return fold({{{kK, 1}, {kH, 40 * outer}, {kM, outer}},
                 {{kK, inner * 30}, {kH, 30}, {kN, 1}},
                 {{kM, 30}, {kN, 1}},
                 {}},
                {1, 40, 30, outer, inner}, {kK, kH}, 8, RowsStay::kAll)
        .swapped;
  };
  EXPECT_TRUE(swapped(50, 60));
  EXPECT_FALSE(swapped(5, 6));  // the result is what matters
}

TEST(Fold, SwapsWhereNIsNarrowerThanAVector) {
  EXPECT_TRUE(fold_dense(1, 50, 2, 7).swapped);
  EXPECT_TRUE(fold_dense(1, 50, 1, 7).swapped);
  EXPECT_TRUE(
      fold_dense(1, 50, 7, 7, 8, RowsStay::kNone).swapped);  // stored later, by whatever strides
  EXPECT_TRUE(fold_dense(1, 20, 7, 20, 8, RowsStay::kNone).swapped);
  EXPECT_FALSE(fold_dense(1, 3, 50, 7).swapped);
  EXPECT_FALSE(fold_dense(1, 1, 1, 7).swapped);
  EXPECT_FALSE(fold_dense(1, 50, 50, 7).swapped);
}

// A result that is written row by row, though rows fill no vector.
TEST(Fold, NarrowRowsStayWhereTheyAreWrittenInPlace) {
  EXPECT_FALSE(fold_dense(1, 50, 3, 7).swapped);
  EXPECT_FALSE(fold_dense(1, 50, 7, 7).swapped);
  EXPECT_FALSE(fold_dense(10, 32, 2, 64).swapped);  // tiny
  EXPECT_TRUE(fold_dense(10, 33, 2, 64).swapped);
  EXPECT_TRUE(fold_dense(10, 32, 2, 65).swapped);
  EXPECT_FALSE(fold_dense(10, 32, 2, 64, 8, RowsStay::kTiny).swapped);
  EXPECT_TRUE(fold_dense(10, 33, 6, 64, 8, RowsStay::kTiny).swapped);
  EXPECT_FALSE(fold_dense(10, 32, 7, 32, 8, RowsStay::kTinyComplex).swapped);
  EXPECT_TRUE(fold_dense(10, 32, 7, 33, 8, RowsStay::kTinyComplex).swapped);
  EXPECT_FALSE(fold_dense(10, 32, 15, 32, 16, RowsStay::kTinyComplex).swapped);
  EXPECT_TRUE(fold_dense(10, 32, 17, 32, 32, RowsStay::kTinyComplex).swapped);
  EXPECT_TRUE(fold_dense(1, 50, 5, 70, 16).swapped);
  EXPECT_FALSE(fold_dense(1, 50, 6, 70, 16).swapped);
  // lhs is contiguous along M.
  EXPECT_TRUE(fold({{{kM, 1}, {kK, 50}}, {{kK, 7}, {kN, 1}}, {{kM, 7}, {kN, 1}}, {}},
                   {1, 50, 7, 70}, {kK}, 8, RowsStay::kAll)
                  .swapped);
  // Up to four columns that are contiguous along K meet rows of lhs in place; five do not.
  const auto along_k = [](std::int64_t n) {
    return fold({{{kM, 70}, {kK, 1}}, {{kK, 1}, {kN, 70}}, {{kM, n}, {kN, 1}}, {}}, {1, 50, n, 70},
                {kK}, 8, RowsStay::kAll)
        .swapped;
  };
  EXPECT_TRUE(along_k(4));
  EXPECT_FALSE(along_k(5));
  // The result is contiguous along neither.
  EXPECT_TRUE(fold({{{kM, 70}, {kK, 1}}, {{kK, 7}, {kN, 1}}, {{kM, 14}, {kN, 2}}, {}},
                   {1, 50, 7, 70}, {kK}, 8, RowsStay::kAll)
                  .swapped);
}

// Tiny products whose result is contiguous along M, whatever fills a vector; im of complex numbers
// forbids it.
TEST(Fold, RowsOfTinyResultsBecomeColumns) {
  const auto swapped = [](std::int64_t m, std::int64_t n, std::int64_t k, RowsStay stay) {
    return fold({{{kM, k}, {kK, 1}}, {{kK, n}, {kN, 1}}, {{kM, 1}, {kN, m}}, {}}, {1, m, n, k},
                {kK}, 16, stay)
        .swapped;
  };
  for (const RowsStay stay : {RowsStay::kTiny, RowsStay::kAll}) {
    EXPECT_TRUE(swapped(8, 8, 8, stay));
    EXPECT_TRUE(swapped(4, 30, 8, stay));
    EXPECT_FALSE(swapped(4, 33, 8, stay));
  }
  EXPECT_FALSE(swapped(8, 8, 8, RowsStay::kTinyComplex));
  EXPECT_FALSE(swapped(30, 8, 8, RowsStay::kTinyComplex));
  EXPECT_TRUE(swapped(30, 8, 33, RowsStay::kTinyComplex));
  EXPECT_FALSE(swapped(8, 8, 8, RowsStay::kNone));
}

TEST(Fold, NothingIsLeftOfAnEmptyK) {
  const Folded f = fold_dense(1, 3, 50, 0);
  EXPECT_EQ(f.K, 0);
  EXPECT_TRUE(f.k.empty());
}

TEST(Fold, ReversedAxesFoldAsWell) {
  const Folded f = fold(
      {{{kH, -30}, {kM, -5}, {kK, -1}}, {{kK, 40}, {kN, 1}}, {{kH, 240}, {kM, 40}, {kN, 1}}, {}},
      {1, 6, 40, 5, 3}, {kK}, 8, RowsStay::kAll);
  EXPECT_EQ(f.m, (FoldedAxes{{18, -5, 0, 40, 0}}));  // lhs goes back, out goes on
  const Folded both = fold(
      {{{kH, -30}, {kM, -5}, {kK, -1}}, {{kK, 40}, {kN, 1}}, {{kH, -240}, {kM, -40}, {kN, 1}}, {}},
      {1, 6, 40, 5, 3}, {kK}, 8, RowsStay::kAll);
  EXPECT_EQ(both.m, (FoldedAxes{{18, -5, 0, -40, 0}}));
}

// out[h, b, n] with rhs contiguous along b, which is no axis of lhs: b becomes the innermost batch
// axis, whatever stands between it and n.
TEST(Peel, TheAxisAlongWhichRhsIsContiguousBecomesTheInnermostBatch) {
  Folded f;
  f.m = {{6, 5, 0, 1 << 20, 0}};
  f.n = {{32, 0, 1, 3 * 48, 0}, {3, 0, 32 * 48, 48, 0}, {48, 0, 32, 1, 0}};
  f.N = 32 * 3 * 48;
  peel(f, 16, true);
  EXPECT_EQ(f.batch, (FoldedAxes{{3, 0, 32 * 48, 48, 0}, {32, 0, 1, 3 * 48, 0}}));
  EXPECT_EQ(f.n, (FoldedAxes{{48, 0, 32, 1, 0}}));
  EXPECT_EQ(f.batch_count, 96);
  EXPECT_EQ(f.N, 48);
}

// Unless lhs folds into M and K in no way: it would be packed for each of these items.
TEST(Peel, ColumnsStayWhereLhsHasToBePacked) {
  for (const bool is_packed : {false, true}) {
    Folded f;
    f.m = {{36, 192, 0, 1 << 20, 0}};
    if (is_packed) f.m.push_back({24, 1, 0, 1 << 15, 0});
    f.n = {{24, 0, 1, 36, 0}, {36, 0, 192, 1, 0}};
    f.k = {{8, 24, 24, 0, 0}};
    f.M = is_packed ? 864 : 36;
    f.N = 864;
    f.K = 8;
    peel(f, 16, true);
    EXPECT_EQ(f.N, is_packed ? 864 : 36);
    EXPECT_EQ(f.batch.empty(), is_packed);
  }
}

TEST(Peel, RowsThatFoldNowhereKeepTheAxisThatIsClosestInLhs) {
  Folded f;
  f.m = {{150, 1, 0, 300, 0}, {4, 9000, 0, 40, 0}};
  f.M = 600;
  Folded few = f;
  peel(f, 16, true);
  EXPECT_EQ(f.m, (FoldedAxes{{150, 1, 0, 300, 0}}));
  EXPECT_EQ(f.batch, (FoldedAxes{{4, 9000, 0, 40, 0}}));
  EXPECT_EQ(f.M, 150);
  few.m[0].extent = 100;  // too few rows would be left for the panels of rhs
  peel(few, 16, true);
  EXPECT_TRUE(few.batch.empty());
  EXPECT_EQ(few.m, (FoldedAxes{{4, 9000, 0, 40, 0}, {100, 1, 0, 300, 0}}));  // lines are read once
  const auto stays = [](Folded rows) {
    const FoldedAxes before = rows.m;
    peel(rows, 16, true);
    return rows.m == before;
  };
  few.m = {{100, 2, 0, 300, 0}, {4, 9000, 0, 40, 0}};
  EXPECT_TRUE(stays(few));  // lhs is not contiguous
  few.m[0].lhs = 1;
  EXPECT_FALSE(stays(few));
  few.N = 300;  // lhs is small beside the work
  EXPECT_TRUE(stays(few));
}

// lhs[h, k, m] m contiguous, out[m, h, n]: few rows, but lhs and rhs are read where they lie.
TEST(Peel, FewRowsAreEnoughWhereRhsIsNotPacked) {
  const auto kept = [](std::int64_t rows, std::int64_t rhs_column, std::int64_t rhs_k,
                       bool rhs_is_real = true) {
    Folded f;
    f.m = {{rows, 1, 0, 7 * 30, 0}, {7, 36 * rows, 0, 30, 0}};
    f.n = {{30, 0, rhs_column, 1, 0}};
    f.k = {{36, rows, rhs_k, 0, 0}};
    f.M = 7 * rows;
    f.N = 30;
    f.K = 36;
    peel(f, 16, rhs_is_real);
    return f.M;
  };
  EXPECT_EQ(kept(48, 1, 30), 48);
  EXPECT_EQ(kept(24, 1, 30), 24);
  EXPECT_EQ(kept(23, 1, 30), 7 * 23);
  EXPECT_EQ(kept(48, 36, 1), 7 * 48);
  EXPECT_EQ(kept(48, 1, 200), 7 * 48);  // rhs is spread over more than the first cache
  EXPECT_EQ(kept(48, 1, 30, false), 7 * 48);
}

TEST(Fold, ExtentsBeyond63BitsAreRefused) {
  const std::int64_t big = std::int64_t{1} << 32;
  EXPECT_EQ(refusal_of([&] {
              fold({{{kM, 0}}, {{kN, 0}}, {{kM, 0}, {kH, 0}}, {}}, {1, big, big, 1, big}, {}, 8,
                   RowsStay::kAll);
            }).code(),
            ErrorCode::kOverflow);
}

}  // namespace
}  // namespace batchdot
