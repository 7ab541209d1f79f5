"""``pellucid predict``: predict classes or numbers for images, for the rows of tables, or the next token of texts."""

from __future__ import annotations

import contextlib
import csv
import io
import itertools
import os
import shutil
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import typer

from pellucid.cli import options, table_reports
from pellucid.cli.common import echo, format_number, print_json, report_errors, require_vector
from pellucid.core.files import write_text
from pellucid.core.memory import Array
from pellucid.data import digit, read_image
from pellucid.data.drawings.rendering import SIDE
from pellucid.data.drawings.strokes import CLASSES
from pellucid.data.images.folders import image_files
from pellucid.data.images.image_file import has_light_border
from pellucid.data.input_stage import ImageScaling
from pellucid.data.series.reading import next_times
from pellucid.data.tables.column_types import has_name_of_identifier
from pellucid.data.tables.columns import Standardization, TableStage
from pellucid.data.tables.encoding import Table, texts_of
from pellucid.data.tables.reading import open_for, read_rows
from pellucid.data.text import Tokens
from pellucid.data.text.reading import file_text
from pellucid.errors import ConfigError, DataError, FileError, did_you_mean
from pellucid.explain import DecisionThreshold, PredictionIntervals
from pellucid.layers import Sigmoid, Softmax
from pellucid.model.model import Model
from pellucid.networks import trailing_layers
from pellucid.runs.folder import open_run
from pellucid.runs.forecasts import check_forecasts

STANDARD_INPUT = "-"
PRINTED_ROWS = 20  # of a table
CHUNK = 512  # images in memory at the same time

# One prediction: "file", for tables "row" and perhaps "id", the cells of the copied columns by name; then "label" with
# "probabilities" or "scores", or for regression "prediction", or "predictions" by target.
# With --threshold, "threshold" says which class has which; with --intervals, "low" and "high" contain the truth with "level".
# Of several targets these are by target, too.
# For series: "file", "step" and perhaps "time"; then "forecast", a number for each target.
Row = dict[str, Any]


@report_errors
def predict(
    run: options.Run,
    encoding: options.Encoding = None,
    files: list[Path] = typer.Argument(
        ...,
        metavar="FILE",
        help="Images and folders of images; tables (.csv or .tsv) for a model that was trained on a table or a series; texts "
        "for one that was trained on text; - for standard input.",
    ),
    identifier: list[str] | None = typer.Option(
        None,
        "--id",
        metavar="COLUMN",
        help="Tables: a column that is copied to the predictions. May be given several times.  [default: the first that has "
        "the name of an identifier and is no input]",
    ),
    json: options.Json = False,
    out: Path | None = typer.Option(None, "--out", metavar="FILE.csv", help="Write all predictions into this file."),
    threshold: str | None = typer.Option(
        None,
        "--threshold",
        metavar="[CLASS=]P",
        help="Predict a class where its probability is at least P, and otherwise the most probable other class. Without a name "
        "it is the second of two. pellucid evaluate finds the threshold for a wished precision or recall.",
    ),
    intervals: bool = typer.Option(
        False, "--intervals", help="Add the prediction intervals that pellucid evaluate has measured for this run."
    ),
) -> None:
    """Predict the classes of images, the classes or numbers of the rows of tables, the rows after the end of a series, or the
    token after the end of a text.

    The columns of a table are found by their names, and one with identifiers is copied to the predictions. Images are resized
    to the size of the model's inputs, with their aspect ratio kept. For a model of digits they are prepared like the images of
    MNIST: fitted into 20 by 20 pixels and centred by mass. Strokes may be dark on light or light on dark.
    """
    model, _ = open_run(run)
    options.set_encoding(model, encoding)
    with contextlib.ExitStack() as held:
        files = [_from_standard_input(held) if str(file) == STANDARD_INPUT else file for file in files]
        _predict(run, model, files, identifier, threshold, intervals=intervals, json=json, out=out)


def _predict(
    run: Path,
    model: Model,
    files: Sequence[Path],
    identifier: Sequence[str] | None,
    threshold: str | None,
    *,
    intervals: bool,
    json: bool,
    out: Path | None,
) -> None:
    """Predict from these files, and print or write the predictions."""
    stage = model.input_stage
    if identifier and (not isinstance(stage, TableStage) or stage.series is not None):
        raise ConfigError(f"--id {identifier[0]}: {run} was not trained on a table, so it has no columns to copy")
    is_series = isinstance(stage, Standardization) and stage.series is not None
    if not is_series and not isinstance(stage, Tokens):
        require_vector(model, str(run))
    rule = None if threshold is None else _threshold(threshold, model)
    if intervals and (is_series or not isinstance(stage, TableStage)):
        raise ConfigError("--intervals applies to tables with a number to predict")
    measured = table_reports.stored_intervals(run, model) if intervals else None
    if isinstance(stage, Tokens):
        rows = [_predict_text(file, model, stage) for file in files]
    elif isinstance(stage, Standardization) and stage.series is not None:
        rows = [row for file in files for row in _predict_series(file, model, stage)]
    elif isinstance(stage, TableStage):
        rows = [row for file in files for row in _predict_table(file, model, stage, identifier)]
    elif len(model.input_shape) != 3:
        raise ConfigError(f"{run} takes samples of the shape {model.input_shape}, not images (height, width, channels)")
    else:
        rows = _predict_images(files, model)
    names = _names(model)
    if rule is not None:
        rows = _with_threshold(rows, rule, names)
    if measured is not None:
        rows = _with_intervals(rows, measured)
    if out is not None:
        write_text(out, _to_csv(rows, names))
    if json:
        print_json(rows)
        return
    if rule is not None:
        echo(f"threshold {rule}{table_reports.measured_text(run, model, rule)}")
    printed = rows[:PRINTED_ROWS] if isinstance(stage, TableStage) else rows
    width = max(len(_source(row)) for row in printed)
    for row in printed:
        echo(f"{_source(row):<{width}}  {_describe(row, names)}")
    if len(printed) < len(rows):
        hint = "" if out else ": use --out predictions.csv or --json to get all of them"
        echo(f"and {len(rows) - len(printed):,} more rows{hint}")
    if out is not None:
        echo(f"the predictions are in {out}")


def _threshold(text: str, model: Model) -> DecisionThreshold:
    """Return the rule that --threshold states. Raises ConfigError for a model without probabilities of classes."""
    has_classes = model.state.loss.classifies or model.classes is not None
    if len(model.output_shape) > 1 or not has_classes or model.state.output.multi_label:
        raise ConfigError("--threshold applies to models that predict one class for each sample")
    if not isinstance(trailing_layers(model.network)[-1], (Softmax, Sigmoid)):
        raise ConfigError("--threshold is a probability, and this model predicts scores, which are none")
    return table_reports.parse_threshold(text, _names(model))


def _with_threshold(rows: Sequence[Row], rule: DecisionThreshold, names: tuple[str, ...]) -> list[Row]:
    """Return the rows with the classes that the rule decides for, and the rule itself, which says what they mean."""
    chosen = rule.decide(np.array([row["probabilities"] for row in rows]), names)
    meaning = {"class": rule.label, "probability": rule.threshold}
    return [{**row, "label": names[int(k)], "threshold": meaning} for row, k in zip(rows, chosen, strict=True)]


def _with_intervals(rows: Sequence[Row], intervals: Sequence[PredictionIntervals]) -> list[Row]:
    """Return the rows with the ends of their intervals, one for each target."""
    level = intervals[0].level
    if "prediction" in rows[0]:
        ends = intervals[0].around(np.array([row["prediction"] for row in rows])).tolist()
        return [{**row, "low": low, "high": high, "level": level} for row, (low, high) in zip(rows, ends, strict=True)]
    targets = tuple(rows[0]["predictions"])
    of_targets = [
        one.around(np.array([row["predictions"][target] for row in rows]))
        for target, one in zip(targets, intervals, strict=True)
    ]
    lows, highs = np.moveaxis(np.stack(of_targets), 2, 0).transpose(0, 2, 1).tolist()
    return [
        {**row, "low": dict(zip(targets, low, strict=True)), "high": dict(zip(targets, high, strict=True)), "level": level}
        for row, low, high in zip(rows, lows, highs, strict=True)
    ]


def _names(model: Model) -> tuple[str, ...]:
    """Return the names of the classes, or of the tokens that may be next."""
    if isinstance(model.input_stage, Tokens) and len(model.output_shape) > 1:
        return model.tokenizer.names
    return tuple(model.classes or (str(i) for i in range(max(2, model.output_shape[0]))))


def _predict_text(file: Path, model: Model, stage: Tokens) -> Row:
    """Return the prediction for a text: its class, or the token that follows its last ones."""
    content = file_text(file, stage.encoding)
    if len(model.output_shape) == 1:
        return _rows([{"file": _name(file)}], model.predict([content]), model)[0]
    t = model.input_shape[0]
    if stage.separator is not None:  # a text of lines: what follows the last one
        content = content.removesuffix("\n").rpartition("\n")[2]
    tokens = stage.encode(content)[-t:]
    x = np.full((1, t), stage.filler, np.int32)  # a causal network reads nothing of what is after the text
    x[0, : len(tokens)] = tokens
    p = model.predict(x)[0, len(tokens) - 1]
    return {"file": _name(file), "label": _names(model)[int(p.argmax())], "probabilities": p.tolist()}


def _from_standard_input(held: contextlib.ExitStack) -> Path:
    """Return a temporary file with what standard input holds, which is removed when ``held`` is closed."""
    folder = Path(held.enter_context(tempfile.TemporaryDirectory(ignore_cleanup_errors=True)))
    file = folder / STANDARD_INPUT
    with file.open("wb") as out:
        shutil.copyfileobj(sys.stdin.buffer, out)
    return file


def _name(file: Path) -> str:
    """Return the name of a file as it was given."""
    return STANDARD_INPUT if file.name == STANDARD_INPUT else str(file)


def _predict_table(file: Path, model: Model, stage: TableStage, identifier: Sequence[str] | None) -> list[Row]:
    table = open_for(file, stage, _name(file))
    classes = None if isinstance(model.classes, dict) else model.classes
    data = read_rows(table, stage, classes, labelled=False)
    sources: list[Row] = [{"file": _name(file), "row": number} for number in range(1, len(data) + 1)]
    for source, copied in zip(sources, _copied(table, stage, identifier), strict=False):
        source["id"] = copied
    return _rows(sources, model.predict(data), model)


def _copied(table: Table, stage: TableStage, identifier: Sequence[str] | None) -> list[dict[str, str]]:
    """Return the cells of the columns that are copied, by their names, for each row; nothing if there are none.

    Raises ConfigError for a column that the table does not have.
    """
    used = {column.name for column in (*stage.columns, *stage.target_columns)}
    found = [name for name in table.names if name and name not in used and has_name_of_identifier(name)][:1]
    names = found if identifier is None else list(dict.fromkeys(identifier))
    for name in names:
        if name not in table.names:
            raise ConfigError(f"--id {name}: {table.path} has no such column: {did_you_mean(name, table.names)}")
    if not names:
        return []
    positions = [table.names.index(name) for name in names]
    return [
        dict(zip(names, (cell.strip() for cell in cells), strict=True))
        for block in table.blocks()
        for cells in zip(*(texts_of(block.columns[position]) for position in positions), strict=True)
    ]


def _predict_series(file: Path, model: Model, stage: Standardization) -> list[Row]:
    """Return one row for each of the steps after the end of the series in a table."""
    check_forecasts(model)
    (forecast,) = model.predict(model.read(file, labelled=False))
    times = next_times(file, stage, len(forecast))
    targets = stage.series.targets if stage.series is not None else ()
    rows: list[Row] = []
    for step, values in enumerate(forecast.tolist(), start=1):
        when = {} if times is None else {"time": times[step - 1]}
        rows.append({"file": _name(file), "step": step, **when, "forecast": dict(zip(targets, values, strict=True))})
    return rows


def _predict_images(paths: Sequence[Path], model: Model) -> list[Row]:
    """Return the predictions for all images. An unreadable image in a folder is left out; one given by name is an error."""
    rows = list[Row]()
    for chunk in _chunks(_find_images(paths)):
        sources, images = list[Row](), list[Array]()
        for file, by_name in chunk:
            try:
                images.append(_read(file, model))
                sources.append({"file": _name(file)})
            except (DataError, FileError) as error:
                if by_name:
                    raise
                typer.echo(f"left out  {error}", err=True)
        if sources:
            rows += _rows(sources, model.predict(np.stack(images)), model)
    if not rows:
        raise DataError("none of the images can be read")
    return rows


def _find_images(paths: Sequence[Path]) -> Iterator[tuple[Path, bool]]:
    """Yield every image, and whether its path was given by name rather than found in a folder."""
    for path in paths:
        if not os.path.isdir(path):
            yield path, True
            continue
        found = [(file, False) for file in image_files(path, Counter())]
        if not found:
            raise DataError(f"{path}: there are no images in this folder")
        yield from found


def _chunks(images: Iterator[tuple[Path, bool]]) -> Iterator[list[tuple[Path, bool]]]:
    while chunk := list(itertools.islice(images, CHUNK)):
        yield chunk


def _rows(sources: Sequence[Row], outputs: Array, model: Model) -> list[Row]:
    """Return a row for each output. Without a softmax or sigmoid at the end of the network, outputs are scores."""
    if not model.state.loss.classifies and model.classes is None:
        stage = model.input_stage
        if isinstance(stage, TableStage) and len(stage.targets) == outputs.shape[1] > 1:
            targets = [column.name for column in stage.targets]
            return [
                {**source, "predictions": dict(zip(targets, y.tolist(), strict=True))}
                for source, y in zip(sources, outputs, strict=True)
            ]
        if outputs.shape[1] > 1:
            raise ConfigError(f"this model predicts {outputs.shape[1]} numbers for each sample: use model.predict(x) in Python")
        return [{**source, "prediction": float(y[0])} for source, y in zip(sources, outputs, strict=True)]
    kind = "probabilities" if isinstance(trailing_layers(model.network)[-1], (Softmax, Sigmoid)) else "scores"
    if outputs.shape[1] == 1:
        outputs = np.concatenate([1 - outputs if kind == "probabilities" else -outputs, outputs], axis=1)
    names = model.classes or tuple(str(i) for i in range(outputs.shape[1]))
    return [{**source, "label": names[int(p.argmax())], kind: p.tolist()} for source, p in zip(sources, outputs, strict=True)]


def _source(row: Row) -> str:
    if "step" in row:
        return f"{row['file']}+{row['step']}" + (f"  {row['time']}" if "time" in row else "")
    copied = "  ".join(row.get("id", {}).values())
    place = f"{row['file']}:{row['row']}" if "row" in row else str(row["file"])
    return f"{place}  {copied}" if copied else place


def _describe(row: Row, names: Sequence[str]) -> str:
    if "forecast" in row or "predictions" in row:
        numbers = row["forecast"] if "forecast" in row else row["predictions"]
        return "  ".join(f"{target} {format_number(value)}{_interval(row, target)}" for target, value in numbers.items())
    if "prediction" in row:
        return f"{format_number(row['prediction'])}{_interval(row)}"
    if "threshold" in row:
        p, label = row["probabilities"], row["threshold"]["class"]
        return f"{row['label']}  (probability of {label}: {100 * p[list(names).index(label)]:.1f} %)"
    values = np.asarray(row["probabilities"] if "probabilities" in row else row["scores"])
    first, second = np.argsort(-values)[:2]
    if "scores" in row:
        return f"{names[first]}  {format_number(values[first])}   (next: {names[second]} {format_number(values[second])})"
    return f"{names[first]}  {100 * values[first]:5.1f} %   (next: {names[second]} {100 * values[second]:.1f} %)"


def _interval(row: Row, target: str | None = None) -> str:
    """Return the interval of a prediction in words, or nothing if it has none."""
    if "low" not in row:
        return ""
    low, high = (row[end] if target is None else row[end][target] for end in ("low", "high"))
    return f"   ({100 * row['level']:g} %: {format_number(low)} to {format_number(high)})"


def _to_csv(rows: Sequence[Row], names: Sequence[str]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    sources = [name for name in ("file", "row", "step", "time") if name in rows[0]]
    if "forecast" in rows[0]:
        writer.writerow([*sources, *rows[0]["forecast"]])
        writer.writerows([*(row.get(name, "") for name in sources), *row["forecast"].values()] for row in rows)
        return text.getvalue()
    copied = list(dict.fromkeys(name for row in rows for name in row.get("id", {})))

    def source(row: Row) -> list[Any]:
        return [*(row[name] for name in sources), *(row.get("id", {}).get(name, "") for name in copied)]

    if "predictions" in rows[0]:
        kinds = {"predictions": "prediction"} | ({"low": "low", "high": "high"} if "low" in rows[0] else {})
        level = ("level",) * ("low" in rows[0])
        names = [f"{name} of {target}" for target in rows[0]["predictions"] for name in kinds.values()]
        writer.writerow([*sources, *copied, *names, *level])
        for row in rows:
            values = [row[kind][target] for target in row["predictions"] for kind in kinds]
            writer.writerow([*source(row), *values, *(row[one] for one in level)])
        return text.getvalue()
    if "prediction" in rows[0]:
        ends = ("low", "high", "level") if "low" in rows[0] else ()
        writer.writerow([*sources, *copied, "prediction", *ends])
        writer.writerows([*source(row), *(row[name] for name in ("prediction", *ends))] for row in rows)
        return text.getvalue()
    kind, heading = ("probabilities", "probability") if "probabilities" in rows[0] else ("scores", "score")
    rule: Any = rows[0].get("threshold")
    rules = [] if rule is None else [f"threshold of {rule['class']}"]  # what the predictions mean
    writer.writerow([*sources, *copied, "prediction", *rules, *(f"{heading} of {name}" for name in names)])
    for row in rows:
        values = [f"{value:.6g}" for value in row[kind]]
        writer.writerow([*source(row), row["label"], *(rule["probability"] for _ in rules), *values])
    return text.getvalue()


def _read(path: Path, model: Model) -> Array:
    """Return the image as an input of the model."""
    stage = model.input_stage
    if isinstance(stage, ImageScaling) and not stage.invert_light_background:  # trained on user images, read the same way
        return read_image(path, model.input_shape, invert_light_background=False)
    if model.input_shape != (SIDE, SIDE, 1) or (model.classes or ())[:10] != CLASSES[:10]:
        return read_image(path, model.input_shape)
    image = read_image(path)
    like_mnist = image.shape == model.input_shape and not has_light_border(image[..., 0])  # 28 × 28 with a dark border
    if like_mnist:
        return image
    try:
        return digit(image)
    except DataError as error:
        raise DataError(f"{path}: {error}") from None
