"""How do full-batch, mini-batch and stochastic gradient descent move, and which needs fewer samples?"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from pellucid import SGD, BinaryCrossEntropy, Dense, FitOptions, Model, Sequential, Sigmoid, StepEvent, Tanh
from pellucid.core.memory import Array
from pellucid.data import Dataset
from pellucid.data.planar import moons
from pellucid.lab.experiment import Experiment, Result, Table, Trial, Verdict, median, percent, spread
from pellucid.plots import loss_surface, principal_plane

if TYPE_CHECKING:
    from matplotlib.figure import Figure

N, RATE, SHOWN_STEPS, GRID, TARGET = 100, 0.3, 300, 30, 0.15
NETWORK = Sequential(Dense(6), Tanh(), Dense(1), Sigmoid())
METHODS = {"full batch": N, "mini-batches of 10": 10, "single samples": 1}


def measure(trial: Trial) -> Result:
    data, shown = moons(N, 0.1, trial.seed), trial.pick(full=SHOWN_STEPS, quick=SHOWN_STEPS, tiny=20)
    found: Result = {}
    paths: dict[str, Array] = {}
    for name, size in METHODS.items():
        model = NETWORK.compile((2,), BinaryCrossEntropy(), SGD(RATE), seed=trial.seed)
        path, losses, seen, reached = [model.parameters.copy()], [float(model.evaluate(data)["loss"])], 0, False
        for event in model.fit_events(
            data, options=FitOptions(epochs=trial.pick(full=1000, quick=1000, tiny=3), batch_size=size)
        ):
            if len(path) > shown and reached:
                break
            if isinstance(event, StepEvent):
                seen += 0 if reached else event.samples
                losses.append(float(model.evaluate(data)["loss"]))
                reached = reached or losses[-1] < TARGET
                path += [model.parameters.copy()] * (len(path) <= shown)
        paths[name] = np.array(path)
        found[name] = {"rises": float((np.diff(losses[: shown + 1]) > 0).mean()), "samples": seen, "reached": reached}
    return found | ({"surface": surface(model, data, paths)} if trial.seed == 0 else {})


def surface(model: Model, data: Dataset, paths: Mapping[str, Array]) -> Result:
    """Return the paths projected onto their main plane, and the loss on this plane."""
    middle, axes, flat, fraction = principal_plane(paths)
    points = np.concatenate(list(flat.values()))
    low, high = points.min(axis=0), points.max(axis=0)
    (left, bottom), (right, top) = low - 0.1 * (high - low), high + 0.1 * (high - low)
    heights = []
    for v, u in itertools.product(np.linspace(bottom, top, GRID), np.linspace(left, right, GRID)):
        model.parameters[:] = middle + u * axes[0] + v * axes[1]
        heights.append(float(model.evaluate(data)["loss"]))
    grid = np.reshape(heights, (GRID, GRID)).round(3).tolist()
    projected = {name: path.round(2).tolist() for name, path in flat.items()}
    return {"extent": [left, right, bottom, top], "fraction": fraction, "heights": grid, "paths": projected}


def verdict(results: Sequence[Result]) -> Verdict:
    rises, samples = ([median(results, name, what) for name in METHODS] for what in ("rises", "samples"))
    reason = (
        f"the loss over all samples rises in {100 * rises[0]:.0f} % of the steps with the full batch, in "
        f"{100 * rises[1]:.0f} % with mini-batches and in {100 * rises[2]:.0f} % with single samples; reaching a loss of "
        f"{TARGET} took {samples[0]:,.0f}, {samples[1]:,.0f} and {samples[2]:,.0f} samples"
    )
    smooth = rises[0] < rises[1] < rises[2] and rises[0] < 0.05
    work = all(result["single samples"]["reached"] for result in results) and samples[2] < samples[0] > samples[1]
    return Verdict("holds" if smooth and work else "depends" if smooth or work else "does not hold", reason)


def table(results: Sequence[Result]) -> Table:
    rows = []
    for name, size in METHODS.items():
        each = [result[name] for result in results]
        reached = f"{sum(one['reached'] for one in each)} of {len(each)}"
        seen = [one["samples"] for one in each]
        steps = spread([count / size for count in seen], ",.0f")
        rows.append((name, percent((one["rises"] for one in each), ".0f"), reached, spread(seen, ",.0f"), steps))
    return Table(
        ("descent", "steps that increase the loss", f"runs that reached {TARGET}", "samples needed", "steps needed"),
        tuple(rows),
    )


def figure(results: Sequence[Result]) -> Figure:
    surface = results[0]["surface"]
    made = loss_surface(
        surface["heights"],
        tuple(surface["extent"]),
        {name: [path] for name, path in surface["paths"].items()},
        ("1st principal axis", "2nd principal axis"),
        "loss on all samples (nats)",
    )
    made.suptitle(
        f"{SHOWN_STEPS} steps, in the plane that holds {100 * surface['fraction']:.0f} % of their variance", fontsize=9
    )
    return made


EXPERIMENT = Experiment(
    question="How do full-batch, mini-batch and stochastic gradient descent move, and which needs fewer samples?",
    codes=("D5", "I5"),
    chapter="Learning",
    claim=(
        "Full-batch descent moves smoothly. With single samples the loss fluctuates and falls only on average, but "
        "converges faster. Mini-batches are much smoother, similar to the full batch."
    ),
    source="Introduction to neural networks, Various GD types; Dive into deep learning, SGD and SGD in mini-batch",
    criterion=(
        "By the medians over seeds, the loss over all samples rises in less than 5 % of the first 300 steps with the full "
        "batch, more often with mini-batches, and most often with single samples (smoothness); and at the same learning "
        "rate, mini-batches and single samples reach a loss of 0.15 with fewer samples than the full batch, single "
        "samples in every run (work). It depends if only one of the two is true."
    ),
    mathematics="""
All three step along an estimate of the same gradient, θ ← θ − η (1/|B|) Σ ∇l over the samples of B: all of them, ten, or
one. The estimate is correct on average. Its variance is that of the gradient of one sample, divided by |B|. (The mini-batch
algorithm on the slide divides by B = N/b, the number of batches; the mean divides by b, the batch size.)

A pass over the data is one step with the full batch and 100 steps with single samples. At equal learning rates single
samples go much further for the same work, as long as η times the noise is small. Near the minimum it is not small: the true
gradient goes to 0 there, but that of a single sample does not. The path becomes a cloud whose size grows with η.

The network 2-6-1 (tanh, 100 points of the two moons) has 25 parameters. The figure shows the plane that contains most of
the three paths. The loss is computed on this plane, so the heights next to a path are only approximate.
""",
    alt="Three maps of the same loss with descent paths: a smooth curve, a slightly rough one, and a ragged one.",
    measure=measure,
    verdict=verdict,
    table=table,
    figure=figure,
    seeds=3,
)
