"""The routes of the tab Why: attributions."""

from __future__ import annotations

import numpy as np
import pytest
from conftest import SEVEN, unpack

from pellucid import explain
from pellucid.data import digit
from pellucid.runs.folder import open_run


def test_attributions_are_those_of_the_library(client, trained_runs, mnist_folder):
    methods = client.get("/api/why/methods").json()["methods"]
    assert [one["name"] for one in methods] == list(explain.METHODS)
    model, _ = open_run(trained_runs[0])
    request = {"strokes": SEVEN, "network": "mlp-small"}
    for one in methods:
        answer = client.post("/api/why/attribution", json=request | {"method": one["name"]}).json()
        if explain.METHODS[one["name"]].needs_convolution:  # this network has none
            assert "this network has none" in answer["not_applicable"]
            continue
        assert unpack(answer["values"]).shape == (784,)
        error = abs(unpack(answer["values"]).sum(dtype=np.float64) - (answer["output"] - answer["baseline_output"]))
        assert answer["completeness_error"] == pytest.approx(error, abs=1e-3)
    expected = explain.integrated_gradients(model, digit(SEVEN)[None], target="9", against="7")
    answer = client.post(
        "/api/why/attribution", json=request | {"method": "integrated-gradients", "target": "9", "against": "7"}
    )
    np.testing.assert_allclose(unpack(answer.json()["values"]), expected.values.reshape(-1), atol=1e-6)


def test_invalid_requests_have_an_error_message(client):
    def error(**fields):
        request = {"strokes": SEVEN, "network": "mlp-small", "method": "saliency", **fields}
        return client.post("/api/why/attribution", json=request).json()["error"]

    assert "there is no target 'A'" in error(target="A")
    assert "there is no method 'salience': did you mean" in error(method="salience")
