"""Files: data, never code.

A model file is one safetensors file: named arrays, and one JSON text in its metadata. Anybody's safetensors reader can
read it; this module writes it in exactly one canonical form and refuses every other, so that a flipped bit, a lying
size or a second meaning hidden in the header are found before anything is believed. Every file is written under a
temporary name, synced and renamed: it is there whole, or the old one still is.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from pellucid.core.memory import Array
from pellucid.errors import FileError

_DTYPES: dict[str, np.dtype[Any]] = {"F32": np.dtype("<f4"), "F64": np.dtype("<f8")}
_NAMES = {dtype: name for name, dtype in _DTYPES.items()}
_LENGTH = 8  # bytes in front that hold the header's length
_DIGEST = "0" * 64  # stands in the header while its digest is taken


@contextlib.contextmanager
def replaced(path: str | os.PathLike[str]) -> Iterator[BinaryIO]:
    """A file to write that takes the place of ``path`` once it is complete and on the disk, or leaves no trace.

    Whoever reads ``path`` meanwhile sees the old file or the new one, never a part. Raises FileError.
    """
    path = Path(path)
    temporary = path.with_name(f".{path.name}.{os.urandom(4).hex()}.part")
    try:
        file = open(temporary, "xb")  # noqa: SIM115 (closed below, where its errors are told apart)
    except (OSError, ValueError) as error:
        raise FileError(f"{path}: cannot be written: {getattr(error, 'strerror', None) or error}") from None
    try:
        with file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except FileError:
        raise
    except OSError as error:
        raise FileError(f"{path}: cannot be written: {error.strerror or error}") from None
    finally:  # after an interruption, too
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)


def write_atomically(path: str | os.PathLike[str], chunks: Iterable[bytes]) -> None:
    """Writes the chunks to ``path``: all of them or nothing. Raises FileError when it cannot be written."""
    with replaced(path) as file:
        for chunk in chunks:
            file.write(chunk)


def write_text(path: str | Path, text: str) -> None:
    """Writes UTF-8 text: all of it or nothing."""
    write_atomically(path, [text.encode()])


@contextlib.contextmanager
def locked(path: str | os.PathLike[str], busy: str) -> Iterator[None]:
    """Inside, this process alone holds the lock file ``path``. However the process ends, the system takes the lock back; the
    file, which is empty, stays. Raises FileError, with the message ``busy`` where another process holds it."""
    try:
        file = open(path, "ab")  # noqa: SIM115 (closed below)
    except OSError as error:
        raise FileError(f"{path}: cannot be written: {error.strerror or error}") from None
    with file:
        try:
            if os.name == "nt":
                import msvcrt

                msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined,unused-ignore]
            else:
                import fcntl

                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno in (errno.EACCES, errno.EAGAIN):  # other errors: a file system without locks
                raise FileError(busy) from None
        yield


def canonical(data: Any) -> str:
    """The one JSON text of plain data: keys sorted, no spaces, no NaN."""
    return json.dumps(data, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def _header(tensors: Mapping[str, tuple[str, list[int], int]], settings: str, digest: str) -> bytes:
    """The header for (dtype, shape, bytes) by name, the length in front."""
    head: dict[str, Any] = {"__metadata__": {"pellucid": settings, "sha256": digest}}
    start = 0
    for name in sorted(tensors):
        dtype, shape, size = tensors[name]
        head[name] = {"dtype": dtype, "shape": shape, "data_offsets": [start, start + size]}
        start += size
    text = canonical(head).encode()
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(_LENGTH, "little") + text


def save_tensors(path: str | Path, settings: Mapping[str, Any], tensors: Mapping[str, Array]) -> None:
    """Writes arrays (float32 or float64) and plain JSON settings as one safetensors file."""
    table = {name: (_NAMES[a.dtype.newbyteorder("<")], list(a.shape), a.nbytes) for name, a in tensors.items()}
    data = [np.ascontiguousarray(a, a.dtype.newbyteorder("<")).tobytes() for _, a in sorted(tensors.items())]
    text = canonical(settings)
    digest = hashlib.sha256(_header(table, text, _DIGEST))
    for chunk in data:
        digest.update(chunk)
    write_atomically(path, [_header(table, text, digest.hexdigest()), *data])


class TensorFile:
    """A checked safetensors file: ``settings`` and, by name, the arrays' shapes; :meth:`arrays` reads them.

    Opening checks length, header, sizes and digest. Raises FileError, before anything larger than the file itself is
    allocated.
    """

    def __init__(self, path: str | Path):
        self.path = Path(path)
        try:
            self._bytes = self.path.read_bytes()
        except OSError as error:
            raise FileError(f"cannot read {self.path}: {error.strerror or error}") from error
        self.settings, self.shapes = self._checked()

    def _refuse(self, why: str) -> FileError:
        return FileError(f"{self.path} is not a whole Pellucid model file: {why}")

    def _checked(self) -> tuple[dict[str, Any], dict[str, tuple[int, ...]]]:
        content = self._bytes
        length = int.from_bytes(content[:_LENGTH], "little")
        if len(content) < _LENGTH or length > len(content) - _LENGTH:
            raise self._refuse(f"it says that its header has {length:,} bytes, and the file has {len(content):,}")
        try:
            head = json.loads(content[_LENGTH : _LENGTH + length])
            metadata = head["__metadata__"]
            tensors = {
                str(name): (
                    str(entry["dtype"]),
                    list(entry["shape"]),
                    int(entry["data_offsets"][1]) - int(entry["data_offsets"][0]),
                )
                for name, entry in head.items()
                if name != "__metadata__"
            }
            settings = json.loads(metadata["pellucid"])
            plain = _header(tensors, canonical(settings), metadata["sha256"])
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError, IndexError) as error:
            raise self._refuse(f"its header does not read ({type(error).__name__}: {error})") from None
        if plain != content[: _LENGTH + length] or not isinstance(settings, dict):
            raise self._refuse("its header is not in the canonical form that Pellucid writes")
        total = 0
        for name, (dtype, shape, size) in tensors.items():
            if dtype not in _DTYPES or any(type(n) is not int or n < 0 for n in shape):
                raise self._refuse(f"the array {name!r} has dtype {dtype} and shape {shape}")
            count = 1
            for n in shape:
                count *= n
            if count * _DTYPES[dtype].itemsize != size:
                raise self._refuse(f"the array {name!r} of shape {shape} has {size:,} bytes")
            total += size
        if _LENGTH + length + total != len(content):
            raise self._refuse(f"its arrays take {total:,} bytes, and {len(content) - _LENGTH - length:,} are there")
        digest = hashlib.sha256(_header(tensors, canonical(settings), _DIGEST))
        digest.update(memoryview(content)[_LENGTH + length :])
        if digest.hexdigest() != metadata["sha256"]:
            raise self._refuse("its content does not match its SHA-256: it was changed or damaged")
        return settings, {name: tuple(shape) for name, (_, shape, _) in tensors.items()}

    def arrays(self) -> dict[str, Array]:
        """All arrays by name."""
        import safetensors.numpy

        loaded: dict[str, Array] = safetensors.numpy.load(self._bytes)
        return loaded


def read_json(path: str | Path) -> Any:
    """The JSON in a file. Raises FileError when it cannot be read or is no JSON."""
    try:
        return json.loads(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise FileError(f"cannot read {path}: {error.strerror or error}") from error
    except (ValueError, RecursionError) as error:
        raise FileError(f"{path} holds no JSON: {error}") from None
