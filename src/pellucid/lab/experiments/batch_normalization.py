"""Does batch normalization make deep sigmoid networks learn, and at larger learning rates?"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import pellucid as pl
from pellucid.lab.experiment import Experiment, Result, Table, Trial, Verdict, median, percent
from pellucid.plots import over_seeds

if TYPE_CHECKING:
    from matplotlib.figure import Figure

DEPTHS = 1, 2, 4, 8, 16
RATES = 0.01, 0.1, 1.0, 10.0, 100.0
KINDS = "without", "with"
LEARNS = 0.8


def _accuracy(trial: Trial, depth: int, rate: float, normalized: bool) -> float:
    """Return the validation accuracy after training; 0.1, as for guessing, if training diverged."""
    data = trial.digits(trial.pick(full=10_000, quick=3000, tiny=200), trial.pick(full=2000, quick=500, tiny=50))
    layers: list[pl.Layer] = [pl.Flatten()]
    for _ in range(depth):
        layers += [pl.Dense(64, pl.GlorotUniform()), *([pl.BatchNorm()] if normalized else []), pl.Sigmoid()]
    network = pl.Sequential(*layers, pl.Dense(10, pl.GlorotUniform()), pl.Softmax())
    model = network.compile((28, 28, 1), pl.CrossEntropy(), pl.SGD(rate), [pl.Accuracy()], seed=trial.seed)
    try:
        model.fit(data.train, epochs=trial.pick(full=3, quick=2, tiny=1), batch_size=50, progress=False)
    except pl.DivergedError:
        return 0.1
    return float(model.evaluate(data.validation)["accuracy"])


def measure(trial: Trial) -> Result:
    return {
        kind: {
            "depth": [max(_accuracy(trial, depth, rate, kind == "with") for rate in (0.1, 1.0)) for depth in DEPTHS],
            "rate": [_accuracy(trial, 2, rate, kind == "with") for rate in RATES],
        }
        for kind in KINDS
    }


def _deepest(result: Result, kind: str) -> int:
    """Return the largest depth that reaches an accuracy of LEARNS."""
    return max((depth for depth, accuracy in zip(DEPTHS, result[kind]["depth"], strict=True) if accuracy >= LEARNS), default=0)


def _usable(result: Result, kind: str) -> int:
    """Return how many of the learning rates reach an accuracy of LEARNS."""
    return sum(accuracy >= LEARNS for accuracy in result[kind]["rate"])


def verdict(results: Sequence[Result]) -> Verdict:
    without, with_ = (min(_deepest(result, kind) for result in results) for kind in KINDS)
    without = max(_deepest(result, "without") for result in results)
    usable = [median([{"n": _usable(result, kind)} for result in results], "n") for kind in KINDS]
    reason = (
        f"with batch normalization networks of up to {with_} sigmoid layers learn in every run, without it at most {without} "
        f"layers; two layers learn at {usable[1]:.0f} of five learning rates from 0.01 to 100 with it, and at "
        f"{usable[0]:.0f} without it"
    )
    if with_ <= without:
        return Verdict("does not hold", reason)
    return Verdict("holds" if usable[1] > usable[0] else "depends", reason)


def table(results: Sequence[Result]) -> Table:
    rows = []
    for i, depth in enumerate(DEPTHS):
        cells = [percent((result[kind]["depth"][i] for result in results), ".1f") for kind in KINDS]
        rows.append((f"{depth} hidden layer{'s' * (depth > 1)}, better of the learning rates 0.1 and 1", *cells))
    for i, rate in enumerate(RATES):
        cells = [percent((result[kind]["rate"][i] for result in results), ".1f") for kind in KINDS]
        rows.append((f"2 hidden layers, learning rate {rate:g}", *cells))
    return Table(("validation accuracy", "without batch normalization", "with batch normalization"), tuple(rows))


def figure(results: Sequence[Result]) -> Figure:
    curves = {f"{kind} batch normalization": [[100 * a for a in result[kind]["depth"]] for result in results] for kind in KINDS}
    return over_seeds({"validation accuracy (%)": curves}, DEPTHS, "hidden layers of 64 sigmoids", log_x=True)


EXPERIMENT = Experiment(
    question="Does batch normalization make deep sigmoid networks learn, and at larger learning rates?",
    codes=("I8",),
    chapter="Depth",
    claim="Batch normalization makes deep networks trainable, and at larger learning rates.",
    source=(
        "Introduction to neural networks, Vanishing/Exploding Gradient Solutions and Batch Normalization; the larger "
        "learning rates are from Ioffe and Szegedy (2015)"
    ),
    criterion=(
        "The deepest network that learns (a validation accuracy of 80 % after three epochs, at the better of two learning "
        "rates) is deeper with batch normalization in every run than without it in any run. It depends if two layers do "
        "not also learn at more of five learning rates (medians)."
    ),
    mathematics="""
For each unit, over the batch of n samples:

    μ = mean(x)    σ² = mean((x − μ)²)    y = γ (x − μ)/√(σ² + ε) + β

If the weights before it scale x by a factor, y stays the same. The inputs of the sigmoid therefore keep a standard
deviation of γ, where the sigmoid is not flat. Prediction uses running averages of μ and σ² instead of the statistics of
the batch. In a convolutional network there is one μ and one σ² per channel, over the batch and all positions.

Scaling W by s leaves y unchanged and divides the gradient by s: large steps make weights long, and long weights make steps
small. Large learning rates therefore do less harm.
""",
    alt=(
        "Validation accuracy by depth. Without batch normalization it drops to guessing after a few layers; with it it "
        "stays high."
    ),
    measure=measure,
    verdict=verdict,
    table=table,
    figure=figure,
    seeds=3,
)
