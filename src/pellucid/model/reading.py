"""New data, read as a trained model needs it: the rows of tables and folders of images."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

from pellucid.core.memory import Shape
from pellucid.data.dataset import Dataset
from pellucid.data.images.folders import read_folder
from pellucid.data.input_stage import ImageScaling, InputStage
from pellucid.data.series.reading import read_windows
from pellucid.data.tables.columns import Standardization, TableStage
from pellucid.data.tables.frame import is_frame
from pellucid.data.tables.reading import read_rows
from pellucid.data.text.reading import read_for
from pellucid.data.text.stage import Tokens
from pellucid.errors import ConfigError, FileError


def read(
    source: str | os.PathLike[str] | Any,
    stage: InputStage | None,
    shape: Shape,
    classes: Sequence[str] | None,
    labelled: bool | None,
    encoding: str | None = None,
) -> Dataset:
    """Return the data in ``source`` for a model with this input stage, shape of samples and classes. See ``Model.read``."""
    if not is_frame(source) and not isinstance(source, (str, os.PathLike)):
        raise ConfigError(
            f"read takes the path of a file or folder, or a data frame, got {type(source).__name__}; predict and evaluate take "
            "arrays as they are"
        )
    if stage is None:
        raise ConfigError("the model is not trained, so it has no columns and no kind of image to read: fit it first")
    what = "a data frame" if is_frame(source) else os.fspath(source)
    if encoding is not None and not isinstance(stage, Tokens):
        raise ConfigError(f"read(encoding={encoding!r}): the model was not trained on text: leave the encoding out")
    if isinstance(stage, Tokens) and not is_frame(source) and os.path.exists(what):
        return read_for(what, stage, shape[0], encoding)
    if is_frame(source) or not os.path.isdir(what):
        if isinstance(stage, Standardization) and stage.series is not None:
            return read_windows(source, stage, shape[0], labelled=labelled is not False)
        if isinstance(stage, TableStage):
            return read_rows(source, stage, classes, labelled=labelled)
        needs = "data without names of columns, so that those of a table cannot be found"
    else:
        if isinstance(stage, ImageScaling) and not stage.invert_light_background and len(shape) == 3:
            h, w, c = shape
            return read_folder(source, size=(h, w), colour="grey" if c == 1 else "colour", classes=classes)
        needs = "data that is not a folder of images"
    if not is_frame(source) and not os.path.exists(what):
        raise FileError(f"{what}: there is no such file or folder")
    raise ConfigError(f"{what}: this model was trained on {needs}; predict and evaluate take arrays like those in training")
