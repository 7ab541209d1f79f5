"""Time to accuracy and energy: the task, the checkpoints, the tables, and whether the trained networks are the presets."""

from __future__ import annotations

import dataclasses
import importlib
import json

import numpy as np
import pytest

from benchmarks import energy, time_to_accuracy
from benchmarks.contenders.conv.pellucid import build_model
from benchmarks.energy import Quantity
from benchmarks.networks import TIMED
from benchmarks.trainers import Checkpoints, shuffled_batches
from pellucid import Adam, CrossEntropy
from pellucid.core.config import to_json
from pellucid.runs.presets import PRESETS


@pytest.fixture
def rows(tmp_path):
    np.save(tmp_path / "rows.npy", np.arange(95))
    return str(tmp_path / "rows.npy")


def test_every_step_has_the_rate_of_the_schedule():
    optimizer = PRESETS[time_to_accuracy.PRESET].optimizer
    rates, peak = time_to_accuracy.rates(optimizer, 2, 10), optimizer.learning_rate.peak
    assert len(rates) == 20
    assert rates[0] == pytest.approx(peak / 25)
    assert 0.99 * peak < max(rates) < peak
    assert rates.index(max(rates)) == 4  # the peak itself is at a fifth of the 19 intervals
    assert rates[-1] == pytest.approx(peak / 250_000)
    assert time_to_accuracy.rates(Adam(0.5), 2, 3) == [0.5] * 6


def test_checkpoints_are_spread_over_the_whole_training(rows, capsys):
    task = time_to_accuracy.training_task("mlp", Adam(0.001), 2, 10, 0, "nowhere", rows, checkpoints=2)
    assert len(task.rates) == 20  # ten batches per epoch, the last one with five images
    assert task.checkpoints == [5, 10, 15, 20]
    checkpoints = Checkpoints(dataclasses.replace(task, began=0.0))
    for step in range(1, 21):
        checkpoints.after_step(step, lambda step=step: step)
    trained = json.loads(capsys.readouterr().out)  # printed before the checkpoints are evaluated
    assert trained["seconds"] > 0
    assert trained["core_seconds"] > 0
    checkpoints.report_accuracies(lambda step: step / 20)
    found = json.loads(capsys.readouterr().out)["checkpoints"]
    assert [one["accuracy"] for one in found] == [0.25, 0.5, 0.75, 1.0]
    assert [one["epoch"] for one in found] == [0.5, 1.0, 1.5, 2.0]


def test_a_failed_trainer_is_reported_with_its_error(rows):
    with pytest.raises(SystemExit, match=r"No module named benchmarks\.trainers\.nobody"):
        time_to_accuracy.run(
            "nobody", time_to_accuracy.training_task("mlp", Adam(0.001), 1, 10, 0, "nowhere", rows, checkpoints=1)
        )
    with pytest.raises(SystemExit, match="nowhere"):
        time_to_accuracy.run(
            "pellucid", time_to_accuracy.training_task("mlp", Adam(0.001), 1, 10, 0, "nowhere", rows, checkpoints=1)
        )


def test_a_folder_without_mnist_is_an_error(tmp_path):
    with pytest.raises(SystemExit, match="contains no train-labels-idx1-ubyte"):
        time_to_accuracy.training_rows(str(tmp_path), str(tmp_path))


def test_every_image_occurs_once():
    batches = shuffled_batches(np.random.default_rng(0), 95, 10)
    assert [len(batch) for batch in batches] == [10] * 9 + [5]
    assert sorted(np.concatenate(batches)) == list(range(95))


def test_the_table():
    def run(*checkpoints):
        return {
            "checkpoints": [
                {"epoch": i, "seconds": seconds, "accuracy": accuracy} for i, (seconds, accuracy) in enumerate(checkpoints)
            ]
        }

    first, second = run((2.0, 0.975), (4.0, 0.99), (6.0, 0.991)), run((3.0, 0.96), (5.0, 0.985), (7.0, 0.9895))
    assert time_to_accuracy.seconds_to(0.98, first) == 4.0
    assert time_to_accuracy.seconds_to(0.99, second) is None
    line = time_to_accuracy.table({"us": [first, second]}).splitlines()[-1]
    assert line == "| us | 3.5 s (2.0 to 5.0) | 4.5 s (4.0 to 5.0) | 1 of 2 seeds, 4.0 s | 6.5 s | 99.03 (98.95 to 99.10) |"


@pytest.mark.parametrize("network", ["cnn-fast", "mlp", "mlp-d8"])
def test_the_networks_are_those_of_the_presets(network):
    def shape(layer):
        plain = to_json(layer)
        plain.pop("init", None)  # all libraries start from the same weights
        if plain.get("padding") in ("valid", "same"):
            plain["padding"] = (plain["kernel_size"] - 1) // 2 if plain["padding"] == "same" else 0
        return plain

    preset = PRESETS[network].network(10).compile((28, 28, 1), CrossEntropy())
    assert list(map(shape, build_model(network).network.layers)) == list(map(shape, preset.network.layers))


@pytest.mark.parametrize("network", [*TIMED, "cnn-fast", "mlp"])
def test_the_network_in_pytorch_has_the_same_number_of_parameters(network):
    torch = pytest.importorskip("torch", reason="PyTorch is a peer of the benchmarks, not of the tests")
    model = importlib.import_module("benchmarks.contenders.conv.torch").build_model(network, torch.contiguous_format, seed=1)
    assert sum(one.numel() for one in model.parameters()) == build_model(network).parameter_count


def test_the_ratio_to_pytorch_is_that_of_its_better_layout():
    def runs(*seconds):
        return [{"checkpoints": [{"epoch": 1, "seconds": one, "accuracy": 0.99}]} for one in seconds]

    results = {"pellucid": runs(2.0, 3.0, 9.0), "torch": runs(9.0), "torch-channels-last": runs(6.0), "jax": runs(1.0)}
    assert time_to_accuracy.against_pytorch(results) == "Time to 99 %, torch-channels-last / pellucid: 2.00"
    unreached = [{"checkpoints": [{"epoch": 1, "seconds": 1.0, "accuracy": 0.98}]}]
    assert time_to_accuracy.against_pytorch(results | {"pellucid": runs(2.0) + unreached}) is None
    assert time_to_accuracy.against_pytorch({"pellucid": runs(2.0)}) is None


def test_seeds_give_different_weights():
    first, again, second = build_model("mlp-d8", seed=1), build_model("mlp-d8", seed=1), build_model("mlp-d8", seed=2)
    assert np.array_equal(first.parameters, again.parameters)
    assert not np.array_equal(first.parameters, second.parameters)


def test_carbon_is_energy_times_intensity_with_both_ranges():
    used = Quantity(3.6e6, 1.8e6, 7.2e6, "measured", "a meter")
    grams = energy.carbon(used, Quantity(500.0, 100.0, 700.0, "estimated", "a table"))
    assert (grams.value, grams.low, grams.high) == pytest.approx((500.0, 50.0, 1400.0))
    assert (grams.how, grams.source) == ("estimated", "a table")


def test_scikit_learn_has_no_convolution():
    assert energy.supports("sklearn", "mlp")
    assert not energy.supports("sklearn", "lenet")
    assert energy.supports("pellucid", "lenet")


def test_energy_has_a_range_and_a_source():
    def run(seconds, joules):
        used = Quantity(joules, joules / 2, 2 * joules, "estimated", "CodeCarbon: by the load")
        grams = energy.carbon(used, Quantity(360.0, 36.0, 720.0, "estimated", "a table of countries"))
        quantities = {"energy": dataclasses.asdict(used), "co2": dataclasses.asdict(grams)}
        return {"seconds": seconds, "core_seconds": seconds * 2, "accuracy": 0.99, **quantities}

    results = {"lenet": {"pellucid": [run(1.0, 1000.0), run(3.0, 3000.0), run(2.0, 2000.0)], "sklearn": []}}
    ours, theirs = energy.table(results).splitlines()[-2:]
    assert "2.0 (1.0 to 3.0)" in ours
    assert "2000 J (1000 to 4000), estimated" in ours
    assert "200 mg (10 to 800), estimated" in ours
    assert "no convolution" in theirs
    assert energy.provenance(results).splitlines() == ["- energy: CodeCarbon: by the load", "- CO₂: a table of countries"]
