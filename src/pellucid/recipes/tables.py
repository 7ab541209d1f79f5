"""The recipe for tables: the network and its training, from the number of rows, the kinds of their values and the task.

The ideas are those of RealMLP (Holzmüller, Grinsztajn and Steinwart, "Better by default: strong pre-tuned MLPs and boosted
trees on tabular data", 2024), in a smaller network and fewer epochs, so that a training takes seconds:

- numbers are embedded by waves of learned frequencies (PBLD), codes of categories by learned vectors;
- learned scales of the features, with a larger learning rate than the weights, choose among them;
- three hidden layers with Mish for numbers and SELU for classes, and dropout;
- where numbers are predicted from few rows, an ensemble in one network, whose members share these layers
  (:class:`~pellucid.networks.members.Members`, after BatchEnsemble and TabM);
- weights as in the neural tangent parametrization, in which a layer computes x W/√n_in with W of variance 1. A dense layer with
  :class:`~pellucid.initializers.LeCun` and the learning rate times 1/√n_in does the same steps with Adam;
- Adam with β₂ = 0.95 and decoupled weight decay, several cosine cycles, a moving average of the parameters, and of all epochs
  the best one.

What each of them contributes is in the table of ``docs/tables.md``.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from pellucid.core.memory import Slot
from pellucid.errors import ConfigError
from pellucid.initializers import LeCun, Signs, Zeros
from pellucid.layers import (
    SELU,
    Concatenate,
    Dense,
    DensePerPosition,
    Dropout,
    Flatten,
    Identity,
    Layer,
    LearnedScale,
    Mish,
    Periodic,
    Sigmoid,
    Softmax,
)
from pellucid.losses import BinaryCrossEntropy, CrossEntropy, Loss, MeanSquaredError
from pellucid.networks import Columns, Composite, Graph, Members, Node, Sequential
from pellucid.networks.columns import BINARY, NUMBER
from pellucid.optim import L2, Adam, Chain, CosineCycles, Decay, Schedule, Transform
from pellucid.training import AverageWeights, FitOptions, KeepBest

Answer = Literal["numbers", "classes", "labels"]  # of regression, classification, and independent yes-or-no labels

HIDDEN = (128, 128, 128)  # the widths of the hidden layers; RealMLP has 256 units
DROPOUT = 0.15
DECAY = Decay(0.226)  # 0.02 √128: a step is the rate times 1/√n times this, so that it is that of 0.02 where n is 128
EPOCHS, BATCH_SIZE = 64, 128
AVERAGE = 0.98  # of the moving average of the parameters
MIN_EPOCHS, MAX_STEPS = 12, 8_000  # large tables have fewer epochs
RATES = {"numbers": 0.05, "classes": 0.01, "labels": 0.01}  # for weights of variance 1
# Factors of the learning rate by the last part of a path, as in RealMLP; those of weights are 1/√n_in.
FACTORS = {"scale": 6.0, "b": 0.1, "frequencies": 0.1, "phases": 0.1}
WAVES, FUNCTIONS = 16, 3  # of each number: waves, and mixtures of them
MEMBERS, MAX_ROWS_OF_MEMBERS = 4, 2_500  # members of the ensemble that numbers have which are learned from at most so many rows
MIN_BATCH_OF_MEMBERS = 8 * MEMBERS  # samples: of smaller batches the members get too different parts
VALIDATION = 0.2  # the share of the rows that choose the best epoch
MIN_VALIDATED = 100  # rows: of fewer, none is left out, and the last epoch is used
MAX_EMBEDDED = 256  # values of a row: of more, such as pixels, numbers have no embeddings and no scales
# Of sparse rows, such as counts of words: one small layer, which has thousands of rows of weights, is regularized strongly.
SPARSE_HIDDEN, SPARSE_DROPOUT, SPARSE_DECAY = (32,), 0.5, Decay(11.3)
SPARSE_RATES = RATES | {"classes": 0.02, "labels": 0.02}


@dataclass(frozen=True)
class TableRecipe:
    """A network for tables, and how it is trained.

    ``validation_fraction`` is the share of the rows that chooses the best epoch; 0 for few rows, which are all trained on.
    """

    network: Composite
    loss: Loss
    optimizer: Chain
    fit: FitOptions
    validation_fraction: float


def table_recipe(
    rows: int,
    kinds: Sequence[str | int],
    answer: Answer,
    outputs: int,
    hidden: Sequence[int] | None = None,
    activation: Layer | None = None,
    dropout: float | None = None,
    *,
    sparse: bool = False,
) -> TableRecipe:
    """Return the recipe for a table of this many ``rows``.

    ``kinds`` are those of the values of a row, as in the input stage of a table: "number", "binary", or the number of codes of
    a category. Numbers are expected to be scaled to a middle of 0 and a spread of about 1. ``answer`` says what is predicted:
    "numbers", standardized; "classes", of which each row has one of ``outputs``; or "labels", ``outputs`` independent answers.
    ``hidden`` are the widths of the hidden layers, each with the ``activation`` and ``dropout``; None is what the recipe has.
    ``sparse`` rows are numbers that are mostly 0, such as counts of words, scaled to a mean square of about 1. They, and rows
    of more than MAX_EMBEDDED values, go to the first dense layer as they are.

    Raises ConfigError for an unknown answer and unknown kinds.
    """
    if answer not in RATES:
        raise ConfigError(f"table_recipe(answer={answer!r}): expected {', '.join(map(repr, RATES))}")
    unknown = [kind for kind in kinds if isinstance(kind, str) and kind not in (NUMBER, BINARY)]
    if unknown:
        raise ConfigError(f"table_recipe(kinds=…): {unknown[0]!r} is not a kind: 'number', 'binary', or a number of codes")
    validation = VALIDATION if rows >= MIN_VALIDATED else 0.0
    trained = math.ceil(rows * (1 - validation))
    network = table_network(trained, kinds, answer, outputs, hidden, activation, dropout, sparse=sparse)
    losses: dict[str, Loss] = {
        "numbers": MeanSquaredError(),
        "classes": CrossEntropy(),
        "labels": BinaryCrossEntropy(),
    }
    fit = fit_options(trained, validated=validation > 0)
    optimizer = table_optimizer(network, len(kinds), answer, sparse=sparse)
    return TableRecipe(network, losses[answer], optimizer, fit, validation)


def fit_options(rows: int, *, validated: bool) -> FitOptions:
    """Return the options for a training set of this many rows. ``validated`` is whether others choose the epoch."""
    steps = max(1, math.ceil(rows / BATCH_SIZE))
    return FitOptions(
        epochs=max(MIN_EPOCHS, min(EPOCHS, MAX_STEPS // steps)),
        batch_size=BATCH_SIZE,
        policies=(AverageWeights(AVERAGE), KeepBest()) if validated else (AverageWeights(AVERAGE),),
    )


def table_optimizer(
    network: Composite,
    values: int,
    answer: Answer,
    learning_rate: float | Schedule | None = None,
    *,
    penalty: float | None = None,
    sparse: bool = False,
) -> Chain:
    """Return the optimizer for a network that reads rows of this many values, with a rate for each kind of parameter.

    ``learning_rate`` is that of weights of variance 1: a schedule, or the peak of the schedule of the recipe. A ``penalty``
    ½ λ ΣW² with this λ takes the place of the decay of the recipe. ``sparse`` is that of :func:`table_recipe`.
    """
    slots = network.build((values,)).slots
    peak = (SPARSE_RATES if sparse else RATES)[answer]
    schedule = learning_rate if isinstance(learning_rate, Schedule) else CosineCycles(learning_rate or peak)
    shrinkage: tuple[Transform, ...] = (SPARSE_DECAY if sparse else DECAY,)
    if penalty is not None:
        shrinkage = (L2(penalty),) if penalty else ()
    rates = {path: _rate_factor(path, slot) for path, slot in slots.items()}
    return Chain(*shrinkage, Adam(schedule, beta2=0.95), rates=rates)


def table_network(
    rows: int | None,
    kinds: Sequence[str | int],
    answer: Answer,
    outputs: int,
    hidden: Sequence[int] | None = None,
    activation: Layer | None = None,
    dropout: float | None = None,
    *,
    sparse: bool = False,
) -> Composite:
    """Return the network of the recipe. The other arguments are those of :func:`table_recipe`.

    ``rows`` is the number of rows to train on, in batches of at least MIN_BATCH_OF_MEMBERS in random order. It is None if they
    come otherwise, such as one after the other: there is no ensemble then, as each sample of a batch trains one member.
    """
    function = activation or (Mish() if answer == "numbers" else SELU())
    heads: dict[str, Layer] = {"numbers": Identity(), "classes": Softmax(), "labels": Sigmoid()}
    first: list[Layer] = []
    embedded = len(kinds) <= MAX_EMBEDDED and not sparse
    if embedded:
        first += [Columns(kinds, _embedding()), LearnedScale()]
    elif any(isinstance(kind, int) for kind in kinds):
        first.append(Columns(kinds))
    hidden = (SPARSE_HIDDEN if sparse else HIDDEN) if hidden is None else hidden
    dropout = (SPARSE_DROPOUT if sparse else DROPOUT) if dropout is None else dropout
    layers: list[Layer] = []
    for width in hidden:
        layers += [Dense(width, LeCun()), function, *([Dropout(dropout)] if dropout else [])]
    if embedded and layers and answer == "numbers" and rows is not None and rows <= MAX_ROWS_OF_MEMBERS:
        ensemble = Members(MEMBERS, LearnedScale(Signs()), *layers, DensePerPosition(outputs, Zeros()))
        return Sequential(*first, ensemble, heads[answer])
    return Sequential(*first, *layers, Dense(outputs, Zeros()), heads[answer])


def _embedding() -> Composite:
    """Return the embedding of numbers: each number itself, and some mixtures of waves of it."""
    return Graph(
        Node("waves", Sequential(Periodic(WAVES), DensePerPosition(FUNCTIONS), Flatten()), "input"),
        Node("numbers", Concatenate(), "input", "waves"),
    )


def _rate_factor(path: str, slot: Slot) -> float:
    """Return the factor of the learning rate of a slot."""
    *owners, kind, name = path.split(".")
    if name in FACTORS:
        return FACTORS[name]
    if kind.startswith("denseperposition") and "numbers" in owners:
        return FACTORS["frequencies"]  # mixtures of waves
    return 1 / math.sqrt(slot.shape[-2]) if kind.startswith("dense") else 1.0
