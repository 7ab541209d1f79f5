"""The tab Compare, from the server's side: the figures, and the pictures behind them."""

from __future__ import annotations

import base64
import json

import numpy as np
import pytest

pytest.importorskip("starlette", reason="the drawing mode needs Starlette")
from starlette.testclient import TestClient

from pellucid import SGD, CrossEntropy, Dense, Flatten, Sequential, Softmax
from pellucid.app import comparing, server
from pellucid.data import mnist
from pellucid.data.drawings.corrections import Corrections
from pellucid.data.drawings.rendering import CLASSES
from pellucid.data.sources import registry as sources
from pellucid.metrics import ConfusionMatrix
from pellucid.runs.comparison import Comparison

BOTH = ["good", "poor"]


def kept(folder, classes, samples, **data):
    """A run of a small network that has seen so many samples."""
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
    """Two that were trained, "good" and "poor", one that knows "no digit", and one that was trained on other files."""
    found, digits = server.Networks(), CLASSES[:10]
    data = {"name": "mnist", "asked_for": "mnist", "split_seed": 0, "sha256": mnist().sha256}
    found.add(
        kept(tmp_path / "good", digits, 300, **data),
        kept(tmp_path / "poor", digits, 15, **data),
        kept(tmp_path / "eleven", CLASSES, 0),
        kept(tmp_path / "other", digits, 0, name="mnist-5k", asked_for="mnist", split_seed=3, sha256="another"),
    )
    return found


@pytest.fixture
def ask(tmp_path, networks):
    desk = server.Desk(networks, tmp_path / "runs", Corrections(tmp_path / "corrections"))
    with TestClient(server.application(desk), base_url="http://127.0.0.1:8137") as client:

        def post(path, code=200, **body):
            answer = client.post(f"/api/compare{path}", json=body)
            assert answer.status_code == code, answer.text
            return answer.json()

        yield post


def said(networks, x):
    return {name: networks.get(name).model.predict(x) for name in BOTH}


def test_networks_beside_each_other(ask, networks):
    test = mnist().test
    p = said(networks, test.x)
    by_hand = Comparison(test.y, {name: values.argmax(axis=1) for name, values in p.items()})
    found = ask("", networks=BOTH)
    assert found["data"] == {"name": "mnist", "part": "test", "source": found["data"]["source"], "n": 100}
    assert (found["origins"], found["notes"], found["classes"]) == (["mnist"], [], list("0123456789"))
    for one in found["networks"]:
        name = one["name"]
        assert one["correct"] == by_hand.correct(name)
        assert tuple(one["interval"]) == by_hand.interval(name)
        exact = networks.get(name).model.evaluate(test, metrics=[ConfusionMatrix()])["confusion_matrix"]
        np.testing.assert_array_equal(one["confusion"], exact)
        assert [tuple(pair.values()) for pair in one["confusions"]] == by_hand.confusions(name, 5)
        assert one["seconds"] == 12.5
    (pair,) = found["pairs"]
    assert pair["text"] == str(by_hand.pairs()[0])
    assert found["disputed"] == len(by_hand.disputed()) > 0
    wrong = [by_hand.predicted[name] != test.y for name in BOTH]
    assert found["all_wrong"] == int((wrong[0] & wrong[1]).sum())


def test_the_pictures_behind_a_cell(ask, networks):
    test = mnist().test
    table = np.array(ask("", networks=BOTH)["networks"][1]["confusion"])
    counted = np.zeros_like(table)
    p = said(networks, test.x)
    for true, label in np.argwhere(table > 0):
        found = ask("/pictures", networks=BOTH, network="poor", true=int(true), said=int(label))
        counted[true, label] = found["count"]
        sure = []
        for one in found["pictures"]:
            row = one["number"]
            assert base64.b64decode(one["picture"]) == test.x[row].tobytes()
            assert one["true"] == test.y[row] == true
            assert [answer["network"] for answer in one["said"]] == BOTH
            for answer in one["said"]:
                own = p[answer["network"]][row]
                assert (answer["label"], answer["probability"]) == (own.argmax(), pytest.approx(own.max()))
            assert one["said"][1]["label"] == label
            sure.append(one["said"][1]["probability"])
        assert sure == sorted(sure, reverse=True), "what it was surest of comes first"
    np.testing.assert_array_equal(counted, table)


def test_the_pictures_on_which_they_disagree(ask, networks, monkeypatch):
    test = mnist().test
    hard = Comparison(test.y, {name: p.argmax(axis=1) for name, p in said(networks, test.x).items()}).disputed()
    monkeypatch.setattr(comparing, "SHOWN", 7)
    rows = []
    while True:
        found = ask("/pictures", networks=BOTH, first=len(rows))
        assert (found["count"], found["first"]) == (len(hard), len(rows))
        if not found["pictures"]:
            break
        rows += [one["number"] for one in found["pictures"]]
    assert rows == hard.tolist()


def test_data_and_answers_are_kept(ask, networks, monkeypatch):
    ask("", networks=BOTH)
    monkeypatch.setattr(sources, "SOURCES", {})
    for name in BOTH:
        monkeypatch.setattr(networks.get(name), "model", networks.get(name).model)
        monkeypatch.setattr(networks.get(name).model, "predict", None)
    assert ask("/pictures", networks=BOTH)["pictures"], "nothing is read or asked again"


def test_the_validation_set(ask):
    found = ask("", networks=BOTH, part="validation")
    assert (found["data"]["part"], found["data"]["n"]) == ("validation", 50)
    assert sum(map(sum, found["networks"][0]["confusion"])) == 50


def test_networks_from_different_data_are_told_apart(ask):
    found = ask("", networks=["good", "other", "eleven"])
    assert found["notes"] == [
        "other learned from mnist-5k, and is asked here about mnist",
        "eleven learned from data that its run does not name, and is asked here about mnist",
    ]
    assert found["classes"] == list(CLASSES)
    tables = [np.array(one["confusion"]) for one in found["networks"]]
    assert {table.shape for table in tables} == {(11, 11)}
    assert all(table[10].sum() == 0 for table in tables), "there are none in this data"
    assert tables[0][:, 10].sum() == 0


@pytest.mark.parametrize(
    ("body", "code", "words"),
    [
        ({"networks": ["good"]}, 400, "choose 2 to 6 networks"),
        ({"networks": ["good", "good"]}, 400, "named twice"),
        ({"networks": ["good", "nobody"]}, 404, "no network 'nobody'"),
        ({"networks": ["good"] * 7}, 400, "at most 6"),
        ({"networks": BOTH, "part": "train"}, 400, "no part 'train'"),
        ({"networks": BOTH, "data": "fashion-mnist"}, 400, "did you mean 'mnist'"),
        ({"networks": BOTH, "data_dir": "/"}, 400, "unknown field 'data_dir'"),
        ({}, 400, "says nothing of 'networks'"),
    ],
)
def test_what_is_refused(ask, body, code, words):
    for path in ("", "/pictures"):
        assert words in ask(path, code, **body)["error"]


def test_cells_that_are_none(ask):
    for body, words in [
        ({"network": "good"}, "says nothing of 'true'"),
        ({"network": "good", "true": 10, "said": 0}, "true must be a whole number from 0 to 9"),
        ({"network": "eleven", "true": 1, "said": 0}, "there is no network 'eleven'"),
        ({"first": -1}, "first must be"),
    ]:
        assert words in ask("/pictures", 400, networks=BOTH, **body)["error"]
    assert ask("/pictures", networks=BOTH, first=10**6)["pictures"] == []
