#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Reads the machine code of the register tiles and fails if a compiler has spoiled an inner loop.

    check_loops.py --compiler GNU --objdump objdump OBJECT...

The speed of tiles rests on what no result shows: accumulators stay in registers, and k is unrolled as it is written.
A change of a header or of a compiler can undo either, and every bit stays right. So, for every tile of AVX2 and
AVX-512, of every height and width, in its innermost loops over k:

  the loop is there, once for each way to its operands: whole panels, of reals also panels that end inside a vector,
  and, for large tiles, packed panels of both operands
  it has the multiplications of its steps: MR x NV, by the template arguments in the symbol, times the unrolling
  it stores no vector, and loads none from the stack

What a compiler is known to spill stands in KNOWN, with its reason; it may get better, not worse.
"""

import argparse
import collections
import dataclasses
import re
import subprocess
import sys


@dataclasses.dataclass
class Kind:
    """Tiles of one template: `per_element` multiplications for each element and k, `unrolled` steps of k in a loop, or
    0 where that is left to the compiler; `loops` that must be there."""

    name: str
    symbol: str  # groups: target (if it has one), MR, NV
    multiply: str
    per_element: int
    unrolled: int | dict  # of each compiler its own
    loops: int
    targets: tuple
    packed: int = 10**9  # vectors of a tile from which on there is one more loop, for packed panels: kLargeTile


FUSED = r"vfn?m(?:add|sub)\d+p[sd]$"
PAIR = ("AVX2", "AVX3")
KINDS = [
    Kind("f32", r"N_(?P<target>\w+)::tile_real<float, (?P<MR>\d), (?P<NV>\d)>\(", FUSED, 1, 4, 2, PAIR, 10),
    Kind("f64", r"N_(?P<target>\w+)::tile_real<double, (?P<MR>\d), (?P<NV>\d)>\(", FUSED, 1, 4, 2, PAIR, 10),
    Kind("i32", r"N_(?P<target>\w+)::tile_real<int, (?P<MR>\d), (?P<NV>\d)>\(", r"vpmulld$", 1, 4, 2, PAIR, 10),
    Kind("i64", r"N_(?P<target>\w+)::tile_real<long, (?P<MR>\d), (?P<NV>\d)>\(", r"vpmuludq$", 3, 4, 2, ("AVX2",), 10),
    Kind("i64", r"N_(?P<target>\w+)::tile_real<long, (?P<MR>\d), (?P<NV>\d)>\(", r"vpmullq$", 1, 4, 2, ("AVX3",), 10),
    Kind("c64", r"N_(?P<target>\w+)::tile_complex<float, (?P<MR>\d), (?P<NV>\d), \w+>\(", FUSED, 4, 2, 1, PAIR, 5),
    Kind("c128", r"N_(?P<target>\w+)::tile_complex<double, (?P<MR>\d), (?P<NV>\d), \w+>\(", FUSED, 4, 2, 1, PAIR, 5),
    Kind("i16", r"N_(?P<target>\w+)::tile_i16_pairs<(?P<MR>\d), (?P<NV>\d)>\(", r"vpmaddwd$", 1, {"Clang": 2, "GNU": 1}, 2, PAIR, 10),
    Kind("i8", r"namespace\)::tile<(?P<MR>\d), (?P<NV>\d)>\(", r"vpdpbusd$", 1, 0, 1, ("AVX3",)),
    Kind("amx", r"namespace\)::multiply<(?P<MR>\d), (?P<NV>\d)>\(", r"tdpbssd$", 1, 0, 1, ("AVX3",)),
    Kind("bf16", r"namespace\)::tile<(?P<MR>\d), (?P<NV>\d)>\(", r"vdpbf16ps$", 1, 0, 1, ("AVX3",)),
]

# GCC 12 runs out of registers where a tile needs all of them or nearly all: 6 x 2 of reals takes 15 of 16, 6 x 1 of
# complex numbers 16, 8 x 3 takes 28 of 32, 6 x 4 takes 29. It loads elements of a early and spills accumulators for them.
# (compiler, kind, target, MR, NV): vector stores and loads from the stack that one loop may have.
KNOWN = {
    ("GNU", "f32", "AVX2", 5, 2): 2,
    ("GNU", "f32", "AVX2", 6, 2): 12,
    ("GNU", "f32", "AVX3", 8, 3): 6,
    ("GNU", "f32", "AVX3", 3, 4): 16,  # in the loop of panels that end inside a vector; so are most of those of 6 x 4
    ("GNU", "f32", "AVX3", 6, 4): 14,
    ("GNU", "f64", "AVX2", 5, 2): 2,
    ("GNU", "f64", "AVX2", 6, 2): 12,
    ("GNU", "f64", "AVX3", 8, 3): 6,
    ("GNU", "f64", "AVX3", 3, 4): 12,
    ("GNU", "f64", "AVX3", 6, 4): 4,
    ("GNU", "c64", "AVX2", 5, 1): 4,
    ("GNU", "c64", "AVX2", 6, 1): 10,
    ("GNU", "c64", "AVX3", 5, 2): 4,
    ("GNU", "c64", "AVX3", 6, 2): 16,
    ("GNU", "c128", "AVX2", 5, 1): 4,
    ("GNU", "c128", "AVX2", 6, 1): 10,
    ("GNU", "c128", "AVX3", 5, 2): 4,
    ("GNU", "c128", "AVX3", 6, 2): 12,
    # It multiplies integers of several steps before it adds any.
    ("GNU", "i32", "AVX2", 2, 2): 15,
    ("GNU", "i32", "AVX2", 3, 2): 26,
    ("GNU", "i32", "AVX2", 4, 2): 36,
    ("GNU", "i32", "AVX3", 5, 2): 10,
    ("GNU", "i32", "AVX3", 6, 2): 20,
    ("GNU", "i32", "AVX3", 7, 1): 2,
    ("GNU", "i32", "AVX3", 7, 2): 30,
    ("GNU", "i64", "AVX2", 2, 1): 8,
    ("GNU", "i64", "AVX2", 3, 1): 22,
    ("GNU", "i64", "AVX3", 5, 2): 10,
    ("GNU", "i64", "AVX3", 6, 2): 21,
    ("GNU", "i64", "AVX3", 7, 1): 2,
    ("GNU", "i64", "AVX3", 7, 2): 30,
}

FUNCTION = re.compile(r"[0-9a-f]+ <(.*)>:$")
INSTRUCTION = re.compile(r"\s*([0-9a-f]+):\t(\S+)\s*([^#]*)")
Instruction = collections.namedtuple("Instruction", "address name operands")


def functions(objdump, path):
    """(name, instructions) of every function of an object file."""
    listing = subprocess.run([objdump, "-dC", "--no-show-raw-insn", path], capture_output=True, text=True, check=True)
    name, body = None, []
    for line in listing.stdout.splitlines():
        if match := FUNCTION.match(line):
            if name:
                yield name, body
            name, body = match.group(1), []
        elif match := INSTRUCTION.match(line):
            body.append(Instruction(int(match.group(1), 16), match.group(2), match.group(3).strip()))
    if name:
        yield name, body


def jump_target(instruction):
    """The address that a jump within a function goes to."""
    if instruction.name.startswith("j") and (match := re.match(r"([0-9a-f]+) <", instruction.operands)):
        return int(match.group(1), 16)
    return None


def blocks_of(body):
    """(blocks, successors): runs of instructions that are entered at the top and left at the end."""
    at = {instruction.address: i for i, instruction in enumerate(body)}
    starts = {0}
    for i, instruction in enumerate(body):
        if instruction.name.startswith(("j", "ret")):
            starts.add(i + 1)
            starts.add(at.get(jump_target(instruction), 0))
    starts = sorted(start for start in starts if start < len(body))
    number = {start: n for n, start in enumerate(starts)}
    blocks, successors = [], []
    for start, end in zip(starts, starts[1:] + [len(body)]):
        last = body[end - 1]
        following = []
        if jump_target(last) in at:
            following.append(number[at[jump_target(last)]])
        if last.name != "jmp" and not last.name.startswith("ret") and end in number:
            following.append(number[end])
        blocks.append(body[start:end])
        successors.append(following)
    return blocks, successors


def dominators(successors, predecessors):
    """For each block that can be reached: the blocks that every way to it goes through."""
    order, seen, stack = [], {0}, [(0, iter(successors[0]))]
    while stack:
        block, rest = stack[-1]
        following = next(rest, None)
        if following is None:
            order.append(block)
            stack.pop()
        elif following not in seen:
            seen.add(following)
            stack.append((following, iter(successors[following])))
    dominate = {block: set(order) for block in order}
    dominate[0] = {0}
    changed = True
    while changed:
        changed = False
        for block in reversed(order[:-1]):
            through = set.intersection(*(dominate[p] for p in predecessors[block] if p in dominate)) | {block}
            if through != dominate[block]:
                dominate[block], changed = through, True
    return dominate


def innermost_loops(body):
    """The instructions of every loop that holds no other, wherever its blocks lie."""
    blocks, successors = blocks_of(body)
    predecessors = [[] for _ in blocks]
    for block, following in enumerate(successors):
        for to in following:
            predecessors[to].append(block)
    dominate = dominators(successors, predecessors)
    loops = []
    for block in dominate:
        for head in successors[block]:
            if head not in dominate[block]:
                continue
            loop, waiting = {head, block}, [block]
            while waiting:
                here = waiting.pop()
                if here == head:
                    continue
                for before in predecessors[here]:
                    if before in dominate and before not in loop:
                        loop.add(before)
                        waiting.append(before)
            loops.append(frozenset(loop))
    for loop in set(loops):
        if not any(other < loop for other in loops):
            yield [instruction for block in sorted(loop) for instruction in blocks[block]]


def stack_uses(body, loop):
    """Vectors that a loop stores, wherever, or reads from the stack."""
    bases = ["rsp"]
    if any(i.operands in ("%rsp,%rbp", "%rsp, %rbp") and i.name.startswith("mov") for i in body):
        bases.append("rbp")
    on_stack = re.compile(rf"\(%(?:{'|'.join(bases)})[,)]")
    uses = 0
    for instruction in loop:
        if not re.search(r"%[xyz]mm", instruction.operands):
            continue
        is_store = re.search(r"\)(\{%k\d\})?$", instruction.operands)
        uses += bool(is_store or on_stack.search(instruction.operands))
    return uses


def mistakes_in(kind, target, MR, NV, body, compiler):
    step = MR * NV * kind.per_element
    unrolled = kind.unrolled.get(compiler, 0) if isinstance(kind.unrolled, dict) else kind.unrolled
    counted, complete = [], 0
    for loop in innermost_loops(body):
        multiplications = sum(bool(re.match(kind.multiply, i.name)) for i in loop)
        if not multiplications:
            continue
        counted.append(multiplications)
        complete += multiplications == step * unrolled if unrolled else True
        if multiplications % step:
            yield f"a loop has {multiplications} multiplications, a step has {step}"
        uses, known = stack_uses(body, loop), KNOWN.get((compiler, kind.name, target, MR, NV), 0)
        if uses > known:
            yield f"a loop of {multiplications} multiplications has {uses} vectors on the stack, {known} known"
    loops = kind.loops + (MR * NV >= kind.packed)
    if complete < loops:
        wanted = f"{step * unrolled} multiplications" if unrolled else "multiplications"
        yield f"{loops} loops of {wanted} wanted, found loops of {counted}"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--compiler", required=True, help="as CMake calls it: Clang, GNU")
    parser.add_argument("--objdump", required=True)
    parser.add_argument("objects", nargs="+")
    arguments = parser.parse_args()

    mistakes, seen = [], collections.defaultdict(set)
    for path in arguments.objects:
        for name, body in functions(arguments.objdump, path):
            for kind in KINDS:
                match = re.search(kind.symbol, name)
                if not match or not any(re.match(kind.multiply, i.name) for i in body):
                    continue
                target = match.groupdict().get("target", "AVX3")
                MR, NV = int(match["MR"]), int(match["NV"])
                seen[kind.name, target].add((MR, NV))
                found = mistakes_in(kind, target, MR, NV, body, arguments.compiler)
                mistakes += [f"{kind.name} {target} {MR} x {NV}: {mistake}" for mistake in found]
    for kind in KINDS:
        for target in kind.targets:
            shapes = seen[kind.name, target]
            smaller = {(MR, NV) for shape in shapes or {(1, 1)} for MR in range(1, shape[0] + 1) for NV in range(1, shape[1] + 1)}
            mistakes += [f"{kind.name} {target} {MR} x {NV}: there is no such tile" for MR, NV in sorted(smaller - shapes)]
    tiles = sum(len(shapes) for shapes in seen.values())
    spilled = sum(1 for known in KNOWN if known[0] == arguments.compiler)
    print("\n".join(mistakes) if mistakes else f"check_loops: {tiles} tiles in registers, but for {spilled} that are known to spill")
    return 1 if mistakes else 0


if __name__ == "__main__":
    sys.exit(main())
