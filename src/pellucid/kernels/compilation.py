"""Kernels are compiled by several processes at once, before a training needs them.

Numba compiles one function at a time in a process. Which kernels a training calls is found out by a step with the reference
kernels, which are ready at once: :class:`RecordedKernels` writes down each call, without the values of the arrays. Helper
processes make these calls with the compiled kernels, which puts the compiled code into the cache on disk, while this process
compiles what it needs first. A function that one process is compiling is not compiled by another (``compiled/jit.py``), and one
that is called indirectly is compiled when it is called (``compiled/indirect_calls.py``), so the processes share what lies below
a kernel, too. If the helpers fail, this process compiles everything.
"""

from __future__ import annotations

import atexit
import contextlib
import importlib.util
import os
import pickle
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np

from pellucid import kernels
from pellucid.kernels import prebuilt
from pellucid.kernels.interface import KERNEL_NAMES, Kernels
from pellucid.kernels.sources import KERNELS, source_stamp

LARGEST_SELECTOR = 64  # integers up to this one, and truth values, may select an algorithm, such as the number of groups
MAX_PROCESSES = 4  # a chain of functions that call each other is compiled one after the other


def lock_name(stamp: str) -> str:
    """Return the name of the file in the cache whose bytes processes lock while they compile the sources with this stamp."""
    return f"pellucid-{stamp[:16]}.lock"


def is_first_use() -> bool:
    """Return whether it is certain that these kernels have never been compiled into the cache. Numba is not imported for it.

    On Windows, where the file does not exist that shows it, that is never certain.
    """
    if os.environ.get("PELLUCID_KERNELS") == "reference" or prebuilt.library() is not None or sys.platform == "win32":
        return False
    folder = os.environ.get("NUMBA_CACHE_DIR")
    caches = Path(folder).glob("*") if folder else [KERNELS / "__pycache__"]
    can_write = os.access(folder or KERNELS, os.W_OK) or not os.path.exists(folder or KERNELS)
    name = lock_name(source_stamp(KERNELS))
    return can_write and importlib.util.find_spec("numba") is not None and not any((cache / name).exists() for cache in caches)


@dataclass(frozen=True)
class _Array:
    """An array without its values: all that decides which code is compiled for it, and which algorithm a kernel chooses."""

    dtype: np.dtype[Any]
    shape: tuple[int, ...]
    strides: tuple[int, ...]  # in bytes
    writeable: bool

    @classmethod
    def of(cls, array: Any) -> _Array:
        strides = array.strides if min(array.strides, default=0) >= 0 else np.empty(array.shape, array.dtype).strides
        return cls(array.dtype, array.shape, strides, array.flags.writeable)

    def zeros(self) -> Any:
        last = sum((n - 1) * stride for n, stride in zip(self.shape, self.strides, strict=True))
        memory = np.zeros(0 if 0 in self.shape else last // self.dtype.itemsize + 1, self.dtype)
        return np.lib.stride_tricks.as_strided(memory, self.shape, self.strides, writeable=self.writeable)


@dataclass(frozen=True)
class KernelCall:
    """A call of a kernel, with arrays that have lost their values."""

    name: str
    arguments: tuple[Any, ...]
    keywords: tuple[tuple[str, Any], ...]

    @classmethod
    def of(cls, name: str, arguments: Sequence[Any], keywords: dict[str, Any]) -> KernelCall:
        def without_values(value: Any) -> Any:
            return _Array.of(value) if isinstance(value, np.ndarray) else value

        return cls(
            name,
            tuple(without_values(value) for value in arguments),
            tuple((key, without_values(value)) for key, value in keywords.items()),
        )

    @property
    def kind(self) -> str:
        """Return what decides the code: calls of the same kind differ in the length of the batch and in large numbers alone.

        The algorithm of a convolution depends on the length, too, but only below that of the calls which are recorded.
        """

        def of(value: Any) -> str:
            if isinstance(value, _Array):
                dense = value.strides == np.empty(value.shape, value.dtype).strides
                return f"{value.dtype}{value.shape[1:]}{dense}{value.writeable}"
            selects = isinstance(value, tuple) or (isinstance(value, int) and abs(value) <= LARGEST_SELECTOR)
            return repr(value) if selects else type(value).__name__

        return f"{self.name}{[of(value) for value in self.arguments]}{[(key, of(value)) for key, value in self.keywords]}"

    def make(self, kernel_set: Kernels) -> None:
        """Call the kernel, with zeros."""

        def with_values(value: Any) -> Any:
            return value.zeros() if isinstance(value, _Array) else value

        keywords = {key: with_values(value) for key, value in self.keywords}
        getattr(kernel_set, self.name)(*[with_values(value) for value in self.arguments], **keywords)


class RecordedKernels:
    """The reference kernels, which write down how they are called."""

    def __init__(self) -> None:
        self._kernels = kernels.load("reference")
        self.__name__ = self._kernels.__name__
        self._calls: dict[str, KernelCall] = {}

    @property
    def calls(self) -> list[KernelCall]:
        """The calls in the order in which they were made first, one of each kind."""
        return list(self._calls.values())

    def __getattr__(self, name: str) -> Any:
        kernel = getattr(self._kernels, name)
        if name not in KERNEL_NAMES:
            return kernel

        def recorded(*arguments: Any, **keywords: Any) -> Any:
            call = KernelCall.of(name, arguments, keywords)
            self._calls.setdefault(call.kind, call)
            return kernel(*arguments, **keywords)

        return recorded


def usable_cores() -> int:
    """Return the number of cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def num_processes() -> int:
    """Return the number of processes that compile at the same time, this one included."""
    return min(MAX_PROCESSES, usable_cores())


class Helpers:
    """Processes that compile kernels into the cache on disk: as many as are worthwhile beside this one."""

    def __init__(self) -> None:
        self._processes: list[subprocess.Popen[bytes]] = []

    def start(self) -> None:
        """Start the processes, which import the compiled kernels and wait for calls."""
        if self._processes or not sys.executable or getattr(sys, "frozen", False):
            return
        atexit.register(self.stop)
        environment = os.environ | {"PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
        command = [sys.executable, "-P", "-c", "from pellucid.kernels.compilation import help_; help_()"]
        with contextlib.suppress(OSError):
            for _ in range(num_processes() - 1):
                self._processes.append(
                    subprocess.Popen(
                        command,
                        stdin=subprocess.PIPE,
                        stdout=subprocess.DEVNULL,
                        stderr=subprocess.DEVNULL,
                        env=environment,
                    )
                )

    def give(self, calls: Sequence[KernelCall]) -> None:
        """Give the processes the calls to make. They begin at the end: this process begins at the start."""
        self.start()
        order = list(reversed(calls))
        for k, process in enumerate(self._processes):
            first = k * len(order) // len(self._processes)
            assert process.stdin is not None
            if not process.stdin.closed:  # they have other calls already
                with contextlib.suppress(OSError), process.stdin as stream:
                    pickle.dump(order[first:] + order[:first], stream)

    def stop(self) -> None:
        """End the processes, and return when they have ended."""
        for process in self._processes:
            process.terminate()
        for process in self._processes:
            process.wait()
            if process.stdin is not None:
                with contextlib.suppress(OSError):
                    process.stdin.close()
        self._processes.clear()


def help_() -> None:
    """Make the calls that standard input holds, in a helper process; before they are there, compile what all kernels need."""
    global _is_helper
    _is_helper = True
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    compiled = kernels.load("compiled")
    compiled.compile_pool()
    make(pickle.load(sys.stdin.buffer), compiled)


def make(calls: Sequence[KernelCall], kernel_set: Kernels) -> None:
    """Make calls of kernels, so that these are compiled. An error is left to the training, which makes the same call."""
    for call in calls:
        with contextlib.suppress(Exception), np.errstate(all="ignore"):
            call.make(kernel_set)


_helpers = Helpers()
_is_helper = False


def num_helpers() -> int:
    """Return the number of processes that help this one now."""
    return len(_helpers._processes)


def start_early() -> None:
    """Start the helpers of :func:`shared` now, if this is the first use: they import Numba while this process does."""
    if usable_cores() > 1 and not _is_helper and is_first_use():
        _helpers.start()


@contextlib.contextmanager
def shared(kernel_set: Kernels, record: Callable[[], Sequence[KernelCall]]) -> Iterator[None]:
    """Within this context, other processes help as soon as this one has to compile a kernel.

    Only then the calls that there will be are recorded, by ``record``. Where everything is in the cache, nothing is done.
    """
    if usable_cores() == 1 or kernels.name_of(kernel_set) != "compiled":
        yield
        return

    def help_me(_: str) -> None:
        with contextlib.suppress(Exception):
            _helpers.give(record())

    try:
        with kernel_set.announce_compilation(help_me):
            yield
    finally:
        _helpers.stop()


def recorded(body: Callable[[], object]) -> list[KernelCall]:
    """Return the calls of kernels that ``body`` makes."""
    recorder = RecordedKernels()
    with kernels.using(cast(Kernels, recorder)):
        body()
    return recorder.calls
