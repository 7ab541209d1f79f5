"""The network, the loss and the optimizer that an estimator's settings describe."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from numbers import Integral
from typing import Any

from pellucid.core.config import Count, validate
from pellucid.core.memory import Shape
from pellucid.errors import ConfigError, did_you_mean
from pellucid.initializers import GlorotUniform
from pellucid.layers import Dense, Dropout, Flatten, Identity, Layer, ReLU, Sigmoid, Softmax, Tanh
from pellucid.losses import BinaryCrossEntropy, CrossEntropy, Loss, MeanSquaredError
from pellucid.model.several import refuse_several
from pellucid.networks import Composite, Sequential, trailing_layers
from pellucid.optim import L2, LBFGS, SGD, Adam, Chain, Optimizer, Rule, components_of, rates_of, rule_of
from pellucid.recipes.tables import Answer, table_network

ACTIVATIONS: Mapping[str, Layer] = {"relu": ReLU(), "tanh": Tanh(), "logistic": Sigmoid(), "identity": Identity()}
LOSSES: Mapping[type[Layer], Loss] = {Softmax: CrossEntropy(), Sigmoid: BinaryCrossEntropy(), Identity: MeanSquaredError()}
OPTIMIZERS: Mapping[str, Optimizer] = {
    "adam": Adam(),
    "sgd": SGD(0.01, momentum=0.9, nesterov=True),
    "lbfgs": LBFGS(),
}


def lookup(value: Any, known: Mapping[str, Any], owner: str, setting: str) -> Any:
    """Return the value of a name, and any other value unchanged. Raises ConfigError for unknown names."""
    if not isinstance(value, str):
        return value
    if value not in known:
        raise ConfigError(f"{owner}({setting}={value!r}): {did_you_mean(value, known)}")
    return known[value]


def sample_shape(features: int, image_shape: Any, owner: str) -> Shape:
    """Return the shape of one sample: ``(features,)``, or (height, width, channels) of an image. Raises ConfigError."""
    if image_shape is None:
        return (features,)
    shape: Shape = validate(image_shape, tuple[Count, ...], owner, "image_shape")
    if len(shape) not in (2, 3):
        raise ConfigError(f"{owner}(image_shape={image_shape!r}): expected (height, width) or (height, width, channels)")
    shape = (*shape, 1) if len(shape) == 2 else shape
    size = shape[0] * shape[1] * shape[2]
    if size != features:
        raise ConfigError(f"{owner}(image_shape={image_shape!r}): such images have {size} values, the samples have {features}")
    return shape


def build_network(
    hidden: Any, activation: Any, dropout: float, shape: Shape, heads: Mapping[type[Layer], int], owner: str
) -> tuple[Composite, Loss]:
    """Return the whole network and its loss. Raises ConfigError.

    ``heads`` are the last layers that the task allows, each with its number of outputs; the first is the default. Widths in
    ``hidden`` become dense layers. A network without a head gets a dense layer and the default head.
    """
    default, outputs = next(iter(heads.items()))
    end = (Dense(outputs, GlorotUniform()), default())
    if isinstance(hidden, Layer):
        refuse_several(hidden, f"{owner}(hidden=…)")
        layers_at_end = trailing_layers(hidden)
        if layers_at_end and isinstance(layers_at_end[-1], tuple(LOSSES)):
            head = type(layers_at_end[-1])
            _check_outputs(hidden, head, shape, heads, owner)
            return hidden if isinstance(hidden, Composite) else Sequential(hidden), LOSSES[head]
        flatten = [Flatten()] if len(hidden.build(shape).shape) > 1 else []
        return Sequential(hidden, *flatten, *end), LOSSES[default]
    widths, function = _widths(hidden, owner), _activation(activation, owner)
    layers: list[Layer] = [Flatten()] if len(shape) > 1 else []
    for width in widths:  # before ReLU too: smaller weights than He's generalize better on small tables
        layers += [Dense(width, GlorotUniform()), function, *([Dropout(dropout)] if dropout else [])]
    return Sequential(*layers, *end), LOSSES[default]


def build_table_network(
    settings: Any, rows: int | None, kinds: Sequence[str | int], answer: Answer, outputs: int, sparse: bool, owner: str
) -> tuple[Composite, Loss]:
    """Return the network of the recipe for tables and its loss, for rows of values of these kinds. Raises ConfigError.

    ``rows`` is that of :func:`~pellucid.recipes.tables.table_network`,
    ``sparse`` whether the rows are those of a sparse matrix.
    """
    hidden = None if settings.hidden is None else _widths(settings.hidden, owner)
    activation = None if settings.activation is None else _activation(settings.activation, owner)
    network = table_network(rows, kinds, answer, outputs, hidden, activation, settings.dropout, sparse=sparse)
    return network, LOSSES[type(trailing_layers(network)[-1])]


def _widths(hidden: Any, owner: str) -> tuple[int, ...]:
    widths = (hidden,) if isinstance(hidden, Integral) else hidden
    return validate(widths, tuple[Count, ...] | Layer, owner, "hidden")


def _activation(activation: Any, owner: str) -> Layer:
    return validate(lookup(activation, ACTIVATIONS, owner, "activation"), Layer, owner, "activation")


def _check_outputs(network: Layer, head: type[Layer], shape: Shape, heads: Mapping[type[Layer], int], owner: str) -> None:
    outputs = network.build(shape).shape
    if outputs != (heads.get(head),):
        expected = " or ".join(f"{count} outputs and {kind.__name__}()" for kind, count in heads.items())
        raise ConfigError(
            f"{owner}: this y needs a network that ends in {expected}, hidden={network} ends in {outputs} and "
            f"{head.__name__}(); remove its last dense layer and {head.__name__}(), and the right ones are added"
        )


def find_optimizer(optimizer: Any, owner: str) -> Optimizer:
    """Return the optimizer with that name, or the optimizer itself. Raises ConfigError."""
    found: Optimizer = validate(lookup(optimizer, OPTIMIZERS, owner, "optimizer"), Rule | Chain, owner, "optimizer")
    return found


def build_optimizer(optimizer: Any, learning_rate: Any, alpha: float, owner: str) -> Optimizer:
    """Return the optimizer, with ``learning_rate`` if that is not None, and with the penalty ``alpha`` before it.

    Raises ConfigError.
    """
    found: Any = find_optimizer(optimizer, owner)
    if learning_rate is not None:
        if rule_of(found).full_batch:
            raise ConfigError(f"{owner}: {rule_of(found)} has no learning rate: leave learning_rate at None")
        if found is optimizer:
            raise ConfigError(f"{owner}: {optimizer} already has a learning rate: leave learning_rate at None")
        found = replace(found, learning_rate=learning_rate)
    return Chain(L2(alpha), *components_of(found), rates=rates_of(found)) if alpha else found
