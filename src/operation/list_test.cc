// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <algorithm>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "batchdot/operation.h"
#include "tests/refusal.h"

namespace batchdot {
namespace {

std::string shape_or_code(std::string_view line) {
  try {
    return to_string(infer(parse_problem(line)).shape);
  } catch (const Error& error) {
    return std::string(info(error.code()).name);
  }
}

TEST(Operations, EachRecordIsWhole) {
  std::set<std::string_view> names;
  for (const Operation& operation : operations()) {
    EXPECT_TRUE(names.insert(operation.name).second) << operation.name;
    EXPECT_EQ(&find_operation(operation.name), &operation);
    EXPECT_FALSE(operation.summary.empty());
    EXPECT_LE(1, operation.min_operands);
    EXPECT_LE(operation.min_operands, operation.max_operands);
    for (const OptionInfo& option : operation.options) {
      EXPECT_FALSE(option.help.empty()) << option.name;
      EXPECT_EQ(option.placeholder.empty(), option.kind == OptionKind::kFlag) << option.name;
    }
  }
}

TEST(Operations, GiveShapes) {
  const struct {
    std::string_view line, result;
  } kCases[] = {
      {R"({"operation":"batch_dot","shapes":[[null,36,8,24],[null,36,8,24]],"axes":2,)"
       R"("dialect":"keras-2.2"})",
       "(?, 36, 24, 24)"},
      {R"({"operation":"batch_dot","shapes":[[null,36,8,24],[null,36,8,24]],"axes":2})",
       "(?, 36, 24, 36, 24)"},
      {R"({"operation":"batch_dot","shapes":[[2,3]]})", "USAGE"},
      {R"({"operation":"dot_layer","shapes":[[4,5],[4,5]],"axes":-1})", "(4, 1)"},
      {R"({"operation":"dot_layer","shapes":[[4,5]],"axes":-1})", "INPUTS"},
      {R"({"operation":"dot","shapes":[[2,3],[4,3,5]]})", "(2, 4, 5)"},
      {R"({"operation":"matmul","shapes":[[2,3,4],[3,5]],"transpose_lhs":true})", "(2, 4, 5)"},
      {R"({"operation":"tensordot","shapes":[[2,3,4],[3,4,5]]})", "(2, 5)"},
      {R"({"operation":"tensordot","shapes":[[2,3],[3,5]],"axes":1})", "(2, 5)"},
      {R"({"operation":"tensordot","shapes":[[2,3],[3,5]],"axes":0})", "(2, 3, 3, 5)"},
      {R"({"operation":"tensordot","shapes":[[2,3],[5,3]],"axes":[1,1]})", "(2, 5)"},
      {R"({"operation":"tensordot","shapes":[[2,3],[3,2]],"axes":[[0,1],[1,0]]})", "()"},
      {R"({"operation":"tensordot","shapes":[[2,3],[3,2]],"axes":[1]})", "AXES_LEN"},
      {R"({"operation":"tensordot","shapes":[[2,3],[3,2]],"axes":1,"lhs_axes":[1]})", "USAGE"},
      {R"({"operation":"tensordot","shapes":[[2,3],[3,2]],"lhs_axes":[1]})", "USAGE"},
      {R"({"operation":"dot_general","shapes":[[2,3,4],[2,5,4]],"lhs_batch":[0],)"
       R"("rhs_batch":[0],"lhs_contract":[2],"rhs_contract":[2]})",
       "(2, 3, 5)"},
      {R"({"operation":"dot_general","shapes":[[2],[3]]})", "(2, 3)"},
      {R"({"operation":"softmax","shapes":[[2,null]]})", "(2, ?)"},
      {R"({"operation":"softmax","shapes":[[2,3]],"axis":2})", "AXIS_RANGE"},
      {R"({"operation":"softmax","shapes":[[]]})", "RANK"},
      {R"({"operation":"softmax","shapes":[[2]],"dtype":"i32"})", "DTYPE"},
      {R"({"operation":"dot_layer","shapes":[[2,3],[2,3]],"axes":1,"normalize":true,"dtype":"i32"})",
       "DTYPE"},
      {R"({"operation":"softmax","shapes":[[2],[3]]})", "USAGE"},
      {R"({"operation":"einsum","shapes":[[2,3],[3,4],[4,5]],"equation":"ab,bc,cd"})", "(2, 5)"},
      {R"({"operation":"einsum","shapes":[[2,3]]})", "USAGE"},
  };
  for (const auto& c : kCases) EXPECT_EQ(shape_or_code(c.line), c.result) << c.line;
}

// No dtype to compute in would be taken either, so none is asked for.
TEST(Operations, RefuseComplexOperandsAsSuch) {
  const auto refusal = [](std::string_view line, int count) {
    const std::vector<Layout> layouts(static_cast<std::size_t>(count), Layout(C64{}, {2, 3}));
    return refusal_of([&] { make_plan(parse_problem(line), layouts); }).message();
  };
  for (const std::string dtype : {"", R"(,"dtype":"f32")"}) {
    EXPECT_EQ(refusal(R"({"operation":"softmax","shapes":[[2,3]])" + dtype + "}", 1),
              "softmax: takes real floating types, f32, f64, f16 and bf16: operand is complex64");
    EXPECT_EQ(refusal(R"({"operation":"dot_layer","shapes":[[2,3],[2,3]],"axes":1,)"
                      R"("normalize":true)" +
                          dtype + "}",
                      2),
              "dot_layer: normalize takes real floating types: lhs is complex64");
  }
}

TEST(Operations, RefuseTypesWhateverTheExtentsAre) {
  const auto code = [](std::string_view line, std::vector<DType> dtypes) -> std::string {
    try {
      check_dtypes(parse_problem(line), dtypes);
    } catch (const Error& error) {
      return std::string(info(error.code()).name);
    }
    return "taken";
  };
  const std::string product = R"({"operation":"matmul","shapes":[[null,"K"],[0,5]])";
  EXPECT_EQ(code(product + "}", {F32{}, F32{}}), "taken");
  EXPECT_EQ(code(product + "}", {F32{}, F64{}}), "DTYPE");
  EXPECT_EQ(code(product + "}", {F32{}}), "FEED");
  EXPECT_EQ(code(product + R"(,"dtype":"f64"})", {F32{}, F64{}}), "taken");
  EXPECT_EQ(code(R"({"operation":"einsum","equation":"ij->ji","shapes":[[null,2]]})", {Bool{}}),
            "taken");
  EXPECT_EQ(code(R"({"operation":"softmax","shapes":[[null,2]]})", {I8{}}), "DTYPE");
  const std::string layer =
      R"({"operation":"dot_layer","shapes":[[2,3,0,0],[2,0,5]],"axes":[3,1],"normalize":true)";
  EXPECT_EQ(code(layer + R"(,"dialect":"tf.keras-2"})", {F32{}, F32{}}), "taken");
  EXPECT_EQ(code(layer + R"(,"dialect":"tf.keras-2"})", {I8{}, I8{}}), "DTYPE");
  EXPECT_EQ(
      code(R"({"operation":"batch_dot","shapes":[[2,3,null],[2,3,4]],"axes":1,"dialect":"tfjs"})",
           {C64{}, C64{}}),
      "NOT_IMPLEMENTED");
}

TEST(Operations, ADialectTakesThePairAsItsUsersWroteIt) {
  const Problem modern =
      parse_problem(R"({"operation":"batch_dot","shapes":[[2,3,4],[2,4,5]],"axes":[2,1]})");
  const Problem old = in_dialect(modern, "keras-0.3");
  EXPECT_EQ(to_command(old), "batch_dot 2,3,4 2,4,5 --axes '[[2],[1]]' --dialect keras-0.3");
  EXPECT_EQ(infer(old).shape, (Shape{2, 3, 5}));
  EXPECT_EQ(to_command(in_dialect(old, "keras-2.2")),
            "batch_dot 2,3,4 2,4,5 --axes 2,1 --dialect keras-2.2");
  // Nested lists that no keras-0.3 user wrote stay what they are: a mistake.
  const Problem nested = in_dialect(
      parse_problem(R"({"operation":"batch_dot","shapes":[[2,3],[2,3]],"axes":[[1],[1]]})"),
      "keras-2.2");
  EXPECT_THROW(infer(nested), Error);
}

TEST(Explain, CountsFlopsAndBytes) {
  const auto explain_line = [](std::string_view line) { return explain(parse_problem(line)); };
  const Explanation product = explain_line(R"({"operation":"matmul","shapes":[[3,4,5],[3,5,6]]})");
  EXPECT_EQ(product.flops, 2 * 3 * 4 * 5 * 6);
  EXPECT_EQ(product.bytes, 4 * (3 * 4 * 5 + 3 * 5 * 6 + 3 * 4 * 6));
  EXPECT_EQ(product.dtype, "f32");
  ASSERT_TRUE(product.plan);
  EXPECT_EQ(product.plan->path, (std::vector<std::pair<int, int>>{{0, 1}}));
  // Left to right: ab,bc -> ac, then ac,cd -> ad; in complex numbers four times the work.
  EXPECT_EQ(explain_line(R"({"operation":"einsum","equation":"ab,bc,cd->ad",)"
                         R"("shapes":[[2,3],[3,4],[4,5]]})")
                .flops,
            2 * (2 * 3 * 4 + 2 * 4 * 5));
  EXPECT_EQ(
      explain_line(R"({"operation":"matmul","shapes":[[4,5],[5,6]],"dtype":"complex64"})").flops,
      8 * 4 * 5 * 6);
  // b is summed in lhs alone, first: one addition for each element.
  EXPECT_EQ(
      explain_line(R"({"operation":"einsum","equation":"ab,c->ac","shapes":[[2,3],[4]]})").flops,
      2 * 3 + 2 * 2 * 4);
  EXPECT_EQ(explain_line(R"({"operation":"einsum","equation":"ab->ba","shapes":[[2,3]]})").flops,
            0);
  // i8 gives i32.
  EXPECT_EQ(explain_line(R"({"operation":"matmul","shapes":[[2,2],[2,2]],"dtype":"i8"})").bytes,
            4 + 4 + 16);
}

// What is summed or multiplied becomes i32; what is moved stays i8, whether a plan says it or not.
TEST(Explain, SaysWhatAResultOfI8IsStoredAs) {
  const struct {
    std::string_view equation, shapes, result;
    std::optional<std::int64_t> bytes;
  } kCases[] = {
      {"ij->ji", "[[2,3]]", "i8", 6 + 6},
      {"ij->ij", "[[2,3]]", "i8", 6 + 6},
      {"ii->i", "[[3,3]]", "i8", 9 + 3},
      {"...i->i...", "[[2,3,4]]", "i8", 24 + 24},
      {"->", "[[]]", "i8", 1 + 1},
      {"ij->ji", "[[2,\"n\"]]", "i8", {}},
      {"ij->i", "[[2,3]]", "i32", 6 + 4 * 2},
      {"ij->i", "[[2,1]]", "i32", 2 + 4 * 2},
      {"ij->i", "[[2,\"n\"]]", "i32", {}},
      {"i,j->ij", "[[2],[3]]", "i32", 2 + 3 + 4 * 6},
  };
  for (const auto& c : kCases) {
    const Explanation explanation =
        explain(parse_problem(R"({"operation":"einsum","equation":")" + std::string(c.equation) +
                              R"(","shapes":)" + std::string(c.shapes) + R"(,"dtype":"i8"})"));
    EXPECT_EQ(explanation.dtype, "i8") << c.equation;
    EXPECT_EQ(explanation.result_dtype, c.result) << c.equation << c.shapes;
    EXPECT_EQ(explanation.bytes, c.bytes) << c.equation << c.shapes;
    const bool is_noted = std::any_of(
        explanation.notes.begin(), explanation.notes.end(), [](const std::string& note) {
          return note ==
                 "the equivalents take operands converted to i32: of i8 the other libraries keep 8 "
                 "bits";
        });
    EXPECT_EQ(is_noted, c.result == "i32") << c.equation << c.shapes;
  }
}

// NumPy has no largest element of none, unless it is told where to begin.
TEST(Explain, GivesTheNumpyOfASoftmaxThatMayBeEmpty) {
  const auto begins = [](std::string_view shape) {
    const Explanation explanation = explain(
        parse_problem(R"({"operation":"softmax","axis":1,"shapes":[)" + std::string(shape) + "]}"));
    for (const EquivalentFact& fact : explanation.equivalents) {
      if (fact.library == "numpy") return fact.code.find("initial=-np.inf") != std::string::npos;
    }
    ADD_FAILURE() << shape << ": no line of NumPy";
    return false;
  };
  EXPECT_TRUE(begins("[2,0]"));
  EXPECT_TRUE(begins("[2,null]"));
  EXPECT_TRUE(begins(R"([2,"T"])"));
  EXPECT_FALSE(begins("[0,2]"));
}

TEST(Explain, LeavesTheCostOpenWhereAnExtentIs) {
  const Explanation explanation =
      explain(parse_problem(R"({"operation":"matmul","shapes":[["B",4,5],[3,5,6]]})"));
  EXPECT_FALSE(explanation.flops);
  EXPECT_FALSE(explanation.bytes);
  EXPECT_FALSE(explanation.plan);
  EXPECT_FALSE(explanation.conditions.empty());
}

TEST(Explain, TellsWhatOtherDialectsGive) {
  const Explanation explanation = explain(parse_problem(
      R"({"operation":"batch_dot","shapes":[[null,36,8,24],[null,36,8,24]],"axes":[2,2]})"));
  EXPECT_EQ(explanation.dialect, "keras-3");
  ASSERT_EQ(explanation.dialects.size(), Dialect::names().size());
  for (const DialectFact& fact : explanation.dialects) {
    if (fact.dialect == "keras-3" || fact.dialect == "keras-2.3") {
      EXPECT_FALSE(fact.differs) << fact.dialect;
    }
    if (fact.dialect == "keras-0.3" || fact.dialect == "keras-2.2") {
      EXPECT_TRUE(fact.differs);
      EXPECT_EQ(fact.shape, (Shape{{}, 36, 24, 24})) << fact.dialect;
    }
    if (fact.dialect == "tfjs") {
      EXPECT_EQ(fact.error_code, "NOT_IMPLEMENTED");
    }
  }
}

TEST(Explain, KnowsWhichDialectsDoNotTakeTheElements) {
  const Problem problem =
      parse_problem(R"({"operation":"batch_dot","shapes":[[2,3,4],[2,4,5]],"axes":[2,1]})");
  const auto tfjs_says = [&](DType dtype) {
    for (const DialectFact& fact : explain(problem, dtype).dialects) {
      if (fact.dialect == "tfjs") return fact.error_code;
    }
    return std::string("no such dialect");
  };
  EXPECT_EQ(tfjs_says(F32{}), "");
  EXPECT_EQ(tfjs_says(C64{}), "NOT_IMPLEMENTED");
}

}  // namespace
}  // namespace batchdot
