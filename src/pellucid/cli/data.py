"""``pellucid data``: which data sets there are, fetching them, looking at them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import typer

from pellucid import data as sources
from pellucid.cli import own
from pellucid.cli.common import as_json, reported, say
from pellucid.core.memory import Array
from pellucid.data import fetch as fetch_data, status
from pellucid.data.augmentation import named
from pellucid.data.sources.registry import SOURCES
from pellucid.errors import ConfigError
from pellucid.runs.run import described

data = typer.Typer(help="List, fetch and show data sets.", no_args_is_help=True, rich_markup_mode=None)


@data.command("list")
@reported
def list_(json: bool = typer.Option(False, "--json", help="Print JSON.")) -> None:
    """The data sets, and whether they are on this machine."""
    rows = status()
    if json:
        as_json(rows)
        return
    for row in rows:
        say(f"{row['name']:<15} {row['where']}")


@data.command()
@reported
def fetch(name: str = typer.Argument(..., help=f"One of {', '.join(SOURCES)}.")) -> None:
    """Download a data set into the cache, and check it."""
    say(f"{name} is in {fetch_data(name)}")


@data.command()
@reported
def show(
    name: str = typer.Argument("mnist", help=f"One of {', '.join(SOURCES)}; a table.csv; a folder with one folder a class."),
    data_dir: Path | None = typer.Option(None, "--data-dir", help="The folder with the data's files."),
    count: int = typer.Option(4, "--count", min=1, max=40, help="How many pictures."),
    augment: bool = typer.Option(False, "--augment", help="Also show them as training with augmentation sees them (elastic)."),
    augmentation: str | None = typer.Option(
        None, "--augmentation", help="As this one does: affine, elastic, strong, or settings as in rotation=10,shift=2."
    ),
    out: Path | None = typer.Option(None, "--out", help="Draw the pictures into this file (.png or .svg)."),
    target: str | None = own.TARGET,
    task: str | None = own.TASK,
    missing: str = own.MISSING,
    ignore: list[str] | None = own.IGNORE,
    no_header: bool = own.NO_HEADER,
    size: str | None = own.SIZE,
    colour: str | None = own.COLOUR,
) -> None:
    """Show a data set: its sizes, how often each class occurs, and the first training pictures; of your own data what
    training makes of it."""
    change = named(augmentation or "elastic") if augment or augmentation else None
    wish = own.reading(target, task, missing, ignore, no_header, size, colour)
    splits = sources.load(name, data_dir, reading=own.settled(name, None, wish, say)["reading"])
    drawn = len(splits.train.shape) == 3
    if not drawn and (change is not None or out is not None):
        raise ConfigError(f"{name} is a table: there are no pictures to show")
    say(described(splits))
    for note in splits.notes:
        say(note)
    if splits.train.classes is None:
        return
    counts = np.bincount(splits.train.y, minlength=len(splits.classes or ()))  # type: ignore[arg-type]
    names = splits.classes or [str(i) for i in range(len(counts))]
    say("training  " + "  ".join(f"{name}: {n:,}" for name, n in zip(names, counts, strict=True)))
    if not drawn:
        return
    first = splits.train.take(np.arange(min(count, len(splits.train))))
    rows = {"original": first.x.astype(np.float32) / 255}
    if change is not None:
        say(f"changed   {change}")
        rows |= {f"epoch {epoch + 1}": change.changed(first.x, epoch=epoch) for epoch in range(4 if out else 1)}
    if out is not None:
        from pellucid import plots

        plots.save(plots.pictures(list(rows.values()), list(rows), "" if change is None else str(change)), out)
        say(f"the pictures are in {out}")
        return
    labelled = [(names[label], row[i]) for i, label in enumerate(first.y) for row in rows.values()]  # type: ignore[arg-type]
    for start in range(0, len(labelled), 2):
        shown = labelled[start : start + 2]
        say("   ".join(f"{label:<28}" for label, _ in shown))
        for line in zip(*(_halftone(picture) for _, picture in shown), strict=True):
            say("   ".join(line))


def _halftone(picture: Array) -> list[str]:
    """A picture, its colours averaged, as lines of text, two rows of pixels to a line."""
    shades = " ░▒▓█"
    rows = np.clip(picture.mean(axis=-1), 0, 1)
    rows = (rows[0::2][: len(rows) // 2] + rows[1::2]) / 2
    return ["".join(shades[min(int(v * len(shades)), len(shades) - 1)] for v in row) for row in rows]
