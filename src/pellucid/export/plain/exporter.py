"""The files of a network in C."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from pathlib import Path

from pellucid.core.files import utf8, write_together
from pellucid.errors import FileError
from pellucid.export.plain.c_program import SIGNATURE, c_program
from pellucid.export.plain.calls import PlainEmitter
from pellucid.export.plain.int8 import Int8
from pellucid.export.trained_network import TrainedNetwork


def to_c(
    folder: str | Path,
    trained: TrainedNetwork,
    layers: Mapping[type, PlainEmitter] | None = None,
    int8: Int8 | None = None,
) -> None:
    """Write network.h, network.c, main.c and a Makefile into a folder, which is created if it does not exist.

    ``layers`` maps your own layer classes to emitters, see :mod:`pellucid.export.plain.calls`. With ``int8``, dense layers and
    convolutions have weights of 8 bits. An earlier export in the folder is replaced, but no other file. After an error or an
    interruption the folder has all new files, or is as it was.

    Raises ConfigError for a layer class without an emitter, and FileError if a file cannot be written or replaced.
    """
    files = c_program(trained, layers, int8)
    folder = Path(folder)
    for name in files:
        _check_replaceable(folder / name)
    write_together({folder / name: utf8(text) for name, text in files.items()})


def _check_replaceable(path: Path) -> None:
    """Raise FileError if the file exists and is not part of an earlier export."""
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            exported = any(SIGNATURE in line for line in itertools.islice(file, 1))
    except FileNotFoundError:
        return
    except OSError as error:
        raise FileError(f"cannot read {path}: {error.strerror or error}") from error
    if not exported:
        raise FileError(f"{path} exists and was not written by export_c: choose another folder")
