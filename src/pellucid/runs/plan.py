"""The settings of a run and the plan that follows from them, both checked before any data is read."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_type_hints

from pellucid.core.config import MAX_COUNT, from_json, to_json, validate
from pellucid.core.memory import Shape
from pellucid.data import Dataset
from pellucid.data.augmentation_text import parse_augmentation
from pellucid.data.sources.registry import SOURCES, reads_windows
from pellucid.data.sources.user_data import ReadOptions
from pellucid.errors import ConfigError, FileError
from pellucid.layers.base import Layer
from pellucid.networks import fused
from pellucid.optim import Optimizer, rule_of, with_learning_rate
from pellucid.runs import presets
from pellucid.runs.fine_tuning import Start
from pellucid.runs.rate_changes import parse_rate_changes
from pellucid.runs.recipe import Recipe
from pellucid.runs.regularization import with_decay, with_dropout
from pellucid.training import EarlyStopping, TimeBudget
from pellucid.training.options import BATCH_SIZE, FitOptions
from pellucid.training.required_memory import check_model, check_training

AUTO = "auto"  # instead of a learning rate: the learning-rate finder chooses it


@dataclass(frozen=True)
class RunSettings:
    """The settings of a run, named like the flags of ``pellucid train``. None means the preset's value."""

    data: str = "mnist"
    model: str = "mlp"
    hidden: str | None = None  # the widths of an MLP's hidden layers, as in 64x32
    epochs: int | None = None
    steps_per_epoch: int | None = None  # of a text that is read in windows
    batch_size: int | None = None
    optimizer: str | None = None
    lr: float | str | None = None  # a number or AUTO
    lr_changes: str | None = None  # of the learning rate during the training, as in 480:0.01,960:preset
    augmentation: str | None = None
    seed: int = 0
    data_dir: Path | None = None
    limit: int | None = None
    split_seed: int = 0
    early_stopping: int | None = None
    deterministic: bool = False
    exact_training_metrics: bool = False
    corrections: str | None = None  # a folder of corrected drawings, which are added to the training set
    class_weight: str | None = None  # "balanced": every class has the same total weight
    reading: ReadOptions | None = None  # how user data is read
    watch: bool = False  # the doctor examines the training while it runs
    dropout: float | None = None  # the rate of the layers of dropout
    decay: float | None = None  # the strength of decoupled weight decay
    time_budget: float | None = None  # seconds, after which no epoch begins
    from_run: str | None = None  # a run folder or a model file: its network and parameters, instead of those of a preset

    def to_json(self) -> dict[str, Any]:
        """Return the settings as plain JSON. Paths become absolute, so that they are valid in any working folder."""
        values = {name: to_json(value) for name, value in vars(self).items() if name != "data_dir"}
        paths = {"data_dir": self.data_dir, "corrections": self.corrections, "from_run": self.from_run}
        paths["data"] = None if self.data in SOURCES else self.data
        paths["model"] = self.model if self.model.endswith(".json") else None
        return values | {name: os.path.abspath(path) for name, path in paths.items() if path is not None}

    @classmethod
    def from_json(cls, data: Any, where: str) -> RunSettings:
        """Return the settings whose JSON form is ``data``: the inverse of :meth:`to_json`. Missing ones have their defaults.

        Raises FileError for unknown settings and for values of another type; ``where`` is their file, for the message.
        """
        kinds = get_type_hints(cls) | {"data_dir": str | None, "reading": Any}
        try:
            if not isinstance(data, dict) or not data.keys() <= kinds.keys():
                raise ConfigError(f"its settings are {', '.join(data) if isinstance(data, dict) else data!r}")
            values = {name: validate(value, kinds[name], "settings", name) for name, value in data.items()}
            reading, folder = values.get("reading"), values.get("data_dir")
            values["reading"] = None if reading is None else from_json(reading, ReadOptions)
            return cls(**values | {"data_dir": None if folder is None else Path(folder)})
        except ConfigError as error:
            raise FileError(f"{where} does not hold the settings of a run: {error}") from None


@dataclass(frozen=True)
class RunPlan:
    """The settings of a run and the recipe that they select.

    ``base`` is the recipe without the settings that change its training; :meth:`recipe_for` returns the one for the data.
    """

    settings: RunSettings
    recipe: Recipe
    base: Recipe

    @classmethod
    def of(cls, settings: RunSettings, network: Layer | None = None) -> RunPlan:
        """Return the plan for these settings. ``network`` replaces what a model of the kind ``FILE.json`` has in its file.

        Raises ConfigError for a value that is not allowed.
        """
        if settings.from_run is not None:
            base = Start.open(settings.from_run).recipe()
        elif network is not None and settings.model.endswith(".json"):
            base = presets.recipe_of(network, settings.model)
        else:
            base = presets.preset(settings.model)
        if settings.from_run is not None and settings.hidden is not None:
            raise ConfigError(f"--hidden {settings.hidden}: --from takes the network of the run; leave --hidden out")
        if settings.hidden is not None:
            base = presets.with_hidden(base, settings.hidden, settings.model)
        recipe = _with_settings(base, settings)
        if settings.limit is not None:
            _check_positive(settings.limit, "--limit")
        in_windows = reads_windows(settings.data, settings.reading)
        if settings.steps_per_epoch is not None and not (in_windows and settings.limit is None):
            raise ConfigError(
                "--steps-per-epoch is for a text that is read in windows, without --limit; elsewhere an epoch is a pass over "
                "the training set"
            )
        reading = settings.reading or ReadOptions()
        if settings.from_run is not None and recipe.context is not None:
            if reading.tokens is not None:
                raise ConfigError(f"--tokens {reading.tokens}: --from takes the tokenizer of the run; leave --tokens out")
            if in_windows and reading.context not in (None, recipe.context):
                raise ConfigError(
                    f"--context {reading.context}: --from takes the network of the run, which reads {recipe.context:,} tokens; "
                    "leave --context out"
                )
        if recipe.context is not None and in_windows:
            settings = dataclasses.replace(
                settings, reading=dataclasses.replace(reading, context=reading.context or recipe.context)
            )
        return cls(settings, recipe, base)

    def recipe_for(self, data: Dataset) -> Recipe:
        """Return the recipe for this training set: a number of epochs that suits it, and what else follows from it."""
        settings, recipe = self.settings, self.recipe
        base = self.base
        if settings.batch_size is not None:  # the network of a table depends on it
            base = dataclasses.replace(base, fit=dataclasses.replace(base.fit, batch_size=settings.batch_size))
        adapted = base.adapted_to(data)
        if adapted is not base and not rule_of(recipe.optimizer).full_batch:
            return _with_settings(adapted, settings)
        if data.passage is None and recipe.fit.steps_per_epoch is not None:
            passes = recipe.for_passes(len(data))
            epochs = passes.fit.epochs if settings.epochs is None else settings.epochs
            return dataclasses.replace(passes, fit=dataclasses.replace(passes.fit, epochs=epochs))
        if settings.data not in SOURCES and settings.epochs is None:
            return recipe.with_epochs_for(len(data))
        return recipe

    @property
    def rate_changes(self) -> dict[int, float | None]:
        """The learning rate after certain steps; None is that of the optimizer."""
        return {} if self.settings.lr_changes is None else parse_rate_changes(self.settings.lr_changes)

    @property
    def learning_rate_origin(self) -> str:
        """What decided the learning rate: a flag, the default of an optimizer, or the preset."""
        settings = self.settings
        if rule_of(self.recipe.optimizer).full_batch:
            return "none: a line search chooses the steps"
        if settings.lr == AUTO:
            return "range test, --lr auto"
        if settings.lr is not None:
            return "--lr"
        return f"preset {settings.model}" if settings.optimizer is None else f"default of --optimizer {settings.optimizer}"

    @property
    def chosen_by_data(self) -> frozenset[str]:
        """The keys of :meth:`record` whose values a run decides when it has read its data.

        For two runs to have the same values, the settings of these names must be equal.
        """
        by_data = self.settings.data not in SOURCES or self.recipe.fit.steps_per_epoch is not None
        names = ("epochs", "steps_per_epoch", "batch_size") if by_data else ()
        chosen = frozenset(name for name in names if getattr(self.settings, name) is None)
        return chosen if self.base.adapt is None else chosen | {"optimizer", "network"}

    def check_memory(self, input_shape: Shape, outputs: int) -> None:
        """Raise ConfigError if there is not enough memory to train the network for samples of this shape, with the settings."""
        network = self.recipe.network(outputs)
        check_model(network.build(input_shape), self.recipe.optimizer)
        check_training(fused(network).build(input_shape), input_shape, self.recipe.fit.batch_size or BATCH_SIZE)

    def record(self) -> dict[str, Any]:
        """Return everything that determines the results of the run, as plain JSON.

        These are the settings, completed with the values of the preset, and a digest of the network (for ten classes).
        """
        recipe = self.recipe
        settings = {name: value for name, value in vars(self.settings).items() if name != "data_dir"}
        network = json.dumps(to_json(recipe.network(10)), sort_keys=True)
        return settings | {
            "reading": to_json(self.settings.reading),
            "epochs": recipe.fit.epochs,
            "steps_per_epoch": recipe.fit.steps_per_epoch,
            "batch_size": recipe.fit.batch_size,
            "optimizer": str(recipe.optimizer),
            "augmentation": None if recipe.fit.augmentation is None else str(recipe.fit.augmentation),
            "network": hashlib.sha256(network.encode()).hexdigest()[:16],
        }


def _with_settings(recipe: Recipe, settings: RunSettings) -> Recipe:
    """Return the recipe with the optimizer, the learning rate and the options that are given. Raises ConfigError."""
    optimizer = recipe.optimizer if settings.optimizer is None else presets.optimizer(settings.optimizer)
    if isinstance(settings.lr, str):
        if settings.lr != AUTO:
            raise ConfigError(f"--lr {settings.lr!r}: a learning rate is a number, as in 0.01, or {AUTO}")
        if rule_of(optimizer).full_batch:
            raise ConfigError(f"--lr {AUTO}: {rule_of(optimizer)} has no learning rate to search for; leave --lr out")
    elif settings.lr is not None:
        optimizer = with_learning_rate(optimizer, settings.lr)
    if settings.dropout is not None:
        recipe = with_dropout(recipe, settings.dropout, settings.model)
    if settings.decay is not None:
        optimizer = with_decay(optimizer, settings.decay)
    if settings.lr_changes is not None:
        parse_rate_changes(settings.lr_changes)
        if rule_of(optimizer).full_batch:
            raise ConfigError(f"--lr-changes: {rule_of(optimizer)} has no learning rate; leave --lr-changes out")
    return dataclasses.replace(recipe, optimizer=optimizer, fit=_fit_options(settings, recipe.fit, optimizer))


def _fit_options(settings: RunSettings, preset: FitOptions, optimizer: Optimizer) -> FitOptions:
    """Return the fit options of the preset with those that the settings override.

    An optimizer that needs the whole training set does not get the batch size of the preset.
    """
    batch_size = None if rule_of(optimizer).full_batch else preset.batch_size
    if settings.batch_size is not None:
        batch_size = _check_positive(settings.batch_size, "--batch-size")
    patience = settings.early_stopping
    augmentation = settings.augmentation
    policies = preset.policies
    if patience is not None:  # averages of the parameters remain
        stopping = EarlyStopping(_check_positive(patience, "--early-stopping"))
        policies = (*(one for one in policies if one.averages), stopping)
    if settings.time_budget is not None:
        policies = (TimeBudget(check_time_budget(settings.time_budget)), *policies)
    return dataclasses.replace(
        preset,
        epochs=_check_positive(preset.epochs if settings.epochs is None else settings.epochs, "--epochs"),
        steps_per_epoch=preset.steps_per_epoch
        if settings.steps_per_epoch is None
        else _check_positive(settings.steps_per_epoch, "--steps-per-epoch"),
        batch_size=batch_size,
        augmentation=preset.augmentation if augmentation is None else parse_augmentation(augmentation),
        policies=policies,
        class_weight=settings.class_weight,
        exact_training_metrics=settings.exact_training_metrics,
        deterministic=settings.deterministic,
    )


def check_time_budget(seconds: float) -> float:
    """Return the seconds of a time budget. Raises ConfigError unless they are a number above 0."""
    if not 0 < seconds < float("inf"):
        raise ConfigError(f"--time-budget {seconds:g}: expected a number of seconds above 0")
    return seconds


def _check_positive(value: int, flag: str) -> int:
    if value < 1:
        raise ConfigError(f"{flag} must be at least 1, got {value}")
    if value > MAX_COUNT:
        raise ConfigError(f"{flag} must be at most {MAX_COUNT:,}, got {value:,}")
    return value
