"""How many forward passes does learning by perturbing weights take, against back-propagation?"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from pellucid import SGD, BinaryCrossEntropy, Dense, Sequential, Sigmoid, StepEvent, Tanh
from pellucid.data.planar import moons
from pellucid.lab.experiment import Experiment, Result, Table, Trial, Verdict, median, spread
from pellucid.plots import over_seeds
from pellucid.training.perturbation import Perturbation

if TYPE_CHECKING:
    from matplotlib.figure import Figure

WIDTHS, TARGET, BACKWARD = (4, 16), 0.1, 3  # a backward pass is counted as two forward ones
SCALES = (0.5, 1.0, 2.0)  # each rule has three tries; the best counts
RULES = ("back-propagation", "one weight at a time", "all in parallel", "one weight, kept if better")


def settings(name: str, scale: float, weights: int) -> tuple[Perturbation | None, SGD]:
    """How that rule steps, and at which learning rate."""
    if name == "all in parallel":
        return Perturbation("parallel", 0.01), SGD(scale / weights)
    if name == "one weight, kept if better":
        return Perturbation("keep", 0.5 * scale), SGD(1.0)
    return (Perturbation("one", 0.001) if name == "one weight at a time" else None), SGD(scale)


def measure(trial: Trial) -> Result:
    data, most = moons(100, 0.1, trial.seed), trial.pick(full=40_000, quick=12_000, tiny=200)
    found: Result = {name: {} for name in RULES}
    for width in WIDTHS:
        network, n = Sequential(Dense(width), Tanh(), Dense(1), Sigmoid()), 4 * width + 1
        for name in RULES:
            tried = []
            for scale in trial.pick(full=SCALES, quick=(1.0,), tiny=(1.0,)):
                rule, optimizer = settings(name, scale, n)
                model = network.compile((2,), BinaryCrossEntropy(), optimizer, seed=trial.seed)
                each, passes, loss = BACKWARD if rule is None else rule.forward_passes(n), 0, float("inf")
                for event in model.fit_events(data, epochs=most // each, batch_size=100, shuffle=False, method=rule):
                    if isinstance(event, StepEvent):
                        passes, loss = passes + each, event.loss
                        if loss < TARGET:
                            break
                tried.append((loss >= TARGET, passes))
            late, passes = min(tried)
            found[name][str(n)] = {"passes": passes, "arrived": not late}
    return found


def factors(results: Sequence[Result], name: str) -> list[float]:
    """For each network, from small to large, how many times the passes of back-propagation (medians)."""
    return [median(results, name, n, "passes") / median(results, "back-propagation", n, "passes") for n in results[0][name]]


def verdict(results: Sequence[Result]) -> Verdict:
    one, parallel, keep = (factors(results, name) for name in RULES[1:])
    sizes = list(results[0]["back-propagation"])
    because = (
        f"with {sizes[0]} and {sizes[-1]} weights, to the same loss, one at a time took {one[0]:.1f} and {one[-1]:.1f} times "
        f"the passes of back-propagation, all in parallel {parallel[0]:.1f} and {parallel[-1]:.1f}, keeping what is better "
        f"{keep[0]:.1f} and {keep[-1]:.1f}"
    )
    if min(one[-1], parallel[-1], keep[-1]) < 3 or one[-1] <= one[0]:
        return Verdict("does not hold", because)
    return Verdict("holds" if min(*one, *parallel, *keep) >= 3 and parallel[-1] > keep[-1] / 2 else "depends", because)


def table(results: Sequence[Result]) -> Table:
    rows = []
    for name, by_size in results[0].items():
        cells = []
        for n in by_size:
            late = sum(not result[name][n]["arrived"] for result in results)
            text = spread((result[name][n]["passes"] for result in results), ",.0f")
            cells.append(text + (f"; {late} of {len(results)} not there" if late else ""))
        rows.append((name, *cells))
    return Table(("forward passes until the loss is 0.1", *(f"{n} weights" for n in results[0][name])), tuple(rows))


def figure(results: Sequence[Result]) -> Figure:
    label, sizes = f"forward passes to a loss of {TARGET}", list(results[0]["back-propagation"])
    curves = {name: [[result[name][n]["passes"] for n in sizes] for result in results] for name in RULES}
    made = over_seeds({label: curves}, [int(n) for n in sizes], "weights", log=(label,))
    made.set_size_inches(7, 4)
    made.axes[0].set_ylim(bottom=10)
    return made


EXPERIMENT = Experiment(
    question="How many forward passes does learning by perturbing weights take?",
    codes=("I3",),
    chapter="Learning",
    claim="Perturbing one weight and keeping what helps is very inefficient: several forward passes for one weight. "
    "Perturbing all in parallel is not any better, for each weight's effect drowns in the noise of the others.",
    source="Introduction to neural networks, Learning by perturbing weights",
    criterion="By the medians, to a training loss of 0.1 every kind takes at least three times the passes of "
    "back-propagation, and one at a time a larger factor for the larger network; there all in parallel takes more than half "
    "of what keeping what is better takes. Depends, if three times only for the larger network, or if parallel takes less. "
    "Forward and backward over all 100 points count as three passes.",
    mathematics=(
        "A difference (C(w + σ eᵢ) − C(w))/σ is the slope along one weight: n weights take n + 1 passes, where "
        "back-propagation has all n slopes for the price of about three, whatever n is. So the factor is (n + 1)/3.\n\n"
        "In parallel, ξ ~ N(0, σ²) on all weights, the estimate is g̃ = (C(w + ξ) − C(w)) ξ/σ². To first order the gain is Σ "
        "gⱼ ξⱼ, so g̃ᵢ = gᵢ ξᵢ²/σ² + (other weights' gains) ξᵢ/σ²: right on average, but with\n\n"
        "    E ‖g̃‖² = (n + 2) ‖g‖²\n\n"
        "Such noise is borne only with a learning rate n times smaller, so that about n times as many steps of 2 passes are "
        "needed: the order of one at a time. (Every rule has three tries, at rates or sizes a factor of 2 apart, and the "
        "best counts.) A random change that is kept only if it helps wastes its pass if it does not; towards the end nearly "
        "all do not, when σ is large."
    ),
    measure=measure,
    verdict=verdict,
    table=table,
    figure=figure,
    alt="Forward passes against the number of weights: back-propagation lowest, the perturbing rules above it and rising.",
    seeds=3,
)
