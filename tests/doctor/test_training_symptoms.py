"""Each illness of a training, planted in learning curves and in trainings, is found; a near miss has no finding."""

from __future__ import annotations

import numpy as np
import pytest

from pellucid import (
    SGD,
    Adam,
    AverageWeights,
    Chain,
    CrossEntropy,
    Dense,
    DivergedError,
    Dropout,
    EarlyStopping,
    FitOptions,
    GlorotUniform,
    He,
    History,
    MeanSquaredError,
    Normal,
    Perturbation,
    ReLU,
    Sequential,
    Sigmoid,
    Softmax,
    Tanh,
    Watch,
)
from pellucid.doctor.curves import Background, curve_findings
from pellucid.optim import LBFGS

RANDOM = np.random.default_rng(0)
X = RANDOM.normal(size=(600, 20)).astype(np.float32)
Y = (X @ RANDOM.normal(size=(20, 4))).argmax(axis=1)
KNOWN = Background(start=2.3, constant=2.3, steps=1000, movement=0.05)


def classifier(optimizer=None, *, hidden=(64, 64), activation=None, init=None):
    layers = [layer for units in hidden for layer in (Dense(units, init or He()), activation or ReLU())]
    network = Sequential(*layers, Dense(4, GlorotUniform()), Softmax())
    return network.compile((20,), CrossEntropy(), optimizer or Adam(0.001), seed=1)


def watched(model, x=X, y=Y, every=20, epochs=8, **settings):
    """Train, and return the findings of the watch as pairs (kind, place)."""
    model.fit(x, y, epochs=epochs, policies=[Watch(every)], progress=False, **settings)
    return [(finding.kind, finding.where) for finding in model.history.findings]


def history(train, validation=None, rates=None):
    rows = [{"epoch": i, "learning_rate": 0.01, "train_loss": loss} for i, loss in enumerate(train, start=1)]
    for row, value in zip(rows, validation or [], strict=False):
        row["validation_loss"] = value
    for row, value in zip(rows, rates or [], strict=False):
        row["learning_rate"] = value
    return History(rows)


def kinds(train, validation=None, known=KNOWN, **settings):
    return [(one.kind, one.since) for one in curve_findings(history(train, validation, **settings), known)]


# -- learning curves --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "losses",
    [
        [1.0, 0.5, 0.3, 0.2, 0.15, 0.12],
        [1.0, 0.6, 0.62, 0.55, 0.57, 0.5, 0.52],  # noise
        [0.4, 0.3, 0.29, 0.295, 0.29, 0.288],  # as good as it gets
        [2.2, 1.0],
    ],
)
def test_healthy_curves_have_no_findings(losses):
    assert kinds(losses, [loss * 1.2 for loss in losses]) == []


def test_nothing_is_found_in_an_empty_history_and_without_losses():
    assert curve_findings(History()) == []
    assert curve_findings(History([{"epoch": 1, "learning_rate": 0.1}])) == []


def test_a_rate_that_is_too_high_is_found_with_its_epoch():
    assert kinds([1.0, 0.5, 1.2, 0.6, 0.5]) == [("rate-too-high", 3)]
    assert kinds([1.9, 1.6, 1.9, 1.6, 1.9, 1.6]) == [("rate-too-high", 3)]
    assert kinds([1.0, 0.5, 0.9, 0.6, 0.5]) == []  # rises by 17 % of the loss at the start
    assert kinds([2.9, 2.0, 1.5, 1.0], known=Background(start=2.3, constant=2.2)) == [("rate-too-high", 1)]
    assert kinds([2.9, 2.0, 1.5, 1.0], known=Background(start=1.3, constant=2.8)) == []  # an easy first batch


def test_a_rate_that_is_too_low_is_found():
    slow = Background(start=2.4, constant=2.3, steps=1000, movement=0.002)
    steady = [2.38, 2.34, 2.30, 2.26, 2.22]
    assert kinds(steady, known=slow) == [("rate-too-low", 1)]
    assert kinds(steady, known=Background(2.4, 2.3, 1000, 0.05)) == []  # the weights change
    assert kinds(steady, known=Background(2.4, 2.3, 1000, None)) == []
    assert kinds(steady[:3], known=slow) == []
    assert kinds([2.38, 2.2, 2.1, 2.08, 2.07], known=slow) == []  # it ends
    assert kinds([1.4, 1.3, 1.2, 1.1, 1.0], known=slow) == []  # less than half is left
    assert kinds([2.38, 2.1, 1.9, 1.7, 1.5], known=slow) == []  # 9 % an epoch
    falling = [0.01, 0.01, 0.001, 0.001, 0.001]
    assert kinds(steady, known=slow, rates=falling) == []  # a schedule has slowed down


def test_overfitting_is_found_since_its_epoch():
    train = [1.0, 0.6, 0.4, 0.3, 0.2, 0.1]
    assert kinds(train, [0.9, 0.7, 0.6, 0.8, 0.8, 0.9]) == [("overfitting", 4)]
    assert kinds(train, [0.9, 0.7, 0.6, 0.66, 0.9, 0.9]) == []  # by 10 %
    assert kinds(train, [0.05, 0.03, 0.02, 0.03, 0.04, 0.05]) == []  # by 1 % of the loss at the start
    assert kinds([1.0, 0.6, 0.4, 0.4, 0.4, 0.4], [0.9, 0.7, 0.6, 0.8, 0.8, 0.9]) == []  # the training loss does not fall
    stopped = history(train, [0.9, 0.7, 0.6, 0.8, 0.8, 0.9])
    stopped.best_epoch = 3
    assert curve_findings(stopped, KNOWN) == []


def test_a_plateau_from_the_beginning_is_found():
    assert kinds([2.31, 2.30, 2.30, 2.30]) == [("plateau", 1)]
    assert kinds([2.31, 2.30, 2.30]) == []
    assert kinds([2.31, 2.30, 2.30, 2.30], known=Background(2.3, 2.3, 150, 0.05)) == []  # few steps
    assert kinds([2.31, 2.30, 2.29, 2.20]) == []
    assert kinds([9.0, 7.0, 5.0, 3.0, 2.5], known=Background(10.0, 2.3, 1000, 0.05)) == []  # bad, but it falls
    assert kinds([2.31, 2.30, 2.30, 2.30], known=Background(2.4, None, 1000, 0.05)) == []


def test_a_loss_that_is_not_finite_is_a_divergence():
    (finding,) = curve_findings(history([1.0, 0.9, float("nan")]))
    assert (finding.kind, finding.since, finding.figure) == ("divergence", 3, 1)


# -- trainings --------------------------------------------------------------------------------------------------------


def test_healthy_trainings_have_no_findings():
    assert watched(classifier()) == []
    assert watched(classifier(SGD(0.05)), validation=(X, Y), shuffle=False) == []
    targets = X[:, :2] * 100
    assert watched(Sequential(Dense(32), ReLU(), Dense(2)).compile((20,), MeanSquaredError(100.0)), X, targets) == []


@pytest.mark.parametrize("optimizer", [SGD(3.0), Adam(0.3)], ids=str)
def test_the_watch_finds_a_rate_that_is_too_high(optimizer):
    assert ("rate-too-high", "training loss") in watched(classifier(optimizer))


def test_the_watch_finds_a_rate_that_is_too_low():
    assert watched(classifier(SGD(1e-4)), epochs=12) == [("rate-too-low", "training loss")]
    assert watched(classifier(SGD(0.01)), epochs=12) == []
    assert watched(classifier(SGD(1e-4)), epochs=6) == []  # in 114 steps


def test_the_watch_finds_updates_out_of_bounds():
    assert ("large-update", "dense2") in watched(classifier(Adam(0.3)), every=2)
    assert watched(classifier(Adam(0.01)), every=2) == []
    assert ("small-update", "dense2") in watched(classifier(Adam(1e-9)), epochs=1)
    assert watched(classifier(Adam(1e-6)), epochs=1) == []


def test_the_watch_finds_overfitting():
    noise = RANDOM.integers(0, 4, 600)
    model = classifier(Adam(0.003))
    model.fit(X[:300], noise[:300], validation=(X[300:], noise[300:]), epochs=20, policies=[Watch()], progress=False)
    (finding,) = model.history.findings
    assert finding.kind == "overfitting"
    assert 2 <= finding.since <= 6
    stopping = classifier(Adam(0.003))
    policies = [Watch(), EarlyStopping(4)]
    stopping.fit(X[:300], noise[:300], validation=(X[300:], noise[300:]), epochs=20, policies=policies, progress=False)
    assert stopping.history.findings == []


def test_the_watch_finds_a_plateau():
    found = watched(classifier(Adam(0.0003), hidden=[16] * 8, activation=Sigmoid(), init=GlorotUniform()), epochs=20)
    assert ("plateau", "training loss") in found
    assert ("vanishing-gradient", "dense1") in found


def test_the_watch_finds_an_exploding_gradient():
    assert ("exploding-gradient", "dense1") in watched(classifier(SGD(1e-12), hidden=[64] * 8, init=Normal(0.6)), epochs=3)


def test_the_watch_finds_dead_units():
    model = classifier()
    model.weights["dense1.b"][:50] = -40
    assert ("dead-relu", "relu1") in watched(model, epochs=12)
    few = classifier()
    few.weights["dense1.b"][:20] = -40
    assert watched(few, epochs=12) == []


def test_the_watch_finds_saturated_activations():
    assert ("saturated-activation", "tanh1") in watched(classifier(activation=Tanh(), init=Normal(2.0)))
    assert watched(classifier(activation=Tanh(), init=GlorotUniform())) == []


def test_the_watch_finds_layers_that_stop_learning():
    model = classifier(SGD(0.05))
    model.weights["dense2.b"][:] = -40
    found = watched(model, epochs=2)
    assert {("stopped-learning", "dense1"), ("stopped-learning", "dense2")} <= set(found)
    frozen = classifier(Chain(SGD(0.05), rates={"dense1.*": 0.0}))
    assert watched(frozen) == []


def test_the_watch_finds_a_loss_at_the_start_far_above_log_k():
    network = Sequential(Dense(64, He()), ReLU(), Dense(4, Normal(2.0)), Softmax())
    model = network.compile((20,), CrossEntropy(), Adam(0.001), seed=1)
    model.fit(X, Y, policies=[Watch()], progress=False)
    assert [finding.kind for finding in model.history.findings] == ["initial-loss"]
    again = model.fit(X, Y, policies=[Watch()], progress=False)
    assert again.findings == []


def test_a_divergence_is_found_with_its_cause():
    model = classifier(SGD(1e8))
    with pytest.raises(DivergedError):
        model.fit(X, Y, policies=[Watch()], progress=False)
    finding = model.history.findings[-1]
    assert (finding.kind, finding.since) == ("divergence", 1)
    assert "the output of dense" in finding.text
    assert "at a learning rate of 1e+08" in finding.text


# -- the watch --------------------------------------------------------------------------------------------------------


def test_a_watched_training_makes_the_same_parameters():
    network = Sequential(Dense(64, He()), ReLU(), Dropout(0.3), Dense(4), Softmax())
    plain, seen = (network.compile((20,), CrossEntropy(), Adam(0.01), seed=3) for _ in range(2))
    plain.fit(X, Y, epochs=4, accumulate=2, policies=[AverageWeights()], progress=False)
    seen.fit(X, Y, epochs=4, accumulate=2, policies=[Watch(1), AverageWeights()], progress=False)
    assert np.array_equal(plain.parameters, seen.parameters)


def test_each_finding_is_reported_once_when_it_arises(capsys):
    model = classifier(SGD(3.0))
    options = FitOptions(epochs=8, policies=[Watch(20)])
    counts = []
    for _ in model.fit_events(X, Y, options):
        counts.append(len(model.history.findings))
    assert 0 < counts[-2] == counts[-1]
    assert counts[0] == 0
    places = [(one.kind, one.where) for one in model.history.findings]
    assert len(set(places)) == len(places)
    classifier(SGD(3.0)).fit(X, Y, epochs=8, policies=[Watch(20)], progress=True)
    error = capsys.readouterr().err
    assert error.count("rate-too-high, training loss since epoch 1") == 1
    assert error.index("epoch 1/8") < error.index("rate-too-high") < error.index("epoch 2/8")


def test_short_epochs_are_examined_together(monkeypatch):
    from pellucid.doctor import watch

    epochs = []
    monkeypatch.setattr(watch, "curve_findings", lambda history, background: epochs.append(len(history)) or [])
    classifier().fit(X, Y, epochs=23, policies=[Watch()], progress=False)  # 19 steps each, and half of 200 are six epochs
    assert epochs == [1, 2, 3, 4, 5, 11, 17, 23]
    epochs.clear()
    classifier().fit(X, Y, epochs=12, policies=[Watch()], progress=False)
    assert epochs == [1, 2, 3, 4, 5, 11, 12], "the end of the training is always examined"


def test_a_resumed_training_remembers_what_was_reported(tmp_path):
    from pellucid import Checkpoint, Control

    def train(model, stop_after=None, **settings):
        control = Control()
        policies = [Watch(20), Checkpoint(tmp_path, every_steps=1, every_seconds=None, cost=1.0)]
        options = FitOptions(epochs=8, policies=policies, **settings)
        for event in model.fit_events(X, Y, options, control=control):
            control.stop = stop_after is not None and getattr(event, "step", 0) >= stop_after
        return model.history.findings

    first = train(classifier(SGD(3.0)), stop_after=60)
    assert first
    whole = train(classifier(SGD(3.0)), resume=tmp_path)
    places = [(one.kind, one.where) for one in whole]
    assert whole[: len(first)] == first
    assert len(set(places)) == len(places)


def test_trainings_without_batches_or_backpropagation_are_watched():
    assert watched(classifier(LBFGS()), epochs=5) == []
    assert watched(classifier(Adam(0.001), hidden=(8,)), epochs=2, method=Perturbation(trials=2)) == []
