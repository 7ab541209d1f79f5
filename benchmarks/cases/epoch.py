"""One epoch over the training images as users write it, including shuffling and gathering batches."""

from __future__ import annotations

import math

from benchmarks import work
from benchmarks.cases import roofline
from benchmarks.contenders import contenders
from benchmarks.harness import Case, Settings, Workload
from benchmarks.networks import INPUT, NETWORKS
from benchmarks.results import Result

TRAINING_IMAGES = 55_000
#: The number of images of a quick run.
QUICK_IMAGES = 5_500
BATCH = 100


def run(case: Case, settings: Settings) -> Result:
    """Return one row. A burst is one epoch, or several short ones."""
    samples = QUICK_IMAGES if settings.quick else TRAINING_IMAGES
    arguments = {"data_dir": data_argument(settings), "samples": samples, "batch": BATCH}
    one_step = work.step(NETWORKS["mlp"], INPUT, BATCH, gathered_from=samples * math.prod(INPUT))
    workload = Workload(f"{samples:,} images", "epoch", arguments)
    result = roofline.measure(case, [(workload, one_step)], settings, repeated=samples // BATCH)
    result.notes.append(f"Data: {data_name(settings)}.")
    return result


def data_argument(settings: Settings) -> str | None:
    """Return the data folder as an argument of a contender's function."""
    return None if settings.data_dir is None else str(settings.data_dir)


def data_name(settings: Settings) -> str:
    """Return the name of the data in the results."""
    return "MNIST" if settings.data_dir is not None else "random bytes in the shape of MNIST, because no MNIST was given"


CASE = Case(
    "epoch",
    "One epoch of 784-256-256-10 with Adam at batch 100: shuffled, with no metric but the loss and without validation.",
    contenders("pellucid", "torch", "torch-dataloader", "sklearn"),
    run,
)
