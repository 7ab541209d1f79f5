"""The files of a program: its source text, and its weights in an .npz file."""

from __future__ import annotations

import io
import itertools
import keyword
import os
import sys
import zipfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from pellucid.core.files import utf8, write_together
from pellucid.core.memory import Array
from pellucid.errors import ConfigError, FileError
from pellucid.export.numpy_program.program import SIGNATURE, Functions, generate_program
from pellucid.export.trained_network import TrainedNetwork


def to_numpy(path: str | Path, trained: TrainedNetwork, layers: Functions | None = None) -> None:
    """Write a program that computes predictions, such as ``digits.py``, and its weights, ``digits.npz``.

    ``layers`` maps your own layer classes to functions of NumPy arrays: ``def scale(x, s): return x * s`` for a layer with
    the slot ``s``. An earlier export of the same name is replaced; any other file is not.

    Raises ConfigError for a name that Python cannot import and for a layer class without a function, and FileError if a file
    cannot be written or replaced.
    """
    path = Path(path)
    _check_name(path)
    weights = path.with_suffix(".npz")
    text, arrays = generate_program(trained, path.stem, layers)
    _check_replaceable(path, weights)
    write_together({weights: npz_bytes(arrays), path: utf8(text)})


def npz_bytes(arrays: Mapping[str, Array]) -> bytes:
    """Return the arrays as the content of an .npz file. Equal arrays give equal bytes: all time stamps are constant."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as file:
        for name, array in arrays.items():
            npy = io.BytesIO()
            np.lib.format.write_array(npy, np.ascontiguousarray(array), allow_pickle=False)
            file.writestr(zipfile.ZipInfo(f"{name}.npy"), npy.getvalue())
    return content.getvalue()


def _check_name(path: Path) -> None:
    """Raise ConfigError unless Python can import a module of that name without hiding another one."""
    name = path.stem
    if path.suffix != ".py" or not name.isidentifier() or keyword.iskeyword(name):
        raise ConfigError(
            f"{path}: Python cannot import a program of this name; use letters, digits and _, then .py, as in digits.py"
        )
    if name in sys.stdlib_module_names or name == "numpy":
        raise ConfigError(f"{path}: a program named {name}.py would hide the module {name}; use another name")


def _check_replaceable(path: Path, weights: Path) -> None:
    """Raise FileError if one of the files exists and is not part of an earlier export."""
    if os.path.exists(path):
        try:
            with open(path, encoding="utf-8", errors="replace") as file:
                exported = any(line.startswith(SIGNATURE) for line in itertools.islice(file, 60))
        except OSError as error:
            raise FileError(f"cannot read {path}: {error.strerror or error}") from error
        if not exported:
            raise FileError(f"{path} exists and was not written by export_numpy: choose another name")
    elif os.path.exists(weights):
        raise FileError(f"{weights} exists, but there is no program {path.name}: choose another name, or delete the file")
