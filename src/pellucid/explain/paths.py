"""Explanations by integrals: the slopes along the whole way from where nothing is seen to the sample.

Along the straight line b + α (x − b) the output changes by its gradient times the way, so the shares

    φᵢ = (xᵢ − bᵢ) ∫₀¹ ∂f/∂xᵢ (b + α (x − b)) dα

add up to f(x) − f(b), by the fundamental theorem of calculus. (They are the values of Aumann and Shapley, 1974, for the game
in which inputs join little by little, all at the same pace.) With one b these are integrated gradients; on average over many
of them, expected gradients.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from pellucid.core.config import Count, checked
from pellucid.core.memory import Array
from pellucid.core.rng import generator
from pellucid.explain.attribution import Attribution
from pellucid.explain.probe import Attributor
from pellucid.explain.question import Class, Of
from pellucid.model.model import Model


def integrated_gradients(
    model: Model,
    x: Array,
    target: Class | None = None,
    *,
    against: Class | None = None,
    of: Of = "logit",
    baseline: Array | None = None,
    steps: int = 32,
    dtype: Any = np.float32,
) -> Attribution:
    """Integrated gradients (Sundararajan, Taly and Yan, 2017): the integral above from ``baseline`` to the sample.

    The baseline is an input without what is to be explained, in the data's own form: one sample, or one for each sample;
    None is zero everywhere, black for pictures. Numbers of the input that are as in the baseline get nothing, so black
    pixels before a black baseline count for nothing. ``steps`` points of Gauss-Legendre quadrature: exact where the gradient
    along the line is a polynomial of degree 2·steps − 1, and good for smooth networks with few points; behind ReLU the
    gradient jumps, and the error falls like 1/steps.

    Completeness is a theorem: the completeness error is that of the quadrature, and of rounding. For the other arguments and
    the errors raised see :func:`~pellucid.explain.gradient`.
    """
    steps = checked(steps, Count, "integrated_gradients", "steps")
    asked = Attributor(model, x, target, against, of, dtype)
    b = asked.probe.baseline(baseline, len(asked.x))
    nodes, weights = np.polynomial.legendre.leggauss(steps)  # on [−1, 1]
    values = along_lines(asked, b[:, None], (1 + nodes) / 2, weights / 2)
    q = asked.question
    told = asked.answers(b)
    return Attribution("integrated-gradients", values, asked.output, told, q.target, q.against, complete=True)


def expected_gradients(
    model: Model,
    x: Array,
    background: Array,
    target: Class | None = None,
    *,
    against: Class | None = None,
    of: Of = "logit",
    samples: int = 256,
    seed: int = 0,
    dtype: Any = np.float32,
) -> Attribution:
    """SHAP values by expected gradients (Erion, Janizek, Sturmfels, Lundberg and Lee, 2021):

        φᵢ = E[(xᵢ − bᵢ) ∂f/∂xᵢ (b + α (x − b))]          b from the background, α uniform on [0, 1]

    Integrated gradients with the average over the samples of ``background`` (m, *input shape), usually training samples, in
    place of one baseline: what is explained is how the output differs from the mean output on the background. Where f is a
    sum of functions of one input each, these are the Shapley values; elsewhere they divide what inputs do together by the
    straight line, where Shapley values divide it by all orders of joining (:func:`~pellucid.explain.shapley`).

    The mean is taken over as many draws as ``samples`` says, from the stream of ``seed``. They are spread evenly, which lowers
    the variance and biases nothing: no background sample is drawn again before all have been (with a multiple of m each counts
    alike), and α goes through equal parts of [0, 1], for each background sample and for all together. All x meet the same
    draws, so a sample's values do not depend on its neighbours.

    Completeness holds on average over the draws; the error is that of this sample, and falls at least like 1/√samples.
    For the other arguments and the errors raised see :func:`~pellucid.explain.gradient`.
    """
    samples = checked(samples, Count, "expected_gradients", "samples")
    seed = checked(seed, int, "expected_gradients", "seed")
    asked = Attributor(model, x, target, against, of, dtype)
    others = asked.probe.background(background)
    rows, alphas = _draws(len(others), samples, generator(seed, "explain", "expected-gradients"))
    values = along_lines(asked, others[rows][None], alphas, np.full(samples, 1 / samples))
    mean = asked.probe.outputs(others).mean(axis=0, dtype=np.float64)  # f is linear in the outputs
    q = asked.question
    told = q.answer(np.broadcast_to(mean, q.coefficients.shape))
    return Attribution("expected-gradients", values, asked.output, told, q.target, q.against, complete=True)


def _draws(m: int, samples: int, random: np.random.Generator) -> tuple[Array, Array]:
    """(samples), twice: which of the m background samples, and α. In each round all m are drawn, in some order. Over the
    rounds each of them goes through as many equal parts of [0, 1], in an order of its own; and the draws that share such a
    part lie in equal parts of that again. Each draw by itself is uniform, whatever else is drawn."""
    rounds = -(-samples // m)
    rows = np.concatenate([random.permutation(m) for _ in range(rounds)])[:samples]
    orders = random.permuted(np.tile(np.arange(rounds), (m, 1)), axis=1)
    parts = orders[rows, np.arange(samples) // m]
    alphas = np.empty(samples)
    for part in range(rounds):
        here = np.flatnonzero(parts == part)
        alphas[here] = part + (random.permutation(len(here)) + random.random(len(here))) / max(len(here), 1)
    return rows, alphas / rounds


def along_lines(asked: Attributor, starts: Array, alphas: Array, weights: Array) -> Array:
    """Σ_s w_s (x − b_s) ⊙ ∇f(b_s + α_s (x − b_s)) for each of the n samples x: ``starts`` b is (n or 1, s or 1, *input
    shape), ``alphas`` and ``weights`` are (s). As many points as a chunk holds are asked for at once."""
    probe, n, s = asked.probe, len(asked.x), len(alphas)
    starts = np.broadcast_to(starts, (n, s, *probe.shape))
    at = alphas.astype(probe.dtype).reshape(-1, *[1] * len(probe.shape))
    total = np.zeros((n, *probe.shape))
    high, wide = max(1, probe.chunk // s), min(s, probe.chunk)
    for i in range(0, n, high):
        rows = slice(i, i + high)
        for j in range(0, s, wide):
            part = slice(j, j + wide)
            b = starts[rows, part]
            away = asked.x[rows, None] - b
            points = (b + at[part] * away).reshape(-1, *probe.shape)
            coefficients = np.repeat(asked.question.coefficients[rows], b.shape[1], axis=0)
            slopes = probe.gradient(points, coefficients).reshape(away.shape)
            total[rows] += np.einsum("s,rs...->r...", weights[part], np.multiply(away, slopes, out=away))
    return total.astype(probe.dtype)
