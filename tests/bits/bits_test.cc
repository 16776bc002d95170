// SPDX-License-Identifier: Apache-2.0
// Same bits: whatever decides where an element is computed may not change it. Everything is judged
// against the scalar program of the order, never against another kernel.

#include <gtest/gtest.h>
#include <sys/mman.h>

#include <cstdlib>
#include <fstream>
#include <numeric>
#include <sstream>

#include "batchdot/notation.h"
#include "batchdot/plan.h"
#include "src/kernel/convert.h"
#include "src/kernel/float_mode.h"
#include "src/kernel/kernels.h"
#include "tests/problems/random_problem.h"
#include "tests/problems/scalar_program.h"
#include "tests/sanitized.h"

namespace batchdot::bits {
namespace {

std::vector<Layout> layouts_of(const std::vector<TensorView>& views) {
  std::vector<Layout> layouts;
  for (const TensorView& view : views) layouts.push_back(view.layout);
  return layouts;
}

struct Problem {
  Contraction c;
  std::vector<Operand> operands;
  std::vector<TensorView> views;
};

Problem random_problem(std::mt19937& random, DType dtype, int operands, std::int64_t K,
                       Elements elements) {
  Problem problem;
  problem.c = random_contraction(random, operands, K);
  for (const Input& input : problem.c.inputs) {
    problem.operands.push_back(random_operand(random, dtype, input.shape.extents(), elements));
    problem.views.push_back(problem.operands.back().view);
  }
  return problem;
}

std::string describe(const Problem& problem, DType dtype, std::string_view target, int threads) {
  std::ostringstream out;
  out << to_equation(problem.c) << ' ' << dtype.name() << ' ' << target << " threads " << threads;
  for (const TensorView& view : problem.views) {
    out << ' ' << to_string(view.extents()) << " strides " << to_string(view.strides());
  }
  for (const Input& input : problem.c.inputs) out << (input.conjugate ? " conj" : " -");
  return out.str();
}

void expect_bits_of_the_program(const Problem& problem, DType dtype, const Tensor& expected,
                                std::string_view target, int threads) {
  PlanOptions options;
  options.target = target;
  options.threads = threads;
  const Plan plan = Plan::make(problem.c, layouts_of(problem.views), {}, {}, options);
  const Tensor result = plan.run(problem.views);
  EXPECT_TRUE(same_bits(result, expected)) << describe(problem, dtype, target, threads);
}

// Where a sanitizer watches, memory is what is looked at, and a part of the problems is enough.
constexpr int kPart = BATCHDOT_SANITIZED ? 4 : 1;

// The targets for large problems: where a sanitizer watches, `scalar` would take minutes.
std::vector<std::string_view> fast_targets() {
  std::vector<std::string_view> all(targets().begin(), targets().end());
  if (BATCHDOT_SANITIZED && all.size() > 1 && all.back() == "scalar") all.pop_back();
  return all;
}

class EveryDType : public ::testing::TestWithParam<DType> {};

// K around the blocks of 128 and around cache blocks; every dtype, target, layout, and 1 to 8
// threads.
TEST_P(EveryDType, TwoOperandsGiveTheBitsOfTheScalarProgram) {
  std::mt19937 random(20261);
  for (const std::int64_t K : {0, 1, 2, 3, 127, 128, 129, 255, 256, 257, 511, 1000}) {
    for (int i = 0; i < 12 / kPart; ++i) {
      const Elements elements = i % 3 == 2 ? Elements::kExtreme : Elements::kOrdinary;
      const Problem problem = random_problem(random, GetParam(), 2, K, elements);
      const Tensor expected = scalar_program(problem.c, problem.views);
      for (const std::string_view target : targets()) {
        expect_bits_of_the_program(problem, GetParam(), expected, target, 1 + i % 8);
      }
    }
  }
}

TEST_P(EveryDType, OneAndManyOperandsGiveTheBitsOfTheScalarProgram) {
  std::mt19937 random(20262);
  for (int i = 0; i < 60 / kPart; ++i) {
    const int operands = 1 + i % 4;
    const Elements elements = i % 5 == 4 ? Elements::kExtreme : Elements::kOrdinary;
    const Problem problem = random_problem(random, GetParam(), operands, 0, elements);
    const Tensor expected = scalar_program(problem.c, problem.views);
    for (const std::string_view target : targets()) {
      expect_bits_of_the_program(problem, GetParam(), expected, target, 1 + i % 3);
    }
  }
}

std::vector<DType> computing_dtypes() {
  std::vector<DType> dtypes;
  for_each_dtype([&](auto record) {
    if (record.kComputes) dtypes.push_back(record);
  });
  return dtypes;
}
INSTANTIATE_TEST_SUITE_P(AllDTypes, EveryDType, ::testing::ValuesIn(computing_dtypes()),
                         [](const auto& row) { return std::string(row.param.name()); });

// Sizes that reach every tile, every tail and every cache block of the large-product path.
TEST(Bits, LargeProductsDoNotDependOnBlocksOrThreads) {
  std::mt19937 random(20263);
  const struct {
    std::int64_t M, N, K;
  } kCases[] = {{300, 300, 300}, {1, 1100, 700}, {1100, 3, 520}, {150, 1030, 257}, {49, 97, 385}};
  for (const auto& size : kCases) {
    for (const DType dtype : {DType(F32{}), DType(BF16{}), DType(C64{})}) {
      Problem problem;
      problem.c = matmul(Shape{size.M, size.K}, Shape{size.K, size.N});
      for (const Extents& extents : {Extents{size.M, size.K}, Extents{size.K, size.N}}) {
        problem.operands.push_back(
            random_operand(random, dtype, extents, Elements::kOrdinary, false));
        problem.views.push_back(problem.operands.back().view);
      }
      // One row and one column stand for all: the scalar program is slow.
      for (const std::string_view target : fast_targets()) {
        const Layout out(dtype, Extents{size.M, size.N});
        PlanOptions options;
        options.target = target;
        options.threads = 1;
        const Tensor whole =
            Plan::make(problem.c, layouts_of(problem.views), out, {}, options).run(problem.views);
        for (const int threads : {2, 5, 8}) {
          options.threads = threads;
          const Tensor again =
              Plan::make(problem.c, layouts_of(problem.views), out, {}, options).run(problem.views);
          EXPECT_TRUE(same_bits(whole, again)) << dtype.name() << target << threads;
        }
        const std::int64_t row = size.M / 2;
        const Contraction one_row = matmul(Shape{1, size.K}, Shape{size.K, size.N});
        const auto* bytes = static_cast<const std::byte*>(problem.views[0].data) +
                            row * size.K * static_cast<std::int64_t>(dtype.size_bytes());
        const std::vector<TensorView> row_views = {
            TensorView(bytes, Layout(dtype, Extents{1, size.K})), problem.views[1]};
        const Tensor expected = scalar_program(one_row, row_views);
        const std::size_t row_bytes = expected.size_bytes();
        EXPECT_EQ(0, std::memcmp(static_cast<const std::byte*>(whole.data()) +
                                     static_cast<std::size_t>(row) * row_bytes,
                                 expected.data(), row_bytes))
            << dtype.name() << target << " M " << size.M << " N " << size.N << " K " << size.K;
      }
    }
  }
}

// Layouts that the planner treats each in its own way: rhs contiguous along an outer axis of K,
// along an axis of N that is not the last, rows that fold in neither tensor, results that are
// streamed.
TEST(Bits, LayoutsThatArePackedByLinesKeepTheOrder) {
  std::mt19937 random(20269);
  const struct {
    const char* equation;
    std::vector<Shape> shapes;
    std::optional<DType> only = {};  // slow to judge
  } kCases[] = {
      {"acd,dbc->ab", {{9, 40, 50}, {50, 21, 40}}},
      {"aebf,dfce->abcd", {{3, 40, 5, 30}, {17, 30, 2, 40}}},
      {"efbad,cf->abcde", {{20, 5, 3, 2, 33}, {6, 5}}},
      {"efbd,bcf->bcde", {{49, 130, 2, 17}, {2, 3, 130}}},
      {"bda,dc->abc", {{3, 140, 150}, {140, 21}}},
      {"fbea,ecfd->dcba", {{5, 16, 60, 17}, {60, 4, 5, 20}}},
      {"fbea,ecfd->dcba", {{5, 16, 60, 17}, {60, 30, 5, 40}}, F32{}},  // two blocks of rows
      {"acd,dbc->ba", {{31, 40, 50}, {50, 70, 40}}},
      {"acd,dbc->ab", {{7, 16, 376}, {376, 470, 16}}, F32{}},  // two blocks of columns
      {"acd,bdc->ab", {{9, 40, 50}, {21, 50, 40}}},
      {"acd,debc->abe", {{9, 40, 50}, {50, 6, 7, 40}}},
      {"ikb,jkb->bij", {{20, 133, 19}, {21, 133, 19}}},
      {"ikb,jkb->bij", {{19, 7, 5}, {35, 7, 5}}},
      {"ikb,jkb->bij", {{130, 9, 18}, {70, 9, 18}}},  // more rows than a block of wide panels has
      {"ikb,bkj->bij", {{20, 133, 19}, {19, 133, 21}}},  // lhs alone lies so
      {"ikb,bkj->bij", {{290, 300, 5}, {5, 300, 7}}},    // of more rows and k than a block has
      {"ikb,bkj->bij", {{34, 1030, 5}, {5, 1030, 600}}, F32{}},
      {"ikb,bkj->bij", {{35, 9, 200}, {200, 9, 18}}},            // two lines of it
      {"fdabe,fc->edcba", {{7, 2, 33, 6, 40}, {7, 24}}, F32{}},  // groups that cross an axis
      {"bik,bkj->ijb", {{19, 20, 33}, {19, 33, 21}}},  // results of a group, stored together
      {"bik,bkj->ijb", {{70, 33, 3}, {70, 3, 21}}},
      {"cbik,cbkj->cijb", {{3, 10, 5, 4}, {3, 10, 4, 35}}},  // a group ends where the axis does
      {"bik,bkj->ijb", {{8, 16, 520}, {8, 520, 32}}},        // of more than one block of k
      {"bik,bkj->ijb", {{8, 16, 1030}, {8, 1030, 32}}},
      {"bik,bkj->ijb", {{8, 6, 2052}, {8, 2052, 7}}, I8{}},
      {"bik,bkj->jib", {{70, 4, 5}, {70, 5, 6}}},
      {"ikb,jkb->ijb", {{35, 9, 20}, {21, 9, 20}}},
      {"bikm,bjkn->imjnb", {{18, 7, 3, 5}, {18, 6, 3, 14}}},
      {"bik,bkj->ijb", {{64, 136, 3}, {64, 3, 140}}, F32{}},  // in two blocks of rows, streamed
      {"dabfe,fc->edbac", {{3, 5, 4, 7, 40}, {7, 24}}},
      {"dabfe,fc->edbac", {{3, 5, 4, 7, 20}, {7, 24}}},
      {"bik,bkj->bij", {{9, 16, 13}, {9, 13, 15}}},  // rows that fill no vector
      {"bik,bkj->bij", {{3, 45, 150}, {3, 150, 7}}},
      {"bki,bkj->bij", {{3, 150, 45}, {3, 150, 7}}},
      {"bik,bkj->bij", {{2, 67, 140}, {2, 140, 61}}},  // one panel of the wide tile, and two
      {"bik,bkj->bij", {{2, 41, 300}, {2, 300, 127}}},
      {"bik,bjk->bij", {{2, 41, 150}, {2, 128, 150}}},
      // Narrow rows as they lie, a few at a time, also where they follow a table; past the caches.
      {"bik,bjk->bij", {{3, 67, 101}, {3, 61, 101}}},
      {"iabk,akj->aibj", {{5, 3, 7, 101}, {3, 101, 40}}},
      {"aibk,akj->iabj", {{3, 5, 7, 101}, {3, 101, 40}}},
      {"bik,bkj->bij", {{1100, 128, 16}, {1100, 16, 64}}, F16{}},
      {"ik,kj->ij", {{2896, 3}, {3, 2912}}, F32{}},
      {"ik,kj->ij", {{2741, 3}, {3, 3072}}, F32{}},  // rows that meet in one bank of memory
      {"bik,bkj->bij", {{70000, 8, 8}, {70000, 8, 8}}, F32{}},  // tiny, past the caches
      // Tiny products of operands that are put together first: lines of items, one item at a time.
      {"bik,kjb->bij", {{70, 4, 4}, {4, 4, 70}}},
      {"bik,jkb->bij", {{37, 5, 7}, {6, 7, 37}}},
      {"ikb,kjb->ijb", {{4, 9, 70}, {9, 6, 70}}},
      {"cbik,ckjb->cbij", {{3, 20, 5, 4}, {3, 4, 6, 20}}},
      {"abik,bkja->abij", {{3, 20, 5, 4}, {20, 4, 6, 3}}},
      {"bki,bjk->bij", {{70, 4, 6}, {70, 5, 4}}},
      {"bik,bkj->bij", {{70, 4, 4}, {70, 4, 4}}},
      {"bik,bjk->bij", {{70, 1, 5}, {70, 6, 5}}},
      {"bik,bjk->bij", {{37, 7, 6}, {37, 1, 6}}},
      {"ikb,kjb->bij", {{18, 30, 33}, {30, 5, 33}}},  // lines of both
      {"ikb,kjb->jib", {{4, 9, 70}, {9, 6, 70}}},
      {"bik,bkj->bji", {{70, 7, 9}, {70, 9, 15}}},  // rows of the result side by side
      {"bki,bjk->bji", {{37, 8, 8}, {37, 8, 8}}},
      {"bik,bkj->jbi", {{37, 7, 6}, {37, 6, 8}}},
      {"bik,bkj->ibj", {{70, 7, 9}, {70, 9, 15}}},  // rows of all items are one run
      {"ibk,jbk->ibj", {{7, 37, 8}, {5, 37, 8}}},
      {"kbi,kbj->ibj", {{6, 37, 7}, {6, 37, 9}}},
      {"ibk,kbj->bij", {{7, 37, 5}, {5, 37, 6}}},
      {"bik,bkj->ijb", {{70, 7, 9}, {70, 9, 15}}},
      {"bik,bk->bi", {{70, 7, 9}, {70, 9}}},
      // Dot products of rows and of columns, and elementwise ones, as they lie or put side by side.
      {"bk,bk->b", {{37, 131}, {37, 131}}},
      {"bk,bk->b", {{37, 5}, {37, 5}}},
      {"kb,kb->b", {{133, 75}, {133, 75}}},
      {"kb,bk->b", {{133, 75}, {75, 133}}},
      {"akb,akb->ab", {{5, 3, 41}, {5, 3, 41}}},
      {"akb,akb->ba", {{5, 3, 41}, {5, 3, 41}}},
      {"abc,abc->abc", {{3, 7, 45}, {3, 7, 45}}},
      {"abc,abc->cba", {{3, 7, 45}, {3, 7, 45}}},
      {"abc,acb->abc", {{3, 37, 45}, {3, 45, 37}}},
      {"abc,bac->abc", {{3, 7, 45}, {7, 3, 45}}},
      {"a,a->a", {{20011}, {20011}}},
      {"k,k->", {{20011}, {20011}}},
      {"k,ki->i", {{300}, {300, 43}}},  // few rows, lhs or rhs, K or columns side by side
      {"ki,k->i", {{300, 43}, {300}}},
      {"ik,k->i", {{43, 300}, {300}}},
      {"k,ik->i", {{300}, {43, 300}}},
      {"ki,kj->ij", {{5001, 2}, {5001, 3}}},
      {"ik,k->i", {{3, 5001}, {5001}}},
      {"bik,bkj->bij", {{3, 4, 150}, {3, 150, 35}}},
      {"bik,bjk->bij", {{3, 3, 150}, {3, 35, 150}}},
      {"bik,bjk->bij", {{3, 35, 150}, {3, 2, 150}}},
      {"ik,kj->ij", {{2100, 3}, {3, 2048}}, C64{}},  // past the caches, from scratch
      {"ik,kj->ij", {{2061, 3}, {3, 2049}}, C64{}},
      {"ik,kj->ij", {{2100, 4}, {4, 2064}}, I8{}},  // past the caches by way of the first one
      {"ik,kj->ij", {{170000, 5}, {5, 32}}, I8{}},
      {"bik,bkj->bij",
       {{2, 75, 1092}, {2, 1092, 45}},
       I8{}},  // two blocks of k in place, and packed
      {"bki,bjk->bij", {{2, 1091, 75}, {2, 45, 1091}}, I8{}},
      {"ik,kj->ij", {{70, 75}, {75, 1102}}, I8{}},  // some words of all columns at a time
  };
  for (const auto& test : kCases) {
    for (const DType dtype :
         {DType(F32{}), DType(F64{}), DType(BF16{}), DType(F16{}), DType(C64{}), DType(I8{})}) {
      if (test.only && dtype != *test.only) continue;
      // The sanitizers watch addresses, which are alike for the others.
      if (BATCHDOT_SANITIZED && dtype != DType(F32{}) && dtype != DType(BF16{}) &&
          dtype != DType(C64{})) {
        continue;
      }
      Problem problem;
      problem.c = einsum(test.equation, test.shapes);
      for (const Shape& shape : test.shapes) {
        problem.operands.push_back(
            random_operand(random, dtype, shape.extents(), Elements::kOrdinary, false));
        problem.views.push_back(problem.operands.back().view);
      }
      // Values are judged without sanitizers, under which the scalar program takes most of the
      // time.
      const Tensor expected = BATCHDOT_SANITIZED ? evaluate(problem.c, problem.views)
                                                 : scalar_program(problem.c, problem.views);
      for (const std::string_view target : fast_targets()) {
        for (const int threads : {1, 3}) {
          expect_bits_of_the_program(problem, dtype, expected, target, threads);
        }
      }
    }
  }
}

// A running sum that is handed on from call to call: K is longer than one call of the kernel takes.
// The columns of rhs overlap in memory, so that it is small.
TEST(Bits, VeryLongRowsKeepTheOrder) {
  std::mt19937 random(20270);
  const std::int64_t N = BATCHDOT_SANITIZED ? 2 : 16, K = (std::int64_t{1} << 21) + 300;
  const Operand lhs = random_operand(random, F32{}, {K}, Elements::kOrdinary, false);
  const Operand memory = random_operand(random, F32{}, {N + K}, Elements::kOrdinary, false);
  const auto* columns = memory.memory.elements<float>().data();
  Problem problem;
  problem.c = einsum("k,nk->n", {Shape{K}, Shape{N, K}});
  problem.views = {lhs.view, TensorView(columns, Layout(F32{}, Extents{N, K}, Strides{1, 1}))};
  const Tensor expected = scalar_program(problem.c, problem.views);
  for (const std::string_view target : fast_targets()) {
    expect_bits_of_the_program(problem, F32{}, expected, target, 1);
  }
}

Problem problem_of(std::mt19937& random, const char* equation, const std::vector<Shape>& shapes,
                   DType dtype, bool any_layout) {
  Problem problem;
  problem.c = einsum(equation, shapes);
  for (const Shape& shape : shapes) {
    problem.operands.push_back(
        random_operand(random, dtype, shape.extents(), Elements::kOrdinary, any_layout));
    problem.views.push_back(problem.operands.back().view);
  }
  return problem;
}

// Few elements and a long K: its block sums are listed and added in order. Around the least K that
// is cut for few chains, and the least that is shared by threads, with all that may be left behind
// the whole blocks, in any layout.
TEST_P(EveryDType, AKThatIsCutKeepsTheOrder) {
  std::mt19937 random(20273);
  constexpr std::int64_t kFew = 4096, kShared = std::int64_t{1} << 19;
  const struct {
    const char* equation;
    std::vector<Shape> shapes;
  } kCases[] = {
      {"k,k->", {{kFew - 1}, {kFew - 1}}},
      {"k,k->", {{kFew}, {kFew}}},
      {"k,k->", {{kFew + 1}, {kFew + 1}}},
      {"k->", {{kFew + 127}}},
      {"bk,bk->b", {{1, kFew + 129}, {1, kFew + 129}}},
      {"bk,k->b", {{3, kFew + 9}, {kFew + 9}}},
      {"ak,bk->ab", {{2, kFew + 255}, {3, kFew + 255}}},
      {"k,k->", {{kShared - 1}, {kShared - 1}}},
      {"k,k->", {{kShared}, {kShared}}},
      {"k,k->", {{kShared + 1}, {kShared + 1}}},
      {"bk,bk->b", {{2, kShared + 70}, {2, kShared + 70}}},
      {"bk,bk->b", {{3, kShared / 2}, {3, kShared / 2}}},
  };
  for (const auto& test : kCases) {
    const std::int64_t K = test.shapes[0].extents().back();
    const bool is_long = K >= kShared / 2;
    if (BATCHDOT_SANITIZED && is_long && K != kShared + 1) continue;
    for (const bool any_layout : {false, true}) {
      if (is_long && any_layout != (K % 2 == 0)) continue;  // slow to judge
      const Problem problem =
          problem_of(random, test.equation, test.shapes, GetParam(), any_layout);
      const Tensor expected = scalar_program(problem.c, problem.views);
      for (const std::string_view target : fast_targets()) {
        for (const int threads : {1, 2, 7}) {
          if (is_long && threads == 1) continue;
          expect_bits_of_the_program(problem, GetParam(), expected, target, threads);
        }
      }
    }
  }
}

TEST(Bits, KIsCutFromACertainLengthOn) {
  const auto is_cut = [](DType dtype, std::int64_t K, int threads) {
    const Layout row(dtype, Extents{K});
    PlanOptions options;
    options.threads = threads;
    return Plan::make(einsum("k,k->", {Shape{K}, Shape{K}}), {row, row}, options)
               .facts()
               .block_sums > 0;
  };
  constexpr std::int64_t kShared = std::int64_t{1} << 19;
  EXPECT_FALSE(is_cut(F32{}, 10 * kShared, 1));
  for (const std::int64_t K : {kShared - 1, kShared}) EXPECT_EQ(is_cut(F32{}, K, 2), K == kShared);
  const bool has_vectors = default_target() != "scalar";
  EXPECT_FALSE(is_cut(F16{}, 4095, 1));
  EXPECT_EQ(is_cut(F16{}, 4096, 1), has_vectors);
}

// Strides that are negative or far, and subnormals, infinities and zeros of both signs.
TEST_P(EveryDType, AKThatIsCutMayLieAnyhow) {
  std::mt19937 random(20274);
  constexpr std::int64_t K = (std::int64_t{1} << 18) + 77;  // twice: enough for two threads
  for (const std::int64_t stride : {1, -1, 5, -3, 0}) {
    if (BATCHDOT_SANITIZED && stride != -3) continue;
    Problem problem;
    problem.c = einsum("bk,bk->b", {Shape{2, K}, Shape{2, K}});
    const std::int64_t length = std::llabs(stride) * 2 * (K + 3) + 1;
    for (const bool is_first : {true, false}) {
      const Elements elements =
          stride == 5 || stride == 0 ? Elements::kExtreme : Elements::kOrdinary;
      problem.operands.push_back(random_operand(random, GetParam(), {length}, elements, false));
      const Layout layout(
          GetParam(), Extents{2, K},
          is_first ? Strides{stride * (K + 3), stride} : Strides{stride, 2 * stride});
      const auto* memory = static_cast<const std::byte*>(problem.operands.back().memory.data());
      const std::int64_t begin = stride < 0 ? length - 1 : 0;
      problem.views.emplace_back(
          memory + begin * static_cast<std::int64_t>(GetParam().size_bytes()), layout);
    }
    const Tensor expected = scalar_program(problem.c, problem.views);
    for (const std::string_view target : fast_targets()) {
      for (const int threads : {2, 5}) {
        expect_bits_of_the_program(problem, GetParam(), expected, target, threads);
      }
    }
  }
}

// Axes along which an operand does not move, as broadcast views have them.
TEST_P(EveryDType, RowsAndColumnsMayAllBeOne) {
  std::mt19937 random(20275);
  constexpr std::int64_t M = 75, N = 45, K = 200;
  for (const bool is_lhs : {true, false}) {
    Problem problem;
    problem.c = matmul(Shape{M, K}, Shape{K, N});
    problem.operands.push_back(
        random_operand(random, GetParam(), {M * K}, Elements::kOrdinary, false));
    problem.operands.push_back(
        random_operand(random, GetParam(), {K * N}, Elements::kOrdinary, false));
    problem.views.emplace_back(
        problem.operands[0].memory.data(),
        Layout(GetParam(), Extents{M, K}, is_lhs ? Strides{0, 1} : Strides{K, 1}));
    problem.views.emplace_back(
        problem.operands[1].memory.data(),
        Layout(GetParam(), Extents{K, N}, is_lhs ? Strides{N, 1} : Strides{1, 0}));
    const Tensor expected = scalar_program(problem.c, problem.views);
    for (const std::string_view target : fast_targets()) {
      expect_bits_of_the_program(problem, GetParam(), expected, target, 1);
    }
  }
}

// The addition of two block sums flushes as the sums themselves do.
TEST(Bits, BlockSumsOfBF16AreAddedInFlushMode) {
  const std::int64_t K = 5000;
  Tensor lhs(BF16{}, {K}), rhs(BF16{}, {K});
  const auto set = [](Tensor& tensor, std::size_t k, float value) {
    tensor.elements<BF16::Element>()[k] = kernel::convert<BF16::Element>(value);
  };
  set(lhs, 1, 0x1.8p-63f);
  set(lhs, 130, -0x1p-63f);
  set(rhs, 1, 0x1p-63f);
  set(rhs, 130, 0x1p-63f);
  Problem problem;
  problem.c = einsum("k,k->", {Shape{K}, Shape{K}});
  problem.views = {lhs, rhs};
  const Tensor expected = scalar_program(problem.c, problem.views);
  EXPECT_TRUE(same_bits(expected, Tensor(BF16{}, {})));
  for (const std::string_view target : targets()) {
    expect_bits_of_the_program(problem, BF16{}, expected, target, 1);
  }
}

// Columns of the result further apart than an int says, in memory of which few pages exist.
TEST(Bits, ColumnsOfTheResultMayLieFarApart) {
  constexpr std::int64_t kItems = 5, kRows = 7, kColumns = 2, kDepth = 4;
  constexpr std::int64_t kApart = (std::int64_t{1} << 31) + 64;
  constexpr std::size_t kBytes = static_cast<std::size_t>(kApart + kItems * kRows) * 8;
  void* const memory = mmap(nullptr, kBytes, PROT_READ | PROT_WRITE,
                            MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (memory == MAP_FAILED) GTEST_SKIP() << "17 GB of addresses are not to be had here";
  std::mt19937 random(20282);
  for (const DType dtype : {DType(C64{}), DType(F64{})}) {
    const Problem problem =
        problem_of(random, "bmk,bkn->bmn", {{kItems, kRows, kDepth}, {kItems, kDepth, kColumns}},
                   dtype, false);
    const Layout out(dtype, Extents{kItems, kRows, kColumns}, Extents{kRows, 1, kApart});
    const Tensor expected = scalar_program(problem.c, problem.views);
    for (const std::string_view target : targets()) {
      PlanOptions options;
      options.target = target;
      const Plan plan = Plan::make(problem.c, layouts_of(problem.views), out, {}, options);
      plan.run(problem.views, MutableTensorView(memory, out));
      EXPECT_TRUE(same_bits(dense(TensorView(memory, out)), expected)) << dtype.name() << target;
    }
  }
  munmap(memory, kBytes);
}

// A row alone equals the row inside a batch, whatever stands beside it.
TEST(Bits, AnElementDependsOnItsOwnRowAndColumn) {
  std::mt19937 random(20264);
  const Operand q = random_operand(random, F32{}, {6, 40, 64}, Elements::kOrdinary, false);
  const Operand k = random_operand(random, F32{}, {6, 64, 50}, Elements::kOrdinary, false);
  const Tensor all = matmul(q.view, k.view);
  const float* rows = q.memory.elements<float>().data();
  const float* columns = k.memory.elements<float>().data();
  for (std::int64_t b = 0; b < 6; ++b) {
    for (const std::int64_t row : {0, 7, 39}) {
      const TensorView one_row(rows + (b * 40 + row) * 64, {1, 64});
      const TensorView item(columns + b * 64 * 50, {64, 50});
      const Tensor alone = matmul(one_row, item);
      EXPECT_EQ(0, std::memcmp(alone.data(), all.elements<float>().data() + (b * 40 + row) * 50,
                               50 * sizeof(float)));
    }
  }
}

TEST(Bits, TheCallersFloatingPointModeChangesNothing) {
  std::mt19937 random(20265);
  const Problem problem = random_problem(random, F32{}, 2, 129, Elements::kExtreme);
  const Tensor expected = scalar_program(problem.c, problem.views);
#if defined(__x86_64__)
  const unsigned saved = _mm_getcsr();
  _mm_setcsr(0xFFC0u);  // round toward zero, flush
  const Tensor result = evaluate(problem.c, problem.views);
  EXPECT_EQ(_mm_getcsr() & ~0x3Fu, 0xFFC0u);
  _mm_setcsr(saved);
  EXPECT_TRUE(same_bits(result, expected));
#else
  GTEST_SKIP() << "only x86-64 is set up here";
#endif
}

// Some labels of the output, in any order.
Labels some_labels(std::mt19937& random, const Contraction& c) {
  Labels labels;
  for (const Label label : c.output) {
    if (random() % 2 == 0) labels.push_back(label);
  }
  if (labels.size() > 1 && random() % 2 == 0) std::swap(labels[0], labels[1]);
  return labels;
}

// One of many epilogues: each step is there or not.
struct Ending {
  Epilogue epilogue;
  Operand old, scale, bias;
  LastSteps steps() const { return {epilogue, old.view, scale.view, bias.view}; }
};

Ending random_ending(std::mt19937& random, const Contraction& c, DType out, Elements elements,
                     bool any_layout = true) {
  const bool is_integer = out == DType(I32{}) || out == DType(I64{});
  const bool is_complex = out == DType(C64{}) || out == DType(C128{});
  const auto pick = [&](double a, double b, double c0, double d) {
    const double all[] = {a, b, c0, d};
    return all[random() % 4];
  };
  const auto operand = [&](DType dtype, Operand& memory) {
    const Labels labels = some_labels(random, c);
    Extents extents;
    for (const Label label : labels) extents.push_back(c.extents[label].extent());
    memory = random_operand(random, dtype, extents, elements);
    return Epilogue::Operand{memory.view.layout, labels};
  };
  Ending ending;
  Epilogue& e = ending.epilogue;
  e.alpha = is_integer ? pick(1, 1, 3, -7) : pick(1, 1, 0.3, -1.7);
  e.beta = is_integer ? pick(0, 0, 1, -5) : pick(0, 0, 1, -0.7);
  ending.old = random_operand(random, out, result_shape(c).extents(), elements, any_layout);
  const DType real = out == DType(C64{}) ? DType(F32{}) : out == DType(C128{}) ? F64{} : out;
  if (random() % 2 == 0) e.scale = operand(real, ending.scale);
  if (random() % 2 == 0) e.bias = operand(out, ending.bias);
  if (!is_complex) {
    e.activation = static_cast<Activation>(random() % (is_integer ? 2 : kernel::kActivations));
  }
  // A lone operand without an ending is copied in its own dtype; that is tested elsewhere.
  const bool is_plain = e.alpha == 1 && e.beta == 0 && !e.scale && !e.bias;
  if (is_plain && e.activation == Activation::kNone) e.alpha = -3;
  return ending;
}

void expect_ending_of_the_program(const Problem& problem, DType dtype, const Ending& ending,
                                  int threads) {
  const Tensor expected = scalar_program(problem.c, problem.views, ending.steps());
  std::vector<TensorView> views = problem.views;
  if (ending.epilogue.scale) views.push_back(ending.scale.view);
  if (ending.epilogue.bias) views.push_back(ending.bias.view);
  for (const std::string_view target : targets()) {
    PlanOptions options;
    options.target = target;
    options.threads = threads;
    const Plan plan = Plan::make(problem.c, layouts_of(problem.views), ending.old.view.layout,
                                 ending.epilogue, options);
    Tensor memory = ending.old.memory;
    const auto first = static_cast<const std::byte*>(ending.old.view.data) -
                       static_cast<const std::byte*>(ending.old.memory.data());
    auto* out = static_cast<std::byte*>(memory.data()) + first;
    plan.run(views, MutableTensorView(out, ending.old.view.layout));
    const Epilogue& e = ending.epilogue;
    ASSERT_TRUE(same_bits(dense(TensorView(out, ending.old.view.layout)), expected))
        << describe(problem, dtype, target, threads) << " alpha " << e.alpha << " beta " << e.beta
        << " scale " << e.scale.has_value() << " bias " << e.bias.has_value() << " activation "
        << static_cast<int>(e.activation) << " out strides "
        << to_string(ending.old.view.strides());
  }
}

// Every step of an epilogue alone and with the others, any layout of out, scale and bias.
TEST_P(EveryDType, EpiloguesGiveTheBitsOfTheScalarProgram) {
  std::mt19937 random(20271);
  const DType out = GetParam().result();
  for (int i = 0; i < 200 / kPart; ++i) {
    const Elements elements = i % 4 == 3 ? Elements::kExtreme : Elements::kOrdinary;
    const Problem problem =
        random_problem(random, GetParam(), 1 + i % 3, i % 3 == 1 ? 1 + i : 0, elements);
    const Ending ending = random_ending(random, problem.c, out, elements);
    expect_ending_of_the_program(problem, GetParam(), ending, 1 + i % 3);
    if (HasFatalFailure()) return;
  }
}

// Each form of a step, and rows longer than what is finished at a time.
TEST_P(EveryDType, EpiloguesOfEachFormGiveTheBitsOfTheScalarProgram) {
  std::mt19937 random(20272);
  const struct {
    const char* equation;
    std::vector<Shape> shapes;
  } kCases[] = {
      {"bmk,bkn->bmn", {{2, 5, 9}, {2, 9, 530}}},
      {"bmk,bkn->bmn", {{3, 19, 150}, {3, 150, 21}}},
      {"bmk,bkn->mnb", {{18, 19, 15}, {18, 15, 21}}},  // tiny, and tiles
      {"bmk,bkn->mnb", {{18, 35, 9}, {18, 9, 21}}},
      {"bmk,bkn->bmn", {{7, 4, 4}, {7, 4, 4}}},
      {"bmk,bkn->bnm", {{37, 7, 4}, {37, 4, 6}}},
      {"bmk,bkn->mbn", {{37, 7, 4}, {37, 4, 6}}},
      {"bk,bk->b", {{300, 12}, {300, 12}}},
      {"kb,kb->b", {{12, 300}, {12, 300}}},
      {"ab,ab->ba", {{23, 41}, {23, 41}}},
      {"k,nk->n", {{70}, {291, 70}}},
      {"k,kn->n", {{70}, {70, 91}}},
      {"mk,nk->mn", {{3, 70}, {41, 70}}},
      {"abk->ba", {{23, 17, 3}}},
  };
  for (const auto& test : kCases) {
    Problem problem;
    problem.c = einsum(test.equation, test.shapes);
    for (const Shape& shape : test.shapes) {
      problem.operands.push_back(
          random_operand(random, GetParam(), shape.extents(), Elements::kOrdinary, false));
      problem.views.push_back(problem.operands.back().view);
    }
    for (int i = 0; i < 12 / kPart; ++i) {
      const Ending ending =
          random_ending(random, problem.c, GetParam().result(), Elements::kOrdinary);
      expect_ending_of_the_program(problem, GetParam(), ending, 1 + i % 2);
      if (HasFatalFailure()) return;
    }
  }
}

// The sums of tiny products are finished a few items at a time: of a dense result in one run, else
// in rows; items that do not fill the last chunk, or a line of the batch; the result also past the
// caches.
TEST(Bits, EpiloguesOfTinyProductsGiveTheBitsOfTheScalarProgram) {
  std::mt19937 random(20278);
  const struct {
    const char* equation;
    std::vector<Shape> shapes;
  } kCases[] = {
      {"bmk,bkn->bmn", {{150, 4, 4}, {150, 4, 4}}},
      {"bmk,bkn->bmn", {{37, 8, 8}, {37, 8, 8}}},
      {"bmk,bkn->bmn", {{5, 32, 32}, {5, 32, 32}}},
      {"bmk,bkn->bmn", {{130, 3, 2}, {130, 2, 5}}},
      {"bmk,bkn->bmn", {{90, 1, 3}, {90, 3, 6}}},
      {"bmk,bkn->bmn", {{90, 6, 3}, {90, 3, 1}}},
      {"bmk,bkn->bmn", {{70, 4, 0}, {70, 0, 4}}},
      {"mk,kn->mn", {{17, 64}, {64, 31}}},
      {"bmk,bnk->bnm", {{80, 5, 9}, {80, 7, 9}}},
      {"bmk,bkn->mbn", {{80, 20, 9}, {80, 9, 4}}},
      {"abmk,abkn->abmn", {{3, 70, 4, 4}, {3, 70, 4, 4}}},
  };
  for (const DType dtype : {DType(F32{}), DType(F64{}), DType(F16{}), DType(C64{})}) {
    for (const auto& test : kCases) {
      const Problem problem = problem_of(random, test.equation, test.shapes, dtype, false);
      for (int i = 0; i < 24 / kPart; ++i) {
        const Elements elements = i % 8 == 7 ? Elements::kExtreme : Elements::kOrdinary;
        const Ending ending = random_ending(random, problem.c, dtype, elements, i % 3 == 2);
        for (const int threads : {1, 3}) {
          expect_ending_of_the_program(problem, dtype, ending, threads);
          if (HasFatalFailure()) return;
        }
      }
    }
  }
  const Problem far =
      problem_of(random, "bmk,bkn->bmn", {{70000, 8, 1}, {70000, 1, 8}}, F32{}, false);
  for (const double beta : {0.0, -0.7}) {
    Ending ending;
    ending.epilogue.beta = beta;
    ending.epilogue.activation = Activation::kRelu;
    ending.old = random_operand(random, F32{}, {70000, 8, 8}, Elements::kOrdinary, false);
    ending.bias = random_operand(random, F32{}, {8}, Elements::kOrdinary, false);
    ending.epilogue.bias = Epilogue::Operand{ending.bias.view.layout, Labels{far.c.output[2]}};
    expect_ending_of_the_program(far, F32{}, ending, 3);
    if (HasFatalFailure()) return;
  }
}

// The same where K is cut: the sum of block sums is finished as any sum.
TEST_P(EveryDType, EpiloguesOfAKThatIsCutGiveTheBitsOfTheScalarProgram) {
  std::mt19937 random(20275);
  const Problem problem =
      problem_of(random, "abk,abk->ab", {{2, 3, 175'100}, {2, 3, 175'100}}, GetParam(), false);
  for (int i = 0; i < 4 / kPart; ++i) {
    const Ending ending = random_ending(random, problem.c, GetParam().result(),
                                        i % 4 == 3 ? Elements::kExtreme : Elements::kOrdinary);
    expect_ending_of_the_program(problem, GetParam(), ending, 7);
    if (HasFatalFailure()) return;
  }
}

// Narrow operands that are to be computed in f32 follow the order of f32, not that of their own
// type.
TEST(Bits, ComputingInF32IsTheSameAsWideningFirst) {
  std::mt19937 random(20268);
  const Contraction c = einsum("bmk,bkn->bmn", {Shape{2, 9, 131}, Shape{2, 131, 18}});
  for (const DType dtype : {DType(BF16{}), DType(F16{})}) {
    std::vector<Operand> narrow, wide;
    for (const Input& input : c.inputs) {
      narrow.push_back(
          random_operand(random, dtype, input.shape.extents(), Elements::kExtreme, false));
      wide.push_back({Tensor(F32{}, input.shape.extents()), {}});
      dtype.visit([&](auto record) {
        using Element = typename decltype(record)::Element;
        float* to = wide.back().memory.elements<float>().data();
        for (const Element x : narrow.back().memory.elements<Element>()) {
          *to++ = kernel::convert<float>(x);
        }
      });
      wide.back().view = wide.back().memory;
    }
    PlanOptions options;
    options.compute_dtype = F32{};
    const std::vector<Layout> layouts = {narrow[0].view.layout, narrow[1].view.layout};
    const Tensor result = Plan::make(c, layouts, options).run({narrow[0].view, narrow[1].view});
    EXPECT_TRUE(
        same_bits(result, scalar_program(c, std::vector<TensorView>{wide[0].view, wide[1].view})))
        << dtype.name();
  }
}

// Rows around the blocks of 256 keys; excluded keys (-inf), zeros of both signs, huge and tiny
// numbers.
TEST(Bits, SoftmaxIsTheSameOnEveryTargetAndForEveryRowAlone) {
  std::mt19937 random(20266);
  for (const DType dtype : {DType(F32{}), DType(F64{}), DType(F16{}), DType(BF16{})}) {
    for (const std::int64_t count : {1, 2, 15, 16, 17, 255, 256, 257, 300, 513, 1000}) {
      const Operand rows = random_operand(random, dtype, {3, count}, Elements::kExtreme);
      PlanOptions options;
      options.target = "scalar";
      options.threads = 1;
      const Tensor expected =
          Plan::softmax(rows.view.layout, 1, {}, options).run(std::span(&rows.view, 1));
      for (const std::string_view target : targets()) {
        options.target = target;
        options.threads = 2;
        const Tensor result =
            Plan::softmax(rows.view.layout, 1, {}, options).run(std::span(&rows.view, 1));
        EXPECT_TRUE(same_bits(result, expected)) << dtype.name() << ' ' << target << ' ' << count;
      }
    }
  }
}

// Digests of fixed problems. A line that changes is a change of the numeric promise: a major
// version.
TEST(Bits, DigestsAreThoseOfTheTable) {
  std::ifstream table(BATCHDOT_SOURCE_DIR "/tests/bits/digests.txt");
  ASSERT_TRUE(table) << "tests/bits/digests.txt is missing";
  std::map<std::string, std::string> known;
  for (std::string line; std::getline(table, line);) {
    if (line.empty() || line[0] == '#') continue;
    std::istringstream fields(line);
    std::string name, value;
    fields >> name >> value;
    known[name] = value;
  }
  std::ostringstream fresh;
  for (const DType dtype : computing_dtypes()) {
    for (const std::int64_t K : {1, 127, 128, 129, 257, 1000}) {
      std::mt19937 random(static_cast<unsigned>(K));
      const Contraction c = einsum("bmk,bkn->bmn", std::vector<Shape>{{3, 5, K}, {3, K, 9}});
      const Operand lhs = random_operand(random, dtype, {3, 5, K}, Elements::kExtreme, false);
      const Operand rhs = random_operand(random, dtype, {3, K, 9}, Elements::kExtreme, false);
      std::ostringstream name, value;
      name << dtype.name() << "-K" << K;
      value << std::hex << digest(evaluate(c, std::vector<TensorView>{lhs.view, rhs.view}));
      fresh << name.str() << ' ' << value.str() << '\n';
      EXPECT_EQ(known[name.str()], value.str()) << name.str();
    }
  }
  for (const DType dtype : {DType(F32{}), DType(F64{}), DType(F16{}), DType(BF16{})}) {
    std::mt19937 random(7);
    const Operand rows = random_operand(random, dtype, {4, 700}, Elements::kOrdinary, false);
    std::ostringstream name, value;
    name << dtype.name() << "-softmax";
    value << std::hex << digest(softmax(rows.view, -1));
    fresh << name.str() << ' ' << value.str() << '\n';
    EXPECT_EQ(known[name.str()], value.str()) << name.str();
  }
  constexpr std::string_view kNames[kernel::kActivations] = {"none", "relu", "gelu", "gelu_tanh",
                                                             "tanh"};
  for (const DType dtype : {DType(F32{}), DType(F64{}), DType(F16{}), DType(BF16{})}) {
    for (std::size_t i = 1; i < std::size(kNames); ++i) {
      std::mt19937 random(static_cast<unsigned>(i));
      const Contraction c = einsum("m,n->mn", std::vector<Shape>{{70}, {30}});
      const Operand lhs = random_operand(random, dtype, {70}, Elements::kExtreme, false);
      const Operand rhs = random_operand(random, dtype, {30}, Elements::kExtreme, false);
      Epilogue epilogue;
      epilogue.alpha = 4;
      epilogue.activation = static_cast<Activation>(i);
      const std::vector<TensorView> views = {lhs.view, rhs.view};
      std::ostringstream name, value;
      name << dtype.name() << '-' << kNames[i];
      value << std::hex << digest(Plan::make(c, layouts_of(views), {}, epilogue).run(views));
      fresh << name.str() << ' ' << value.str() << '\n';
      EXPECT_EQ(known[name.str()], value.str()) << name.str();
    }
  }
  if (HasFailure()) std::cout << "as computed now:\n" << fresh.str();
}

}  // namespace
}  // namespace batchdot::bits
