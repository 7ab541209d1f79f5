"""Options for user data: tables, and folders of images."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

import typer

from pellucid.data.sources.registry import SOURCES, checked_name
from pellucid.data.sources.user_data import ReadOptions, parse_size, suggest_settings
from pellucid.errors import ConfigError

DEFAULT_PRESET = "mlp"  # for data sets by name

Target = Annotated[  # a list, so that a second target is refused with advice, not merely as a repeated option
    list[str] | None, typer.Option("--target", metavar="COLUMN", help="Tables: the column to predict, one for each model.")
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
    str,
    typer.Option(
        "--missing",
        metavar="NAME",
        help="Tables: what to do about missing values: error, mean (fill in the mean of the training set) or drop (leave out "
        "the row).",
    ),
]
Ignore = Annotated[
    list[str] | None,
    typer.Option("--ignore", metavar="COLUMN", help="Tables: a column to leave out. May be given several times."),
]
NoHeader = Annotated[bool, typer.Option("--no-header", help="Tables: the file has no header; its columns are called 1, 2, ….")]
Size = Annotated[
    str | None,
    typer.Option(
        "--size",
        metavar="HEIGHTxWIDTH",
        help="Images: resize them, as in 48x64 (48 high, 64 wide).  [default: their own, or 32x32 if they differ or are large]",
    ),
]
Colour = Annotated[
    str | None, typer.Option("--colour", metavar="NAME", help="Images: grey or colour.  [default: grey if all of them are]")
]


def read_options(
    target: list[str] | None,
    task: str | None,
    missing: str,
    ignore: list[str] | None,
    no_header: bool,
    size: str | None,
    colour: str | None,
) -> ReadOptions:
    """Return the read options for the values of the options above. Raises ConfigError."""
    if target and len(target) > 1:
        given = " ".join(f"--target {name}" for name in target)
        raise ConfigError(
            f"{given}: a model predicts one column: train one model for each, and leave out the other targets with --ignore"
        )
    column = target[0] if target else None
    return ReadOptions(column, task, missing, tuple(ignore or ()), not no_header, parse_size(size), colour)


def data_settings(data: str, model: str | None, given: ReadOptions, notify: Callable[[str], None]) -> dict[str, Any]:
    """Return the settings ``data``, ``model`` and ``reading`` of a run, chosen to suit the data where they are not given.

    ``notify`` receives a line of text if an image size was chosen.
    """
    if checked_name(data) in SOURCES:
        return {"data": data, "model": model or DEFAULT_PRESET, "reading": given if given.changed else None}
    reading, preset, note = suggest_settings(data, given)
    if note is not None:
        notify(note)
    return {"data": data, "model": model or preset, "reading": reading}
