// SPDX-License-Identifier: Apache-2.0
#pragma once
// A program that computes problems with one library, told by lines on its standard input. A library
// has a process of its own, as several of them export the same names.
//
//     load DTYPE EQUATION SHAPE SHAPE -> ok SECONDS OUT_DTYPE HOW | no REASON
//     run CALLS                       -> SECONDS, of all calls together
//     store                           -> ok: the last call's result lies in the shared memory
//     cpu-time                        -> ok: from now on processor time, of all threads together
//     quit

#include <functional>
#include <string>
#include <vector>

#include "bench/problem.h"

namespace bench {

/// Runs task(i) for i in 0 .. count-1, at most `threads` at once.
void parallel_for(int threads, int count, const std::function<void(int)>& task);

/// One way to compute the problem with the library.
struct Way {
  std::string how;                        ///< for people
  std::function<void()> run;              ///< computes once
  std::function<void()> prepare = [] {};  ///< before the first run: how many threads, ...
  std::string out_dtype;                  ///< empty: that of a product of the problem's dtype
};

/// All ways that the library offers; the fastest is taken. None: the library cannot.
using FindWays = std::vector<Way> (*)(const Problem& problem, int threads);

/// The dtype of a product: i8 gives i32, every other itself.
std::string result_dtype(const std::string& dtype);

/// The main of a worker: `worker FILE_DESCRIPTOR BYTES THREADS`.
int serve(int count, char** words, FindWays find_ways);

/// Ways to copy what no matrix product takes as it lies, and a product of the copies: operands are
/// brought into the order batch, rows, columns before, the result out of it after. `make` gives the
/// ways of the product in the middle, from a problem whose memory is the copies'.
std::vector<Way> ways_with_copies(
    const Problem& problem, int threads,
    const std::function<std::vector<Way>(const Problem& problem, const Gemm& gemm)>& make);

}  // namespace bench
