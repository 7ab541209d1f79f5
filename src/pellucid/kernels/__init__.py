"""The kernels: all arithmetic on arrays, in two sets with the same names and signatures.

``reference`` is readable NumPy and defines the results. ``compiled`` is Numba, several times faster; tests compare it with the
reference. :class:`Kernels` lists all kernels. A file has the same name for the same subject in both sets.

Kernels take C-contiguous arrays of one dtype, float32 or float64 (labels are int64, images uint8), and write into the arrays
that they are given; the compiled ones need no scratch memory that grows with the batch. Other dtypes and layouts are converted
once, where user data enters the library.
"""

from __future__ import annotations

import contextlib
import functools
import importlib
import importlib.util
import os
import warnings
from collections.abc import Iterator
from contextvars import ContextVar
from typing import cast

from pellucid.errors import ConfigError, did_you_mean
from pellucid.kernels import prebuilt
from pellucid.kernels.interface import Kernels as Kernels

SETS = ("reference", "compiled")
_used: ContextVar[str | Kernels | None] = ContextVar("pellucid kernels", default=None)


def load(name: str | None = None) -> Kernels:
    """Return a kernel set: the named one, the one that ``PELLUCID_KERNELS`` names, or the fastest that is installed.

    Within ``with using(name)``, that set. Raises ConfigError for an unknown name, and for ``compiled`` without
    Numba and without a prebuilt library (:mod:`pellucid.kernels.prebuilt`).
    """
    used = _used.get()
    if name is None and used is not None and not isinstance(used, str):
        return used
    name = name or cast(str | None, used) or os.environ.get("PELLUCID_KERNELS") or None
    if name is not None and name not in SETS:
        raise ConfigError(f"there are no kernels {name!r} (PELLUCID_KERNELS): {did_you_mean(name, SETS)}")
    return _load(name)


@contextlib.contextmanager
def using(kernels: str | Kernels | None) -> Iterator[None]:
    """Make ``load()`` return this kernel set within the ``with`` block, in this thread alone; None changes nothing.

    A server that starts uses the reference kernels until the compiled ones are imported and compiled, which takes seconds. A
    set that is no module records calls (:mod:`pellucid.kernels.compilation`).
    """
    token = _used.set(kernels or _used.get())
    try:
        yield
    finally:
        _used.reset(token)


@functools.cache
def _load(name: str | None) -> Kernels:
    installed = prebuilt.library() is not None or importlib.util.find_spec("numba") is not None
    if name == "compiled" and not installed:
        raise ConfigError("the compiled kernels need Numba: pip install 'pellucid[fast]'")
    if name is None and not installed:
        warnings.warn("Numba is not installed: using the slower reference kernels; pip install 'pellucid[fast]'", stacklevel=3)
    return cast(Kernels, importlib.import_module(f"pellucid.kernels.{name or ('compiled' if installed else 'reference')}"))


def name_of(kernels: Kernels) -> str:
    """Return the name of a kernel set: ``reference`` or ``compiled``."""
    return kernels.__name__.rpartition(".")[2]
