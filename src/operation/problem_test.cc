// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include "batchdot/operation.h"

namespace batchdot {
namespace {

TEST(Problem, IsReadFromJson) {
  const Problem problem = parse_problem(
      R"( {"axes": [2, 2], "shapes": [[null,36,8,24],["B",36,8,24]], "dialect": "keras-2.2",)"
      R"( "operation": "batch_dot"} )");
  EXPECT_EQ(problem.operation, "batch_dot");
  EXPECT_EQ(problem.shapes, (std::vector<Shape>{{{}, 36, 8, 24}, {"B", 36, 8, 24}}));
  EXPECT_EQ(std::get<Axes>(problem.options.at("axes")), Axes({2, 2}));
  EXPECT_EQ(std::get<std::string>(problem.options.at("dialect")), "keras-2.2");
}

// Each line is read and written again as itself.
TEST(Problem, JsonIsReadAndWrittenAlike) {
  constexpr std::string_view kLines[] = {
      R"({"operation": "batch_dot", "shapes": [[2, 3], [2, 3]]})",
      R"({"operation": "batch_dot", "shapes": [[null, 3], ["B", 3]], "axes": -1})",
      R"({"operation": "batch_dot", "shapes": [[2, 3], [2, 3]], "axes": [[2], [1]], )"
      R"("dialect": "keras-0.3"})",
      R"({"operation": "batch_dot", "shapes": [[2, 3], [2, 3]], "axes": [1, [1]]})",
      R"({"operation": "batch_dot", "shapes": [[2, 3], [2, 3]], "axes": []})",
      R"({"operation": "matmul", "shapes": [[2, 3], [2, 3]], "transpose_lhs": true})",
      R"({"operation": "dot_general", "shapes": [[2, 3], [2, 3]], "lhs_batch": [0], )"
      R"("lhs_contract": [1], "rhs_batch": [0], "rhs_contract": [1]})",
      R"({"operation": "softmax", "shapes": [[]], "axis": 0, "dtype": "f64"})",
      R"({"operation": "einsum", "shapes": [[2], [2], [2]], "equation": "a,a,\u00e9->"})",
  };
  for (const std::string_view line : kLines) {
    const Problem problem = parse_problem(line);
    const std::string written = to_json(problem);
    if (line.find("\\u") == std::string_view::npos) {
      EXPECT_EQ(written, line);
    }
    EXPECT_EQ(to_json(parse_problem(written)), written);
  }
}

TEST(Problem, WhatPythonPassesAsAnIntIsOne) {
  const auto axes = [](std::string_view value) {
    return std::get<Axes>(parse_problem(R"({"operation":"batch_dot","shapes":[[2],[2]],"axes":)" +
                                        std::string(value) + "}")
                              .options.at("axes"));
  };
  EXPECT_EQ(axes("true"), Axes(1));
  EXPECT_EQ(axes("[false,2]"), Axes({0, 2}));
}

TEST(Problem, NullIsAsGoodAsNotGiven) {
  EXPECT_TRUE(
      parse_problem(R"({"operation":"batch_dot","shapes":[[2],[2]],"axes":null})").options.empty());
}

TEST(Problem, BadLinesAreRefused) {
  const struct {
    std::string_view line;
    ErrorCode code;
    std::optional<std::size_t> position;
  } kCases[] = {
      {"", ErrorCode::kSyntax, 0},
      {"nope", ErrorCode::kSyntax, 0},
      {"[]", ErrorCode::kSyntax, 0},
      {"{}", ErrorCode::kUsage, {}},
      {R"({"operation":"batch_dot")", ErrorCode::kSyntax, 24},
      {R"({"operation":"batch_dot"} x)", ErrorCode::kSyntax, 26},
      {R"({"operation":"batch_dot"})", ErrorCode::kUsage, {}},
      {R"({"operation":"batch_do","shapes":[]})", ErrorCode::kUsage, {}},
      {R"({"operation":1,"shapes":[]})", ErrorCode::kSyntax, 13},
      {R"({"operation":"dot","operation":"dot","shapes":[]})", ErrorCode::kSyntax, 19},
      {R"({"operation":"dot","shapes":[[1],[1.5]]})", ErrorCode::kSyntax, 34},
      {R"({"operation":"dot","shapes":[[1],[-1]]})", ErrorCode::kSyntax, 34},
      {R"({"operation":"dot","shapes":[[1],[01]]})", ErrorCode::kSyntax, 34},
      {R"({"operation":"dot","shapes":[[1],[true]]})", ErrorCode::kSyntax, 34},
      {R"({"operation":"dot","shapes":[[1],["a b"]]})", ErrorCode::kSyntax, {}},
      {R"({"operation":"dot","shapes":[[9223372036854775808],[1]]})", ErrorCode::kOverflow, 30},
      {R"({"operation":"batch_dot","shapes":[[1],[1]],"axes":1.5})", ErrorCode::kAxesType, {}},
      {R"({"operation":"batch_dot","shapes":[[1],[1]],"axes":"x"})", ErrorCode::kAxesType, {}},
      {R"({"operation":"batch_dot","shapes":[[1],[1]],"axes":[[[1]]]})", ErrorCode::kAxesType, {}},
      {R"({"operation":"batch_dot","shapes":[[1],[1]],"axes":{}})", ErrorCode::kAxesType, {}},
      {R"({"operation":"batch_dot","shapes":[[1],[1]],"axis":1})", ErrorCode::kUsage, 44},
      {R"({"operation":"dot_layer","shapes":[[1],[1]],"normalize":1})", ErrorCode::kSyntax, {}},
      {R"({"operation":"softmax","shapes":[[1]],"axis":[1]})", ErrorCode::kAxesType, {}},
      {R"({"operation":"softmax","shapes":[[1]],"axis":true})", ErrorCode::kAxesType, {}},
      {R"({"operation":"tensordot","shapes":[[1],[1]],"lhs_axes":[false],"rhs_axes":[0]})",
       ErrorCode::kAxesType,
       {}},
      {R"({"operation":"einsum","shapes":[[1]],"equation":5})", ErrorCode::kSyntax, {}},
      {"{\"operation\":\"dot\",\"shapes\":[[1],[\"\xff\"]]}", ErrorCode::kSyntax, 35},
      {R"({"operation":"\ud800","shapes":[]})", ErrorCode::kSyntax, 20},
  };
  for (const auto& c : kCases) {
    try {
      parse_problem(c.line);
      ADD_FAILURE() << c.line << " was read";
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), c.code) << c.line << ": " << error.what();
      EXPECT_EQ(error.place().position, c.position) << c.line << ": " << error.what();
    }
  }
}

TEST(Problem, LimitsHold) {
  const auto code = [](const std::string& line) -> std::string_view {
    try {
      parse_problem(line);
    } catch (const Error& error) {
      return info(error.code()).name;
    }
    return "none";
  };
  const auto repeat = [](std::string_view part, int count) {
    std::string out(part);
    for (int i = 1; i < count; ++i) out += "," + std::string(part);
    return out;
  };
  const std::string begin = R"({"operation":"einsum","equation":"a","shapes":[)";
  EXPECT_EQ(code(begin + repeat("[1]", 64) + "]}"), "none");
  EXPECT_EQ(code(begin + repeat("[1]", 65) + "]}"), "LIMIT");
  EXPECT_EQ(code(begin + "[" + repeat("1", 64) + "]]}"), "none");
  EXPECT_EQ(code(begin + "[" + repeat("1", 65) + "]]}"), "LIMIT");
  EXPECT_EQ(code(begin + "[1]]}" + std::string(Limits::kTextBytes, ' ')), "LIMIT");
  EXPECT_EQ(code(R"({"x":)" + std::string(100000, '[')), "SYNTAX");
}

TEST(ShellWord, ReadsBackAsTheWord) {
  const struct {
    std::string_view word, typed;
  } kCases[] = {
      {"q.npy", "q.npy"},
      {"α.npy", "α.npy"},
      {"", "''"},
      {"my q.npy", "'my q.npy'"},
      {"it's \\.npy", "'it'\\''s \\.npy'"},
      {"a\x1b[1m.npy", "$'a\\x1b[1m.npy'"},
      {"it's \\\n.npy", "$'it\\'s \\\\\\x0a.npy'"},
      {"\u202Eα.npy", "$'\\xe2\\x80\\xaeα.npy'"},
      {"\u009B\xFF.npy", "$'\\xc2\\x9b\\xff.npy'"},
  };
  for (const auto& c : kCases) EXPECT_EQ(shell_word(c.word), c.typed);
}

TEST(Problem, IsWrittenAsACommand) {
  const struct {
    std::string_view line, command;
  } kCases[] = {
      {R"({"operation":"batch_dot","shapes":[[2,8,5],[2,5,7]],"axes":[2,1]})",
       "batch_dot 2,8,5 2,5,7 --axes 2,1"},
      {R"({"operation":"batch_dot","shapes":[[null,5],["B",5]],"axes":-1})",
       "batch_dot _,5 B,5 --axes -1"},
      {R"({"operation":"batch_dot","shapes":[[2,5],[2,5]],"axes":[[1],[1]]})",
       "batch_dot 2,5 2,5 --axes '[[1],[1]]'"},
      {R"({"operation":"einsum","shapes":[[],[3]],"equation":",a->a"})", "einsum ,a=a scalar 3"},
      {R"({"operation":"einsum","shapes":[["scalar"]],"equation":"a b"})",
       "einsum 'a b' '(scalar,)'"},
      {R"({"operation":"matmul","shapes":[[2,3],[2,3]],"transpose_lhs":true,)"
       R"("transpose_rhs":false})",
       "matmul 2,3 2,3 --transpose-lhs"},
  };
  for (const auto& c : kCases) EXPECT_EQ(to_command(parse_problem(c.line)), c.command);
  const std::string files[] = {"my q.npy", ""};
  EXPECT_EQ(to_command(parse_problem(kCases[0].line), files),
            "batch_dot 'my q.npy' 2,5,7 --axes 2,1");
}

}  // namespace
}  // namespace batchdot
