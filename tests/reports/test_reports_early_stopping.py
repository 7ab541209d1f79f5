"""Public reports about early stopping: what users did, and what happens here."""

from __future__ import annotations

import os
import signal
from dataclasses import dataclass

import numpy as np
import pytest

from pellucid import (
    F1,
    R2,
    ROCAUC,
    SGD,
    AbsoluteError,
    Accuracy,
    BrierScore,
    History,
    KeepBest,
    LogLoss,
    Precision,
    Recall,
    SquaredError,
)
from pellucid.training import EarlyStopping, Policy
from tests.reports.small_data import LABELS, NUMBERS, X, classifier, regressor

WRONG = (X[:30], 1 - LABELS[:30])  # a validation set that gets worse the more is learned


def test_the_best_parameters_when_the_epochs_run_out():
    """restore_best_weights has no effect unless the training is stopped early: where patience does not run out, it is ignored.

    Source: keras-team/keras#12511. Right: the parameters of the best epoch, however the training ends.
    """
    model = classifier(optimizer=SGD(0.5))
    history = model.fit(X, LABELS, validation=WRONG, epochs=5, policies=[EarlyStopping(patience=100)])
    losses = history["validation_loss"]
    assert history.stopped is None
    assert losses[-1] > min(losses)
    assert model.evaluate(*WRONG)["loss"] == min(losses)


CLASSIFYING = [ROCAUC(), Precision(1), Recall(1), F1(1), LogLoss(), BrierScore(), Accuracy()]
NUMERIC = [R2(), AbsoluteError(), SquaredError()]
FALLING = {"log_loss", "brier_score", "mae", "mse", "loss"}


@pytest.mark.parametrize("policy", [EarlyStopping, KeepBest])
def test_the_best_value_is_the_highest_where_higher_is_better(policy):
    """The mode "auto" takes the lowest AUC for the best: only names that end in "acc" count as growing.

    Source: keras-team/keras#15138. Right: each metric knows whether lower is better.
    """
    _check_direction(classifier(metrics=CLASSIFYING, optimizer=SGD(0.5)), X[:30], LABELS[:30], CLASSIFYING[0], policy)


@pytest.mark.parametrize("metric", [*CLASSIFYING[1:], *NUMERIC], ids=lambda metric: metric.name)
def test_every_metric_has_its_direction(metric):
    """The mode "auto" minimizes recall, precision, F scores and all metrics that are no accuracy.

    Source: keras-team/keras#18798. Right: the direction of every metric is its own, whatever it is called.
    """
    if metric in NUMERIC:
        _check_direction(regressor(metrics=[metric], optimizer=SGD(0.05)), X[:30], NUMBERS[:30], metric, KeepBest)
    else:
        _check_direction(classifier(metrics=[metric], optimizer=SGD(0.5)), X[:30], LABELS[:30], metric, KeepBest)


def _check_direction(model, x, y, metric, policy) -> None:
    """Train on noise, so that the metric goes up and down, and compare the chosen epoch with the column of the history."""
    column = f"validation_{metric.name}"
    noise = np.random.default_rng(1).permutation(y)
    history = model.fit(
        x,
        noise,
        validation=(X[30:], (LABELS if y.dtype == np.int64 else NUMBERS)[30:]),
        epochs=6,
        batch_size=5,
        policies=[policy(monitor=column)],
    )
    values = history[column]
    assert len(set(values)) > 1
    best = min(values) if metric.lower_is_better else max(values)
    assert metric.lower_is_better == (metric.name in FALLING)
    assert values[history.best_epoch - 1] == best


@pytest.mark.parametrize("policy", [EarlyStopping(monitor="validation_roc_auc", patience=3), KeepBest("validation_roc_auc")])
def test_a_monitored_value_that_is_never_a_number(policy):
    """EarlyStopping with restore_best_weights fails at the end: no epoch was the best one, so the best weights are None.

    Source: keras-team/keras#13658. Right: what was learned is kept, and the history says why no epoch was chosen.
    """
    model = classifier(metrics=[ROCAUC()])
    untrained = model.parameters.copy()
    one_class = (X[LABELS == 1], LABELS[LABELS == 1])  # has no AUC
    with_policy = model.fit(X, LABELS, validation=one_class, epochs=3, policies=[policy])
    assert np.isnan(with_policy["validation_roc_auc"]).all()
    assert not np.array_equal(model.parameters, untrained)
    assert with_policy.best_epoch is None
    assert "validation_roc_auc is not a finite number after any epoch" in with_policy.problems[0]


def test_an_epoch_whose_loss_is_no_number_is_not_the_best():
    """A validation loss of NaN is taken for an improvement, as no comparison with it is true.

    Source: Bjarten/early-stopping-pytorch#28. Right: such an epoch is never the best, in the curves neither.
    """
    rows = [{"epoch": epoch, "validation_loss": loss} for epoch, loss in enumerate((float("nan"), 2.0, 1.0, float("nan")), 1)]
    assert History(rows).chosen_epoch() == 3
    assert History(rows[:1]).chosen_epoch() is None


def test_the_restored_parameters_are_those_that_had_the_value():
    """Monitoring the training loss restores the weights of another epoch: the loss is the one before its updates.

    Source: keras-team/keras#20323. Right: with exact training metrics, the restored model has the loss of its epoch.
    """
    model = classifier(optimizer=SGD(3.0))
    policies = [EarlyStopping(monitor="train_loss", patience=2)]
    history = model.fit(X, LABELS, epochs=12, batch_size=20, exact_training_metrics=True, policies=policies)
    assert history.best_epoch < len(history)
    assert model.evaluate(X, LABELS)["loss"] == min(history["train_loss"])


@dataclass(frozen=True)
class Interrupt(Policy):
    """Send SIGINT, as the stop button of a notebook does, after a number of events."""

    after: int

    def wrap(self, events, state, history, memory):
        for number, event in enumerate(events, 1):
            if number == self.after:
                os.kill(os.getpid(), signal.SIGINT)
            yield event


def test_the_stop_button_of_a_notebook():
    """An interrupted fit returns no history: "good for users prototyping in IPython" is a change that returns it.

    Source: keras-team/keras#122. Right: the step is finished, the best parameters are restored, and the history is there.
    """
    model = classifier(optimizer=SGD(0.5))
    policies = [Interrupt(25), EarlyStopping(patience=50)]
    with pytest.raises(KeyboardInterrupt):
        model.fit(X, LABELS, validation=WRONG, epochs=50, batch_size=10, policies=policies)
    losses = model.history["validation_loss"]
    assert 2 <= len(losses) < 50
    assert model.evaluate(*WRONG)["loss"] == min(losses) < losses[-1]


def test_the_stop_button_in_the_first_epoch():
    """After an interruption, the model should be saved and validated as it is; Ctrl-C ends the program instead.

    Source: keras-team/keras#5679. Right: the parameters of the last step, and no problem to report.
    """
    model = classifier()
    untrained = model.parameters.copy()
    with pytest.raises(KeyboardInterrupt):
        model.fit(X, LABELS, validation=WRONG, epochs=5, batch_size=10, policies=[Interrupt(3), EarlyStopping()])
    assert not np.array_equal(model.parameters, untrained)
    assert model.history.problems == []
