"""Small charts as SVG, made without Matplotlib in the style of :mod:`pellucid.plots`."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from html import escape
from typing import Literal, NamedTuple

BLUE, VERMILION, GREY = "#0072B2", "#D55E00", "#8A8A8A"
WIDTH, HEIGHT = 380, 210
LEFT, RIGHT, TOP, BOTTOM = 52, 12, 8, 36  # around the plot
MARKED = 25  # curves with more points have no markers


class Curve(NamedTuple):
    """A curve of a chart. Its kind is "line" (with dots), "dashes" (with squares) or "dots" (without a line)."""

    name: str
    x: Sequence[float]
    y: Sequence[float]
    color: str = BLUE
    kind: Literal["line", "dashes", "dots"] = "line"


class _Axis(NamedTuple):
    """An axis that maps values from ``low`` to ``high`` to pixels from ``start`` to ``end``."""

    low: float
    high: float
    start: float
    end: float

    def at(self, value: float) -> float:
        return round(self.start + (value - self.low) / (self.high - self.low) * (self.end - self.start), 1)


def chart(
    curves: Sequence[Curve],
    xlabel: str,
    ylabel: str,
    *,
    marks: Mapping[str, float] | None = None,
    log_x: bool = False,
    ends: tuple[float, float] | None = None,
) -> str:
    """Return a chart as HTML, with its legend above it.

    ``marks`` maps labels to the positions of dotted vertical lines. ``ends`` are the lowest and highest value of the y-axis;
    curves are clipped there. Values that are not finite are left out. Without any finite value the result is empty.
    """
    marks = marks or {}
    curves = [curve._replace(x=[_scaled(x, log_x) for x in curve.x]) for curve in curves]
    points = [[(x, y) for x, y in zip(curve.x, curve.y, strict=True) if math.isfinite(y)] for curve in curves]
    all_points = [point for curve_points in points for point in curve_points]
    if not all_points:
        return ""
    horizontal = _Axis(*_ends([x for x, _ in all_points]), LEFT, WIDTH - RIGHT)
    vertical = _Axis(*(ends or _ends([y for _, y in all_points])), HEIGHT - BOTTOM, TOP)
    parts = [_axes(horizontal, vertical, xlabel, ylabel, log_x)]
    for position in marks.values():
        x = horizontal.at(_scaled(position, log_x))
        parts.append(
            f'<line x1="{x}" x2="{x}" y1="{TOP}" y2="{HEIGHT - BOTTOM}" stroke="currentColor" stroke-dasharray="2 3"/>'
        )
    box = f'x="{LEFT}" y="{TOP}" width="{WIDTH - RIGHT - LEFT}" height="{HEIGHT - BOTTOM - TOP}"'
    view = f'viewBox="{LEFT} {TOP} {WIDTH - RIGHT - LEFT} {HEIGHT - BOTTOM - TOP}"'
    drawn = "".join(
        _polyline(curve, [(horizontal.at(x), vertical.at(y)) for x, y in curve_points])
        for curve, curve_points in zip(curves, points, strict=True)
    )
    parts.append(f'<svg {box} {view} overflow="hidden">{drawn}</svg>')  # an inner <svg> clips; a clip path would need an id
    label = f"{ylabel} over {xlabel}: {', '.join([curve.name for curve in curves] + list(marks))}"
    legend = " &#160; ".join([_legend_entry(curve) for curve in curves] + [f"┊ {escape(mark)}" for mark in marks])
    return (
        '<div style="display:inline-block;max-width:100%;margin:.3em 1em .3em 0">'
        f'<div style="font-size:12px;margin-left:{LEFT}px">{legend}</div>'
        f'<svg role="img" aria-label="{escape(label)}" '
        f'viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}" style="max-width:100%;color:inherit" '
        f'font-family="sans-serif" font-size="11">{"".join(parts)}</svg></div>'
    )


def ticks(low: float, high: float, limit: int = 7) -> list[float]:
    """Return round numbers from low to high, at most ``limit``: multiples of 1, 2 or 5 times a power of ten."""
    power = 10.0 ** math.floor(math.log10((high - low) / limit))
    step = next(k * power for k in (1, 2, 5, 10, 20) if (high - low) / (k * power) <= limit - 1)
    return [k * step for k in range(math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9) + 1)]


def _scaled(value: float, log: bool) -> float:
    return math.log10(value) if log else float(value)


def _ends(values: Sequence[float]) -> tuple[float, float]:
    """Return the ends of an axis: the smallest and the largest value with some margin."""
    low, high = min(values), max(values)
    margin = 0.04 * (high - low) if high - low > 1e-12 * max(abs(low), abs(high)) else abs(low) / 2 or 0.5
    return low - margin, high + margin


def _axes(horizontal: _Axis, vertical: _Axis, xlabel: str, ylabel: str, log_x: bool) -> str:
    """Return the SVG elements of both axes: lines, ticks with their values, and labels."""
    bottom = HEIGHT - BOTTOM
    faint = 'stroke="currentColor" stroke-opacity=".15"'
    parts = [f'<path d="M{LEFT} {TOP}V{bottom}H{WIDTH - RIGHT}" fill="none" stroke="currentColor" stroke-opacity=".5"/>']
    x_ticks = list[float]()
    if log_x:
        x_ticks = [float(k) for k in range(math.ceil(horizontal.low - 1e-9), math.floor(horizontal.high + 1e-9) + 1)]
    elif horizontal.high - horizontal.low >= 1:
        x_ticks = [x for x in ticks(horizontal.low, horizontal.high) if x == round(x)]
    for x in x_ticks:
        text = f"{10**x:g}" if log_x else f"{x:g}"
        parts.append(f'<text x="{horizontal.at(x)}" y="{bottom + 14}" text-anchor="middle" fill="currentColor">{text}</text>')
    for y in ticks(vertical.low, vertical.high):
        parts.append(f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{vertical.at(y)}" y2="{vertical.at(y)}" {faint}/>')
        text = f"{0.0 if abs(y) < 1e-12 else y:.6g}"
        parts.append(f'<text x="{LEFT - 5}" y="{vertical.at(y) + 4}" text-anchor="end" fill="currentColor">{text}</text>')
    centre_x, centre_y = (LEFT + WIDTH - RIGHT) / 2, (TOP + bottom) / 2
    parts.append(f'<text x="{centre_x}" y="{HEIGHT - 5}" text-anchor="middle" fill="currentColor">{escape(xlabel)}</text>')
    rotated = f'transform="rotate(-90 11 {centre_y})" x="11" y="{centre_y}"'
    parts.append(f'<text {rotated} text-anchor="middle" fill="currentColor">{escape(ylabel)}</text>')
    return " ".join(parts)


def _polyline(curve: Curve, points: Sequence[tuple[float, float]]) -> str:
    """Return the SVG elements of a curve through the ``points``, which are in pixels."""
    size = 1.6 if curve.kind == "dots" else 2.6
    marked = points if curve.kind == "dots" or len(points) <= MARKED else []
    if curve.kind == "dashes":
        markers = [f'<rect x="{x - size:.1f}" y="{y - size:.1f}" width="{2 * size}" height="{2 * size}"/>' for x, y in marked]
    else:
        markers = [f'<circle cx="{x}" cy="{y}" r="{size}"/>' for x, y in marked]
    line = ""
    if curve.kind != "dots":
        path = " ".join(f"{x},{y}" for x, y in points)
        line = f'<polyline fill="none" stroke="{curve.color}" stroke-width="2"{_dashes(curve)} points="{path}"/>'
    return f'{line}<g fill="{curve.color}">{"".join(markers)}</g>'


def _legend_entry(curve: Curve) -> str:
    line = ""
    if curve.kind != "dots":
        line = f'<line x1="1" x2="25" y1="6" y2="6" stroke="{curve.color}" stroke-width="2"{_dashes(curve)}/>'
    marker = (
        f'<rect x="10" y="3" width="6" height="6" fill="{curve.color}"/>'
        if curve.kind == "dashes"
        else f'<circle cx="13" cy="6" r="{2 if curve.kind == "dots" else 3}" fill="{curve.color}"/>'
    )
    return f'<svg aria-hidden="true" width="26" height="12">{line}{marker}</svg> {escape(curve.name)}'


def _dashes(curve: Curve) -> str:
    return ' stroke-dasharray="6 4"' if curve.kind == "dashes" else ""
