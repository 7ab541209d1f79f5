"""The settings of a playground training, and the data and the model that they describe."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from pellucid.app.api import RequestFields
from pellucid.data import Dataset
from pellucid.data.planar import PLANAR
from pellucid.errors import DataError
from pellucid.initializers import Glorot, GlorotUniform, He, HeUniform, Initializer, Normal, Zeros
from pellucid.layers import Dense, Identity, Layer, ReLU, Sigmoid, Softmax, Tanh
from pellucid.losses import CrossEntropy
from pellucid.metrics import Accuracy
from pellucid.model.model import Model
from pellucid.networks import Sequential
from pellucid.optim import L2, Chain, Decay, Optimizer, Transform, components_of, with_learning_rate
from pellucid.runs.presets import BATCH_OPTIMIZERS

USER_DATA = "user"  # the name of the data set of points that the user added
EXTENT = 3.0  # the plane reaches from −3 to 3 in both directions
VALIDATION_FRACTION = 0.3
MAX_LAYERS, MAX_UNITS, MAX_CLASSES = 6, 16, 4
MIN_POINTS, MAX_POINTS = 4, 1000
MAX_LEARNING_RATES = 100

ACTIVATIONS: dict[str, Layer] = {"relu": ReLU(), "tanh": Tanh(), "sigmoid": Sigmoid(), "identity": Identity()}
INITIALIZERS: dict[str, Initializer] = {
    "he": He(),
    "he-uniform": HeUniform(),
    "glorot": Glorot(),
    "glorot-uniform": GlorotUniform(),
    "normal-1": Normal(1.0),
    "normal-0.1": Normal(0.1),
    "normal-0.01": Normal(0.01),
    "zeros": Zeros(),
}
REGULARIZATIONS: dict[str, type[L2] | type[Decay] | None] = {"none": None, "l2": L2, "decay": Decay}
FIELDS = (
    "data",
    "noise",
    "samples",
    "data_seed",
    "points",
    "hidden",
    "activation",
    "init",
    "optimizer",
    "learning_rates",
    "batch_size",
    "regularization",
    "strength",
    "seed",
)


@dataclass(frozen=True)
class PlaygroundSettings:
    """The settings of one training.

    ``points`` are those of the user data. ``learning_rates`` maps a step to the learning rate from that step on, and has an
    entry for step 0. ``batch_size`` 0 means the whole training set.
    """

    data: str
    noise: float
    samples: int
    data_seed: int
    points: tuple[tuple[float, float, int], ...]
    hidden: tuple[int, ...]
    activation: str
    init: str
    optimizer: str
    learning_rates: Mapping[int, float]
    batch_size: int
    regularization: str
    strength: float
    seed: int

    @classmethod
    def of(cls, request: RequestFields) -> PlaygroundSettings:
        """Return the settings of a request. Raises DataError and ConfigError."""
        data = request.text("data", [*PLANAR, USER_DATA])
        return cls(
            data=data,
            noise=request.number("noise", 0, 1, 0.2),
            samples=request.integer("samples", 10, MAX_POINTS, 300),
            data_seed=request.integer("data_seed", 0, 1_000_000, 0),
            points=_points(request.values.get("points")) if data == USER_DATA else (),
            hidden=_hidden(request.values.get("hidden", [])),
            activation=request.text("activation", ACTIVATIONS, "tanh"),
            init=request.text("init", INITIALIZERS, "glorot"),
            optimizer=request.text("optimizer", BATCH_OPTIMIZERS, "sgd"),
            learning_rates=_learning_rates(request.values.get("learning_rates")),
            batch_size=request.integer("batch_size", 0, MAX_POINTS, 0),
            regularization=request.text("regularization", REGULARIZATIONS, "none"),
            strength=request.number("strength", 0, 10, 0.001),
            seed=request.integer("seed", 0, 1_000_000, 0),
        )

    def datasets(self) -> tuple[Dataset, Dataset]:
        """Return the training set and the validation set."""
        return self.dataset().split(VALIDATION_FRACTION, self.data_seed)

    def dataset(self) -> Dataset:
        """Return all points, before the split."""
        if self.data != USER_DATA:
            return PLANAR[self.data](self.samples, self.noise, self.data_seed)
        table = np.array(self.points)
        labels = table[:, 2].astype(np.int64)
        return Dataset(table[:, :2].astype(np.float32), labels, classes=[str(label) for label in range(labels.max() + 1)])

    def layers(self, classes: int) -> list[Layer]:
        """Return the layers in pairs: a dense layer and its activation."""
        init = INITIALIZERS[self.init]
        hidden = [layer for units in self.hidden for layer in (Dense(units, init), ACTIVATIONS[self.activation])]
        return [*hidden, Dense(classes, init), Softmax()]

    def optimizer_chain(self) -> Optimizer:
        """Return the optimizer with its regularization, at the first learning rate."""
        optimizer = with_learning_rate(BATCH_OPTIMIZERS[self.optimizer], self.learning_rates[0])
        regularization = REGULARIZATIONS[self.regularization]
        if regularization is None:
            return optimizer
        transform: Transform = regularization(self.strength)
        return Chain(transform, *components_of(optimizer))

    def model(self, classes: int) -> Model:
        """Return the untrained model."""
        return Sequential(*self.layers(classes)).compile(
            input_shape=(2,), loss=CrossEntropy(), optimizer=self.optimizer_chain(), metrics=[Accuracy()], seed=self.seed
        )


def _points(value: Any) -> tuple[tuple[float, float, int], ...]:
    if not isinstance(value, list) or not MIN_POINTS <= len(value) <= MAX_POINTS:
        raise DataError(f"points must be a list of {MIN_POINTS} to {MAX_POINTS:,} points [x1, x2, class]")
    for point in value:
        valid = isinstance(point, list) and len(point) == 3 and all(type(number) in (int, float) for number in point)
        if not valid or not (abs(point[0]) <= EXTENT and abs(point[1]) <= EXTENT and point[2] in range(MAX_CLASSES)):
            expected = f"x1 and x2 from {-EXTENT:g} to {EXTENT:g} and a class from 0 to {MAX_CLASSES - 1}"
            raise DataError(f"a point must be [x1, x2, class] with {expected}, got {str(point)[:60]}")
    points = tuple((round(float(x1), 4), round(float(x2), 4), int(label)) for x1, x2, label in value)
    if len({label for _, _, label in points}) < 2:
        raise DataError("all points are of one class: add points of another class")
    return points


def _hidden(value: Any) -> tuple[int, ...]:
    valid = isinstance(value, list) and len(value) <= MAX_LAYERS
    if not valid or not all(type(units) is int and 1 <= units <= MAX_UNITS for units in value):
        raise DataError(f"hidden must be a list of at most {MAX_LAYERS} layers with 1 to {MAX_UNITS} units")
    return tuple(value)


def _learning_rates(value: Any) -> dict[int, float]:
    rates: dict[int, float] = {}
    for pair in value if isinstance(value, list) and len(value) <= MAX_LEARNING_RATES else ():
        valid = isinstance(pair, list) and len(pair) == 2 and type(pair[0]) is int and type(pair[1]) in (int, float)
        if not valid or not (pair[0] >= 0 and 1e-6 <= pair[1] <= 1000):
            raise DataError(f"a learning rate must be [step, rate] with a rate from 0.000001 to 1000, got {str(pair)[:60]}")
        rates[pair[0]] = float(pair[1])
    if 0 not in rates:
        raise DataError("learning_rates must be a list of [step, rate] with an entry for step 0")
    return dict(sorted(rates.items()))
