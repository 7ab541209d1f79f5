"""The number of threads of BLAS, the library that computes NumPy's matrix products."""

from __future__ import annotations

import functools
import sys
import threading
from typing import Any, ClassVar

import numpy as np


def _libraries() -> list[Any]:
    """Return threadpoolctl's controllers of the BLAS libraries in this process."""
    return _libraries_of(len(sys.modules))


@functools.lru_cache(maxsize=1)
def _libraries_of(modules: int) -> list[Any]:
    """Return the controllers while so many modules have been imported: one that is imported later may bring a BLAS along.

    If the interpreter's encoding of file names cannot express where the libraries are (LC_ALL=C without UTF-8), threadpoolctl
    finds none, and BLAS keeps its number of threads.
    """
    from threadpoolctl import ThreadpoolController

    try:
        controllers: list[Any] = ThreadpoolController().select(user_api="blas").lib_controllers
    except UnicodeError:
        return []
    return controllers


def describe() -> str:
    """Return the name and version of NumPy's BLAS and the kernels it chose, for records: ``openblas 0.3.31 SkylakeX``.

    Other packages, such as SciPy, may have loaded a BLAS of their own. They are left out where NumPy's comes with NumPy, and
    where it is Accelerate, the one of macOS. This is none that threadpoolctl knows: it is named as NumPy was built with it, and
    :class:`limited` has no effect on it. So it is with any other BLAS, if threadpoolctl finds none.
    """
    own = [lib for lib in _libraries() if "numpy" in lib.filepath]
    built = _built_with()
    if not own and "accelerate" in built.lower():
        return built
    known = ", ".join(
        " ".join(str(part) for part in (lib.internal_api, lib.version, getattr(lib, "architecture", None)) if part)
        for lib in own or _libraries()
    )
    return known or built


def _built_with() -> str:
    """Return the name and version of the BLAS that NumPy was built with: ``accelerate (its threads cannot be limited)``."""
    config: Any = np.show_config(mode="dicts")
    built = config.get("Build Dependencies", {}).get("blas", {})
    version = built.get("version", "unknown")
    name = " ".join([built.get("name", "unknown"), *([version] if version != "unknown" else [])])
    return f"{name} (its threads cannot be limited)"


class limited:
    """A context manager that limits BLAS to a number of threads: ``with limited(1): …``.

    The limit applies to the whole process. Of several blocks that are active at once, in one thread or in several, the
    smallest limit counts; after the last one the number of threads is what it was before the first, unless other code has
    changed it. The libraries are looked up again only after an import, which makes a block cheap (microseconds; threadpoolctl's
    own context manager takes 200).
    """

    _lock = threading.Lock()
    _active: ClassVar[list[int]] = []  # the limits of the active blocks
    _limited: ClassVar[list[Any]] = []  # the libraries, as they are before the first block
    _before: ClassVar[list[int]] = []  # the threads of each library before the first block
    _now: ClassVar[list[int]] = []  # the threads of each library now

    def __init__(self, threads: int):
        self.threads = threads

    def __enter__(self) -> None:
        with self._lock:
            if not self._active:
                self._limited[:] = _libraries()
                self._before[:] = self._now[:] = [library.get_num_threads() for library in self._limited]
            self._active.append(self.threads)
            self._apply()

    def __exit__(self, *exception: object) -> None:
        with self._lock:
            self._active.remove(self.threads)
            self._apply()

    def _apply(self) -> None:
        for i, library in enumerate(self._limited):
            threads = min(self._before[i], *self._active) if self._active else self._before[i]
            if threads != self._now[i] and (self._active or library.get_num_threads() == self._now[i]):
                self._now[i] = threads
                _set_num_threads(library, threads)


def _set_num_threads(library: Any, threads: int) -> None:
    """Set the number of threads of a library, from whichever thread.

    Since version 3.8, threadpoolctl does nothing in any thread but one: the first that has set a number, while it is alive and
    has not given this control up. That would leave a training without its limit.
    """
    give_up_control = getattr(type(library), "clear_controlling_thread", None)
    if give_up_control is not None:
        give_up_control(force=True)
    library.set_num_threads(threads)
    if give_up_control is not None:
        give_up_control()
