#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Any axes for the price of the best: each order of the axes of one operand, or of the result, of some workloads.

    orders.py [--only W1,W5] [--dtype f32] [--threads 1] [--rounds 5] [--least 1.5]

Each order takes turns with the main one, round after round. A row is printed for each that takes `--least` times as long
or longer. Where the fast axis of a tensor is lost, one pass over memory more is due. Times are of plans made before.
"""

import argparse
import itertools
import os
import pathlib
import statistics
import sys

import workloads
from run import ROOT, Worker, line_of, need

SECONDS = 0.02  # of one turn


def orders_of(workload):
    """The same problem with the labels of one operand, or of the result, in each other order."""
    operands, out = workload.equation.split("->")
    tensors = [*operands.split(","), out]
    for i, labels in enumerate(tensors):
        for order in itertools.permutations(labels):
            changed = [*tensors[:i], "".join(order), *tensors[i + 1:]]
            if changed != tensors:
                yield workload._replace(equation=f"{changed[0]},{changed[1]}->{changed[2]}")


def load(worker, workload):
    """Calls that one turn has."""
    answer = worker.ask("load " + line_of(workload))
    if not answer.startswith("ok "):
        sys.exit(f"{workload.equation}: {answer}")
    return max(1, int(SECONDS / max(float(answer.split(" ")[1]), 1e-9)))


def times_as_long(main, other, calls_of_main, calls, rounds):
    ratios = []
    for _ in range(rounds):
        of_main = float(main.ask(f"run {calls_of_main}")) / calls_of_main
        ratios.append(float(other.ask(f"run {calls}")) / calls / of_main)
    return statistics.median(ratios)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default="W1,W5,W7_8,W7_16,small_8,small_40", help="workloads by name")
    parser.add_argument("--dtype", help="another one than theirs",
                        choices=workloads.DTYPES)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--least", type=float, default=1.5, help="times as long as the main order")
    parser.add_argument("--build", type=pathlib.Path, default=ROOT / "build", help="build folder of batchdot")
    options = parser.parse_args()
    if options.threads < 1 or options.rounds < 1:
        parser.error("threads and rounds are numbers from 1 on")
    by_name = {workload.name: workload for workload in [*workloads.MAIN, *workloads.SMALL]}
    unknown = [name for name in options.only.split(",") if name not in by_name]
    if unknown:
        parser.error(f"no such workload: {', '.join(unknown)}; there are {', '.join(by_name)}")
    asked = [by_name[name] for name in options.only.split(",")]
    if options.dtype:
        asked = [workload._replace(dtype=options.dtype) for workload in asked]
    program = str(options.build.resolve() / "bench" / "bench_batchdot")
    need(program)
    size = max(16 * sum(workload.bytes()) for workload in asked) + (1 << 20)
    memory = os.memfd_create("orders")
    os.truncate(memory, size)
    cpus = sorted(os.sched_getaffinity(0))
    crew = [Worker("batchdot", [program], memory, size, options.threads,
                   {cpus[-1]} if options.threads == 1 else set(cpus)) for _ in range(2)]
    try:
        for workload in asked:
            calls_of_main, found = load(crew[0], workload), []
            others = list(orders_of(workload))
            for other in others:
                ratio = times_as_long(*crew, calls_of_main, load(crew[1], other), options.rounds)
                if ratio >= options.least:
                    found.append((ratio, other.equation))
            print(f"{workload.name} {workload.equation}: {len(found)} of {len(others)} other orders take {options.least} times "
                  "as long or longer")
            for ratio, equation in sorted(found, reverse=True):
                print(f"    {ratio:6.2f}  {equation}", flush=True)
    finally:
        for worker in crew:
            worker.end()


if __name__ == "__main__":
    main()
