// SPDX-License-Identifier: Apache-2.0
// Tiny steps as they are chosen for made-up problems.
#include <gtest/gtest.h>

#include "src/plan/choose_kernel_test_support.h"

namespace batchdot {
namespace {

TEST(ChooseTiny, TinyProductsRunManyToACallOrSayWhyNot) {
  kernel::ArithmeticKernels kernels = made_up_kernels();
  kernels.tiny = [](const kernel::TinyCall&) {};
  const auto tiny = [&](std::int64_t b, std::int64_t M, std::int64_t N, std::int64_t K) {
    ContractStep step = product(b, M, N, K);
    step.kernels = &kernels;
    return step;
  };
  ContractStep step = tiny(200000, 4, 4, 4);
  EXPECT_FALSE(is_refused(choose(step), "tiny"));
  EXPECT_EQ(step.form, ContractStep::Form::kTiny);
  EXPECT_EQ(step.task_bytes, 0u);
  EXPECT_EQ(step.items, 49);  // 4096 products each
  ContractStep shared = tiny(10, 16, 16, 64);
  choose(shared, 3);
  EXPECT_EQ(shared.items, 3);  // 4 products each: no task is without work
  EXPECT_FALSE(shared.tiny.asks);
  EXPECT_FALSE(shared.tiny.asks_early);
  // Past the caches: more than 16 MiB without gaps, wide vectors and a short K.
  const auto streams = [&](std::int64_t batch, std::int64_t K, std::int64_t gap, int NV) {
    kernel::ArithmeticKernels wide = kernels;
    wide.NV = NV;
    ContractStep product = tiny(batch, 16, 16, K);
    product.kernels = &wide;
    product.folded.m[0].out += gap;
    choose(product);
    return product.tiny.streams;
  };
  EXPECT_TRUE(streams(16385, 16, 0, 4));
  EXPECT_FALSE(streams(16384, 16, 0, 4));
  EXPECT_FALSE(streams(16385, 17, 0, 4));
  EXPECT_FALSE(streams(16385, 16, 1, 4));
  EXPECT_FALSE(streams(16385, 16, 0, 2));
  ContractStep near = tiny(200, 32, 32, 32);  // in L3
  choose(near);
  EXPECT_TRUE(near.tiny.asks_early);
  ContractStep far = tiny(5000, 32, 32, 32);
  choose(far);
  EXPECT_TRUE(far.tiny.asks);
  for (ContractStep empty : {tiny(0, 4, 4, 4), tiny(2, 0, 4, 4), tiny(2, 4, 0, 4)}) {
    choose(empty);
    EXPECT_EQ(empty.items, 0);
  }
  const auto is_refused_after = [&](auto change) {
    ContractStep changed = tiny(10, 4, 4, 4);
    change(changed);
    return is_refused(choose(changed), "tiny");
  };
  using S = ContractStep&;
  EXPECT_FALSE(is_refused_after([](S s) { s.folded.m[0].lhs = 9; }));
  EXPECT_FALSE(is_refused_after([](S s) {
    s.folded.n[0].rhs = 5;
    s.folded.k[0].rhs = 1;
  }));
  EXPECT_TRUE(is_refused_after([](S s) { s.folded.M = 33; }));
  EXPECT_FALSE(is_refused_after([](S s) { s.folded.N = 32; }));
  EXPECT_TRUE(is_refused_after([](S s) { s.folded.N = 33; }));
  EXPECT_FALSE(is_refused_after([](S s) {
    s.folded.N = 32;
    s.folded.n[0].rhs = 5;
    s.folded.k[0].rhs = 1;
  }));
  EXPECT_TRUE(is_refused_after([](S s) { s.folded.K = 65; }));
  EXPECT_TRUE(is_refused_after([](S s) { s.folded.k = {{2, 40, 70, 0, 0}, {2, 1, 4, 0, 0}}; }));
  EXPECT_FALSE(is_refused_after([](S s) { s.finish.beta = 1; }));
  EXPECT_FALSE(is_refused_after([](S s) { s.folded.n[0].out = 5; }));
  static const kernel::ArithmeticKernels kNone = made_up_kernels();
  EXPECT_TRUE(is_refused_after([](S s) { s.kernels = &kNone; }));
}

// Operands that are converted, or cannot be read where they lie, are put together a few items at a
// time: whole lines of them, without gaps.
TEST(ChooseTiny, TinyOperandsArePackedOnlyWhereTheyHaveToBe) {
  kernel::ArithmeticKernels kernels = made_up_kernels();
  kernels.tiny = [](const kernel::TinyCall&) {};
  const auto tiny_after = [&](auto change) {
    ContractStep step = product(900, 4, 6, 8);
    step.kernels = &kernels;
    change(step);
    const std::vector<Refusal> refused = choose(step);
    EXPECT_EQ(step.form, ContractStep::Form::kTiny);
    EXPECT_EQ(is_refused(refused, "lhs in place"), step.packs_lhs);
    EXPECT_EQ(is_refused(refused, "rhs in place"), step.packs_rhs);
    EXPECT_EQ(step.task_bytes, tiny_scratch(step).bytes);
    EXPECT_EQ(step.blocking.row_block % 16, 4 * !(step.packs_lhs || step.packs_rhs));
    return step;
  };
  using S = ContractStep&;
  const ContractStep dense = tiny_after([](S) {});
  EXPECT_FALSE(dense.packs_lhs || dense.packs_rhs);
  EXPECT_EQ(dense.task_bytes, 0u);
  EXPECT_FALSE(tiny_after([](S s) { s.folded.m[0].lhs = 9; }).packs_lhs);
  EXPECT_FALSE(tiny_after([](S s) {
                 s.folded.n[0].rhs = 9;
                 s.folded.k[0].rhs = 1;
               }).packs_rhs);

  const ContractStep apart = tiny_after([](S s) { s.folded.n[0].rhs = 5; });
  EXPECT_TRUE(apart.packs_rhs && !apart.packs_lhs);
  EXPECT_TRUE(apart.is_direct);
  EXPECT_EQ(apart.tiny.b_item, 48);
  EXPECT_EQ(apart.tiny.b_k, 6);
  EXPECT_EQ(apart.tiny.b_column, 1);
  EXPECT_EQ(tiny_scratch(apart).chunk, 16);  // of 192 bytes each
  EXPECT_EQ(apart.task_bytes, 16u * 192 + 64);

  const ContractStep along_batch = tiny_after([](S s) {
    s.folded.batch[0] = {900, 1, 1, 24, 0};
    s.folded.m[0].lhs = 8 * 900;
    s.folded.k[0].lhs = 900;
    s.folded.n[0].rhs = 900;
    s.folded.k[0].rhs = 6 * 900;
  });
  EXPECT_TRUE(along_batch.packs_rhs && !along_batch.packs_lhs);  // lhs is broadcast from anywhere
  EXPECT_EQ(along_batch.tiny.a_k, 900);
  // Lines of large items, and items that a vector takes whole.
  const auto packs_lhs = [&](std::int64_t M, std::int64_t N, std::int64_t K) {
    return tiny_after([&](S s) {
             s = product(900, M, N, K);
             s.kernels = &kernels;
             s.folded.batch[0].lhs = 1;
             s.folded.m[0].lhs = K * 900;
             s.folded.k[0].lhs = 900;
           })
        .packs_lhs;
  };
  EXPECT_FALSE(packs_lhs(16, 4, 31));
  EXPECT_TRUE(packs_lhs(16, 4, 32));
  EXPECT_TRUE(packs_lhs(4, 4, 4));
  EXPECT_FALSE(packs_lhs(4, 4, 5));
  ContractStep lines = product(900, 4, 32, 48);
  lines.kernels = &kernels;
  lines.folded.batch[0].rhs = 1;
  lines.folded.n[0].rhs = 900;
  lines.folded.k[0].rhs = 32 * 900;
  EXPECT_EQ(choose(lines).empty(), false);
  EXPECT_EQ(lines.form, ContractStep::Form::kTiny);
  lines.folded.K = lines.folded.k[0].extent = 49;  // more than 6 KiB
  EXPECT_TRUE(is_refused(choose(lines), "tiny"));

  // What is converted keeps its order of axes.
  const ContractStep across = tiny_after([](S s) {
    s.lhs_dtype = s.rhs_dtype = s.out_dtype = F16{};
    s.folded.m[0].lhs = 1;
    s.folded.k[0].lhs = 4;
    s.folded.n[0].rhs = 8;
    s.folded.k[0].rhs = 1;
  });
  EXPECT_TRUE(across.packs_lhs && across.packs_rhs);
  EXPECT_FALSE(across.is_direct);
  EXPECT_FALSE(across.finishes_apart);
  EXPECT_EQ(across.tiny.a_row, 1);
  EXPECT_EQ(across.tiny.a_k, 4);
  EXPECT_EQ(across.tiny.b_column, 8);
  EXPECT_EQ(across.tiny.b_k, 1);
  // Results that are stored together are finished beside the sums.
  EXPECT_TRUE(tiny_after([](S s) {
                s.out_dtype = F16{};
                s.folded.batch[0].out = 1;
                s.folded.n[0].out = 900;
                s.folded.m[0].out = 6 * 900;
                s.folded.n[0].rhs = 5;
              }).finishes_apart);
}

// bf16 goes in pairs: k stay side by side only where rows are widened as they lie.
TEST(ChooseTiny, TinyPairsOfKAreWhole) {
  kernel::ArithmeticKernels kernels = made_up_kernels();
  kernels.tiny = [](const kernel::TinyCall&) {};
  kernels.tiny_k_group = 2;
  kernels.widen_rows[DType(BF16{}).index()] = [](const kernel::PackCall&) {};
  const auto tiny_of = [&](std::int64_t K, std::int64_t lhs_k, std::int64_t rhs_k) {
    ContractStep step = product(900, 4, 6, K);
    step.kernels = &kernels;
    step.arithmetic = kernel::Arithmetic::kBF16;
    step.lhs_dtype = step.rhs_dtype = BF16{};
    step.folded.m[0].lhs = lhs_k == 1 ? K : 1;
    step.folded.k[0].lhs = lhs_k;
    step.folded.n[0].rhs = rhs_k == 1 ? K : 1;
    step.folded.k[0].rhs = rhs_k;
    choose(step);
    EXPECT_EQ(step.form, ContractStep::Form::kTiny);
    EXPECT_TRUE(step.packs_lhs && step.packs_rhs);
    EXPECT_EQ(step.tiny.K, K + K % 2);
    EXPECT_EQ(step.tiny.a_item, 4 * step.tiny.K);
    EXPECT_EQ(step.tiny.b_item, 6 * step.tiny.K);
    return step.tiny;
  };
  EXPECT_EQ(tiny_of(8, 1, 1).a_k, 1);
  EXPECT_EQ(tiny_of(8, 1, 1).b_k, 1);
  EXPECT_EQ(tiny_of(8, 4, 6).a_k, 4);
  EXPECT_EQ(tiny_of(8, 4, 6).b_k, 6);
  EXPECT_EQ(tiny_of(7, 1, 1).a_k, 1);  // a row has a pair more than its k
  EXPECT_EQ(tiny_of(7, 1, 1).a_row, 8);
  EXPECT_EQ(tiny_of(7, 1, 1).b_column, 8);
  EXPECT_EQ(tiny_of(7, 4, 6).b_k, 6);
}

// Words of several k are worth more than code for tiny products from a certain size on.
TEST(ChooseTiny, TinyProductsOfWordsAreSmaller) {
  kernel::ArithmeticKernels kernels = made_up_kernels();
  kernels.tiny = [](const kernel::TinyCall&) {};
  kernels.k_group = 4;
  const auto is_tiny = [&](std::int64_t M, std::int64_t N, std::int64_t K, int group_rows) {
    kernels.group_rows = group_rows;
    ContractStep step = product(90, M, N, K);
    step.arithmetic = kernel::Arithmetic::kI8;
    step.lhs_dtype = step.rhs_dtype = I8{};
    step.out_dtype = I32{};
    step.kernels = &kernels;
    return !is_refused(choose(step), "tiny");
  };
  EXPECT_TRUE(is_tiny(16, 16, 8, 1));
  EXPECT_FALSE(is_tiny(16, 16, 9, 1));
  EXPECT_TRUE(is_tiny(16, 16, 16, 2));
  EXPECT_FALSE(is_tiny(16, 16, 17, 2));
  EXPECT_TRUE(is_tiny(32, 32, 64, 4));
}

// Of complex numbers N and K count twice; im has its products in the order of the operands.
TEST(ChooseTiny, TinyComplexProductsAreThoseOfReals) {
  kernel::ArithmeticKernels kernels = made_up_kernels();
  kernels.tiny = [](const kernel::TinyCall&) {};
  kernels.panel_bytes = 8;
  const auto complex = [&](std::int64_t N, std::int64_t K, auto change) {
    ContractStep step = product(90, 4, N, K);
    step.arithmetic = kernel::Arithmetic::kC64;
    step.lhs_dtype = step.rhs_dtype = step.out_dtype = C64{};
    step.kernels = &kernels;
    change(step);
    const bool is_tiny = !is_refused(choose(step), "tiny");
    EXPECT_EQ(is_tiny, step.form == ContractStep::Form::kTiny);
    return step;
  };
  using S = ContractStep&;
  const auto is_tiny = [&](std::int64_t N, std::int64_t K, auto change) {
    return complex(N, K, change).form == ContractStep::Form::kTiny;
  };
  const auto same = [](S) {};
  EXPECT_TRUE(is_tiny(16, 32, same));
  EXPECT_FALSE(is_tiny(17, 32, same));
  EXPECT_FALSE(is_tiny(16, 33, same));
  EXPECT_FALSE(is_tiny(8, 8, [](S s) { s.folded.swapped = true; }));
  EXPECT_FALSE(is_tiny(8, 8, [](S s) { s.rhs_dtype = F32{}; }));
  // From scratch: as planes, transposed, or element by element.
  EXPECT_TRUE(is_tiny(8, 8, [](S s) { s.finish.alpha = 0.5; }));
  EXPECT_TRUE(is_tiny(8, 8, [](S s) { s.folded.n[0].out = 2; }));
  const ContractStep plain = complex(8, 8, [](S s) { s.rhs_conjugate = true; });
  EXPECT_TRUE(plain.is_direct && !plain.packs_lhs && !plain.packs_rhs);
  EXPECT_TRUE(plain.tiny.b_conjugate && !plain.tiny.a_conjugate);
  const ContractStep across = complex(8, 8, [](S s) {
    s.folded.m[0].lhs = 1;
    s.folded.k[0].lhs = 4;
    s.folded.n[0].rhs = 8;
    s.folded.k[0].rhs = 1;
  });
  EXPECT_TRUE(across.packs_lhs && across.packs_rhs);
  EXPECT_EQ(across.tiny.a_k, 1);
  EXPECT_EQ(across.tiny.b_column, 1);
  // Results that run along the batch are stored together as they are.
  const ContractStep group = complex(8, 8, [](S s) {
    s.folded.batch[0].out = 1;
    s.folded.n[0].out = 90;
    s.folded.m[0].out = 8 * 90;
  });
  EXPECT_TRUE(group.groups_out && !group.finishes_apart);
}

// Sums that are finished, or go to columns that lie apart, wait in scratch without gaps: 4 KiB of
// them, of at least one item.
TEST(ChooseTiny, TinySumsWaitInScratchForAnEpilogue) {
  kernel::ArithmeticKernels kernels = made_up_kernels();
  kernels.NV = 4;  // wide
  kernels.tiny = [](const kernel::TinyCall&) {};
  const auto finished = [&](std::int64_t b, std::int64_t M, std::int64_t N, auto change) {
    ContractStep step = product(b, M, N, 8);
    step.kernels = &kernels;
    change(step);
    EXPECT_EQ(step.form, ContractStep::Form::kTiles);
    EXPECT_TRUE(is_refused(choose(step), "sums kept in the result"));
    EXPECT_EQ(step.form, ContractStep::Form::kTiny);
    EXPECT_FALSE(step.is_direct);
    EXPECT_EQ(step.tiny.out_row, N);
    EXPECT_EQ(step.tiny.out_item, M * N);
    EXPECT_FALSE(step.tiny.streams);
    EXPECT_EQ(step.task_bytes, tiny_scratch(step).bytes);
    return step;
  };
  using S = ContractStep&;
  const auto is_halved = [](S s) { s.finish.alpha = 0.5; };
  EXPECT_EQ(tiny_scratch(finished(900, 4, 4, is_halved)).chunk, 64);
  EXPECT_EQ(tiny_scratch(finished(9, 4, 4, is_halved)).chunk, 9);
  EXPECT_EQ(tiny_scratch(finished(900, 32, 32, is_halved)).chunk, 1);
  EXPECT_EQ(finished(900, 8, 8, is_halved).task_bytes, 4096u);
  EXPECT_EQ(finished(900, 8, 8, [](S s) { s.folded.n[0].out = 9; }).task_bytes, 4096u);
  EXPECT_EQ(finished(900, 8, 8,
                     [](S s) {
                       s.folded.m[0].out = 9;
                       s.finish.beta = 1;
                     })
                .task_bytes,
            4096u);
  // Past the caches, with a longer K, too, unless the old result is read.
  EXPECT_TRUE(finished(70000, 8, 8, is_halved).store_streams);
  EXPECT_TRUE(finished(70000, 8, 8, [](S s) {
                s.finish.alpha = 0.5;
                s.folded.K = 64;
              }).store_streams);
  EXPECT_FALSE(finished(70000, 8, 8, [](S s) { s.finish.beta = 1; }).store_streams);
  EXPECT_FALSE(finished(70000, 8, 8, [](S s) { s.folded.n[0].out = 2; }).store_streams);
  EXPECT_FALSE(finished(60000, 8, 8, is_halved).store_streams);
  // Results that run along the batch: a line of items at a time.
  for (const double beta : {0.0, 1.0}) {
    const ContractStep group = finished(900, 16, 16, [&](S s) {
      s.finish.beta = beta;
      s.folded.batch[0].out = 1;
      s.folded.n[0].out = 900;
      s.folded.m[0].out = 16 * 900;
    });
    EXPECT_EQ(group.groups_out, beta == 0);
    EXPECT_EQ(tiny_scratch(group).chunk, beta == 0 ? 16 : 4);
  }

  // A bias with these strides along items, rows and columns.
  const auto meets = [&](std::int64_t item, std::int64_t row, std::int64_t column) {
    const ContractStep step = finished(900, 8, 8, [&](S s) {
      s.finish.bias.where = Place::Where::kOperand;
      s.folded.batch[0].bias = item;
      s.folded.m[0].bias = row;
      s.folded.n[0].bias = column;
    });
    EXPECT_EQ(meets_sums(step, Side::kScale), MeetsSums::kOne);
    const MeetsSums how = meets_sums(step, Side::kBias);
    const bool is_laid_out = how == MeetsSums::kAgain || how == MeetsSums::kEach;
    EXPECT_EQ(step.task_bytes, is_laid_out ? 8192u : 4096u);
    return how;
  };
  EXPECT_EQ(meets(0, 0, 0), MeetsSums::kOne);
  EXPECT_EQ(meets(64, 8, 1), MeetsSums::kInPlace);
  EXPECT_EQ(meets(0, 0, 1), MeetsSums::kAgain);
  EXPECT_EQ(meets(0, 8, 1), MeetsSums::kAgain);
  EXPECT_EQ(meets(0, 1, 0), MeetsSums::kAgain);
  EXPECT_EQ(meets(0, 0, -2), MeetsSums::kAgain);
  EXPECT_EQ(meets(1, 0, 0), MeetsSums::kEach);
  EXPECT_EQ(meets(65, 8, 1), MeetsSums::kEach);
  EXPECT_EQ(meets(64, 9, 1), MeetsSums::kEach);
  EXPECT_EQ(meets(64, 8, 2), MeetsSums::kEach);
  // One element for a line of the batch, another one for the next line.
  const ContractStep lines = finished(900, 8, 8, [&](S s) {
    s.finish.bias.where = Place::Where::kOperand;
    s.folded.batch = {{30, 30 * 64, 30 * 64, 30 * 64, 1}, {30, 64, 64, 64, 0}};
  });
  EXPECT_EQ(meets_sums(lines, Side::kBias), MeetsSums::kOne);
}

// Small items whose rows are computed whole come by themselves from the last cache, of which a
// quarter counts.
TEST(ChooseTiny, TinyItemsAreAskedForWhereTheLastCacheDoesNotHoldThem) {
  kernel::ArithmeticKernels kernels = made_up_kernels();
  kernels.tiny = [](const kernel::TinyCall&) {};
  const auto asks = [&](std::int64_t b, std::int64_t last_cache) {
    ContractStep step = product(b, 32, 32, 32);  // 12 KiB each
    step.kernels = &kernels;
    step.last_cache = last_cache;
    choose(step);
    EXPECT_EQ(step.form, ContractStep::Form::kTiny);
    return step.tiny.asks;
  };
  EXPECT_FALSE(asks(1300, 0));
  EXPECT_TRUE(asks(1400, 0));  // 16 MiB
  EXPECT_FALSE(asks(1400, 100 << 20));
  EXPECT_TRUE(asks(2200, 100 << 20));
}

// Items that are packed or stored together are no reason to leave a task without any.
TEST(ChooseTiny, FewTinyProductsInGroupsAreSharedOut) {
  kernel::ArithmeticKernels kernels = widening_kernels();
  kernels.tiny = [](const kernel::TinyCall&) {};
  for (const std::int64_t tasks : {2, 3, 4, 12}) {
    ContractStep step = f16_product(40, 30, 30, 50);
    step.kernels = &kernels;
    choose(step, static_cast<int>(tasks));
    ASSERT_EQ(step.form, ContractStep::Form::kTiny);
    ASSERT_TRUE(step.packs_lhs && step.packs_rhs);
    const std::int64_t shares = (step.items + tasks - 1) / tasks;
    EXPECT_LE(shares * step.blocking.row_block, 40 / tasks + 2) << tasks;
  }
}

}  // namespace
}  // namespace batchdot
