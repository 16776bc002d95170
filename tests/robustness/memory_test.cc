// SPDX-License-Identifier: Apache-2.0
// What is read and written: the elements of the views and the workspace, and not one byte more.

#include <gtest/gtest.h>

#include <memory>
#include <numeric>
#include <random>

#include "batchdot/notation.h"
#include "batchdot/plan.h"
#include "tests/problems/random_problem.h"
#include "tests/problems/scalar_program.h"
#include "tests/robustness/guarded.h"
#include "tests/sanitized.h"

namespace batchdot {
namespace {

constexpr std::byte kUntouched{0xA5};

std::vector<DType> computing_dtypes() {
  std::vector<DType> dtypes;
  for_each_dtype([&](auto record) {
    if (record.kComputes) dtypes.push_back(record);
  });
  return dtypes;
}

class EveryDType : public ::testing::TestWithParam<DType> {};
INSTANTIATE_TEST_SUITE_P(AllDTypes, EveryDType, ::testing::ValuesIn(computing_dtypes()),
                         [](const auto& row) { return std::string(row.param.name()); });

// The axes of a dense array in any order of strides; the last `padding` elements of a row are
// nobody's.
Strides strides_in_order(const Extents& extents, const std::vector<std::size_t>& order,
                         std::int64_t padding = 0) {
  Strides strides(extents.size(), 1);
  std::int64_t stride = 1;
  for (std::size_t i = order.size(); i-- > 0;) {
    strides[order[i]] = stride;
    stride *= extents[order[i]] + (stride == 1 ? padding : 0);
  }
  return strides;
}

std::size_t reach_bytes(const Layout& layout) {
  std::int64_t last = 0;
  for (std::size_t axis = 0; axis < layout.extents.size(); ++axis) {
    if (layout.extents[axis] == 0) return 0;
    last += (layout.extents[axis] - 1) * layout.strides[axis];
  }
  return static_cast<std::size_t>(last + 1) * layout.dtype.size_bytes();
}

// One element at each of these places is set; the rest of `memory` must be untouched.
void expect_gaps_untouched(const Guarded& memory, const Layout& layout) {
  std::vector<bool> is_element(memory.size(), false);
  const std::int64_t count = element_count(layout.extents);
  for (std::int64_t i = 0; i < count; ++i) {
    std::int64_t rest = i, offset = 0;
    for (std::size_t axis = layout.extents.size(); axis-- > 0;) {
      offset += rest % layout.extents[axis] * layout.strides[axis];
      rest /= layout.extents[axis];
    }
    for (std::size_t byte = 0; byte < layout.dtype.size_bytes(); ++byte) {
      is_element[static_cast<std::size_t>(offset) * layout.dtype.size_bytes() + byte] = true;
    }
  }
  for (std::size_t i = 0; i < memory.size(); ++i) {
    if (is_element[i]) continue;
    ASSERT_EQ(memory.data()[i], kUntouched) << "byte " << i;
  }
}

struct Sizes {
  std::int64_t b, M, N, K;
};

// b,m,k . b,k,n with each tensor's axes in memory as `random` likes, between guard pages.
void run_between_guards(std::mt19937& random, DType dtype, std::string_view target, Sizes s,
                        Guarded::At at) {
  const Contraction c =
      einsum("bmk,bkn->bmn", std::vector<Shape>{{s.b, s.M, s.K}, {s.b, s.K, s.N}});
  const auto any_order = [&] {
    std::vector<std::size_t> order = {0, 1, 2};
    for (std::size_t i = 3; i > 1; --i) std::swap(order[i - 1], order[random() % i]);
    return order;
  };
  std::vector<bits::Operand> sources;
  std::vector<std::unique_ptr<Guarded>> memories;
  std::vector<TensorView> views, dense;
  for (const Input& input : c.inputs) {
    const Extents extents = input.shape.extents();
    Layout layout(dtype, extents, strides_in_order(extents, any_order()));
    sources.push_back(bits::random_operand(random, dtype, Extents{element_count(extents)},
                                           bits::Elements::kOrdinary, false));
    memories.push_back(std::make_unique<Guarded>(reach_bytes(layout), at));
    std::memcpy(memories.back()->data(), sources.back().memory.data(), memories.back()->size());
    memories.back()->forbid_writing();
    views.emplace_back(memories.back()->data(), layout);
    dense.emplace_back(sources.back().memory.data(), layout);
  }
  const Extents out_extents = {s.b, s.M, s.N};
  const Layout out_layout(
      dtype.result(), out_extents,
      strides_in_order(out_extents, any_order(), static_cast<std::int64_t>(random() % 3)));
  const Guarded out(reach_bytes(out_layout), at);
  std::memset(out.data(), static_cast<int>(kUntouched), out.size());
  PlanOptions options;
  options.target = target;
  options.threads = 1 + static_cast<int>(random() % 2);
  const std::vector<Layout> layouts = {views[0].layout, views[1].layout};
  const Plan plan = Plan::make(c, layouts, out_layout, {}, options);
  const Guarded workspace(plan.workspace_bytes());
  ASSERT_EQ(plan.workspace_bytes() % plan.workspace_alignment(), 0u);
  std::memset(workspace.data(), 0xFF,
              workspace.size());  // NaN, if it were read before it is written
  plan.run(views, MutableTensorView(out.data(), out_layout), {workspace.data(), workspace.size()},
           Executor::inline_executor());
  expect_gaps_untouched(out, out_layout);
  // The values are those of the same product without guards.
  PlanOptions scalar;
  scalar.target = "scalar";
  scalar.threads = 1;
  const Tensor expected = Plan::make(c, layouts, {}, {}, scalar).run(dense);
  const TensorView got(out.data(), out_layout);
  Contraction copy;
  copy.inputs.emplace_back();
  for (const std::int64_t extent : out_extents) {
    copy.inputs[0].labels.push_back(add_output_label(copy, extent));
    copy.inputs[0].shape.push_back(extent);
  }
  EXPECT_TRUE(bits::same_bits(evaluate(copy, std::span(&got, 1)), expected))
      << dtype.name() << ' ' << target << " b " << s.b << " M " << s.M << " N " << s.N << " K "
      << s.K;
}

TEST_P(EveryDType, NothingOutsideTheViewsIsTouchedAtAnyTail) {
  std::mt19937 random(20269);
  for (const std::string_view target : targets()) {
    for (int i = 0; i < 160; ++i) {
      const auto up_to_40 = [&] { return 1 + static_cast<std::int64_t>(random() % 40); };
      // One of the three walks through every tail, the others are anything.
      const std::int64_t tail = 1 + i % 40;
      Sizes s{1 + static_cast<std::int64_t>(random() % 3), up_to_40(), up_to_40(), up_to_40()};
      (i % 4 == 0 ? s.M : i % 4 == 1 ? s.N : i % 4 == 2 ? s.K : s.b) = tail;
      if (i % 16 == 7) s.M = s.N = 1;  // lonely dot products
      ASSERT_NO_FATAL_FAILURE(run_between_guards(
          random, GetParam(), target, s, i % 2 == 0 ? Guarded::At::kEnd : Guarded::At::kBegin));
    }
    for (std::int64_t K = 1; K <= 300; K += 3) {  // few rows, and dots that are longer than a block
      const Sizes rows{2, 1 + K % 4, 16 + K % 25, K}, dots{1 + K % 40, 1, 1, K};
      const Guarded::At at = K % 2 == 0 ? Guarded::At::kEnd : Guarded::At::kBegin;
      ASSERT_NO_FATAL_FAILURE(run_between_guards(random, GetParam(), target, rows, at));
      ASSERT_NO_FATAL_FAILURE(run_between_guards(random, GetParam(), target, dots, at));
    }
    for (const Sizes s : {Sizes{1, 300, 5, 300}, Sizes{1, 7, 1100, 130}, Sizes{1, 150, 150, 1},
                          Sizes{1, 50, 270, 257}, Sizes{1100, 1, 1, 9}, Sizes{2, 3, 4, 0},
                          Sizes{1, 1, 1, 4200}, Sizes{1, 2, 3, 4111}}) {
      ASSERT_NO_FATAL_FAILURE(run_between_guards(random, GetParam(), target, s, Guarded::At::kEnd));
    }
  }
}

TEST_P(EveryDType, OtherStepsStayInsideAsWell) {
  std::mt19937 random(20270);
  constexpr std::string_view kEquations[] = {"ij->ji", "ii->i",      "ij->j",
                                             "ij->",   "ij,kj,ik->", "ij,k->ij"};
  for (const std::string_view target : targets()) {
    for (int i = 0; i < 60; ++i) {
      const std::string_view equation = kEquations[i % 6];
      const std::int64_t extent_i = 1 + static_cast<std::int64_t>(random() % 40);
      const std::int64_t extent_j =
          equation == "ii->i" ? extent_i : 1 + static_cast<std::int64_t>(random() % 40);
      std::vector<Shape> shapes = {{extent_i, extent_j}};
      if (equation == "ij,kj,ik->")
        shapes.insert(shapes.end(), {Shape{3, extent_j}, Shape{extent_i, 3}});
      if (equation == "ij,k->ij") shapes.push_back({5});
      const Contraction c = einsum(equation, shapes);
      std::vector<std::unique_ptr<Guarded>> memories;
      std::vector<TensorView> views;
      std::vector<Layout> layouts;
      for (const Shape& shape : shapes) {
        const Layout layout(GetParam(), shape.extents());
        const bits::Operand source = bits::random_operand(random, GetParam(), layout.extents,
                                                          bits::Elements::kOrdinary, false);
        memories.push_back(std::make_unique<Guarded>(reach_bytes(layout)));
        std::memcpy(memories.back()->data(), source.memory.data(), memories.back()->size());
        views.emplace_back(memories.back()->data(), layout);
        layouts.push_back(layout);
      }
      PlanOptions options;
      options.target = target;
      const Plan plan = Plan::make(c, layouts, {}, {}, options);
      const Guarded out(reach_bytes(plan.output_layout()));
      const Guarded workspace(plan.workspace_bytes());
      plan.run(views, MutableTensorView(out.data(), plan.output_layout()),
               {workspace.data(), workspace.size()}, Executor::inline_executor());
    }
  }
}

TEST(Memory, SoftmaxAndNormalizedLayersStayInside) {
  std::mt19937 random(20271);
  for (const DType dtype : {DType(F32{}), DType(F64{}), DType(F16{}), DType(BF16{})}) {
    for (const std::string_view target : targets()) {
      PlanOptions options;
      options.target = target;
      for (std::int64_t count = 1; count <= 40; ++count) {
        const Layout layout(dtype, {3, count});
        const Guarded in(reach_bytes(layout)), out(reach_bytes(layout));
        std::memset(in.data(), 0x11, in.size());
        const Plan plan = Plan::softmax(layout, 1, {}, options);
        const Guarded workspace(plan.workspace_bytes());
        const TensorView view(in.data(), layout);
        plan.run(std::span(&view, 1), MutableTensorView(out.data(), layout),
                 {workspace.data(), workspace.size()}, Executor::inline_executor());

        const DotLayer layer = dot_layer({3, count}, {3, count}, 1, true);
        const std::vector<Layout> layouts = {layout, layout};
        const Plan normalized = Plan::dot_layer(layer, layouts, {}, options);
        const Guarded result(reach_bytes(normalized.output_layout()));
        const Guarded scratch(normalized.workspace_bytes());
        const std::vector<TensorView> views = {view, view};
        normalized.run(views, MutableTensorView(result.data(), normalized.output_layout()),
                       {scratch.data(), scratch.size()}, Executor::inline_executor());
      }
    }
  }
}

// --- Offsets that 32 bits do not hold.

// Memory that costs nothing until it is touched.
class Sparse {
 public:
  explicit Sparse(std::size_t bytes) : bytes_(bytes) {
    memory_ = mmap(nullptr, bytes, PROT_READ | PROT_WRITE,
                   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  }
  ~Sparse() {
    if (is_there()) munmap(memory_, bytes_);
  }
  Sparse(const Sparse&) = delete;
  Sparse& operator=(const Sparse&) = delete;
  bool is_there() const { return memory_ != MAP_FAILED; }
  template <class T>
  T* as() const {
    return static_cast<T*>(memory_);
  }

 private:
  std::size_t bytes_;
  void* memory_;
};

TEST(FarOffsets, StridesBeyond32BitsAreFollowed) {
  constexpr std::int64_t kFar = (std::int64_t{1} << 31) + 24;  // in elements
  constexpr std::int64_t kRows = 3, kColumns = 4, kK = 5;
  const Sparse lhs(3 * kFar * sizeof(float)), rhs(5 * kFar * sizeof(float));
  const Sparse out(4 * kFar * sizeof(float));
  if (!lhs.is_there() || !rhs.is_there() || !out.is_there()) {
    GTEST_SKIP() << "the system maps no " << 12 * kFar * 4 << " bytes, not even untouched";
  }
  // lhs: rows far apart. rhs: k far apart. out: columns far apart, backwards.
  const Layout lhs_layout(F32{}, {kRows, kK}, {kFar, 1});
  const Layout rhs_layout(F32{}, {kK, kColumns}, {kFar, 1});
  const Layout out_layout(F32{}, {kRows, kColumns}, {1, -kFar});
  for (std::int64_t i = 0; i < kRows; ++i) {
    for (std::int64_t k = 0; k < kK; ++k) lhs.as<float>()[i * kFar + k] = static_cast<float>(i + k);
  }
  for (std::int64_t k = 0; k < kK; ++k) {
    for (std::int64_t j = 0; j < kColumns; ++j)
      rhs.as<float>()[k * kFar + j] = static_cast<float>(k - j);
  }
  float* last = out.as<float>() + 3 * kFar;
  const Contraction c = matmul(Shape{kRows, kK}, Shape{kK, kColumns});
  const std::vector<Layout> layouts = {lhs_layout, rhs_layout};
  for (const std::string_view target : targets()) {
    for (const int threads : {1, 2}) {
      PlanOptions options;
      options.target = target;
      options.threads = threads;
      const std::vector<TensorView> views = {{lhs.as<float>(), lhs_layout},
                                             {rhs.as<float>(), rhs_layout}};
      Plan::make(c, layouts, out_layout, {}, options)
          .run(views, MutableTensorView(last, out_layout));
      for (std::int64_t i = 0; i < kRows; ++i) {
        for (std::int64_t j = 0; j < kColumns; ++j) {
          float expected = 0;
          for (std::int64_t k = 0; k < kK; ++k) expected += static_cast<float>((i + k) * (k - j));
          EXPECT_EQ(last[i - j * kFar], expected) << target << ' ' << i << ' ' << j;
        }
      }
    }
  }
}

TEST(FarOffsets, ACopyFollowsThemToo) {
  constexpr std::int64_t kFar = (std::int64_t{1} << 31) + 24;
  const Sparse memory(3 * kFar);
  if (!memory.is_there()) GTEST_SKIP() << "the system maps no " << 3 * kFar << " bytes";
  auto* elements = memory.as<std::int8_t>();
  for (int i = 0; i < 3; ++i) elements[i * kFar] = static_cast<std::int8_t>(i + 1);
  const TensorView column(elements, Layout(I8{}, {3, 1}, {kFar, 1}));
  const Tensor copy = einsum("ij->ji", std::span(&column, 1));
  EXPECT_EQ(copy.elements<std::int8_t>()[2], 3);
  const TensorView back(elements + 2 * kFar, Layout(I8{}, {3}, {-kFar}));
  EXPECT_EQ(einsum("i,i->", std::vector<TensorView>{back, back}).elements<std::int32_t>()[0], 14);
}

// More terms than 32 bits count, over rows that do not move.
TEST(FarOffsets, TermsBeyond32BitsAreCounted) {
  if (BATCHDOT_SANITIZED || default_target() == "scalar") GTEST_SKIP() << "would take minutes";
  constexpr std::int64_t kMany = (std::int64_t{1} << 31) + 131;
  constexpr std::int64_t kColumns = 48;
  const std::int32_t three = 3;
  std::vector<std::int32_t> row(kColumns);
  std::iota(row.begin(), row.end(), -7);
  const TensorView lhs(&three, {1, kMany}, {0, 0});
  const TensorView rhs(row.data(), {kMany, kColumns}, {0, 1});
  const Tensor sums = matmul(lhs, rhs);
  for (std::size_t j = 0; j < row.size(); ++j) {
    EXPECT_EQ(static_cast<std::uint32_t>(sums.elements<std::int32_t>()[j]),
              static_cast<std::uint32_t>(3 * kMany * row[j]));
  }
}

TEST(FarOffsets, NothingIsComputedWhereNothingIsToBe) {
  constexpr std::int64_t kMany = (std::int64_t{1} << 31) + 131;
  const std::int32_t one = 1;
  const std::vector<TensorView> empty = {{&one, Layout(I32{}, {kMany, 0, 3}, {0, 1, 1})},
                                         {&one, Layout(I32{}, {kMany, 3, 0}, {0, 1, 1})}};
  EXPECT_EQ(matmul(empty[0], empty[1]).size(), 0);
}

// Where there is no element, a stride goes nowhere and may be any number.
TEST(FarOffsets, AnEmptyOperandMayHaveAnyStrides) {
  const float one = 1;
  const TensorView lhs(&one, Layout(F32{}, {5, 0}, {INT64_MIN, INT64_MAX}));
  const TensorView rhs(&one, Layout(F32{}, {0, 7}, {INT64_MAX, INT64_MIN}));
  const Tensor out = matmul(lhs, rhs);
  ASSERT_EQ(out.size(), 35);
  for (const float element : std::span(static_cast<const float*>(out.data()), 35)) {
    EXPECT_EQ(element, 0);
  }
}

}  // namespace
}  // namespace batchdot
