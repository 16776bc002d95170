# SPDX-License-Identifier: Apache-2.0
"""The judges' packages: virtual environments from PyPI, and old Keras as source.

Everything lies in one cache folder, `build/oracle` unless BATCHDOT_ORACLE_CACHE names another:

    venvs/NAME/             made from requirements/NAME.txt, all versions pinned
    sources/keras-X.Y.Z/    the package `keras` of that release, unpacked, not installed
    sources/tensorflow-1.15.0/{backend,merge}.py    two files out of the wheel

What is there is not fetched again. `python3 environments.py [NAME...]` makes those, or all.
"""

import contextlib
import fcntl
import hashlib
import os
import pathlib
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile

HERE = pathlib.Path(__file__).resolve().parent
ENVIRONMENTS = ("numpy", "jax", "current", "old")

# Release -> SHA-256 of its sdist on PyPI.
KERAS_SOURCES = {
    "0.3.3": "d958852b187c25e7868f39aea4ac4f87cbc906971c476f1cc4fbf1e673b176ab",
    "1.0.8": "d3eb98905013ef258163ea77d98786d04d282e1e8f707b4efbb9f218596f0c9f",
    "1.2.2": "d2b18c4336eb9c4f0d03469870257efa7980a9b036c9d46dcf4d49e7f4487e2d",
    "2.0.9": "6b8572cf1b4a22fd0120b7c23382ba4fa04a6f0397e02af1249be9a7309d1767",
    "2.1.5": "907ad29add1fff27342a9f4fe3e60003d450d3af41a38f22f629c7736fc8399d",
    "2.1.6": "c14af1081242c25617ade7eb62121d58d01f16e1e744bae9fc4f1f95a417716e",
    "2.2.4": "90b610a3dbbf6d257b20a079eba3fdf2eed2158f64066a7c6f7227023fd60bc9",
    "2.2.5": "0fb448b95643a708d25d2394183a2f3a84eefb55fb64917152a46826990113ea",
    "2.3.1": "321d43772006a25a1d58eea17401ef2a34d388b588c9f7646c34796151ebc8cc",
}
TENSORFLOW_1 = "1.15.0"
TENSORFLOW_1_SHA256 = "5910cdde20a9143760d3b49f6d03a6a09ab5221e2f871eb51dbd422b80da07fc"
TENSORFLOW_1_FILES = {
    "backend.py": "tensorflow_core/python/keras/backend.py",
    "merge.py": "tensorflow_core/python/keras/layers/merge.py",
}


_unavailable = {}  # environment -> why; of this process


class Unavailable(Exception):
    """A package cannot be had here; the message says which and why."""


def cache_folder():
    named = os.environ.get("BATCHDOT_ORACLE_CACHE")
    return pathlib.Path(named) if named else HERE.parent.parent / "build" / "oracle"


def python_of(environment):
    """The interpreter of an environment, which is made first if it is not there."""
    folder = cache_folder() / "venvs" / environment
    requirements = HERE / "requirements" / f"{environment}.txt"
    stamp = folder / "made-from"
    wanted = hashlib.sha256(requirements.read_bytes()).hexdigest()
    wanted += " {}.{}".format(*sys.version_info)
    python = folder / "bin" / "python"
    with _locked(environment):
        if environment in _unavailable:  # not every judge has to find out for itself
            raise _unavailable[environment]
        if stamp.exists() and stamp.read_text() == wanted and python.exists():
            return python
        shutil.rmtree(folder, ignore_errors=True)
        folder.parent.mkdir(parents=True, exist_ok=True)
        print(f"oracle: making the environment {environment}", file=sys.stderr, flush=True)
        try:
            _run([sys.executable, "-m", "venv", str(folder)], f"environment {environment}")
            install = "-m pip install --quiet --no-deps --only-binary :all: -r".split()
            _run([str(python), *install, str(requirements)], f"environment {environment}")
        except Unavailable as error:
            _unavailable[environment] = error
            raise
        stamp.write_text(wanted)
    return python


def keras_source(release):
    """The folder to put on `sys.path` for one old release; it holds `keras/` and nothing else."""
    folder = cache_folder() / "sources" / f"keras-{release}"
    with _locked(f"keras-{release}"):
        if folder.exists():
            return folder
        with tempfile.TemporaryDirectory() as scratch:
            archive = _download(
                ["--no-binary", ":all:", f"keras=={release}"], scratch, KERAS_SOURCES[release]
            )
            _unpack_keras(archive, pathlib.Path(scratch) / "unpacked")
            _put(pathlib.Path(scratch) / "unpacked", folder)
    return folder


def tensorflow_1_source():
    """The folder with the files of TensorFlow 1.15 that `tf.keras-1` is read from."""
    folder = cache_folder() / "sources" / f"tensorflow-{TENSORFLOW_1}"
    with _locked("tensorflow-1"):
        if folder.exists():
            return folder
        with tempfile.TemporaryDirectory() as scratch:
            which = (
                "--only-binary :all: --python-version 37 --platform manylinux2010_x86_64".split()
            )
            wheel = _download([*which, f"tensorflow=={TENSORFLOW_1}"], scratch, TENSORFLOW_1_SHA256)
            unpacked = pathlib.Path(scratch) / "unpacked"
            unpacked.mkdir()
            with zipfile.ZipFile(wheel) as archive:
                for name, inside in TENSORFLOW_1_FILES.items():
                    (unpacked / name).write_bytes(archive.read(inside))
            _put(unpacked, folder)
    return folder


def _download(arguments, folder, sha256):
    # pip of the smallest environment: the machine's own python may have none.
    python = python_of("numpy")
    what = arguments[-1]
    print(f"oracle: fetching {what}", file=sys.stderr, flush=True)
    download = "-m pip download --quiet --no-deps --dest".split()
    _run([str(python), *download, str(folder), *arguments], what)
    [archive] = [path for path in pathlib.Path(folder).iterdir() if path.is_file()]
    found = hashlib.sha256(archive.read_bytes()).hexdigest()
    if found != sha256:
        raise Unavailable(f"{what}: {archive.name} has SHA-256 {found}, expected {sha256}")
    return archive


def _unpack_keras(archive, folder):
    with tarfile.open(archive) as tar:
        for member in tar:
            parts = pathlib.PurePosixPath(member.name).parts[1:]
            if not member.isfile() or parts[:1] != ("keras",) or ".." in parts:
                continue
            target = folder.joinpath(*parts)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(tar.extractfile(member).read())


def _put(unpacked, folder):
    """Moves a finished folder to its place, so that a half-made one is never taken for it."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    staged = folder.with_name(folder.name + ".part")
    shutil.rmtree(staged, ignore_errors=True)
    shutil.copytree(unpacked, staged)
    staged.rename(folder)


def _run(command, what):
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=1800)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise Unavailable(f"{what}: {error}") from error
    if done.returncode != 0:
        lines = (done.stderr or done.stdout).strip().splitlines() or ["no message"]
        raise Unavailable(f"{what}: {lines[-1]}")


@contextlib.contextmanager
def _locked(name):
    """One process at a time makes a thing; the others wait and find it."""
    folder = cache_folder() / "locks"
    folder.mkdir(parents=True, exist_ok=True)
    with open(folder / name, "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def main(names):
    makers = {name: (lambda name=name: python_of(name)) for name in ENVIRONMENTS}
    makers |= {f"keras-{v}": (lambda v=v: keras_source(v)) for v in KERAS_SOURCES}
    makers[f"tensorflow-{TENSORFLOW_1}"] = tensorflow_1_source
    unknown = [name for name in names if name not in makers]
    if unknown:
        sys.exit(f"environments: no such thing: {' '.join(unknown)}; there are {' '.join(makers)}")
    missing = 0
    for name in names or makers:
        try:
            makers[name]()
            print(f"{name}: ready")
        except Unavailable as error:
            missing += 1
            print(f"{name}: NOT AVAILABLE: {error}")
    return 1 if missing else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
