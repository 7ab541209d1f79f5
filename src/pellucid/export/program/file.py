"""The files of a program: its text, and the weights beside it."""

from __future__ import annotations

import io
import itertools
import keyword
import sys
import zipfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from pellucid.core.files import write_atomically, write_text
from pellucid.core.memory import Array
from pellucid.errors import ConfigError, FileError
from pellucid.export.program.text import MARK, Functions, program
from pellucid.export.trained import Trained


def to_numpy(path: str | Path, trained: Trained, layers: Functions | None = None) -> None:
    """Writes what predicts as a program, ``digits.py``, and its weights, ``digits.npz``. ``layers`` are functions of NumPy
    arrays for classes that Pellucid has none for: ``def scale(x, s): return x * s`` for a layer with the slot ``s``.

    An earlier export is replaced; any other file of that name is not. Raises ConfigError for a name that Python cannot
    import and for a layer without a function, FileError.
    """
    path = Path(path)
    _check_name(path)
    weights = path.with_suffix(".npz")
    text, arrays = program(trained, path.stem, layers)
    _refuse_others(path, weights)
    write_atomically(weights, [npz(arrays)])
    write_text(path, text)


def npz(arrays: Mapping[str, Array]) -> bytes:
    """The arrays as NumPy's .npz, the same bytes at any time."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as file:
        for name, array in arrays.items():
            one = io.BytesIO()
            np.lib.format.write_array(one, np.ascontiguousarray(array), allow_pickle=False)
            file.writestr(zipfile.ZipInfo(f"{name}.npy"), one.getvalue())
    return content.getvalue()


def _check_name(path: Path) -> None:
    name = path.stem
    if path.suffix != ".py" or not name.isidentifier() or keyword.iskeyword(name):
        raise ConfigError(
            f"{path}: a program is a file that Python can import: letters, digits and _, then .py, as in digits.py"
        )
    if name in sys.stdlib_module_names or name == "numpy":
        raise ConfigError(f"{path}: a program called {name}.py would stand in the way of Python's or NumPy's own {name}")


def _refuse_others(path: Path, weights: Path) -> None:
    """Replaces nothing but earlier exports."""
    if path.exists():
        try:
            with open(path, encoding="utf-8", errors="replace") as file:
                is_own = any(line.startswith(MARK) for line in itertools.islice(file, 60))
        except OSError as error:
            raise FileError(f"cannot read {path}: {error.strerror or error}") from error
        if not is_own:
            raise FileError(f"{path} is there, and no program that export_numpy wrote: choose another name")
    elif weights.exists():
        raise FileError(f"{weights} is there, without a program of that name: choose another name, or take it away")
