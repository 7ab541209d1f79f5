"""``pellucid export``: a trained model as a file for other places."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import typer

from pellucid.cli.common import reported, say
from pellucid.core.memory import Array
from pellucid.errors import ConfigError, DataError
from pellucid.export.trial import onnx_outputs, program_outputs, random_samples
from pellucid.model.model import Model
from pellucid.runs.folder import open_run

SAMPLES = 8  # of random numbers, that an export is tried on


@reported
def export(
    run: Path = typer.Argument(..., help="A run folder, or a model file."),
    onnx: Path | None = typer.Option(None, "--onnx", metavar="FILE", help="Write an ONNX file."),
    numpy: Path | None = typer.Option(
        None, "--numpy", metavar="FILE.py", help="Write a Python program that needs NumPy alone, its weights beside it."
    ),
) -> None:
    """Write a trained model as an ONNX file, or as a readable Python program. What is written is tried: beside its size stands
    the largest difference between its outputs and the model's own, on random samples."""
    if onnx is None and numpy is None:
        raise ConfigError("say what to write: --onnx FILE, or --numpy FILE.py")
    model, _ = open_run(run)
    if onnx is not None:
        model.export_onnx(onnx)
        say(f"{_written(onnx)}; {_tried(model, onnx, onnx_outputs)}")
    if numpy is not None:
        model.export_numpy(numpy)
        say(f"{_written(numpy)} and {_written(numpy.with_suffix('.npz'))}; {_tried(model, numpy, program_outputs)}")


def _written(path: Path) -> str:
    size = path.stat().st_size
    return f"{path} ({size / 1e6:.1f} MB)" if size >= 1e6 else f"{path} ({size / 1e3:.1f} kB)"


def _tried(model: Model, path: Path, outputs: Callable[[Path, Array], Array]) -> str:
    """How far the outputs are from the model's own."""
    x = random_samples(model.network, model.input_stage, model.input_shape, SAMPLES)
    try:
        away = np.abs(outputs(path, x) - model.predict(x)).max()
    except (ConfigError, DataError) as error:
        return f"not tried: {error}"
    return f"largest difference to the model's outputs on {SAMPLES} random samples: {away:.1e}"
