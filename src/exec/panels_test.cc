// SPDX-License-Identifier: Apache-2.0
#include "src/exec/panels.h"

#include <gtest/gtest.h>

namespace batchdot {
namespace {

// Whichever of two register tiles the plan has taken.
TEST(Panels, AreAsWideAndAsHighAsTheTileOfThePlan) {
  kernel::ArithmeticKernels kernels{};
  kernels.MR = 8;
  kernels.NV = 3;
  kernels.lanes = 16;
  kernels.panel_bytes = 4;
  ContractStep step;
  step.kernels = &kernels;
  step.blocking.MR = 6;
  step.blocking.NR = 64;
  const TileScratch layout;
  const Panels panels(step, layout, nullptr);
  EXPECT_EQ(panels.columns(64).parts, 1);
  EXPECT_EQ(panels.columns(50).part(0), 4);
  EXPECT_EQ(panels.columns(128).parts, 2);
  EXPECT_EQ(panels.rows(12).parts, 2);
  step.blocking.MR = 8;
  step.blocking.NR = 48;
  EXPECT_EQ(panels.columns(64).parts, 2);
  EXPECT_EQ(panels.rows(8).parts, 1);
}

}  // namespace
}  // namespace batchdot
