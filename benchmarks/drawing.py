"""How accurately networks recognize drawn digits: ``python -m benchmarks.drawing --data-dir MNIST``.

The digits are pen strokes of people of whom no network has seen a drawing, rendered as images with three normalizations. The
networks are trained on MNIST only, or also on drawings, as the drawing mode does. Measured are the accuracy for each digit,
the accuracy on MNIST, how many drawings of other things are recognized as such (by kind), and how many digits are taken for
other things. Recipes are chosen on the validation writers (``--part validation``); the test writers are used once, at the end.
Networks that exist in ``--runs`` are not trained again.
"""

from __future__ import annotations

import argparse
import dataclasses
import sys
from pathlib import Path
from typing import Any

import numpy as np

from pellucid import Model
from pellucid.app.tabs.train_job import PAIR
from pellucid.core.json_text import json_text
from pellucid.core.memory import Array
from pellucid.data import digit, mnist
from pellucid.data.drawings import pen_digits
from pellucid.data.drawings.non_digits import KINDS, TRAINING_KINDS, non_digit_images
from pellucid.data.drawings.strokes import CLASSES, NO_DIGIT
from pellucid.runs.folder import read_metrics
from pellucid.runs.plan import RunPlan, RunSettings
from pellucid.runs.run import run

TABLET = 500  # units: the coordinates of the pen, before they were mirrored vertically
NORMALIZATIONS = {"naive": "none", "box": "box", "mass": "mass"}  # by the names in the tables
NETWORKS = {
    "mlp, MNIST alone": RunSettings(data="mnist", model="mlp"),
    "cnn, MNIST alone": RunSettings(data="mnist", model="cnn", augmentation="none"),
    "cnn, MNIST and augmentation": RunSettings(data="mnist", model="cnn"),
    **{f"{name}, with pen strokes": settings for name, settings in PAIR.items()},
}
NON_DIGITS = 500  # drawings of each kind


def load_images(data_dir: Path | None, part: str) -> tuple[dict[str, Array], Array]:
    """Return the drawings of the writers of ``part`` for each normalization, (n, 28, 28, 1), and their labels."""
    place = pen_digits.find_file(data_dir)
    all_drawings = pen_digits.load_drawings(place[0] if place else pen_digits.fetch())
    drawings = [drawing for drawing in all_drawings if drawing.writer in pen_digits.WRITERS[part]]
    strokes = [[line + np.array([0, TABLET]) for line in drawing.strokes] for drawing in drawings]
    images = {
        name: np.stack([digit(lines, normalization, (TABLET, TABLET)) for lines in strokes])
        for name, normalization in NORMALIZATIONS.items()
    }
    return images, np.array([drawing.label for drawing in drawings])


def evaluate(model: Model, images: dict[str, Array], labels: Array, data_dir: Path | None, part: str) -> dict[str, Any]:
    """Return accuracies and rates as fractions."""

    def predict(x: Array) -> Array:
        predicted: Array = model.predict(x).argmax(axis=1)
        return predicted

    printed = getattr(mnist(data_dir), part)
    on_printed = predict(printed.x)
    on_drawn = {name: predict(x) for name, x in images.items()}
    correct = on_drawn["mass"] == labels
    scores: dict[str, Any] = {name: float((labels == predicted).mean()) for name, predicted in on_drawn.items()}
    scores["digits"] = [float(correct[labels == label].mean()) for label in range(10)]
    scores["mnist"] = float((on_printed == printed.y).mean())
    if model.classes == CLASSES:
        none = CLASSES.index(NO_DIGIT)
        scores["false_alarms"] = {"pen": float((on_drawn["mass"] == none).mean()), "mnist": float((on_printed == none).mean())}
        scores["caught"] = {
            kind: float((predict(non_digit_images(part, [kind], NON_DIGITS).x) == none).mean()) for kind in KINDS
        }
    return scores


def train(name: str, settings: RunSettings, folder: Path) -> dict[str, Any]:
    """Return the metrics of the run in ``folder``, which is trained first if it does not exist."""
    if not (folder / "metrics.json").exists():
        print(f"training {name}", file=sys.stderr, flush=True)
        run(RunPlan.of(settings), folder, force=True, notify=lambda line: None, progress=False, test=False)
    return read_metrics(folder)


def tables(results: dict[str, dict[str, Any]]) -> str:
    """Return the tables in Markdown."""

    def percent(value: float) -> str:
        return f"{100 * value:.1f}"

    def row(name: str, cells: list[str]) -> str:
        return f"| {name} | {' | '.join(cells)} |"

    kinds = [kind if kind in TRAINING_KINDS else f"{kind} (unseen)" for kind in KINDS]
    lines = [row("network", [*NORMALIZATIONS, *map(str, range(10)), "MNIST"]), "|---" * 15 + "|"]
    for name, one in results.items():
        cells = [
            *(percent(one[column]) for column in NORMALIZATIONS),
            *map(percent, one["digits"]),
            f"{100 * one['mnist']:.2f}",
        ]
        lines.append(row(name, cells))
    lines += ["", row("network", ["false alarms: pen", "MNIST", *kinds]), "|---" * (3 + len(KINDS)) + "|"]
    for name, one in results.items():
        if "caught" in one:
            alarms = [f"{100 * one['false_alarms'][data]:.2f}" for data in ("pen", "mnist")]
            lines.append(row(name, [*alarms, *(percent(one["caught"][kind]) for kind in KINDS)]))
    return "\n".join(lines)


def main() -> None:
    """Train missing networks, evaluate all, and print the tables."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument(
        "--data-dir", type=Path, help="the folder of MNIST; the pen strokes are in a folder pendigits in it or beside it"
    )
    parser.add_argument("--part", choices=("test", "validation"), default="test", help="the writers")
    parser.add_argument("--runs", type=Path, default=Path("runs/drawing"), help="the folder of the networks")
    parser.add_argument("--only", default="", help="only networks whose names contain this text")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, help="write the results to this JSON file")
    options = parser.parse_args()
    images, labels = load_images(options.data_dir, options.part)
    results = {}
    for name, settings in NETWORKS.items():
        if options.only in name:
            complete = dataclasses.replace(settings, data_dir=options.data_dir, seed=options.seed)
            folder = options.runs / f"{name.replace(', ', '-').replace(' ', '-')}-{options.seed}"
            metrics = train(name, complete, folder)
            model = Model.load(folder / "model.pellucid")
            results[name] = {"seconds": metrics["seconds"], **evaluate(model, images, labels, options.data_dir, options.part)}
    if options.out is not None:
        options.out.write_text(json_text({"part": options.part, "drawings": len(labels), "networks": results}))
    print(f"{len(labels):,} drawings of the {options.part} writers\n\n{tables(results)}")


if __name__ == "__main__":
    main()
