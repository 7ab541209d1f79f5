"""A published MNIST of a few hundred images. Processes that tests start read this file: it imports no more than they need."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path

import numpy as np

from pellucid.data import write_idx
from pellucid.data.sources import mnist as mnist_module, mnist_files, registry


def blocks(n: int, size: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return images (n, size, size, 1) of bytes and labels 0 … 9: dim noise and a bright block, placed by class."""
    random = np.random.default_rng(seed)
    y = random.permutation(np.arange(n) % 10)
    x = random.integers(0, 60, (n, size, size, 1), np.uint8)
    side = size // 7
    for image, label in zip(x, y, strict=True):
        row, column = (1 + 3 * (label // 5)) * side, (1 + label % 5) * side
        image[row : row + side, column : column + side] = 255
    return x, y


def publish(folder: Path, replace: Callable[[object, str, object], None] = setattr) -> None:
    """Make the four files in ``folder`` the published MNIST. They are written first if the folder is empty."""
    folder.mkdir(exist_ok=True)
    if not any(folder.iterdir()):
        for part, n in (("train", 450), ("t10k", 100)):
            x, y = blocks(n, 28, seed=n)
            write_idx(folder / f"{part}-images-idx3-ubyte", x[..., 0])
            write_idx(folder / f"{part}-labels-idx1-ubyte", y.astype(np.uint8))
    digests = tuple(mnist_files.content_digest(mnist_files.read_idx(folder / file)) for file in mnist_files.FILES)
    small = dataclasses.replace(mnist_files.MNIST, digests=digests, train=450, validation=50, test=100)
    for module in (mnist_files, mnist_module, registry):
        replace(module, "MNIST", small)
