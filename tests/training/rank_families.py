"""Small trainings of every kind that ranks share, for test_ranks.py, which also starts this program with mpiexec.

It makes all of them with ``deterministic``, and those in the arguments without, too. Rank 0 prints a line of JSON for each.
"""

from __future__ import annotations

import hashlib
import json
import sys

import numpy as np
import scipy.sparse

from pellucid import (
    GRU,
    LBFGS,
    SGD,
    Accuracy,
    Adam,
    BatchNorm,
    Conv2D,
    CrossEntropy,
    Dense,
    Dropout,
    EarlyStopping,
    Flatten,
    Graph,
    MaxPool2D,
    MeanSquaredError,
    Node,
    ReduceOnPlateau,
    ReLU,
    Sequential,
    Softmax,
)
from pellucid.data import Augmentation, BatchStream
from pellucid.training import ranks

RANDOM = np.random.default_rng(5)
VALUES = RANDOM.normal(size=(35, 5)).astype(np.float32)
LABELS = np.arange(35) % 3
IMAGES = RANDOM.integers(0, 256, (26, 8, 8, 1), np.uint8)
STEPS = RANDOM.normal(size=(22, 6, 3)).astype(np.float32)
STEPS[np.arange(6) >= RANDOM.integers(2, 7, 22)[:, np.newaxis]] = 0
STEP_LABELS = RANDOM.integers(0, 4, (22, 6))
WEIGHTS = RANDOM.uniform(0.5, 1.5, 35).astype(np.float32)


def dense():
    """Dropout, weights, policies, a last batch of fewer samples than parts."""
    network = Sequential(Dense(8), ReLU(), Dropout(0.3), Dense(3), Softmax())
    policies = (ReduceOnPlateau(patience=1, monitor="train_loss"), EarlyStopping(2))
    return network.compile((5,), CrossEntropy(), Adam(), [Accuracy()], seed=3), {
        "x": VALUES,
        "y": LABELS,
        "sample_weight": WEIGHTS,
        "validation": (VALUES[:9], LABELS[:9]),
        "batch_size": 16,
        "policies": policies,
        "class_weight": "balanced",
    }


def convolution():
    """Batch normalization, whose statistics are those of the whole batch, and augmentation."""
    layers = (
        Conv2D(4, 3),
        BatchNorm(),
        ReLU(),
        MaxPool2D(2),
        Dropout(0.2),
        Flatten(),
        Dense(10),
        BatchNorm(),
        Dense(3),
        Softmax(),
    )
    return Sequential(*layers).compile((8, 8, 1), CrossEntropy(), SGD(0.05, momentum=0.9), [Accuracy()], seed=1), {
        "x": IMAGES,
        "y": np.arange(26) % 3,
        "validation": (IMAGES[:9], np.arange(9) % 3),
        "batch_size": 8,
        "augmentation": Augmentation(rotation=10, shift=1),
        "exact_training_metrics": True,
    }


def recurrent():
    """An output at each step, without those that are padding."""
    network = Sequential(GRU(5, mask=0.0, return_sequences=True), Dense(4), Softmax())
    return network.compile((6, 3), CrossEntropy(), Adam(0.01), [Accuracy()]), {
        "x": STEPS,
        "y": STEP_LABELS,
        "batch_size": 7,
    }


def several():
    """Two inputs and two outputs."""
    graph = Graph(
        Node("left", Dense(4), "a"),
        Node("right", Sequential(Dense(4), BatchNorm()), "b"),
        Node("class", Sequential(Dense(3), Softmax()), "left"),
        Node("number", Dense(2), "right"),
        inputs=("a", "b"),
        outputs=("class", "number"),
    )
    loss = {"class": CrossEntropy(), "number": MeanSquaredError()}
    model = graph.compile(
        {"a": (5,), "b": (3,)}, loss, SGD(0.05), {"class": [Accuracy()]}, loss_weights={"class": 1.0, "number": 0.5}
    )
    return model, {
        "x": {"a": VALUES, "b": VALUES[:, :3] ** 2},
        "y": {"class": LABELS, "number": VALUES[:, 3:]},
        "batch_size": 9,
    }


def accumulated():
    """One update from two batches."""
    model, _ = dense()
    return model, {"x": VALUES, "y": LABELS, "batch_size": 6, "accumulate": 2}


def streamed():
    """Batches from a function; no metrics."""
    model = Sequential(Dense(4), ReLU(), Dense(2)).compile((5,), MeanSquaredError(), SGD(0.05))

    def batches(epoch):
        for k in range(3):
            x = np.random.default_rng((epoch, k)).normal(size=(7, 5)).astype(np.float32)
            yield x, x[:, :2] ** 2

    return model, {"x": BatchStream(batches, 3)}


def full_batch():
    """L-BFGS, which sums over the training set."""
    model = Sequential(Dense(5), ReLU(), Dense(3), Softmax()).compile((5,), CrossEntropy(), LBFGS(), [Accuracy()])
    return model, {"x": VALUES, "y": LABELS}


def sparse_rows():
    """Rows of a sparse matrix, of which every rank has the whole batch."""
    model, options = dense()
    x = scipy.sparse.csr_array(np.maximum(VALUES, 0))
    return model, {**options, "x": x, "validation": (x[:9], LABELS[:9])}


FAMILIES = {f.__name__: f for f in (dense, convolution, recurrent, several, accumulated, streamed, full_batch, sparse_rows)}


def trained(name, *, deterministic, epochs=3):
    """Return the digests of all results of a training."""
    model, options = FAMILIES[name]()
    history = model.fit(**options, epochs=epochs, deterministic=deterministic)
    x, y = (IMAGES, np.arange(26) % 3) if name == "convolution" else (options["x"], options.get("y"))
    scores = None if y is None else dict(model.evaluate(x, y))
    outputs = None if y is None else model.predict(x)
    rows = [{key: value for key, value in row.items() if key != "seconds"} for row in history]
    return {
        "parameters": model.parameters.tolist(),
        "statistics": model.state.statistics.tolist(),
        "optimizer": digest(*model.state.updater.state.values()),
        "outputs": digest(*(outputs.values() if isinstance(outputs, dict) else [outputs] if outputs is not None else [])),
        "scores": scores,
        "history": rows,
    }


def digest(*arrays):
    return hashlib.sha256(b"".join(array.tobytes() for array in arrays)).hexdigest()


if __name__ == "__main__":
    with ranks.together() as group:
        for name, deterministic in [*((name, True) for name in FAMILIES), *((name, False) for name in sys.argv[1:])]:
            result = trained(name, deterministic=deterministic)
            same = len(set(group.gather(json.dumps(result)))) == 1
            line = {"name": name, "deterministic": deterministic, "result": result, "same": same, "size": group.size}
            if group.rank == 0:
                print(json.dumps(line), flush=True)
