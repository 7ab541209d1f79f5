"""``pellucid lab``: the experiments, and the report of what they found."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import typer

from pellucid.cli.common import as_json, reported, say
from pellucid.errors import ConfigError
from pellucid.lab import Kept, Results, Size, chosen, in_order, load, run_all

lab = typer.Typer(help="Experiments: claims of textbooks, tried.", no_args_is_help=True, rich_markup_mode=None)
FOLDER = Path("runs/lab")
ABOUT = ("question", "chapter", "codes", "claim", "source", "criterion", "seeds")


@lab.command("list")
@reported
def list_(json: bool = typer.Option(False, "--json", help="Print them as JSON.")) -> None:
    """Say which questions there are."""
    if json:
        as_json([{"name": name} | {what: getattr(one, what) for what in ABOUT} for name, one in in_order()])
        return
    chapter = ""
    for name, one in in_order():
        if one.chapter != chapter:
            chapter = one.chapter
            say(f"\n{chapter}" if chapter else chapter)
        say(f"  {name:<36} {one.question}")


@lab.command("run")
@reported
def run_(
    names: list[str] = typer.Argument(None, help="Experiments, as pellucid lab list names them [default: all]."),
    quick: bool = typer.Option(False, "--quick", help="Less data, fewer epochs and seeds: all of them in minutes."),
    seeds: int | None = typer.Option(None, "--seeds", help="So many repetitions [default: each experiment's own]."),
    jobs: int | None = typer.Option(None, "--jobs", help="So many seeds at once [default: as many as there are cores]."),
    again: bool = typer.Option(False, "--again", help="Measure anew what is there already."),
    data_dir: Path | None = typer.Option(None, "--data-dir", help="The folder with MNIST's files."),
    out: Path = typer.Option(FOLDER, "--out", help="The folder of results; what is in it is not measured again."),
    json: bool = typer.Option(False, "--json", help="Print the results as JSON."),
) -> None:
    """Run experiments: measure, decide, draw. What was stopped goes on where it was."""
    results, size, found = Results(out), Size.QUICK if quick else Size.FULL, []
    wanted = chosen(names or [])
    ready = run_all(
        wanted, results, size, seeds, jobs=jobs, data_dir=data_dir, again=again, tell=lambda text: say(f"  {text}", quiet=json)
    )
    with closing(ready):
        for i, kept in enumerate(ready, start=1):
            name, one = kept.name, load(kept.name)
            answer = one.verdict(kept.in_order(seeds))
            found.append(
                {
                    "name": name,
                    "verdict": answer.says,
                    "because": answer.because,
                    "seeds": len(kept.results),
                    "seconds": kept.seconds,
                }
            )
            if json:
                continue
            say(f"{'' if i == 1 else chr(10)}{i} of {len(wanted)}  {name}: {one.question}")
            _shown(name, kept, seeds)
            try:
                from pellucid import plots

                made = one.figure(kept.in_order(seeds))
                made.set_label(one.alt)
                plots.save(made, out / f"{name}.{size.value}.svg")
            except ConfigError as error:  # no Matplotlib
                say(f"  no figure: {error}")
    if json:
        as_json(sorted(found, key=lambda one: wanted.index(one["name"])))
    else:
        say(f"\nresults and figures are in {out}; pellucid lab report{' --quick' * quick} makes one page of them")
        say("quick runs are for looking: criteria are meant for full ones", quiet=not quick)


def _shown(name: str, kept: Kept, seeds: int | None) -> None:
    """Table and verdict, for people."""
    one, results = load(name), kept.in_order(seeds)
    data = one.table(results)
    widths = [max(len(row[i]) for row in (data.columns, *data.rows)) for i in range(len(data.columns))]
    for row in (data.columns, *data.rows):
        say("  " + "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
    answer = one.verdict(results)
    say(f"  claim     {one.claim}")
    say(f"  verdict   {answer.says}: {answer.because} ({len(results)} seed{'s' * (len(results) != 1)}, {kept.seconds:.0f} s)")


@lab.command("report")
@reported
def report_(
    results: Path = typer.Option(FOLDER, "--results", help="The folder of results."),
    quick: bool = typer.Option(False, "--quick", help="Of the quick runs."),
    out: Path = typer.Option(Path("lab-report.html"), "--out", help="The page that is written."),
    markdown: Path | None = typer.Option(None, "--markdown", help="Write pages of Markdown into this folder instead."),
) -> None:
    """Make one page of all results: questions, mathematics, figures, tables, verdicts."""
    from pellucid.report import contents, unfinished, write_markdown, write_page

    found = contents(Results(results), Size.QUICK if quick else Size.FULL)
    if markdown is None:
        write_page(found, out)
    else:
        write_markdown(found, markdown)
    for line in unfinished(found):
        say(f"beware    {line}")
    counts = ", ".join(f"{n} {verdict}" for verdict, n in found.verdicts.items())
    n = len(found.sections)
    say(f"report    {n} experiment{'s' * (n != 1)} ({counts}): {out if markdown is None else markdown}")
