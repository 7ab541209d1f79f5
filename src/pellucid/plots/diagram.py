"""Networks as circles and lines: the drawing that every course begins with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from pellucid.core.memory import Array, Shape
from pellucid.errors import ConfigError
from pellucid.layers import Dense, Layer, Softmax
from pellucid.networks import Graph, in_line
from pellucid.plots.style import BLUE, GREY, VERMILION, described, figure, listed

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MOST = 8  # circles in a column; of more the first and the last are drawn, with dots between


def network_diagram(networks: Mapping[str, tuple[Layer, Sequence[int]]], columns: int = 3) -> Figure:
    """One drawing for each title: a network, or a single layer, and the shape of its input. A column of circles is what a
    layer puts out, and lines lead to what it depends on: solid blue for weights, every input with every output; dashed
    vermilion for functions without weights, each number by itself, or, for softmax, all together. Pictures are boxes. Grey
    dots stand for everything else."""
    if not networks:
        raise ConfigError("there is no network to draw")
    across = min(columns, len(networks))
    lengths = [1 + len(in_line(network)) for network, _ in networks.values()]
    down = -(-len(networks) // across)
    made, axes = figure(min(9.0, max(2.6 * across, 0.85 * max(lengths) * across)), 3.2 * down, across, down)
    for ax, (title, (network, shape)) in zip(axes, networks.items(), strict=False):
        _draw(ax, in_line(network), tuple(shape))
        ax.set_title(title, fontsize=10)
    for ax in axes:
        ax.set_axis_off()
    return described(made, " ".join(_said(title, network, tuple(shape)) for title, (network, shape) in networks.items()))


def _said(title: str, network: Layer, shape: Shape) -> str:
    parts = [f"input {'×'.join(map(str, shape))}"]
    for layer in in_line(network):
        shape = layer.build(shape).shape
        parts.append(f"{type(layer).__name__} {'×'.join(map(str, shape))}")
    return f"Diagram of {title or 'a network'}: {listed(parts, 30)}."


def graph_diagram(graph: Graph) -> Figure:
    """The nodes of a graph, each as far right as the longest path to it is long, with arrows to those that read it: grey from
    one step to the next, dashed vermilion where an edge skips some."""
    level = {"input": 0}
    for node in graph.inside():
        level[node.name] = 1 + max(level[name] for name in node.inputs)
    names: dict[int, list[str]] = {}
    for name, at in level.items():
        names.setdefault(at, []).append(name)
    place = {one: (at, (len(same) - 1) / 2 - i) for at, same in names.items() for i, one in enumerate(same)}
    made, (ax,) = figure(min(9.0, 1.5 + 0.55 * len(names)), 3.6)
    for node in graph.inside():
        for name in node.inputs:
            skips = level[node.name] - level[name] > 1
            look = {"color": VERMILION, "linestyle": "--"} if skips else {"color": GREY, "linestyle": "-"}
            bend = f"arc3,rad={(-0.32 if level[name] % 2 else 0.32) if skips else 0}"
            arrow = {"arrowstyle": "->", "shrinkA": 6, "shrinkB": 6, "connectionstyle": bend, **look}
            ax.annotate("", place[node.name], place[name], arrowprops=arrow)
    ax.scatter(*zip(*place.values(), strict=True), s=60, facecolor="white", edgecolor="black", zorder=3)
    for name, (x, y) in place.items():
        ax.text(x, y - 0.22, name, rotation=45, ha="right", va="top", fontsize=7)
    ax.set(xlabel="steps on the longest path from the input", yticks=[], xlim=(-0.8, len(names) - 0.4), ylim=(-2, 2))
    ax.spines["left"].set_visible(False)
    edges = listed((f"{node.name} reads {' and '.join(node.inputs)}" for node in graph.inside()), 30)
    return described(made, f"Diagram of a graph of {len(level)} nodes, {len(names) - 1} steps deep: {edges}.")


def _draw(ax: Any, layers: Sequence[Layer], shape: Shape) -> None:
    shapes = [shape]
    for layer in layers:
        shapes.append(layer.build(shapes[-1]).shape)
    tallest = max(min(one[0], MOST) if len(one) == 1 else 1 for one in shapes)
    foot = -tallest / 2 - 0.1
    before = _column(ax, 0, shape, "input", foot)
    for i, layer in enumerate(layers, start=1):
        built = layer.build(shape)
        here = _column(ax, i, built.shape, type(layer).__name__, foot)
        single = len(before) == 1 and len(here) == 1
        if isinstance(layer, Dense):
            _lines(ax, i, before, here, {"color": BLUE, "alpha": 0.75})
        elif isinstance(layer, Softmax) and not single:
            _lines(ax, i, before, here, {"color": VERMILION, "linestyle": "--", "alpha": 0.75})
        elif not built.slots and built.shape == shape:
            _lines(ax, i, before, here, {"color": VERMILION, "linestyle": "--"}, each=True)
        else:
            _lines(ax, i, before, here, {"color": GREY, "linestyle": ":"})
        before, shape = here, built.shape
    ax.set(xlim=(-0.5, len(layers) + 0.5), ylim=(1.25 * foot - 0.5, tallest / 2))


def _column(ax: Any, x: int, shape: Shape, name: str, foot: float) -> Array:
    """Draws what one layer puts out, with its name at the ``foot``; returns where lines may end, from the top."""
    count = shape[0] if len(shape) == 1 else 1
    shown = min(count, MOST)
    ys = (shown - 1) / 2 - np.arange(shown, dtype=float)
    if count > MOST:
        ax.text(x, ys[MOST // 2], "⋮", ha="center", va="center", fontsize=14)
        ys = np.delete(ys, MOST // 2)
    mark = {"marker": "o", "s": 130} if len(shape) == 1 else {"marker": "s", "s": 500}
    ax.scatter(np.full(len(ys), x), ys, facecolor="white", edgecolor="black", zorder=3, **mark)
    size = "×".join(map(str, shape))
    ax.text(x, foot, f"{name}\n{size}", ha="center", va="top", fontsize=8)
    return ys


def _lines(ax: Any, x: int, before: Array, here: Array, style: Mapping[str, Any], *, each: bool = False) -> None:
    pairs = zip(before, here, strict=True) if each else ((a, b) for a in before for b in here)
    for a, b in pairs:
        ax.plot([x - 1, x], [a, b], linewidth=0.9, zorder=1, **style)
