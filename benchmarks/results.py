"""The outcome of a benchmark: repeated measurements in rows and columns, and the arithmetic that sums them up."""

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
    """Repeated measurements of one quantity: their middle, their quartiles and their extremes."""

    median: float
    low: float
    quarter: float
    three_quarters: float
    high: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Spread:
        """Quartiles lie between the measurements (the ``inclusive`` method); one value is all five figures."""
        quarter, median, three_quarters = (
            statistics.quantiles(values, n=4, method="inclusive") if len(values) > 1 else [values[0]] * 3
        )
        return cls(median, min(values), quarter, three_quarters, max(values))


@dataclass
class Cell:
    """What one contender did in one row, in the row's unit, and how (``form``: which of a library's ways was taken).

    ``share`` is what part of the machine's peak arithmetic rate the median comes to, where that was asked.
    """

    values: list[float]
    form: str = ""
    share: float | None = None

    @property
    def spread(self) -> Spread:
        return Spread.of(self.values)


@dataclass
class Row:
    """One quantity, measured for several contenders: smaller is better. Baselines are shown, but are nobody's peers."""

    label: str
    unit: str
    cells: dict[str, Cell] = field(default_factory=dict)
    baselines: tuple[str, ...] = ()
    compared: bool = True

    def best_peer(self) -> str | None:
        """The contender, other than pellucid, with the smallest median."""
        peers = {name: cell.spread.median for name, cell in self.cells.items() if name != OURS and name not in self.baselines}
        return min(peers, key=peers.__getitem__) if peers and self.compared else None

    def ratio(self) -> float | None:
        """Best peer over pellucid: above 1, pellucid is ahead by that factor."""
        best = self.best_peer()
        if best is None or OURS not in self.cells or self.cells[OURS].spread.median <= 0:
            return None
        return self.cells[best].spread.median / self.cells[OURS].spread.median


@dataclass
class Failure:
    """A contender that broke: where, why, and the last it wrote to its standard error."""

    contender: str
    row: str
    reason: str
    stderr: list[str]


@dataclass
class Result:
    """A benchmark, finished: its rows, and what is needed to judge them."""

    name: str
    title: str
    rows: list[Row] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    skipped: dict[str, str] = field(default_factory=dict)
    failures: list[Failure] = field(default_factory=list)
    contenders: dict[str, dict[str, Any]] = field(default_factory=dict)

    def mean_ratio(self) -> float | None:
        """Geometric mean of the rows' ratios; None of fewer than two, or where they are of different quantities."""
        ratios = {row.label: ratio for row in self.rows if (ratio := row.ratio()) is not None}
        units = {row.unit for row in self.rows if row.label in ratios}
        return geometric_mean(ratios.values()) if len(ratios) > 1 and len(units) == 1 else None

    def as_json(self) -> dict[str, Any]:
        """Plain data, the raw measurements included."""
        plain = asdict(self)
        for row, facts in zip(self.rows, plain["rows"], strict=True):
            facts.update(best_peer=row.best_peer(), ratio=row.ratio())
            for name, cell in row.cells.items():
                facts["cells"][name].update(asdict(cell.spread))
        plain["geometric_mean_ratio"] = self.mean_ratio()
        return plain


def geometric_mean(values: Iterable[float]) -> float | None:
    """exp(mean(log v)): the mean for ratios, in which twice and half as fast cancel out. None of nothing."""
    logarithms = [math.log(value) for value in values]
    return math.exp(math.fsum(logarithms) / len(logarithms)) if logarithms else None
