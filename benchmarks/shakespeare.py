"""The language model of the page's tab Text: ``python -m benchmarks.shakespeare --data-dir FOLDER`` makes it.

It is the network of nanoGPT's example for a CPU, with a recipe of its own, RECIPE, so that no preset changes it: 4,000 steps
on tinyshakespeare. It is stored with numbers of 16 bits. ``shakespeare.json`` beside it says how it was made: the
command, the recipe, the digests of the data and of the file, and the figures on the validation part of the text; with
``--test`` also those on the test part. On one kind of processor, and with the same versions of NumPy and Numba, the same
command makes the same bytes.
"""

from __future__ import annotations

import argparse
import hashlib
import platform
from pathlib import Path
from typing import Any

import numpy as np

import pellucid
from pellucid import Adam, BitsPerCharacter, Chain, ClipNorm, CrossEntropy, Decay, Model, OneCycle
from pellucid.app.texts import CARD
from pellucid.core.config import to_json
from pellucid.core.files import write_text
from pellucid.core.json_text import json_text
from pellucid.data import Splits
from pellucid.data.sources import registry
from pellucid.kernels import load, name_of
from pellucid.runs.language_models import GPT

DATA, SEED = "tinyshakespeare", 0
NETWORK = GPT(blocks=4, heads=4, width=128)
OPTIMIZER = Chain(ClipNorm(1.0), Decay(0.1), Adam(OneCycle(0.003, 0.1), beta2=0.99))
RECIPE = {"epochs": 16, "steps_per_epoch": 250, "batch_size": 16}
FILE = "shakespeare.pellucid"
OUT = Path(pellucid.__file__).parent / "app" / "shakespeare"


def train(splits: Splits, recipe: dict[str, int]) -> Model:
    """Return the trained network."""
    stage: Any = splits.train.input_stage()
    model = NETWORK(len(stage.tokenizer)).compile(
        splits.train.shape, CrossEntropy(), OPTIMIZER, [BitsPerCharacter()], seed=SEED
    )
    model.fit(splits.train, **recipe)  # type: ignore[arg-type]
    return model


def main() -> None:
    """Train the network and store it with its card."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data-dir", type=Path, help="the folder of tinyshakespeare.txt")
    parser.add_argument("--out", type=Path, default=OUT, help="the folder of the network and its card")
    parser.add_argument("--test", action="store_true", help="also score the test part")
    for name, value in RECIPE.items():
        parser.add_argument(f"--{name.replace('_', '-')}", type=int, default=value, help="another number, for a trial")
    options = parser.parse_args()
    recipe = {name: getattr(options, name) for name in RECIPE}
    splits = registry.load(DATA, options.data_dir)
    options.out.mkdir(parents=True, exist_ok=True)
    file = options.out / FILE
    train(splits, recipe).save(file, dtype="float16")
    stored = Model.load(file)
    parts = {"validation": splits.validation, **({"test": splits.test} if options.test else {})}
    card = {
        "command": "python -m benchmarks.shakespeare",
        "versions": {"pellucid": pellucid.__version__, "numpy": np.__version__, "kernels": name_of(load())},
        "processor": platform.machine(),
        "file": FILE,
        "sha256": hashlib.sha256(file.read_bytes()).hexdigest(),
        "bytes": file.stat().st_size,
        "preset": "nanoGPT",
        "recipe": {**recipe, "seed": SEED, "optimizer": to_json(OPTIMIZER)},
        "data": {
            "name": splits.name,
            "sha256": splits.sha256,
            "sizes": {part: len(getattr(splits, part)) for part in ("train", "validation", "test")},
        },
        "metrics": {
            **{part: stored.evaluate(dataset) for part, dataset in parts.items()},
            "epochs": recipe["epochs"],
            "parameters": stored.parameter_count,
        },
    }
    write_text(options.out / CARD, json_text(card))


if __name__ == "__main__":
    main()
