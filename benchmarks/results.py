"""Results of benchmarks: repeated measurements in rows and columns, and their summaries."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

#: The column that the others are compared with.
OURS = "pellucid"


@dataclass(frozen=True)
class Spread:
    """The median, quartiles and extremes of repeated measurements of one quantity."""

    median: float
    low: float
    lower_quartile: float
    upper_quartile: float
    high: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Spread:
        """Return the spread of the values. Quartiles are interpolated (the ``inclusive`` method)."""
        lower, median, upper = statistics.quantiles(values, n=4, method="inclusive") if len(values) > 1 else [values[0]] * 3
        return cls(median, min(values), lower, upper, max(values))


@dataclass
class Cell:
    """The measurements of one contender in one row, in the unit of the row.

    ``variant`` says which of the library's ways to do the work was used.
    """

    values: list[float]
    variant: str = ""

    @property
    def spread(self) -> Spread:
        """The summary of the values."""
        return Spread.of(self.values)


@dataclass(frozen=True)
class Bound:
    """The least time of a row in its unit, and what it consists of (see ``benchmarks.limits``).

    ``arithmetic`` is the share of the time in which arithmetic takes longer than transfers, ``flops`` the rate of operations
    that was measured in turn with the contenders. ``fewest`` is the least time with the fewest products.
    """

    least: float
    fewest: float
    arithmetic: float
    flop: float
    moved: float
    flops: float


@dataclass
class Row:
    """One quantity, measured for several contenders; smaller is better. ``baselines`` are shown, but not compared.

    ``products`` are the milliseconds of a product of large matrices, measured in turn with the contenders.
    """

    label: str
    unit: str
    cells: dict[str, Cell] = field(default_factory=dict)
    baselines: tuple[str, ...] = ()
    compared: bool = True
    products: Cell | None = None
    bound: Bound | None = None

    def ratio_of(self, contender: str) -> float | None:
        """Return the median of a contender divided by that of pellucid."""
        if contender not in self.cells or OURS not in self.cells or self.cells[OURS].spread.median <= 0:
            return None
        return self.cells[contender].spread.median / self.cells[OURS].spread.median

    def share(self, contender: str, *, fewest: bool = False) -> float | None:
        """Return the least time divided by the median of the contender: its share of the machine's limit."""
        if self.bound is None or contender not in self.cells:
            return None
        return (self.bound.fewest if fewest else self.bound.least) / self.cells[contender].spread.median

    def best_peer(self) -> str | None:
        """Return the contender with the smallest median, other than pellucid."""
        peers = {name: cell.spread.median for name, cell in self.cells.items() if name != OURS and name not in self.baselines}
        return min(peers, key=peers.__getitem__) if peers and self.compared else None

    def ratio(self) -> float | None:
        """Return the median of the best peer divided by that of pellucid. Above 1, pellucid is faster by that factor."""
        best = self.best_peer()
        return None if best is None else self.ratio_of(best)


@dataclass
class Failure:
    """A contender that failed: in which row, why, and the end of its standard error."""

    contender: str
    row: str
    reason: str
    stderr: list[str]


@dataclass
class Result:
    """The result of a benchmark: its rows, and the facts that are needed to judge them."""

    name: str
    title: str
    rows: list[Row] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    skipped: dict[str, str] = field(default_factory=dict)
    failures: list[Failure] = field(default_factory=list)
    contenders: dict[str, dict[str, Any]] = field(default_factory=dict)

    def mean_ratio(self) -> float | None:
        """Return the geometric mean of the ratios, or None for fewer than two rows or rows of different units."""
        ratios = {row.label: ratio for row in self.rows if (ratio := row.ratio()) is not None}
        units = {row.unit for row in self.rows if row.label in ratios}
        return geometric_mean(ratios.values()) if len(ratios) > 1 and len(units) == 1 else None

    def problems(self) -> dict[str, Any]:
        """Return what was skipped and what failed, as JSON data."""
        return {"skipped": self.skipped, "failures": [asdict(failure) for failure in self.failures]}

    def as_json(self) -> dict[str, Any]:
        """Return the result as JSON data, including all measurements."""
        plain = asdict(self)
        for row, facts in zip(self.rows, plain["rows"], strict=True):
            facts.update(best_peer=row.best_peer(), ratio=row.ratio())
            for name, cell in row.cells.items():
                facts["cells"][name].update(asdict(cell.spread), share_of_limit=row.share(name))
        plain["geometric_mean_ratio"] = self.mean_ratio()
        return plain


def geometric_mean(values: Iterable[float]) -> float | None:
    """Return exp(mean(log v)), the mean for ratios: twice and half as fast cancel out. None if there are no values."""
    logarithms = [math.log(value) for value in values]
    return math.exp(math.fsum(logarithms) / len(logarithms)) if logarithms else None
