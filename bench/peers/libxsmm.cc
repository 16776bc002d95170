// SPDX-License-Identifier: Apache-2.0
// LIBXSMM: a loop around a kernel that is generated for exactly this product. It is column-major:
// its A is our rhs. What has no unit stride there is transposed into scratch first, an item at a
// time.

#include <libxsmm.h>

#include <memory>
#include <stdexcept>

#include "bench/peers/loops.h"

namespace bench {

namespace {

template <class T>
struct Kernels;
template <>
struct Kernels<float> {
  using Function = libxsmm_smmfunction;
  static Function get(int m, int n, int k, int lda, int ldb, int ldc, float beta) {
    const float alpha = 1;
    return libxsmm_smmdispatch(m, n, k, &lda, &ldb, &ldc, &alpha, &beta, nullptr, nullptr);
  }
};
template <>
struct Kernels<double> {
  using Function = libxsmm_dmmfunction;
  static Function get(int m, int n, int k, int lda, int ldb, int ldc, double beta) {
    const double alpha = 1;
    return libxsmm_dmmdispatch(m, n, k, &lda, &ldb, &ldc, &alpha, &beta, nullptr, nullptr);
  }
};

// True if an operand is the same for all items.
bool is_shared(const Modes& outer, std::int64_t Mode::*stride) {
  return std::all_of(outer.begin(), outer.end(),
                     [&](const Mode& mode) { return mode.*stride == 0; });
}

template <class T>
std::vector<Way> ways_of(const Problem& problem, const Gemm& whole, int threads, bool cuts) {
  Gemm g = whole;
  if (cuts) {
    const auto parts = split(whole, threads);
    if (!parts) return {};
    g = *parts;
  }
  const int M = static_cast<int>(g.m.extent), N = static_cast<int>(g.n.extent);
  const int K = static_cast<int>(g.k.extent);
  const auto a = as_blas(M, K, g.m.a, g.k.a), b = as_blas(K, N, g.k.b, g.n.b);
  const auto c = as_blas(M, N, g.m.c, g.n.c);
  if (!a || !b || !c || c->transposed) return {};
  const int lda = a->transposed ? K : static_cast<int>(a->leading);
  const int ldb = b->transposed ? N : static_cast<int>(b->leading);
  const auto kernel = Kernels<T>::get(N, M, K, ldb, lda, static_cast<int>(c->leading), 0);
  const auto adds = Kernels<T>::get(N, M, K, ldb, lda, static_cast<int>(c->leading), 1);
  if (kernel == nullptr || adds == nullptr) return {};
  const auto* const lhs = reinterpret_cast<const T*>(g.swapped ? problem.rhs : problem.lhs);
  const auto* const rhs = reinterpret_cast<const T*>(g.swapped ? problem.lhs : problem.rhs);
  auto* const out = reinterpret_cast<T*>(problem.out);
  const bool has_loop = !g.outer_k.empty();
  const bool once_a = a->transposed && !has_loop && is_shared(g.outer, &Mode::a);
  const bool once_b = b->transposed && !has_loop && is_shared(g.outer, &Mode::b);
  const auto shared_a = std::make_shared<std::vector<T>>(once_a ? std::size_t(M) * K : 0);
  const auto shared_b = std::make_shared<std::vector<T>>(once_b ? std::size_t(K) * N : 0);
  const auto run = [=] {
    if (once_a) {
      libxsmm_otrans(shared_a->data(), lhs, sizeof(T), M, K, static_cast<int>(a->leading), K);
    }
    if (once_b) {
      libxsmm_otrans(shared_b->data(), rhs, sizeof(T), K, N, static_cast<int>(b->leading), N);
    }
    loop(g, threads, [&](std::int64_t at_a, std::int64_t at_b, std::int64_t at_c, bool first) {
      const T* x = lhs + at_a;
      const T* y = rhs + at_b;
      thread_local std::vector<T> scratch_a, scratch_b;
      if (once_a) {
        x = shared_a->data();
      } else if (a->transposed) {
        scratch_a.resize(std::size_t(M) * K);
        libxsmm_otrans(scratch_a.data(), x, sizeof(T), M, K, static_cast<int>(a->leading), K);
        x = scratch_a.data();
      }
      if (once_b) {
        y = shared_b->data();
      } else if (b->transposed) {
        scratch_b.resize(std::size_t(K) * N);
        libxsmm_otrans(scratch_b.data(), y, sizeof(T), K, N, static_cast<int>(b->leading), N);
        y = scratch_b.data();
      }
      (first ? kernel : adds)(y, x, out + at_c);
    });
  };
  return {{"kernel " + g.described, run, [] {}, {}}};
}

std::vector<Way> find_ways(const Problem& problem, int threads) {
  const auto typed = [&](auto element) {
    using T = decltype(element);
    return ways_by_gemm(problem, threads, [=](const Problem& p, const Gemm& g) {
      std::vector<Way> ways = ways_of<T>(p, g, threads, false);
      if (threads > 1) {
        for (Way& way : ways_of<T>(p, g, threads, true)) ways.push_back(std::move(way));
      }
      return ways;
    });
  };
  if (problem.dtype == "f32") return typed(float{});
  if (problem.dtype == "f64") return typed(double{});
  throw std::runtime_error("has no " + problem.dtype);
}

}  // namespace

}  // namespace bench

int main(int count, char** words) {
  libxsmm_init();
  return bench::serve(count, words, bench::find_ways);
}
