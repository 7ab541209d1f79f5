"""Tests of Embedding: the look-up and its gradient, padding, and integers of all dtypes."""

from __future__ import annotations

import numpy as np
import pytest

from pellucid import (
    Adam,
    ConfigError,
    CrossEntropy,
    DataError,
    Dense,
    Embedding,
    Flatten,
    Model,
    Sequential,
    ShapeError,
    Softmax,
    kernels as kernel_sets,
)
from pellucid.initializers import initial_values
from pellucid.testing import asymmetric, layouts, run_layer
from tests.kernels.dtypes import FLOAT64_KERNELS

BOTH = pytest.mark.parametrize("kernels", [kernel_sets.load(name) for name in kernel_sets.SETS], ids=kernel_sets.SETS)


@FLOAT64_KERNELS
def test_it_equals_a_dense_layer_on_one_hot_vectors(kernels):
    layer = Embedding(6, 150)  # large enough for several tasks
    x = np.random.default_rng(0).integers(0, 5, (40, 9)).astype(np.float64)  # the last row is not used
    W, dy = asymmetric((6, 150)), asymmetric((40, 9, 150), seed=1)
    out = run_layer(layer, x, dy, theta=np.ascontiguousarray(np.pad(W.ravel(), (0, 12))), kernels=kernels)
    one_hot = np.eye(6)[x.astype(int)]
    np.testing.assert_allclose(out.y, one_hot @ W, atol=1e-12)
    gradient = layouts(layer, (9,))[0].array(out.gradient, "W")
    np.testing.assert_allclose(gradient, np.einsum("ntk,ntw->kw", one_hot, dy), atol=1e-12)
    assert not gradient[5].any()
    assert not out.dx.any()


@BOTH
def test_padding_is_zero_and_not_trained(kernels):
    x = np.array([[2.0, 0.0, 0.0], [1.0, 2.0, 0.0]])
    out = run_layer(Embedding(3, 2, padding=0), x, np.ones((2, 3, 2)), kernels=kernels)
    assert not out.y[x == 0].any()
    assert out.y[x != 0].all()
    gradient = layouts(Embedding(3, 2), (3,))[0].array(out.gradient, "W")
    assert gradient.tolist() == [[0, 0], [1, 1], [2, 2]]
    with pytest.raises(ConfigError, match="padding must be one of the entries, 0 … 2"):
        Embedding(3, 2, padding=3)


@pytest.mark.parametrize("dtype", [np.int64, np.int32, np.uint16, np.float32, ">i4", bool])
def test_integers_of_all_dtypes_are_accepted(dtype):
    """The label is the first of two tokens, which the network can only learn with the table."""
    rng = np.random.default_rng(0)
    x = rng.permuted(np.tile([0, 1], (200, 1)), axis=1).astype(dtype)
    y = x[:, 0].astype(int)
    network = Sequential(Embedding(2, 4), Flatten(), Dense(2), Softmax())
    model = network.compile((2,), CrossEntropy(), Adam(0.05))
    model.fit(x, y, epochs=3)
    assert (model.predict(x).argmax(axis=1) == y).all()


def test_the_vectors_are_small_at_first():
    layout = layouts(Embedding(200, 50), (4,))[0]
    W = layout.array(initial_values(layout, 0), "W")
    assert np.abs(W).max() <= 0.05
    assert W.std() == pytest.approx(0.05 / np.sqrt(3), rel=0.02)


def test_save_and_load(tmp_path):
    model = Sequential(Embedding(50, 3, padding=0), Flatten(), Dense(2), Softmax()).compile((4,), CrossEntropy())
    x = np.arange(40).reshape(10, 4)
    model.fit(x, np.arange(10) % 2)
    model.save(tmp_path / "model")
    np.testing.assert_array_equal(Model.load(tmp_path / "model").predict(x), model.predict(x))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (
            lambda x: x.__setitem__((7, 2), 12),
            r"12 at position 2 of sample 7( of the batch)? is out of range: the 12 entries are 0 …",
        ),
        (lambda x: x.__setitem__((0, 0), -1), r"-1 at position 0 of sample 0( of the batch)? is out of range"),
    ],
)
def test_values_out_of_range_are_named_with_their_position(change, words):
    model = Sequential(Embedding(12, 2), Flatten(), Dense(2), Softmax()).compile((3,), CrossEntropy())
    x = np.arange(30).reshape(10, 3) % 12
    change(x)
    before = model.parameters.copy()
    with pytest.raises(DataError, match=words):
        model.predict(x)
    with pytest.raises(DataError, match=words):
        model.fit(x, np.arange(10) % 2, batch_size=2)
    assert (model.parameters == before).all()
    assert model.predict(np.clip(x, 0, 11)).shape == (10, 2)  # the next call works


def test_values_that_are_not_integers_are_refused():
    with pytest.raises(DataError, match=r"0\.5 at position 1, 0 of sample 0 of the batch is not an integer"):
        run_layer(Embedding(3, 2), np.array([[[1.0], [0.5]]]))
    with pytest.raises(DataError, match=r"nan at position 1 .* is not an integer"):
        run_layer(Embedding(3, 2), np.array([[1.0, np.nan]]))
    model = Sequential(Embedding(12, 2), Flatten(), Dense(2), Softmax()).compile((3,), CrossEntropy())
    x, y = np.arange(30).reshape(10, 3) % 12, np.arange(10) % 2
    with pytest.raises(
        DataError, match=r"position 1 of sample 0 is not an integer; .*any dtype but uint8, .* x\.astype\(np\.int64\)"
    ):
        model.fit(x.astype(np.uint8), y)
    model.fit(x, y)  # the refused call of fit has not changed the model, so this is the first training
    with pytest.raises(ShapeError, match=r"x\[:, None\]"):
        Embedding(3, 2).build(())
    with pytest.raises(ConfigError, match="entries must be at least 1 and at most"):
        Embedding(2**25, 2)
