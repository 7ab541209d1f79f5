"""When does perceptron training terminate?"""

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
NEVER = ("XOR", "moons", "overlapping blobs")
XOR = Dataset(np.array([[0.0, 0], [0, 1], [1, 0], [1, 1]]), np.array([0, 1, 1, 0]))


def separable(n: int, gap: float, seed: int) -> tuple[Array, Array, Array]:
    """Return points in [−1, 1]² that a line through 0 separates with a gap, their classes, and the normal w of the line.

    No point is closer to the line than ``gap``/2.
    """
    rng = generator(seed, "apart")
    w, x = rng.normal(size=2), rng.uniform(-1, 1, (40 * n, 2))
    x = x[np.abs(x @ w) > gap / 2 * np.linalg.norm(w)][:n]
    return x, (x @ w > 0).astype(int), w


def measure(trial: Trial) -> Result:
    n, max_epochs, found = 200, trial.pick(full=1000, quick=300, tiny=20), Result(mistakes=[], bound=[], ended=[])
    for gap in GAPS:
        x, y, w = separable(n, gap, trial.seed)
        perceptron = Perceptron().fit(x, y, max_epochs=20_000)
        found["ended"].append(perceptron.converged)
        found["mistakes"].append(perceptron.updates)
        found["bound"].append(round(margin_bound(x, y, w), 1))
    other = blobs(n, 1.0, trial.seed, classes=2)
    for name, data in zip(NEVER, (XOR, moons(n, 0.2, trial.seed), other), strict=True):
        perceptron = Perceptron().fit(data.x, np.asarray(data.y), max_epochs=max_epochs)
        found[name] = {"ended": perceptron.converged, "last": perceptron.mistakes[-1]}
    new, passes = blobs(2000, 1.0, trial.seed + 1000, classes=2), range(1, trial.pick(full=60, quick=30, tiny=3) + 1)
    predictions = [Perceptron().fit(other.x, np.asarray(other.y), max_epochs=epochs).predict(new.x) for epochs in passes]
    found["test"] = [float((prediction == new.y).mean()) for prediction in predictions]
    x, y, _ = separable(n, GAPS[2], trial.seed)
    found["by rate"] = [Perceptron(rate).fit(x, y, max_epochs=20_000).updates for rate in RATES]
    return found


def final_drop(result: Result) -> float:
    """Return how far the mean test accuracy of the last third of the passes is below that of the best equally long range."""
    means = np.convolve(result["test"], np.ones(third := max(1, len(result["test"]) // 3)) / third, "valid")
    return float(means.max() - means[-1])


def verdict(results: Sequence[Result]) -> Verdict:
    held = all(result["mistakes"][i] <= result["bound"][i] for result in results for i in range(len(GAPS)))
    ended = all(all(result["ended"]) for result in results)
    never = not any(result[name]["ended"] for result in results for name in NEVER)
    fall = float(np.median([final_drop(result) for result in results]))
    rates = all(len(set(result["by rate"])) == 1 for result in results)
    reason = (
        f"on separable data training {'always' if ended else 'not always'} terminated, {'within' if held else 'beyond'} (R/γ)² "
        f"mistakes, on other data {'never' if never else 'sometimes'}; the test accuracy ends {100 * fall:.1f} percentage "
        f"points below its best range of passes; learning rates from {RATES[0]:g} to {RATES[-1]:g} made "
        f"{'the same number' if rates else 'different numbers'} of mistakes"
    )
    if not (held and ended and never):
        return Verdict("does not hold", reason)
    return Verdict("holds" if fall > 0.01 and not rates else "depends", reason)


def table(results: Sequence[Result]) -> Table:
    rows = []
    for i, gap in enumerate(GAPS):
        mistakes, bound = (spread((result[what][i] for result in results), ".0f") for what in ("mistakes", "bound"))
        rows.append((f"separable, gap {gap:g}", f"{sum(result['ended'][i] for result in results)}", mistakes, bound))
    for name in NEVER:
        last = spread((result[name]["last"] for result in results), ".0f")
        rows.append((name, f"{sum(result[name]['ended'] for result in results)}", f"{last} in the last pass", "none"))
    return Table(("data", f"terminated, of {len(results)} runs", "mistakes", "bound (R/γ)²"), tuple(rows))


def figure(results: Sequence[Result]) -> Figure:
    made, (left, right) = style.blank_figure(9, 3.6, 2)
    for result in results:
        left.loglog(GAPS, result["mistakes"], "o", color=style.BLUE)
        left.loglog(GAPS, result["bound"], "s", color=style.VERMILION, fillstyle="none")
    left.set(xlabel="width of the gap between the classes", ylabel="mistakes until termination")
    right.set(xlabel="passes over the data", ylabel="accuracy on new points (%)", title="overlapping blobs, all runs")
    left.legend(("mistakes", "bound (R/γ)²"))
    accuracies = 100 * np.array([result["test"] for result in results]).T
    right.plot(range(1, len(accuracies) + 1), accuracies, linewidth=0.8, color=style.GREY, alpha=0.35)
    right.plot(range(1, len(accuracies) + 1), accuracies[:, 0], linewidth=1.4, color=style.BLUE)
    return made


EXPERIMENT = Experiment(
    question="When does perceptron training terminate?",
    codes=("I1",),
    chapter="Neurons and functions",
    claim=(
        "On data that is not separable, such as XOR, training need not terminate; the test accuracy rises at first and "
        "then falls; the learning rate must be sufficiently small."
    ),
    source="Introduction to neural networks, Limitations of perceptrons, and XOR example",
    criterion=(
        "In every run training terminates on separable data within (R/γ)² mistakes, and never on XOR, moons and "
        "overlapping blobs. It depends if, in addition, the test accuracy on the blobs does not end at least 1 percentage "
        "point below its best range of passes (median), or if learning rates from 0.001 to 10 make the same number of "
        "mistakes."
    ),
    mathematics="""
For a misclassified sample x with the sign s = ±1, the update is w ← w + η s x. Assume that some w* of length 1 has every
sample at a distance of at least γ on the correct side, and that no sample is longer than R (the bias is the weight of an
input that is 1). Each mistake increases w·w* by at least η γ, and ‖w‖² by at most η² R². After k mistakes

    k η γ ≤ w·w* ≤ ‖w‖ ≤ √k η R,   so   k ≤ (R/γ)²

(Novikoff, 1962). The learning rate η cancels: starting from zero, it only scales w and changes no decision.

Without a separating line there is no γ. The decisions change forever, and the accuracy fluctuates.
""",
    alt=(
        "Left: mistakes by the width of the gap. They increase as the gap narrows and stay below the bound. Right: "
        "fluctuating test accuracy."
    ),
    measure=measure,
    verdict=verdict,
    table=table,
    figure=figure,
)
