"""Files that are written atomically, and safetensors files that are checked when they are read.

A model file is a safetensors file: named arrays, and one JSON text in its metadata. It contains data and never code, and any
safetensors reader can read it. This module writes it in one canonical form and refuses every other form, so that changed
bits, wrong sizes and ambiguous headers are detected before the content is used.

Every file is written under a temporary name, flushed to disk and then renamed, so a path always names either the complete new
file or the old one.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
import re
import stat
from collections.abc import Iterable, Iterator, Mapping
from io import BufferedReader
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from pellucid.core.memory import Array
from pellucid.core.system import IS_WINDOWS, flush_to_disk, replace_file
from pellucid.core.version import __version__
from pellucid.errors import FileError, VersionError

# The version of the format of model files and checkpoints. Raise it when a reader of the old format would restore a wrong model
# from a new file, or when this version cannot read old files any more. An optional setting with a default needs no new version.
FORMAT = 1
NEEDS = "0.1.0"  # the oldest version that reads this format, which older versions name when they refuse a newer file

_DTYPES: dict[str, np.dtype[Any]] = {"F16": np.dtype("<f2"), "F32": np.dtype("<f4"), "F64": np.dtype("<f8")}
_DTYPE_NAMES = {dtype: name for name, dtype in _DTYPES.items()}
_LENGTH_BYTES = 8  # at the start of the file: the length of the header
_MAX_HEADER_BYTES = 100_000_000  # the limit of safetensors: a larger number is not the length of a header
_NO_DIGEST = "0" * 64  # in the header while the digest is computed
_PART = re.compile(r"\.(.+)\.[0-9a-f]{8}\.part")  # the temporary name of a file


def open_regular(path: str | os.PathLike[str]) -> BufferedReader:
    """Open a regular file for reading. Raises FileError for anything else: opening a pipe would block forever."""
    try:
        mode = os.stat(path).st_mode
        if stat.S_ISREG(mode):
            return open(path, "rb")
    except FileNotFoundError:
        raise FileError(f"{path}: there is no such file") from None
    except (OSError, ValueError) as error:  # ValueError: a name with a zero byte
        raise FileError(f"{path}: cannot be read: {getattr(error, 'strerror', None) or error}") from None
    raise FileError(f"{path}: expected a file, got {'a folder' if stat.S_ISDIR(mode) else 'a device, a pipe or a socket'}")


@contextlib.contextmanager
def open_atomic(path: str | os.PathLike[str], *, sync: bool = True) -> Iterator[BinaryIO]:
    """Open a new file that replaces ``path`` at the end of the ``with`` block, when it is complete and on disk.

    After an error, ``path`` is unchanged and no temporary file remains. Other processes always read either the old file or
    the new one, never a part. Without ``sync`` that holds as long as the machine runs, but not after a power failure. A link
    stays a link: the file that it names is replaced. The new file has the permissions of the old one. Raises FileError if the
    file cannot be written, and for a device, a pipe or a socket.
    """
    target, mode = _target(path)
    temporary = _temporary(target)
    try:
        file = open(temporary, "xb")  # noqa: SIM115 (closed below; errors while opening and while writing are handled separately)
    except (OSError, ValueError) as error:
        raise FileError(f"{path}: cannot be written: {_reason(error, target)}") from None
    try:
        with file:
            _set_mode(temporary, mode)
            yield file
            file.flush()
            if sync:
                flush_to_disk(file.fileno())
        replace_file(temporary, target)
        if sync:
            _sync_folder(target.parent)
    except FileError:
        raise
    except OSError as error:
        raise FileError(f"{path}: cannot be written: {error.strerror or error}") from None
    finally:  # also after an interruption
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)


def _target(path: str | os.PathLike[str]) -> tuple[Path, int | None]:
    """Return the file that ``path``, which may be a link, names, and the permissions of that file, None if there is none yet.

    Raises FileError for anything but a regular file: renaming would replace a device such as /dev/null, if root does it. On
    Windows, which neither replaces a read-only file nor deletes one, it is raised for such a file too.
    """
    given = Path(path)
    if not given.name:  # of "", "." and "/"
        raise FileError(f"{given}: cannot be written: expected the name of a file, got a folder")
    mode = None
    try:
        with contextlib.suppress(FileNotFoundError):
            mode = os.stat(given).st_mode
        target = Path(os.path.realpath(given)) if given.is_symlink() else given
    except (OSError, ValueError) as error:  # ValueError: a name with a zero byte
        raise FileError(f"{given}: cannot be written: {_reason(error, given)}") from None
    if mode is not None and not stat.S_ISREG(mode):
        kind = "a folder" if stat.S_ISDIR(mode) else "a device, a pipe or a socket"
        raise FileError(f"{given}: cannot be written: expected the name of a file, got {kind}")
    if IS_WINDOWS and mode is not None and not mode & stat.S_IWRITE:
        raise FileError(f"{given}: cannot be written: the file is read-only: allow writing, or choose another name")
    return target, None if mode is None else stat.S_IMODE(mode) & 0o777


def _temporary(path: Path) -> Path:
    """Return the name under which a file is written before it is complete. A long one is cut: names have at most 255 bytes."""
    return path.with_name(f".{path.name[:50]}.{os.urandom(4).hex()}.part")


def _set_mode(path: Path, mode: int | None) -> None:
    """Give a file the permissions of the one that it will replace, if there is one; some file systems have none."""
    if mode is not None:
        with contextlib.suppress(OSError):
            os.chmod(path, mode)


def _reason(error: OSError | ValueError, path: Path) -> str:
    """Return why a file cannot be written, in words."""
    if isinstance(error, FileNotFoundError):
        return f"there is no folder {path.parent}; create it first"
    return str(getattr(error, "strerror", None) or error)


def _sync_folder(folder: Path) -> None:
    """Flush the names of the files in a folder to disk, so that a new name outlasts a power cut.

    Windows has no such call, and some file systems refuse it: there it is left out. Raises OSError where the disk fails.
    """
    try:
        descriptor = os.open(folder, os.O_RDONLY | getattr(os, "O_DIRECTORY", 0))
        try:
            flush_to_disk(descriptor)
        finally:
            os.close(descriptor)
    except OSError as error:
        if error.errno in (errno.EIO, errno.ENOSPC, getattr(errno, "EDQUOT", None)):
            raise


def make_folder(folder: str | os.PathLike[str]) -> None:
    """Create a folder and those above it, so that their names are on disk. Raises FileError if it cannot be created."""
    folder = Path(folder)
    try:
        missing = [one for one in (folder, *folder.parents) if not one.exists()]
        folder.mkdir(parents=True, exist_ok=True)
        for one in missing:
            _sync_folder(one.parent)
    except OSError as error:
        raise FileError(f"{folder}: the folder cannot be created: {error.strerror or error}") from None


def remove_parts(folder: str | os.PathLike[str], names: re.Pattern[str]) -> None:
    """Delete the temporary files of processes that were killed while they wrote files with such names.

    No process may be writing such a file: it would fail.
    """
    with contextlib.suppress(OSError):
        for one in Path(folder).iterdir():
            found = _PART.fullmatch(one.name)
            if found and names.fullmatch(found[1]):
                with contextlib.suppress(OSError):
                    one.unlink()


def write_atomically(path: str | os.PathLike[str], chunks: Iterable[bytes], *, sync: bool = True) -> None:
    """Write the chunks to ``path`` with :func:`open_atomic`: all of them, or nothing. Raises FileError if that fails."""
    with open_atomic(path, sync=sync) as file:
        for chunk in chunks:
            file.write(chunk)


def write_together(files: Mapping[Path, bytes]) -> None:
    """Write several files, so that after an error or an interruption either all of them are new, or none is changed.

    All are first written to disk under temporary names, then renamed; an interruption is raised after the last one. Missing
    folders are created, and removed again if nothing is written. Raises FileError if a file cannot be written.
    """
    targets = {path: _target(path) for path in files}
    temporary = {path: _temporary(target) for path, (target, _) in targets.items()}
    folders = dict.fromkeys(target.parent for target, _ in targets.values())
    missing = [one for folder in folders for one in (folder, *folder.parents) if not one.exists()]
    path = Path()
    written = False
    try:
        for folder in folders:
            make_folder(folder)
        for path, content in files.items():
            with open(temporary[path], "xb") as file:
                _set_mode(temporary[path], targets[path][1])
                file.write(content)
                file.flush()
                flush_to_disk(file.fileno())
        written = True
        try:
            _rename_all(temporary, targets)
        except KeyboardInterrupt:
            _rename_all(temporary, targets)
            raise
        for folder in folders:
            _sync_folder(folder)
    except (OSError, ValueError) as error:  # ValueError: a name with a zero byte
        if isinstance(error, FileError):
            raise
        raise FileError(f"{path}: cannot be written: {getattr(error, 'strerror', None) or error}") from None
    finally:
        for one in temporary.values():
            with contextlib.suppress(OSError, ValueError):
                one.unlink(missing_ok=True)
        for folder in missing if not written else ():
            with contextlib.suppress(OSError):
                folder.rmdir()


def _rename_all(temporary: Mapping[Path, Path], targets: Mapping[Path, tuple[Path, int | None]]) -> None:
    """Rename the temporary files that are there; it can be called again after an interruption."""
    for path, one in temporary.items():
        if one.exists():
            replace_file(one, targets[path][0])


def write_text(path: str | Path, text: str, *, sync: bool = True) -> None:
    """Write ``text`` to ``path`` as :func:`utf8`, with :func:`write_atomically`."""
    write_atomically(path, [utf8(text)], sync=sync)


def utf8(text: str) -> bytes:
    """Return the bytes of a text.

    Names of files may be bytes that are no UTF-8, or that the locale C does not decode: Python's surrogates, which no encoding
    has. They become escapes, which JSON and Python read as the same name.
    """
    return text.encode(errors="backslashreplace")


def canonical_json(data: Any) -> str:
    """Return the canonical JSON text of plain data: sorted keys, no spaces. NaN and infinity raise ValueError."""
    return json.dumps(data, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def _header(tensors: Mapping[str, tuple[str, list[int], int]], settings: str, digest: str) -> bytes:
    """Return the header of a file, preceded by its length. ``tensors`` has (dtype, shape, number of bytes) by name."""
    head: dict[str, Any] = {"__metadata__": {"pellucid": settings, "sha256": digest}}
    start = 0
    for name in sorted(tensors):
        dtype, shape, size = tensors[name]
        head[name] = {"dtype": dtype, "shape": shape, "data_offsets": [start, start + size]}
        start += size
    text = canonical_json(head).encode()
    text += b" " * (-len(text) % 8)
    if len(text) > _MAX_HEADER_BYTES:
        raise FileError(f"the settings and names of a file have {len(text):,} bytes; readers accept {_MAX_HEADER_BYTES:,}")
    return len(text).to_bytes(_LENGTH_BYTES, "little") + text


def tensor_chunks(settings: Mapping[str, Any], tensors: Mapping[str, Array]) -> list[bytes]:
    """Return the content of a safetensors file in pieces: arrays of floats of 16, 32 or 64 bits, and settings (plain JSON)."""
    table = {name: (_DTYPE_NAMES[a.dtype.newbyteorder("<")], list(a.shape), a.nbytes) for name, a in tensors.items()}
    data = [np.ascontiguousarray(a, a.dtype.newbyteorder("<")).tobytes() for _, a in sorted(tensors.items())]
    text = canonical_json(settings)
    digest = hashlib.sha256(_header(table, text, _NO_DIGEST))
    for chunk in data:
        digest.update(chunk)
    return [_header(table, text, digest.hexdigest()), *data]


def save_tensors(path: str | Path, settings: Mapping[str, Any], tensors: Mapping[str, Array]) -> None:
    """Write arrays and settings to one safetensors file, with :func:`write_atomically`."""
    write_atomically(path, tensor_chunks(settings, tensors))


class TensorFile:
    """A safetensors file that has been checked.

    ``settings`` are its JSON settings, ``shapes`` the shapes of its arrays by name; :meth:`arrays` returns the arrays. The
    constructor checks length, header, sizes and digest, and raises FileError if one is wrong. Sizes that the header only claims
    allocate no memory. ``content`` are the bytes of the file, if they have been read; ``path`` is then its name in messages.
    """

    def __init__(self, path: str | Path, content: bytes | None = None):
        self.path = Path(path)
        try:
            self._bytes = self.path.read_bytes() if content is None else content
        except (OSError, ValueError) as error:  # ValueError: a name with a zero byte
            raise FileError(f"cannot read {self.path}: {getattr(error, 'strerror', None) or error}") from error
        self.settings, self.shapes = self._check()

    def _refuse(self, why: str) -> FileError:
        return FileError(f"{self.path} is not a complete Pellucid model file: {why}")

    def _check(self) -> tuple[dict[str, Any], dict[str, tuple[int, ...]]]:
        content = self._bytes
        length = int.from_bytes(content[:_LENGTH_BYTES], "little")
        if len(content) < _LENGTH_BYTES or length > len(content) - _LENGTH_BYTES:
            if length > _MAX_HEADER_BYTES:
                raise self._refuse("it is a file of another kind")
            raise self._refuse(f"its header should have {length:,} bytes, but the file has {len(content):,}")
        try:
            head = json.loads(content[_LENGTH_BYTES : _LENGTH_BYTES + length])
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
            expected = _header(tensors, canonical_json(settings), metadata["sha256"])
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError, IndexError) as error:
            raise self._refuse(f"its header is not readable ({type(error).__name__}: {error})") from None
        if expected != content[: _LENGTH_BYTES + length] or not isinstance(settings, dict):
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
        if _LENGTH_BYTES + length + total != len(content):
            raise self._refuse(
                f"its arrays have {total:,} bytes, but the file contains {len(content) - _LENGTH_BYTES - length:,}"
            )
        digest = hashlib.sha256(_header(tensors, canonical_json(settings), _NO_DIGEST))
        digest.update(memoryview(content)[_LENGTH_BYTES + length :])
        if digest.hexdigest() != metadata["sha256"]:
            raise self._refuse("its content does not match its SHA-256: it was changed or damaged")
        return settings, {name: tuple(shape) for name, (_, shape, _) in tensors.items()}

    def arrays(self) -> dict[str, Array]:
        """Return all arrays by name."""
        import safetensors.numpy

        loaded: dict[str, Array] = safetensors.numpy.load(self._bytes)
        return loaded


def check_format(path: str | Path, settings: Mapping[str, Any], what: str) -> None:
    """Raise FileError unless the ``settings`` of a file say that its format is FORMAT, and VersionError for a newer one.

    ``settings["format"]`` is the number of the format, and ``settings["needs"]`` is the oldest version of Pellucid that reads
    it, which the message about a newer format names. Files written before there was this setting lack it. ``what`` is the kind
    of file in words.
    """
    number, needs = settings.get("format"), settings.get("needs")
    if type(number) is int and number == FORMAT:
        return
    if type(number) is int and number > FORMAT:
        named = isinstance(needs, str) and re.fullmatch(r"\d{1,9}(\.\d{1,9}){1,3}", needs)
        raise VersionError(
            f"{path} was written by a newer version of Pellucid: its format is {number}, and this version, {__version__}, "
            f"reads format {FORMAT}. It needs {f'Pellucid {needs} or later' if named else 'a newer Pellucid'}: update with "
            f"pip install --upgrade pellucid, or write the {what} again with this version"
        )
    raise FileError(f"{path} has the format {number!r}, which is none of Pellucid's; this version reads format {FORMAT}")


def read_json(path: str | Path) -> Any:
    """Return the content of a JSON file. Raises FileError if it cannot be read or is not JSON."""
    try:
        return json.loads(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise FileError(f"cannot read {path}: {error.strerror or error}") from error
    except (ValueError, RecursionError) as error:
        raise FileError(f"{path} is not a JSON file: {error}") from None
