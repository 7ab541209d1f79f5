"""Searches of a sweep: what they train, what they choose, and that an interruption changes neither."""

from __future__ import annotations

import csv
import importlib.util
import json
import math
import os
import re
import shutil
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from typer.testing import CliRunner

from pellucid import ConfigError
from pellucid.cli import application
from pellucid.runs import cells, sweep as sweep_module
from pellucid.runs.cells import Curve, epochs_of
from pellucid.runs.optuna_search import OptunaSearch
from pellucid.runs.plan import RunSettings
from pellucid.runs.search import Halving, Standing, Trials, best
from pellucid.runs.sweep import Grid, Summary, Sweep

AXES = ["lr=0.01,0.1,0.3,1e9"]
MLP = ["--model", "mlp", "--optimizer", "adam"]
BASE = RunSettings(model="mlp", hidden="4", epochs=6, limit=100)


def sweep(*words, code=0):
    result = CliRunner().invoke(application(), ["sweep", *map(str, words)], prog_name="pellucid")
    assert result.exit_code == code, result.output
    return result.stdout, result.stderr


@pytest.fixture
def table(tmp_path, monkeypatch):
    """A table of 120 rows whose target is nearly a sum of its columns. The working folder is empty."""
    random = np.random.default_rng(0)
    with open(tmp_path / "sums.csv", "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["a", "b", "sum"])
        for a, b in random.normal(size=(120, 2)):
            writer.writerow([f"{a:.4f}", f"{b:.4f}", f"{a + b + 0.1 * random.normal():.4f}"])
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    return tmp_path / "sums.csv"


class Played(Trials):
    """Trials whose standings are known beforehand: ``curves`` has the score of each combination after each rung."""

    def __init__(self, curves, shares, time=10**9):
        self.curves, self.shares, self.time = curves, shares, time
        self.trained, self.lines = [], []

    @property
    def combinations(self):
        return list(self.curves)

    @property
    def out_of_time(self):
        return len(self.trained) >= self.time

    def train(self, combinations, share=1.0):
        self.trained.append((list(combinations), share))

    def standing(self, combination, share=1.0):
        score = self.curves[combination][self.shares.index(share)]
        return None if score is None else Standing.of(score, math.inf if score == -math.inf else 1.0)

    def say(self, line):
        self.lines.append(line)


def test_the_rungs_of_halving():
    assert Halving().rungs(27) == [(27, 1 / 27), (9, 1 / 9), (3, 1 / 3), (1, 1)]
    assert Halving().rungs(1) == [(1, 1)]
    assert Halving().rungs(5) == [(5, 1 / 3), (1, 1)]
    assert Halving(keep=3).rungs(27) == [(27, 1 / 9), (9, 1 / 3), (3, 1)]
    assert Halving(keep=5).rungs(4) == [(4, 1)]
    assert Halving(factor=2).rungs(6) == [(6, 1 / 4), (3, 1 / 2), (1, 1)]
    for wrong in ({"factor": 1}, {"keep": 0}, {"factor": 2.5}):
        with pytest.raises(ConfigError):
            Halving(**wrong)


def test_halving_has_several_rungs_in_the_examples_of_the_docs():
    text = (Path(__file__).parents[2] / "docs" / "searches.md").read_text(encoding="utf-8")
    examples = re.findall(r"^pellucid sweep .*--strategy halving.*$", text, re.MULTILINE)
    assert len(examples) >= 3
    for example in examples:
        axes = re.findall(r"--grid (\S+)", example)
        keep = int("".join(re.findall(r"--ensemble (\d+)", example)) or 1)
        assert len(Halving(keep).rungs(len(Grid.parse(axes).cells()))) > 2, example


def test_a_grid_of_few_combinations_begins_with_a_larger_share():
    begins = {count: Halving().rungs(count)[0][1] for count in range(2, 20)}
    assert {count for count, share in begins.items() if share == 1 / 3} == {*range(2, 6)}
    assert {count for count, share in begins.items() if share == 1 / 9} == {*range(6, 18)}


def test_halving_trains_the_best_on():
    shares = [1 / 9, 1 / 3, 1.0]
    curves = {(i,): (score, 1 - score, 0.5) for i, score in enumerate([0.1, 0.9, 0.3, 0.8, 0.2, 0.7, 0.4, 0.5, 0.6, 0.9])}
    trials = Played(curves, shares)
    Halving().search(trials)
    assert trials.trained == [(list(curves), 1 / 9), ([(1,), (9,), (3,)], 1 / 3), ([(3,)], 1.0)]
    assert trials.lines == [
        "rung 1 of 3: 10 combinations for 1/9 of the epochs",
        "rung 2 of 3: 3 combinations for 1/3 of the epochs",
        "rung 3 of 3: 1 combination to the end",
    ]
    stopped = Played(curves, shares, time=2)
    Halving().search(stopped)
    assert stopped.trained == trials.trained[:2]
    failed = {(0,): (None, 0, 0), (1,): (-math.inf, 0, 0), (2,): (math.nan, 0, 0), (3,): (-5.0, 0, 0)}
    trials = Played(failed, [1 / 3, 1.0])
    Halving(keep=3).search(trials)
    assert trials.trained[-1] == ([(3,), (2,)], 1.0), "what has diverged or was not trained does not go on"
    trials = Played({(0,): (None, 0), (1,): (None, 0)}, [1 / 3, 1.0])
    Halving().search(trials)
    assert len(trials.trained) == 1
    assert trials.lines[1:] == ["no combination is left: all of them have failed or diverged"]


def test_the_loss_decides_between_equal_scores():
    standings = {(0,): Standing.of(0.9, 0.4), (1,): Standing.of(0.9, 0.3), (2,): Standing.of(0.8, 0.1)}
    trials = SimpleNamespace(standing=lambda one, share: standings[one])
    assert best(trials, [(0,), (1,), (2,)], 1.0) == [(1,), (0,), (2,)]
    assert Standing.of(None, None) == Standing.of(math.nan, math.nan) == Standing(-math.inf, math.inf)
    assert Standing.mean([Standing(1.0, 2.0), Standing(2.0, 4.0)]) == Standing(1.5, 3.0)


def test_where_scores_are_missing_the_loss_decides():
    undefined = {(0,): Standing.of(math.nan, 0.4), (1,): Standing.of(None, 0.3), (2,): Standing.of(-math.inf, math.inf)}
    trials = SimpleNamespace(standing=lambda one, share: undefined[one])
    assert best(trials, list(undefined), 1.0) == [(1,), (0,)]
    assert [one.value for one in undefined.values()] == [-0.4, -0.3, -math.inf]
    assert Standing.of(0.5, 0.4).value == 0.5
    assert not Standing.mean([undefined[(0,)], undefined[(2,)]]).is_known, "a seed that has diverged"
    one, other = (Summary((None, value), 0, 2, "r2", (), (0.25, 0.75)) for value in (None, 0.5))
    assert (one.complete, one.mean, str(one)) == (True, None, "R² undefined, loss 0.5")
    assert one.standing == other.standing == Standing(-math.inf, 0.5)
    stopped = Summary((), 0, 1, "r2", (None,))
    assert (stopped.complete, str(stopped), stopped.standing.is_known) == (False, "stopped at undefined", False)


@pytest.fixture
def undefined(table):
    """The table, with equal targets in all rows of the validation part and of the test part of the first split."""
    from pellucid import data

    with open(table, encoding="utf-8") as file:
        rows = list(csv.reader(file))
    splits = data.load(str(table), None, 0, _reading())
    equal = {f"{x[0]:.4f}" for part in (splits.validation, splits.test) for x in np.asarray(part.x, np.float64)}
    with open(table, "w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([*row[:2], "0.7500" if row[0] in equal else row[2]] for row in rows)
    return table


def test_a_search_on_a_validation_part_whose_targets_are_all_equal(undefined, no_figures):
    words = [undefined, "--target", "sum", "--task", "regression", *MLP, "--grid", "lr=0.0001,0.01,0.02", "--epochs", 3]
    words += ["--jobs", 1, "--ensemble", 2, "--test"]
    text, _ = sweep(*words, "--seeds", 2, "--out", "grid")
    assert text.startswith("1 of 6  lr=0.0001,seed=0: validation R² undefined, loss ")
    assert "\n  R² undefined, loss " in text
    record = json.loads(Path("grid/selection.json").read_text())
    losses = {path.parent.name: json.loads(path.read_text())["validation"] for path in Path("grid").glob("*/metrics.json")}
    assert {one["r2"] for one in losses.values()} == {None}
    means = {rate: np.mean([losses[f"lr={rate},seed={seed}"]["loss"] for seed in (0, 1)]) for rate in (0.0001, 0.01, 0.02)}
    assert record["settings"]["lr"] == min(means, key=means.get)
    again, _ = sweep(*words, "--seeds", 2, "--out", "grid")
    assert "R² nan" in text, "of the test set, whose targets are equal as well"
    assert "R² nan" in again, "also where the score is in the record"
    text, _ = sweep(*words[:-3], "--strategy", "halving", "--out", "halved")
    assert "rung 2 of 2: 1 combination to the end" in text
    assert "stopped at undefined" in text
    text, _ = sweep(*words[:-1], "--splits", 2, "--out", "nested")
    assert "split 1: test undefined" in text
    assert "R² is undefined on the others" in text
    assert "the mean of 1 split, the score to report; the validation scores " in text


def test_a_search_with_optuna_ranks_by_the_loss_where_scores_are_missing(undefined, no_figures):
    pytest.importorskip("optuna", reason="Optuna is not installed")
    base = RunSettings(data=str(undefined), model="mlp", hidden="4", optimizer="adam", epochs=9, reading=_reading())
    work = Sweep(base, Grid.parse(["lr=0.0001,0.001,0.003,0.01"]), Path("swept"))
    work.run(1, notify=lambda line: None, strategy=OptunaSearch(trials=8, pruner="halving"))
    statuses = [row["status"] for row in work.rows()]
    assert "done" in statuses


def test_the_standing_after_a_share_of_the_epochs():
    curve = Curve((0.1, 0.5, 0.3, 0.2), (3.0, 1.0, 0.5, 2.0), planned=9, score="accuracy", keeps_best=False)
    assert [epochs_of(share, 9) for share in (0.01, 1 / 9, 1 / 3, 1)] == [1, 1, 3, 9]
    assert curve.after(1 / 9) == Standing(0.1, 3.0)
    assert curve.after(1 / 3) == Standing(0.3, 0.5)
    assert curve.after(1) is None
    assert curve.after(1, ended=True) == Standing(0.2, 2.0)
    kept = Curve(curve.scores, curve.losses, 9, "accuracy", keeps_best=True)
    assert kept.after(1, ended=True) == Standing(0.3, 0.5)
    without = Curve(kept.scores, (float("nan"), *kept.losses[1:]), 9, "accuracy", keeps_best=True)
    assert without.after(1, ended=True) == Standing(0.3, 0.5)
    assert kept.after(2 / 9) == Standing(0.5, 1.0)


def models(folder):
    return {path.parent.name: path.read_bytes() for path in Path(folder).glob("*/model.pellucid")}


def test_a_winner_of_halving_is_the_run_of_the_whole_grid(tmp_path, mnist_folder, no_figures):
    lines = []
    whole, halved = (Sweep(BASE, Grid.parse(AXES), tmp_path / name) for name in ("whole", "halved"))
    whole.run(1, notify=lines.append)
    lines.clear()
    halved.run(1, notify=lines.append, strategy=Halving())
    assert lines[0] == "rung 1 of 2: 4 combinations for 1/3 of the epochs"
    assert lines[1].startswith("1 of 4  lr=0.01,seed=0: validation accuracy ")
    assert " after 2 of 6 epochs, " in lines[1]
    assert lines[4] == "4 of 4  lr=1000000000.0,seed=0: diverged"
    assert lines[5] == "rung 2 of 2: 1 combination to the end"
    assert len(lines) == 7
    (winner,) = [row for row in halved.rows() if row["status"] == "done"]
    after_two = {one["lr"]: float(_history(tmp_path / "whole", one)[1]["validation_accuracy"]) for one in whole.cells[:3]}
    assert after_two[winner["lr"]] == max(after_two.values())
    name = f"lr={winner['lr']},seed=0"
    assert models(tmp_path / "halved")[name] == models(tmp_path / "whole")[name]
    assert sorted(row["status"] for row in halved.write()) == ["diverged", "done", "stopped", "stopped"]
    stopped = {row["lr"]: row for row in halved.rows() if row["status"] == "stopped"}
    for rate, row in stopped.items():
        assert row["validation_accuracy"] == pytest.approx(after_two[rate])
        assert row["trained_epochs"] == 2
    assert not list((tmp_path / "halved" / name).glob("checkpoints"))
    lines.clear()
    halved.run(1, notify=lines.append, strategy=Halving())
    assert lines == [
        "rung 1 of 2: 4 combinations for 1/3 of the epochs",
        "4 of 4 runs are done already",
        "rung 2 of 2: 1 combination to the end",
        "1 of 1 runs are done already",
    ]
    halved.run(1, notify=lines.append)  # the other runs go on where they were stopped
    assert models(tmp_path / "halved") == models(tmp_path / "whole")


def _history(folder, cell):
    with open(folder / f"lr={cell['lr']},seed=0" / "history.csv", encoding="utf-8") as file:
        return list(csv.DictReader(file))


@pytest.mark.parametrize("calls", [1, 3, 5])
def test_a_search_that_was_interrupted_makes_the_same_choices(tmp_path, mnist_folder, no_figures, monkeypatch, calls):
    grid = Grid.parse(["lr=0.01,0.1,0.3", "batch_size=20,50"])
    one, other = (Sweep(BASE, grid, tmp_path / name) for name in ("one", "other"))
    one.run(1, notify=lambda line: None, strategy=Halving(factor=2))
    real, count = cells.train_cell, []

    def interrupted(task):
        count.append(task)
        if len(count) == calls:  # in its middle: Ctrl-C after some steps
            stop = cells._Stop(task)
            stopped = iter(range(7))
            with monkeypatch.context() as patch:
                patch.setattr(cells._Stop, "__call__", lambda self, *arguments: next(stopped, None) is not None)
                real(cells.Task(task.plan, task.folder, None, True, 0.9))
            assert not stop.reason
        return real(task)

    monkeypatch.setattr(sweep_module, "train_cell", interrupted)
    with pytest.raises(KeyboardInterrupt):
        other.run(1, notify=lambda line: None, strategy=Halving(factor=2))
    other.run(1, notify=lambda line: None, strategy=Halving(factor=2))
    assert models(tmp_path / "one") == models(tmp_path / "other")
    for row, again in zip(one.rows(), other.rows(), strict=True):
        assert {**row, "seconds": None} == {**again, "seconds": None}


def test_all_seeds_of_a_combination_go_on_together(tmp_path, mnist_folder, no_figures):
    work = Sweep(BASE, Grid.parse(["lr=0.01,0.1,0.3"], seeds=2), tmp_path / "swept")
    work.run(1, notify=lambda line: None, strategy=Halving())
    done = [(row["lr"], row["seed"]) for row in work.rows() if row["status"] == "done"]
    assert len(done) == 2
    assert len({rate for rate, _ in done}) == 1


def test_processes_make_the_choices_of_one(table, no_figures, monkeypatch):
    monkeypatch.setenv("PELLUCID_KERNELS", "reference")  # loaded in less time by each of the processes
    base = RunSettings(data=str(table), model="mlp", hidden="4", optimizer="adam", epochs=6, reading=_reading())
    grid, found = Grid.parse(["lr=0.001,0.003,0.01,0.03"]), []
    for jobs in (1, 2):
        work = Sweep(base, grid, Path(f"swept-{jobs}"))
        work.run(jobs, notify=lambda line: None, strategy=Halving(factor=2), time_budget=600)
        found.append([{**row, "seconds": None} for row in work.rows()])
    assert found[0] == found[1]
    assert [row["status"] for row in found[0]].count("done") == 1


class Clock:
    """The clocks of sweeps and their cells: ``step`` seconds pass at each look of a cell at it."""

    def __init__(self, monkeypatch, step):
        self.now, self.step = 1000.0, step
        monkeypatch.setattr(cells, "time", SimpleNamespace(time=self.tick, perf_counter=lambda: self.now))
        monkeypatch.setattr(sweep_module, "time", SimpleNamespace(time=lambda: self.now))

    def tick(self):
        self.now += self.step
        return self.now


def test_a_time_budget_of_a_sweep(tmp_path, mnist_folder, no_figures, monkeypatch):
    grid = Grid.parse(["lr=0.01,0.05,0.1,0.3"])
    whole, cut = (Sweep(BASE, grid, tmp_path / name) for name in ("whole", "cut"))
    whole.run(1, notify=lambda line: None)
    clock, lines = Clock(monkeypatch, 1.0), []
    events = 6 * 2  # of a cell: a step and the end of an epoch, six times
    cut.run(1, notify=lines.append, time_budget=2.5 * events)
    assert lines[-1] == "the time budget is used up: 2 of 4 runs not begun", "a third would not end before"
    assert [row["status"] for row in cut.rows()] == ["done", "done"]
    clock.step = 0.5  # a faster machine, and then a slow one: what the first two took does not hold
    slow = iter([0.5] * 5 + [20.0] * 100)
    monkeypatch.setattr(cells.time, "time", lambda: clock.__setattr__("now", clock.now + next(slow)) or clock.now)
    lines.clear()
    cut.run(1, notify=lines.append, time_budget=40)
    assert lines[0] == "2 of 4 runs are done already"
    assert "of 6 epochs, stopped by the time budget, " in lines[1]
    assert lines[2] == "the time budget is used up: 1 of 4 runs not begun, 1 stopped, with the parameters trained so far"
    assert [row["status"] for row in cut.rows()] == ["done", "done", "stopped"]
    text = str(cut.summaries(cut.rows())[(0.1,)])
    assert text.startswith("stopped at ")
    monkeypatch.undo()
    monkeypatch.setenv("PELLUCID_DATA", str(mnist_folder))


@pytest.mark.parametrize(
    ("strategy", "seconds"),
    [(Halving, 10), (lambda: OptunaSearch(trials=16), 10), (lambda: OptunaSearch(trials=16, pruner="none"), 20)],
    ids=["halving", "optuna", "optuna without a pruner"],
)
def test_a_search_ends_where_the_time_budget_has_no_room_for_a_run(
    tmp_path, mnist_folder, no_figures, monkeypatch, strategy, seconds
):
    """The deadline itself is not reached: a run that would not end before it is not begun."""
    if strategy is not Halving:
        pytest.importorskip("optuna", reason="Optuna is not installed")
    work, lines = Sweep(BASE, Grid.parse(["lr=0.01,0.02,0.03,0.05,0.1,0.2,0.3,0.4"]), tmp_path / "swept"), []
    clock = Clock(monkeypatch, 1.0)
    deadline = clock.now + seconds  # one epoch of a run takes 3 seconds, the whole run 13
    work.run(1, notify=lines.append, strategy=strategy(), time_budget=seconds)
    assert clock.now < deadline
    used_up = [line for line in lines if line.startswith("the time budget is used up: ")]
    assert used_up == lines[-1:]
    assert not any(line.startswith(("rung 2", "trials 9")) for line in lines)
    assert 1 <= len(work.rows()) < 8


def test_time_budgets_that_are_refused(tmp_path):
    work = Sweep(BASE, Grid.parse(["lr=0.1"]), tmp_path / "swept")
    for seconds in (0, -1, math.nan, math.inf):
        with pytest.raises(ConfigError, match=r"--time-budget .*: expected a number of seconds above 0"):
            work.run(1, time_budget=seconds)
        _, err = sweep("--grid", "lr=0.1", "--splits", 3, "--time-budget", seconds, "--out", tmp_path / "swept", code=2)
        assert f"--time-budget {seconds:g}: expected a number of seconds above 0" in err
    assert not (tmp_path / "swept").exists()


def test_a_sweep_over_a_table_goes_on_where_its_data_choose_the_epochs(table, no_figures):
    words = [table, "--target", "sum", *MLP, "--grid", "hidden=2,4", "--jobs", 1, "--out", "swept"]
    sweep(*words)
    again, _ = sweep(*words)
    assert again.splitlines()[0] == "2 of 2 runs are done already"
    _, err = sweep(*words, "--epochs", 7, code=2)
    assert "was trained with epochs=" in err


@pytest.mark.parametrize("model", ["mlp", "table"])
@pytest.mark.parametrize(
    ("before", "now", "message"),
    [
        (["--epochs", 2], [], "was trained with epochs=2, not the default: choose another --out"),
        (["--batch-size", 50], [], "was trained with batch_size=50, not the default"),
        (["--optimizer", "adam"], ["--optimizer", "adamw"], "was trained with optimizer="),
    ],
)
def test_a_sweep_does_not_reuse_cells_of_other_settings_where_its_data_choose_them(
    table, no_figures, model, before, now, message
):
    words = [table, "--target", "sum", "--model", model, "--grid", "lr=0.001", "--jobs", 1, "--out", "swept"]
    words += [] if "--epochs" in before else ["--epochs", 1]
    sweep(*words, *before)
    again, _ = sweep(*words, *before)
    assert again.splitlines()[0] == "1 of 1 runs are done already"
    _, err = sweep(*words, *now, code=2)
    assert message in err
    assert len(err.splitlines()) == 1


def test_a_cell_without_a_configuration_counts_as_done(table, no_figures):
    words = [table, "--target", "sum", *MLP, "--grid", "hidden=2", "--epochs", 1, "--jobs", 1, "--out", "swept"]
    sweep(*words)
    Path("swept/hidden=2,seed=0/config.json").unlink()
    work = Sweep(
        RunSettings(data=str(table), model="mlp", optimizer="adam", epochs=1, reading=_reading()),
        Grid.parse(["hidden=2"]),
        Path("swept"),
    )
    assert work.outstanding() == []


def test_a_search_from_the_command_line(table, no_figures):
    words = [table, "--target", "sum", *MLP, "--grid", "hidden=2,4", "--grid", "lr=0.001,0.01", "--grid", "dropout=0,0.1"]
    words += ["--epochs", 6, "--strategy", "halving", "--jobs", 1, "--out", "swept"]
    text, _ = sweep(*words)
    assert text.startswith("rung 1 of 3: 8 combinations for 1/9 of the epochs\n")
    assert "--test has the score to report" in text
    record = json.loads(Path("swept/selection.json").read_text())
    assert "test" not in record
    (run,) = record["winner"]
    assert f"best      swept/{run}\n" in text
    for path in Path("swept").glob("*/metrics.json"):
        assert "test" not in json.loads(path.read_text())
    text, _ = sweep(*words, "--test", "--ensemble", 3)
    assert "rung 1 of 2: 8 combinations for 1/3 of the epochs\n" in text
    assert "rung 2 of 2: 3 combinations to the end\n" in text
    record = json.loads(Path("swept/selection.json").read_text())
    assert 1 <= len(record["ensemble"]) <= 3
    (look,) = record["test"]
    assert f"test      RMSE {math.sqrt(look['winner']['mse']):.4g}"[:18] in text
    assert f"R² {look['winner']['r2']:.4f}" in text
    assert "decide between the two by their validation scores" in text
    evaluated = CliRunner().invoke(application(), ["evaluate", f"swept/{record['winner'][0]}", "--json", "--no-report"])
    assert json.loads(evaluated.stdout)["r2"] == pytest.approx(look["winner"]["r2"])
    settings = [word for word in record["winner"][0].split(",") if not word.startswith("seed")]
    assert [f"{name}={value}" for name, value in record["settings"].items()] == settings


def test_options_of_searches_that_are_refused(table):
    words = [table, "--target", "sum", *MLP, "--grid", "lr=0.1,0.2", "--out", "swept"]
    for more, message in [
        (["--strategy", "halve"], "did you mean 'halving'"),
        (["--trials", 3], "--trials is an option of --strategy optuna"),
        (["--strategy", "halving", "--sampler", "tpe"], "--sampler is an option of --strategy optuna"),
        (["--strategy", "optuna", "--pruner", "median"], "pip install 'pellucid[optuna]'"),
        (["--grid", "dropout=1"], "expected a rate from 0 to below 1"),
        (["--grid", "decay=-1"], "expected a number of at least 0"),
        (["--grid", "dropout=0.1", "--hidden", "none"], "no hidden layer"),
        (["--time-budget", 0], "a number of seconds above 0"),
    ]:
        if "optuna" in more and importlib.util.find_spec("optuna"):
            continue
        _, err = sweep(*words, *more, code=2)
        assert message in err
        assert len(err.splitlines()) == 1
    assert not Path("swept").exists()


def test_without_optuna_its_strategy_names_the_extra(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ConfigError, match=r"needs Optuna: pip install 'pellucid\[optuna\]'"):
        OptunaSearch()


def test_a_search_with_optuna(table, no_figures):
    pytest.importorskip("optuna", reason="Optuna is not installed")
    with pytest.raises(ConfigError, match="did you mean 'tpe'"):
        OptunaSearch(sampler="tp")
    base = RunSettings(data=str(table), model="mlp", optimizer="adam", epochs=9, reading=_reading())
    grid = Grid.parse(["lr=0.0001,0.001,0.003,0.01", "hidden=2,4,8,16"])
    strategy, statuses = OptunaSearch(trials=10, pruner="halving"), []
    for name in ("one", "two"):
        work, lines = Sweep(base, grid, Path(name)), []
        if name == "two":  # some cells are there already, trained for another share of their epochs
            work.run(1, notify=lambda line: None, strategy=Halving(factor=2))
            for folder in list(Path("two").glob("*/"))[:3]:
                shutil.rmtree(folder)
        work.run(1, notify=lines.append, strategy=strategy)
        assert [line for line in lines if line.startswith("trials")] == ["trials 1 to 8 of 10", "trials 9 to 10 of 10"]
        statuses.append({(row["lr"], row["hidden"]): row["status"] for row in work.rows()})
    one, two = statuses
    assert len(one) <= 10
    assert list(one.values()).count("stopped") >= 1, "the pruner has given up some"
    assert list(one.values()).count("done") >= 1
    done = [combination for combination, status in one.items() if status == "done"]
    assert all(two[combination] == "done" for combination in done), "the choices are the same"
    lines.clear()
    Sweep(base, grid, Path("one")).run(1, notify=lines.append, strategy=strategy)
    assert not [line for line in lines if "R²" in line], "nothing is trained again"


def test_a_combination_that_is_chosen_twice_is_trained_once(table, no_figures):
    pytest.importorskip("optuna", reason="Optuna is not installed")
    base = RunSettings(data=str(table), model="mlp", optimizer="adam", epochs=2, reading=_reading())
    work, lines = Sweep(base, Grid.parse(["lr=0.0001,1e9"]), Path("swept")), []
    work.run(1, notify=lines.append, strategy=OptunaSearch(trials=9, sampler="random", pruner="none"))
    trained = [line for line in lines if "seed=0: " in line]
    assert len(trained) == 2
    assert any(line.endswith("diverged") for line in trained)


def test_a_training_with_a_time_budget_from_the_command_line(table, no_figures):
    words = ["train", str(table), "--target", "sum", "--time-budget", "1e-6", "--epochs", "50", "--out", "run"]
    result = CliRunner().invoke(application(), words)
    assert result.exit_code == 0, result.output
    metrics = json.loads(Path("run/metrics.json").read_text())
    assert (metrics["epochs"], metrics["interrupted"]) == (1, False)
    assert metrics["stopped"] == "the time budget of 1e-06 s has no room for another epoch after 1 epoch"
    assert metrics["settings"]["time_budget"] == 1e-6


def _reading():
    from pellucid.data.sources.user_data import ReadOptions

    return ReadOptions(target="sum")


def test_nested_validation(table, no_figures):
    words = [table, "--target", "sum", *MLP, "--grid", "lr=0.001,0.01", "--epochs", 3, "--jobs", 1, "--splits", 2]
    text, _ = sweep(*words, "--out", "nested")
    results = json.loads(Path("nested/nested.json").read_text())
    assert [one["split"] for one in results] == [0, 1]
    shas = set()
    for one in results:
        (run,) = one["winner"]
        config = json.loads(Path(f"nested/split={one['split']}/{run}/config.json").read_text())
        assert config["data"]["split_seed"] == one["split"]
        shas.add(config["data"]["sha256"])
        evaluated = CliRunner().invoke(
            application(), ["evaluate", f"nested/split={one['split']}/{run}", "--json", "--no-report"]
        )
        assert json.loads(evaluated.stdout)["r2"] == pytest.approx(one["test"]["r2"])
    assert len(shas) == 2, "the splits differ"
    mean = np.mean([one["test"]["r2"] for one in results])
    assert f"best run  test R² {mean:.4f}, standard deviation " in text
    assert text.splitlines()[-1] == "the sweeps of the splits and nested.json are in nested"
    rows, _ = sweep(*words, "--out", "nested", "--json")
    assert json.loads(rows) == results
    assert "the test set was used before" not in text
    grown, _ = sweep(*words, "--ensemble", 2, "--out", "nested")
    assert "on 2 of them the test set was used before, for other runs" in grown
    _, err = sweep(*words[:-2], "--out", "nested", code=2)
    assert "is not a sweep" in err
    sweep(*words[:-2], "--out", "single")
    _, err = sweep(*words, "--out", "single", code=2)
    assert "single is a sweep on one split of the data" in err
    Path("text.txt").write_text("abc def. " * 200)
    _, err = sweep("text.txt", "--grid", "lr=0.1", "--splits", 2, "--out", "texts", code=2)
    assert "--splits does not apply to text in windows" in err
    assert not os.path.exists("texts")
