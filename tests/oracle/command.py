# SPDX-License-Identifier: Apache-2.0
"""Asks the batchdot tool: shapes by `shape --lines`, values by `run`."""

import json
import subprocess

import numpy as np

FLAGS = ("normalize", "transpose_lhs", "transpose_rhs", "adjoint_lhs", "adjoint_rhs")
LISTS = ("lhs_axes", "rhs_axes", "lhs_batch", "rhs_batch", "lhs_contract", "rhs_contract")


def shapes(binary, problems):
    """One answer for each problem."""
    lines = "".join(json.dumps(problem) + "\n" for problem in problems)
    done = subprocess.run([binary, "shape", "--lines"], input=lines, text=True, capture_output=True)
    answers = done.stdout.splitlines()
    if done.returncode != 0 or len(answers) != len(problems):
        at = problems[min(len(answers), len(problems) - 1)]
        raise RuntimeError(
            f"shape --lines: exit {done.returncode}, {len(answers)} answers to {len(problems)}"
            f" lines; stopped near {json.dumps(at)}: {done.stderr[-500:]}"
        )
    return [json.loads(line) for line in answers]


def arguments(problem):
    """The problem as one types it, without its shapes."""
    words = [problem["operation"]]
    if "equation" in problem:
        words.append(problem["equation"])
    axes = problem.get("axes")
    if axes is not None:
        entries = axes if isinstance(axes, list) else [axes]
        flat = [entry[0] if isinstance(entry, list) else entry for entry in entries]
        words += ["--axes", ",".join(map(str, flat))]
    if "dialect" in problem:
        words += ["--dialect", problem["dialect"]]
    words += ["--" + flag.replace("_", "-") for flag in FLAGS if problem.get(flag)]
    if problem.get("lhs_axes") == [] == problem.get("rhs_axes"):
        words += ["--axes", "0"]  # tensordot over no axes
    for name in LISTS:
        if problem.get(name):
            words += ["--" + name.replace("_", "-"), ",".join(map(str, problem[name]))]
    return words


def value(binary, problem, files, output, bf16=False):
    """{"array"} or {"error"}; the array is read as it was written."""
    command = [binary, "run", *arguments(problem), *files, "-o", output, "--json", "--threads", "1"]
    if bf16:
        command += ["--dtype", "bf16"]
    done = subprocess.run(command, text=True, capture_output=True)
    if done.returncode == 0:
        return {"array": np.load(output)}
    try:
        return {"error": json.loads(done.stdout)["error"]}
    except (ValueError, KeyError):
        return {"error": {"code": f"exit {done.returncode}", "message": done.stderr.strip()}}
