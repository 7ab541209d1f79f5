"""Do descents from different starts end in different minima, and do several starts help?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from pellucid import L2, Adam, Chain, Dense, MeanSquaredError, Sequential, Tanh
from pellucid.core.memory import Array
from pellucid.initializers import Normal
from pellucid.lab.experiment import Experiment, Result, Table, Trial, Verdict, percent, spread
from pellucid.lab.minima import settled
from pellucid.lab.passes import there_and_back
from pellucid.plots import style

if TYPE_CHECKING:
    from matplotlib.figure import Figure

X = np.linspace(-1, 1, 40)[:, None]
Y = np.sin(9 * X)
NETWORK, PENALTY = Sequential(Dense(3, Normal(3.0)), Tanh(), Dense(1)), 3e-4


def cost(w: Mapping[str, Array]) -> tuple[float, dict[str, Array]]:
    """The squared error with the penalty ½ λ ΣW², and its gradient."""
    y, _, g = there_and_back(NETWORK, w, X, lambda y: 2 * (y - Y) / len(X))
    loss = float(((y - Y) ** 2).mean())
    for path in (path for path in w if path.endswith("W")):
        loss, g[path] = loss + PENALTY / 2 * float((w[path] ** 2).sum()), g[path] + PENALTY * w[path]
    return loss, g


def measure(trial: Trial) -> Result:
    starts, epochs = list[Result](), trial.pick(full=2000, quick=500, tiny=2)
    for i in range(trial.pick(full=20, quick=10, tiny=2)):
        optimizer = Chain(L2(PENALTY), Adam(0.03))
        model = NETWORK.compile((1,), MeanSquaredError(), optimizer, seed=1000 * trial.seed + i)
        model.fit(X, Y, epochs=epochs, batch_size=len(X), shuffle=False, progress=False)
        end = settled(cost, model.weights, trial.pick(full=100, quick=100, tiny=5))
        starts.append({"loss": end.loss, "slope": end.slope, "curvature": end.curvature})
        if trial.seed == 0:
            starts[-1]["y"] = there_and_back(NETWORK, end.weights, X, np.ones_like)[0][:, 0].round(3).tolist()
    return {"starts": starts}


def minima(result: Result) -> list[float]:
    """The losses of true minima: no slope, and curved upwards in every direction."""
    return sorted(one["loss"] for one in result["starts"] if one["slope"] < 1e-6 and one["curvature"] > 1e-6)


def different(losses: Sequence[float]) -> list[float]:
    """One loss of each level; levels are 1 % apart at least."""
    return [loss for i, loss in enumerate(losses) if i == 0 or loss > 1.01 * losses[i - 1]]


def verdict(results: Sequence[Result]) -> Verdict:
    levels = [len(different(minima(result))) for result in results]
    best = min(loss for result in results for loss in minima(result)[:1]) if any(map(minima, results)) else np.inf
    first = np.mean([result["starts"][0]["loss"] < 1.01 * best for result in results])
    several = np.mean([min(one["loss"] for one in result["starts"][:10]) < 1.01 * best for result in results])
    because = (
        f"the starts of a run end in {min(levels)} to {max(levels)} minima of different losses; the first start found the "
        f"lowest in {100 * first:.0f} % of the runs, the best of ten in {100 * several:.0f} %"
    )
    if min(levels) < 2:
        return Verdict("does not hold", because)
    return Verdict("holds" if several > 0.75 else "depends", because)


def table(results: Sequence[Result]) -> Table:
    every = [one["loss"] for result in results for one in result["starts"]]
    found = [loss for result in results for loss in minima(result)]
    share = [float(np.mean([one["loss"] < 1.01 * min(every) for one in result["starts"]])) for result in results]
    rows = (
        ("starts", str(len(every))),
        ("ended in a minimum (slope 0, curved upwards in all directions)", f"{100 * len(found) / len(every):.0f} %"),
        ("different losses of minima in a run", spread((len(different(minima(result))) for result in results), ".0f")),
        ("loss of the lowest and of the highest minimum", f"{min(every):.4f}, {max(found, default=np.nan):.4f}"),
        ("starts that end in the lowest", percent(share, ".0f")),
    )
    return Table(("", "in all runs, or median (range)"), rows)


def figure(results: Sequence[Result]) -> Figure:
    made, (left, right) = style.figure(9, 3.6, 2)
    ends = sorted(results[0]["starts"], key=lambda one: one["loss"])
    for result in results:
        left.plot(sorted(one["loss"] for one in result["starts"]), "o-", color=style.BLUE, markersize=4, linewidth=0.6)
    left.set(xlabel="starts, in the order of their losses", ylabel="loss at the end", ylim=0, xticks=range(0, len(ends), 5))
    for one, color, dash, name in ((ends[0], style.BLUE, "-", "lowest"), (ends[-1], style.VERMILION, "--", "highest")):
        right.plot(X[:, 0], one["y"], dash, color=color, label=f"{name} end: {one['loss']:.3f}")
    right.plot(X[:, 0], Y[:, 0], ".", color=style.GREY, label="data")
    right.set(xlabel="x", ylabel="y", xticks=(-1, 0, 1), ylim=(-1.8, 2.6))
    right.legend(fontsize=8)
    return made


EXPERIMENT = Experiment(
    question="Do descents from different starts end in different minima?",
    codes=("I4",),
    chapter="Learning",
    claim="Back-propagation finds a local, not necessarily global minimum; it often works well when started several times.",
    source="Introduction to neural networks, Back propagation",
    criterion="In every run the starts end in at least two minima whose losses differ by 1 % or more, and the best of ten "
    "starts is within 1 % of the lowest loss of all runs in more than three quarters of the runs (depends, if only the "
    "first).",
    mathematics=(
        "Where the gradient is zero a descent ends. Whether that is a minimum is told by the matrix H of all ∂²C/∂wᵢ∂wⱼ: if "
        "all its eigenvalues are positive, it is. So each end is brought to a gradient of 0 by Newton's steps −(H + μI)⁻¹ ∇C, "
        "which are taken only while the loss falls, and then H is looked at.\n\n"
        "Three tanh units cannot follow sin 9x on [−1, 1] everywhere; they have to choose, and each choice is a valley of "
        "its own. A small penalty, 0.00015 ΣW², keeps the weights from running off along valleys without an end. Exchanging "
        "two units, or the signs of one, gives minima of equal loss: these are not counted as different.\n\n"
        "If a start ends in the lowest valley with chance p, the best of ten does with 1 − (1 − p)¹⁰: 0.15 becomes 0.80."
    ),
    measure=measure,
    verdict=verdict,
    table=table,
    figure=figure,
    alt="Left: final losses of the starts in order, in steps. Right: the curves of the lowest and of the highest end.",
)
