"""The report on a model of a table, as ``pellucid evaluate`` writes it and ``pellucid predict`` reads it again."""

from __future__ import annotations

import hashlib
import math
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import typer

from pellucid.cli.common import format_number
from pellucid.core.files import read_json, write_text
from pellucid.core.json_text import json_text
from pellucid.errors import ConfigError, FileError, did_you_mean
from pellucid.explain import DecisionThreshold, PredictionIntervals
from pellucid.layers import Sigmoid, Softmax
from pellucid.metrics import ThresholdChoice
from pellucid.model.ensemble import Ensemble
from pellucid.model.model import Model
from pellucid.runs.table_report import TableReport, Wish, is_about_a_table, missing_rows
from pellucid.runs.targets import several_targets

PAGE, RESULTS = "report.html", "report.json"  # in the run folder
LISTED = 6  # columns on the terminal


def check_wish(
    model: Model, *, precision: float | None = None, recall: float | None = None, positive: str | None = None, part: str = ""
) -> None:
    """Raise ConfigError unless a threshold of the model can have the wished precision or recall, as the options name them.

    ``part`` is that of the run's data on which it is measured, or the name of other data.
    """
    given = [("--precision", precision)] * (precision is not None) + [("--recall", recall)] * (recall is not None)
    for option, value in given:
        if value is not None and not 0 < value <= 1:
            raise ConfigError(f"{option} {value:g}: a {option[2:]} is above 0 and at most 1")
    if len(given) == 2:
        raise ConfigError("--precision and --recall: a threshold has only one of both, so leave one out")
    options = [f"{option} {value:g}" for option, value in given] + [f"--positive {positive}"] * (positive is not None)
    if not options:
        return
    classifies = model.state.loss.classifies or model.classes is not None
    if not is_about_a_table(model) or not classifies or not isinstance(model.state.head, (Softmax, Sigmoid)):
        raise ConfigError(f"{options[0]}: thresholds are for models of tables that predict the probabilities of classes only")
    classes = model.classes or tuple(map(str, range(max(2, model.output_shape[0]))))
    if positive is not None and positive not in classes:
        raise ConfigError(f"--positive {positive}: there is no class {positive!r}: {did_you_mean(positive, classes)}")
    if given and positive is None and len(classes) != 2:
        raise ConfigError(f"{options[0]}: name one of the {len(classes)} classes with --positive: {', '.join(classes[:10])}")
    if given and part == "validation":
        raise ConfigError(
            f"{options[0]}: the threshold is chosen on the validation part, so it is measured on another: leave out "
            "--part validation"
        )


def write(
    reports: Sequence[TableReport],
    page: Path,
    results: Path | None,
    *,
    model: Model | Ensemble,
    name: str,
    about: list[tuple[str, str]],
    run: str | None,
) -> None:
    """Write the page, and ``results`` as JSON, from which predictions take intervals. Raises FileError.

    There are several ``reports`` if the model predicts several targets.
    """
    from pellucid.report.table_page import write_table_page

    if not write_table_page(reports, page, name=name, about=about, run=run):
        typer.echo("no figures: they need Matplotlib: pip install 'pellucid[plots]'", err=True)
    if results is not None:
        write_text(results, json_text({"model": fingerprint(model), **record(reports)}))


def record(reports: Sequence[TableReport]) -> dict[str, Any]:
    """Return the results for a JSON file; those of several targets are by their names, in ``targets``."""
    if len(reports) == 1:
        return reports[0].record()
    return {"targets": {found.target: found.record() for found in reports}}


def fingerprint(model: Model | Ensemble) -> str:
    """Return a digest of the parameters: results of another training in the same folder are not taken for those of a model."""
    models = model.models if isinstance(model, Ensemble) else (model,)
    sha = hashlib.sha256()
    for one in models:
        sha.update(np.ascontiguousarray(one.parameters).data)
    return sha.hexdigest()


def lines(found: TableReport) -> list[str]:
    """Return what the terminal shows of a report."""
    one = found.importance
    metric = {"r2": "R²", "log_loss": "log loss"}.get(one.metric, one.metric)
    clear = [i for i in one.order if one.clear[i]]
    listed = ", ".join(f"{one.columns[i]} {one.mean[i]:.3g} ± {one.spread[i]:.2g}" for i in clear[:LISTED])
    more = f", and {len(clear) - LISTED} more" if len(clear) > LISTED else ""
    unclear = len(one.columns) - len(clear)
    rest = f"; {unclear} not clearly above 0" if unclear else ""
    change = "rise of the log loss" if one.metric == "log_loss" else f"loss of {metric}"
    text = [f"columns   {listed or 'none is clearly above 0'}{more}{rest} ({change} when shuffled)"]
    if found.intervals is not None and found.coverage is not None:
        widths = " to ".join(dict.fromkeys(format_number(float(end)) for end in _ends(found.intervals.half_widths)))
        coverage = found.coverage
        text.append(
            f"intervals {100 * found.intervals.level:g} %: the prediction ± {widths}; they contain "
            f"{100 * coverage.fraction:.1f} % of {found.place} ({100 * coverage.expected:.1f} ± "
            f"{100 * coverage.deviation:.1f} % expected)"
        )
    if len(found.wishes) == 1:
        text.append(f"threshold {wish_text(found.wishes[0], found)}")
    return text


def _ends(values: Any) -> tuple[float, float]:
    return float(values.min()), float(values.max())


def wish_text(wish: Wish, found: TableReport) -> str:
    """Return the rule for a wish of a report, and what it does: ``yes from 0.59 on: …``."""
    assert wish.chosen is not None
    text = f"{wish.label} from {wish.chosen.threshold!r} on: {_both(wish.chosen)} on the validation part"
    if wish.measured is not None:
        unreached = "" if wish.measured.chosen else ", where no row reaches it"
        return f"{text}, {_both(wish.measured)} on {found.place}{unreached}"
    lacking = missing_rows(found.predictions, (found.predictions.classes or ()).index(wish.label))
    return f"{text}; not measured on {found.place}: {lacking}"


def _both(choice: ThresholdChoice) -> str:
    precision = "–" if math.isnan(choice.precision) else f"{100 * choice.precision:.1f} %"
    return f"precision {precision}, recall {100 * choice.recall:.1f} %"


# -- for predictions ---------------------------------------------------------------------------------------------------


def parse_threshold(text: str, classes: tuple[str, ...]) -> DecisionThreshold:
    """Return the rule ``0.8`` (of the second of two classes) or ``CLASS=0.8``. Raises ConfigError."""
    label, _, number = text.rpartition("=")
    if not label:
        if len(classes) != 2:
            raise ConfigError(
                f"--threshold {text}: name one of the {len(classes)} classes, such as --threshold {classes[0]}=0.8"
            )
        label = classes[1]
    if label not in classes:
        raise ConfigError(f"--threshold {text}: there is no class {label!r}: {did_you_mean(label, classes)}")
    try:
        value = float(number)
    except ValueError:
        value = float("nan")
    if not 0 <= value <= 1:
        raise ConfigError(f"--threshold {text}: a threshold is a probability, from 0 to 1")
    return DecisionThreshold(label, value)


def stored(run: str | Path, model: Model) -> dict[str, Any] | None:
    """Return the report.json of a run folder if it is about this model, else None. Damaged files count as none."""
    path = Path(run) / RESULTS
    if not os.path.isfile(path):
        return None
    try:
        found = read_json(path)
    except FileError:
        return None
    return found if isinstance(found, dict) and found.get("model") == fingerprint(model) else None


def stored_intervals(run: str | Path, model: Model) -> tuple[PredictionIntervals, ...]:
    """Return the intervals that ``pellucid evaluate`` has calibrated for this model, of each of its targets.

    Raises ConfigError without them.
    """
    found: Any = stored(run, model) or {}
    names = several_targets(model)
    try:
        return tuple(_intervals(one["intervals"]) for one in ([found["targets"][name] for name in names] or [found]))
    except (TypeError, KeyError, ValueError):
        raise ConfigError(
            f"--intervals: {run} has no prediction intervals for this model: pellucid evaluate {run} measures them, if it "
            "predicts a number"
        ) from None


def _intervals(found: Any) -> PredictionIntervals:
    return PredictionIntervals(
        float(found["level"]),
        np.asarray(found["edges"], np.float64),
        np.asarray(found["half_widths"], np.float64),
        np.asarray(found["calibration_rows"], np.int64),
    )


def measured_text(run: str | Path, model: Model, rule: DecisionThreshold) -> str:
    """Return what the run's report says about a rule, to be added to a line; an empty string if it says nothing."""
    wishes = (stored(run, model) or {}).get("thresholds")
    for wish in wishes if isinstance(wishes, list) else ():
        if isinstance(wish, Mapping) and wish.get("class") == rule.label and wish.get("threshold") == rule.threshold:
            test = wish.get("test")
            if isinstance(test, Mapping) and isinstance(test.get("precision"), float) and isinstance(test.get("recall"), float):
                return f" (precision {100 * test['precision']:.1f} %, recall {100 * test['recall']:.1f} % on the test part)"
    return ""
