"""Training on batches from a program: the same bits as from arrays, errors with their place, sources that are closed."""

from __future__ import annotations

import itertools
import threading

import numpy as np
import pytest

from pellucid import (
    LBFGS,
    Accuracy,
    Adam,
    AverageWeights,
    Concatenate,
    ConfigError,
    CrossEntropy,
    DataError,
    Dense,
    Dropout,
    EarlyStopping,
    FitOptions,
    Flatten,
    Graph,
    MeanSquaredError,
    Node,
    Perturbation,
    ReLU,
    Sequential,
    ShapeError,
    Softmax,
)
from pellucid.data import Augmentation, BatchStream, Dataset
from pellucid.training.streamed import training_data

RNG = np.random.default_rng(0)
X = RNG.normal(size=(80, 4)).astype(np.float32)
Y = (X[:, 0] > 0).astype(int)
BATCHES = [(X[i : i + 32], Y[i : i + 32]) for i in range(0, 80, 32)]  # the last one is smaller


def prefetching_threads():
    return [thread for thread in threading.enumerate() if thread.name == "pellucid-prefetch"]


def new_model(seed=0, **settings):
    network = Sequential(Dense(8), ReLU(), Dropout(0.1), Dense(2), Softmax())
    return network.compile((4,), CrossEntropy(), settings.pop("optimizer", Adam(0.01)), [Accuracy()], seed, **settings)


def by_epoch(epoch):
    yield from BATCHES


class Loader:
    """Like the data loaders of other libraries: a length, batches as lists, of arrays that NumPy can convert."""

    def __len__(self):
        return len(BATCHES)

    def __iter__(self):
        for x, y in BATCHES:
            yield [memoryview(x), memoryview(y)]


def trained(x, y=None, model=None, **options):
    model = new_model() if model is None else model
    model.fit(x, y, epochs=options.pop("epochs", 3), **options)
    return model


@pytest.fixture(scope="module")
def from_arrays():
    return trained(X, Y, batch_size=32, shuffle=False, validation=(X, Y))


SOURCES = {
    "function": lambda: (by_epoch, 3),
    "function that returns a list": lambda: (lambda epoch: BATCHES, None),
    "list": lambda: (BATCHES, None),
    "data sets": lambda: ([Dataset(*batch) for batch in BATCHES], None),
    "loader": lambda: (Loader(), None),
    "iterator": lambda: (itertools.cycle(BATCHES), 3),
    "stream": lambda: (BatchStream(by_epoch, 3), None),
    "prefetched": lambda: (BatchStream(by_epoch, 3, prefetch=2), None),
    "prefetched iterator": lambda: (BatchStream(itertools.cycle(BATCHES), 3, prefetch=2), None),
}


@pytest.mark.parametrize("kind", SOURCES)
def test_the_same_batches_give_the_same_bits(kind, from_arrays):
    source, steps = SOURCES[kind]()
    model = trained(source, steps_per_epoch=steps, validation=(X, Y))
    np.testing.assert_array_equal(model.parameters, from_arrays.parameters)
    for column in ("train_loss", "train_accuracy", "validation_loss"):
        assert model.history[column] == from_arrays.history[column]
    assert not prefetching_threads()


@pytest.mark.parametrize("prefetch", [0, 2])
def test_options_work_as_with_arrays(prefetch):
    weights = RNG.random(80).astype(np.float32)
    weighted = [(*batch, weights[i : i + 32]) for batch, i in zip(BATCHES, (0, 32, 64), strict=True)]
    for options in (
        {"accumulate": 2},
        {"policies": [AverageWeights(), EarlyStopping(1)], "validation": (X, Y)},
        {"class_weight": [1, 3]},
        {"class_weight": {1: 2, 0: 0}},
        {"method": Perturbation("parallel")},
        {"augmentation": lambda x, generator: x + 0.1 * generator.normal(size=x.shape)},
    ):
        wanted = trained(Dataset(X, Y, weights), batch_size=32, shuffle=False, **options)
        got = trained(BatchStream(weighted, prefetch=prefetch), **options)
        np.testing.assert_array_equal(got.parameters, wanted.parameters, err_msg=str(options))


def test_a_batch_of_classes_without_weight_does_not_count():
    model = trained([(X[Y == 1], Y[Y == 1]), (X[Y == 0], Y[Y == 0])], epochs=1, class_weight={0: 0})
    assert model.state.steps == 2


def test_images_of_bytes_are_scaled_and_augmented():
    x = RNG.integers(0, 256, (20, 5, 5, 1), np.uint8)
    y = np.arange(20) % 2
    network = Sequential(Flatten(), Dense(2), Softmax())
    wanted, got = (network.compile((5, 5, 1), CrossEntropy()) for _ in range(2))
    augmentation = Augmentation(rotation=20)
    trained(x, y, wanted, batch_size=10, shuffle=False, augmentation=augmentation)
    trained([(x[:10], y[:10]), (x[10:], y[10:])], None, got, augmentation=augmentation)
    assert got.input_stage == wanted.input_stage
    np.testing.assert_allclose(got.parameters, wanted.parameters, atol=1e-6)


def test_the_number_of_the_epoch_counts_over_all_trainings_so_that_a_checkpoint_continues(tmp_path):
    epochs = []

    def shuffled(epoch):
        epochs.append(epoch)
        order = np.random.default_rng(epoch).permutation(80)
        return [(X[order[:40]], Y[order[:40]]), (X[order[40:]], Y[order[40:]])]

    whole = trained(shuffled, epochs=4)
    half = trained(shuffled, epochs=2)
    half.save(tmp_path / "half", training_state=True)
    continued = type(half).load(tmp_path / "half")
    trained(shuffled, None, continued, epochs=2)
    assert epochs == [0, 1, 2, 3, 0, 1, 2, 3]
    np.testing.assert_array_equal(continued.parameters, whole.parameters)


def test_a_source_may_use_its_arrays_again_while_batches_are_prefetched():
    def reusing(epoch):
        x, y = np.empty((16, 4), np.float32), np.empty(16, np.int64)
        for i in range(5):
            x[:], y[:] = X[16 * i : 16 * i + 16], Y[16 * i : 16 * i + 16]
            yield x, y

    plain = trained(BatchStream(reusing, 5))
    np.testing.assert_array_equal(trained(BatchStream(reusing, 5, prefetch=3)).parameters, plain.parameters)


def test_a_source_of_dictionaries_may_use_its_arrays_again():
    network = Graph(Node("a", Sequential(Dense(2), Softmax()), "input"), Node("b", Dense(1), "input"), outputs=("a", "b"))
    x, y, weights = (
        np.empty((16, 4), np.float32),
        {"a": np.empty(16, np.int64), "b": np.empty((16, 1), np.float32)},
        np.empty(16),
    )

    def reusing(epoch):
        for i in range(5):
            rows = slice(16 * i, 16 * i + 16)
            x[:], y["a"][:], y["b"][:, 0], weights[:] = X[rows], Y[rows], X[rows, 1], 1 + i + np.arange(16)
            yield x, y, {"b": weights}

    def parameters(prefetch):
        model = network.compile((4,), {"a": CrossEntropy(), "b": MeanSquaredError()}, Adam(0.01))
        return trained(BatchStream(reusing, 5, prefetch=prefetch), None, model).parameters

    np.testing.assert_array_equal(parameters(3), parameters(0))


@pytest.mark.parametrize("prefetch", [0, 2])
def test_an_error_of_the_source_passes_through_and_the_model_keeps_its_state(prefetch):
    def failing(epoch):
        yield BATCHES[0]
        if epoch == 1:
            raise RuntimeError("the disk is gone")
        yield BATCHES[1]

    model = new_model()
    with pytest.raises(RuntimeError, match="the disk is gone") as caught:
        trained(BatchStream(failing, 2, prefetch=prefetch), None, model)
    assert caught.traceback[-1].name == "failing"
    reference = new_model()
    for batch in (*BATCHES[:2], BATCHES[0]):
        reference.train_on_batch(*batch)
    np.testing.assert_array_equal(model.parameters, reference.parameters)
    assert not prefetching_threads()


@pytest.mark.parametrize("prefetch", [0, 2])
def test_the_source_is_closed_when_the_training_is(prefetch):
    closed = []

    def endless(epoch):
        try:
            while True:
                yield BATCHES[0]
        finally:
            closed.append(epoch)

    model = new_model()
    model.fit(BatchStream(endless, 2, prefetch=prefetch), epochs=2)
    assert closed == [0, 1]
    events = model.fit_events(BatchStream(endless, 5, prefetch=prefetch), options=FitOptions(epochs=3))
    next(events)
    events.close()
    assert closed == [0, 1, 2]
    with pytest.raises(ConfigError, match="EarlyStopping monitors 'validation_loss'"):
        model.fit(BatchStream(endless, 5, prefetch=prefetch), policies=[EarlyStopping(2)])
    with pytest.raises(ConfigError, match="low must be less than high"):
        model.find_learning_rate(BatchStream(endless, 5, prefetch=prefetch), low=1, high=0.1)
    assert closed == [0, 1, 2, 2, 2]
    assert not prefetching_threads()


def test_a_training_that_is_abandoned_leaves_no_thread():
    closed = []

    def endless(epoch):
        try:
            while True:
                yield BATCHES[0]
        finally:
            closed.append(epoch)

    model = new_model()
    events = model.fit_events(BatchStream(endless, 5, prefetch=2))
    assert not prefetching_threads(), "the thread starts with the training"
    events.close()
    del events
    for event in model.fit_events(BatchStream(endless, 5, prefetch=2)):
        if event.batch == 3:
            break
    del event
    assert not prefetching_threads()
    assert closed[-1] == 0


def test_an_iterator_is_not_closed_and_goes_on_in_the_next_training():
    numbers = []

    def endless():
        for i in itertools.count():
            numbers.append(i)
            yield BATCHES[0]

    batches = endless()
    trained(batches, steps_per_epoch=2, epochs=2)
    trained(batches, steps_per_epoch=2, epochs=1)
    assert numbers == [0, 1, 2, 3, 4, 5]


def late(bad):
    """Return a function whose second epoch has ``bad`` as its third batch."""
    return lambda epoch: [*BATCHES[:2], bad if epoch == 1 else BATCHES[2]]


@pytest.mark.parametrize("prefetch", [0, 1])
@pytest.mark.parametrize(
    ("error", "bad", "message"),
    [
        (ShapeError, (X[:, :3], Y), r"epoch 2, batch 3: x must have the shape \(n, 4\), got \(80, 3\)"),
        (ShapeError, (X, Y[:9]), "epoch 2, batch 3: a batch needs one target for each sample: x has 80, y 9"),
        (DataError, (X, Y + 1), "epoch 2, batch 3: label 2 in sample .* is out of range"),
        (DataError, (X * np.inf, Y), "epoch 2, batch 3: x contains NaN or infinity"),
        (DataError, (X, Y, -np.ones(80)), "epoch 2, batch 3: .*must be finite and not negative"),
        (ShapeError, (X, Y, np.ones(3)), "epoch 2, batch 3: sample_weight must hold one number for each"),
        (DataError, (X.astype(np.uint8), Y), "epoch 2, batch 3: this model was trained on real numbers, got uint8"),
        (DataError, (X,), r"epoch 2, batch 3: a batch must be \(x, y\) or \(x, y, sample_weight\), got 1 items"),
        (DataError, X, "epoch 2, batch 3: a batch must be .* got ndarray"),
        (DataError, (X, None), "epoch 2, batch 3: a batch must be"),
    ],
)
def test_a_batch_that_does_not_fit_is_named(error, bad, message, prefetch):
    model = new_model()
    with pytest.raises(error, match=message):
        trained(BatchStream(late(bad), prefetch=prefetch), None, model)
    assert model.state.steps == 5, "the batches before it were used"


def test_a_first_batch_that_does_not_fit_changes_nothing():
    model = new_model()
    before = model.parameters.copy()
    with pytest.raises(ShapeError, match=r"epoch 1, batch 1: x must have the shape \(n, 4\), got \(80, 3\)"):
        model.fit_events([(X[:, :3], Y)])
    np.testing.assert_array_equal(model.parameters, before)
    assert model.input_stage is None


@pytest.mark.parametrize(
    ("error", "source", "options", "message"),
    [
        (DataError, lambda: by_epoch, {"steps_per_epoch": 5}, "epoch 1: the stream ended after 3 of 5 batches; give a smaller"),
        (
            DataError,
            lambda: iter(BATCHES),
            {"steps_per_epoch": 2},
            "epoch 2: the stream ended after 1 of 2 batches; an",
        ),
        (DataError, lambda: iter([]), {"steps_per_epoch": 2}, "epoch 1: the stream has no batches"),
        (DataError, lambda: lambda epoch: [], {}, "epoch 1: the stream has no batches"),
        (DataError, lambda: lambda epoch: BATCHES[epoch:], {}, "epoch 2 has 2 batches and the first had 3"),
        (ConfigError, lambda: by_epoch, {}, "the length of an epoch of .* is not known: .*steps_per_epoch"),
        (ConfigError, lambda: iter(BATCHES), {}, "an iterator has no length"),
        (ConfigError, lambda: lambda epoch: 3, {}, "must return the batches of an epoch, .* returned int for epoch 0"),
        (ConfigError, lambda: BatchStream(by_epoch, 3), {"steps_per_epoch": 3}, "a BatchStream has its own"),
        (ConfigError, lambda: BATCHES, {"batch_size": 8}, r"fit\(batch_size=8\) with a stream of batches"),
        (ConfigError, lambda: BATCHES, {"exact_training_metrics": True}, "not evaluated a second time; .*validation="),
        (ConfigError, lambda: BATCHES, {"class_weight": "balanced"}, "give a list or a mapping of weights"),
        (ConfigError, lambda: BATCHES, {"sample_weight": np.ones(3)}, "a stream has its own targets and weights"),
        (ConfigError, lambda: by_epoch, {"y": Y}, "a stream has its own targets and weights"),
        (ConfigError, lambda: X, {"y": Y, "steps_per_epoch": 3}, "for arrays, batch_size determines the number of steps"),
        (DataError, lambda: [], {}, "arrays need their labels"),
        (DataError, lambda: X.tolist(), {}, "arrays need their labels"),
    ],
)
def test_sources_and_options_that_do_not_fit_are_refused(error, source, options, message):
    with pytest.raises(error, match=message):
        trained(source(), **options)


@pytest.mark.parametrize("source", [BatchStream, 3, None])
def test_a_stream_needs_a_source(source):
    with pytest.raises(ConfigError, match="source must be a function of the number of the epoch, an iterable or an iterator"):
        BatchStream(source)


def test_lbfgs_needs_arrays():
    with pytest.raises(ConfigError, match="needs the whole training set at once: give arrays"):
        trained(BATCHES, None, new_model(optimizer=LBFGS()))


def test_the_range_test_takes_batches_and_refuses_those_that_it_would_use_up():
    model = new_model()
    wanted = model.find_learning_rate(np.concatenate([x for x, _ in BATCHES[:2]]), np.concatenate([y for _, y in BATCHES[:2]]))
    got = new_model().find_learning_rate(BATCHES[:2])
    assert len(got.losses) == len(wanted.losses)
    assert got.suggestion > 0
    used = iter(BATCHES)
    with pytest.raises(ConfigError, match="would use up the batches of an iterator"):
        model.find_learning_rate(BatchStream(used, 2))
    assert len(list(used)) == 3


def test_the_range_test_begins_with_the_first_batch():
    losses = new_model().find_learning_rate(BATCHES, steps=20).losses
    assert losses[0] == new_model().train_on_batch(*BATCHES[0])
    again = new_model()
    again.fit(BATCHES[:1])
    assert again.state.steps == 1
    assert losses[1] != losses[0]


def test_prefetched_batches_are_made_while_the_training_waits():
    made = threading.Event()

    def source(epoch):
        yield BATCHES[0]
        yield BATCHES[1]
        made.set()
        yield BATCHES[2]

    events = new_model().fit_events(BatchStream(source, 3, prefetch=2))
    next(events), next(events)
    assert made.wait(60), "the third batch is made while the second one is used"
    events.close()
    made.clear()
    events = new_model().fit_events(BatchStream(source, 3))
    next(events), next(events)
    assert not made.is_set()
    events.close()


@pytest.mark.parametrize("prefetch", [0, 2])
def test_an_epoch_may_be_read_again(prefetch):
    model = new_model()
    batches = training_data(BatchStream(by_epoch, 3, prefetch=prefetch), None, None, FitOptions(), model.state, None, None)
    assert len(batches) == 3
    for epoch, start in ((0, 0), (0, 0), (1, 0), (1, 2), (0, 1)):
        read = list(batches.epoch(epoch, start))
        assert len(read) == 3 - start
        for (x, y, weights), (own_x, own_y) in zip(read, BATCHES[start:], strict=True):
            np.testing.assert_array_equal(x, own_x)
            np.testing.assert_array_equal(y, own_y)
            assert weights.sum() == len(own_x)
    assert not prefetching_threads()


def test_what_a_single_batch_without_a_stream_may_be():
    model = new_model()
    model.fit([(X, Y, None)])
    other = new_model()
    other.train_on_batch(X, Y)
    np.testing.assert_array_equal(model.parameters, other.parameters)
    weighted, same = new_model(), new_model()
    weighted.fit([Dataset(X, Y, sample_weight=np.linspace(0.1, 1, 80))])
    same.train_on_batch(X, Y, np.linspace(0.1, 1, 80))
    np.testing.assert_array_equal(weighted.parameters, same.parameters)
    for bad in ((X, Y, None, None), [X], {"x": X}):
        with pytest.raises(DataError, match=r"epoch 1, batch 1: a batch must be \(x, y\) or \(x, y, sample_weight\), got"):
            new_model().fit(BatchStream([bad]))


def test_the_augmentation_of_a_stream_draws_by_the_position_in_the_epoch():
    def noisy(batches, seed=0):
        model = new_model(seed)
        model.fit(batches, augmentation=lambda x, generator: x + generator.normal(size=x.shape), epochs=2)
        return model.history["train_loss"]

    assert noisy(BATCHES) == noisy(BATCHES)
    halves = [[(X[:40], Y[:40]), (X[40:], Y[40:])], [(X[:40], Y[:40]), (X[:40], Y[:40])]]
    assert noisy(halves[0]) != noisy(halves[1])
    model, seen = new_model(), []
    twice = [(X[:2] * 0, Y[:2]), (X[:2] * 0, Y[:2])]

    def record(x, generator):
        seen.append(generator.normal())
        return x

    model.fit(twice, augmentation=record, epochs=2)
    assert len(set(seen)) == 8, "every sample of every epoch has random numbers of its own"


def test_the_augmentation_of_a_stream_needs_one_input_and_one_output():
    two = Graph(Node("a", Dense(1), "input"), Node("b", Dense(1), "input"), outputs=("a", "b"))
    outputs = two.compile((4,), {"a": MeanSquaredError(), "b": MeanSquaredError()})
    joined = Graph(Node("both", Concatenate(), "a", "b"), Node("out", Dense(1), "both"), inputs=("a", "b"))
    inputs = joined.compile({"a": (4,), "b": (4,)}, MeanSquaredError())
    for model, batch in ((outputs, (X, {"a": X[:, 0], "b": X[:, 1]})), (inputs, ({"a": X, "b": X}, X[:, 0]))):
        model.fit([batch])
        with pytest.raises(ConfigError, match="with a stream of batches needs one input and one output"):
            model.fit([batch], augmentation={"a": lambda x, generator: x} if model is inputs else lambda x, generator: x)


def test_the_settings_of_a_stream_are_checked():
    with pytest.raises(ConfigError, match="prefetch must be at least 0"):
        BatchStream(by_epoch, 3, prefetch=-1)
    with pytest.raises(ConfigError, match="steps_per_epoch must be an integer, not float"):
        BatchStream(by_epoch, 2.5)


def test_class_weights_of_a_stream_are_given_by_name():
    named, numbered = new_model(classes=["no", "yes"]), new_model()
    named.fit(BATCHES, class_weight={"yes": 3.0}, epochs=1)
    numbered.fit(BATCHES, class_weight=[1.0, 3.0], epochs=1)
    np.testing.assert_array_equal(named.parameters, numbered.parameters)
