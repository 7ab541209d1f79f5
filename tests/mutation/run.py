"""Mutation testing of the mathematics: which small changes of the source do the tests notice?

    python tests/mutation/run.py --out runs/mutation --sample 3000 --seed 20

One process for each room collects the tests, and measures once which of them execute which line. For each mutant it forks a
child, which replaces the code of the changed function and runs the tests of that line, the quickest of each file first, until
one fails. What acts only while modules are imported (a default, a constant) is run in a child that has not imported
Pellucid; so is a mutant that survived, if its line is executed during the import too.

Results are appended to OUT/results.jsonl, one line for each mutant; a mutant with a result is not run again, so that a campaign
goes on where it ended. First ``--quick``, then ``--survivors`` is the fastest way. The sample is drawn over all mutants of the
rooms, in an order that the seed decides: a larger sample with the same seed contains the smaller one.
``survivors.toml`` lists the mutants that no test can notice, each with the reason; ``--report`` counts them apart.
"""

from __future__ import annotations

import argparse
import ctypes
import dataclasses
import functools
import gc
import hashlib
import importlib.machinery
import json
import math
import mmap
import os
import pickle
import resource
import shutil
import signal
import struct
import sys
import threading
import time
import tomllib
import types
from collections import defaultdict
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, NoReturn

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from mutants import Mutant, code_objects, mutants_of, mutated

ROOT = Path(__file__).resolve().parents[2]
LISTED = Path(__file__).with_name("survivors.toml")

# The folders of a room's sources are mutated; the tests on the right are those that may notice it: the room's own first.
DEFAULTS = "tests/core/test_defaults.py"
_USERS = ["tests/training", "tests/networks", "tests/model"]
ROOMS = {
    "layers": ["tests/layers", "tests/networks", "tests/kernels/test_kernel_pairs.py", "tests/model", DEFAULTS],
    "losses": ["tests/losses", *_USERS, DEFAULTS],
    "metrics": ["tests/metrics", *_USERS, DEFAULTS],
    "optim": ["tests/optim", *_USERS, DEFAULTS],
    "training": ["tests/training", "tests/networks", "tests/model"],
    "kernels/reference": [
        "tests/kernels/test_reference_kernels.py",
        "tests/kernels/test_kernel_pairs.py",
        "tests/kernels/test_hostile_values.py",
        "tests/layers",
        "tests/losses",
        "tests/metrics",
        "tests/optim",
    ],
}
SHOWN = {("training", "evaluation.py"), ("training", "progress.py")}  # what notebooks and terminals show: not mutated
PER_TEST_LIMIT = (10.0, 20.0)  # seconds, and multiples of the test's duration: a mutant that takes longer counts as killed
MEMORY = 6 << 30  # bytes of address space that a child may add: a mutant that asks for more fails
SLOW = 3.0  # seconds: tests that take longer are left out
KILLED, SURVIVED, TIMEOUT, UNCOVERED = "killed", "survived", "timeout", "uncovered"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--out", type=Path, default=ROOT / "runs/mutation", help="folder of results")
    parser.add_argument("--room", action="append", choices=ROOMS, help="one or more rooms (all)")
    parser.add_argument("--file", action="append", default=[], help="only files whose path contains this text")
    parser.add_argument("--not-file", action="append", default=[], help="no files whose path contains this text")
    parser.add_argument("--sample", type=int, help="how many mutants, drawn over all rooms (all of them)")
    parser.add_argument("--seed", type=int, default=20, help="decides the order of the sample")
    parser.add_argument("--only", action="append", default=[], help="only these mutants, by name, even those with a result")
    parser.add_argument("--survivors", action="store_true", help="only the mutants that survived before and have no reason")
    parser.add_argument("--quick", action="store_true", help="only the room's own tests; then run --survivors with all of them")
    parser.add_argument("--jobs", type=int, default=2, help="children at the same time")
    parser.add_argument("--budget", type=float, default=25, help="seconds of tests that one mutant gets at most")
    parser.add_argument("--minutes", type=float, default=math.inf, help="start no mutant after this time")
    parser.add_argument("--report", action="store_true", help="print the figures of OUT/results.jsonl and the survivors")
    parser.add_argument("--list", action="store_true", help="print the mutants")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    if options.report:
        return report(options.out / "results.jsonl")
    rooms = options.room or list(ROOMS)
    everything = [(room, mutant) for room in ROOMS for mutant in mutants_in(room)]
    order = sorted(everything, key=lambda item: hashlib.sha256(f"{options.seed} {item[1].key}".encode()).digest())
    done = results(options.out / "results.jsonl")
    if options.only:
        chosen = [item for item in order if item[1].name in options.only]
    elif options.survivors:
        reasons = listed()
        alive = {key for key, line in done.items() if line["outcome"] in (SURVIVED, UNCOVERED) and key not in reasons}
        chosen = [item for item in order if item[1].key in alive]
    else:
        chosen = [item for item in order[: options.sample] if item[1].key not in done]
    chosen = [item for item in chosen if item[0] in rooms and not any(part in item[1].file for part in options.not_file)]
    chosen = [item for item in chosen if not options.file or any(part in item[1].file for part in options.file)]
    print(f"{len(everything)} mutants, {len(chosen)} to run", flush=True)
    if options.list:
        for _, mutant in sorted(chosen, key=lambda item: (item[1].file, item[1].line)):
            print(f"{mutant.name} {mutant.file}:{mutant.line} {mutant.function}: {mutant.before} -> {mutant.after}")
        return 0
    end = time.monotonic() + 60 * options.minutes
    by_room = {room: [mutant for its, mutant in chosen if its == room] for room in rooms}
    for room, mutants in by_room.items():
        if not mutants:
            continue
        child = os.fork()  # a process for each room: each has its own tests
        if child == 0:
            os._exit(Campaign(room, mutants, options, end).run())
        os.waitpid(child, 0)
    return report(options.out / "results.jsonl")


def mutants_in(room: str) -> Iterable[Mutant]:
    for path in sorted((ROOT / "src/pellucid" / room).glob("*.py")):
        if path.name != "__init__.py" and (path.parent.name, path.name) not in SHOWN:
            yield from mutants_of(ROOT, str(path.relative_to(ROOT)))


def results(path: Path) -> dict[str, dict[str, Any]]:
    """Return the last result of each mutant, by key."""
    if not path.exists():
        return {}
    return {line["key"]: line for line in map(json.loads, path.read_text().splitlines())}


def listed() -> dict[str, str]:
    """Return the reasons of the mutants that no test can notice, by key."""
    if not LISTED.exists():
        return {}
    return {key: reason["reason"] for reason in tomllib.loads(LISTED.read_text())["reasons"] for key in reason["mutants"]}


def report(path: Path) -> int:
    """Print a table of rooms, and the survivors that are not listed."""
    reasons, known = listed(), {mutant.key: room for room in ROOMS for mutant in mutants_in(room)}
    done = [line for line in results(path).values() if line["key"] in known]
    print("| room | mutants | run | killed | survived | of these equivalent | kill rate | without equivalents |")
    print("|---|---|---|---|---|---|---|---|")
    rows = []
    for room in ROOMS:
        lines = [line for line in done if known[line["key"]] == room]
        alive = [line for line in lines if line["outcome"] in (SURVIVED, UNCOVERED)]
        equivalent = sum(line["key"] in reasons for line in alive)
        rows.append((room, sum(its == room for its in known.values()), len(lines), len(alive), equivalent))
    rows.append(("all", *(sum(numbers) for numbers in list(zip(*rows, strict=True))[1:])))  # type: ignore[arg-type]
    for i, (room, total, n, alive_count, equivalent) in enumerate(rows):
        parts = rows[:-1] if i == len(rows) - 1 else [rows[i]]
        rates = " | ".join(interval([(t, m - leave * e, m - a) for _, t, m, a, e in parts]) for leave in (0, 1))
        print(f"| `{room}` | {total:,} | {n:,} | {n - alive_count:,} | {alive_count} | {equivalent} | {rates} |")
    for line in sorted(done, key=lambda line: (line["file"], line["line"])):
        if line["outcome"] in (SURVIVED, UNCOVERED) and line["key"] not in reasons:
            change = f"{line['function']}: {line['before']} -> {line['after']}"
            print(f"{line['name']} {line['outcome']} {line['file']}:{line['line']} {change}")
    stale = set(reasons) - set(known)
    if stale:
        print(f"{len(stale)} entries of {LISTED.name} match no mutant:", *sorted(stale), sep="\n  ")
    return 0


def interval(parts: list[tuple[int, int, int]]) -> str:
    """The kill rate of rooms (mutants, run, killed), each with the share of its mutants, and its 95 % interval.

    The interval of one room is Agresti and Coull's (1998), with the correction for a finite population; none where 95 % were
    run. Those of several rooms are combined as by Zou and Donner (2008): the squared distances of rate and limit are added.
    """
    parts = [(total, n, killed) for total, n, killed in parts if n]
    everything = sum(total for total, _, _ in parts)
    if not everything:
        return "–"
    rate = below = above = 0.0
    for total, n, killed in parts:
        share, smoothed = total / everything, (killed + 2) / (n + 4)
        rate += share * killed / n
        if n < 0.95 * total:
            half = 1.96 * math.sqrt(smoothed * (1 - smoothed) / (n + 4) * (1 - n / total))
            below += (share * (killed / n - (smoothed - half))) ** 2
            above += (share * (min(smoothed + half, 1) - killed / n)) ** 2
    if not below:
        return f"{100 * rate:.1f} %"
    return f"{100 * rate:.1f} % ({100 * (rate - math.sqrt(below)):.1f}–{100 * (rate + math.sqrt(above)):.1f})"


class Lines:
    """Which lines of the mutated files the present test executes. Without a test: during the import of the modules."""

    def __init__(self, files: Iterable[str]) -> None:
        self.files = {str(ROOT / file): file for file in files}
        self.seen: set[tuple[str, int]] = set()

    def start(self) -> None:
        threading.settrace(self._call)
        sys.settrace(self._call)

    def stop(self) -> None:
        threading.settrace(None)  # type: ignore[arg-type]
        sys.settrace(None)

    def take(self) -> set[tuple[str, int]]:
        seen, self.seen = self.seen, set()
        return seen

    def _call(self, frame: types.FrameType, event: str, argument: object) -> Any:
        if frame.f_code.co_filename not in self.files:
            return None
        return self._line(frame, event, argument)

    def _line(self, frame: types.FrameType, event: str, argument: object) -> Any:
        self.seen.add((self.files[frame.f_code.co_filename], frame.f_lineno))
        return self._line


class Reports:
    """A plugin of pytest that remembers a failure, or ends the process at the first one."""

    def __init__(self) -> None:
        self.failed = False
        self.exit_at_failure = False

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed:
            self.failed = True
            if self.exit_at_failure:
                os._exit(1)

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if report.failed and self.exit_at_failure:
            os._exit(1)


@dataclasses.dataclass
class Measured:
    """What the tests of a room execute, by the number of the test."""

    names: list[str]
    seconds: list[float]
    good: list[bool]
    tests_of: dict[tuple[str, int], list[int]]
    imported: set[tuple[str, int]]


class Campaign:
    """The mutants of one room."""

    def __init__(self, room: str, mutants: list[Mutant], options: argparse.Namespace, end: float) -> None:
        self.room, self.mutants, self.options, self.end = room, mutants, options, end
        self.files = sorted({mutant.file for mutant in mutants_in(room)})
        self.own = f"tests/{room.partition('/')[0]}/", DEFAULTS
        self.lines = Lines(self.files)
        self.reports = Reports()
        self.items: list[pytest.Item] = []
        self.killers: dict[str, list[int]] = defaultdict(list)
        self.functions: dict[tuple[str, str, int], list[types.FunctionType]] = {}
        self.caches: list[Any] = []
        self.checked: set[int] = set()
        self.log = (options.out / "results.jsonl").open("a")

    def run(self) -> int:
        os.environ.setdefault("PELLUCID_KERNELS", "reference")
        for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
            os.environ.setdefault(name, "1")
        os.chdir(ROOT)
        sys.path[:0] = [str(ROOT / "src"), str(ROOT)]
        import hypothesis
        import numba  # noqa: F401
        import numpy  # noqa: F401
        import scipy.signal
        import scipy.special
        import scipy.stats  # noqa: F401
        import sklearn.metrics  # noqa: F401

        if any(name.partition(".")[0] == "pellucid" for name in sys.modules):
            raise SystemExit("pellucid is imported before the campaign")
        hypothesis.settings.register_profile("mutation", deadline=None, database=None, derandomize=True)
        hypothesis.settings.load_profile("mutation")
        self.cold = ColdServer(self.options.out / f"tmp-{self.room.replace('/', '-')}")
        self.lines.start()
        tests = [test for test in ROOMS[self.room] if not self.options.quick or f"{test}/".startswith(self.own)]
        return int(pytest.main(self._arguments(tests), plugins=[self, self.reports]))

    def _arguments(self, tests: list[str]) -> list[str]:
        return pytest_arguments(tests, self.options.out / f"tmp-{self.room.replace('/', '-')}")

    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        imported = self.lines.take()
        self.items = session.items
        self.measured = self._measured(imported)
        self.lines.stop()
        good = sum(self.measured.good)
        print(f"{self.room}: {len(self.mutants)} mutants, {good} of {len(self.items)} tests", flush=True)
        functions: dict[tuple[str, str, int], list[types.FunctionType]] = defaultdict(list)
        caches = []
        for thing in gc.get_objects():
            if isinstance(thing, types.FunctionType) and thing.__code__.co_filename in self.lines.files:
                functions[_place(thing.__code__)].append(thing)
            elif isinstance(thing, functools._lru_cache_wrapper) and "pellucid" in (thing.__module__ or ""):
                caches.append(thing)
        self.functions, self.caches = functions, caches
        gc.collect()
        gc.freeze()
        self._work()
        return True

    # Measuring

    def _measured(self, imported: set[tuple[str, int]]) -> Measured:
        """Measure the tests that are new, or whose file changed, since the last time; all, if the room's files changed."""
        path = self.options.out / f"measured-{self.room.replace('/', '-')}.pickle"
        sources = digest_of(self.files)
        digests = {name: digest_of([name]) for name in {item.nodeid.partition("::")[0] for item in self.items}}
        old: dict[str, tuple[str, float, bool, set[tuple[str, int]]]] = {}
        if path.exists():
            was, stored = pickle.loads(path.read_bytes())
            old = stored if was == sources else {}
        new = {}
        for number, item in enumerate(self.items):
            digest = digests[item.nodeid.partition("::")[0]]
            if item.nodeid in old and old[item.nodeid][0] == digest:
                new[item.nodeid] = old[item.nodeid]
                continue
            self.reports.failed = False
            self.lines.start()
            start = time.process_time()  # of the processor: the machine may be busy
            run_item(item)
            seconds = time.process_time() - start
            self.lines.stop()
            new[item.nodeid] = digest, seconds, not self.reports.failed and seconds < SLOW, self.lines.take()
            if number % 500 == 0:
                print(f"{self.room}: measured {number} of {len(self.items)} tests", flush=True)
        tests_of: dict[tuple[str, int], list[int]] = defaultdict(list)
        for number, item in enumerate(self.items):
            for place in new[item.nodeid][3]:
                tests_of[place].append(number)
        names = [item.nodeid for item in self.items]
        measured = Measured(names, [new[n][1] for n in names], [new[n][2] for n in names], dict(tests_of), imported)
        path.write_bytes(pickle.dumps((sources, old | new)))
        return measured

    def _passes_without_a_change(self, number: int) -> bool:
        """Run a test that has killed a mutant in a child without any change. One that fails there is left out from then on."""
        if number not in self.checked:
            progress = Progress()
            child = self._fork(None, [number], progress)
            while (outcome := self._poll(child, progress, [number])) is None:
                time.sleep(0.005)
            self.checked.add(number)
            if outcome[0] != SURVIVED:
                print("left out, since it fails in a child without a change:", self.measured.names[number], flush=True)
                self.measured.good[number] = False
        return self.measured.good[number]

    def _tests_for(self, mutant: Mutant) -> list[int]:
        """The tests of the mutant's lines: those that killed its neighbours, then the quickest of each file in turn."""
        measured, path = self.measured, mutant.file
        first, last = mutant.lines if mutant.in_function else mutant.owner_lines
        last = min(last, first + 2000)
        found = {n for line in range(first, last + 1) for n in measured.tests_of.get((path, line), ())}
        if not mutant.in_function and not found:
            found = {n for place, numbers in measured.tests_of.items() if place[0] == path for n in numbers}
        if not mutant.in_function:  # its effect may be in the values of a parametrized test
            found |= {n for n, name in enumerate(measured.names) if name.startswith(self.own)}
        found = {n for n in found if measured.good[n]}
        ranks: dict[str, int] = defaultdict(int)
        order = []
        for number in sorted(found, key=lambda n: measured.seconds[n]):
            name = (
                measured.names[number].partition("::")[0] if self.room != "layers" else measured.names[number].partition("[")[0]
            )
            ranks[name] += 1
            order.append((not name.startswith(self.own), ranks[name], number))
        numbers = [number for _, _, number in sorted(order)]
        first_ones = [n for n in self.killers[mutant.file + mutant.function] + self.killers[mutant.file] if n in found]
        return list(dict.fromkeys([*first_ones[:12], *numbers]))

    # Running

    def _work(self) -> None:
        waiting = list(self.mutants)
        running: list[tuple[Mutant, int, Progress, list[int], float]] = []
        pool = [Progress() for _ in range(self.options.jobs)]
        again = []
        while waiting or running:
            while waiting and len(running) < self.options.jobs and time.monotonic() < self.end:
                mutant = waiting.pop()
                if not mutant.in_function:
                    again.append(mutant)
                    continue
                numbers = self._within_budget(self._tests_for(mutant), self.options.budget)
                if not numbers:
                    again.append(mutant)
                    continue
                progress = pool.pop()
                running.append((mutant, self._fork(mutant, numbers, progress), progress, numbers, time.monotonic()))
            if not running and (not waiting or time.monotonic() >= self.end):
                break
            for entry in list(running):
                mutant, child, progress, numbers, start = entry
                outcome = self._poll(child, progress, numbers)
                if outcome is None:
                    continue
                running.remove(entry)
                pool.append(progress)
                if outcome[0] == "cold" or (outcome[0] == SURVIVED and self._acts_during_import(mutant)):
                    again.append(mutant)
                elif outcome[1] is not None and not self._passes_without_a_change(outcome[1]):
                    waiting.append(mutant)
                else:
                    self._record(mutant, outcome[0], outcome[1], time.monotonic() - start, len(numbers))
            time.sleep(0.002)
        self.cold.learn(self.measured.names)
        for mutant in again:
            if time.monotonic() >= self.end:
                break
            numbers = self._tests_for(mutant)
            own = [n for n in numbers if self.measured.names[n].startswith(self.own)]
            own.sort(key=lambda n: not self.measured.names[n].startswith(DEFAULTS))
            numbers = self._within_budget(
                own or numbers, self.options.budget / 4
            )  # importing and collecting takes as long again
            start = time.monotonic()
            if not numbers:
                self._record(mutant, UNCOVERED, None, 0, 0)
                continue
            names = [self.measured.names[n] for n in numbers]
            allowed = 30 + PER_TEST_LIMIT[1] / 2 * sum(self.measured.seconds[n] for n in numbers)
            outcome, killer = self.cold.run(mutant, names, allowed)
            self._record(
                mutant, outcome, numbers[killer] if killer is not None else None, time.monotonic() - start, len(numbers)
            )
        self.cold.close()

    def _within_budget(self, numbers: list[int], budget: float) -> list[int]:
        total, kept = 0.0, []
        for number in numbers:
            total += self.measured.seconds[number]
            if kept and total > budget:
                break
            kept.append(number)
        return kept

    def _acts_during_import(self, mutant: Mutant) -> bool:
        path = mutant.file
        return any((path, line) in self.measured.imported for line in range(mutant.lines[0], mutant.lines[1] + 1))

    def _record(self, mutant: Mutant, outcome: str, killer: int | None, seconds: float, tests: int) -> None:
        line = dataclasses.asdict(mutant) | {"name": mutant.name, "room": self.room, "outcome": outcome, "tests": tests}
        line |= {"by": self.measured.names[killer] if killer is not None else None, "seconds": round(seconds, 2)}
        self.log.write(json.dumps(line) + "\n")
        self.log.flush()
        if outcome == KILLED and killer is not None:
            for where in (mutant.file + mutant.function, mutant.file):
                if killer in self.killers[where]:
                    self.killers[where].remove(killer)
                self.killers[where].insert(0, killer)
                del self.killers[where][12:]

    def _fork(self, mutant: Mutant | None, numbers: list[int], progress: Progress) -> int:
        progress.write(0)
        child = os.fork()
        if child:
            return child
        try:
            leave_the_terminal()
            if mutant is not None and not self._replace(mutant):
                os._exit(3)
            for cache in self.caches:
                cache.cache_clear()
            self.reports.exit_at_failure = True
            for place, number in enumerate(numbers):
                progress.write(place)
                run_item(self.items[number])
            os._exit(0)
        except BaseException:
            os._exit(1)

    def _replace(self, mutant: Mutant) -> bool:
        """Put the changed code into the functions of the module. False if that is not possible."""
        path = str(ROOT / mutant.file)
        code = compile(mutated(Path(path).read_text(), mutant.index), path, "exec")
        original = compile(Path(path).read_text(), path, "exec")
        old, new = by_place(original), by_place(code)
        changed = False
        for place, functions_there in self.functions.items():
            if place[0] != path or place not in new:
                continue
            was = {o: i for i, o in enumerate(old.get(place, []))}
            for function in functions_there:
                i = was.get(function.__code__)
                if i is None or i >= len(new[place]):
                    continue
                if new[place][i] != function.__code__:
                    if len(new[place][i].co_freevars) != len(function.__code__.co_freevars):
                        return False
                    function.__code__ = new[place][i]
                    changed = True
        return changed

    def _poll(self, child: int, progress: Progress, numbers: list[int]) -> tuple[str, int | None] | None:
        done, status = os.waitpid(child, os.WNOHANG)
        place, start = progress.read()
        number = numbers[min(place, len(numbers) - 1)]
        if done:
            code = os.waitstatus_to_exitcode(status)
            if code == 0:
                return SURVIVED, None
            return ("cold", None) if code == 3 else (KILLED, number)
        if time.monotonic() - start > PER_TEST_LIMIT[0] + PER_TEST_LIMIT[1] * self._seconds(number):
            end_group(child)
            return TIMEOUT, number
        return None

    def _seconds(self, number: int) -> float:
        return self.measured.seconds[number]


class Progress:
    """The place of the present test in a child's list, and when it began, in memory that child and parent share."""

    def __init__(self) -> None:
        self.memory = mmap.mmap(-1, 16)

    def write(self, place: int) -> None:
        self.memory[:] = struct.pack("qd", place, time.monotonic())

    def read(self) -> tuple[int, float]:
        place, start = struct.unpack("qd", self.memory[:])
        return place, start


class ColdServer:
    """A process that has not imported Pellucid. For each mutant it forks a child that imports the changed module."""

    def __init__(self, temporary: Path) -> None:
        self.requests, theirs = os.pipe(), os.pipe()
        self.temporary = temporary
        self.known: set[str] = set()  # the names of all tests without a change
        self.process = os.fork()
        if self.process == 0:
            os.close(self.requests[1])
            with os.fdopen(self.requests[0]) as lines, os.fdopen(theirs[1], "w") as answers:
                for line in lines:
                    request = json.loads(line)
                    if isinstance(request, dict):
                        self.known = set(request["known"])
                    else:
                        answers.write(json.dumps(self._answer(request)) + "\n")
                        answers.flush()
            os._exit(0)
        os.close(self.requests[0])
        os.close(theirs[1])
        self.write, self.read = os.fdopen(self.requests[1], "w"), os.fdopen(theirs[0])

    def close(self) -> None:
        self.write.close()
        os.waitpid(self.process, 0)

    def learn(self, names: list[str]) -> None:
        self.write.write(json.dumps({"known": names}) + "\n")
        self.write.flush()

    def run(self, mutant: Mutant, tests: list[str], allowed: float) -> tuple[str, int | None]:
        self.write.write(json.dumps([mutant.file, mutant.index, tests, allowed]) + "\n")
        self.write.flush()
        outcome, place = json.loads(self.read.readline())
        return outcome, place

    def _answer(self, request: list[Any]) -> tuple[str, int | None]:
        file, index, tests, allowed = request
        progress = Progress()
        progress.write(-1)
        end = time.monotonic() + allowed
        child = os.fork()
        if child == 0:
            leave_the_terminal()
            self._child(file, index, tests, progress)
        while True:
            done, status = os.waitpid(child, os.WNOHANG)
            place = progress.read()[0]
            killer = place if place >= 0 else None
            if done:
                shutil.rmtree(self.temporary / f"cold-{child}", ignore_errors=True)
                return (SURVIVED, None) if os.waitstatus_to_exitcode(status) == 0 else (KILLED, killer)
            if time.monotonic() > end:
                end_group(child)
                return TIMEOUT, killer
            time.sleep(0.01)

    def _child(self, file: str, index: int, tests: list[str], progress: Progress) -> NoReturn:
        path = str(ROOT / file)
        original: Callable[..., Any] = importlib.machinery.SourceFileLoader.get_code

        def get_code(loader: Any, name: str) -> Any:
            if loader.path == path:
                return compile(mutated(Path(path).read_text(), index), path, "exec")
            return original(loader, name)

        importlib.machinery.SourceFileLoader.get_code = get_code  # type: ignore[method-assign]
        reports = Reports()
        reports.exit_at_failure = True
        places = {name: place for place, name in enumerate(tests)}
        known_names = self.known

        class Choose:
            def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
                # A change of a default may change the name of a test: tests of unknown names run last.
                known = [item for item in items if item.nodeid in places]
                unknown = [item for item in items if item.nodeid not in known_names]
                items[:] = sorted(known, key=lambda item: places[item.nodeid]) + unknown

            def pytest_runtest_setup(self, item: pytest.Item) -> None:
                progress.write(places.get(item.nodeid, len(tests) - 1))

        try:
            files = list(dict.fromkeys(name.partition("::")[0] for name in tests))
            code = pytest.main(pytest_arguments(files, self.temporary / f"cold-{os.getpid()}"), plugins=[reports, Choose()])
            os._exit(0 if code in (0, 5) else 1)
        except BaseException:
            os._exit(1)


def pytest_arguments(tests: list[str], temporary: Path) -> list[str]:
    temporary.mkdir(parents=True, exist_ok=True)
    plain = ["-qqs", "--no-header", "-p", "no:cacheprovider", "-p", "no:xdist", "-m", "not long"]
    return [*plain, "-o", "tmp_path_retention_policy=none", f"--basetemp={temporary}/pytest", *tests]


def run_item(item: pytest.Item) -> None:
    item.config.hook.pytest_runtest_protocol(item=item, nextitem=None)


def leave_the_terminal() -> None:
    """Give the child a process group of its own, no output, and a limit of memory."""
    os.setsid()
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG: it ends with its parent
    null = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(null, descriptor)
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + MEMORY, used + MEMORY))


def end_group(child: int) -> None:
    for end in (functools.partial(os.killpg, child), functools.partial(os.kill, child)):
        try:
            end(signal.SIGKILL)
            break
        except ProcessLookupError:
            continue
    os.waitpid(child, 0)


def digest_of(files: Iterable[str]) -> str:
    digest = hashlib.sha256()
    for file in files:
        digest.update((ROOT / file).read_bytes())
    return digest.hexdigest()


def _place(code: types.CodeType) -> tuple[str, str, int]:
    return code.co_filename, code.co_qualname, code.co_firstlineno


def by_place(module: types.CodeType) -> dict[tuple[str, str, int], list[types.CodeType]]:
    places: dict[tuple[str, str, int], list[types.CodeType]] = defaultdict(list)
    for code in code_objects(module):
        places[_place(code)].append(code)
    return places


if __name__ == "__main__":
    sys.exit(main())
