"""``pellucid lab``: run the experiments, and write the report of their results."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import typer

from pellucid.cli import options
from pellucid.cli.common import echo, print_json, report_errors
from pellucid.errors import ConfigError
from pellucid.lab import Experiment, Results, Size, StoredResults, load, load_all, run_all, select

lab = typer.Typer(help="Run experiments that test claims of textbooks.", no_args_is_help=True, rich_markup_mode=None)
RESULTS = Path("runs/lab")
LISTED_FIELDS = ("question", "chapter", "codes", "claim", "source", "criterion", "seeds")


@lab.command("list")
@report_errors
def list_(json: options.Json = False) -> None:
    """List the experiments and their questions."""
    if json:
        print_json([{"name": name} | {field: getattr(one, field) for field in LISTED_FIELDS} for name, one in load_all()])
        return
    chapter = ""
    for name, experiment in load_all():
        if experiment.chapter != chapter:
            chapter = experiment.chapter
            echo(f"\n{chapter}" if chapter else chapter)
        echo(f"  {name:<36} {experiment.question}")


@lab.command("run")
@report_errors
def run_(
    names: list[str] = typer.Argument(
        None, metavar="NAME", help="Experiments, as pellucid lab list names them.  [default: all]"
    ),
    quick: bool = typer.Option(
        False, "--quick", help="Use less data, fewer epochs and fewer seeds: all experiments together take minutes."
    ),
    seeds: int | None = typer.Option(
        None, "--seeds", help="The number of repetitions, each with another random seed.  [default: the experiment's]"
    ),
    jobs: int | None = typer.Option(
        None, "--jobs", help="The number of seeds that run at the same time.  [default: one for each core]"
    ),
    again: bool = typer.Option(False, "--again", help="Repeat experiments that already have results."),
    data_dir: options.DataDir = None,
    out: Path = typer.Option(
        RESULTS,
        "--out",
        metavar="FOLDER",
        help="The folder of the results. Seeds that already have results in it are not run again.",
    ),
    json: options.Json = False,
) -> None:
    """Run experiments: measure, compute the verdict, draw the figure.

    A run that was stopped continues with the seeds that are missing.
    """
    results, size, verdicts = Results(out), Size.QUICK if quick else Size.FULL, []
    wanted = select(names or [])

    def notify(text: str) -> None:
        echo(f"  {text}", quiet=json)

    measured = run_all(wanted, results, size, seeds, jobs=jobs, data_dir=data_dir, remeasure=again, notify=notify)
    with closing(measured):
        for i, stored in enumerate(measured, start=1):
            name, experiment = stored.name, load(stored.name)
            verdict = experiment.verdict(stored.by_seed(seeds))
            verdicts.append(
                {
                    "name": name,
                    "verdict": verdict.outcome,
                    "reason": verdict.reason,
                    "seeds": len(stored.results),
                    "seconds": stored.seconds,
                }
            )
            if json:
                continue
            blank_line = "" if i == 1 else "\n"
            echo(f"{blank_line}{i} of {len(wanted)}  {name}: {experiment.question}")
            _print_results(experiment, stored, seeds)
            try:
                from pellucid import plots

                figure = experiment.figure(stored.by_seed(seeds))
                figure.set_label(experiment.alt)
                plots.save(figure, out / f"{name}.{size.value}.svg")
            except ConfigError as error:  # Matplotlib is not installed
                echo(f"  no figure: {error}")
    if json:
        print_json(sorted(verdicts, key=lambda one: wanted.index(one["name"])))
    else:
        echo(f"\nresults and figures are in {out}; pellucid lab report{' --quick' * quick} writes a page about them")
        echo("quick runs give a first impression: the criteria are meant for full runs", quiet=not quick)


def _print_results(experiment: Experiment, stored: StoredResults, seeds: int | None) -> None:
    """Print the table, the claim and the verdict."""
    results = stored.by_seed(seeds)
    table = experiment.table(results)
    widths = [max(len(row[i]) for row in (table.columns, *table.rows)) for i in range(len(table.columns))]
    for row in (table.columns, *table.rows):
        echo("  " + "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
    verdict = experiment.verdict(results)
    count = f"{len(results)} seed{'s' * (len(results) != 1)}"
    echo(f"  claim     {experiment.claim}")
    echo(f"  verdict   {verdict.outcome}: {verdict.reason} ({count}, {stored.seconds:.0f} s)")


@lab.command("report")
@report_errors
def report_(
    results: Path = typer.Option(RESULTS, "--results", metavar="FOLDER", help="The folder of the results."),
    quick: bool = typer.Option(False, "--quick", help="Use the results of the quick runs."),
    out: Path = typer.Option(Path("lab-report.html"), "--out", metavar="FILE", help="The HTML file to write."),
    markdown: Path | None = typer.Option(
        None, "--markdown", metavar="FOLDER", help="Write Markdown pages into this folder, instead of the HTML file."
    ),
) -> None:
    """Write a page with the results of all experiments.

    It has the questions, the mathematics, figures, tables and verdicts.
    """
    from pellucid.report import contents, unfinished, write_markdown, write_page

    report = contents(Results(results), Size.QUICK if quick else Size.FULL)
    if markdown is None:
        write_page(report, out)
    else:
        write_markdown(report, markdown)
    for line in unfinished(report):
        echo(f"warning   {line}")
    counts = ", ".join(f"{n} {verdict}" for verdict, n in report.verdicts.items())
    n = len(report.sections)
    echo(f"report    {n} experiment{'s' * (n != 1)} ({counts}): {out if markdown is None else markdown}")
