"""Numbers as people write them: 1,234.50 or 1.234,50, 12 %, € 3.99, −5.

A column of such cells has one decimal mark, a point or a comma. Between groups of three digits may be the other mark, a space
or an apostrophe. A percent sign or a currency is left out: 12 % is 12.
"""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Sequence

import numpy as np

from pellucid.core.memory import Array

DECIMALS = (".", ",")
CURRENCIES = ("$", "€", "£", "¥", "₹", "₽", "₺", "₩", "EUR", "USD", "GBP", "CHF", "JPY", "Kč", "kr", "zł", "Ft")
_SPACES = " \u00a0\u202f\u2009"
_SIGNS = "|".join(map(re.escape, (*CURRENCIES, "%", "‰")))
_FORMATS = {
    decimal: re.compile(
        rf"(?P<sign>[-+−]?)[{_SPACES}]*(?P<before>{_SIGNS})?[{_SPACES}]*(?P<second>[-+−]?)"
        rf"(?P<whole>\d+|[1-9]\d{{0,2}}(?:(?P<group>[{_SPACES}'’{re.escape(other)}])\d{{3}})(?:(?P=group)\d{{3}})*)?"
        rf"(?:{re.escape(decimal)}(?P<part>\d*))?(?P<power>[eE][-+]?\d+)?[{_SPACES}]*(?P<after>{_SIGNS})?"
    )
    for decimal, other in zip(DECIMALS, reversed(DECIMALS), strict=True)
}


def parse_cell(cell: str, decimal: str) -> tuple[float, str, str] | None:
    """Return the number in a cell, its sign ("%", "€", …, or empty) and its thousands separator, or None for other text."""
    match = _FORMATS[decimal].fullmatch(cell.strip())
    if match is None or not (match["whole"] or match["part"]) or (match["sign"] and match["second"]):
        return None
    if match["before"] and match["after"]:
        return None
    digits = re.sub(r"\D", "", match["whole"] or "") or "0"
    value = float(f"{digits}.{match['part'] or '0'}{match['power'] or ''}")
    negative = (match["sign"] or match["second"]) in ("-", "−")
    return -value if negative else value, match["before"] or match["after"] or "", match["group"] or ""


def parse_written(cells: Sequence[str], decimal: str) -> Array:
    """Return the cells of a column with this decimal mark as float64 (n), NaN for those that are not numbers."""
    found = (parse_cell(cell, decimal) for cell in cells)
    return np.array([math.nan if one is None else one[0] for one in found])


def described(signs: Collection[str], separators: Collection[str], decimal: str) -> str:
    """Return the format of a column in words: ``€, thousands separated by a comma``."""
    names = {",": "a comma", ".": "a point", "'": "an apostrophe", "’": "an apostrophe"}
    parts = [" and ".join(sorted(sign for sign in signs if sign))] if any(signs) else []
    found = sorted({names.get(one, "a space") for one in separators if one})
    if found:
        parts.append(f"thousands separated by {' or '.join(found)}")
    if decimal == ",":
        parts.append("a decimal comma")
    return ", ".join(parts)
