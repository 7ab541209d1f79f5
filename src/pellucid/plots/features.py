"""The features of a network as signed images: its weights, and its feature maps for one input."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from pellucid.core.memory import Array, Shape
from pellucid.errors import ConfigError, ShapeError, did_you_mean
from pellucid.model.activations import activations
from pellucid.model.model import Model
from pellucid.model.several import refuse_several
from pellucid.plots.style import blank_figure, frame_image, grid_size, join_names, show_signed, with_alt

if TYPE_CHECKING:
    from matplotlib.figure import Figure

COLUMNS = 8


def weights(model: Model, layer: str | None = None, count: int = 32) -> Figure:
    """Draw the weights of a layer, one image for each of its first ``count`` units or filters, on one scale.

    Vermilion is above zero, blue below. A filter with several channels is drawn as its mean over the channels. The weights of
    a dense layer are reshaped to the input of the model. ``layer`` is a path; by default it is the first layer that can be
    drawn. Raises ConfigError if the layer (without ``layer``: every layer) cannot be drawn, and for a ``count`` below 1.
    """
    drawable = {}
    for path, W in model.weights.items():
        name, _, slot = path.rpartition(".")
        if slot == "W" and (images := _weight_images(W, model.input_shape)) is not None:
            drawable[name] = images
    if not drawable:
        raise ConfigError(
            "this model has no weights that can be drawn as images: that needs filters (h, w, c, n), or a dense layer whose "
            f"inputs are the values of an image; the input shape is {model.input_shape}"
        )
    layer = next(iter(drawable)) if layer is None else layer
    if layer not in drawable:
        raise ConfigError(f"the weights of {layer!r} cannot be drawn as images: {did_you_mean(layer, drawable)}")
    shown = drawable[layer][:count]
    if count < 1:
        raise ConfigError(f"count={count}: must be at least 1")
    column_count, row_count = grid_size(len(shown), COLUMNS)
    figure, axes = blank_figure(0.85 * column_count + 0.9, 0.95 * row_count + 0.4, column_count, row_count)
    limit = float(np.abs(shown).max()) or 1.0
    for i, ax in enumerate(axes):
        frame_image(ax)
        if i >= len(shown):
            ax.set_visible(False)
            continue
        image = show_signed(ax, shown[i], limit)
        ax.set_title(str(i), fontsize=8, pad=2)
    figure.colorbar(image, ax=axes, label="Weight", shrink=min(1.0, 1.6 / row_count), aspect=15)
    total = len(drawable[layer])
    figure.suptitle(f"{layer or 'Weights'}: {len(shown)} of {total}", fontsize=10)
    positive = 100 * float((shown > 0).mean())
    return with_alt(
        figure,
        f"Weights of {len(shown)} of the {total} units of {layer or 'the layer'} as images, vermilion above zero and blue "
        f"below, up to ±{limit:.2g}; {positive:.0f} % are above zero.",
    )


def feature_maps(model: Model, image: Array, layers: Sequence[str] | None = None, count: int = 8) -> Figure:
    """Draw the feature maps of one ``image`` (h, w, c): one row for each layer, with its first ``count`` channels.

    Vermilion is above zero, blue below. Each row has its own scale, which is written next to it. ``layers`` are paths; by
    default all layers whose output is an image. Raises ConfigError for other layers and a ``count`` below 1,
    ShapeError for an image of another shape, and whatever ``predict`` raises.
    """
    refuse_several(model.network, "feature_maps")
    image = np.asarray(image)
    if image.shape != model.input_shape:
        raise ShapeError(f"feature_maps expects one image of shape {model.input_shape}, got {image.shape}")
    outputs = {path: y[0] for path, y in activations(model, image[np.newaxis]).items() if y.ndim == 4 and y.size > y.shape[3]}
    if not outputs:
        raise ConfigError("no layer of this model has images as output: feature maps are the outputs of convolutions")
    for path in layers or ():
        if path not in outputs:
            raise ConfigError(f"{path!r} has no feature maps: {did_you_mean(path, outputs)}")
    outputs = outputs if layers is None else {path: outputs[path] for path in layers}
    map_count = min(count, max((maps.shape[2] for maps in outputs.values()), default=0))
    if map_count < 1:
        raise ConfigError("feature_maps needs at least one layer and count=1 or more")
    columns = map_count + 1
    figure, axes = blank_figure(0.85 * columns + 1.4, 0.95 * len(outputs) + 0.1, columns, len(outputs))
    for row, (path, maps) in enumerate(outputs.items()):
        first, *others = axes[row * columns : (row + 1) * columns]
        frame_image(first)
        limit = float(np.abs(maps).max()) or 1.0
        size = "×".join(map(str, maps.shape))
        if row == 0:
            _show_input(first, image)
            first.set_title("Input", fontsize=8, pad=2)
        else:
            first.set_visible(False)
        others[0].set_ylabel(f"{path}\n{size}\n±{limit:.2g}", fontsize=8, rotation=0, ha="right", va="center")
        for i, ax in enumerate(others):
            frame_image(ax)
            if i >= maps.shape[2]:
                ax.set_visible(False)
                continue
            show_signed(ax, maps[..., i], limit)
            if row == 0:
                ax.set_title(str(i), fontsize=8, pad=2)
    descriptions = join_names(
        (f"{path} ({maps.shape[2]} maps, {100 * float((maps != 0).mean()):.0f} % not zero)" for path, maps in outputs.items()),
        12,
    )
    return with_alt(figure, f"Feature maps of one image, vermilion above zero and blue below: {descriptions}.")


def _weight_images(W: Array, input_shape: Shape) -> Array | None:
    """Return weights as images (n, h, w), or None if they have no such form."""
    if W.ndim == 4 and math.prod(W.shape[:2]) > 1:
        filters: Array = W.mean(axis=2).transpose(2, 0, 1)
        return filters
    if W.ndim == 2 and len(input_shape) == 3 and len(W) == math.prod(input_shape):
        units: Array = W.reshape(*input_shape, -1).mean(axis=2).transpose(2, 0, 1)
        return units
    return None


def _show_input(ax: Any, image: Array) -> None:
    """Draw an input image. Grey images are drawn dark on light, from their minimum to their maximum."""
    if image.shape[2] == 3:
        ax.imshow(image)
    else:
        ax.imshow(image.mean(axis=2), cmap="Greys")
