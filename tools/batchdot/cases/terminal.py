#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What takes a terminal or a running process to see: answers that come before more is asked, progress, Ctrl-C, colour.

Usage: terminal.py TOOL
"""

import os
import pathlib
import pty
import re
import select
import signal
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
PATIENCE_SECONDS = 60  # for a machine that is busy; nothing here is measured


def read_line(stream):
    line = b""
    while not line.endswith(b"\n"):
        ready, _, _ = select.select([stream], [], [], PATIENCE_SECONDS)
        assert ready, f"no answer within {PATIENCE_SECONDS} s, so far {line!r}"
        part = os.read(stream.fileno(), 1)
        assert part, f"the output ends after {line!r}"
        line += part
    return line


def check_lines_are_flushed(tool):
    with subprocess.Popen([tool, "shape", "--lines"], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        for extent in range(3):
            problem = f'{{"operation":"dot","shapes":[[{extent},3],[3,5]]}}\n'.encode()
            process.stdin.write(problem[:10])  # in two pieces
            process.stdin.flush()
            process.stdin.write(problem[10:])
            process.stdin.flush()
            assert read_line(process.stdout) == f'{{"shape": [{extent}, 5]}}\n'.encode()
        process.stdin.close()
        assert process.wait(PATIENCE_SECONDS) == 0


def on_terminal(command, folder, environment=None, until=None, then=None):
    """(what the command writes to a terminal on stderr, its exit code); calls then(process) once `until` is seen."""
    reader, writer = pty.openpty()
    process = subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL, stderr=writer,
                               env=environment or dict(os.environ, TERM="xterm"))
    os.close(writer)
    text = b""
    end = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < end:
        ready, _, _ = select.select([reader], [], [], 1)
        if ready:
            try:
                part = os.read(reader, 4096)
            except OSError:  # the other end is closed
                break
            if not part:
                break
            text += part
        if until is not None and until in text:
            until = None
            then(process)
    os.close(reader)
    return text.decode(), process.wait(PATIENCE_SECONDS)


def check_colour(tool, folder):
    refused = [tool, "shape", "dot", "3,5", "7,11"]
    plain = {key: value for key, value in os.environ.items() if key != "NO_COLOR"}
    text, code = on_terminal(refused, folder, dict(plain, TERM="xterm"))
    assert "\033[" in text and code == 4, text
    text, code = on_terminal(refused, folder, dict(plain, TERM="xterm", NO_COLOR="1"))
    assert "\033[" not in text and code == 4, text


def check_interrupt(tool, folder):
    """A run of minutes is stopped once it has shown its progress."""
    # 4096 x 4096 in the scalar target takes far longer than the test waits for anything.
    environment = dict(os.environ, TERM="xterm", BATCHDOT_TARGET="scalar")
    command = [tool, "run", "einsum", "ij,jk,kl=il", "big.npy", "big.npy", "big.npy", "-o", "out.npy", "--threads", "1"]
    text, code = on_terminal(command, folder, environment, b"left", lambda p: p.send_signal(signal.SIGINT))
    assert code == 130, (code, text)
    assert " %" in text and "INTERRUPTED" in text, text
    assert sorted(path.name for path in folder.iterdir()) == ["big.npy"], list(folder.iterdir())


def check_interrupted_reader(tool):
    with subprocess.Popen([tool, "shape", "--lines"], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        process.stdin.write(b'{"operation":"dot","shapes":[[2],[2]]}\n')
        process.stdin.flush()
        read_line(process.stdout)
        process.send_signal(signal.SIGINT)
        assert process.wait(PATIENCE_SECONDS) == 130


def check_interrupted_bench(tool):
    """A measurement of minutes says so beforehand, unless it is to be quiet, and that it was stopped, to people and as JSON."""
    environment = dict(os.environ, BATCHDOT_TARGET="scalar")
    command = [tool, "bench", "matmul", "4096,4096", "4096,4096", "--threads", "1", "--json"]
    for quiet in [], ["--quiet"]:
        with subprocess.Popen([*command, *quiet], env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
            if not quiet:
                said = read_line(process.stderr)
                assert re.fullmatch(rb"bench: may take 2[0-9.]+ min: 1[0-9.]+ min a run, and one that warms up\n", said), said
            end = time.monotonic() + PATIENCE_SECONDS
            while time.monotonic() < end and seconds_spent(process.pid) < 0.5:  # by then it measures
                time.sleep(0.05)
            process.send_signal(signal.SIGINT)
            out, told = process.communicate(timeout=PATIENCE_SECONDS)
        assert process.returncode == 130, (process.returncode, out, told)
        assert out == b'{"error": {"code": "INTERRUPTED", "message": "bench: interrupted"}}\n', out
        assert told == b"error: bench: interrupted (INTERRUPTED)\n", told


def seconds_spent(pid):
    """Of the CPU, by a process and all its threads."""
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def main():
    tool = str(pathlib.Path(sys.argv[1]).resolve())
    check_lines_are_flushed(tool)
    check_interrupted_reader(tool)
    check_interrupted_bench(tool)
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        try:
            for end in pty.openpty():
                os.close(end)
        except OSError as error:
            print(f"SKIPPED: this machine gives no terminal: {error}")
            sys.exit(77)
        check_colour(tool, folder)
        subprocess.run([HERE / "array.py", "ramp", folder / "big.npy", "<f4", "2048,2048"], check=True)
        check_interrupt(tool, folder)
    print("terminal: answers are flushed, progress is shown, Ctrl-C leaves nothing behind")


if __name__ == "__main__":
    main()
