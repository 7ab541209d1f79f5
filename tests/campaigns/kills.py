"""The campaign of kills and faults: trainings are interrupted again and again, resumed, and compared with uninterrupted ones.

``python -m tests.campaigns --kills 200 --seed 0`` (in the folder of the project) prints a line for each training and a table
at the end. ``make test-long`` runs it, too.

A *chain* is one training that is interrupted up to five times and then runs to its end. Its model file, with the optimizer's
state, and its history must be the same, byte by byte, as those of the training without interruptions and checkpoints. After
each interruption, the checkpoints must be at least as far as before, and no further from the killed step than the interval.
"""

from __future__ import annotations

import collections
import concurrent.futures
import contextlib
import os
import random
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from pellucid.core.files import TensorFile
from pellucid.errors import FileError
from pellucid.training.checkpoint import checkpoint_files
from pellucid.training.resuming import newest
from tests.campaigns.child import EVENTS, OPERATIONS, Plan, outcome
from tests.campaigns.trainings import TRAININGS

ROOT = Path(__file__).parents[2]
PAUSE = 0.004  # seconds, after each event

# Kinds of interruption, with their weights. The first three end the process by SIGKILL.
KINDS = {
    "killed at a random moment": 40,
    "killed in an operation on a file": 30,
    "killed before the first step": 4,
    "ended by a storm of signals": 6,
    "disk full": 6,
    "failed sync or write": 6,
    "files limited in size": 3,
    "clocks that go back": 5,
}
FAULTY = ("disk full", "failed", "files limited")  # checkpoints may be missing after these
# What happens to the files between two processes, with its probability.
AFTERMATHS = {"the newest file lost its end": 0.06, "the newest file is missing": 0.03, "times of the files turned back": 0.1}


class CampaignError(AssertionError):
    """A training that lost work, or ended with other bits."""


@dataclass
class Count:
    """The figures of a campaign."""

    interruptions: collections.Counter[str] = field(default_factory=collections.Counter)
    operations: collections.Counter[str] = field(default_factory=collections.Counter)
    leftovers: int = 0  # half-written files found after a kill
    chains: collections.Counter[str] = field(default_factory=collections.Counter)
    aftermaths: collections.Counter[str] = field(default_factory=collections.Counter)
    lost_steps: list[int] = field(default_factory=list)
    problems: int = 0

    @property
    def total(self) -> int:
        """The number of interruptions and faults."""
        return self.interruptions.total()

    def table(self) -> str:
        """Return the figures as lines of text."""
        lines = [f"{self.total} interruptions and faults in {self.chains.total()} trainings, all with the same bits"]
        lines += [f"  {count:4}  {name}" for name, count in self.interruptions.most_common()]
        lines += [
            f"  {count:4}  of them while this operation was next: {name}" for name, count in self.operations.most_common()
        ]
        lines += [f"  {self.leftovers:4}  half-written files found"]
        lines += [f"  {count:4}  {name}" for name, count in self.aftermaths.most_common()]
        lines += [f"  {count:4}  trainings: {name}" for name, count in sorted(self.chains.items())]
        if self.lost_steps:
            lines.append(f"  {max(self.lost_steps):4}  updates repeated at most after a kill")
        return "\n".join(lines)


@dataclass(frozen=True)
class Expected:
    """The uninterrupted training: its outcome, and the numbers of its events and updates."""

    content: bytes
    history: str
    events: int


def uninterrupted(name: str) -> Expected:
    """Run a training in this process, without checkpoints."""
    training = TRAININGS[name]
    model, data = training.model(), training.data()
    events = sum(1 for _ in model.fit_events(data.pop("x"), data.pop("y", None), training.options_with(), **data))
    return Expected(*outcome(model), events)


class Process:
    """A process in a group of its own, which writes a byte to a pipe for each event ("." for an update)."""

    def __init__(self, words: list[str], log: Path, environment: dict[str, str] | None = None):
        self._events, events = os.pipe()
        path = os.pathsep.join([str(ROOT), *filter(None, sys.path)])
        with open(log, "ab") as errors:
            self._process = subprocess.Popen(
                [sys.executable, *words],
                stdout=subprocess.DEVNULL,
                stderr=errors,
                cwd=ROOT,
                env=os.environ | {"PYTHONPATH": path, EVENTS: str(events)} | (environment or {}),
                pass_fds=[events],
                start_new_session=True,
            )
        os.close(events)
        self.begun, self.events, self.updates = False, 0, 0

    def read_until(self, events: int) -> bool:
        """Wait for that number of events; return False if the process ends before it."""
        while not self.begun or self.events < events:
            got = os.read(self._events, 1)
            if not got:
                return False
            self.begun = True
            self.events += got in (b".", b",")
            self.updates += got == b"."
        return True

    def send(self, number: int, *, group: bool = False) -> None:
        """Send a signal, also to the processes that this one has started if ``group`` is true."""
        with contextlib.suppress(ProcessLookupError):
            if group:
                os.killpg(self._process.pid, number)
            else:
                self._process.send_signal(number)

    def runs(self) -> bool:
        """Return whether the process has not ended."""
        return self._process.poll() is None

    def wait(self) -> int:
        """Wait for the end, and return the exit status (negative: the signal)."""
        self.read_until(10**9)
        code = self._process.wait()
        os.close(self._events)
        return code


class Chain:
    """One training that is interrupted some times; :meth:`run` returns the number of its interruptions."""

    def __init__(
        self,
        name: str,
        expected: Expected,
        folder: Path,
        seed: int,
        count: Count,
        lock: threading.Lock,
        pause: float = PAUSE,
    ):
        self.pause = pause
        self.name, self.expected, self.folder, self.count, self.lock = name, expected, folder, count, lock
        self.random = random.Random(f"{seed} {name} {folder.name}")
        self.interval = self.random.choice([1, 2, 3, 5, 8])
        keep = self.random.choice([2, 2, 3])
        self.checkpoint = {"every_steps": self.interval, "every_epochs": 1, "keep": keep, "cost": 1.0}
        self.threads = self.random.choice([1, 2])
        self.log = folder / "errors.txt"
        folder.mkdir(parents=True)
        self.last: Process | None = None

    def plan(self, **settings: Any) -> Plan:
        """Return the plan of the next process: with one thread and with two in turn."""
        self.threads = 3 - self.threads
        seed = self.random.randrange(2**31)
        return Plan(self.name, str(self.folder), seed, self.threads, self.checkpoint, self.pause, **settings)

    def run(self, interruptions: int) -> int:
        """Interrupt the training, let it end, and compare. Raises CampaignError where work or bits are lost."""
        done = 0
        for _ in range(interruptions):
            kind = self.random.choices(list(KINDS), list(KINDS.values()))[0]
            before = self.steps()
            ended, happened = self.interrupt(kind)
            if happened:
                done += 1
                with self.lock:
                    self.count.interruptions[kind] += 1
                    self.count.leftovers += len(self.parts())
            if ended:
                break
            self.check_progress(before, complete=not kind.startswith(FAULTY))
            self.aftermath()
        else:
            self.finish()
        self.compare()
        return done

    def interrupt(self, kind: str) -> tuple[bool, bool]:
        """Run a process until it is interrupted. Returns whether the training has ended, and whether the fault happened."""
        left = max(1, int(self.expected.events * (1 - self.done())))
        checkpoint = self.random.randrange(max(1, left // (self.interval + 1)))
        if kind == "killed in an operation on a file":
            operation = self.random.choice(OPERATIONS)
            code = self.process(self.plan(fault="kill", operation=operation, at=checkpoint))
            if code == -signal.SIGKILL:
                with self.lock:
                    self.count.operations[operation] += 1
            return self.ended(code, -signal.SIGKILL)
        if kind == "killed before the first step":
            process = self.start(self.plan())
            time.sleep(self.random.uniform(0, 2.0))
            process.send(signal.SIGKILL)
            return self.ended(process.wait(), -signal.SIGKILL)
        if kind == "ended by a storm of signals":
            process = self.start(self.plan())
            if process.read_until(self.random.randrange(left)):
                for _ in range(self.random.randrange(1, 5)):
                    process.send(self.random.choice([signal.SIGTERM, signal.SIGHUP, signal.SIGINT]))
            return self.ended(process.wait(), -signal.SIGTERM, -signal.SIGHUP, -signal.SIGINT, 1, 129, 130, 143)
        if kind == "killed at a random moment":
            process = self.start(self.plan())
            if process.read_until(self.random.randrange(left)):
                time.sleep(self.random.uniform(0, 4 * self.pause))
                process.send(signal.SIGKILL)
            return self.ended(process.wait(), -signal.SIGKILL)
        # The others do not end a process: it is killed some events later, or runs to its end.
        repeated = self.random.choice([1, 2, 5, 10_000])
        faults = {
            "disk full": lambda: self.plan(fault="full", operation="write", at=checkpoint, repeated=repeated),
            "failed sync or write": lambda: self.plan(
                fault="failed", operation=self.random.choice(OPERATIONS), at=checkpoint, repeated=repeated
            ),
            "files limited in size": lambda: self.plan(fault="small"),
            "clocks that go back": lambda: self.plan(clock="back"),
        }
        process = self.start(faults[kind]())
        if self.random.random() < 0.7 and process.read_until(self.random.randrange(left)):
            process.send(signal.SIGKILL)
        ended, _ = self.ended(process.wait(), -signal.SIGKILL)
        return ended, process.begun

    def start(self, plan: Plan) -> Process:
        """Start a process."""
        self.last = Process(["-m", "tests.campaigns.child", plan.json()], self.log)
        return self.last

    def process(self, plan: Plan) -> int:
        """Run a process to its end, and return the exit status."""
        return self.start(plan).wait()

    def ended(self, code: int, *interrupted: int) -> tuple[bool, bool]:
        """Return whether the training has ended, and whether it was interrupted. Raises CampaignError for another end."""
        if code not in (0, *interrupted):
            raise CampaignError(f"{self.folder}: a process ended with {code}:\n{self.log.read_text()[-3000:]}")
        return code == 0, code != 0

    def finish(self) -> None:
        """Let the training run to its end."""
        self.ended(self.process(replace(self.plan(), pause=0.0)))

    # -- checks -------------------------------------------------------------------------------------------------------------

    @property
    def checkpoints(self) -> Path:
        return self.folder / "checkpoints"

    def parts(self) -> list[Path]:
        """Return the half-written files."""
        return list(self.checkpoints.glob(".*.part")) if self.checkpoints.exists() else []

    def steps(self) -> int:
        """Return the steps of the newest good checkpoint, 0 without one."""
        saved = newest(self.checkpoints)
        return 0 if saved is None else saved.steps

    def done(self) -> float:
        """Return the fraction of the training that the newest good checkpoint holds."""
        saved = newest(self.checkpoints)
        if saved is None:
            return 0.0
        place, epochs = saved.values["place"], TRAININGS[self.name].options["epochs"]
        return float(place["epoch"] - 1) / epochs

    def check_progress(self, before: int, *, complete: bool) -> None:
        """Raise CampaignError where a checkpoint is damaged, or the newest is older than before.

        Where all checkpoints should be there (``complete``), the newest must hold the updates that the process had made, but
        those since the last multiple of the interval.
        """
        damaged = []
        for path in checkpoint_files(self.checkpoints):
            try:
                TensorFile(path)
            except FileError:
                damaged.append(path.name)
        if damaged:
            raise CampaignError(f"{self.folder}: damaged checkpoints after an interruption: {damaged}")
        if self.steps() < before:
            raise CampaignError(f"{self.folder}: the newest checkpoint was at {before} steps and is at {self.steps()}")
        if complete and self.last is not None and self.last.updates:
            reached = before + self.last.updates
            lost = reached - self.steps()
            with self.lock:
                self.count.lost_steps.append(lost)
            if lost > self.interval:
                raise CampaignError(f"{self.folder}: {reached} steps were made, and the newest checkpoint is at {self.steps()}")

    def aftermath(self) -> None:
        """Let something happen to the files, as after a power cut with a disk that had not written what it said it had."""
        names = checkpoint_files(self.checkpoints)
        kinds = {**AFTERMATHS, "": 1 - sum(AFTERMATHS.values())}
        name = self.random.choices(list(kinds), list(kinds.values()))[0]
        if not name or len(names) < 2:
            return
        with self.lock:
            self.count.aftermaths[name] += 1
        if name == "the newest file lost its end":
            content = names[0].read_bytes()
            cut = self.random.randrange(len(content))
            names[0].write_bytes(content[:cut] + bytes(self.random.choice([0, len(content) - cut])))
        elif name == "the newest file is missing":
            names[0].unlink()
        else:
            for path in names:
                os.utime(path, (self.random.randrange(2**31),) * 2)

    def compare(self) -> None:
        """Raise CampaignError unless the outcome is that of the uninterrupted training, and the folder is clean."""
        if (self.folder / "history.json").read_text() != self.expected.history:
            raise CampaignError(f"{self.folder}: the history differs from that of the uninterrupted training")
        if (self.folder / "final.pellucid").read_bytes() != self.expected.content:
            raise CampaignError(f"{self.folder}: the model differs from that of the uninterrupted training")
        problems = (self.folder / "problems.json").read_text() != "[]"
        if self.parts():
            raise CampaignError(f"{self.folder}: half-written files are left over: {self.parts()}")
        files = checkpoint_files(self.checkpoints)
        if len(files) > self.checkpoint["keep"] and not problems:
            raise CampaignError(f"{self.folder}: {len(files)} checkpoints are left over")
        with self.lock:
            self.count.chains[self.name] += 1
            self.count.problems += problems


def chains(names: list[str]) -> Iterator[tuple[int, str]]:
    """Yield numbers and trainings, in turn, without end."""
    number = 0
    while True:
        for name in names:
            yield number, name
            number += 1


def campaign(
    kills: int, seed: int, folder: Path, *, names: list[str] | None = None, jobs: int = 2, most: int = 5, show: Any = None
) -> Count:
    """Run trainings until there were ``kills`` interruptions. Raises CampaignError at the first that is not identical.

    The folder of a training that fails is kept.
    """
    count, lock, chosen = Count(), threading.Lock(), names or list(TRAININGS)
    expected = {name: uninterrupted(name) for name in chosen}
    source = chains(chosen)

    def work() -> None:
        while True:
            with lock:
                if count.total >= kills:
                    return
                number, name = next(source)
            chain = Chain(name, expected[name], folder / f"{number:03d}-{name}", seed, count, lock)
            begun = time.monotonic()
            done = chain.run(chain.random.randint(1, most))
            shutil.rmtree(chain.folder)
            if show is not None:
                show(f"{number:3}  {name:14}  {done} interruptions, {time.monotonic() - begun:5.1f} s, {count.total} in all")

    with concurrent.futures.ThreadPoolExecutor(jobs) as pool:
        for one in concurrent.futures.as_completed([pool.submit(work) for _ in range(jobs)]):
            one.result()
    return count
