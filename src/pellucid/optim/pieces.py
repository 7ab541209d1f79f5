"""What optimizers are made of: pieces, chained.

``Chain(ClipNorm(1.0), L2(1e-4), Adam())`` is read from left to right: transforms change the gradient (or shrink the
parameters), the last piece is a rule that writes the parameters. Every piece is one pass over the flat vectors, in
place, and its state (Adam's moments) is explicit: vectors that :class:`Updater` owns and files save.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from pellucid.config import Config
from pellucid.errors import ConfigError
from pellucid.kernels import Kernels
from pellucid.memory import Array, Layout
from pellucid.optim.schedules import Clock, Schedule, rate_at


class Piece(Config, ABC):
    """The base of all pieces. ``only_decayed`` pieces see just the slots that decay may touch: weights, not biases."""

    only_decayed: ClassVar[bool] = False

    @property
    def vectors(self) -> tuple[str, ...]:
        """The names of the state vectors the piece keeps, each as long as the parameters."""
        return ()

    @abstractmethod
    def apply(self, theta: Array, g: Array, state: Sequence[Array], rate: float, step: int, kernels: Kernels) -> None:
        """Works on parameters θ, gradient g and its own state, in place; ``rate`` is the learning rate of this step."""


class Transform(Piece, ABC):
    """A piece that stands before the rule."""


class Rule(Piece, ABC):
    """A piece that writes the parameters; it has a ``learning_rate``, a number or a schedule."""

    learning_rate: float | Schedule


@dataclass(frozen=True, init=False)
class Chain(Config):
    """Pieces one after the other: transforms, then one rule."""

    pieces: tuple[Piece, ...]

    def __init__(self, *pieces: Piece):
        object.__setattr__(self, "pieces", pieces)
        self.__post_init__()
        if not pieces or not isinstance(pieces[-1], Rule):
            raise ConfigError("a Chain ends in the rule that writes the parameters: Chain(ClipNorm(1.0), SGD(0.1))")
        for piece in pieces[:-1]:
            if isinstance(piece, Rule):
                raise ConfigError(f"a Chain has one rule, at its end; {piece} stands before it")

    @property
    def rule(self) -> Rule:
        rule = self.pieces[-1]
        assert isinstance(rule, Rule)
        return rule


Optimizer = Rule | Chain


class Updater:
    """An optimizer at work on the vectors of one layout."""

    def __init__(self, optimizer: Optimizer, layout: Layout, kernels: Kernels, dtype: Any = np.float32):
        self.optimizer = optimizer
        self.kernels = kernels
        self._decayed = layout.ranges(lambda slot: slot.decay)
        self.state: dict[str, Array] = {}
        self._pieces: list[tuple[Piece, list[Array]]] = []
        seen: Counter[str] = Counter()
        for piece in optimizer.pieces if isinstance(optimizer, Chain) else (optimizer,):
            kind = type(piece).__name__.lower()
            seen[kind] += 1
            own = {f"{kind}{seen[kind]}.{name}": layout.zeros(dtype) for name in piece.vectors}
            self.state.update(own)
            self._pieces.append((piece, list(own.values())))

    def rate(self, clock: Clock) -> float:
        """The learning rate at that time."""
        rule = self._pieces[-1][0]
        assert isinstance(rule, Rule)
        return rate_at(rule.learning_rate, clock)

    def update(self, theta: Array, g: Array, rate: float, step: int) -> None:
        """One step: all pieces in order. ``g`` is changed; ``step`` counts from 1."""
        for piece, state in self._pieces:
            if piece.only_decayed:
                for part in self._decayed:
                    piece.apply(theta[part], g[part], [vector[part] for vector in state], rate, step, self.kernels)
            else:
                piece.apply(theta, g, state, rate, step, self.kernels)
