"""The report of images of bytes as targets: the input stage divides images by 255, but targets are used unchanged."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from pellucid.data.dataset import Dataset
from pellucid.data.input_stage import ImageScaling
from pellucid.errors import warn_user
from pellucid.training.several_outputs import SeveralOutputs
from pellucid.training.state import ModelState

SAMPLES = 64  # that are looked at


def warn_of_byte_targets(data: Dataset, stage: Any, state: ModelState) -> None:
    """Warn with DataWarning of an autoencoder with images of bytes as inputs and as targets of a loss for numbers."""
    stages = stage.values() if isinstance(stage, Mapping) else [stage]
    if not any(isinstance(one, ImageScaling) for one in stages):
        return
    several = isinstance(state.output, SeveralOutputs)
    for name, output in (state.output.parts if several else {"": state.output}).items():
        y = data.source_y[name] if several else data.source_y
        if len(output.positions) < 2 or output.loss.classifies or y is None or y.dtype != np.uint8:
            continue
        if (y[:SAMPLES] if data.rows is None else y[np.sort(data.rows[:SAMPLES])]).max() > 1:
            warn_user(
                f"{data.name}: the targets{f' of {name}' if several else ''} are bytes, 0 … 255, and are used unchanged, while "
                "inputs of bytes are divided by 255: give the targets as y / 255"
            )
