// SPDX-License-Identifier: Apache-2.0
#include "src/core/json_text.h"

#include <gtest/gtest.h>

namespace batchdot {
namespace {

TEST(JsonText, IsAlwaysJson) {
  const auto quoted_json = [](std::string_view text) {
    std::string out;
    append_quoted(out, text);
    return out;
  };
  EXPECT_EQ(quoted_json("a\"\\\n\x01"), R"("a\"\\\n\u0001")");
  EXPECT_EQ(quoted_json("\xCE\xB1"), "\"\xCE\xB1\"");
  EXPECT_EQ(quoted_json("a\xFF\xCE"), "\"a\xEF\xBF\xBD\xEF\xBF\xBD\"");
}

}  // namespace
}  // namespace batchdot
