#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Fails if a tracked file names a place that exists on one machine only: a home, a workspace, a build folder."""

import pathlib
import re
import subprocess
import sys

# Built from pieces, so that this file does not find itself.
PLACES = ("home", "root", "work", "workspace", "Users", "farm", "mnt", "builds", "tmp/[a-z]")
PATH = re.compile(rb"(?<![A-Za-z0-9_.}\])*])/(?:" + "|".join(PLACES).encode() + rb")(?![A-Za-z0-9_-])[/. :\"']?")


def tracked_files(root):
    listing = subprocess.run(["git", "-C", root, "ls-files", "-z"], capture_output=True, check=True).stdout
    return [pathlib.Path(name) for name in listing.decode().split("\0") if name]


def main():
    root = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else ".").resolve()
    if not (root / ".git").exists():
        print("check_paths: SKIPPED: not a git checkout, so nothing says which files are tracked")
        return 77
    files = [path for path in tracked_files(root) if (root / path).is_file()]
    found = False
    for path in files:
        content = (root / path).read_bytes()
        if b"\0" in content[:8192]:
            continue
        for number, line in enumerate(content.splitlines(), 1):
            if PATH.search(line):
                found = True
                print(f"{path}:{number}: path of a machine: {line.strip().decode(errors='replace')[:120]}")
    if not found:
        print(f"check_paths: {len(files)} files, no path of a machine")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
