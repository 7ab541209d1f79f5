"""How many threads BLAS uses. NumPy's products run in its own pool; never two pools at once: they fight."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


@functools.cache
def _libraries() -> list[Any]:
    from threadpoolctl import ThreadpoolController

    found: list[Any] = ThreadpoolController().select(user_api="blas").lib_controllers
    return found


def describe() -> str:
    """Which BLAS NumPy picked, for records: ``openblas 0.3.31 SkylakeX``."""
    return ", ".join(
        " ".join(str(part) for part in (lib.internal_api, lib.version, getattr(lib, "architecture", None)) if part)
        for lib in _libraries()
    )


@contextmanager
def limited(threads: int) -> Iterator[None]:
    """BLAS with that many threads at most, as long as the block lasts. Looking the libraries up once makes this cheap
    (a microsecond; threadpoolctl's own context manager takes 200)."""
    before = [(lib, most) for lib in _libraries() if (most := lib.get_num_threads()) > threads]
    for lib, _ in before:
        lib.set_num_threads(threads)
    try:
        yield
    finally:
        for lib, most in before:
            lib.set_num_threads(most)
