"""``pellucid train``: data, preset and flags in; a run folder out."""

from __future__ import annotations

import platform
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import typer

from pellucid import __version__, presets
from pellucid import data as sources
from pellucid.cli.common import INTERRUPTED, described, per_class, reported, say, scored
from pellucid.config import to_json
from pellucid.data import Dataset, Splits
from pellucid.errors import ConfigError, PellucidError
from pellucid.kernels import name_of
from pellucid.losses import CrossEntropy
from pellucid.metrics import Accuracy, ConfusionMatrix, Precision, Recall
from pellucid.model import Model
from pellucid.runs import RunFolder
from pellucid.training import EarlyStopping, blas


@reported
def train(
    data: str = typer.Argument("mnist", help="The data: mnist or fashion-mnist."),
    model: str = typer.Option(
        "mlp", "--model", help="A preset (mlp, mlp-small, mlp-d8, mlp-best), or FILE.json with a network."
    ),
    epochs: int | None = typer.Option(None, "--epochs", help="Passes over the training data [default: the preset's]."),
    batch_size: int | None = typer.Option(None, "--batch-size", help="Samples a step [default: the preset's]."),
    optimizer: str | None = typer.Option(
        None, "--optimizer", help="sgd, momentum, nesterov, adam or adamw [default: the preset's]."
    ),
    lr: float | None = typer.Option(None, "--lr", help="The learning rate [default: the preset's, or the optimizer's]."),
    seed: int = typer.Option(0, "--seed", help="Names all chance: the same seed gives the same run."),
    out: Path | None = typer.Option(None, "--out", help="The run folder [default: runs/<model>-<n>]."),
    force: bool = typer.Option(False, "--force", help="Write into a folder that is not empty."),
    data_dir: Path | None = typer.Option(None, "--data-dir", help="The folder with the data's files."),
    limit: int | None = typer.Option(None, "--limit", help="Train on that many samples only, the classes in proportion."),
    split_seed: int = typer.Option(0, "--split-seed", help="Names the split into training and validation data."),
    early_stopping: int | None = typer.Option(
        None, "--early-stopping", help="Stop after that many epochs without a lower validation loss; keep the best weights."
    ),
    deterministic: bool = typer.Option(False, "--deterministic", help="The same bits on any number of cores; slower."),
    exact_training_metrics: bool = typer.Option(
        False, "--exact-training-metrics", help="Score the training set again at each epoch's end."
    ),
    quiet: bool = typer.Option(False, "--quiet", help="Say nothing but errors."),
) -> None:
    """Train a network and keep the run in a folder.

    A preset is a network with its recipe; flags override the recipe. Ctrl-C keeps what was trained.
    """
    recipe = presets.preset(model)
    chosen = presets.optimizer(optimizer, lr, recipe.optimizer)
    epochs = _positive(recipe.epochs if epochs is None else epochs, "--epochs")
    batch_size = _positive(recipe.batch_size if batch_size is None else batch_size, "--batch-size")
    policies = [] if early_stopping is None else [EarlyStopping(_positive(early_stopping, "--early-stopping"))]
    if limit is not None:
        _positive(limit, "--limit")

    splits = sources.load(data, data_dir, split_seed)
    training = splits.train if limit is None else splits.train.limit(limit, seed)
    classes = splits.classes or ()
    network = presets.fits(recipe, training.shape, len(classes))
    made = Model(
        network, training.shape, loss=CrossEntropy(), optimizer=chosen, metrics=[Accuracy()], seed=seed, classes=classes
    )  # fmt: skip
    folder = RunFolder(out, Path(model).stem, force=force)
    fit: dict[str, Any] = {"epochs": epochs, "batch_size": batch_size, "deterministic": deterministic}
    fit |= {"exact_training_metrics": exact_training_metrics, "policies": to_json(policies)}
    source = {"name": splits.name, "asked_for": data, "split_seed": split_seed, "limit": limit, "sha256": splits.sha256}

    say(described(splits) if limit is None else f"{described(splits)}; limited to {len(training):,}", quiet=quiet)
    sharding = made.sharding(batch_size, deterministic=deterministic)
    kernels = name_of(made.kernels)
    say(f"model     {model}: {recipe.about}; {made.parameter_count:,} parameters", quiet=quiet)
    say(f"training  {epochs} epochs, batches of {batch_size}, {chosen}; {kernels} kernels, {sharding}", quiet=quiet)

    began, interrupted = time.perf_counter(), False
    try:
        made.fit(
            training, validation=splits.validation, epochs=epochs, batch_size=batch_size, policies=policies,
            exact_training_metrics=exact_training_metrics, deterministic=deterministic, progress=not quiet,
        )  # fmt: skip
    except KeyboardInterrupt:
        interrupted = True
        say("interrupted: keeping what was trained so far", quiet=quiet)
    except PellucidError:
        folder.discard()
        raise
    seconds = time.perf_counter() - began
    folder.write_config({"pellucid": __version__, "preset": model, "data": source, "fit": fit, **made.config()})
    folder.save(made)
    folder.write_history(made.history)
    results = _results(made, splits, training)
    versions = {"pellucid": __version__, "numpy": np.__version__, "python": platform.python_version(), "blas": blas.describe()}
    data_record = {"name": splits.name, "source": splits.source, "sizes": splits.sizes, "sha256": splits.sha256}
    folder.write_metrics(
        {"data": data_record, **results, "parameters": made.parameter_count,
         "multiply_adds": made.multiply_adds, "seconds": seconds, "epochs": len(made.history),
         "best_epoch": made.history.best_epoch, "interrupted": interrupted, "kernels": kernels, "sharding": str(sharding),
         "versions": versions}
    )  # fmt: skip
    _figures(made, results["test"]["confusion_matrix"], folder.path, model, quiet)
    say(f"validation  {scored(results['validation'], len(splits.validation))}", quiet=quiet)
    say(f"test        {scored(results['test'], len(splits.test))}", quiet=quiet)
    say(per_class(results["test"], made.classes or ()), quiet=quiet)
    say(f"{'stopped' if interrupted else 'done'} in {seconds:.1f} s; the run is in {folder.path}", quiet=quiet)
    if interrupted:
        raise typer.Exit(INTERRUPTED)


def _positive(value: int, flag: str) -> int:
    if value < 1:
        raise ConfigError(f"{flag} must be at least 1, got {value}")
    return value


def _results(model: Model, splits: Splits, training: Dataset) -> Mapping[str, Any]:
    """Loss and accuracy on all three sets; on the test set, which is looked at here and once, all metrics."""
    return {
        "test": model.evaluate(splits.test, metrics=[Accuracy(), Precision(), Recall(), ConfusionMatrix()]),
        "validation": model.evaluate(splits.validation),
        "train": model.evaluate(training),
    }


def _figures(model: Model, table: Any, folder: Path, name: str, quiet: bool) -> None:
    from pellucid import plots

    try:
        if len(model.history):
            plots.save(plots.learning_curves(model.history, name), folder / "learning_curves.png")
        plots.save(plots.confusion_matrix(table, model.classes, f"{name} on the test set"), folder / "confusion_matrix.png")
    except ConfigError as error:  # no Matplotlib: the run is whole without pictures
        say(f"no figures: {error}", quiet=quiet)
