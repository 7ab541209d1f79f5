"""Rules: how the parameters follow the gradient. θ parameters, g gradient, η learning rate, t the step from 1."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

from pellucid.core.config import FractionBelowOne, Positive, Range
from pellucid.core.memory import Array
from pellucid.errors import ConfigError
from pellucid.kernels import Kernels
from pellucid.optim.pieces import Chain, Rule
from pellucid.optim.schedules import Schedule
from pellucid.optim.transforms import Decay

Epsilon = Annotated[float, Range(1e-30)]  # where a weight gets no gradient, 0/0 would be NaN


@dataclass(frozen=True)
class SGD(Rule):
    """Gradient descent: θ ← θ − η g.

    With ``momentum`` μ (Polyak, 1964): v ← μ v + g, θ ← θ − η v; with ``nesterov`` it looks ahead: θ ← θ − η (g + μ v).
    """

    learning_rate: Positive | Schedule = 0.01
    momentum: FractionBelowOne = 0.0
    nesterov: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.nesterov and not self.momentum:
            raise ConfigError("SGD(nesterov=True) looks ahead along the momentum: give it one, for example momentum=0.9")

    @property
    def vectors(self) -> tuple[str, ...]:
        return ("v",) if self.momentum else ()

    def apply(self, theta: Array, g: Array, state: Sequence[Array], rate: float, step: int, kernels: Kernels) -> None:
        if self.momentum:
            kernels.sgd_momentum(theta, g, state[0], rate, self.momentum, self.nesterov)
        else:
            kernels.sgd(theta, g, rate)


@dataclass(frozen=True)
class Adam(Rule):
    """Adaptive moments (Kingma and Ba, 2015), with bias correction; ε stands outside the root, as in PyTorch.

    m ← β₁ m + (1 − β₁) g        m̂ = m/(1 − β₁ᵗ)
    v ← β₂ v + (1 − β₂) g²       v̂ = v/(1 − β₂ᵗ)       θ ← θ − η m̂/(√v̂ + ε)

    With ``amsgrad`` the largest v so far takes the place of v (Reddi, Kale and Kumar, 2018): p ← max(p, v), p̂ = p/(1 − β₂ᵗ),
    so the largest is chosen before the correction, as in PyTorch.
    """

    learning_rate: Positive | Schedule = 0.001
    beta1: FractionBelowOne = 0.9
    beta2: FractionBelowOne = 0.999
    epsilon: Epsilon = 1e-8
    amsgrad: bool = False

    @property
    def vectors(self) -> tuple[str, ...]:
        return ("m", "v", "peak") if self.amsgrad else ("m", "v")

    def apply(self, theta: Array, g: Array, state: Sequence[Array], rate: float, step: int, kernels: Kernels) -> None:
        update = kernels.amsgrad if self.amsgrad else kernels.adam
        update(theta, g, *state, rate, self.beta1, self.beta2, self.epsilon, step)


def AdamW(
    learning_rate: float | Schedule = 0.001,
    decay: float = 0.01,
    beta1: float = 0.9,
    beta2: float = 0.999,
    epsilon: float = 1e-8,
    amsgrad: bool = False,
) -> Chain:
    """Adam with decoupled weight decay (Loshchilov and Hutter, 2019): ``Chain(Decay(decay), Adam(…))``.

    Biases are left alone (PyTorch's AdamW decays them too).
    """
    return Chain(Decay(decay), Adam(learning_rate, beta1, beta2, epsilon, amsgrad))
