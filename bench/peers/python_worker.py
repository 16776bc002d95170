# SPDX-License-Identifier: Apache-2.0
"""A worker for libraries of Python: python_worker.py LIBRARY FILE_DESCRIPTOR BYTES THREADS. bench/worker.h says how it
is talked to. LIBRARY is one that has a function `<name>_ways` below."""

import mmap
import sys
import time

import numpy as np

SIZES = {"i8": 1, "bf16": 2, "f16": 2, "f32": 4, "i32": 4, "f64": 8, "i64": 8, "complex64": 8, "complex128": 16}
DTYPES = {"i8": np.int8, "f16": np.float16, "f32": np.float32, "i32": np.int32, "f64": np.float64, "i64": np.int64,
          "complex64": np.complex64, "complex128": np.complex128}


clock = time.perf_counter


def count_of(shape):
    return int(np.prod(shape, dtype=np.int64))


class Problem:
    """Operands and result as arrays over the shared memory, laid out as bench/problem.cc does."""

    def __init__(self, line, memory):
        self.dtype, self.equation, *shapes = line.split()
        shapes = [[int(extent) for extent in shape.split(",")] for shape in shapes]
        self.inputs, self.output = self.equation.split("->")
        self.lhs_labels, self.rhs_labels = self.inputs.split(",")
        extents = dict(zip(self.lhs_labels + self.rhs_labels, shapes[0] + shapes[1]))
        shapes.append([extents[label] for label in self.output])
        self.out_dtype = "i32" if self.dtype == "i8" else self.dtype
        size, at, arrays = SIZES[self.dtype], 0, []
        for shape, lines, element in zip(shapes, (0, 17, 34), (size, size, max(size, 4))):
            bytes_ = count_of(shape) * element
            kind = self.dtype if lines < 34 else self.out_dtype
            numpy_dtype = np.uint16 if kind == "bf16" else DTYPES[kind]
            arrays.append(np.frombuffer(memory, numpy_dtype, count_of(shape), at + lines * 64).reshape(shape))
            at = at + lines * 64 + (bytes_ + 4096) // 4096 * 4096 - lines * 64 + 4096
        self.lhs, self.rhs, self.out = arrays

    def as_matmul(self):
        """Orders of axes that make it batch x (M, K) (K, N) -> (M, N); None if a role has several labels or none."""
        batch = [x for x in self.output if x in self.lhs_labels and x in self.rhs_labels]
        m = [x for x in self.output if x in self.lhs_labels and x not in self.rhs_labels]
        n = [x for x in self.output if x not in self.lhs_labels]
        k = [x for x in self.lhs_labels if x not in self.output]
        if len(m) != 1 or len(n) != 1 or len(k) != 1:
            return None
        return ([self.lhs_labels.index(x) for x in batch + m + k], [self.rhs_labels.index(x) for x in batch + k + n],
                [self.output.index(x) for x in batch + m + n])

    def as_shared_rhs(self):
        """True for a product with one matrix for all: lhs (..., K), rhs (K, N)."""
        return (len(self.rhs_labels) == 2 and self.lhs_labels[-1] == self.rhs_labels[0]
                and self.output == self.lhs_labels[:-1] + self.rhs_labels[1])


def numpy_ways(problem, _threads):
    if problem.dtype == "bf16":
        raise RuntimeError("has no bf16")
    if problem.dtype == "f16" and problem.lhs.size * problem.rhs.shape[-1] > 1e8:
        raise RuntimeError("computes f16 an element at a time, which takes minutes here")
    lhs, rhs, out = problem.lhs, problem.rhs, problem.out
    wide = {"dtype": np.int32} if problem.dtype == "i8" else {}
    yield "einsum", lambda: np.einsum(problem.equation, lhs, rhs, out=out, optimize=True, **wide)
    if orders := problem.as_matmul():
        a, b, c = (array.transpose(order) for array, order in zip((lhs, rhs, out), orders))
        yield "matmul", lambda: np.matmul(a, b, out=c, **wide)
    if problem.as_shared_rhs():
        yield "matmul", lambda: np.matmul(lhs, rhs, out=out, **wide)


def torch_ways(problem, threads):
    import torch
    torch.set_num_threads(threads)
    torch.set_grad_enabled(False)
    lhs, rhs, out = (torch.from_numpy(array) for array in (problem.lhs, problem.rhs, problem.out))
    if problem.dtype == "bf16":
        lhs, rhs, out = (x.view(torch.bfloat16) for x in (lhs, rhs, out))
    if problem.dtype == "i8":
        if hasattr(torch, "_int_mm") and (orders := problem.as_matmul()):
            a, b = lhs.permute(orders[0]), rhs.permute(orders[1])
            if a.dim() == 3:
                def loop():
                    for x, y, z in zip(a, b, out):
                        torch._int_mm(x, y, out=z)
                yield "_int_mm", loop
        return

    def einsum():
        return torch.einsum(problem.equation, lhs, rhs)
    yield "einsum", einsum
    if orders := problem.as_matmul():
        a, b, c = (x.permute(order) for x, order in zip((lhs, rhs, out), orders))
        yield "matmul", lambda: torch.matmul(a, b)
        if c.is_contiguous():
            yield "matmul out=", lambda: torch.matmul(a, b, out=c)
    if problem.as_shared_rhs():
        yield "matmul out=", lambda: torch.matmul(lhs, rhs, out=out)


def jax_ways(problem, _threads):
    import jax
    jax.config.update("jax_enable_x64", True)
    lhs, rhs = problem.lhs, problem.rhs
    if problem.dtype == "bf16":
        lhs, rhs = (x.view(jax.numpy.bfloat16) for x in (lhs, rhs))
    a, b = jax.device_put(lhs), jax.device_put(rhs)
    product = jax.jit(lambda x, y: jax.numpy.einsum(problem.equation, x, y,
                                                    preferred_element_type=DTYPES.get(problem.out_dtype)))
    yield "jit einsum", lambda: product(a, b).block_until_ready()


def tensorflow_ways(problem, threads):
    import tensorflow as tf
    try:
        tf.config.threading.set_intra_op_parallelism_threads(threads)
        tf.config.threading.set_inter_op_parallelism_threads(1)
    except RuntimeError:
        pass  # it has begun
    if problem.dtype in ("bf16", "i8"):
        raise RuntimeError("not asked for here")
    a, b = tf.constant(problem.lhs), tf.constant(problem.rhs)
    product = tf.function(lambda x, y: tf.einsum(problem.equation, x, y))
    yield "function einsum", lambda: product(a, b)


def quick_look(run):
    begin = clock()
    run()
    best = clock() - begin
    for _ in range(3):
        if best > 0.1:
            break
        calls = max(1, int(0.003 / max(best, 1e-8)))
        begin = clock()
        for _ in range(calls):
            run()
        best = min(best, (clock() - begin) / calls)
    return best


def store(result, out):
    """What a library returned, into the shared memory."""
    if not isinstance(result, np.ndarray):
        if hasattr(result, "detach"):
            result = result.detach()
            if "bfloat16" in str(result.dtype):
                import torch
                result = result.contiguous().view(torch.int16)
            result = result.numpy()
        else:
            result = np.asarray(result)
    if result.dtype.itemsize == out.dtype.itemsize:
        result = np.ascontiguousarray(result).view(out.dtype)
    if result.ctypes.data != out.ctypes.data:
        np.copyto(out, result)


def use_processor_time():
    global clock
    clock = time.process_time
    return "ok"


def main():
    library, descriptor, size, threads = sys.argv[1], *map(int, sys.argv[2:5])
    memory = mmap.mmap(descriptor, size)
    find_ways = globals()[f"{library}_ways"]
    problem = run = last = None
    for line in sys.stdin:
        word, _, rest = line.rstrip("\n").partition(" ")
        try:
            if word == "load":
                problem, best, run, chosen, why = Problem(rest, memory), None, None, None, "no way"
                for how, way in find_ways(problem, threads):
                    try:
                        seconds = quick_look(way)
                    except Exception as error:  # noqa: BLE001: whatever a library throws, it cannot
                        why = str(error).split("\n")[0]
                        continue
                    if best is None or seconds < best:
                        best, run, chosen = seconds, way, how
                answer = f"no {why}" if run is None else f"ok {best} {problem.out_dtype} {chosen}"
            elif word == "run":
                begin = clock()
                for _ in range(int(rest)):
                    last = run()
                answer = f"{clock() - begin:.9g}"
            elif word == "cpu-time":
                answer = use_processor_time()
            elif word == "store":
                if last is not None:
                    store(last, problem.out)
                answer = "ok"
            elif word == "quit":
                return
            else:
                answer = "no such command"
        except Exception as error:  # noqa: BLE001
            answer = "no " + str(error).split("\n")[0]
        print(answer, flush=True)


if __name__ == "__main__":
    main()
