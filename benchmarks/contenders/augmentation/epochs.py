"""Epochs of the preset ``cnn``, with the augmentation that a contender is named after."""

from __future__ import annotations

from collections.abc import Callable

from benchmarks.contenders.pellucid import last_loss, training_images
from benchmarks.jobs import Job, falls
from pellucid import CrossEntropy
from pellucid.data.augmentation import named
from pellucid.runs.presets import preset


def job(augmentation: str) -> Callable[[str | None, int, int], Job]:
    """A contender's ``cnn``: epochs of that preset over so many pictures, with that augmentation."""

    def cnn(data_dir: str | None, samples: int, batch: int) -> Job:
        recipe = preset("cnn")
        model = recipe.network(10).compile((28, 28, 1), CrossEntropy(), recipe.optimizer, metrics=[], seed=0)  # type: ignore[attr-defined]
        given = training_images(data_dir, samples)
        changed = named(augmentation)
        return Job(
            lambda: model.fit(*given, epochs=1, batch_size=batch, augmentation=changed, progress=False),
            falls(last_loss),
            form=f"fit, {augmentation}",
        )

    return cnn
