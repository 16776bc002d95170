# SPDX-License-Identifier: Apache-2.0
"""The workloads of the benchmark, as data.

    W1, W2      scores and values of attention, 64 heads of 12 sequences of 128 tokens
    W3, W4, W5  the question the project began with: (256,36,8,24) with itself, in old and new Keras
    W6          dot products of rows          W7_n   squares of n, as many as take some milliseconds
    W8          one query against 4096 keys   W9     large products
    W10         attention with heads between tokens and depth: no copy
    W11         tall and skinny, the result is the largest part     W12   f64
    W13         one matrix for all of a batch                       W14   the TCCG suite: axes in any order
"""

import math
from typing import NamedTuple


DTYPES = {"i8": 1, "bf16": 2, "f16": 2, "f32": 4, "i32": 4, "f64": 8, "i64": 8, "complex64": 8, "complex128": 16}  # bytes


class Workload(NamedTuple):
    """One problem: out = einsum(equation, lhs, rhs) on dense arrays, last axis fastest."""

    name: str
    group: str  # main: against all; narrow: other dtypes; permuted: W1, W5, W14 in other orders of axes; call
    dtype: str
    equation: str
    extents: dict

    def shapes(self):
        """Of lhs, rhs and out."""
        inputs, out = self.equation.split("->")
        return [[self.extents[label] for label in labels] for labels in (*inputs.split(","), out)]

    @property
    def flop(self):
        """Useful ones alone: a multiplication and an addition for each step of each sum; complex ones have four each."""
        terms = math.prod(self.extents.values())
        return (8 if self.dtype.startswith("complex") else 2) * terms

    def bytes(self):
        """What has to be read and written at the least: each element once. Narrow results as wide as the dtype's."""
        size = DTYPES[self.dtype]
        lhs, rhs, out = (math.prod(shape) for shape in self.shapes())
        return (lhs + rhs) * size, out * (4 if self.dtype == "i8" else size)


def extents_of(equation, *shapes):
    inputs = equation.split("->")[0].split(",")
    return {label: extent for labels, shape in zip(inputs, shapes) for label, extent in zip(labels, shape)}


def workload(name, equation, *shapes, dtype="f32", group="main"):
    return Workload(name, group, dtype, equation, extents_of(equation, *shapes))


def tccg(name, code, extents, group="main"):
    """A problem of the TCCG suite, `out-lhs-rhs`. Its first axis is the fastest one, ours the last: all is reversed.

    The suite's rule gives the largest tensor about 200 MiB: with r axes in it and s bytes an element, an extent is the
    r-th root of 200 MiB / s, rounded to the nearest multiple of 4; where it is the fastest axis of any of the three
    tensors, rounded up to a multiple of 24. In the first group one extent is 24. For f32, r = 5, 3, 4, 3: roots 35, 374,
    85, 374.
    """
    out, lhs, rhs = (labels[::-1] for labels in code.split("-"))
    return Workload(name, group, "f32", f"{lhs},{rhs}->{out}", extents)


def squares(n, batch):
    return workload(f"W7_{n}", "bik,bkj->bij", (batch, n, n), (batch, n, n))


MAIN = [
    workload("W1", "bik,bjk->bij", (768, 128, 64), (768, 128, 64)),
    workload("W2", "bik,bkj->bij", (768, 128, 128), (768, 128, 64)),
    workload("W3", "abik,abjk->abij", (256, 36, 8, 24), (256, 36, 8, 24)),
    workload("W4", "abki,abkj->abij", (256, 36, 8, 24), (256, 36, 8, 24)),
    workload("W5", "bikm,bjkn->bimjn", (64, 36, 8, 24), (64, 36, 8, 24)),
    workload("W6", "bk,bk->b", (65536, 512), (65536, 512)),
    squares(4, 200000), squares(8, 100000), squares(16, 20000), squares(32, 5000), squares(64, 1600), squares(128, 400),
    workload("W8", "bik,bjk->bij", (64, 1, 128), (64, 4096, 128)),
    workload("W9_1024", "bik,bkj->bij", (8, 1024, 1024), (8, 1024, 1024)),
    workload("W9_2048", "ik,kj->ij", (2048, 2048), (2048, 2048)),
    workload("W10", "bthd,bshd->bhts", (16, 256, 12, 64), (16, 256, 12, 64)),
    workload("W11", "bik,bkj->bij", (32, 4096, 16), (32, 16, 4096)),
    workload("W12_24", "bik,bkj->bij", (1000, 24, 24), (1000, 24, 24), dtype="f64"),
    workload("W12_512", "bik,bkj->bij", (8, 512, 512), (8, 512, 512), dtype="f64"),
    workload("W13", "xyik,kj->xyij", (32, 12, 256, 64), (64, 256)),
    tccg("W14a", "abcde-efbad-cf", dict(a=48, b=36, c=24, d=36, e=48, f=36)),
    tccg("W14b", "abc-bda-dc", dict(a=384, b=384, c=24, d=384)),
    tccg("W14c", "abcd-ea-ebcd", dict(a=96, b=84, c=84, d=84, e=96)),
    tccg("W14d", "ab-acd-dbc", dict(a=384, b=376, c=376, d=384)),
    tccg("W14e", "abcd-aebf-dfce", dict.fromkeys("abcdef", 48)),
]


# For orders.py: a few of them, so that they stay in the caches.
SMALL = [workload(f"small_{n}", "bik,bkj->bij", (batch, n, n), (batch, n, n)) for n, batch in ((8, 2000), (40, 100))]


def narrow():
    by_name = {main.name: main for main in MAIN}
    for dtype in ("bf16", "f16", "i8"):
        for name in ("W1", "W2", "W9_1024"):
            yield by_name[name]._replace(name=f"{name}_{dtype}", dtype=dtype, group="narrow")
    for dtype in ("complex64", "complex128", "i32", "i64"):
        for name in ("W1", "W9_1024"):
            changed = by_name[name]._replace(name=f"{name}_{dtype}", dtype=dtype, group="narrow")
            if name == "W9_1024":  # two of them: enough to see, a quarter of the time
                changed = changed._replace(extents={**changed.extents, "b": 2})
            yield changed
    for name in ("W6", "W8"):  # no matrix by matrix: an eighth of the bytes is enough
        main = by_name[name]
        yield main._replace(name=f"{name}_complex64", dtype="complex64", group="narrow",
                            extents={**main.extents, "b": main.extents["b"] // 8})


def permuted():
    """W1, W5 and W14 with the axes of an operand or of the result in other orders. The suffix names what moved."""
    def like(name, suffix, equation):
        main = next(main for main in MAIN if main.name == name)
        return Workload(f"{name}.{suffix}", "permuted", main.dtype, equation, main.extents)

    yield like("W1", "lhs", "bki,bjk->bij")
    yield like("W1", "rhs", "bik,bkj->bij")
    yield like("W1", "both", "bki,bkj->bij")
    yield like("W1", "out", "bik,bjk->bji")
    yield like("W1", "inner-batch", "ibk,jbk->ibj")
    # The fast axis is the batch, of both operands, of one, or of the result: one pass over memory more.
    yield like("W1", "lost", "ikb,jkb->bij")
    yield like("W1", "lhs-lost", "ikb,bjk->bij")
    yield like("W1", "out-lost", "bik,bjk->ijb")
    yield like("W5", "lhs", "bkim,bjkn->bimjn")
    yield like("W5", "rhs", "bikm,bnjk->bimjn")
    yield like("W5", "k-last", "bimk,bjnk->bimjn")
    yield like("W5", "out", "bikm,bjkn->bimnj")
    yield like("W5", "out-lost", "bikm,bjkn->imjnb")
    yield like("W14a", "lhs", "fdabe,fc->edcba")
    yield like("W14a", "out", "dabfe,fc->edbac")
    yield like("W14e", "lhs", "ebfa,ecfd->dcba")
    yield like("W14e", "out", "fbea,ecfd->abcd")


CALL = [
    # One small product with everything made ready before, by addresses, as other libraries take it, and by views, whose
    # layouts are compared; and what making ready costs.
    workload("call_4x4x4", "bik,bkj->bij", (1, 4, 4), (1, 4, 4), group="call"),
    workload("views_4x4x4", "bik,bkj->bij", (1, 4, 4), (1, 4, 4), group="call"),
    workload("plan_4x4x4", "bik,bkj->bij", (1, 4, 4), (1, 4, 4), group="call"),
]

# Rows of ours alone: what `bench_batchdot` is told to measure, in a process that does nothing but this.
OUR_MODES = {"views_4x4x4": "views", "plan_4x4x4": "planning"}

ALL = [*MAIN, *CALL, *permuted(), *narrow()]
