"""``pellucid compare``: runs side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import typer

from pellucid.cli.common import as_json, reported, say
from pellucid.runs import results


@reported
def compare(
    runs: list[Path] = typer.Argument(..., help="Run folders."),
    json: bool = typer.Option(False, "--json", help="Print JSON."),
) -> None:
    """Runs side by side: size, time, and accuracy on the test set with its 95 % interval."""
    found = [{"run": str(run), **results(run)} for run in runs]
    if json:
        as_json(found)
        return
    say(table(found))


def table(found: Sequence[Mapping[str, Any]]) -> str:
    """One line a run."""
    from pellucid.metrics import wilson

    rows = [("run", "data", "parameters", "multiply-adds", "epochs", "seconds", "test accuracy", "95 % interval", "test loss")]
    for values in found:
        data, test = values.get("data", {}), values.get("test", {})
        n, share = data.get("sizes", {}).get("test"), test.get("accuracy")
        interval = ""
        if n and share is not None:
            low, high = wilson(share * n, n)
            interval = f"{100 * low:.2f} – {100 * high:.2f} %"
        seconds, loss = values.get("seconds"), test.get("loss")
        rows.append(
            (
                values["run"],
                str(data.get("name", "")),
                _number(values.get("parameters")),
                _number(values.get("multiply_adds")),
                _number(values.get("epochs")),
                "" if seconds is None else f"{seconds:.1f}",
                "" if share is None else f"{100 * share:.2f} %",
                interval,
                "" if loss is None else f"{loss:.4f}",
            )
        )
    wide = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    lines = ["  ".join(f"{cell:<{w}}" if i < 2 else f"{cell:>{w}}" for i, (cell, w) in enumerate(zip(row, wide, strict=True)))
             for row in rows]  # fmt: skip
    return "\n".join([lines[0], "─" * max(map(len, lines)), *lines[1:]])


def _number(value: int | None) -> str:
    return "" if value is None else f"{value:,}"
