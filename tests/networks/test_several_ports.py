"""Tests of networks with several inputs and outputs, and of layers that several nodes share: gradients, shards and fusion,
random numbers and running statistics, the paths of parameters, invalid graphs, and the settings."""

from __future__ import annotations

import numpy as np
import pytest

from pellucid import (
    GRU,
    Add,
    BatchNorm,
    Concatenate,
    ConfigError,
    Dense,
    Dropout,
    FromState,
    Frozen,
    Graph,
    Multiply,
    Node,
    ReLU,
    Residual,
    Sequential,
    ShapeError,
    Shared,
    Softmax,
    Tanh,
    kernels as kernel_sets,
)
from pellucid.core.config import from_json, to_json
from pellucid.initializers import initial_values
from pellucid.layers import Context, ShardState
from pellucid.model.summary import rows_of, table
from pellucid.networks import depth, fused, primitives, trailing_layers, without_last_layers
from pellucid.testing import asymmetric, check_layer, layouts, run_layer

ENCODER = Sequential(Dense(4), BatchNorm(), ReLU(), Dropout(0.4), Dense(2))
SHAPES = {"left": (3,), "right": (3,)}
SIAMESE = Graph(
    Node("left_code", ENCODER, "left"),
    Node("right_code", Shared("left_code"), "right"),
    Node("product", Multiply(), "left_code", "right_code"),
    inputs=("left", "right"),
)
# Two inputs of different shapes; an output that other nodes read, one that reads another output, and one that is absorbed.
PICTURE_AND_TABLE = Graph(
    Node("features", Sequential(Dense(3), Tanh()), "table"),
    Node("joined", Concatenate(), "features", "picture"),
    Node("total", ReLU(), "narrow"),
    Node("narrow", Dense(2), "joined"),
    Node("digit", Sequential(Dense(3), Softmax()), "total"),
    inputs=("picture", "table"),
    outputs=("digit", "features", "total"),
)
TWO_SHAPES = {"picture": (2,), "table": (4,)}


def reads_itself(*layers, **arguments):
    """A graph in which the layer is applied to its own output."""
    return Graph(Node("a", *layers, "input"), Node("t", Tanh(), "a"), Node("b", Shared("a"), "t"), **arguments)


@pytest.mark.parametrize(
    ("network", "shapes"),
    [
        (SIAMESE, SHAPES),
        (PICTURE_AND_TABLE, TWO_SHAPES),
        (reads_itself(Dense(3)), (3,)),
        (reads_itself(Dense(3), outputs=("a", "b")), (3,)),
        (Sequential(Dense(3), reads_itself(Frozen(Dense(3), Tanh())), Dense(2)), (3,)),
        (  # one input, whose gradient is the sum over three readers, and one of three outputs at which nothing is trained
            Graph(
                Node("a", Dense(2), "x"),
                Node("b", Shared("a"), "x"),
                Node("t", Tanh(), "x"),
                inputs=("x",),
                outputs=("a", "t", "b"),
            ),
            (3,),
        ),
        (  # a shared merge with parameters
            Graph(
                Node("code", GRU(2, return_state=True), "past"),
                Node("first", FromState(GRU(2, return_sequences=True)), "past", "code"),
                Node("second", Shared("first"), "future", "code"),
                inputs=("past", "future"),
                outputs=("first", "second"),
            ),
            {"past": (2, 2), "future": (3, 2)},
        ),
    ],
    ids=["siamese", "two inputs, three outputs", "chain", "chain, two outputs", "nested", "one input", "merge"],
)
def test_gradients_shards_fusion_kernels_and_settings(network, shapes):
    check_layer(network, shapes, batch=3)


def test_what_the_network_computes():
    x = {name: asymmetric((4, *shape), i) for i, (name, shape) in enumerate(TWO_SHAPES.items())}
    theta = initial_values(layout := layouts(PICTURE_AND_TABLE, TWO_SHAPES)[0], 0, np.float64)
    w = layout.arrays(theta)
    y = run_layer(PICTURE_AND_TABLE, x, theta=theta).y
    assert list(y) == ["digit", "features", "total"]
    features = np.tanh(x["table"] @ w["features.dense1.W"])
    total = np.maximum(np.column_stack([features, x["picture"]]) @ w["narrow.W"], 0)
    digit = np.exp(total @ w["digit.dense1.W"])
    for name, expected in (("features", features), ("total", total), ("digit", digit / digit.sum(axis=1, keepdims=True))):
        np.testing.assert_allclose(y[name], expected, atol=1e-12, err_msg=name)


# -- shared layers ------------------------------------------------------------------------------------------------------


def test_a_shared_layer_has_one_set_of_parameters_and_the_sum_of_the_gradients():
    plain = Sequential(Dense(4), Tanh(), Dense(2))
    shared = Graph(Node("a", plain, "left"), Node("b", Shared("a"), "right"), inputs=("left", "right"), outputs=("a", "b"))
    assert list(shared.build(SHAPES).slots) == ["a.dense1.W", "a.dense1.b", "a.dense2.W", "a.dense2.b"]
    assert shared.build(SHAPES).multiply_adds == 2 * plain.build((3,)).multiply_adds
    x, dy = ({name: asymmetric((5, k), seed + k) for seed, name in enumerate(names)} for k, names in ((3, SHAPES), (2, "ab")))
    theta = initial_values(layouts(plain, (3,))[0], 0, np.float64)
    out = run_layer(shared, x, dy, theta=theta)
    left, right = run_layer(plain, x["left"], dy["a"], theta=theta), run_layer(plain, x["right"], dy["b"], theta=theta)
    np.testing.assert_allclose(out.gradient, left.gradient + right.gradient, atol=1e-14)
    for one, other in ((out.y["b"], right.y), (out.dx["left"], left.dx), (out.dx["right"], right.dx)):
        np.testing.assert_array_equal(one, other)


def test_dropout_differs_between_the_applications_and_running_statistics_are_updated_in_their_order():
    network = Graph(
        Node("b", Shared("a"), "right"),
        Node("a", Sequential(BatchNorm(momentum=0.5), Dropout(0.5)), "left"),
        inputs=("left", "right"),
        outputs=("a", "b"),
    )
    x = {"left": np.ones((400, 3)), "right": np.ones((400, 3))}
    x["left"][::2] = 3
    x["right"][::2] = 7
    out = run_layer(network, x)
    kept = {name: y != 0 for name, y in out.y.items()}
    assert (kept["a"] != kept["b"]).mean() > 0.4
    assert np.array_equal(run_layer(network, x).y["b"], out.y["b"])
    mean = out.state["a.batchnorm1.running_mean"]
    np.testing.assert_allclose(mean, (0.5 * 0 + 0.5 * 4) * 0.5 + 0.5 * 2)  # b, which is listed first, then a


def test_the_second_gradient_is_computed_in_memory_that_is_reused():
    params, state = layouts(SIAMESE, SHAPES)
    shard = ShardState(kernel_sets.load("reference"), dtype=np.float64)
    shard.training = shard.backward_follows = True
    ctx = Context(shard, state.views(state.zeros(np.float64)), needs_dx=True)
    p, g = params.views(initial_values(params, 0, np.float64)), params.views(params.zeros(np.float64))
    memory = []
    for n in (5, 3, 5):
        SIAMESE.forward(p, {name: asymmetric((n, 3)) for name in SHAPES}, ctx)
        SIAMESE.backward(p, g, asymmetric((n, 2)), ctx)
        memory.append(ctx.spare_gradients("left_code", g["left_code"])["dense1"].W)
    assert memory[0] is memory[1] is memory[2]
    assert not np.shares_memory(memory[0], g["left_code"]["dense1"].W)


def test_depth_summary_and_paths():
    assert depth(SIAMESE) == 6
    assert depth(PICTURE_AND_TABLE) == 7
    assert [path for path, _ in primitives(SIAMESE)][5:] == [
        *(f"right_code.{name}" for name in ("dense1", "batchnorm1", "relu1", "dropout1", "dense2")),
        "product",
    ]
    rows = {row.path: row for row in rows_of(SIAMESE, SHAPES)}
    assert list(rows)[:3] == ["left", "right", "left_code.dense1"]
    assert rows["right_code.dense2"].shared == "left_code.dense2"
    assert rows["right_code.dense2"].reads == ("right_code.dropout1",)
    assert rows["right_code.relu1"].shared == ""
    assert sum(row.parameters for row in rows.values()) == layouts(SIAMESE, SHAPES)[0].parameter_count == 34
    lines = table(SIAMESE, SHAPES).splitlines()
    assert "right_code.dense1 Dense(units=4), shared with left_code.dense1 4 right" in [
        " ".join(line.split()) for line in lines
    ]
    assert lines[-1].split()[-1] == "34"


# -- fusion and heads -------------------------------------------------------------------------------------------------------


def test_an_output_is_not_absorbed_away_and_an_absorbed_output_keeps_its_name():
    plan = fused(
        Graph(
            Node("a", Dense(3), "input"),
            Node("a_relu", ReLU(), "a"),  # not absorbed: a is an output
            Node("b", Dense(3), "a_relu"),
            Node("b_relu", ReLU(), "b"),  # absorbed by b
            outputs=("a", "b_relu"),
        )
    )
    assert [node.name for node in plan.ordered_nodes()] == ["a", "a_relu", "b"]
    assert plan.ports().outputs == {"a": "a", "b_relu": "b"}


@pytest.mark.parametrize(
    ("nodes", "outputs", "heads", "rest", "ends"),
    [
        ([Node("z", Dense(3), "input"), Node("p", Softmax(), "z"), Node("q", Softmax(), "z")], "pq", "pq", "z", "zz"),
        (
            [Node("p", Sequential(Dense(3), Softmax()), "input"), Node("q", Tanh(), "p")],
            "pq",
            "p",
            ["p", "p output", "q"],
            "pq",
        ),
        ([Node("p", Softmax(), "input"), Node("q", Tanh(), "p")], "pq", "p", "pq", ["input", "q"]),
        (
            [Node("p", Sequential(Dense(3), Softmax()), "input"), Node("q", Shared("p"), "p"), Node("same", Sequential(), "p")],
            ["same", "q"],
            ["q"],
            ["p", "q", "same"],
            ["same", "q"],
        ),
    ],
    ids=["two heads of one node", "a head that is read", "a head of the input", "a shared head"],
)
def test_the_last_layers_of_several_outputs_are_removed(nodes, outputs, heads, rest, ends):
    graph = Graph(*nodes, outputs=tuple(outputs))
    body = without_last_layers(graph, heads)
    assert [node.name for node in body.ordered_nodes()] == list(rest)
    assert list(body.ports().outputs.values()) == list(ends)
    assert list(body.build((3,)).slots) == list(graph.build((3,)).slots)
    x = asymmetric((4, 3))
    whole, part = run_layer(graph, x).y, run_layer(fused(body), x).y
    for name in outputs:
        z = part[name] if name not in heads else np.exp(part[name]) / np.exp(part[name]).sum(axis=1, keepdims=True)
        np.testing.assert_allclose(z, whole[name], atol=1e-12)
        assert isinstance(trailing_layers(graph, name)[-1], Softmax) is (name in heads or name == "same")
    dy = {name: asymmetric((4, 3), i) for i, name in enumerate(outputs)}
    check = run_layer(body, x, dy)
    np.testing.assert_allclose(run_layer(fused(body), x, dy).gradient, check.gradient, atol=1e-12)


# -- invalid graphs ---------------------------------------------------------------------------------------------------------

A, B = Node("a", Dense(3), "x"), Node("b", Dense(3), "y")


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (
            lambda: Graph(A, Node("b", Dense(2), "yy"), inputs=("x", "yyy")),
            "'b' reads 'yy', which is not a node and not one of the",
        ),
        (
            lambda: Graph(A, Node("b", Dense(2), "input"), inputs=("x",)),
            "reads 'input', which is not a node and not one of the",
        ),
        (lambda: Graph(A, inputs=("x", "y")), "no node reads the input 'y'"),
        (lambda: Graph(A, B, inputs=("x", "y"), outputs=("a", "c")), "the output 'c' is not a node: choose one of: a, b"),
        (lambda: Graph(A, B, inputs=("x", "y"), outputs=("a", "x")), "the output 'x' is not a node"),
        (lambda: Graph(A, B, inputs=("x", "y"), outputs=("a",)), "no node reads 'b', and outputs does not name it"),
        (lambda: Graph(A, B, inputs=("x", "y")), r"no node reads 'a' and 'b', but .*outputs=\('a', 'b'\)"),
        (lambda: Graph(A, B, inputs=("x", "y", "x"), outputs=("a", "b")), r"Graph\(inputs=…\) names 'x' twice"),
        (lambda: Graph(A, B, inputs=("x", "y"), outputs=("a", "b", "b")), r"Graph\(outputs=…\) names 'b' twice"),
        (lambda: Graph(A, inputs=("x", "a")), "'a' is the name of an input and of a node"),
        (lambda: Graph(A, inputs=("x", "y z")), "the name 'y z' may contain letters, digits"),
        (lambda: Graph(A, inputs=()), r"Graph\(inputs=\(\)\): name at least one"),
        (lambda: Graph(A, inputs="x"), "inputs must be a list or tuple, not str"),
        (
            lambda: Graph(A, Node("b", Shared("c"), "a"), inputs=("x",)),
            "'b' shares the layer of 'c', which is not a node: choose",
        ),
        (
            lambda: Graph(A, Node("b", Shared("a"), "a"), Node("c", Shared("b"), "b"), inputs=("x",)),
            "'c' shares the layer of 'b', which is shared itself",
        ),
        (lambda: Graph(Node("b", Shared("b"), "input")), "'b' shares the layer of 'b', which is shared itself"),
        (
            lambda: Graph(Node("a", Dense(3), "b"), Node("b", Shared("a"), "a")),
            r"(a -> b -> a|b -> a -> b) is a cycle",
        ),
        (lambda: Node("b", Shared("a")), "node 'b' reads nothing, but applies the layer of 'a'"),
        (lambda: Graph(A, Node("b", Shared("a"), "a", "x"), inputs=("x",)), "reads 'a' and 'x', but Dense.* takes one input"),
        (
            lambda: Graph(Node("s", Add(), "input", "input"), Node("t", Shared("s"), "s")),
            r"reads 's', but Add\(\) merges two or more",
        ),
        (lambda: Sequential(SIAMESE), r"Sequential\(…\): a Graph with several inputs or outputs is a whole network"),
        (lambda: Residual(SIAMESE), "a whole network"),
        (lambda: Frozen(SIAMESE), "a whole network"),
        (lambda: Node("n", reads_itself(Dense(3), outputs=("a", "b")), "input"), "node 'n': .* a whole network"),
        (lambda: Sequential(Shared("a")), r"Shared\(node='a'\) in Sequential\(…\): .* put into a node of a Graph"),
    ],
)
def test_invalid_graphs_are_refused(make, words):
    with pytest.raises(ConfigError, match=words):
        make()


@pytest.mark.parametrize(
    ("network", "shapes", "words"),
    [
        (SIAMESE, (3,), r"input_shape must be a dictionary .*\{'left': …, 'right': …\}, not tuple"),
        (SIAMESE, {"left": (3,)}, "input_shape lacks the input 'right'; it has 'left'"),
        (SIAMESE, {"left": (3,), "rigth": (3,)}, "input_shape has 'rigth', which is not an input .*: did you mean 'right'"),
        (reads_itself(Dense(3)), {"input": (3,)}, "input_shape is a dictionary, but the network has one input"),
        (
            SIAMESE,
            {"left": (3,), "right": (4,)},
            r"right_code, which reads right \(4,\), cannot share the parameters of left_code, which reads left \(3,\)",
        ),
        (reads_itself(Dense(2)), (3,), r"b, which reads t \(2,\), cannot share the parameters of a"),
    ],
)
def test_shapes_that_do_not_fit_are_refused(network, shapes, words):
    with pytest.raises(ShapeError, match=words):
        network.build(shapes)


# -- settings ---------------------------------------------------------------------------------------------------------------


def test_the_json_form_and_the_repr():
    graph = Graph(A, Node("b", Shared("a"), "y"), inputs=["x", "y"], outputs=["a", "b"])
    assert to_json(graph)["inputs"] == ["x", "y"]
    assert to_json(graph)["nodes"][1]["layer"] == {"class": "Shared", "node": "a"}
    assert from_json(to_json(graph), Graph) == graph
    assert eval(repr(graph)) == graph
    assert set(to_json(reads_itself(Dense(3)))) == {"class", "nodes"}  # the settings of files before several inputs
