"""Pellucid's forms of convolution beside each other: the table behind the rule that chooses one of them."""

from __future__ import annotations

from dataclasses import astuple, dataclass, replace

from benchmarks import harness
from benchmarks.contenders import conv
from benchmarks.harness import Case, Settings, Work
from benchmarks.results import Result, Row

BATCH = 32
PASSES = ("Y", "dW", "dX")
#: A choice within this factor of the fastest is as good.
AS_GOOD = 1.15


@dataclass(frozen=True)
class Layer:
    """A convolution of square pictures."""

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


#: Where Winograd's form can be taken, and where it cannot.
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
    """A row for each layer and pass."""
    whole = Result(case.name, case.title)
    for layers, contenders in ((THREE_BY_THREE, case.contenders), (OTHERS, case.contenders[:2])):
        works = [
            Work(f"{layer}: {of}", "convolve", _arguments(layer, of))
            for layer in layers
            for of in PASSES
            if of != "dX" or layer.stride == 1  # for which there are only patches
        ]
        part = harness.measure(replace(case, contenders=contenders), works, settings)
        whole.rows += part.rows
        whole.failures += part.failures
        whole.contenders.update(part.contenders)
    judged = [judge(row) for row in whole.rows]
    right = sum(one is None for one in judged)
    whole.notes.append(
        f"The rule takes the fastest form, or one within {AS_GOOD} of it, in {right} of {len(judged)} rows."
        + "".join(f" {one}." for one in judged if one)
    )
    return whole


def judge(row: Row) -> str | None:
    """What is to be said of the rule's choice for this row; None if it is as good as the fastest form."""
    medians = {name.removeprefix("forms-"): cell.spread.median for name, cell in row.cells.items()}
    taken = next((cell.form for cell in row.cells.values()), "")
    if not medians or taken not in medians:
        return f"{row.label}: nobody measured {taken or 'anything'}"
    best = min(medians, key=medians.__getitem__)
    factor = medians[taken] / medians[best]
    return None if factor <= AS_GOOD else f"{row.label}: it takes {taken}, and {best} is {factor:.2f} times as fast"


def _arguments(layer: Layer, of: str) -> dict[str, object]:
    size, channels, filters, kernel, stride, padding = astuple(layer)
    return {
        "size": size,
        "channels": channels,
        "filters": filters,
        "kernel": kernel,
        "stride": stride,
        "padding": padding,
        "batch": BATCH,
        "of": of,
    }


CASE = Case(
    "conv-forms",
    f"Convolutions in pellucid's forms, batch {BATCH}, float32; Y, the gradient of the weights, the gradient of the input.",
    conv.contenders("forms-direct", "forms-patches", "forms-winograd"),
    run,
)
