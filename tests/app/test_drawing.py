"""The tab Draw, Inside and Why, as requests: what networks say, what they look like inside, and what speaks for a guess."""

from __future__ import annotations

import base64
import json
import shutil

import numpy as np
import pytest
from conftest import SEVEN, ZERO

from pellucid import explain
from pellucid.app.networks import Networks
from pellucid.data import digit
from pellucid.runs.folder import open_run


def numbers(text: str, kind: str = "<f4") -> np.ndarray:
    return np.frombuffer(base64.b64decode(text), kind)


def test_networks_are_listed_with_what_people_ask_of_them(client):
    first, second = client.get("/api/networks").json()["networks"]
    assert (first["name"], second["name"]) == ("mlp-small", "cnn-fast")
    assert (first["convolutional"], second["convolutional"]) == (False, True)
    assert first["parameters"] == 784 * 32 + 32 + 32 * 10 + 10
    assert first["accuracy"] > 0.8


def test_names_do_not_change_when_others_come(desk, trained_runs, tmp_path):
    networks = desk.networks
    shutil.copytree(trained_runs[0], tmp_path / "other" / "mlp-small")
    shutil.copytree(trained_runs[0], tmp_path / "more" / "other" / "mlp-small")
    for folder in (tmp_path / "other", tmp_path / "more" / "other"):
        networks.add(folder / "mlp-small")
        networks.add(folder / "mlp-small")  # the same again is the same
    names = ["mlp-small", "cnn-fast", "other/mlp-small", "other/mlp-small (2)"]
    assert [network.name for network in networks.some(None)] == names
    assert networks.get("mlp-small").path == trained_runs[0].resolve()


def test_a_folder_of_runs_is_loaded_without_what_is_none(desk, trained_runs, tmp_path):
    networks, folder = Networks(), tmp_path / "all"
    shutil.copytree(trained_runs[0], folder / "mlp")
    (folder / "latest").symlink_to(folder / "gone")
    (folder / "damaged").mkdir()
    (folder / "damaged" / "model.pellucid").write_bytes(b"no model")
    networks.add_all(folder)
    networks.add_all(tmp_path / "missing")
    assert [network.name for network in networks.some(None)] == ["mlp"]


def test_guesses_are_those_of_the_networks(client, trained_runs):
    answer = client.post("/api/predict", json={"strokes": SEVEN}).json()
    picture = digit(SEVEN)
    np.testing.assert_array_equal(numbers(answer["picture"], "u1"), picture.reshape(-1))
    for guess, run in zip(answer["guesses"], trained_runs, strict=True):
        model, _ = open_run(run)
        p = model.predict(picture[None])[0]
        np.testing.assert_allclose(guess["probabilities"], p, atol=1e-6)
        assert guess["label"] == "7"
        assert guess["doubt"] == pytest.approx(1 - p.max(), abs=1e-6)
        assert guess["milliseconds"] > 0
    assert client.post("/api/predict", json={"strokes": ZERO, "networks": ["cnn-fast"]}).json()["guesses"][0]["label"] == "0"


def test_normalizations_are_felt(client):
    small = [[[100 + x / 10, 100 + y / 10] for x, y in stroke] for stroke in SEVEN]
    asked = {"strokes": small, "canvas": [1000, 1000]}
    pictures = {
        how: numbers(client.post("/api/predict", json=asked | {"normalization": how}).json()["picture"], "u1").reshape(28, 28)
        for how in ("mass", "box", "none")
    }
    assert not pictures["none"][10:].any()  # as drawn: in the corner
    assert pictures["box"].any(axis=1).sum() >= 19 <= pictures["mass"].any(axis=1).sum()
    assert (pictures["mass"] != pictures["box"]).any()


def test_corrections_are_kept_as_strokes_and_make_a_data_set(client, desk):
    for label in ("7", "no digit"):
        kept = client.post("/api/correct", json={"strokes": SEVEN, "canvas": [1000, 1000], "label": label, "said": "1"})
    assert kept.json()["kept"] == 2
    listed = client.get("/api/corrections").json()["corrections"]
    assert [one["label"] for one in listed] == ["7", "no digit"]
    assert listed[0]["strokes"] == SEVEN
    made = desk.corrections.dataset()
    np.testing.assert_array_equal(made.y, [7, 10])
    np.testing.assert_array_equal(made.x[0], digit(SEVEN))


def test_a_damaged_correction_is_said(client, desk):
    client.post("/api/correct", json={"strokes": SEVEN, "label": "7"})
    (desk.corrections.folder / "0.json").write_text('{"label": 7}')
    assert "is no correction" in client.get("/api/corrections").json()["error"]


@pytest.mark.parametrize("name", ["mlp-small", "cnn-fast"])
def test_the_inside_adds_up_to_the_guess(client, desk, name):
    networks = desk.networks
    stages = client.post("/api/weights", json={"network": name}).json()["stages"]
    state = client.post("/api/inside", json={"strokes": SEVEN, "network": name}).json()
    assert [one["name"] for one in stages] == [one["name"] for one in state["stages"]]
    dense = [one for one in state["stages"] if "values" in one]
    for stage, told in ((s, t) for s, t in zip(stages, state["stages"], strict=True) if s["dense"]):
        W, inputs, values = numbers(stage["weights"]).reshape(stage["shape"]), numbers(told["inputs"]), numbers(told["values"])
        assert len(inputs) == len(W)
        if told is not dense[-1]:  # behind ReLU: where a neuron is active, it is the sum of what reaches it, and the bias
            active = values > 0
            assert active.any()
            b = networks.get(name).model.weights[f"{stage['name']}.b"]
            np.testing.assert_allclose(values[active], (inputs @ W + b)[active], rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(numbers(dense[-1]["values"]), state["guess"]["probabilities"], atol=1e-5)
    if name == "cnn-fast":
        maps = [one for one in state["stages"] if "maps" in one]
        assert [one["shape"] for one in maps] == [[26, 26, 16], [13, 13, 16], [11, 11, 32], [5, 5, 32], [5, 5, 64]]
        assert all(numbers(one["maps"], "u1").size == np.prod(one["shape"]) for one in maps)


def test_every_method_tells_what_the_library_does(client, trained_runs, mnist_folder):
    methods = client.get("/api/methods").json()["methods"]
    assert [one["name"] for one in methods] == list(explain.METHODS)
    model, _ = open_run(trained_runs[0])
    for one in methods:
        if explain.METHODS[one["name"]].needs_convolution:  # which this network has not
            refused = client.post("/api/why", json={"strokes": SEVEN, "network": "mlp-small", "method": one["name"]})
            assert "this network has none" in refused.json()["refused"]
            continue
        told = client.post("/api/why", json={"strokes": SEVEN, "network": "mlp-small", "method": one["name"]}).json()
        assert numbers(told["values"]).shape == (784,)
        error = abs(numbers(told["values"]).sum(dtype=np.float64) - (told["output"] - told["baseline_output"]))
        assert told["completeness_error"] == pytest.approx(error, abs=1e-3)
    mine = explain.integrated_gradients(model, digit(SEVEN)[None], target="9", against="7")
    asked = {"strokes": SEVEN, "network": "mlp-small", "method": "integrated-gradients", "target": "9", "against": "7"}
    np.testing.assert_allclose(
        numbers(client.post("/api/why", json=asked).json()["values"]), mine.values.reshape(-1), atol=1e-6
    )


def test_wrong_questions_are_answered_in_words(client):
    asked = {"strokes": SEVEN, "network": "mlp-small", "method": "saliency"}
    assert "there is no target 'A'" in client.post("/api/why", json=asked | {"target": "A"}).json()["error"]
    assert (
        "there is no method 'salience': did you mean"
        in client.post("/api/why", json=asked | {"method": "salience"}).json()["error"]
    )
    missing = client.post("/api/inside", json=asked | {"network": "x"} | {"method": None})
    assert missing.status_code == 400  # an unknown field comes first
    assert client.post("/api/inside", json={"strokes": SEVEN, "network": "x"}).status_code == 404
    assert json.loads(client.post("/api/weights", json={}).text)["error"] == "the request says nothing of 'network'"
