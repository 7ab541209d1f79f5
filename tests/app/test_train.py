"""The routes of the tab Train: settings, events, and the processes of training jobs."""

from __future__ import annotations

import contextlib
import dataclasses
import http.client
import json
import multiprocessing
import os
import shlex
import signal
import subprocess
import sys
import threading

import pytest
from conftest import LIMIT, interrupt

from pellucid.app.networks import Networks
from pellucid.app.state import AppState
from pellucid.app.tabs import train_queue, train_worker
from pellucid.app.tabs.train_job import command
from pellucid.data import Augmentation
from pellucid.data.drawings.corrections import Corrections
from pellucid.data.sources.user_data import ReadOptions
from pellucid.errors import ConfigError
from pellucid.runs.folder import RunFolder, interrupted_runs
from pellucid.runs.plan import RunPlan, RunSettings
from pellucid.runs.presets import CLASSIFIERS, PRESETS
from pellucid.runs.run import run
from pellucid.training import EpochEvent

ENDLESS = {"model": "mlp", "hidden": "8", "epochs": 10_000, "batch_size": 50}
FINISHED = ("done", "stopped", "failed")


def children():
    """Return the processes of training jobs. Other tests may have left idle processes of joblib."""
    return [process for process in multiprocessing.active_children() if "Loky" not in process.name]


@pytest.fixture
def state(tmp_path):
    """No networks, and empty folders."""
    return AppState(Networks(), tmp_path / "runs", Corrections(tmp_path / "corrections"))


class Visitor:
    """A client that sends the requests of a page."""

    def __init__(self, address):
        self.port = int(address.rpartition(":")[2])

    def ask(self, path, body=None):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=LIMIT)
        with contextlib.closing(connection):
            if body is None:
                connection.request("GET", path)
            else:
                connection.request("POST", path, json.dumps(body), {"Content-Type": "application/json"})
            answer = connection.getresponse()
            found = json.loads(answer.read())
            assert answer.status == 200, found
            return found

    def control(self, number, action, value=None):
        self.ask("/api/train/control", {"job": number, "action": action, "value": value})

    @contextlib.contextmanager
    def events(self):
        """The messages of the stream of events, in order."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=LIMIT)
        with contextlib.closing(connection):
            connection.request("GET", "/api/train/events")
            answer = connection.getresponse()
            assert answer.status == 200
            assert answer.headers["Content-Type"].startswith("text/event-stream")
            yield (json.loads(line[6:]) for line in answer if line.startswith(b"data: "))


@pytest.fixture
def visitor(served, small_mnist):
    """A visitor of a real server without networks."""
    return Visitor(served)


def until(events, fits, *, failures=False):
    """Return the messages up to the first for which ``fits`` is true. A job that fails before it ends the test."""
    seen = []
    for event in events:
        seen.append(event)
        if fits(event):
            return seen
        assert failures or event.get("state") != "failed", event["error"]
    raise AssertionError(f"the stream ended after {seen[-3:]}")


def has_state(name, number=None):
    return lambda event: event.get("state") == name and number in (None, event["job"])


# -- settings --------------------------------------------------------------------------------------------------------


def test_the_form_gets_the_values_of_the_presets(client):
    choices = client.get("/api/train/choices").json()
    assert "mnist" in choices["data"]
    assert "mnist-scenes" not in choices["data"], "its samples have no single class"
    presets = {one["name"]: one for one in choices["presets"]}
    assert presets["mlp"]["parameters"] == 269_322
    assert (presets["mlp"]["epochs"], presets["mlp"]["batch_size"], presets["mlp"]["lr"]) == (15, 100, 0.04)
    assert (presets["mlp"]["hidden"], presets["mlp"]["augmentation"]) == ("256x256", "none")
    assert presets["cnn"]["lr"] == pytest.approx(0.005), "the peak of the schedule"
    assert (presets["cnn"]["augmentation"], presets["cnn"]["hidden"]) == ("affine", None)


def test_an_augmentation_without_a_name_is_returned_as_text(client, monkeypatch):
    change = Augmentation(rotation=5, shift=1.5, share=0.75)
    cnn = PRESETS["cnn"]
    for presets in (PRESETS, CLASSIFIERS):
        monkeypatch.setitem(presets, "own", dataclasses.replace(cnn, fit=dataclasses.replace(cnn.fit, augmentation=change)))
    preset = next(one for one in client.get("/api/train/choices").json()["presets"] if one["name"] == "own")
    plan = client.post("/api/train/check", json={"model": "own", "augmentation": preset["augmentation"]}).json()
    assert plan["augmentation"] == preset["augmentation"] == "rotation=5,shift=1.5,share=0.75"


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"model": "table", "reading": ReadOptions(target="kind")}, "t.csv --model table --target kind"),
        (
            {"model": "mlp", "reading": ReadOptions(header=False, ignore=("1", "a b"), missing="mean", size=(48, 64))},
            "t.csv --model mlp --missing mean --ignore 1 --ignore 'a b' --no-header --size 48x64",
        ),
        (
            {"model": "forecast", "reading": ReadOptions(target=("a", "b"), horizon=3)},
            "t.csv --model forecast --target a,b --horizon 3",
        ),
        (
            {"model": "table", "reading": ReadOptions(target="kind", categorical=("zip", "a b"), logarithm=False)},
            "t.csv --model table --target kind --categorical zip --categorical 'a b' --no-logarithm",
        ),
        ({"model": "table", "reading": ReadOptions(target="y", logarithm=True)}, "t.csv --model table --target y --logarithm"),
        ({"model": "gpt", "reading": ReadOptions(lines=True)}, "t.csv --model gpt --lines"),
        ({"model": "mlp", "from_run": "runs/mlp-1"}, "t.csv --from runs/mlp-1"),
    ],
)
def test_the_command_of_a_run_has_flags_that_exist(settings, expected):
    assert command(RunSettings(data="t.csv", **settings)) == f"pellucid train {expected}"


def test_a_check_returns_the_recipe_and_the_command(client):
    asked = {"model": "mlp", "hidden": "32", "optimizer": "adam", "epochs": 3, "limit": 500}
    plan = client.post("/api/train/check", json=asked).json()
    assert plan["command"] == "pellucid train mnist --model mlp --hidden 32 --epochs 3 --optimizer adam --limit 500 --watch"
    assert (plan["parameters"], plan["lr"], plan["hidden"]) == (784 * 32 + 32 + 330, 0.001, "32")
    again = client.post("/api/train/check", json={"augmentation": "rotation=10,shift=2"}).json()
    assert shlex.split(again["command"])[-3:] == ["--augmentation", "rotation=10,shift=2", "--watch"]


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"model": "mlp-smal"}, "did you mean 'mlp-small'"),
        ({"model": "/etc/passwd.json"}, "there is no preset"),
        ({"data": "minst"}, "did you mean 'mnist'"),
        ({"optimizer": "adm"}, "did you mean 'adam'"),
        ({"epochs": 0}, "epochs must be a whole number from 1 to 10,000"),
        ({"lr": -1}, "learning rate must be a number"),
        ({"hidden": "a"}, "widths look like"),
        ({"hidden": "1000000x1000000"}, "(dense2 has an array of 1,000,000 × 1,000,000)"),
        ({"hidden": "1" + "0" * 900}, "units must be at least 1 and at most 1,000,000,000"),
        ({"model": "cnn", "hidden": "5"}, "not those of cnn"),
        ({"augmentation": "elastik"}, "did you mean 'elastic'"),
    ],
)
def test_invalid_settings_are_refused_at_once(client, state, body, message):
    answer = client.post("/api/train/start", json=body)
    assert answer.status_code == 400
    assert message in answer.json()["error"]
    assert not state.runs.exists()
    assert client.post("/api/train/check", json=body).json() == {"problem": answer.json()["error"]}


def test_too_little_memory_is_no_error_of_the_server(client, monkeypatch):
    def fail(*arguments, **options):
        raise MemoryError

    monkeypatch.setattr(RunPlan, "check_memory", fail)
    monkeypatch.setattr("pellucid.app.tabs.train._describe", fail)
    for answer in (client.post("/api/train/start", json={"model": "mlp"}), client.get("/api/train/choices")):
        assert answer.status_code == 400
        assert "there is not enough memory" in answer.json()["error"]


def test_no_request_chooses_the_folder(client):
    for path in ("check", "start"):
        answer = client.post(f"/api/train/{path}", json={"out": "/tmp"})
        assert (answer.status_code, "unknown field 'out'" in answer.json()["error"]) == (400, True)


def test_the_queue_has_a_limit(state, monkeypatch):
    monkeypatch.setattr(train_queue.TrainingQueue, "_run_jobs", lambda self: None)  # no job starts
    queue = train_queue.TrainingQueue(state.networks, state.runs)
    monkeypatch.setattr(train_queue, "PAIR", {name: RunSettings(limit=100) for name in ("draw-mlp", "draw-cnn")})
    pair = queue.start_pair()
    assert queue.start_pair() == pair, "they are in the queue already"
    numbers = [queue.start(RunSettings()) for _ in range(train_queue.MAX_QUEUED - 2)]
    with pytest.raises(ConfigError, match="queue is full"):
        queue.start(RunSettings())
    queue.control(numbers[0], "stop")
    with pytest.raises(ConfigError, match="has ended"):
        queue.control(numbers[0], "pause")
    with pytest.raises(ConfigError, match="has not started"):
        queue.control(numbers[1], "learning_rate", 0.1)
    last = queue.start(RunSettings())
    with queue.listening(lambda text: None) as text:
        found = {one["job"]: one for one in json.loads(text)["jobs"]}
    assert found[numbers[0]]["state"] == "stopped"
    assert found[last]["state"] == "queued"
    assert found[pair[1]]["command"] == "pellucid train mnist --model mlp --out runs/draw-cnn --limit 100"


def test_control_of_an_unknown_job(client):
    refused = client.post("/api/train/control", json={"job": 7, "action": "pause"})
    assert (refused.status_code, refused.json()["error"]) == (404, "there is no training job 7")
    refused = client.post("/api/train/control", json={"job": 7, "action": "paus"})
    assert (refused.status_code, "did you mean 'pause'" in refused.json()["error"]) == (400, True)


# -- jobs -------------------------------------------------------------------------------------------------------------


class FakeChannel:
    """A channel that stores what is sent."""

    def __init__(self):
        self.sent = []

    def send(self, message):
        self.sent.append(message)


def test_the_curve_contains_every_batch(tmp_path, mnist_folder, monkeypatch):
    monkeypatch.setattr(train_worker, "REPORT_INTERVAL", 0.0)
    monkeypatch.setattr(train_worker.Reporter, "_follow_commands", lambda self, control: True)  # no commands

    def points(out, watch):
        channel = FakeChannel()
        reporter = train_worker.Reporter(channel, 2)
        plan = RunPlan.of(RunSettings(hidden="8", epochs=2, batch_size=150))  # 150, 150 and 100 samples
        run(plan, out, notify=lambda line: None, progress=False, observer=lambda *what: watch(*what) and reporter(*what))
        steps = [value for kind, value in channel.sent if kind == "step"]
        assert (steps[-1]["fraction"], steps[-1]["remaining"]) == (1, 0)
        return [step["point"] for step in steps]

    losses = []
    all_of_them = points(tmp_path / "run", lambda event, *_: isinstance(event, EpochEvent) or losses.append(event.loss) is None)
    assert [loss for _, loss, _ in all_of_them] == pytest.approx(losses, abs=1e-5), "one point for each batch"
    assert [x for x, _, _ in all_of_them] == pytest.approx([1 / 3, 2 / 3, 1, 4 / 3, 5 / 3, 2], abs=1e-5)
    monkeypatch.setattr(train_worker, "CURVE_POINTS", 2)
    few = points(tmp_path / "again", lambda *_: True)
    means = [sum(n * loss for n, loss in zip((150, 150, 100), part, strict=True)) / 400 for part in (losses[:3], losses[3:])]
    assert [point and point[1] for point in few] == [None, None, pytest.approx(means[0]), None, None, pytest.approx(means[1])]


def test_a_training_from_start_to_end(visitor, state):
    with visitor.events() as events:
        assert next(events) == {"kind": "jobs", "jobs": []}
        number = visitor.ask("/api/train/start", {"model": "mlp", "hidden": "8", "epochs": 3})["job"]
        seen = until(events, lambda event: event["kind"] == "networks")
    states = list(dict.fromkeys(event["state"] for event in seen if event["kind"] == "job"))
    assert states == ["queued", "starting", "training", "evaluating", "done"]
    assert [event["row"]["epoch"] for event in seen if event["kind"] == "epoch"] == [1, 2, 3]
    end = seen[-2]
    assert (end["name"], end["network"], end["error"]) == ("mlp-1", "mlp-1", None)
    metrics = json.loads((state.runs / "mlp-1" / "metrics.json").read_text())
    assert end["result"]["test"]["accuracy"] == metrics["test"]["accuracy"]
    assert end["command"] == "pellucid train mnist --model mlp --hidden 8 --epochs 3 --watch"
    (network,) = visitor.ask("/api/networks")["networks"]
    assert (network["name"], network["accuracy"]) == ("mlp-1", metrics["test"]["accuracy"])
    with visitor.events() as events:  # a page that is opened later shows the whole job
        (job,) = next(events)["jobs"]
    assert job["job"] == number
    assert [row["train_loss"] for row in job["rows"]] == [
        event["row"]["train_loss"] for event in seen if event["kind"] == "epoch"
    ]


def test_a_training_is_controlled(visitor, state):
    with visitor.events() as events, visitor.events() as others:
        number = visitor.ask("/api/train/start", ENDLESS)["job"]
        until(events, has_state("starting"))
        with pytest.raises(AssertionError, match="has not started"):
            visitor.control(number, "pause")
        until(events, lambda event: event["kind"] == "step")
        assert visitor.ask("/api/networks") == {"networks": []}, "other requests are answered"
        visitor.control(number, "learning_rate", 0.123)
        until(events, lambda event: event["kind"] == "step" and event["progress"]["learning_rate"] == 0.123)
        visitor.control(number, "pause")
        until(events, has_state("paused"))
        visitor.control(number, "learning_rate")  # that of the recipe; a paused job receives it too
        visitor.control(number, "pause")
        kinds = [next(events)["kind"] for _ in range(3)]
        assert kinds == ["job"] * 3, "two commands and the reply to one of them, but no step"
        visitor.control(number, "resume")
        after = until(events, lambda event: event["kind"] == "step")
        assert after[-1]["progress"]["learning_rate"] == 0.04
        visitor.control(number, "stop")
        end = until(events, lambda event: event["kind"] == "job" and event["state"] in FINISHED)[-1]
        steps = [change["after_step"] for change in end["rate_changes"]]
        assert [change["learning_rate"] for change in end["rate_changes"]] == [0.123, None]
        assert [change["at"] for change in end["rate_changes"]] == [step / 8 for step in steps], "in epochs of eight steps"
        changes = f"{steps[0]}:0.123,{steps[1]}:preset"
        assert end["command"].startswith(
            f"pellucid train mnist --model mlp --hidden 8 --epochs 10000 --batch-size 50 --lr-changes {changes}"
        )
        assert until(others, has_state("stopped"))[-1] == end, "every page receives the same events"
    assert (end["state"], end["error"], end["network"]) == ("stopped", None, "mlp-1")
    metrics = json.loads((state.runs / "mlp-1" / "metrics.json").read_text())
    assert metrics["interrupted"]
    assert [change["learning_rate"] for change in metrics["learning_rate_changes"]] == [0.123, None]


def test_an_error_is_reported_and_the_next_job_runs(visitor, state):
    with visitor.events() as events:
        visitor.ask("/api/train/start", {"model": "mlp", "hidden": "8", "epochs": 2, "lr": 1000})
        visitor.ask("/api/train/start", {"model": "mlp", "hidden": "8", "epochs": 1})
        seen = until(events, has_state("done", 2), failures=True)
    (failed,) = [event for event in seen if event.get("state") == "failed"]
    assert "at a learning rate of 1000; the usual causes" in failed["error"]
    assert failed["name"] == "mlp-1"
    assert [path.name for path in state.runs.iterdir()] == ["mlp-2"], "the empty folder of the first job was removed"


def test_a_training_that_diverges_keeps_its_good_epochs(visitor, state):
    with visitor.events() as events:
        number = visitor.ask("/api/train/start", ENDLESS)["job"]
        until(events, lambda event: event["kind"] == "epoch" and event["row"]["epoch"] > 1)  # there is a checkpoint
        visitor.control(number, "learning_rate", 1000)
        end = until(events, lambda event: event["kind"] == "networks", failures=True)[-2]
    assert (end["state"], end["network"], end["name"]) == ("failed", "mlp-1", "mlp-1")
    assert end["error"].startswith("training diverged in epoch")
    assert end["result"]["epochs"] >= 1
    assert end["result"]["validation"]["loss"] > 0
    places = [place for place, _ in end["explosion"]]
    assert places == sorted(places)
    assert all(loss is None or loss > 0 for _, loss in end["explosion"])
    (change,) = end["rate_changes"]
    assert change["learning_rate"] == 1000
    assert places[-1] >= change["at"], "the curve reaches to the divergence"
    assert f"--lr-changes {change['after_step']}:1000.0" in end["command"]
    (network,) = visitor.ask("/api/networks")["networks"]
    assert (network["name"], network["epochs"]) == ("mlp-1", end["result"]["epochs"])
    (listed,) = visitor.ask("/api/train/interrupted")["runs"]
    assert (listed["status"], listed["error"], listed["again"]) == ("diverged", end["error"], 0.04), "without the change"


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="this system has no SIGKILL")
def test_a_process_that_dies_is_reported(visitor, state):
    with visitor.events() as events:
        visitor.ask("/api/train/start", ENDLESS)
        until(events, lambda event: event["kind"] == "epoch" and event["row"]["epoch"] > 1)  # there is a checkpoint
        (process,) = children()
        os.kill(process.pid, signal.SIGKILL)
        end = until(events, has_state("failed"))[-1]
    assert "died (killed by signal 9)" in end["error"]
    assert "training  10000 epochs" in end["error"], "its last output"
    (interrupted,) = visitor.ask("/api/train/interrupted")["runs"]
    assert (interrupted["name"], interrupted["status"]) == ("mlp-1", "killed")


def test_closing_the_queue_ends_streams_and_keeps_the_run(state, small_mnist):
    queue = train_queue.TrainingQueue(state.networks, state.runs)
    received, started = [], threading.Event()

    def listener(text):
        received.append(text)
        if text is not None and '"step"' in text:
            started.set()

    with queue.listening(listener):
        queue.start(RunSettings(model="mlp", hidden="8", epochs=10_000))
        queue.start(RunSettings())
        assert started.wait(LIMIT)
        queue.close()
    assert None in received
    assert not children()
    assert json.loads((state.runs / "mlp-1" / "metrics.json").read_text())["interrupted"]
    assert [path.name for path in state.runs.iterdir()] == ["mlp-1"], "the queued job did not start"
    assert [(run.name, run.status) for run in queue.interrupted()] == [("mlp-1", "interrupted")]


ORPHAN = """
import pathlib, sys, threading
from pellucid.app.tabs.train_queue import TrainingQueue
from pellucid.app.networks import Networks
from pellucid.runs.plan import RunSettings
queue = TrainingQueue(Networks(), pathlib.Path(sys.argv[1]))
with queue.listening(lambda text: text is not None and '"step"' in text and print("step", flush=True)):
    queue.start(RunSettings(model="mlp", hidden="8", epochs=10_000))
    threading.Event().wait()
"""


def test_a_training_ends_when_its_server_is_killed(tmp_path, small_mnist):
    command = [sys.executable, "-c", ORPHAN, str(tmp_path / "runs")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "step\n"
        process.kill()
        process.stdout.read()  # ends when no process can write to it: also the training process ended
    assert json.loads((tmp_path / "runs" / "mlp-1" / "metrics.json").read_text())["interrupted"]
    assert [(run.name, run.status) for run in interrupted_runs(tmp_path / "runs")] == [("mlp-1", "interrupted")]


# -- interrupted runs -------------------------------------------------------------------------------------------------


def pretend(path, status="interrupted", error=None, diverged=None, **changes):
    """Write the files of an interrupted run that are read before it is resumed."""
    (path / "checkpoints").mkdir(parents=True)
    (path / "checkpoints" / "checkpoint-000000020.pellucid").touch()
    settings = dataclasses.replace(RunSettings(hidden="8", epochs=5), **changes).to_json()
    config = {"preset": "mlp", "data": {"name": "mnist"}, "fit": {"epochs": 5}, "settings": settings}
    (path / "config.json").write_text(json.dumps(config))
    values = {"status": status, "epoch": 2, "updated": f"2026-11-2{len(path.name)}T18:40:00+01:00", "error": error}
    (path / "status.json").write_text(json.dumps(values))
    if diverged is not None:
        (path / "metrics.json").write_text(json.dumps({"diverged": diverged, "test": {"accuracy": 0.9}}))


def test_interrupted_runs_are_listed(client, state):
    assert client.get("/api/train/interrupted").json() == {"runs": []}, "there is no folder yet"
    pretend(state.runs / "one", "training")
    pretend(state.runs / "three", "failed", "the disk is full")
    pretend(state.runs / "four")
    (state.runs / "no run").mkdir()
    found = client.get("/api/train/interrupted").json()["runs"]
    assert [(run["name"], run["status"], run["error"]) for run in found] == [
        ("three", "failed", "the disk is full"),
        ("four", "interrupted", None),
        ("one", "killed", None),
    ]
    known = {"name": "four", "model": "mlp", "data": "mnist", "status": "interrupted", "error": None}
    assert found[1] == {**known, "epoch": 2, "epochs": 5, "updated": "2026-11-24T18:40:00+01:00"}
    with RunFolder.of_run(state.runs / "four").locked():  # as a training in a terminal does
        assert [run["name"] for run in client.get("/api/train/interrupted").json()["runs"]] == ["three", "one"]
        assert client.post("/api/train/resume", json={"run": "four"}).status_code == 404


@pytest.mark.parametrize(
    ("changes", "again"),
    [
        ({}, {"lr": 0.004}),  # a tenth of the preset's
        ({"lr": 3.0, "seed": 7}, {"lr": 0.3, "seed": 7}),
        ({"optimizer": "adam"}, {"optimizer": "adam", "lr": 0.0001}),
        ({"lr": 0.5, "lr_changes": "300:5"}, {"lr": 0.5}),  # changed by hand: the change is left out
        ({"lr": "auto"}, None),
    ],
)
def test_a_run_that_has_diverged_is_tried_again_at_a_lower_rate(client, state, monkeypatch, changes, again):
    monkeypatch.setattr(train_queue.TrainingQueue, "_run_jobs", lambda self: None)  # no job starts
    pretend(state.runs / "bad", "failed", "training diverged in epoch 2", "training diverged in epoch 2", **changes)
    pretend(state.runs / "other", "failed", "the disk is full", "training diverged in epoch 2")  # when it was resumed
    runs = {run["name"]: run for run in client.get("/api/train/interrupted").json()["runs"]}
    assert (runs["bad"]["status"], runs["other"]["status"]) == ("diverged", "failed")
    assert runs["bad"]["again"] == (again and again["lr"])
    answer = client.post("/api/train/resume", json={"run": "bad"})
    assert (answer.status_code, "would diverge again" in answer.json()["error"]) == (400, True)
    assert "has not diverged" in client.post("/api/train/again", json={"run": "other"}).json()["error"]
    assert client.post("/api/train/again", json={"run": "nobody"}).status_code == 404
    answer = client.post("/api/train/again", json={"run": "bad"})
    if again is None:
        assert "no learning rate that could be lower" in answer.json()["error"]
        return
    job = state.jobs._jobs[answer.json()["job"]]
    assert job.settings == dataclasses.replace(RunSettings(hidden="8", epochs=5), **again)
    assert (job.resumed, job.numbered) == (False, True)


@pytest.mark.parametrize(
    ("first", "second", "queued"),
    [
        ("interrupted", None, ["draw-mlp", "draw-cnn"]),  # Ctrl-C while the first one was trained
        ("whole", "training", ["draw-cnn"]),  # a killed server while the second one was
        ("whole", None, []),  # only offered on the page
        ("whole", "failed", []),
        ("whole", "whole", []),
        (None, None, []),
    ],
)
def test_an_interrupted_pair_is_trained_to_its_end(state, monkeypatch, first, second, queued):
    monkeypatch.setattr(train_queue.TrainingQueue, "_run_jobs", lambda self: None)  # no job starts
    for name, status in (("draw-mlp", first), ("draw-cnn", second)):
        if status == "whole":
            (state.runs / name).mkdir(parents=True)
            (state.runs / name / "metrics.json").write_text('{"test": {"accuracy": 0.9}}')
        elif status is not None:
            pretend(state.runs / name, status)
    state.load_runs = True
    monkeypatch.setattr(Networks, "add_pair", lambda self: [])
    state.load()
    assert [job.name for job in state.jobs._jobs.values()] == queued
    state.jobs.start_pair()  # the button on the page
    names = [job.name for job in state.jobs._jobs.values()]
    assert names == (["draw-cnn"] if first == "whole" != second else ["draw-mlp", "draw-cnn"])


@pytest.mark.parametrize(
    ("body", "status", "message"),
    [
        ({"run": "whole"}, 404, "there is no interrupted run 'whole'"),
        ({"run": "../elsewhere"}, 404, "there is no interrupted run"),
        ({"run": ""}, 404, "there is no interrupted run"),
        ({"run": ["mine"]}, 400, "run must be a string"),
        ({}, 400, "the request has no field 'run'"),
        ({"run": "mine", "out": "/tmp"}, 400, "unknown field 'out'"),
    ],
)
def test_only_a_run_in_the_list_is_resumed(client, state, tmp_path, body, status, message):
    pretend(state.runs / "mine")
    pretend(tmp_path / "elsewhere")
    answer = client.post("/api/train/resume", json=body)
    assert (answer.status_code, message in answer.json()["error"]) == (status, True)
    assert client.post("/api/train/resume", json={"run": str((tmp_path / "elsewhere").resolve())}).status_code == 404
    with state.jobs.listening(lambda text: None) as text:
        assert json.loads(text)["jobs"] == []


def test_resumed_runs_wait_in_the_queue(state, monkeypatch):
    monkeypatch.setattr(train_queue.TrainingQueue, "_run_jobs", lambda self: None)  # no job starts
    queue = train_queue.TrainingQueue(state.networks, state.runs)
    for name in ("draw-mlp", "a"):
        pretend(state.runs / name)
    queue.start_pair()
    assert [(job.name, job.resumed) for job in queue._jobs.values()] == [("draw-mlp", True), ("draw-cnn", False)], (
        "the pair of networks goes on"
    )
    assert [run.name for run in queue.interrupted()] == ["a"]
    for _ in range(train_queue.MAX_QUEUED - 2):
        queue.start(RunSettings())
    with pytest.raises(ConfigError, match="queue is full"):
        queue.resume("a")
    queue.control(1, "stop")
    assert [run.name for run in queue.interrupted()] == ["draw-mlp", "a"]
    job = queue._jobs[queue.resume("a")]
    assert (job.plan.recipe.fit.epochs, job.epochs, queue._folder(job).path) == (5, 5, state.runs / "a")


def test_a_stopped_job_is_resumed(visitor, state):
    with visitor.events() as events:
        number = visitor.ask("/api/train/start", ENDLESS)["job"]
        until(events, lambda event: event["kind"] == "epoch" and event["row"]["epoch"] > 1)
        visitor.control(number, "learning_rate", 0.123)
        visitor.control(number, "pause")
        until(events, has_state("paused"))
        assert visitor.ask("/api/train/interrupted") == {"runs": []}, "it has a job"
        visitor.control(number, "stop")
        until(events, has_state("stopped"))
        (found,) = visitor.ask("/api/train/interrupted")["runs"]
        assert (found["name"], found["status"], found["epochs"]) == ("mlp-1", "interrupted", 10_000)
        again = visitor.ask("/api/train/resume", {"run": "mlp-1"})["job"]
        assert visitor.ask("/api/train/interrupted") == {"runs": []}
        seen = until(events, lambda event: event["kind"] == "epoch")
        seen += until(events, lambda event: event["job"] == again and event.get("progress"))
        visitor.control(again, "stop")
        seen += until(events, has_state("stopped", again))
    (rows,) = [event["rows"] for event in seen if event["kind"] == "rows"]
    assert found["epoch"] - 1 <= len(rows) <= found["epoch"]
    later = [event["row"]["epoch"] for event in seen if event["kind"] == "epoch"]
    assert later[0] == len(rows) + 1
    steps = [event["progress"] for event in seen if event["job"] == again and event.get("progress")]
    assert steps[0]["fraction"] >= (found["epoch"] - 1) / 10_000
    assert min(step["remaining"] for step in steps) >= 0
    assert {step["learning_rate"] for step in steps} == {0.123}
    with visitor.events() as events:
        job = next(events)["jobs"][-1]
    assert [row["epoch"] for row in job["rows"]] == [*range(1, later[-1] + 1)]
    assert (job["command"], job["name"], job["resumed"]) == ("pellucid resume runs/mlp-1", "mlp-1", True)
    assert job["manual_learning_rate"] == 0.123
    assert [network["name"] for network in visitor.ask("/api/networks")["networks"]] == ["mlp-1"]


PAUSED = """
import pathlib, sys, threading
from pellucid.app.tabs.train_queue import TrainingQueue
from pellucid.app.networks import Networks
from pellucid.runs.plan import RunSettings
queue = TrainingQueue(Networks(), pathlib.Path(sys.argv[1]))
def listener(text):
    if '"kind": "epoch"' in text and '"epoch": 3,' in text:
        threading.Thread(target=queue.control, args=(1, "pause")).start()
    if '"state": "paused"' in text:
        print(queue._jobs[1].process.pid, flush=True)
    if '"state": "done"' in text:
        print("it was not paused in time", flush=True)
with queue.listening(listener):
    queue.start(RunSettings(model="mlp", hidden="8", epochs=200, batch_size=100))
    threading.Event().wait()
"""


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="this system has no SIGKILL")
def test_the_next_server_resumes_the_run_of_a_killed_one_to_the_same_bits(visitor, state):
    command = [sys.executable, "-c", PAUSED, str(state.runs)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        training = int(process.stdout.readline())
        os.kill(training, signal.SIGKILL)
        process.kill()
        process.stdout.read()  # ends when no process can write to it: also the training process ended
    (found,) = visitor.ask("/api/train/interrupted")["runs"]
    assert (found["name"], found["status"]) == ("mlp-1", "killed")
    assert found["epoch"] < 200
    with visitor.events() as events:
        visitor.ask("/api/train/resume", {"run": "mlp-1"})
        visitor.ask("/api/train/start", {"model": "mlp", "hidden": "8", "epochs": 200, "batch_size": 100})
        seen = until(events, has_state("done", 2))
    assert [event["error"] for event in seen if event["kind"] == "job" and event["error"]] == []
    assert visitor.ask("/api/train/interrupted") == {"runs": []}
    resumed, whole = (state.runs / name / "model.pellucid" for name in ("mlp-1", "mlp-2"))
    assert resumed.read_bytes() == whole.read_bytes()


def test_a_run_of_a_terminal_without_accuracy_is_resumed(visitor, state, tmp_path):
    table = tmp_path / "table.csv"
    table.write_text("a,b,y\n" + "".join(f"{i},{i * i % 7},{2 * i + i * i % 7}\n" for i in range(100)))
    settings = RunSettings(data=str(table), model="table", epochs=4, reading=ReadOptions(target="y"))
    interrupt(state.runs / "prices", settings)
    with visitor.events() as events:
        visitor.ask("/api/train/resume", {"run": "prices"})
        seen = until(events, lambda event: event.get("state") in FINISHED)
    assert (seen[-1]["state"], seen[-1]["result"]["test"]["accuracy"]) == ("done", None)
    assert "the network is not available on the tab Draw" in seen[-1]["error"]
    assert [event["row"]["epoch"] for event in seen if event["kind"] == "epoch"] == [3, 4]


def test_a_job_reports_what_the_doctor_finds(visitor):
    with visitor.events() as events:
        visitor.ask("/api/train/start", {"model": "mlp", "hidden": "8", "epochs": 30, "lr": 30, "batch_size": 50})
        seen = until(events, lambda event: event.get("state") in FINISHED)
    found = [event["finding"] for event in seen if event["kind"] == "finding"]
    assert "rate-too-high" in [one["kind"] for one in found]
    assert all(one["text"] and one["advice"] and 0 < one["at"] <= one["since"] for one in found)
    with visitor.events() as events:  # a page that is opened later shows them too
        (job,) = next(events)["jobs"]
    assert job["findings"] == found
