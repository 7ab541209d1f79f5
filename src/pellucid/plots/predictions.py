"""Predicted against true numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from pellucid.core.memory import Array
from pellucid.errors import DataError
from pellucid.plots.style import BLUE, GREY, described, figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def predictions(y: Array, predicted: Array, title: str = "") -> Figure:
    """A dot for each sample: the true number to the right, the predicted one upwards. On the diagonal they are equal."""
    true, said = (np.asarray(one, np.float64).reshape(-1) for one in (y, predicted))
    if not len(true) or len(true) != len(said):
        raise DataError(f"a predicted number for each true one, and one at least; got {len(said):,} for {len(true):,}")
    made, (axes,) = figure(4.6, 4.6, 1)
    ends = [min(true.min(), said.min()), max(true.max(), said.max())]
    axes.plot(ends, ends, color=GREY, linewidth=1, linestyle=":", marker="")
    axes.plot(true, said, color=BLUE, linestyle="", marker="o", markersize=3, alpha=0.6)
    axes.set_xlabel("true")
    axes.set_ylabel("predicted")
    axes.set_aspect("equal", adjustable="datalim")
    if title:
        made.suptitle(title)
    away = float(np.abs(said - true).mean())
    span = f"from {true.min():.4g} to {true.max():.4g}"
    return described(made, f"Predicted over true numbers of {len(true):,} samples, {span}; mean absolute error {away:.4g}.")
