"""Learning by perturbing weights: estimates of the gradient from forward passes alone, which show what backpropagation saves.

A weight is changed a little and the network runs again; the change of the cost C, the mean loss of the batch, estimates the
derivative. For all weights of a network with n weights this takes n + 1 forward passes per batch; backpropagation takes the
time of about three.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from pellucid.core.config import Config, Count, Positive
from pellucid.core.named_arrays import empty
from pellucid.core.rng import generator
from pellucid.errors import ConfigError, did_you_mean
from pellucid.training.state import ModelState

Cost = Callable[[], float]  # returns C, the mean loss of the batch, for the current weights


@dataclass(frozen=True)
class Perturbation(Config):
    """A method that estimates the gradient without backpropagation, for ``fit(method=…)``.

    The optimizer uses the estimate instead of the gradient. ``sigma`` is the size of a perturbation, ``kind`` one of

    - ``"one"``: one weight at a time, gᵢ = (C(w + σ eᵢ) − C(w))/σ, for every weight, or for ``trials`` randomly chosen weights
      (0 for the others). The error, about ½ σ ∂²C/∂wᵢ², is due to the curvature. Passes: 1 + weights, or 1 + trials.
    - ``"parallel"``: all weights at once, and the change of the cost correlated with the perturbations:
      g = Σₜ (C(w + ξₜ) − C(w)) ξₜ / (T σ²) over T = ``trials`` (1) random ξₜ ~ N(0, σ²). Its mean is the gradient of C smoothed
      by N(0, σ²); the perturbations of all other weights are its noise, so that about n trials are needed to see the effect of
      a single weight. Passes: 1 + trials.
    - ``"keep"``: one randomly chosen weight is changed by N(0, σ²), and the change is kept if the cost falls;
      ``trials`` (1) times. g = w − w′, so that SGD(1.0) makes exactly this step. Passes: 1 + trials.

    Noise such as dropout's is the same in all passes of a step. Raises ConfigError for an unknown kind, and during training
    for a ``sigma`` that is lost in the rounding of the weights.
    """

    kind: str = "one"
    sigma: Positive = 0.01
    trials: Count | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.kind not in _KINDS:
            raise ConfigError(f"Perturbation(kind={self.kind!r}): {did_you_mean(self.kind, _KINDS)}")

    def forward_passes(self, weights: int) -> int:
        """Return the number of forward passes of one step over one batch, for a network with ``weights`` weights."""
        if self.kind == "one":
            return 1 + (weights if self.trials is None else min(self.trials, weights))
        return 1 + (self.trials or 1)


class PerturbedStep:
    """A :class:`~pellucid.training.step.Step` that estimates the gradient with ``method``."""

    weights: Any
    total: Any
    mean: Any
    weight: float
    forward_passes: int

    def __init__(self, state: ModelState, method: Perturbation):
        self.state, self.method = state, method
        self.gradient = state.layout.zeros(state.dtype)
        self.statistics = state.statistics.copy()
        self._w = state.layout.zeros(state.dtype)  # the perturbed weights: the model's own are not changed
        trained = [state.layout.offsets[path] + np.arange(slot.size) for path, slot in state.layout.items() if slot.trained]
        self._indices = np.concatenate(trained or [np.empty(0, np.int64)])  # of the trained weights, without the padding
        self._execution = state.execution(parameters=self._w, statistics=self.statistics)
        self.outputs = self._spare = empty(0, state.output.metric_shape, state.dtype)

    def __call__(self, x: Any, targets: Any, weights: Any, step: int, offset: int = 0) -> float:
        """Return the mean loss of the batch, and store the estimate in ``gradient``."""
        state, output, n = self.state, self.state.output, len(x)
        start = (self.statistics if offset else state.statistics).copy()  # all passes start with the same statistics
        self.outputs, self._spare = (empty(n, output.metric_shape, state.dtype) for _ in range(2))
        self.forward_passes = 0
        self._w[:] = state.parameters

        def loss(outputs: Any) -> float:
            self.forward_passes += 1
            self.statistics[:] = start
            z = self._execution.forward(x, training=True, step=step, offset=offset)
            self.weights = output.step_weights(weights, self._execution)
            self.total = output.total(self.weights)
            self.weight = output.combined(self.total)
            dz = self._execution.buffer("dz", z.shape)
            value, self.mean = output.mean_loss(z, targets, self.weights, self.total, outputs, dz)
            return value

        with np.errstate(all="ignore"):  # the training loop checks that the results are finite
            first = loss(self.outputs)
            means = self.mean
            statistics = self.statistics.copy()  # after the pass with the weights of the model
            random = generator(state.seed, "perturbation", step, offset)
            self.gradient[:] = 0
            _KINDS[self.method.kind](self, first, lambda: loss(self._spare), random)
        self.statistics[:], self.mean = statistics, means
        return first

    def one(self, first: float, loss: Cost, random: np.random.Generator) -> None:
        """Estimate the gradient by changing one weight at a time; ``first`` is the loss for the unchanged weights."""
        indices, sigma = self._indices, self.method.sigma
        if self.method.trials is not None and self.method.trials < len(indices):
            indices = random.choice(indices, self.method.trials, replace=False)
        for i in indices:
            before = self._w[i]
            self._w[i] += sigma
            change = float(self._w[i]) - float(before)  # the perturbation after rounding
            if change == 0:
                raise ConfigError(
                    f"Perturbation(sigma={sigma:g}): adding it to a weight of {before:g} does not change it; use a larger sigma"
                )
            self.gradient[i] = (loss() - first) / change
            self._w[i] = before

    def parallel(self, first: float, loss: Cost, random: np.random.Generator) -> None:
        """Estimate the gradient by changing all weights at once; ``first`` is the loss for the unchanged weights."""
        trials, sigma, indices = self.method.trials or 1, self.method.sigma, self._indices
        w, total = self._w[indices], np.zeros(len(indices))
        for _ in range(trials):
            change = sigma * random.standard_normal(len(indices))
            self._w[indices] = w + change
            total += (loss() - first) * change
        self.gradient[indices] = total / (trials * sigma**2)

    def keep(self, first: float, loss: Cost, random: np.random.Generator) -> None:
        """Keep the changes of single weights that lower the loss; ``first`` is the loss for the unchanged weights."""
        lowest = first
        for _ in range(self.method.trials or 1):
            i = random.choice(self._indices)
            before = self._w[i]
            self._w[i] += self.method.sigma * random.standard_normal()
            changed = loss()
            if changed < lowest:
                lowest = changed
            else:
                self._w[i] = before
        np.subtract(self.state.parameters, self._w, out=self.gradient)


_KINDS: dict[str, Callable[[PerturbedStep, float, Cost, np.random.Generator], None]] = {
    "one": PerturbedStep.one,
    "parallel": PerturbedStep.parallel,
    "keep": PerturbedStep.keep,
}
