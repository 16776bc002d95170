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

// By the rule of StableHLO: batch as listed, then what is left of lhs, then of rhs.
TEST(DotGeneral, ResultIsBatchThenFreeAxes) {
  const struct {
    Shape lhs, rhs;
    DotDimensionNumbers numbers;  // lhs_batch, rhs_batch, lhs_contract, rhs_contract
    Shape result;
    std::string_view contraction;
  } kCases[] = {
      {{2, 3}, {3, 4}, {{}, {}, {1}, {0}}, {2, 4}, "ab,bc->ac"},
      {{2, 3, 4}, {2, 4, 5}, {{0}, {0}, {2}, {1}}, {2, 3, 5}, "abc,acd->abd"},
      {{2, 3, 4}, {4, 2, 5}, {{0}, {1}, {2}, {0}}, {2, 3, 5}, "abc,cad->abd"},
      {{2, 3, 4}, {2, 3, 4}, {{1, 0}, {1, 0}, {2}, {2}}, {3, 2}, "abc,abc->ba"},
      {{2, 3, 4}, {2, 3, 4}, {{}, {}, {0, 1, 2}, {0, 1, 2}}, {}, "abc,abc->"},
      {{2, 3}, {4, 5}, {}, {2, 3, 4, 5}, "ab,cd->abcd"},
      {{2, 3}, {2, 3}, {{0, 1}, {0, 1}, {}, {}}, {2, 3}, "ab,ab->ab"},
      {{3, 2, 4}, {5, 3}, {{}, {}, {0}, {1}}, {2, 4, 5}, "abc,da->bcd"},
      {{}, {}, {}, {}, ",->"},
  };
  for (const auto& c : kCases) {
    const Contraction contraction = dot_general(c.lhs, c.rhs, c.numbers);
    EXPECT_NO_THROW(validate(contraction)) << c.contraction;
    EXPECT_EQ(result_shape(contraction), c.result) << c.contraction;
    EXPECT_EQ(to_equation(contraction), c.contraction);
    EXPECT_TRUE(contraction.inputs[0].may_broadcast.empty());
  }
}

TEST(DotGeneral, UnknownExtentsMerge) {
  const Contraction c = dot_general({kUnknown, 2, kUnknown}, {4, 3, "N"}, {{0}, {0}, {2}, {1}});
  EXPECT_EQ(result_shape(c), (Shape{4, 2, "N"}));
  EXPECT_EQ(conditions_of(c), "equal 0.0 1.0, equal 0.2 1.1");
}

TEST(DotGeneral, RefusesAndSaysWhere) {
  const struct {
    Shape lhs, rhs;
    DotDimensionNumbers numbers;
    ErrorCode code;
    std::string_view place;
  } kCases[] = {
      {{2, 3}, {2, 3}, {{0}, {}, {1}, {1}}, ErrorCode::kAxesLen, "--rhs-batch"},
      {{2, 3}, {2, 3}, {{0}, {0}, {}, {1}}, ErrorCode::kAxesLen, "--rhs-contract"},
      {{2, 3}, {2, 3}, {{0}, {0}, {-1}, {1}}, ErrorCode::kNegAxis, "0.-1=2 --lhs-contract"},
      {{2, 3}, {2, 3}, {{0}, {-2}, {1}, {1}}, ErrorCode::kNegAxis, "1.-2=2 --rhs-batch"},
      {{2, 3}, {2, 3}, {{2}, {0}, {1}, {1}}, ErrorCode::kAxisRange, "0.2=2 --lhs-batch"},
      {{2, 3}, {2, 3}, {{0}, {0}, {1}, {INT64_MAX}}, ErrorCode::kAxisRange, "1=2 --rhs-contract"},
      {{2, 2}, {2, 2}, {{0}, {0}, {0}, {1}}, ErrorCode::kAxesDup, "0.0=2 --lhs-contract"},
      {{2, 2}, {2, 2}, {{0, 1}, {1, 1}, {}, {}}, ErrorCode::kAxesDup, "1.1=2 --rhs-batch"},
      {{2, 3}, {4, 3}, {{0}, {0}, {1}, {1}}, ErrorCode::kBatch, "0.0=2 1.0=4"},
      {{1, 3}, {4, 3}, {{0}, {0}, {1}, {1}}, ErrorCode::kBatch, "0.0=1 1.0=4"},
      {{2, 3}, {2, 5}, {{0}, {0}, {1}, {1}}, ErrorCode::kDim, "0.1=3 1.1=5"},
      {{3, 2}, {2, 5}, {{1}, {0}, {0}, {1}}, ErrorCode::kDim, "0.0=3 1.1=5"},
  };
  for (const auto& c : kCases) {
    const Error error = refusal_of([&] { dot_general(c.lhs, c.rhs, c.numbers); });
    EXPECT_EQ(error.code(), c.code) << error.message();
    EXPECT_EQ(place_of(error), c.place) << error.message();
  }
}

TEST(DotGeneral, KeepsToTheLimits) {
  const Shape half(Extents(Limits::kRank / 2 + 1, 1));
  EXPECT_EQ(result_shape(dot_general(half, half, {{0}, {0}, {1}, {1}})).rank(), Limits::kRank - 1);
  EXPECT_EQ(refusal_of([&] { dot_general(half, half, {}); }).code(), ErrorCode::kLimit);
  const Shape more(Extents(Limits::kRank + 1, 1));
  EXPECT_EQ(refusal_of([&] { dot_general({1}, more, {}); }).place().operand, 1);
}

TEST(DotGeneral, NotesSayWhatEachAxisIs) {
  EXPECT_EQ(notation::dot_general_notes({2, 3, 4}, {4, 2, 5}, {{0}, {1}, {2}, {0}}),
            (std::vector<std::string>{
                "Batch, first in the result, in the order listed: lhs axis 0 with rhs axis 1.",
                "Summed over: lhs axis 2 with rhs axis 0.",
                "Axes in no list are free: 1 of lhs, then 1 of rhs."}));
}

}  // namespace
}  // namespace batchdot
