"""What happens at learning rates that are too low or too high, and does the range test find the right one?"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from pellucid import SGD, CrossEntropy, Dense, DivergedError, Flatten, ReLU, Sequential, Softmax
from pellucid.lab.experiment import Experiment, Result, Table, Trial, Verdict, spread
from pellucid.plots import style

if TYPE_CHECKING:
    from matplotlib.figure import Figure

RATES = tuple(float(f"{rate:.2g}") for rate in np.geomspace(1e-4, 10, 11))
LOST = 10.0  # what stands for a loss that is not finite
NETWORK = Sequential(Flatten(), Dense(32), ReLU(), Dense(10), Softmax())


def measure(trial: Trial) -> Result:
    digits = trial.digits(
        train=trial.pick(full=5000, quick=1000, tiny=100), validation=trial.pick(full=2000, quick=500, tiny=50)
    )
    epochs = trial.pick(full=5, quick=5, tiny=1)

    def trained(rate: float) -> list[float]:
        model = NETWORK.compile((28, 28, 1), CrossEntropy(), SGD(rate), seed=trial.seed)
        try:
            history = model.fit(digits.train, validation=digits.validation, epochs=epochs, batch_size=50, progress=False)
        except DivergedError:
            return [LOST] * epochs
        return [min(loss, LOST) for loss in history["validation_loss"]]

    search = NETWORK.compile((28, 28, 1), CrossEntropy(), SGD(), seed=trial.seed).find_learning_rate(
        digits.train, batch_size=50, low=RATES[0], high=RATES[-1], steps=trial.pick(full=200, quick=100, tiny=20)
    )
    curves = [np.round(trained(rate), 4).tolist() for rate in RATES]
    return {
        "curves": curves,
        "suggestion": search.suggestion,
        "suggested": trained(search.suggestion)[-1],
        "test": [search.rates.tolist(), search.smoothed.round(3).tolist()] if trial.seed == 0 else None,
    }


def sides(result: Result) -> tuple[float, int, float, float]:
    """The lowest loss at the end, which rate has it, and the losses at the rates below and above, as multiples of it."""
    ends = [curve[-1] for curve in result["curves"]]
    best = int(np.argmin(ends))
    return ends[best], best, ends[max(best - 4, 0)] / ends[best], max(ends[best:]) / ends[best]


def verdict(results: Sequence[Result]) -> Verdict:
    _, best, low, high = zip(*map(sides, results), strict=True)
    found = [result["suggested"] / sides(result)[0] for result in results]
    because = (
        f"the loss after training is lowest at a rate of {RATES[sorted(best)[len(best) // 2]]:g}; at a hundredth of it at "
        f"least {min(low):.1f} times as high, at the worst higher rate at least {min(high):.1f} times; at the range test's "
        f"suggestion at most {max(found):.2f} times"
    )
    if min(low) < 1.5 or min(high) < 1.5:
        return Verdict("does not hold", because)
    return Verdict("holds" if max(found) < 1.5 else "depends", because)


def table(results: Sequence[Result]) -> Table:
    rows = [
        (
            f"{rate:g}",
            spread((result["curves"][i][0] for result in results), ".3f"),
            spread((result["curves"][i][-1] for result in results), ".3f"),
        )
        for i, rate in enumerate(RATES)
    ]
    suggestion = f"range test: {spread((result['suggestion'] for result in results), '.2g')}"
    rows.append((suggestion, "", spread((result["suggested"] for result in results), ".3f")))
    return Table(("learning rate", "validation loss after 1 epoch (nats; 10: diverged)", "after the last (nats)"), tuple(rows))


def figure(results: Sequence[Result]) -> Figure:
    made, (left, middle, right) = style.figure(9, 3.5, 3)
    best = sides(results[0])[1]
    shown = (
        (max(best - 4, 0), "too low", style.GREY, ":"),
        (best, "right", style.BLUE, "-"),
        (-1, "too high", style.VERMILION, "--"),
    )
    for i, name, color, dash in shown:
        curve = results[0]["curves"][i]
        left.plot(range(1, len(curve) + 1), curve, dash, color=color, marker=".", label=f"{name}: {RATES[i]:g}")
    left.set(xlabel="epoch", ylabel="validation loss (nats)", yscale="log", title="three rates")
    for result in results:
        middle.plot(RATES, [curve[-1] for curve in result["curves"]], "o-", color=style.BLUE, markersize=4, linewidth=1)
        middle.plot(result["suggestion"], result["suggested"], "s", color=style.VERMILION)
    middle.set(xscale="log", yscale="log", xlabel="learning rate", ylabel="last loss (nats)", title="squares: suggested")
    right.plot(*results[0]["test"], color=style.BLUE)
    right.axvline(
        results[0]["suggestion"], color=style.VERMILION, linestyle="--", label=f"suggestion: {results[0]['suggestion']:g}"
    )
    right.set(xscale="log", xlabel="learning rate", ylabel="smoothed training loss (nats)", title="range test")
    left.legend(fontsize=8)
    right.legend(fontsize=8)
    return made


EXPERIMENT = Experiment(
    question="What do learning rates that are too low or too high do?",
    codes=("I6",),
    chapter="Learning",
    claim="Too low a learning rate takes a long time; too high a one overshoots and never converges; one between is right.",
    source="Introduction to neural networks, Learning rate, with the figure of its effect",
    criterion="In every run the validation loss after training is at a hundredth of the best rate, and at some higher rate, "
    "at least 1.5 times that at the best; and at the rate that the range test suggests less than 1.5 times (depends, if "
    "not).",
    mathematics=(
        "Near a minimum the loss is a parabola in each of certain directions, with curvatures λ. A step θ ← θ − η ∇C "
        "multiplies the distance in that direction by\n\n"
        "    1 − η λ\n\n"
        "Small η: it shrinks by next to nothing. 1/λ: there in one step. Beyond 2/λ it grows with every step. The same η "
        "has to serve all directions: the steepest one sets the limit, the flattest one the time, and their ratio says how "
        "hard the problem is.\n\n"
        "The range test (Smith, 2017) looks for a rate in one short run: the rate rises with every step, by the same factor, "
        "until the loss bursts. Suggested is the rate at which the smoothed loss falls most steeply over log η."
    ),
    measure=measure,
    verdict=verdict,
    table=table,
    figure=figure,
    alt="Loss by epoch for three rates; loss after the last epoch by rate, a valley; the range test, rising at its end.",
    seeds=3,
)
