"""Forecasts of a series beside those of simple methods, by the step of the horizon.

A forecasting network is useful if it is better than

- *naive*: the last value of each target, for every step;
- *seasonal*: the value one season before, for a series with a period;
- *linear*: ridge regression on the same windows, with the penalty that is best on the validation part.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from pellucid.core.memory import Array
from pellucid.data import Dataset, Splits
from pellucid.data.tables.columns import Standardization
from pellucid.errors import ConfigError
from pellucid.model.ensemble import Ensemble
from pellucid.model.model import Model

MAX_VALUES = 2_000  # of a window: above, the linear forecast would take longer than the network
PENALTIES = np.logspace(-7, 1, 9)  # by the number of windows
_CHUNK = 1024  # windows that are read together


@dataclass(frozen=True)
class Forecasts:
    """Forecasts for the same windows: the past x (n, time, columns), the true values y (n, horizon, k), and the ``predicted``
    values of each method, the model first, in the units of the ``targets``. ``positions`` are those of the targets in x.
    """

    targets: tuple[str, ...]
    positions: tuple[int, ...]
    x: Array
    y: Array
    predicted: Mapping[str, Array]

    @classmethod
    def of(
        cls, model: Model | Ensemble, samples: Dataset, season: int | None = None, splits: Splits | None = None
    ) -> Forecasts:
        """Return the forecasts of a model, or of several, and of the simple methods for windows with targets.

        The seasonal forecast needs the ``season``, in rows, and the linear one the ``splits`` that the model was trained on.
        Raises ConfigError for a season that is longer than the window, and for outputs that are no forecasts of the series.
        """
        stage = (model.models[0] if isinstance(model, Ensemble) else model).input_stage
        assert isinstance(stage, Standardization)
        assert stage.series is not None
        check_forecasts(model)
        columns, horizon = list(target_positions(stage)), stage.series.horizon
        x, y = np.asarray(samples.x, np.float64), np.asarray(samples.y, np.float64)
        predicted = {"model": model.predict(samples).astype(np.float64)}
        predicted["naive"] = np.repeat(x[:, -1:, columns], horizon, axis=1)
        if season is not None:
            if season > x.shape[1]:
                raise ConfigError(f"a window of {x.shape[1]} rows has no value one season of {season} rows before")
            back = [season * math.ceil((step + 1) / season) - step for step in range(horizon)]
            predicted["seasonal"] = x[:, [-rows for rows in back]][:, :, columns]
        if splits is not None and math.prod(splits.train.shape) <= MAX_VALUES:
            predicted["linear"] = LinearForecast.fit(splits.train, splits.validation, stage).predict(x)
        return cls(stage.series.targets, tuple(columns), x, y, predicted)

    def errors(self) -> dict[str, Array]:
        """Return the mean absolute error of each method, (horizon, k), in the units of the targets."""
        return {name: np.abs(values - self.y).mean(axis=0) for name, values in self.predicted.items()}

    def record(self) -> dict[str, Any]:
        """Return the mean absolute errors as plain JSON: by target and method, the mean and the error of each step."""
        found: dict[str, Any] = {target: {} for target in self.targets}
        for name, error in self.errors().items():
            for i, target in enumerate(self.targets):
                found[target][name] = {"mae": float(error[:, i].mean()), "by_step": error[:, i].tolist()}
        return found


def check_forecasts(model: Model | Ensemble) -> None:
    """Raise ConfigError unless the outputs of a model of a series are its forecasts: one for each row ahead and each target."""
    first = model.models[0] if isinstance(model, Ensemble) else model
    assert isinstance(first.input_stage, Standardization)
    layout = first.input_stage.series
    assert layout is not None
    expected = layout.horizon, len(layout.targets)
    if first.output_shape != expected:
        raise ConfigError(
            f"the network has outputs of the shape {first.output_shape}, but the forecasts of the series have the shape "
            f"{expected} (rows ahead, targets): use predict(x) with arrays, or train a model of this series"
        )


def target_positions(stage: Standardization) -> tuple[int, ...]:
    """Return the positions of the targets of a series among the values of a row."""
    assert stage.series is not None
    return tuple(stage.names.index(target) for target in stage.series.targets)


@dataclass(frozen=True)
class LinearForecast:
    """Ridge regression of the changes since the last row on the standardized values of the window (Hoerl and Kennard, 1970).

    Like a network, it reads the targets as differences to their last values. On the validation part, the best of several
    penalties is chosen, and whether the last values themselves are inputs too.
    """

    stage: Standardization
    levels: bool
    coefficients: Array  # (inputs, horizon · k), the first of them for the constant 1

    @classmethod
    def fit(cls, train: Dataset, validation: Dataset, stage: Standardization) -> LinearForecast:
        """Return the forecast that is fitted to the training windows and chosen on the validation windows."""
        products: list[Array] = []
        for start in range(0, len(train), _CHUNK):
            part = train.take(np.arange(start, min(start + _CHUNK, len(train))))
            inputs, changes = _inputs(stage, part.x, levels=True), _changes(stage, part.x, np.asarray(part.y))
            both = [inputs.T @ inputs, inputs.T @ changes]
            products = both if not products else [total + more for total, more in zip(products, both, strict=True)]
        gram, moment = products
        true = np.asarray(validation.y, np.float64)
        candidates = list[tuple[float, LinearForecast]]()
        for levels in (False, True):
            count = len(gram) if levels else len(gram) - len(target_positions(stage))
            for penalty in PENALTIES * len(train):
                ridge = np.diag(np.r_[0.0, np.full(count - 1, penalty)])
                forecast = cls(stage, levels, np.linalg.solve(gram[:count, :count] + ridge, moment[:count]))
                error = (forecast.predict(validation.x) - true) / _units(stage)
                candidates.append((float(np.square(error).mean()), forecast))
        return min(candidates, key=lambda candidate: candidate[0])[1]

    def predict(self, x: Array) -> Array:
        """Return the forecasts (n, horizon, k) for windows x (n, time, columns), in the units of the targets."""
        columns = list(target_positions(self.stage))
        parts = [
            x[start : start + _CHUNK] for start in range(0, max(len(x), 1), _CHUNK)
        ]  # windows overlap: all of them are large
        changes = np.concatenate([_inputs(self.stage, part, self.levels) @ self.coefficients for part in parts])
        return np.asarray(x[:, -1:, columns], np.float64) + changes.reshape(len(x), -1, len(columns)) * _units(self.stage)


def _units(stage: Standardization) -> Array:
    return np.asarray(stage.scale)[list(target_positions(stage))]


def _inputs(stage: Standardization, x: Array, levels: bool) -> Array:
    """Return the inputs of the linear forecast: 1, the window, and with ``levels`` the last values of the targets."""
    rows = (np.asarray(x, np.float64) - np.asarray(stage.mean)) / np.asarray(stage.scale)
    columns = list(target_positions(stage))
    last = rows[:, -1, columns]
    rows[:, :, columns] -= last[:, None]
    return np.concatenate([np.ones((len(x), 1)), rows.reshape(len(x), -1), *([last] if levels else [])], axis=1)


def _changes(stage: Standardization, x: Array, y: Array) -> Array:
    columns = list(target_positions(stage))
    changes = (y.astype(np.float64) - np.asarray(x, np.float64)[:, -1:, columns]) / _units(stage)
    return changes.reshape(len(x), -1)
