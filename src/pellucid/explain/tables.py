"""What the functions on tables need from a model or an estimator: the columns of its rows, and its predictions for them.

A row is what the model takes before its input stage: the values of its columns, one or several for each. This file is the only
one that knows which values belong to a column, and what they mean:

- a number is one value, NaN where it is missing, and perhaps a second one, 1 where it is missing and 0 elsewhere;
- a date is several numbers, its parts, each of which is a column here; the value that says that it is missing is one of all;
- a category is one value for each of the categories, 1 for that of the row and 0 for the others (one-hot), or one value, the
  number of the category from 1 on. Zeros are a category that the training set did not have, and the number 0 is one that was
  rare there, too. A missing value is one more category, the last one, or NaN.

A column is permuted, or set, with all of its values together: a row with two cities at once, or with none, would be a question
that the model was never asked.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from pellucid.core.memory import Array
from pellucid.data.dataset import Dataset
from pellucid.data.tables.columns import TableStage
from pellucid.data.tables.dates import DAYS, iso_date
from pellucid.errors import ConfigError, DataError, did_you_mean
from pellucid.layers import Sigmoid, Softmax
from pellucid.metrics import class_scores
from pellucid.model.ensemble import Ensemble
from pellucid.model.model import Model
from pellucid.model.several import refuse_several
from pellucid.training import inputs

NEEDS_SCIKIT_LEARN = "for an estimator, this needs scikit-learn: pip install 'pellucid[sklearn]'"
MISSING, UNKNOWN, RARE = "(missing)", "(unknown)", "(rare or unknown)"
Cell = float | str


@dataclass(frozen=True)
class RowColumn:
    """A column of a table: its name, the places of its values in a row, and its categories (None for numbers).

    The categories of a column that has missing ones end with "(missing)"; ``coded`` is whether they are numbers. ``days`` is
    whether the numbers are days since 1970. ``group`` are the places of all values that are missing together, if these are
    more than those of the column: the parts of a date.
    """

    name: str
    places: slice
    categories: tuple[str, ...] | None = None
    coded: bool = False
    days: bool = False
    group: slice | None = None

    def cell(self, row: Array) -> Cell:
        """Return what the column holds in a row: a number, which may be NaN, or the name of the category."""
        values = row[self.places]
        if self.categories is None:
            return float(values[0])
        if np.isnan(values).any():
            return MISSING
        if len(values) == len(self.categories) and not self.coded:
            return self.categories[int(values.argmax())] if values.any() else UNKNOWN
        code = int(values[0])
        return self.categories[code - 1] if code >= 1 else RARE

    def written(self, row: Array) -> Cell:
        """Return what the column holds in a row as a person writes it: the cell, or a date instead of the days since 1970."""
        cell = self.cell(row)
        return iso_date(cell) if self.days and isinstance(cell, float) and math.isfinite(cell) else cell

    def grid(self, x: Array, points: int, percentiles: tuple[float, float]) -> tuple[Array | tuple[str, ...], Array]:
        """Return values to set the column to, and the values (g, width) of a row for each of them.

        Numbers: ``points`` numbers at equal distances between two percentiles of those in the rows x, or the different numbers
        if there are no more. Categories: those that occur in x, the most frequent first.
        """
        values = x[:, self.places]
        if self.categories is None:
            numbers = grid_of(values[:, 0], points, percentiles)
            return numbers, np.column_stack([numbers, *[np.zeros(len(numbers))] * (values.shape[1] - 1)])
        cells = np.array([self.cell(row) for row in x])
        names, first, counts = np.unique(cells, return_index=True, return_counts=True)
        order = np.argsort(-counts, kind="stable")
        return tuple(names[order].tolist()), values[first[order]]

    def set_missing(self, x: Array) -> Array | None:
        """Return a copy of the rows x in which a number or date is missing in each; None if it is missing in none of x."""
        gaps = np.isnan(x[:, self.places.start])
        if self.categories is not None or not gaps.any():
            return None
        changed, places = x.copy(), self.group or self.places
        changed[:, places] = x[gaps.argmax(), places]
        return changed


def grid_of(numbers: Array, points: int, percentiles: tuple[float, float]) -> Array:
    """Return ``points`` numbers at equal distances between two percentiles, or the different numbers if there are no more."""
    known = numbers[~np.isnan(numbers)]
    different: Array = np.unique(known)
    if len(different) <= points:
        return different
    low, high = np.quantile(known, percentiles)
    return np.linspace(low, high, points)


def is_model(model: Any) -> bool:
    """Return whether this is a model or an ensemble of Pellucid; otherwise it must be an estimator of scikit-learn's kind."""
    return isinstance(model, (Model, Ensemble))


def check_estimator_like(model: Any, function: str) -> None:
    """Raise ConfigError unless this is an estimator: an object that predicts."""
    if not callable(getattr(model, "predict", None)):
        raise ConfigError(
            f"{function} takes a model, an ensemble or a trained scikit-learn estimator, got {type(model).__name__}"
        )


def check_dense(x: Any, function: str) -> None:
    """Raise DataError for a sparse matrix, whose columns are not set one by one."""
    if hasattr(x, "toarray"):
        raise DataError(f"{function} of an estimator takes an array or a data frame; make a sparse matrix dense: x.toarray()")


def first_of(model: Model | Ensemble) -> Model:
    """Return the model itself, or the first one of an ensemble."""
    return model.models[0] if isinstance(model, Ensemble) else model


def table_stage(model: Model | Ensemble) -> TableStage | None:
    """Return the input stage of a model of a table, which names its columns; None for others, also of series."""
    stage = first_of(model).input_stage
    return stage if isinstance(stage, TableStage) and stage.series is None else None


def columns_of(model: Model | Ensemble, function: str) -> tuple[RowColumn, ...]:
    """Return the columns of the model's rows. Without names they are called by their numbers, from 0 on.

    Each part of a date that may be missing has the value that says so as its second one.

    Raises ConfigError for a model whose samples are not rows; ``function`` is what the user called.
    """
    first = first_of(model)
    refuse_several(first.network, function)
    stage, shape = table_stage(model), first.input_shape
    if len(shape) != 1:
        raise ConfigError(f"{function} is for models of tables, whose samples are rows (d), but this one takes {shape}")
    if stage is None:
        return tuple(RowColumn(str(i), slice(i, i + 1)) for i in range(shape[0]))
    columns, start = list[RowColumn](), 0
    for column in stage.columns:
        stop = start + column.width
        if column.categories is not None:
            names = (*column.categories, *(MISSING,) * column.missing)
            columns.append(RowColumn(column.name, slice(start, stop), names, column.coded))
        elif column.date is None:
            columns.append(RowColumn(column.name, slice(start, stop)))
        else:
            for i, name in enumerate(column.names[: len(column.parts)]):
                step = len(column.parts) - i  # from the part to the value that says that the date is missing
                places = slice(start + i, stop if column.missing else start + i + 1, step)
                columns.append(RowColumn(name, places, days=column.parts[i] == DAYS, group=slice(start, stop)))
        start = stop
    return tuple(columns)


def find_column(columns: Sequence[RowColumn], name: str | int, function: str) -> RowColumn:
    """Return the column of that name or number. Raises ConfigError if there is none."""
    if isinstance(name, (int, np.integer)) and 0 <= name < len(columns):
        return columns[int(name)]
    found = [column for column in columns if column.name == name]
    if not found:
        raise ConfigError(f"{function}: there is no column {name!r}: {did_you_mean(str(name), [one.name for one in columns])}")
    return found[0]


def dataset_of(model: Model | Ensemble, x: Any, y: Any, sample_weight: Any = None) -> Dataset:
    """Return the rows with their targets as a data set of raw rows; ``x`` may be one, or arrays, or a data frame."""
    stage = first_of(model).input_stage
    if not isinstance(x, Dataset) and y is None and hasattr(x, "columns"):
        return model.read(x, labelled=True)
    return inputs.as_dataset(x, y, sample_weight, stage=stage)


def rows_of(model: Model | Ensemble, x: Any) -> Array:
    """Return raw rows (n, d) as a new array: of a data set, an array, or a data frame."""
    if not isinstance(x, Dataset) and hasattr(x, "columns"):
        x = model.read(x, labelled=False)
    return np.array(inputs.as_samples(x, first_of(model).input_stage))


@dataclass(frozen=True, eq=False)
class Predictions:
    """What was predicted for n rows, and what is true.

    For classes, ``outputs`` (n, k ≥ 2) are the scores of the classes (probabilities, if ``probabilities`` says so) and ``true``
    (n) the numbers of the true ones, whose names are ``classes``. For numbers, both are (n), and ``classes`` is None.
    ``weights`` (n) are the sample weights.
    """

    outputs: Array
    true: Array
    classes: tuple[str, ...] | None
    probabilities: bool
    weights: Array

    def __len__(self) -> int:
        return len(self.true)

    def require_numbers(self, function: str) -> Predictions:
        """Return these predictions. Raises ConfigError for those of classes."""
        if self.classes is not None:
            raise ConfigError(f"{function} is for models that predict numbers, but this one predicts classes")
        return self

    def require_probabilities(self, function: str) -> Predictions:
        """Return these predictions. Raises ConfigError unless they are probabilities of classes."""
        if self.classes is None or not self.probabilities:
            what = "numbers" if self.classes is None else "scores that are not probabilities"
            raise ConfigError(
                f"{function} is for models that predict the probabilities of classes, but this one predicts {what}"
            )
        return self

    def class_index(self, label: str | int | None, function: str) -> int:
        """Return the number of a class. None is the second of two classes. Raises ConfigError for any other."""
        names = self.classes or ()
        if label is None:
            if len(names) == 2:
                return 1
            raise ConfigError(f"{function}: name one of the {len(names)} classes: {', '.join(names[:10])}")
        if str(label) in names:
            return names.index(str(label))
        raise ConfigError(f"{function}: there is no class {label!r}: {did_you_mean(str(label), names)}")


def predictions_of(model: Any, x: Any, y: Any = None, *, function: str, sample_weight: Any = None) -> Predictions:
    """Return the predictions of a model or an estimator beside the truth.

    Raises ConfigError for an estimator without y, and for a model that predicts several numbers or independent labels.
    """
    if not is_model(model):
        return _of_estimator(model, x, y, function, sample_weight)
    columns_of(model, function)
    data, first = dataset_of(model, x, y, sample_weight), first_of(model)
    if data.y is None:
        raise DataError(f"{function}: {data.name} has no targets")
    outputs, targets = np.asarray(model.predict(data), np.float64), np.asarray(data.y)
    weights = np.ones(len(data)) if data.sample_weight is None else np.asarray(data.sample_weight, np.float64)
    if not first.state.loss.classifies and first.classes is None:
        if outputs.shape[1:] != (1,):
            raise ConfigError(f"{function} is for models with one number for each row, but this one has {outputs.shape[1]}")
        return Predictions(outputs[:, 0], targets.reshape(len(data)).astype(np.float64), None, False, weights)
    if first.state.loss.multi_label and outputs.shape[1] > 1:
        raise ConfigError(f"{function} is for rows with one class each, but this model answers for independent labels")
    probabilities = isinstance(first.state.head, (Softmax, Sigmoid))
    if outputs.shape[1] == 1 and not probabilities:
        outputs = np.concatenate([-outputs, outputs], axis=1)
        scores, labels = outputs, (targets.reshape(-1) > 0).astype(np.int64)
    else:
        scores, labels = class_scores(outputs, targets)
    names = first.classes or tuple(str(i) for i in range(scores.shape[1]))
    return Predictions(scores, np.asarray(labels).astype(np.int64), tuple(names), probabilities, weights)


def _of_estimator(estimator: Any, x: Any, y: Any, function: str, sample_weight: Any) -> Predictions:
    check_estimator_like(estimator, function)
    if y is None:
        raise DataError(f"{function}: an estimator needs the targets, {function}(estimator, x, y)")
    y = np.asarray(y)
    weights = np.ones(len(y)) if sample_weight is None else np.asarray(sample_weight, np.float64)
    if not hasattr(estimator, "classes_"):
        outputs = np.asarray(estimator.predict(x), np.float64)
        if outputs.ndim != 1:
            raise ConfigError(f"{function} is for one number for each row, but this estimator predicts {outputs.shape[1]}")
        return Predictions(outputs, y.reshape(len(outputs)).astype(np.float64), None, False, weights)
    classes = np.asarray(estimator.classes_)
    if y.ndim != 1 or not np.isin(y, classes).all():
        raise DataError(f"{function}: y must hold the classes of the estimator, {', '.join(map(str, classes[:10]))}")
    if callable(getattr(estimator, "predict_proba", None)):
        outputs, probabilities = np.asarray(estimator.predict_proba(x), np.float64), True
    else:
        outputs, probabilities = np.asarray(estimator.decision_function(x), np.float64), False
        outputs = np.stack([-outputs, outputs], axis=1) if outputs.ndim == 1 else outputs
    return Predictions(outputs, np.searchsorted(classes, y), tuple(map(str, classes)), probabilities, weights)
