"""How many forward passes does training by weight perturbation need?"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from pellucid import SGD, BinaryCrossEntropy, Dense, FitOptions, Sequential, Sigmoid, StepEvent, Tanh
from pellucid.data.planar import moons
from pellucid.lab.experiment import Experiment, Result, Table, Trial, Verdict, median, spread
from pellucid.plots import over_seeds
from pellucid.training.perturbation import Perturbation

if TYPE_CHECKING:
    from matplotlib.figure import Figure

WIDTHS = (4, 16)
TARGET = 0.1
PASSES_PER_STEP = 3  # of backpropagation: a backward pass counts as two forward passes
SCALES = (0.5, 1.0, 2.0)  # each method is tried at three scales; the best one counts
METHODS = ("backpropagation", "one weight at a time", "all weights in parallel", "one weight, kept if better")


def settings(name: str, scale: float, weights: int) -> tuple[Perturbation | None, SGD]:
    """Return the perturbation and the optimizer of a method at a scale."""
    if name == "all weights in parallel":
        return Perturbation("parallel", 0.01), SGD(scale / weights)
    if name == "one weight, kept if better":
        return Perturbation("keep", 0.5 * scale), SGD(1.0)
    return (Perturbation("one", 0.001) if name == "one weight at a time" else None), SGD(scale)


def measure(trial: Trial) -> Result:
    data, budget = moons(100, 0.1, trial.seed), trial.pick(full=40_000, quick=12_000, tiny=200)
    found: Result = {name: {} for name in METHODS}
    for width in WIDTHS:
        network, n = Sequential(Dense(width), Tanh(), Dense(1), Sigmoid()), 4 * width + 1
        for name in METHODS:
            tried = []
            for scale in trial.pick(full=SCALES, quick=(1.0,), tiny=(1.0,)):
                method, optimizer = settings(name, scale, n)
                model = network.compile((2,), BinaryCrossEntropy(), optimizer, seed=trial.seed)
                each, passes, loss = PASSES_PER_STEP if method is None else method.forward_passes(n), 0, float("inf")
                for event in model.fit_events(
                    data, options=FitOptions(epochs=budget // each, batch_size=100, shuffle=False, method=method)
                ):
                    if isinstance(event, StepEvent):
                        passes, loss = passes + each, event.loss
                        if loss < TARGET:
                            break
                tried.append((loss >= TARGET, passes))
            failed, passes = min(tried)
            found[name][str(n)] = {"passes": passes, "reached": not failed}
    return found


def factors(results: Sequence[Result], name: str) -> list[float]:
    """Return for each network, from small to large, the median number of passes relative to backpropagation."""
    return [median(results, name, n, "passes") / median(results, "backpropagation", n, "passes") for n in results[0][name]]


def verdict(results: Sequence[Result]) -> Verdict:
    one, parallel, keep = (factors(results, name) for name in METHODS[1:])
    sizes = list(results[0]["backpropagation"])
    reason = (
        f"with {sizes[0]} and {sizes[-1]} weights, to the same loss, perturbing one weight at a time took {one[0]:.1f} and "
        f"{one[-1]:.1f} times as many passes as backpropagation, perturbing all in parallel {parallel[0]:.1f} and "
        f"{parallel[-1]:.1f} times, and keeping improvements {keep[0]:.1f} and {keep[-1]:.1f} times"
    )
    if min(one[-1], parallel[-1], keep[-1]) < 3 or one[-1] <= one[0]:
        return Verdict("does not hold", reason)
    return Verdict("holds" if min(*one, *parallel, *keep) >= 3 and parallel[-1] > keep[-1] / 2 else "depends", reason)


def table(results: Sequence[Result]) -> Table:
    rows = []
    for name, by_size in results[0].items():
        cells = []
        for n in by_size:
            failed = sum(not result[name][n]["reached"] for result in results)
            text = spread((result[name][n]["passes"] for result in results), ",.0f")
            cells.append(text + (f"; {failed} of {len(results)} runs did not reach it" if failed else ""))
        rows.append((name, *cells))
    return Table(("forward passes to a loss of 0.1", *(f"{n} weights" for n in results[0][name])), tuple(rows))


def figure(results: Sequence[Result]) -> Figure:
    label, sizes = f"forward passes to a loss of {TARGET}", list(results[0]["backpropagation"])
    curves = {name: [[result[name][n]["passes"] for n in sizes] for result in results] for name in METHODS}
    made = over_seeds({label: curves}, [int(n) for n in sizes], "weights", log=(label,))
    made.set_size_inches(7, 4)
    made.axes[0].set_ylim(bottom=10)
    return made


EXPERIMENT = Experiment(
    question="How many forward passes does training by weight perturbation need?",
    codes=("I3",),
    chapter="Learning",
    claim=(
        "Perturbing one weight and keeping improvements is very inefficient: several forward passes for one weight. "
        "Perturbing all weights in parallel is no better, because the effect of each weight is hidden in the noise of the "
        "others."
    ),
    source="Introduction to neural networks, Learning by perturbing weights",
    criterion=(
        "By the medians, to a training loss of 0.1, every kind of perturbation takes at least three times as many passes "
        "as backpropagation; one weight at a time takes a larger factor for the larger network; and there, perturbing all "
        "weights in parallel takes more than half of the passes of keeping improvements. It depends if the factor of "
        "three holds only for the larger network, or if parallel perturbation takes fewer passes. A forward and backward "
        "pass over all 100 points counts as three passes."
    ),
    mathematics="""
A difference (C(w + σ eᵢ) − C(w))/σ is the slope along one weight. n weights take n + 1 passes; backpropagation computes all
n slopes for the cost of about three passes, whatever n is. The factor is therefore (n + 1)/3.

In parallel, with ξ ~ N(0, σ²) on all weights, the estimate is g̃ = (C(w + ξ) − C(w)) ξ/σ². To first order the change is Σ
gⱼ ξⱼ, so g̃ᵢ = gᵢ ξᵢ²/σ² + (contributions of the other weights) ξᵢ/σ². It is correct on average, but

    E ‖g̃‖² = (n + 2) ‖g‖²

This noise requires a learning rate n times smaller, and thus about n times as many steps of 2 passes: the same order as one
weight at a time. (Every method is tried at three learning rates or perturbation sizes that differ by factors of 2, and the
best one counts.) A random change that is kept only if it helps wastes its pass otherwise. If σ is large, nearly all changes
are rejected towards the end.
""",
    alt=("Forward passes by the number of weights. Backpropagation is lowest; the perturbation methods are above it and rise."),
    measure=measure,
    verdict=verdict,
    table=table,
    figure=figure,
    seeds=3,
)
