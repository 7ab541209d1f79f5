"""The update of a network's parameters by an optimizer."""

from __future__ import annotations

import fnmatch
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from pellucid.core.memory import Array, Layout
from pellucid.core.records import records
from pellucid.errors import ConfigError
from pellucid.kernels import Kernels
from pellucid.optim.chain import Component, Constraint, Optimizer, Rule, Transform, components_of, rates_of, rule_of
from pellucid.optim.schedules import Clock, Schedule, rate_at
from pellucid.optim.transforms import ClipNorm

# A component with its part of θ and g, its state vectors, and the factor of its learning rate.
BoundComponent = tuple[Component, Array, Array, Sequence[Array], float]


class Updater:
    """An optimizer with its state for the parameters of one network.

    ``state`` maps names to vectors. A name such as ``adam1.m`` consists of the component's class, its number among the
    components of that class, and the name of the vector. ``scale`` multiplies the learning rate; policies may lower it.
    """

    def __init__(self, optimizer: Optimizer, layout: Layout, kernels: Kernels, dtype: Any = np.float32):
        self.optimizer = optimizer
        self.kernels = kernels
        self.scale = 1.0
        self.rule: Rule = rule_of(optimizer)
        self._layout = layout
        self._trained = slice(0, layout.trained_size)  # frozen slots come after these, so no component sees them
        self._factors = _rate_factors(rates_of(optimizer), layout)
        self.state: dict[str, Array] = {}
        self._calls: list[tuple[Component, slice | str, list[Array], float]] = []
        counts: Counter[str] = Counter()
        for component in components_of(optimizer):
            kind = type(component).__name__.lower()
            counts[kind] += 1
            vectors = {f"{kind}{counts[kind]}.{name}": layout.zeros(dtype) for name in component.state_names}
            self.state.update(vectors)
            for part, factor in self._parts(component):
                self._calls.append((component, part, [self._cut(vector, part) for vector in vectors.values()], factor))

    def _parts(self, component: Component) -> list[tuple[slice | str, float]]:
        """Return the parts of the vectors to which a component is applied, each with its factor of the learning rate.

        A part is a slice of the flat vectors, or the path of a slot.
        """
        paths = [path for path, slot in self._layout.items() if slot.trained and (slot.decay or not component.only_decayed)]
        if component.uses_rate or isinstance(component, Constraint):  # these change parameters
            paths = [path for path in paths if self._factors.get(path) != 0]
        factors = self._factors if component.uses_rate else {}
        if component.by_slot:
            return [(path, factors.get(path, 1.0)) for path in paths]
        if not component.only_decayed and not factors:
            return [(self._trained, 1.0)]  # in one piece: ClipNorm needs the norm of the whole gradient
        groups: dict[float, set[str]] = {}
        for path in paths:
            groups.setdefault(factors.get(path, 1.0), set()).add(path)
        return [(part, factor) for factor, group in groups.items() for part in self._layout.ranges_of(group)]

    def rate(self, clock: Clock) -> float:
        """Return the learning rate at that point of the training."""
        return self.scale * rate_at(self.rule.learning_rate, clock)

    def rate_outside(self, step: int) -> float:
        """Return the learning rate of the update ``step`` outside of ``fit``."""
        rate = self.rule.learning_rate
        return self.scale * (rate.outside(step) if isinstance(rate, Schedule) else rate)

    @property
    def rule_state(self) -> list[Array]:
        """The state vectors of a rule that is applied to all parameters in one piece, without the frozen slots."""
        return next(state for component, _, state, _ in self._calls if component is self.rule)

    def add_penalties(self, theta: Array, g: Array) -> float:
        """Add the gradients of the penalties in the chain to the gradient g, in place, and return the sum of their values.

        The transforms of the chain must all be penalties.
        """
        total = 0.0
        for component, part, state, _ in self._calls:
            if isinstance(component, Transform):
                W = self._cut(theta, part)
                component.apply(W, self._cut(g, part), state, 0.0, 0, self.kernels)
                total += component.penalty(W)
        return total

    def update(self, theta: Array, g: Array, rate: float, step: int, squares: float | None = None) -> None:
        """Make one step: apply all components in order to the parameters θ and the gradient g.

        θ is updated in place; g is overwritten. ``rate`` is the learning rate of this step; ``step`` counts from 1. If the sum
        of the ``squares`` of g is known, ClipNorm at the beginning of the chain does not compute it again.
        """
        known = None if squares is None else np.array([squares])
        apply_all(self.bound(theta, g), rate, step, known, self.kernels)

    @property
    def records(self) -> bool:
        """Whether the updates can be recorded: all components state that theirs do nothing but call kernels."""
        return all(records(component, "apply") for component in components_of(self.optimizer))

    def trained(self, vector: Array) -> Array:
        """Return the part of a vector that belongs to the trained parameters."""
        return vector[self._trained]

    def bound(self, theta: Array, g: Array) -> list[BoundComponent]:
        """Return the components with the arrays that they are applied to, for :func:`apply_all`."""
        return [
            (component, self._cut(theta, part), self._cut(g, part), state, factor)
            for component, part, state, factor in self._calls
        ]

    def _cut(self, vector: Array, part: slice | str) -> Array:
        """Return a part of a vector: a slice of it, or a slot in its shape."""
        return vector[part] if isinstance(part, slice) else self._layout.array(vector, part)


def apply_all(bound: Sequence[BoundComponent], rate: float, step: int, squares: Array | None, kernels: Kernels) -> None:
    """Make one step with these components in order; see :meth:`Updater.update`. ``squares`` (1) is None if it is unknown."""
    for component, theta, g, state, factor in bound:
        if squares is not None and isinstance(component, ClipNorm):
            component.clip(g, squares, kernels)
        else:
            component.apply(theta, g, state, rate * factor, step, kernels)
        squares = None  # the component may have changed the gradient


def _rate_factors(rates: Iterable[tuple[str, float]], layout: Layout) -> dict[str, float]:
    """Return the factors of the learning rate by path, for the paths that a pattern matches; the last match holds.

    Raises ConfigError for a pattern that matches no path.
    """
    factors: dict[str, float] = {}
    trained = [path for path, slot in layout.items() if slot.trained]
    for pattern, factor in rates:
        matches = [path for path in trained if fnmatch.fnmatchcase(path, pattern)]
        if not matches:
            raise ConfigError(
                f"Chain(rates={{{pattern!r}: {factor:g}}}): no trained parameter matches the pattern; there are "
                f"{', '.join(trained)}"
            )
        factors |= dict.fromkeys(matches, factor)
    return factors
