"""The routes of the tab Why: attributions."""

from __future__ import annotations

import numpy as np
import pytest
from conftest import SEVEN, unpack

from pellucid import explain
from pellucid.app.tabs.why import COVERED, FIRST
from pellucid.data import digit
from pellucid.runs.folder import open_run


def test_attributions_are_those_of_the_library(client, trained_runs, mnist_folder):
    methods = client.get("/api/why/methods").json()["methods"]
    assert {one["name"] for one in methods} == set(explain.METHODS)
    assert tuple(one["name"] for one in methods if one["first"]) == FIRST == tuple(one["name"] for one in methods)[:3]
    model, _ = open_run(trained_runs[0])
    request = {"strokes": SEVEN, "network": "mlp-small"}
    for one in methods:
        answer = client.post("/api/why/attribution", json=request | {"method": one["name"]}).json()
        if explain.METHODS[one["name"]].needs_convolution:  # this network has none
            assert "this network has none" in answer["not_applicable"]
            continue
        assert unpack(answer["values"]).shape == (784,)
    expected = explain.integrated_gradients(model, digit(SEVEN)[None], target="9", against="7")
    answer = client.post(
        "/api/why/attribution", json=request | {"method": "integrated-gradients", "target": "9", "against": "7"}
    )
    np.testing.assert_allclose(unpack(answer.json()["values"]), expected.values.reshape(-1), atol=1e-6)


@pytest.mark.parametrize("network", ["mlp-small", "cnn-fast"])
def test_every_number_has_a_unit_and_errors_are_those_of_complete_methods(client, mnist_folder, network):
    for name, method in explain.METHODS.items():
        answer = client.post("/api/why/attribution", json={"strokes": SEVEN, "network": network, "method": name}).json()
        if "not_applicable" in answer:
            continue
        numbers = {one["label"]: one for one in answer["numbers"]}
        assert all(one.get("unit") or one.get("text") for one in numbers.values())
        values = unpack(answer["values"]).astype(np.float64)
        if not method.complete:
            assert "missing in the sum" not in numbers, name
            continue
        explained = answer["output"] - answer["baseline_output"]
        assert numbers["to explain"]["value"] == pytest.approx(explained)
        missing = numbers["missing in the sum"]
        assert missing["value"] == pytest.approx(abs(values.sum() - explained), abs=1e-3)
        assert missing["fraction"] == pytest.approx(missing["value"] / abs(explained), abs=1e-9)


def test_the_number_of_occlusion_is_a_drop_in_the_output(client, trained_runs):
    request = {"strokes": SEVEN, "network": "mlp-small", "method": "occlusion"}
    answer = client.post("/api/why/attribution", json=request).json()
    model, _ = open_run(trained_runs[0])
    image, drops = digit(SEVEN)[None], []
    label = int(answer["prediction"]["label"])
    for top in range(-COVERED // 2, 28, COVERED // 2):
        for left in range(-COVERED // 2, 28, COVERED // 2):
            covered = image.copy()
            covered[0, max(top, 0) : top + COVERED, max(left, 0) : left + COVERED] = 0
            drops.append(answer["output"] - model.predict(covered, logits=True)[0, label])
    number = answer["numbers"][0]
    assert number["label"] == "largest effect of 4 × 4 pixels"
    assert max(drops) / 4 < number["value"] <= max(drops), "the mean over the four windows that cover the pixel"


def test_invalid_requests_have_an_error_message(client):
    def error(**fields):
        request = {"strokes": SEVEN, "network": "mlp-small", "method": "saliency", **fields}
        return client.post("/api/why/attribution", json=request).json()["error"]

    assert "there is no target 'A'" in error(target="A")
    assert "there is no method 'salience': did you mean" in error(method="salience")
