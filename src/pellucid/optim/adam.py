"""Adam, and AdamW: Adam with decoupled weight decay.

In the formulas θ are the parameters, g is the gradient, η the learning rate and t the step, counted from 1.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

from pellucid.core.config import FractionBelowOne, Positive, Range
from pellucid.core.memory import Array
from pellucid.kernels import Kernels
from pellucid.optim.chain import Chain, Rule
from pellucid.optim.schedules import Schedule
from pellucid.optim.transforms import Decay

Epsilon = Annotated[float, Range(1e-30)]  # above 0: a weight whose gradients are all 0 would get 0/0, NaN


@dataclass(frozen=True)
class Adam(Rule):
    """Adaptive moments with bias correction (Kingma and Ba, 2015). ε is outside the root, as in PyTorch.

    m ← β₁ m + (1 − β₁) g        m̂ = m/(1 − β₁ᵗ)
    v ← β₂ v + (1 − β₂) g²       v̂ = v/(1 − β₂ᵗ)       θ ← θ − η m̂/(√v̂ + ε)

    With ``amsgrad`` the largest v so far replaces v (Reddi, Kale and Kumar, 2018): p ← max(p, v), p̂ = p/(1 − β₂ᵗ). The maximum
    is taken before the bias correction, as in PyTorch.
    """

    learning_rate: Positive | Schedule = 0.001
    beta1: FractionBelowOne = 0.9
    beta2: FractionBelowOne = 0.999
    epsilon: Epsilon = 1e-8
    amsgrad: bool = False

    @property
    def state_names(self) -> tuple[str, ...]:
        return ("m", "v", "peak") if self.amsgrad else ("m", "v")

    def apply(self, theta: Array, g: Array, state: Sequence[Array], rate: float, step: int, kernels: Kernels) -> None:
        m, v = state[:2]
        if self.amsgrad:
            kernels.amsgrad(theta, g, m, v, state[2], rate, self.beta1, self.beta2, self.epsilon, step)
        else:
            kernels.adam(theta, g, m, v, rate, self.beta1, self.beta2, self.epsilon, step)


def AdamW(
    learning_rate: float | Schedule = 0.001,
    decay: float = 0.01,
    beta1: float = 0.9,
    beta2: float = 0.999,
    epsilon: float = 1e-8,
    amsgrad: bool = False,
) -> Chain:
    """Return Adam with decoupled weight decay (Loshchilov and Hutter, 2019): ``Chain(Decay(decay), Adam(…))``.

    Biases do not decay (in PyTorch's AdamW they do).
    """
    return Chain(Decay(decay), Adam(learning_rate, beta1, beta2, epsilon, amsgrad))
