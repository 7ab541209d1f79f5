"""What augmentation costs: epochs of the preset ``cnn`` with and without it."""

from __future__ import annotations

from benchmarks.cases.epoch import data_name, folder
from benchmarks.contenders.augmentation import contenders
from benchmarks.harness import Case, Settings, Work, measure
from benchmarks.results import Result

#: A twelfth of MNIST: 50 steps.
IMAGES, BATCH = 5_000, 100
PLAIN = "none"


def run(case: Case, settings: Settings) -> Result:
    """One row, and what each augmentation adds to it."""
    result = measure(
        case, [Work(f"{IMAGES:,} images", "cnn", {"data_dir": folder(settings), "samples": IMAGES, "batch": BATCH})], settings
    )
    for row in result.rows:
        row.compared = False
        medians = {name: cell.spread.median for name, cell in row.cells.items()}
        if PLAIN in medians:
            plain = medians.pop(PLAIN)
            added = ", ".join(
                f"{name} {100 * (median / plain - 1):+.1f} % ({1e3 * (median - plain) / IMAGES:.1f} µs an image)"
                for name, median in medians.items()
            )
            result.notes.append(f"Added by {added}.")
    result.notes.append(f"Data: {data_name(settings)}.")
    return result


CASE = Case(
    "augmentation",
    f"Epochs of the preset cnn at batch {BATCH}, with augmentations and without: the passes over pictures beside the steps.",
    contenders(PLAIN, "affine", "elastic", "strong"),
    run,
)
