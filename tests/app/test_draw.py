"""The routes of the tab Draw: predictions and corrections."""

from __future__ import annotations

import numpy as np
import pytest
from conftest import SEVEN, ZERO, unpack

from pellucid.data import digit
from pellucid.runs.folder import open_run


def test_predictions_are_those_of_the_models(client, trained_runs):
    answer = client.post("/api/predict", json={"strokes": SEVEN}).json()
    image = digit(SEVEN)
    np.testing.assert_array_equal(unpack(answer["image"], "u1"), image.reshape(-1))
    for prediction, run in zip(answer["predictions"], trained_runs, strict=True):
        model, _ = open_run(run)
        p = model.predict(image[None])[0]
        np.testing.assert_allclose(prediction["probabilities"], p, atol=1e-6)
        assert prediction["label"] == "7"
        assert prediction["confidence"] == pytest.approx(p.max(), abs=1e-6)
        assert prediction["milliseconds"] > 0
    only = client.post("/api/predict", json={"strokes": ZERO, "networks": ["cnn-fast"]}).json()["predictions"]
    assert [(one["network"], one["label"]) for one in only] == [("cnn-fast", "0")]


def test_the_normalization_changes_the_image(client):
    small = [[[100 + x / 10, 100 + y / 10] for x, y in stroke] for stroke in SEVEN]
    request = {"strokes": small, "canvas": [1000, 1000]}
    images = {
        name: unpack(client.post("/api/predict", json=request | {"normalization": name}).json()["image"], "u1").reshape(28, 28)
        for name in ("mass", "box", "none")
    }
    assert not images["none"][10:].any()  # as drawn: in the corner
    assert images["box"].any(axis=1).sum() >= 19 <= images["mass"].any(axis=1).sum()
    assert (images["mass"] != images["box"]).any()


def test_corrections_are_stored_as_strokes_and_form_a_data_set(client, state):
    for label in ("7", "no digit"):
        correction = {"strokes": SEVEN, "canvas": [1000, 1000], "label": label, "predicted": "1"}
        answer = client.post("/api/draw/correct", json=correction)
    assert answer.json()["count"] == 2
    corrections = client.get("/api/draw/corrections").json()["corrections"]
    assert [one["label"] for one in corrections] == ["7", "no digit"]
    assert corrections[0]["strokes"] == SEVEN
    dataset = state.corrections.dataset()
    np.testing.assert_array_equal(dataset.y, [7, 10])
    np.testing.assert_array_equal(dataset.x[0], digit(SEVEN))


def test_corrections_are_listed_and_can_be_undone(client, state):
    for label, strokes in (("7", SEVEN), ("1", SEVEN), ("0", ZERO), ("7", SEVEN)):
        count = client.post("/api/draw/correct", json={"strokes": strokes, "label": label}).json()["count"]
    assert count == 3, "the last one is stored already"
    answer = client.get("/api/draw/saved").json()
    assert (answer["count"], [one["label"] for one in answer["saved"]]) == (3, ["0", "1", "7"])
    np.testing.assert_array_equal(unpack(answer["saved"][0]["image"], "u1"), digit(ZERO).reshape(-1))
    name = answer["saved"][1]["name"]
    assert client.post("/api/draw/uncorrect", json={"name": name}).json() == {}
    assert [one["label"] for one in state.corrections.drawings()] == ["7", "0"]
    for gone in (name, "../../etc/passwd", ""):
        refused = client.post("/api/draw/uncorrect", json={"name": gone})
        assert (refused.status_code, "has no correction" in refused.json()["error"]) == (400, True)


@pytest.mark.parametrize("canvas", [[1e-300, 1e-300], [0.0001, 5], [1e6, 5], [1000], None])
def test_a_canvas_of_an_extreme_size_is_refused(client, canvas):
    answer = client.post("/api/predict", json={"strokes": SEVEN, "canvas": canvas, "normalization": "none"})
    assert answer.status_code == (200 if canvas is None else 400)


def test_a_damaged_correction_is_reported(client, state):
    client.post("/api/draw/correct", json={"strokes": SEVEN, "label": "7"})
    (state.corrections.folder / "0.json").write_text('{"label": 7}')
    assert "not a correction" in client.get("/api/draw/corrections").json()["error"]
