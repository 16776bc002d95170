# SPDX-License-Identifier: Apache-2.0
"""Pages as blocks: what stands between fences, and in which language.

    console   commands behind "$ " and what they print; run in sh, stdout and stderr together
    cpp       a program if it has a main, else the body of one
    output    what the cpp block before it prints
    cmake     a CMakeLists.txt that builds the program of the page
    sh        commands that are not run here; they have to parse, and what make and presets they name has to exist
    json      one JSON document, or one on each line
    (none)    a picture or a formula; nothing to check
"""

import dataclasses
import pathlib
import re
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
import console  # noqa: E402

LANGUAGES = ("console", "cpp", "output", "cmake", "sh", "json", "")
FENCE = re.compile(r"^( *)(`{3,})(.*)$")
PLACE = re.compile(r"`((?:bench|cmake|docs|examples|include|packaging|scripts|src|tests|tools)(?:/[\w.-]+)+)`")
LINK = re.compile(r"(?<!\!)\[(?:[^\]\[]|\[[^\]]*\])*\]\(([^)\s]+)\)")


@dataclasses.dataclass
class Block:
    page: pathlib.Path
    line: int  # of the first line behind the fence, from 1
    language: str
    lines: list

    @property
    def text(self):
        return "".join(line + "\n" for line in self.lines)

    def where(self, offset=0):
        return f"{self.page}:{self.line + offset}"


def read_blocks(page, text):
    """(blocks, prose): the prose with every block blanked out, line for line."""
    blocks, prose, fence = [], [], None
    for number, line in enumerate(text.splitlines(), 1):
        match = FENCE.match(line)
        if fence is None and match:
            fence = match
            blocks.append(Block(page, number + 1, match.group(3).strip(), []))
            prose.append("")
        elif fence is not None and match and match.group(2) == fence.group(2) and not match.group(3):
            fence = None
            prose.append("")
        elif fence is not None:
            blocks[-1].lines.append(line.removeprefix(fence.group(1)))
            prose.append("")
        else:
            prose.append(line)
    if fence is not None:
        raise ValueError(f"{blocks[-1].where()}: the block is not closed")
    return blocks, prose


def anchors(prose):
    """The anchors of a page's headings, as GitHub makes them."""
    found = []
    for line in prose:
        if match := re.match(r"#+ +(.*?) *$", line):
            words = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", match.group(1)).replace("`", "").lower()
            slug = re.sub(r"[^\w\- ]", "", words).replace(" ", "-")
            count = sum(known == slug or known.startswith(slug + "-") and known[len(slug) + 1:].isdigit()
                        for known in found)  # fmt: skip
            found.append(slug if count == 0 else f"{slug}-{count}")
    return found


def links(prose):
    """(line number, target) of each link, without those in `code`."""
    for number, line in enumerate(prose, 1):
        for match in LINK.finditer(re.sub(r"`[^`]*`", "", line)):
            yield number, match.group(1)


def paths(prose):
    """(line number, path) of each file or folder of ours in backticks."""
    for number, line in enumerate(prose, 1):
        for match in PLACE.finditer(line):
            yield number, match.group(1)


@dataclasses.dataclass
class Command:
    line: int  # within the block, from 0
    text: str
    printed: list


def read_commands(block):
    """The commands of a console block and the lines shown below each."""
    commands = []
    for number, line in enumerate(block.lines):
        if line.startswith("$ "):
            commands.append(Command(number, line[2:], []))
        elif not commands:
            raise ValueError(f"{block.where(number)}: stands before the first command")
        elif line.startswith("> ") and not commands[-1].printed:
            commands[-1].text += "\n" + line[2:]
        else:
            commands[-1].printed.append(line)
    for command in commands:
        while command.printed and not command.printed[-1]:
            command.printed.pop()
    if not commands:
        raise ValueError(f"{block.where()}: a console block without a command")
    return commands


def matches(shown, printed):
    """As console.matches(); blanks at a line's end and empty lines at the end are nothing, as no page shows them."""
    printed = "".join(line.rstrip() + "\n" for line in printed.splitlines())
    while printed.endswith("\n\n"):
        printed = printed[:-1]
    return console.matches([line.rstrip() for line in shown], printed)
