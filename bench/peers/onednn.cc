// SPDX-License-Identifier: Apache-2.0
// oneDNN's batched matmul on memory with any strides.

#include <dnnl.hpp>
#include <memory>
#include <stdexcept>
#include <unordered_map>

#include "bench/peers/loops.h"

namespace bench {

namespace {

using Memory = dnnl::memory;

std::optional<Memory::data_type> type_of(const std::string& dtype) {
  if (dtype == "f32") return Memory::data_type::f32;
  if (dtype == "bf16") return Memory::data_type::bf16;
  if (dtype == "f16") return Memory::data_type::f16;
  if (dtype == "i8") return Memory::data_type::s8;
  if (dtype == "i32") return Memory::data_type::s32;
#if DNNL_VERSION_MAJOR > 2
  if (dtype == "f64") return Memory::data_type::f64;
#endif
  return {};
}

struct Loaded {
  dnnl::engine engine{dnnl::engine::kind::cpu, 0};
  dnnl::stream stream{engine};
  dnnl::matmul product;
  std::unordered_map<int, Memory> arguments;
};

// One primitive for the whole loop: outer modes are batch axes, of extent 1 where an operand lacks
// one.
std::vector<Way> ways_of(const Problem& problem, const Gemm& g) {
  constexpr std::size_t kMostAxes = 10;
  if (!g.outer_k.empty() || g.outer.size() > kMostAxes) return {};
  Memory::dims lhs, rhs, out, lhs_strides, rhs_strides, out_strides;
  const auto add = [](Memory::dims& dims, Memory::dims& strides, std::int64_t extent,
                      std::int64_t stride) {
    dims.push_back(stride == 0 ? 1 : extent);
    strides.push_back(stride == 0 ? 1 : stride);
  };
  for (const Mode& mode : g.outer) {
    add(lhs, lhs_strides, mode.extent, mode.a);
    add(rhs, rhs_strides, mode.extent, mode.b);
    add(out, out_strides, mode.extent, mode.c);
  }
  const auto add_matrix = [](Memory::dims& dims, Memory::dims& strides, std::int64_t rows,
                             std::int64_t row_stride, std::int64_t columns,
                             std::int64_t column_stride) {
    // A mode of one element has no stride: the one that makes the matrix dense.
    if (columns == 1 && column_stride == 0) column_stride = 1;
    if (rows == 1 && row_stride == 0) row_stride = columns * column_stride;
    dims.insert(dims.end(), {rows, columns});
    strides.insert(strides.end(), {row_stride, column_stride});
  };
  add_matrix(lhs, lhs_strides, g.m.extent, g.m.a, g.k.extent, g.k.a);
  add_matrix(rhs, rhs_strides, g.k.extent, g.k.b, g.n.extent, g.n.b);
  add_matrix(out, out_strides, g.m.extent, g.m.c, g.n.extent, g.n.c);

  const auto in_type = type_of(problem.dtype), out_type = type_of(result_dtype(problem.dtype));
  if (!in_type || !out_type) throw std::runtime_error("has no " + problem.dtype);
  const Memory::desc lhs_desc(lhs, *in_type, lhs_strides), rhs_desc(rhs, *in_type, rhs_strides);
  const Memory::desc out_desc(out, *out_type, out_strides);
  auto loaded = std::make_shared<Loaded>();
  std::string name;
  try {
#if DNNL_VERSION_MAJOR > 2
    const dnnl::matmul::primitive_desc desc(loaded->engine, lhs_desc, rhs_desc, out_desc);
#else
    const dnnl::matmul::primitive_desc desc(dnnl::matmul::desc(lhs_desc, rhs_desc, out_desc),
                                            loaded->engine);
#endif
    name = desc.impl_info_str();
    // Its plain loops take anything; on large problems they take minutes, and nobody would wait.
    constexpr std::int64_t kMostPlain = 20'000'000;
    if (name.find("ref") != std::string::npos &&
        extent_of(g.outer) * g.m.extent * g.n.extent * g.k.extent > kMostPlain) {
      return {};
    }
    loaded->product = dnnl::matmul(desc);
  } catch (const dnnl::error&) {
    return {};  // layouts or types that it does not take
  }
  std::byte* const a = g.swapped ? problem.rhs : problem.lhs;
  std::byte* const b = g.swapped ? problem.lhs : problem.rhs;
  loaded->arguments = {{DNNL_ARG_SRC, Memory(lhs_desc, loaded->engine, a)},
                       {DNNL_ARG_WEIGHTS, Memory(rhs_desc, loaded->engine, b)},
                       {DNNL_ARG_DST, Memory(out_desc, loaded->engine, problem.out)}};
  const auto run = [loaded] {
    loaded->product.execute(loaded->stream, loaded->arguments);
    loaded->stream.wait();
  };
  return {{name + ' ' + g.described, run, [] {}, {}}};
}

std::vector<Way> find_ways(const Problem& problem, int threads) {
  if (!type_of(problem.dtype)) throw std::runtime_error("has no " + problem.dtype);
  return ways_by_gemm(problem, threads, ways_of);
}

}  // namespace

}  // namespace bench

int main(int count, char** words) { return bench::serve(count, words, bench::find_ways); }
