"""Dates and times in the cells of a table, and their parts as numbers.

The forms are ISO 8601 (2024-01-31, 2024-01-31 12:30, 2024-01), 31.12.2024, 31/12/2024 and 12/31/2024, each with or without a
time of day.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import numpy as np

from pellucid.core.memory import Array

ISO = "year-month-day"
FORMS = (ISO, "day.month.year", "day/month/year", "month/day/year")
DAYS = "days"
PARTS = (DAYS, "month", "day", "weekday", "hour")  # days since 1970, with the time of day as a fraction; Monday is 0
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_ISO = re.compile(r"\d{4}-\d{2}(?P<day>-\d{2})?(?!\d)")
_POINTS = re.compile(r"(\d{1,2})\.[ ]?(\d{1,2})\.[ ]?(\d{4})(?:[ T,]+(\d{1,2}):(\d{2})(?::(\d{2}))?)?")
_SLASHES = re.compile(r"(\d{1,2})/(\d{1,2})/(\d{4})(?:[ T,]+(\d{1,2}):(\d{2})(?::(\d{2}))?)?")


def moment(cell: str, form: str) -> datetime | None:
    """Return the date and time in a cell, in UTC where it names no zone, or None if it is none of this form."""
    text = cell.strip()
    try:
        if match := _ISO.match(text):
            found = datetime.fromisoformat(text if match["day"] else f"{text}-01")
            return found.replace(tzinfo=UTC) if found.tzinfo is None else found
        if form == ISO:
            return None
        match = (_POINTS if "." in form else _SLASHES).fullmatch(text)
        if match is None:
            return None
        first, second, year, hour, minute, of_minute = (int(part or 0) for part in match.groups())
        day, month = (second, first) if form.startswith("month") else (first, second)
        return datetime(year, month, day, hour, minute, of_minute, tzinfo=UTC)
    except ValueError:
        return None


def parse_dates(cells: Sequence[str], form: str) -> tuple[Array, list[int]]:
    """Return the parts of the dates in the cells (n, parts), NaN for those that are none, and the indices of the latter."""
    values, others = np.full((len(cells), len(PARTS)), np.nan), []
    known: dict[str, tuple[float, ...] | None] = {}
    for i, cell in enumerate(cells):
        if cell not in known:
            found = moment(cell, form)
            known[cell] = None if found is None else parts_of(found)
        parts = known[cell]
        if parts is None:
            others.append(i)
        else:
            values[i] = parts
    return values, others


def iso_date(days: float) -> str:
    """Return the date, such as 2024-01-31, of a number of days since 1970."""
    return (_EPOCH + timedelta(days=days)).date().isoformat()


def parts_of(time: datetime) -> tuple[float, ...]:
    """Return the numbers of the ``PARTS`` of a date and time."""
    hour = time.hour + time.minute / 60 + time.second / 3600
    days = (time - _EPOCH).total_seconds() / 86400
    return days, time.month, time.day, time.weekday(), hour
