"""What a layer looks for, and what it finds: weights and feature maps as signed pictures."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from pellucid.core.memory import Array
from pellucid.errors import ConfigError, ShapeError, did_you_mean
from pellucid.model.activations import activations
from pellucid.model.model import Model
from pellucid.plots.style import BLUE, VERMILION, described, figure, listed

if TYPE_CHECKING:
    from matplotlib.figure import Figure

COLUMNS = 8


def weights(model: Model, layer: str | None = None, count: int = 32) -> Figure:
    """The weights of a ``layer``, by its path, one picture for each of its first ``count`` units or filters: vermilion above
    zero, blue below, on one scale. A filter over several channels is shown as its mean over them; a dense layer's weights
    are laid out as the model's input is, which they must have the size of. Without a ``layer`` it is the first that can be
    drawn. Raises ConfigError."""
    drawable = {}
    for path, W in model.weights.items():
        name, _, slot = path.rpartition(".")
        if slot == "W" and (sheets := _sheets(W, model.input_shape)) is not None:
            drawable[name] = sheets
    if not drawable:
        raise ConfigError(
            f"no weights of this model are pictures: filters (h, w, c, n) are, and what a dense layer makes of an input "
            f"(h, w, c) directly; this one takes {model.input_shape}"
        )
    layer = next(iter(drawable)) if layer is None else layer
    if layer not in drawable:
        raise ConfigError(f"the weights of {layer!r} are no pictures: {did_you_mean(layer, drawable)}")
    sheets = drawable[layer]
    shown = sheets[:count]
    if not len(shown):
        raise ConfigError(f"count={count}: at least one picture is drawn")
    across = min(COLUMNS, len(shown))
    down = -(-len(shown) // across)
    made, axes = figure(0.85 * across + 0.9, 0.95 * down + 0.4, across, down)
    most = float(np.abs(shown).max()) or 1.0
    for i, ax in enumerate(axes):
        _bare(ax)
        if i >= len(shown):
            ax.set_visible(False)
            continue
        drawn = _signed(ax, shown[i], most)
        ax.set_title(str(i), fontsize=8, pad=2)
    made.colorbar(drawn, ax=axes, label="weight", shrink=min(1.0, 1.6 / down), aspect=15)
    made.suptitle(f"{layer or 'weights'}: {len(shown)} of {len(sheets)}", fontsize=10)
    share = 100 * float((shown > 0).mean())
    return described(
        made,
        f"Weights of {len(shown)} of the {len(sheets)} units of {layer or 'the layer'} as pictures, vermilion above zero and "
        f"blue below, up to {most:.2g} in size; {share:.0f} % are above zero.",
    )


def feature_maps(model: Model, picture: Array, layers: Sequence[str] | None = None, count: int = 8) -> Figure:
    """What the layers make of one ``picture`` (h, w, c), as it is given to ``predict``: a row for each layer, the first
    ``count`` of its maps, vermilion above zero, blue below, each row on its own scale, which is said. ``layers`` are paths;
    without them all whose output is pictures. Raises ConfigError, and what ``predict`` does."""
    picture = np.asarray(picture)
    if picture.shape != model.input_shape:
        raise ShapeError(f"feature_maps: one picture {model.input_shape}, got {picture.shape}")
    outputs = {path: y[0] for path, y in activations(model, picture[np.newaxis]).items() if y.ndim == 4 and y.size > y.shape[3]}
    if not outputs:
        raise ConfigError("no layer of this model puts out pictures: feature maps are what convolutions make")
    for path in layers or ():
        if path not in outputs:
            raise ConfigError(f"there are no feature maps of {path!r}: {did_you_mean(path, outputs)}")
    outputs = outputs if layers is None else {path: outputs[path] for path in layers}
    across = min(count, max((maps.shape[2] for maps in outputs.values()), default=0))
    if across < 1:
        raise ConfigError("at least one map of one layer is drawn")
    made, axes = figure(0.85 * (across + 1) + 1.4, 0.95 * len(outputs) + 0.1, across + 1, len(outputs))
    for row, (path, maps) in enumerate(outputs.items()):
        first, *others = axes[row * (across + 1) : (row + 1) * (across + 1)]
        _bare(first)
        most = float(np.abs(maps).max()) or 1.0
        size = "×".join(map(str, maps.shape))
        if row == 0:
            _shown(first, picture)
            first.set_title("input", fontsize=8, pad=2)
        else:
            first.set_visible(False)
        others[0].set_ylabel(f"{path}\n{size}\n±{most:.2g}", fontsize=8, rotation=0, ha="right", va="center")
        for i, ax in enumerate(others):
            _bare(ax)
            if i >= maps.shape[2]:
                ax.set_visible(False)
                continue
            _signed(ax, maps[..., i], most)
            if row == 0:
                ax.set_title(str(i), fontsize=8, pad=2)
    said = listed(
        (f"{path} ({maps.shape[2]} maps, {100 * float((maps != 0).mean()):.0f} % not zero)" for path, maps in outputs.items()),
        12,
    )
    return described(made, f"Feature maps that layers make of one picture, vermilion above zero and blue below: {said}.")


def _sheets(W: Array, shape: tuple[int, ...]) -> Array | None:
    """Weights as pictures (n, h, w), or None where they are none."""
    if W.ndim == 4 and math.prod(W.shape[:2]) > 1:
        filters: Array = W.mean(axis=2).transpose(2, 0, 1)
        return filters
    if W.ndim == 2 and len(shape) == 3 and len(W) == math.prod(shape):
        units: Array = W.reshape(*shape, -1).mean(axis=2).transpose(2, 0, 1)
        return units
    return None


def _bare(ax: Any) -> None:
    ax.set_xticks([])
    ax.set_yticks([])
    ax.grid(False)
    for spine in ax.spines.values():
        spine.set_visible(True)
        spine.set_color("#CCCCCC")


def _signed(ax: Any, picture: Array, most: float) -> Any:
    from matplotlib.colors import LinearSegmentedColormap

    shades = LinearSegmentedColormap.from_list("signed", [BLUE, "#FFFFFF", VERMILION])
    return ax.imshow(picture, cmap=shades, vmin=-most, vmax=most)


def _shown(ax: Any, picture: Array) -> None:
    """A picture as it is; grey ones dark on light."""
    if picture.shape[2] == 3:
        ax.imshow(picture)
    else:
        ax.imshow(picture.mean(axis=2), cmap="Greys")
