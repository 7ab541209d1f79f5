"""The plan of an export: values that are needed at the same time have different memory, and little memory is used."""

from __future__ import annotations

import numpy as np

from pellucid import Add, CrossEntropy, Dense, Flatten, Graph, Node, ReLU, Sequential, Tanh
from pellucid.export.plain.plan import ALIGNMENT, Place, Plan, _assign, make_plan
from pellucid.export.plain.source_text import WIDTH, plain_text
from pellucid.export.trained_network import TrainedNetwork
from pellucid.runs.presets import preset
from tests.export.plain_networks import rows
from tests.export.test_export import trained_layer


def together(a: Place, b: Place) -> bool:
    return a.first <= b.last and b.first <= a.last


def check_memory(places: list[Place], size: int) -> None:
    for i, a in enumerate(places):
        assert a.offset % ALIGNMENT == 0
        assert 0 <= a.offset <= a.offset + a.size <= size
        for b in places[:i]:
            apart = a.offset + a.size <= b.offset or b.offset + b.size <= a.offset
            assert apart or not together(a, b), (a, b)


def test_values_that_are_needed_at_the_same_time_have_different_memory():
    for row in rows():
        plan = make_plan(row.trained, "c")
        check_memory([place for place in plan.places if not place.port], plan.workspace)


def test_places_of_any_sizes_and_times():
    random = np.random.default_rng(0)
    for _ in range(200):
        places = []
        for i in range(random.integers(1, 20)):
            first, length = random.integers(0, 20), random.integers(0, 6)
            places.append(Place(str(i), int(random.integers(1, 50)), int(first), int(first + length)))
        size = _assign(places)
        check_memory(places, size)
        at_once = max(sum(one.size for one in places if one.first <= t <= one.last) for t in range(26))
        assert at_once <= size <= sum(-(-one.size // ALIGNMENT) * ALIGNMENT for one in places)


def plan_of(network, shape) -> Plan:
    trained, _ = trained_layer(network, shape)
    return make_plan(trained, "c")


def test_layers_that_change_each_value_alone_overwrite_their_input():
    plan = plan_of(Sequential(Dense(8), ReLU(), Tanh(), Flatten(), Dense(2)), (4,))
    assert plan.workspace == 4 + 8
    kept = plan_of(Graph(Node("a", ReLU(), "input"), Node("b", Tanh(), "a"), Node("c", Add(), "b", "a")), (4,))
    assert [place.name for place in kept.places] == ["input_values", "output"]  # b may not overwrite a, but c may overwrite b
    assert kept.workspace == 4


def test_a_convolutional_network_needs_memory_for_two_layers_at_a_time():
    model = preset("cnn").network(10).compile((28, 28, 1), CrossEntropy())
    plan = make_plan(TrainedNetwork(model.network, model.input_shape, model.state.arrays()), "c")
    assert (
        plan.workspace == 24 * 24 * 16 + 12 * 12 * 16
    )  # the first convolution and the pool after it; the outputs are elsewhere


def test_texts_of_users_end_no_comment_and_no_script():
    text = plain_text("a */ /* ?? </script> <!-- \n\u2028 b */*/")
    assert not any(ending in text for ending in ("*/", "/*", "??", "</", "<!", "\n", "\u2028"))
    assert len(plain_text("x" * 1000)) < WIDTH
