"""``pellucid export``: write a trained model as an ONNX file, as a Python program, as C, or as a web page."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import typer

from pellucid.cli import options
from pellucid.cli.common import echo, format_scores, report_errors
from pellucid.cli.page_card import page_card, page_title
from pellucid.errors import ConfigError, DataError
from pellucid.export.plain.c_program import FILES
from pellucid.export.verification import random_samples, run_c, run_onnx, run_onnx_in_passes, run_program
from pellucid.model.model import Model
from pellucid.model.quantization import QuantizedModel, quantize
from pellucid.model.several import refuse_several
from pellucid.runs.folder import load_data, open_run
from pellucid.runs.task import CLASSIFICATION_METRICS, REGRESSION_METRICS

SAMPLES = 8  # random samples on which an exported file is verified


@report_errors
def export(
    run: options.Run,
    onnx: Path | None = typer.Option(None, "--onnx", metavar="FILE", help="Write an ONNX file."),
    cache: bool = typer.Option(
        False,
        "--cache",
        help="With --onnx: the file reads texts and other sequences in several passes, and takes and returns what the network "
        "remembers, such as the keys and values of attention.",
    ),
    numpy: Path | None = typer.Option(
        None,
        "--numpy",
        metavar="FILE.py",
        help="Write a Python program that needs NumPy only, and its weights into FILE.npz.",
    ),
    c: Path | None = typer.Option(
        None, "--c", metavar="FOLDER", help="Write C99 that needs no library and no allocation, into a folder."
    ),
    int8: bool = typer.Option(
        False,
        "--int8",
        help="With --c: weights of 8 bits in dense layers and convolutions. What this costs is measured on the run's test set "
        "and printed first.",
    ),
    html: Path | None = typer.Option(
        None,
        "--html",
        metavar="FILE.html",
        help="Write a web page that computes in the browser and requests nothing: a pad, a form, or a place to drop pictures.",
    ),
    data_dir: options.DataDir = None,
) -> None:
    """Write a trained model as an ONNX file, as a readable Python program, as C, or as one web page.

    What is written, except a page, is run on random samples, and the largest difference between its outputs and those of the
    model is printed.
    """
    if int8 and c is None:
        raise ConfigError("--int8 is for C: add --c FOLDER")
    if cache and onnx is None:
        raise ConfigError("--cache is for ONNX files: add --onnx FILE")
    if onnx is None and numpy is None and c is None and html is None:
        raise ConfigError("nothing to write: use --onnx FILE, --numpy FILE.py, --c FOLDER or --html FILE.html")
    model, config = open_run(run)
    if onnx is not None:
        model.export_onnx(onnx, cache=cache)
        echo(f"{_with_size(onnx)}; {_verify(model, onnx, run_onnx_in_passes if cache else run_onnx)}")
    if numpy is not None:
        model.export_numpy(numpy)
        echo(f"{_with_size(numpy)} and {_with_size(numpy.with_suffix('.npz'))}; {_verify(model, numpy, run_program)}")
    if c is not None:
        quantized = _quantized(run, model, config, data_dir) if int8 else None
        model.export_c(c, int8=None if quantized is None else quantized.int8)
        expected = model if quantized is None else quantized.model
        echo(f"{c}: {', '.join(FILES)}; {_verify(expected, c, lambda path, x: run_c(path, x, model.output_shape))}")
    if html is not None:
        model.export_html(html, title=page_title(run), card=page_card(run, config))
        echo(f"{_with_size(html)}: open it in a browser, or put it on any web space")


def _quantized(run: Path, model: Model, config: Mapping[str, Any], data_dir: Path | None) -> QuantizedModel:
    """Return the scales for weights of 8 bits, and print what these cost on the test set of the run."""
    if not config:
        raise ConfigError(f"--int8 measures the values in the network on the data of its run, but {run} is not a run folder")
    refuse_several(model.network, "--int8")
    splits = load_data(config, data_dir, None, model)
    quantized = quantize(model, splits.train)
    classifies = model.classes is not None or (model.loss is not None and model.loss.classifies)
    metrics = CLASSIFICATION_METRICS if classifies else REGRESSION_METRICS
    n = len(splits.test) if len(model.output_shape) == 1 else None
    for kind, one in (("float", model), ("int8", quantized.model)):
        echo(f"{kind:<9} {format_scores(one.evaluate(splits.test, metrics=metrics), n)} (test)")
    return quantized


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
