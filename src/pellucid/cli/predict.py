"""``pellucid predict``: what a trained model makes of pictures, and of the rows of tables."""

from __future__ import annotations

import csv
import io
import itertools
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import typer

from pellucid.cli.common import as_json, readable, reported, say
from pellucid.core.files import write_text
from pellucid.core.memory import Array
from pellucid.data import digit, read_picture
from pellucid.data.drawings.rendering import CLASSES, SIDE, on_paper
from pellucid.data.images.folders import pictures_in
from pellucid.data.input_stage import Bytes
from pellucid.data.tables.columns import Standardized
from pellucid.data.tables.encoding import read_like
from pellucid.errors import ConfigError, DataError, FileError
from pellucid.layers import Sigmoid, Softmax
from pellucid.model.model import Model
from pellucid.networks import in_line
from pellucid.runs.folder import open_run

SHOWN = 20  # rows of a table on the terminal
CHUNK = 512  # pictures in memory at once
Row = dict[str, Any]


@reported
def predict(
    run: Path = typer.Argument(..., help="A run folder, or a model file."),
    files: list[Path] = typer.Argument(..., help="Pictures and folders of pictures; for a model of tables: tables (.csv)."),
    json: bool = typer.Option(False, "--json", help="Print JSON."),
    out: Path | None = typer.Option(None, "--out", help="Write the predictions into this file (.csv)."),
) -> None:
    """Say what is on pictures, or what belongs to the rows of a table. A table's columns are found by name. Pictures of the
    model's size are taken as they are; others are fitted to it with their aspect kept. For a model of digits, they become
    digits as MNIST has them: fitted into 20 by 20 pixels, the centre of mass in the middle, dark on light or light on dark
    alike."""
    model, _ = open_run(run)
    stage = model.input_stage
    if isinstance(stage, Standardized):
        rows = [row for file in files for row in _of_table(file, model, stage)]
    elif len(model.input_shape) != 3:
        raise ConfigError(f"{run} takes {model.input_shape} a sample, no pictures (height, width, channels)")
    else:
        rows = _of_pictures(files, model)
    names = model.classes or tuple(str(i) for i in range(max(2, model.output_shape[0])))
    if out is not None:
        write_text(out, _as_csv(rows, names))
    if json:
        as_json(rows)
        return
    shown = rows[:SHOWN] if isinstance(stage, Standardized) else rows
    wide = max(len(_place(row)) for row in shown)
    for row in shown:
        say(f"{_place(row):<{wide}}  {_said(row, names)}")
    if len(shown) < len(rows):
        say(f"and {len(rows) - len(shown):,} more rows" + ("" if out else ": --out predictions.csv or --json for all of them"))
    if out is not None:
        say(f"the predictions are in {out}")


def _of_table(file: Path, model: Model, stage: Standardized) -> list[Row]:
    data = read_like(file, stage, model.classes, labelled=False)
    for note in data.origin.notes if data.origin is not None else ():
        typer.echo(note, err=True)
    places: list[Row] = [{"file": str(file), "row": number} for number in range(1, len(data) + 1)]
    return _answers(places, model.predict(data.x), model)


def _of_pictures(files: Sequence[Path], model: Model) -> list[Row]:
    rows = list[Row]()
    for chunk in _batched(_found(files)):
        read, pictures = list[Row](), list[Array]()
        for one, named in chunk:
            try:
                pictures.append(_read(one, model))
                read.append({"file": str(one)})
            except (DataError, FileError) as error:
                if named:
                    raise
                typer.echo(f"left out  {error}", err=True)
        if read:
            rows += _answers(read, model.predict(np.stack(pictures)), model)
    if not rows:
        raise DataError("none of the pictures can be read")
    return rows


def _found(files: Sequence[Path]) -> Iterator[tuple[Path, bool]]:
    """All pictures, and whether each was named by itself: others are in a folder."""
    for path in files:
        if not path.is_dir():
            yield path, True
            continue
        inside = [(one, False) for one in pictures_in(path, Counter())]
        if not inside:
            raise DataError(f"{path}: there are no pictures in this folder")
        yield from inside


def _batched(found: Iterator[tuple[Path, bool]]) -> Iterator[list[tuple[Path, bool]]]:
    while chunk := list(itertools.islice(found, CHUNK)):
        yield chunk


def _answers(places: Sequence[Row], outputs: Array, model: Model) -> list[Row]:
    """The rows with a label and probabilities (scores, where the network ends in none), or with a number."""
    if not model.loss.classifies and model.classes is None:
        if outputs.shape[1] > 1:
            raise ConfigError(f"this model gives {outputs.shape[1]} numbers a sample: ask it in Python, with model.predict(x)")
        return [{**place, "prediction": float(y[0])} for place, y in zip(places, outputs, strict=True)]
    kind = "probabilities" if isinstance(in_line(model.network)[-1], (Softmax, Sigmoid)) else "scores"
    if outputs.shape[1] == 1:
        outputs = np.concatenate([1 - outputs if kind == "probabilities" else -outputs, outputs], axis=1)
    names = model.classes or tuple(str(i) for i in range(outputs.shape[1]))
    return [{**place, "label": names[int(p.argmax())], kind: p.tolist()} for place, p in zip(places, outputs, strict=True)]


def _place(row: Row) -> str:
    return f"{row['file']}:{row['row']}" if "row" in row else str(row["file"])


def _said(row: Row, names: Sequence[str]) -> str:
    if "prediction" in row:
        return readable(row["prediction"])
    p = np.asarray(row["probabilities"] if "probabilities" in row else row["scores"])
    first, second = np.argsort(-p)[:2]
    if "scores" in row:
        return f"{names[first]}  {readable(p[first])}   (next: {names[second]} {readable(p[second])})"
    return f"{names[first]}  {100 * p[first]:5.1f} %   (next: {names[second]} {100 * p[second]:.1f} %)"


def _as_csv(rows: Sequence[Row], names: Sequence[str]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    places = [name for name in ("file", "row") if name in rows[0]]
    numbers, kind = "prediction" in rows[0], "probabilities" if "probabilities" in rows[0] else "scores"
    each = [] if numbers else [f"{'probability' if kind == 'probabilities' else 'score'} of {name}" for name in names]
    writer.writerow([*places, "prediction", *each])
    for row in rows:
        answer = [row["prediction"]] if numbers else [row["label"], *(f"{p:.6g}" for p in row[kind])]
        writer.writerow([*(row[name] for name in places), *answer])
    return text.getvalue()


def _read(path: Path, model: Model) -> Array:
    """The picture as the model wants it. A drawing of 28 by 28 pixels whose border is dark is one of MNIST's kind already."""
    stage = model.input_stage
    if isinstance(stage, Bytes) and not stage.ink:  # trained on somebody's own pictures, which were read like this
        return read_picture(path, model.input_shape, ink=False)
    if model.input_shape != (SIDE, SIDE, 1) or (model.classes or ())[:10] != CLASSES[:10]:
        return read_picture(path, model.input_shape)
    own = read_picture(path)
    if own.shape == model.input_shape and not on_paper(own):
        return own
    try:
        return digit(own)
    except DataError as error:
        raise DataError(f"{path}: {error}") from None
