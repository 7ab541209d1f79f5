"""Text from files: one file, or all text files in a folder, in UTF-8 or another encoding."""

from __future__ import annotations

import codecs
import dataclasses
import os
from collections.abc import Iterator
from pathlib import Path

from pellucid.core.files import open_regular
from pellucid.core.habits import explain_arguments
from pellucid.data.dataset import Dataset, Origin, Splits
from pellucid.data.text.choosing import Choice
from pellucid.data.text.lines import line_samples, split_lines
from pellucid.data.text.running_text import CONTEXT, TEST, VALIDATION, split_windows, windows
from pellucid.data.text.stage import Tokens
from pellucid.errors import ConfigError, DataError, FileError, did_you_mean

SUFFIXES = (".txt", ".text", ".md", ".rst", ".tex")  # of the text files in a folder
ENCODING = Tokens.encoding  # of a file, if none is given
_MARKS = {codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16", codecs.BOM_UTF8: ""}


@explain_arguments
def read_text(
    path: str | os.PathLike[str],
    context: int = CONTEXT,
    *,
    tokenizer: Choice = None,
    validation: float = VALIDATION,
    test: float = TEST,
    encoding: str = ENCODING,
) -> Splits:
    """Return the text in a file, or in the text files of a folder, as windows of ``context`` tokens, split by place.

    The files of a folder (.txt, .text, .md, .rst, .tex, in its subfolders too) are joined in the order of their paths, with an
    empty line between two. The ends of lines are ``\\n``. The split and the other arguments are those of
    :func:`~pellucid.data.text.running_text.split_windows`.

    Raises FileError for a file that cannot be read or is not a text in this encoding, DataError for an empty or a short one.
    """
    content = file_text(path, encoding)
    source = os.fspath(path)
    splits = split_windows(
        content, context, tokenizer=tokenizer, validation=validation, test=test, name=_stem(path), source=source
    )
    return _with_encoding(splits, encoding)


@explain_arguments
def read_lines(
    path: str | os.PathLike[str],
    *,
    tokenizer: Choice = None,
    split_seed: int = 0,
    context: int | None = None,
    encoding: str = ENCODING,
) -> Splits:
    """Return the lines of a text as samples, one for each line that is not empty.

    The split and the other arguments are those of :func:`~pellucid.data.text.lines.split_lines`; the files and errors are
    those of :func:`read_text`.
    """
    content = file_text(path, encoding)
    lines = [line for line in content.split("\n") if line]
    splits = split_lines(
        lines, tokenizer=tokenizer, split_seed=split_seed, context=context, name=_stem(path), source=os.fspath(path)
    )
    return _with_encoding(splits, encoding)


def _with_encoding(splits: Splits, encoding: str) -> Splits:
    """Return the splits, whose input stage keeps the encoding of their files for models."""
    for data in (splits.train, splits.validation, splits.test):
        assert data.origin is not None
        assert data.origin.tokens is not None
        data.origin = dataclasses.replace(data.origin, tokens=dataclasses.replace(data.origin.tokens, encoding=encoding))
    return splits


def read_for(path: str | os.PathLike[str], stage: Tokens, context: int, encoding: str | None = None) -> Dataset:
    """Return a text as samples for a model with this input stage and context, with targets: windows, or lines.

    The encoding is by default that of the files of the training.
    """
    return samples_for(file_text(path, encoding or stage.encoding), stage, context, _stem(path))


def samples_for(content: str, stage: Tokens, context: int, name: str = "text") -> Dataset:
    """Return a text as samples for a model with this input stage and context, with targets: windows, or lines."""
    if stage.separator is not None:
        return line_samples([line for line in content.split("\n") if line], stage=stage, context=context, name=name)
    data = windows(content, context, tokenizer=stage.tokenizer, name=name)
    data.origin = Origin(tokens=stage)
    return data


def file_text(path: str | os.PathLike[str], encoding: str = ENCODING) -> str:
    """Return the text in a file, or in the text files of a folder. See :func:`read_text`."""
    try:
        codecs.lookup(encoding)
    except LookupError:
        known = ("utf-8", "utf-16", "latin-1", "cp1252", "utf-32")
        raise ConfigError(f"encoding={encoding!r}: {did_you_mean(encoding, known)}") from None
    if not os.path.isdir(path):
        text = _decoded(path, encoding)
        if not text:
            raise DataError(f"{path} is empty")
        return text
    files = list(text_files(path))
    if not files:
        raise DataError(f"{path}: there are no text files ({', '.join(SUFFIXES)}) in this folder")
    texts = [text for file in files if (text := _decoded(file, encoding))]
    if not texts:
        raise DataError(f"{path}: all of its {len(files)} text files are empty")
    return "\n\n".join(text.removesuffix("\n") for text in texts) + "\n"


def text_files(folder: str | os.PathLike[str]) -> Iterator[Path]:
    """Yield the text files in a folder and its subfolders, in the order of their paths. Hidden ones are left out."""
    for place, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(names):
            if not name.startswith(".") and os.path.splitext(name)[1].lower() in SUFFIXES:
                yield Path(place, name)


def is_text_file(path: str | os.PathLike[str]) -> bool:
    """Return whether the name of a path is that of a text file."""
    return os.path.splitext(os.fspath(path))[1].lower() in SUFFIXES


def _decoded(path: str | os.PathLike[str], encoding: str) -> str:
    with open_regular(path) as file:
        content = file.read()
    for mark, better in _MARKS.items():
        if content.startswith(mark) and codecs.lookup(encoding).name == "utf-8":
            if better:
                raise FileError(f"{path}: the text is in UTF-16, not in UTF-8: give encoding='utf-16' (--encoding utf-16)")
            content = content[len(mark) :]
    try:
        text = content.decode(encoding)
    except UnicodeDecodeError as error:
        kind = "binary data" if b"\0" in content[:4096] else f"not a text in {encoding}"
        raise FileError(
            f"{path}: {kind} ({error.reason} at byte {error.start:,}): give a text in UTF-8, or its encoding, such as "
            "encoding='latin-1' (--encoding latin-1)"
        ) from None
    except (UnicodeError, LookupError) as error:  # a text encoding without a place, or one that is not for text
        raise FileError(f"{path}: cannot be read in the encoding {encoding}: {error}") from None
    if "\0" in text:
        raise FileError(f"{path}: binary data, with a zero at character {text.index(chr(0)):,}: give a file with text")
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _stem(path: str | os.PathLike[str]) -> str:
    return Path(os.path.abspath(path)).stem
