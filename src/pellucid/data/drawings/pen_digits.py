"""Pen digits: digits that 30 people wrote on a tablet, about 250 each, as strokes and as images in the form of MNIST.

The data set is "Pen-Based Recognition of Handwritten Digits" (Alpaydin and Alimoglu, UCI, 1996). Its file is in the format of
UNIPEN: ``.SEGMENT DIGIT number ? "label"``, then ``.COMMENT digit writer sample``, then the points of each stroke, one pair x y
per line, between ``.PEN_DOWN`` and ``.PEN_UP``; there y grows upwards. Writers 1 to 20 are the training set, 21 to 24 the
validation set, and 25 to 30 the test set, so that no writer is in two sets.
"""

from __future__ import annotations

import contextlib
import functools
import gzip
import hashlib
import io
import os
import re
import zipfile
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pellucid.core.files import open_regular, write_atomically
from pellucid.core.memory import Array
from pellucid.data.dataset import Dataset, Splits
from pellucid.data.drawings.image_cache import cached
from pellucid.data.drawings.rendering import digit
from pellucid.data.sources import lzw
from pellucid.data.sources.folders import cache_folder, named_folder
from pellucid.errors import DataError, FileError

FILE = "pendigits-orig.tra"
DIGEST = "a66225d68d7d68591e62944df1ad33b3f5aa608e2df2505844b41f5568a80da4"  # SHA-256 of the uncompressed file
MIRRORS = (
    "https://archive.ics.uci.edu/static/public/81/pen+based+recognition+of+handwritten+digits.zip",
    "https://archive.ics.uci.edu/ml/machine-learning-databases/pendigits/pendigits-orig.tra.Z",
)
WRITERS = {"train": range(1, 21), "validation": range(21, 25), "test": range(25, 31)}
DRAWINGS = 7_494
SIZES = {"train": 4_996, "validation": 1_000, "test": 1_498}
MAX_SIZE = 50 << 20  # bytes, uncompressed; the file has 5 million
_COMMENT = re.compile(r"\.COMMENT\s+(\d)\s+(\d+)\s+(\d+)\s*")


@dataclass(frozen=True)
class Drawing:
    """A digit: its strokes, each an array (n, 2) of points (x, y) in units of the tablet with y down; its label; its writer."""

    strokes: tuple[Array, ...]
    label: int
    writer: int


def pendigits(data_dir: str | os.PathLike[str] | None = None, split_seed: int = 0) -> Splits:
    """Return the drawings as images (28, 28, 1) of bytes, rendered by ``digit``, from 20, 4 and 6 writers.

    The split is by writers, so ``split_seed`` has no effect. The file, compressed or not, is looked for in ``data_dir``
    or the folder in PELLUCID_DATA, in a folder ``pendigits`` in it or beside it, and in the cache. Otherwise it is downloaded.
    The images are kept in the cache (:mod:`~pellucid.data.drawings.image_cache`).

    Raises DataError if the file is neither found nor downloaded, and FileError for a file that is not the published one.
    """
    path, source = find_file(data_dir) or (fetch(), "download")
    all_drawings = load_drawings(path)
    sets = []
    for name in WRITERS:
        make = functools.partial(_images, all_drawings, name)
        sets.append(cached(f"pendigits {name}", [DIGEST, list(WRITERS[name])], make))
    train, validation, test = sets
    return Splits(train, validation, test, "pendigits", source, DIGEST)


def _images(all_drawings: Sequence[Drawing], part: str) -> Dataset:
    drawings = [drawing for drawing in all_drawings if drawing.writer in WRITERS[part]]
    x = np.stack([digit(list(drawing.strokes)) for drawing in drawings])
    y = np.asarray([drawing.label for drawing in drawings], np.int64)
    return Dataset(x, y, classes="0123456789", name=f"pendigits {part}")


@functools.lru_cache(maxsize=1)
def load_drawings(path: Path) -> tuple[Drawing, ...]:
    """Return all drawings in the published file, compressed or not. Raises FileError for any other file."""
    drawings = parse_unipen(read_verified(path).decode("ascii"))
    assert len(drawings) == DRAWINGS
    return tuple(drawings)


def parse_unipen(text: str) -> list[Drawing]:
    """Return the drawings in a text in the format of UNIPEN. Raises DataError for a text that is not in this format."""
    drawings = []
    for number, block in enumerate(text.split(".SEGMENT")[1:]):
        lines, strokes = block.splitlines(), list[Array]()
        points: list[tuple[float, float]] | None = None
        comment = next((match for line in lines if (match := _COMMENT.match(line))), None)
        if comment is None:
            raise DataError(f"drawing {number}: there is no .COMMENT with digit, writer and sample")
        for line in lines[1:]:
            if line.startswith(".PEN_DOWN"):
                points = []
            elif line.startswith(".PEN_UP"):
                if points:
                    strokes.append(np.asarray(points, np.float64) * (1, -1))
                points = None
            elif points is not None and line.strip():
                try:
                    x, y = line.split()
                    points.append((float(x), float(y)))
                except ValueError:
                    raise DataError(f"drawing {number}: {line!r} is not a point") from None
        if not strokes:
            raise DataError(f"drawing {number}: there are no strokes")
        drawings.append(Drawing(tuple(strokes), int(comment[1]), int(comment[2])))
    return drawings


def find_file(data_dir: str | os.PathLike[str] | None) -> tuple[Path, str] | None:
    """Return the path of the file and its source, the folder or "download"; or None if the file is not on this machine.

    The file is looked for in the named folder, in a folder ``pendigits`` in it or beside it, and in the cache. Raises DataError
    if ``data_dir`` is given and the file is not there.
    """
    named = named_folder(data_dir)
    if named is not None:
        for folder in (named.path / "pendigits", named.path, named.path.parent / "pendigits"):
            for name in (FILE, f"{FILE}.gz", f"{FILE}.Z"):
                if (folder / name).is_file():
                    return folder / name, str(folder)
        if data_dir is not None:
            raise DataError(f"data_dir={data_dir}: no {FILE} (or .gz, .Z) in it, or in a folder pendigits in it or beside it")
    return (_cached(), "download") if _cached().is_file() else None


def fetch() -> Path:
    """Return the file in the cache, downloaded and verified. Raises DataError if no mirror delivers it."""
    path = _cached()
    with contextlib.suppress(FileError):
        read_verified(path)
        return path
    from pellucid.data.sources import download

    content = list[bytes]()
    download.fetch(MIRRORS, path, lambda arrived: content.append(read_verified(arrived)))
    write_atomically(path, [gzip.compress(content[-1], mtime=0)])  # the mirrors' formats take a second to unpack
    return path


def _cached() -> Path:
    return cache_folder("pendigits") / f"{FILE}.gz"


def read_verified(path: Path) -> bytes:
    """Return the content of the published file, from any of its compressed forms. Raises FileError for any other file."""
    with open_regular(path) as file:
        packed = file.read(MAX_SIZE)
    try:
        content = _unpack(packed)
    except (DataError, EOFError, KeyError, OSError, zipfile.BadZipFile, zlib.error) as error:
        raise FileError(f"{path}: the compressed data is damaged: {error}") from None
    digest = hashlib.sha256(content).hexdigest()
    if digest != DIGEST:
        raise FileError(f"{path}: is not the published {FILE}: expected SHA-256 {DIGEST}, got {digest}")
    return content


def _unpack(packed: bytes) -> bytes:
    if packed[:2] == b"\x1f\x8b":
        with gzip.GzipFile(fileobj=io.BytesIO(packed)) as unpacked:
            return unpacked.read(MAX_SIZE)
    if packed[:2] == lzw.MAGIC:
        return lzw.unpack(packed, MAX_SIZE)
    if packed[:4] == b"PK\x03\x04":
        with zipfile.ZipFile(io.BytesIO(packed)) as archive, archive.open(f"{FILE}.Z") as inner:
            return lzw.unpack(inner.read(MAX_SIZE), MAX_SIZE)
    return packed
