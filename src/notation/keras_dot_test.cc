// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <array>
#include <string_view>
#include <vector>

#include "batchdot/contraction.h"
#include "batchdot/notation.h"
#include "src/notation/notation_notes.h"
#include "tests/conditions.h"
#include "tests/refusal.h"

namespace batchdot {
namespace {

const Dim kUnknown;
constexpr std::string_view kWithTensors[] = {"keras-1.0", "keras-1.2", "keras-2.0",  "keras-2.1.6",
                                             "keras-2.2", "keras-2.3", "tf.keras-1", "tf.keras-2",
                                             "keras-3",   "tfjs"};

TEST(KerasDot, ResultShapeIsThatOfKeras) {
  const struct {
    Shape lhs, rhs, result;
    std::string_view equation;
  } kCases[] = {
      {{4, 2}, {2, 4}, {4, 4}, "ak,kb->ab"},
      {{4, 2}, {5, 2, 3}, {4, 5, 3}, "ak,bkc->abc"},
      {{2, 3}, {4, 3, 5}, {2, 4, 5}, "ak,bkc->abc"},
      {{32, 28, 3}, {3, 4}, {32, 28, 4}, "abk,kc->abc"},
      {{2, 3, 4, 5}, {6, 5, 7}, {2, 3, 4, 6, 7}, "abck,dke->abcde"},
  };
  for (const std::string_view name : kWithTensors) {
    for (const auto& c : kCases) {
      const Contraction contraction = dot(c.lhs, c.rhs, Dialect(name));
      EXPECT_NO_THROW(validate(contraction));
      EXPECT_EQ(result_shape(contraction), c.result) << name << c.lhs << c.rhs;
      EXPECT_EQ(to_equation(contraction), c.equation) << name;
      EXPECT_TRUE(contraction.conditions.empty()) << name;
    }
  }
  EXPECT_EQ(result_shape(dot({4, 2}, {2, 4}, Dialect("keras-0.3"))), (Shape{4, 4}));
}

TEST(KerasDot, Keras3TakesScalarsAndVectorsAsNumpyDoes) {
  const struct {
    Shape lhs, rhs, result;
    std::string_view equation;
  } kCases[] = {
      {{}, {2, 3}, {2, 3}, ",ab->ab"},
      {{2, 3}, {}, {2, 3}, "ab,->ab"},
      {{}, {}, {}, ",->"},
      {{3}, {3}, {}, "k,k->"},
      {{3}, {3, 4}, {4}, "k,ka->a"},
      {{2, 4, 3}, {3}, {2, 4}, "abk,k->ab"},
      {{3}, {2, 3, 4}, {2, 4}, "k,akb->ab"},
      {{2, kUnknown}, {kUnknown}, {2}, "ak,k->a"},
      {{kUnknown}, {3}, {}, "k,k->"},
  };
  for (const auto& c : kCases) {
    const Contraction contraction = dot(c.lhs, c.rhs);
    EXPECT_NO_THROW(validate(contraction));
    EXPECT_EQ(result_shape(contraction), c.result) << c.lhs << c.rhs;
    EXPECT_EQ(to_equation(contraction), c.equation);
  }
}

TEST(KerasDot, UnknownExtentsPassThrough) {
  const struct {
    Shape lhs, rhs, result;
    std::string_view conditions;
  } kCases[] = {
      {{kUnknown, 3}, {3, 4}, {kUnknown, 4}, ""},
      {{"B", 28, 3}, {3, 4}, {"B", 28, 4}, ""},
      {{2, kUnknown, 4}, {kUnknown, 5}, {2, kUnknown, 5}, "equal 0.2 1.0"},
      {{2, 3, kUnknown}, {7, 4, kUnknown}, {2, 3, 7, kUnknown}, "equal 0.2 1.1"},
      {{2, 3, "K"}, {"K", 5}, {2, 3, 5}, ""},
      {{2, 3, kUnknown}, {kUnknown, 5}, {2, 3, 5}, "equal 0.2 1.0"},
      {{2, 0, kUnknown}, {kUnknown, 5}, {2, 0, 5}, "equal 0.2 1.0, reshape 0.2"},
      {{kUnknown, 3, 0}, {0, 5}, {kUnknown, 3, 5}, "reshape 0.2"},
      {{kUnknown, 0}, {0, 5}, {kUnknown, 5}, ""},  // two matrices are not flattened
  };
  for (const auto& c : kCases) {
    const Contraction contraction = dot(c.lhs, c.rhs, Dialect("keras-2.2"));
    EXPECT_EQ(result_shape(contraction), c.result) << c.lhs << c.rhs;
    EXPECT_EQ(conditions_of(contraction), c.conditions) << c.lhs << c.rhs;
  }
}

TEST(KerasDot, Keras1MayNotKnowTheFirstExtentOfLhs) {
  EXPECT_EQ(result_shape(dot({kUnknown, 28, 3}, {3, 4}, Dialect("keras-1.0"))),
            (Shape{kUnknown, 28, 4}));
  EXPECT_EQ(result_shape(dot({kUnknown, kUnknown}, {kUnknown, 4}, Dialect("keras-1.0"))),
            (Shape{kUnknown, 4}));  // two matrices
}

TEST(KerasDot, AnEmptySumBesideAnEmptyAxisFailsWhenItIsComputed) {
  const struct {
    Extents lhs, rhs;
    bool fails;
  } kCases[] = {
      {{3, 1, 2, 0}, {1, 0, 0}, true}, {{3, 0, 0}, {0, 5}, true}, {{3, 2, 0}, {0, 5}, false},
      {{3, 0, 2}, {2, 5}, false},      {{0}, {0, 0, 3}, true},    {{0, 0}, {0, 5}, false},
      {{0, 3, 0}, {2, 0, 5}, true},
  };
  for (const std::string_view name : {"keras-1.0", "keras-1.2", "keras-2.2", "keras-2.3",
                                      "tf.keras-1", "tf.keras-2", "keras-3"}) {
    for (const auto& c : kCases) {
      if (name == "keras-1.0" && c.lhs.size() == 1) continue;  // refuses a vector
      const Contraction contraction = dot(c.lhs, c.rhs, Dialect(name));
      const std::array operands = {c.lhs, c.rhs};
      if (c.fails && name != "keras-3") {
        EXPECT_EQ(refusal_of([&] { batchdot::bind(contraction, operands); }).code(),
                  ErrorCode::kEmptyReshape)
            << name << to_string(c.lhs) << to_string(c.rhs);
      } else {
        EXPECT_NO_THROW(batchdot::bind(contraction, operands)) << name << to_string(c.lhs);
      }
    }
  }
}

TEST(KerasDot, RefusesAndSaysWhere) {
  const struct {
    std::string_view dialect;
    Shape lhs, rhs;
    ErrorCode code;
    std::string_view place;
  } kCases[] = {
      {"keras-0.3", {2, 3, 4}, {4, 5}, ErrorCode::kRank, "0.2=3 ?=2"},
      {"keras-0.3", {3, 4}, {2, 4, 5}, ErrorCode::kRank, "1.2=3 ?=2"},
      {"keras-1.0", {2, kUnknown, 3}, {3, 4}, ErrorCode::kNotImplemented, "0.1=?"},
      {"keras-1.0", {2, 4, 3}, {3, "N"}, ErrorCode::kNotImplemented, "1.1=N"},
      {"keras-1.0", {3}, {2, 3, 4}, ErrorCode::kRank, "0.1=1 ?=2"},
      {"keras-2.2", {2, 4, 3}, {3}, ErrorCode::kRank, "1.1=1 ?=2"},
      {"keras-2.2", {3}, {3, 4}, ErrorCode::kRank, "0.1=1 ?=2"},
      {"keras-2.2", {}, {2, 3, 4}, ErrorCode::kRank, "0.0=0 ?=1"},
      {"keras-2.2", {3, 4}, {5, 6}, ErrorCode::kDim, "0.1=4 1.0=5"},
      {"tf.keras-2", {2, 3, 4}, {7, 5, kUnknown}, ErrorCode::kDim, "0.2=4 1.1=5"},
      {"keras-3", {3, 4}, {5, 6}, ErrorCode::kDim, "0.1=4 1.0=5"},
      {"keras-3", {3}, {4}, ErrorCode::kDim, "0.0=3 1.0=4"},
      {"keras-3", {2, kUnknown}, {3}, ErrorCode::kDim, "0.1=? 1.0=3"},
      {"tfjs", {3}, {3, 4}, ErrorCode::kNotImplemented, "0.1=1 ?=2"},
  };
  for (const auto& c : kCases) {
    const Error error = refusal_of([&] { dot(c.lhs, c.rhs, Dialect(c.dialect)); });
    EXPECT_EQ(error.code(), c.code) << error.message();
    EXPECT_EQ(place_of(error), c.place) << error.message();
  }
  EXPECT_EQ(refusal_of([] {
              dot({2, 3, 4}, {5, 6});
            }).message(),
            "dot: contracting extents differ: lhs axis 2 has 4, rhs axis 0 has 5; lhs (2, 3, 4), "
            "rhs (5, 6)");
}

TEST(KerasDot, NotesSayWhatIsSummed) {
  EXPECT_EQ(
      notation::dot_notes({kUnknown, 28, 3}, {3, 4}, Dialect("keras-2.2")),
      (std::vector<std::string>{
          "keras-2.2 sums in dot over the last axis of lhs (2) and the last but one of rhs (0).",
          "No axis is batch: all others stay, those of lhs first."}));
  EXPECT_EQ(
      notation::dot_notes({}, {3, 4}, Dialect()),
      (std::vector<std::string>{"keras-3 has NumPy's dot: a scalar multiplies every element."}));
  EXPECT_EQ(notation::dot_notes({2, 0, 0}, {0, 4}, Dialect("keras-2.2")).back(),
            "Where a contracted and a flattened axis are both empty, keras-2.2 fails when it "
            "computes: its reshape leaves zeros out.");
}

}  // namespace
}  // namespace batchdot
