"""Checkpoints: a training that goes on from one ends with the same bits, and damaged or foreign ones are noticed."""

from __future__ import annotations

import errno
import itertools
import math
import shutil
from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given, strategies as st

from pellucid import (
    GRU,
    LBFGS,
    LSTM,
    SGD,
    Accuracy,
    Adam,
    AverageWeights,
    BatchNorm,
    Chain,
    Checkpoint,
    CheckpointError,
    ConfigError,
    Control,
    Conv2D,
    Cosine,
    CrossEntropy,
    DataError,
    Dense,
    Dropout,
    EarlyStopping,
    FileError,
    FitOptions,
    Flatten,
    Frozen,
    GaussianNoise,
    Graph,
    KeepBest,
    MaxPool2D,
    MeanSquaredError,
    Model,
    Node,
    Perturbation,
    ReduceOnPlateau,
    ReLU,
    Sequential,
    Softmax,
    StochasticWeightAverage,
    TimeBudget,
    VersionError,
)
from pellucid.core.files import TensorFile, save_tensors
from pellucid.core.plain_values import packed, unpacked
from pellucid.data import Augmentation, BatchStream
from pellucid.doctor import Watch
from pellucid.metrics import F1, ROCAUC, Metric, MetricState, PerPosition
from pellucid.model import file as model_file
from pellucid.optim import Rule, Schedule
from pellucid.training import EpochEvent, History, Policy, StepEvent, threads
from pellucid.training.checkpoint import (
    CheckpointWriter,
    Progress,
    TrainingRecord,
    _recorded,
    _table,
    checkpoint_files,
    is_table,
    recorded_options,
    rows_of,
)
from pellucid.training.loop import Place
from tests.core.test_config import INSTANCES

RANDOM = np.random.default_rng(0)
X = RANDOM.normal(size=(46, 12)).astype(np.float32)
Y = (X[:, 0] > 0) + (X[:, 1] > 0).astype(int)
IMAGES = RANDOM.integers(0, 256, (46, 8, 8, 1)).astype(np.uint8)
STEPS = RANDOM.normal(size=(46, 5, 3)).astype(np.float32)
STEPS[:20, 3:] = 0
ALWAYS = {"every_steps": 1, "keep": 10_000, "cost": 1.0}

DENSE = Sequential(Dense(6), BatchNorm(), ReLU(), Dropout(0.3), Dense(3), Softmax())


def compiled(network=DENSE, shape=(12,), optimizer=None, metrics=None, loss=None):
    metrics = [Accuracy()] if metrics is None else list(metrics)
    return network.compile(shape, loss or CrossEntropy(), optimizer or Adam(0.01), metrics, seed=5)


def final(model):
    """Return the bytes of the model's file, with the training state, and its history without seconds."""
    content = b"".join(model_file.content(model.state, model.config(), training_state=True))
    rows = [{name: value for name, value in row.items() if name != "seconds"} for row in model.history.rows]
    return content, repr(rows), model.history.best_epoch, model.history.stopped, model.history.forward_passes


def check_resuming(tmp_path, new_model, x=X, y=Y, count=3, limit=None, **settings):
    """Compare an uninterrupted training with ones that are resumed from ``count`` of its checkpoints and the last one."""
    settings = {"epochs": 3, "batch_size": 10, "validation": (x, y), **settings}
    policies = settings.pop("policies", ())
    if callable(x):
        settings.pop("validation")
    whole = new_model()
    whole.fit(x, y, policies=policies, **settings)
    expected = final(whole)
    watched = new_model()
    watched.fit(x, y, policies=[*policies, Checkpoint(tmp_path / "all", **ALWAYS)], **settings)
    assert final(watched) == expected, "checkpoints change no bit"
    files = checkpoint_files(tmp_path / "all")
    assert len(files) >= 3
    for i in sorted({*np.linspace(0, len(files) - 1, count + 1).astype(int)}):
        folder = tmp_path / f"from-{i}"
        folder.mkdir()
        shutil.copy(files[i], folder)
        threads.limit_threads(limit)
        try:
            resumed = new_model()
            resumed.fit(x, y, policies=[*policies, Checkpoint(folder)], resume=folder, **settings)
        finally:
            threads.limit_threads(None)
        assert final(resumed) == expected, files[i].name


# -- the promise ------------------------------------------------------------------------------------------------------------

RULES = [one for one in INSTANCES if isinstance(one, Rule) and not one.full_batch]


CHAINS = [one for one in INSTANCES if isinstance(one, Chain) and not one.rates]  # rates are for the paths of one network


@pytest.mark.parametrize("optimizer", [*RULES, *CHAINS], ids=repr)
def test_every_optimizer_resumes(tmp_path, optimizer):
    check_resuming(tmp_path, lambda: compiled(optimizer=optimizer), count=2)


def test_lbfgs_resumes(tmp_path):
    network = Sequential(Dense(5), BatchNorm(), Dense(3), Softmax())
    check_resuming(tmp_path, lambda: compiled(network, optimizer=LBFGS(3)), epochs=7, batch_size=None, count=7)


def test_lbfgs_that_ended_does_not_go_on(tmp_path):
    network = Sequential(Dense(1))
    y = X[:, 0] - X[:, 3]

    def new_model():
        return compiled(network, optimizer=LBFGS(), metrics=(), loss=MeanSquaredError())

    check_resuming(tmp_path, new_model, y=y, epochs=50, batch_size=None, count=20)


SCHEDULES = [one for one in INSTANCES if isinstance(one, Schedule)]


@pytest.mark.parametrize("schedule", SCHEDULES, ids=repr)
def test_every_schedule_resumes(tmp_path, schedule):
    check_resuming(tmp_path, lambda: compiled(optimizer=SGD(schedule)), count=2)


@dataclass(frozen=True)
class _Counting(Policy):
    """A policy of a user, with a memory."""

    def wrap(self, events, state, history, memory):
        memory.setdefault("seen", [])
        for event in events:
            yield event
            memory["seen"].append(getattr(event, "step", None))
            if len(memory["seen"]) == 9:
                history.stopped = str(memory["seen"])
                return


POLICIES = [
    [EarlyStopping(1)],
    [EarlyStopping(2, "train_loss", 1.0)],
    [ReduceOnPlateau(0.5, 1, min_delta=10.0)],
    [KeepBest()],
    [AverageWeights(0.5), KeepBest()],
    [AverageWeights(0.9)],
    [StochasticWeightAverage(2)],
    [AverageWeights(0.5), ReduceOnPlateau(0.5, 1, min_delta=1.0), EarlyStopping(2)],
    [StochasticWeightAverage(1, 2), EarlyStopping(1, min_delta=0.3)],
    [_Counting()],
    [Watch()],
    [TimeBudget(3600.0)],
    [TimeBudget(3600.0), AverageWeights(0.5), KeepBest()],
]


@pytest.mark.parametrize("policies", POLICIES, ids=repr)
def test_every_policy_resumes_from_every_checkpoint(tmp_path, policies):
    check_resuming(tmp_path, compiled, policies=policies, epochs=5, count=100)


def test_the_policies_above_are_all():
    tested = {type(one) for row in POLICIES for one in row}
    assert tested >= {type(one) for one in INSTANCES if isinstance(one, Policy)} - {Checkpoint}


@dataclass(frozen=True)
class Family:
    """One kind of network, with data of its kind."""

    name: str
    network: object
    x: object
    settings: dict

    def __repr__(self):
        return self.name


IMAGE_NETWORK = Sequential(Conv2D(4, 3, padding="same"), BatchNorm(), ReLU(), MaxPool2D(), Flatten(), Dense(3), Softmax())
TWO_INPUTS = Graph(
    Node("a", Dense(4), "left"),
    Node("b", GRU(4), "right"),
    Node("sum", Sequential(Dense(4), Dropout(0.2)), "a"),
    Node("label", Sequential(Dense(3), Softmax()), "sum"),
    Node("value", Dense(1), "b"),
    inputs=("left", "right"),
    outputs=("label", "value"),
)
FAMILIES = [
    Family("dense", DENSE, X, {}),
    Family("convolutional", IMAGE_NETWORK, IMAGES, {"augmentation": Augmentation(rotation=10, shift=1, noise=0.1)}),
    Family("recurrent", Sequential(LSTM(4, mask=0.0, recurrent_dropout=0.2), Dense(3), Softmax()), STEPS, {}),
    Family("noise", Sequential(GaussianNoise(0.1), Frozen(Dense(5)), ReLU(), Dense(3), Softmax()), X, {}),
    Family("accumulated", DENSE, X, {"accumulate": 2}),
    Family("weighted", DENSE, X, {"class_weight": "balanced", "sample_weight": np.linspace(0, 2, 46)}),
    Family("exact", DENSE, X, {"exact_training_metrics": True, "shuffle": False}),
    Family("deterministic", DENSE, X, {"deterministic": True}),
    Family("perturbed", Sequential(Dense(3), Softmax()), X, {"method": Perturbation("parallel", 0.1, 5)}),
]


@pytest.mark.parametrize("limit", [1, 2])
@pytest.mark.parametrize("family", FAMILIES, ids=repr)
def test_every_family_resumes_on_any_number_of_threads(tmp_path, family, limit):
    check_resuming(tmp_path, lambda: compiled(family.network, family.x.shape[1:]), family.x, limit=limit, **family.settings)


def test_several_inputs_and_outputs_resume(tmp_path):
    x, y = {"left": X, "right": STEPS}, {"label": Y, "value": X[:, 0]}

    def new_model():
        losses = {"label": CrossEntropy(), "value": MeanSquaredError()}
        shapes = {"left": (12,), "right": (5, 3)}
        return TWO_INPUTS.compile(shapes, losses, Adam(0.01), {"label": [Accuracy()]}, loss_weights={"value": 0.5})

    check_resuming(tmp_path, new_model, x, y, policies=[AverageWeights()])


def test_batches_from_a_function_resume(tmp_path):
    def batches(epoch):
        order = np.random.default_rng(epoch).permutation(46)
        for start in range(0, 46, 10):
            rows = order[start : start + 10]
            yield X[rows], Y[rows]

    settings = {"batch_size": None, "steps_per_epoch": 5, "augmentation": lambda x, random: x + random.normal(size=x.shape)}
    check_resuming(tmp_path, compiled, batches, None, count=100, **settings)
    with pytest.raises(ConfigError, match="cannot be made again: give a function of the epoch"):
        compiled().fit(BatchStream(batches(0), 5), resume=tmp_path / "all", epochs=3)


CLASS_METRICS = [one for one in INSTANCES if isinstance(one, Metric) and one.needs != "numbers"]


def test_batches_of_an_iterator_cannot_be_made_again(tmp_path):
    batches = [(X[:20], Y[:20]), (X[20:], Y[20:])]
    settings = {"epochs": 2, "policies": [Checkpoint(tmp_path, cost=1.0)]}
    compiled().fit(itertools.cycle(batches), steps_per_epoch=2, **settings)
    with pytest.raises(ConfigError, match="the batches of an iterator cannot be made again: give a function of the epoch"):
        compiled().fit(itertools.cycle(batches), steps_per_epoch=2, resume=tmp_path, **settings)
    for path in checkpoint_files(tmp_path):
        path.unlink()
    first = compiled()
    first.fit(lambda epoch: batches, **settings)
    checkpoint_files(tmp_path)[0].unlink()
    second = compiled()
    second.fit(lambda epoch: batches, resume=tmp_path, **settings)
    assert final(second) == final(first)


def test_every_metric_resumes_in_the_middle_of_an_epoch(tmp_path):
    def start(metric):
        try:
            compiled(metrics=[metric])
        except ConfigError:
            return False
        return True

    metrics = list({metric.name: metric for metric in CLASS_METRICS if start(metric)}.values())
    assert len(metrics) >= 12
    check_resuming(tmp_path, lambda: compiled(metrics=metrics), epochs=2)


def test_every_metric_of_numbers_resumes_in_the_middle_of_an_epoch(tmp_path):
    given = [one for one in INSTANCES if isinstance(one, Metric) and one.needs == "numbers"]
    metrics = list({metric.name: metric for metric in given}.values())
    assert len(metrics) >= 4
    network, y = Sequential(Dense(2)), np.abs(X[:, :2]) + 1
    check_resuming(tmp_path, lambda: compiled(network, metrics=metrics, loss=MeanSquaredError()), y=y, epochs=2)


def test_metrics_by_position_resume_in_the_middle_of_an_epoch(tmp_path):
    network = Sequential(LSTM(4, True), Dense(3), Softmax())
    labels = RANDOM.integers(0, 3, (46, 5))
    metrics = [PerPosition(Accuracy()), PerPosition(F1())]
    check_resuming(tmp_path, lambda: compiled(network, (5, 3), metrics=metrics), STEPS, labels, epochs=2)


def test_a_second_fit_resumes(tmp_path):
    def trained_before():
        model = compiled(optimizer=Adam(Cosine(0.01)))
        model.fit(X, Y, epochs=2, batch_size=10)
        return model

    check_resuming(tmp_path, trained_before, count=5)


def test_a_manual_learning_rate_and_the_callers_record_are_kept(tmp_path):
    options = FitOptions(epochs=2, batch_size=10, policies=[Checkpoint(tmp_path / "c", **ALWAYS)])

    def train(options, stop):
        model, control = compiled(), Control()
        for event in model.fit_events(X, Y, options, control=control):
            if isinstance(event, StepEvent):
                if event.step == 3:
                    control.learning_rate = 0.5
                control.record["steps"] = event.step
            control.stop = event.epoch == 1 and isinstance(event, StepEvent) and event.step == stop
        return model, control

    whole, _ = train(FitOptions(epochs=2, batch_size=10), None)
    _, control = train(options, 4)
    assert control.record == {"steps": 4}
    resumed, control = train(FitOptions(epochs=2, batch_size=10, policies=options.policies, resume=tmp_path / "c"), None)
    assert control.learning_rate == 0.5
    assert final(resumed)[0] == final(whole)[0]
    assert resumed.history["learning_rate"] == whole.history["learning_rate"] == [0.5, 0.5]


def test_the_callers_record_is_there_before_the_first_event(tmp_path):
    options = FitOptions(epochs=2, batch_size=10, policies=[Checkpoint(tmp_path, **ALWAYS)])
    control = Control(learning_rate=0.25, record={"name": "first", "numbers": [1, 2.5]})
    for _ in compiled().fit_events(X, Y, options, control=control):
        control.stop = True
    resumed = Control(record={"name": "second", "other": 1})
    again = FitOptions(epochs=2, batch_size=10, policies=options.policies, resume=tmp_path)
    compiled().fit_events(X, Y, again, control=resumed)
    assert resumed.record == {"name": "first", "numbers": [1, 2.5], "other": 1}
    assert resumed.learning_rate == 0.25


# -- stopping ---------------------------------------------------------------------------------------------------------------


def stopped(model, steps, policies, validation=(X, Y)):
    """Train until ``control.stop`` is set after some steps, and return the events."""
    control, seen = Control(), []
    for event in model.fit_events(
        X, Y, FitOptions(epochs=5, batch_size=10, policies=policies), validation=validation, control=control
    ):
        seen.append(event)
        control.stop = isinstance(event, StepEvent) and event.step == steps
    return seen


def test_stop_writes_a_checkpoint_and_lets_the_policies_finish(tmp_path):
    model = compiled()
    policies = [EarlyStopping(5), Checkpoint(tmp_path, every_epochs=None, every_seconds=None)]
    events = stopped(model, 12, policies)
    assert isinstance(events[-1], StepEvent)
    assert events[-1].step == 12
    assert [path.name for path in checkpoint_files(tmp_path)] == ["checkpoint-000000012.pellucid"]
    saved = Model.load(checkpoint_files(tmp_path)[0])
    assert saved.state.steps == 12
    assert len(saved.history) == 2
    assert not np.array_equal(saved.parameters, model.parameters), "the best parameters are restored, after the checkpoint"
    best = compiled()
    best.fit(X, Y, epochs=model.history.best_epoch, batch_size=10)
    assert np.array_equal(model.parameters, best.parameters)


def test_stop_keeps_the_average(tmp_path):
    model, plain = compiled(), compiled()
    stopped(model, 7, [AverageWeights(0.5)])
    stopped(plain, 7, [])
    assert not np.array_equal(model.parameters, plain.parameters)
    assert np.allclose(model.parameters, plain.parameters, atol=0.1)


# -- when checkpoints are written -------------------------------------------------------------------------------------------


def steps_of(folder):
    return [int(path.stem.partition("-")[2]) for path in checkpoint_files(folder)]


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"cost": 1.0}, [20, 15]),
        ({"cost": 1.0, "keep": 10}, [20, 15, 10, 5]),
        ({"cost": 1.0, "keep": 10, "every_epochs": 2}, [20, 10]),
        ({"cost": 0.0, "keep": 10}, [20, 5]),  # at the first one nothing has been spent, and the last one is always written
        ({"keep": 10, "every_epochs": None}, [20]),
        ({"keep": 10, "every_epochs": None, "every_steps": 6}, [20, 18, 12, 6]),
    ],
)
def test_checkpoints_are_written_when_they_are_due(tmp_path, settings, expected):
    compiled().fit(X, Y, epochs=4, batch_size=10, policies=[Checkpoint(tmp_path, every_seconds=None, **settings)])
    assert steps_of(tmp_path) == expected


def test_a_long_preparation_counts_as_a_cost_of_checkpoints(tmp_path, monkeypatch):
    def prepared_for_a_day(*arguments):
        return CheckpointWriter(*arguments[:-1], arguments[-1] - 86_400)

    monkeypatch.setattr("pellucid.training.trainer.CheckpointWriter", prepared_for_a_day)
    compiled().fit(X, Y, epochs=4, batch_size=10, policies=[Checkpoint(tmp_path, every_seconds=None, keep=10)])
    assert steps_of(tmp_path) == [20, 5], "the first epoch and the last"


def test_checkpoints_are_written_once_in_so_many_seconds(tmp_path, monkeypatch):
    clock = itertools.count(0.0, 1.0)
    monkeypatch.setattr("pellucid.training.checkpoint.time.perf_counter", lambda: next(clock))
    policies = [Checkpoint(tmp_path, every_epochs=None, every_seconds=4.0, keep=10)]
    compiled().fit(X, Y, epochs=3, batch_size=10, policies=policies)
    assert 3 <= len(steps_of(tmp_path)) <= 6, "each event takes a second or more of this clock"


def test_no_checkpoint_is_written_for_its_time_before_it_has_passed(tmp_path, monkeypatch):
    clock = itertools.count(0.0, 0.01)
    monkeypatch.setattr("pellucid.training.checkpoint.time.perf_counter", lambda: next(clock))
    policies = [Checkpoint(tmp_path, every_epochs=None, every_seconds=4.0, keep=10)]
    compiled().fit(X, Y, epochs=3, batch_size=10, policies=policies)
    assert steps_of(tmp_path) == [15]


def test_checkpoints_are_left_out_while_they_have_taken_too_much_time(tmp_path, monkeypatch):
    """A clock on which each event takes ten seconds, and each checkpoint one."""
    now, written = [0.0], []
    progress = Progress(compiled().state, Place(), History(), [], Control())
    record = TrainingRecord(compiled()._file_settings, {}, {})

    def write_for_a_second(path, content):
        now[0] += 1
        written.append(now[0])

    monkeypatch.setattr("pellucid.training.checkpoint.time.perf_counter", lambda: now[0])
    monkeypatch.setattr("pellucid.training.checkpoint.write_atomically", write_for_a_second)
    for cost, expected in ((0.1, [11, 22, 33, 44]), (0.04, [11, 32]), (0.0, [11])):
        now[0], written[:] = 0.0, []
        with CheckpointWriter([Checkpoint(tmp_path, every_seconds=None, cost=cost)], record, progress, 9, now[0]) as write:
            for epoch in range(1, 5):
                now[0] += 10
                write(EpochEvent(epoch, 10.0, 0.1, {}, None), False)
        assert written == expected, cost
    now[0], written[:] = 0.0, []
    with CheckpointWriter([Checkpoint(tmp_path, every_seconds=25.0, every_epochs=None)], record, progress, 9, now[0]) as write:
        for batch in range(1, 9):
            now[0] += 10
            write(StepEvent(1, batch, 9, batch, 0.0, 1, 0.1, dict), False)
    assert written == [31, 62], "25 seconds after the end of the last one, at the next event"


def test_two_policies_have_folders_of_their_own(tmp_path):
    first, second = Checkpoint(tmp_path / "a", cost=1.0, keep=9), Checkpoint(tmp_path / "b", every_epochs=2, keep=9)
    compiled().fit(X, Y, epochs=4, batch_size=10, policies=[first, second])
    assert steps_of(tmp_path / "a") == [20, 15, 10, 5]
    assert steps_of(tmp_path / "b") == [20, 10]
    with pytest.raises(ConfigError, match="give each its own"):
        compiled().fit(X, Y, policies=[first, first])


# -- files that cannot be used ----------------------------------------------------------------------------------------------


def fit(folder, model=None, resume=None, **settings):
    model = model or compiled()
    options = {"epochs": 3, "batch_size": 10, "policies": [Checkpoint(folder, cost=1.0)], **settings}
    model.fit(X, settings.pop("y", Y), resume=resume, **{name: value for name, value in options.items() if name != "y"})
    return model


def damage(path, how):
    content = bytearray(path.read_bytes())
    if how == "truncated":
        del content[len(content) // 2 :]
    elif how == "empty":
        content.clear()
    else:
        content[how % len(content)] ^= 1 << how % 8
    path.write_bytes(bytes(content))


@pytest.mark.parametrize("how", ["truncated", "empty", 5, 77, 1234, 99_991])
def test_the_one_before_is_used_where_the_newest_is_damaged(tmp_path, how):
    expected = fit(tmp_path / "c")
    newest, before = checkpoint_files(tmp_path / "c")
    damage(newest, how)
    resumed = fit(tmp_path / "c", resume=tmp_path / "c")
    assert final(resumed) == final(expected)
    (problem,) = resumed.history.problems
    assert newest.name in problem
    assert f"{before.name} is used instead" in problem
    assert steps_of(tmp_path / "c") == [15, 10], "the damaged file is replaced"


def test_if_all_are_damaged_that_is_an_error(tmp_path):
    fit(tmp_path)
    for path in checkpoint_files(tmp_path):
        damage(path, "truncated")
    model = compiled()
    before = final(model)
    with pytest.raises(CheckpointError, match=r"no checkpoint in .* can be read: .*checkpoint-000000015.*checkpoint-000000010"):
        fit(tmp_path, model, resume=tmp_path)
    assert final(model) == before


def test_a_full_disk_does_not_end_the_training(tmp_path, monkeypatch):
    expected = fit(tmp_path / "a")
    from pellucid.training import checkpoint

    write, calls = checkpoint.write_atomically, itertools.count()

    def full(path, chunks):
        if next(calls) in (1, 2):
            raise FileError(f"{path}: cannot be written: {OSError(errno.ENOSPC, 'No space left on device').strerror}")
        write(path, chunks)

    monkeypatch.setattr(checkpoint, "write_atomically", full)
    model = fit(tmp_path / "b")
    assert final(model) == final(expected)
    assert steps_of(tmp_path / "b") == [5]
    (problem,) = model.history.problems
    assert "after 15 steps could not be written" in problem
    assert "No space left on device" in problem
    assert problem.endswith("the last one is checkpoint-000000005.pellucid")
    assert final(fit(tmp_path / "b", resume=tmp_path / "b")) == final(expected)


def test_a_problem_that_is_over_is_forgotten(tmp_path, monkeypatch):
    from pellucid.training import checkpoint

    write, calls = checkpoint.write_atomically, itertools.count()

    def full_once(path, chunks):
        if next(calls) == 0:
            raise FileError("full")
        write(path, chunks)

    monkeypatch.setattr(checkpoint, "write_atomically", full_once)
    assert fit(tmp_path).history.problems == []


def test_a_folder_is_for_one_training(tmp_path):
    fit(tmp_path)
    with pytest.raises(FileError, match=r"holds the checkpoints of another training: go on with it, fit\(…, resume="):
        fit(tmp_path)
    fit(tmp_path / "new", resume=tmp_path / "new")  # there is none yet: the training starts
    assert steps_of(tmp_path / "new") == [15, 10]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"batch_size": 11}, r"fit\(batch_size=…\) was 10 and is 11"),
        ({"epochs": 4}, r"fit\(epochs=…\) was 3 and is 4"),
        ({"shuffle": False}, r"fit\(shuffle=…\)"),
        ({"model": compiled(optimizer=SGD(0.1))}, "the optimizer of the model was"),
        ({"model": compiled(Sequential(Dense(3), Softmax()))}, "the network of the model"),
    ],
)
def test_another_training_is_refused(tmp_path, change, message):
    fit(tmp_path)
    with pytest.raises(ConfigError, match=message):
        fit(tmp_path, resume=tmp_path, **change)


def test_other_data_are_refused(tmp_path):
    fit(tmp_path)
    with pytest.raises(DataError, match="belongs to a training on other training data"):
        fit(tmp_path, resume=tmp_path, y=np.roll(Y, 1))
    with pytest.raises(DataError, match="belongs to a training on other validation data"):
        fit(tmp_path, resume=tmp_path, validation=(X, Y))


def test_a_model_file_is_no_checkpoint(tmp_path):
    compiled().save(tmp_path / "checkpoint-000000001.pellucid", training_state=True)
    with pytest.raises(CheckpointError, match=r"a model file without the state of a training: Model\.load reads it"):
        fit(tmp_path, resume=tmp_path)


def test_a_checkpoint_is_a_model_file_with_a_history(tmp_path):
    trained = fit(tmp_path)
    loaded = Model.load(checkpoint_files(tmp_path)[0])
    assert final(loaded) == final(trained)
    assert loaded.history["train_loss"] == trained.history["train_loss"]
    assert np.array_equal(loaded.predict(X), trained.predict(X))


def test_a_policy_without_a_memory_is_refused():
    @dataclass(frozen=True)
    class Old(Policy):
        def wrap(self, events, state, history):
            yield from events

    with pytest.raises(ConfigError, match=r"wrap\(events, state, history, memory\), which does not fit"):
        FitOptions(policies=[Old()])


@dataclass(frozen=True)
class _Strange(Metric):
    """A metric whose state no checkpoint can hold."""

    @property
    def name(self):
        return "strange"

    def start(self, count, kernels):
        class State(MetricState):
            def __init__(self):
                self.seen = set()

            def update(self, outputs, targets, weights):
                self.seen.add(len(outputs))

            def result(self):
                return float(len(self.seen))

        return State()


def test_what_a_checkpoint_cannot_hold_is_named(tmp_path):
    model = compiled(metrics=[_Strange()])
    with pytest.raises(ConfigError, match=r"cannot hold training/\.place\.scores\.metrics\.0\.seen, which is of the type set"):
        model.fit(X, Y, batch_size=10, policies=[Checkpoint(tmp_path, every_steps=1)])


# -- plain values -----------------------------------------------------------------------------------------------------------

DTYPES = ["<f4", ">f8", "<f2", "i1", "<i8", "u1", "<u8", ">u2", "bool"]
PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.lists(inner, max_size=3).map(tuple)
        | st.dictionaries(st.text(max_size=3) | st.integers(0, 9), inner, max_size=3)
    ),
    max_leaves=8,
)


@given(PLAIN)
def test_plain_values_come_back(value):
    arrays = {}
    assert repr(unpacked(packed(value, "v", arrays), arrays)) == repr(value)


@pytest.mark.parametrize("dtype", DTYPES)
def test_arrays_come_back_to_the_last_bit(dtype):
    values = np.frombuffer(np.random.default_rng(1).bytes(48), np.uint8)
    array = (values % 2).astype(bool) if dtype == "bool" else values.view(dtype)
    array = array.reshape(2, -1)
    arrays = {}
    back = unpacked(packed({"x": array, "y": array[:0], "z": np.array(array[0, 0])}, "v", arrays), arrays)
    assert all(one.dtype in (np.float32, np.float64) for one in arrays.values())
    assert back["x"].dtype == array.dtype.newbyteorder("<")
    assert back["x"].astype(array.dtype).tobytes() == array.tobytes()
    assert back["y"].shape == (0, array.shape[1])
    assert back["z"].shape == ()


def test_a_place_between_epochs_has_no_seconds():
    assert Place(epoch=2).seconds == 0.0


def test_what_rounds_differently_is_said(tmp_path, monkeypatch):
    fit(tmp_path)
    monkeypatch.setattr("pellucid.training.resuming.name_of", lambda kernels: "other")
    monkeypatch.setattr("pellucid.training.resuming.__version__", "9.9")
    problems = fit(tmp_path, resume=tmp_path).history.problems
    assert len(problems) == 2
    assert "kernels" in problems[0]
    assert problems[1].endswith("the training goes on with 9.9: the result may differ in rounding")


def rewritten(path, change, **settings):
    """Write the checkpoint again, with other settings and with ``change(values)`` in place of its values."""
    file = TensorFile(path)
    arrays = file.arrays()
    values = unpacked(file.settings["training"]["state"], arrays)
    training = {**file.settings["training"], "state": packed(change(values), "training/", arrays)}
    save_tensors(path, {**file.settings, "training": training, **settings}, arrays)


def test_a_checkpoint_of_a_newer_version_is_refused_and_kept(tmp_path):
    fit(tmp_path)
    newest, _ = checkpoint_files(tmp_path)
    rewritten(newest, lambda values: values, format=2, needs="0.9")
    with pytest.raises(VersionError, match=r"checkpoint-000000015.* It needs Pellucid 0.9 or later: update"):
        fit(tmp_path, resume=tmp_path)
    assert newest.exists(), "it is not damaged"


def with_rows(**parts):
    """Return the change of the table of the history, which has 3 rows and 5 columns."""

    def change(values):
        values["history"]["rows"].update(parts)
        return values

    return change


@pytest.mark.parametrize(
    "change",
    [
        lambda arrays: {name: array for name, array in arrays.items() if name != "dense1.b"},
        lambda arrays: {name: array for name, array in arrays.items() if name != "adam1.v/dense2.W"},
        lambda arrays: {**arrays, "dense1.b": arrays["dense1.b"][:1]},
        lambda arrays: {**arrays, "dense9.b": np.zeros(1, np.float32)},
    ],
    ids=["lacks a parameter", "lacks a moment", "another shape", "one more"],
)
def test_arrays_that_do_not_fit_the_model_are_noticed(tmp_path, change):
    fit(tmp_path)
    for path in checkpoint_files(tmp_path):
        file = TensorFile(path)
        save_tensors(path, file.settings, change({name: array.copy() for name, array in file.arrays().items()}))
    model = compiled()
    before = model.parameters.copy()
    with pytest.raises(CheckpointError, match=r"checkpoint-000000015.pellucid: its arrays do not fit the model"):
        fit(tmp_path, model, resume=tmp_path)
    np.testing.assert_array_equal(model.parameters, before)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda values: {**values, "place": []}, "place is of another kind"),
        (lambda values: {**values, "place": {**values["place"], "epoch": "2"}}, "place is of another kind"),
        (lambda values: {**values, "place": {**values["place"], "epoch": 0}}, "epoch is of another kind"),
        (lambda values: {**values, "place": {**values["place"], "batch": -1}}, "batch is of another kind"),
        (lambda values: {**values, "place": {**values["place"], "scores": 5}}, "scores is of another kind"),
        (lambda values: {**values, "history": {**values["history"], "rows": [5]}}, "history is of another kind"),
        (with_rows(values=[5]), "rows is of another kind"),
        (with_rows(values=np.zeros((3, 2))), "rows is of another kind"),
        (with_rows(values=np.zeros((3, 5), np.float32)), "rows is of another kind"),
        (with_rows(values=np.full((3, 5), np.nan)), "rows is of another kind"),
        (with_rows(present=np.zeros((3, 5), bool)), "rows is of another kind"),
        (with_rows(columns=["epoch", "a", "b", "c", 5]), "rows is of another kind"),
        (with_rows(columns=["a", "b", "c", "d", "e"]), "rows is of another kind"),
        (with_rows(columns=["epoch", "a", "a", "c", "d"]), "rows is of another kind"),
        (lambda values: {**values, "scale": None}, "scale is of another kind"),
        (lambda values: {**values, "memories": [5]}, "memories is of another kind"),
        (lambda values: {**values, "memories": [{}, 5]}, "memories is of another kind"),
        (lambda values: {**values, "learning_rate": "high"}, "learning_rate is of another kind"),
        (lambda values: {**values, "record": [[[[0]]]]}, "record is of another kind"),
    ],
)
def test_values_of_another_kind_are_noticed(tmp_path, change, message):
    fit(tmp_path)
    newest, before = checkpoint_files(tmp_path)
    rewritten(newest, change)
    resumed = fit(tmp_path, resume=tmp_path)
    (problem,) = resumed.history.problems
    assert message in problem
    assert f"{before.name} is used instead" in problem


def remembering(place, name, value):
    """Return the change of the memory of the policy at this place."""

    def change(values):
        values["memories"][place][name] = value
        return values

    return change


def test_the_memory_of_a_policy_is_of_the_kind_that_it_begins_with(tmp_path):
    policies = [AverageWeights(), ReduceOnPlateau(monitor="train_loss"), EarlyStopping(monitor="train_loss")]
    for place, name, value in (
        (0, "steps", "many"),
        (0, "averages", {"parameters": np.zeros(3, np.float32)}),
        (1, "best", None),
        (2, "parameters", np.zeros(3)),
        (2, "epochs", 1.5),
        (2, "epochs", True),
    ):
        folder = tmp_path / f"{place}{name}{value!s:.3}"
        fit(folder, policies=[*policies, Checkpoint(folder, cost=1.0)], epochs=2)
        for path in checkpoint_files(folder):
            rewritten(
                path,
                lambda values, place=place, name=name, value=value: values["memories"][place].update({name: value}) or values,
            )
        with pytest.raises(CheckpointError, match=f"{name!r} that a policy remembers, instead of a value like"):
            fit(folder, policies=[*policies, Checkpoint(folder, cost=1.0)], epochs=2, resume=folder)


def test_each_policy_has_its_memory(tmp_path):
    fit(tmp_path)
    for path in checkpoint_files(tmp_path):
        rewritten(path, lambda values: {**values, "memories": [{}]})
    with pytest.raises(CheckpointError, match="is of a training with 1 policies, not 0"):
        fit(tmp_path, resume=tmp_path)


def test_scores_from_which_no_result_can_be_computed_are_noticed(tmp_path):
    settings = {"model": compiled(metrics=[ROCAUC()]), "epochs": 1}
    fit(tmp_path, policies=[Checkpoint(tmp_path, every_steps=2, keep=1, cost=1.0)], **settings)
    (path,) = checkpoint_files(tmp_path)

    def other_batches(values):
        scores = {"loss": 1.0, "weight": 20.0, "metrics": [{"exclusive": True, "columns": np.arange(3), "batches": [5]}]}
        return {**values, "place": {**values["place"], "epoch": 1, "batch": 2, "scores": scores}}

    rewritten(path, other_batches)
    with pytest.raises(CheckpointError, match="the scores in the checkpoint do not fit the metrics"):
        fit(tmp_path, model=compiled(metrics=[ROCAUC()]), epochs=1, resume=tmp_path)


ROWS = [
    {"epoch": 1, "seconds": 0.25, "train_loss": 1.5},
    {"epoch": 2, "seconds": 0.5, "train_loss": math.nan, "train_recall_0": 1 / 3},
    {"epoch": 3, "seconds": 0.75, "train_loss": math.inf},
]


@pytest.mark.parametrize("rows", [ROWS, ROWS[:1], ROWS[1:], []], ids=len)
def test_the_table_of_a_history_has_the_rows(rows):
    table = _table(rows)
    assert is_table(table)
    assert repr(rows_of(table)) == repr(rows)
    assert (table["present"] is None) == (len({len(row) for row in rows}) < 2)


@pytest.mark.parametrize(
    "change",
    [
        {"values": None},
        {"values": [[1.0, 0.25, 1.5]]},
        {"values": np.array([[1, 2, 3]])},
        {"values": np.ones(3)},
        {"values": np.ones((1, 4))},
        {"values": np.array([[math.inf, 0.25, 1.5]])},
        {"values": np.array([[math.nan, 0.25, 1.5]])},
        {"present": np.ones((1, 3))},
        {"present": [[True, True, True]]},
        {"present": np.ones((2, 3), bool)},
        {"present": np.array([[False, True, True]])},
        {"columns": ["epoch", "seconds", 3]},
        {"columns": ["epoch", "seconds", "seconds"]},
        {"columns": ["epoche", "seconds", "train_loss"], "integers": []},
        {"integers": [1]},
        {"integers": ["epoch", "train_loss"], "values": np.array([[1.0, 0.25, math.nan]])},
    ],
    ids=str,
)
def test_other_tables_are_noticed(change):
    table = _table(ROWS[:1])
    assert is_table(table)
    assert is_table({**table, "present": np.ones((1, 3), bool)})
    assert is_table({**table, "integers": ["epoch", "elsewhere"]})
    assert is_table({**table, "values": np.array([[1.0, math.nan, math.inf]])})
    assert not is_table({**table, **change})


def test_integers_that_are_left_out_of_a_row_need_no_value():
    rows = [{"epoch": 1, "count": 3}, {"epoch": 2}]
    table = _table(rows)
    assert is_table(table)
    assert rows_of(table) == rows
    assert [type(value) for value in rows_of(table)[0].values()] == [int, int]


@pytest.mark.parametrize(
    ("value", "recorded"),
    [
        (None, None),
        (True, True),
        (3, 3),
        (np.int64(3), 3),
        (np.float32(0.5), 0.5),
        (math.inf, "inf"),
        ("balanced", "balanced"),
        ((1, [2.5]), [1, [2.5]]),
        ({1: 2.0, "a": None}, [[1, 2.0], ["a", None]]),
        (object(), "object"),
    ],
    ids=lambda one: "object" if type(one) is object else str(one),  # its address differs between processes
)
def test_the_form_of_options_in_a_file(value, recorded):
    found = _recorded(value)
    assert found == recorded
    assert type(found) is type(recorded)


def test_the_form_of_arrays_in_a_file():
    array = np.array([[1.0, 2.0, 3.0]])
    kind, shape, digest = _recorded(array)
    assert (kind, shape, len(digest)) == ("float64", [1, 3], 64)
    assert _recorded(np.asfortranarray(array.repeat(2, axis=1))[:, ::2]) == [kind, shape, digest]
    assert len({str(_recorded(one)) for one in (array, array + 1, array[0], array.astype(np.float32))}) == 4


def test_checkpoints_are_not_part_of_the_options_that_are_compared(tmp_path):
    without = recorded_options(FitOptions(policies=[EarlyStopping(2)]))
    assert recorded_options(FitOptions(policies=[Checkpoint(tmp_path), EarlyStopping(2)], resume=tmp_path)) == without
    assert len(without["policies"]) == 1
    assert recorded_options(FitOptions(policies=[EarlyStopping(3)])) != without


@pytest.mark.parametrize(
    "scores",
    [{"loss": 0.5}, {"loss": 0.5, "weight": 1.0, "metrics": []}, {"loss": 1, "weight": 1, "metrics": [{"sum": "x"}]}],
)
def test_scores_that_do_not_fit_the_metrics_are_noticed(tmp_path, scores):
    fit(tmp_path, policies=[Checkpoint(tmp_path, every_steps=2, keep=1, cost=1.0)], epochs=1)
    (path,) = checkpoint_files(tmp_path)
    middle = {"epoch": 1, "batch": 2, "scores": scores}
    rewritten(path, lambda values: {**values, "place": {**values["place"], **middle}})
    with pytest.raises(CheckpointError, match="the scores in the checkpoint do not fit the metrics"):
        fit(tmp_path, epochs=1, resume=tmp_path)
