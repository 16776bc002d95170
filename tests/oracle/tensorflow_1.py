# SPDX-License-Identifier: Apache-2.0
"""TensorFlow 2.15's `compat.v1` dressed as the TensorFlow that an old Keras was written for.

`install` puts a module named `tensorflow` in place whose names are those of `compat.v1`, with what
that misses: the batched product of the early releases, `tf.matmul` as it was before 1.14, and the
parts of Python and NumPy that have gone since.
"""

import ast
import collections
import collections.abc
import inspect
import sys
import types

import numpy as np
import tensorflow as real

v1 = real.compat.v1


def prepare():
    v1.disable_v2_behavior()
    v1.logging.set_verbosity(v1.logging.ERROR)
    for name in collections.abc.__all__:
        if not hasattr(collections, name):
            setattr(collections, name, getattr(collections.abc, name))
    if not hasattr(inspect, "getargspec"):
        inspect.getargspec = lambda function: inspect.getfullargspec(function)[:4]
    ops = sys.modules["tensorflow.python.framework.ops"]
    if not hasattr(ops, "_TensorLike"):  # Keras 2.2 and 2.3 ask these whether something is a tensor
        ops._TensorLike = real.Tensor
        ops.is_dense_tensor_like = lambda value: isinstance(value, real.Tensor)
    for name, kind in {"bool": bool, "int": int, "float": float, "object": object}.items():
        if name not in vars(np):
            setattr(np, name, kind)


def matmul_before_1_14(
    a, b, transpose_a=False, transpose_b=False, adjoint_a=False, adjoint_b=False, name=None
):
    """What tf.matmul chose then: the batched op for two ranks above 2, else the rank-2 op.

    Neither op broadcasts; the batched one knows adjoints only, the other transposes only.
    """
    if (transpose_a and adjoint_a) or (transpose_b and adjoint_b):
        raise ValueError("matmul: transpose and adjoint of the same operand")
    with v1.name_scope(name, "MatMul", [a, b]):
        a, b = real.convert_to_tensor(a), real.convert_to_tensor(b)
        batched = all(t.shape.rank is None or t.shape.rank > 2 for t in (a, b))
        if batched:
            a = v1.conj(a) if transpose_a else a
            b = v1.conj(b) if transpose_b else b
            return real.raw_ops.BatchMatMul(
                x=a, y=b, adj_x=bool(transpose_a or adjoint_a), adj_y=bool(transpose_b or adjoint_b)
            )
        a = v1.conj(a) if adjoint_a else a
        b = v1.conj(b) if adjoint_b else b
        return real.raw_ops.MatMul(
            a=a,
            b=b,
            transpose_a=bool(transpose_a or adjoint_a),
            transpose_b=bool(transpose_b or adjoint_b),
        )


def matmul_of_matrices(a, b, transpose_a=False, transpose_b=False, name=None):
    """tf.matmul of the releases before 0.12, the rank-2 op and no other."""
    return real.raw_ops.MatMul(
        a=a, b=b, transpose_a=bool(transpose_a), transpose_b=bool(transpose_b), name=name
    )


def batch_matmul(x, y, adj_x=None, adj_y=None, name=None):
    """tf.batch_matmul of the releases before 1.0."""
    return real.raw_ops.BatchMatMul(x=x, y=y, adj_x=bool(adj_x), adj_y=bool(adj_y), name=name)


def install(keras_folder, early, old_matmul):
    """Makes `import tensorflow` give the dressed module, `import keras` that of the folder."""
    prepare()
    dressed = types.ModuleType("tensorflow")
    dressed.__path__, dressed.__file__, dressed.__spec__ = (
        real.__path__,
        real.__file__,
        real.__spec__,
    )
    dressed.__getattr__ = lambda name: getattr(v1, name)
    dressed.python = sys.modules["tensorflow.python"]
    dressed.__version__ = "1.13.0" if old_matmul else "1.14.0"
    if old_matmul:
        dressed.matmul = matmul_before_1_14
    if early:
        dressed.matmul, dressed.batch_matmul = matmul_of_matrices, batch_matmul
    for name in [n for n in sys.modules if n == "keras" or n.startswith("keras.")]:
        del sys.modules[name]
    sys.modules["tensorflow"] = dressed
    sys.path.insert(0, str(keras_folder))


def functions_of_1_15(folder):
    """`batch_dot`, `dot` and `Dot`, read out of the files of the TensorFlow 1.15 wheel."""
    prepare()
    from tensorflow.python.keras.utils import tf_utils
    from tensorflow.python.ops import math_ops, nn, sparse_ops

    class Merge:  # stands for the layer classes under Dot, which do nothing for a shape or a value
        def __init__(self, **_):
            pass

    backend = types.SimpleNamespace()
    names = {
        "array_ops": v1,  # the same functions; `unstack` has moved out of array_ops since
        "math_ops": math_ops,
        "nn": nn,
        "sparse_ops": sparse_ops,
        "is_sparse": lambda _: False,
        "tf_utils": tf_utils,
        "K": backend,
        "_Merge": Merge,
    }
    wanted = {
        "backend.py": ("ndim", "int_shape", "expand_dims", "dot", "batch_dot"),
        "merge.py": ("Dot",),
    }
    for file, definitions in wanted.items():
        tree = ast.parse((folder / file).read_text())
        found = [node for node in tree.body if getattr(node, "name", None) in definitions]
        assert sorted(node.name for node in found) == sorted(definitions), file
        for node in found:
            node.decorator_list = []  # export and dispatch only
        exec(compile(ast.Module(found, []), str(folder / file), "exec"), names)  # noqa: S102
    for name in wanted["backend.py"]:
        setattr(backend, name, names[name])
    return names
