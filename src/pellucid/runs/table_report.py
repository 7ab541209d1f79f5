"""The report on a model of a table: which columns it uses and how, how far it can be trusted, and where it is wrong.

Everything is measured on a part of the data that the model was not trained on, mostly the test part. What has to be chosen or
calibrated (thresholds, prediction intervals) is chosen on another one, the validation part, and measured on the test part.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from pellucid.core.memory import Array
from pellucid.data import Dataset
from pellucid.errors import ConfigError, DataError
from pellucid.explain import (
    Coverage,
    DecisionThreshold,
    Importance,
    LargestErrors,
    PartialDependence,
    PredictionIntervals,
    partial_dependence,
    permutation_importance,
)
from pellucid.explain.errors import errors_of
from pellucid.explain.intervals import calibrate
from pellucid.explain.tables import Cell, Predictions, columns_of, first_of, predictions_of, table_stage
from pellucid.metrics import (
    R2,
    Accuracy,
    LogLoss,
    Reliability,
    ThresholdChoice,
    ThresholdCurve,
    reliability,
    threshold_curve,
)
from pellucid.model.ensemble import Ensemble
from pellucid.model.model import Model
from pellucid.runs.examination import file_rows
from pellucid.runs.targets import one_target, several_targets, with_target

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SHUFFLED_ROWS = 5_000  # with more, the importance would change by less than its spread
SHUFFLED_VALUES = 20_000_000  # predicted rows times columns, so that wide tables take seconds, too
REPEATS = 10
CURVE_ROWS = 500  # whose individual curves are computed
STRONGEST = 4  # columns whose curves are drawn
WORST = 10  # rows that are listed
MATRIX_CLASSES = 20  # of a confusion matrix that can be read
PARTS = ("test", "validation", "train")  # of the data of a run
LEVEL = 0.9  # of the prediction intervals
BIN_ROWS, MAX_BINS = 100, 5  # with 100 calibration samples in a bin, the coverage in it has a deviation of 3 %
WISHES = (("precision", 0.8), ("precision", 0.9), ("precision", 0.95), ("recall", 0.8), ("recall", 0.9), ("recall", 0.95))


@dataclass(frozen=True)
class Wish:
    """A wished precision or recall (``kind``) of a class, and the threshold that has it on the validation part.

    ``measured`` is what this threshold does on the test part, or None if all of its rows belong to the class, or none. Both are
    None if no threshold has the wished precision.
    """

    kind: str
    value: float
    label: str
    chosen: ThresholdChoice | None
    measured: ThresholdChoice | None

    @property
    def rule(self) -> DecisionThreshold | None:
        """The rule for classes with this threshold."""
        return None if self.chosen is None else DecisionThreshold(self.label, self.chosen.threshold, self.chosen)

    def record(self) -> dict[str, Any]:
        """Return the wish for a JSON file."""
        return {
            "wish": self.kind,
            "value": self.value,
            "class": self.label,
            "threshold": None if self.chosen is None else self.chosen.threshold,
            "validation": _choice(self.chosen),
            "test": _choice(self.measured),
        }


@dataclass(frozen=True, eq=False)
class TableReport:
    """What was measured on a model of a table; see :func:`table_report`.

    - ``target``: the name of the predicted column.
    - ``part``, ``rows``: the name and the size of the part on which it was measured, or the name of other data.
      ``calibration_rows`` is the size of the part on which thresholds and intervals were chosen, or 0.
    - ``importance``: of all columns. ``dependence``: of the strongest columns.
    - ``worst``: the rows with the largest errors, ``worst_cells`` what is in their columns, and ``worst_lines`` their rows in
      the file, from 1 without the header, if they are known.
    - For classes: ``curves`` by class, ``reliability`` of the probability of ``reliability_of``, and the ``wishes``. A class
      has no curve if all rows belong to it, or none.
    - For numbers: ``intervals`` and their ``coverage``.
    - ``notes``: what was left out, and why.
    """

    target: str
    part: str
    rows: int
    calibration_rows: int
    predictions: Predictions
    importance: Importance
    dependence: tuple[PartialDependence, ...]
    worst: LargestErrors
    worst_cells: tuple[Mapping[str, Cell], ...]
    worst_lines: tuple[int, ...] | None
    curves: Mapping[str, ThresholdCurve]
    reliability: Reliability | None
    reliability_of: str
    wishes: tuple[Wish, ...]
    intervals: PredictionIntervals | None
    coverage: Coverage | None
    notes: tuple[str, ...]

    @property
    def place(self) -> str:
        """What it was measured on, as a text: ``the test part``, or the name of other data."""
        return f"the {self.part} part" if self.part in PARTS else self.part

    @functools.cached_property
    def residuals(self) -> Array:
        """(n): truth minus prediction, for numbers."""
        difference: Array = self.predictions.true - self.predictions.outputs
        return difference

    def record(self) -> dict[str, Any]:
        """Return the results for a JSON file."""
        importance = self.importance
        columns = [
            {
                "column": importance.columns[i],
                "importance": importance.mean[i],
                "spread": importance.spread[i],
                "clear": bool(importance.clear[i]),
            }
            for i in importance.order
        ]
        found: dict[str, Any] = {
            "target": self.target,
            "part": self.part,
            "rows": self.rows,
            "calibration_rows": self.calibration_rows,
            "importance": {"metric": importance.metric, "score": importance.score, "shuffles": REPEATS, "columns": columns},
            "partial_dependence": [
                {
                    "column": one.column,
                    "values": one.values,
                    "outputs": one.outputs,
                    "average": one.average,
                    "average_missing": one.average_missing,
                }
                for one in self.dependence
            ],
            "largest_errors": [
                {
                    "row": int(row) if self.worst_lines is None else self.worst_lines[i],
                    "columns": dict(self.worst_cells[i]),
                    "true": self.worst.true[i],
                    "predicted": self.worst.predicted[i],
                    "error": self.worst.errors[i],
                }
                for i, row in enumerate(self.worst.rows)
            ],
            "left_out": list(self.notes),
        }
        if self.curves or self.wishes:
            found["classes"] = {
                name: {"roc_auc": one.roc_auc, "average_precision": one.average_precision, "fraction": one.fraction}
                for name, one in self.curves.items()
            }
            found["thresholds"] = [wish.record() for wish in self.wishes]
        if self.reliability is not None:
            one = self.reliability
            found["calibration"] = {
                "probability_of": self.reliability_of,
                "error": one.error,
                "probability": one.probability,
                "fraction": one.fraction,
                "count": one.count,
            }
        if self.predictions.classes is None:
            left = self.residuals
            found["residuals"] = {"mean": left.mean(), "deviation": left.std(), "low": left.min(), "high": left.max()}
        if self.intervals is not None and self.coverage is not None:
            found["intervals"] = {
                "level": self.intervals.level,
                "edges": self.intervals.edges,
                "half_widths": self.intervals.half_widths,
                "calibration_rows": self.intervals.counts,
                "coverage": self.coverage.fraction,
                "coverage_interval": self.coverage.interval,
                "expected_coverage": self.coverage.expected,
                "coverage_deviation": self.coverage.deviation,
            }
        return found

    def figures(self) -> dict[str, Figure]:
        """Return the figures by name. Raises ConfigError if Matplotlib is not installed."""
        from pellucid import plots

        drawn = {"importance": plots.importance(self.importance)}
        if self.dependence:
            drawn["dependence"] = plots.partial_dependence(self.dependence)
        if (names := self.predictions.classes) is not None and len(names) <= MATRIX_CLASSES:
            table = np.zeros((len(names), len(names)))
            np.add.at(table, (self.predictions.true, self.predictions.outputs.argmax(axis=1)), 1)
            drawn["confusion"] = plots.confusion_matrix(table, names)
        if self.curves:
            marks = {f"{wish.kind} {100 * wish.value:g} %": wish.chosen for wish in self.wishes if wish.chosen is not None}
            marked = dict(list(marks.items())[:1]) if len(self.wishes) == 1 else {}
            drawn["thresholds"] = plots.threshold_curves(self.curves, marked)
        if self.reliability is not None:
            drawn["calibration"] = plots.reliability_diagram(self.reliability, self.reliability_of)
        if self.predictions.classes is None:
            drawn["predictions"] = plots.predictions(self.predictions.true, self.predictions.outputs)
            drawn["residuals"] = plots.residuals(self.predictions.true, self.predictions.outputs, self.intervals)
        return drawn


def _choice(one: ThresholdChoice | None) -> dict[str, float] | None:
    return None if one is None else {"precision": one.precision, "recall": one.recall, "chosen": one.chosen}


def is_about_a_table(model: Model | Ensemble) -> bool:
    """Return whether there is a report on this model: its samples are the rows of a table, each with one class or number."""
    first = first_of(model)
    if table_stage(model) is None or len(first.input_shape) != 1:
        return False
    if not first.state.loss.classifies and first.classes is None:
        return first.output_shape == (1,)
    return len(first.output_shape) == 1 and not (first.state.loss.multi_label and first.output_shape[0] > 1)


def table_report(
    model: Model | Ensemble,
    test: Dataset,
    calibration: Dataset | None = None,
    *,
    part: str = "test",
    precision: float | None = None,
    recall: float | None = None,
    positive: str | None = None,
    target: str | None = None,
    seed: int = 0,
) -> TableReport:
    """Return the report on a model of a table, measured on ``test``.

    ``calibration`` are samples for thresholds and prediction intervals, which neither trained the model nor are in ``test``;
    without them both are left out. ``precision`` or ``recall`` is the one that is wished of the class ``positive``, by default
    the second of two; without either, the report has a few of both. Of a model that predicts several columns, the report is on
    the one named ``target``.

    Raises ConfigError for models without such a report, for unknown classes and targets, and for a wish without
    ``calibration``; DataError for a precision that no threshold has.
    """
    targets = several_targets(model)
    if targets:
        if target not in targets:
            raise ConfigError(f"the model predicts {', '.join(targets)}: name one of them as the target of the report")
        chosen = targets.index(target)
        model, test = one_target(model, chosen), with_target(test, chosen)
        calibration = None if calibration is None else with_target(calibration, chosen)
    if not is_about_a_table(model):
        raise ConfigError("the report is for models of tables with one class or one number for each row")
    if precision is not None and recall is not None:
        raise ConfigError("wish either for a precision or for a recall: a threshold has only one of both")
    found = predictions_of(model, test, function="table_report")
    wishes_given = precision is not None or recall is not None or positive is not None
    if wishes_given and (found.classes is None or not found.probabilities):
        raise ConfigError("a precision and a recall can be wished of models that predict probabilities of classes only")
    notes = list[str]()
    held_out = None if calibration is None else predictions_of(model, calibration, function="table_report")
    if held_out is None:
        if precision is not None or recall is not None:
            raise ConfigError(
                "a threshold is chosen on other rows than those it is measured on: give them as calibration, such as the "
                "validation part of the run's data"
            )
        notes.append("thresholds and prediction intervals: they need the validation part of the run's data")

    curves, wishes = dict[str, ThresholdCurve](), tuple[Wish, ...]()
    index, given = None, precision is not None or recall is not None
    if found.classes is not None and found.probabilities:  # before the importance, which takes most of the time
        if positive is not None or given or len(found.classes) == 2:
            index = found.class_index(positive, "table_report")
        curves = _curves(found, index, notes)
        if held_out is not None and index is not None and (curves or given):
            wishes = _wishes(held_out, index, curves.get(found.classes[index]), precision, recall, notes)

    importance = permutation_importance(model, _few(model, test, seed), metric=_metric(found), repeats=REPEATS, seed=seed)
    strongest = [i for i in importance.order if importance.mean[i] > 0][:STRONGEST] or list(importance.order[:1])
    curve_rows = test.limit(CURVE_ROWS, seed)
    dependence = list[PartialDependence]()
    for i in strongest:
        try:
            dependence.append(partial_dependence(model, curve_rows, int(i)))
        except ConfigError as error:  # a column without any value in these rows
            notes.append(f"curves: {error}")

    worst, columns = errors_of(found, WORST), columns_of(model, "table_report")
    rows = np.asarray(test.take(worst.rows).x)
    cells = tuple({column.name: column.written(row) for column in columns} for row in rows)
    lines = file_rows(test)
    reliable, of = None, ""
    intervals, coverage = None, None
    if found.classes is None:
        if held_out is not None:
            try:
                intervals, coverage = measured_intervals(found, held_out)
            except DataError as error:
                notes.append(f"prediction intervals: {error}")
    elif found.probabilities:
        if index is None:
            of, p, event = "the predicted class", found.outputs.max(axis=1), found.outputs.argmax(axis=1) == found.true
        else:
            of, p, event = found.classes[index], found.outputs[:, index], found.true == index
        reliable = reliability(p, event)
    else:
        notes.append("thresholds and calibration: the outputs of this model are scores, not probabilities")
    stage = table_stage(model)
    return TableReport(
        target=target if target is not None else "target" if stage is None else stage.target,
        part=part,
        rows=len(test),
        calibration_rows=0 if calibration is None else len(calibration),
        predictions=found,
        importance=importance,
        dependence=tuple(dependence),
        worst=worst,
        worst_cells=cells,
        worst_lines=None if lines is None else tuple(lines[i] for i in worst.rows),
        curves=curves,
        reliability=reliable,
        reliability_of=of,
        wishes=wishes,
        intervals=intervals,
        coverage=coverage,
        notes=tuple(notes),
    )


def _metric(found: Predictions) -> R2 | LogLoss | Accuracy:
    """Return the metric of the importance: it changes with every prediction, where the accuracy needs another class."""
    return R2() if found.classes is None else LogLoss() if found.probabilities else Accuracy()


def _few(model: Model | Ensemble, data: Dataset, seed: int) -> Dataset:
    """Return the samples for the importance: fewer for tables with many columns."""
    columns = len(columns_of(model, "table_report"))
    return data.limit(min(SHUFFLED_ROWS, max(200, SHUFFLED_VALUES // (columns * columns * REPEATS))), seed)


def measured_intervals(found: Predictions, held_out: Predictions) -> tuple[PredictionIntervals, Coverage]:
    """Return intervals from the held-out samples, in as many bins as they allow, and their coverage of the others.

    Raises DataError for too few samples.
    """
    bins = min(MAX_BINS, max(1, len(held_out) // BIN_ROWS))
    intervals = calibrate(held_out.outputs, held_out.true, level=LEVEL, bins=bins)
    return intervals, intervals.coverage(found.outputs, found.true)


def _curves(found: Predictions, index: int | None, notes: list[str]) -> dict[str, ThresholdCurve]:
    names, curves = found.classes or (), dict[str, ThresholdCurve]()
    for i in range(len(names)) if index is None else (index,):
        try:
            curves[names[i]] = _curve(found, i)
        except DataError as error:
            notes.append(f"the curves of {names[i]}: {error}")
    return curves


def _curve(found: Predictions, index: int) -> ThresholdCurve:
    """Return the curve of thresholds of a class. Raises DataError, which says what is missing for it."""
    if lacking := missing_rows(found, index):
        raise DataError(f"{lacking}, so no threshold can be judged")
    return threshold_curve(found.outputs[:, index], found.true == index, found.weights)


def missing_rows(found: Predictions, index: int) -> str:
    """Return which rows are missing to judge a threshold of a class; an empty string if there are some of it and of others."""
    inside, name = found.true == index, (found.classes or ())[index]
    if not found.weights[inside].sum() > 0:
        return f"there is no row of {name}"
    return "" if found.weights[~inside].sum() > 0 else f"all rows are of {name}"


def _wishes(
    held_out: Predictions,
    index: int,
    measured: ThresholdCurve | None,
    precision: float | None,
    recall: float | None,
    notes: list[str],
) -> tuple[Wish, ...]:
    """Return the wishes with their thresholds; those of the report that no threshold fulfils have none."""
    label = (held_out.classes or ())[index]
    try:
        curve = _curve(held_out, index)
    except DataError as error:
        if precision is not None or recall is not None:
            raise DataError(f"the validation part, class {label}: {error}") from None
        notes.append(f"thresholds of {label}: on the validation part, {error}")
        return ()
    given = precision if precision is not None else recall
    wished = WISHES if given is None else (("precision" if precision is not None else "recall", given),)
    wishes = list[Wish]()
    for kind, value in wished:
        try:
            chosen = curve.for_precision(value) if kind == "precision" else curve.for_recall(value)
        except DataError as error:
            if given is not None:
                raise DataError(f"the validation part, class {label}: {error}") from None
            wishes.append(Wish(kind, value, label, None, None))
            continue
        wishes.append(Wish(kind, value, label, chosen, None if measured is None else measured.at(chosen.threshold)))
    return tuple(wishes)
