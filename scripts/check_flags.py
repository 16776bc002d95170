#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Fails if anything is compiled in a way that lets the compiler change the order of rounding.

    check_flags.py build/compile_commands.json
"""

import json
import shlex
import sys

FORBIDDEN = (
    "-ffast-math", "-Ofast", "-funsafe-math-optimizations", "-fassociative-math", "-freciprocal-math",
    "-ffinite-math-only", "-fno-signed-zeros",
)
# One binary runs on every CPU of its kind: Highway chooses when the program runs.
FORBIDDEN_PREFIXES = ("-march", "-mtune", "-mcpu", "-mavx", "-mfma", "-msse")


def mistakes_in(entry):
    arguments = entry.get("arguments") or shlex.split(entry["command"])
    for argument in arguments:
        if argument in FORBIDDEN or argument.startswith(FORBIDDEN_PREFIXES):
            yield f"{entry['file']}: compiled with {argument}"
    contract = [argument for argument in arguments if argument.startswith("-ffp-contract=")]
    if not contract or contract[-1] != "-ffp-contract=off":
        yield f"{entry['file']}: compiled without -ffp-contract=off"


def main():
    if len(sys.argv) != 2:
        sys.exit("usage: check_flags.py COMPILE_COMMANDS.json")
    with open(sys.argv[1], encoding="utf-8") as commands:
        entries = json.load(commands)
    if not entries:
        sys.exit(f"check_flags: {sys.argv[1]} is empty")
    mistakes = [mistake for entry in entries for mistake in mistakes_in(entry)]
    print("\n".join(mistakes) if mistakes else f"check_flags: {len(entries)} commands, all keep our rounding")
    return 1 if mistakes else 0


if __name__ == "__main__":
    sys.exit(main())
