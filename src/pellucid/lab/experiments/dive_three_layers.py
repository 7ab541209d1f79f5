"""What do three layers with 52,650 parameters reach in 12 epochs?"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from pellucid import SGD, Accuracy, Adam, CrossEntropy, Dense, Flatten, GlorotUniform, He, ReLU, Sequential, Softmax
from pellucid.lab.experiment import Experiment, Result, Table, Trial, Verdict, median, percent, spread
from pellucid.plots.lines import over_seeds

if TYPE_CHECKING:
    from matplotlib.figure import Figure

RULES = {"gradient descent, 0.01": SGD(0.01), "Adam, 0.01": Adam(0.01), "Adam, 0.001": Adam(0.001)}
EPOCHS = 12
PARAMETERS = 52_650  # the slides say 52.6k


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
    because = (
        f"784-64-32-10 has {min(counts):,} parameters; at 0.01 gradient descent ends at {100 * sgd:.2f} %, and Adam, at its "
        f"usual 0.001, at {100 * adam:.2f} % of the test digits"
    )
    return Verdict("holds" if counts == {PARAMETERS} and min(sgd, adam) > 0.9 else "does not hold", because)


def table(results: Sequence[Result]) -> Table:
    rows = []
    for name in RULES:
        each = [result[name]["test"] for result in results]
        rows.append((name, percent(one["accuracy"] for one in each), spread((one["loss"] for one in each), ".3f")))
    return Table(("optimizer", "test accuracy", "test cost (nats)"), tuple(rows))


def figure(results: Sequence[Result]) -> Figure:
    panels = {
        "validation cost (nats)": {name: [result[name]["loss"] for result in results] for name in RULES},
        "validation accuracy (%)": {
            name: [[100 * a for a in result[name]["accuracy"]] for result in results] for name in RULES
        },
    }
    return over_seeds(panels, range(1, EPOCHS + 1), "epoch")


EXPERIMENT = Experiment(
    question="What do three layers with 52,650 parameters reach in 12 epochs?",
    codes=("D8",),
    chapter="The results of the report",
    claim="Three layers with 52.6k trained parameters, ReLU, softmax and cross-entropy, batches of 64, a rate of 0.01 and 12 "
    "epochs classify MNIST.",
    source="Dive into deep learning, the end-to-end example; the widths are inferred from the number of parameters, the "
    "optimizer is not stated: here gradient descent and Adam; of its 60,000 training digits 5,000 are for validation here",
    criterion="784-64-32-10 has 52,650 parameters, and the median test accuracy is above 90 % with gradient descent at 0.01 "
    "and with Adam at 0.001.",
    mathematics=(
        "Layers of 64, 32 and 10 units have 784·64 + 64 + 64·32 + 32 + 32·10 + 10 = 52,650 parameters: the only widths that "
        "are powers of two and give 52.6k.\n\n"
        "A rate of 0.01 means different things to different rules. Gradient descent moves a weight by 0.01 times its gradient, "
        "which is small for most of them. Adam divides by a running root mean square of the gradient, so every weight moves by "
        "about 0.01 a step whatever its gradient: ten times the usual, and steps of that size cannot settle."
    ),
    measure=measure,
    verdict=verdict,
    table=table,
    figure=figure,
    alt="Validation cost and accuracy by epoch: Adam at 0.001 is best, Adam at 0.01 is uneven, gradient descent is slower.",
)
