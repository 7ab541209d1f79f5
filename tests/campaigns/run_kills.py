"""The campaign of kills on the command line: ``pellucid train`` and ``pellucid sweep`` are interrupted, and resumed.

``python -m tests.campaigns --runs 60`` runs it, and so does ``make test-long``. The model file of a resumed run must be
that of the run without interruptions, byte by byte, and its history and scores the same.
"""

from __future__ import annotations

import collections
import concurrent.futures
import contextlib
import os
import random
import shutil
import signal
import sys
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from pellucid.core.files import read_json
from pellucid.training.checkpoint import checkpoint_files
from tests.campaigns.child import EVENTS, OPERATIONS, Plan
from tests.campaigns.command import MNIST, PLAN
from tests.campaigns.kills import ROOT, CampaignError, Process

PAUSE = 0.01  # seconds, after each update

# Commands, with the number of their updates.
RUNS: dict[str, tuple[list[str], int]] = {
    "table": (["{table}", "--target", "kind", "--epochs", "12"], 80),
    "forecast": (
        ["{series}", "--target", "value", "--window", "16", "--horizon", "4", "--epochs", "8", "--early-stopping", "3"],
        60,
    ),
    "mlp-best": (["mnist", "--model", "mlp-best", "--hidden", "48x32", "--epochs", "5", "--batch-size", "30"], 75),
    "cnn": (["mnist", "--model", "cnn", "--epochs", "2", "--batch-size", "15"], 60),
    "lstm": (["mnist", "--model", "lstm", "--epochs", "2", "--batch-size", "20"], 46),
    "resnet-small": (["mnist", "--model", "resnet-small", "--epochs", "1", "--batch-size", "12", "--limit", "240"], 20),
    "autoencoder": (["mnist", "--model", "autoencoder", "--epochs", "1", "--batch-size", "12", "--limit", "240"], 20),
    "lbfgs": (["mnist", "--model", "mlp-small", "--optimizer", "lbfgs", "--epochs", "40"], 40),
    "class weights": (["{table}", "--target", "kind", "--epochs", "10", "--class-weight", "balanced", "--lr", "auto"], 70),
}
SWEEP = ["mnist", "--model", "mlp", "--grid", "hidden=8,16", "--grid", "lr=0.05,0.2", "--epochs", "4", "--jobs", "2"]

KINDS = {
    "killed at a random moment": 45,
    "killed in an operation on a file": 25,
    "SIGTERM": 8,
    "SIGHUP": 4,
    "SIGINT": 6,
    "a storm of signals": 8,
    "disk full": 4,
}
STATUS_OF = {"SIGTERM": 143, "SIGHUP": 129, "SIGINT": 130}


@dataclass
class Count:
    """The figures of the campaign."""

    interruptions: collections.Counter[str] = field(default_factory=collections.Counter)
    runs: collections.Counter[str] = field(default_factory=collections.Counter)

    def table(self) -> str:
        """Return the figures as lines of text."""
        lines = [
            f"{self.interruptions.total()} interruptions of {self.runs.total()} runs of the command, all with the same files"
        ]
        lines += [f"  {count:4}  {name}" for name, count in self.interruptions.most_common()]
        lines += [f"  {count:4}  runs: {name}" for name, count in sorted(self.runs.items())]
        return "\n".join(lines)


def write_data(folder: Path) -> dict[str, str]:
    """Write the table and the series of the runs, and return the paths by name."""
    folder.mkdir(parents=True, exist_ok=True)
    chance = np.random.default_rng(0)
    lines = ["a,b,c,colour,kind"]
    for _ in range(300):
        a, b, c = chance.normal(size=3)
        colour = chance.choice(["red", "green", "blue"])
        kind = "large" if a + b > 0.7 else "small" if a + b < -0.7 else colour
        lines.append(f"{a:.4f},{b:.4f},{100 * c:.2f},{colour},{kind}")
    (folder / "table.csv").write_text("\n".join(lines) + "\n")
    time = np.arange(260)
    values = np.sin(time / 5) + chance.normal(0, 0.1, len(time))
    (folder / "series.csv").write_text("value,other\n" + "\n".join(f"{value:.5f},{i % 7}" for i, value in enumerate(values)))
    return {"table": str(folder / "table.csv"), "series": str(folder / "series.csv")}


def result(folder: Path) -> dict[str, Any]:
    """Return all of a run folder that must not depend on interruptions. Raises CampaignError where files are left over."""
    metrics = read_json(folder / "metrics.json")
    others = [path.name for path in folder.iterdir() if path.name.startswith(".") or path.name == "checkpoints"]
    if others:
        raise CampaignError(f"{folder}: left over: {others}")
    columns = [line.split(",") for line in (folder / "history.csv").read_text().splitlines()]
    seconds = columns[0].index("seconds")
    status = read_json(folder / "status.json")
    return {
        "model": (folder / "model.pellucid").read_bytes(),
        "history": [[cell for i, cell in enumerate(row) if i != seconds] for row in columns],
        "metrics": {name: metrics.get(name) for name in ("validation", "test", "best_epoch", "stopped", "interrupted")},
        "status": {name: status[name] for name in ("status", "epoch", "batch", "batches", "step")},
    }


class RunChain:
    """One run of the command, interrupted some times."""

    def __init__(self, name: str, words: list[str], updates: int, folder: Path, data: Path, seed: int, count: Count, lock: Any):
        self.name, self.words, self.updates, self.folder, self.data = name, words, updates, folder, data
        self.count, self.lock, self.random = count, lock, random.Random(f"{seed} {name} {folder.name}")
        self.out, self.log = folder / "run", folder / "errors.txt"
        self.interval = self.random.choice([1, 3, 7])
        self.threads = self.random.choice([1, 2])

    def start(self, plan: Plan | None) -> Process:
        """Start the command that begins the run, or goes on with it."""
        environment = {MNIST: str(self.data / "mnist"), "PELLUCID_DATA": str(self.data / "mnist")}
        if plan is not None:
            environment[PLAN] = plan.json()
        words = ["train", *self.words, "--out", str(self.out)]
        if (self.out / "config.json").exists():
            words = self.random.choice([["resume", str(self.out)], ["train", "--resume", str(self.out)]])
        return Process(["-m", "tests.campaigns.command", *words], self.log, environment)

    def plan(self, **settings: Any) -> Plan:
        """Return the plan of the next process: with one thread and with two in turn."""
        self.threads = 3 - self.threads
        checkpoint = {"every_steps": self.interval, "cost": 1.0}
        return Plan(self.name, str(self.out), self.random.randrange(2**31), self.threads, checkpoint, PAUSE, **settings)

    def run(self, interruptions: int) -> None:
        """Interrupt the run, let it end, and return. Raises CampaignError where a process ends in another way."""
        self.folder.mkdir(parents=True)
        for _ in range(interruptions):
            kind = self.random.choices(list(KINDS), list(KINDS.values()))[0]
            code = self.interrupt(kind)
            if code == 0:
                return
            with self.lock:
                self.count.interruptions[kind] += 1
        code = self.start(None).wait()
        if code != 0:
            raise CampaignError(f"{self.folder}: the last process ended with {code}:\n{self.log.read_text()[-3000:]}")

    def interrupt(self, kind: str) -> int:
        """Start a process, interrupt it, and return its exit status."""
        left = max(1, self.updates - last_steps(self.out))
        allowed = [0, STATUS_OF.get(kind, -signal.SIGKILL)]
        if kind == "killed in an operation on a file":
            operation = self.random.choice([one for one in OPERATIONS if one != "delete"])
            process = self.start(
                self.plan(fault="kill", operation=operation, at=self.random.randrange(left // self.interval + 6))
            )
        elif kind == "disk full":
            process = self.start(self.plan(fault="full", at=self.random.randrange(3, left + 3), repeated=3))
            if process.read_until(self.random.randrange(left)):
                process.send(signal.SIGKILL)
            allowed.append(2)  # the model or the metrics could not be written
        else:
            process = self.start(self.plan())
            if process.read_until(self.random.randrange(left)):
                time.sleep(self.random.uniform(0, 3 * PAUSE))
                if kind == "killed at a random moment":
                    process.send(signal.SIGKILL)
                elif kind == "a storm of signals":
                    allowed = [0, 1, 129, 130, 143, -signal.SIGTERM, -signal.SIGHUP, -signal.SIGINT]
                    for _ in range(self.random.randrange(2, 5)):
                        process.send(self.random.choice([signal.SIGTERM, signal.SIGHUP, signal.SIGINT]))
                        time.sleep(self.random.choice([0, 0, PAUSE / 2]))
                else:
                    process.send(getattr(signal, kind))
        code = process.wait()
        if code not in allowed:
            raise CampaignError(f"{self.folder}: {kind}: the process ended with {code}:\n{self.log.read_text()[-3000:]}")
        return code


def run_campaign(interruptions: int, seed: int, folder: Path, *, names: Any = None, jobs: int = 2, show: Any = None) -> Count:
    """Interrupt runs of the command until there were so many interruptions. Raises CampaignError at the first other result."""
    count, lock, chosen = Count(), threading.Lock(), list(names or RUNS)
    data = folder / "data"
    paths = write_data(data)
    (data / "mnist").mkdir()
    commands = {name: ([word.format(**paths) for word in words], updates) for name, (words, updates) in RUNS.items()}
    expected: dict[str, Any] = {}

    def work(number: int, name: str) -> None:
        words, updates = commands[name]
        chain = RunChain(name, words, updates, folder / f"{number:03d}-{name}", data, seed, count, lock)
        begun = time.monotonic()
        chain.run(0 if name not in expected else chain.random.randint(1, 5))
        found = result(chain.out)
        before = expected.setdefault(name, found)
        for what in found:
            if found[what] != before[what]:
                raise CampaignError(f"{chain.folder}: another {what} than that of the run without interruptions")
        with lock:
            count.runs[name] += 1
        shutil.rmtree(chain.folder)
        if show is not None:
            show(
                f"{number:3}  {name:14}  {time.monotonic() - begun:5.1f} s, {count.interruptions.total()} interruptions in all"
            )

    # The first process also writes the small MNIST, so it is alone.
    work(0, chosen[0])
    with concurrent.futures.ThreadPoolExecutor(jobs) as pool:
        list(pool.map(lambda job: work(*job), enumerate(chosen[1:], start=1)))
        count.runs.clear()
        number = len(chosen)
        while count.interruptions.total() < interruptions:
            some = [(number + i, chosen[(number + i) % len(chosen)]) for i in range(2 * jobs)]
            number += len(some)
            list(pool.map(lambda job: work(*job), some))
    return count


def sweep_campaign(kills: int, seed: int, folder: Path, *, show: Any = None) -> Count:
    """Kill a sweep with all its processes some times, let it end, and compare its runs with those of one without kills."""
    count, chance, data = Count(), random.Random(f"{seed} sweep"), folder / "data"
    (data / "mnist").mkdir(parents=True, exist_ok=True)
    # All processes of the sweep run this file when they start.
    (folder / "sitecustomize.py").write_text("from tests.campaigns.command import install\ninstall()\n")
    environment = {
        MNIST: str(data / "mnist"),
        "PELLUCID_DATA": str(data / "mnist"),
        "PYTHONPATH": os.pathsep.join([str(folder), str(ROOT), *filter(None, sys.path)]),
        EVENTS: "-1",  # the processes of the sweep have no pipe
    }

    def process(out: Path, *, slow: bool) -> Process:
        plan = Plan("sweep", str(out), checkpoint={"every_steps": 3, "cost": 1.0}, pause=PAUSE)
        more = {PLAN: plan.json()} if slow else {}
        words = ["-c", "from pellucid.cli import main; main()", "sweep", *SWEEP, "--out", str(out)]
        return Process(words, folder / "errors.txt", {**environment, **more})

    def results(out: Path) -> dict[str, Any]:
        return {path.parent.name: result(path.parent) for path in sorted(out.glob("*/metrics.json"))}

    def check(code: int, *allowed: int) -> None:
        if code not in allowed:
            raise CampaignError(f"{folder}: the sweep ended with {code}:\n{(folder / 'errors.txt').read_text()[-3000:]}")

    check(process(folder / "whole", slow=False).wait(), 0)
    whole = results(folder / "whole")
    number = 0
    while count.interruptions.total() < kills:
        out = folder / f"swept-{number}"
        number += 1
        for _ in range(chance.randint(2, 6)):
            one = process(out, slow=True)
            done = set(out.glob("*/metrics.json"))
            while one.runs() and not newer(out, done):
                time.sleep(PAUSE)
            time.sleep(chance.uniform(0, 2.0))
            if one.runs():
                kind = chance.choice(
                    ["killed with all processes", "killed with all processes", "only the first process killed"]
                )
                one.send(signal.SIGKILL, group=kind != "only the first process killed")
                count.interruptions[kind] += 1
            code = one.wait()
            with contextlib.suppress(ProcessLookupError):
                one.send(signal.SIGKILL, group=True)
            check(code, 0, -signal.SIGKILL)
            if code == 0:
                break
        check(process(out, slow=False).wait(), 0)
        found = results(out)
        for name in whole:
            for what in whole[name]:
                # A process that is killed after it has written the metrics, and before the status, is done.
                if what != "status" and found[name][what] != whole[name][what]:
                    raise CampaignError(f"{out / name}: another {what} than that of the sweep without kills")
        count.runs["sweep"] += 1
        shutil.rmtree(out)
        if show is not None:
            show(f"sweep {number}: {count.interruptions.total()} kills in all")
    return count


def newer(out: Path, done: set[Path]) -> bool:
    """Return whether a sweep trains: one of its runs that are not ``done`` has a checkpoint."""
    return any(path.parents[1] / "metrics.json" not in done for path in out.glob("*/checkpoints/checkpoint-*.pellucid"))


def last_steps(folder: Path) -> int:
    """Return the steps of the last checkpoint of a run, 0 without one."""
    return next((int(path.stem.partition("-")[2]) for path in checkpoint_files(folder / "checkpoints")), 0)
