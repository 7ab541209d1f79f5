"""``pellucid export``: write a trained model as an ONNX file or as a Python program."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import typer

from pellucid.cli import options
from pellucid.cli.common import echo, report_errors
from pellucid.errors import ConfigError, DataError
from pellucid.export.verification import random_samples, run_onnx, run_program
from pellucid.model.model import Model
from pellucid.runs.folder import open_run

SAMPLES = 8  # random samples on which an exported file is verified


@report_errors
def export(
    run: options.Run,
    onnx: Path | None = typer.Option(None, "--onnx", metavar="FILE", help="Write an ONNX file."),
    numpy: Path | None = typer.Option(
        None,
        "--numpy",
        metavar="FILE.py",
        help="Write a Python program that needs NumPy only, and its weights into FILE.npz.",
    ),
) -> None:
    """Write a trained model as an ONNX file, or as a readable Python program.

    The written file is run on random samples, and the largest difference between its outputs and those of the model is printed.
    """
    if onnx is None and numpy is None:
        raise ConfigError("nothing to write: use --onnx FILE or --numpy FILE.py")
    model, _ = open_run(run)
    if onnx is not None:
        model.export_onnx(onnx)
        echo(f"{_with_size(onnx)}; {_verify(model, onnx, run_onnx)}")
    if numpy is not None:
        model.export_numpy(numpy)
        echo(f"{_with_size(numpy)} and {_with_size(numpy.with_suffix('.npz'))}; {_verify(model, numpy, run_program)}")


def _with_size(path: Path) -> str:
    size = path.stat().st_size
    return f"{path} ({size / 1e6:.1f} MB)" if size >= 1e6 else f"{path} ({size / 1e3:.1f} kB)"


def _verify(model: Model, path: Path, outputs: Callable[[Path, Any], Any]) -> str:
    """Return a line about the difference between the file's outputs and those of the model."""
    x = random_samples(model.network, model.input_stage, model.input_shape, SAMPLES)
    try:
        actual, expected = outputs(path, x), model.predict(x)
        if not isinstance(expected, dict):
            actual, expected = {"": actual}, {"": expected}
        difference = max(np.abs(actual[name] - expected[name]).max() for name in expected)
    except (ConfigError, DataError) as error:
        return f"not verified: {error}"
    return f"largest difference from the model's outputs on {SAMPLES} random samples: {difference:.1e}"
