"""The arithmetic, twice: ``reference`` is readable NumPy and the truth, ``compiled`` is Numba and must match it.

Both sets have the same files, names and signatures; one file is one subject. Kernels take C-contiguous arrays of one
dtype, float32 or float64 (labels are int64, pictures uint8), write into the arrays they are given; the
compiled ones allocate nothing that grows with the batch. Whatever else users bring is put into that form once, at the boundary.
"""

from __future__ import annotations

import functools
import importlib
import importlib.util
import os
import types
import warnings

from pellucid.errors import ConfigError, did_you_mean

Kernels = types.ModuleType
SETS = ("reference", "compiled")


def load(name: str | None = None) -> Kernels:
    """A kernel set: the one named, or what ``PELLUCID_KERNELS`` names, or the fastest that is installed."""
    name = name or os.environ.get("PELLUCID_KERNELS") or None
    if name is not None and name not in SETS:
        raise ConfigError(f"there are no kernels {name!r} (PELLUCID_KERNELS): {did_you_mean(name, SETS)}")
    return _load(name)


@functools.cache
def _load(name: str | None) -> Kernels:
    installed = importlib.util.find_spec("numba") is not None
    if name == "compiled" and not installed:
        raise ConfigError("the compiled kernels need Numba: pip install 'pellucid[fast]'")
    if name is None and not installed:
        warnings.warn("Numba is not installed: using the slower reference kernels; pip install 'pellucid[fast]'", stacklevel=3)
    return importlib.import_module(f"pellucid.kernels.{name or ('compiled' if installed else 'reference')}")


def name_of(kernels: Kernels) -> str:
    """``reference`` or ``compiled``."""
    return kernels.__name__.rpartition(".")[2]
