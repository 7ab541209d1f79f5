"""Is a network without its dropout the average of all its thinned networks, and do dropout and noise help?"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

import pellucid as pl
from pellucid.data.planar import moons
from pellucid.lab.experiment import Experiment, Result, Table, Trial, Verdict, median, percent, spread
from pellucid.plots import over_seeds

if TYPE_CHECKING:
    from matplotlib.figure import Figure

UNITS = 10  # of the small network: 1,024 masks
ARMS: dict[str, pl.Layer | None] = {"none": None, "dropout 0.5": pl.Dropout(0.5), "noise of 0.5": pl.GaussianNoise(0.5)}


def _thinned(seed: int) -> Result:
    """Train a small network and compare its outputs, by the scaling rule, with the exact averages over all dropout masks."""
    points = moons(200, seed=seed)
    x, y = points.x.astype(np.float32), np.asarray(points.y)
    network = pl.Sequential(pl.Dense(UNITS), pl.Tanh(), pl.Dropout(0.5), pl.Dense(2, pl.GlorotUniform()), pl.Softmax())
    model = network.compile((2,), pl.CrossEntropy(), pl.Adam(0.02), seed=seed)
    model.fit(x, y, epochs=100, batch_size=20, progress=False)
    w = model.weights
    hidden = np.tanh(x @ w["dense1.W"] + w["dense1.b"])
    masks = np.array(list(itertools.product((0, 1), repeat=UNITS)), np.float32)
    logits = np.einsum("mu,nu,uk->mnk", masks, 2 * hidden, w["dense2.W"]) + w["dense2.b"]
    each = np.exp(logits - logits.max(axis=2, keepdims=True))
    each /= each.sum(axis=2, keepdims=True)
    geometric = np.exp(np.log(each).mean(axis=0))
    geometric /= geometric.sum(axis=1, keepdims=True)
    scaled, average = model.predict(x), each.mean(axis=0)
    return {
        "from the geometric mean": float(np.abs(scaled - geometric).max()),
        "from the average": float(np.abs(scaled - average).mean()),
        "one mask from the average": float(np.abs(each - average).mean()),
    }


def measure(trial: Trial) -> Result:
    data = trial.digits(trial.pick(full=5000, quick=1000, tiny=100), trial.pick(full=None, quick=1000, tiny=100))
    found: Result = {"thinned": _thinned(trial.seed)}
    for name, layer in ARMS.items():
        extra = [] if layer is None else [layer]
        layers = [pl.Flatten(), pl.Dense(512), pl.ReLU(), *extra, pl.Dense(512), pl.ReLU(), *extra]
        network = pl.Sequential(*layers, pl.Dense(10, pl.GlorotUniform()), pl.Softmax())
        model = network.compile((28, 28, 1), pl.CrossEntropy(), pl.Adam(0.001), [pl.Accuracy()], seed=trial.seed)
        epochs = trial.pick(full=30, quick=10, tiny=2)
        history = model.fit(data.train, validation=data.validation, epochs=epochs, batch_size=50, progress=False)
        found[name] = {"loss": history["validation_loss"], "accuracy": history["validation_accuracy"]}
    return found


def verdict(results: Sequence[Result]) -> Verdict:
    exact = max(result["thinned"]["from the geometric mean"] for result in results)
    distance, single = (median(results, "thinned", name) for name in ("from the average", "one mask from the average"))
    loss = {name: median(results, name, "loss", -1) for name in ARMS}
    reason = (
        f"the scaled network is within {exact:.0e} of the geometric mean over all 1,024 masks, and on average {distance:.3f} "
        f"away from the arithmetic mean (a single mask: {single:.3f}); the final validation loss is "
        + ", ".join(f"{value:.3f} ({name})" for name, value in loss.items())
    )
    if exact > 1e-4 or loss["dropout 0.5"] >= loss["none"]:
        return Verdict("does not hold", reason)
    close, noise_helps = distance <= single / 3, loss["noise of 0.5"] < loss["none"]
    return Verdict("holds" if close and noise_helps else "depends", reason)


def table(results: Sequence[Result]) -> Table:
    rows = []
    for name in ARMS:
        each = [result[name] for result in results]
        accuracy = percent(one["accuracy"][-1] for one in each)
        lowest = spread((min(one["loss"]) for one in each), ".3f")
        rows.append((name, lowest, spread((one["loss"][-1] for one in each), ".3f"), accuracy))
    return Table(
        (
            "after each hidden layer",
            "lowest validation loss (nats)",
            "final validation loss (nats)",
            "final validation accuracy",
        ),
        tuple(rows),
    )


def figure(results: Sequence[Result]) -> Figure:
    curves = {name: [result[name]["loss"] for result in results] for name in ARMS}
    return over_seeds({"validation loss (nats)": curves}, range(1, len(results[0]["none"]["loss"]) + 1), "epoch")


EXPERIMENT = Experiment(
    question="Is a network without its dropout the average of all its thinned networks, and do dropout and noise help?",
    codes=("I11",),
    chapter="Generalization",
    claim=(
        "Dropout trains an ensemble of thinned networks; at test time, scaling by the keep probability approximates their "
        "average. Adding noise to the outputs of layers is another method against overfitting."
    ),
    source="Introduction to neural networks, slides on dropout and on adding noise",
    criterion=(
        "The scaled outputs of a small network are within 10⁻⁴ of the geometric mean over all masks, and on 5,000 digits "
        "dropout gives a lower final validation loss (medians). It depends if the scaled outputs are not three times "
        "closer to the arithmetic mean than those of a single mask, or if noise does not lower the loss."
    ),
    mathematics="""
With masks m of 0 and 1 and keep probability p, the slides compute p·a at test time. Here a·m/p is used during training and
a at test time, which has the same expected value (inverted dropout).

For one hidden layer and a softmax the rule is exact in the following sense. The logits are linear in m, so their mean over
all masks is the logits of the scaled network, and the softmax of the mean logits is the normalized geometric mean of the
softmaxes. The arithmetic mean, which an ensemble would compute, is close but not equal. With more layers both are
approximations.

Noise with standard deviation s on a unit adds ½ s² (∂²C/∂a²) to the loss on average (Bishop, 1995): it favours flat
regions.
""",
    alt="Validation loss by epoch. Without dropout it falls and then rises, with dropout later; with noise it is highest.",
    measure=measure,
    verdict=verdict,
    table=table,
    figure=figure,
    seeds=3,
)
