"""Corrections are learned by the last layer within a second, nothing else is forgotten, and all of it can be undone."""

from __future__ import annotations

import numpy as np
import pytest

from pellucid import ConfigError, CrossEntropy, Dense, Flatten, Sequential, Softmax
from pellucid.app import adaptation
from pellucid.app.adaptation import Adaptation, Replay
from pellucid.app.networks import Networks
from pellucid.data import digit
from pellucid.data.drawings.strokes import CLASSES, NO_DIGIT
from tests.app.conftest import SEVEN, ZERO

GAMMA = [[[0, 90], [0, 0], [50, 0]]]  # read as something else than a 4
CUP = [[[10, 20], [17, 100], [73, 100], [80, 20], [10, 20]], [[80, 35], [100, 40], [98, 65], [77, 70]]]


@pytest.fixture(scope="module")
def networks():
    networks = Networks()
    networks.add_pair()
    return networks


def labels(networks, strokes):
    return [network.predict(digit(strokes)[None])["label"] for network in networks.select(None)]


def test_corrections_are_learned_and_nothing_else_changes(networks):
    before = labels(networks, GAMMA)
    assert "4" not in before
    effects = networks.adapt([{"strokes": GAMMA, "label": "4"}, {"strokes": CUP, "label": NO_DIGIT}])
    assert labels(networks, GAMMA) == ["4", "4"]
    assert labels(networks, CUP) == [NO_DIGIT] * 2
    assert (labels(networks, SEVEN), labels(networks, ZERO)) == (["7", "7"], ["0", "0"])
    for effect in effects.values():
        assert effect.corrections[0] < effect.corrections[1] == 1
        assert effect.others[0] > 0.97
        assert effect.others[1] > effect.others[0] - 0.02
    networks.adapt([{"strokes": CUP, "label": NO_DIGIT}])
    assert labels(networks, GAMMA) == before, "each adaptation starts from the package"
    networks.adapt([])
    assert labels(networks, GAMMA) == before


def test_the_same_corrections_give_the_same_bits(networks):
    network = networks.select(None)[0]
    one = Adaptation(network.model, Replay.of_package())
    first, second = (one.learn([{"strokes": GAMMA, "label": "4"}])[0] for _ in range(2))
    np.testing.assert_array_equal(first.parameters, second.parameters)
    changed = {path for path, array in first.weights.items() if (array != network.model.weights[path]).any()}
    assert changed == {f"{one.last}.W", f"{one.last}.b"}


def test_many_corrections_do_not_outweigh_the_replay_set(networks):
    one = Adaptation(networks.select(None)[0].model, Replay.of_package())
    _, effect = one.learn([{"strokes": GAMMA, "label": "4"}] * (adaptation.MAX_CORRECTIONS + 5))
    assert effect.others[1] > effect.others[0] - 0.03


def test_other_networks_are_refused_and_left_alone(trained_runs):
    for last in (Dense(10), Dense(11)):
        model = Sequential(Flatten(), last, Softmax()).compile((28, 28, 1), CrossEntropy())
        with pytest.raises(ConfigError, match="only networks for drawings"):
            Adaptation(model, Replay.of_package())
    networks = Networks()
    networks.add(trained_runs[0])
    model = networks.select(None)[0].model
    assert networks.adapt([{"strokes": SEVEN, "label": "1"}]) == {}
    assert networks.select(None)[0].model is model
    assert CLASSES[7] == "7"
