// SPDX-License-Identifier: Apache-2.0
#include "batchdot/version.h"

#define BATCHDOT_TEXT_OF(x) #x  // turns the number macros into text
#define BATCHDOT_TEXT(x) BATCHDOT_TEXT_OF(x)

namespace batchdot::inline v0 {

std::string_view version() {
  return BATCHDOT_TEXT(BATCHDOT_VERSION_MAJOR) "." BATCHDOT_TEXT(
      BATCHDOT_VERSION_MINOR) "." BATCHDOT_TEXT(BATCHDOT_VERSION_PATCH);
}

std::string_view compiler() {
#if defined(__clang__)
  return "Clang " BATCHDOT_TEXT(__clang_major__) "." BATCHDOT_TEXT(
      __clang_minor__) "." BATCHDOT_TEXT(__clang_patchlevel__);
#else
  return "GCC " BATCHDOT_TEXT(__GNUC__) "." BATCHDOT_TEXT(__GNUC_MINOR__) "." BATCHDOT_TEXT(
      __GNUC_PATCHLEVEL__);
#endif
}

}  // namespace batchdot::inline v0
