"""The harness of the benchmarks without the peers: contenders that take turns, that fail, or that are not installed."""

from __future__ import annotations

import math
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.harness import Case, Settings, Workload, measure, rotations
from benchmarks.jobs import Job, are_probabilities, fastest, loss_falls
from benchmarks.results import Result
from benchmarks.session import Contender

#: A contender with a falling loss that writes its name into a file whenever a burst of it is measured.
SLEEPER = """
import time
from itertools import count
from pathlib import Path
from benchmarks.jobs import Job, loss_falls

PACKAGES = ()

def step(log, seconds, batch):
    losses = count(100, -1)
    print("what libraries print must not mix with the answers")

    def run():
        time.sleep(seconds)
        return next(losses)

    def wait(_):
        with Path(log).open("a") as file:
            file.write({name!r} + str(batch) + " ")

    return Job(run, loss_falls(), wait, period=1, variant="asleep")
"""
CRASHER = """
import os
import sys
from benchmarks.jobs import Job, loss_falls

def step(log, seconds, batch):
    losses = iter(range(100, 0, -1))
    def run():
        loss = next(losses)
        if loss < 90 and batch == 2:
            print("the last words", file=sys.stderr, flush=True)
            os._exit(3)  # like a crash in compiled code
        return loss
    return Job(run, loss_falls())
"""
#: Settings in which a run is longer than a burst, so that a burst is one run, and each measurement one entry in the log.
SHORT = {"repeats": 4, "burst": 0.0, "warm_up": 0.0, "pause": 0.0, "timeout": 60.0}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with contenders that child processes can import."""
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
    """Return a benchmark of contenders in the folder."""
    return Case(
        "fake", "a fake", tuple(Contender(name, f"fake_{name}") for name in names), lambda case, settings: Result("", "")
    )


def rows(folder: Path, *batches: int, seconds: float = 0.001) -> list[Workload]:
    """Return workloads that are logged in the folder."""
    arguments = {"log": str(folder / "log"), "seconds": seconds}
    return [Workload(f"batch {batch}", "step", {**arguments, "batch": batch}) for batch in batches]


def settings(messages: list[str] | None = None, **changes: object) -> Settings:
    return Settings(**{**SHORT, "notify": [].append if messages is None else messages.append, **changes})  # type: ignore[arg-type]


def test_the_order_rotates() -> None:
    assert rotations(["a", "b", "c"], 4) == [["a", "b", "c"], ["b", "c", "a"], ["c", "a", "b"], ["a", "b", "c"]]
    assert rotations([], 2) == [[], []]


def test_contenders_take_turns_in_separate_processes(folder: Path) -> None:
    result = measure(fakes("a", "b", "c"), rows(folder, 1, 2, seconds=0.005), settings())
    assert not result.failures
    assert not result.skipped
    assert [one.label for one in result.rows] == ["batch 1", "batch 2"]
    for one in result.rows:
        assert list(one.cells) == ["a", "b", "c"]
        for cell in one.cells.values():
            assert len(cell.values) == 4
            assert min(cell.values) >= 5  # milliseconds of sleep
            assert cell.variant == "asleep"
    log = (folder / "log").read_text().split()
    for number, batch in enumerate("12"):
        half = log[number * len(log) // 2 :][: len(log) // 2]
        measured = [name for name in half if name.endswith(batch)][-12:]  # the entries before are from the warm-up
        assert "".join(name[0] for name in measured) == "abcbcacababc"


def test_a_contender_that_crashes_is_reported_and_the_others_continue(folder: Path) -> None:
    messages: list[str] = []
    result = measure(fakes("crash", "a", "missing", "broken"), rows(folder, 1, 2, 3), settings(messages, repeats=20))
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
    assert any("crash: FAILED at batch 2" in line for line in messages)


def test_a_contender_that_does_not_answer_is_stopped(folder: Path) -> None:
    result = measure(fakes("stuck"), rows(folder, 1, seconds=60), settings(timeout=1.0))
    assert [failure.reason for failure in result.failures] == ["no answer in 1 s"]


def test_a_contender_that_does_not_train_fails(folder: Path) -> None:
    result = measure(fakes("idle"), rows(folder, 1), settings())
    assert "this does not train: its loss was 100.0000 at first" in result.failures[0].stderr[-1]


def test_only_keeps_the_named_contenders_and_the_baselines() -> None:
    all_of_them = (Contender("numpy", "", baseline=True), Contender("a", ""), Contender("b", ""))
    assert [one.name for one in settings(only=("b",)).select(all_of_them)] == ["numpy", "b"]
    assert len(settings().select(all_of_them)) == 3


def test_fastest_returns_the_fastest_working_variant_and_checks_it_from_its_first_run() -> None:
    def variant(cost: int) -> Job:
        losses = iter(range(10**9, 0, -1))
        return Job(lambda: (sum(range(cost)), next(losses))[1], loss_falls())

    def fails() -> Job:
        raise ValueError("not on this machine")

    job = fastest({"slow": lambda: variant(100_000), "quick": lambda: variant(1), "fails": fails}, trial=0.001)
    assert job.variant == "quick"
    assert job.check([1.0], [2.0]).startswith("loss 1000000000.000 to 2.000")  # from its own first run, not from the argument
    with pytest.raises(ValueError, match="not on this machine"):
        fastest({"fails": fails})


def test_checks_refuse_wrong_results() -> None:
    numpy = pytest.importorskip("numpy")
    with pytest.raises(RuntimeError, match="does not train"):
        loss_falls()([1.0], [math.nan])
    good = numpy.full((3, 10), 0.1)
    assert are_probabilities(3)([good], [good])
    for bad in (good[:2], good * 2, good * math.nan):
        with pytest.raises(RuntimeError, match="expected 3 rows"):
            are_probabilities(3)([bad], [bad])


def test_the_parent_imports_no_library() -> None:
    """A library in the parent process would use memory and threads beside those that are measured."""
    check = "import sys, benchmarks.__main__; sys.exit('numpy' in sys.modules or 'pellucid' in sys.modules)"
    root = Path(__file__).resolve().parents[2]
    assert subprocess.run([sys.executable, "-c", check], cwd=root).returncode == 0
