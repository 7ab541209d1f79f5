"""``pellucid data``: list, download and show data sets."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import typer

import pellucid.data as datasets
from pellucid.cli import options, user_data
from pellucid.cli.common import echo, print_json, report_errors
from pellucid.core.memory import Array
from pellucid.data import Dataset
from pellucid.data.augmentation_text import parse_augmentation
from pellucid.data.sources.registry import SOURCES
from pellucid.data.text import Tokens
from pellucid.data.text.reading import ENCODING
from pellucid.data.text.tokenizer import printable
from pellucid.errors import ConfigError
from pellucid.runs.run import describe_splits

FREQUENT, SHOWN_TOKENS, SHOWN_LINES = 12, 80, 8  # of a text
SHADES = " ░▒▓█"  # from dark to light, on a dark terminal

data = typer.Typer(help="List, download and show data sets.", no_args_is_help=True, rich_markup_mode=None)


@data.command("list")
@report_errors
def list_(json: options.Json = False) -> None:
    """List the data sets, and where they are on this machine."""
    rows = datasets.status()
    if json:
        print_json(rows)
        return
    for row in rows:
        echo(f"{row['name']:<15} {row['where']}")


@data.command()
@report_errors
def fetch(name: str = typer.Argument(..., metavar="NAME", help=f"One of {', '.join(SOURCES)}.")) -> None:
    """Download a data set into the cache, and check its files."""
    echo(f"{name} is in {datasets.fetch(name)}")


@data.command()
@report_errors
def show(
    name: str = typer.Argument("mnist", metavar="DATA", help=options.DATA_HELP),
    data_dir: options.DataDir = None,
    count: int = typer.Option(4, "--count", min=1, max=40, help="The number of images."),
    augment: bool = typer.Option(False, "--augment", help="Show augmented images too, as training uses them."),
    augmentation: str | None = typer.Option(
        None,
        "--augmentation",
        metavar="NAME|AMOUNTS",
        help="Show augmented images too: affine, elastic, strong, photo, or amounts, as in rotation=10,shift=2.  "
        "[default of --augment: elastic]",
    ),
    out: Path | None = typer.Option(None, "--out", metavar="FILE", help="Draw the images into this file (.png or .svg)."),
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
) -> None:
    """Show a data set: its sizes, its classes and its first images.

    For your own data, this also shows how pellucid train reads it. The images are the first of the training set, with the
    class of each pixel where the data set has it. Of a text, its beginning and its most frequent tokens are shown.
    """
    changes = parse_augmentation(augmentation or "elastic") if augment or augmentation else None
    given = user_data.read_options(
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
    splits = datasets.load(name, data_dir, reading=user_data.data_settings(name, None, given, echo)["reading"])
    has_images = len(splits.train.shape) == 3
    stage = None if splits.train.origin is None else splits.train.origin.tokens
    if not has_images and (changes is not None or out is not None):
        raise ConfigError(f"{name} is a {'table' if stage is None else 'text'}: there are no images to show")
    echo(describe_splits(splits))
    for note in splits.notes:
        echo(note)
    if stage is not None:
        _show_text(splits.train, stage)
    if splits.train.classes is None:
        return
    has_maps = splits.train.y.ndim > 1
    if has_maps and changes is not None:
        raise ConfigError(f"{name} has a class for each pixel, which this command does not augment: leave --augment out")
    counts = np.bincount(splits.train.y.ravel(), minlength=len(splits.classes or ()))
    names = splits.classes or [str(i) for i in range(len(counts))]
    found = [f"{n / counts.sum():.1%}" if has_maps else f"{n:,}" for n in counts]
    echo(("pixels    " if has_maps else "training  ") + "  ".join(f"{name}: {n}" for name, n in zip(names, found, strict=True)))
    if not has_images:
        return
    first = splits.train.take(np.arange(min(count, len(splits.train))))
    if has_maps:
        _show_maps(first, names, out)
        return
    rows = {"original": first.x.astype(np.float32) / 255}
    if changes is not None:
        echo(f"augmented {changes}")
        rows |= {f"epoch {epoch + 1}": changes.apply(first.x, epoch=epoch) for epoch in range(4 if out else 1)}
    if out is not None:
        from pellucid import plots

        plots.save(plots.images(list(rows.values()), list(rows), "" if changes is None else str(changes)), out)
        echo(f"the images are in {out}")
        return
    images = [(names[label], row[i]) for i, label in enumerate(first.y) for row in rows.values()]
    for start in range(0, len(images), 2):
        pair = images[start : start + 2]
        echo("   ".join(f"{label:<28}" for label, _ in pair))
        for line in zip(*(_as_text(image) for _, image in pair), strict=True):
            echo("   ".join(line))


def _show_text(samples: Dataset, stage: Tokens) -> None:
    """Print the most frequent tokens of a text, and its beginning; of lines, the first ones of the training set."""
    weights = np.ones(samples.y.shape) if samples.sample_weight is None else samples.sample_weight
    counts = np.bincount(samples.y.ravel(), weights.ravel(), len(stage.tokenizer))
    first = np.argsort(-counts, kind="stable")[:FREQUENT]
    listed = "  ".join(f"{stage.tokenizer.name(i)} {counts[i] / counts.sum():.1%}" for i in first.tolist())
    echo(f"frequent  {listed}")
    if samples.passage is not None:
        echo("text      " + printable(stage.tokenizer.decode(samples.passage[:SHOWN_TOKENS])) + "…")
        return
    lines = [stage.tokenizer.decode(y[w > 0]) for y, w in zip(samples.y[:SHOWN_LINES], weights[:SHOWN_LINES], strict=True)]
    echo("lines     " + ", ".join(printable(line.removesuffix("\n")) for line in lines) + ", …")


def _show_maps(samples: Dataset, names: Sequence[str], out: Path | None) -> None:
    """Draw images and their class maps into a file, or print them beside each other."""
    if out is not None:
        from pellucid import plots

        plots.save(plots.maps({"classes": samples.y}, samples.x, classes=names), out)
        echo(f"the images are in {out}")
        return
    letters = np.array([" ", *(name[:1] for name in names[1:])])
    for x, y in zip(samples.x, samples.y, strict=True):
        for image, line in zip(_as_text(x.astype(np.float32) / 255), letters[np.maximum(y[0:-1:2], y[1::2])], strict=True):
            echo(f"{image}   {''.join(line)}".rstrip())
        echo()


def _as_text(image: Array) -> list[str]:
    """Return the image, with its colours averaged, as lines of text, each for two rows of pixels."""
    rows = np.clip(image.mean(axis=-1), 0, 1)
    rows = (rows[0::2][: len(rows) // 2] + rows[1::2]) / 2
    return ["".join(SHADES[min(int(value * len(SHADES)), len(SHADES) - 1)] for value in row) for row in rows]
