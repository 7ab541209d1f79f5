"""The check that a loss fits the last layers of a network, when a model is created."""

from __future__ import annotations

import itertools

from pellucid.errors import ConfigError
from pellucid.layers import AlphaDropout, Dropout, Flatten, Identity, Layer, LogSoftmax, Reshape, Sigmoid, Softmax
from pellucid.layers.activations import Activation
from pellucid.losses import Loss
from pellucid.networks import Frozen, trailing_layers

LOSS_FOR: dict[type[Layer], str] = {Softmax: "CrossEntropy()", Sigmoid: "BinaryCrossEntropy()"}
# After an activation, these leave its outputs what they are: probabilities, scores, …
RESHAPING = (Flatten, Reshape)
NEUTRAL = (Identity, AlphaDropout, Dropout, *RESHAPING)


def check_loss_and_network(loss: Loss, network: Layer, output: str | None = None) -> None:
    """Raise ConfigError where the last layer of the network does not fit the loss; the message says what to change.

    ``output`` is the name of the output, of a network with several.
    """
    layers = trailing_layers(network, output)
    activations = [layer for layer in layers if isinstance(layer, (Softmax, Sigmoid))]
    for layer, following in itertools.pairwise(layer for layer in layers if not isinstance(layer, NEUTRAL)):
        if isinstance(layer, Softmax) and isinstance(following, Softmax):
            raise ConfigError("a Softmax after a Softmax flattens the probabilities: remove one of them")
    if loss.output_activations is not None:
        _check_output_activation(loss, loss.output_activations, layers)
    if loss.head is None:
        return
    name, head = type(loss).__name__, loss.head.__name__
    if layers and isinstance(layers[-1], Frozen) and isinstance(trailing_layers(layers[-1].sequence)[-1], loss.head):
        raise ConfigError(
            f"{name} is computed together with {head}(), which must be the last layer of the network: take it out of Frozen(), "
            f"as in Sequential(Frozen(...), {head}()); it has no parameters"
        )
    if not layers or not isinstance(layers[-1], loss.head):
        last = repr(layers[-1]) if layers else "nothing"
        if activations and layers[-1] is activations[-1]:
            raise ConfigError(f"{name} needs {head}() as the last layer; with {last} use loss={LOSS_FOR[type(layers[-1])]}")
        if layers and isinstance(layers[-1], RESHAPING) and any(isinstance(layer, loss.head) for layer in layers):
            raise ConfigError(f"{name} needs {head}() as the last layer, got {last}: move {head}() after it")
        where = "in its place" if layers and isinstance(layers[-1], LogSoftmax) else "at the end"
        raise ConfigError(f"{name} needs {head}() as the last layer, got {last}; put {head}() {where}")


def _check_output_activation(loss: Loss, allowed: tuple[type[Layer], ...], layers: tuple[Layer, ...]) -> None:
    """Raise ConfigError where the last of the layers that change values is an activation that is not ``allowed``."""
    last = next((layer for layer in reversed(layers) if not isinstance(layer, NEUTRAL)), None)
    if isinstance(last, Activation) and not isinstance(last, allowed):
        expected = " or ".join(["a linear output", *(f"{kind.__name__}()" for kind in allowed)])
        other = f", or use loss={LOSS_FOR[type(last)]}" if type(last) in LOSS_FOR else ""
        raise ConfigError(f"{type(loss).__name__} needs {expected}, got {last}: remove it{other}")
