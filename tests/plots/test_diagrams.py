"""Figures of networks, graphs and loss surfaces: the drawn elements and their positions."""

from __future__ import annotations

import numpy as np
import pytest

from pellucid import (
    Add,
    Conv1D,
    Conv2D,
    Dense,
    Flatten,
    GlobalMaxPool1D,
    Graph,
    MaxPool1D,
    Node,
    ReLU,
    Sequential,
    ShapeError,
    Softmax,
    UpSample1D,
    plots,
)
from pellucid.plots import principal_plane


def styles(ax):
    """Return the number of drawn lines by line style."""
    drawn = [line.get_linestyle() for line in ax.get_lines()]
    return {style: drawn.count(style) for style in drawn}


def test_a_network_diagram_has_a_line_for_each_dependency():
    network = Sequential(Dense(5), ReLU(), Dense(3), Softmax())
    figure = plots.network_diagram({"whole": (network, (4,)), "dense": (Dense(4), (3,)), "relu": (ReLU(), (4,))})
    whole, dense, relu = figure.axes
    assert [ax.get_title() for ax in figure.axes] == ["whole", "dense", "relu"]
    assert styles(whole) == {"-": 4 * 5 + 5 * 3, "--": 5 + 3 * 3}, "softmax depends on all units, ReLU on one"
    assert styles(dense) == {"-": 12}
    assert styles(relu) == {"--": 4}
    assert [text.get_text() for text in whole.texts] == ["Input\n4", "Dense\n5", "ReLU\n5", "Dense\n3", "Softmax\n3"]
    circles = [len(column.get_offsets()) for column in whole.collections]
    assert circles == [4, 5, 5, 3, 3]


def test_wide_layers_are_shortened_and_images_are_boxes():
    network = Sequential(Conv2D(2, 3), Flatten(), Dense(3))
    (ax,) = plots.network_diagram({"": (network, (6, 6, 1))}).axes
    texts = [text.get_text() for text in ax.texts]
    assert "Flatten\n32" in texts, texts
    assert "⋮" in texts
    assert [len(column.get_offsets()) for column in ax.collections] == [1, 1, 7, 3]
    assert set(styles(ax)) == {":", "-"}


def test_names_that_would_overlap_are_tilted():
    layers = [Conv1D(2, 3), MaxPool1D(), UpSample1D(), MaxPool1D(), GlobalMaxPool1D()]
    for count, rotation in ((1, 0), (5, 35)):
        networks = {str(i): (Sequential(*layers[-count:]), (20, 2)) for i in range(2)}
        ax, *_ = plots.network_diagram(networks).axes
        assert {text.get_rotation() for text in ax.texts if "Pool" in text.get_text()} == {rotation}


def test_a_graph_diagram_puts_nodes_at_their_depth():
    graph = Graph(Node("a", Dense(2), "input"), Node("b", Dense(2), "a"), Node("sum", Add(), "a", "b"))
    (ax,) = plots.graph_diagram(graph).axes
    (nodes,) = ax.collections
    assert nodes.get_offsets()[:, 0].tolist() == [0, 1, 2, 3]
    assert [text.get_text() for text in ax.texts if text.get_text()] == ["input", "a", "b", "sum"]
    dashes = [text.arrow_patch.get_linestyle() for text in ax.texts if getattr(text, "arrow_patch", None) is not None]
    assert sorted(dashes) == ["-", "-", "-", "--"], "one edge skips b"


def test_a_loss_surface_shows_every_trajectory_from_start_to_end():
    x = np.linspace(-2, 2, 9)
    trajectories = {"one": [[(1, 1), (0.5, 0.5), (0, 0)], [(-1, 1), (0, 0)]], "none": []}
    figure = plots.loss_surface(x[None] ** 2 + x[:, None] ** 2, (-2, 2, -2, 2), trajectories, ("u", "v"), "height")
    one, none, bar = figure.axes
    assert (one.get_xlabel(), one.get_ylabel(), bar.get_ylabel()) == ("u", "v", "height")
    assert one.get_xlim() == one.get_ylim() == (-2, 2)
    marks = [(line.get_marker(), line.get_xydata()[0].tolist()) for line in one.get_lines() if len(line.get_xydata()) == 1]
    assert marks == [("o", [1, 1]), ("s", [0, 0]), ("o", [-1, 1]), ("s", [0, 0])]
    assert not none.get_lines()
    plots.loss_surface(np.zeros((3, 3)), (0, 1, 0, 1), {"flat": []})
    with pytest.raises(ShapeError, match=r"a grid with at least two rows and columns, got \(9,\)"):
        plots.loss_surface(x, (0, 1, 0, 1), {"": []})


def test_the_principal_plane_contains_trajectories_that_lie_in_a_plane():
    random = np.random.default_rng(0)
    axes, middle = np.linalg.qr(random.normal(size=(5, 2)))[0].T, random.normal(size=5)
    trajectories = {"a": middle + random.normal(size=(7, 2)) @ axes, "b": middle + random.normal(size=(4, 2)) @ axes}
    point, found_axes, projected, fraction = principal_plane(trajectories)
    assert fraction == pytest.approx(1)
    for name, trajectory in trajectories.items():
        np.testing.assert_allclose(point + projected[name] @ found_axes, trajectory, atol=1e-12)
    assert principal_plane({"a": random.normal(size=(50, 5))})[3] < 0.9
