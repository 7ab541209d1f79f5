"""How accurately networks recognize drawn digits: ``python -m benchmarks.drawing --data-dir MNIST``.

The digits are pen strokes of people of whom no network has seen a drawing, rendered as images with three normalizations. The
networks are trained on MNIST only, or also on drawings, as the drawing mode does. Measured are the accuracy for each digit,
the accuracy on MNIST, how many drawings of other things are recognized as such (by kind), and how many digits are taken for
other things. The same drawings are also changed, as other pens and hands would draw them: few points, tremble, rotation, slant,
narrow digits, a pen that is never lifted. Recipes are chosen on the validation writers (``--part validation``); the test
writers are used once, at the end. Networks that exist in ``--runs`` are not trained again; ``--models FILE …`` evaluates these
alone.
"""

from __future__ import annotations

import argparse
import dataclasses
import math
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from pellucid import Model
from pellucid.app.tabs.train_job import PAIR
from pellucid.core.json_text import json_text
from pellucid.core.memory import Array
from pellucid.core.rng import generator
from pellucid.data import digit, mnist
from pellucid.data.drawings import pen_digits
from pellucid.data.drawings.non_digits import KINDS, TRAINING_KINDS, non_digit_images
from pellucid.data.drawings.strokes import CLASSES, NO_DIGIT
from pellucid.data.drawings.variations import joined
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

Change = Callable[[list[Array], np.random.Generator], list[Array]]


def every_fourth(strokes: list[Array], random: np.random.Generator) -> list[Array]:
    """Return every fourth point of each stroke, and its last."""
    return [np.concatenate([line[:-1:4], line[-1:]]) for line in strokes]


def points_a_stroke(count: int) -> Change:
    """Return the change to ``count`` points in each stroke, evenly chosen among its points."""

    def change(strokes: list[Array], random: np.random.Generator) -> list[Array]:
        chosen = [np.unique(np.rint(np.linspace(0, len(line) - 1, count)).astype(int)) for line in strokes]
        return [line[rows] for line, rows in zip(strokes, chosen, strict=True)]

    return change


def jittered(strokes: list[Array], random: np.random.Generator) -> list[Array]:
    """Return each point moved at random, in x and y by a normal deviation of 3 % of the drawing's height."""
    deviation = 0.03 * float(np.ptp(np.concatenate(strokes)[:, 1]))
    return [line + random.normal(0, deviation, line.shape) for line in strokes]


def linear(matrix: list[list[float]]) -> Change:
    """Return the change of all points by a matrix."""
    return lambda strokes, random: [line @ np.asarray(matrix).T for line in strokes]


def rotated(degrees: float) -> Change:
    """Return the rotation by this angle, clockwise on the screen."""
    cos, sin = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    return linear([[cos, -sin], [sin, cos]])


def never_lifted(strokes: list[Array], random: np.random.Generator) -> list[Array]:
    """Return all strokes as one: straight lines join them, with points as dense as those of a pen."""
    return joined(strokes, 5.0)


# Each with the changes whose results are averaged: of those that have a direction, both.
CHANGES: dict[str, list[Change]] = {
    "every 4th point": [every_fourth],
    "jitter 3 %": [jittered],
    "±15°": [rotated(15), rotated(-15)],
    "slant ±0.3": [linear([[1, 0.3], [0, 1]]), linear([[1, -0.3], [0, 1]])],
    "narrowed to 0.6": [linear([[0.6, 0], [0, 1]])],
    "±30°": [rotated(30), rotated(-30)],
    "8 points": [points_a_stroke(8)],
    "6 points": [points_a_stroke(6)],
    "never lifted": [never_lifted],
}


@dataclass(frozen=True)
class Drawn:
    """The drawings of some writers as images (n, 28, 28, 1): in each normalization, and after each change; their labels."""

    normalized: dict[str, Array]
    changed: dict[str, list[Array]]
    labels: Array


def load_images(data_dir: Path | None, part: str) -> Drawn:
    """Return the drawings of the writers of ``part``."""
    place = pen_digits.find_file(data_dir)
    all_drawings = pen_digits.load_drawings(place[0] if place else pen_digits.fetch())
    drawings = [drawing for drawing in all_drawings if drawing.writer in pen_digits.WRITERS[part]]
    strokes = [[line + np.array([0, TABLET]) for line in drawing.strokes] for drawing in drawings]
    images = {
        name: np.stack([digit(lines, normalization, (TABLET, TABLET)) for lines in strokes])
        for name, normalization in NORMALIZATIONS.items()
    }
    changed = {}
    for name, changes in CHANGES.items():
        random = generator(0, "benchmark", name)
        changed[name] = [np.stack([digit(change(lines, random)) for lines in strokes]) for change in changes]
    return Drawn(images, changed, np.array([drawing.label for drawing in drawings]))


def evaluate(model: Model, drawn: Drawn, data_dir: Path | None, part: str) -> dict[str, Any]:
    """Return accuracies and rates as fractions."""
    labels = drawn.labels

    def predict(x: Array) -> Array:
        predicted: Array = model.predict(x).argmax(axis=1)
        return predicted

    printed = getattr(mnist(data_dir), part)
    on_printed = predict(printed.x)
    on_drawn = {name: predict(x) for name, x in drawn.normalized.items()}
    correct = on_drawn["mass"] == labels
    scores: dict[str, Any] = {name: float((labels == predicted).mean()) for name, predicted in on_drawn.items()}
    scores["digits"] = [float(correct[labels == label].mean()) for label in range(10)]
    on_changed = {name: [predict(x) for x in images] for name, images in drawn.changed.items()}
    scores["changed"] = {name: float(np.mean(np.stack(all_of) == labels)) for name, all_of in on_changed.items()}
    scores["mnist"] = float((on_printed == printed.y).mean())
    if model.classes == CLASSES:
        none = CLASSES.index(NO_DIGIT)
        scores["false_alarms"] = {"pen": float((on_drawn["mass"] == none).mean()), "mnist": float((on_printed == none).mean())}
        scores["false_alarms"] |= {name: float(np.mean(np.stack(all_of) == none)) for name, all_of in on_changed.items()}
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
    lines += ["", row("changed", list(CHANGES)), "|---" * (1 + len(CHANGES)) + "|"]
    lines += [row(name, [percent(one["changed"][change]) for change in CHANGES]) for name, one in results.items()]
    lines += ["", row("called no digit", ["pen", "mnist", *CHANGES]), "|---" * (3 + len(CHANGES)) + "|"]
    for name, one in results.items():
        if "caught" in one:
            alarms = [f"{100 * one['false_alarms'][data]:.2f}" for data in ("pen", "mnist", *CHANGES)]
            lines.append(row(name, alarms))
    lines += ["", row("no digit", kinds), "|---" * (1 + len(KINDS)) + "|"]
    for name, one in results.items():
        if "caught" in one:
            lines.append(row(name, [percent(one["caught"][kind]) for kind in KINDS]))
    return "\n".join(lines)


def main() -> None:
    """Train missing networks, evaluate all, and print the tables."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument(
        "--data-dir", type=Path, help="the folder of MNIST; the pen strokes are in a folder pendigits in it or beside it"
    )
    parser.add_argument("--part", choices=("test", "validation"), default="test", help="the writers")
    parser.add_argument("--runs", type=Path, default=Path("runs/drawing"), help="the folder of the networks")
    parser.add_argument("--models", type=Path, nargs="*", default=[], help="model files: only these are evaluated")
    parser.add_argument("--only", default="", help="only networks whose names contain this text")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, help="write the results to this JSON file")
    options = parser.parse_args()
    drawn = load_images(options.data_dir, options.part)
    results: dict[str, dict[str, Any]] = {}
    for path in options.models:
        results[path.stem] = evaluate(Model.load(path), drawn, options.data_dir, options.part)
    for name, settings in ({} if options.models else NETWORKS).items():
        if options.only in name:
            complete = dataclasses.replace(settings, data_dir=options.data_dir, seed=options.seed)
            folder = options.runs / f"{name.replace(', ', '-').replace(' ', '-')}-{options.seed}"
            metrics = train(name, complete, folder)
            model = Model.load(folder / "model.pellucid")
            results[name] = {"seconds": metrics["seconds"], **evaluate(model, drawn, options.data_dir, options.part)}
    if options.out is not None:
        options.out.write_text(json_text({"part": options.part, "drawings": len(drawn.labels), "networks": results}))
    print(f"{len(drawn.labels):,} drawings of the {options.part} writers\n\n{tables(results)}")


if __name__ == "__main__":
    main()
