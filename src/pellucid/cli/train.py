"""``pellucid train``: train a network and write a run folder."""

from __future__ import annotations

import functools
import os
from pathlib import Path

import typer

from pellucid.cli import options, user_data
from pellucid.cli.common import echo, report_errors
from pellucid.cli.resume import continue_run, finish
from pellucid.data.text.reading import ENCODING
from pellucid.errors import ConfigError
from pellucid.runs.fine_tuning import Start
from pellucid.runs.plan import AUTO, RunPlan, RunSettings
from pellucid.runs.run import run


@report_errors
def train(
    command: typer.Context,
    data: str = typer.Argument("mnist", metavar="DATA", help=options.DATA_HELP),
    model: str | None = typer.Option(
        None,
        "--model",
        metavar="NAME|FILE.json",
        help=f"{options.MODEL_HELP}.  [default: mlp, unet-small for mnist-scenes, gpt for tinyshakespeare, gpt-mini for names; "
        "for your own data, a preset that suits it]",
    ),
    from_run: Path | None = typer.Option(
        None,
        "--from",
        metavar="RUN",
        help="Fine-tune: start from the network and the parameters of this run folder or model file.",
    ),
    hidden: options.Hidden = None,
    epochs: options.Epochs = None,
    steps_per_epoch: int | None = typer.Option(
        None,
        "--steps-per-epoch",
        metavar="STEPS",
        help="Text: the number of steps of an epoch, each on windows at random places.  [default: the preset's]",
    ),
    batch_size: options.BatchSize = None,
    optimizer: options.OptimizerName = None,
    lr: str | None = typer.Option(
        None,
        "--lr",
        metavar=f"RATE|{AUTO}",
        help="The learning rate; for a schedule, its highest rate. auto runs the learning-rate finder.  "
        "[default: the preset's, or the optimizer's]",
    ),
    lr_changes: str | None = typer.Option(
        None,
        "--lr-changes",
        metavar="STEP:RATE,…",
        help="Change the learning rate during the training: 480:0.01,960:preset sets it to 0.01 after step 480, and to the "
        "preset's again after step 960.",
    ),
    dropout: options.Dropout = None,
    decay: options.Decay = None,
    augmentation: options.AugmentationName = None,
    seed: int = typer.Option(0, "--seed", help="The random seed. The same seed gives the same run."),
    out: Path | None = typer.Option(None, "--out", metavar="FOLDER", help="The run folder.  [default: runs/<model>-<n>]"),
    force: bool = typer.Option(False, "--force", help="Write into the run folder even if it is not empty."),
    data_dir: options.DataDir = None,
    limit: options.Limit = None,
    split_seed: int = typer.Option(
        0, "--split-seed", help="The random seed of the split into training, validation and test set."
    ),
    early_stopping: int | None = typer.Option(
        None,
        "--early-stopping",
        help="Stop after this many epochs without a lower validation loss, and restore the parameters of the best epoch.",
    ),
    time_budget: float | None = typer.Option(
        None,
        "--time-budget",
        metavar="SECONDS",
        help="Stop at the end of an epoch, where the next one would take the training beyond this time. The number of epochs "
        "then depends on the speed of the machine.",
    ),
    deterministic: bool = typer.Option(
        False,
        "--deterministic",
        help="Make the result independent of the number of cores and of ranks (mpiexec). With the compiled kernels it never "
        "depends on the number of cores.",
    ),
    exact_training_metrics: bool = typer.Option(
        False,
        "--exact-training-metrics",
        help="Evaluate the training set again after each epoch, instead of averaging over the steps of the epoch.",
    ),
    watch: bool = typer.Option(
        False,
        "--watch",
        help="Examine the training while it runs: findings are shown when they arise, and written to findings.json.",
    ),
    class_weight: str | None = typer.Option(
        None, "--class-weight", metavar="balanced", help="Give all classes the same total weight, however rare they are."
    ),
    corrections: Path | None = typer.Option(
        None, "--corrections", metavar="FOLDER", help="Add the corrected drawings in this folder to the training set."
    ),
    target: user_data.Target = None,
    task: user_data.Task = None,
    missing: user_data.Missing = None,
    categorical: user_data.Categorical = None,
    logarithm: user_data.Logarithm = None,
    ignore: user_data.Ignore = None,
    no_header: user_data.NoHeader = False,
    horizon: user_data.Horizon = None,
    window: user_data.Window = None,
    season: user_data.Season = None,
    time: user_data.Time = None,
    size: user_data.Size = None,
    colour: user_data.Colour = None,
    context: user_data.Context = None,
    tokens: user_data.Tokens = None,
    lines: user_data.Lines = False,
    encoding: user_data.Encoding = ENCODING,
    resume: Path | None = typer.Option(
        None,
        "--resume",
        metavar="RUN",
        help="Continue the run in this folder, with its settings: the same as pellucid resume RUN. Takes no other options.",
    ),
    quiet: options.Quiet = False,
) -> None:
    """Train a network and write a run folder.

    A preset is a network with the settings that train it; options override these settings. Ctrl-C ends the training early and
    keeps the parameters trained so far. A run that was interrupted, or whose process was killed, is continued with pellucid
    resume.
    """
    if resume is not None:
        refuse_settings(command, resume)
        continue_run(resume, quiet=quiet)
        return
    notify = functools.partial(echo, quiet=quiet)
    reading = user_data.read_options(
        target,
        task,
        missing,
        ignore,
        no_header,
        size,
        colour,
        horizon,
        window,
        season,
        time,
        context,
        tokens,
        lines,
        encoding,
        categorical,
        logarithm,
    )
    if from_run is not None:
        if model is not None:
            raise ConfigError(f"--model {model}: --from takes the network of the run; leave --model out")
        start = Start.open(from_run)
        model, reading = start.preset, start.read_options(reading) if os.path.isdir(data) else reading
    plan = RunPlan.of(
        RunSettings(
            **user_data.data_settings(data, model, reading, notify),
            from_run=None if from_run is None else str(from_run),
            hidden=hidden,
            epochs=epochs,
            steps_per_epoch=steps_per_epoch,
            batch_size=batch_size,
            optimizer=optimizer,
            lr=learning_rate(lr),
            lr_changes=lr_changes,
            augmentation=augmentation,
            seed=seed,
            data_dir=data_dir,
            limit=limit,
            split_seed=split_seed,
            early_stopping=early_stopping,
            deterministic=deterministic,
            exact_training_metrics=exact_training_metrics,
            watch=watch,
            corrections=None if corrections is None else str(corrections),
            class_weight=class_weight,
            dropout=dropout,
            decay=decay,
            time_budget=time_budget,
        )
    )
    finish(run(plan, out, force=force, notify=notify, progress=not quiet), notify)


def refuse_settings(context: typer.Context, run: Path) -> None:
    """Raise ConfigError if settings are given together with --resume: those of the run apply."""
    given = []
    for parameter in context.command.params:
        source = context.get_parameter_source(str(parameter.name))
        if parameter.name not in ("resume", *options.WITHOUT_EFFECT) and source is not None and source.name == "COMMANDLINE":
            given.append(parameter.opts[0] if parameter.opts[0].startswith("-") else str(context.params[str(parameter.name)]))
    if given:
        raise ConfigError(
            f"--resume {run} continues the run with its own settings: leave out {', '.join(given)}, or start a new run without "
            "--resume"
        )


def learning_rate(text: str | None) -> float | str | None:
    """Return the value of ``--lr`` as a number if it is one, and unchanged otherwise."""
    try:
        return text if text is None else float(text)
    except ValueError:
        return text
