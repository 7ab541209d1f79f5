"""Occlusion: what the output loses when a part of the input is covered.

It asks the network nothing but outputs, so it works where gradients vanish, and it is what one would do by hand. What two
parts say only together is lost with either of them and counts twice; what they say twice is lost with neither.
"""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np

from pellucid.core.config import Count, checked
from pellucid.core.memory import Array, Shape
from pellucid.errors import ConfigError
from pellucid.explain.attribution import Attribution
from pellucid.explain.probe import Attributor
from pellucid.explain.question import Class, Of
from pellucid.model.model import Model

Cut = tuple[slice, ...]


def occlusion(
    model: Model,
    x: Array,
    target: Class | None = None,
    *,
    against: Class | None = None,
    of: Of = "logit",
    baseline: Array | None = None,
    window: int | None = None,
    stride: int | None = None,
    dtype: Any = np.float32,
) -> Attribution:
    """A window slides over the input; what it covers takes the numbers of ``baseline`` (Zeiler and Fergus, 2014).

    The drop f(x) − f(covered) is divided evenly among the numbers that were covered, and each number gets the mean over the
    windows that covered it. A window is ``window`` wide along each axis but the channels: over pictures (h, w, c) a square
    of pixels, all channels at once, by default a seventh of the shorter side; over flat inputs some neighbouring features, by
    default one at a time; over sequences (time, features) some steps. It moves by ``stride``, by default half its
    width, and hangs over the edges, so that (where the stride divides the width) every number is covered equally often.

    It is not complete. On a linear network, where the stride divides the width, the values do add up, and of one feature
    at a time they are its weight times its distance to the baseline. For the other arguments and the errors raised see
    :func:`~pellucid.explain.gradient` and :func:`~pellucid.explain.integrated_gradients`; ConfigError also for a stride
    beyond the window, which would leave numbers that are never covered.
    """
    asked = Attributor(model, x, target, against, of, dtype)
    b = asked.probe.baseline(baseline, len(asked.x))
    cuts = _cuts(asked.probe.shape, window, stride)
    values, covered = np.zeros(asked.x.shape), np.zeros(asked.probe.shape)
    for cut in cuts:
        covered[cut] += 1
    for i, (sample, instead, value) in enumerate(zip(asked.x, b, values, strict=True)):
        for start in range(0, len(cuts), asked.probe.chunk):
            some = cuts[start : start + asked.probe.chunk]
            points = np.repeat(sample[None], len(some), axis=0)
            for point, cut in zip(points, some, strict=True):
                point[cut] = instead[cut]
            drops = asked.output[i] - asked.question.answers(i, asked.probe.outputs(points))
            for drop, cut in zip(drops, some, strict=True):
                value[cut] += drop / value[cut].size
    values = (values / covered).astype(asked.probe.dtype)
    q = asked.question
    return Attribution("occlusion", values, asked.output, asked.answers(b), q.target, q.against, complete=False)


def _cuts(shape: Shape, window: int | None, stride: int | None) -> list[Cut]:
    """The places of the window: from the first that still covers something to the last."""
    axes = shape[:-1] if len(shape) > 1 else shape
    usual = max(1, round(min(axes) / 7)) if len(axes) > 1 else 1
    width = checked(usual if window is None else window, Count, "occlusion", "window")
    step = checked(max(1, width // 2) if stride is None else stride, Count, "occlusion", "stride")
    if step > width:
        raise ConfigError(
            f"occlusion(window={width}, stride={step}): what lies between two windows is never covered; move by {width} at most"
        )
    first = -(math.ceil(width / step) - 1) * step  # the furthest to the front from which 0 is still covered
    places = [[slice(max(at, 0), at + width) for at in range(first, size, step)] for size in axes]
    return list(itertools.product(*places))
