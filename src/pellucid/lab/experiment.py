"""The parts of an experiment: a question, the claim it tests, and functions that measure, decide, tabulate and draw.

Each file in ``lab/experiments`` answers one question. Its criterion for the claim is fixed before anything is measured.
``measure`` runs once per seed and returns plain values; verdict, table and figure depend on these values only. Results can
therefore be stored, a stopped run can be resumed, and the presentation can be changed without measuring again.
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
from pellucid.core.rng import generator
from pellucid.data.dataset import Dataset, Splits
from pellucid.data.sources.mnist import mnist
from pellucid.data.sources.texts import tinyshakespeare
from pellucid.data.text import Tokens, windows
from pellucid.errors import DataError
from pellucid.lab.experiments import CHAPTERS

if TYPE_CHECKING:
    from matplotlib.figure import Figure

T = TypeVar("T")
Result = dict[str, Any]  # the values measured with one seed, in types that JSON can represent


@functools.cache
def whole_mnist(data_dir: Path | None) -> Splits:
    """Return MNIST; it is read and verified once per process."""
    return mnist(data_dir)


@functools.cache
def whole_plays(data_dir: Path | None) -> Splits:
    """Return tinyshakespeare, or the text that replaces it without a network; it is read and verified once per process."""
    try:
        return tinyshakespeare(data_dir)
    except DataError:  # the folder of MNIST has no text
        return tinyshakespeare()


class Size(Enum):
    """The amount of work: ``full`` for the report, ``quick`` for a first look, ``tiny`` for tests of the code."""

    FULL = "full"
    QUICK = "quick"
    TINY = "tiny"


@dataclass(frozen=True)
class Trial:
    """One run of ``measure``: its seed, the amount of work, and the folder in which MNIST and texts are looked for first."""

    seed: int
    size: Size = Size.FULL
    data_dir: Path | None = None

    def pick(self, *, full: T, quick: T, tiny: T) -> T:
        """Return the value for the size of this trial."""
        return {Size.FULL: full, Size.QUICK: quick, Size.TINY: tiny}[self.size]

    def digits(self, train: int | None = None, validation: int | None = None) -> Splits:
        """Return MNIST with at most ``train`` and ``validation`` samples (None: all).

        The samples are drawn with the trial's seed, with the classes in proportion.
        """
        whole = whole_mnist(self.data_dir)
        limited = [
            part if count is None else part.limit(count, self.seed)
            for part, count in ((whole.train, train), (whole.validation, validation))
        ]
        return Splits(limited[0], limited[1], whole.test, whole.name, whole.source, whole.sha256)

    def plays(self, context: int, train: int | None = None, validation: int | None = None) -> Splits:
        """Return tinyshakespeare as windows of ``context`` characters, of each part at most so many characters (None: all).

        The characters of a part are consecutive; where they begin is drawn with the trial's seed.
        """
        whole = whole_plays(self.data_dir)
        parts = [self._passage(part, context, count) for part, count in ((whole.train, train), (whole.validation, validation))]
        return Splits(parts[0], parts[1], whole.test, whole.name, whole.source, whole.sha256)

    def _passage(self, part: Dataset, context: int, count: int | None) -> Dataset:
        tokens, stage = part.passage, part.input_stage()
        assert tokens is not None  # because it is a text
        assert isinstance(stage, Tokens)
        if count is not None and count < len(tokens):
            start = int(generator(self.seed, "passage", part.name).integers(len(tokens) - count))
            tokens = tokens[start : start + count]
        return windows(tokens, context, tokenizer=stage.tokenizer, name=part.name)


@dataclass(frozen=True)
class Verdict:
    """The outcome for the claim, and the reason: one sentence that contains the decisive numbers."""

    outcome: Literal["holds", "does not hold", "depends"]
    reason: str

    def _repr_html_(self) -> str:
        title = "It depends" if self.outcome == "depends" else f"The claim {self.outcome}"
        return notebook.section(title, notebook.paragraph(self.reason))


@dataclass(frozen=True)
class Table:
    """A table of texts; the first column names the rows. Raises ValueError if a row does not have one cell per column."""

    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]

    def __post_init__(self) -> None:
        for row in self.rows:
            if len(row) != len(self.columns):
                raise ValueError(f"a row of {len(row)} cells for {len(self.columns)} columns: {row}")

    def _repr_html_(self) -> str:
        return notebook.table(self.columns, self.rows)


@dataclass(frozen=True)
class Experiment:
    """One question and everything that answers it.

    - ``codes``: identifiers of the project's requirements that the experiment covers; ``beyond`` if it covers none
    - ``chapter``: the chapter of the report
    - ``claim``, ``source``: what is claimed, and in which document
    - ``criterion``: when the claim holds, fixed before measuring
    - ``mathematics``: the background, in paragraphs separated by empty lines; indented paragraphs are formulas
    - ``alt``: the alternative text of the figure
    - ``seeds``: the number of repetitions
    - ``alone``: whether no other seed may run at the same time, because the experiment measures times

    Raises ValueError if the chapter is unknown.
    """

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
            raise ValueError(f"there is no chapter {self.chapter!r}: choose one of {', '.join(CHAPTERS)}")


def spread(values: Iterable[float], form: str = ".2f") -> str:
    """Return median and range, such as ``97.31 (97.02 to 97.44)``; only the median if all look the same in this format."""
    numbers = list(values)
    middle, low, high = (f"{one:{form}}" for one in (statistics.median(numbers), min(numbers), max(numbers)))
    return middle if low == high else f"{middle} ({low} to {high})"


def percent(fractions: Iterable[float], form: str = ".2f") -> str:
    """Return median and range of fractions in percent, as :func:`spread` does."""
    return f"{spread((100 * fraction for fraction in fractions), form)} %"


def median(results: Sequence[Result], *path: str | int) -> float:
    """Return the median over seeds of the value at ``path``: ``median(results, "sgd", "loss")``."""

    def value(result: Any) -> float:
        for key in path:
            result = result[key]
        return float(result)

    return statistics.median(map(value, results))
