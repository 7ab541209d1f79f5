"""The times of the rows of a series: their column, their order, and the times of the rows that follow.

Times are dates and times in ISO 8601, such as 2024-01-31, 2024-01 or 2024-01-31 12:30, or numbers.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np

from pellucid.core.memory import Array

NAMES = frozenset(("time", "date", "datetime", "timestamp", "year", "day", "t", "step", "index"))  # in lower case
DATE = re.compile(r"\d{1,4}[./-]\d{1,2}[./-]\d{1,4}\b")  # the beginning of a date in any usual form
_MONTH = re.compile(r"\d{4}-\d{2}")  # and the beginning of every date


@dataclass(frozen=True)
class Times:
    """The times of the rows of a series, as they are in the file (``cells``), and as points (m) on a line.

    A point is a number, or for dates the seconds since 1970.
    """

    cells: tuple[str, ...]
    points: tuple[float, ...]
    dates: bool

    @classmethod
    def of(cls, cells: Sequence[str]) -> Times | None:
        """Return the times in the cells of a column, or None unless all cells are dates, or all are numbers.

        A column without cells has no times.
        """
        if not cells:
            return None
        stripped = tuple(cell.strip() for cell in cells)
        moments = list(map(_moment, stripped))
        if all(moment is not None for moment in moments):
            return cls(stripped, tuple(moment.timestamp() for moment in moments if moment is not None), True)
        try:
            points = tuple(map(float, stripped))
        except ValueError:
            return None
        return cls(stripped, points, False) if np.isfinite(points).all() else None

    @property
    def steps(self) -> Array:
        """The differences between neighbouring points (m − 1)."""
        return np.diff(self.points)

    @property
    def is_counter(self) -> bool:
        """Whether the points are numbers that grow by the same amount from row to row, like row numbers and years."""
        steps = self.steps
        return not self.dates and len(steps) > 1 and bool(steps[0] > 0 and np.allclose(steps, steps[0], rtol=1e-6, atol=0))

    def next(self, count: int) -> list[str] | None:
        """Return the times of the ``count`` rows after the last one.

        Returns None if the steps between the rows differ, and for times after the year 9999.
        """
        if len(self.cells) < 2:
            return None
        if not self.dates:
            step = self.points[-1] - self.points[-2]
            return [f"{self.points[-1] + step * i:.15g}" for i in range(1, count + 1)] if self.is_counter else None
        moments = [moment for moment in map(_moment, self.cells) if moment is not None]
        months = np.diff([12 * moment.year + moment.month for moment in moments])
        days = {(moment.day, moment.hour, moment.minute) for moment in moments}
        try:
            if len(days) == 1 and months[0] > 0 and (months == months[0]).all() and moments[0].day <= 28:
                found = [_months_later(moments[-1], int(months[0]) * i) for i in range(1, count + 1)]
            elif np.ptp(self.steps) == 0:
                found = [moments[-1] + i * timedelta(seconds=float(self.steps[0])) for i in range(1, count + 1)]
            else:
                return None
        except (OverflowError, ValueError):  # there is no year 10000
            return None
        return [_as_cell(moment, self.cells[-1]) for moment in found]


def _moment(cell: str) -> datetime | None:
    """Return the date and time of a cell, in UTC where it names no zone, or None if it is none."""
    if not _MONTH.match(cell):
        return None
    try:
        moment = datetime.fromisoformat(f"{cell}-01" if _MONTH.fullmatch(cell) else cell)
    except ValueError:
        return None
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment


def _months_later(moment: datetime, months: int) -> datetime:
    years, month = divmod(moment.month - 1 + months, 12)
    return moment.replace(year=moment.year + years, month=month + 1)


def _as_cell(moment: datetime, like: str) -> str:
    """Return a date and time in the form of the cell ``like``."""
    if len(like) <= len("2024-01-31"):
        return moment.strftime("%Y-%m" if _MONTH.fullmatch(like) else "%Y-%m-%d")
    has_zone = datetime.fromisoformat(like).tzinfo is not None
    text = (moment if has_zone else moment.replace(tzinfo=None)).isoformat(like[10])
    if not has_zone and len(like) == len("2024-01-31 12:30"):
        return text[: len(like)]
    return text.replace("+00:00", "Z") if like.endswith("Z") else text
