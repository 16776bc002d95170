#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""check_numpy.py NPY_COPY: NumPy writes arrays, NPY_COPY reads and writes them, NumPy compares every bit.

Runs in the judges' environment where this interpreter has no NumPy; skipped (77) where that cannot be had.
"""

import io
import os
import pathlib
import re
import struct
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
SKIPPED = 77

try:
    import numpy as np
except ImportError:
    if "--inside" in sys.argv:
        raise
    sys.path.insert(0, str(HERE.parent / "oracle"))
    try:
        import environments

        python = environments.python_of("numpy")
    except Exception as error:  # whatever keeps the package away, the reason is printed
        print(f"check_numpy: SKIPPED: no NumPy: {type(error).__name__}: {error}")
        sys.exit(SKIPPED)
    sys.exit(subprocess.run([str(python), __file__, *sys.argv[1:], "--inside"]).returncode)

# Our name: NumPy's. bf16 is two bytes of no type to it.
TYPES = {"f32": "f4", "f64": "f8", "complex64": "c8", "complex128": "c16", "f16": "f2", "bf16": "V2", "i8": "i1",
         "i32": "i4", "i64": "i8", "bool": "b1"}
SHAPES = [(), (1,), (7,), (0,), (2, 3), (3, 0, 2), (4, 1, 5), (2, 3, 4, 5), (1,) * 32, (300, 1001)]
VIEWS = {"same": lambda a: a, "transposed": lambda a: a.T, "reversed": lambda a: a[::-1] if a.ndim else a}
REFUSED = ["O", "u1", "u4", "f16", "c32", "S5", "U3", "M8[s]", "m8[ns]", "V3", "V2", [("a", "<f4")],
           [("a b", "<i4", (2,)), ("c", "O")]]


def some_array(rng, type_name, shape, byte_order):
    """Any bits, NaNs of every kind among them."""
    dtype = np.dtype(type_name)
    count = int(np.prod(shape, dtype=np.int64))
    if dtype.kind == "b":
        return rng.integers(0, 2, shape).astype(bool)
    bits = rng.integers(0, 256, count * dtype.itemsize, dtype=np.uint8).tobytes()
    return np.frombuffer(bits, dtype.newbyteorder(byte_order)).reshape(shape)


def written(array, version, header_edit=None):
    """The bytes of an .npy file."""
    out = io.BytesIO()
    np.lib.format.write_array(out, array, version=version, allow_pickle=True)
    if header_edit is None:
        return out.getvalue()
    out.seek(8)
    size = "<H" if version == (1, 0) else "<I"
    (length,) = struct.unpack(size, out.read(struct.calcsize(size)))
    header = header_edit(out.read(length).decode("latin1")).encode("latin1")
    rest = out.read()
    return out.getvalue()[:8] + struct.pack(size, len(header)) + header + rest


def python_2(header):
    """As NumPy under Python 2 printed it."""
    before, shape = header.split("'shape'")
    return before + "'shape'" + re.sub(r"(\d+)(?=[,)])", r"\1L", shape)


class Judge:
    def __init__(self, program, folder):
        self.program, self.folder = program, folder
        self.lines, self.expected = [], []

    def ask(self, view, data, name, array):
        """`array` is what has to come back, None for a refusal."""
        number = len(self.lines)
        (self.folder / f"{number}.npy").write_bytes(data)
        raw = "bf16" if name == "bf16" else "none"
        self.lines.append(f"{view} {raw} {self.folder}/{number}.npy {self.folder}/{number}.out.npy")
        self.expected.append((name, array))

    def mistakes(self):
        run = subprocess.run([self.program], input="\n".join(self.lines) + "\n", capture_output=True, text=True)
        answers = run.stdout.splitlines()
        if run.returncode or len(answers) != len(self.lines):
            yield f"{self.program} ended with {run.returncode} after {len(answers)} answers: {run.stderr[-2000:]}"
            return
        for number, (line, answer, (name, array)) in enumerate(zip(self.lines, answers, self.expected)):
            out = self.folder / f"{number}.out.npy"
            if array is None:
                if answer != "error FILE_FORMAT" or out.exists():
                    yield f"{line}: {answer!r}, not refused"
                continue
            if answer.split(" ")[0] != name:
                yield f"{line}: {answer!r}, expected {name}"
                continue
            with open(out, "rb") as file:
                version = np.lib.format.read_magic(file)
                shape, fortran_order, dtype = np.lib.format.read_array_header_1_0(file)
                bits = file.read()
                aligned = (file.tell() - len(bits)) % 64 == 0
            again = np.load(out)
            wanted = np.ascontiguousarray(array).astype(array.dtype.newbyteorder("<"))
            if (version, shape, fortran_order, aligned) != ((1, 0), array.shape, False, True):
                yield f"{line}: header {version} {shape} {fortran_order}, aligned {aligned}"
            elif dtype != np.dtype("<" + TYPES[name]) or again.shape != array.shape:
                yield f"{line}: read back as {dtype} {again.shape}"
            elif not bits == again.tobytes() == wanted.tobytes():
                yield f"{line}: other bits"


def main():
    rng = np.random.default_rng(11)
    # In memory where that is possible: each file of ours is synced, which takes a disk its time.
    memory = pathlib.Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=memory if os.access(memory, os.W_OK) else None) as folder:
        judge = Judge(sys.argv[1], pathlib.Path(folder))
        for name, type_name in TYPES.items():
            for shape in SHAPES:
                for byte_order in "<>":
                    array = some_array(rng, type_name, shape, byte_order)
                    for order in "CF":
                        laid = np.asarray(array, order=order)
                        for version in (1, 0), (2, 0), (3, 0):
                            for view, seen in VIEWS.items():
                                if version == (1, 0) or view == "same":
                                    judge.ask(view, written(laid, version), name, seen(array))
                array = some_array(rng, type_name, shape, "=")
                for edit in (python_2, lambda h: h.replace("'", '"'), lambda h: h.replace(" ", "\n "),
                             lambda h: h.replace("'<", "'=").replace("'|", "'=")):
                    judge.ask("same", written(array, (1, 0), edit), name, array)
        truth = np.arange(256, dtype=np.uint8)
        data = written(truth.astype(bool), (1, 0))[:-256] + truth.tobytes()
        judge.ask("same", data, "bool", truth != 0)
        for type_name in REFUSED:
            array = np.zeros(3, dtype=type_name)
            judge.ask("same", written(array, (1, 0)), "none", None)
        mistakes = list(judge.mistakes())
        print("\n".join(mistakes[:20]))
        print(f"check_numpy: NumPy {np.__version__}: {len(judge.lines)} files, {len(mistakes)} mistakes")
        return 1 if mistakes else 0


if __name__ == "__main__":
    sys.exit(main())
