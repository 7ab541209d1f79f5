"""The update of a network's parameters by an optimizer."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np

from pellucid.core.memory import Array, Layout
from pellucid.kernels import Kernels
from pellucid.optim.chain import Component, Optimizer, components_of, rule_of
from pellucid.optim.schedules import Clock, rate_at


class Updater:
    """An optimizer with its state for the parameters of one network.

    ``state`` maps names to vectors. A name such as ``adam1.m`` consists of the component's class, its number among the
    components of that class, and the name of the vector. ``scale`` multiplies the learning rate; policies may lower it.
    """

    def __init__(self, optimizer: Optimizer, layout: Layout, kernels: Kernels, dtype: Any = np.float32):
        self.optimizer = optimizer
        self.kernels = kernels
        self.scale = 1.0
        self._rule = rule_of(optimizer)
        self._layout = layout
        self._trained = slice(0, layout.trained_size)  # frozen slots come after these, so no component sees them
        self._decayed = layout.ranges(lambda slot: slot.decay)
        self._slots = [(path, slot.decay) for path, slot in layout.items() if slot.trained]
        self.state: dict[str, Array] = {}
        self._components: list[tuple[Component, list[Array]]] = []
        counts: Counter[str] = Counter()
        for component in components_of(optimizer):
            kind = type(component).__name__.lower()
            counts[kind] += 1
            vectors = {f"{kind}{counts[kind]}.{name}": layout.zeros(dtype) for name in component.state_names}
            self.state.update(vectors)
            self._components.append((component, [vector[self._trained] for vector in vectors.values()]))

    def rate(self, clock: Clock) -> float:
        """Return the learning rate at that point of the training."""
        return self.scale * rate_at(self._rule.learning_rate, clock)

    def update(self, theta: Array, g: Array, rate: float, step: int) -> None:
        """Make one step: apply all components in order to the parameters θ and the gradient g.

        θ is updated in place; g is overwritten. ``rate`` is the learning rate of this step; ``step`` counts from 1.
        """
        theta, g = theta[self._trained], g[self._trained]
        for component, state in self._components:
            if component.by_slot:
                for path in (path for path, decayed in self._slots if decayed or not component.only_decayed):
                    W, dW, *vectors = (self._layout.array(vector, path) for vector in (theta, g, *state))
                    component.apply(W, dW, vectors, rate, step, self.kernels)
            elif component.only_decayed:
                for part in self._decayed:
                    component.apply(theta[part], g[part], [vector[part] for vector in state], rate, step, self.kernels)
            else:
                component.apply(theta, g, state, rate, step, self.kernels)
