"""The settings of a playground training, and the data and the model that they describe."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from pellucid.app.api import RequestFields
from pellucid.data import Dataset
from pellucid.data.planar import FEATURES, PLANAR, SURFACES, with_features
from pellucid.errors import DataError
from pellucid.initializers import Glorot, GlorotUniform, He, HeUniform, Initializer, Normal, Zeros
from pellucid.layers import Dense, Identity, Layer, ReLU, Sigmoid, Softmax, Tanh
from pellucid.losses import CrossEntropy, Loss, MeanSquaredError
from pellucid.metrics import R2, Accuracy, Metric
from pellucid.model.model import Model
from pellucid.networks import Sequential
from pellucid.optim import L1, L2, Chain, Decay, Optimizer, Transform, components_of, with_learning_rate
from pellucid.runs.presets import BATCH_OPTIMIZERS

USER_DATA = "user"  # the name of the data set of points that the user added
EXTENT = 3.0  # the plane reaches from −3 to 3 in both directions
COORDINATES = ("x1", "x2")  # the features of a network that receives the points as they are
VALIDATION = 0.3  # the default of the fraction of the points that are kept for validation
MAX_LAYERS, MAX_UNITS, MAX_CLASSES = 6, 16, 4
MIN_POINTS, MAX_POINTS = 4, 1000
MAX_LEARNING_RATES = 100
MAX_EDITS, MAX_WEIGHT = 100, 1000.0  # weights that are set by hand: how many, and their size

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
REGULARIZATIONS: dict[str, type[L1] | type[L2] | type[Decay] | None] = {"none": None, "l1": L1, "l2": L2, "decay": Decay}
FIELDS = (
    "data",
    "noise",
    "samples",
    "data_seed",
    "points",
    "validation",
    "features",
    "hidden",
    "activation",
    "init",
    "optimizer",
    "learning_rates",
    "batch_size",
    "regularization",
    "strength",
    "seed",
    "edits",
)


@dataclass(frozen=True)
class WeightEdit:
    """A weight that the user set by hand: its value after ``step`` steps, and until the next step changes it.

    ``layer`` and ``unit`` count from 1. ``source`` is the input of that layer, from 1; 0 means the bias of the unit.
    """

    step: int
    layer: int
    source: int
    unit: int
    value: float

    @property
    def array(self) -> str:
        """The name of the array that holds the weight."""
        return f"dense{self.layer}.{'W' if self.source else 'b'}"

    @property
    def place(self) -> tuple[int, ...]:
        """The place of the weight in its array."""
        return (self.source - 1, self.unit - 1) if self.source else (self.unit - 1,)

    @classmethod
    def of(cls, step: int, fields: Any, widths: Sequence[int]) -> WeightEdit:
        """Return the edit of a list [layer, source, unit, value]. ``widths`` are those of the input and of each layer."""
        valid = isinstance(fields, list) and len(fields) == 4 and all(type(one) is int for one in fields[:3])
        if not valid or type(fields[3]) not in (int, float) or not abs(fields[3]) <= MAX_WEIGHT:
            expected = f"[layer, source, unit, value] with a value from {-MAX_WEIGHT:g} to {MAX_WEIGHT:g}"
            raise DataError(f"a weight set by hand must be {expected}, got {str(fields)[:60]}")
        layer, source, unit, value = fields
        if not (1 <= layer < len(widths) and 0 <= source <= widths[layer - 1] and 1 <= unit <= widths[layer]):
            raise DataError(f"there is no weight from {source} to unit {unit} of layer {layer} in a network of {list(widths)}")
        return cls(step, layer, source, unit, float(value))


@dataclass(frozen=True)
class PlaygroundSettings:
    """The settings of one training.

    ``points`` are those of the user data. ``validation`` is the fraction of the points that are kept for validation.
    ``learning_rates`` maps a step to the learning rate from that step on, and has an entry for step 0. ``batch_size`` 0 means
    the whole training set. ``edits`` are in the order of their steps.
    """

    data: str
    noise: float
    samples: int
    data_seed: int
    points: tuple[tuple[float, float, int], ...]
    validation: float
    features: tuple[str, ...]
    hidden: tuple[int, ...]
    activation: str
    init: str
    optimizer: str
    learning_rates: Mapping[int, float]
    batch_size: int
    regularization: str
    strength: float
    seed: int
    edits: tuple[WeightEdit, ...]

    @classmethod
    def of(cls, request: RequestFields) -> PlaygroundSettings:
        """Return the settings of a request. Raises DataError and ConfigError."""
        data = request.text("data", [*PLANAR, *SURFACES, USER_DATA])
        settings = cls(
            data=data,
            noise=request.number("noise", 0, 1, 0.2),
            samples=request.integer("samples", 10, MAX_POINTS, 300),
            data_seed=request.integer("data_seed", 0, 1_000_000, 0),
            points=_points(request.values.get("points")) if data == USER_DATA else (),
            validation=request.number("validation", 0.05, 0.9, VALIDATION),
            features=_features(request.values.get("features", list(COORDINATES))),
            hidden=_hidden(request.values.get("hidden", [])),
            activation=request.text("activation", ACTIVATIONS, "tanh"),
            init=request.text("init", INITIALIZERS, "glorot"),
            optimizer=request.text("optimizer", BATCH_OPTIMIZERS, "sgd"),
            learning_rates=_learning_rates(request.values.get("learning_rates")),
            batch_size=request.integer("batch_size", 0, MAX_POINTS, 0),
            regularization=request.text("regularization", REGULARIZATIONS, "none"),
            strength=request.number("strength", 0, 10, 0.001),
            seed=request.integer("seed", 0, 1_000_000, 0),
            edits=(),
        )
        return replace(settings, edits=settings.read_edits(request.values.get("edits", [])))

    def read_edits(self, value: Any) -> tuple[WeightEdit, ...]:
        """Return the edits of a list of [step, layer, source, unit, value], sorted by step. Raises DataError."""
        if not isinstance(value, list) or len(value) > MAX_EDITS:
            raise DataError(f"edits must be a list of at most {MAX_EDITS} weights [step, layer, source, unit, value]")
        for one in value:
            if not isinstance(one, list) or not one or type(one[0]) is not int or one[0] < 0:
                raise DataError(f"a weight set by hand must be [step, layer, source, unit, value], got {str(one)[:60]}")
        widths = self.widths() if value else ()
        return tuple(sorted((WeightEdit.of(one[0], one[1:], widths) for one in value), key=lambda edit: edit.step))

    @property
    def is_regression(self) -> bool:
        """Whether the targets are numbers; otherwise they are classes."""
        return self.data in SURFACES

    def widths(self) -> list[int]:
        """Return the number of inputs and the number of units of each layer."""
        return [len(self.features), *self.hidden, len(self.dataset().classes or "y")]

    def points_split(self) -> tuple[Dataset, Dataset]:
        """Return the points of the training set and of the validation set, with their coordinates."""
        return self.dataset().split(self.validation, self.data_seed)

    def datasets(self) -> tuple[Dataset, Dataset]:
        """Return the training set and the validation set, with the features that the network receives."""
        if self.features == COORDINATES:
            return self.points_split()
        return with_features(self.dataset(), *self.features).split(self.validation, self.data_seed)

    def dataset(self) -> Dataset:
        """Return all points, before the split."""
        if self.data != USER_DATA:
            return (PLANAR | SURFACES)[self.data](self.samples, self.noise, self.data_seed)
        table = np.array(self.points)
        labels = table[:, 2].astype(np.int64)
        return Dataset(table[:, :2].astype(np.float32), labels, classes=[str(label) for label in range(labels.max() + 1)])

    def layers(self) -> list[tuple[Layer, ...]]:
        """Return each dense layer with its activation. The output of a regression has none."""
        init = INITIALIZERS[self.init]
        *hidden, outputs = self.widths()[1:]
        output = (Dense(outputs, init),) if self.is_regression else (Dense(outputs, init), Softmax())
        return [*((Dense(units, init), ACTIVATIONS[self.activation]) for units in hidden), output]

    @property
    def loss(self) -> Loss:
        """The loss that is minimized."""
        return MeanSquaredError() if self.is_regression else CrossEntropy()

    @property
    def metric(self) -> Metric:
        """The figure that is shown beside the loss."""
        return R2() if self.is_regression else Accuracy()

    def optimizer_chain(self) -> Optimizer:
        """Return the optimizer with its regularization, at the first learning rate."""
        optimizer = with_learning_rate(BATCH_OPTIMIZERS[self.optimizer], self.learning_rates[0])
        regularization = REGULARIZATIONS[self.regularization]
        if regularization is None:
            return optimizer
        transform: Transform = regularization(self.strength)
        return Chain(transform, *components_of(optimizer))

    def model(self) -> Model:
        """Return the untrained model, before any edit."""
        layers = [layer for pair in self.layers() for layer in pair]
        return Sequential(*layers).compile(
            input_shape=(len(self.features),),
            loss=self.loss,
            optimizer=self.optimizer_chain(),
            metrics=[self.metric],
            seed=self.seed,
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


def _features(value: Any) -> tuple[str, ...]:
    if not isinstance(value, list) or not value or not all(isinstance(name, str) and name in FEATURES for name in value):
        raise DataError(f"features must be a list of at least one of {', '.join(FEATURES)}, got {str(value)[:60]}")
    return tuple(name for name in FEATURES if name in value)  # in a fixed order: the choice determines the network


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
