"""``pellucid train``: data, preset and flags in; a run folder out."""

from __future__ import annotations

import functools
from pathlib import Path

import typer

from pellucid.cli import own
from pellucid.cli.common import INTERRUPTED, per_class, reported, say, scored
from pellucid.data.sources.registry import SOURCES
from pellucid.runs.presets import OPTIMIZERS, PRESETS
from pellucid.runs.run import Plan, Settings, run


@reported
def train(
    data: str = typer.Argument("mnist", help=f"The data: {', '.join(SOURCES)}; a table.csv; a folder with one folder a class."),
    model: str | None = typer.Option(
        None,
        "--model",
        help=f"A preset ({', '.join(PRESETS)}), or FILE.json with a network [default: mlp; for your own data, what fits it].",
    ),
    hidden: str | None = typer.Option(None, "--hidden", help="The widths of an MLP's hidden layers, as in 64x32."),
    epochs: int | None = typer.Option(None, "--epochs", help="Passes over the training data [default: the preset's]."),
    batch_size: int | None = typer.Option(None, "--batch-size", help="Samples a step [default: the preset's]."),
    optimizer: str | None = typer.Option(None, "--optimizer", help=f"{', '.join(OPTIMIZERS)} [default: the preset's]."),
    lr: str | None = typer.Option(
        None,
        "--lr",
        metavar="FLOAT|auto",
        help="The learning rate; of a schedule, its highest; auto looks for one [default: the preset's].",
    ),
    augmentation: str | None = typer.Option(
        None,
        "--augmentation",
        help="none, affine, elastic, strong, or settings as in rotation=10,shift=2 [default: the preset's].",
    ),
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
    class_weight: str | None = typer.Option(
        None, "--class-weight", help="balanced: rare classes count as much in training as common ones."
    ),
    corrections: Path | None = typer.Option(None, "--corrections", help="Also learn the corrected drawings in this folder."),
    target: str | None = own.TARGET,
    task: str | None = own.TASK,
    missing: str = own.MISSING,
    ignore: list[str] | None = own.IGNORE,
    no_header: bool = own.NO_HEADER,
    size: str | None = own.SIZE,
    colour: str | None = own.COLOUR,
    quiet: bool = typer.Option(False, "--quiet", help="Say nothing but errors."),
) -> None:
    """Train a network and keep the run in a folder.

    A preset is a network with its recipe; flags override the recipe. Ctrl-C keeps what was trained.
    """
    tell = functools.partial(say, quiet=quiet)
    wish = own.reading(target, task, missing, ignore, no_header, size, colour)
    plan = Plan.of(
        Settings(
            **own.settled(data, model, wish, tell),
            hidden=hidden,
            epochs=epochs,
            batch_size=batch_size,
            optimizer=optimizer,
            lr=learning_rate(lr),
            augmentation=augmentation,
            seed=seed,
            data_dir=data_dir,
            limit=limit,
            split_seed=split_seed,
            early_stopping=early_stopping,
            deterministic=deterministic,
            exact_training_metrics=exact_training_metrics,
            corrections=None if corrections is None else str(corrections),
            class_weight=class_weight,
        )
    )
    found = run(plan, out, force=force, tell=tell, progress=not quiet)
    sizes = found["data"]["sizes"]
    tell(f"validation  {scored(found['validation'], sizes['validation'])}")
    tell(f"test        {scored(found['test'], sizes['test'])}")
    if table := per_class(found["test"], found["classes"]):
        tell(table)
    ended = "stopped" if found["interrupted"] else "done"
    tell(f"{ended} in {found['seconds']:.1f} s, {found['energy_text']}; the run is in {found['folder']}")
    if found["interrupted"]:
        raise typer.Exit(INTERRUPTED)


def learning_rate(text: str | None) -> float | str | None:
    """What was written as a number, where it is one."""
    try:
        return text if text is None else float(text)
    except ValueError:
        return text
