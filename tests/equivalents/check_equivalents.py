#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Executes the equivalents that `explain` gives, and compares shape and values.

    check_equivalents.py --library numpy --contractions PROGRAM    explanations that PROGRAM prints
    check_equivalents.py --library jax --tool batchdot             of `batchdot explain --lines`

The values are small integers, so every order of summation gives the same numbers. The judge is a sum over
all labels, written out with nothing but multiplication and a sum. A library that cannot be had is skipped: 77.
"""

import argparse
import collections
import json
import pathlib
import random
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
ENVIRONMENTS = {"numpy": "numpy", "batchdot": "numpy", "tensorflow": "current", "jax": "jax", "pytorch": "numpy"}
MODULES = {"numpy": "numpy", "batchdot": "numpy", "tensorflow": "tensorflow", "jax": "jax", "pytorch": "torch"}
SKIPPED = 77


def skip(library, reason):
    print(f"check_equivalents: SKIPPED {library}: {reason}")
    sys.exit(SKIPPED)


def enter_environment(library):
    """Runs this program again by the interpreter of the judges' environment that has the library."""
    sys.path.insert(0, str(HERE.parent / "oracle"))
    try:
        import environments
        python = environments.python_of(ENVIRONMENTS[library])
    except Exception as error:  # whatever keeps the packages away, the reason is printed
        skip(library, f"{type(error).__name__}: {error}")
    sys.exit(subprocess.run([str(python), __file__, *sys.argv[1:], "--inside"]).returncode)


# --- problems for the tool -------------------------------------------------------------------------------


def random_problems(count, seed):
    """Problems in the form of --lines; some are refused, which is no concern of this test."""
    rng = random.Random(seed)
    dialects = ["keras-3", "keras-2.3", "keras-2.2", "keras-2.2-tf1.14", "tf.keras-1", "keras-2.0", "keras-1.0"]

    def hide(shape):
        return [None if rng.random() < 0.1 else extent for extent in shape]

    def batch_dot():
        rank = rng.randint(2, 4)
        sizes = [rng.randint(1, 4) for _ in range(rank)]
        lhs, rhs = list(sizes), list(sizes)
        axes = [rng.randint(1, rank - 1), rng.randint(1, rank - 1)]
        lhs[axes[0]] = rhs[axes[1]] = rng.randint(1, 4)
        if rng.random() < 0.2:
            lhs[0] = 1
        if rng.random() < 0.2 and rank > 2:
            rhs = [rhs[0], lhs[axes[0]]]
            axes[1] = 1
        return {"operation": "batch_dot", "shapes": [hide(lhs), hide(rhs)], "axes": axes,
                "dialect": rng.choice(dialects)}

    def matmul():
        batch = [rng.randint(1, 4) for _ in range(rng.randint(0, 2))]
        m, n, k = (rng.randint(1, 4) for _ in range(3))
        lhs = [*[1 if rng.random() < 0.2 else b for b in batch], m, k]
        rhs = [*batch[rng.randint(0, len(batch)):], k, n]
        problem = {"operation": "matmul"}
        if rng.random() < 0.3:
            lhs[-2:] = lhs[:-3:-1]
            problem[rng.choice(["transpose_lhs", "adjoint_lhs"])] = True
        elif rng.random() < 0.1:
            lhs = [k]
        if rng.random() < 0.3:
            rhs[-2:] = rhs[:-3:-1]
            problem[rng.choice(["transpose_rhs", "adjoint_rhs"])] = True
        elif rng.random() < 0.1:
            rhs = [k]
        return {**problem, "shapes": [hide(lhs), hide(rhs)]}

    def tensordot():
        lhs = [rng.randint(1, 4) for _ in range(rng.randint(1, 4))]
        rhs = [rng.randint(1, 4) for _ in range(rng.randint(1, 4))]
        count = rng.randint(0, min(len(lhs), len(rhs)))
        lhs_axes, rhs_axes = rng.sample(range(len(lhs)), count), rng.sample(range(len(rhs)), count)
        for left, right in zip(lhs_axes, rhs_axes):
            rhs[right] = lhs[left]
        return {"operation": "tensordot", "shapes": [hide(lhs), hide(rhs)], "lhs_axes": lhs_axes,
                "rhs_axes": rhs_axes}

    def einsum():
        letters = rng.sample("abcdefgh", rng.randint(1, 5))
        size = {letter: rng.randint(1, 4) for letter in letters}
        operands = ["".join(rng.choices(letters, k=rng.randint(1, 3))) for _ in range(rng.choice([1, 2, 2, 2, 3]))]
        used = sorted(set("".join(operands)))
        output = rng.sample(used, rng.randint(0, len(used)))
        return {"operation": "einsum", "equation": ",".join(operands) + "->" + "".join(output),
                "shapes": [[size[letter] for letter in operand] for operand in operands]}

    def dot():
        k = rng.randint(1, 4)
        lhs = [*[rng.randint(1, 4) for _ in range(rng.randint(1, 2))], k]
        rhs = [*[rng.randint(1, 4) for _ in range(rng.randint(0, 2))], k, rng.randint(1, 4)]
        return {"operation": "dot", "shapes": [hide(lhs), hide(rhs)]}

    makers = [batch_dot, batch_dot, matmul, matmul, tensordot, einsum, einsum, dot]
    return [rng.choice(makers)() for _ in range(count)]


def explanations_of_tool(tool, count, seed):
    problems = random_problems(count, seed)
    done = subprocess.run([tool, "explain", "--lines"], input="\n".join(map(json.dumps, problems)) + "\n",
                          capture_output=True, text=True, check=True)
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(answers) == len(problems), (len(answers), len(problems))
    explained = [answer for answer in answers if "error" not in answer]
    # Most of the problems are made to fit.
    assert len(explained) > count // 2, (len(explained), count)
    return explained


def explanations_of_program(program, count, seed):
    done = subprocess.run([program, str(count), str(seed)], capture_output=True, text=True, check=True)
    return [json.loads(line) for line in done.stdout.splitlines()]


# --- one explanation -------------------------------------------------------------------------------------


def concrete_shapes(explanation, rng):
    """(shapes of the operands, extent of each label): every unknown extent replaced by one that fits."""
    axes = collections.defaultdict(list)  # label -> declared extents
    for operand in explanation["operands"]:
        for axis in operand:
            axes[axis["label"]].append(axis["extent"])
    names = {}
    extents = {}
    for label, declared in axes.items():
        numbers = {extent for extent in declared if isinstance(extent, int)}
        firm = sorted(numbers - {1}) or ([1] if numbers and not any(e is None or isinstance(e, str) for e in declared)
                                         else [])
        extents[label] = firm[0] if firm else rng.randint(1, 4)
        if numbers == {1} and not may_stretch(explanation, label):
            extents[label] = 1
        for extent in declared:
            if isinstance(extent, str):
                extents[label] = names.setdefault(extent, extents[label])
    shapes = []
    for number, operand in enumerate(explanation["operands"]):
        shape = []
        for position, axis in enumerate(operand):
            extent = axis["extent"]
            if not isinstance(extent, int):
                is_free_to_be_one = extent is None and is_open(explanation, number, position)
                extent = 1 if is_free_to_be_one and rng.random() < 0.4 else extents[axis["label"]]
            shape.append(extent)
        shapes.append(tuple(shape))
    for label in extents:
        found = {shape[i] for shape, operand in zip(shapes, explanation["operands"])
                 for i, axis in enumerate(operand) if axis["label"] == label}
        extents[label] = max(found - {1}, default=1) if 0 not in found else 0
    return shapes, extents


def is_open(explanation, operand, axis):
    """True if an axis may turn out to be 1 beside a larger one."""
    here = {"operand": operand, "axis": axis}
    return any(condition["kind"] == "one_or_equal" and here in (condition["lhs"], condition["rhs"])
               for condition in explanation["conditions"])


def may_stretch(explanation, label):
    """True if the declared axes of a label are 1 and unknown under a rule that broadcasts."""
    refs = [ref for axis in explanation["output"] if axis["label"] == label for ref in axis["from"]]
    words = [axis["why"] for axis in explanation["output"] if axis["label"] == label]
    return len(refs) > 1 and any("stretch" in why for why in words)


def judged(np, explanation, arrays, extents):
    """The sum over all labels, written out."""
    order = list(extents)
    product = np.ones([extents[label] for label in order], arrays[0].dtype)
    for array, operand, conjugate in zip(arrays, explanation["operands"], explanation["conjugate"]):
        labels = [axis["label"] for axis in operand]
        array = np.conj(array) if conjugate else array
        index, shape = [], []
        for label in order:
            if label not in labels:
                shape.append(1)
                continue
            extent = array.shape[labels.index(label)]
            shape.append(extent)
        present = [label for label in order if label in labels]
        grid = np.ix_(*[range(array.shape[labels.index(label)]) for label in present])
        index = tuple(grid[present.index(label)] for label in labels)
        product = product * (array[index] if labels else array).reshape(shape)
    kept = [axis["label"] for axis in explanation["output"] if axis["from"]]
    product = product.sum(axis=tuple(i for i, label in enumerate(order) if label not in kept))
    left = [label for label in order if label in kept]
    product = np.asarray(product).transpose([left.index(label) for label in kept])
    for position, axis in enumerate(explanation["output"]):
        if not axis["from"]:
            product = np.expand_dims(product, position)
    return product


# --- the libraries ---------------------------------------------------------------------------------------


class Library:
    """Evaluates the code of one library."""

    def __init__(self, name, tool):
        import numpy as np

        self.np, self.name, self.tool, self.scope = np, name, tool, {"np": np}
        self.convert = lambda array: array
        if name == "tensorflow":
            import tensorflow as tf

            self.scope["tf"], self.convert = tf, tf.constant
        elif name == "jax":
            import jax
            import jax.numpy as jnp

            jax.config.update("jax_enable_x64", True)
            self.scope |= {"jax": jax, "jnp": jnp, "lax": jax.lax}
            self.convert = jnp.asarray
        elif name == "pytorch":
            import torch

            self.scope["torch"], self.convert = torch, torch.as_tensor
        elif name == "batchdot":
            self.scratch = tempfile.TemporaryDirectory()

    def evaluate(self, code, arrays):
        if self.name == "batchdot":
            return self.run_tool(code, arrays)
        operands = [self.convert(array) for array in arrays]
        names = {"operands": operands, "operand": operands[0], "lhs": operands[0], "rhs": operands[-1]}
        result = eval(code, {**self.scope, **names})
        return self.np.asarray(result.resolve_conj() if self.name == "pytorch" else result)

    def run_tool(self, code, arrays):
        folder = pathlib.Path(self.scratch.name)
        files = [folder / f"operand{i}.npy" for i in range(len(arrays))]
        for file, array in zip(files, arrays):
            self.np.save(file, array)
        subprocess.run([self.tool, "run", *code.split(), *map(str, files), "-o", str(folder / "out.npy")],
                       check=True, capture_output=True, text=True)
        return self.np.load(folder / "out.npy")


def form_of(code):
    """np.einsum, tf.matmul, einsum, ...: what is called, under its wrappers."""
    for form in ("einsum", "tensordot", "matmul", "bmm", "dot_general"):
        if form in code:
            return form
    return code


def arrays_of(np, shapes, is_complex, rng):
    arrays = []
    for shape in shapes:
        array = np.asarray(rng.integers(-3, 4, shape)).astype(np.float64)
        if is_complex:
            array = array + 1j * rng.integers(-3, 4, shape)
        arrays.append(np.ascontiguousarray(array).reshape(shape))
    return arrays


def check(library, explanations, seed):
    np = library.np
    rng, array_rng = random.Random(seed), np.random.default_rng(seed)
    done, silent, mistakes = collections.Counter(), 0, []
    for explanation in explanations:
        codes = [fact["code"] for fact in explanation["equivalents"] if fact["library"] == library.name]
        silent += not codes
        shapes, extents = concrete_shapes(explanation, rng)
        is_complex = any(explanation["conjugate"]) or any("adjoint" in code for code in codes)
        arrays = arrays_of(np, shapes, is_complex, array_rng)
        expected = judged(np, explanation, arrays, extents)
        for code in codes:
            try:
                found = library.evaluate(code, arrays)
            except Exception as error:
                text = getattr(error, "stderr", None) or f"{type(error).__name__}: {error}"
                mistakes.append(f"{code}  {shapes}: {text.splitlines()[0]}")
                continue
            done[form_of(code)] += 1
            if found.shape != expected.shape:
                mistakes.append(f"{code}  {shapes}: shape {found.shape}, expected {expected.shape}")
            elif not np.array_equal(found, expected):
                mistakes.append(f"{code}  {shapes}: other values")
    return done, silent, mistakes


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--library", required=True, choices=MODULES)
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--contractions", help="the program random_contractions")
    source.add_argument("--problems", action="store_true", help="explain random problems by the tool")
    parser.add_argument("--tool", help="the tool batchdot")
    parser.add_argument("--count", type=int, default=400)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--forms", default="", help="forms that have to be among the equivalents: einsum,matmul")
    parser.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if not arguments.inside:
        enter_environment(arguments.library)
    try:
        __import__(MODULES[arguments.library])
    except ImportError as error:
        skip(arguments.library, error)
    if arguments.contractions:
        explanations = explanations_of_program(arguments.contractions, arguments.count, arguments.seed)
    else:
        explanations = explanations_of_tool(arguments.tool, arguments.count, arguments.seed)
    done, silent, mistakes = check(Library(arguments.library, arguments.tool), explanations, arguments.seed)
    counts = ", ".join(f"{count} {form}" for form, count in sorted(done.items()))
    print(f"check_equivalents: {arguments.library}: {len(explanations)} explanations, {silent} without an equivalent; "
          f"executed {counts or 'none'}; {len(mistakes)} mistakes")
    print("\n".join(mistakes[:40]))
    missing = [form for form in arguments.forms.split(",") if form and not done[form]]
    if missing:
        print(f"check_equivalents: never seen: {', '.join(missing)}")
    return 1 if mistakes or missing or not done else 0


if __name__ == "__main__":
    sys.exit(main())
