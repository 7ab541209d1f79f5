"""What optimizers are made of: pieces, chained.

``Chain(ClipNorm(1.0), L2(1e-4), Adam())`` is read from left to right: transforms change the gradient (or shrink the
parameters), a rule writes the parameters, and behind it constraints may bring them back into bounds. Every piece is one
pass over the flat vectors, in place, and its state (Adam's moments) is explicit: vectors that :class:`Updater` owns and
files save.
"""

from __future__ import annotations

import dataclasses
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from pellucid.core.config import Config
from pellucid.core.memory import Array, Layout
from pellucid.errors import ConfigError
from pellucid.kernels import Kernels
from pellucid.optim.schedules import Clock, Schedule, rate_at, scaled


class Piece(Config, ABC):
    """The base of all pieces. ``only_decayed`` pieces see just the slots that decay may touch: weights, not biases. Those
    ``by_slot`` are given one slot after the other, θ, g and state in its shape, where the others see flat vectors."""

    only_decayed: ClassVar[bool] = False
    by_slot: ClassVar[bool] = False

    @property
    def vectors(self) -> tuple[str, ...]:
        """The names of the state vectors the piece keeps, each as long as the parameters."""
        return ()

    @abstractmethod
    def apply(self, theta: Array, g: Array, state: Sequence[Array], rate: float, step: int, kernels: Kernels) -> None:
        """Works on parameters θ, gradient g and its own state, in place; ``rate`` is the learning rate of this step."""


class Transform(Piece, ABC):
    """A piece that stands before the rule."""


class Constraint(Piece, ABC):
    """A piece that stands behind the rule and brings the parameters back into bounds, slot by slot."""

    only_decayed: ClassVar[bool] = True
    by_slot: ClassVar[bool] = True


class Rule(Piece, ABC):
    """A piece that writes the parameters; it has a ``learning_rate``, a number or a schedule."""

    learning_rate: float | Schedule


@dataclass(frozen=True, init=False)
class Chain(Config):
    """Pieces one after the other: transforms, then one rule, then constraints."""

    pieces: tuple[Piece, ...]

    def __init__(self, *pieces: Piece):
        object.__setattr__(self, "pieces", pieces)
        self.__post_init__()
        free = [piece for piece in pieces if not isinstance(piece, Constraint)]
        if not free or not isinstance(free[-1], Rule):
            raise ConfigError(
                "a Chain ends in the rule that writes the parameters: Chain(ClipNorm(1.0), SGD(0.1)); "
                "behind it stand constraints alone: Chain(SGD(0.1), MaxNorm(3.0))"
            )
        for piece in free[:-1]:
            if isinstance(piece, Rule):
                raise ConfigError(f"a Chain has one rule, at its end; {piece} stands before it")
        for piece in pieces[: pieces.index(free[-1])]:
            if isinstance(piece, Constraint):
                raise ConfigError(f"{piece} bounds what the rule has written: put it behind {free[-1]}")

    @property
    def rule(self) -> Rule:
        return next(piece for piece in self.pieces if isinstance(piece, Rule))


Optimizer = Rule | Chain


def with_learning_rate(optimizer: Optimizer, rate: float) -> Optimizer:
    """Return the optimizer with another learning rate: a schedule keeps its shape and has ``rate`` as its peak."""
    if isinstance(optimizer, Chain):
        return Chain(*(_with_rate(piece, rate) if isinstance(piece, Rule) else piece for piece in optimizer.pieces))
    return _with_rate(optimizer, rate)


def _with_rate(rule: Rule, rate: float) -> Rule:
    changes: Any = {"learning_rate": scaled(rule.learning_rate, rate)}
    return dataclasses.replace(rule, **changes)  # type: ignore[type-var]  # rules are dataclasses


class Updater:
    """An optimizer at work on the vectors of one layout."""

    def __init__(self, optimizer: Optimizer, layout: Layout, kernels: Kernels, dtype: Any = np.float32):
        self.optimizer = optimizer
        self.kernels = kernels
        self.scale = 1.0  # of the learning rate: what a policy may turn down
        self._rule = optimizer.rule if isinstance(optimizer, Chain) else optimizer
        self._layout = layout
        self._trained = slice(0, layout.trained_size)  # what is frozen lies behind, and no piece sees it
        self._decayed = layout.ranges(lambda slot: slot.decay)
        self._slots = [(path, slot.decay) for path, slot in layout.items() if slot.trained]
        self.state: dict[str, Array] = {}
        self._pieces: list[tuple[Piece, list[Array]]] = []
        seen: Counter[str] = Counter()
        for piece in optimizer.pieces if isinstance(optimizer, Chain) else (optimizer,):
            kind = type(piece).__name__.lower()
            seen[kind] += 1
            own = {f"{kind}{seen[kind]}.{name}": layout.zeros(dtype) for name in piece.vectors}
            self.state.update(own)
            self._pieces.append((piece, [vector[self._trained] for vector in own.values()]))

    def rate(self, clock: Clock) -> float:
        """The learning rate at that time."""
        return self.scale * rate_at(self._rule.learning_rate, clock)

    def update(self, theta: Array, g: Array, rate: float, step: int) -> None:
        """One step: all pieces in order. ``g`` is changed; ``step`` counts from 1."""
        theta, g = theta[self._trained], g[self._trained]
        for piece, state in self._pieces:
            if piece.by_slot:
                for path in (path for path, decayed in self._slots if decayed or not piece.only_decayed):
                    W, dW, *own = (self._layout.array(vector, path) for vector in (theta, g, *state))
                    piece.apply(W, dW, own, rate, step, self.kernels)
            elif piece.only_decayed:
                for part in self._decayed:
                    piece.apply(theta[part], g[part], [vector[part] for vector in state], rate, step, self.kernels)
            else:
                piece.apply(theta, g, state, rate, step, self.kernels)
