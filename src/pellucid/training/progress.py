"""Progress displays for training, and the handling of signals such as Ctrl-C: they take effect after the current step."""

from __future__ import annotations

import importlib.util
import signal
import sys
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from types import FrameType
from typing import Any, TextIO

import numpy as np

from pellucid.kernels import Kernels
from pellucid.metrics import Value
from pellucid.training.evaluation import is_fraction
from pellucid.training.events import EpochEvent, Event, History
from pellucid.training.loop import Control
from pellucid.training.ranks import current

REFRESH_SECONDS = 0.2  # between two drawings of the bar: drawing takes milliseconds, longer than many steps


class Display(ABC):
    """A display of events; a context manager around a training."""

    @abstractmethod
    def show(self, event: Event) -> None:
        """Display an event."""

    @abstractmethod
    def print_line(self, text: str) -> None:
        """Display a line of text."""

    def __enter__(self) -> Display:
        return self

    def __exit__(self, *exception: object) -> None:
        return None


class Silent(Display):
    """A display that shows nothing."""

    def show(self, event: Event) -> None:
        return

    def print_line(self, text: str) -> None:
        return


class Plain(Display):
    """A display of one line per epoch, for files and pipes."""

    def __init__(self, epochs: int, out: TextIO):
        self.epochs, self.out = epochs, out

    def show(self, event: Event) -> None:
        if isinstance(event, EpochEvent):
            self.print_line(epoch_line(event, self.epochs))

    def print_line(self, text: str) -> None:
        print(text, file=self.out, flush=True)


class Bars(Display):
    """A progress bar (epoch, batch, scores so far, time left), and a line for each finished epoch.

    Works on terminals and, through Rich, in notebooks.
    """

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
            self.print_line(epoch_line(event, self.epochs))
            return
        if self._task is None:
            self._task = self.bars.add_task("", total=self.epochs * event.batches, scores="")
        now = time.perf_counter()
        if now - self._drawn >= REFRESH_SECONDS:
            self._drawn = now
            done = (event.epoch - 1) * event.batches + event.batch
            what = f"epoch {event.epoch}/{self.epochs}  batch {event.batch}/{event.batches}"
            self.bars.update(self._task, completed=done, description=what, scores=_scores(event.scores()), refresh=True)

    def print_line(self, text: str) -> None:
        self.bars.console.print(text, markup=False, highlight=False)


def epoch_line(event: EpochEvent, epochs: int) -> str:
    """Return one line for an epoch: ``epoch  3/15   0.42 s  loss 0.1204  accuracy 96.51 %  │  validation 0.1187  96.60 %``."""
    text = f"epoch {event.epoch:>{len(str(epochs))}}/{epochs}  {event.seconds:5.2f} s  {_scores(event.train)}"
    return text + (f"  │  validation {_scores(event.validation, names=False)}" if event.validation else "")


def _scores(values: Mapping[str, Value], *, names: bool = True) -> str:
    shown = []
    for name, value in values.items():
        if np.ndim(value) == 0:
            number = f"{100 * value:.2f} %" if is_fraction(name) else f"{value:.4f}"
            shown.append(f"{name.replace('_', ' ')} {number}" if names else number)
    return "  ".join(shown)


def _in_notebook() -> bool:
    shell = sys.modules.get("IPython")
    return shell is not None and type(shell.get_ipython()).__name__ == "ZMQInteractiveShell"


def make_display(progress: bool | None, epochs: int) -> Display:
    """Return the display for this environment.

    A terminal, and a notebook with ipywidgets, get bars; other notebooks get lines. Anything else gets lines if ``progress``
    is True and nothing if it is None. False shows nothing anywhere.
    """
    if progress is False:
        return Silent()
    if _in_notebook():
        return Bars(epochs) if importlib.util.find_spec("ipywidgets") else Plain(epochs, sys.stdout)
    if sys.stderr.isatty():
        return Bars(epochs)
    return Plain(epochs, sys.stderr) if progress else Silent()


def follow(
    events: Generator[Event, None, None],
    progress: bool | None,
    epochs: int,
    kernels: Kernels,
    history: History,
    control: Control,
) -> None:
    """Run a training to its end with :func:`show`. Raises KeyboardInterrupt or SystemExit if a signal has ended it."""
    number = show(events, progress, epochs, kernels, history, control)
    if number is not None:
        raise exception_for(number)


def show(
    events: Generator[Event, None, None],
    progress: bool | None,
    epochs: int,
    kernels: Kernels,
    history: History,
    control: Control,
    lines: Callable[[], Sequence[str]] | None = None,
) -> int | None:
    """Run a training to its end, and show its events on the display for this environment (:func:`make_display`).

    ``history`` and ``control`` are those of the training. ``lines()`` is called after each event and returns further lines of
    text to display. The display shows the findings of a watch when they arise, and at the
    end why the training stopped, if the history says so, and its problems.

    A signal (:func:`interruptible`) ends the training after the current step: checkpoints are written and policies finish.
    Returns the number of the signal, or None.
    """
    display, shown = make_display(progress, epochs), 0
    with interruptible(display.print_line) as interruption, display, kernels.announce_compilation(display.print_line):
        for event in events:
            display.show(event)
            for line in lines() if lines is not None else ():
                display.print_line(line)
            shown = _show_findings(display, history, shown)
            if interruption.number is not None:
                control.stop = True
        interruption.number = agreed_signal(interruption.number)
        _show_findings(display, history, shown)
        if history.stopped is not None:
            display.print_line(f"stopped: {history.stopped}")
        for problem in history.problems:
            display.print_line(f"problem: {problem}")
    return interruption.number


def agreed_signal(number: int | None) -> int | None:
    """Return the signal that has ended the training of this rank or of another one, or None; all ranks call this."""
    return next((one for one in current().gather(number) if one is not None), None)


def _show_findings(display: Display, history: History, shown: int) -> int:
    """Display the findings after the first ``shown``, and return how many there are now."""
    for finding in history.findings[shown:]:
        display.print_line(str(finding))
    return len(history.findings)


@dataclass
class Interruption:
    """Whether a signal has asked to end a training: its ``number``, or None."""

    number: int | None = None


@contextmanager
def interruptible(say: Callable[[str], None] | None = None) -> Iterator[Interruption]:
    """Yield an object that says which signal has arrived, so that the current step can be finished first.

    ``say`` is called with a line of text at the first Ctrl-C: the first step may compile kernels for a minute.

    The signals are those of Ctrl-C (SIGINT), of ``kill`` (SIGTERM), of a terminal that is closed (SIGHUP), and on Windows of
    Ctrl-Break (SIGBREAK). A second one has its usual effect at once: KeyboardInterrupt, or the end of the process. Signals for
    which the program has its own handler, or which it ignores, are left to it. In other threads than the main one, which alone
    receives signals, nothing is changed.
    """
    interruption = Interruption()

    def handler(number: int, frame: FrameType | None) -> None:
        if interruption.number is None:
            interruption.number = number
            if say is not None and number == signal.SIGINT:
                with suppress(OSError, RuntimeError):  # a closed pipe; a line that is just being written
                    say("interrupted: the training ends after this step; Ctrl-C again ends it at once")
        elif number == signal.SIGINT:
            signal.default_int_handler(number, frame)
        else:
            signal.signal(number, signal.SIG_DFL)
            signal.raise_signal(number)

    handled = []
    try:
        if threading.current_thread() is threading.main_thread():
            for number, default in _default_handlers().items():
                if signal.getsignal(number) == default:
                    handled.append((number, default))
                    signal.signal(number, handler)
        yield interruption
    finally:
        for number, default in handled:
            signal.signal(number, default)


def exception_for(number: int) -> BaseException:
    """Return the exception for a training that this signal has ended: KeyboardInterrupt, or SystemExit with 128 + number."""
    return KeyboardInterrupt() if number == signal.SIGINT else SystemExit(128 + number)


def _default_handlers() -> dict[int, Any]:
    """Return the signals that end a training after the current step, with their handlers in a usual program."""
    names = {"SIGINT": signal.default_int_handler, **dict.fromkeys(("SIGTERM", "SIGHUP", "SIGBREAK"), signal.SIG_DFL)}
    return {getattr(signal, name): default for name, default in names.items() if hasattr(signal, name)}
