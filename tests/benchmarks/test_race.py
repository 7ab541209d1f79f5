"""The race: learning rates, marks, and that both sides train the same network."""

from __future__ import annotations

import importlib

import pytest

from benchmarks import race
from pellucid.presets import PRESETS


def test_every_step_has_the_schedules_rate():
    rates = race.rates(2, 10)
    peak = PRESETS[race.PRESET].optimizer.learning_rate.peak
    assert len(rates) == 20
    assert rates[0] == pytest.approx(peak / 25)
    assert max(rates) == pytest.approx(peak)
    assert rates.index(max(rates)) == 4  # a fifth of the way
    assert rates[-1] < peak / 50


def test_the_table():
    def run(*marks):
        return {"marks": [{"epoch": i, "seconds": seconds, "accuracy": share} for i, (seconds, share) in enumerate(marks)]}

    first, second = run((2.0, 0.975), (4.0, 0.99), (6.0, 0.991)), run((3.0, 0.96), (5.0, 0.985), (7.0, 0.9895))
    assert race.reached(first, 0.98) == 4.0
    assert race.reached(second, 0.99) is None
    line = race.table({"us": [first, second]}).splitlines()[-1]
    assert line == "| us | 3.5 s (2.0 to 5.0) | 4.5 s (4.0 to 5.0) | 1 of 2 seeds, 4.0 s | 6.5 s | 99.03 (98.95 to 99.10) |"


def test_pytorchs_network_is_the_preset():
    pytest.importorskip("torch", reason="PyTorch is a peer of the benchmarks, not of the tests")
    network = importlib.import_module("benchmarks.racers.torch").network()
    preset = PRESETS[race.PRESET].network(10).compile((28, 28, 1), importlib.import_module("pellucid").CrossEntropy())
    assert sum(one.numel() for one in network.parameters()) == preset.parameter_count
