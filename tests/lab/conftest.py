"""MNIST and a text for the tests of the lab, without a network."""

from __future__ import annotations

import numpy as np
import pytest

import pellucid.lab.experiment
from pellucid import DataError
from pellucid.data.sources.mnist import mnist_5k
from pellucid.data.text import split_windows
from pellucid.lab import Results


@pytest.fixture(scope="session")
def digits():
    """The 5,000 digits that need no network, read once: to parse their file takes a tenth of a second."""
    return mnist_5k(0, DataError("no network in tests"))


@pytest.fixture(autouse=True)
def small_mnist(monkeypatch, digits):
    """Replace MNIST by the 5,000 digits that need no network."""
    monkeypatch.setattr(pellucid.lab.experiment, "whole_mnist", lambda data_dir: digits)


@pytest.fixture(scope="session")
def small_text():
    """30,000 characters in which words follow each other at random."""
    chosen = np.random.default_rng(0).choice(
        ["the", "king", "and", "queen", "of", "all", "men", "will", "come", "to", "see", "his", "house", "again\n"], 8000
    )
    return split_windows(" ".join(chosen)[:30_000], 1, name="small-text")


@pytest.fixture(autouse=True)
def small_plays(request, monkeypatch, small_text):
    """Replace tinyshakespeare by a small text, except in campaigns, which measure in this process what must run alone."""
    if request.node.get_closest_marker("long") is None:
        monkeypatch.setattr(pellucid.lab.experiment, "whole_plays", lambda data_dir: small_text)


@pytest.fixture(scope="session")
def tiny_results(tmp_path_factory):
    """A folder for the tiny results of all experiments."""
    return Results(tmp_path_factory.mktemp("lab"))
