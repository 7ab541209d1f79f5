"""Shapley values, exactly: what each input is worth if all take part in every order (Shapley, 1953).

An input's value is what it adds when it joins, averaged over all orders in which the d inputs may join. Inputs that have
joined are the sample's; the others are as in the background, on average over it (the interventional value function of
Lundberg and Lee, 2017, and Janzing, Minorics and Blöbaum, 2020):

    v(S) = mean_b f(x_S, b_rest)          φᵢ = Σ_{S∌i} |S|! (d − |S| − 1)!/d! (v(S ∪ {i}) − v(S))

These are the only values with four properties: they add up to v(all) − v(none); inputs that do the same get the same; an
input that changes nothing gets nothing; and of a sum of two functions they are the sum. All 2ᵈ sets are gone through,
so this is for tiny inputs: to see what Shapley values are, and to hold estimates of them against.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from pellucid.core.memory import Array
from pellucid.errors import ShapeError
from pellucid.explain.attribution import Attribution
from pellucid.explain.probe import Attributor
from pellucid.explain.question import Class, Of
from pellucid.model.model import Model

MOST = 12  # inputs: 4,096 sets, each with every sample of the background


def shapley(
    model: Model,
    x: Array,
    background: Array,
    target: Class | None = None,
    *,
    against: Class | None = None,
    of: Of = "logit",
    dtype: Any = np.float64,
) -> Attribution:
    """The exact Shapley values of the samples x (n, *input shape) with at most 12 numbers each, against the samples
    ``background`` (m, *input shape), by all 2ᵈ·m outputs of each sample; in float64 unless told otherwise.

    Complete but for rounding. For the other arguments and the errors raised see :func:`~pellucid.explain.gradient`;
    ShapeError also for larger inputs.
    """
    asked = Attributor(model, x, target, against, of, dtype)
    d = math.prod(asked.probe.shape)
    if d > MOST:
        raise ShapeError(
            f"exact Shapley values go through all sets of inputs, 2 to the power of {d} here, and at most {MOST} inputs are "
            "taken: use expected_gradients"
        )
    others = asked.probe.background(background)
    joined = (np.arange(2**d)[:, None] >> np.arange(d)) % 2 == 1  # (2ᵈ, d): who is in the set whose number this is
    sizes = joined.sum(axis=1)
    values, nobody = np.empty((len(asked.x), d)), np.empty(len(asked.x))
    for i, sample in enumerate(asked.x):
        v = _worths(asked, i, sample.reshape(d), others.reshape(-1, d), joined)
        nobody[i] = v[0]
        for k in range(d):
            without = np.flatnonzero(~joined[:, k])
            adds = v[without + (1 << k)] - v[without]
            chances = np.array([1 / (d * math.comb(d - 1, size)) for size in range(d)])  # |S|! (d − |S| − 1)!/d!
            values[i, k] = chances[sizes[without]] @ adds
    q, shape = asked.question, asked.x.shape
    values = values.reshape(shape).astype(asked.probe.dtype)
    return Attribution("shapley", values, asked.output, nobody, q.target, q.against, complete=True)


def _worths(asked: Attributor, i: int, x: Array, others: Array, joined: Array) -> Array:
    """(2ᵈ): v of every set, for sample i, x (d), before the background (m, d)."""
    found = np.empty(len(joined))
    at_once = max(1, asked.probe.chunk // len(others))
    for start in range(0, len(joined), at_once):
        some = joined[start : start + at_once, None]
        points = np.where(some, x, others)
        answers = asked.question.answers(i, asked.probe.outputs(points.reshape(-1, *asked.probe.shape)))
        found[start : start + at_once] = answers.reshape(len(some), -1).mean(axis=1)
    return found
