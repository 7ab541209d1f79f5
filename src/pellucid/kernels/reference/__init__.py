"""The reference kernels, in readable NumPy: they define the results that the compiled kernels must reproduce.

They have the names and signatures of :class:`~pellucid.kernels.interface.Kernels`.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

from pellucid.kernels.interface import Kernels, import_kernels

globals().update(import_kernels(__name__))


def set_num_threads(threads: int) -> None:
    """Do nothing: these kernels run in one thread, and BLAS manages its own threads."""


def cache_folder() -> Path | None:
    """Return None: nothing is compiled."""
    return None


def announce_compilation(say: Callable[[str], None]) -> AbstractContextManager[Any]:
    """Return an empty context: nothing is compiled."""
    return nullcontext()


def compile_pool() -> None:
    """Do nothing: nothing is compiled."""


def recorder(kernels: Kernels) -> Any:
    """Return None: calls of these kernels are not recorded."""
    return None
