"""Weights of 8 bits in C: the program computes what the model with 8 bits predicts, and its loss of accuracy is small."""

from __future__ import annotations

import re

import numpy as np
import pytest
from typer.testing import CliRunner

from pellucid import (
    LSTM,
    Accuracy,
    Adam,
    BatchNorm,
    Conv1D,
    Conv2D,
    CrossEntropy,
    Dense,
    Flatten,
    Graph,
    MaxPool2D,
    MeanSquaredError,
    Model,
    Node,
    ReLU,
    Residual,
    Sequential,
    Shared,
    Softmax,
)
from pellucid.cli import application
from pellucid.data import mnist
from pellucid.data.input_stage import ImageScaling, Passthrough
from pellucid.export.plain import int8
from pellucid.export.verification import random_samples, run_c
from pellucid.layers import Add
from pellucid.model.quantization import quantize


def image_network():
    network = Sequential(
        Conv2D(6, 3, padding="same"), BatchNorm(), ReLU(), Conv2D(6, (3, 2), 2, 1, groups=6), ReLU(), MaxPool2D(),
        Residual(Conv2D(6, 3, padding="same", dilation=2, groups=2, bias=False), ReLU()), Flatten(), Dense(8), ReLU(), Dense(3),
        Softmax(),
    )  # fmt: skip
    return network.compile((9, 8, 1), CrossEntropy(), input_stage=ImageScaling())


def sequence_network():
    network = Sequential(Conv1D(4, 3, padding="causal", dilation=2), ReLU(), Dense(5), LSTM(4), Dense(2))
    return network.compile((7, 2), MeanSquaredError(), input_stage=Passthrough())


def shared_network():
    network = Graph(
        Node("a", Dense(3), "input"), Node("b", Shared("a"), "a"), Node("sum", Add(), "a", "b"), Node("end", Dense(2), "sum")
    )
    return network.compile((3,), MeanSquaredError(), input_stage=Passthrough())


def single_layer():
    return Sequential(Dense(2)).compile((3,), MeanSquaredError(), input_stage=Passthrough())


@pytest.mark.parametrize("make", [image_network, sequence_network, shared_network, single_layer])
def test_the_program_computes_what_the_model_with_8_bits_predicts(make, tmp_path):
    model = make()
    x = random_samples(model.network, model.input_stage, model.input_shape, 20)
    before = model.predict(x)
    quantized = quantize(model, x)
    model.export_c(tmp_path, int8=quantized.int8)
    actual, wanted = run_c(tmp_path, x, model.output_shape), quantized.model.predict(x)
    np.testing.assert_array_equal(model.predict(x), before)
    lost = np.abs(wanted - before).max()
    assert 0 < lost < 0.03 * max(1, np.abs(before).max())
    # A value in the middle between two integers may be rounded to the other one: most outputs are the same.
    assert np.abs(actual - wanted).max() < lost
    assert np.median(np.abs(actual - wanted)) < 1e-6
    text = (tmp_path / "network.c").read_text()
    assert re.search(r"static const signed char \w+_W\[\d+\]", text)
    assert not re.search(r"\bdense\(|\bconv2d\(", text)


def test_the_scales_are_those_of_the_samples():
    model = single_layer()
    model.state.arrays()["dense1.W"][...] = [[1.0, 0.0], [-12.7, 0.0], [0.05, 0.0]]
    x = np.array([[1.0, -2.0, 0.5], [0.25, 6.35, 0.0]], np.float32)
    quantized = quantize(model, x)
    assert quantized.int8.scales == {"dense1": pytest.approx(0.05)}
    dequantized = quantized.model.state.arrays()["dense1.W"]
    np.testing.assert_allclose(dequantized, [[1.0, 0.0], [-12.7, 0.0], [0.0, 0.0]], atol=1e-6)  # 0.05 is half of 0.1: even
    outputs = quantized.model.predict(np.array([[100.0, 0.0, 0.0]]))
    np.testing.assert_allclose(outputs, [[6.35, 0.0]], atol=1e-5)  # larger values are limited


def test_sums_that_do_not_fit_into_32_bits_stay_float(monkeypatch, tmp_path):
    assert int8.MOST_INPUTS * 127 * 127 < 2**31 <= (int8.MOST_INPUTS + 1) * 127 * 127
    monkeypatch.setattr(int8, "MOST_INPUTS", 3)
    model = Sequential(Dense(4), Dense(2)).compile((3,), MeanSquaredError(), input_stage=Passthrough())
    assert set(quantize(model, np.ones((1, 3), np.float32)).int8.scales) == {"dense1"}


def test_accuracy_with_8_bits_is_measured_before_the_export(images):
    train, test = images.split(50)
    model = Sequential(Flatten(), Dense(16), ReLU(), Dense(10), Softmax()).compile(
        (7, 7, 1), CrossEntropy(), Adam(0.01), [Accuracy()]
    )
    model.fit(train, epochs=5, batch_size=20, progress=False)
    exact, rounded = model.evaluate(test), quantize(model, train).model.evaluate(test)
    assert rounded["loss"] != exact["loss"]
    assert abs(rounded["accuracy"] - exact["accuracy"]) <= 0.04
    assert abs(rounded["loss"] - exact["loss"]) < 0.05


def test_the_command_prints_what_8_bits_cost_first(mnist_folder):
    runner = CliRunner()
    trained = runner.invoke(application(), ["train", "--model", "mlp-small", "--epochs", "1", "--out", "run", "--quiet"])
    assert trained.exit_code == 0, trained.output
    done = runner.invoke(application(), ["export", "run", "--c", "net", "--int8"])
    assert done.exit_code == 0, done.output
    lines = done.output.splitlines()
    assert re.fullmatch(r"float     accuracy \S+ %.*, loss \S+ \(test\)", lines[0])
    assert re.fullmatch(r"int8      accuracy \S+ %.*, loss \S+ \(test\)", lines[1])
    away = float(re.fullmatch(r"net: network\.h.* 8 random samples: (\S+)", lines[2])[1])
    model = Model.load("run/model.pellucid")
    x = random_samples(model.network, model.input_stage, model.input_shape, 8)
    quantized = quantize(model, mnist().train).model
    assert away < 0.5 * np.abs(quantized.predict(x) - model.predict(x)).max()  # the program is compared with 8 bits
    refused = runner.invoke(application(), ["export", "run/model.pellucid", "--c", "net", "--int8"])
    assert refused.exit_code == 2
    assert "is not a run folder" in refused.output
