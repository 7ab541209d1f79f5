"""Does the initialization of the weights decide whether a network learns?"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

import pellucid as pl
from pellucid.lab.experiment import Experiment, Result, Table, Trial, Verdict, median, percent, spread
from pellucid.model.activations import activations
from pellucid.plots import histogram, histograms

if TYPE_CHECKING:
    from matplotlib.figure import Figure

LAYERS, WIDTH = 5, 64
INITS: dict[str, pl.Initializer] = {
    "zero": pl.Zeros(),
    "constant 0.1": pl.Constant(0.1),
    "N(0, 0.01²)": pl.Normal(0.01),
    "N(0, 1)": pl.Normal(1.0),
    "Xavier, N(0, 1/n)": pl.LeCun(),
    "He, N(0, 2/n)": pl.He(),
}
SAME = "zero", "constant 0.1"


def _unit_difference(model: pl.Model) -> float:
    """Return how much the units of the second layer differ: the largest range of one input's weights over the units."""
    return float(np.ptp(model.weights["dense2.W"], axis=1).max())


def _outputs(model: pl.Model, x: np.ndarray) -> dict[str, np.ndarray]:
    return {f"layer {i + 1}": activations(model, x)[f"tanh{i + 1}"] for i in range(LAYERS)}


def measure(trial: Trial) -> Result:
    data = trial.digits(trial.pick(full=20_000, quick=4000, tiny=200), trial.pick(full=2000, quick=500, tiny=50))
    long = trial.digits(100, 100).train  # for the run of 600 epochs
    found: Result = {}
    for name, init in INITS.items():
        hidden = [layer for _ in range(LAYERS) for layer in (pl.Dense(WIDTH, init), pl.Tanh())]
        network = pl.Sequential(pl.Flatten(), *hidden, pl.Dense(10, init), pl.Softmax())
        model = network.compile((28, 28, 1), pl.CrossEntropy(), pl.SGD(0.05), [pl.Accuracy()], seed=trial.seed)
        shown = data.validation.x[:200]
        before = _outputs(model, shown)
        model.fit(data.train, epochs=4, batch_size=50, progress=False)
        after = _outputs(model, shown)
        found[name] = {
            "accuracy": model.evaluate(data.validation)["accuracy"],
            "saturated": float(np.mean([(np.abs(one) > 0.99).mean() for one in before.values()])),
            "deviation": float(before[f"layer {LAYERS}"].std()),
        }
        if trial.seed == 0:
            found[name]["histograms"] = {
                layer: {"after 4 epochs": histogram(after[layer], -1, 1), "before training": histogram(before[layer], -1, 1)}
                for layer in before
            }
        if name in SAME:
            model = network.compile((28, 28, 1), pl.CrossEntropy(), pl.SGD(0.05), [pl.Accuracy()], seed=trial.seed)
            model.fit(long, epochs=trial.pick(full=600, quick=100, tiny=5), batch_size=100, progress=False)
            found[name] |= {"600": model.evaluate(long)["accuracy"], "differ": _unit_difference(model)}
    return found


def verdict(results: Sequence[Result]) -> Verdict:
    differ = max(result[name]["differ"] for result in results for name in SAME)
    stuck = max(result[name]["600"] for result in results for name in SAME)
    accuracy = {name: median(results, name, "accuracy") for name in INITS}
    reason = (
        f"after 600 epochs units with equal initial weights differ by at most {differ:.0g}, and their networks classify at "
        f"most {100 * stuck:.0f} % of their 100 training digits correctly; after 4 epochs the validation accuracies are "
        + ", ".join(f"{100 * a:.0f} % ({name})" for name, a in accuracy.items())
    )
    if differ > 1e-5 or stuck > 0.5 or accuracy["Xavier, N(0, 1/n)"] < accuracy["N(0, 1)"]:
        return Verdict("does not hold", reason)
    return Verdict("depends" if accuracy["N(0, 0.01²)"] < 0.5 else "holds", reason)


def table(results: Sequence[Result]) -> Table:
    rows = []
    for name in INITS:
        each = [result[name] for result in results]
        cells = percent((one["accuracy"] for one in each), ".1f"), percent((one["saturated"] for one in each), ".0f")
        rows.append((name, *cells, spread((one["deviation"] for one in each), ".1e")))
    columns = (
        "initialization",
        "validation accuracy after 4 epochs",
        "initial outputs beyond ±0.99",
        "initial standard deviation in layer 5",
    )
    return Table(columns, tuple(rows))


def figure(results: Sequence[Result]) -> Figure:
    return histograms({name: results[0][name]["histograms"] for name in INITS}, "output of the layer (tanh)")


EXPERIMENT = Experiment(
    question="Does the initialization of the weights decide whether a network learns?",
    codes=("I13",),
    chapter="Depth",
    claim=(
        "Zero or constant weights never break the symmetry of the units, not even in 600 epochs. N(0, 0.01²) is good "
        "practice but has problems in deeper networks. N(0, 1) saturates. Xavier's variance 1/n preserves the signal "
        "through tanh layers; He's 2/n is for ReLU."
    ),
    source=(
        "Introduction to neural networks, slides on weight initialization. There n is the number of neurons of the layer; "
        "here, as usual, it is the number of its inputs"
    ),
    criterion=(
        "Units with equal initial weights stay equal (within 10⁻⁵) and their networks classify at most 50 % of 100 digits "
        "correctly after 600 epochs, in every run; Xavier is not worse than N(0, 1) (medians). It depends if the rule of "
        "thumb σ = 0.01 fails: a validation accuracy below 50 % after 4 epochs."
    ),
    mathematics="""
Two units of a layer with the same weights compute the same output, get the same gradient and stay equal: the layer is
forever equivalent to one unit. Random weights break this symmetry.

The scale of the random weights matters too. A unit that sums n inputs of variance v with weights of variance s² has
variance n·s²·v. With s² = 1/n the variance is preserved; tanh is close to the identity around 0. With s = 1 and n = 64 the
sum has a standard deviation of 8, and tanh is at ±1, where its derivative is 0. With s = 0.01 each layer shrinks the signal
to 0.08 of its size, five layers to 3 millionths, and the gradients with it.
""",
    alt=(
        "Histograms of the outputs of five tanh layers for six initializations, before and after training: spikes at zero "
        "for small weights, at plus and minus one for N(0, 1), broad for Xavier and He."
    ),
    measure=measure,
    verdict=verdict,
    table=table,
    figure=figure,
    seeds=3,
)
