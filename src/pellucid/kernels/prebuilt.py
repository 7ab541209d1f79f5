"""The prebuilt library: the compiled kernels as machine code that came with the wheel, called without Numba.

``pellucid.kernels.build`` compiles the files of ``compiled/`` ahead of time, for the signatures in ``signatures.txt``, and
links one shared library for each kind of processor. :func:`library` is the best of them that this processor can run, or None:
in a source tree, on other systems, and with ``PELLUCID_PREBUILT=0``, Numba compiles the kernels at their first use. A library
that was built from other sources than those of this package is not used: the same arguments may mean something else there.

With a library, the files of ``compiled/`` are imported as always, but what they decorate with ``jit`` is a :class:`Function`,
which finds its code by the *kinds* of its arguments, written as in ``signatures.txt``: ``f4x2`` is a contiguous matrix of
float32, ``f4x2A`` one with any strides, ``i8`` an integer, ``(i8,i8)`` a tuple. Where there is no code for them
(:class:`NotPrebuilt`), the reference kernel is called: for float64 above all, in which no model computes.
"""

from __future__ import annotations

import ctypes
import functools
import hashlib
import inspect
import os
import struct
import sys
import sysconfig
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from pellucid.kernels.sources import KERNELS, source_stamp
from pellucid.kernels.window import Window

FOLDER = Path(__file__).parent / "libraries"
RUNTIME = Path(__file__).parent / "runtime.c"
FLOATS = 8  # floating-point arguments are passed in as many registers
SIZES = (16, 24, 32, 48, 64, 96, 128, 192)  # numbers of other arguments of the calls that are compiled

_DTYPES = {np.dtype(name): name for name in ("f4", "f8", "i8", "u1", "b1")}
_SCALARS: dict[type, str] = {
    int: "i8",
    float: "f8",
    bool: "b1",
    np.float32: "f4",
    np.float64: "f8",
    np.int64: "i8",
    np.uint32: "u4",
    np.uint64: "u8",
    np.bool_: "b1",
}


def stamp() -> str:
    """Return what a library must have been built from to be called from here: the sources of the kernels, and the form of a
    call. Takes a millisecond."""
    runtime = hashlib.sha256(RUNTIME.read_bytes()).hexdigest()
    return f"{source_stamp(KERNELS)} {runtime} {FLOATS} {SIZES} {Window._fields}"


class NotPrebuilt(Exception):
    """A call for whose kinds of arguments there is no code in the library."""


def kind_of(value: Any) -> str:
    """Return the kind of an argument. Raises NotPrebuilt for one that no kernel has."""
    if isinstance(value, np.ndarray):
        name = _DTYPES.get(value.dtype)
        if name is None:
            raise NotPrebuilt(f"an array of {value.dtype}")
        return f"{name}x{value.ndim}" if value.flags.c_contiguous else f"{name}x{value.ndim}A"
    if type(value) is int and not -(2**63) <= value < 2**63:
        raise NotPrebuilt("an integer of more than 64 bits")
    if (kind := _SCALARS.get(type(value))) is not None:
        return kind
    if type(value) is Window:
        return "Window"
    if type(value) is tuple:
        return f"({','.join(map(kind_of, value))})"
    raise NotPrebuilt(f"an argument of type {type(value).__name__}")


def words_of(
    arguments: Sequence[Any], integers: list[int], floats: list[int], arrays: list[tuple[int, Any]] | None = None
) -> None:
    """Append the arguments of a call as 64-bit words, as Numba passes them: those in the registers of floating-point numbers to
    ``floats``, all others to ``integers``; and to ``arrays`` each array, with the index of the integer that is its address."""
    for value in arguments:
        if isinstance(value, np.ndarray):
            address = value.__array_interface__["data"][0]
            if arrays is not None:
                arrays.append((len(integers) + 4, value))
            # no owner and no parent: the caller keeps the array
            integers += (0, 0, value.size, value.itemsize, address, *value.shape, *value.strides)
        elif isinstance(value, tuple):
            words_of(value, integers, floats, arrays)
        elif isinstance(value, float):
            floats.append(struct.unpack("<q", struct.pack("<d", value))[0])
        elif isinstance(value, np.float32):
            floats.append(struct.unpack("<i", struct.pack("<f", value))[0])
        else:
            word = int(value)
            integers.append(word if word < 2**63 else word - 2**64)


def fits(given: str, wanted: str) -> bool:
    """Return whether an argument may be passed where another kind is wanted: any strides include contiguous ones."""
    return given == wanted or given + "A" == wanted or (wanted == "f8" and given == "i8") or (wanted == "i8" and given == "b1")


class Function:
    """A compiled function of the library, in the place of Numba's.

    The arrays that it writes must be writeable, which is not checked: Numba raises TypeError for one that is not, and the
    library writes to its memory.
    """

    def __init__(self, library: Library, name: str, function: Callable[..., Any]):
        functools.update_wrapper(self, function)
        self._name = name
        self._library = library
        self._codes = library.codes.get(name, {})  # kinds of the arguments -> address and kind of the result

    def code_of(self, arguments: Sequence[Any]) -> tuple[int, str, tuple[Any, ...]]:
        """Return the address of the code for these arguments, the kind of its result, and the arguments as the code wants them.

        Raises NotPrebuilt if there is none.
        """
        try:
            kinds = [kind_of(argument) for argument in arguments]
        except NotPrebuilt as unknown:
            raise NotPrebuilt(f"{self._name} with {unknown}") from None
        found = self._codes.get(" ".join(kinds))
        if found is not None:
            return *found, tuple(arguments)
        for line, code in list(self._codes.items()):
            wanted = line.split(" ")
            if len(wanted) == len(kinds) and all(map(fits, kinds, wanted)):
                converted = tuple(_NUMBERS.get(kind, _same)(a) for kind, a in zip(wanted, arguments, strict=True))
                self._codes[" ".join(map(kind_of, converted))] = code
                return *code, converted
        raise NotPrebuilt(f"{self._name}({', '.join(kinds)})")

    def __call__(self, *arguments: Any, **keywords: Any) -> Any:
        if keywords:
            arguments = inspect.signature(self).bind(*arguments, **keywords).args
        result = self._library.call(self._codes, arguments)
        if result is NotImplemented:
            converted = self.code_of(arguments)[2]
            result = self._library.call(self._codes, converted)
            if result is NotImplemented:  # runtime.c reads fewer objects as arguments than kind_of
                raise NotPrebuilt(f"{self._name}({', '.join(map(kind_of, converted))})")
        return result


def _same(value: Any) -> Any:
    return value


_NUMBERS: dict[str, Callable[[Any], Any]] = {"f8": float, "i8": int}


class Library:
    """A shared library of kernels, and its functions (``runtime.c``): ``call(codes, arguments)``; for a tape, whose entries are
    given as their address, ``replay(entries, first, last)`` and ``replay_with(x, memory, entries, first, last)``."""

    def __init__(self, path: Path):
        self.path = path
        self._code = ctypes.CDLL(str(path))
        entries = ctypes.PyDLL(str(path)).pellucid_entries
        entries.restype = ctypes.py_object
        self.call, self.replay, self.replay_with = entries()
        self.vector_bytes = int(ctypes.c_int64.in_dll(self._code, "pellucid_vector_bytes").value)
        self.codes: dict[str, dict[str, tuple[int, str]]] = {}

    @property
    def runs_here(self) -> bool:
        """Whether this processor has all instructions that the library's code may use."""
        return bool(self._code.pellucid_runs_here())

    def load(self) -> None:
        """Read the list of the functions."""
        lines = (
            ctypes.string_at(ctypes.addressof(ctypes.c_char.in_dll(self._code, "pellucid_signatures"))).decode().splitlines()
        )
        addresses = (ctypes.c_void_p * len(lines)).in_dll(self._code, "pellucid_functions")
        for line, address in zip(lines, addresses, strict=True):
            name, _, kinds = line.partition(" ")
            kinds, _, result = kinds.rpartition(" ")
            self.codes.setdefault(name, {})[kinds] = address, result

    def function(self, function: Callable[..., Any]) -> Function:
        """Return the code of a function of ``compiled/``."""
        name = f"{function.__module__.rpartition('.')[2]}.{function.__name__}"
        return Function(self, name, function)

    def cells(self, count: int) -> Any:
        """Return the shared cells of the thread pool, an array of int64 in the library's memory."""
        return np.frombuffer(memoryview((ctypes.c_int64 * count).in_dll(self._code, "pellucid_cells")), np.int64)


def _is_current(path: Path) -> bool:
    """Return whether a library was built from the sources of this package: see :func:`stamp`. Raises OSError for one that is
    for another system."""
    code = ctypes.CDLL(str(path))
    try:
        found = ctypes.c_char.in_dll(code, "pellucid_stamp")
    except ValueError:  # it has none
        return False
    return ctypes.string_at(ctypes.addressof(found)).decode() == stamp()


@functools.cache
def library() -> Library | None:
    """Return the best library that this processor can run; None if there is none, or Numba is asked for.

    Warns of a library that was built from other sources, and returns None.
    """
    if os.environ.get("PELLUCID_PREBUILT") == "0" or not sys.platform.startswith("linux"):
        return None
    if sys.implementation.name != "cpython" or sysconfig.get_config_var("Py_GIL_DISABLED"):  # objects have another form
        return None
    for path in sorted(FOLDER.glob("*.so"), reverse=True):  # x86-64-v4 before x86-64-v3
        try:
            is_current = _is_current(path)
        except OSError:  # for another system
            continue
        if not is_current:
            message = f"the prebuilt library {path} is not used: it was built from other sources"
            advice = f"build it again (python -m pellucid.kernels.build {FOLDER}), or delete it"
            warnings.warn(f"{message}; {advice}", stacklevel=2)
            return None
        found = Library(path)
        if found.runs_here:
            found.load()
            return found
    return None


def with_fallback(kernel: Callable[..., Any], reference: Callable[..., Any]) -> Callable[..., Any]:
    """Return the kernel of the library, which calls the reference kernel where the library has no code for the arguments.

    The reference kernel computes everything from the start. So a kernel of several compiled calls raises NotPrebuilt at the
    first, or has until then changed nothing that the reference kernel reads, apart from masking dY, which may be done twice.
    The gradient of a normalized convolution, which overwrites dY, has all of its calls in the library, or none.
    """

    @functools.wraps(kernel)
    def call(*arguments: Any, **keywords: Any) -> Any:
        try:
            return kernel(*arguments, **keywords)
        except NotPrebuilt as missing:
            _warn_once(str(missing))
            return reference(*arguments, **keywords)

    call.without_fallback = kernel  # type: ignore[attr-defined]
    return call


@functools.cache
def _warn_once(call: str) -> None:
    if "f4x" in call or "f8x" not in call:  # the reference kernels are meant for float64
        message = f"the prebuilt library has no code for {call}: the slower reference kernel is used"
        warnings.warn(f"{message} (PELLUCID_PREBUILT=0 uses Numba instead)", stacklevel=4)
