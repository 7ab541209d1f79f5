"""Runs with an observer, and run folders."""

from __future__ import annotations

import dataclasses
import json

import pytest

from pellucid import Model
from pellucid.runs.folder import RunFolder
from pellucid.runs.plan import RunPlan, RunSettings
from pellucid.runs.run import run
from pellucid.training import EpochEvent

SMALL = RunSettings(model="mlp", hidden="8", epochs=3, batch_size=50)  # 8 steps in each epoch


def train(out, observer=None, settings=SMALL):
    return run(RunPlan.of(settings), out, notify=lambda line: None, progress=False, observer=observer)


def test_an_observer_does_not_change_the_run(tmp_path, mnist_folder):
    seen = []
    observed = train(tmp_path / "observed", lambda event, control: seen.append(event) is None)
    train(tmp_path / "unobserved")
    one, other = ((tmp_path / name / "model.pellucid").read_bytes() for name in ("observed", "unobserved"))
    assert one == other
    assert [event.epoch for event in seen if isinstance(event, EpochEvent)] == [1, 2, 3]
    assert len(seen) == 3 * 8 + 3
    assert (observed["interrupted"], observed["learning_rate_changes"]) == (False, [])


def test_changes_of_the_learning_rate_are_recorded(tmp_path, mnist_folder):
    rates = []

    def observer(event, control):
        if not isinstance(event, EpochEvent):
            rates.append(event.learning_rate)
            control.learning_rate = {3: 0.5, 6: None}.get(event.step, control.learning_rate)
        return True

    train(tmp_path / "run", observer)
    assert rates[:8] == [0.04] * 3 + [0.5] * 3 + [0.04] * 2
    changes = json.loads((tmp_path / "run" / "metrics.json").read_text())["learning_rate_changes"]
    assert changes == [{"after_step": 3, "learning_rate": 0.5}, {"after_step": 6, "learning_rate": None}]


@pytest.mark.parametrize(
    ("given", "origin"),
    [
        ({}, "preset mlp"),
        ({"optimizer": "adam"}, "default of --optimizer adam"),
        ({"lr": 0.1}, "--lr"),
        ({"lr": 0.1, "optimizer": "adam"}, "--lr"),
        ({"lr": "auto"}, "range test, --lr auto"),
    ],
)
def test_the_origin_of_the_learning_rate_is_recorded(tmp_path, mnist_folder, given, origin):
    train(tmp_path / "run", settings=dataclasses.replace(SMALL, epochs=1, **given))
    assert json.loads((tmp_path / "run" / "metrics.json").read_text())["learning_rate_origin"] == origin


def test_an_observer_may_end_the_training(tmp_path, mnist_folder):
    lines = []
    found = run(
        RunPlan.of(SMALL),
        tmp_path / "run",
        notify=lines.append,
        progress=False,
        observer=lambda event, control: not (isinstance(event, EpochEvent) and event.epoch == 2),
    )
    assert (found["interrupted"], found["epochs"]) == (True, 2)
    assert "interrupted: the parameters trained so far are kept" in lines
    assert Model.load(tmp_path / "run" / "model.pellucid").parameter_count == found["parameters"]


def test_numbered_folders_in_any_parent(tmp_path):
    first, second = (RunFolder(None, "mlp", parent=tmp_path / "here" / "runs") for _ in range(2))
    assert [one.path.relative_to(tmp_path).as_posix() for one in (first, second)] == ["here/runs/mlp-1", "here/runs/mlp-2"]
    second.discard()
    assert not second.path.exists()
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match="cannot create the folder"):
        RunFolder(None, "mlp", parent=tmp_path / "file")
