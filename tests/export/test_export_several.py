"""Export of networks with several inputs and outputs and with shared layers, as ONNX files and as NumPy programs."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from pellucid import (
    LSTM,
    Add,
    BatchNorm,
    BinaryCrossEntropy,
    Concatenate,
    ConfigError,
    Conv2D,
    CrossEntropy,
    Dense,
    Embedding,
    Flatten,
    Graph,
    Identity,
    MeanSquaredError,
    Node,
    ReLU,
    Sequential,
    Shared,
    Sigmoid,
    Softmax,
    Tanh,
)
from pellucid.data.input_stage import ImageScaling, Passthrough
from pellucid.data.tables.columns import Column, Standardization
from pellucid.export.onnx.exporter import build_graph
from pellucid.export.verification import random_samples, run_onnx, run_program

SQUARES = MeanSquaredError()
COLUMNS = Standardization((Column("a"), Column("b")), (1.0, -2.0), (3.0, 0.5), missing="mean")


def everything():
    """A picture, a table and words; an output that is read, one of two names, one that is an input; a shared convolution."""
    network = Graph(
        Node("edges", Sequential(Conv2D(2, 3, padding="same"), BatchNorm(), ReLU()), "picture"),
        Node("twice", Sequential(Conv2D(1, 1), Tanh()), "edges"),
        Node("again", Shared("edges"), "twice"),
        Node("seen", Flatten(), "again"),
        Node("words", Sequential(Embedding(7, 3), LSTM(4)), "x"),
        Node("joined", Concatenate(), "seen", "words", "i"),
        Node("digit", Sequential(Dense(3), Softmax()), "joined"),
        Node("copy", Identity(), "joined"),
        Node("table", Identity(), "i"),
        inputs=("picture", "i", "x"),
        outputs=("digit", "joined", "copy", "table"),
    )
    losses = {"digit": CrossEntropy(), "joined": SQUARES, "copy": SQUARES, "table": SQUARES}
    stages = {"picture": ImageScaling(), "i": COLUMNS, "x": Passthrough()}
    shapes = {"picture": (4, 4, 1), "i": (2,), "x": (5,)}
    return network.compile(shapes, losses, classes={"digit": ["a", "b", "c"]}, input_stage=stages)


def siamese():
    network = Graph(
        Node("second", Shared("first"), "right"),  # before the node whose parameters it shares
        Node("first", Sequential(Dense(4), ReLU(), Dense(2)), "left"),
        Node("sum", Add(), "first", "second"),
        Node("same", Sequential(Dense(1), Sigmoid()), "sum"),
        inputs=("left", "right"),
    )
    return network.compile({"left": (3,), "right": (3,)}, BinaryCrossEntropy())


def one_input():
    network = Graph(Node("a", Dense(2), "samples"), Node("b", ReLU(), "a"), inputs=("samples",), outputs=("a", "b"))
    return network.compile((3,), {"a": SQUARES, "b": SQUARES})


def names_only():
    """One input and one output, with names of their own."""
    return Graph(Node("a", Dense(2), "samples"), inputs=("samples",), outputs=("a",)).compile((3,), SQUARES)


@pytest.mark.parametrize("make", [everything, siamese, one_input, names_only])
def test_exports_compute_what_predict_returns(make, tmp_path):
    model = make()
    for array in model.state.arrays().values():
        array += 0.1
    x = random_samples(model.network, model.input_stage, model.input_shape, 300)
    wanted = model.predict(x)
    model.export_onnx(tmp_path / "net.onnx")
    model.export_numpy(tmp_path / "net.py")
    for actual in (run_onnx(tmp_path / "net.onnx", x), run_program(tmp_path / "net.py", x)):
        assert isinstance(actual, dict) is isinstance(wanted, dict)
        pairs = [(actual[name], wanted[name]) for name in wanted] if isinstance(wanted, dict) else [(actual, wanted)]
        for one, other in pairs:
            np.testing.assert_allclose(one, other, rtol=0, atol=1e-5)
    run = subprocess.run(
        [sys.executable, "-m", "ruff", "format", "--check", "net.py"], cwd=tmp_path, capture_output=True, text=True
    )
    assert run.returncode == 0, run.stdout + run.stderr


def test_an_input_with_the_name_of_the_only_output_is_refused(tmp_path):
    model = Graph(Node("sum", Add(), "output", "b"), inputs=("output", "b")).compile({"output": (3,), "b": (3,)})
    with pytest.raises(ConfigError, match="'output', which is the name of an input here: give the input another name"):
        model.export_onnx(tmp_path / "net.onnx")


def test_shared_parameters_are_stored_once():
    graph, _ = build_graph(siamese()._trained_network(), {})
    names = [name for name in graph.constants if name.startswith(("first", "second"))]
    assert sorted(names) == ["first.dense1.W", "first.dense1.b", "first.dense2.W", "first.dense2.b"]


def test_the_command_of_a_program_takes_the_inputs_by_name(tmp_path):
    model = siamese()
    model.export_numpy(tmp_path / "net.py")
    x = random_samples(model.network, model.input_stage, model.input_shape, 2)
    np.savez(tmp_path / "x.npz", **x)
    command = [sys.executable, "net.py", "x.npz"]
    printed = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True).stdout
    np.testing.assert_allclose([float(line) for line in printed.split()], model.predict(x)[:, 0], atol=1e-5)
    with pytest.raises(ValueError, match="must have the same number of samples"):
        run_program(tmp_path / "net.py", {**x, "right": x["right"][:1]})
