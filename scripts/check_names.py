#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Fails if a name of ours that stands in backticks, in a document or a comment, does not exist.

What counts as ours, and what it has to be:
  a path with a known ending, `src/plan/fold.cc`, `fold.cc`   a tracked file that ends so (or one that CMake makes)
  `bd::Name`, `Name::member()`, `kName`, `BATCHDOT_NAME`      a word of our code, outside of comments
  in comments of our code also `a_name`, `a_name()`, `AName`  the same, or a file's name, or a name listed below
"""

import pathlib
import re
import subprocess
import sys

# Names of others that our comments speak of.
FOREIGN = set((pathlib.Path(__file__).parent / "foreign_names.txt").read_text(encoding="utf-8").split())

CODE = {".cc", ".h", ".py", ".cmake", ".sh"}
BACKTICKS = re.compile(r"(?<!`)`([^`\s]+)`(?!`)")
PATH = re.compile(r"[\w./-]+\.(?:cc|h|py|sh|cmake|md)")
OURS = re.compile(r"(?:batchdot::|bd::)([\w:]+?)(?:\(\))?|([A-Z]\w*::[\w:]+)(?:\(\))?|(k[A-Z]\w+)|(BATCHDOT_\w+)")
IDENTIFIER = re.compile(r"([a-z]+(?:_[a-z0-9]+)+|[A-Z][a-z]+(?:[A-Z][a-z]+)+)(?:\(\))?")
WORD = re.compile(r"\w+")
LINE_COMMENT = {".cc": "//", ".h": "//", ".py": "#", ".cmake": "#", ".sh": "#"}


def split_comments(text, marker):
    """(code, comments), each with as many lines as the text."""
    code, comments = [], []
    for line in text.splitlines():
        before, mark, after = line.partition(marker)
        code.append(before)
        comments.append(after if mark else "")
    return code, comments


def main():
    root = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else ".").resolve()
    if not (root / ".git").exists():
        print("check_names: SKIPPED: not a git checkout, so nothing says which files are ours")
        return 77
    listing = subprocess.run(["git", "-C", root, "ls-files", "-z"], capture_output=True, check=True).stdout
    files = [pathlib.Path(name) for name in listing.decode().split("\0") if name and (root / name).is_file()]

    words, spoken = set(), []
    for path in files:
        suffix = ".cmake" if path.name == "CMakeLists.txt" else path.suffix
        if suffix not in CODE | {".md", ".json"}:
            continue
        text = (root / path).read_text(encoding="utf-8")
        if suffix in CODE:
            code, comments = split_comments(text, LINE_COMMENT[suffix])
            words.update(word for line in code for word in WORD.findall(line))
            spoken.append((path, comments, True))
        elif suffix == ".md":
            spoken.append((path, text.splitlines(), False))
    for path in files:
        words.update(path.parts)
        words.update(part.split(".")[0] for part in path.parts)

    def exists(name):
        return all(part in words for part in name.split("::") if part)

    def path_exists(name):
        name = name.removeprefix("./")
        return any(str(path) == name or str(path).endswith("/" + name) for path in files) or name in FOREIGN

    mistakes, seen = [], 0
    for path, lines, is_comment in spoken:
        for number, line in enumerate(lines, 1):
            for token in BACKTICKS.findall(line):
                missing = None
                if PATH.fullmatch(token):
                    missing = None if path_exists(token) else token
                elif match := OURS.fullmatch(token):
                    missing = next(name for name in match.groups() if name)
                elif is_comment and (match := IDENTIFIER.fullmatch(token)):
                    missing = match.group(1)
                else:
                    continue
                seen += 1
                if missing is not None and missing not in FOREIGN and not exists(missing):
                    mistakes.append(f"{path}:{number}: `{token}` does not exist")
    print("\n".join(mistakes) if mistakes else f"check_names: {seen} names in backticks, all exist")
    return 1 if mistakes else 0


if __name__ == "__main__":
    sys.exit(main())
