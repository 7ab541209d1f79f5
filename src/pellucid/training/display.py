"""Progress: what a person sees while training runs, and the Ctrl-C that waits for the step at hand."""

from __future__ import annotations

import importlib.util
import signal
import sys
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import contextmanager
from types import FrameType
from typing import Any, TextIO

import numpy as np

from pellucid.kernels import Kernels
from pellucid.metrics import Value
from pellucid.training.events import EpochEvent, Event

EVERY = 0.2  # seconds between two drawings of the bar: drawing takes milliseconds, a step may take a tenth of one


class Display(ABC):
    """Shows events; a context manager around a training."""

    @abstractmethod
    def show(self, event: Event) -> None: ...

    @abstractmethod
    def say(self, text: str) -> None:
        """A line that is no event."""

    def __enter__(self) -> Display:
        return self

    def __exit__(self, *exception: object) -> None:
        return None


class Silent(Display):
    def show(self, event: Event) -> None:
        return

    def say(self, text: str) -> None:
        return


def line(event: EpochEvent, epochs: int) -> str:
    """One epoch in one line: ``epoch  3/15   0.42 s  loss 0.1204  accuracy 96.51 %  │  validation 0.1187  96.60 %``."""
    text = f"epoch {event.epoch:>{len(str(epochs))}}/{epochs}  {event.seconds:5.2f} s  {_values(event.train)}"
    return text + (f"  │  validation {_values(event.validation, names=False)}" if event.validation else "")


def _values(values: Mapping[str, Value], *, names: bool = True) -> str:
    shown = []
    for name, value in values.items():
        if np.ndim(value) == 0:
            share = name.endswith("accuracy") or name.startswith(("precision", "recall", "specificity", "f1"))
            number = f"{100 * value:.2f} %" if share else f"{value:.4f}"
            shown.append(f"{name.replace('_', ' ')} {number}" if names else number)
    return "  ".join(shown)


class Plain(Display):
    """One line an epoch, for files and pipes."""

    def __init__(self, epochs: int, out: TextIO):
        self.epochs, self.out = epochs, out

    def show(self, event: Event) -> None:
        if isinstance(event, EpochEvent):
            self.say(line(event, self.epochs))

    def say(self, text: str) -> None:
        print(text, file=self.out, flush=True)


class Bars(Display):
    """A moving bar (epoch, batch, loss and metrics of the epoch so far, time left), and a line for each epoch that is
    over. Works on terminals and, through Rich, in notebooks."""

    def __init__(self, epochs: int):
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

        self.epochs = epochs
        columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[scores]}"), TimeRemainingColumn())
        self.bars = Progress(*columns, console=Console(stderr=not _in_notebook()), transient=True, auto_refresh=False)
        self._task: Any = None
        self._drawn = 0.0

    def __enter__(self) -> Display:
        self.bars.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self.bars.stop()

    def show(self, event: Event) -> None:
        if isinstance(event, EpochEvent):
            self.say(line(event, self.epochs))
            return
        if self._task is None:
            self._task = self.bars.add_task("", total=self.epochs * event.batches, scores="")
        now = time.perf_counter()
        if now - self._drawn >= EVERY:
            self._drawn = now
            done = (event.epoch - 1) * event.batches + event.batch
            what = f"epoch {event.epoch}/{self.epochs}  batch {event.batch}/{event.batches}"
            self.bars.update(self._task, completed=done, description=what, scores=_values(event.scores()), refresh=True)

    def say(self, text: str) -> None:
        self.bars.console.print(text, markup=False, highlight=False)


def _in_notebook() -> bool:
    shell = sys.modules.get("IPython")
    return shell is not None and type(shell.get_ipython()).__name__ == "ZMQInteractiveShell"


def make_display(progress: bool | None, epochs: int) -> Display:
    """Bars on a terminal and in a notebook that has widgets; in other notebooks, and wherever else it is asked for, plain
    lines; else nothing."""
    if progress is False:
        return Silent()
    if _in_notebook():
        return Bars(epochs) if importlib.util.find_spec("ipywidgets") else Plain(epochs, sys.stdout)
    if sys.stderr.isatty():
        return Bars(epochs)
    return Plain(epochs, sys.stderr) if progress else Silent()


def follow(events: Generator[Event, None, None], progress: bool | None, epochs: int, kernels: Kernels) -> None:
    """Shows the events until the last. Ctrl-C closes them after the step at hand and raises KeyboardInterrupt."""
    display = make_display(progress, epochs)
    with interruptible() as interrupted, display, kernels.announced(display.say):
        for event in events:
            display.show(event)
            if interrupted():
                events.close()
                raise KeyboardInterrupt


@contextmanager
def interruptible() -> Iterator[Callable[[], bool]]:
    """Gives a function that tells whether Ctrl-C was pressed, so that the step at hand can be finished first. A second
    Ctrl-C interrupts at once. Outside of the main thread, where signals do not arrive, it is always False."""
    pressed: list[bool] = []

    def note(number: int, frame: FrameType | None) -> None:
        if pressed:
            signal.default_int_handler(number, frame)
        pressed.append(True)

    in_main = threading.current_thread() is threading.main_thread()
    if not in_main or signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        yield lambda: False
        return
    signal.signal(signal.SIGINT, note)
    try:
        yield lambda: bool(pressed)
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)
