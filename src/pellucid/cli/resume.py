"""``pellucid resume``: continue a run that was interrupted."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from pellucid.cli import INTERRUPTED, options
from pellucid.cli.common import (
    echo,
    format_class_scores,
    format_forecast,
    format_scores,
    format_targets,
    report_errors,
)
from pellucid.core import launcher
from pellucid.runs import resuming
from pellucid.runs.run import continuation


@report_errors
def resume(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="The folder of a run that was interrupted.")],
    quiet: options.Quiet = False,
) -> None:
    """Continue a run that was interrupted, or whose process was killed.

    It goes on from its last checkpoint, with its settings and its data, and its results are those of a run without the
    interruption, to the last bit.
    """
    continue_run(run, quiet=quiet)


def continue_run(run: Path, *, quiet: bool) -> None:
    """Continue the run in a folder and print its results. Raises ``typer.Exit`` if it is interrupted again."""
    notify = functools.partial(echo, quiet=quiet)
    metrics = resuming.resume(run, notify=notify, progress=not quiet)
    if metrics is None:
        notify(f"{run} is complete: there is nothing to continue")
        return
    finish(metrics, notify)


def finish(metrics: Mapping[str, Any], notify: Callable[[str], None]) -> None:
    """Print the results of a run. Raises ``typer.Exit`` if it was interrupted."""
    sizes = metrics["data"]["sizes"]
    tested = "test" if "test" in metrics else "validation"  # the runs of a sweep do not use the test set
    of_targets = metrics.get("targets", {}).get("scores", {})
    for part in dict.fromkeys(("validation", tested)):
        notify(f"{part:<10}  {format_scores(metrics[part], sizes[part], len(of_targets) or 1)}")
    if of_targets:
        notify(format_targets(of_targets))
    if "forecast" in metrics:
        notify(format_forecast(metrics["forecast"]["targets"]))
    if table := format_class_scores(metrics[tested], metrics["classes"]):
        notify(table)
    ended = "stopped" if metrics["interrupted"] else "done"
    notify(f"{ended} in {metrics['seconds']:.1f} s, {metrics['energy_text']}; the run is in {metrics['folder']}")
    for problem in metrics["problems"] if launcher.is_first() else ():
        typer.echo(f"problem   {problem}", err=True)
    if metrics["interrupted"]:
        notify(continuation(metrics["folder"]))
        raise typer.Exit(INTERRUPTED)
