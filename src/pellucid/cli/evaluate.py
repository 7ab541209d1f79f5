"""``pellucid evaluate``: evaluate trained models, one or an ensemble of several."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import typer

from pellucid.cli import options, table_reports
from pellucid.cli.common import (
    echo,
    format_class_scores,
    format_forecast,
    format_scores,
    format_target,
    format_targets,
    print_json,
    report_errors,
)
from pellucid.data import Corrections, Dataset, Splits
from pellucid.data.augmentation_text import parse_augmentation
from pellucid.data.drawings.strokes import CLASSES
from pellucid.data.input_stage import ImageScaling
from pellucid.data.reconstruction import reconstruction
from pellucid.data.sources.registry import SOURCES
from pellucid.data.sources.user_data import TABLE_SUFFIXES, kind_of
from pellucid.data.tables.columns import TableStage
from pellucid.data.text import Tokens
from pellucid.data.text.reading import is_text_file
from pellucid.errors import ConfigError, FileError, PellucidError, did_you_mean
from pellucid.metrics import Value
from pellucid.model.ensemble import MAX_COPIES, Ensemble
from pellucid.model.model import Model
from pellucid.model.several import refuse_several
from pellucid.runs.folder import load_data, open_run
from pellucid.runs.forecasts import Forecasts
from pellucid.runs.run import describe_splits
from pellucid.runs.table_report import PARTS, TableReport, is_about_a_table, table_report
from pellucid.runs.targets import scores_by_target, several_targets
from pellucid.runs.task import (
    CLASSIFICATION_METRICS,
    FORECAST_METRICS,
    REGRESSION_METRICS,
    SEGMENTATION_METRICS,
    language_metrics,
)

COPIES_AUGMENTATION = "rotation=5,shift=1,scale=0.05"
Opened = tuple[Model, dict[str, Any]]  # a model and the config.json of its run


@report_errors
def evaluate(
    runs: list[str] = typer.Argument(
        ...,
        metavar="RUN... [DATA]",
        help="Run folders or model files. The last argument may name data to use instead of the run's: a data set, a table, a "
        "folder of images or corrections, or a text.",
    ),
    data_dir: options.DataDir = None,
    encoding: options.Encoding = None,
    part: str = typer.Option("test", "--part", metavar="NAME", help="The part of the data: test, validation or train."),
    copies: int = typer.Option(
        0,
        "--copies",
        min=0,
        max=MAX_COPIES,
        help="Average the predictions for each image and for this many augmented copies of it.",
    ),
    augmentation: str | None = typer.Option(
        None,
        "--augmentation",
        metavar="NAME|AMOUNTS",
        help=f"Random changes of the copies: affine, elastic, strong, photo, or amounts.  [default: {COPIES_AUGMENTATION}]",
    ),
    mistakes: Path | None = typer.Option(
        None,
        "--mistakes",
        metavar="FILE",
        help="Draw the misclassified images with the most confident predictions into this file (.png or .svg).",
    ),
    report: Path | None = typer.Option(
        None,
        "--report",
        metavar="FILE.html",
        help="Write the report on a model of a table into this file.  [default: for the test part of a single run, report.html "
        "in its folder, with report.json]",
    ),
    no_report: bool = typer.Option(False, "--no-report", help="Write no report on a model of a table."),
    precision: float | None = typer.Option(
        None, "--precision", metavar="P", help="Find the threshold of a class with this precision, such as 0.9."
    ),
    recall: float | None = typer.Option(
        None, "--recall", metavar="R", help="Find the threshold of a class with this recall, such as 0.9."
    ),
    positive: str | None = typer.Option(
        None, "--positive", metavar="CLASS", help="The class of these thresholds.  [default: the second of two]"
    ),
    json: options.Json = False,
) -> None:
    """Evaluate a trained model: loss, accuracy with its 95 % interval, precision and recall of each class.

    For class maps the accuracy is that of the pixels, and the overlap of truth and prediction (IoU) is added. For texts it is
    that of the most likely next token, beside the bits per character; the whole part is read in consecutive windows.

    For a run on a table, a report is written: the importance of the columns and how the predictions depend on the strongest
    ones, thresholds and calibration or residuals and prediction intervals, and the rows that the model is most wrong about.

    Models that predict numbers have RMSE, MAE and R² instead of the accuracy, for each target if there are several. Forecasts
    of a series are compared with the last value, the value one season before, and a linear forecast. Several runs are evaluated
    as an ensemble, whose probabilities are the mean of theirs.
    """
    if part not in PARTS:
        raise ConfigError(f"there is no part {part!r}: {did_you_mean(part, PARTS)}")
    if augmentation is not None and not copies:
        raise ConfigError("--augmentation changes copies of the images: give their number with --copies")
    asked = report is not None or precision is not None or recall is not None or positive is not None
    if no_report and asked:
        raise ConfigError("--no-report cannot be combined with --report, --precision, --recall and --positive")
    data = runs.pop() if len(runs) > 1 and _is_data(runs[-1]) else None
    if encoding is not None and (data is None or data in SOURCES):
        raise ConfigError(f"--encoding {encoding} is that of a text file or a folder of them: name it after the runs")
    opened = [open_run(run) for run in runs]
    models = [model for model, _ in opened]
    options.set_encoding(models[0], encoding)
    for run, model in zip(runs, models, strict=True):
        refuse_several(model.network, f"evaluating {run} with this command")
    splits, targets = None, several_targets(models[0])
    is_named = data is None or data in SOURCES or (kind_of(data) == "images" and not _is_data_folder(data))
    user_data = None if is_named else data
    has_report = is_about_a_table(models[0]) or len(targets) > 0
    measured_on = part if user_data is None else Path(user_data).name
    if asked and not has_report:
        raise ConfigError(f"{runs[0]}: the report is for models of tables with one class or one number for each row")
    table_reports.check_wish(models[0], precision=precision, recall=recall, positive=positive, part=measured_on)
    if user_data is not None:
        samples, part, description = _read_user_data(user_data, models[0])
        if opened[0][1].get("data", {}).get("reconstructs"):
            samples = reconstruction(samples)
        name, digest = samples.name, None
    else:
        splits = load_data(opened[0][1], data_dir, data, models[0])
        samples, name, description, digest = getattr(splits, part), splits.name, describe_splits(splits), splits.sha256
    _check_same_split(runs, opened, part)
    own = len(runs) == 1 and os.path.isdir(runs[0]) and not copies and data is None and part == "test"
    with_report = not no_report and (asked or (own and has_report))
    calibration = None
    if with_report:
        option = None if precision is recall is None else "--recall" if precision is None else "--precision"
        calibration = _calibration_part(opened[0], data_dir, splits, part, option)
    changes = parse_augmentation(augmentation or COPIES_AUGMENTATION) if copies else None
    ensemble = Ensemble(models, augmentation=changes, copies=copies)
    evaluated = ensemble if len(models) > 1 or copies else models[0]
    classifies = models[0].state.loss.classifies or models[0].classes is not None  # the squared error may classify, too
    numeric = FORECAST_METRICS if _is_forecast(models[0]) else REGRESSION_METRICS
    maps = len(models[0].output_shape) == 3
    classification = SEGMENTATION_METRICS if maps else CLASSIFICATION_METRICS
    stage = models[0].input_stage
    if isinstance(stage, Tokens) and len(models[0].output_shape) > 1:
        classification = language_metrics(stage.tokenizer)
    values = evaluated.evaluate(samples, metrics=classification if classifies else numeric)
    of_targets = scores_by_target(evaluated, samples)
    n = len(samples) if len(models[0].output_shape) == 1 else None
    forecast = _forecast(evaluated, opened[0][1], samples, splits) if _is_forecast(models[0]) else None
    mistakes_line = None if mistakes is None else _draw_mistakes(evaluated, samples, values, mistakes)
    reports, page = list[TableReport](), None
    if with_report:
        for target in targets or (None,):
            found = table_report(
                evaluated,
                samples,
                calibration,
                part=measured_on,
                precision=precision,
                recall=recall,
                positive=positive,
                target=target,
            )
            reports.append(found)
        page = _write_report(reports, evaluated, runs, report, name, values, n, of_targets, own=own)
    if json:
        names: dict[str, object] = {"run": runs[0]} if len(runs) == 1 else {"runs": runs}
        more: dict[str, Any] = {} if forecast is None else {"forecast": forecast}
        if targets:
            more["targets"] = of_targets
        if reports:
            more["report"] = {"file": page, **_in_short(table_reports.record(reports))}
        print_json({**names, "data": name, "part": part, "samples": len(samples), "copies": copies, **values, **more})
        return
    echo(description)
    for run, (_, config) in zip(runs, opened, strict=True):
        trained_on = config.get("data", {})
        if digest is not None and trained_on.get("sha256") not in (None, digest):
            echo(f"warning   {run} was trained on {trained_on['name']}, which may contain some of these samples")
    if len(runs) > 1 or copies:
        each = f", each with {copies} augmented copies of every image ({changes})" if copies else ""
        echo(f"ensemble  {len(runs)} model{'s' * (len(runs) > 1)}{each}")
    echo(f"{part:<9} {format_scores(values, n, len(targets) or 1)}")
    if targets:
        echo(format_targets(of_targets))
    if forecast is not None:
        echo(format_forecast(forecast))
    if "confusion_matrix" in values:
        classes = ensemble.classes or [str(i) for i in range(len(values["confusion_matrix"]))]  # type: ignore[arg-type]
        echo(format_class_scores(values, classes))
    if mistakes_line is not None:
        echo(f"mistakes  {mistakes_line}")
    for found in reports:
        for line in (*(f"target    {found.target}",) * bool(targets), *table_reports.lines(found)):
            echo(line)
    if page is not None:
        echo(f"report    {page}")
    elif with_report and report is None and not own:
        echo("report    not written: a run folder keeps the one on its test part; --report FILE.html writes this one")


def _calibration_part(
    opened: Opened, data_dir: Path | None, splits: Splits | None, part: str, option: str | None
) -> Dataset | None:
    """Return the validation part of the run's data, for thresholds and intervals, if it is at hand and not what is measured.

    Raises ConfigError if it cannot be read and ``option`` needs it.
    """
    if part == "validation":
        return None
    if splits is not None:
        return splits.validation
    model, config = opened
    needed = f"{option}: the threshold is chosen on the validation part of the run's data"
    if not config and option is not None:
        raise ConfigError(f"{needed}, and a model file does not name them: evaluate its run folder")
    try:
        return load_data(config, data_dir, None, model).validation if config else None
    except PellucidError as error:  # the data of the run are gone
        if option is not None:
            raise ConfigError(f"{needed}: {error}") from None
        return None  # the report says that these results are left out


def _in_short(record: Mapping[str, Any]) -> dict[str, Any]:
    """Return what ``--json`` prints of a report, or of one for each target."""
    if "targets" in record:
        return {"targets": {target: _in_short(one) for target, one in record["targets"].items()}}
    kept = ("importance", "classes", "thresholds", "calibration", "residuals", "intervals")
    return {key: record[key] for key in kept if key in record}


def _write_report(
    reports: Sequence[TableReport],
    model: Model | Ensemble,
    runs: Sequence[str],
    path: Path | None,
    data: str,
    values: Mapping[str, Value],
    n: int | None,
    of_targets: Mapping[str, Mapping[str, float]],
    *,
    own: bool,
) -> str | None:
    """Write the report, and return the name of its page. If the run folder cannot be written to, a line says so.

    Only a report on the test part of a run's ``own`` data is kept in its folder, where predictions read the results.
    """
    if path is None and not own:
        return None
    single = runs[0] if len(runs) == 1 else None
    page, found = path if path is not None else Path(runs[0]) / table_reports.PAGE, reports[0]
    results = Path(runs[0]) / table_reports.RESULTS if own and found.calibration_rows else None
    measured_on = f"{data}, {found.part}" if found.part in PARTS else data
    about = [("Data", f"{measured_on}: {found.rows:,} rows"), ("Scores", format_scores(values, n, len(reports)))]
    about += [(f"Scores of {target}", format_target(scores)) for target, scores in of_targets.items()]
    name = Path(runs[0]).name if single is not None else f"{len(runs)} models"
    try:
        table_reports.write(reports, page, results, model=model, name=name, about=about, run=single)
    except FileError as error:
        if path is not None:
            raise
        typer.echo(f"no report: {error}", err=True)
        return None
    return str(page)


def _is_forecast(model: Model) -> bool:
    return isinstance(model.input_stage, TableStage) and model.input_stage.series is not None


def _forecast(model: Model | Ensemble, config: Mapping[str, Any], samples: Dataset, splits: Splits | None) -> dict[str, Any]:
    """Return the errors of a model that forecasts a series, or of several, beside those of simple methods.

    The linear forecast is fitted to the training part of the run's data. For other data it is left out.
    """
    reading = config.get("data", {}).get("reading") or {}
    return Forecasts.of(model, samples, reading.get("season"), splits).record()


def _check_same_split(runs: Sequence[str], opened: Sequence[Opened], part: str) -> None:
    """Raise ConfigError if the part of one run contains training data of another."""
    first = opened[0][1].get("data", {}).get("split_seed", 0)
    for run, (_, config) in zip(runs, opened, strict=True):
        if part in ("validation", "train") and config.get("data", {}).get("split_seed", first) != first:
            raise ConfigError(
                f"{run} was trained with another --split-seed: the {part} set of the others contains some of its training data"
            )


def _draw_mistakes(evaluated: Model | Ensemble, samples: Dataset, values: Mapping[str, Value], path: Path) -> str:
    """Draw the mistakes if there are any, and return a line about them."""
    if values.get("accuracy") == 1:
        return "none, so no figure was drawn"
    from pellucid import plots

    plots.save(plots.mistakes(evaluated, samples), path)
    return f"those with the most confident predictions are in {path}"


def _is_data(word: str) -> bool:
    """Return whether the last argument names data rather than a run.

    It does if it is a data set, a table, a text, or a folder of images, corrections or texts. A single word that is not a file
    counts as data too, so that the error message suggests the names of data sets.
    """
    path = Path(word)
    if word in SOURCES:
        return not os.path.exists(path / "model.pellucid")
    if path.suffix.lower() in TABLE_SUFFIXES or is_text_file(word):
        return True
    return _is_data_folder(word) or (not os.path.exists(path) and len(path.parts) == 1)


def _is_data_folder(word: str) -> bool:
    """Return whether this is a folder that may contain corrections or images."""
    return word not in SOURCES and os.path.isdir(word) and not os.path.exists(Path(word) / "config.json")


def _read_user_data(data: str, model: Model) -> tuple[Dataset, str, str]:
    """Return the samples in a table or a folder, read as for the training of the model; their kind; and lines about them."""
    stage, kind = model.input_stage, kind_of(data)
    reads_folders = isinstance(stage, ImageScaling) and not stage.invert_light_background
    if kind == "images" and not reads_folders and not isinstance(stage, TableStage):
        samples = _read_corrections(Path(data), model)
        return samples, "corrections", f"data      corrections: {len(samples):,} drawings, from {data}"
    samples = model.read(data, labelled=True)
    notes = () if samples.origin is None else samples.origin.notes
    return samples, kind, "\n".join([f"data      {samples.name}: {len(samples):,} samples, from {data}", *notes])


def _read_corrections(folder: Path, model: Model) -> Dataset:
    """Return the corrections in a folder, without those of a class that the model does not have, such as "no digit"."""
    samples, names = Corrections(folder).dataset(), model.classes or ()
    if names[:10] != CLASSES[:10]:
        raise ConfigError(f"corrections are digits, but the classes of this model are {', '.join(names[:3])}, …")
    known = np.flatnonzero(np.asarray(samples.y) < len(names))
    return samples if len(known) == len(samples) else samples.take(known)
