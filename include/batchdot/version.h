// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string_view>

#include "batchdot/export.h"

#define BATCHDOT_VERSION_MAJOR 0  // macros, so that a preprocessor can ask
#define BATCHDOT_VERSION_MINOR 1
#define BATCHDOT_VERSION_PATCH 0

namespace batchdot::inline v0 {

/// "0.1.0", of the library that is linked.
BATCHDOT_API std::string_view version();
/// "Clang 14.0.6" or "GCC 12.2.0": what the library was compiled with.
BATCHDOT_API std::string_view compiler();

}  // namespace batchdot::inline v0
