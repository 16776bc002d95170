// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <string_view>

#include "batchdot/notation.h"
#include "tests/refusal.h"

namespace batchdot {
namespace {

using Product = Dialect::Product;

TEST(Dialect, NamesStandForTheLastReleaseOfTheirRange) {
  const struct {
    std::string_view name;
    Product product;
    int version;
    bool tensorflow_broadcasts = false;
  } kCases[] = {
      {"keras-0.3", Product::kKeras, 303},
      {"keras-1.0", Product::kKeras, 10008},
      {"keras-1.2", Product::kKeras, 10202},
      {"keras-2.0", Product::kKeras, 20009},
      {"keras-2.1.6", Product::kKeras, 20106},
      {"tf.keras-1", Product::kTfKeras, 10000},
      {"keras-2.2", Product::kKeras, 20204},  // not 2.2.5, which has the next rules
      {"keras-2.2-tf1.14", Product::kKeras, 20204, true},
      {"keras-2.3", Product::kKeras, 20301},
      {"tf.keras-2", Product::kTfKeras, 20000},
      {"keras-3", Product::kKeras, 31501},
      {"tfjs", Product::kTfjs, 0},
      // Releases that are no names of the list.
      {"keras-0.3.3", Product::kKeras, 303},
      {"keras-1.0.0", Product::kKeras, 10000},
      {"keras-1.1", Product::kKeras, 10102},
      {"keras-2.1", Product::kKeras, 20106},
      {"keras-2.1.4", Product::kKeras, 20104},
      {"keras-2.2.5", Product::kKeras, 20205},
      {"keras-2.4", Product::kTfKeras, 20000},
      {"keras-2.4.3", Product::kTfKeras, 20000},
      {"keras-2.15", Product::kTfKeras, 20000},
      {"keras-3.0", Product::kKeras, 30005},
      {"keras-3.0.4", Product::kKeras, 30004},
      {"keras-3.12", Product::kKeras, 31204},
      {"keras-3.15.1", Product::kKeras, 31501},
  };
  for (const auto& c : kCases) {
    const Dialect dialect(c.name);
    EXPECT_EQ(dialect.name(), c.name);
    EXPECT_EQ(dialect.product(), c.product) << c.name;
    EXPECT_EQ(dialect.version(), c.version) << c.name;
    EXPECT_EQ(dialect.tensorflow_broadcasts(), c.tensorflow_broadcasts) << c.name;
  }
}

TEST(Dialect, RefusesEverythingElseAndListsTheNames) {
  for (const std::string_view name : {"",
                                      "keras",
                                      "keras-",
                                      "keras-2",
                                      "keras-4",
                                      "keras-0.2",
                                      "keras-0.3.2",
                                      "keras-1.3",
                                      "keras-1.0.9",
                                      "keras-2.2.6",
                                      "keras-2.16",
                                      "keras-3.16",
                                      "keras-3.15.2",
                                      "keras-2.2.4.1",
                                      "keras-2.2.",
                                      "keras-2..4",
                                      "keras-02.2",
                                      "keras-2.02",
                                      "keras-+2.2",
                                      "keras--2.2",
                                      "keras-2.2 ",
                                      " keras-2.2",
                                      "Keras-2.2",
                                      "keras-2.1-tf1.14",
                                      "keras-2.2.4-tf1.14",
                                      "tf.keras",
                                      "tf.keras-3",
                                      "tf.keras-2.4",
                                      "tfjs-4",
                                      "theano",
                                      "keras-99999999999.1"}) {
    const Error error = refusal_of([&] { Dialect dialect(name); });
    EXPECT_EQ(error.code(), ErrorCode::kUsage) << name;
    EXPECT_EQ(place_of(error), "--dialect") << name;
    for (const std::string_view known : Dialect::names()) {
      EXPECT_NE(error.message().find(known), std::string::npos) << error.message();
    }
    EXPECT_TRUE(error.message().ends_with("from keras-0.3.3 to keras-3.15.1")) << error.message();
  }
}

TEST(Dialect, AMistypedNameFindsItsNeighbour) {
  const struct {
    std::string_view name, meant;
  } kCases[] = {
      {"Keras-3", "keras-3"},     {"KERAS-2.2", "keras-2.2"}, {"keras2.2", "keras-2.2"},
      {"keras_2.2", "keras-2.2"}, {"keras-3 ", "keras-3"},    {"tf.keras", "tf.keras-2"},
      {"keras-2", "keras-2.3"},   {"keras", "keras-3"},
  };
  for (const auto& c : kCases) {
    const Error error = refusal_of([&] { Dialect dialect(c.name); });
    const std::string hint = ": did you mean '" + std::string(c.meant) + "'?: the dialects are ";
    EXPECT_NE(error.message().find(hint), std::string::npos) << error.message();
  }
  EXPECT_EQ(refusal_of([] { Dialect dialect("theano"); }).message().find("mean"),
            std::string::npos);
  const std::string endless(900'000, 'k');
  EXPECT_LT(refusal_of([&] { Dialect dialect(endless); }).message().size(), 1000u);
}

TEST(Dialect, TheDefaultIsKeras3) { EXPECT_EQ(Dialect(), Dialect("keras-3")); }

TEST(Dialect, TwelveNamesOldestFirst) {
  const auto names = Dialect::names();
  ASSERT_EQ(names.size(), 12u);
  EXPECT_EQ(names.front(), "keras-0.3");
  EXPECT_EQ(names[10], "keras-3");
  EXPECT_EQ(names.back(), "tfjs");
  int last = 0;
  for (const std::string_view name : names) {
    const Dialect dialect(name);
    if (dialect.product() != Product::kKeras) continue;
    EXPECT_GE(dialect.version(), last) << name;
    last = dialect.version();
  }
}

// Every release has rules in every operation: a table with a hole fails here.
TEST(Dialect, EveryReleaseHasRules) {
  const struct {
    int major, minor, last;
  } kReleases[] = {{1, 0, 8}, {1, 1, 2}, {1, 2, 2},  {2, 0, 9},  {2, 1, 6},  {2, 2, 5},
                   {2, 3, 1}, {2, 4, 3}, {3, 0, 5},  {3, 1, 1},  {3, 2, 1},  {3, 3, 3},
                   {3, 4, 1}, {3, 9, 2}, {3, 11, 3}, {3, 12, 4}, {3, 13, 2}, {3, 14, 1}};
  for (const auto& row : kReleases) {
    for (int patch = 0; patch <= row.last; ++patch) {
      const Dialect dialect("keras-" + std::to_string(row.major) + "." + std::to_string(row.minor) +
                            "." + std::to_string(patch));
      EXPECT_EQ(result_shape(batch_dot({2, 3, 4}, {2, 4, 5}, {2, 1}, dialect)), (Shape{2, 3, 5}));
      EXPECT_EQ(result_shape(dot({3, 4}, {4, 5}, dialect)), (Shape{3, 5}));
      EXPECT_EQ(result_shape(dot_layer({2, 3, 4}, {2, 4, 5}, {2, 1}, false, dialect).contraction),
                (Shape{2, 3, 5}));
    }
  }
}

}  // namespace
}  // namespace batchdot
