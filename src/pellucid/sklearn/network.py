"""From an estimator's settings to the network and the optimizer that they mean."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from numbers import Integral
from typing import Any

from pellucid.core.config import Count, checked
from pellucid.core.memory import Shape
from pellucid.errors import ConfigError, did_you_mean
from pellucid.initializers import GlorotUniform
from pellucid.layers import Dense, Dropout, Flatten, Identity, Layer, ReLU, Sigmoid, Softmax, Tanh
from pellucid.losses import BinaryCrossEntropy, CrossEntropy, Loss, MeanSquaredError
from pellucid.networks import Sequential, in_line
from pellucid.optim import L2, SGD, Adam, Chain, Optimizer, Rule

ACTIVATIONS: Mapping[str, Layer] = {"relu": ReLU(), "tanh": Tanh(), "logistic": Sigmoid(), "identity": Identity()}
LOSSES: Mapping[type[Layer], Loss] = {Softmax: CrossEntropy(), Sigmoid: BinaryCrossEntropy(), Identity: MeanSquaredError()}
OPTIMIZERS: Mapping[str, Optimizer] = {"adam": Adam(), "sgd": SGD(0.01, momentum=0.9, nesterov=True)}


def named(value: Any, known: Mapping[str, Any], owner: str, name: str) -> Any:
    """What the string stands for; anything else as it is."""
    if not isinstance(value, str):
        return value
    if value not in known:
        raise ConfigError(f"{owner}({name}={value!r}): {did_you_mean(value, known)}")
    return known[value]


def sample_shape(features: int, image_shape: Any, owner: str) -> Shape:
    """The shape of one sample: ``(features,)``, or the picture that they are. Raises ConfigError."""
    if image_shape is None:
        return (features,)
    shape: Shape = checked(image_shape, tuple[Count, ...], owner, "image_shape")
    if len(shape) not in (2, 3):
        raise ConfigError(f"{owner}(image_shape={image_shape!r}): wants (height, width) or (height, width, channels)")
    shape = (*shape, 1) if len(shape) == 2 else shape
    if shape[0] * shape[1] * shape[2] != features:
        raise ConfigError(
            f"{owner}(image_shape={image_shape!r}): such pictures have {shape[0] * shape[1] * shape[2]} numbers, "
            f"the samples have {features}"
        )
    return shape


def network_of(
    hidden: Any, activation: Any, dropout: float, shape: Shape, heads: Mapping[type[Layer], int], owner: str
) -> tuple[Layer, Loss]:
    """The whole network, and its loss. ``heads`` are those that the task allows, each with the number of outputs it takes, the
    usual one first. Widths become dense layers; a network without a head gets a dense layer and the usual one."""
    usual, outputs = next(iter(heads.items()))
    end = (Dense(outputs, GlorotUniform()), usual())
    if isinstance(hidden, Layer):
        line = in_line(hidden)
        if line and isinstance(line[-1], tuple(LOSSES)):
            _fits(hidden, type(line[-1]), shape, heads, owner)
            return hidden, LOSSES[type(line[-1])]
        flat = [Flatten()] if len(hidden.build(shape).shape) > 1 else []
        return Sequential(hidden, *flat, *end), LOSSES[usual]
    widths = checked((hidden,) if isinstance(hidden, Integral) else hidden, tuple[Count, ...] | Layer, owner, "hidden")
    between = checked(named(activation, ACTIVATIONS, owner, "activation"), Layer, owner, "activation")
    layers: list[Layer] = [Flatten()] if len(shape) > 1 else []
    for width in widths:  # Glorot's weights, also before ReLU: smaller than He's, they generalize better from small tables
        layers += [Dense(width, GlorotUniform()), between, *([Dropout(dropout)] if dropout else [])]
    return Sequential(*layers, *end), LOSSES[usual]


def _fits(network: Layer, head: type[Layer], shape: Shape, heads: Mapping[type[Layer], int], owner: str) -> None:
    got = network.build(shape).shape
    if got != (heads.get(head),):
        wanted = " or ".join(f"{count} outputs and {kind.__name__}()" for kind, count in heads.items())
        raise ConfigError(
            f"{owner}: this y asks for a network that ends in {wanted}, hidden={network} ends in {got} and {head.__name__}(); "
            "leave its last layer and its head out, and the right ones are put there"
        )


def optimizer_of(optimizer: Any, learning_rate: Any, alpha: float, owner: str) -> Optimizer:
    """The optimizer with the penalty in front, and with ``learning_rate`` where that is given. Raises ConfigError."""
    found = checked(named(optimizer, OPTIMIZERS, owner, "optimizer"), Rule | Chain, owner, "optimizer")
    if learning_rate is not None:
        if found is optimizer:
            raise ConfigError(f"{owner}: {optimizer} has its learning rate already: leave learning_rate at None")
        found = replace(found, learning_rate=learning_rate)
    pieces = found.pieces if isinstance(found, Chain) else (found,)
    return Chain(L2(alpha), *pieces) if alpha else found
