"""Epochs of the preset ``cnn`` with an augmentation."""

from __future__ import annotations

from collections.abc import Callable

from benchmarks.contenders.pellucid import last_loss, training_images
from benchmarks.jobs import Job, loss_falls
from pellucid import CrossEntropy
from pellucid.data.augmentation_text import parse_augmentation
from pellucid.runs.presets import preset


def job(augmentation: str) -> Callable[[str | None, int, int], Job]:
    """Return the function that creates jobs of one epoch of ``cnn`` with that augmentation."""

    def cnn(data_dir: str | None, samples: int, batch: int) -> Job:
        recipe = preset("cnn")
        model = recipe.network(10).compile((28, 28, 1), CrossEntropy(), recipe.optimizer, metrics=[], seed=0)
        images = training_images(data_dir, samples)
        amounts = parse_augmentation(augmentation)
        return Job(
            lambda: model.fit(*images, epochs=1, batch_size=batch, augmentation=amounts, progress=False),
            loss_falls(last_loss),
            variant=f"fit, {augmentation}",
        )

    return cnn
