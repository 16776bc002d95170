# SPDX-License-Identifier: Apache-2.0
"""The judges: real packages against batchdot, on random problems.

    run.py                    10^5 shapes and 2,000 values for each judge; writes docs/judges.md
    run.py --sample           2,000 shapes and 200 values, extents to 32; writes nothing

Exit 0 if nothing disagrees. A package that cannot be had is skipped, loudly, with a count.
"""

import argparse
import collections
import concurrent.futures
import json
import os
import pathlib
import sys
import tempfile
import time
import unittest

import environments
import releases

ROOT = environments.HERE.parent.parent


def main():
    options = read_arguments()
    try:
        python = environments.python_of("numpy")
    except environments.Unavailable as error:
        print(f"SKIPPED all {planned(options)} problems: {error}")
        return 0
    if pathlib.Path(sys.prefix).resolve() != python.parent.parent.resolve():
        os.execv(python, [str(python), *sys.argv])  # from here on there is NumPy
    if not pathlib.Path(options.batchdot).is_file():
        sys.exit(f"oracle: no such program: {options.batchdot}; `make build` makes it")

    import test_compare

    if not unittest.main(test_compare, argv=["test_compare"], exit=False).result.wasSuccessful():
        return 1
    start = time.monotonic()
    with concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
        longest_first = sorted(options.judges, key=lambda name: name != "jax")  # it compiles
        jobs = {name: pool.submit(judge_all, name, options) for name in longest_first}
        results, skipped, failed = {}, {}, []
        for name in options.judges:
            try:
                results[name] = jobs[name].result()
                print_counts(name, results[name])
            except environments.Unavailable as error:
                skipped[name] = str(error)
                print(f"SKIPPED {name}: {planned(options, [name])} problems: {error}", flush=True)
            except RuntimeError as error:
                failed.append(name)
                print(f"FAILED {name}: {error}", flush=True)
    counts = [count for result in results.values() for count in result]
    wrong = sum(len(count.disagreements) for count in counts)
    print(
        f"oracle: {sum(count.problems for count in counts)} problems, {wrong} disagreements,"
        f" {time.monotonic() - start:.0f} s"
    )
    if skipped:
        print(f"oracle: SKIPPED {planned(options, skipped)} problems in all: {', '.join(skipped)}")
    if options.report and not failed:
        import report

        report.write(options.report, options, results, skipped)
    if options.dump:
        with open(options.dump, "w") as file:
            for count in counts:
                for item in count.disagreements:
                    file.write(json.dumps(item) + "\n")
    return 1 if wrong or failed else 0


def read_arguments():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--batchdot", default=str(ROOT / "build" / "batchdot"), help="the program")
    parser.add_argument("--sample", action="store_true", help="the small size, for every test run")
    parser.add_argument("--shapes", type=int, help="problems of shape for each judge")
    parser.add_argument("--values", type=int, help="problems of value for each judge")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument(
        "--jobs", type=int, default=3, help="judges at work at once; each waits now and then"
    )
    parser.add_argument("--judges", nargs="*", default=list(releases.BY_NAME), metavar="NAME")
    parser.add_argument("--functions", nargs="*", metavar="OPERATION", help="only these")
    parser.add_argument("--report", help="Markdown file to write; docs/judges.md for a full run")
    parser.add_argument("--dump", help="file for every disagreement, a line each")
    options = parser.parse_args()
    unknown = set(options.judges) - set(releases.BY_NAME)
    if unknown:
        parser.error(
            f"no such judge: {', '.join(sorted(unknown))}; there are {', '.join(releases.BY_NAME)}"
        )
    whole = not (
        options.sample
        or options.shapes
        or options.values
        or options.functions
        or set(options.judges) != set(releases.BY_NAME)
    )
    options.shapes = (
        options.shapes if options.shapes is not None else 2000 if options.sample else 100_000
    )
    options.values = (
        options.values if options.values is not None else 200 if options.sample else 2000
    )
    if whole and not options.report:
        options.report = str(ROOT / "docs" / "judges.md")
    return options


def planned(options, names=None):
    return (options.shapes + options.values) * len(list(options.judges if names is None else names))


class Count:
    """What came out for one judge and function."""

    def __init__(self, judge, function):
        self.judge, self.function = judge, function
        self.shapes = self.values = 0
        self.outcomes = collections.Counter()
        self.disagreements = []

    @property
    def problems(self):
        return self.shapes + self.values

    def add(self, outcome, problem, theirs, ours, note=""):
        import compare

        self.outcomes[outcome] += 1
        if outcome == compare.DISAGREE:
            self.disagreements.append(
                {
                    "judge": self.judge.name,
                    "problem": problem,
                    "note": note,
                    "theirs": theirs,
                    "ours": ours,
                }
            )

    def smallest(self):
        return min(self.disagreements, key=lambda item: len(json.dumps(item["problem"])))


def shares(judge, total):
    """How many problems each function of a judge gets: batch_dot most."""
    weights = {"batch_dot": 5, "dot_layer": 3, "dot": 2}
    whole = sum(weights.get(function, 2) for function in judge.functions)
    return {function: total * weights.get(function, 2) // whole for function in judge.functions}


def judge_all(name, options):
    import test_workers
    import workers

    judge = releases.BY_NAME[name]
    with workers.Worker(name) as worker:
        rows = [
            [row for row in table if name in row[0]]
            for table in (test_workers.SHAPES, test_workers.VALUES)
        ]
        failures = test_workers.check(worker, *rows)
        if failures:
            raise RuntimeError(
                f"{name} does not say what docs/semantics.md says:\n" + "\n".join(failures)
            )
        counts = []
        for function in judge.functions:
            if options.functions and function not in options.functions:
                continue
            count = Count(judge, function)
            judge_shapes(worker, count, shares(judge, options.shapes)[function], options)
            judge_values(worker, count, shares(judge, options.values)[function], options)
            counts.append(count)
        return counts


def judge_shapes(worker, count, total, options):
    import command
    import compare
    import problems

    limits = problems.SAMPLE if options.sample else problems.FULL
    asked = problems.shape_problems(count.judge, count.function, total, options.seed, limits)
    answers = worker.ask({"problem": problem} for problem in asked)
    for problem, theirs, ours in zip(asked, answers, command.shapes(options.batchdot, asked)):
        count.add(compare.shapes(problem, theirs, ours), problem, theirs, ours)
    count.shapes += len(asked)


def judge_values(worker, count, total, options):
    import arrays
    import command
    import compare
    import numpy as np
    import problems

    limits = problems.SAMPLE if options.sample else problems.FULL
    asked = problems.value_problems(count.judge, count.function, total, options.seed, limits)
    for number, problem in enumerate(asked):
        with tempfile.TemporaryDirectory() as folder:
            files, dtypes = arrays.write(folder, count.judge, problem, f"{options.seed} {number}")
            output = f"{folder}/theirs.npz"
            [theirs] = worker.ask(
                [{"problem": problem, "files": files, "dtype": dtypes[0], "output": output}]
            )
            if "shape" in theirs:
                with np.load(output) as results:
                    theirs = dict(results)
            ours = command.value(
                options.batchdot, problem, files, f"{folder}/ours.npy", "bf16" in dtypes
            )
            outcome, note = compare.values(problem, dtypes, theirs, ours)
            said = {"shape": list(ours["array"].shape)} if "array" in ours else ours
            if "exact" in theirs:
                theirs = {"shape": list(theirs["exact"].shape)}
            count.add(outcome, problem | {"dtypes": dtypes, "number": number}, theirs, said, note)
    count.values += len(asked)


def print_counts(name, counts):
    for count in counts:
        outcomes = ", ".join(f"{outcome} {n}" for outcome, n in count.outcomes.most_common())
        print(
            f"{name:18}{count.function:12}{count.shapes} shapes, {count.values} values: {outcomes}",
            flush=True,
        )
        if count.disagreements:
            least = count.smallest()
            print(
                f"    {json.dumps(least['problem'])}\n        theirs {json.dumps(least['theirs'])}\n"
                f"        ours   {json.dumps(least['ours'])} {least['note']}",
                flush=True,
            )


if __name__ == "__main__":
    sys.exit(main())
