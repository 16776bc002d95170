# SPDX-License-Identifier: Apache-2.0
"""The judges: one record for each release of a package that is run, and what it judges."""

import dataclasses

ALL_KERAS = ("batch_dot", "dot", "dot_layer")


@dataclasses.dataclass(frozen=True)
class Judge:
    name: str  # of the worker process; for the Keras ones also our dialect
    package: str
    version: str
    environment: str  # of environments.ENVIRONMENTS
    functions: tuple  # operations it judges
    dialect: str | None = None  # what a problem asks of us, if the operation has dialects
    source: str | None = None  # release of Keras unpacked from PyPI
    old_matmul: bool = False  # tf.matmul as it was before TensorFlow 1.14


def _old(dialect, release, functions=ALL_KERAS, old_matmul=True):
    return Judge(dialect, "keras", release, "old", functions, dialect, release, old_matmul)


JUDGES = (
    _old("keras-0.3", "0.3.3"),
    _old("keras-1.0", "1.0.8"),
    _old("keras-1.2", "1.2.2"),
    _old("keras-2.0", "2.0.9"),
    _old("keras-2.1.5", "2.1.5"),
    _old("keras-2.1.6", "2.1.6"),
    _old("keras-2.2", "2.2.4"),
    _old("keras-2.2-tf1.14", "2.2.4", old_matmul=False),
    _old("keras-2.2.5", "2.2.5", old_matmul=False),
    _old("keras-2.3", "2.3.1", old_matmul=False),
    Judge("tf.keras-1", "tensorflow", "1.15.0", "old", ALL_KERAS, "tf.keras-1"),
    Judge("tf.keras-2", "tf_keras", "2.21.0", "current", ALL_KERAS, "tf.keras-2"),
    Judge("keras-3", "keras", "3.15.1", "current", ALL_KERAS, "keras-3"),
    Judge("numpy", "numpy", "2.4.6", "numpy", ("matmul", "tensordot", "einsum")),
    Judge("tensorflow", "tensorflow", "2.21.0", "current", ("matmul", "einsum")),
    Judge("jax", "jax", "0.10.2", "jax", ("dot_general",)),
)
BY_NAME = {judge.name: judge for judge in JUDGES}
