"""The metric of language models: bits per character."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from pellucid.core.memory import Array
from pellucid.errors import ConfigError
from pellucid.kernels import Kernels
from pellucid.metrics.base import Metric, MetricState, Need
from pellucid.metrics.outputs import class_scores


@dataclass(frozen=True)
class BitsPerCharacter(Metric):
    """−Σ log₂ p / Σ characters: the bits that a code by the probabilities p of the true tokens needs for a character.

    Where each token is one character, it is the cross-entropy divided by ln 2. Otherwise ``lengths`` holds the number of
    characters in each token, so that tokenizers can be compared. Probabilities are limited to [ε, 1 − ε], where ε is the
    machine epsilon of their dtype, as in :class:`~pellucid.metrics.LogLoss`. Lower is better: English has about one bit
    (Shannon, 1951), random letters and spaces have log₂ 27 = 4.75.

    Raises ConfigError for lengths of another number of tokens than the network predicts, and for independent labels.
    """

    lengths: tuple[int, ...] | None = None

    name = "bits_per_character"
    needs: ClassVar[Need] = "probabilities"

    @property
    def lower_is_better(self) -> bool:
        return True

    def start(self, classes: int, kernels: Kernels) -> MetricState:
        if self.lengths is not None and len(self.lengths) != classes:
            raise ConfigError(f"{self.name}: there are lengths of {len(self.lengths)} tokens, and the network has {classes}")
        return _BitsState(None if self.lengths is None else np.array(self.lengths, np.float64))

    def start_multi_label(self, labels: int, kernels: Kernels) -> MetricState:
        raise ConfigError(f"{self} is for the next token of a text, not for independent labels: use LogLoss()")


class _BitsState(MetricState):
    def __init__(self, lengths: Array | None):
        self.lengths, self.bits, self.characters = lengths, 0.0, 0.0

    def update(self, outputs: Array, targets: Array, weights: Array) -> None:
        outputs, labels = class_scores(outputs, targets)
        epsilon = float(np.finfo(outputs.dtype).eps)
        p = np.clip(outputs[np.arange(len(labels)), labels].astype(np.float64), epsilon, 1 - epsilon)
        w = weights.astype(np.float64)
        self.bits -= float(w @ np.log2(p))
        self.characters += float(w.sum() if self.lengths is None else w @ self.lengths[labels])

    def result(self) -> float:
        return self.bits / self.characters if self.characters else math.nan
