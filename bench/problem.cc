// SPDX-License-Identifier: Apache-2.0
#include "bench/problem.h"

#include <algorithm>
#include <map>
#include <sstream>
#include <stdexcept>

namespace bench {

namespace {

std::vector<std::int64_t> numbers(const std::string& text) {
  std::vector<std::int64_t> result;
  std::istringstream stream(text);
  for (std::string word; std::getline(stream, word, ',');) result.push_back(std::stoll(word));
  return result;
}

std::map<char, std::int64_t> strides_of(const std::string& labels,
                                        const std::vector<std::int64_t>& shape) {
  if (labels.size() != shape.size()) throw std::runtime_error("rank of " + labels);
  std::map<char, std::int64_t> strides;
  std::int64_t stride = 1;
  for (std::size_t i = labels.size(); i-- > 0;) {
    strides[labels[i]] = stride;
    stride *= shape[i];
  }
  return strides;
}

std::int64_t stride_in(const std::map<char, std::int64_t>& strides, char label) {
  const auto found = strides.find(label);
  return found == strides.end() ? 0 : found->second;
}

std::string product(const Modes& modes) {
  std::string text;
  for (const Mode& mode : modes) text += (text.empty() ? "" : "x") + std::to_string(mode.extent);
  return text.empty() ? "1" : text;
}

void swap_sides(Mode& mode) { std::swap(mode.a, mode.b); }

void swap_sides(Modes& modes) {
  for (Mode& mode : modes) swap_sides(mode);
}

// The choices of one mode out of a list: each of them, or none where there is none.
std::vector<std::pair<Mode, Modes>> choices(const Modes& modes) {
  if (modes.empty()) return {{Mode{}, Modes{}}};
  std::vector<std::pair<Mode, Modes>> result;
  for (std::size_t i = 0; i < modes.size(); ++i) {
    Modes rest = modes;
    rest.erase(rest.begin() + static_cast<std::ptrdiff_t>(i));
    result.emplace_back(modes[i], rest);
  }
  return result;
}

}  // namespace

std::size_t bytes_of(const std::string& dtype) {
  static const std::map<std::string, std::size_t> kBytes = {
      {"i8", 1},  {"f16", 2}, {"bf16", 2},      {"f32", 4},        {"i32", 4},
      {"f64", 8}, {"i64", 8}, {"complex64", 8}, {"complex128", 16}};
  return kBytes.at(dtype);
}

std::int64_t count_of(const std::vector<std::int64_t>& shape) {
  std::int64_t count = 1;
  for (const std::int64_t extent : shape) count *= extent;
  return count;
}

std::int64_t extent_of(const Modes& modes) {
  std::int64_t extent = 1;
  for (const Mode& mode : modes) extent *= mode.extent;
  return extent;
}

Modes fused(Modes modes) {
  std::erase_if(modes, [](const Mode& mode) { return mode.extent == 1; });
  for (bool found = true; found;) {
    found = false;
    for (std::size_t i = 0; i < modes.size() && !found; ++i) {
      for (std::size_t j = 0; j < modes.size() && !found; ++j) {
        const Mode& inner = modes[j];
        Mode& outer = modes[i];
        if (i == j || outer.a != inner.a * inner.extent || outer.b != inner.b * inner.extent ||
            outer.c != inner.c * inner.extent) {
          continue;
        }
        outer = {outer.extent * inner.extent, inner.a, inner.b, inner.c};
        modes.erase(modes.begin() + static_cast<std::ptrdiff_t>(j));
        found = true;
      }
    }
  }
  return modes;
}

Problem read_problem(const std::string& line, std::byte* memory, std::size_t bytes) {
  Problem problem;
  std::istringstream stream(line);
  std::string lhs_shape, rhs_shape;
  if (!(stream >> problem.dtype >> problem.equation >> lhs_shape >> rhs_shape)) {
    throw std::runtime_error("not a problem: " + line);
  }
  problem.shapes = {numbers(lhs_shape), numbers(rhs_shape), {}};
  const std::size_t comma = problem.equation.find(',');
  const std::size_t arrow = problem.equation.find("->");
  const std::string lhs = problem.equation.substr(0, comma);
  const std::string rhs = problem.equation.substr(comma + 1, arrow - comma - 1);
  const std::string out = problem.equation.substr(arrow + 2);
  std::map<char, std::int64_t> extents;
  for (std::size_t i = 0; i < lhs.size(); ++i) extents[lhs[i]] = problem.shapes[0].at(i);
  for (std::size_t i = 0; i < rhs.size(); ++i) extents[rhs[i]] = problem.shapes[1].at(i);
  for (const char label : out) problem.shapes[2].push_back(extents.at(label));
  const auto a = strides_of(lhs, problem.shapes[0]);
  const auto b = strides_of(rhs, problem.shapes[1]);
  const auto c = strides_of(out, problem.shapes[2]);
  // In the order of out, then of lhs: outer modes first, so that loops run through memory.
  std::string seen;
  for (const char label : out + lhs) {
    if (seen.find(label) != std::string::npos) continue;
    seen += label;
    const bool in_lhs = a.count(label) == 1, in_rhs = b.count(label) == 1;
    Modes& modes = c.count(label) == 0 ? problem.k
                   : in_lhs && in_rhs  ? problem.batch
                   : in_lhs            ? problem.m
                                       : problem.n;
    modes.push_back(
        {extents.at(label), stride_in(a, label), stride_in(b, label), stride_in(c, label)});
  }
  for (Modes* modes : {&problem.batch, &problem.m, &problem.n, &problem.k}) *modes = fused(*modes);

  const std::size_t size = bytes_of(problem.dtype);
  constexpr std::size_t kPage = 4096, kLine = 64;
  std::byte* next = memory;
  // Different places in the page, as an allocator gives them: equal ones would collide in L1.
  const auto place = [&](std::int64_t count, std::size_t element, std::size_t lines) {
    std::byte* const at = next + lines * kLine;
    next = at + (static_cast<std::size_t>(count) * element + kPage) / kPage * kPage -
           lines * kLine + kPage;
    return at;
  };
  problem.lhs = place(count_of(problem.shapes[0]), size, 0);
  problem.rhs = place(count_of(problem.shapes[1]), size, 17);
  problem.out = place(count_of(problem.shapes[2]), std::max<std::size_t>(size, 4), 34);
  if (next > memory + bytes) throw std::runtime_error("the shared memory is too small: " + line);
  return problem;
}

std::vector<Gemm> gemms_of(const Problem& problem) {
  std::vector<Gemm> result;
  for (const auto& [m, rest_m] : choices(problem.m)) {
    for (const auto& [n, rest_n] : choices(problem.n)) {
      for (const auto& [k, rest_k] : choices(problem.k)) {
        Gemm gemm;
        gemm.m = m, gemm.n = n, gemm.k = k;
        gemm.outer = problem.batch;
        gemm.outer.insert(gemm.outer.end(), rest_m.begin(), rest_m.end());
        gemm.outer.insert(gemm.outer.end(), rest_n.begin(), rest_n.end());
        std::sort(gemm.outer.begin(), gemm.outer.end(),
                  [](const Mode& x, const Mode& y) { return x.c > y.c; });
        gemm.outer = fused(gemm.outer);
        gemm.outer_k = rest_k;
        if (n.c != 1 && n.extent != 1) {
          if (m.c != 1 && m.extent != 1) continue;
          gemm.swapped = true;
          std::swap(gemm.m, gemm.n);
          for (Mode* mode : {&gemm.m, &gemm.n, &gemm.k}) swap_sides(*mode);
          swap_sides(gemm.outer);
          swap_sides(gemm.outer_k);
        }
        gemm.described =
            product(gemm.outer) + " x (M=" + std::to_string(gemm.m.extent) +
            ",N=" + std::to_string(gemm.n.extent) + ",K=" + std::to_string(gemm.k.extent) +
            (rest_k.empty() ? "" : " of " + std::to_string(extent_of(problem.k))) + ")";
        result.push_back(gemm);
      }
    }
  }
  const auto volume = [](const Gemm& gemm) {
    return gemm.m.extent * gemm.n.extent * gemm.k.extent;
  };
  std::stable_sort(result.begin(), result.end(),
                   [&](const Gemm& x, const Gemm& y) { return volume(x) > volume(y); });
  return result;
}

std::optional<BlasMatrix> as_blas(std::int64_t rows, std::int64_t columns, std::int64_t row_stride,
                                  std::int64_t column_stride) {
  if ((column_stride == 1 || columns == 1) && (rows == 1 || row_stride >= columns)) {
    return BlasMatrix{false, rows == 1 ? columns : row_stride};
  }
  if ((row_stride == 1 || rows == 1) && (columns == 1 || column_stride >= rows)) {
    return BlasMatrix{true, columns == 1 ? rows : column_stride};
  }
  return {};
}

}  // namespace bench
