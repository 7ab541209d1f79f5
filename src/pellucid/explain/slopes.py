"""Explanations by the slope at the sample alone: how the output would change if the input changed a little.

They are cheap, one gradient a sample. Of a linear network they say everything; of any other they describe the
neighbourhood, and a unit that is saturated, or off, has no slope there, however much it contributes.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from pellucid.core.memory import Array
from pellucid.explain.attribution import Attribution
from pellucid.explain.probe import Attributor
from pellucid.explain.question import Class, Of
from pellucid.model.model import Model


def saliency(
    model: Model,
    x: Array,
    target: Class | None = None,
    *,
    against: Class | None = None,
    of: Of = "logit",
    baseline: Array | None = None,
    dtype: Any = np.float32,
) -> Attribution:
    """φᵢ = |∂f/∂xᵢ|: how strongly the output reacts to each number of the input (Simonyan, Vedaldi and Zisserman, 2014).

    It is a sensitivity, not a share: it tells where a change would matter, not what the input as it is contributes, so it is
    not complete, and its completeness error only says how far from it. The ``baseline`` serves that error alone. For the
    other arguments and the errors raised see :func:`~pellucid.explain.gradient`.
    """
    asked = Attributor(model, x, target, against, of, dtype)
    slopes = asked.probe.gradient(asked.x, asked.question.coefficients)
    return _told("saliency", asked, np.abs(slopes), asked.probe.baseline(baseline, len(slopes)))


def input_times_gradient(
    model: Model,
    x: Array,
    target: Class | None = None,
    *,
    against: Class | None = None,
    of: Of = "logit",
    baseline: Array | None = None,
    dtype: Any = np.float32,
) -> Attribution:
    """φᵢ = (xᵢ − bᵢ) ∂f/∂xᵢ: the first term of f's Taylor series from the sample to the baseline b (Shrikumar, Greenside,
    Shcherbina and Kundaje, 2016, with b = 0).

    It would be complete if f were linear all the way; the completeness error says how far it is from that. For the arguments
    and the errors raised see :func:`~pellucid.explain.gradient` and :func:`~pellucid.explain.integrated_gradients`.
    """
    asked = Attributor(model, x, target, against, of, dtype)
    slopes = asked.probe.gradient(asked.x, asked.question.coefficients)
    b = asked.probe.baseline(baseline, len(slopes))
    return _told("input-times-gradient", asked, (asked.x - b) * slopes, b)


def _told(method: str, asked: Attributor, values: Array, baseline: Array) -> Attribution:
    q = asked.question
    return Attribution(method, values, asked.output, asked.answers(baseline), q.target, q.against, complete=False)
