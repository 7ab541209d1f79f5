"""How many threads BLAS uses. NumPy's products run in its own pool; never two pools at once: they fight."""

from __future__ import annotations

import functools
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


class limited:
    """BLAS with that many threads at most, as long as the block lasts: ``with limited(1): …``. Looking the libraries up
    once makes this cheap (a few microseconds; threadpoolctl's own context manager takes 200)."""

    def __init__(self, threads: int):
        self.threads = threads
        self._before: list[tuple[Any, int]] = []

    def __enter__(self) -> None:
        for library in _libraries():
            most = library.get_num_threads()
            if most > self.threads:
                library.set_num_threads(self.threads)
                self._before.append((library, most))

    def __exit__(self, *exception: object) -> None:
        while self._before:
            library, most = self._before.pop()
            library.set_num_threads(most)
