// SPDX-License-Identifier: Apache-2.0
#pragma once
// A problem of the benchmark as everybody who computes it sees it: dtypes, strides, memory. The
// programs of one run share their memory, so all read the same operands.

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace bench {

/// An index that some of the tensors run over. A stride is 0 where the tensor lacks it.
struct Mode {
  std::int64_t extent = 1;
  std::int64_t a = 0, b = 0, c = 0;  ///< strides in elements: lhs, rhs, out
};
using Modes = std::vector<Mode>;

struct Problem {
  std::string dtype;                              ///< "f32", as the command line spells it
  std::string equation;                           ///< "bik,bjk->bij"
  std::vector<std::vector<std::int64_t>> shapes;  ///< of lhs, rhs, out
  Modes batch, m, n, k;                           ///< fused: as few modes as the strides allow
  std::byte* lhs = nullptr;
  std::byte* rhs = nullptr;
  std::byte* out = nullptr;
};

/// Reads `f32 bik,bjk->bij 4,8,5 4,7,5` and lays the tensors into the memory.
/// \throws std::runtime_error  it does not fit, or makes no sense.
Problem read_problem(const std::string& line, std::byte* memory, std::size_t bytes);

std::size_t bytes_of(const std::string& dtype);
std::int64_t count_of(const std::vector<std::int64_t>& shape);
std::int64_t extent_of(const Modes& modes);

/// Neighbours with one stride become one mode.
Modes fused(Modes modes);

/// A loop around a matrix product with one mode each for M, N and K.
struct Gemm {
  Modes outer;    ///< of `batch`, and what is left over of m and n
  Modes outer_k;  ///< what is left over of k: products that are added to the same result
  Mode m, n, k;
  bool swapped = false;   ///< lhs and rhs, m and n have changed places, so that out has unit n
  std::string described;  ///< for people
};

/// Every choice of one m, n and k whose out has rows with unit stride, the largest product first.
std::vector<Gemm> gemms_of(const Problem& problem);

/// A matrix as BLAS takes it: row-major with a leading dimension, or the transpose of one.
struct BlasMatrix {
  bool transposed;
  std::int64_t leading;
};

/// \return  nothing if neither stride is 1
std::optional<BlasMatrix> as_blas(std::int64_t rows, std::int64_t columns, std::int64_t row_stride,
                                  std::int64_t column_stride);

/// Calls body(a, b, c) with the offsets of items begin .. end-1 of the loop over `outer`.
template <class Body>
void for_items(const Modes& outer, std::int64_t begin, std::int64_t end, Body&& body) {
  if (begin >= end) return;
  std::int64_t a = 0, b = 0, c = 0;
  if (outer.empty()) {
    body(a, b, c);
    return;
  }
  constexpr std::size_t kMost = 16;
  std::int64_t at[kMost] = {};
  const std::size_t last = outer.size() - 1;
  std::int64_t rest = begin;
  for (std::size_t i = outer.size(); i-- > 0;) {
    at[i] = rest % outer[i].extent;
    rest /= outer[i].extent;
    a += at[i] * outer[i].a;
    b += at[i] * outer[i].b;
    c += at[i] * outer[i].c;
  }
  for (std::int64_t item = begin; item < end; ++item) {
    body(a, b, c);
    for (std::size_t i = last;; --i) {
      a += outer[i].a;
      b += outer[i].b;
      c += outer[i].c;
      if (++at[i] < outer[i].extent || i == 0) break;
      a -= outer[i].a * outer[i].extent;
      b -= outer[i].b * outer[i].extent;
      c -= outer[i].c * outer[i].extent;
      at[i] = 0;
    }
  }
}

}  // namespace bench
