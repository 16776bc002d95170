# SPDX-License-Identifier: Apache-2.0
"""Figures of the command-line tool: shape answers a second through --lines on one core, and start-up.

usage: tool_figures.py [path of batchdot]
"""

import json
import statistics
import subprocess
import sys
import time

ANSWERS = {"that fit": 200_000, "refused, without a fix": 5_000}


def problems(count, rhs_last):
    """Batch_dot problems in several dialects, with unknown and named dims."""
    dialects = ["keras-3", "keras-2.2", "keras-2.3", "keras-1.2", "tf.keras-2"]
    for i in range(count):
        n = i % 50 + 1
        yield json.dumps({
            "operation": "batch_dot",
            "shapes": [[None, 36, n, 24], ["B", 36, n, rhs_last]],
            "axes": [3, 3],
            "dialect": dialects[i % len(dialects)],
        })


def main():
    tool = sys.argv[1] if len(sys.argv) > 1 else "build/batchdot"
    for (kind, count), rhs_last in zip(ANSWERS.items(), (24, 23)):
        text = "\n".join(problems(count, rhs_last)) + "\n"
        begin = time.perf_counter()
        done = subprocess.run(["taskset", "-c", "0", tool, "shape", "--lines"], input=text.encode(),
                              stdout=subprocess.PIPE, check=True)
        seconds = time.perf_counter() - begin
        assert done.stdout.count(b"\n") == count
        print(f"shape --lines, problems {kind}: {count / seconds:,.0f} answers a second on one core")
    starts = []
    for _ in range(21):
        begin = time.perf_counter()
        subprocess.run([tool, "--version"], stdout=subprocess.DEVNULL, check=True)
        starts.append(time.perf_counter() - begin)
    print(f"--version: {statistics.median(starts) * 1e3:.1f} ms, median of {len(starts)}")


main()
