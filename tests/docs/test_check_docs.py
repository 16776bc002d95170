#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The checks of the pages notice what is wrong: each is given a page with one mistake."""

import pathlib
import sys
import tempfile
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import check_docs  # noqa: E402
import pages  # noqa: E402

TOOL = """#!/bin/sh
echo "$1: 1 of 3"
[ "$1" != bad ] || exit 4
"""


class Pages(unittest.TestCase):
    def mistakes(self, part, page):
        """What a check says about one page in an otherwise empty tree."""
        with tempfile.TemporaryDirectory() as folder:
            root = pathlib.Path(folder)
            (root / "build").mkdir()
            (root / "build" / "batchdot").write_text(TOOL)
            (root / "build" / "batchdot").chmod(0o755)
            (root / "Makefile").write_text("run: build\n")
            (root / "CMakePresets.json").write_text('{"configurePresets": [], "buildPresets": [], "testPresets": []}')
            (root / "README.md").write_text(page)
            checker = check_docs.Checker(root, root / "build", "c++")
            getattr(checker, f"check_{part}")()
            return checker.mistakes

    def test_commands(self):
        self.assertEqual(self.mistakes("commands", "```console\n$ batchdot x\nx: 1 of 3\n```\n"), [])
        self.assertEqual(self.mistakes("commands", "```console\n$ batchdot x\nx: ... 3\n...\n```\n"), [])
        self.assertEqual(len(self.mistakes("commands", "```console\n$ batchdot x\nx: 2 of 3\n```\n")), 1)
        self.assertEqual(len(self.mistakes("commands", "```console\n$ batchdot x\n```\n")), 1)
        self.assertEqual(len(self.mistakes("commands", "```console\n$ batchdot x\nx: 1 of 3\nmore\n```\n")), 1)

    def test_exit_codes(self):
        self.assertEqual(len(self.mistakes("commands", "```console\n$ batchdot bad\nbad: 1 of 3\n```\n")), 1)
        self.assertEqual(len(self.mistakes("commands", "```console\n$ echo error: none\nerror: none\n```\n")), 1)

    def test_shell_and_json(self):
        self.assertEqual(self.mistakes("commands", "```sh\nmake run\n```\n"), [])
        self.assertEqual(len(self.mistakes("commands", "```sh\nmake fun\n```\n")), 1)
        self.assertEqual(len(self.mistakes("commands", "```sh\ncmake --preset none\n```\n")), 1)
        self.assertEqual(len(self.mistakes("commands", "```sh\nif\n```\n")), 1)
        self.assertEqual(len(self.mistakes("commands", "```json\n{\n```\n")), 1)

    def test_links(self):
        self.assertEqual(self.mistakes("links", "# A page\n[here](#a-page) [there](Makefile)\n`[x](y)`\n"), [])
        self.assertEqual(len(self.mistakes("links", "[there](nowhere.md)\n")), 1)
        self.assertEqual(len(self.mistakes("links", "# A page\n[here](#another-page)\n")), 1)
        self.assertEqual(len(self.mistakes("links", "Look into `src/nowhere`.\n")), 1)
        self.assertEqual(len(self.mistakes("links", "```ruby\n1\n```\n")), 1)

    def test_blocks(self):
        with self.assertRaises(ValueError):
            pages.read_blocks("page", "```console\n$ true\n")
        with self.assertRaises(ValueError):
            pages.read_commands(pages.Block("page", 1, "console", ["no command"]))
        blocks, prose = pages.read_blocks("page", "one\n\n  ```cpp\n  int x;\n  ```\n\nthree\n")
        self.assertEqual((blocks[0].line, blocks[0].text), (4, "int x;\n"))
        self.assertEqual(prose, ["one", "", "", "", "", "", "three"])


if __name__ == "__main__":
    unittest.main()
