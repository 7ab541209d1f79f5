"""Runs with a class for each pixel: the data set mnist-scenes and the preset unet-small."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest

from pellucid import ConfigError, Dense, Sequential, Softmax
from pellucid.data import Dataset
from pellucid.data.sources import scenes
from pellucid.runs import presets, run as run_module
from pellucid.runs.folder import open_run
from pellucid.runs.plan import RunPlan, RunSettings
from pellucid.runs.run import run
from pellucid.runs.task import Task
from tests.cli.test_cli import cli

CLASSES = ("ground", "1", "2", "3", "4", "5", "6", "7", "8")


def train(out, **settings):
    plan = RunPlan.of(RunSettings(**{"data": "mnist-scenes", "model": "unet-small", "epochs": 1, "batch_size": 6} | settings))
    return run(plan, out, notify=lambda line: None, progress=False)


@pytest.fixture
def few_scenes(mnist_folder, monkeypatch):
    for part, size in (("train", 12), ("validation", 4), ("test", 5)):
        monkeypatch.setitem(scenes.SIZES, part, size)


@pytest.fixture
def by_brightness(monkeypatch):
    """The preset with a network that only looks at the brightness of a pixel."""
    recipe = dataclasses.replace(presets.preset("unet-small"), network=lambda k: Sequential(Dense(k), Softmax()))
    monkeypatch.setitem(presets.PRESETS, "unet-small", recipe)


def test_the_commands(tmp_path, few_scenes, by_brightness, monkeypatch):
    out, _ = cli("train", "mnist-scenes", "--epochs", "1", "--batch-size", "6", "--out", tmp_path / "run")
    for text in ("model     unet-small: ", "mean IoU 0.", "precision   recall       IoU"):
        assert text in out
    assert "95 % interval" not in out
    metrics = json.loads((tmp_path / "run" / "metrics.json").read_text())
    assert metrics["data"]["name"] == "mnist-scenes"
    assert set(metrics["validation"]) == {"loss", "accuracy", "iou_macro"}
    assert len(metrics["test"]["iou"]) == 9
    known = [one for one in metrics["test"]["iou"] if one is not None]
    assert metrics["test"]["iou_macro"] == pytest.approx(np.mean(known))
    for figure in ("learning_curves", "segmentations"):
        assert (tmp_path / "run" / f"{figure}.png").stat().st_size > 1000
    assert not (tmp_path / "run" / "confusion_matrix.png").exists()
    monkeypatch.setattr(run_module, "_save_figures", lambda *_: None)
    train(tmp_path / "again")
    one, other = ((tmp_path / name / "model.pellucid").read_bytes() for name in ("run", "again"))
    assert one == other
    train(tmp_path / "more", from_run=str(tmp_path / "run"))
    with pytest.raises(OSError, match="is not empty"):
        train(tmp_path / "run")
    model, _ = open_run(tmp_path / "run")
    assert (model.output_shape, model.classes) == ((40, 40, 9), CLASSES)
    out, _ = cli("evaluate", tmp_path / "run")
    assert "mean IoU 0." in out
    assert "95 % interval" not in out
    values = json.loads(cli("evaluate", tmp_path / "run", "--json")[0])
    assert values["iou"] == metrics["test"]["iou"]
    _, err = cli("predict", tmp_path / "run", "x.png", code=2)
    assert "9 numbers at each of (40, 40) positions" in err


def test_show(tmp_path, few_scenes):
    out, _ = cli("data", "show", "mnist-scenes", "--count", "1")
    assert "pixels    ground: 9" in out
    assert len(out.splitlines()) == 2 + 20 + 1
    cli("data", "show", "mnist-scenes", "--count", "1", "--out", tmp_path / "scenes.png")
    assert (tmp_path / "scenes.png").stat().st_size > 1000
    _, err = cli("data", "show", "mnist-scenes", "--augment", code=2)
    assert "has a class for each pixel" in err


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (
            {"data": "mnist"},
            "--model unet-small finds the class of each pixel, and mnist train has no class maps; use mnist-scenes",
        ),
        ({"model": "mlp"}, r"--model mlp has outputs of the shape \(9,\), and mnist-scenes train has a class for each pixel"),
        ({"model": "lstm"}, r"--model lstm does not take samples of the shape \(40, 40, 1\).*; use --model unet-small"),
    ],
)
def test_data_and_presets_that_do_not_fit(tmp_path, few_scenes, settings, message):
    with pytest.raises(ConfigError, match=message):
        train(tmp_path / "run", **settings)
    assert not (tmp_path / "run").exists()


def test_an_odd_size_says_which_model_to_use():
    data = Dataset(np.zeros((2, 30, 30, 1), np.uint8), np.zeros((2, 30, 30), int), classes=("a", "b"), name="odd")
    with pytest.raises(ConfigError, match=r"--model unet-small does not take samples of the shape \(30, 30, 1\)"):
        Task.of(presets.preset("unet-small"), data, "unet-small")


def test_the_network():
    """Two convolutions without bias and their normalizations at each of seven places, and the classes."""
    inputs, filters = (1, 8, 16, 32, 64 + 32, 32 + 16, 16 + 8), (8, 16, 32, 64, 32, 16, 8)
    count = sum(9 * (c * f + f * f) + 4 * f for c, f in zip(inputs, filters, strict=True)) + 8 * 9 + 9
    network = presets.preset("unet-small").network(9)
    built = network.build((40, 40, 1))
    assert sum(slot.size for slot in built.slots.values() if not slot.state) == count == 122_393
    assert network.build((64, 24, 3)).shape == (64, 24, 9)
