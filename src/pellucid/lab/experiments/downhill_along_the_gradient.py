"""Does the way against the gradient of −(cos²x + cos²y)² end in a minimum?"""

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
STARTS = ("anywhere", "on the ridge x = π/2", "on the top (π/2, π/2)")


def f(p: Array) -> Any:
    return -((np.cos(p) ** 2).sum(axis=-1) ** 2)


def gradient(p: Array) -> Any:
    return 2 * (np.cos(p) ** 2).sum(axis=-1, keepdims=True) * np.sin(2 * p)


def measure(trial: Trial) -> Result:
    chance, n = generator(trial.seed, "starts"), trial.pick(full=500, quick=200, tiny=20)
    anywhere, ridge = chance.uniform(-REACH, REACH, (n, 2)), chance.uniform(-REACH, REACH, (n // 5, 2))
    ridge[:, 0] = np.pi / 2
    shift = H * np.eye(2)
    differences = np.stack([(f(anywhere + h) - f(anywhere - h)) / (2 * H) for h in shift], axis=-1)
    found: Result = {"gradient error": float(np.abs(gradient(anywhere) - differences).max())}
    for name, starts in zip(STARTS, (anywhere, ridge, np.full((1, 2), np.pi / 2)), strict=True):
        p, way = starts.copy(), [starts[:12]]
        for _ in range(STEPS):
            p -= RATE * gradient(p)
            way.append(p[:12].copy())
        ends = f(p)
        found[name] = {"in a minimum": float((ends < -3.999).mean()), "f": float(np.median(ends))}
        found[name]["ways"] = np.stack(way[:120:3], axis=1).round(2).tolist() if trial.seed == 0 else None
    return found


def verdict(results: Sequence[Result]) -> Verdict:
    error = max(result["gradient error"] for result in results)
    free, held = (min(result[name]["in a minimum"] for result in results) for name in STARTS[:2])
    because = (
        f"from at least {100 * free:.1f} % of the starts anywhere it ends in a minimum, from {100 * held:.1f} % of those on "
        f"a ridge; the gradient as written and central differences are at most {error:.0e} apart"
    )
    if error > 1e-6 or free < 0.99:
        return Verdict("does not hold", because)
    return Verdict("holds" if held >= 0.99 else "depends", because)


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
    return Table(("start", "ended in a minimum (f = −4)", "f at the end, median of the starts"), tuple(rows))


def figure(results: Sequence[Result]) -> Figure:
    axis = np.linspace(-4, 4, 161)
    plane, arrows = (np.stack(np.meshgrid(line, line), axis=-1) for line in (axis, axis[5::10]))
    ways = [way for name, count in zip(STARTS, (12, 3, 1), strict=True) for way in results[0][name]["ways"][:count]]
    made = loss_surface(
        f(plane),
        (-4, 4, -4, 4),
        {"arrows: the gradient, uphill": [], "lines: ways against it, down": ways},
        ("x", "y"),
        "f(x, y)",
    )
    made.set_size_inches(8.6, 4)
    made.axes[0].quiver(arrows[..., 0], arrows[..., 1], *np.moveaxis(gradient(arrows), -1, 0), angles="xy", color="black")
    return made


EXPERIMENT = Experiment(
    question="Does the way against the gradient of −(cos²x + cos²y)² end in a minimum?",
    codes=("R17",),
    chapter="Neurons and functions",
    claim="The gradient points where f grows fastest; following the opposite direction step by step leads to a minimum.",
    source="The report, 5.1 Gradient and 5.2 Minimization, with its figure 4",
    criterion=(
        "In every run the gradient as written is within 1e-6 of central differences, and 99 % of the starts drawn anywhere "
        "in [−3, 3]² end within 0.001 of the minimum −4. Depends, if starts on a ridge do not."
    ),
    mathematics=(
        "With u = cos²x + cos²y, f = −u² and ∂u/∂x = −2 cos x sin x = −sin 2x, so\n\n"
        "    ∇f = 2u (sin 2x, sin 2y)\n\n"
        "It is zero where sin 2x = sin 2y = 0, and where u = 0. Multiples of π in both are minima, f = −4. With cosine zero "
        "in both stands a maximum, f = 0: flat, for f falls with the fourth power of the distance. With cosine zero in one "
        "of the two stands a saddle, f = −1: down on either side, up in the other direction.\n\n"
        "A descent θ ← θ − η ∇f stops wherever the gradient is zero, minimum or not. A start with x = π/2 has no slope along "
        "x and never gets any: the way runs along the ridge into a saddle. Such starts fill no area, so one drawn by chance "
        "does not hit them; a start chosen for its symmetry, such as weights that are all equal, does."
    ),
    measure=measure,
    verdict=verdict,
    table=table,
    figure=figure,
    alt=(
        "Two maps of the function with its dark hills and light hollows: arrows point uphill; ways of descent run into the "
        "hollows, those that begin on a ridge along it."
    ),
)
