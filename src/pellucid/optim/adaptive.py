"""More rules that give each parameter a step of its own. θ parameters, g gradient, η learning rate, t the step from 1.

Conventions are PyTorch's: where ε stands, which variance runs, and the defaults, are said with each rule.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pellucid.core.config import FractionBelowOne, NonNegative, Positive
from pellucid.core.memory import Array
from pellucid.kernels import Kernels
from pellucid.optim.pieces import Rule
from pellucid.optim.rules import Epsilon
from pellucid.optim.schedules import Schedule


@dataclass(frozen=True)
class RMSprop(Rule):
    """The gradient by its running size (Tieleman and Hinton, 2012); ε stands outside the root, nothing is bias-corrected.

    v ← α v + (1 − α) g²        θ ← θ − η g/(√v + ε)

    ``centered`` takes the variance v − a², a ← α a + (1 − α) g, for v (Graves, 2013), and 0 where rounding left less. With
    ``momentum`` μ the scaled gradients are added up: u ← μ u + g/(√v + ε), θ ← θ − η u.
    """

    learning_rate: Positive | Schedule = 0.01
    alpha: FractionBelowOne = 0.99
    epsilon: Epsilon = 1e-8
    momentum: FractionBelowOne = 0.0
    centered: bool = False

    @property
    def vectors(self) -> tuple[str, ...]:
        return ("v", *["a"] * self.centered, *["u"] * (self.momentum > 0))

    def apply(self, theta: Array, g: Array, state: Sequence[Array], rate: float, step: int, kernels: Kernels) -> None:
        v, mean, u = state[0], state[self.centered], state[-1]  # v again in the place of what is not there
        kernels.rmsprop(theta, g, v, mean, u, rate, self.alpha, self.epsilon, self.momentum, self.centered)


@dataclass(frozen=True)
class Adagrad(Rule):
    """The gradient by the size of all before it (Duchi, Hazan and Singer, 2011); ε stands outside the root.

    s ← s + g²        θ ← θ − η g/(√(initial + s) + ε)

    (PyTorch's ``initial_accumulator_value`` is ``initial``; its ``lr_decay`` is what InverseTime does.)
    """

    learning_rate: Positive | Schedule = 0.01
    initial: NonNegative = 0.0
    epsilon: Epsilon = 1e-10

    @property
    def vectors(self) -> tuple[str, ...]:
        return ("s",)

    def apply(self, theta: Array, g: Array, state: Sequence[Array], rate: float, step: int, kernels: Kernels) -> None:
        kernels.adagrad(theta, g, state[0], rate, self.initial, self.epsilon)


@dataclass(frozen=True)
class Adadelta(Rule):
    """Steps in the parameters' own units (Zeiler, 2012); ε stands inside both roots, and starts the steps.

    v ← ρ v + (1 − ρ) g²        d = g √(u + ε)/√(v + ε)        u ← ρ u + (1 − ρ) d²        θ ← θ − η d
    """

    learning_rate: Positive | Schedule = 1.0
    rho: FractionBelowOne = 0.9
    epsilon: Epsilon = 1e-6

    @property
    def vectors(self) -> tuple[str, ...]:
        return ("v", "u")

    def apply(self, theta: Array, g: Array, state: Sequence[Array], rate: float, step: int, kernels: Kernels) -> None:
        kernels.adadelta(theta, g, *state, rate, self.rho, self.epsilon)


@dataclass(frozen=True)
class Nadam(Rule):
    """Adam with Nesterov's look ahead (Dozat, 2016); ε stands outside the root of the corrected v, as in PyTorch's NAdam.

    m and v as in Adam;  μₜ = β₁ (1 − ½ · 0.96^(tψ)),  Πₜ = μ₁ μ₂ … μₜ,  with ``momentum_decay`` ψ

    θ ← θ − η [(1 − μₜ)/(1 − Πₜ) g + μₜ₊₁/(1 − Πₜ₊₁) m] / (√v̂ + ε)
    """

    learning_rate: Positive | Schedule = 0.002
    beta1: FractionBelowOne = 0.9
    beta2: FractionBelowOne = 0.999
    epsilon: Epsilon = 1e-8
    momentum_decay: NonNegative = 0.004

    @property
    def vectors(self) -> tuple[str, ...]:
        return ("m", "v")

    def _mu(self, step: int) -> float:
        return self.beta1 * (1 - 0.5 * 0.96 ** (step * self.momentum_decay))

    def apply(self, theta: Array, g: Array, state: Sequence[Array], rate: float, step: int, kernels: Kernels) -> None:
        product, t = 1.0, 0
        while t < step and product > 1e-20:  # 1 − Π is 1 long before: some fifty factors
            t += 1
            product *= self._mu(t)
        mu, following = self._mu(step), self._mu(step + 1)
        now, ahead = rate * (1 - mu) / (1 - product), rate * following / (1 - product * following)
        kernels.nadam(theta, g, *state, now, ahead, self.beta1, self.beta2, self.epsilon, step)


@dataclass(frozen=True)
class Adamax(Rule):
    """Adam with the largest gradient, forgotten slowly, for its size (Kingma and Ba, 2015, section 7); ε is added to |g|.

    m ← β₁ m + (1 − β₁) g        u ← max(β₂ u, |g| + ε)        θ ← θ − η m/((1 − β₁ᵗ) u)
    """

    learning_rate: Positive | Schedule = 0.002
    beta1: FractionBelowOne = 0.9
    beta2: FractionBelowOne = 0.999
    epsilon: Epsilon = 1e-8

    @property
    def vectors(self) -> tuple[str, ...]:
        return ("m", "u")

    def apply(self, theta: Array, g: Array, state: Sequence[Array], rate: float, step: int, kernels: Kernels) -> None:
        kernels.adamax(theta, g, *state, rate, self.beta1, self.beta2, self.epsilon, step)


@dataclass(frozen=True)
class Lion(Rule):
    """Steps of one size, only their signs learned (Chen et al., 2023); nothing is divided by, so there is no ε.

    θ ← θ − η sign(β₁ m + (1 − β₁) g)        m ← β₂ m + (1 − β₂) g

    It wants a rate some three to ten times smaller than Adam's; weight decay stands before it, ``Chain(Decay(0.1), Lion())``.
    """

    learning_rate: Positive | Schedule = 0.0001
    beta1: FractionBelowOne = 0.9
    beta2: FractionBelowOne = 0.99

    @property
    def vectors(self) -> tuple[str, ...]:
        return ("m",)

    def apply(self, theta: Array, g: Array, state: Sequence[Array], rate: float, step: int, kernels: Kernels) -> None:
        kernels.lion(theta, g, state[0], rate, self.beta1, self.beta2)
