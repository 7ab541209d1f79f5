"""Models that predict several numbers for each row of a table, one target at a time.

Their errors have different units, so that a mean over the targets says little: each target has scores of its own.
"""

from __future__ import annotations

import numpy as np

from pellucid.core.memory import Array
from pellucid.data import Dataset
from pellucid.explain.tables import first_of, table_stage
from pellucid.layers import Slice
from pellucid.losses import MeanSquaredError
from pellucid.metrics import R2, AbsoluteError, SquaredError
from pellucid.model.ensemble import Ensemble
from pellucid.model.model import Model
from pellucid.networks import Sequential


def several_targets(model: Model | Ensemble) -> tuple[str, ...]:
    """Return the names of the targets of a model that predicts several numbers for each row; no names for other models."""
    first, stage = first_of(model), table_stage(model)
    if stage is None or len(stage.targets) < 2 or first.output_shape != (len(stage.targets),):
        return ()
    return tuple(target.name for target in stage.targets)


def one_target(model: Model | Ensemble, index: int) -> Model | Ensemble:
    """Return a model that predicts the target of this number alone: the same network, and a layer that selects its output."""
    if isinstance(model, Ensemble):
        return Ensemble([_one_target(one, index) for one in model.models])
    return _one_target(model, index)


def _one_target(model: Model, index: int) -> Model:
    network = Sequential(model.network, Slice(index, index + 1))
    found = network.compile(model.input_shape, MeanSquaredError(), input_stage=model.input_stage)
    found.state.parameters[:], found.state.statistics[:] = model.state.parameters, model.state.statistics
    return found


def with_target(data: Dataset, index: int) -> Dataset:
    """Return the samples with the target of this number alone."""
    y: Array = np.asarray(data.source_y)[:, index]
    return Dataset(data.source_x, y, data.source_sample_weight, None, data.name, data.rows, data.origin)


def scores_by_target(model: Model | Ensemble, data: Dataset) -> dict[str, dict[str, float]]:
    """Return MSE, MAE and R² of each of several targets, in its own unit; an empty dictionary for other models."""
    metrics, found = (SquaredError(), AbsoluteError(), R2()), dict[str, dict[str, float]]()
    for i, name in enumerate(several_targets(model)):
        values = one_target(model, i).evaluate(with_target(data, i), metrics=metrics)
        found[name] = {metric.name: float(values[metric.name]) for metric in metrics}
    return found
