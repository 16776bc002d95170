// SPDX-License-Identifier: Apache-2.0
#pragma once

/// Marks what the shared library shows; everything else is compiled with hidden visibility. A macro
/// because an attribute can not be named in any other way. Put it between `class` or `struct` and
/// the name of a type with member functions in the library, or of one that is thrown, and before a
/// function's return type.
#define BATCHDOT_API __attribute__((visibility("default")))
