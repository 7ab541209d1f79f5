"""Pellucid's algorithms of convolution side by side, and the rule that selects one of them."""

from __future__ import annotations

from dataclasses import asdict, astuple, dataclass, replace

from benchmarks import harness
from benchmarks.contenders import algorithms
from benchmarks.harness import Case, Settings, Workload
from benchmarks.results import Result, Row

BATCH = 32
PASSES = ("Y", "dW", "dX")
#: A selected algorithm counts as the fastest if it takes at most this factor longer.
TOLERANCE = 1.15


@dataclass(frozen=True)
class Layer:
    """A convolution of square images."""

    size: int
    channels: int
    filters: int
    kernel: int = 3
    stride: int = 1
    padding: int = 0

    def __str__(self) -> str:
        size, channels, filters, kernel, stride, padding = astuple(self)
        extra = f", stride {stride}" * (stride > 1) + f", padding {padding}" * (padding > 0)
        return f"{size}×{size}, {kernel}×{kernel}, {channels} → {filters}{extra}"


#: Layers for which Winograd's algorithm is possible.
THREE_BY_THREE = (
    Layer(28, 1, 32),
    Layer(28, 8, 8, padding=1),
    Layer(28, 8, 16, padding=1),
    Layer(28, 16, 16, padding=1),
    Layer(14, 16, 32, padding=1),
    Layer(14, 32, 32, padding=1),
    Layer(13, 32, 64),
    Layer(26, 32, 64),
    Layer(7, 64, 64, padding=1),
    Layer(14, 128, 128, padding=1),
)
#: Layers for which it is not.
OTHERS = (
    Layer(28, 1, 8, 5),
    Layer(12, 8, 16, 5),
    Layer(12, 16, 32, 5),
    Layer(14, 16, 32, 5, padding=2),
    Layer(28, 16, 32, stride=2, padding=1),
    Layer(28, 16, 32, 1, 2),
    Layer(14, 32, 64, stride=2, padding=1),
)


def run(case: Case, settings: Settings) -> Result:
    """Return a row for each layer and pass, and a note on the rule's selections."""
    whole = Result(case.name, case.title)
    for layers, contenders in ((THREE_BY_THREE, case.contenders), (OTHERS, case.contenders[:2])):
        workloads = [
            Workload(f"{layer}: {output}", "convolve", {**asdict(layer), "batch": BATCH, "output": output})
            for layer in layers
            for output in PASSES
            if output != "dX" or layer.stride == 1  # with a stride, the input gradient has only one algorithm
        ]
        part = harness.measure(replace(case, contenders=contenders), workloads, settings)
        whole.rows += part.rows
        whole.failures += part.failures
        whole.contenders.update(part.contenders)
    slower = [slower_selection(row) for row in whole.rows]
    right = sum(one is None for one in slower)
    whole.notes.append(
        f"The rule selects the fastest algorithm, or one within {TOLERANCE} times its time, in {right} of {len(slower)} rows."
        + "".join(f" {one}." for one in slower if one)
    )
    return whole


def slower_selection(row: Row) -> str | None:
    """Return a sentence on the rule's selection for this row, or None if it is as fast as the best one."""
    medians = {name: cell.spread.median for name, cell in row.cells.items()}
    selected = next((cell.variant for cell in row.cells.values()), "")
    if not medians or selected not in medians:
        return f"{row.label}: {selected or 'no algorithm'} was not measured"
    best = min(medians, key=medians.__getitem__)
    factor = medians[selected] / medians[best]
    return None if factor <= TOLERANCE else f"{row.label}: it selects {selected}, and {best} is {factor:.2f} times as fast"


CASE = Case(
    "conv-algorithms",
    f"Pellucid's algorithms of convolution at batch {BATCH} in float32: output Y, weight gradient dW and input gradient dX.",
    algorithms.contenders("direct", "im2col", "winograd"),
    run,
)
