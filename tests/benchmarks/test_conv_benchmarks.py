"""The benchmarks of convolutional networks without the peers: costs, the reference, and the checks of contenders."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from itertools import count
from typing import Any

import numpy as np
import pytest

from benchmarks import limits, network_jobs, networks, reference
from benchmarks.cases import conv_predict, conv_step, positions_step, roofline
from benchmarks.cases.memory import add_rows
from benchmarks.contenders import contender
from benchmarks.contenders.conv import pellucid as ours
from benchmarks.harness import Case, Settings
from benchmarks.jobs import Job, fastest_combination, loss_falls, runs_per_burst
from benchmarks.network_jobs import Learner, check_learner, chunk_sizes, in_chunks, matches_reference
from benchmarks.networks import NETWORKS, TIMED, Conv, Dense, Norm, Residual, cost, count as layers_of
from benchmarks.results import Cell, Result, Row


def test_costs_by_hand() -> None:
    one = cost((Conv(3, 5, stride=2, padding=1), networks.MaxPool(), networks.Flatten(), Dense(4)), (10, 10, 2))
    assert one.shape == (4,)  # 10 -> 4 -> 2, so that the dense layer has 2·2·3 inputs
    assert one.multiply_adds == 4 * 4 * 25 * 2 * 3 + 12 * 4
    assert one.parameters == ((5, 5, 2, 3), (3,), (12, 4), (4,))
    assert networks.cost_of("lenet").multiply_adds == 24 * 24 * 25 * 8 + 8 * 8 * 25 * 8 * 16 + 256 * 64 + 64 * 10


def test_costs_of_networks_with_an_answer_at_each_position() -> None:
    one = cost((networks.Conv1d(4, 3, 2), networks.Lstm(5, every_step=True), Dense(2)), (7, 3))
    assert one.shape == (7, 2)
    assert one.multiply_adds == 7 * (3 * 3 * 4 + 4 * 5 * (4 + 5) + 5 * 2)
    assert one.parameters == ((3, 3, 4), (4,), (4, 20), (5, 20), (20,), (5, 2), (2,))
    skip = cost((networks.Skip((networks.MaxPool(), Conv(6, 1), networks.Upsample())),), (4, 4, 2))
    assert (skip.shape, skip.multiply_adds) == ((4, 4, 2 + 6), 2 * 2 * 2 * 6)
    assert networks.cost_of("unet").shape == (32, 32, 3)
    for x, y in network_jobs.cyclic_batches(2, "unet"):
        assert (x.shape, y.shape) == ((2, 28, 28, 1), (2, 32, 32))


def test_a_block_with_another_shape_than_its_shortcut_is_an_error() -> None:
    with pytest.raises(ValueError, match="cannot be added"):
        cost((Residual((Conv(3, 1),)),), (4, 4, 2))


@pytest.mark.parametrize(("network", "parameters"), [("keras-example", 34_826), ("pytorch-example", 1_199_882)])
def test_networks_have_the_known_number_of_parameters(network: str, parameters: int) -> None:
    assert cost(NETWORKS[network]).parameter_count == parameters


@pytest.mark.parametrize("network", NETWORKS)
def test_pellucid_has_the_same_counts_and_outputs_as_the_reference(network: str) -> None:
    layers, costs = NETWORKS[network], networks.cost_of(network)
    model = ours.build_model(network)
    assert model.parameter_count == costs.parameter_count
    assert model.multiply_adds == costs.multiply_adds
    weights = reference.weights(layers, input_shape=networks.input_shape(network))
    assert sum(values.size for values in weights) == model.parameter_count
    x = network_jobs.cyclic_batches(3, network)[0][0]
    np.testing.assert_allclose(model.predict(x), reference.softmax(reference.logits(layers, x)), atol=1e-4)


@pytest.mark.parametrize("network", NETWORKS)
def test_pellucid_passes_its_own_checks(network: str) -> None:
    batch = network_jobs.cyclic_batches(8, network)[0]
    check_learner(network, ours.learner(network), batch)
    assert len(ours.learner(network).running()) == 2 * layers_of(NETWORKS[network], Norm)


def fake(losses: Iterator[float], network: str = "lenet", **changes: Any) -> Learner:
    """A learner with the given losses."""
    parameters = cost(NETWORKS[network]).parameter_count
    learner = Learner(lambda x, y: next(losses), parameters, lambda: None, lambda values: None, lambda: [])
    return replace(learner, **changes)


def test_the_check_of_learners_finds_omissions() -> None:
    x, y = network_jobs.cyclic_batches(4)[0]
    right = reference.loss(NETWORKS["lenet"], x, y)
    check_learner("lenet", fake(iter([right, right])), (x, y))
    with pytest.raises(RuntimeError, match="its first loss is"):
        check_learner("lenet", fake(iter([2 * right, 2 * right])), (x, y))
    with pytest.raises(RuntimeError, match="and then of"):
        check_learner("lenet", fake(iter([right, 2 * right])), (x, y))
    with pytest.raises(RuntimeError, match="it has 7 parameters instead of"):
        check_learner("lenet", fake(iter([right, right]), parameters=7), (x, y))
    with pytest.raises(RuntimeError, match="no dropout"):
        check_learner("keras-example", fake(iter([2.0, 2.0]), "keras-example"), (x, y))
    check_learner("keras-example", fake(iter([2.0, 2.1]), "keras-example"), (x, y))


def test_running_statistics_must_change() -> None:
    moved, still = np.array([0.5, 1.0]), np.zeros(2)
    wanted = 2 * layers_of(NETWORKS["resnet-small"], Norm)
    check = network_jobs._and_statistics_move("resnet-small", loss_falls(), fake(iter(()), running=lambda: [moved] * wanted))
    assert check([2.0], [1.0]).endswith("running statistics change")
    for running in ([moved] * (wanted - 1), [*[moved] * (wanted - 1), still], [*[moved] * (wanted - 1), still * math.nan]):
        check = network_jobs._and_statistics_move(
            "resnet-small", loss_falls(), fake(iter(()), running=lambda running=running: running)
        )
        with pytest.raises(RuntimeError, match=f"{wanted} running means"):
            check([2.0], [1.0])


def test_predictions_must_match_the_reference() -> None:
    right = reference.softmax(reference.logits(NETWORKS["lenet"], network_jobs.inputs(6)))
    check = matches_reference("lenet", 6, network_jobs.concatenated())
    assert "equal to the reference" in check([], [[right[:4], right[4:]]])
    with pytest.raises(RuntimeError, match="differ by"):
        check([], [[right[::-1]]])


def test_many_samples_are_predicted_in_chunks() -> None:
    assert chunk_sizes(128) == {"": 128}
    assert chunk_sizes(300) == {"": 300}
    assert list(chunk_sizes(10_000).values()) == [10_000, 250]
    assert [len(part) for part in in_chunks(np.zeros((600, 2)), 250)] == [250, 250, 100]


def test_choices_are_settled_one_after_the_other() -> None:
    model: list[tuple[int, int]] = []

    def make(size: int, times: int) -> Job:
        model.append((size, times))
        losses = count(10**9, -1)
        return Job(lambda: (sum(range(size * times)), next(losses))[1], loss_falls())

    job = fastest_combination(make, size={"big": 300_000, "small": 300}, times={"": 1, "thrice": 3000})
    assert job.variant == "small"
    assert model == [(300_000, 1), (300, 1), (300, 3000)]


def test_a_run_of_many_bursts_is_timed_once() -> None:
    runs = count()
    assert runs_per_burst(Job(lambda: [next(runs), sum(range(100_000))], loss_falls()), burst=1e-6) == 1
    assert next(runs) == 1


@pytest.mark.parametrize("case", [conv_step.CASE, conv_predict.CASE, positions_step.CASE])
def test_each_row_has_its_own_workload(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Any] = []

    def measure(case: Case, workloads: Any, settings: Settings, products: Any) -> Result:
        seen.extend(workloads)
        assert products.arguments == {"side": 1000}
        return Result("", "", [Row(workload.label, "ms", {"pellucid": Cell([1.0])}) for workload in workloads])

    levels = (limits.Level("memory", math.inf, 1e18, 1e18, 1e18, 1e18),)
    monkeypatch.setattr(roofline.harness, "measure", measure)
    monkeypatch.setattr(limits, "measured", lambda: limits.Limits(1e12, 1000, 2, levels))
    result = case.run(case, Settings())
    counts = {"conv-step": 2 * len(TIMED), "conv-predict": 3 * len(TIMED), "positions-step": 2 * len(networks.AT_POSITIONS)}
    assert len({workload.label for workload in seen}) == len(seen) == counts[case.name]
    for row, work in zip(result.rows, seen, strict=True):
        make = limits.step_work if "batch" in work.arguments else limits.prediction_work
        passes = make(work.arguments["network"], work.arguments.get("batch") or work.arguments["samples"])
        assert row.share("pellucid") == pytest.approx(sum(one.flop for one in passes) / 1e9)  # without transfers


def test_memory_above_numpy() -> None:
    case = Case("m", "", (contender("numpy", baseline=True), contender("torch")), lambda case, settings: Result("", ""))
    result = Result("m", "")
    add_rows(result, "peak", {"numpy": [30.0, 31.0, 32.0], "torch": [100.0]}, case)
    peaks, above = result.rows
    assert peaks.baselines == ("numpy",)
    assert list(above.cells) == ["torch"]
    assert above.cells["torch"].values == [69.0]
