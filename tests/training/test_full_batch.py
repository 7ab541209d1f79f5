"""Training with L-BFGS: against SciPy on the diabetes table, the function that is minimized, events, files, refusals."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import minimize as scipy_minimize
from sklearn.datasets import load_diabetes

from pellucid import (
    L2,
    LBFGS,
    R2,
    Adam,
    AverageWeights,
    BatchNorm,
    Chain,
    Checkpoint,
    ConfigError,
    Control,
    CrossEntropy,
    Dense,
    DivergedError,
    Dropout,
    EarlyStopping,
    EpochEvent,
    FitOptions,
    Frozen,
    GaussianNoise,
    MeanSquaredError,
    Model,
    Perturbation,
    ReduceOnPlateau,
    ReLU,
    Sequential,
    Softmax,
    StepEvent,
    Tanh,
    Triplet,
    kernels as kernel_sets,
)
from pellucid.data import Augmentation
from pellucid.data.planar import blobs
from pellucid.optim.lbfgs import CurvaturePairs, Minimization
from pellucid.training import full_batch, threads
from pellucid.training.checkpoint import checkpoint_files
from pellucid.training.full_batch import FullBatchLoss
from pellucid.training.state import ModelState

SETTINGS = LBFGS()
PENALIZED = Chain(L2(0.01), SETTINGS)
MLP = Sequential(Dense(4), Tanh(), Dense(1))


def standardized(a):
    return ((a - a.mean(axis=0)) / a.std(axis=0)).astype(np.float32)


X, Y = load_diabetes(return_X_y=True)
X, Y = standardized(X), standardized(Y).reshape(-1, 1)


class Chunks:
    """The samples in chunks, in any dtype: what FullBatchLoss needs of Batches."""

    def __init__(self, size, dtype, x=X, y=Y):
        self.size, self.x, self.targets, self.weights = size, x.astype(dtype), y.astype(dtype), np.ones(len(x), dtype)

    def epoch(self, number):
        for start in range(0, len(self.x), self.size):
            rows = slice(start, start + self.size)
            yield self.x[rows], self.targets[rows], self.weights[rows]


def full_loss(size=100, dtype=np.float64, network=MLP, optimizer=PENALIZED, seed=0):
    """Return the FullBatchLoss of a new network in that dtype, and its trained parameters."""
    state = ModelState(network, (10,), MeanSquaredError(), optimizer, seed, kernel_sets.load(), dtype)
    return FullBatchLoss(state, Chunks(size, dtype)), state.parameters[: state.layout.trained_size]


def compiled(optimizer=PENALIZED, network=MLP, seed=0):
    return network.compile((10,), MeanSquaredError(), optimizer, [R2()], seed=seed)


def scipys(loss, theta):
    return scipy_minimize(lambda x: tuple(np.array(part) for part in loss(x)), theta, jac=True, method="L-BFGS-B")


# -- the minimum -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", [1, 2])
def test_the_diabetes_table_takes_no_more_evaluations_than_scipy(seed):
    loss, theta = full_loss(seed=seed)
    theirs = scipys(loss, theta)
    run = Minimization(loss, theta.copy(), CurvaturePairs(loss.state.updater.rule_state), SETTINGS)
    while run.ended is None:
        run.iterate()
    assert abs(run.value - theirs.fun) < 1e-6
    assert run.evaluations <= 1.2 * theirs.nfev

    model = compiled(seed=seed)  # the same in float32
    np.testing.assert_array_equal(model.parameters, theta.astype(np.float32))
    history = model.fit(X, Y, epochs=1000)
    assert history.stopped
    assert len(history) < 1000
    assert history.forward_passes <= 1.2 * theirs.nfev
    weights = [W for path, W in model.weights.items() if path.endswith(".W")]
    penalty = 0.005 * sum((W.astype(np.float64) ** 2).sum() for W in weights)
    assert abs(model.evaluate(X, Y)["loss"] + penalty - theirs.fun) < 1e-6


def test_a_linear_network_finds_the_ridge_regression():
    model = compiled(Chain(L2(0.5), LBFGS()), Sequential(Dense(1)))
    model.fit(X, Y, epochs=100)
    W = np.linalg.solve(X.T @ X / len(X) + 0.25 * np.eye(10), X.T @ Y / len(X))
    np.testing.assert_allclose(model.weights["dense1.W"], W, atol=1e-4)
    np.testing.assert_allclose(model.weights["dense1.b"], 0, atol=1e-4)


def test_sample_weights_count_as_repeated_samples():
    weights = np.where(np.arange(len(X)) < 50, 3.0, 1.0)
    weighted, repeated = (compiled(Chain(L2(0.5), LBFGS()), Sequential(Dense(1))) for _ in range(2))
    weighted.fit(X, Y, sample_weight=weights, epochs=100)
    rows = np.repeat(np.arange(len(X)), weights.astype(int))
    repeated.fit(X[rows], Y[rows], epochs=100)
    np.testing.assert_allclose(weighted.parameters, repeated.parameters, atol=1e-4)


def test_classes_are_separated():
    data = blobs(300, 0.4, classes=3)
    model = Sequential(Dense(8), Tanh(), Dense(3), Softmax()).compile((2,), CrossEntropy(), Chain(L2(1e-4), LBFGS()))
    history = model.fit(data, epochs=200, class_weight="balanced")
    assert history["train_loss"][-1] < 0.05


# -- the function ------------------------------------------------------------------------------------------------------


def test_the_gradient_is_that_of_the_loss_with_its_penalty():
    loss, theta = full_loss()
    value, gradient = loss(theta)
    gradient, theta = gradient.copy(), theta.copy()
    for i in np.flatnonzero(theta):
        numeric = []
        for sign in (1, -1):
            moved = theta.copy()
            moved[i] += sign * 1e-6
            numeric.append(loss(moved)[0])
        assert abs((numeric[0] - numeric[1]) / 2e-6 - gradient[i]) < 1e-8
    plain = full_loss(optimizer=SETTINGS)[0](theta)[0]
    arrays = loss.state.layout.arrays(loss.state.parameters)
    assert abs(value - plain - 0.005 * sum((arrays[f"dense{i}.W"] ** 2).sum() for i in (1, 2))) < 1e-12
    assert abs(loss.scores.result()["loss"] - value) > 1e-3  # without the penalty


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_chunks_add_up_to_the_whole_set(dtype):
    (whole, theta), (chunked, _) = full_loss(442, dtype), full_loss(60, dtype)
    (value, gradient), (other, other_gradient) = whole(theta), chunked(theta)
    eps = np.finfo(dtype).eps
    assert abs(value - other) <= 4 * eps
    np.testing.assert_allclose(gradient, other_gradient, rtol=0, atol=20 * eps)
    assert chunked.scores.weight == len(X)


def test_values_out_of_bounds_are_infinite():
    loss, theta = full_loss(dtype=np.float32)
    value = loss(theta)[0]
    assert loss.failed is None
    assert loss(theta * np.float32(1e30))[0] == np.inf
    assert np.array_equal(loss.failed[0], X[:100])
    assert loss(theta)[0] == value
    assert loss.failed is None


@pytest.mark.skipif("compiled" not in kernel_sets.SETS, reason="the pool has threads in the compiled kernels only")
def test_the_bits_do_not_depend_on_the_number_of_threads(monkeypatch):
    monkeypatch.setattr(full_batch, "CHUNK_SAMPLES", 200)
    network, parameters = Sequential(Dense(300), Tanh(), Dense(1)), []
    for count in (1, 2):
        threads.limit_threads(count)
        try:
            model = compiled(network=network)
            model.fit(X, Y, epochs=5)
        finally:
            threads.limit_threads(None)
        parameters.append(model.parameters.copy())
    np.testing.assert_array_equal(*parameters)


# -- events and state --------------------------------------------------------------------------------------------------


def test_each_epoch_is_one_step_with_the_scores_after_it():
    model = compiled()
    events = list(model.fit_events(X, Y, FitOptions(epochs=4), validation=(X[:50], Y[:50])))
    assert [type(event) for event in events] == 4 * [StepEvent, EpochEvent]
    steps, epochs = events[::2], events[1::2]
    assert [(event.epoch, event.batch, event.batches, event.step, event.samples) for event in steps] == [
        (k, 1, 1, k, len(X)) for k in range(1, 5)
    ]
    assert steps[0].forward_passes >= 2  # the first evaluation is that of the initial parameters
    assert model.history.forward_passes == sum(event.forward_passes for event in steps)
    assert all(event.learning_rate > 0 for event in events)
    assert model.history["train_loss"] == [event.loss for event in steps] == [event.train["loss"] for event in epochs]
    for name, value in model.evaluate(X, Y).items():
        assert abs(epochs[-1].train[name] - value) < 1e-6
    assert epochs[-1].validation == model.evaluate(X[:50], Y[:50])
    assert model.history.stopped is None
    assert (model.state.steps, model.state.epochs) == (4, 4)


def test_training_ends_with_a_reason(capsys):
    model = compiled()
    history = model.fit(X, Y, epochs=1000, progress=True)
    assert len(history) < 1000
    assert "decrease_tolerance=2.2e-09" in history.stopped
    assert capsys.readouterr().err.endswith(f"stopped: {history.stopped}\n")
    assert history.stopped in repr(history)
    by_gradient = compiled(Chain(L2(0.01), LBFGS(gradient_tolerance=0.01))).fit(X, Y, epochs=1000)
    assert "gradient_tolerance=0.01" in by_gradient.stopped
    assert len(by_gradient) < len(history)


def test_a_trained_model_stays_where_it_is():
    model = compiled(Chain(L2(0.01), LBFGS(gradient_tolerance=0.01)))
    model.fit(X, Y, epochs=1000)
    before, steps = model.parameters.copy(), model.state.steps
    history = model.fit(X, Y, epochs=10, validation=(X, Y))
    np.testing.assert_array_equal(model.parameters, before)
    assert model.state.steps == steps
    assert history["learning_rate"] == [0]
    assert abs(history["train_loss"][0] - history["validation_loss"][0]) < 1e-6
    assert history.forward_passes == 1


@pytest.mark.parametrize("memory", [2, 10])
def test_a_checkpoint_continues_to_the_same_bits(memory, tmp_path):
    optimizer = Chain(L2(0.01), LBFGS(memory))
    whole, parts = compiled(optimizer), compiled(optimizer)
    whole.fit(X, Y, epochs=9)
    parts.fit(X, Y, epochs=5)
    parts.save(tmp_path / "part.pellucid", training_state=True)
    parts.save(tmp_path / "without.pellucid")
    continued = Model.load(tmp_path / "part.pellucid")
    continued.fit(X, Y, epochs=4)
    np.testing.assert_array_equal(continued.parameters, whole.parameters)
    for name, vector in whole.state.updater.state.items():
        np.testing.assert_array_equal(continued.state.updater.state[name], vector, err_msg=name)
    begun_again = Model.load(tmp_path / "without.pellucid")
    begun_again.fit(X, Y, epochs=4)
    assert (begun_again.parameters != whole.parameters).any()


def test_frozen_layers_stay():
    model = compiled(network=Sequential(Frozen(Dense(4), Tanh()), Dense(1)))
    before = {path: array.copy() for path, array in model.weights.items()}
    model.fit(X, Y, epochs=20)
    for path, array in model.weights.items():
        assert np.array_equal(array, before[path]) == path.startswith("frozen"), path
    assert not model.state.layout.array(model.state.updater.state["lbfgs1.s1"], "frozen1.dense1.W").any()
    loss, theta = full_loss(network=Sequential(Frozen(Dense(4), Tanh()), Dense(1)))
    trained = loss.state.layout.array(loss.state.parameters, "dense1.W")
    assert abs(loss(theta)[0] - loss.scores.result()["loss"] - 0.005 * (trained**2).sum()) < 1e-12


def test_policies_wrap_the_training():
    model = compiled()
    policies = [AverageWeights(0.5), EarlyStopping(3, "train_loss", min_delta=0.01)]
    history = model.fit(X, Y, epochs=1000, validation=(X, Y), policies=policies)
    assert history.stopped == "train_loss has not improved by more than 0.01 for 3 epochs"
    assert history.best_epoch == len(history) - 3
    best = history["validation_loss"][history.best_epoch - 1]
    assert abs(model.evaluate(X, Y)["loss"] - best) < 1e-6
    assert abs(history["train_loss"][history.best_epoch - 1] - best) > 1e-6  # the average is validated


def test_batch_normalization_takes_the_whole_set_at_once(monkeypatch):
    monkeypatch.setattr(full_batch, "CHUNK_SAMPLES", 100)
    network = Sequential(Dense(4), BatchNorm(momentum=0.0), Tanh(), Dense(1))
    model = compiled(network=network)
    x = X + 1
    history = model.fit(x, Y, epochs=10)
    hidden = x @ model.weights["dense1.W"] + model.weights["dense1.b"]
    np.testing.assert_allclose(model.state.arrays()["batchnorm1.running_mean"], hidden.mean(axis=0), atol=1e-5)
    assert history["train_loss"][-1] < history["train_loss"][0]
    monkeypatch.setattr(full_batch, "MAX_WHOLE_VALUES", 442 * 10 - 1)
    with pytest.raises(ConfigError, match=r"batchnorm1 needs statistics over the whole training set.*all 442 samples"):
        model.fit(X, Y)


def test_a_set_that_just_fits_is_taken_at_once(monkeypatch):
    monkeypatch.setattr(full_batch, "MAX_WHOLE_VALUES", 442 * 10)
    assert compiled(network=Sequential(Dense(4), BatchNorm(), Dense(1))).fit(X, Y)["train_loss"][0] > 0
    monkeypatch.setattr(full_batch, "MAX_WHOLE_VALUES", 0)
    assert compiled().fit(X, Y)["train_loss"][0] > 0, "only where layers need the whole set"
    with pytest.raises(ConfigError, match=r"^Triplet\(.*\) compares all samples, but all 442 samples at .*: train with"):
        Sequential(Dense(2)).compile((10,), Triplet(), LBFGS()).fit(X, np.arange(442) % 2)


def test_the_evaluations_of_a_resumed_training_go_on(tmp_path):
    whole, parts = compiled(SETTINGS), compiled(SETTINGS)
    policies = [Checkpoint(tmp_path, every_steps=1, every_epochs=None, keep=99, cost=1.0)]
    whole.fit(X, Y, epochs=6)
    parts.fit(X, Y, epochs=6, policies=policies)
    passes = parts.history.forward_passes
    assert passes == whole.history.forward_passes >= 6
    for count in (2, 5):  # after several epochs, and after the step of the first
        for path in checkpoint_files(tmp_path)[:count]:
            path.unlink()
        assert len(checkpoint_files(tmp_path)) == 6 - count
        resumed = compiled(SETTINGS)
        resumed.fit(X, Y, epochs=6, policies=policies, resume=tmp_path)
        assert resumed.history.forward_passes == passes
        np.testing.assert_array_equal(resumed.parameters, whole.parameters)


def test_exact_training_metrics_are_those_of_evaluate():
    model = compiled(network=Sequential(Dense(4), BatchNorm(), Dense(1)))
    history = model.fit(X, Y, epochs=2, exact_training_metrics=True, validation=(X, Y))
    assert history["train_loss"] == history["validation_loss"]
    assert history["train_loss"][-1] == model.evaluate(X, Y)["loss"]
    plain = compiled(network=Sequential(Dense(4), BatchNorm(), Dense(1)))
    assert plain.fit(X, Y, epochs=2)["train_loss"] != history["train_loss"], "those of a training are with its statistics"


def test_nothing_is_changed_before_the_first_event():
    model = compiled(network=Sequential(Dense(4), BatchNorm(), Dense(1)))
    before = model.parameters.copy(), model.state.statistics.copy()
    events = model.fit_events(X + 1, Y)
    np.testing.assert_array_equal(model.parameters, before[0])
    np.testing.assert_array_equal(model.state.statistics, before[1])
    next(events)
    assert not np.array_equal(model.state.statistics, before[1])


def test_a_learning_rate_cannot_be_set():
    events = compiled(SETTINGS).fit_events(X, Y, FitOptions(epochs=3), control=(control := Control()))
    next(events)
    control.learning_rate = 0.5
    with pytest.raises(ConfigError, match=r"LBFGS\(.*\) has no learning rate that could be set to 0.5"):
        list(events)


# -- what is refused ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"batch_size": 441}, r"fit\(batch_size=441\): .* whole training set of 442 samples"),
        ({"accumulate": 2}, r"fit\(accumulate=2\)"),
        ({"augmentation": Augmentation(rotation=10)}, r"fit\(augmentation=Augmentation\("),
        ({"method": Perturbation("one")}, r"fit\(method=Perturbation\("),
        ({"policies": [ReduceOnPlateau(monitor="train_loss")]}, r"fit\(policies=ReduceOnPlateau\(.* no learning rate"),
    ],
)
def test_options_that_change_the_function_are_refused(options, message):
    model = compiled()
    before = model.parameters.copy()
    with pytest.raises(ConfigError, match=message):
        model.fit(X, Y, **options)
    np.testing.assert_array_equal(model.parameters, before)
    model.fit(X, Y, batch_size=442)
    model.fit(X, Y, batch_size=1000, shuffle=False, exact_training_metrics=True)


@pytest.mark.parametrize(
    ("layer", "path"),
    [(Dropout(0.1), "dropout1"), (GaussianNoise(0.1), "gaussiannoise1"), (Sequential(Dropout(0.1)), "sequential1")],
)
def test_random_layers_are_refused(layer, path):
    with pytest.raises(ConfigError, match=rf"{path}\S* uses random numbers in training, but LBFGS\(\)"):
        compiled(network=Sequential(Dense(4), layer, Dense(1))).fit(X, Y)
    compiled(network=Sequential(Frozen(Dense(4), layer), Dense(1))).fit(X, Y)  # as in prediction
    compiled(network=Sequential(Dense(4), Dropout(0.0), Dense(1))).fit(X, Y)


def test_there_are_no_steps_on_single_batches():
    model = compiled()
    before = model.parameters.copy()
    for call in (model.train_on_batch, model.find_learning_rate):
        with pytest.raises(ConfigError, match=r"LBFGS\(\) evaluates the whole training set .* such as Adam\(\)"):
            call(X, Y)
    np.testing.assert_array_equal(model.parameters, before)
    with pytest.raises(ConfigError, match=r"no learning rate that could be set to 0.1"):
        list(model.fit_events(X, Y, control=Control(learning_rate=0.1)))


def test_a_start_that_is_not_finite_diverges():
    model = compiled()
    model.weights["dense2.W"][0, 0] = np.nan
    before = model.parameters.copy()
    with pytest.raises(DivergedError, match=r"cannot begin: the parameter dense2.W is the first that is not finite"):
        model.fit(X, Y)
    np.testing.assert_array_equal(model.parameters, before)
    large = compiled(network=Sequential(Dense(4), ReLU(), Dense(1)))
    large.parameters[:] *= 1e25
    with pytest.raises(DivergedError, match="cannot begin"):
        large.fit(X, Y)


def test_other_rules_keep_their_default_batch_size():
    default, explicit = compiled(Adam()), compiled(Adam())
    assert default.fit(X, Y).forward_passes == explicit.fit(X, Y, batch_size=32).forward_passes == 14
    np.testing.assert_array_equal(default.parameters, explicit.parameters)
