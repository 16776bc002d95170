// SPDX-License-Identifier: Apache-2.0
// Eigen: a loop around products of maps, with sizes known to the compiler for small squares.

#include <Eigen/Core>
#include <complex>
#include <stdexcept>

#include "bench/peers/loops.h"

namespace bench {

namespace {

template <class T, int Rows, int Columns, bool kTransposed>
using Matrix =
    Eigen::Matrix<T, Rows, Columns,
                  (Columns == 1 && Rows != 1) || (kTransposed && Rows != 1) ? Eigen::ColMajor
                                                                            : Eigen::RowMajor>;

template <class T, bool kTransposed>
using Map = Eigen::Map<const Matrix<T, Eigen::Dynamic, Eigen::Dynamic, kTransposed>,
                       Eigen::Unaligned, Eigen::OuterStride<>>;

template <class T, bool kTransposedA, bool kTransposedB>
std::vector<Way> ways_of(const Problem& problem, const Gemm& g, int threads, const BlasMatrix& a,
                         const BlasMatrix& b, const BlasMatrix& c) {
  const auto* const lhs = reinterpret_cast<const T*>(g.swapped ? problem.rhs : problem.lhs);
  const auto* const rhs = reinterpret_cast<const T*>(g.swapped ? problem.lhs : problem.rhs);
  auto* const out = reinterpret_cast<T*>(problem.out);
  using Out = Eigen::Map<Matrix<T, Eigen::Dynamic, Eigen::Dynamic, false>, Eigen::Unaligned,
                         Eigen::OuterStride<>>;
  const auto run = [=] {
    loop(g, threads, [&](std::int64_t at_a, std::int64_t at_b, std::int64_t at_c, bool first) {
      const Map<T, kTransposedA> x(lhs + at_a, g.m.extent, g.k.extent,
                                   Eigen::OuterStride<>(a.leading));
      const Map<T, kTransposedB> y(rhs + at_b, g.k.extent, g.n.extent,
                                   Eigen::OuterStride<>(b.leading));
      Out z(out + at_c, g.m.extent, g.n.extent, Eigen::OuterStride<>(c.leading));
      if (first) {
        z.noalias() = x * y;
      } else {
        z.noalias() += x * y;
      }
    });
  };
  return {{"maps " + g.described, run, [] {}, {}}};
}

// A square of N with everything known but where it lies.
template <class T, int N, bool kTransposedB>
Way small_way(const Problem& problem, const Gemm& g, int threads) {
  const auto* const lhs = reinterpret_cast<const T*>(g.swapped ? problem.rhs : problem.lhs);
  const auto* const rhs = reinterpret_cast<const T*>(g.swapped ? problem.lhs : problem.rhs);
  auto* const out = reinterpret_cast<T*>(problem.out);
  const auto run = [=] {
    loop(g, threads, [&](std::int64_t at_a, std::int64_t at_b, std::int64_t at_c, bool) {
      const Eigen::Map<const Matrix<T, N, N, false>> x(lhs + at_a);
      const Eigen::Map<const Matrix<T, N, N, kTransposedB>> y(rhs + at_b);
      Eigen::Map<Matrix<T, N, N, false>> z(out + at_c);
      z.noalias() = x * y;
    });
  };
  return {"fixed maps " + g.described, run, [] {}, {}};
}

template <class T>
std::vector<Way> all_ways(const Problem& problem, const Gemm& g, int threads) {
  const std::int64_t M = g.m.extent, N = g.n.extent, K = g.k.extent;
  const auto a = as_blas(M, K, g.m.a, g.k.a), b = as_blas(K, N, g.k.b, g.n.b);
  const auto c = as_blas(M, N, g.m.c, g.n.c);
  if (!a || !b || !c || c->transposed) return {};
  std::vector<Way> ways =
      a->transposed   ? b->transposed ? ways_of<T, true, true>(problem, g, threads, *a, *b, *c)
                                      : ways_of<T, true, false>(problem, g, threads, *a, *b, *c)
        : b->transposed ? ways_of<T, false, true>(problem, g, threads, *a, *b, *c)
                      : ways_of<T, false, false>(problem, g, threads, *a, *b, *c);
  const bool is_dense_square = M == N && N == K && !a->transposed && a->leading == N &&
                               b->leading == N && c->leading == N && g.outer_k.empty();
  if (!is_dense_square || b->transposed) return ways;
  if (N == 4) ways.push_back(small_way<T, 4, false>(problem, g, threads));
  if (N == 8) ways.push_back(small_way<T, 8, false>(problem, g, threads));
  if (N == 16) ways.push_back(small_way<T, 16, false>(problem, g, threads));
  if (N == 24) ways.push_back(small_way<T, 24, false>(problem, g, threads));
  if (N == 32) ways.push_back(small_way<T, 32, false>(problem, g, threads));
  return ways;
}

std::vector<Way> find_ways(const Problem& problem, int threads) {
  const auto typed = [&](auto element) {
    using T = decltype(element);
    return ways_by_gemm(problem, threads, [=](const Problem& p, const Gemm& g) {
      std::vector<Way> ways = all_ways<T>(p, g, threads);
      if (const auto parts = threads > 1 ? split(g, threads) : std::nullopt) {
        for (Way& way : all_ways<T>(p, *parts, threads)) ways.push_back(std::move(way));
      }
      return ways;
    });
  };
  if (problem.dtype == "f32") return typed(float{});
  if (problem.dtype == "f64") return typed(double{});
  if (problem.dtype == "complex64") return typed(std::complex<float>{});
  if (problem.dtype == "complex128") return typed(std::complex<double>{});
  if (problem.dtype == "i32") return typed(std::int32_t{});
  if (problem.dtype == "i64") return typed(std::int64_t{});
  throw std::runtime_error("has no " + problem.dtype);
}

}  // namespace

}  // namespace bench

int main(int count, char** words) { return bench::serve(count, words, bench::find_ways); }
