"""Runs with --watch: findings are lines on the terminal, and in the run folder."""

from __future__ import annotations

import json

import pytest
from typer.testing import CliRunner

from pellucid.cli import application
from pellucid.runs.examination import examine_run
from pellucid.runs.plan import RunPlan, RunSettings
from pellucid.runs.run import run

pytestmark = pytest.mark.usefixtures("no_figures")


def pellucid(*words):
    result = CliRunner().invoke(application(), list(words))
    assert result.exit_code == 0, result.output
    return result.output


def test_findings_are_lines_and_in_the_run_folder(mnist_folder):
    output = pellucid("train", "--model", "mlp-small", "--watch", "--lr", "1e-6", "--epochs", "2", "--out", "low")
    lines = [line for line in output.splitlines() if line.startswith("small-update, dense")]
    assert len(lines) == 2
    assert "since epoch 1: one step at a learning rate of 1e-06 changes its weights by" in lines[0]
    assert output.index("epoch 1/2") < output.index("small-update") < output.index("epoch 2/2")
    with open("low/findings.json", encoding="utf-8") as file:
        findings = json.load(file)
    assert [(one["kind"], one["where"], one["since"]) for one in findings] == [
        ("small-update", "dense1", 1),
        ("small-update", "dense2", 1),
    ]


def test_a_healthy_run_has_no_findings_and_others_no_file(mnist_folder, tmp_path):
    pellucid("train", "--model", "mlp-small", "--watch", "--epochs", "2", "--out", "watched", "--quiet")
    pellucid("train", "--model", "mlp-small", "--epochs", "2", "--out", "other", "--quiet")
    work = tmp_path / "work"
    assert json.loads((work / "watched/findings.json").read_text()) == []
    assert not (work / "other/findings.json").exists()
    assert (work / "watched/history.csv").read_text().count("\n") == 3
    pellucid("train", "--model", "mlp-small", "--epochs", "2", "--out", "watched", "--quiet", "--force")
    assert not (work / "watched/findings.json").exists()


def test_a_watched_run_has_the_same_model(mnist_folder, tmp_path):
    files = []
    for watch in (True, False):
        settings = RunSettings(model="mlp-small", epochs=2, watch=watch)
        folder = run(RunPlan.of(settings), tmp_path / str(watch), notify=lambda line: None, progress=False)["folder"]
        files.append((folder / "model.pellucid").read_bytes())
    assert files[0] == files[1]


def test_a_resumed_run_is_still_watched(mnist_folder, tmp_path):
    from pellucid.runs.resuming import resume

    settings = RunSettings(model="mlp-small", epochs=4, lr=1e-6, watch=True)

    def end_in_epoch_3(event, control, history):
        return event.epoch < 3

    folder = tmp_path / "run"
    run(RunPlan.of(settings), folder, notify=lambda line: None, progress=False, observer=end_in_epoch_3)
    before = json.loads((folder / "findings.json").read_text())
    assert [one["kind"] for one in before] == ["small-update", "small-update"]
    resume(folder, notify=lambda line: None, progress=False)
    assert json.loads((folder / "findings.json").read_text()) == before


def test_a_run_with_early_stopping_does_not_overfit(mnist_folder, tmp_path):
    train, validation = [1.0, 0.6, 0.4, 0.3, 0.2, 0.1], [0.9, 0.7, 0.6, 0.8, 0.9, 1.0]
    lines = [f"{i},0.01,{a},{b}" for i, (a, b) in enumerate(zip(train, validation, strict=True), start=1)]
    for options, found in (([], True), (["--early-stopping", "3"], False)):
        out = f"run-{len(options)}"
        pellucid("train", "--model", "mlp-small", "--epochs", "1", "--out", out, "--quiet", *options)
        text = "\n".join(["epoch,learning_rate,train_loss,validation_loss", *lines])
        (tmp_path / "work" / out / "history.csv").write_text(f"{text}\n", encoding="utf-8")
        assert ("overfitting" in examine_run(tmp_path / "work" / out).diagnosis.kinds) == found
