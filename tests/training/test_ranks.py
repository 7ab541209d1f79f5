"""Ranks: sums by a balanced tree, batches in parts, calls that all ranks make together, and what happens when one fails.

Most tests run the ranks as threads of this process, with a communicator that has the few methods of mpi4py's that are used. The
tests at the end start real ranks with mpiexec.
"""

from __future__ import annotations

import contextlib
import copy
import functools
import importlib.util
import json
import math
import os
import signal
import subprocess
import sys
import textwrap
import threading
import types
from pathlib import Path

import numpy as np
import pytest

import pellucid
from pellucid import (
    LBFGS,
    SGD,
    Accuracy,
    Adam,
    BatchNorm,
    ConfigError,
    CrossEntropy,
    DataError,
    Dense,
    DivergedError,
    Dropout,
    FileError,
    Flatten,
    Layer,
    LayerSpec,
    MeanSquaredError,
    Perturbation,
    ReLU,
    Sequential,
    Softmax,
    Triplet,
    Zeros,
)
from pellucid.core import launcher
from pellucid.data import mnist
from pellucid.data.sources.idx import read_idx, write_idx
from pellucid.runs.energy import Energy
from pellucid.runs.folder import RunFolder
from pellucid.training import Checkpoint, Control, FitOptions, StepEvent, ranks, threads
from pellucid.training.parts import PARTS, PartedStep, Parts, Shards
from pellucid.training.progress import agreed_signal
from pellucid.training.ranks import ALONE, RankGroup, balanced_sum
from pellucid.training.state import ModelState
from pellucid.training.step import GradientStep
from tests.training.rank_families import FAMILIES, LABELS, VALUES, trained

ROOT = Path(__file__).parents[2]


class World:
    """What the threads that take the place of ranks share."""

    def __init__(self, size):
        self.size, self.barrier, self.values = size, threading.Barrier(size), [None] * size

    def all(self, rank, value):
        """Return the values of all ranks."""
        self.values[rank] = value
        self.barrier.wait()
        values = list(self.values)
        self.barrier.wait()
        return values


class Comm:
    """A communicator of threads, with the methods of mpi4py's that ranks use."""

    def __init__(self, world, rank):
        self.world, self.rank = world, rank

    def Get_rank(self):
        return self.rank

    def Get_size(self):
        return self.world.size

    def Allgather(self, own, rows):
        rows[:] = np.concatenate(self.world.all(self.rank, own.copy()))

    def Allgatherv(self, own, received):
        rows, sizes = received
        parts = self.world.all(self.rank, own.copy())
        assert [len(part) for part in parts] == list(sizes)
        rows[:] = np.concatenate(parts)

    def Alltoallv(self, sent, received):
        messages = self.world.all(self.rank, np.split(sent[0].copy(), np.cumsum(sent[1])[:-1]))
        received[0][:] = np.concatenate([one[self.rank] for one in messages])

    def Sendrecv(self, sent, dest, recvbuf, source):
        recvbuf[:] = self.world.all(self.rank, (dest, sent.copy()))[source][1]

    def allgather(self, value):
        return copy.deepcopy(self.world.all(self.rank, copy.deepcopy(value)))

    def bcast(self, value, root):
        return copy.deepcopy(self.world.all(self.rank, copy.deepcopy(value))[root])


def on_ranks(size, function):
    """Call ``function(group)`` on ``size`` ranks, each in a thread, and return the results. Raises the first error."""
    world, results, errors = World(size), [None] * size, []

    def run(rank):
        group = RankGroup(Comm(world, rank))
        ranks._current.set(group)  # of this thread only
        try:
            results[rank] = function(group)
        except BaseException as error:
            errors.append(error)
            world.barrier.abort()

    started = [threading.Thread(target=run, args=(rank,)) for rank in range(size)]
    for thread in started:
        thread.start()
    for thread in started:
        thread.join()
    errors.sort(key=lambda error: isinstance(error, threading.BrokenBarrierError))
    if errors:
        raise errors[0]
    return results


def same(values):
    """Return the value that all ranks have."""
    first = json.dumps(values[0])
    assert all(json.dumps(one) == first for one in values[1:])
    return values[0]


# -- sums and other messages --------------------------------------------------------------------------------------


def test_a_balanced_sum_adds_neighbours_first():
    rows = [np.float32([value]) for value in (1e8, 1.0, -1e8, 1.0)]
    assert balanced_sum([row.copy() for row in rows])[0] == 0.0, "(1e8 + 1) + (−1e8 + 1) in float32"
    assert balanced_sum([row.copy() for row in rows[:3]])[0] == 0.0, "(1e8 + 1) − 1e8"
    branches = [rows[0].copy(), rows[1].copy(), rows[2] + rows[3]]
    assert balanced_sum(branches, [1, 1, 2])[0] == 0.0


@pytest.mark.parametrize("size", [1, 2, 3, 4, 5, 8])
@pytest.mark.parametrize("length", [0, 1, 7, 4_097, 9_001])
def test_every_rank_gets_the_bits_of_the_balanced_tree(size, length):
    rows = np.random.default_rng(length).normal(size=(size, length)).astype(np.float32)
    expected = balanced_sum(list(rows.copy()))
    for total in on_ranks(size, lambda group: group.all_sum(rows[group.rank])):
        np.testing.assert_array_equal(total, expected)


def test_the_tree_over_parts_does_not_depend_on_the_number_of_ranks():
    rows = np.random.default_rng(0).normal(size=(4, 9_001)).astype(np.float32)
    expected = balanced_sum(list(rows.copy()))
    for size in (1, 2, 3, 4):

        def total(group):
            parts = Parts.of(group, deterministic=True)
            own = balanced_sum([rows[part].copy() for part in parts.own])
            return group.all_sum(own.reshape(1, -1), parts.widths)

        for one in on_ranks(size, total):
            np.testing.assert_array_equal(one, expected[np.newaxis])


def test_the_parts_of_one_process_add_up_by_the_same_tree():
    shards, totals = Shards(4), [None] * 4
    rows = [np.float32([value]) for value in (1e8, 1.0, -1e8, 1.0)]

    def work(k):
        totals[k] = shards.all_sum(k, rows[k]), shards.all_sum(k, np.float32([k]))

    shards.run(work)
    assert totals == [(np.float32([0.0]), np.float32([6.0]))] * 4
    np.testing.assert_array_equal(rows, [[1e8], [1.0], [-1e8], [1.0]])


def test_ranks_exchange_arrays_of_different_lengths():
    def exchanged(group):
        shapes = [[(rank, 3), (1,)] for rank in range(3)]
        own = np.full((group.rank, 3), group.rank, np.float32), np.array([group.rank / 3])
        return [[one.tolist() for one in arrays] for arrays in group.exchange(own, shapes)]

    assert same(on_ranks(3, exchanged)) == [[[], [0.0]], [[[1.0] * 3], [1 / 3]], [[[2.0] * 3] * 2, [2 / 3]]]

    def shared(group):
        rows = np.full((4, 2), -1, np.float32)
        bounds = [0, 1, 1, 4]
        rows[bounds[group.rank] : bounds[group.rank + 1]] = group.rank
        group.share_rows(rows, bounds)
        return rows[:, 0].tolist()

    assert same(on_ranks(3, shared)) == [0.0, 2.0, 2.0, 2.0]


def test_an_error_of_rank_0_is_raised_on_all():
    calls = []

    def caught(group):
        with pytest.raises(FileError, match="disk"):
            group.from_first(lambda: calls.append(group.rank) or _raise(FileError("no disk")))
        return group.from_first(lambda: group.rank)

    assert on_ranks(3, caught) == [0, 0, 0]
    assert calls == [0]


def _raise(error):
    raise error


def test_a_process_alone_needs_no_messages():
    array = np.arange(3.0)
    np.testing.assert_array_equal(ALONE.all_sum(array), array)
    assert (ALONE.rank, ALONE.size, ALONE.gather("x"), ALONE.from_first(lambda: 5)) == (0, 1, ["x"], 5)
    ALONE.check_same({"seeds": 1}, "fit")
    ALONE.end_all(ValueError())
    with ranks.together() as group:
        assert group is ranks.current() is ALONE
    assert "mpi4py" not in sys.modules


def test_the_cores_of_a_machine_are_divided_by_the_ranks_that_share_them(monkeypatch):
    monkeypatch.setattr(threads, "_cpu_quota", lambda: None)
    eight, low, high = (frozenset(numbers) for numbers in (range(8), range(4), range(4, 8)))
    assert threads.share_of_cores(eight, [eight] * 4) == 2
    assert threads.share_of_cores(low, [low, high]) == 4, "the launcher has bound each rank to cores of its own"
    assert threads.share_of_cores(eight, [eight] * 16) == 1
    monkeypatch.setattr(threads, "_cpu_quota", lambda: 4)
    assert threads.share_of_cores(low, [low, high]) == 2, "a quota is for all processes"


def test_a_limit_of_cores_ends_with_its_block():
    before = threads.available_cores()
    with threads.limited(1):
        assert threads.available_cores() == 1
        with threads.limited(5), threads.limited(None):
            assert threads.available_cores() == 1, "a block does not raise the limit around it"
    assert threads.available_cores() == before


def test_the_launcher_is_read_from_the_environment(monkeypatch):
    for names in launcher.VARIABLES:
        for name in names:
            monkeypatch.delenv(name, raising=False)
    assert launcher.launched() is None
    assert launcher.is_first()
    monkeypatch.setenv("PMI_RANK", "0")
    monkeypatch.setenv("PMI_SIZE", "1")
    assert launcher.launched() is None, "the only rank is a process alone"
    monkeypatch.setenv("PMI_SIZE", "4")
    assert launcher.launched() == (0, 4, "PMI_RANK")
    monkeypatch.setenv("PMI_RANK", "2")
    assert not launcher.is_first()
    monkeypatch.delenv("PMI_RANK")
    monkeypatch.setenv("PMIX_RANK", "3")
    assert launcher.launched() == (3, 0, "PMIX_RANK")


def test_a_launched_process_without_mpi4py_is_told_what_to_install(monkeypatch):
    monkeypatch.setenv("PMI_RANK", "1")
    monkeypatch.setenv("PMI_SIZE", "2")
    monkeypatch.setitem(sys.modules, "mpi4py", None)
    ranks._world.cache_clear()
    with pytest.raises(ConfigError, match=r"PMI_RANK=1\), which needs mpi4py: pip install 'pellucid\[mpi\]'"), ranks.together():
        pass


class Aborting:
    """A communicator of rank 1 of 2 that remembers how the ranks were ended."""

    ended = None

    def Get_rank(self):
        return 1

    def Get_size(self):
        return 2

    def Abort(self, code):
        self.ended = code


def world_of(size, monkeypatch, launched=None):
    """Make this process look like one that an MPI launcher has started, with an mpi4py that sees ``size`` ranks."""

    class Ranks(Aborting):
        def Get_size(self):
            return size

        def Get_rank(self):
            return size - 1

        def Dup(self):
            return Ranks()

        def allgather(self, value):
            return [value] * (size - 1) + [("elsewhere", value[1])]

    mpi = types.SimpleNamespace(COMM_WORLD=Ranks(), Get_library_version=lambda: "Some MPI 1.0\nof today")
    monkeypatch.setitem(sys.modules, "mpi4py", types.SimpleNamespace(MPI=mpi))
    monkeypatch.setattr(launcher, "launched", lambda: launcher.Launch(0, size if launched is None else launched, "PMI_RANK"))
    ranks._world.cache_clear()


@pytest.fixture
def _no_world():
    yield
    ranks._world.cache_clear()


@pytest.mark.usefixtures("_no_world")
def test_a_block_on_ranks(monkeypatch):
    world_of(3, monkeypatch)
    ended = []
    monkeypatch.setattr(RankGroup, "end_all", lambda group, error: ended.append((group.rank, str(error))))
    monkeypatch.setattr(threads, "affinity", lambda: frozenset(range(8)))
    monkeypatch.setattr(threads, "_cpu_quota", lambda: None)
    monkeypatch.setattr(threads, "_allowed", threads._Allowed(1, -math.inf))
    with ranks.together("go on") as group:
        assert (group.rank, group.size, group.resume) == (2, 3, "go on")
        assert ranks.current() is group
        assert threads.available_cores() == 4, "two of the three ranks are on this machine"
    assert ranks.current() is ALONE
    assert threads.available_cores() == 8
    with pytest.raises(ValueError, match="odd"), ranks.together():
        _raise(ValueError("odd"))
    assert group.resume is None
    assert ended == [(2, "odd")]
    assert ranks.current() is ALONE


@pytest.mark.usefixtures("_no_world")
def test_a_launcher_of_another_library_is_noticed(monkeypatch):
    world_of(1, monkeypatch, launched=4)
    with (
        pytest.raises(ConfigError, match=r"has started 4 ranks, but mpi4py sees 1: .*; mpi4py uses Some MPI 1\.0; take"),
        ranks.together(),
    ):
        pass
    for size, launched, alone in ((1, 1, True), (1, 0, True), (2, 0, False), (2, 2, False)):
        world_of(size, monkeypatch, launched)
        assert (ranks._world() is ALONE) is alone


# -- batches in parts ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", FAMILIES)
def test_deterministic_trainings_have_the_same_bits_on_any_number_of_ranks(name):
    alone = json.loads(json.dumps(trained(name, deterministic=True)))
    for size in (2, 3, 4):
        assert same(on_ranks(size, lambda _: trained(name, deterministic=True))) == alone, f"{size} ranks"


@pytest.mark.parametrize("name", FAMILIES)
def test_all_ranks_have_the_same_results_without_deterministic(name):
    alone, shared = trained(name, deterministic=False), same(on_ranks(3, lambda _: trained(name, deterministic=False)))
    np.testing.assert_allclose(shared["parameters"], alone["parameters"], rtol=1e-3, atol=2e-4)
    np.testing.assert_allclose(shared["statistics"], alone["statistics"], rtol=1e-3, atol=1e-4)
    assert len(shared["history"]) == len(alone["history"])


def first_batch(model, options):
    """Return the arguments of the first step of a training: x, targets, weights, number."""
    taken = []
    step = GradientStep(model.state)

    class Taken(Exception):
        pass

    def keep(*arguments):
        taken.append(arguments)
        raise Taken

    model._trainer.__dict__["_gradient_step"] = keep
    with contextlib.suppress(Taken):
        model.fit(**{**options, "accumulate": 1}, epochs=1)
    del model._trainer.__dict__["_gradient_step"]
    return step, taken[0]


@pytest.mark.parametrize("name", [name for name in FAMILIES if name != "full_batch"])
def test_the_gradient_of_ranks_is_that_of_the_batch(name):
    model, options = FAMILIES[name]()
    step, batch = first_batch(model, options)
    loss = step(*batch)
    norm = np.linalg.norm(step.gradient)

    def differences(group):
        parted = PartedStep(model.state, Parts.of(group, deterministic=False), whole=True)
        return abs(parted(*batch) / loss - 1), float(np.linalg.norm(parted.gradient - step.gradient) / norm), parted.weight

    for size in (2, 3, 4):
        of_loss, of_gradient, weight = same(on_ranks(size, differences))
        assert of_loss <= 1e-6
        assert of_gradient <= 1e-6
        assert weight == step.weight


def test_a_part_is_a_run_of_samples_and_small_batches_have_at_most_one_each():
    parts = Parts.of(ALONE, deterministic=True)
    assert parts.count == PARTS == 4
    assert [parts.rows(part, 10) for part in parts.own] == [slice(0, 2), slice(2, 5), slice(5, 7), slice(7, 10)]
    for n in range(1, 5):
        sizes = [rows.stop - rows.start for rows in (parts.rows(part, n) for part in parts.own)]
        assert sum(sizes) == n
        assert max(sizes) == 1
    of_three = Parts(RankGroup(Comm(World(3), 2)), 4)
    assert (of_three.widths, of_three.own, of_three.own_rows(10), of_three.bounds(10)) == (
        [1, 1, 2],
        range(2, 4),
        slice(5, 10),
        [0, 2, 5, 10],
    )


def small_model(*layers, metrics=(), loss=None, rate=0.1):
    network = Sequential(*(layers or (Dense(4), ReLU())), Dense(3), Softmax())
    return network.compile((5,), loss or CrossEntropy(), SGD(rate), metrics)


@pytest.mark.long
def test_parts_in_float64_and_on_other_parameters():
    network = Sequential(Dense(4), BatchNorm(), Dropout(0.3), Dense(3), Softmax())
    state = ModelState(network, (5,), CrossEntropy(), SGD(0.1), 1, pellucid.kernels.load(), np.float64)
    x, y, weights = VALUES[:11].astype(np.float64), LABELS[:11], np.linspace(0.5, 1, 11)
    theta = state.parameters * 1.5
    for parameters in (None, theta):
        whole, parted = GradientStep(state, parameters=parameters), PartedStep(state, Parts(ALONE, 4), parameters=parameters)
        for step in (1, 2):
            assert parted(x, y, weights, step) == pytest.approx(whole(x, y, weights, step), rel=1e-12)
            np.testing.assert_allclose(parted.gradient, whole.gradient, atol=1e-13)
            np.testing.assert_allclose(parted.statistics, whole.statistics, atol=1e-13)
            np.testing.assert_allclose(parted.outputs, whole.outputs, atol=1e-13)
            np.testing.assert_array_equal(parted.weights, whole.weights)
        assert parted.gradient.dtype == np.float64


def test_one_process_without_deterministic_computes_whole_batches():
    model = small_model(metrics=[Accuracy()])
    events = model.fit_events(VALUES, LABELS, FitOptions(batch_size=8))
    next(events)
    assert "_gradient_step" in vars(model._trainer)
    model = small_model()
    next(model.fit_events(VALUES, LABELS, FitOptions(batch_size=8, deterministic=True)))
    assert "_gradient_step" not in vars(model._trainer)


def test_evaluation_and_prediction_have_the_bits_of_one_process():
    x = np.random.default_rng(1).normal(size=(3_000, 5)).astype(np.float32)
    y = np.arange(3_000) % 3
    model = small_model(metrics=[Accuracy()])
    expected = dict(model.evaluate(x, y)), model.predict(x).tobytes()
    for size in (2, 4, 5):
        for result in on_ranks(size, lambda _: (dict(copied(model).evaluate(x, y)), copied(model).predict(x).tobytes())):
            assert result == expected


LOCK = threading.Lock()


def copied(model):
    with LOCK:
        return model.copy()


def test_a_rank_gathers_its_own_rows_only():
    model = small_model()
    seen = []

    def rows_read(group):
        own = copied(model)
        own.input_stage = Passthrough()
        own.fit(VALUES, LABELS, batch_size=10, shuffle=False)
        return group.rank

    class Passthrough(type(model_stage())):
        def transform(self, x, rows, out, kernels):
            with LOCK:
                seen.append((ranks.current().rank, len(rows) if not isinstance(rows, slice) else rows))
            return super().transform(x, rows, out, kernels)

    on_ranks(2, rows_read)
    gathered = [(rank, rows) for rank, rows in seen if not isinstance(rows, slice)]
    assert sorted(gathered) == sorted([(0, 5)] * 3 + [(1, 5)] * 3 + [(0, 2), (1, 3)])


def model_stage():
    from pellucid.data.input_stage import Passthrough

    return Passthrough()


def test_samples_of_other_ranks_are_not_needed_unless_a_batch_diverges():
    model = small_model(BatchNorm(), Dense(4), ReLU())
    x, targets, weights = VALUES[:8], LABELS[:8], np.ones(8, np.float32)
    whole = GradientStep(model.state)
    expected = whole(x, targets, weights, 1)

    def filled_in(group, parameters):
        parts = Parts.of(group, deterministic=False)
        own = np.full_like(x, np.nan)
        own[parts.own_rows(8)] = x[parts.own_rows(8)]
        state = small_model(BatchNorm(), Dense(4), ReLU()).state
        step = PartedStep(state, parts, parameters=parameters)
        loss = step(own, targets, weights, 1)
        complete = not np.isnan(own).any()
        return loss, complete, state.last_batch is None, state.complete_batch is None

    theta, infinite = model.parameters.copy(), model.parameters.copy()
    infinite[:] = 1e30
    loss, complete, *nothing_kept = same(on_ranks(2, lambda group: filled_in(group, theta)))
    assert loss == pytest.approx(expected, rel=1e-6)
    assert not complete
    assert nothing_kept == [True, True], "other parameters than the model's: no step of its training"
    assert same(on_ranks(2, lambda group: filled_in(group, None)))[1:] == (False, False, False)
    assert same(on_ranks(2, lambda group: filled_in(group, infinite)[1:])) == (True, True, True)
    GradientStep(model.state, parameters=theta)(x, targets, weights, 2)
    assert model.state.last_batch[3] == 1


class Inverse(Layer):
    """y = 1/x, which is not finite for the sample of zeros that shows what layers need."""

    def build(self, shape):
        return LayerSpec(shape)

    def forward(self, p, x, ctx):
        y = 1 / x
        ctx.keep(y)
        return y.copy()

    def backward(self, p, g, dy, ctx):
        return -dy * ctx.kept[0] ** 2


@pytest.mark.filterwarnings("error")
def test_what_is_tried_with_zeros_gives_no_warning():
    for optimizer, options in ((SGD(0.01), {"deterministic": True}), (LBFGS(), {})):
        model = Sequential(Inverse(), Dense(3), Softmax()).compile((5,), CrossEntropy(), optimizer)
        model.fit(1 + np.abs(VALUES), LABELS, **options)


def test_a_single_batch_is_shared_too():
    def losses(_):
        model = small_model()
        return [model.train_on_batch(VALUES, LABELS) for _ in range(2)], model.parameters.tolist()

    alone, shared = losses(None), same(on_ranks(2, losses))
    np.testing.assert_allclose(shared[0], alone[0], rtol=1e-6)
    np.testing.assert_allclose(shared[1], alone[1], rtol=1e-4, atol=1e-6)


class Odd(Layer):
    """A layer that fails in the part with the last sample."""

    def build(self, shape):
        return LayerSpec(shape, {})

    def forward(self, p, x, ctx):
        if ctx.training and ctx.offset > 0 and len(x):
            raise ValueError("an odd sample")
        return x

    def backward(self, p, g, dy, ctx):
        return dy


def test_an_error_in_one_part_ends_the_others_in_the_same_process():
    model = small_model(Dense(4), Odd(), BatchNorm())  # the other parts wait for its statistics
    with pytest.raises(ValueError, match="an odd sample"):
        model.fit(VALUES, LABELS, deterministic=True)


def test_a_diverging_batch_is_named_as_in_one_process():
    x = VALUES.copy()
    x[20] = 1e30

    def message(_):
        model = Sequential(Dense(3), Dense(2)).compile((5,), MeanSquaredError(), SGD(0.1))
        with pytest.raises(DivergedError) as error:
            model.fit(x, VALUES[:, :2], batch_size=35)
        return str(error.value)

    assert same(on_ranks(2, message)) == message(None)


def test_what_cannot_be_cut_is_refused_on_ranks_and_computed_whole_in_one_process():
    triplets = Sequential(Dense(4)).compile((5,), Triplet(), SGD(0.1))

    def refused(_):
        with pytest.raises(ConfigError, match=r"fit on 2 ranks: Triplet\(.*\) compares the samples of a batch"):
            copied(triplets).fit(VALUES, LABELS)
        with pytest.raises(ConfigError, match=r"fit\(method=Perturbation\(.*\)\) on 2 ranks"):
            copied(model).fit(VALUES, LABELS, method=Perturbation())

    model = small_model()
    on_ranks(2, refused)
    triplets.fit(VALUES, LABELS, deterministic=True)
    model.fit(VALUES, LABELS, method=Perturbation("parallel"), deterministic=True)

    def too_many(_):
        with pytest.raises(ConfigError, match=r"cut into 4 parts, .* there are 5 ranks"):
            copied(model).fit(VALUES, LABELS, deterministic=True)

    on_ranks(5, too_many)


# -- lock-step ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changed", "named"),
    [
        ({"seed": 1}, "seeds and parameters"),
        ({"labels": 1}, "targets"),
        ({"epochs": 2}, "epochs"),
        ({"n": 30}, "numbers of sam"),
    ],
)
def test_ranks_that_begin_differently_are_refused(changed, named):
    def train(group):
        own = changed if group.rank == 1 else {}
        network = Sequential(Dense(3), Softmax())
        model = network.compile((5,), CrossEntropy(), SGD(0.1), seed=own.get("seed", 0))
        n = own.get("n", 35)
        with pytest.raises(ConfigError, match=rf"^fit: rank 1 has other {named}.* than rank 0"):
            model.fit(VALUES[:n], (LABELS[:n] + own.get("labels", 0)) % 3, epochs=own.get("epochs", 1))

    on_ranks(2, train)


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (lambda model: setattr(model.state, "steps", 7), "steps so far"),
        (lambda model: setattr(model.state, "epochs", 7), "epochs so far"),
        (lambda model: model.weights["dense1.b"].__setitem__(0, 1), "parameters"),
        (lambda model: model.state.statistics.__setitem__(0, 1), "parameters"),
        (lambda model: model.state.updater.state["adam1.m"].__setitem__(0, 1), "optimizer states"),
    ],
    ids=["steps", "epochs", "parameters", "statistics", "optimizer"],
)
def test_models_that_differ_on_one_rank_are_refused(change, named):
    def train(group):
        model = Sequential(BatchNorm(), Dense(3), Softmax()).compile((5,), CrossEntropy(), Adam(0.01))
        if group.rank == 1:
            change(model)
        with pytest.raises(ConfigError, match=f"^fit: rank 1 has other {named} than rank 0"):
            model.fit(VALUES, LABELS)

    on_ranks(2, train)


def test_learning_rates_networks_losses_and_weights_are_compared():
    def train(group, last=None, loss=None, rate=0.1, options=None, weights=None, control=None):
        own = group.rank == 1
        network = Sequential(Dense(3, Zeros()), last if own and last else Dense(3), Softmax())
        model = network.compile((5,), loss if own and loss else CrossEntropy(), SGD(rate if own else 0.1), seed=0)
        weight = None if weights is None else np.ones(35) + (weights if own else 0)
        set_to = Control(learning_rate=control if own else None)
        list(
            model.fit_events(VALUES, LABELS, FitOptions(**(options or {}) if own else {}), sample_weight=weight, control=set_to)
        )

    for change, named in (
        ({"last": Dense(3, Zeros())}, "networks and parameters"),
        ({"loss": CrossEntropy(smoothing=0.1)}, "losses"),
        ({"rate": 0.2}, "optimizers"),
        ({"options": {"batch_size": 7}}, "batch_size"),
        ({"options": {"shuffle": False}}, "shuffle"),
        ({"weights": 0.5}, "targets"),
        ({"control": 0.5}, "learning rates"),
    ):
        with pytest.raises(ConfigError, match=f"^fit: rank 1 has other {named} than rank 0"):
            on_ranks(2, functools.partial(train, **change))
    on_ranks(2, functools.partial(train, weights=0.0))


def test_the_message_about_an_error_names_the_rank_and_how_to_go_on():
    def messages(group):
        group.resume = "pellucid train --resume run"
        return group.failure(DataError("no labels")), group.failure(KeyboardInterrupt()), group.failure(ValueError("odd"))

    mine, interrupted, foreign = on_ranks(2, messages)[1]
    assert mine.startswith("error: rank 1 of 2 on ")
    assert mine.endswith(
        ": no labels; all ranks end; pellucid train --resume run continues from the last checkpoint, on any number of ranks"
    )
    assert ": KeyboardInterrupt; all ranks end" in interrupted
    assert interrupted.startswith("error: rank 1")
    assert foreign.startswith("ValueError: odd\nerror: rank 1 of 2")
    assert ": ValueError: odd; all ranks end;" in foreign
    assert ALONE.failure(DataError("no labels")).endswith(": no labels; all ranks end")


class Errors:
    """The communicator for errors: ``together`` says whether all ranks fail, ``first`` is the error of rank 0."""

    def __init__(self, together, first="None"):
        self.together, self.first = together, first

    def Ibarrier(self):
        return self

    def Test(self):
        return self.together

    def bcast(self, value, root):
        assert root == 0
        return self.first


@pytest.mark.parametrize(("error", "code"), [(KeyboardInterrupt(), 130), (DataError("no labels"), 2), (ValueError("odd"), 1)])
def test_a_rank_that_fails_alone_ends_all_with_a_code(error, code, capsys, monkeypatch):
    monkeypatch.setattr(ranks, "PATIENCE", 0.0)
    monkeypatch.setattr(ranks, "FLUSH", 0.0)
    comm = Aborting()
    RankGroup(comm, Errors(together=False)).end_all(error)
    assert comm.ended == code
    assert "error: rank 1 of 2 on " in capsys.readouterr().err


def test_an_error_of_all_is_printed_once(capsys):
    for error, first, printed in (
        (DataError("no labels"), repr(DataError("no labels")), False),
        (DataError("no labels"), repr(DataError("no data")), True),
        (KeyboardInterrupt(), repr(DataError("no data")), False),
    ):
        comm = Aborting()
        RankGroup(comm, Errors(True, first)).end_all(error)
        assert comm.ended is None
        assert ("error: rank 1 of 2" in capsys.readouterr().err) is printed


def test_processes_are_listed_by_machine(monkeypatch):
    hosts = {0: "a", 1: "b", 2: "a"}

    def processes(group):
        group.gather = lambda value: [(hosts[rank], 10 + rank) for rank in range(3)]
        return group.processes()

    assert same(on_ranks(3, processes)) == "processes 10, 12 on a; processes 11 on b"


def test_values_that_differ_are_named_with_both():
    def check(group):
        with pytest.raises(ConfigError) as caught:
            group.check_same({"a": 1, "b": group.rank, "c": group.rank // 2}, "fit", "wait")
        return str(caught.value)

    assert same(on_ranks(3, check)) == "fit: rank 1 has other b than rank 0 (1 and 0): wait"


def test_a_block_inside_another_belongs_to_it(monkeypatch):
    def nested(group):
        with ranks.together() as inner:
            assert inner is group
        with ranks.alone():
            assert ranks.current() is ALONE
            with ranks.together() as alone:
                assert alone is ALONE
        return ranks.current() is group

    assert on_ranks(2, nested) == [True, True]


def test_ranks_that_drift_apart_are_noticed_at_the_end_of_an_epoch():
    def train(group):
        model = small_model()
        for event in model.fit_events(VALUES, LABELS, FitOptions(batch_size=8, epochs=2)):
            if isinstance(event, StepEvent) and event.batch == 2 and group.rank == 1:
                model.parameters[0] += 1

    with pytest.raises(ConfigError, match=r"^epoch 1: rank 1 has other parameters than rank 0 .*compute the same"):
        on_ranks(2, train)


def test_a_prediction_of_other_samples_is_refused():
    def predict(group):
        with pytest.raises(ConfigError, match="predict: rank 1 has other numbers of samples than rank 0"):
            copied(model).predict(VALUES[group.rank :])
        with ranks.alone():
            return len(copied(model).predict(VALUES[group.rank :]))

    model = small_model()
    assert on_ranks(2, predict) == [35, 34]


def test_one_rank_stops_all_and_rank_0_sets_the_learning_rate():
    def train(group):
        control, seen = Control(), []
        for event in small_model().fit_events(VALUES, LABELS, FitOptions(batch_size=8, epochs=3), control=control):
            if isinstance(event, StepEvent):
                seen.append((event.step, event.learning_rate))
                if event.step == 2:
                    control.learning_rate = 0.01 * (1 + group.rank)
                control.stop = control.stop or (event.step == 4 and group.rank == 1)
        return seen

    assert same(on_ranks(3, train)) == [(1, 0.1), (2, 0.1), (3, 0.01), (4, 0.01)]


def test_a_rank_that_leaves_the_training_interrupts_the_others():
    def train(group):
        steps = 0
        model = small_model()
        with contextlib.suppress(KeyboardInterrupt), contextlib.closing(model.fit_events(VALUES, LABELS)) as events:
            for _ in events:
                steps += 1
                if group.rank == 1:
                    break
        return steps, model.state.steps

    assert same(on_ranks(3, train)) == (1, 1)


def test_a_training_resumes_on_another_number_of_ranks_to_the_same_bits(tmp_path):
    def train(group, stop_after=None, **options):
        model, given = FAMILIES["convolution"]()
        data = {name: given.pop(name) for name in ("x", "y", "validation")}
        control = Control()
        settings = FitOptions(**given, **options, epochs=4, deterministic=True)
        for event in model.fit_events(data["x"], data["y"], settings, validation=data["validation"], control=control):
            control.stop = isinstance(event, StepEvent) and event.step == stop_after and group.rank == 0
        rows = [{name: value for name, value in row.items() if name != "seconds"} for row in model.history]
        return model.parameters.tolist(), model.state.statistics.tolist(), rows

    expected = train(ALONE)
    on_ranks(2, lambda group: train(group, 5, policies=[Checkpoint(tmp_path)]))
    assert sorted(path.name for path in tmp_path.iterdir())[-1] == "checkpoint-000000005.pellucid"
    on_ranks(4, lambda group: train(group, 9, policies=[Checkpoint(tmp_path)], resume=tmp_path))
    assert train(ALONE, policies=[Checkpoint(tmp_path)], resume=tmp_path) == expected


def test_rank_0_writes_the_checkpoints(tmp_path):
    on_ranks(2, lambda group: small_model().fit(VALUES, LABELS, policies=[Checkpoint(tmp_path / str(group.rank))]))
    assert [path.name for path in tmp_path.iterdir()] == ["0"]


def test_ranks_that_see_different_checkpoints_are_refused(tmp_path):
    def train(group):
        folder = tmp_path / str(group.rank)
        if group.rank == 0:
            with ranks.alone():
                small_model().fit(VALUES, LABELS, policies=[Checkpoint(folder)])
        with pytest.raises(ConfigError, match=r"rank 1 has other checkpoints to resume from than rank 0 \(None and check"):
            small_model().fit(VALUES, LABELS, policies=[Checkpoint(folder)], resume=folder)

    on_ranks(2, train)


def test_a_watch_measures_the_whole_batch_and_finds_the_same_on_all_ranks():
    def findings(_):
        model = small_model(Dense(20), ReLU(), rate=0.01)
        model.weights["dense1.b"][5:] = -50.0
        model.fit(VALUES, LABELS, epochs=30, batch_size=20, shuffle=False, policies=[pellucid.Watch(every=4)])
        return [str(finding) for finding in model.history.findings]

    alone = findings(None)
    assert alone
    assert same(on_ranks(2, findings)) == alone


def test_a_policy_may_complete_the_last_batch():
    def batch(_):
        model = small_model()
        next(model.fit_events(VALUES, LABELS, FitOptions(batch_size=20, shuffle=False)))
        model.state.complete_batch()
        x, targets, *_ = model.state.last_batch
        return x.tolist(), targets.tolist()

    assert same(on_ranks(3, batch)) == (VALUES[:20].tolist(), LABELS[:20].tolist())


def test_a_signal_to_one_rank_is_one_to_all():
    numbers = [None, signal.SIGTERM, None]
    assert on_ranks(3, lambda group: agreed_signal(numbers[group.rank])) == [signal.SIGTERM] * 3
    assert agreed_signal(None) is None


def test_only_rank_0_shows_progress(capsys):
    on_ranks(2, lambda _: small_model().fit(VALUES, LABELS, epochs=1, progress=True))
    assert capsys.readouterr().err.count("epoch 1/1") == 1


# -- data and runs ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_an_idx_file_may_be_mapped(tmp_path, dtype):
    array = np.arange(24, dtype=dtype).reshape(6, 2, 2)
    write_idx(tmp_path / "a", array)
    write_idx(tmp_path / "a.gz", array)
    mapped = read_idx(tmp_path / "a", mapped=True)
    assert isinstance(mapped, np.memmap)
    np.testing.assert_array_equal(mapped, array)
    mapped[0] = 1
    np.testing.assert_array_equal(read_idx(tmp_path / "a"), array)
    assert not isinstance(read_idx(tmp_path / "a.gz", mapped=True), np.memmap)


def test_ranks_map_the_files_of_mnist_and_train_to_the_same_bits(mnist_folder, monkeypatch):
    def parameters():
        train = mnist().train
        model = Sequential(Flatten(), Dense(10), Softmax()).compile(train.shape, CrossEntropy(), SGD(0.1))
        model.fit(train, validation=mnist().validation, batch_size=32)
        return isinstance(train.source_x, np.memmap), model.parameters.tolist(), model.history["validation_loss"]

    usual = parameters()
    monkeypatch.setattr(launcher, "launched", lambda: launcher.Launch(1, 2, "PMI_RANK"))
    mapped = parameters()
    assert (usual[0], mapped[0]) == (False, True)
    assert usual[1:] == mapped[1:]


def test_rank_0_creates_the_run_folder(tmp_path):
    with contextlib.ExitStack() as held:
        create = functools.partial(RunFolder, tmp_path / "run", "mlp")
        folders = on_ranks(3, lambda group: RunFolder.of_ranks(group, create, held))
        assert [folder.path for folder in folders] == [tmp_path / "run"] * 3
        for folder in folders[1:]:
            folder.write_config({})
            folder.write_status({})
            folder.save_model(small_model())
            folder.remove(".lock")
            folder.discard()
        assert [path.name for path in (tmp_path / "run").iterdir()] == [".lock"], "only rank 0 writes and removes"
        folders[0].discard()
    assert not (tmp_path / "run").exists()


def test_the_energy_of_a_run_is_that_of_all_ranks():
    total = Energy(4, 2, 8, "estimated", "cores") * 3
    assert (total.joules, total.low, total.high, total.how) == (12, 6, 24, "estimated")


# -- real ranks ---------------------------------------------------------------------------------------------------

MPIEXEC = Path(sys.executable).parent / "mpiexec"
needs_mpi = pytest.mark.skipif(
    importlib.util.find_spec("mpi4py") is None or not MPIEXEC.exists(),
    reason="needs mpi4py and the mpiexec beside this Python: pip install 'pellucid[mpi]'",
)
ONE_THREAD = {
    "OPENBLAS_NUM_THREADS": "1",
    "OMP_NUM_THREADS": "1",
    "PYTHONPATH": os.pathsep.join([str(ROOT / "src"), str(ROOT)]),
}


def mpiexec(size, *arguments, cwd=ROOT, code=0, **variables):
    """Run Python on real ranks, and return what it prints on standard output and standard error.

    ``code`` is the exit code that it should have, and ``variables`` are of the environment.
    """
    command = [MPIEXEC, "-n", str(size), sys.executable, *arguments]
    environment = {**os.environ, **ONE_THREAD, **variables}
    done = subprocess.run(command, cwd=cwd, env=environment, text=True, capture_output=True, timeout=300, check=False)
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout, done.stderr


@functools.cache
def results_of(size):
    """Return the results on real ranks, by name: of every family with ``deterministic``, and of some without."""
    lines = mpiexec(size, "-m", "tests.training.rank_families", "dense", "convolution")[0].splitlines()
    results = [json.loads(line) for line in lines]
    assert {(one["same"], one["size"]) for one in results} == {(True, size)}
    return {(one["name"], one["deterministic"]): one["result"] for one in results}


@needs_mpi
def test_real_ranks_have_the_bits_of_one_process_if_deterministic_and_agree_with_it_if_not():
    for (name, deterministic), result in results_of(2).items():
        alone = json.loads(json.dumps(trained(name, deterministic=deterministic)))
        for one in (result, results_of(4)[name, deterministic]):
            if deterministic:
                assert one == alone, name
            else:
                np.testing.assert_allclose(one["parameters"], alone["parameters"], rtol=1e-3, atol=2e-4, err_msg=name)
    assert results_of(2).keys() == results_of(4).keys()
    assert results_of(2) != results_of(4), "without deterministic, the rounding depends on the number of ranks"


PROGRAM = """
    import os, signal, sys
    import numpy as np
    from pellucid import ConfigError, Dense, MeanSquaredError, Sequential, SGD
    from pellucid.data import BatchStream
    from pellucid.training import ranks

    def batches(epoch):
        if epoch == 1 and ranks.current().rank == 1:
            {failure}
        return [(np.ones((8, 3), np.float32), np.ones((8, 1)))] * 3

    assert "mpi4py" not in sys.modules
    with ranks.together(resume="pellucid resume RUN") as group:
        Sequential(Dense(1)).compile((3,), MeanSquaredError(), SGD(0.1)).fit(BatchStream(batches), epochs=3)
        print("not reached")
"""


def fails(failure, code):
    """Run the program in which rank 1 fails in the second epoch, and return what it prints."""
    out, err = mpiexec(2, "-c", textwrap.dedent(PROGRAM).replace("{failure}", failure), code=code, PELLUCID_KERNELS="reference")
    assert "not reached" not in out
    return out + err


@needs_mpi
def test_a_rank_that_fails_ends_all_with_its_name_and_the_command_to_resume():
    text = fails("raise ConfigError('no more')", 2)
    assert "error: rank 1 of 2 on " in text
    assert ": no more; all ranks end; pellucid resume RUN continues" in text
    text = fails("1 / 0", 1)
    assert "ZeroDivisionError: division by zero; all ranks end" in text
    assert "Traceback" in text
    fails("os.kill(os.getpid(), signal.SIGKILL)", signal.SIGKILL)


@needs_mpi
def test_an_error_of_all_ranks_is_no_emergency():
    program = (
        "from pellucid import ConfigError\nfrom pellucid.training import ranks\nwith ranks.together(): raise ConfigError('no')"
    )
    _, err = mpiexec(2, "-c", program, code=1)
    assert "all ranks end" not in err
    assert (err.count("ConfigError"), err.count(": no\n")) == (2, 2)  # both may write at the same time


@needs_mpi
def test_the_command_trains_on_ranks_with_the_bits_of_one_process_and_rank_0_alone_prints(tmp_path):
    rows = np.random.default_rng(0).normal(size=(90, 3))
    lines = [f"{a:.3f},{b:.3f},{c:.3f},{'yes' if a > b else 'no'}" for a, b, c in rows]
    (tmp_path / "table.csv").write_text("\n".join(["a,b,c,answer", *lines]))
    train = ("-m", "pellucid", "train", "table.csv", "--target", "answer", "--epochs", "2", "--deterministic", "--out")
    environment = {**os.environ, **ONE_THREAD, "PELLUCID_KERNELS": "reference"}
    subprocess.run([sys.executable, *train, "alone"], cwd=tmp_path, env=environment, check=True, capture_output=True)
    out, err = mpiexec(2, *train, "shared", cwd=tmp_path, PELLUCID_KERNELS="reference")
    assert (out.count("data  "), out.count("test  "), err.count("epoch 1/2")) == (1, 1, 1)
    assert "ranks     2, each with a part of every batch: processes " in out
    assert "pellucid resume shared continues" in out
    models = [(tmp_path / name / "model.pellucid").read_bytes() for name in ("alone", "shared")]
    assert models[0] == models[1]
    metrics = [json.loads((tmp_path / name / "metrics.json").read_text()) for name in ("alone", "shared")]
    assert [one["ranks"] for one in metrics] == [1, 2]
    assert metrics[0]["test"] == metrics[1]["test"]
    out, err = mpiexec(2, *train, "shared", cwd=tmp_path, code=2, PELLUCID_KERNELS="reference")
    assert err.count("error: shared is not empty") == 1
    out, err = mpiexec(2, "-m", "pellucid", "evaluate", "shared", cwd=tmp_path, code=2)
    assert err.count("error: pellucid evaluate does not run on several ranks") == 1
