#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Makes and shows .npy files for the cases, without NumPy.

    array write FILE TYPE SHAPE NUMBERS...    TYPE as in the file's header: '<f4'; SHAPE: 2,3
    array ramp FILE TYPE SHAPE                the numbers 0, 1, 2, ... modulo 7
    array print FILE                          TYPE (SHAPE) NUMBERS...
"""

import ast
import math
import struct
import sys

FORMATS = {"<f4": "<f", "<f8": "<d", "<f2": "<e", "|i1": "<b", "<i4": "<i", "<i8": "<q", "|b1": "<?",
           ">f4": ">f", ">f8": ">d"}


def encode(kind, number):
    if kind in FORMATS:
        return struct.pack(FORMATS[kind], float(number) if FORMATS[kind][1] in "fde" else int(number))
    if kind == "|V2":  # bfloat16: the upper half of an f4; the numbers of the cases need no rounding
        return struct.pack("<f", float(number))[2:]
    half = {"<c8": "<f", "<c16": "<d"}[kind]
    value = complex(number)
    return struct.pack(half, value.real) + struct.pack(half, value.imag)


def decode(kind, data):
    if kind in FORMATS:
        size = struct.calcsize(FORMATS[kind])
        return [struct.unpack(FORMATS[kind], data[i:i + size])[0] for i in range(0, len(data), size)]
    if kind == "|V2":
        return [struct.unpack("<f", b"\0\0" + data[i:i + 2])[0] for i in range(0, len(data), 2)]
    half = {"<c8": "<f", "<c16": "<d"}[kind]
    parts = [value for (value,) in struct.iter_unpack(half, data)]
    return [complex(re, im) for re, im in zip(parts[::2], parts[1::2])]


def write(path, kind, shape, numbers):
    extents = tuple(int(extent) for extent in shape.split(",") if extent)
    header = repr({"descr": kind, "fortran_order": False, "shape": extents})
    header += " " * (63 - (10 + len(header)) % 64) + "\n"
    with open(path, "wb") as file:
        file.write(b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header.encode())
        file.write(b"".join(encode(kind, number) for number in numbers))


def show(path):
    with open(path, "rb") as file:
        magic = file.read(8)
        assert magic[:6] == b"\x93NUMPY", magic
        length = struct.unpack("<H" if magic[6] == 1 else "<I", file.read(2 if magic[6] == 1 else 4))[0]
        header = ast.literal_eval(file.read(length).decode())
        assert not header["fortran_order"]
        numbers = decode(header["descr"], file.read())
    assert len(numbers) == math.prod(header["shape"])
    words = [str(n) if isinstance(n, complex) else format(n, "g") for n in numbers]
    print(header["descr"], "(" + ", ".join(str(extent) for extent in header["shape"]) + ")", *words)


def main():
    verb, *rest = sys.argv[1:]
    if verb == "write":
        write(rest[0], rest[1], rest[2], rest[3:])
    elif verb == "ramp":
        count = math.prod(int(extent) for extent in rest[2].split(",") if extent)
        write(rest[0], rest[1], rest[2], [i % 7 for i in range(count)])
    elif verb == "print":
        show(rest[0])
    else:
        sys.exit(__doc__)


if __name__ == "__main__":
    main()
