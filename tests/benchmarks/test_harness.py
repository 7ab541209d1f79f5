"""The benchmarks' harness, without the peers: contenders that take turns, that break, or that are not there."""

from __future__ import annotations

import math
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.harness import Case, Settings, Work, measure, turns
from benchmarks.jobs import Job, falls, fastest, probabilities
from benchmarks.results import Result
from benchmarks.session import Contender

#: A contender that writes its name into a file whenever a burst of it is measured, and whose loss falls.
SLEEPER = """
import time
from itertools import count
from pathlib import Path
from benchmarks.jobs import Job, falls

PACKAGES = ()

def step(log, seconds, batch):
    losses = count(100, -1)
    print("libraries print things, and that must not get between the answers")

    def run():
        time.sleep(seconds)
        return next(losses)

    def wait(_):
        with Path(log).open("a") as file:
            file.write({name!r} + str(batch) + " ")

    return Job(run, falls(), wait, period=1, form="asleep")
"""
CRASHER = """
import os
import sys
from benchmarks.jobs import Job, falls

def step(log, seconds, batch):
    losses = iter(range(100, 0, -1))
    def run():
        loss = next(losses)
        if loss < 90 and batch == 2:
            print("the last words", file=sys.stderr, flush=True)
            os._exit(3)  # as a library does whose compiled part breaks
        return loss
    return Job(run, falls())
"""
#: Repetitions in which a run is longer than a burst: then a burst is one run, and each measurement one line of the log.
SHORT = {"repeats": 4, "burst": 0.0, "warm_up": 0.0, "pause": 0.0, "patience": 60.0}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of contenders that child processes can import."""
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    for name in "abc":
        (tmp_path / f"fake_{name}.py").write_text(SLEEPER.format(name=name))
    (tmp_path / "fake_crash.py").write_text(CRASHER)
    (tmp_path / "fake_missing.py").write_text("import a_library_that_nobody_has\n")
    (tmp_path / "fake_broken.py").write_text("import json.a_part_that_is_not_there\n")
    (tmp_path / "fake_stuck.py").write_text(SLEEPER.format(name="s"))
    (tmp_path / "fake_idle.py").write_text(SLEEPER.format(name="i").replace("count(100, -1)", "count(100, 0)"))
    return tmp_path


def fakes(*names: str) -> Case:
    """A benchmark of contenders in the folder."""
    return Case(
        "fake", "a fake", tuple(Contender(name, f"fake_{name}") for name in names), lambda case, settings: Result("", "")
    )


def rows(folder: Path, *batches: int, seconds: float = 0.001) -> list[Work]:
    """Pieces of work, each logged in the folder."""
    arguments = {"log": str(folder / "log"), "seconds": seconds}
    return [Work(f"batch {batch}", "step", {**arguments, "batch": batch}) for batch in batches]


def settings(said: list[str] | None = None, **changes: object) -> Settings:
    return Settings(**{**SHORT, "say": [].append if said is None else said.append, **changes})  # type: ignore[arg-type]


def test_turns_rotate() -> None:
    assert turns(["a", "b", "c"], 4) == [["a", "b", "c"], ["b", "c", "a"], ["c", "a", "b"], ["a", "b", "c"]]
    assert turns([], 2) == [[], []]


def test_contenders_take_turns_in_processes_of_their_own(folder: Path) -> None:
    result = measure(fakes("a", "b", "c"), rows(folder, 1, 2, seconds=0.005), settings())
    assert not result.failures
    assert not result.skipped
    assert [one.label for one in result.rows] == ["batch 1", "batch 2"]
    for one in result.rows:
        assert list(one.cells) == ["a", "b", "c"]
        for cell in one.cells.values():
            assert len(cell.values) == 4
            assert min(cell.values) >= 5  # milliseconds: it slept that long
            assert cell.form == "asleep"
    log = (folder / "log").read_text().split()
    for number, batch in enumerate("12"):
        half = log[number * len(log) // 2 :][: len(log) // 2]
        measured = [name for name in half if name.endswith(batch)][-12:]  # before that, they were made ready
        assert "".join(name[0] for name in measured) == "abcbcacababc"


def test_a_contender_that_breaks_is_reported_and_the_others_go_on(folder: Path) -> None:
    said: list[str] = []
    result = measure(fakes("crash", "a", "missing", "broken"), rows(folder, 1, 2, 3), settings(said, repeats=20))
    assert result.skipped == {"missing": "a_library_that_nobody_has is not installed"}
    broken, crash = result.failures
    assert (broken.contender, broken.row) == ("broken", "start")
    assert (crash.contender, crash.row) == ("crash", "batch 2")
    assert crash.reason == "its process ended with code 3"
    assert crash.stderr == ["the last words"]
    assert broken.stderr[-1].startswith("ModuleNotFoundError: No module named 'json.a_part")
    assert [list(one.cells) for one in result.rows] == [["crash", "a"], ["a"], ["a"]]
    assert "crash" not in result.contenders
    assert "versions" in result.contenders["a"]
    assert any("crash: FAILED at batch 2" in line for line in said)


def test_a_contender_that_never_answers_is_given_up(folder: Path) -> None:
    result = measure(fakes("stuck"), rows(folder, 1, seconds=60), settings(patience=1.0))
    assert [failure.reason for failure in result.failures] == ["no answer in 1 s"]


def test_a_contender_that_does_not_train_fails(folder: Path) -> None:
    result = measure(fakes("idle"), rows(folder, 1), settings())
    assert "this does not train: its loss was 100.0000 at first" in result.failures[0].stderr[-1]


def test_only_keeps_the_chosen_and_the_baselines() -> None:
    all_of_them = (Contender("numpy", "", baseline=True), Contender("a", ""), Contender("b", ""))
    assert [one.name for one in settings(only=("b",)).chosen(all_of_them)] == ["numpy", "b"]
    assert len(settings().chosen(all_of_them)) == 3


def test_fastest_takes_the_quickest_way_that_works_and_proves_from_its_first_run() -> None:
    def way(cost: int) -> Job:
        losses = iter(range(10**9, 0, -1))
        return Job(lambda: (sum(range(cost)), next(losses))[1], falls())

    def fails() -> Job:
        raise ValueError("not on this machine")

    job = fastest({"slow": lambda: way(100_000), "quick": lambda: way(1), "fails": fails}, trial=0.001)
    assert job.form == "quick"
    assert job.proof([1.0], [2.0]).startswith("loss 1000000000.000 to 2.000")  # not from what it is given as the first
    with pytest.raises(ValueError, match="not on this machine"):
        fastest({"fails": fails})


def test_proofs_refuse_what_proves_nothing() -> None:
    numpy = pytest.importorskip("numpy")
    with pytest.raises(RuntimeError, match="does not train"):
        falls()([1.0], [math.nan])
    good = numpy.full((3, 10), 0.1)
    assert probabilities(3)([good], [good])
    for bad in (good[:2], good * 2, good * math.nan):
        with pytest.raises(RuntimeError, match="not 3 rows"):
            probabilities(3)([bad], [bad])


def test_the_parent_imports_no_library() -> None:
    """Arrays in the harness would take memory and threads beside those that it measures."""
    check = "import sys, benchmarks.__main__; sys.exit('numpy' in sys.modules or 'pellucid' in sys.modules)"
    root = Path(__file__).resolve().parents[2]
    assert subprocess.run([sys.executable, "-c", check], cwd=root).returncode == 0
