"""Adam, AdamW (Adam with decoupled weight decay), and RAdam (rectified Adam).

In the formulas θ are the parameters, g is the gradient, η the learning rate and t the step, counted from 1.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, ClassVar

from pellucid.core.config import FractionBelowOne, Positive, Range
from pellucid.core.habits import explain_arguments
from pellucid.core.memory import Array
from pellucid.kernels import Kernels
from pellucid.optim.chain import Chain, Rule
from pellucid.optim.schedules import Schedule
from pellucid.optim.transforms import Decay

# For Adamax, and for rules that divide by the root of a second moment plus ε. Float32 does not hold the squares of gradients
# below about 1e-18: their root counts as 0, which is right only beside an ε that is much larger.
MIN_EPSILON = 1e-12
Epsilon = Annotated[float, Range(MIN_EPSILON)]


@dataclass(frozen=True)
class Adam(Rule):
    """Adaptive moments with bias correction (Kingma and Ba, 2015). ε is outside the root, as in PyTorch.

    m ← β₁ m + (1 − β₁) g        m̂ = m/(1 − β₁ᵗ)
    v ← β₂ v + (1 − β₂) g²       v̂ = v/(1 − β₂ᵗ)       θ ← θ − η m̂/(√v̂ + ε)

    With ``amsgrad`` the largest v so far replaces v (Reddi, Kale and Kumar, 2018): p ← max(p, v), p̂ = p/(1 − β₂ᵗ). The maximum
    is taken before the bias correction, as in PyTorch.
    """

    records: ClassVar[bool] = True

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


@explain_arguments
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


@dataclass(frozen=True)
class RAdam(Rule):
    """Adam whose first steps are those of the momentum alone, since the variance of few gradients is not reliable (Liu et al.,
    "On the variance of the adaptive learning rate and beyond", 2020). A warm-up is not needed.

    m, v, m̂ and v̂ as in Adam;  ρ∞ = 2/(1 − β₂) − 1,  ρₜ = ρ∞ − 2t β₂ᵗ/(1 − β₂ᵗ)

    while ρₜ ≤ 5:  θ ← θ − η m̂

    then:          θ ← θ − η r m̂ √(1 − β₂ᵗ)/(√v + ε),  r = √[(ρₜ − 4)(ρₜ − 2) ρ∞ / ((ρ∞ − 4)(ρ∞ − 2) ρₜ)]

    As in PyTorch, the limit is 5, and ε is added to the root of v before the correction; the paper has the limit 4 and no ε.
    With β₂ = 0.999 the first five steps are those of the momentum. For weight decay write ``Chain(Decay(0.01), RAdam())``.
    """

    records: ClassVar[bool] = True

    learning_rate: Positive | Schedule = 0.001
    beta1: FractionBelowOne = 0.9
    beta2: FractionBelowOne = 0.999
    epsilon: Epsilon = 1e-8

    @property
    def state_names(self) -> tuple[str, ...]:
        return ("m", "v")

    def apply(self, theta: Array, g: Array, state: Sequence[Array], rate: float, step: int, kernels: Kernels) -> None:
        m, v = state
        corrected, left = rate / (1 - self.beta1**step), self.beta2**step
        limit = 2 / (1 - self.beta2) - 1
        length = limit - 2 * step * left / (1 - left)  # ρₜ: for how many gradients the running mean of v stands
        if length > 5:
            rectified = math.sqrt((length - 4) * (length - 2) * limit / ((limit - 4) * (limit - 2) * length))
            corrected, root, epsilon = corrected * rectified * math.sqrt(1 - left), 1.0, self.epsilon
        else:
            root, epsilon = 0.0, 1.0
        kernels.radam(theta, g, m, v, corrected, root, self.beta1, self.beta2, epsilon)
