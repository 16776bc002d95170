# SPDX-License-Identifier: Apache-2.0
"""Puts a run of the benchmark into the docs: table.py RESULTS.json PAGE.md... A page says with a pair of marks what it wants:

    <!-- bench main -->      one line for each main workload, both numbers of threads in it
    <!-- bench all -->       one line for each row of the run
    <!-- /bench -->          the end; what stood between is replaced
"""

import json
import pathlib
import re
import sys


def of_bound(row):
    return f"{row['percent_of_bound']:.0f} % of {row['bound']}" if row["percent_of_bound"] is not None else ""


def speed(row):
    return f"{row['seconds'] * 1e9:.0f} ns" if row["group"] == "call" else f"{row['gflops']:.1f}"


def peer(row):
    best = row["peers"].get(row["best_peer"])
    if not best:
        return "", ""
    figure = f"{best['seconds'] * 1e9:.0f} ns" if row["group"] == "call" else f"{best['gflops']:.1f}"
    return f"{row['best_peer']} {figure}", f"{row['ratio']:.2f}" if row["ratio"] else ""


def all_rows(document):
    yield "| workload | dtype | threads | ours, Gflop/s | of the bound | best peer | ratio |"
    yield "|---|---|---:|---:|---|---|---:|"
    for row in document["rows"]:
        if row["seconds"] is not None:
            yield "| " + " | ".join([row["workload"], row["dtype"], str(row["threads"]), speed(row), of_bound(row), *peer(row)]) + " |"


def main_rows(document):
    rows = [row for row in document["rows"] if row["group"] == "main" and row["seconds"] is not None]
    numbers = sorted({row["threads"] for row in rows})
    of_thread = [f"{threads} thread{'s' if threads > 1 else ''}" for threads in numbers]
    yield "| workload | " + " | ".join(f"{name}: Gflop/s | bound | best peer | ratio" for name in of_thread) + " |"
    yield "|---|" + "---:|---:|---|---:|" * len(numbers)
    for name in dict.fromkeys(row["workload"] for row in rows):
        cells = []
        for threads in numbers:
            row = next((row for row in rows if row["workload"] == name and row["threads"] == threads), None)
            cells += [speed(row), f"{row['percent_of_bound']:.0f} %", *peer(row)] if row else [""] * 4
        yield f"| {name} | " + " | ".join(cells) + " |"


def means(document):
    for summary in document["summary"]:
        threads = summary["threads"]
        yield (f"{threads} thread{'s' if threads > 1 else ''}: geometric mean of the ratios {summary['geometric_mean']:.2f}; "
               f"{summary['meeting_goal']} of {summary['workloads']} main workloads are at least as fast as the best peer or at "
               "90 % of their bound.")


def block(document, kind):
    yield f"{document['cpu']}, {document['cpus']} CPUs, {document['rounds']} rounds."
    yield ""
    yield from (all_rows if kind == "all" else main_rows)(document)
    yield ""
    yield from means(document)
    shown = {row["workload"] for row in document["rows"] if kind == "all" or row["group"] == "main"}
    disagree = dict.fromkeys(row.split(",")[0] for row in document.get("not_at_one", ()))
    if names := [name for name in disagree if name in shown]:
        yield ""
        yield ("The machine was not quiet: figures of the same problem, or of one thread and more, contradict each other by over 15 % "
               f"in {', '.join(names)}. Such a row says less than its digits.")


def main():
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    document = json.loads(pathlib.Path(sys.argv[1]).read_text(encoding="utf-8"))
    for name in sys.argv[2:]:
        page = pathlib.Path(name)
        text = page.read_text(encoding="utf-8")
        new = re.sub(r"(<!-- bench (main|all) -->\n).*?(<!-- /bench -->)",
                     lambda found: found[1] + "\n".join(block(document, found[2])) + "\n" + found[3], text, flags=re.S)
        page.write_text(new, encoding="utf-8")


if __name__ == "__main__":
    main()
