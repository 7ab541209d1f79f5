"""Folders of images, with one subfolder for each class, as data sets.

First the headers of all files are read; they contain the sizes of the images and whether any has colours. Then the images are
decoded one at a time into a memory map of bytes, so that they may need more space than the memory has. Files that are not
complete images are left out, and listed in the ``origin`` of the data set.
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
from pellucid.data.images.image_file import read_header, read_image
from pellucid.data.row_file import RowFile
from pellucid.errors import ConfigError, DataError, FileError, did_you_mean

SUFFIXES = frozenset((".png", ".jpg", ".jpeg", ".gif", ".bmp", ".tif", ".tiff", ".webp", ".ppm", ".pgm", ".pbm", ".pnm"))
COLOURS = {"grey": 1, "colour": 3}
_LISTED = 10  # unreadable files in a message


@dataclass(frozen=True)
class FolderScan:
    """The content of a folder with one subfolder for each class, as found by :func:`scan_folder`.

    ``files`` are the image files of each class. ``sizes`` counts the images of each size (height, width), and ``coloured`` is
    the number of images with colours. ``other`` counts, by suffix, the files that are not images. ``broken`` holds the
    files whose headers cannot be read, each with the reason.
    """

    path: str
    files: dict[str, tuple[Path, ...]]
    sizes: Counter[tuple[int, int]]
    coloured: int
    other: Counter[str]
    broken: dict[Path, str]

    @property
    def size(self) -> tuple[int, int] | None:
        """The size (height, width) that all images have in common, or None."""
        return next(iter(self.sizes)) if len(self.sizes) == 1 else None

    def describe_sizes(self) -> str:
        """Return the sizes in words: ``5 sizes, from 20x30 to 300x400 (height x width)``, or ``48 high, 64 wide``."""
        ordered = sorted(self.sizes, key=lambda size: (size[0] * size[1], size))
        if len(ordered) == 1:
            return describe_size(ordered[0])
        smallest, largest = (f"{height}x{width}" for height, width in (ordered[0], ordered[-1]))
        return f"{len(ordered)} sizes, from {smallest} to {largest} (height x width)"


def describe_size(size: tuple[int, int]) -> str:
    """Return a size (height, width) in words: ``48 high, 64 wide``."""
    return f"{size[0]} high, {size[1]} wide"


def scan_folder(path: str | os.PathLike[str]) -> FolderScan:
    """Return the content of a folder of images, from the names and headers of its files.

    Raises FileError if there is no such folder, and DataError if it does not have one subfolder of images for each class or if
    no header can be read.
    """
    root = Path(path)
    if not os.path.isdir(root):
        raise FileError(f"{path}: there is no such folder" if not os.path.exists(root) else f"{path} is not a folder")
    try:
        folders = sorted(entry for entry in root.iterdir() if entry.is_dir() and not entry.name.startswith("."))
    except OSError as error:
        raise FileError(f"{path}: cannot be read: {error.strerror or error}") from None
    other = Counter[str]()
    files = {folder.name: tuple(image_files(folder, other)) for folder in folders}
    if not any(files.values()):
        direct = sum(1 for _ in image_files(root, Counter()))
        found = f"found {direct:,} images directly in it" if direct else "its subfolders contain no images"
        raise DataError(f"{path}: expected one subfolder for each class, as in cats/ and dogs/; {found}")
    sizes, coloured, broken = Counter[tuple[int, int]](), 0, dict[Path, str]()
    for file in (file for class_files in files.values() for file in class_files):
        try:
            size, has_colours = read_header(file)
        except FileError as error:
            broken[file] = _reason(file, error)
            continue
        sizes[size] += 1
        coloured += has_colours
    if not sizes:
        listed = _listed([(str(file), reason) for file, reason in broken.items()])
        raise DataError(f"{path}: none of its images can be read: {listed}")
    return FolderScan(os.fspath(path), files, sizes, coloured, other, broken)


def read_folder(
    path: str | os.PathLike[str],
    *,
    size: tuple[int, int] | None = None,
    colour: str | None = None,
    classes: Sequence[str] | None = None,
) -> Dataset:
    """Return the images in a folder with one subfolder for each class, as bytes (height, width, 1 or 3).

    Needs the extra ``images``. All images are resized to ``size`` (height, width), with their aspect ratio kept and a black
    background. Without a ``size`` all images must have the same one. ``colour`` is "grey" or "colour"; the default is "grey" if
    all images are grey. With ``classes``, the subfolders must be named after some of them; by default the classes are the names
    of the subfolders. Images are rotated according to their EXIF data, and transparent parts become white, or
    black where everything else is white.

    Files that cannot be read are left out and listed in ``origin.skipped``; if they are more than half of all, DataError is
    raised. The images may need more space than the memory has.

    Raises FileError, DataError and ConfigError.
    """
    return read_scanned(scan_folder(path), size=size, colour=colour, classes=classes)


def read_scanned(
    scan: FolderScan,
    *,
    size: tuple[int, int] | None = None,
    colour: str | None = None,
    classes: Sequence[str] | None = None,
) -> Dataset:
    """Return the images of a folder that has been scanned. See :func:`read_folder`."""
    path = scan.path
    names = tuple(name for name, files in scan.files.items() if files)
    if classes is not None:
        for name in names:
            if name not in classes:
                raise DataError(f"{path}: there is no class {name!r}: {did_you_mean(name, classes)}")
        names = tuple(classes)
    elif len(names) < 2:
        raise DataError(f"{path} has images of only one class, {names[0]}: a classifier needs at least two")
    shape = image_shape(scan, size, colour)
    labelled = [(file, names.index(name)) for name, files in scan.files.items() for file in files]
    x, kept, skipped = _decode([file for file, _ in labelled], shape, scan.broken)
    if len(skipped) > len(kept):
        raise DataError(f"{path}: {len(skipped):,} of {len(labelled):,} images cannot be read: {_listed(skipped)}")
    y = np.asarray([labelled[i][1] for i in kept], np.int64)
    counts = np.bincount(y, minlength=len(names))
    if classes is None and not counts.all():
        raise DataError(f"{path}: no image of the class {names[int(counts.argmin())]} can be read: {_listed(skipped)}")
    notes = _notes(scan, dict(zip(names, counts.tolist(), strict=True)), shape, skipped)
    return Dataset(x, y, classes=names, name=Path(path).resolve().name, origin=Origin(notes, tuple(skipped)))


def image_shape(scan: FolderScan, size: tuple[int, int] | None, colour: str | None) -> Shape:
    """Return the shape (height, width, channels) that the images are converted to.

    Raises DataError if the images have several sizes and ``size`` is None.
    """
    if colour is not None and colour not in COLOURS:
        raise ConfigError(f"colour={colour!r}: {did_you_mean(colour, COLOURS)}")
    size = scan.size if size is None else (int(size[0]), int(size[1]))
    if size is None:
        raise DataError(
            f"{scan.path}: its images have {scan.describe_sizes()}; choose the size to convert them to with size=(32, 32) "
            "(--size 32x32)"
        )
    if min(size) < 1:
        raise ConfigError(f"size={size}: height and width must be at least 1")
    return (*size, COLOURS[colour] if colour is not None else 3 if scan.coloured else 1)


def image_files(folder: Path, other: Counter[str]) -> Iterator[Path]:
    """Yield the image files in a folder and its subfolders in order, by their suffixes.

    ``other`` counts the other files by their suffix. Hidden files and links to folders are ignored.
    """
    for parent, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(files):
            if name.startswith(".") or name == "Thumbs.db":
                continue
            if Path(name).suffix.lower() in SUFFIXES:
                yield Path(parent, name)
            else:
                other[Path(name).suffix.lower() or name] += 1


def _decode(files: Sequence[Path], shape: Shape, broken: Mapping[Path, str]) -> tuple[Array, list[int], list[tuple[str, str]]]:
    """Return the images that can be read, as bytes (n, *shape); their indices; and the other files, each with the reason."""
    kept, skipped = list[int](), list[tuple[str, str]]()
    with RowFile(shape, np.uint8) as rows:
        for i, file in enumerate(files):
            try:
                if file in broken:
                    raise FileError(broken[file])
                image = read_image(file, shape, invert_light_background=False)
            except FileError as error:
                skipped.append((str(file), _reason(file, error)))
                continue
            rows.append(image[np.newaxis])
            kept.append(i)
        return rows.array() if kept else np.empty((0, *shape), np.uint8), kept, skipped


def _notes(scan: FolderScan, counts: Mapping[str, int], shape: Shape, skipped: Sequence[tuple[str, str]]) -> tuple[str, ...]:
    """Return lines of text about the images that were read and the files that were left out."""
    listed = ", ".join(f"{name} ({n:,})" for name, n in list(counts.items())[:10])
    grey, n = scan.sizes.total() - scan.coloured, sum(counts.values())
    if not scan.coloured:
        colours = "in grey"
    elif not grey:
        colours = "in colour"
    else:
        colours = f"{scan.coloured:,} in colour and {grey:,} in grey"
    lines = [
        f"images    {n:,} ({colours}; {scan.describe_sizes()}), converted to "
        f"{describe_size((shape[0], shape[1]))}, in {'grey' if shape[2] == 1 else 'colour'}",
        f"classes   {len(counts)}: {listed}{', …' if len(counts) > 10 else ''}",
    ]
    if skipped:
        lines.append(f"broken    {len(skipped):,} images cannot be read and are left out:")
        lines += [f"          {file}: {reason}" for file, reason in skipped[:_LISTED]]
        if len(skipped) > _LISTED:
            lines.append(f"          and {len(skipped) - _LISTED:,} more")
    empty = [name for name, files in scan.files.items() if not files]
    if empty:
        lines.append(f"left out  folders without images: {', '.join(empty[:10])}{', …' if len(empty) > 10 else ''}")
    if scan.other:
        kinds = ", ".join(f"{suffix} ({n:,})" for suffix, n in scan.other.most_common(5))
        lines.append(f"left out  {scan.other.total():,} files that are not images: {kinds}")
    return tuple(lines)


def _listed(skipped: Sequence[tuple[str, str]]) -> str:
    """Return the first unreadable files with their reasons, and the number of the others."""
    more = f"; and {len(skipped) - _LISTED:,} more" if len(skipped) > _LISTED else ""
    return "; ".join(f"{file}: {reason}" for file, reason in skipped[:_LISTED]) + more


def _reason(path: Path, error: FileError) -> str:
    """Return the error message without the path at its start."""
    return str(error).removeprefix(f"{path}: ")
