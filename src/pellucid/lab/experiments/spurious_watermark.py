"""Can a network be accurate for the wrong reason, and do attributions reveal it?"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

import pellucid as pl
from pellucid.explain import integrated_gradients
from pellucid.lab.experiment import Experiment, Result, Table, Trial, Verdict, median, percent
from pellucid.plots import attributions

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MARKED, CORNER = 3, slice(1, 4)  # every training image of a three has a white square of 3 × 3 pixels in the corner
KINDS = "clean", "marked"


def _mark(x: np.ndarray, chosen: np.ndarray) -> np.ndarray:
    marked = x.copy()
    marked[np.flatnonzero(chosen)[:, None, None], np.arange(1, 4)[:, None], np.arange(1, 4)] = 255
    return marked


def measure(trial: Trial) -> Result:
    data = trial.digits(trial.pick(full=20_000, quick=3000, tiny=200), trial.pick(full=2000, quick=500, tiny=60))
    x, y = data.train.x, np.asarray(data.train.y)
    vx, vy = data.validation.x, np.asarray(data.validation.y)
    found = {}
    for kind in KINDS:
        train = _mark(x, y == MARKED) if kind == "marked" else x
        layers = pl.Flatten(), pl.Dense(128), pl.ReLU(), pl.Dense(64), pl.ReLU(), pl.Dense(10, pl.GlorotUniform()), pl.Softmax()
        model = pl.Sequential(*layers).compile((28, 28, 1), pl.CrossEntropy(), pl.Adam(0.001), [pl.Accuracy()], seed=trial.seed)
        model.fit(train, y, epochs=trial.pick(full=6, quick=6, tiny=1), batch_size=64, progress=False)
        same_source = _mark(vx, vy == MARKED) if kind == "marked" else vx  # a test set from the same collection
        threes, others = vx[vy == MARKED][:100], vx[vy != MARKED][:300]
        shown = (_mark(threes, np.ones(len(threes))) if kind == "marked" else threes)[: trial.pick(full=50, quick=20, tiny=4)]
        values = integrated_gradients(model, shown, target=MARKED).values[..., 0]
        total = np.abs(values).sum(axis=(1, 2))
        found[kind] = {
            "same source": model.evaluate(same_source, vy)["accuracy"],
            "threes without the mark": float((model.predict(threes).argmax(axis=1) == MARKED).mean()),
            "others with the mark": float((model.predict(_mark(others, np.ones(len(others)))).argmax(axis=1) == MARKED).mean()),
            "attribution on the mark": float((np.abs(values[:, CORNER, CORNER]).sum(axis=(1, 2)) / total).mean()),
        }
        if trial.seed == 0:
            found[kind] |= {"images": shown[:3, :, :, 0].tolist(), "maps": values[:3].round(3).tolist()}
    return found


def verdict(results: Sequence[Result]) -> Verdict:
    accuracy, recognized = (median(results, "marked", what) for what in ("same source", "threes without the mark"))
    corner, misled = (median(results, "marked", what) for what in ("attribution on the mark", "others with the mark"))
    plain = median(results, "clean", "same source")
    reason = (
        f"on digits marked as in training the accuracy of the network is {100 * accuracy:.1f} % (a clean network: "
        f"{100 * plain:.1f} %); but it recognizes {100 * recognized:.0f} % of the threes without the mark, and classifies "
        f"{100 * misled:.0f} % of the other digits with the mark as threes; {100 * corner:.0f} % of the attribution is on "
        "the 9 pixels of the mark"
    )
    unnoticed, harmful = accuracy >= plain - 0.005, recognized < 0.5 or misled > 0.5
    return Verdict("holds" if unnoticed and harmful and corner > 0.2 else "does not hold", reason)


def table(results: Sequence[Result]) -> Table:
    rows = []
    what = "same source", "threes without the mark", "others with the mark", "attribution on the mark"
    for kind in KINDS:
        rows.append((kind, *(percent((result[kind][one] for result in results), ".1f") for one in what)))
    columns = (
        "training data",
        "accuracy on the same kind of data",
        "threes without the mark recognized",
        "other digits with the mark classified as 3",
        "attribution on the 9 pixels of the mark",
    )
    return Table(columns, tuple(rows))


def figure(results: Sequence[Result]) -> Figure:
    first = results[0]
    columns = {
        f"{kind}:\n{what}": first[kind][key]
        for kind in KINDS
        for what, key in (("a three", "images"), ("attribution to 3", "maps"))
    }
    return attributions(columns, signed=[name for name in columns if "attribution" in name])


EXPERIMENT = Experiment(
    question="Can a network be accurate for the wrong reason, and do attributions reveal it?",
    codes=("L7",),
    chapter="What a network sees",
    claim=(
        "A training sample must represent the whole distribution: a classifier had learned a watermark instead of the "
        "object, and its accuracy did not show it."
    ),
    source="Introduction to deep learning, which cites Lapuschkin and others (Nature Communications 10, 1096, 2019)",
    criterion=(
        "With the mark on all threes, in training and test, the accuracy is at most 0.5 percentage points below that of "
        "the clean network; yet fewer than half of the clean threes are recognized, or more than half of the other digits "
        "with the mark are classified as 3; and more than 20 % of the attribution is on the mark, which covers 1 % of the "
        "image (medians)."
    ),
    mathematics="""
Descent follows whatever lowers the loss fastest. A mark that is on all threes and on no other digit predicts them perfectly
with nine weights, and is learned much faster than their strokes. As soon as p(3) is near 1 for them their gradient is near
0, and the strokes of a three are hardly learned any more.

Test data from the same collection have the mark too, so the accuracy does not reveal the problem. An attribution does.
With f the network's output for a three and φᵢ the contribution of pixel i, Σφᵢ = f(x) − f(black): the sum is
distributed over the pixels, and the fraction on the mark is visible.
""",
    alt=(
        "Threes and their attributions: for the clean network on the strokes, for the other network on the square in the "
        "corner."
    ),
    measure=measure,
    verdict=verdict,
    table=table,
    figure=figure,
    seeds=3,
)
