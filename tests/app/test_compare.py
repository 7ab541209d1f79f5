"""The routes of the tab Compare: the results, and the images of each count."""

from __future__ import annotations

import base64
import json
import threading

import numpy as np
import pytest
from conftest import LIMIT, until

pytest.importorskip("starlette", reason="the drawing mode needs Starlette")
from starlette.testclient import TestClient

from pellucid import SGD, CrossEntropy, Dense, Flatten, Sequential, Softmax
from pellucid.app import predictions, server
from pellucid.app.networks import Networks
from pellucid.app.state import AppState
from pellucid.app.tabs import compare
from pellucid.data import mnist
from pellucid.data.drawings.corrections import Corrections
from pellucid.data.drawings.strokes import CLASSES
from pellucid.data.sources import registry
from pellucid.metrics import ConfusionMatrix
from pellucid.runs.comparison import Comparison

BOTH = ["good", "poor"]


def save_run(folder, classes, samples, **data):
    """Save the run of a small network that was trained on this number of samples; return its folder."""
    network = Sequential(Flatten(), Dense(len(classes)), Softmax())
    model = network.compile(input_shape=(28, 28, 1), loss=CrossEntropy(), optimizer=SGD(0.1), classes=classes)
    if samples:
        model.fit(mnist().train.limit(samples), epochs=3)
    folder.mkdir(parents=True)
    model.save(folder / "model.pellucid")
    (folder / "config.json").write_text(json.dumps({"data": data}))
    (folder / "metrics.json").write_text(json.dumps({"seconds": 12.5}))
    return folder


@pytest.fixture
def networks(tmp_path, mnist_folder):
    """Two trained networks, "good" and "poor", one with the class "no digit", and one that was trained on other files."""
    found, digits = Networks(), CLASSES[:10]
    data = {"name": "mnist", "requested": "mnist", "split_seed": 0, "sha256": mnist().sha256}
    found.add(
        save_run(tmp_path / "good", digits, 300, **data),
        save_run(tmp_path / "poor", digits, 15, **data),
        save_run(tmp_path / "eleven", CLASSES, 0),
        save_run(tmp_path / "other", digits, 0, name="mnist-5k", requested="mnist", split_seed=3, sha256="another"),
    )
    return found


@pytest.fixture
def ask(tmp_path, networks):
    state = AppState(networks, tmp_path / "runs", Corrections(tmp_path / "corrections"))
    with TestClient(server.application(state), base_url="http://127.0.0.1:8137") as client:

        def post(path, code=200, **body):
            answer = client.post(f"/api/compare/{path}", json=body)
            assert answer.status_code == code, answer.text
            return answer.json()

        yield post


def probabilities(networks, x):
    return {name: networks.get(name).model.predict(x) for name in BOTH}


def test_results_are_those_of_the_library(ask, networks):
    test = mnist().test
    p = probabilities(networks, test.x)
    by_hand = Comparison(test.y, {name: values.argmax(axis=1) for name, values in p.items()})
    found = ask("results", networks=BOTH)
    assert found["data"] == {"name": "mnist", "part": "test", "source": found["data"]["source"], "n": 100}
    assert (found["datasets"], found["notes"], found["classes"]) == (["mnist"], [], list("0123456789"))
    for one in found["networks"]:
        name = one["name"]
        assert one["correct"] == by_hand.correct(name)
        assert tuple(one["interval"]) == by_hand.interval(name)
        exact = networks.get(name).model.evaluate(test, metrics=[ConfusionMatrix()])["confusion_matrix"]
        np.testing.assert_array_equal(one["confusion"], exact)
        assert [tuple(pair.values()) for pair in one["confusions"]] == by_hand.confusions(name, 5)
        assert one["seconds"] == 12.5
    (pair,) = found["pairs"]
    assert pair["text"] == str(by_hand.mcnemar_tests()[0])
    assert found["disputed"] == len(by_hand.disagreements()) > 0
    wrong = [by_hand.predictions[name] != test.y for name in BOTH]
    assert found["all_wrong"] == int((wrong[0] & wrong[1]).sum())


def test_the_images_of_a_cell(ask, networks):
    test = mnist().test
    table = np.array(ask("results", networks=BOTH)["networks"][1]["confusion"])
    counted = np.zeros_like(table)
    p = probabilities(networks, test.x)
    for true, label in np.argwhere(table > 0):
        found = ask("images", networks=BOTH, network="poor", true=int(true), predicted=int(label))
        counted[true, label] = found["count"]
        sure = []
        for one in found["images"]:
            row = one["index"]
            assert base64.b64decode(one["image"]) == test.x[row].tobytes()
            assert one["true"] == test.y[row] == true
            assert [answer["network"] for answer in one["predictions"]] == BOTH
            for answer in one["predictions"]:
                own = p[answer["network"]][row]
                assert (answer["label"], answer["probability"]) == (own.argmax(), pytest.approx(own.max()))
            assert one["predictions"][1]["label"] == label
            sure.append(one["predictions"][1]["probability"])
        assert sure == sorted(sure, reverse=True), "what it was surest of comes first"
    np.testing.assert_array_equal(counted, table)


def test_the_images_on_which_the_networks_disagree(ask, networks, monkeypatch):
    test = mnist().test
    hard = Comparison(test.y, {name: p.argmax(axis=1) for name, p in probabilities(networks, test.x).items()}).disagreements()
    monkeypatch.setattr(compare, "IMAGES_PER_ANSWER", 7)
    rows = []
    while True:
        found = ask("images", networks=BOTH, first=len(rows))
        assert (found["count"], found["first"]) == (len(hard), len(rows))
        if not found["images"]:
            break
        rows += [one["index"] for one in found["images"]]
    assert rows == hard.tolist()


def forbid_work(networks, monkeypatch):
    """Let every loading of data and every prediction fail."""

    def predict(x):
        assert len(x) == 1, "only the server's first prediction, at its start"

    monkeypatch.setattr(registry, "SOURCES", {})
    for name in BOTH:
        monkeypatch.setattr(networks.get(name).model, "predict", predict)


def test_data_and_predictions_are_cached(ask, networks, monkeypatch):
    ask("results", networks=BOTH)
    forbid_work(networks, monkeypatch)
    assert ask("images", networks=BOTH)["images"], "nothing is loaded or predicted again"


@pytest.fixture
def restarted(tmp_path, networks):
    """A function that asks a new server with the same networks and runs."""

    def post(path, **body):
        state = AppState(networks, tmp_path / "runs", Corrections(tmp_path / "corrections"))
        with TestClient(server.application(state), base_url="http://127.0.0.1:8137") as client:
            return client.post(f"/api/compare/{path}", json=body).json()

    return post


def test_predictions_are_known_after_a_restart(ask, restarted, networks, monkeypatch):
    first = ask("results", networks=BOTH)
    forbid_work(networks, monkeypatch)
    assert restarted("results", networks=BOTH) == first, "nothing is loaded or predicted"


@pytest.mark.parametrize("damage", ["cut", "byte", "empty", "other"])
def test_damaged_predictions_are_computed_again(ask, restarted, tmp_path, damage):
    first = ask("results", networks=BOTH)
    files = sorted((tmp_path / "runs" / predictions.FOLDER).glob("*.safetensors"))
    assert len(files) == 2
    content = [path.read_bytes() for path in files]
    changed = {
        "cut": content[0][:-1], "empty": b"", "byte": content[0][:-1] + bytes([content[0][-1] ^ 1]), "other": content[1],
    }  # fmt: skip
    files[0].write_bytes(changed[damage])
    assert restarted("results", networks=BOTH) == first
    assert files[0].read_bytes() == content[0]


def test_a_network_that_was_trained_again_has_new_predictions(ask, networks):
    before = ask("results", networks=BOTH)["networks"]
    networks.get("poor").model.weights["dense1.W"][...] = networks.get("good").model.weights["dense1.W"]
    networks.get("poor").model.weights["dense1.b"][...] = networks.get("good").model.weights["dense1.b"]
    after = ask("results", networks=BOTH)["networks"]
    assert after[1]["confusion"] == before[0]["confusion"] != before[1]["confusion"]


def test_the_digest_of_the_data_is_that_of_its_last_loading_or_of_the_training(ask, restarted, networks, tmp_path, monkeypatch):
    first = ask("results", networks=BOTH)
    forbid_work(networks, monkeypatch)
    networks.get("good").settings["data"]["sha256"] = "another"
    answer = restarted("results", networks=BOTH)
    assert answer["networks"] == first["networks"]
    assert answer["notes"] == ["good was trained on another version of the files of mnist"]
    digests = tmp_path / "runs" / predictions.FOLDER / predictions.DIGESTS
    digests.write_text("[]")
    assert "there is no data set" in restarted("results", networks=BOTH)["error"], "the data is loaded"
    networks.get("good").settings["data"]["sha256"] = mnist().sha256
    assert restarted("results", networks=BOTH) == first


def test_old_files_are_deleted(ask, tmp_path, monkeypatch):
    monkeypatch.setattr(predictions, "MAX_FILES", 3)
    for part in ("test", "validation"):
        ask("results", networks=BOTH, part=part)
    assert len(list((tmp_path / "runs" / predictions.FOLDER).glob("*.safetensors"))) == 3


def test_without_a_place_for_files_the_results_are_the_same(ask, tmp_path):
    (tmp_path / "runs").write_text("a file where the folder should be")
    assert ask("results", networks=BOTH)["data"]["n"] == 100


def test_the_progress_of_a_request_is_known_by_its_ticket(ask, networks, monkeypatch):
    monkeypatch.setattr(predictions, "CHUNK", 40)
    seen = []
    load, model = registry.load, networks.get("poor").model
    predict = model.predict

    def look(function):
        def looked(*arguments):
            if len(arguments[0]) > 1:  # not the server's first prediction, at its start
                seen.append(ask("progress", ticket="mine"))
            return function(*arguments)

        return looked

    monkeypatch.setattr(registry, "load", look(load))
    monkeypatch.setattr(model, "predict", look(predict))
    ask("results", networks=BOTH, ticket="mine")
    computing = {"state": "computing", "network": "poor", "of": 200}
    assert seen == [{"state": "loading", "data": "mnist"}, *({**computing, "done": n} for n in (100, 140, 180))]
    assert ask("progress", ticket="mine") == {"state": "unknown"}


def test_a_request_is_cancelled_between_two_chunks(ask, networks, monkeypatch):
    monkeypatch.setattr(predictions, "CHUNK", 40)
    calls, model = [], networks.get("poor").model
    predict = model.predict

    def cancel(x):
        if len(x) > 1:  # not the server's first prediction, at its start
            calls.append(len(x))
            assert ask("cancel", ticket="mine") == {"cancelled": True}
        return predict(x)

    monkeypatch.setattr(model, "predict", cancel)
    assert ask("results", networks=BOTH, ticket="mine") == {"cancelled": True}
    assert calls == [40], "the other 60 images are not read"
    assert ask("cancel", ticket="mine") == {"cancelled": False}
    assert ask("progress", ticket="mine") == {"state": "unknown"}
    monkeypatch.setattr(model, "predict", predict)
    monkeypatch.setattr(networks.get("good").model, "predict", lambda x: 1 / 0)  # its predictions are known
    assert ask("results", networks=BOTH)["data"]["n"] == 100


def test_a_waiting_request_is_cancelled(ask, networks, monkeypatch):
    computing, go_on, model = threading.Event(), threading.Event(), networks.get("poor").model
    predict, answers = model.predict, {}

    def slow(x):
        if len(x) > 1:
            computing.set()
            assert go_on.wait(LIMIT)
        return predict(x)

    def compare(name):
        answers[name] = ask("results", networks=BOTH, ticket=name)

    monkeypatch.setattr(model, "predict", slow)
    first, second = (threading.Thread(target=compare, args=[name]) for name in ("first", "second"))
    first.start()
    assert computing.wait(LIMIT)
    second.start()
    until(lambda: ask("progress", ticket="second") == {"state": "waiting"})
    ask("cancel", ticket="second")
    second.join(LIMIT)
    assert answers == {"second": {"cancelled": True}}
    go_on.set()
    first.join(LIMIT)
    assert answers["first"]["data"]["n"] == 100


def test_the_validation_set(ask):
    found = ask("results", networks=BOTH, part="validation")
    assert (found["data"]["part"], found["data"]["n"]) == ("validation", 50)
    assert sum(map(sum, found["networks"][0]["confusion"])) == 50


def test_networks_trained_on_other_data_have_a_note(ask):
    found = ask("results", networks=["good", "other", "eleven"])
    assert found["notes"] == [
        "other was trained on mnist-5k, not on mnist",
        "eleven was trained on data that its run does not name, not on mnist",
    ]
    assert found["classes"] == list(CLASSES)
    tables = [np.array(one["confusion"]) for one in found["networks"]]
    assert {table.shape for table in tables} == {(11, 11)}
    assert all(table[10].sum() == 0 for table in tables), "the data has no such images"
    assert tables[0][:, 10].sum() == 0


@pytest.mark.parametrize(
    ("body", "code", "words"),
    [
        ({"networks": ["good"]}, 400, "choose 2 to 6 networks"),
        ({"networks": ["good", "good"]}, 400, "the same network twice"),
        ({"networks": ["good", "nobody"]}, 404, "no network 'nobody'"),
        ({"networks": ["good"] * 7}, 400, "at most 6"),
        ({"networks": BOTH, "part": "train"}, 400, "no part 'train'"),
        ({"networks": BOTH, "data": "fashion-mnist"}, 400, "did you mean 'mnist'"),
        ({"networks": BOTH, "data_dir": "/"}, 400, "unknown field 'data_dir'"),
        ({}, 400, "has no field 'networks'"),
    ],
)
def test_invalid_requests_have_an_error_message(ask, body, code, words):
    for path in ("results", "images"):
        assert words in ask(path, code, **body)["error"]


def test_invalid_cells_have_an_error_message(ask):
    for body, words in [
        ({"network": "good"}, "has no field 'true'"),
        ({"network": "good", "true": 10, "predicted": 0}, "true must be a whole number from 0 to 9"),
        ({"network": "eleven", "true": 1, "predicted": 0}, "there is no network 'eleven'"),
        ({"first": -1}, "first must be"),
    ]:
        assert words in ask("images", 400, networks=BOTH, **body)["error"]
    assert ask("images", networks=BOTH, first=10**6)["images"] == []
