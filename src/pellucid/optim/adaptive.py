"""Adaptive rules besides Adam: the step of each parameter depends on its gradients so far.

In the formulas θ are the parameters, g is the gradient, η the learning rate and t the step, counted from 1. The defaults and
the place of ε are PyTorch's.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, ClassVar

from pellucid.core.config import FractionBelowOne, NonNegative, Positive, Range
from pellucid.core.memory import Array
from pellucid.kernels import Kernels
from pellucid.optim.adam import Epsilon
from pellucid.optim.chain import Rule
from pellucid.optim.schedules import Schedule

EpsilonInsideRoot = Annotated[float, Range(1e-30)]  # added to the squares themselves, so a smaller one makes a difference


@dataclass(frozen=True)
class RMSprop(Rule):
    """The gradient divided by its running root mean square (Tieleman and Hinton, 2012). ε is outside the root; there is no
    bias correction.

    v ← α v + (1 − α) g²        θ ← θ − η g/(√v + ε)

    With ``centered``, the variance v − a² with a ← α a + (1 − α) g replaces v (Graves, 2013); where rounding makes it negative,
    it is set to 0. With ``momentum`` μ, the scaled gradients are summed: u ← μ u + g/(√v + ε), θ ← θ − η u.
    """

    records: ClassVar[bool] = True

    learning_rate: Positive | Schedule = 0.01
    alpha: FractionBelowOne = 0.99
    epsilon: Epsilon = 1e-8
    momentum: FractionBelowOne = 0.0
    centered: bool = False

    @property
    def state_names(self) -> tuple[str, ...]:
        return ("v", *["a"] * self.centered, *["u"] * (self.momentum > 0))

    def apply(self, theta: Array, g: Array, state: Sequence[Array], rate: float, step: int, kernels: Kernels) -> None:
        v = state[0]
        mean = state[1] if self.centered else v  # the kernel takes three vectors, and ignores those it does not need
        u = state[-1] if self.momentum else v
        kernels.rmsprop(theta, g, v, mean, u, rate, self.alpha, self.epsilon, self.momentum, self.centered)


@dataclass(frozen=True)
class Adagrad(Rule):
    """The gradient divided by the root of the sum of all its squares so far (Duchi, Hazan and Singer, 2011). ε is outside the
    root.

    s ← s + g²        θ ← θ − η g/(√(initial + s) + ε)

    ``initial`` is PyTorch's ``initial_accumulator_value``. For PyTorch's ``lr_decay`` use the schedule
    :class:`~pellucid.optim.InverseTime`.
    """

    records: ClassVar[bool] = True

    learning_rate: Positive | Schedule = 0.01
    initial: NonNegative = 0.0
    epsilon: Epsilon = 1e-10

    @property
    def state_names(self) -> tuple[str, ...]:
        return ("s",)

    def apply(self, theta: Array, g: Array, state: Sequence[Array], rate: float, step: int, kernels: Kernels) -> None:
        kernels.adagrad(theta, g, state[0], rate, self.initial, self.epsilon)


@dataclass(frozen=True)
class Adadelta(Rule):
    """Steps in the units of the parameters (Zeiler, 2012). ε is inside both roots; it makes the first steps possible.

    v ← ρ v + (1 − ρ) g²        d = g √(u + ε)/√(v + ε)        u ← ρ u + (1 − ρ) d²        θ ← θ − η d
    """

    records: ClassVar[bool] = True

    learning_rate: Positive | Schedule = 1.0
    rho: FractionBelowOne = 0.9
    epsilon: EpsilonInsideRoot = 1e-6

    @property
    def state_names(self) -> tuple[str, ...]:
        return ("v", "u")

    def apply(self, theta: Array, g: Array, state: Sequence[Array], rate: float, step: int, kernels: Kernels) -> None:
        v, u = state
        kernels.adadelta(theta, g, v, u, rate, self.rho, self.epsilon)


@dataclass(frozen=True)
class Nadam(Rule):
    """Adam with Nesterov momentum (Dozat, 2016). ε is outside the root of the corrected v, as in PyTorch's NAdam.

    m and v as in Adam;  μₜ = β₁ (1 − ½ · 0.96^(tψ)),  Πₜ = μ₁ μ₂ … μₜ,  with ``momentum_decay`` ψ

    θ ← θ − η [(1 − μₜ)/(1 − Πₜ) g + μₜ₊₁/(1 − Πₜ₊₁) m] / (√v̂ + ε)
    """

    records: ClassVar[bool] = True

    learning_rate: Positive | Schedule = 0.002
    beta1: FractionBelowOne = 0.9
    beta2: FractionBelowOne = 0.999
    epsilon: Epsilon = 1e-8
    momentum_decay: NonNegative = 0.004

    @property
    def state_names(self) -> tuple[str, ...]:
        return ("m", "v")

    def _mu(self, step: int) -> float:
        """Return μₜ for the step t."""
        return self.beta1 * (1 - 0.5 * 0.96 ** (step * self.momentum_decay))

    def apply(self, theta: Array, g: Array, state: Sequence[Array], rate: float, step: int, kernels: Kernels) -> None:
        product, t = 1.0, 0
        while t < step and product > 1e-20:  # below that 1 − Π is 1, and further factors do not change it
            t += 1
            product *= self._mu(t)
        mu, next_mu = self._mu(step), self._mu(step + 1)
        rate_of_g, rate_of_m = rate * (1 - mu) / (1 - product), rate * next_mu / (1 - product * next_mu)
        m, v = state
        kernels.nadam(theta, g, m, v, rate_of_g, rate_of_m, self.beta1, self.beta2, self.epsilon, step)


@dataclass(frozen=True)
class Adamax(Rule):
    """Adam with a decaying maximum of |g| in place of the root of v (Kingma and Ba, 2015, section 7). ε is added to |g|.

    m ← β₁ m + (1 − β₁) g        u ← max(β₂ u, |g| + ε)        θ ← θ − η m/((1 − β₁ᵗ) u)
    """

    records: ClassVar[bool] = True

    learning_rate: Positive | Schedule = 0.002
    beta1: FractionBelowOne = 0.9
    beta2: FractionBelowOne = 0.999
    epsilon: Epsilon = 1e-8

    @property
    def state_names(self) -> tuple[str, ...]:
        return ("m", "u")

    def apply(self, theta: Array, g: Array, state: Sequence[Array], rate: float, step: int, kernels: Kernels) -> None:
        m, u = state
        kernels.adamax(theta, g, m, u, rate, self.beta1, self.beta2, self.epsilon, step)


@dataclass(frozen=True)
class Lion(Rule):
    """A step in the direction of the sign of a momentum: all parameters change by the same amount (Chen et al., 2023). There
    is no division, so there is no ε.

    θ ← θ − η sign(β₁ m + (1 − β₁) g)        m ← β₂ m + (1 − β₂) g

    Good learning rates are three to ten times smaller than Adam's. For weight decay write ``Chain(Decay(0.1), Lion())``.
    """

    records: ClassVar[bool] = True

    learning_rate: Positive | Schedule = 0.0001
    beta1: FractionBelowOne = 0.9
    beta2: FractionBelowOne = 0.99

    @property
    def state_names(self) -> tuple[str, ...]:
        return ("m",)

    def apply(self, theta: Array, g: Array, state: Sequence[Array], rate: float, step: int, kernels: Kernels) -> None:
        kernels.lion(theta, g, state[0], rate, self.beta1, self.beta2)
