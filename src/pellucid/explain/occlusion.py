"""Occlusion: how much the output drops when a part of the input is covered.

It needs only outputs, so it also works where gradients vanish. If two parts support the class only together, covering either
one removes the whole effect, and it is counted twice. If each of them alone is sufficient, covering one has no effect.
"""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np

from pellucid.core.config import Count, validate
from pellucid.core.memory import Array, Shape
from pellucid.errors import ConfigError
from pellucid.explain.attribution import Attribution
from pellucid.explain.attributor import Attributor
from pellucid.explain.explained_output import ClassChoice, OutputKind
from pellucid.explain.output_position import Position
from pellucid.model.model import Model

Window = tuple[slice, ...]  # one slice per axis except the channels


def occlusion(
    model: Model,
    x: Array,
    target: ClassChoice | None = None,
    *,
    against: ClassChoice | None = None,
    of: OutputKind = "logit",
    position: Position | None = None,
    baseline: Array | None = None,
    window: int | None = None,
    stride: int | None = None,
    dtype: Any = np.float32,
) -> Attribution:
    """Return the effect of a sliding window whose content is replaced by ``baseline`` (Zeiler and Fergus, 2014).

    The drop f(x) − f(covered) is divided evenly among the values in the window. Each value of the input gets the mean over
    the windows that cover it.

    - ``window``: the width of the window along each axis except the channels. For images (h, w, c) it is a square of pixels
      with all channels, by default a seventh of the shorter side. For flat inputs it is a number of neighboring features, by
      default one. For sequences (time, features) it is a number of time steps.
    - ``stride``: the step of the window, by default half its width. Windows extend beyond the borders, so that every value is
      covered equally often if the stride divides the width.

    Occlusion is not complete. For a linear network, the values do add up if the stride divides the width; with windows of one
    feature, a value is the feature's weight times its difference from the baseline.

    For the other arguments and the errors raised see :func:`~pellucid.explain.gradient` and
    :func:`~pellucid.explain.integrated_gradients`. Raises ConfigError also for a stride larger than the window, which would
    never cover some values.
    """
    attributor = Attributor(model, x, target, against, of, position, dtype)
    x, shape, chunk = attributor.x, attributor.model.shape, attributor.model.chunk
    b = attributor.model.baseline(baseline, len(x))
    windows = _windows(shape, window, stride)
    values, coverage = np.zeros(x.shape), np.zeros(shape)
    for covered in windows:
        coverage[covered] += 1
    for i, (sample, replacement, sample_values) in enumerate(zip(x, b, values, strict=True)):
        for start in range(0, len(windows), chunk):
            chunk_windows = windows[start : start + chunk]
            points = np.repeat(sample[None], len(chunk_windows), axis=0)
            for point, covered in zip(points, chunk_windows, strict=True):
                point[covered] = replacement[covered]
            drops = attributor.output[i] - attributor.explained.values_of_sample(i, attributor.model.outputs(points))
            for drop, covered in zip(drops, chunk_windows, strict=True):
                sample_values[covered] += drop / sample_values[covered].size
    values = (values / coverage).astype(attributor.model.dtype)
    return attributor.attribution("occlusion", values, attributor.output_at(b), complete=False)


def _windows(shape: Shape, window: int | None, stride: int | None) -> list[Window]:
    """Return all positions of the window at which it covers at least one value."""
    axes = shape[:-1] if len(shape) > 1 else shape
    default = max(1, round(min(axes) / 7)) if len(axes) > 1 else 1
    width = validate(default if window is None else window, Count, "occlusion", "window")
    step = validate(max(1, width // 2) if stride is None else stride, Count, "occlusion", "stride")
    if step > width:
        raise ConfigError(
            f"occlusion(window={width}, stride={step}): values between two windows are never covered; use a stride of at most "
            f"{width}"
        )
    first = -(math.ceil(width / step) - 1) * step  # the first start from which the window covers index 0
    positions = [[slice(max(at, 0), at + width) for at in range(first, size, step)] for size in axes]
    return list(itertools.product(*positions))
