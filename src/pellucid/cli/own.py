"""The flags of data of one's own, which several commands take."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import typer

from pellucid import data as sources
from pellucid.core.config import from_json
from pellucid.data import Splits
from pellucid.data.sources.registry import SOURCES, known as known_data
from pellucid.data.sources.user_data import Reading, is_table, parsed_size, suited

__all__ = ["is_table", "of_run", "reading", "settled"]

USUAL = "mlp"  # the preset for data sets by name

TARGET: Any = typer.Option(None, "--target", help="Of a table: the column to predict.")
TASK: Any = typer.Option(None, "--task", help="Of a table: classification or regression [default: by the target's values].")
MISSING: Any = typer.Option("error", "--missing", help="Of a table: values that are missing: error, mean or drop.")
IGNORE: Any = typer.Option(None, "--ignore", help="Of a table: a column to leave out; may be given several times.")
NO_HEADER: Any = typer.Option(False, "--no-header", help="Of a table: it has no names; its columns are called 1, 2, ….")
SIZE: Any = typer.Option(None, "--size", help="Of pictures: the size to bring them to, as in 32x32 (width by height).")
COLOUR: Any = typer.Option(None, "--colour", help="Of pictures: grey or colour [default: grey, if all of them are].")


def reading(
    target: str | None,
    task: str | None,
    missing: str,
    ignore: list[str] | None,
    no_header: bool,
    size: str | None,
    colour: str | None,
) -> Reading:
    """What the flags say."""
    return Reading(target, task, missing, tuple(ignore or ()), not no_header, parsed_size(size), colour)


def settled(data: str, model: str | None, wish: Reading, tell: Callable[[str], None]) -> dict[str, Any]:
    """The settings of a run that the data decides where nobody does: the preset, and the size of pictures."""
    if known_data(data) in SOURCES:
        return {"data": data, "model": model or USUAL, "reading": wish if wish.given else None}
    fitted, preset, line = suited(data, wish)
    if line is not None:
        tell(line)
    return {"data": data, "model": model or preset, "reading": fitted}


def of_run(known: Mapping[str, Any], data_dir: Path | None, data: str | None = None) -> Splits:
    """The data that a run was trained on, by what its config.json says of it; or other ``data`` of that name."""
    saved, name = known.get("reading"), known.get("asked_for", "mnist")
    how = None if saved is None or data not in (None, name) else from_json(saved, Reading)
    return sources.load(data or name, data_dir, known.get("split_seed", 0), how)
