"""Tables, titles and lines of text as HTML."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

RULE = "1px solid rgba(128,128,128,.45)"
CELL = "padding:.15em .6em;border:0;background:none;color:inherit"


def section(title: str, *parts: str) -> str:
    """Return a title in bold, followed by the ``parts``, which are already HTML."""
    return f'<div style="overflow-x:auto"><div style="margin:.3em 0"><b>{escape(title)}</b></div>{"".join(parts)}</div>'


def paragraph(text: str) -> str:
    """Return a paragraph of plain text."""
    return f'<div style="margin:.3em 0">{escape(text)}</div>'


def table(
    columns: Sequence[str],
    rows: Sequence[Sequence[str]],
    *,
    texts: int = 1,
    shades: Sequence[Sequence[float]] = (),
    totals: int = 0,
    caption: str = "",
) -> str:
    """Return a table of text cells with a header row.

    The first ``texts`` columns are aligned to the left, the others, which hold numbers, to the right. A line separates the
    last ``totals`` rows from those above. ``shades`` (rows, columns), from 0 to 1, colours the background of the cells in a
    blue that is light enough for the text to stay readable.
    """
    sides = ["left" if i < texts else "right" for i in range(len(columns))]
    head = "".join(
        f'<th scope="col" style="{CELL};border-bottom:{RULE};text-align:{side}">{escape(name)}</th>'
        for side, name in zip(sides, columns, strict=True)
    )
    body = []
    for k, row in enumerate(rows):
        rule = f";border-top:{RULE}" if totals and k == len(rows) - totals else ""
        cells = []
        for i, (side, text) in enumerate(zip(sides, row, strict=True)):
            shade = shades[k][i] if k < len(shades) else 0.0
            background = f";background:rgba(0,114,178,{0.55 * shade:.2f})" if shade > 0 else ""
            start, end = ('th scope="row"', "th") if i == 0 else ("td", "td")
            style = f"{CELL}{rule};text-align:{side};font-weight:normal{background}"
            cells.append(f'<{start} style="{style}">{escape(text)}</{end}>')
        body.append(f'<tr style="background:none">{"".join(cells)}</tr>')
    heading = ""
    if caption:
        heading = (
            f'<caption style="text-align:left;color:inherit;padding:.2em 0;white-space:nowrap">{escape(caption)}</caption>'
        )
    style = "border-collapse:collapse;margin:.3em 0;color:inherit;font-variant-numeric:tabular-nums"
    return f'<table style="{style}">{heading}<thead><tr>{head}</tr></thead><tbody>{"".join(body)}</tbody></table>'
