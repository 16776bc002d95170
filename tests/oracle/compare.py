# SPDX-License-Identifier: Apache-2.0
"""What it means that a judge and batchdot agree, and which differences are meant.

An outcome is AGREE, REFUSED (both refuse), the name of a deliberate difference, or DISAGREE.
"""

import math

import numpy as np

AGREE, REFUSED, DISAGREE = "agree", "both refuse", "DISAGREE"

# Counted apart; docs/judges.md prints them.
DELIBERATE = {
    "einsum size 1": "NumPy broadcasts a size 1 of any label; batchdot, like TensorFlow, only under `...` (DIM).",
    "einsum diagonal of 0": "NumPy takes an extent of 0 on a diagonal for one that it has not met yet: `ii->i` of (0, 6)"
    " has 6 elements, which the operand does not have; batchdot refuses (DIM).",
    "einsum of nothing": "TensorFlow's einsum, when it computes, does not compare an extent of 0 with what it meets:"
    " `Vho,oe,hVz` of (3, 6, 0), (6, 6) and (6, 3, 5) has a result; batchdot refuses (DIM).",
    "promotion": "Keras 3, NumPy and JAX compute operands of different dtypes in a common one; batchdot refuses"
    " (DTYPE) unless `--dtype` names it.",
    "complex128 narrowed": "Keras 3 gives the product of complex128 back as complex64; batchdot keeps complex128.",
    "fails when run": "Accepted as a symbolic tensor, refused whenever it is computed: `K.dot` of a vector in"
    " Keras 1.0, `ops.dot` of two vectors of different sizes in Keras 3, an einsum of TensorFlow that meets an extent of"
    " 0 under `...` with an unknown one before it meets the one that does not fit. batchdot refuses at once.",
    "empty dot": "`K.dot` of Keras 1.0 and the layer of 0.3 reshape to (-1, ...); beside an extent of 0 TensorFlow leaves"
    " the first dim unknown and computes 0 or 1 for it; batchdot gives what is right, or refuses as later releases do"
    " (EMPTY_RESHAPE).",
    "reshaped product": "The layer of Keras 0.3 reshapes what the batched product gives to what np.tensordot would give,"
    " with the batch as what is left, and so mixes samples or axes where the two differ; batchdot refuses (NOT_IMPLEMENTED).",
    "out of memory": "NumPy computes to know a shape, and had no room for operands of 25 GiB; batchdot infers.",
    "axis below -rank": "An axis below -rank slips through the checks of Keras 2.2.5 and later and sometimes gives"
    " a meaningless result; batchdot refuses (AXIS_RANGE).",
}

UNIT = {
    "f32": 2.0**-24,
    "complex64": 2.0**-24,
    "f64": 2.0**-53,
    "complex128": 2.0**-53,
    "f16": 2.0**-24,
    "bf16": 2.0**-24,
}
# Rounding to a narrow result: unit and smallest subnormal.
NARROW = {"f16": (2.0**-11, 2.0**-24), "bf16": (2.0**-8, 2.0**-133)}
SMALLEST = {
    "f32": 2.0**-149,
    "complex64": 2.0**-149,
    "f16": 2.0**-149,
    "bf16": 4 * 2.0**-126,
    "f64": 5e-324,
    "complex128": 5e-324,
}
RESULT_DTYPE = {
    "f32": "<f4",
    "f64": "<f8",
    "complex64": "<c8",
    "complex128": "<c16",
    "f16": "<f2",
    "bf16": "|V2",
    "i8": "<i4",
    "i32": "<i4",
    "i64": "<i8",
}


def unnamed(shape):
    return [None if isinstance(d, str) else d for d in shape]


def shapes(problem, theirs, ours):
    """Outcome for one problem of `shape --lines`. To a judge a named dim is an unknown one."""
    if "broken" in theirs:
        return DISAGREE
    refused = "refused" in theirs, "error" in ours
    if all(refused):
        return REFUSED
    if not any(refused):
        reported = theirs.get("reported_shape")
        reports_same = reported is None or reported == unnamed(ours["reported_shape"])
        same = reports_same and theirs["shape"] == unnamed(ours["shape"])
        if not same and _empty_dot(problem, theirs["shape"], unnamed(ours["shape"])):
            return "empty dot" if reports_same else DISAGREE
        return AGREE if same else DISAGREE
    if theirs.get("refused", "").startswith("MemoryError"):
        return "out of memory"
    return deliberate(problem, ours, theirs.get("shape")) or DISAGREE


def deliberate(problem, ours, their_shape):
    """The deliberate difference that a refusal of ours alone may be."""
    code = ours.get("error", {}).get("code")
    if code == "DIM" and problem["operation"] == "einsum":
        if _a_label_has_size_1(problem):
            return "einsum size 1"
        if _a_diagonal_begins_with_0(problem):
            return "einsum diagonal of 0"
        if len(problem["shapes"]) > 2 and 0 in (ours["error"].get("extent"), ours["error"].get("other_extent")):
            return "einsum of nothing"
    if code == "BROADCAST" and problem["operation"] == "einsum" and len(problem["shapes"]) > 2:
        is_open = any(not isinstance(dim, int) for shape in problem["shapes"] for dim in shape)
        if is_open and 0 in (ours["error"].get("extent"), ours["error"].get("other_extent")):
            return "fails when run"
    if code == "AXIS_RANGE" and _below_rank(problem):
        return "axis below -rank"
    if problem["operation"] == "dot" and code in ("RANK", "DIM"):
        ranks = [len(shape) for shape in problem["shapes"]]
        if (problem["dialect"], code) == ("keras-1.0", "RANK") and ranks[0] == 1 and ranks[1] > 2:
            return "fails when run"
        if (problem["dialect"], code) == ("keras-3", "DIM") and ranks == [1, 1]:
            return "fails when run"
    is_old_dot = (problem["operation"], problem.get("dialect")) == ("dot", "keras-1.0")
    if code == "EMPTY_RESHAPE" and is_old_dot and problem["shapes"][0][0] == 0:
        return "empty dot"
    is_old_layer = (problem["operation"], problem.get("dialect")) == ("dot_layer", "keras-0.3")
    if code == "NOT_IMPLEMENTED" and is_old_layer and _is_reshaped(problem, their_shape):
        return "reshaped product"
    return None


def _empty_dot(problem, theirs, ours):
    return (
        (problem["operation"], problem.get("dialect"))
        in (("dot", "keras-1.0"), ("dot_layer", "keras-0.3"))
        and any(0 in shape for shape in problem["shapes"])
        and [*theirs] == [None, *ours[1:]]
    )


def _is_reshaped(problem, reshaped):
    """Does the layer of Keras 0.3 do more to its product than put in or leave out axes of 1?"""
    lhs, rhs = problem["shapes"]
    axes = problem.get("axes")
    axes = -1 if axes is None else axes
    if isinstance(axes, list):
        first = axes[0][0], axes[1][0]  # which choose the product
    else:
        first = (axes % len(lhs), axes % len(rhs)) if axes < 0 else (len(lhs) - axes, 1)
    sides = [
        shape[-2 if axis == len(shape) - 1 else -1] for shape, axis in zip(problem["shapes"], first)
    ]
    product = [*lhs[:-2], *sides]
    return [d for d in product[1:] if d != 1] != [d for d in reshaped[1:] if d != 1]


def _below_rank(problem):
    axes = problem.get("axes")
    axes = axes if isinstance(axes, list) else [axes, axes]
    return any(
        isinstance(axis, int) and axis < -len(shape) for axis, shape in zip(axes, problem["shapes"])
    )


def _extents(problem):
    """For each operand of an einsum its labels with their extents, those under `...` left out."""
    for term, shape in zip(problem["equation"].split("->")[0].split(","), problem["shapes"]):
        head, _, tail = term.partition("...")
        tail_extents = shape[len(shape) - len(tail) :] if tail else []
        yield [*zip(head, shape), *zip(tail, tail_extents)]


def _a_label_has_size_1(problem):
    """Does some label stand for 1 in one place and another size elsewhere?"""
    sizes = {}
    for operand in _extents(problem):
        for label, size in operand:
            sizes.setdefault(label, set()).add(size)
    return any(1 in found and len(found) == 2 for found in sizes.values())


def _a_diagonal_begins_with_0(problem):
    """Does a label stand twice on an operand, for 0 first and then for something else?"""
    for operand in _extents(problem):
        first = {}
        for label, size in operand:
            if first.setdefault(label, size) == 0 != size:
                return True
    return False


def _is_copy(problem):
    """Does an einsum move its one operand, and neither multiply nor sum?"""
    equation = problem.get("equation", ",")
    term, arrow, output = equation.partition("->")
    labels = term.replace("...", "")
    kept = output if arrow else [label for label in labels if labels.count(label) == 1]
    return "," not in term and all(label in kept for label in labels)


def values(problem, dtypes, theirs, ours):
    """Outcome and, for a disagreement, what differs.

    theirs: {"refused"} or arrays value, exact, magnitude, terms.  ours: {"error"} or {"array"}.
    """
    refused = "refused" in theirs, "error" in ours
    if all(refused):
        return REFUSED, ""
    if "error" in ours:
        if ours["error"].get("code") == "DTYPE" and len(set(dtypes)) > 1:
            return "promotion", ""
        shape = theirs["exact"].shape if "exact" in theirs else None
        return deliberate(problem, ours, shape) or DISAGREE, "batchdot refuses"
    if "broken" in theirs or refused[0]:
        return DISAGREE, "the judge refuses"
    dtype, array, exact = dtypes[0], ours["array"], theirs["exact"]
    expected = "|i1" if dtype == "i8" and _is_copy(problem) else RESULT_DTYPE[dtype]
    if array.dtype != np.dtype(expected):
        return DISAGREE, f"dtype {array.dtype}, expected {expected}"
    if array.shape != exact.shape:
        if array.size == 0 and _empty_dot(problem, [None, *exact.shape[1:]], array.shape):
            return "empty dot", ""
        return DISAGREE, f"shape {array.shape}, the judge's is {exact.shape}"
    if dtype in ("i8", "i32", "i64"):
        wrong = np.flatnonzero(array != exact.astype(array.dtype))  # modulo 2^n
        return (DISAGREE, f"{wrong.size} numbers differ") if wrong.size else (AGREE, "")
    found = _bf16(array) if dtype == "bf16" else array
    worst = _excess(found, exact, bound(problem, dtype, theirs))
    if worst > 1:
        return DISAGREE, f"error is {worst:.3g} times the bound"
    if theirs["value"].dtype == np.complex64 and dtype == "complex128":
        return "complex128 narrowed", ""
    if _excess(theirs["value"], exact, _their_bound(dtype, theirs)) > 1:
        return DISAGREE, "the judge's own value is out of its bound"
    return AGREE, ""


def _excess(found, exact, allowed):
    """Largest error in units of what is allowed; NaN and infinity must match."""
    found = found.astype(exact.dtype)
    finite = np.isfinite(exact)
    if not np.array_equal(finite, np.isfinite(found)):
        return math.inf
    error = np.abs(np.where(finite, found, 0) - np.where(finite, exact, 0))
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.where(error == 0, 0, error / allowed)
    return float(np.max(ratio, initial=0))


def bound(problem, dtype, theirs):
    """docs/numerics.md section 4, for every element, plus what the judge's `exact` may be wrong by."""
    magnitude, terms = np.abs(theirs["magnitude"]), np.maximum(theirs["terms"].real, 0)
    n = np.minimum(terms, 128) + np.ceil(terms / 128)
    if dtype.startswith("complex"):
        n, terms = 2 * n, 2 * terms
    operands = len(problem["shapes"])
    if problem["operation"] == "einsum":
        n = n * (
            2 * operands - 1
        )  # every step of a path and every sum before a product has its own
    if problem.get("normalize"):
        n = n + 2 * terms + 8  # two norms and two divisions
    u = UNIT[dtype]
    allowed = n * u / (1 - n * u) * magnitude + terms * SMALLEST[dtype] / 2
    if dtype in NARROW:
        unit, smallest = NARROW[dtype]
        allowed = allowed + unit * (np.abs(theirs["exact"]) + allowed) + smallest / 2
    return allowed + _exact_error(theirs)


def _exact_error(theirs):
    """A generous bound of the judge's double precision: any order, every rounding, twice."""
    return 4 * (np.maximum(theirs["terms"].real, 0) + 8) * 2.0**-53 * np.abs(theirs["magnitude"])


def _their_bound(dtype, theirs):
    if dtype in NARROW:
        return np.inf  # not asked: `value` is `exact` then
    u, terms = UNIT[dtype], np.maximum(theirs["terms"].real, 0)
    return (
        8 * (terms + 8) * u * np.abs(theirs["magnitude"])
        + (terms + 1) * SMALLEST[dtype]
        + _exact_error(theirs)
    )


def _bf16(array):
    return (array.view(np.uint16).astype(np.uint32) << 16).view(np.float32)
