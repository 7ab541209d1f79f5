"""How kernels are compiled: without the interpreter's lock, cached on disk.

The fast-math flags let sums be reordered and multiply-adds contracted; ``nnan`` and ``ninf`` are left out, because
with them a compiled isfinite() finds nothing.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import numba
from numba.core.event import Listener, install_listener

FLAGS = {"reassoc", "contract", "nsz", "arcp", "afn"}
OPTIONS: dict[str, Any] = {"nogil": True, "fastmath": FLAGS, "error_model": "numpy", "no_cfunc_wrapper": True}


def _stamp() -> tuple[tuple[str, int, int], ...]:
    """What changes when a file of the kernels does."""
    files = sorted(os.scandir(Path(__file__).parent), key=lambda entry: entry.name)
    return tuple((file.name, file.stat().st_mtime_ns, file.stat().st_size) for file in files if file.name.endswith(".py"))


_STAMP = _stamp()


class _Announcer(Listener):  # type: ignore[misc]
    def __init__(self, say: Callable[[str], None]):
        self.say, self.said = say, False

    def on_start(self, event: Any) -> None:
        function = getattr(event.data.get("dispatcher"), "py_func", None)
        if not self.said and getattr(function, "__module__", "").startswith("pellucid."):
            self.said = True
            self.say("compiling kernels for this processor: some seconds, once")

    def on_end(self, event: Any) -> None:
        return


def announced(say: Callable[[str], None]) -> AbstractContextManager[Any]:
    """Within the block, the first kernel that has to be compiled is announced: nobody should wonder what takes so long."""
    return install_listener("numba:compile", _Announcer(say))


def _keep(compiled: Any) -> None:
    """Compiled code holds the helpers it calls, but Numba looks only at the age of the function's own file: this lets it
    look at all of them."""
    file = getattr(compiled._cache, "_cache_file", None)
    if file is not None:
        file._source_stamp = (file._source_stamp, _STAMP)


def jit(function: Callable[..., Any]) -> Callable[..., Any]:
    """``function`` compiled at its first call; the compiled code is kept for the next process where that is possible."""
    try:
        compiled = numba.njit(cache=True, **OPTIONS)(function)
    except RuntimeError:  # Numba found no folder that it may write
        message = "no folder for compiled kernels can be written: each process compiles them again (NUMBA_CACHE_DIR names one)"
        warnings.warn(message, stacklevel=2)
        return numba.njit(**OPTIONS)(function)
    _keep(compiled)
    return compiled
