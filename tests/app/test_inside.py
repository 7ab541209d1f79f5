"""The routes of the tab Inside: weights, activations, the numbers behind a feature map, and what a unit looks for."""

from __future__ import annotations

import json

import numpy as np
import pytest
from conftest import SEVEN, unpack

from pellucid import (
    Add,
    Conv1D,
    Conv2D,
    CrossEntropy,
    Dense,
    Flatten,
    Graph,
    MaxPool1D,
    Node,
    ReLU,
    Reshape,
    Sequential,
    Softmax,
    data,
)
from pellucid.app.tabs import inside_units
from pellucid.app.tabs.inside_stages import stages
from pellucid.data import digit, mnist
from pellucid.errors import DataError
from pellucid.model.activations import activations
from pellucid.runs.folder import RunFolder


def add_network(state, tmp_path, network, name):
    """Add an untrained network to those of the page."""
    folder = RunFolder(tmp_path / name, name)
    folder.write_config({"data": {"name": "mnist-5k", "requested": "mnist"}})
    folder.save_model(network.compile((28, 28, 1), CrossEntropy(), classes=tuple("0123456789")))
    state.networks.add(folder.path)
    return state.networks.get(name)


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


def test_stages_have_captions_in_plain_words(client):
    found = client.post("/api/inside/weights", json={"network": "cnn-fast"}).json()["stages"]
    assert [one["caption"] for one in found] == [
        "16 filters that look for strokes; each place sees 3 × 3 pixels",
        "the same 16 maps, smaller: the largest of each 2 × 2 values",
        "32 filters that look for ends, corners and crossings of strokes; each place sees 8 × 8 pixels",
        "the same 32 maps, smaller: the largest of each 2 × 2 values",
        "64 filters that look for parts of digits; each place sees 18 × 18 pixels",
        "10 neurons, one for each answer",
    ]


def test_sequences_are_maps_with_a_row_for_each_step(client, state, tmp_path):
    rows = Sequential(Reshape((28, 28)), Conv1D(4, 3, padding="causal"), ReLU(), MaxPool1D(), Flatten(), Dense(10), Softmax())
    network = add_network(state, tmp_path, rows, "rows")
    answer = client.post("/api/inside/activations", json={"strokes": SEVEN, "network": "rows"}).json()
    assert [one["shape"] for one in answer["stages"]] == [[28, 4, 1], [14, 4, 1], [10]]
    assert not network.convolutional, "Grad-CAM needs images"
    opened = client.post("/api/inside/map", json={"strokes": SEVEN, "network": "rows", "stage": "conv1d1", "unit": 3}).json()
    assert (opened["shape"], opened["kind"]) == ([28, 1], None)


def computed(answer):
    """Return the values (h, w) that the input, the window and the kernel of a map give, by the formula."""
    window, (h, w) = answer["window"], answer["shape"]
    x = unpack(answer["input"]["values"]).reshape(answer["input"]["shape"])
    kernel = unpack(answer["kernel"]).reshape(window["kh"], window["kw"], -1) if "kernel" in answer else None
    values = np.zeros((h, w))
    for row in range(h):
        for column in range(w):
            taps = []
            for i in range(window["kh"]):
                for j in range(window["kw"]):
                    at = (
                        row * window["sh"] - window["top"] + i * window["dh"],
                        column * window["sw"] - window["left"] + j * window["dw"],
                    )
                    if min(at) >= 0 and at[0] < x.shape[0] and at[1] < x.shape[1]:
                        taps.append(x[at] if kernel is None else x[at] @ kernel[i, j])
            values[row, column] = np.max(taps) if kernel is None else np.sum(taps) + (answer["bias"] or 0)
    return values


@pytest.mark.parametrize(
    ("name", "stage"),
    [
        ("cnn-fast", "conv2d1"),
        ("cnn-fast", "maxpool2d1"),
        ("cnn-fast", "conv2d2"),
        ("strange", "conv2d1"),
        ("strange", "conv2d2"),
    ],
)
def test_a_map_comes_with_the_numbers_it_is_computed_from(client, state, tmp_path, name, stage):
    first = Conv2D(4, (5, 3), stride=(2, 1), padding=((2, 1), (0, 1)), dilation=(1, 2))
    layers = first, ReLU(), Conv2D(6, 3, padding="same", groups=2, bias=False), ReLU(), Flatten(), Dense(10), Softmax()
    strange = add_network(state, tmp_path, Sequential(*layers), "strange")
    strange.model.weights["conv2d1.b"][3] = 0.5
    answer = client.post("/api/inside/map", json={"strokes": SEVEN, "network": name, "stage": stage, "unit": 3}).json()
    assert answer["kind"] == ("maximum" if "pool" in stage else "convolution")
    steps = [unpack(step["values"]).reshape(answer["shape"]) for step in answer["steps"]]
    np.testing.assert_allclose(computed(answer), steps[0], atol=1e-4)
    outputs = activations(state.networks.get(name).model, digit(SEVEN)[None])
    for step, values in zip(answer["steps"], steps, strict=True):
        np.testing.assert_array_equal(values, outputs[step["layer"]][0, ..., 3])


def test_no_numbers_are_shown_where_the_input_is_not_the_layer_before(client, state, tmp_path):
    nodes = (
        Node("a", Conv2D(4, 3, padding="same"), "input"),
        Node("b", Conv2D(4, 3, padding="same"), "input"),  # after a, which has other channels
        Node("c", Conv2D(4, 3, padding="same"), "a"),  # after b, which has the same shape as a
        Node("sum", Add(), "b", "c"),
        Node("d", Sequential(Conv2D(4, 3), Flatten(), Dense(10), Softmax()), "sum"),
    )
    add_network(state, tmp_path, Graph(*nodes), "graph")
    request = {"strokes": SEVEN, "network": "graph", "unit": 0}
    found = client.post("/api/inside/weights", json={"network": "graph"}).json()["stages"]
    answers = {
        one["name"]: client.post("/api/inside/map", json=request | {"stage": one["name"]}).json()["kind"]
        for one in found
        if not one["dense"]
    }
    assert answers == {"a": "convolution", "b": None, "c": None, "d.conv2d1": "convolution"}
    assert client.post("/api/inside/image", json={"network": "graph", "stage": "c", "unit": 1}).status_code == 200


@pytest.mark.parametrize(("name", "stage"), [("mlp-small", "dense1"), ("cnn-fast", "conv2d2"), ("cnn-fast", "dense1")])
def test_the_image_of_a_unit_excites_it_more_than_any_digit(client, state, mnist_folder, name, stage):
    model = state.networks.get(name).model
    layer = {one.name: inside_units.target_layer(one) for one in stages(state.networks.get(name))}[stage]

    def outputs(x):
        y = activations(model, x)[layer]
        return y if y.ndim == 2 else y[:, y.shape[1] // 2, y.shape[2] // 2]

    digits = outputs(mnist().test.x).max(axis=0)
    for unit in range(4):
        answer = client.post("/api/inside/image", json={"network": name, "stage": stage, "unit": unit}).json()
        image = unpack(answer["image"]).reshape(1, 28, 28, 1)
        assert 0 <= image.min() < image.max() <= 1
        assert outputs(np.round(255 * image).astype(np.uint8))[0, unit] > digits[unit]


@pytest.mark.parametrize(("name", "stage"), [("mlp-small", "dense1"), ("cnn-fast", "conv2d2")])
def test_the_digits_that_excite_a_unit_most(client, state, mnist_folder, name, stage):
    validation = mnist().validation
    found = next(one for one in stages(state.networks.get(name)) if one.name == stage)
    y = activations(state.networks.get(name).model, validation.x)[found.last]
    answer = client.post("/api/inside/digits", json={"network": name, "stage": stage, "unit": 5}).json()
    assert (answer["data"], answer["count"], len(answer["digits"])) == ("mnist", 50, 8)
    largest = y.reshape(50, -1, y.shape[-1]).max(axis=1)[:, 5]
    np.testing.assert_allclose([one["value"] for one in answer["digits"]], np.sort(largest)[::-1][:8], rtol=1e-4)
    for one in answer["digits"]:
        row = next(i for i, image in enumerate(validation.x) if image.tobytes() == unpack(one["image"], "u1").tobytes())
        assert one["label"] == validation.y[row]
        if one["place"] is not None:
            assert y[row, one["place"][0], one["place"][1], 5] == pytest.approx(one["value"], rel=1e-4)


def test_what_a_unit_looks_for_is_computed_once(client, mnist_folder, monkeypatch):
    request = {"network": "cnn-fast", "stage": "conv2d1", "unit": 1}
    first = [client.post(f"/api/inside/{path}", json=request).json() for path in ("image", "digits")]
    monkeypatch.setattr(inside_units, "maximize", None)
    monkeypatch.setattr(inside_units, "strongest", None)
    assert [client.post(f"/api/inside/{path}", json=request).json() for path in ("image", "digits")] == first
    assert client.post("/api/inside/digits", json=request | {"stage": "conv2d2"}).status_code == 200


def test_without_digits_the_page_is_told_why(client, monkeypatch):
    def load(*_):
        raise DataError("MNIST is not here")

    monkeypatch.setattr(data, "load", load)
    answer = client.post("/api/inside/digits", json={"network": "cnn-fast", "stage": "conv2d1", "unit": 1})
    assert (answer.status_code, answer.json()) == (200, {"unavailable": "MNIST is not here"})


def test_invalid_requests_have_an_error_message(client):
    assert client.post("/api/inside/activations", json={"strokes": SEVEN, "network": "x"}).status_code == 404
    unknown = client.post("/api/inside/activations", json={"strokes": SEVEN, "network": "x", "method": None})
    assert unknown.status_code == 400  # the unknown field is reported first
    assert json.loads(client.post("/api/inside/weights", json={}).text)["error"] == "the request has no field 'network'"
    unit = {"network": "cnn-fast", "stage": "conv2d1", "unit": 0}
    for path, fields, code, words in [
        ("image", {"stage": "conv9"}, 404, "no layer 'conv9'"),
        ("image", {"stage": "maxpool2d1"}, 404, "maxpool2d1 has no weights"),
        ("digits", {"unit": 16}, 404, "conv2d1 has no unit 16"),
        ("image", {"unit": -1}, 400, "unit must be a whole number"),
        ("map", {"unit": 16, "strokes": SEVEN}, 404, "conv2d1 has no map 16"),
    ]:
        answer = client.post(f"/api/inside/{path}", json=unit | fields)
        assert answer.status_code == code
        assert words in answer.json()["error"]
