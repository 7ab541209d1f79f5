"""The routes of the tab Playground: sessions that advance, repeat, diverge and are dropped; the Python program, to the bit."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from conftest import unpack

pytest.importorskip("starlette", reason="the drawing mode is an extra")
from starlette.applications import Starlette
from starlette.testclient import TestClient

from pellucid.app import guards
from pellucid.app.api import NotFoundError, RequestFields
from pellucid.app.tabs import playground, playground_session, playground_surface
from pellucid.app.tabs.playground_settings import ACTIVATIONS, PlaygroundSettings
from pellucid.data.planar import moons

MOONS = {
    "data": "moons", "noise": 0.1, "samples": 100, "data_seed": 3, "hidden": [4, 3], "activation": "tanh", "init": "glorot",
    "optimizer": "sgd", "learning_rates": [[0, 0.3]], "batch_size": 10, "regularization": "none", "strength": 0.001, "seed": 1,
}  # fmt: skip
USER = {
    "data": "user", "hidden": [3], "activation": "relu", "learning_rates": [[0, 0.1]], "batch_size": 0,
    "points": [[-1.5, 0.25, 0], [1, 1, 2], [0.5, -1, 1], [-1, 0, 0], [1.125, 0.8, 2], [0.4, -1.2, 1], [0, 0, 1]],
}  # fmt: skip


@pytest.fixture
def client():
    application = guards.GuardMiddleware(Starlette(routes=playground.routes(None)), {"127.0.0.1"})
    return TestClient(application, base_url="http://127.0.0.1:8137")


@pytest.fixture
def ask(client):
    """A function that sends a valid request and returns the answer."""

    def post(action, **fields):
        answer = client.post(f"/api/playground/{action}", json=fields)
        assert answer.status_code == 200, answer.text
        return answer.json()

    return post


def parameters(state):
    """Return all weights and biases as one vector."""
    return np.concatenate([unpack(layer[name]) for layer in state["weights"] for name in "Wb"])


def after(ask, settings, steps):
    """Return the state after this number of steps, taken in several requests."""
    state = ask("start", **settings)
    session, step = state["session"], 0
    while step < steps:
        state = ask("advance", session=session, steps=min(7, steps - step))
        step = state["step"]
    return state


def test_a_start_shows_points_and_an_untrained_network(ask):
    state = ask("start", **MOONS)
    assert state["classes"] == ["0", "1"]
    assert state["batches"] == 7
    assert state["step"] == 0
    assert [len(state["points"][name]["y"]) for name in ("train", "validation")] == [70, 30]
    x = unpack(state["points"]["train"]["x"]).reshape(70, 2)
    assert x.tobytes() == moons(100, 0.1, 3).split(0.3, seed=3)[0].x.tobytes()
    decision = unpack(state["decision"], "u1").reshape(2, 50, 50).astype(int)
    assert np.abs(decision.sum(axis=0) - 255).max() <= 1
    assert unpack(state["units"], "u1").shape == (7 * 400,)
    assert parameters(state).shape == (2 * 4 + 4 + 4 * 3 + 3 + 3 * 2 + 2,)


def test_user_points_are_not_changed(ask):
    state = ask("start", **USER)
    assert state["classes"] == ["0", "1", "2"]
    both = [state["points"][name] for name in ("train", "validation")]
    x = np.concatenate([unpack(one["x"]).reshape(-1, 2) for one in both])
    points = {(*place, label) for place, label in zip(x.tolist(), both[0]["y"] + both[1]["y"], strict=True)}
    assert points == {(*np.float32(one[:2]).tolist(), one[2]) for one in USER["points"]}


def test_an_advance_trains(ask):
    settings = {**MOONS, "data": "circles", "samples": 300, "hidden": [8], "optimizer": "adam", "learning_rates": [[0, 0.05]]}
    first, last = ask("start", **settings), after(ask, settings, 200)
    assert last["step"] == 200
    assert last["train"]["loss"] < 0.3 * first["train"]["loss"]
    assert last["validation"]["accuracy"] > 0.9


def test_the_plane_starts_at_the_top_left(ask):
    settings = {**USER, "points": [[-2, 2, 1]] * 8 + [[x, y, 0] for x, y in ((2, 2), (2, -2), (-2, -2))] * 8, "hidden": [8]}
    state = after(ask, settings, 150)
    second = unpack(state["decision"], "u1").reshape(2, 50, 50)[1]
    assert second[8, 8] > 200
    assert max(second[8, 41], second[41, 8], second[41, 41]) < 55


def test_units_are_signed_bytes_relative_to_their_maximum(ask):
    session = ask("start", **{**MOONS, "hidden": [2], "activation": "identity"})["session"]
    state = ask("advance", session=session, steps=5, unit=1)
    w, b = (unpack(state["weights"][0][name]) for name in "Wb")
    outputs, finer = ((playground_session.grid(size) @ w.reshape(2, 2) + b).T for size in (20, 50))
    most = np.abs(outputs).max(axis=1)
    np.testing.assert_allclose(state["unit_max"], most, rtol=1e-5)
    shown = unpack(state["units"], "u1").reshape(2, 400).astype(float)
    np.testing.assert_allclose((shown - 128) / 127, outputs / most[:, None], atol=0.5 / 127 + 1e-5)
    focused = unpack(state["unit_map"], "u1").astype(float)
    np.testing.assert_allclose((focused - 128) / 127, np.clip(finer[1] / most[1], -1, 1), atol=0.5 / 127 + 1e-5)
    assert "unit_map" not in ask("advance", session=session, steps=0, unit=2)


def test_the_same_seed_gives_the_same_bits(ask):
    one = after(ask, MOONS, 40)
    assert after(ask, MOONS, 40) == one
    other = after(ask, {**MOONS, "seed": 2}, 40)
    assert parameters(other).tobytes() != parameters(one).tobytes()
    assert other["train"] != one["train"]


def test_a_new_learning_rate_applies_from_its_step_on(ask):
    session = ask("start", **MOONS)["session"]
    ask("advance", session=session, steps=12)
    state = ask("advance", session=session, steps=8, learning_rate=0.05)
    told = after(ask, {**MOONS, "learning_rates": [[0, 0.3], [12, 0.05]]}, 20)
    assert parameters(state).tobytes() == parameters(told).tobytes()
    assert parameters(state).tobytes() != parameters(after(ask, MOONS, 20)).tobytes()


VARIANTS = {
    "epochs": (MOONS, 21),
    "within an epoch": (MOONS, 17),
    "no step": (MOONS, 0),
    "one sample": ({**MOONS, "batch_size": 1, "activation": "relu", "init": "he-uniform", "optimizer": "nesterov"}, 75),
    "all samples": ({**MOONS, "batch_size": 0, "optimizer": "adam", "regularization": "l2", "strength": 0.01}, 9),
    "decay": ({**MOONS, "data": "spirals", "optimizer": "adamw", "regularization": "decay", "strength": 0.1}, 14),
    "two rates": ({**MOONS, "learning_rates": [[0, 0.3], [3, 0.01], [12, 0.002], [99, 1]]}, 14),
    "no hidden layer": ({**MOONS, "data": "blobs", "hidden": [], "init": "normal-0.01"}, 14),
    "user points": ({**USER, "init": "normal-1", "optimizer": "momentum"}, 6),
    "sigmoid and zeros": ({**MOONS, "data": "xor", "activation": "sigmoid", "init": "zeros"}, 7),
    "identity": ({**MOONS, "data": "circles", "activation": "identity", "init": "normal-0.1"}, 7),
    "L1": ({**MOONS, "regularization": "l1", "strength": 0.01, "validation": 0.5}, 17),
    "features": ({**MOONS, "features": ["sin(x2)", "x1", "x1*x2", "x1^2"]}, 17),
    "features of user points": ({**USER, "features": ["x1^2", "x2^2", "sin(x1)"]}, 5),
    "regression": ({**MOONS, "data": "ripples", "optimizer": "adam"}, 17),
    "a linear regression": ({**MOONS, "data": "saddle", "hidden": [], "features": ["x1*x2"]}, 21),
    "weights set before the first step": ({**MOONS, "edits": [[0, 2, 4, 3, 0.1], [0, 1, 0, 2, -1.5]]}, 21),
    "weights set in an untrained network": ({**MOONS, "edits": [[0, 3, 1, 2, 2.5]]}, 0),
    "weights set during the training": (
        {**MOONS, "edits": [[0, 1, 1, 1, 1], [8, 1, 2, 4, 0.1], [8, 2, 0, 3, 7], [15, 3, 1, 2, -3], [99, 1, 1, 1, 0]]},
        15,
    ),
    "weights and rates": ({**MOONS, "edits": [[7, 1, 2, 4, 0.1]], "learning_rates": [[0, 0.3], [7, 0.01], [9, 0.1]]}, 21),
}


@pytest.mark.parametrize(("settings", "steps"), VARIANTS.values(), ids=VARIANTS)
def test_the_program_trains_to_the_same_bits(ask, capsys, settings, steps):
    state = after(ask, settings, steps)
    code = ask("python", **settings, steps=steps)["code"]
    if steps == 0:
        code = code.replace("model.fit(train, validation=validation, epochs=100, batch_size=10)", "")
        assert "fit" not in code
    world: dict = {}
    exec(code, world)
    model = world["model"]
    weights = np.concatenate(
        [model.weights[f"dense{i + 1}.{name}"].ravel() for i in range(len(state["weights"])) for name in "Wb"]
    )
    assert weights.tobytes() == parameters(state).tobytes()
    assert model.evaluate(world["validation"]) == state["validation"]
    assert "training {" in capsys.readouterr().out


def test_the_program_is_readable(ask):
    code = ask("python", **{**MOONS, "regularization": "l2", "optimizer": "momentum"}, steps=14)["code"]
    assert code.splitlines()[:4] == [
        "from pellucid import (",
        "    Accuracy, Chain, CrossEntropy, Dense, Glorot, L2, SGD, Sequential, Softmax, Tanh,",
        ")",
        "from pellucid.data.planar import moons",
    ]
    assert "train, validation = moons(100, noise=0.1, seed=3).split(0.3, seed=3)" in code
    assert "    Dense(4, Glorot()), Tanh()," in code
    assert "optimizer=Chain(L2(0.001), SGD(0.3, momentum=0.9))" in code
    assert "model.fit(train, validation=validation, epochs=2, batch_size=10)" in code


def test_weights_set_during_the_training_are_part_of_it(ask):
    session = ask("start", **MOONS)["session"]
    ask("advance", session=session, steps=12)
    state = ask("advance", session=session, steps=0, edits=[[12, 1, 2, 3, 1.5], [12, 3, 0, 2, -0.25]])
    assert unpack(state["weights"][0]["W"]).reshape(2, 4)[1, 2] == 1.5
    assert unpack(state["weights"][2]["b"])[1] == -0.25
    told = after(ask, {**MOONS, "edits": [[12, 3, 0, 2, -0.25], [12, 1, 2, 3, 1.5]]}, 12)
    assert told["train"] == state["train"]
    session_after = ask("advance", session=session, steps=8)
    told = after(ask, {**MOONS, "edits": [[12, 1, 2, 3, 1.5], [12, 3, 0, 2, -0.25]]}, 20)
    assert parameters(session_after).tobytes() == parameters(told).tobytes()
    assert parameters(told).tobytes() != parameters(after(ask, MOONS, 20)).tobytes()


def test_a_regression_shows_signed_heights(ask):
    settings = {**MOONS, "data": "saddle", "noise": 0, "samples": 300, "hidden": [], "features": ["x1*x2"]}
    state = after(ask, {**settings, "learning_rates": [[0, 0.1]]}, 200)
    assert (state["train"]["r2"], state["validation"]["r2"]) == (pytest.approx(1, abs=0.01), pytest.approx(1, abs=0.01))
    x1, x2 = playground_session.grid(50).T
    shown = (unpack(state["decision"], "u1").astype(float) - 128) / 127
    np.testing.assert_allclose(shown, np.clip(x1 * x2 / 4, -1, 1), atol=0.05)
    start = ask("start", **settings)
    assert (start["regression"], start["classes"]) == (True, [])
    assert not ask("start", **MOONS)["regression"]
    points = [start["points"][name] for name in ("train", "validation")]
    x, y = (
        np.concatenate(parts) for parts in zip(*((unpack(one["x"]).reshape(-1, 2), one["y"]) for one in points), strict=True)
    )
    np.testing.assert_allclose(y, x[:, 0] * x[:, 1] / 4, atol=1e-6)


def test_the_share_of_validation_is_a_setting(ask):
    for share, sizes in ((0.1, [90, 10]), (0.8, [20, 80])):
        points = ask("start", **MOONS, validation=share)["points"]
        assert [len(points[name]["y"]) for name in ("train", "validation")] == sizes


def test_the_points_are_shown_in_the_plane_whatever_the_features_are(ask):
    plain, squared = (ask("start", **MOONS, **more) for more in ({}, {"features": ["x1^2", "sin(x2)", "x1*x2"]}))
    assert squared["points"] == plain["points"]
    assert unpack(squared["weights"][0]["W"]).shape == (3 * 4,)


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("data", ["blobs", "ripples"])
def test_losses_of_many_parameters_are_those_of_the_model(activation, data):
    session = playground_session.Session(settings({**MOONS, "data": data, "activation": activation}))
    model, vectors = session.model, np.random.default_rng(2).normal(0, 2, (4, session.model.parameters.size)).astype(np.float32)
    losses = playground_surface._losses(model, activation, session.train, vectors)
    for vector, loss in zip(vectors, losses, strict=True):
        model.parameters[...] = vector
        assert model.evaluate(session.train)["loss"] == pytest.approx(loss, rel=1e-4)


def test_the_loss_surface_surrounds_the_path():
    """With two parameters, the plane of the surface contains all of them."""
    session = playground_session.Session(settings({**MOONS, "data": "plane", "features": ["x1"], "hidden": []}))
    while session.step < 20:
        session.advance(20 - session.step)
    surface, path, current = session.surface(), np.array(session.path.parameters), session.model.parameters.copy()
    assert surface.steps == [*range(21), 20]
    places = np.array(surface.path)
    np.testing.assert_allclose(places[-1], 0, atol=1e-7)
    np.testing.assert_allclose(
        np.linalg.norm(np.diff(places[:-1], axis=0), axis=1), np.linalg.norm(np.diff(path, axis=0), axis=1), rtol=1e-4
    )
    left, right, bottom, top = surface.extent
    assert left < places[:, 0].min() < places[:, 0].max() < right
    assert bottom < places[:, 1].min() < places[:, 1].max() < top
    directions = np.linalg.lstsq(places[:-1], path - current)[0]
    for (row, column), place in {
        (0, 0): (left, bottom),
        (0, -1): (right, bottom),
        (-1, 0): (left, top),
        (-1, -1): (right, top),
    }.items():
        session.model.parameters[...] = current + place @ directions
        assert surface.heights[row, column] == pytest.approx(session.model.evaluate(session.train)["loss"], rel=1e-3)
    assert sum(surface.shares) == pytest.approx(1)


def test_the_loss_surface_does_not_depend_on_the_requests(ask):
    surfaces = []
    for chunk in (200, 7, 31):
        session, step = ask("start", **MOONS)["session"], 0
        while step < 90:
            step = ask("advance", session=session, steps=min(chunk, 90 - step))["step"]
        surfaces.append(ask("surface", session=session))
    assert surfaces[0] == surfaces[1] == surfaces[2]
    assert surfaces[0]["steps"] == [*range(0, 91, 2), 90]  # more than MAX_POINTS steps: every second one
    assert unpack(surfaces[0]["heights"]).shape == (playground_surface.SIZE**2,)


def test_weights_set_by_hand_are_a_corner_of_the_path(ask):
    edits = [[12, 1, 2, 3, 1.5], [12, 3, 0, 2, -0.25]]
    surfaces = []
    for before, requests in ((edits, []), ([], edits)):
        session = ask("start", **MOONS, edits=before)["session"]
        ask("advance", session=session, steps=12)
        for edit in requests:
            ask("advance", session=session, steps=0, edits=[edit])
        ask("advance", session=session, steps=3)
        surfaces.append(ask("surface", session=session))
    assert surfaces[0] == surfaces[1]
    assert surfaces[0]["steps"] == [*range(13), 12, 13, 14, 15, 15]


def test_without_a_path_there_is_no_loss_surface(ask):
    state = ask("start", **MOONS)
    assert ask("surface", session=state["session"]) == {"path": []}
    state = ask("start", **{**MOONS, "activation": "relu", "learning_rates": [[0, 1000]]})
    while not ask("advance", session=state["session"], steps=200)["diverged"]:
        pass
    assert ask("surface", session=state["session"]) == {"path": []}


def test_the_order_in_which_features_are_chosen_does_not_count(ask):
    one, other = (after(ask, {**MOONS, "features": names}, 7) for names in (["x2", "x1*x2", "x1"], ["x1*x2", "x1", "x2"]))
    assert parameters(one).tobytes() == parameters(other).tobytes()


@pytest.mark.parametrize(
    ("name", "source"), [("l1", "Chain(L1(0.01), SGD"), ("l2", "Chain(L2(0.01), SGD"), ("decay", "Chain(Decay(0.01), SGD")]
)
def test_the_regularizations(ask, name, source):
    assert source in ask("python", **{**MOONS, "regularization": name, "strength": 0.01})["code"]


def test_divergence_is_reported(ask):
    session = ask("start", **{**MOONS, "activation": "relu", "learning_rates": [[0, 1000]]})["session"]
    state = ask("advance", session=session, steps=200)
    assert "learning rate" in state["diverged"]
    assert 0 < state["step"] < 200
    assert ask("advance", session=session, steps=20) == state


def test_a_long_advance_is_answered_in_time(ask, monkeypatch):
    session = ask("start", **MOONS)["session"]
    monkeypatch.setattr(playground_session, "MAX_SECONDS", 0.0)
    assert ask("advance", session=session, steps=200)["step"] == 0


def test_the_least_recently_used_session_is_dropped():
    sessions = playground_session.Sessions(limit=2)
    one, two = (playground_session.Session(settings(MOONS)) for _ in range(2))
    names = [sessions.add(one), sessions.add(two)]
    assert sessions.get(names[0]) is one
    sessions.add(playground_session.Session(settings(MOONS)))
    assert sessions.get(names[0]) is one
    with pytest.raises(NotFoundError):
        sessions.get(names[1])
    with pytest.raises(NotFoundError):
        two.advance(1)


def test_requests_for_one_session_take_turns(ask):
    session = ask("start", **MOONS)["session"]
    with ThreadPoolExecutor(8) as pool:
        states = list(pool.map(lambda _: ask("advance", session=session, steps=5), range(8)))
    assert sorted(state["step"] for state in states) == [5 * i for i in range(1, 9)]


def test_an_unknown_session_is_not_found(client):
    answer = client.post("/api/playground/advance", json={"session": "x", "steps": 1})
    assert answer.status_code == 404
    assert "start it again" in answer.json()["error"]


def settings(fields):
    return PlaygroundSettings.of(RequestFields(fields))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"data": "moon"}, "did you mean 'moons'"),
        ({"samples": 1001}, "samples must be"),
        ({"noise": -0.1}, "noise must be"),
        ({"hidden": [4] * 7}, "at most 6 layers"),
        ({"hidden": [17]}, "1 to 16 units"),
        ({"hidden": [True]}, "1 to 16 units"),
        ({"activation": "softmax"}, "no activation"),
        ({"learning_rates": []}, "an entry for step 0"),
        ({"learning_rates": [[1, 0.1]]}, "an entry for step 0"),
        ({"learning_rates": [[0, 0]]}, "a learning rate must be"),
        ({"learning_rates": [[0, 1, 2]]}, "a learning rate must be"),
        ({"learning_rates": 0.1}, "an entry for step 0"),
        ({"batch_size": 0.5}, "batch size must be"),
        ({"regularization": "l3"}, "did you mean 'l2'"),
        ({"data": "user"}, "points must be a list of 4"),
        ({"data": "user", "points": [[0, 0, 0]] * 1001}, "to 1,000"),
        ({"data": "user", "points": [[0, 0, 0]] * 4}, "one class"),
        ({"data": "user", "points": [[0, 0, 4]] * 4}, "from 0 to 3"),
        ({"data": "user", "points": [[0, 0, 0.5]] * 4}, "from 0 to 3"),
        ({"data": "user", "points": [[0, 3.1, 1]] * 4}, "from -3 to 3"),
        ({"data": "user", "points": [[0, True, 1]] * 4}, "a point must be"),
        ({"data": "user", "points": ["abc"] * 4}, "a point must be"),
        ({"colour": "red"}, "unknown field"),
        ({"validation": 0.95}, "validation must be"),
        ({"features": []}, "at least one of x1, x2"),
        ({"features": ["x1", "x3"]}, "at least one of x1, x2"),
        ({"edits": [[0, 1, 1, 1, 0.5]] * 101}, "at most 100"),
        ({"edits": [[-1, 1, 1, 1, 0.5]]}, "set by hand must be"),
        ({"edits": [[0, 1, 1, 1]]}, "set by hand must be"),
        ({"edits": [[0, 1, 1, 1.5, 1]]}, "set by hand must be"),
        ({"edits": [[0, 1, 1, 1, 1001]]}, "a value from -1000 to 1000"),
        ({"edits": [[0, 0, 1, 1, 1]]}, "no weight from 1 to unit 1 of layer 0"),
        ({"edits": [[0, 4, 1, 1, 1]]}, "no weight from 1 to unit 1 of layer 4"),
        ({"edits": [[0, 1, 3, 1, 1]]}, "no weight from 3"),
        ({"edits": [[0, 3, 1, 3, 1]]}, "to unit 3 of layer 3"),
        ({"edits": [[0, 3, 1, 0, 1]]}, "to unit 0 of layer 3"),
    ],
)
def test_invalid_settings_have_an_error_message(client, change, message):
    answer = client.post("/api/playground/start", json={**MOONS, **change})
    assert answer.status_code == 400
    assert message in answer.json()["error"]
