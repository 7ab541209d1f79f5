"""The settings of a run as JSON: every field is restored, paths become absolute, and damaged ones are refused."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest

from pellucid import FileError
from pellucid.data.sources.user_data import ReadOptions
from pellucid.runs.plan import RunSettings

OTHER_VALUES = {
    "data": "/data/flats.csv",
    "model": "/networks/own.json",
    "hidden": "64x32",
    "epochs": 7,
    "batch_size": 3,
    "optimizer": "adam",
    "lr": 0.1 + 0.2,
    "lr_changes": "480:0.01,960:preset",
    "augmentation": "rotation=10,shift=2",
    "steps_per_epoch": 7,
    "seed": 5,
    "data_dir": Path("/data"),
    "limit": 100,
    "split_seed": 2,
    "early_stopping": 4,
    "deterministic": True,
    "exact_training_metrics": True,
    "corrections": "/drawings",
    "class_weight": "balanced",
    "reading": ReadOptions(
        target=("a", "b"), missing="last", ignore=("c",), header=False, horizon=24, window=96, time="when", season=24
    ),
    "from_run": "/runs/first",
    "watch": True,
    "dropout": 0.2,
    "decay": 0.01,
    "time_budget": 60.0,
}


def restored(settings):
    return RunSettings.from_json(json.loads(json.dumps(settings.to_json())), "config.json")


@pytest.mark.parametrize("name", [field.name for field in dataclasses.fields(RunSettings)])
def test_every_setting_is_restored(name):
    settings = dataclasses.replace(RunSettings(), **{name: OTHER_VALUES[name]})
    assert getattr(settings, name) != getattr(RunSettings(), name)
    assert restored(settings) == settings


def test_all_settings_together_are_restored():
    assert restored(RunSettings(**OTHER_VALUES)) == RunSettings(**OTHER_VALUES)
    for reading in (ReadOptions(target="price", task="regression"), ReadOptions(size=(48, 64), colour="grey")):
        assert restored(RunSettings(data="/data/x", reading=reading)).reading == reading


def test_paths_become_absolute(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    paths = {"data": "table.csv", "model": "own.json", "data_dir": Path("data"), "corrections": "drawn", "from_run": "runs/mlp"}
    found = restored(RunSettings(**paths))
    for name, path in paths.items():
        assert str(getattr(found, name)) == str(tmp_path / path)
    assert restored(RunSettings()) == RunSettings(), "names of data sets and presets are no paths"


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ([], "its settings are"),
        ({"epoch": 3}, "its settings are 'epoch'"),
        ({"epochs": "three"}, "epochs must be an integer"),
        ({"data_dir": 3}, "data_dir must be a string"),
        ({"reading": {"class": "Dense"}}, "Dense"),
        ({"reading": {"class": "ReadOptions", "task": "guessing"}}, "--task 'guessing'"),
    ],
)
def test_damaged_settings_are_refused(data, message):
    with pytest.raises(FileError, match=message) as refused:
        RunSettings.from_json(data, "runs/mlp/config.json")
    assert str(refused.value).startswith("runs/mlp/config.json does not hold the settings of a run: ")
