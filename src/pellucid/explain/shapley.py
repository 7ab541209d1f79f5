"""Exact Shapley values: the contribution of each input, averaged over all orders of joining (Shapley, 1953).

The inputs join one after the other. The value of an input is the change of the output when it joins, averaged over all orders
in which the d inputs can join. Inputs that have joined have the values of the sample. The others have the values of the
background samples, and the output is averaged over these (the interventional value function of Lundberg and Lee, 2017, and
Janzing, Minorics and Blöbaum, 2020):

    v(S) = mean_b f(x_S, b_rest)          φᵢ = Σ_{S∌i} |S|! (d − |S| − 1)!/d! (v(S ∪ {i}) − v(S))

These are the only values with four properties: they add up to v(all) − v(none); inputs with the same effect get the same value;
an input without effect gets 0; and the values of a sum of two functions are the sums of their values. The computation goes
through all 2ᵈ sets. It is meant for very small inputs: to study Shapley values, and to check estimates of them.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from pellucid.core.memory import Array
from pellucid.errors import ShapeError
from pellucid.explain.attribution import Attribution
from pellucid.explain.attributor import Attributor
from pellucid.explain.explained_output import ClassChoice, OutputKind
from pellucid.explain.output_position import Position
from pellucid.model.model import Model

MAX_INPUTS = 12  # 4,096 sets, each with every background sample


def shapley(
    model: Model,
    x: Array,
    background: Array,
    target: ClassChoice | None = None,
    *,
    against: ClassChoice | None = None,
    of: OutputKind = "logit",
    position: Position | None = None,
    dtype: Any = np.float64,
) -> Attribution:
    """Return the exact Shapley values of the samples x (n, *input shape), which have at most 12 values each.

    They are computed against the samples ``background`` (m, *input shape), from 2ᵈ·m outputs per sample, by default in
    float64. Complete up to rounding. For the other arguments and the errors raised see :func:`~pellucid.explain.gradient`;
    raises ShapeError also for larger inputs, and DataError for an empty background.
    """
    attributor = Attributor(model, x, target, against, of, position, dtype)
    d = math.prod(attributor.model.shape)
    if d > MAX_INPUTS:
        raise ShapeError(
            f"exact Shapley values need all sets of inputs, 2 to the power of {d} here; the limit is {MAX_INPUTS} inputs; "
            "use expected_gradients"
        )
    others = attributor.model.background(background)
    joined = (np.arange(2**d)[:, None] >> np.arange(d)) % 2 == 1  # (2ᵈ, d): the bits of the set's index are its members
    sizes = joined.sum(axis=1)
    set_weights = np.array([1 / (d * math.comb(d - 1, size)) for size in range(d)])  # |S|! (d − |S| − 1)!/d! by size
    values, empty_set_output = np.empty((len(attributor.x), d)), np.empty(len(attributor.x))
    for i, sample in enumerate(attributor.x):
        v = _set_values(attributor, i, sample.reshape(d), others.reshape(-1, d), joined)
        empty_set_output[i] = v[0]
        for k in range(d):
            without_k = np.flatnonzero(~joined[:, k])
            changes = v[without_k + (1 << k)] - v[without_k]
            values[i, k] = set_weights[sizes[without_k]] @ changes
    values = values.reshape(attributor.x.shape).astype(attributor.model.dtype)
    return attributor.attribution("shapley", values, empty_set_output, complete=True)


def _set_values(attributor: Attributor, i: int, x: Array, others: Array, joined: Array) -> Array:
    """Return v of every set, (2ᵈ), for sample i with the values x (d) and the background (m, d)."""
    model = attributor.model
    values = np.empty(len(joined))
    sets_per_chunk = max(1, model.chunk // len(others))
    for start in range(0, len(joined), sets_per_chunk):
        sets = joined[start : start + sets_per_chunk, None]
        points = np.where(sets, x, others)
        outputs = attributor.explained.values_of_sample(i, model.outputs(points.reshape(-1, *model.shape)))
        values[start : start + sets_per_chunk] = outputs.reshape(len(sets), -1).mean(axis=1)
    return values
