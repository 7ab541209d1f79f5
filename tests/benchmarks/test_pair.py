"""The command that makes the networks of the drawing mode: a shortened form of it, twice."""

from __future__ import annotations

import hashlib
import json

import pytest

from benchmarks import pair
from pellucid import Model
from pellucid.data.drawings.strokes import CLASSES
from pellucid.data.sources import drawings

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")


@pytest.fixture
def make(mnist_folder, tmp_path, monkeypatch, capsys):
    """A function that makes the pair in a new folder from little data, and returns that folder."""
    for name, size in (("SIZES", {"train": 30, "validation": 10, "test": 10}), ("STYLED", 60), ("VARIED", 30)):
        monkeypatch.setattr(drawings, name, size)

    def made(name, *arguments):
        words = ["pair", "--data-dir", str(mnist_folder), "--epochs", "1", "--no-scores"]
        out = ["--runs", str(tmp_path / name / "runs"), "--out", str(tmp_path / name / "pair")]
        monkeypatch.setattr("sys.argv", [*words, *out, *arguments])
        pair.main()
        return tmp_path / name / "pair"

    return made


@pytest.mark.long
def test_the_same_command_makes_the_same_bytes(make, mnist_folder):
    first, second = make("first"), make("second")
    names = ["draw-cnn.pellucid", "draw-mlp.pellucid", "pair.json", "replay.npz"]
    assert sorted(path.name for path in first.iterdir()) == names
    for path in [*first.glob("*.pellucid"), first / "replay.npz"]:
        assert path.read_bytes() == (second / path.name).read_bytes()
    assert str(mnist_folder) not in (first / "pair.json").read_text(), "the card goes to other machines"
    card = json.loads((first / "pair.json").read_text())
    for name, entry in card["networks"].items():
        content = (first / f"{name}.pellucid").read_bytes()
        assert (entry["sha256"], entry["bytes"]) == (hashlib.sha256(content).hexdigest(), len(content))
        assert entry["train"] == f"pellucid train drawings --model {name} --seed 0"
        model = Model.load(first / entry["file"])
        assert model.classes == CLASSES
        trained = Model.load(first.parent / "runs" / name / "model.pellucid")
        lowered = {path: (trained.weights[path] - model.weights[path]).round(2) for path in model.weights if path[-2:] == ".b"}
        assert lowered.popitem()[1].tolist() == [0] * 10 + [pair.LOWERED[name]]
        assert not any(difference.any() for difference in lowered.values())
    other = make("other", "--limit", "300")
    assert (other / "draw-mlp.pellucid").read_bytes() != (first / "draw-mlp.pellucid").read_bytes()
