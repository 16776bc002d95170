// SPDX-License-Identifier: Apache-2.0
#include "src/io/row_major.h"

#include <gtest/gtest.h>
#include <sys/mman.h>

#include <cstring>
#include <random>
#include <vector>

namespace batchdot {
namespace {

// Element by element, by the definition.
std::vector<std::byte> slow_copy(const TensorView& view, std::int64_t first, std::int64_t count) {
  const std::size_t bytes = view.dtype().size_bytes();
  std::vector<std::byte> out;
  for (std::int64_t i = first; i < first + count; ++i) {
    std::int64_t rest = i;
    std::int64_t offset = 0;
    for (std::size_t axis = view.extents().size(); axis-- > 0;) {
      offset += rest % view.extents()[axis] * view.strides()[axis];
      rest /= view.extents()[axis];
    }
    const auto* element =
        static_cast<const std::byte*>(view.data) + offset * static_cast<std::int64_t>(bytes);
    out.insert(out.end(), element, element + bytes);
  }
  return out;
}

TEST(CopyRowMajor, TakesAnyStridesFromAnyElement) {
  std::mt19937 random(3);
  const auto up_to = [&](std::int64_t most) {
    return std::uniform_int_distribution<std::int64_t>(0, most)(random);
  };
  std::vector<std::byte> memory(1 << 16);
  for (std::byte& byte : memory) byte = static_cast<std::byte>(up_to(255));
  const std::int64_t middle = static_cast<std::int64_t>(memory.size()) / 2;
  int dense = 0;
  for_each_dtype([&](auto record) {
    const DType dtype(record);
    for (int problem = 0; problem < 400; ++problem) {
      Extents extents;
      Strides strides;
      for (std::int64_t rank = up_to(4); rank > 0; --rank) {
        extents.push_back(1 + up_to(5));
        strides.push_back(up_to(120) - 60);
      }
      Layout layout(dtype, extents, strides);
      if (up_to(3) == 0) layout = Layout(dtype, extents);                         // row-major
      if (up_to(3) == 0) layout = Layout(dtype, extents, column_major(extents));  // transposed
      const TensorView view(memory.data() + middle, layout);
      const std::int64_t all = element_count(extents);
      const std::int64_t first = up_to(all - 1);
      const std::int64_t count = up_to(all - first);
      std::vector<std::byte> out(static_cast<std::size_t>(count) * dtype.size_bytes() + 1);
      out.back() = std::byte{77};
      copy_row_major(view, first, count, out.data());
      EXPECT_EQ(out.back(), std::byte{77});
      out.pop_back();
      ASSERT_EQ(out, slow_copy(view, first, count))
          << to_string(extents) << " strides " << to_string(view.strides()) << " from " << first;
      if (is_row_major(layout)) {
        ++dense;
        ASSERT_EQ(0, std::memcmp(view.data, slow_copy(view, 0, all).data(),
                                 static_cast<std::size_t>(all) * dtype.size_bytes()));
      }
    }
  });
  EXPECT_GT(dense, 100);
}

TEST(IsRowMajor, KnowsGapsAndOrder) {
  const struct {
    Extents extents;
    Strides strides;
    bool dense;
  } kCases[] = {
      {{}, {}, true},
      {{3, 4}, {4, 1}, true},
      {{3, 4}, {1, 3}, false},
      {{3, 4}, {5, 1}, false},
      {{3, 4}, {0, 1}, false},
      {{3}, {-1}, false},
      {{1, 4}, {-99, 1}, true},  // the stride of an axis of 1 means nothing
      {{3, 1, 4}, {4, 0, 1}, true},
      {{1, 1}, {7, 7}, true},
  };
  for (const auto& c : kCases) {
    EXPECT_EQ(is_row_major(Layout(F32{}, c.extents, c.strides)), c.dense)
        << to_string(c.extents) << " strides " << to_string(c.strides);
  }
}

// 5 GiB of addresses, of which a few pages are ever touched.
TEST(CopyRowMajor, CountsBeyond31And32Bits) {
  constexpr std::int64_t kRow = (std::int64_t{1} << 31) + 12345;
  constexpr std::size_t kBytes = 2 * static_cast<std::size_t>(kRow);
  void* const mapped = mmap(nullptr, kBytes, PROT_READ | PROT_WRITE,
                            MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (mapped == MAP_FAILED) GTEST_SKIP() << "no 5 GiB of addresses here";
  auto* const memory = static_cast<std::int8_t*>(mapped);
  for (std::int64_t i : {kRow - 2, kRow - 1, 2 * kRow - 2, 2 * kRow - 1}) {
    memory[i] = static_cast<std::int8_t>(i % 100 + 1);
  }
  // The transpose of 2 x kRow, and both read backwards.
  std::vector<std::int8_t> out(4);
  auto* const bytes = reinterpret_cast<std::byte*>(out.data());
  copy_row_major(TensorView(memory, {kRow, 2}, {1, kRow}), 2 * kRow - 4, 4, bytes);
  EXPECT_EQ(out, (std::vector{memory[kRow - 2], memory[2 * kRow - 2], memory[kRow - 1],
                              memory[2 * kRow - 1]}));
  copy_row_major(TensorView(memory + 2 * kRow - 1, {kRow, 2}, {-1, -kRow}), 0, 4, bytes);
  EXPECT_EQ(out, (std::vector{memory[2 * kRow - 1], memory[kRow - 1], memory[2 * kRow - 2],
                              memory[kRow - 2]}));
  // 2^40 elements, all of them one row.
  const std::int64_t kRows = std::int64_t{1} << 38;
  copy_row_major(TensorView(memory + kRow - 2, {kRows, 2, 2}, {0, kRow, 1}), 4 * kRows - 3, 3,
                 bytes);
  EXPECT_EQ(out[0], memory[kRow - 1]);
  EXPECT_EQ(out[1], memory[2 * kRow - 2]);
  EXPECT_EQ(out[2], memory[2 * kRow - 1]);
  munmap(mapped, kBytes);
}

}  // namespace
}  // namespace batchdot
