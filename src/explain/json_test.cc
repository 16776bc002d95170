// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "batchdot/explain.h"
#include "src/explain/json_writer.h"

namespace batchdot {
namespace {

using nlohmann::json;

std::string quoted_json(std::string_view text) {
  std::string out;
  append_quoted(out, text);
  return out;
}

TEST(JsonText, EscapesWhatJsonReserves) {
  EXPECT_EQ(quoted_json("a\"b\\c/d"), R"("a\"b\\c/d")");
  EXPECT_EQ(quoted_json("\n\r\t"), R"("\n\r\t")");
  EXPECT_EQ(quoted_json(std::string_view("\0\x1f\x7f", 3)), R"("\u0000\u001f\u007f")");
  EXPECT_EQ(quoted_json("βψ → 批"), "\"βψ → 批\"");
}

// Every byte, alone and before others: whatever was in a file name or an equation, the document
// parses and says as much of it as is text.
TEST(JsonText, BytesThatAreNoUtf8AreReplaced) {
  for (int first = 0; first < 256; ++first) {
    for (const char* rest : {"", "a", "\x80", "\xBF\xBF", "\x80\x80\x80", "\xC3\xA9"}) {
      const std::string text = std::string(1, static_cast<char>(first)) + rest;
      const std::string document = quoted_json(text);
      ASSERT_TRUE(json::accept(document)) << document;
      // nlohmann's own writer throws on what is not UTF-8.
      bool is_utf8 = true;
      try {
        is_utf8 = !json(text).dump().empty();
      } catch (const json::exception&) {
        is_utf8 = false;
      }
      const auto back = json::parse(document).get<std::string>();
      EXPECT_EQ(back == text, is_utf8) << document;
      EXPECT_EQ(back.find("\xEF\xBF\xBD") == std::string::npos, is_utf8) << document;
    }
  }
}

TEST(JsonShape, NumbersNamesAndNull) {
  EXPECT_EQ(to_json(Shape{{}, 36, "B", 0}), R"([null, 36, "B", 0])");
  EXPECT_EQ(to_json(Shape{}), "[]");
  EXPECT_EQ(to_json(Shape{std::int64_t{9223372036854775807}}), "[9223372036854775807]");
}

TEST(JsonError, LeavesOutWhatIsNotKnown) {
  EXPECT_EQ(to_json(Error(ErrorCode::kUsage, "no such verb: 'x'")),
            R"({"error": {"code": "USAGE", "message": "no such verb: 'x'"}})");
}

TEST(JsonError, HasEveryFieldOfItsPlace) {
  ErrorPlace place;
  place.operand = 0;
  place.axis = 2;
  place.other_operand = 1;
  place.other_axis = 0;
  place.extent = "20";
  place.other_extent = "B";
  place.label = "j";
  place.option = "axes";
  place.file = "a\xFF.npy";
  place.position = 0;
  const Error error(ErrorCode::kDim, "they differ", place);
  const json found = json::parse(to_json(error, 7, "swap them", R"({"operation": "dot"})"));
  const json expected = {{"error",
                          {{"code", "DIM"},
                           {"message", "they differ"},
                           {"operand", 0},
                           {"axis", 2},
                           {"other_operand", 1},
                           {"other_axis", 0},
                           {"extent", 20},
                           {"other_extent", "B"},
                           {"label", "j"},
                           {"option", "axes"},
                           {"file", "a\xEF\xBF\xBD.npy"},
                           {"position", 0},
                           {"line", 7},
                           {"fix", {{"text", "swap them"}, {"problem", {{"operation", "dot"}}}}}}}};
  EXPECT_EQ(found, expected);
}

TEST(JsonError, AnUnknownExtentIsNull) {
  ErrorPlace place;
  place.extent = "?";
  place.other_extent = "9223372036854775808";  // beyond 63 bits: as text rather than wrong
  const json found = json::parse(to_json(Error(ErrorCode::kDim, "m", place)))["error"];
  EXPECT_TRUE(found.at("extent").is_null());
  EXPECT_EQ(found.at("other_extent"), "9223372036854775808");
}

Explanation explained() {
  Explanation explanation;
  explanation.operation = "dot_layer";
  explanation.dialect = "keras-2.2";
  explanation.shape = {{}, 3, "n"};
  explanation.reported_shape = Shape{{}, 3, 1};
  explanation.equation = "bik,bjk->bij";
  explanation.operands = {{{"b", "batch", Dim()}, {"k", "contracting", Dim(4)}},
                          {{"b", "batch", Dim("B")}}};
  explanation.conjugate = {true, false};
  explanation.output = {{"b", "batch", Dim(), {{0, 0}, {1, 0}}, "batch: so it is"},
                        {"z", "rhs_free", Dim(1), {}, "added"}};
  explanation.summed_order = {"k"};
  Condition condition;
  condition.kind = ConditionKind::kOneOrEqual;
  condition.rhs = {1, 0};
  explanation.conditions = {{"lhs axis 0 = rhs axis 0, or one of them is 1", condition}};
  explanation.equivalents = {{"numpy", "np.einsum('bik,bjk->bij', lhs, rhs)"}};
  explanation.dialects = {{"keras-3", std::nullopt, "AXIS0", "no", true},
                          {"keras-2.0", Shape{2}, "", "", false}};
  explanation.notes = {"one", "two"};
  explanation.dtype = "i8";
  explanation.result_dtype = "i32";
  return explanation;
}

TEST(JsonExplanation, HasEveryKey) {
  const std::string document = to_json(explained());
  EXPECT_EQ(document.find('\n'), std::string::npos);
  const json found = json::parse(document);
  EXPECT_EQ(found.at("operation"), "dot_layer");
  EXPECT_EQ(found.at("dialect"), "keras-2.2");
  EXPECT_EQ(found.at("shape"), json::parse(R"([null, 3, "n"])"));
  EXPECT_EQ(found.at("reported_shape"), json::parse("[null, 3, 1]"));
  EXPECT_EQ(found.at("equation"), "bik,bjk->bij");
  EXPECT_EQ(found.at("operands"), json::parse(R"([
      [{"label": "b", "role": "batch", "extent": null},
       {"label": "k", "role": "contracting", "extent": 4}],
      [{"label": "b", "role": "batch", "extent": "B"}]])"));
  EXPECT_EQ(found.at("conjugate"), json::parse("[true, false]"));
  EXPECT_EQ(found.at("output"), json::parse(R"([
      {"label": "b", "role": "batch", "extent": null, "why": "batch: so it is",
       "from": [{"operand": 0, "axis": 0}, {"operand": 1, "axis": 0}]},
      {"label": "z", "role": "rhs_free", "extent": 1, "why": "added", "from": []}])"));
  EXPECT_EQ(found.at("summed_order"), json::parse(R"(["k"])"));
  EXPECT_EQ(found.at("conditions"), json::parse(R"([
      {"text": "lhs axis 0 = rhs axis 0, or one of them is 1", "kind": "one_or_equal",
       "lhs": {"operand": 0, "axis": 0}, "rhs": {"operand": 1, "axis": 0}}])"));
  EXPECT_EQ(found.at("equivalents"), json::parse(R"json([{"library": "numpy",
                                 "code": "np.einsum('bik,bjk->bij', lhs, rhs)"}])json"));
  EXPECT_EQ(found.at("dialects"), json::parse(R"([
      {"dialect": "keras-3", "shape": null, "differs": true,
       "error": {"code": "AXIS0", "message": "no"}},
      {"dialect": "keras-2.0", "shape": [2], "differs": false}])"));
  EXPECT_EQ(found.at("notes"), json::parse(R"(["one", "two"])"));
  EXPECT_EQ(found.at("dtype"), "i8");
  EXPECT_EQ(found.at("result_dtype"), "i32");
  for (const char* key : {"flops", "bytes", "plan"}) EXPECT_TRUE(found.at(key).is_null()) << key;
}

TEST(JsonExplanation, HasThePlanWhereThereIsOne) {
  Explanation explanation = explained();
  explanation.dialect.clear();
  explanation.reported_shape.reset();
  explanation.flops = 48;
  explanation.bytes = 96;
  PlanFacts& plan = explanation.plan.emplace();
  plan.target = "AVX2";
  plan.kernel = "tile";
  plan.refused = {{"dot", "N > 1"}};
  plan.batch = 2;
  plan.K = 5;
  plan.workspace_bytes = 640;
  plan.temporary_bytes = 64;
  plan.path = {{0, 1}, {0, 1}};
  const json found = json::parse(to_json(explanation));
  EXPECT_TRUE(found.at("dialect").is_null());
  EXPECT_FALSE(found.contains("reported_shape"));
  EXPECT_EQ(found.at("flops"), 48);
  EXPECT_EQ(found.at("bytes"), 96);
  EXPECT_EQ(found.at("plan"), json::parse(R"({
      "target": "AVX2", "kernel": "tile", "refused": [{"what": "dot", "why": "N > 1"}],
      "batch": 2, "M": 1, "N": 1, "K": 5, "swapped": false, "packs_lhs": false, "packs_rhs": false,
      "blocking": {"MR": 0, "NR": 0, "MC": 0, "KC": 0, "NC": 0}, "threads": 1, "work_items": 1,
      "workspace_bytes": 640, "temporary_bytes": 64, "block_sums": 0, "block_sum_bytes": 0, "path": [[0, 1], [0, 1]]})"));
}

TEST(JsonExplanation, NamesEveryKindOfCondition) {
  Explanation explanation;
  const std::pair<ConditionKind, const char*> kKinds[] = {
      {ConditionKind::kEqual, "equal"},
      {ConditionKind::kOneOrEqual, "one_or_equal"},
      {ConditionKind::kIsOne, "is_one"},
      {ConditionKind::kDivides, "divides"},
      {ConditionKind::kReshape, "reshape"}};
  for (const auto& [kind, name] : kKinds) {
    Condition condition;
    condition.kind = kind;
    condition.divisor = 4;
    explanation.conditions = {{"words", condition}};
    const json found = json::parse(to_json(explanation)).at("conditions").at(0);
    EXPECT_EQ(found.at("kind"), name);
    EXPECT_EQ(found.contains("rhs"),
              kind == ConditionKind::kEqual || kind == ConditionKind::kOneOrEqual);
    EXPECT_EQ(found.contains("divisor"), kind == ConditionKind::kDivides);
  }
}

}  // namespace
}  // namespace batchdot
