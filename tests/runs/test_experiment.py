"""Runs that somebody watches and steers."""

from __future__ import annotations

import json

import pytest

from pellucid import Model
from pellucid.runs.run import Plan, Settings, run
from pellucid.runs.folder import RunFolder
from pellucid.training import EpochEvent

SMALL = Settings(model="mlp", hidden="8", epochs=3, batch_size=50)  # 8 steps an epoch


def trained(out, watch=None, settings=SMALL):
    return run(Plan.of(settings), out, tell=lambda line: None, progress=False, watch=watch)


def test_a_watched_run_is_the_same_run(tmp_path, mnist_folder):
    seen = []
    watched = trained(tmp_path / "watched", lambda event, control: seen.append(event) is None)
    trained(tmp_path / "alone")
    one, other = ((tmp_path / name / "model.pellucid").read_bytes() for name in ("watched", "alone"))
    assert one == other
    assert [event.epoch for event in seen if isinstance(event, EpochEvent)] == [1, 2, 3]
    assert len(seen) == 3 * 8 + 3
    assert (watched["interrupted"], watched["steered"]) == (False, [])


def test_the_learning_rate_may_be_changed_and_the_run_says_so(tmp_path, mnist_folder):
    rates = []

    def watch(event, control):
        if not isinstance(event, EpochEvent):
            rates.append(event.learning_rate)
            control.learning_rate = {3: 0.5, 6: None}.get(event.step, control.learning_rate)
        return True

    trained(tmp_path / "run", watch)
    assert rates[:8] == [0.04] * 3 + [0.5] * 3 + [0.04] * 2
    steered = json.loads((tmp_path / "run" / "metrics.json").read_text())["steered"]
    assert steered == [{"after_step": 3, "learning_rate": 0.5}, {"after_step": 6, "learning_rate": None}]


def test_who_watches_may_end_it_and_what_was_learned_is_kept(tmp_path, mnist_folder):
    said = []
    plan = Plan.of(SMALL)
    found = run(
        plan,
        tmp_path / "run",
        tell=said.append,
        progress=False,
        watch=lambda event, control: not (isinstance(event, EpochEvent) and event.epoch == 2),
    )
    assert (found["interrupted"], found["epochs"]) == (True, 2)
    assert any("keeping what was trained" in line for line in said)
    assert Model.load(tmp_path / "run" / "model.pellucid").parameter_count == found["parameters"]


def test_numbered_folders_may_lie_anywhere(tmp_path):
    first, second = (RunFolder(None, "mlp", parent=tmp_path / "here" / "runs") for _ in range(2))
    assert [one.path.relative_to(tmp_path).as_posix() for one in (first, second)] == ["here/runs/mlp-1", "here/runs/mlp-2"]
    second.discard()
    assert not second.path.exists()
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match="cannot make the folder"):
        RunFolder(None, "mlp", parent=tmp_path / "file")
