"""How does the gradient change over twenty layers, and what helps?"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

import pellucid as pl
from pellucid.lab.experiment import Experiment, Result, Table, Trial, Verdict, median, percent, spread
from pellucid.plots import over_seeds

if TYPE_CHECKING:
    from matplotlib.figure import Figure

DEPTH, WIDTH = 20, 64
VANISH, EXPLODE = 1e-4, 1e2


def _plain(activation: pl.Layer, init: pl.Initializer) -> list[pl.Layer]:
    return [layer for _ in range(DEPTH) for layer in (pl.Dense(WIDTH, init), activation)]


def _normalized() -> list[pl.Layer]:
    return [layer for _ in range(DEPTH) for layer in (pl.Dense(WIDTH, pl.GlorotUniform()), pl.BatchNorm(), pl.Sigmoid())]


def _residual() -> list[pl.Layer]:
    """Return layers with residual blocks of two dense layers each: x + f(x)."""
    last = pl.Normal(0.3 * math.sqrt(2 / WIDTH))
    blocks = [pl.Residual(pl.Dense(WIDTH, pl.He()), pl.ReLU(), pl.Dense(WIDTH, last)) for _ in range(DEPTH // 2)]
    return [pl.Dense(WIDTH, pl.He()), pl.ReLU(), *blocks]


NETWORKS = {
    "sigmoid, Glorot": _plain(pl.Sigmoid(), pl.GlorotUniform()),
    "ReLU, N(0, 0.01²)": _plain(pl.ReLU(), pl.Normal(0.01)),
    "ReLU, variance 5/n": _plain(pl.ReLU(), pl.Normal(math.sqrt(5 / WIDTH))),
    "tanh, Glorot": _plain(pl.Tanh(), pl.GlorotUniform()),
    "ReLU, He": _plain(pl.ReLU(), pl.He()),
    "sigmoid, batch normalization": _normalized(),
    "ReLU, residual": _residual(),
}
REMEDIES = tuple(NETWORKS)[3:]


def _bias_gradients(model: pl.Model, x: np.ndarray, y: np.ndarray) -> list[float]:
    """Return ‖dC/db‖ of the first twenty layers, measured by a step with learning rate 1; with normalization, ‖dC/dβ‖."""
    ends = "beta" if any(path.endswith("beta") for path in model.weights) else "b"
    paths = [path for path in model.weights if path.endswith(f".{ends}")][:DEPTH]
    before = {path: model.weights[path].astype(np.float64) for path in paths}
    model.train_on_batch(x, y)
    return [float(np.linalg.norm(before[path] - model.weights[path])) for path in paths]


def measure(trial: Trial) -> Result:
    data = trial.digits(trial.pick(full=10_000, quick=2000, tiny=100), trial.pick(full=2000, quick=500, tiny=50))
    found = {}
    for name, layers in NETWORKS.items():
        network = pl.Sequential(pl.Flatten(), *layers, pl.Dense(10, pl.GlorotUniform()), pl.Softmax())
        probe = network.compile((28, 28, 1), pl.CrossEntropy(), pl.SGD(1.0), seed=trial.seed)
        norms = _bias_gradients(probe, data.train.x[:100], np.asarray(data.train.y)[:100])
        model = network.compile((28, 28, 1), pl.CrossEntropy(), pl.Adam(0.001), [pl.Accuracy()], seed=trial.seed)
        model.fit(data.train, epochs=trial.pick(full=3, quick=1, tiny=1), batch_size=100, progress=False)
        found[name] = {"norms": norms, "ratio": norms[0] / max(norms[-1], 1e-30), **model.evaluate(data.validation)}
    return found


def verdict(results: Sequence[Result]) -> Verdict:
    ratio = {name: median(results, name, "ratio") for name in NETWORKS}
    bad = ratio["sigmoid, Glorot"] < VANISH and ratio["ReLU, N(0, 0.01²)"] < VANISH and ratio["ReLU, variance 5/n"] > EXPLODE
    helped = [name for name in REMEDIES if VANISH < ratio[name] < EXPLODE]
    shown = "; ".join(f"{name} {ratio[name]:.0e}" for name in NETWORKS)
    reason = (
        f"the gradient at the first layer, divided by that at the last, is: {shown}; {len(helped)} of {len(REMEDIES)} remedies "
        "help"
    )
    if not bad or not helped:
        return Verdict("does not hold", reason)
    return Verdict("holds" if len(helped) == len(REMEDIES) else "depends", reason)


def table(results: Sequence[Result]) -> Table:
    rows = []
    for name in NETWORKS:
        each = [result[name] for result in results]
        ratio, accuracy = spread((one["ratio"] for one in each), ".0e"), percent((one["accuracy"] for one in each), ".1f")
        rows.append((name, ratio, accuracy))
    return Table(("20 hidden layers of 64", "gradient ratio, first layer to last", "validation accuracy"), tuple(rows))


def figure(results: Sequence[Result]) -> Figure:
    curves = {name: [[norm or None for norm in result[name]["norms"]] for result in results] for name in NETWORKS}
    return over_seeds({"‖dC/db‖": curves}, range(1, DEPTH + 1), "layer, counted from the input", log=["‖dC/db‖"])


EXPERIMENT = Experiment(
    question="How does the gradient change over twenty layers, and what helps?",
    codes=("I7",),
    chapter="Depth",
    claim=(
        "Gradients vanish or explode exponentially with depth. Saturating activations make them vanish. Suitable initial "
        "weights, non-saturating activations and batch normalization help."
    ),
    source="Introduction to neural networks, slides on vanishing and exploding gradients and on saturating functions",
    criterion=(
        "At initialization (medians over seeds), the gradient at the first of 20 layers is below 10⁻⁴ times that at the "
        "last with sigmoids and with weights from N(0, 0.01²), above 100 times with weights of variance 5/n, and between "
        "these limits with each remedy. It depends if only some remedies help."
    ),
    mathematics="""
With δₗ = dC/dzₗ at layer l, z = a W + b and a = σ(z), the chain rule gives

    δₗ = (δₗ₊₁ Wₗ₊₁ᵀ) ⊙ σ'(zₗ)      dC/dbₗ = Σ over the batch of δₗ

so each layer multiplies the length of δ by about √(n·var W·mean σ'²). For the sigmoid, σ' is at most ¼, and with Glorot
initialization the factor is ¼ or less: 10⁻¹² after 20 layers. ReLU passes half of the squares. With He's variance of 2/n
the factor is 1; with 5/n it is √2.5, which is 10⁴ after 20 layers; with σ = 0.01 and n = 64 it is 0.06.

A residual block has dx = dy + dy·f'(x): dy reaches the layer before it, whatever f is. Batch normalization cancels the
scale of W. (It also subtracts b; the bias whose gradient is shown there is its own, β.)
""",
    alt=(
        "Length of the gradient by layer on a logarithmic axis. It falls steeply towards the input for sigmoids and small "
        "weights, rises for large weights, and is level for the remedies."
    ),
    measure=measure,
    verdict=verdict,
    table=table,
    figure=figure,
    seeds=3,
)
