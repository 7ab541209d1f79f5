"""What an experiment is: a question, the claim it tests, and functions that measure, decide and draw.

One file in ``lab/experiments`` is one question. It says beforehand by which criterion the claim holds; ``measure`` is run once
for each seed and returns plain numbers, and from these alone come verdict, table and figure. So results can be kept, taken up
where a run stopped, and looked at again without computing anything.
"""

from __future__ import annotations

import functools
import statistics
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from pellucid import notebook
from pellucid.data.dataset import Splits
from pellucid.data.sources.registry import mnist
from pellucid.lab.chapters import CHAPTERS

if TYPE_CHECKING:
    from matplotlib.figure import Figure

T = TypeVar("T")
Result = dict[str, Any]  # of one seed: what JSON holds


@functools.cache
def whole_mnist(data_dir: Path | None) -> Splits:
    """MNIST, read and proven once for all trials of a process."""
    return mnist(data_dir)


class Size(Enum):
    """How much work is done: ``full`` is what the report shows, ``quick`` is for looking, ``tiny`` for tests of the code."""

    FULL = "full"
    QUICK = "quick"
    TINY = "tiny"


@dataclass(frozen=True)
class Trial:
    """One run of ``measure``: its seed, and how much work it may do. ``data_dir`` is where MNIST is looked for first."""

    seed: int
    size: Size = Size.FULL
    data_dir: Path | None = None

    def pick(self, *, full: T, quick: T, tiny: T) -> T:
        """The value for the size at hand."""
        return {Size.FULL: full, Size.QUICK: quick, Size.TINY: tiny}[self.size]

    def digits(self, train: int | None = None, validation: int | None = None) -> Splits:
        """MNIST, limited to so many training and validation samples (drawn with the trial's seed, in proportion)."""
        whole = whole_mnist(self.data_dir)
        less = [
            part if count is None else part.limit(count, self.seed)
            for part, count in ((whole.train, train), (whole.validation, validation))
        ]
        return Splits(less[0], less[1], whole.test, whole.name, whole.source, whole.sha256)


@dataclass(frozen=True)
class Verdict:
    """What the numbers say of the claim, and why in one sentence with the numbers in it."""

    says: Literal["holds", "does not hold", "depends"]
    because: str

    def _repr_html_(self) -> str:
        return notebook.page(f"The claim {self.says}" if self.says != "depends" else "It depends", notebook.line(self.because))


@dataclass(frozen=True)
class Table:
    """Cells are texts, as they are read; the first column names the row."""

    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]

    def __post_init__(self) -> None:
        for row in self.rows:
            if len(row) != len(self.columns):
                raise ValueError(f"a row of {len(row)} cells under {len(self.columns)} columns: {row}")

    def _repr_html_(self) -> str:
        return notebook.table(self.columns, self.rows)


@dataclass(frozen=True)
class Experiment:
    """One question. ``codes`` are the rows of the mission that it answers, ``source`` says which document claims what, and
    where; ``criterion`` is written before anything is measured; ``mathematics`` is what a reader needs to know, in paragraphs
    with an empty line between; ``alt`` describes the figure for who cannot see it. ``seeds`` is how often it is repeated. One
    that compares times is measured ``alone``: nothing else runs beside it."""

    question: str
    codes: tuple[str, ...]
    chapter: str
    claim: str
    source: str
    criterion: str
    mathematics: str
    measure: Callable[[Trial], Result]
    verdict: Callable[[Sequence[Result]], Verdict]
    table: Callable[[Sequence[Result]], Table]
    figure: Callable[[Sequence[Result]], Figure]
    alt: str
    seeds: int = 5
    alone: bool = False

    def __post_init__(self) -> None:
        if self.chapter not in CHAPTERS:
            raise ValueError(f"there is no chapter {self.chapter!r}: {', '.join(CHAPTERS)}")


def spread(values: Iterable[float], form: str = ".2f") -> str:
    """``97.31 (97.02 to 97.44)``: the median and the range over seeds; the number alone where all are the same as written."""
    numbers = list(values)
    middle, low, high = (f"{one:{form}}" for one in (statistics.median(numbers), min(numbers), max(numbers)))
    return middle if low == high else f"{middle} ({low} to {high})"


def percent(shares: Iterable[float], form: str = ".2f") -> str:
    """The same for shares, in percent."""
    return f"{spread((100 * share for share in shares), form)} %"


def median(results: Sequence[Result], *path: str | int) -> float:
    """The median over seeds of one number, found along ``path``: ``median(results, "sgd", "loss")``."""

    def found(result: Any) -> float:
        for key in path:
            result = result[key]
        return float(result)

    return statistics.median(map(found, results))
