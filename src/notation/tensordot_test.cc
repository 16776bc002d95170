// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <cstdint>
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

using AxesOfOne = std::vector<std::int64_t>;
const Dim kUnknown;

// The shapes are those of numpy.tensordot.
TEST(Tensordot, ResultShapeIsThatOfNumpy) {
  const struct {
    Shape lhs, rhs;
    AxesOfOne lhs_axes, rhs_axes;
    Shape result;
    std::string_view contraction;
  } kCases[] = {
      {{2, 3}, {3, 4}, {1}, {0}, {2, 4}, "ab,bc->ac"},
      {{2, 3}, {3, 4}, {-1}, {-2}, {2, 4}, "ab,bc->ac"},
      {{2, 3}, {4, 3}, {1}, {1}, {2, 4}, "ab,cb->ac"},
      {{2, 3, 4}, {4, 3, 5}, {2, 1}, {0, 1}, {2, 5}, "abc,cbd->ad"},
      {{2, 3, 4}, {4, 3, 5}, {1, 2}, {1, 0}, {2, 5}, "abc,cbd->ad"},
      {{3, 3}, {3, 3}, {0, 1}, {1, 0}, {}, "ab,ba->"},
      {{2, 3}, {4, 5}, {}, {}, {2, 3, 4, 5}, "ab,cd->abcd"},
      {{}, {2}, {}, {}, {2}, ",a->a"},
      {{2, 0}, {0, 4}, {1}, {0}, {2, 4}, "ab,bc->ac"},
      {{3, 2, 4}, {5, 3}, {0}, {1}, {2, 4, 5}, "abc,da->bcd"},
  };
  for (const auto& c : kCases) {
    const Contraction contraction = tensordot(c.lhs, c.rhs, c.lhs_axes, c.rhs_axes);
    EXPECT_NO_THROW(validate(contraction)) << c.contraction;
    EXPECT_EQ(result_shape(contraction), c.result) << c.contraction;
    EXPECT_EQ(to_equation(contraction), c.contraction);
    EXPECT_TRUE(contraction.inputs[0].may_broadcast.empty());
  }
}

TEST(Tensordot, OrderOfTheListedAxesIsNoPartOfTheSum) {
  const Contraction one = tensordot({2, 3, 4}, {4, 3, 5}, AxesOfOne{2, 1}, AxesOfOne{0, 1});
  const Contraction other = tensordot({2, 3, 4}, {4, 3, 5}, AxesOfOne{1, 2}, AxesOfOne{1, 0});
  const auto extents = [](const Contraction& c) {
    std::vector<Dim> result;
    for (const Label label : c.contracting_order) result.push_back(c.extents[label]);
    return result;
  };
  EXPECT_EQ(extents(one), (std::vector<Dim>{3, 4}));
  EXPECT_EQ(extents(one), extents(other));
}

TEST(Tensordot, ANumberOfAxesPairsTheLastWithTheFirst) {
  const struct {
    Shape lhs, rhs;
    int count;
    Shape result;
    std::string_view contraction;
  } kCases[] = {
      {{2, 3}, {3, 4}, 1, {2, 4}, "ab,bc->ac"}, {{2, 3, 4}, {3, 4, 5}, 2, {2, 5}, "abc,bcd->ad"},
      {{2, 3}, {2, 3}, 2, {}, "ab,ab->"},       {{2, 3}, {4}, 0, {2, 3, 4}, "ab,c->abc"},
      {{}, {2, 2}, 0, {2, 2}, ",ab->ab"},
  };
  for (const auto& c : kCases) {
    const Contraction contraction = tensordot(c.lhs, c.rhs, c.count);
    EXPECT_EQ(result_shape(contraction), c.result) << c.contraction;
    EXPECT_EQ(to_equation(contraction), c.contraction);
  }
}

TEST(Tensordot, UnknownExtentsMerge) {
  const Contraction c = tensordot({"B", kUnknown}, {3, "N"}, 1);
  EXPECT_EQ(result_shape(c), (Shape{"B", "N"}));
  EXPECT_EQ(conditions_of(c), "equal 0.1 1.0");
  EXPECT_EQ(c.extents[c.contracting_order[0]], Dim(3));
}

TEST(Tensordot, RefusesAndSaysWhere) {
  const struct {
    Shape lhs, rhs;
    AxesOfOne lhs_axes, rhs_axes;
    ErrorCode code;
    std::string_view place;
  } kCases[] = {
      {{2, 3}, {3, 4}, {0, 1}, {0}, ErrorCode::kAxesLen, "--rhs-axes"},
      {{2, 3}, {3, 4}, {2}, {0}, ErrorCode::kAxisRange, "0.2=2 --lhs-axes"},
      {{2, 3}, {3, 4}, {-3}, {0}, ErrorCode::kAxisRange, "0.-3=2 --lhs-axes"},
      {{2, 3}, {3, 4}, {1}, {INT64_MAX}, ErrorCode::kAxisRange, "1=2 --rhs-axes"},
      {{2, 3}, {3, 4}, {1}, {INT64_MIN}, ErrorCode::kAxisRange, "1=2 --rhs-axes"},
      {{}, {3, 4}, {0}, {0}, ErrorCode::kAxisRange, "0.0=0 --lhs-axes"},
      {{2, 2}, {2, 2}, {0, 0}, {0, 1}, ErrorCode::kAxesDup, "0.0=2 --lhs-axes"},
      {{2, 2}, {2, 2}, {0, 1}, {1, -1}, ErrorCode::kAxesDup, "1.-1=2 --rhs-axes"},
      {{2, 3}, {4, 5}, {1}, {0}, ErrorCode::kDim, "0.1=3 1.0=4"},
      {{2, 1}, {2, 5}, {1}, {0}, ErrorCode::kDim, "0.1=1 1.0=2"},
      {{2, 6}, {3, 4}, {0, 1}, {0, 1}, ErrorCode::kDim, "0.0=2 1.0=3"},
      {{2, 3, 4}, {2, 9, 4}, {0, 2, 1}, {0, 2, 1}, ErrorCode::kDim, "0.1=3 1.1=9"},
  };
  for (const auto& c : kCases) {
    const Error error = refusal_of([&] { tensordot(c.lhs, c.rhs, c.lhs_axes, c.rhs_axes); });
    EXPECT_EQ(error.code(), c.code) << error.message();
    EXPECT_EQ(place_of(error), c.place) << error.message();
  }
}

TEST(Tensordot, RefusesANumberOfAxesThatAnOperandLacks) {
  EXPECT_EQ(refusal_of([] { tensordot({2, 3}, {3, 4}, -1); }).code(), ErrorCode::kAxesLen);
  const Error lhs = refusal_of([] { tensordot({2}, {2, 4}, 2); });
  EXPECT_EQ(lhs.code(), ErrorCode::kAxesLen);
  EXPECT_EQ(lhs.place().operand, 0);
  EXPECT_EQ(lhs.place().option, "axes");
  EXPECT_EQ(refusal_of([] { tensordot({2, 4}, {2}, 2); }).place().operand, 1);
  const Error extents = refusal_of([] { tensordot({2, 3, 4}, {3, 5, 6}, 2); });
  EXPECT_EQ(extents.code(), ErrorCode::kDim);
  EXPECT_EQ(extents.message(),
            "tensordot: contracting extents differ: lhs axis 2 has 4, rhs axis 1 has 5; lhs (2, 3, "
            "4), rhs (3, 5, 6)");
}

TEST(Tensordot, KeepsToTheLimits) {
  const Shape half(Extents(Limits::kRank / 2 + 1, 1));
  EXPECT_EQ(result_shape(tensordot(half, half, 1)).rank(), Limits::kRank);
  EXPECT_EQ(refusal_of([&] { tensordot(half, half, 0); }).code(), ErrorCode::kLimit);
  const Shape more(Extents(Limits::kRank + 1, 1));
  EXPECT_EQ(refusal_of([&] { tensordot({1}, more, 1); }).code(), ErrorCode::kLimit);
}

TEST(Tensordot, NotesSayWhichAxesArePaired) {
  EXPECT_EQ(notation::tensordot_notes({2, 3, 4}, {3, 4, 5}, 2),
            (std::vector<std::string>{
                "A number of axes (2) pairs the last ones of lhs with the first ones of rhs.",
                "Summed over: lhs axis 1 with rhs axis 0, lhs axis 2 with rhs axis 1.",
                "What is left stands in its own order: 1 of lhs, then 1 of rhs."}));
  EXPECT_EQ(notation::tensordot_notes({2, 3}, {2, 3}, AxesOfOne{-1, 0}, AxesOfOne{1, 0}),
            (std::vector<std::string>{
                "Summed over: lhs axis 1 with rhs axis 1, lhs axis 0 with rhs axis 0.",
                "No axis is left: a scalar.",
                "The order in which axes are listed says which belong together; the sum runs in "
                "the order of lhs's axes whatever it is."}));
  EXPECT_EQ(notation::tensordot_notes({2}, {3}, 0)[0], "No axes are paired: an outer product.");
}

}  // namespace
}  // namespace batchdot
