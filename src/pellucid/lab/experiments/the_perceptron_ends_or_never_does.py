"""When does the perceptron's learning end, and after how many mistakes?"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from pellucid.core.memory import Array
from pellucid.core.rng import generator
from pellucid.data import Dataset
from pellucid.data.planar import blobs, moons
from pellucid.lab.experiment import Experiment, Result, Table, Trial, Verdict, spread
from pellucid.model.perceptron import Perceptron, margin_bound
from pellucid.plots import style

if TYPE_CHECKING:
    from matplotlib.figure import Figure

GAPS, RATES = (1.0, 0.5, 0.25, 0.12, 0.06), (0.001, 0.1, 1.0, 10.0)
NEVER = ("XOR", "moons", "blobs that overlap")
XOR = Dataset(np.array([[0.0, 0], [0, 1], [1, 0], [1, 1]]), np.array([0, 1, 1, 0]))


def apart(n: int, gap: float, seed: int) -> tuple[Array, Array, Array]:
    """Points in [−1, 1]² on the two sides of a line through 0, none nearer to it than ``gap``/2; and that line's w."""
    chance = generator(seed, "apart")
    w, x = chance.normal(size=2), chance.uniform(-1, 1, (40 * n, 2))
    x = x[np.abs(x @ w) > gap / 2 * np.linalg.norm(w)][:n]
    return x, (x @ w > 0).astype(int), w


def measure(trial: Trial) -> Result:
    n, most, found = 200, trial.pick(full=1000, quick=300, tiny=20), Result(mistakes=[], bound=[], ended=[])
    for gap in GAPS:
        x, y, w = apart(n, gap, trial.seed)
        perceptron = Perceptron().fit(x, y, max_epochs=20_000)
        found["ended"].append(perceptron.converged)
        found["mistakes"].append(perceptron.updates)
        found["bound"].append(round(margin_bound(x, y, w), 1))
    other = blobs(n, 1.0, trial.seed, classes=2)
    for name, data in zip(NEVER, (XOR, moons(n, 0.2, trial.seed), other), strict=True):
        perceptron = Perceptron().fit(data.x, np.asarray(data.y), max_epochs=most)
        found[name] = {"ended": perceptron.converged, "last": perceptron.mistakes[-1]}
    new, passes = blobs(2000, 1.0, trial.seed + 1000, classes=2), range(1, trial.pick(full=60, quick=30, tiny=3) + 1)
    guesses = [Perceptron().fit(other.x, np.asarray(other.y), max_epochs=epochs).predict(new.x) for epochs in passes]
    found["test"] = [float((guess == new.y).mean()) for guess in guesses]
    x, y, _ = apart(n, GAPS[2], trial.seed)
    found["by rate"] = [Perceptron(rate).fit(x, y, max_epochs=20_000).updates for rate in RATES]
    return found


def falls(result: Result) -> float:
    """How much lower the mean of the last third of the test accuracies is than their best stretch of as many passes."""
    means = np.convolve(result["test"], np.ones(third := max(1, len(result["test"]) // 3)) / third, "valid")
    return float(means.max() - means[-1])


def verdict(results: Sequence[Result]) -> Verdict:
    held = all(result["mistakes"][i] <= result["bound"][i] for result in results for i in range(len(GAPS)))
    ended = all(all(result["ended"]) for result in results)
    never = not any(result[name]["ended"] for result in results for name in NEVER)
    fall = float(np.median([falls(result) for result in results]))
    rates = all(len(set(result["by rate"])) == 1 for result in results)
    because = (
        f"with a gap it {'always' if ended else 'not always'} ended, {'within' if held else 'beyond'} (R/γ)² mistakes; "
        f"without, {'never' if never else 'at times'}; the test accuracy ends {100 * fall:.1f} points below its best stretch; "
        f"rates from {RATES[0]:g} to {RATES[-1]:g} made {'the same number' if rates else 'different numbers'} of mistakes"
    )
    if not (held and ended and never):
        return Verdict("does not hold", because)
    return Verdict("holds" if fall > 0.01 and not rates else "depends", because)


def table(results: Sequence[Result]) -> Table:
    rows = []
    for i, gap in enumerate(GAPS):
        mistakes, bound = (spread((result[what][i] for result in results), ".0f") for what in ("mistakes", "bound"))
        rows.append((f"separable, gap {gap:g}", f"{sum(result['ended'][i] for result in results)}", mistakes, bound))
    for name in NEVER:
        last = spread((result[name]["last"] for result in results), ".0f")
        rows.append((name, f"{sum(result[name]['ended'] for result in results)}", f"{last} in the last pass", "none"))
    return Table(("data", f"of {len(results)} runs ended", "mistakes", "the bound (R/γ)²"), tuple(rows))


def figure(results: Sequence[Result]) -> Figure:
    made, (left, right) = style.figure(9, 3.6, 2)
    for result in results:
        left.loglog(GAPS, result["mistakes"], "o", color=style.BLUE)
        left.loglog(GAPS, result["bound"], "s", color=style.VERMILION, fillstyle="none")
    left.set(xlabel="width of the gap between the classes", ylabel="mistakes until the end")
    right.set(xlabel="passes over the data", ylabel="new points that are right (%)", title="overlapping blobs, each run")
    left.legend(("mistakes", "the bound (R/γ)²"))
    shares = 100 * np.array([result["test"] for result in results]).T
    right.plot(range(1, len(shares) + 1), shares, linewidth=0.8, color=style.GREY, alpha=0.35)
    right.plot(range(1, len(shares) + 1), shares[:, 0], linewidth=1.4, color=style.BLUE)
    return made


EXPERIMENT = Experiment(
    question="When does the perceptron's learning end?",
    codes=("I1",),
    chapter="Neurons and functions",
    claim="On data that is not separable, XOR among them, the learning need not end; test accuracy rises at first, then "
    "falls; the learning rate must be sufficiently small.",
    source="Introduction to neural networks, Limitations of perceptrons, and XOR example",
    criterion="In every run it ends on separable data within (R/γ)² mistakes, and never on XOR, moons and overlapping blobs. "
    "Depends, if beyond that the test accuracy on the blobs does not end 1 point below its best stretch of passes (median), "
    "or learning rates from 0.001 to 10 make the same number of mistakes.",
    mathematics="For a sample with sign s = ±1 on the wrong side, w ← w + η s x. Let some w* of length 1 have every sample "
    "at least γ on its right side, and no sample be longer than R (the bias counted as a weight of an input that is 1). "
    "Each mistake makes w·w* grow by at least η γ, and ‖w‖² by at most η² R², so after k of them\n\n"
    "    k η γ ≤ w·w* ≤ ‖w‖ ≤ √k η R,   so   k ≤ (R/γ)²\n\n"
    "(Novikoff, 1962). The rate η cancels: beginning at zero, it multiplies w and changes no decision.\n\n"
    "Without a separating line there is no γ; decisions change for ever, and the accuracy goes up and down.",
    measure=measure,
    verdict=verdict,
    table=table,
    figure=figure,
    alt="Left: mistakes against the width of the gap: more as it narrows, below the bound. Right: test accuracy, up and down.",
)
