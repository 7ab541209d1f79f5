"""The routes of the tab Inside: weights and activations."""

from __future__ import annotations

import json

import numpy as np
import pytest
from conftest import SEVEN, unpack

from pellucid import Conv1D, CrossEntropy, Dense, Flatten, MaxPool1D, ReLU, Reshape, Sequential, Softmax
from pellucid.runs.folder import RunFolder


@pytest.mark.parametrize("name", ["mlp-small", "cnn-fast"])
def test_activations_and_weights_add_up_to_the_prediction(client, state, name):
    stages = client.post("/api/inside/weights", json={"network": name}).json()["stages"]
    answer = client.post("/api/inside/activations", json={"strokes": SEVEN, "network": name}).json()
    assert [one["name"] for one in stages] == [one["name"] for one in answer["stages"]]
    dense = [one for one in answer["stages"] if "values" in one]
    for stage, shown in ((s, a) for s, a in zip(stages, answer["stages"], strict=True) if s["dense"]):
        W, inputs, values = unpack(stage["weights"]).reshape(stage["shape"]), unpack(shown["inputs"]), unpack(shown["values"])
        assert len(inputs) == len(W)
        if shown is not dense[-1]:  # after ReLU: an active neuron is the sum of its inputs and the bias
            active = values > 0
            assert active.any()
            b = state.networks.get(name).model.weights[f"{stage['name']}.b"]
            np.testing.assert_allclose(values[active], (inputs @ W + b)[active], rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(unpack(dense[-1]["values"]), answer["prediction"]["probabilities"], atol=1e-5)
    if name == "cnn-fast":
        maps = [one for one in answer["stages"] if "maps" in one]
        assert [one["shape"] for one in maps] == [[26, 26, 16], [13, 13, 16], [11, 11, 32], [5, 5, 32], [5, 5, 64]]
        assert all(unpack(one["maps"], "u1").size == np.prod(one["shape"]) for one in maps)


def test_sequences_are_maps_with_a_row_for_each_step(client, state, tmp_path):
    rows = Sequential(Reshape((28, 28)), Conv1D(4, 3, padding="causal"), ReLU(), MaxPool1D(), Flatten(), Dense(10), Softmax())
    folder = RunFolder(tmp_path / "rows", "rows")
    folder.write_config({"data": {"name": "mnist-5k", "requested": "mnist"}})
    folder.save_model(rows.compile((28, 28, 1), CrossEntropy(), classes=tuple("0123456789")))
    state.networks.add(folder.path)
    answer = client.post("/api/inside/activations", json={"strokes": SEVEN, "network": "rows"}).json()
    assert [one["shape"] for one in answer["stages"]] == [[28, 4, 1], [14, 4, 1], [10]]
    assert not state.networks.get("rows").convolutional, "Grad-CAM needs images"


def test_invalid_requests_have_an_error_message(client):
    assert client.post("/api/inside/activations", json={"strokes": SEVEN, "network": "x"}).status_code == 404
    unknown = client.post("/api/inside/activations", json={"strokes": SEVEN, "network": "x", "method": None})
    assert unknown.status_code == 400  # the unknown field is reported first
    assert json.loads(client.post("/api/inside/weights", json={}).text)["error"] == "the request has no field 'network'"
