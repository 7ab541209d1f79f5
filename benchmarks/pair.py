"""The two networks that the drawing mode carries: ``python -m benchmarks.pair --data-dir MNIST`` makes them.

Each is trained like ``pellucid train drawings --model draw-mlp`` (or ``draw-cnn``) ``--seed 0``. Then the bias of "no digit" is
lowered, so that fewer digits are taken for other drawings, and the network is stored with numbers of 16 bits. ``pair.json``
beside them says how they were made: the command, the seed, the digests of the data and of both files, and the figures on the
validation writers; ``--test`` adds those on the test writers. On one kind of processor, and with the same versions of NumPy and
Numba, the same command makes the same bytes.
"""

from __future__ import annotations

import argparse
import hashlib
import platform
import sys
from pathlib import Path
from typing import Any

import numpy as np

import pellucid
from benchmarks.confidence import answers, choose, count
from benchmarks.drawing import evaluate, load_images
from pellucid import Model
from pellucid.app.adaptation import REPLAY_FILE
from pellucid.app.networks import PAIR_CARD
from pellucid.app.tabs.train_job import PAIR
from pellucid.core.files import open_atomic, write_text
from pellucid.core.json_text import json_text
from pellucid.core.rng import generator
from pellucid.data.drawings.strokes import CLASSES, NO_DIGIT
from pellucid.data.sources import registry
from pellucid.kernels import load, name_of
from pellucid.runs.folder import read_metrics
from pellucid.runs.plan import RunPlan, RunSettings
from pellucid.runs.run import run

# What is subtracted from the bias of "no digit", a logit. Chosen on the validation writers: see docs/drawing.md.
LOWERED = {"draw-mlp": 2.0, "draw-cnn": 2.0}
REPLAYED, CHECKED = 80, 400  # samples of each class that are replayed, and drawings that show the effect of an adaptation
SCANS, DRAWN = 5_000, 1_000  # of the validation set: first the digits of MNIST, then the pen digits
OUT = Path(pellucid.__file__).parent / "app" / "pair"


def make(name: str, settings: RunSettings, runs: Path, out: Path) -> dict[str, Any]:
    """Train one network in ``runs``, store it in ``out``, and return its entry of the card.

    A complete run in that folder is used as it is.
    """
    folder = runs / name
    if not (folder / "metrics.json").exists():
        print(f"training {name}", file=sys.stderr, flush=True)
        run(RunPlan.of(settings), folder, force=True, notify=lambda line: None, progress=False, test=False)
    metrics = read_metrics(folder)
    model = Model.load(folder / "model.pellucid")
    (bias,) = (array for path, array in model.weights.items() if path.endswith(".b") and array.shape == (len(CLASSES),))
    bias[CLASSES.index(NO_DIGIT)] -= LOWERED[name]
    file = out / f"{name}.pellucid"
    model.save(file, dtype="float16")
    flags = f"--model {settings.model} --seed {settings.seed}"
    return {
        "file": file.name,
        "sha256": hashlib.sha256(file.read_bytes()).hexdigest(),
        "bytes": file.stat().st_size,
        "train": f"pellucid train {settings.data} {flags}",
        "seed": settings.seed,
        "lowered": LOWERED[name],
        "data": {
            "requested": settings.data,
            **{name: value for name, value in metrics["data"].items() if name != "source"},  # which is a folder of this machine
        },
        "metrics": {name: metrics[name] for name in ("validation", "epochs", "parameters") if name in metrics},
    }


def save_replay(data_dir: Path | None, file: Path) -> None:
    """Store a sample of the training data, and drawings of the validation writers, for the adaptation to corrections."""
    splits = registry.load("drawings", data_dir)
    random, y, validation = generator(0, "replay"), splits.train.y, splits.validation
    rows = [random.permutation(np.flatnonzero(y == label))[:REPLAYED] for label in range(len(CLASSES))]
    drawn = np.arange(len(validation))[SCANS : SCANS + DRAWN]
    check = random.permutation(drawn if len(drawn) else len(validation))[:CHECKED]
    arrays = {"x": splits.train.x[np.concatenate(rows)], "check_x": validation.x[check], "check_y": validation.y[check]}
    with open_atomic(file) as out:
        np.savez_compressed(out, **arrays)


def main() -> None:
    """Make both networks and their card."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data-dir", type=Path, help="the folder of MNIST, with the pen strokes in it or beside it")
    parser.add_argument("--runs", type=Path, default=Path("runs/pair"), help="the folder of the trainings")
    parser.add_argument("--out", type=Path, default=OUT, help="the folder of the networks and their card")
    parser.add_argument("--epochs", type=int, help="fewer epochs, for a trial")
    parser.add_argument("--limit", type=int, help="a part of the data, for a trial")
    parser.add_argument("--test", action="store_true", help="also score the test writers")
    parser.add_argument("--no-scores", action="store_true", help="score no writers")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    networks = {}
    for name, settings in PAIR.items():
        changed = {"data_dir": options.data_dir, "epochs": options.epochs, "limit": options.limit}
        networks[name] = make(name, RunSettings(settings.data, settings.model, **changed), options.runs, options.out)
    save_replay(options.data_dir, options.out / REPLAY_FILE)
    parts = [] if options.no_scores else ["validation", *(["test"] if options.test else [])]
    for part in parts:
        drawn = load_images(options.data_dir, part)
        for entry in networks.values():
            model = Model.load(options.out / entry["file"])
            entry.setdefault("scores", {})[part] = evaluate(model, drawn, options.data_dir, part)
            if part == "validation":
                confidence, right = answers(model, drawn, part)
                entry["confidence"] = count(confidence, right, choose(confidence, right))
    card = {
        "command": "python -m benchmarks.pair",
        "versions": {"pellucid": pellucid.__version__, "numpy": np.__version__, "kernels": name_of(load())},
        "processor": platform.machine(),
        "networks": networks,
    }
    write_text(options.out / PAIR_CARD, json_text(card))


if __name__ == "__main__":
    main()
