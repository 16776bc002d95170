// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <string_view>
#include <vector>

#include "batchdot/contraction.h"
#include "batchdot/notation.h"
#include "src/notation/notation_notes.h"
#include "tests/refusal.h"

namespace batchdot {
namespace {

const Dim kUnknown;
const Shape kQuery = {kUnknown, 36, 8, 24};  // Input((36, 8, 24))

Axes list(std::vector<Axes::Entry> entries) { return Axes(std::move(entries)); }

// What is computed and what the release says it computed.
TEST(DotLayer, ComputedAndReportedShape) {
  const struct {
    std::string_view dialect;
    Shape lhs, rhs;
    Axes axes;
    Shape computed, reported;
  } kCases[] = {
      // The question, in every release.
      {"keras-1.0", kQuery, kQuery, 2, {kUnknown, 36, 24, 24}, {kUnknown, 36, 24, 24}},
      {"keras-1.2", kQuery, kQuery, 2, {kUnknown, 36, 24, 24}, {kUnknown, 36, 24, 24}},
      {"keras-2.0", kQuery, kQuery, 2, {kUnknown, 36, 24, 24}, {kUnknown, 36, 24, 36, 24}},
      {"keras-2.1.6", kQuery, kQuery, 2, {kUnknown, 36, 24, 24}, {kUnknown, 36, 24, 36, 24}},
      {"keras-2.2", kQuery, kQuery, 2, {kUnknown, 36, 24, 24}, {kUnknown, 36, 24, 36, 24}},
      {"tf.keras-1", kQuery, kQuery, 2, {kUnknown, 36, 24, 24}, {kUnknown, 36, 24, 24}},
      {"keras-2.3", kQuery, kQuery, 2, {kUnknown, 36, 24, 36, 24}, {kUnknown, 36, 24, 36, 24}},
      {"tf.keras-2", kQuery, kQuery, 2, {kUnknown, 36, 24, 36, 24}, {kUnknown, 36, 24, 36, 24}},
      {"keras-3", kQuery, kQuery, 2, {kUnknown, 36, 24, 36, 24}, {kUnknown, 36, 24, 36, 24}},
      // Keras's own tests and what was run.
      {"keras-2.2", {4, 5}, {4, 5}, -1, {4, 1}, {4, 1}},
      {"keras-3", {4, 5}, {4, 5}, -1, {4, 1}, {4, 1}},
      {"keras-3", {1, 3, 2}, {1, 1, 2, 3}, {-2, -1}, {1, 2, 1, 2}, {1, 2, 1, 2}},
      {"keras-2.2", {7, 2, 3}, {7, 2, 3}, 0, {7, 3, 3}, {2, 3, 3}},
      {"tf.keras-1", {7, 2, 3}, {7, 2, 3}, 0, {7, 3, 3}, {7, 3, 3}},
      {"keras-2.3", {kUnknown, 2, 2, 4}, {2, 3, 2, 1}, 2, {2, 2, 4, 3, 1}, {kUnknown, 2, 4, 3, 1}},
      {"tf.keras-2", {kUnknown, 2, 2, 4}, {2, 3, 2, 1}, 2, {2, 2, 4, 3, 1}, {2, 2, 4, 3, 1}},
      {"keras-3", {kUnknown, 2, 2, 4}, {2, 3, 2, 1}, 2, {2, 2, 4, 3, 1}, {kUnknown, 2, 4, 3, 1}},
      {"keras-2.2", {kUnknown, 5, 3}, {kUnknown, 3}, {2, 1}, {kUnknown, 5}, {kUnknown, 5}},
      // One negative int is taken modulo each rank, however far below it lies.
      {"keras-2.2", {kUnknown, 5, 3}, {kUnknown, 5, 3}, -4, {kUnknown, 5, 5}, {kUnknown, 5, 5}},
      {"keras-2.3", {kUnknown, 5, 3}, {kUnknown, 5, 3}, -4, {kUnknown, 5, 5}, {kUnknown, 5, 5}},
      {"keras-1.2", {kUnknown, 5, 3}, {kUnknown, 5, 3}, -4, {kUnknown, 5, 5}, {kUnknown, 5, 5}},
      // A pair of negatives: the layer resolves it from 2.0 on, before it reached batch_dot as it
      // is.
      {"keras-1.2",
       {kUnknown, 5, 3},
       {kUnknown, 5, 3},
       {-1, -1},
       {kUnknown, 3, 3},
       {kUnknown, 3, 3}},
      {"keras-2.0",
       {kUnknown, 5, 3},
       {kUnknown, 5, 3},
       {-1, -1},
       {kUnknown, 5, 5},
       {kUnknown, 5, 5}},
      // Up to 1.0.7 one negative int did too.
      {"keras-1.0.7", {2, 5, 3}, {2, 5, 3}, -1, {2, 3, 3}, {2, 3, 3}},
      {"keras-1.0.8", {2, 5, 3}, {2, 5, 3}, -1, {2, 5, 5}, {2, 5, 5}},
      {"keras-1.0", {kUnknown, 5}, {kUnknown, 5}, 1, {kUnknown, kUnknown}, {kUnknown, kUnknown}},
      // 0.3 reshapes to what np.tensordot says.
      {"keras-0.3", {kUnknown, 5, 3}, {kUnknown, 5, 3}, -1, {kUnknown, 5, 5}, {kUnknown, 5, 5}},
      {"keras-0.3", {kUnknown, 5, 3}, {kUnknown, 3, 4}, 1, {kUnknown, 5, 4}, {kUnknown, 5, 4}},
      {"keras-0.3",
       {kUnknown, 1, 5, 3},
       {kUnknown, 1, 4, 3},
       {{3}, {3}},
       {kUnknown, 1, 5, 1, 4},
       {kUnknown, 1, 5, 1, 4}},
      // No names for what is known; two names are as good as two unknowns.
      {"keras-2.2", {"B", 5, "T"}, {"B", 7, "S"}, 2, {"B", 5, 7}, {"B", 5, 7}},
      {"tfjs", {2, 5, 3}, {2, 4, 3}, -1, {2, 5, 4}, {2, 5, 4}},
      {"tfjs", {2, 3}, {2, 3}, -1, {2, 1}, {2, 1}},
      {"tfjs", {2, 3, 3}, {2, 3, 3}, {-1, -2}, {2, 3, 3}, {2, 3, 3}},
  };
  for (const auto& c : kCases) {
    const DotLayer layer = dot_layer(c.lhs, c.rhs, c.axes, false, Dialect(c.dialect));
    EXPECT_NO_THROW(validate(layer.contraction));
    EXPECT_EQ(result_shape(layer.contraction), c.computed) << c.dialect << to_string(c.axes);
    EXPECT_EQ(layer.reported_shape, c.reported) << c.dialect << to_string(c.axes);
    EXPECT_FALSE(layer.normalize);
  }
}

TEST(DotLayer, DefaultAxesWhereTheFunctionalFormHasThem) {
  for (const std::string_view name : {"keras-0.3", "keras-1.0", "keras-1.2", "keras-3"}) {
    EXPECT_EQ(result_shape(dot_layer({2, 5, 3}, {2, 4, 3}, {}, false, Dialect(name)).contraction),
              (Shape{2, 5, 4}))
        << name;
  }
  for (const std::string_view name :
       {"keras-2.0", "keras-2.2", "tf.keras-1", "keras-2.3", "tf.keras-2", "tfjs"}) {
    const Error error = refusal_of([&] {
      dot_layer({2, 5, 3}, {2, 4, 3}, {}, false, Dialect(name));
    });
    EXPECT_EQ(error.code(), ErrorCode::kUsage) << name;
    EXPECT_EQ(place_of(error), "--axes");
  }
}

TEST(DotLayer, NormalizesWithTheEpsilonOfItsRelease) {
  using Floor = DotLayer::Floor;
  const struct {
    std::string_view dialect;
    Floor floor;
    double epsilon;
  } kCases[] = {
      {"keras-2.0", Floor::kUnderRoot, 1e-12},  {"keras-2.2", Floor::kUnderRoot, 1e-12},
      {"keras-2.3", Floor::kUnderRoot, 1e-12},  {"tf.keras-1", Floor::kUnderRoot, 1e-12},
      {"tf.keras-2", Floor::kUnderRoot, 1e-12}, {"keras-2.15", Floor::kUnderRoot, 1e-12},
      {"keras-3.0.0", Floor::kUnderRoot, 1e-7}, {"keras-3.0.4", Floor::kUnderRoot, 1e-7},
      {"keras-3.0.5", Floor::kNorm, 1e-7},      {"keras-3.5", Floor::kNorm, 1e-7},
      {"keras-3.6", Floor::kNorm, 1e-7},        {"keras-3", Floor::kNorm, 1e-7},
      {"tfjs", Floor::kUnderRoot, 1e-7},
  };
  for (const auto& c : kCases) {
    const DotLayer layer = dot_layer({2, 5, 3}, {2, 4, 3}, -1, true, Dialect(c.dialect));
    EXPECT_TRUE(layer.normalize);
    EXPECT_EQ(layer.floor, c.floor) << c.dialect;
    EXPECT_EQ(layer.epsilon, c.epsilon) << c.dialect;
    EXPECT_EQ(layer.lhs_axis, 2) << c.dialect;
    EXPECT_EQ(layer.rhs_axis, 2) << c.dialect;
  }
  for (const std::string_view name : {"keras-0.3", "keras-1.0", "keras-1.2"}) {
    const Error error = refusal_of([&] { dot_layer({2, 3}, {2, 3}, 1, true, Dialect(name)); });
    EXPECT_EQ(error.code(), ErrorCode::kNotImplemented) << name;
    EXPECT_EQ(place_of(error), "--normalize");
  }
}

TEST(DotLayer, RefusesAndSaysWhere) {
  const struct {
    std::string_view dialect;
    Shape lhs, rhs;
    Axes axes;
    ErrorCode code;
    std::string_view place;
  } kCases[] = {
      {"keras-2.2", {2, 5, 3}, {2, 5, 3}, {1, 1, 1}, ErrorCode::kAxesLen, ""},
      {"keras-3", {2, 5, 3}, {2, 5, 3}, list({1}), ErrorCode::kAxesLen, ""},
      {"keras-3", {2, 5, 3}, {2, 5, 3}, list({}), ErrorCode::kAxesLen, ""},
      {"keras-2.2", {2, 5, 3}, {2, 5, 3}, {{1}, {1}}, ErrorCode::kAxesNested, ""},
      {"keras-1.2", {2, 5, 3}, {2, 5, 3}, {{1}, {1}}, ErrorCode::kAxesNested, ""},
      {"keras-0.3", {2, 5, 3}, {2, 5, 3}, {1, 1}, ErrorCode::kAxesType, ""},
      {"keras-0.3", {2, 5, 3}, {2, 5, 3}, 0, ErrorCode::kAxesLen, ""},
      {"keras-0.3", {2, 5, 3}, {2, 5, 3}, list({Axes::Entry({1})}), ErrorCode::kAxesLen, ""},
      // One int in 0.3 ends lhs's range at rhs's rank.
      {"keras-0.3", {2, 5, 3}, {2, 3, 4, 5}, 1, ErrorCode::kAxesLen, ""},
      {"keras-0.3", {2, 5, 4, 3}, {2, 3, 5}, 1, ErrorCode::kAxesLen, ""},
      // build() compares what is declared.
      {"keras-2.2", {kUnknown, 6}, {kUnknown, kUnknown}, 1, ErrorCode::kDim, "0.1=6 1.1=?"},
      {"keras-3", {kUnknown, 6}, {kUnknown, "K"}, 1, ErrorCode::kDim, "0.1=6 1.1=K"},
      {"tf.keras-2", {2, 6}, {2, 5}, 1, ErrorCode::kDim, "0.1=6 1.1=5"},
      {"keras-1.0", {kUnknown, 6, 2}, {kUnknown, kUnknown, 2}, 1, ErrorCode::kDim, "0.1=6 1.1=?"},
      {"keras-2.2", {kUnknown, 1}, {1}, 0, ErrorCode::kDim, "0.0=? 1.0=1"},
      {"tfjs", {kUnknown, 6}, {kUnknown, kUnknown}, 1, ErrorCode::kDim, "0.1=6 1.1=?"},
      {"keras-0.3", {2, 5, 3}, {2, 5, 3}, 1, ErrorCode::kDim, "0.2=3 1.1=5"},
      {"keras-1.0.7", {2, 5, 3}, {2, 4, 3}, 2, ErrorCode::kDim, "0.1=5 1.1=4"},  // compares n - 2
      // Out of range in build(): a pair is indexed, and may count from the end once.
      {"keras-2.2", {2, 5, 3}, {2, 5, 3}, 3, ErrorCode::kAxisRange, "0.3=3"},
      {"keras-2.2", {2, 5, 3}, {2, 5, 3}, {-4, 1}, ErrorCode::kAxisRange, "0.-4=3"},
      {"keras-3", {2, 5, 3}, {2, 5, 3}, {1, 3}, ErrorCode::kAxisRange, "1.3=3"},
      {"keras-1.2", {2, 5, 3}, {2, 5, 3}, 5, ErrorCode::kAxisRange, "0.5=3"},
      // What batch_dot refuses when the layer is called.
      {"keras-3", kQuery, kQuery, 0, ErrorCode::kAxis0, "0.0=?"},
      {"keras-2.3", kQuery, kQuery, 0, ErrorCode::kAxis0, "0.0=?"},
      {"keras-3", {2, 3}, {4, 3}, 1, ErrorCode::kBatch, "0.0=2 1.0=4"},
      {"keras-2.2", {7, 2, 3}, {8, 2, 3}, 1, ErrorCode::kBatchDim, "0.0=7 1.0=8"},
      {"keras-2.2", {2, 3, 4, 5}, {2, 3, 4}, {2, 2}, ErrorCode::kSqueeze, "1.3=3 ?=4"},
      {"keras-2.2", {1, 1}, {1}, {1, 0}, ErrorCode::kRank, "1.1=1 ?=2"},
      {"keras-3", {3}, {3}, 0, ErrorCode::kRank, "0.1=1 ?=2"},
      {"keras-2.2", {}, {3}, 0, ErrorCode::kRank, "0.0=0 ?=1"},
      {"tfjs", {2, 3, 4, 5}, {2, 3, 4}, 1, ErrorCode::kNotImplemented, "0.3=4 ?=3"},
      {"tfjs", {2, 3, 4}, {2, 3}, 2, ErrorCode::kAxisRange, "1.2=2"},
      {"keras-0.3", {kUnknown, 5}, {kUnknown, 5}, -1, ErrorCode::kNotImplemented, ""},
      {"keras-0.3",
       {kUnknown, kUnknown, 5},
       {kUnknown, 4, 5},
       -1,
       ErrorCode::kNotImplemented,
       "0.1=?"},
      {"keras-0.3", {2, 3, 4, 5}, {2, 3, 4, 5}, {{3}, {3}}, ErrorCode::kNotImplemented, ""},
      // Its formula takes 1 off every axis: axis 0 is the last one then.
      {"keras-0.3", {4, 1}, {4, 1}, -2, ErrorCode::kAxesDup, "0.1=1"},
      {"keras-0.3", {2, 1, 1}, {2, 1, 1}, {{1}, {1, 1}}, ErrorCode::kAxesLen, ""},
      {"keras-0.3", {2, 1, 1}, {2, 1, 1}, {{1, 2}, {1, -1}}, ErrorCode::kAxesDup, "1.1=1"},
      {"keras-0.3", {4, 3}, {4, 1}, {{0}, {0}}, ErrorCode::kDim, "0.1=3 1.1=1"},
  };
  for (const auto& c : kCases) {
    const Error error =
        refusal_of([&] { dot_layer(c.lhs, c.rhs, c.axes, false, Dialect(c.dialect)); });
    EXPECT_EQ(error.code(), c.code) << error.message();
    EXPECT_EQ(place_of(error), c.place) << error.message();
    EXPECT_TRUE(error.message().starts_with("dot_layer: ")) << error.message();
  }
}

TEST(DotLayer, NotesSayWhatIsReported) {
  EXPECT_EQ(
      notation::dot_layer_notes(kQuery, kQuery, 2, true, Dialect("keras-2.2")),
      (std::vector<std::string>{
          "Dot of keras-2.2 calls batch_dot with axes [2, 2].",
          "Before that lhs is divided by its norm along axis 2, rhs along axis 2; the sum of "
          "squares "
          "counts as at least 1e-12.",
          "keras-2.2 multiplies matrices: all axes but the last two are batch, and an axis only "
          "says "
          "whether it is the last.",
          "Axis 2 of lhs is not the last (3): lhs is read transposed, its axis 2 is contracted; "
          "axis "
          "2 of rhs is not the last (3): rhs is read as it is, its axis 2 is contracted.",
          "An operand that is read transposed is conjugated if it is complex.",
          "The layer reports (?, 36, 24, 36, 24), by a formula that takes one axis off each "
          "operand "
          "and the batch off rhs; what is computed is (?, 36, 24, 24).",
          "The axes count the batch axis 0: Input((36, 8, 24)) adds it, ones((36, 8, 24)) does "
          "not."}));
  const auto merge =
      notation::dot_layer_notes({2, 5, 3}, {2, 5, 3}, {}, false, Dialect("keras-1.2"));
  EXPECT_EQ(merge.front(), "Merge(mode='dot') of keras-1.2 calls batch_dot with axes [2, 2].");
  const auto of_norm = notation::dot_layer_notes({2, 5}, {2, 5}, 1, true, Dialect("keras-3"));
  EXPECT_EQ(
      of_norm[1],
      "Before that lhs is divided by its norm along axis 1, rhs along axis 1; the norm counts "
      "as at least 1e-7.");
}

}  // namespace
}  // namespace batchdot
