"""Small charts as SVG, in the look of :mod:`pellucid.plots`, for notebooks that may have no Matplotlib."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from html import escape
from typing import Literal, NamedTuple

BLUE, VERMILION, GREY = "#0072B2", "#D55E00", "#8A8A8A"
WIDTH, HEIGHT = 380, 210
LEFT, RIGHT, TOP, BOTTOM = 52, 12, 8, 36  # around the plot
MARKED = 25  # longer curves have no marks at their points


class Line(NamedTuple):
    """One curve of a chart: a line with dots, "dashes" with squares, or "dots" alone."""

    name: str
    x: Sequence[float]
    y: Sequence[float]
    color: str = BLUE
    kind: Literal["line", "dashes", "dots"] = "line"


class _Axis(NamedTuple):
    """Values from ``low`` to ``high`` on pixels from ``start`` to ``end``."""

    low: float
    high: float
    start: float
    end: float

    def at(self, value: float) -> float:
        return round(self.start + (value - self.low) / (self.high - self.low) * (self.end - self.start), 1)


def chart(
    lines: Sequence[Line],
    xlabel: str,
    ylabel: str,
    *,
    marks: Mapping[str, float] | None = None,
    log_x: bool = False,
    ends: tuple[float, float] | None = None,
) -> str:
    """A chart with its legend above. ``marks`` are dotted vertical lines by what they mean; what is beyond the ``ends`` of the
    y-axis is cut off. Values that are not finite are left out; where none is left there is no chart."""
    marks = marks or {}
    lines = [one._replace(x=[_x(x, log_x) for x in one.x]) for one in lines]
    curves = [(one, [(x, y) for x, y in zip(one.x, one.y, strict=True) if math.isfinite(y)]) for one in lines]
    points = [point for _, own in curves for point in own]
    if not points:
        return ""
    across = _Axis(*_ends([x for x, _ in points]), LEFT, WIDTH - RIGHT)
    up = _Axis(*(ends or _ends([y for _, y in points])), HEIGHT - BOTTOM, TOP)
    parts = [_axes(across, up, xlabel, ylabel, log_x)]
    for place in marks.values():
        x = across.at(_x(place, log_x))
        parts.append(
            f'<line x1="{x}" x2="{x}" y1="{TOP}" y2="{HEIGHT - BOTTOM}" stroke="currentColor" stroke-dasharray="2 3"/>'
        )
    box = f'x="{LEFT}" y="{TOP}" width="{WIDTH - RIGHT - LEFT}" height="{HEIGHT - BOTTOM - TOP}"'
    view = f'viewBox="{LEFT} {TOP} {WIDTH - RIGHT - LEFT} {HEIGHT - BOTTOM - TOP}"'
    drawn = "".join(_curve(one, [(across.at(x), up.at(y)) for x, y in own]) for one, own in curves)
    parts.append(f'<svg {box} {view} overflow="hidden">{drawn}</svg>')  # a drawing in the drawing cuts off without a name
    said = f"{ylabel} over {xlabel}: {', '.join([one.name for one, _ in curves] + list(marks))}"
    legend = " &#160; ".join([_key(one) for one, _ in curves] + [f"┊ {escape(mark)}" for mark in marks])
    return (
        '<div style="display:inline-block;max-width:100%;margin:.3em 1em .3em 0">'
        f'<div style="font-size:12px;margin-left:{LEFT}px">{legend}</div>'
        f'<svg role="img" aria-label="{escape(said)}" '
        f'viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}" style="max-width:100%;color:inherit" '
        f'font-family="sans-serif" font-size="11">{"".join(parts)}</svg></div>'
    )


def ticks(low: float, high: float, most: int = 7) -> list[float]:
    """Round numbers from low to high: steps of 1, 2 or 5 times a power of ten, the smallest that give no more than ``most``."""
    power = 10.0 ** math.floor(math.log10((high - low) / most))
    step = next(k * power for k in (1, 2, 5, 10, 20) if (high - low) / (k * power) <= most - 1)
    return [k * step for k in range(math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9) + 1)]


def _x(value: float, log: bool) -> float:
    return math.log10(value) if log else float(value)


def _ends(values: Sequence[float]) -> tuple[float, float]:
    """The lowest and the highest, with some room; of equal ones something around them."""
    low, high = min(values), max(values)
    room = 0.04 * (high - low) if high - low > 1e-12 * max(abs(low), abs(high)) else abs(low) / 2 or 0.5
    return low - room, high + room


def _axes(across: _Axis, up: _Axis, xlabel: str, ylabel: str, log_x: bool) -> str:
    foot = HEIGHT - BOTTOM
    faint = 'stroke="currentColor" stroke-opacity=".15"'
    parts = [f'<path d="M{LEFT} {TOP}V{foot}H{WIDTH - RIGHT}" fill="none" stroke="currentColor" stroke-opacity=".5"/>']
    if log_x:
        across_at = [float(k) for k in range(math.ceil(across.low - 1e-9), math.floor(across.high + 1e-9) + 1)]
    else:
        across_at = [x for x in ticks(across.low, across.high) if x == round(x)] if across.high - across.low >= 1 else []
    for x in across_at:
        name = f"{10**x:g}" if log_x else f"{x:g}"
        parts.append(f'<text x="{across.at(x)}" y="{foot + 14}" text-anchor="middle" fill="currentColor">{name}</text>')
    for y in ticks(up.low, up.high):
        parts.append(f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{up.at(y)}" y2="{up.at(y)}" {faint}/>')
        name = f"{0.0 if abs(y) < 1e-12 else y:.6g}"
        parts.append(f'<text x="{LEFT - 5}" y="{up.at(y) + 4}" text-anchor="end" fill="currentColor">{name}</text>')
    middle, centre = (LEFT + WIDTH - RIGHT) / 2, (TOP + foot) / 2
    parts.append(f'<text x="{middle}" y="{HEIGHT - 5}" text-anchor="middle" fill="currentColor">{escape(xlabel)}</text>')
    turned = f'transform="rotate(-90 11 {centre})" x="11" y="{centre}"'
    parts.append(f'<text {turned} text-anchor="middle" fill="currentColor">{escape(ylabel)}</text>')
    return "".join(parts)


def _curve(one: Line, places: Sequence[tuple[float, float]]) -> str:
    size = 1.6 if one.kind == "dots" else 2.6
    marked = places if one.kind == "dots" or len(places) <= MARKED else []
    if one.kind == "dashes":
        dots = [f'<rect x="{x - size:.1f}" y="{y - size:.1f}" width="{2 * size}" height="{2 * size}"/>' for x, y in marked]
    else:
        dots = [f'<circle cx="{x}" cy="{y}" r="{size}"/>' for x, y in marked]
    dash = ' stroke-dasharray="6 4"' if one.kind == "dashes" else ""
    path = " ".join(f"{x},{y}" for x, y in places)
    drawn = f'<polyline fill="none" stroke="{one.color}" stroke-width="2"{dash} points="{path}"/>' if one.kind != "dots" else ""
    return f'{drawn}<g fill="{one.color}">{"".join(dots)}</g>'


def _key(one: Line) -> str:
    dash = ' stroke-dasharray="6 4"' if one.kind == "dashes" else ""
    stroke = f'<line x1="1" x2="25" y1="6" y2="6" stroke="{one.color}" stroke-width="2"{dash}/>' if one.kind != "dots" else ""
    mark = (
        f'<rect x="10" y="3" width="6" height="6" fill="{one.color}"/>'
        if one.kind == "dashes"
        else f'<circle cx="13" cy="6" r="{2 if one.kind == "dots" else 3}" fill="{one.color}"/>'
    )
    return f'<svg aria-hidden="true" width="26" height="12">{stroke}{mark}</svg> {escape(one.name)}'
