# SPDX-License-Identifier: Apache-2.0
"""Commands that pages and cases show: where they run, and what they print beside what is shown."""

import os
import re


def environment(programs):
    """Ours, without what changes the tool's answers; the folder `programs` is searched first."""
    result = {key: value for key, value in os.environ.items()
              if not key.startswith("BATCHDOT_") and key != "NO_COLOR"}  # fmt: skip
    result["PATH"] = f"{programs}:{result.get('PATH', '/usr/bin:/bin')}"
    result["LC_ALL"] = "C.UTF-8"
    return result


def matches(shown, printed):
    """A shown line `...` stands for any lines, `...` within a line for any text."""
    pattern = ""
    for line in shown:
        if line == "...":
            pattern += r"(?:.*\n)*?"
        else:
            pattern += r"[^\n]*".join(re.escape(part) for part in line.split("...")) + r"\n"
    return re.fullmatch(pattern, printed) is not None
