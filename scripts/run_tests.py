#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Builds and runs all tests, stage by stage, and closes with the totals: `make test`, `make nightly`.

The shipped compiler's release build runs everything. The other compiler runs what it could change, the results and
their bits; the sanitizers run on the target AVX2, nightly on scalar too; the judges run on a sample. CMakePresets.json says
which tests a preset runs. A stage that fails does not keep the next ones from running.
"""

import argparse
import dataclasses
import functools
import os
import pathlib
import platform
import subprocess
import sys
import time
import xml.etree.ElementTree

ROOT = pathlib.Path(__file__).resolve().parent.parent


@dataclasses.dataclass
class Totals:
    passed: int = 0
    failed: int = 0
    skipped: int = 0

    def add(self, other):
        self.passed += other.passed
        self.failed += other.failed
        self.skipped += other.skipped


@dataclasses.dataclass
class Stage:
    """One preset, built and tested; `target` is what BATCHDOT_TARGET is set to, `narrowed` goes to ctest."""

    preset: str
    target: str = ""
    narrowed: tuple = ()

    def name(self):
        return "-".join(part for part in (self.preset, self.target) if part)


def command(arguments, **environment):
    """True if the command succeeds. Its output goes where ours goes."""
    return subprocess.run(arguments, cwd=ROOT, env={**os.environ, **environment}).returncode == 0


def quiet_command(arguments):
    """The same, but its output is shown only if it fails."""
    run = subprocess.run(arguments, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if run.returncode:
        print(run.stdout, flush=True)
    return run.returncode == 0


def totals_of(report):
    """What ctest wrote to `report`; a run that left none has failed."""
    if not report.exists():
        return Totals(failed=1)
    suite = xml.etree.ElementTree.parse(report).getroot()
    count = {key: int(suite.get(key, 0)) for key in ("tests", "failures", "skipped", "disabled")}
    skipped = count["skipped"] + count["disabled"]
    return Totals(count["tests"] - count["failures"] - skipped, count["failures"], skipped)


@functools.cache
def build(preset):
    """True if the preset builds; done once."""
    return quiet_command(["cmake", "--preset", preset]) and command(
        ["cmake", "--build", "--preset", preset, "--", "--quiet"]
    )


def build_and_fetch_judges():
    """The judges come from PyPI: that takes the network while the compiler takes the processor."""
    fetch = [sys.executable, "tests/oracle/environments.py"]
    with subprocess.Popen(fetch, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as fetching:
        build("release")
        print(fetching.communicate()[0], flush=True)
    return Totals()  # a build that failed is counted by the stage that needs it


def run_preset(stage):
    if not build(stage.preset):
        print(f"{stage.name()}: does not build", flush=True)
        return Totals(failed=1)
    report = ROOT / "build" / "test-reports" / f"{stage.name()}.xml"
    report.parent.mkdir(parents=True, exist_ok=True)
    report.unlink(missing_ok=True)
    environment = {"BATCHDOT_TARGET": stage.target} if stage.target else {}
    ctest = ["ctest", "--preset", stage.preset, "--progress", "--output-junit", str(report), *stage.narrowed]
    if stage.preset == "tsan":
        ctest = without_wide_address_randomisation() + ctest
    passed = command(ctest, **environment)
    totals = totals_of(report)
    if not passed and not totals.failed:  # it found no test, or broke down itself
        totals.failed = 1
    return totals


def run_judges(sample):
    """One passed or failed for all that was judged, and one skipped for each judge that could not be had."""
    arguments = [sys.executable, "tests/oracle/run.py", *(["--sample"] if sample else [])]
    totals = Totals()
    with subprocess.Popen(arguments, cwd=ROOT, stdout=subprocess.PIPE, text=True) as judges:
        for line in judges.stdout:
            print(line, end="", flush=True)
            totals.skipped += line.startswith("SKIPPED")
    if judges.returncode:
        totals.failed = 1
    else:
        totals.passed = 1
    return totals


def run_script(script):
    return Totals(passed=1) if command(["sh", script]) else Totals(failed=1)


def without_wide_address_randomisation():
    """ThreadSanitizer of Clang 14 dies at its start where the kernel randomises more than 28 bits of an address."""
    setting = pathlib.Path("/proc/sys/vm/mmap_rnd_bits")
    try:
        if int(setting.read_text()) > 28:
            return ["setarch", platform.machine(), "-R"]
    except OSError:
        pass  # not to be read here: then nothing is known to be wrong
    return []


def cpu_has_avx2():
    flags = pathlib.Path("/proc/cpuinfo")
    return flags.exists() and " avx2 " in flags.read_text() and " fma " in flags.read_text()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--nightly", action="store_true", help="longer sweeps, every preset, packages, all judges")
    nightly = parser.parse_args().nightly

    best = "AVX2" if cpu_has_avx2() else "scalar"
    stages = [Stage("release"), Stage("gcc-release"), Stage("asan", best), Stage("tsan", best)]
    if nightly:
        # Most tests walk the targets themselves; a second run under the sanitizers is for those that take the default.
        if best != "scalar":
            stages += [Stage("asan", "scalar", ("-L", "^(exec|notation|tool|example)$")), Stage("tsan", "scalar")]
        stages.append(Stage("dev"))
        os.environ["BATCHDOT_NIGHTLY"] = "1"
        os.environ.setdefault("RC_PARAMS", "max_success=10000")

    runs = [("build, and the judges' packages", build_and_fetch_judges)]
    runs += [(stage.name(), functools.partial(run_preset, stage)) for stage in stages]
    runs.append(("judges", lambda: run_judges(sample=not nightly)))
    if nightly:
        runs.append(("fuzzing", lambda: run_script("scripts/fuzz.sh")))
        runs.append(("NEON under emulation", lambda: run_script("scripts/test_neon.sh")))
        runs.append(("Debian packages", lambda: run_script("scripts/make_deb.sh")))

    total, lines = Totals(), []
    for name, run in runs:
        print(f"\n== {name}", flush=True)
        start = time.monotonic()
        result = run()
        total.add(result)
        lines.append(f"{name}: {result.passed} passed, {result.failed} failed, {result.skipped} skipped"
                     f" ({time.monotonic() - start:.0f} s)")  # fmt: skip
    print("\n" + "\n".join(lines))
    if total.skipped:
        print(f"{total.skipped} SKIPPED: each says why in its output, build/test-reports")
    print(f"{total.passed} passed, {total.failed} failed")
    return 1 if total.failed else 0


if __name__ == "__main__":
    sys.exit(main())
