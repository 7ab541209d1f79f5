"""Quantization after training: a model whose dense layers and convolutions have weights of 8 bits.

The model computes what an exported program with 8 bits computes, up to the rounding of float, so that the loss of accuracy is
known before anything is written. The rules are in :mod:`pellucid.export.plain.int8`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from pellucid.core.memory import Array
from pellucid.data import Dataset
from pellucid.export.plain.int8 import LARGEST, Int8, StepByStep, has_integers, integers, rounded
from pellucid.export.trained_network import TrainedNetwork
from pellucid.model.model import Model
from pellucid.training.prediction import Predictor

CALIBRATION_SAMPLES = 1000  # the largest value of an array hardly changes with more


@dataclass(frozen=True)
class QuantizedModel:
    """A model with weights of 8 bits.

    ``model`` is a copy of the model that predicts and evaluates with 8 bits: ``quantized.model.evaluate(test)``. ``int8`` are
    the scales that an export needs: ``model.export_c(folder, int8=quantized.int8)``.
    """

    model: Model
    int8: Int8


def quantize(model: Model, calibration: Any) -> QuantizedModel:
    """Return the model with weights of 8 bits, whose scales are measured on samples of the training data.

    ``calibration`` is a data set or an array of samples, of which up to 1,000 are used, at equal distances. ``model`` does not
    change. Raises the errors of ``Model.predict`` for the samples.
    """
    result, state = model.copy(), model.state
    body = TrainedNetwork(state.body, model.input_shape, state.arrays(), model.input_stage)
    steps = [step for step in body.steps()[0] if has_integers(step)]
    largest = {step.path: 0.0 for step in steps}

    def record(path: str, x: Array) -> Array:
        if path in largest:
            largest[path] = max(largest[path], float(np.abs(x).max(initial=0)))
        return x

    result._predictor = Predictor(result.state, StepByStep(body, record))
    result.predict(_spread(calibration, CALIBRATION_SAMPLES))
    scales = {path: float(np.float32((value or 1.0) / LARGEST)) for path, value in largest.items()}
    arrays = result.state.arrays()
    for step in steps:
        values, scale = integers(step.arrays["W"])
        arrays[step.slot_path("W")][...] = values * scale
    change = StepByStep(body, lambda path, x: rounded(x, scales[path]) if path in scales else x)
    result._predictor = Predictor(result.state, change)
    return QuantizedModel(result, Int8(scales))


def _spread(samples: Any, n: int) -> Any:
    """Return up to n samples at equal distances."""
    if len(samples) <= n:
        return samples
    rows = np.linspace(0, len(samples) - 1, n).astype(np.int64)
    return samples.take(rows) if isinstance(samples, Dataset) else samples[rows]
