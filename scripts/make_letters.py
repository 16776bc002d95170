#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes src/core/letters.cc: the letters of Unicode 14.0.0, general categories Lu, Ll, Lt, Lm and Lo.

usage: make_letters.py [--check] [ROOT]

The data are those of Python's unicodedata; 14.0.0 is what Python 3.11 has. With a Python of another version nothing is
written and --check, which says whether the file is what would be written, is skipped (exit code 77).
For a newer Unicode change VERSION, run this, and mend the number of letters in src/core/utf8_test.cc and the version in
the documents.
"""

import pathlib
import sys
import unicodedata

VERSION = "14.0.0"
PER_LINE = 4

HEAD = """// SPDX-License-Identifier: Apache-2.0
// Written by scripts/make_letters.py from Unicode {version}; not to be edited.
#include "src/core/letters.h"

namespace batchdot {{

namespace {{

// clang-format off
constexpr LetterRange kLetters[] = {{
"""

TAIL = """};
// clang-format on

}  // namespace

std::span<const LetterRange> letter_ranges() { return kLetters; }

}  // namespace batchdot
"""


def letter_ranges():
    """[first, last] of each run of letters, in order."""
    ranges = []
    for code_point in range(sys.maxunicode + 1):
        if unicodedata.category(chr(code_point)) not in ("Lu", "Ll", "Lt", "Lm", "Lo"):
            continue
        if ranges and ranges[-1][1] == code_point - 1:
            ranges[-1][1] = code_point
        else:
            ranges.append([code_point, code_point])
    return ranges


def file_text():
    items = [f"{{0x{first:04X}, 0x{last:04X}}}," for first, last in letter_ranges()]
    lines = ["    " + " ".join(items[at : at + PER_LINE]) + "\n" for at in range(0, len(items), PER_LINE)]
    return HEAD.format(version=VERSION) + "".join(lines) + TAIL


def main():
    arguments = [argument for argument in sys.argv[1:] if argument != "--check"]
    is_check = len(arguments) < len(sys.argv) - 1
    root = pathlib.Path(arguments[0]) if arguments else pathlib.Path(__file__).resolve().parent.parent
    path = root / "src/core/letters.cc"
    if unicodedata.unidata_version != VERSION:
        print(f"make_letters: SKIPPED: this Python knows Unicode {unicodedata.unidata_version}, the table is of {VERSION}")
        return 77
    text = file_text()
    if not is_check:
        path.write_text(text, encoding="utf-8")
        return 0
    if path.read_text(encoding="utf-8") != text:
        print(f"make_letters: {path} is not what this script writes; run it without --check")
        return 1
    print(f"make_letters: the table holds the letters of Unicode {VERSION}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
