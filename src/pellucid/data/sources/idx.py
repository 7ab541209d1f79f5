"""The IDX format, in which MNIST comes: a header of a few bytes, then the numbers of one array.

    bytes 0, 1    zero
    byte 2        the type: 08 uint8, 09 int8, 0B int16, 0C int32, 0D float32, 0E float64
    byte 3        d, the number of axes
    4 d bytes     the length of each axis, unsigned, big-endian
    the rest      the numbers in C order, big-endian

(Y. LeCun, C. Cortes and C. Burges, 1998, "The MNIST database".) Files may be packed with gzip, whatever their names.

A header is only a claim: each of its fields is compared with the size of the file before anything is allocated, so a
damaged or hostile file of a few bytes cannot ask for gigabytes.
"""

from __future__ import annotations

import contextlib
import gzip
import math
import os
import stat
import struct
import sys
import zlib
from io import BufferedReader
from typing import Any

import numpy as np

from pellucid.core.files import replaced
from pellucid.core.memory import Array
from pellucid.errors import DataError, FileError

_TYPES = {0x08: ">u1", 0x09: ">i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}
_CODES = {np.dtype(code).newbyteorder("="): byte for byte, code in _TYPES.items()}
_MOST_AXES = 8
_DEFLATE = 1032  # deflate packs at most 258 bytes into 2 bits: nothing unpacks to more than this times its size
_CHUNK = 1 << 20


def read_idx(path: str | os.PathLike[str]) -> Array:
    """The array in an IDX file, gzip or not, in this machine's byte order.

    Raises FileError for a file that cannot be read, is damaged, or is not exactly as long as its header says.
    """
    with open_file(path) as file:
        size = os.fstat(file.fileno()).st_size
        try:
            if file.read(2) != b"\x1f\x8b":
                file.seek(0)
                return _read(file, str(path), size, packed=False)
            file.seek(max(size - 4, 0))
            unpacked = int.from_bytes(file.read(4), "little")  # gzip's last field, ISIZE: the size modulo 2^32
            file.seek(0)
            with gzip.GzipFile(fileobj=file) as plain:
                return _read(plain, str(path), size, packed=True, modulo=unpacked)
        except (EOFError, gzip.BadGzipFile, zlib.error) as error:
            raise FileError(f"{path}: the gzip data is damaged: {error}") from None
        except FileError:
            raise
        except OSError as error:
            raise FileError(f"{path}: cannot be read: {error.strerror or error}") from None


def _read(file: Any, path: str, size: int, packed: bool, modulo: int = 0) -> Array:
    header = file.read(4)
    if len(header) < 4 or header[:2] != b"\0\0":
        raise FileError(
            f"{path}: no IDX file: it should begin with 00 00 and two more bytes, got {header.hex(' ') or 'nothing'}"
        )
    code, axes = header[2], header[3]
    if code not in _TYPES:
        known = ", ".join(f"{byte:02x}" for byte in _TYPES)
        raise FileError(f"{path}: no IDX file: unknown type {code:02x}, known are {known}")
    if not 1 <= axes <= _MOST_AXES:
        raise FileError(f"{path}: the IDX header wants {axes} axes: 1 to {_MOST_AXES} can be")
    lengths = file.read(4 * axes)
    if len(lengths) < 4 * axes:
        raise FileError(f"{path}: ends inside its IDX header: {axes} axes take {4 * axes} bytes, got {len(lengths)}")
    shape = struct.unpack(f">{axes}I", lengths)
    dtype = np.dtype(_TYPES[code])
    if math.prod(max(axis, 1) for axis in shape) * dtype.itemsize > sys.maxsize:
        raise FileError(f"{path}: the IDX header wants the shape {shape}: more than a computer can address")
    data = math.prod(shape) * dtype.itemsize
    total = 4 + 4 * axes + data
    what = f"{path}: the IDX header wants {total:,} bytes (shape {shape}, {dtype.newbyteorder('=')})"
    if not packed and total != size:
        raise FileError(f"{what}, the file has {size:,}: it is {'cut short' if size < total else 'followed by something else'}")
    if packed and total > _DEFLATE * size:
        raise FileError(f"{what}: {size:,} bytes of gzip cannot hold that")
    if packed and total % 2**32 != modulo:
        raise FileError(f"{what}, gzip's last field says {modulo:,}: it is cut short, or something follows")
    try:
        array = np.empty(shape, dtype)
    except MemoryError:
        raise FileError(f"{what}: more than the memory of this machine") from None
    buffer = array.reshape(-1).view(np.uint8)
    filled = 0
    while filled < data:
        count = file.readinto(buffer[filled : filled + _CHUNK].data)
        if not count:
            raise FileError(f"{what}, the data end after {4 + 4 * axes + filled:,}: it is cut short")
        filled += count
    if file.read(1):  # reading past the end also makes gzip compare its checksum
        raise FileError(f"{what}, and more bytes follow")
    return array.byteswap(inplace=True).view(dtype.newbyteorder("=")) if sys.byteorder == "little" else array


def write_idx(path: str | os.PathLike[str], array: Array) -> None:
    """``array`` as an IDX file, packed where the name ends in ``.gz``; the same array gives the same bytes.

    Raises DataError for a dtype or shape that the format does not have, FileError where it cannot be written.
    """
    array = np.asarray(array)
    if array.dtype.newbyteorder("=") not in _CODES:
        raise DataError(f"{path}: IDX has no {array.dtype}: convert it to one of {', '.join(map(str, _CODES))}")
    if not 1 <= array.ndim <= _MOST_AXES or max(array.shape) >= 2**32:
        raise DataError(f"{path}: IDX holds 1 to {_MOST_AXES} axes of less than 2^32, got the shape {array.shape}")
    with replaced(path) as file:
        # No name and no time in gzip's header: they would change the bytes.
        packed = gzip.GzipFile("", "wb", 6, file, 0) if str(path).endswith(".gz") else contextlib.nullcontext(file)
        with packed as out:
            out.write(header(array))
            out.write(np.ascontiguousarray(array, array.dtype.newbyteorder(">")).reshape(-1).view(np.uint8).data)


def header(array: Array) -> bytes:
    """The bytes before the numbers in the IDX file of ``array``."""
    return struct.pack(f">BBBB{array.ndim}I", 0, 0, _CODES[array.dtype.newbyteorder("=")], array.ndim, *array.shape)


def open_file(path: str | os.PathLike[str]) -> BufferedReader:
    """An ordinary file, open for reading; FileError for anything else (opening a pipe would wait for ever)."""
    try:
        mode = os.stat(path).st_mode
        if stat.S_ISREG(mode):
            return open(path, "rb")
    except FileNotFoundError:
        raise FileError(f"{path}: there is no such file") from None
    except (OSError, ValueError) as error:  # ValueError: a name with a zero byte
        raise FileError(f"{path}: cannot be read: {getattr(error, 'strerror', None) or error}") from None
    raise FileError(f"{path}: is {'a folder' if stat.S_ISDIR(mode) else 'no ordinary file'}, wanted a file")
