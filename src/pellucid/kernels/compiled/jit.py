"""How kernels are compiled: single-threaded, without the interpreter's lock, cached on disk.

The fast-math flags let sums be reordered and multiply-adds contracted; ``nnan`` and ``ninf`` are left out, because
with them a compiled isfinite() finds nothing. A jitted helper lives in the file of its caller: Numba's cache does not
notice a change in another file.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numba

FLAGS = {"reassoc", "contract", "nsz", "arcp", "afn"}


def jit(function: Callable[..., Any]) -> Callable[..., Any]:
    """``function`` compiled at its first call; the compiled code is kept for the next process where that is possible."""
    options: dict[str, Any] = {"nogil": True, "fastmath": FLAGS, "error_model": "numpy"}
    try:
        return numba.njit(cache=True, **options)(function)
    except RuntimeError:  # Numba found no folder that it may write
        message = "no folder for compiled kernels can be written: each process compiles them again (NUMBA_CACHE_DIR names one)"
        warnings.warn(message, stacklevel=2)
        return numba.njit(**options)(function)
