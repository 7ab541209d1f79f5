"""The mistakes that a model is most sure of: what to look at first, for often it is the label that is wrong."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

import numpy as np

from pellucid.core.memory import Array
from pellucid.data.dataset import Dataset
from pellucid.errors import ConfigError, DataError, ShapeError
from pellucid.metrics.base import ranked, sides
from pellucid.model.ensemble import Ensemble
from pellucid.model.model import Model
from pellucid.plots.style import BLUE, VERMILION, described, figure, listed

if TYPE_CHECKING:
    from matplotlib.figure import Figure

COLUMNS = 6
STRETCH = 2048  # samples asked about at a time: a data set may be larger than memory


def mistakes(model: Model | Ensemble, data: Dataset, count: int = 18, title: str = "") -> Figure:
    """The pictures of ``data`` that the model gets wrong, the ``count`` of which it is most sure: above each its class (blue)
    and what the model says, with the probability, or the score where there is none (vermilion, with a cross). Raises DataError
    where there is no mistake, or nothing to compare with; ConfigError and ShapeError where the model does not tell classes of
    pictures."""
    loss = (model.models[0] if isinstance(model, Ensemble) else model).loss
    if len(data.shape) != 3 or data.shape[2] not in (1, 3):
        raise ShapeError(f"a gallery shows pictures (h, w, 1 or 3); {data.name} has samples of the shape {data.shape}")
    if data.y is None:
        raise DataError(f"{data.name} has no targets: who knows what is a mistake?")
    if not loss.classifies:
        raise ConfigError(f"{loss} measures numbers: mistakes are of models that tell classes")
    if count < 1:
        raise ConfigError(f"count={count}: at least one picture is drawn")
    rows, said, true, sure = _wrong(model, data, by_sign=loss.head is None)
    if not len(rows):
        raise DataError(f"there are no mistakes among the {len(data):,} samples of {data.name}")
    order = np.argsort(-sure, kind="stable")[:count]
    pictures = data.take(rows[order]).x
    names = model.classes or data.classes or [str(k) for k in range(1 + max(int(said.max()), int(true.max())))]
    form = "{:.2f}".format if loss.head is None else _percent  # a score has no bounds
    texts = [(names[int(true[i])], names[int(said[i])], form(float(sure[i]))) for i in order]

    across = min(COLUMNS, len(order))
    down = -(-len(order) // across)
    h, w = data.shape[:2]
    made, axes = figure(max(1.25 * across, 2.6), down * (0.45 + 1.2 * min(2.0, h / w)) + 0.3, across, down)
    for ax, picture, (own, guess, chance) in zip(axes, pictures, texts, strict=False):
        shown = picture / 255 if picture.dtype == np.uint8 else picture
        ax.imshow(1 - shown[..., 0] if shown.shape[2] == 1 else shown, cmap="gray", vmin=0, vmax=1)
        ax.set_title(f"true: {own}", fontsize=8, color=BLUE, pad=14)
        ax.text(
            0.5, 1.03, f"✗ {guess}, {chance}", transform=ax.transAxes, ha="center", va="bottom", fontsize=8, color=VERMILION
        )
    for ax in axes:
        ax.set_axis_off()
    whole = f"{len(rows):,} of {len(data):,} wrong, the surest mistakes first"
    made.suptitle("\n".join(textwrap.wrap(title or whole, int(11 * made.get_figwidth()))), fontsize=10)
    which = listed((f"{own} taken for {guess} ({chance})" for own, guess, chance in texts), 8)
    return described(made, f"{len(order)} misclassified pictures of {data.name}; {whole}: {which}.")


def _wrong(model: Model | Ensemble, data: Dataset, *, by_sign: bool) -> tuple[Array, Array, Array, Array]:
    """Of the samples that the model gets wrong: rows, what it says, what they are, how sure it is."""
    found: list[tuple[Array, Array, Array, Array]] = []
    for start in range(0, len(data), STRETCH):
        rows = np.arange(start, min(start + STRETCH, len(data)))
        part = data.take(rows)
        outputs, targets = model.predict(part.x), np.asarray(part.y)
        single = outputs.shape[1] == 1
        if not single and targets.ndim == 2 and not np.allclose(targets.sum(axis=1), 1):
            raise ConfigError(f"{data.name}: several classes at once have no single mistake to show")
        scores, labels = sides(outputs, targets) if single and by_sign else ranked(outputs, targets)
        guess = scores.argmax(axis=1)
        wrong = guess != labels
        found.append((rows[wrong], guess[wrong], labels[wrong], scores[wrong, guess[wrong]]))
    rows, said, true, sure = (np.concatenate(parts) for parts in zip(*found, strict=True))
    return rows, said, true, sure


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %" if share < 0.9995 else ">99.9 %"
