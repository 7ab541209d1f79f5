"""Do descents from different starts end in different minima?"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from pellucid import L2, Adam, Chain, Dense, MeanSquaredError, Sequential, Tanh
from pellucid.core.memory import Array
from pellucid.initializers import Normal
from pellucid.lab.experiment import Experiment, Result, Table, Trial, Verdict, percent, spread
from pellucid.lab.reference_pass import forward_backward
from pellucid.plots import style

if TYPE_CHECKING:
    from matplotlib.figure import Figure

X = np.linspace(-1, 1, 40)[:, None]
Y = np.sin(9 * X)
NETWORK, PENALTY = Sequential(Dense(3, Normal(3.0)), Tanh(), Dense(1)), 3e-4


LossFunction = Callable[[Mapping[str, Array]], tuple[float, Mapping[str, Array]]]
H = 1e-5  # step of the differences of gradients: both of their errors are near 1e-10


@dataclass(frozen=True)
class End:
    """The end of a descent: weights by path, loss, length of the gradient, and smallest eigenvalue of the Hessian matrix.

    If the eigenvalue is positive, the loss is curved upwards in every direction.
    """

    weights: dict[str, Array]
    loss: float
    slope: float
    curvature: float


def newton_descent(loss_function: LossFunction, weights: Mapping[str, Array], steps: int = 100) -> End:
    """Descend from ``weights`` with damped Newton steps θ ← θ − (H + λ1)⁻¹ ∇C to a point with a gradient of zero.

    λ is large enough that each step leads downhill; a step is taken only if the loss does not increase. ``loss_function``
    returns the loss and its gradient by path, in float64. The number of weights must be small.
    """
    names, cuts = list(weights), np.cumsum([value.size for value in weights.values()])[:-1]

    def split(theta: Array) -> dict[str, Array]:
        return {name: part.reshape(weights[name].shape) for name, part in zip(names, np.split(theta, cuts), strict=True)}

    def evaluate(theta: Array) -> tuple[float, Array]:
        loss, gradient = loss_function(split(theta))
        return loss, np.concatenate([gradient[name].ravel() for name in names])

    theta, damping = np.concatenate([value.ravel() for value in weights.values()]).astype(float), 1e-3
    loss, g = evaluate(theta)
    for _ in range(steps):
        rows = np.stack([(evaluate(theta + h)[1] - evaluate(theta - h)[1]) / (2 * H) for h in H * np.eye(len(theta))])
        hessian = (rows + rows.T) / 2
        curvature = float(np.linalg.eigvalsh(hessian)[0])
        if np.linalg.norm(g) < 1e-9:
            break
        step = np.linalg.solve(hessian + (damping + max(0.0, -2 * curvature)) * np.eye(len(theta)), g)
        new_loss, new_g = evaluate(theta - step)
        if new_loss <= loss:
            loss, g, theta, damping = new_loss, new_g, theta - step, damping / 5
        else:
            damping *= 4
    return End(split(theta), loss, float(np.linalg.norm(g)), curvature)


def penalized_loss(w: Mapping[str, Array]) -> tuple[float, dict[str, Array]]:
    """Return the squared error plus the penalty ½ λ ΣW², and its gradient."""
    y, _, g = forward_backward(NETWORK, w, X, lambda y: 2 * (y - Y) / len(X))
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
        end = newton_descent(penalized_loss, model.weights, trial.pick(full=100, quick=100, tiny=5))
        starts.append({"loss": end.loss, "slope": end.slope, "curvature": end.curvature})
        if trial.seed == 0:
            starts[-1]["y"] = forward_backward(NETWORK, end.weights, X, np.ones_like)[0][:, 0].round(3).tolist()
    return {"starts": starts}


def minima(result: Result) -> list[float]:
    """Return the sorted losses of the true minima: gradient zero and curved upwards in every direction."""
    return sorted(one["loss"] for one in result["starts"] if one["slope"] < 1e-6 and one["curvature"] > 1e-6)


def distinct(losses: Sequence[float]) -> list[float]:
    """Return one loss per level; levels differ by at least 1 %."""
    return [loss for i, loss in enumerate(losses) if i == 0 or loss > 1.01 * losses[i - 1]]


def verdict(results: Sequence[Result]) -> Verdict:
    levels = [len(distinct(minima(result))) for result in results]
    best = min(loss for result in results for loss in minima(result)[:1]) if any(map(minima, results)) else np.inf
    first = np.mean([result["starts"][0]["loss"] < 1.01 * best for result in results])
    several = np.mean([min(one["loss"] for one in result["starts"][:10]) < 1.01 * best for result in results])
    reason = (
        f"the starts of a run end in {min(levels)} to {max(levels)} minima with different losses; the first start found the "
        f"lowest minimum in {100 * first:.0f} % of the runs, the best of ten starts in {100 * several:.0f} %"
    )
    if min(levels) < 2:
        return Verdict("does not hold", reason)
    return Verdict("holds" if several > 0.75 else "depends", reason)


def table(results: Sequence[Result]) -> Table:
    every = [one["loss"] for result in results for one in result["starts"]]
    found = [loss for result in results for loss in minima(result)]
    fraction = [float(np.mean([one["loss"] < 1.01 * min(every) for one in result["starts"]])) for result in results]
    rows = (
        ("starts", str(len(every))),
        ("starts that ended in a minimum (gradient 0, curved upwards)", f"{100 * len(found) / len(every):.0f} %"),
        ("minima with different losses per run", spread((len(distinct(minima(result))) for result in results), ".0f")),
        ("lowest and highest loss of a minimum", f"{min(every):.4f}, {max(found, default=np.nan):.4f}"),
        ("starts that ended in the lowest minimum", percent(fraction, ".0f")),
    )
    return Table(("quantity", "all runs, or median (range)"), rows)


def figure(results: Sequence[Result]) -> Figure:
    made, (left, right) = style.blank_figure(9, 3.6, 2)
    ends = sorted(results[0]["starts"], key=lambda one: one["loss"])
    for result in results:
        left.plot(sorted(one["loss"] for one in result["starts"]), "o-", color=style.BLUE, markersize=4, linewidth=0.6)
    left.set(xlabel="starts, sorted by loss", ylabel="final loss", ylim=0, xticks=range(0, len(ends), 5))
    for one, color, dash, name in ((ends[0], style.BLUE, "-", "lowest"), (ends[-1], style.VERMILION, "--", "highest")):
        right.plot(X[:, 0], one["y"], dash, color=color, label=f"{name} loss: {one['loss']:.3f}")
    right.plot(X[:, 0], Y[:, 0], ".", color=style.GREY, label="data")
    right.set(xlabel="x", ylabel="y", xticks=(-1, 0, 1), ylim=(-1.8, 2.6))
    right.legend(fontsize=8)
    return made


EXPERIMENT = Experiment(
    question="Do descents from different starts end in different minima?",
    codes=("I4",),
    chapter="Learning",
    claim=(
        "Backpropagation finds a local minimum, not necessarily a global one. It often works well if training is started "
        "several times."
    ),
    source="Introduction to neural networks, Back propagation",
    criterion=(
        "In every run the starts end in at least two minima whose losses differ by 1 % or more, and in more than three "
        "quarters of the runs the best of ten starts is within 1 % of the lowest loss of all runs. It depends if only the "
        "first part is true."
    ),
    mathematics="""
Descent ends where the gradient is zero. Such a point is a minimum if all eigenvalues of the Hessian matrix H of all
∂²C/∂wᵢ∂wⱼ are positive. Each end is therefore first brought to a gradient of 0 with Newton steps −(H + μI)⁻¹ ∇C, which are
taken only while the loss falls, and then H is examined.

Three tanh units cannot fit sin 9x on all of [−1, 1]. They fit different parts of it, and each choice is a separate valley
of the loss. A small penalty, 0.00015 ΣW², keeps the weights from growing without limit along a valley. Exchanging two
units, or the signs of one unit, gives minima with equal losses; these do not count as different.

If a start ends in the lowest valley with probability p, the best of ten starts does with probability 1 − (1 − p)¹⁰: 0.15
becomes 0.80.
""",
    alt=(
        "Left: sorted final losses of the starts, in steps. Right: the fitted curves with the lowest and the highest "
        "final loss."
    ),
    measure=measure,
    verdict=verdict,
    table=table,
    figure=figure,
)
