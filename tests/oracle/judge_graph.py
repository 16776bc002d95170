# SPDX-License-Identifier: Apache-2.0
"""Keras 0.3 to 2.3, tf.keras 1 and tf_keras: every problem becomes nodes of a TensorFlow graph."""

import environments
import tensorflow_1


def _given(problem):
    """Axes as the caller would write them; absent means: not passed."""
    return {} if problem.get("axes") is None else {"axes": problem["axes"]}


def _layer_axes(problem):
    axes = problem.get("axes")
    return tuple(axes) if isinstance(axes, list) else axes


class Graph:
    """Answers from a graph: static shapes from placeholders, values from a session."""

    PROBLEMS_PER_GRAPH = 200  # building slows down as a graph grows

    def __init__(self, v1):
        self.v1 = v1
        self.open = None  # problem and dtypes, inputs, result, session of the last value
        self.built = self.PROBLEMS_PER_GRAPH

    def functions(self):
        """operation -> function(x, y, problem) giving (tensor, reported shape or None)."""
        raise NotImplementedError

    def placeholder(self, operation, shape, dtype):
        return self.v1.placeholder(dtype, shape)

    def shape(self, problem):
        with self._graph():
            _, result, reported = self._build(problem, ["float32"] * len(problem["shapes"]))
        answer = {"shape": _dims(result.shape)}
        if problem["operation"] == "dot_layer":
            answer["reported_shape"] = _dims(reported)
        return answer

    def value(self, problem, arrays):
        # Small graphs of their own: a session takes in all that its graph holds. The last one is
        # kept, for a problem is asked several times in a row, of the same dtypes mostly.
        key = problem, [array.dtype for array in arrays]
        if self.open is None or self.open[0] != key:
            self._close()
            with self.v1.Graph().as_default() as graph:
                inputs, result, _ = self._build(*key)
            self.open = key, inputs, result, self.v1.Session(graph=graph, config=self._one_thread())
        _, inputs, result, session = self.open
        return session.run(result, dict(zip(inputs, arrays)))

    def _close(self):
        if self.open is not None:
            self.open[-1].close()
        self.open = None

    def _one_thread(self):
        config = self.v1.ConfigProto(intra_op_parallelism_threads=1, inter_op_parallelism_threads=1)
        config.graph_options.rewrite_options.disable_meta_optimizer = (
            True  # nothing to win in ten nodes
        )
        return config

    def _graph(self):
        self.built += 1
        if self.built > self.PROBLEMS_PER_GRAPH:
            self.graph, self.built = self.v1.Graph(), 0
        return self.graph.as_default()

    def _build(self, problem, dtypes):
        operation = problem["operation"]
        inputs = [self.placeholder(operation, *each) for each in zip(problem["shapes"], dtypes)]
        result, reported = self.functions()[operation](*inputs, problem)
        return inputs, result, reported


def _dims(shape):
    return [
        None if d is None else int(d)
        for d in (shape if isinstance(shape, tuple) else shape.as_list())
    ]


class OldKeras(Graph):
    """A release of keras-team Keras, imported from its source."""

    def __init__(self, judge):
        release = tuple(int(part) for part in judge.source.split("."))
        tensorflow_1.install(
            environments.keras_source(judge.source), release < (1, 2), judge.old_matmul
        )
        import keras
        import keras.backend
        import keras.layers.core

        assert keras.__version__ == judge.source, keras.__version__
        self.keras, self.release = keras, release
        super().__init__(tensorflow_1.v1)

    def placeholder(self, operation, shape, dtype):
        if operation != "dot_layer" or self.release < (1,):
            return super().placeholder(operation, shape, dtype)
        name = self.v1.as_dtype(dtype).name
        return self.keras.layers.Input(batch_shape=tuple(shape), dtype=name)

    def functions(self):
        backend = self.keras.backend
        return {
            "batch_dot": lambda x, y, p: (backend.batch_dot(x, y, **_given(p)), None),
            "dot": lambda x, y, p: (backend.dot(x, y), None),
            "dot_layer": self._dot_layer,
        }

    def _dot_layer(self, x, y, problem):
        if self.release < (1,):
            return self._merge_of_layers(x, y, problem)
        axes, normalize = _layer_axes(problem), problem.get("normalize", False)
        if self.release < (2,):  # Merge was the layer then
            mode = "cos" if normalize else "dot"
            result = self.keras.engine.merge([x, y], mode=mode, dot_axes=axes)
        else:
            result = self.keras.layers.Dot(axes=axes, normalize=normalize)([x, y])
        return result, self.keras.backend.int_shape(result)  # from 2.0 on what the layer says

    def _merge_of_layers(self, x, y, problem):
        """The layer of Keras 0.3, which is made of two layers: here of two that give their input."""
        core = self.keras.layers.core
        layers = [core.Layer(batch_input_shape=shape) for shape in problem["shapes"]]
        for layer, tensor in zip(layers, (x, y)):
            layer.input = tensor  # the one that it has made is of float32
        mode = "cos" if problem.get("normalize", False) else "dot"
        axes = {} if problem.get("axes") is None else {"dot_axes": problem["axes"]}
        merge = core.Merge(layers, mode=mode, **axes)
        try:
            return merge.get_output(), merge.output_shape
        except AttributeError as error:
            if "dimshuffle" not in str(error):
                raise
            raise TypeError(str(error)) from error  # a method of Theano's tensors: never computes


class TensorFlow115(Graph):
    """tf.keras as TensorFlow 1.15 shipped it: the functions read out of its wheel."""

    def __init__(self, judge):
        assert judge.version == environments.TENSORFLOW_1
        self.names = tensorflow_1.functions_of_1_15(environments.tensorflow_1_source())
        super().__init__(tensorflow_1.v1)

    def functions(self):
        return {
            "batch_dot": lambda x, y, p: (self.names["batch_dot"](x, y, **_given(p)), None),
            "dot": lambda x, y, p: (self.names["dot"](x, y), None),
            "dot_layer": self._dot_layer,
        }

    def _dot_layer(self, x, y, problem):
        layer = self.names["Dot"](
            axes=_layer_axes(problem), normalize=problem.get("normalize", False)
        )
        layer.build([tuple(x.shape.as_list()), tuple(y.shape.as_list())])
        result = layer._merge_function([x, y])
        return result, result.shape  # tf.keras reports what the called function made


class TfKeras(Graph):
    """tf.keras 2, which lives on as tf_keras. The layer is applied as in TensorFlow 2."""

    def __init__(self, judge):
        import tensorflow
        import tf_keras

        assert tf_keras.__version__ == judge.version, tf_keras.__version__
        self.tensorflow, self.keras = tensorflow, tf_keras
        super().__init__(tensorflow.compat.v1)

    def functions(self):
        backend = self.keras.backend
        return {
            "batch_dot": lambda x, y, p: (backend.batch_dot(x, y, **_given(p)), None),
            "dot": lambda x, y, p: (backend.dot(x, y), None),
        }

    def shape(self, problem):
        if problem["operation"] != "dot_layer":
            return super().shape(problem)
        self.built += 1
        if self.built > self.PROBLEMS_PER_GRAPH:  # symbolic tensors live in a graph of Keras's own
            self.keras.backend.clear_session()
            self.built = 0
        inputs = [self.keras.Input(batch_shape=tuple(s)) for s in problem["shapes"]]
        result = self._layer(problem)(inputs)
        return {"shape": _dims(result.shape), "reported_shape": _dims(result.shape)}

    def value(self, problem, arrays):
        tensors = [self.tensorflow.constant(array) for array in arrays]
        if problem["operation"] == "dot_layer":
            layer = self._layer(problem, dtype=tensors[0].dtype.name)
            return layer(tensors).numpy()
        result, _ = self.functions()[problem["operation"]](*tensors, problem)
        return result.numpy()

    def _layer(self, problem, **options):
        return self.keras.layers.Dot(
            axes=_layer_axes(problem), normalize=problem.get("normalize", False), **options
        )


class TensorFlowNow(Graph):
    """tf.matmul and tf.einsum of today, for unknown dims and for the flags that NumPy lacks."""

    def __init__(self, judge):
        import tensorflow

        assert tensorflow.__version__ == judge.version, tensorflow.__version__
        self.tensorflow = tensorflow
        super().__init__(tensorflow.compat.v1)

    def _build(self, problem, dtypes):
        inputs = [self.v1.placeholder(*each) for each in zip(dtypes, problem["shapes"])]
        return inputs, self._apply(problem, inputs), None

    def value(self, problem, arrays):
        return self._apply(problem, [self.tensorflow.constant(a) for a in arrays]).numpy()

    def _apply(self, problem, inputs):
        if problem["operation"] == "einsum":
            return self.tensorflow.einsum(problem["equation"], *inputs)
        flags = {
            theirs: problem.get(ours, False)
            for ours, theirs in (
                ("transpose_lhs", "transpose_a"),
                ("transpose_rhs", "transpose_b"),
                ("adjoint_lhs", "adjoint_a"),
                ("adjoint_rhs", "adjoint_b"),
            )
        }
        return self.tensorflow.matmul(*inputs, **flags)
