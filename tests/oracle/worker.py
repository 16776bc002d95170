# SPDX-License-Identifier: Apache-2.0
"""One judge as a process: requests as JSON lines on stdin, answers as JSON lines on stdout.

    {"id": 1, "problem": {...}}  -> {"id": 1, "shape": [...]}
    {"id": 2, "problem": {...}, "files": [...], "dtype": "f32", "output": PATH}  -> the same
                                        a refusal: {"id": 3, "refused": "ValueError: text"}

A problem has the form of `batchdot shape --lines`; named dims are unknown ones to a judge. PATH
gets, as one .npz, `value` (as the package gives it for these files) and, from the package's own run
on widened copies, what a bound needs: `exact`, `magnitude` (sum of |a||b|) and `terms` (how many were summed).
"""

import json
import os
import sys

import numpy as np

import judge_eager
from releases import BY_NAME

# Errors that a package does not use to refuse a problem: they mean that a shim is wrong.
BROKEN = (AssertionError, AttributeError, ImportError, NameError)

# Element types whose product is asked of the package itself; the others only widened.
NATIVE = ("f32", "f64", "complex64", "complex128", "i32", "i64")


def make(judge):
    if judge.environment == "numpy":
        return judge_eager.NumPy(judge)
    if judge.environment == "jax":
        return judge_eager.Jax(judge)
    if judge.name == "keras-3":
        return judge_eager.Keras3(judge)
    import judge_graph

    kinds = {
        "tf.keras-1": judge_graph.TensorFlow115,
        "tf.keras-2": judge_graph.TfKeras,
        "tensorflow": judge_graph.TensorFlowNow,
    }
    return kinds.get(judge.name, judge_graph.OldKeras)(judge)


def answer(package, request):
    try:
        if "files" not in request:
            return package.shape(unnamed(request["problem"]))
        return values(package, request)
    except BROKEN as error:
        return {"broken": f"{type(error).__name__}: {error}"}
    except Exception as error:  # noqa: BLE001  any refusal of theirs is an answer
        return {
            "refused": f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}"
        }


def unnamed(problem):
    shapes = [[None if isinstance(d, str) else d for d in shape] for shape in problem["shapes"]]
    return {**problem, "shapes": shapes}


def values(package, request):
    problem = request["problem"]
    arrays = [load(path) for path in request["files"]]
    wide = [widened(array) for array in arrays]
    exact = package.value(problem, wide)
    if np.iscomplexobj(wide[0]) and exact.dtype == np.complex64:
        exact = complex_by_parts(package, problem, wide)
    # In complex arithmetic |a||b| and the count come from real copies.
    magnitude = package.value(problem, [np.abs(array).astype(np.float64) for array in wide])
    plain = {key: v for key, v in problem.items() if key != "normalize"}
    terms = package.value(plain, [np.ones(array.shape) for array in wide])
    value = package.value(problem, arrays) if request["dtype"] in NATIVE else exact
    np.savez(request["output"], value=value, exact=exact, magnitude=magnitude, terms=terms)
    return {"shape": list(exact.shape)}


def complex_by_parts(package, problem, wide):
    """Four products of real parts: Keras 3 gives complex128 back as complex64."""
    (a, b), part = wide, lambda x, y: package.value(problem, [x.copy(), y.copy()])
    real = part(a.real, b.real) - part(a.imag, b.imag)
    return real + 1j * (part(a.real, b.imag) + part(a.imag, b.real))


def load(path):
    array = np.load(path)
    if array.dtype == np.dtype("V2"):  # bf16: the upper half of a float32
        return (array.view(np.uint16).astype(np.uint32) << 16).view(np.float32)
    return array


def widened(array):
    kinds = {"c": np.complex128, "i": np.int64, "f": np.float64}
    return array.astype(kinds[array.dtype.kind])


def main(name):
    answers, sys.stdout = sys.stdout, sys.stderr  # packages print where they like
    os.environ |= {
        "TF_CPP_MIN_LOG_LEVEL": "3",
        "KERAS_BACKEND": "tensorflow",
        "CUDA_VISIBLE_DEVICES": "",
        "TF_ENABLE_ONEDNN_OPTS": "0",
        "JAX_PLATFORMS": "cpu",
    }
    package = make(BY_NAME[name])
    print(json.dumps({"ready": name}), file=answers, flush=True)
    for line in sys.stdin:
        request = json.loads(line)
        reply = {"id": request["id"]} | answer(package, request)
        print(json.dumps(reply), file=answers, flush=True)


if __name__ == "__main__":
    main(sys.argv[1])
