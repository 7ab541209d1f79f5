"""Data sets by name: loading them, downloading them, and their state on this machine."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pellucid.data.dataset import Splits
from pellucid.data.drawings import pen_digits
from pellucid.data.sources import mnist, texts, user_data
from pellucid.data.sources.drawings import SIZES, drawings
from pellucid.data.sources.mnist_files import FASHION, MNIST
from pellucid.data.sources.scenes import SIZES as SCENES, mnist_scenes
from pellucid.data.sources.user_data import ReadOptions
from pellucid.data.text.running_text import CONTEXT
from pellucid.data.text.tokenizer import Tokenizer
from pellucid.errors import ConfigError, DataError, FileError, did_you_mean

SOURCES: dict[str, Callable[..., Splits]] = {
    "mnist": mnist.mnist,
    "fashion-mnist": mnist.fashion_mnist,
    "pendigits": pen_digits.pendigits,
    "drawings": drawings,
    "mnist-scenes": mnist_scenes,
    "tinyshakespeare": texts.tinyshakespeare,
    "names": texts.names,
}
CLASS_MAPS = ("mnist-scenes",)  # data sets with a class for each pixel
TEXTS = {"tinyshakespeare": ("context", "tokens"), "names": ("tokens",)}  # with the options with which they are read


def load(
    name: str,
    data_dir: str | os.PathLike[str] | None = None,
    split_seed: int = 0,
    reading: ReadOptions | None = None,
    *,
    tokenizer: Tokenizer | None = None,
    context: int | None = None,
) -> Splits:
    """Return a data set by its name, or user data by its path.

    A path is that of a table, of a folder of images, or of a text file or a folder of them. The data is read with the options
    ``reading``, and split by the seed into 80, 10 and 10 % unless the folder is split already; text is split by place. For
    text, the ``tokenizer`` and the ``context`` of a model take the place of those of the options.

    Raises ConfigError for an unknown name, and otherwise the errors of ``mnist`` and of ``user_data.read_splits``.
    """
    given = ReadOptions() if reading is None else reading
    if name in TEXTS:
        return _load_text(name, data_dir, split_seed, given, tokenizer, context)
    if name in SOURCES:
        given.check_options((), f"{name}: only for user data")
        return SOURCES[name](data_dir, split_seed)
    _check_is_path(name)
    if tokenizer is not None and user_data.kind_of(name, reading) == "text":
        return user_data.read_text_splits(name, given, split_seed, tokenizer, context)
    return user_data.read_splits(name, given, split_seed)


def _load_text(
    name: str,
    data_dir: str | os.PathLike[str] | None,
    split_seed: int,
    reading: ReadOptions,
    tokenizer: Tokenizer | None,
    context: int | None,
) -> Splits:
    reading.check_options(TEXTS[name], name)
    choice = reading.tokens if tokenizer is None else tokenizer
    if name == "names":
        return texts.names(data_dir, split_seed, context=context, tokenizer=choice)
    if split_seed:
        raise ConfigError(f"--split-seed does not apply to {name}, which is split by place")
    return texts.tinyshakespeare(data_dir, context=context or reading.context or CONTEXT, tokenizer=choice)


def reads_windows(name: str, reading: ReadOptions | None = None) -> bool:
    """Return whether the data set, or the user data at a path, is a text that is read in windows.

    Raises ConfigError and FileError for data that there is not.
    """
    if name in SOURCES:
        return name in TEXTS and "context" in TEXTS[name]
    _check_is_path(name)
    return user_data.reads_windows(name, reading)


def checked_name(name: str, reading: ReadOptions | None = None) -> str:
    """Return ``name`` if it is that of a data set or the path of user data, which is read with the options ``reading``.

    Raises ConfigError and FileError.
    """
    if name not in SOURCES:
        _check_is_path(name)
        user_data.kind_of(name, reading)
    return name


def _check_is_path(name: str) -> None:
    """Raise ConfigError for a single word that is no file: it was meant as the name of a data set."""
    path = Path(name)
    if not os.path.exists(path) and len(path.parts) == 1 and not path.suffix:
        raise ConfigError(f"there is no data set {name!r}: {did_you_mean(name, SOURCES)} (or give a path)")


def fetch(name: str) -> Path:
    """Return the cache folder with all files of a data set, after downloading those that are missing or damaged.

    Raises ConfigError for an unknown name, DataError if no mirror delivers a file, and FileError if a file cannot be written.
    """
    if name not in SOURCES:
        raise ConfigError(f"there is no data set {name!r}: {did_you_mean(name, SOURCES)}")
    if name == "mnist-scenes":
        return fetch("mnist")
    if name == "drawings":
        fetch("mnist")
        return fetch("pendigits")
    if name == "pendigits":
        return pen_digits.fetch().parent
    if name in texts.PUBLISHED:
        return texts.fetch(texts.PUBLISHED[name]).parent
    return mnist.fetch(MNIST if name == "mnist" else FASHION)


def status() -> list[dict[str, Any]]:
    """Return the state of each data set on this machine, in the order of SOURCES.

    The keys are ``name``; ``where``, the folder or the reason why there is none; ``sizes``, the number of samples in each set;
    ``files``, which maps each file to "ok" or to what is wrong with it; and ``ok``, whether all files are. Every file is read
    and verified, which takes about a second. Nothing is downloaded, and no errors are raised.
    """
    scans, pen_digits = mnist.status(MNIST), _pen_digits_status()
    drawn = {part: size + scans["sizes"][part] + pen_digits["sizes"][part] for part, size in SIZES.items()}
    return [
        scans,
        mnist.status(FASHION),
        pen_digits,
        _made_from("drawings", drawn, scans, pen_digits),
        _made_from("mnist-scenes", dict(SCENES), scans),
        *(texts.status(source) for source in texts.PUBLISHED.values()),
    ]


def _made_from(name: str, sizes: dict[str, int], *sources: dict[str, Any]) -> dict[str, Any]:
    """Return the state of a data set that is made from the sources with these states."""
    missing = [source["name"] for source in sources if not source["ok"]]
    where = f"needs {' and '.join(missing)}" if missing else f"made from {' and '.join(source['name'] for source in sources)}"
    files = {file: text for source in sources for file, text in source["files"].items()}
    return {"name": name, "where": where, "sizes": sizes, "files": files, "ok": not missing}


def _pen_digits_status() -> dict[str, Any]:
    folder, text = "not downloaded", "missing"
    try:
        found = pen_digits.find_file(None)
        if found is not None:
            folder, text = str(found[0].parent), "ok"
            pen_digits.read_verified(found[0])
    except (DataError, FileError) as error:
        text = str(error)
    files = {pen_digits.FILE: text}
    return {"name": "pendigits", "where": folder, "sizes": pen_digits.SIZES, "files": files, "ok": text == "ok"}
