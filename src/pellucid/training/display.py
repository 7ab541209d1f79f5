"""Progress: what a person sees while training runs, and the Ctrl-C that waits for the step at hand."""

from __future__ import annotations

import signal
import sys
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

import numpy as np

from pellucid.training.events import EpochEvent, Event


class Display(ABC):
    """Shows events; a context manager around a training."""

    @abstractmethod
    def show(self, event: Event) -> None: ...

    def __enter__(self) -> Display:
        return self

    def __exit__(self, *exception: object) -> None:
        return None


class Silent(Display):
    def show(self, event: Event) -> None:
        return


def line(event: EpochEvent, epochs: int) -> str:
    """One epoch in one line: ``epoch  3/15   0.42 s   loss 0.1204   accuracy 96.51 %   validation: loss …``."""
    text = f"epoch {event.epoch:>{len(str(epochs))}}/{epochs}  {event.seconds:6.2f} s  {_values(event.train)}"
    return text + (f"  │  validation {_values(event.validation)}" if event.validation else "")


def _values(values: Any) -> str:
    shown = []
    for name, value in values.items():
        if np.ndim(value) == 0:
            share = name == "accuracy" or name.startswith(("precision", "recall"))
            shown.append(f"{name.replace('_', ' ')} " + (f"{100 * value:6.2f} %" if share else f"{value:.4f}"))
    return "  ".join(shown)


class Plain(Display):
    """One line an epoch, for files and pipes."""

    def __init__(self, epochs: int):
        self.epochs = epochs

    def show(self, event: Event) -> None:
        if isinstance(event, EpochEvent):
            print(line(event, self.epochs), file=sys.stderr, flush=True)


class Bars(Display):
    """A moving bar for the epoch at hand (epoch, batch, loss, time left), and a line for each that is over. Works on
    terminals and, through Rich, in notebooks."""

    def __init__(self, epochs: int):
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

        self.epochs = epochs
        columns = (TextColumn("{task.description}"), BarColumn(bar_width=None), TextColumn("{task.fields[loss]}"), TimeRemainingColumn())
        self.bars = Progress(*columns, console=Console(stderr=not _in_notebook()), transient=True, expand=True)
        self._task: Any = None
        self._loss, self._samples = 0.0, 0
        self._shown: tuple[str, str] = ("", "")

    def __enter__(self) -> Display:
        self.bars.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self.bars.stop()

    def show(self, event: Event) -> None:
        if isinstance(event, EpochEvent):
            self.bars.console.print(line(event, self.epochs), markup=False, highlight=False)
            self._loss, self._samples = 0.0, 0
            return
        if self._task is None:
            self._task = self.bars.add_task("", total=self.epochs * event.batches, loss="")
        self._loss += event.loss * event.samples
        self._samples += event.samples
        done = (event.epoch - 1) * event.batches + event.batch
        if event.batch % max(1, event.batches // 50) == 0 or event.batch == event.batches:
            what = f"epoch {event.epoch}/{self.epochs}  batch {event.batch}/{event.batches}"
            self.bars.update(self._task, completed=done, description=what, loss=f"loss {self._loss / self._samples:.4f}")


def _in_notebook() -> bool:
    shell = sys.modules.get("IPython")
    return shell is not None and type(shell.get_ipython()).__name__ == "ZMQInteractiveShell"


def make_display(progress: bool | None, epochs: int) -> Display:
    """Bars on a terminal and in a notebook; elsewhere plain lines if asked for, else nothing."""
    watched = sys.stderr.isatty() or _in_notebook()
    if progress is False or (progress is None and not watched):
        return Silent()
    return Bars(epochs) if watched else Plain(epochs)


@contextmanager
def interruptible() -> Iterator[Callable[[], bool]]:
    """Gives a function that tells whether Ctrl-C was pressed, so that the step at hand can be finished first. A second
    Ctrl-C interrupts at once. Outside of the main thread, where signals do not arrive, it is always False."""
    pressed: list[bool] = []

    def note(number: int, frame: FrameType | None) -> None:
        if pressed:
            signal.default_int_handler(number, frame)
        pressed.append(True)

    if threading.current_thread() is not threading.main_thread() or signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        yield lambda: False
        return
    signal.signal(signal.SIGINT, note)
    try:
        yield lambda: bool(pressed)
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)
