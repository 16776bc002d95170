# SPDX-License-Identifier: Apache-2.0
"""Operands for a problem of values: random numbers of some dtype as files, the same for one seed."""

import zlib

import numpy as np

# How often each dtype comes, out of 20.
DTYPES = {
    "f32": 6,
    "f64": 3,
    "complex64": 2,
    "complex128": 2,
    "f16": 2,
    "bf16": 2,
    "i8": 1,
    "i32": 1,
    "i64": 1,
}
NUMPY = {
    "f32": np.float32,
    "f64": np.float64,
    "complex64": np.complex64,
    "complex128": np.complex128,
    "f16": np.float16,
    "i8": np.int8,
    "i32": np.int32,
    "i64": np.int64,
}


def write(folder, judge, problem, seed):
    """Paths of the files, and the dtype of each operand (as our tool names it)."""
    rng = np.random.default_rng(zlib.crc32(f"{seed} {judge.name} {problem}".encode()))
    allowed = dict(DTYPES)
    if problem["operation"] == "dot_layer":  # the layers take and give their own dtypes only
        allowed = {
            name: share for name, share in DTYPES.items() if name in ("f32", "f64", "f16", "bf16")
        }
    names, share = list(allowed), np.array(list(allowed.values()), float)
    dtypes = [str(rng.choice(names, p=share / share.sum()))] * len(problem["shapes"])
    if len(dtypes) == 2 and rng.random() < 0.03 and problem["operation"] != "dot_layer":
        dtypes = ["f32", "f64"]
    wraps = judge.name != "keras-3" and rng.random() < 0.3  # Keras 3 multiplies integers as floats
    files = []
    for number, (shape, dtype) in enumerate(zip(problem["shapes"], dtypes)):
        array = _numbers(rng, shape, dtype, wraps)
        if rng.random() < 0.15:
            array = np.asfortranarray(array)
        files.append(f"{folder}/{number}.npy")
        np.save(files[-1], array)
    return files, dtypes


def _numbers(rng, shape, dtype, wraps):
    if dtype.startswith("i") and wraps:
        limits = np.iinfo(NUMPY[dtype])
        return rng.integers(limits.min, limits.max, shape, NUMPY[dtype], endpoint=True)
    if dtype.startswith("i"):
        return rng.integers(-9, 10, shape).astype(NUMPY[dtype])
    numbers = rng.standard_normal(shape) * 2.0 ** rng.integers(-3, 4, shape)
    if dtype.startswith("complex"):
        numbers = numbers + 1j * rng.standard_normal(shape)
    if dtype == "bf16":  # truncated, then two plain bytes a number, as NumPy knows no bf16
        halves = (numbers.astype(np.float32).view(np.uint32) >> 16).astype(np.uint16)
        return halves.view("V2")
    return numbers.astype(NUMPY[dtype])
