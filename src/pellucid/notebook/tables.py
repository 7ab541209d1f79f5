"""Tables as HTML."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

RULE = "1px solid rgba(128,128,128,.45)"
CELL = "padding:.15em .6em;border:0;background:none;color:inherit"


def page(title: str, *parts: str) -> str:
    """A title in bold, and what stands below it. ``parts`` are HTML already."""
    return f'<div style="overflow-x:auto"><div style="margin:.3em 0"><b>{escape(title)}</b></div>{"".join(parts)}</div>'


def line(text: str) -> str:
    """A line of text."""
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
    """Cells of text under a header: the first ``texts`` columns to the left, numbers to the right. The last ``totals`` rows
    stand under a rule. ``shades`` (rows, columns), 0 … 1, put blue behind the cells, as light as text can stand on."""
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
            dye = f";background:rgba(0,114,178,{0.55 * shade:.2f})" if shade > 0 else ""
            kind = 'th scope="row"' if i == 0 else "td"
            style = f"{CELL}{rule};text-align:{side};font-weight:normal{dye}"
            cells.append(f'<{kind} style="{style}">{escape(text)}</{kind[:2]}>')
        body.append(f'<tr style="background:none">{"".join(cells)}</tr>')
    above = f'<caption style="text-align:left;color:inherit;padding:.2em 0">{escape(caption)}</caption>' if caption else ""
    style = "border-collapse:collapse;margin:.3em 0;color:inherit;font-variant-numeric:tabular-nums"
    return f'<table style="{style}">{above}<thead><tr>{head}</tr></thead><tbody>{"".join(body)}</tbody></table>'
