// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <string>
#include <string_view>
#include <vector>

#include "batchdot/contraction.h"
#include "batchdot/notation.h"
#include "src/notation/notation_notes_numpy.h"
#include "tests/conditions.h"
#include "tests/refusal.h"

namespace batchdot {
namespace {

const Dim kUnknown;
constexpr MatmulFlags kTransposeLhs = {true, false, false, false};
constexpr MatmulFlags kTransposeRhs = {false, true, false, false};
constexpr MatmulFlags kAdjointLhs = {false, false, true, false};
constexpr MatmulFlags kAdjointRhs = {false, false, false, true};

// The shapes are those of numpy.matmul, with tf.matmul's flags.
TEST(Matmul, ResultShapeIsThatOfNumpy) {
  const struct {
    Shape lhs, rhs;
    MatmulFlags flags;
    Shape result;
    std::string_view contraction;
  } kCases[] = {
      {{2, 3}, {3, 4}, {}, {2, 4}, "ik,kj->ij"},
      {{3}, {3}, {}, {}, "k,k->"},
      {{3}, {3, 4}, {}, {4}, "k,kj->j"},
      {{2, 3}, {3}, {}, {2}, "ik,k->i"},
      {{3}, {5, 3, 4}, {}, {5, 4}, "k,akj->aj"},
      {{5, 2, 3}, {3}, {}, {5, 2}, "aik,k->ai"},
      {{5, 2, 3}, {5, 3, 4}, {}, {5, 2, 4}, "aik,akj->aij"},
      {{2, 3}, {5, 3, 4}, {}, {5, 2, 4}, "ik,akj->aij"},
      {{5, 2, 3}, {3, 4}, {}, {5, 2, 4}, "aik,kj->aij"},
      {{1, 2, 3}, {5, 3, 4}, {}, {5, 2, 4}, "aik,akj->aij"},
      {{7, 1, 2, 3}, {5, 3, 4}, {}, {7, 5, 2, 4}, "abik,bkj->abij"},
      {{1, 2, 3}, {0, 3, 4}, {}, {0, 2, 4}, "aik,akj->aij"},
      {{2, 0}, {0, 4}, {}, {2, 4}, "ik,kj->ij"},
      {{3, 2}, {3, 4}, kTransposeLhs, {2, 4}, "ki,kj->ij"},
      {{2, 3}, {4, 3}, kTransposeRhs, {2, 4}, "ik,jk->ij"},
      {{5, 3, 2}, {5, 4, 3}, {true, true, false, false}, {5, 2, 4}, "aki,ajk->aij"},
      {{3, 2}, {3, 4}, kAdjointLhs, {2, 4}, "ki,kj->ij"},
      {{2, 3}, {4, 3}, kAdjointRhs, {2, 4}, "ik,jk->ij"},
      {{3, 2}, {3}, kTransposeLhs, {2}, "ki,k->i"},
  };
  for (const auto& c : kCases) {
    const Contraction contraction = matmul(c.lhs, c.rhs, c.flags);
    EXPECT_NO_THROW(validate(contraction)) << c.contraction;
    EXPECT_EQ(result_shape(contraction), c.result) << c.lhs << " @ " << c.rhs;
    EXPECT_EQ(to_equation(contraction), c.contraction) << c.lhs << " @ " << c.rhs;
    EXPECT_EQ(contraction.inputs[0].conjugate, c.flags.adjoint_lhs);
    EXPECT_EQ(contraction.inputs[1].conjugate, c.flags.adjoint_rhs);
    EXPECT_TRUE(contraction.conditions.empty());
  }
}

TEST(Matmul, UnknownExtentsFollowTensorflow) {
  const struct {
    Shape lhs, rhs, result;
    std::string_view conditions;
  } kCases[] = {
      {{kUnknown, 2, 3}, {5, 3, 4}, {5, 2, 4}, "one_or_equal 0.0 1.0"},
      {{5, 2, 3}, {kUnknown, 3, 4}, {5, 2, 4}, "one_or_equal 0.0 1.0"},
      {{kUnknown, 2, 3}, {1, 3, 4}, {kUnknown, 2, 4}, ""},
      {{kUnknown, 2, 3}, {0, 3, 4}, {kUnknown, 2, 4}, "one_or_equal 0.0 1.0"},
      {{kUnknown, 2, 3}, {kUnknown, 3, 4}, {kUnknown, 2, 4}, "one_or_equal 0.0 1.0"},
      {{"B", 2, 3}, {"B", 3, 4}, {"B", 2, 4}, ""},
      {{kUnknown, 3, 4}, {3, kUnknown, 4, 5}, {3, kUnknown, 3, 5}, "one_or_equal 0.0 1.1"},
      {{2, kUnknown}, {3, 4}, {2, 4}, "equal 0.1 1.0"},
      {{2, "K"}, {"K", 4}, {2, 4}, ""},
      {{"K"}, {3}, {}, "equal 0.0 1.0"},
  };
  for (const auto& c : kCases) {
    const Contraction contraction = matmul(c.lhs, c.rhs);
    EXPECT_EQ(result_shape(contraction), c.result) << c.lhs << " @ " << c.rhs;
    EXPECT_EQ(conditions_of(contraction), c.conditions) << c.lhs << " @ " << c.rhs;
  }
}

TEST(Matmul, OnlyLeadingAxesStretch) {
  const Contraction c = matmul({7, 1, 2, 3}, {5, 3, 4});
  EXPECT_EQ(c.inputs[0].may_broadcast, (std::vector<bool>{false, true, false, false}));
  EXPECT_EQ(c.inputs[1].may_broadcast, (std::vector<bool>{true, false, false}));
}

TEST(Matmul, RefusesAndSaysWhere) {
  const struct {
    Shape lhs, rhs;
    MatmulFlags flags;
    ErrorCode code;
    std::string_view place;
  } kCases[] = {
      {{}, {2, 3}, {}, ErrorCode::kRank, "0.0=0 ?=1"},
      {{2, 3}, {}, {}, ErrorCode::kRank, "1.0=0 ?=1"},
      {{3}, {3, 4}, kTransposeLhs, ErrorCode::kRank, "0.1=1 ?=2 --transpose-lhs"},
      {{2, 3}, {3}, kAdjointRhs, ErrorCode::kRank, "1.1=1 ?=2 --adjoint-rhs"},
      {{2, 3}, {3, 4}, {true, false, true, false}, ErrorCode::kUsage, "0 --adjoint-lhs"},
      {{2, 3}, {3, 4}, {false, true, false, true}, ErrorCode::kUsage, "1 --adjoint-rhs"},
      {{2, 3}, {4, 5}, {}, ErrorCode::kDim, "0.1=3 1.0=4"},
      {{2, 1}, {4, 5}, {}, ErrorCode::kDim, "0.1=1 1.0=4"},
      {{3}, {4}, {}, ErrorCode::kDim, "0.0=3 1.0=4"},
      {{3}, {7, 4, 3}, {}, ErrorCode::kDim, "0.0=3 1.1=4"},
      {{9, 2, 3}, {9, 3, 5}, kTransposeLhs, ErrorCode::kDim, "0.1=2 1.1=3"},
      {{9, 2, 3}, {9, 3, 5}, kTransposeRhs, ErrorCode::kDim, "0.2=3 1.2=5"},
      {{4, 2, 3}, {5, 3, 4}, {}, ErrorCode::kBroadcast, "0.0=4 1.0=5"},
      {{7, 2, 2, 3}, {5, 3, 4}, {}, ErrorCode::kBroadcast, "0.1=2 1.0=5"},
      {{2, 2, 3}, {0, 3, 4}, {}, ErrorCode::kBroadcast, "0.0=2 1.0=0"},
  };
  for (const auto& c : kCases) {
    const Error error = refusal_of([&] { matmul(c.lhs, c.rhs, c.flags); });
    EXPECT_EQ(error.code(), c.code) << error.message();
    EXPECT_EQ(place_of(error), c.place) << error.message();
  }
  EXPECT_EQ(refusal_of([] {
              matmul({9, 2, 20}, {30, 4});
            }).message(),
            "matmul: contracting extents differ: lhs axis 2 has 20, rhs axis 0 has 30; lhs (9, 2, "
            "20), rhs (30, 4)");
}

TEST(Matmul, KeepsToTheLimits) {
  const Shape most(Extents(Limits::kRank, 1));
  EXPECT_EQ(result_shape(matmul(most, most)).rank(), Limits::kRank);
  const Shape more(Extents(Limits::kRank + 1, 1));
  EXPECT_EQ(refusal_of([&] { matmul(most, more); }).code(), ErrorCode::kLimit);
  EXPECT_EQ(refusal_of([&] { matmul(more, most); }).place().operand, 0);
}

TEST(Matmul, NotesSayWhatHappensToVectorsAndLeadingAxes) {
  const struct {
    Shape lhs, rhs;
    MatmulFlags flags;
    std::vector<std::string> notes;
  } kCases[] = {
      {{2, 3}, {3, 4}, {}, {"lhs axis 1 and rhs axis 0 are summed over."}},
      {{3},
       {5, 3, 4},
       {},
       {"lhs axis 0 and rhs axis 1 are summed over.",
        "lhs is a vector: it counts as one row, (1, k), and that 1 is dropped from the result.",
        "The axes before the matrix are the batch: 0 of lhs and 1 of rhs, aligned at the right; "
        "rhs's surplus at the left (1) is kept as it is."}},
      {{3},
       {3},
       {},
       {"lhs axis 0 and rhs axis 0 are summed over.",
        "Both operands are vectors: the row and the column of 1 that they stand for are dropped "
        "from the result, which leaves a scalar."}},
      {{1, 2, 3},
       {5, 4, 3},
       kAdjointRhs,
       {"lhs axis 2 and rhs axis 2 are summed over.",
        "The axes before the matrix are the batch: 1 of lhs and 1 of rhs, aligned at the right; an "
        "extent of 1 stretches to the other operand's.",
        "Adjoint: the last two axes of rhs are swapped, and complex elements conjugated."}},
  };
  for (const auto& c : kCases) {
    EXPECT_EQ(notation::matmul_notes(c.lhs, c.rhs, c.flags), c.notes);
  }
}

}  // namespace
}  // namespace batchdot
