"""Optimizer chains: transforms, one rule, constraints.

``Chain(ClipNorm(1.0), L2(1e-4), Adam(), MaxNorm(3.0))`` is read from left to right. Transforms change the gradient (or shrink
the parameters), the rule updates the parameters, and constraints then bring the parameters back into bounds. Each component is
one in-place pass over the flat vectors of parameters and gradients. Its state (Adam's moments, for example) is explicit: named
vectors that an :class:`~pellucid.optim.Updater` holds and that files store.

With ``rates``, some parameters learn faster or slower than others: see :class:`Chain`.
"""

from __future__ import annotations

import dataclasses
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from pellucid.core.config import Config, NonNegative
from pellucid.core.memory import Array
from pellucid.errors import ConfigError
from pellucid.kernels import Kernels
from pellucid.optim.schedules import Schedule, scaled


class Component(Config, ABC):
    """The base class of the components of an optimizer chain.

    ``only_decayed`` components are applied only to the slots that are subject to weight decay: weights, not biases.
    ``by_slot`` components are applied to one slot after the other, with θ, g and state in the slot's shape; the others get
    flat vectors. ``uses_rate`` components receive, for each parameter, the learning rate times its factor in the ``rates`` of
    the chain; they are then applied to parts of the vectors. The others receive whole vectors and the learning rate itself.

    A class states with ``records = True`` that its ``apply`` does nothing but call kernels: the same ones at each step, with
    the same arrays, and with numbers of the same types. It uses no result of theirs, and no values of θ, g and the state. Its
    updates are then recorded (:mod:`pellucid.optim.recording`). A class that redefines ``apply`` states it again.
    """

    records: ClassVar[bool] = False
    only_decayed: ClassVar[bool] = False
    by_slot: ClassVar[bool] = False
    uses_rate: ClassVar[bool] = False

    @property
    def state_names(self) -> tuple[str, ...]:
        """The names of the state vectors, each as long as the parameters."""
        return ()

    @abstractmethod
    def apply(self, theta: Array, g: Array, state: Sequence[Array], rate: float, step: int, kernels: Kernels) -> None:
        """Update the parameters θ, the gradient g or the state vectors in place.

        ``rate`` is the learning rate of this step; ``step`` counts from 1.
        """


class Transform(Component, ABC):
    """A component before the rule: it changes the gradient or the parameters."""

    @property
    def is_penalty(self) -> bool:
        """Whether the transform adds the gradient of a smooth penalty, and nothing else; :meth:`penalty` is its value."""
        return False

    def penalty(self, W: Array) -> float:
        """Return the value at the parameters W of the penalty whose gradient the transform adds."""
        raise NotImplementedError(f"{self} is not a smooth penalty")


class Rule(Component, ABC):
    """A component that updates the parameters from the gradient. Its ``learning_rate`` is a number or a schedule.

    A rule is ``full_batch`` if each of its steps evaluates the whole training set, perhaps several times
    (:class:`~pellucid.optim.lbfgs.LBFGS`). Such a rule has no learning rate to choose, and its ``apply`` raises ConfigError.
    """

    learning_rate: float | Schedule
    uses_rate: ClassVar[bool] = True
    full_batch: ClassVar[bool] = False

    def check_chain(self, chain: Chain) -> None:
        """Raise ConfigError where the rule cannot work in this chain; the default accepts all."""


class Constraint(Component, ABC):
    """A component after the rule: it brings the parameters back into bounds, slot by slot."""

    only_decayed: ClassVar[bool] = True
    by_slot: ClassVar[bool] = True


@dataclass(frozen=True, init=False)
class Chain(Config):
    """A sequence of components: any transforms, then one rule, then any constraints.

    ``rates`` maps patterns of parameter paths to factors of the learning rate: with ``Chain(Adam(1e-3), rates={"*": 0.1,
    "dense2.*": 1.0})`` the parameters of dense2 have the rate 1e-3, all others 1e-4. The patterns are those of :mod:`fnmatch`:
    ``*`` stands for any characters, dots included. Where several patterns match a path, the last one holds; the factor of a
    path without a match is 1. The factors apply to the rule and to decoupled weight decay. Parameters with the factor 0 do not
    change. (Their gradients are still computed, and count in ``ClipNorm``: ``Frozen`` saves this work.)
    """

    pieces: tuple[Component, ...]  # model files store the components under this name
    rates: tuple[tuple[str, NonNegative], ...] = ()

    def __init__(self, *pieces: Component, rates: Mapping[str, float] | Sequence[tuple[str, float]] = ()):
        object.__setattr__(self, "pieces", pieces)
        if not isinstance(rates, (Mapping, tuple, list)):
            raise ConfigError(f"Chain(rates={rates!r}): rates maps patterns of paths to factors: {{'*.b': 2.0}}")
        object.__setattr__(self, "rates", tuple(rates.items()) if isinstance(rates, Mapping) else rates)
        self.__post_init__()
        until_rule = [component for component in pieces if not isinstance(component, Constraint)]
        if not until_rule or not isinstance(until_rule[-1], Rule):
            raise ConfigError(
                "a Chain needs a rule after its transforms: Chain(ClipNorm(1.0), SGD(0.1)); "
                "only constraints may come after the rule: Chain(SGD(0.1), MaxNorm(3.0))"
            )
        *transforms, rule = until_rule
        for component in transforms:
            if isinstance(component, Rule):
                raise ConfigError(f"a Chain has one rule, got {component} and {rule}: remove one of them")
        for component in pieces[: pieces.index(rule)]:
            if isinstance(component, Constraint):
                raise ConfigError(f"{component} limits the parameters that the rule has updated: put it after {rule}")
        self.rule.check_chain(self)

    def __repr__(self) -> str:
        arguments = [repr(component) for component in self.pieces]
        return f"Chain({', '.join([*arguments, f'rates={dict(self.rates)!r}'] if self.rates else arguments)})"

    @property
    def rule(self) -> Rule:
        """The rule of the chain."""
        return next(component for component in self.pieces if isinstance(component, Rule))


Optimizer = Rule | Chain


def components_of(optimizer: Optimizer) -> tuple[Component, ...]:
    """Return the components of a chain, or the rule alone."""
    return optimizer.pieces if isinstance(optimizer, Chain) else (optimizer,)


def rates_of(optimizer: Optimizer) -> tuple[tuple[str, float], ...]:
    """Return the pairs of a pattern and a factor in the ``rates`` of a chain; a rule alone has none."""
    return optimizer.rates if isinstance(optimizer, Chain) else ()


def rule_of(optimizer: Optimizer) -> Rule:
    """Return the rule of an optimizer: of a chain the one in it, otherwise the optimizer itself."""
    return optimizer.rule if isinstance(optimizer, Chain) else optimizer


def with_learning_rate(optimizer: Optimizer, rate: float) -> Optimizer:
    """Return the optimizer with another learning rate. A schedule keeps its shape and has ``rate`` as its peak.

    Raises ConfigError for a rule without a learning rate.
    """
    if isinstance(optimizer, Chain):
        rule = _with_rate(optimizer.rule, rate)
        pieces = (rule if isinstance(component, Rule) else component for component in optimizer.pieces)
        return Chain(*pieces, rates=optimizer.rates)
    return _with_rate(optimizer, rate)


def _with_rate(rule: Rule, rate: float) -> Rule:
    if rule.full_batch:
        raise ConfigError(f"{rule} has no learning rate, so it cannot be {rate:g}: leave it out, or choose another rule")
    changes: Any = {"learning_rate": scaled(rule.learning_rate, rate)}
    return dataclasses.replace(rule, **changes)  # type: ignore[type-var]  # rules are dataclasses
