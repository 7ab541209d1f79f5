"""``pellucid sweep``: one training over a grid of settings."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import typer

from pellucid.cli.common import as_json, reported, say
from pellucid.errors import ConfigError
from pellucid.runs.presets import OPTIMIZERS
from pellucid.runs.run import Settings
from pellucid.runs.sweep import Grid, Summary, Sweep


@reported
def sweep(
    data: str = typer.Argument("mnist", help="The data: mnist or fashion-mnist."),
    grid: list[str] = typer.Option(
        ..., "--grid", help="A setting and its values, as in lr=0.01,0.1,1; may be given several times."
    ),
    seeds: int = typer.Option(1, "--seeds", help="So many runs of each combination."),
    model: str = typer.Option("mlp", "--model", help="A preset, or FILE.json with a network."),
    epochs: int | None = typer.Option(None, "--epochs", help="Passes over the training data [default: the preset's]."),
    batch_size: int | None = typer.Option(None, "--batch-size", help="Samples a step [default: the preset's]."),
    optimizer: str | None = typer.Option(None, "--optimizer", help=f"One of {', '.join(OPTIMIZERS)}."),
    lr: float | None = typer.Option(None, "--lr", help="The learning rate; of a preset with a schedule, its highest."),
    hidden: str | None = typer.Option(None, "--hidden", help="The widths of an MLP's hidden layers, as in 64x32."),
    augmentation: str | None = typer.Option(None, "--augmentation", help="none, affine, elastic, strong, or settings."),
    limit: int | None = typer.Option(None, "--limit", help="Train on that many samples only."),
    data_dir: Path | None = typer.Option(None, "--data-dir", help="The folder with the data's files."),
    jobs: int | None = typer.Option(None, "--jobs", help="So many runs at once [default: one for each core]."),
    dask: str | None = typer.Option(None, "--dask", help="The address of a Dask scheduler: the runs go to its cluster."),
    out: Path = typer.Option(Path("runs/sweep"), "--out", help="The sweep's folder; a sweep that is there goes on."),
    json: bool = typer.Option(False, "--json", help="Print the results as JSON."),
) -> None:
    """Train over a grid of settings, in parallel; a sweep that was stopped goes on where it was.

    The settings of a grid are those of train: lr, hidden, batch_size, epochs, optimizer, augmentation, model, limit,
    early_stopping. The folder gets one run for each combination and seed, results.csv, and a figure.
    """
    base = Settings(
        data=data,
        model=model,
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
        rows = work.write() if work.out.exists() else []
    summaries = work.summaries(rows)
    _figure(work, summaries)
    if json:
        as_json(rows)
        return
    names = list(work.grid.values)
    whole = sorted((one for one in summaries.items() if one[1].mean is not None), key=lambda one: -(one[1].mean or 0.0))
    others = [one for one in summaries.items() if one[1].mean is None]
    say()
    say(f"validation accuracy, mean (and range) of {seeds} seed{'s' * (seeds > 1)}, best first:")
    for combination, summary in [*whole[:10], *others]:
        say(f"  {summary!s:<30} {', '.join(f'{name} {one}' for name, one in zip(names, combination, strict=True))}")
    if len(whole) > 10:
        say(f"  and {len(whole) - 10} more in results.csv")
    say(f"the runs, results.csv and the figure are in {out}")


def _run(work: Sweep, jobs: int | None, dask: str | None, json: bool) -> None:
    def tell(text: str) -> None:
        say(text, quiet=json)

    if dask is None:
        work.run(jobs, tell=tell)
        return
    try:
        from distributed import Client
    except ImportError:
        raise ConfigError("a sweep on a cluster needs Dask: pip install distributed") from None
    with Client(dask):
        work.run(jobs, backend="dask", tell=tell)


def _figure(work: Sweep, summaries: dict[tuple[Any, ...], Summary]) -> None:
    from pellucid import plots

    if len(work.grid.values) in (1, 2):
        means = {combination: one.mean for combination, one in summaries.items() if one.mean is not None}
        texts = {combination: str(one) for combination, one in summaries.items() if one.mean is None}
        try:
            plots.save(plots.sweep(work.grid.values, means, texts), work.out / "sweep.png")
        except ConfigError as error:  # no Matplotlib
            say(f"no figure: {error}")
