"""``pellucid sweep``: train over a grid of settings."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import typer

from pellucid.cli import options, user_data
from pellucid.cli.common import echo, print_json, report_errors
from pellucid.data.sources.registry import SOURCES, checked_name
from pellucid.data.sources.user_data import ReadOptions, checked_target, kind_of, parse_size
from pellucid.errors import ConfigError
from pellucid.runs.plan import RunSettings
from pellucid.runs.sweep import NAMES, R_SQUARED, SETTING_TYPES, Grid, Summary, Sweep

LISTED = 10  # complete combinations that are printed, the best ones


@report_errors
def sweep(
    data: str = typer.Argument(
        "mnist",
        metavar="DATA",
        help=f"A data set: {', '.join(SOURCES)}; or your own: a table, a folder of images, or text.",
    ),
    grid: list[str] = typer.Option(
        ...,
        "--grid",
        metavar="NAME=VALUES",
        help=f"A setting and its values, as in lr=0.01,0.1,1. May be given several times. "
        f"Settings: {', '.join(SETTING_TYPES)}.",
    ),
    seeds: int = typer.Option(1, "--seeds", help="The number of runs of each combination, each with another random seed."),
    model: str | None = typer.Option(
        None, "--model", metavar="NAME|FILE.json", help=f"{options.MODEL_HELP}.  [default: mlp, or one that suits your data]"
    ),
    epochs: options.Epochs = None,
    batch_size: options.BatchSize = None,
    optimizer: options.OptimizerName = None,
    lr: float | None = typer.Option(
        None,
        "--lr",
        metavar="RATE",
        help="The learning rate; for a schedule, its highest rate.  [default: the preset's, or the optimizer's]",
    ),
    hidden: options.Hidden = None,
    augmentation: options.AugmentationName = None,
    limit: options.Limit = None,
    target: user_data.Target = None,
    task: user_data.Task = None,
    missing: user_data.Missing = None,
    categorical: user_data.Categorical = None,
    logarithm: user_data.Logarithm = None,
    ignore: user_data.Ignore = None,
    no_header: user_data.NoHeader = False,
    size: user_data.Size = None,
    colour: user_data.Colour = None,
    data_dir: options.DataDir = None,
    jobs: int | None = typer.Option(
        None, "--jobs", help="The number of runs that are trained at the same time.  [default: one for each core]"
    ),
    dask: str | None = typer.Option(
        None, "--dask", metavar="ADDRESS", help="The address of a Dask scheduler, on whose cluster the runs are trained."
    ),
    out: Path = typer.Option(
        Path("runs/sweep"),
        "--out",
        metavar="FOLDER",
        help="The folder of the sweep. A sweep that it already contains is continued.",
    ),
    json: options.Json = False,
) -> None:
    """Train over a grid of settings, several runs at the same time.

    The folder contains one run for each combination of values and each seed, results.csv, and a figure for grids of one or two
    settings. A sweep that was stopped continues with the runs that are missing.
    """
    reading = ReadOptions(
        target=None if not target else target[0] if len(target) == 1 else tuple(target),
        task=task,
        missing=missing,
        ignore=tuple(ignore or ()),
        header=not no_header,
        size=parse_size(size),
        colour=colour,
        categorical=tuple(categorical or ()),
        logarithm=logarithm,
    )
    if checked_name(data, reading) not in SOURCES and kind_of(data, reading) == "table":
        checked_target(data, reading)  # before a cell is trained
    base = RunSettings(
        **user_data.data_settings(data, model, reading, lambda line: echo(line, quiet=json)),
        hidden=hidden,
        epochs=epochs,
        batch_size=batch_size,
        optimizer=optimizer,
        lr=lr,
        augmentation=augmentation,
        limit=limit,
        data_dir=data_dir,
    )
    work = Sweep(base, Grid.parse(grid, seeds), out)
    try:
        _run(work, jobs, dask, json)
    finally:
        rows = work.write() if os.path.exists(work.out) else []
    summaries = work.summaries(rows)
    figure = _save_figure(work, summaries, json)
    if json:
        print_json(rows)
        return
    names = list(work.grid.values)
    complete = sorted((one for one in summaries.items() if one[1].mean is not None), key=lambda one: -(one[1].mean or 0.0))
    incomplete = [one for one in summaries.items() if one[1].mean is None]
    echo()
    echo(f"validation {NAMES[work.score(rows)]}, mean (and range) of {seeds} seed{'s' * (seeds > 1)}, best first:")
    for combination, summary in [*complete[:LISTED], *incomplete]:
        echo(f"  {summary!s:<30} {', '.join(f'{name} {value}' for name, value in zip(names, combination, strict=True))}")
    if len(complete) > LISTED:
        echo(f"  and {len(complete) - LISTED} more in results.csv")
    echo(f"the runs{', results.csv and the figure' if figure else ' and results.csv'} are in {out}")


def _run(work: Sweep, jobs: int | None, dask: str | None, json: bool) -> None:
    def notify(text: str) -> None:
        echo(text, quiet=json)

    if dask is None:
        work.run(jobs, notify=notify)
        return
    try:
        from distributed import Client
    except ImportError:
        raise ConfigError("a sweep on a cluster needs Dask: pip install distributed") from None
    try:
        client = Client(dask)
    except (OSError, ValueError) as error:  # nothing answers, or this is no address
        raise ConfigError(f"--dask {dask}: expected the address of a Dask scheduler, like tcp://host:8786: {error}") from error
    with client:
        work.run(jobs, backend="dask", notify=notify)


def _save_figure(work: Sweep, summaries: dict[tuple[Any, ...], Summary], json: bool) -> bool:
    """Draw the figure of a grid of one or two settings, and return whether there is one."""
    from pellucid import plots

    if len(work.grid.values) not in (1, 2):
        return False
    means = {combination: one.mean for combination, one in summaries.items() if one.mean is not None}
    texts = {combination: str(one) for combination, one in summaries.items() if one.mean is None}
    try:
        score = next(iter(summaries.values())).score
        figure = plots.sweep(work.grid.values, means, texts, percent=score != R_SQUARED, score=NAMES[score])
        plots.save(figure, work.out / "sweep.png")
    except ConfigError as error:  # Matplotlib is not installed
        echo(f"no figure: {error}", quiet=json)
        return False
    return True
