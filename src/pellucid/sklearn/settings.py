"""The settings of an estimator, completed with the defaults of its recipe: that for tables, or a plain training."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from pellucid.errors import ConfigError, did_you_mean
from pellucid.layers import Layer
from pellucid.optim import rule_of
from pellucid.recipes import tables
from pellucid.sklearn.building import find_optimizer
from pellucid.training import AverageWeights, EarlyStopping, FitOptions, KeepBest, Policy

TABLE, PLAIN = "table", "plain"
DEFAULTS: dict[str, dict[str, Any]] = {  # of the settings that are None
    TABLE: {"hidden": tables.HIDDEN, "dropout": tables.DROPOUT, "validation_fraction": tables.VALIDATION},
    PLAIN: {
        "hidden": (100,),
        "activation": "relu",
        "dropout": 0.0,
        "optimizer": "adam",
        "alpha": 1e-3,
        "epochs": 200,
        "early_stopping": False,
        "validation_fraction": 0.1,
    },
}
AUTO_BATCH_SIZE = {TABLE: tables.BATCH_SIZE, PLAIN: 200}  # 200 as in scikit-learn's own networks


def with_recipe(given: dict[str, Any], owner: str) -> SimpleNamespace:
    """Return the settings with the name of the recipe, and its defaults for those that are None.

    ``full_batch`` says whether the optimizer needs all samples in each step. Raises ConfigError for an unknown recipe, and for
    a recipe for tables with settings that it does not take.
    """
    other = None  # what only a plain training takes
    full_batch = given["optimizer"] is not None and rule_of(find_optimizer(given["optimizer"], owner)).full_batch
    if isinstance(given["hidden"], Layer):
        other = "a network in hidden"
    elif given["image_shape"] is not None:
        other = "image_shape"
    elif full_batch:
        other = f"optimizer={given['optimizer']!r}, which needs all samples in each step"
    name = given["recipe"] or (TABLE if other is None else PLAIN)
    if name not in DEFAULTS:
        raise ConfigError(f"{owner}(recipe={name!r}): {did_you_mean(name, DEFAULTS)}")
    if name == TABLE and other is not None:
        raise ConfigError(f"{owner}(recipe='table') does not go with {other}: leave recipe at None")
    values = {key: DEFAULTS[name].get(key) if value is None else value for key, value in given.items()}
    return SimpleNamespace(**values | {"recipe": name, "full_batch": full_batch, "auto_batch_size": AUTO_BATCH_SIZE[name]})


def is_validated(settings: SimpleNamespace, samples: int) -> bool:
    """Return whether some of the samples choose the epoch: by default, of the recipe for tables, unless there are few."""
    if settings.early_stopping is None:
        return samples >= tables.MIN_VALIDATED
    return bool(settings.early_stopping)


def fit_options(settings: SimpleNamespace, samples: int, batch_size: int, *, validated: bool) -> FitOptions:
    """Return the options of a training on this many samples."""
    epochs = settings.epochs or tables.fit_options(samples, validated=validated).epochs
    return FitOptions(epochs, batch_size, samples > batch_size, policies=_policies(settings, validated=validated))


def _policies(settings: SimpleNamespace, *, validated: bool) -> tuple[Policy, ...]:
    stopping = EarlyStopping(
        settings.patience or settings.epochs or tables.EPOCHS,
        "validation_loss" if validated else "train_loss",
        settings.tol,
        restore_best=validated,
    )
    if settings.recipe == PLAIN:
        return (stopping,)
    average = AverageWeights(tables.AVERAGE)
    if not validated:
        return (average,)
    return (average, stopping if settings.early_stopping else KeepBest())
