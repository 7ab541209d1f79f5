"""Networks for the tests of C and JavaScript: every row of the table of layers, and what they have to compute."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from pellucid import (
    GRU,
    LSTM,
    Concatenate,
    Conv1D,
    Conv2D,
    Dense,
    Dropout,
    Embedding,
    Flatten,
    FromState,
    Graph,
    Node,
    Permute,
    ReLU,
    Reshape,
    Reverse,
    Sequential,
    SimpleRNN,
    Slice,
    Softmax,
    Tanh,
)
from pellucid.export.trained_network import TrainedNetwork
from pellucid.export.verification import random_samples
from pellucid.layers import Add, Layer
from pellucid.testing import asymmetric
from tests.export.test_export import trained_layer
from tests.layers.test_layers import INSTANCES

BOUND = 1e-5  # absolute up to a magnitude of 1, relative above it


@dataclass(frozen=True)
class Row:
    """A network with samples x, as an export receives them, and the outputs of the layers for these."""

    name: str
    trained: TrainedNetwork
    x: np.ndarray
    expected: np.ndarray


def row(layer: Layer, shape: tuple[int, ...], x: np.ndarray | None = None) -> Row:
    trained, predict = trained_layer(layer, shape)
    if "c0" in trained.arrays:
        trained.arrays["c0"][...] = np.linspace(0.5, -0.7, trained.arrays["c0"].size)  # not the values of h0
    x = random_samples(layer, None, shape, 4) if x is None else x
    return Row(repr(layer), trained, x, predict(x.astype(np.float32)))


@functools.cache
def rows() -> list[Row]:
    """Return every row of the table of layers, and networks whose values share memory in ways that could go wrong."""
    found = [row(layer, shape) for layer, shape in (*INSTANCES, *NETWORKS)]
    return found + [row(layer, shape, STEPS) for layer, shape in STATES]


STEPS = asymmetric((3, 4, 2)).astype(np.float32)
STEPS[0, 2:], STEPS[1] = 0, 0  # the end of a sequence, and a whole sequence, that masks skip


def states() -> Iterator[tuple[Layer, tuple[int, ...]]]:
    """Yield recurrent layers with each combination of masks, outputs, and learned and computed initial states."""
    for kind in (SimpleRNN, LSTM, GRU):
        for mask in (None, 0.0):
            for sequences in (False, True):
                layer = kind(2, sequences, mask, return_state=True)
                yield dataclasses.replace(layer, learn_state=True, recurrent_dropout=0.5), (4, 2)
                yield (
                    Graph(
                        Node("state", Sequential(Flatten(), Dense(2 * len(layer.states))), "input"),
                        Node("first", FromState(kind(2, return_state=True)), "input", "state"),
                        Node("second", FromState(layer), "input", "first"),
                    ),
                    (4, 2),
                )


STATES = list(states())

NAMES = ["x", "predict", "dense", "output", "weights", "workspace", "lambda", "été", "ete", "a-b", "a_b", "1", "int", "new"]
NAMES += ["top", "Math", "INPUT_SIZE", "add_product", "input_values", "isfinite", "name", "w", "W", "expf", "NULL", "y1"]

NETWORKS: list[tuple[Any, tuple[int, ...]]] = [
    # names that mean something in C or in JavaScript
    (Graph(*(Node(name, Dense(2), "input") for name in NAMES), Node("sum", Add(), *NAMES, "input")), (2,)),
    # a value that is overwritten in place must not be needed later
    (
        Graph(
            Node("a", ReLU(), "input"),
            Node("b", Tanh(), "a"),
            Node("c", Reshape((3, 1)), "b"),
            Node("d", Tanh(), "c"),
            Node("e", Flatten(), "d"),
            Node("f", ReLU(), "e"),
            Node("sum", Add(), "e", "f", "b", "a", "input", "e"),
        ),
        (3,),
    ),
    (Graph(Node("a", Tanh(), "input"), Node("b", Dropout(), "a"), Node("c", Add(), "b", "a"), Node("d", ReLU(), "c")), (3,)),
    (Sequential(Dropout(0.5)), (3,)),  # does nothing at all
    (Sequential(Flatten(), Dense(3), Reshape((3, 1)), Permute((1, 0)), Flatten()), (2, 2)),
    # axes in the middle
    (Graph(*(Node(f"joined{axis}", Concatenate(axis), "input", "input") for axis in (0, 1)),
           *(Node(f"flat{axis}", Flatten(), f"joined{axis}") for axis in (0, 1)),
           Node("all", Concatenate(), "flat0", "flat1")), (2, 4, 2)),
    (Sequential(Slice(1, 3, axis=1)), (2, 4, 2)),
    (Sequential(Reverse()), (3, 2, 2)),
    (Sequential(Permute((3, 1, 0, 2))), (2, 3, 2, 2)),
    (Sequential(Embedding(6, 3), Reverse(), Conv1D(4, 2), ReLU(), Flatten(), Dense(3), Softmax()), (5,)),
    (Sequential(Conv2D(6, (3, 2), (1, 2), ((2, 0), (3, 1)), (2, 1), groups=2), ReLU(), Conv2D(5, 1)), (7, 6, 4)),
    (Sequential(Conv2D(4, 2, 2, groups=4, dilation=2, padding="same")), (6, 5, 4)),
    (Sequential(Dense(9), Dense(17), Dense(5)), (7,)),  # sizes that no vector divides
]  # fmt: skip


def assert_close(actual: np.ndarray, row: Row) -> None:
    assert actual.shape == row.expected.shape, row.name
    error = np.abs(actual - row.expected).max(initial=0)
    assert error <= BOUND * max(1, np.abs(row.expected).max(initial=0)), f"{row.name}: {error}"
