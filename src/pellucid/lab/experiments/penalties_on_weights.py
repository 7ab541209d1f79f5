"""What do L1, L2 and elastic net do to the weights, and does it help?"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

import pellucid as pl
from pellucid.lab.experiment import Experiment, Result, Table, Trial, Verdict, median, percent, spread
from pellucid.optim import Transform
from pellucid.plots.densities import densities, histogram

if TYPE_CHECKING:
    from matplotlib.figure import Figure

PENALTIES: dict[str, tuple[Transform, ...]] = {
    "none": (),
    "L2, λ = 0.002": (pl.L2(0.002),),
    "L1, λ = 0.0005": (pl.L1(0.0005),),
    "elastic net, both halved": (pl.ElasticNet(0.00025, 0.001),),
}
NONE, L2, L1, ELASTIC = PENALTIES
SMALL = 1e-3  # a weight below it is as good as none


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
    cost = {name: median(results, name, "validation_loss") for name in PENALTIES}
    because = (
        f"L1 leaves {100 * small[L1]:.0f} % of the weights below 0.001 (without a penalty: {100 * small[NONE]:.0f} %), L2 "
        f"makes the vector of all weights {length[NONE] / length[L2]:.1f} times shorter; the validation cost is "
        + ", ".join(f"{value:.3f} ({name})" for name, value in cost.items())
    )
    if small[L1] < 3 * small[NONE] or small[L1] < 0.3 or length[L2] > 0.9 * length[NONE]:
        return Verdict("does not hold", because)
    return Verdict("holds" if max(cost[L2], cost[L1], cost[ELASTIC]) < cost[NONE] else "depends", because)


def table(results: Sequence[Result]) -> Table:
    rows = []
    for name in PENALTIES:
        each = [result[name] for result in results]
        cells = percent((one["small"] for one in each), ".0f"), spread((one["length"] for one in each), ".1f")
        costs = [spread((one[f"{part}_loss"] for one in each), ".3f") for part in ("train", "validation")]
        rows.append((name, *cells, *costs, percent(one["validation_accuracy"] for one in each)))
    columns = (
        "penalty",
        "weights below 0.001",
        "length of W",
        "training cost (nats)",
        "validation cost",
        "validation accuracy",
    )
    return Table(columns, tuple(rows))


def figure(results: Sequence[Result]) -> Figure:
    cells = {name.replace(", ", ",\n"): {"weights": results[0][name]["histogram"]} for name in PENALTIES}
    return densities({"all weights": cells}, "weight")


EXPERIMENT = Experiment(
    question="What do L1, L2 and elastic net do to the weights, and does it help?",
    codes=("I10",),
    chapter="Generalizing",
    claim="Terms added to the loss, ΣW² (L2), Σ|W| (L1), or both (elastic net), regularize a network.",
    source="Introduction to neural networks, the slides on regularization (which print L1 as ΣW², too: a slip)",
    criterion="Medians: L1 brings 30 % of the weights or more below 0.001, and three times as many as without or more; L2 "
    "shortens the weights by 10 % or more; all three lower the validation cost. It depends, if one of them does not lower it.",
    mathematics=(
        "A penalty adds its gradient to that of the cost. (L2 has a ½ here, which the slides leave out: their λ is half of "
        "ours.)\n\n"
        "    L2            ½ λ ΣW²                 gradient  λ W\n"
        "    L1            λ Σ|W|                  gradient  λ sign W\n"
        "    elastic net   λ₁ Σ|W| + ½ λ₂ ΣW²      gradient  λ₁ sign W + λ₂ W\n\n"
        "L2 pulls a weight in proportion to its size: large ones are shortened, small ones hardly touched, none becomes 0. L1 "
        "pulls all with the same force, however small they are: a weight whose gradient is weaker than λ ends at 0, give or "
        "take a step. With W near a minimum W* of a cost of curvature h, L2 gives W* h/(h + λ), L1 gives W* moved by λ/h "
        "towards 0, and 0 if it is nearer than that.\n\n"
        "Biases are left alone; costs are shown without the penalty. With N samples the penalties stand for what was believed "
        "of the weights before: L2 that they come from N(0, 1/(λN)), L1 that they come from Laplace's distribution."
    ),
    measure=measure,
    verdict=verdict,
    table=table,
    figure=figure,
    seeds=3,
    alt="Histograms of all weights: broad without a penalty, narrower with L2, a spike at zero with L1 and elastic net. Bars "
    "at both ends hold all that is farther out.",
)
