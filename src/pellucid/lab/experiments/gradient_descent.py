"""Does gradient descent on −(cos²x + cos²y)² end in a minimum?"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from pellucid.core.memory import Array
from pellucid.core.rng import generator
from pellucid.lab.experiment import Experiment, Result, Table, Trial, Verdict, percent, spread
from pellucid.plots import loss_surface

if TYPE_CHECKING:
    from matplotlib.figure import Figure

REACH, RATE, STEPS, H = 3.0, 0.05, 3000, 1e-5
STARTS = ("anywhere", "on the ridge x = π/2", "at the maximum (π/2, π/2)")


def f(p: Array) -> Any:
    return -((np.cos(p) ** 2).sum(axis=-1) ** 2)


def gradient(p: Array) -> Any:
    return 2 * (np.cos(p) ** 2).sum(axis=-1, keepdims=True) * np.sin(2 * p)


def measure(trial: Trial) -> Result:
    rng, n = generator(trial.seed, "starts"), trial.pick(full=500, quick=200, tiny=20)
    anywhere, ridge = rng.uniform(-REACH, REACH, (n, 2)), rng.uniform(-REACH, REACH, (n // 5, 2))
    ridge[:, 0] = np.pi / 2
    shift = H * np.eye(2)
    differences = np.stack([(f(anywhere + h) - f(anywhere - h)) / (2 * H) for h in shift], axis=-1)
    found: Result = {"gradient error": float(np.abs(gradient(anywhere) - differences).max())}
    for name, starts in zip(STARTS, (anywhere, ridge, np.full((1, 2), np.pi / 2)), strict=True):
        p, path = starts.copy(), [starts[:12]]
        for _ in range(STEPS):
            p -= RATE * gradient(p)
            path.append(p[:12].copy())
        ends = f(p)
        found[name] = {"in a minimum": float((ends < -3.999).mean()), "f": float(np.median(ends))}
        found[name]["paths"] = np.stack(path[:120:3], axis=1).round(2).tolist() if trial.seed == 0 else None
    return found


def verdict(results: Sequence[Result]) -> Verdict:
    error = max(result["gradient error"] for result in results)
    anywhere, ridge = (min(result[name]["in a minimum"] for result in results) for name in STARTS[:2])
    reason = (
        f"descent ends in a minimum from at least {100 * anywhere:.1f} % of the starts anywhere, and from {100 * ridge:.1f} "
        f"% of those on a ridge; the gradient formula and central differences agree to {error:.0e}"
    )
    if error > 1e-6 or anywhere < 0.99:
        return Verdict("does not hold", reason)
    return Verdict("holds" if ridge >= 0.99 else "depends", reason)


def table(results: Sequence[Result]) -> Table:
    rows = []
    for name in STARTS:
        each = [result[name] for result in results]
        rows.append(
            (
                name,
                percent((one["in a minimum"] for one in each), ".1f"),
                spread((round(one["f"], 2) + 0.0 for one in each), ".2f"),
            )
        )
    return Table(("start", "ended in a minimum (f = −4)", "final f, median over the starts"), tuple(rows))


def figure(results: Sequence[Result]) -> Figure:
    axis = np.linspace(-4, 4, 161)
    plane, arrows = (np.stack(np.meshgrid(line, line), axis=-1) for line in (axis, axis[5::10]))
    paths = [path for name, count in zip(STARTS, (12, 3, 1), strict=True) for path in results[0][name]["paths"][:count]]
    made = loss_surface(
        f(plane),
        (-4, 4, -4, 4),
        {"arrows: gradient (uphill)": [], "lines: descent paths": paths},
        ("x", "y"),
        "f(x, y)",
    )
    made.set_size_inches(8.6, 4)
    made.axes[0].quiver(arrows[..., 0], arrows[..., 1], *np.moveaxis(gradient(arrows), -1, 0), angles="xy", color="black")
    return made


EXPERIMENT = Experiment(
    question="Does gradient descent on −(cos²x + cos²y)² end in a minimum?",
    codes=("R17",),
    chapter="Neurons and functions",
    claim=(
        "The gradient points in the direction in which f grows fastest; repeated steps in the opposite direction lead to "
        "a minimum."
    ),
    source="Student report, 5.1 Gradient and 5.2 Minimization, with its figure 4",
    criterion=(
        "In every run the gradient formula is within 1e-6 of central differences, and 99 % of the starts drawn anywhere "
        "in [−3, 3]² end within 0.001 of the minimum −4. It depends if starts on a ridge do not."
    ),
    mathematics="""
With u = cos²x + cos²y, f = −u² and ∂u/∂x = −2 cos x sin x = −sin 2x, so

    ∇f = 2u (sin 2x, sin 2y)

It is zero where sin 2x = sin 2y = 0, and where u = 0. Points with multiples of π in both coordinates are minima, f = −4.
Points where both cosines are zero are maxima, f = 0; they are flat, because f falls with the fourth power of the distance.
Points where one of the two cosines is zero are saddles, f = −1: f falls along one direction and rises along the other.

Descent θ ← θ − η ∇f stops wherever the gradient is zero, in a minimum or not. A start with x = π/2 has no slope along x
and never gets one: its path follows the ridge into a saddle. Such starts have zero area, so a random start is not one
of them. A start that is chosen for its symmetry, such as equal weights, can be.
""",
    alt=(
        "Two maps of the function with dark hills and light valleys. Arrows point uphill; descent paths run into the "
        "valleys, and those that start on a ridge run along it."
    ),
    measure=measure,
    verdict=verdict,
    table=table,
    figure=figure,
)
