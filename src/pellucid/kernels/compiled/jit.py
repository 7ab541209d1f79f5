"""The compilation of kernels: they run without the interpreter's lock and are cached on disk.

The fast-math flags allow the compiler to reorder sums and to contract a multiplication and an addition into one instruction.
``nnan`` and ``ninf`` are not among them: with these two, a compiled isfinite() never finds anything. Where the order of a sum
decides its digits, the part that comes first is a function of its own, compiled with :func:`ordered_jit`: LLVM inlines it, but
does not move its operations past those of the caller.
"""

from __future__ import annotations

import contextlib
import gc
import glob
import hashlib
import os
import pickle
import sys
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import numpy as np

from pellucid.kernels.compilation import lock_name
from pellucid.kernels.compiled import compiler_thread
from pellucid.kernels.compiled.toolchain import CPUDispatcher, library, numba
from pellucid.kernels.prebuilt import Function
from pellucid.kernels.sources import KERNELS, source_stamp

if library is None:
    from numba.core import sigutils
    from numba.core.caching import IndexDataCacheFile
    from numba.core.compiler_lock import global_compiler_lock
    from numba.core.event import Listener, install_listener
else:
    Listener = IndexDataCacheFile = object

try:
    import fcntl
except ImportError:  # on Windows
    fcntl = None  # type: ignore[assignment]

FAST_MATH = {"reassoc", "contract", "nsz", "arcp", "afn"}
OPTIONS: dict[str, Any] = {"nogil": True, "fastmath": FAST_MATH, "error_model": "numpy", "no_cfunc_wrapper": True}
INNER_OPTIONS: dict[str, Any] = {**OPTIONS, "no_cpython_wrapper": True}
ORDERED_OPTIONS: dict[str, Any] = {**INNER_OPTIONS, "fastmath": FAST_MATH - {"reassoc"}}
EXACT_OPTIONS: dict[str, Any] = {**OPTIONS, "fastmath": False}

# Kernels index flat arrays with unsigned integers: a signed index may be negative and count from the end, as in Python, and
# Numba does not vectorize a loop that has to check this.
u64: Any
u32: Any
u64, u32 = (numba.uint64, numba.uint32) if library is None else (np.uint64, np.uint32)


_STAMP = source_stamp(KERNELS) if library is None else ""


class _Announcer(Listener):  # type: ignore[misc]
    def __init__(self, say: Callable[[str], None]):
        self.say, self.announced = say, False

    def on_start(self, event: Any) -> None:
        function = getattr(event.data.get("dispatcher"), "py_func", None)
        if not self.announced and getattr(function, "__module__", "").startswith("pellucid."):
            self.announced = True
            with contextlib.suppress(OSError):  # a closed pipe must not end the compilation
                self.say("compiling kernels for this processor: this takes some seconds, once")

    def on_end(self, event: Any) -> None:
        return


def announce_compilation(say: Callable[[str], None]) -> AbstractContextManager[Any]:
    """Return a context within which the first compilation of a kernel is announced with ``say``, because it takes seconds."""
    return contextlib.nullcontext() if library is not None else install_listener("numba:compile", _Announcer(say))


class _CacheFile(IndexDataCacheFile):  # type: ignore[misc]
    """The files of a function's compiled code. A file that is damaged, or that may not be read, counts as missing.

    The names of the files with code contain the stamp of the sources. Numba writes the index first: where the code cannot be
    written then, the index would otherwise name the code of other sources.
    """

    def _load_index(self) -> Any:
        try:
            return super()._load_index()
        except Exception:
            return {}

    def load(self, key: Any) -> Any:
        try:
            return super().load(key)
        except Exception:
            return None

    def save(self, key: Any, data: Any) -> None:
        if not self._load_index():  # the code of other sources is needed no longer
            first, last = self._data_name_pattern.split("{number:d}")
            base = self._index_name.removesuffix(".nbi")
            for path in Path(self._cache_path).glob(f"{glob.escape(base)}.*{last}"):
                if not path.name.startswith(first):
                    path.unlink(missing_ok=True)
        super().save(key, data)


def _invalidate_with_every_file(compiled: Any) -> None:
    """Make the cached code of a function stale as soon as any file of the compiled kernels changes.

    Compiled code contains the helpers that it calls, from other files too, but Numba compares only the function's own file,
    some versions of it by its time.
    """
    file = getattr(compiled._cache, "_cache_file", None)
    if file is not None:
        is_ours = Path(compiled.py_func.__code__.co_filename).parent == KERNELS
        stamp = _STAMP if is_ours else f"{file._source_stamp}{_STAMP}"
        file._source_stamp, file.__class__ = stamp, _CacheFile
        name = hashlib.sha256(stamp.encode()).hexdigest()[:8]
        file._data_name_pattern = file._data_name_pattern.replace("{number", f"{name}.{{number")


def jit(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return ``function`` compiled at its first call; the code is cached on disk for the next process where possible."""
    return _compiled(function, OPTIONS, _Function)


def inner_jit(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return ``function`` compiled like :func:`jit`, for calls from compiled code alone.

    It has no wrapper that reads Python objects, which would be a tenth of all that there is to compile.
    """
    return _compiled(function, INNER_OPTIONS, _InnerFunction)


def exact_jit(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return ``function`` compiled like :func:`jit`, but with every operation rounded as in NumPy."""
    return _compiled(function, EXACT_OPTIONS, _Function)


def ordered_jit(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return ``function`` compiled like :func:`inner_jit`, but with sums and products in the order in which it has them."""
    return _compiled(function, ORDERED_OPTIONS, _InnerFunction)


LONGEST_WAIT = 60.0  # seconds for another process, which may have been stopped: compiling a function twice does no harm

_lock_files: dict[str, int | None] = {}  # folder -> its open file of locks; None where there is none
_read_up_to: dict[int, int] = {}  # file of locks -> how far it has been read
_keys: set[tuple[int, bytes]] = set()  # what this process has published: (file of locks, key)


def _lock_file(folder: str | None) -> int | None:
    """Return the open file whose bytes the processes lock that compile into this folder. Its content names functions that
    compiled code calls."""
    if fcntl is None or folder is None:
        return None
    if folder not in _lock_files:
        try:
            flags = os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
            _lock_files[folder] = os.open(os.path.join(folder, lock_name(_STAMP)), flags, 0o666)
        except OSError:  # the folder cannot be written
            _lock_files[folder] = None
    return _lock_files[folder]


def publish(function: Any, key: bytes) -> None:
    """Tell all processes that compile that the function may be called. The key is what ``pickle`` makes of its module, its
    name and the types of its arguments."""
    file = _lock_file(function._cache.cache_path)
    if file is not None and (file, key) not in _keys:
        _keys.add((file, key))
        with contextlib.suppress(OSError):
            os.write(file, key.hex().encode() + b"\n")


def _published(file: int) -> list[bytes]:
    """Return the keys that have been published since this process asked last, as hexadecimal numbers."""
    start = _read_up_to.get(file, 0)
    text = os.pread(file, max(0, os.fstat(file).st_size - start), start)
    text = text[: text.rfind(b"\n") + 1]
    _read_up_to[file] = start + len(text)
    return text.split()


class _Busy(Exception):
    """Another process is compiling the function."""


_held: list[int] = []  # places in files of locks that this process has locked
_candidates: dict[bytes, None] = {}  # keys that have been published and not been compiled here; those published last come last
_raise_if_busy = False


def _compile_another(file: int) -> bool:
    """Compile a function that may be called, and that no process is compiling; return whether it is worth trying again."""
    global _raise_if_busy
    _candidates.update(dict.fromkeys(_published(file)))
    for key in reversed(_candidates):
        _raise_if_busy = True
        try:
            module, name, arguments = pickle.loads(bytes.fromhex(key.decode()))
            function: Any = getattr(sys.modules.get(module), name, None)
            if function is not None and arguments not in function.overloads:
                function.compile(arguments)
                return True
        except _Busy:
            continue
        except Exception:  # whoever calls the function gets the error
            pass
        finally:
            _raise_if_busy = False
        del _candidates[key]
        return True
    return False


@contextlib.contextmanager
def _locked(folder: str | None, function: str) -> Iterator[None]:
    """Let no other process compile the function into the folder meanwhile. While one does, compile others; then wait.

    The system gives the locks of a process back when it ends, however it ends. No two processes wait for each other: one that
    holds a lock waits only for a function that the held one calls, in the one thread that has the compiler's own lock. Where
    there is no lock after ``LONGEST_WAIT``, or the file system has none, the function may be compiled twice.
    """
    file: Any = _lock_file(folder)
    has_lock = False
    place = int.from_bytes(hashlib.sha256(function.encode()).digest()[:7])
    if file is not None:
        end = time.monotonic() + LONGEST_WAIT
        with contextlib.suppress(OSError):
            while not (has_lock := _try_lock(file, place)) and time.monotonic() < end:
                if not _held and _raise_if_busy:
                    raise _Busy
                if _held or not _compile_another(file):
                    time.sleep(0.002)
    if has_lock:
        _held.append(place)
    try:
        yield
    finally:
        if has_lock:
            _held.pop()
            fcntl.lockf(file, fcntl.LOCK_UN, 1, place)


def _try_lock(file: int, place: int) -> bool:
    """Lock a byte of the file, and return True, unless another process has locked it."""
    try:
        fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, place)
    except (BlockingIOError, PermissionError):
        return False
    return True


@contextlib.contextmanager
def _no_garbage_collection() -> Iterator[None]:
    """Let Python look for no garbage meanwhile: it takes some 6 % of the time, and what the compiler makes is needed."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


class _Function(CPUDispatcher):  # type: ignore[misc]
    """A compiled function. Where it is cached, one process compiles it for all that need it at the same time."""

    def compile(self, sig: Any) -> Any:
        arguments = tuple(sigutils.normalize_signature(sig)[0])
        if arguments not in self.overloads:
            compiler_thread.run(self._compile, arguments)
        return self.overloads[arguments].entry_point

    def _compile(self, arguments: tuple[Any, ...]) -> None:
        folder = self._cache.cache_path
        name = f"{self.py_func.__module__}.{self.py_func.__qualname__}{arguments}"
        with global_compiler_lock, _locked(folder, name), _no_garbage_collection():  # in this order: see _locked
            try:
                super().compile(arguments)
            except OSError as error:  # it is compiled, and could not be written
                if arguments not in self.overloads:
                    raise
                message = f"compiled kernels cannot be written to {folder} ({error}): each process compiles them again"
                warnings.warn(message, stacklevel=1)


class _InnerFunction(_Function):
    """A compiled function that Python cannot call: Numba would jump to a wrapper that does not exist."""

    def _compile_for_args(self, *args: Any, **keywords: Any) -> Any:
        name = self.py_func.__qualname__
        raise TypeError(f"only compiled code can call {name}, which is decorated with inner_jit: decorate it with jit")

    def add_overload(self, compiled: Any) -> None:
        self.overloads[tuple(compiled.signature.args)] = compiled  # not into the table of what Python can call


def _compiled(function: Callable[..., Any], options: dict[str, Any], kind: type) -> Callable[..., Any]:
    if library is not None:
        return function if kind is _InnerFunction else library.function(function)
    try:
        compiled = numba.njit(cache=True, **options)(function)
    except RuntimeError:  # Numba found no folder that it can write to
        message = "no folder for compiled kernels can be written: each process compiles them again (NUMBA_CACHE_DIR names one)"
        warnings.warn(message, stacklevel=1)  # once: at its own line, not at that of each function
        compiled = numba.njit(**options)(function)
    _invalidate_with_every_file(compiled)
    compiled.__class__ = kind
    return compiled


def code_of(function: Any, arguments: tuple[Any, ...]) -> tuple[int, str, Sequence[Any]] | None:
    """Return the address of a compiled function's code for these arguments, the kind of its result, and the arguments as the
    code wants them; None where a tape cannot call it."""
    if isinstance(function, Function):
        return function.code_of(arguments)
    compiled = function.overloads.get(tuple(numba.typeof(argument) for argument in arguments))
    if compiled is None:
        return None
    return compiler_thread.address(compiled), kind_of_result(compiled), arguments


def kind_of_result(compiled: Any) -> str:
    """Return the kind of the result of a compiled function."""
    kind = str(compiled.signature.return_type)
    return {"float64": "f8", "int64": "i8"}.get(kind, kind)
