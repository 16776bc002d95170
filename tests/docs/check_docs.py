#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Holds the pages against the tool, the library and the tree: README.md, docs/ and the other tracked pages.

    check_docs.py links|commands|programs|tables --source FOLDER --build FOLDER --compiler CXX
"""

import argparse
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile

import pages
from pages import console

SEPARATOR = "\036"  # between the commands of one sh
INCLUDES = "#include <batchdot/batchdot.h>\n#include <cstdio>\n#include <iostream>\n#include <vector>\n"
HEADERS, REUSED = "PRIVATE <batchdot/batchdot.h>", "REUSE_FROM program_0"  # one reading of the headers for all
PROJECT = """cmake_minimum_required(VERSION 3.25)
project(pages LANGUAGES CXX)
find_package(batchdot CONFIG REQUIRED)
"""


class Checker:
    def __init__(self, source, build, compiler):
        self.source, self.build, self.compiler = source, build, compiler
        self.mistakes, self.checked = [], 0
        self.pages = {}
        for path in self.page_paths():
            self.pages[path] = pages.read_blocks(path, (source / path).read_text(encoding="utf-8"))

    def page_paths(self):
        """Every page of the tree, without what lies in build folders."""
        tops = [*self.source.glob("*.md"), *(self.source / "docs").rglob("*.md"),
                *(self.source / "examples").rglob("*.md"), *(self.source / "tests").rglob("*.md")]  # fmt: skip
        return sorted(path.relative_to(self.source) for path in tops)

    def blocks(self, *languages):
        return [block for blocks, _ in self.pages.values() for block in blocks if block.language in languages]

    def fail(self, where, what):
        self.mistakes.append(f"{where}: {what}")

    # --- links

    def check_links(self):
        for page, (blocks, prose) in self.pages.items():
            for number, target in pages.links(prose):
                if re.match(r"[a-z]+:", target):
                    continue  # a place outside, which no test may ask for
                self.checked += 1
                name, _, anchor = target.partition("#")
                path = os.path.normpath(page.parent / name) if name else str(page)
                if not (self.source / path).exists():
                    self.fail(f"{page}:{number}", f"a link to what is not there: {target}")
                elif anchor and pathlib.Path(path) in self.pages:
                    if anchor not in pages.anchors(self.pages[pathlib.Path(path)][1]):
                        self.fail(f"{page}:{number}", f"no such heading: {target}")
            for number, path in pages.paths(prose):
                self.checked += 1
                if not (self.source / path).exists():
                    self.fail(f"{page}:{number}", f"no such place: {path}")
            for block in blocks:
                if block.language not in pages.LANGUAGES:
                    self.fail(block.where(), f"a block in a language that nobody checks: {block.language}")

    # --- commands

    def check_commands(self):
        with tempfile.TemporaryDirectory() as folder:
            home = pathlib.Path(folder)
            (home / "bin").mkdir()
            for program in ("batchdot", "attention_example"):
                (home / "bin" / program).symlink_to(self.build / program)
            for page, (blocks, _) in self.pages.items():
                place = home / str(page).replace("/", "_")
                place.mkdir()
                (place / "examples").symlink_to(self.source / "examples")
                for block in blocks:
                    if block.language == "console":
                        self.run_console(block, place, console.environment(home / "bin"))
        for block in self.blocks("sh"):
            self.check_shell(block)
        for block in self.blocks("json"):
            self.check_json(block)

    def run_console(self, block, place, environment):
        commands = pages.read_commands(block)
        script = "".join(f"{command.text}\nstatus_of_it=$?; printf '{SEPARATOR}%d{SEPARATOR}' $status_of_it; "
                         "(exit $status_of_it)\n" for command in commands)  # fmt: skip
        done = subprocess.run(["sh", "-c", script], cwd=place, env=environment, stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=300)  # fmt: skip
        parts = done.stdout.decode("utf-8", "backslashreplace").split(SEPARATOR)
        for command, printed, status in zip(commands, parts[::2], parts[1::2]):
            self.checked += 1
            where = block.where(command.line)
            refused = bool(command.printed) and command.printed[0].startswith("error: ")
            if not pages.matches(command.printed, printed):
                self.fail(where, f"prints something else: $ {command.text}\n{printed.rstrip()}\n--- end")
            elif refused == (status == "0"):
                self.fail(where, f"ends with {status}: $ {command.text}")
        if len(parts) < 2 * len(commands):
            self.fail(block.where(), f"ended after {len(parts) // 2} of {len(commands)} commands")

    def check_shell(self, block):
        self.checked += 1
        done = subprocess.run(["sh", "-n"], input=block.text, text=True, capture_output=True)
        if done.returncode:
            self.fail(block.where(), done.stderr.strip())
        makefile = (self.source / "Makefile").read_text(encoding="utf-8")
        presets = json.loads((self.source / "CMakePresets.json").read_text(encoding="utf-8"))
        names = {preset["name"] for kind in ("configurePresets", "buildPresets", "testPresets")
                 for preset in presets[kind]}  # fmt: skip
        for line, text in enumerate(block.lines):
            for target in re.findall(r"(?:^|&& )make ([a-z]+)", text):
                if not re.search(rf"^{target}:", makefile, re.MULTILINE):
                    self.fail(block.where(line), f"no such target: make {target}")
            for preset in re.findall(r"--preset[ =]([\w-]+)", text):
                if preset not in names:
                    self.fail(block.where(line), f"no such preset: {preset}")

    def check_json(self, block):
        self.checked += 1
        try:
            json.loads(block.text)
        except ValueError:
            try:
                for line in block.lines:
                    json.loads(line)
            except ValueError as error:
                self.fail(block.where(), f"no JSON: {error}")

    # --- programs

    def check_programs(self):
        """Builds every program against an installed library, as a reader would, and compares what it prints."""
        with tempfile.TemporaryDirectory() as folder:
            home = pathlib.Path(folder)
            prefix = home / "prefix"
            self.run_or_exit(["sh", self.source / "scripts" / "install.sh", "install", self.build, prefix])
            project, programs = PROJECT, []
            for page, (blocks, _) in self.pages.items():
                for at, block in enumerate(blocks):
                    if block.language == "output" and (at == 0 or blocks[at - 1].language != "cpp"):
                        self.fail(block.where(), "an output without a program before it")
                    if block.language != "cpp":
                        continue
                    following = blocks[at + 1] if at + 1 < len(blocks) else None
                    shown = following if following is not None and following.language == "output" else None
                    name = f"program_{len(programs)}"
                    (home / f"{name}.cc").write_text(whole_program(block), encoding="utf-8")
                    project += (f"add_executable({name} {name}.cc)\ntarget_link_libraries({name} batchdot::batchdot)\n"
                                f"target_precompile_headers({name} {HEADERS if not programs else REUSED})\n")
                    programs.append((name, block, shown))
            (home / "CMakeLists.txt").write_text(project, encoding="utf-8")
            self.configure(home, prefix, "pages")
            built = subprocess.run(["cmake", "--build", home / "build", "-j2", "--", "-k0"], text=True,
                                   stdout=subprocess.PIPE, stderr=subprocess.STDOUT)  # fmt: skip
            for name, block, shown in programs:
                self.checked += 1
                if not (home / "build" / name).exists():
                    complaints = [line for line in built.stdout.splitlines() if ": error:" in line]
                    self.fail(block.where(), "does not compile\n" + "\n".join(complaints[:5]))
                    continue
                self.run_program(home / "build" / name, block, shown, home)
            self.check_projects(home, prefix)

    def configure(self, folder, prefix, what):
        self.run_or_exit(["cmake", "-S", folder, "-B", folder / "build", "-G", "Ninja",
                          f"-DCMAKE_CXX_COMPILER={self.compiler}", f"-DCMAKE_PREFIX_PATH={prefix}"], what)  # fmt: skip

    def run_or_exit(self, arguments, what="install"):
        done = subprocess.run(arguments, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        if done.returncode:
            sys.exit(f"check_docs: {what}:\n{done.stdout}")

    def run_program(self, program, block, shown, place):
        done = subprocess.run([program], cwd=place, env=console.environment(place / "bin"), text=True, timeout=300,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT)  # fmt: skip
        if done.returncode:
            self.fail(block.where(), f"ends with {done.returncode}:\n{done.stdout}")
        if shown is not None and not pages.matches(shown.lines, done.stdout):
            self.fail(shown.where(), f"the program prints something else:\n{done.stdout.rstrip()}\n--- end")

    def check_projects(self, home, prefix):
        """Each CMakeLists.txt that a page shows builds the first whole program of the page."""
        for number, block in enumerate(self.blocks("cmake")):
            self.checked += 1
            program = next((other for other in self.pages[block.page][0] if is_whole(other)), None)
            source = re.search(r"add_executable\(\w+ (\w+\.cc)\)", block.text)
            if program is None or source is None:
                self.fail(block.where(), "builds no program of this page")
                continue
            folder = home / f"project_{number}"
            folder.mkdir()
            (folder / "CMakeLists.txt").write_text(block.text, encoding="utf-8")
            (folder / source.group(1)).write_text(program.text, encoding="utf-8")
            self.configure(folder, prefix, block.where())
            self.run_or_exit(["cmake", "--build", folder / "build"], block.where())

    # --- tables

    def check_tables(self):
        tool = self.build / "batchdot"
        info = json.loads(subprocess.run([tool, "info", "--json"], check=True, capture_output=True).stdout)
        manual = subprocess.run([tool, "help", "--man"], check=True, capture_output=True, text=True).stdout
        codes = dict(reversed(pair) for pair in re.findall(r"^\.B (\d+) ([A-Z0-9_]+)$", manual, re.MULTILINE))
        errors = "docs/errors.md"
        headings = re.findall(r"^### ([A-Z0-9_]+)$", self.text(errors), re.MULTILINE)
        self.compare(errors, "sections", headings, list(codes))
        for section in re.split(r"^##+ ", self.text(errors), flags=re.MULTILINE):
            code, shown = section.split("\n", 1)[0], pages.read_blocks(errors, section)[0]
            if code in codes and code != "INTERNAL":  # which a reader cannot bring about
                if not any(re.search(rf'(\(|"|: ){code}(\)|"|$)', line) for block in shown for line in block.lines):
                    self.fail(errors, f"no command shows {code}")
        table = re.findall(r"^\| \[([A-Z0-9_]+)\]\(#\w+\) \| (\d+) \| (\w+) \|", self.text(errors), re.MULTILINE)
        self.compare(errors, "exit codes", {code: number for code, number, _ in table}, codes)
        self.compare(errors, "exceptions of Python", {code: name for code, _, name in table}, self.exceptions())
        limits = dict(re.findall(r"^\| `(\w+)` \| ([\d,]+) \|", self.text(errors), re.MULTILINE))
        self.compare(errors, "limits", {name: int(value.replace(",", "")) for name, value in limits.items()},
                     info["limits"])  # fmt: skip
        semantics = "docs/semantics.md"
        dialects = re.findall(r"^\| `([\w.-]+)` \| [AB]", self.text(semantics), re.MULTILINE)
        self.compare(semantics, "dialects", sorted(dialects), sorted(info["dialects"]))
        self.check_glossary()

    def exceptions(self):
        """{code: exception} of the table in error.cc: without a Python module the tool prints none."""
        source = self.text("src/core/error.cc")
        named = dict(re.findall(r'^constexpr std::string_view (k\w+) = "(\w+)";$', source, re.MULTILINE))
        rows = re.findall(r'\{ErrorCode::k\w+, "(\w+)", \d+, (\w+|"\w+"),', source)
        return {code: named.get(word, word.strip('"')) for code, word in rows}

    def text(self, page):
        return (self.source / page).read_text(encoding="utf-8")

    def compare(self, page, what, said, known):
        self.checked += 1
        if said != known:
            self.fail(page, f"{what}: the page says {said}, it is {known}")

    def check_glossary(self):
        """Every word of the glossary stands somewhere else too, in code or in a page; and once in the glossary."""
        self.checked += 1
        rows = re.findall(r"^\| ([^|]+) \|", self.text("docs/glossary.md"), re.MULTILINE)
        words = [word.strip("` ") for row in rows for word in row.split(",") if row not in ("word", "---")]
        tree = [path for folder in ("include", "src", "tools", "docs") for path in (self.source / folder).rglob("*")
                if path.suffix in (".h", ".cc", ".md") and path.name != "glossary.md"]  # fmt: skip
        everything = "\n".join(path.read_text(encoding="utf-8") for path in tree)
        for word in sorted(set(words)):
            if words.count(word) > 1:
                self.fail("docs/glossary.md", f"twice: {word}")
            if not re.search(rf"(?<!\w){re.escape(word)}", everything, re.IGNORECASE):
                self.fail("docs/glossary.md", f"a word that nothing uses: {word}")


def is_whole(block):
    return block.language == "cpp" and re.search(r"\bint main\(", block.text) is not None


def whole_program(block):
    """The block as a program, with line numbers that are the page's."""
    line = f'#line {block.line} "{block.page}"\n'
    if is_whole(block):
        return line + block.text
    includes = [text for text in block.lines if text.startswith("#include")]
    body = "\n".join("" if text.startswith("#include") else text for text in block.lines)
    return (INCLUDES + "\n".join(includes) + "\nnamespace bd = batchdot;\nint main() {\n" + line + body + "\n}\n")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("part", choices=("links", "commands", "programs", "tables"))
    parser.add_argument("--source", type=pathlib.Path, required=True)
    parser.add_argument("--build", type=pathlib.Path, required=True)
    parser.add_argument("--compiler", default="c++")
    arguments = parser.parse_args()
    checker = Checker(arguments.source.resolve(), arguments.build.resolve(), arguments.compiler)
    getattr(checker, f"check_{arguments.part}")()
    if not checker.checked:
        checker.fail("check_docs", f"found no {arguments.part}")
    print("\n".join(checker.mistakes) or f"check_docs: {checker.checked} {arguments.part}, all true")
    return 1 if checker.mistakes else 0


if __name__ == "__main__":
    sys.exit(main())
