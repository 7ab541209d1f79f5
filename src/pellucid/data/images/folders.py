"""Pictures in folders, one folder a class, as data sets.

The files' headers are read first: they say how large the pictures are, and whether any has colours. Then every picture is
decoded once, one at a time, into a memory map of bytes, so that there may be more of them than memory holds. Files that are no
whole pictures are left out, and listed in the data set's ``origin``.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pellucid.core.memory import Array, Shape
from pellucid.data.dataset import Dataset, Origin
from pellucid.data.images.files import header, read_picture
from pellucid.data.storage import Rows
from pellucid.errors import ConfigError, DataError, FileError, did_you_mean

ENDINGS = frozenset((".png", ".jpg", ".jpeg", ".gif", ".bmp", ".tif", ".tiff", ".webp", ".ppm", ".pgm", ".pbm", ".pnm"))
COLOURS = {"grey": 1, "colour": 3}
_LISTED = 10  # broken files in a message


@dataclass(frozen=True)
class Survey:
    """What is in a folder with one folder a class: the ``files`` of each class, the ``sizes`` (height, width) of the pictures
    with how many have each, how many are ``coloured``, the files that are no pictures by their ``other`` endings, and those
    whose headers are ``broken``, with the reason."""

    path: str
    files: dict[str, tuple[Path, ...]]
    sizes: Counter[tuple[int, int]]
    coloured: int
    other: Counter[str]
    broken: dict[Path, str]

    @classmethod
    def of(cls, path: str | os.PathLike[str]) -> Survey:
        """Raises FileError where there is no such folder, DataError where it is not one folder a class or no header can be
        read."""
        root = Path(path)
        if not root.is_dir():
            raise FileError(f"{path}: there is no such folder" if not root.exists() else f"{path} is no folder")
        try:
            folders = sorted(one for one in root.iterdir() if one.is_dir() and not one.name.startswith("."))
        except OSError as error:
            raise FileError(f"{path}: cannot be read: {error.strerror or error}") from None
        files, other = dict[str, tuple[Path, ...]](), Counter[str]()
        for folder in folders:
            files[folder.name] = tuple(pictures_in(folder, other))
        found = cls(os.fspath(path), files, Counter(), 0, other, {})
        if not any(files.values()):
            loose = sum(1 for one in pictures_in(root, Counter()))
            what = f"{loose:,} pictures lie in it directly" if loose else "no pictures are in its folders"
            raise DataError(f"{path}: wants one folder a class, as in cats/ and dogs/; {what}")
        return found._measured()

    def _measured(self) -> Survey:
        coloured = 0
        for one in self.paths:
            try:
                size, colour = header(one)
            except FileError as error:
                self.broken[one] = _reason(one, error)
                continue
            self.sizes[size] += 1
            coloured += colour
        if not self.sizes:
            listed = _listed([(str(one), why) for one, why in self.broken.items()])
            raise DataError(f"{self.path}: none of its pictures can be read: {listed}")
        return Survey(self.path, self.files, self.sizes, coloured, self.other, self.broken)

    @property
    def paths(self) -> Iterator[Path]:
        """All files that look like pictures, class by class."""
        return (one for files in self.files.values() for one in files)

    @property
    def size(self) -> tuple[int, int] | None:
        """(height, width) where all pictures share it."""
        return next(iter(self.sizes)) if len(self.sizes) == 1 else None

    def described_sizes(self) -> str:
        """``5 sizes, from 20x30 to 400x300``."""
        ordered = sorted(self.sizes, key=lambda size: (size[0] * size[1], size))
        low, high = (f"{w}x{h}" for h, w in (ordered[0], ordered[-1]))
        return f"{len(ordered)} sizes, from {low} to {high} pixels" if len(ordered) > 1 else f"{low} pixels"


def from_folder(
    path: str | os.PathLike[str],
    *,
    size: tuple[int, int] | None = None,
    colour: str | None = None,
    classes: Sequence[str] | None = None,
    survey: Survey | None = None,
) -> Dataset:
    """See :meth:`Dataset.from_folder`. ``survey`` is what Survey.of says of the folder, where somebody has asked already; with
    ``classes`` the folders must be named after some of them."""
    found = Survey.of(path) if survey is None else survey
    names = tuple(name for name, files in found.files.items() if files)
    if classes is not None:
        for name in names:
            if name not in classes:
                raise DataError(f"{path}: there is no class {name!r}: {did_you_mean(name, classes)}")
        names = tuple(classes)
    elif len(names) < 2:
        raise DataError(f"{path} holds pictures of one class, {names[0]}: with one there is nothing to tell apart")
    shape = shape_of(found, size, colour)
    labelled = [(one, names.index(name)) for name, files in found.files.items() for one in files]
    x, kept, skipped = _decoded([one for one, _ in labelled], shape, found.broken)
    if len(skipped) > len(kept):
        raise DataError(f"{path}: {len(skipped):,} of {len(labelled):,} pictures cannot be read: {_listed(skipped)}")
    y = np.asarray([labelled[place][1] for place in kept], np.int64)
    counts = np.bincount(y, minlength=len(names))
    if classes is None and not counts.all():
        raise DataError(f"{path}: no picture of the class {names[int(counts.argmin())]} can be read: {_listed(skipped)}")
    notes = _notes(found, dict(zip(names, counts.tolist(), strict=True)), shape, skipped)
    return Dataset(x, y, classes=names, name=Path(path).resolve().name, origin=Origin(notes, tuple(skipped)))


def shape_of(found: Survey, size: tuple[int, int] | None, colour: str | None) -> Shape:
    """(height, width, channels) of the pictures as they are learned. Raises DataError where sizes are mixed and none is
    wished."""
    if colour is not None and colour not in COLOURS:
        raise ConfigError(f"colour={colour!r}: {did_you_mean(colour, COLOURS)}")
    size = found.size if size is None else (int(size[0]), int(size[1]))
    if size is None:
        raise DataError(
            f"{found.path}: its pictures have {found.described_sizes()}: say which one to bring them to with size=(32, 32) "
            "(--size 32x32)"
        )
    if min(size) < 1:
        raise ConfigError(f"size={size}: height and width are at least 1")
    return (*size, COLOURS[colour] if colour is not None else 3 if found.coloured else 1)


def pictures_in(folder: Path, other: Counter[str]) -> Iterator[Path]:
    """The files in a folder, and in those within, that look like pictures, in order; the endings of what else is there are
    counted in ``other``. Hidden files and links to folders are passed over."""
    for place, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(files):
            if name.startswith(".") or name == "Thumbs.db":
                continue
            if Path(name).suffix.lower() in ENDINGS:
                yield Path(place, name)
            else:
                other[Path(name).suffix.lower() or name] += 1


def _decoded(paths: Sequence[Path], shape: Shape, broken: Mapping[Path, str]) -> tuple[Array, list[int], list[tuple[str, str]]]:
    """(the pictures that can be read, as bytes (n, *shape); which they are; the others, each with the reason)."""
    kept, skipped = list[int](), list[tuple[str, str]]()
    with Rows(shape, np.uint8) as rows:
        for place, one in enumerate(paths):
            try:
                if one in broken:
                    raise FileError(broken[one])
                picture = read_picture(one, shape, ink=False)
            except FileError as error:
                skipped.append((str(one), _reason(one, error)))
                continue
            rows.append(picture[np.newaxis])
            kept.append(place)
        return rows.array() if kept else np.empty((0, *shape), np.uint8), kept, skipped


def _notes(found: Survey, counts: Mapping[str, int], shape: Shape, skipped: Sequence[tuple[str, str]]) -> tuple[str, ...]:
    shown = ", ".join(f"{name} ({n:,})" for name, n in list(counts.items())[:10])
    grey, n = found.sizes.total() - found.coloured, sum(counts.values())
    kinds = f"{found.coloured:,} in colour and {grey:,} in grey" if grey else "in colour"
    kinds = kinds if found.coloured else "in grey"
    lines = [
        f"pictures  {n:,} ({kinds}; {found.described_sizes()}), learned as {shape[1]}x{shape[0]} in "
        f"{'grey' if shape[2] == 1 else 'colour'}",
        f"classes   {len(counts)}: {shown}{', …' if len(counts) > 10 else ''}",
    ]
    if skipped:
        lines.append(f"broken    {len(skipped):,} pictures cannot be read and are left out:")
        lines += [f"          {one}: {why}" for one, why in skipped[:_LISTED]]
        if len(skipped) > _LISTED:
            lines.append(f"          and {len(skipped) - _LISTED:,} more")
    empty = [name for name, files in found.files.items() if not files]
    if empty:
        lines.append(f"left out  folders without pictures: {', '.join(empty[:10])}{', …' if len(empty) > 10 else ''}")
    if found.other:
        kinds = ", ".join(f"{ending} ({n:,})" for ending, n in found.other.most_common(5))
        lines.append(f"left out  {found.other.total():,} files that are no pictures: {kinds}")
    return tuple(lines)


def _listed(skipped: Sequence[tuple[str, str]]) -> str:
    more = f"; and {len(skipped) - _LISTED:,} more" if len(skipped) > _LISTED else ""
    return "; ".join(f"{one}: {why}" for one, why in skipped[:_LISTED]) + more


def _reason(path: Path, error: FileError) -> str:
    return str(error).removeprefix(f"{path}: ")
