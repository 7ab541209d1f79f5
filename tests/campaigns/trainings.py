"""The trainings of the campaign of kills: one or more of each family, small, with a fixed seed.

A training has some hundred events, so that a campaign can interrupt it at many moments. Most are large enough for a second
thread.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from pellucid import (
    GELU,
    GRU,
    LBFGS,
    LSTM,
    SGD,
    Accuracy,
    Adam,
    AdamW,
    Add,
    Attention,
    AverageWeights,
    BatchNorm,
    Chain,
    ClipNorm,
    Conv2D,
    Cosine,
    CrossEntropy,
    Decay,
    Dense,
    Dropout,
    EarlyStopping,
    FitOptions,
    Flatten,
    GaussianNoise,
    GlobalAveragePool2D,
    Graph,
    LayerNorm,
    LearnedPositions,
    MaxPool2D,
    MeanSquaredError,
    Model,
    Muon,
    Node,
    OneCycle,
    Perturbation,
    ReduceOnPlateau,
    ReLU,
    Residual,
    RMSNorm,
    Sequential,
    SinusoidalPositions,
    Softmax,
    StochasticWeightAverage,
    SwiGLU,
    TiedEmbedding,
)
from pellucid.data import Augmentation, BatchStream, Dataset, windows
from pellucid.data.text import windows as text_windows
from pellucid.metrics import F1, R2
from pellucid.runs.presets import preset

SAMPLES = 400


def _labels(count: int = SAMPLES) -> np.ndarray:
    return np.random.default_rng(1).permutation(np.arange(count) % 4)


def _vectors() -> tuple[np.ndarray, np.ndarray]:
    y = _labels()
    x = np.random.default_rng(2).normal(size=(len(y), 24)).astype(np.float32)
    x[np.arange(len(y)), y] += 1.5
    return x, y


def _images() -> tuple[np.ndarray, np.ndarray]:
    y = _labels()
    x = np.random.default_rng(3).integers(0, 120, (len(y), 12, 12, 1)).astype(np.uint8)
    for image, label in zip(x, y, strict=True):
        image[3 * label : 3 * label + 3] += 100
    return x, y


def _steps() -> tuple[np.ndarray, np.ndarray]:
    y = _labels()
    x = np.random.default_rng(4).normal(size=(len(y), 8, 6)).astype(np.float32)
    x[:, 0, 0] += y
    x[::3, 6:] = 0
    return x, y


def _split(x: Any, y: Any, rows: int = 300) -> dict[str, Any]:
    return {"x": x[:rows], "y": y[:rows], "validation": (x[rows:], y[rows:])}


@dataclass(frozen=True)
class Training:
    """A model and its training: ``model()`` returns a new model, ``data()`` the data and ``options`` the other arguments of
    ``fit``."""

    name: str
    model: Callable[[], Model]
    data: Callable[[], dict[str, Any]]
    options: dict[str, Any] = field(default_factory=dict)

    def options_with(self, policies: Any = (), resume: Any = None) -> FitOptions:
        """Return the options of ``fit``, with more policies."""
        return FitOptions(**{**self.options, "policies": [*self.options.get("policies", ()), *policies]}, resume=resume)


def _compiled(network: Any, shape: Any, optimizer: Any, metrics: Any = None, loss: Any = None) -> Callable[[], Model]:
    def model() -> Model:
        scores = [Accuracy()] if metrics is None else metrics
        return network.compile(shape, loss or CrossEntropy(), optimizer, scores, seed=7)

    return model


def _dense(classes: int = 4) -> Sequential:
    return Sequential(Dense(64), BatchNorm(), ReLU(), Dropout(0.3), Dense(48), ReLU(), Dense(classes), Softmax())


def _table_data() -> dict[str, Any]:
    x, y = _vectors()
    data = Dataset(x * np.linspace(0.1, 50, 24, dtype=np.float32), y, classes=("a", "b", "c", "d"))
    rest, held_out = data.split(100)
    return {"x": rest, "validation": held_out}


def _series() -> dict[str, Any]:
    time = np.arange(400)
    noise = np.random.default_rng(5).normal(0, 0.1, len(time))
    series = (np.sin(time / 6) + 0.3 * np.sin(time / 2) + noise).astype(np.float32)
    data = windows(series, 24, 6)
    return _split(data.x, np.ascontiguousarray(data.y[..., 0]), 280)


def _forecast() -> Graph:
    """Return the network of the preset, for one column."""
    hidden = Sequential(Flatten(), Dense(128), ReLU(), Dense(128), ReLU(), Dense(6))
    linear = Node("linear", Sequential(Flatten(), Dense(6)), "input")
    return Graph(linear, Node("hidden", hidden, "input"), Node("sum", Add(), "linear", "hidden"))


def _weighted() -> dict[str, Any]:
    x, y = _vectors()
    weight = np.linspace(0, 2, len(y))
    return {**_split(x, y), "sample_weight": weight[:300], "validation": (x[300:], y[300:], weight[300:])}


def _function() -> dict[str, Any]:
    x, y = _vectors()

    def batches(epoch: int) -> Any:
        order = np.random.default_rng(epoch).permutation(300)
        for start in range(0, 300, 25):
            rows = order[start : start + 25]
            yield x[rows], y[rows]

    return {"x": BatchStream(batches, 12, prefetch=2), "validation": (x[300:], y[300:])}


def _two_inputs() -> dict[str, Any]:
    (x, y), (steps, _) = _vectors(), _steps()
    parts = [slice(0, 300), slice(300, None)]
    sets = [({"left": x[rows], "right": steps[rows]}, {"label": y[rows], "value": x[rows, :1]}) for rows in parts]
    return {"x": sets[0][0], "y": sets[0][1], "validation": sets[1]}


def _graph() -> Model:
    network = Graph(
        Node("a", Dense(32), "left"),
        Node("b", GRU(16), "right"),
        Node("sum", Sequential(Dense(24), LayerNorm(), ReLU(), Dropout(0.2)), "a"),
        Node("label", Sequential(Dense(4), Softmax()), "sum"),
        Node("value", Dense(1), "b"),
        inputs=("left", "right"),
        outputs=("label", "value"),
    )
    losses = {"label": CrossEntropy(), "value": MeanSquaredError()}
    shapes = {"left": (24,), "right": (8, 6)}
    return network.compile(shapes, losses, Adam(0.01), {"label": [Accuracy()]}, loss_weights={"value": 0.5}, seed=7)


def _convolutional() -> Sequential:
    block = (Conv2D(8, 3, padding="same", bias=False), BatchNorm(), ReLU())
    return Sequential(*block, MaxPool2D(), *block, Flatten(), Dropout(0.2), Dense(4), Softmax())


def _residual() -> Sequential:
    block = Residual(Conv2D(8, 3, padding="same"), BatchNorm(), ReLU(), Conv2D(8, 3, padding="same"), BatchNorm())
    return Sequential(Conv2D(8, 3, padding="same"), block, ReLU(), GlobalAveragePool2D(), Dense(4), Softmax())


def _recurrent() -> Sequential:
    return Sequential(LSTM(24, True, mask=0.0, recurrent_dropout=0.2), GRU(16), Dense(4), Softmax())


def _transformer() -> Sequential:
    """Return a language model with every layer of Transformers."""
    attention = Attention(2, causal=True, dropout=0.1, rotary=True)
    feed_forward = Residual(RMSNorm(), SwiGLU(24), Dense(16), Dropout(0.1))
    embedded = TiedEmbedding(
        12, 16, LearnedPositions(), SinusoidalPositions(), Residual(LayerNorm(bias=False), attention), feed_forward, GELU()
    )
    return Sequential(embedded, Softmax())


def _text() -> dict[str, Any]:
    tokens = np.random.default_rng(6).integers(0, 12, 4000)
    tokens[2:] = np.where(np.arange(3998) % 5, (tokens[1:-1] + tokens[:-2]) % 12, tokens[2:])
    return {"x": text_windows(tokens[:3000], 16), "validation": text_windows(tokens[3000:], 16)}


VECTORS = {"epochs": 10, "batch_size": 25}
PLATEAU = [AverageWeights(0.95), ReduceOnPlateau(0.5, 1, min_delta=0.02), EarlyStopping(4, min_delta=0.005)]

TRAININGS = {
    one.name: one
    for one in [
        Training(
            "dense",
            _compiled(_dense(), (24,), SGD(Cosine(0.05), momentum=0.9), [Accuracy(), F1()]),
            lambda: _split(*_vectors()),
            VECTORS,
        ),
        Training(
            "convolutional",
            _compiled(_convolutional(), (12, 12, 1), Adam(OneCycle(0.01))),
            lambda: _split(*_images()),
            {"epochs": 6, "batch_size": 20, "augmentation": Augmentation(rotation=10, shift=1, noise=0.1)},
        ),
        Training(
            "residual",
            _compiled(_residual(), (12, 12, 1), Muon(0.005)),
            lambda: _split(*_images()),
            {"epochs": 5, "batch_size": 20, "exact_training_metrics": True},
        ),
        Training(
            "recurrent",
            _compiled(_recurrent(), (8, 6), AdamW(0.01)),
            lambda: _split(*_steps()),
            {"epochs": 6, "batch_size": 20},
        ),
        Training(
            "transformer",
            _compiled(_transformer(), (16,), Chain(ClipNorm(1.0), Decay(0.1), Adam(OneCycle(0.01)))),
            _text,
            {"epochs": 5, "batch_size": 10, "steps_per_epoch": 15},
        ),
        Training(
            "table",
            _compiled(preset("table").network(4), (24,), preset("table").optimizer, [Accuracy()]),
            _table_data,
            {"epochs": 10, "batch_size": 32, "class_weight": {0: 1.0, 1: 2.0, 2: 1.0, 3: 0.5}},
        ),
        Training(
            "forecast",
            _compiled(_forecast(), (24, 1), preset("forecast").optimizer, [R2()], MeanSquaredError()),
            _series,
            {"epochs": 14, "batch_size": 20, "policies": [EarlyStopping(2)]},
        ),
        Training(
            "policies",
            _compiled(_dense(), (24,), Chain(ClipNorm(1.0), Adam(0.01))),
            lambda: _split(*_vectors()),
            {**VECTORS, "epochs": 14, "policies": PLATEAU},
        ),
        Training(
            "averages",
            _compiled(_dense(), (24,), Adam(0.01)),
            lambda: _split(*_vectors()),
            {**VECTORS, "policies": [StochasticWeightAverage(3, 2), EarlyStopping(5)]},
        ),
        Training(
            "accumulated",
            _compiled(_dense(), (24,), Adam(0.01)),
            _weighted,
            {**VECTORS, "batch_size": 8, "accumulate": 3},
        ),
        Training("streamed", _compiled(_dense(), (24,), Adam(0.01)), _function, {"epochs": 10}),
        Training("graph", _graph, _two_inputs, {"epochs": 8, "batch_size": 20, "policies": [AverageWeights(0.9)]}),
        Training(
            "perturbed",
            _compiled(Sequential(GaussianNoise(0.1), Dense(4), Softmax()), (24,), Adam(0.01)),
            lambda: _split(*_vectors()),
            {"epochs": 3, "batch_size": 30, "method": Perturbation("parallel", 0.1, 5)},
        ),
        Training(
            "lbfgs",
            _compiled(Sequential(Dense(16), BatchNorm(), ReLU(), Dense(4), Softmax()), (24,), LBFGS(5)),
            lambda: _split(*_vectors()),
            {"epochs": 40, "policies": [EarlyStopping(30)]},
        ),
    ]
}
