# SPDX-License-Identifier: Apache-2.0
"""The libraries that are measured beside ours: one row for each, and everything that bench/run.py knows of them. A
library of C or C++ has a source in bench/peers and a `peer(...)` in the CMakeLists.txt there, one of Python a function
`<name>_ways` in bench/peers/python_worker.py."""

import os
import pathlib
import subprocess
import sys
from collections.abc import Callable
from typing import NamedTuple


class Peer(NamedTuple):
    """Without `is_python` its program is build/bench/peers/bench_<name>."""

    name: str
    debian: str = ""  # the package of Debian that says its version; make installs it
    pypi: tuple = ()  # packages of PyPI that --setup installs; the first says its version
    asked_by: tuple = ()  # options of bench/run.py, one of which has to be given for that; none: always
    is_python: bool = False
    prefixes: tuple = ()  # of environment variables that it reads, which no worker gets from outside
    threads: str = ""  # an environment variable that says how many; every worker gets it, as numpy and torch use others
    environment: Callable = lambda venv, threads: {}  # what this worker gets besides


def openblas_core():
    """What OPENBLAS_CORETYPE has to be for Debian's OpenBLAS: it takes CPUs that are newer than itself for ancient ones."""
    flags = pathlib.Path("/proc/cpuinfo").read_text(encoding="utf-8").partition("flags")[2].split("\n")[0].split()
    ask = "import ctypes; f = ctypes.CDLL('libopenblas.so.0').openblas_get_corename; f.restype = ctypes.c_char_p; print(f())"
    environment = {key: value for key, value in os.environ.items() if not key.startswith("OPENBLAS_")}
    found = subprocess.run([sys.executable, "-c", ask], capture_output=True, text=True, check=False, env=environment).stdout
    if "Prescott" not in found or "avx2" not in flags:
        return None
    return "SkylakeX" if "avx512bw" in flags else "Haswell"


def of_openblas(_venv, _threads):
    core = openblas_core()
    return {"OPENBLAS_CORETYPE": core} if core else {}


def of_onednn(venv, threads):
    """PyPI's sees the CPU as a device of Intel's OpenCL, which lies beside it."""
    return {"OCL_ICD_FILENAMES": str(venv / "lib/libintelocl.so"), "DPCPP_CPU_NUM_CUS": str(threads)}


ALL = [
    Peer("openblas", debian="libopenblas0-pthread", prefixes=("OPENBLAS_",), threads="OPENBLAS_NUM_THREADS",
         environment=of_openblas),
    Peer("openblas-pypi", pypi=("scipy-openblas32",)),
    Peer("blis", debian="libblis4-openmp", prefixes=("BLIS_",), threads="BLIS_NUM_THREADS"),
    Peer("mkl", pypi=("mkl", "mkl-include"), prefixes=("MKL_",), threads="MKL_NUM_THREADS"),
    Peer("onednn-debian", debian="libdnnl2", prefixes=("DNNL_", "ONEDNN_")),
    Peer("onednn", pypi=("onednn", "onednn-devel"), environment=of_onednn),
    Peer("libxsmm", debian="libxsmm-dev", prefixes=("LIBXSMM_",)),
    Peer("eigen", debian="libeigen3-dev"),
    Peer("numpy", pypi=("numpy",), is_python=True),
    Peer("torch", pypi=("torch",), asked_by=("torch", "all"), is_python=True),
    Peer("jax", pypi=("jax",), asked_by=("all",), is_python=True, environment=lambda venv, threads: {"JAX_PLATFORMS": "cpu"}),
    Peer("tensorflow", pypi=("tensorflow",), asked_by=("all",), is_python=True,
         environment=lambda venv, threads: {"TF_CPP_MIN_LOG_LEVEL": "3"}),
]
NAMES = [peer.name for peer in ALL]

# Of no peer alone: OpenMP, LLVM's and Intel's OpenMP, NVIDIA's libraries for Arm.
SHARED_PREFIXES = ("OMP_", "KMP_", "NVPL_")
SHARED_THREADS = ("OMP_NUM_THREADS",)


def environment_of(name, venv, threads):
    """That of a worker: nothing for these libraries from outside, the number of threads, and what the peer `name` wants."""
    prefixes = SHARED_PREFIXES + tuple(prefix for peer in ALL for prefix in peer.prefixes)
    result = {key: value for key, value in os.environ.items() if not key.startswith(prefixes)}
    for variable in (*SHARED_THREADS, *(peer.threads for peer in ALL if peer.threads)):
        result[variable] = str(threads)
    for peer in ALL:
        if peer.name == name:
            result.update(peer.environment(venv, threads))
    return result


def command_of(peer, build, venv):
    """What starts its worker; None if it is not there."""
    if peer.is_python:
        if not list(venv.glob(f"lib/python3*/site-packages/{peer.name}")):
            return None
        worker = pathlib.Path(__file__).resolve().parent / "peers/python_worker.py"
        return [str(venv / "bin" / "python"), str(worker), peer.name]
    program = build / "bench/peers" / f"bench_{peer.name}"
    return [str(program)] if program.exists() else None


def packages(options):
    """Those of PyPI that --setup installs."""
    return [package for peer in ALL if not peer.asked_by or any(getattr(options, option) for option in peer.asked_by)
            for package in peer.pypi]


def in_dist_info(package):
    """As pip spells it in the names of folders."""
    return package.replace("-", "_")


def versions(venv):
    """{library: version}, of those that are there."""
    result = {}
    for peer in ALL:
        if peer.debian:
            ask = ["dpkg-query", "-W", "-f", "${Version}", peer.debian]
            done = subprocess.run(ask, capture_output=True, text=True, check=False)
            if done.returncode == 0:
                result[peer.name] = done.stdout
        if peer.pypi:
            package = in_dist_info(peer.pypi[0])
            for found in venv.glob(f"lib/python3*/site-packages/{package}-*.dist-info"):
                result[peer.name] = found.name.removeprefix(package + "-").removesuffix(".dist-info")
    return result
