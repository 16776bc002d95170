// SPDX-License-Identifier: Apache-2.0
#pragma once
// The letters of Unicode, as a table that `scripts/make_letters.py` writes.

#include <span>

namespace batchdot {

/// Code points in a row that are letters, both ends included.
struct LetterRange {
  char32_t first, last;
};

/// Every code point of the general categories Lu, Ll, Lt, Lm and Lo, ASCII too; in ascending order,
/// a gap after each range.
std::span<const LetterRange> letter_ranges();

}  // namespace batchdot
