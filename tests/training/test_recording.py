"""Recorded steps have the bits of interpreted ones, whatever the network, the data and the settings."""

from __future__ import annotations

import contextlib
import itertools
import sys
import warnings
from dataclasses import dataclass

import numpy as np
import pytest

from pellucid import (
    L1,
    L2,
    LSTM,
    SGD,
    Accuracy,
    Adadelta,
    Adagrad,
    Adam,
    Adamax,
    AdamW,
    BatchNorm,
    Chain,
    ClipNorm,
    ClipValue,
    Conv2D,
    CrossEntropy,
    DataError,
    Decay,
    Dense,
    DensePerPosition,
    DivergedError,
    Dropout,
    ElasticNet,
    Embedding,
    Flatten,
    Layer,
    LayerSpec,
    LearnedScale,
    Lion,
    MaxNorm,
    MaxPool2D,
    MeanSquaredError,
    Members,
    Muon,
    Nadam,
    PellucidError,
    RAdam,
    ReLU,
    Residual,
    RMSprop,
    Rprop,
    Sequential,
    ShapeError,
    Signs,
    Softmax,
    StepDecay,
    Tanh,
    kernels,
)
from pellucid.data.augmentation import Augmentation
from pellucid.kernels.compiled import tape
from pellucid.optim.chain import Rule
from pellucid.training import recording
from pellucid.training.loop import take_step
from pellucid.training.step import GradientStep

KERNELS = kernels.load("compiled") if kernels.load().__name__.endswith("compiled") else None
pytestmark = pytest.mark.skipif(KERNELS is None or KERNELS.recorder(KERNELS) is None, reason="steps are not recorded here")


@dataclass(frozen=True)
class Fresh(Layer):
    """A layer of one's own, in NumPy: each pass returns new memory, in another order of axes."""

    def build(self, shape):
        return LayerSpec(shape)

    def forward(self, p, x, ctx):
        return np.asfortranarray(x * 1.5)

    def backward(self, p, g, dy, ctx):
        return np.asfortranarray(dy * 1.5)


@dataclass(frozen=True)
class Cleared(Layer):
    """A layer of one's own that clears the memory of its input gradient before it reads dY."""

    def build(self, shape):
        return LayerSpec(shape)

    def forward(self, p, x, ctx):
        return x

    def backward(self, p, g, dy, ctx):
        dx = ctx.gradient(dy.shape)
        dx.fill(0)
        dx += dy
        return dx


@dataclass(frozen=True)
class OwnTanh(type(Tanh()).__mro__[1]):  # a subclass of Activation that redefines a pass
    kernel_name = "tanh"

    def forward(self, p, x, ctx):
        y = super().forward(p, x, ctx)
        y += 1  # NumPy: a replay of the kernel alone would leave this out
        return y

    def backward(self, p, g, dy, ctx):
        (y,) = ctx.kept
        return dy * (1 - np.square(y - 1))


NETWORKS = {
    "dense": Sequential(Flatten(), Dense(16), ReLU(), Dense(3), Softmax()),
    "noise first": Sequential(Dropout(0.2), Flatten(), Dense(16), BatchNorm(), ReLU(), Dropout(0.5), Dense(3), Softmax()),
    "convolutions": Sequential(
        Conv2D(4, 3, padding="same"),
        BatchNorm(),
        ReLU(),
        Residual(Conv2D(4, 3, padding="same"), BatchNorm(), ReLU(), Conv2D(4, 3, padding="same")),
        MaxPool2D(2),
        Flatten(),
        Dense(3),
        Softmax(),
    ),
    "own layers": Sequential(Fresh(), Conv2D(4, 3), ReLU(), Fresh(), Flatten(), Dense(8), OwnTanh(), Dense(3), Softmax()),
    "input gradients": Sequential(Flatten(), Dense(8), Cleared(), Dense(8), Cleared(), Cleared(), Dense(3), Softmax()),
    "an ensemble in one network": Sequential(  # 4 members: batches of 10 begin at other places of a group
        Flatten(), Members(4, LearnedScale(Signs()), Dense(8), Tanh(), Dropout(0.3), DensePerPosition(3)), Softmax()
    ),
    "no parameters before": Sequential(Flatten(), Fresh(), Dense(3), Softmax()),
}


def images(n=60, seed=0):
    generator = np.random.default_rng(seed)
    return generator.integers(0, 256, (n, 6, 6, 1), np.uint8), generator.integers(0, 3, n)


def model_of(network, optimizer=None, loss=None, shape=(6, 6, 1), metrics=()):
    return network.compile(
        input_shape=shape, loss=loss or CrossEntropy(), optimizer=optimizer or Adam(0.01), seed=3, metrics=metrics
    )


def interpret(patch):
    """Let no step be recorded."""
    patch.setattr(recording, "recorded", lambda *arguments, **others: None)
    patch.setattr("pellucid.training.step.recorded", lambda *arguments, **others: None)


def rows_of(history):
    return [{name: value for name, value in row.items() if name != "seconds"} for row in history.rows]


def trained(network, monkeypatch, *, record, **options):
    """Return the parameters, statistics and history of a training."""
    with monkeypatch.context() as patch:
        if not record:
            interpret(patch)
        model = model_of(network, metrics=[Accuracy()])
        history = model.fit(*images(), epochs=3, progress=False, **options)
        assert (model._trainer._gradient_step._recorded is not None) == record
    return model.parameters.copy(), model.state.statistics.copy(), rows_of(history)


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize(
    "options",
    [
        {"batch_size": 8},  # the last batch of an epoch has another shape
        {"batch_size": 10, "accumulate": 3, "augmentation": Augmentation(shift=1)},
        {"batch_size": 16, "class_weight": "balanced"},  # the sum of weights differs from batch to batch
    ],
    ids=["plain", "accumulated and augmented", "weighted"],
)
def test_a_recorded_training_has_the_bits_of_an_interpreted_one(name, options, monkeypatch):
    replayed, interpreted = (trained(NETWORKS[name], monkeypatch, record=record, **options) for record in (True, False))
    assert replayed[0].tobytes() == interpreted[0].tobytes()
    assert replayed[1].tobytes() == interpreted[1].tobytes()
    assert replayed[2] == interpreted[2]


def both_steps(model):
    return GradientStep(model.state), GradientStep(model.state, may_record=False)


def assert_same(steps, x, y, weights, number):
    """Make the same step with both, and compare everything that a step returns."""
    losses = [step(x, y, weights, number) for step in steps]
    assert losses[0] == losses[1]
    for what in ("gradient", "statistics", "outputs"):
        one, other = (getattr(step, what) for step in steps)
        assert np.array_equal(one, other), (what, number)


def test_many_shapes_in_turn():
    model = model_of(NETWORKS["convolutions"])
    steps = both_steps(model)
    x, y = images(40)
    x = x.astype(np.float32) / 255
    sizes = [*range(1, recording.MAX_SHAPES + 4), 2, 40, 3, 11, 40, 2]
    for number, n in enumerate(sizes, start=1):
        assert_same(steps, x[:n].copy(), y[:n].copy(), np.ones(n, np.float32), number)
        model.state.parameters -= 0.01 * steps[1].gradient
    assert len(steps[0]._recorded._recordings) == recording.MAX_SHAPES


def test_batches_that_begin_at_many_places_of_a_group_are_interpreted():
    many = model_of(Sequential(Flatten(), Members(9, LearnedScale(), DensePerPosition(3)), Softmax()))
    step = GradientStep(many.state)
    x, y = images(10)
    for offset in (0, 9, 5, 1, 9):
        step(x[:5].astype(np.float32), y[:5], np.ones(5, np.float32), 1, offset)
    assert len(step._recorded._recordings) == 1  # that of the place 0


def test_weights_and_targets_change_from_step_to_step():
    model = model_of(NETWORKS["dense"])
    steps = both_steps(model)
    x, _ = images(12)
    x = x.astype(np.float32) / 255
    generator = np.random.default_rng(1)
    for number in range(1, 7):
        weights = np.ones(12, np.float32) if number % 2 else generator.random(12).astype(np.float32)
        assert_same(steps, x, generator.integers(0, 3, 12), weights, number)
    soft = generator.dirichlet([1, 1, 1], 12).astype(np.float32)  # distributions in place of labels
    for number in range(7, 10):
        assert_same(steps, x, soft, np.ones(12, np.float32), number)


@pytest.mark.parametrize("unit", [1.0, 2.0, (0.5, 2.0)])
def test_losses_that_compute_in_python_are_interpreted(unit):
    model = model_of(Sequential(Flatten(), Dense(2)), loss=MeanSquaredError(unit=unit))
    steps = both_steps(model)
    generator = np.random.default_rng(1)
    for number in range(1, 5):
        x, y = (generator.random(shape).astype(np.float32) for shape in ((5, 6, 6, 1), (5, 2)))
        assert_same(steps, x, y, np.ones(5, np.float32), number)
    (one,) = steps[0]._recorded._recordings.values()
    assert (one.loss is not None) == (unit == 1)


def test_masked_steps_are_read_again():
    model = model_of(
        Sequential(LSTM(4, mask=0.0, return_sequences=True), Dense(3), Softmax()), loss=CrossEntropy(), shape=(5, 2)
    )
    steps = both_steps(model)
    generator = np.random.default_rng(1)
    for number in range(1, 5):
        x = generator.random((6, 5, 2)).astype(np.float32)
        x[generator.random((6, 5)) < 0.4] = 0
        assert_same(steps, x, generator.integers(0, 3, (6, 5)), np.ones(6, np.float32), number)


def test_a_step_that_raises_leaves_no_recording():
    model = model_of(Sequential(Embedding(5, 3), Flatten(), Dense(3), Softmax()), shape=(4,))
    steps = both_steps(model)
    good, bad = np.array([[0.0, 1, 2, 3], [4, 3, 2, 1]], np.float32), np.full((2, 4), 7, np.float32)
    y, weights = np.array([0, 2]), np.ones(2, np.float32)
    with pytest.raises(DataError, match="7"):
        steps[0](bad, y, weights, 1)
    for number in range(2, 5):
        assert_same(steps, good, y, weights, number)
    with pytest.raises(DataError, match="7"):
        steps[0](bad, y, weights, 5)
    assert_same(steps, good[::-1].copy(), y, weights, 6)


def test_divergence_is_found_in_a_replayed_step():
    model = model_of(NETWORKS["dense"], SGD(0.1))
    x, y = images(20)
    x = x.astype(np.float32) / 255
    for _ in range(3):
        model.train_on_batch(x, y)
    before = model.parameters.copy()
    model.parameters[5] = np.nan
    with pytest.raises(DivergedError, match=r"dense1\.W"):
        model.train_on_batch(x, y)
    model.parameters[...] = before
    model.train_on_batch(x, y)
    assert np.isfinite(model.parameters).all()


def test_the_number_of_threads_may_change_between_steps():
    model = model_of(NETWORKS["convolutions"])
    steps = both_steps(model)
    x, y = images(30)
    x = x.astype(np.float32) / 255
    for number, threads in enumerate((2, 1, 2, 1), start=1):
        KERNELS.set_num_threads(threads)
        assert_same(steps, x, y, np.ones(30, np.float32), number)


@dataclass(frozen=True)
class Overflowing(Layer):
    def build(self, shape):
        return LayerSpec(shape)

    def forward(self, p, x, ctx):
        return x * np.exp(np.float32(100))

    def backward(self, p, g, dy, ctx):
        return dy


def test_values_that_overflow_in_python_are_no_warnings():
    model = model_of(Sequential(Flatten(), Dense(4), Overflowing(), Dense(3), Softmax()))
    steps = both_steps(model)
    x, y = images(4)
    for number in range(1, 4):
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            losses = [step(1e30 * x.astype(np.float32), y, np.ones(4, np.float32), number) for step in steps]
        assert not np.isfinite(losses).any()


def test_arrays_that_are_not_contiguous_are_interpreted():
    model = model_of(NETWORKS["dense"])
    steps = both_steps(model)
    x, y = images(12)
    x, wide = x.astype(np.float32) / 255, np.ones((12, 2), np.float32)
    wide[:, 1] = 100
    for number, (targets, weights) in enumerate(
        [(y, np.ones(12, np.float32)), (y, wide[:, 0]), (np.repeat(y, 2)[::2], wide[:, 0])], 1
    ):
        assert_same(steps, x, targets, weights, number)


def test_observed_steps_are_interpreted():
    model = model_of(NETWORKS["dense"])
    seen = []
    step = GradientStep(model.state, plan=model.state.body, observer=lambda path, what, array: seen.append((path, what)))
    x, y = images(4)
    for number in (1, 2):
        step((x / 255).astype(np.float32), y, np.ones(4, np.float32), number)
    assert step._recorded is None
    assert seen[: len(seen) // 2] == seen[len(seen) // 2 :]
    assert ("dense1", "output") in seen


SCHEDULE = StepDecay(0.02, 0.5, 1)
OPTIMIZERS = [
    SGD(0.1),
    Chain(ClipNorm(0.3), L2(1e-3), SGD(SCHEDULE, momentum=0.9, nesterov=True), MaxNorm(0.7)),
    Chain(L1(1e-4), ClipNorm(0.3), ElasticNet(1e-4, 1e-3), ClipValue(0.01), SGD(0.1, momentum=0.9)),
    Adam(SCHEDULE, amsgrad=True),
    Chain(Decay(0.1), Adam(0.01), rates={"*": 0.5, "dense2.*": 1.0, "dense1.b": 0.0}),
    AdamW(0.01, 0.1),
    RAdam(0.01, beta2=0.9),  # its first steps are of another form
    Nadam(0.01),
    Adamax(0.01),
    RMSprop(0.01, momentum=0.5, centered=True),
    Adagrad(0.01),
    Adadelta(1.0),
    Lion(SCHEDULE),
]


def is_updated(model):
    """Return whether the steps of the model are replayed with their update."""
    return model._trainer._gradient_step._update is not None


@pytest.mark.parametrize("optimizer", OPTIMIZERS, ids=str)
@pytest.mark.parametrize("name", ["dense", "noise first", "own layers"])
def test_a_recorded_update_has_the_bits_of_an_interpreted_one(name, optimizer, monkeypatch):
    results = []
    for record in (True, False):
        with monkeypatch.context() as patch:
            if not record:
                interpret(patch)
            model = model_of(NETWORKS[name], optimizer, metrics=[Accuracy()])
            rows = rows_of(model.fit(*images(), epochs=3, batch_size=16, progress=False))
            assert is_updated(model) == record
        state = model.state
        vectors = [state.parameters, state.statistics, *state.updater.state.values()]
        results.append(([vector.tobytes() for vector in vectors], rows, state.steps))
    assert results[0] == results[1]


@dataclass(frozen=True)
class OwnRule(Rule):
    learning_rate: float = 0.1

    def apply(self, theta, g, state, rate, step, kernels):
        theta -= rate * g


@dataclass(frozen=True)
class Interrupted(OwnRule):
    def apply(self, theta, g, state, rate, step, kernels):
        theta.fill(step)
        raise KeyboardInterrupt


@dataclass(frozen=True)
class OwnSGD(SGD):
    def apply(self, theta, g, state, rate, step, kernels):
        super().apply(theta, g, state, rate, step, kernels)
        theta += np.float32(1e-3)


@pytest.mark.parametrize("optimizer", [OwnRule(), OwnSGD(0.1), Rprop(), Muon(), Chain(ClipNorm(0.1), OwnSGD(0.1))], ids=str)
def test_updates_that_compute_in_python_are_interpreted(optimizer, monkeypatch):
    results = []
    for record in (True, False):
        with monkeypatch.context() as patch:
            if not record:
                interpret(patch)
            model = model_of(NETWORKS["dense"], optimizer)
            model.fit(*images(), epochs=2, batch_size=16, progress=False)
            assert not is_updated(model)
        results.append(model.parameters.tobytes())
    assert results[0] == results[1]


def infinite_sample(x, state):
    x[3, 2] = np.inf  # the network computes with tanh(x)


def infinite_parameter(x, state):
    state.parameters[5] = np.inf


def large_loss(x, state):
    state.parameters *= np.float32(1e8)  # and the gradient is in bounds


def large_gradient(x, state):
    state.parameters.fill(0)  # the logits are 0, and the loss is in bounds
    x *= np.float32(1e25)


@pytest.mark.parametrize("spoil", [infinite_sample, infinite_parameter, large_loss, large_gradient])
@pytest.mark.parametrize("layers", [(Tanh(),), (Dropout(0.1), BatchNorm(), Dense(8)), ()], ids=len)
def test_a_step_that_is_refused_changes_nothing(layers, spoil):
    """It ends at a limit before the update, and is then computed again to find the error."""
    model = model_of(Sequential(Flatten(), *layers, Dense(3), Softmax()), Chain(ClipNorm(0.5), Adam(0.01)))
    x, y = images(20)
    x = x.astype(np.float32) / 255
    for _ in range(3):
        model.train_on_batch(x, y)
    assert is_updated(model)
    state = model.state
    spoil(x, state)
    vectors = [state.parameters, state.statistics, *state.updater.state.values()]
    before, steps = [vector.tobytes() for vector in vectors], state.steps
    if spoil is large_gradient and layers:
        return  # they bring x or its gradient back into bounds
    error, message = (DataError, "NaN") if spoil is infinite_sample else (DivergedError, f"step {steps + 1}")
    with pytest.raises(error, match=message):
        model.train_on_batch(x, y)
    assert [vector.tobytes() for vector in vectors] == before
    assert state.steps == steps


def interrupted(function, place):
    """Call the function, and raise KeyboardInterrupt at the call or return with this number; return whether there is one."""
    places = itertools.count()

    def profile(frame, event, argument):
        if frame.f_globals.get("__name__", "").startswith("pellucid.") and next(places) == place:
            raise KeyboardInterrupt

    with contextlib.suppress(KeyboardInterrupt):
        sys.setprofile(profile)
        function()
        sys.setprofile(None)
    return next(places) > place


def vectors_of(model):
    vectors = [model.state.parameters, model.state.statistics, *model.state.updater.state.values()]
    return [vector.tobytes() for vector in vectors]


@pytest.mark.filterwarnings("ignore:Exception ignored")  # by Python, at the end of a generator
@pytest.mark.parametrize(("before", "distance"), [(2, 7), (4, 1)])
def test_an_interrupt_at_any_place_leaves_a_step_that_is_made_and_counted_or_neither(before, distance, monkeypatch):
    """The third step is the first that is replayed. It records the update, at many more places than the fifth one has."""
    replay = tape.replay
    monkeypatch.setattr(tape, "replay", lambda *arguments: replay(*arguments))  # its return is a place
    batches = [(np.random.default_rng(k).random((n, 4), np.float32), np.arange(n) % 3) for k, n in enumerate([6, 5] * 3)]

    def new_model():
        return model_of(Sequential(BatchNorm(), Dense(3), Softmax()), Chain(ClipNorm(0.3), Adam(0.01)), shape=(4,))

    expected, undisturbed = [vectors_of(new_model())], new_model()
    for x, y in batches:
        undisturbed.train_on_batch(x, y)
        expected.append(vectors_of(undisturbed))
    counted = set()
    for place in itertools.count(step=distance):
        model = new_model()
        for x, y in batches[:before]:
            model.train_on_batch(x, y)
        if not interrupted(lambda model=model: model.train_on_batch(*batches[before]), place):
            break
        steps = model.state.steps
        counted.add(steps)
        assert vectors_of(model) == expected[steps], f"interrupted at place {place}"
        for x, y in batches[steps:]:
            model.train_on_batch(x, y)
        assert vectors_of(model) == expected[-1], f"interrupted at place {place}"
        assert is_updated(model)
    assert counted == {before, before + 1}


def test_an_interrupt_in_an_interpreted_update_counts_the_step():
    """A part of the components may have changed the parameters."""
    model = model_of(NETWORKS["dense"], Interrupted())
    for step in range(1, 4):
        with pytest.raises(KeyboardInterrupt):
            model.train_on_batch(*images(10))
        assert model.state.steps == step
        assert (model.parameters == step).all()


def test_single_numbers_are_refused_by_a_trained_model():
    model = Sequential(Dense(3), Softmax()).compile((4,), CrossEntropy(), seed=0)
    number, y = np.array(1, np.float32), np.arange(6) % 3
    for _ in range(3):
        for labels in (y, y[:1], y[0]):
            with pytest.raises(ShapeError, match="one row for each sample"):
                model.train_on_batch(number, labels)
        model.train_on_batch(np.ones((6, 4), np.float32), y)


def test_batches_like_earlier_ones_are_checked():
    """The checks that are left are those of values: all else has another shape, dtype or layout."""
    models = [model_of(NETWORKS["dense"]) for _ in range(2)]
    x, y = images(20)
    x = x.astype(np.float32) / 255
    for number in range(3):
        loss = models[0].train_on_batch(x + number, y)
        assert loss == models[1].train_on_batch((x + number).astype(np.float64), y.astype(np.uint8))
    for bad, message in ((y + 1, "out of range"), (y - 1, "out of range"), (y + 0.5, "integers"), (y[1:], "one target")):
        with pytest.raises(PellucidError, match=message):
            models[0].train_on_batch(x, bad)
    with pytest.raises(DataError, match="uint8"):
        models[0].train_on_batch(images(20)[0], y)
    losses = [model.train_on_batch(one, y[::-1]) for model, one in zip(models, (x[::-1], x[::-1].copy()), strict=True)]
    assert losses[0] == losses[1]
    weights = np.linspace(0, 1, 20, dtype=np.float32)
    losses = [model.train_on_batch(x, y, w) for model, w in zip(models, (weights, weights.astype(np.float64)), strict=True)]
    assert losses[0] == losses[1]
    assert models[0].parameters.tobytes() == models[1].parameters.tobytes()


def test_the_rate_of_each_step_is_used():
    """Rates of other types are computed with as the optimizer would."""
    replayed, interpreted = (model_of(NETWORKS["dense"], Chain(Decay(0.1), Adam(0.01))) for _ in range(2))
    interpreted._trainer._gradient_step._updates = False
    x, y = images(20)
    x = (x / 255).astype(np.float32)
    ones = np.ones(20, np.float32)
    for rate in (0.1, 0.0, 1, np.float64(0.3), np.float32(0.3), 0.05):
        losses = [
            take_step(model.state, model._trainer._gradient_step, x, y, ones, rate, "here") for model in (replayed, interpreted)
        ]
        assert losses[0] == losses[1]
    assert is_updated(replayed)
    assert not is_updated(interpreted)
    assert replayed.parameters.tobytes() == interpreted.parameters.tobytes()


@dataclass(frozen=True)
class Reversed(CrossEntropy):
    """Labels that count from the last class."""

    def targets(self, y, shape):
        return super().targets(shape[0] - 1 - y, shape)


def test_labels_that_a_loss_converts_are_converted_at_each_step():
    x, y = np.random.default_rng(0).random((6, 4), np.float32), np.arange(6) % 3
    ordinary, other = (Sequential(Dense(3), Softmax()).compile((4,), loss, seed=0) for loss in (CrossEntropy(), Reversed()))
    for _ in range(4):
        assert other.train_on_batch(x, 2 - y) == ordinary.train_on_batch(x, y)


def test_targets_may_be_the_samples_themselves_at_one_step_and_others_at_the_next():
    clean, noisy = np.random.default_rng(0).random((2, 6, 4), np.float32)
    models = [Sequential(Dense(4)).compile((4,), MeanSquaredError(), seed=0) for _ in range(2)]
    models[0].train_on_batch(clean, clean)
    models[1].train_on_batch(clean, clean.copy())
    for _ in range(3):
        assert models[0].train_on_batch(noisy, clean) == models[1].train_on_batch(noisy, clean)
