"""What is trained on the tab Playground: a few settings, the data and the model that they stand for, and the program in Python
that trains the same network to the same bits."""

from __future__ import annotations

import dataclasses
import re
import textwrap
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

import pellucid
from pellucid.app.body import Body
from pellucid.core.config import Config
from pellucid.data import Dataset
from pellucid.data.planar import PLANAR
from pellucid.errors import DataError
from pellucid.initializers import Glorot, GlorotUniform, He, HeUniform, Initializer, Normal, Zeros
from pellucid.layers import Dense, Identity, Layer, ReLU, Sigmoid, Softmax, Tanh
from pellucid.losses import CrossEntropy
from pellucid.metrics import Accuracy
from pellucid.model.model import Model
from pellucid.networks import Sequential
from pellucid.optim import L2, Chain, Decay, Optimizer, Transform
from pellucid.runs.presets import OPTIMIZERS

OWN = "own"  # the data set of points that somebody painted or pasted
REACH = 3.0  # the plane is shown, and may be painted, from −3 to 3 in both directions
HELD_BACK = 0.3  # the share of points that validate
LAYERS, UNITS, POINTS, FEWEST, CLASSES = 6, 16, 1000, 4, 4

ACTIVATIONS: dict[str, Layer] = {"relu": ReLU(), "tanh": Tanh(), "sigmoid": Sigmoid(), "linear": Identity()}
INITS: dict[str, Initializer] = {
    "he": He(), "he-uniform": HeUniform(), "glorot": Glorot(), "glorot-uniform": GlorotUniform(),
    "normal-1": Normal(1.0), "normal-0.1": Normal(0.1), "normal-0.01": Normal(0.01), "zeros": Zeros(),
}  # fmt: skip
REGULARIZATIONS: dict[str, type[L2] | type[Decay] | None] = {"none": None, "l2": L2, "decay": Decay}
WIDTH = 88  # of a program's lines
FIELDS = (
    "data", "noise", "samples", "data_seed", "points", "hidden", "activation", "init", "optimizer", "rates", "batch",
    "regularization", "strength", "seed",
)  # fmt: skip


@dataclass(frozen=True)
class Settings:
    """One training. ``points`` are those of the data "own"; ``rates`` says from which step on which learning rate holds, the
    first from step 0; ``batch`` 0 is the whole training set."""

    data: str
    noise: float
    samples: int
    data_seed: int
    points: tuple[tuple[float, float, int], ...]
    hidden: tuple[int, ...]
    activation: str
    init: str
    optimizer: str
    rates: Mapping[int, float]
    batch: int
    regularization: str
    strength: float
    seed: int

    @classmethod
    def of(cls, body: Body) -> Settings:
        """What a request says. Raises DataError and ConfigError."""
        data = body.text("data", [*PLANAR, OWN])
        return cls(
            data=data,
            noise=body.number("noise", 0, 1, 0.2),
            samples=body.whole("samples", 10, POINTS, 300),
            data_seed=body.whole("data_seed", 0, 1_000_000, 0),
            points=_points(body.fields.get("points")) if data == OWN else (),
            hidden=_hidden(body.fields.get("hidden", [])),
            activation=body.text("activation", ACTIVATIONS, "tanh"),
            init=body.text("init", INITS, "glorot"),
            optimizer=body.text("optimizer", OPTIMIZERS, "sgd"),
            rates=_rates(body.fields.get("rates")),
            batch=body.whole("batch", 0, POINTS, 0),
            regularization=body.text("regularization", REGULARIZATIONS, "none"),
            strength=body.number("strength", 0, 10, 0.001),
            seed=body.whole("seed", 0, 1_000_000, 0),
        )

    def sets(self) -> tuple[Dataset, Dataset]:
        """(training, validation)."""
        return self._whole().split(HELD_BACK, self.data_seed)

    def _whole(self) -> Dataset:
        if self.data != OWN:
            return PLANAR[self.data](self.samples, self.noise, self.data_seed)
        table = np.array(self.points)
        labels = table[:, 2].astype(np.int64)
        return Dataset(table[:, :2].astype(np.float32), labels, classes=[str(label) for label in range(labels.max() + 1)])

    def model(self, classes: int) -> Model:
        """The network, before its first step."""
        return Sequential(*self._hidden_layers(), *self._last_layers(classes)).compile(
            input_shape=(2,), loss=CrossEntropy(), optimizer=self._optimizer(), metrics=[Accuracy()], seed=self.seed
        )

    def _hidden_layers(self) -> list[Layer]:
        return [layer for units in self.hidden for layer in (Dense(units, INITS[self.init]), ACTIVATIONS[self.activation])]

    def _last_layers(self, classes: int) -> list[Layer]:
        return [Dense(classes, INITS[self.init]), Softmax()]

    def _optimizer(self) -> Optimizer:
        rule, transform = OPTIMIZERS[self.optimizer](self.rates[0]), REGULARIZATIONS[self.regularization]
        if transform is None:
            return rule
        before: Transform = transform(self.strength)
        return Chain(before, *(rule.pieces if isinstance(rule, Chain) else (rule,)))

    # -- the same in Python ---------------------------------------------------------------------------------------

    def code(self, steps: int) -> str:
        """A program whose ``model`` has, at its end, the parameters after so many steps; of none, one to begin with."""
        train, _ = self.sets()
        size = self.batch or len(train)
        lines = [*self._data_lines(), "", "network = Sequential("]
        layers = self._hidden_layers() + self._last_layers(len(train.classes or ()))
        lines += [f"    {typed(dense)}, {typed(after)}," for dense, after in zip(layers[::2], layers[1::2], strict=True)]
        lines += [")", "model = network.compile("]
        lines += [f"    input_shape=(2,), loss=CrossEntropy(), optimizer={typed(self._optimizer())},"]
        lines += [f"    metrics=[Accuracy()], seed={self.seed},", ")"]
        lines += self._training_lines(steps, -(-len(train) // size))
        lines += ['print("training", model.evaluate(train))', 'print("validation", model.evaluate(validation))', ""]
        text = "\n".join(lines)
        used = [name for name in pellucid.__all__ if re.search(rf"\b{name}\b", text)]
        own = ["import numpy as np", ""] if self.data == OWN else []
        source = "pellucid.data import Dataset" if self.data == OWN else f"pellucid.data.planar import {self.data}"
        return "\n".join([*own, *_imported(used), f"from {source}", "", text])

    def _data_lines(self) -> list[str]:
        split = f".split({HELD_BACK}, seed={self.data_seed})"
        if self.data != OWN:
            drawn = f"{self.data}({self.samples}, noise={self.noise!r}, seed={self.data_seed})"
            return [f"train, validation = {drawn}{split}"]
        written = [f"({x1:g}, {x2:g}, {label})" for x1, x2, label in self.points]
        rows = [f"    {', '.join(written[i : i + 6])}," for i in range(0, len(written), 6)]
        names = self._whole().classes or ()
        return [
            "points = np.array([  # x1, x2, class", *rows, "])",
            "x, y = points[:, :2].astype(np.float32), points[:, 2].astype(np.int64)",
            f"train, validation = Dataset(x, y, classes={list(names)}){split}",
        ]  # fmt: skip

    def _training_lines(self, steps: int, batches: int) -> list[str]:
        size = f"batch_size={self.batch or 'len(train)'}"
        later = {step: rate for step, rate in self.rates.items() if 0 < step < steps}
        if steps % batches == 0 and not later:
            return [f"model.fit(train, validation=validation, epochs={steps // batches or 100}, {size})"]
        stop = f"event.step == {steps}:"
        rounds = f"model.fit_events(train, epochs={-(-steps // batches)}, {size}"
        if not later:
            return [f"for event in {rounds}):", f"    if isinstance(event, StepEvent) and {stop}", "        break"]
        return [
            f"control, rates = Control(), {later}  # other learning rates, after so many steps",
            f"for event in {rounds}, control=control):",
            "    if isinstance(event, StepEvent):",
            "        control.learning_rate = rates.get(event.step, control.learning_rate)",
            f"        if {stop}",
            "            break",
        ]


def typed(part: Any) -> str:
    """How one would type it: the first setting and initializers bare, the others by name where they are not the default."""
    if isinstance(part, Chain):
        return f"Chain({', '.join(typed(piece) for piece in part.pieces)})"
    if not isinstance(part, Config):
        return repr(part)
    said = []
    for i, field in enumerate(dataclasses.fields(part)):  # type: ignore[arg-type]
        value = getattr(part, field.name)
        if i == 0 or isinstance(value, Initializer):
            said.append(typed(value))
        elif value != field.default:
            said.append(f"{field.name}={typed(value)}")
    return f"{type(part).__name__}({', '.join(said)})"


def _imported(names: list[str]) -> list[str]:
    line = f"from pellucid import {', '.join(names)}"
    if len(line) <= WIDTH:
        return [line]
    return ["from pellucid import (", *(f"    {part}" for part in textwrap.wrap(", ".join(names) + ",", WIDTH - 4)), ")"]


def _points(value: Any) -> tuple[tuple[float, float, int], ...]:
    if not isinstance(value, list) or not FEWEST <= len(value) <= POINTS:
        raise DataError(f"points: from {FEWEST} to {POINTS:,} of them, each [x1, x2, class]")
    for one in value:
        fine = isinstance(one, list) and len(one) == 3 and all(type(number) in (int, float) for number in one)
        if not fine or not (abs(one[0]) <= REACH and abs(one[1]) <= REACH and one[2] in range(CLASSES)):
            what = f"x1 and x2 from {-REACH:g} to {REACH:g}, and a class from 0 to {CLASSES - 1}"
            raise DataError(f"a point is [x1, x2, class] with {what}, got {str(one)[:60]}")
    points = tuple((round(float(x1), 4), round(float(x2), 4), int(label)) for x1, x2, label in value)
    if len({label for _, _, label in points}) < 2:
        raise DataError("all points are of one class: there is nothing to tell apart")
    return points


def _hidden(value: Any) -> tuple[int, ...]:
    fine = isinstance(value, list) and len(value) <= LAYERS
    if not fine or not all(type(units) is int and 1 <= units <= UNITS for units in value):
        raise DataError(f"hidden: at most {LAYERS} layers of 1 to {UNITS} units")
    return tuple(value)


def _rates(value: Any) -> dict[int, float]:
    rates: dict[int, float] = {}
    for pair in value if isinstance(value, list) and len(value) <= 100 else ():
        fine = isinstance(pair, list) and len(pair) == 2 and type(pair[0]) is int and type(pair[1]) in (int, float)
        if not fine or not (pair[0] >= 0 and 1e-6 <= pair[1] <= 1000):
            raise DataError(f"a learning rate is [step, rate] with a rate from 0.000001 to 1000, got {str(pair)[:60]}")
        rates[pair[0]] = float(pair[1])
    if 0 not in rates:
        raise DataError("rates: a list of [step, learning rate], the first of which holds from step 0 on")
    return dict(sorted(rates.items()))
