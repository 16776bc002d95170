// SPDX-License-Identifier: Apache-2.0
// The same problems in every run, unless RC_PARAMS says otherwise: RC_PARAMS="seed=7
// max_success=5000". Fewer under the sanitizers, which are slow.

#include <cstdlib>

#include "tests/sanitized.h"

namespace {

const int kIsSet =
    setenv("RC_PARAMS",
           BATCHDOT_SANITIZED ? "seed=20268 max_success=50" : "seed=20268 max_success=200", 0);

}  // namespace
