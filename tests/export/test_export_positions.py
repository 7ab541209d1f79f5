"""Export of networks with an output at each position: ONNX files and NumPy programs compute what predict returns."""

from __future__ import annotations

import runpy
import subprocess
import sys

import numpy as np
import pytest

from pellucid import (
    LSTM,
    BinaryCrossEntropy,
    Conv2D,
    ConvTranspose2D,
    CrossEntropy,
    Dense,
    Embedding,
    MeanSquaredError,
    ReLU,
    Reshape,
    Sequential,
    Sigmoid,
    Softmax,
)
from pellucid.data.input_stage import ImageScaling, Passthrough
from pellucid.export.verification import random_samples, run_onnx
from tests.export.test_export import assert_close

SHAPES = ("ground", "disc", "block")


def segmentation():
    network = Sequential(Conv2D(4, 3, padding="same"), ReLU(), Dense(3), Softmax())
    return network.compile((5, 6, 1), CrossEntropy(), classes=SHAPES, input_stage=ImageScaling())


def tagging():
    network = Sequential(Embedding(9, 4), LSTM(5, return_sequences=True), Dense(3, bias=False), Softmax())
    return network.compile((7,), CrossEntropy(), input_stage=Passthrough())


def forecast():
    return Sequential(LSTM(5), Dense(6), Reshape((3, 2))).compile((4, 2), MeanSquaredError(), input_stage=Passthrough())


def pictures():
    network = Sequential(Conv2D(3, 3, 2, padding="same"), ReLU(), ConvTranspose2D(1, 4, 2, padding=(1, 1)), Sigmoid())
    return network.compile((6, 6, 1), BinaryCrossEntropy(), classes=("off", "on"), input_stage=ImageScaling())


@pytest.mark.parametrize("make", [segmentation, tagging, forecast, pictures])
def test_exports_compute_the_outputs_at_all_positions(make, tmp_path):
    model = make()
    x = random_samples(model.network, model.input_stage, model.input_shape, 5)
    wanted = model.predict(x)
    assert wanted.shape == (5, *model.output_shape)
    assert wanted.ndim > 2
    model.export_onnx(tmp_path / "net.onnx")
    assert_close(run_onnx(tmp_path / "net.onnx", x), wanted)
    model.export_numpy(tmp_path / "net.py")
    assert_close(runpy.run_path(str(tmp_path / "net.py"))["predict"](x), wanted)
    text = (tmp_path / "net.py").read_text()
    axes = ", ".join(map(str, model.output_shape))
    assert f"Return the outputs (n, {axes})" in text
    assert f"net.predict(x)  # (5, {axes})" in text


@pytest.mark.parametrize(
    ("make", "rule", "line"),
    [
        (segmentation, "outputs[0].argmax(axis=-1)", lambda p: f"{SHAPES[p.argmax()]} "),
        (pictures, "outputs[0, ..., 0] > 0.5", lambda p: f"{('off', 'on')[int(p[0] > 0.5)]} "),
        (tagging, None, lambda p: ""),
    ],
)
def test_a_program_says_how_to_read_classes_and_prints_a_line_for_each_position(make, rule, line, tmp_path):
    model = make()
    x = random_samples(model.network, model.input_stage, model.input_shape, 2)
    model.export_numpy(tmp_path / "net.py")
    text = (tmp_path / "net.py").read_text()
    assert (rule is None and "predicted class" not in text) or f"    {rule}  # at each position" in text
    np.save(tmp_path / "x.npy", x)
    command = [sys.executable, "net.py", "x.npy"]
    printed = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True).stdout.splitlines()
    rows = model.predict(x).reshape(-1, model.output_shape[-1])
    assert len(printed) == len(rows)
    for words, p in zip(printed, rows, strict=True):
        assert words.startswith(line(p))
        np.testing.assert_allclose([float(word) for word in words.split()[-len(p) :]], p, rtol=1e-4, atol=1e-6)
    checked = subprocess.run([sys.executable, "-m", "ruff", "format", "--check", "--isolated", "."], cwd=tmp_path)
    assert checked.returncode == 0
