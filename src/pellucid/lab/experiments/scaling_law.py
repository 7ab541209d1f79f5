"""Does the loss of a language model fall as a power of its size and of its data?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

import pellucid as pl
from pellucid.core.memory import Array
from pellucid.lab.experiment import Experiment, Result, Table, Trial, Verdict, spread
from pellucid.lab.language_models import token_count, transformer
from pellucid.plots import style

if TYPE_CHECKING:
    from matplotlib.figure import Figure

CONTEXT, BATCH = 64, 12
WIDTHS = 4, 8, 16, 32, 64
CHARACTERS = 4_000, 16_000, 64_000, 256_000  # of the training text, for the network of width 32
CLOSE = 0.03  # of the loss, between a prediction and the measured value
RATE = {4: 0.01, 8: 0.01, 16: 0.006, 32: 0.003, 64: 0.003}  # narrow networks tolerate, and need, larger steps
VARIABLES = {"parameters": "without embeddings", "characters": "of training text"}


def measure(trial: Trial) -> Result:
    def trained(width: int, characters: int | None) -> Result:
        data = trial.plays(CONTEXT, characters, trial.pick(full=20_000, quick=10_000, tiny=500))
        network = transformer(token_count(data), width)
        model = network.compile((CONTEXT,), pl.CrossEntropy(), pl.Adam(RATE[width]), seed=trial.seed)
        losses = []
        for _ in range(trial.pick(full=10, quick=3, tiny=1)):
            steps = trial.pick(full=300, quick=30, tiny=2)
            model.fit(data.train, batch_size=BATCH, steps_per_epoch=steps, progress=False)
            losses.append(float(model.evaluate(data.validation)["loss"]))
        inner = sum(
            array.size for path, array in model.weights.items() if ".embedding." not in path and "positions" not in path
        )
        return {"parameters": int(inner), "loss": min(losses), "text": data.name}

    sizes = [trained(width, None) for width in WIDTHS]
    amounts = [{**trained(32, characters), "characters": characters} for characters in CHARACTERS]
    return {"text": sizes[0]["text"], "parameters": sizes, "characters": amounts}


@dataclass(frozen=True)
class Law:
    """The law L = factor · x^(−exponent), fitted to logarithms by least squares.

    ``error`` is the standard error of the exponent, ``largest`` is the largest x, ``predicted`` the loss there by the
    law of all smaller x, and ``measured`` its median.
    """

    factor: float
    exponent: float
    error: float
    largest: float
    predicted: float
    measured: float

    @property
    def miss(self) -> float:
        """The distance of the prediction from the measured loss, as a fraction of it."""
        return abs(self.predicted - self.measured) / self.measured


def line(x: Array, y: Array) -> tuple[float, float, float]:
    """Return the intercept and slope of the line through (x, y) with the least squares, and the standard error of the slope."""
    centred = x - x.mean()
    slope = float(centred @ y / (centred @ centred))
    intercept = float(y.mean() - slope * x.mean())
    residuals = y - intercept - slope * x
    variance = float(residuals @ residuals) / max(len(x) - 2, 1)
    return intercept, slope, float(np.sqrt(variance / (centred @ centred)))


def law(results: Sequence[Result], variable: str) -> Law:
    """Return the law by ``variable``, fitted to the losses of all seeds."""
    x, y = (np.array([one[key] for result in results for one in result[variable]], float) for key in (variable, "loss"))
    smaller = x < x.max()
    intercept, slope, error = line(np.log(x), np.log(y))
    below, steepness, _ = line(np.log(x[smaller]), np.log(y[smaller]))
    predicted = float(np.exp(below + steepness * np.log(x.max())))
    return Law(float(np.exp(intercept)), -slope, error, float(x.max()), predicted, float(np.median(y[~smaller])))


def verdict(results: Sequence[Result]) -> Verdict:
    laws = {variable: law(results, variable) for variable in VARIABLES}
    parts = [
        f"by {variable} the exponent is {one.exponent:.3f} ± {one.error:.3f}, and the law of the smaller ones predicts "
        f"{one.predicted:.2f} nats for {one.largest:,.0f}, measured {one.measured:.2f}"
        for variable, one in laws.items()
    ]
    reason = f"on {results[0]['text']}, " + "; ".join(parts)
    if any(one.exponent < 2 * one.error for one in laws.values()):
        return Verdict("does not hold", reason)
    close = [one.miss <= CLOSE for one in laws.values()]
    return Verdict("holds" if all(close) else "depends" if any(close) else "does not hold", reason)


def table(results: Sequence[Result]) -> Table:
    rows = []
    for variable, of in VARIABLES.items():
        found = law(results, variable)
        for i, one in enumerate(results[0][variable]):
            losses = spread((result[variable][i]["loss"] for result in results), ".3f")
            rows.append(
                (f"{one[variable]:,} {variable} {of}", losses, f"{found.factor * one[variable] ** -found.exponent:.3f}")
            )
    return Table(("network or data", "validation loss (nats a character)", "by the fitted law"), tuple(rows))


def figure(results: Sequence[Result]) -> Figure:
    made, axes = style.blank_figure(9, 3.5, 2)
    for ax, (variable, of), color, marker in zip(axes, VARIABLES.items(), (style.BLUE, style.VERMILION), "os", strict=True):
        found, x = law(results, variable), np.array([one[variable] for one in results[0][variable]], float)
        losses = np.array([[one["loss"] for one in result[variable]] for result in results])
        middle = np.median(losses, axis=0)
        ax.errorbar(
            x, middle, [middle - losses.min(axis=0), losses.max(axis=0) - middle], color=color, fmt=marker, markersize=5
        )
        ends = np.array([x.min(), x.max()])
        label = f"{found.factor:.2f} · x^−{found.exponent:.3f}"
        ax.plot(ends, found.factor * ends**-found.exponent, "--", color=style.GREY, label=label)
        ax.plot(found.largest, found.predicted, "x", color="#000000", markersize=8, label="predicted from the smaller ones")
        ax.set_xscale("log")
        ax.set_yscale("log")
        ax.set(xlabel=f"{variable} {of}", ylabel="validation loss (nats a character)")
        ticks = [
            tick for tick in (1.8, 2, 2.2, 2.4, 2.6, 2.8, 3, 3.2, 3.5, 4) if 0.95 * losses.min() < tick < 1.05 * losses.max()
        ]
        ax.set_yticks(ticks, [f"{tick:g}" for tick in ticks])
        ax.minorticks_off()
        ax.legend(fontsize=8)
    return made


EXPERIMENT = Experiment(
    question="Does the loss of a language model fall as a power of its size and of its data?",
    codes=("beyond",),
    chapter="Attention and text",
    claim=(
        "The loss of a language model is a power law of its number of parameters, and of the amount of its training data, "
        "so that small trainings predict the loss of larger ones."
    ),
    source="Kaplan et al. (2020), Scaling laws for neural language models; the exponents there are 0.076 and 0.095",
    criterion=(
        "A power law fitted to the losses of all seeds but those of the largest network predicts the loss of the largest "
        "within 3 %, and likewise for the largest amount of data; both exponents are above twice their standard error. It "
        "depends if only one of the two predictions is that close."
    ),
    mathematics="""
A power law is a line in logarithms, whose slope is fitted by least squares:

    L(N) = c · N^(−α)      log L = log c − α log N      α = −Σ (log N − mean) log L / Σ (log N − mean)²

The standard error of α is that of a slope, √(s² / Σ (log N − mean)²), with the variance s² of the points around the line.
It states how well the points lie on the line, not whether the line goes on: the prediction of the largest point tests that.

N is the number of parameters without embeddings and positions, as in the paper: networks of two blocks with widths from 4
to 64, each trained for 3,000 steps of 768 characters on the whole text. For the data, the network of width 32 is trained
equally long on fewer characters, from 4,000, and the lowest validation loss of the training counts, as with early stopping.

A power law cannot go on for ever: the loss does not fall below the entropy of the text, so that the line must flatten. And
in 3,000 steps no network is trained to the end, while the paper's are: their exponents are for comparison only.

How long the networks are trained decides the verdict. In a first round of 400 steps, on the same seeds, both predictions were
within 3 %, and the claim held. The trainings became longer for all experiments on text at once, because after 400 steps a
longer context was no help yet; the criterion stayed as it was.
""",
    alt=(
        "Two logarithmic plots of the validation loss, by parameters and by characters of training text, with fitted "
        "lines and the prediction of the last point."
    ),
    measure=measure,
    verdict=verdict,
    table=table,
    figure=figure,
    seeds=3,
)
