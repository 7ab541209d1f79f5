"""One run: from settings to a folder with everything that is left of a training.

``pellucid train`` is one of them, ``pellucid sweep`` many.
"""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import json
import os
import platform
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from pellucid.core.version import __version__
from pellucid.runs import presets
from pellucid import data as sources
from pellucid.core.config import to_json
from pellucid.data import Dataset, Splits
from pellucid.data.augmentation import named
from pellucid.data.drawings.mixed import corrected
from pellucid.data.sources.user_data import Reading
from pellucid.data.sources.registry import SOURCES, known
from pellucid.runs.energy import Meter
from pellucid.errors import ConfigError, PellucidError
from pellucid.kernels import name_of
from pellucid.metrics import Metric
from pellucid.model.model import Model
from pellucid.runs.folder import RunFolder
from pellucid.runs.task import Task, paced
from pellucid.training import Control, EarlyStopping, Event, StepEvent, blas

SHOWN = 2_000  # samples in the figure of predicted numbers

Tell = Callable[[str], None]
Watch = Callable[[Event, Control], bool]  # is given each event, may change the learning rate; False ends the training


@dataclass(frozen=True)
class Settings:
    """What a run is made of: the data, a preset, and what overrides the preset (None: nothing does). ``hidden`` are the widths
    of an MLP's hidden layers, as in ``64x32``; the other names are those of ``pellucid train``'s flags."""

    data: str = "mnist"
    model: str = "mlp"
    hidden: str | None = None
    epochs: int | None = None
    batch_size: int | None = None
    optimizer: str | None = None
    lr: float | str | None = None  # "auto": what a range test on the training data finds
    augmentation: str | None = None
    seed: int = 0
    data_dir: Path | None = None
    limit: int | None = None
    split_seed: int = 0
    early_stopping: int | None = None
    deterministic: bool = False
    exact_training_metrics: bool = False
    corrections: str | None = None  # the folder of drawings that are learned, too
    class_weight: str | None = None  # "balanced": all classes count alike
    reading: Reading | None = None  # how ``data`` of one's own is read


@dataclass(frozen=True)
class Plan:
    """Settings, checked and worked out before any data is read."""

    settings: Settings
    recipe: presets.Recipe
    policies: tuple[EarlyStopping, ...]

    @classmethod
    def of(cls, settings: Settings) -> Plan:
        """Raises ConfigError for settings that no run can have."""
        recipe = presets.preset(settings.model)
        if settings.hidden is not None:
            recipe = presets.with_hidden(recipe, settings.hidden, settings.model)
        change = recipe.augmentation if settings.augmentation is None else named(settings.augmentation)
        recipe = dataclasses.replace(
            recipe,
            optimizer=presets.optimizer(settings.optimizer, settings.lr, recipe.optimizer),
            epochs=_positive(recipe.epochs if settings.epochs is None else settings.epochs, "--epochs"),
            batch_size=_positive(recipe.batch_size if settings.batch_size is None else settings.batch_size, "--batch-size"),
            augmentation=change,
        )
        if settings.limit is not None:
            _positive(settings.limit, "--limit")
        known(settings.data)
        patience = settings.early_stopping
        policies = () if patience is None else (EarlyStopping(_positive(patience, "--early-stopping")),)
        return cls(settings, recipe, policies)

    def record(self) -> dict[str, Any]:
        """What decides what the run gives: the settings, what they leave to the preset, and the network for ten classes."""
        recipe, given = self.recipe, {name: value for name, value in vars(self.settings).items() if name != "data_dir"}
        network = json.dumps(to_json(recipe.network(10)), sort_keys=True)
        return given | {
            "reading": to_json(self.settings.reading),
            "epochs": recipe.epochs, "batch_size": recipe.batch_size, "optimizer": str(recipe.optimizer),
            "augmentation": None if recipe.augmentation is None else str(recipe.augmentation),
            "network": hashlib.sha256(network.encode()).hexdigest()[:16],
        }


def run(
    plan: Plan,
    out: Path | None = None,
    *,
    force: bool = False,
    tell: Tell,
    progress: bool,
    test: bool = True,
    alone: bool = True,
    watch: Watch | None = None,
) -> dict[str, Any]:
    """Trains, scores, and keeps the run in the folder ``out`` (None: the next free one in runs/). ``tell`` is given lines for
    people. Without ``test`` the test set is not looked at; not ``alone``, other runs use this machine meanwhile. With
    ``watch`` there is no ``progress``: it is given every event instead.

    Returns what metrics.json holds, and under ``folder`` where it is; ``interrupted`` there says that Ctrl-C, or ``watch``,
    ended the training. Raises library errors before anything is written."""
    settings, recipe = plan.settings, plan.recipe
    splits = sources.load(settings.data, settings.data_dir, settings.split_seed, settings.reading)
    if settings.corrections is not None:
        splits = corrected(splits, sources.Corrections(Path(settings.corrections)).dataset())
    training = splits.train if settings.limit is None else splits.train.limit(settings.limit, settings.seed)
    classes = splits.classes or ()
    task = Task.of(recipe, training, settings.model)
    if settings.data not in SOURCES and settings.epochs is None:
        recipe = paced(recipe, len(training))
    make = functools.partial(
        Model, task.network, training.shape, loss=task.loss, metrics=task.watched, seed=settings.seed, classes=classes or None
    )
    model = make(optimizer=recipe.optimizer)
    folder = RunFolder(out, Path(settings.model).stem, force=force)
    sharding = model.sharding(recipe.batch_size, deterministic=settings.deterministic)
    kernels = name_of(model.kernels)
    tell(described(splits) if settings.limit is None else f"{described(splits)}; limited to {len(training):,}")
    for line in splits.notes:
        tell(line)
    tell(f"model     {settings.model}: {recipe.about}; {model.parameter_count:,} parameters")
    if settings.lr == presets.AUTO:
        plan = Plan.of(dataclasses.replace(settings, lr=_found(model, training, recipe, settings.class_weight, tell, folder)))
        recipe = dataclasses.replace(recipe, optimizer=plan.recipe.optimizer)
        model = make(optimizer=recipe.optimizer)
    plan = dataclasses.replace(plan, recipe=recipe)
    how = f"{recipe.epochs} epochs, batches of {recipe.batch_size}, {recipe.optimizer}; {kernels} kernels, {sharding}"
    tell(f"training  {how}")
    if recipe.augmentation is not None:
        tell(f"changed   {recipe.augmentation}")

    steering = _Steering()
    began, meter, interrupted = time.perf_counter(), Meter(alone=alone), False
    options: dict[str, Any] = {
        "validation": splits.validation, "epochs": recipe.epochs, "batch_size": recipe.batch_size, "policies": plan.policies,
        "augmentation": recipe.augmentation, "deterministic": settings.deterministic,
        "exact_training_metrics": settings.exact_training_metrics, "class_weight": settings.class_weight,
    }
    try:
        if watch is None:
            model.fit(training, **options, progress=progress)
        else:
            with model.kernels.announced(tell):
                steering.watch(model.fit_events(training, **options, control=steering.control), watch)
    except KeyboardInterrupt:
        interrupted = True
        tell("interrupted: keeping what was trained so far")
    except PellucidError:
        folder.discard()
        raise
    seconds, energy = time.perf_counter() - began - steering.waited, meter.read()
    folder.write_config({**_config(plan, recipe, splits), **model.config()})
    folder.save(model)
    folder.write_history(model.history)
    metrics = {
        "data": {"name": splits.name, "source": splits.source, "sizes": splits.sizes, "sha256": splits.sha256},
        **_scores(model, splits, training, test, task.scored),
        "settings": plan.record(),
        "parameters": model.parameter_count, "multiply_adds": model.multiply_adds, "seconds": seconds,
        "energy": vars(energy), "epochs": len(model.history), "best_epoch": model.history.best_epoch,
        "interrupted": interrupted, "steered": steering.changes, "kernels": kernels, "sharding": str(sharding),
        "versions": {
            "pellucid": __version__, "numpy": np.__version__, "python": platform.python_version(), "blas": blas.describe(),
        },
    }
    folder.write_metrics(metrics)
    seen = "test" if test else "validation"
    _figures(model, getattr(splits, seen), metrics[seen], folder.path, f"{settings.model} on the {seen} set", tell)
    return {**metrics, "folder": folder.path, "energy_text": str(energy), "classes": classes}


def _found(
    model: Model, training: Dataset, recipe: presets.Recipe, class_weight: str | None, tell: Tell, folder: RunFolder
) -> float:
    try:
        with model.kernels.announced(tell):
            found = model.find_learning_rate(
                training, batch_size=recipe.batch_size, augmentation=recipe.augmentation, class_weight=class_weight
            )
    except (PellucidError, KeyboardInterrupt):
        folder.discard()
        raise
    tell(f"rate      {found.suggestion:g}, found in {len(found.rates)} steps")
    return found.suggestion


@dataclass
class _Steering:
    """A training that is watched: the ``changes`` of the learning rate, without which it cannot be repeated, and the seconds
    that the watcher made it wait."""

    control: Control = field(default_factory=Control)
    changes: list[dict[str, float | None]] = field(default_factory=list)
    waited: float = 0.0

    def watch(self, events: Generator[Event, None, None], watch: Watch) -> None:
        """Raises KeyboardInterrupt where the watcher ends it."""
        step = 0
        with closing(events):
            for event in events:
                step = event.step if isinstance(event, StepEvent) else step
                rate, began = self.control.learning_rate, time.perf_counter()
                goes_on = watch(event, self.control)
                self.waited += time.perf_counter() - began
                if self.control.learning_rate != rate:
                    self.changes.append({"after_step": step, "learning_rate": self.control.learning_rate})
                if not goes_on:
                    raise KeyboardInterrupt


def described(splits: Splits) -> str:
    """One line: what the data is and where it came from."""
    sizes = splits.sizes
    return (
        f"data      {splits.name}: {sizes['train']:,} training, {sizes['validation']:,} validation, "
        f"{sizes['test']:,} test samples, from {splits.source}"
    )


def _config(plan: Plan, recipe: presets.Recipe, splits: Splits) -> dict[str, Any]:
    settings = plan.settings
    own = settings.data not in SOURCES
    return {
        "pellucid": __version__,
        "preset": settings.model,
        "data": {
            "name": splits.name, "asked_for": os.path.abspath(settings.data) if own else settings.data,
            "split_seed": settings.split_seed, "limit": settings.limit, "sha256": splits.sha256,
            "reading": to_json(settings.reading), "skipped": [list(one) for one in splits.skipped],
        },
        "fit": {
            "epochs": recipe.epochs, "batch_size": recipe.batch_size, "deterministic": settings.deterministic,
            "exact_training_metrics": settings.exact_training_metrics, "policies": to_json(plan.policies),
            "augmentation": to_json(recipe.augmentation), "class_weight": settings.class_weight,
        },
    }


def _positive(value: int, flag: str) -> int:
    if value < 1:
        raise ConfigError(f"{flag} must be at least 1, got {value}")
    return value


def _scores(model: Model, splits: Splits, training: Dataset, test: bool, everything: Sequence[Metric]) -> Mapping[str, Any]:
    """The model's own metrics on the three sets, and ``everything`` on the test set, which is looked at here and once; without
    ``test`` it is not, and everything is counted on the validation set."""
    tested = {"test": model.evaluate(splits.test, metrics=everything)} if test else {}
    return {
        **tested,
        "validation": model.evaluate(splits.validation, metrics=None if test else everything),
        "train": model.evaluate(training),
    }


def _figures(model: Model, seen: Dataset, values: Mapping[str, Any], folder: Path, title: str, tell: Tell) -> None:
    from pellucid import plots

    try:
        if len(model.history):
            plots.save(plots.learning_curves(model.history, title.split(" ")[0]), folder / "learning_curves.png")
        if "confusion_matrix" in values:
            made = plots.confusion_matrix(values["confusion_matrix"], model.classes, title)
            plots.save(made, folder / "confusion_matrix.png")
        else:
            shown = seen.limit(SHOWN)
            made = plots.predictions(np.asarray(shown.y), model.predict(shown.x), title)
            plots.save(made, folder / "predictions.png")
    except ConfigError as error:  # no Matplotlib: the run is whole without pictures
        tell(f"no figures: {error}")
