"""How often the two networks of the drawing mode are wrong: ``python -m benchmarks.confidence --data-dir MNIST``.

A softmax is often too sure. The words of the page, such as "almost certain", therefore have error rates that were measured on
the validation writers, of whom the networks have seen no drawing. Their drawings are used as they are and changed as other
pens and hands would draw them (``drawing.py``), beside drawings that are not digits.

For each network, the thresholds of the words are the lowest with which the answers are wrong at most as often as ``WORDS``
says. They are written into ``pair.json`` beside the networks, with the numbers of answers and of wrong ones. ``--part test``
writes nothing: it applies the thresholds of the card to the drawings of the test writers.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.drawing import Drawn, load_images
from pellucid import Model
from pellucid.app.networks import PAIR_CARD
from pellucid.core.files import write_text
from pellucid.core.json_text import json_text
from pellucid.core.memory import Array
from pellucid.data.drawings.non_digits import KINDS, TRAINING_KINDS, non_digit_images
from pellucid.data.drawings.strokes import CLASSES, NO_DIGIT

# The words of the page, each with the largest fraction of wrong answers that it allows.
WORDS = {"almost certain": 1 / 400, "fairly certain": 1 / 20}
UNCERTAIN = "uncertain"  # all other answers
# Less than 80 % is uncertain in any case: an average of many better answers would make 60 % look fairly certain.
THRESHOLDS = (0.8, 0.85, 0.9, 0.93, 0.95, 0.96, 0.97, 0.98, 0.99, 0.995, 0.998, 0.999, 0.9995, 0.9998, 0.9999)
NON_DIGITS = 2_000  # beside some 13,000 digits


def answers(model: Model, drawn: Drawn, part: str) -> tuple[Array, Array]:
    """Return the confidence of each answer, and whether it is right."""
    images = [drawn.normalized["mass"], *(x for all_of in drawn.changed.values() for x in all_of)]
    labels = [drawn.labels] * len(images)
    kinds = KINDS if part == "test" else TRAINING_KINDS
    images.append(non_digit_images(part, kinds, NON_DIGITS).x)
    labels.append(np.full(NON_DIGITS, CLASSES.index(NO_DIGIT)))
    p = model.predict(np.concatenate(images))
    return p.max(axis=1), p.argmax(axis=1) == np.concatenate(labels)


def choose(confidence: Array, right: Array) -> dict[str, float]:
    """Return the lowest threshold of each word with which its answers are wrong at most as often as it allows.

    A word that no threshold suits has that of the word before it, the first one 1.
    """
    thresholds, above = dict[str, float](), np.inf
    for word, allowed in WORDS.items():
        suitable = [above]
        for threshold in THRESHOLDS:
            chosen = (confidence >= threshold) & (confidence < above)
            if chosen.any() and (~right[chosen]).sum() <= allowed * chosen.sum():
                suitable.append(threshold)
        thresholds[word] = above = min(suitable)
    return {word: threshold if np.isfinite(threshold) else 1.0 for word, threshold in thresholds.items()} | {UNCERTAIN: 0.0}


def count(confidence: Array, right: Array, thresholds: dict[str, float]) -> list[dict[str, Any]]:
    """Return each word with its threshold, and the numbers of its answers and of the wrong ones among them."""
    rows, above = list[dict[str, Any]](), np.inf
    for word, threshold in thresholds.items():
        chosen = (confidence >= threshold) & (confidence < above)
        rows.append({"word": word, "from": threshold, "answers": int(chosen.sum()), "wrong": int((~right[chosen]).sum())})
        above = threshold
    return rows


def table(results: dict[str, list[dict[str, Any]]]) -> str:
    """Return the table in Markdown."""
    lines = ["| network | word | from | answers | wrong |", "|---" * 5 + "|"]
    for name, rows in results.items():
        for row in rows:
            rate = f"{100 * row['wrong'] / row['answers']:.2f} %" if row["answers"] else "–"
            lines.append(
                f"| {name} | {row['word']} | {100 * row['from']:g} % | {row['answers']:,} | {row['wrong']:,} ({rate}) |"
            )
    return "\n".join(lines)


def main() -> None:
    """Choose the thresholds and write them into the card, or apply those of the card to the test writers."""
    from benchmarks.pair import OUT

    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data-dir", type=Path, help="the folder of MNIST, with the pen strokes in it or beside it")
    parser.add_argument("--out", type=Path, default=OUT, help="the folder of the networks and their card")
    parser.add_argument("--part", choices=("validation", "test"), default="validation", help="the writers")
    options = parser.parse_args()
    path = options.out / PAIR_CARD
    card = json.loads(path.read_text(encoding="utf-8"))
    drawn, results = load_images(options.data_dir, options.part), {}
    for name, entry in card["networks"].items():
        confidence, right = answers(Model.load(options.out / entry["file"]), drawn, options.part)
        if options.part == "validation":
            entry["confidence"] = count(confidence, right, choose(confidence, right))
            results[name] = entry["confidence"]
        else:
            thresholds = {row["word"]: row["from"] for row in entry["confidence"]}
            results[name] = count(confidence, right, thresholds)
    if options.part == "validation":
        write_text(path, json_text(card))
    print(table(results))


if __name__ == "__main__":
    main()
