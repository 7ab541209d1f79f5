"""Texts by name: tinyshakespeare and names, from the public repositories of A. Karpathy.

A file is looked for in the folder that the user names, ``data_dir`` or else the environment variable PELLUCID_DATA, in a folder
``text`` in it or beside it, and in the cache; otherwise it is downloaded. Its SHA-256 must be that of the published file.
Without a network, the documentation of this package serves as the text, and a message says so.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pellucid.core import launcher
from pellucid.core.files import open_regular
from pellucid.data.dataset import Splits
from pellucid.data.sources.documentation import documentation, words
from pellucid.data.sources.folders import cache_folder, named_folder
from pellucid.data.text.choosing import Choice
from pellucid.data.text.lines import split_lines
from pellucid.data.text.running_text import CONTEXT, split_windows
from pellucid.errors import DataError, FileError


@dataclass(frozen=True)
class TextSource:
    """A published text: its name, its file, its digest, where it is downloaded from, and the sizes of its parts."""

    name: str
    file: str
    digest: str
    url: str
    sizes: dict[str, int]


TINYSHAKESPEARE = TextSource(
    "tinyshakespeare",
    "tinyshakespeare.txt",
    "86c4e6aa9db7c042ec79f339dcb96d42b0075e16b8fc2e86bf0ca57e2dc565ed",
    "https://raw.githubusercontent.com/karpathy/char-rnn/master/data/tinyshakespeare/input.txt",
    {"train": 14_814, "validation": 1_743, "test": 872},
)
NAMES = TextSource(
    "names",
    "names.txt",
    "0a30b5557f192f32ab962680889aac5f6fda0f4cecf40a6d0b5694f58ea8cc4d",
    "https://raw.githubusercontent.com/karpathy/makemore/master/names.txt",
    {"train": 30_033, "validation": 1_000, "test": 1_000},
)
PUBLISHED = {source.name: source for source in (TINYSHAKESPEARE, NAMES)}


def tinyshakespeare(
    data_dir: str | os.PathLike[str] | None = None,
    split_seed: int = 0,
    *,
    context: int = CONTEXT,
    tokenizer: Choice = None,
) -> Splits:
    """Return 1,115,394 characters of plays by Shakespeare (Karpathy, 2015) as windows of ``context`` tokens.

    The text is split by place: 85, 5 and 10 % for training, test and validation, in this order, so ``split_seed`` has no
    effect. The validation part is that of nanoGPT. The ``tokenizer`` is by default one of the characters.

    Raises FileError for a file that is not the published one, and DataError for a ``data_dir`` without the file.
    """
    text, name, source = _text_or(TINYSHAKESPEARE, data_dir)
    if text is None:
        text = documentation()
    return split_windows(text, context, tokenizer=tokenizer, name=name, source=source)


def names(
    data_dir: str | os.PathLike[str] | None = None,
    split_seed: int = 0,
    *,
    context: int | None = None,
    tokenizer: Choice = None,
) -> Splits:
    """Return 32,033 first names (Karpathy, 2022), each a sample: 30,033 / 1,000 / 1,000.

    The names are shuffled with one fixed seed before the test set is taken, as in makemore, which has the same number of them
    in it; ``split_seed`` decides about the validation set. ``context`` is the length of the samples, by default
    that of the longest name with the end of a line. Raises the errors of :func:`tinyshakespeare`.
    """
    text, name, source = _text_or(NAMES, data_dir)
    lines = words() if text is None else text.split()
    return split_lines(lines, tokenizer=tokenizer, split_seed=split_seed, context=context, name=name, source=source)


def fetch(source: TextSource) -> Path:
    """Return the file in the cache, downloaded and verified. Raises DataError if it is not delivered."""
    path = cache_folder(source.name) / source.file
    with contextlib.suppress(FileError):
        read_verified(source, path)
        return path
    from pellucid.data.sources import download

    download.fetch([source.url], path, lambda arrived: _check(source, arrived))
    return path


def find_file(source: TextSource, data_dir: str | os.PathLike[str] | None) -> tuple[Path, str] | None:
    """Return the path of the file and its source, the folder or "download"; or None if the file is not on this machine.

    Raises DataError if ``data_dir`` is given and the file is not there.
    """
    named = named_folder(data_dir)
    if named is not None:
        for folder in (named.path / "text", named.path / source.name, named.path, named.path.parent / "text"):
            if (folder / source.file).is_file():
                return folder / source.file, str(folder)
        if data_dir is not None:
            raise DataError(f"data_dir={data_dir}: no {source.file} in it, or in a folder text in it or beside it")
    cached = cache_folder(source.name) / source.file
    return (cached, "download") if cached.is_file() else None


def status(source: TextSource) -> dict[str, Any]:
    """Return the state of the data set on this machine: see :func:`pellucid.data.sources.registry.status`."""
    folder, text = "not downloaded", "missing"
    try:
        found = find_file(source, None)
        if found is not None:
            folder, text = str(found[0].parent), "ok"
            read_verified(source, found[0])
    except (DataError, FileError) as error:
        text = str(error)
    return {
        "name": source.name,
        "where": folder,
        "sizes": source.sizes,
        "files": {source.file: text},
        "ok": text == "ok",
    }


def read_verified(source: TextSource, path: Path) -> str:
    """Return the published text in a file. Raises FileError for any other file."""
    with open_regular(path) as file:
        content = file.read()
    digest = hashlib.sha256(content).hexdigest()
    if digest != source.digest:
        raise FileError(f"{path}: is not the published {source.file}: expected SHA-256 {source.digest}, got {digest}")
    return content.decode("ascii")


def _check(source: TextSource, path: Path) -> None:
    read_verified(source, path)


def _text_or(source: TextSource, data_dir: str | os.PathLike[str] | None) -> tuple[str | None, str, str]:
    """Return the text, or None if the documentation replaces it; the name of the data set, and where it comes from."""
    found = find_file(source, data_dir)
    if found is None:
        try:
            found = fetch(source), "download"
        except DataError:  # it is not delivered
            serves = "the words of the documentation" if source is NAMES else "the documentation"
            if sys.stderr is not None and launcher.is_first():
                print(
                    f"{source.name} could not be downloaded: {serves} of this package serve{'' if source is NAMES else 's'} as "
                    f"the text; results are not comparable with those on {source.name}",
                    file=sys.stderr,
                )
            return None, f"{source.name}-offline", f"{serves} of this package"
    return read_verified(source, found[0]), source.name, found[1]
