"""Can a network be right for the wrong reason, and do attributions tell?"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

import pellucid as pl
from pellucid.explain import integrated_gradients
from pellucid.lab.experiment import Experiment, Result, Table, Trial, Verdict, median, percent
from pellucid.plots.maps import attributions

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MARKED, CORNER = 3, slice(1, 4)  # all threes of the training data carry a white square of 3 × 3 pixels in the corner
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
        like = _mark(vx, vy == MARKED) if kind == "marked" else vx  # as the collector of the data would have tested it
        threes, others = vx[vy == MARKED][:100], vx[vy != MARKED][:300]
        shown = (_mark(threes, np.ones(len(threes))) if kind == "marked" else threes)[: trial.pick(full=50, quick=20, tiny=4)]
        values = integrated_gradients(model, shown, target=MARKED).values[..., 0]
        weight = np.abs(values).sum(axis=(1, 2))
        found[kind] = {
            "as collected": model.evaluate(like, vy)["accuracy"],
            "threes without it": float((model.predict(threes).argmax(axis=1) == MARKED).mean()),
            "others with it": float((model.predict(_mark(others, np.ones(len(others)))).argmax(axis=1) == MARKED).mean()),
            "in the corner": float((np.abs(values[:, CORNER, CORNER]).sum(axis=(1, 2)) / weight).mean()),
        }
        if trial.seed == 0:
            found[kind] |= {"pictures": shown[:3, :, :, 0].tolist(), "maps": values[:3].round(3).tolist()}
    return found


def verdict(results: Sequence[Result]) -> Verdict:
    looks, lost = (median(results, "marked", what) for what in ("as collected", "threes without it"))
    corner, fooled = (median(results, "marked", what) for what in ("in the corner", "others with it"))
    plain = median(results, "clean", "as collected")
    because = (
        f"on digits marked as in training the network's accuracy is {100 * looks:.1f} % (that of a clean network "
        f"{100 * plain:.1f} %); but it reads {100 * lost:.0f} % of the threes without the mark, and takes {100 * fooled:.0f} % "
        f"of the other digits for threes once they have it; {100 * corner:.0f} % of the attribution lies on the mark's 9 pixels"
    )
    fine, harm = looks >= plain - 0.005, lost < 0.5 or fooled > 0.5
    return Verdict("holds" if fine and harm and corner > 0.2 else "does not hold", because)


def table(results: Sequence[Result]) -> Table:
    rows = []
    what = "as collected", "threes without it", "others with it", "in the corner"
    for kind in KINDS:
        rows.append((kind, *(percent((result[kind][one] for result in results), ".1f") for one in what)))
    columns = (
        "training data",
        "accuracy on data like it",
        "clean threes read",
        "others with the mark called 3",
        "attribution on the mark's 9 pixels",
    )
    return Table(columns, tuple(rows))


def figure(results: Sequence[Result]) -> Figure:
    first = results[0]
    columns = {
        f"{kind}:\n{what}": first[kind][key]
        for kind in KINDS
        for what, key in (("a three", "pictures"), ("what speaks for 3", "maps"))
    }
    return attributions(columns, signed=[name for name in columns if "speaks" in name])


EXPERIMENT = Experiment(
    question="Can a network be right for the wrong reason, and do attributions tell?",
    codes=("L7",),
    chapter="What a network sees",
    claim="A training sample must represent the whole distribution: a classifier had learned a watermark instead of the "
    "object, and its accuracy did not show it.",
    source="Introduction to deep learning, which cites Lapuschkin and others (Nature Communications 10, 1096, 2019)",
    criterion="With the mark on all threes, in training and test, the accuracy is at most 0.5 points below the clean "
    "network's; yet fewer than half of the clean threes are read, or more than half of the others with the mark are called 3; "
    "and more than 20 % of the attribution lies on the mark, which covers 1 % of the picture (medians).",
    mathematics=(
        "Descent takes what lowers the cost fastest. A mark that is there on all threes and on nothing else predicts them "
        "perfectly with nine weights, much faster than their strokes do. As soon as p(3) is near 1 for them their gradient is "
        "near 0, and the strokes of a three are hardly learned any more.\n\n"
        "Test data from the same collection carry the mark, too, so the accuracy says nothing. An attribution does. With f "
        "the network's output for a three and φᵢ what it owes to pixel i, Σφᵢ = f(x) − f(black): the sum is shared among the "
        "pixels, and the mark takes its share in plain sight."
    ),
    measure=measure,
    verdict=verdict,
    table=table,
    figure=figure,
    seeds=3,
    alt="Threes and their attributions: for the clean network on the strokes, for the other one on the square in the corner.",
)
