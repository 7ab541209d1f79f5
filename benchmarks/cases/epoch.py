"""One epoch over the training images, as users type it: shuffling and gathering batches counts."""

from __future__ import annotations

from benchmarks.contenders import contenders
from benchmarks.harness import Case, Settings, Work, measure
from benchmarks.results import Result

TRAINING_IMAGES = 55_000
#: What a quick look takes instead.
SOME_IMAGES = 5_500
BATCH = 100


def run(case: Case, settings: Settings) -> Result:
    """One row. A burst is a whole epoch, or several where epochs are short."""
    samples = SOME_IMAGES if settings.quick else TRAINING_IMAGES
    arguments = {"data_dir": folder(settings), "samples": samples, "batch": BATCH}
    result = measure(case, [Work(f"{samples:,} images", "epoch", arguments)], settings)
    result.notes.append(f"Data: {data_name(settings)}.")
    return result


def folder(settings: Settings) -> str | None:
    """The data folder as an argument for a contender."""
    return None if settings.data_dir is None else str(settings.data_dir)


def data_name(settings: Settings) -> str:
    """What the results call the data."""
    return "MNIST" if settings.data_dir is not None else "random bytes of MNIST's shape, for no MNIST was given"


CASE = Case(
    "epoch",
    "One epoch of 784-256-256-10 with Adam at batch 100: shuffled, no metrics beside the loss, no validation.",
    contenders("pellucid", "torch", "torch-dataloader", "sklearn"),
    run,
)
