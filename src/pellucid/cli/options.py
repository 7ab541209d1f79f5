"""Options and arguments that several commands have."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Annotated

import typer

from pellucid.data.sources.registry import SOURCES
from pellucid.data.text import Tokens
from pellucid.errors import ConfigError
from pellucid.model.model import Model
from pellucid.runs.presets import OPTIMIZERS, PRESETS

MODEL_HELP = f"A preset ({', '.join(PRESETS)}), or a JSON file with a network"
DATA_HELP = (
    f"A data set ({', '.join(SOURCES)}), a table (.csv or .tsv), a folder with one subfolder of images for each "
    "class, or a text (.txt and others, or a folder of them)."
)

Run = Annotated[Path, typer.Argument(metavar="RUN", help="A run folder, or a model file.")]
DataDir = Annotated[
    Path | None,
    typer.Option(
        "--data-dir",
        metavar="FOLDER",
        help="The folder with the files of the data set.  [default: PELLUCID_DATA, or the cache of downloads]",
    ),
]
Encoding = Annotated[
    str | None,
    typer.Option(
        "--encoding", metavar="NAME", help="Text: the encoding of the files, as in latin-1.  [default: that of the training]"
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print the results as JSON.")]

Quiet = Annotated[bool, typer.Option("--quiet", help="Print errors only.")]
WITHOUT_EFFECT = ("quiet", "watch")  # options of pellucid train that change what it prints, but not its run

# Settings of a training

Hidden = Annotated[
    str | None,
    typer.Option(
        "--hidden", metavar="WIDTHS", help="The widths of an MLP's hidden layers, as in 64x32; none for no hidden layer."
    ),
]
Epochs = Annotated[
    int | None, typer.Option("--epochs", help="The number of passes over the training set.  [default: the preset's]")
]
BatchSize = Annotated[
    int | None, typer.Option("--batch-size", help="The number of samples in each step.  [default: the preset's]")
]
OptimizerName = Annotated[
    str | None,
    typer.Option("--optimizer", metavar="NAME", help=f"The optimizer: {', '.join(OPTIMIZERS)}.  [default: the preset's]"),
]
AugmentationName = Annotated[
    str | None,
    typer.Option(
        "--augmentation",
        metavar="NAME|AMOUNTS",
        help="Random changes of the training images: none, affine, elastic, strong, photo, or amounts, as in "
        "rotation=10,shift=2 or photo,crop=0.8.  "
        "[default: the preset's]",
    ),
]
Limit = Annotated[int | None, typer.Option("--limit", help="Train on this many samples only, with the classes in proportion.")]
Dropout = Annotated[
    float | None,
    typer.Option(
        "--dropout",
        metavar="RATE",
        help="The rate of the layers of dropout, of an MLP after each hidden layer, as in 0.2.  [default: the preset's]",
    ),
]
Decay = Annotated[
    float | None,
    typer.Option(
        "--decay", metavar="STRENGTH", help="The strength of decoupled weight decay, as in 0.01.  [default: the preset's]"
    ),
]


def set_encoding(model: Model, encoding: str | None) -> None:
    """Let a model read text files in this encoding, if one is given, in place of that of its training.

    Raises ConfigError for a model of other data than text.
    """
    if encoding is None:
        return
    if not isinstance(model.input_stage, Tokens):
        raise ConfigError(f"--encoding {encoding} is for models that were trained on text: leave it out")
    model.input_stage = dataclasses.replace(model.input_stage, encoding=encoding)
