"""Learning by perturbing weights: gradients from forward passes alone, to see what back-propagation saves.

A network of n weights is changed a little and run again; the change of the loss C tells something of the slope. To look at
every weight takes n + 1 forward passes a batch, where back-propagation takes the time of about three.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from pellucid.core.config import Config, Count, Positive
from pellucid.core.memory import Array, Views
from pellucid.core.rng import generator
from pellucid.errors import ConfigError, did_you_mean
from pellucid.layers.context import Context, ShardState
from pellucid.training.parts import Parts

Loss = Callable[[], float]  # C at the weights as they are now


@dataclass(frozen=True)
class Perturbation(Config):
    """How a step finds its direction without back-propagation; handed to ``fit(method=…)``. The optimizer then makes of the
    estimate what it would make of the gradient. ``sigma`` is the size of a perturbation.

    - ``"one"``: one weight at a time, gᵢ = (C(w + σ eᵢ) − C(w))/σ, for every weight, or for ``trials`` weights chosen by chance
      (0 for the others). Exact but for the curvature: the error is ½ σ ∂²C/∂wᵢ². Passes: 1 + weights, or 1 + trials.
    - ``"parallel"``: all weights at once, and the gain correlated with the changes: g = Σₜ (C(w + ξₜ) − C(w)) ξₜ / (T σ²) over
      T = ``trials`` (1) random ξₜ ~ N(0, σ²). Its mean is the gradient of C smoothed by N(0, σ²); its noise is that of all
      other weights, so that some n trials are needed to see one weight's part. Passes: 1 + trials.
    - ``"keep"``: one weight chosen by chance is changed by N(0, σ²), and the change is kept if the loss of the batch falls;
      ``trials`` (1) times. g = w − w′, so that SGD(1.0) makes just this step. Passes: 1 + trials.

    Noise such as dropout's is the same in all passes of a step. Raises ConfigError for an unknown kind, and in training for a
    ``sigma`` that is lost in the rounding of the weights.
    """

    kind: str = "one"
    sigma: Positive = 0.01
    trials: Count | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.kind not in _KINDS:
            raise ConfigError(f"Perturbation(kind={self.kind!r}): {did_you_mean(self.kind, _KINDS)}")

    def forward_passes(self, weights: int) -> int:
        """How many forward passes a step over one batch takes, for a network of so many weights."""
        trials = weights if self.kind == "one" else 1
        return 1 + (trials if self.trials is None else min(self.trials, weights) if self.kind == "one" else self.trials)


class PerturbedStep:
    """Estimates gradients for one model; see :class:`~pellucid.training.step.GradientStep`, whose place it takes."""

    def __init__(self, parts: Parts, method: Perturbation):
        self.parts, self.method = parts, method
        self.gradient = parts.layout.zeros(parts.dtype)
        self.state = parts.state.copy()
        self.weight = 0.0
        self.forward_passes = 0
        self._w = parts.layout.zeros(parts.dtype)  # the weights that are perturbed: the model's own are left alone
        self._p = parts.layout.views(self._w)
        trained = [parts.layout.offsets[path] + np.arange(slot.size) for path, slot in parts.layout.items() if slot.trained]
        self._places = np.concatenate(trained or [np.empty(0, np.int64)])  # in the vectors, padding not counted
        self._run = ShardState(parts.kernels, dtype=parts.dtype, seed=parts.seed)
        self._run.training = True
        self._ctx = Context(self._run, parts.state_layout.views(self.state))
        self.outputs = self._spare = np.empty((0, *parts.output_shape), parts.dtype)

    def __call__(self, p: Views, x: Array, targets: Array, weights: Array, step: int, offset: int = 0) -> float:
        """The mean loss of the batch, and in ``gradient`` the estimate."""
        parts, n = self.parts, len(x)
        start = (self.state if offset else parts.state).copy()
        self.weight = float(np.add.reduce(weights, dtype=np.float64))
        scale = 1 / self.weight if self.weight > 0 else 0.0
        self.outputs, self._spare = (np.empty((n, *parts.output_shape), parts.dtype) for _ in range(2))
        self._run.step, self._run.offset = step, offset
        self.forward_passes = 0
        self._w[:] = parts.theta

        def loss(outputs: Array) -> float:
            self.forward_passes += 1
            self.state[:] = start
            with np.errstate(all="ignore"):  # whoever asked for the step checks that all is finite
                z = parts.plan.forward(self._p, x, self._ctx)
                dz = self._run.own("dz", z.shape)
                return scale * parts.loss.compute(z, targets, weights, scale, outputs, dz, parts.kernels)

        first = loss(self.outputs)
        reached = self.state.copy()
        chance = generator(parts.seed, "perturbation", step, offset)
        self.gradient[:] = 0
        _KINDS[self.method.kind](self, first, lambda: loss(self._spare), chance)
        self.state[:] = reached
        return first

    def one(self, first: float, loss: Loss, chance: np.random.Generator) -> None:
        places, sigma = self._places, self.method.sigma
        if self.method.trials is not None and self.method.trials < len(places):
            places = chance.choice(places, self.method.trials, replace=False)
        for i in places:
            before = self._w[i]
            self._w[i] += sigma
            change = float(self._w[i]) - float(before)  # the step as it was rounded
            if change == 0:
                raise ConfigError(f"Perturbation(sigma={sigma:g}): a weight of {before:g} stays what it is; take a larger one")
            self.gradient[i] = (loss() - first) / change
            self._w[i] = before

    def parallel(self, first: float, loss: Loss, chance: np.random.Generator) -> None:
        trials, sigma, places = self.method.trials or 1, self.method.sigma, self._places
        w, total = self._w[places], np.zeros(len(places))
        for _ in range(trials):
            change = sigma * chance.standard_normal(len(places))
            self._w[places] = w + change
            total += (loss() - first) * change
        self.gradient[places] = total / (trials * sigma**2)

    def keep(self, first: float, loss: Loss, chance: np.random.Generator) -> None:
        lowest = first
        for _ in range(self.method.trials or 1):
            i = chance.choice(self._places)
            before = self._w[i]
            self._w[i] += self.method.sigma * chance.standard_normal()
            reached = loss()
            if reached < lowest:
                lowest = reached
            else:
                self._w[i] = before
        np.subtract(self.parts.theta, self._w, out=self.gradient)


_KINDS: dict[str, Callable[[PerturbedStep, float, Loss, np.random.Generator], None]] = {
    "one": PerturbedStep.one,
    "parallel": PerturbedStep.parallel,
    "keep": PerturbedStep.keep,
}
