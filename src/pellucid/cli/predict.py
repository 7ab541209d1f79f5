"""``pellucid predict``: predict classes or numbers for images, for the rows of tables, or the next token of texts."""

from __future__ import annotations

import csv
import io
import itertools
import os
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import typer

from pellucid.cli import options
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
from pellucid.data.tables.columns import Standardization
from pellucid.data.text import Tokens
from pellucid.data.text.reading import file_text
from pellucid.errors import ConfigError, DataError, FileError
from pellucid.layers import Sigmoid, Softmax
from pellucid.model.model import Model
from pellucid.networks import trailing_layers
from pellucid.runs.folder import open_run
from pellucid.runs.forecasts import check_forecasts

PRINTED_ROWS = 20  # of a table
CHUNK = 512  # images in memory at the same time

# One prediction: "file" and for tables "row"; then "label" with "probabilities" or "scores", or for regression "prediction".
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
        "for one that was trained on text.",
    ),
    json: options.Json = False,
    out: Path | None = typer.Option(None, "--out", metavar="FILE.csv", help="Write all predictions into this file."),
) -> None:
    """Predict the classes of images, the classes or numbers of the rows of tables, the rows after the end of a series, or the
    token after the end of a text.

    The columns of a table are found by their names. Images are resized to the size of the model's inputs, with their aspect
    ratio kept. For a model of digits they are prepared like the images of MNIST: fitted into 20 by 20 pixels and centred by
    mass. Strokes may be dark on light or light on dark.
    """
    model, _ = open_run(run)
    options.set_encoding(model, encoding)
    stage = model.input_stage
    is_series = isinstance(stage, Standardization) and stage.series is not None
    if not is_series and not isinstance(stage, Tokens):
        require_vector(model, run)
    if isinstance(stage, Tokens):
        rows = [_predict_text(file, model, stage) for file in files]
    elif isinstance(stage, Standardization) and stage.series is not None:
        rows = [row for file in files for row in _predict_series(file, model, stage)]
    elif isinstance(stage, Standardization):
        rows = [row for file in files for row in _predict_table(file, model)]
    elif len(model.input_shape) != 3:
        raise ConfigError(f"{run} takes samples of the shape {model.input_shape}, not images (height, width, channels)")
    else:
        rows = _predict_images(files, model)
    names = _names(model)
    if out is not None:
        write_text(out, _to_csv(rows, names))
    if json:
        print_json(rows)
        return
    printed = rows[:PRINTED_ROWS] if isinstance(stage, Standardization) else rows
    width = max(len(_source(row)) for row in printed)
    for row in printed:
        echo(f"{_source(row):<{width}}  {_describe(row, names)}")
    if len(printed) < len(rows):
        hint = "" if out else ": use --out predictions.csv or --json to get all of them"
        echo(f"and {len(rows) - len(printed):,} more rows{hint}")
    if out is not None:
        echo(f"the predictions are in {out}")


def _names(model: Model) -> tuple[str, ...]:
    """Return the names of the classes, or of the tokens that may be next."""
    if isinstance(model.input_stage, Tokens) and len(model.output_shape) > 1:
        return model.tokenizer.names
    return tuple(model.classes or (str(i) for i in range(max(2, model.output_shape[0]))))


def _predict_text(file: Path, model: Model, stage: Tokens) -> Row:
    """Return the prediction for a text: its class, or the token that follows its last ones."""
    content = file_text(file, stage.encoding)
    if len(model.output_shape) == 1:
        return _rows([{"file": str(file)}], model.predict([content]), model)[0]
    t = model.input_shape[0]
    if stage.separator is not None:  # a text of lines: what follows the last one
        content = content.removesuffix("\n").rpartition("\n")[2]
    tokens = stage.encode(content)[-t:]
    x = np.full((1, t), stage.filler, np.int32)  # a causal network reads nothing of what is after the text
    x[0, : len(tokens)] = tokens
    p = model.predict(x)[0, len(tokens) - 1]
    return {"file": str(file), "label": _names(model)[int(p.argmax())], "probabilities": p.tolist()}


def _predict_table(file: Path, model: Model) -> list[Row]:
    data = model.read(file, labelled=False)
    sources: list[Row] = [{"file": str(file), "row": number} for number in range(1, len(data) + 1)]
    return _rows(sources, model.predict(data), model)


def _predict_series(file: Path, model: Model, stage: Standardization) -> list[Row]:
    """Return one row for each of the steps after the end of the series in a table."""
    check_forecasts(model)
    (forecast,) = model.predict(model.read(file, labelled=False))
    times = next_times(file, stage, len(forecast))
    targets = stage.series.targets if stage.series is not None else ()
    rows: list[Row] = []
    for step, values in enumerate(forecast.tolist(), start=1):
        when = {} if times is None else {"time": times[step - 1]}
        rows.append({"file": str(file), "step": step, **when, "forecast": dict(zip(targets, values, strict=True))})
    return rows


def _predict_images(paths: Sequence[Path], model: Model) -> list[Row]:
    """Return the predictions for all images. An unreadable image in a folder is left out; one given by name is an error."""
    rows = list[Row]()
    for chunk in _chunks(_find_images(paths)):
        sources, images = list[Row](), list[Array]()
        for file, by_name in chunk:
            try:
                images.append(_read(file, model))
                sources.append({"file": str(file)})
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
    return f"{row['file']}:{row['row']}" if "row" in row else str(row["file"])


def _describe(row: Row, names: Sequence[str]) -> str:
    if "forecast" in row:
        return "  ".join(f"{target} {format_number(value)}" for target, value in row["forecast"].items())
    if "prediction" in row:
        return format_number(row["prediction"])
    values = np.asarray(row["probabilities"] if "probabilities" in row else row["scores"])
    first, second = np.argsort(-values)[:2]
    if "scores" in row:
        return f"{names[first]}  {format_number(values[first])}   (next: {names[second]} {format_number(values[second])})"
    return f"{names[first]}  {100 * values[first]:5.1f} %   (next: {names[second]} {100 * values[second]:.1f} %)"


def _to_csv(rows: Sequence[Row], names: Sequence[str]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    sources = [name for name in ("file", "row", "step", "time") if name in rows[0]]
    if "forecast" in rows[0]:
        writer.writerow([*sources, *rows[0]["forecast"]])
        writer.writerows([*(row.get(name, "") for name in sources), *row["forecast"].values()] for row in rows)
        return text.getvalue()
    if "prediction" in rows[0]:
        writer.writerow([*sources, "prediction"])
        writer.writerows([*(row[name] for name in sources), row["prediction"]] for row in rows)
        return text.getvalue()
    kind, heading = ("probabilities", "probability") if "probabilities" in rows[0] else ("scores", "score")
    writer.writerow([*sources, "prediction", *(f"{heading} of {name}" for name in names)])
    for row in rows:
        writer.writerow([*(row[name] for name in sources), row["label"], *(f"{value:.6g}" for value in row[kind])])
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
