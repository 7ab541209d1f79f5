"""Functions that several commands use: reporting of errors, and printing of results."""

from __future__ import annotations

import functools
import json
import math
import sys
import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ParamSpec

import typer

from pellucid.cli import INTERRUPTED
from pellucid.core import launcher
from pellucid.core.free_memory import free_memory, in_words
from pellucid.core.json_text import jsonable
from pellucid.core.system import is_unicode
from pellucid.errors import ConfigError, DataWarning, PellucidError
from pellucid.metrics import Value, wilson

if TYPE_CHECKING:  # a command imports it where it opens a model
    from pellucid.model.model import Model

P = ParamSpec("P")


def report_errors(command: Callable[P, None]) -> Callable[P, None]:
    """Make a command print library errors as one line on standard error and exit with code 2, or 130 on Ctrl-C.

    Warnings about data are printed as one line on standard error. Any other exception is a bug and keeps its traceback.
    """

    @functools.wraps(command)
    def run(*args: P.args, **kwargs: P.kwargs) -> None:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("always", DataWarning)
                warnings.showwarning = _show_warning
                command(*args, **kwargs)
        except PellucidError as error:
            if launcher.is_first():  # of several ranks with the same error, one prints it
                typer.echo(f"error: {error}", err=True)
            raise typer.Exit(2) from None
        except MemoryError:
            if launcher.is_first():
                typer.echo(f"error: there is not enough memory{_free_in_words()}: use less data or a smaller network", err=True)
            raise typer.Exit(2) from None
        except KeyboardInterrupt:
            if launcher.is_first():
                typer.echo("interrupted", err=True)
            raise typer.Exit(INTERRUPTED) from None
        except BrokenPipeError:  # the reader has closed the pipe, so that nothing more can be printed
            sys.stderr.close()
            raise typer.Exit(0) from None

    return run


def _free_in_words() -> str:
    """Return how much memory is free, for a message."""
    free = free_memory()
    return "" if free is None else f", of which {in_words(free)} are free"


def _show_warning(
    message: Warning | str, category: type[Warning], filename: str, lineno: int, file: object = None, line: object = None
) -> None:
    """Print a warning as one line on standard error; the arguments are those of ``warnings.showwarning``."""
    if launcher.is_first():
        typer.echo(f"warning   {message}", err=True)


def echo(text: str = "", *, quiet: bool = False) -> None:
    """Print a line on standard output unless ``quiet``. Of several ranks, only the first prints."""
    if not quiet and launcher.is_first():
        typer.echo(text)


def print_json(data: Any) -> None:
    """Print ``data`` as JSON in one line; in ASCII where the encoding of standard output is none of Unicode."""
    typer.echo(json.dumps(jsonable(data), ensure_ascii=not is_unicode(sys.stdout), allow_nan=False))


def format_number(value: float) -> str:
    """Return the number with four digits, and with an exponent only if it is very large or small: ``44,300``, ``0.01234``."""
    exponent = math.floor(math.log10(abs(value))) if value and math.isfinite(value) else 0
    return f"{value:,.{max(0, 3 - exponent)}f}" if -4 <= exponent < 9 else f"{value:.4g}"


def require_vector(model: Model, run: object) -> None:
    """Raise ConfigError for a model that does not predict one vector for each sample, such as class maps, or that has several
    inputs or outputs; ``run`` names it."""
    from pellucid.model.several import refuse_several

    refuse_several(model.network, f"this command for {run}")
    if len(model.output_shape) > 1:
        *positions, k = model.output_shape
        raise ConfigError(
            f"{run} predicts {'a number' if k == 1 else f'{k} numbers'} at each of {tuple(positions)} positions, and this "
            "command is for models with one answer for each sample: use Model.load(path).predict(x) in Python"
        )


def format_scores(values: Mapping[str, Value], n: int | None, targets: int = 1) -> str:
    """Return the scores of ``n`` samples in one line; None where the samples do not have one answer each.

    Classification: ``accuracy 97.45 % (95 % interval 97.12 to 97.74 %), loss 0.0861``. Class maps: ``accuracy
    98.87 %, mean IoU 0.8521, loss 0.0341``. Text: ``accuracy 55.12 %, 2.124 bits per character, loss 1.4722``. Regression:
    ``RMSE 2.31, MAE 1.87, R² 0.9312, loss 0.0688``. Several ``targets``: ``mean R² 0.9312, loss 0.0688``, without errors, whose
    units may be different.
    """
    parts = []
    maps, is_text = "iou_macro" in values, "bits_per_character" in values
    if "accuracy" in values:
        accuracy = float(values["accuracy"])
        interval = ""
        if n is not None and not maps and not is_text:  # the pixels of an image are not independent
            low, high = wilson(accuracy * n, n)
            interval = f" (95 % interval {100 * low:.2f} to {100 * high:.2f} %)"
        parts.append(f"accuracy {100 * accuracy:.2f} %{interval}")
    if maps:
        parts.append(f"mean IoU {float(values['iou_macro']):.4f}")
    if is_text:
        parts.append(f"{float(values['bits_per_character']):.3f} bits per character")
    if "mse" in values and targets == 1:
        parts.append(f"RMSE {format_number(math.sqrt(float(values['mse'])))}, MAE {format_number(float(values['mae']))}")
    if "r2" in values:
        parts.append(f"{'mean ' * (targets > 1)}R² {float(values['r2']):.4f}")
    return ", ".join([*parts, f"loss {float(values['loss']):.4f}"])


def format_targets(scores: Mapping[str, Mapping[str, float]]) -> str:
    """Return the scores of each of several targets, a line for each: ``  price  RMSE 2.31, MAE 1.87, R² 0.9312``."""
    width = max(map(len, scores))
    return "\n".join(f"  {name:<{width}}  {format_target(one)}" for name, one in scores.items())


def format_target(scores: Mapping[str, float]) -> str:
    """Return the scores of one of several targets: ``RMSE 2.31, MAE 1.87, R² 0.9312``."""
    return f"RMSE {format_number(math.sqrt(scores['mse']))}, MAE {format_number(scores['mae'])}, R² {scores['r2']:.4f}"


def format_forecast(targets: Mapping[str, Mapping[str, Mapping[str, Any]]]) -> str:
    """Return a table with the mean absolute errors of a forecast and of simple methods, for each target.

    ``targets`` is what :meth:`pellucid.runs.forecasts.Forecasts.record` returns. The errors of the first and the last step are
    in brackets.
    """
    rows = [["MAE of", *next(iter(targets.values()))]]
    for target, errors in targets.items():
        rows.append([target])
        for error in errors.values():
            first, last = error["by_step"][0], error["by_step"][-1]
            rows[-1].append(f"{format_number(error['mae'])} ({format_number(first)} to {format_number(last)})")
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ["  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)) for row in rows]
    steps = len(next(iter(next(iter(targets.values())).values()))["by_step"])
    lines.append(f"in brackets: the errors 1 row and {steps} rows ahead")
    return "\n".join(f"  {line}".rstrip() for line in lines)


def format_class_scores(values: Mapping[str, Value], classes: Sequence[str]) -> str:
    """Return a table with the precision and recall of each class, and for class maps the intersection over union.

    Returns an empty string if they were not computed.
    """
    if "precision" not in values or "recall" not in values:
        return ""
    width = max(5, *(len(name) for name in classes))
    columns: list[Any] = [values[name] for name in ("precision", "recall", "iou") if name in values]
    lines = [f"  {'class':<{width}}  precision   recall" + ("       IoU" if "iou" in values else "")]
    for class_name, *scores in zip(classes, *columns, strict=True):
        cells = ["–" if math.isnan(score) else f"{100 * score:.2f} %" for score in scores]
        lines.append("  ".join([f"  {class_name:<{width}}", f"{cells[0]:>9}", *(f"{cell:>8}" for cell in cells[1:])]))
    return "\n".join(lines)
