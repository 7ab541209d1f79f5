"""Does gradient clipping keep descent stable at a cliff of the loss?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
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
from pellucid.core.config import Count
from pellucid.core.memory import Array, Shape, Slot, Views
from pellucid.core.rng import generator
from pellucid.initializers import Zeros
from pellucid.lab.experiment import Experiment, Result, Table, Trial, Verdict, percent, spread
from pellucid.layers import Context, Layer, LayerSpec
from pellucid.optim import Transform
from pellucid.plots import loss_surface

if TYPE_CHECKING:
    from matplotlib.figure import Figure

TIMES, RATE, X, TARGET = 50, 0.3, np.array([[0.5]], np.float32), np.array([[0.7]], np.float32)
BOX = (1.0, 9.0, -5.0, 0.0)  # of w and b in the figure
METHODS: dict[str, tuple[Transform, ...]] = {"no clipping": ()}
for limit in (0.5, 1.0):
    METHODS |= {f"by value, ±{limit}": (ClipValue(limit),), f"by norm, {limit}": (ClipNorm(limit),)}


@dataclass(frozen=True)
class RepeatedUnit(Layer):
    """A recurrent unit without inputs: x ← σ(w x + b), applied ``times`` times with the same w and b, elementwise.

    Backward, with δ = dy y (1 − y) at each time: dw = Σ δ x, db = Σ δ, and dy ← δ w for the time before (Pascanu, Mikolov and
    Bengio, 2013).
    """

    times: Count = 50

    def build(self, shape: Shape) -> LayerSpec:
        return LayerSpec(shape, {"w": Slot((1,), Zeros()), "b": Slot((1,), Zeros())})

    def forward(self, p: Views, x: Array, ctx: Context) -> Array:
        states = [x]
        for _ in range(self.times):
            states.append(1 / (1 + np.exp(-(p.w * states[-1] + p.b))))
        ctx.keep(states)
        return states[-1]

    def backward(self, p: Views, g: Views, dy: Array, ctx: Context) -> Array | None:
        (states,) = ctx.kept
        g.w, g.b = 0, 0
        for before, after in zip(states[-2::-1], states[:0:-1], strict=True):
            delta = dy * after * (1 - after)
            g.w, g.b, dy = g.w + (delta * before).sum(), g.b + delta.sum(), delta * p.w
        return dy


def descent(clipping: tuple[Transform, ...], start: Array, steps: int) -> tuple[Array, float]:
    """Return the path in (w, b) and the loss at its end."""
    model = Sequential(RepeatedUnit(TIMES)).compile((1,), MeanSquaredError(), Chain(*clipping, SGD(RATE)))
    w, b = model.weights["repeatedunit1.w"], model.weights["repeatedunit1.b"]
    w[:], b[:] = start
    path = [start]
    try:
        for _ in range(steps):
            model.train_on_batch(X, TARGET)
            path.append(np.array([w[0], b[0]]))
    except DivergedError:  # beyond the range of float32
        return np.array(path), np.inf
    return np.array(path), float(model.evaluate(X, TARGET)["loss"])


def measure(trial: Trial) -> Result:
    rng, starts = generator(trial.seed, "starts"), trial.pick(full=12, quick=4, tiny=1)
    wb = np.stack([rng.uniform(4, 7, starts), rng.uniform(-3.5, -1.5, starts)], axis=1)
    found: Result = {}
    shown = 0
    for name, clipping in METHODS.items():
        paths, ends = zip(*(descent(clipping, one, trial.pick(full=200, quick=200, tiny=5)) for one in wb), strict=True)
        longest = [float(np.linalg.norm(np.diff(path, axis=0), axis=1).max(initial=0)) for path in paths]
        shown = shown if clipping else int(np.argmax(longest))  # the figure shows the start with the longest step
        found[name] = {"converged": float(np.mean(np.array(ends) < 1e-3)), "longest step": max(longest)}
        found[name]["path"] = np.clip(paths[shown], -50, 50).round(3).tolist() if trial.seed == 0 else None
    return found


def verdict(results: Sequence[Result]) -> Verdict:
    fraction = {name: float(np.mean([result[name]["converged"] for result in results])) for name in METHODS}
    free, *clipped = (max(result[name]["longest step"] for result in results) for name in METHODS)
    reason = (
        f"the longest step is {free:.1f} without clipping and {max(clipped):.2f} with it; the fractions of starts that "
        "converge are " + ", ".join(f"{100 * fraction[name]:.0f} % ({name})" for name in METHODS)
    )
    better = {name: fraction[name] > fraction["no clipping"] for name in METHODS if name != "no clipping"}
    if free < 10 * max(clipped) or not all(better[name] for name in better if "norm" in name):
        return Verdict("does not hold", reason)
    return Verdict("holds" if all(better.values()) else "depends", reason)


def table(results: Sequence[Result]) -> Table:
    rows = []
    for name in METHODS:
        converged, longest = ([result[name][what] for result in results] for what in ("converged", "longest step"))
        rows.append((name, percent(converged, ".0f"), spread(longest, ".2f")))
    return Table(("clipping", "starts that converged (loss < 0.001)", "longest step in (w, b)"), tuple(rows))


def figure(results: Sequence[Result]) -> Figure:
    w, b = np.meshgrid(np.linspace(*BOX[:2], 160), np.linspace(*BOX[2:], 160))
    x = np.full_like(w, X[0, 0])
    for _ in range(TIMES):
        x = 1 / (1 + np.exp(-(w * x + b)))
    return loss_surface((x - TARGET[0, 0]) ** 2, BOX, {name: [results[0][name]["path"]] for name in METHODS}, ("w", "b"))


EXPERIMENT = Experiment(
    question="Does gradient clipping keep descent stable at a cliff of the loss?",
    codes=("I12",),
    chapter="Learning",
    claim=(
        "At a cliff the gradient causes a very large step. Clipping prevents it: by value, which does not preserve the "
        "direction but works well in practice, or by norm, which preserves it."
    ),
    source="Introduction to neural networks, Gradient clipping, with the cliff from Goodfellow et al., Deep learning",
    criterion=(
        "Over all runs the longest step without clipping is at least ten times the longest step with clipping, and with "
        "each kind of clipping at either limit more starts reach a loss below 0.001 in 200 steps than without clipping. "
        "It depends if only clipping by norm helps."
    ),
    mathematics="""
The network applies one unit to its own output fifty times, x ← σ(w x + b), starting at x = ½; the target is 0.7. By the
chain rule the gradient contains a product of fifty slopes w σ'. Where the slopes are above 1 (which requires w > 4) the
gradient is huge; next to this region it is almost zero. For b slightly above −w/2 the states converge to a value near 1,
slightly below to a value near 0. Between the two is a cliff, and the valley of the loss runs along its edge.

    by value: gᵢ ← min(max(gᵢ, −α), α)       by norm: g ← g · min(1, α/‖g‖)

Clipping by norm shortens the step and preserves its direction. Clipping by value limits both entries to ±α, so every
large gradient becomes (±α, ±α): a diagonal step. Across this cliff, which is close to b = −w/2, the component of the
true gradient along b is about twice that along w.
""",
    alt=("Five maps of the same loss with a cliff. Without clipping the path leaves the map; with clipping it stays inside."),
    measure=measure,
    verdict=verdict,
    table=table,
    figure=figure,
    seeds=3,
)
