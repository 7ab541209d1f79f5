"""``pellucid evaluate``: a trained model's figures on a data set's test part."""

from __future__ import annotations

from pathlib import Path

import typer

from pellucid import data as sources
from pellucid.cli.common import as_json, described, per_class, reported, say, scored
from pellucid.runs import open_run


@reported
def evaluate(
    run: Path = typer.Argument(..., help="A run folder, or a model file."),
    data: str | None = typer.Argument(None, help="The data: mnist or fashion-mnist [default: the run's]."),
    data_dir: Path | None = typer.Option(None, "--data-dir", help="The folder with the data's files."),
    part: str = typer.Option("test", "--part", help="test, validation or train."),
    json: bool = typer.Option(False, "--json", help="Print JSON."),
) -> None:
    """Score a trained model: loss, accuracy with its interval, precision and recall of each class."""
    from pellucid.errors import ConfigError, did_you_mean
    from pellucid.metrics import Accuracy, ConfusionMatrix, Precision, Recall

    parts = ("test", "validation", "train")
    if part not in parts:
        raise ConfigError(f"there is no part {part!r}: {did_you_mean(part, parts)}")
    model, config = open_run(run)
    known = config.get("data", {})
    splits = sources.load(data or known.get("asked_for", "mnist"), data_dir, known.get("split_seed", 0))
    values = model.evaluate(getattr(splits, part), metrics=[Accuracy(), Precision(), Recall(), ConfusionMatrix()])
    n = splits.sizes[part]
    if json:
        as_json({"run": str(run), "data": splits.name, "part": part, "samples": n, **values})
        return
    say(described(splits))
    if data is None and known.get("name") not in (None, splits.name):
        say(f"beware    the run was trained on {known['name']}: these samples may be among its training data")
    say(f"{part:<10}{scored(values, n)}")
    say(per_class(values, model.classes or [str(i) for i in range(len(values["confusion_matrix"]))]))  # type: ignore[arg-type]
