"""The compilation of kernels: they run without the interpreter's lock and are cached on disk.

The fast-math flags allow the compiler to reorder sums and to contract a multiplication and an addition into one instruction.
``nnan`` and ``ninf`` are not among them: with these two, a compiled isfinite() never finds anything. Where the order of a sum
decides its digits, the part that comes first is a function of its own, compiled with :func:`ordered_jit`: LLVM inlines it, but
does not move its operations past those of the caller.
"""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import numba
from numba.core.event import Listener, install_listener
from numba.core.registry import CPUDispatcher

FAST_MATH = {"reassoc", "contract", "nsz", "arcp", "afn"}
OPTIONS: dict[str, Any] = {"nogil": True, "fastmath": FAST_MATH, "error_model": "numpy", "no_cfunc_wrapper": True}
INNER_OPTIONS: dict[str, Any] = {**OPTIONS, "no_cpython_wrapper": True}
ORDERED_OPTIONS: dict[str, Any] = {**INNER_OPTIONS, "fastmath": FAST_MATH - {"reassoc"}}
EXACT_OPTIONS: dict[str, Any] = {**OPTIONS, "fastmath": False}

# Kernels index flat arrays with unsigned integers: a signed index may be negative and count from the end, as in Python, and
# Numba does not vectorize a loop that has to check this.
u64, u32 = numba.uint64, numba.uint32


def source_stamp(folder: Path) -> str:
    """Return a hash of the Python files in a folder, which changes whenever the content of one of them does.

    Their times are not part of it: a file that is copied, or unpacked from the image of a container, may have another time.
    """
    content = hashlib.sha256()
    for path in sorted(folder.glob("*.py")):
        source = path.read_bytes()
        content.update(f"{path.name} {len(source)} ".encode() + source)
    return content.hexdigest()


_FOLDER = Path(__file__).parent
_STAMP = source_stamp(_FOLDER)


class _Announcer(Listener):  # type: ignore[misc]
    def __init__(self, say: Callable[[str], None]):
        self.say, self.announced = say, False

    def on_start(self, event: Any) -> None:
        function = getattr(event.data.get("dispatcher"), "py_func", None)
        if not self.announced and getattr(function, "__module__", "").startswith("pellucid."):
            self.announced = True
            self.say("compiling kernels for this processor: this takes some seconds, once")

    def on_end(self, event: Any) -> None:
        return


def announce_compilation(say: Callable[[str], None]) -> AbstractContextManager[Any]:
    """Return a context within which the first compilation of a kernel is announced with ``say``, because it takes seconds."""
    return install_listener("numba:compile", _Announcer(say))


def _invalidate_with_every_file(compiled: Any) -> None:
    """Make the cached code of a function stale as soon as any file of the compiled kernels changes.

    Compiled code contains the helpers that it calls, from other files too, but Numba compares only the function's own file,
    some versions of it by its time.
    """
    file = getattr(compiled._cache, "_cache_file", None)
    if file is not None:
        is_ours = Path(compiled.py_func.__code__.co_filename).parent == _FOLDER
        file._source_stamp = _STAMP if is_ours else (file._source_stamp, _STAMP)


def jit(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return ``function`` compiled at its first call; the code is cached on disk for the next process where possible."""
    return _compiled(function, OPTIONS)


def inner_jit(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return ``function`` compiled like :func:`jit`, for calls from compiled code alone.

    It has no wrapper that reads Python objects, which would be a tenth of all that there is to compile.
    """
    return _inner(function, INNER_OPTIONS)


def ordered_jit(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return ``function`` compiled like :func:`inner_jit`, but with sums and products in the order in which it has them."""
    return _inner(function, ORDERED_OPTIONS)


class _InnerFunction(CPUDispatcher):  # type: ignore[misc]
    """A compiled function that Python cannot call: Numba would jump to a wrapper that does not exist."""

    def _compile_for_args(self, *args: Any, **keywords: Any) -> Any:
        name = self.py_func.__qualname__
        raise TypeError(f"only compiled code can call {name}, which is decorated with inner_jit: decorate it with jit")

    def add_overload(self, compiled: Any) -> None:
        self.overloads[tuple(compiled.signature.args)] = compiled  # not into the table of what Python can call


def _inner(function: Callable[..., Any], options: dict[str, Any]) -> Callable[..., Any]:
    compiled = _compiled(function, options)
    compiled.__class__ = _InnerFunction
    return compiled


def exact_jit(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return ``function`` compiled like :func:`jit`, but with every operation rounded as in NumPy."""
    return _compiled(function, EXACT_OPTIONS)


def _compiled(function: Callable[..., Any], options: dict[str, Any]) -> Callable[..., Any]:
    try:
        compiled = numba.njit(cache=True, **options)(function)
    except RuntimeError:  # Numba found no folder that it can write to
        message = "no folder for compiled kernels can be written: each process compiles them again (NUMBA_CACHE_DIR names one)"
        warnings.warn(message, stacklevel=3)
        return numba.njit(**options)(function)
    _invalidate_with_every_file(compiled)
    return compiled
