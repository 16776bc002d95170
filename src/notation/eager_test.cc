// SPDX-License-Identifier: Apache-2.0
// The values are small whole numbers, so that every order of summation gives them exactly.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <complex>
#include <cstdint>
#include <vector>

#include "batchdot/notation.h"
#include "batchdot/tensor.h"
#include "tests/refusal.h"

namespace batchdot {
namespace {

using ::testing::ElementsAre;
using ::testing::ElementsAreArray;

Tensor numbers(Extents extents, float first = 1) {
  std::vector<float> elements(static_cast<std::size_t>(element_count(extents)));
  for (float& element : elements) element = first++;
  return Tensor::from(std::span<const float>(elements), std::move(extents));
}

TEST(Eager, BatchDotGivesTheNumbersOfTheOldKeras) {
  const Tensor a = Tensor::from<float>({1, 2, 3, 3, 2, 1}, {1, 2, 3});
  const Tensor b = Tensor::from<float>({1, 3, 3, 2, 2, 0}, {1, 2, 3});
  const Dialect old("keras-2.2");
  for (const int axes : {0, 1}) {
    const Tensor out = batch_dot(a, b, axes, old);
    EXPECT_EQ(out.extents(), (Extents{1, 3, 3}));
    EXPECT_THAT(out.elements<float>(), ElementsAre(7, 9, 3, 6, 10, 6, 5, 11, 9)) << axes;
  }
  EXPECT_THAT(batch_dot(a, b, 2, old).elements<float>(), ElementsAre(16, 6, 12, 10));
  EXPECT_THAT(batch_dot(a, b, 2).elements<float>(), ElementsAre(16, 6, 12, 10));
  EXPECT_EQ(refusal_of([&] { batch_dot(a, b, 0); }).code(), ErrorCode::kAxis0);
}

TEST(Eager, DotSumsOverTheLastAndTheLastButOne) {
  const Tensor out = dot(numbers({2, 2}), numbers({2, 2, 2}));
  EXPECT_EQ(out.extents(), (Extents{2, 2, 2}));
  EXPECT_THAT(out.elements<float>(), ElementsAre(7, 10, 19, 22, 15, 22, 43, 50));
}

TEST(Eager, MatmulOfMatricesVectorsAndBatches) {
  const Tensor a = numbers({2, 3});
  const Tensor b = numbers({3, 2});
  EXPECT_THAT(matmul(a, b).elements<float>(), ElementsAre(22, 28, 49, 64));
  const Tensor v = numbers({3});
  const Tensor scalar = matmul(v, v);
  EXPECT_EQ(scalar.rank(), 0);
  EXPECT_THAT(scalar.elements<float>(), ElementsAre(14));
  EXPECT_THAT(matmul(v, b).elements<float>(), ElementsAre(22, 28));
  EXPECT_THAT(matmul(a, v).elements<float>(), ElementsAre(14, 32));
  EXPECT_THAT(matmul(b, v, {.transpose_lhs = true}).elements<float>(), ElementsAre(22, 28));
  const Tensor out = matmul(numbers({2, 1, 1, 2}), numbers({2, 2, 1}));
  EXPECT_EQ(out.extents(), (Extents{2, 2, 1, 1}));
  EXPECT_THAT(out.elements<float>(), ElementsAre(5, 11, 11, 25));
}

TEST(Eager, AdjointConjugates) {
  using Complex = std::complex<float>;
  const Tensor a = Tensor::from<Complex>({{1, 2}, {3, -1}}, {1, 2});
  const Tensor b = Tensor::from<Complex>({{0, 1}, {2, 2}}, {1, 2});
  EXPECT_THAT(matmul(a, b, {.adjoint_rhs = true}).elements<Complex>(), ElementsAre(Complex(6, -9)));
  EXPECT_THAT(matmul(a, b, {.transpose_rhs = true}).elements<Complex>(),
              ElementsAre(Complex(6, 5)));
}

TEST(Eager, TensordotAndDotGeneral) {
  const Tensor a = numbers({2, 2, 2});
  const Tensor b = numbers({2, 2, 2}, 2);
  const std::array<std::int64_t, 2> both = {1, 2}, swapped = {2, 1};
  EXPECT_THAT(tensordot(a, b, both, both).elements<float>(), ElementsAre(40, 80, 96, 200));
  EXPECT_THAT(tensordot(a, b, both, swapped).elements<float>(), ElementsAre(39, 79, 95, 199));
  EXPECT_THAT(tensordot(a, b, 3).elements<float>(), ElementsAre(240));
  const Tensor out = dot_general(a, b, {{0}, {0}, {2}, {1}});
  EXPECT_THAT(out.elements<float>(), ElementsAre(10, 13, 22, 29, 78, 89, 106, 121));
}

TEST(Eager, EinsumTakesDiagonalsSumsAwayAndStretches) {
  const Tensor m = numbers({3, 3});
  const auto compute = [](std::string_view equation, std::vector<TensorView> operands) {
    return einsum(equation, operands);
  };
  EXPECT_THAT(compute("ii->i", {m}).elements<float>(), ElementsAre(1, 5, 9));
  EXPECT_THAT(compute("ii", {m}).elements<float>(), ElementsAre(15));
  EXPECT_THAT(compute("ij->j", {m}).elements<float>(), ElementsAre(12, 15, 18));
  EXPECT_THAT(compute("ji", {m}).elements<float>(), ElementsAre(1, 4, 7, 2, 5, 8, 3, 6, 9));
  EXPECT_THAT(compute("ij,kl->i", {numbers({2, 2}), numbers({1, 3})}).elements<float>(),
              ElementsAre(18, 42));
  EXPECT_THAT(compute("...i,...i", {numbers({2, 1, 2}), numbers({2, 2})}).elements<float>(),
              ElementsAre(5, 11, 11, 25));
  const Tensor two = numbers({2, 2});
  const std::vector<float> cube = {37, 54, 81, 118};
  EXPECT_THAT(compute("ij,jk,kl->il", {two, two, two}).elements<float>(), ElementsAreArray(cube));
}

TEST(Eager, ViewsAreReadWhereTheyLie) {
  const float row[] = {1, 2, 3};
  const TensorView reversed(row + 2, {3}, {-1});
  const TensorView repeated(row, {2, 3}, {0, 1});
  EXPECT_THAT(matmul(repeated, reversed).elements<float>(), ElementsAre(10, 10));
}

TEST(Eager, OperandsOfDifferentTypesAreRefused) {
  const Tensor a = numbers({2, 2});
  const Tensor b = Tensor::from<double>({1, 2, 3, 4}, {2, 2});
  EXPECT_EQ(refusal_of([&] { matmul(a, b); }).code(), ErrorCode::kDType);
  EXPECT_EQ(refusal_of([&] { matmul(a, numbers({3, 2})); }).code(), ErrorCode::kDim);
}

}  // namespace
}  // namespace batchdot
