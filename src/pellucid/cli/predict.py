"""``pellucid predict``: what a trained model makes of pictures."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import typer

from pellucid.cli.common import as_json, reported, say
from pellucid.data import digit, read_picture
from pellucid.data.drawings import CLASSES, SIDE, on_paper
from pellucid.errors import ConfigError, DataError
from pellucid.memory import Array
from pellucid.model import Model
from pellucid.runs import open_run


@reported
def predict(
    run: Path = typer.Argument(..., help="A run folder, or a model file."),
    pictures: list[Path] = typer.Argument(..., help="Picture files."),
    json: bool = typer.Option(False, "--json", help="Print JSON."),
) -> None:
    """Say what is on pictures. Pictures of the model's size are taken as they are; others are fitted to it with their
    aspect kept, and a light background is inverted. For a model of digits, they become digits as MNIST has them: fitted into
    20 by 20 pixels, the centre of mass in the middle, dark on light or light on dark alike."""
    model, _ = open_run(run)
    if len(model.input_shape) != 3:
        raise ConfigError(f"{run} takes {model.input_shape} a sample, no pictures (height, width, channels)")
    x = np.stack([_read(picture, model) for picture in pictures])
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


def _read(path: Path, model: Model) -> Array:
    """The picture as the model wants it. A drawing of 28 by 28 pixels whose border is dark is one of MNIST's kind already."""
    if model.input_shape != (SIDE, SIDE, 1) or (model.classes or ())[:10] != CLASSES[:10]:
        return read_picture(path, model.input_shape)
    own = read_picture(path)
    if own.shape == model.input_shape and not on_paper(own):
        return own
    try:
        return digit(own)
    except DataError as error:
        raise DataError(f"{path}: {error}") from None
