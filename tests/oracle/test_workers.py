# SPDX-License-Identifier: Apache-2.0
"""Do the judges say what docs/semantics.md says? If not, a shim is wrong.

Each row: judges, operation, shapes, options, and the answer: a shape, `refused`, or what
the layer computes and reports.
"""

import argparse
import json
import pathlib
import sys
import tempfile

import environments
import releases
import workers

N = None
OLD = [
    "keras-0.3",
    "keras-1.0",
    "keras-1.2",
    "keras-2.0",
    "keras-2.1.5",
    "keras-2.1.6",
    "keras-2.2",
]
A = [*OLD[1:], "keras-2.2-tf1.14", "tf.keras-1"]
B = ["keras-2.2.5", "keras-2.3", "tf.keras-2", "keras-3"]
REFUSED = "refused"
Q, BQ = [N, 36, 8, 24], [36, 8, 24]


def both(shape):
    return {"shape": shape, "reported_shape": shape}


SHAPES = [
    # The question that started it, placeholders and fixed sizes.
    (A, "batch_dot", [Q, Q], {"axes": [1, 1]}, [N, 36, 24, 24]),
    (A, "batch_dot", [Q, Q], {"axes": [2, 2]}, [N, 36, 24, 24]),
    (A, "batch_dot", [Q, Q], {"axes": [3, 3]}, [N, 36, 8, 8]),
    (A, "batch_dot", [Q, Q], {"axes": 0}, [N, 36, 24, 24]),
    (["keras-0.3"], "batch_dot", [Q, Q], {"axes": [[2], [2]]}, [N, 36, 24, 24]),
    (["keras-0.3"], "batch_dot", [Q, Q], {"axes": [[3], [3]]}, [N, 36, 8, 8]),
    (["keras-0.3"], "batch_dot", [Q, Q], {"axes": [2, 2]}, REFUSED),
    (B, "batch_dot", [Q, Q], {"axes": [1, 1]}, [N, 8, 24, 8, 24]),
    (B, "batch_dot", [Q, Q], {"axes": [2, 2]}, [N, 36, 24, 36, 24]),
    (B, "batch_dot", [Q, Q], {"axes": [3, 3]}, [N, 36, 8, 36, 8]),
    (B, "batch_dot", [Q, Q], {"axes": 0}, REFUSED),
    (A + B, "batch_dot", [BQ, BQ], {"axes": 1}, [36, 24, 24]),
    (A + B, "batch_dot", [BQ, BQ], {"axes": 2}, [36, 8, 8]),
    (A, "batch_dot", [BQ, BQ], {"axes": 3}, [36, 24, 24]),
    (B, "batch_dot", [BQ, BQ], {"axes": 3}, REFUSED),
    # Unequal ranks.
    (["keras-1.0", "keras-1.2"], "batch_dot", [[5, 7, 3], [5, 3]], {"axes": [2, 1]}, REFUSED),
    (A[2:], "batch_dot", [[5, 7, 3], [5, 3]], {"axes": [2, 1]}, [5, 7]),
    (A[2:] + B, "batch_dot", [[5, 3, 7], [5, 3]], {"axes": [1, 1]}, [5, 7]),
    (A[2:] + B, "batch_dot", [[5, 3], [5, 3, 7]], {"axes": [1, 1]}, [5, 7]),
    (A[2:] + B, "batch_dot", [[5, 3], [5, 7, 3]], {"axes": [1, 2]}, [5, 7]),
    (A[2:], "batch_dot", [[2, 3, 4], [2, 3, 4, 5]], {"axes": [1, 2]}, [2, 3, 5]),
    (A[2:], "batch_dot", [[2, 3, 4], [2, 3, 5, 4]], {"axes": [2, 3]}, [2, 3, 5]),
    (A[2:], "batch_dot", [[2, 3, 4, 5], [2, 3, 4]], {"axes": [2, 2]}, REFUSED),
    (A[2:], "batch_dot", [[2, 3, 4, 5], [2, 3]], {"axes": [1, 1]}, REFUSED),
    # Rank 2 by release.
    (["keras-1.0"], "batch_dot", [[4, 3], [4, 3]], {"axes": 1}, [4, 4]),
    (A[1:] + B, "batch_dot", [[4, 3], [4, 3]], {"axes": 1}, [4, 1]),
    (A[1:], "batch_dot", [[4, 3], [4, 3]], {"axes": 0}, [3, 1]),
    (["keras-1.2", "keras-2.0", "keras-2.1.5"], "batch_dot", [[4, 3], [4, 3]], {}, REFUSED),
    (["keras-2.1.6", "keras-2.2", "tf.keras-1"], "batch_dot", [[4, 3], [3, 4]], {}, [4, 1]),
    (B, "batch_dot", [[4, 3], [4, 3]], {}, [4, 1]),
    (["keras-2.1.6", "tf.keras-1"], "batch_dot", [[4, 3], [4, 3]], {"axes": [[0, 1], [0, 1]]}, []),
    # Nested axes, lengths, negative axes.
    (
        ["keras-2.0", "keras-2.1.6", "tf.keras-1"],
        "batch_dot",
        [[2, 3, 4], [2, 3, 5]],
        {"axes": [[2], [2]]},
        [2, 4, 5],
    ),
    (["keras-2.2", *B], "batch_dot", [[2, 3, 4], [2, 3, 5]], {"axes": [[1], [1]]}, REFUSED),
    (A, "batch_dot", [[2, 3, 4], [2, 3, 5]], {"axes": [1, 1, 7]}, [2, 4, 5]),
    (B, "batch_dot", [[2, 3, 4], [2, 3, 5]], {"axes": [1, 1, 7]}, REFUSED),
    (A + B, "batch_dot", [[2, 3, 4], [2, 3, 5]], {"axes": [1]}, REFUSED),
    (A, "batch_dot", [[2, 3, 4], [2, 3, 5]], {"axes": -1}, [2, 4, 5]),
    (B, "batch_dot", [[2, 3, 4], [2, 5, 4]], {"axes": -1}, [2, 3, 5]),
    (A, "batch_dot", [[2, 3, 4], [2, 3, 5]], {"axes": [-7, 9]}, [2, 4, 5]),
    # Leading dims: merged before TensorFlow 1.14, broadcast from then on.
    (A[:-2], "batch_dot", [[1, 3, 4], [2, 4, 5]], {"axes": [2, 1]}, REFUSED),
    (A[-2:], "batch_dot", [[1, 3, 4], [2, 4, 5]], {"axes": [2, 1]}, [2, 3, 5]),
    (A[-2:], "batch_dot", [[1, 2, 1], [1, 2, 1, 16]], {"axes": [2, 2]}, [1, 2, 16]),
    (A[:-2], "batch_dot", [[N, 3, 4], [1, 4, 5]], {"axes": [2, 1]}, [1, 3, 5]),
    (A[-2:], "batch_dot", [[N, 3, 4], [1, 4, 5]], {"axes": [2, 1]}, [N, 3, 5]),
    (A[-2:], "batch_dot", [[N, 3, 4], [0, 4, 5]], {"axes": [2, 1]}, [N, 3, 5]),
    (A[-2:], "batch_dot", [[N, 3, 4], [2, 4, 5]], {"axes": [2, 1]}, [2, 3, 5]),
    (B, "batch_dot", [[1, 3, 4], [2, 4, 5]], {"axes": [2, 1]}, REFUSED),
    (B, "batch_dot", [[N, 3, 4], [1, 4, 5]], {"axes": [2, 1]}, [N, 3, 5]),
    (["keras-2.3", "tf.keras-2"], "batch_dot", [[N, 3, 4], [0, 4, 5]], {"axes": [2, 1]}, [N, 3, 5]),
    (["keras-3"], "batch_dot", [[N, 3, 4], [0, 4, 5]], {"axes": [2, 1]}, [0, 3, 5]),
    (B, "batch_dot", [[N, N, N], [N, N, N]], {"axes": [2, 1]}, [N, N, N]),
    (["keras-2.3"], "batch_dot", [[N, 3, N, 5], [N, 5, 6, N]], {"axes": [3, 1]}, [N, 3, N, 6, N]),
    # The layer: computed and reported.
    (
        ["keras-2.0", "keras-2.2"],
        "dot_layer",
        [Q, Q],
        {"axes": 2},
        {"shape": [N, 36, 24, 24], "reported_shape": [N, 36, 24, 36, 24]},
    ),
    (
        ["keras-2.3", "tf.keras-2", "keras-3"],
        "dot_layer",
        [Q, Q],
        {"axes": 2},
        {"shape": [N, 36, 24, 36, 24], "reported_shape": [N, 36, 24, 36, 24]},
    ),
    (
        ["tf.keras-1"],
        "dot_layer",
        [Q, Q],
        {"axes": 2},
        {"shape": [N, 36, 24, 24], "reported_shape": [N, 36, 24, 24]},
    ),
    (
        A[2:] + B,
        "dot_layer",
        [[4, 5], [4, 5]],
        {"axes": -1},
        {"shape": [4, 1], "reported_shape": [4, 1]},
    ),
    (A[2:], "dot_layer", [[7, 2, 3], [7, 4, 3]], {"axes": 0}, REFUSED),
    (
        ["keras-2.0", "keras-2.2"],
        "dot_layer",
        [[7, 2, 3], [7, 2, 3]],
        {"axes": 0},
        {"shape": [7, 3, 3], "reported_shape": [2, 3, 3]},
    ),
    (
        ["keras-3"],
        "dot_layer",
        [[N, 36, 8, 24]] * 2,
        {"axes": 0},
        {"refused": True, "reported_shape": [36, 8, 24, 8, 24]},
    ),
    (["keras-2.2", *B], "dot_layer", [[N, 6], [N, N]], {"axes": 1}, REFUSED),
    (["keras-2.2", *B], "dot_layer", [[N, 6, 2], [N, 6, 2]], {"axes": 3}, REFUSED),
    (
        ["tf.keras-2"],
        "dot_layer",
        [[N, 2, 2, 4], [2, 3, 2, 1]],
        {"axes": 2},
        {"shape": [2, 2, 4, 3, 1], "reported_shape": [2, 2, 4, 3, 1]},
    ),
    (
        ["keras-1.2"],
        "dot_layer",
        [Q, Q],
        {"axes": 2},
        {"shape": [N, 36, 24, 24], "reported_shape": [N, 36, 24, 24]},
    ),
    (
        ["keras-1.0"],
        "dot_layer",
        [[N, 3, 4], [N, 3, 5]],
        {"axes": [1, 1]},
        {"shape": [N, 4, 5], "reported_shape": [N, 4, 5]},
    ),
    # The layer of 0.3 makes ranges of an int and reshapes to what np.tensordot says.
    (["keras-0.3"], "dot_layer", [[N, 5, 3], [N, 4, 3]], {}, both([N, 5, 4])),
    (["keras-0.3"], "dot_layer", [[N, 5, 3], [N, 3, 4]], {"axes": 1}, both([N, 5, 4])),
    (["keras-0.3"], "dot_layer", [BQ, BQ], {"axes": [[2], [2]]}, both([36, 8, 8])),
    (["keras-0.3"], "dot_layer", [BQ, BQ], {"axes": [2, 2]}, REFUSED),
    (["keras-0.3"], "dot_layer", [Q, Q], {"axes": -1}, both([N, 36, 8, 36, 8])),
    (["keras-0.3"], "dot_layer", [Q, Q], {"axes": -2}, both([N, 36, 36])),
    (
        ["keras-0.3"],
        "dot_layer",
        [BQ, BQ],
        {"axes": 2},
        {"shape": [36 * 24 * 24, 1], "reported_shape": [36, 1]},
    ),
    (
        ["keras-0.3"],
        "dot_layer",
        [[4, 2, 3, 5]] * 2,
        {"axes": [[3], [3]]},
        {"shape": [2, 2, 3, 2, 3], "reported_shape": [4, 2, 3, 2, 3]},
    ),
    (
        ["keras-0.3"],
        "dot_layer",
        [[5, 0, 4]] * 2,
        {},
        {"shape": [N, 0, 0], "reported_shape": [5, 0, 0]},
    ),
    (["keras-0.3"], "dot_layer", [[5, N, 3], [5, 4, 3]], {"axes": -1}, REFUSED),
    (["keras-0.3"], "dot_layer", [[4, 1], [4, 1]], {"axes": -2}, REFUSED),  # the axes 0 and 1
    (["keras-0.3"], "dot_layer", [[4, 3], [4, 1]], {"axes": [[0], [0]]}, REFUSED),
    (["keras-0.3"], "dot_layer", [[4, 5], [4, 5]], {"axes": 1, "normalize": True}, REFUSED),
    (
        ["keras-0.3"],
        "dot_layer",
        [[4, 5], [4, 5]],
        {"axes": [[1], [1]], "normalize": True},
        REFUSED,
    ),
    # K.dot.
    (["keras-0.3", *A, *B], "dot", [[4, 2], [2, 4]], {}, [4, 4]),
    (["keras-0.3"], "dot", [[4, 3], [5, 3, 2]], {}, REFUSED),
    (["keras-0.3"], "dot", [[5, 4, 3], [5, 3, 2]], {}, REFUSED),
    (["keras-0.3"], "dot", [[3], [3, 4]], {}, REFUSED),
    (A + B, "dot", [[4, 3], [5, 3, 2]], {}, [4, 5, 2]),
    (A + B, "dot", [[2, 3], [4, 3, 5]], {}, [2, 4, 5]),
    (A + B, "dot", [[32, 28, 3], [3, 4]], {}, [32, 28, 4]),
    (["keras-2.2", "tf.keras-2"], "dot", [[3], [2, 3, 4]], {}, [2, 4]),
    (["keras-2.2", "tf.keras-2"], "dot", [[2, 4, 3], [3]], {}, REFUSED),
    (["keras-3"], "dot", [[2, 4, 3], [3]], {}, [2, 4]),
    (["keras-1.0"], "dot", [[2, N, 3], [3, 4]], {}, REFUSED),
    (["keras-2.2"], "dot", [[2, N, 3], [3, 4]], {}, [2, N, 4]),
    # Neighbours.
    (["numpy"], "matmul", [[3], [5, 3, 2]], {}, [5, 2]),
    (["numpy"], "einsum", [[2, 3], [3, 4]], {"equation": "ij,jk"}, [2, 4]),
    (["numpy"], "einsum", [[2, 1], [3, 4]], {"equation": "ij,jk->ik"}, [2, 4]),
    (["tensorflow"], "einsum", [[2, 1], [3, 4]], {"equation": "ij,jk->ik"}, REFUSED),
    (["tensorflow"], "einsum", [[N, 2, N], [4, 3, N]], {"equation": "bij,bjk->bik"}, [4, 2, N]),
    (["tensorflow"], "matmul", [[N, 3, 4], [3, N, 4, 5]], {}, [3, N, 3, 5]),
    (["tensorflow"], "matmul", [[4, 3], [4, 5]], {"adjoint_lhs": True}, [3, 5]),
    (["numpy"], "tensordot", [[2, 3], [3, 4]], {"lhs_axes": [1], "rhs_axes": [0]}, [2, 4]),
    (["numpy"], "tensordot", [[2, 1], [3, 4]], {"lhs_axes": [1], "rhs_axes": [0]}, REFUSED),
    (
        ["jax"],
        "dot_general",
        [[7, 2, 3], [7, 3, 4]],
        {"lhs_batch": [0], "rhs_batch": [0], "lhs_contract": [2], "rhs_contract": [1]},
        [7, 2, 4],
    ),
    (
        ["jax"],
        "dot_general",
        [[7, 2, 3], [7, 3, 4]],
        {"lhs_contract": [-1], "rhs_contract": [1]},
        REFUSED,
    ),
]

M1, M2 = [[[1, 2], [3, 4]]], [[[5, 6], [7, 8]]]
L1, L2 = [[[1, 2, 3], [3, 2, 1]]], [[[1, 3, 3], [2, 2, 0]]]
VALUES = [
    (A + B, "batch_dot", [M1, M2], {"axes": [2, 1]}, [[[19, 22], [43, 50]]]),
    (A + B, "batch_dot", [M1, M2], {"axes": [2, 2]}, [[[17, 23], [39, 53]]]),
    (A + B, "batch_dot", [M1, M2], {"axes": [1, 1]}, [[[26, 30], [38, 44]]]),
    (A + B, "batch_dot", [M1, M2], {"axes": [1, 2]}, [[[23, 31], [34, 46]]]),
    (A, "batch_dot", [M1, M2], {"axes": -1}, [[[26, 30], [38, 44]]]),
    (B, "batch_dot", [M1, M2], {"axes": -1}, [[[17, 23], [39, 53]]]),
    (A + B, "batch_dot", [M1, M2], {}, [[[19, 22], [43, 50]]]),
    (A, "batch_dot", [L1, L2], {"axes": 0}, [[[7, 9, 3], [6, 10, 6], [5, 11, 9]]]),
    (A + B, "batch_dot", [L1, L2], {"axes": 1}, [[[7, 9, 3], [6, 10, 6], [5, 11, 9]]]),
    (A + B, "batch_dot", [L1, L2], {"axes": 2}, [[[16, 6], [12, 10]]]),
    (A, "batch_dot", [[[[1j, 2]]], [[[1j, 2]]]], {"axes": 2}, [[[5 + 0j]]]),
    (B, "batch_dot", [[[[1j, 2]]], [[[1j, 2]]]], {"axes": 2}, [[[3 + 0j]]]),
    (["keras-0.3"], "dot_layer", [M1, M2], {"axes": 1}, [[[19, 22], [43, 50]]]),
    (["keras-0.3"], "dot_layer", [M1, M2], {"axes": [[2], [2]]}, [[[17, 23], [39, 53]]]),
    (["keras-0.3"], "dot_layer", [[[1], [2]]] * 2, {}, [[1], [2], [2], [4]]),  # samples mixed
    (["keras-0.3"], "dot", [M1[0], M2[0]], {}, [[19, 22], [43, 50]]),
    (
        A[2:-1] + ["tf.keras-2"],
        "dot_layer",
        [[[1e-7, 0]], [[1, 0]]],
        {"axes": 1, "normalize": True},
        [[0.1]],
    ),
    (["keras-3"], "dot_layer", [[[1e-7, 0]], [[1, 0]]], {"axes": 1, "normalize": True}, [[1.0]]),
]


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("judges", nargs="*", help="names of judges; all if none")
    names = parser.parse_args().judges or list(releases.BY_NAME)
    wrong = skipped = 0
    for name in names:
        rows = [row for row in SHAPES if name in row[0]]
        values = [row for row in VALUES if name in row[0]]
        try:
            with workers.Worker(name) as worker:
                failures = check(worker, rows, values)
        except environments.Unavailable as error:
            skipped += len(rows) + len(values)
            print(f"SKIPPED {name}: {len(rows) + len(values)} rows: {error}")
            continue
        wrong += len(failures)
        print(f"{name}: {len(rows) + len(values)} rows, {len(failures)} wrong")
        print(*failures, sep="\n", end="\n" if failures else "")
    if skipped:
        print(f"SKIPPED {skipped} rows in all")
    return 1 if wrong else 0


def check(worker, rows, values):
    failures = []
    requests = [
        {"problem": {"operation": op, "shapes": shapes, **options}}
        for _, op, shapes, options, _ in rows
    ]
    for request, answer, row in zip(requests, worker.ask(requests), rows):
        if not as_expected(answer, row[4]):
            failures.append(f"  {json.dumps(request['problem'])}: {answer}, expected {row[4]}")
    for _, op, operands, options, expected in values:
        found = value_of(worker, op, operands, options)
        if found != expected:
            failures.append(f"  {op} {operands} {options}: {found}, expected {expected}")
    return failures


def as_expected(answer, expected):
    if expected == REFUSED:
        return "refused" in answer
    if isinstance(expected, list):
        return answer.get("shape") == expected
    return all(
        bool(answer.get(k)) if v is True else answer.get(k) == v for k, v in expected.items()
    )


def value_of(worker, operation, operands, options):
    import numpy as np

    with tempfile.TemporaryDirectory() as folder:
        files = []
        for number, operand in enumerate(operands):
            array = np.asarray(operand)
            files.append(f"{folder}/{number}.npy")
            np.save(
                files[-1], array.astype(np.complex64 if array.dtype.kind == "c" else np.float32)
            )
        dtype = "complex64" if array.dtype.kind == "c" else "f32"
        problem = {
            "operation": operation,
            "shapes": [list(np.shape(o)) for o in operands],
            **options,
        }
        output = str(pathlib.Path(folder) / "out.npz")
        [answer] = worker.ask(
            [{"problem": problem, "files": files, "dtype": dtype, "output": output}]
        )
        if "shape" not in answer:
            return answer
        with np.load(output) as results:
            return np.round(
                results["value"].astype(np.complex128 if dtype[0] == "c" else np.float64), 6
            ).tolist()


if __name__ == "__main__":
    sys.exit(main())
