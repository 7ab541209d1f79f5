"""Options for user data: tables, folders of images, and text."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

import typer

from pellucid.core.config import MAX_COUNT
from pellucid.data.sources.registry import CLASS_MAPS, SOURCES, checked_name
from pellucid.data.sources.user_data import ReadOptions, parse_size, suggest_settings

DEFAULT_PRESET = "mlp"  # for data sets by name
SEGMENTATION_PRESET = "unet-small"  # for those with class maps
TEXT_PRESETS = {"tinyshakespeare": "gpt", "names": "gpt-mini"}

Target = Annotated[
    list[str] | None,
    typer.Option(
        "--target",
        metavar="COLUMN",
        help="Tables and series: the column to predict; several columns of numbers, as in a,b, are predicted together.",
    ),
]
Task = Annotated[
    str | None,
    typer.Option(
        "--task",
        metavar="NAME",
        help="Tables: classification or regression.  [default: chosen by the values of the target]",
    ),
]
Missing = Annotated[
    str | None,
    typer.Option(
        "--missing",
        metavar="NAME",
        help="Tables: what to do about missing values: value (they are values of their own, the default), error, mean (fill "
        "in the mean of the training set) or drop (leave out the row). Series: error (the default) or last (fill in the last "
        "known value).",
    ),
]
Categorical = Annotated[
    list[str] | None,
    typer.Option(
        "--categorical",
        metavar="COLUMN",
        help="Tables: a column whose numbers are categories, such as postal codes. May be given several times.",
    ),
]
Logarithm = Annotated[
    bool | None,
    typer.Option(
        "--logarithm/--no-logarithm",
        help="Tables: whether the logarithms of the target are learned.  [default: if it is positive and skewed, as costs are]",
    ),
]
Ignore = Annotated[
    list[str] | None,
    typer.Option("--ignore", metavar="COLUMN", help="Tables: a column to leave out. May be given several times."),
]
NoHeader = Annotated[bool, typer.Option("--no-header", help="Tables: the file has no header; its columns are called 1, 2, ….")]
Horizon = Annotated[
    int | None,
    typer.Option(
        "--horizon",
        min=1,
        max=MAX_COUNT,
        metavar="ROWS",
        help="Series: the number of rows to forecast. The rows of the table are in the order of time, and split in time.",
    ),
]
Window = Annotated[
    int | None,
    typer.Option(
        "--window",
        min=1,
        max=MAX_COUNT,
        metavar="ROWS",
        help="Series: the number of rows that a forecast is made from.  [default: 4 horizons, or the season if that is longer]",
    ),
]
Season = Annotated[
    int | None,
    typer.Option(
        "--season",
        min=1,
        max=MAX_COUNT,
        metavar="ROWS",
        help="Series: the period, as in 24 for hours of a day. Forecasts are compared with the values one season before.",
    ),
]
Time = Annotated[
    str | None,
    typer.Option(
        "--time", metavar="COLUMN", help="Series: the column with the times, which is no input.  [default: found by its values]"
    ),
]
Size = Annotated[
    str | None,
    typer.Option(
        "--size",
        metavar="HEIGHTxWIDTH",
        help="Images: resize them, as in 48x64 (48 high, 64 wide).  [default: their own, or 32x32 if they differ or are large]",
    ),
]
Context = Annotated[
    int | None,
    typer.Option(
        "--context",
        min=1,
        max=MAX_COUNT,
        metavar="TOKENS",
        help="Text: the length of the windows that the network reads.  [default: the preset's]",
    ),
]
Tokens = Annotated[
    int | None,
    typer.Option(
        "--tokens",
        min=1,
        max=MAX_COUNT,
        help="Text: use byte-pair encoding with this many tokens, learned from the training part.  [default: characters]",
    ),
]
Lines = Annotated[bool, typer.Option("--lines", help="Text: each line is a sample by itself. Lines are shuffled and split.")]
Encoding = Annotated[str, typer.Option("--encoding", metavar="NAME", help="Text: the encoding of the files, as in latin-1.")]
Colour = Annotated[
    str | None, typer.Option("--colour", metavar="NAME", help="Images: grey or colour.  [default: grey if all of them are]")
]


def read_options(
    target: list[str] | None,
    task: str | None,
    missing: str | None,
    ignore: list[str] | None,
    no_header: bool,
    size: str | None,
    colour: str | None,
    horizon: int | None,
    window: int | None,
    season: int | None,
    time: str | None,
    context: int | None,
    tokens: int | None,
    lines: bool,
    encoding: str,
    categorical: list[str] | None,
    logarithm: bool | None,
) -> ReadOptions:
    """Return the read options for the values of the options above. Raises ConfigError for a size that is none."""
    column: str | tuple[str, ...] | None = None
    if horizon is not None and target:
        column = tuple(name.strip() for names in target for name in names.split(","))
    elif target:
        column = target[0] if len(target) == 1 else tuple(target)
    return ReadOptions(
        target=column,
        task=task,
        missing=missing,
        ignore=tuple(ignore or ()),
        header=not no_header,
        size=parse_size(size),
        colour=colour,
        horizon=horizon,
        window=window,
        time=time,
        season=season,
        context=context,
        tokens=tokens,
        lines=lines,
        encoding=encoding,
        categorical=tuple(categorical or ()),
        logarithm=logarithm,
    )


def data_settings(data: str, model: str | None, given: ReadOptions, notify: Callable[[str], None]) -> dict[str, Any]:
    """Return the settings ``data``, ``model`` and ``reading`` of a run, chosen to suit the data where they are not given.

    ``notify`` receives a line of text if an image size was chosen.
    """
    if checked_name(data, given) in SOURCES:
        preset = SEGMENTATION_PRESET if data in CLASS_MAPS else TEXT_PRESETS.get(data, DEFAULT_PRESET)
        return {"data": data, "model": model or preset, "reading": given if given.changed else None}
    reading, preset, note = suggest_settings(data, given)
    if note is not None:
        notify(note)
    return {"data": data, "model": model or preset, "reading": reading}
