"""Networks, batches and predictions that need more memory than there is are refused before anything is allocated."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest

from pellucid import (
    LBFGS,
    SGD,
    Adam,
    BatchNorm,
    Chain,
    ClipNorm,
    Conv2D,
    CrossEntropy,
    Dense,
    Embedding,
    Flatten,
    Graph,
    MeanSquaredError,
    Model,
    Node,
    ReLU,
    Reshape,
    Sequential,
    Softmax,
    UpSample2D,
)
from pellucid.core import free_memory, memory
from pellucid.errors import ConfigError, ShapeError
from pellucid.training import required_memory


@pytest.fixture
def one_gigabyte(monkeypatch):
    monkeypatch.setattr(free_memory, "free_memory", lambda: 10**9)


@pytest.mark.usefixtures("one_gigabyte")
@pytest.mark.parametrize(
    ("layers", "shape", "message"),
    [
        ((Dense(10**6), ReLU(), Dense(10**6)), (4,), r"1,000,006,000,000.*dense2 has an array of 1,000,000 × 1,000,000.* 20,0"),
        ((Flatten(), Dense(10**9)), (28, 28, 1), "dense1 has an array of 784 × 1,000,000,000"),
        ((Dense(10**9), Dense(10**9), Dense(10**9)), (10**30,), r"dense1 has an array of 10\^30 × 1,000,000,000"),
        ((Conv2D(10**9, 3),), (8, 8, 3), "conv2d1 has an array"),
        ((Embedding(2**24, 10**6),), (5,), "embedding1 has an array of 16,777,216 × 1,000,000"),
        ((BatchNorm(),), (10**9,), "a model with 2,000,000,000 parameters"),
    ],
)
def test_networks_beyond_the_memory(layers, shape, message):
    tracemalloc.start()
    with pytest.raises(ConfigError, match=message + r".*1.0 GB are free: use smaller layers"):
        Sequential(*layers).compile(shape)
    used = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert used < 10**8


@pytest.mark.usefixtures("one_gigabyte")
def test_the_vectors_of_the_optimizer_count():
    network = Sequential(Dense(5000, bias=False), Dense(1))  # 25 million parameters: 100 MB a vector, 400 MB at the beginning
    network.compile((5000,), optimizer=SGD(0.1))
    network.compile((5000,), optimizer=Chain(ClipNorm(1.0), Adam()))
    with pytest.raises(ConfigError, match=r"20 vectors of LBFGS needs 2.1 GB.*or an optimizer with fewer vectors"):
        network.compile((5000,), optimizer=LBFGS())


@pytest.mark.usefixtures("one_gigabyte")
@pytest.mark.parametrize(("options", "fits"), [({"batch_size": 100}, True), ({"batch_size": 10**9}, False)])
def test_batches_beyond_the_memory(options, fits):
    model = Sequential(UpSample2D(64), Flatten(), Dense(2), Softmax()).compile((2, 2, 4), CrossEntropy())
    x, y = np.zeros((5000, 2, 2, 4), np.float32), np.arange(5000) % 2  # 2 × 65,536 values of each sample: 2.6 GB for all
    if fits:
        model.fit_events(x, y).close()
    else:
        message = "batches of 5,000 samples needs 2.6 GB of memory.*use a smaller batch_size: each sample has 131,0"
        with pytest.raises(ConfigError, match=message):
            model.fit(x, y, progress=False, **options)
        with pytest.raises(ConfigError, match=message):
            model.find_learning_rate(x, y, **options)
        assert model.state.steps == 0


@pytest.mark.usefixtures("one_gigabyte")
def test_predictions_beyond_the_memory():
    model = Sequential(UpSample2D(200)).compile((2, 2, 1), MeanSquaredError())
    assert model.predict(np.zeros((2, 2, 2, 1), np.float32)).shape == (2, 400, 400, 1)
    with pytest.raises(ConfigError, match=r"predicting 5,000 samples.*largest layer has 160,000 values, needs 3.2 GB"):
        model.predict(np.zeros((5000, 2, 2, 1), np.float32))
    large = Sequential(UpSample2D(10**5), Flatten()).compile((1, 1, 1))
    with pytest.raises(ConfigError, match=r"predicting 1 samples.*120.0 GB"):
        large.predict(np.zeros((1, 1, 1, 1), np.float32))


def test_what_is_counted_is_allocated(monkeypatch):
    needed = []
    monkeypatch.setattr(required_memory, "require_memory", lambda size, what, advice: needed.append((size, what)))
    monkeypatch.setattr(memory, "_zeros_in_huge_pages", lambda count: None)  # tracemalloc does not see them
    network = Sequential(Dense(700), ReLU(), Dense(700), ReLU(), Dense(2), Softmax())
    tracemalloc.start()
    model = network.compile((900,), CrossEntropy(), Adam())
    used = tracemalloc.get_traced_memory()[1]
    x, y = np.zeros((2000, 900), np.float32), np.arange(2000) % 2
    before = tracemalloc.get_traced_memory()[0]
    tracemalloc.reset_peak()
    model.fit(x, y, batch_size=2000, progress=False)
    trained = tracemalloc.get_traced_memory()[1] - before
    tracemalloc.stop()
    (model_size, what), (training_size, _) = needed[:2]
    assert what.startswith("a model with 1,1")
    assert 0.8 < used / model_size < 1.2
    assert 0.8 < trained / training_size < 2.5  # also the input gradients, and what the loss needs


def test_a_spec_counts_the_outputs_of_all_layers_once():
    inner = Graph(Node("a", Dense(3), "input"), Node("b", Sequential(Dense(5), ReLU()), "a"))
    assert Sequential(Dense(7), inner, Softmax()).build((4,)).all_outputs == 7 + 3 + 5 + 5 + 5


@pytest.mark.parametrize("shape", [(1,) * 31, (0,), ()])
def test_samples_have_some_axes(shape):
    with pytest.raises(ShapeError, match="the shape of one sample"):
        Model(Dense(1), shape)


def test_outputs_have_some_axes():
    with pytest.raises(ShapeError, match="reshape1: its outputs have 31 axes; at most 30 are possible"):
        Sequential(Reshape((1,) * 31)).build((1,))
