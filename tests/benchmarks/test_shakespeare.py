"""The command that makes the language model of the page: a shortened form of it, twice."""

from __future__ import annotations

import hashlib
import json

import pytest

from benchmarks import shakespeare
from pellucid import Model
from pellucid.runs.language_models import GPT


@pytest.fixture
def make(tmp_path, monkeypatch):
    """A function that makes a small network in a new folder, in few steps, and returns that folder."""
    monkeypatch.setattr(shakespeare, "NETWORK", GPT(blocks=1, heads=2, width=8))
    text = tmp_path / "tinyshakespeare.txt"
    text.write_text("First Citizen:\nBefore we proceed any further, hear me speak.\n\n" * 200)
    monkeypatch.setattr(shakespeare.registry, "load", lambda name, folder: loaded(text))

    def made(name, *arguments):
        words = ["--epochs", "1", "--steps-per-epoch", "3", "--batch-size", "4", "--out", str(tmp_path / name)]
        monkeypatch.setattr("sys.argv", ["shakespeare", "--data-dir", str(tmp_path), *words, *arguments])
        shakespeare.main()
        return tmp_path / name

    return made


def loaded(text):
    from pellucid.data import read_text

    return read_text(text, context=16)


def test_the_same_command_makes_the_same_bytes(make, tmp_path):
    first, second = make("first"), make("second")
    assert sorted(path.name for path in first.iterdir()) == ["shakespeare.json", "shakespeare.pellucid"]
    for path in first.iterdir():
        assert path.read_bytes() == (second / path.name).read_bytes()
    assert str(tmp_path) not in (first / "shakespeare.json").read_text(), "the card goes to other machines"
    card, content = json.loads((first / "shakespeare.json").read_text()), (first / "shakespeare.pellucid").read_bytes()
    assert (card["sha256"], card["bytes"]) == (hashlib.sha256(content).hexdigest(), len(content))
    assert card["metrics"]["validation"]["loss"] < 3.3
    assert "test" not in card["metrics"]
    model = Model.load(first / card["file"])
    assert (model.parameter_count, len(model.tokenizer)) == (card["metrics"]["parameters"], 27)
    other = make("other", "--steps-per-epoch", "4", "--test")
    assert (other / "shakespeare.pellucid").read_bytes() != content
    assert "test" in json.loads((other / "shakespeare.json").read_text())["metrics"]
