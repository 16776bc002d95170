// SPDX-License-Identifier: Apache-2.0
#pragma once
// For which releases a rule holds. Every operation has its own table: rows that start with
// Releases.

#include <cstddef>

#include "batchdot/notation.h"

namespace batchdot {

/// Keras 2.2.4 as one number, in the form of Dialect::version().
constexpr int release(int major, int minor, int patch) {
  return major * 10000 + minor * 100 + patch;
}
constexpr int kNewest = release(99, 99, 99);

/// A range of releases of one product, both ends included.
struct Releases {
  Dialect::Product product;
  int first;
  int last;
};

constexpr Releases keras(int first, int last) { return {Dialect::Product::kKeras, first, last}; }
constexpr Releases tf_keras(int major) {
  return {Dialect::Product::kTfKeras, release(major, 0, 0), release(major, 99, 99)};
}
constexpr Releases tfjs() { return {Dialect::Product::kTfjs, 0, kNewest}; }

inline bool holds(const Releases& releases, const Dialect& dialect) {
  return releases.product == dialect.product() && releases.first <= dialect.version() &&
         dialect.version() <= releases.last;
}

/// The row of a table that holds for this dialect.
/// \throws Error  kInternal  there is none, which is a bug of ours.
template <class Row, std::size_t N>
const Row& row_of(const Row (&table)[N], const Dialect& dialect) {
  for (const Row& row : table) {
    if (holds(row.releases, dialect)) return row;
  }
  throw Error(ErrorCode::kInternal, "dialect: a table has no row for it: " + dialect.name());
}

}  // namespace batchdot
