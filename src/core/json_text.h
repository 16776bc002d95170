// SPDX-License-Identifier: Apache-2.0
#pragma once
// A text as JSON.

#include <string>
#include <string_view>

namespace batchdot {

/// Appends `text` in quotes. Bytes that are not UTF-8 become U+FFFD, so that the document is one.
void append_quoted(std::string& out, std::string_view text);

}  // namespace batchdot
