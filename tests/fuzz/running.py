"""Runs inputs of fuzzing and checks what must hold for each of them.

- Nothing is raised but errors of the library, each with a message.
- The memory allocated at the same time is at most ten times the size of the input, plus the allowance of the target. It is
  measured by tracemalloc, which sees the memory of Python and of NumPy, and makes everything about four times slower. So the
  campaign measures every eighth input. For all inputs it limits the address space of its processes, also for decoders in C.
- The input is read within a limit of processor time, which does not depend on what else the machine does.
"""

from __future__ import annotations

import contextlib
import gc
import resource
import signal
import traceback
import tracemalloc
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

from pellucid import PellucidError
from tests.fuzz.target import Target

TIME_LIMIT = 10.0  # seconds of processor time; an input takes milliseconds
FACTOR = 10  # bytes of memory for each byte of an input
SOURCE = "pellucid"


class TooSlow(BaseException):
    """An input takes too much processor time. It is no Exception, so that nothing under test catches it."""


@dataclass(frozen=True)
class Failure:
    """An input for which something does not hold: ``kind`` groups inputs that fail in the same place, ``text`` explains."""

    target: str
    kind: str
    text: str
    data: bytes


def _too_slow(number: int, frame: FrameType | None) -> None:
    raise TooSlow(f"more than {TIME_LIMIT:g} s of processor time")


@contextlib.contextmanager
def time_limited() -> Iterator[None]:
    """Let :func:`check` limit the time of inputs during the ``with`` block, and ignore warnings."""
    before = signal.signal(signal.SIGPROF, _too_slow)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)


def check(target: Target, data: bytes, measure: bool = True) -> Failure | None:
    """Give one input to a target and return what does not hold, or None; the memory counts if ``measure`` is true."""
    if measure:
        tracemalloc.start(1)
    signal.setitimer(signal.ITIMER_PROF, TIME_LIMIT)
    try:
        target.read(data)
    except PellucidError as error:
        if not str(error).strip():
            return Failure(target.name, f"an error without a message at {_place(error)}", traceback.format_exc(), data)
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        return Failure(target.name, f"{type(error).__name__} at {_place(error)}", traceback.format_exc(), data)
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        used = tracemalloc.get_traced_memory()[1] if measure else 0
        tracemalloc.stop()
    allowed = FACTOR * target.size(data) + target.allowance
    if used > allowed:
        text = f"{used:,} bytes were allocated for {len(data):,}; {allowed:,} are allowed"
        return Failure(target.name, "too much memory", text, data)
    return None


def _place(error: BaseException) -> str:
    """Return the last line inside the library that the error passed: those of one mistake are one kind of failure."""
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.name != _too_slow.__name__]
    inside = [frame for frame in frames if f"/src/{SOURCE}/" in frame.filename or f"/{SOURCE}/" in frame.filename]
    last = (inside or frames)[-1]
    return f"{Path(last.filename).name}:{last.lineno}"


def warm_up(target: Target, count: int = 30) -> None:
    """Give some inputs to a target without checking them, so that imports and caches do not count as their memory."""
    for number in range(count):
        with contextlib.suppress(Exception), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            target.read(target.input(-1, number))
    gc.collect()


def limit_address_space(more: int) -> None:
    """Limit the address space of this process to ``more`` bytes than it has, where the system says how much that is."""
    table = Path("/proc/self/statm")
    if table.exists():
        size = int(table.read_text().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (size + more, resource.getrlimit(resource.RLIMIT_AS)[1]))
