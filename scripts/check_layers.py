#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Fails if a file includes what its room may not: the architecture, as a test.

Unit tests beside the sources may include any room; tests/ and bench/ too.
"""

import pathlib
import re
import sys

MAY_INCLUDE = {  # room: the rooms, or single headers, that it may include besides itself
    "include": set(),
    "src/core": {"include"},
    "src/contraction": {"include", "src/core"},
    "src/notation": {"include", "src/core", "src/contraction"},
    "src/kernel": {"batchdot/dtype.h"},  # elements, strides, panels; nothing of labels or shapes
    "src/plan": {"include", "src/core", "src/contraction", "src/kernel"},
    "src/exec": {"include", "src/core", "src/plan", "src/kernel"},
    "src/explain": {"include", "src/core"},
    "src/operation": {"include", "src/core", "src/contraction", "src/notation", "src/plan", "src/exec"},
    "src/io": {"include", "src/core"},
    "tools": {"include"},
    "examples": {"include"},
}

# Rooms, or single files, that may see a library of others. Public headers see none.
MAY_USE = {
    "hwy/": {"src/kernel", "tools/batchdot/peak.cc"},
    "CLI/": {"tools"},
    "nlohmann/": {"tools"},
    "Eigen/": set(),  # tests and bench compare with it
}

INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]')

STANDARD = re.compile(r"[a-z_]+")  # <vector>, <cstdint>


def room_of(path):
    """The room that a path relative to the root lies in, None if the table says nothing about it."""
    parts = path.parts
    if parts[0] == "src":
        return "/".join(parts[:2]) if len(parts) > 2 else None
    return parts[0] if parts[0] in MAY_INCLUDE else None


def target_of(root, source, quoted):
    """The file of ours that an include names, relative to the root; None for the standard library and others."""
    for candidate in (source.parent / quoted, pathlib.Path(quoted), pathlib.Path("include") / quoted):
        if (root / candidate).is_file():
            resolved = (root / candidate).resolve()
            return resolved.relative_to(root)
    return None


def mistakes_in(root, source):
    room = room_of(source)
    if room is None:
        return
    if room not in MAY_INCLUDE:
        yield f"{source}: the room {room} is not in the table of scripts/check_layers.py"
        return
    for number, line in enumerate((root / source).read_text(encoding="utf-8").splitlines(), 1):
        match = INCLUDE.match(line)
        if not match:
            continue
        quoted = match.group(2)
        library = next((prefix for prefix in MAY_USE if quoted.startswith(prefix)), None)
        if library is not None:
            if not {room, source.as_posix()} & MAY_USE[library]:
                yield f"{source}:{number}: may not include {quoted}"
            continue
        target = target_of(root, source, quoted)
        if target is None:
            if quoted.startswith(("batchdot/", "src/")) or match.group(1) == '"':
                yield f"{source}:{number}: no such file of ours: {quoted}"
            elif room == "include" and not STANDARD.fullmatch(quoted):
                yield f"{source}:{number}: a public header may not include {quoted}"
            continue
        other = room_of(target)
        if other != room and other not in MAY_INCLUDE[room] and quoted not in MAY_INCLUDE[room]:
            yield f"{source}:{number}: {room} may not include {quoted} ({other})"


def main():
    root = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else ".").resolve()
    sources = [
        path.relative_to(root)
        for top in ("include", "src", "tools", "examples")
        for path in sorted((root / top).rglob("*"))
        if path.suffix in (".cc", ".h") and not path.name.endswith("_test.cc")
    ]
    if not sources:
        sys.exit(f"check_layers: no sources under {root}")
    mistakes = [mistake for source in sources for mistake in mistakes_in(root, source)]
    print("\n".join(mistakes) if mistakes else f"check_layers: {len(sources)} files, all look downward")
    return 1 if mistakes else 0


if __name__ == "__main__":
    sys.exit(main())
