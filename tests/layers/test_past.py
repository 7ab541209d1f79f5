"""Tests of ``ctx.past``: sequences that are read in several passes have the outputs of one pass over all positions."""

from __future__ import annotations

import numpy as np
import pytest

from pellucid import (
    GRU,
    LSTM,
    Add,
    Attention,
    BatchNorm,
    Bidirectional,
    Concatenate,
    Conv1D,
    CrossAttention,
    Dense,
    Dropout,
    Embedding,
    Flatten,
    Frozen,
    Graph,
    LayerNorm,
    LearnedPositions,
    Node,
    ReLU,
    Residual,
    RMSNorm,
    Sequential,
    ShapeError,
    SimpleRNN,
    SinusoidalPositions,
    Softmax,
    SwiGLU,
    Tanh,
    TiedEmbedding,
)
from pellucid.initializers import initial_values
from pellucid.kernels import compiled, reference
from pellucid.layers.context import Past
from pellucid.networks import folded, fused
from pellucid.testing import asymmetric, layouts
from pellucid.training.execution import Execution
from tests.kernels.dtypes import FLOAT64_KERNELS

BOTH = pytest.mark.parametrize("kernels", [reference, compiled], ids=["reference", "compiled"])
TIME, WIDTH = 12, 5

NETWORKS = {
    "rnn": SimpleRNN(4, return_sequences=True),
    "lstm": LSTM(4, return_sequences=True),
    "gru": GRU(4, return_sequences=True),
    "learned state": LSTM(4, return_sequences=True, learn_state=True),
    "mask": GRU(4, return_sequences=True, mask=0.0),
    "stack": Sequential(GRU(4, return_sequences=True), LayerNorm(), Dense(6), ReLU(), LSTM(3, return_sequences=True), Dense(2)),
    "convolutions": Sequential(
        Conv1D(4, 3, padding="causal"),
        ReLU(),
        Conv1D(4, 2, padding="causal", dilation=4),
        Tanh(),
        Conv1D(3, 1, padding="causal"),
    ),
    "blocks": Sequential(
        Residual(BatchNorm(), GRU(5, return_sequences=True)), Frozen(Residual(Conv1D(5, 2, padding="causal")))
    ),
    "positions": Sequential(LearnedPositions(), RMSNorm(), SwiGLU(4), SinusoidalPositions(), GRU(3, return_sequences=True)),
    "attention": Sequential(Dense(8), Attention(4, causal=True, dropout=0.5), Attention(1, causal=True, bias=False)),
    "rotary": Sequential(Dense(12), Residual(Attention(3, causal=True, rotary=True)), Attention(2, causal=True, rotary=True)),
    "graph": Graph(
        Node("left", GRU(3, return_sequences=True), "input"),
        Node("right", Conv1D(3, 4, padding="causal"), "input"),
        Node("sum", Add(), "left", "right"),
        Node("both", Concatenate(), "sum", "left"),
    ),
}


def execution_of(layer, kernels=compiled, dtype=np.float64):
    """The execution of a layer with random parameters and statistics."""
    params, running = layouts(layer, (TIME, WIDTH))
    theta, statistics = initial_values(params, 0, dtype), initial_values(running, 0, dtype)
    for layout, vector in ((params, theta), (running, statistics)):
        for path, array in layout.arrays(vector).items():
            array += 0.2 * np.abs(asymmetric(array.shape, len(path)))
    return Execution(layer, params.views(theta), running.views(statistics), kernels, dtype=dtype)


def in_passes(execution, x, pieces, past):
    """The outputs of a network that reads the sequences x in pieces of these lengths."""
    outputs, first = [], 0
    for length in pieces:
        outputs.append(execution.forward(x[:, first : first + length].copy(), past=past).copy())
        past.read += length
        first += length
    return np.concatenate(outputs, axis=1)


@FLOAT64_KERNELS
@pytest.mark.parametrize("pieces", [[TIME], [7, 1, 1, 3], [1] * TIME], ids=str)
@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("form", [lambda layer: layer, fused, folded], ids=["layers", "fused", "folded"])
def test_several_passes_have_the_outputs_of_one(name, pieces, kernels, form):
    assert NETWORKS[name].continues
    x = asymmetric((3, TIME, WIDTH))
    x[1, 4:6] = 0.0  # steps that a mask skips
    execution = execution_of(form(NETWORKS[name]), kernels)
    expected = execution.forward(x).copy()
    past = Past(3, TIME, np.float64)
    np.testing.assert_allclose(in_passes(execution, x, pieces, past), expected, atol=1e-13)
    past.read[:] = 0  # the sequences begin again, whatever the memory holds
    np.testing.assert_allclose(in_passes(execution, x, pieces, past), expected, atol=1e-13)


@pytest.mark.parametrize("name", NETWORKS)
def test_sequences_of_different_lengths_are_read_one_by_one_and_then_together(name):
    execution, x, lengths = execution_of(NETWORKS[name]), asymmetric((3, TIME, WIDTH)), [5, 1, 8]
    expected = execution.forward(x).copy()
    past = Past(3, TIME, np.float64)
    for i, length in enumerate(lengths):
        part = past.sequence(i)
        execution.forward(x[i : i + 1, :length].copy(), past=part)
        part.read += length
    assert past.read.tolist() == lengths
    for _ in range(3):
        y = execution.forward(x[np.arange(3), past.read][:, None].copy(), past=past)
        np.testing.assert_allclose(y[:, 0], expected[np.arange(3), past.read], atol=1e-13)
        past.read += 1
    middle = past.sequence(1)
    middle.read[:] = 0  # one sequence begins again, the others go on
    execution.forward(x[1:2, :2].copy(), past=middle)
    middle.read += 2
    y = execution.forward(x[np.arange(3), past.read][:, None].copy(), past=past)
    np.testing.assert_allclose(y[:, 0], expected[np.arange(3), past.read], atol=1e-13)


def test_the_last_state_alone_goes_on_too():
    layer, x = LSTM(4), asymmetric((2, TIME, WIDTH))
    execution, past = execution_of(layer), Past(2, TIME, np.float64)
    expected = execution.forward(x).copy()
    execution.forward(x[:, :7].copy(), past=past)
    past.read += 7
    np.testing.assert_allclose(execution.forward(x[:, 7:].copy(), past=past), expected, atol=1e-13)


@BOTH
def test_single_precision_stays_within_rounding(kernels):
    execution, x = execution_of(NETWORKS["stack"], kernels, np.float32), asymmetric((2, TIME, WIDTH)).astype(np.float32)
    expected = execution.forward(x).copy()
    np.testing.assert_allclose(in_passes(execution, x, [3] + [1] * 9, Past(2, TIME)), expected, atol=2e-6)


def test_an_ordinary_pass_in_between_changes_nothing():
    execution, x = execution_of(NETWORKS["blocks"]), asymmetric((1, TIME, WIDTH))
    expected, past = execution.forward(x).copy(), Past(1, TIME, np.float64)
    first = in_passes(execution, x[:, :6], [6], past)
    execution.forward(x)
    second = in_passes(execution, x[:, 6:], [2, 4], past)
    np.testing.assert_allclose(np.concatenate([first, second], axis=1), expected, atol=1e-13)


@pytest.mark.parametrize(
    "layer",
    [
        Embedding(5, 3),
        Dense(3),
        LayerNorm(),
        BatchNorm(),
        Dropout(0.5),
        Softmax(),
        GRU(3),
        Conv1D(3, 2, padding="causal", dilation=2),
        Sequential(Embedding(5, 3), Residual(GRU(3, return_sequences=True)), Dense(5), Softmax()),
        TiedEmbedding(5, 3, SinusoidalPositions(), GRU(3, return_sequences=True)),
        Concatenate(),
        Attention(2, causal=True),
        Sequential(),
    ],
    ids=str,
)
def test_layers_that_continue(layer):
    assert layer.continues


@pytest.mark.parametrize(
    "layer",
    [
        Flatten(),
        Attention(2),
        CrossAttention(2, causal=True),
        Bidirectional(GRU(3, return_sequences=True)),
        LSTM(3, return_state=True),
        Conv1D(3, 2, padding="same"),
        Conv1D(3, 2),
        Conv1D(3, 2, padding="causal", stride=2),
        Concatenate(axis=0),
        Sequential(Embedding(5, 3), Flatten(), Dense(5), Softmax()),
        TiedEmbedding(5, 3, Bidirectional(GRU(3, return_sequences=True)), Dense(3)),
        Residual(Sequential(Bidirectional(GRU(2, return_sequences=True)), Dense(3))),
    ],
    ids=str,
)
def test_layers_that_do_not_continue(layer):
    assert not layer.continues


def test_the_arrays_of_a_memory_persist_by_layer_and_name():
    past = Past(3, 8)
    first = past.of("gru1").array("h", (4,))
    assert first.shape == (3, 4)
    assert first.dtype == np.float32
    assert not first.any()
    first[1] = 7
    assert past.of("gru1").array("h", (4,)) is first
    assert not past.of("gru2").array("h", (4,)).any()
    assert past.of("gru1").array("count", (), np.int64).dtype == np.int64
    part = past.sequence(1)
    assert part.of("gru1").array("h", (4,)).tolist() == [[7, 7, 7, 7]]
    assert part.of("gru1").capacity == 8
    part.of("gru1").array("h", (4,))[:] = 5
    part.read += 6
    assert first[1].tolist() == [5, 5, 5, 5]
    assert past.read.tolist() == [0, 6, 0]
    part.of("new").array("h", (2,))[:] = 1  # an array that one sequence makes first
    assert past.of("new").array("h", (2,)).tolist() == [[0, 0], [1, 1], [0, 0]]


def test_learned_positions_have_no_vector_for_a_longer_sequence():
    execution = execution_of(LearnedPositions())
    with pytest.raises(ShapeError, match=f"vectors for {TIME} positions, got sequences of {TIME + 1}"):
        execution.forward(np.zeros((1, 1, WIDTH)), past=Past(1, TIME + 1, np.float64))
    with pytest.raises(ShapeError, match=f"vectors for {TIME} positions, got sequences of {TIME + 1}"):
        execution.forward(np.zeros((1, TIME + 1, WIDTH)))
    assert execution_of(SinusoidalPositions()).forward(np.zeros((1, TIME + 1, WIDTH))).shape == (1, TIME + 1, WIDTH)
