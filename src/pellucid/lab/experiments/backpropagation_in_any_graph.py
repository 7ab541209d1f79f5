"""Does back-propagation work in any directed acyclic graph, and is its depth the longest path?"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from pellucid import Add, Dense, Graph, Node, Sigmoid
from pellucid.core.memory import Layout
from pellucid.core.rng import generator
from pellucid.initializers import Normal, initial
from pellucid.lab.experiment import Experiment, Result, Table, Trial, Verdict, spread
from pellucid.lab.passes import there_and_back
from pellucid.networks import depth
from pellucid.plots import graph_diagram

if TYPE_CHECKING:
    from matplotlib.figure import Figure

WIDTH, UNITS, H = 3, 5, 1e-5


def random_graph(chance: np.random.Generator, units: int) -> Graph:
    """As many layers of sigmoid units, each reading up to three of those before it, or the input; then one output."""
    nodes: list[Node] = []
    outputs = ["input"]
    for k in range(1, units + 2):
        read = [outputs[i] for i in chance.permutation(len(outputs))[: chance.integers(1, 4)]]
        if k > units:  # at the end all that nobody reads yet
            read = [name for name in outputs[1:] if not any(name in node.inputs for node in nodes)]
        if len(read) > 1:
            nodes.append(Node(f"sum{k}", Add(), *read))
            read = [f"sum{k}"]
        dense = Dense(WIDTH if k <= units else 1, Normal(1.0))
        nodes += [Node(f"dense{k}", dense, *read), Node(f"sigmoid{k}", Sigmoid(), f"dense{k}")]
        outputs.append(f"sigmoid{k}")
    return Graph(*nodes)


def longest(graph: Graph) -> tuple[int, float]:
    """Steps of the longest path from source to sink, and how many paths there are: by powers of the matrix of edges."""
    names = ["input", *(node.name for node in graph.nodes)]
    edges = np.array([[other in node.inputs for node in graph.nodes] for other in names], float)
    edges = np.column_stack([np.zeros(len(names)), edges])  # nothing leads to the input
    power, steps, paths = edges, 1, 0.0
    while power.any():
        paths, steps, power = paths + power[0, -1], steps + 1, power @ edges
    return steps - 1, paths


def measure(trial: Trial) -> Result:
    found: Result = {"graphs": []}
    for i in range(trial.pick(full=12, quick=5, tiny=2)):
        chance = generator(trial.seed, "graph", i)
        graph = random_graph(chance, UNITS)
        x, target, layout = chance.normal(size=(6, WIDTH)), chance.random((6, 1)), Layout(graph.build((WIDTH,)).slots)
        w = layout.arrays(initial(layout, trial.seed, np.float64))
        _, _, g = there_and_back(graph, w, x, lambda y, target=target: y - target)  # type: ignore[misc]
        pairs = []
        for path, value in w.items():
            for at in np.ndindex(value.shape):
                costs = []
                for sign in (1, -1):
                    value[at] += sign * H
                    costs.append(0.5 * ((there_and_back(graph, w, x, np.ones_like)[0] - target) ** 2).sum())
                    value[at] -= sign * H
                pairs.append((float(g[path][at]), float((costs[0] - costs[1]) / (2 * H))))
        error = max(abs(a - b) for a, b in pairs) / max(abs(a) for a, _ in pairs)
        one = {"error": error, "weights": len(pairs), "depth": depth(graph)}
        found["graphs"].append(one | dict(zip(("longest", "paths"), longest(graph), strict=True)))
    return found


def verdict(results: Sequence[Result]) -> Verdict:
    graphs = [one for result in results for one in result["graphs"]]
    error, right = max(one["error"] for one in graphs), sum(one["depth"] == one["longest"] for one in graphs)
    because = (
        f"in {len(graphs)} random graphs with up to {max(one['paths'] for one in graphs):.0f} paths the gradients and central "
        f"differences are at most {error:.0e} apart (relative), and the depth is the longest path in {right} of them"
    )
    return Verdict("holds" if error < 1e-6 and right == len(graphs) else "does not hold", because)


def table(results: Sequence[Result]) -> Table:
    what = {"weights": "weights", "paths": "paths from source to sink", "longest": "longest path"}
    what |= {"depth": "depth, as the library has it", "error": "distance of the gradient from differences, relative"}
    graphs = [one for result in results for one in result["graphs"]]
    rows = [(label, spread((one[key] for one in graphs), ".0e" if key == "error" else ".0f")) for key, label in what.items()]
    return Table((f"{len(graphs)} graphs", "median (range)"), tuple(rows))


def figure(results: Sequence[Result]) -> Figure:
    return graph_diagram(random_graph(generator(0, "graph", 0), UNITS))


EXPERIMENT = Experiment(
    question="Does back-propagation work in any directed acyclic graph?",
    codes=("I4",),
    chapter="Learning",
    claim="Back-propagation is easily generalized to arbitrary directed graphs; in one without cycles depth is the length of "
    "the longest path from a source to a sink.",
    source="Introduction to neural networks, Back propagation, and Non-linearity",
    criterion="In every random graph the gradient of the squared error with sigmoid units is within 1e-6 of central "
    "differences (relative to its largest number), and the library's depth is the longest path, counted another way.",
    mathematics=(
        "A node may be read by several others. Its output Y then acts on the cost along each of them, and the effects add "
        "up:\n\n"
        "    ∂C/∂Y = Σ ∂C/∂Xᵣ over the readers r\n\n"
        "One visit to each node is enough, readers first, although the gradient is a sum over all paths, and these are many. "
        "Cycles have no such order. With C = Σ ½ (z − t)² and sigmoids, δ = (z − t) z (1 − z) at the end. (The slide has t − "
        "y: the minus sign is in its update, the y a slip for the output z.)\n\n"
        "The longest path is found by powers of the matrix A of edges: (Aᵏ)ᵢⱼ counts the paths with k steps from i to j, and "
        "in a graph without cycles some power is zero. Merges and activations are counted as nodes here."
    ),
    measure=measure,
    verdict=verdict,
    table=table,
    figure=figure,
    alt="One of the graphs, with its nodes in the order of their depth and dashed arrows for edges that skip some of them.",
    seeds=3,
)
