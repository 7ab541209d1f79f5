"""What a training needs of the compiled kernels: found out by a training of one step on a few samples."""

from __future__ import annotations

import dataclasses

from pellucid.data import Dataset
from pellucid.kernels import compilation
from pellucid.model.model import Model
from pellucid.training.options import FitOptions

SAMPLES = 8


def kernel_calls(model: Model, data: Dataset, fit: FitOptions) -> list[compilation.KernelCall]:
    """Return the calls of kernels that the training of this model on these data makes: each kind of call once."""
    few = data.limit(min(SAMPLES, len(data)))
    options = dataclasses.replace(fit, epochs=1, batch_size=len(few), policies=(), accumulate=1, resume=None)

    def train() -> None:
        copy = Model(
            model.network,
            model.input_shape,
            loss=model.loss,
            optimizer=model.optimizer,
            metrics=model.metrics,
            classes=model.classes,
            input_stage=model.input_stage or data.input_stage(),
        )
        for _ in copy.fit_events(few, options=options, validation=few):
            pass

    return compilation.recorded(train)
