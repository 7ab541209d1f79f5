"""Does clipping the gradient, by value or by norm, keep a descent from being thrown off at a cliff?"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from pellucid import (
    SGD,
    Chain,
    ClipNorm,
    ClipValue,
    DivergedError,
    MeanSquaredError,
    Sequential,
)
from pellucid.core.memory import Array
from pellucid.core.rng import generator
from pellucid.lab.again import Again
from pellucid.lab.experiment import Experiment, Result, Table, Trial, Verdict, percent, spread
from pellucid.optim import Transform
from pellucid.plots import loss_surface

if TYPE_CHECKING:
    from matplotlib.figure import Figure

TIMES, RATE, X, TARGET = 50, 0.3, np.array([[0.5]], np.float32), np.array([[0.7]], np.float32)
BOX = (1.0, 9.0, -5.0, 0.0)  # of w and b, in the picture
WAYS: dict[str, tuple[Transform, ...]] = {"no clipping": ()}
for limit in (0.5, 1.0):
    WAYS |= {f"by value, ±{limit}": (ClipValue(limit),), f"by norm, {limit}": (ClipNorm(limit),)}


def descent(clipping: tuple[Transform, ...], start: Array, steps: int) -> tuple[Array, float]:
    """The way in (w, b), and the loss at its end."""
    model = Sequential(Again(TIMES)).compile((1,), MeanSquaredError(), Chain(*clipping, SGD(RATE)))
    w, b = model.weights["again1.w"], model.weights["again1.b"]
    w[:], b[:] = start
    way = [start]
    try:
        for _ in range(steps):
            model.train_on_batch(X, TARGET)
            way.append(np.array([w[0], b[0]]))
    except DivergedError:  # out of what float32 holds
        return np.array(way), np.inf
    return np.array(way), float(model.evaluate(X, TARGET)["loss"])


def measure(trial: Trial) -> Result:
    chance, starts = generator(trial.seed, "starts"), trial.pick(full=12, quick=4, tiny=1)
    wb = np.stack([chance.uniform(4, 7, starts), chance.uniform(-3.5, -1.5, starts)], axis=1)
    found: Result = {}
    shown = 0
    for name, clipping in WAYS.items():
        ways, ends = zip(*(descent(clipping, one, trial.pick(full=200, quick=200, tiny=5)) for one in wb), strict=True)
        longest = [float(np.linalg.norm(np.diff(way, axis=0), axis=1).max(initial=0)) for way in ways]
        shown = shown if clipping else int(np.argmax(longest))  # the picture follows the start that is thrown furthest
        found[name] = {"arrived": float(np.mean(np.array(ends) < 1e-3)), "longest step": max(longest)}
        found[name]["way"] = np.clip(ways[shown], -50, 50).round(3).tolist() if trial.seed == 0 else None
    return found


def verdict(results: Sequence[Result]) -> Verdict:
    share = {name: float(np.mean([result[name]["arrived"] for result in results])) for name in WAYS}
    free, *clipped = (max(result[name]["longest step"] for result in results) for name in WAYS)
    because = f"the longest step is {free:.1f} without clipping and {max(clipped):.2f} with it; of the starts arrive "
    because += ", ".join(f"{100 * share[name]:.0f} % ({name})" for name in WAYS)
    better = {name: share[name] > share["no clipping"] for name in WAYS if name != "no clipping"}
    if free < 10 * max(clipped) or not all(better[name] for name in better if "norm" in name):
        return Verdict("does not hold", because)
    return Verdict("holds" if all(better.values()) else "depends", because)


def table(results: Sequence[Result]) -> Table:
    rows = []
    for name in WAYS:
        arrived, longest = ([result[name][what] for result in results] for what in ("arrived", "longest step"))
        rows.append((name, percent(arrived, ".0f"), spread(longest, ".2f")))
    return Table(("clipping", "starts that arrived (loss < 0.001)", "longest step in (w, b)"), tuple(rows))


def figure(results: Sequence[Result]) -> Figure:
    w, b = np.meshgrid(np.linspace(*BOX[:2], 160), np.linspace(*BOX[2:], 160))
    x = np.full_like(w, X[0, 0])
    for _ in range(TIMES):
        x = 1 / (1 + np.exp(-(w * x + b)))
    return loss_surface((x - TARGET[0, 0]) ** 2, BOX, {name: [results[0][name]["way"]] for name in WAYS}, ("w", "b"))


EXPERIMENT = Experiment(
    question="Does clipping keep a descent from being thrown off at a cliff?",
    codes=("I12",),
    chapter="Learning",
    claim="At a cliff the gradient sends us far away. Clipping solves this: by value, which does not keep the direction but "
    "works well in practice, or by norm, which keeps it.",
    source="Introduction to neural networks, Gradient clipping, with the cliff from Goodfellow et al., Deep learning",
    criterion="Over all runs the longest step without clipping is at least ten times that with, and with each kind and "
    "either limit more of the starts arrive at a loss below 0.001 in 200 steps. Depends, if only with clipping by norm.",
    mathematics=(
        "The network applies one unit to its own output fifty times, x ← σ(w x + b) from x = ½, and is to end at 0.7. By the "
        "chain rule the gradient holds a product of fifty slopes w σ'. Where they are above 1 (which takes w > 4) it is "
        "huge, beside it next to nothing: for b a little above −w/2 the states run up to a number near 1, a little below "
        "they run down to one near 0. Between lies a cliff, and the valley runs along its edge.\n\n"
        "    by value: gᵢ ← min(max(gᵢ, −α), α)       by norm: g ← g · min(1, α/‖g‖)\n\n"
        "By norm the step is cut, and its direction stays. By value both numbers are cut to ±α, so every large gradient "
        "becomes (±α, ±α): a step along the diagonal. Across this cliff, which is close to b = −w/2, the true direction has "
        "about twice as much of b as of w."
    ),
    measure=measure,
    verdict=verdict,
    table=table,
    figure=figure,
    alt="Five maps of the same loss with a cliff across: without clipping the way leaves the map, with clipping it stays.",
    seeds=3,
)
