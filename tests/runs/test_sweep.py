"""Sweeps: every cell is trained once, also after interruptions and failures."""

from __future__ import annotations

import csv
import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from pellucid import ConfigError, FileError, Model, plots
from pellucid.cli import application
from pellucid.runs.plan import RunSettings
from pellucid.runs.sweep import Grid, Sweep, folder_name
from pellucid.training import threads

BASE = RunSettings(model="mlp", epochs=1, limit=100)
SMALL_MNIST = """
import pathlib, sys
sys.path.insert(0, {tests!r})
from published_mnist import publish
publish(pathlib.Path({folder!r}))
"""
NO_FIGURES = """
from pellucid.runs import run
run._save_figures = lambda *arguments: None
"""
HELD = """
import time
from pellucid.runs.folder import RunFolder
write_metrics = RunFolder.write_metrics
def hold(self, metrics):
    while "hidden=6" in self.path.name:
        time.sleep(0.01)
    write_metrics(self, metrics)
RunFolder.write_metrics = hold
"""


def sweep(*words, code=0):
    result = CliRunner().invoke(application(), ["sweep", *map(str, words)], prog_name="pellucid")
    assert result.exit_code == code, result.output
    return result.stdout, result.stderr


def table(path):
    return list(csv.DictReader(path.read_text().splitlines()))


def test_grids():
    grid = Grid.parse(["hidden=16,64x32", "lr=0.1, 1"], seeds=2)
    assert grid.values == {"hidden": ("16", "64x32"), "lr": (0.1, 1.0)}
    cells = grid.cells()
    assert len(cells) == 8
    assert cells[0] == {"hidden": "16", "lr": 0.1, "seed": 0}
    assert folder_name(cells[-1]) == "hidden=64x32,lr=1.0,seed=1"
    assert folder_name({"model": r"C:\nets/a.json", "seed": 0}) == "model=C__nets_a.json,seed=0", "a name on every system"
    changes = Grid.parse(["augmentation=none;rotation=10,shift=2", "model=mlp,cnn"])
    assert changes.values["augmentation"] == ("none", "rotation=10,shift=2")
    assert Grid.parse(["augmentation=none,affine"]).values["augmentation"] == ("none", "affine")
    for axes, seeds, message in [
        ([], 1, "needs a grid"),
        (["lr"], 1, "looks like lr=0.01"),
        (["rate=1"], 1, "no setting 'rate'"),
        (["epoch=1"], 1, "did you mean 'epochs'"),
        (["lr=a"], 1, "not values of lr"),
        (["lr="], 1, "one or more different values"),
        (["lr=1,1.0"], 1, "one or more different values"),
        (["augmentation=rotation=1,shift=2;rotation=1,shift=2"], 1, "one or more different values"),
        (["lr=1", "lr=2"], 1, "given twice"),
        (["lr=1"], 0, "--seeds must be at least 1"),
        (["lr=1,2"], 10**18, "this sweep has 2,000,000,000,000,000,000 runs; at most 100,000 are possible"),
    ]:
        with pytest.raises(ConfigError, match=message):
            Grid.parse(axes, seeds)


def test_a_sweep_from_the_command_line(mnist_folder, no_figures):
    words = ["mnist", "--grid", "hidden=4,8", "--grid", "lr=0.01,0.2,1e9", "--seeds", 2, "--epochs", 2, "--limit", 100]
    text, _ = sweep(*words, "--out", "swept", "--jobs", 1)
    lines = text.splitlines()
    assert lines[0].startswith("1 of 12  hidden=4,lr=0.01,seed=0: validation accuracy ")
    assert "12 of 12  hidden=8,lr=1000000000.0,seed=1: diverged" in text
    assert "2 diverged                     hidden 4, lr 1000000000.0" in text
    rows = table(Path("swept/results.csv"))
    assert [(row["hidden"], row["lr"], row["seed"]) for row in rows] == [
        (hidden, lr, seed) for hidden in "48" for lr in ("0.01", "0.2", "1000000000.0") for seed in "01"
    ]
    for row in rows:
        folder = Path("swept") / f"hidden={row['hidden']},lr={row['lr']},seed={row['seed']}"
        metrics = json.loads((folder / "metrics.json").read_text())
        assert row["status"] == metrics.get("status", "done")
        if row["status"] == "done":
            assert float(row["validation_accuracy"]) == metrics["validation"]["accuracy"]
            assert Model.load(folder / "model.pellucid").parameter_count == int(row["parameters"])
    best = max(np.mean([float(r["validation_accuracy"]) for r in rows[i : i + 2]]) for i in (0, 2, 6, 8))
    assert next(line for line in lines if line.startswith("  ")).startswith(f"  {100 * best:.2f} % (")
    for folder in Path("swept").glob("hidden*"):
        assert "test" not in json.loads((folder / "metrics.json").read_text()), "the test set was not used"
    assert lines[-1] == "the runs, results.csv and the figure are in swept"
    assert Path("swept/sweep.png").read_bytes().startswith(b"\x89PNG")
    again, _ = sweep(*words, "--out", "swept", "--jobs", 1)
    assert again.splitlines()[0] == "12 of 12 runs are done already"
    grown, _ = sweep(
        *words[:-4], "--epochs", 2, "--limit", 100, "--grid", "batch_size=50", "--jobs", 1, "--out", "other", "--json"
    )
    assert len(json.loads(grown)) == 12
    three = [word for setting in ("hidden=4", "lr=0.1", "batch_size=50") for word in ("--grid", setting)]
    text, _ = sweep(*three, "--epochs", 1, "--limit", 50, "--jobs", 1, "--out", "three")
    assert text.splitlines()[-1] == "the runs and results.csv are in three"
    assert not Path("three/sweep.png").exists()


@pytest.mark.parametrize("values", [("a/b", "a:b"), ("a", "a"), ("a", "A")])
def test_two_cells_do_not_share_a_folder(tmp_path, values):
    first, second = values
    folders = sorted({folder_name({"model": value, "seed": 0}) for value in values})
    same = f"the same folder, {folders[0]}" if len(folders) == 1 else "folders that differ only in case, " + ", ".join(folders)
    message = f"have {same}: model={first}, seed=0 and model={second}, seed=0; give"
    with pytest.raises(ConfigError, match=re.escape(message)):
        Sweep(BASE, Grid({"model": values}), tmp_path)


def test_refused_sweeps(mnist_folder):
    sweep("--grid", "lr=0.1", "--epochs", 1, "--limit", 50, "--out", "swept")
    for words, message in [
        (["--grid", "lr=0.1", "--epochs", 2, "--limit", 50, "--out", "swept"], "was trained with epochs=1, not 2"),
        (["mnst", "--grid", "lr=0.1", "--out", "new"], "did you mean 'mnist'"),
        (["--grid", "hidden=5,0", "--out", "new"], "widths look like"),
        (["--grid", "lr=-1", "--out", "new"], "learning_rate must be above 0"),
        (["--grid", "hidden=5", "--model", "cnn", "--out", "new"], "not those of cnn"),
        (["--grid", "hidden=5,a", "--out", "new"], "widths look like"),
        (["--grid", "model=mlp,cn", "--out", "new"], "did you mean 'cnn'"),
        (["--grid", "lr=0.1", "--jobs", 0, "--out", "new"], "--jobs must be at least 1"),
        (["--grid", "lr=0.1", "--out", "mine"], "is not a sweep"),
        (["--grid", "lr=0.1", "--out", "mine/letter.txt"], "cannot be read as a folder"),
    ]:
        Path("mine").mkdir(exist_ok=True)
        Path("mine/letter.txt").write_text("dear")
        _, err = sweep(*words, code=2)
        assert message in err
        assert len(err.splitlines()) == 1
    assert [path.name for path in Path("mine").iterdir()] == ["letter.txt"]
    assert not Path("new").exists()


@pytest.mark.parametrize("runs", [9, pytest.param(27, marks=pytest.mark.long)])
def test_a_stopped_sweep_continues(tmp_path, mnist_folder, monkeypatch, runs):
    monkeypatch.setenv("PELLUCID_KERNELS", "reference")  # loaded in less time by each of the processes
    words = ["sweep", "--grid", "hidden=4,5,6", "--grid", "lr=0.1,0.2,0.3", "--epochs", "1", "--limit", "100"]
    words += ["--seeds", str(runs // 9)]
    # Every Python process runs this file when it starts, those of the sweep included: all of them find the small MNIST.
    startup = SMALL_MNIST.format(tests=str(Path(__file__).parents[1]), folder=str(mnist_folder)) + NO_FIGURES
    (tmp_path / "sitecustomize.py").write_text(startup + HELD)  # a third of the cells does not end
    environment = os.environ | {"PYTHONPATH": str(tmp_path)}
    command = [
        sys.executable,
        "-c",
        "from pellucid.cli import main; main()",
        *words,
        "--jobs",
        "2",
        "--out",
        str(tmp_path / "swept"),
    ]
    process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None
    seen = [process.stdout.readline() for _ in range(3)]
    assert seen[-1].startswith(f"3 of {runs}")
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=300)
    assert process.returncode == 130, err
    done = {path.parent: path.stat().st_mtime_ns for path in (tmp_path / "swept").glob("*/metrics.json")}
    done = {
        folder: when for folder, when in done.items() if not json.loads((folder / "metrics.json").read_text())["interrupted"]
    }
    assert 3 <= len(done) < runs
    (tmp_path / "sitecustomize.py").write_text(startup)
    monkeypatch.setattr("pellucid.runs.run._save_figures", lambda *arguments: None)
    finished = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300)
    assert finished.returncode == 0, finished.stderr
    assert finished.stdout.startswith(f"{len(done)} of {runs} runs are done already")
    after = {path.parent: path.stat().st_mtime_ns for path in (tmp_path / "swept").glob("*/metrics.json")}
    assert len(after) == runs
    assert {folder: after[folder] for folder in done} == done, "no cell was trained twice"
    rows = table(tmp_path / "swept" / "results.csv")
    assert len({(row["hidden"], row["lr"], row["seed"]) for row in rows}) == runs
    alone = Sweep(RunSettings(epochs=1, limit=100), Grid.parse(["hidden=5", "lr=0.2"]), tmp_path / "alone")
    alone.run(jobs=1, notify=lambda text: None)
    for name in alone.plans:
        one, other = (Model.load(folder / name / "model.pellucid") for folder in (tmp_path / "swept", tmp_path / "alone"))
        np.testing.assert_array_equal(one.parameters, other.parameters, "a run is the same in any process")


def test_without_joblib_nothing_is_started(tmp_path, mnist_folder, monkeypatch):
    monkeypatch.setattr("pellucid.runs.processes.available", lambda: False)
    with pytest.raises(ConfigError, match="joblib"):
        Sweep(BASE, Grid.parse(["lr=0.1"]), tmp_path / "sweep").run(1)
    assert not (tmp_path / "sweep").exists()


def test_an_incomplete_metrics_file_is_replaced(tmp_path, mnist_folder, no_figures):
    work = Sweep(BASE, Grid.parse(["lr=0.1,0.2"]), tmp_path / "swept")
    cores = threads.available_cores()
    work.run(jobs=1, notify=lambda text: None)
    assert threads.available_cores() == cores, "this process has its cores back"
    assert threads._limit is None
    assert work.outstanding() == []
    path = tmp_path / "swept" / "lr=0.1,seed=0" / "metrics.json"
    path.write_text(path.read_text()[:40])
    assert work.outstanding() == ["lr=0.1,seed=0"]
    assert len(work.rows()) == 1
    work.run(jobs=1, notify=lambda text: None)
    assert len(work.rows()) == 2
    grown = Sweep(BASE, Grid.parse(["lr=0.1,0.2,0.3"]), tmp_path / "swept")
    assert grown.outstanding() == ["lr=0.3,seed=0"], "a grid may grow"


def test_two_sweeps_do_not_run_in_one_folder(tmp_path, mnist_folder, no_figures):
    one = Sweep(BASE, Grid.parse(["lr=0.1"]), tmp_path / "out")
    one.run(1, notify=lambda line: None)
    other = Sweep(BASE, Grid.parse(["lr=0.1,0.2"]), tmp_path / "out")
    hold = (
        "import sys\nfrom pellucid.core.locks import exclusive_lock\n"
        "with exclusive_lock(sys.argv[1], '', ''): print(flush=True); sys.stdin.read()"
    )
    command = [sys.executable, "-c", hold, str(tmp_path / "out" / ".lock")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        process.stdout.readline()
        before = (tmp_path / "out" / "sweep.json").read_text()
        with pytest.raises(FileError, match="another sweep is running"):
            other.run(1, notify=lambda line: None)
        assert (tmp_path / "out" / "sweep.json").read_text() == before
        assert len(other.outstanding()) == 1  # nothing was trained
        process.kill()  # the lock ends with its process
        process.wait()
        other.run(1, notify=lambda line: None)
    assert not other.outstanding()


def test_a_sweep_that_has_just_begun_is_no_foreign_folder(tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / ".lock").write_text("1 elsewhere\n")
    Sweep(BASE, Grid.parse(["lr=0.1"]), tmp_path / "out")


def test_the_limit_on_threads(monkeypatch):
    monkeypatch.setattr(threads, "_limit", None)
    everything = threads.available_cores()
    threads.limit_threads(1)
    assert threads.available_cores() == 1
    threads.limit_threads(None)
    assert threads.available_cores() == everything


def test_a_sweep_on_a_dask_cluster(tmp_path, mnist_folder):
    distributed = pytest.importorskip("distributed", reason="Dask is not installed")
    with distributed.LocalCluster(n_workers=1, threads_per_worker=1, processes=False, dashboard_address=None) as cluster:
        text, _ = sweep(
            "--grid", "lr=0.1,0.2", "--epochs", 1, "--limit", 50, "--dask", cluster.scheduler_address, "--out", "swept"
        )
    assert "2 of 2" in text
    assert len(table(Path("swept/results.csv"))) == 2
    threads.limit_threads(None)


@pytest.mark.parametrize("address", ["mnist-scenes", "tcp://127.0.0.1:1", "nothing://127.0.0.1:80"])
def test_an_address_without_a_dask_scheduler_is_refused(tmp_path, mnist_folder, address):
    dask = pytest.importorskip("dask", reason="Dask is not installed")
    pytest.importorskip("distributed", reason="Dask is not installed")
    with dask.config.set({"distributed.comm.timeouts.connect": "100ms"}):
        _, error = sweep("--grid", "lr=0.1", "--dask", address, "--out", "swept", code=2)
    assert f"--dask {address}: expected the address of a Dask scheduler" in error


def test_the_mean_needs_all_seeds(tmp_path, mnist_folder):
    work = Sweep(BASE, Grid.parse(["lr=0.1,0.2,0.3"], seeds=2), tmp_path / "swept")
    row = {"status": "done", "score": "accuracy", "validation_accuracy": 0.9}
    diverged = {"status": "diverged", "score": "accuracy", "validation_accuracy": None}
    rows = [{"lr": 0.1, **row}, {"lr": 0.1, **diverged}, {"lr": 0.2, **row}, {"lr": 0.2, **row, "validation_accuracy": 0.8}]
    one, both, none = work.summaries(rows).values()
    assert (one.mean, str(one)) == (None, "1 of 2 seeds, 1 diverged")
    assert (both.mean, str(both)) == (pytest.approx(0.85), "85.00 % (80.00 to 90.00)")
    assert (none.mean, str(none)) == (None, "not done")


def test_a_failed_run_is_reported_and_tried_again(tmp_path, mnist_folder):
    work = Sweep(RunSettings(epochs=1, limit=100), Grid.parse(["limit=1,100"]), tmp_path / "swept")
    lines = []
    work.run(jobs=1, notify=lines.append)
    assert lines[0].startswith("1 of 2  limit=1,seed=0: failed: ")
    assert work.outstanding() == ["limit=1,seed=0"]
    assert len(work.write()) == 1


def test_the_figures():
    two = plots.sweep({"a": (1, 2), "b": (0.1, 0.2, 0.3)}, {(1, 0.1): 0.5, (1, 0.2): 0.9}, {(2, 0.3): "diverged"})
    (ax,) = two.axes
    assert [text.get_text() for text in ax.texts] == ["50.00 %", "90.00 %", "not done", "not done", "not done", "diverged"]
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("b", "a")
    (frame,) = ax.patches
    assert (round(frame.get_x()), round(frame.get_y())) == (1, 0), "the best is framed"
    (ax,) = plots.sweep({"lr": (0.1, 1.0, 2.0)}, {(0.1,): 0.5, (1.0,): 0.75}, {(2.0,): "diverged"}).axes
    assert [text.get_text() for text in ax.texts] == ["50.00", "75.00", "diverged"]
    with pytest.raises(ConfigError, match="one or two settings"):
        plots.sweep({}, {})


def test_a_cell_whose_process_was_killed_at_its_very_end_is_tidied(tmp_path, mnist_folder, no_figures):
    words = ["--grid", "hidden=4,5", "--epochs", "1", "--limit", "50", "--jobs", "1", "--out", tmp_path / "swept"]
    sweep(*words)
    cells = [path.parent for path in (tmp_path / "swept").glob("*/metrics.json")]
    assert len(cells) == 2
    (cells[0] / "checkpoints").mkdir()
    (cells[0] / "checkpoints" / "checkpoint-000000001.pellucid").write_bytes(b"")
    (cells[1] / ".lock").write_bytes(b"1 elsewhere")
    before = [(cell / "model.pellucid").stat().st_mtime_ns for cell in cells]
    sweep(*words)
    assert [(cell / "model.pellucid").stat().st_mtime_ns for cell in cells] == before
    assert not any(path.name in ("checkpoints", ".lock") for cell in cells for path in cell.iterdir())
