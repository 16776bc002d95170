# SPDX-License-Identifier: Apache-2.0
"""The benchmark: batchdot and other libraries side by side, in one run, on the same operands.

    run.py                                    everything, the better part of an hour
    run.py --only W1,W7 --peers openblas,mkl --quick --threads 1
    run.py --list

Each library has a process of its own. They share the memory of the operands and of the result, and take turns: a few
calls of one, a few of the next, round after round; who waits is stopped, its spinning threads too. Every result is judged
against one in higher precision. What the machine can do at most is measured before and after, the better of both counts.

Where two figures of a run contradict each other, all libraries of that row take their rounds again, which are added to
those they had; what still does not agree is named.
"""

import argparse
import contextlib
import json
import math
import os
import pathlib
import re
import select
import signal
import statistics
import subprocess
import sys
import time

import peers
import workloads

ROOT = pathlib.Path(__file__).resolve().parent.parent
SLOW = 1.6  # a peer that is so many times slower than the best one is measured twice and no more
LEAST_ROUNDS = 3  # of a run that is written into the results and the pages
AGREE = 1.15  # so many times another figure of the same problem, or of what more threads can gain, is no contradiction
AGAIN = 2  # times that rows which contradict each other are measured again
HOPELESS = 10  # one that is so many times slower is not run again after its way was found, nor judged


class Gone(Exception):
    """A worker ended, or says nothing any more."""


class Worker:
    """A process that computes with one library."""

    venv = None  # where the packages of PyPI lie

    def __init__(self, name, command, memory, size, threads, cpus):
        self.name = name
        self.process = subprocess.Popen(
            [*command, str(memory), str(size), *([str(threads)] if threads else [])], stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, pass_fds=[memory], text=True, bufsize=1,
            env=peers.environment_of(name, Worker.venv, threads), preexec_fn=lambda: os.sched_setaffinity(0, cpus))

    def ask(self, line, seconds=300):
        try:
            self.process.send_signal(signal.SIGCONT)
            self.process.stdin.write(line + "\n")
            self.process.stdin.flush()
            if not select.select([self.process.stdout], [], [], seconds)[0]:
                raise Gone(f"no answer in {seconds} s")
            answer = self.process.stdout.readline().strip()
        except (BrokenPipeError, ValueError) as error:
            raise Gone("ended") from error
        if not answer:
            raise Gone(f"ended with {self.process.wait()}")
        self.process.send_signal(signal.SIGSTOP)
        return answer

    def end(self):
        self.process.kill()
        self.process.wait()
        with contextlib.suppress(BrokenPipeError):
            self.process.stdin.close()
        self.process.stdout.close()


class Bounds:
    """What the machine can do at most with so many threads."""

    def __init__(self, measured, threads):
        self.peaks, self.memory, self.threads = measured["peaks"], measured["memory"], threads

    def rate(self, kind, working_set):
        """GB/s at this working set of all threads, between the measured ones by the logarithm."""
        size = math.log(working_set / self.threads)
        points = [(math.log(level["bytes"]), level[kind]) for level in self.memory]
        if size <= points[0][0]:
            return points[0][1]
        for (x0, y0), (x1, y1) in zip(points, points[1:]):
            if size <= x1:
                return y0 + (y1 - y0) * (size - x0) / (x1 - x0)
        return points[-1][1]

    def peak(self, dtype):
        """Gflop/s. Complex products are real ones; f16 is computed in f32, and bf16 too where its own instruction is
        slower than two ordinary ones; i8 by AMX where there is AMX; without a measured instruction None."""
        ways = {"complex64": ["f32"], "complex128": ["f64"], "f16": ["f32"], "bf16": ["bf16", "f32"], "i8": ["i8_amx", "i8"]}.get(dtype, [dtype])
        return max((self.peaks[way] for way in ways if way in self.peaks), default=None)

    def seconds(self, workload):
        """The least time that a call takes, and what bounds it."""
        read, written = workload.bytes()
        rates = {kind: self.rate(kind, read + written) * 1e9 for kind in ("read", "write", "mixed")}
        by_bytes = max(read / rates["read"], written / rates["write"], (read + written) / max(rates.values()))
        peak = self.peak(workload.dtype)
        by_flop = workload.flop / (peak * 1e9) if peak else 0
        return max(by_flop, by_bytes), "arithmetic" if by_flop > by_bytes else "bytes"


def better(measured, later):
    """Of two measurements of what the machine can do, the most of each."""
    return {"peaks": {way: max(rate, later["peaks"][way]) for way, rate in measured["peaks"].items()},
            "memory": [{key: max(level[key], other[key]) for key in level}
                       for level, other in zip(measured["memory"], later["memory"])]}


def our_program(options):
    return str(options.ours or options.build / "bench" / "bench_batchdot")


def judge_program(options):
    return str(options.build / "bench" / "bench_judge")


def workers_of(options, memory, size, threads, cpus):
    """ours first."""
    commands = {"batchdot": [our_program(options)]}
    for peer in peers.ALL:
        if peer.name in options.peers and (command := peers.command_of(peer, options.build, options.venv)):
            commands[peer.name] = command
    return {name: Worker(name, command, memory, size, threads, cpus) for name, command in commands.items()}


class Figure:
    """What one library reached."""

    def __init__(self, estimate, how):
        self.estimate, self.how, self.samples, self.wrong = estimate, how, [], None

    @property
    def seconds(self):
        return statistics.median(self.samples) if self.samples else self.estimate


def main_of(workload):
    """What a permuted workload is compared with, in turns: the same problem in its main order of axes. Else None."""
    if workload.group != "permuted":
        return None
    return next(main for main in workloads.MAIN if main.name == workload.name.split(".")[0])


def line_of(workload):
    lhs, rhs, _ = workload.shapes()
    return " ".join([workload.dtype, workload.equation, *(",".join(map(str, shape)) for shape in (lhs, rhs))])


def dismiss(workers, name):
    """Ends a worker that is gone, so that nobody asks it again."""
    workers.pop(name).end()


def measure(workload, workers, judge, options, notes):
    """{library: Figure} of one workload. A worker that has the name of a main workload computes that one instead."""
    figures = {}
    main = main_of(workload)
    for name, worker in list(workers.items()):
        try:
            answer = worker.ask("load " + line_of(main if main and name == main.name else workload))
            if not answer.startswith("ok "):
                notes.append(f"{workload.name}: {name}: {answer.removeprefix('no ')}")
                continue
            _, seconds, out_dtype, how = answer.split(" ", 3)
            figure = Figure(max(float(seconds), 1e-9), how)  # a call may be shorter than the clock's step
            best = min((other.estimate for peer, other in figures.items() if peer != "batchdot" and not other.wrong),
                       default=math.inf)
            is_judged = workload.name != "plan_4x4x4" and not (main and name == main.name)
            if is_judged and figure.estimate <= HOPELESS * best:
                judge.ask("spoil")
                worker.ask("run 1")
                worker.ask("store")
                verdict = judge.ask("check " + out_dtype)
                if not verdict.startswith("ok"):
                    figure.wrong = verdict
                    notes.append(f"{workload.name}: {name}: {verdict} ({how})")
            figures[name] = figure
        except Gone as error:
            notes.append(f"{workload.name}: {name}: {error}")
            dismiss(workers, name)
    best = min((figure.estimate for name, figure in figures.items() if name != "batchdot" and not figure.wrong), default=math.inf)
    for turn in range(options.rounds):
        for name, figure in figures.items():
            behind = figure.estimate / best
            if name not in workers or (name != "batchdot" and (behind > HOPELESS or (turn >= 2 and behind > SLOW))):
                continue
            once = max(figure.estimate, 1e-9)
            calls = max(1, int(options.seconds / once))
            try:
                if once < 0.2:
                    workers[name].ask(f"run {max(1, calls // 8)}")
                figure.samples.append(float(workers[name].ask(f"run {calls}")) / calls)
            except Gone as error:
                notes.append(f"{workload.name}: {name}: {error}")
                figure.wrong = str(error)
                dismiss(workers, name)
    return figures


def contradictions(figures):
    """{(workload, threads): why} of rows of which the run has other figures, too; figures: {(name, threads): {library: Figure}}."""
    found = {}

    def disagree(one, other, why):
        found.setdefault(one, why)
        found.setdefault(other, why)

    def ours(name, threads):
        figure = figures.get((name, threads), {}).get("batchdot")
        return figure.seconds if figure else None

    for (name, threads), row in figures.items():
        main, seconds = name.split(".")[0], ours(name, threads)
        if main in row and (of_main := ours(main, threads)) and (base := row[main].seconds):
            if not 1 / AGREE <= of_main / base <= AGREE:
                disagree((main, threads), (name, threads), f"{main} beside {name} took {base / of_main:.2f} times as long as in its own row")
        alone = ours(name, 1)
        if threads > 1 and seconds and alone and alone / seconds > AGREE * threads:
            disagree((name, 1), (name, threads), f"{threads} threads were {alone / seconds:.2f} times as fast as one")
    return found


def row_of(workload, threads, figures, bounds):
    ours = figures.get("batchdot")
    row = {"workload": workload.name, "group": workload.group, "dtype": workload.dtype, "equation": workload.equation,
           "shapes": workload.shapes(), "threads": threads, "gflops": None, "percent_of_bound": None, "bound": None,
           "best_peer": None, "ratio": None, "seconds": None, "peers": {}}
    bound, kind = bounds.seconds(workload)
    # What a library was faster than was no bound: the machine had more to give than when it was measured.
    bound = min([bound, *(figure.seconds for figure in figures.values() if not figure.wrong)])
    if workload.group != "call":
        row["bound"], row["bound_gflops"] = kind, round(workload.flop / bound * 1e-9, 2)
    for name, figure in figures.items():
        result = {"gflops": significant(workload.flop / figure.seconds * 1e-9), "seconds": significant(figure.seconds),
                  "how": figure.how}
        if figure.wrong:
            result["wrong"] = figure.wrong
        if workload.group != "call":
            result["percent_of_bound"] = round(100 * bound / figure.seconds, 1)
        if name == "batchdot":
            row.update({key: value for key, value in result.items() if key != "how"}, how=figure.how)
        else:
            row["peers"][name] = result
    right = {name: figure for name, figure in figures.items() if name != "batchdot" and not figure.wrong}
    if right:
        best = min(right, key=lambda name: right[name].seconds)
        row["best_peer"] = best
        if ours:
            row["ratio"] = round(right[best].seconds / ours.seconds, 3)
    return row


def significant(number, digits=4):
    return float(f"{number:.{digits}g}")


def table_line(row):
    if row["seconds"] is None:
        return f"{row['workload']:18} {row['threads']:2}   batchdot did not compute it"
    best = row["peers"].get(row["best_peer"], {})
    if row["group"] == "call":
        ours, theirs = f"{row['seconds'] * 1e9:8.1f} ns", f"{best['seconds'] * 1e9:8.1f} ns" if best else ""
        bound = ""
    else:
        ours, theirs = f"{row['gflops']:8.2f}", f"{best['gflops']:8.2f}" if best else ""
        bound = f"{row['percent_of_bound']:5.0f} % {row['bound'][:5]}"
    ratio = f"{row['ratio']:6.2f}" if row["ratio"] else ""
    wrong = "  WRONG" if row.get("wrong") else ""
    return f"{row['workload']:18} {row['threads']:2} {ours:>12} {bound:>13} {theirs:>12} {row['best_peer'] or '':14} {ratio}{wrong}"


HEADER = f"{'workload':18} th {'ours, Gflop/s':>12} {'of the bound':>12} {'best peer':>12} {'':14} ratio"


def means(rows):
    """Lines: geometric mean of the ratios over the main workloads, for each number of threads."""
    for threads in sorted({row["threads"] for row in rows}):
        ratios = [row["ratio"] for row in rows if row["threads"] == threads and row["group"] == "main" and row["ratio"]]
        if ratios:
            mean = math.exp(statistics.fmean(map(math.log, ratios)))
            meets = sum(1 for row in rows if row["threads"] == threads and row["group"] == "main" and row["ratio"]
                        and (row["ratio"] >= 1 or row["percent_of_bound"] >= 90))
            yield threads, mean, meets, len(ratios)


def cpu():
    """The name of the CPU, for people and for a file."""
    fields = dict(re.findall(r"^(vendor_id|model name|cpu family|model|stepping)\s*:\s*(.*)$",
                             pathlib.Path("/proc/cpuinfo").read_text(encoding="utf-8"), re.M))
    name = fields.get("model name", os.uname().machine)
    file = re.sub(r"[^a-z0-9]+", "-", re.sub(r"\((r|tm)\)|@.*", "", name.lower())).strip("-")
    if "model" in fields:
        file += f"-{fields['cpu family']}-{fields['model']}"
        name += f", family {fields['cpu family']}, model {fields['model']}"
    return name, file


def set_up(options):
    """Builds our programs and those of the peers, and makes the Python environment. Debian packages are make's."""
    if not (options.venv / "bin/python").exists():
        subprocess.run([sys.executable, "-m", "venv", options.venv], check=True)
    has = {path.name.split("-")[0] for path in options.venv.glob("lib/python3*/site-packages/*.dist-info")}
    missing = [package for package in peers.packages(options) if peers.in_dist_info(package) not in has]
    if missing:
        print("installing from PyPI:", *missing, flush=True)
        for package in missing:
            command = [options.venv / "bin/pip", "install", "--quiet", "--disable-pip-version-check", package]
            if subprocess.run(command, check=False).returncode:
                print(f"{package} cannot be installed here; the run goes without it")
    build, programs = options.build, options.build / "bench/peers"
    subprocess.run(["cmake", "--build", build, "--target", "bench_batchdot", "bench_judge"], check=True,
                   stdout=subprocess.DEVNULL)
    subprocess.run(["cmake", "-S", ROOT / "bench/peers", "-B", programs, "-G", "Ninja", "-DCMAKE_CXX_COMPILER=clang++",
                    f"-DBATCHDOT_BUILD={build}", f"-DVENV={options.venv}"], check=True, stdout=subprocess.DEVNULL)
    if subprocess.run(["cmake", "--build", programs, "--", "-k", "0"], check=False, stdout=subprocess.DEVNULL).returncode:
        print("some of the peers' programs cannot be built here; the run goes without them")


def threads_of(text):
    words = text.split(",")
    if not all(word == "all" or (word.isdecimal() and int(word) > 0) for word in words):
        raise argparse.ArgumentTypeError(f"numbers from 1 on, or 'all': {text}")
    return words


def cpus_of(text):
    words = text.split(",")
    allowed = os.sched_getaffinity(0)
    if not all(word.isdecimal() and int(word) in allowed for word in words):
        raise argparse.ArgumentTypeError(f"not all of {text} are allowed here; these are: {', '.join(map(str, sorted(allowed)))}")
    return sorted(set(map(int, words)))


def need(*programs):
    """Ends with what to do if one of them is not there."""
    for program in programs:
        if not pathlib.Path(program).exists():
            sys.exit(f"{program} is not there: make bench builds it")


def parse():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", metavar="W1,W7", help="workloads whose names begin so, up to a '_' or '.'; or groups")
    parser.add_argument("--peers", metavar="A,B", help=f"of {', '.join(peers.NAMES)}; 'none' for none")
    parser.add_argument("--threads", type=threads_of, default="1,all", metavar="1,all")
    parser.add_argument("--quick", action="store_true", help="3 short rounds instead of 9")
    parser.add_argument("--rounds", type=int, help=f"with fewer than {LEAST_ROUNDS} the pages stay as they are")
    parser.add_argument("--cpu-time", action="store_true",
                        help="processor time in place of time, with one thread: for cores that other work shares")
    parser.add_argument("--setup", action="store_true", help="build and install what is missing first")
    parser.add_argument("--torch", action="store_true", help="PyTorch too (the wheel brings several GB)")
    parser.add_argument("--all", action="store_true", help="PyTorch, JAX and TensorFlow too")
    parser.add_argument("--cpus", type=cpus_of, default=sorted(os.sched_getaffinity(0)), metavar="0,1",
                        help="CPUs to use; one thread takes the last (default: all that are allowed)")
    parser.add_argument("--build", type=pathlib.Path, default=ROOT / "build", help="build folder of batchdot")
    parser.add_argument("--ours", type=pathlib.Path, help="another program in place of bench_batchdot")
    parser.add_argument("--venv", type=pathlib.Path)
    parser.add_argument("--output", type=pathlib.Path, help="JSON (default: bench/results/CPU.json for a complete run)")
    parser.add_argument("--verbose", action="store_true", help="all peers, how each computes, and who could not")
    parser.add_argument("--list", action="store_true", help="print the workloads and end")
    options = parser.parse_args()
    is_narrowed = (options.only or options.peers or options.quick or options.ours or options.cpu_time
                   or options.threads != threads_of("1,all"))
    if options.cpu_time:
        if options.threads not in (["1"], threads_of("1,all")):
            parser.error("--cpu-time is of one thread: leave --threads out")
        options.threads = ["1"]
    if options.output and (options.output.is_dir() or not options.output.absolute().parent.is_dir()):
        parser.error(f"--output is a file in a folder that is there: {options.output}")
    if options.rounds is None:
        options.rounds = 3 if options.quick else 9
    elif options.rounds < 1:
        parser.error("at least one round")
    options.is_complete = not is_narrowed and options.rounds >= LEAST_ROUNDS
    options.build = options.build.resolve()
    options.venv = (options.venv or options.build / "bench/venv").absolute()
    options.peers = peers.NAMES if not options.peers else [] if options.peers == "none" else options.peers.split(",")
    unknown = set(options.peers) - set(peers.NAMES)
    if unknown:
        parser.error(f"no such peer: {', '.join(sorted(unknown))}; there are {', '.join(peers.NAMES)}")
    options.seconds = 0.015 if options.quick else 0.04
    return options


def chosen(only):
    if only is None:
        return workloads.ALL
    words = only.split(",")

    def is_asked(workload):
        return any(workload.name == word or workload.group == word or re.match(re.escape(word) + r"(_\d|[a-z]$)", workload.name)
                   for word in words)
    found = [workload for workload in workloads.ALL if is_asked(workload)]
    if not found:
        sys.exit(f"no such workload: {only}; --list names them")
    return found


class Run:
    """One run: the memory that all share, the judge, a crew of workers for each number of threads, and what came out."""

    def __init__(self, options, asked):
        self.options, self.asked = options, asked
        self.cpus = options.cpus
        self.numbers = sorted({len(self.cpus) if word == "all" else int(word) for word in options.threads})
        if self.numbers[-1] > len(self.cpus):
            print(f"{self.numbers[-1]} threads on {len(self.cpus)} CPU(s): they share them")
        # Never more than a table's worth of memory: the largest workload, and what the judge keeps besides.
        self.size = max(sum(workload.bytes()) * (2 if workload.group == "narrow" else 1) for workload in asked) + (1 << 20)
        self.memory = os.memfd_create("bench")
        os.truncate(self.memory, self.size)
        Worker.venv = options.venv
        self.judge = Worker("judge", [judge_program(options)], self.memory, self.size, 0, set(self.cpus))
        self.crews, self.bounds, self.rows, self.notes = {}, {}, [], []
        self.figures, self.again, self.disagree = {}, [], {}
        self.began, self.ended_early = time.monotonic(), False

    def measure_all(self):
        """Whatever ends it early: what was measured is kept, and the processes end."""
        try:
            for threads in self.numbers:
                self.measure_bounds(threads)
                self.start_crew(threads)
            missing = [peer for peer in self.options.peers if peer not in self.crews[self.numbers[0]]]
            if missing:
                print("not here:", ", ".join(missing), "(--setup builds and installs what is missing)")
            print("\n" + HEADER, flush=True)
            for workload in self.asked:
                self.measure_workload(workload, self.numbers if workload.group != "call" else self.numbers[:1])
            self.measure_again()
            print()
            for threads in self.numbers:
                self.measure_bounds(threads)
        except (KeyboardInterrupt, Exception) as error:
            self.ended_early = True
            self.notes.append(f"ended early: {type(error).__name__} {error}")
            print("\n" + self.notes[-1])
        finally:
            for crew in self.crews.values():
                end_all(crew)
            self.judge.end()
        self.rows = [self.row(workload, threads) for workload in self.asked for threads in self.numbers
                     if (workload.name, threads) in self.figures]

    def measure_workload(self, workload, numbers):
        os.sched_setaffinity(self.judge.process.pid, set(self.cpus))
        if (answer := self.judge.ask("fill " + line_of(workload))) != "ok":
            raise RuntimeError(f"judge: {answer}")
        for threads in numbers:
            self.measure_row(workload, threads)

    def measure_again(self):
        """Rows that contradict each other, all libraries of a row alike."""
        for _ in range(AGAIN):
            found = contradictions(self.figures)
            for workload in self.asked:
                numbers = [threads for name, threads in found if name == workload.name]
                if numbers:
                    print(f"again: {workload.name}: {found[workload.name, numbers[0]]}")
                    self.measure_workload(workload, sorted(numbers))
                    self.again += [f"{workload.name}, {threads} thread(s)" for threads in sorted(numbers)]
        self.disagree = {f"{name}, {threads} thread(s)": why for (name, threads), why in contradictions(self.figures).items()}
        for row, why in self.disagree.items():
            print(f"not at one: {row}: {why}")

    def row(self, workload, threads):
        return row_of(workload, threads, self.figures[workload.name, threads], Bounds(self.bounds[threads], threads))

    def cpus_of(self, threads):
        return {self.cpus[-1]} if threads == 1 else set(self.cpus)

    def measure_bounds(self, threads):
        os.sched_setaffinity(self.judge.process.pid, self.cpus_of(threads))
        measured = json.loads(self.judge.ask(f"bound {threads}{' cpu-time' if self.options.cpu_time else ''}"))
        self.bounds[threads] = measured = better(self.bounds.get(threads, measured), measured)
        print(f"the most that {threads} thread(s) can do:", ", ".join(f"{k} {v:.0f}" for k, v in measured["peaks"].items()), "Gflop/s")
        for level in measured["memory"]:
            print(f"    {level['bytes'] >> 10:7} KiB a thread: read {level['read']:6.1f}, write {level['write']:6.1f}, "
                  f"copy {level['mixed']:6.1f} GB/s")

    def start_crew(self, threads):
        self.crews[threads] = workers_of(self.options, self.memory, self.size, threads, self.cpus_of(threads))
        self.tell_clock(self.crews[threads])

    def tell_clock(self, crew):
        for worker in crew.values() if self.options.cpu_time else ():
            worker.ask("cpu-time")

    def one_more(self, threads, *words):
        """A process of ours for one row alone."""
        command = [our_program(self.options), *words]
        return Worker("batchdot", command, self.memory, self.size, threads, self.cpus_of(threads))

    def measure_row(self, workload, threads):
        crew, extra = self.crews[threads], {}
        if mode := workloads.OUR_MODES.get(workload.name):
            crew = extra = {"batchdot": self.one_more(threads, mode)}
        elif main := main_of(workload):
            extra = {main.name: self.one_more(threads)}
            crew = {"batchdot": crew["batchdot"], **extra}
        try:
            self.tell_clock(extra)
            figures = measure(workload, crew, self.judge, self.options, self.notes)
        finally:
            end_all(extra)
        before = self.figures.setdefault((workload.name, threads), figures)
        if before is not figures:
            for name, figure in figures.items():
                if name not in before or "wrong" in (figure.wrong or ""):
                    before[name] = figure
                elif not figure.wrong:  # one that ended keeps what it had
                    before[name].samples += figure.samples
        row = self.row(workload, threads)
        print(table_line(row), flush=True)
        if self.options.verbose:
            print_peers(row)
        if "batchdot" not in crew:
            raise RuntimeError("batchdot is gone: " + self.notes[-1])

    def document(self, name, summary):
        return {"cpu": name, "cpus": len(self.cpus), "libraries": peers.versions(self.options.venv),
                "rounds": self.options.rounds, "seconds": round(time.monotonic() - self.began), "bounds": self.bounds,
                "summary": summary, "measured_again": self.again, "not_at_one": self.disagree, "rows": self.rows,
                "notes": self.notes}


def end_all(crew):
    for worker in crew.values():
        worker.end()


def print_peers(row):
    print(f"    {'batchdot':14} {row.get('how')}")
    for peer, result in sorted(row["peers"].items(), key=lambda item: item[1]["seconds"]):
        wrong = "  WRONG" if "wrong" in result else ""
        print(f"    {peer:14} {result['gflops']:9.2f}  {result.get('how', '')}{wrong}")


def print_workloads(asked):
    for workload in asked:
        print(f"{workload.name:18} {workload.group:9} {workload.dtype:10} {workload.equation:20} "
              f"{' x '.join(map(str, workload.shapes()[:2]))}")


def summarize(rows):
    """Prints the means and gives them as data."""
    summary = []
    for threads, mean, meets, count in means(rows):
        summary.append({"threads": threads, "geometric_mean": round(mean, 3), "workloads": count, "meeting_goal": meets})
        print(f"{threads} thread(s): geometric mean against the best peer {mean:.2f}; {meets} of {count} at least as fast "
              "as it or at 90 % of the bound")
    return summary


def write(document, output, in_pages):
    output.parent.mkdir(parents=True, exist_ok=True)
    output.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    if in_pages:
        subprocess.run([sys.executable, ROOT / "bench/plot.py", output, ROOT / "docs/performance.svg"], check=True)
        subprocess.run([sys.executable, ROOT / "bench/table.py", output, ROOT / "README.md", ROOT / "docs/performance.md"],
                       check=True)
    print("written:", output.relative_to(ROOT) if output.is_relative_to(ROOT) else output)


def main():
    options = parse()
    asked = chosen(options.only)
    if options.list:
        print_workloads(asked)
        return 0
    if options.setup:
        set_up(options)
    need(our_program(options), judge_program(options))
    name, file = cpu()
    run = Run(options, asked)
    print(f"{name}, {len(run.cpus)} CPUs")
    run.measure_all()
    print()
    summary = summarize(run.rows)
    if options.verbose:
        print("\n".join(run.notes))
    wrong = [note for note in run.notes if "batchdot: wrong" in note]
    print("\n".join(wrong))
    is_complete = options.is_complete and not run.ended_early
    output = options.output or (ROOT / "bench/results" / f"{file}.json" if is_complete
                                else options.build / "bench/last.json")
    write(run.document(name, summary), output, is_complete)
    return 1 if wrong or run.ended_early else 0


if __name__ == "__main__":
    sys.exit(main())
