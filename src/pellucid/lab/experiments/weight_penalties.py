"""What do L1, L2 and elastic-net penalties do to the weights, and do they help?"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

import pellucid as pl
from pellucid.lab.experiment import Experiment, Result, Table, Trial, Verdict, median, percent, spread
from pellucid.optim import Transform
from pellucid.plots import histogram, histograms

if TYPE_CHECKING:
    from matplotlib.figure import Figure

PENALTIES: dict[str, tuple[Transform, ...]] = {
    "none": (),
    "L2, λ = 0.002": (pl.L2(0.002),),
    "L1, λ = 0.0005": (pl.L1(0.0005),),
    "elastic net, half of each": (pl.ElasticNet(0.00025, 0.001),),
}
NONE, L2, L1, ELASTIC = PENALTIES
SMALL = 1e-3  # smaller weights count as zero


def measure(trial: Trial) -> Result:
    data = trial.digits(trial.pick(full=5000, quick=1500, tiny=100), trial.pick(full=None, quick=1000, tiny=100))
    found: Result = {}
    for name, transforms in PENALTIES.items():
        network = pl.Sequential(
            pl.Flatten(), pl.Dense(128), pl.ReLU(), pl.Dense(64), pl.ReLU(), pl.Dense(10, pl.GlorotUniform()), pl.Softmax()
        )
        optimizer = pl.Chain(*transforms, pl.SGD(0.1))
        model = network.compile((28, 28, 1), pl.CrossEntropy(), optimizer, [pl.Accuracy()], seed=trial.seed)
        model.fit(data.train, epochs=trial.pick(full=60, quick=20, tiny=2), batch_size=50, progress=False)
        weights = np.concatenate([array.ravel() for path, array in model.weights.items() if path.endswith("W")])
        found[name] = {
            **{
                f"{part}_{what}": value
                for part in ("train", "validation")
                for what, value in model.evaluate(getattr(data, part)).items()
            },
            "small": float((np.abs(weights) < SMALL).mean()),
            "length": float(np.linalg.norm(weights)),
        }
        if trial.seed == 0:
            found[name]["histogram"] = histogram(weights, -0.15, 0.15, 60)
    return found


def verdict(results: Sequence[Result]) -> Verdict:
    small = {name: median(results, name, "small") for name in PENALTIES}
    length = {name: median(results, name, "length") for name in PENALTIES}
    loss = {name: median(results, name, "validation_loss") for name in PENALTIES}
    reason = (
        f"with L1 {100 * small[L1]:.0f} % of the weights are below 0.001 (without a penalty: {100 * small[NONE]:.0f} %), L2 "
        f"makes the vector of all weights {length[NONE] / length[L2]:.1f} times shorter; the validation loss is "
        + ", ".join(f"{value:.3f} ({name})" for name, value in loss.items())
    )
    if small[L1] < 3 * small[NONE] or small[L1] < 0.3 or length[L2] > 0.9 * length[NONE]:
        return Verdict("does not hold", reason)
    return Verdict("holds" if max(loss[L2], loss[L1], loss[ELASTIC]) < loss[NONE] else "depends", reason)


def table(results: Sequence[Result]) -> Table:
    rows = []
    for name in PENALTIES:
        each = [result[name] for result in results]
        cells = percent((one["small"] for one in each), ".0f"), spread((one["length"] for one in each), ".1f")
        losses = [spread((one[f"{part}_loss"] for one in each), ".3f") for part in ("train", "validation")]
        rows.append((name, *cells, *losses, percent(one["validation_accuracy"] for one in each)))
    columns = (
        "penalty",
        "weights below 0.001",
        "norm of W",
        "training loss (nats)",
        "validation loss (nats)",
        "validation accuracy",
    )
    return Table(columns, tuple(rows))


def figure(results: Sequence[Result]) -> Figure:
    cells = {name.replace(", ", ",\n"): {"weights": results[0][name]["histogram"]} for name in PENALTIES}
    return histograms({"all weights": cells}, "weight")


EXPERIMENT = Experiment(
    question="What do L1, L2 and elastic-net penalties do to the weights, and do they help?",
    codes=("I10",),
    chapter="Generalization",
    claim="Terms added to the loss, ΣW² (L2), Σ|W| (L1), or both (elastic net), regularize a network.",
    source="Introduction to neural networks, slides on regularization (where L1 is also printed as ΣW², by mistake)",
    criterion=(
        "Medians: with L1 at least 30 % of the weights are below 0.001, and at least three times as many as without a "
        "penalty; L2 shortens the weights by 10 % or more; all three penalties lower the validation loss. It depends if "
        "one of them does not lower it."
    ),
    mathematics="""
A penalty adds its gradient to that of the loss. (L2 has a factor ½ here that the slides omit, so their λ is half of this
one.)

    L2            ½ λ ΣW²                 gradient  λ W
    L1            λ Σ|W|                  gradient  λ sign W
    elastic net   λ₁ Σ|W| + ½ λ₂ ΣW²      gradient  λ₁ sign W + λ₂ W

L2 pulls a weight in proportion to its size: large weights shrink, small ones hardly change, and none becomes 0. L1 pulls
all weights with the same force, however small they are: a weight whose gradient is smaller than λ ends at 0, within one
step. With W near a minimum W* of a loss of curvature h, L2 gives W* h/(h + λ). L1 moves W* by λ/h towards 0, and to 0 if it
is closer than that.

Biases are not penalized, and losses are shown without the penalty. With N samples the penalties correspond to a prior
distribution of the weights: N(0, 1/(λN)) for L2 and a Laplace distribution for L1.
""",
    alt=(
        "Histograms of all weights: broad without a penalty, narrower with L2, a spike at zero with L1 and elastic net. "
        "Bars at both ends contain all values outside the range."
    ),
    measure=measure,
    verdict=verdict,
    table=table,
    figure=figure,
    seeds=3,
)
