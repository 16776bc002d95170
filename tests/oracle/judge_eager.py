# SPDX-License-Identifier: Apache-2.0
"""The judges that compute at once: Keras 3, NumPy, JAX."""

import numpy as np


class Keras3:
    """Keras 3 on TensorFlow. Shapes come from its symbolic tensors, values from arrays."""

    def __init__(self, judge):
        import keras
        from keras.src.layers.merging.dot import batch_dot

        assert keras.__version__ == judge.version, keras.__version__
        assert keras.backend.backend() == "tensorflow"
        self.keras, self.batch_dot = keras, batch_dot

    def shape(self, problem):
        tensors = [self.keras.KerasTensor(tuple(shape)) for shape in problem["shapes"]]
        if problem["operation"] == "dot":
            return {"shape": list(self._apply(problem, tensors).shape)}
        if problem["operation"] == "batch_dot":
            return {"shape": self._symbolic(lambda *xs: self._apply(problem, xs), tensors)}
        layer = self._layer(problem)
        layer.build([tensor.shape for tensor in tensors])
        # A symbolic call reports this and never enters `call`, which is what computes.
        reported = list(layer.compute_output_shape([tensor.shape for tensor in tensors]))
        try:
            shape = self._symbolic(lambda *xs: layer.call(list(xs)), tensors)
            return {"shape": shape, "reported_shape": reported}
        except Exception as error:  # noqa: BLE001  any refusal of theirs is an answer
            return {"refused": f"{type(error).__name__}: {error}", "reported_shape": reported}

    def _symbolic(self, function, tensors):
        """On symbolic tensors; empty ones, whose reshape those refuse, in a TensorFlow graph."""
        try:
            return list(function(*tensors).shape)
        except ValueError:
            if not any(0 in tensor.shape for tensor in tensors):
                raise
            shape = list(self.keras.src.backend.compute_output_spec(function, *tensors).shape)
            if any(tensor.shape[0] == 0 for tensor in tensors):
                shape[0] = 0  # an unknown batch against 0: unknown to TensorFlow, 0 to Keras
            return shape

    def value(self, problem, arrays):
        tensors = [self.keras.ops.convert_to_tensor(array) for array in arrays]
        if problem["operation"] == "dot_layer":
            layer = self._layer(problem, dtype=str(arrays[0].dtype))
            return np.asarray(layer(tensors))
        return np.asarray(self._apply(problem, tensors))

    def _apply(self, problem, tensors):
        if problem["operation"] == "dot":
            return self.keras.ops.dot(*tensors)
        return self.batch_dot(*tensors, axes=problem.get("axes"))

    def _layer(self, problem, **options):
        axes = problem.get("axes")
        return self.keras.layers.Dot(
            axes=tuple(axes) if isinstance(axes, list) else axes,
            normalize=problem.get("normalize", False),
            **options,
        )


class NumPy:
    def __init__(self, judge):
        assert np.__version__ == judge.version, np.__version__

    def shape(self, problem):
        return {
            "shape": list(
                self.value(problem, [np.zeros(s, np.float32) for s in problem["shapes"]]).shape
            )
        }

    def value(self, problem, arrays):
        if problem["operation"] == "einsum":
            return np.asarray(np.einsum(problem["equation"], *arrays))
        if problem["operation"] == "tensordot":
            return np.asarray(
                np.tensordot(*arrays, axes=(problem["lhs_axes"], problem["rhs_axes"]))
            )
        return np.asarray(np.matmul(*arrays))


class Jax:
    """lax.dot_general, which is StableHLO's."""

    def __init__(self, judge):
        import jax

        assert jax.__version__ == judge.version, jax.__version__
        jax.config.update("jax_enable_x64", True)
        self.jax = jax

    def shape(self, problem):
        shapes = [self.jax.ShapeDtypeStruct(tuple(s), np.float32) for s in problem["shapes"]]
        result = self.jax.eval_shape(lambda *xs: self._apply(problem, xs), *shapes)
        return {"shape": list(result.shape)}

    def value(self, problem, arrays):
        return np.asarray(self._apply(problem, [self.jax.numpy.asarray(a) for a in arrays]))

    def _apply(self, problem, arrays):
        dims = (
            (problem.get("lhs_contract", []), problem.get("rhs_contract", [])),
            (problem.get("lhs_batch", []), problem.get("rhs_batch", [])),
        )
        return self.jax.lax.dot_general(*arrays, dims, precision="highest")
