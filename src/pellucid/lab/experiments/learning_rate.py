"""What happens at learning rates that are too low or too high?"""

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
DIVERGED = 10.0  # replaces a loss that is not finite
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
            return [DIVERGED] * epochs
        return [min(loss, DIVERGED) for loss in history["validation_loss"]]

    search = NETWORK.compile((28, 28, 1), CrossEntropy(), SGD(), seed=trial.seed).find_learning_rate(
        digits.train, batch_size=50, low=RATES[0], high=RATES[-1], steps=trial.pick(full=200, quick=100, tiny=20)
    )
    curves = [np.round(trained(rate), 4).tolist() for rate in RATES]
    return {
        "curves": curves,
        "suggestion": search.suggestion,
        "suggested": trained(search.suggestion)[-1],
        "search": [search.rates.tolist(), search.smoothed.round(3).tolist()] if trial.seed == 0 else None,
    }


def around_best(result: Result) -> tuple[float, int, float, float]:
    """Return the lowest final loss, the index of its rate, and the final losses below and above it as multiples of it."""
    ends = [curve[-1] for curve in result["curves"]]
    best = int(np.argmin(ends))
    return ends[best], best, ends[max(best - 4, 0)] / ends[best], max(ends[best:]) / ends[best]


def verdict(results: Sequence[Result]) -> Verdict:
    _, best, low, high = zip(*map(around_best, results), strict=True)
    found = [result["suggested"] / around_best(result)[0] for result in results]
    reason = (
        f"the final loss is lowest at a learning rate of {RATES[sorted(best)[len(best) // 2]]:g}; at a hundredth of it the "
        f"loss is at least {min(low):.1f} times as high, at the worst higher rate at least {min(high):.1f} times, and at the "
        f"suggestion of the learning-rate finder at most {max(found):.2f} times"
    )
    if min(low) < 1.5 or min(high) < 1.5:
        return Verdict("does not hold", reason)
    return Verdict("holds" if max(found) < 1.5 else "depends", reason)


def table(results: Sequence[Result]) -> Table:
    rows = [
        (
            f"{rate:g}",
            spread((result["curves"][i][0] for result in results), ".3f"),
            spread((result["curves"][i][-1] for result in results), ".3f"),
        )
        for i, rate in enumerate(RATES)
    ]
    suggestion = f"learning-rate finder: {spread((result['suggestion'] for result in results), '.2g')}"
    rows.append((suggestion, "", spread((result["suggested"] for result in results), ".3f")))
    return Table(
        ("learning rate", "validation loss after 1 epoch (nats; 10: diverged)", "after the last epoch (nats)"), tuple(rows)
    )


def figure(results: Sequence[Result]) -> Figure:
    made, (left, middle, right) = style.blank_figure(9, 3.5, 3)
    best = around_best(results[0])[1]
    curves = (
        (max(best - 4, 0), "too low", style.GREY, ":"),
        (best, "best", style.BLUE, "-"),
        (-1, "too high", style.VERMILION, "--"),
    )
    for i, name, color, dash in curves:
        curve = results[0]["curves"][i]
        left.plot(range(1, len(curve) + 1), curve, dash, color=color, marker=".", label=f"{name}: {RATES[i]:g}")
    left.set(xlabel="epoch", ylabel="validation loss (nats)", yscale="log", title="three learning rates")
    for result in results:
        middle.plot(RATES, [curve[-1] for curve in result["curves"]], "o-", color=style.BLUE, markersize=4, linewidth=1)
        middle.plot(result["suggestion"], result["suggested"], "s", color=style.VERMILION)
    middle.set(xscale="log", yscale="log", xlabel="learning rate", ylabel="final loss (nats)", title="squares: suggestions")
    right.plot(*results[0]["search"], color=style.BLUE)
    right.axvline(
        results[0]["suggestion"], color=style.VERMILION, linestyle="--", label=f"suggestion: {results[0]['suggestion']:g}"
    )
    right.set(xscale="log", xlabel="learning rate", ylabel="smoothed training loss (nats)", title="learning-rate finder")
    left.legend(fontsize=8)
    right.legend(fontsize=8)
    return made


EXPERIMENT = Experiment(
    question="What happens at learning rates that are too low or too high?",
    codes=("I6",),
    chapter="Learning",
    claim=(
        "A learning rate that is too low takes a long time; one that is too high overshoots and never converges; one in "
        "between works."
    ),
    source="Introduction to neural networks, Learning rate, with the figure of its effect",
    criterion=(
        "In every run the validation loss after training is at least 1.5 times the loss at the best rate, both at a "
        "hundredth of the best rate and at some higher rate; and at the rate that the learning-rate finder suggests it is "
        "less than 1.5 times. It depends if only the last part is not true."
    ),
    mathematics="""
Near a minimum, along certain directions, the loss is a parabola. If its curvature in one of them is λ, a step
θ ← θ − η ∇C multiplies the distance in this direction by

    1 − η λ

With a small η the distance hardly shrinks. With η = 1/λ it is zero after one step. Beyond 2/λ it grows with every step. The
same η applies to all directions: the steepest one sets the limit, the flattest one determines the time, and their ratio
measures how hard the problem is.

The learning-rate finder (range test; Smith, 2017) searches in one short run. It multiplies the learning rate by the same
factor at every step until the loss diverges. It suggests the rate at which the smoothed loss falls most steeply over log η.
""",
    alt=(
        "Left: loss by epoch for three learning rates. Middle: final loss by learning rate, with a minimum. Right: the "
        "learning-rate finder, whose loss rises at the end."
    ),
    measure=measure,
    verdict=verdict,
    table=table,
    figure=figure,
    seeds=3,
)
