// SPDX-License-Identifier: Apache-2.0
#include "batchdot/tensor.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <Eigen/Core>
#include <limits>
#include <string>
#include <vector>

#include "tests/refusal.h"

namespace batchdot {
namespace {

using ::testing::Each;
using ::testing::ElementsAre;

constexpr std::int64_t kMost = std::numeric_limits<std::int64_t>::max();

TEST(Strides, OfDenseArrays) {
  EXPECT_EQ(row_major({2, 3, 4}), (Strides{12, 4, 1}));
  EXPECT_EQ(column_major({2, 3, 4}), (Strides{1, 2, 6}));
  EXPECT_EQ(row_major({}), Strides{});
  EXPECT_EQ(row_major({5, 0, 3}), (Strides{0, 3, 1}));
  EXPECT_NO_THROW(row_major({0, kMost, kMost}));
  EXPECT_EQ(refusal_of([] { row_major({kMost, 2}); }).code(), ErrorCode::kOverflow);
  EXPECT_EQ(refusal_of([] { column_major({kMost, 2}); }).code(), ErrorCode::kOverflow);
}

TEST(Tensor, StartsAsZerosOnAlignedMemory) {
  for_each_dtype([](auto record) {
    using Element = typename decltype(record)::Element;
    const Tensor tensor(record, {3, 5});
    EXPECT_EQ(tensor.size(), 15);
    EXPECT_EQ(tensor.size_bytes(), 15 * sizeof(Element));
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(tensor.data()) % 64, 0u);
    EXPECT_THAT(tensor.elements<Element>(), Each(Element{}));
    EXPECT_EQ(tensor.dtype(), DType::of<Element>());
  });
}

TEST(Tensor, ACopyIsItsOwnAndAMoveIsNot) {
  Tensor a = Tensor::from<std::int32_t>({1, 2, 3, 4}, {2, 2});
  Tensor copy = a;
  copy.elements<std::int32_t>()[0] = 9;
  EXPECT_THAT(a.elements<std::int32_t>(), ElementsAre(1, 2, 3, 4));
  const void* memory = a.data();
  const Tensor moved = std::move(a);
  EXPECT_EQ(moved.data(), memory);
  copy = Tensor();
  EXPECT_EQ(copy.size(), 0);
  const Tensor nothing = copy;
  EXPECT_EQ(nothing.data(), nullptr);
  const Tensor empty(F32{}, {2, 0});
  const Tensor also_empty = empty;
  EXPECT_EQ(also_empty.extents(), (Extents{2, 0}));
}

TEST(Tensor, RefusesWhatItCannotHold) {
  const auto code = [](auto call) { return refusal_of(call).code(); };
  EXPECT_EQ(code([] { Tensor(F32{}, {-1}); }), ErrorCode::kLimit);
  EXPECT_EQ(code([] { Tensor(F32{}, Extents(Limits::kRank + 1, 1)); }), ErrorCode::kLimit);
  EXPECT_EQ(code([] { Tensor(F32{}, {kMost, 2}); }), ErrorCode::kOverflow);
  EXPECT_EQ(code([] { Tensor(F64{}, {kMost / 4}); }), ErrorCode::kOverflow);
  EXPECT_EQ(code([] { Tensor::uninitialized(I8{}, {std::int64_t{1} << 62}); }), ErrorCode::kMemory);
  EXPECT_EQ(code([] { Tensor::from<float>({1, 2, 3}, {2, 2}); }), ErrorCode::kFeed);
  EXPECT_EQ(code([] { Tensor(F32{}, {2}).elements<double>(); }), ErrorCode::kDType);
}

TEST(View, ShowsMemoryThatIsNotItsOwn) {
  std::vector<float> memory = {1, 2, 3, 4, 5, 6};
  const TensorView dense(memory.data(), {2, 3});
  EXPECT_EQ(dense.strides(), (Strides{3, 1}));
  EXPECT_EQ(dense.dtype(), DType(F32{}));
  const TensorView vector{std::span<const float>(memory)};
  EXPECT_EQ(vector.extents(), (Extents{6}));
  EXPECT_EQ(MutableTensorView(std::span(memory)).layout, vector.layout);
  EXPECT_EQ(MutableTensorView(std::span<float, 6>(memory)).layout, vector.layout);
  MutableTensorView out(memory.data(), {3, 2}, {1, 3});
  EXPECT_EQ(out.data, memory.data());
  const TensorView read = out;
  EXPECT_EQ(read.layout, out.layout);
}

// Anything that says the extent and the stride of each axis, as mdspan does.
struct Grid {
  int* data_handle() const { return elements; }
  static std::size_t rank() { return 3; }
  std::size_t extent(std::size_t axis) const { return axis + 2; }
  std::size_t stride(std::size_t axis) const { return axis == 0 ? 12 : axis == 1 ? 4 : 1; }
  int* elements;
};

TEST(View, IsMadeOverWhatOtherLibrariesHold) {
  Eigen::Matrix<double, 2, 3> columns;  // Eigen's own order: the first axis is the fastest
  EXPECT_EQ(TensorView(columns).data, columns.data());
  EXPECT_EQ(TensorView(columns).layout, Layout(F64{}, {2, 3}, {1, 2}));
  EXPECT_EQ(MutableTensorView(columns).data, columns.data());
  const float memory[12] = {};
  const Eigen::Map<const Eigen::Matrix<float, 2, 3, Eigen::RowMajor>, 0, Eigen::OuterStride<>> rows(
      memory, Eigen::OuterStride<>(6));
  EXPECT_EQ(TensorView(rows).data, memory);
  EXPECT_EQ(TensorView(rows).layout, Layout(F32{}, {2, 3}, {6, 1}));
  int elements[24] = {};
  Grid grid{elements};
  EXPECT_EQ(TensorView(grid).layout, Layout(I32{}, {2, 3, 4}, {12, 4, 1}));
  EXPECT_EQ(MutableTensorView(grid).data, elements);
}

TEST(ShortList, IsAVectorShortAndLong) {
  ShortList<std::string, 3> list;
  std::vector<std::string> vector;
  const auto expect_same = [&] {
    EXPECT_EQ(std::vector<std::string>(list.begin(), list.end()), vector);
    EXPECT_EQ(std::vector<std::string>(list.rbegin(), list.rend()),
              std::vector<std::string>(vector.rbegin(), vector.rend()));
  };
  for (int i = 0; i < 8; ++i) {  // on both sides of the 3 that it holds itself
    const std::string word = "a word that has its own memory " + std::to_string(i);
    list.push_back(word);
    vector.push_back(word);
    list.insert(list.begin() + i / 2, "middle");
    vector.insert(vector.begin() + i / 2, "middle");
    expect_same();
    if (i % 3 != 2) continue;
    list.erase(list.begin() + 1);
    vector.erase(vector.begin() + 1);
    expect_same();
  }
  const std::string more[] = {"x", "y"};
  list.insert(list.begin() + 2, std::begin(more), std::end(more));
  vector.insert(vector.begin() + 2, std::begin(more), std::end(more));
  list.push_back(list.front());  // of itself, while it grows
  vector.push_back(std::string(vector.front()));
  expect_same();
  list.erase(list.begin(), list.begin() + 4);
  vector.erase(vector.begin(), vector.begin() + 4);
  expect_same();
  list.assign(2, list.back());
  vector.assign(2, std::string(vector.back()));
  expect_same();
  ShortList<std::string, 3> moved = std::move(list);
  EXPECT_EQ(moved.size(), vector.size());
  list = moved;
  list.resize(5, "z");
  vector.resize(5, "z");
  list.pop_back();
  vector.pop_back();
  expect_same();
  list.clear();
  EXPECT_TRUE(list.empty());
}

TEST(AxisList, LivesOutsideItselfAboveRank8) {
  AxisList list;
  for (std::int64_t i = 0; i < 40; ++i) {
    list.push_back(i);
    EXPECT_EQ(list.back(), i);
    const AxisList copy = list;
    EXPECT_EQ(copy, list);
    AxisList moved = copy;
    const AxisList taken = std::move(moved);
    EXPECT_EQ(taken, list);
  }
  EXPECT_EQ(list.size(), 40u);
  list = AxisList{1, 2};
  EXPECT_EQ(list, (AxisList{1, 2}));
  list.resize(12, 7);
  EXPECT_EQ(list[11], 7);
  EXPECT_EQ(list[1], 2);
}

}  // namespace
}  // namespace batchdot
