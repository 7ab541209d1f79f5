"""What the commands share: how errors end, how figures are printed."""

from __future__ import annotations

import functools
import json
import math
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ParamSpec

import typer

from pellucid.errors import PellucidError
from pellucid.metrics import Value, wilson
from pellucid.runs.folder import plain

P = ParamSpec("P")
INTERRUPTED = 130


def reported(command: Callable[P, None]) -> Callable[P, None]:
    """A command whose library errors are one line on standard error and exit code 2, whose interruption is 130. Any
    other exception is a bug and keeps its traceback."""

    @functools.wraps(command)
    def run(*args: P.args, **kwargs: P.kwargs) -> None:
        try:
            command(*args, **kwargs)
        except PellucidError as error:
            typer.echo(f"error: {error}", err=True)
            raise typer.Exit(2) from None
        except KeyboardInterrupt:
            typer.echo("interrupted", err=True)
            raise typer.Exit(INTERRUPTED) from None
        except BrokenPipeError:  # the reader of a pipe went away: nothing is left to say
            sys.stderr.close()
            raise typer.Exit(0) from None

    return run


def say(text: str = "", *, quiet: bool = False) -> None:
    """A line for people, on standard output."""
    if not quiet:
        typer.echo(text)


def as_json(data: Any) -> None:
    typer.echo(json.dumps(plain(data), ensure_ascii=False, allow_nan=False))


def readable(value: float) -> str:
    """Four digits, and no exponent where people would not write one: ``44,300``, ``0.01234``."""
    size = math.floor(math.log10(abs(value))) if value and math.isfinite(value) else 0
    return f"{value:,.{max(0, 3 - size)}f}" if -4 <= size < 9 else f"{value:.4g}"


def scored(values: Mapping[str, Value], n: int) -> str:
    """``accuracy 97.45 % (95 % interval 97.12 to 97.74 %), loss 0.0861``; of numbers ``RMSE 2.31, MAE 1.87, R² 0.9312``."""
    parts = []
    if "accuracy" in values:
        share = float(values["accuracy"])
        low, high = wilson(share * n, n)
        parts.append(f"accuracy {100 * share:.2f} % (95 % interval {100 * low:.2f} to {100 * high:.2f} %)")
    if "mse" in values:
        parts.append(f"RMSE {readable(math.sqrt(float(values['mse'])))}, MAE {readable(float(values['mae']))}")
        parts.append(f"R² {float(values['r2']):.4f}")
    return ", ".join([*parts, f"loss {float(values['loss']):.4f}"])


def per_class(values: Mapping[str, Value], classes: Sequence[str]) -> str:
    """Precision and recall of each class as a table; empty where they were not counted."""
    if "precision" not in values or "recall" not in values:
        return ""
    wide = max(5, *(len(name) for name in classes))
    lines = [f"  {'class':<{wide}}  precision   recall"]
    for name, precision, recall in zip(classes, values["precision"], values["recall"], strict=True):  # type: ignore[arg-type]
        shares = [f"{100 * share:.2f} %" if share == share else "–" for share in (precision, recall)]  # NaN: there is none
        lines.append(f"  {name:<{wide}}  {shares[0]:>9}  {shares[1]:>8}")
    return "\n".join(lines)
