"""Pen strokes: digits as 30 people wrote them on a tablet, 250 each (Alpaydin and Alimoglu, "Pen-Based Recognition of
Handwritten Digits", UCI, 1996), and the same as pictures in MNIST's form.

The file is in UNIPEN's form: ``.SEGMENT DIGIT number ? "label"``, then ``.COMMENT digit writer sample``, then the points of
each stroke, x and y a line, between ``.PEN_DOWN`` and ``.PEN_UP``; y grows upwards there. Writers 1 to 20 are for training,
21 to 24 for validation, 25 to 30 for the test: whoever is in one set is in no other.
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
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pellucid.core.files import write_atomically
from pellucid.core.memory import Array
from pellucid.data.dataset import Dataset, Splits
from pellucid.data.drawings.rendering import digit
from pellucid.data.sources import lzw
from pellucid.data.sources.idx import open_file
from pellucid.data.sources.published import cache
from pellucid.errors import DataError, FileError

FILE = "pendigits-orig.tra"
DIGEST = "a66225d68d7d68591e62944df1ad33b3f5aa608e2df2505844b41f5568a80da4"  # SHA-256 of the unpacked file
MIRRORS = (
    "https://archive.ics.uci.edu/static/public/81/pen+based+recognition+of+handwritten+digits.zip",
    "https://archive.ics.uci.edu/ml/machine-learning-databases/pendigits/pendigits-orig.tra.Z",
)
WRITERS = {"train": range(1, 21), "validation": range(21, 25), "test": range(25, 31)}
DRAWINGS = 7_494
SIZES = {"train": 4_996, "validation": 1_000, "test": 1_498}
LARGEST = 50 << 20  # bytes, unpacked: the file has 5 million
_COMMENT = re.compile(r"\.COMMENT\s+(\d)\s+(\d+)\s+(\d+)\s*")


@dataclass(frozen=True)
class Drawing:
    """One digit: its strokes, each an array (n, 2) of points (x, y) in the tablet's units, y downwards; what it is, and who
    wrote it."""

    strokes: tuple[Array, ...]
    label: int
    writer: int


def pendigits(data_dir: str | os.PathLike[str] | None = None, split_seed: int = 0) -> Splits:
    """The drawings as pictures (28, 28, 1) of bytes, as ``drawings.digit`` makes them: 20, 4 and 6 writers. The split is by
    writers, so ``split_seed`` changes nothing.

    The file, packed or not, is looked for in ``data_dir`` or the folder that PELLUCID_DATA names, in a folder ``pendigits`` in
    or beside it, and in the cache; then it is downloaded. Raises DataError where it is not found, FileError for another file.
    """
    path, where = found(data_dir) or (fetch(), "download")
    everything = drawings(path)
    sets = []
    for name, writers in WRITERS.items():
        own = [one for one in everything if one.writer in writers]
        x = np.stack([digit(list(one.strokes)) for one in own])
        y = np.asarray([one.label for one in own], np.int64)
        sets.append(Dataset(x, y, classes="0123456789", name=f"pendigits {name}"))
    train, validation, test = sets
    return Splits(train, validation, test, "pendigits", where, DIGEST)


@functools.lru_cache(maxsize=1)
def drawings(path: Path) -> tuple[Drawing, ...]:
    """All drawings in the published file, packed or not. Raises FileError for any other."""
    found = parse(proven(path).decode("ascii"))
    assert len(found) == DRAWINGS
    return tuple(found)


def parse(text: str) -> list[Drawing]:
    """The drawings in a text of UNIPEN's form. Raises DataError where it breaks that form."""
    found = []
    for number, block in enumerate(text.split(".SEGMENT")[1:]):
        lines, strokes = block.splitlines(), list[Array]()
        points: list[tuple[float, float]] | None = None
        comment = next((match for line in lines if (match := _COMMENT.match(line))), None)
        if comment is None:
            raise DataError(f"drawing {number}: no .COMMENT with digit, writer and sample")
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
                    raise DataError(f"drawing {number}: {line!r} is no point") from None
        if not strokes:
            raise DataError(f"drawing {number}: no strokes")
        found.append(Drawing(tuple(strokes), int(comment[1]), int(comment[2])))
    return found


def found(data_dir: str | os.PathLike[str] | None) -> tuple[Path, str] | None:
    """The file and the folder that it is in: in the named one, in one called pendigits in or beside it, or in the cache. None
    where it is in none of them; DataError where ``data_dir`` was given and does not lead to it."""
    wish = data_dir if data_dir is not None else os.environ.get("PELLUCID_DATA") or None
    if wish is not None:
        folder = Path(os.path.expanduser(wish))
        for place in (folder / "pendigits", folder, folder.parent / "pendigits"):
            for name in (FILE, f"{FILE}.gz", f"{FILE}.Z"):
                if (place / name).is_file():
                    return place / name, str(place)
        if data_dir is not None:
            raise DataError(f"data_dir={wish}: no {FILE} (or .gz, .Z) is there, nor in a folder pendigits in it or beside it")
    return (_cached(), "download") if _cached().is_file() else None


def fetch() -> Path:
    """The file in the cache, downloaded and proven. Raises DataError where no mirror delivers."""
    path = _cached()
    with contextlib.suppress(FileError):
        proven(path)
        return path
    from pellucid.data.sources import download

    text = list[bytes]()
    download.fetch(MIRRORS, path, lambda arrived: text.append(proven(arrived)))
    write_atomically(path, [gzip.compress(text[-1], mtime=0)])  # the mirrors' packing takes a second to undo
    return path


def _cached() -> Path:
    return cache("pendigits") / f"{FILE}.gz"


def proven(path: Path) -> bytes:
    """What the published file holds, unpacked from whichever packing it is in. Raises FileError for any other file."""
    with open_file(path) as file:
        packed = file.read(LARGEST)
    try:
        text = _unpacked(packed)
    except (DataError, EOFError, KeyError, OSError, zipfile.BadZipFile, zlib.error) as error:
        raise FileError(f"{path}: the packed data is damaged: {error}") from None
    digest = hashlib.sha256(text).hexdigest()
    if digest != DIGEST:
        raise FileError(f"{path}: is not the published {FILE}: expected SHA-256 {DIGEST}, got {digest}")
    return text


def _unpacked(packed: bytes) -> bytes:
    if packed[:2] == b"\x1f\x8b":
        with gzip.GzipFile(fileobj=io.BytesIO(packed)) as plain:
            return plain.read(LARGEST)
    if packed[:2] == lzw.MAGIC:
        return lzw.unpack(packed, LARGEST)
    if packed[:4] == b"PK\x03\x04":
        with zipfile.ZipFile(io.BytesIO(packed)) as archive, archive.open(f"{FILE}.Z") as inner:
            return lzw.unpack(inner.read(LARGEST), LARGEST)
    return packed
