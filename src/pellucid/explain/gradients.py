"""Gradients with respect to the input, and the attributions that use only the gradient at the sample.

They cost one gradient per sample. For a linear network they are a complete explanation. For any other network they describe a
small neighborhood of the sample: a unit that is saturated or off has a gradient of 0, however much it contributes.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from pellucid.core.memory import Array
from pellucid.explain.attribution import Attribution
from pellucid.explain.attributor import Attributor
from pellucid.explain.explained_output import ClassChoice, OutputKind
from pellucid.explain.output_position import Position
from pellucid.model.model import Model


def gradient(
    model: Model,
    x: Array,
    target: ClassChoice | None = None,
    *,
    against: ClassChoice | None = None,
    of: OutputKind = "logit",
    position: Position | None = None,
    dtype: Any = np.float32,
) -> tuple[Array, Array]:
    """Return (f, ∂f/∂x) for each of the samples x (n, *input shape).

    f (n) is in float64. Its gradient (n, *input shape), with respect to the *scaled* input, is in ``dtype``.

    - ``target``: the class whose output f is: an index, a name, one of these for each sample, or None for the predicted class.
    - ``against``: a class whose output is subtracted. "Why 4 and not 9?" is ``target=4, against=9``.
    - ``of``: "logit", or "output" for the value after the softmax or sigmoid.
    - ``position``: for a network with an output at each of several positions, the one that is explained: an index for each
      of their axes, ``(row, column)`` in an image, a step in a series; or a mask (…positions), whose mean output is explained.

    Raises ShapeError, DataError or ConfigError if the arguments do not fit the model.
    """
    attributor = Attributor(model, x, target, against, of, position, dtype)
    return attributor.output, attributor.gradient()


def saliency(
    model: Model,
    x: Array,
    target: ClassChoice | None = None,
    *,
    against: ClassChoice | None = None,
    of: OutputKind = "logit",
    position: Position | None = None,
    baseline: Array | None = None,
    dtype: Any = np.float32,
) -> Attribution:
    """Return the saliency φᵢ = |∂f/∂xᵢ|, the sensitivity of the output to each value of the input.

    Saliency (Simonyan, Vedaldi and Zisserman, 2014) shows where a change would matter, not what the values contribute, and
    is therefore not complete. The ``baseline`` is used only for the completeness error. For the other arguments and the
    errors raised see :func:`~pellucid.explain.gradient`.
    """
    attributor = Attributor(model, x, target, against, of, position, dtype)
    values = np.abs(attributor.gradient())
    b = attributor.model.baseline(baseline, len(values))
    return attributor.attribution("saliency", values, attributor.output_at(b), complete=False)


def input_times_gradient(
    model: Model,
    x: Array,
    target: ClassChoice | None = None,
    *,
    against: ClassChoice | None = None,
    of: OutputKind = "logit",
    position: Position | None = None,
    baseline: Array | None = None,
    dtype: Any = np.float32,
) -> Attribution:
    """Return φᵢ = (xᵢ − bᵢ) ∂f/∂xᵢ: their sum approximates f(x) − f(b) to first order, by the gradient at the sample x.

    Shrikumar, Greenside, Shcherbina and Kundaje (2016) introduced it with the baseline b = 0. It is complete only if f is
    linear between baseline and sample. For the arguments and the errors raised see :func:`~pellucid.explain.gradient` and
    :func:`~pellucid.explain.integrated_gradients`.
    """
    attributor = Attributor(model, x, target, against, of, position, dtype)
    gradients = attributor.gradient()
    b = attributor.model.baseline(baseline, len(gradients))
    values = (attributor.x - b) * gradients
    return attributor.attribution("input-times-gradient", values, attributor.output_at(b), complete=False)
