"""Training histories and range tests as HTML: curves, and a table of the best epoch and the last."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence

from pellucid.core.memory import Array
from pellucid.notebook.charts import BLUE, GREY, VERMILION, Curve, chart
from pellucid.notebook.tables import paragraph, section, table

PARTS = {"train": "training", "validation": "validation"}
TABLE_MEASURES = 4  # columns for each part in the table
CHARTS = 2


def history(rows: Sequence[dict[str, float]], best_epoch: int | None) -> str:
    """Return the HTML view of a history: curves of the loss and the first metric, and a table of the best epoch and the last.

    ``rows`` has one mapping per epoch, from column (``train_loss``, ``validation_accuracy``, …) to value.
    """
    if not rows:
        return section("History: no epoch yet")
    columns = list(dict.fromkeys(name for row in rows for name in row))
    names = [re.sub("^(train|validation)_", "", name) for name in columns if name.startswith(("train_", "validation_"))]
    measures = [name for name in dict.fromkeys(names) if not re.search(r"_\d+$", name)]  # without the values of single classes
    charts = [_curves(rows, columns, name, best_epoch) for name in measures[:CHARTS]]
    shown = [(part, name) for name in measures[:TABLE_MEASURES] for part in PARTS if f"{part}_{name}" in columns]
    last = int(rows[-1].get("epoch", len(rows)))
    lines = []
    for epoch in dict.fromkeys([*([best_epoch] if best_epoch is not None else []), last]):
        what = " and ".join([*(["best"] if epoch == best_epoch else []), *(["last"] if epoch == last else [])])
        (row,) = [one for one in rows if one.get("epoch") == epoch]
        lines.append((f"{epoch} ({what})", *(_number(name, row.get(f"{part}_{name}", math.nan)) for part, name in shown)))
    heads = [f"{PARTS[part]} {name.replace('_', ' ')}" for part, name in shown]
    seconds = sum(row.get("seconds", 0.0) for row in rows)
    title = f"History: {len(rows)} epoch{'s' * (len(rows) != 1)}" + (f", {seconds:.3g} s" if seconds else "")
    return section(title, f"<div>{''.join(charts)}</div>", table(("epoch", *heads), lines))


def learning_rate_search(rates: Array, losses: Array, smoothed: Array, suggestion: float, diverged: bool) -> str:
    """Return the HTML view of a range test: the raw and smoothed loss over the learning rate, and the suggested rate."""
    low, first = float(smoothed.min()), float(smoothed[0])
    margin = max(first - low, 1e-3 * abs(first), 1e-12)
    curves = [
        Curve("loss of a step", rates.tolist(), losses.tolist(), GREY, "dots"),
        Curve("smoothed", rates.tolist(), smoothed.tolist()),
    ]
    drawn = chart(
        curves,
        "learning rate",
        "training loss",
        marks={f"suggestion: {suggestion:g}": suggestion},
        log_x=True,
        ends=(low - 0.15 * margin, first + 0.5 * margin),
    )
    end = f"; the loss exploded at {rates[-1]:.3g}" if diverged else ""
    text = f"{len(rates)} steps at rates from {rates[0]:.3g} to {rates[-1]:.3g}{end}."
    return section(f"Range test: the suggested learning rate is {suggestion:g}", drawn, paragraph(text))


def _curves(rows: Sequence[dict[str, float]], columns: Sequence[str], name: str, best: int | None) -> str:
    factor, unit = (100.0, " (%)") if "accuracy" in name else (1.0, "")
    epochs = [row.get("epoch", math.nan) for row in rows]
    lines = []
    for part, label in PARTS.items():
        if f"{part}_{name}" in columns:
            values = [factor * row.get(f"{part}_{name}", math.nan) for row in rows]
            if part == "validation":
                lines.append(Curve(label, epochs, values, VERMILION, "dashes"))
            else:
                lines.append(Curve(label, epochs, values, BLUE, "line"))
    marks: dict[str, float] | None = {f"best epoch: {best}": best} if best is not None and len(rows) > 1 else None
    return chart(lines, "epoch", f"{name.replace('_', ' ')}{unit}", marks=marks)


def _number(name: str, value: float) -> str:
    if math.isnan(value):
        return "–"
    return f"{100 * value:.2f} %" if "accuracy" in name else f"{value:.4g}"
