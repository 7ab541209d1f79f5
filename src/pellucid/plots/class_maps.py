"""Class maps: the class of each pixel as a color, the true map and predicted ones below the images."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from pellucid.core.memory import Array
from pellucid.errors import ConfigError, DataError, ShapeError
from pellucid.plots.style import CELL, MISSING, blank_figure, frame_image, join_names, legend_label, show_image, with_alt

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# Okabe and Ito's colors, of which people with any color vision can distinguish each from the others, in an order in which
# neighbors differ in lightness too. Class 0, often the background, is light.
CLASS_COLORS = ("#DDDDDD", "#0072B2", "#E69F00", "#009E73", "#D55E00", "#56B4E9", "#CC79A7", "#F0E442", "#000000")
UNLABELLED = "#FFFFFF"
MAX_WIDTH = 14.0  # inches


def maps(maps: Mapping[str, Array], x: Array | None = None, *, classes: Sequence[str] | None = None, title: str = "") -> Figure:
    """Draw one row for each of ``maps``, by name, and above them a row of the images ``x``.

    A map is an array of class numbers (n, h, w), or the outputs of a network (n, h, w, k): the class of a pixel is the largest
    of them, and of a single output class 1 where it is at least ½. Negative numbers are pixels without a label and stay white.
    ``x`` are images (n, h, w, 1 or 3) of bytes, or of values from 0 to 1. ``classes`` are the names for the legend. Up to
    nine classes have the colors of Okabe and Ito (2008), more have shades from dark blue to yellow.

        plots.maps({"truth": y[:6], "prediction": model.predict(x[:6])}, x[:6], classes=model.classes)

    Raises ShapeError unless all have the same number of samples, and the maps the same height and width; DataError for
    values that are no class numbers, for fewer names than classes, and for maps without names.
    """
    if not isinstance(maps, Mapping):
        raise DataError(f"maps is a dictionary by name, such as {{'truth': y}}, not {type(maps).__name__}")
    rows = {name: _class_numbers(name, np.asarray(given)) for name, given in maps.items()}
    x = None if x is None else np.asarray(x)
    shapes = {name: row.shape for name, row in rows.items()}
    if len(set(shapes.values())) != 1 or not all(next(iter(shapes.values()))):
        raise ShapeError(f"expected at least one class map, and all of one shape (n, h, w) without an axis of 0; got {shapes}")
    n = next(iter(shapes.values()))[0]
    if x is not None and (x.ndim != 4 or len(x) != n or x.shape[3] not in (1, 3)):
        raise ShapeError(f"x must be {n} images (n, h, w, 1 or 3), one for each map; got {np.shape(x)}")
    count = 1 + max(0, *(int(row.max()) for row in rows.values()))
    if classes is not None and len(classes) < count:
        raise DataError(f"the maps have the classes 0 … {count - 1}, but there are names for {len(classes)}")
    count = count if classes is None else len(classes)
    names = [f"class {i}" for i in range(count)] if classes is None else [str(name) for name in classes]
    return _drawn(rows, x, names, title)


def _drawn(rows: Mapping[str, Array], x: Array | None, names: Sequence[str], title: str) -> Figure:
    n, h, w = next(iter(rows.values())).shape
    colors, lines = class_colors(len(names)), len(rows) + (x is not None)
    patches = _patches(names, colors, rows)
    width = min(max(0.9 + 1.1 * n, 3.0), MAX_WIDTH)
    columns = _legend_columns([len(patch.get_label()) for patch in patches], width)
    side = (width - 0.9) / n  # of one panel
    height = 0.2 + 0.3 * bool(title) + 0.22 * -(-len(patches) // columns) + side * lines * h / w
    figure, axes = blank_figure(width, height, n, lines)
    grid = np.array(axes, object).reshape(lines, n)
    if x is not None:
        grid[0, 0].set_ylabel("input", rotation=0, ha="right", va="center")
        for ax, image in zip(grid[0], x, strict=True):
            show_image(ax, image)
    for (name, row), panels in zip(rows.items(), grid[lines - len(rows) :], strict=True):
        panels[0].set_ylabel(name, rotation=0, ha="right", va="center")
        for ax, numbers in zip(panels, row, strict=True):
            ax.imshow(colors[numbers], interpolation="nearest")  # a negative number reads the last color, which is white
    for ax in axes:
        frame_image(ax)
    by_row = [patch for column in range(columns) for patch in patches[column::columns]]  # a legend is filled column by column
    legend = figure.legend(handles=by_row, loc="outside lower center", ncols=columns, frameon=False)
    for i, patch in enumerate(legend.get_patches()):
        patch.set_gid(f"{CELL}{i}")  # the color of a class in the maps
    if title:
        figure.suptitle("\n".join(textwrap.wrap(title, 14 * n)), fontsize=10)
    return with_alt(figure, _text(rows, names, title, images=x is not None))


def _class_numbers(name: str, given: Array) -> Array:
    """Return the class numbers (n, h, w) of a map or of outputs; all negative ones become −1."""
    if given.ndim == 4:
        numbers = (given[..., 0] >= 0.5).astype(np.int64) if given.shape[3] == 1 else given.argmax(axis=3)
    else:
        numbers = given
    if numbers.ndim != 3:
        raise ShapeError(f"{name}: a class map is (n, h, w), or (n, h, w, k) for outputs; got {given.shape}")
    if numbers.dtype.kind not in "iub" and not (np.isfinite(numbers).all() and (numbers % 1 == 0).all()):
        raise DataError(f"{name}: a class map holds whole numbers, the classes, got {numbers.dtype} with fractions")
    return np.maximum(numbers.astype(np.int64), -1)


def class_colors(count: int) -> Array:
    """Return the colors of ``count`` classes, and after them that of pixels without a label: (count + 1, 3), from 0 to 1."""
    try:
        from matplotlib import colormaps
        from matplotlib.colors import to_rgb
    except ImportError:
        raise ConfigError(MISSING) from None

    if count <= len(CLASS_COLORS):
        colors = [to_rgb(color) for color in CLASS_COLORS[:count]]
    else:
        colors = [tuple(color[:3]) for color in colormaps["viridis"](np.linspace(0, 1, count))]
    return np.array([*colors, to_rgb(UNLABELLED)])


def _legend_columns(lengths: Sequence[int], width: float) -> int:
    """Return in how many columns entries of these lengths in letters fit into a legend of ``width`` inches."""
    if sum(0.6 + 0.085 * length for length in lengths) <= width:
        return len(lengths)
    columns = min(len(lengths), max(1, int(width / (0.6 + 0.085 * max(lengths)))))
    return -(-len(lengths) // -(-len(lengths) // columns))


def _patches(names: Sequence[str], colors: Array, rows: Mapping[str, Array]) -> list[Any]:
    """Return the entries of the legend: one for each class, and one for pixels without a label if there are any."""
    from matplotlib.patches import Patch

    entries = [*names, "no label"] if any((row < 0).any() for row in rows.values()) else names
    labels = map(legend_label, entries)
    return [Patch(facecolor=color, edgecolor="#888888", label=label) for label, color in zip(labels, colors, strict=False)]


def _text(rows: Mapping[str, Array], names: Sequence[str], title: str, *, images: bool) -> str:
    (first, truth), *others = rows.items()
    known = truth >= 0
    parts = [f"{name} in {(truth == i)[known].mean():.0%}" for i, name in enumerate(names)] if known.any() else []
    count, where = f"{len(truth)} class map{'s' * (len(truth) != 1)}", " below the images" if images else ""
    text = f"{title + ': ' if title else ''}{count}{where}, in rows: "
    text += f"{join_names(rows)}. Classes of {first}: {join_names(parts, 10)} of the pixels."
    for name, row in others:
        if known.any():
            text += f" {name.capitalize()} and {first} are equal in {(row == truth)[known].mean():.1%} of them."
    return text
