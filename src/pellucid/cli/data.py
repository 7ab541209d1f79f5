"""``pellucid data``: which data sets there are, fetching them, looking at them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import typer

from pellucid import data as sources
from pellucid.cli.common import as_json, described, reported, say
from pellucid.data import fetch as fetch_data
from pellucid.data import status
from pellucid.memory import Array

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
def fetch(name: str = typer.Argument(..., help="mnist or fashion-mnist.")) -> None:
    """Download a data set into the cache, and check it."""
    say(f"{name} is in {fetch_data(name)}")


@data.command()
@reported
def show(
    name: str = typer.Argument("mnist", help="mnist or fashion-mnist."),
    data_dir: Path | None = typer.Option(None, "--data-dir", help="The folder with the data's files."),
    count: int = typer.Option(4, "--count", min=1, max=40, help="How many pictures."),
) -> None:
    """Show a data set: its sizes, how often each class occurs, and the first training pictures."""
    splits = sources.load(name, data_dir)
    say(described(splits))
    counts = np.bincount(splits.train.y)  # type: ignore[arg-type]
    names = splits.classes or [str(i) for i in range(len(counts))]
    say("training  " + "  ".join(f"{name}: {n:,}" for name, n in zip(names, counts, strict=True)))
    for start in range(0, min(count, len(splits.train)), 2):
        chosen = slice(start, min(start + 2, count))
        say("   ".join(f"{names[label]:<28}" for label in splits.train.y[chosen]))  # type: ignore[index]
        for line in zip(*(_halftone(picture) for picture in splits.train.x[chosen]), strict=True):
            say("   ".join(line))


def _halftone(picture: Array) -> list[str]:
    """A grey picture as lines of text, two rows of pixels to a line."""
    shades = " ░▒▓█"
    rows = picture[..., 0].astype(int)
    rows = (rows[0::2][: len(rows) // 2] + rows[1::2]) // 2
    return ["".join(shades[v * len(shades) // 256] for v in row) for row in rows]
