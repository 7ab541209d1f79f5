"""What a run writes into its folder while it trains: ``config.json``, ``status.json``, and ``history.csv``, which grows.

``status.json`` has the keys

- ``status``: "training", "evaluating", "done", "interrupted" or "failed". A run whose process was killed still has the status
  "training" or "evaluating", but no process holds the lock of its folder.
- ``process``, ``host``: the process id and the machine
- ``started``, ``updated``: when this process started, and when the file was written (ISO 8601)
- ``resumed``: how often the run has been resumed
- ``epoch`` (of ``epochs``), ``batch`` (of ``batches``), ``step``: the last step
- ``scores``: loss and metrics of the current epoch so far; ``validation``: those of the last validation
- ``seconds``: the time of the training so far, of all processes; ``remaining``: an estimate of the seconds until its end
- ``checkpoint``: the last checkpoint, relative to the run folder, or null
- ``error``: what ended a run that failed, or null

It is written at the end of epochs and every few seconds, under another name and then renamed, so that a reader always finds the
whole file. It is not flushed to disk: after a power failure it may be an old one, and the checkpoints say where the run is.
"""

from __future__ import annotations

import contextlib
import os
import platform
import time
from collections.abc import Generator, Mapping
from datetime import datetime
from typing import Any

import numpy as np

from pellucid.core.plain_values import fits
from pellucid.errors import PellucidError
from pellucid.metrics import Value
from pellucid.runs.energy import Energy, Meter
from pellucid.runs.folder import CHECKPOINTS, CONFIG, FINDINGS, HISTORY, METRICS, MODEL, SAMPLES, STATUS, RunFolder
from pellucid.training import Control, EpochEvent, Event, History, StepEvent

_PLACE = {"epoch": 0, "batch": 0, "batches": 0, "step": 0}  # of the last step, as in the status
INTERVAL = 2.0  # seconds between two status files
EPOCH_INTERVAL = 0.2  # at the ends of epochs: a table may have hundreds of them in a second


class Status:
    """The status of a run, and its file. A status that cannot be written, for example on a full disk, ends no training."""

    def __init__(self, folder: RunFolder, epochs: int, resumed: int = 0):
        self.folder = folder
        self.values: dict[str, Any] = {
            "status": "training",
            "process": os.getpid(),
            "host": platform.node(),
            "started": _now(),
            "updated": None,
            "resumed": resumed,
            "epoch": None,
            "epochs": epochs,
            "batch": None,
            "batches": None,
            "step": None,
            "scores": {},
            "validation": {},
            "seconds": 0.0,
            "remaining": None,
            "checkpoint": None,
            "error": None,
        }
        self._written = -INTERVAL

    def write(self, **values: Any) -> None:
        """Write the file, with these values changed."""
        self.values |= {**values, "updated": _now()}
        last = self.folder.newest_checkpoint()
        is_done = self.values["status"] == "done"  # the checkpoints are about to be removed
        self.values["checkpoint"] = None if last is None or is_done else f"{CHECKPOINTS}/{last.name}"
        with contextlib.suppress(OSError):
            self.folder.write_status(self.values)
        self._written = time.perf_counter()

    def is_due(self, event: Event) -> bool:
        """Return whether it is time for a new file."""
        interval = EPOCH_INTERVAL if isinstance(event, EpochEvent) else INTERVAL
        return time.perf_counter() - self._written >= interval

    def see(self, event: Event, step: StepEvent | None) -> None:
        """Take over the scores of the last event, and the place of the last ``step``."""
        if step is not None:
            self.values |= {"batch": step.batch, "batches": step.batches, "step": step.step}
        if isinstance(event, StepEvent):
            self.values |= {"epoch": event.epoch, "scores": _numbers(event.scores())}
        else:
            scores = {"scores": _numbers(event.train), "validation": _numbers(event.validation or {})}
            self.values |= {"epoch": event.epoch, **scores}


def _numbers(scores: Mapping[str, Value]) -> dict[str, float]:
    return {name: float(value) for name, value in scores.items() if np.ndim(value) == 0}


def _now() -> str:
    return datetime.now().astimezone().isoformat(timespec="seconds")


class HistoryFile:
    """The file ``history.csv`` of a run that trains: each epoch adds a line, which ``tail -f`` shows.

    A line that cannot be written, for example on a full disk, is written with the next one.
    """

    def __init__(self, folder: RunFolder, history: History):
        self.folder, self.path, self.history = folder, folder.path / HISTORY, history
        self._lines = 0  # in the file, without the header
        self._header = ""

    def update(self) -> None:
        """Write the rows that the file does not have. It is written anew where it has other columns, or other rows."""
        rows = len(self.history)
        if not rows or (rows == self._lines and self._header) or not self.folder.writes:
            return
        with contextlib.suppress(OSError):
            header, _, line = History(self.history.rows[-1:]).to_csv().partition("\n")
            if self._header == header and rows == self._lines + 1:
                with open(self.path, "a", encoding="utf-8", newline="") as file:
                    self._header = ""  # until the line is complete
                    file.write(line)
            else:
                text = self.history.to_csv()
                self._header = ""
                with open(self.path, "w", encoding="utf-8", newline="") as file:
                    file.write(text)
                header = text.partition("\n")[0]
            self._header, self._lines = header, rows


class RunProgress:
    """Writes the files of a run that trains, and adds up its time and energy over interruptions.

    ``record`` holds what a resumed run goes on from, as plain values: ``seconds``, ``energy``, ``resumed`` and the changes of
    the learning rate, ``rate_changes``. It is in each checkpoint (``control.record``).

    ``planned_rates`` are the learning rates after certain steps.

    The files of a run that ``force`` allows to replace are kept until there is a checkpoint or an epoch of the new one. Each of
    several ``ranks`` has a progress; that of rank 0 writes.
    """

    def __init__(
        self,
        folder: RunFolder,
        config: Mapping[str, Any],
        epochs: int,
        history: History,
        control: Control,
        *,
        resumed: int = 0,
        alone: bool = True,
        ranks: int = 1,
        watched: bool = False,
        planned_rates: Mapping[int, float | None] | None = None,
    ):
        self.folder, self.config, self.history, self.control = folder, config, history, control
        self.status = Status(folder, epochs, resumed)
        self.record = control.record
        self._earlier_seconds = float(self.record.setdefault("seconds", 0.0))
        self._earlier_energy = Energy(**self.record["energy"]) if "energy" in self.record else None
        self.record["resumed"] = resumed
        if fits(self.record.get("place"), _PLACE):  # this process may have no step left to make
            self.status.values |= {name: self.record["place"][name] for name in _PLACE}
        self.rate_changes: list[dict[str, float | None]] = self.record.setdefault("rate_changes", [])
        self._planned_rates = planned_rates or {}
        self.paused_seconds = 0.0  # of the time since the start, that in which something else was done
        self._ranks = ranks
        self._meter, self._start = Meter(alone=alone and ranks == 1), time.perf_counter()
        self._total: tuple[float, Energy] | None = None  # seconds and energy, once the training has ended or is told to stop
        self._first: float | None = None  # the fraction of the run that was done at the first event
        self._last: Event | None = None
        self._last_step: StepEvent | None = None
        self._history_file = HistoryFile(folder, history)
        self._watched, self._findings = watched, -1  # the number of findings in the file
        self._is_resumed = resumed > 0
        self._replaces = not self._is_resumed and bool(folder.others())
        self._begun = False
        if not self._replaces:
            self._begin()

    @property
    def seconds(self) -> float:
        """The seconds of the training, in all processes."""
        if self._total is not None:
            return self._total[0]
        return self._earlier_seconds + time.perf_counter() - self._start - self.paused_seconds

    @property
    def energy(self) -> Energy:
        """The energy of the training, in all processes."""
        if self._total is not None:
            return self._total[1]
        now = self._meter.read() * self._ranks
        return now if self._earlier_energy is None else self._earlier_energy + now

    def _begin(self) -> None:
        """Write the first files of the run, and remove those of a run that it replaces."""
        if self._replaces:
            # Its settings first: a process that is killed here leaves no folder that would be resumed with them.
            self.folder.remove(CONFIG, STATUS, HISTORY, FINDINGS, SAMPLES, METRICS, MODEL)
        if not self._is_resumed:
            self.folder.write_config(self.config)
        self._begun = True
        self.status.write()

    def followed(self, events: Generator[Event, None, None]) -> Generator[Event, None, None]:
        """Yield the same events, and write the files of the run."""
        with contextlib.closing(events):
            for event in events:
                self._see(event)
                if isinstance(event, StepEvent):
                    self._change_rate(event.step)
                yield event
                if self.control.stop and self._total is None:
                    # What is reported is what the checkpoint after this event holds: resuming goes on from the same figures.
                    self._total = self.seconds, self.energy
                    self.record["energy"] = vars(self.energy)
                self.record["seconds"] = self.seconds  # before the checkpoint after this event

    def _change_rate(self, step: int) -> None:
        """Set the learning rate that is planned for the steps after this one."""
        if step in self._planned_rates:
            self.control.learning_rate = self._planned_rates[step]
            self.rate_changes.append({"after_step": step, "learning_rate": self.control.learning_rate})

    def _see(self, event: Event) -> None:
        is_epoch, is_due, is_first = isinstance(event, EpochEvent), self.status.is_due(event), self._last is None
        self._last = event
        if isinstance(event, StepEvent):
            self._last_step = event
            self.record["place"] = {name: getattr(event, name) for name in _PLACE}
        if self._first is None:
            self._first = self._fraction(event)
        if is_due:
            self.record["energy"] = vars(self.energy)
        if not self._begun and (is_epoch or (is_due and self.folder.newest_checkpoint() is not None)):
            self._begin()
        if self._begun and (is_epoch or is_first):
            self._history_file.update()
        if self._begun and (is_epoch or is_due):
            self._write_findings()
        if self._begun and is_due:
            self._write_status("training")

    def _write_findings(self) -> None:
        """Write the findings of a training that is watched, if there are new ones."""
        findings = self.history.findings
        if self._watched and len(findings) != self._findings:
            with contextlib.suppress(OSError):
                self.folder.write_findings([one.record() for one in findings])
                self._findings = len(findings)

    def _write_status(self, status: str, error: str | None = None) -> None:
        remaining = None
        if self._last is not None and self._first is not None:
            self.status.see(self._last, self._last_step)
            done, seconds = self._fraction(self._last) - self._first, self.seconds - self._earlier_seconds
            if status == "training" and done > 0:  # the rest is as fast as what this process has done
                remaining = seconds * (1 - self._fraction(self._last)) / done
        self.status.write(status=status, seconds=self.seconds, remaining=remaining, error=error)

    def _fraction(self, event: Event) -> float:
        """Return the fraction of the run that is done after an event."""
        done = event.epoch if isinstance(event, EpochEvent) else event.epoch - 1 + event.batch / event.batches
        return done / float(self.status.values["epochs"])

    def end_training(self, status: str) -> None:
        """Note that the training has ended, and what follows: "evaluating", or nothing if it is "interrupted"."""
        self._total = self.seconds, self.energy
        if not self._begun:
            self._begin()
        self._write_findings()
        self._write_status(status)

    def end(self, status: str) -> None:
        """Note the end of the run: "done" or "interrupted"."""
        self._write_status(status)

    def fail(self, error: BaseException) -> None:
        """Note the error that ends the run. A run that failed before there was an epoch or a checkpoint leaves no files."""
        if not self._is_resumed and not self._has_results():
            self.folder.remove(CHECKPOINTS, *((CONFIG, STATUS, HISTORY, FINDINGS, SAMPLES) if self._begun else ()))
            self.folder.discard()
            return
        if not self._begun:
            self._begin()
        self._write_findings()
        self._write_status("failed", f"{error}" if isinstance(error, PellucidError) else f"{type(error).__name__}: {error}")

    def _has_results(self) -> bool:
        return len(self.history) > 0 or self.folder.newest_checkpoint() is not None
