# SPDX-License-Identifier: Apache-2.0
"""Random problems in the form of `batchdot shape --lines`, the same ones for the same seed.

Each starts as a problem that its judge should accept; every third is then changed in one place, so
that refusals are compared too. `shape_problems` has unknown and named dims, `value_problems` none.
"""

import dataclasses
import math
import random

FAMILY_A = (
    "keras-0.3",
    "keras-1.0",
    "keras-1.2",
    "keras-2.0",
    "keras-2.1.5",
    "keras-2.1.6",
    "keras-2.2",
    "keras-2.2-tf1.14",
    "tf.keras-1",
)
NAMES = ("B", "T", "heads")
LABELS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"


@dataclasses.dataclass(frozen=True)
class Limits:
    extent: int  # the largest one
    work: int  # multiply-adds of a problem that is computed
    numbers: int = 1 << 20  # elements of an operand or a result that exists in memory


SAMPLE = Limits(extent=32, work=200_000)
FULL = Limits(extent=300, work=20_000_000, numbers=1 << 22)


def shape_problems(judge, operation, count, seed, limits):
    """Problems for a judge. Where the judge has to compute, they are small."""
    rng = random.Random(f"{seed} shapes {judge.name} {operation}")
    known = judge.environment in ("numpy", "jax")
    asks_numpy = (judge.dialect, operation) == ("keras-0.3", "dot_layer")  # what its shape is
    computed = judge.environment == "numpy" or asks_numpy
    made = []
    while len(made) < count:
        problem = _MAKERS[operation](rng, judge, limits)
        if not known:
            _forget_extents(rng, problem)
        if rng.random() < 0.33:
            _change(rng, problem, judge)
        if computed and _cost(problem) > min(limits.work, 1_000_000):
            continue
        if asks_numpy and not _fits(problem, limits):
            continue
        if _meant_for(judge, problem):
            made.append(problem)
    return made


def value_problems(judge, operation, count, seed, limits):
    """Problems with numbers for extents and axes that the command line can say."""
    rng = random.Random(f"{seed} values {judge.name} {operation}")
    made = []
    while len(made) < count:
        problem = _MAKERS[operation](rng, judge, limits)
        if rng.random() < 0.1:
            _change(rng, problem, judge)
        if rng.random() < 0.06:
            _empty(rng, problem)
        if not _meant_for(judge, problem):
            continue
        if _sayable(problem) and _cost(problem) <= limits.work and _fits(problem, limits):
            made.append(problem)
    return made


def extent(rng, limits):
    kind = rng.random()
    if kind < 0.06:
        return 0
    if kind < 0.18:
        return 1
    if kind < 0.92:
        return rng.randint(2, 7)
    return rng.randint(8, limits.extent)


def _extents(rng, limits, count):
    return [extent(rng, limits) for _ in range(count)]


# --- one maker for each operation ----------------------------------------


def _batch_dot(rng, judge, limits):
    problem = {"operation": "batch_dot", "dialect": judge.dialect}
    if judge.dialect in FAMILY_A:
        lhs, rhs, axes = _product_of_last_two(rng, judge, limits)
    else:
        lhs, rhs, axes = _product_per_sample(rng, limits)
    problem["shapes"] = [lhs, rhs]
    if axes is not None:
        problem["axes"] = [[axis] for axis in axes] if judge.dialect == "keras-0.3" else axes
    return problem


def _product_of_last_two(rng, judge, limits):
    """Family A: leading dims, then a matrix product whose sides the axes choose."""
    unequal = judge.dialect not in ("keras-0.3", "keras-1.0", "keras-1.2") and rng.random() < 0.25
    if unequal:
        return _product_of_unequal_ranks(rng, limits)
    rank = rng.choice((2, 2, 3, 3, 3, 4, 4, 5, 6))
    lead = _extents(rng, limits, rank - 2)
    m, n, k = _extents(rng, limits, 3)
    if rank == 2 and judge.dialect not in ("keras-0.3", "keras-1.0"):
        axis = rng.choice((0, 1, 1, -1))
        other = rng.choice((axis, axis, 0, 1))
        # Unequal axes transpose lhs before the elementwise product.
        return [m, k], [m, k] if axis == other else [k, m], [axis, other]
    axes = [rng.choice((rank - 1, rng.randint(0, rank - 2))) for _ in range(2)]
    if rng.random() < 0.15:
        axes = None
    last = [True, False] if axes is None else [axis == rank - 1 for axis in axes]
    lhs = lead + ([m, k] if last[0] else [k, m])
    rhs = list(lead) + ([n, k] if last[1] else [k, n])
    if judge.dialect in ("keras-2.2-tf1.14", "tf.keras-1") and lead and rng.random() < 0.4:
        rng.choice((lhs, rhs))[rng.randrange(len(lead))] = 1
        if (
            rng.random() < 0.3
        ):  # a missing leading dim broadcasts only in tf.matmul, ranks are made equal here
            rng.choice((lhs, rhs))[0] = 1
    return lhs, rhs, axes


def _product_of_unequal_ranks(rng, limits):
    b, c, m, k = _extents(rng, limits, 4)
    choices = [
        ([b, m, k], [b, k], [2, 1]),
        ([b, k, m], [b, k], [1, 1]),
        ([b, k], [b, k, m], [1, 1]),
        ([b, k], [b, m, k], [1, 2]),
        ([b, c, k], [b, c, k, m], [rng.choice((1, 2)), 2]),
        ([b, c, k], [b, c, m, k], [2, 3]),
    ]
    return rng.choice(choices)


def _product_per_sample(rng, limits):
    """Family B: one batch axis, one contracted axis of each operand, all others stay."""
    ranks = [rng.choice((2, 3, 3, 3, 4, 4, 5, 6)) for _ in range(2)]
    b, k = _extents(rng, limits, 2)
    axes = [rng.randint(1, rank - 1) for rank in ranks]
    if rng.random() < 0.12:
        axes = [ranks[0] - 1, ranks[1] - 1 if ranks[1] == 2 else ranks[1] - 2]
        given = None
    elif axes[0] == axes[1] and rng.random() < 0.6:
        given = axes[0]
    else:
        given = [axis - rank if rng.random() < 0.2 else axis for axis, rank in zip(axes, ranks)]
    shapes = []
    for rank, axis in zip(ranks, axes):
        shape = [b, *_extents(rng, limits, rank - 1)]
        shape[axis] = k
        shapes.append(shape)
    return shapes[0], shapes[1], given


def _dot_layer(rng, judge, limits):
    if judge.dialect == "keras-0.3":
        return _merge_of_ranges(rng, judge, limits)
    while True:
        problem = _batch_dot(rng, judge, limits)
        axes = problem.get("axes")
        if axes is not None:
            break
    problem["operation"] = "dot_layer"
    lhs, rhs = problem["shapes"]
    pair = axes if isinstance(axes, list) else [axes, axes]
    if rng.random() < 0.8 and judge.dialect in FAMILY_A:
        # The layer's own check reads both axes in the plain way.
        for shape, axis in zip((lhs, rhs), pair):
            if axis < len(shape):
                shape[axis] = lhs[pair[0]] if pair[0] < len(lhs) else shape[axis]
    if isinstance(axes, list) and axes[0] == axes[1] and rng.random() < 0.5:
        problem["axes"] = axes[0]
    if rng.random() < 0.25 and judge.dialect != "keras-1.0" and judge.dialect != "keras-1.2":
        problem["normalize"] = True
    return problem


def _merge_of_ranges(rng, judge, limits):
    """The layer of Keras 0.3: of an int it makes two lists of axes, or it is given the lists."""
    rank = rng.choice((2, 3, 3, 3, 4, 4, 5))
    if rng.random() < 0.5:
        axes = rng.choice((-1, -1, 1, 1, -2, 2, rng.randint(-rank, rank)))
        if axes < 0:
            lists = [range(axes % rank, rank)] * 2
        else:
            lists = [range(rank - axes, rank), range(1, axes + 1)]
    else:
        count = min(rng.choice((1, 1, 1, 1, 2)), rank - 1)
        first = 0 if rng.random() < 0.1 else 1
        axes = [rng.sample(range(first, rank), count) for _ in range(2)]
        if rng.random() < 0.15:
            axes[0] = [axis - rank for axis in axes[0]]
        lists = axes
    # What its check, np.tensordot and the batched product want to be equal.
    pairs = [(axis, axis) for axis in range(rank - 2)]
    pairs += [(lhs % rank, rhs % rank) for lhs, rhs in zip(*lists)]
    pairs += [((lhs - 1) % (rank - 1) + 1, (rhs - 1) % (rank - 1) + 1) for lhs, rhs in zip(*lists)]
    pairs += [tuple(rank - 1 if rank - 1 in own[:1] else rank - 2 for own in lists)]
    shapes = [list(range(rank)), list(range(rank, 2 * rank))]  # first a number for each extent
    for lhs, rhs in pairs:
        kept, gone = shapes[0][lhs], shapes[1][rhs]
        shapes = [[kept if each == gone else each for each in shape] for shape in shapes]
    extents = _extents(rng, limits, 2 * rank)
    if rng.random() < 0.4:  # axes of 1 are what the reshape of the product may move
        extents[1:] = [1 if rng.random() < 0.6 else each for each in extents[1:]]
    problem = {"operation": "dot_layer", "dialect": judge.dialect}
    problem["shapes"] = [[extents[each] for each in shape] for shape in shapes]
    if axes != -1 or rng.random() < 0.7:
        problem["axes"] = axes
    if rng.random() < 0.03:
        problem["normalize"] = True
    return problem


def _dot(rng, judge, limits):
    if judge.dialect == "keras-0.3":  # matrices, and now and then what is none
        ranks = (2, 2, 2, 2, 2, 2, 2, 1, 3), (2, 2, 2, 2, 2, 2, 2, 1, 3)
    elif judge.dialect == "keras-3":
        ranks = (1, 2, 2, 3, 3, 4, 5), (2, 2, 3, 3, 4, 1)
    else:
        ranks = (2, 2, 3, 3, 4, 5), (2, 2, 3, 3, 4, 2)
    lhs, rhs = (_extents(rng, limits, rng.choice(own)) for own in ranks)
    rhs[-2 if len(rhs) > 1 else -1] = lhs[-1]
    return {"operation": "dot", "dialect": judge.dialect, "shapes": [lhs, rhs]}


def _matmul(rng, judge, limits):
    flags = {}
    if judge.name == "tensorflow":
        for side in ("lhs", "rhs"):
            if rng.random() < 0.4:
                flags[f"{rng.choice(('transpose', 'adjoint'))}_{side}"] = True
    smallest = 2 if judge.name == "tensorflow" else 1
    ranks = [rng.choice((smallest, 2, 2, 3, 3, 4, 5)) for _ in range(2)]
    m, n, k = _extents(rng, limits, 3)
    lead = _extents(rng, limits, max(max(ranks) - 2, 0))
    shapes = []
    for side, rank, matrix in zip(("lhs", "rhs"), ranks, ([m, k], [k, n])):
        if rank == 1:
            shapes.append([k])
            continue
        if any(name.endswith(side) for name in flags):
            matrix = matrix[::-1]
        own = lead[len(lead) - (rank - 2) :]
        shapes.append([1 if rng.random() < 0.2 else d for d in own] + matrix)
    return {"operation": "matmul", "shapes": shapes, **flags}


def _tensordot(rng, judge, limits):
    contracted = _extents(rng, limits, rng.choice((0, 1, 1, 1, 2, 2, 3)))
    shapes, places = [], []
    for _ in range(2):
        free = rng.randint(0, 3)
        rank = max(1, free + len(contracted))
        axes = rng.sample(range(rank), len(contracted))
        shape = _extents(rng, limits, rank)
        for axis, size in zip(axes, contracted):
            shape[axis] = size
        shapes.append(shape)
        places.append([axis - rank if rng.random() < 0.2 else axis for axis in axes])
    return {
        "operation": "tensordot",
        "shapes": shapes,
        "lhs_axes": places[0],
        "rhs_axes": places[1],
    }


def _dot_general(rng, judge, limits):
    batch = _extents(rng, limits, rng.choice((0, 1, 1, 2)))
    contracted = _extents(rng, limits, rng.choice((0, 1, 1, 2)))
    problem = {"operation": "dot_general", "shapes": []}
    for side in ("lhs", "rhs"):
        rank = max(1, len(batch) + len(contracted) + rng.randint(0, 2))
        places = rng.sample(range(rank), len(batch) + len(contracted))
        shape = _extents(rng, limits, rank)
        for axis, size in zip(places, batch + contracted):
            shape[axis] = size
        problem["shapes"].append(shape)
        problem[f"{side}_batch"] = places[: len(batch)]
        problem[f"{side}_contract"] = places[len(batch) :]
    return problem


def _einsum(rng, judge, limits):
    """Labels drawn from a small pool meet each other; some repeat, some are summed away."""
    pool = rng.sample(LABELS, rng.randint(2, 6))
    sizes = {label: extent(rng, limits) for label in pool}
    dots = _extents(rng, limits, rng.randint(1, 2)) if rng.random() < 0.25 else None
    terms, shapes = [], []
    for _ in range(rng.choice((1, 2, 2, 2, 3, 4))):
        labels = [rng.choice(pool) for _ in range(rng.randint(1, 4))]
        if rng.random() < 0.8:
            labels = list(dict.fromkeys(labels))
        shape = [sizes[label] for label in labels]
        if dots is not None and rng.random() < 0.8:
            place = rng.randint(0, len(labels))
            own = dots[len(dots) - rng.randint(0, len(dots)) :]
            labels.insert(place, "...")
            shape[place:place] = [1 if rng.random() < 0.2 else d for d in own]
        terms.append("".join(labels))
        shapes.append(shape)
    equation = ",".join(terms)
    if rng.random() < 0.8:
        present = list(dict.fromkeys(c for c in equation if c in LABELS))
        output = rng.sample(present, rng.randint(0, len(present)))
        if "..." in equation:
            output.insert(rng.randint(0, len(output)), "...")
        equation += "->" + "".join(output)
    return {"operation": "einsum", "equation": equation, "shapes": shapes}


_MAKERS = {
    "batch_dot": _batch_dot,
    "dot_layer": _dot_layer,
    "dot": _dot,
    "matmul": _matmul,
    "tensordot": _tensordot,
    "dot_general": _dot_general,
    "einsum": _einsum,
}


# --- what is done to a problem ----------------------------------------


def _forget_extents(rng, problem):
    """Turns some dims into unknown or named ones; often the same place of both operands."""
    style = rng.random()
    if style < 0.25:
        return
    if style < 0.55:  # as Keras users have it: only the batch is open
        for shape in problem["shapes"]:
            if shape and rng.random() < 0.85:
                shape[0] = rng.choice((None, None, "B"))
        return
    share = rng.choice((0.15, 0.4, 0.9))
    for shape in problem["shapes"]:
        for axis in range(len(shape)):
            if rng.random() < share:
                shape[axis] = rng.choice((None, None, rng.choice(NAMES)))


def _empty(rng, problem):
    """Every occurrence of some extents becomes 0: empty operands, mostly still fitting ones."""
    present = sorted({d for shape in problem["shapes"] for d in shape})
    chosen = rng.sample(present, min(len(present), rng.choice((1, 1, 2))))
    problem["shapes"] = [[0 if d in chosen else d for d in shape] for shape in problem["shapes"]]


def _change(rng, problem, judge):
    """One change at random, of which most make the problem wrong."""
    shapes = problem["shapes"]
    shape = rng.choice(shapes)
    keys = [
        key
        for key in problem
        if key.endswith(("axes", "_batch", "_contract")) and problem[key] is not None
    ]
    kind = rng.choice(
        ("extent", "extent", "insert", "drop", "swap operands", "swap axes", "axes", "axes", "form")
    )
    if kind == "extent" and shape:
        shape[rng.randrange(len(shape))] = rng.choice((0, 1, 2, 3, rng.randint(0, 9)))
    elif kind == "insert" and len(shape) < 6:
        shape.insert(rng.randint(0, len(shape)), rng.choice((1, 1, 2, 5)))
    elif kind == "drop" and len(shape) > 1:
        del shape[rng.randrange(len(shape))]
    elif kind == "swap operands":
        shapes.reverse()
    elif kind == "swap axes" and len(shape) > 1:
        i, j = rng.sample(range(len(shape)), 2)
        shape[i], shape[j] = shape[j], shape[i]
    elif kind == "axes" and keys:
        key = rng.choice(keys)
        problem[key] = _other_axes(rng, problem[key])
    elif kind == "form" and keys:
        key = rng.choice(keys)
        problem[key] = _other_form(rng, problem[key], key, problem)
    elif problem["operation"] == "einsum":
        problem["equation"] = _other_equation(rng, problem["equation"])


def _other_axes(rng, axes):
    if isinstance(axes, int):
        return rng.randint(-8, 8)
    axes = list(axes)
    if axes:
        place = rng.randrange(len(axes))
        other = rng.randint(-8, 8) if rng.random() < 0.3 else rng.randint(-3, 4)
        axes[place] = [other] if isinstance(axes[place], list) else other
    return axes


def _other_form(rng, axes, key, problem):
    if key != "axes":  # lists of axes: one more or one less
        return axes[:-1] if axes and rng.random() < 0.5 else [*axes, rng.randint(0, 3)]
    pair = axes if isinstance(axes, list) else [axes, axes]
    nested = [axis if isinstance(axis, list) else [axis] for axis in pair]
    plain = [axis[0] for axis in nested if axis] or [1]
    if problem["operation"] == "dot_layer":
        return rng.choice((plain[:1], [*plain, 1], nested, plain[0]))
    return rng.choice(
        (
            None,
            plain[0],
            plain,
            plain[:1],
            [*plain, rng.randint(0, 3)],
            [],
            nested,
            [plain[0], *nested[1:]],
            [*nested[:1], *plain[1:]],
            [[0, 1], [0, 1]],
        )
    )


def _other_equation(rng, equation):
    place = rng.randint(0, len(equation))
    kind = rng.random()
    if kind < 0.4 and equation:
        return equation[:place] + equation[place + 1 :]
    return (
        equation[:place]
        + rng.choice((rng.choice(LABELS), ",", ".", "->", "1", "..."))
        + equation[place:]
    )


# --- what a problem costs ----------------------------------------


def _known(shape):
    return [d for d in shape if isinstance(d, int)]


def _cost(problem):
    """An upper bound of the multiply-adds: as if nothing were shared but what the equation says."""
    if problem["operation"] == "einsum":
        sizes = {}
        for term, shape in zip(problem["equation"].split("->")[0].split(","), problem["shapes"]):
            labels = [c for c in term if c in LABELS]
            for label, size in zip(labels, _known(shape)):
                sizes[label] = max(sizes.get(label, 1), size)
            for size in _known(shape)[len(labels) :]:
                sizes[size, len(sizes)] = size
            sizes |= {(n, "..."): d for n, d in enumerate(_known(shape))} if "..." in term else {}
        return math.prod(sizes.values())
    lhs, rhs = (math.prod(_known(shape)) for shape in (problem["shapes"] * 2)[:2])
    return lhs * rhs


def _meant_for(judge, problem):
    """tf.matmul has no vectors, tf.einsum no implicit output with `...`: NumPy judges those."""
    if judge.name != "tensorflow":
        return True
    if problem["operation"] == "matmul":
        return all(len(shape) > 1 for shape in problem["shapes"])
    inputs, arrow, output = problem["equation"].partition("->")
    return bool(arrow) if "..." in inputs else "..." not in output


def _fits(problem, limits):
    return all(math.prod(_known(shape)) <= limits.numbers for shape in problem["shapes"])


def _sayable(problem):
    """Can the axes be typed? `--axes A` or `--axes A,B`; keras-0.3 reads a pair as nested lists."""
    axes = problem.get("axes")
    if axes is None or isinstance(axes, int):
        return problem["operation"] != "dot_layer" or axes is not None
    plain = all(isinstance(axis, int) for axis in axes)
    if problem.get("dialect") == "keras-0.3":
        return len(axes) == 2 and all(isinstance(axis, list) and len(axis) == 1 for axis in axes)
    return plain and len(axes) == 2
