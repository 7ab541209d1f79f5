"""Does backpropagation work in any directed acyclic graph?"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from pellucid import Add, Dense, Graph, Node, Sigmoid
from pellucid.core.memory import Layout
from pellucid.core.rng import generator
from pellucid.initializers import Normal, initial_values
from pellucid.lab.experiment import Experiment, Result, Table, Trial, Verdict, spread
from pellucid.lab.reference_pass import forward_backward
from pellucid.networks import depth
from pellucid.plots import graph_diagram

if TYPE_CHECKING:
    from matplotlib.figure import Figure

WIDTH, UNITS, H = 3, 5, 1e-5


def random_graph(rng: np.random.Generator, units: int) -> Graph:
    """Return a graph of ``units`` sigmoid layers and one output; each layer reads up to three earlier layers or the input."""
    nodes: list[Node] = []
    outputs = ["input"]
    for k in range(1, units + 2):
        read = [outputs[i] for i in rng.permutation(len(outputs))[: rng.integers(1, 4)]]
        if k > units:  # the output reads all layers without a reader
            read = [name for name in outputs[1:] if not any(name in node.inputs for node in nodes)]
        if len(read) > 1:
            nodes.append(Node(f"sum{k}", Add(), *read))
            read = [f"sum{k}"]
        dense = Dense(WIDTH if k <= units else 1, Normal(1.0))
        nodes += [Node(f"dense{k}", dense, *read), Node(f"sigmoid{k}", Sigmoid(), f"dense{k}")]
        outputs.append(f"sigmoid{k}")
    return Graph(*nodes)


def longest(graph: Graph) -> tuple[int, float]:
    """Return the length of the longest path from source to sink and the number of paths, from powers of the edge matrix."""
    names = ["input", *(node.name for node in graph.nodes)]
    edges = np.array([[other in node.inputs for node in graph.nodes] for other in names], float)
    edges = np.column_stack([np.zeros(len(names)), edges])  # no edge leads to the input
    power, steps, paths = edges, 1, 0.0
    while power.any():
        paths, steps, power = paths + power[0, -1], steps + 1, power @ edges
    return steps - 1, paths


def measure(trial: Trial) -> Result:
    found: Result = {"graphs": []}
    for i in range(trial.pick(full=12, quick=5, tiny=2)):
        rng = generator(trial.seed, "graph", i)
        graph = random_graph(rng, UNITS)
        x, target, layout = rng.normal(size=(6, WIDTH)), rng.random((6, 1)), Layout(graph.build((WIDTH,)).slots)
        w = layout.arrays(initial_values(layout, trial.seed, np.float64))
        _, _, g = forward_backward(graph, w, x, lambda y, target=target: y - target)  # type: ignore[misc]
        pairs = []
        for path, value in w.items():
            for at in np.ndindex(value.shape):
                costs = []
                for sign in (1, -1):
                    value[at] += sign * H
                    costs.append(0.5 * ((forward_backward(graph, w, x, np.ones_like)[0] - target) ** 2).sum())
                    value[at] -= sign * H
                pairs.append((float(g[path][at]), float((costs[0] - costs[1]) / (2 * H))))
        error = max(abs(a - b) for a, b in pairs) / max(abs(a) for a, _ in pairs)
        one = {"error": error, "weights": len(pairs), "depth": depth(graph)}
        found["graphs"].append(one | dict(zip(("longest", "paths"), longest(graph), strict=True)))
    return found


def verdict(results: Sequence[Result]) -> Verdict:
    graphs = [one for result in results for one in result["graphs"]]
    error, matching = max(one["error"] for one in graphs), sum(one["depth"] == one["longest"] for one in graphs)
    reason = (
        f"in {len(graphs)} random graphs with up to {max(one['paths'] for one in graphs):.0f} paths, gradients and central "
        f"differences agree to {error:.0e} (relative), and the depth equals the length of the longest path in {matching} "
        "graphs"
    )
    return Verdict("holds" if error < 1e-6 and matching == len(graphs) else "does not hold", reason)


def table(results: Sequence[Result]) -> Table:
    labels = {"weights": "weights", "paths": "paths from source to sink", "longest": "length of the longest path"}
    labels |= {"depth": "depth in the library", "error": "relative error of the gradient to central differences"}
    graphs = [one for result in results for one in result["graphs"]]
    rows = [(label, spread((one[key] for one in graphs), ".0e" if key == "error" else ".0f")) for key, label in labels.items()]
    return Table((f"{len(graphs)} graphs", "median (range)"), tuple(rows))


def figure(results: Sequence[Result]) -> Figure:
    return graph_diagram(random_graph(generator(0, "graph", 0), UNITS))


EXPERIMENT = Experiment(
    question="Does backpropagation work in any directed acyclic graph?",
    codes=("I4",),
    chapter="Learning",
    claim=(
        "Backpropagation generalizes easily to arbitrary directed graphs. In an acyclic graph the depth is the length of "
        "the longest path from a source to a sink."
    ),
    source="Introduction to neural networks, Back propagation, and Non-linearity",
    criterion=(
        "In every random graph of sigmoid units the gradient of the squared error is within 1e-6 of central differences "
        "(relative to its largest entry), and the library's depth equals the length of the longest path, counted "
        "independently."
    ),
    mathematics="""
Several nodes may read the same node. Its output Y then affects the loss through each of them, and the effects add up:

    ∂C/∂Y = Σ ∂C/∂Xᵣ over the readers r

The gradient is a sum over all paths, whose number is large. Nevertheless one visit per node is enough, if its readers
are visited first. A graph with cycles has no such order. With C = Σ ½ (z − t)² and sigmoids, δ = (z − t) z (1 − z) at
the output. (The slide has t − y. Its minus sign belongs to the update, and its y is a slip for the output z.)

The longest path is computed from powers of the edge matrix A: (Aᵏ)ᵢⱼ is the number of paths of k steps from i to j. In an
acyclic graph some power is zero. Merges and activations count as nodes here.
""",
    alt="One of the graphs. The nodes are ordered by depth; dashed arrows are edges that skip nodes.",
    measure=measure,
    verdict=verdict,
    table=table,
    figure=figure,
    seeds=3,
)
