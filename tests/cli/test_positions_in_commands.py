"""Commands and models with an output at each position: one clear line where a command is for one answer for each sample."""

from __future__ import annotations

import numpy as np
import pytest

from pellucid import CrossEntropy, Dense, Sequential, Softmax
from pellucid.cli.common import format_scores
from tests.cli.test_cli import cli

pytestmark = pytest.mark.usefixtures("mnist_folder")


@pytest.fixture(scope="module")
def model_file(tmp_path_factory):
    """The file of a model with one of ten classes for each pixel of an MNIST image."""
    network = Sequential(Dense(10), Softmax())
    path = tmp_path_factory.mktemp("maps") / "maps.pellucid"
    network.compile((28, 28, 1), CrossEntropy(), classes=tuple("0123456789")).save(path)
    return path


def test_predict_and_compare_refuse_them(model_file, tmp_path):
    (tmp_path / "metrics.json").write_text("{}")
    (tmp_path / "model.pellucid").write_bytes(model_file.read_bytes())
    words = "predicts 10 numbers at each of (28, 28) positions, and this command is for models with one answer for each sample"
    for command in (("predict", model_file, "x.png"), ("compare", tmp_path)):
        _, err = cli(*command, code=2)
        assert words in err
        assert err.count("\n") == 1


def test_evaluate_says_which_labels_are_missing(model_file):
    _, err = cli("evaluate", model_file, "mnist", code=2)
    assert "so the targets have the shape (n, 28, 28) or (n, 28, 28, 10); got (100,)" in err
    assert err.startswith("error: ")


def test_export_verifies_them(model_file, tmp_path):
    out, _ = cli("export", model_file, "--numpy", tmp_path / "maps.py", "--onnx", tmp_path / "maps.onnx")
    assert out.count("largest difference from the model's outputs") == 2


def test_pixels_have_no_interval():
    assert "95 % interval" in format_scores({"accuracy": 0.5, "loss": 1.0}, 100)
    assert format_scores({"accuracy": np.float64(0.5), "loss": 1.0}, None) == "accuracy 50.00 %, loss 1.0000"
