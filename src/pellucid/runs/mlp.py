"""The multilayer perceptrons of the presets."""

from __future__ import annotations

from dataclasses import dataclass

from pellucid.initializers import GlorotUniform, He
from pellucid.layers import Dense, Dropout, Flatten, Layer, ReLU, Softmax
from pellucid.networks import Composite, Sequential


@dataclass(frozen=True)
class MLP:
    """A multilayer perceptron: Dense layers of the widths ``hidden``, each with ReLU, then Dense and Softmax.

    ``dropout`` holds two rates: that of the input, and that after each hidden layer.
    """

    hidden: tuple[int, ...]
    dropout: tuple[float, float] = (0.0, 0.0)

    def __call__(self, classes: int) -> Composite:
        layers: list[Layer] = [Flatten()]
        if self.dropout[0]:
            layers.append(Dropout(self.dropout[0]))
        for units in self.hidden:
            layers += [Dense(units, He()), ReLU()]
            if self.dropout[1]:
                layers.append(Dropout(self.dropout[1]))
        return Sequential(*layers, Dense(classes, GlorotUniform()), Softmax())
