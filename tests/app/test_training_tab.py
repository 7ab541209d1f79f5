"""The tab Train, from the server's side: what may be asked, what is told, and what becomes of processes."""

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

from pellucid.app import job, jobs, server, training, worker
from pellucid.data import Augmentation
from pellucid.data.drawings.corrections import Corrections
from pellucid.errors import ConfigError
from pellucid.runs.presets import PRESETS
from pellucid.runs.run import Plan, Settings, run
from pellucid.training import EpochEvent

ENDLESS = {"model": "mlp", "hidden": "8", "epochs": 10_000, "batch_size": 50}
OVER = ("done", "stopped", "failed")


def children():
    """The processes of trainings: other tests may have left joblib's, which wait for more to do."""
    return [process for process in multiprocessing.active_children() if "Loky" not in process.name]


@pytest.fixture
def desk(tmp_path):
    """No networks, and empty folders."""
    return server.Desk(server.Networks(), tmp_path / "runs", Corrections(tmp_path / "corrections"))


class Visitor:
    """What a page does with a server."""

    def __init__(self, address):
        self.port = int(address.rpartition(":")[2])

    def ask(self, path, body=None):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
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
        """The messages of the stream, one after the other, as they come."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        with contextlib.closing(connection):
            connection.request("GET", "/api/train/events")
            answer = connection.getresponse()
            assert answer.status == 200
            assert answer.headers["Content-Type"].startswith("text/event-stream")
            yield (json.loads(line[6:]) for line in answer if line.startswith(b"data: "))


@pytest.fixture
def visitor(served, small_mnist):
    """A visitor of a real server that has no networks."""
    return Visitor(served)


def until(events, fits):
    """The messages up to the first that fits."""
    seen = []
    for event in events:
        seen.append(event)
        if fits(event):
            return seen
    raise AssertionError(f"the stream ended after {seen[-3:]}")


def state(name, number=None):
    return lambda event: event.get("state") == name and number in (None, event["job"])


# -- what may be asked ------------------------------------------------------------------------------------------------


def test_the_form_is_filled_from_the_presets(client):
    choices = client.get("/api/train/choices").json()
    assert "mnist" in choices["data"]
    presets = {one["name"]: one for one in choices["presets"]}
    assert presets["mlp"]["parameters"] == 269_322
    assert (presets["mlp"]["epochs"], presets["mlp"]["batch_size"], presets["mlp"]["lr"]) == (15, 100, 0.04)
    assert (presets["mlp"]["hidden"], presets["mlp"]["augmentation"]) == ("256x256", "none")
    assert presets["cnn"]["lr"] == pytest.approx(0.005), "of a schedule, its highest"
    assert (presets["cnn"]["augmentation"], presets["cnn"]["hidden"]) == ("affine", None)


def test_an_augmentation_without_a_name_is_sent_back_as_it_came(client, monkeypatch):
    change = Augmentation(rotation=5, shift=1.5, share=0.75)
    monkeypatch.setitem(PRESETS, "own", dataclasses.replace(PRESETS["cnn"], augmentation=change))
    told = next(one for one in client.get("/api/train/choices").json()["presets"] if one["name"] == "own")
    plan = client.post("/api/train/check", json={"model": "own", "augmentation": told["augmentation"]}).json()
    assert plan["augmentation"] == told["augmentation"] == "rotation=5,shift=1.5,share=0.75"


def test_what_would_be_trained(client):
    asked = {"model": "mlp", "hidden": "32", "optimizer": "adam", "epochs": 3, "limit": 500}
    plan = client.post("/api/train/check", json=asked).json()
    assert plan["command"] == "pellucid train mnist --model mlp --hidden 32 --epochs 3 --optimizer adam --limit 500"
    assert (plan["parameters"], plan["lr"], plan["hidden"]) == (784 * 32 + 32 + 330, 0.001, "32")
    again = client.post("/api/train/check", json={"augmentation": "rotation=10,shift=2"}).json()
    assert shlex.split(again["command"])[-2:] == ["--augmentation", "rotation=10,shift=2"]


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({"model": "mlp-smal"}, "did you mean 'mlp-small'"),
        ({"model": "/etc/passwd.json"}, "there is no model"),
        ({"data": "minst"}, "did you mean 'mnist'"),
        ({"optimizer": "adm"}, "did you mean 'adam'"),
        ({"epochs": 0}, "epochs must be a whole number"),
        ({"lr": -1}, "lr must be a number"),
        ({"hidden": "a"}, "widths look like"),
        ({"model": "cnn", "hidden": "5"}, "not those of cnn"),
        ({"augmentation": "elastik"}, "did you mean 'elastic'"),
    ],
)
def test_settings_are_checked_at_once(client, desk, body, said):
    answer = client.post("/api/train/start", json=body)
    assert answer.status_code == 400
    assert said in answer.json()["error"]
    assert not desk.runs.exists()
    assert client.post("/api/train/check", json=body).json() == {"problem": answer.json()["error"]}


def test_no_request_says_where_to_write(client):
    for path in ("check", "start"):
        answer = client.post(f"/api/train/{path}", json={"out": "/tmp"})
        assert (answer.status_code, "unknown field 'out'" in answer.json()["error"]) == (400, True)


def test_a_queue_has_an_end(desk, monkeypatch):
    monkeypatch.setattr(jobs.Jobs, "_work", lambda self: None)  # nothing begins
    queue = jobs.Jobs(desk.networks, desk.runs)
    monkeypatch.setattr(jobs, "PAIR", {name: Settings(limit=100) for name in ("draw-mlp", "draw-cnn")})
    pair = queue.start_pair()
    assert queue.start_pair() == pair, "it waits already"
    numbers = [queue.start(Settings()) for _ in range(jobs.WAITING - 2)]
    with pytest.raises(ConfigError, match="wait already"):
        queue.start(Settings())
    queue.steer(numbers[0], "stop")
    with pytest.raises(ConfigError, match="is over"):
        queue.steer(numbers[0], "pause")
    with pytest.raises(ConfigError, match="has not begun"):
        queue.steer(numbers[1], "learning_rate", 0.1)
    last = queue.start(Settings())
    with queue.heard(lambda text: None) as whole:
        found = {one["job"]: one for one in json.loads(whole)["jobs"]}
    assert found[numbers[0]]["state"] == "stopped"
    assert found[last]["state"] == "queued"
    assert found[pair[1]]["command"] == "pellucid train mnist --model mlp --out runs/draw-cnn --limit 100"


def test_control_of_what_is_not_there(client):
    refused = client.post("/api/train/control", json={"job": 7, "action": "pause"})
    assert (refused.status_code, refused.json()["error"]) == (404, "there is no training 7 here")
    refused = client.post("/api/train/control", json={"job": 7, "action": "paus"})
    assert (refused.status_code, "did you mean 'pause'" in refused.json()["error"]) == (400, True)


def test_the_onset_of_overfitting():
    def rows(validation, train):
        return [
            {"epoch": i + 1, "validation_loss": v, "train_loss": t}
            for i, (v, t) in enumerate(zip(validation, train, strict=True))
        ]

    falls = [0.9, 0.8, 0.7, 0.6, 0.5]
    assert job.onset([]) is None
    assert job.onset(rows([0.5, 0.4, 0.3, 0.35, 0.36], falls)) == 3
    assert job.onset(rows([0.5, 0.4, 0.3, 0.35], falls[:4])) is None, "one epoch may be an accident"
    assert job.onset(rows([0.5, 0.4, 0.3, 0.35, 0.2], falls)) is None, "it fell again"
    assert job.onset(rows([0.5, 0.4, 0.3, 0.35, 0.36], [0.9, 0.8, 0.7, 0.8, 0.9])) is None, "so does the training loss"
    assert job.onset(rows([0.5, None, 0.6, 0.7], falls[:4])) == 1


# -- what is told -----------------------------------------------------------------------------------------------------


class Sent:
    """A channel that only keeps what is sent."""

    def __init__(self):
        self.sent = []

    def send(self, message):
        self.sent.append(message)


def test_the_curve_is_made_of_every_batch(tmp_path, mnist_folder, monkeypatch):
    monkeypatch.setattr(worker, "EVERY", 0.0)
    monkeypatch.setattr(worker.Watcher, "_obeys", lambda self, control: True)  # nobody steers

    def points(out, watch):
        channel = Sent()
        watcher = worker.Watcher(channel, 2)
        plan = Plan.of(Settings(hidden="8", epochs=2, batch_size=150))  # 150, 150 and 100 samples
        run(plan, out, tell=lambda line: None, progress=False, watch=lambda *what: watch(*what) and watcher(*what))
        steps = [value for kind, value in channel.sent if kind == "step"]
        assert (steps[-1]["done"], steps[-1]["remaining"]) == (1, 0)
        return [step["point"] for step in steps]

    losses = []
    all_of_them = points(
        tmp_path / "run", lambda event, control: isinstance(event, EpochEvent) or losses.append(event.loss) is None
    )
    assert [loss for _, loss, _ in all_of_them] == pytest.approx(losses, abs=1e-5), "a point for each of so few batches"
    assert [x for x, _, _ in all_of_them] == pytest.approx([1 / 3, 2 / 3, 1, 4 / 3, 5 / 3, 2], abs=1e-5)
    monkeypatch.setattr(worker, "POINTS", 2)
    few = points(tmp_path / "again", lambda event, control: True)
    means = [sum(n * loss for n, loss in zip((150, 150, 100), part, strict=True)) / 400 for part in (losses[:3], losses[3:])]
    assert [point and point[1] for point in few] == [None, None, pytest.approx(means[0]), None, None, pytest.approx(means[1])]


def test_a_training_from_start_to_end(visitor, desk):
    with visitor.events() as events:
        assert next(events) == {"kind": "jobs", "jobs": []}
        number = visitor.ask("/api/train/start", {"model": "mlp", "hidden": "8", "epochs": 3})["job"]
        seen = until(events, lambda event: event["kind"] == "networks")
    states = list(dict.fromkeys(event["state"] for event in seen if event["kind"] == "job"))
    assert states == ["queued", "starting", "training", "scoring", "done"]
    assert [event["row"]["epoch"] for event in seen if event["kind"] == "epoch"] == [1, 2, 3]
    end = seen[-2]
    assert (end["name"], end["network"], end["error"]) == ("mlp-1", "mlp-1", None)
    metrics = json.loads((desk.runs / "mlp-1" / "metrics.json").read_text())
    assert end["result"]["test"]["accuracy"] == metrics["test"]["accuracy"]
    assert end["command"] == "pellucid train mnist --model mlp --hidden 8 --epochs 3"
    (network,) = visitor.ask("/api/networks")["networks"]
    assert (network["name"], network["accuracy"]) == ("mlp-1", metrics["test"]["accuracy"])
    with visitor.events() as events:  # a page that is opened later sees all of it
        (whole,) = next(events)["jobs"]
    assert whole["job"] == number
    assert [row["train_loss"] for row in whole["rows"]] == [
        event["row"]["train_loss"] for event in seen if event["kind"] == "epoch"
    ]


def test_a_training_is_steered(visitor, desk):
    with visitor.events() as events, visitor.events() as others:
        number = visitor.ask("/api/train/start", ENDLESS)["job"]
        until(events, state("starting"))
        with pytest.raises(AssertionError, match="has not begun"):
            visitor.control(number, "pause")
        until(events, lambda event: event["kind"] == "step")
        assert visitor.ask("/api/networks") == {"networks": []}, "others are answered meanwhile"
        visitor.control(number, "learning_rate", 0.123)
        until(events, lambda event: event["kind"] == "step" and event["now"]["learning_rate"] == 0.123)
        visitor.control(number, "pause")
        until(events, state("paused"))
        visitor.control(number, "learning_rate")  # as the recipe says; a paused one hears it, too
        visitor.control(number, "pause")
        meanwhile = [next(events)["kind"] for _ in range(3)]
        assert meanwhile == ["job"] * 3, "twice what was asked, and once the answer to it; nothing is learned"
        visitor.control(number, "resume")
        after = until(events, lambda event: event["kind"] == "step")
        assert after[-1]["now"]["learning_rate"] == 0.04
        visitor.control(number, "stop")
        end = until(events, lambda event: event["kind"] == "job" and event["state"] in OVER)[-1]
        assert until(others, state("stopped"))[-1] == end, "every page hears the same"
    assert (end["state"], end["error"], end["network"]) == ("stopped", None, "mlp-1")
    metrics = json.loads((desk.runs / "mlp-1" / "metrics.json").read_text())
    assert metrics["interrupted"]
    assert [change["learning_rate"] for change in metrics["steered"]] == [0.123, None]


def test_errors_arrive_as_their_message_and_the_next_one_goes_on(visitor, desk):
    with visitor.events() as events:
        visitor.ask("/api/train/start", {"model": "mlp", "hidden": "8", "epochs": 2, "lr": 1000})
        visitor.ask("/api/train/start", {"model": "mlp", "hidden": "8", "epochs": 1})
        seen = until(events, state("done", 2))
    (failed,) = [event for event in seen if event.get("state") == "failed"]
    assert "at a learning rate of 1000; the usual causes" in failed["error"]
    assert [path.name for path in desk.runs.iterdir()] == ["mlp-1"], "the folder of the first was empty, and is gone"


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="processes are killed in another way here")
def test_a_process_that_dies_is_said(visitor, desk):
    with visitor.events() as events:
        visitor.ask("/api/train/start", ENDLESS)
        until(events, lambda event: event["kind"] == "step")
        (process,) = children()
        os.kill(process.pid, signal.SIGKILL)
        end = until(events, state("failed"))[-1]
    assert "died (killed by signal 9)" in end["error"]
    assert "training  10000 epochs" in end["error"], "the last it said"
    assert not list(desk.runs.iterdir())


def test_the_end_of_the_server_ends_streams_and_keeps_the_run(desk, small_mnist):
    queue = training.Jobs(desk.networks, desk.runs)
    heard, begun = [], threading.Event()

    def hear(text):
        heard.append(text)
        if text is not None and '"step"' in text:
            begun.set()

    with queue.heard(hear):
        queue.start(Settings(model="mlp", hidden="8", epochs=10_000))
        queue.start(Settings())
        assert begun.wait(60)
        queue.close()
    assert None in heard
    assert not children()
    assert json.loads((desk.runs / "mlp-1" / "metrics.json").read_text())["interrupted"]
    assert [path.name for path in desk.runs.iterdir()] == ["mlp-1"], "what waited did not begin"


ORPHAN = """
import pathlib, sys, threading
from pellucid.app.jobs import Jobs
from pellucid.app.networks import Networks
from pellucid.runs.run import Settings
jobs = Jobs(Networks(), pathlib.Path(sys.argv[1]))
with jobs.heard(lambda text: text is not None and '"step"' in text and print("step", flush=True)):
    jobs.start(Settings(model="mlp", hidden="8", epochs=10_000))
    threading.Event().wait()
"""


def test_a_training_ends_when_its_server_is_killed(tmp_path, small_mnist):
    command = [sys.executable, "-c", ORPHAN, str(tmp_path / "runs")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "step\n"
        process.kill()
        process.stdout.read()  # ends when nobody is left who could write to it: the training, too
    assert json.loads((tmp_path / "runs" / "mlp-1" / "metrics.json").read_text())["interrupted"]
