"""What accuracy do three layers with 52,650 parameters reach in 12 epochs?"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from pellucid import SGD, Accuracy, Adam, CrossEntropy, Dense, Flatten, GlorotUniform, He, ReLU, Sequential, Softmax
from pellucid.lab.experiment import Experiment, Result, Table, Trial, Verdict, median, percent, spread
from pellucid.plots import over_seeds

if TYPE_CHECKING:
    from matplotlib.figure import Figure

RULES = {"gradient descent, 0.01": SGD(0.01), "Adam, 0.01": Adam(0.01), "Adam, 0.001": Adam(0.001)}
EPOCHS = 12
PARAMETERS = 52_650  # the slides give 52.6k


def measure(trial: Trial) -> Result:
    data = trial.digits(trial.pick(full=None, quick=6000, tiny=300), trial.pick(full=None, quick=1000, tiny=100))
    found: Result = {}
    for name, rule in RULES.items():
        network = Sequential(Flatten(), Dense(64, He()), ReLU(), Dense(32, He()), ReLU(), Dense(10, GlorotUniform()), Softmax())
        model = network.compile((28, 28, 1), CrossEntropy(), rule, [Accuracy()], seed=trial.seed)
        history = model.fit(data.train, validation=data.validation, epochs=EPOCHS, batch_size=64, progress=False)
        curves = {what: history[f"validation_{what}"] for what in ("loss", "accuracy")}
        found[name] = {**curves, "test": model.evaluate(data.test), "parameters": model.parameter_count}
    return found


def verdict(results: Sequence[Result]) -> Verdict:
    counts = {result[name]["parameters"] for result in results for name in RULES}
    sgd, adam = (median(results, name, "test", "accuracy") for name in ("gradient descent, 0.01", "Adam, 0.001"))
    reason = (
        f"784-64-32-10 has {min(counts):,} parameters; the test accuracy is {100 * sgd:.2f} % with gradient descent at 0.01 "
        f"and {100 * adam:.2f} % with Adam at its usual 0.001"
    )
    return Verdict("holds" if counts == {PARAMETERS} and min(sgd, adam) > 0.9 else "does not hold", reason)


def table(results: Sequence[Result]) -> Table:
    rows = []
    for name in RULES:
        each = [result[name]["test"] for result in results]
        rows.append((name, percent(one["accuracy"] for one in each), spread((one["loss"] for one in each), ".3f")))
    return Table(("optimizer", "test accuracy", "test loss (nats)"), tuple(rows))


def figure(results: Sequence[Result]) -> Figure:
    panels = {
        "validation loss (nats)": {name: [result[name]["loss"] for result in results] for name in RULES},
        "validation accuracy (%)": {
            name: [[100 * a for a in result[name]["accuracy"]] for result in results] for name in RULES
        },
    }
    return over_seeds(panels, range(1, EPOCHS + 1), "epoch")


EXPERIMENT = Experiment(
    question="What accuracy do three layers with 52,650 parameters reach in 12 epochs?",
    codes=("D8",),
    chapter="Results of the student report",
    claim=(
        "Three layers with 52.6k trained parameters, ReLU, softmax and cross-entropy, trained with batches of 64 at a "
        "learning rate of 0.01 for 12 epochs, classify MNIST."
    ),
    source=(
        "Dive into deep learning, the end-to-end example. The widths are inferred from the number of parameters. The "
        "optimizer is not stated: gradient descent and Adam are tried here. 5,000 of its 60,000 training digits are used "
        "for validation here"
    ),
    criterion=(
        "784-64-32-10 has 52,650 parameters, and the median test accuracy is above 90 % both with gradient descent at "
        "0.01 and with Adam at 0.001."
    ),
    mathematics="""
Layers of 64, 32 and 10 units have 784·64 + 64 + 64·32 + 32 + 32·10 + 10 = 52,650 parameters. No other widths that are
powers of two give 52.6k.

A learning rate of 0.01 means different things to different optimizers. Gradient descent moves a weight by 0.01 times its
gradient, which is small for most weights. Adam divides the gradient by its running root mean square, so every weight moves
by about 0.01 per step, whatever its gradient. This is ten times the usual rate, and steps of that size cannot settle in a
minimum.
""",
    alt=("Validation loss and accuracy by epoch. Adam at 0.001 is best, Adam at 0.01 is uneven, gradient descent is slower."),
    measure=measure,
    verdict=verdict,
    table=table,
    figure=figure,
)
