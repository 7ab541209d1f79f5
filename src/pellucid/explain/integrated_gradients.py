"""Integrated gradients and expected gradients: attributions by integrals of the gradient from a baseline to the sample.

Along the straight line b + α (x − b), the change of the output is the integral of the gradient times the direction.
By the fundamental theorem of calculus the values

    φᵢ = (xᵢ − bᵢ) ∫₀¹ ∂f/∂xᵢ (b + α (x − b)) dα

therefore add up to f(x) − f(b). (They are the Aumann-Shapley values, 1974, of the game in which all inputs join at the same
rate.) With one baseline b these are integrated gradients; averaged over many baselines, expected gradients.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from pellucid.core.config import Count, validate
from pellucid.core.memory import Array
from pellucid.core.rng import generator
from pellucid.explain.attribution import Attribution
from pellucid.explain.attributor import Attributor
from pellucid.explain.explained_output import ClassChoice, OutputKind
from pellucid.explain.output_position import Position
from pellucid.model.model import Model


def integrated_gradients(
    model: Model,
    x: Array,
    target: ClassChoice | None = None,
    *,
    against: ClassChoice | None = None,
    of: OutputKind = "logit",
    position: Position | None = None,
    baseline: Array | None = None,
    steps: int = 32,
    dtype: Any = np.float32,
) -> Attribution:
    """Return integrated gradients, φᵢ = (xᵢ − bᵢ) ∫₀¹ ∂f/∂xᵢ (b + α (x − b)) dα (Sundararajan, Taly and Yan, 2017).

    - ``baseline`` b: an input without the information to explain, in the form of the data: one sample for all, or one for each.
      None is zero everywhere, which is black for images. A value that equals the baseline gets 0: with a black baseline,
      black pixels contribute nothing.
    - ``steps``: the number of points of the Gauss-Legendre quadrature. It is exact if the gradient along the line is a
      polynomial of degree 2·steps − 1, and accurate with few points for smooth networks. With ReLU the gradient is not
      continuous, and the error decreases like 1/steps.

    Completeness is a theorem: the completeness error is that of quadrature and rounding. For the other arguments and the
    errors raised see :func:`~pellucid.explain.gradient`.
    """
    steps = validate(steps, Count, "integrated_gradients", "steps")
    attributor = Attributor(model, x, target, against, of, position, dtype)
    b = attributor.model.baseline(baseline, len(attributor.x))
    nodes, weights = np.polynomial.legendre.leggauss(steps)  # on [−1, 1]
    values = integrate_along_lines(attributor, b[:, None], (1 + nodes) / 2, weights / 2)
    return attributor.attribution("integrated-gradients", values, attributor.output_at(b), complete=True)


def expected_gradients(
    model: Model,
    x: Array,
    background: Array,
    target: ClassChoice | None = None,
    *,
    against: ClassChoice | None = None,
    of: OutputKind = "logit",
    position: Position | None = None,
    samples: int = 256,
    seed: int = 0,
    dtype: Any = np.float32,
) -> Attribution:
    """Return SHAP values by expected gradients (Erion, Janizek, Sturmfels, Lundberg and Lee, 2021):

        φᵢ = E[(xᵢ − bᵢ) ∂f/∂xᵢ (b + α (x − b))]          b from the background, α uniform on [0, 1]

    These are integrated gradients, averaged over the samples of ``background`` (m, *input shape), usually training samples.
    They explain the difference between the output and its mean over the background. If f is a sum of functions of one input
    each, they are the Shapley values. In general they split the joint effects of several inputs along the straight line,
    whereas Shapley values split them over all orders of joining (:func:`~pellucid.explain.shapley`).

    The mean is estimated with ``samples`` random draws of (b, α) from the random stream of ``seed``. The draws are
    stratified, which reduces the variance and adds no bias: every background sample is drawn once before any is drawn again
    (with a multiple of m draws all count equally), and α is spread over equal parts of [0, 1], for each background sample and
    for all together. All x use the same draws, so that the values of a sample do not depend on the others.

    Completeness holds on average over the draws. The error is the sampling error, and decreases at least like 1/√samples.
    For the other arguments and the errors raised see :func:`~pellucid.explain.gradient`. Raises DataError also for an empty
    background.
    """
    samples = validate(samples, Count, "expected_gradients", "samples")
    seed = validate(seed, int, "expected_gradients", "seed")
    attributor = Attributor(model, x, target, against, of, position, dtype)
    baselines = attributor.model.background(background)
    rows, alphas = _stratified_draws(len(baselines), samples, generator(seed, "explain", "expected-gradients"))
    values = integrate_along_lines(attributor, baselines[rows][None], alphas, np.full(samples, 1 / samples))
    explained = attributor.explained
    mean = attributor.model.outputs(baselines).mean(axis=0, dtype=np.float64)  # f is linear in the outputs
    baseline_output = explained.values(np.broadcast_to(mean, explained.coefficients.shape))
    return attributor.attribution("expected-gradients", values, baseline_output, complete=True)


def _stratified_draws(m: int, samples: int, random: np.random.Generator) -> tuple[Array, Array]:
    """Return the indices (samples) of background samples, out of m, and α (samples).

    The draws are divided into rounds. In each round all m background samples are drawn once, in random order. [0, 1] is
    divided into as many equal strata as there are rounds. Over the rounds, each background sample uses every stratum once, in
    its own random order, and the draws within one stratum are spread evenly over it. The distribution of every single draw is
    uniform.
    """
    rounds = -(-samples // m)
    rows = np.concatenate([random.permutation(m) for _ in range(rounds)])[:samples]
    orders = random.permuted(np.tile(np.arange(rounds), (m, 1)), axis=1)
    strata = orders[rows, np.arange(samples) // m]
    alphas = np.empty(samples)
    for stratum in range(rounds):
        draws = np.flatnonzero(strata == stratum)
        positions = (random.permutation(len(draws)) + random.random(len(draws))) / max(len(draws), 1)
        alphas[draws] = stratum + positions
    return rows, alphas / rounds


def integrate_along_lines(attributor: Attributor, starts: Array, alphas: Array, weights: Array) -> Array:
    """Return Σ_s w_s (x − b_s) ⊙ ∇f(b_s + α_s (x − b_s)) for each of the n samples x, in chunks.

    ``starts`` b is (n or 1, s or 1, *input shape); ``alphas`` and ``weights`` are (s).
    """
    model, n, s = attributor.model, len(attributor.x), len(alphas)
    starts = np.broadcast_to(starts, (n, s, *model.shape))
    at = alphas.astype(model.dtype).reshape(-1, *[1] * len(model.shape))
    total = np.zeros((n, *model.shape))
    samples_per_chunk, steps_per_chunk = max(1, model.chunk // s), min(s, model.chunk)
    for i in range(0, n, samples_per_chunk):
        rows = slice(i, i + samples_per_chunk)
        for j in range(0, s, steps_per_chunk):
            steps = slice(j, j + steps_per_chunk)
            b = starts[rows, steps]
            difference = attributor.x[rows, None] - b
            points = (b + at[steps] * difference).reshape(-1, *model.shape)
            coefficients = np.repeat(attributor.explained.coefficients[rows], b.shape[1], axis=0)
            gradients = model.gradient(points, coefficients).reshape(difference.shape)
            contributions = np.multiply(difference, gradients, out=difference)
            total[rows] += np.einsum("s,rs...->r...", weights[steps], contributions)
    return total.astype(model.dtype)
