"""The process of a training job: it makes one run, or resumes one, reports its progress to the server, and follows the
server's commands.

The two communicate through a pipe. The process sends pairs of a kind and a value: "log" with a line of text, "step" and
"epoch" with the progress, "finding" with what the doctor has found, "paused" with True or False, "learning_rate" with one that
was set by hand before the run was interrupted, "rate" with each change of the learning rate, "explosion" with the last losses
of a training that has diverged, and at the end "done", "diverged" or "failed". The server sends pairs of an action and a
value: "learning_rate", "pause", "resume", "stop". If the server ends, the pipe is closed: the process keeps the run, which can
be resumed, and ends.
"""

from __future__ import annotations

import contextlib
import functools
import os
import signal
import time
import traceback
from collections import deque
from collections.abc import Mapping
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from pellucid.core.json_text import jsonable
from pellucid.errors import ConfigError, DivergedError, FileError, PellucidError
from pellucid.metrics import Value
from pellucid.runs.energy import Energy
from pellucid.runs.folder import read_metrics
from pellucid.runs.plan import RunPlan, RunSettings
from pellucid.runs.resuming import resume
from pellucid.runs.run import run
from pellucid.training import Control, EpochEvent, Event, History, StepEvent
from pellucid.training.threads import available_cores, limit_threads

NICENESS = 10  # a lower priority than the page
REPORT_INTERVAL = 0.1  # seconds between two reported steps
POLL_INTERVAL = 0.02  # seconds between two looks into the pipe: one takes a tenth of the time of a small step
CURVE_POINTS = 600  # of the training curve, over the whole run
LAST_LOSSES = 200  # the most that are reported of a training that diverges


def work(channel: Connection, settings: RunSettings | None, epochs: int, folder: Path) -> None:
    """Make the run with these settings in ``folder``, which exists and is empty; None resumes the run in the folder.

    ``epochs`` is the number of epochs of the run.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the server, which then sends "stop"
    if hasattr(os, "nice"):
        os.nice(NICENESS)
    limit_threads(max(1, available_cores() - 1))  # one core is for the server and the browser
    reporter = Reporter(channel, epochs)
    try:
        last: tuple[str, Any] = "done", _result(_train(settings, folder, reporter))
    except DivergedError as error:
        reporter.report_explosion()
        last = _diverged(folder, str(error))
    except PellucidError as error:
        last = "failed", str(error)
    except MemoryError:
        last = "failed", "there is not enough memory: choose a smaller network, smaller batches or fewer samples"
    except Exception as error:  # a bug: the traceback goes to the server's terminal, the message to the page
        traceback.print_exc()
        last = "failed", f"{type(error).__name__}: {error} (see the server's terminal)"
    reporter.report_rates()
    reporter.report_findings()  # those of the error that has ended the training
    with contextlib.suppress(OSError):
        channel.send(last)
        channel.close()


def _train(settings: RunSettings | None, folder: Path, reporter: Reporter) -> Mapping[str, Any]:
    """Make or resume the run, and return its metrics. Raises library errors."""
    notify = functools.partial(reporter.send, "log")
    if settings is not None:
        plan = RunPlan.of(settings)
        return run(plan, folder, notify=notify, progress=False, alone=False, observer=reporter)
    metrics = resume(folder, notify=notify, progress=False, alone=False, observer=reporter)
    if metrics is None:
        raise ConfigError(f"{folder} is complete: there is nothing to resume")
    return metrics


def _diverged(folder: Path, error: str) -> tuple[str, Any]:
    """Return the last message of a training that has diverged: with the results of its checkpoint, if it had one."""
    try:
        metrics = read_metrics(folder)
        energy = str(Energy(**metrics["energy"]))
        return "diverged", (_result({**metrics, "energy_text": energy, "classes": ()}), error)
    except (FileError, LookupError, TypeError):
        return "failed", error


def _result(metrics: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the page shows of a finished run."""
    scores = {
        part: {name: jsonable(metrics.get(part, {}).get(name)) for name in ("loss", "accuracy")}
        for part in ("train", "validation", "test")
    }
    names = "parameters", "seconds", "energy_text", "interrupted", "epochs", "best_epoch", "classes"
    return {**scores, **{name: jsonable(metrics[name]) for name in names}, "sizes": metrics["data"]["sizes"]}


class Reporter:
    """An observer of a training that reports to the server and follows its commands."""

    def __init__(self, channel: Connection, epochs: int):
        self.channel, self.epochs = channel, epochs
        self.paused = False
        self.start = time.perf_counter()  # pauses are not counted: each moves it forward
        self.first = 0.0  # the fraction of the run that was done at the start
        self.polled = self.reported = 0.0  # times
        self.epoch = 0
        self.place = 0.0  # in the training, in epochs
        self.samples = 0  # of this epoch so far
        self.last_place = 0.0  # that of the last point, in epochs
        self.last_point = (0, 0.0, 0.0)  # at the last point, in this epoch: samples, sum of losses, correct samples
        self.losses: deque[tuple[float, float]] = deque(maxlen=LAST_LOSSES)  # of the last steps, with their places
        self.batches = 1  # of an epoch
        self.rates: list[Mapping[str, Any]] = []  # the changes of the learning rate so far
        self.rates_reported = 0
        self.history = History()  # of the training, which has the findings
        self.found = 0  # how many of them are reported

    def __call__(self, event: Event, control: Control, history: History) -> bool:
        if self.history is not history:  # the first event
            self.history = history
            self.rates = control.record.setdefault("rate_changes", [])
            if control.learning_rate is not None:  # of a run that is resumed, where it was set by hand
                self.send("learning_rate", control.learning_rate)
        if isinstance(event, EpochEvent):
            self.place = event.epoch
            self.send("epoch", jsonable(event.row()))
        else:
            self.place, self.batches = event.epoch - 1 + event.batch / event.batches, event.batches
            self.losses.append((self.place, event.loss))
            self._step(event)
        self.report_rates()
        self.report_findings()
        return self._follow_commands(control)

    def report_findings(self) -> None:
        """Report what the doctor has found since the last report.

        The place ``at`` of a finding on the curves is where it arose, or the end of an earlier epoch in which it has begun.
        """
        for finding in self.history.findings[self.found :]:
            at = self.place if finding.since is None else min(finding.since, self.place)
            self.send("finding", {**jsonable(finding.record()), "at": at})
        self.found = len(self.history.findings)

    def report_rates(self) -> None:
        """Report the changes of the learning rate since the last report, each with its place ``at``, in epochs."""
        for change in self.rates[self.rates_reported :]:
            self.send("rate", {**change, "at": (change["after_step"] or 0) / self.batches})
        self.rates_reported = len(self.rates)

    def report_explosion(self) -> None:
        """Report the losses of the last steps of a training that has diverged: [[epochs, loss], …]."""
        self.send("explosion", [[round(place, 6), jsonable(loss)] for place, loss in self.losses if place > self.last_place])

    def send(self, kind: str, value: Any) -> None:
        """Send a message to the server, if it still runs."""
        with contextlib.suppress(OSError):
            self.channel.send((kind, value))

    def _step(self, event: StepEvent) -> None:
        if event.epoch != self.epoch:
            before = event.batch - 1  # batches of this epoch before a resumed training
            if self.epoch == 0:
                self.start = time.perf_counter()  # the first step may have compiled kernels
                self.first = (event.epoch - 1 + before / event.batches) / self.epochs
            self.epoch, self.samples, self.last_point = event.epoch, before * event.samples, (0, 0.0, 0.0)
        self.samples += event.samples
        now = time.perf_counter()
        if now - self.reported < REPORT_INTERVAL:
            return
        self.reported = now
        scores = event.scores()
        fraction = self.place / self.epochs
        seconds = now - self.start
        progress = {
            "epoch": event.epoch,
            "batch": event.batch,
            "batches": event.batches,
            "fraction": fraction,
            "seconds": seconds,
            "remaining": seconds * (1 - fraction) / (fraction - self.first),
            "learning_rate": event.learning_rate,
            "loss": jsonable(scores["loss"]),
            "accuracy": jsonable(scores.get("accuracy")),
            "point": self._point(event, scores),
        }
        self.send("step", progress)

    def _point(self, event: StepEvent, scores: Mapping[str, Value]) -> list[float | None] | None:
        """Return the next point of the curve, [epochs, loss, accuracy], or None if it is too close to the last one.

        Loss and accuracy are means over the samples since the last point. The accuracy is None where it is not a metric.
        """
        samples, loss, correct = self.last_point
        n = self.samples - samples
        total = self.samples / event.batch * event.batches * self.epochs
        if n < total / CURVE_POINTS:
            return None
        self.last_place = self.place
        self.last_point = self.samples, float(scores["loss"]) * self.samples, float(scores.get("accuracy", 0)) * self.samples
        _, new_loss, new_correct = self.last_point
        accuracy = round((new_correct - correct) / n, 6) if "accuracy" in scores else None
        return [round(self.place, 6), round((new_loss - loss) / n, 6), accuracy]

    def _follow_commands(self, control: Control) -> bool:
        """Follow the commands that arrived, and wait while the training is paused. Return False to end the training."""
        now = time.perf_counter()
        if not self.paused and now - self.polled < POLL_INTERVAL:
            return True
        try:
            while self.paused or self.channel.poll():
                action, value = self.channel.recv()
                if action == "stop":
                    return False
                if action == "learning_rate":
                    control.learning_rate = value
                else:
                    self.paused = action == "pause"
                    self.send("paused", self.paused)
        except (EOFError, OSError):
            return False
        self.polled = time.perf_counter()
        self.start += self.polled - now
        return True
