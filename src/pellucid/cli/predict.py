"""``pellucid predict``: what a trained model makes of pictures."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import typer

from pellucid.cli.common import as_json, reported, say
from pellucid.data import read_picture
from pellucid.errors import ConfigError
from pellucid.runs import open_run


@reported
def predict(
    run: Path = typer.Argument(..., help="A run folder, or a model file."),
    pictures: list[Path] = typer.Argument(..., help="Picture files."),
    json: bool = typer.Option(False, "--json", help="Print JSON."),
) -> None:
    """Say what is on pictures. Pictures of the model's size are taken as they are; others are fitted to it with their
    aspect kept, and a light background is inverted."""
    model, _ = open_run(run)
    if len(model.input_shape) != 3:
        raise ConfigError(f"{run} takes {model.input_shape} a sample, no pictures (height, width, channels)")
    x = np.stack([read_picture(picture, model.input_shape) for picture in pictures])
    outputs = model.predict(x)
    if outputs.shape[1] == 1:
        outputs = np.concatenate([1 - outputs, outputs], axis=1)
    names = model.classes or tuple(str(i) for i in range(outputs.shape[1]))
    rows = [
        {"file": str(picture), "label": names[int(p.argmax())], "probabilities": p.tolist()}
        for picture, p in zip(pictures, outputs, strict=True)
    ]
    if json:
        as_json(rows)
        return
    wide = max(len(str(picture)) for picture in pictures)
    for picture, p in zip(pictures, outputs, strict=True):
        first, second = np.argsort(-p)[:2]
        say(f"{picture!s:<{wide}}  {names[first]}  {100 * p[first]:5.1f} %   (next: {names[second]} {100 * p[second]:.1f} %)")
