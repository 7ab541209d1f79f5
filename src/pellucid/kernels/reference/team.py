"""What the compiled kernels need before work comes; the reference kernels have nothing to compile and no threads but BLAS's."""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any


def ready(threads: int) -> None:
    """Tells the kernels that work for so many threads is coming."""


def announced(say: Callable[[str], None]) -> AbstractContextManager[Any]:
    """A block within which what takes long before the first step is announced."""
    return nullcontext()
