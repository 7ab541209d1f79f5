"""Histories and range tests as they show themselves in notebooks."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence

from pellucid import notebook
from pellucid.notebook import GREY, VERMILION, Line
from pellucid.training.events import History
from pellucid.training.finder import RateSearch

PARTS = {"train": "training", "validation": "validation"}
MOST = 4  # measures in a table


def best_epoch(history: History) -> int | None:
    """The epoch that early stopping chose, or the one with the lowest validation loss, or None."""
    if history.best_epoch is not None or "validation_loss" not in history.columns:
        return history.best_epoch
    losses = history["validation_loss"]
    return int(history["epoch"][losses.index(min(losses))])


def history(one: History) -> str:
    """The curves of the loss and of the first metric, and a table of the best epoch and the last."""
    if not len(one):
        return notebook.page("History: no epoch yet")
    names = [re.sub("^(train|validation)_", "", name) for name in one.columns if name.startswith(("train_", "validation_"))]
    measures = [name for name in dict.fromkeys(names) if not re.search(r"_\d+$", name)]  # not of each class by itself
    best = best_epoch(one)
    charts = [_curves(one, name, best) for name in measures[:2]]
    last = int(one.rows[-1].get("epoch", len(one)))
    epochs = dict.fromkeys([*([best] if best is not None else []), last])
    columns = [(part, name) for name in measures[:MOST] for part in PARTS if f"{part}_{name}" in one.columns]
    rows = []
    for epoch in epochs:
        what = " and ".join([*(["best"] if epoch == best else []), *(["last"] if epoch == last else [])])
        at = one["epoch"].index(epoch)
        rows.append((f"{epoch} ({what})", *(_number(name, one[f"{part}_{name}"][at]) for part, name in columns)))
    heads = [f"{PARTS[part]} {name.replace('_', ' ')}" for part, name in columns]
    seconds = sum(row.get("seconds", 0.0) for row in one.rows)
    title = f"History: {len(one)} epoch{'s' * (len(one) != 1)}" + (f", {seconds:.3g} s" if seconds else "")
    return notebook.page(title, f"<div>{''.join(charts)}</div>", notebook.table(("epoch", *heads), rows))


def rates(found: RateSearch) -> str:
    """The loss over the learning rate, and what is suggested."""
    xs, low, first = found.rates.tolist(), float(found.smoothed.min()), float(found.smoothed[0])
    room = max(first - low, 1e-3 * abs(first), 1e-12)
    lines = [Line("loss of a step", xs, found.losses.tolist(), GREY, "dots"), Line("smoothed", xs, found.smoothed.tolist())]
    ends = (low - 0.15 * room, first + 0.5 * room)
    mark = {f"suggestion: {found.suggestion:g}": found.suggestion}
    drawn = notebook.chart(lines, "learning rate", "training loss", marks=mark, log_x=True, ends=ends)
    burst = f"; at {found.rates[-1]:.3g} the loss burst" if found.diverged else ""
    return notebook.page(
        f"Range test: a learning rate of {found.suggestion:g} is suggested",
        drawn,
        notebook.line(f"{len(found.rates)} steps at rates from {found.rates[0]:.3g} to {found.rates[-1]:.3g}{burst}."),
    )


def _curves(one: History, name: str, best: int | None) -> str:
    factor, unit = (100.0, " (%)") if "accuracy" in name else (1.0, "")
    lines = []
    for part, said in PARTS.items():
        if f"{part}_{name}" in one.columns:
            values = [factor * value for value in one[f"{part}_{name}"]]
            look: Sequence[str] = (VERMILION, "dashes") if part == "validation" else (notebook.BLUE, "line")
            lines.append(Line(said, one["epoch"], values, *look))  # type: ignore[arg-type]
    marks = {f"best epoch: {best}": best} if best is not None and len(one) > 1 else None
    return notebook.chart(lines, "epoch", f"{name.replace('_', ' ')}{unit}", marks=marks)


def _number(name: str, value: float) -> str:
    if math.isnan(value):
        return "–"
    return f"{100 * value:.2f} %" if "accuracy" in name else f"{value:.4g}"
