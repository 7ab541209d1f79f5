"""Runs that are killed or interrupted and resumed: they end with the same bytes, and their folders say what happened."""

from __future__ import annotations

import dataclasses
import errno
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from pellucid import (
    CheckpointError,
    DataError,
    Dense,
    DivergedError,
    FileError,
    Flatten,
    LockedError,
    Model,
    Sequential,
    Softmax,
)
from pellucid.core.config import to_json
from pellucid.core.locks import exclusive_lock
from pellucid.runs import run as run_module
from pellucid.runs.folder import RunFolder, holder_of, interrupted_runs, is_complete, read_status
from pellucid.runs.plan import RunPlan, RunSettings
from pellucid.runs.progress import HistoryFile, Status
from pellucid.runs.resuming import resume
from pellucid.runs.run import run
from pellucid.runs.sweep import Grid, Sweep
from pellucid.training import EpochEvent, History, threads
from pellucid.training.checkpoint import checkpoint_files
from pellucid.training.resuming import newest

if not hasattr(signal, "SIGKILL"):
    pytest.skip("signals and kills are POSIX", allow_module_level=True)

# Sends itself a signal at a step; what follows trains. Checkpoints are written after every third step.
CHILD = """
import functools, os, pathlib, signal, sys
sys.path.insert(0, sys.argv[1])
from published_mnist import publish
publish(pathlib.Path(sys.argv[2]))
from pellucid.cli import main
from pellucid.runs import progress, run
from pellucid.training import Checkpoint
run.Checkpoint = functools.partial(Checkpoint, every_steps=3)
run._save_figures = lambda *arguments: None
original, numbers, step = progress.RunProgress._see, [int(n) for n in sys.argv[3].split(",") if n], int(sys.argv[4])
def see(self, event):
    original(self, event)
    if getattr(event, "step", None) == step:
        for number in numbers:
            os.kill(os.getpid(), number)
progress.RunProgress._see = see
del sys.argv[1:5]
"""
STEPS = 3 * 8  # of the run below
FLAGS = (
    *("train", "mnist", "--model", "mlp", "--hidden", "8", "--epochs", "3", "--batch-size", "50", "--optimizer", "adam"),
    *("--augmentation", "shift=2", "--early-stopping", "5"),
)
SETTINGS = RunSettings(hidden="8", epochs=3, batch_size=50, optimizer="adam", augmentation="shift=2", early_stopping=5)


# A process that has imported what a command needs, and becomes a child of its own for each request: a line of JSON. To import
# it anew takes most of the time of a command.
SERVER = """
import json, os, signal, sys
sys.path.insert(0, sys.argv[1])
import published_mnist
from pellucid import kernels
from pellucid.cli import application
from pellucid.runs import resuming, run, sweep
application()
kernels.load("reference")
for line in sys.stdin:
    request = json.loads(line)
    pid = os.fork()
    if not pid:
        break
    print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), flush=True)
else:
    sys.exit()
signal.alarm(300)  # nothing hangs
os.environ.clear()
os.environ.update(request["environment"])
os.chdir(request["folder"])
for number, name in enumerate(request["files"]):
    file = os.open(name, os.O_RDWR | os.O_CREAT)
    os.dup2(file, number)
    os.close(file)
sys.argv = ["-c", *request["arguments"]]
code = request["code"]
del json, line, pid, request, signal
exec(code)
"""


@pytest.fixture(scope="module")
def server():
    """The process of which children are made."""
    command = [sys.executable, "-c", SERVER, str(Path(__file__).parents[1])]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        yield process
        process.stdin.close()


@pytest.fixture
def child(server, tmp_path_factory):
    """A function that runs a command, which sends itself signals. It returns the exit code and the output."""

    def run_child(folder, *arguments, signals=(), step=0, code="main()"):
        numbers = ",".join(str(int(number)) for number in signals)
        names = [tmp_path_factory.mktemp("child") / name for name in ("in", "out", "err")]
        request = {
            "code": CHILD + code,
            "arguments": [str(Path(__file__).parents[1]), str(folder), numbers, str(step), *map(str, arguments)],
            "environment": dict(os.environ),
            "folder": os.getcwd(),
            "files": [str(name) for name in names],
        }
        print(json.dumps(request), file=server.stdin, flush=True)
        return int(server.stdout.readline()), *(name.read_text() for name in names[1:])

    return run_child


def train(out, settings=SETTINGS, notify=lambda line: None, **options):
    return run(RunPlan.of(settings), out, notify=notify, progress=False, **options)


def resumed(path, **options):
    """Resume a run in this process. Returns its metrics and the lines that it prints."""
    lines = []
    metrics = resume(path, notify=lines.append, progress=False, **options)
    assert metrics is not None
    return metrics, lines


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    """Kernels that need no compiler, and no figures."""
    monkeypatch.setenv("PELLUCID_KERNELS", "reference")
    monkeypatch.setattr(run_module, "_save_figures", lambda *arguments: None)


@pytest.fixture
def whole(tmp_path, mnist_folder):
    """A run without interruptions."""
    train(tmp_path / "whole")
    return tmp_path / "whole"


def without_times(metrics):
    return {name: value for name, value in metrics.items() if name not in ("seconds", "energy", "resumed", "threads")}


def assert_same(path, whole, times=1):
    """Check that a resumed run has the results of the one without interruptions."""
    assert (path / "model.pellucid").read_bytes() == (whole / "model.pellucid").read_bytes()
    one, other = (json.loads((folder / "metrics.json").read_text()) for folder in (path, whole))
    assert without_times(one) == without_times(other)
    assert (one["resumed"], other["resumed"]) == (times, 0)
    tables = [
        [line.split(",")[:1] + line.split(",")[2:] for line in (folder / "history.csv").read_text().splitlines()]
        for folder in (path, whole)
    ]
    assert tables[0] == tables[1], "but for the seconds"
    assert (path / "config.json").read_text() == (whole / "config.json").read_text()
    names = [{file.name for file in folder.iterdir()} for folder in (path, whole)]
    assert names[0] == names[1], "no checkpoints and no lock remain"
    assert is_complete(path)
    assert read_status(path)["checkpoint"] is None


@pytest.mark.parametrize("step", [1, 16, STEPS])
def test_a_killed_run_is_resumed_to_the_same_bytes(child, tmp_path, mnist_folder, whole, step):
    path = tmp_path / "run"
    code, _, _ = child(mnist_folder, *FLAGS, "--out", path, signals=[signal.SIGKILL], step=step)
    assert code == -signal.SIGKILL
    assert {"config.json", "status.json", ".lock"} <= set(os.listdir(path))
    assert read_status(path)["status"] == "training"
    assert holder_of(path) is None, "a dead process holds no lock"
    (path / ".status.json.0123abcd.part").write_text("{")  # it was killed while it wrote this file
    metrics, lines = resumed(path)
    newest = (step - 1) // 3 * 3  # the checkpoint after step n is written when step n + 1 is requested
    expected = (
        f"after {newest} steps ({newest // 8} complete epochs)" if newest else "the beginning: there is no checkpoint yet"
    )
    assert expected.replace("(1 complete epochs", "(1 complete epoch") in lines[0]
    assert_same(path, whole)
    assert metrics["epochs"] == 3


def test_a_run_is_resumed_on_another_number_of_threads(child, tmp_path, mnist_folder, monkeypatch):
    monkeypatch.setenv("PELLUCID_KERNELS", "compiled")
    train(tmp_path / "whole")
    child(mnist_folder, *FLAGS, "--out", tmp_path / "run", signals=[signal.SIGKILL], step=10)
    threads.limit_threads(1)
    try:
        resumed(tmp_path / "run")
    finally:
        threads.limit_threads(None)
    assert_same(tmp_path / "run", tmp_path / "whole")


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_a_signal_ends_a_run_after_the_step_with_a_checkpoint(child, tmp_path, mnist_folder, whole, number, code):
    path = tmp_path / "run"
    found, out, err = child(mnist_folder, *FLAGS, "--out", path, signals=[number], step=11)
    assert (found, "Traceback" in err) == (code, False)
    assert out.splitlines()[-1] == f"continue with: pellucid resume {path}"
    assert sorted(os.listdir(path)) == ["checkpoints", "config.json", "history.csv", "status.json"], "and no evaluation"
    assert checkpoint_files(path / "checkpoints")[0].name == "checkpoint-000000011.pellucid"
    status = read_status(path)
    assert (status["status"], status["epoch"], status["batch"], status["step"]) == ("interrupted", 2, 3, 11)
    assert status["checkpoint"] == "checkpoints/checkpoint-000000011.pellucid"
    code, out, err = child(mnist_folder, "resume", path)
    assert code == 0, err
    assert (
        out.splitlines()[0]
        == f"resumed   from {path}/checkpoints/checkpoint-000000011.pellucid: after 11 steps (1 complete epoch)"
    )
    assert_same(path, whole)


def test_ctrl_c_evaluates_and_the_run_can_be_continued_twice(child, tmp_path, mnist_folder, whole):
    path = tmp_path / "run"
    code, out, err = child(mnist_folder, *FLAGS, "--out", path, signals=[signal.SIGINT], step=5)
    assert code == 130
    assert "Ctrl-C again ends it at once\n" in err
    assert out.splitlines()[-1] == f"continue with: pellucid resume {path}"
    assert json.loads((path / "metrics.json").read_text())["interrupted"]
    assert Model.load(path / "model.pellucid").history is not None
    code, out, _ = child(mnist_folder, "train", "--resume", path, signals=[signal.SIGINT], step=17)
    assert code == 130
    assert json.loads((path / "metrics.json").read_text())["resumed"] == 1
    assert not is_complete(path)
    resumed(path)
    assert_same(path, whole, times=2)


def test_the_folder_of_an_interrupted_run_says_how_to_go_on(child, tmp_path, mnist_folder, whole):
    path = tmp_path / "run"
    code, *_ = child(mnist_folder, *FLAGS, "--out", path, signals=[signal.SIGTERM], step=11)
    assert code == 143
    with pytest.raises(FileError, match=r"is not empty: go on with its run, pellucid resume .*run, choose another folder"):
        train(path)
    with pytest.raises(FileError, match="is not empty: choose another folder"):
        train(whole)


def test_a_second_signal_ends_at_once(child, tmp_path, mnist_folder):
    for number, code in ((signal.SIGINT, 130), (signal.SIGTERM, -signal.SIGTERM)):
        path = tmp_path / str(code)
        found, out, err = child(mnist_folder, *FLAGS, "--out", path, signals=[number] * 2, step=11)
        assert (found, "Traceback" in err) == (code, False)
        assert out.endswith(f"continue with: pellucid resume {path}\n") == (code == 130)
        assert not (path / "metrics.json").exists(), "there is no evaluation"
        assert checkpoint_files(path / "checkpoints")[0].name == "checkpoint-000000009.pellucid", "and no checkpoint"


def test_an_ignored_signal_does_not_end_a_run(child, tmp_path, mnist_folder, whole):
    code = "signal.signal(signal.SIGHUP, signal.SIG_IGN)\nmain()"  # as with nohup
    found, _, err = child(mnist_folder, *FLAGS, "--out", tmp_path / "run", signals=[signal.SIGHUP], step=11, code=code)
    assert found == 0, err
    assert_same(tmp_path / "run", whole, times=0)


def test_a_damaged_checkpoint_is_replaced_by_the_one_before(child, tmp_path, mnist_folder, whole):
    path = tmp_path / "run"
    child(mnist_folder, *FLAGS, "--out", path, signals=[signal.SIGKILL], step=17)
    newest, before = checkpoint_files(path / "checkpoints")
    content = newest.read_bytes()
    newest.write_bytes(content[: len(content) // 2])
    metrics, lines = resumed(path)
    assert lines[0].startswith(f"damaged   {newest}")
    assert lines[1].startswith(f"resumed   from {before}")
    assert len(metrics["problems"]) == 1
    metrics["problems"].clear()
    written = json.loads((path / "metrics.json").read_text())
    (path / "metrics.json").write_text(json.dumps({**written, "problems": []}))
    assert_same(path, whole)


def test_a_run_whose_checkpoints_are_all_damaged_is_refused(child, tmp_path, mnist_folder):
    path = tmp_path / "run"
    child(mnist_folder, *FLAGS, "--out", path, signals=[signal.SIGKILL], step=17)
    for file in checkpoint_files(path / "checkpoints"):
        file.write_bytes(file.read_bytes()[:1000])
    with pytest.raises(CheckpointError, match=r"no checkpoint in .* can be read"):
        resumed(path)
    assert len(checkpoint_files(path / "checkpoints")) == 2, "nothing was deleted"
    assert holder_of(path) is None


def test_two_processes_do_not_train_into_one_folder(child, tmp_path, mnist_folder):
    path = tmp_path / "run"
    path.mkdir()
    with exclusive_lock(path / ".lock", "", ""):
        message = (
            rf"{path} is in use by another training \(process {os.getpid()} on .*\): wait until it ends, or choose another"
        )
        for options in ({}, {"force": True}):
            with pytest.raises(LockedError, match=message):
                train(path, **options)
        (path / "config.json").write_text("{}")
        with pytest.raises(LockedError, match=message):
            train(path)
        with pytest.raises(LockedError, match=message):
            resume(path, notify=print, progress=False)
        code, _, err = child(mnist_folder, *FLAGS, "--out", path, "--force")
        assert (code, f"(process {os.getpid()} on" in err) == (2, True)
        assert sorted(os.listdir(path)) == [".lock", "config.json"]
    (path / "config.json").unlink()
    (path / ".lock").write_text("1 elsewhere\n")  # that of a process which died
    train(path, dataclasses.replace(SETTINGS, epochs=1))
    assert not (path / ".lock").exists()


def test_the_files_of_a_run_grow_while_it_trains(tmp_path, mnist_folder, monkeypatch):
    path = tmp_path / "run"
    monkeypatch.setattr(Status, "is_due", lambda self, event: True)
    statuses, tables, configs = [], [], set()

    def observer(event, control, history):
        statuses.append((event, read_status(path)))
        configs.add((path / "config.json").read_text())
        if isinstance(event, EpochEvent):
            tables.append((path / "history.csv").read_text())
        assert holder_of(path) is not None
        return True

    metrics = train(path, observer=observer)
    final = (path / "history.csv").read_text()
    assert [len(table.splitlines()) for table in tables] == [2, 3, 4]
    assert all(final.startswith(table) for table in tables)
    assert configs == {(path / "config.json").read_text()}
    for event, status in statuses:
        assert (status["status"], status["process"], status["epochs"]) == ("training", os.getpid(), 3)
        assert status["epoch"] == event.epoch
        expected = event.train if isinstance(event, EpochEvent) else event.scores()
        assert status["scores"].keys() == {"loss", "accuracy"} == expected.keys()
    event, status = statuses[9]
    assert (status["batch"], status["batches"], status["step"]) == (1, 8, 9)
    assert status["remaining"] == pytest.approx(status["seconds"] * (15 / 8) / (9 / 8), rel=0.5)
    assert status["checkpoint"] == "checkpoints/checkpoint-000000008.pellucid"
    assert statuses[-1][1]["validation"]["loss"] == pytest.approx(metrics["validation"]["loss"])
    last = read_status(path)
    assert (last["status"], last["step"], last["seconds"]) == ("done", STEPS, pytest.approx(metrics["seconds"]))
    assert last["started"] <= last["updated"]


def test_history_files_follow_their_history(tmp_path, monkeypatch):
    folder, history = RunFolder(tmp_path / "run", "run"), History()
    path, file = folder.path / "history.csv", HistoryFile(folder, history)
    file.update()
    assert not path.exists()
    for epoch in (1, 2):
        history.rows.append({"epoch": epoch, "loss": 1 / 3})
        file.update()
        assert path.read_text() == history.to_csv()
    inode = path.stat().st_ino
    history.rows.append({"epoch": 3, "loss": 0.1})
    with monkeypatch.context() as full:
        full.setattr("builtins.open", lambda *args, **options: (_ for _ in ()).throw(OSError(errno.ENOSPC, "disk full")))
        file.update()
    history.rows.append({"epoch": 4, "loss": 0.1})
    file.update()
    assert path.read_text() == history.to_csv()
    assert path.stat().st_ino == inode, "tail -f follows the file"
    history.rows.append({"epoch": 5, "loss": 0.1, "accuracy": 0.5})
    file.update()
    assert path.read_text() == history.to_csv(), "other columns"
    history.rows[:] = history.rows[:2]
    HistoryFile(folder, history).update()
    assert path.read_text() == history.to_csv(), "the rows of a checkpoint"


def test_a_full_disk_ends_no_training(tmp_path, mnist_folder, monkeypatch, whole):
    def full(path, chunks):
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as context:
        context.setattr("pellucid.training.checkpoint.write_atomically", full)
        metrics = train(tmp_path / "run")
    assert len(metrics["problems"]) == 1
    assert "could not be written" in metrics["problems"][0]
    assert (tmp_path / "run" / "model.pellucid").read_bytes() == (whole / "model.pellucid").read_bytes()


def test_a_disk_that_fills_up_at_the_end_leaves_a_run_to_continue(child, tmp_path, mnist_folder, whole):
    # The checkpoints and the model are larger than the limit on the size of a file; the other files are not.
    code = "import resource\nresource.setrlimit(resource.RLIMIT_FSIZE, (60_000, 60_000))\nmain()"
    found, _, err = child(mnist_folder, *FLAGS, "--out", tmp_path / "run", code=code)
    assert found == 2, err
    assert "model.pellucid: cannot be written: File too large" in err
    status = read_status(tmp_path / "run")
    assert (status["status"], status["step"]) == ("failed", STEPS)
    assert "File too large" in status["error"]
    resumed(tmp_path / "run")  # from the beginning: no checkpoint could be written either
    assert_same(tmp_path / "run", whole)


def test_a_run_that_fails_early_leaves_nothing_and_later_says_why(tmp_path, mnist_folder):
    with pytest.raises(DivergedError):
        train(tmp_path / "early", dataclasses.replace(SETTINGS, optimizer=None, lr=1e9))
    assert not (tmp_path / "early").exists()

    def diverge(event, control, history):
        control.learning_rate = 1e30 if event.epoch == 2 else None
        return True

    lines = []
    with pytest.raises(DivergedError) as error:
        train(tmp_path / "late", dataclasses.replace(SETTINGS, optimizer=None), notify=lines.append, observer=diverge)
    status = read_status(tmp_path / "late")
    assert (status["status"], status["error"]) == ("failed", str(error.value))
    assert len((tmp_path / "late" / "history.csv").read_text().splitlines()) == 2
    assert json.loads((tmp_path / "late" / "config.json").read_text())["seed"] == 0
    assert not any(line.startswith("continue") for line in lines), "it would diverge again"


def test_force_keeps_the_old_run_until_there_is_something_new(tmp_path, mnist_folder, whole):
    before = {path.name: path.read_bytes() for path in whole.iterdir()}
    (whole / "checkpoints").mkdir()
    (whole / "checkpoints" / "checkpoint-000000099.pellucid").write_text("old")
    with pytest.raises(DivergedError):
        train(whole, dataclasses.replace(SETTINGS, optimizer=None, lr=1e9), force=True)
    assert {path.name: path.read_bytes() for path in whole.iterdir()} == before
    names = []

    def observer(event, control, history):
        names.append({path.name for path in whole.iterdir()})
        return len(names) < 10

    metrics = train(whole, dataclasses.replace(SETTINGS, seed=1), force=True, observer=observer)
    assert "metrics.json" in names[0]
    assert "metrics.json" not in names[9]
    assert json.loads((whole / "config.json").read_text())["seed"] == 1
    assert metrics["interrupted"]
    resumed(whole)
    train(tmp_path / "other", dataclasses.replace(SETTINGS, seed=1))
    assert_same(whole, tmp_path / "other")


def test_changes_of_the_learning_rate_go_on(tmp_path, mnist_folder):
    def observer(stop):
        def observe(event, control, history):
            if not isinstance(event, EpochEvent):
                control.learning_rate = {3: 0.05, 14: None, 19: 0.02}.get(event.step, control.learning_rate)
            return getattr(event, "step", None) != stop

        return observe

    train(tmp_path / "whole", observer=observer(0))
    for stop in (10, 14):
        metrics = train(tmp_path / str(stop), observer=observer(stop))
        assert (metrics["interrupted"], len(metrics["learning_rate_changes"])) == (True, 1 + (stop == 14))
        metrics, _ = resumed(tmp_path / str(stop), observer=observer(0))
        assert [change["after_step"] for change in metrics["learning_rate_changes"]] == [3, 14, 19]
        assert_same(tmp_path / str(stop), tmp_path / "whole")


def stop_at(step):
    return lambda event, control, history: getattr(event, "step", None) != step


def test_times_and_interruptions_add_up(child, tmp_path, mnist_folder):
    path, seconds = tmp_path / "run", []
    train(path, observer=stop_at(5))
    for step in (6, 10, 13):
        metrics, _ = resumed(path, observer=stop_at(step))
        seconds.append(metrics["seconds"])
        assert metrics["energy"]["joules"] > 0
        record = newest(path / "checkpoints").record
        assert (record["seconds"], record["energy"]) == (metrics["seconds"], metrics["energy"])  # resuming goes on from these
    child(mnist_folder, "resume", path, signals=[signal.SIGKILL], step=14)  # there is no checkpoint of this part
    metrics, _ = resumed(path)
    assert (metrics["resumed"], metrics["interrupted"], metrics["epochs"]) == (5, False, 3)
    assert seconds == sorted(seconds)
    assert metrics["seconds"] > seconds[-1]


def test_the_range_test_is_not_repeated(tmp_path, mnist_folder):
    settings = dataclasses.replace(SETTINGS, lr="auto")
    train(tmp_path / "whole", settings)
    train(tmp_path / "run", settings, observer=stop_at(10))
    _, lines = resumed(tmp_path / "run")
    assert not any(line.startswith("rate") for line in lines)
    assert json.loads((tmp_path / "run" / "metrics.json").read_text())["learning_rate_origin"] == "range test, --lr auto"
    assert_same(tmp_path / "run", tmp_path / "whole")


def table(path, rows=60, seed=0):
    x = np.random.default_rng(seed).normal(size=(rows, 3))
    lines = [",".join(map(str, [*row, row[0] - 2 * row[1]])) for row in x]
    path.write_text("\n".join(["a,b,c,target", *lines]))
    return path


def test_user_data_and_networks_of_files(tmp_path, monkeypatch):
    """A regression in another folder, with a network from a file that was changed meanwhile."""
    from pellucid.data.sources.user_data import ReadOptions

    monkeypatch.chdir(tmp_path)
    table(Path("table.csv"))
    own = Sequential(Flatten(), Dense(7), Dense(1), Softmax())
    Path("own.json").write_text(json.dumps(to_json(own)))
    settings = RunSettings(data="table.csv", model="own.json", reading=ReadOptions(target="target"), epochs=3)
    train(tmp_path / "whole", settings)
    train(tmp_path / "run", settings, observer=stop_at(3))
    Path("own.json").write_text("{")
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    resumed(tmp_path / "run")
    assert (tmp_path / "run" / "model.pellucid").read_bytes() == (tmp_path / "whole" / "model.pellucid").read_bytes()


def test_changed_data_are_refused(tmp_path):
    from pellucid.data.sources.user_data import ReadOptions

    data = table(tmp_path / "table.csv")
    settings = RunSettings(data=str(data), model="table", reading=ReadOptions(target="target"), epochs=3)
    train(tmp_path / "run", settings, observer=stop_at(3))
    table(data, seed=1)
    with pytest.raises(DataError, match="was trained on other data: the SHA-256 of table was"):
        resumed(tmp_path / "run")
    assert read_status(tmp_path / "run")["status"] == "interrupted", "the folder is as before"
    table(data)
    resumed(tmp_path / "run")


def test_the_model_that_a_run_starts_from_must_be_the_same(tmp_path, mnist_folder, whole):
    settings = RunSettings(from_run=str(whole), model="mlp", epochs=3)
    train(tmp_path / "tuned", settings)
    train(tmp_path / "run", settings, observer=stop_at(9))
    resumed(tmp_path / "run")
    assert_same(tmp_path / "run", tmp_path / "tuned")
    train(tmp_path / "other", settings, observer=stop_at(9))
    model = Model.load(whole / "model.pellucid")
    model.parameters[:] *= 2
    model.save(whole / "model.pellucid")
    with pytest.raises(DataError, match=f"started from {whole}, which has changed"):
        resumed(tmp_path / "other")


def test_what_cannot_be_resumed(tmp_path, mnist_folder, whole):
    assert resume(whole, notify=print, progress=False) is None
    with pytest.raises(FileError, match="nowhere is not a run folder: there is no such folder"):
        resume(tmp_path / "nowhere", notify=print, progress=False)
    with pytest.raises(FileError, match=r"is not a run folder: it contains no config\.json"):
        resume(tmp_path, notify=print, progress=False)
    assert not (tmp_path / ".lock").exists()
    old = tmp_path / "old"
    old.mkdir()
    (old / "config.json").write_text('{"preset": "mlp"}')
    with pytest.raises(FileError, match="of a version of Pellucid that could not resume"):
        resume(old, notify=print, progress=False)
    assert os.listdir(old) == ["config.json"]


def test_the_commands(child, tmp_path, mnist_folder, whole):
    code, out, _ = child(mnist_folder, "resume", whole)
    assert (code, out) == (0, f"{whole} is complete: there is nothing to continue\n")
    code, _, err = child(mnist_folder, *FLAGS, "--resume", whole, "--quiet")
    assert code == 2
    assert err == (
        f"error: --resume {whole} continues the run with its own settings: leave out mnist, --model, --hidden, --epochs, "
        "--batch-size, --optimizer, --augmentation, --early-stopping, or start a new run without --resume\n"
    )
    train(tmp_path / "run", observer=stop_at(9))
    code, out, err = child(mnist_folder, "train", "--resume", tmp_path / "run", "--quiet")
    assert (code, out, err) == (0, "", "")
    assert_same(tmp_path / "run", whole)


def test_a_list_of_interrupted_runs(child, tmp_path, mnist_folder, whole):
    train(tmp_path / "first", observer=stop_at(9))
    train(tmp_path / "second", dataclasses.replace(SETTINGS, seed=1), observer=stop_at(17))
    child(mnist_folder, *FLAGS, "--out", tmp_path / "killed", signals=[signal.SIGKILL], step=9)
    (tmp_path / "file").write_text("")
    found = {one.name: one for one in interrupted_runs(tmp_path)}
    assert sorted(found) == ["first", "killed", "second"]
    assert [one.updated for one in interrupted_runs(tmp_path)] == sorted((one.updated for one in found.values()), reverse=True)
    second = found["second"]
    assert (second.path, second.model, second.data) == (tmp_path / "second", "mlp", "mnist")
    assert (second.status, second.epoch, second.epochs, second.error) == ("interrupted", 3, 3, None)
    assert second.seconds > 0
    assert found["killed"].status == "killed"
    with exclusive_lock(tmp_path / "first" / ".lock", "", ""):
        assert sorted(one.name for one in interrupted_runs(tmp_path)) == ["killed", "second"]
    (tmp_path / "killed" / "config.json").write_text("[]")
    assert sorted(one.name for one in interrupted_runs(tmp_path)) == ["first", "second"]
    assert interrupted_runs(tmp_path / "nowhere") == []


SWEEP = """
from pellucid.runs.plan import RunSettings
from pellucid.runs.sweep import Grid, Sweep
base = RunSettings(hidden="8", epochs=3, batch_size=50)
names = []
def see(self, event):
    original(self, event)
    if self.folder.path.name not in names:
        names.append(self.folder.path.name)
    if len(names) == 2 and getattr(event, "step", None) == step:
        os.kill(os.getpid(), numbers[0])
progress.RunProgress._see = see
Sweep(base, Grid.parse(["lr=0.05,0.1,0.2"]), pathlib.Path(sys.argv[1])).run(1, notify=lambda line: None)
"""


@pytest.mark.parametrize(("number", "code"), [(signal.SIGKILL, -signal.SIGKILL), (signal.SIGTERM, 143)])
def test_a_sweep_goes_on_in_the_middle_of_a_cell(child, tmp_path, mnist_folder, monkeypatch, number, code):
    out = tmp_path / "swept"
    found, _, err = child(mnist_folder, out, signals=[number], step=13, code=SWEEP)
    assert found == code, err
    done = {path.parent.name for path in out.glob("*/metrics.json")}
    assert done == {"lr=0.05,seed=0"}
    interrupted = out / "lr=0.1,seed=0"
    assert checkpoint_files(interrupted / "checkpoints")[0].name == f"checkpoint-{13 if code > 0 else 12:09d}.pellucid"
    grid, base = Grid.parse(["lr=0.05,0.1,0.2"]), RunSettings(hidden="8", epochs=3, batch_size=50)
    lines, steps = [], []
    original = run_module.RunProgress._see
    monkeypatch.setattr(
        run_module.RunProgress,
        "_see",
        lambda self, event: (steps.append(getattr(event, "step", None)), original(self, event))[1],
    )
    Sweep(base, grid, out).run(1, notify=lines.append)
    assert steps[0] == (14 if code > 0 else 13), "the step after the checkpoint"
    assert lines[0] == "1 of 3 runs are done already"
    assert json.loads((interrupted / "metrics.json").read_text())["resumed"] == 1
    alone = Sweep(base, grid, tmp_path / "alone")
    alone.run(1, notify=lambda line: None)
    for name in alone.plans:
        one, other = ((folder / name / "model.pellucid").read_bytes() for folder in (out, tmp_path / "alone"))
        assert one == other
        assert not (out / name / "checkpoints").exists()


def test_a_cell_that_another_process_trains_is_left_to_it(tmp_path, mnist_folder):
    work = Sweep(RunSettings(epochs=1, limit=100), Grid.parse(["lr=0.1,0.2"]), tmp_path / "swept")
    cell = tmp_path / "swept" / "lr=0.1,seed=0"
    cell.mkdir(parents=True)
    (tmp_path / "swept" / "sweep.json").write_text("{}")
    lines = []
    with exclusive_lock(cell / ".lock", "", ""):
        work.run(1, notify=lines.append)
        assert "lr=0.1,seed=0: not trained: " in lines[0]
        assert f"process {os.getpid()} on" in lines[0]
        assert os.listdir(cell) == [".lock"]
    assert work.outstanding() == ["lr=0.1,seed=0"]


def test_a_cell_whose_checkpoints_are_damaged_is_trained_again(tmp_path, mnist_folder):
    work = Sweep(RunSettings(hidden="8", epochs=3, batch_size=50), Grid.parse(["lr=0.1"]), tmp_path / "swept")
    (plan,) = work.plans.values()
    cell = tmp_path / "swept" / "lr=0.1,seed=0"
    run(plan, cell, notify=lambda line: None, progress=False, observer=stop_at(9), test=False)
    for file in checkpoint_files(cell / "checkpoints"):
        file.write_bytes(b"damaged")
    (tmp_path / "swept" / "sweep.json").write_text("{}")
    work.run(1, notify=lambda line: None)
    assert work.outstanding() == []
