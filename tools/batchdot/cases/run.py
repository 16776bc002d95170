#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Runs the command line's cases: each command of a file, in order, in one empty folder.

    $ batchdot shape batch_dot 2,3,4 2,4,5        a command, for sh
    (2, 3, 5)                                     what it prints on stdout
    ! error: ...                                  on stderr
    = 4                                           its exit code, 0 if there is no such line
    # a comment

A line `...` stands for any lines, `...` within a line for any text. `array write FILE TYPE SHAPE NUMBERS...` and
`array print FILE` make and show .npy files in the cases.

Usage: run.py TOOL CASES
"""

import pathlib
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parents[2] / "tests"))
import console  # noqa: E402


def read_cases(path):
    """(line number, command, expected stdout, stderr, exit code) of each case."""
    cases = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        if line.startswith("$ "):
            cases.append((number, line[2:], [], [], [0]))
        elif line.startswith("#") or (not line and not cases):
            continue
        elif not cases:
            sys.exit(f"{path}:{number}: stands before the first command")
        elif line.startswith("! "):
            cases[-1][3].append(line[2:])
        elif line.startswith("= "):
            cases[-1][4][0] = int(line[2:])
        else:
            cases[-1][2].append(line)
    for _, _, out, _, _ in cases:
        while out and not out[-1]:
            out.pop()
    return cases


def main():
    tool, path = pathlib.Path(sys.argv[1]).resolve(), pathlib.Path(sys.argv[2])
    cases = read_cases(path)
    if not cases:
        sys.exit(f"{path}: has no case")
    failures = 0
    with tempfile.TemporaryDirectory() as folder:
        home = pathlib.Path(folder)
        (home / "bin").mkdir()
        (home / "bin" / "batchdot").symlink_to(tool)
        (home / "bin" / "array").symlink_to(HERE / "array.py")
        (home / "work").mkdir()
        environment = console.environment(home / "bin")
        for number, command, out, err, (code,) in cases:
            done = subprocess.run(["sh", "-c", command], cwd=home / "work", env=environment, timeout=120,
                                  stdin=subprocess.DEVNULL, capture_output=True)
            printed = done.stdout.decode("utf-8", "backslashreplace")
            told = done.stderr.decode("utf-8", "backslashreplace")
            wrong = [what for what, good in (
                ("stdout", console.matches(out, printed)),
                ("stderr", console.matches(err, told)),
                ("exit code", done.returncode == code)) if not good]
            if wrong:
                failures += 1
                print(f"{path}:{number}: {', '.join(wrong)} differ: $ {command}\n"
                      f"--- stdout\n{printed}--- stderr\n{told}--- exit code {done.returncode}, expected {code}\n")
    print(f"{path.name}: {len(cases)} commands, {failures} failed")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
