// SPDX-License-Identifier: Apache-2.0
#pragma once
// The loops that a user writes around a library's matrix product.

#include <algorithm>
#include <functional>
#include <vector>

#include "bench/worker.h"

namespace bench {

/// The ways to compute with products as BLAS takes them: each choice of a matrix out of the modes,
/// and copies before and after. `make` gives those of one choice; its problem's memory is to be
/// used, as it may be that of copies.
inline std::vector<Way> ways_by_gemm(
    const Problem& problem, int threads,
    const std::function<std::vector<Way>(const Problem& problem, const Gemm& gemm)>& make) {
  std::vector<Way> ways;
  // Beyond the first few, products are small and calls many.
  constexpr std::size_t kMost = 8;
  for (const Gemm& gemm : gemms_of(problem)) {
    if (ways.size() >= kMost) break;
    for (Way& way : make(problem, gemm)) ways.push_back(std::move(way));
  }
  for (Way& way : ways_with_copies(problem, threads, make)) ways.push_back(std::move(way));
  return ways;
}

/// Runs item(a, b, c, first) for every item of the loops around the product, in `threads` parts:
/// offsets of the operands (swapped as the product is), and whether the result is overwritten.
template <class Item>
void loop(const Gemm& gemm, int threads, const Item& item) {
  const std::int64_t items = extent_of(gemm.outer);
  const auto part_of = [&](std::int64_t begin, std::int64_t end) {
    for_items(gemm.outer, begin, end, [&](std::int64_t a, std::int64_t b, std::int64_t c) {
      if (gemm.outer_k.empty()) {
        item(a, b, c, true);
        return;
      }
      bool first = true;
      for_items(gemm.outer_k, 0, extent_of(gemm.outer_k),
                [&](std::int64_t k_a, std::int64_t k_b, std::int64_t) {
                  item(a + k_a, b + k_b, c, first);
                  first = false;
                });
    });
  };
  if (threads == 1) {
    part_of(0, items);
    return;
  }
  const int parts = static_cast<int>(std::min<std::int64_t>(threads, items));
  parallel_for(threads, parts,
               [&](int part) { part_of(items * part / parts, items * (part + 1) / parts); });
}

/// The product with its rows, or if they are few its columns, cut into parts, which become the
/// innermost outer mode. Nothing if they do not divide.
inline std::optional<Gemm> split(const Gemm& gemm, int parts) {
  Gemm result = gemm;
  Mode& mode = gemm.m.extent >= gemm.n.extent ? result.m : result.n;
  if (parts == 1 || mode.extent % parts != 0) return {};
  mode.extent /= parts;
  const std::int64_t extent = mode.extent;
  result.outer.push_back({parts, mode.a * extent, mode.b * extent, mode.c * extent});
  result.described += " in " + std::to_string(parts) + " parts";
  return result;
}

}  // namespace bench
