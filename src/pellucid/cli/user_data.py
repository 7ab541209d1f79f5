"""Options for user data: tables, and folders of images."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

import typer

from pellucid.data.sources.registry import SOURCES, checked_name
from pellucid.data.sources.user_data import ReadOptions, parse_size, suggest_settings

DEFAULT_PRESET = "mlp"  # for data sets by name

Target = Annotated[str | None, typer.Option("--target", metavar="COLUMN", help="Tables: the column to predict.")]
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
        metavar="WIDTHxHEIGHT",
        help="Images: resize them, as in 32x32.  [default: their own, or 32x32 if they differ or are large]",
    ),
]
Colour = Annotated[
    str | None, typer.Option("--colour", metavar="NAME", help="Images: grey or colour.  [default: grey if all of them are]")
]


def read_options(
    target: str | None,
    task: str | None,
    missing: str,
    ignore: list[str] | None,
    no_header: bool,
    size: str | None,
    colour: str | None,
) -> ReadOptions:
    """Return the read options for the values of the options above. Raises ConfigError."""
    return ReadOptions(target, task, missing, tuple(ignore or ()), not no_header, parse_size(size), colour)


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
