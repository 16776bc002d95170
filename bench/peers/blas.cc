// SPDX-License-Identifier: Apache-2.0
// OpenBLAS, BLIS and MKL: loops around gemm, gemv and dot, and of MKL its batched calls and its
// generated kernels.

#include <complex>
#include <memory>
#include <stdexcept>

#include "bench/peers/loops.h"

#if defined(PEER_OPENBLAS)
#if defined(PEER_OPENBLAS_SCIPY)  // a build with names of its own
#define cblas_sgemm scipy_cblas_sgemm
#define cblas_dgemm scipy_cblas_dgemm
#define cblas_cgemm scipy_cblas_cgemm
#define cblas_zgemm scipy_cblas_zgemm
#define cblas_sgemv scipy_cblas_sgemv
#define cblas_dgemv scipy_cblas_dgemv
#define cblas_sdot scipy_cblas_sdot
#define cblas_ddot scipy_cblas_ddot
#define openblas_set_num_threads scipy_openblas_set_num_threads
#endif
#include <cblas.h>
using Int = blasint;
static void set_threads(int threads) { openblas_set_num_threads(threads); }
#elif defined(PEER_BLIS)
#include <blis.h>
#include <cblas.h>
using Int = f77_int;
static void set_threads(int threads) { bli_thread_set_num_threads(threads); }
#elif defined(PEER_MKL)
#include <mkl.h>
using Int = MKL_INT;
static void set_threads(int threads) { mkl_set_num_threads(threads); }
#endif

namespace bench {

namespace {

using C64 = std::complex<float>;
using C128 = std::complex<double>;

// One name for the four element types.
struct Call {
  CBLAS_TRANSPOSE ta, tb;
  Int M, N, K, lda, ldb, ldc;
};
void gemm(const Call& c, const float* a, const float* b, float beta, float* out) {
  cblas_sgemm(CblasRowMajor, c.ta, c.tb, c.M, c.N, c.K, 1, a, c.lda, b, c.ldb, beta, out, c.ldc);
}
void gemm(const Call& c, const double* a, const double* b, double beta, double* out) {
  cblas_dgemm(CblasRowMajor, c.ta, c.tb, c.M, c.N, c.K, 1, a, c.lda, b, c.ldb, beta, out, c.ldc);
}
void gemm(const Call& c, const C64* a, const C64* b, C64 beta, C64* out) {
  const C64 one = 1;
  cblas_cgemm(CblasRowMajor, c.ta, c.tb, c.M, c.N, c.K, &one, a, c.lda, b, c.ldb, &beta, out,
              c.ldc);
}
void gemm(const Call& c, const C128* a, const C128* b, C128 beta, C128* out) {
  const C128 one = 1;
  cblas_zgemm(CblasRowMajor, c.ta, c.tb, c.M, c.N, c.K, &one, a, c.lda, b, c.ldb, &beta, out,
              c.ldc);
}
void gemv(CBLAS_TRANSPOSE t, Int rows, Int columns, const float* a, Int lda, const float* x,
          Int incx, float beta, float* y, Int incy) {
  cblas_sgemv(CblasRowMajor, t, rows, columns, 1, a, lda, x, incx, beta, y, incy);
}
void gemv(CBLAS_TRANSPOSE t, Int rows, Int columns, const double* a, Int lda, const double* x,
          Int incx, double beta, double* y, Int incy) {
  cblas_dgemv(CblasRowMajor, t, rows, columns, 1, a, lda, x, incx, beta, y, incy);
}
float dot(Int n, const float* x, Int incx, const float* y, Int incy) {
  return cblas_sdot(n, x, incx, y, incy);
}
double dot(Int n, const double* x, Int incx, const double* y, Int incy) {
  return cblas_ddot(n, x, incx, y, incy);
}

CBLAS_TRANSPOSE transpose(const BlasMatrix& matrix) {
  return matrix.transposed ? CblasTrans : CblasNoTrans;
}

std::optional<Call> call_of(const Gemm& g) {
  const auto a = as_blas(g.m.extent, g.k.extent, g.m.a, g.k.a);
  const auto b = as_blas(g.k.extent, g.n.extent, g.k.b, g.n.b);
  const auto c = as_blas(g.m.extent, g.n.extent, g.m.c, g.n.c);
  if (!a || !b || !c || c->transposed) return {};
  return Call{transpose(*a),
              transpose(*b),
              static_cast<Int>(g.m.extent),
              static_cast<Int>(g.n.extent),
              static_cast<Int>(g.k.extent),
              static_cast<Int>(a->leading),
              static_cast<Int>(b->leading),
              static_cast<Int>(c->leading)};
}

template <class T>
struct Operands {
  const T* a;
  const T* b;
  T* c;
};

template <class T>
Operands<T> operands_of(const Problem& problem, const Gemm& gemm) {
  const auto* const lhs = reinterpret_cast<const T*>(problem.lhs);
  const auto* const rhs = reinterpret_cast<const T*>(problem.rhs);
  return {gemm.swapped ? rhs : lhs, gemm.swapped ? lhs : rhs, reinterpret_cast<T*>(problem.out)};
}

// `run(threads of the loop)`, with the loop around the library on all threads, or the library
// itself on all threads.
template <class Run>
void add_ways(std::vector<Way>& ways, const std::string& how, int threads, const Run& run) {
  if (threads == 1) {
    ways.push_back({how, [=] { run(1); }, [] { set_threads(1); }, {}});
    return;
  }
  ways.push_back({how + ", threads around", [=] { run(threads); }, [] { set_threads(1); }, {}});
  ways.push_back({how + ", threads inside", [=] { run(1); }, [=] { set_threads(threads); }, {}});
}

#if defined(PEER_MKL)
void gemm_batch(const Call& c, const float* a, MKL_INT stride_a, const float* b, MKL_INT stride_b,
                float* out, MKL_INT stride_c, MKL_INT items) {
  cblas_sgemm_batch_strided(CblasRowMajor, c.ta, c.tb, c.M, c.N, c.K, 1, a, c.lda, stride_a, b,
                            c.ldb, stride_b, 0, out, c.ldc, stride_c, items);
}
void gemm_batch(const Call& c, const double* a, MKL_INT stride_a, const double* b, MKL_INT stride_b,
                double* out, MKL_INT stride_c, MKL_INT items) {
  cblas_dgemm_batch_strided(CblasRowMajor, c.ta, c.tb, c.M, c.N, c.K, 1, a, c.lda, stride_a, b,
                            c.ldb, stride_b, 0, out, c.ldc, stride_c, items);
}
void gemm_batch(const Call& c, const C64* a, MKL_INT stride_a, const C64* b, MKL_INT stride_b,
                C64* out, MKL_INT stride_c, MKL_INT items) {
  const C64 one = 1, zero = 0;
  cblas_cgemm_batch_strided(CblasRowMajor, c.ta, c.tb, c.M, c.N, c.K, &one, a, c.lda, stride_a, b,
                            c.ldb, stride_b, &zero, out, c.ldc, stride_c, items);
}
void gemm_batch(const Call& c, const C128* a, MKL_INT stride_a, const C128* b, MKL_INT stride_b,
                C128* out, MKL_INT stride_c, MKL_INT items) {
  const C128 one = 1, zero = 0;
  cblas_zgemm_batch_strided(CblasRowMajor, c.ta, c.tb, c.M, c.N, c.K, &one, a, c.lda, stride_a, b,
                            c.ldb, stride_b, &zero, out, c.ldc, stride_c, items);
}

MKL_TRANSPOSE jit_transpose(CBLAS_TRANSPOSE t) { return t == CblasTrans ? MKL_TRANS : MKL_NOTRANS; }
// A kernel generated for exactly this product, with beta 0 or 1.
std::shared_ptr<void> jitter(const Call& c, float, float beta) {
  void* jit = nullptr;
  const auto status =
      mkl_jit_create_sgemm(&jit, MKL_ROW_MAJOR, jit_transpose(c.ta), jit_transpose(c.tb), c.M, c.N,
                           c.K, 1, c.lda, c.ldb, beta, c.ldc);
  if (status != MKL_JIT_SUCCESS) return nullptr;
  return std::shared_ptr<void>(jit, mkl_jit_destroy);
}
std::shared_ptr<void> jitter(const Call& c, double, double beta) {
  void* jit = nullptr;
  const auto status =
      mkl_jit_create_dgemm(&jit, MKL_ROW_MAJOR, jit_transpose(c.ta), jit_transpose(c.tb), c.M, c.N,
                           c.K, 1, c.lda, c.ldb, beta, c.ldc);
  if (status != MKL_JIT_SUCCESS) return nullptr;
  return std::shared_ptr<void>(jit, mkl_jit_destroy);
}
auto kernel_of(void* jit, float) { return mkl_jit_get_sgemm_ptr(jit); }
auto kernel_of(void* jit, double) { return mkl_jit_get_dgemm_ptr(jit); }
#endif

template <class T>
std::vector<Way> ways_of(const Problem& problem, const Gemm& g, int threads) {
  std::vector<Way> ways;
  const Operands<T> x = operands_of<T>(problem, g);
  if (const auto call = call_of(g)) {
    add_ways(ways, "gemm " + g.described, threads, [=](int around) {
      loop(g, around, [&](std::int64_t a, std::int64_t b, std::int64_t c, bool first) {
        gemm(*call, x.a + a, x.b + b, T(first ? 0 : 1), x.c + c);
      });
    });
#if defined(PEER_MKL)
    if (!g.outer.empty() && g.outer_k.empty()) {
      Gemm rest = g;  // the loop around the longest mode is MKL's own
      const auto longest =
          std::max_element(rest.outer.begin(), rest.outer.end(),
                           [](const Mode& p, const Mode& q) { return p.extent < q.extent; });
      const Mode mode = *longest;
      rest.outer.erase(longest);
      const auto run = [=] {
        loop(rest, 1, [&](std::int64_t a, std::int64_t b, std::int64_t c, bool) {
          gemm_batch(*call, x.a + a, mode.a, x.b + b, mode.b, x.c + c, mode.c, mode.extent);
        });
      };
      ways.push_back({"gemm_batch_strided " + g.described, run, [=] { set_threads(threads); }, {}});
    }
    constexpr std::int64_t kSmall = 160;  // larger ones it calls gemm for
    if constexpr (std::is_same_v<T, float> || std::is_same_v<T, double>) {
      if (std::max({g.m.extent, g.n.extent, g.k.extent}) <= kSmall) {
        const auto jit = jitter(*call, T{}, T{0}), adding = jitter(*call, T{}, T{1});
        if (jit && adding) {
          const auto kernel = kernel_of(jit.get(), T{}), adds = kernel_of(adding.get(), T{});
          const auto run = [=] {
            loop(g, threads, [&](std::int64_t a, std::int64_t b, std::int64_t c, bool first) {
              const auto function = first ? kernel : adds;
              // jit and adding are held as long as this is
              function((first ? jit : adding).get(), const_cast<T*>(x.a) + a,
                       const_cast<T*>(x.b) + b, x.c + c);
            });
          };
          ways.push_back({"generated " + g.described, run, [] { set_threads(1); }, {}});
        }
      }
    }
#endif
  }
  if constexpr (std::is_same_v<T, float> || std::is_same_v<T, double>) {
    const bool is_row = g.m.extent == 1, is_column = g.n.extent == 1;
    if (is_row && is_column) {
      add_ways(ways, "dot " + g.described, threads, [=](int around) {
        loop(g, around, [&](std::int64_t a, std::int64_t b, std::int64_t c, bool first) {
          const T sum = dot(static_cast<Int>(g.k.extent), x.a + a, static_cast<Int>(g.k.a), x.b + b,
                            static_cast<Int>(g.k.b));
          x.c[c] = first ? sum : x.c[c] + sum;
        });
      });
    } else if (is_row || is_column) {
      const auto matrix = is_row ? as_blas(g.n.extent, g.k.extent, g.n.b, g.k.b)
                                 : as_blas(g.m.extent, g.k.extent, g.m.a, g.k.a);
      if (!matrix) return ways;
      const Int rows = static_cast<Int>(is_row ? g.n.extent : g.m.extent);
      const Int columns = static_cast<Int>(g.k.extent);
      const Int inc = static_cast<Int>(is_row ? g.k.a : g.k.b);
      const Int inc_out = static_cast<Int>(is_row ? g.n.c : g.m.c);
      add_ways(ways, "gemv " + g.described, threads, [=](int around) {
        loop(g, around, [&](std::int64_t a, std::int64_t b, std::int64_t c, bool first) {
          const T* const m = is_row ? x.b + b : x.a + a;
          const T* const v = is_row ? x.a + a : x.b + b;
          gemv(transpose(*matrix), matrix->transposed ? columns : rows,
               matrix->transposed ? rows : columns, m, static_cast<Int>(matrix->leading), v, inc,
               T(first ? 0 : 1), x.c + c, inc_out);
        });
      });
    }
  }
  return ways;
}

#if defined(PEER_MKL)
// bfloat16 and float16 with results in float32, as MKL has them.
template <class Function>
std::vector<Way> narrow_ways(const Problem& problem, const Gemm& g, int threads,
                             Function function) {
  std::vector<Way> ways;
  const auto call = call_of(g);
  if (!call) return ways;
  const auto x = operands_of<std::uint16_t>(problem, g);
  auto* const out = reinterpret_cast<float*>(problem.out);
  add_ways(ways, "narrow gemm " + g.described, threads, [=](int around) {
    loop(g, around, [&](std::int64_t a, std::int64_t b, std::int64_t c, bool first) {
      function(CblasRowMajor, call->ta, call->tb, call->M, call->N, call->K, 1.0f, x.a + a,
               call->lda, x.b + b, call->ldb, first ? 0.0f : 1.0f, out + c, call->ldc);
    });
  });
  for (Way& way : ways) way.out_dtype = "f32";
  return ways;
}
#endif

std::vector<Way> find_ways(const Problem& problem, int threads) {
  const auto by = [&](auto make) { return ways_by_gemm(problem, threads, make); };
  const auto typed = [&](auto element) {
    using T = decltype(element);
    return by([=](const Problem& p, const Gemm& g) { return ways_of<T>(p, g, threads); });
  };
  if (problem.dtype == "f32") return typed(float{});
  if (problem.dtype == "f64") return typed(double{});
  if (problem.dtype == "complex64") return typed(C64{});
  if (problem.dtype == "complex128") return typed(C128{});
#if defined(PEER_MKL)
  if (problem.dtype == "bf16") {
    return by([=](const Problem& p, const Gemm& g) {
      return narrow_ways(p, g, threads, cblas_gemm_bf16bf16f32);
    });
  }
  if (problem.dtype == "f16") {
    return by([=](const Problem& p, const Gemm& g) {
      return narrow_ways(p, g, threads, cblas_gemm_f16f16f32);
    });
  }
#endif
  throw std::runtime_error("has no " + problem.dtype);
}

}  // namespace

}  // namespace bench

int main(int count, char** words) { return bench::serve(count, words, bench::find_ways); }
