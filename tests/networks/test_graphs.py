"""Tests of graphs and residual blocks: random graphs against a recursive evaluation, memory and gradients, invalid graphs,
and files."""

from __future__ import annotations

import json
from dataclasses import dataclass

import numpy as np
import pytest

from pellucid import (
    LSTM,
    SGD,
    Add,
    Average,
    BatchNorm,
    BinaryCrossEntropy,
    Concatenate,
    ConfigError,
    Conv2D,
    CrossEntropy,
    Dense,
    DivergedError,
    Dropout,
    Flatten,
    Graph,
    Identity,
    Layer,
    LayerSpec,
    Maximum,
    MeanSquaredError,
    Merge,
    Model,
    Multiply,
    Node,
    Normal,
    ReLU,
    Residual,
    Sequential,
    ShapeError,
    Shared,
    Sigmoid,
    Slot,
    Softmax,
    Tanh,
    kernels as kernel_sets,
)
from pellucid.core.config import from_json, to_json
from pellucid.initializers import initial_values
from pellucid.layers import Context, ShardState
from pellucid.networks import depth, fused, primitives, trailing_layers, without_last_layer
from pellucid.testing import asymmetric, check_layer, check_loss, layouts, run_layer
from pellucid.training.state import ModelState
from pellucid.training.step import GradientStep
from tests.networks.test_networks import counting

# A residual block, a branch without parameters, and a concatenation of both.
BRANCHES = Graph(
    Node("hidden", Dense(3), "input"),
    Node("relu", ReLU(), "hidden"),
    Node("left", Dense(3), "relu"),
    Node("sum", Add(), "left", "relu"),
    Node("squeezed", Tanh(), "input"),
    Node("both", Concatenate(), "squeezed", "sum"),
)


# -- random graphs ----------------------------------------------------------------------------------------------------


def random_graph(seed: int) -> Graph:
    """Two to eight nodes with an input of three values, in random order; a Concatenate joins all nodes that no other reads."""
    random = np.random.default_rng(seed)
    widths, nodes = {"input": 3}, []
    for i in range(random.integers(2, 8)):
        name, source = f"n{i}", str(random.choice([*widths]))
        same = [other for other in widths if widths[other] == widths[source]]
        kind = random.integers(0, 5)
        if kind == 0:
            merge = [Add(), Average(), Maximum(), Multiply()][random.integers(0, 4)]
            nodes.append(Node(name, merge, source, *random.choice(same, random.integers(1, 4)).tolist()))
        elif kind == 1:
            nodes.append(Node(name, Concatenate(), source, *random.choice([*widths], random.integers(1, 3)).tolist()))
        elif kind == 2:
            nodes.append(Node(name, Dense(int(random.integers(1, 4))), source))
        else:
            nodes.append(Node(name, random.choice([Tanh(), Sigmoid(), ReLU(), Identity(), Flatten(), Dropout(0.0)]), source))
        layer = nodes[-1].layer
        widths[name] = sum(widths[n] for n in nodes[-1].inputs) if kind == 1 else getattr(layer, "units", widths[source])
    loose = [node.name for node in nodes if not any(node.name in other.inputs for other in nodes)]
    if len(loose) > 1:
        nodes.append(Node("end", Concatenate(), *loose))
    return Graph(*random.permutation(np.array(nodes, object)).tolist())


def by_hand(graph: Graph, name: str, x: np.ndarray, weights: dict[str, np.ndarray]) -> np.ndarray:
    """The output of a node, by recursion over its inputs."""
    if name == "input":
        return x
    (node,) = [node for node in graph.nodes if node.name == name]
    xs = [by_hand(graph, source, x, weights) for source in node.inputs]
    return {
        Add: lambda: np.sum(xs, axis=0),
        Average: lambda: np.mean(xs, axis=0),
        Maximum: lambda: np.max(xs, axis=0),
        Multiply: lambda: np.prod(xs, axis=0),
        Concatenate: lambda: np.concatenate(xs, axis=-1),
        Dense: lambda: xs[0] @ weights[f"{name}.W"] + weights[f"{name}.b"],
        Tanh: lambda: np.tanh(xs[0]),
        Sigmoid: lambda: 1 / (1 + np.exp(-xs[0])),
        ReLU: lambda: np.maximum(xs[0], 0),
    }.get(type(node.layer), lambda: xs[0])()


@pytest.mark.parametrize("seed", range(40))
def test_a_random_graph_equals_the_recursion_and_has_correct_gradients(seed):
    graph, x = random_graph(seed), asymmetric((4, 3), seed)
    check_layer(graph, (3,), batch=3, seed=seed)
    layout = layouts(graph, (3,))[0]
    theta = initial_values(layout, seed, np.float64)
    weights = layout.arrays(theta)
    for path in weights:
        weights[path] += 0.1 * asymmetric(weights[path].shape, seed)
    out = run_layer(graph, x, theta=theta)
    (end,) = {node.name for node in graph.nodes} - {name for node in graph.nodes for name in node.inputs}
    np.testing.assert_allclose(out.y, by_hand(graph, end, x, weights), rtol=0, atol=1e-12)


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("plan", [lambda network: network, fused], ids=["as written", "fused"])
def test_results_depend_neither_on_shards_nor_on_needs_dx(seed, plan):
    graph, x = random_graph(seed), asymmetric((9, 3), seed)
    dy = asymmetric((9, *graph.build((3,)).shape), seed + 1)
    whole = run_layer(plan(graph), x, dy)
    for shards in (2, 4):
        cut = run_layer(plan(graph), x, dy, shards=shards)
        for one, other in ((cut.y, whole.y), (cut.dx, whole.dx), (cut.gradient, whole.gradient)):
            np.testing.assert_allclose(one, other, rtol=0, atol=1e-12)
    without = run_layer(plan(graph), x, dy, needs_dx=False)
    assert without.dx is None
    np.testing.assert_array_equal(without.gradient, whole.gradient)


# -- memory -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("plan", [lambda network: network, fused], ids=["as written", "fused"])
def test_outputs_are_not_overwritten_before_backward_has_returned(seed, plan):
    graph, seen = plan(random_graph(seed)), []
    run, p, g, ctx = prepared(graph, (3,))
    run.observer = lambda path, what, array: seen.append((path, array, array.copy())) if what == "output" else check()

    def check():
        for path, array, then in seen:
            np.testing.assert_array_equal(array, then, err_msg=path)

    y = graph.forward(p, asymmetric((4, 3)), ctx)
    assert len(seen) == len(graph.ordered_nodes())
    check()
    graph.backward(p, g, asymmetric(y.shape), ctx)


def prepared(network, shape):
    """The ShardState, the views of parameters and gradients, and the context for a training step of the network."""
    params, state = layouts(network, shape)
    run = ShardState(kernel_sets.load(), dtype=np.float64)
    run.backward_follows = run.training = True
    ctx = Context(run, state.views(state.zeros(np.float64)), needs_dx=True)
    return run, params.views(initial_values(params, 0, np.float64)), params.views(params.zeros(np.float64)), ctx


def test_the_observer_sees_every_node_and_the_whole_of_its_gradient():
    seen: dict[tuple[str, str], np.ndarray] = {}
    network = Sequential(BRANCHES, Residual(Dense(6), shortcut=Identity()))
    run, p, g, ctx = prepared(network, (3,))
    run.observer = lambda path, what, array: seen.update({(path, what): array.copy()})
    x, dy = asymmetric((5, 3)), asymmetric((5, 6), seed=1)
    network.forward(p, x, ctx)
    dx = network.backward(p, g, dy.copy(), ctx)
    inside = [f"graph1.{node.name}" for node in BRANCHES.nodes]
    block = ["residual1.dense1", "residual1.shortcut", "residual1.add"]
    assert [path for path, what in seen if what == "output"] == [*inside, "graph1", *block, "residual1"]
    assert {path for path, what in seen if what == "gradient"} == {*inside, "graph1", *block, "residual1"}
    dy_graph = dy + dy @ p["residual1"]["dense1"].W.T
    at_relu = dy_graph[:, 3:] + dy_graph[:, 3:] @ p["graph1"]["left"].W.T
    hidden = np.where(seen["graph1.relu", "output"] > 0, at_relu, 0)
    for path, wanted in (
        ("graph1.both", dy_graph),
        ("graph1.squeezed", dy_graph[:, :3]),
        ("graph1.relu", at_relu),  # both left and sum read it
        ("graph1.hidden", hidden),
    ):
        np.testing.assert_allclose(seen[path, "gradient"], wanted, rtol=0, atol=1e-12, err_msg=path)
    dx_squeezed = (1 - np.tanh(x) ** 2) * dy_graph[:, :3]
    np.testing.assert_allclose(dx, hidden @ p["graph1"]["hidden"].W.T + dx_squeezed, rtol=0, atol=1e-12)


def test_reused_memory_does_not_affect_later_steps():
    block = Residual(Dropout(0.3), Dense(3), ReLU(), Residual(Tanh()))
    network = Sequential(Dense(3), block, BRANCHES, Dense(3), Softmax())
    parts = ModelState(network, (5,), CrossEntropy(), SGD(), 0, kernel_sets.load(), np.float64)
    used = GradientStep(parts)
    for step, n in enumerate([7, 3, 1, 7, 8], start=1):  # smaller and larger than before
        x, labels, w = asymmetric((n, 5), step), np.arange(n) % 3, np.ones(n)
        fresh = GradientStep(parts)
        assert used(x, labels, w, step) == fresh(x, labels, w, step)
        np.testing.assert_array_equal(used.gradient, fresh.gradient)


# -- gradients that are not needed ------------------------------------------------------------------------------------


@pytest.mark.parametrize("plan", [lambda network: network, fused], ids=["as written", "fused"])
@pytest.mark.parametrize(("needs_dx", "products", "tanhs"), [(False, 1, 0), (True, 2, 1)])
def test_only_needed_gradients_are_computed(plan, needs_dx, products, tanhs):
    kernels, calls = counting(kernel_sets.load("reference"))
    out = run_layer(plan(BRANCHES), asymmetric((4, 3)), asymmetric((4, 6)), needs_dx=needs_dx, kernels=kernels)
    assert calls.get("affine_input_gradient", 0) == products  # dX of "left" always, of "hidden" only if needed
    assert calls.get("tanh_gradient", 0) == tanhs
    assert (out.dx is None) is (not needs_dx)


def test_a_residual_block_after_untrained_layers_computes_no_input_gradient():
    kernels, calls = counting(kernel_sets.load("reference"))
    network = Sequential(Flatten(), Residual(Dense(4), ReLU(), Dense(4)), ReLU(), Dense(2))
    run_layer(network, asymmetric((3, 2, 2)), asymmetric((3, 2)), needs_dx=False, kernels=kernels)
    assert calls["affine_input_gradient"] == 2
    nothing = Residual(Tanh(), shortcut=Sigmoid())
    assert run_layer(nothing, asymmetric((3, 2)), asymmetric((3, 2)), needs_dx=False, kernels=kernels).dx is None
    assert "tanh_gradient" not in calls
    assert "sigmoid_gradient" not in calls


# -- fusion -----------------------------------------------------------------------------------------------------------


def names(plan):
    return [node.name for node in plan.ordered_nodes()]


def test_a_node_is_absorbed_if_it_is_the_only_reader_of_its_input():
    plan = fused(
        Graph(
            Node("a", Dense(3), "input"),
            Node("a_relu", ReLU(), "a"),  # absorbed by a
            Node("b", Dense(3), "a_relu"),
            Node("b_relu", ReLU(), "b"),  # c reads b too
            Node("c", Add(), "b", "b_relu", "input"),
            Node("c_relu", ReLU(), "c"),  # absorbed by c
            Node("out", Tanh(), "c_relu"),
        )
    )
    assert names(plan) == ["a", "b", "b_relu", "c", "out"]
    assert [node.inputs for node in plan.ordered_nodes()] == [("input",), ("a",), ("b",), ("b", "b_relu", "input"), ("c",)]


def test_the_addition_of_a_block_absorbs_the_following_relu():
    network = Sequential(Residual(Dense(4), ReLU(), Dense(4)), ReLU(), Residual(Tanh(), shortcut=Dense(4)), Dense(2))
    plan = fused(network)
    assert names(plan) == ["residual1", "residual2", "dense1"]
    assert names(plan.ordered_nodes()[0].layer) == ["dense1", "dense2", "add"]
    kernels, calls = counting(kernel_sets.load("reference"))
    run_layer(plan, asymmetric((3, 4)), kernels=kernels)
    assert calls == {"affine_relu": 1, "affine": 3, "add_relu": 1, "tanh": 1, "sum_arrays": 1}
    inner = fused(Sequential(Graph(Node("a", Dense(2), "input")), ReLU(), ReLU())).ordered_nodes()
    assert [node.name for node in inner] == ["graph1", "relu2"]


def test_a_normalization_of_a_shared_convolution_stays_a_layer():
    conv = Conv2D(3, 1, bias=False)
    graph = Graph(
        Node("a", conv, "input"),
        Node("a_norm", BatchNorm(), "a"),
        Node("b", Shared("a"), "a_norm"),
        Node("b_norm", Shared("a_norm"), "b"),
        Node("c", conv, "b_norm"),
        Node("c_norm", BatchNorm(), "c"),
        Node("d", conv, "c_norm"),
        Node("d_norm", BatchNorm(), "d"),
        Node("sum", Add(), "d_norm", "b_norm"),
    )
    assert names(fused(graph)) == ["a", "a_norm", "b", "b_norm", "c", "d", "sum"]
    check_layer(graph, (2, 2, 3))


# -- invalid networks --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: Graph(), r"Graph\(\) needs nodes"),
        (lambda: Graph(Dense(3)), "nodes must be a Node, not Dense"),
        (lambda: Graph(Node("a", ReLU(), "input"), Node("a", Tanh(), "a")), "more than one node has the name 'a'"),
        (
            lambda: Graph(Node("hidden", ReLU(), "input"), Node("b", ReLU(), "hiden")),
            "'b' reads 'hiden', which is not a node: did you mean 'hidden'",
        ),
        (
            lambda: Graph(Node("a", ReLU(), "c"), Node("b", ReLU(), "a"), Node("c", ReLU(), "b"), Node("d", ReLU(), "c")),
            r"(a -> b -> c -> a|b -> c -> a -> b|c -> a -> b -> c) is a cycle",
        ),
        (lambda: Graph(Node("a", Add(), "a", "input")), "a -> a is a cycle"),
        (
            lambda: Graph(Node("a", ReLU(), "input"), Node("aside", Tanh(), "a"), Node("b", ReLU(), "a")),
            "no node reads 'aside' and 'b', but a graph has one output",
        ),
        (lambda: Node("sum", Add(), "a"), r"node 'sum' reads 'a', but Add\(\) merges two or more"),
        (lambda: Node("a", ReLU(), "b", "c"), r"node 'a' reads 'b' and 'c', but ReLU\(\) takes one input.*Concatenate\(\)"),
        (lambda: Node("a", ReLU()), r"node 'a' reads nothing, but ReLU\(\) takes one input: name it, or 'input'"),
        (lambda: Node("input", ReLU(), "input"), "'input' is the network's input"),
        (lambda: Node("a.b", ReLU(), "input"), "letters, digits, _ and -; "),
        (lambda: Node("", ReLU(), "input"), "letters, digits"),
        (lambda: Node(3, ReLU(), "input"), "name must be a string"),
        (lambda: Node("a", ReLU, "input"), r"layer must be a Layer or a Merge.*add parentheses to create one: ReLU\(\)"),
        (lambda: Node("a", ReLU(), ["input"]), "inputs must be a string, not list"),
        (lambda: Sequential(Dense(3), Add()), r"Add takes several inputs.*a node of a Graph.*Residual\(…\)"),
        (lambda: Sequential(Dense(3), Concatenate), "Concatenate takes several inputs"),
        (lambda: Residual(Dense(3), Add()), r"Add takes several inputs, but a layer in Residual"),
        (lambda: Residual(Dense(3), shortcut=Add()), r"Add takes several inputs"),
        (lambda: Residual(Dense(3), shortcut=Dense), r"shortcut must be a Layer.*add parentheses to create one: Dense\(\)"),
        (lambda: Residual(), "needs layers"),
    ],
)
def test_invalid_networks_are_refused(make, words):
    with pytest.raises(ConfigError, match=words):
        make()


@pytest.mark.parametrize(
    ("network", "shape", "words"),
    [
        (
            Sequential(Residual(Dense(4), Dense(3))),
            (4,),
            r"residual1: add, which reads dense2 \(3,\) and input \(4,\): .* got \(3,\) and \(4,\); .*1×1 convolution with the "
            r"same stride.* shortcut=",
        ),
        (Residual(Dense(3), shortcut=Dense(2)), (4,), r"add, which reads dense1 \(3,\) and shortcut \(2,\)"),
        (Graph(Node("a", LSTM(3), "input"), Node("b", Dense(2), "a")), (4,), r"^a: LSTM\(units=3.* add a time axis"),
        (
            Graph(Node("a", Dense(3), "input"), Node("sum", Add(), "input", "a", "a")),
            (2,),
            r"sum, which reads input \(2,\) and a \(3,\) and a \(3,\): Add\(\) expects inputs of one shape",
        ),
        (
            Graph(Node("a", Flatten(), "input"), Node("both", Concatenate(), "a", "input")),
            (2, 3),
            r"both, which reads a \(6,\) and input \(2, 3\): Concatenate\(\) expects inputs that differ in axis -1 only",
        ),
        (
            Graph(Node("both", Concatenate(1), "input", "input")),
            (2,),
            r"Concatenate\(axis=1\) expects samples that have this axis",
        ),
        (Graph(Node("both", Concatenate(-2), "input", "input")), (2,), r"expects samples that have this axis, got \(2,\)"),
    ],
    ids=repr,
)
def test_shape_errors_contain_the_names_of_the_nodes(network, shape, words):
    with pytest.raises(ShapeError, match=words):
        network.build(shape)


# -- names, depth, summary --------------------------------------------------------------------------------------------


def test_paths_of_residual_blocks_and_graphs():
    network = Sequential(Residual(Dense(3), Dense(3)), Residual(Tanh(), Dense(2), shortcut=Dense(2)), Graph(*BRANCHES.nodes))
    assert [path for path in network.build((3,)).slots if path.endswith("W")] == [
        "residual1.dense1.W",
        "residual1.dense2.W",
        "residual2.dense1.W",
        "residual2.shortcut.W",
        "graph1.hidden.W",
        "graph1.left.W",
    ]
    assert network.build((3,)).multiply_adds == 9 + 9 + 6 + 6 + 6 + 9
    assert [path for path, _ in primitives(Residual(Tanh(), ReLU()))] == ["tanh1", "relu1", "add"]


@pytest.mark.parametrize(
    ("network", "layers"),
    [
        (ReLU(), 1),
        (Sequential(), 0),
        (Sequential(Dense(2), Sequential(ReLU(), Sequential()), Dense(2)), 3),
        (Residual(Dense(2), ReLU(), Dense(2)), 4),  # including the addition
        (Residual(Dense(2), shortcut=Sequential(Dense(2), ReLU(), Dense(2))), 4),
        (BRANCHES, 5),
        (Sequential(BRANCHES, Residual(Tanh())), 7),
    ],
    ids=repr,
)
def test_depth_is_the_longest_path(network, layers):
    assert depth(network) == layers


def test_the_summary_contains_what_a_row_reads_unless_it_is_the_row_above():
    network = Sequential(Dense(3), Residual(Dense(3), ReLU(), shortcut=Identity()), BRANCHES, Dense(2), Softmax())
    lines = network.compile((4,), CrossEntropy()).summary().splitlines()
    assert lines[0].split() == ["layer", "output", "parameters", *["reads,", "if", "not", "the", "row", "above"]]
    reads = {line.split()[0]: line[len(lines[0]) - len("reads, if not the row above") :].strip() for line in lines[2:-2]}
    assert reads == {
        "input": "",
        "dense1": "",
        "residual1.dense1": "",
        "residual1.relu1": "",
        "residual1.shortcut": "dense1",
        "residual1.add": "residual1.relu1, residual1.shortcut",
        "graph1.hidden": "",
        "graph1.relu": "",
        "graph1.left": "",
        "graph1.sum": "graph1.left, graph1.relu",
        "graph1.squeezed": "residual1.add",
        "graph1.both": "graph1.squeezed, graph1.sum",
        "dense2": "",
        "softmax1": "",
    }
    assert lines[-1].split() == ["total", "51", "multiply-adds", "a", "sample,", "depth", "11", "65"]


# -- the last layer of a network -----------------------------------------------------------------------------------------


ENDS = Graph(Node("z", Dense(3), "input"), Node("p", Softmax(), "z"))
WIDE = (Node("a", Dense(3), "input"), Node("b", Dense(3), "input"), Node("sum", Add(), "a", "b"))


@pytest.mark.parametrize(
    ("network", "rest"),
    [
        (ENDS, Graph(Node("z", Dense(3), "input"))),
        (Sequential(Dense(2), ENDS), Sequential(Dense(2), Graph(Node("z", Dense(3), "input")))),
        (Graph(Node("p", Softmax(), "input")), Sequential()),
        (Graph(Node("p", Softmax(), "sum"), *WIDE), Graph(*WIDE)),
        (Graph(*WIDE, Node("p", Sequential(Tanh(), Softmax()), "sum")), Graph(*WIDE, Node("p", Sequential(Tanh()), "sum"))),
        (Graph(*WIDE, Node("p", Softmax(), "sum"), Node("same", Sequential(), "p")), Graph(*WIDE)),
        (Sequential(Graph(*WIDE), Dense(2), Softmax()), Sequential(Graph(*WIDE), Dense(2))),
        (Sequential(Residual(Dense(3)), Softmax(), Sequential()), Sequential(Residual(Dense(3)))),
    ],
    ids=repr,
)
def test_the_last_layer_of_a_graph_is_removed(network, rest):
    assert without_last_layer(network) == rest
    assert isinstance(trailing_layers(network)[-1], Softmax)
    check_loss(CrossEntropy(), network, (3,), np.arange(5) % network.build((3,)).shape[0])


@pytest.mark.parametrize(
    ("network", "loss", "words"),
    [
        (
            Graph(*WIDE, Node("p", Softmax(), "sum"), Node("end", Add(), "p", "a")),
            CrossEntropy(),
            "as the last layer, got Graph",
        ),
        (Residual(Dense(3), Softmax()), CrossEntropy(), "as the last layer, got Residual"),
        (ENDS, BinaryCrossEntropy(), r"with Softmax\(\) use loss=CrossEntropy"),
        (Sequential(ENDS, Identity(), Softmax()), CrossEntropy(), "a Softmax after a Softmax"),
    ],
    ids=repr,
)
def test_invalid_last_layers_are_refused(network, loss, words):
    with pytest.raises(ConfigError, match=words):
        network.compile((3,), loss)


@pytest.mark.parametrize("network", [BRANCHES, Residual(Dense(3))], ids=["Graph", "Residual"])
def test_a_graph_or_a_residual_block_may_be_the_whole_network(network):
    check_loss(MeanSquaredError(), network, (3,), asymmetric((5, *network.build((3,)).shape)))


def test_a_diverged_error_names_the_node():
    graph = Graph(Node("calm", Dense(2), "input"), Node("wild", Dense(2), "calm"), Node("sum", Add(), "wild", "calm"))
    model = Sequential(graph).compile((2,), MeanSquaredError())
    model.weights["graph1.wild.b"][:] = 3e38
    model.weights["graph1.wild.W"][:] = 3e38
    with pytest.raises(DivergedError, match=r"the output of graph1\.wild is the first that is not finite"):
        model.train_on_batch(np.full((2, 2), 100.0), np.zeros((2, 2)))


# -- settings and files ------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Weighted(Merge):
    """A user's merge: y = a ⊙ x₁ + x₂, with a trained a."""

    def build(self, shapes):
        return LayerSpec(shapes[0], {"a": Slot(shapes[0], Normal(1.0))})

    def forward(self, p, xs, ctx):
        ctx.keep(xs[0])
        return p.a * xs[0] + xs[1]

    def backward(self, p, g, dy, ctx):
        (x,) = ctx.kept
        g.a = (dy * x).sum(axis=0)
        return [dy * p.a, dy] if ctx.needs_dx else None


def test_a_custom_merge_may_have_parameters():
    network = Graph(Node("t", Tanh(), "input"), Node("mixed", Weighted(), "t", "input"))
    check_layer(network, (4,))
    x, dy = asymmetric((3, 4)), asymmetric((3, 4), seed=1)
    assert (run_layer(network, x, dy, needs_dx=False).gradient == run_layer(network, x, dy).gradient).all()
    assert list(network.build((4,)).slots) == ["mixed.a"]
    assert from_json(to_json(network), Layer, custom_classes=[Weighted]) == network
    with pytest.raises(ConfigError, match=r"unknown class .*classes=\[Weighted\]"):
        from_json(to_json(network), Layer)


@dataclass(frozen=True)
class Wide(Layer):
    """A user's layer that computes in float64, by mistake: y = 2x."""

    def build(self, shape):
        return LayerSpec(shape)

    def forward(self, p, x, ctx):
        return x * np.float64(2)

    def backward(self, p, g, dy, ctx):
        return dy * 2


@dataclass(frozen=True)
class WideConcatenate(Merge):
    """A user's merge whose gradients are columns of a float64 array, by mistake."""

    def build(self, shapes):
        return LayerSpec((sum(shape[0] for shape in shapes),))

    def forward(self, p, xs, ctx):
        ctx.keep(xs[0].shape[1])
        return np.concatenate(xs, axis=1)

    def backward(self, p, g, dy, ctx):
        return np.split(dy.astype(np.float64), list(ctx.kept), axis=1)


def test_columns_of_another_dtype_are_converted():
    x, dy = asymmetric((4, 3)).astype(np.float32), asymmetric((4, 6), seed=1).astype(np.float32)
    wide = run_layer(Graph(Node("wide", Wide(), "input"), Node("both", Concatenate(), "wide", "input")), x)
    np.testing.assert_array_equal(wide.y, np.concatenate([2 * x, x], axis=1))
    passes = [
        run_layer(Graph(Node("a", Dense(3), "input"), Node("b", Dense(3), "input"), Node("end", merge, "a", "b")), x, dy)
        for merge in (Concatenate(), WideConcatenate())
    ]
    np.testing.assert_array_equal(passes[1].gradient, passes[0].gradient)


def test_the_json_form_of_a_graph():
    network = Graph(Node("a", ReLU(), "input"), Node("sum", Add(), "a", "input"))
    assert json.loads(json.dumps(to_json(network))) == {
        "class": "Graph",
        "nodes": [
            {"class": "Node", "name": "a", "layer": {"class": "ReLU"}, "inputs": ["input"]},
            {"class": "Node", "name": "sum", "layer": {"class": "Add"}, "inputs": ["a", "input"]},
        ],
    }
    assert repr(network) == "Graph(Node('a', ReLU(), 'input'), Node('sum', Add(), 'a', 'input'))"


def test_save_and_load_graphs_and_residual_blocks(tmp_path):
    network = Sequential(BRANCHES, ReLU(), Residual(Dense(4), shortcut=Dense(4)), Dense(2), Softmax())
    model = network.compile((3,), CrossEntropy())
    x = asymmetric((40, 3)).astype(np.float32)
    model.fit(x, np.arange(40) % 2, epochs=2)
    model.save(tmp_path / "model")
    again = Model.load(tmp_path / "model")
    assert again.network == network
    np.testing.assert_array_equal(again.predict(x), model.predict(x))
