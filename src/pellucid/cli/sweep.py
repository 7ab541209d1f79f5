"""``pellucid sweep``: train over a grid of settings."""

from __future__ import annotations

import math
import os
import shlex
from pathlib import Path
from typing import Any

import typer

from pellucid.cli import options, user_data
from pellucid.cli.common import echo, format_scores, print_json, report_errors
from pellucid.data.sources.registry import SOURCES, checked_name
from pellucid.data.sources.user_data import checked_target, kind_of
from pellucid.data.text.reading import ENCODING
from pellucid.errors import ConfigError, did_you_mean
from pellucid.runs import nested
from pellucid.runs.cells import formatted
from pellucid.runs.optuna_search import PRUNERS, SAMPLERS, OptunaSearch
from pellucid.runs.plan import RunSettings
from pellucid.runs.search import Exhaustive, Halving, Strategy
from pellucid.runs.selection import Look, Selection, check_ensemble, look_at_test_set, recorded, save, select
from pellucid.runs.sweep import NAMES, R_SQUARED, SETTING_TYPES, Grid, Summary, Sweep

LISTED = 10  # combinations that are printed, the best ones
STRATEGIES = (Exhaustive.name, Halving.name, OptunaSearch.name)
OPTUNA_OPTIONS = ("trials", "sampler", "pruner")


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
    strategy: str = typer.Option(
        Exhaustive.name,
        "--strategy",
        metavar="NAME",
        help="grid trains all combinations. halving trains all of them for a small share of their epochs, keeps the best "
        "third, and so on until one is left. optuna lets a sampler choose them (pip install 'pellucid[optuna]').",
    ),
    time_budget: float | None = typer.Option(
        None,
        "--time-budget",
        metavar="SECONDS",
        help="Begin no run that would not end in this time, and stop those that run then. The same command goes on with them.",
    ),
    ensemble: int = typer.Option(
        0,
        "--ensemble",
        metavar="COUNT",
        min=0,
        max=100,
        help="Choose up to this many runs whose mean is best on the validation set. halving trains as many to the end.",
    ),
    test: bool = typer.Option(
        False, "--test", help="Evaluate the best run, and the ensemble, on the test set: the score to report."
    ),
    splits: int = typer.Option(
        1,
        "--splits",
        metavar="COUNT",
        min=1,
        max=100,
        help="Repeat the search on this many splits of the data, each with a test set of its own, and report the mean test "
        "score (nested validation).",
    ),
    trials: int | None = typer.Option(
        None, "--trials", min=1, help="optuna: the number of combinations to try.  [default: 20]"
    ),
    sampler: str | None = typer.Option(
        None, "--sampler", metavar="NAME", help=f"optuna: {' or '.join(SAMPLERS)}.  [default: {SAMPLERS[0]}]"
    ),
    pruner: str | None = typer.Option(
        None, "--pruner", metavar="NAME", help=f"optuna: {', '.join(PRUNERS)}.  [default: {PRUNERS[0]}]"
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
    dropout: options.Dropout = None,
    decay: options.Decay = None,
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

    The folder contains one run for each combination of values and each seed, results.csv, a figure for grids of one or two
    settings, and selection.json, which names the best runs. A sweep that was stopped continues with the runs that are missing.

    Settings are chosen by the scores on the validation set. That of the best one is too high an estimate for new data; the
    score on the test set, which --test computes at the end, is not.
    """
    reading = user_data.read_options(
        target,
        task,
        missing,
        ignore,
        no_header,
        size,
        colour,
        horizon=None,
        window=None,
        season=None,
        time=None,
        context=None,
        tokens=None,
        lines=False,
        encoding=ENCODING,
        categorical=categorical,
        logarithm=logarithm,
    )
    if checked_name(data, reading) not in SOURCES and kind_of(data, reading) == "table":
        checked_target(data, reading)  # before a cell is trained
    chosen_strategy = _strategy(strategy, ensemble, {"trials": trials, "sampler": sampler, "pruner": pruner})
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
        dropout=dropout,
        decay=decay,
    )
    if splits > 1:
        works = nested.sweeps(base, Grid.parse(grid, seeds), out, splits)
        if ensemble:
            check_ensemble(works[0])
        record = []
        time_left = None if time_budget is None else nested.TimeLeft(time_budget)
        for number, work in enumerate(works):
            echo(f"split {number + 1} of {splits}", quiet=json)
            budget = None if time_left is None else time_left.part(splits - number)
            rows = _train(work, jobs, dask, json, chosen_strategy, budget)
            selection = _select(work, rows, ensemble)
            if selection is not None:
                record.append(nested.record(work, selection, look_at_test_set(work, selection)))
        nested.write(out, record)
        if json:
            print_json(record)
            return
        echo()
        for line in nested.lines(record, splits):
            echo(line)
        echo(f"the sweeps of the splits and nested.json are in {out}")
        return
    work = Sweep(base, Grid.parse(grid, seeds), out)
    if ensemble:
        check_ensemble(work)
    rows = _train(work, jobs, dask, json, chosen_strategy, time_budget)
    summaries = work.summaries(rows)
    figure = _save_figure(work, summaries, json)
    selection = _select(work, rows, ensemble)
    look = look_at_test_set(work, selection) if test and selection is not None else None
    if json:
        print_json(rows if not (test or ensemble) else _record(work, rows, selection, look))
        return
    echo()
    for line in [*_table(work, rows, summaries), *_chosen(work, selection, look)]:
        echo(line)
    echo(f"the runs{', results.csv and the figure' if figure else ' and results.csv'} are in {out}")


def _select(work: Sweep, rows: list[dict[str, Any]], members: int) -> Selection | None:
    """Return what a sweep has chosen, and write it: the best run first, as the ensemble takes longer and may fail."""
    for count in dict.fromkeys((0, members)):
        selection = select(work, rows, count)
        if selection is not None:
            save(work, selection)
    return selection


def _record(work: Sweep, rows: list[dict[str, Any]], selection: Selection | None, look: Look | None) -> dict[str, Any]:
    """Return the rows with what was chosen and its scores on the test set, as plain JSON."""
    chosen = None if selection is None else recorded(work, selection)
    return {"runs": rows, "selection": chosen, "test": None if look is None else vars(look)}


def _strategy(name: str, members: int, of_optuna: dict[str, Any]) -> Strategy:
    """Return the strategy of this name. Raises ConfigError for an unknown one, and for options that belong to another."""
    if name not in STRATEGIES:
        raise ConfigError(f"--strategy {name!r}: {did_you_mean(name, STRATEGIES)}")
    given = {option: value for option, value in of_optuna.items() if value is not None}
    if name == OptunaSearch.name:
        return OptunaSearch(**given)
    if given:
        raise ConfigError(f"--{next(iter(given))} is an option of --strategy optuna: leave it out, or choose that strategy")
    return Halving(keep=max(1, members)) if name == Halving.name else Exhaustive()


def _table(work: Sweep, rows: list[dict[str, Any]], summaries: dict[tuple[Any, ...], Summary]) -> list[str]:
    """Return lines about the combinations: those that are complete, the best one first, and the others."""
    names, seeds = list(work.grid.values), work.grid.seeds
    complete = sorted((one for one in summaries.items() if one[1].complete), key=lambda one: one[1].standing.key)
    begun = [one for one in summaries.items() if not one[1].complete and (one[1].scores or one[1].stopped or one[1].diverged)]
    known = {one: [score for score in (*summary.scores, *summary.stopped) if score is not None] for one, summary in begun}
    begun.sort(key=lambda one: -max(known[one[0]], default=-math.inf))
    lines = [f"validation {NAMES[work.score(rows)]}, mean (and range) of {seeds} seed{'s' * (seeds > 1)}, best first:"]
    for some in (complete, begun):
        for combination, summary in some[:LISTED]:
            lines.append(f"  {summary!s:<30} {_settings(names, combination)}")
        if len(some) > LISTED:
            lines.append(f"  and {len(some) - LISTED} more in results.csv")
    missing = [combination for combination in summaries if combination not in dict(complete + begun)]
    if len(missing) <= LISTED:
        lines += [f"  {'not done':<30} {_settings(names, combination)}" for combination in missing]
    else:
        lines.append(f"  {'not done':<30} {len(missing)} combinations")
    return lines


def _settings(names: list[str], combination: tuple[Any, ...]) -> str:
    return ", ".join(f"{name} {value}" for name, value in zip(names, combination, strict=True))


def _chosen(work: Sweep, selection: Selection | None, look: Look | None) -> list[str]:
    """Return lines about the best run and the ensemble, and about which of their scores may be reported."""
    if selection is None:
        return []
    lines = [f"best      {os.path.relpath(work.out / selection.winner.runs[0])}"]
    score = next(iter(selection.winner.validation))
    if selection.ensemble is not None:
        members = selection.ensemble.runs
        count = f"{len(members)} run{'s' * (len(members) > 1)}"
        value = formatted(float(selection.ensemble.validation[score]), score)
        lines.append(
            f"ensemble  {count}, validation {NAMES[score]} {value}: pellucid evaluate "
            + " ".join(shlex.quote(os.path.relpath(work.out / name)) for name in members)
        )
        if selection.left_out:
            lines.append(
                f"          {selection.left_out} of the best runs have other inputs or another loss, so they are left out"
            )
    tried = len(work.grid.cells()) // work.grid.seeds
    if look is None:
        if tried > 1:
            lines.append(
                "          chosen by its validation score, which is therefore too high an estimate for new data: --test has "
                "the score to report"
            )
        return lines
    lines.append(f"test      {format_scores(look.winner, look.samples)}")
    if look.ensemble is not None:
        lines.append(f"          ensemble: {format_scores(look.ensemble, look.samples)}")
    if look.earlier:
        times = "once" if look.earlier == 1 else f"{look.earlier} times"
        lines.append(
            f"          the test set was used {times} before, for other runs of this sweep: if that has influenced the "
            "search, this score is too high as well"
        )
    elif look.ensemble is not None:
        lines.append("          decide between the two by their validation scores, not by these")
    return lines


def _train(
    work: Sweep, jobs: int | None, dask: str | None, json: bool, strategy: Strategy, time_budget: float | None
) -> list[dict[str, Any]]:
    """Train the cells of a sweep, write its results, also if it is interrupted, and return their rows."""
    try:
        _run(work, jobs, dask, json, strategy, time_budget)
    finally:
        rows = work.write() if os.path.exists(work.out) else []
    return rows


def _run(work: Sweep, jobs: int | None, dask: str | None, json: bool, strategy: Strategy, time_budget: float | None) -> None:
    def notify(text: str) -> None:
        echo(text, quiet=json)

    if dask is None:
        work.run(jobs, notify=notify, strategy=strategy, time_budget=time_budget)
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
        work.run(jobs, backend="dask", notify=notify, strategy=strategy, time_budget=time_budget)


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
