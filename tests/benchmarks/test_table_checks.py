"""The checks of the default training on tables: losses that rise, and sparse matrices."""

from __future__ import annotations

import csv
import json
import math
import mmap
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from benchmarks import table_checks
from benchmarks.harness import Settings
from benchmarks.public_tables import TABLES, Columns
from benchmarks.results import Result
from benchmarks.session import Contender

FACTS = {"settings": {"only": []}}
SETTINGS = Settings(timeout=120.0, notify=lambda line: None)


def test_subsets_are_spread_over_all_tables():
    found = table_checks.subsets(list(TABLES))
    whole, parts = found[:10], found[10:]
    assert [one.table for one in whole] == list(TABLES)
    assert all(one.rows is None for one in whole)
    assert set(Counter(one.table for one in parts).values()) == {5}
    sizes = [one.rows for one in parts]
    assert 100 <= min(sizes) < 150  # equally likely in logarithms: half of them are below 316
    assert 700 < max(sizes) <= 1_000
    assert 15 < sum(size < 316 for size in sizes) < 35
    assert all(one.rows <= 0.8 * TABLES[one.table].rows for one in parts)
    some = table_checks.subsets(["titanic"])
    assert some == [one for one in found if one.table == "titanic"]  # each has the same rows, whatever else is chosen


def test_the_rise_is_relative_to_the_lowest_loss():
    assert table_checks.rise_of(0.5, 0.55) == pytest.approx(0.1)
    assert table_checks.rise_of(0.5, 0.5) == 0
    assert table_checks.rise_of(0.5, 0.4) == 0
    assert table_checks.rise_of(0.0, 0.1) == math.inf


def test_rows_are_written_as_a_csv_file_and_losses_read_from_a_run_folder(tmp_path: Path):
    from benchmarks.contenders.tables import trainings

    columns = Columns({"size": [1.0, math.nan, 3.0], "kind": ["a", None, "b,c"]}, [0, 1, 0], ["no", "yes"])
    trainings.write(columns, [1, 2], tmp_path / "table.csv")
    with (tmp_path / "table.csv").open(newline="") as file:
        assert list(csv.reader(file)) == [["size", "kind", "the target"], ["", "", "yes"], ["3.0", "b,c", "no"]]
    (tmp_path / "history.csv").write_text("epoch,validation_loss\n1,0.9\n2,0.5\n3,0.7\n")
    (tmp_path / "metrics.json").write_text(json.dumps({"validation": {"loss": 0.7}}))
    assert trainings.losses(tmp_path) == {"epochs": 3, "best_epoch": 2, "best": 0.5, "end": 0.7}


def test_a_table_is_trained_by_the_command_line(tmp_path: Path):
    from benchmarks.contenders.tables import trainings

    found = trainings.train("diabetes", 120, 0)
    assert found["used_rows"] == 120
    assert 1 <= found["best_epoch"] <= found["epochs"]
    assert 0 < found["best"] <= found["end"] * (1 + 1e-5), "history.csv has six digits"


def test_trainings_that_end_above_their_lowest_loss_are_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "fake_trainings.py").write_text(
        "PACKAGES = ()\n"
        "def train(table, rows, seed):\n"
        "    if seed == 6:\n"
        "        raise RuntimeError('it failed')\n"
        "    end = 0.52 if table == 'diabetes' and rows else 0.505\n"
        "    return dict(used_rows=rows or 442, epochs=9, best_epoch=4, best=0.5, end=end)\n"
    )
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setattr(table_checks, "TRAININGS", Contender("pellucid train", "fake_trainings"))
    chosen = ["diabetes", "breast-cancer"]
    found = table_checks.rising(FACTS, chosen, tmp_path / "out", SETTINGS, count=10)
    assert found.failed
    assert "3 trainings with the defaults of `pellucid train`; 1 of them end more than 2 % above" in found.text
    assert "| 9 | 4 | 0.5 | 0.52 | 4.00 % |" in found.text
    assert "it failed" in found.text
    kept = json.loads((tmp_path / "out" / "rising.json").read_text())
    assert [one["table"] for one in kept["results"]] == ["diabetes", "breast-cancer", "diabetes"]
    assert found.text == (tmp_path / "out" / "rising.md").read_text()
    assert table_checks.rising(FACTS, ["diabetes"], tmp_path / "out", SETTINGS, count=10).failed
    assert not table_checks.rising(FACTS, ["diabetes"], tmp_path / "out", SETTINGS, count=0).failed


@pytest.mark.parametrize(("covered", "failed"), [(0.88, False), (0.91, False), (0.87, True), (0.93, True)])
def test_intervals_that_contain_the_truth_too_seldom_or_too_often_fail(
    covered: float, failed: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    (tmp_path / "fake_trainings.py").write_text(
        "PACKAGES = ()\n"
        "def cover(table, seed):\n"
        f"    covered = {covered} + 0.001 * (-1) ** seed\n"
        "    return dict(test_rows=90, bins=1, width=2.5, covered=covered, expected=0.903, deviation=0.06)\n"
    )
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setattr(table_checks, "TRAININGS", Contender("pellucid train", "fake_trainings"))
    monkeypatch.setattr(table_checks, "COVERAGE_ERROR", 0.02)
    found = table_checks.coverage(FACTS, ["diabetes", "breast-cancer"], tmp_path / "out", SETTINGS)
    assert found.failed == failed
    splits = table_checks.split_count(TABLES["diabetes"].rows)
    (line,) = [line for line in found.text.splitlines() if line.startswith("| diabetes")]
    assert line.startswith(f"| diabetes | {splits} | 90 | {100 * covered:.1f} % | 90.3 ± ")
    kept = json.loads((tmp_path / "out" / "coverage.json").read_text())["results"]
    assert [one["table"] for one in kept] == ["diabetes"], "the other one has classes"
    assert kept[0]["error"] == pytest.approx(0.06 / math.sqrt(splits))
    assert table_checks.coverage(FACTS, ["breast-cancer"], tmp_path / "out", SETTINGS).failed, "nothing was measured"


def test_small_tables_have_more_splits():
    assert table_checks.split_count(442) == 41
    assert table_checks.split_count(10_000) == table_checks.FEWEST_SPLITS


@pytest.mark.long
def test_the_coverage_of_a_split_is_measured_on_its_test_part():
    from benchmarks.contenders.tables import trainings

    one, other = (trainings.cover("diabetes", seed) for seed in (0, 1))
    assert one["test_rows"] == 44
    assert 0.6 < one["covered"] <= 1
    assert one["expected"] == pytest.approx(41 / 45)
    assert 0.5 < one["width"] < 4
    assert one["width"] != other["width"], "another split"


@pytest.mark.parametrize(("peak", "failed"), [(10, False), (100, True), (None, False)])
def test_a_fit_on_a_sparse_matrix_that_takes_too_much_memory_fails(
    peak: int | None, failed: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    measured = {"fit": 1.5, "accuracy": 0.9, "matrix": 10, "parameters": 20, "peak": peak}
    (tmp_path / "fake_pellucid.py").write_text(f"PACKAGES = ()\ndef sparse(rows, columns):\n    return {measured!r}\n")
    (tmp_path / "fake_mlp.py").write_text("import a_library_that_nobody_has\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setattr(table_checks, "contender", lambda name: Contender(name, f"fake_{name}"))
    found = table_checks.sparse(FACTS, [], tmp_path / "out", SETTINGS)
    assert found.failed == failed
    assert "Skipped: mlp: a_library_that_nobody_has is not installed." in found.text
    assert json.loads((tmp_path / "out" / "sparse.json").read_text())["results"][0]["accuracy"] == 0.9


def test_texts_are_sparse_rows_of_norm_1_with_a_subject():
    from sklearn.linear_model import LogisticRegression

    from benchmarks.contenders.tables.sparse import texts

    x, y = texts(600, 2_000)
    assert x.shape == (600, 2_000)
    assert x.has_canonical_format or (x.sum_duplicates() is None and x.has_canonical_format)
    np.testing.assert_allclose(x.multiply(x).sum(axis=1), 1)
    assert 20 < x.nnz / 600 < 80
    other, subjects = texts(300, 2_000, seed=1)
    assert LogisticRegression(max_iter=200).fit(x, y).score(other, subjects) > 0.6  # by chance 0.25


def test_the_peak_of_a_fit_is_what_it_allocates():
    from benchmarks.contenders.tables import sparse

    class Allocating:
        def fit(self, x, y):
            self.size = 40 * 2**20 if x.shape[0] > 400 else 8
            np.frombuffer(mmap.mmap(-1, self.size), np.uint8)[...] = 1  # new memory, not what earlier tests have given back

        def score(self, x, y):
            return 0.5

    found = sparse.run(Allocating, lambda model: model.size, 500, 100)
    assert found["parameters"] == 40 * 2**20
    assert found["matrix"] > 500 * 10 * 12
    if found["peak"] is not None:  # Linux
        assert 39 * 2**20 < found["peak"] < 60 * 2**20


def test_memory_is_stated_in_proportion_to_the_matrix_and_the_parameters():
    measured = {"contender": "pellucid", "fit": 1.0, "accuracy": 0.9, "matrix": 10 * 2**20, "parameters": 30 * 2**20}
    one = measured | {"peak": 50 * 2**20}
    one["share"] = table_checks.memory_share(one)
    assert one["share"] == pytest.approx(1.5)
    assert table_checks.memory_share(measured | {"peak": None}) is None
    text = table_checks.sparse_text(Result("sparse", ""), [one])
    assert "| pellucid | 1 | 0.9000 | 10 | 30 | 50 | 1.50 |" in text
