"""Diagrams of networks: units as circles and connections as lines, or the nodes of a graph."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from pellucid.core.memory import Array, Shape
from pellucid.errors import ConfigError
from pellucid.layers import Dense, Layer, Softmax
from pellucid.model.several import refuse_several
from pellucid.networks import Graph, trailing_layers
from pellucid.plots.style import BLUE, GREY, VERMILION, blank_figure, grid_size, join_names, with_alt

if TYPE_CHECKING:
    from matplotlib.figure import Figure

INCHES_PER_LETTER = 0.055  # at the font size of the names
MAX_CIRCLES = 8  # per layer; of larger layers the first and the last units are drawn, with dots between


def network_diagram(networks: Mapping[str, tuple[Layer, Sequence[int]]], columns: int = 3) -> Figure:
    """Draw, for each title, a network or a layer with the given input shape.

    A column of circles is the output of a layer. Images and other arrays are boxes. Lines show dependencies: solid blue for
    the weights of a dense layer; dashed vermilion for functions without parameters, from each unit to the unit after it, or
    between all units for a softmax; dotted grey for all other layers. Raises ConfigError if there is no network.
    """
    if not networks:
        raise ConfigError("there is no network to draw")
    for network, _ in networks.values():
        refuse_several(network, "network_diagram")
    lengths = [1 + len(trailing_layers(network)) for network, _ in networks.values()]
    column_count, row_count = grid_size(len(networks), columns)
    width = min(9.0, max(2.6 * column_count, 0.85 * max(lengths) * column_count))
    figure, axes = blank_figure(width, 3.2 * row_count, column_count, row_count)
    for ax, (title, (network, shape)) in zip(axes, networks.items(), strict=False):
        _draw_network(ax, trailing_layers(network), tuple(shape))
        ax.set_title(title, fontsize=10)
    for ax in axes:
        ax.set_axis_off()
    texts = (_network_text(title, network, tuple(shape)) for title, (network, shape) in networks.items())
    return with_alt(figure, " ".join(texts))


def _network_text(title: str, network: Layer, shape: Shape) -> str:
    parts = [f"input {'×'.join(map(str, shape))}"]
    for layer in trailing_layers(network):
        shape = layer.build(shape).shape
        parts.append(f"{type(layer).__name__} {'×'.join(map(str, shape))}")
    return f"Diagram of {title or 'a network'}: {join_names(parts, 30)}."


def graph_diagram(graph: Graph) -> Figure:
    """Draw the nodes of a graph from left to right, with an arrow from each node to those that read its output.

    The position of a node is the length of the longest path from an input to it. Arrows from one position to the next are
    grey. Arrows that skip a position are dashed and vermilion.
    """
    level = dict.fromkeys(graph.inputs, 0)
    for node in graph.ordered_nodes():
        level[node.name] = 1 + max(level[name] for name in node.inputs)
    names: dict[int, list[str]] = {}  # by level
    for name, at in level.items():
        names.setdefault(at, []).append(name)
    place = {name: (at, (len(column) - 1) / 2 - i) for at, column in names.items() for i, name in enumerate(column)}
    figure, (ax,) = blank_figure(min(9.0, 1.5 + 0.55 * len(names)), 3.6)
    for node in graph.ordered_nodes():
        for name in node.inputs:
            skips = level[node.name] - level[name] > 1
            style = {"color": VERMILION, "linestyle": "--"} if skips else {"color": GREY, "linestyle": "-"}
            bend = f"arc3,rad={(-0.32 if level[name] % 2 else 0.32) if skips else 0}"
            arrow = {"arrowstyle": "->", "shrinkA": 6, "shrinkB": 6, "connectionstyle": bend, **style}
            ax.annotate("", place[node.name], place[name], arrowprops=arrow)
    ax.scatter(*zip(*place.values(), strict=True), s=60, facecolor="white", edgecolor="black", zorder=3)
    for name, (x, y) in place.items():
        ax.text(x, y - 0.22, name, rotation=45, ha="right", va="top", fontsize=7)
    ax.set(xlabel="Steps on the longest path from the input", yticks=[], xlim=(-0.8, len(names) - 0.4), ylim=(-2, 2))
    ax.spines["left"].set_visible(False)
    edges = join_names((f"{node.name} reads {' and '.join(node.inputs)}" for node in graph.ordered_nodes()), 30)
    return with_alt(figure, f"Diagram of a graph of {len(level)} nodes, {len(names) - 1} steps deep: {edges}.")


def _draw_network(ax: Any, layers: Sequence[Layer], shape: Shape) -> None:
    shapes = [shape]
    for layer in layers:
        shapes.append(layer.build(shapes[-1]).shape)
    tallest = max(min(output[0], MAX_CIRCLES) if len(output) == 1 else 1 for output in shapes)
    foot = -tallest / 2 - 0.1
    longest = max(len(type(layer).__name__) for layer in layers) if layers else 0
    inches = ax.get_position().width * ax.figure.get_figwidth() / (len(layers) + 1)  # between two columns
    tilted = longest * INCHES_PER_LETTER > inches
    before = _draw_column(ax, 0, shape, "Input", foot, tilted)
    for i, layer in enumerate(layers, start=1):
        spec = layer.build(shape)
        here = _draw_column(ax, i, spec.shape, type(layer).__name__, foot, tilted)
        single = len(before) == 1 and len(here) == 1
        if isinstance(layer, Dense):
            _draw_lines(ax, i, before, here, {"color": BLUE, "alpha": 0.75})
        elif isinstance(layer, Softmax) and not single:
            _draw_lines(ax, i, before, here, {"color": VERMILION, "linestyle": "--", "alpha": 0.75})
        elif not spec.slots and spec.shape == shape:
            _draw_lines(ax, i, before, here, {"color": VERMILION, "linestyle": "--"}, elementwise=True)
        else:
            _draw_lines(ax, i, before, here, {"color": GREY, "linestyle": ":"})
        before, shape = here, spec.shape
    ax.set(xlim=(-0.5, len(layers) + 0.5), ylim=(1.25 * foot - 0.5, tallest / 2))


def _draw_column(ax: Any, x: int, shape: Shape, name: str, foot: float, tilted: bool) -> Array:
    """Draw the output of one layer, with its name at the height ``foot``. Return the heights of the circles, from the top."""
    count = shape[0] if len(shape) == 1 else 1
    shown = min(count, MAX_CIRCLES)
    ys = (shown - 1) / 2 - np.arange(shown, dtype=float)
    if count > MAX_CIRCLES:
        ax.text(x, ys[MAX_CIRCLES // 2], "⋮", ha="center", va="center", fontsize=14)
        ys = np.delete(ys, MAX_CIRCLES // 2)
    style = {"marker": "o", "s": 130} if len(shape) == 1 else {"marker": "s", "s": 500}
    ax.scatter(np.full(len(ys), x), ys, facecolor="white", edgecolor="black", zorder=3, **style)
    size = "×".join(map(str, shape))
    if tilted:
        ax.text(x + 0.2, foot, f"{name} {size}", ha="right", va="top", fontsize=8, rotation=35, rotation_mode="anchor")
    else:
        ax.text(x, foot, f"{name}\n{size}", ha="center", va="top", fontsize=8)
    return ys


def _draw_lines(ax: Any, x: int, before: Array, here: Array, style: Mapping[str, Any], *, elementwise: bool = False) -> None:
    pairs = zip(before, here, strict=True) if elementwise else ((a, b) for a in before for b in here)
    for a, b in pairs:
        ax.plot([x - 1, x], [a, b], linewidth=0.9, zorder=1, **style)
