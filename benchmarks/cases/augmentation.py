"""The cost of augmentation: epochs of the preset ``cnn`` with and without it."""

from __future__ import annotations

from benchmarks.cases.epoch import data_argument, data_name
from benchmarks.contenders.augmentation import contenders
from benchmarks.harness import Case, Settings, Workload, measure
from benchmarks.results import Result

#: A twelfth of MNIST: 50 steps.
IMAGES, BATCH = 5_000, 100
PLAIN = "none"


def run(case: Case, settings: Settings) -> Result:
    """Return one row, and a note on the time that each augmentation adds."""
    result = measure(
        case,
        [Workload(f"{IMAGES:,} images", "cnn", {"data_dir": data_argument(settings), "samples": IMAGES, "batch": BATCH})],
        settings,
    )
    for row in result.rows:
        row.compared = False
        medians = {name: cell.spread.median for name, cell in row.cells.items()}
        if PLAIN in medians and len(medians) > 1:
            plain = medians.pop(PLAIN)
            added = ", ".join(
                f"{name} {100 * (median / plain - 1):+.1f} % ({1e3 * (median - plain) / IMAGES:.1f} µs per image)"
                for name, median in medians.items()
            )
            result.notes.append(f"Additional time: {added}.")
    result.notes.append(f"Data: {data_name(settings)}.")
    return result


CASE = Case(
    "augmentation",
    f"Epochs of the preset cnn at batch {BATCH}, with and without augmentation.",
    contenders(PLAIN, "affine", "elastic", "strong"),
    run,
)
