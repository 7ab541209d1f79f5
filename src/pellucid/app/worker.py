"""What runs in a training's own process: one run, told to the server event by event and steered by what the server says.

Both talk through a pipe. Out go pairs of a kind and a value: "told" a line for people, "step" and "epoch" how far it is,
"paused", and at the end "done" or "failed". In come pairs of an action and a value: "learning_rate", "pause", "resume", "stop".
When the pipe ends the server is gone: the run is kept as it is, and the process ends.
"""

from __future__ import annotations

import contextlib
import os
import signal
import time
import traceback
from collections.abc import Mapping
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from pellucid.errors import PellucidError
from pellucid.metrics import Value
from pellucid.runs.folder import plain
from pellucid.runs.run import Plan, Settings, run
from pellucid.training import Control, EpochEvent, Event, StepEvent, shards

NICE = 10  # whoever draws meanwhile goes first
EVERY = 0.1  # seconds between two steps that are told
ASK = 0.02  # seconds between two looks for what is to be done: a look takes as long as a tenth of a small step
POINTS = 600  # of the curve within epochs, over the whole run


def work(channel: Connection, settings: Settings, folder: Path) -> None:
    """Trains as the settings say, into the folder, which is there and empty."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is pressed for the server, which then says what is to be done
    if hasattr(os, "nice"):
        os.nice(NICE)
    shards.limit(max(1, shards.cores() - 1))  # one core is left to the server and the browser
    try:
        plan = Plan.of(settings)
        watcher = Watcher(channel, plan.recipe.epochs)
        told = run(plan, folder, tell=lambda line: watcher.tell("told", line), progress=False, alone=False, watch=watcher)
    except PellucidError as error:
        ended: tuple[str, Any] = "failed", str(error)
    except Exception as error:  # a bug: its traceback goes to the server's terminal, its name to the page
        traceback.print_exc()
        ended = "failed", f"{type(error).__name__}: {error} (the server's terminal says where)"
    else:
        ended = "done", _result(told)
    with contextlib.suppress(OSError):
        channel.send(ended)
        channel.close()


def _result(found: Mapping[str, Any]) -> dict[str, Any]:
    """What the page shows of a run that is over."""
    scores = {
        part: {name: plain(found[part][name]) for name in ("loss", "accuracy")} for part in ("train", "validation", "test")
    }
    names = "parameters", "seconds", "energy_text", "interrupted", "best_epoch", "classes"
    return {**scores, **{name: plain(found[name]) for name in names}, "sizes": found["data"]["sizes"]}


class Watcher:
    """Sees every event of a training: tells the server, and does what it says."""

    def __init__(self, channel: Connection, epochs: int):
        self.channel, self.epochs = channel, epochs
        self.paused = False
        self.began = time.perf_counter()  # moved on by every pause
        self.asked = self.told = 0.0
        self.epoch = 0
        self.samples = 0  # of this epoch so far
        self.mark = (0, 0.0, 0.0)  # samples, and sums of loss and correct ones, where the last point of the curve was

    def __call__(self, event: Event, control: Control) -> bool:
        if isinstance(event, EpochEvent):
            self.tell("epoch", plain(event.row()))
        else:
            self._step(event)
        return self._obeys(control)

    def tell(self, kind: str, value: Any) -> None:
        """A message to the server, if it is still there."""
        with contextlib.suppress(OSError):
            self.channel.send((kind, value))

    def _step(self, event: StepEvent) -> None:
        if event.epoch != self.epoch:
            if self.epoch == 0:
                self.began = time.perf_counter()  # the first step may have waited for kernels to be compiled
            self.epoch, self.samples, self.mark = event.epoch, 0, (0, 0.0, 0.0)
        self.samples += event.samples
        now = time.perf_counter()
        if now - self.told < EVERY:
            return
        self.told = now
        scores = event.scores()
        done = (event.epoch - 1 + event.batch / event.batches) / self.epochs
        seconds = now - self.began
        self.tell(
            "step",
            {
                "epoch": event.epoch, "batch": event.batch, "batches": event.batches, "done": done, "seconds": seconds,
                "remaining": seconds * (1 - done) / done, "learning_rate": event.learning_rate,
                "loss": plain(scores["loss"]), "accuracy": plain(scores["accuracy"]), "point": self._point(event, scores),
            },
        )  # fmt: skip

    def _point(self, event: StepEvent, scores: Mapping[str, Value]) -> list[float] | None:
        """[epochs done, loss, accuracy] of what was learned since the last point, once that is a POINTS-th of the run."""
        samples, loss, correct = self.mark
        n = self.samples - samples
        whole = self.samples / event.batch * event.batches * self.epochs
        if n < whole / POINTS:
            return None
        self.mark = self.samples, float(scores["loss"]) * self.samples, float(scores["accuracy"]) * self.samples
        point = event.epoch - 1 + event.batch / event.batches, (self.mark[1] - loss) / n, (self.mark[2] - correct) / n
        return [round(value, 6) for value in point]

    def _obeys(self, control: Control) -> bool:
        """Does what the server has said meanwhile; waits while paused. False: the training is to end."""
        now = time.perf_counter()
        if not self.paused and now - self.asked < ASK:
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
                    self.tell("paused", self.paused)
        except (EOFError, OSError):
            return False
        self.asked = time.perf_counter()
        self.began += self.asked - now
        return True
