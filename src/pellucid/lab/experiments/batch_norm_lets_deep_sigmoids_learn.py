"""Does batch normalization make deep networks of sigmoids learn, and at larger rates?"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import pellucid as pl
from pellucid.lab.experiment import Experiment, Result, Table, Trial, Verdict, median, percent
from pellucid.plots.lines import over_seeds

if TYPE_CHECKING:
    from matplotlib.figure import Figure

DEPTHS = 1, 2, 4, 8, 16
RATES = 0.01, 0.1, 1.0, 10.0, 100.0
KINDS = "without", "with"
LEARNS = 0.8


def _accuracy(trial: Trial, depth: int, rate: float, normalized: bool) -> float:
    """Of the validation digits, after some epochs; 0.1 where the training diverged: guessing."""
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
    return max((depth for depth, accuracy in zip(DEPTHS, result[kind]["depth"], strict=True) if accuracy >= LEARNS), default=0)


def _usable(result: Result, kind: str) -> int:
    """How many of the rates lead to LEARNS or more."""
    return sum(accuracy >= LEARNS for accuracy in result[kind]["rate"])


def verdict(results: Sequence[Result]) -> Verdict:
    without, with_ = (min(_deepest(result, kind) for result in results) for kind in KINDS)
    without = max(_deepest(result, "without") for result in results)
    wide = [median([{"n": _usable(result, kind)} for result in results], "n") for kind in KINDS]
    because = (
        f"with batch normalization networks of up to {with_} layers of sigmoids learn in every run, without it of at most "
        f"{without}; two layers learn at {wide[1]:.0f} of five rates from 0.01 to 100 with it, at {wide[0]:.0f} without"
    )
    if with_ <= without:
        return Verdict("does not hold", because)
    return Verdict("holds" if wide[1] > wide[0] else "depends", because)


def table(results: Sequence[Result]) -> Table:
    rows = []
    for i, depth in enumerate(DEPTHS):
        cells = [percent((result[kind]["depth"][i] for result in results), ".1f") for kind in KINDS]
        rows.append((f"{depth} hidden layer{'s' * (depth > 1)}, the better of the rates 0.1 and 1", *cells))
    for i, rate in enumerate(RATES):
        cells = [percent((result[kind]["rate"][i] for result in results), ".1f") for kind in KINDS]
        rows.append((f"2 hidden layers, learning rate {rate:g}", *cells))
    return Table(("validation accuracy", "without", "with batch normalization"), tuple(rows))


def figure(results: Sequence[Result]) -> Figure:
    curves = {f"{kind} batch normalization": [[100 * a for a in result[kind]["depth"]] for result in results] for kind in KINDS}
    return over_seeds({"validation accuracy (%)": curves}, DEPTHS, "hidden layers of 64 sigmoids", log_x=True)


EXPERIMENT = Experiment(
    question="Does batch normalization make deep networks of sigmoids learn, and at larger rates?",
    codes=("I8",),
    chapter="Depth",
    claim="Batch normalization lets deep networks train, and with larger learning rates.",
    source="Introduction to neural networks, Vanishing/Exploding Gradient Solutions and Batch Normalization; the larger rates "
    "are from Ioffe and Szegedy (2015)",
    criterion="The deepest network that learns (80 % of the validation digits after three epochs at the better of two rates) "
    "is deeper with batch normalization in every run than without it in any. It depends, if two layers do not also learn with "
    "more of five rates (medians).",
    mathematics=(
        "For each unit, over the batch of n samples:\n\n"
        "    μ = mean(x)    σ² = mean((x − μ)²)    y = γ (x − μ)/√(σ² + ε) + β\n\n"
        "Whatever the weights before it scale x by, y stays the same, so a layer's input to the sigmoid keeps a spread of γ, "
        "where the sigmoid is not flat. For prediction running averages of μ and σ² take the batch's place. In a "
        "convolutional network μ and σ² belong to a channel, over the batch and all its places.\n\n"
        "Scaling W by s leaves y as it is and divides the gradient by s: large steps make weights long, and long weights make "
        "steps small. That is why large rates do less harm."
    ),
    measure=measure,
    verdict=verdict,
    table=table,
    figure=figure,
    seeds=3,
    alt="Validation accuracy by depth: without batch normalization it drops to guessing at a few layers, with it it stays "
    "high.",
)
