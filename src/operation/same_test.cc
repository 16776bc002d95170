// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include "batchdot/operation.h"

namespace batchdot {
namespace {

Inference answer(std::string_view dialect, std::string_view shapes, std::string_view options) {
  return infer(parse_problem(std::string(R"({"operation": "batch_dot", "dialect": ")") +
                             std::string(dialect) + R"(", "shapes": )" + std::string(shapes) +
                             std::string(options) + "}"));
}

TEST(Same, LabelsCountAndNotTheirNames) {
  constexpr std::string_view kCube = "[[4, 3, 5], [4, 3, 5]]";
  constexpr std::string_view kAxes = R"(, "axes": [2, 2])";
  const Inference old = answer("keras-2.2", kCube, kAxes);
  EXPECT_TRUE(is_same_computation(old, answer("keras-3", kCube, kAxes), false));
  EXPECT_TRUE(is_same_computation(old, answer("keras-1.0", kCube, kAxes), true));
  EXPECT_FALSE(is_same_computation(old, answer("keras-3", kCube, R"(, "axes": [1, 1])"), false));
}

TEST(Same, LabelsOfExtentOneMoveNothing) {
  const auto einsum = [](std::string_view equation, std::string_view shapes) {
    return infer(parse_problem(R"({"operation": "einsum", "equation": ")" + std::string(equation) +
                               R"(", "shapes": )" + std::string(shapes) + "}"));
  };
  constexpr std::string_view kOne = "[[3, 1], [1, 4]]", kTwo = "[[3, 2], [2, 4]]";
  EXPECT_TRUE(is_same_computation(einsum("ij,jk->ik", kOne), einsum("ia,bk->ik", kOne), false));
  EXPECT_FALSE(is_same_computation(einsum("ij,jk->ik", kTwo), einsum("ia,bk->ik", kTwo), false));
}

// (2, 3, 3) from both: old Keras sums axis 1 of rhs, the new one axis 2.
TEST(Same, OneShapeMayBeTwoComputations) {
  constexpr std::string_view kSquare = "[[2, 3, 3], [2, 3, 3]]";
  const Inference old = answer("keras-2.2", kSquare, R"(, "axes": -1)");
  const Inference now = answer("keras-3", kSquare, R"(, "axes": -1)");
  EXPECT_EQ(old.shape, now.shape);
  EXPECT_FALSE(is_same_computation(old, now, false));
  EXPECT_NE(computation_of(old, false), computation_of(now, false));
}

// Where old Keras transposed, it conjugated.
TEST(Same, ConjugatesCountForComplexNumbers) {
  constexpr std::string_view kShapes = "[[2, 3, 4], [2, 3, 4]]";
  constexpr std::string_view kAxes = R"(, "axes": [1, 1])";
  const Inference old = answer("keras-2.2", kShapes, kAxes);
  const Inference now = answer("keras-3", kShapes, kAxes);
  EXPECT_TRUE(is_same_computation(old, now, false));
  EXPECT_FALSE(is_same_computation(old, now, true));
  EXPECT_EQ(computation_of(old, true), computation_of(old, false) + ", lhs conjugated");
}

TEST(Same, ANormalizingLayerCountsItsEpsilon) {
  const auto layer = [](std::string_view dialect, bool normalizes) {
    return infer(parse_problem(
        std::string(R"({"operation": "dot_layer", "shapes": [[2, 3], [2, 3]], "axes": 1, )") +
        (normalizes ? R"("normalize": true, )" : "") + R"("dialect": ")" + std::string(dialect) +
        R"("})"));
  };
  EXPECT_TRUE(is_same_computation(layer("keras-2.2", false), layer("keras-3", false), false));
  EXPECT_FALSE(is_same_computation(layer("keras-2.2", true), layer("keras-3", true), false));
}

}  // namespace
}  // namespace batchdot
