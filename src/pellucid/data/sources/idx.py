"""The file format IDX, which MNIST uses: a header of a few bytes, then the values of one array.

    bytes 0, 1    zero
    byte 2        the type: 08 uint8, 09 int8, 0B int16, 0C int32, 0D float32, 0E float64
    byte 3        d, the number of axes
    4 d bytes     the length of each axis, unsigned, big-endian
    the rest      the values in C order, big-endian

(Y. LeCun, C. Cortes and C. Burges, 1998, "The MNIST database".) Files may be compressed with gzip, under any name.

Each field of the header is compared with the size of the file before any memory is allocated, so that a damaged or hostile
file of a few bytes cannot claim gigabytes.
"""

from __future__ import annotations

import contextlib
import gzip
import math
import os
import struct
import sys
import zlib
from typing import Any

import numpy as np

from pellucid.core.files import open_atomic, open_regular
from pellucid.core.memory import Array
from pellucid.errors import DataError, FileError

_TYPES = {0x08: ">u1", 0x09: ">i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}
_CODES = {np.dtype(code).newbyteorder("="): byte for byte, code in _TYPES.items()}
_MAX_AXES = 8
_DEFLATE = 1032  # the largest compression ratio: deflate encodes at most 258 bytes in 2 bits
_CHUNK = 1 << 20


def read_idx(path: str | os.PathLike[str], *, mapped: bool = False) -> Array:
    """Return the array in an IDX file, compressed with gzip or not, in the byte order of this machine.

    If ``mapped``, a file that is not compressed is returned as a memory map, in the byte order of the file (which a
    :class:`~pellucid.data.Dataset` takes): values are read when they are used, and processes share them. Changes to it stay in
    this process.

    Raises FileError for a file that cannot be read, is damaged, or does not have exactly the length that its header implies.
    """
    with open_regular(path) as file:
        size = os.fstat(file.fileno()).st_size
        try:
            if file.read(2) != b"\x1f\x8b":
                file.seek(0)
                return _read(file, str(path), size, packed=False, mapped=mapped)
            file.seek(max(size - 4, 0))
            size_field = int.from_bytes(file.read(4), "little")  # the last field of gzip, ISIZE: the size modulo 2^32
            file.seek(0)
            with gzip.GzipFile(fileobj=file) as unpacked:
                return _read(unpacked, str(path), size, packed=True, size_field=size_field)
        except (EOFError, gzip.BadGzipFile, zlib.error) as error:
            raise FileError(f"{path}: the gzip data is damaged: {error}") from None
        except FileError:
            raise
        except OSError as error:
            raise FileError(f"{path}: cannot be read: {error.strerror or error}") from None


def _read(file: Any, path: str, size: int, packed: bool, size_field: int = 0, mapped: bool = False) -> Array:
    """Return the array in an open file of ``size`` bytes; ``size_field`` is that of gzip if the file is ``packed``."""
    header = file.read(4)
    if len(header) < 4 or header[:2] != b"\0\0":
        raise FileError(
            f"{path}: not an IDX file: expected 00 00 and two more bytes at its start, got {header.hex(' ') or 'nothing'}"
        )
    code, axes = header[2], header[3]
    if code not in _TYPES:
        known = ", ".join(f"{byte:02x}" for byte in _TYPES)
        raise FileError(f"{path}: not an IDX file: unknown type {code:02x}, expected one of {known}")
    if not 1 <= axes <= _MAX_AXES:
        raise FileError(f"{path}: the IDX header has {axes} axes; expected 1 to {_MAX_AXES}")
    lengths = file.read(4 * axes)
    if len(lengths) < 4 * axes:
        raise FileError(f"{path}: ends inside its IDX header: {axes} axes take {4 * axes} bytes, got {len(lengths)}")
    shape = struct.unpack(f">{axes}I", lengths)
    dtype = np.dtype(_TYPES[code])
    if math.prod(max(axis, 1) for axis in shape) * dtype.itemsize > sys.maxsize:
        raise FileError(f"{path}: the IDX header has the shape {shape}: more than a computer can address")
    data = math.prod(shape) * dtype.itemsize
    total = 4 + 4 * axes + data
    what = f"{path}: the IDX header implies {total:,} bytes (shape {shape}, {dtype.newbyteorder('=')})"
    if not packed and total != size:
        raise FileError(f"{what}, the file has {size:,}: {'it is truncated' if size < total else 'other data follows'}")
    if packed and total > _DEFLATE * size:
        raise FileError(f"{what}: {size:,} bytes of gzip cannot contain that")
    if packed and total % 2**32 != size_field:
        raise FileError(f"{what}, the last field of gzip has {size_field:,}: it is truncated, or other data follows")
    if mapped and data:
        return np.memmap(file, dtype, "c", offset=total - data, shape=shape)
    try:
        array = np.empty(shape, dtype)
    except MemoryError:
        raise FileError(f"{what}: more than the memory of this machine") from None
    buffer = array.reshape(-1).view(np.uint8)
    filled = 0
    while filled < data:
        count = file.readinto(buffer[filled : filled + _CHUNK].data)
        if not count:
            raise FileError(f"{what}, the data ends after {4 + 4 * axes + filled:,}: it is truncated")
        filled += count
    if file.read(1):  # reading past the end also makes gzip compare its checksum
        raise FileError(f"{what}, and more bytes follow")
    return array.byteswap(inplace=True).view(dtype.newbyteorder("=")) if sys.byteorder == "little" else array


def write_idx(path: str | os.PathLike[str], array: Array) -> None:
    """Write an array to an IDX file, compressed if the name ends in ``.gz``. The same array always gives the same bytes.

    Raises DataError for a dtype or shape that the format does not support, and FileError if the file cannot be written.
    """
    array = np.asarray(array)
    if array.dtype.newbyteorder("=") not in _CODES:
        raise DataError(f"{path}: IDX does not support {array.dtype}: convert it to one of {', '.join(map(str, _CODES))}")
    if not 1 <= array.ndim <= _MAX_AXES or max(array.shape) >= 2**32:
        raise DataError(f"{path}: IDX supports 1 to {_MAX_AXES} axes of less than 2^32, got the shape {array.shape}")
    with open_atomic(path) as file:
        # Without a name and a time in the header of gzip, which would change the bytes.
        packed = gzip.GzipFile("", "wb", 6, file, 0) if str(path).endswith(".gz") else contextlib.nullcontext(file)
        with packed as out:
            out.write(idx_header(array))
            out.write(np.ascontiguousarray(array, array.dtype.newbyteorder(">")).reshape(-1).view(np.uint8).data)


def idx_header(array: Array) -> bytes:
    """Return the bytes before the values in the IDX file of ``array``."""
    return struct.pack(f">BBBB{array.ndim}I", 0, 0, _CODES[array.dtype.newbyteorder("=")], array.ndim, *array.shape)
