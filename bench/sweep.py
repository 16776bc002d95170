#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Cost grows as the work grows: one of M, N, K and the batch runs from 1 to 4096, the others stay, and no size is to take
longer than the next larger one.

    sweep.py [--threads 1] [--rounds 9] [--others 8,64] [--axes M,N,K,batch] [--dtype f32]

Sizes take turns, round after round, so that a slow moment of the machine meets all of them. A row is printed for each size
that took longer than the next larger one in most rounds, by how much, and the noise: how far apart the quarters of its own
times lie. Times are of plans that are made before.
"""

import argparse
import os
import pathlib
import statistics
import sys

import workloads
from run import ROOT, Worker, need

SIZES = sorted({size for power in range(13) for size in (2**power - 1, 2**power, 2**power + 1, 3 * 2**power // 2)
                if 1 <= size <= 4096})
SECONDS = 0.002  # of one turn


def problem(axis, size, other, dtype="f32"):
    extents = {"batch": 4, "M": other, "N": other, "K": other, axis: size}
    b, m, n, k = (extents[name] for name in ("batch", "M", "N", "K"))
    return f"{dtype} bik,bkj->bij {b},{m},{k} {b},{k},{n}", 16 * b * (m * k + k * n + m * n)


def times_of(ask, axis, other, rounds, dtype="f32"):
    """{size: seconds of a call in each round}; `ask` talks to the worker, which holds one problem at a time."""
    times = {size: [] for size in SIZES}
    for _ in range(rounds):
        for size in SIZES:
            answer = ask("load " + problem(axis, size, other, dtype)[0])
            if not answer.startswith("ok "):
                sys.exit(f"{axis} = {size}: {answer}")
            calls = max(1, int(SECONDS / max(float(answer.split(" ")[1]), 1e-9)))
            ask(f"run {max(1, calls // 4)}")
            times[size].append(float(ask(f"run {calls}")) / calls)
    return times


def slower_than_the_next(times):
    """(size, next, ratio, noise) of those that took longer than the next larger one in three rounds of four."""
    for size, larger in zip(SIZES, SIZES[1:]):
        ratios = [one / other for one, other in zip(times[size], times[larger])]
        if sorted(ratios)[len(ratios) // 4] <= 1:
            continue
        low, _, high = statistics.quantiles(times[size], n=4)
        yield size, larger, statistics.median(ratios), high / low - 1


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--others", default="8,64", help="what the other extents are; the batch is 4 beside them")
    parser.add_argument("--axes", default="batch,M,N,K")
    parser.add_argument("--dtype", default="f32", choices=workloads.DTYPES)
    parser.add_argument("--build", type=pathlib.Path, default=ROOT / "build", help="build folder of batchdot")
    options = parser.parse_args()
    if options.rounds < 3:
        parser.error("at least 3 rounds")
    if not set(options.axes.split(",")) <= {"batch", "M", "N", "K"}:
        parser.error(f"axes are batch, M, N and K: {options.axes}")
    words = options.others.split(",")
    if options.threads < 1 or not all(word.isdecimal() and int(word) > 0 for word in words):
        parser.error("threads and the other extents are numbers from 1 on")
    axes, others = options.axes.split(","), list(map(int, words))
    program = str(options.build.resolve() / "bench" / "bench_batchdot")
    need(program)
    size = max(problem(axis, SIZES[-1], other)[1] for axis in axes for other in others) + (1 << 20)
    memory = os.memfd_create("sweep")
    os.truncate(memory, size)
    cpus = sorted(os.sched_getaffinity(0))
    worker = Worker("batchdot", [program], memory, size, options.threads,
                    {cpus[-1]} if options.threads == 1 else set(cpus))
    count = 0
    try:
        print(f"{len(SIZES)} sizes, {options.rounds} rounds\n{'axis':5} others   size   next   times as long   noise")
        for axis in axes:
            for other in others:
                for size, larger, ratio, noise in slower_than_the_next(times_of(worker.ask, axis, other, options.rounds, options.dtype)):
                    print(f"{axis:5} {other:6} {size:6} {larger:6} {ratio:10.2f} {100 * noise:10.0f} %", flush=True)
                    count += 1
    finally:
        worker.end()
    print(f"{count} of {len(axes) * len(others) * (len(SIZES) - 1)} sizes took longer than the next larger one")


if __name__ == "__main__":
    main()
