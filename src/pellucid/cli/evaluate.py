"""``pellucid evaluate``: what trained models score on a data set, one or several of them as one."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import typer

from pellucid.cli import own
from pellucid.cli.common import as_json, per_class, reported, say, scored
from pellucid.data import Corrections, Dataset
from pellucid.data.augmentation import named
from pellucid.data.drawings.rendering import CLASSES
from pellucid.data.images.folders import from_folder
from pellucid.data.input_stage import Bytes
from pellucid.data.sources.registry import SOURCES
from pellucid.data.sources.user_data import TABLES
from pellucid.data.tables.columns import Standardized
from pellucid.data.tables.encoding import read_like
from pellucid.errors import ConfigError, did_you_mean
from pellucid.metrics import Value
from pellucid.model.ensemble import Ensemble
from pellucid.model.model import Model
from pellucid.runs.folder import open_run
from pellucid.runs.run import described
from pellucid.runs.task import OF_CLASSES, OF_NUMBERS

PARTS = ("test", "validation", "train")
GENTLE = "rotation=5,shift=1,scale=0.05"


@reported
def evaluate(
    runs: list[str] = typer.Argument(
        ...,
        metavar="RUN [RUN ...] [DATA]",
        help="Run folders or model files; at the end the data, if it is not the run's: a name, a table, or a folder of "
        "pictures or corrections.",
    ),
    data_dir: Path | None = typer.Option(None, "--data-dir", help="The folder with the data's files."),
    part: str = typer.Option("test", "--part", help="test, validation or train."),
    copies: int = typer.Option(0, "--copies", min=0, help="Also ask about so many changed copies of each picture."),
    augmentation: str | None = typer.Option(
        None, "--augmentation", help=f"How the copies are changed: affine, elastic, or settings [default: {GENTLE}]."
    ),
    mistakes: Path | None = typer.Option(
        None, "--mistakes", help="Draw the pictures that the model is most sure of and gets wrong: FILE.png or .svg."
    ),
    json: bool = typer.Option(False, "--json", help="Print JSON."),
) -> None:
    """Score a trained model: loss, accuracy with its interval, precision and recall of each class. Several runs are asked
    together: their probabilities are averaged."""
    if part not in PARTS:
        raise ConfigError(f"there is no part {part!r}: {did_you_mean(part, PARTS)}")
    if augmentation is not None and not copies:
        raise ConfigError("--augmentation changes copies of the pictures: say with --copies how many")
    data = runs.pop() if len(runs) > 1 and _is_data(runs[-1]) else None
    opened = [open_run(run) for run in runs]
    known = opened[0][1].get("data", {})
    if data is not None and data not in SOURCES and (own.is_table(data) or _is_folder(data)):
        samples, part, about = _brought(data, opened[0][0])
        name, digest = samples.name, None
    else:
        splits = own.of_run(known, data_dir, data)
        samples, name, about, digest = getattr(splits, part), splits.name, described(splits), splits.sha256
    for run, (_, config) in zip(runs, opened, strict=True):
        seed = config.get("data", {}).get("split_seed", known.get("split_seed", 0))
        if part in ("validation", "train") and seed != known.get("split_seed", 0):
            raise ConfigError(
                f"{run} was trained on another split: the {part} set of the others holds some of its training data"
            )
    change = named(augmentation or GENTLE) if copies else None
    together = Ensemble([model for model, _ in opened], augmentation=change, copies=copies)
    asked, first = together if len(opened) > 1 or copies else opened[0][0], opened[0][0]
    classifies = first.loss.classifies or first.classes is not None  # squared error may be of one-hot classes
    values = asked.evaluate(samples, metrics=OF_CLASSES if classifies else OF_NUMBERS)
    n = len(samples)
    gallery = None if mistakes is None else _drawn(asked, samples, values, mistakes)
    if json:
        names: dict[str, object] = {"run": runs[0]} if len(runs) == 1 else {"runs": runs}
        as_json({**names, "data": name, "part": part, "samples": n, "copies": copies, **values})
        return
    say(about)
    for run, (_, config) in zip(runs, opened, strict=True):
        trained_on = config.get("data", {})
        if digest is not None and trained_on.get("sha256") not in (None, digest):
            say(f"beware    {run} was trained on {trained_on['name']}: these samples may be among its training data")
    if len(runs) > 1 or copies:
        each = f", each asked about every picture and {copies} changed copies ({change})" if copies else ""
        say(f"together  {len(runs)} model{'s' * (len(runs) > 1)}{each}")
    say(f"{part:<9} {scored(values, n)}")
    if "confusion_matrix" in values:
        say(per_class(values, together.classes or [str(i) for i in range(len(values["confusion_matrix"]))]))  # type: ignore[arg-type]
    if gallery is not None:
        say(f"mistakes  {gallery}")


def _drawn(asked: Model | Ensemble, samples: Dataset, values: Mapping[str, Value], path: Path) -> str:
    """Draws the mistakes, if there are any, and says so."""
    if values.get("accuracy") == 1:
        return "none: there is no figure"
    from pellucid import plots

    plots.save(plots.mistakes(asked, samples), path)
    return f"those it is most sure of are in {path}"


def _is_data(word: str) -> bool:
    """Whether the last word names data: a data set, a folder of corrections, or nothing that there is (the error says so)."""
    path = Path(word)
    if word in SOURCES:
        return not (path / "model.pellucid").exists()
    if path.suffix.lower() in TABLES:
        return True
    return _is_folder(word) or (not path.exists() and len(path.parts) == 1)


def _is_folder(word: str) -> bool:
    """Whether that is a folder that may hold corrections or pictures."""
    return word not in SOURCES and Path(word).is_dir() and not (Path(word) / "config.json").exists()


def _brought(data: str, model: Model) -> tuple[Dataset, str, str]:
    """(the samples in a table or in a folder of pictures or corrections, as the model reads them; what they are; the line about
    them)."""
    stage = model.input_stage
    if isinstance(stage, Standardized) and own.is_table(data):
        samples, what = read_like(data, stage, model.classes, labelled=True), "table"
    elif isinstance(stage, Standardized) or own.is_table(data):
        raise ConfigError(f"this model was trained on {stage.wants if stage else 'pictures'}: {data} is something else")
    elif isinstance(stage, Bytes) and not stage.ink:
        h, w, c = model.input_shape
        samples = from_folder(data, size=(h, w), colour="grey" if c == 1 else "colour", classes=model.classes)
        what = "pictures"
    else:
        samples = _corrections(Path(data), model)
        return samples, "corrections", f"data      corrections: {len(samples):,} drawings, from {data}"
    notes = () if samples.origin is None else samples.origin.notes
    return samples, what, "\n".join([f"data      {samples.name}: {len(samples):,} samples, from {data}", *notes])


def _corrections(folder: Path, model: Model) -> Dataset:
    """The corrections in a folder, without those that the model has no name for: "no digit" to one that knows digits only."""
    samples, names = Corrections(folder).dataset(), model.classes or ()
    if names[:10] != CLASSES[:10]:
        raise ConfigError(f"corrections are digits; this model knows {', '.join(names[:3])}, …")
    known = np.flatnonzero(np.asarray(samples.y) < len(names))
    return samples if len(known) == len(samples) else samples.take(known)
