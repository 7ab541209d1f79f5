"""What a sweep chooses: the best run, the members of an ensemble, and the one look at the test set."""

from __future__ import annotations

import itertools
import json
import shutil

import numpy as np
import pytest
from typer.testing import CliRunner

from pellucid import ConfigError, CrossEntropy, DataError, Dense, Ensemble, FileError, Flatten, Model, Sequential, Softmax
from pellucid.cli import application
from pellucid.data import Dataset
from pellucid.runs import selection as selection_module
from pellucid.runs.plan import RunSettings
from pellucid.runs.selection import choose_members, look_at_test_set, read_record, save, select
from pellucid.runs.sweep import Grid, Sweep

BASE = RunSettings(model="mlp", hidden="4", epochs=2, limit=100)


def cross_entropy(outputs, y):
    return -np.log(np.mean(outputs, axis=0)[np.arange(len(y)), y]).mean()


def test_members_of_an_ensemble_of_classifiers():
    random = np.random.default_rng(1)
    y = random.integers(0, 3, 40)
    outputs = random.dirichlet(np.ones(3), (5, 40)).astype(np.float32)
    outputs[:, np.arange(40), y] += 0.3
    outputs /= outputs.sum(axis=2, keepdims=True)
    data = Dataset(np.zeros((40, 1), np.float32), y, classes=("a", "b", "c"))
    expected, lowest = [], np.inf
    for _ in range(4):
        losses = [cross_entropy(outputs[[*expected, i]], y) for i in range(5)]
        if min(losses) >= lowest:
            break
        expected.append(int(np.argmin(losses)))
        lowest = min(losses)
    assert len(expected) > 1
    assert choose_members(list(outputs), data, 4) == expected
    assert choose_members(list(outputs), data, 1) == expected[:1]
    one_hot = Dataset(np.zeros((40, 1), np.float32), np.eye(3)[y], classes=("a", "b", "c"))
    assert choose_members(list(outputs), one_hot, 4) == expected


def test_members_of_an_ensemble_for_numbers():
    """Two models whose errors cancel are chosen before one that is better than each of them."""
    y = np.stack([np.arange(10.0), 1000 * np.arange(10.0)], axis=1)
    errors = [np.array([0.5, 0]), np.array([1.0, 0]), np.array([-0.5, 0.0]), np.array([0, 9e3])]
    data = Dataset(np.zeros((10, 1), np.float32), y)
    chosen = choose_members([y + error for error in errors], data, 5)
    assert chosen[:2] == [0, 2]
    assert len(chosen) == 2, "the mean is exact, and nothing makes it better"
    small = [y + np.array([0, 100.0]), y + np.array([0.5, 0])]
    assert choose_members(small, data, 1) == [0], "errors count in standard deviations of a target"
    several = [[*pair] for pair in itertools.combinations(range(4), 2)]
    losses = [np.square(np.mean([errors[i] / y.std(axis=0) for i in pair], axis=0)).mean() for pair in several]
    assert several[int(np.argmin(losses))] == [0, 2]


def test_probabilities_of_zero_are_no_infinite_loss():
    data = Dataset(np.zeros((2, 1), np.float32), np.array([0, 1]), classes=("a", "b"))
    never, half = np.array([[0.0, 1.0], [1.0, 0.0]]), np.full((2, 2), 0.5)
    assert choose_members([never, half], data, 3) == [1]
    assert choose_members([never, never], data, 3) == [0]


@pytest.fixture
def swept(tmp_path, mnist_folder, no_figures):
    work = Sweep(BASE, Grid.parse(["lr=0.01,0.1,0.3,1e9"], seeds=2), tmp_path / "swept")
    assert select(work, []) is None
    work.run(1, notify=lambda line: None)
    return work


def test_the_selection_of_a_sweep(swept):
    rows = swept.write()
    chosen = select(swept, rows, 3)
    means = {rate: np.mean([r["validation_accuracy"] for r in rows if r["lr"] == rate]) for rate in (0.01, 0.1, 0.3)}
    assert chosen.combination == (max(means, key=means.get),)
    (name,) = chosen.winner.runs
    of_best = [row for row in rows if row["lr"] == chosen.combination[0]]
    best = min(of_best, key=lambda row: (-row["validation_accuracy"], row["validation_loss"]))
    assert name == f"lr={best['lr']},seed={best['seed']}"
    assert chosen.winner.validation == {"accuracy": best["validation_accuracy"], "loss": best["validation_loss"]}
    from pellucid.data import mnist

    splits = mnist()
    models = [Model.load(swept.out / one / "model.pellucid") for one in chosen.ensemble.runs]
    scores = Ensemble(models).evaluate(splits.validation)
    assert chosen.ensemble.validation["loss"] == pytest.approx(scores["loss"])
    alone = models[0].evaluate(splits.validation)
    assert scores["loss"] <= alone["loss"]
    assert all("1000000000" not in one for one in chosen.ensemble.runs)
    diverged = [row for row in rows if row["status"] == "diverged"]
    shutil.copy(swept.out / name / "model.pellucid", swept.out / "lr=1000000000.0,seed=0")
    assert select(swept, diverged) is None
    save(swept, chosen)
    assert read_record(swept.out)["settings"] == {"lr": chosen.combination[0]}


def test_the_test_set_is_evaluated_once(swept, monkeypatch):
    rows = swept.write()
    chosen = select(swept, rows, 2)
    look = look_at_test_set(swept, chosen)
    assert look.earlier == 0
    assert set(look.winner) == set(look.ensemble) == {"loss", "accuracy"}
    with monkeypatch.context() as patch:
        patch.setattr(selection_module, "load_data", None)  # calling it would be an error
        assert look_at_test_set(swept, chosen) == look
    other = select(swept, [row for row in rows if row["lr"] != chosen.combination[0]])
    again = look_at_test_set(swept, other)
    assert (again.earlier, again.ensemble) == (1, None)
    assert len(read_record(swept.out)["test"]) == 2
    assert look_at_test_set(swept, chosen) == look
    path = swept.out / chosen.winner.runs[0] / "model.pellucid"
    model = Model.load(path)
    model.parameters[:] *= 0.5
    model.save(path)
    assert look_at_test_set(swept, chosen).earlier == 2, "other parameters are another look"


def test_language_models_have_no_ensemble(tmp_path, monkeypatch, no_figures):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "text.txt").write_text("the cat sat on the mat. " * 60)
    from pellucid.data.sources.user_data import ReadOptions

    base = RunSettings(data="text.txt", model="bigram", epochs=1, steps_per_epoch=2, reading=ReadOptions(context=8))
    work = Sweep(base, Grid.parse(["lr=0.01,0.1"]), tmp_path / "swept")
    work.run(1, notify=lambda line: None)
    with pytest.raises(ConfigError, match="does not apply to texts"):
        select(work, work.rows(), 2)


@pytest.mark.parametrize("data", ["names", "text.txt"])
def test_an_ensemble_of_texts_is_refused_before_a_run_is_trained(tmp_path, monkeypatch, data):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "text.txt").write_text("the cat sat on the mat. " * 60)
    words = ["sweep", data, "--model", "bigram", "--grid", "lr=0.01", "--ensemble", "2", "--out", "swept"]
    result = CliRunner().invoke(application(), words, prog_name="pellucid")
    assert result.exit_code == 2
    assert "--ensemble takes the mean of probabilities or of numbers, and does not apply to texts" in result.stderr
    assert not (tmp_path / "swept").exists()


def test_members_of_an_ensemble_have_a_mean_with_the_best_run(swept):
    """A run with another loss is no candidate; the choice among the others goes on without it."""
    rows = [row for row in swept.write() if row["status"] == "done"]
    chosen = select(swept, rows, 2)
    other = next(row for row in rows if row["lr"] != chosen.combination[0])
    path = swept.out / f"lr={other['lr']},seed={other['seed']}" / "model.pellucid"
    network = Sequential(Flatten(), Dense(10), Softmax())
    network.compile((28, 28, 1), CrossEntropy(smoothing=0.1), classes=Model.load(path).classes).save(path)
    without = select(swept, rows, 10)
    assert (chosen.left_out, without.left_out) == (0, 1)
    assert path.parent.name not in without.ensemble.runs


def test_a_winner_whose_model_was_deleted(swept):
    rows = swept.write()
    name = select(swept, rows).winner.runs[0]
    lr = name.partition(",")[0]
    for seed in (0, 1):
        (swept.out / f"{lr},seed={seed}" / "model.pellucid").unlink()
    with pytest.raises(FileError, match=r"has the best validation score, but no model\.pellucid: put the file back"):
        select(swept, rows, 2)


def test_the_winner_is_saved_before_the_ensemble_is_chosen(swept, monkeypatch):
    monkeypatch.chdir(swept.out.parent)

    def fails(*arguments):
        raise DataError("the table was moved")

    monkeypatch.setattr(selection_module, "choose_members", fails)
    words = ["sweep", "--model", "mlp", "--hidden", "4", "--epochs", "2", "--limit", "100", "--seeds", "2", "--jobs", "1"]
    words += ["--grid", "lr=0.01,0.1,0.3,1e9", "--ensemble", "2", "--out", "swept"]
    result = CliRunner().invoke(application(), words, prog_name="pellucid")
    assert "error: the table was moved" in result.stderr
    assert read_record(swept.out)["winner"] == list(select(swept, swept.rows()).winner.runs)


def test_the_json_of_a_sweep_has_what_was_chosen(swept, monkeypatch):
    monkeypatch.chdir(swept.out.parent)
    words = ["sweep", "--model", "mlp", "--hidden", "4", "--epochs", "2", "--limit", "100", "--seeds", "2", "--jobs", "1"]
    words += ["--grid", "lr=0.01,0.1,0.3,1e9", "--out", "swept", "--json"]

    def printed(*more):
        result = CliRunner().invoke(application(), [*words, *more], prog_name="pellucid")
        assert result.exit_code == 0, result.output
        return json.loads(result.stdout)

    rows = printed()
    assert [row["status"] for row in rows].count("done") == 6
    tested = printed("--test")
    record = read_record(swept.out)
    assert tested["runs"] == rows
    assert tested["selection"] == {name: value for name, value in record.items() if name != "test"}
    assert tested["test"] == {"winner": record["test"][0]["winner"], "ensemble": None, "samples": 100, "earlier": 0}
    members = printed("--ensemble", "2")
    assert (members["test"], members["selection"]["winner"]) == (None, tested["selection"]["winner"])
    assert 1 <= len(members["selection"]["ensemble"]) <= 2


def test_a_model_whose_outputs_are_no_numbers_is_not_chosen():
    y = np.array([1.0, 2.0, 3.0])
    outputs = [np.full((3, 1), np.nan), y[:, None] + 0.5, y[:, None] - 0.4]
    assert sorted(choose_members(outputs, Dataset(np.zeros((3, 1)), y), 2)) == [1, 2]
