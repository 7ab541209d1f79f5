"""The options of a training: every invalid value raises an error that names it, before anything is trained."""

from __future__ import annotations

import dataclasses
import inspect

import numpy as np
import pytest

from pellucid import AverageWeights, ConfigError, CrossEntropy, Dense, EarlyStopping, FitOptions, Model, Sequential, Softmax
from pellucid.data import Augmentation


@pytest.mark.parametrize(
    ("option", "value", "message"),
    [
        ("epochs", 0, r"fit\(epochs=0\): epochs must be at least 1"),
        ("epochs", 1.5, "epochs must be an integer, not float"),
        ("epochs", True, "epochs must be an integer, not bool"),
        ("batch_size", -8, r"fit\(batch_size=-8\): batch_size must be at least 1"),
        ("batch_size", "8", "batch_size must be an integer, not str"),
        ("accumulate", 0, r"fit\(accumulate=0\): accumulate must be at least 1"),
        ("accumulate", None, "accumulate must be an integer, not NoneType"),
        ("shuffle", 1, "shuffle must be True or False, not int"),
        (
            "augmentation",
            "shift",
            r"must be an Augmentation, a PhotoAugmentation or a function\(x, generator\), not str",
        ),
        ("policies", EarlyStopping(), "policies must be a list or tuple, not EarlyStopping"),
        ("policies", [EarlyStopping], r"add parentheses to create one: EarlyStopping\(\)"),
        ("policies", [EarlyStopping(), AverageWeights()], "put AverageWeights before it"),
        ("class_weight", "balancd", "class_weight='balancd': did you mean 'balanced'"),
        ("class_weight", 2.0, "give 'balanced', a list with one weight per class, or a mapping"),
        ("method", "parallel", "method must be a Perturbation, not str"),
        ("exact_training_metrics", None, "exact_training_metrics must be True or False"),
        ("deterministic", "yes", "deterministic must be True or False"),
        ("augmentation", Augmentation, r"add parentheses to create one: Augmentation\(\)"),
        ("steps_per_epoch", 0, r"fit\(steps_per_epoch=0\): steps_per_epoch must be at least 1"),
    ],
)
def test_an_invalid_value_raises_an_error(option, value, message):
    with pytest.raises(ConfigError, match=message):
        FitOptions(**{option: value})
    model = Sequential(Dense(2), Softmax()).compile((3,), CrossEntropy())
    before = model.parameters.copy()
    with pytest.raises(ConfigError, match=message):
        model.fit(np.eye(3), [0, 1, 0], **{option: value})
    np.testing.assert_array_equal(model.parameters, before)
    assert model.input_stage is None


def test_values_are_stored_as_plain_python_values():
    options = FitOptions(epochs=np.int64(3), shuffle=np.bool_(False), policies=[EarlyStopping()])
    assert type(options.epochs) is int
    assert options.shuffle is False
    assert options.policies == (EarlyStopping(),)


def test_fit_has_the_same_options_with_the_same_defaults():
    parameters = inspect.signature(Model.fit).parameters
    for field in dataclasses.fields(FitOptions):
        assert parameters[field.name].default == field.default, field.name


def test_events_take_only_fit_options():
    model = Sequential(Dense(2), Softmax()).compile((3,), CrossEntropy())
    with pytest.raises(ConfigError, match="options must be a FitOptions, not dict"):
        model.fit_events(np.eye(3), [0, 1, 0], {"epochs": 3})
    assert len(list(model.fit_events(np.eye(3), [0, 1, 0]))) == 2, "by default one epoch: a step, and its end"
