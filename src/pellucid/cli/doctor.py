"""``pellucid doctor``: findings on a run or on data."""

from __future__ import annotations

import dataclasses
import os
import shutil
import textwrap
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import typer

from pellucid import data as datasets
from pellucid.cli import options, user_data
from pellucid.cli.common import echo, print_json, report_errors
from pellucid.data import Dataset
from pellucid.data.sources.registry import SOURCES
from pellucid.data.text.reading import ENCODING
from pellucid.doctor import Finding, LabelSearch, diagnose_data
from pellucid.doctor.order import most_serious_first
from pellucid.errors import ConfigError
from pellucid.runs.examination import Examined, examine_run, file_rows, recipe_of, search_wrong_labels
from pellucid.runs.plan import RunPlan, RunSettings
from pellucid.runs.recipe import Recipe
from pellucid.runs.run import describe_splits

SHOWN_LABELS = 20  # in the list
SHOWN_SAMPLES = 8  # of a finding
MIN_WIDTH, MAX_WIDTH = 60, 120  # of the printed lines


@report_errors
def doctor(
    name: str = typer.Argument(..., metavar="RUN|DATA", help=f"A run folder. {options.DATA_HELP}"),
    data_dir: options.DataDir = None,
    labels: bool = typer.Option(
        False,
        "--labels",
        help="Search for labels that are probably wrong: train five networks, each on four fifths of the training set, and "
        "compare their predictions of the rest with its labels.",
    ),
    model: str | None = typer.Option(
        None,
        "--model",
        metavar="NAME|FILE.json",
        help="The network of --labels: a preset, or a JSON file.  [default: that of the run, or one that suits the data]",
    ),
    epochs: int | None = typer.Option(
        None, "--epochs", help="The epochs of each training of --labels.  [default: the preset's]"
    ),
    gallery: Path | None = typer.Option(
        None, "--gallery", metavar="FILE", help="Draw the images whose labels are probably wrong into this file (.png or .svg)."
    ),
    target: user_data.Target = None,
    task: user_data.Task = None,
    missing: user_data.Missing = None,
    categorical: user_data.Categorical = None,
    logarithm: user_data.Logarithm = None,
    ignore: user_data.Ignore = None,
    no_header: user_data.NoHeader = False,
    horizon: user_data.Horizon = None,
    window: user_data.Window = None,
    season: user_data.Season = None,
    time: user_data.Time = None,
    size: user_data.Size = None,
    colour: user_data.Colour = None,
    context: user_data.Context = None,
    tokens: user_data.Tokens = None,
    lines: user_data.Lines = False,
    encoding: user_data.Encoding = ENCODING,
    json: options.Json = False,
) -> None:
    """Find what is wrong with a run or with data: what was measured, where, and what to try.

    Data is read and split as by pellucid train. Of a run, the data, the network, the learning curves and the findings of
    pellucid train --watch are examined. The most serious finding is first; the documentation lists all kinds with their
    thresholds. The exit code is 0 with findings, too.
    """
    for flag, given in (("--model", model), ("--epochs", epochs), ("--gallery", gallery)):
        if given is not None and not labels:
            raise ConfigError(f"{flag} is for the search for wrong labels: add --labels")
    reading = user_data.read_options(
        target,
        task,
        missing,
        ignore,
        no_header,
        size,
        colour,
        horizon,
        window,
        season,
        time,
        context,
        tokens,
        lines,
        encoding,
        categorical,
        logarithm,
    )
    is_run = name not in SOURCES and any(os.path.exists(Path(name) / file) for file in ("config.json", "model.pellucid"))
    if name.endswith(".pellucid") and os.path.isfile(name):
        raise ConfigError(
            f"{name} is a model file, which does not name its data: give its run folder, or use model.diagnose(x, y)"
        )
    if is_run:
        reading.check_options((), f"{name}: the run knows how its data was read")
        examined = examine_run(name, data_dir)
        preset = "" if model is None else model
    else:
        settings = user_data.data_settings(name, model, reading, lambda line: echo(line, quiet=json))
        splits = datasets.load(name, data_dir, reading=settings["reading"])
        examined, preset = Examined(splits.name, splits, diagnose_data(splits)), settings["model"]
    if not json:
        echo(f"run       {name}" if is_run else describe_splits(examined.splits))  # type: ignore[arg-type]
    search = None
    if labels:
        if examined.splits is None:
            raise ConfigError(f"{name}: the labels cannot be searched: {'; '.join(examined.diagnosis.left_out)}")
        train_set = examined.splits.train
        recipe_for: Callable[[Dataset], Recipe]
        if preset:
            recipe_for = RunPlan.of(RunSettings("mnist" if is_run else name, preset, epochs=epochs)).recipe_for
        else:
            recipe_for, preset = _recipe_of_run(name, epochs)
        search = search_wrong_labels(train_set, recipe_for, preset, progress=None if json else _say_fold)
        diagnosis = most_serious_first(search.findings, examined.diagnosis)
        examined = dataclasses.replace(examined, diagnosis=diagnosis)
        if gallery is not None:
            from pellucid import plots

            plots.save(plots.suspect_labels(search, train_set), gallery)
    if json:
        print_json(_record(name, examined, search))
        return
    _print(examined)
    if search is not None and examined.splits is not None:
        _print_labels(search, examined.splits.train)
        if gallery is not None:
            echo(f"gallery   {gallery}")


def _recipe_of_run(run: str, epochs: int | None) -> tuple[Callable[[Dataset], Recipe], str]:
    """Return the recipe of a run, whatever the training set, and the name of its preset."""
    recipe, preset = recipe_of(run)
    if epochs is not None:
        recipe = dataclasses.replace(recipe, fit=dataclasses.replace(recipe.fit, epochs=epochs))
    return lambda data: recipe, preset


def _say_fold(fold: int, folds: int) -> None:
    echo(f"labels    training network {fold} of {folds}")


def _print(examined: Examined) -> None:
    """Print the findings, each in a few lines."""
    diagnosis = examined.diagnosis
    count = len(diagnosis)
    more = ", the most serious first" if count > 1 else ""
    echo(f"findings  {f'{count}{more}' if count else 'none'}")
    width = max(MIN_WIDTH, min(MAX_WIDTH, shutil.get_terminal_size((MAX_WIDTH, 24)).columns - 1))
    for finding in diagnosis:
        since = "" if finding.since is None else f", since epoch {finding.since}"
        lines = [
            *_wrapped(finding.text, width),
            *_wrapped(finding.advice, width),
            *_wrapped(_samples(finding, examined), width),
        ]
        echo()
        echo("\n".join([*textwrap.wrap(f"{finding.kind}: {finding.where}{since}", width), *lines]))
    if diagnosis.left_out:
        echo()
    for text in diagnosis.left_out:
        echo("\n".join(textwrap.wrap(f"not checked: {text}", width, subsequent_indent="  ")))


def _wrapped(text: str, width: int) -> list[str]:
    return textwrap.wrap(text, width, initial_indent="  ", subsequent_indent="  ")


def _samples(finding: Finding, examined: Examined) -> str:
    """Return the samples of a finding as text, for a table with the rows of its file."""
    if not finding.samples:
        return ""
    shown = finding.samples[:SHOWN_SAMPLES]
    part = next((part for part in ("validation", "test") if f"{part} set" in finding.where), "train")
    more = ", …" if len(finding.samples) > len(shown) else ""
    text = f"samples {', '.join(map(str, shown))}{more}" if len(shown) > 1 else f"sample {shown[0]}"
    rows = None if examined.splits is None else file_rows(getattr(examined.splits, part))
    if rows is not None:
        text += f": row{'s' * (len(shown) > 1)} {', '.join(str(rows[i]) for i in shown)}{more} of the file"
    return text + "."


def _print_labels(search: LabelSearch, data: Dataset) -> None:
    """Print the samples whose labels are probably wrong."""
    errors = f"the networks are right in {100 * search.accuracy:.2f} % of the samples"
    echo()
    usual = "" if search.findings else ", which is not more than networks contradict by mistake"
    echo(f"labels    {search.contradicted:,} of {len(search.given):,} are contradicted{usual}; {errors}")
    rows, suspects = file_rows(data), search.suspects[:SHOWN_LABELS]
    table = [["sample", *([] if rows is None else ["row"]), "label", "rather", "probability"]]
    for i in suspects:
        names = [search.classes[search.given[i]], search.classes[search.likely[i]]]
        row = [] if rows is None else [str(rows[i])]
        table.append([str(i), *row, *names, f"{100 * search.other[i]:.1f} %"])
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    for line in table if len(table) > 1 else []:
        echo("  " + "  ".join(f"{cell:<{width}}" for cell, width in zip(line, widths, strict=True)).rstrip())
    if search.contradicted > len(suspects):
        echo(f"  and {search.contradicted - len(suspects):,} more")


def _record(name: str, examined: Examined, search: LabelSearch | None) -> dict[str, Any]:
    """Return everything as plain JSON."""
    record: dict[str, Any] = {"examined": name}
    if examined.splits is not None:
        record["data"] = {"name": examined.splits.name, "sizes": examined.splits.sizes, "sha256": examined.splits.sha256}
    record |= {"findings": examined.diagnosis.record(), "not_checked": list(examined.diagnosis.left_out)}
    if search is not None:
        suspects: Sequence[int] = search.suspects.tolist()
        record["labels"] = {
            "accuracy": search.accuracy,
            "contradicted": search.contradicted,
            "suspects": [
                {
                    "sample": i,
                    "label": search.classes[search.given[i]],
                    "rather": search.classes[search.likely[i]],
                    "probability": float(search.other[i]),
                }
                for i in suspects
            ],
        }
    return record
