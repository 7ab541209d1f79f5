"""Runs with an observer, and run folders."""

from __future__ import annotations

import dataclasses
import json
import re

import numpy as np
import pytest

from pellucid import (
    ConfigError,
    DataError,
    Dense,
    DivergedError,
    FileError,
    Flatten,
    MeanSquaredError,
    Model,
    ReLU,
    Reshape,
    Sequential,
    Sigmoid,
)
from pellucid.cli.common import format_scores
from pellucid.data import Corrections, Dataset, load, read_folder
from pellucid.data.input_stage import Passthrough
from pellucid.data.reconstruction import reconstruction
from pellucid.data.sources.user_data import ReadOptions
from pellucid.runs import presets
from pellucid.runs.examination import examine_run, read_history
from pellucid.runs.folder import RunFolder, load_data, open_run, read_metrics, read_status
from pellucid.runs.plan import RunPlan, RunSettings
from pellucid.runs.resuming import resume, saved_settings
from pellucid.runs.run import run
from pellucid.runs.task import Task
from pellucid.training import EpochEvent

SMALL = RunSettings(model="mlp", hidden="8", epochs=3, batch_size=50)  # 8 steps in each epoch


def train(out, observer=None, settings=SMALL):
    return run(RunPlan.of(settings), out, notify=lambda line: None, progress=False, observer=observer)


def test_an_observer_does_not_change_the_run(tmp_path, mnist_folder, no_figures):
    seen = []
    observed = train(tmp_path / "observed", lambda event, control, history: seen.append(event) is None)
    train(tmp_path / "unobserved")
    one, other = ((tmp_path / name / "model.pellucid").read_bytes() for name in ("observed", "unobserved"))
    assert one == other
    assert [event.epoch for event in seen if isinstance(event, EpochEvent)] == [1, 2, 3]
    assert len(seen) == 3 * 8 + 3
    assert (observed["interrupted"], observed["learning_rate_changes"]) == (False, [])


def test_changes_of_the_learning_rate_are_recorded(tmp_path, mnist_folder, no_figures):
    rates = []

    def observer(event, control, history):
        if not isinstance(event, EpochEvent):
            rates.append(event.learning_rate)
            control.learning_rate = {3: 0.5, 6: None}.get(event.step, control.learning_rate)
        return True

    train(tmp_path / "run", observer)
    assert rates[:8] == [0.04] * 3 + [0.5] * 3 + [0.04] * 2
    changes = json.loads((tmp_path / "run" / "metrics.json").read_text())["learning_rate_changes"]
    assert changes == [{"after_step": 3, "learning_rate": 0.5}, {"after_step": 6, "learning_rate": None}]


def test_a_run_with_changes_of_the_learning_rate_repeats_from_its_settings(tmp_path, mnist_folder, no_figures):
    def observer(event, control, history):
        control.learning_rate = {3: 0.5, 14: None, 17: 0.1 + 0.2}.get(getattr(event, "step", 0), control.learning_rate)
        return True

    train(tmp_path / "by-hand", observer)
    settings = saved_settings(tmp_path / "by-hand")
    assert settings == dataclasses.replace(SMALL, lr_changes="3:0.5,14:preset,17:0.30000000000000004")
    assert read_metrics(tmp_path / "by-hand")["settings"]["lr_changes"] == settings.lr_changes
    train(tmp_path / "again", settings=settings)
    one, other = ((tmp_path / name / "model.pellucid").read_bytes() for name in ("by-hand", "again"))
    assert one == other
    assert one != (train(tmp_path / "plain")["folder"] / "model.pellucid").read_bytes()
    changes = [read_metrics(tmp_path / name)["learning_rate_changes"] for name in ("by-hand", "again")]
    assert changes[0] == changes[1]


@pytest.mark.parametrize("text", ["", "3", "3:", "3:fast", "-3:0.1", "0:0.1", "3:-1", "3:inf", "3:0.1;4:0.2", "²:1"])
def test_changes_of_the_learning_rate_are_checked(text):
    with pytest.raises(ConfigError, match=r"--lr-changes .*as in 480:0\.01,960:preset"):
        RunPlan.of(dataclasses.replace(SMALL, lr_changes=text))
    with pytest.raises(ConfigError, match="has no learning rate"):
        RunPlan.of(RunSettings(optimizer="lbfgs", lr_changes="3:0.1"))


def test_a_run_that_diverges_keeps_its_good_epochs(tmp_path, mnist_folder):
    lines = []
    settings = dataclasses.replace(SMALL, lr_changes="18:1e9")
    with pytest.raises(DivergedError, match="training diverged in epoch 3"):
        run(RunPlan.of(settings), tmp_path / "run", notify=lines.append, progress=False)
    metrics = read_metrics(tmp_path / "run")
    assert metrics["diverged"].startswith("training diverged in epoch 3")
    epochs = metrics["epochs"]  # those before the last checkpoint: after short epochs, not each has one
    assert (epochs in (1, 2), metrics["interrupted"]) == (True, False)
    kept = open_run(tmp_path / "run")[0]
    train(tmp_path / "good", settings=dataclasses.replace(SMALL, epochs=epochs))
    np.testing.assert_array_equal(kept.state.parameters, open_run(tmp_path / "good")[0].state.parameters)
    assert len(read_history(tmp_path / "run" / "history.csv")) == 2
    assert read_status(tmp_path / "run")["status"] == "failed"
    assert lines[-1] == f"kept      the network after {epochs} epoch{'s' * (epochs > 1)}, in {tmp_path / 'run'}"
    with pytest.raises(DivergedError):
        run(RunPlan.of(dataclasses.replace(SMALL, lr=1e9)), tmp_path / "none", notify=lines.append, progress=False)
    assert not (tmp_path / "none").exists()


@pytest.mark.parametrize(
    ("given", "origin"),
    [
        ({}, "preset mlp"),
        ({"optimizer": "adam"}, "default of --optimizer adam"),
        ({"lr": 0.1}, "--lr"),
        ({"lr": 0.1, "optimizer": "adam"}, "--lr"),
        ({"lr": "auto"}, "range test, --lr auto"),
        ({"optimizer": "lbfgs", "batch_size": None}, "none: a line search chooses the steps"),
    ],
)
def test_the_origin_of_the_learning_rate_is_recorded(tmp_path, mnist_folder, given, origin):
    train(tmp_path / "run", settings=dataclasses.replace(SMALL, epochs=1, **given))
    assert json.loads((tmp_path / "run" / "metrics.json").read_text())["learning_rate_origin"] == origin


def test_lbfgs_trains_on_a_whole_table(tmp_path):
    x = np.random.default_rng(0).normal(size=(60, 3))
    rows = [",".join(map(str, [*row, row[0] - 2 * row[1]])) for row in x]
    (tmp_path / "table.csv").write_text("\n".join(["a,b,c,target", *rows]))
    reading = ReadOptions(target="target")
    settings = RunSettings(data=str(tmp_path / "table.csv"), model="table", hidden="none", optimizer="lbfgs", reading=reading)
    lines = []
    found = run(RunPlan.of(settings), tmp_path / "run", notify=lines.append, progress=False)
    assert any(re.match(r"training  500 epochs, batches of 48, LBFGS\(\)", line) for line in lines)
    assert found["epochs"] < 100
    assert found["stopped"].startswith(("no component of the gradient", "the last iteration"))
    assert found["test"]["r2"] > 0.99  # 0.9986: the smooth limit of the inputs bends the plane
    assert found["settings"]["batch_size"] is None
    for given, message in (({"lr": 0.1}, "no learning rate, so it"), ({"lr": "auto"}, "no learning rate to search for")):
        with pytest.raises(ConfigError, match=message):
            RunPlan.of(dataclasses.replace(settings, **given))
    with pytest.raises(ConfigError, match=r"batch_size=10.*48 samples"):
        run(RunPlan.of(dataclasses.replace(settings, batch_size=10)), notify=lines.append, progress=False)


def test_an_observer_may_end_the_training(tmp_path, mnist_folder):
    lines = []
    found = run(
        RunPlan.of(SMALL),
        tmp_path / "run",
        notify=lines.append,
        progress=False,
        observer=lambda event, control, history: not (isinstance(event, EpochEvent) and event.epoch == 2),
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


def test_an_autoencoder_learns_to_return_its_pictures(tmp_path, mnist_folder, monkeypatch):
    def small(channels):
        layers = Flatten(), Dense(16), ReLU(), Dense(784 * channels), Reshape((28, 28, channels)), Sigmoid()
        return Sequential(*layers)

    recipe = dataclasses.replace(presets.preset("autoencoder"), network=small)
    monkeypatch.setitem(presets.PRESETS, "autoencoder", recipe)
    found = train(tmp_path / "run", settings=RunSettings(model="autoencoder", epochs=10, batch_size=25, lr=0.01))
    assert found["test"]["r2"] > 0.04  # 0.07 to 0.10 over three seeds: most of the variance is noise
    assert found["test"]["mse"] == pytest.approx(found["test"]["loss"])
    assert format_scores(found["validation"], 50).startswith("R² 0.")
    assert (tmp_path / "run" / "reconstructions.png").exists()
    model, config = open_run(tmp_path / "run")
    splits = load_data(config, None)
    np.testing.assert_allclose(splits.test.y, splits.test.x / 255, rtol=1e-6)
    assert model.predict(splits.test.x[:3]).shape == (3, 28, 28, 1)
    assert model.evaluate(splits.test)["loss"] == pytest.approx(found["test"]["loss"])


def test_an_autoencoder_takes_pictures_only_and_says_which_sizes():
    random = np.random.default_rng(0)
    recipe = presets.preset("autoencoder")
    assert recipe.network(3).build((32, 48, 3)).shape == (32, 48, 3)
    odd = reconstruction(Dataset(random.integers(0, 255, (4, 30, 30, 1), np.uint8), np.zeros(4)))
    with pytest.raises(ConfigError, match=r"makes images of the shape \(32, 32, 1\) from images of the shape \(30, 30, 1\)"):
        Task.of(recipe, odd, "autoencoder")
    with pytest.raises(DataError, match="needs images"):
        reconstruction(Dataset(random.random((4, 3)), np.zeros(4)))


def test_damaged_files_of_a_run_are_named(tmp_path):
    Sequential(Dense(2)).compile((3,), MeanSquaredError()).save(tmp_path / "model.pellucid")
    assert open_run(tmp_path)[1] == {}
    for config, message in (
        ([], "config.json is damaged: its content must be an object"),
        ({"data": 5}, "config.json is damaged: data must be an object with names, got 5"),
        ({"data": {"requested": [1]}}, r"data.requested must be a text, got \[1\]"),
        ({"data": {"split_seed": -1}}, "data.split_seed must be a whole number, got -1"),
        ({"preset": {}}, "preset must be a text"),
    ):
        (tmp_path / "config.json").write_text(json.dumps(config))
        with pytest.raises(FileError, match=message):
            open_run(tmp_path)
    energy = {"how": "measured", "source": "RAPL", "joules": 1, "low": 1}
    for metrics, message in (
        ({"test": 0.5}, "metrics.json is damaged: test must be an object"),
        ({"test": {"accuracy": 1.5}}, "test.accuracy must be a number from 0 to 1, got 1.5"),
        ({"test": {"accuracy": True}}, "test.accuracy must be a number from 0 to 1, got True"),
        ({"seconds": 10**400}, "seconds must be a finite number, got 1000"),
        ({"data": {"sizes": {"test": 2.5}}}, "data.sizes.test must be a whole number"),
        ({"energy": energy}, "energy must have how, source, joules, low, high"),
    ):
        (tmp_path / "metrics.json").write_text(json.dumps(metrics))
        with pytest.raises(FileError, match=message):
            read_metrics(tmp_path)
    good = {"data": {"name": None, "sizes": {}}, "test": {"accuracy": None}, "energy": {**energy, "high": 2}, "epochs": 3}
    (tmp_path / "metrics.json").write_text(json.dumps(good))
    assert read_metrics(tmp_path) == good
    (tmp_path / "config.json").write_text(json.dumps({"data": {"requested": None, "split_seed": None}}))
    with pytest.raises(DataError, match="nowhere: there is no such folder"):
        load_data(open_run(tmp_path)[1], tmp_path / "nowhere")


def test_names_that_are_too_long_are_no_runs_and_no_data(tmp_path):
    """Some of Python's questions about a path raise an error for a name that no file can have."""
    long = str(tmp_path / ("a" * 300))
    model = Sequential(Dense(2)).compile((3,), MeanSquaredError(), input_stage=Passthrough())
    for call in (
        lambda: open_run(long),
        lambda: read_metrics(long),
        lambda: read_folder(long),
        lambda: load(long),
        lambda: model.read(long),
        lambda: load("a" * 300),
    ):
        with pytest.raises((FileError, ConfigError), match=r"there is no|contains no"):
            call()
    assert Corrections(tmp_path / ("a" * 300)).drawings() == []


def test_damaged_findings_and_histories_of_a_run_are_named(tmp_path):
    finding = {"kind": "dead-relu", "where": "relu1", "figure": 0.5, "threshold": 0.1, "text": "", "advice": "", "samples": [1]}
    (tmp_path / "config.json").write_text(json.dumps({"data": {"name": "x"}, "fit": {"policies": None}, "seed": None}))
    for findings, message in (
        (5, "a list of them was expected"),
        ([5], "a list of them was expected"),
        ([{**finding, "kind": [1]}], "findings.json is damaged: kind must be a text"),
        ([{**finding, "more": 1}], "does not contain findings: .*more"),
        ([{**finding, "samples": 5}], "does not contain findings"),
    ):
        (tmp_path / "findings.json").write_text(json.dumps(findings))
        with pytest.raises(FileError, match=message):
            examine_run(tmp_path)
    (tmp_path / "findings.json").write_text(json.dumps([finding]))
    assert examine_run(tmp_path, tmp_path / "nowhere").diagnosis.findings[0].samples == (1,)
    (tmp_path / "history.csv").write_text("epoch,loss\n1,2\n" + "x" * 200_000 + ",1\n")  # the csv module has a limit
    with pytest.raises(FileError, match="is not the history of a run"):
        read_history(tmp_path / "history.csv")
    (tmp_path / "history.csv").write_text("epoc,validation_loss\n1,0.5\n")
    with pytest.raises(FileError, match="is not the history of a run: a row has no epoch"):
        read_history(tmp_path / "history.csv")
    (tmp_path / "config.json").write_text(json.dumps({"fit": {"policies": [5]}}))
    with pytest.raises(FileError, match=r"fit\.policies must be a list of objects"):
        examine_run(tmp_path)


def test_a_run_that_is_replaced_loses_its_settings_first(tmp_path, mnist_folder, monkeypatch):
    out = tmp_path / "run"
    train(out)

    def killed(folder, config):
        raise KeyboardInterrupt

    monkeypatch.setattr(RunFolder, "write_config", killed)
    with pytest.raises(KeyboardInterrupt):
        run(RunPlan.of(SMALL), out, force=True, notify=lambda line: None, progress=False)
    assert not (out / "config.json").exists(), "it would be resumed with its old settings"


def test_a_run_that_resumes_after_its_last_step_says_where_it_is(tmp_path, mnist_folder):
    out, steps = tmp_path / "run", 3 * 8
    train(out, lambda event, control, history: isinstance(event, EpochEvent) or event.step < steps)
    assert read_status(out)["status"] == "interrupted"
    resume(out, notify=lambda line: None, progress=False)
    status = read_status(out)
    assert {name: status[name] for name in ("status", "epoch", "batch", "batches", "step")} == {
        "status": "done",
        "epoch": 3,
        "batch": 8,
        "batches": 8,
        "step": steps,
    }
