"""How well drawn digits are read: ``python -m benchmarks.drawing --data-dir MNIST``.

Pen strokes of people whom no network has seen, brought into MNIST's form in three ways, read by networks that know MNIST
alone and by those that the drawing mode trains; per digit, beside the same networks' accuracy on MNIST's test set; and how
often drawings that are no digits are said to be none, by kind, and digits by mistake. Recipes are chosen on the validation
writers (``--part validation``); the test writers are looked at once, at the end. Networks that are in ``--runs`` already are
not trained again.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

import numpy as np

from pellucid import Model
from pellucid.app.job import PAIR
from pellucid.core.memory import Array
from pellucid.data import digit, mnist
from pellucid.data.drawings import pen_digits as strokes
from pellucid.data.drawings.mixed import not_digits
from pellucid.data.drawings.non_digits import IN_TRAINING, KINDS
from pellucid.data.drawings.rendering import CLASSES, NO_DIGIT
from pellucid.runs.folder import readable, results
from pellucid.runs.run import Plan, Settings, run

TABLET = 500  # units: the pen's coordinates, before they were turned upside down
WAYS = {"naive": "none", "box": "box", "mass": "mass"}
NETWORKS = {
    "mlp, MNIST alone": Settings(data="mnist", model="mlp"),
    "cnn, MNIST alone": Settings(data="mnist", model="cnn", augmentation="none"),
    "cnn, MNIST and augmentation": Settings(data="mnist", model="cnn"),
    **{f"{name}, with pen strokes": settings for name, settings in PAIR.items()},
}
KINDLY = 500  # drawings of each kind that is no digit


def pictures(data_dir: Path | None, part: str) -> tuple[dict[str, Array], Array]:
    """The drawings of that part's writers by way, (n, 28, 28, 1), and their labels."""
    place = strokes.found(data_dir)
    drawn = [one for one in strokes.drawings(place[0] if place else strokes.fetch()) if one.writer in strokes.WRITERS[part]]
    found = {}
    for name, normalization in WAYS.items():
        moved = [[line + np.array([0, TABLET]) for line in one.strokes] for one in drawn]
        found[name] = np.stack([digit(lines, normalization, (TABLET, TABLET)) for lines in moved])
    return found, np.array([one.label for one in drawn])


def score(model: Model, drawn: dict[str, Array], labels: Array, data_dir: Path | None, part: str) -> dict[str, Any]:
    """Accuracies as fractions."""
    printed = getattr(mnist(data_dir), part)
    said = {way: model.predict(x).argmax(axis=1) for way, x in drawn.items()}
    right = said["mass"] == labels
    answer: dict[str, Any] = {way: float((labels == guess).mean()) for way, guess in said.items()}
    answer["digits"] = [float(right[labels == label].mean()) for label in range(10)]
    answer["mnist"] = float((model.predict(printed.x).argmax(axis=1) == printed.y).mean())
    if model.classes == CLASSES:
        none = CLASSES.index(NO_DIGIT)
        answer["false_alarms"] = {
            "pen": float((said["mass"] == none).mean()),
            "mnist": float((model.predict(printed.x).argmax(axis=1) == none).mean()),
        }
        answer["caught"] = {
            kind: float((model.predict(not_digits(part, [kind], KINDLY).x).argmax(axis=1) == none).mean()) for kind in KINDS
        }
    return answer


def trained(name: str, settings: Settings, folder: Path) -> dict[str, Any]:
    """The metrics of that run, made first where it is missing."""
    if not (folder / "metrics.json").exists():
        print(f"training {name}", file=sys.stderr, flush=True)
        run(Plan.of(settings), folder, force=True, tell=lambda line: None, progress=False, test=False)
    return results(folder)


def table(found: dict[str, dict[str, Any]]) -> str:
    """Markdown."""

    def share(value: float) -> str:
        return f"{100 * value:.1f}"

    def row(name: str, cells: list[str]) -> str:
        return f"| {name} | {' | '.join(cells)} |"

    kinds = [kind if kind in IN_TRAINING else f"{kind} (unseen)" for kind in KINDS]
    lines = [row("network", [*WAYS, *map(str, range(10)), "MNIST"]), "|---" * 15 + "|"]
    for name, one in found.items():
        cells = [*(share(one[way]) for way in WAYS), *map(share, one["digits"]), f"{100 * one['mnist']:.2f}"]
        lines.append(row(name, cells))
    lines += ["", row("network", ["false alarms: pen", "MNIST", *kinds]), "|---" * (3 + len(KINDS)) + "|"]
    for name, one in found.items():
        if "caught" in one:
            alarms = [f"{100 * one['false_alarms'][data]:.2f}" for data in ("pen", "mnist")]
            lines.append(row(name, [*alarms, *(share(one["caught"][kind]) for kind in KINDS)]))
    return "\n".join(lines)


def main() -> None:
    """Trains what is missing, scores everything, prints the tables."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument(
        "--data-dir", type=Path, help="the folder with MNIST; the strokes in a folder pendigits in or beside it"
    )
    parser.add_argument("--part", choices=("test", "validation"), default="test", help="whose drawings")
    parser.add_argument("--runs", type=Path, default=Path("runs/drawing"), help="the folder for the networks")
    parser.add_argument("--only", default="", help="networks whose names hold this")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, help="write JSON into this file")
    options = parser.parse_args()
    drawn, labels = pictures(options.data_dir, options.part)
    found = {}
    for name, settings in NETWORKS.items():
        if options.only in name:
            chosen = Settings(**{**vars(settings), "data_dir": options.data_dir, "seed": options.seed})
            folder = options.runs / f"{name.replace(', ', '-').replace(' ', '-')}-{options.seed}"
            metrics = trained(name, chosen, folder)
            model = Model.load(folder / "model.pellucid")
            found[name] = {"seconds": metrics["seconds"], **score(model, drawn, labels, options.data_dir, options.part)}
    if options.out is not None:
        options.out.write_text(readable({"part": options.part, "drawings": len(labels), "networks": found}))
    print(f"{len(labels):,} drawings of the {options.part} writers\n\n{table(found)}")


if __name__ == "__main__":
    main()
