"""How do batch, mini-batch and stochastic descent move over the loss of a network, and which arrives with less work?"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from pellucid import SGD, BinaryCrossEntropy, Dense, Model, Sequential, Sigmoid, StepEvent, Tanh
from pellucid.core.memory import Array
from pellucid.data import Dataset
from pellucid.data.planar import moons
from pellucid.lab.experiment import Experiment, Result, Table, Trial, Verdict, median, percent, spread
from pellucid.plots.surface import loss_surface, main_plane

if TYPE_CHECKING:
    from matplotlib.figure import Figure

N, RATE, DRAWN, GRID, NEAR = 100, 0.3, 300, 30, 0.15
NETWORK = Sequential(Dense(6), Tanh(), Dense(1), Sigmoid())
METHODS = {"batch": N, "mini-batches of 10": 10, "single samples": 1}


def measure(trial: Trial) -> Result:
    data, drawn = moons(N, 0.1, trial.seed), trial.pick(full=DRAWN, quick=DRAWN, tiny=20)
    found: Result = {}
    ways: dict[str, Array] = {}
    for name, size in METHODS.items():
        model = NETWORK.compile((2,), BinaryCrossEntropy(), SGD(RATE), seed=trial.seed)
        way, losses, seen, arrived = [model.parameters.copy()], [float(model.evaluate(data)["loss"])], 0, False
        for event in model.fit_events(data, epochs=trial.pick(full=1000, quick=1000, tiny=3), batch_size=size):
            if len(way) > drawn and arrived:
                break
            if isinstance(event, StepEvent):
                seen += 0 if arrived else event.samples
                losses.append(float(model.evaluate(data)["loss"]))
                arrived = arrived or losses[-1] < NEAR
                way += [model.parameters.copy()] * (len(way) <= drawn)
        ways[name] = np.array(way)
        found[name] = {"rises": float((np.diff(losses[: drawn + 1]) > 0).mean()), "samples": seen, "arrived": arrived}
    return found | ({"picture": picture(model, data, ways)} if trial.seed == 0 else {})


def picture(model: Model, data: Dataset, ways: Mapping[str, Array]) -> Result:
    """The ways in the plane in which they lie most, and the loss there."""
    middle, axes, flat, share = main_plane(ways)
    points = np.concatenate(list(flat.values()))
    low, high = points.min(axis=0), points.max(axis=0)
    (left, bottom), (right, top) = low - 0.1 * (high - low), high + 0.1 * (high - low)
    heights = []
    for v, u in itertools.product(np.linspace(bottom, top, GRID), np.linspace(left, right, GRID)):
        model.parameters[:] = middle + u * axes[0] + v * axes[1]
        heights.append(float(model.evaluate(data)["loss"]))
    grid = np.reshape(heights, (GRID, GRID)).round(3).tolist()
    drawn = {name: way.round(2).tolist() for name, way in flat.items()}
    return {"extent": [left, right, bottom, top], "share": share, "heights": grid, "ways": drawn}


def verdict(results: Sequence[Result]) -> Verdict:
    rises, samples = ([median(results, name, what) for name in METHODS] for what in ("rises", "samples"))
    because = (
        f"the loss of all samples rises in {100 * rises[0]:.0f} % of the batch's steps, in {100 * rises[1]:.0f} % with "
        f"mini-batches, in {100 * rises[2]:.0f} % with single samples; a loss of {NEAR} took {samples[0]:,.0f}, "
        f"{samples[1]:,.0f} and {samples[2]:,.0f} samples"
    )
    rough = rises[0] < rises[1] < rises[2] and rises[0] < 0.05
    work = all(result["single samples"]["arrived"] for result in results) and samples[2] < samples[0] > samples[1]
    return Verdict("holds" if rough and work else "depends" if rough or work else "does not hold", because)


def table(results: Sequence[Result]) -> Table:
    rows = []
    for name, size in METHODS.items():
        each = [result[name] for result in results]
        share = f"{sum(one['arrived'] for one in each)} of {len(each)}"
        seen = [one["samples"] for one in each]
        steps = spread([count / size for count in seen], ",.0f")
        rows.append((name, percent((one["rises"] for one in each), ".0f"), share, spread(seen, ",.0f"), steps))
    return Table(
        ("descent", "steps that raise the loss", f"runs that came to {NEAR}", "samples until then", "steps until then"),
        tuple(rows),
    )


def figure(results: Sequence[Result]) -> Figure:
    shown = results[0]["picture"]
    made = loss_surface(
        shown["heights"],
        tuple(shown["extent"]),
        {name: [way] for name, way in shown["ways"].items()},
        ("1st principal axis", "2nd"),
        "loss on all samples (nats)",
    )
    made.suptitle(f"{DRAWN} steps, in the plane that holds {100 * shown['share']:.0f} % of their variance", fontsize=9)
    return made


EXPERIMENT = Experiment(
    question="How do batch, mini-batch and stochastic descent move, and which arrives with less work?",
    codes=("D5", "I5"),
    chapter="Learning",
    claim="Batch descent moves smoothly; on single samples the cost bounces and falls only on average, but converges faster; "
    "mini-batches are much smoother, and like the batch.",
    source="Introduction to neural networks, Various GD types; Dive into deep learning, SGD and SGD in mini-batch",
    criterion="By the medians over seeds, the loss of all samples rises in less than 5 % of the batch's first 300 steps, "
    "more often with mini-batches, most with single samples (smooth); and both come to a loss of 0.15 on fewer samples than "
    "the batch at the same learning rate, single samples in every run (work). Depends, if one of the two is so.",
    mathematics=(
        "All three step along an estimate of the same gradient, θ ← θ − η (1/|B|) Σ ∇l over the samples of B: all of them, "
        "ten, or one. The estimate is right on average; its variance is that of one sample's gradient, divided by |B|. (The "
        "mini-batch algorithm on the slide divides by B = N/b, the number of batches; the mean takes b, their size.)\n\n"
        "A pass over the data is one step for the batch and 100 for single samples, so with equal rates the latter go much "
        "further for the same work, as long as η times the noise is small. Near the minimum it is not: there the true "
        "gradient goes to 0, that of one sample does not, and the way turns into a cloud, whose size grows with η.\n\n"
        "The network 2-6-1 (tanh, 100 points of the two moons) has 25 parameters. The picture shows the plane through all "
        "three ways that holds most of them; the loss is computed on that plane, so heights beside a way are only near it."
    ),
    measure=measure,
    verdict=verdict,
    table=table,
    figure=figure,
    alt="Three maps of the same loss with ways across: a smooth curve, a slightly rough one, and a ragged one.",
    seeds=3,
)
